"""One stream of random numbers for each path: a function of the seed, the purpose and the path's place alone.

Xoshiro256++ of every path, begun at a place that Philox4x32 makes of them, written over NumPy arrays; compiled code has the
same numbers (:mod:`dynamics.compiled.kernels.random_numbers`). Any path can be computed alone, in any order and in any
company, and comes out the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIFFUSION", "JUMPS", "LARGEST_COUNT", "Streams", "key_of", "philox"]

Words = NDArray[np.uint64]
Array = NDArray[np.float64]

# What the numbers of a stream are for; streams of different purpose never meet.
DIFFUSION, JUMPS = 0, 1
LARGEST_COUNT = 2**32
_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_ONE = np.uint64(0x3FF0000000000000)


def key_of(seed: int) -> tuple[int, int]:
    """Return the key of a root seed: two words mixed by ``numpy.random.SeedSequence``."""
    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint32)
    return int(first), int(second)


def philox(counter: Sequence[Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Philox4x32-10: four words of a counter to four random words.

    Parameters
    ----------
    counter : four arrays of uint64 that broadcast, values below 2**32
    key : two whole numbers below 2**32

    Returns
    -------
    four arrays of uint64, values below 2**32

    References
    ----------
    Salmon, Moraes, Dror, Shaw (2011). Parallel random numbers: as easy as 1, 2, 3. SC'11.
    https://doi.org/10.1145/2063384.2063405

    Examples
    --------
    >>> zero = np.zeros(1, np.uint64)
    >>> [f"{int(word[0]):08x}" for word in philox([zero] * 4, (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # a product of two words fits into the 64 bits of an entry: nothing wraps
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = ((right >> _HALF) ^ b ^ np.uint64(k0), right & _LOW,
                      (left >> _HALF) ^ d ^ np.uint64(k1), left & _LOW)
        k0, k1 = (k0 + _KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return a, b, c, d


class Streams:
    """The streams of some paths, all at the same place.

    Parameters
    ----------
    key : two whole numbers below 2**32
        Of the seed: ``key_of``.
    paths : array of int
        Places of the paths, below 2**32.
    purpose : int
        ``DIFFUSION`` or ``JUMPS``.

    References
    ----------
    Blackman, Vigna (2021). Scrambled linear pseudorandom number generators. ACM Trans. Math. Softw. 47, 36.
    https://doi.org/10.1145/3460772

    Examples
    --------
    >>> both, second = (Streams(key_of(7), np.array(paths), DIFFUSION) for paths in ([4, 9], [9]))
    >>> bool((both.normals(6)[:, 1] == second.normals(6)[:, 0]).all())
    True
    """

    def __init__(self, key: tuple[int, int], paths: NDArray[np.int64], purpose: int) -> None:
        place, use = paths.astype(np.uint64), np.full(len(paths), purpose, np.uint64)
        self.state: list[Words] = []
        for block in (0, 1):
            words = philox([np.full(len(paths), block, np.uint64), np.zeros(len(paths), np.uint64), place, use], key)
            self.state += [(words[0] << _HALF) | words[1], (words[2] << _HALF) | words[3]]

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Go on with some of the paths alone."""
        self.state = [words[which] for words in self.state]

    def bits(self) -> Words:
        """Return the next 64 random bits of every path."""
        a, b, c, d = self.state
        total = a + d
        result = _turned(total, 23) + a
        shifted = b << np.uint64(17)
        c, d = c ^ a, d ^ b
        self.state = [a ^ d, b ^ c, c ^ shifted, _turned(d, 45)]
        return result

    def uniforms(self, count: int) -> Array:
        """Return the next uniform numbers of each path, shape (count, paths), inside (0, 1)."""
        result = np.empty((count, len(self.state[0])))
        for row in result:
            # 52 bits and a half are exact in a float: the number is never 0 or 1
            row[:] = _above_one(self.bits()) - (1 - 2.0**-53)
        return result

    def normals(self, count: int) -> Array:
        """Return the next standard normal numbers of each path, shape (count, paths); ``count`` is even.

        Pairs after Box and Muller: one draw for the radius; of the other, the first 52 bits for an angle within a quarter
        turn, and the last two for which quarter it is.
        """
        result = np.empty((count, len(self.state[0])))
        for place in range(0, count, 2):
            radius = np.sqrt(-2.0 * np.log(2.0 - _above_one(self.bits())))
            bits = self.bits()
            angle = (_above_one(bits) - 1.5) * (np.pi / 2)
            cosine, sine = np.copysign(np.cos(angle), (bits << np.uint64(63)).view(np.float64)), np.sin(angle)
            swapped = (bits & np.uint64(2)) != 0
            result[place] = radius * np.where(swapped, sine, cosine)
            result[place + 1] = radius * np.where(swapped, cosine, sine)
        return result


def _turned(words: Words, places: int) -> Words:
    return (words << np.uint64(places)) | (words >> np.uint64(64 - places))


def _above_one(bits: Words) -> Array:
    """Return numbers in [1, 2) with the first 52 of the bits."""
    return ((bits >> np.uint64(12)) | _ONE).view(np.float64)
