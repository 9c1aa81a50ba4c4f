"""Many trajectories of one differential equation at once, by compiled vector code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics.compiled.kernels.flow_code import METHODS, flow_code, layout_of, native_width
from dynamics.compiled.kernels.flow_problems import FlowProblem
from dynamics.compiled.kernels.lane_rows import RUNNING, STIFF, Layout
from dynamics.compiled.kernels.scheduling import advance_lanes
from dynamics.compiled.lane_problems import LaneResult
from dynamics.errors import SpecificationError

__all__ = ["FlowProblem", "integrate_flows"]

Array = NDArray[np.float64]
APART = 256  # doubles


def integrate_flows(
    problem: FlowProblem, initial_state: ArrayLike, parameters: ArrayLike, duration: ArrayLike, *,
    relative_tolerance: float = 1e-6, absolute_tolerance: ArrayLike = 1e-9, max_steps: int = 100_000,
    divergence: float = 1e12, initial_time: ArrayLike = 0.0, method: str = "auto", threads: int | None = 1,
    width: int | None = None, progress: Callable[[int, int], None] | None = None,
) -> LaneResult:
    """Integrate every lane from its initial state over its duration, each with its own adaptive step.

    The result of a lane is the same to the last bit whatever the number of lanes, threads and vector elements.

    Parameters
    ----------
    problem : FlowProblem
    initial_state : array_like, shape (dimension, lanes) or (dimension,)
        One column per lane, or one state for all.
    parameters : array_like, shape (parameters, lanes) or (parameters,)
    duration : array_like, scalar or shape (lanes,)
        Not negative.
    relative_tolerance : float
    absolute_tolerance : array_like, scalar or shape (dimension,)
        A step is accepted when the root mean square of its error, each state in units of
        ``absolute + relative * |state|``, is at most 1.
    max_steps : int
        Limit on accepted and rejected steps together.
    divergence : float
        A lane with a state beyond this has diverged.
    initial_time : array_like, scalar or shape (lanes,)
    method : {"auto", "tsit5", "rodas5p"}
        ``auto``: Tsit5, and Rodas5P from where a lane turns out to be stiff.
    threads : int, optional
        None: one for each processor.
    width : int, optional
        Lanes that advance together; None: one or, of many lanes, two vectors of this processor.
    progress : callable, optional
        Called as ``progress(ended, lanes)`` whenever lanes have ended.

    Returns
    -------
    LaneResult

    Raises
    ------
    SpecificationError
        If shapes do not fit, a duration is negative, a tolerance is not positive, or the method is unknown.
    MissingExtraError
        If llvmlite is not installed.

    Notes
    -----
    A lane never raises: how it ended is its status (``LaneStatus``). An event, and a border between the cases of a field,
    ends a step; so the order of the method is kept on fields with ``max``, ``min`` and ``if``.

    Examples
    --------
    >>> import numpy as np
    >>> from sympy import Rational, Symbol
    >>> y, rate = Symbol("y"), Symbol("rate")
    >>> halving = FlowProblem((y,), (rate,), (-rate * y,), (y - Rational(1, 2),), (-1,), (True,))
    >>> result = integrate_flows(halving, [1.0], [[1.0, 2.0]], 10.0)
    >>> bool(np.allclose(result.final_time, np.log(2.0) / np.array([1.0, 2.0]), rtol=1e-5))
    True
    """
    if method != "auto" and method not in METHODS:
        raise SpecificationError(f"method must be 'auto', {' or '.join(map(repr, METHODS))}, not {method!r}")
    layout, size = layout_of(problem), len(problem.states)
    data, lanes = _filled(problem, layout, width or native_width(size), initial_state, parameters, duration, initial_time)
    tolerance = np.asarray(absolute_tolerance, float)
    if not (relative_tolerance > 0.0 and (tolerance > 0.0).all()):
        raise SpecificationError("integrate_flows: relative_tolerance and absolute_tolerance must be positive")
    if tolerance.ndim and tolerance.shape != (layout.dimension,):
        raise SpecificationError(f"integrate_flows: absolute_tolerance has shape {tolerance.shape}, expected one number or "
                                 f"{(layout.dimension,)}")
    options = np.concatenate([[relative_tolerance, max_steps, divergence, np.sqrt(divergence)],
                              np.broadcast_to(tolerance, (layout.dimension,))])
    code = flow_code(problem, "rodas5p" if method == "rodas5p" else "tsit5", width or native_width(size, lanes),
                     method == "auto")
    code.prepare(data.shape[1], data.ctypes.data, data.shape[1], options.ctypes.data)
    ended = 0

    def report(count: int) -> None:
        nonlocal ended
        ended += count
        if progress is not None:
            progress(min(ended, lanes), lanes)

    status = data[layout.row("status")]
    going = np.flatnonzero(status[:lanes] == RUNNING)
    report(lanes - going.size)
    advance_lanes(code, data, going, options, threads=threads, progress=None if progress is None else report)
    stiff = np.flatnonzero(status[:lanes] == STIFF)
    if stiff.size:
        ended -= stiff.size
        status[stiff] = RUNNING
        code = flow_code(problem, "rodas5p", width or native_width(size, stiff.size), True)
        advance_lanes(code, data, stiff, options, threads=threads, progress=None if progress is None else report)
    return _result(layout, data[:, :lanes])


def _whole(name: str, values: ArrayLike, rows: int) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[0] != rows:
        raise SpecificationError(f"integrate_flows: {name} has shape {np.shape(values)}, expected ({rows}, lanes) or "
                                 f"({rows},)")
    return array


def _filled(problem: FlowProblem, layout: Layout, width: int, initial_state: ArrayLike, parameters: ArrayLike,
            duration: ArrayLike, initial_time: ArrayLike) -> tuple[Array, int]:
    """Return the rows of all lanes, filled up to whole vectors, and how many lanes are asked for."""
    state = _whole("initial_state", initial_state, layout.dimension)
    values = _whole("parameters", parameters, layout.parameters)
    length, origin = np.atleast_1d(np.asarray(duration, float)), np.atleast_1d(np.asarray(initial_time, float))
    try:
        (lanes,) = np.broadcast_shapes(state.shape[1:], values.shape[1:], length.shape, origin.shape)
    except ValueError:
        raise SpecificationError(
            f"integrate_flows: initial_state {state.shape}, parameters {values.shape}, duration {length.shape} and "
            f"initial_time {origin.shape} do not have the same number of lanes (their last axis)") from None
    if not (length >= 0.0).all():
        raise SpecificationError("integrate_flows: duration must not be negative; to go back in time negate the field")
    columns = -(-max(lanes, 1) // width) * width
    # rows that are a power of two apart would all want the same few lines of the cache
    data = np.zeros((layout.size, columns + width * (columns % APART == 0)))
    data[layout.row("time"), :lanes] = origin
    data[layout.rows("state"), :lanes] = state
    data[layout.row("stop"), :lanes] = origin + length
    data[layout.rows("parameter"), :lanes] = values
    data[layout.row("error")] = 1.0
    data[layout.row("event")] = -1.0
    data[layout.rows("first")] = np.nan
    return data, lanes


def _result(layout: Layout, data: Array) -> LaneResult:
    def row(name: str) -> Array:
        return data[layout.row(name)].copy()

    def rows(name: str) -> Array:
        return data[layout.rows(name)].copy()

    return LaneResult(
        final_time=row("time"), final_state=rows("state"), status=row("status").astype(np.int8),
        event_index=row("event").astype(np.int64), event_time=rows("first"), event_counts=rows("count").astype(np.int64),
        maximum=rows("maximum"), minimum=rows("minimum"), drawdown=rows("fall"),
        final_running=rows("last"),
        steps=row("steps").astype(np.int64), rejected=row("rejected").astype(np.int64))
