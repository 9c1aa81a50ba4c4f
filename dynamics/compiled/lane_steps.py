"""One adaptive step in every lane: step-size control, events, running extremes, and the verdict on each lane.

References
----------
E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, Springer (1996), section IV.8,
doi:10.1007/978-3-642-05221-7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.crossings import RESOLUTION, find_crossings, points, sample, turning_values
from dynamics.compiled.lane_problems import LaneProblem, LaneResult, LaneStatus, take_lanes
from dynamics.compiled.rosenbrock import ORDER, ContinuousStep, rosenbrock_step
from dynamics.errors import SpecificationError

__all__ = ["Control", "LanesUnderWay", "advance", "start"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
LaneFunction = Callable[[Array, Array, Array], Array]

SAFETY, GROWTH, SHRINKAGE = 0.9, 6.0, 0.2
# Steps below so many spacings of floating-point numbers at the current time, or at this share of the final time (which
# spares a lane stuck at time 0 the way down to 1e-308), count as underflow.
SMALLEST_STEP, EARLIEST = 4.0, 1e-12
NEAR_SIDE = 4 * RESOLUTION  # of a step: so far before the zero of a terminal event a lane ends, beyond rounding


@dataclass
class LanesUnderWay:
    """The lanes still under way: what a result records, and what the step-size control remembers."""

    lane: NDArray[np.intp]
    parameters: Array
    stop: Array
    slope: Array
    step: Array
    last_step: Array
    last_error: Array
    refused: Flags
    hits: NDArray[np.int64]
    event_values: Array
    record: LaneResult

    def take(self, kept: NDArray[np.intp]) -> LanesUnderWay:
        # take() gives contiguous rows where indexing with [:, kept] would not, and NumPy's loops for exp and the
        # like may round differently on strided rows.
        parts = {
            part.name: getattr(self, part.name).take(kept, axis=-1) for part in fields(self) if part.name != "record"
        }
        return LanesUnderWay(record=take_lanes(self.record, kept), **parts)


@dataclass(frozen=True)
class Control:
    """Tolerances and limits of a run; ``absolute`` has shape (dimension, 1)."""

    relative: float
    absolute: Array
    max_steps: int
    divergence: float


def _norm(values: Array, scale: Array) -> Array:
    # A running sum: a reduction over the state axis could group its terms by the number of lanes.
    total = np.zeros(values.shape[-1])
    for row, size in zip(values, scale, strict=True):
        ratio = row / size
        total += ratio * ratio
    result: Array = np.sqrt(total / len(values))
    return result


def _first_step(problem: LaneProblem, time: Array, state: Array, p: Array, slope: Array, c: Control) -> Array:
    """Return a first step size for every lane: Hairer, Norsett and Wanner (1993), section II.4."""
    scale = c.absolute + c.relative * np.abs(state)
    size, speed = _norm(state, scale), _norm(slope, scale)
    trial = np.where((size < 1e-5) | (speed < 1e-5), 1e-6, 0.01 * size / speed)
    bend = _norm(problem.field(time + trial, state + trial * slope, p) - slope, scale) / trial
    fastest = np.fmax(speed, bend)
    step = np.where(fastest <= 1e-15, np.fmax(1e-6, trial * 1e-3), (0.01 / fastest) ** (1.0 / ORDER))
    result: Array = np.where(np.isfinite(bend), np.fmin(100.0 * trial, step), 1e-3 * trial)
    return result


def _rows(function: LaneFunction | None, time: Array, state: Array, parameters: Array) -> Array:
    if function is None:
        return np.empty((0, time.size))
    return np.array(function(time, state, parameters), dtype=float, ndmin=2)


def start(problem: LaneProblem, time: Array, state: Array, parameters: Array, stop: Array, c: Control) -> LanesUnderWay:
    """Return the lanes at their initial states, the shapes of all functions checked."""
    lanes = time.size
    slope = np.array(problem.field(time, state, parameters), dtype=float)
    jacobian = np.shape(problem.jacobian(time, state, parameters))
    events, running = _rows(problem.events, time, state, parameters), _rows(problem.running, time, state, parameters)
    dimension = state.shape[0]
    faults = []
    if slope.shape != state.shape:
        faults.append(f"the field has shape {slope.shape}, the state {state.shape}")
    if jacobian != (dimension, dimension, lanes):
        faults.append(f"the Jacobian has shape {jacobian}, expected {(dimension, dimension, lanes)}")
    if events.shape != (len(problem.directions), lanes):
        faults.append(f"the events have shape {events.shape}, expected {(len(problem.directions), lanes)}")
    if running.shape[1] != lanes:
        faults.append(f"the running quantities have shape {running.shape}, expected one column per lane ({lanes})")
    if faults:
        raise SpecificationError("integrate_lanes: " + "; ".join(faults), faults)
    count = len(events)
    record = LaneResult(
        final_time=time.copy(),
        final_state=state.copy(),
        status=np.full(lanes, -1, np.int8),
        event_index=np.full(lanes, -1, np.int64),
        event_time=np.full((count, lanes), np.nan),
        event_counts=np.zeros((count, lanes), np.int64),
        maximum=running.copy(),
        minimum=running.copy(),
        drawdown=np.zeros_like(running),
        final_running=running,
        steps=np.zeros(lanes, np.int64),
        rejected=np.zeros(lanes, np.int64),
    )
    usable = np.isfinite(slope).all(axis=0) & np.isfinite(state).all(axis=0)
    record.status[~usable] = LaneStatus.INVALID_STATE
    record.status[usable & (stop <= time)] = LaneStatus.COMPLETED
    return LanesUnderWay(
        lane=np.arange(lanes),
        parameters=parameters,
        stop=stop,
        slope=slope,
        step=_first_step(problem, time, state, parameters, slope, c),
        last_step=np.zeros(lanes),
        last_error=np.ones(lanes),
        refused=np.zeros(lanes, bool),
        hits=np.zeros(lanes, np.int64),
        event_values=events,
        record=record,
    )


def _events(
    problem: LaneProblem,
    lanes: LanesUnderWay,
    step: ContinuousStep,
    later: list[tuple[Array, Array]],
    accepted: Flags,
) -> tuple[Array, Array]:
    """Record the events of the accepted steps; return where each lane ends (1 or its terminal event) and the values."""
    record, end = lanes.record, np.ones(accepted.size)
    if problem.events is None:
        return end, lanes.event_values
    values = sample(problem.events, later, lanes.parameters, lanes.event_values)
    found = find_crossings(problem.events, step, lanes.parameters, values, problem.directions, accepted)
    if found.lane.size:
        first = np.full(values.shape[1:], np.inf)
        np.minimum.at(first, (found.event, found.lane), found.fraction)
        for index in np.flatnonzero(problem.terminal):
            sooner = (first[index] < end) | ((first[index] <= end) & (record.event_index < 0))
            record.event_index[sooner] = index
            end[sooner] = first[index][sooner]
        counted = found.fraction <= end[found.lane]
        np.add.at(record.event_counts, (found.event[counted], found.lane[counted]), 1)
        happened = (first <= end) & np.isnan(record.event_time)
        # a lane ends on its own side of the zero: what is 1/level there is large and keeps its sign
        end = np.where(record.event_index >= 0, np.fmax(end - NEAR_SIDE, 0.0), end)
        np.copyto(record.event_time, step.time(np.minimum(first, end)), where=happened)
    return end, values[-1]


def _extremes(
    problem: LaneProblem,
    lanes: LanesUnderWay,
    step: ContinuousStep,
    later: list[tuple[Array, Array]],
    accepted: Flags,
    end: Array,
) -> None:
    """Bring the running maxima, minima and falls up to date over the accepted steps."""
    if problem.running is None:
        return
    record, parameters = lanes.record, lanes.parameters
    if (end < 1.0).any():
        later = points(step, end)
    values = sample(problem.running, later, parameters, record.final_running)
    kept = np.flatnonzero(accepted)
    if kept.size < accepted.size:
        step, parameters = step.take(kept), parameters.take(kept, axis=-1)
        values, end = values.take(kept, axis=-1), end.take(kept)
    peak = before = record.maximum.take(kept, axis=-1)
    fall = record.drawdown.take(kept, axis=-1)
    for value in values[1:]:
        peak = np.fmax(peak, value)
        fall = np.fmax(fall, peak - value)
    for sign, extreme, better in ((1, record.maximum, np.fmax), (-1, record.minimum, np.fmin)):
        best = extreme.take(kept, axis=-1)
        for value in values[1:]:
            best = better(best, value)
        # a minimum that is no record may still be the deepest fall
        limit = best if sign > 0 else np.fmax(best, before - fall)
        row, lane, turn = turning_values(problem.running, step, parameters, values, end, limit, sign)
        better.at(best, (row, lane), turn)
        np.fmax.at(fall, (row, lane), turn - values[-1][row, lane] if sign > 0 else before[row, lane] - turn)
        extreme[:, kept] = best
    record.drawdown[:, kept] = fall
    record.final_running[:, kept] = values[-1]


def advance(problem: LaneProblem, lanes: LanesUnderWay, c: Control) -> None:
    """Try one step in every lane and bring the records up to date; lanes that end get their status."""
    record, parameters = lanes.record, lanes.parameters
    time, state = record.final_time, record.final_state
    remaining = lanes.stop - time
    last = lanes.step * 1.0001 >= remaining
    size = np.where(last, remaining, lanes.step)
    jacobian = problem.jacobian(time, state, parameters)
    time_slope = None if problem.time_derivative is None else problem.time_derivative(time, state, parameters)
    continuous = problem.events is not None or problem.running is not None
    step, error = rosenbrock_step(
        problem.field, lanes.slope, jacobian, time_slope, time.copy(), state.copy(), parameters, size, continuous
    )
    ratio = _norm(error, c.absolute + c.relative * np.fmax(np.abs(state), np.abs(step.after)))
    arrival = np.where(last, lanes.stop, time + size)
    slope = problem.field(arrival, step.after, parameters)
    # An infinite Jacobian must be asked for: as a pivot it makes increments of zero, a step that looks perfect.
    defined = np.isfinite(ratio) & np.isfinite(slope).all(axis=0) & np.isfinite(jacobian).all(axis=(0, 1))
    accepted = defined & (ratio <= 1.0)

    later = points(step, 1.0) if continuous else []
    end, event_values = _events(problem, lanes, step, later, accepted)
    _extremes(problem, lanes, step, later, accepted, end)
    stopped = accepted & (record.event_index >= 0)
    np.copyto(time, arrival, where=accepted)
    np.copyto(state, step.after, where=accepted)
    if stopped.any():
        np.copyto(time, step.time(end), where=stopped)
        np.copyto(state, step.state(end), where=stopped)
    np.copyto(lanes.slope, slope, where=accepted)
    np.copyto(lanes.event_values, event_values, where=accepted)
    np.add(record.steps, accepted, out=record.steps)
    np.add(record.rejected, ~accepted, out=record.rejected)

    # Gustafsson's predictive control for Rosenbrock methods (Hairer and Wanner 1996, section IV.8): the change of the
    # error from the last accepted step to this one is carried on, and after a rejection a step does not grow.
    wanted = np.fmax(1.0 / GROWTH, np.fmin(1.0 / SHRINKAGE, ratio ** (1.0 / ORDER) / SAFETY))
    predicted = lanes.last_step / size * (ratio * ratio / lanes.last_error) ** (1.0 / ORDER) / SAFETY
    predicted = np.where(record.steps > 1, np.fmin(1.0 / SHRINKAGE, predicted), 0.0)
    next_step = size / np.where(accepted, np.fmax(wanted, predicted), np.fmax(wanted, 1.0))
    next_step = np.where(accepted & lanes.refused, np.fmin(next_step, size), next_step)
    lanes.step = np.where(defined, next_step, SHRINKAGE * size)
    lanes.last_step = np.where(accepted, size, lanes.last_step)
    lanes.last_error = np.where(accepted, np.fmax(1e-2, ratio), lanes.last_error)
    lanes.refused = ~accepted

    largest = np.abs(state).max(axis=0)
    status = record.status
    # In rising order of precedence: a later line overrules an earlier one.
    status[record.steps + record.rejected >= c.max_steps] = LaneStatus.STEP_LIMIT
    if problem.settled is not None:
        still = np.asarray(problem.settled(time, state, parameters), dtype=bool)
        lanes.hits = np.where(accepted, np.where(still, lanes.hits + 1, 0), lanes.hits)
        status[lanes.hits >= problem.settle_hits] = LaneStatus.SETTLED
    status[accepted & last] = LaneStatus.COMPLETED
    stuck = ~accepted & (lanes.step < SMALLEST_STEP * np.spacing(np.fmax(np.abs(time), EARLIEST * np.abs(lanes.stop))))
    status[stuck & defined] = LaneStatus.STEP_UNDERFLOW
    status[stuck & ~defined] = LaneStatus.INVALID_STATE
    # Towards a blow-up the steps shrink with the distance to it and may underflow before the state is that large.
    status[stuck & (largest > np.sqrt(c.divergence))] = LaneStatus.DIVERGED
    status[accepted & (largest > c.divergence)] = LaneStatus.DIVERGED
    status[stopped] = LaneStatus.EVENT
