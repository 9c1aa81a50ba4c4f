r"""Noncustodial stablecoin: the speculator's next supply, the fold below which there is none, and the deleveraging spiral.

The market clearing, the constraint and the speculator's problem are those of the authors' simulator; the closed forms of its
solution are derived: free of the constraint :math:`\ln(L/rD)` halves at every step, and the constraint can be met iff
:math:`z \ge 2\sqrt{\beta L D/\bar\lambda} - D`. No printed number of the paper could be read, so this is a check of the
model.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.orbits import iterate
from dynamics.analysis.sweeps import sweep
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

# collateral, supply, risk factor, expected return
PROBLEMS = ((180, 100, 1, 1.0), (180, 70, 1, 1.2), (150, 100, 1, 1.3), (145, 100, 1, 1.0), (190, 110, 0.9, 1.2))


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="klages_mundt_minca_2019",
        reference=Reference("A. Klages-Mundt, A. Minca", 2019, "(In)Stability for the Blockchain: Deleveraging Spirals and"
                            " Stablecoin Attacks", "arXiv 1906.02152", "10.48550/arXiv.1906.02152"),
        models=("noncustodial_stablecoin",),
        kind="model check",
        computations=(
            Computation(speculator, (
                Claim("solves_the_speculators_problem", True, location="the authors' simulator", evidence="code",
                      statement="the next supply has the largest expected value among those that meet the constraint"),
            )),
            Computation(free_market, (
                _closed("halving_ratio", 0.5, 1e-9, "factor of ln(L/rD) from step to step, free of the constraint"),
                _closed("rest_supply", 110.0, 1e-9, "supply at rest, r D, for an expected return of 1.1"),
                _closed("rest_price", 1/1.1, 1e-9, "price at rest, 1/r", "USD"),
            )),
            Computation(constraint, (
                _closed("fold_collateral", 144.948974, 5e-7, "least collateral with which the constraint can be met", "USD"),
                Claim("fold_collateral_cautious", 158.198887, 5e-7, "closed form", "USD", "derived",
                      statement="the same for a risk factor of 0.9",
                      explanation="2 sqrt(beta L D/lambda) - D = 2 sqrt(15000/0.9) - 100 is 158.1988897; the last digit of"
                                  " the earlier value is wrong. The closed form and the package's fold agree."),
                _closed("fold_price", 1.224745, 5e-7, "price of the coin at the fold, sqrt(beta D/(lambda L))", "USD"),
                _closed("fewest_at_150", 66.667, 5e-4, "smallest supply that meets the constraint at collateral 150"),
                _closed("most_at_150", 100.0, 1e-9, "largest supply that meets the constraint at collateral 150"),
                _closed("fewest_at_145", 80.0, 1e-9, "smallest supply that meets the constraint at collateral 145"),
                _closed("most_at_145", 83.333, 5e-4, "largest supply that meets the constraint at collateral 145"),
            )),
            Computation(spiral, (
                _closed("price_at_150", 1.0, 1e-9, "price after one step at collateral 150", "USD"),
                _closed("price_at_145", 1.2, 1e-9, "price after one step at collateral 145", "USD"),
                Claim("premium_in_the_fall", True, location="closed form", evidence="derived",
                      statement="coins are worth more while collateral falls: the deleveraging spiral"),
            )),
        ),
        figures=(PaperFigure(
            "spiral", premium, draw_premium,
            "Price of the coin one step after collateral falls from 200 to the value below, for two risk factors; the"
            " curves end "
            "at the folds, below which no supply meets the constraint (dotted: closed form).", size=(3.4, 2.8)),),
    )


def _closed(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "closed form", unit, "derived", statement=statement)


def _coin(**values: float) -> System:
    return models.load("noncustodial_stablecoin").with_parameters(**values)


def _next(system: System, supply: float = 100.0) -> float:
    return float(iterate(system, 1, {"supply": supply})["supply"][-1])


def speculator(context: Context) -> dict[str, Any]:
    """The map against the problem solved by search."""
    from scipy.optimize import brentq, minimize_scalar

    right = []
    for collateral, supply, risk, returns in PROBLEMS:
        def worth(new: float, z: float = collateral, held: float = supply) -> float:
            return z + (new - held)*100/new

        def slack(new: float, share: float = risk, worth: Any = worth) -> float:
            return share*worth(new) - 1.5*new

        middle = minimize_scalar(lambda new, slack=slack: -slack(new), bounds=(1, 500), method="bounded").x
        ends = brentq(slack, 1, middle), brentq(slack, middle, 500)
        best = minimize_scalar(lambda new, r=returns, worth=worth: new - r*worth(new), bounds=ends, method="bounded",
                               options={"xatol": 1e-10}).x
        found = _next(_coin(collateral=collateral, risk_factor=risk, expected_return=returns), supply)
        right.append(abs(found - best) < 1e-4)
    return {"solves_the_speculators_problem": all(right)}


def free_market(context: Context) -> dict[str, Any]:
    """Ample collateral."""
    system = _coin(collateral=1000, expected_return=1.1)
    orbit = iterate(system, 12, {"supply": 60})
    distance = np.log(orbit["supply"].values/110)
    (rest,) = (p for p in fixed_points(system) if p.admissible and p.stability == "stable")
    settled = iterate(system, 0, {"supply": rest.values["supply"]})
    return {"halving_ratio": float(np.mean(distance[1:]/distance[:-1])), "rest_supply": rest.values["supply"],
            "rest_price": float(settled["price"][0])}


def constraint(context: Context) -> dict[str, Any]:
    """The fold, where room for a supply vanishes, and the ends of what the constraint allows."""
    from scipy.optimize import brentq

    def fold(risk: float) -> float:
        system = _coin(risk_factor=risk)
        room = system.resolve(system.symbols["room"])

        def left(collateral: float) -> float:
            numbers = system.with_parameters(collateral=collateral).exact_parameters
            return float(room.xreplace({**numbers, system.symbols["supply"]: 100}))

        return brentq(left, 100, 200, xtol=1e-12)

    at = fold(1)
    ends = {f"{end}_at_{collateral}": _next(_coin(collateral=collateral, expected_return=returns))
            for collateral in (150, 145) for end, returns in (("fewest", 0.1), ("most", 2))}
    price = float(iterate(_coin(collateral=at + 1e-11, expected_return=3), 1)["price"][-1])
    return {"fold_collateral": at, "fold_collateral_cautious": Computed(
        fold(0.9), second=2*math.sqrt(15_000/0.9) - 100, second_method="closed form"), "fold_price": price, **ends}


def spiral(context: Context) -> dict[str, Any]:
    """Price after collateral has fallen."""
    prices = {z: float(iterate(_coin(collateral=z), 1)["price"][-1]) for z in (170, 160, 150, 149, 148, 147, 146, 145)}
    falling = [prices[z] for z in (149, 148, 147, 146, 145)]
    return {"price_at_150": prices[150], "price_at_145": prices[145],
            "premium_in_the_fall": all(a < b for a, b in pairwise(falling)) and falling[0] > 1}


def premium(context: Context) -> xr.Dataset:
    """Price after one step over collateral."""
    collateral = np.linspace(140, 200, context.size(601, 121)).tolist()
    found = sweep(_coin(), {"risk_factor": [1.0, 0.9], "collateral": collateral}, measure="supply", duration=1.0)
    folds = np.array([2*math.sqrt(1.5*1e4/risk) - 100 for risk in (1.0, 0.9)])
    found = found.assign(fold=("risk_factor", folds))
    return found.assign(price=100/found["supply"].where(found["collateral"] >= found["fold"]))


def draw_premium(data: xr.Dataset, ax: Any) -> Any:
    """Price over collateral."""
    from dynamics.figures.style import BLUE, GREY, VERMILION

    for risk, colour in ((1.0, BLUE), (0.9, VERMILION)):
        one = data.sel(risk_factor=risk)
        ax.plot(one["collateral"], one["price"], color=colour, label=rf"$\bar\lambda = {risk:g}$")
        ax.axvline(float(one["fold"]), color=colour, linewidth=0.8, linestyle=":")
    ax.axhline(1, color=GREY, linewidth=0.7)
    ax.set(xlabel="Collateral $z$ (USD)", ylabel="Price of the coin $Z$ (USD)", xlim=(140, 200))
    ax.legend(loc="upper right")
    return ax
