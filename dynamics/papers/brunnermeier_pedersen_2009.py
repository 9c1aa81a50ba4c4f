r"""Margin and loss spirals: when capital is short, price jumps, and the way back is longer than the way down.

Only the abstract and the opening pages could be read, so this is a check of the model: its algebra is derived, its
parameters are this package's choice, and no number is the paper's. With :math:`u` the fall of the price, speculators need
the capital :math:`h(u) = z_\pi(\underline\sigma + \theta u)(Z - k u)`; margins spiral where :math:`h` rises at
:math:`u = 0`, that is for :math:`\theta > k\underline\sigma/Z`. Then full liquidity ends at :math:`h(0)` and returns only
at the larger capital at the top of :math:`h`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.fixed_point_continuation import continue_fixed_points
from dynamics.analysis.trajectories import integrate
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

PRICE = 120.0  # before the shock
QUANTILE = 2.326347874040841  # 1 % of a normal law
BRANCHES = {720: (118.0049, 80.3285), 800: (107.4314, 90.9019)}


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="brunnermeier_pedersen_2009",
        reference=Reference("M. K. Brunnermeier, L. H. Pedersen", 2009, "Market liquidity and funding liquidity",
                            "Review of Financial Studies 22", "10.1093/rfs/hhn098"),
        models=("margin_spiral",),
        kind="model check",
        computations=(
            Computation(market, (
                _closed("quantile", 2.326348, 5e-7, "margins per unit of volatility that losses exceed in 1 % of cases"),
            )),
            Computation(branch, (
                _closed("full_liquidity_capital", 697.904362, 5e-7, "least capital with full liquidity, z sigma Z", "USD"),
                _closed("fold_capital", 819.068314, 5e-7, "capital at the fold of the illiquid branch", "USD"),
                _closed("fold_shortfall", 20.833333, 5e-7, "fall of the price at the fold", "USD"),
                _closed("fold_price", 99.166667, 5e-7, "price at the fold", "USD"),
                _closed("hysteresis_width", 121.163952, 5e-7, "capital between the fold and the end of full liquidity",
                        "USD"),
            )),
            Computation(equilibria, (
                _closed("price_without_speculators", 45.0, 1e-9, "price where customers hold everything, v - Z/k", "USD"),
                _closed("landing_price", 78.333333, 5e-7,
                        "price to which the market jumps when capital falls through the end of full liquidity", "USD"),
                *(_closed(f"{kind}_price_at_{capital}", value, 5e-5, f"{kind} price at capital {capital}", "USD")
                  for capital, pair in BRANCHES.items() for kind, value in zip(("unstable", "illiquid"), pair, strict=True)),
                Claim("margins_destabilise", True, location="abstract", evidence="abstract",
                      statement="margins can be destabilising: liquid and illiquid states exist at the same capital"),
            )),
            Computation(fragility, (
                _closed("fragile_response", 0.133333, 5e-7, "volatility response from which on margins spiral, k sigma/Z"),
                _closed("fragile_position", 20.694609, 5e-7,
                        "position from which on informed financiers' market is fragile before margins vanish, Z - k z"
                        " sigma"),
            )),
            Computation(multiplier, (
                _closed("price_multiplier", 0.34369, 5e-6,
                        "price change per unit of lost capital at price 85, position 5: 1/(k m + m' x - x_0)"),
                Claim("joint_effect", True, location="closed form", evidence="derived",
                      statement="margin and loss spirals together amplify more than the sum of both"),
            )),
            Computation(barriers, (
                _closed("barrier_at_720", 2488.3585, 5e-5, "potential barrier from the illiquid to the unstable state", "1"),
                _closed("barrier_at_800", 210.1257, 5e-5, "potential barrier from the illiquid to the unstable state", "1"),
            )),
            Computation(hysteresis, (
                Claim("history_decides", True, location="closed form", evidence="derived",
                      statement="at capital 760 the market stays liquid or illiquid, as it was; above the fold it recovers"),
            )),
        ),
        figures=(PaperFigure(
            "hysteresis", s_curve, draw_s_curve,
            "Price over the capital of speculators: stable equilibria solid, unstable ones dashed. Arrows: where the market "
            "falls when capital is lost, and where it recovers. To be compared with the paper's figure of price over"
            " capital "
            "with destabilising margins; its values could not be read.", size=(3.4, 2.8)),),
    )


def _closed(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "closed form", unit, "derived", statement=statement)


def _at(capital: float, **values: float) -> System:
    return models.load("margin_spiral").with_parameters(capital=capital, **values)


def _falls(system: System) -> dict[str, list[float]]:
    """Falls of the price at the admissible fixed points, by stability."""
    points = [point for point in fixed_points(system) if point.admissible]
    return {kind: sorted(p.values["shortfall"] for p in points if p.stability == kind) for kind in ("stable", "unstable")}


def market(context: Context) -> dict[str, Any]:
    """Margin over volatility, at two falls of the price."""
    from scipy.special import ndtri

    system = models.load("margin_spiral")
    margin = system.resolve(system.symbols["margin"]).xreplace(system.exact_parameters)
    quiet, moved = (float(margin.xreplace({system.symbols["shortfall"]: fall})) for fall in (0, 20))
    return {"quantile": Computed((quiet + moved)/(10 + 10 + 0.3*20), second=float(-ndtri(0.01)),
                                 second_method="quantile of the normal law")}


def branch(context: Context) -> dict[str, Any]:
    """The branch of illiquid equilibria with its fold and its end at full liquidity."""
    found = _branch()
    (fold,) = (p for p in found.special_points if p.kind == "fold")
    (end,) = (p for p in found.special_points if p.kind == "border_collision")
    top, full = fold.parameters["capital"], end.parameters["capital"]
    return {"full_liquidity_capital": full, "fold_capital": top, "fold_shortfall": fold.state["shortfall"],
            "fold_price": PRICE - fold.state["shortfall"], "hysteresis_width": top - full}


def _branch() -> Any:
    start = max(fixed_points(_at(720)), key=lambda point: point.values["shortfall"])
    return continue_fixed_points(models.load("margin_spiral"), "capital", (450, 1000), start=start, largest_step=0.005)


def equilibria(context: Context) -> dict[str, Any]:
    """Equilibria at given capital."""
    found: dict[str, Any] = {"price_without_speculators": PRICE - max(_falls(_at(0))["stable"])}
    falls = {capital: _falls(_at(capital)) for capital in (720, 760, 800)}
    for capital in BRANCHES:
        found[f"unstable_price_at_{capital}"] = PRICE - falls[capital]["unstable"][0]
        found[f"illiquid_price_at_{capital}"] = PRICE - falls[capital]["stable"][-1]
    # just below the end of full liquidity only the illiquid state is left
    (landing,) = _falls(_at(QUANTILE*10*30 - 1e-9))["stable"]
    return {**found, "landing_price": PRICE - landing,
            "margins_destabilise": all(len(f["stable"]) == 2 and len(f["unstable"]) == 1 for f in falls.values())}


def fragility(context: Context) -> dict[str, Any]:
    """Where the needed capital starts to rise as the price falls: the slope of missing capital at full liquidity."""
    from scipy.optimize import brentq

    def rises(system: System, fall: float = 0.0) -> float:
        """Slope of needed less available capital in the fall of the price."""
        expression = system.resolve(system.symbols["missing_capital"]).diff(system.symbols["shortfall"])
        return float(expression.xreplace({**system.exact_parameters, system.symbols["shortfall"]: fall}))

    informed = replace(models.load("margin_spiral"), definitions={
        **models.load("margin_spiral").definitions, "margin": "quantile*quiet_volatility - shortfall"})
    # the slope grows with the fall, so the last to be reached, where the margin vanishes, decides
    last = QUANTILE*10
    return {"fragile_response": brentq(lambda v: rises(_at(720, volatility_response=v)), 0.01, 1, xtol=1e-13),
            "fragile_position": brentq(lambda v: rises(informed.with_parameters(position=v), last), 0, 60, xtol=1e-12)}


def multiplier(context: Context) -> dict[str, Any]:
    """Move of the equilibrium with capital, with and without each of the spirals."""
    def move(position: float, response: float) -> float:
        margin = QUANTILE*(10 + 0.3*35)
        # the same margin at the fall of 35 whether or not it responds there
        quiet = 10 + (0.3 - response)*35
        needed = margin*(30 - 0.4*35) + position*35
        falls = []
        for shift in (-0.01, 0.01):
            system = _at(needed + shift, position=position, volatility_response=response, quiet_volatility=quiet)
            falls.append(min((p.values["shortfall"] for p in fixed_points(system)), key=lambda u: abs(u - 35)))
        return (falls[0] - falls[1])/0.02

    base, margins, losses, both = (move(*case) for case in ((0, 1e-9), (0, 0.3), (5, 1e-9), (5, 0.3)))
    return {"price_multiplier": both, "joint_effect": both - base > (margins - base) + (losses - base) > 0}


def barriers(context: Context) -> dict[str, Any]:
    """Work against missing capital between the illiquid and the unstable state."""
    from scipy.integrate import quad

    found = {}
    for capital in (720, 800):
        system, falls = _at(capital), _falls(_at(capital))
        missing = system.resolve(system.symbols["missing_capital"]).xreplace(system.exact_parameters)
        symbol, (low, high) = system.symbols["shortfall"], (falls["unstable"][0], falls["stable"][-1])
        work = quad(lambda u, e=missing, s=symbol: float(e.xreplace({s: u})), low, high)[0]
        second = QUANTILE*0.3*0.4*(high - low)**3/6
        found[f"barrier_at_{capital}"] = Computed(work, second=second, second_method="z theta k (distance)^3/6")
    return found


def hysteresis(context: Context) -> dict[str, Any]:
    """Ends of paths from either side."""
    def end(capital: float, fall: float) -> float:
        return float(integrate(_at(capital), 4000, {"shortfall": fall})["shortfall"][-1])

    stays = end(760, 0.0) < 1e-6 and end(760, 60.0) > 20
    return {"history_decides": stays and end(697, 0.0) > 35 and end(820, 60.0) < 1e-3}


def s_curve(context: Context) -> xr.Dataset:
    """Equilibrium prices over capital."""
    import xarray as xr

    table = _branch().table
    attributes = provenance("branch", models.load("margin_spiral"))
    return xr.Dataset({"price": ("step", PRICE - table["shortfall"].values)},
                      coords={"capital": ("step", table["capital"].values)}, attrs=attributes)


def draw_s_curve(data: xr.Dataset, ax: Any) -> Any:
    """The S-curve with both jumps."""
    from dynamics.figures.style import BLACK, BLUE, GREY, VERMILION

    order = np.argsort(data["price"].values)
    capital, price = data["capital"].values[order], data["price"].values[order]
    lower, upper = price <= PRICE - 20.83, (price >= PRICE - 20.84) & (price < PRICE - 1e-3)
    ax.plot(capital[lower], price[lower], color=BLUE)
    ax.plot(capital[upper], price[upper], color=BLUE, linestyle=(0, (3.5, 1.8)))
    ax.plot([697.904, 1000], [PRICE, PRICE], color=BLUE)
    for where, start, end in ((697.904, PRICE, 78.333), (819.068, 99.167, PRICE)):
        ax.annotate("", (where, end), (where, start), arrowprops={"arrowstyle": "->", "color": VERMILION, "lw": 1.0})
    ax.axhline(45, color=GREY, linewidth=0.7, linestyle=":")
    ax.annotate("no speculators", (980, 45), xytext=(0, 2), textcoords="offset points", ha="right", va="bottom", color=BLACK)
    ax.set(xlabel="Speculators' capital $W$ (USD)", ylabel="Price $p$ (USD)", xlim=(500, 1000), ylim=(40, 126))
    return ax
