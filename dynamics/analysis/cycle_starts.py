"""First cycles of a branch: from a Hopf point, from a state and a period, from an integrated orbit, from a bifurcation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import Orbit, Variation, corrected_orbit, linearized, moved, state_scale
from dynamics.analysis.cycle_fields import CycleFields
from dynamics.analysis.cycle_problems import CycleProblem, Structure, along, fixed_scalar, segmented
from dynamics.analysis.cycle_steps import present
from dynamics.analysis.floquet import critical_direction
from dynamics.analysis.orbit_meshes import adapted, sampled
from dynamics.analysis.paths import follow
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError
from dynamics.results import SpecialPoint
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FoundCycle", "Start", "at_bifurcation", "at_hopf", "at_state", "cycle_near", "from_trajectory"]

Array = NDArray[np.float64]
FIRST_AMPLITUDES = (1e-2, 3e-3, 1e-3, 1e-4, 1e-5)
PER_INTERVAL = 4  # steps of the integrator in one of collocation
DENSE = 600  # intervals of the mesh from which one that follows a fast orbit is made
RETURN = 0.05  # relative distance at which a path has come back
ACCURATE: dict[str, float] = {"relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}


@dataclass(frozen=True, eq=False)
class Start:
    """A first cycle; ``direction`` is where the branch goes, None where it goes both ways."""

    problem: CycleProblem
    orbit: Orbit
    direction: Variation | None
    origin: str


def at_hopf(fields: CycleFields, point: SpecialPoint, spans: Sequence[float], gauss: int) -> Start:
    """Return a small cycle born at a Hopf point.

    Raises
    ------
    DerivationError
        Where the Jacobian has no purely imaginary pair, or the point lies on a border between regimes.
    ConvergenceError
        Where no small cycle was found.
    """
    state = np.array([point.state[name] for name in fields.system.states], dtype=float)
    unknowns = _unknowns(fields, point.parameters)
    piece = _piece_at(fields, state, unknowns)
    _, slopes, _ = fields.field(piece)(state[:, None], unknowns)
    values, vectors = np.linalg.eig(slopes[:, :, 0])
    chosen = int(np.argmin(np.where(values.imag > 0, np.abs(values.real) / np.maximum(values.imag, 1e-300), np.inf)))
    omega = float(values[chosen].imag)
    if omega <= 0 or abs(values[chosen].real) > 1e-4 * omega:
        raise DerivationError(f"start: the Jacobian at {point.label or 'the point'} has no imaginary pair of eigenvalues")
    vector = vectors[:, chosen]
    size = np.where(np.abs(state) > 0, np.abs(state), np.max(np.abs(state), initial=0.0) or 1.0)
    vector = vector / np.max(np.abs(vector) / size)
    period = 2 * np.pi / omega
    invariants = segmented(fields, lambda t: np.tile(state, (len(t), 1)), period, unknowns, spans)
    if invariants is None:
        raise DerivationError("start: the Hopf point lies in none of the regimes of the system")
    problem = CycleProblem(fields, Structure((piece,)), invariants[0].invariants, tuple(spans))
    mesh = np.linspace(0.0, 1.0, 21)
    still = sampled(lambda _, s: np.tile(state, (len(s), 1)), [mesh], np.array([period]), unknowns, gauss)
    for amplitude in FIRST_AMPLITUDES:
        def states(_: int, s: Array, amplitude: float = amplitude) -> Array:
            return state + amplitude * np.real(vector * np.exp(2j * np.pi * s)[:, None])

        guess = sampled(states, [mesh], np.array([period]), unknowns, gauss)
        away = guess.nodes - state
        by_nodes = np.zeros_like(away)
        by_nodes[:-1] = guess.weights[:, None] * away[:-1] / state_scale(guess.nodes) ** 2
        way = along(still, by_nodes, np.zeros(1 + len(unknowns)), float(np.sum(by_nodes * away)))
        found = corrected_orbit(problem.at(guess).with_conditions(way), guess, most=15)
        if found is None:
            continue
        orbit = found[0]
        drift = abs(orbit.unknowns[0] - unknowns[0]) / problem.spans[0]
        if abs(orbit.period / period - 1) < 0.05 and drift < 0.02:
            still = Orbit(orbit.meshes, still.nodes, still.stages, orbit.durations, orbit.unknowns)
            direction = Variation(orbit.nodes - state, orbit.stages - state, np.zeros(1 + len(unknowns)))
            return Start(problem, orbit, direction, f"Hopf bifurcation {point.label}".strip())
    raise ConvergenceError(f"start: no small cycle was found near {point.label or 'the Hopf point'}; "
                           "start from an integrated orbit instead")


def _unknowns(fields: CycleFields, parameters: Mapping[str, Any]) -> Array:
    values = [float(parameters.get(name, fields.system.parameter_values[name])) for name in fields.free]
    return np.array([*values, *[0.0] * len(fields.conserved)])


def _piece_at(fields: CycleFields, state: Array, unknowns: Array) -> int:
    heights = []
    for piece in range(len(fields.pieces)):
        borders = [k for k, level in enumerate(fields.levels(piece)) if not level.terminal]
        values = fields.level_values(piece)(state[:, None], unknowns)[borders, 0]
        heights.append(float(values.min(initial=np.inf)))
    return int(np.argmax(heights))


def at_state(fields: CycleFields, state: Mapping[str, float], period: float, parameters: Mapping[str, float],
             spans: Sequence[float], gauss: int) -> Start:
    """Return the cycle through a state, at fixed parameters.

    Raises
    ------
    SpecificationError
        For missing states.
    ConvergenceError
        Where Newton's method finds no cycle there.
    """
    missing = [name for name in fields.system.states if name not in state]
    if missing:
        raise SpecificationError(f"start: no value for the state(s) {', '.join(missing)}")
    first = np.array([float(state[name]) for name in fields.system.states])
    unknowns = _unknowns(fields, parameters)
    system = fields.system.with_parameters({name: float(unknowns[k]) for k, name in enumerate(fields.free)})
    path = follow(system, period, first, events=(), relative_tolerance=1e-11, absolute_tolerance=1e-13)
    if path.times[-1] < period * (1 - 1e-9):
        raise ConvergenceError(f"start: the path from the given state ends before one period: {path.message}")
    gap = path.at(np.array([period]))[:, 0] - first

    def closed(times: Array) -> Array:
        # what rounding and instability left open is closed evenly, Newton does the rest
        return path.at(np.minimum(times, period)).T - np.outer(times / period, gap)

    return _corrected(fields, closed, period, path.times, unknowns, spans, gauss, "a state on the cycle")


def _corrected(fields: CycleFields, states: Any, period: float, steps: Sequence[float], unknowns: Array,
               spans: Sequence[float], gauss: int, origin: str) -> Start:
    cut = segmented(fields, states, period, unknowns, spans, gauss)
    if cut is None:
        raise ConvergenceError("start: the path leaves the regimes of the system")
    problem, guess = cut
    place = problem.phases

    def fixed(orbit: Orbit) -> list[Any]:
        return [fixed_scalar(place, float(unknowns[0]))]

    orbit = problem.refined(guess, 0.4, fixed)
    if orbit is None:
        # a relaxation cycle needs its mesh where it is fast before Newton's method can begin
        orbit = _on_steps(problem, guess, states, np.array([t for t in steps if 0 < t < period]) / period, fixed)
    if orbit is None:
        dense = segmented(fields, states, period, unknowns, spans, gauss, intervals=DENSE)
        orbit = None if dense is None else problem.refined(adapted(dense[1], 0.4), 0.4, fixed)
    if orbit is None:
        # at a fold or branch point of cycles the parameter cannot be held
        orbit = problem.refined(guess, 0.4, lambda _: [])
    if orbit is None:
        raise ConvergenceError("start: no cycle was found near the given path; integrate longer, or closer to the cycle")
    spans_of = orbit.nodes.max(axis=0) - orbit.nodes.min(axis=0)
    if np.max(spans_of / np.maximum(np.abs(orbit.nodes).max(axis=0), 1e-300)) < 1e-7:
        raise ConvergenceError("start: the path leads to a fixed point, not to a cycle")
    return Start(problem, orbit, None, origin)


def _on_steps(problem: CycleProblem, guess: Orbit, states: Any, steps: Array, conditions: Any) -> Orbit | None:
    """The cycle on a mesh of the integrator's steps, which were made for the path, and from there on its own."""
    if problem.phases > 1 or len(steps) < PER_INTERVAL:
        return None
    period = guess.period
    mesh = np.unique(np.concatenate([[0.0], steps[::PER_INTERVAL], [1.0]]))
    guess = sampled(lambda _, s: states(s * period), [mesh], guess.durations, guess.unknowns, guess.stages.shape[1])
    found = corrected_orbit(problem.at(guess).with_conditions(*conditions(guess)), guess, most=12)
    if found is None:
        return None
    finer = problem.refined(found[0], 0.4, conditions)
    return found[0] if finer is None else finer


