r"""Keen's model of debt deflation: a good equilibrium, a debt explosion, and the boundary between them.

The equations and parameters are those of the authors' program, and so are the stability expression of the good
equilibrium, its expression (59), and the two starts they call convergent and divergent. The equilibria have closed forms:
profit :math:`\pi_1 = \ln[(\nu(\alpha + \beta + \delta) - \kappa_0)/\kappa_1]/\kappa_2`, debt :math:`d_1 = (\kappa(\pi_1) -
\pi_1)/(\alpha + \beta)`, and in the debt explosion everything shrinks at the rates that :math:`\kappa \to \kappa_0` leaves.
The printed values of the paper itself could not be read.
"""

from __future__ import annotations

import functools
import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.linearization import jacobian
from dynamics.analysis.sweeps import sweep
from dynamics.analysis.trajectories import integrate
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

    from dynamics.results import FixedPoints

__all__ = ["paper"]

CONVERGENT = {"wage_share": 0.75, "employment": 0.75, "debt": 0.1}
DIVERGENT = {"wage_share": 0.75, "employment": 0.70, "debt": 0.1}
GOOD_DEBT = 0.07019
EXPLODED = 1e3  # years of output: no economy comes back from there


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="grasselli_costa_lima_2012",
        reference=Reference("M. R. Grasselli, B. Costa Lima", 2012,
                            "An analysis of the Keen model for credit expansion, asset price bubbles and financial"
                            " fragility",
                            "Mathematics and Financial Economics 6", "10.1007/s11579-012-0071-8"),
        models=("keen",),
        computations=(
            Computation(good_equilibrium, (
                _derived("good_profit", 0.16184139938, 5e-12, "profit share"),
                _derived("good_wage_share", 0.83605286687, 5e-12, "wage share"),
                _derived("good_employment", 0.96861175897, 5e-12, "employment rate"),
                _derived("good_debt", 0.07019112486, 5e-12, "debt / yearly output", "year"),
                _derived("focus_real", -0.03522761, 5e-9, "real part of the complex pair", "1/year"),
                _derived("focus_imaginary", 1.95808053, 5e-9, "imaginary part of the complex pair", "1/year"),
                _derived("real_eigenvalue", -0.04503723, 5e-9, "real eigenvalue", "1/year"),
                _derived("debt_feedback", -2.34974815, 5e-9, "K_2 of the cubic y^3 + (alpha + beta - r K_2) y^2 + K_0 K_1 y"
                                                             " + K_0 K_1 (alpha + beta); negative where it is stable"),
                _derived("cycle_strength", 3.83849345, 5e-9, "K_0 K_1 of the cubic", "1/year**2"),
                Claim("cycle_period", 3.2089, 5e-5, "closed form", "year", "derived",
                      statement="period of the damped cycle",
                      explanation="2 pi/1.9580805282 is 3.2088493, which rounds to 3.2088: the last digit was rounded the"
                                  " wrong way. The frequency itself agrees to all digits."),
            )),
            Computation(stability_condition, (
                Claim("stability_expression", True, location="the authors' program, expression (59)", evidence="code",
                      statement="the good point is stable iff r[kappa'(pi_1) (pi_1 - nu delta)/nu - alpha - beta] > 0"),
                _derived("stability_value", 0.00317216, 5e-9, "value of expression (59)"),
                Claim("variant_has_the_wrong_sign", True, location="closed form", evidence="derived",
                      statement="with pi_1 - kappa + nu delta in place of pi_1 - nu delta expression (59) is negative at the"
                                " stable point"),
            )),
            Computation(trivial_equilibria, (
                _derived("trivial_debt", 2.999995114, 5e-10, "debt of the first equilibrium without wages and jobs", "year"),
                Claim("trivial_unstable", True, location="closed form", evidence="derived",
                      statement="both equilibria without wages and jobs are unstable"),
            )),
            Computation(debt_explosion, (
                _derived("explosion_wage_rate", -0.065, 5e-8, "growth rate of the wage share in the explosion", "1/year"),
                _derived("explosion_employment_rate", -0.0571667, 5e-8, "growth rate of employment in the explosion",
                         "1/year"),
                _derived("explosion_debt_rate", -0.0421667, 5e-8, "growth rate of 1/debt in the explosion", "1/year"),
            )),
            Computation(two_starts, (
                Claim("convergent_start", True, location="figures of the authors' program", evidence="code",
                      statement="from wage share 0.75, employment 0.75, debt 0.1 the economy reaches the good equilibrium"),
                Claim("divergent_start", True, location="figures of the authors' program", evidence="code",
                      statement="from wage share 0.75, employment 0.70, debt 0.1 debt explodes"),
                Claim("wage_share_after_300_years", 0.835867, 5e-7, "our earlier run", evidence="earlier",
                      statement="wage share 300 years after the convergent start"),
                Claim("employment_after_300_years", 0.968743, 5e-7, "our earlier run", evidence="earlier",
                      statement="employment rate 300 years after the convergent start"),
                Claim("debt_after_300_years", 0.071672, 5e-7, "our earlier run", "year", "earlier",
                      statement="debt 300 years after the convergent start"),
            )),
        ),
        figures=(PaperFigure(
            "two_basins", two_basins, draw_two_basins,
            "Left: the starts with debt 0.1 that end in the good equilibrium (star; blue) and in the debt explosion "
            "(orange), with the beginning of two paths. Right: debt along both; the dotted line is the good equilibrium. "
            "The two starts are those of the authors' program.",
            panels=(1, 2), size=(6.8, 3.0)),),
    )


