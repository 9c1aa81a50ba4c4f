r"""Noncustodial stablecoin: where liquidation starts and where it takes everything, and how far the price can move before.

The thresholds :math:`b(L)` and :math:`c(L)`, the liquidated amount :math:`3L - 2NX` and the bounds of theorems 1 and 2 with
their example (:math:`1/\kappa = 0.999`, :math:`r = 1.5` a year, a deviation of 0.1) were read in the paper. The example
prints 0.042, the computed bound 0.04218 rounded down. That supply goes to :math:`\kappa r D` in a stable domain holds in the
model's problem without the cost of expected liquidations, which the paper adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.models.stablecoin_stability import deviation_bound
from dynamics.papers import Claim, Computation, Context, Paper, PaperFigure, Reference
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="klages_mundt_minca_2022",
        reference=Reference("A. Klages-Mundt, A. Minca", 2022, "While stability lasts: A stochastic model of noncustodial"
                            " stablecoins", "Mathematical Finance 32, 943", "10.1111/mafi.12357"),
        models=("stablecoin_stability",),
        computations=(
            Computation(bounds, (
                _read("deviation_bound", 0.042, 5e-4, "bound on P(largest deviation > 0.1), theorem 1"),
                _read("variation_bound", 0.127, 5e-4, "bound on P(root of the quadratic variation > 0.1), theorem 2"),
                _read("daily_return", 1.00111, 5e-6, "daily return of 1.5 in a year"),
                _closed("deviation_bound_exact", 2/0.1*(1 - 0.999/1.5**(1/365)), 1e-12, "the first bound, all digits"),
                _closed("variation_bound_exact", 6/0.1*(1 - 0.999/1.5**(1/365)), 1e-12, "the second bound, all digits"),
            )),
            Computation(thresholds, (
                _closed("liquidation_value", 150.0, 1e-9, "b(L) N at L = D = 100", "USD"),
                _closed("exhaustion_value", 122.4745, 5e-5, "c(L) N at L = D = 100 and a cost multiple of 1", "USD"),
                _closed("exhaustion_value_105", 123.0239, 5e-5, "the same at a cost multiple of 1.05", "USD"),
                _closed("exhaustion_value_113", 123.8543, 5e-5, "the same at a cost multiple of 1.13", "USD"),
                Claim("liquidated_amount", True, location="liquidation of l = 3 L - 2 N X", evidence="text",
                      statement="below b(L) supply falls by 3 L - 2 N X at the cost alpha l D/(L - l)"),
                Claim("all_is_gone_at_c", True, location="definition of c(L)", evidence="text",
                      statement="a liquidation at c(L) costs exactly the collateral there is"),
            )),
            Computation(stable_domain, (
                Claim("supply_bound", True, location="proposition 5", evidence="text",
                      statement="while stable supply stays below kappa r D, and the price above 1/(kappa r)"),
                Claim("supply_rises", True, location="proposition 6", evidence="text",
                      statement="from below that bound supply never falls and the price never rises"),
            )),
            Computation(spiral, (
                Claim("deflation", True, location="theorem 3", evidence="text",
                      statement="after a liquidation supply falls and the price of the coin rises from step to step"),
            )),
        ),
        figures=(PaperFigure(
            "spiral", spirals, draw_spirals,
            "Price of the coin over the steps after the collateral's price has fallen to the value given (100 units, 100"
            " coins, liquidation below 1.5): mild falls are repaired, deep ones draw liquidation after liquidation until the"
            " collateral is gone (crosses).", size=(3.4, 2.8)),),
    )


def _read(name: str, value: float, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "section on the stable domain", "1", "text", statement=statement)


def _closed(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "closed form", unit, "derived", statement=statement)


def _coin(**values: float) -> System:
    return models.load("stablecoin_stability").with_parameters(**values)


def bounds(context: Context) -> dict[str, Any]:
    """The example of theorems 1 and 2."""
    daily = 1.5**(1/365)
    price, variation = (deviation_bound(0.1, 1, 1/0.999, daily, of=kind) for kind in ("price", "variation"))
    return {"deviation_bound": price, "variation_bound": variation, "daily_return": daily, "deviation_bound_exact": price,
            "variation_bound_exact": variation}


def thresholds(context: Context) -> dict[str, Any]:
    """Both thresholds, and liquidations on their two sides."""
    found = {}
    for name, cost in (("exhaustion_value", 1.0), ("exhaustion_value_105", 1.05), ("exhaustion_value_113", 1.13)):
        found[name] = 100*float(iterate(_coin(liquidation_cost=cost), 0)["exhaustion_price"][0])
    amounts, gone = [], []
    for value in (148.0, 140.0, 130.0):
        run = iterate(_coin(collateral_price=value/100, liquidation_cost=1.05), 1)
        retired = 300 - 2*value
        left = value - 1.05*retired*100/(100 - retired)
        amounts.append(abs(float(run["supply"][1]) - (100 - retired)) < 1e-9)
        amounts.append(abs(float(run["collateral"][1])*value/100 - left) < 1e-9)
    for cost, name in ((1.0, "exhaustion_value"), (1.13, "exhaustion_value_113")):
        retired = 300 - 2*found[name]
        gone.append(abs(cost*retired*100/(100 - retired) - found[name]) < 1e-9)
    return {"liquidation_value": 100*float(iterate(_coin(), 0)["liquidation_price"][0]), **found,
            "liquidated_amount": all(amounts), "all_is_gone_at_c": all(gone)}


def stable_domain(context: Context) -> dict[str, Any]:
    """Supplies below the bound, with ample collateral."""
    limit = 100*1.00111/0.999
    orbits = [iterate(_coin(), 60, {"supply": start, "collateral": 200})["supply"].values for start in (20, 60, 90, 100)]
    return {"supply_bound": all(bool(np.all(o < limit + 1e-9)) for o in orbits),
            "supply_rises": all(bool(np.all(np.diff(o) > -1e-9)) for o in orbits)}


def spiral(context: Context) -> dict[str, Any]:
    """A fall to 1.4."""
    price = iterate(_coin(collateral_price=1.4, liquidation_cost=1.05), 4)["coin_price"].values
    return {"deflation": bool(np.all(np.diff(price) > 0))}


def spirals(context: Context) -> xr.Dataset:
    """Price of the coin over steps, for several falls of the collateral's price."""
    import xarray as xr

    prices = [1.48, 1.45, 1.43, 1.4, 1.35]
    runs = [iterate(_coin(liquidation_cost=1.05, collateral_price=price), 8)[["supply", "collateral"]] for price in prices]
    return xr.concat([run.drop_dims("event", errors="ignore") for run in runs],
                     xr.IndexVariable("collateral_price", prices), combine_attrs="override").rename(time="step")


def draw_spirals(data: xr.Dataset, ax: Any) -> Any:
    """Price over steps."""
    from dynamics.figures.style import BLACK, BLUE, GREEN, ORANGE, VERMILION

    for price, colour in zip(data["collateral_price"].values, (BLUE, GREEN, BLACK, ORANGE, VERMILION), strict=True):
        one = data.sel(collateral_price=price)
        gone = one["collateral"].values <= 0
        last = int(np.argmax(gone)) if gone.any() else len(gone) - 1
        worth = 100/one["supply"].values
        ax.plot(one["step"][:last + 1], worth[:last + 1], color=colour, marker="o", markersize=3, linewidth=1,
                label=f"{price:g}")
        if gone.any():
            ax.plot(one["step"][last], worth[last], color=colour, marker="x", markersize=8, markeredgewidth=1.6)
    ax.set(xlabel="Step", ylabel="Price of the coin $Z$ (USD)", yscale="log", xlim=(-0.2, 8.2))
    ticks = [1, 1.5, 2, 3]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.legend(title="Collateral at (USD)", loc="upper right", fontsize="small", title_fontsize="small")
    return ax
