"""Numbers of a specification as exact rationals: what is written is what is meant (0.1 is 1/10)."""

from __future__ import annotations

import math
import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sympy import Integer, Rational

from dynamics import expressions
from dynamics.errors import ExpressionError, SpecificationError

__all__ = ["array_of", "as_float", "exact", "number_text"]


def exact(value: Any, where: str) -> Rational:
    """Return ``value`` (number, or text of a rational such as ``"1/3"``) as an exact SymPy rational.

    Raises
    ------
    SpecificationError
        If it is no finite real number.
    """
    if type(value) is float and math.isfinite(value):
        return _decimal(value)
    # an array of one entry is no number either, although some versions of NumPy make it one
    if isinstance(value, bool) or value is None or getattr(value, "ndim", False):
        raise SpecificationError(f"{where}: {_shortened(value)} is not a number")
    if isinstance(value, str):
        result = expressions.parse(value, (), where=where)
        if not isinstance(result, Rational):
            raise ExpressionError(
                f"{where}: '{value}' is not a rational number; write it as a number or a fraction '1/3'")
        return result
    try:
        number = float(value)
        if isinstance(value, Rational) and math.isfinite(number):
            return value
        if isinstance(value, numbers.Integral):
            return Integer(int(value))
        if isinstance(value, Fraction):
            return Rational(value.numerator, value.denominator)
    except OverflowError:
        raise SpecificationError(f"{where}: this number is too large for numerical work (about 1.8e308)") from None
    except (TypeError, ValueError):
        raise SpecificationError(f"{where}: {_shortened(value)} is not a number") from None
    if not math.isfinite(number):
        raise SpecificationError(f"{where}: {value!r} is not finite; a specification needs finite numbers")
    return _decimal(number)


def _decimal(number: float) -> Rational:
    # hundreds of thousands of holdings pass here, and Fraction reads text slowly
    return Rational(*Decimal(repr(number)).as_integer_ratio())


def as_float(value: Any) -> float:
    """Return the double nearest to an exact rational; SymPy's own conversion takes twenty times as long."""
    return int(value.p) / int(value.q) if isinstance(value, Rational) else float(value)


def _shortened(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def array_of(value: Any, shape: tuple[int, ...], where: str) -> Any:
    """Return nested tuples of exact rationals with ``shape``; a single number is repeated."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not shape:
        return exact(value, where)
    if isinstance(value, (list, tuple)):
        if len(value) != shape[0]:
            raise SpecificationError(f"{where}: {len(value)} values given, the index has {shape[0]}")
        return tuple(array_of(item, shape[1:], f"{where}[{position}]") for position, item in enumerate(value))
    # one tuple for all rows: a million equal entries take no time
    return (array_of(value, shape[1:], where),) * shape[0]


def number_text(value: Rational) -> str:
    """Write a rational as a decimal when that is exact and short, else as a quoted fraction (TOML value)."""
    if value.q == 1:
        return str(value.p)
    as_float = float(value)
    if math.isfinite(as_float) and Fraction(repr(as_float)) == Fraction(int(value.p), int(value.q)):
        return repr(as_float)
    return f'"{value.p}/{value.q}"'
