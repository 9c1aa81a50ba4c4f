"""Branches of fixed points against published and closed-form bifurcations, and what a branch says when it cannot go on."""

import math
import runpy
import types
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy

REFERENCE = runpy.run_path(str(Path(__file__).parents[1] / "reference" / "equilibrium_bifurcations.py"))
reference = types.SimpleNamespace(**REFERENCE)
AB, PLP = reference.AB, reference.PLP


def system_of(model, **values):
    """The System of a reference model."""
    return dy.System(name="reference", time=model.get("time", "continuous"), states=dict.fromkeys(model["states"], 0.1),
                     parameters=model["parameters"] | values,
                     equations=dict(zip(model["states"], model["equations"], strict=True)))


def one_state(equation, parameters=None, start=0.1, time="continuous"):
    return dy.System(name="one state", time=time, states={"x": start}, parameters=parameters or {"mu": 0.0},
                     equations={"x": equation})


def number(value):
    """A number of the reference file; texts hold fractions."""
    if not isinstance(value, str):
        return float(value)
    top, _, bottom = value.partition("/")
    return float(top) / float(bottom or 1)


def places(branch, kind):
    return [point for point in branch.special_points if point.kind == kind]


def close(point, place, tolerance=1e-10):
    given = point.state | point.parameters
    return all(abs(given[name] - number(value)) <= tolerance * max(1.0, abs(number(value))) for name, value in place.items())


# model, values, parameter, bounds, start, number of special points on the branch
BRANCHES = [
    (AB, {"p2": 14}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, 2),
    pytest.param(AB, {"p2": 15}, "p1", (0, 0.3), {"u1": 0, "u2": 0}, 2, marks=pytest.mark.slow),
    pytest.param(AB, {"p2": 16}, "p1", (0, 0.3), {"u1": 0, "u2": 0}, 2, marks=pytest.mark.slow),
    pytest.param(AB, {"p2": 17}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, 4, marks=pytest.mark.slow),
    (AB, {"p2": 18}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, 4),
    (PLP, {}, "rh", (0.1, 10), {"S": 100, "A": 400}, 2),
    (reference.CUSP, {}, "mu", (-1, 1), {"x": 1}, 2),
    (reference.LORENZ84, {}, "F", (0, 4), {"X": 1, "Y": 0, "Z": 0.2, "U": -0.1}, 4),
    (reference.BRUSSELATOR, {}, "B", (0.1, 5), {"x": 1, "y": 2}, 1),
    (reference.DELAYED, {}, "r", (0.5, 3), {"x": 0.5, "y": 0.5}, 2),
]


@pytest.mark.parametrize(("model", "values", "parameter", "bounds", "start", "count"), BRANCHES)
def test_reference_points_are_found_from_a_plain_start(model, values, parameter, bounds, start, count):
    branch = dy.continue_fixed_points(system_of(model, **values), parameter, bounds, start)
    assert len(branch.special_points) == count, branch
    fixed = {name: number(value) for name, value in (model["parameters"] | values).items() if name != parameter}
    expected = [("hopf", place, omega, l1) for other, place, omega, l1 in reference.HOPF if other is model]
    expected += [(kind, place, None, None) for other, place, kind in reference.OTHERS if other is model
                 and kind in ("fold", "period_doubling", "neimark_sacker")]
    # only those at the values of the other parameters
    here = [item for item in expected if all(number(item[1].get(n, v)) == v for n, v in fixed.items())]
    assert here
    for kind, place, omega, l1 in here:
        found = [point for point in places(branch, kind) if close(point, place)]
        assert len(found) == 1, (kind, place, branch)
        point = found[0]
        assert point.residual < 1e-13
        assert point.digits >= 12
        if omega is not None:
            assert math.isclose(point.normal_form["omega"], omega, rel_tol=1e-10)
            assert math.isclose(point.normal_form["l1"], l1, rel_tol=1e-7)
            assert point.remark == ("supercritical" if l1 < 0 else "subcritical")


