r"""Danielsson, Shin and Zigrand's endogenous risk: volatility that traders' own constraint makes, as a function of capital.

A model check of :mod:`dynamics.models.endogenous_risk`: the structure of the model is remembered, the numbers follow from it
by mathematics. Volatility is :math:`s\,w e^{-w}\mathrm{Ei}(w)` with :math:`w = \alpha^2\delta/V`, and every number below
belongs to that function, or to its differential equation and Ito's rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

_PLACE = ("At a maximum a function is flat: comparing its values finds the place to half the digits at most, here eight. "
          "3.0657707813 is off by 4e-8, as a search of that kind would be; the package solves for the zero of the "
          "derivative, (1/w - 1) f(w) + 1 = 0, and 30-digit arithmetic confirms 3.06577082584. The height of the maximum is "
          "not affected, it agrees to all digits.")


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="danielsson_shin_zigrand",
        reference=Reference("J. Danielsson, H. S. Shin, J.-P. Zigrand", 2009, "Risk appetite and endogenous risk",
                            "working paper, Financial Markets Group, London School of Economics"),
        models=("endogenous_risk",),
        kind="model check",
        computations=(
            Computation(hump, (
                _derived("amplification_without_capital", 1.0208523, 5e-8, "sigma/s at w = 50, near 1"),
                _derived("largest_amplification", 1.4840808029, 5e-11, "largest sigma/s"),
                _derived("hump", 3.0657707813, 5e-11, "w at the largest volatility", _PLACE),
                _derived("neutral", 1.3471552511, 5e-11, "w at which volatility is fundamental again"),
                _derived("end", 0.3725074108, 5e-11, "w at which volatility is zero"),
                _derived("largest_capital", 2.684510, 5e-7, "capital at which volatility is zero, over alpha^2 delta"),
            )),
            Computation(equations, (
                Claim("differential_equation", True, location="consistency of expected volatility", evidence="derived",
                      statement="sigma(V) solves V^2 sigma' = alpha^2 delta (sigma - s) - V sigma"),
                Claim("drift", True, location="Ito's rule", evidence="derived",
                      statement="the closed form of the expected return is that of Ito's rule for ln P and V"),
                Claim("leverage", True, location="the risk constraint", evidence="derived",
                      statement="leverage is 1/(alpha sigma); past the hump a loss of capital raises volatility"),
            )),
        ),
        figures=(PaperFigure(
            "hump", profiles, draw_hump,
            "Volatility, leverage and expected return of the asset against the capital of the traders. The dots are the "
            "hump and the capital at which volatility is that of fundamentals again; between the hump and the end of the "
            "curve, losses of capital raise volatility and force sales.",
            panels=(1, 3), size=(6.8, 2.4)),),
    )


def _derived(name: str, value: float, tolerance: float, statement: str, explanation: str = "") -> Claim:
    return Claim(name, value, tolerance, "closed form", "1", "derived", statement=statement, explanation=explanation)


def hump(context: Context) -> dict[str, Any]:
    """The constants of w exp(-w) Ei(w); the place of its maximum also in 30-digit arithmetic."""
    import mpmath

    from dynamics.models.endogenous_risk import amplification

    found = models.load("endogenous_risk").solve()      # alpha^2 delta is 1
    with mpmath.workdps(30):
        second = mpmath.findroot(lambda w: mpmath.diff(lambda x: x*mpmath.exp(-x)*mpmath.ei(x), w), 3.0)
    return {"amplification_without_capital": float(amplification(50.0)),
            "largest_amplification": float(found["largest_amplification"]),
            "hump": Computed(1/float(found["hump_capital"]), second=float(second),
                             second_method="zero of the derivative in 30-digit arithmetic"),
            "neutral": 1/float(found["neutral_capital"]), "end": 1/float(found["largest_capital"]),
            "largest_capital": float(found["largest_capital"])}


def equations(context: Context) -> dict[str, Any]:
    """The differential equation integrated from the hump, and the drift from Ito's rule with derivatives of its own."""
    from scipy.integrate import solve_ivp

    process = models.load("endogenous_risk").with_parameters(risk_constraint=1.3, value_demand=0.7)
    found, p = process.solve(), process.parameter_values
    alpha, delta, s, r = (p[n] for n in ("risk_constraint", "value_demand", "fundamental_volatility", "interest"))
    capital, sigma = found["capital"].values, found["volatility"].values

    def slope(v: Any, y: Any) -> Any:
        return (alpha**2*delta*(y - s) - v*y)/v**2

    begin, rows = 540, slice(60, 540)
    run = solve_ivp(slope, (capital[begin], capital[60]), [sigma[begin]], rtol=1e-11, atol=1e-13, dense_output=True)
    same = np.max(np.abs(run.sol(capital[rows])[0]/sigma[rows] - 1)) < 1e-7
    # ln P - z = sigma V/(alpha delta): its derivatives in V with sigma' from the equation
    rise = slope(capital, sigma)
    first = (rise*capital + sigma)/(alpha*delta)
    curve = ((alpha**2*delta*rise - sigma - capital*rise)*capital**2
             - 2*capital*(alpha**2*delta*(sigma - s) - capital*sigma))/capital**4
    second = (curve*capital + 2*rise)/(alpha*delta)
    leverage = 1/(alpha*sigma)
    # mu = r* + first (r V + leverage V (mu - r)) + second V^2/(2 alpha^2) + sigma^2/2, for mu
    known = p["fundamental_drift"] + first*capital*(r - leverage*r) + second*capital**2/(2*alpha**2) + sigma**2/2
    drift = known/(1 - first*capital*leverage)
    scale = np.max(np.abs(drift[rows]))
    past = capital > float(found["hump_capital"])
    falling = bool(np.all(np.diff(sigma[past]) < 0) and np.all(np.diff(found["leverage"].values[past]) > 0))
    return {"differential_equation": bool(same),
            "drift": bool(np.max(np.abs(drift - found["price_drift"].values)[rows]) < 1e-7*scale),
            "leverage": falling and bool(np.allclose(found["leverage"], leverage, rtol=1e-12))}


