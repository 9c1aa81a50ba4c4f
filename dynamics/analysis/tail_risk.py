"""How heavy the tail of a return series is, and how often a fall of given size occurs, with honest intervals."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.analysis.block_bootstrap import block_counts, block_length, block_positions
from dynamics.errors import DataError, SpecificationError
from dynamics.results import provenance, status_attributes

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["MOST_DRAWN", "MOST_REPLICATES", "check_drawn", "check_draws", "exceedance", "tail_index"]

SMALLEST_TAIL = 10
"""Fewest observations that the tail of a Hill estimate may have."""
EXCESSES = 30
"""Fewest excesses that a generalised Pareto distribution is fitted to, where the series has them."""
MOST_REPLICATES = 1_000_000
"""Replicates of one bootstrap: a percentile is known to 0.03 percent of the distribution then, and more say no more."""
MOST_DRAWN = 10**10
"""Numbers drawn by one bootstrap: about two minutes; a million replicates of ten thousand observations."""
LEVEL_STATUS = {"observed": 0, "beyond_the_sample": 1}


def tail_index(
    returns: xr.Dataset | xr.DataArray | ArrayLike,
    *,
    side: str = "lower",
    fraction: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    bootstrap: int = 1000,
) -> xr.Dataset:
    """Estimate the tail index alpha (Prob[loss > x] ~ x**-alpha) by Hill's estimator.

    Parameters
    ----------
    returns : xarray.Dataset, xarray.DataArray or array_like, shape (time,)
        Log returns (pure numbers); of a Dataset, its variable ``log_return``.
    side : {"lower", "upper"}
        Tail of the losses or of the gains.
    fraction : float, optional
        Share of all observations to count as the tail. None chooses it so that the Kolmogorov-Smirnov distance between
        the observations of the tail and the Pareto distribution fitted to them is least [2]_, among tails of 10
        observations up to all those of the side.
    confidence : float
        Of both intervals.
    seed, bootstrap : int
        Root seed and number of replicates of the circular block bootstrap [3]_ (block length n**(1/3)).

    Returns
    -------
    xarray.Dataset
        Scalars (pure numbers): ``tail_index``, ``asymptotic_lower`` and ``asymptotic_upper`` (exact for independent
        Pareto observations beyond a fixed threshold: a gamma distribution), ``bootstrap_lower`` and
        ``bootstrap_upper`` (percentiles; they see dependence), ``tail_count``, ``threshold`` (positive),
        ``distance`` (Kolmogorov-Smirnov). Both intervals hold the size of the tail fixed: they do not contain the
        uncertainty of its choice.

    Raises
    ------
    DataError
        The returns are not a finite series, or the side has too few observations.
    SpecificationError
        An argument is out of its range.

    Notes
    -----
    The automatic choice favours long tails. Where the distribution is a power law only far out, the estimate is then
    too low: for Student's t with 3 degrees of freedom and 2000 observations it is 2.3 in the mean (30 samples). Compare
    several values of ``fraction`` before believing the third digit.

    References
    ----------
    .. [1] Hill (1975), doi:10.1214/aos/1176343247
    .. [2] Clauset, Shalizi and Newman (2009), doi:10.1137/070710111
    .. [3] Politis and Romano (1992), A circular block-resampling procedure for stationary data, in: LePage and Billard
       (eds.), Exploring the Limits of Bootstrap, Wiley

    Examples
    --------
    >>> import numpy as np
    >>> losses = np.random.default_rng(1).pareto(3.0, 4000) + 1.0
    >>> estimate = tail_index(-losses, fraction=0.5, bootstrap=100)
    >>> bool(estimate["asymptotic_lower"] < 3.0 < estimate["asymptotic_upper"])
    True
    """
    import xarray as xr
    from scipy.stats import gamma

    started = time.perf_counter()
    values = series(returns, "tail_index")
    side = arguments.choice(side, "tail_index: side", ("lower", "upper"))
    check_draws("tail_index", confidence, bootstrap, seed, len(values))
    fraction = None if fraction is None else arguments.share(fraction, "tail_index: fraction")
    losses = -values if side == "lower" else values
    positive = np.sort(losses[losses > 0])[::-1]
    largest = len(positive) - 1
    if largest < SMALLEST_TAIL:
        raise DataError(
            f"tail_index: the {side} side has {len(positive)} observations, at least {SMALLEST_TAIL + 1} are needed"
        )
    if fraction is None:
        candidates = np.unique(np.geomspace(SMALLEST_TAIL, largest, 200).astype(int))
        count = min(candidates.tolist(), key=lambda k: _distance(positive, k))
    else:
        count = round(fraction * len(values))
        if not SMALLEST_TAIL <= count <= largest:
            raise SpecificationError(
                f"tail_index: fraction={fraction} of {len(values)} observations is a tail of {count}; it must have "
                f"{SMALLEST_TAIL} to {largest} (fraction {SMALLEST_TAIL / len(values):.3g} to "
                f"{largest / len(values):.3g})"
            )
    estimate = float(_hill(positive[None, : count + 1])[0])
    error = (1 - confidence) / 2
    asymptotic = estimate * gamma.ppf([error, 1 - error], count) / count
    block = block_length(len(values))
    replicates = [
        _hill(-np.partition(-losses[index], count, axis=1)[:, : count + 1])
        for index in block_positions(len(values), block, bootstrap, seed)
    ]
    lower, upper = np.nanquantile(np.concatenate(replicates), [error, 1 - error])
    scalars = {
        "tail_index": (estimate, "tail index"),
        "asymptotic_lower": (asymptotic[0], "lower end of the asymptotic interval"),
        "asymptotic_upper": (asymptotic[1], "upper end of the asymptotic interval"),
        "bootstrap_lower": (lower, "lower end of the block-bootstrap interval"),
        "bootstrap_upper": (upper, "upper end of the block-bootstrap interval"),
        "tail_count": (count, "observations in the tail"),
        "threshold": (positive[count], "size of return beyond which the tail begins"),
        "distance": (_distance(positive, count), "Kolmogorov-Smirnov distance of the tail from the fit"),
    }
    return xr.Dataset(
        {name: ((), value, {"units": "1", "long_name": text}) for name, (value, text) in scalars.items()},
        attrs=provenance(
            "tail_index",
            method="Hill estimator, circular block bootstrap",
            side=side,
            tail_choice="least Kolmogorov-Smirnov distance" if fraction is None else "fraction given",
            confidence=confidence,
            seed=seed,
            bootstrap=bootstrap,
            block=block,
            observations=len(values),
            wall_time_s=time.perf_counter() - started,
            **_origin(returns),
        ),
    )


def exceedance(
    returns: xr.Dataset | xr.DataArray | ArrayLike,
    levels: ArrayLike,
    *,
    block: int | None = None,
    bootstrap: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Count how often the return was at or below ``-level``, with intervals for the probability per period.

    Parameters
    ----------
    returns : xarray.Dataset, xarray.DataArray or array_like, shape (time,)
        Log returns; of a Dataset, its variable ``log_return``.
    levels : array_like of float, shape (level,)
        Sizes of the fall, positive, as log returns.
    block : int, optional
        Block length in periods; None takes n**(1/3), rounded up.
    bootstrap, seed : int
        Number of replicates of the circular block bootstrap, and the root seed.
    confidence : float
        Of all intervals.

    Returns
    -------
    xarray.Dataset
        Over ``level``: ``count``; ``probability`` (per period); ``probability_lower`` and ``probability_upper`` (block
        bootstrap; they see that falls come in clusters); ``exact_lower`` and ``exact_upper`` (Clopper-Pearson for
        independent periods, two-sided; with a count of zero the one-sided bound 1 - (1 - confidence)**(1/n), the "rule
        of three" 3/n at 95 percent); ``gpd_probability`` (peaks over threshold; NaN with a message in the attributes
        where no fit is possible); ``status``: observed, or beyond_the_sample where the count is zero. There the
        bootstrap has nothing to draw, and ``probability_upper`` is the exact bound.

    Raises
    ------
    DataError
        The returns are not a finite series.
    SpecificationError
        An argument is out of its range.

    Notes
    -----
    The threshold of the generalised Pareto distribution is the loss that a tenth of the observations exceed [2]_, or
    the 30th largest loss if that tenth has fewer than 30; it is never below zero. Levels below the threshold take the
    observed share.

    References
    ----------
    .. [1] Clopper and Pearson (1934), doi:10.1093/biomet/26.4.404
    .. [2] DuMouchel (1983), doi:10.1214/aos/1176346322
    .. [3] Davison and Smith (1990), doi:10.1111/j.2517-6161.1990.tb01796.x
    .. [4] Kuensch (1989), doi:10.1214/aos/1176347265

    Examples
    --------
    >>> import numpy as np
    >>> falls = exceedance(np.linspace(-0.1, 0.1, 101), [0.096, 0.5], bootstrap=100)
    >>> falls["count"].values.tolist()
    [3, 0]
    >>> round(float(falls["exact_upper"][1]), 4)   # 1 - 0.05**(1/101)
    0.0292
    """
    import xarray as xr
    from scipy.stats import beta

    started = time.perf_counter()
    values = series(returns, "exceedance")
    sizes = arguments.numbers([levels] if np.isscalar(levels) else levels, "exceedance: levels")
    if not np.all(sizes > 0):
        raise SpecificationError("exceedance: levels must be positive numbers (a fall of 10 percent is 0.105)")
    check_draws("exceedance", confidence, bootstrap, seed, len(values))
    number = len(values)
    block = block_length(number) if block is None else arguments.whole(block, "exceedance: block", 1, number)
    reached = values[:, None] <= -sizes
    count = reached.sum(axis=0)
    error = (1 - confidence) / 2
    shares = block_counts(reached, block, bootstrap, seed) / number
    lower, upper = np.quantile(shares, [error, 1 - error], axis=0)
    # beta.ppf is NaN at the ends of its parameters' range, where the bounds are 0 and 1.
    exact_lower = np.where(count > 0, beta.ppf(error, np.maximum(count, 1), number - count + 1), 0.0)
    inner = beta.ppf(1 - error, count + 1, np.maximum(number - count, 1))
    exact_upper = np.where(count < number, inner, 1.0)
    exact_upper[count == 0] = -np.expm1(np.log1p(-confidence) / number)
    upper = np.where(count == 0, exact_upper, upper)
    pareto, fit = _generalised_pareto(-values, sizes)
    per_period = {
        "probability": (count / number, "share of periods with a fall of at least the level"),
        "probability_lower": (lower, "lower end of the block-bootstrap interval"),
        "probability_upper": (upper, "upper end of the block-bootstrap interval; the exact bound at a count of zero"),
        "exact_lower": (exact_lower, "lower end of the exact binomial interval"),
        "exact_upper": (exact_upper, "upper end of the exact binomial interval"),
        "gpd_probability": (pareto, "probability by the generalised Pareto distribution"),
    }
    variables: dict[str, Any] = {
        name: ("level", value, {"units": "1", "long_name": f"{text}, per period"})
        for name, (value, text) in per_period.items()
    }
    variables["count"] = ("level", count, {"units": "1", "long_name": "periods with a fall of at least the level"})
    variables["status"] = ("level", (count == 0).astype(np.int8), status_attributes(LEVEL_STATUS))
    return xr.Dataset(
        variables,
        coords={"level": ("level", sizes, {"units": "1", "long_name": "fall of the log price in one period"})},
        attrs=provenance(
            "exceedance",
            method="share, circular block bootstrap; Clopper-Pearson; generalised Pareto maximum likelihood",
            confidence=confidence,
            seed=seed,
            bootstrap=bootstrap,
            block=block,
            observations=number,
            wall_time_s=time.perf_counter() - started,
            **fit,
            **_origin(returns),
        ),
    )


