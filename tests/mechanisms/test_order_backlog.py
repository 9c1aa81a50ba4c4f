"""Order backlog: the fluid queue of the textbook, and that nothing is lost in it."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.order_backlog import backlog_of_a_burst


def burst(inflow, duration):
    """Forced orders from outside; nothing declares units."""
    return dy.System(
        name="burst", time="continuous", states={"executed": 0}, parameters={"inflow": inflow, "duration": duration},
        definitions={"forced_sales": "inflow if time < duration else 0", "net_flow": "0"},
        equations={"executed": "forced_sales"})


def test_a_burst_of_five_for_one_served_at_two():
    assert backlog_of_a_burst(5, 1, 2) == (3, 2.5)      # peak 3, clear at 2.5
    system = dy.compose(burst(5, 1), "order_backlog").with_parameters(service_rate=2, service_time=1e-4)
    first = dy.integrate(system, 1.0, times=np.linspace(0, 1, 201), relative_tolerance=1e-10, absolute_tolerance=1e-12)
    # until the queue is long service lags by b = 5 tau (1 - exp(-t/tau)): an error of the order of tau
    assert float(first["backlog"][-1]) == pytest.approx(3, abs=1e-3)
    rest = dy.compose(burst(0, 1), "order_backlog").with_parameters(service_rate=2, service_time=1e-4)
    state = {name: float(first[name][-1]) for name in system.states}
    second = dy.integrate(rest, 1.6, initial_state=state, times=[1.4, 1.5, 1.6])
    assert float(second["backlog"][0]) == pytest.approx(0.2, abs=1e-3)
    assert float(second["backlog"][2]) == pytest.approx(0, abs=1e-3)
    assert float(second["executed"][2]) == pytest.approx(5, abs=1e-3)       # all that was ordered, nothing more


def test_a_short_queue_is_a_lag():
    system = dy.compose(burst(1, 9), "order_backlog").with_parameters(service_rate=2, service_time=0.5)
    run = dy.integrate(system, 2.0, times=[0.5, 2.0], relative_tolerance=1e-10, absolute_tolerance=1e-12)
    np.testing.assert_allclose(run["backlog"], 0.5 * (1 - np.exp(-np.array([0.5, 2.0]) / 0.5)), rtol=1e-8)


def test_orders_are_executed_or_waiting():
    """With holdings W: (orders waiting) W + executed = ordered, exactly; also while holdings shrink."""
    system = dy.compose(dy.models.load("deleveraging"), "depletion", "order_backlog")
    start = {**system.initial_state(), "liquidation_flow": 6.0}
    run = dy.integrate(system, 1.0, initial_state=start, times=np.linspace(0, 1, 20001), relative_tolerance=1e-10,
                       absolute_tolerance=1e-13)
    holdings = np.exp(run["log_holdings"].values)
    waiting = run["backlog"].values
    executed = np.minimum(2.0, waiting / 0.02) * holdings
    ordered = run["liquidation_flow"].values * holdings
    time = run["time"].values
    balance = np.trapezoid(ordered - executed, time)
    assert waiting[-1] * holdings[-1] == pytest.approx(balance, abs=1e-6)
    assert np.trapezoid(ordered, time) > 0.1


def test_late_execution_leaves_the_onset():
    core = dy.models.load("deleveraging")
    system = dy.compose(core, "order_backlog")
    for leverage, stable in ((10.9, True), (11.1, False)):       # the core's limit is 11
        changed = system.with_parameters(target_leverage=leverage)
        (point, *_) = [p for p in dy.fixed_points(changed) if p.admissible]
        assert (point.stability == "stable") is stable
        assert any(abs(z + 1 / 0.02) < 1e-6 for z in point.eigenvalues)
