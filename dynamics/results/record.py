"""The base of all records: a class that derives from it can be saved and opened, wherever in the package it stands.

A file names the kind of a record and its home, the module that has its class. Only a module of this package is ever
imported because a file names it, and only a class that registered itself by its base is made from what a file holds.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["Record", "hashed", "home_of", "kind_of", "record_class", "same"]

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
    """A structured result or a part of one: a dataclass whose fields are all that it is.

    Two are equal where their fields are; a number that is not known (nan) is equal to another that is not.
    """

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _classes[(home_of(cls), cls.__name__)] = cls
        if cls.__eq__ is Record.__eq__:
            # in the class itself, where a dataclass leaves them as they are; it would compare nan with nan
            cls.__eq__ = Record.__eq__  # type: ignore[method-assign]
            if cls.__hash__ is None or cls.__hash__ is Record.__hash__:
                cls.__hash__ = Record.__hash__  # type: ignore[method-assign]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        compared = [field.name for field in dataclasses.fields(self) if field.compare]  # type: ignore[arg-type]
        return all(same(getattr(self, name), getattr(other, name)) for name in compared)

    def __hash__(self) -> int:
        compared = [field.name for field in dataclasses.fields(self) if field.compare]  # type: ignore[arg-type]
        return hash((type(self).__name__, *(hashed(getattr(self, name)) for name in compared)))


def same(one: Any, other: Any) -> bool:
    """Whether two values of fields are equal, nan to nan, also within tuples, lists and mappings.

    Examples
    --------
    >>> same((1.0, {"period": float("nan")}), (1.0, {"period": float("nan")}))
    True
    """
    if isinstance(one, (tuple, list)) and type(one) is type(other):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if hasattr(one, "identical"):
        # a comparison of Datasets by == is a Dataset, which is true whenever it is not empty
        return type(one) is type(other) and bool(one.identical(other))
    if isinstance(one, complex) and isinstance(other, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    return one is other or bool(one == other) or (_unknown(one) and _unknown(other))


def hashed(value: Any) -> Any:
    """Return what is hashed of a value: the same for all that are ``same``."""
    if isinstance(value, tuple):
        return tuple(map(hashed, value))
    if isinstance(value, complex):
        return hashed(value.real), hashed(value.imag)
    return "nan" if _unknown(value) else value


def _unknown(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


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
