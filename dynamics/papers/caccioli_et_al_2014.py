r"""Overlapping portfolios: a critical leverage, a contagion window in diversification, robust yet fragile.

Of the paper the abstract was read; the impact constant is the default of a public program. The model's equations are the
standard ones and are taken from memory of the paper, so the numbers below are derived: on a regular network in closed form,
:math:`\lambda_r^* = k/(1 - e^{-\alpha/l})`, on the Poisson network by Monte Carlo with 400 banks and 400 assets, and the
branching number :math:`R` of single sales by sampling neighbourhoods of the infinite network.

One disagreement is recorded: at :math:`\lambda_r = 10` and four assets for each bank a fifth of the failures end in a
cascade although :math:`R = 0.26`. Several sales add up in a bank, so :math:`R > 1` is sufficient for cascades, not
necessary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.analysis.sweeps import sweep
from dynamics.models.overlapping_portfolios import branching_number, single_hit_threshold
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

IMPACT = -math.log(0.9)/0.1
THRESHOLDS = {2: 4.8839, 3: 10.1297, 4: 17.2737, 5: 26.3158, 6: 37.2562, 8: 64.8316, 10: 100.0}
# shares of 40 failures on regular networks that ended in a cascade, at these multiples of the threshold
FACTORS = (0.95, 0.99, 1.01, 1.05)
REGULAR = {2: (0, 0, 0.975, 1.0), 3: (0, 0, 1, 1), 4: (0.20, 0.05, 1, 1)}
# the same for 100 failures on the Poisson network, at these numbers of assets for each bank
ASSETS = (1, 2, 3, 4, 6, 8, 10, 14, 20)
WINDOW = {5: (0,)*9, 10: (0.07, 0.67, 0.55, 0.21, 0, 0, 0, 0, 0), 20: (0.14, 0.75, 0.91, 0.98, 0.72, 0.21, 0.02, 0, 0),
          30: (0.12, 0.86, 0.93, 1.0, 0.99, 0.76, 0.32, 0, 0)}
SAMPLED = ("The value came from sampled neighbourhoods, how many was not recorded. Summed over all degrees, with the law of"
           " what third banks hold of the asset, it is 3.566. Samples of two million neighbourhoods, scattering by 0.0035,"
           " agree with that.")
BRANCHING = {10: {1: 0.68, 2: 1.07, 3: 0.67, 4: 0.26}, 20: {1: 0.94, 2: 2.74, 3: 3.56, 4: 2.93, 6: 0.82, 8: 0.11}}


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="caccioli_et_al_2014",
        reference=Reference("F. Caccioli, M. Shrestha, C. Moore, J. D. Farmer", 2014,
                            "Stability analysis of financial contagion due to overlapping portfolios",
                            "Journal of Banking & Finance 46", "10.1016/j.jbankfin.2014.05.021"),
        models=("overlapping_portfolios",),
        computations=(
            Computation(thresholds, (
                Claim("impact_constant", 1.05360516, 5e-9, "public program, default of alpha", evidence="public code",
                      statement="impact at which selling 10 % of an asset lowers its price by 10 %"),
                *(Claim(f"threshold_{k}", value, 5e-5, "closed form", evidence="derived",
                        statement=f"critical leverage of the regular network with {k} assets for each bank and {k} banks"
                                  " for each asset")
                  for k, value in THRESHOLDS.items()),
            )),
            Computation(regular_networks, (
                Claim("regular_extent_2", 0.70, 0.05, "our earlier run of 40 failures", evidence="earlier",
                      statement="mean share of banks in a cascade with 2 assets just above the threshold"),
                Claim("regular_sharp", True, location="closed form against Monte Carlo", evidence="derived",
                      statement="with 3 assets no failure spreads at 0.99 of the threshold and all do at 1.01"),
                *(Claim(f"regular_{k}_{100*factor:g}", value, 0.15, "our earlier run of 40 failures", evidence="earlier",
                        statement=f"share of cascades on the regular network with {k} assets at {factor:g} of the threshold")
                  for k, values in REGULAR.items() for factor, value in zip(FACTORS, values, strict=True)),
            )),
            Computation(branching, (
                *(Claim(f"branching_{leverage}_{assets}", value, 0.005, "sampled neighbourhoods", evidence="derived",
                        statement=f"banks that one sale brings down at leverage {leverage}, {assets} assets for each bank",
                        explanation=SAMPLED if (leverage, assets) == (20, 3) else "")
                  for leverage, values in BRANCHING.items() for assets, value in values.items()),
                Claim("branching_5", 0.19, 0.005, "sampled neighbourhoods", evidence="derived",
                      statement="largest number at leverage 5, over the assets of each bank"),
            )),
            Computation(window, (
                Claim("stable_below_critical_leverage", True, location="abstract", evidence="abstract",
                      statement="at low leverage (5) the system is stable whatever the diversification"),
                Claim("unstable_region_grows", True, location="abstract", evidence="abstract",
                      statement="the range of diversification with cascades grows with leverage"),
                Claim("diversification_spreads_contagion", True, location="abstract", evidence="abstract",
                      statement="more diversification can make contagion more likely: from 1 to 3 assets at leverage 20"),
                Claim("robust_yet_fragile", True, location="abstract", evidence="abstract",
                      statement="where cascades become rare the few there are take nearly all banks"),
                Claim("several_sales_add_up", True, location="Monte Carlo against branching number", evidence="derived",
                      statement="at leverage 10 and 4 assets cascades occur although one sale brings down 0.26 banks"),
                Claim("extent_at_2", 0.8, 0.1, "our earlier run", evidence="earlier",
                      statement="mean share of banks in a cascade at leverage 20 and 2 assets"),
                Claim("extent_at_6", 1.0, 0.02, "our earlier run", evidence="earlier",
                      statement="mean share of banks in a cascade at leverage 20 and 6 assets"),
                *(Claim(f"window_{leverage}_{assets}", value, 0.1, "our earlier run of 100 failures", evidence="earlier",
                        statement=f"share of cascades at leverage {leverage} and {assets} assets for each bank")
                  for leverage, values in WINDOW.items() for assets, value in zip(ASSETS, values, strict=True)),
            )),
        ),
        figures=(PaperFigure(
            "contagion_window", contagion_window, draw_contagion_window,
            "Left: probability that one random failure ends in a cascade of more than 5 % of the banks, against the assets"
            " of each bank, with 95 % intervals; bars at the bottom where one sale alone brings down more than one bank (R >"
            " 1). Right: mean share of banks in a cascade. To be compared with the contagion windows of the paper.",
            panels=(1, 2), size=(7.2, 3.1)),),
    )


def thresholds(context: Context) -> dict[str, Any]:
    """Closed form on regular networks."""
    default = models.load("overlapping_portfolios").parameter_values["impact"]
    return {"impact_constant": default} | {f"threshold_{k}": single_hit_threshold(k, k, IMPACT) for k in THRESHOLDS}


def regular_networks(context: Context) -> dict[str, Any]:
    """Cascades on regular networks just below and above the threshold."""
    process, draws = models.load("overlapping_portfolios", graph="regular"), context.size(400, 40)
    found: dict[str, Any] = {}
    for k, threshold in THRESHOLDS.items():
        if k not in REGULAR:
            continue
        for factor, seed in zip(FACTORS, context.seeds(f"regular_{k}", len(FACTORS)), strict=True):
            here = process.with_parameters(diversification=k, leverage=factor*threshold)
            run = iterate(here, draws, seed=seed)
            found[f"regular_{k}_{100*factor:g}"] = _share(run, draws)
            if (k, factor) == (2, 1.01):
                found["regular_extent_2"] = run.attrs["measures"]["extent"]
    found["regular_sharp"] = found["regular_3_99"].value == 0 and found["regular_3_101"].value == 1
    return found


def _share(run: xr.Dataset, draws: int) -> Computed:
    share = run.attrs["measures"]["contagion_probability"]
    return Computed(share, uncertainty=1.96*math.sqrt(share*(1 - share)/draws))


def branching(context: Context) -> dict[str, Any]:
    """Banks that a single sale brings down, and neighbourhoods sampled whole."""
    seeds = iter(context.seeds("branching", 40))
    found: dict[str, Any] = {}
    for leverage, values in BRANCHING.items():
        for assets in values:
            draws = 2_000_000 if (leverage, assets) == (20, 3) else context.size(500_000, 50_000)
            second, _ = branching_number(leverage, assets, IMPACT, draws=draws, seed=next(seeds))
            found[f"branching_{leverage}_{assets}"] = Computed(_brought_down(leverage, assets), 0.0, second,
                                                               "sampled neighbourhoods")
    return found | {"branching_5": max(_brought_down(5, assets) for assets in np.linspace(0.5, 2, 31))}


def _brought_down(leverage: float, assets: float) -> float:
    """The same number from a sum over the degrees of both banks and the law of what third banks hold of the asset."""
    from scipy.stats import poisson

    # their holdings are 1/1, 1/2, ...: exact on a lattice of 1/27720 up to twelve assets, and nearly so beyond
    cells, degrees = 27_720, np.arange(60)
    atoms = np.zeros(16*cells)
    np.add.at(atoms, np.rint(cells/(1 + degrees)).astype(int), poisson.pmf(degrees, assets))
    below = np.cumsum(np.fft.irfft(np.exp(assets*(np.fft.rfft(atoms) - 1)), atoms.size))
    onward, other = np.meshgrid(degrees, degrees, indexing="ij")
    own, share = 1/(1 + onward), 1/(1 + other)
    can = leverage*share > 1
    # the other bank fails if the sale of ``own`` out of own + share + rest takes its equity
    least = -np.log1p(-1/np.where(can, leverage*share, np.inf))/IMPACT
    limit = np.where(can, own*(1/np.where(can, least, 1) - 1) - share, -1)
    weight = onward*assets*poisson.pmf(onward, assets)*poisson.pmf(other, assets)
    place = np.minimum((limit*cells).astype(int), atoms.size - 1)
    return float(np.sum(np.where(limit >= 0, weight*below[np.maximum(place, 0)], 0)))


def window(context: Context) -> dict[str, Any]:
    """Probability and extent of cascades over leverage and diversification."""
    draws = context.size(1000, 100)
    table = _table(tuple(WINDOW), ASSETS, draws, context)
    share = {(leverage, assets): float(table["contagion_probability"].sel(leverage=leverage, diversification=assets))
             for leverage in WINDOW for assets in ASSETS}
    extent = table["extent"].sel(leverage=20)
    widths = [sum(share[leverage, assets] > 0.05 for assets in ASSETS) for leverage in WINDOW]
    mean, error = branching_number(10, 4, IMPACT, draws=100_000)
    rare = table["contagion_probability"].sel(leverage=30, diversification=10) < 0.5
    return {
        "stable_below_critical_leverage": not any(share[5, assets] for assets in ASSETS),
        "unstable_region_grows": widths == sorted(widths) and widths[0] < widths[-1],
        "diversification_spreads_contagion": share[20, 1] < share[20, 2] < share[20, 3],
        "robust_yet_fragile": bool(rare) and float(table["extent"].sel(leverage=30, diversification=10)) > 0.95,
        "several_sales_add_up": share[10, 4] > 0.05 and mean + 4*error < 1,
        "extent_at_2": float(extent.sel(diversification=2)), "extent_at_6": float(extent.sel(diversification=6)),
    } | {f"window_{leverage}_{assets}": Computed(p, uncertainty=1.96*math.sqrt(p*(1 - p)/draws))
         for (leverage, assets), p in share.items()}


def _table(leverages: Any, assets: Any, draws: int, context: Context) -> xr.Dataset:
    return sweep(models.load("overlapping_portfolios"), {"leverage": [float(v) for v in leverages],
                                                         "diversification": [float(v) for v in assets]},
                 measure=["contagion_probability", "extent"], duration=draws, seed=context.seed)


def contagion_window(context: Context) -> xr.Dataset:
    """Probability, extent and branching number on a fine grid of diversification."""
    draws, assets = context.size(400, 60), np.concatenate([np.arange(0.5, 8, 0.5), np.arange(8, 21, 1.0)])
    table = _table(WINDOW, assets, draws, context)
    number = [[branching_number(leverage, m, IMPACT, draws=context.size(100_000, 20_000))[0] for m in assets]
              for leverage in WINDOW]
    return table.assign(branching_number=(("leverage", "diversification"), np.array(number)), draws=draws)


def draw_contagion_window(data: xr.Dataset, axes: Any) -> Any:
    """Probability on the left, extent on the right, one line for each leverage."""
    from dynamics.figures.style import BLUE, GREEN, ORANGE, PURPLE

    left, right = axes
    assets = data["diversification"].values
    for level, (leverage, colour, marker) in enumerate(zip(data["leverage"].values, (PURPLE, BLUE, ORANGE, GREEN), "osD^",
                                                           strict=True)):
        one = data.sel(leverage=leverage)
        share = one["contagion_probability"].values
        error = 1.96*np.sqrt(share*(1 - share)/int(data["draws"]))
        inside = np.minimum(error, [share, 1 - share])
        left.errorbar(assets, share, inside, color=colour, marker=marker, markersize=3, linewidth=1,
                      label=rf"$\lambda_r = {leverage:g}$")
        spreads = one["branching_number"].values > 1
        left.plot(assets[spreads], np.full(spreads.sum(), -0.05 - 0.03*level), color=colour, linewidth=2.5,
                  solid_capstyle="butt")
        right.plot(assets, one["extent"].where(one["contagion_probability"] > 0), color=colour, marker=marker, markersize=3,
                   linewidth=1)
    left.text(8.3, -0.11, "$R > 1$", va="center")
    left.set(xlabel=r"Assets of a bank $\mu$", ylabel="Probability of a cascade", ylim=(-0.18, 1.05))
    right.set(xlabel=r"Assets of a bank $\mu$", ylabel="Share of banks in a cascade", ylim=(0, 1.05), xlim=left.get_xlim())
    left.legend()
    return axes
