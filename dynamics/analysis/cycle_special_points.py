"""Bifurcations of cycles: bracketed between two points of a branch, then polished on their extended systems.

A fold, a period doubling or a torus bifurcation is a regular periodic solution of the orbit together with its critical
variation. It is solved with exact derivatives on meshes halved until the parameter no longer moves, so that the digits
stated were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import Condition, Linearization, Orbit, corrected_orbit, linearized
from dynamics.analysis.cycle_problems import CycleProblem, along, extended
from dynamics.analysis.cycle_steps import CyclePoint, between, point_at
from dynamics.analysis.floquet import branching_direction, critical_direction, spiral_direction
from dynamics.analysis.orbit_meshes import adapted, halved, remeshed
from dynamics.results import SpecialPoint

__all__ = ["KIND", "Candidate", "candidates", "norms", "plain", "polished", "special_point"]

Array = NDArray[np.float64]
KIND = {"fold": "fold_of_cycles", "flip": "period_doubling", "torus": "neimark_sacker", "branch": "branch_point_of_cycles"}
SETTLED = 1e-12  # relative change of parameters and period under halving of the mesh; no more digits are claimed
CLOSE = 1e-9  # a change as small as this that no longer falls is rounding; a larger one may be a mesh that is too coarse
SAFETY = 2.0  # the error of the finer mesh is less than the change; where rounding counts it may be larger
FINEST = 640
TRIALS = 30
VANISHED = 1e-3
IMPERFECT = 1e-8  # times the period: an imperfection that is larger is none of rounding
RESOLVED = 3.0  # digits below which a solution of an extended system is none
TURNED = 1e-6  # of the range of the parameter: less, close to a homoclinic orbit, is rounding and no fold


@dataclass(frozen=True)
class Candidate:
    """A change of a test function between two points: what it may be."""

    name: str


def candidates(before: CyclePoint, after: CyclePoint) -> list[Candidate]:
    """Return what the changes between two neighbours point at."""
    count = before.problem.phases
    found = []
    one, other = before.tangent.scalars[count], after.tangent.scalars[count]
    moved = abs(after.parameters[0] - before.parameters[0]) > 1e-12 * before.problem.spans[0]
    if one * other < 0 and moved:
        found.append(Candidate("fold"))
    changed = before.multipliers.tests() != after.multipliers.tests()
    if changed[0] and not found and moved:
        found.append(Candidate("branch"))
    if changed[1]:
        found.append(Candidate("flip"))
    # a pair that crosses the unit circle changes the count by two, a real multiplier by one and a sign with it
    if abs(before.multipliers.unstable - after.multipliers.unstable) - int(changed.sum()) >= 2:
        found.append(Candidate("torus"))
    return found


def _test(point: CyclePoint, name: str) -> float:
    """A smooth function of the branch that is zero at the special point."""
    if name == "fold":
        return float(point.tangent.scalars[point.problem.phases])
    values = point.multipliers.values
    if name == "torus":
        pairs = values[np.abs(values.imag) > 1e-9 * np.abs(values)]
        if pairs.size == 0:
            return float("nan")
        return float(np.abs(pairs[np.argmin(np.abs(np.log(np.abs(pairs))))]) - 1)
    real = values[np.abs(values.imag) <= 1e-9 * np.abs(values)].real
    if real.size == 0:
        return float("nan")
    target = -1.0 if name == "flip" else 1.0
    return float(real[np.argmin(np.abs(real - target))] - target)


def _signed(point: CyclePoint, name: str, middle: float) -> float:
    """The test with the sign that counts all multipliers: the nearest one alone may belong to different ones at the ends."""
    value = _test(point, name)
    if name == "fold":
        return value
    sign = np.sign(point.multipliers.unstable - middle) if name == "torus" else \
        point.multipliers.tests()[("branch", "flip").index(name)]
    return float(sign * (abs(value) if np.isfinite(value) else 1.0))


def _bracketed(before: CyclePoint, distance: float, after: CyclePoint, test: Callable[[CyclePoint], float]) -> CyclePoint:
    """Narrow a change of sign along the step that led from one point to the next (Illinois method)."""
    low, high, at_low, at_high = 0.0, distance, test(before), test(after)
    best = before if abs(at_low) < abs(at_high) else after
    if not (np.isfinite(at_low) and np.isfinite(at_high)) or at_low * at_high > 0:
        return best
    for _ in range(TRIALS):
        share = (low * at_high - high * at_low) / (at_high - at_low)
        found = between(before, share)
        point = None if found is None else point_at(before.problem, found[0], before.tangent, before.step, before.reach)
        if point is None or not np.isfinite(value := test(point)):
            return best
        best = point
        if value * at_high < 0:
            low, at_low = high, at_high
        else:
            at_low *= 0.5
        high, at_high = share, value
        if abs(value) < 1e-7 or abs(high - low) < 1e-9 * distance:
            break
    return best


def polished(point: CyclePoint, name: str, fineness: float = 0.3) -> tuple[CycleProblem, Orbit, float, float] | None:
    """Solve the extended system of a bifurcation near a point.

    Returns
    -------
    (problem, extended orbit, residual, digits) or None
    """
    guess, problem, kind = _extended_guess(point, name), point.problem, name
    orbit = None if guess is None else _solved(problem, guess, kind)
    if orbit is None:
        return None
    better = _solved(problem, adapted(orbit, fineness, FINEST // 2), kind)
    orbit = orbit if better is None else better

    def solve(guess: Orbit) -> tuple[Orbit, int, float] | None:
        return corrected_orbit(problem.at(guess, kind).with_conditions(*norms(problem, guess, kind)), guess)

    return settled(problem, orbit, solve)


def settled(problem: CycleProblem, orbit: Orbit, solve: Callable[[Orbit], tuple[Orbit, int, float] | None]
            ) -> tuple[CycleProblem, Orbit, float, float] | None:
    """Halve meshes until parameters and period no longer move; return problem, orbit, residual, digits.

    Digits are those of the worst of them: of the last change, which is larger than the error of the finer mesh where
    meshes count; where rounding does, changes cease to fall, and the larger of the last two is taken since one may be small
    by chance.
    """
    found, digits, before = solve(orbit), 0.0, float("inf")
    if found is None:
        return None
    while len(found[0].nodes) < FINEST:
        finer = solve(remeshed(found[0], [halved(mesh) for mesh in found[0].meshes]))
        if finer is None:
            break
        change, found = _change(problem, found[0], finer[0]), finer
        rounding = change >= before
        error = SAFETY * max(change, before if rounding else 0.0, SETTLED)
        digits = float(np.floor(-10 * np.log10(error))) / 10
        if change <= SETTLED or (rounding and change <= CLOSE):
            break
        before = change
    return problem, found[0], found[2], max(0.0, digits)


def _change(problem: CycleProblem, one: Orbit, other: Orbit) -> float:
    """Largest relative change of the free parameters and the period."""
    found = [abs(other.period / one.period - 1)]
    for k, span in enumerate(problem.spans):
        value = float(other.unknowns[k])
        found.append(abs(value - float(one.unknowns[k])) / max(abs(value), 1e-3 * span))
    return max(found)


def _solved(problem: CycleProblem, orbit: Orbit, kind: str) -> Orbit | None:
    found = corrected_orbit(problem.at(orbit, kind).with_conditions(*norms(problem, orbit, kind)), orbit, most=15)
    return None if found is None else found[0]


def norms(problem: CycleProblem, orbit: Orbit, kind: str) -> list[Condition]:
    """Conditions that fix the size of the variation to that of a reference; for a torus its phase, for a branch point what
    the second variation has of the first."""
    n = problem.fields.dimension
    by_nodes = np.zeros_like(orbit.nodes)
    copies = orbit.nodes.shape[1] // n - 1
    scale = np.tile(orbit.scale[:n], copies)
    weighted = orbit.weights[:, None] * orbit.nodes[:-1, n:] / scale**2
    if kind == "branch":
        weighted[:, n:] = 0.0
    size = float(np.sum(weighted * orbit.nodes[:-1, n:]))
    by_nodes[:-1, n:] = weighted / size
    nothing = np.zeros(len(orbit.durations) + len(orbit.unknowns))
    origin = replace(orbit, nodes=np.zeros_like(orbit.nodes))
    norm = along(origin, by_nodes, nothing, 1.0)
    if kind not in ("torus", "branch"):
        return [norm]
    turned = np.zeros_like(by_nodes)
    if kind == "branch":
        turned[:, 2 * n:] = by_nodes[:, n: 2 * n]
        return [norm, along(origin, turned, nothing, 0.0)]
    turned[:, n: 2 * n], turned[:, 2 * n:] = by_nodes[:, 2 * n:], -by_nodes[:, n: 2 * n]
    return [norm, along(origin, turned, nothing, 0.0)]


def _extended_guess(point: CyclePoint, name: str) -> Orbit | None:
    problem, orbit = point.problem, point.orbit
    count, extra = problem.phases, problem.extra(name)
    scale = orbit.scale
    if name == "fold":
        tangent = point.tangent
        size = float(np.max(np.abs(tangent.nodes) / scale))
        rates = tangent.scalars[:count] / orbit.durations / size
        scalars = [*rates, *[0.0] * (extra - count)]
        return extended(problem, orbit, [(tangent.nodes / size, tangent.stages / size)], scalars)
    linear = linearized(problem.at(orbit), orbit)
    if name == "branch":
        return _branching_guess(point, linear)
    if name == "flip":
        nodes, stages = critical_direction(linear, orbit, -1.0)
        size = float(np.max(np.abs(nodes) / scale))
        return extended(problem, orbit, [(nodes / size, stages / size)], [0.0] * extra)
    values = point.multipliers.values
    pairs = values[values.imag > 1e-9 * np.abs(values)]
    if pairs.size == 0 or count > 1:
        return None
    critical = complex(pairs[np.argmin(np.abs(np.log(np.abs(pairs))))])
    nodes, stages, rate = spiral_direction(linear, orbit, critical)
    size = float(np.max(np.abs(nodes) / scale))
    return extended(problem, orbit, [(nodes.real / size, stages.real / size), (nodes.imag / size, stages.imag / size)],
                    [rate])


def _branching_guess(point: CyclePoint, linear: Linearization) -> Orbit | None:
    """The orbit with the variation that leads to the other branch, and with its own along the parameter."""
    problem, orbit, tangent = point.problem, point.orbit, point.tangent
    speed = float(tangent.scalars[problem.phases])
    if problem.phases > 1 or speed == 0:
        return None
    nodes, stages, rate = branching_direction(linear, orbit)
    size = float(np.max(np.abs(nodes) / orbit.scale))
    first = (nodes / size, stages / size)
    share = orbit.weights[:, None] / orbit.scale**2
    part = float(np.sum(share * tangent.nodes[:-1] * first[0][:-1]) / np.sum(share * first[0][:-1] ** 2))
    second = tuple((whole - part * own) / speed for whole, own in zip((tangent.nodes, tangent.stages), first, strict=True))
    own_rate = (float(tangent.scalars[0]) / orbit.period - part * rate / size) / speed
    scalars = [rate / size, own_rate, *[0.0] * (problem.extra("branch") - 2)]
    return extended(problem, orbit, [first, (second[0], second[1])], scalars)


def special_point(before: CyclePoint, distance: float, after: CyclePoint, candidate: Candidate) -> SpecialPoint | None:
    """Locate, polish and describe a special point between two neighbours; None where there is none.

    Parameters
    ----------
    before, after : CyclePoint
    distance : float
        Between them along the tangent of the first.
    candidate : Candidate
    """
    name = candidate.name
    middle = (before.multipliers.unstable + after.multipliers.unstable) / 2
    near = _bracketed(before, distance, after, lambda point: _signed(point, name, middle))
    if name == "torus" and not abs(_test(near, name)) < VANISHED:
        return None  # two real multipliers crossed in one step
    solved = polished(near, name)
    if name == "branch" and solved is not None and not _unperturbed(*solved[:2]):
        solved = None
    width = abs(after.parameters[0] - before.parameters[0]) + 1e-6 * before.problem.spans[0]
    allowed = 3 * width + 0.01 * abs(near.parameters[0])
    if solved is not None and solved[3] >= RESOLVED and abs(solved[1].unknowns[0] - near.parameters[0]) <= allowed:
        problem, orbit, residual, digits = solved
        return describe(problem, plain(problem, orbit), KIND[name], residual, digits, "polished")
    if not abs(_test(near, name)) < VANISHED:
        return None  # the test function jumped, through infinity or by rounding, and did not vanish
    if name == "fold" and min(abs(near.parameters[0] - p.parameters[0]) for p in (before, after)) <= \
            TURNED * before.problem.spans[0]:
        return None
    residual, digits = float("nan"), float("nan")
    return describe(near.problem, near.orbit, KIND[name], residual, digits, "located")


def _unperturbed(problem: CycleProblem, orbit: Orbit) -> bool:
    """Whether the imperfection in the equations of a branch point has vanished."""
    place = len(problem.fields.places) + 2
    return bool(abs(orbit.unknowns[place]) * orbit.period < IMPERFECT)


def plain(problem: CycleProblem, orbit: Orbit) -> Orbit:
    """Return the orbit of an extended system without its variations."""
    n = problem.fields.dimension
    return Orbit(orbit.meshes, orbit.nodes[:, :n], orbit.stages[:, :, :n], orbit.durations,
                 orbit.unknowns[:len(problem.fields.places)])


def describe(problem: CycleProblem, orbit: Orbit, kind: str, residual: float, digits: float, status: str,
             remark: str = "", extra: Sequence[tuple[str, float]] = ()) -> SpecialPoint:
    """Return an orbit as a SpecialPoint: a state on it, the parameters, its period and multipliers."""
    system = problem.fields.system
    parameters = dict(system.parameter_values)
    parameters.update(zip(problem.fields.free, orbit.unknowns.tolist(), strict=False))
    found = problem.multipliers(orbit, linearized(problem.at(orbit), orbit))
    lows, highs = problem.interpolant(orbit).extremes()
    form = {f"{side}_{state}": float(value) for side, values in (("min", lows), ("max", highs))
            for state, value in zip(system.states, values, strict=True)}
    return SpecialPoint(kind, "", dict(zip(system.states, orbit.nodes[0].tolist(), strict=True)), parameters,
                        tuple(complex(v) for v in found.values), form | dict(extra), residual, digits, status,
                        remark=remark, period=orbit.period)
