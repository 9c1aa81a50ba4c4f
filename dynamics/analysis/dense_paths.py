"""A trajectory as accepted steps, the dense solution of each, and what happened along it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Happening", "Path"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Happening:
    """An event that happened."""

    name: str
    time: float
    state: Array


@dataclass
class Path:
    """A trajectory: accepted steps, dense solution of each, events, and how it ended."""

    times: list[float] = field(default_factory=list)
    states: list[Array] = field(default_factory=list)
    pieces: list[tuple[float, float, Callable[[Any], Array]]] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    status: str = "completed"
    message: str = "reached the end of the interval"
    field_evaluations: int = 0
    jacobian_evaluations: int = 0

    def at(self, times: Array) -> Array:
        """Return the states at ``times``, shape (dimension, len(times)); at a reset the later value."""
        result = np.empty((self.states[0].size, len(times)))
        if not self.pieces:
            result[:] = self.states[0][:, None]
            return result
        if len(times) == 1:
            if times[0] >= self.times[-1]:
                return self.states[-1][:, None].copy()
            low, high, solution = self.pieces[max(bisect_right(self.pieces, times[0], key=lambda piece: piece[0]) - 1, 0)]
            result[:, 0] = solution(min(max(times[0], low), high))
            return result
        starts = np.array([low for low, _, _ in self.pieces])
        which = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)
        for number in np.unique(which):
            mask = which == number
            low, high, solution = self.pieces[number]
            result[:, mask] = solution(np.clip(times[mask], low, high))
        result[:, np.asarray(times) >= self.times[-1]] = self.states[-1][:, None]
        return result

    def append(self, part: Path) -> None:
        """Go on with another path that starts where this one ended."""
        first = 1 if self.times else 0
        self.times += part.times[first:]
        self.states += part.states[first:]
        self.pieces += part.pieces
        self.happenings += part.happenings
        self.status, self.message = part.status, part.message
        self.field_evaluations += part.field_evaluations
        self.jacobian_evaluations += part.jacobian_evaluations
