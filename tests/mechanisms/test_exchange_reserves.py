"""Exchange reserves: the inflow integrates to a power of the price, reserves drain, and the core without pressure."""

import numpy as np
import pytest

import dynamics as dy


def falling(rate):
    """A price that falls by itself; nothing declares units."""
    system = dy.System(name="falling", time="continuous", states={"price_gap": 0}, parameters={"rate": rate, "impact": 0.3},
                       definitions={"voluntary_flow": "0", "effective_impact": "impact", "price_change": "-rate"},
                       equations={"price_gap": "price_change"})
    return dy.compose(system, "exchange_reserves")


def test_reserves_are_a_power_of_the_price_while_nothing_drains():
    run = dy.integrate(falling(0.2).with_parameters(reserve_inflow=1.5, reserve_outflow=1e12), 2, times=[1.0, 2.0],
                       relative_tolerance=1e-11, absolute_tolerance=1e-13)
    np.testing.assert_allclose(run["reserves"], np.exp(-1.5 * run["price_gap"].values), rtol=1e-9)


def test_reserves_rest_where_inflow_meets_outflow():
    # r' = (alpha rate - 1/T) r + 1/T
    system = falling(0.05).with_parameters(reserve_outflow=5)
    run = dy.integrate(system, 200, times=[200.0])
    assert float(run["reserves"][-1]) == pytest.approx(1 / (1 - 0.05 * 5), rel=1e-6)


def test_depth_and_pressure():
    system = falling(0.2)
    for text, value in (("voluntary_flow", -0.05 * 0.44), ("effective_impact", 0.3 / 1.2)):
        expression = system.resolve(system.symbols[text]).subs({**system.exact_parameters, "reserves": 1.44})
        assert float(expression) == pytest.approx(value, rel=1e-12)


def test_without_pressure_and_depth_it_is_the_core():
    core = dy.models.load("deleveraging")
    system = dy.compose(core, "exchange_reserves").with_parameters(reserve_pressure=0, reserve_depth=0)
    start, times = {"price_gap": -0.1, "equity_ratio": 0.1158}, np.linspace(0, 10, 11)
    runs = [dy.integrate(s, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for s in (core, system)]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)
