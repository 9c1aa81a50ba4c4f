"""Shocks spread over time."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dynamics as dy
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
