"""On which side of its terminal events a trajectory begins: beyond one of them it has ended before it starts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dynamics.systems import System

__all__ = ["begins_beyond", "crossed_by_jump", "terminal_behind", "without_value"]

Array = NDArray[np.float64]
# A level this close to zero is on the surface, not beyond it: what rounding of the states, and a hundredth of their
# absolute tolerance, can make of a zero.
ROUNDING, SHARE = 16 * 2.0**-52, 0.01
SENSES = {"falling": -1, "rising": 1, "both": 0}
STEP = 1e-6  # relative step of the differences that say how much a level changes with each state


def without_value(levels: Array) -> NDArray[np.bool_]:
    """Say in which lanes some event has no level: on which side a trajectory begins is then not known, and proves nothing.

    An infinite level has a side.

    Parameters
    ----------
    levels : ndarray, shape (events, lanes)

    Returns
    -------
    ndarray of bool, shape (lanes,)

    Examples
    --------
    >>> import numpy as np
    >>> without_value(np.array([[1.0, np.nan, -np.inf]])).tolist()
    [False, True, False]
    """
    return np.asarray(np.isnan(levels).any(axis=0))


def begins_beyond(levels: Callable[[Array], Array], state: Array, directions: Array, absolute_tolerance: float,
                  known: Array | None = None) -> NDArray[np.bool_]:
    """Say which events already lie behind a state: on the far side, by more than rounding.

    Parameters
    ----------
    levels : callable
        Levels of the events, shape (events, lanes), of states of shape (dimension, lanes).
    state : ndarray, shape (dimension, lanes)
    directions : ndarray, shape (events,)
        -1 falling, 1 rising, 0 both: an event of both directions has no far side.
    absolute_tolerance : float
        Of the integration that would begin here.
    known : ndarray, shape (events, lanes), optional
        The levels at the state, where they are known.

    Returns
    -------
    ndarray of bool, shape (events, lanes)

    Examples
    --------
    >>> import numpy as np
    >>> begins_beyond(lambda y: y, np.array([[0.1, -0.1, -1e-17]]), np.array([-1]), 1e-9).tolist()
    [[False, True, False]]
    """
    with np.errstate(all="ignore"):
        value = levels(state) if known is None else known
        far = np.asarray(directions)[:, None] * value > 0
        if not far.any():
            return np.asarray(far)
        band = np.zeros(value.shape)
        for row in range(len(state)):
            moved = state.copy()
            step = STEP * np.maximum(np.abs(state[row]), absolute_tolerance)
            moved[row] += step
            slope = np.abs(levels(moved) - value) / step
            band += np.nan_to_num(slope) * (ROUNDING * np.abs(state[row]) + SHARE * absolute_tolerance)
        return np.asarray(far & (np.abs(value) > band))


def crossed_by_jump(before: Array, after: Array, directions: Array) -> NDArray[np.bool_]:
    """Say which events a jump from one state to another crosses; landing on a surface counts.

    Parameters
    ----------
    before, after : ndarray, shape (events, lanes)
        Levels of the events.
    directions : ndarray, shape (events,)
        -1 falling, 1 rising, 0 both.

    Returns
    -------
    ndarray of bool, shape (events, lanes)
    """
    falls = (before > 0) & (after <= 0) & (directions <= 0)[:, None]
    rises = (before < 0) & (after >= 0) & (directions >= 0)[:, None]
    return np.asarray(falls | rises)


def terminal_behind(system: System, levels: Callable[[Array], Array], state: Array, absolute_tolerance: float = 0.0
                    ) -> NDArray[np.int64]:
    """Return the number of the first terminal event that each state lies beyond, -1 for none.

    Parameters
    ----------
    system : System
    levels : callable
        Levels of all events, in their order.
    state : ndarray, shape (dimension, lanes)
    absolute_tolerance : float

    Returns
    -------
    ndarray of int, shape (lanes,)
    """
    none = np.full(state.shape[1], -1)
    if not any(event.terminal for event in system.events.values()):
        return none
    directions = np.array([SENSES[event.direction] for event in system.events.values()])
    terminal = np.array([event.terminal for event in system.events.values()])
    behind = begins_beyond(levels, state, directions, absolute_tolerance) & terminal[:, None]
    return np.where(behind.any(axis=0), np.argmax(behind, axis=0), none)
