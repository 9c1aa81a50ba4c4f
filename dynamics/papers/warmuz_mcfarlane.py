r"""Toxic liquidation: the loan-to-value above which repaying debt against collateral makes the loan worse.

McFarlane's conditions were read in the text: with the pool as oracle a liquidation is toxic iff the loan-to-value is above
:math:`1/((1 + b)\Lambda)`, :math:`\Lambda = 1 + 2c/y` for a constant-product pool with the debt-side reserve :math:`y`; with
a bonus :math:`b(1 - h)` that grows as the health factor :math:`h = v/LTV` falls it is toxic iff :math:`LTV > (1 + b
v\Lambda)/((1 + b)\Lambda)`. The body of the paper of Warmuz and others could not be read. The constant-price form
(:math:`\Lambda = 1`) and closing again and again are derived. All are compared with liquidations written out in money.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.orbits import iterate
from dynamics.mechanisms.liquidation_engine import remaining_bad_debt, toxic_loan_to_value
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

BONUSES = {0.01: 0.990099, 0.045: 0.956938, 0.05: 0.952381, 0.08: 0.925926, 0.10: 0.909091, 0.13: 0.884956}
PATHS = {0.93: (0.9087, 0.8688), 0.96: (0.9677, 0.9836, 1.0170, 1.0909)}
ROUNDING = {(0.93, 1): "The value is 0.4650/0.51175 = 0.908647, which rounds to 0.9086: the last digit is one too high.",
            (0.96, 3): "The value is 60/59 = 1.016949, which rounds to 1.0169: the last digit is one too high."}
SHARES = {0.01: 0.93371, 0.05: 0.86580, 0.1: 0.79365, 0.25: 0.63492}


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="warmuz_mcfarlane",
        reference=Reference("A. McFarlane; after J. Warmuz, A. Chaudhary, D. Pinna (2022)", 2025,
                            "Toxicity Bounds for Dynamic Liquidation Incentives", "arXiv 2510.10171",
                            "10.48550/arXiv.2510.10171"),
        models=("toxic_liquidation",),
        computations=(
            Computation(pool_steps, (
                Claim("condition_with_a_pool", True, location="condition for a constant-product pool", evidence="text",
                      statement="a small liquidation sold into the pool raises the loan-to-value iff it is above"
                                " 1/((1 + b)(1 + 2 c/y)), at four depths"),
                *(Claim(f"pool_limit_{100*share:g}", limit, 5e-6, "real step of a pool", evidence="derived",
                        statement=f"toxic loan-to-value at a bonus of 5 % and collateral of {100*share:g} % of the reserve")
                  for share, limit in SHARES.items()),
            )),
            Computation(growing_bonus, (
                Claim("condition_with_a_growing_bonus", True, location="condition for a dynamic bonus", evidence="text",
                      statement="at a bonus b (1 - v/LTV) it does iff LTV > (1 + b v Lambda)/((1 + b) Lambda)"),
                Claim("never_toxic_at_the_boundary", True, location="condition for a dynamic bonus", evidence="text",
                      statement="loans that just become liquidatable (LTV = v) are not toxic iff v <= 1/Lambda"),
            )),
            Computation(constant_price, (
                *(Claim(f"limit_{1000*bonus:g}_permille", limit, 5e-7, "closed form", evidence="derived",
                        statement=f"toxic loan-to-value at a constant price and a bonus of {100*bonus:g} %")
                  for bonus, limit in BONUSES.items()),
                Claim("bad_debt", 0.7619, 5e-5, "closed form", "USD", "derived",
                      statement="debt left per 100 of collateral after a spiral from a loan-to-value of 0.96, bonus 5 %"),
                Claim("bad_debt_97", 1.7619, 5e-5, "closed form", "USD", "derived",
                      statement="the same from 0.97"),
                *(Claim(f"path_{100*start:g}_{step}", value, 5e-5, "written out", evidence="derived",
                        statement=f"loan-to-value after {step} liquidations of half of the debt from {start:g}, bonus 5 %",
                        explanation=ROUNDING.get((start, step), ""))
                  for start, values in PATHS.items() for step, value in enumerate(values, 1)),
                Claim("limit_stays", True, location="closed form", evidence="derived",
                      statement="at a loan-to-value of 1/1.05 a liquidation changes nothing"),
            )),
        ),
        figures=(PaperFigure(
            "toxicity", toxicity, draw_toxicity,
            "Left: loan-to-value under repeated liquidation of half of the debt at a constant price and a bonus of 5 %, on"
            " both sides of 1/1.05 (dashed). Right: the toxic loan-to-value over the collateral's share of the pool's"
            " reserve, real steps of a pool (circles) on the condition (lines).", panels=(1, 2), size=(6.8, 2.8)),),
    )


def pool_step(ratio: float, bonus: float, share: float, repaid: float = 1e-5) -> float:
    """Loan-to-value after a small liquidation whose collateral is sold into x y = const, which is the oracle."""
    units, reserve, money = 1.0, 1/share, 1/share
    seized = (1 + bonus)*repaid
    price = money*reserve/(reserve + seized)**2
    return (ratio - repaid)/((units - seized)*price)


def pool_steps(context: Context) -> dict[str, Any]:
    """The condition against real steps, and the model's unstable point."""
    sides, limits = [], {}
    for share in SHARES:
        limit = toxic_loan_to_value(0.05, share)
        sides += [pool_step(limit*0.995, 0.05, share) < limit*0.995, pool_step(limit*1.005, 0.05, share) > limit*1.005]
        loan = models.load("toxic_liquidation").with_parameters(pool_share=share)
        (point,) = (p for p in fixed_points(loan) if p.values["coverage"] > 0)
        limits[f"pool_limit_{100*share:g}"] = 1/point.values["coverage"]
    return {"condition_with_a_pool": all(sides), **limits}


