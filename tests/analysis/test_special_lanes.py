"""Rests on open borders and at special parameter values: one by one, and over many parameter sets."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.regime_flags import REGIMES
from dynamics.compiled.functions import functions_of

SHOCKS = {"price": dy.Shock({"x": "x - magnitude"})}


def line(equation: str, a: float = 1.0, x: float = 1.0) -> dy.System:
    return dy.System(name="line", states={"x": x}, parameters={"a": a}, equations={"x": equation}, shocks=SHOCKS)


def regimes_at(system: dy.System, values: list[float]) -> list[str]:
    names = {code: name for name, code in REGIMES.items()}
    return [names[code] for code in dy.sweep(system, {"a": values}, "regime")["regime"].values.tolist()]


def rests(system: dy.System) -> set[float]:
    return {round(point.values["x"], 9) for point in dy.fixed_points(system) if point.admissible}


@pytest.mark.parametrize(("equation", "values", "expected"), [
    ("(1 if x > 1 else 0.5*a) - x", [1.0, 0.5], ["stable", "stable"]),                 # the rest 0.5 a alone
    ("(1 if x > 0.5 else 0) - a*x", [2.0], ["no_fixed_point"]),                        # 0 lies beyond the event
    ("(1 if x >= 0.5 else 0) - a*x", [2.0], ["unstable"]),
    ("(1 if x >= 0.5 else 2) - a*x", [2.0], ["stable"]),
    ("a*abs(x)", [1.0], ["unstable"]),
])
def test_a_lane_starts_only_where_the_equations_as_written_rest(equation: str, values, expected) -> None:
    system = line(equation)
    if "0.5 else 0" in equation:
        system = dy.System(name="line", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": equation}, shocks=SHOCKS,
                           events={"low": dy.Event("x - 0.1", "falling", terminal=True)})
    assert regimes_at(system, values) == expected


@pytest.mark.parametrize(("equation", "value"), [("a*x", 0.0), ("(a - 1)*x", 1.0), ("log(a)*x", 1.0), ("(a**2 - a)*x", 1.0),
                                                 ("x**a - 1", 0.0), ("1 - abs(x)**a", 0.0), ("hill(a, a, 2) - x", 0.0)])
def test_where_every_state_rests_no_lane_is_called_unstable(equation: str, value: float) -> None:
    assert regimes_at(line(equation, value), [value])[0] == "not_settled"


@pytest.mark.parametrize("equation", ["x/a - 1", "1/a - x"])
def test_a_field_without_a_value_has_no_rest_in_any_lane(equation: str) -> None:
    assert regimes_at(line(equation, 1.0), [0.0]) == ["no_fixed_point"]


def test_closed_forms_that_stay_right_at_special_values_are_kept() -> None:
    # taken not to be zero: a; the rest 1 is one at every a, and stable for a > -1
    system = line("(1 - x)*(1 + a*x)", 0.5)
    assert regimes_at(system, [0.0, 0.5]) == ["stable", "stable"]


@pytest.mark.parametrize(("equation", "a"), [("x**a - 4", 2.0), ("16 - x**a", 4.0), ("x**(2*a) - 9", 1.0),
                                             ("x**a - 4", -2.0)])
def test_even_powers_have_rests_on_both_sides(equation: str, a: float) -> None:
    system = line(equation, a)
    field = functions_of(system).field
    grid = np.linspace(-5, 5, 20002)
    with np.errstate(divide="ignore"):
        speed = np.array([field(0.0, np.array([x]), (a,))[0] for x in grid])
    sign_changes = np.flatnonzero((np.sign(speed[:-1]) != np.sign(speed[1:])) & (np.abs(speed[:-1]) < 1))
    np.testing.assert_allclose(sorted(rests(system)), grid[sign_changes], atol=1e-3)


def test_a_stable_rest_at_a_negative_value_is_where_lanes_start() -> None:
    assert regimes_at(line("x**a - 4", 2.0), [2.0]) == ["stable"]


@pytest.mark.parametrize("equation", ["x**a - 1", "1 - abs(x)**a", "x**(a**2) - 1"])
def test_a_power_of_zero_leaves_every_state_at_rest(equation: str) -> None:
    point, = dy.fixed_points(line(equation, 0.0))
    assert point.free == ("x",)
    assert point.valid_where == True  # noqa: E712


def test_nothing_is_no_share_of_nothing() -> None:
    system = line("hill(a, a, 2) - x", 0.0)
    assert functions_of(system).field(0.0, np.array([0.0]), (0.0,))[0] == 0.0
    assert rests(system) == {0.0}
    assert rests(line("hill(a, a, 2) - x", 1.0)) == {0.5}


def test_a_border_between_two_halves_of_a_family_has_a_rest_of_its_own() -> None:
    system = dy.System(name="halves", states={"x": 1.0, "y": 0.0}, equations={"x": "(2 if abs(y) > 0 else 1) - x", "y": "0"})
    found = dy.fixed_points(system)
    family, = (point for point in found if point.free)
    single, = (point for point in found if not point.free)
    assert family.values["x"] == 2.0
    assert family.values["y"] != 0.0
    assert family.valid_where == True  # noqa: E712
    assert single.values == {"x": 1.0, "y": 0.0}
    field = functions_of(system).field
    for point in found:
        np.testing.assert_allclose(field(0.0, np.array(list(point.values.values())), ()), 0.0, atol=1e-12)


def test_a_declared_state_inside_a_family_adds_no_rest() -> None:
    system = dy.System(name="halves", states={"x": 1.0, "y": 3.0}, equations={"x": "(2 if abs(y) > 0 else 1) - x", "y": "0"})
    point, = dy.fixed_points(system)
    assert point.values == {"x": 2.0, "y": 3.0}
    assert point.remark == ""
