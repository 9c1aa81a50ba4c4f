"""Many orbits of one map at once, by compiled vector code: where they end, Lyapunov exponents, periods."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel, native_target
from dynamics.compiled.kernels.map_code import DIVERGED, MapLayout, MapProblem, map_text
from dynamics.compiled.kernels.scheduling import shared_out, thread_count
from dynamics.errors import SpecificationError

__all__ = ["DIVERGED", "MapEnds", "MapProblem", "iterate_maps", "map_width"]

Array = NDArray[np.float64]
SMALLEST_SHARE, LARGEST_SHARE, SHARES = 512, 8192, 8  # lanes of one piece of work; pieces for each thread
LARGEST_PAIR = 4                 # states: the numbers of two vectors still fit into the registers


@dataclass(frozen=True)
class MapEnds:
    """Where the orbit of each lane ends up.

    Attributes
    ----------
    status : ndarray of int, shape (lanes,)
        ``LaneStatus``: COMPLETED; DIVERGED, where a state beyond 1e12 became infinite; INVALID_STATE, where the map has
        no finite value.
    lyapunov : ndarray, shape (lanes,)
        Largest Lyapunov exponent per step; -inf where the derivative vanishes along the orbit, nan where it broke or
        was not asked for.
    period : ndarray of int, shape (lanes,)
        Smallest period up to the longest looked for; 0 where there is none, -1 where the orbit broke.
    final_state : ndarray, shape (dimension, lanes)
        After the steps that are measured; the last finite one where the orbit broke before.
    """

    status: NDArray[np.int64]
    lyapunov: Array
    period: NDArray[np.int64]
    final_state: Array


def iterate_maps(problem: MapProblem, initial_state: ArrayLike, parameters: ArrayLike, steps: int, *, discard: int = 0,
                 longest_period: int = 64, tolerance: float = 1e-8, lyapunov: bool = True, threads: int | None = 1,
                 width: int | None = None) -> MapEnds:
    """Iterate every lane to its attractor; measure the largest Lyapunov exponent and look for a period.

    The result of a lane is the same to the last bit whatever the number of lanes, threads and vector elements.

    Parameters
    ----------
    problem : MapProblem
    initial_state : array_like, shape (dimension, lanes) or (dimension,)
        One column per lane, or one state for all.
    parameters : array_like, shape (parameters, lanes) or (parameters,)
    steps, discard : int
        Steps measured, and steps before them.
    longest_period : int
    tolerance : float
        An orbit is back where every state x is within ``tolerance * (|x| + 0.01)``.
    lyapunov : bool
        Without it the exponent is nan and its work is saved.
    threads : int, optional
        None: one for each processor.
    width : int, optional
        Lanes that advance together; None: one or two vectors of this processor.

    Returns
    -------
    MapEnds

    Raises
    ------
    SpecificationError
        If shapes do not fit, or a number of steps is negative.
    IntegrationError
        If llvmlite is not installed.

    Notes
    -----
    One tangent vector is carried along with the exact derivative; its binary exponent is taken off now and then, so that
    it neither grows nor vanishes and no logarithm is needed on the way.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, r = Symbol("x"), Symbol("r")
    >>> ends = iterate_maps(MapProblem((x,), (r,), (r * x * (1 - x),)), [0.3], [[2.5, 3.2, 3.5]], 1000, discard=1000)
    >>> ends.period.tolist()
    [1, 2, 4]
    >>> bool(abs(ends.lyapunov[0] + 0.6931471805599453) < 1e-9)
    True
    """
    for name, number in (("steps", steps), ("discard", discard), ("longest_period", longest_period)):
        if number < 0:
            raise SpecificationError(f"iterate_maps: {name} = {number} must not be negative")
    width = width or map_width(problem)
    layout = MapLayout(len(problem.states), len(problem.parameters))
    given, lanes = _columns(layout, initial_state, parameters)
    attract = _compiled(problem, width, lyapunov)
    options = np.array([tolerance, 1e-2])
    ends = MapEnds(np.empty(lanes, dtype=np.int64), np.full(lanes, np.nan), np.empty(lanes, dtype=np.int64),
                   np.empty((layout.dimension, lanes)))

    def work(first: int, last: int) -> None:
        # what is done to the arrays of a share is done in its thread too, while they are in the processor's cache
        data = np.zeros((layout.rows, -(-(last - first) // width) * width))
        # what fills up the last vector is in no state at all, so that it takes no part
        data[:layout.dimension, last - first:] = np.nan
        data[:layout.dimension, :last - first] = given[0][:, first:last]
        data[layout.dimension: layout.status, :last - first] = given[1][:, first:last]
        attract(data.shape[1], data.shape[1], discard, steps, longest_period, data.ctypes.data, options.ctypes.data)
        _finish(ends, slice(first, last), layout, data[:, :last - first], steps if lyapunov else None)

    share = min(LARGEST_SHARE, max(SMALLEST_SHARE, -(-lanes // (SHARES * thread_count(threads) * width)) * width))
    shared_out(work, lanes, -(-share // width) * width, threads)
    return ends


def map_width(problem: MapProblem) -> int:
    """Return the lanes that advance together: two native vectors, whose instructions fill each other's waiting times."""
    return native_target().width * (2 if len(problem.states) <= LARGEST_PAIR else 1)


@functools.lru_cache(maxsize=128)
def _compiled(problem: MapProblem, width: int, lyapunov: bool) -> Callable[..., Any]:
    import ctypes

    kernel = compile_kernel(map_text(problem, width, lyapunov))
    return kernel.function("attract", [ctypes.c_int64] * 5 + [ADDRESS, ADDRESS])


def _columns(layout: MapLayout, initial_state: ArrayLike, parameters: ArrayLike) -> tuple[list[Array], int]:
    """Return states and parameters, shapes (dimension, lanes) and (parameters, lanes), and the number of lanes."""
    given = []
    for name, values, rows in (("initial_state", initial_state, layout.dimension),
                               ("parameters", parameters, layout.parameters)):
        array = np.asarray(values, dtype=float)
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or array.shape[0] != rows:
            raise SpecificationError(f"iterate_maps: {name} has shape {np.shape(values)}, expected ({rows}, lanes) or "
                                     f"({rows},)")
        given.append(array)
    counts = {a.shape[1] for a in given if a.shape[0] and a.shape[1] != 1} or {1}
    if len(counts) > 1:
        raise SpecificationError(f"iterate_maps: initial_state has {given[0].shape[1]} lanes, parameters have "
                                 f"{given[1].shape[1]}")
    lanes = counts.pop()
    return [np.broadcast_to(a, (a.shape[0], lanes)) for a in given], lanes


def _finish(ends: MapEnds, where: slice, layout: MapLayout, data: Array, steps: int | None) -> None:
    """Put the results of some lanes into their places; without ``steps`` there are no exponents."""
    period = data[layout.period].astype(np.int64)
    if steps is not None:
        size = data[layout.size]
        beginning = np.log(np.sqrt(float(layout.dimension)))
        with np.errstate(all="ignore"):
            grown = data[layout.exponent] * np.log(2.0) + np.log(size) - beginning
        ends.lyapunov[where] = np.where(period < 0, np.nan, np.where(size == 0.0, -np.inf, grown / max(steps, 1)))
    ends.period[where] = period
    ends.status[where] = data[layout.status]
    ends.final_state[:, where] = data[:layout.dimension]
