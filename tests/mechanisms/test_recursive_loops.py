"""Loops: the geometric sum, published frontiers, and where the carry ends."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.recursive_loops import drop_to_liquidation, loop_leverage, loss_frontier


def test_leverage_is_the_sum_of_what_is_borrowed():
    # 5 loops at l = 0.825: 3.9126, limit 5.7143
    assert loop_leverage(0.825, 5) == pytest.approx(3.9126, abs=5e-5)
    assert loop_leverage(0.825) == pytest.approx(5.7143, abs=5e-5)
    assert loop_leverage(0.7, 9) == pytest.approx(sum(0.7**k for k in range(10)), rel=1e-14)


def test_frontiers_of_a_lending_book():
    # leverage 12, bonus 1 %, threshold 0.95 (Gatto 2026, reading notes: 3.5 % and 7.42 %)
    assert drop_to_liquidation(11 / 12, 0.95) == pytest.approx(0.0351, abs=5e-5)
    assert loss_frontier(11 / 12, 0.01) == pytest.approx(0.0742, abs=5e-5)
    # at the frontier collateral sold at the bonus just repays the debt
    left = 12 * (1 - loss_frontier(11 / 12, 0.01))
    assert left / 1.01 == pytest.approx(11, rel=1e-12)


@pytest.mark.slow
def test_utilisation_rests_where_the_carry_is_gone():
    system = dy.compose(dy.models.load("deleveraging"), "recursive_loops")
    (point, *_) = [p for p in dy.fixed_points(system) if p.admissible and p.stability == "stable"]
    rate = 0.00009 + 0.0001 * (point.values["utilisation"] - 0.9) + 0.02 * max(0, point.values["utilisation"] - 0.9)
    assert rate == pytest.approx(0.0001, rel=1e-10)
    assert 1 / point.values["equity_ratio"] > 5


def test_the_rate_has_its_kink():
    system = dy.compose(dy.models.load("deleveraging"), "recursive_loops")
    rate = system.resolve(system.symbols["borrowing_rate"]).subs(system.exact_parameters)
    below, at, above = (float(rate.subs({"utilisation": u})) for u in (0.8, 0.9, 1.0))
    assert at - below == pytest.approx(0.0001 * 0.1)
    assert above - at == pytest.approx(0.0201 * 0.1)


def test_carry_alone_makes_equity_grow():
    """Without price changes or trades: E' = s A - b D."""
    system = dy.compose(dy.models.load("deleveraging"), "recursive_loops").with_parameters(
        adjustment=1e-12, loop_speed=1e-12, reversion=1e-12, asset_yield=0.01, kink_rate=0.002)
    run = dy.integrate(system, 5.0, times=[5.0])
    assets, debt = 5 * np.exp(0.01 * 5), 4 * np.exp(0.002 * 5)
    assert float(run["equity_ratio"][-1]) == pytest.approx(1 - debt / assets, rel=1e-6)


def test_n_loops_as_the_target():
    system = dy.compose(dy.models.load("deleveraging"), ("recursive_loops", {"target": "loops"}))
    target = system.resolve(system.symbols["effective_target"]).subs(system.exact_parameters)
    assert float(target) == pytest.approx(loop_leverage(0.8, 10), rel=1e-12)
    with pytest.raises(dy.SpecificationError, match="'kept' or 'loops'"):
        dy.compose(dy.models.load("deleveraging"), ("recursive_loops", {"target": "loop"}))