def test_folds_of_the_reaction_have_their_closed_form():
    branch = dy.continue_fixed_points(system_of(AB), "p1", (0, 0.4), {"u1": 0, "u2": 0})
    assert [p.kind for p in branch.special_points] == ["hopf", "fold", "fold", "hopf"]
    assert math.isclose(branch["LP1"].parameters["p1"], math.exp(-1.5) / 2, rel_tol=1e-13)
    assert math.isclose(branch["LP2"].parameters["p1"], 2 * math.exp(-3), rel_tol=1e-13)
    assert branch["H1"] is branch["HB1"]


def test_a_pitchfork_on_its_turning_branch_is_no_fold():
    system = system_of(reference.LORENZ, r=10)
    branch = dy.continue_fixed_points(system, "r", (0, 30), {"x": 24**0.5, "y": 24**0.5, "z": 9})
    assert [(p.kind, round(p.parameters["r"], 10)) for p in branch.special_points] == [
        ("hopf", round(470 / 19, 10)), ("pitchfork", 1.0), ("hopf", round(470 / 19, 10))]
    assert branch["BP1"].remark == "supercritical"


def test_a_neutral_saddle_is_no_hopf_point():
    # two real eigenvalues 1 and mu: their sum vanishes at mu = -1, where nothing happens
    system = dy.System(name="saddle", time="continuous", states={"x": 0, "y": 0}, parameters={"mu": -2},
                       equations={"x": "x + y**2", "y": "mu*y"})
    branch = dy.continue_fixed_points(system, "mu", (-2, -0.5), {"x": 0, "y": 0})
    assert not branch.special_points


def test_two_crossings_in_one_step_are_found():
    # Re = mu**2 - 1e-6: two Hopf points 0.002 apart in a range of 2
    system = dy.System(name="twice", time="continuous", states={"x": 0, "y": 0}, parameters={"mu": -1},
                       equations={"x": "(mu**2 - 1/1000000)*x - y", "y": "x + (mu**2 - 1/1000000)*y - y**3"})
    branch = dy.continue_fixed_points(system, "mu", (-1, 1), {"x": 0, "y": 0})
    assert np.allclose([p.parameters["mu"] for p in places(branch, "hopf")], [-1e-3, 1e-3], rtol=0, atol=1e-12)


def test_core_model_has_its_hopf_point_and_its_border_collision():
    system = dy.models.load("deleveraging")
    branch = dy.continue_fixed_points(system, "target_leverage", (2, 30))
    assert [p.kind for p in branch.special_points] == ["hopf", "border_collision"]
    assert math.isclose(branch["HB1"].parameters["target_leverage"], 11, rel_tol=1e-13)
    assert math.isclose(branch["HB1"].normal_form["omega"], math.sqrt(0.5), rel_tol=1e-12)
    collision = branch["BC1"]
    assert math.isclose(collision.parameters["target_leverage"], 20, rel_tol=1e-13)
    assert "off -> " in collision.remark
    assert "persistence" in collision.remark
    assert set(branch.table["regime"].values) == {"-equity_ratio/maintenance_margin + 1 > 0: False",
                                                  "-equity_ratio/maintenance_margin + 1 > 0: True"}


def test_margin_call_equilibrium_of_the_core_model_loses_stability_where_the_theory_says():
    system = dy.models.load("deleveraging").with_parameters(price_impact=0.05, target_leverage=30)
    branch = dy.continue_fixed_points(system, "target_leverage", (2, 100))
    assert [p.kind for p in branch.special_points] == ["border_collision", "hopf"]
    assert math.isclose(branch["HB1"].parameters["target_leverage"], 86.5021941670, rel_tol=1e-11)


def test_a_kink_with_a_turning_branch_is_a_nonsmooth_fold():
    system = dy.System(name="kink", time="continuous", states={"x": 1}, parameters={"mu": 1}, equations={"x": "mu - abs(x)"})
    branch = dy.continue_fixed_points(system, "mu", (-1, 1), {"x": 1})
    assert [p.kind for p in branch.special_points] == ["border_collision"]
    assert "nonsmooth fold" in branch["BC1"].remark
    assert abs(branch["BC1"].parameters["mu"]) < 1e-12
    assert branch.ends == ("mu = 1: bound reached", "mu = 1: bound reached")


