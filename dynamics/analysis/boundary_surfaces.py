"""Surfaces at which a basin ends without an unstable state: those of events, and switches at which the field jumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import DIRECTIONS
from dynamics.analysis.paths import follow
from dynamics.analysis.start_sides import begins_beyond, crossed_by_jump
from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["ACCURATE", "EventSurfaces", "dividing_switch", "smooth_at"]

Array = NDArray[np.float64]
ACCURATE = (1e-10, 1e-12)  # relative and absolute tolerance of the trajectories beside a boundary
ON_SURFACE = 1e-6  # of the largest level of the event along the way: beyond the width of the pair, and far from a miss
# The fields on two sides of a switch differ by no more than rate times distance where the field is continuous. The two
# states are about 1e-11 of their size apart, so that a jump exceeds that by ten orders; a kink stays below 1.
JUMP = 1e3
STEP = 1e-6  # relative step along the flow that says to which side it leads


class EventSurfaces:
    """The events that end the trajectories of a system: those that are asked for, and every terminal one.

    Parameters
    ----------
    system : System
        Continuous time.
    asked : sequence of str
    """

    def __init__(self, system: System, asked: Sequence[str]) -> None:
        self.system, self.functions = system, functions_of(system)
        self.p = self.functions.parameters(system)
        events = system.events
        self.names = [name for name, part in events.items() if part.terminal or name in asked]
        self.rows = [list(events).index(name) for name in self.names]
        self.directions = np.array([DIRECTIONS[events[name].direction] for name in self.names], dtype=float)

    def _levels(self, state: Array) -> Array:
        """Levels of a state of shape (dimension, 1), shape (events, 1)."""
        return np.asarray(self.functions.events(0.0, state[:, 0], self.p))[self.rows][:, None]

    def met(self, state: Array, before: Array | None = None) -> str:
        """The event that lies behind a state, or that a jump from ``before`` crosses; empty for none."""
        if not self.names:
            return ""
        after = state[:, None]
        found = begins_beyond(self._levels, after, self.directions, ACCURATE[1])
        if before is not None:
            found |= crossed_by_jump(self._levels(before[:, None]), self._levels(after), self.directions)
        return self.names[int(np.argmax(found[:, 0]))] if found.any() else ""

    def touched(self, times: Array, states: Array) -> str:
        """The event whose surface a way of shape (time, dimension) touches; empty for none."""
        levels = [self._nearest(row, times, states) for row in self.rows]
        return self.names[int(np.argmin(levels))] if levels and min(levels) <= ON_SURFACE else ""

    def _nearest(self, row: int, times: Array, states: Array) -> float:
        """Smallest level of an event along a way, as a share of the largest."""
        from scipy.optimize import minimize_scalar

        def distance(state: Array) -> float:
            return abs(float(self.functions.events(0.0, state, self.p)[row]))

        levels = np.array([distance(state) for state in states])
        nearest = int(levels.argmin())
        first, last = max(nearest - 1, 0), min(nearest + 1, len(times) - 1)
        # between the steps it may come nearer, where it turns
        path = follow(self.system, float(times[last] - times[first]), states[first], events=(),
                      relative_tolerance=ACCURATE[0], absolute_tolerance=ACCURATE[1])
        turn = minimize_scalar(lambda time: distance(path.at(np.array([time]))[:, 0]), bounds=(0.0, path.times[-1]),
                               method="bounded", options={"xatol": 1e-9 * path.times[-1]})
        return float(min(levels.min(), turn.fun) / max(levels.max(), np.finfo(float).tiny))


def dividing_switch(system: System, p: Sequence[Any], low: Array, high: Array) -> str:
    """The switch that lies between two states close together, where the field jumps and leads away from it on either side.

    Parameters
    ----------
    system : System
    p : sequence
        Values of the parameters, in order.
    low, high : ndarray, shape (dimension,)

    Returns
    -------
    str
        The expression that is zero on the switch; empty where none divides the states.
    """
    from dynamics.symbolic.regimes import switches

    functions = functions_of(system)
    if not functions.regimes:
        return ""
    pair = np.stack([low, high], axis=1)
    sides = [smooth_at(functions, p, state) for state in (low, high)]
    field = np.stack([side[0](0.0, state, p) for side, state in zip(sides, (low, high), strict=True)], axis=1)
    slopes = [side[1](0.0, state, p) for side, state in zip(sides, (low, high), strict=True) if side[1] is not None]
    if len(slopes) < 2 or not (np.all(np.isfinite(field)) and np.all(np.isfinite(slopes))):
        return ""
    rate = sum(float(np.linalg.norm(slope)) for slope in slopes)
    if np.linalg.norm(field[:, 1] - field[:, 0]) <= JUMP * rate * np.linalg.norm(high - low):
        return ""
    expressions = [switch.expression for switch in switches([system.field[name] for name in system.states])]
    values = np.repeat(np.array(p, dtype=float)[:, None], 2, axis=1)
    levels = functions.lane_function(expressions)
    here = levels(np.zeros(2), pair, values)
    step = STEP * np.max(np.abs(pair)) / np.max(np.abs(field))
    leads = levels(np.zeros(2), pair + step * field, values) - here
    divides = (here[:, 0] * here[:, 1] <= 0) & np.all(leads * (here[:, [0, 1]] - here[:, [1, 0]]) > 0, axis=1)
    return str(expressions[int(np.argmax(divides))]) if divides.any() else ""


def smooth_at(functions: Any, p: Sequence[Any], state: Array) -> tuple[Any, Any]:
    """The field and its Jacobian in the regime of a state."""
    regimes = functions.regimes
    regime = max(regimes, key=lambda r: min(r.conditions(0.0, state, p), default=0.0)) if regimes else functions
    return regime.field, regime.jacobian
