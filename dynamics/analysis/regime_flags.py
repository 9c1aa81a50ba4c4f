"""What a shock does to a cell, as one flag: from its trajectory, and from closed forms where they decide alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sympy import Max, Piecewise, Symbol

from dynamics.analysis.closed_forms import Candidate
from dynamics.analysis.ensembles import Ensemble, Outcome
from dynamics.analysis.lane_points import BORDER, LanePoints
from dynamics.results import STATUS

__all__ = ["REGIMES", "decided_without_trajectory", "regimes_of"]

Array = NDArray[np.float64]

REGIMES = {"stable": 0, "cascades_after_shock": 1, "unstable": 2, "insolvent_at_once": 3, "target_above_venue_limit": 4,
           "not_settled": 5, "no_fixed_point": 6, "invalid": 7, "not_run": 8, "ended_by_other_event": 9,
           "other_attractor": 10}
# Scaled distance below which two rests are one. Both come from Newton's method, and are known to 1e-12 or so where they are
# simple, to the root of rounding, 1.5e-8, where they are double: far enough below. Rests a millionth of their size apart
# cannot be told apart by trajectories of relative tolerance 1e-6, the default, either.
SAME = 1e-6
# Added to the size of a state before it is a scale, as in the boxes of lanes: a rest at zero has no size of its own, and
# states of order one that come as near as SAME * SIZE = 1e-8 are there.
SIZE = 0.01


def regimes_of(ensemble: Ensemble, outcome: Outcome) -> NDArray[np.int64]:
    """Return the regime of each lane, from how its trajectory ended and from its eigenvalues.

    A trajectory that diverges without the event is no cascade: nothing is known of it but that it left, so it is invalid,
    and its status says why.
    """
    regime = np.full(ensemble.lanes, REGIMES["invalid"])
    settled = outcome.status == STATUS["settled"]
    regime[settled] = REGIMES["stable"]
    regime[outcome.status == STATUS["event"]] = REGIMES["ended_by_other_event"]
    regime[outcome.status == STATUS["not_settled"]] = REGIMES["not_settled"]
    regime[outcome.happened] = REGIMES["cascades_after_shock"]
    points = ensemble.points
    if points is not None:
        regime[settled & _called_for_ever(ensemble, points)] = REGIMES["target_above_venue_limit"]
        regime[settled & ~_at_own_rest(ensemble, points, outcome.rest)] = REGIMES["other_attractor"]
    decided = decided_without_trajectory(ensemble, outcome.at_once & outcome.happened)
    return np.where(decided >= 0, decided, regime)


def _at_own_rest(ensemble: Ensemble, points: LanePoints, rest: Array) -> NDArray[np.bool_]:
    """Whether a rest is the lane's own fixed point, or one of a family of rests that the own one belongs to."""
    own = np.all(np.abs(rest - points.state) <= SAME * (np.abs(points.state) + SIZE), axis=0)
    for candidate in points.candidates:
        if candidate.free:
            both = [_is_member(ensemble, candidate, state) for state in (rest, points.state)]
            own |= both[0] & both[1]
    return np.asarray(own)


def _is_member(ensemble: Ensemble, candidate: Candidate, state: Array) -> NDArray[np.bool_]:
    """Whether states lie in a family: its other states are what the free ones make of them, in its own regime."""
    functions, time = ensemble.functions, np.zeros(ensemble.lanes)
    member = functions.lane_function(list(candidate.state.values()))(time, state, ensemble.p)
    inside = np.all(np.abs(member - state) <= SAME * (np.abs(state) + SIZE), axis=0)
    if candidate.conditions:
        inside &= np.all(functions.lane_function(list(candidate.conditions))(time, state, ensemble.p) >= -SAME, axis=0)
    return np.asarray(inside)


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
        unstable = (points.which >= 0) & points.unstable
        # where algebra does not find them all, that none was found does not say that there is none
        regime[points.which < 0] = REGIMES["no_fixed_point" if points.complete else "not_run"]
        # an eigenvalue of zero decides nothing
        regime[(points.which >= 0) & ~points.stable] = REGIMES["not_settled"]
        if points.undecided is not None:
            regime[points.undecided] = REGIMES["not_settled"]
        regime[unstable] = REGIMES["unstable"]
    regime[at_once & ~unstable] = REGIMES["insolvent_at_once"]
    return regime
