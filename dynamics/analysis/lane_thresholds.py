"""Cascade thresholds of many parameter sets at once: every bracket of a grid is halved in the same round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.shock_fates import LaneFates
from dynamics.analysis.threshold_search import OUTCOMES, ThresholdSearch, crossing_sizes

__all__ = ["OUTCOMES", "LaneThresholds", "crossing_shocks", "lane_thresholds"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LaneThresholds:
    """The threshold of each lane.

    Attributes
    ----------
    value : ndarray, shape (lanes,)
        0 where the start is unstable; nan where there is none, or none that is proved.
    low, high : ndarray, shape (lanes,)
        Largest shock that is proved not to cause the event below the smallest that is proved to; nan where there is none.
    at_once : ndarray, shape (lanes,)
        Smallest shock that crosses an asked event itself; nan where there is none.
    status : ndarray of int, shape (lanes,)
        Codes of ``OUTCOMES``.
    trajectories : int
    preceded_by : mapping of str to ndarray, shape (lanes,)
        Other events that end runs of the scan, and the smallest shock at which each does; empty unless asked for.
    """

    value: Array
    low: Array
    high: Array
    at_once: Array
    status: NDArray[np.int64]
    trajectories: int
    preceded_by: Mapping[str, Array] = field(default_factory=dict)


def crossing_shocks(ensemble: Ensemble, shock: str, event: str | Sequence[str]) -> Array:
    """Smallest shock of each lane that crosses an event itself, by bisection; nan where none up to about 190 does."""
    names = (event,) if isinstance(event, str) else tuple(event)
    return crossing_sizes(LaneFates(ensemble, shock, names), np.arange(ensemble.lanes))


def lane_thresholds(ensemble: Ensemble, shock: str, event: str | Sequence[str], *, ramp: float = 0.0,
                    largest: float | None = None, duration: float | None = None, tolerance: float = 1e-9,
                    engine: str = "auto", threads: int | None = None, preceding: bool = False) -> LaneThresholds:
    """Return for each lane what ``cascade_threshold`` returns for one parameter set: the same search decides.

    Parameters
    ----------
    ensemble : Ensemble
        Lanes start where it says: at their own fixed points, or at a given state.
    shock : str
    event : str or sequence of str
        The events that are asked for.
    ramp : float
        Spread each shock over this time; 0 is instantaneous.
    largest : float, optional
        Largest shock to try; None: the one that crosses the event itself.
    duration : float, optional
        A hard end. None: as much work as a trajectory needs to be decided, within limits.
    tolerance : float
        Width of the final brackets.
    engine, threads
        As in ``Ensemble.run``.
    preceding : bool
        Whether to look for the shocks from which on other events end the run.

    Returns
    -------
    LaneThresholds
    """
    names = (event,) if isinstance(event, str) else tuple(event)
    points = ensemble.points
    runner = LaneFates(ensemble, shock, names, ramp=ramp, duration=duration, tolerance=tolerance, engine=engine,
                       threads=threads)
    usable = np.all(np.isfinite(ensemble.start), axis=0)
    unstable = np.zeros(ensemble.lanes, dtype=bool)
    if points is not None and ensemble.start is points.state:
        unstable = ~points.stable
    search = ThresholdSearch(runner, runner.numbers, tolerance)
    found = search.run(usable, unstable, high=largest)
    declared = list(ensemble.system.events)
    others = {declared[number]: sizes for number, sizes in search.preceding(found).items()} if preceding else {}
    return LaneThresholds(found.value, found.low, found.high, found.at_once, found.status, runner.trajectories, others)
