r"""Leveraged value funds and fat tails: the agent-based market of Thurner, Farmer and Geanakoplos.

Funds buy what is cheap, the more the cheaper it is, on credit up to a leverage limit. They damp ordinary fluctuations;
but below the price at which a fund is at its limit a fall takes more wealth than exposure, and it must sell into it. A day:

.. math::

    \xi_t = N V e^{x_t}, \quad x_t = \rho x_{t-1} + \sigma \chi_t, \qquad
    D_h(p) = \min(\beta_h m, \lambda_{\max}) W_h(p), \quad m = V - p > 0, \quad W_h = S_h p + C_h,

.. math:: \xi_t + \sum_h D_h(p_t) = N p_t .

Without mispricing, or without wealth, a fund holds nothing. Several prices can clear the market; taken is the one that
bisection of excess demand on :math:`[\xi_t/N, V]` ends at (only noise traders hold the asset at the lower end, nobody wants
it at the upper). Investors follow performance, :math:`F_h = \max(-1, b (r_h^{perf} - r_b)) W_h`, where
:math:`r_h^{perf}` averages the funds' daily returns with weight :math:`a`; a fund whose wealth is below a tenth of its first
leaves and is replaced after 100 days.

With ``limit="volatility"`` the limit is :math:`\max[1, \lambda_{\max}/(1 + \kappa \sigma_\tau^2)]`, with the variance of the
last :math:`\tau` log returns (from memory of the paper, not checked against it).

Known results: without leverage returns are nearly normal; with it they have a power tail and clustered volatility, with a
tail exponent near 3 for limits between 5 and 10. Above :math:`m = \lambda_{\max}/\beta_h` a fund sells into falls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import DeclaredProcess, Parameter, Reference, State

__all__ = ["system"]

LIMITS = ("fixed", "volatility")
WORST = 0.05
_SOURCE = "two public re-implementations"
_MEMORY = "memory of the paper"


class _Funds(DeclaredProcess):
    def step(self, state: Mapping[str, Any], parameters: Mapping[str, Any], generator: np.random.Generator
             ) -> dict[str, Any]:
        """One day: noise, clearing, performance, flows, defaults and entries."""
        value, supply, start = parameters["fundamental_value"], parameters["supply"], parameters["initial_wealth"]
        noise = parameters["noise_memory"]*state["log_noise"] + parameters["noise_size"]*generator.standard_normal()
        shares, cash = list(map(float, state["shares"])), list(map(float, state["cash"]))
        aggression, before = parameters["aggression"].tolist(), float(state["price"])
        limit, recent = parameters["leverage_limit"], tuple[float, ...]()
        if "recent_return" in state:
            recent = tuple(map(float, state["recent_return"]))
            limit = max(1.0, limit/(1 + parameters["volatility_penalty"]*float(np.var(recent))))
        price = clearing_price(supply*value*math.exp(noise), value, supply, limit, aggression, shares, cash)
        gap, weight, rate = value - price, parameters["performance_weight"], parameters["flow_rate"]
        performance, waiting = [], []
        defaults, at_limit, exposure, wealth = float(state["defaults"]), 0.0, 0.0, 0.0
        for h, (strength, average, days) in enumerate(zip(aggression, state["performance"], state["waiting"], strict=True)):
            if days:
                waiting.append(days - 1.0)
                performance.append(0.0)
                shares[h], cash[h] = 0.0, start if days == 1 else 0.0
                continue
            owned, previous = shares[h]*price + cash[h], shares[h]*before + cash[h]
            average = (1 - weight)*float(average) + weight*shares[h]*(price - before)/previous
            demand = min(strength*gap, limit)*owned if gap > 0 and owned > 0 else 0.0
            at_limit += strength*gap >= limit
            flow = max(-1.0, rate*(average - parameters["benchmark_return"]))*owned
            if owned + flow < parameters["default_share"]*start:
                defaults += 1
                shares[h], cash[h], average, days = 0.0, 0.0, 0.0, parameters["absence"]
            else:
                shares[h], cash[h], days = demand/price, owned - demand + flow, 0.0
                exposure, wealth = exposure + demand, wealth + owned
            performance.append(average)
            waiting.append(days)
        after = {"price": price, "log_noise": noise, "shares": shares, "cash": cash, "performance": performance,
                 "waiting": waiting, "defaults": defaults, "at_limit": at_limit,
                 "leverage": exposure/wealth if wealth else 0.0}
        if recent:
            after["recent_return"] = (*recent[1:], math.log(price/before))
        return after

    def statistics_of(self, orbit: Any) -> dict[str, float]:
        """Statistics of the days after the transient, of which there must be some."""
        price = orbit["price"].values[int(self.options["transient"]):]
        if price.size < 100:
            return dict.fromkeys(self.statistics, math.nan)
        returns = np.diff(np.log(price))
        held = returns[price[:-1] < self.parameter_values["fundamental_value"]]
        losses = np.sort(-held[held < 0])[::-1]
        tail = losses[:max(2, int(WORST*losses.size))]
        sizes = np.abs(returns) - np.mean(np.abs(returns))
        defaults = orbit["defaults"].values
        return {"hill_exponent": float(1/np.mean(np.log(tail[:-1]/tail[-1]))) if losses.size > 40 else math.nan,
                "excess_kurtosis": float(np.mean((held - np.mean(held))**4)/np.var(held)**2 - 3) if held.size else math.nan,
                "volatility_clustering": float(np.mean(sizes[1:]*sizes[:-1])/np.mean(sizes**2)),
                "default_count": float(defaults[-1] - defaults[-price.size])}


def clearing_price(noise: float, value: float, supply: float, limit: float, aggression: list[float], shares: list[float],
                   cash: list[float]) -> float:
    """Return the price at which bisection on [noise/supply, value] ends.

    Excess demand is quadratic between the prices at which a fund reaches its limit or has lost its wealth; once bisection
    has left only one piece, its root is known.
    """
    low, high = noise/supply, value
    if low >= high:
        return low
    funds = [fund for fund in zip(aggression, shares, cash, strict=True) if fund[1] or fund[2]]
    kinks = [value - limit/strength for strength, _, _ in funds]
    kinks += [-money/held for _, held, money in funds if money < 0]
    while True:
        middle = (low + high)/2
        kinks = [kink for kink in kinks if low < kink < high]
        if not kinks or not low < middle < high:
            break
        excess, gap = noise - supply*middle, value - middle
        for strength, held, money in funds:
            owned = held*middle + money
            if owned > 0:
                excess += min(strength*gap, limit)*owned
        low, high = (middle, high) if excess > 0 else (low, middle)
    # one piece: c0 + c1 p + c2 p**2, positive at the lower end and negative at the upper
    c0, c1, c2, gap = noise, -supply, 0.0, value - middle
    for strength, held, money in funds:
        if held*middle + money <= 0:
            continue
        if strength*gap >= limit:
            c0, c1 = c0 + limit*money, c1 + limit*held
        else:
            c0, c1, c2 = c0 + strength*value*money, c1 + strength*(value*held - money), c2 - strength*held
    root = math.sqrt(max(c1*c1 - 4*c2*c0, 0.0))
    # the falling branch, written so that nothing cancels
    price = 2*c0/(root - c1) if c1 < 0 else -(c1 + root)/(2*c2)
    return min(max(price, low), high)


def system(*, limit: str = "fixed", funds: int = 10, window: int = 10, transient: int = 2000) -> DeclaredProcess:
    """Make the model.

    Parameters
    ----------
    limit : {"fixed", "volatility"}
        Leverage limit; with ``"volatility"`` it falls with the variance of recent returns.
    funds : int
        Number of funds; their aggressions are 5, 10, 15, ...
    window : int
        Days of recent returns in the variance.
    transient : int
        Days that the statistics leave out.

    Returns
    -------
    DeclaredProcess

    Raises
    ------
    SpecificationError
        For another limit, or numbers that are too small.

    Examples
    --------
    >>> import dynamics as dy
    >>> run = dy.iterate(dy.models.load("leveraged_value_funds"), 250, seed=1)
    >>> bool((run["price"] > 0).all())
    True
    """
    if limit not in LIMITS:
        raise SpecificationError(f"limit must be one of {', '.join(LIMITS)}, not {limit!r}."
                                 + did_you_mean(str(limit), LIMITS))
    for name, number, least in (("funds", funds, 1), ("window", window, 2), ("transient", transient, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise SpecificationError(f"{name} must be a whole number of at least {least}, not {number!r}")
    states = {
        "price": State("fundamental_value", "USD", (0, None), "p", "price of a share"),
        "log_noise": State(0, "1", (None, None), "x", "log of what noise traders hold / N V"),
        "shares": State((0,)*funds, "1", (0, None), "S", "shares held by the fund", over=("fund",)),
        "cash": State("initial_wealth", "USD", (None, None), "C", "cash of the fund; a loan where negative", over=("fund",)),
        "performance": State((0,)*funds, "1", (None, None), None, "average daily return of the fund", over=("fund",)),
        "waiting": State((0,)*funds, "day", (0, None), None, "days until the fund comes back", over=("fund",)),
        "defaults": State(0, "1", (0, None), None, "defaults so far"),
        "at_limit": State(0, "1", (0, None), None, "funds at their leverage limit"),
        "leverage": State(0, "1", (0, None), "lambda", "holdings / wealth of all funds"),
    }
    parameters = {
        "leverage_limit": Parameter(5, "1", (1, None), "lambda_max", "largest ratio of holdings to wealth", _SOURCE),
        "aggression": Parameter(tuple(5*(h + 1) for h in range(funds)), "1/USD", (0, None), "beta",
                                "holdings / wealth per dollar of mispricing", _SOURCE, over=("fund",)),
        "fundamental_value": Parameter(1, "USD", (0, None), "V", "value of a share, as funds see it", _SOURCE),
        "supply": Parameter(1000, "1", (0, None), "N", "number of shares", _SOURCE),
        "noise_memory": Parameter("0.99", "1", (0, 1), "rho", "daily persistence of noise demand", _SOURCE),
        "noise_size": Parameter("0.035", "1", (0, None), "sigma", "daily shock to log noise demand", _SOURCE),
        "performance_weight": Parameter("0.1", "1", (0, 1), "a", "weight of the last day in performance", _SOURCE),
        "flow_rate": Parameter("0.15", "1", (0, None), "b", "daily flow / (performance - benchmark)", _SOURCE),
        "benchmark_return": Parameter("0.005", "1", (None, None), "r_b", "daily return of the benchmark", _SOURCE),
        "initial_wealth": Parameter(2, "USD", (0, None), "W_0", "wealth of a new fund", _SOURCE),
        "default_share": Parameter("0.1", "1", (0, 1), None, "share of the initial wealth below which a fund ends", _SOURCE),
        "absence": Parameter(100, "day", (1, None), None, "days until another fund takes the place", _SOURCE),
    }
    indices = {"fund": funds}
    if limit == "volatility":
        parameters["volatility_penalty"] = Parameter(100, "1", (0, None), "kappa", "cut of the limit per variance", _MEMORY)
        states["recent_return"] = State((0,)*window, "1", (None, None), None, "recent log returns", over=("day_before",))
        indices["day_before"] = window
    return _Funds(
        name="leveraged_value_funds", states=states, parameters=parameters, indices=indices, time_unit="day",
        statistics={"hill_exponent": ("1", "Hill exponent of the worst 5 % of losses on days that begin with p < V"),
                    "excess_kurtosis": ("1", "excess kurtosis of log returns on days that begin with p < V"),
                    "volatility_clustering": ("1", "autocorrelation of absolute log returns at one day"),
                    "default_count": ("1", "defaults after the transient")},
        options={"limit": limit, "funds": funds, "window": window, "transient": transient},
        references=(Reference("S. Thurner, J. D. Farmer, J. Geanakoplos", 2012, "Leverage causes fat tails and clustered "
                              "volatility", "Quantitative Finance 12, 695-707",
                              "10.48550/arXiv.0908.1555"),),
    )
