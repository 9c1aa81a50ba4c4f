"""Performance fee: no fee below the mark, the net gain's share above it, the mark's own books, and the core without it."""

import numpy as np
import pytest

import dynamics as dy


def growing(rate, **values):
    """An unlevered position whose price grows by itself; nothing declares units."""
    system = dy.System(name="growing", time="continuous", states={"price_gap": 0, "equity_ratio": 1},
                       parameters={"rate": rate},
                       definitions={"effective_target": "1", "price_change": "rate", "net_flow": "0"},
                       equations={"price_gap": "price_change", "equity_ratio": "(1 - equity_ratio)*price_change"})
    return dy.compose(system, "performance_fee").with_parameters(hurdle_distance=0, mark_reset=0, **values)


def test_below_the_mark_no_fee_is_due_and_the_mark_stays():
    run = dy.integrate(growing(-0.1), 3, times=np.linspace(0, 3, 7))
    assert run.attrs["measures"]["fees"] == 0
    mark = np.exp(run["price_gap"].values) / run["position_to_mark"].values
    np.testing.assert_allclose(mark, 1, rtol=1e-7)
    back = dy.integrate(growing(0.1), 0.9, initial_state={"price_gap": -0.1, "position_to_mark": np.exp(-0.1),
                                                          "equity_ratio": 1})
    assert back.attrs["measures"]["fees"] == pytest.approx(0, abs=1e-12)       # still below it after 0.9 of the way


def test_above_the_mark_the_fee_is_a_share_of_the_net_gain():
    """With a fast mark the fee is f times what is left of the gain: f g/(1 + f) per unit of equity."""
    run = dy.integrate(growing(0.1, mark_speed=5000), 0.5, times=np.linspace(0, 0.5, 501), relative_tolerance=1e-10,
                       absolute_tolerance=1e-13)
    equity = run["equity_ratio"].values * np.exp(run["price_gap"].values)
    position = np.exp(run["price_gap"].values)
    fees = 0.2 * 5000 * np.maximum(0, run["equity_ratio"].values * run["position_to_mark"].values - 1) * equity
    total = np.trapezoid(fees, run["time"].values)
    assert total == pytest.approx(0.2 * (equity[-1] - 1), rel=5e-3)
    # cash: what the position gained is equity or fee
    assert position[-1] - 1 == pytest.approx(equity[-1] - 1 + total, rel=2e-4)
    mark = position / run["position_to_mark"].values
    assert np.all(np.diff(mark) >= -1e-9)
    assert mark[-1] == pytest.approx(equity[-1], rel=1e-4)


def test_without_fee_and_shift_it_is_the_core():
    core = dy.models.load("deleveraging")
    start, times = {"price_gap": -0.1, "equity_ratio": 0.1158}, np.linspace(0, 10, 11)
    runs = [dy.integrate(s, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for s in (core, dy.compose(core, "performance_fee").with_parameters(fee_rate=0, risk_shift=0))]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)


@pytest.mark.parametrize(("shift", "target"), [(0.5, 4.5), (0, 5), (-0.5, 5.5)])
def test_risk_below_the_mark(shift, target):
    """20 % below where it rests: less risk, the same, or a gamble."""
    system = dy.compose(dy.models.load("deleveraging"), "performance_fee").with_parameters(risk_shift=shift)
    expression = system.resolve(system.symbols["effective_target"]).subs(system.exact_parameters)
    value = expression.subs({"equity_ratio": 0.2, "position_to_mark": 0.78 / 0.2})
    assert float(value) == pytest.approx(target, rel=1e-12)
