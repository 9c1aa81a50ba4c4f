"""Counter-based random numbers: a number is a function of the seed, the path and its place, never of what ran before.

Philox4x32 with ten rounds, written over NumPy arrays. Any path can be computed alone, in any order and in any company,
and comes out the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIFFUSION", "JUMPS", "LARGEST_COUNT", "key_of", "normals", "philox", "uniforms"]

Words = NDArray[np.uint64]
Array = NDArray[np.float64]

# What the numbers of a stream are for; streams of different purpose never meet.
DIFFUSION, JUMPS = 0, 1
LARGEST_COUNT = 2**32
_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF, _SPARE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(6)


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


def uniforms(key: tuple[int, int], paths: NDArray[np.int64], first: int, count: int, purpose: int) -> Array:
    """Return the uniform numbers ``first .. first + count - 1`` of each path, shape (count, paths), inside (0, 1).

    ``first`` and ``count`` are even: one block of words gives two numbers.
    """
    blocks = np.arange(first // 2, (first + count) // 2, dtype=np.uint64)[:, None]
    shape = (len(blocks), len(paths))
    words = philox([np.broadcast_to(blocks & _LOW, shape), np.broadcast_to(blocks >> _HALF, shape),
                    np.broadcast_to(paths.astype(np.uint64), shape), np.broadcast_to(np.uint64(purpose), shape)], key)
    result = np.empty((2 * shape[0], shape[1]))
    for place, (high, low) in enumerate((words[:2], words[2:])):
        # 52 bits and a half are exact in a float: the number is never 0 or 1
        bits = ((high >> _SPARE) << np.uint64(26)) | (low >> _SPARE)
        result[place::2] = (bits.astype(float) + 0.5) * 2.0**-52
    return result


def normals(key: tuple[int, int], paths: NDArray[np.int64], first: int, count: int) -> Array:
    """Return the standard normal numbers ``first .. first + count - 1`` of each path, shape (count, paths).

    Box and Muller's pairs; ``first`` and ``count`` are even.
    """
    flat = uniforms(key, paths, first, count, DIFFUSION)
    radius, angle = np.sqrt(-2.0 * np.log(flat[0::2])), 2.0 * np.pi * flat[1::2]
    flat[0::2], flat[1::2] = radius * np.cos(angle), radius * np.sin(angle)
    return flat