def _derived(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "closed form", unit, "derived", statement=statement)


@functools.cache
def _points() -> FixedPoints:
    return fixed_points(models.load("keen"))


def good_equilibrium(context: Context) -> dict[str, Any]:
    """The fixed point with wages and jobs, and its spectrum."""
    (point,) = (p for p in _points() if p.values["wage_share"] > 0.5)
    at = point.values
    pair = max(point.eigenvalues, key=lambda z: z.imag)
    (real,) = (z.real for z in point.eigenvalues if abs(z.imag) < 1e-12)
    return {"good_profit": 1 - at["wage_share"] - 0.03*at["debt"], "good_wage_share": at["wage_share"],
            "good_employment": at["employment"], "good_debt": at["debt"], "focus_real": pair.real,
            "focus_imaginary": pair.imag, "real_eigenvalue": real,
            "cycle_period": Computed(2*np.pi/pair.imag, second=_period_of_the_cubic(), second_method="roots of the cubic"),
            "debt_feedback": (0.045 + 2*pair.real + real)/0.03, "cycle_strength": abs(pair)**2 + 2*pair.real*real}


def _period_of_the_cubic() -> float:
    """Period from the cubic, with the parameters written out."""
    above, root = 3*0.055 + 0.0065, 1 - 0.04**2
    profit = (math.log(above) + 5)/20
    debt = (3*0.055 - profit)/0.045
    jobs = 1 - math.sqrt(0.04**3/root/(0.025 + 0.04/root))
    phillips = (1 - profit - 0.03*debt)*2*0.04**3/root/(1 - jobs)**3
    strength, feedback = phillips*jobs*20*above/3, 1 + 20*above*(debt/3 - 1)
    return float(2*np.pi/np.roots([1, 0.045 - 0.03*feedback, strength, 0.045*strength]).imag.max())


def stability_condition(context: Context) -> dict[str, Any]:
    """Expression (59) against the spectrum, over values of the parameters around the paper's."""
    keen = models.load("keen")
    agree = []
    for slope, interest, depreciation in product((5, 10, 15, 20, 25, 30), (0.01, 0.03, 0.06), (0.01, 0.06)):
        system = keen.with_parameters(investment_slope=slope, interest=interest, depreciation=depreciation)
        at, expression = _good(system)
        agree.append((expression > 0) == bool(np.linalg.eigvals(_matrix(system, at)).real.max() < 0))
    at, right = _good(keen)
    profit = 1 - at["wage_share"] - 0.03*at["debt"]
    # the expression is linear in the bracket, which is pi_1 - nu delta in the right form
    wrong = (right + 0.03*0.045)*(profit - 3*0.055 + 3*0.01)/(profit - 3*0.01) - 0.03*0.045
    return {"stability_expression": all(agree), "stability_value": right, "variant_has_the_wrong_sign": wrong < 0 < right}


def _good(system: Any) -> tuple[dict[str, float], float]:
    """Good equilibrium and expression (59), from their closed forms."""
    p = system.parameter_values
    growth = p["productivity_growth"] + p["labour_growth"]
    invest = p["capital_ratio"]*(growth + p["depreciation"])
    above = invest - p["investment_level"]
    profit = (math.log(above) - p["investment_scale"])/p["investment_slope"]
    debt = (invest - profit)/growth
    employment = 1 - math.sqrt(p["phillips_slope"]/(p["productivity_growth"] + p["phillips_level"]))
    slope = p["investment_slope"]*above
    expression = p["interest"]*(slope/p["capital_ratio"]*(profit - p["capital_ratio"]*p["depreciation"]) - growth)
    return {"wage_share": 1 - profit - p["interest"]*debt, "employment": employment, "debt": debt}, expression


