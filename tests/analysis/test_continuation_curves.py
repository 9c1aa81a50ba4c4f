"""Curves in two parameters: points of codimension two against published values, closed forms of curves, the core model."""

import math
import runpy
import types
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy

reference = types.SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "reference" / "equilibrium_bifurcations.py")))


def system_of(model, **values):
    return dy.System(name="reference", time=model.get("time", "continuous"), states=dict.fromkeys(model["states"], 0.1),
                     parameters=model["parameters"] | values,
                     equations=dict(zip(model["states"], model["equations"], strict=True)))


def published(model, kind):
    return next(place for other, place, name in reference.OTHERS if other is model and name == kind)


def assert_at(point, place, tolerance=1e-10):
    given = point.state | point.parameters
    for name, value in place.items():
        assert abs(given[name] - value) <= tolerance * max(1.0, abs(value)), (name, given[name], value)
    assert point.residual < 1e-12


def test_the_cusp_of_the_cusp():
    system = system_of(reference.CUSP)
    fold = dy.continue_fixed_points(system, "mu", (-1, 1), {"x": 1})["LP1"]
    curve = dy.continue_curve(system, fold, ("mu", "lam"), {"mu": (-1, 1), "lam": (-1, 2)})
    assert [p.kind for p in curve.special_points] == ["cusp"]
    assert_at(curve["CP1"], {"mu": 0, "lam": 0, "x": 0})
    assert math.isclose(curve["CP1"].normal_form["c"], -1, rel_tol=1e-9)
    # the fold curve is 4 lam**3 = 27 mu**2
    assert np.allclose(4 * curve.table["lam"] ** 3, 27 * curve.table["mu"] ** 2, rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module")
def lorenz84():
    system = system_of(reference.LORENZ84)
    branch = dy.continue_fixed_points(system, "F", (0, 4), {"X": 1, "Y": 0, "Z": 0.2, "U": -0.1})
    bounds = {"F": (0, 4), "T": (-0.1, 0.1)}
    return {label: dy.continue_curve(system, branch[label], ("F", "T"), bounds) for label in ("LP1", "HB1", "HB3")}


def test_all_points_of_codimension_two_of_the_extended_lorenz_model(lorenz84):
    kinds = {label: [p.kind for p in curve.special_points] for label, curve in lorenz84.items()}
    assert kinds["LP1"] == ["bogdanov_takens", "zero_hopf", "cusp", "zero_hopf", "bogdanov_takens"]
    assert sorted(kinds["HB1"]) == ["bogdanov_takens", "generalized_hopf", "hopf_hopf"]
    assert sorted(kinds["HB3"]) == ["hopf_hopf", "hopf_hopf", "zero_hopf", "zero_hopf"]
    for label, kind in (("LP1", "bogdanov_takens"), ("LP1", "zero_hopf"), ("HB1", "bogdanov_takens"), ("HB1", "hopf_hopf"),
                        ("HB1", "generalized_hopf"), ("HB3", "zero_hopf"), ("HB3", "hopf_hopf")):
        place = published(reference.LORENZ84, kind)
        points = [p for p in lorenz84[label].special_points if p.kind == kind and p.parameters["T"] > 0]
        assert len(points) == 1
        assert_at(points[0], {name: float(value) for name, value in place.items()})


def test_coefficients_of_the_extended_lorenz_model(lorenz84):
    # a, b: normal form of BifurcationKit after refinement
    point = next(p for p in lorenz84["LP1"].special_points if p.kind == "bogdanov_takens" and p.parameters["T"] > 0)
    assert math.isclose(point.normal_form["a"], 0.2144233509, rel_tol=1e-8)
    assert math.isclose(point.normal_form["b"], 0.6065145518, rel_tol=1e-8)
    bautin = lorenz84["HB1"]["GH1"].normal_form
    for name, value in reference.LORENZ84_GH.items():
        assert math.isclose(bautin[name], value, rel_tol=1e-12)
    # of a point that is not refined, within the tolerances that its test allows
    assert math.isclose(bautin["omega"], reference.LORENZ84_GH_PRINTED["omega"], abs_tol=1e-5)
    assert math.isclose(bautin["l2"] * bautin["omega"], reference.LORENZ84_GH_PRINTED["c2"], abs_tol=1e-3)


def test_l1_changes_sign_at_the_generalised_hopf_point(lorenz84):
    table = lorenz84["HB1"].table
    at = list(table["special_point"].values).index("GH1")
    l1 = table["l1"].values
    assert l1[at - 1] * l1[at + 1] < 0
    assert abs(l1[at]) < 1e-9


def test_bazykin_from_a_bogdanov_takens_point_to_the_generalised_hopf_point():
    system = system_of(reference.BAZYKIN, a=0.5, d=0.1)
    branch = dy.continue_fixed_points(system, "a", (0.05, 1.5), {"x": 2, "y": 2}, box={"x": (0.01, 200), "y": (0.01, 200)})
    bounds, box = {"a": (0.05, 1.5), "d": (1e-4, 0.4)}, {"x": (0.01, 200), "y": (0.01, 200)}
    folds = dy.continue_curve(system, branch["LP1"], ("a", "d"), bounds, box=box)
    assert sorted(p.kind for p in folds.special_points) == ["bogdanov_takens", "bogdanov_takens", "cusp"]
    for point in folds.special_points:
        places = [place for other, place, kind in reference.OTHERS if other is reference.BAZYKIN and kind == point.kind]
        assert_at(point, min(places, key=lambda place: abs(place["a"] - point.parameters["a"])))
    small = min((p for p in folds.special_points if p.kind == "bogdanov_takens"), key=lambda p: p.parameters["d"])
    hopf = dy.continue_curve(system, small, ("a", "d"), bounds, box=box)
    assert sorted(p.kind for p in hopf.special_points) == ["bogdanov_takens", "generalized_hopf"]
    assert_at(hopf["GH1"], published(reference.BAZYKIN, "generalized_hopf"))
    assert math.isclose(hopf["GH1"].normal_form["omega"], 0.10330351983778, rel_tol=1e-10)
    assert any(end.startswith("bogdanov_takens") for end in hopf.ends)


@pytest.mark.parametrize("d", [0.10009, 0.10018])
def test_rounding_beside_a_bogdanov_takens_point_makes_no_generalised_hopf_point(d):
    # another start puts the first point where the frequency is 1e-9 and the coefficient nothing but rounding
    system = system_of(reference.BAZYKIN, a=0.5, d=d)
    bounds, box = {"a": (0.05, 1.5 + 50*(d - 0.1)), "d": (1e-4, 0.4)}, {"x": (0.01, 200), "y": (0.01, 200)}
    branch = dy.continue_fixed_points(system, "a", (0.05, 1.5), {"x": 2, "y": 2}, box=box)
    folds = dy.continue_curve(system, branch["LP1"], ("a", "d"), bounds, box=box)
    small = min((p for p in folds.special_points if p.kind == "bogdanov_takens"), key=lambda p: p.parameters["d"])
    hopf = dy.continue_curve(system, small, ("a", "d"), bounds, box=box)
    assert sorted(p.kind for p in hopf.special_points) == ["bogdanov_takens", "generalized_hopf"]
    known = hopf.table["l1"][np.isfinite(hopf.table["l1"]) & (hopf.table["a"] < 0.956)]
    assert (known > 0).all()
    # Kuznetsov's formula in 60 digits: l1 = 0.0268 at a = 0.88, 1.59 at 0.862, 96302 at 0.8607053
    order = np.argsort(hopf.table["a"])
    logarithm = np.interp(0.88, hopf.table["a"][order], np.log(np.abs(hopf.table["l1"][order])))
    assert math.exp(logarithm) == pytest.approx(0.0267286807, rel=0.1)


def test_brusselator_hopf_curve_is_its_closed_form():
    system = system_of(reference.BRUSSELATOR)
    start = dy.continue_fixed_points(system, "B", (0.1, 5), {"x": 1, "y": 2})["HB1"]
    curve = dy.continue_curve(system, start, ("A", "B"), {"A": (0.2, 2), "B": (0.1, 5)})
    assert not curve.special_points
    assert np.allclose(curve.table["B"], 1 + curve.table["A"] ** 2, rtol=1e-11)
    assert np.allclose(curve.table["omega"], curve.table["A"], rtol=1e-10)


def test_resonances_of_the_henon_and_the_delayed_logistic_map():
    henon = system_of(reference.HENON, a=0.1)
    branch = dy.continue_fixed_points(henon, "a", (-1, 2), {"x": 0.8, "y": 0.3}, box={"x": (-5, 5), "y": (-5, 5)})
    options = {"bounds": {"a": (-3, 4), "b": (-1.5, 0.9)}, "box": {"x": (-5, 5), "y": (-5, 5)}}
    folds = dy.continue_curve(henon, branch["LP1"], ("a", "b"), **options)
    assert_at(folds["R1_1"], {"a": -1, "b": -1, "x": 1})
    assert np.allclose(folds.table["a"], -(1 - folds.table["b"]) ** 2 / 4, rtol=1e-10)
    flips = dy.continue_curve(henon, branch["PD1"], ("a", "b"), **options)
    assert_at(flips["R2_1"], {"a": 3, "b": -1, "x": 1 / 3})
    assert np.allclose(flips.table["a"], 3 * (1 - flips.table["b"]) ** 2 / 4, rtol=1e-10)
    # b = -1 all along: area preserving, with the cosine of the angle running from 1 to -1
    torus = dy.continue_curve(henon, folds["R1_1"], ("a", "b"), **options)
    assert np.allclose(torus.table["b"], -1, atol=1e-10)
    assert sorted(p.kind for p in torus.special_points) == [f"resonance_1_{k}" for k in (1, 2, 3, 4)]
    # multiplier sum -2 a x = 2 cos: x = -cos/a on x = 1 - a x**2 - x
    for point in torus.special_points:
        cosine = {"1": 1, "2": -1, "3": -0.5, "4": 0}[point.kind[-1]]
        assert_at(point, {"a": cosine**2 - 2 * cosine, "b": -1})


def test_fold_flip_of_a_map_in_product_form():
    system = dy.System(name="product", time="discrete", states={"x": 0.5, "y": 0.1}, parameters={"mu": 0.2, "r": -0.5},
                       equations={"x": "x + mu - x**2", "y": "(r - 1/2 + x)*y + x*y**3"})
    fold = dy.continue_fixed_points(system, "mu", (-1, 1), {"x": 0.2**0.5, "y": 0})["LP1"]
    curve = dy.continue_curve(system, fold, ("mu", "r"), {"mu": (-1, 1), "r": (-2, 2)}, box={"x": (-1, 1), "y": (-1, 1)})
    assert_at(curve["FF1"], {"mu": 0, "r": -0.5, "x": 0, "y": 0})


def test_core_model_in_the_plane_of_price_impact_and_target_leverage():
    system = dy.models.load("deleveraging")
    names = ("price_impact", "target_leverage")
    branch = dy.continue_fixed_points(system, "target_leverage", (2, 30))
    hopf = dy.continue_curve(system, branch["HB1"], names, {"price_impact": (0.01, 1), "target_leverage": (2, 100)})
    eta = hopf.table["price_impact"].values
    assert np.allclose(hopf.table["target_leverage"], 1 + 3 / eta, rtol=1e-11)
    # it ends where the ordinary fixed point meets the margin calls
    assert math.isclose(eta.min(), 3 / 19, rel_tol=1e-11)
    assert any(end.startswith("border between regimes") for end in hopf.ends)
    border = dy.continue_curve(system, branch["BC1"], names, {"price_impact": (0.01, 1), "target_leverage": (2, 100)})
    assert np.allclose(border.table["target_leverage"], 20, rtol=1e-12)
    other = system.with_parameters(price_impact=0.05, target_leverage=30)
    start = dy.continue_fixed_points(other, "target_leverage", (2, 100))["HB1"]
    margin = dy.continue_curve(other, start, names, {"price_impact": (0.01, 1), "target_leverage": (2, 2000)})
    assert math.isclose(margin.table["price_impact"].values.max(), 0.0541923551, rel_tol=1e-8)
    for eta, limit in ((0.02, 1376.3027652), (0.05, 86.5021941670)):
        near = int(np.argmin(np.abs(margin.table["price_impact"].values - eta)))
        there = dy.continue_fixed_points(other, "target_leverage", (21, 2000), margin.at(near) | {"price_impact": eta})
        assert math.isclose(there["HB1"].parameters["target_leverage"], limit, rel_tol=1e-10)


@pytest.mark.parametrize(("start", "options", "message"), [
    ("HB1", {"parameters": ("A",)}, "two names"),
    ("HB1", {"parameters": ("A", "C")}, "'C' is not a parameter"),
    ("HB1", {"parameters": ("A", "A")}, "must be different"),
    ("HB1", {"bounds": {"C": (0, 1)}}, "none of the parameters"),
    ("HB1", {"bounds": {"B": (3, 4)}}, "outside its bounds"),
    ("HB1", {"kind": "cycle"}, "starts no curve"),
    ("HB1", {"kind": "border_collision"}, "is smooth"),
    (None, {}, "start must be a SpecialPoint"),
])
def test_what_does_not_fit_is_said(start, options, message):
    system = system_of(reference.BRUSSELATOR)
    branch = dy.continue_fixed_points(system, "B", (1.5, 2.5), {"x": 1, "y": 2})
    arguments = {"parameters": ("A", "B"), "bounds": {"A": (0.2, 2), "B": (0.1, 5)}} | options
    with pytest.raises(dy.SpecificationError, match=message):
        dy.continue_curve(system, None if start is None else branch[start], **arguments)


def test_no_such_bifurcation_at_the_start_is_said():
    system = system_of(reference.BRUSSELATOR)
    start = dy.continue_fixed_points(system, "B", (1.5, 2.5), {"x": 1, "y": 2})["HB1"]
    with pytest.raises(dy.ConvergenceError, match="there is no fold"):
        dy.continue_curve(system, start, ("A", "B"), {"A": (0.2, 2), "B": (0.1, 5)}, kind="fold")
