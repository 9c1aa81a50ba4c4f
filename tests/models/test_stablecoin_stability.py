"""Stablecoin stability: published thresholds and bounds, and each step written out in dollars and coins."""

import numpy as np
import pytest
from scipy.optimize import brentq

import dynamics as dy
from dynamics.models.stablecoin_stability import deviation_bound


def coin(**values):
    return dy.models.load("stablecoin_stability").with_parameters(**values)


def step(system, supply=100.0, collateral=100.0):
    run = dy.iterate(system, 1, {"supply": supply, "collateral": collateral})
    return float(run["supply"][-1]), float(run["collateral"][-1])


@pytest.mark.parametrize(("cost", "value"), [(1, 122.4745), (1.05, 123.0239), (1.13, 123.8543)])
def test_the_thresholds_of_the_paper(cost, value):
    """c(L) N at L = D = 100 and beta = 3/2, and b(L) N = 150 (Klages-Mundt and Minca 2022)."""
    run = dy.iterate(coin(liquidation_cost=cost), 0, {"supply": 100, "collateral": 100})
    assert 100 * float(run["exhaustion_price"][0]) == pytest.approx(value, abs=5e-5)
    assert 100 * float(run["liquidation_price"][0]) == pytest.approx(150, rel=1e-14)
    # in the notation of the paper, where beta is 3/2 throughout
    root = np.sqrt(cost**2 * 100**2 + 4 * cost * 100 * 100 + 100**2)
    assert 100 * float(run["exhaustion_price"][0]) == pytest.approx((root - cost * 100 + 100) / 2, rel=1e-13)


@pytest.mark.parametrize(("beta", "cost", "supply"), [(1.5, 1, 100), (2, 1.13, 80), (1.2, 1.05, 130)])
def test_the_exhaustion_price_is_where_a_liquidation_takes_all(beta, cost, supply):
    def left(value):
        retired = (beta * supply - value) / (beta - 1)
        return value - cost * retired * 100 / (supply - retired)

    exhausted = brentq(left, supply * (1 + 1e-9), beta * supply, xtol=1e-13)
    system = coin(threshold=beta, liquidation_cost=cost, collateral_price=1)
    run = dy.iterate(system, 0, {"supply": supply, "collateral": 100})
    assert 100 * float(run["exhaustion_price"][0]) == pytest.approx(exhausted, rel=1e-12)
    assert step(system, supply, exhausted * (1 + 1e-6))[1] > 0
    after, collateral = step(system, supply, exhausted * (1 - 1e-6))
    assert collateral == 0
    # below the threshold the collateral buys what it can: no jump of supply
    assert after == pytest.approx(step(system, supply, exhausted * (1 + 1e-6))[0], rel=1e-4)


def test_a_liquidation_in_dollars_and_coins():
    after, collateral = step(coin(collateral_price=1.4, liquidation_cost=1.13))
    retired = 3 * 100 - 2 * 140         # 3 L - 2 N X at beta = 3/2
    assert after == pytest.approx(100 - retired, rel=1e-13)
    assert collateral * 1.4 == pytest.approx(140 - 1.13 * retired * 100 / (100 - retired), rel=1e-13)
    # at par the ratio would be restored; the market's price is higher, so it is not
    assert (140 - retired) / after == pytest.approx(1.5, rel=1e-13)
    assert collateral * 1.4 / after < 1.5


def test_the_coin_is_worth_more_while_collateral_falls():
    """The deflationary spiral: what is bought dearer than par draws the next liquidation; near the threshold it dies out."""
    mild, deep = (dy.iterate(coin(collateral_price=price, liquidation_cost=1.05), 6) for price in (1.45, 1.4))
    for run in (mild, deep):
        assert np.all(np.diff(run["coin_price"].values[:5]) > 0)
        assert np.all(np.diff(run["collateral"].values[:5]) < 0)
    assert mild["collateral_ratio"].values[-1] == pytest.approx(1.5, abs=1e-3)
    assert deep["collateral"].values[-1] == 0
    assert deep.attrs["measures"]["highest_price"] > 3


def test_while_stability_lasts():
    """Supply rises to kappa r D and the price falls to 1/(kappa r); ln L goes half of the way in each step."""
    system = coin()
    supply = dy.iterate(system, 12, {"supply": 60, "collateral": 200})["supply"].values
    limit = 100 * 1.00111 / 0.999
    assert np.log(supply / limit)[1:] / np.log(supply / limit)[:-1] == pytest.approx(np.full(12, 0.5), rel=1e-9)
    assert np.all(supply < limit)
    assert 100 / supply[-1] == pytest.approx(0.999 / 1.00111, abs=2e-4)


def test_the_choice_is_the_best_of_those_allowed():
    """By search over a grid of supplies: value r (z + (L' - L) D/L') - L'/kappa under the collateral constraint."""
    for collateral, supply, expected in ((80, 90, 1.3), (76, 100, 1.5), (90, 100, 0.8)):
        system = coin(expected_return=expected)
        new = np.linspace(30, 200, 1_700_001)
        value = collateral * 2 + (new - supply) * 100 / new
        gain = np.where(value >= 1.5 * new, expected * value - 0.999 * new, -np.inf)
        assert step(system, supply, collateral)[0] == pytest.approx(new[np.argmax(gain)], abs=2e-4)
        assert step(system, supply, collateral)[1] * 2 == pytest.approx(
            collateral * 2 + (new[np.argmax(gain)] - supply) * 100 / new[np.argmax(gain)], abs=2e-4)


def test_the_bounds_of_the_theorems():
    daily = 1.5 ** (1 / 365)
    assert daily == pytest.approx(1.00111, abs=5e-6)
    assert deviation_bound(0.1, 1, 1 / 0.999, daily) == pytest.approx(0.04218, abs=5e-6)
    assert deviation_bound(0.1, 1, 1 / 0.999, daily, of="variation") == pytest.approx(0.12655, abs=5e-6)
    # the paper prints 0.042 (rounded down) and 0.127
    assert deviation_bound(0.1, 1, 1 / 0.999, daily) == pytest.approx(0.042, abs=5e-4)
    assert deviation_bound(0.1, 1, 1 / 0.999, daily, of="variation") == pytest.approx(0.127, abs=5e-4)
    assert deviation_bound(1e-6, 1, 1 / 0.999, daily) == 1
    with pytest.raises(dy.SpecificationError, match="start of at least"):
        deviation_bound(0.1, 0.9, 1 / 0.999, daily)
    with pytest.raises(dy.SpecificationError, match="'price' or 'variation'"):
        deviation_bound(0.1, 1, 1 / 0.999, daily, of="range")


def test_an_undefined_regime_is_no_fixed_point():
    """A ratio of coins before and after has no value where there are none."""
    system = dy.System(name="ratio", time="discrete", states={"a": 1, "b": 1},
                       equations={"a": "sqrt(a) if a/b > 0.5 else 0", "b": "sqrt(b)"})
    points = {(p.values["a"], p.values["b"]) for p in dy.fixed_points(system) if p.admissible}
    assert points == {(1.0, 1.0), (0.0, 1.0)}
