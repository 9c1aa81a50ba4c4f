"""Venue rules as dated presets: one TOML file in ``venues/`` is one venue, with its sources and worked examples.

Rules change often. ``as_of`` is the day on which they were read; ``remarks`` says what was not confirmed.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from dynamics.data.venue_rules import RULES
from dynamics.errors import SpecificationError, did_you_mean

__all__ = ["Example", "Venue", "load", "names"]


@dataclass(frozen=True)
class Example:
    """A worked example: a rule of :mod:`dynamics.data.venue_rules`, its inputs and the value it must give."""

    rule: str
    inputs: Mapping[str, Any]
    value: float
    tolerance: float

    def computed(self) -> float:
        """Return what the rule gives for the inputs."""
        return RULES[self.rule](**self.inputs)


@dataclass(frozen=True)
class Venue:
    """Rules of a venue on a day.

    Attributes
    ----------
    name, title, kind : str
        ``kind`` is ``"perpetual"`` or ``"lending"``.
    as_of : datetime.date
        When the rules were read.
    rules : mapping of str to number, text or list
    examples : tuple of Example
    sources : tuple of str
    remarks : str
    """

    name: str
    title: str
    kind: str
    as_of: datetime.date
    rules: Mapping[str, Any]
    examples: tuple[Example, ...]
    sources: tuple[str, ...]
    remarks: str


def names() -> tuple[str, ...]:
    """Return the names of the venues with a preset.

    Examples
    --------
    >>> "binance" in names()
    True
    """
    folder = files("dynamics.data").joinpath("venues")
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def load(name: str) -> Venue:
    """load("hyperliquid"): the preset of a venue.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Returns
    -------
    Venue

    Raises
    ------
    SpecificationError
        If there is no preset of that name.

    Examples
    --------
    >>> load("hyperliquid").rules["cooldown_seconds"]
    30
    """
    if name not in names():
        raise SpecificationError(f"there are no rules of a venue '{name}'.{did_you_mean(name, names())} "
                                 f"There are {', '.join(names())}")
    text = files("dynamics.data").joinpath("venues", f"{name}.toml").read_text(encoding="utf-8")
    entry = tomllib.loads(text)
    examples = tuple(Example(e["rule"], MappingProxyType(e["inputs"]), float(e["value"]), float(e["tolerance"]))
                     for e in entry["examples"])
    return Venue(name=entry["name"], title=entry["title"], kind=entry["kind"],
                 as_of=datetime.date.fromisoformat(entry["as_of"]), rules=MappingProxyType(entry["rules"]),
                 examples=examples, sources=tuple(entry["sources"]), remarks=entry["remarks"])
