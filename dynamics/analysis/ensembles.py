"""Many trajectories at once: shocks, events and measures over lanes, with outcomes that are never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import (
    DIRECTIONS,
    MAX_STEPS,
    EnsembleRun,
    Event,
    Lanes,
    asked_events,
    ensemble_run,
    watched_events,
)
from dynamics.analysis.field_edges import events_at_edges
from dynamics.analysis.lane_points import LanePoints, followed_points, lane_points
from dynamics.analysis.ramps import RAMP_DURATION, RAMP_SIZE
from dynamics.analysis.resting_events import only_approached
from dynamics.analysis.rests import falls_at, lanes_at_rest
from dynamics.analysis.start_sides import begins_beyond, crossed_by_jump, without_value
from dynamics.analysis.state_sizes import scaled_tolerance
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.compiled.lanes import LaneResult
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import STATUS
from dynamics.systems import MAGNITUDE, System

__all__ = ["Ensemble", "Outcome"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
SETTLED = 1e-3
NEAR = 1e-6
SHORTEST, LONGEST = 200.0, 20_000.0  # durations given to lanes, whose slowest rates differ
# An event whose level changes by a larger share between the state and its rest may still be met on the way there.
CLEAR = 0.25


@dataclass(frozen=True)
class Outcome:
    """What became of each lane.

    Attributes
    ----------
    status : ndarray of int, shape (lanes,)
        Codes of ``dynamics.results.STATUS``: event, settled, not_settled, diverged, ...
    at_once : ndarray of bool, shape (lanes,)
        The shock itself carried the state across an event, or the start lay beyond one.
    first_event : ndarray of int, shape (lanes,)
        Which of the system's events ended the trajectory, -1 for none. Of several crossed at once one that was asked for.
    asked : ndarray of bool, shape (lanes,)
        Whether that event is one of those asked for.
    rest : ndarray, shape (dimension, lanes)
        Where the trajectory settles; nan where nothing proves that it does.
    final_state : ndarray, shape (dimension, lanes)
    final_time : ndarray, shape (lanes,)
    measures : mapping of str to ndarray, shape (lanes,)
    lowest : ndarray, shape (dimension, lanes)
        Smallest value of each state along the way; empty unless asked for.
    steps : ndarray of int, shape (lanes,)
        Steps that were accepted.
    """

    status: NDArray[np.int64]
    at_once: Flags
    first_event: NDArray[np.int64]
    asked: Flags
    rest: Array
    final_state: Array
    final_time: Array
    measures: Mapping[str, Array]
    lowest: Array
    steps: NDArray[np.int64]

    @property
    def happened(self) -> Flags:
        """Whether an event that was asked for ended the trajectory."""
        return (self.status == STATUS["event"]) & self.asked


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
    derive : bool
        Whether fixed points are derived beside a given initial state; they tell how long a lane needs, and where it may
        stop. Without them rests are found where trajectories end.
    """

    def __init__(self, system: System, parameters: Mapping[str, Array], lanes: int,
                 initial_state: Mapping[str, Any] | None = None, *, many: bool = False, derive: bool = True) -> None:
        if system.time != "continuous" or not isinstance(system, System):
            raise SpecificationError("many trajectories at once need a System in continuous time; iterate maps instead")
        self.system, self.lanes = system, lanes
        self.functions: SystemFunctions = functions_of(system)
        self.p = np.empty((len(self.functions.parameter_names), lanes))
        current = system.parameter_values
        for row, name in enumerate(self.functions.parameter_names):
            self.p[row] = parameters.get(name, current[name])
        self.points: LanePoints | None = None
        if derive or initial_state is None:
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

    def at_once(self, event: str, state: Array) -> Flags:
        """Whether going from the start to ``state`` crosses the event."""
        direction = np.array([DIRECTIONS[self.system.events[event].direction]])
        return crossed_by_jump(self.level(event, self.start)[None], self.level(event, state)[None], direction)[0]

    def durations(self, tolerance: float, shortest: float = SHORTEST, longest: float = LONGEST) -> Array:
        """Time each lane needs to settle to ``tolerance`` by its slowest eigenvalue."""
        if self.points is None:
            return shortest * _clock(self._pace())
        return _needed(self.points.slowest, tolerance, shortest, longest * _clock(self.points.fastest))

    def _pace(self) -> Array:
        """How fast things change at the start: the largest rate of the Jacobian, or of the state itself."""
        time = np.zeros(self.lanes)
        slopes = np.abs(self.functions.lane_jacobian(time, self.start, self.p)).max(axis=(0, 1), initial=0.0)
        speed = np.abs(self.functions.lane_field(time, self.start, self.p)).max(axis=0, initial=0.0)
        size = np.abs(self.start).max(axis=0, initial=0.0)
        with np.errstate(all="ignore"):
            relative = np.where(size > 0, speed / size, speed)
        pace = np.maximum(np.nan_to_num(slopes, posinf=0.0), np.nan_to_num(relative, posinf=0.0))
        return np.asarray(pace)

    # ---- running -----------------------------------------------------------------------------------------------------

    def run(self, shock: str | None = None, magnitude: Any = 0.0, *, event: Event = "insolvency", ramp: float = 0.0,
            duration: Any = None, measures: Sequence[str] = (), relative_tolerance: float = 1e-6,
            absolute_tolerance: float = 1e-9, lanes: NDArray[np.intp] | None = None,
            extremes: bool = False, settle: bool = True, progress: Callable[[int, int], None] | None = None,
            engine: str = "auto", threads: int | None = None, max_steps: int = MAX_STEPS) -> Outcome:
        """Run every lane (or those in ``lanes``) after a shock of its own magnitude.

        ``event`` names the event, or the events, asked for; None: every terminal one. Every terminal event ends a
        trajectory, whatever is asked for. ``engine`` is "auto" (compiled code where it can be used, else arrays), "kernel"
        or "numpy"; ``absolute_tolerance`` is no larger than the relative one of the smallest state (``state_sizes``);
        ``threads`` is how many threads compiled code uses, None for one per processor. Neither changes which
        way a trajectory ends.

        Returns
        -------
        Outcome
            Lanes without a starting point have status not_run; the others event, settled, not_settled, or how they broke.
        """
        if lanes is not None:
            return self.subset(lanes).run(shock, np.asarray(magnitude), event=event, ramp=ramp, duration=duration,
                                           measures=measures, relative_tolerance=relative_tolerance,
                                           absolute_tolerance=absolute_tolerance, extremes=extremes,
                                           settle=settle, progress=progress, engine=engine, threads=threads,
                                           max_steps=max_steps)
        magnitude = np.broadcast_to(np.asarray(magnitude, dtype=float), (self.lanes,))
        needed = self._tolerances(relative_tolerance, absolute_tolerance)
        if np.any(needed < absolute_tolerance):
            options: dict[str, Any] = {"ramp": ramp, "measures": measures, "relative_tolerance": relative_tolerance,
                                       "extremes": extremes, "settle": settle, "progress": progress, "engine": engine,
                                       "threads": threads, "max_steps": max_steps}
            return self._by_tolerance(needed, shock, magnitude, event, duration, options)
        timed = duration is not None
        duration = np.broadcast_to(duration, (self.lanes,)) if timed else self.durations(relative_tolerance)
        state = self.start.copy() if shock is None or ramp else self.shocked(shock, magnitude)
        first_event = self.ended_at_start(event, state, absolute_tolerance)
        at_once = first_event >= 0
        status = np.full(self.lanes, STATUS["not_run"])
        final_state, final_time = state.copy(), np.zeros(self.lanes)
        rest = np.full(state.shape, np.nan)
        values = {name: np.full(self.lanes, np.nan) for name in measures}
        status[at_once] = STATUS["event"]
        lowest = np.minimum(self.start, state) if extremes else np.empty((0, self.lanes))
        steps = np.zeros(self.lanes, dtype=np.int64)
        defined = np.all(np.isfinite(state), axis=0) & ~self.without_level(event, state)
        status[~at_once & ~defined & np.all(np.isfinite(self.start), axis=0)] = STATUS["invalid_state"]
        running = np.nonzero(~at_once & defined)[0]
        if running.size:
            asked = event if event is None or isinstance(event, str) else tuple(event)
            work = ensemble_run(self.system, tuple(measures), asked, shock if ramp else None, extremes, settle)
            lanes_run = self._lanes(work, running, state, magnitude, ramp, duration)
            lanes_run = replace(lanes_run, relative_tolerance=relative_tolerance, engine=engine, threads=threads,
                                absolute_tolerance=absolute_tolerance, progress=progress, max_steps=max_steps)
            result = work.run(lanes_run)
            codes, ended_by = self._ended(work, result, lanes_run, running)
            if settle:
                rest[:, running] = self._proved(work, lanes_run, result, codes, ended_by, running, timed)
            status[running] = codes
            first_event[running] = ended_by
            steps[running] = result.steps
            final_state[:, running], final_time[running] = result.final_state[: work.size], result.final_time
            for name, found in work.values(result, lanes_run.parameters).items():
                values[name][running] = found
            if extremes:
                lowest[:, running] = np.fmin(lowest[:, running], result.minimum[len(work.reduced):])
        asked_for = asked_events(self.system, event)
        # the last entry is for -1, no event
        counts = np.array([*(name in asked_for for name in self.system.events), False])
        return Outcome(status, at_once, first_event, counts[first_event], rest, final_state, final_time, values,
                       lowest, steps)

    def _tolerances(self, relative: float, absolute: float) -> Array:
        """Absolute tolerance of each lane, which depends on nothing but the lane."""
        rests = self.start if self.points is None else self.points.state
        return scaled_tolerance(relative, absolute, self.start, rests)

    def _by_tolerance(self, needed: Array, shock: str | None, magnitude: Array, event: Event, duration: Any,
                      options: Mapping[str, Any]) -> Outcome:
        """Run the lanes of each absolute tolerance by themselves."""
        parts = []
        groups = [np.flatnonzero(needed == value) for value in np.unique(needed)]
        for group in groups:
            length = None if duration is None else np.broadcast_to(duration, (self.lanes,))[group]
            parts.append(self.run(shock, magnitude[group], event=event, duration=length, lanes=group,
                                  absolute_tolerance=float(needed[group[0]]), **options))
        back = np.argsort(np.concatenate(groups))
        joined: dict[str, Any] = {}
        for part in fields(Outcome):
            values = [getattr(outcome, part.name) for outcome in parts]
            if part.name == "measures":
                joined["measures"] = {n: np.concatenate([v[n] for v in values])[back] for n in values[0]}
            else:
                joined[part.name] = np.concatenate(values, axis=-1)[..., back]
        return Outcome(**joined)

    def ended_at_start(self, event: Event, state: Array, absolute_tolerance: float) -> NDArray[np.int64]:
        """The event that a shock to ``state`` crosses, or that lies behind it, in each lane; -1 for none.

        One that was asked for goes before others, and then the one declared first.
        """
        found = np.full(self.lanes, -1)
        watched = watched_events(self.system, event)
        if not watched:
            return found
        function = self.functions.lane_function([self.system._parsed.events[name][0] for name in watched])
        time = np.zeros(self.lanes)
        directions = np.array([DIRECTIONS[self.system.events[name].direction] for name in watched])
        before, after = function(time, self.start, self.p), function(time, state, self.p)
        met = begins_beyond(lambda y: function(time, y, self.p), state, directions, absolute_tolerance, after)
        met |= crossed_by_jump(before, after, directions)
        asked, names = asked_events(self.system, event), list(self.system.events)
        for row in sorted(range(len(watched)), key=lambda k: watched[k] not in asked):
            found[met[row] & (found < 0)] = names.index(watched[row])
        return found

    def without_level(self, event: Event, state: Array) -> Flags:
        """Whether an event that would end a trajectory has no level at a state, in each lane."""
        watched = watched_events(self.system, event)
        if not watched:
            return np.zeros(self.lanes, dtype=bool)
        function = self.functions.lane_function([self.system._parsed.events[name][0] for name in watched])
        return without_value(function(np.zeros(self.lanes), state, self.p))

    def _ended(self, work: EnsembleRun, result: LaneResult, lanes: Lanes, which: NDArray[np.intp]
               ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How lanes ended and by which event; one that they only come near to for ever has not happened."""
        codes, ended_by = _codes(work, result, lanes.parameters)
        looked = np.flatnonzero((codes == STATUS["event"]) & (result.final_time >= lanes.ramp))
        if looked.size:
            names = list(self.system.events)
            near = only_approached(self.system, result.final_state[: work.size, looked], self.p[:, which[looked]],
                                   [names[number] for number in ended_by[looked]], lanes.relative_tolerance,
                                   lanes.absolute_tolerance)
            codes[looked[near]], ended_by[looked[near]] = STATUS["not_settled"], -1
        return codes, ended_by

    # ---- rests -------------------------------------------------------------------------------------------------------

    def _proved(self, work: EnsembleRun, lanes: Lanes, result: LaneResult, codes: NDArray[np.int64],
                ended_by: NDArray[np.int64], which: NDArray[np.intp], timed: bool) -> Array:
        """Where lanes settle; their codes say settled where that is proved, and nowhere else.

        Compiled code stops a lane in a box around its own fixed point. That is no proof where the basin is narrower than the
        box, and lanes may go elsewhere: rests are then looked for where they ended. Lanes that were stopped too early, or
        that need longer than they were given by default, are run again without a box.
        """
        rest = np.full((work.size, which.size), np.nan)
        final = result.final_state[: work.size]
        own = np.zeros(which.size, dtype=bool)
        if self.points is not None:
            boxed = np.flatnonzero(codes == STATUS["settled"])
            lanes_boxed = which[boxed]
            arriving = self.points.arriving(self.functions.names, lanes_boxed)
            target, p = self.points.state[:, lanes_boxed], self.p[:, lanes_boxed]
            jacobian = self.points.jacobian(self.functions, lanes_boxed, p)
            sure = falls_at(final[:, boxed], target, jacobian, p, self.functions.lane_field)
            if arriving is not None:
                sure &= arriving.all(axis=0)
            sure &= self._clear_of_events(work, final[:, boxed], target, p)
            own[boxed[sure]] = True
            rest[:, own] = target[:, sure]
        ended = np.isin(codes, [STATUS["settled"], STATUS["not_settled"]]) & ~own & (result.final_time >= lanes.ramp)
        looked = np.flatnonzero(ended)
        early = codes[looked] == STATUS["settled"]
        slowest, proved = self._looked_at(work, final, codes, rest, looked, which)
        steepest = self.functions.lane_jacobian(result.final_time[looked], final[:, looked], self.p[:, which[looked]])
        longest = LONGEST * _clock(np.abs(steepest).max(axis=(0, 1), initial=0.0))
        again, longer = self._again(lanes, looked, early, slowest, proved, timed, longest)
        if again.size:
            lanes = replace(
                lanes, state=lanes.state[:, again], parameters=lanes.parameters[:, again], duration=longer,
                low=np.full((work.size, again.size), np.inf), high=np.full((work.size, again.size), -np.inf))
            fresh = work.run(lanes)
            for part in fields(LaneResult):
                getattr(result, part.name)[..., again] = getattr(fresh, part.name)
            codes[again], ended_by[again] = self._ended(work, fresh, lanes, which[again])
            still = again[codes[again] == STATUS["not_settled"]]
            self._looked_at(work, final, codes, rest, still, which)
        return rest

    def _looked_at(self, work: EnsembleRun, final: Array, codes: NDArray[np.int64], rest: Array, looked: NDArray[np.intp],
                   which: NDArray[np.intp]) -> tuple[Array, Flags]:
        """Look for rests beside the ends of some lanes; slowest rates there, and whether they are proved."""
        found = lanes_at_rest(self.system, final[:, looked], self.p[:, which[looked]], work.watched)
        codes[looked] = np.where(found.proved, STATUS["settled"], STATUS["not_settled"])
        rest[:, looked] = np.where(found.proved, found.state, np.nan)
        return found.slowest, found.proved

    def _again(self, lanes: Lanes, looked: NDArray[np.intp], early: Flags, slowest: Array, proved: Flags, timed: bool,
               longest: Array) -> tuple[NDArray[np.intp], Array]:
        """Which lanes are run again, and for how long."""
        given = lanes.duration[looked]
        needed = given if timed else np.maximum(given, _needed(slowest, lanes.relative_tolerance, SHORTEST, longest))
        chosen = ~proved & (early | (needed > given))
        return looked[chosen], needed[chosen]

    def _clear_of_events(self, work: EnsembleRun, state: Array, rest: Array, p: Array) -> Flags:
        """Whether no event lies between a state and its rest, nor just behind."""
        if not work.events or not state.shape[1]:
            return np.ones(state.shape[1], dtype=bool)
        levels = self.functions.lane_function([self.system._parsed.events[name][0] for name in work.watched])
        time = np.zeros(state.shape[1])
        there = levels(time, rest, p)
        return np.asarray(np.all(np.abs(levels(time, state, p) - there) <= CLEAR * np.abs(there), axis=0))

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
        arriving = None if points is None else points.arriving(self.functions.names, which)
        distance = _distance(state[:, which], target, arriving)
        reach = np.where(stable, np.maximum(NEAR, SETTLED * np.minimum(np.nan_to_num(distance, nan=1.0), 1.0)), -1.0)
        if ramp:
            reach = np.where(stable, SETTLED * 1e-1, -1.0)
        margin = reach * (np.abs(target) + 0.01)
        if arriving is not None:
            margin[~arriving] = np.inf
        # where nothing is stable the box is empty, whichever states need not arrive
        margin = np.where(stable, margin, -1.0)
        return Lanes(state[:, which], p, target - margin, target + margin, np.asarray(duration)[which], 1e-6, 1e-9, ramp)

    def subset(self, lanes: NDArray[np.intp]) -> Ensemble:
        """Return some lanes, in any number and order."""
        twin = object.__new__(Ensemble)
        twin.__dict__.update(self.__dict__)
        twin.lanes, twin.p, twin.start = len(lanes), self.p[:, lanes], self.start[:, lanes]
        if self.points is not None:
            twin.points = self.points.of(lanes)
        return twin


def _codes(work: EnsembleRun, result: LaneResult, p: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How lanes ended, and by which of the system's events; a lane that only came to its end has not settled."""
    codes = result.status.astype(np.int64)
    codes[codes == STATUS["completed"]] = STATUS["not_settled"]
    functions, final = work.functions, result.final_state[: work.size]
    happened = events_at_edges(codes, result.final_time, final, p, functions.lane_field,
                               functions.lane_function(work.events), work.directions)
    codes[happened >= 0] = STATUS["event"]
    watched = np.where(happened >= 0, happened, result.event_index)
    names = list(work.system.events)
    numbers = np.array([*(names.index(name) for name in work.watched), -1])
    return codes, np.where(codes == STATUS["event"], numbers[watched], -1)


def _clock(fastest: Array) -> Array:
    """The time in which the fastest rate acts once, where this is longer than 1: systems may be slow as a whole."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(fastest > 0, np.maximum(1.0, 1.0 / fastest), 1.0))


def _needed(slowest: Array, tolerance: float, shortest: float, longest: Array) -> Array:
    """Time after which a displacement has fallen to ``tolerance`` at the slowest rate."""
    with np.errstate(divide="ignore"):
        needed = np.log(1 / tolerance) / np.where(slowest > 0, slowest, np.nan)
    return np.clip(np.nan_to_num(needed, nan=shortest), shortest, longest)


def _distance(state: Array, target: Array, arriving: Flags | None) -> Array:
    """Scaled distance to the target, of the states that arrive (None: all); nan where there is none."""
    difference = np.abs(state - target) / (np.abs(target) + 0.01)
    if arriving is not None:
        difference[~arriving] = 0.0
    return np.asarray(np.max(difference, axis=0))
