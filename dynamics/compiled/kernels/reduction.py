"""What the elementary functions share: polynomials, powers of two, fraction and exponent of a number."""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.compiled.kernels import coefficients
from dynamics.compiled.kernels.ir import Builder, Value

__all__ = ["EXPONENT_MAGIC", "LN2_HIGH", "LN2_LOW", "MAGIC", "polynomial", "raised", "split"]

# adding this rounds to a whole number, which is then found in the last bits
MAGIC = 6755399441055744.0
# the same with the exponent bias: shifted to the left by 52, the bits are those of 2**number
EXPONENT_MAGIC = MAGIC + 1023.0
LN2_HIGH, LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17
_LOG2E = 1.4426950408889634
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_ONE_BITS = 0x3FF0000000000000


def polynomial(build: Builder, terms: Sequence[float], x: Value) -> Value:
    """Return the sum of terms[k] x**k by Estrin's scheme, which leaves the processor work to overlap."""
    level: list[Value | float] = list(terms)
    power = x
    while len(level) > 1:
        level = [build.fma(power, level[i + 1], level[i]) if i + 1 < len(level) else level[i]
                 for i in range(0, len(level), 2)]
        if len(level) > 1:
            power = power * power
    return build.lift(level[0], build.doubles)


def raised(build: Builder, x: Value, extra: Value | None) -> Value:
    """Return e**(x + extra), where extra is far below the last place of x."""
    near = build.select(x > 709.9, 709.9, x)
    near = build.select(near < -746.0, -746.0, near)
    scaled = build.fma(near, _LOG2E, MAGIC)
    number = scaled - MAGIC
    rest = build.fma(number, -LN2_LOW, build.fma(number, -LN2_HIGH, near))
    if extra is not None:
        rest = rest + extra
    part = build.fma(rest * rest, polynomial(build, coefficients.EXP, rest), rest)
    # in two halves, since one power of two reaches neither the largest nor the subnormal results
    half = build.fma(number, 0.5, EXPONENT_MAGIC)
    other = (number - (half - EXPONENT_MAGIC)) + EXPONENT_MAGIC
    first = build.from_bits(build.bits(half) << 52)
    return build.fma(part, first, first) * build.from_bits(build.bits(other) << 52)


def split(build: Builder, x: Value) -> tuple[Value, Value, Value]:
    """Return (exponent, fraction, biased exponent as integer) of normal x > 0: x = fraction 2**exponent.

    The fraction lies in [sqrt(1/2), sqrt(2)).
    """
    moved = build.bits(x) + build.integer(_ONE_BITS - _SQRT_HALF_BITS)
    biased = moved >> 52
    fraction = build.from_bits((moved & build.integer((1 << 52) - 1)) + build.integer(_SQRT_HALF_BITS))
    # the integer becomes a double as the last bits of 2**52: many processors cannot convert vectors of integers
    exponent = build.from_bits(biased | build.integer(0x4330000000000000)) - (2.0**52 + 1023.0)
    return exponent, fraction, biased
