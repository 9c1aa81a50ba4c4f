"""One call for all branches: reference problems inside stated boxes, none missed and none invented."""

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


def number(value):
    if not isinstance(value, str):
        return float(value)
    top, _, bottom = value.partition("/")
    return float(top) / float(bottom or 1)


# model, values, parameter, bounds, box, kinds of all special points in the box
PROBLEMS = {
    "reaction": (reference.AB, {}, "p1", (0.01, 0.4), {"u1": (0, 1), "u2": (0, 10)}, {"fold": 2, "hopf": 2}),
    "fish": (reference.PP2, {}, "p1", (0, 1), {"u1": (-0.1, 2), "u2": (-1, 5)}, {"fold": 1, "hopf": 1, "transcritical": 2}),
    # two mirror images of each fold off the symmetric branch
    "enzyme": (reference.ENZ, {}, "s0", (0, 60), {"s1": (0, 60), "s2": (0, 60)}, {"fold": 6, "pitchfork": 2}),
    "plant": (reference.PLP, {}, "rh", (0.1, 10), {"S": (0, 200), "A": (0, 600)}, {"hopf": 2}),
    "lorenz": (reference.LORENZ, {}, "r", (0, 30), {"x": (-30, 30), "y": (-30, 30), "z": (-1, 50)},
               {"pitchfork": 1, "hopf": 2}),
    "cusp": (reference.CUSP, {}, "mu", (-1, 1), {"x": (-3, 3)}, {"fold": 2}),
    # one more Hopf point on the branch with U > 0
    "lorenz84": (reference.LORENZ84, {}, "F", (0, 4), dict.fromkeys("XYZU", (-3, 3)), {"fold": 1, "hopf": 4}),
    "bazykin": (reference.BAZYKIN, {"d": 0, "a": 0.5}, "a", (0, 1.5), {"x": (-1, 200), "y": (-1, 200)},
                {"hopf": 2, "transcritical": 1}),
    "brusselator": (reference.BRUSSELATOR, {}, "B", (0.1, 5), {"x": (0, 10), "y": (0, 10)}, {"hopf": 1}),
    "rosenzweig": (reference.ROSENZWEIG, {}, "a", (1, 25), {"x": (-1, 5), "y": (-1, 5)}, {"hopf": 1, "transcritical": 1}),
    "logistic": (reference.LOGISTIC, {}, "mu", (0, 4), {"x": (-1, 2)}, {"transcritical": 1, "period_doubling": 1}),
    "henon": (reference.HENON, {"a": 0.1}, "a", (-1, 2), {"x": (-3, 3), "y": (-3, 3)}, {"fold": 1, "period_doubling": 1}),
    "hunt": (reference.HUNT, {}, "p1", (0, 4), {"u1": (-0.4, 2), "u2": (-0.1, 2)},
             {"transcritical": 2, "period_doubling": 1}),
    "delayed": (reference.DELAYED, {}, "r", (0.5, 3), {"x": (-1, 2), "y": (-1, 2)},
                {"transcritical": 1, "neimark_sacker": 1}),
}
QUICK = ("enzyme", "lorenz", "rosenzweig", "delayed")
CASES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PROBLEMS]


def diagram_of(name, **options):
    model, values, parameter, bounds, box, _ = PROBLEMS[name]
    system = system_of(model, **values)
    return system, dy.bifurcation_diagram(system, parameter, bounds, cycles=False, box=box, **options)


def expected_points(name):
    """The published points at the values of the other parameters."""
    model, values, parameter, _, box, _ = PROBLEMS[name]
    fixed = {n: number(v) for n, v in (model["parameters"] | values).items() if n != parameter}
    points = [("hopf", place) for other, place, _, _ in reference.HOPF if other is model]
    points += [(kind, place) for other, place, kind in reference.OTHERS if other is model and "bogdanov" not in kind]
    points += [(kind, place) for other, place, by, kind in reference.BRANCHINGS if other is model and by == parameter]
    numbers = [(kind, {n: number(v) for n, v in place.items() if "*" not in str(v)}) for kind, place in points]
    return [(kind, place) for kind, place in numbers if kind in PROBLEMS[name][5]
            and all(place.get(n, v) == v for n, v in fixed.items())
            and all(low <= place.get(n, low) <= high for n, (low, high) in box.items())]