def from_trajectory(fields: CycleFields, run: xr.Dataset, spans: Sequence[float], gauss: int) -> Start:
    """Return the cycle that a trajectory has come close to.

    Raises
    ------
    SpecificationError
        For a Dataset that is no trajectory of the system.
    ConvergenceError
        Where the trajectory does not return.
    """
    system = fields.system
    missing = [name for name in system.states if name not in run]
    if missing or "time" not in run:
        raise SpecificationError("start: the Dataset is no trajectory of the system"
                                 + (f"; it lacks {', '.join(missing)}" if missing else ""))
    given = run.attrs.get("parameters", {})
    parameters = {name: float(given.get(name, system.parameter_values[name])) for name in fields.free}
    run_system = system.with_parameters(parameters)
    last = np.array([float(run[name].values[-1]) for name in system.states])
    duration = float(run["time"].values[-1] - run["time"].values[0])
    path = follow(run_system, duration, last, **ACCURATE)  # type: ignore[arg-type]
    period = _first_return(path, last)
    if period is None:
        raise ConvergenceError(f"start: the trajectory does not come back to its last state within {duration:g}; "
                               "integrate longer")
    gap = path.at(np.array([period]))[:, 0] - last

    def closed(times: Array) -> Array:
        return path.at(np.minimum(times, period)).T - np.outer(times / period, gap)

    return _corrected(fields, closed, period, path.times, _unknowns(fields, parameters), spans, gauss,
                      "an integrated orbit")


