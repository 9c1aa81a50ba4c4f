"""What the lane engine integrates and what it gives back: one equation written for arrays, one record per lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import SpecificationError

__all__ = ["LaneProblem", "LaneResult", "LaneStatus", "join_lanes", "take_lanes"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
LaneFunction = Callable[[Array, Array, Array], Array]


class LaneStatus(IntEnum):
    """How the trajectory of a lane ended."""

    COMPLETED = 0
    EVENT = 1
    DIVERGED = 2
    STEP_LIMIT = 3
    INVALID_STATE = 4
    STEP_UNDERFLOW = 5
    SETTLED = 6


@dataclass(frozen=True)
class LaneProblem:
    """One differential equation, written for arrays of lanes.

    Every function takes ``(t, y, p)`` with ``t`` of shape (lanes,), ``y`` (dimension, lanes) and ``p``
    (parameters, lanes), must be elementwise over lanes, and must not change its arguments.

    Attributes
    ----------
    field : callable
        Right-hand side, shape (dimension, lanes).
    jacobian : callable
        Its exact derivative by the state, shape (dimension, dimension, lanes).
    events : callable, optional
        Event functions, shape (events, lanes); an event is a zero.
    directions : tuple of int
        One per event: -1 falling, 1 rising, 0 both.
    terminal : tuple of bool
        One per event: whether it ends the trajectory.
    running : callable, optional
        Quantities whose maximum and minimum along the trajectory are wanted, shape (quantities, lanes).
    settled : callable, optional
        Whether the state counts as settled, bool of shape (lanes,); the trajectory ends when this holds at
        ``settle_hits`` consecutive steps.
    time_derivative : callable, optional
        Partial derivative of the field by time, shape (dimension, lanes). A field that depends on time needs it:
        without it the order drops (the error estimate still holds the tolerance, with more steps).
    settle_hits : int
        Consecutive settled steps that end a trajectory.
    """

    field: LaneFunction
    jacobian: LaneFunction
    events: LaneFunction | None = None
    directions: tuple[int, ...] = ()
    terminal: tuple[bool, ...] = ()
    running: LaneFunction | None = None
    settled: Callable[[Array, Array, Array], Flags] | None = None
    time_derivative: LaneFunction | None = None
    settle_hits: int = 3

    def __post_init__(self) -> None:
        faults = []
        if len(self.directions) != len(self.terminal):
            faults.append(f"{len(self.directions)} directions but {len(self.terminal)} terminal flags: one per event")
        if any(direction not in (-1, 0, 1) for direction in self.directions):
            faults.append(f"directions {self.directions}: each is -1 (falling), 1 (rising) or 0 (both)")
        if self.events is None and self.directions:
            faults.append("directions are given but no event functions: pass events")
        if self.events is not None and not self.directions:
            faults.append("event functions without directions: give one direction and one terminal flag per event")
        if self.settle_hits < 1:
            faults.append(f"settle_hits = {self.settle_hits}: at least 1")
        if faults:
            raise SpecificationError("LaneProblem: " + "; ".join(faults), faults)


@dataclass(frozen=True)
class LaneResult:
    """The end of every trajectory and what was recorded on the way; the last axis is the lane.

    Attributes
    ----------
    final_time : ndarray, shape (lanes,)
    final_state : ndarray, shape (dimension, lanes)
    status : ndarray of int8, shape (lanes,)
        Codes of ``LaneStatus``.
    event_index : ndarray of int, shape (lanes,)
        The terminal event that ended the trajectory, -1 if none did.
    event_time : ndarray, shape (events, lanes)
        First time of each event, NaN where it did not happen.
    event_counts : ndarray of int, shape (events, lanes)
        How often each event happened.
    maximum, minimum : ndarray, shape (quantities, lanes)
        Extremes of the running quantities, up to the final time; values that are not numbers are passed over.
    drawdown : ndarray, shape (quantities, lanes)
        Largest fall of each running quantity from an earlier maximum.
    final_running : ndarray, shape (quantities, lanes)
        The running quantities at the final state.
    steps, rejected : ndarray of int, shape (lanes,)
        Accepted and rejected steps.
    """

    final_time: Array
    final_state: Array
    status: NDArray[np.int8]
    event_index: NDArray[np.int64]
    event_time: Array
    event_counts: NDArray[np.int64]
    maximum: Array
    minimum: Array
    drawdown: Array
    final_running: Array
    steps: NDArray[np.int64]
    rejected: NDArray[np.int64]


def take_lanes(record: LaneResult, kept: NDArray[np.intp]) -> LaneResult:
    """Return the result of the given lanes, in that order."""
    return LaneResult(*(getattr(record, part.name).take(kept, axis=-1) for part in fields(record)))


def join_lanes(records: list[LaneResult]) -> LaneResult:
    """Return one result with the lanes of all, in order."""
    return LaneResult(
        *(np.concatenate([getattr(record, part.name) for record in records], axis=-1) for part in fields(LaneResult))
    )
