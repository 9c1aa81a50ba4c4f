"""Falls that were observed against the falls that a model says start a cascade, leverage by leverage.

An instantaneous threshold, a fall spread over a day and the total fall that an observer sees (feedback included) are
three different numbers; an observed daily fall lies between the first and the last, so all of them are compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.tail_risk import exceedance, series
from dynamics.errors import DataError, SpecificationError, did_you_mean
from dynamics.results import provenance, status_attributes

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["CRITERIA", "VERDICTS", "compare_falls", "worst_days"]

CRITERIA = {
    "instantaneous": "fall in no time (s*)",
    "ramp": "fall at constant rate over one day",
    "total_fall": "total observed fall at the threshold, feedback included",
}
"""The three measures of a critical fall, all as falls of the log price."""

VERDICTS = {"not_compared": 0, "below": 1, "above": 2, "beyond_the_sample": 3}
STATUS = {"compared": 0, "no_threshold": 1, "unstable": 2, "threshold_is_a_rise": 3}

_DAY = 86400.0
_LISTED = 10


def compare_falls(
    returns: xr.Dataset,
    thresholds: xr.Dataset | Mapping[str, Any],
    *,
    level: float = 0.01,
    month: float = 30.0,
    block: int | None = None,
    bootstrap: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Say for each leverage how often falls as large as its critical falls were observed.

    Parameters
    ----------
    returns : xarray.Dataset
        ``log_return`` over ``time``, as `dynamics.data.log_returns` gives it; daily unless ``attrs["spacing_seconds"]``
        says otherwise.
    thresholds : xarray.Dataset or mapping
        ``leverage`` (shape (leverage,)) and one or more of ``instantaneous``, ``ramp`` and ``total_fall``: critical
        falls of the log price, positive. NaN or inf: none was found. Zero: the fixed point is unstable, no shock is
        needed. Negative: a rise, which falls cannot be compared with. Other variables are ignored.
    level : float
        Probability per month to compare with.
    month : float
        Length of a month in days.
    block, bootstrap, seed, confidence
        As for `dynamics.analysis.tail_risk.exceedance`.

    Returns
    -------
    xarray.Dataset
        Over ``leverage`` and ``criterion``: ``threshold``; ``count`` (periods with a fall at least as large; -1 where
        not compared); ``probability`` per period; ``monthly_probability`` = 1 - (1 - probability)**periods;
        ``monthly_lower`` and ``monthly_upper`` (the wider of the block-bootstrap and the exact binomial interval: the
        one sees clusters, the other knows that few events say little; with a count of zero the one-sided exact bound);
        ``gpd_probability`` and ``gpd_monthly_probability``; ``decided_by`` (dates of these falls, largest first);
        ``verdict``: below or above ``level`` if the interval says so, else beyond_the_sample; ``verdict_text`` (a
        sentence with the numbers); ``status``. Over ``leverage``: ``within_bracket``, the dates of the falls that reach
        the smallest but not the largest of its thresholds, whose reading depends on the criterion.

    Raises
    ------
    DataError
        The returns have no dates or are not a finite series.
    SpecificationError
        The thresholds lack ``leverage`` or every criterion, or a shape does not fit, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.datetime64("2020-01-01", "ns") + np.arange(1000) * np.timedelta64(1, "D")
    >>> values = np.where(np.arange(1000) == 70, -0.25, 0.001)
    >>> returns = xr.Dataset({"log_return": ("time", values)}, coords={"time": days})
    >>> falls = compare_falls(returns, {"leverage": [3.0, 8.0], "instantaneous": [0.4, 0.2]}, bootstrap=100)
    >>> falls["count"].values.tolist()
    [[0], [1]]
    >>> falls["verdict_text"].values[0, 0].item()
    'beyond the sample: no fall of 0.4 in 1000 periods; at most 8.6 % per month (95 %)'
    >>> falls["decided_by"].values[1, 0].item()
    '2020-03-11 (0.2500)'
    """
    import xarray as xr

    started = time.perf_counter()
    dates, values = _dated(returns, "compare_falls")
    leverage, criteria, critical = _critical_falls(thresholds)
    if not (0 < level < 1 and month > 0):
        raise SpecificationError("compare_falls: level must lie between 0 and 1, and month must be positive")
    period = float(returns.attrs.get("spacing_seconds", _DAY)) / _DAY
    periods = month / period

    status = np.select(
        [~np.isfinite(critical), critical < 0, critical == 0],
        [STATUS["no_threshold"], STATUS["threshold_is_a_rise"], STATUS["unstable"]],
        STATUS["compared"],
    ).astype(np.int8)
    compared = status == STATUS["compared"]
    levels, position = np.unique(critical[compared], return_inverse=True)
    observed = (
        exceedance(values, levels, block=block, bootstrap=bootstrap, seed=seed, confidence=confidence)
        if len(levels)
        else None
    )

    def spread(of_levels: Any, missing: float) -> Array:
        """Put numbers of the levels at the thresholds they belong to."""
        whole = np.full(critical.shape, missing)
        if observed is not None:
            whole[compared] = np.asarray(of_levels)[position]
        return whole

    def column(name: str, missing: float = np.nan) -> Array:
        return spread(observed[name].values if observed is not None else (), missing)

    count = column("count", -1.0).astype(np.int64)
    lower = _monthly(np.minimum(column("probability_lower"), column("exact_lower")), periods)
    upper = _monthly(np.maximum(column("probability_upper"), column("exact_upper")), periods)
    verdict = np.select(
        [~compared, upper < level, lower > level],
        [VERDICTS["not_compared"], VERDICTS["below"], VERDICTS["above"]],
        VERDICTS["beyond_the_sample"],
    ).astype(np.int8)
    texts = np.array(
        [
            _sentence(*cell, level=level, number=len(values), confidence=confidence)
            for cell in zip(status.flat, verdict.flat, critical.flat, count.flat, lower.flat, upper.flat, strict=True)
        ]
    ).reshape(critical.shape)
    decided = np.array(
        [
            _listed(dates, values, -values >= size) if valid else ""
            for size, valid in zip(critical.flat, compared.flat, strict=True)
        ]
    ).reshape(critical.shape)
    bracket = np.array([_bracket(dates, values, row[valid]) for row, valid in zip(critical, compared, strict=True)])

    dims = ("leverage", "criterion")
    numbers = {
        "threshold": (critical, "critical fall of the log price"),
        "probability": (column("probability"), "share of periods with a fall at least as large"),
        "monthly_probability": (_monthly(column("probability"), periods), "probability of such a fall in a month"),
        "monthly_lower": (lower, "lower end of the interval of the monthly probability"),
        "monthly_upper": (upper, "upper end of the interval of the monthly probability"),
        "gpd_probability": (column("gpd_probability"), "probability per period by the generalised Pareto distribution"),
        "gpd_monthly_probability": (
            _monthly(column("gpd_probability"), periods),
            "monthly probability by the generalised Pareto distribution",
        ),
        "count": (count, "periods with a fall at least as large; -1 where not compared"),
    }
    variables: dict[str, Any] = {
        name: (dims, value, {"units": "1", "long_name": text}) for name, (value, text) in numbers.items()
    }
    variables |= {
        "verdict": (dims, verdict, status_attributes(VERDICTS)),
        "verdict_text": (dims, texts, {"long_name": "verdict in words"}),
        "decided_by": (dims, decided, {"long_name": "dates of the falls at least as large, largest first"}),
        "within_bracket": ("leverage", bracket, {"long_name": "dates of the falls on which the criteria differ"}),
        "status": (dims, status, status_attributes(STATUS)),
    }
    estimated = {} if observed is None else observed.attrs
    fit = {k: v for k, v in estimated.items() if k in ("block", "message", "method") or k.startswith("gpd_")}
    return xr.Dataset(
        variables,
        coords={
            "leverage": ("leverage", leverage, {"units": "1", "long_name": "target leverage"}),
            "criterion": ("criterion", list(criteria), {"long_name": "measure of the critical fall"}),
        },
        attrs=provenance(
            "observed_falls",
            level=level,
            month_days=month,
            period_days=period,
            confidence=confidence,
            seed=seed,
            bootstrap=bootstrap,
            observations=len(values),
            wall_time_s=time.perf_counter() - started,
            **fit,
            **{k: returns.attrs[k] for k in ("source_file", "source_sha256", "sample") if k in returns.attrs},
        ),
    )


