"""Elementary functions of vectors, written out as instructions: the same digits on every processor.

Each is within 2 units in the last place of the true value (most within 1), also at zeros, infinities, nan and for
subnormal numbers; ``softplus`` and ``logistic`` are 0 where they are below the smallest normal number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynamics.compiled.kernels import coefficients
from dynamics.compiled.kernels.ir import Builder, Operand, Value
from dynamics.compiled.kernels.powers import power
from dynamics.compiled.kernels.reduction import EXPONENT_MAGIC, LN2_HIGH, LN2_LOW, polynomial, raised, split
from dynamics.compiled.kernels.trigonometry import atan, cos, sin, sin_cos

__all__ = ["absolute", "atan", "cos", "erf", "exp", "expm1", "log", "log1p", "logistic", "maximum",
           "minimum", "power", "sign", "sin", "sin_cos", "softplus", "sqrt", "tanh"]

_LOG2E = 1.4426950408889634
_SMALLEST_NORMAL = -708.3964185322641  # log of the smallest normal number


def exp(build: Builder, x: Value) -> Value:
    """Return e**x."""
    return raised(build, x, None)


def _exp_below(build: Builder, x: Value) -> tuple[Value, Value, Value]:
    """Return (scale, rest, more) for x <= 0: e**x = scale (1 + rest + more); scale is 0 below the smallest normal number."""
    near = build.select(x < _SMALLEST_NORMAL, _SMALLEST_NORMAL, x)
    scaled = build.fma(near, _LOG2E, EXPONENT_MAGIC)
    number = scaled - EXPONENT_MAGIC
    rest, more = _reduced(build, number, near)
    scale = build.from_bits(build.bits(scaled) << 52)
    return build.select(x < _SMALLEST_NORMAL, 0.0, scale), rest, more


def _reduced(build: Builder, number: Value, x: Value) -> tuple[Value, Value]:
    """Return (rest, more) with e**x = 2**number (1 + rest + more): more holds what rounding took from rest."""
    high = build.fma(number, -LN2_HIGH, x)
    rest = build.fma(number, -LN2_LOW, high)
    lost = build.fma(number, -LN2_LOW, high - rest)
    return rest, build.fma(rest * rest, polynomial(build, coefficients.EXP, rest), lost)


def expm1(build: Builder, x: Value) -> Value:
    """Return e**x - 1, accurate for small x."""
    near = build.select(x > 709.9, 709.9, x)
    near = build.select(near < -40.0, -40.0, near)
    # half of 2**number: the whole would overflow just below the largest result
    scaled = build.fma(near, _LOG2E, EXPONENT_MAGIC - 1)
    number = scaled - (EXPONENT_MAGIC - 1)
    rest, more = _reduced(build, number, near)
    half = build.from_bits(build.bits(scaled) << 52)
    # the largest term is added to -1 alone: rounded with the others first, it would cost twice its rounding
    value = build.fma(half, more, build.fma(half, rest, half - 0.5)) * 2.0
    return build.select(build.absolute(x) < 1e-300, x, value)


def _log(build: Builder, exponent: Value, f: Value) -> Value:
    """Return exponent*log(2) + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2)."""
    half = f * f * 0.5
    s = f / (f + 2.0)
    z = s * s
    tail = build.fma(z, polynomial(build, coefficients.LOG, z), half)
    rest = half - build.fma(s, tail, exponent * LN2_LOW)
    return build.fma(exponent, LN2_HIGH, f - rest)


def log(build: Builder, x: Value) -> Value:
    """Return the natural logarithm: -inf at 0, nan below."""
    tiny = x < 2.2250738585072014e-308
    exponent, fraction, _ = split(build, build.select(tiny, x * 2.0**54, x))
    exponent = build.select(tiny, exponent - 54.0, exponent)
    return _with_poles(build, x, x, _log(build, exponent, fraction - 1.0))


def _with_poles(build: Builder, argument: Value, x: Value, value: Value) -> Value:
    """Put in the values of a logarithm where its argument is not positive or not finite."""
    outside = build.select(argument.equals(0.0), -math.inf, math.nan)
    return build.select(x < math.inf, build.select(argument > 0.0, value, outside), x)


def log1p(build: Builder, x: Value) -> Value:
    """Return log(1 + x), accurate for small x."""
    total = x + 1.0
    back = total - 1.0
    lost = (1.0 - (total - back)) + (x - back)
    exponent, fraction, biased = split(build, total)
    # what 1 + x lost to rounding, in the scale of the fraction
    shrink = build.from_bits((build.integer(2046) - biased) << 52)
    shrink = build.select(x < 2.0**60, shrink, 0.0)
    value = _log(build, exponent, build.fma(lost, shrink, fraction - 1.0))
    return build.select(x.equals(0.0), x, _with_poles(build, total, x, value))


def softplus(build: Builder, x: Value) -> Value:
    """Return log(1 + e**x), without overflow and without a division."""
    scale, rest, more = _exp_below(build, -build.absolute(x))
    at = build.fma(scale, rest + more, scale) - 0.5
    first, *terms = coefficients.LOG1P_UNIT
    change = at * polynomial(build, terms, at)
    ratio = change + first
    lost = (first - ratio) + change
    # ratio e**-|x| as a sum: the rounding of either would cost half a place
    inner = build.fma(ratio, rest, build.fma(ratio, more, lost))
    return build.fma(scale, ratio, build.fma(scale, inner, build.select(x > 0.0, x, 0.0)))


def logistic(build: Builder, x: Value) -> Value:
    """Return 1/(1 + e**-x)."""
    scale, rest, more = _exp_below(build, -build.absolute(x))
    part = rest + more
    small = build.fma(scale, part, scale)
    above = build.select(x < 0.0, small, 1.0)
    below = small + 1.0
    ratio = above / below
    # what rounding took from e**-|x|, from the sum and from the ratio
    left = build.fma(scale, part, scale - small)
    missing = (small - (below - 1.0)) + left
    lost = build.fma(-ratio, missing, build.fma(-ratio, below, above)) + build.select(x < 0.0, left, 0.0)
    return build.fma(lost, build.select(x < 0.0, 1.0 - ratio, ratio), ratio)


def tanh(build: Builder, x: Value) -> Value:
    """Return the hyperbolic tangent."""
    size = build.absolute(x)
    twice = expm1(build, build.select(size > 20.0, 20.0, size) * 2.0)
    below = twice + 2.0
    ratio = twice / below
    # what rounding took from the sum and from the ratio; 1/below is (1 - ratio)/2
    back = below - 2.0
    rest = (2.0 - (below - back)) + (twice - back)
    lost = build.fma(-ratio, rest, build.fma(-ratio, below, twice))
    ratio = build.fma(lost, build.fma(ratio, -0.5, 0.5), ratio)
    ratio = build.select(ratio > 1.0, 1.0, ratio)
    return build.copysign(build.select(size < 1e-300, size, ratio), x)


def erf(build: Builder, x: Value) -> Value:
    """Return the error function."""
    size = build.absolute(x)
    square = build.select(size < 1.25, x * x, 1.0)
    first, *more = coefficients.ERF
    near = build.fma(x, build.fma(square, polynomial(build, more, square), first), x)
    capped = build.select(size > 6.0, 6.0, size)
    scale, rest, small = _exp_below(build, -polynomial(build, coefficients.ERFC, capped - 3.625))
    far = (1.0 - scale) - scale * (rest + small)
    return build.select(size < 1.25, near, build.copysign(far, x))


def sqrt(build: Builder, x: Value) -> Value:
    """Return the square root."""
    return build.sqrt(x)


def absolute(build: Builder, x: Value) -> Value:
    """Return |x|."""
    return build.absolute(x)


def sign(build: Builder, x: Value) -> Value:
    """Return -1, 0 or 1 with the sign of x; nan for nan."""
    return build.select(x > 0.0, 1.0, build.select(x < 0.0, -1.0, x))


def maximum(build: Builder, values: Sequence[Operand]) -> Operand:
    """Return the largest of some values; nan if the first is nan."""
    result = values[0]
    for value in values[1:]:
        result = build.select(build.compare(">", value, result), value, result)
    return result


def minimum(build: Builder, values: Sequence[Operand]) -> Operand:
    """Return the smallest of some values; nan if the first is nan."""
    result = values[0]
    for value in values[1:]:
        result = build.select(build.compare("<", value, result), value, result)
    return result
