"""The stablecoin of Klages-Mundt and Minca: the speculator's map, and the fold of its collateral constraint.

A. Klages-Mundt, A. Minca, (In)stability for the blockchain: deleveraging spirals and stablecoin attacks, arXiv:1906.02152.
Supply L, collateral worth z, demand D for the coin, constraint lam (z + d D/(L + d)) >= beta (L + d) on the change d.
"""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Rational, Symbol, cancel, sqrt

import dynamics as dy

L, D, beta, lam, z = (Symbol(n) for n in ("L", "D", "beta", "lam", "z"))
POSITIVE = {"bounds": (0, None)}
VALUES = {n: dy.Parameter(v, **POSITIVE) for n, v in dict(L=100, D=100, beta=1.5, lam=1, z=150).items()}


def constraint(**values: float) -> dy.System:
    """Supply moves up as long as the constraint is slack; both of its ends are fixed points."""
    return dy.System(name="collateral constraint", states={"supply": dy.State(90, **POSITIVE)}, parameters=VALUES,
                     equations={"supply": "lam*(z + D)*supply - lam*L*D - beta*supply**2"}).with_parameters(values)


def test_interior_optimum_halves_its_distance_every_step() -> None:
    system = dy.System(name="interior", time="discrete", states={"supply": dy.State(90, **POSITIVE)},
                       parameters={"r": dy.Parameter(1.1, **POSITIVE), "D": dy.Parameter(100, **POSITIVE)},
                       equations={"supply": "sqrt(r*D*supply)"}, observables={"price": "D/supply"})
    matrix = dy.jacobian(system, {"supply": "r*D"})
    assert cancel(matrix[0, 0] ** 2 - Rational(1, 4)) == 0
    # stable for all parameters, so there is no condition
    assert len(dy.stability_conditions(system, {"supply": "r*D"})) == 0
    orbit = dy.iterate(system, 6)["supply"].values
    assert np.log(orbit[1:] / 110) == pytest.approx(np.log(orbit[:-1] / 110) / 2, rel=1e-10)


@pytest.mark.parametrize(("bound", "threshold"), [(1, 144.948974), (0.9, 158.198890)])
def test_fold_of_the_constraint(bound: float, threshold: float) -> None:
    system = constraint(lam=bound, z=170)
    upper, lower = dy.fixed_points(system)
    for point in (upper, lower):
        fold, = dy.bifurcation_conditions(system, point, parameter="z")
        assert fold.kind == "fold"
        assert fold.values == pytest.approx((threshold,), abs=6e-7)
        power = {D: Symbol("a") ** 2, L: Symbol("b") ** 2, beta: Symbol("c") ** 2, lam: Symbol("e") ** 2}
        positive = {s: Symbol(s.name, positive=True) for s in (Symbol(n) for n in "abce")}
        difference = (fold.solutions[0] - (2 * sqrt(beta * L * D / lam) - D)).subs(power).subs(positive)
        assert cancel(difference) == 0
    # the price of the coin there: sqrt(beta D/(lam L))
    at = system.with_parameters(z=float(2 * np.sqrt(1.5e4 / bound) - 100) * (1 + 1e-14))
    end = next(iter(dy.fixed_points(at)))
    assert 100 / end.values["supply"] == pytest.approx(np.sqrt(1.5 / bound), rel=1e-5)


@pytest.mark.parametrize(("collateral", "ends"), [(150, (66.666667, 100)), (145, (80, 83.333333))])
def test_feasible_supplies_and_the_price_of_the_coin(collateral: float, ends: tuple[float, float]) -> None:
    points = dy.fixed_points(constraint(z=collateral))
    found = {p.stability: p.values["supply"] for p in points}
    assert found == pytest.approx({"unstable": ends[0], "stable": ends[1]}, abs=6e-7)
    # a premium while the collateral falls: the deleveraging spiral
    assert 100 / found["stable"] == pytest.approx({150: 1.0, 145: 1.2}[collateral], abs=1e-8)


def test_nothing_is_feasible_beyond_the_fold() -> None:
    assert [p for p in dy.fixed_points(constraint(z=144.9)) if p.admissible] == []