def worst_days(returns: xr.Dataset, count: int = 10) -> xr.Dataset:
    """List the largest falls with their dates.

    Parameters
    ----------
    returns : xarray.Dataset
        ``log_return`` over ``time``.
    count : int
        How many; all of them if the series is shorter.

    Returns
    -------
    xarray.Dataset
        Over ``rank`` (from 1): ``date`` (end of the period), ``log_return`` and ``price_change`` = exp(log_return) - 1
        (pure numbers).

    Raises
    ------
    DataError
        The returns have no dates or are not a finite series.
    SpecificationError
        ``count`` is not positive.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.array(["2020-03-11", "2020-03-12", "2020-03-13"], dtype="datetime64[ns]")
    >>> returns = xr.Dataset({"log_return": ("time", [-0.01, -0.46, 0.1])}, coords={"time": days})
    >>> str(worst_days(returns, 1)["date"].values[0])[:10]
    '2020-03-12'
    """
    import xarray as xr

    dates, values = _dated(returns, "worst_days")
    if count < 1:
        raise SpecificationError(f"worst_days: count must be at least 1, not {count}")
    order = np.argsort(values, kind="stable")[:count]
    return xr.Dataset(
        {
            "date": ("rank", dates[order], {"long_name": "end of the period"}),
            "log_return": ("rank", values[order], {"units": "1", "long_name": "log return"}),
            "price_change": ("rank", np.expm1(values[order]), {"units": "1", "long_name": "relative change of price"}),
        },
        coords={"rank": np.arange(1, len(order) + 1)},
        attrs=provenance("worst_days", method="sorting", observations=len(values), exactness="exact"),
    )


