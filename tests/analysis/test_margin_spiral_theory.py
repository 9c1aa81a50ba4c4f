"""Margin and loss spirals of Brunnermeier and Pedersen: two folds, the jump, hysteresis, and when there are none.

M. K. Brunnermeier, L. H. Pedersen, Market liquidity and funding liquidity, Rev. Financial Studies 22 (2009) 2201-2238,
doi:10.1093/rfs/hhn098. Uninformed financiers, no initial position: with u the fall of the price below the fundamental value,
the capital that the speculators need is h(u) = z (sigma + theta u)(Z - k u).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sympy import Symbol, cancel, simplify

import dynamics as dy

z, sigma, theta, k, Z, W = (Symbol(n) for n in ("z_pi", "sigma", "theta", "k", "Z", "W"))
QUANTILE = float(norm.ppf(0.99))
POSITIVE = {"bounds": (0, None)}
VALUES = {n: dy.Parameter(v, **POSITIVE) for n, v in dict(
    z_pi=QUANTILE, sigma=10, theta=0.3, k=0.4, Z=30, W=760, speed=1, recovery=1).items()}
NEEDED = "z_pi*(sigma + theta*u)*(Z - k*u)"
FULL, FOLD = 697.904362, 819.068314  # capital for full liquidity, and at the fold


def illiquid(**values: float) -> dy.System:
    """A shortfall of capital pushes the price down."""
    return dy.System(name="margin spiral", states={"u": dy.State(40, **POSITIVE)}, parameters=VALUES,
                     equations={"u": f"speed*({NEEDED} - W)"}).with_parameters(values)


def market(**values: float) -> dy.System:
    """The same, and where the capital suffices the price returns to the fundamental value and stays there."""
    return dy.System(name="margin spiral with recovery", states={"u": dy.State(40, bounds=(0, 75))}, parameters=VALUES,
                     equations={"u": f"max(speed*({NEEDED} - W), -recovery*u)"}).with_parameters(values)


def needed(u: float) -> float:
    return QUANTILE * (10 + 0.3 * u) * (30 - 0.4 * u)


def test_fold_in_closed_form() -> None:
    system = illiquid()
    stable, unstable = dy.fixed_points(system)
    assert (stable.stability, unstable.stability) == ("stable", "unstable")
    fold, = dy.bifurcation_conditions(system, stable, parameter="W")
    capital, = fold.solutions
    assert fold.kind == "fold"
    # h at its top u_f = (theta Z - k sigma)/(2 theta k)
    top = (theta * Z - k * sigma) / (2 * theta * k)
    assert cancel(capital - z * (sigma + theta * top) * (Z - k * top)) == 0
    assert fold.values == pytest.approx((FOLD,), abs=6e-7)
    assert simplify(stable.state["u"].subs(W, capital) - top).subs({theta: 0.3, Z: 30, k: 0.4, sigma: 10, z: 2}) == \
        pytest.approx(0, abs=1e-12)
    # fragile iff theta > k sigma/Z: the top of h lies at a fall of the price, not at a rise
    assert cancel((capital - z * sigma * Z) - z * (theta * Z - k * sigma) ** 2 / (4 * theta * k)) == 0
    form = dy.normal_form(system, {"u": "(theta*Z - k*sigma)/(2*theta*k)"},
                          parameters={"W": capital.xreplace(system.exact_parameters)}, parameter="W")
    assert form.kind == "fold"
    assert form["a"].value == pytest.approx(-QUANTILE * 0.3 * 0.4, rel=1e-12)


@pytest.mark.parametrize(("capital", "prices"), [(720, (118.0049, 80.3285)), (800, (107.4314, 90.9019))])
def test_prices_of_the_two_branches(capital: float, prices: tuple[float, float]) -> None:
    found = {p.stability: 120 - p.values["u"] for p in dy.fixed_points(illiquid(W=capital))}
    assert found == pytest.approx({"unstable": prices[0], "stable": prices[1]}, abs=6e-5)


@pytest.mark.parametrize(("capital", "falls"), [(690, 1), (FULL - 1e-3, 1), (FULL + 1e-3, 3), (760, 3), (FOLD - 1e-3, 3),
                                                (FOLD + 1e-3, 1), (830, 1)])
def test_hysteresis_between_the_two_folds(capital: float, falls: int) -> None:
    points = [p for p in dy.fixed_points(market(W=capital)) if p.admissible]
    assert len(points) == falls
    calm = [p for p in points if p.values["u"] == 0]
    assert len(calm) == (1 if capital > FULL else 0)
    assert all(p.stability == "stable" for p in calm)
    assert len([p for p in points if p.stability == "stable"]) == (2 if falls == 3 else 1)
    roots = [u for u in np.roots([-0.12 * QUANTILE, 5 * QUANTILE, 300 * QUANTILE - capital]) if u.imag == 0 and u > 0]
    assert sorted(p.values["u"] for p in points if p.values["u"] > 0) == pytest.approx(sorted(roots), rel=1e-9)


def test_width_of_the_loop_and_landing_price() -> None:
    assert needed(0) == pytest.approx(FULL, abs=6e-7)
    fold, = dy.bifurcation_conditions(illiquid(), next(iter(dy.fixed_points(illiquid()))), parameter="W")
    assert fold.values[0] - needed(0) == pytest.approx(121.163952, abs=6e-7)
    landed, = (p for p in dy.fixed_points(illiquid(W=needed(0))) if p.stability == "stable")
    assert 120 - landed.values["u"] == pytest.approx(78.333333, abs=6e-7)


def test_no_fold_where_margins_hardly_react() -> None:
    """theta below k sigma/Z = 0.1333: the illiquid branch begins at u = 0 without a jump."""
    for steepness, fragile in ((0.1333, False), (0.1334, True)):
        system = market(theta=steepness, W=QUANTILE * 10 * 30 + 1e-6)
        points = [p for p in dy.fixed_points(system) if p.admissible]
        assert (len(points) == 3) is fragile


def test_multiplier_of_both_spirals() -> None:
    """dp/d eta = 1/(k m + x dm/dp - x0) where the constraint binds, from the implicit fixed point."""
    system = dy.System(
        name="loss spiral", states={"u": dy.State(35, **POSITIVE)}, parameters={**VALUES, "x0": dy.Parameter(5)},
        equations={"u": f"{NEEDED} - (W - x0*u)"})
    fall = 120 - 85
    start = needed(fall) + 5 * fall
    around = [dy.fixed_points(system.with_parameters(W=start + shift)) for shift in (-1e-4, 1e-4)]
    values = [next(p.values["u"] for p in points if p.stability == "stable") for points in around]
    multiplier = -(values[1] - values[0]) / 2e-4
    margin, position = QUANTILE * (10 + 0.3 * fall), 30 - 0.4 * fall
    assert multiplier == pytest.approx(1 / (0.4 * margin - QUANTILE * 0.3 * position - 5), rel=1e-6)
    assert multiplier == pytest.approx(0.34369, abs=6e-6)
    # the fold of the price is where the denominator vanishes
    point = next(p for p in dy.fixed_points(system) if p.stability == "stable")
    fold, = dy.bifurcation_conditions(system, point, parameter="W")
    x0 = Symbol("x0")
    top = (theta * Z - k * sigma + x0 / z) / (2 * theta * k)
    assert cancel(fold.solutions[0] - z * (sigma + theta * top) * (Z - k * top) - x0 * top) == 0
