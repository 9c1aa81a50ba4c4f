"""Pseudo-arclength steps along a family of cycles, the mesh following the orbit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import (
    Orbit,
    OrbitProblem,
    Variation,
    corrected_orbit,
    linearized,
    moved,
    tangent_of,
)
from dynamics.analysis.cycle_problems import CycleProblem, along, unit_variation
from dynamics.analysis.floquet import Multipliers
from dynamics.analysis.orbit_meshes import Interpolant, adapted, fewest_intervals, remeshed, smoothness

__all__ = ["CyclePoint", "StepSizes", "between", "next_point", "on_own_mesh", "point_at", "present", "product",
           "row_of"]

Array = NDArray[np.float64]
TOLERANCE = 1e-10
MEAN = 0.2
ABSENT = 1e-12  # of the largest amplitude


@dataclass(frozen=True)
class StepSizes:
    """Steps in a length where a relative change of the orbit, of the period, or of the parameter over its span counts 1.

    Attributes
    ----------
    first, smallest, largest : float
    angle : float
        Between neighbouring tangents, radian.
    fineness : float
        Of meshes: product of width and density of intervals.
    most_intervals : int
    """

    first: float = 0.02
    smallest: float = 1e-7
    largest: float = 0.25
    angle: float = 0.25
    fineness: float = 0.4
    most_intervals: int = 400


@dataclass(frozen=True, eq=False)
class CyclePoint:
    """A cycle of a branch with what was read from it."""

    problem: CycleProblem
    orbit: Orbit
    tangent: Variation
    multipliers: Multipliers
    interpolant: Interpolant
    lows: Array
    highs: Array
    levels: tuple[tuple[int, int, float, float], ...]
    step: float
    reach: Array

    @property
    def parameters(self) -> Array:
        """Values of the free parameters."""
        return self.orbit.unknowns[:len(self.problem.spans)]


def row_of(orbit: Orbit, tangent: Variation, spans: tuple[float, ...], reach: Array) -> tuple[Array, Array]:
    """The tangent as a linear form in the length of StepSizes."""
    n = reach.size
    by_nodes = np.zeros_like(orbit.nodes)
    by_nodes[:-1, :n] = orbit.weights[:, None] * tangent.nodes[:-1, :n] / reach**2
    by_scalars = np.zeros_like(tangent.scalars)
    count = len(orbit.durations)
    by_scalars[:count] = tangent.scalars[:count].sum() / orbit.period**2
    for k, span in enumerate(spans):
        by_scalars[count + k] = tangent.scalars[count + k] / span**2
    return by_nodes, by_scalars


def product(orbit: Orbit, one: Variation, other: Variation, spans: tuple[float, ...], reach: Array) -> float:
    """Scalar product of variations in the length of StepSizes."""
    by_nodes, by_scalars = row_of(orbit, one, spans, reach)
    return float(np.sum(by_nodes * other.nodes) + by_scalars @ other.scalars)


def present(orbit: Orbit, sizes: Array) -> Array:
    """Return sizes of the states, that of a state which is zero throughout as large as any: so far it may go elsewhere."""
    absent = np.abs(orbit.nodes).max(axis=0) <= ABSENT * orbit.scale.max()
    return np.where(absent, sizes.max(), sizes)


def point_at(problem: CycleProblem, orbit: Orbit, reference: Variation | None, step: float, reach: Array | None = None,
             equations: OrbitProblem | None = None) -> CyclePoint | None:
    """Return a converged orbit with tangent (oriented like ``reference``), multipliers and extremes."""
    equations = equations or problem.at(orbit)
    # a state far from zero moves with its mean: a cycle that is small beside it would make every step tiny
    own = present(orbit, np.maximum(orbit.scale, MEAN * np.abs(orbit.nodes).max(axis=0)))
    reach = own if reach is None else np.maximum(reach, own)
    with np.errstate(all="ignore"):
        try:
            tangent = tangent_of(equations, orbit)
            length = np.sqrt(product(orbit, tangent, tangent, problem.spans, reach))
            if not np.isfinite(length) or length == 0:
                return None
            tangent = unit_variation(tangent, length)
            if reference is not None and product(orbit, tangent, reference, problem.spans, reach) < 0:
                tangent = unit_variation(tangent, -1.0)
            found = problem.multipliers(orbit, linearized(equations, orbit))
        except np.linalg.LinAlgError:
            return None
    interpolant = problem.interpolant(orbit)
    lows, highs = interpolant.extremes()
    return CyclePoint(problem, orbit, tangent, found, interpolant, lows, highs, tuple(problem.levels(orbit, interpolant)),
                      step, reach)


def between(point: CyclePoint, distance: float, most: int = 8) -> tuple[Orbit, int] | None:
    """Return the orbit at a distance along the tangent from a point."""
    by_nodes, by_scalars = row_of(point.orbit, point.tangent, point.problem.spans, point.reach)
    equations = point.problem.at(point.orbit).with_conditions(along(point.orbit, by_nodes, by_scalars, distance))
    found = corrected_orbit(equations, moved(point.orbit, point.tangent, distance), tolerance=TOLERANCE, most=most)
    return None if found is None else (found[0], found[1])


def next_point(point: CyclePoint, sizes: StepSizes) -> tuple[CyclePoint, float] | None:
    """Return the next point of a branch and the distance to it; None where the step would fall below the smallest."""
    step = min(max(point.step, sizes.smallest), sizes.largest)
    while step >= sizes.smallest:
        found = between(point, step)
        if found is not None:
            orbit, count = found
            reached = point_at(point.problem, orbit, point.tangent, step, point.reach)
            if reached is not None:
                cosine = product(orbit, reached.tangent, point.tangent, point.problem.spans, reached.reach)
                turn = float(np.arccos(min(1.0, max(-1.0, cosine / np.sqrt(product(
                    orbit, point.tangent, point.tangent, point.problem.spans, reached.reach))))))
                if turn <= 2 * sizes.angle or step <= 100 * sizes.smallest:
                    wanted = sizes.angle / turn if turn > 0 else 2.0
                    factor = min(wanted, 1.5 if count <= 4 else 1.0 if count <= 6 else 0.6)
                    return replace(reached, step=step * max(0.3, factor)), step
        step /= 2.5
    return None


def on_own_mesh(point: CyclePoint, sizes: StepSizes) -> CyclePoint:
    """Return the point on a mesh that follows its orbit, where the old one no longer does."""
    _, roughness = smoothness(point.orbit)
    if 0.5 * sizes.fineness <= roughness <= 1.25 * sizes.fineness:
        return point
    if roughness < sizes.fineness and len(point.orbit.nodes) - 1 <= len(point.orbit.meshes) * fewest_intervals(point.orbit):
        return point
    orbit = adapted(point.orbit, sizes.fineness, sizes.most_intervals)
    whole = Orbit(point.orbit.meshes, point.tangent.nodes, point.tangent.stages, point.orbit.durations,
                  point.orbit.unknowns)
    carried = remeshed(whole, orbit.meshes)
    tangent = Variation(carried.nodes, carried.stages, point.tangent.scalars)
    by_nodes, by_scalars = row_of(orbit, tangent, point.problem.spans, point.reach)
    found = corrected_orbit(point.problem.at(orbit).with_conditions(along(orbit, by_nodes, by_scalars, 0.0)), orbit,
                            tolerance=TOLERANCE)
    if found is None:
        return point
    fresh = point_at(point.problem, found[0], tangent, point.step, point.reach)
    return point if fresh is None else fresh
