"""Events at the edge of a field: the truth is a closed form, or the same field continued past the edge."""

import math
from dataclasses import replace

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.paths import METHODS
from dynamics.systems import Event


def hill(steepness=8.5):
    return dy.models.load("deleveraging", margin_call="hill").with_parameters(steepness=steepness)


def continued(system):
    """The same model with a curve that is defined past insolvency as well."""
    curve = "liquidation_rate/(1 + (max(0, equity_ratio)/critical_margin)**steepness)"
    return replace(system, definitions={**system.definitions, "margin_call_rate": curve})


@pytest.mark.parametrize("method", METHODS)
def test_a_root_that_ends_at_the_event_ends_the_path_there(method):
    system = dy.System(name="tank", states={"level": 1}, equations={"level": "-1 - sqrt(level)"},
                       events={"empty": Event("level", "falling", terminal=True)})
    run = dy.integrate(system, 5, method=method, relative_tolerance=1e-10, absolute_tolerance=1e-12)
    # dt = -dx/(1 + sqrt(x)) from 1 to 0
    assert run.attrs["status"] == "event"
    assert float(run["event_time"][-1]) == pytest.approx(2 * (1 - math.log(2)), rel=1e-8)
    assert 0 <= float(run["level"][-1]) < 1e-12


def test_an_edge_without_an_event_is_still_an_error():
    system = dy.System(name="tank", states={"level": 1}, equations={"level": "-1 - sqrt(level)"})
    with pytest.raises(dy.IntegrationError, match="invalid_state"):
        dy.integrate(system, 5)
    # nor does an event that is only on the way count: the logarithm of 1/2 - level ends before it
    system = dy.System(name="tank", states={"level": 1}, equations={"level": "log(level - 1/2) - 2"},
                       events={"empty": Event("level", "falling", terminal=True)})
    with pytest.raises(dy.IntegrationError, match="invalid_state"):
        dy.integrate(system, 5)


@pytest.mark.parametrize("method", ["LSODA", "RK45", "BDF"])
def test_insolvency_where_equity_has_a_fractional_power(method):
    times = []
    for system in (hill(), continued(hill())):
        state = dy.apply_shock(system, system.initial_state(), "price", 0.15)
        run = dy.integrate(system, 50, state, method=method, relative_tolerance=1e-10, absolute_tolerance=1e-13)
        assert run.attrs["status"] == "event"
        times.append(float(run["time"][-1]))
    assert times[0] == pytest.approx(times[1], rel=1e-8)


def test_the_threshold_is_where_the_continued_field_has_it():
    start = hill().initial_state()
    found = dy.cascade_threshold(hill(), initial_state=start, bracket=(0.1, 0.12), tolerance=1e-6)
    assert found.status == "found"
    other = continued(hill())
    for size, fate in ((found.value - 2e-6, "completed"), (found.value + 2e-6, "event")):
        assert dy.integrate(other, 20, dy.apply_shock(other, start, "price", size)).attrs["status"] == fate


@pytest.mark.parametrize("engine", ["numpy", "kernel"])
def test_lanes_end_there_too(engine):
    if engine == "kernel":
        pytest.importorskip("llvmlite")
    shocks = np.linspace(0, 0.2, 9)
    found = [dy.sweep(system, {"shock:price": shocks}, ["lowest_price_gap"], duration=50, engine=engine)
             for system in (hill(), continued(hill()))]
    assert found[0]["status"].values.tolist() == found[1]["status"].values.tolist() == [0] * 5 + [1] * 4
    np.testing.assert_allclose(found[0]["lowest_price_gap"], found[1]["lowest_price_gap"], rtol=1e-5)
    np.testing.assert_allclose(found[0]["end_time"], found[1]["end_time"], rtol=1e-5)
