"""Floquet multipliers and eigenvectors of collocated cycles, without forming the monodromy matrix.

The chain of transitions around the cycle is reduced by orthogonal transformations to ``A x_0 + B x_T = 0``; the
multipliers are the eigenvalues of the pencil (A, -B), found by QZ. Both steps are backward stable, so that a multiplier
of 1e-12 beside one of 1e+12 does not disturb the trivial one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.block_cyclic import eliminate
from dynamics.analysis.collocation import Linearization, Orbit

__all__ = ["Multipliers", "branching_direction", "critical_direction", "multipliers", "spiral_direction"]

Array = NDArray[np.float64]
NEUTRAL = 1e-9


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Multipliers of a cycle.

    Attributes
    ----------
    values : ndarray of complex
        Without the trivial ones, largest modulus first.
    trivial_error : float
        Distance from 1 of the multiplier that is 1 by structure.
    """

    values: NDArray[np.complex128]
    trivial_error: float

    @property
    def unstable(self) -> int:
        """Number outside the unit circle."""
        return int(np.sum(np.abs(self.values) > 1))

    def tests(self) -> Array:
        """Signs that change at a fold or branch point, and at a period doubling."""
        return np.array([_sign(self.values - 1), _sign(self.values + 1)])


def _sign(factors: NDArray[np.complex128]) -> float:
    """Sign of a product that is real because its complex factors come in pairs."""
    total = 1.0 + 0.0j
    for factor in factors:
        size = abs(factor)
        total *= factor / size if 0 < size < np.inf else 1.0
    return 1.0 if total.real >= 0 else -1.0


def multipliers(linear: Linearization, dimension: int | None = None, jumps: Sequence[tuple[int, Array]] = (),
                gradients: Array | None = None, scale: Array | None = None) -> Multipliers:
    """Return the multipliers of a cycle.

    Parameters
    ----------
    linear : Linearization
    dimension : int, optional
        Use only the first states (the orbit in an extended system).
    jumps : sequence of (interval, matrix)
        Saltation matrices, applied at the end of an interval.
    gradients : ndarray, shape (k, n), optional
        Of conserved quantities at the first node: multipliers are those of variations within their level set. The others
        are 1 with the one along the orbit in a Jordan block, where rounding would spoil all of them.
    scale : ndarray, shape (n,), optional
        Sizes of the states; where they are far apart, multipliers are only known in units of them.

    Returns
    -------
    Multipliers

    References
    ----------
    Fairgrieve, T. F. and Jepson, A. D. (1991), SIAM J. Numer. Anal. 28, 1446, DOI 10.1137/0728075.
    """
    from scipy.linalg import eigvals

    n = dimension or linear.transition.shape[1]
    chain = linear.chain
    units = np.ones(n) if scale is None else scale
    if n < linear.transition.shape[1] or jumps or scale is not None:
        transition = linear.transition[:, :n, :n].copy()
        for interval, matrix in jumps:
            transition[interval] = matrix @ transition[interval]
        transition *= units / units[:, None]
        unit = np.broadcast_to(np.eye(n), transition.shape)
        chain = eliminate(-transition, unit, np.zeros((len(transition), n, 1)))
    first, last = chain.first, chain.last
    if gradients is not None and len(gradients):
        first, last = _within(first, last, gradients * units)
    with np.errstate(all="ignore"):
        over, under = eigvals(first, -last, homogeneous_eigvals=True)
        values = np.where(np.abs(under) > 0, over / np.where(under == 0, 1.0, under), np.inf)
    order = np.argsort(np.abs(over - under) / (np.abs(over) + np.abs(under)))
    kept, structural = values[order[1:]], values[order[:1]]
    kept = kept[np.argsort(-np.abs(kept), kind="stable")]
    if kept.size == 1:
        # one multiplier is the volume change (Liouville), which no rounding of the others can reach
        volume = float(np.sum(linear.growth[:n])) + sum(float(np.log(np.abs(np.linalg.det(jump)))) for _, jump in jumps)
        sign = np.prod([np.sign(np.linalg.det(jump)) for _, jump in jumps]) if jumps else 1.0
        kept = np.array([sign * np.exp(min(volume, 700.0))], dtype=complex)
    return Multipliers(kept, float(np.max(np.abs(structural - 1), initial=0.0)))


