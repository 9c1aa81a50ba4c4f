"""The curve of folds of cycles that leaves a generalized Hopf point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dynamics.analysis.cycle_continuation import continue_cycles
from dynamics.errors import ConvergenceError, DynamicsError
from dynamics.results import Branch, SpecialPoint
from dynamics.systems import System

__all__ = ["fold_near_generalized_hopf"]

CLOSE, TRIALS = 0.01, 8  # distance from the point in units of the bounds, doubled until a fold is found


def fold_near_generalized_hopf(system: System, point: SpecialPoint, hopf: Branch, parameters: Sequence[str],
                               bounds: Mapping[str, tuple[float, float]]) -> SpecialPoint:
    """Return a fold of cycles on the curve that is tangent to the Hopf curve at a generalized Hopf point.

    On one side of the point the cycles born at the Hopf curve turn back in a fold: where the first Lyapunov coefficient has
    the sign opposite to the second one.

    Parameters
    ----------
    system : System
    point : SpecialPoint
        With ``l2`` in its normal form.
    hopf : Branch
        The Hopf curve through it.
    parameters : (str, str)
    bounds : mapping of str to (float, float)

    Returns
    -------
    SpecialPoint
        fold_of_cycles.

    Raises
    ------
    ConvergenceError
        Where no cycle born near the point turns back within the bounds.
    """
    table = hopf.table
    spans = {name: bounds[name][1] - bounds[name][0] for name in parameters}
    away = np.sqrt(sum(((table[name].values - point.parameters[name]) / spans[name]) ** 2 for name in parameters))
    side = table["l1"].values * point.normal_form.get("l2", np.nan) < 0
    wanted = CLOSE
    for _ in range(TRIALS):
        rows = np.flatnonzero(side & (away >= wanted / 2))
        if rows.size == 0:
            break
        row = rows[int(np.argmin(np.abs(away[rows] - wanted)))]
        state = {name: float(table[name][row]) for name in system.states}
        values = {name: float(table[name][row]) for name in parameters}
        start = SpecialPoint("hopf", "HB", state, {**point.parameters, **values})
        for name in parameters:
            try:
                family = continue_cycles(system.with_parameters(values), start, name, bounds[name], max_steps=40)
            except DynamicsError:
                continue
            for special in family.special_points:
                if special.kind == "fold_of_cycles" and special.status == "polished":
                    return special
        wanted *= 2
    raise ConvergenceError(f"continue_curve: no fold of cycles was found near {point.label or point.kind}; widen the "
                           "bounds, or start from a fold found by continue_cycles")
