"""Cubics through the values and slopes at the two ends of a step: where they vanish and where they turn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dynamics.compiled.kernels.ir import Builder, Module, Value

__all__ = ["Cubic", "define_root", "quick_power", "quick_reciprocal"]

ITERATIONS, ARRIVED = 12, 1e-8  # rounds of Newton's method at most; after a move this small the error is its square
NEAR = 0.01
_RECIPROCAL = 0x7FDE623822FC16E6
_EXPONENT = 0x4330000000000000  # 2**52: whole numbers below are its last digits
_BIAS = 1072632447.0            # upper half of the bits of 1.0, less what makes the mean error small


def quick_reciprocal(build: Builder, x: Value) -> Value:
    """Return 1/x to about five digits, for positive x: enough for the scale of an error."""
    result = build.from_bits(build.integer(_RECIPROCAL) - build.bits(x))
    for _ in range(2):
        result = result * build.fma(-x, result, 2.0)
    return result


def quick_power(build: Builder, x: Value, exponent: float) -> Value:
    """Return x**exponent to some percent, for positive normal x and small exponents: enough for the size of a step."""
    upper = build.from_bits((build.bits(x) >> 32) | build.integer(_EXPONENT)) - float(1 << 52)
    scaled = build.fma(upper - _BIAS, exponent, _BIAS)
    return build.from_bits(build.bits(scaled + float(1 << 52)) << 32)


@dataclass(frozen=True)
class Cubic:
    """A cubic on [0, 1]: values at both ends, slopes per step at both ends."""

    start: Value
    start_slope: Value
    end: Value
    end_slope: Value

    @cached_property
    def second(self) -> Value:
        """Coefficient of theta**2."""
        return 3.0 * (self.end - self.start) - 2.0 * self.start_slope - self.end_slope

    @cached_property
    def third(self) -> Value:
        """Coefficient of theta**3."""
        return self.start_slope + self.end_slope - 2.0 * (self.end - self.start)

    def at(self, fraction: Value) -> Value:
        build = fraction.builder
        inner = build.fma(self.third, fraction, self.second)
        return build.fma(build.fma(inner, fraction, self.start_slope), fraction, self.start)

    def turning(self) -> Value:
        """Return where it turns, the slopes at the ends having opposite signs; clamped to [0, 1]."""
        build = self.start.builder
        second = self.second
        inside = build.fma(second, second, -3.0 * self.third * self.start_slope)
        root = build.copysign(build.sqrt(build.maximum(inside, 0.0)), self.start_slope)
        below = root - second
        fraction = self.start_slope / build.select(below.equals(0.0), 1.0, below)
        return build.minimum(build.maximum(fraction, 0.0), 1.0)

    def root(self, end: Value) -> Value:
        """Return its zero in [0, end], positive before and not after (``define_root``); no zero where end is negative."""
        build = self.start.builder
        vector = build.doubles
        given = ", ".join(f"{vector} {v.text}" for v in (self.start, self.start_slope, self.second, self.third, end))
        return build.emit(f"call {vector} @cubic_root({given})", vector)


def define_root(module: Module) -> None:
    """Add the function that ``Cubic.root`` calls: Newton's method, kept inside a shrinking bracket.

    A lane that has arrived stays where it is, so that its digits do not depend on how long other lanes take.
    """
    names = ("a", "b", "c", "d", "end")
    vector = f"<{module.width} x double>"
    build = module.function("cubic_root", dict.fromkeys(names, vector), returns=vector, internal=True)
    a, b, c, d, end = (build.argument(n) for n in names)
    last = build.fma(build.fma(build.fma(d, end, c), end, b), end, a)
    # where the chord vanishes; near a turning point, and after a start on the surface itself, that says nothing
    first = build.select((b < 0.0) & (last < -NEAR * a), a / (a - last), 0.5) * end
    low, high, x, rounds = (build.variable(v) for v in (0.0, end, first, build.index(0)))
    under_way = build.variable(end >= 0.0)
    with build.forever() as (_, out):
        at = x.get()
        value = build.fma(build.fma(build.fma(d, at, c), at, b), at, a)
        slope = build.fma(build.fma(3.0 * d, at, 2.0 * c), at, b)
        above = value > 0.0
        lower, upper = build.select(above, at, low.get()), build.select(above, high.get(), at)
        trial = at - value / slope
        inside = (trial > lower) & (trial < upper)
        low.set(lower)
        high.set(upper)
        following = build.select(inside, trial, 0.5 * (lower + upper))
        going = under_way.get()
        x.set(build.select(going, following, at))
        going = going & (build.absolute(following - at) > ARRIVED)
        under_way.set(going)
        rounds.set(rounds.get() + 1)
        on = build.block("on")
        build.branch_if(build.any(going) & (rounds.get() < ITERATIONS), on, out)
        build.enter(on)
    build.finish(x.get())