def profiles(context: Context) -> xr.Dataset:
    """The profiles of the model."""
    return models.load("endogenous_risk").solve()


def draw_hump(data: xr.Dataset, axes: Any) -> Any:
    """Volatility, leverage and expected return against capital."""
    from dynamics.figures.style import BLACK, BLUE, GREEN, VERMILION

    capital, inside = data["capital"], data["capital"] < 0.985*float(data["largest_capital"])
    for ax, name, colour, label in zip(axes, ("volatility", "leverage", "price_drift"), (BLUE, VERMILION, GREEN), (
            r"Volatility $\sigma$ (year$^{-1/2}$)", r"Leverage $1/(\alpha\sigma)$", r"Expected return $\mu$ (1/year)"),
            strict=True):
        ax.plot(capital[inside], data[name][inside], color=colour, linewidth=1.2)
        for key in ("hump_capital", "neutral_capital"):
            at = float(data[key])
            ax.plot(at, np.interp(at, capital, data[name]), "o", color=BLACK, markersize=3.5)
        ax.set(xlabel=r"Capital $V/(\alpha^2\delta)$", ylabel=label, xlim=(0, None))
    axes[0].axhline(0.2, color=BLACK, linewidth=0.7, linestyle=":")
    axes[0].annotate(r"fundamental $s$", (2.68, 0.205), ha="right", va="bottom", fontsize=7)
    axes[0].set_ylim(0, 0.33)
    axes[1].set_yscale("log")
    axes[2].axhline(0.01, color=BLACK, linewidth=0.7, linestyle=":")
    axes[2].annotate("interest $r$", (2.68, 0.008), ha="right", va="top", fontsize=7)
    return axes
