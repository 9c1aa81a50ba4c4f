"""Many trajectories of one small differential equation at once, each with its own adaptive step.

A *lane* is one trajectory: one column of arrays of shape (dimension, lanes), with its own parameters, step size, events
and status. Phase diagrams and threshold curves run on this engine. Only elementwise operations touch the numbers, so
the result of a lane is the same to the last bit whichever lanes run beside it.

Compiled flows (``dynamics.compiled.kernels.flows``) do the same some hundred times faster where llvmlite is installed and
the system is small enough to be written out; this engine serves all others, and is what compiled flows are checked by.

The method is Rodas5P (``dynamics.compiled.rosenbrock``). On fields with kinks (``max``, ``abs``) the error estimate
makes the steps small where a kink is crossed; below a relative tolerance of 1e-7 that costs many steps, and a threshold
wanted to more digits is better computed by the scalar route, which restarts at the kink.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics.compiled.lane_problems import LaneProblem, LaneResult, LaneStatus, join_lanes, take_lanes
from dynamics.compiled.lane_steps import Control, advance, start
from dynamics.errors import SpecificationError

__all__ = ["LaneProblem", "LaneResult", "LaneStatus", "integrate_lanes"]

BLOCK = 4096  # lanes advanced together: their stages fit into a core's cache


def _whole(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise SpecificationError(f"integrate_lanes: {name} has {array.ndim} dimensions, expected (rows, lanes)")
    return array


def integrate_lanes(
    problem: LaneProblem,
    initial_state: ArrayLike,
    parameters: ArrayLike,
    duration: ArrayLike,
    *,
    relative_tolerance: float = 1e-6,
    absolute_tolerance: ArrayLike = 1e-9,
    max_steps: int = 100_000,
    divergence: float = 1e12,
    initial_time: ArrayLike = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> LaneResult:
    """Integrate every lane from its initial state over its duration, each with its own adaptive step.

    Parameters
    ----------
    problem : LaneProblem
    initial_state : array_like, shape (dimension, lanes) or (dimension,)
        One column per lane, or one state for all.
    parameters : array_like, shape (parameters, lanes) or (parameters,)
        One column per lane, or one set for all; may have no rows.
    duration : array_like, scalar or shape (lanes,)
        Not negative.
    relative_tolerance : float
    absolute_tolerance : array_like, scalar or shape (dimension,)
        A step is accepted when the root mean square of its error, each state in units of
        ``absolute + relative * |state|``, is at most 1.
    max_steps : int
        Limit on accepted and rejected steps together.
    divergence : float
        A lane with a state beyond this has diverged; so has one whose step underflows beyond its square root.
    initial_time : array_like, scalar or shape (lanes,)
    progress : callable, optional
        Called as ``progress(ended, lanes)`` whenever lanes have ended.

    Returns
    -------
    LaneResult

    Raises
    ------
    SpecificationError
        If shapes do not fit, a duration is negative, or a tolerance is not positive.

    Notes
    -----
    A lane never raises: how it ended is its status. A field, a Jacobian or a state that is not finite makes a step
    fail and shrink; a lane that cannot go on is ``INVALID_STATE``, and its final state is the last good one. Times of
    events and values at turning points come from the continuous solution, whose error is of the size of the tolerance.

    Examples
    --------
    Two decays, one twice as fast, stopped where they have halved:

    >>> import numpy as np
    >>> halving = LaneProblem(
    ...     field=lambda t, y, p: -p * y,
    ...     jacobian=lambda t, y, p: -p[None] * np.ones_like(y),
    ...     events=lambda t, y, p: y - 0.5, directions=(-1,), terminal=(True,))
    >>> result = integrate_lanes(halving, [1.0], [[1.0, 2.0]], 10.0)
    >>> bool(np.allclose(result.final_time, np.log(2.0) / np.array([1.0, 2.0]), rtol=1e-5))
    True
    >>> result.status.tolist() == [LaneStatus.EVENT, LaneStatus.EVENT]
    True
    """
    state, values = _whole("initial_state", initial_state), _whole("parameters", parameters)
    length, origin = np.atleast_1d(np.asarray(duration, float)), np.atleast_1d(np.asarray(initial_time, float))
    try:
        (lanes,) = np.broadcast_shapes(state.shape[1:], values.shape[1:], length.shape, origin.shape)
    except ValueError:
        raise SpecificationError(
            f"integrate_lanes: initial_state {state.shape}, parameters {values.shape}, duration {length.shape} and "
            f"initial_time {origin.shape} do not have the same number of lanes (their last axis)"
        ) from None
    tolerance = np.asarray(absolute_tolerance, float)
    if not (relative_tolerance > 0.0 and (tolerance > 0.0).all()):
        raise SpecificationError("integrate_lanes: relative_tolerance and absolute_tolerance must be positive")
    if tolerance.ndim and tolerance.shape != (len(state),):
        raise SpecificationError(
            f"integrate_lanes: absolute_tolerance has shape {tolerance.shape}, expected one number or {(len(state),)}"
        )
    if not (length >= 0.0).all():
        raise SpecificationError("integrate_lanes: duration must not be negative; to go back in time negate the field")
    control = Control(
        relative_tolerance, np.broadcast_to(tolerance, (len(state),))[:, None], int(max_steps), float(divergence)
    )
    begin = np.broadcast_to(origin, (lanes,)).copy()
    state = np.broadcast_to(state, (len(state), lanes))
    values = np.broadcast_to(values, (len(values), lanes))
    stop = begin + length

    results: list[LaneResult] = []
    ended = 0
    with np.errstate(all="ignore"):
        for first in range(0, max(lanes, 1), BLOCK):
            part = slice(first, first + BLOCK)
            block = start(problem, begin[part], state[:, part].copy(), values[:, part].copy(), stop[part], control)
            finished: list[tuple[NDArray[np.intp], LaneResult]] = []
            while block.lane.size:
                over = np.flatnonzero(block.record.status >= 0)
                if over.size:
                    finished.append((block.lane.take(over), take_lanes(block.record, over)))
                    block = block.take(np.flatnonzero(block.record.status < 0))
                    ended += over.size
                    if progress is not None:
                        progress(ended, lanes)
                else:
                    advance(problem, block, control)
            order = np.argsort(np.concatenate([block.lane, *(lane for lane, _ in finished)]))
            results.append(take_lanes(join_lanes([block.record, *(record for _, record in finished)]), order))
    return join_lanes(results)
