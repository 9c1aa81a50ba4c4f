r"""Thurner, Farmer and Geanakoplos: leverage causes fat tails and clustered volatility.

The abstract's statements are claims; how they are put into numbers is said with each. The equations come from two public
re-implementations (:mod:`dynamics.models.leveraged_value_funds`), and no table of tail exponents could be read. Runs of
28,000 days after 2,000, each with its own noise; the tail exponent is Hill's over the worst 5 % of negative log returns on
days that begin with the asset below its value. On days that end there it is 0.4 higher with limits of 5 to 10, so that with
7.5 it is 2.53 by the first rule, 2.94 +- 0.12 by the second; which of them the paper takes was not read. Bands, not values:
the exponents are statistical, and they depend on the order of events in a day. Intervals are of the mean over runs (95 %,
Student).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.analysis.sweeps import sweep
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

LIMITS = (1.0, 2.0, 5.0, 7.5, 10.0, 20.0)
FAST_LIMITS = (1.0, 10.0)
NORMAL_TAIL = 4.5


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="thurner_farmer_geanakoplos_2012",
        reference=Reference("S. Thurner, J. D. Farmer, J. Geanakoplos", 2012,
                            "Leverage causes fat tails and clustered volatility", "Quantitative Finance 12, 695-707",
                            "10.48550/arXiv.0908.1555"),
        models=("leveraged_value_funds",),
        computations=(
            Computation(tails, (
                _abstract("nearly_normal_without_leverage",
                          "without leverage returns are nearly normal: excess kurtosis below 1, Hill exponent over 4.5"),
                _abstract("power_tail_with_leverage", "with a limit of 10 the Hill exponent is below 3.5"),
                _abstract("clustered_volatility",
                          "the autocorrelation of absolute returns is larger with a limit of 10 than without leverage"),
                Claim("hill_at_1", 6.5, location="own runs of another program", evidence="derived",
                      band=(NORMAL_TAIL, math.inf), statement="Hill exponent without leverage"),
                _band("hill_at_5", 2.6, 3.3, "Hill exponent with the limit 5"),
                _band("hill_at_10", 2.1, 3.0, "Hill exponent with the limit 10"),
                Claim("no_defaults_without_leverage", True, location="own runs of another program", evidence="derived",
                      statement="without leverage no fund defaults"),
            )),
            Computation(orderings, (
                Claim("exponent_near_3", 3.0, location="reading notes of others", evidence="third party", band=(2.5, 3.5),
                      statement="the tail exponent is about 3 (2.5 to 3.5) near the limit 7.5"),
                _ordered("tails_fatten", "the mean Hill exponent falls with the limit from 1 over 2 and 5 to 10"),
                _ordered("kurtosis_rises", "excess kurtosis rises with the limit from 1 over 2 to 5"),
                _ordered("clustering_rises", "the autocorrelation of absolute returns rises from 1 over 2 to 5"),
                _ordered("defaults_rise", "defaults rise with the limit from 1 over 2 and 5 to 10"),
                _ordered("wealth_grows_without_flows",
                         "without flows the funds' wealth goes on growing, every 3,000 days up to 12,000, to more than twice"
                         " what it is with them"),
                _ordered("little_changes_beyond_10",
                         "between the limits 10 and 20 the mean Hill exponent moves by less than between 2 and 5"),
            ), fast=False),
        ),
        figures=(
            PaperFigure("tail_exponent", exponents, draw_exponents,
                        "Left: Hill exponent of the worst losses against the leverage limit, mean over runs with its 95 % "
                        "interval (dots: runs). Right: autocorrelation of absolute returns at one day, and defaults per "
                        "1,000 days.", panels=(1, 2), size=(6.8, 2.8)),
            PaperFigure("margin_calls", days, draw_days,
                        "Price, log returns and leverage of all funds in the 800 days around a crash; orange are days on "
                        "which a fund is at its leverage limit, where falls force it to sell. The figures of the paper "
                        "were not read.",
                        panels=(3, 1), size=(6.8, 5.0), layout={"sharex": True}),
        ),
    )


def _abstract(name: str, statement: str) -> Claim:
    return Claim(name, True, location="abstract", evidence="abstract", statement=statement)


def _band(name: str, low: float, high: float, statement: str) -> Claim:
    return Claim(name, (low + high)/2, location="own runs of another program", evidence="derived", band=(low, high),
                 statement=statement)


def _ordered(name: str, statement: str) -> Claim:
    return Claim(name, True, location="own runs of another program", evidence="derived", statement=statement)


@functools.lru_cache(maxsize=2)
def _runs(fast: bool, seed: int) -> xr.Dataset:
    """Statistics over limits and runs; computed once for claims and figure."""
    limits, runs, steps = (FAST_LIMITS, 4, 10_000) if fast else (LIMITS, 20, 30_000)
    return sweep(models.load("leveraged_value_funds"), {"leverage_limit": list(limits), "path": list(range(runs))},
                 duration=steps, seed=seed)


def _statistics(context: Context) -> xr.Dataset:
    return _runs(context.fast, context.seeds("runs", 1)[0])


def _interval(values: Any) -> tuple[float, float]:
    """Mean over runs and half width of its 95 % interval."""
    from scipy.stats import t

    count = values.sizes["path"]
    return float(values.mean()), float(t.ppf(0.975, count - 1)*values.std(ddof=1)/np.sqrt(count))


def _at_limit(data: xr.Dataset, name: str, limit: float) -> tuple[float, float]:
    return _interval(data[name].sel(leverage_limit=limit))


def tails(context: Context) -> dict[str, Any]:
    """Statements of the abstract and bands of the exponent."""
    data = _statistics(context)
    hill = {limit: _at_limit(data, "hill_exponent", limit) for limit in (1.0, 5.0, 10.0) if limit in data["leverage_limit"]}
    exponents = {f"hill_at_{limit:.0f}": Computed(mean, width) for limit, (mean, width) in hill.items()}
    kurtosis = _at_limit(data, "excess_kurtosis", 1.0)
    clustering = data["volatility_clustering"]
    more = _interval(clustering.sel(leverage_limit=10.0) - clustering.sel(leverage_limit=1.0))
    normal = [_surely(1 - kurtosis[0], kurtosis[1]), _surely(hill[1.0][0] - NORMAL_TAIL, hill[1.0][1])]
    return {"nearly_normal_without_leverage": min(normal, key=lambda found: found.value is not None and found.value),
            "power_tail_with_leverage": _surely(3.5 - hill[10.0][0], hill[10.0][1]),
            "clustered_volatility": _surely(*more),
            "hill_at_5": Computed(None, reason="left out in fast mode"), **exponents,
            "no_defaults_without_leverage": bool((data["default_count"].sel(leverage_limit=1.0) == 0).all())}


def _surely(excess: float, width: float) -> Computed:
    """Whether a mean over runs is positive, as far as its interval says."""
    if abs(excess) <= width:
        return Computed(None, reason="the interval over so few runs has both signs")
    return Computed(bool(excess > 0))


def orderings(context: Context) -> dict[str, Any]:
    """The exponent near 7.5, and how means over runs move with the limit."""
    data = _statistics(context)
    mean = {name: data[name].mean("path").sel(leverage_limit=[1.0, 2.0, 5.0, 10.0, 20.0]).values
            for name in ("hill_exponent", "excess_kurtosis", "volatility_clustering", "default_count")}
    hill = mean["hill_exponent"]
    return {"exponent_near_3": Computed(*_at_limit(data, "hill_exponent", 7.5)),
            "tails_fatten": bool(np.all(np.diff(hill[:4]) < 0)),
            "kurtosis_rises": bool(np.all(np.diff(mean["excess_kurtosis"][:3]) > 0)),
            "clustering_rises": bool(np.all(np.diff(mean["volatility_clustering"][:3]) > 0)),
            "defaults_rise": bool(np.all(np.diff(mean["default_count"][:4]) > 0)),
            "wealth_grows_without_flows": _grows(context),
            "little_changes_beyond_10": bool(abs(hill[4] - hill[3]) < abs(hill[2] - hill[1]))}


def _grows(context: Context) -> bool:
    """Wealth of all funds, mean over three runs, with and without flows."""
    days = [3000, 6000, 9000, 12_000]
    wealth = {}
    for rate in (0.0, 0.15):
        funds = models.load("leveraged_value_funds").with_parameters(flow_rate=rate)
        runs = [iterate(funds, days[-1], seed=seed).isel(time=days) for seed in context.seeds("wealth", 3)]
        wealth[rate] = np.mean([(run["shares"]*run["price"] + run["cash"]).sum("fund").values for run in runs], axis=0)
    return bool((np.diff(wealth[0.0]) > 0).all() and wealth[0.0][-1] > 2*wealth[0.15][-1])


def exponents(context: Context) -> xr.Dataset:
    """The statistics of the claims."""
    return _statistics(context)


def draw_exponents(data: xr.Dataset, axes: Any) -> Any:
    """Exponent with intervals on the left, clustering and defaults on the right."""
    from dynamics.figures.style import BLACK, BLUE, GREY, VERMILION

    limits, left, right = data["leverage_limit"].values, axes[0], axes[1]
    for run in data["path"].values:
        left.plot(limits, data["hill_exponent"].sel(path=run), ".", color=GREY, markersize=2.5)
    center = np.array([_at_limit(data, "hill_exponent", limit) for limit in limits]).T
    left.errorbar(limits, center[0], center[1], fmt="o-", color=BLUE, markersize=3.5, linewidth=1.0, capsize=2)
    left.axhline(3, color=BLACK, linewidth=0.7, linestyle=":")
    left.annotate("exponent 3", (20, 3.06), ha="right", va="bottom", fontsize=7)
    left.set(xlabel=r"Leverage limit $\lambda_{\max}$", ylabel="Hill exponent of losses", ylim=(1.5, None))
    cluster = np.array([_at_limit(data, "volatility_clustering", limit) for limit in limits]).T
    right.errorbar(limits, cluster[0], cluster[1], fmt="o-", color=BLUE, markersize=3.5, linewidth=1.0, capsize=2)
    right.set(xlabel=r"Leverage limit $\lambda_{\max}$", ylim=(0, None))
    right.set_ylabel("Autocorrelation of |returns|", color=BLUE)
    days_counted = data["end_time"].values.max() - 2000
    number = np.array([_at_limit(data, "default_count", limit) for limit in limits]).T*1000/days_counted
    other = right.twinx()
    other.errorbar(limits, number[0], number[1], fmt="s--", color=VERMILION, markersize=3.5, linewidth=1.0, capsize=2)
    other.set_ylabel("Defaults per 1,000 days", color=VERMILION)
    other.set_ylim(0, None)
    other.spines["right"].set_visible(True)
    return axes


def days(context: Context) -> xr.Dataset:
    """A run with the limit 10, cut around its largest one-day loss."""
    run = iterate(models.load("leveraged_value_funds"), context.size(12_000, 1_500), parameters={"leverage_limit": 10},
                  seed=context.seeds("days", 1)[0])[["price", "leverage", "at_limit"]]
    returns = np.diff(np.log(run["price"].values), prepend=np.nan)
    run["log_return"] = ("time", returns, {"units": "1", "long_name": "log return"})
    worst = int(np.nanargmin(np.where(np.arange(returns.size) < 400, np.nan, returns)))
    return run.isel(time=slice(max(worst - 500, 0), worst + 300))


def draw_days(data: xr.Dataset, axes: Any) -> Any:
    """Price, returns and leverage, with margin calls."""
    from dynamics.figures.style import BLACK, BLUE, ORANGE, VERMILION

    time, called = data["time"].values, data["at_limit"].values >= 1
    for ax, (name, colour, label) in zip(axes, (("price", BLUE, "Price $p$ (USD)"), ("log_return", BLACK, "Log return"), (
            "leverage", VERMILION, "Leverage of all funds")), strict=True):
        ax.vlines(time[called], 0, 1, transform=ax.get_xaxis_transform(), color=ORANGE, alpha=0.5, linewidth=0.9)
        ax.plot(time, data[name], color=colour, linewidth=0.8)
        ax.set(ylabel=label, xlim=(time[0], time[-1]))
    axes[0].axhline(1, color=BLACK, linewidth=0.7, linestyle=":")
    axes[2].set(xlabel="Day", ylim=(0, 10.5))
    return axes