def _dated(returns: xr.Dataset, analysis: str) -> tuple[NDArray[np.datetime64], Array]:
    """Return dates and values of a return series."""
    import xarray as xr

    if not isinstance(returns, xr.Dataset) or "log_return" not in returns or "time" not in returns.coords:
        raise DataError(f"{analysis}: needs a dataset of 'log_return' over 'time'; make it with log_returns(prices)")
    values = series(returns, analysis)
    dates = returns["time"].values
    if dates.shape != values.shape or not np.issubdtype(dates.dtype, np.datetime64):
        raise DataError(f"{analysis}: 'time' must hold the date (datetime64) of each return")
    return dates, values


def _critical_falls(thresholds: xr.Dataset | Mapping[str, Any]) -> tuple[Array, tuple[str, ...], Array]:
    """Return leverage, the criteria that are there, and the thresholds of shape (leverage, criterion)."""
    import xarray as xr

    known = [str(name) for name in (thresholds.variables if isinstance(thresholds, xr.Dataset) else thresholds)]
    if "leverage" not in known:
        raise SpecificationError(f"compare_falls: thresholds has no 'leverage'.{did_you_mean('leverage', known)}")
    criteria = tuple(name for name in CRITERIA if name in known)
    if not criteria:
        raise SpecificationError(
            f"compare_falls: thresholds has none of {', '.join(CRITERIA)}.{did_you_mean('total_fall', known)}"
        )
    try:
        names = ("leverage", *criteria)
        leverage, *columns = (np.atleast_1d(np.asarray(thresholds[name], dtype=float)) for name in names)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"compare_falls: thresholds must hold numbers ({error})") from None
    for name, values in zip(criteria, columns, strict=True):
        if leverage.ndim != 1 or values.shape != leverage.shape:
            raise SpecificationError(
                f"compare_falls: '{name}' has shape {values.shape}, 'leverage' {leverage.shape}; give one number for "
                "each leverage"
            )
    return leverage, criteria, np.stack(columns, axis=1)


def _monthly(probability: Array, periods: float) -> Array:
    """Probability of one event or more in a month; the logarithms keep small probabilities exact."""
    with np.errstate(divide="ignore"):
        return -np.expm1(periods * np.log1p(-probability))


def _sentence(
    status: int,
    verdict: int,
    size: float,
    count: int,
    lower: float,
    upper: float,
    *,
    level: float,
    number: int,
    confidence: float,
) -> str:
    """Say the verdict with its numbers."""
    if status == STATUS["no_threshold"]:
        return "not compared: there is no threshold"
    if status == STATUS["unstable"]:
        return "not compared: unstable without any fall"
    if status == STATUS["threshold_is_a_rise"]:
        return "not compared: the threshold is a rise"
    sure = f"({confidence * 100:g} %)"
    words = next(name for name, code in VERDICTS.items() if code == verdict).replace("_", " ")
    limit = f" {level * 100:g} % per month" if verdict != VERDICTS["beyond_the_sample"] else ""
    if count == 0:
        none = f"no fall of {size:.4g} in {number} periods"
        return f"{words}{limit}: {none}; at most {upper * 100:.2g} % per month {sure}"
    return (
        f"{words}{limit}: {count} fall{'s' if count > 1 else ''} of {size:.4g} in {number} periods; "
        f"{lower * 100:.2g} to {upper * 100:.2g} % per month {sure}"
    )


def _listed(dates: NDArray[np.datetime64], values: Array, chosen: NDArray[np.bool_]) -> str:
    """List dates and sizes of falls, largest first."""
    where = np.flatnonzero(chosen)
    where = where[np.argsort(values[where], kind="stable")]
    more = f" and {len(where) - _LISTED} more" if len(where) > _LISTED else ""
    # A moment within a day is shown as such; a day without its midnight.
    written = [str(dates[i].astype("datetime64[s]")).removesuffix("T00:00:00") for i in where[:_LISTED]]
    return ", ".join(f"{d} ({-values[i]:.4f})" for d, i in zip(written, where, strict=False)) + more


def _bracket(dates: NDArray[np.datetime64], values: Array, sizes: Array) -> str:
    """List the falls that reach the smallest of the thresholds and not the largest."""
    if len(sizes) < 2:
        return ""
    return _listed(dates, values, (-values >= sizes.min()) & (-values < sizes.max()))
