"""The streams of :mod:`dynamics.compiled.random_streams` as vector instructions, one path in each lane."""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.compiled.kernels import coefficients
from dynamics.compiled.kernels.ir import Builder, Operand, Value
from dynamics.compiled.kernels.reduction import LN2_HIGH, polynomial, split

__all__ = ["Streams"]

_LOW, _ONE = 0xFFFFFFFF, 0x3FF0000000000000
_MULTIPLIERS, _KEY_STEPS, _ROUNDS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85), 10
_HALF_PI = 1.5707963267948966


class Streams:
    """The streams of one vector of paths.

    Parameters
    ----------
    build : Builder
    key : two scalar integers
    path : Value
        Places of the paths, 64-bit integers.
    purpose : int
    """

    def __init__(self, build: Builder, key: tuple[Value, Value], path: Value, purpose: int) -> None:
        self.build = build
        keys = build.spread(key[0]), build.spread(key[1])
        begin: list[Value] = []
        for block in (0, 1):
            counter = [build.integer(block), build.integer(0), path & build.integer(_LOW), build.integer(purpose)]
            a, b, c, d = _philox(build, counter, keys)
            begin += [(a << 32) | b, (c << 32) | d]
        self._state = [build.variable(word) for word in begin]

    def bits(self) -> Value:
        """Return the next 64 random bits of every lane."""
        build = self.build
        a, b, c, d = (word.get() for word in self._state)
        result = build.turned(a + d, 23) + a
        shifted = b << 17
        c, d = c ^ a, d ^ b
        for word, value in zip(self._state, (a ^ d, b ^ c, c ^ shifted, build.turned(d, 45)), strict=True):
            word.set(value)
        return result

    def uniform(self) -> Value:
        """Return the next uniform number of every lane, inside (0, 1)."""
        return self._above_one(self.bits()) - (1 - 2.0**-53)

    def normals(self, minus_two_variances: Operand) -> tuple[Value, Value]:
        """Return the next two normal numbers of every lane; of variance 1 for -2."""
        build = self.build
        exponent, fraction, _ = split(build, 2.0 - self._above_one(self.bits()))
        s = (fraction - 1.0) / (fraction + 1.0)
        z = s * s
        logarithm = build.fma(exponent, LN2_HIGH, build.fma(s * z, polynomial(build, coefficients.LOG, z), s * 2.0))
        radius = build.sqrt(logarithm * minus_two_variances)
        bits = self.bits()
        angle = (self._above_one(bits) - 1.5) * _HALF_PI
        z = angle * angle
        sine = build.fma(z * angle, polynomial(build, coefficients.SIN, z), angle)
        cosine = build.fma(z * z, polynomial(build, coefficients.COS, z), build.fma(z, -0.5, 1.0))
        cosine = build.from_bits(build.bits(cosine) | (bits << 63))
        swapped = (bits & 2).differs(0)
        return radius * build.select(swapped, sine, cosine), radius * build.select(swapped, cosine, sine)

    def _above_one(self, bits: Value) -> Value:
        """Return numbers in [1, 2) with the first 52 of the bits."""
        return self.build.from_bits((bits >> 12) | self.build.integer(_ONE))


def _philox(build: Builder, counter: Sequence[Value], key: tuple[Value, Value]) -> list[Value]:
    a, b, c, d = counter
    for number in range(_ROUNDS):
        k0, k1 = ((k + build.integer(number * step)) & build.integer(_LOW)
                  for k, step in zip(key, _KEY_STEPS, strict=True))
        left, right = a * build.integer(_MULTIPLIERS[0]), c * build.integer(_MULTIPLIERS[1])
        a, b, c, d = ((right >> 32) ^ b ^ k0, right & build.integer(_LOW),
                      (left >> 32) ^ d ^ k1, left & build.integer(_LOW))
    return [a, b, c, d]
