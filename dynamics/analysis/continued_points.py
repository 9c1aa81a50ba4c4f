"""Fixed points at many parameter sets where algebra finds none: those of the current parameters, carried there.

Every lane goes its own straight way through parameter space, in steps that Newton's method chooses, so that its point does
not depend on the lanes beside it. A lane whose point ends on the way (at a fold) has none.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.equilibria import fixed_points
from dynamics.compiled.functions import functions_of
from dynamics.errors import DerivationError
from dynamics.systems import System

__all__ = ["carried", "starting_rests"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
FIRST, LEAST, TURNS, CLOSE = 0.25, 2.0**-12, 8, 1e-10


@functools.lru_cache(maxsize=32)
def starting_rests(system: System) -> tuple[tuple[float, ...], ...]:
    """States of the isolated fixed points at the current parameters.

    Raises
    ------
    DerivationError
        If none was found.
    """
    points = [tuple(point.values[name] for name in system.states) for point in fixed_points(system) if not point.free]
    found = tuple(point for point in points if np.isfinite(point).all())
    if not found:
        raise DerivationError(f"no fixed points of '{system.name}' were found at its current parameters, from which those at"
                              " others could be followed; give initial_state")
    return found


def carried(system: System, rest: tuple[float, ...], p: Array) -> Array:
    """Follow one fixed point from the current parameters to those of each lane.

    Parameters
    ----------
    system : System
        Scalar, autonomous; flow or map.
    rest : tuple of float
    p : ndarray, shape (parameters, lanes)

    Returns
    -------
    ndarray, shape (dimension, lanes)
        nan where the point ended on the way.

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> system = dy.System(name="well", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a - x**2"})
    >>> carried(system, (1.0,), np.array([[4.0, 0.25, -1.0]])).round(9).tolist()
    [[2.0, 0.5, nan]]
    """
    functions = functions_of(system)
    begin, lanes = np.array(functions.parameters(system), dtype=float)[:, None], p.shape[1]
    state = np.repeat(np.array(rest, dtype=float)[:, None], lanes, axis=1)
    # a state may pass through zero, or stay there
    scale = np.maximum(np.abs(state[:, :1]), np.abs(functions.initial_state(system))[:, None])
    scale[scale == 0] = 1.0
    share, step = np.zeros(lanes), np.full(lanes, FIRST)
    while (going := np.flatnonzero((share < 1) & (step >= LEAST))).size:
        aim = np.minimum(1.0, share[going] + step[going])
        there = np.where(aim == 1, p[:, going], begin + aim * (p[:, going] - begin))
        fresh, reached = _corrected(system, state[:, going], there, scale)
        there_now = going[reached]
        state[:, there_now], share[there_now] = fresh[:, reached], aim[reached]
        step[going] *= np.where(reached, 2.0, 0.5)
    return np.where(share == 1, state, np.nan)


def _corrected(system: System, start: Array, p: Array, scale: Array) -> tuple[Array, Flags]:
    """Newton's method in each lane; reached where the first step is small and every other at most half of the one before."""
    functions, size = functions_of(system), start.shape[0]
    discrete = system.time == "discrete"
    identity = np.eye(size) if discrete else 0.0
    state, last = start.copy(), np.full(start.shape[1], np.inf)
    going, reached = np.ones(start.shape[1], dtype=bool), np.zeros(start.shape[1], dtype=bool)
    for turn in range(TURNS):
        lanes = np.flatnonzero(going)
        if not lanes.size:
            break
        here, time = state[:, lanes], np.zeros(lanes.size)
        with np.errstate(all="ignore"):
            residual = functions.lane_field(time, here, p[:, lanes]) - (here if discrete else 0.0)
            matrix = functions.lane_jacobian(time, here, p[:, lanes]).transpose(2, 0, 1) - identity
            usable = np.isfinite(residual).all(axis=0) & (np.abs(np.linalg.det(matrix)) > 0)
            update = np.full_like(here, np.nan)
            update[:, usable] = -np.linalg.solve(matrix[usable], residual.T[usable][..., None])[..., 0].T
            length = np.max(np.abs(update) / (scale + np.abs(here)), axis=0)
        # a long first step may end on another branch
        good = usable & np.isfinite(length) & (length < (0.1 if turn == 0 else 0.5 * last[lanes]))
        done = usable & (length <= CLOSE)
        state[:, lanes[good | done]] += update[:, good | done]
        last[lanes] = length
        reached[lanes[done]] = True
        going[lanes[done | ~good]] = False
    return state, reached