def test_closed_branches_are_recognised():
    # an isola: x**2 + mu**2 = 1 away from x = 3
    branch = dy.continue_fixed_points(one_state("(x**2 + mu**2 - 1)*(3 - x)", start=1.0), "mu", (-2, 2), {"x": 1})
    assert branch.ends == ("closed curve",)
    assert sorted(round(p.parameters["mu"], 12) for p in places(branch, "fold")) == [-1, 1]


def test_periodic_points_of_a_map_by_their_iterate():
    system = system_of(reference.LOGISTIC)
    first = dy.continue_fixed_points(system, "mu", (2, 4), {"x": 0.5, "mu": 2.5})
    doubled = dy.continue_fixed_points(system, "mu", (2, 4), first["PD1"], period=2)
    assert math.isclose(doubled["PD1"].parameters["mu"], 1 + math.sqrt(6), rel_tol=1e-13)
    assert doubled.ends[0] == "PD1: period doubling"
    three = dy.continue_fixed_points(system, "mu", (3.8, 3.9), {"x": 0.15995, "mu": 3.83}, period=3)
    assert math.isclose(three["LP1"].parameters["mu"], 1 + math.sqrt(8), rel_tol=1e-12)
    assert math.isclose(three["PD1"].parameters["mu"], 3.841499007543508, rel_tol=1e-12)


# ---- ends, errors, restarts -----------------------------------------------------------------------------------------

def test_a_branch_that_leaves_to_infinity_says_so():
    branch = dy.continue_fixed_points(one_state("mu*x - 1", start=1.0), "mu", (0, 2), {"x": 1, "mu": 1})
    assert branch.ends[0] == "x = 100000: bound reached"
    assert branch.ends[1] == "mu = 2: bound reached"


def test_a_branch_that_ends_where_the_equations_end_says_so():
    branch = dy.continue_fixed_points(one_state("mu + x + sqrt(x)", start=1.0), "mu", (-3, 1), {"x": 1, "mu": -2})
    assert "step underflow: the equations have no value beyond" in branch.ends


def test_a_vertical_branch_keeps_its_parameter():
    # x can be anything at mu = 0
    branch = dy.continue_fixed_points(one_state("mu*(1 + x**2)"), "mu", (-1, 1), {"x": 0.3}, box={"x": (-2, 2)})
    assert set(branch.ends) == {"x = -2: bound reached", "x = 2: bound reached"}
    assert np.abs(branch.table["mu"].values).max() < 1e-10


def test_a_start_on_a_fold_is_no_obstacle():
    branch = dy.continue_fixed_points(one_state("mu - x**2"), "mu", (-1, 1), {"x": 0, "mu": 0})
    assert [p.kind for p in branch.special_points] == ["fold"]
    assert branch.ends == ("mu = 1: bound reached", "mu = 1: bound reached")


def test_states_end_at_their_bounds():
    branch = dy.continue_fixed_points(one_state("mu - x**2"), "mu", (-1, 9), {"x": 0.5, "mu": 0.25}, box={"x": (-1, 2)})
    assert set(branch.ends) == {"x = -1: bound reached", "x = 2: bound reached"}
    assert branch.table["x"].values.max() == 2
    assert branch.table["x"].values.min() == -1


@pytest.mark.parametrize(("options", "message"), [
    ({"parameter": "nu"}, "'nu' is not a parameter of 'one state'"),
    ({"bounds": (1, 0)}, "the lower one first"),
    ({"bounds": 3}, "two finite numbers"),
    ({"start": {"y": 1}}, "'y' is neither a state nor a parameter"),
    ({"start": {"x": 1, "mu": 7}}, "outside its bounds"),
    ({"start": 3}, "start must be a mapping"),
    ({"period": 2}, "is a flow"),
    ({"box": {"x": (2, 1)}}, r"box\.x needs a pair"),
    ({"largest_step": 0}, "largest_step"),
    ({"most_steps": 0}, "most_steps"),
])
def test_what_does_not_fit_is_said(options, message):
    arguments = {"parameter": "mu", "bounds": (-1, 1), "start": {"x": 1, "mu": 1}} | options
    with pytest.raises(dy.SpecificationError, match=message):
        dy.continue_fixed_points(one_state("mu - x**2"), **arguments)


