"""Liquidity withdrawal: depth where withdrawal meets recovery, its floor, and the core without sensitivity."""

import numpy as np
import pytest

import dynamics as dy


def moving(rate):
    """A price that moves by itself; nothing declares units."""
    system = dy.System(name="moving", time="continuous", states={"price_gap": 0}, parameters={"rate": rate, "impact": 0.3},
                       definitions={"effective_impact": "impact", "price_change": "rate"},
                       equations={"price_gap": "price_change"})
    return dy.compose(system, "liquidity_withdrawal")


@pytest.mark.parametrize("rate", [0.5, -0.5, 2])
def test_depth_settles_where_withdrawal_meets_recovery(rate):
    """y = y_oo + (1 - y_oo) exp(-t/(tau y_oo)) with y_oo = 1/(1 + c tau rate**2), in either direction."""
    settled = 1 / (1 + 20 * 0.1 * rate**2)
    times = np.array([0.05, 0.2, 2.0])
    run = dy.integrate(moving(rate), 2, times=times, relative_tolerance=1e-11, absolute_tolerance=1e-13)
    np.testing.assert_allclose(run["quoted_depth"], settled + (1 - settled) * np.exp(-times / 0.1 / settled), rtol=1e-8)


def test_impact_grows_to_what_lasts_and_no_further():
    system = moving(1)
    impact = system.resolve(system.symbols["effective_impact"]).subs(system.exact_parameters)
    values = [float(impact.subs({"quoted_depth": depth})) for depth in (1, 0.5, 0)]
    assert values == pytest.approx([0.3, 0.3 / 0.6, 0.3 / 0.2], rel=1e-14)


def test_insensitive_quotes_are_the_core_and_sensitive_ones_cost_equity():
    core = dy.models.load("deleveraging")
    start, times = {"price_gap": -0.16, "equity_ratio": 1 - 0.8 * np.exp(0.16)}, np.linspace(0, 3, 61)
    without, insensitive, sensitive = (
        dy.integrate(s, 3, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
        for s in (core, dy.compose(core, "liquidity_withdrawal").with_parameters(quote_sensitivity=0),
                  dy.compose(core, "liquidity_withdrawal")))
    np.testing.assert_allclose(without["equity_ratio"], insensitive["equity_ratio"], rtol=1e-7)
    assert np.all(sensitive["equity_ratio"].values[1:4] < without["equity_ratio"].values[1:4])
    assert sensitive.attrs["measures"]["least_quoted_depth"] < 0.995


def test_moves_are_of_second_order_at_rest():
    system = dy.compose(dy.models.load("deleveraging"), "liquidity_withdrawal")
    matrix = dy.jacobian(system).subs({**system.exact_parameters, "price_gap": 0, "equity_ratio": "1/5",
                                       "liquidation_flow": 0, "quoted_depth": 1})
    # depth feels no state, and no state feels depth
    row = list(system.states).index("quoted_depth")
    assert [float(v) for k, v in enumerate(matrix[row, :]) if k != row] == [0, 0, 0]
    assert [float(v) for k, v in enumerate(matrix[:, row]) if k != row] == [0, 0, 0]
    assert float(matrix[row, row]) == pytest.approx(-10)
