"""Events on whose surface a trajectory comes to rest: it comes near for ever, and only errors take it across."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.rests import lanes_at_rest
from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["only_approached"]

Array = NDArray[np.float64]
STEP = 1e-6       # relative step of the differences that say how a level changes with each state
ERRORS = 10.0     # tolerances of a step: how far a trajectory that comes near for ever may be off
ROUNDING = 1e-11  # share of a level's terms by which a rest on the surface, found by Newton's method, may miss it
SIGNS = {"falling": -1.0, "rising": 1.0, "both": 0.0}


def only_approached(system: System, state: Array, p: Array, events: Sequence[str], relative_tolerance: float,
                    absolute_tolerance: float) -> NDArray[np.bool_]:
    """Say of trajectories that an event has ended whether they would have come to rest on its surface, or before it.

    They cross it at a speed that is no more than the errors of a trajectory, by the rates of the field, and Newton's method
    leads from there to a stable rest which does not lie beyond the surface. Such an event is no proof.

    Parameters
    ----------
    system : System
        Scalar, autonomous; others are never told.
    state, p : ndarray, shape (dimension or parameters, lanes)
        Where trajectories ended.
    events : sequence of str, length lanes
        By which event each one did.
    relative_tolerance, absolute_tolerance : float
        Of the integration.

    Returns
    -------
    ndarray of bool, shape (lanes,)

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> decay = dy.System(name="decay", states={"x": 1.0}, equations={"x": "0.3 - x"}, events={
    ...     "on": dy.Event("x - 0.3", "falling", terminal=True), "above": dy.Event("x - 0.4", "falling", terminal=True)})
    >>> ends = np.array([[0.3, 0.4]])
    >>> only_approached(decay, ends, np.empty((0, 2)), ["on", "above"], 1e-6, 1e-9).tolist()
    [True, False]
    """
    found = np.zeros(state.shape[1], dtype=bool)
    if not system.autonomous:
        return found
    names = np.array(events)
    with np.errstate(all="ignore"):
        for name in np.unique(names):
            here = np.flatnonzero(names == name)
            found[here] = _by_one(system, state[:, here], p[:, here], str(name), relative_tolerance, absolute_tolerance)
    return found


def _by_one(system: System, state: Array, p: Array, name: str, relative: float, absolute: float) -> NDArray[np.bool_]:
    functions = functions_of(system)
    time = np.zeros(state.shape[1])
    level = functions.lane_function([system._parsed.events[name][0]])
    rate = functions.lane_field(time, state, p)
    pace = np.abs(functions.lane_jacobian(time, state, p)).max(axis=(0, 1))
    slopes = _slopes(lambda y: level(time, y, p)[0], state, absolute)
    speed = np.abs(np.sum(slopes * rate, axis=0))
    errors = np.sum(np.abs(slopes) * (relative * np.abs(state) + absolute), axis=0)
    slow = np.flatnonzero(speed <= ERRORS * pace * errors)
    found = np.zeros(state.shape[1], dtype=bool)
    if slow.size:
        rest = lanes_at_rest(system, state[:, slow], p[:, slow]).state
        there = level(time[slow], rest, p[:, slow])[0]
        band = ROUNDING * np.sum(np.abs(slopes[:, slow] * rest), axis=0)
        sign = SIGNS[system.events[name].direction]
        beyond = sign * there > band if sign else np.abs(there) > band
        found[slow] = np.isfinite(there) & ~beyond
    return found


def _slopes(level: Callable[[Array], Array], state: Array, absolute: float) -> Array:
    here = level(state)
    slopes = np.empty(state.shape)
    for row in range(len(state)):
        moved = state.copy()
        step = STEP * np.maximum(np.abs(state[row]), absolute)
        moved[row] += step
        slopes[row] = (level(moved) - here) / step
    return np.nan_to_num(slopes)