def _matrix(system: Any, at: dict[str, float]) -> Any:


    return np.array(jacobian(system, at).xreplace(system.exact_parameters).evalf(20), dtype=float)


def trivial_equilibria(context: Context) -> dict[str, Any]:
    """Fixed points without wages and jobs."""
    points = [p for p in _points() if p.values["wage_share"] == 0]
    return {"trivial_debt": min(p.values["debt"] for p in points),
            "trivial_unstable": len(points) == 2 and all(p.stability == "unstable" for p in points)}


def debt_explosion(context: Context) -> dict[str, Any]:
    """Growth rates late in an explosion: there they are the eigenvalues at infinite debt, in the inverse of debt."""
    run = integrate(models.load("keen"), 600, DIVERGENT, times=list(range(601)), relative_tolerance=1e-11)
    late = run.sel(time=[580.0, 600.0])
    rates = {name: float(np.diff(np.log(late[name].values))[0]/20) for name in ("wage_share", "employment", "debt")}
    return {"explosion_wage_rate": rates["wage_share"], "explosion_employment_rate": rates["employment"],
            "explosion_debt_rate": -rates["debt"]}


def two_starts(context: Context) -> dict[str, Any]:
    """Where the two starts of the authors' program end."""
    keen = models.load("keen")
    # a hundred damped cycles: the end has six digits only at tolerances far below the usual ones
    good = integrate(keen, 300, CONVERGENT, method="DOP853", relative_tolerance=1e-12, absolute_tolerance=1e-14)
    good, bad = good.isel(time=-1), integrate(keen, 300, DIVERGENT).isel(time=-1)
    return {"convergent_start": abs(float(good["wage_share"]) - 0.83605) < 1e-3,
            "divergent_start": float(bad["debt"]) > EXPLODED,
            "wage_share_after_300_years": float(good["wage_share"]), "debt_after_300_years": float(good["debt"]),
            "employment_after_300_years": float(good["employment"])}


def two_basins(context: Context) -> xr.Dataset:
    """Debt after 500 years over the starts with debt 0.1, and the two paths."""
    keen, cells = models.load("keen"), context.size(300, 30)
    basins = sweep(keen, {"wage_share": np.linspace(0.4, 1.1, cells).tolist(),
                          "employment": np.linspace(0.5, 0.995, cells).tolist()}, measure="debt", duration=500.0,
                   relative_tolerance=1e-9, absolute_tolerance=1e-12)
    times = np.linspace(0, 300, 6001).tolist()
    for name, start in (("convergent", CONVERGENT), ("divergent", DIVERGENT)):
        run = integrate(keen, 300, start, times=times)
        for state in ("wage_share", "employment", "debt"):
            basins[f"{name}_{state}"] = ("time", run[state].values)
    return basins.assign_coords(time=times)


def draw_two_basins(data: xr.Dataset, axes: Any) -> Any:
    """Basins and the beginning of the two paths on the left, debt on the right."""
    from dynamics.figures.style import BLACK, BLUE, ORANGE, VERMILION

    left, right = axes
    good = abs(data["debt"] - GOOD_DEBT) < 0.5
    left.contourf(data["wage_share"], data["employment"], good.transpose("employment", "wage_share"),
                  levels=(-0.5, 0.5, 1.5), colors=(ORANGE, BLUE), alpha=0.3)
    for name, colour, end in (("convergent", BLUE, 60), ("divergent", VERMILION, 14)):
        path = data.sel(time=slice(0, end))
        left.plot(path[f"{name}_wage_share"], path[f"{name}_employment"], color=colour, linewidth=0.8)
        left.plot(path[f"{name}_wage_share"][0], path[f"{name}_employment"][0], "o", color=colour, markersize=4)
        right.semilogy(data["time"], data[f"{name}_debt"], color=colour, linewidth=0.9, label=f"{name} start")
    left.plot(0.83605, 0.96861, "*", color=BLACK, markersize=7)
    left.set(xlabel=r"Wage share $\omega$", ylabel=r"Employment rate $\lambda$", xlim=(0.4, 1.1), ylim=(0.5, 1.0))
    right.axhline(GOOD_DEBT, color=BLACK, linewidth=0.7, linestyle=":")
    right.set(xlabel="Time (years)", ylabel="Debt / yearly output $d$ (years)", ylim=(1e-2, None), xlim=(0, 300))
    right.legend(loc="upper left")
    return axes
