"""Token emission: the schedule, dilution without trades, what is sold, and the hyperinflation of a redeemed coin."""

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.token_emission import log_supply_growth


def quiet(**values):
    """A market without holders; nothing declares units."""
    system = dy.System(name="quiet", time="continuous", states={"price_gap": 0}, parameters={"impact": 0.3},
                       definitions={"effective_impact": "impact", "price_change": "0"},
                       equations={"price_gap": "price_change"})
    return dy.compose(system, "token_emission").with_parameters(**values)


def test_emission_halves_and_dilutes_the_fundamental():
    times = np.array([100.0, 200.0, 2000.0])
    run = dy.integrate(quiet(emission_sold=0), 2000, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-14)
    np.testing.assert_allclose(run["emission"], 0.002 * 0.5 ** (times / 100), rtol=1e-6)
    # nobody trades: the price stays, its fundamental falls by all that is ever issued, e_0 T/ln 2
    issued = 0.002 * 100 / math.log(2) * (1 - 0.5 ** (times / 100))
    np.testing.assert_allclose(run["price_gap"], issued, rtol=1e-6)


def test_what_is_sold_moves_the_price():
    run = dy.integrate(quiet(emission_sold=1), 2000, times=[2000.0], relative_tolerance=1e-10, absolute_tolerance=1e-14)
    assert float(run["price_gap"][-1]) == pytest.approx((1 - 0.3) * 0.002 * 100 / math.log(2), rel=1e-5)


def test_without_emission_it_is_the_core():
    core = dy.models.load("deleveraging")
    start, times = {"price_gap": -0.1, "equity_ratio": 0.1158}, np.linspace(0, 10, 11)
    runs = [dy.integrate(s, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for s in (core, dy.compose(core, "token_emission").with_parameters(initial_emission=0))]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)


def test_redemption_hyperinflation():
    """LUNA in May 2022: supply from 343 million to 6.53 trillion is a factor 19038, ln = 9.854."""
    growth = math.log(6.53e12 / 343e6)
    assert growth == pytest.approx(9.854, abs=5e-4)
    assert math.exp(growth) == pytest.approx(19_038, abs=0.5)
    # a market value that falls exponentially under a constant redemption r: the integral in closed form
    days, value, redeemed, rate = np.linspace(0, 5, 200_001), 20e9, 1.3e9, 1.2
    closed = redeemed / (rate * value) * (math.exp(rate * 5) - 1)
    assert log_supply_growth(days, np.full_like(days, redeemed), value * np.exp(-rate * days)) \
        == pytest.approx(closed, rel=1e-8)
    # issued tokens sold at the market value of the moment: dS/dt = r S/(p S)
    supply = 1.0
    for step in range(20_000):
        supply *= 1 + redeemed / (value * math.exp(-rate * (step + 0.5) * 5 / 20_000)) * 5 / 20_000
    assert math.log(supply) == pytest.approx(closed, rel=2e-3)


def test_no_market_value_is_told():
    with pytest.raises(dy.SpecificationError, match="must be positive"):
        log_supply_growth((0, 1), (1, 1), (1, 0))
