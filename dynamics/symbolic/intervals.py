"""Interval arithmetic over many boxes at once: every result contains all values the operation takes on its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.symbolic.interval_ends import Ends

__all__ = ["Arithmetic", "Interval"]

_RANGES = {"exp": (0, None), "sqrt": (0, None), "softplus": (0, None), "logistic": (0, 1), "tanh": (-1, 1), "erf": (-1, 1),
           "expm1": (-1, None)}


@dataclass(frozen=True)
class Interval:
    """Closed intervals, one for each box; ends may be infinite.

    Attributes
    ----------
    lo, hi : array, shape (boxes,) or ()
    """

    lo: Any
    hi: Any


class Arithmetic:
    """Outward-rounded interval arithmetic over one kind of ends.

    References
    ----------
    Moore, Kearfott and Cloud (2009), Introduction to Interval Analysis. https://doi.org/10.1137/1.9780898717716

    Examples
    --------
    >>> from dynamics.symbolic.interval_ends import DOUBLES
    >>> square = Arithmetic(DOUBLES).power(Interval(-1.0, 2.0), 2)
    >>> bool(square.lo == 0), bool(4 <= square.hi < 4.0000001)
    (True, True)
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.whole = Interval(-ends.infinity, ends.infinity)
        self.empty = Interval(ends.infinity, -ends.infinity)

    def rational(self, numerator: int, denominator: int = 1) -> Interval:
        """A fraction."""
        return Interval(*self.ends.rational(numerator, denominator))

    def negative(self, a: Interval) -> Interval:
        """-a."""
        return Interval(-a.hi, -a.lo)

    def add(self, a: Interval, b: Interval) -> Interval:
        """a + b."""
        low, high = a.lo + b.lo, a.hi + b.hi
        # a sum that rounds to zero is zero
        return Interval(np.where(low == 0, low, self.ends.below(low)), np.where(high == 0, high, self.ends.above(high)))

    def multiply(self, a: Interval, b: Interval) -> Interval:
        """a*b; zero times infinity is zero, as an end at infinity stands for finite values without limit."""
        ends = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi]
        ends = [np.where(e != e, 0, e) for e in ends]
        low = self.ends.below(np.minimum(np.minimum(ends[0], ends[1]), np.minimum(ends[2], ends[3])))
        high = self.ends.above(np.maximum(np.maximum(ends[0], ends[1]), np.maximum(ends[2], ends[3])))
        same = ((a.lo >= 0) & (b.lo >= 0)) | ((a.hi <= 0) & (b.hi <= 0))
        return Interval(np.where(same & (low < 0), 0, low), high)

    def reciprocal(self, a: Interval) -> Interval:
        """1/a on the part of a without zero; the whole line where zero is inside."""
        infinity, one = self.ends.infinity, self.rational(1).lo
        positive, negative = a.lo >= 0, a.hi <= 0
        safe_lo, safe_hi = np.where(a.lo == 0, one, a.lo), np.where(a.hi == 0, one, a.hi)
        low, high = self.ends.below(one / safe_hi), self.ends.above(one / safe_lo)
        low = np.where(positive & (low < 0), 0, low)
        high = np.where(negative & (high > 0), 0, high)
        low = np.where(positive | negative, np.where(a.hi == 0, -infinity, low), -infinity)
        high = np.where(positive | negative, np.where(a.lo == 0, infinity, high), infinity)
        return Interval(low, high)

    def power(self, a: Interval, n: int) -> Interval:
        """a**n for n >= 0."""
        if n == 0:
            return self.rational(1)
        if n == 1:
            return a
        size_lo, size_hi = np.abs(a.lo), np.abs(a.hi)
        low_of_lo, high_of_lo = self._power_of_size(size_lo, n)
        low_of_hi, high_of_hi = self._power_of_size(size_hi, n)
        if n % 2:
            return Interval(np.where(a.lo < 0, -high_of_lo, low_of_lo), np.where(a.hi < 0, -low_of_hi, high_of_hi))
        across = (a.lo < 0) & (a.hi > 0)
        return Interval(np.where(across, 0, np.minimum(low_of_lo, low_of_hi)), np.maximum(high_of_lo, high_of_hi))

    def _power_of_size(self, x: Any, n: int) -> tuple[Any, Any]:
        """Bounds of x**n for x >= 0, by repeated squaring rounded outwards at each step."""
        low = high = None
        base_low = base_high = x
        while n:
            if n & 1:
                low = base_low if low is None else self._not_negative(self.ends.below(low * base_low))
                high = base_high if high is None else self.ends.above(high * base_high)
            n >>= 1
            if n:
                base_low = self._not_negative(self.ends.below(base_low * base_low))
                base_high = self.ends.above(base_high * base_high)
        return low, high

    @staticmethod
    def _not_negative(x: Any) -> Any:
        return np.where(x < 0, 0, x)

    def increasing(self, name: str, a: Interval) -> Interval:
        """Image under an increasing function; ``a`` must lie in its domain."""
        low, high = self.ends.function(name, a.lo)[0], self.ends.function(name, a.hi)[1]
        floor, ceiling = _RANGES.get(name, (None, None))
        if floor is not None:
            low = np.where(low < floor, floor, low)
        if ceiling is not None:
            high = np.where(high > ceiling, ceiling, high)
        return Interval(low, high)

    def sine(self, a: Interval, quarter: int = 0) -> Interval:
        """Image of sin(x + quarter*pi/2): quarter 0 is the sine, 1 the cosine."""
        near_lo, near_hi = _doubles(a.lo), _doubles(a.hi)
        far = ~((np.abs(near_lo) < 1e6) & (np.abs(near_hi) < 1e6))
        near_lo, near_hi = np.where(far, 0.0, near_lo), np.where(far, 0.0, near_hi)
        name = "cos" if quarter else "sin"
        at_lo, at_hi = (self.ends.function(name, np.where(far, 0, e)) for e in (a.lo, a.hi))

        def inside(turn: float) -> Any:
            # whether an extremum at turn + 2 pi k may lie inside; in doubles, so with room for their errors
            first, last = (near_lo - turn) / (2 * np.pi), (near_hi - turn) / (2 * np.pi)
            return np.ceil(first - 1e-9) <= np.floor(last + 1e-9)

        offset = quarter * np.pi / 2
        top, bottom = inside(np.pi / 2 - offset) | far, inside(-np.pi / 2 - offset) | far
        high, low = np.maximum(at_lo[1], at_hi[1]), np.minimum(at_lo[0], at_hi[0])
        return Interval(np.where(bottom | (low < -1), -1, low), np.where(top | (high > 1), 1, high))

    def hull(self, a: Interval, b: Interval) -> Interval:
        """The smallest interval around both."""
        return Interval(np.minimum(a.lo, b.lo), np.maximum(a.hi, b.hi))

    def where(self, chosen: Any, a: Interval, b: Interval) -> Interval:
        """``a`` in the boxes chosen, ``b`` in the others."""
        return Interval(np.where(chosen, a.lo, b.lo), np.where(chosen, a.hi, b.hi))


def _doubles(x: Any) -> Any:
    return np.asarray(x).astype(float)
