"""The base of all records: a class that derives from it can be saved and opened, wherever in the package it stands.

A file names the kind of a record and its home, the module that has its class. Only a module of this package is ever
imported because a file names it, and only a class that registered itself by its base is made from what a file holds.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

__all__ = ["Record", "home_of", "kind_of", "record_class"]

PACKAGE = "dynamics."
# Packages whose modules define records; a file that names another home is refused.
HOMES = ("results", "analysis")
_HOME = re.compile(rf"({'|'.join(HOMES)})\.[a-z][a-z0-9_]*")
# Homes of the records that files of schema version 1 hold, which name none.
_OLD_HOMES = {
    "results.certificates": ("Certificate", "CertifiedBox"),
    "results.conditions": ("BifurcationCondition", "FeedbackLoop", "StabilityCondition"),
    "results.conserved": ("ConservedQuantity",),
    "results.nonsmooth_records": ("BorderCollision", "BorderSide", "NonsmoothRegime", "PseudoEquilibrium", "Sliding",
                                  "Tangency"),
    "results.normal_forms": ("Coefficient", "NormalForm"),
    "results.records": ("BifurcationDiagram", "Branch", "FixedPoint", "FixedPoints", "Records", "SpecialPoint", "Threshold"),
    "results.reproductions": ("Claim", "Finding", "Reproduction"),
}
_OLD_HOME_OF = {name: home for home, names in _OLD_HOMES.items() for name in names}
_classes: dict[tuple[str, str], type[Record]] = {}


class Record:
    """A structured result or a part of one: a dataclass whose fields are all that it is."""

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _classes[(home_of(cls), cls.__name__)] = cls


def home_of(cls: type) -> str:
    """Return the module of a class, within the package."""
    return cls.__module__.removeprefix(PACKAGE)


def kind_of(value: Any) -> type[Record] | None:
    """Return the registered class of a value, None where it is no record.

    Examples
    --------
    >>> from dynamics.results import Claim
    >>> kind_of(Claim("threshold", 11.0, 1e-9, "table 1")).__name__
    'Claim'
    >>> kind_of("text") is None
    True
    """
    cls = type(value)
    home = home_of(cls)
    return cls if _HOME.fullmatch(home) and _classes.get((home, cls.__name__)) is cls else None


def record_class(kind: str, home: str | None) -> type[Record]:
    """Return the class that a file names; its module is imported if it is one of this package.

    Parameters
    ----------
    kind : str
        Name of the class.
    home : str or None
        As ``home_of`` has it; None in files of schema version 1.

    Raises
    ------
    ValueError
        For a kind that is no record of this package.
    """
    where = _OLD_HOME_OF.get(kind) if home is None else home
    if not isinstance(where, str) or not _HOME.fullmatch(where):
        raise ValueError(f"unknown kind of result {kind!r}")
    if (where, kind) not in _classes and importlib.util.find_spec(PACKAGE + where) is not None:
        importlib.import_module(PACKAGE + where)
    if (where, kind) not in _classes:
        raise ValueError(f"unknown kind of result {kind!r}")
    return _classes[(where, kind)]