def growing_bonus(context: Context) -> dict[str, Any]:
    """The same with a bonus that depends on health."""
    sides, boundary = [], []
    for share, threshold in ((0.01, 0.8), (0.05, 0.75), (0.1, 0.6), (0.2, 0.5)):
        reaction = 1 + 2*share
        limit = (1 + 0.5*threshold*reaction)/(1.5*reaction)
        for factor, worse in ((0.995, False), (1.005, True)):
            ratio = limit*factor
            sides.append((pool_step(ratio, 0.5*(1 - threshold/ratio), share) > ratio) is worse)
    for share in (0.05, 0.25):
        for factor in (0.99, 1.01):
            threshold = factor/(1 + 2*share)
            boundary.append((pool_step(threshold, 0.0, share) > threshold) is (factor > 1))
    return {"condition_with_a_growing_bonus": all(sides), "never_toxic_at_the_boundary": all(boundary)}


def constant_price(context: Context) -> dict[str, Any]:
    """An external price."""
    limits = {}
    for bonus in BONUSES:
        loan = models.load("toxic_liquidation").with_parameters(bonus=bonus)
        (point,) = (p for p in fixed_points(loan) if p.values["coverage"] > 0)
        limits[f"limit_{1000*bonus:g}_permille"] = 1/point.values["coverage"]
    loan = models.load("toxic_liquidation")
    paths = {}
    for start, values in PATHS.items():
        run = iterate(loan, len(values), {"coverage": 1/start})["loan_to_value"].values
        debt, collateral = 100*start, 100.0
        for step in range(1, len(run)):
            debt, collateral = debt/2, collateral - 1.05*debt/2
            paths[f"path_{100*start:g}_{step}"] = Computed(float(run[step]), second=debt/collateral,
                                                           second_method="written out in money")
    stays = iterate(loan, 1, {"coverage": 1.05})["loan_to_value"].values
    return {**limits, **paths, **{name: remaining_bad_debt(debt, 100, 0.05) for name, debt in (
        ("bad_debt", 96), ("bad_debt_97", 97))}, "limit_stays": abs(stays[1] - stays[0]) < 1e-12}


def toxicity(context: Context) -> xr.Dataset:
    """Paths on both sides of the limit, and limits found by real steps."""
    import xarray as xr
    from scipy.optimize import brentq

    loan = models.load("toxic_liquidation")
    starts = np.array([0.90, 0.93, 0.948, 1/1.05, 0.957, 0.96, 0.97])
    paths = []
    for start in starts:
        coverage = iterate(loan, 8, {"coverage": 1/start})["coverage"].values
        paths.append(np.where(coverage > 0, 1/np.where(coverage > 0, coverage, 1), np.nan))
    shares, bonuses = np.linspace(0.01, 0.5, 8), np.array([0.01, 0.05, 0.13])
    found = [[brentq(lambda ratio, b=b, s=s: pool_step(ratio, b, s, 1e-6) - ratio, 0.2, 0.999) for s in shares]
             for b in bonuses]
    return xr.Dataset({"loan_to_value": (("start", "liquidation"), np.array(paths)),
                       "limit": (("bonus", "share"), np.array(found))},
                      coords={"start": starts, "liquidation": np.arange(9), "bonus": bonuses, "share": shares},
                      attrs=provenance("figure", loan))


def draw_toxicity(data: xr.Dataset, axes: Any) -> Any:
    """Paths, and limits over depth."""
    from dynamics.figures.style import BLACK, BLUE, GREEN, VERMILION

    left, right = np.ravel(axes)
    for start in data["start"].values:
        colour = BLACK if abs(start - 1/1.05) < 1e-9 else BLUE if start < 1/1.05 else VERMILION
        left.plot(data["liquidation"], data["loan_to_value"].sel(start=start), color=colour, marker="o", markersize=2.5,
                  linewidth=1)
    left.axhline(1/1.05, color=BLACK, linestyle="--", linewidth=0.8)
    left.text(7.9, 1/1.05 + 0.008, "$1/(1 + b)$", ha="right", va="bottom")
    left.set(xlabel="Liquidations", ylabel="Loan-to-value", xlim=(0, 8), ylim=(0.8, 1.1))
    fine = np.linspace(0, 0.5, 101)
    for bonus, colour in zip(data["bonus"].values, (BLUE, GREEN, VERMILION), strict=True):
        right.plot(fine, 1/((1 + bonus)*(1 + 2*fine)), color=colour, linewidth=1, label=f"bonus {100*bonus:g} %")
        right.plot(data["share"], data["limit"].sel(bonus=bonus), color=colour, marker="o", linestyle="none",
                   markersize=3.5)
    right.set(xlabel="Collateral over reserve of the pool $c/y$", ylabel="Toxic loan-to-value", xlim=(0, 0.51),
              ylim=(0.4, 1))
    right.legend(loc="upper right")
    return axes
