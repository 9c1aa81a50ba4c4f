"""What an argument may be: each function returns the argument as the computation wants it, or says what is wrong.

Nothing here knows an analysis. ``where`` is how an error speaks of the argument: its name, or ``"exposure: periods"``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.work_budget import check_length
from dynamics.errors import SpecificationError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LARGEST_WHOLE", "between", "choice", "flag", "known_name", "known_names", "mapping", "members", "names",
           "number", "numbers", "pair", "positive", "replaced", "seed_of", "share", "whole"]

LARGEST_WHOLE = 2**63 - 1  # of counters and array sizes
LONGEST = 80  # characters of a value in an error: the sentence stays readable


def number(value: Any, where: str, least: float = -math.inf) -> float:
    """Return a finite number of at least ``least``."""
    found = _finite(value)
    if not found >= least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise SpecificationError(f"{where} must be a finite number{bound}, not {_shown(value)}")
    return found


def positive(value: Any, where: str) -> float:
    """Return a positive, finite number."""
    found = _finite(value)
    if not found > 0:
        raise SpecificationError(f"{where} must be a positive number, not {_shown(value)}")
    return found


def between(value: Any, where: str, low: float, high: float) -> float:
    """Return a number that is larger than ``low`` and at most ``high``."""
    found = _finite(value)
    if not low < found <= high:
        raise SpecificationError(f"{where} must lie between {low:g} and {high:g}, not {_shown(value)}")
    return found


def share(value: Any, where: str) -> float:
    """Return a number strictly between 0 and 1."""
    found = _finite(value)
    if not 0 < found < 1:
        raise SpecificationError(f"{where} must lie between 0 and 1, not {_shown(value)}")
    return found


def whole(value: Any, where: str, least: int, most: int = LARGEST_WHOLE) -> int:
    """Return a whole number from ``least`` to ``most``; one written as 3.0 is none."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        large = isinstance(value, (int, np.integer)) and value > most
        room = f"from {least} to {most}" if large or most < LARGEST_WHOLE else f"of at least {least}"
        raise SpecificationError(f"{where} must be a whole number {room}, not {_shown(value)}")
    return int(value)


def seed_of(value: Any, where: str = "seed") -> int:
    """Return a root of random numbers: a whole number from 0."""
    return whole(value, where, 0)


def flag(value: Any, where: str) -> bool:
    """Return true or false; 0 and 1 are them, too."""
    if not isinstance(value, (bool, np.bool_, int)) or value not in (0, 1):
        raise SpecificationError(f"{where} must be True or False, not {_shown(value)}")
    return bool(value)


def choice(value: Any, where: str, known: Iterable[str]) -> str:
    """Return one of a few words."""
    words = tuple(known)
    if not isinstance(value, str) or value not in words:
        near = did_you_mean(value, words) if isinstance(value, str) else ""
        raise SpecificationError(f"{where} must be one of {', '.join(words)}, not {_shown(value)}.{near}")
    return value


def known_name(value: Any, known: Iterable[str], what: str, of: str, where: str = "") -> str:
    """Return the name of something that is declared.

    Parameters
    ----------
    value
    known : iterable of str
    what : str
        As "parameter".
    of : str
        Name of the system.
    where : str
        Before the sentence.
    """
    names_known = list(known)
    if not isinstance(value, str) or value not in names_known:
        before = f"{where}: " if where else ""
        listed = f" There are {', '.join(names_known) or 'none'}"
        near = did_you_mean(value, names_known) if isinstance(value, str) else ""
        article = "an" if what[0] in "aeiou" else "a"
        raise SpecificationError(f"{before}{_quoted(value)} is not {article} {what} of '{of}'.{near}{listed}")
    return value


def names(value: Any, where: str) -> tuple[str, ...]:
    """Return one or several names, a single one as a tuple."""
    if isinstance(value, str):
        return (value,)
    found = members(value, where)
    for name in found:
        if not isinstance(name, str):
            raise SpecificationError(f"{where}: needs names, and {_shown(name)} is none")
    return found


def known_names(value: Any, known: Iterable[str], what: str, of: str, where: str) -> tuple[str, ...]:
    """Return one or several names of what is declared."""
    listed = list(known)
    return tuple(known_name(name, listed, what, of, where) for name in names(value, where))


def members(value: Any, where: str) -> tuple[Any, ...]:
    """Return the members of a list, tuple or array; a number is none."""
    single = isinstance(value, (str, bytes)) or getattr(value, "ndim", 1) == 0
    if single or not isinstance(value, Iterable):
        raise SpecificationError(f"{where} must be a sequence, not {_shown(value)}")
    check_length(value, where)
    return tuple(value)


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a mapping of names; None is the empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or hasattr(value, "data_vars"):
        raise SpecificationError(f"{where} must map names to values, not {_shown(value)}")
    for name in value:
        if not isinstance(name, str):
            raise SpecificationError(f"{where}: {_shown(name)} is no name")
    return dict(value)


def numbers(value: Any, where: str) -> NDArray[np.float64]:
    """Return a list of finite numbers, shape (n,), with n of at least 1."""
    check_length(value, where)
    try:
        found = np.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    if found.ndim != 1 or not found.size or not np.all(np.isfinite(found)):
        raise SpecificationError(f"{where} must be a list of finite numbers, not {_shown(value)}")
    return found


def pair(value: Any, where: str) -> tuple[float, float]:
    """Return two finite numbers, the smaller one first."""
    ends = numbers(value, where)
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise SpecificationError(f"{where} must be two numbers, the smaller one first, not {_shown(value)}")
    return float(ends[0]), float(ends[1])


def replaced(system: Any, parameters: Mapping[str, Any] | None) -> Any:
    """Return the system (or Process) with the parameters that were given, where any were."""
    return system if parameters is None else system.with_parameters(parameters)


def _finite(value: Any) -> float:
    """Return the number, nan where there is none that is finite."""
    if isinstance(value, (bool, np.bool_, str, bytes)) or getattr(value, "ndim", None):
        return math.nan
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def _shown(value: Any) -> str:
    """Return how a value is written, not too long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        text = f"a {type(value).__name__} too large to be written"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else _shown(value)
