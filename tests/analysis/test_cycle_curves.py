"""Bifurcations of cycles in two parameters: closed form, and points found again by continuation in one parameter."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError
from dynamics.results import SpecialPoint

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import cycle_bifurcations as known


def system_of(literal):
    return dy.System(name="test", states=literal["states"], parameters=literal["parameters"],
                     equations=dict(zip(literal["states"], literal["equations"], strict=True)))


@pytest.fixture(scope="module")
def bautin():
    size = "(x**2 + y**2)"
    return dy.System(name="Bautin", states={"x": 0.0, "y": 0.0}, parameters={"mu": 0.0, "nu": 1.0},
                     equations={"x": f"x*(mu + nu*{size} - {size}**2) - y", "y": f"y*(mu + nu*{size} - {size}**2) + x"})


def test_the_fold_of_cycles_of_the_bautin_form(bautin):
    fold = dy.continue_cycles(bautin, SpecialPoint("hopf", "HB1", {"x": 0.0, "y": 0.0}, {"mu": 0.0, "nu": 1.0}), "mu",
                              (-1.0, 0.1))["LPC1"]
    curve = dy.continue_curve(bautin, fold, ("mu", "nu"), {"mu": (-1.0, 0.1), "nu": (0.85, 1.15)})
    table = curve.table
    assert table.attrs["branch_kind"] == "fold_of_cycles curve"
    assert [end.split(" = ")[0] for end in curve.ends] == ["nu", "nu"]
    np.testing.assert_allclose(table["mu"], -table["nu"] ** 2 / 4, atol=1e-9)
    np.testing.assert_allclose(table["max_x"], np.sqrt(table["nu"] / 2), atol=1e-5)
    np.testing.assert_allclose(table["multiplier_real"][:, 0], 1.0, atol=1e-6)


def test_what_is_refused(bautin):
    from dynamics.analysis.cycle_curves import continue_cycle_curve

    hopf = SpecialPoint("hopf", "HB1", {"x": 0.0, "y": 0.0}, {"mu": 0.0, "nu": 1.0})
    with pytest.raises(SpecificationError, match="start must be a fold_of_cycles"):
        continue_cycle_curve(bautin, hopf, ("mu", "nu"), {"mu": (-1, 1), "nu": (0, 1)})
    fold = SpecialPoint("fold_of_cycles", "LPC1", {"x": 0.7, "y": 0.0}, {"mu": -0.25, "nu": 1.0}, period=6.283185307)
    with pytest.raises(SpecificationError, match="Did you mean 'mu'"):
        continue_cycle_curve(bautin, fold, ("muu", "nu"), {"muu": (-1, 1), "nu": (0, 1)})
    with pytest.raises(SpecificationError, match="must lie within"):
        continue_cycle_curve(bautin, fold, ("mu", "nu"), {"mu": (0, 1), "nu": (0, 1)})


@pytest.mark.slow
def test_the_period_doubling_of_lorenz_cycles_at_another_b():
    lorenz = system_of(known.LORENZ)
    start = {"x": -18.0, "y": 55.0, "z": 236.0}
    run = dy.integrate(lorenz, 30, parameters={"r": 240.0}, initial_state=start)
    doubling = dy.continue_cycles(lorenz, run, "r", (225.0, 245.0), direction="backward")["PD1"]
    curve = dy.continue_curve(lorenz, doubling, ("r", "b"), {"r": (150.0, 300.0), "b": (2.6, 2.75)})
    table = curve.table
    np.testing.assert_allclose(np.min(np.abs(table["multiplier_real"].values + 1), axis=1), 0.0, atol=1e-6)
    last = table.isel(step=-1)
    assert float(last["b"]) in (pytest.approx(2.6), pytest.approx(2.75))
    other = lorenz.with_parameters(b=float(last["b"]), r=float(last["r"]) + 8.0)
    run = dy.integrate(other, 40, initial_state={name: float(last[name]) for name in ("x", "y", "z")})
    again = dy.continue_cycles(other, run, "r", (float(last["r"]) - 3.0, float(last["r"]) + 10.0), direction="backward")
    assert again["PD1"].parameters["r"] == pytest.approx(float(last["r"]), rel=1e-7)
