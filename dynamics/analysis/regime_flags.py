"""What a shock does to a cell, as one flag: from its trajectory, and from closed forms where they decide alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensembles import Ensemble, Outcome
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
        beyond = np.isin(points.which, [k for k, c in enumerate(points.candidates) if ": True" in c.regime])
        # forced sales that never stop are a matter of the margin-call port; other switches mean other things
        beyond &= "margin_call_rate" in ensemble.system.definitions
        regime[settled & beyond] = REGIMES["target_above_venue_limit"]
    decided = decided_without_trajectory(ensemble, outcome.at_once)
    return np.where(decided >= 0, decided, regime)


def decided_without_trajectory(ensemble: Ensemble, at_once: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the regime of lanes that eigenvalues or the shock alone decide, -1 for the others."""
    regime = np.full(ensemble.lanes, -1)
    points = ensemble.points
    unstable = np.zeros(ensemble.lanes, dtype=bool)
    if points is not None:
        unstable = (points.which >= 0) & ~points.stable
        regime[points.which < 0] = REGIMES["no_fixed_point"]
        regime[unstable] = REGIMES["unstable"]
    regime[at_once & ~unstable] = REGIMES["insolvent_at_once"]
    return regime
