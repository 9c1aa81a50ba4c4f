"""Closed forms at many parameter sets, where they lie on a border or at special parameter values: do they rest there?

A closed form is derived in a regime that is closed, for parameters that are generic. On a border the equations as they are
written may be those of the other side, and at special values others than the ones that were solved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.closed_forms import Candidate, Side
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import System

__all__ = ["growth_on_borders", "is_rest", "on_border", "special_lanes"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
BORDER = 1e-12   # of conditions, and of what was taken not to be zero: rounding of parameters and closed forms
JUMP = 1e-6      # a speed, by the fastest rate and the size of the state: roots of what rounding leaves are slower


def special_lanes(functions: SystemFunctions, assumed: tuple[object, ...], p: Array) -> Flags:
    """Return where something vanishes that was taken not to be zero; what is not real there does not vanish."""
    lanes = p.shape[1]
    if not assumed:
        return np.zeros(lanes, dtype=bool)
    nowhere = np.zeros((functions.dimension, lanes))
    with np.errstate(all="ignore"):
        values = functions.lane_function(list(assumed))(np.zeros(lanes), nowhere, p)
    return np.asarray(np.any((np.abs(values) <= BORDER) | np.isinf(values), axis=0))


def on_border(functions: SystemFunctions, candidate: Candidate, point: Array, p: Array) -> Flags:
    """Return where a closed form lies on a border of its regime."""
    if not candidate.conditions:
        return np.zeros(p.shape[1], dtype=bool)
    with np.errstate(all="ignore"):
        margins = functions.lane_function(list(candidate.conditions))(np.zeros(p.shape[1]), point, p)
    return np.asarray(np.any(np.abs(margins) <= BORDER, axis=0))


def is_rest(system: System, point: Array, p: Array, fastest: Array) -> Flags:
    """Return where the equations as they are written do not move a state."""
    with np.errstate(all="ignore"):
        speed = functions_of(system).lane_field(np.zeros(p.shape[1]), point, p)
        speed = speed - point if system.time == "discrete" else speed
        return np.asarray(np.all(np.abs(speed) <= _least(point, fastest), axis=0))


def _least(point: Array, fastest: Array) -> Array:
    """Speeds that are none; where there is no rate a state moves by its size in one unit of time."""
    return JUMP * np.where(fastest > 0, fastest, 1.0) * (1 + np.abs(point))


def growth_on_borders(system: System, candidate: Candidate, point: Array, p: Array, growth: Array, lanes: Flags,
                      fastest: Array) -> Array:
    """Return the growth rates with those of lanes on a border judged from the other sides, too.

    Infinite where the equations jump, and the other side surely leads away. Of one state of a flow, whose sides do not
    mix, the largest of all sides.

    Parameters
    ----------
    system : System
    candidate : Candidate
    point : ndarray, shape (dimension, lanes)
    p : ndarray, shape (parameters, lanes)
    growth : ndarray, shape (lanes,)
        Of the candidate's own side.
    lanes : ndarray of bool, shape (lanes,)
        Which lie on a border.
    fastest : ndarray, shape (lanes,)
        Of the rates there, by which a speed is judged.
    """
    chosen = np.flatnonzero(lanes)
    if candidate.free or not chosen.size:
        return growth
    found = growth.copy()
    for side in candidate.sides:
        found[chosen] = np.maximum(found[chosen], _seen_from(
            system, side, candidate, point[:, chosen], p[:, chosen], fastest[chosen]))
    return found


def _seen_from(system: System, side: Side, candidate: Candidate, point: Array, p: Array, fastest: Array) -> Array:
    """Growth on another side; -inf where that side does not reach the point, or decides nothing."""
    functions, states, zero = functions_of(system), list(candidate.state), np.zeros(p.shape[1])
    growth = np.full(p.shape[1], -np.inf)
    with np.errstate(all="ignore"):
        margins = functions.lane_function(list(side.conditions))(zero, point, p)
        speed = functions.lane_function(list(side.fields))(zero, point, p)
        speed = speed - point if system.time == "discrete" else speed
        reached = np.all(margins >= -BORDER, axis=0)
        if not reached.any():
            return growth
        matrix = jacobian_matrix(side.conditions, states)
        inward = functions.lane_function(list(matrix))(zero, point, p).reshape(len(side.conditions), len(states), -1)
        active = (np.abs(margins) <= BORDER) & np.any(inward != 0, axis=1)
        jumps = reached & active.any(axis=0) & np.any(np.abs(speed) > _least(point, fastest), axis=0)
        away = np.all(~active | (np.sum(inward * speed, axis=1) > 0), axis=0) | (system.time == "discrete")
        growth[jumps & away] = np.inf
        if len(states) == 1 and system.time == "continuous":
            slope = functions.lane_function(list(jacobian_matrix(side.fields, states)))(zero, point, p)[0]
            kinks = reached & ~jumps & active.any(axis=0) & np.isfinite(slope)
            growth[kinks] = slope[kinks]
    return growth
