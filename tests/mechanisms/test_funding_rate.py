"""Funding rate: the clamp, what longs pay in closed form, the price without arbitrage, and the core where nothing is due."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.funding_rate import funding, perpetual_price


def at_a_constant_gap(gap):
    """Holders who do nothing while the price stays off its fundamental; nothing declares units."""
    system = dy.System(name="gap", time="continuous", states={"price_gap": gap, "equity_ratio": 0.2}, parameters={"k": 1},
                       definitions={"voluntary_flow": "0"}, equations={"price_gap": "0*k", "equity_ratio": "0"})
    return dy.compose(system, "funding_rate")


@pytest.mark.parametrize(("premium", "rate"), [(-20, -15), (6, 1), (20, 15), (1, 1), (-4, 1), (-5, 0)])
def test_the_clamp_in_basis_points(premium, rate):
    assert 1e4 * funding(1e-4 * premium) == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize("gap", [0.1, -0.1, 0.02])
def test_longs_pay_what_is_beyond_the_clamp(gap):
    """P = pi x (1 - exp(-t/tau)); beyond I + c (below I - c) equity changes at the rate n (P -+ c - I)."""
    run = dy.integrate(at_a_constant_gap(gap), 2.0, times=np.linspace(0, 2, 41), relative_tolerance=1e-10,
                       absolute_tolerance=1e-14)
    premium = 0.02 * gap * (1 - np.exp(-3 * run["time"].values))
    np.testing.assert_allclose(run["premium"].values, premium, atol=1e-12)
    fine = np.linspace(0, 2, 200001)
    excess = 0.02 * gap * (1 - np.exp(-3 * fine)) - 0.0001
    paid = np.trapezoid(3 * (np.maximum(0, excess - 0.0005) + np.minimum(0, excess + 0.0005)), fine)
    assert 0.2 - float(run["equity_ratio"][-1]) == pytest.approx(paid, abs=2e-9)
    assert run.attrs["measures"]["funding_paid"] == pytest.approx(paid, abs=2e-9)
    assert np.sign(paid) == (0 if gap == 0.02 else np.sign(gap))        # 4 basis points of premium are within the clamp


def test_inside_the_clamp_it_is_the_core():
    core = dy.models.load("deleveraging")
    times = np.linspace(0, 20, 21)
    start = {"price_gap": -0.01, "equity_ratio": 0.19}
    runs = [dy.integrate(system, 20, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for system in (core, dy.compose(core, "funding_rate"))]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)
    assert runs[1].attrs["measures"]["funding_paid"] == pytest.approx(0, abs=1e-12)


def test_the_price_without_arbitrage():
    # funding kappa = 1095 a year (8 hours), money at 5 %: the contract trades 0.457 basis points above the index
    assert 1e4 * (perpetual_price(1, 1095, 0, 0, 0.05) - 1) == pytest.approx(0.457, abs=5e-4)
    kappa, iota, base, money = 40.0, 0.3, 0.02, 0.07
    price = perpetual_price(100, kappa, iota, base, money)
    # a contract costs nothing: what it is expected to gain is the funding it pays
    gain = price * (money - base)
    assert gain == pytest.approx(kappa * (price - 100) + iota * 100, rel=1e-12)
    assert perpetual_price(100, 1e12, iota, base, money) == pytest.approx(100)