def test_no_fixed_point_near_the_start_is_said():
    with pytest.raises(dy.ConvergenceError, match="finds no fixed point near the start"):
        dy.continue_fixed_points(one_state("exp(x) + mu**2"), "mu", (-1, 1), {"x": 0, "mu": 0.5})


def test_lines_of_fixed_points_are_refused():
    system = dy.System(name="line", time="continuous", states={"x": 0, "y": 0}, parameters={"mu": 1},
                       equations={"x": "mu - x - y", "y": "x + y - mu"})
    with pytest.raises(dy.DerivationError, match="not isolated"):
        dy.continue_fixed_points(system, "mu", (0, 2), {"x": 0.5, "y": 0.5})


def test_branches_survive_files_and_start_others(tmp_path):
    system = system_of(AB)
    branch = dy.continue_fixed_points(system, "p1", (0, 0.4), {"u1": 0, "u2": 0})
    for suffix in (".json", ".nc"):
        assert dy.open(dy.save(branch, tmp_path / f"branch{suffix}")) == branch
    again = dy.open(tmp_path / "branch.json")
    for start in (again["LP2"], again.at(20), again["HB2"]):
        restarted = dy.continue_fixed_points(system, "p1", (0, 0.4), start)
        here = sorted((p.kind, round(p.parameters["p1"], 11)) for p in restarted.special_points)
        assert here == sorted((p.kind, round(p.parameters["p1"], 11)) for p in branch.special_points)
    frame = branch.to_dataframe()
    assert list(frame["special_point"][frame["special_point"] != ""]) == [p.label for p in branch.special_points]
    assert "1. HB1" in repr(branch)
    with pytest.raises(dy.SpecificationError, match="Did you mean"):
        branch["HB7"]
    with pytest.raises(dy.SpecificationError, match="the branch has the points"):
        branch.at(10**6)


# ---- conserved quantities -------------------------------------------------------------------------------------------

def test_bifurcations_on_the_level_of_a_declared_invariant():
    # the Brusselator with a store that x is taken from: x + w stays what it was
    system = dy.System(name="store", time="continuous", states={"x": 1, "y": 2, "w": 3}, parameters={"B": 1.5},
                       equations={"x": "1 - (B + 1)*x + x**2*y", "y": "B*x - x**2*y", "w": "-(1 - (B + 1)*x + x**2*y)"},
                       invariants={"kept": "x + w"})
    branch = dy.continue_fixed_points(system, "B", (0.5, 4), {"x": 1, "y": 1.5, "w": 3})
    assert [p.kind for p in branch.special_points] == ["hopf"]
    point = branch["HB1"]
    assert math.isclose(point.parameters["B"], 2, rel_tol=1e-12)
    assert math.isclose(point.normal_form["omega"], 1, rel_tol=1e-12)
    # <q, q> = 1 with q = (1, -1 + i, -1)/2 where it was (1, -1 + i)/sqrt(3) without the store: l1 times 3/4
    assert math.isclose(point.normal_form["l1"], -0.5 * 3 / 4, rel_tol=1e-9)
    assert np.allclose(branch.table["x"] + branch.table["w"], 4, rtol=1e-12)
    # the eigenvalue that is zero by structure is left out
    assert branch.table.sizes["mode"] == 2


def test_folds_on_the_level_of_a_declared_invariant():
    system = dy.System(name="fold store", time="continuous", states={"x": 1, "w": 0}, parameters={"mu": 0},
                       equations={"x": "mu + x - x**3", "w": "x**3 - mu - x"}, invariants={"kept": "x + w"})
    branch = dy.continue_fixed_points(system, "mu", (-1, 1), {"x": 1, "w": 0})
    assert sorted(round(p.parameters["mu"], 12) for p in places(branch, "fold")) == [
        round(-2 / math.sqrt(27), 12), round(2 / math.sqrt(27), 12)]


def test_lines_of_fixed_points_are_refused_with_what_works_instead():
    contacts = dy.System(name="contacts", states={"sound": 0.9, "lost": 0.1}, parameters={"rate": 2.0},
                         equations={"sound": "rate*(lost - sound)", "lost": "rate*(sound - lost)"})
    with pytest.raises(dy.DerivationError, match=r"form lines .* can have any value.*bifurcation_conditions tells"):
        dy.continue_fixed_points(contacts, "rate", (1, 3))
