r"""Cont and Wagalath's distressed selling: the correlation that a fund's liquidation puts into prices.

A model check: the structure of the model is remembered and its covariance formula derived; the parameters of the paper's
example were not read. The formula is checked in closed form where assets are equal, by Monte Carlo of one step, and along
whole paths (:mod:`dynamics.models.distressed_selling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.sweeps import sweep
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

SLOPES = {1: (0.0215264, 1.2), 2: (0.0458015, 1.4), 5: (0.1304348, 2.0), 10: (0.2857143, 3.0)}


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="cont_wagalath_2013",
        reference=Reference("R. Cont, L. Wagalath", 2013,
                            "Running for the exit: distressed selling and endogenous correlation in financial markets",
                            "Mathematical Finance 23, 718-741", "10.1111/j.1467-9965.2011.00510.x"),
        models=("distressed_selling",),
        kind="model check",
        computations=(
            Computation(two_assets, (
                _derived("first_variance", 0.05055721, 5e-9, "variance of the first asset", "1/year"),
                _derived("covariance", 0.01179814, 5e-9, "covariance", "1/year"),
                _derived("second_variance", 0.10103876, 5e-9, "variance of the second asset", "1/year"),
                _derived("correlation", 0.16507373, 5e-9, "correlation of independent assets"),
            )),
            Computation(one_step, (
                Claim("first_variance_of_draws", 0.05055721, 0.0033, "one step by Monte Carlo", "1/year", "derived", True,
                      statement="variance of the first asset over one step"),
                Claim("second_variance_of_draws", 0.10103876, 0.0033, "one step by Monte Carlo", "1/year", "derived", True,
                      statement="variance of the second asset over one step"),
                Claim("covariance_of_draws", 0.01179814, 0.0033, "one step by Monte Carlo", "1/year", "derived", True,
                      statement="covariance over one step"),
            )),
            Computation(equal_assets, tuple(
                claim for slope, (correlation, multiple) in SLOPES.items() for claim in (
                    _derived(f"correlation_at_{slope}", correlation, 5e-8, f"correlation of 20 equal assets, f' = {slope}"),
                    _derived(f"fund_risk_at_{slope}", multiple, 1e-12, f"factor on the fund's volatility, f' = {slope}")))),
            Computation(paths, (
                Claim("path_correlation", 0.12455, 0.01, "one path of 25,200 steps", "1", "earlier",
                      statement="mean correlation by the formula, averaged over a path with f' = 5"),
                Claim("path_realised_correlation", 0.12164, 0.01, "one path of 25,200 steps", "1", "earlier",
                      statement="realised mean correlation of a path with f' = 5"),
                Claim("path_realised_variance", 0.045431, 0.0006, "one path of 25,200 steps", "1/year", "earlier",
                      statement="realised mean variance of a path with f' = 5"),
                Claim("path_variance", 0.045692, 0.0005, "one path of 25,200 steps", "1/year", "earlier",
                      statement="mean variance by the formula, averaged over a path with f' = 5"),
                Claim("realised_correlation", 0.0, 0.005, "paths of 25,200 steps", "1", "derived",
                      statement="realised less predicted mean correlation"),
                Claim("realised_variance", 0.0, 0.0005, "paths of 25,200 steps", "1/year", "derived",
                      statement="realised less predicted mean variance"),
            ), fast=False),
        ),
        figures=(PaperFigure(
            "correlation", over_slopes, draw_correlation,
            "Mean correlation of 20 independent assets that a fund liquidates: realised over a year of small steps (dots, "
            "bars: range over paths), by the formula along these paths (crosses) and at the first prices (line).",
            panels=(1, 1), size=(4.4, 3.2)),),
    )


def _derived(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "covariance formula", unit, "derived", statement=statement)


def _pair(**more: Any) -> Any:
    return models.load("distressed_selling", assets=2).with_parameters(
        holdings=[2, 3], depth=[2/0.12, 3/0.08], fundamental_covariance=[[0.04, 0], [0, 0.09]], liquidation_slope=1.7,
        initial_value=350, **more)


def two_assets(context: Context) -> dict[str, Any]:
    """The covariance of two independent assets, holdings 2 and 3 at prices 100 and 50."""
    found = _pair().covariance([100, 50])
    return {"first_variance": found[0, 0], "covariance": found[0, 1], "second_variance": found[1, 1],
            "correlation": found[0, 1]/np.sqrt(found[0, 0]*found[1, 1])}


def one_step(context: Context) -> dict[str, Any]:
    """Draws of one short step at these prices."""
    process, batches = _pair(time_step=1e-5), context.size(16, 1)
    values = {name: np.array(value) for name, value in process.parameter_values.items()}
    (seed,) = context.seeds("one step", 1)
    generator, batch = np.random.default_rng(seed), context.size(1_000_000, 200_000)
    moments = [np.cov(process.returns(np.array([100.0, 50.0]), batch, values, generator), rowvar=False)
               for _ in range(batches)]
    found, draws = np.mean(moments, axis=0)/1e-5, batch*batches
    width = 1.96/np.sqrt(draws)     # normal draws: var of a covariance is c_ii c_jj + c_ij^2
    return {"first_variance_of_draws": Computed(found[0, 0], width*np.sqrt(2)*found[0, 0]),
            "second_variance_of_draws": Computed(found[1, 1], width*np.sqrt(2)*found[1, 1]),
            "covariance_of_draws": Computed(found[0, 1], width*np.sqrt(found[0, 0]*found[1, 1] + found[0, 1]**2))}


def equal_assets(context: Context) -> dict[str, Any]:
    """Twenty equal and independent assets, impact 0.2."""
    values, weights = {}, np.full(20, 1/20)
    for slope in SLOPES:
        found = models.load("distressed_selling").with_parameters(liquidation_slope=slope).covariance(np.ones(20))
        values[f"correlation_at_{slope}"] = found[0, 1]/found[0, 0]
        values[f"fund_risk_at_{slope}"] = float(np.sqrt(weights @ found @ weights)/(0.2/np.sqrt(20)))
    return values


def paths(context: Context) -> dict[str, Any]:
    """Independent years of 25,200 steps with f' = 5; the interval is that of the mean over paths."""
    (seed,) = context.seeds("paths", 1)
    process = models.load("distressed_selling").with_parameters(time_step="1/25200")
    found = sweep(process, {"path": list(range(6))}, duration=25_200, seed=seed)
    gaps = {name: found[f"realised_{name}"] - found[f"predicted_{name}"] for name in ("correlation", "variance")}
    values = {"path_correlation": found["predicted_correlation"], "path_variance": found["predicted_variance"],
              "path_realised_correlation": found["realised_correlation"],
              "path_realised_variance": found["realised_variance"],
              "realised_correlation": gaps["correlation"], "realised_variance": gaps["variance"]}
    # Student's t with five degrees of freedom
    return {name: Computed(float(v.mean()), 2.571*float(v.std(ddof=1))/np.sqrt(6)) for name, v in values.items()}