@pytest.mark.parametrize("name", CASES)
def test_reference_problems_none_missed_none_invented(name):
    _, diagram = diagram_of(name)
    counts = {}
    for point in diagram.special_points:
        counts[point.kind] = counts.get(point.kind, 0) + 1
        assert point.residual < 1e-12
        assert point.digits >= 11.5
    assert counts == PROBLEMS[name][5], diagram
    wanted = expected_points(name)
    assert wanted
    for kind, place in wanted:
        found = [p for p in diagram.special_points if p.kind == kind and all(
            abs((p.state | p.parameters)[n] - v) <= 1e-10 * max(1.0, abs(v)) for n, v in place.items())]
        assert len(found) == 1, (kind, place, diagram)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_point_is_what_an_independent_normal_form_says(name):
    system, diagram = diagram_of(name)
    for point in diagram.special_points:
        form = dy.normal_form(system, point.state, point.parameters, PROBLEMS[name][2])
        assert form.kind == point.kind
        for key in ("l1", "a", "b", "c", "d"):
            if key in point.normal_form and key in form.coefficients:
                assert math.isclose(abs(point.normal_form[key]), abs(form[key].value), rel_tol=1e-6, abs_tol=1e-9)


def test_first_five_period_doublings_of_the_unimodal_leverage_map():
    system = dy.models.load("unimodal_leverage")
    diagram = dy.bifurcation_diagram(system, "memory", (0.4, 0.7), box=dict.fromkeys(system.states, (1, 101)))
    found = sorted((p.parameters["memory"] for p in diagram.special_points if p.kind == "period_doubling"), reverse=True)
    root = 0.246  # sqrt(K)
    expected = [(1 - root) / (1 + root), 0.5014969388, 0.4763526144, 0.4709200454, 0.4697523519]
    assert len(found) == 5
    assert np.allclose(found, expected, rtol=0, atol=6e-11)
    assert math.isclose(found[0], expected[0], rel_tol=1e-13)
    gaps = -np.diff(found)
    assert np.allclose(gaps[:-1] / gaps[1:], [4.1217, 4.6284, 4.6523], atol=2e-4)
    assert [p.period for p in sorted(diagram.special_points, key=lambda p: -p.parameters["memory"])] == [1, 2, 4, 8, 16]


@pytest.mark.slow
def test_logistic_cascade_to_period_32():
    system = system_of(reference.LOGISTIC)
    diagram = dy.bifurcation_diagram(system, "mu", (2.5, 3.7), box={"x": (0.01, 1)}, longest_period=32)
    found = sorted(p.parameters["mu"] for p in diagram.special_points if p.kind == "period_doubling")
    expected = [3, 3.449489742783178, 3.544090359551923, 3.5644072660954325, 3.5687594195438264, 3.5696916098013967]
    assert np.allclose(found, expected, rtol=1e-12, atol=0)


def test_diagrams_number_their_points_once_and_survive_files(tmp_path):
    _, diagram = diagram_of("lorenz")
    labels = [point.label for point in diagram.special_points]
    assert sorted(labels) == ["BP1", "HB1", "HB2"]
    assert sum("BP1" in list(branch.table["special_point"].values) for branch in diagram.branches) == 2
    assert dy.open(dy.save(diagram, tmp_path / "diagram.json")) == diagram
    lines = repr(diagram).splitlines()
    assert lines[0] == "BifurcationDiagram: 2 branches, 3 special points"
    assert "pitchfork" in "".join(lines)
    assert diagram.branches[0].table.attrs["starts"] == "exact"


def test_cycles_are_added_at_hopf_points():
    diagram = dy.bifurcation_diagram(system_of(reference.BRUSSELATOR), "B", (1.5, 2.5))
    kinds = [branch.table.attrs["branch_kind"] for branch in diagram.branches]
    assert kinds == ["fixed points", "cycles"]
    cycle = diagram.branches[1].table
    assert cycle.attrs["born_at"] == "HB1"
    # close to the Hopf point the period is 2 pi
    assert math.isclose(float(cycle["period"][0]), 2 * math.pi, rel_tol=1e-3)


def test_core_model_in_one_call():
    diagram = dy.bifurcation_diagram(dy.models.load("deleveraging"), "target_leverage", (2, 30), cycles=False)
    assert {p.kind for p in diagram.special_points} == {"hopf", "border_collision"}
    assert math.isclose(diagram["HB1"].parameters["target_leverage"], 11, rel_tol=1e-12)
    assert math.isclose(diagram["BC1"].parameters["target_leverage"], 20, rel_tol=1e-12)


def test_no_fixed_point_anywhere_is_said():
    system = dy.System(name="none", time="continuous", states={"x": 0}, parameters={"mu": 1},
                       equations={"x": "1 + mu**2 + x**2"})
    with pytest.raises(dy.ConvergenceError, match="no fixed point of 'none' was found"):
        dy.bifurcation_diagram(system, "mu", (-1, 1))
