"""Figures: the four scenarios, critical leverage over the size of the bank, and policies of least shortfall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbit_ensembles import orbit_ensemble
from dynamics.papers import Context
from dynamics.papers.aymanns_et_al_2016.cycles import large
from dynamics.papers.aymanns_et_al_2016.linear import critical
from dynamics.papers.aymanns_et_al_2016.policies import SCENARIOS, lowest
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["critical_curves", "draw_critical_curves", "draw_policies", "draw_series", "series"]


def series(context: Context) -> xr.Dataset:
    """The four scenarios."""
    import xarray as xr

    steps, found = 1500, {}
    for name, equity, noise in (("small", 1e-5, False), ("large", 2.26689, False), ("small, noise", 1e-5, True),
                                ("large, noise", 2.26689, True)):
        system, start = large(0.075, noise, equity)
        orbit = orbit_ensemble(system, steps, discard=500, innovations=["innovation"] if noise else (),
                               initial_state={"price": 25} if equity < 1 and not noise else start, seed=context.seed)
        found[name] = orbit[["price", "leverage"]].isel(trajectory=0, drop=True)
    return xr.concat(list(found.values()), xr.Variable("scenario", list(found)), combine_attrs="override")


def draw_series(data: xr.Dataset, axes: Any) -> Any:
    """Price above, leverage below."""
    from dynamics.figures.style import BLUE, VERMILION

    years = (data["time"].values - data["time"].values[0])/10
    for column, name in enumerate(data["scenario"].values):
        for row, (quantity, colour) in enumerate((("price", BLUE), ("leverage", VERMILION))):
            values = data[quantity].sel(scenario=name).values
            axes[row, column].plot(years, values, color=colour, linewidth=0.6)
            if np.ptp(values) < 1e-6:
                axes[row, column].set_ylim(values[0]*0.8, values[0]*1.2)
            elif quantity == "leverage":
                axes[row, column].set_ylim(0, np.percentile(values, 98)*1.3)
        axes[0, column].set_title(str(name).capitalize(), loc="left")
        axes[1, column].set_xlabel("Time (years)")
    axes[0, 0].set_ylabel("Price (USD)")
    axes[1, 0].set_ylabel("Leverage")
    return axes


def critical_curves(context: Context) -> xr.Dataset:
    """Critical leverage over bank size."""
    import xarray as xr

    sizes = np.geomspace(0.05, 6, context.size(60, 10))
    speeds = [10.0, 5.0, 2.0, 1.0]
    found = [[critical(target_equity=size, adjustment=speed) for size in sizes] for speed in speeds]
    a, q = 0.09*sizes/25, 0.15*sizes/25
    return xr.Dataset({"leverage": (("adjustment", "equity"), found), "closed": ("equity", (q + np.sqrt(q**2 + 2*a))/(2*a))},
                      coords={"adjustment": speeds, "equity": sizes},
                      attrs=provenance("critical leverage", models.load("basel_leverage_cycle")))


def draw_critical_curves(data: xr.Dataset, ax: Any) -> Any:
    """One curve for each speed, logarithmic."""
    from dynamics.figures.style import BLACK, CYCLE

    for speed, colour in zip(data["adjustment"].values, CYCLE, strict=False):
        ax.loglog(data["equity"], data["leverage"].sel(adjustment=speed), color=colour, label=rf"$\theta = {speed:g}$/year")
    ax.loglog(data["equity"], data["closed"], color=BLACK, linestyle=":", linewidth=0.9)
    ax.set(xlabel=r"Target equity of the bank $\bar E$ (USD)", ylabel=r"Critical leverage $\lambda_c$")
    ax.legend(loc="upper right")
    return ax


def draw_policies(data: xr.Dataset, axes: Any) -> Any:
    """Shortfall over b above, over mean leverage below; a column for each bank."""
    from dynamics.figures.style import BLACK, BLUE, CYCLE, VERMILION

    for column, (name, (size, noise, reported)) in enumerate(SCENARIOS.items()):
        above, below = axes[:, column]
        b, values = data["cyclicality"].values, data["shortfall"].sel(scenario=name).values
        above.plot(b, 100*values, color=BLUE)
        best = lowest(b, values)
        above.plot(best, 100*np.interp(best, b, values), "o", color=VERMILION, markersize=4,
                   label=f"least, $b = {best:.2f}$")
        above.axvline(reported, ymax=0.7, color=BLACK, linestyle=":", linewidth=0.9, label=f"reported, $b = {reported:g}$")
        span = np.ptp(values)
        above.set_ylim(100*(values.min() - 0.1*span), 100*(values.max() + 0.45*span))
        above.set_title(f"{name.capitalize()} bank ($R = {_plain(size)}$),\n{noise} noise", loc="left")
        above.set_xlabel("Cyclicality of the policy $b$")
        above.legend(loc="upper center", fontsize=6)
        for policy, colour, line in zip(data["policy"].values, CYCLE, ("-", "--", "-."), strict=False):
            below.plot(data["mean_leverage"], 100*data["frontier"].sel(scenario=name, policy=policy), color=colour,
                       linestyle=line, label=f"$b = {policy:g}$")
        below.set(xlabel="Mean leverage")
    for row in axes:
        row[0].set_ylabel("Realised shortfall of\nequity (% per step)")
    axes[1, 0].legend(loc="upper left")
    return axes


def _plain(size: float) -> str:
    return f"{size:g}" if size > 1e-3 else f"10^{{{round(np.log10(size))}}}"