def over_slopes(context: Context) -> xr.Dataset:
    """Realised and predicted correlations over f', and the formula at the first prices."""
    steps, runs = context.size(2520, 252), context.size(6, 2)
    process = models.load("distressed_selling").with_parameters(time_step=f"1/{steps}")
    slopes = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8])
    data = sweep(process, {"liquidation_slope": slopes.tolist(), "path": list(range(runs))},
                 ["realised_correlation", "predicted_correlation"], duration=steps, seed=context.seeds("figure", 1)[0])
    excess = (2*0.2*slopes + (0.2*slopes)**2)/20
    data["formula"] = ("liquidation_slope", excess/(1 + excess))
    return data


def draw_correlation(data: xr.Dataset, axes: Any) -> Any:
    """Correlation against the speed of liquidation."""
    from dynamics.figures.style import BLACK, BLUE, VERMILION

    slope, realised = data["liquidation_slope"].values, data["realised_correlation"]
    mean = realised.mean("path")
    bars = np.array([mean - realised.min("path"), realised.max("path") - mean])
    axes.plot(slope, data["formula"], color=BLACK, linewidth=1.0, label="formula, first prices")
    axes.errorbar(slope, mean, bars, fmt="o", color=BLUE, markersize=4, linewidth=0.9, label="realised")
    axes.plot(slope, data["predicted_correlation"].mean("path"), "x", color=VERMILION, markersize=5,
              label="formula along the paths")
    axes.set(xlabel="Share sold per relative loss $f'$", ylabel="Mean correlation", xlim=(-0.3, 8.3), ylim=(-0.01, None))
    axes.legend(loc="upper left")
    return axes
