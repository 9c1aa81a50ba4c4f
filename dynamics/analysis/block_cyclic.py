"""Chains of small linear relations around a cycle, eliminated by orthogonal transformations.

A collocated orbit is, after its stages are eliminated, a chain ``P_i x_i + Q_i x_{i+1} = R_i y`` between neighbouring mesh
points. Multiplying the transition matrices out loses every multiplier that is small beside the largest, and shooting
loses orbits that are unstable both ways. Here neighbouring relations are joined pairwise by QR factorizations: each level
halves the chain, all pairs of a level are done at once, and no growing product is ever formed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chain", "eliminate"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Level:
    """Middle points of one level in terms of their neighbours; ``odd`` relations were carried over."""

    left: Array
    right: Array
    constant: Array
    odd: int


@dataclass(frozen=True)
class Chain:
    """A chain reduced to one relation ``first x_0 + last x_M = constant y``, and the way back.

    Attributes
    ----------
    first, last : ndarray, shape (n, n)
    constant : ndarray, shape (n, c)
    """

    first: Array
    last: Array
    constant: Array
    levels: tuple[_Level, ...]

    def points(self, start: NDArray, end: NDArray, y: NDArray) -> NDArray:
        """Return all points of the chain, shape (M + 1, n, k), from its ends and the columns ``y``, shape (c, k)."""
        values = np.stack([start, end])
        for level in reversed(self.levels):
            pairs = level.left.shape[0]
            left, right = values[:pairs], values[1: pairs + 1]
            middle = level.left @ left + level.right @ right + level.constant @ y
            joined = np.empty((2 * pairs + level.odd + 1, *values.shape[1:]), dtype=middle.dtype)
            joined[0: 2 * pairs: 2] = left
            joined[1: 2 * pairs: 2] = middle
            joined[2 * pairs:] = values[pairs:]
            values = joined
        return values


def eliminate(left: Array, right: Array, constant: Array) -> Chain:
    """Reduce ``left_i x_i + right_i x_{i+1} = constant_i y``, i = 0 .. M - 1, to one relation between the ends.

    Parameters
    ----------
    left, right : ndarray, shape (M, n, n)
    constant : ndarray, shape (M, n, c)

    Returns
    -------
    Chain

    References
    ----------
    Wright, S. J. (1994), SIAM J. Sci. Comput. 15, 1341, DOI 10.1137/0915080; Fairgrieve, T. F. and Jepson, A. D. (1991),
    SIAM J. Numer. Anal. 28, 1446, DOI 10.1137/0728075.

    Examples
    --------
    >>> import numpy as np
    >>> half = np.full((3, 1, 1), 0.5)
    >>> chain = eliminate(-half, np.ones((3, 1, 1)), np.zeros((3, 1, 1)))
    >>> round(float(-chain.first[0, 0] / chain.last[0, 0]), 12)
    0.125
    """
    levels = []
    n = left.shape[1]
    while left.shape[0] > 1:
        pairs, odd = divmod(left.shape[0], 2)
        even, later = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
        stacked = np.concatenate([right[even], left[later]], axis=1)
        orthogonal, triangular = np.linalg.qr(stacked, mode="complete")
        turned = orthogonal.transpose(0, 2, 1)
        before = turned[:, :, :n] @ left[even]
        after = turned[:, :, n:] @ right[later]
        known = turned[:, :, :n] @ constant[even] + turned[:, :, n:] @ constant[later]
        solved = np.linalg.solve(triangular[:, :n], np.concatenate([-before[:, :n], -after[:, :n], known[:, :n]], axis=2))
        levels.append(_Level(solved[:, :, :n], solved[:, :, n: 2 * n], solved[:, :, 2 * n:], odd))
        left = np.concatenate([before[:, n:], left[2 * pairs:]])
        right = np.concatenate([after[:, n:], right[2 * pairs:]])
        constant = np.concatenate([known[:, n:], constant[2 * pairs:]])
    return Chain(left[0], right[0], constant[0], tuple(levels))
