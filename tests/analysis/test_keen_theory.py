"""Keen's model of debt deflation: the good equilibrium and the debt explosion, their stability in closed form.

S. Keen, Finance and economic breakdown, J. Post Keynesian Economics 17 (1995); M. R. Grasselli and B. Costa Lima, An
analysis of the Keen model for credit expansion, asset price bubbles and financial fragility, Math. Financ. Econ. 6 (2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from sympy import Dummy, Poly, Pow, S, Symbol, cancel, log, sqrt

import dynamics as dy

alpha, beta, delta, nu, r, k0, k1, k2, f0, f1 = (Symbol(n) for n in (
    "alpha", "beta", "delta", "nu", "r", "kappa_0", "kappa_1", "kappa_2", "phi_0", "phi_1"))
y = Symbol("z")  # the eigenvalue
POSITIVE = {"bounds": (0, None)}
CONSTANTS = {n: dy.Parameter(v, **POSITIVE) for n, v in dict(
    nu=3, alpha="1/40", beta="1/50", delta="1/100", r="3/100", phi_0="25/624", phi_1="1/15600", kappa_2=20).items()} | {
    "kappa_0": dy.Parameter("-13/2000"), "kappa_1": dy.Parameter(float(np.exp(-5)), **POSITIVE)}
PHILLIPS = "phi_1/(1 - employment)**2 - phi_0"


def keen() -> dy.System:
    return dy.System(
        name="keen", parameters=CONSTANTS,
        states={"wages": dy.State(0.8, **POSITIVE), "employment": dy.State(0.95, bounds=(0, 1)), "debt": dy.State(0.1)},
        definitions={"profit": "1 - wages - r*debt", "investment": "kappa_0 + kappa_1*exp(kappa_2*profit)",
                     "growth": "investment/nu - delta"},
        equations={"wages": f"wages*({PHILLIPS} - alpha)", "employment": "employment*(growth - alpha - beta)",
                   "debt": "debt*(r - growth) + investment - (1 - wages)"})


def good() -> dict[str, Any]:
    """Profits at which capital grows as fast as labour; the rest follows, all by hand."""
    invest = nu * (alpha + beta + delta)
    profit = log((invest - k0) / k1) / k2
    debt = (invest - profit) / (alpha + beta)
    return {"profit": profit, "invest": invest, "debt": debt, "wages": 1 - profit - r * debt,
            "employment": 1 - sqrt(f1 / (alpha + f0))}


def place(system: dy.System) -> dict[str, Any]:
    at = good()
    return {name: at[name] for name in system.states}


def vanishes(expression: Any) -> bool:
    """Whether an expression is zero as a rational function of symbols, logarithms and roots."""
    kernels = {item: Dummy() for item in expression.atoms(log) | {p for p in expression.atoms(Pow) if p.exp == S.Half}}
    return cancel(expression.xreplace(kernels)) == 0


def test_good_equilibrium_has_its_values() -> None:
    system = keen()
    point = next(p for p in dy.fixed_points(system, box={"wages": (0.1, 1.5), "employment": (0.5, 0.999), "debt": (-1, 2)})
                 if p.admissible)
    expected = {"wages": 0.83605286687, "employment": 0.96861175897, "debt": 0.07019112486}
    assert point.values == pytest.approx(expected, abs=6e-12)
    for name, value in place(system).items():
        assert float(value.xreplace(system.exact_parameters)) == pytest.approx(expected[name], abs=6e-12)
    spectrum = sorted(point.eigenvalues, key=lambda z: z.imag)
    assert spectrum == pytest.approx([-0.03522761 - 1.95808053j, -0.04503723, -0.03522761 + 1.95808053j], abs=6e-9)


def test_stability_of_the_good_equilibrium_in_closed_form() -> None:
    """Hopf: r [kappa'(pi_1)/nu (pi_1 - nu delta) - (alpha + beta)] = -r (alpha + beta) K2, K2 = 1 + kappa' (d_1/nu - 1)."""
    system, at = keen(), good()
    slope = k2 * (at["invest"] - k0)
    published = r * (slope / nu * (at["profit"] - nu * delta) - (alpha + beta))
    bracket = 1 + slope * (at["debt"] / nu - 1)
    assert vanishes(published + r * (alpha + beta) * bracket)
    value = [float(item.xreplace(system.exact_parameters)) for item in (published, bracket)]
    assert value == pytest.approx([0.00317216, -2.34974815], abs=6e-9)
    fold, hopf = dy.stability_conditions(system, place(system))
    assert [fold.bifurcation, hopf.bifurcation] == ["fold", "hopf"]
    # what is left of the determinants of the package besides the published expression is positive at an admissible point:
    # employment, the slope of investment, and the wage share
    jobs = sqrt(f1 * (alpha + f0)) - f1
    share = (alpha + f0) * sqrt(f1 / (alpha + f0)) * at["employment"]
    assert float((jobs - share).xreplace(system.exact_parameters)) == pytest.approx(0, abs=1e-17)
    positive = jobs * (at["invest"] - k0) * k2 * (alpha + beta) * at["wages"]
    assert vanishes(hopf.expression - positive * nu * published / r)
    assert vanishes(fold.expression - positive)
    polynomial = Poly(dy.characteristic_polynomial(system, place(system)).xreplace(system.exact_parameters).evalf(40), y)
    crossing = at["wages"] * 2 * f1 / (1 - at["employment"]) ** 3 * at["employment"] * slope / nu
    by_hand = [1, alpha + beta - r * bracket, crossing, crossing * (alpha + beta)]
    assert float(crossing.xreplace(system.exact_parameters)) == pytest.approx(3.83849345, abs=6e-9)
    assert [float(c) for c in polynomial.all_coeffs()] == pytest.approx(
        [float(S(c).xreplace(system.exact_parameters)) for c in by_hand], rel=1e-12)


@pytest.mark.parametrize(("name", "value"), [("kappa_2", 6.0), ("r", 0.01), ("nu", 2.7), ("delta", 0.06)])
def test_the_condition_tells_the_side_of_the_spectrum(name: str, value: float) -> None:
    system = keen().with_parameters({name: value})
    matrix = np.array(dy.jacobian(system, place(system)).xreplace(system.exact_parameters).evalf(20), dtype=float)
    stable = all(c.value > 0 for c in dy.stability_conditions(system, place(system)))
    assert stable is bool(np.linalg.eigvals(matrix).real.max() < 0)


def test_debt_explosion_in_the_inverse_of_debt() -> None:
    """At u = 1/d = 0 investment is kappa_0: the exponential of -r/u vanishes there with all derivatives."""
    system = dy.System(
        name="debt explosion", parameters={n: p for n, p in CONSTANTS.items() if n not in ("kappa_1", "kappa_2")},
        states={"wages": dy.State(0, **POSITIVE), "employment": dy.State(0, bounds=(0, 1)), "u": dy.State(0, **POSITIVE)},
        definitions={"growth": "kappa_0/nu - delta"},
        equations={"wages": f"wages*({PHILLIPS} - alpha)", "employment": "employment*(growth - alpha - beta)",
                   "u": "-u*(r - growth) - u**2*(kappa_0 - (1 - wages))"})
    point = next(p for p in dy.fixed_points(system) if all(v == 0 for v in p.values.values()))
    assert sorted(z.real for z in point.eigenvalues) == pytest.approx([-0.065, -0.0571667, -0.0421667], abs=5e-8)
    found = {c.expression for c in dy.stability_conditions(system, point)}
    # stable iff investment at the deepest loss grows capital by less than r (and wages and jobs fall)
    assert found == {alpha + f0 - f1, alpha * nu + beta * nu + delta * nu - k0, delta * nu - k0 + nu * r}


def test_equilibria_without_wages_and_jobs_are_unstable() -> None:
    system = keen()

    def rest(debt: float) -> float:
        invest = -0.0065 + np.exp(-5 + 20 * (1 - 0.03 * debt))
        return float(debt * (0.03 + 0.01 - invest / 3) + invest - 1)

    expected = [brentq(rest, 2.9, 3.1, xtol=1e-13), brentq(rest, 10, 60, xtol=1e-12)]
    assert expected[0] == pytest.approx(2.999995114, abs=6e-10)
    box = {"wages": (-0.01, 0.01), "employment": (-0.01, 0.01), "debt": (0, 60)}
    points = sorted(dy.fixed_points(system, box=box), key=lambda p: p.values["debt"])
    assert [p.values["debt"] for p in points] == pytest.approx(expected, rel=1e-10)
    assert [p.stability for p in points] == ["unstable", "unstable"]
