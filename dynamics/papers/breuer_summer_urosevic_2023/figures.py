"""Figures: hysteresis of the example, and discounts over the constant of the impact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.papers import Context
from dynamics.papers.breuer_summer_urosevic_2023.stress_test import CLASSES, border, extremes, the_51_banks
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["discount_against_impact", "draw_discount_against_impact", "draw_hysteresis", "hysteresis"]


def hysteresis(context: Context) -> xr.Dataset:
    """Extreme equilibria over the limit, and the way there and back, each step from where the last one ended."""
    import xarray as xr

    banks, limits = models.load("fire_sale_equilibrium"), np.linspace(27, 63, context.size(361, 61))
    both = [extremes(banks, float(limit), 1e-12)["discount"].values[0] for limit in limits]
    ways = {}
    for way, order in (("falling", range(len(limits) - 1, -1, -1)), ("rising", range(len(limits)))):
        state, path = 0.0, np.empty(len(limits))
        for k in order:
            run = iterate(banks.with_parameters(leverage_limit=float(limits[k])), 20, {"discount": [state]})
            state = path[k] = float(run["discount"][0, -1])
        ways[way] = ("leverage_limit", path)
    # limits at which a discount between the plateaus is an equilibrium: the map falls with the limit
    discounts = np.concatenate([np.linspace(a, b, context.size(24, 6)) for a, b in ((0.001, 0.0564), (0.0566, 0.139))])
    fixed = [border(lambda limit, d=discount: float(iterate(
        banks.with_parameters(leverage_limit=limit), 1, {"discount": [d]})["discount"][0, 1]) <= d, 27, 63, 1e-2)
        for discount in discounts]
    names = {"fixed_limit": ("fixed_discount", fixed), "least": ("leverage_limit", [b[0] for b in both]),
             "greatest": ("leverage_limit", [b[1] for b in both])}
    return xr.Dataset(names | ways, coords={"leverage_limit": limits, "fixed_discount": discounts},
                      attrs=provenance("figure", banks))


def draw_hysteresis(data: xr.Dataset, axes: Any) -> Any:
    """Equilibria in grey, ways in colour, thresholds dashed."""
    from dynamics.figures.style import BLACK, BLUE, GREY, ORANGE

    limits = data["leverage_limit"].values
    for half in (data["fixed_discount"] < 0.0565, data["fixed_discount"] > 0.0565):
        # only the part that rises with the limit is unstable; the rest are plateaus
        limit, discount = data["fixed_limit"].values[half.values], data["fixed_discount"].values[half.values]
        rises = np.append(np.diff(limit) > 0, False) & (limit > 27.1) & (limit < 62.9)
        axes.plot(limit[rises], discount[rises], "--", color=GREY, label="unstable" if discount[0] < 0.05 else None)
    for side, style in (("least", "o"), ("greatest", "s")):
        axes.plot(limits, data[side], style, color=GREY, markersize=3, label=f"{side} equilibrium")
    for way, colour, rising in (("falling", ORANGE, False), ("rising", BLUE, True)):
        path = data[way].values
        jumps = np.flatnonzero(np.abs(np.diff(path)) > 0.03) + 1
        axes.plot(np.insert(limits, jumps, np.nan), np.insert(path, jumps, np.nan), color=colour, linewidth=1.4,
                  label=f"limit {way}")
        for jump in jumps:
            start, end = (path[jump - 1], path[jump]) if rising else (path[jump], path[jump - 1])
            axes.annotate("", (limits[jump - 1:jump + 1].mean(), end), (limits[jump - 1:jump + 1].mean(), start),
                          arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0})
    lower, upper = np.sqrt(2.2e-5*145), np.sqrt(2.2e-5*880)
    for threshold in (1315/28, 1190/(65 - 300*upper), (1490 - 300*lower)/(65 - 300*lower), 1170/(28 - 145*lower)):
        axes.plot([threshold, threshold], [-0.006, 0.147], color=BLACK, linewidth=0.7, linestyle=":", zorder=0)
    axes.set(xlabel=r"Leverage limit $\bar\lambda$", ylabel=r"Discount $\delta$", ylim=(-0.006, 0.18))
    axes.legend(loc="upper center", ncols=3)
    return axes


def discount_against_impact(context: Context) -> xr.Dataset:
    """Extreme equilibria over the constant of the impact."""
    import xarray as xr

    if context.data is None:
        banks, classes, kappas = models.load("fire_sale_equilibrium"), ["the one class"], np.linspace(0, 1.2, 61)
    else:
        banks, classes = the_51_banks(context), list(CLASSES)
        kappas = np.linspace(0, 6, context.size(61, 13))
    both = np.array([extremes(banks.with_parameters(impact=float(kappa)), tolerance=1e-10)["discount"].values
                     for kappa in kappas])
    return xr.Dataset({"discount": (("impact", "asset", "extremum"), both)},
                      coords={"impact": kappas, "asset": classes, "extremum": ["least", "greatest"]},
                      attrs=provenance("figure", banks))


def draw_discount_against_impact(data: xr.Dataset, axes: Any) -> Any:
    """One line for each class; dotted where the greatest equilibrium is another one."""
    from dynamics.figures.style import CYCLE, GREY

    for asset, colour in zip(data["asset"].values, (*CYCLE, GREY), strict=False):
        one = data["discount"].sel(asset=asset)
        name = str(asset).replace("_", " ")
        axes.plot(data["impact"], one.sel(extremum="least"), color=colour, label=name)
        apart = one.where(abs(one.sel(extremum="greatest") - one.sel(extremum="least")) > 1e-7).sel(extremum="greatest")
        if apart.notnull().any():
            axes.plot(data["impact"], apart, ":", color=colour, label=f"{name}, greatest equilibrium")
    axes.set(xlabel=r"Constant of the impact $\kappa$", ylabel=r"Discount $\delta$", ylim=(0, None))
    axes.legend()
    return axes
