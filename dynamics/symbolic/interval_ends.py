"""Numbers that intervals end in: doubles for the search, mpmath numbers (functions by arb where installed) to verify it.

Arithmetic is done to nearest and then moved outwards: by one unit in the last place for + - * / and square roots, which
IEEE 754 and mpmath round correctly, and by a margin far above the stated error of the libraries for other functions.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol

import mpmath
import numpy as np

__all__ = ["DOUBLES", "Doubles", "Ends", "MultiplePrecision"]


class Ends(Protocol):
    """What interval arithmetic needs to know about the numbers its intervals end in; arrays of any shape."""

    infinity: Any

    def below(self, x: Any) -> Any:
        """A number below ``x`` by more than the rounding error of one operation."""
        ...

    def above(self, x: Any) -> Any:
        """A number above ``x`` by more than the rounding error of one operation."""
        ...

    def function(self, name: str, x: Any) -> tuple[Any, Any]:
        """Lower and upper bounds of a function at the points ``x``."""
        ...

    def rational(self, numerator: int, denominator: int) -> tuple[Any, Any]:
        """Tight bounds of a fraction; equal where it is a number of this kind."""
        ...

    def pi(self) -> tuple[Any, Any]:
        """Tight bounds of pi."""
        ...


class Doubles:
    """IEEE doubles in NumPy arrays."""

    infinity = np.inf
    # NumPy's vector code states at most 4 units in the last place (2**-52 relative); composed ones below stay under 8
    margin = 16 * 2.0**-52
    tiny = 1e-320

    def below(self, x: Any) -> Any:
        """Next double down."""
        return np.nextafter(x, -np.inf)

    def above(self, x: Any) -> Any:
        """Next double up."""
        return np.nextafter(x, np.inf)

    def function(self, name: str, x: Any) -> tuple[Any, Any]:
        """Bounds of a function at points."""
        value = _FUNCTIONS[name](x)
        if name == "sqrt":
            return np.maximum(self.below(value), 0.0), self.above(value)
        with np.errstate(all="ignore"):
            low, high = value - np.abs(value) * self.margin - self.tiny, value + np.abs(value) * self.margin + self.tiny
        # an overflow is a bound from above only
        return np.where(value == np.inf, np.finfo(float).max, low), np.where(value == -np.inf, -np.inf, high)

    def rational(self, numerator: int, denominator: int) -> tuple[Any, Any]:
        """Bounds of a fraction."""
        exact = Fraction(numerator, denominator)
        try:
            near = float(exact)
        except OverflowError:
            largest = float(np.finfo(float).max)
            return (largest, np.inf) if numerator > 0 else (-np.inf, -largest)
        if Fraction(near) == exact:
            return near, near
        return float(np.nextafter(near, -np.inf)), float(np.nextafter(near, np.inf))

    def pi(self) -> tuple[float, float]:
        """Bounds of pi."""
        return float(np.nextafter(np.pi, 0)), float(np.nextafter(np.pi, 4))


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _logistic(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "atan": np.arctan, "softplus": _softplus, "logistic": _logistic, "erf": _erf,
}


class MultiplePrecision:
    """mpmath numbers in object arrays, in a context of their own; with python-flint the functions come from arb.

    Parameters
    ----------
    digits : int
        Decimal digits of the arithmetic.
    """

    def __init__(self, digits: int = 75) -> None:
        self.context = mpmath.MPContext()
        self.context.dps = digits
        self.bits = self.context.prec
        self.infinity = self.context.inf
        # correct rounding errs by 2**-bits, functions by little more; nothing underflows
        self._step, self._margin = self.context.mpf(2) ** (2 - self.bits), self.context.mpf(2) ** (16 - self.bits)
        self._flint = _flint()
        self.name = "python-flint" if self._flint is not None else "mpmath"
        self._down = np.frompyfunc(lambda x: x if self.context.isinf(x) else x - abs(x) * self._step, 1, 1)
        self._up = np.frompyfunc(lambda x: x if self.context.isinf(x) else x + abs(x) * self._step, 1, 1)

    def below(self, x: Any) -> Any:
        """A few units in the last place down."""
        return self._down(x)

    def above(self, x: Any) -> Any:
        """A few units in the last place up."""
        return self._up(x)

    def function(self, name: str, x: Any) -> tuple[Any, Any]:
        """Bounds of a function at points."""
        one = self._bounds_flint if self._flint is not None else self._bounds
        low, high = np.frompyfunc(lambda point: one(name, self.context.mpf(point)), 1, 2)(x)
        return low, high

    def _bounds(self, name: str, x: Any) -> tuple[Any, Any]:
        ctx = self.context
        if name == "softplus":
            value = max(x, ctx.zero) + ctx.log1p(ctx.exp(-abs(x)))
        elif name == "logistic":
            value = 1 / (1 + ctx.exp(-x))
        elif name == "log" and x == 0:
            value = -ctx.inf
        else:
            value = getattr(ctx, name)(x)
        if ctx.isinf(value):
            return value, value
        spread = abs(value) * self._margin
        return value - spread, value + spread

    def _bounds_flint(self, name: str, x: Any) -> tuple[Any, Any]:
        if not self.context.isfinite(x) or (name in ("log", "sqrt") and x == 0):
            return self._bounds(name, x)  # limits, known exactly
        with self._flint.ctx.workprec(self.bits + 32):
            ball = self._ball(x)
            if name == "softplus":
                value = (ball.exp() + 1).log() if x < 0 else ball + ((-ball).exp() + 1).log()
            elif name == "logistic":
                value = 1 / (1 + (-ball).exp())
            else:
                value = getattr(ball, name)()
            if not value.is_finite():
                return self._bounds(name, x)
            return self._number(value.lower()), self._number(value.upper())

    def _ball(self, x: Any) -> Any:
        sign, mantissa, exponent, _ = x._mpf_
        return self._flint.arb(self._flint.arb(-int(mantissa) if sign else int(mantissa))) * self._flint.arb(2) ** exponent

    def _number(self, ball: Any) -> Any:
        mantissa, exponent = ball.mid().man_exp()
        return self.context.make_mpf(mpmath.libmp.from_man_exp(int(mantissa), int(exponent)))

    def rational(self, numerator: int, denominator: int) -> tuple[Any, Any]:
        """Bounds of a fraction."""
        value = self.context.mpf(numerator) / denominator
        if value * denominator == numerator and abs(numerator).bit_length() + denominator.bit_length() < self.bits:
            return self.array(value), self.array(value)
        return self.array(self._down(value)), self.array(self._up(value))

    @staticmethod
    def array(x: Any) -> Any:
        """One number as an array of length one: mpmath takes arrays without dimensions for texts to be read."""
        return np.array([x], dtype=object)

    def pi(self) -> tuple[Any, Any]:
        """Bounds of pi."""
        value = +self.context.pi
        return self.array(self._down(value)), self.array(self._up(value))


def _flint() -> Any:
    try:
        module = importlib.import_module("flint")
    except ImportError:
        return None
    # a folder of that name on the path is no library
    return module if hasattr(module, "arb") and hasattr(module, "ctx") else None


DOUBLES = Doubles()
