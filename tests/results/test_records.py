"""Structured results as values: equality, tables, what they show."""

from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from sympy import S, Symbol

import dynamics as dy
from dynamics.analysis.edge_tracking import EdgeState
from dynamics.results import Branch, Claim, Finding, FixedPoints, Records, Reproduction, SpecialPoint, Threshold, provenance
from dynamics.results.branch_text import point_line


@pytest.fixture(scope="module")
def points():
    return dy.fixed_points(dy.models.load("deleveraging"))


def test_records_are_a_sequence(points):
    assert len(points) == len(list(points))
    assert points[-1] is list(points)[-1]
    assert points[:2] == tuple(points)[:2]
    assert points == FixedPoints(list(points), {"other": "provenance"})
    assert points != FixedPoints(list(points)[::-1])
    assert points != Records(list(points))
    assert hash(points) == hash(FixedPoints(list(points)))
    assert repr(points).startswith(f"FixedPoints: {len(points)}\n  1. FixedPoint(")


def test_the_table_of_fixed_points(points):
    table = points.table
    assert dict(table.sizes) == {"fixed_point": len(points), "mode": 3}
    for row, point in enumerate(points):
        assert table["equity_ratio"].values[row] == point.values["equity_ratio"]
        assert bool(table["stable"].values[row]) == (point.stability == "stable")
        np.testing.assert_array_equal(table["eigenvalue_real"].values[row], np.real(point.eigenvalues))
    assert points.to_dataframe().shape[0] == len(points)
    assert FixedPoints([]).table.sizes["fixed_point"] == 0
    cascade = dy.fixed_points(dy.models.load("liquidation_cascade", distances="loglogistic")).table
    assert "multiplier_real" in cascade


def test_fixed_points_show_themselves_as_html(points):
    ElementTree.fromstring(f"<div>{points._repr_html_()}</div>")


def test_branches_are_equal_by_content():
    def branch(value, label="HB1"):
        return Branch(xr.Dataset({"x": ("step", [1.0, value])}), (SpecialPoint("hopf", label, {}, {}),))

    assert branch(2.0) == branch(2.0)
    assert branch(2.0) != branch(3.0)
    assert branch(2.0) != branch(2.0, "LP1")
    assert hash(branch(2.0)) == hash(branch(2.0))
    with pytest.raises(dy.SpecificationError, match="Did you mean 'HB1'"):
        branch(2.0)["HB2"]
    assert branch(2.0)["HB1"].kind == "hopf"


def test_conditions_print(points):
    system = dy.models.load("deleveraging")
    (condition, *_) = dy.stability_conditions(system, points[0])
    assert r"\lambda^{*}" in condition.latex
    assert condition.latex.endswith("> 0")
    ElementTree.fromstring(condition.mathml)
    (bifurcation, *_) = dy.bifurcation_conditions(system, points[0], parameter="target_leverage")
    assert bifurcation.latex.startswith(r"\lambda^{*} = ")
    assert bifurcation._repr_latex_().count("$") == 2


def test_thresholds_and_reproductions_have_tables():
    threshold = Threshold(0.25, (0.2, 0.3), "found", 9, "price", "insolvency", before={"m": 1.0},
                          opposite=Threshold(-1.0, (-0.9, -1.1), "found", 3))
    assert float(threshold) == 0.25
    assert float(threshold.table["m_before"]) == 1.0
    assert float(threshold.table["opposite_threshold"]) == -1.0
    assert threshold.table.attrs["status"] == "found"
    result = Reproduction("p", (Finding(Claim("a", 1.0, 0.1), 1.0, "agrees"), Finding(Claim("b", 2.0, 0.1), 3.0, "differs")))
    assert result.table["verdict"].values.tolist() == ["agrees", "differs"]
    assert result.table["computed"].sel(claim="b") == 3.0


def test_provenance_names_system_and_software():
    system = dy.models.load("deleveraging")
    attributes = provenance("trajectory", system, method="LSODA", seed=None)
    assert attributes["system_sha256"] == system.sha256
    assert attributes["system_text"] == system.to_toml()
    assert attributes["parameter_units"]["reversion"] == "1/day"
    assert "seed" not in attributes
    assert set(attributes["software"]) == {"python", "dynamics", "numpy", "scipy", "sympy", "xarray"}
    assert provenance("x")["exactness"] == "numeric"


def test_a_condition_that_always_holds(points):
    from dynamics.results.conditions import condition_latex

    assert condition_latex(S.true) == "\\text{always}"
    assert condition_latex(Symbol("a") > 0, {"a": "alpha"}) == r"\alpha > 0"


def test_a_threshold_says_what_it_found_in_one_line():
    threshold = Threshold(0.25, (0.25, 0.25 + 1e-9), "found", 9, "price", "insolvency", provenance={"system_text": "long"},
                          opposite=Threshold(-1.0, (-0.9, -1.1), "found", 3))
    assert repr(threshold) == ("Threshold(price = 0.25 to insolvency; found; bracket 1e-09 wide; 9 trajectories; "
                               "opposite direction: -1 (found))")
    assert repr(Threshold(float("nan"), (0.0, float("nan")), "none_in_bracket", 3)) == (
        "Threshold(shock = nan; none_in_bracket; 3 trajectories)")


def test_records_of_formulas_show_themselves_as_latex(points):
    system = dy.models.load("deleveraging")
    shown = dy.bifurcation_conditions(system, points[0], parameter="target_leverage")._repr_latex_()
    assert shown.startswith(r"$\begin{array}{ll} \displaystyle \lambda^{*} = ")
    assert r"\text{hopf, valid where }" in shown
    assert dy.border_collisions(system, "target_leverage")._repr_latex_().count(r"\text{border collision: persistence}") == 1
    conserved = dy.conserved_quantities(dy.models.load("basel_leverage_cycle"))
    assert r"= \text{const} & \text{net cash, exact}" in conserved._repr_latex_()
    assert points._repr_latex_() is None
    assert Records([])._repr_latex_() is None
    assert r"\text{hopf where it is 0}" in dy.stability_conditions(system, points[0])._repr_latex_()


def test_rounding_of_a_zero_is_shown_as_zero():
    point = SpecialPoint("grazing", "GR1", {"x": -6.9975e-35, "y": 0.5}, {"mu": 1.0}, normal_form={"min_x": 1e-38})
    assert "(x=0, y=0.5)  min_x = 0" in point_line(point)
    edge = EdgeState("cycle", {}, 9.14, {"x": -0.03, "q": -2e-34}, {"x": 0.02, "q": 2e-33}, 0.0232, refined=True)
    assert repr(edge) == ("EdgeState(cycle; period 9.14; x -0.03 .. 0.02, q=0; critical shock 0.0232; "
                          "refined by Newton's method; 0 trajectories)")


def test_a_record_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(IndexError, match="there is no record 0: none found"):
        Records([])[0]
    with pytest.raises(IndexError, match="there is no record 2: 1 found"):
        Records(["a"])[2]