def _within(first: Array, last: Array, gradients: Array) -> tuple[Array, Array]:
    """The relation between the ends of the chain for variations that keep conserved quantities."""
    rank = first.shape[0] - len(gradients)
    scale = np.abs(gradients).max(axis=1, keepdims=True)
    inside = np.linalg.svd(gradients / np.where(scale > 0, scale, 1.0))[2][len(gradients):].T
    rows = np.linalg.svd(np.hstack([first @ inside, last @ inside]))[0][:, :rank].T
    return rows @ first @ inside, rows @ last @ inside


def critical_direction(linear: Linearization, orbit: Orbit, multiplier: float) -> tuple[Array, Array]:
    """Return the variation that is multiplied by a real ``multiplier`` in one period: nodes and stages."""
    chain, n = linear.chain, orbit.nodes.shape[1]
    start = np.linalg.svd(chain.first + multiplier * chain.last)[2][-1]
    still = np.zeros((chain.constant.shape[1], 1))
    nodes = chain.points(start[:, None], multiplier * start[:, None], still)[:, :, 0]
    return nodes, np.einsum("ijab,ib->ija", linear.inner[..., :n], nodes[:-1])


def branching_direction(linear: Linearization, orbit: Orbit) -> tuple[Array, Array, float]:
    """Return a periodic variation besides the one along the orbit: nodes, stages, relative change of the one duration."""
    chain, n = linear.chain, orbit.nodes.shape[1]
    period = orbit.period
    basis = np.linalg.svd(np.hstack([chain.first + chain.last, -period * chain.constant[:, :1]]))[2][-2:]
    flow = np.append(linear.speed[0, 0] / np.linalg.norm(linear.speed[0, 0]), 0.0)
    shares = np.linalg.svd((basis @ flow)[None])[2][-1]
    *start, rate = shares @ basis
    y = np.zeros((chain.constant.shape[1], 1))
    y[0] = rate * period
    nodes = chain.points(np.array(start)[:, None], np.array(start)[:, None], y)[:, :, 0]
    stages = np.einsum("ijab,ib->ija", linear.inner[..., :n], nodes[:-1]) + linear.inner[..., n:] @ y[:, 0]
    return nodes, stages, float(rate)


def spiral_direction(linear: Linearization, orbit: Orbit, multiplier: complex) -> tuple[NDArray, NDArray, float]:
    """Return the complex variation of a multiplier on the unit circle, turned back so that it is periodic, and its angle.

    Returns
    -------
    nodes : complex ndarray, shape (M + 1, n)
    stages : complex ndarray, shape (M, m, n)
    rate : float
        Angle turned in a unit of time.
    """
    from dynamics.analysis.collocation import gauss_points

    chain, n = linear.chain, orbit.nodes.shape[1]
    unit = multiplier / abs(multiplier)
    start = np.linalg.svd(chain.first + unit * chain.last)[2][-1].conj()
    still = np.zeros((chain.constant.shape[1], 1))
    nodes = chain.points(start[:, None], unit * start[:, None], still)[:, :, 0]
    stages = np.einsum("ijab,ib->ija", linear.inner[..., :n], nodes[:-1])
    times, rate = orbit.times, float(np.angle(unit)) / orbit.period
    inside = times[:-1, None] + np.diff(times)[:, None] * gauss_points(orbit.stages.shape[1]).points
    return nodes * np.exp(-1j * rate * times)[:, None], stages * np.exp(-1j * rate * inside)[..., None], rate
