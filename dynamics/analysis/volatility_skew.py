"""The volatility skew a model implies: options on its simulated returns, quoted in Black's implied volatilities."""

from __future__ import annotations

import time as _time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.tail_risk import check_draws
from dynamics.errors import DataError, SpecificationError, did_you_mean
from dynamics.results import provenance, status_attributes

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    Array = NDArray[np.float64]

__all__ = ["implied_volatility_skew"]

STRIKE_STATUS = {"priced": 0, "no_paths_beyond": 1}
FEWEST = 100
FEWEST_REPLICATES = 20  # percentiles of fewer say nothing
"""Fewest returns that a skew is computed from."""
_YEARS = {"year": 1.0, "day": 1 / 365, "week": 7 / 365, "month": 1 / 12, "hour": 1 / 8760, "minute": 1 / 525600}
_ITERATIONS = 40
_QUOTES = ("at_the_money", "call_25", "put_25", "risk_reversal", "butterfly", "slope")


def implied_volatility_skew(
    returns: xr.Dataset | ArrayLike,
    maturity: float | None = None,
    *,
    state: str = "price_gap",
    strikes: Sequence[float] | None = None,
    confidence: float = 0.95,
    bootstrap: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """implied_volatility_skew(returns, maturity): price options on terminal returns and quote them in implied volatility.

    Terminal prices are rescaled so that their mean is the forward price (the sample becomes a martingale), out-of-the-money
    options are priced by the sample's mean payoff, and Black's formula (1976) is inverted.

    Parameters
    ----------
    returns : xarray.Dataset or array_like, shape (path,)
        Terminal log returns over the maturity; or a result of ``simulate``, whose ``final_<state>`` minus the initial value
        is the log return.
    maturity : float, optional
        In years. Of a simulation None takes its duration, with 365 days in a year.
    state : str
        The log price among the simulated states.
    strikes : sequence of float, optional
        Strike over forward price. None: 25 strikes from the 1 % to the 99 % quantile of the rescaled price.
    confidence, bootstrap, seed : float, int, int
        Of the percentile intervals from resampled paths; 0 replicates give none (nan).

    Returns
    -------
    xarray.Dataset
        Over ``strike`` (strike/forward): ``implied_volatility`` (per square root of a year) with its ``_lower`` and
        ``_upper``, ``price`` (of the out-of-the-money option, over the forward price) and ``status`` (no_paths_beyond: no
        path ends there, and no volatility is implied: nan). Over ``quote``: ``value``, ``value_lower``, ``value_upper`` of
        at_the_money, call_25 and put_25 (volatilities at the strikes where the call's delta is 0.25 and the put's -0.25),
        risk_reversal = call_25 - put_25, butterfly = (call_25 + put_25)/2 - at_the_money, and slope = d volatility / d ln
        strike at the money (between the strikes exp(-w/2) and exp(w/2), w the standard deviation up to maturity).

    Raises
    ------
    DataError
        The returns are not one finite series of 100 values or more, or do not vary.
    SpecificationError
        An argument is out of its range.

    Notes
    -----
    It is the skew of the model under its own measure: no premium for risk is in it, so it is a statement about the shape of
    the model's distribution and not a forecast of quoted volatilities. Paths that end early (insolvency) count with the
    price at their end. A simulation's invalid paths are left out, and ``left_out`` says how many.

    References
    ----------
    Black (1976), The pricing of commodity contracts, doi:10.1016/0304-405X(76)90024-6

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> lognormal = 0.2 * norm.ppf((np.arange(20000) + 0.5) / 20000)
    >>> skew = implied_volatility_skew(lognormal, 1.0, strikes=[0.8, 1.0, 1.2], bootstrap=0)
    >>> skew["implied_volatility"].values.round(3).tolist()
    [0.2, 0.2, 0.2]
    """
    import xarray as xr

    started = _time.perf_counter()
    purpose = "implied_volatility_skew"
    values, years, origin = _terminal(returns, maturity, state)
    fewest = 0 if arguments.whole(bootstrap, f"{purpose}: bootstrap", 0) == 0 else FEWEST_REPLICATES
    check_draws(purpose, confidence, bootstrap, seed, len(values), fewest)
    market = _Market.of(values)
    usual = np.quantile(market.prices, np.linspace(0.01, 0.99, 25))
    ratio = usual if strikes is None else arguments.numbers(strikes, f"{purpose}: strikes")
    if not np.all(ratio > 0):
        raise SpecificationError("implied_volatility_skew: strikes must be positive numbers, relative to the forward price")
    total, root = market.deviation(ratio), np.sqrt(years)
    found = np.concatenate([total, market.quotes()]) / root
    lower, upper = _interval(values, ratio, root, confidence, bootstrap, seed, len(found))
    volatility = {"units": "1/year**0.5", "long_name": "implied volatility"}
    cut = len(ratio)
    variables: dict[str, Any] = {
        "implied_volatility": ("strike", found[:cut], volatility),
        "implied_volatility_lower": ("strike", lower[:cut], volatility),
        "implied_volatility_upper": ("strike", upper[:cut], volatility),
        "price": ("strike", market.price(ratio),
                  {"units": "1", "long_name": "price of the out-of-the-money option / forward price"}),
        "status": ("strike", np.isnan(total).astype(np.int8), status_attributes(STRIKE_STATUS)),
        "value": ("quote", found[cut:], volatility),
        "value_lower": ("quote", lower[cut:], volatility),
        "value_upper": ("quote", upper[cut:], volatility),
    }
    return xr.Dataset(
        variables,
        coords={"strike": ("strike", ratio, {"units": "1", "long_name": "strike / forward price"}), "quote": list(_QUOTES)},
        attrs=provenance("implied_volatility_skew", method="mean payoff of the rescaled sample; Black's formula inverted",
                         maturity_years=years, confidence=confidence, bootstrap=bootstrap, seed=seed,
                         observations=len(values), forward_factor=market.factor,
                         wall_time_s=_time.perf_counter() - started) | origin)


def _terminal(returns: Any, maturity: float | None, state: str) -> tuple[Array, float, dict[str, Any]]:
    """Return finite log returns, years to maturity, and where they come from."""
    import xarray as xr

    origin: dict[str, Any] = {}
    if isinstance(returns, xr.Dataset):
        names = [str(name) for name in returns.data_vars]
        finals = [name[6:] for name in names if name.startswith("final_") and not name.endswith("_quantile")]
        if not isinstance(state, str) or state not in finals:
            raise SpecificationError(f"implied_volatility_skew: the result has no final value of '{state}'."
                                     f"{did_you_mean(str(state), finals)} There are {', '.join(finals) or 'none'}")
        start = float(returns.attrs.get("initial_state", {}).get(state, 0.0))
        values = np.asarray(returns[f"final_{state}"], dtype=float) - start
        good = np.asarray(returns["status"]) != 4 if "status" in returns else np.isfinite(values)
        origin = {name: returns.attrs[name] for name in ("system", "system_sha256", "system_text") if name in returns.attrs}
        origin["left_out"] = int((~good).sum())
        values = values[good]
        if maturity is None:
            unit = str(returns.attrs.get("time_unit", ""))
            if unit not in _YEARS:
                raise SpecificationError(f"implied_volatility_skew: give maturity in years; the time unit '{unit}' has no "
                                         f"length in years here (known: {', '.join(_YEARS)})")
            maturity = float(returns.attrs["duration"]) * _YEARS[unit]
    else:
        try:
            values = np.asarray(returns, dtype=float)
        except (TypeError, ValueError, OverflowError) as fault:
            raise DataError(f"implied_volatility_skew: the returns are not numbers ({fault})") from None
        if maturity is None:
            raise SpecificationError("implied_volatility_skew: give maturity, the time in years that the returns span")
    if values.ndim != 1 or len(values) < FEWEST:
        raise DataError(f"implied_volatility_skew: the returns must be one series of at least {FEWEST} values, "
                        f"not of shape {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(f"implied_volatility_skew: {len(bad)} returns are not finite (first: position {bad[0]}); "
                        "leave them out")
    if np.ptp(values) == 0:
        raise DataError("implied_volatility_skew: all returns are equal, so options have no time value")
    return values, arguments.positive(maturity, "implied_volatility_skew: maturity (years)"), origin


@dataclass(frozen=True)
class _Market:
    """Prices of options on a sample with mean 1: sorted prices and the sums of the smallest of them."""

    prices: Array
    sums: Array
    factor: float

    @classmethod
    def of(cls, log_returns: Array) -> _Market:
        largest = float(log_returns.max())
        # the largest is taken out first, so that no exponential overflows
        scaled = np.sort(np.exp(log_returns - largest))
        mean = float(scaled.mean())
        prices = scaled / mean
        return cls(prices, np.concatenate([[0.0], np.cumsum(prices)]), float(mean * np.exp(min(largest, 700.0))))

    def price(self, strikes: Array) -> Array:
        """Mean payoff of the put at or below the forward price, of the call above."""
        count = np.searchsorted(self.prices, strikes, side="right")
        put = (strikes * count - self.sums[count]) / len(self.prices)
        # call - put = 1 - strike, exactly, as the sample has mean 1
        return np.where(strikes <= 1, put, np.maximum(put + 1 - strikes, 0.0))

    def deviation(self, strikes: Array) -> Array:
        """Black's volatility times the square root of time; nan where no path ends beyond the strike."""
        beyond = np.where(strikes <= 1, self.prices[0] < strikes, self.prices[-1] > strikes)
        return np.where(beyond, implied_deviation(strikes, self.price(strikes)), np.nan)

    def quotes(self) -> Array:
        """Deviations of the quotes, in their order."""
        center = float(self.deviation(np.ones(1))[0])
        call, put = self._at_delta(0.25), self._at_delta(0.75)
        low, high = self.deviation(np.exp(np.array([-center, center]) / 2))
        return np.array([center, call, put, call - put, (call + put) / 2 - center, (high - low) / center])

    def _at_delta(self, delta: float) -> float:
        """Deviation at the strike where N(d1) is ``delta``, looked for between the sample's extremes."""
        from scipy.special import ndtri

        low, high = np.log(np.quantile(self.prices, [0.002, 0.998]))
        for _ in range(4):
            grid = np.linspace(low, high, 61)
            w = self.deviation(np.exp(grid))
            excess = -grid / w + w / 2 - float(ndtri(delta))
            # N(d1) falls with the strike; of several changes the one nearest to the money is quoted
            changes = np.flatnonzero((excess[:-1] > 0) & (excess[1:] <= 0))
            if not changes.size:
                return float("nan")
            k = int(changes[np.argmin(np.abs(grid[changes]))])
            low, high = grid[k], grid[k + 1]
        share = excess[k] / (excess[k] - excess[k + 1])
        return float(w[k] + share * (w[k + 1] - w[k]))


def implied_deviation(strikes: Array, prices: Array) -> Array:
    """Invert Black's formula for out-of-the-money options; nan where no volatility gives the price.

    Newton's method from the inflection point of the price as a function of volatility converges from one side.

    Parameters
    ----------
    strikes, prices : array, shape (strike,)
        Relative to the forward price.

    Returns
    -------
    array, shape (strike,)
        Volatility times the square root of time.

    References
    ----------
    Manaster and Koehler (1982), The calculation of implied variances from the Black-Scholes model: a note,
    doi:10.2307/2327360

    Examples
    --------
    >>> implied_deviation(np.array([0.9, 1.0]), black(np.array([0.9, 1.0]), np.array([0.2, 0.4]))).round(12).tolist()
    [0.2, 0.4]
    """
    from scipy.special import ndtri

    strikes, prices = np.asarray(strikes, dtype=float), np.asarray(prices, dtype=float)
    possible = (prices > 0) & (prices < np.minimum(strikes, 1))
    # at the money the inflection lies at zero, and the inverse is known
    centered = np.abs(np.log(strikes)) < 1e-12
    price = np.where(possible, prices, 0.5 * np.minimum(strikes, 1))
    w = np.where(centered, 2 * ndtri((1 + price) / 2), np.sqrt(2 * np.abs(np.log(strikes))))
    moving = possible & ~centered
    for _ in range(_ITERATIONS):
        d1 = np.where(moving, -np.log(strikes) / w + w / 2, 0.0)
        slope = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
        # far from the money the slope can vanish in floating point; the start is then as good as can be
        moving &= slope > 0
        step = np.where(moving, (black(strikes, w) - price) / np.where(moving, slope, 1.0), 0.0)
        w = np.where(w > step, w - step, w / 2)
        moving &= np.abs(step) > 1e-12 * w
        if not moving.any():
            break
    return np.where(possible, w, np.nan)


def black(strikes: Array, deviation: Array) -> Array:
    """Black's prices of out-of-the-money options over the forward price; strikes are relative to it.

    Examples
    --------
    >>> black(np.array([1.0]), np.array([0.2])).round(6).tolist()
    [0.079656]
    """
    from scipy.special import ndtr

    d1 = -np.log(strikes) / deviation + deviation / 2
    d2 = d1 - deviation
    return np.where(strikes <= 1, strikes * ndtr(-d2) - ndtr(-d1), ndtr(d1) - strikes * ndtr(d2))


def _interval(values: Array, strikes: Array, root: float, confidence: float, bootstrap: int, seed: int, count: int
              ) -> tuple[Array, Array]:
    """Percentiles over resampled paths."""
    if not bootstrap:
        return np.full(count, np.nan), np.full(count, np.nan)
    replicates = np.empty((bootstrap, count))
    for row, child in enumerate(np.random.SeedSequence(seed).spawn(bootstrap)):
        market = _Market.of(values[np.random.default_rng(child).integers(len(values), size=len(values))])
        replicates[row] = np.concatenate([market.deviation(strikes), market.quotes()]) / root
    outside = (1 - confidence) / 2
    enough = np.isfinite(replicates).sum(axis=0) >= 0.9 * bootstrap
    replicates[:, ~enough] = 0.0
    lower, upper = np.nanquantile(replicates, [outside, 1 - outside], axis=0)
    return np.where(enough, lower, np.nan), np.where(enough, upper, np.nan)
