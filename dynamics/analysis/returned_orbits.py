"""Whether an orbit has come back to where it was: to the last digits, or drawn in by a cycle that is shown to be near.

That a state has moved little in one turn says nothing: a drift of one part in a billion moves little, and goes on for ever.
What is left to go is the step divided by one less the multiplier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collapsed_orbits import NEUTRAL, monodromy, surely_stable
from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["CLOSE", "ROUNDING", "returned"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
ROUNDING = 64 * 2.0**-52   # of a step of the map, by the largest state of a turn: what sums of rotations leave
CLOSE = 1e-6               # distance from a cycle, by the size of the state, at which it is known well enough
SMALL = 1e-2               # size below which distances are absolute, as for periods


def returned(system: System, p: Array, state: Array, time: float, period: NDArray[np.int64]) -> Flags:
    """Return whether the orbit through each lane's state is shown to end on a cycle of its period.

    Parameters
    ----------
    system : System
        In discrete time, scalar states.
    p : ndarray, shape (parameters, lanes)
    state : ndarray, shape (dimension, lanes)
    time : float
    period : ndarray of int, shape (lanes,)
        At least 1.
    """
    found = np.zeros(period.size, dtype=bool)
    for length in np.unique(period).tolist():
        lanes = np.flatnonzero(period == length)
        found[lanes] = _of_length(system, p[:, lanes], state[:, lanes], time, length)
    return found


def _of_length(system: System, p: Array, state: Array, time: float, length: int) -> Flags:
    field = functions_of(system).lane_field
    now, largest = state, np.abs(state).max(axis=0)
    for step in range(length):
        now = field(np.full(state.shape[1], time + step), now, p)
        largest = np.maximum(largest, np.abs(now).max(axis=0))
    moved = now - state
    shown = np.asarray(np.all(np.abs(moved) <= ROUNDING * length * largest, axis=0))
    open_ = np.flatnonzero(~shown)
    if open_.size:
        values = p[:, open_]

        def copied(times: Array, states: Array) -> Array:
            return field(times, states, np.tile(values, (1, states.shape[1] // values.shape[1])))

        shown[open_] = surely_stable(copied, state[:, open_], time, length)
    open_ = np.flatnonzero(~shown)
    if open_.size:
        shown[open_] = _drawn_in(system, p[:, open_], state[:, open_], moved[:, open_], largest[open_], time, length)
    return shown


def _drawn_in(system: System, p: Array, state: Array, moved: Array, largest: Array, time: float, length: int) -> Flags:
    """Direction by direction: what contracts has little left to go, what does not has not moved at all."""
    product, logarithm = monodromy(system, p, state, time, length)
    known = np.isfinite(logarithm)
    values, vectors = np.linalg.eig(np.swapaxes(product, 1, 2))
    with np.errstate(all="ignore"):
        multipliers = values * np.exp(np.where(known, logarithm, 0.0))[:, None]
        directions = np.swapaxes(vectors, 1, 2)
        along = np.abs(np.einsum("lij,jl->li", directions, moved))
        size = np.einsum("lij,jl->li", np.abs(directions), np.abs(state) + SMALL)
        contracting = np.abs(multipliers) < 1 - NEUTRAL
        close = contracting & (along <= CLOSE * size * np.abs(1 - multipliers))
        still = along <= ROUNDING * length * np.abs(directions).sum(axis=2) * largest[:, None]
    return np.asarray(known & np.all(close | still, axis=1))