def _first_return(path: Any, first: Array) -> float | None:
    """Time of the first return to the plane through the start across the flow, close to it."""
    from scipy.optimize import brentq

    times = np.linspace(0.0, path.times[-1], 20_001)
    states = path.at(times).T
    scale = state_scale(states)
    speed = (states[1] - states[0]) / scale
    heights = ((states - first) / scale) @ speed
    for place in np.flatnonzero((heights[1:-1] < 0) & (heights[2:] >= 0)) + 1:
        time = float(brentq(lambda t: float(((path.at(np.array([t]))[:, 0] - first) / scale) @ speed),
                            times[place], times[place + 1]))
        if np.max(np.abs(path.at(np.array([time]))[:, 0] - first) / scale) < RETURN:
            return time
    return None


@dataclass(frozen=True, eq=False)
class FoundCycle:
    """A cycle at fixed parameters: a state on it, its period, its extremes, how many multipliers are unstable."""

    state: Array
    period: float
    low: Array
    high: Array
    unstable: int


def cycle_near(system: System, times: Array, states: Array) -> FoundCycle | None:
    """Return the cycle, stable or not, that sampled states run along; None where Newton's method finds none.

    Parameters
    ----------
    system : System
    times : ndarray, shape (L,)
    states : ndarray, shape (L, n)
    """
    fields = CycleFields(system, ())
    scale = state_scale(states)
    first = states[0]
    heights = ((states - first) / scale) @ ((states[1] - states[0]) / scale)
    period = None
    for place in np.flatnonzero((heights[1:-1] < 0) & (heights[2:] >= 0)) + 1:
        if np.max(np.abs(states[place] - first) / scale) < RETURN:
            share = heights[place] / (heights[place] - heights[place + 1])
            period = float(times[place] + share * (times[place + 1] - times[place]) - times[0])
            break
    if period is None:
        return None

    def near(at: Array) -> Array:
        return np.stack([np.interp(times[0] + at, times, column) for column in states.T], axis=1)

    cut = segmented(fields, near, period, np.zeros(len(fields.conserved)), ())
    if cut is None:
        return None
    problem, guess = cut
    orbit = problem.refined(guess, 0.15, lambda _: [])
    if orbit is None or np.max(np.abs(orbit.nodes.max(axis=0) - states.max(axis=0)) / scale) > RETURN:
        return None
    low, high = problem.interpolant(orbit).extremes()
    unstable = problem.multipliers(orbit, linearized(problem.at(orbit), orbit)).unstable
    return FoundCycle(orbit.nodes[0], orbit.period, low, high, unstable)


