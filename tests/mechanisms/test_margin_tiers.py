"""Margin tiers: published liquidation distances, offsets that make the margin continuous, where the margin call starts."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.margin_tiers import closed_share, cumulative_offsets, liquidation_price, maintenance_margin

FLOORS, RATES = (0, 50, 600, 3000), (0.025, 0.05, 0.1, 0.2)


@pytest.mark.parametrize(("leverage", "rate", "percent"), [
    # liquidation distances of longs: (1 - 1/L)/(1 - m) - 1
    (10, 0.01, -9.091), (20, 0.01, -4.040), (50, 0.01, -1.010), (40, 0.0125, -1.266), (100, 0.005, -0.503)])
def test_liquidation_distances(leverage, rate, percent):
    move = liquidation_price("long", 1, 1 / leverage, 1, rate) - 1
    assert round(100 * move, 3) == percent


@pytest.mark.parametrize(("side", "sign"), [("long", 1), ("short", -1)])
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(side, sign):
    price = liquidation_price(side, 100, 30, 2, 0.04)
    assert 30 + sign * 2 * (price - 100) == pytest.approx(0.04 * 2 * price, rel=1e-14)


def test_offsets_make_the_margin_continuous():
    offsets = cumulative_offsets(FLOORS, RATES)
    for k, floor in enumerate(FLOORS[1:], 1):
        assert floor * RATES[k] - offsets[k] == pytest.approx(floor * RATES[k - 1] - offsets[k - 1], rel=1e-14)
    # marginal rates add up: the margin is the integral of the rate of each slice
    for notional in (10, 200, 1000, 5000):
        slices = [max(0, min(notional, high) - low) for low, high in zip(FLOORS, (*FLOORS[1:], np.inf), strict=True)]
        assert maintenance_margin(notional, FLOORS, RATES) == pytest.approx(np.dot(slices, RATES), rel=1e-14)


def test_the_requirement_in_the_model_is_the_tiered_margin():
    system = dy.compose(dy.models.load("deleveraging"), "margin_tiers").with_parameters(position_size=3)
    required = system.resolve(system.symbols["required_margin"]).subs(system.exact_parameters)
    for gap in (0.0, -0.5, -1.5):       # notional 3 e^x in units of the floor of tier 2
        notional = 3 * np.exp(gap)
        wanted = maintenance_margin(notional, (0, 1), (0.05, 0.075)) / notional
        assert float(required.subs({system.symbols["price_gap"]: gap})) == pytest.approx(wanted, rel=1e-12)


def test_the_margin_call_starts_at_the_tiered_margin():
    system = dy.compose(dy.models.load("deleveraging"), "margin_tiers")
    assert system.events["margin_call_start"].expression == "equity_ratio - (required_margin)"
    border = 0.05 + 0.025 * (1 - 1 / 2)
    below = system.with_parameters(target_leverage=1 / border - 0.1, price_impact=0.05)
    above = system.with_parameters(target_leverage=1 / border + 0.1, price_impact=0.05)
    for changed, selling in ((below, False), (above, True)):
        u = 1 / changed.parameter_values["target_leverage"]
        rate = changed.resolve(changed.symbols["margin_call_rate"]).subs(changed.exact_parameters)
        assert (float(rate.subs({"equity_ratio": u, "price_gap": 0})) > 0) is selling


def test_cross_margin_calls_later_and_an_even_crowd_calls_earlier():
    core = dy.models.load("deleveraging")
    rates = {}
    for name, options in (("isolated", {}), ("cross", {"margin": "cross"}), ("crowd", {"crowd": "uniform"})):
        system = dy.compose(core, ("margin_tiers", options))
        rate = system.resolve(system.symbols["margin_call_rate"]).subs(system.exact_parameters)
        rates[name] = [float(rate.subs({"equity_ratio": u, "price_gap": 0})) for u in (0.07, 0.05, 0.03)]
    assert rates["isolated"][0] == 0
    assert rates["crowd"][0] > 0
    assert all(cross < isolated for cross, isolated in zip(rates["cross"][1:], rates["isolated"][1:], strict=True))


def test_the_crowds_share():
    assert closed_share(0.0, (5, 10, 20), (1, 1, 2), 0.01) == 0
    # distances of 5x, 10x, 20x at 1 %: 19.19 %, 9.09 %, 4.04 % of the price
    assert closed_share(-np.log(1 - 0.0405), (5, 10, 20), (1, 1, 2), 0.01) == 0.5
    assert closed_share(-np.log(1 - 0.092), (5, 10, 20), (1, 1, 2), 0.01) == 0.75
    with pytest.raises(dy.SpecificationError, match="'long' or 'short'"):
        liquidation_price("up", 1, 1, 1, 0)


def test_it_finds_the_limit_in_force_or_says_what_is_missing():
    core = dy.models.load("deleveraging")
    governed = dy.compose(core, "governance", "margin_tiers")
    assert governed.definitions["required_margin"].startswith("governed_margin + ")
    with pytest.raises(dy.SpecificationError, match="has no 'limit'; name its limit"):
        dy.compose(core, ("margin_tiers", {"limit": "limit"}))
    with pytest.raises(dy.SpecificationError, match="'isolated' or 'cross'"):
        dy.compose(core, ("margin_tiers", {"margin": "portfolio"}))


def test_an_initial_margin_caps_what_holders_steer_to():
    core = dy.models.load("deleveraging")
    system = dy.compose(core, ("margin_tiers", {"initial": "cap"}))
    target = system.resolve(system.symbols["effective_target"])
    for wanted, steered in ((5, 5), (25, 10)):
        numbers = system.with_parameters(target_leverage=wanted).exact_parameters
        assert float(target.subs(numbers)) == steered
    # a fall does not call for it: it is the margin of new positions
    assert system.definitions["margin_call_rate"] == dy.compose(core, "margin_tiers").definitions["margin_call_rate"]
    with pytest.raises(dy.SpecificationError, match="'none' or 'cap'"):
        dy.compose(core, ("margin_tiers", {"initial": "all"}))
