"""Cycles that touch a border between regimes, or an event that ends trajectories, and what becomes of them beyond.

At the touching cycle a border function h and its rate of change along the flow vanish together, so the origin of time is
put there: h = 0 and dh/dt = 0 at a mesh point replace the phase condition and fix the parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import Orbit, OrbitProblem, corrected_orbit
from dynamics.analysis.cycle_problems import CycleProblem, fixed_scalar, segmented
from dynamics.analysis.cycle_special_points import describe, settled
from dynamics.analysis.cycle_steps import CyclePoint
from dynamics.analysis.orbit_meshes import adapted, sampled
from dynamics.results import SpecialPoint

__all__ = ["Touch", "beyond", "grazing_point", "touches"]

Array = NDArray[np.float64]
ROUNDING = 1e-10  # of a level, relative to its size along the cycle


@dataclass(frozen=True)
class Touch:
    """A level that has become negative along a phase."""

    phase: int
    level: int
    time: float
    name: str
    terminal: bool


def touches(before: CyclePoint, after: CyclePoint) -> list[Touch]:
    """Return the levels that were positive along the first cycle and are not along the second."""
    known = {(phase, level): value for phase, level, value, _ in before.levels}
    found = []
    for phase, level, value, time in after.levels:
        if value < -ROUNDING <= known.get((phase, level), 1.0):
            part = after.problem.fields.levels(after.problem.structure.pieces[phase])[level]
            found.append(Touch(phase, level, time, part.name, part.terminal))
    return found


def grazing_point(near: CyclePoint, touch: Touch) -> SpecialPoint | None:
    """Return the cycle that just touches, polished; None where Newton's method fails."""
    problem = near.problem
    if problem.phases > 1:
        return None
    orbit = _turned(near, touch.time)
    piece = problem.structure.pieces[0]
    expression = problem.fields.levels(piece)[touch.level].expression
    level = problem.fields.at_node(expression, 0)
    rate = problem.fields.at_node(expression, 0, along=piece)

    def equations(reference: Orbit) -> OrbitProblem:
        usual = problem.at(reference)
        return replace(usual, conditions=(rate, *usual.conditions[1:], level))

    found = corrected_orbit(equations(orbit), orbit, most=20)
    if found is None:
        return None
    orbit = adapted(found[0], 0.3)
    solved = settled(problem, orbit, lambda o: corrected_orbit(equations(o), o, most=12))
    if solved is None:
        return None
    _, orbit, residual, digits = solved
    what = f"the event '{touch.name}'" if touch.terminal else f"the border of '{touch.name}'"
    return describe(problem, orbit, "grazing", residual, digits, "polished",
                    remark=f"the cycle touches {what}")


def _turned(point: CyclePoint, time: float) -> Orbit:
    """The orbit of one phase with its origin of time moved."""
    orbit = point.orbit
    mesh = np.mod(orbit.meshes[0] - time / orbit.period, 1.0)
    mesh = np.unique(np.concatenate([[0.0], mesh, [1.0]]))
    close = np.concatenate([[True], np.diff(mesh) > 1e-3 / len(mesh)])
    mesh = mesh[close]
    mesh[-1] = 1.0
    period = orbit.period
    return sampled(lambda _, s: point.interpolant(time + s * period), [mesh], orbit.durations, orbit.unknowns,
                   orbit.stages.shape[1])


def beyond(point: CyclePoint, fineness: float) -> tuple[CycleProblem, Orbit] | None:
    """Return the cycle with the phases that it really has, from one that has just left its regimes.

    The path of the old equations is cut at the borders that it crosses; Newton's method bends the pieces into a cycle of
    the true field, first at the same parameter.
    """
    problem = point.problem
    period = point.orbit.period

    def states(times: Array) -> Array:
        return point.interpolant(times)

    cut = segmented(problem.fields, states, period, point.orbit.unknowns, problem.spans, point.orbit.stages.shape[1],
                    max(40, len(point.orbit.nodes)))
    if cut is None or cut[0].structure == problem.structure:
        return None
    fresh, guess = cut[0], cut[1]
    fresh = replace(fresh, invariants=problem.invariants)
    value = float(point.parameters[0])
    orbit = fresh.refined(guess, fineness, lambda o: [fixed_scalar(fresh.phases, value)])
    return None if orbit is None else (fresh, orbit)
