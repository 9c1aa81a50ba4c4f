r"""Geanakoplos' leverage cycle: the worked example with two dates of trade.

A model check: the set-up and the rounded values the paper prints are remembered, not read, so none of them is a claim. The
numbers below solve the four equilibrium conditions of the example (:mod:`dynamics.models.leverage_cycle_binomial`), found
before by Newton's method on all four at once; the package solves one of them after eliminating the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.sweeps import sweep
from dynamics.papers import Claim, Computation, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="geanakoplos_2010",
        reference=Reference("J. Geanakoplos", 2010, "The leverage cycle", "NBER Macroeconomics Annual 24",
                            "10.1086/648285"),
        models=("leverage_cycle_binomial",),
        kind="model check",
        computations=(
            Computation(one_date, (
                _derived("buyer_without_borrowing", 0.5962912, 5e-8, "the indifferent buyer without borrowing"),
                _derived("price_without_borrowing", 0.6770330, 5e-8, "price without borrowing"),
                _derived("buyer_with_borrowing", 0.6861407, 5e-8, "the indifferent buyer with borrowing"),
                _derived("price_with_borrowing", 0.7489125, 5e-8, "price with borrowing"),
                _derived("loan_to_value", 0.267, 5e-4, "loan / price with borrowing"),
                _derived("leverage_with_borrowing", 1.364, 5e-4, "price / own payment with borrowing"),
            )),
            Computation(two_dates, (
                _derived("first_buyer", 0.86985418, 5e-9, "the indifferent buyer at the beginning"),
                _derived("first_price", 0.94651936, 5e-9, "price at the beginning"),
                _derived("buyer_after_news", 0.61648501, 5e-9, "the indifferent buyer after bad news"),
                _derived("price_after_news", 0.69318801, 5e-9, "price after bad news"),
                _derived("first_margin", 0.26765, 5e-6, "margin at the beginning"),
                _derived("margin_after_news", 0.71148, 5e-6, "margin after bad news"),
                _derived("first_leverage", 3.73629, 5e-6, "leverage at the beginning"),
                _derived("leverage_after_news", 1.40552, 5e-6, "leverage after bad news"),
                _derived("price_fall", 0.25333, 5e-6, "fall of the price at bad news"),
            )),
            Computation(more_than_the_news, (
                Claim("fall_exceeds_the_news", True, location="closed form", evidence="derived",
                      statement="the price falls by more than the news lowers the expected payoff of any agent"),
                Claim("margins_rise_everywhere", True, location="the four conditions", evidence="derived",
                      statement="bad news raises margins for every low payoff between 0.01 and 0.9"),
            )),
        ),
        figures=(PaperFigure(
            "two_dates", payoffs, draw_two_dates,
            "Price, margin and leverage at the beginning and after bad news, against the payoff in the worst state; the "
            "dots are the worked example, R = 0.2. Without borrowing, at one date, the price would be the dotted line.",
            panels=(1, 3), size=(6.8, 2.5)),),
    )


def _derived(name: str, value: float, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "worked example, R = 0.2", "1", "derived", statement=statement)


def one_date(context: Context) -> dict[str, Any]:
    """Equilibria with one date of trade."""
    loans, none = (models.load("leverage_cycle_binomial", trade=trade).solve()
                   for trade in ("static", "static_without_borrowing"))
    return {"buyer_without_borrowing": float(none["buyer"]), "price_without_borrowing": float(none["price"]),
            "buyer_with_borrowing": float(loans["buyer"]), "price_with_borrowing": float(loans["price"]),
            "loan_to_value": float(loans["loan"]/loans["price"]), "leverage_with_borrowing": float(loans["leverage"])}


def two_dates(context: Context) -> dict[str, Any]:
    """The equilibrium with two dates of trade."""
    found = models.load("leverage_cycle_binomial").solve()
    names = {"first_buyer": "buyer", "first_price": "price", "buyer_after_news": "buyer_down",
             "price_after_news": "price_down", "first_margin": "margin", "margin_after_news": "margin_down",
             "first_leverage": "leverage", "leverage_after_news": "leverage_down", "price_fall": "price_fall"}
    return {claim: float(found[name]) for claim, name in names.items()}


def more_than_the_news(context: Context) -> dict[str, Any]:
    """The fall of the price beside what news is worth to each agent, and margins over payoffs."""
    found = models.load("leverage_cycle_binomial").solve()
    agents, low = np.linspace(0, 1, 1001), 0.2
    news = (1 - (1 - agents)**2*(1 - low)) - (agents + (1 - agents)*low)
    over = _over(context.size(60, 12))
    return {"fall_exceeds_the_news": float(found["price_fall"]) > news.max(),
            "margins_rise_everywhere": bool((over["margin_down"] > over["margin"]).all())}


def _over(points: int) -> xr.Dataset:
    names = ["price", "price_down", "margin", "margin_down", "leverage", "leverage_down"]
    return sweep(models.load("leverage_cycle_binomial"), {"low_payoff": np.linspace(0.01, 0.9, points).tolist()}, names)


def payoffs(context: Context) -> xr.Dataset:
    """Both dates against the low payoff, and the price without borrowing."""
    data = _over(context.size(180, 20))
    alone = sweep(models.load("leverage_cycle_binomial", trade="static_without_borrowing"),
                  {"low_payoff": data["low_payoff"].values.tolist()}, "price")
    data["price_without_borrowing"] = alone["price"]
    example = models.load("leverage_cycle_binomial").solve()
    return data.assign_attrs(example={name: float(example[name]) for name in example.data_vars})


def draw_two_dates(data: xr.Dataset, axes: Any) -> Any:
    """Price, margin and leverage at both dates."""
    from dynamics.figures.style import BLACK, BLUE, VERMILION

    example, low = data.attrs["example"], data["low_payoff"]
    for ax, name, label in zip(axes, ("price", "margin", "leverage"),
                               ("Price $p$ (goods)", "Margin (share of the price)", "Leverage (price / own payment)"),
                               strict=True):
        for key, colour, when in ((name, BLUE, "beginning"), (f"{name}_down", VERMILION, "after bad news")):
            ax.plot(low, data[key], color=colour, linewidth=1.2, label=when)
            ax.plot(0.2, example[key], "o", color=colour, markersize=4)
        ax.set(xlabel="Payoff in the worst state $R$", ylabel=label, xlim=(0, 0.9))
    axes[0].plot(low, data["price_without_borrowing"], color=BLACK, linewidth=0.8, linestyle=":",
                 label="no borrowing")
    axes[0].set_ylim(0.4, 1.02)
    axes[0].legend(loc="lower right")
    axes[1].set_ylim(0, 1)
    axes[2].set_yscale("log")
    axes[2].set_ylim(1, 300)
    return axes