def series(returns: xr.Dataset | xr.DataArray | ArrayLike, analysis: str) -> Array:
    """Return the values of a return series, finite and one-dimensional.

    Raises
    ------
    DataError
        It is not such a series, or has fewer than two values; the message names ``analysis``.
    """
    import xarray as xr

    if isinstance(returns, xr.Dataset):
        if "log_return" not in returns:
            raise DataError(f"{analysis}: the dataset has no variable 'log_return'; make it with log_returns(prices)")
        returns = returns["log_return"]
    try:
        values = np.asarray(returns, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{analysis}: the returns are not numbers ({error})") from None
    if values.ndim != 1 or len(values) < 2:
        raise DataError(f"{analysis}: the returns must be one series of two values or more, not {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(f"{analysis}: {len(bad)} returns are not finite (first: position {bad[0]}); leave them out")
    return values


def _origin(returns: object) -> dict[str, Any]:
    """Say where the returns come from, as far as their attributes do."""
    attributes = getattr(returns, "attrs", {})
    return {name: attributes[name] for name in ("source_file", "source_sha256", "sample") if name in attributes}


def check_draws(analysis: str, confidence: Any, bootstrap: Any, seed: Any, size: int, fewest: int = 10) -> None:
    """Check the arguments that all bootstraps share.

    Parameters
    ----------
    analysis : str
        For messages.
    confidence, bootstrap, seed
    size : int
        Numbers drawn for each replicate.
    fewest : int
        Replicates from which on there is an interval.

    Raises
    ------
    SpecificationError
    """
    arguments.share(confidence, f"{analysis}: confidence")
    arguments.whole(bootstrap, f"{analysis}: bootstrap", fewest)
    arguments.seed_of(seed, f"{analysis}: seed")
    check_drawn(analysis, bootstrap, size, "replicates")


def check_drawn(analysis: str, count: int, size: int, what: str) -> None:
    """Refuse to draw more than a bootstrap is worth.

    Raises
    ------
    SpecificationError
    """
    if count > MOST_REPLICATES or count * size > MOST_DRAWN:
        raise SpecificationError(f"{analysis}: {count} {what} of {size} numbers each are too many; at most "
                                 f"{MOST_REPLICATES} are drawn, and {MOST_DRAWN:g} numbers in all. Take fewer")


def _hill(tails: Array) -> Array:
    """Hill's estimate of each row, whose last entry is its smallest: the threshold, outside the tail.

    A replicate whose threshold is not positive has no estimate (NaN).
    """
    thresholds = tails.min(axis=1)
    valid = thresholds > 0
    logs = np.log(np.where(valid[:, None], tails, 1.0))
    sums = (logs - logs.min(axis=1, keepdims=True)).sum(axis=1)
    # Ties at the threshold can make the sum zero.
    return np.where(valid & (sums > 0), (tails.shape[1] - 1) / np.where(sums > 0, sums, 1.0), np.nan)


def _distance(descending: Array, count: int) -> float:
    """Kolmogorov-Smirnov distance between the ``count`` largest values and the Pareto distribution fitted to them."""
    alpha = _hill(descending[None, : count + 1])[0]
    if np.isnan(alpha):
        return 1.0
    fitted = 1 - (descending[:count][::-1] / descending[count]) ** -alpha
    steps = np.arange(count + 1) / count
    return float(max(np.abs(fitted - steps[1:]).max(), np.abs(fitted - steps[:-1]).max()))


def _generalised_pareto(losses: Array, sizes: Array) -> tuple[Array, dict[str, Any]]:
    """Fit a generalised Pareto distribution to the excesses and return its probabilities and its parameters."""
    import warnings

    from scipy.stats import genpareto

    descending = np.sort(losses)[::-1]
    tenth = max(len(losses) // 10, min(EXCESSES, len(losses) - 1))
    threshold = max(float(descending[tenth]), 0.0)
    excesses = losses[losses > threshold] - threshold
    empty = np.full(len(sizes), np.nan)
    if len(excesses) < EXCESSES or np.ptp(excesses) == 0:
        return empty, {"message": f"no generalised Pareto fit: {len(excesses)} different losses, {EXCESSES} are needed"}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # The search works on numbers of the order of one.
        scale = float(excesses.mean())
        shape, _, width = genpareto.fit(excesses / scale, floc=0)
    if not (np.isfinite(shape) and np.isfinite(width) and width > 0):
        return empty, {"message": "no generalised Pareto fit: the likelihood has no maximum in reach"}
    share = len(excesses) / len(losses)
    with np.errstate(over="ignore"):  # a size beyond all numbers is exceeded with probability zero
        beyond = share * genpareto.sf((sizes - threshold) / scale, shape, scale=width)
    observed = (losses[:, None] >= sizes).mean(axis=0)
    fit = {
        "gpd_threshold": threshold,
        "gpd_shape": float(shape),
        "gpd_scale": float(width * scale),
        "gpd_excesses": len(excesses),
    }
    return np.where(sizes > threshold, beyond, observed), fit
