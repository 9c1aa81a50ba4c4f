"""Methods of integration, and how many states each is for."""

from __future__ import annotations

from typing import Any

from dynamics.errors import SpecificationError, did_you_mean

__all__ = ["IMPLICIT", "METHODS", "MOST_IMPLICIT", "method_of"]

METHODS = ("LSODA", "RK45", "RK23", "DOP853", "Radau", "BDF")
IMPLICIT = ("LSODA", "Radau", "BDF")  # hold a matrix of states by states
MOST_IMPLICIT = 10_000  # states, of which the matrix takes 0.8 GB


def method_of(method: Any, size: int) -> str:
    """Return the method for a number of states: LSODA holds a full matrix, and stands back for RK45 where it would not fit.

    Raises
    ------
    SpecificationError
        For an unknown method, and an implicit one of too many states.
    """
    if not isinstance(method, str) or method not in METHODS:
        near = did_you_mean(str(method), METHODS)
        raise SpecificationError(f"method '{method}' is not one of {', '.join(METHODS)}.{near}")
    if method not in IMPLICIT or size <= MOST_IMPLICIT:
        return method
    if method == "LSODA":
        return "RK45"
    raise SpecificationError(f"method: {method} holds a matrix of {size} x {size} numbers, and at most {MOST_IMPLICIT} "
                             "states are integrated so; take RK45 or DOP853")
