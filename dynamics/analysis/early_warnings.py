"""Early warnings of a transition: rolling indicators, and their trend against surrogates."""

from __future__ import annotations

import time as _time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.tail_risk import check_drawn
from dynamics.errors import DataError
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    Array = NDArray[np.float64]

__all__ = ["early_warning_signals", "finite_series"]

DETRENDING = ("gaussian", "linear", "none")
SHORTEST_WINDOW = 10
NARROWEST = 0.1  # values: neighbours weigh exp(-50) then, and the trend is the series itself
FEWEST_SURROGATES = 20  # a p-value of 0.05 is the smallest then
_CHUNK = 50


def early_warning_signals(
    series: ArrayLike | xr.DataArray,
    *,
    flow: ArrayLike | xr.DataArray | None = None,
    window: float = 0.5,
    detrending: str = "gaussian",
    bandwidth: float = 0.1,
    surrogates: int = 500,
    seed: int = 0,
) -> xr.Dataset:
    """early_warning_signals(series): rolling variance and lag-1 autocorrelation, and whether they rise more than by chance.

    Parameters
    ----------
    series : array_like or xarray.DataArray, shape (time,)
        Equally spaced, **before** the transition: what comes after it must have been cut off.
    flow : array_like or xarray.DataArray, shape (time,), optional
        Order flow on the same times; adds the indicator ``flow_variance_compression``, minus the logarithm of its rolling
        variance (it rises when flow becomes calmer).
    window : float
        Rolling window as a share of the series.
    detrending : {"gaussian", "linear", "none"}
        Subtracted before the indicators: local straight lines with Gaussian weights, one straight line, or the mean.
    bandwidth : float
        Standard deviation of the kernel as a share of the series.
    surrogates : int
        Number of surrogate series, stationary autoregressions of order 1 fitted to the residuals.
    seed : int
        Root seed.

    Returns
    -------
    xarray.Dataset
        Over ``time`` (index of the end of the window): the indicators. Over ``indicator``: ``kendall_tau`` (trend in time),
        ``p_value`` (share of surrogates with a tau at least as large: the indicator is expected to rise) and
        ``surrogate_tau`` (its 5, 50 and 95 % quantiles, over ``level``). ``residual``: what the indicators were taken of.

    Raises
    ------
    DataError
        The series is not finite, not one-dimensional, too short, or constant.
    SpecificationError
        An option is out of its range.

    Notes
    -----
    Rising variance and autocorrelation announce a loss of stability that is approached slowly [1]_. A shock from outside
    announces nothing, a window too long or a bandwidth too narrow can make or hide a trend, and neighbouring windows
    overlap, so that tau's textbook p-value is wrong; hence the surrogates. Score warnings on many series, with and without
    a transition, before using them: ``score_warnings``.

    References
    ----------
    .. [1] Scheffer et al. (2009), Early-warning signals for critical transitions, doi:10.1038/nature08227
    .. [2] Dakos et al. (2012), Methods for detecting early warnings of critical transitions,
       doi:10.1371/journal.pone.0041010

    Examples
    --------
    >>> import numpy as np
    >>> noise, x = np.random.default_rng(1).standard_normal(400), np.zeros(400)
    >>> for t in range(399):
    ...     x[t + 1] = (0.2 + 0.75 * t / 400) * x[t] + noise[t]
    >>> warning = early_warning_signals(x, surrogates=100)
    >>> bool(warning["kendall_tau"].sel(indicator="lag1_autocorrelation") > 0.5)
    True
    """
    import xarray as xr

    started = _time.perf_counter()
    values = finite_series(series, "series")
    extra = None if flow is None else finite_series(flow, "flow")
    if extra is not None and len(extra) != len(values):
        raise DataError(f"early_warning_signals: flow has {len(extra)} values, the series {len(values)}")
    detrending = arguments.choice(detrending, "early_warning_signals: detrending", DETRENDING)
    window = arguments.between(window, "early_warning_signals: window (a share of the series)", 0, 1)
    narrowest = NARROWEST / max(len(values), 1)
    bandwidth = arguments.between(bandwidth, "early_warning_signals: bandwidth (a share of the series)", narrowest, 1)
    surrogates = arguments.whole(surrogates, "early_warning_signals: surrogates", FEWEST_SURROGATES)
    seed = arguments.seed_of(seed, "early_warning_signals: seed")
    check_drawn("early_warning_signals", surrogates, len(values), "surrogates")
    length = round(window * len(values))
    if length < SHORTEST_WINDOW or len(values) - length < 4:
        raise DataError(f"early_warning_signals: {len(values)} values with a window of {length} are too few; a window must "
                        f"have at least {SHORTEST_WINDOW} values and leave at least 5 windows")
    smooth = _smoother(len(values), detrending, bandwidth)
    residual = smooth(values[None])[0]
    if not residual.std() > 1e-12 * max(1.0, float(np.abs(values).max())):
        raise DataError("early_warning_signals: the series does not vary around its trend")
    rolled = {"variance": _variance(residual[None], length)[0],
              "lag1_autocorrelation": _autocorrelation(residual[None], length)[0]}
    drawn = {name: np.empty(0) for name in rolled}
    for part in _surrogates(residual, surrogates, seed):
        again = smooth(part)
        drawn["variance"] = np.append(drawn["variance"], _tau(_variance(again, length)))
        drawn["lag1_autocorrelation"] = np.append(drawn["lag1_autocorrelation"], _tau(_autocorrelation(again, length)))
    if extra is not None:
        calm = smooth(extra[None])[0]
        rolled["flow_variance_compression"] = -np.log(_variance(calm[None], length)[0])
        drawn["flow_variance_compression"] = np.concatenate(
            [_tau(-np.log(_variance(smooth(part), length))) for part in _surrogates(calm, surrogates, seed + 1)])
    names = list(rolled)
    trend = np.array([_tau(rolled[name][None])[0] for name in names])
    # the observed series counts as one of its surrogates: a p-value is never zero
    p_value = [(1 + np.sum(drawn[name] >= value)) / (1 + surrogates) for name, value in zip(names, trend, strict=True)]
    levels = [0.05, 0.5, 0.95]
    variables: dict[str, Any] = {
        name: ("time", rolled[name], {"units": "1", "long_name": name.replace("_", " ").replace("lag1", "lag-1")})
        for name in names}
    variables |= {
        "residual": ("sample", residual, {"units": "1", "long_name": "series minus its trend"}),
        "kendall_tau": ("indicator", trend, {"units": "1", "long_name": "Kendall's tau of the indicator with time"}),
        "p_value": ("indicator", p_value, {"units": "1", "long_name": "share of surrogates with at least this tau"}),
        "surrogate_tau": (("indicator", "level"), np.array([np.quantile(drawn[name], levels) for name in names]),
                          {"units": "1", "long_name": "quantiles of tau among surrogates"})}
    return xr.Dataset(
        variables, coords={"time": np.arange(length - 1, len(values)), "indicator": names, "level": levels},
        attrs=provenance("early_warning_signals", method="rolling indicators, Kendall's tau, AR(1) surrogates",
                         window=length, detrending=detrending, bandwidth=bandwidth, surrogates=surrogates, seed=seed,
                         observations=len(values), wall_time_s=_time.perf_counter() - started))


