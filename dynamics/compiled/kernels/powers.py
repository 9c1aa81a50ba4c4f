"""Real powers of vectors: the logarithm is carried in two doubles, since the power multiplies its error."""

from __future__ import annotations

import math

from dynamics.compiled.kernels import coefficients
from dynamics.compiled.kernels.ir import Builder, Value
from dynamics.compiled.kernels.reduction import polynomial, raised, split

__all__ = ["power"]

# log(2) in a part short enough that its products with exponents are exact, and the rest
_LN2_SHORT, _LN2_REST = 0.6931471805592082, 7.371002565167799e-13
_TWO_THIRDS_HIGH, _TWO_THIRDS_LOW = 0.6666666666666666, 3.700743415417188e-17


def _sum(a: Value, b: Value) -> tuple[Value, Value]:
    """Return a + b and what rounding lost, for |a| >= |b| or a = 0."""
    total = a + b
    return total, b - (total - a)


def _double_log(build: Builder, x: Value) -> tuple[Value, Value]:
    """Return the logarithm of positive finite numbers as a sum of two doubles, good to 65 bits."""
    tiny = x < 2.2250738585072014e-308
    exponent, fraction, _ = split(build, build.select(tiny, x * 2.0**54, x))
    exponent = build.select(tiny, exponent - 54.0, exponent)
    f, below = fraction - 1.0, fraction + 1.0
    below_rest = (1.0 - (below - (below - 1.0))) + (fraction - (below - 1.0))
    s = f / below
    s_rest = build.fma(-s, below_rest, build.fma(-s, below, f)) / below
    z = s * s
    z_rest = build.fma(s + s, s_rest, build.fma(s, s, -z))
    cube = s * z
    cube_rest = build.fma(s, z_rest, build.fma(s_rest, z, build.fma(s, z, -cube)))
    third = cube * _TWO_THIRDS_HIGH
    third_rest = build.fma(cube, _TWO_THIRDS_LOW, build.fma(cube_rest, _TWO_THIRDS_HIGH,
                                                           build.fma(cube, _TWO_THIRDS_HIGH, -third)))
    tail = cube * z * polynomial(build, coefficients.LOG_TAIL, z)
    high, lost = _sum(exponent * _LN2_SHORT, s + s)
    high, lost_too = _sum(high, third)
    return _sum(high, lost + (lost_too + (s_rest + s_rest + (third_rest + build.fma(exponent, _LN2_REST, tail)))))


def _whole(build: Builder, y: Value) -> Value:
    """Whether finite numbers are whole."""
    size = build.absolute(y)
    return (size >= 2.0**52) | ((size + 2.0**52) - 2.0**52).equals(size)


def power(build: Builder, x: Value, y: Value) -> Value:
    """Return x**y; nan for negative x unless y is whole."""
    size = build.absolute(x)
    high, low = _double_log(build, size)
    exponent = y * high
    rest = build.fma(y, low, build.fma(y, high, -exponent))
    result = raised(build, exponent, build.select(build.absolute(exponent) < 1000.0, rest, 0.0))
    # the ends, where there is no logarithm
    vanishing = build.select(y > 0.0, 0.0, math.inf)
    result = build.select(size.equals(0.0), vanishing, result)
    result = build.select(size.equals(math.inf), build.select(y > 0.0, math.inf, 0.0), result)
    result = build.select(size.equals(1.0), 1.0, result)
    odd = _whole(build, y) & ~_whole(build, y * 0.5)
    negative = build.from_bits(build.bits(x) & build.integer(1 << 63))
    signed = build.from_bits(build.bits(result) | build.bits(build.select(odd, negative, 0.0)))
    result = build.select((x < 0.0) & (size < math.inf) & ~_whole(build, y), math.nan, signed)
    unknown = x.differs(x) | y.differs(y)
    result = build.select(unknown, x + y, result)
    return build.select(y.equals(0.0) | x.equals(1.0), 1.0, result)
