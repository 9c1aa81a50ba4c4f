"""Many trajectories at once: shocks, events and measures over lanes, with outcomes that are never guessed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from dynamics.analysis.lane_points import LanePoints, lane_points
from dynamics.analysis.ramps import RAMP_DURATION, RAMP_SIZE, ramped
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.compiled.lanes import LaneProblem, integrate_lanes
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import STATUS
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import MAGNITUDE, System

__all__ = ["Ensemble", "Outcome"]

Array = NDArray[np.float64]
_DIRECTIONS = {"falling": -1, "rising": 1, "both": 0}
SETTLED = 1e-3
NEAR = 1e-6


@dataclass(frozen=True)
class Outcome:
    """What became of each lane.

    Attributes
    ----------
    status : ndarray of int, shape (lanes,)
        Codes of ``dynamics.results.STATUS``: event, settled, not_settled, diverged, ...
    at_once : ndarray of bool, shape (lanes,)
        The shock itself carried the state across the event.
    final_state : ndarray, shape (dimension, lanes)
    final_time : ndarray, shape (lanes,)
    measures : mapping of str to ndarray, shape (lanes,)
    lowest : ndarray, shape (dimension, lanes)
        Smallest value of each state along the way; empty unless asked for.
    """

    status: NDArray[np.int64]
    at_once: NDArray[np.bool_]
    final_state: Array
    final_time: Array
    measures: Mapping[str, Array]
    lowest: Array

    @property
    def happened(self) -> NDArray[np.bool_]:
        """Whether the event happened."""
        return self.status == STATUS["event"]


class Ensemble:
    """Trajectories of one system at many parameter sets.

    Parameters
    ----------
    system : System
        Continuous time, scalar states.
    parameters : mapping of str to ndarray, shape (lanes,)
        Values that differ between lanes; the others are current values.
    lanes : int
    initial_state : mapping of str to float or ndarray, optional
        Where trajectories start before the shock; None: each lane's own admissible fixed point.
    """

    def __init__(self, system: System, parameters: Mapping[str, Array], lanes: int,
                 initial_state: Mapping[str, Any] | None = None) -> None:
        if system.time != "continuous" or not isinstance(system, System):
            raise SpecificationError("many trajectories at once need a System in continuous time; iterate maps instead")
        self.system, self.lanes = system, lanes
        self.functions: SystemFunctions = functions_of(system)
        self.p = np.empty((len(self.functions.parameter_names), lanes))
        current = system.parameter_values
        for row, name in enumerate(self.functions.parameter_names):
            self.p[row] = parameters.get(name, current[name])
        self.points: LanePoints | None
        try:
            self.points = lane_points(system, self.p)
        except DerivationError:
            self.points = None
        if initial_state is not None:
            flat = self.functions.initial_state(system, dict.fromkeys(initial_state, 0.0))
            self.start = np.repeat(flat[:, None], lanes, axis=1)
            for name, value in initial_state.items():
                self.start[self.functions.names.index(name)] = value
        elif self.points is None:
            raise DerivationError(f"the fixed points of '{system.name}' have no closed form, so trajectories cannot start "
                                  "from them at many parameter sets; give initial_state")
        else:
            self.start = self.points.state

    # ---- shocks and durations ----------------------------------------------------------------------------------------

    def shocked(self, shock: str, magnitude: Array) -> Array:
        """Return the states just after an instantaneous shock, shape (dimension, lanes)."""
        assign = self.system._parsed.shocks[shock]
        after = self.start.copy()
        rows = [self.functions.names.index(name) for name in assign]
        function = self.functions.lane_function(list(assign.values()), MAGNITUDE)
        after[rows] = function(np.zeros(self.lanes), self.start, self.p, magnitude)
        return after

    def level(self, event: str, state: Array) -> Array:
        """Value of an event expression in each lane."""
        return self.functions.lane_function([self.system._parsed.events[event][0]])(np.zeros(self.lanes), state, self.p)[0]

    def at_once(self, event: str, state: Array) -> NDArray[np.bool_]:
        """Whether going from the start to ``state`` crosses the event."""
        before, after = self.level(event, self.start), self.level(event, state)
        falls, rises = (before > 0) & (after <= 0), (before < 0) & (after >= 0)
        return {"falling": falls, "rising": rises, "both": falls | rises}[self.system.events[event].direction]

    def durations(self, tolerance: float, shortest: float = 200.0, longest: float = 20_000.0) -> Array:
        """Time each lane needs to settle to ``tolerance`` by its slowest eigenvalue."""
        if self.points is None:
            return np.full(self.lanes, shortest)
        with np.errstate(divide="ignore"):
            needed = np.log(1 / tolerance) / np.where(self.points.slowest > 0, self.points.slowest, np.nan)
        return np.clip(np.nan_to_num(needed, nan=shortest), shortest, longest)

    # ---- running -----------------------------------------------------------------------------------------------------

    def run(self, shock: str | None = None, magnitude: Any = 0.0, *, event: str | None = "insolvency", ramp: float = 0.0,
            duration: Any = None, measures: Sequence[str] = (), relative_tolerance: float = 1e-6,
            absolute_tolerance: float = 1e-9, lanes: NDArray[np.intp] | None = None,
            extremes: bool = False, settle: bool = True, progress: Callable[[int, int], None] | None = None) -> Outcome:
        """Run every lane (or those in ``lanes``) after a shock of its own magnitude.

        Returns
        -------
        Outcome
            Lanes without a starting point have status not_run; the others event, settled, not_settled, or how they broke.
        """
        if lanes is not None:
            return self._subset(lanes).run(shock, np.asarray(magnitude), event=event, ramp=ramp, duration=duration,
                                           measures=measures, relative_tolerance=relative_tolerance,
                                           absolute_tolerance=absolute_tolerance, extremes=extremes,
                                           settle=settle, progress=progress)
        magnitude = np.broadcast_to(np.asarray(magnitude, dtype=float), (self.lanes,))
        duration = self.durations(relative_tolerance) if duration is None else np.broadcast_to(duration, (self.lanes,))
        state = self.start.copy() if shock is None or ramp else self.shocked(shock, magnitude)
        at_once = np.zeros(self.lanes, dtype=bool) if event is None else self.at_once(event, state)
        status = np.full(self.lanes, STATUS["not_run"])
        final_state, final_time = state.copy(), np.zeros(self.lanes)
        values = {name: np.full(self.lanes, np.nan) for name in measures}
        status[at_once] = STATUS["event"]
        lowest = np.minimum(self.start, state) if extremes else np.empty((0, self.lanes))
        running = np.nonzero(~at_once & np.all(np.isfinite(state), axis=0))[0]
        if running.size:
            piece = _Piece(self, measures, event, shock if ramp else None, extremes, settle)
            result = piece.run(running, state, magnitude, ramp, duration, relative_tolerance, absolute_tolerance, progress)
            status[running], final_state[:, running], final_time[running] = result[:3]
            for name in measures:
                values[name][running] = result[3][name]
            if extremes:
                lowest[:, running] = np.fmin(lowest[:, running], result[4])
        return Outcome(status, at_once, final_state, final_time, values, lowest)

    def _subset(self, lanes: NDArray[np.intp]) -> Ensemble:
        twin = object.__new__(Ensemble)
        twin.__dict__.update(self.__dict__)
        twin.lanes, twin.p, twin.start = len(lanes), self.p[:, lanes], self.start[:, lanes]
        if self.points is not None:
            q = self.points
            twin.points = LanePoints(q.state[:, lanes], q.which[lanes], q.growth[lanes], q.slowest[lanes], q.candidates)
        return twin


class _Piece:
    """The lane problem of a system: its field with the integrals of measures as extra states, events, settling."""

    def __init__(self, ensemble: Ensemble, measures: Sequence[str], event: str | None, ramp_shock: str | None,
                 extremes: bool, settle: bool) -> None:
        self.ensemble = ensemble
        base = ensemble.system
        system = ramped(base, ramp_shock) if ramp_shock else base
        self.system, self.functions = system, functions_of(system)
        names = list(system.states)
        self.size, self.parameters = len(names), len(self.functions.parameter_names)
        reductions = {name: system.measures[name].reduction for name in measures}
        unsuitable = [n for n, r in reductions.items() if r == "drawdown"]
        if unsuitable:
            raise SpecificationError(f"measure '{unsuitable[0]}': a drawdown needs the whole path; "
                                     "use integrate for single runs")
        self.measures = tuple(measures)
        self.integrals = [n for n, r in reductions.items() if r == "integral"]
        self.running = [n for n, r in reductions.items() if r != "integral"]
        parsed = system._parsed
        extended: list[Expr] = [system.field[n] for n in names]
        extended += [system.resolve(parsed.measures[n]) for n in self.integrals]
        states = [Symbol(n) for n in names] + [Symbol(f"_integral_{k}") for k in range(len(self.integrals))]
        self.field = self.functions.lane_function(extended)
        self.jacobian = self.functions.lane_function(_derivatives(tuple(extended), tuple(states)))
        self.event = event
        self.watched = [n for n in system.events if n == event or system.events[n].terminal]
        self.event_function = self.functions.lane_function([parsed.events[n][0] for n in self.watched])
        self.extremes, self.settle = extremes, settle
        tracked = [Symbol(n) for n in names] if extremes else []
        self.running_function = self.functions.lane_function([*(parsed.measures[n] for n in self.running), *tracked])

    def run(self, lanes: NDArray[np.intp], state: Array, magnitude: Array, ramp: float, duration: Array, relative: float,
            absolute: float, progress: Callable[[int, int], None] | None
            ) -> tuple[Any, Array, Array, dict[str, Array], Array]:
        e = self.ensemble
        p = e.p[:, lanes]
        if ramp:
            rows = {n: k for k, n in enumerate(self.functions.parameter_names)}
            extra = np.empty((2, lanes.size))
            extra[rows[RAMP_SIZE] - len(p)], extra[rows[RAMP_DURATION] - len(p)] = magnitude[lanes], ramp
            p = np.concatenate([p, extra])
        y = np.concatenate([state[:, lanes], np.zeros((len(self.integrals), lanes.size))])
        target = e.points.state[:, lanes] if e.points is not None else np.full((self.size, lanes.size), np.nan)
        stable = e.points.stable[lanes] if e.points is not None else np.zeros(lanes.size, dtype=bool)
        free = set() if e.points is None else {n for c in e.points.candidates for n in c.free}
        arriving = np.array([n not in free for n in e.functions.names])
        distance = _distance(y[: self.size], target, arriving)
        reach = np.where(stable, np.maximum(NEAR, SETTLED * np.minimum(np.nan_to_num(distance, nan=1.0), 1.0)), -1.0)
        if ramp:
            reach = np.where(stable, SETTLED * 1e-1, -1.0)
        full = np.concatenate([p, target, reach[None]])
        n = self.parameters
        size = self.size
        problem = LaneProblem(
            field=lambda t, y, q: self.field(t, y[:size], q[:n]),
            jacobian=lambda t, y, q: self.jacobian(t, y[:size], q[:n]).reshape(len(y), len(y), -1),
            events=(lambda t, y, q: self.event_function(t, y[:size], q[:n])) if self.watched else None,
            directions=tuple(_DIRECTIONS[self.system.events[w].direction] for w in self.watched),
            terminal=tuple(True for _ in self.watched),
            running=(lambda t, y, q: self.running_function(t, y[:size], q[:n])) if self.running or self.extremes else None,
            settled=(lambda t, y, q: _distance(y[:size], q[n: n + size], arriving) <= q[-1]) if self.settle else None)
        length = np.asarray(duration)[lanes]
        options: dict[str, Any] = {"relative_tolerance": relative, "absolute_tolerance": absolute}
        if ramp:
            # two smooth pieces: the ramp, and what follows; a step across the end of the ramp would lose its order
            during = LaneProblem(**{**problem.__dict__, "settled": None})
            first = integrate_lanes(during, y, full, ramp * (1 - 1e-12), **options)
            going = first.status == 0
            second = integrate_lanes(problem, first.final_state, full, np.where(going, length, 0.0),
                                     initial_time=ramp, progress=progress, **options)
            status = np.where(going, second.status, first.status)
            which = np.where(going, second.event_index, first.event_index)
            final = np.where(going, second.final_state, first.final_state)
            times = np.where(going, second.final_time, first.final_time)
            high = np.where(going, np.fmax(first.maximum, second.maximum), first.maximum)
            low = np.where(going, np.fmin(first.minimum, second.minimum), first.minimum)
            last = np.where(going, second.final_running, first.final_running)
        else:
            result = integrate_lanes(problem, y, full, length, progress=progress, **options)
            status, which, final, times = result.status, result.event_index, result.final_state, result.final_time
            high, low, last = result.maximum, result.minimum, result.final_running
        codes = status.astype(np.int64)
        codes[codes == STATUS["completed"]] = STATUS["not_settled"]
        if self.event is not None and self.watched:
            # another terminal event ended the path without the one asked for
            codes[(codes == STATUS["event"]) & (which != self.watched.index(self.event))] = STATUS["completed"]
        values = self._values(final, high, low, last, p[: self.parameters])
        return codes, final[:size], times, values, low[len(self.running):]

    def _values(self, final: Array, high: Array, low: Array, last: Array, p: Array) -> dict[str, Array]:
        values = {}
        for name in self.measures:
            reduction = self.system.measures[name].reduction
            if reduction == "integral":
                raw = final[self.size + self.integrals.index(name)]
            else:
                raw = {"max": high, "min": low, "final": last}[reduction][self.running.index(name)]
            transform = self.functions.lane_function([self.system._parsed.transforms[name]], Symbol("value"))
            values[name] = transform(np.zeros(raw.size), final[: self.size], p, raw)[0]
        return values


@functools.lru_cache(maxsize=128)
def _derivatives(expressions: tuple[Expr, ...], states: tuple[Symbol, ...]) -> tuple[Expr, ...]:
    """Entries of the Jacobian; every round of a search asks for the same ones."""
    return tuple(jacobian_matrix(list(expressions), list(states)))


def _distance(state: Array, target: Array, arriving: NDArray[np.bool_]) -> Array:
    """Scaled distance to the target; nan where there is none."""
    difference = np.abs(state - target)[arriving] / (np.abs(target)[arriving] + 0.01)
    return np.asarray(np.max(difference, axis=0)) if difference.size else np.zeros(state.shape[1])
