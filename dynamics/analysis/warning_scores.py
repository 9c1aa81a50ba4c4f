"""What warnings are worth: the area under the ROC curve, and the Brier score against the base rate."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.early_warnings import finite_series
from dynamics.analysis.tail_risk import check_draws
from dynamics.errors import DataError
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    Array = NDArray[np.float64]

__all__ = ["score_warnings"]


def score_warnings(
    signal: ArrayLike,
    happened: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """score_warnings(signal, happened): area under the ROC curve, and Brier score against the base rate.

    Parameters
    ----------
    signal : array_like of float, shape (case,)
        A number for each case that is expected to be larger before a transition (a Kendall tau, 1 - p, an indicator).
    happened : array_like of bool, shape (case,)
    groups : sequence of str, shape (case,), optional
        Kind of each case, for example "build_up" and "news_shock". Each group's transitions are scored against all cases
        without one, and so is "all".
    bootstrap, confidence, seed : int, float, int
        Of the percentile intervals from cases drawn again within each outcome.

    Returns
    -------
    xarray.Dataset
        Over ``group``: ``area`` under the ROC curve (0.5: a coin) with ``area_lower`` and ``area_upper``; ``brier``, of
        probabilities from a logistic regression on the signal, each case predicted by a fit to the other cases;
        ``brier_base_rate`` (that of always predicting the share of transitions among the other cases) and ``skill`` =
        1 - brier/brier_base_rate (at most 0: worse than no signal); ``transitions``, ``cases``. ``failures`` counts the
        transitions whose signal was below the median of the cases without one: what would have been missed. Groups with
        fewer than 2 transitions have nan.

    Raises
    ------
    DataError
        The cases do not fit together, or fewer than 2 have, or lack, a transition.
    SpecificationError
        An option is out of its range.

    References
    ----------
    .. [1] Hanley and McNeil (1982), doi:10.1148/radiology.143.1.7063747
    .. [2] Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78

    Examples
    --------
    >>> score = score_warnings([0.1, 0.2, 0.3, 0.9, 0.8, 0.7], [0, 0, 0, 1, 1, 1], bootstrap=50)
    >>> float(score["area"].sel(group="all"))
    1.0
    """
    import xarray as xr

    started = _time.perf_counter()
    values = finite_series(signal, "signal", "score_warnings")
    flags = np.asarray(happened)
    if flags.shape != values.shape or not np.isin(flags, (0, 1)).all():
        raise DataError(f"score_warnings: happened must say true or false for each of the {len(values)} cases")
    flags = flags.astype(bool)
    kinds = np.asarray(["all"] * len(values) if groups is None else arguments.members(groups, "groups"), dtype=str)
    if kinds.shape != values.shape:
        raise DataError(f"score_warnings: groups must name a kind for each of the {len(values)} cases, not {len(kinds)}")
    if min(flags.sum(), (~flags).sum()) < 2:
        raise DataError("score_warnings: at least 2 cases with a transition and 2 without are needed, "
                        f"there are {flags.sum()} and {(~flags).sum()}")
    check_draws("score_warnings", confidence, bootstrap, seed, len(values), fewest=20)
    without = values[~flags]
    names = ["all", *sorted(set(kinds[flags]) - {"all"})] if groups is not None else ["all"]
    rows = []
    for number, name in enumerate(names):
        with_one = values[flags & ((kinds == name) | (name == "all"))]
        rows.append(_score(with_one, without, bootstrap, confidence, np.random.SeedSequence(seed).spawn(number + 1)[number]))
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    long_names = {"area": "area under the ROC curve", "skill": "Brier skill against the base rate",
                  "brier": "Brier score, each case predicted from the others"}
    return xr.Dataset(
        {key: ("group", column, {"units": "1", "long_name": long_names.get(key, key.replace("_", " "))})
         for key, column in columns.items()},
        coords={"group": names},
        attrs=provenance("score_warnings", method="ROC area; leave-one-out logistic regression", bootstrap=bootstrap,
                         confidence=confidence, seed=seed, wall_time_s=_time.perf_counter() - started))


def _area(with_one: Array, without: Array) -> float:
    """Probability that a case with a transition has the larger signal; ties count one half."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([with_one, without]))[: len(with_one)]
    return float((ranks.mean() - (len(with_one) + 1) / 2) / len(without))


def _score(with_one: Array, without: Array, bootstrap: int, confidence: float, child: np.random.SeedSequence
           ) -> Mapping[str, float]:
    count, cases = len(with_one), len(with_one) + len(without)
    missed = int(np.sum(with_one < np.median(without)))
    row = {"transitions": count, "cases": cases, "failures": missed} | dict.fromkeys(
        ("area", "area_lower", "area_upper", "brier", "brier_base_rate", "skill"), np.nan)
    if count < 2:
        return row
    generator = np.random.default_rng(child)
    again = [_area(generator.choice(with_one, count), generator.choice(without, len(without))) for _ in range(bootstrap)]
    lower, upper = np.quantile(again, [(1 - confidence) / 2, (1 + confidence) / 2])
    signal, outcome = np.concatenate([with_one, without]), np.repeat([1.0, 0.0], [count, len(without)])
    others = (outcome.sum() - outcome) / (cases - 1)
    base = float(np.mean((others - outcome) ** 2))
    predicted = np.array([_logistic(np.delete(signal, k), np.delete(outcome, k), signal[k]) for k in range(cases)])
    brier = float(np.mean((predicted - outcome) ** 2))
    return row | {"area": _area(with_one, without), "area_lower": lower, "area_upper": upper, "brier": brier,
                  "brier_base_rate": base, "skill": 1 - brier / base}


def _logistic(signal: Array, outcome: Array, at: float) -> float:
    """Probability at ``at`` by a logistic regression with a slight ridge, so that separable cases have a fit."""
    center, scale = signal.mean(), signal.std() or 1.0
    design = np.stack([np.ones(len(signal)), (signal - center) / scale], axis=1)
    ridge, beta = np.diag([0.0, 1.0]), np.array([np.log(outcome.mean() / (1 - outcome.mean())), 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -35, 35)))
        gradient = design.T @ (outcome - p) - ridge @ beta
        step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]) + ridge, gradient)
        beta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return float(1 / (1 + np.exp(-np.clip(beta[0] + beta[1] * (at - center) / scale, -35, 35))))
