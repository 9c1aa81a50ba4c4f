"""What a shock does to a cell, as one flag: from its trajectory, and from closed forms where they decide alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sympy import Max, Piecewise, Symbol

from dynamics.analysis.ensembles import Ensemble, Outcome
from dynamics.analysis.lane_points import BORDER, LanePoints
from dynamics.results import STATUS

__all__ = ["REGIMES", "decided_without_trajectory", "regimes_of"]

REGIMES = {"stable": 0, "cascades_after_shock": 1, "unstable": 2, "insolvent_at_once": 3, "target_above_venue_limit": 4,
           "not_settled": 5, "no_fixed_point": 6, "invalid": 7, "not_run": 8}


def regimes_of(ensemble: Ensemble, outcome: Outcome) -> NDArray[np.int64]:
    """Return the regime of each lane, from how its trajectory ended and from its eigenvalues."""
    regime = np.full(ensemble.lanes, REGIMES["invalid"])
    settled = np.isin(outcome.status, [STATUS["settled"], STATUS["completed"]])
    regime[settled] = REGIMES["stable"]
    regime[outcome.status == STATUS["not_settled"]] = REGIMES["not_settled"]
    regime[outcome.happened] = REGIMES["cascades_after_shock"]
    regime[outcome.status == STATUS["diverged"]] = REGIMES["cascades_after_shock"]
    points = ensemble.points
    if points is not None:
        regime[settled & _called_for_ever(ensemble, points)] = REGIMES["target_above_venue_limit"]
    decided = decided_without_trajectory(ensemble, outcome.at_once)
    return np.where(decided >= 0, decided, regime)


def _called_for_ever(ensemble: Ensemble, points: LanePoints) -> NDArray[np.bool_]:
    """Whether margin calls that can be off are on at the fixed point; other switches (a queue, a cap) mean other things."""
    if "margin_call_rate" not in ensemble.system.definitions:
        return np.zeros(ensemble.lanes, dtype=bool)
    calls = ensemble.system.resolve(Symbol("margin_call_rate"))
    if not calls.has(Max, Piecewise):
        return np.zeros(ensemble.lanes, dtype=bool)
    rate = ensemble.functions.lane_function([calls])(np.zeros(ensemble.lanes), points.state, ensemble.p)[0]
    return np.asarray(rate > BORDER)


def decided_without_trajectory(ensemble: Ensemble, at_once: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the regime of lanes that eigenvalues or the shock alone decide, -1 for the others."""
    regime = np.full(ensemble.lanes, -1)
    points = ensemble.points
    unstable = np.zeros(ensemble.lanes, dtype=bool)
    if points is not None:
        unstable = (points.which >= 0) & ~points.stable
        # where algebra does not find them all, that none was found does not say that there is none
        regime[points.which < 0] = REGIMES["no_fixed_point" if points.complete else "not_run"]
        regime[unstable] = REGIMES["unstable"]
    regime[at_once & ~unstable] = REGIMES["insolvent_at_once"]
    return regime
