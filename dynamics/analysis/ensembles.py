"""Many trajectories at once: shocks, events and measures over lanes, with outcomes that are never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import EnsembleRun, Lanes, ensemble_run
from dynamics.analysis.field_edges import events_at_edges
from dynamics.analysis.lane_points import LanePoints, followed_points, lane_points
from dynamics.analysis.ramps import RAMP_DURATION, RAMP_SIZE
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.compiled.lanes import LaneResult
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import STATUS
from dynamics.systems import MAGNITUDE, System

__all__ = ["Ensemble", "Outcome"]

Array = NDArray[np.float64]
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
    many : bool
        Whether there will be many ensembles that vary the same parameters of this system: fixed points are then derived
        with numbers for its other parameters.
    """

    def __init__(self, system: System, parameters: Mapping[str, Array], lanes: int,
                 initial_state: Mapping[str, Any] | None = None, *, many: bool = False) -> None:
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
            self.points = lane_points(system, self.p, tuple(sorted(parameters)) if many else None)
        except DerivationError:
            self.points = None
        if initial_state is not None:
            flat = self.functions.initial_state(system, dict.fromkeys(initial_state, 0.0))
            self.start = np.repeat(flat[:, None], lanes, axis=1)
            for name, value in initial_state.items():
                self.start[self.functions.names.index(name)] = value
        else:
            if self.points is None:
                self.points = followed_points(system, self.p)
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
            extremes: bool = False, settle: bool = True, progress: Callable[[int, int], None] | None = None,
            engine: str = "auto", threads: int | None = None) -> Outcome:
        """Run every lane (or those in ``lanes``) after a shock of its own magnitude.

        ``engine`` is "auto" (compiled code where it can be used, else arrays), "kernel" or "numpy"; ``threads`` is how many
        threads compiled code uses, None for one per processor. Neither changes which way a trajectory ends.

        Returns
        -------
        Outcome
            Lanes without a starting point have status not_run; the others event, settled, not_settled, or how they broke.
        """
        if lanes is not None:
            return self._subset(lanes).run(shock, np.asarray(magnitude), event=event, ramp=ramp, duration=duration,
                                           measures=measures, relative_tolerance=relative_tolerance,
                                           absolute_tolerance=absolute_tolerance, extremes=extremes,
                                           settle=settle, progress=progress, engine=engine, threads=threads)
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
            work = ensemble_run(self.system, tuple(measures), event, shock if ramp else None, extremes, settle)
            lanes_run = self._lanes(work, running, state, magnitude, ramp, duration)
            result = work.run(replace(lanes_run, relative_tolerance=relative_tolerance, engine=engine, threads=threads,
                                      absolute_tolerance=absolute_tolerance, progress=progress))
            status[running] = _codes(work, result, lanes_run.parameters)
            final_state[:, running], final_time[running] = result.final_state[: work.size], result.final_time
            for name, found in work.values(result, lanes_run.parameters).items():
                values[name][running] = found
            if extremes:
                lowest[:, running] = np.fmin(lowest[:, running], result.minimum[len(work.reduced):])
        return Outcome(status, at_once, final_state, final_time, values, lowest)

    def _lanes(self, work: EnsembleRun, which: NDArray[np.intp], state: Array, magnitude: Array, ramp: float,
               duration: Array) -> Lanes:
        """The lanes that are run, with the box around each one's fixed point in which it counts as settled."""
        p = self.p[:, which]
        if ramp:
            rows = {n: k for k, n in enumerate(work.functions.parameter_names)}
            extra = np.empty((2, which.size))
            extra[rows[RAMP_SIZE] - len(p)], extra[rows[RAMP_DURATION] - len(p)] = magnitude[which], ramp
            p = np.concatenate([p, extra])
        points = self.points
        target = points.state[:, which] if points is not None else np.full((work.size, which.size), np.nan)
        stable = points.stable[which] if points is not None else np.zeros(which.size, dtype=bool)
        free = set() if points is None else {n for c in points.candidates for n in c.free}
        arriving = np.array([n not in free for n in self.functions.names])
        distance = _distance(state[:, which], target, arriving)
        reach = np.where(stable, np.maximum(NEAR, SETTLED * np.minimum(np.nan_to_num(distance, nan=1.0), 1.0)), -1.0)
        if ramp:
            reach = np.where(stable, SETTLED * 1e-1, -1.0)
        margin = np.where(arriving[:, None], reach * (np.abs(target) + 0.01), np.inf)
        # where nothing is stable the box is empty, whichever states need not arrive
        margin = np.where(stable, margin, -1.0)
        return Lanes(state[:, which], p, target - margin, target + margin, np.asarray(duration)[which], 1e-6, 1e-9, ramp)

    def _subset(self, lanes: NDArray[np.intp]) -> Ensemble:
        twin = object.__new__(Ensemble)
        twin.__dict__.update(self.__dict__)
        twin.lanes, twin.p, twin.start = len(lanes), self.p[:, lanes], self.start[:, lanes]
        if self.points is not None:
            q = self.points
            twin.points = replace(q, state=q.state[:, lanes], which=q.which[lanes], growth=q.growth[lanes],
                                  slowest=q.slowest[lanes])
        return twin


def _codes(work: EnsembleRun, result: LaneResult, p: Array) -> NDArray[np.int64]:
    codes = result.status.astype(np.int64)
    codes[codes == STATUS["completed"]] = STATUS["not_settled"]
    functions, final = work.functions, result.final_state[: work.size]
    happened = events_at_edges(codes, result.final_time, final, p, functions.lane_field,
                               functions.lane_function(work.events), work.directions)
    codes[happened >= 0] = STATUS["event"]
    if work.event is not None and work.watched:
        # another terminal event ended the path without the one asked for
        other = np.where(happened >= 0, happened, result.event_index) != work.watched.index(work.event)
        codes[(codes == STATUS["event"]) & other] = STATUS["completed"]
    return codes


def _distance(state: Array, target: Array, arriving: NDArray[np.bool_]) -> Array:
    """Scaled distance to the target; nan where there is none."""
    difference = np.abs(state - target)[arriving] / (np.abs(target)[arriving] + 0.01)
    return np.asarray(np.max(difference, axis=0)) if difference.size else np.zeros(state.shape[1])
