"""Shocks spread over time."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.path_fates import PathFates
from dynamics.analysis.ramps import ramped
from dynamics.errors import DerivationError, SpecificationError

TIGHT = {"relative_tolerance": 1e-11, "absolute_tolerance": 1e-13}


def flow(equations: dict[str, str], shocks: dict, **more) -> dy.System:
    return dy.System(name="test", time="continuous", states=more.pop("states", dict.fromkeys(equations, 1.0)),
                     parameters=more.pop("parameters", {"a": 1.0}), equations=equations, shocks=shocks)


def test_a_pure_fall_of_the_price_has_a_closed_form() -> None:
    """Without trading x' = -kappa x - s/T during the ramp, and u = 1 - (1 - u0) exp(-x) throughout."""
    system = ramped(dy.models.load("deleveraging").with_parameters(adjustment=0, liquidation_rate=0), "price")
    run = dy.integrate(system, 6, parameters={"ramp_size": 0.15, "ramp_duration": 2}, **TIGHT)
    t, x = run["time"].values, run["price_gap"].values
    exact = np.where(t <= 2, -0.075 * (1 - np.exp(-t)), -0.075 * (1 - math.exp(-2)) * np.exp(-(t - 2)))
    assert np.max(np.abs(x - exact)) < 1e-11
    assert np.max(np.abs(run["equity_ratio"].values - (1 - 0.8 * np.exp(-x)))) < 1e-11


def test_a_short_ramp_is_the_shock() -> None:
    system = dy.models.load("deleveraging")
    after = dy.apply_shock(system, {}, "price", 0.1)
    run = dy.integrate(ramped(system, "price"), 1e-6, parameters={"ramp_size": 0.1, "ramp_duration": 1e-6}, **TIGHT)
    for name, value in after.items():
        assert float(run[name][-1]) == pytest.approx(value, abs=1e-5)


def test_shocks_that_do_not_add_up_are_refused() -> None:
    adds = {"s": dy.Shock({"x": "x*exp(-magnitude)"})}
    assert ramped(flow({"x": "-x"}, adds), "s").equations["x"].startswith("(-x) + ")
    for text in ("x*(1 - magnitude)", "x - magnitude**2", "x + 1", "2*x - magnitude"):
        with pytest.raises(DerivationError, match="do not add up in 'x'"):
            ramped(flow({"x": "-x"}, {"s": dy.Shock({"x": text})}), "s")


def test_conditional_equations_keep_their_meaning() -> None:
    """'-x if x > 5 else a' plus a rate must not become '-x if x > 5 else a + rate'."""
    system = ramped(flow({"x": "-x if x > 5 else a"}, {"s": dy.Shock({"x": "x - magnitude"})}, states={"x": 20.0}), "s")
    run = dy.integrate(system, 1, parameters={"ramp_size": 3, "ramp_duration": 1}, times=[1.0], **TIGHT)
    assert float(run["x"][0]) == pytest.approx(23 * math.exp(-1) - 3, abs=1e-9)


def test_refusals() -> None:
    shocks = {"s": dy.Shock({"x": "x - magnitude"})}
    with pytest.raises(SpecificationError, match="Did you mean 'price'"):
        ramped(dy.models.load("deleveraging"), "prices")
    with pytest.raises(SpecificationError, match="a ramp needs continuous time"):
        ramped(dy.models.load("liquidation_cascade"), "price")
    with pytest.raises(SpecificationError, match="has a quantity 'ramp_size' already"):
        ramped(flow({"x": "-x"}, shocks, parameters={"ramp_size": 1}), "s")


def test_the_original_keeps_its_parts() -> None:
    system = dy.models.load("deleveraging")
    spread = ramped(system, "price")
    assert set(spread.parameters) - set(system.parameters) == {"ramp_size", "ramp_duration"}
    assert spread.events == system.events
    assert spread.measures == system.measures
    run = dy.integrate(spread, 5, {"equity_ratio": 0.15})
    plain = dy.integrate(system, 5, {"equity_ratio": 0.15})
    assert np.allclose(run["equity_ratio"], plain["equity_ratio"], atol=1e-9)


def wells() -> dy.System:
    """Rests at 1 (stable) and 0.3: from 1, shocks beyond 0.7 lead to the event at 0.1."""
    return dy.System(name="wells", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a*x*(1 - x)*(x - 0.3)"},
                     shocks={"price": dy.Shock({"x": "x - magnitude"})},
                     events={"ev": dy.Event("x - 0.1", "falling", terminal=True)})


@pytest.mark.parametrize("ramp", [1e-15, 1e-12, 1e-10, 1e-9, 1e-7])
def test_thresholds_of_short_ramps_are_those_of_the_shock(ramp: float) -> None:
    found = dy.cascade_threshold(wells(), ramp=ramp, both_directions=False)
    assert found.status == "found"
    assert found.value == pytest.approx(0.7, abs=1e-7)


@pytest.mark.parametrize("ramp", [1e-12, 1e-9])
def test_thresholds_of_short_ramps_by_single_trajectories(ramp: float) -> None:
    """Systems with resets, and fast ones: a short ramp of a slow system is a long one of a fast system."""
    base = wells()
    resets = dy.System(name="calls", states=base.states, parameters=base.parameters, equations=base.equations,
                       shocks=base.shocks, events={**base.events, "call": dy.Event("x - 9", assign={"x": "x - 1"})})
    found = dy.cascade_threshold(resets, initial_state={"x": 1.0}, ramp=ramp, both_directions=False, tolerance=1e-7)
    assert (found.status, found.value) == ("found", pytest.approx(0.7, abs=1e-6))
    slow = dy.cascade_threshold(base.with_parameters(a=1e3), ramp=1e3 * ramp, both_directions=False, tolerance=1e-7)
    assert (slow.status, slow.value) == ("found", pytest.approx(0.7, abs=1e-3))
    path, _ = PathFates(base, np.ones(1), "price", ("ev",), ramp=ramp).path(0.5, TIGHT, dense=True)
    assert path.times[0] == 0.0
    assert ramp in path.times
    assert path.states[path.times.index(ramp)][0] == pytest.approx(0.5, abs=1e-8)


def test_a_lasting_ramp_never_ends() -> None:
    system = ramped(flow({"x": "0"}, {"price": dy.Shock({"x": "x - magnitude"})}), "price", lasting=True)
    run = dy.integrate(system, 3, {"x": 0.0}, parameters={"ramp_size": 0.5, "ramp_duration": 1.0})
    assert float(run["x"][-1]) == pytest.approx(-1.5, abs=1e-9)


def test_what_was_not_tried_is_said() -> None:
    found = dy.cascade_threshold(wells(), ramp=100.0, both_directions=False, tolerance=1e-6)
    assert found.status == "none_in_bracket"
    assert "shocks beyond it were not tried" in found.message
