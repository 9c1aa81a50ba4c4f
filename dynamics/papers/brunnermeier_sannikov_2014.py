r"""Brunnermeier and Sannikov's macroeconomy with a financial sector: prices, leverage and risk against experts' wealth.

Equations and parameters are those of the second author's program; the paper's own figures were not read. The table was
computed before with Runge-Kutta shooting in :math:`\eta` from :math:`10^{-15}`, with :math:`\theta'(0) = -10^{10}` in place
of :math:`-\infty`, and is good to three or four digits because 0 is singular. The package shoots in :math:`\log\eta` from
the power laws at 0 (:mod:`dynamics.models.financial_sector`) and has about ten. The variant with logarithmic utility was
solved before on an implicit grid of 4000 points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

A, A_LOW, RHO, R, SIGMA, DELTA, KAPPA = 0.11, 0.07, 0.06, 0.05, 0.1, 0.05, 10.0
COLUMNS = {"price": 5e-5, "expert_share": 1e-4, "leverage": 2e-3, "wealth_volatility": 5e-5, "wealth_drift": 5e-5}
TABLE = {5: (0.83662, 0.27873, 5.5745, 0.03051, 0.01434), 10: (0.87607, 0.48421, 4.8421, 0.05562, 0.02337),
         20: (0.93943, 0.80471, 4.0236, 0.09749, 0.03469), 30: (0.99668, 1.0, 3.3333, 0.11484, 0.03718),
         40: (1.04240, 1.0, 2.5, 0.07199, 0.03537)}
_KINK = ("The profiles have a kink where experts come to hold all capital. The values of the earlier computation are those "
         "at steps that its solver took, 0.2773 behind the kink and the two maxima before it. With the same equations, "
         "start and tolerances, but the kink located between steps, that method gives 0.276395, 0.124068 and 0.071458, "
         "which the package confirms to six digits.")


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="brunnermeier_sannikov_2014",
        reference=Reference("M. K. Brunnermeier, Y. Sannikov", 2014, "A macroeconomic model with a financial sector",
                            "American Economic Review 104, 379-421", "10.1257/aer.104.2.379"),
        models=("financial_sector",),
        kind="model check",
        computations=(
            Computation(profile_table, (
                _derived("largest_price", 1.1055728, 5e-8, "price of capital if experts held all of it for ever"),
                _derived("price_without_experts", 0.7350889, 5e-8, "price of capital in households' hands"),
                _derived("payout_point", 0.463096, 2e-6, "experts' share of wealth at which they pay out"),
                _derived("payout_price", 1.051136, 5e-7, "price of capital there"),
                *(_derived(f"{name}_at_{share:02d}", value, tolerance,
                           f"{name.replace('_', ' ')} where experts have {share} % of wealth")
                  for share, row in TABLE.items() for (name, tolerance), value in zip(COLUMNS.items(), row, strict=True)),
            )),
            Computation(kink, (
                _derived("full_share_point", 0.2773, 5e-5, "share of wealth at which experts hold all capital", _KINK),
                _derived("largest_wealth_volatility", 0.12387, 5e-6, "largest eta sigma^eta", _KINK),
                _derived("largest_price_volatility", 0.07138, 5e-6, "largest sigma^q", _KINK),
            ), fast=False),
            Computation(logarithmic, (
                _derived("log_price_without_experts", 1.12788206, 5e-9, "log utility: price in households' hands"),
                _derived("log_full_share_point", 0.4218, 3e-4, "log utility: share at which experts hold all capital"),
                _derived("log_full_share_price", 1.32704, 2e-5, "log utility: price of capital there"),
                _derived("log_largest_price_volatility", 0.01562, 2e-5, "log utility: largest sigma^q"),
                _derived("log_most_volatile_point", 0.236, 1e-3, "log utility: share of wealth at the largest sigma^q"),
                _derived("log_steady_state", 0.611, 5e-4, "log utility: share of wealth with no drift"),
            )),
        ),
        figures=(PaperFigure(
            "profiles", profiles, draw_profiles,
            "Price of capital, experts' share of capital, their leverage and the drift of their share of wealth, against "
            "that share; dashed: logarithmic utility at the same parameters. The dots are where experts come to hold all "
            "capital.",
            panels=(2, 2), size=(6.8, 4.8)),),
    )


def _derived(name: str, value: float, tolerance: float, statement: str, explanation: str = "") -> Claim:
    unit = "1/year**0.5" if "volatility" in name else "1/year" if "drift" in name else "1"
    return Claim(name, value, tolerance, "parameters of the program", unit, "derived", statement=statement,
                 explanation=explanation)


def profile_table(context: Context) -> dict[str, Any]:
    """The table, and the closed forms of the two extreme prices."""
    found = models.load("financial_sector").solve()
    # r + delta - Phi = (a - iota)/q for ever: a quadratic in q
    half = KAPPA*(R + DELTA) + 1
    values = {"largest_price": half - float(np.sqrt(half**2 - 2*KAPPA*A - 1)),
              "price_without_experts": float(found["price_without_experts"]),
              "payout_point": float(found["steady_state"]), "payout_price": float(found["steady_state_price"])}
    for share in TABLE:
        here = found.sel(eta=share/100)
        values |= {f"{name}_at_{share:02d}": float(here[name]) for name in COLUMNS}
    return values


def kink(context: Context) -> dict[str, Any]:
    """Where experts come to hold all capital, also by the earlier method with the kink located."""
    found, other = models.load("financial_sector").solve(), _shooting_in_eta()
    how = "Runge-Kutta shooting in eta from 1e-15, kink located between steps"
    return {name: Computed(float(found[name]), second=value, second_method=how)
            for name, value in zip(("full_share_point", "largest_wealth_volatility", "largest_price_volatility"), other,
                                   strict=True)}


def _shooting_in_eta() -> tuple[float, float, float]:
    """Shoot on q'(0) with theta, theta', q, q' over eta; return the kink and both volatilities there."""
    from scipy.integrate import solve_ivp

    bottom = KAPPA*(R + DELTA) + 1
    bottom -= float(np.sqrt(bottom**2 - 2*KAPPA*A_LOW - 1))

    def parts(eta: float, y: Any) -> tuple[float, ...]:
        theta, fall, q, slope = (float(value) for value in y)
        gain, elasticity = (A - A_LOW)/q, slope/q
        b = 2*gain*elasticity - fall/theta*SIGMA**2
        lent = 2*gain/(b + max(b*b - 4*(gain*elasticity)**2, 0.0)**0.5)
        risk = (min(eta + lent, 1.0) - eta)
        risk *= SIGMA/(1 - risk*elasticity)
        return eta + lent, risk, risk*elasticity, risk*fall/theta

    def slopes(eta: float, y: Any) -> list[float]:
        theta, fall, q, slope = (float(value) for value in y)
        share, risk, price_risk, value_risk = parts(eta, y)
        share, total = min(share, 1.0), SIGMA + price_risk
        invested = (q - 1)/KAPPA
        kept = (A - invested - KAPPA*invested**2/2)/q
        price_drift = R - kept - invested + DELTA - SIGMA*price_risk - value_risk*total
        drift = -(share - eta)*total*(total + value_risk) + eta*kept
        return [fall, 2*((RHO - R)*theta - fall*drift)/risk**2, slope, 2*(price_drift*q - slope*drift)/risk**2]

    def flat(eta: float, y: Any) -> float:
        return float(y[3])

    def worthless(eta: float, y: Any) -> float:
        return float(y[1])

    def too_dear(eta: float, y: Any) -> float:
        return float(y[2]) - 1.1055728

    def whole(eta: float, y: Any) -> float:
        return parts(eta, y)[0] - 1

    for event in (flat, worthless, too_dear):
        event.terminal = True       # type: ignore[attr-defined]

    def shot(slope: float, dense: bool = False) -> Any:
        return solve_ivp(slopes, (1e-15, 0.99), [1.0, -1e10, bottom, slope], rtol=1e-8, atol=1e-10, dense_output=dense,
                         events=[flat, worthless, too_dear, whole])

    low, high = 1e6, 4e6
    while high - low > 1e-9*high:
        middle = (low + high)/2
        low, high = (middle, high) if len(shot(middle).t_events[0]) else (low, middle)
    end = shot(high, dense=True)
    at = float(end.t_events[3][0])
    _, risk, price_risk, _ = parts(at, end.sol(at))
    return at, risk, price_risk


