"""Orthogonal collocation of periodic orbits at Gauss points, piece by smooth piece.

An orbit consists of phases, each with its own smooth equations and duration (one phase where the field is smooth). Each
phase is cut into intervals with a polynomial of degree m on each that satisfies the equations at m Gauss points: errors
at the mesh points fall as the interval to the power 2 m. Derivatives are exact; stages are eliminated interval by
interval and the rest by `eliminate`, so one Newton step costs a handful of batched operations on small matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.block_cyclic import Chain, eliminate

__all__ = ["Condition", "Linearization", "Orbit", "OrbitProblem", "PhaseField", "Variation", "corrected_orbit",
           "gauss_points", "linearized", "moved", "state_scale", "tangent_of"]

Array = NDArray[np.float64]
# field(z, unknowns): z (n, L) -> values (n, L), derivatives by z (n, n, L) and by the unknowns (n, r, L)
PhaseField = Callable[[Array, Array], tuple[Array, Array, Array]]
QUIET = 1e-10
SINGULAR = 1e-11
STALLED = 1e-8  # rounding keeps updates above the tolerance only where they are this small


@dataclass(frozen=True)
class _Tableau:
    points: Array
    inner: Array
    weights: Array


@lru_cache(maxsize=8)
def gauss_points(count: int) -> _Tableau:
    """Return the Gauss points on [0, 1] with the integrals of their Lagrange polynomials (up to each point, up to 1)."""
    from numpy.polynomial import legendre

    points = (legendre.leggauss(count)[0] + 1) / 2
    powers = np.vander(points, increasing=True)
    over = np.arange(1, count + 1)
    inner = np.asarray(np.linalg.solve(powers.T, (points[:, None] ** over / over).T).T, dtype=np.float64)
    return _Tableau(points, inner, np.asarray(np.linalg.solve(powers.T, 1.0 / over), dtype=np.float64))


def state_scale(nodes: Array) -> Array:
    """Return the size of each state along an orbit: how far it moves, or a small part of what it and the others are."""
    most = np.abs(nodes).max(axis=0)
    size = np.maximum(nodes.max(axis=0) - nodes.min(axis=0), 1e-3 * most)
    # a state that is zero throughout (a flow that never sets in) is known to rounding of the others only
    return np.maximum(size, max(QUIET * float(most.max(initial=0.0)), np.finfo(float).tiny))


@dataclass(frozen=True, eq=False)
class Orbit:
    """A discrete closed orbit.

    Attributes
    ----------
    meshes : tuple of ndarray
        Of each phase, from 0 to 1.
    nodes : ndarray, shape (M + 1, n)
        States at the mesh points of all phases; the last is the first again (up to a twist).
    stages : ndarray, shape (M, m, n)
        At the Gauss points.
    durations : ndarray, shape (K,)
    unknowns : ndarray, shape (r,)
        Parameters and further scalars that the fields depend on.
    """

    meshes: tuple[Array, ...]
    nodes: Array
    stages: Array
    durations: Array
    unknowns: Array

    @property
    def period(self) -> float:
        """Sum of the durations."""
        return float(self.durations.sum())

    @property
    def starts(self) -> tuple[int, ...]:
        """Index of the first node of each phase, and of the last node."""
        return (0, *np.cumsum([len(mesh) - 1 for mesh in self.meshes]).tolist())

    @property
    def times(self) -> Array:
        """Times of the nodes."""
        begun = np.concatenate([[0.0], np.cumsum(self.durations)])
        parts = [begun[k] + mesh[:-1] * self.durations[k] for k, mesh in enumerate(self.meshes)]
        return np.concatenate([*parts, begun[-1:]])

    @property
    def scale(self) -> Array:
        """Size of each state along the orbit."""
        return state_scale(self.nodes)

    @property
    def weights(self) -> Array:
        """Share of the time that each node but the last stands for, shape (M,)."""
        widths = np.diff(self.times)
        return (widths + np.roll(widths, 1)) / (2 * self.times[-1])


@dataclass(frozen=True, eq=False)
class Variation:
    """A direction in the space of orbits (durations and unknowns together in ``scalars``)."""

    nodes: Array
    stages: Array
    scalars: Array


# value of a scalar equation, its gradient by nodes (M + 1, n) and by scalars (K + r,)
Condition = Callable[[Orbit], tuple[float, Array, Array]]


@dataclass(frozen=True)
class OrbitProblem:
    """A periodic boundary value problem.

    Attributes
    ----------
    fields : tuple of callable
        One for each phase.
    twist : ndarray, shape (n,)
        The end is this times the start: 1, or -1 where a component changes sign.
    conditions : tuple of callable
        As many as there are scalars, or one less (then the solutions form a curve).
    scalar_scale : ndarray, shape (K + r,)
        Typical sizes of durations and unknowns.
    """

    fields: tuple[PhaseField, ...]
    twist: Array
    conditions: tuple[Condition, ...]
    scalar_scale: Array

    def with_conditions(self, *conditions: Condition) -> OrbitProblem:
        """The problem with further conditions."""
        return replace(self, conditions=(*self.conditions, *conditions))


@dataclass(frozen=True, eq=False)
class Linearization:
    """The equations of an orbit to first order.

    Attributes
    ----------
    chain : Chain
        Relations between mesh points; columns are the scalars and the constant 1.
    transition : ndarray, shape (M, n, n)
        Of each interval, at fixed scalars.
    forcing : ndarray, shape (M, n, K + r)
    inner : ndarray, shape (M, m, n, n + K + r + 1)
        Stages in terms of the left mesh point, the scalars and 1.
    speed : ndarray, shape (M, m, n)
        The field at the stages.
    growth : ndarray, shape (n,)
        Integrals of the diagonal of the Jacobian over the orbit; their sum is the logarithm of its volume change.
    """

    chain: Chain
    transition: Array
    forcing: Array
    inner: Array
    speed: Array
    growth: Array


def linearized(problem: OrbitProblem, orbit: Orbit) -> Linearization:
    """Linearize the collocation equations at an orbit."""
    intervals, m, n = orbit.stages.shape
    tableau = gauss_points(m)
    count, free = len(orbit.durations), len(orbit.unknowns)
    speed, slopes = np.empty((intervals, m, n)), np.empty((intervals, m, n, n))
    columns = np.zeros((intervals, m, n, count + free))
    share = np.concatenate([np.diff(mesh) for mesh in orbit.meshes])
    width = np.empty(intervals)
    for k, (field, low, high) in enumerate(zip(problem.fields, orbit.starts, orbit.starts[1:], strict=False)):
        values, by_state, by_unknown = field(orbit.stages[low:high].reshape(-1, n).T, orbit.unknowns)
        speed[low:high] = values.T.reshape(high - low, m, n)
        slopes[low:high] = np.moveaxis(by_state, 2, 0).reshape(high - low, m, n, n)
        width[low:high] = orbit.durations[k] * share[low:high]
        columns[low:high, :, :, k] = share[low:high, None, None] * speed[low:high]
        scaled = np.moveaxis(by_unknown, 2, 0).reshape(high - low, m, n, free)
        columns[low:high, :, :, count:] = width[low:high, None, None, None] * scaled
    h = width[:, None, None]
    coupling = h[..., None, None] * tableau.inner[None, :, None, :, None] * slopes.transpose(0, 2, 1, 3)[:, None]
    matrix = np.eye(m * n) - coupling.reshape(intervals, m * n, m * n)
    right = np.empty((intervals, m, n, n + count + free + 1))
    right[..., :n] = np.eye(n)
    right[..., n:-1] = np.einsum("jl,ilac->ijac", tableau.inner, columns)
    right[..., -1] = orbit.nodes[:-1, None] + h * np.einsum("jl,ila->ija", tableau.inner, speed) - orbit.stages
    inner = np.asarray(np.linalg.solve(matrix, right.reshape(intervals, m * n, -1)), dtype=np.float64).reshape(right.shape)
    weighted = (h[..., None] * tableau.weights[None, :, None, None] * slopes)
    pushed = np.einsum("ilab,ilbc->iac", weighted, inner)
    transition = np.eye(n) + pushed[..., :n]
    constant = pushed[..., n:].copy()
    constant[..., :-1] += np.einsum("l,ilac->iac", tableau.weights, columns)
    defect = orbit.nodes[1:] - orbit.nodes[:-1] - width[:, None] * np.einsum("l,ila->ia", tableau.weights, speed)
    constant[..., -1] -= defect
    unit = np.broadcast_to(np.eye(n), (intervals, n, n))
    growth = np.einsum("i,l,ilaa->a", width, tableau.weights, slopes)
    return Linearization(eliminate(-transition, unit, constant), transition, constant[..., :-1], inner, speed, growth)


def _solutions(problem: OrbitProblem, orbit: Orbit, linear: Linearization) -> tuple[Array, Array, Array]:
    """All variations that keep the differential equations: a basis and, last, the one that removes the residual.

    Returns nodes (M + 1, n, k + 1), scalars (K + r, k + 1) and the column of ones that tells the two kinds apart.
    """
    chain, n = linear.chain, orbit.nodes.shape[1]
    gap = orbit.nodes[-1] - problem.twist * orbit.nodes[0]
    last = chain.last * problem.twist
    forcing = -chain.constant[:, :-1]
    # a scalar in unlucky units would make all singular values but one small, and those of the orbit would pass for zero; a
    # column's unit is the size of what it is summed from, for the sum is nothing but rounding along a family
    largest = np.concatenate([np.maximum(np.abs(chain.first), np.abs(last)).max(axis=0), np.abs(forcing).max(axis=0)])
    unit = 1.0 / np.where(largest > 0, largest, 1.0)
    matrix = np.hstack([chain.first + last, forcing]) * unit
    rows = np.abs(matrix).max(axis=1, keepdims=True)
    known = (chain.constant[:, -1] + chain.last @ gap) / rows[:, 0]
    u, s, vt = np.linalg.svd(matrix / rows)
    # at a branch point of cycles the smallest singular value vanishes, and the residual along it as well
    particular = vt[:n].T @ (np.where(s > SINGULAR * s[0], 1.0, 0.0) * (u.T @ known) / np.maximum(s, np.finfo(float).tiny))
    size = np.concatenate([orbit.scale, problem.scalar_scale])
    free = np.linalg.qr(vt[n:].T * (unit / size)[:, None])[0] * size[:, None]
    basis = np.column_stack([free, particular * unit])
    ones = np.zeros(basis.shape[1])
    ones[-1] = 1.0
    end = problem.twist[:, None] * basis[:n] - gap[:, None] * ones
    return chain.points(basis[:n], end, np.vstack([basis[n:], ones])), basis[n:], ones


def _stages(linear: Linearization, nodes: Array, scalars: Array, one: float) -> Array:
    y = np.concatenate([scalars, [one]])
    n = nodes.shape[1]
    return np.einsum("ijab,ib->ija", linear.inner[..., :n], nodes[:-1]) + linear.inner[..., n:] @ y


def _rows(problem: OrbitProblem, orbit: Orbit, nodes: Array, scalars: Array) -> tuple[Array, Array]:
    """Values of the conditions, and their derivatives along the given variations."""
    values, rows = np.empty(len(problem.conditions)), np.empty((len(problem.conditions), scalars.shape[1]))
    for k, condition in enumerate(problem.conditions):
        values[k], by_nodes, by_scalars = condition(orbit)
        rows[k] = np.tensordot(by_nodes, nodes, axes=([0, 1], [0, 1])) + by_scalars @ scalars
    return values, rows


def moved(orbit: Orbit, variation: Variation, step: float = 1.0) -> Orbit:
    """Return the orbit moved along a variation."""
    count = len(orbit.durations)
    return Orbit(orbit.meshes, orbit.nodes + step * variation.nodes, orbit.stages + step * variation.stages,
                 orbit.durations + step * variation.scalars[:count], orbit.unknowns + step * variation.scalars[count:])


def corrected_orbit(problem: OrbitProblem, orbit: Orbit, *, tolerance: float = 1e-11, most: int = 10,
                    largest: float = np.inf) -> tuple[Orbit, int, float] | None:
    """Newton's method on the collocation equations and the conditions.

    Parameters
    ----------
    problem : OrbitProblem
        With as many conditions as scalars; with less, the nearest solution is looked for.
    orbit : Orbit
        First guess.
    tolerance : float
        Of the last update, relative to the sizes of states and scalars.
    most : int
    largest : float
        First updates that are relatively larger than this are not trusted.

    Returns
    -------
    (orbit, updates, relative size of the last update) or None
        None where it does not converge.
    """
    before = np.inf
    with np.errstate(all="ignore"):
        for count in range(1, most + 1):
            try:
                linear = linearized(problem, orbit)
                nodes, scalars, ones = _solutions(problem, orbit, linear)
                values, rows = _rows(problem, orbit, nodes, scalars)
                square = rows.shape[1] - 1 == rows.shape[0]
                solved = np.linalg.solve(rows[:, :-1], -values - rows[:, -1]) if square else \
                    np.linalg.lstsq(rows[:, :-1], -values - rows[:, -1], rcond=None)[0]
                shares = np.append(solved, 1.0)
            except np.linalg.LinAlgError:
                return None
            along, by_scalar = nodes @ shares, scalars @ shares
            update = Variation(along, _stages(linear, along, by_scalar, float(ones @ shares)), by_scalar)
            size = max(float(np.max(np.abs(along) / orbit.scale)), float(np.max(np.abs(by_scalar) / problem.scalar_scale)))
            if not np.isfinite(size) or size > largest:
                return None
            orbit = moved(orbit, update)
            if size <= tolerance or (size <= STALLED and size > 0.3 * before):
                return (orbit, count, size) if np.all(orbit.durations > 0) else None
            if count > 3 and size > 4 * before:
                return None
            before = size
    return None


def tangent_of(problem: OrbitProblem, orbit: Orbit) -> Variation:
    """Return the direction of a curve of orbits (one condition less than scalars), not normalized."""
    linear = linearized(problem, orbit)
    nodes, scalars, _ = _solutions(problem, orbit, linear)
    _, rows = _rows(problem, orbit, nodes, scalars)
    size = np.abs(rows[:, :-1]).max(axis=1, keepdims=True, initial=1e-300)
    shares = np.append(np.linalg.svd(rows[:, :-1] / size)[2][-1], 0.0) if len(rows) else np.append(1.0, 0.0)
    along, by_scalar = nodes @ shares, scalars @ shares
    return Variation(along, _stages(linear, along, by_scalar, 0.0), by_scalar)
