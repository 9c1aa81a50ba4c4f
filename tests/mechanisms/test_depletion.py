"""Depletion: a line of fixed points, exact holdings, forced volume in units of the start."""

import numpy as np
import pytest
from scipy.integrate import simpson
from sympy import Symbol

import dynamics as dy


@pytest.fixture(scope="module")
def system():
    return dy.compose(dy.models.load("deleveraging"), "depletion")


def test_one_eigenvalue_is_zero_by_structure(system):
    z = Symbol("z")
    matrix = dy.jacobian(system)
    column = list(system.states).index("log_holdings")
    at_rest = matrix.subs({Symbol("price_gap"): 0, Symbol("liquidation_flow"): 0,
                           Symbol("equity_ratio"): 1 / Symbol("target_leverage")})
    assert all(entry == 0 for entry in at_rest[:, column])
    (point, *_) = [p for p in dy.fixed_points(system) if p.admissible]
    assert "log_holdings" in point.free
    assert point.eigenvalues[-1] == 0
    polynomial = dy.characteristic_polynomial(system, point)
    expression = getattr(polynomial, "expression", polynomial)
    assert expression.subs(z, 0) == 0


def test_holdings_follow_the_net_flow(system):
    start = dy.apply_shock(system, system.initial_state(), "price", 0.12)
    run = dy.integrate(system, 200, initial_state=start)
    flow = run.attrs["measures"]["net_sold"]
    assert 1 - np.exp(float(run["log_holdings"][-1])) == pytest.approx(flow, abs=1e-7)
    assert run.attrs["measures"]["smallest_holdings"] <= np.exp(run["log_holdings"].values).min() + 1e-9


def test_forced_volume_counts_initial_holdings(system):
    start = {**system.initial_state(), "liquidation_flow": 2.0}
    run = dy.integrate(system, 40, initial_state=start, times=np.linspace(0, 40, 40001))
    volume = simpson(run["liquidation_flow"] * np.exp(run["log_holdings"]), x=run["time"])
    assert run.attrs["measures"]["forced_volume"] == pytest.approx(volume, rel=1e-5)
    assert volume > 0.01


def test_without_impact_it_changes_nothing(system):
    core = dy.models.load("deleveraging").with_parameters(price_impact=0)
    start = dy.apply_shock(core, core.initial_state(), "price", 0.1)
    plain = dy.integrate(core, 20, initial_state=start, times=[5, 20])
    depleted = dy.integrate(system.with_parameters(price_impact=0), 20, initial_state=start, times=[5, 20])
    np.testing.assert_allclose(depleted["equity_ratio"], plain["equity_ratio"], rtol=1e-7)
