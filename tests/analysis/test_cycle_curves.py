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


@pytest.mark.slow
def test_from_a_generalized_hopf_point_to_the_folds_of_cycles(bautin):
    bounds = {"mu": (-0.3, 0.1), "nu": (-1.0, 1.0)}
    hopf = dy.continue_curve(bautin, SpecialPoint("hopf", "HB1", {"x": 0.0, "y": 0.0}, {"mu": 0.0, "nu": 0.5}), ("mu", "nu"),
                             bounds)
    assert [p.kind for p in hopf.special_points] == ["generalized_hopf"]
    curve = dy.continue_curve(bautin, hopf["GH1"], ("mu", "nu"), bounds, kind="fold_of_cycles")
    assert curve.table.attrs["branch_kind"] == "fold_of_cycles curve"
    np.testing.assert_allclose(curve.table["mu"], -curve.table["nu"] ** 2 / 4, atol=1e-7)
    assert float(curve.table["nu"].min()) < 0.05
    assert float(curve.table["nu"].max()) == pytest.approx(1.0)


@pytest.mark.slow
def test_the_cusp_of_cycles_where_two_curves_of_folds_meet():
    size = "(x**2 + y**2 - 1)"
    system = dy.System(name="cusp of cycles", states={"x": 1.0, "y": 0.0}, parameters={"mu": 0.0, "nu": 0.6},
                       equations={"x": f"x*(mu + nu*{size} - {size}**3) - y", "y": f"y*(mu + nu*{size} - {size}**3) + x"})
    # nu = 3 s**2 at the fold, s = r**2 - 1
    place = np.sqrt(0.2)
    start = SpecialPoint("fold_of_cycles", "LPC1", {"x": np.sqrt(1 + place), "y": 0.0}, {"mu": -0.4 * place, "nu": 0.6},
                         period=2 * np.pi)
    curve = dy.continue_curve(system, start, ("mu", "nu"), {"mu": (-0.5, 0.5), "nu": (-0.2, 0.7)})
    table = curve.table
    np.testing.assert_allclose(4 * table["nu"] ** 3, 27 * table["mu"] ** 2, atol=1e-7)
    assert [(p.kind, p.status) for p in curve.special_points] == [("cusp", "located")]
    point = curve["CP1"]
    assert abs(point.parameters["nu"]) < 0.02
    assert abs(point.parameters["mu"]) < 1e-3


def test_resonances_of_a_torus_bifurcation_whose_angle_is_a_parameter():
    ring, size = "(1 - x**2 - y**2)", "(u**2 + v**2)"
    system = dy.System(name="torus", states={"x": 1.0, "y": 0.0, "u": 0.0, "v": 0.0}, parameters={"a": 0.0, "w": 0.29},
                       equations={"x": f"x*{ring} - y", "y": f"y*{ring} + x", "u": f"a*u - w*v - u*{size}",
                                  "v": f"w*u + a*v - v*{size}"})
    branch = dy.continue_cycles(system, {"x": 1.0, "y": 0.0, "u": 0.0, "v": 0.0, "period": 2 * np.pi, "a": -0.05}, "a",
                                (-0.1, 0.05), direction="forward")
    curve = dy.continue_curve(system, branch["NS1"], ("a", "w"), {"a": (-0.5, 0.5), "w": (0.24, 0.34)})
    np.testing.assert_allclose(curve.table["a"], 0.0, atol=1e-9)
    found = {p.kind: p for p in curve.special_points}
    assert set(found) == {"resonance_1_3", "resonance_1_4"}
    for kind, w in (("resonance_1_3", 1 / 3), ("resonance_1_4", 1 / 4)):
        assert found[kind].status == "polished"
        assert found[kind].digits > 9
        assert found[kind].parameters["w"] == pytest.approx(w, rel=10 ** -found[kind].digits)


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
