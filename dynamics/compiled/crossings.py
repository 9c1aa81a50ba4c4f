"""What happens inside a step: zero crossings of event functions and turning points of running quantities.

Each quantity is looked at on five equally spaced points of the continuous solution. A sign change between two of
them is a crossing; a turning point of the quartic through all five that may reach zero (an event that grazes it) or
may exceed the record (a running maximum) is evaluated as well, so neither is lost between the points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.rosenbrock import ContinuousStep

__all__ = ["Crossings", "POINTS", "find_crossings", "points", "sample", "turning_values"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]
LaneFunction = Callable[[Array, Array, Array], Array]

POINTS = (0.0, 0.25, 0.5, 0.75, 1.0)
RESOLUTION = 1e-13  # of a step: crossings are located to this fraction, where rounding takes over
MAX_TRIALS = 150  # a guard only: a smooth function needs about 10

# Slopes, per interval, of the quartic through five equally spaced values, at these points (times 12).
_SLOPES = ((-25, 48, -36, 16, -3), (-3, -10, 18, -6, 1), (1, -8, 0, 8, -1), (-1, 6, -18, 10, 3), (3, -16, 36, -48, 25))


@dataclass(frozen=True)
class Crossings:
    """Zero crossings within one step, one entry each.

    Attributes
    ----------
    event, lane : ndarray of int
        Which event function crossed in which lane.
    fraction : ndarray
        Where in the step, just on the far side of the zero.
    """

    event: Indices
    lane: Indices
    fraction: Array


def points(step: ContinuousStep, end: float | Array) -> list[tuple[Array, Array]]:
    """Return times and states of the last four of the five points of the step up to the fraction ``end``."""
    return [(step.time(point * end), step.state(point * end)) for point in POINTS[1:]]


def sample(function: LaneFunction, later: list[tuple[Array, Array]], parameters: Array, before: Array) -> Array:
    """Return the function on the five points of a step.

    Parameters
    ----------
    function : callable
    later : list of (ndarray, ndarray)
        Times and states of the last four points (``points``).
    parameters : ndarray, shape (parameters, lanes)
    before : ndarray, shape (rows, lanes)
        The function at the first point, the start of the step.

    Returns
    -------
    ndarray, shape (5, rows, lanes)
    """
    values = np.empty((len(POINTS), *before.shape))
    values[0] = before
    for index, (time, state) in enumerate(later, 1):
        values[index] = function(time, state, parameters)
    return values


def _slope(values: Array, point: int) -> Array:
    total: Array = _SLOPES[point][0] * values[0]
    for weight, value in zip(_SLOPES[point][1:], values[1:], strict=True):
        if weight:
            total = total + weight * value
    return total / 12.0


def _turning_fraction(values: Array, interval: int, left: Array, right: Array) -> Array:
    """Return where the quartic through ``values`` turns in ``interval``, its slopes at the ends having opposite signs.

    Secant start, then two Newton steps on the slope, which is cubic; fractions run over the whole step.
    """
    # Newton's form of the quartic in x = 4 fraction, from forward differences.
    first = values[1:] - values[:-1]
    second = first[1:] - first[:-1]
    third = second[1:] - second[:-1]
    fourth = third[1] - third[0]
    x = interval + left / (left - right)
    for _ in range(2):
        slope = (
            first[0]
            + second[0] * (2.0 * x - 1.0) / 2.0
            + third[0] * ((3.0 * x - 6.0) * x + 2.0) / 6.0
            + fourth * (((4.0 * x - 18.0) * x + 22.0) * x - 6.0) / 24.0
        )
        bend = second[0] + third[0] * (x - 1.0) + fourth * ((12.0 * x - 36.0) * x + 22.0) / 24.0
        x = np.where(bend != 0.0, x - slope / bend, x)
        x = np.fmin(np.fmax(x, float(interval)), float(interval + 1))
    return x / 4.0


def _evaluate(
    function: LaneFunction, step: ContinuousStep, parameters: Array, row: Indices, lane: Indices, fraction: Array
) -> Array:
    picked = step.take(lane)
    values = function(picked.time(fraction), picked.state(fraction), parameters.take(lane, axis=-1))
    result: Array = values[row, np.arange(lane.size)]
    return result


def _locate(
    function: LaneFunction,
    step: ContinuousStep,
    parameters: Array,
    row: Indices,
    lane: Indices,
    low: Array,
    high: Array,
    at_low: Array,
    at_high: Array,
) -> Array:
    """Return the far ends of brackets shrunk to RESOLUTION, by Chandrupatla's method.

    Inverse quadratic interpolation where it is safe, bisection elsewhere. Every bracket works on its own record and
    stops by its own width, so that none depends on the others.
    """
    result = high.copy()
    sign = np.where(at_low > 0.0, 1.0, -1.0)
    # ``new`` is the latest point, ``old`` the other end of the bracket, ``third`` the point that was dropped.
    rows, lanes, origin = row, lane, np.arange(row.size)
    new, old, third = high, low, high
    f_new, f_old, f_third = at_high * sign, at_low * sign, at_high * sign
    share = np.full(low.shape, 0.5)
    for _ in range(MAX_TRIALS):
        if origin.size == 0:
            break
        trial = new + share * (old - new)
        value = _evaluate(function, step, parameters, rows, lanes, trial) * sign[origin]
        # Zero belongs to the far side: a crossing is where the zero is reached.
        same = (value > 0.0) == (f_new > 0.0)
        third, f_third = np.where(same, new, old), np.where(same, f_new, f_old)
        old, f_old = np.where(same, old, new), np.where(same, f_old, f_new)
        new, f_new = trial, value
        result[origin] = np.where(f_new > 0.0, old, new)
        limit = 0.5 * RESOLUTION / np.abs(old - new)
        xi = (new - old) / (third - old)
        phi = (f_new - f_old) / (f_third - f_old)
        safe = (phi * phi < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
        inverse = f_new / (f_old - f_new) * f_third / (f_old - f_third)
        inverse = inverse + (third - new) / (old - new) * f_new / (f_third - f_new) * f_old / (f_third - f_old)
        share = np.where(safe & np.isfinite(inverse), inverse, 0.5)
        share = np.fmin(np.fmax(share, limit), 1.0 - limit)
        # a function may stay at zero: then the zero that was hit need not be where it was reached
        open_ = limit < 0.5
        if not open_.all():
            rows, lanes, origin, share = rows[open_], lanes[open_], origin[open_], share[open_]
            new, old, third = new[open_], old[open_], third[open_]
            f_new, f_old, f_third = f_new[open_], f_old[open_], f_third[open_]
    return result


def find_crossings(
    function: LaneFunction,
    step: ContinuousStep,
    parameters: Array,
    values: Array,
    directions: tuple[int, ...],
    lanes: Flags,
) -> Crossings:
    """Locate every zero crossing of the event functions in the step, grazing pairs included.

    A function that starts a step at exactly zero does not cross there: a crossing is counted where the zero is
    reached, not where it is left.

    Parameters
    ----------
    function : callable
        The event functions, ``function(time, state, parameters)``, shape (events, lanes).
    step : ContinuousStep
    parameters : ndarray, shape (parameters, lanes)
    values : ndarray, shape (5, events, lanes)
        The event functions on the five points (``sample``).
    directions : tuple of int
        One per event: -1 falling, 1 rising, 0 both.
    lanes : ndarray of bool, shape (lanes,)
        Lanes to look at.

    Returns
    -------
    Crossings
    """
    signs = np.array(directions)[:, None]
    falls, rises = (signs <= 0) & lanes, (signs >= 0) & lanes
    above, below = values > 0.0, values < 0.0
    found = (above[:-1] & (values[1:] <= 0.0) & falls) | (below[:-1] & (values[1:] >= 0.0) & rises)
    rows: list[Indices] = []
    columns: list[Indices] = []
    lows: list[Array] = []
    highs: list[Array] = []
    at_lows: list[Array] = []
    at_highs: list[Array] = []

    def bracket(row: Indices, lane: Indices, low: Array, high: Array, at_low: Array, at_high: Array) -> None:
        rows.append(row)
        columns.append(lane)
        lows.append(low)
        highs.append(high)
        at_lows.append(at_low)
        at_highs.append(at_high)

    if found.any():
        part, row, lane = np.nonzero(found)
        edges = np.array(POINTS)
        start, stop = values[part, row, lane], values[part + 1, row, lane]
        bracket(row, lane, edges[part], edges[part + 1], start, stop)

    # Only a function that comes closer to zero than it varies can graze it: the rest is not looked at again.
    size = np.abs(values)
    one_sided = above.all(axis=0) | below.all(axis=0)
    near = one_sided & lanes & (size.min(axis=0) < size.max(axis=0) - size.min(axis=0))
    if near.any():
        row, lane = np.nonzero(near)
        distance = size[:, row, lane]
        slopes = [_slope(distance, point) for point in range(len(POINTS))]
        for interval in range(len(POINTS) - 1):
            left, right = slopes[interval], slopes[interval + 1]
            tangent = distance[interval] + left * (left / (left - right))
            dips = np.flatnonzero((left < 0.0) & (right > 0.0) & (tangent <= 0.0))
            if dips.size == 0:
                continue
            where = _turning_fraction(distance[:, dips], interval, left[dips], right[dips])
            value = _evaluate(function, step, parameters, row[dips], lane[dips], where)
            start, stop = values[interval, row[dips], lane[dips]], values[interval + 1, row[dips], lane[dips]]
            through = (value > 0.0) != (start > 0.0)
            downwards = start > 0.0
            enters = through & np.where(downwards, falls[row[dips], lane[dips]], rises[row[dips], lane[dips]])
            # A touch at exactly zero is reached once and left again: it has no second crossing.
            leaves = through & (value != 0.0)
            leaves &= np.where(downwards, rises[row[dips], lane[dips]], falls[row[dips], lane[dips]])
            ends = np.full(where.shape, POINTS[interval]), np.full(where.shape, POINTS[interval + 1])
            bracket(row[dips][enters], lane[dips][enters], ends[0][enters], where[enters], start[enters], value[enters])
            bracket(row[dips][leaves], lane[dips][leaves], where[leaves], ends[1][leaves], value[leaves], stop[leaves])
    if not rows:
        return Crossings(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    events, owners = np.concatenate(rows), np.concatenate(columns)
    fraction = _locate(
        function,
        step,
        parameters,
        events,
        owners,
        np.concatenate(lows),
        np.concatenate(highs),
        np.concatenate(at_lows),
        np.concatenate(at_highs),
    )
    return Crossings(events, owners, fraction)


def turning_values(
    function: LaneFunction,
    step: ContinuousStep,
    parameters: Array,
    values: Array,
    end: Array,
    record: Array,
    sign: int,
) -> tuple[Indices, Indices, Array]:
    """Return the values at turning points inside the step that may exceed a record.

    Parameters
    ----------
    function : callable
        The quantities, ``function(time, state, parameters)``, shape (quantities, lanes).
    step : ContinuousStep
    parameters : ndarray, shape (parameters, lanes)
    values : ndarray, shape (5, quantities, lanes)
        The quantities on the five points up to ``end`` (``sample``).
    end : ndarray, shape (lanes,)
        Last fraction of the step.
    record : ndarray, shape (quantities, lanes)
        Largest (``sign`` 1) or smallest (``sign`` -1) value so far.
    sign : int
        1 for maxima, -1 for minima.

    Returns
    -------
    quantity, lane : ndarray of int
    value : ndarray
        The function there; one entry per turning point looked at.
    """
    heights = values if sign > 0 else -values
    top = heights.max(axis=0)
    # A smooth quantity does not rise above its points by more than it varies over them.
    hopeful = (top + (top - heights.min(axis=0))) > (record if sign > 0 else -record)
    rows: list[Indices] = []
    lanes: list[Indices] = []
    results: list[Array] = []
    if hopeful.any():
        row, lane = np.nonzero(hopeful)
        heights = heights[:, row, lane]
        best = record[row, lane] * sign
        slopes = [_slope(heights, point) for point in range(len(POINTS))]
        for interval in range(len(POINTS) - 1):
            left, right = slopes[interval], slopes[interval + 1]
            bound = heights[interval] + left * (left / (left - right))
            turns = np.flatnonzero((left > 0.0) & (right < 0.0) & (bound > best))
            if turns.size:
                where = _turning_fraction(heights[:, turns], interval, left[turns], right[turns])
                where = where * end[lane[turns]]
                rows.append(row[turns])
                lanes.append(lane[turns])
                results.append(_evaluate(function, step, parameters, row[turns], lane[turns], where))
    if not rows:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    return np.concatenate(rows), np.concatenate(lanes), np.concatenate(results)