def logarithmic(context: Context) -> dict[str, Any]:
    """The variant with logarithmic utility."""
    found = models.load("financial_sector", preferences="log").solve()
    return {f"log_{name}": float(found[name]) for name in (
        "price_without_experts", "full_share_point", "full_share_price", "largest_price_volatility", "most_volatile_point",
        "steady_state")}


def profiles(context: Context) -> xr.Dataset:
    """Both solutions, the logarithmic one on its own coordinate."""
    found, log = models.load("financial_sector").solve(), models.load("financial_sector", preferences="log").solve()
    return found.merge(log.rename({name: f"log_{name}" for name in (*log.data_vars, "eta")}), combine_attrs="override")


def draw_profiles(data: xr.Dataset, axes: Any) -> Any:
    """Four profiles over eta."""
    from dynamics.figures.style import BLACK, BLUE, GREEN, PURPLE, VERMILION

    columns = (("price", BLUE, "Price of capital $q$"), ("expert_share", PURPLE, r"Experts' share of capital $\psi$"),
               ("leverage", VERMILION, r"Leverage $\psi/\eta$"), ("wealth_drift", GREEN, r"Drift $\eta\mu^\eta$ (1/year)"))
    for ax, (name, colour, label) in zip(axes.flat, columns, strict=True):
        for prefix, style, who in (("", "-", "risk-neutral"), ("log_", "--", "logarithmic")):
            eta, values = data[f"{prefix}eta"], data[f"{prefix}{name}"]
            ax.plot(eta, values, style, color=colour, linewidth=1.2, label=who)
            at = float(data[f"{prefix}full_share_point"])
            ax.plot(at, np.interp(at, eta, values), "o", color=BLACK, markersize=3)
        ax.set(xlabel=r"Experts' share of wealth $\eta$", ylabel=label, xlim=(0, 1))
    axes.flat[0].legend(loc="lower right")
    axes.flat[2].set_ylim(0, 8)
    axes.flat[3].axhline(0, color=BLACK, linewidth=0.7, linestyle=":")
    return axes