def at_bifurcation(fields: CycleFields, point: SpecialPoint, spans: Sequence[float], gauss: int) -> Start:
    """Return the first cycle of the branch that leaves another one at a period doubling or a branch point.

    Raises
    ------
    ConvergenceError
        Where Newton's method does not reach the new branch.
    """
    base = at_state(fields, point.state, point.period, point.parameters, spans, gauss)
    problem = base.problem
    orbit = problem.refined(base.orbit, 0.25, lambda _: [])
    orbit = base.orbit if orbit is None else orbit
    linear = linearized(problem.at(orbit), orbit)
    if point.kind == "period_doubling":
        nodes, stages = critical_direction(linear, orbit, -1.0)
        problem, orbit, nodes, stages = _twice(problem, orbit, nodes, stages)
        origin = f"period doubling {point.label}".strip()
    else:
        nodes, stages = _second_direction(linear, orbit)
        origin = f"branch point {point.label}".strip()
    reach = present(orbit, orbit.scale)
    size = float(np.max(np.abs(nodes) / reach))
    direction = Variation(nodes / size, stages / size, np.zeros(len(orbit.durations) + len(orbit.unknowns)))
    by_nodes = np.zeros_like(orbit.nodes)
    by_nodes[:-1] = orbit.weights[:, None] * direction.nodes[:-1] / reach**2
    length = float(np.sum(by_nodes * direction.nodes))
    for step in (0.02, 0.005, 0.05):
        way = along(orbit, by_nodes, np.zeros_like(direction.scalars), step * length)
        found = corrected_orbit(problem.at(orbit).with_conditions(way), moved(orbit, direction, step), most=15)
        if found is not None:
            return Start(problem, found[0], direction, origin)
    raise ConvergenceError(f"start: the branch that leaves at {point.label or point.kind} was not reached")


def _second_direction(linear: Any, orbit: Orbit) -> tuple[Array, Array]:
    """The periodic variation besides the one along the orbit."""
    chain, n = linear.chain, orbit.nodes.shape[1]
    basis = np.linalg.svd(chain.first + chain.last)[2][-2:]
    flow = linear.speed[0, 0] / np.linalg.norm(linear.speed[0, 0])
    shares = np.linalg.svd((basis @ flow)[None])[2][-1]
    start = shares @ basis
    nodes = chain.points(start[:, None], start[:, None], np.zeros((chain.constant.shape[1], 1)))[:, :, 0]
    return nodes, np.einsum("ijab,ib->ija", linear.inner[..., :n], nodes[:-1])


def _twice(problem: CycleProblem, orbit: Orbit, nodes: Array, stages: Array) -> tuple[CycleProblem, Orbit, Array, Array]:
    """The orbit run through twice, with a variation that changes sign after the first time."""
    double = Orbit(orbit.meshes * 2, np.concatenate([orbit.nodes[:-1], orbit.nodes]), np.concatenate([orbit.stages] * 2),
                   np.tile(orbit.durations, 2), orbit.unknowns)
    if problem.phases == 1:
        mesh = orbit.meshes[0]
        double = Orbit((np.concatenate([mesh[:-1] / 2, 0.5 + mesh / 2]),), double.nodes, double.stages,
                       np.array([2 * orbit.period]), orbit.unknowns)
    else:
        problem = problem.with_structure(Structure(problem.structure.pieces * 2, problem.structure.exits * 2))
    return (problem, double, np.concatenate([nodes[:-1], -nodes]), np.concatenate([stages, -stages]))
