"""Between the mesh points of an orbit: interpolation, extremes, levels, and meshes that follow where it bends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import Orbit, gauss_points

__all__ = ["Interpolant", "adapted", "fewest_intervals", "interpolated", "remeshed", "sampled", "smoothness"]

Array = NDArray[np.float64]
FLOOR = 0.1  # share of the mean density that every interval gets, so that none grows without bound
FINE = np.linspace(0.0, 1.0, 9)
# speed(z, unknowns): field and second time derivative of a phase
Speed = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Interpolant:
    """An orbit as a quintic on each interval, from the states, slopes and curvatures at the mesh points.

    Mesh points are far more accurate than the stages, so this is what extremes are read from.

    Attributes
    ----------
    times : ndarray, shape (M + 1,)
    coefficients : ndarray, shape (M, 6, n)
        Powers of the fraction of the interval.
    """

    times: Array
    coefficients: Array

    def __call__(self, times: Array) -> Array:
        """States at times, shape (len(times), n); times are taken modulo the period."""
        wrapped = np.mod(times, self.times[-1])
        which = np.clip(np.searchsorted(self.times, wrapped, side="right") - 1, 0, len(self.times) - 2)
        fraction = (wrapped - self.times[which]) / (self.times[which + 1] - self.times[which])
        return self.at(which, fraction)

    def at(self, which: Array, fraction: Array) -> Array:
        """States at fractions of intervals."""
        powers = fraction[:, None] ** np.arange(6)
        return np.einsum("lp,lpa->la", powers, self.coefficients[which])

    def fine(self, low: int = 0, high: int | None = None) -> tuple[Array, Array]:
        """Times and states at nine points of each interval, shapes (L,) and (L, n)."""
        coefficients = self.coefficients[low:high]
        states = np.einsum("fp,ipa->ifa", FINE[:, None] ** np.arange(6), coefficients)
        starts, widths = self.times[:-1][low:high], np.diff(self.times)[low:high]
        return (starts[:, None] + widths[:, None] * FINE).ravel(), states.reshape(-1, states.shape[-1])

    def extremes(self) -> tuple[Array, Array]:
        """Smallest and largest value of each state, shapes (n,)."""
        _, states = self.fine()
        found = []
        for sense in (-1.0, 1.0):
            best = np.argmax(sense * states, axis=0)
            values = np.empty(states.shape[1])
            for j, place in enumerate(best):
                which, fraction = divmod(int(place), len(FINE))
                # a mesh point belongs to two intervals, and the extreme lies in either
                beside = {0: (which, which - 1), len(FINE) - 1: (which, (which + 1) % len(self.coefficients))}
                starts = zip(beside.get(fraction, (which,)), (FINE[fraction], 1.0 - FINE[fraction]), strict=False)
                values[j] = sense * max(_peak(sense * self.coefficients[k, :, j], start) for k, start in starts)
            found.append(values)
        return found[0], found[1]


def _peak(coefficients: Array, start: float) -> float:
    """Largest value of a polynomial on [0, 1] near a start."""
    slope = coefficients[1:] * np.arange(1, 6)
    bend = slope[1:] * np.arange(1, 5)
    place = start
    for _ in range(5):
        curvature = float(np.polyval(bend[::-1], place))
        if curvature >= 0:
            break
        place = min(1.0, max(0.0, place - float(np.polyval(slope[::-1], place)) / curvature))
    return max(float(np.polyval(coefficients[::-1], place)), float(np.polyval(coefficients[::-1], start)))


def interpolated(orbit: Orbit, speeds: Sequence[Speed], dimension: int | None = None) -> Interpolant:
    """Return the orbit between its mesh points; ``dimension`` leaves out the copies of extended systems."""
    n = dimension or orbit.nodes.shape[1]
    times = orbit.times
    coefficients = np.empty((len(times) - 1, 6, n))
    for speed, low, high in zip(speeds, orbit.starts, orbit.starts[1:], strict=False):
        nodes = orbit.nodes[low: high + 1, :n]
        slopes, bends = (part.T for part in speed(nodes.T, orbit.unknowns))
        h = np.diff(times[low: high + 1])[:, None]
        p0, step = nodes[:-1], nodes[1:] - nodes[:-1]
        d0, d1, s0, s1 = h * slopes[:-1], h * slopes[1:], h**2 * bends[:-1], h**2 * bends[1:]
        coefficients[low:high] = np.stack([
            p0, d0, s0 / 2, 10 * step - 6 * d0 - 4 * d1 - 1.5 * s0 + 0.5 * s1,
            -15 * step + 8 * d0 + 7 * d1 + 1.5 * s0 - s1, 6 * step - 3 * (d0 + d1) - 0.5 * (s0 - s1)], axis=1)
    return Interpolant(times, coefficients)


def sampled(states: Callable[[int, Array], Array], meshes: Sequence[Array], durations: Array, unknowns: Array,
            count: int) -> Orbit:
    """Return an orbit on given meshes.

    Parameters
    ----------
    states : callable
        ``states(phase, s)``: s in [0, 1], shape (L,) -> (L, n).
    meshes : sequence of ndarray
    durations, unknowns : ndarray
    count : int
        Gauss points of an interval.
    """
    points = gauss_points(count).points
    nodes, stages = [], []
    for phase, mesh in enumerate(meshes):
        inside = mesh[:-1, None] + np.diff(mesh)[:, None] * points
        stages.append(states(phase, inside.ravel()).reshape(*inside.shape, -1))
        nodes.append(states(phase, mesh)[: None if phase == len(meshes) - 1 else -1])
    return Orbit(tuple(meshes), np.concatenate(nodes), np.concatenate(stages), np.array(durations, dtype=float),
                 np.array(unknowns, dtype=float))


def remeshed(orbit: Orbit, meshes: Sequence[Array]) -> Orbit:
    """Return the orbit on other meshes, by the polynomials of its intervals."""
    count = orbit.stages.shape[1]
    places = np.concatenate([[0.0], gauss_points(count).points, [1.0]])
    gaps = places[:, None] - places
    np.fill_diagonal(gaps, 1.0)
    weights = 1.0 / gaps.prod(axis=1)
    values = np.concatenate([orbit.nodes[:-1, None], orbit.stages, orbit.nodes[1:, None]], axis=1)

    def states(phase: int, s: Array) -> Array:
        mesh, low = orbit.meshes[phase], orbit.starts[phase]
        which = np.clip(np.searchsorted(mesh, s, side="right") - 1, 0, len(mesh) - 2)
        fraction = (s - mesh[which]) / (mesh[which + 1] - mesh[which])
        distance = fraction[:, None] - places
        exact = np.abs(distance) < 1e-14
        terms = weights / np.where(exact, 1.0, distance)
        terms = np.where(exact.any(axis=1, keepdims=True), exact.astype(float), terms)
        return np.einsum("lp,lpa->la", terms / terms.sum(axis=1, keepdims=True), values[low + which])

    return sampled(states, meshes, orbit.durations, orbit.unknowns, count)


def smoothness(orbit: Orbit) -> tuple[list[Array], float]:
    """Return the density of intervals that each phase asks for, and the largest product of density and width.

    The density is the (m + 1)-th root of the relative (m + 1)-th derivative; the product to the power m + 1 measures the
    error between mesh points.
    """
    count = orbit.stages.shape[1]
    places = np.concatenate([[0.0], gauss_points(count).points])
    gaps = places[:, None] - places
    np.fill_diagonal(gaps, 1.0)
    leading = np.concatenate([orbit.nodes[:-1, None], orbit.stages], axis=1).transpose(0, 2, 1) @ (1 / gaps.prod(axis=1))
    scale, closed = orbit.scale, len(orbit.meshes) == 1
    densities, worst = [], 0.0
    for mesh, low, high in zip(orbit.meshes, orbit.starts, orbit.starts[1:], strict=False):
        width = np.diff(mesh)[:, None]
        # m! times the leading coefficient is the m-th derivative; its jumps give the next one
        derivative = leading[low:high] / width**count * np.prod(np.arange(1, count + 1))
        if closed and np.any(np.sign(orbit.nodes[-1]) * np.sign(orbit.nodes[0]) < 0):
            jumps = np.diff(derivative, axis=0) / ((width[1:] + width[:-1]) / 2)
            jumps = np.concatenate([jumps[:1], jumps, jumps[-1:]])
        elif closed:
            before = np.concatenate([derivative[-1:], derivative])
            jumps = np.diff(before, axis=0) / ((width + np.roll(width, 1, axis=0)) / 2)
            jumps = np.concatenate([jumps, jumps[:1]])
        elif len(width) > 1:
            jumps = np.diff(derivative, axis=0) / ((width[1:] + width[:-1]) / 2)
            jumps = np.concatenate([jumps[:1], jumps, jumps[-1:]])
        else:
            jumps = np.zeros((2, derivative.shape[1]))
        size = np.max((np.abs(jumps[1:]) + np.abs(jumps[:-1])) / (2 * scale), axis=1)
        density = size ** (1 / (count + 1))
        densities.append(density)
        worst = max(worst, float(np.max(density * width[:, 0])))
    return densities, worst


def adapted(orbit: Orbit, fineness: float, most: int = 1000) -> Orbit:
    """Return the orbit on a mesh that follows it, with products of density and width near ``fineness``."""
    meshes = []
    fewest = fewest_intervals(orbit)
    densities, _ = smoothness(orbit)
    wanted = []
    for mesh, density in zip(orbit.meshes, densities, strict=True):
        width = np.diff(mesh)
        total = float(density @ width)
        floored = density + FLOOR * total + 1e-12
        wanted.append((mesh, width, floored, float(floored @ width) / fineness))
    crowded = min(1.0, most / max(1.0, sum(need for *_, need in wanted)))
    for mesh, width, floored, need in wanted:
        # a change by a few intervals is not worth the interpolation; growth is limited because early guesses are rough
        count = int(np.clip(np.ceil(need * crowded), fewest, 2 * len(width) + fewest))
        reached = np.concatenate([[0.0], np.cumsum(floored * width)])
        even = np.interp(np.linspace(0, reached[-1], count + 1), reached, mesh)
        even[0], even[-1] = 0.0, 1.0
        meshes.append(even)
    return remeshed(orbit, meshes)


def fewest_intervals(orbit: Orbit) -> int:
    """Intervals that a phase gets in any case: a small cycle beside a large mean looks flat, yet it turns once."""
    return 24 if len(orbit.meshes) == 1 else 8


def halved(mesh: Array) -> Array:
    """Return a mesh with every interval cut in two."""
    return np.sort(np.concatenate([mesh, [(a + b) / 2 for a, b in pairwise(mesh)]]))
