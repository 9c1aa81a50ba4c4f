"""Cascade thresholds of many parameter sets at once: every bracket of a grid is halved in the same round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensembles import Ensemble
from dynamics.results import STATUS

__all__ = ["OUTCOMES", "LaneThresholds", "crossing_shocks", "lane_thresholds"]

Array = NDArray[np.float64]
Lanes = NDArray[np.intp]
OUTCOMES = {"found": 0, "insolvent_at_once": 1, "unstable": 2, "none_in_bracket": 3, "not_monotone": 4, "not_settled": 5,
            "no_fixed_point": 6}
SCAN_POINTS = 33
SCAN: dict[str, float] = {"relative_tolerance": 1e-6, "absolute_tolerance": 1e-9}
LOOSE: dict[str, float] = {"relative_tolerance": 1e-7, "absolute_tolerance": 1e-10}
ROUGH = 1e-5
EXTENSIONS = 6
LARGEST_TRIED = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True)
class LaneThresholds:
    """The threshold of each lane.

    Attributes
    ----------
    value : ndarray, shape (lanes,)
        0 where the fixed point is unstable; nan where there is none.
    low, high : ndarray, shape (lanes,)
        The bracket.
    at_once : ndarray, shape (lanes,)
        Smallest shock that crosses the event itself; nan where there is none.
    status : ndarray of int, shape (lanes,)
        Codes of ``OUTCOMES``.
    trajectories : int
    """

    value: Array
    low: Array
    high: Array
    at_once: Array
    status: NDArray[np.int64]
    trajectories: int


def crossing_shocks(ensemble: Ensemble, shock: str, event: str) -> Array:
    """Smallest shock of each lane that crosses an event itself, by bisection; nan where none up to about 190 does."""
    low, high = np.zeros(ensemble.lanes), np.full(ensemble.lanes, 1e-3)
    found = np.zeros(ensemble.lanes, dtype=bool)
    for _ in range(30):
        found |= ensemble.at_once(event, ensemble.shocked(shock, high))
        low, high = np.where(found, low, high), np.where(found, high, high * 1.5)
    for _ in range(60):
        middle = (low + high) / 2
        crossed = ensemble.at_once(event, ensemble.shocked(shock, middle))
        low, high = np.where(crossed, low, middle), np.where(crossed, middle, high)
    return np.where(found, high, np.nan)


def lane_thresholds(ensemble: Ensemble, shock: str, event: str, *, ramp: float = 0.0, largest: float | None = None,
                    duration: float | None = None, tolerance: float = 1e-9, engine: str = "auto",
                    threads: int | None = None) -> LaneThresholds:
    """Return for each lane what ``cascade_threshold`` returns for one parameter set.

    Parameters
    ----------
    ensemble : Ensemble
        Lanes start where it says: at their own fixed points, or at a given state.
    shock, event : str
    ramp : float
        Spread each shock over this time; 0 is instantaneous.
    largest : float, optional
        Largest shock to try; None: the one that crosses the event itself.
    duration : float, optional
        None: as long as the slowest eigenvalue of each point needs, at least 200 time units.
    tolerance : float
        Width of the final brackets.
    engine, threads
        As in ``Ensemble.run``.

    Returns
    -------
    LaneThresholds
    """
    return _Search(ensemble, shock, event, ramp, duration, tolerance, {"engine": engine, "threads": threads}).run(largest)


class _Search:
    def __init__(self, ensemble: Ensemble, shock: str, event: str, ramp: float, duration: float | None, tolerance: float,
                 engine: Mapping[str, Any]) -> None:
        self.ensemble, self.shock, self.event, self.ramp, self.tolerance = ensemble, shock, event, ramp, tolerance
        self.engine = dict(engine)
        self.lengths = ensemble.durations(tolerance) if duration is None else np.full(ensemble.lanes, float(duration))
        self.tight = {"relative_tolerance": float(np.clip(tolerance * 1e-1, 1e-11, 1e-7)),
                      "absolute_tolerance": float(np.clip(tolerance * 1e-3, 1e-13, 1e-10))}
        self.trajectories = 0
        self.doubtful = np.zeros(ensemble.lanes, dtype=bool)

    def happens(self, lanes: Lanes, magnitudes: Array, accuracy: Mapping[str, float]) -> NDArray[np.bool_]:
        """Whether the event happens; lanes that have not settled are followed longer before they count as without it."""
        if not lanes.size:
            return np.zeros(0, dtype=bool)
        happened, undecided = self._outcomes(lanes, magnitudes, 1.0, accuracy)
        open_ = np.flatnonzero(undecided)
        if open_.size:
            happened[open_], still = self._outcomes(lanes[open_], magnitudes[open_], EXTENSIONS, accuracy)
            # where no fixed point is known there is nothing to settle at, and the end of the horizon decides
            self.doubtful[lanes[open_[still]]] = self.ensemble.points is not None
        return happened

    def _outcomes(self, lanes: Lanes, magnitudes: Array, factor: float, accuracy: Mapping[str, float]
                  ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        self.trajectories += lanes.size
        options: dict[str, Any] = {**accuracy, **self.engine}
        outcome = self.ensemble.run(self.shock, magnitudes, event=self.event, ramp=self.ramp, lanes=lanes,
                                    duration=factor * self.lengths[lanes], **options)
        # another terminal event ends the path without the one asked for
        decided = np.isin(outcome.status, [STATUS["settled"], STATUS["completed"]])
        return outcome.happened.copy(), ~outcome.happened & ~decided

    def run(self, largest: float | None) -> LaneThresholds:
        e = self.ensemble
        usable = np.all(np.isfinite(e.start), axis=0)
        at_once = crossing_shocks(e, self.shock, self.event)
        status = np.full(e.lanes, OUTCOMES["found"])
        status[~usable] = OUTCOMES["no_fixed_point"]
        if e.points is not None and e.start is e.points.state:
            status[usable & ~e.points.stable] = OUTCOMES["unstable"]
        low, high = np.zeros(e.lanes), self._far_ends(at_once, status)
        if largest is not None:
            high = np.fmin(high, largest)
        status[(status == OUTCOMES["found"]) & ~np.isfinite(high)] = OUTCOMES["none_in_bracket"]
        self._scan(low, high, at_once, status)
        searching = np.isin(status, [OUTCOMES["found"], OUTCOMES["not_monotone"]])
        open_ = np.flatnonzero(searching)
        top = high.copy()
        self.doubtful[:] = False
        rough = max(ROUGH, self.tolerance)
        self._halve(open_, low, high, rough, LOOSE)
        self._correct(open_, low, high, top)
        self._halve(open_, low, high, self.tolerance, self.tight)
        value = (low + high) / 2
        if not self.ramp:
            # where only the shock itself crosses the event, its size is known to the last digit
            once = (status == OUTCOMES["found"]) & (high >= at_once - self.tolerance)
            status[once], value[once] = OUTCOMES["insolvent_at_once"], at_once[once]
        decided = np.isin(status, [OUTCOMES["found"], OUTCOMES["insolvent_at_once"]])
        status[searching & self.doubtful & decided] = OUTCOMES["not_settled"]
        value[status == OUTCOMES["unstable"]] = 0.0
        value[np.isin(status, [OUTCOMES["none_in_bracket"], OUTCOMES["no_fixed_point"]])] = np.nan
        low, high = np.where(usable, low, np.nan), np.where(usable, high, np.nan)
        return LaneThresholds(value, low, high, at_once, status, self.trajectories)

    def _far_ends(self, at_once: Array, status: NDArray[np.int64]) -> Array:
        """Upper ends of the brackets: the shock that crosses at once, else the first of larger and larger ones."""
        high = np.where(np.isfinite(at_once), 2 * at_once + 0.5 if self.ramp else at_once, np.nan)
        open_ = np.flatnonzero((status == OUTCOMES["found"]) & ~np.isfinite(high))
        for size in LARGEST_TRIED:
            happened = self.happens(open_, np.full(open_.size, size), LOOSE)
            high[open_[happened]] = size
            open_ = open_[~happened]
        return high

    def _scan(self, low: Array, high: Array, at_once: Array, status: NDArray[np.int64]) -> None:
        """Narrow every bracket to the first change of outcome; say where there is none, or more than one."""
        open_ = np.flatnonzero(status == OUTCOMES["found"])
        if not open_.size:
            return
        grid = low[open_, None] + (high - low)[open_, None] * (np.arange(SCAN_POINTS) / (SCAN_POINTS - 1))
        grid[:, -1] = high[open_]
        table = np.empty(grid.shape, dtype=bool)
        inner = grid[:, :-1]
        table[:, :-1] = self.happens(np.repeat(open_, SCAN_POINTS - 1), inner.reshape(-1), SCAN).reshape(inner.shape)
        known = ~np.isnan(at_once[open_]) & (high[open_] >= at_once[open_]) & (self.ramp == 0)
        table[:, -1] = known
        table[~known, -1] = self.happens(open_[~known], high[open_[~known]], SCAN)
        first = np.argmax(table, axis=1)
        changes = np.sum(table[:, 1:] != table[:, :-1], axis=1)
        status[open_[changes > 1]] = OUTCOMES["not_monotone"]
        none = ~table.any(axis=1)
        status[open_[none]] = np.where(self.doubtful[open_[none]], OUTCOMES["not_settled"], OUTCOMES["none_in_bracket"])
        # the event happens without any shock: the start itself is not stable
        status[open_[table[:, 0]]] = OUTCOMES["unstable"]
        rows = np.arange(open_.size)
        found = ~none
        low[open_[found]] = grid[rows, np.maximum(first - 1, 0)][found]
        high[open_[found]] = grid[rows, first][found]

    def _halve(self, open_: Lanes, low: Array, high: Array, tolerance: float, accuracy: Mapping[str, float]) -> None:
        open_ = open_[high[open_] - low[open_] > tolerance]
        while open_.size:
            middle = (low[open_] + high[open_]) / 2
            happened = self.happens(open_, middle, accuracy)
            low[open_], high[open_] = np.where(happened, low[open_], middle), np.where(happened, middle, high[open_])
            open_ = open_[high[open_] - low[open_] > tolerance]

    def _correct(self, open_: Lanes, low: Array, high: Array, top: Array) -> None:
        """Move ends that the accurate path contradicts: a loose path that grazes a border can be off by its bracket."""
        step = high - low
        down = open_[(low[open_] > 0)]
        down = down[self.happens(down, low[down], self.tight)]
        moved = np.zeros(low.size, dtype=bool)
        moved[down] = True
        while down.size:
            low[down], high[down] = np.maximum(low[down] - step[down], 0.0), low[down]
            step[down] *= 2
            down = down[low[down] > 0]
            down = down[self.happens(down, low[down], self.tight)]
        up = open_[~moved[open_] & (high[open_] < top[open_])]
        up = up[~self.happens(up, high[up], self.tight)]
        while up.size:
            low[up], high[up] = high[up], np.minimum(high[up] + step[up], top[up])
            step[up] *= 2
            up = up[high[up] < top[up]]
            up = up[~self.happens(up, high[up], self.tight)]
