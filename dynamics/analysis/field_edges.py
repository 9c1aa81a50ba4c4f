"""Events at the edge of where a field is defined, as a power of equity is at insolvency: no step gets past such an event.

A crossing has two sides, and a method that steps over the edge finds no number on the far one. The path is then followed
to the edge itself: to where the flow brings the level of the event to zero within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dynamics.results import STATUS

__all__ = ["SHORT", "at_an_edge", "events_at_edges", "time_left"]

Array = NDArray[np.float64]
LaneFunction = Callable[[Array, Array, Array], Array]
SHORT = 1.0 - 2.0**-8  # share of the way to an edge that is gone at once: the flow may reach it a little earlier than a line
ROUNDING = 1e-13


def time_left(level: Array, slope: Array, directions: Array) -> Array:
    """Return the time after which levels with these slopes are zero; inf where the event is not approached.

    Parameters
    ----------
    level, slope : ndarray
    directions : ndarray, broadcastable
        -1 falling, 1 rising, 0 both.
    """
    with np.errstate(all="ignore"):
        left = -level / slope
        approached = (level * slope < 0) & (directions * slope >= 0)
    return np.where(approached, left, np.inf)


def at_an_edge(left: Array, time: Array) -> NDArray[np.bool_]:
    """Whether so little time is left that the event has happened for all that rounding can tell."""
    return np.asarray(left <= ROUNDING * np.maximum(np.abs(time), 1e-3))


def events_at_edges(status: NDArray[np.int64], time: Array, state: Array, parameters: Array, field: LaneFunction,
                    events: LaneFunction, directions: Sequence[int]) -> NDArray[np.intp]:
    """For each lane that broke off, the event at whose zero it did; -1 for the others.

    Parameters
    ----------
    status : ndarray of int, shape (lanes,)
    time : ndarray, shape (lanes,)
    state, parameters : ndarray, shape (dimension or parameters, lanes)
    field, events : callable
        Of times, states and parameters.
    directions : sequence of int
        One per event.

    Returns
    -------
    ndarray of int, shape (lanes,)
    """
    found = np.full(status.size, -1, dtype=np.intp)
    broke = np.flatnonzero(np.isin(status, [STATUS["invalid_state"], STATUS["step_underflow"]]))
    if not broke.size or not len(directions):
        return found
    t, y, p = time[broke], state[:, broke], parameters[:, broke]
    with np.errstate(all="ignore"):
        rate = field(t, y, p)
        level = events(t, y, p)
        # a step that stays on this side of every event
        step = 1e-3 * np.min(np.where(level != 0, np.abs(level), np.inf), axis=0) / (1.0 + np.abs(rate).max(axis=0))
        slope = (events(t + step, y + step * rate, p) - level) / step
    left = time_left(level, slope, np.array(directions)[:, None])
    nearest = np.argmin(left, axis=0)
    there = at_an_edge(left[nearest, np.arange(broke.size)], t)
    found[broke[there]] = nearest[there]
    return found
