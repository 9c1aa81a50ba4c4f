"""The field of a flow, its Jacobian and the levels of its events at many states at once, for scalar and indexed systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["LaneFlow"]

Array = NDArray[np.float64]
DIFFERENCE = 6e-6  # the cube root of rounding: the best step of a central difference, relative to a state
FLOOR = 0.01       # size, by the largest state of a lane, below which a state's step is no longer a share of itself


class LaneFlow:
    """An autonomous flow. Times are zero; states have shape (dimension, lanes).

    Parameters
    ----------
    system : System
        Continuous time. An indexed one has its own parameter values in every lane, whatever ``p`` says.
    events : sequence of str
        Those whose levels are asked for.

    Examples
    --------
    >>> import dynamics as dy
    >>> flow = LaneFlow(dy.System(name="wells", states={"x": 0}, equations={"x": "x - x**3"}))
    >>> flow.jacobian(np.array([[0.0, 1.0]]), np.empty((0, 2))).tolist()
    [[[1.0]], [[-2.0]]]
    """

    def __init__(self, system: System, events: Sequence[str] = ()) -> None:
        functions = functions_of(system)
        self.exact = functions.jacobian is not None
        self._functions = functions
        if functions.indexed:
            self._values = functions.parameters(system)
            rows = [list(system.events).index(name) for name in events]
            self._field = self._one_by_one(functions.field, functions.dimension)
            self._levels = self._one_by_one(lambda t, y, p: functions.events(t, y, p)[rows], len(rows))
        else:
            self._field = functions.lane_field
            self._levels = functions.lane_function([system._parsed.events[name][0] for name in events])

    def _one_by_one(self, function: Callable[..., Array], count: int) -> Callable[[Array, Array, Array], Array]:
        def lanes(time: Array, y: Array, p: Array) -> Array:
            found = np.empty((count, y.shape[1]))
            for k in range(y.shape[1] if count else 0):
                found[:, k] = function(0.0, y[:, k], self._values)
            return found

        return lanes

    def field(self, y: Array, p: Array) -> Array:
        """Return rates, shape (dimension, lanes)."""
        return self._field(np.zeros(y.shape[1]), y, p)

    def levels(self, y: Array, p: Array) -> Array:
        """Return the levels of the events, shape (events, lanes)."""
        return self._levels(np.zeros(y.shape[1]), y, p)

    def jacobian(self, y: Array, p: Array) -> Array:
        """Return Jacobians, shape (lanes, dimension, dimension): exact, or by central differences."""
        if self.exact:
            return self._functions.lane_jacobian(np.zeros(y.shape[1]), y, p).transpose(2, 0, 1)
        largest = np.abs(y).max(axis=0)
        step = DIFFERENCE * (np.abs(y) + FLOOR * np.where(largest > 0, largest, 1.0))
        columns: list[Any] = []
        for row, size in enumerate(step):
            ahead, behind = y.copy(), y.copy()
            ahead[row] += size
            behind[row] -= size
            columns.append((self.field(ahead, p) - self.field(behind, p)) / (ahead[row] - behind[row]))
        return np.stack(columns).transpose(2, 1, 0)