def finite_series(given: Any, name: str, analysis: str = "early_warning_signals") -> Array:
    """Return the values of a series, finite and one-dimensional.

    Raises
    ------
    DataError
        It is not such a series; the message names ``analysis`` and the argument's ``name``.
    """
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError, OverflowError) as fault:
        raise DataError(f"{analysis}: the {name} is not numbers ({fault})") from None
    if values.ndim != 1:
        raise DataError(f"{analysis}: the {name} must be one series, not of shape {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(f"{analysis}: {len(bad)} values of the {name} are not finite (first: position {bad[0]})")
    return values


# ---- indicators, of many series at once: shape (series, time) -------------------------------------------------------

def _smoother(length: int, detrending: str, bandwidth: float) -> Callable[[Array], Array]:
    """A function that subtracts the trend from each row."""
    if detrending == "none":
        return lambda rows: rows - rows.mean(axis=1, keepdims=True)
    position = np.arange(length) - (length - 1) / 2
    if detrending == "linear":
        line = position / np.sum(position**2)
        return lambda rows: rows - rows.mean(axis=1, keepdims=True) - (rows @ line)[:, None] * position
    # local straight lines have no bias at the ends, where local means have
    distance = position - position[:, None]
    kernel = np.exp(-0.5 * (distance / (bandwidth * length)) ** 2)
    first, second = (kernel * distance).sum(axis=1, keepdims=True), (kernel * distance**2).sum(axis=1, keepdims=True)
    weights = kernel * (second - first * distance) / (kernel.sum(axis=1, keepdims=True) * second - first**2)
    return lambda rows: rows - rows @ weights.T


def _windows(rows: Array, length: int) -> Array:
    """Sums over each window of ``length``."""
    sums = np.concatenate([np.zeros((len(rows), 1)), rows.cumsum(axis=1)], axis=1)
    return sums[:, length:] - sums[:, :-length]


def _variance(rows: Array, length: int) -> Array:
    """Unbiased, over rolling windows."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    total, squares = _windows(rows, length), _windows(rows**2, length)
    return np.maximum(squares - total**2 / length, 1e-300) / (length - 1)


def _autocorrelation(rows: Array, length: int) -> Array:
    """Correlation of each value in the window with the one before it in the window."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    early, late, pairs = rows[:, :-1], rows[:, 1:], length - 1
    a, b = _windows(early, pairs), _windows(late, pairs)
    product = _windows(early * late, pairs) - a * b / pairs
    spread = (_windows(early**2, pairs) - a**2 / pairs) * (_windows(late**2, pairs) - b**2 / pairs)
    return product / np.sqrt(np.maximum(spread, 1e-300))


def _tau(rows: Array) -> Array:
    """Kendall's tau of each row with time."""
    from scipy.stats import kendalltau

    time = np.arange(rows.shape[1])
    return np.array([kendalltau(time, row).statistic for row in rows])


def _surrogates(residual: Array, count: int, seed: int) -> Iterator[Array]:
    """Stationary autoregressions of order 1 with the residuals' variance and lag-1 autocorrelation, chunk by chunk."""
    from scipy.signal import lfilter

    centered = residual - residual.mean()
    slope = float(np.clip(centered[1:] @ centered[:-1] / (centered @ centered), -0.999, 0.999))
    deviation = centered.std()
    chunks = -(-count // _CHUNK)
    for number, child in enumerate(np.random.SeedSequence(seed).spawn(chunks)):
        size = min(_CHUNK, count - number * _CHUNK)
        noise = np.random.default_rng(child).standard_normal((size, len(residual)))
        noise[:, 1:] *= np.sqrt(1 - slope**2)
        yield deviation * lfilter([1.0], [1.0, -slope], noise, axis=1)
