"""Market depth: consumption and recovery in closed form, and each law of impact against its own formula."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.market_depth import constant_product_price

LAWS = ("linear", "exponential", "square_root", "constant_product", "propagator")


def seller(flow="-rate", **parameters):
    """Somebody who sells at a constant rate into a market without buyers' reversion; nothing declares units."""
    return dy.System(
        name="seller", time="continuous",
        states={"price_gap": 0}, parameters={"rate": dy.Parameter(0.5), "impact": dy.Parameter(0.3)},
        definitions={"forced_sales": "0", "net_flow": flow, "effective_impact": "impact",
                     "price_change": "effective_impact*net_flow"},
        equations={"price_gap": "price_change"})


def final(law, duration, **parameters):
    system = dy.compose(seller(), ("market_depth", {"law": law})).with_parameters(**parameters)
    run = dy.integrate(system, duration, times=[duration], relative_tolerance=1e-11, absolute_tolerance=1e-13)
    return float(run["price_gap"][-1])


def test_linear():
    assert final("linear", 2.0) == pytest.approx(-0.3 * 0.5 * 2, rel=1e-9)


def test_exponential_approaches_the_floor():
    # dx = -eta (1 + x/b) dV: x = -b (1 - exp(-eta V/b))
    assert final("exponential", 4.0, largest_fall=0.5) == pytest.approx(-0.5 * (1 - np.exp(-0.3 * 2 / 0.5)), rel=1e-8)


def test_square_root_is_linear_for_small_and_a_root_for_large_flows():
    assert final("square_root", 1.0, rate=1e-4, flow_scale=1) == pytest.approx(-0.3e-4, rel=1e-7)
    small, large = (final("square_root", 1.0, rate=rate, flow_scale=1) for rate in (1e4, 4e4))
    assert large / small == pytest.approx(2, rel=1e-6)


def test_constant_product_is_the_pools_price():
    # eta = 2/X_0: selling V = rate*time units into a reserve X_0
    sold = 0.3 / 2 * 0.5 * 3.0
    after, average = constant_product_price(sold)
    assert np.exp(final("constant_product", 3.0)) == pytest.approx(after, rel=1e-8)
    reserves, cash = 1.0, 1.0       # a real step of a pool with x y = 1
    paid = cash - reserves * cash / (reserves + sold)
    assert average == pytest.approx(paid / sold, rel=1e-12)


def test_propagator_forgets():
    # dJ = -eta rate - rho J: x = J = -(eta rate/rho)(1 - exp(-rho t))
    assert final("propagator", 3.0, impact_decay=2) == pytest.approx(-0.3 * 0.5 / 2 * (1 - np.exp(-6)), rel=1e-8)


def test_depth_settles_where_consumption_meets_recovery():
    core = dy.compose(dy.models.load("deleveraging"), "market_depth")
    system = core.with_parameters(target_leverage=25, price_impact=0.02)        # margin-call equilibrium, stable
    point = next(p for p in dy.fixed_points(system) if p.admissible and p.values["liquidation_flow"] > 0)
    flow = point.values["liquidation_flow"]
    assert flow == pytest.approx(20 * 0.5 * (0.05 - 0.04) / (20 * 0.04 + 0.5 * 0.05), rel=1e-12)
    assert point.values["depth"] == pytest.approx(1 / (1 + 0.5 * flow), rel=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_the_cascade_number_at_rest_is_the_cores(law):
    system = dy.compose(dy.models.load("deleveraging"), ("market_depth", {"law": law}))
    impact = system.resolve(system.symbols["effective_impact"]).subs(system.exact_parameters)
    at_rest = {name: system.initial_state()[name] for name in system.states}
    assert float(impact.subs(at_rest)) == pytest.approx(0.3)


def test_errors():
    with pytest.raises(dy.SpecificationError, match="Did you mean 'linear'"):
        dy.compose(dy.models.load("deleveraging"), ("market_depth", {"law": "liner"}))
    with pytest.raises(dy.SpecificationError, match="more than its reserve"):
        constant_product_price(-1)
