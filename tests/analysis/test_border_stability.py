"""Rests on the border of a switch are judged on every side that reaches them."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynamics as dy
from dynamics.compiled.functions import functions_of

SHOCKS = {"price": dy.Shock({"x": "x - magnitude"})}


def line(equation: str, a: float = 1.0, level: float = 0.1) -> dy.System:
    events = {"low": dy.Event(f"x - {level}", "falling", terminal=True)}
    return dy.System(name="line", states={"x": 1.0}, parameters={"a": a}, equations={"x": equation}, events=events,
                     shocks=SHOCKS)


def step(equation: str) -> dy.System:
    return dy.System(name="step", time="discrete", states={"x": 0.3}, equations={"x": equation})


def verdicts(system: dy.System, **state: float) -> set[str]:
    return {point.stability for point in dy.fixed_points(system) if point.admissible and point.values == state}


@pytest.mark.parametrize(("equation", "a", "rest"), [
    ("(1 if x >= 1 else 0.5*a) - x", 1.0, 1.0),
    ("(1 if x >= 0.5 else 0) - a*x", 2.0, 0.5),
    ("1 - x if x <= 1 else a", 1.0, 1.0),
])
def test_a_rest_that_is_left_from_the_other_side_is_not_stable(equation: str, a: float, rest: float) -> None:
    system = line(equation, a)
    field = functions_of(system).field
    ends = [solve_ivp(lambda t, x: field(t, x, (a,)), (0, 1), [rest + side * 1e-6], max_step=0.01).y[0, -1]
            for side in (-1, 1)]
    assert max(abs(end - rest) for end in ends) > 0.05
    assert verdicts(system, x=rest) == {"unstable"}


def test_a_rest_to_which_the_other_side_comes_in_finite_time_is_stable() -> None:
    assert verdicts(line("(1 if x >= 0.5 else 2) - a*x", 2.0), x=0.5) == {"stable"}


def test_no_threshold_is_found_from_a_rest_that_any_shock_leaves() -> None:
    threshold = dy.cascade_threshold(line("(1 if x >= 1 else 0.5*a) - x", level=0.55), "price")
    assert threshold.status == "unstable"
    assert threshold.value == 0.0


@pytest.mark.parametrize(("equation", "expected"), [
    ("abs(x)", "unstable"),            # slopes -1 and 1
    ("-abs(x) - 2*x", "stable"),       # slopes -1 and -3
    ("max(0, x) - 2*max(0, -x)", "unstable"),
    ("1e-12*abs(x)", "unstable"),      # the same at a slow clock
    ("-1e-12*(abs(x) + 2*x)", "stable"),
])
def test_a_kink_of_a_flow_on_a_line_is_stable_where_both_sides_are(equation: str, expected: str) -> None:
    system = dy.System(name="kink", states={"x": 1.0}, equations={"x": equation})
    assert verdicts(system, x=0.0) == {expected}


@pytest.mark.parametrize(("right", "left"), [(0.3, -2.0), (-0.7, -2.0), (-0.3, -2.0), (0.5, 1.5), (-0.9, 0.9)])
def test_a_kink_of_a_map_is_stable_where_its_orbits_shrink(right: float, left: float) -> None:
    x = np.array([1e-3, -1e-3])
    for _ in range(200):
        x = np.where(x > 0, right * x, left * x)
    expected = "stable" if np.abs(x).max() < 1e-6 else "unstable"
    assert verdicts(step(f"{right}*x if x > 0 else {left}*x"), x=0.0) == {expected}


def test_a_map_that_jumps_at_its_rest_is_not_stable() -> None:
    assert verdicts(step("0.5*x if x <= 0 else 1 + 0.5*x"), x=0.0) == {"unstable"}


@pytest.mark.parametrize(("x", "y", "expected"), [
    ("-x", "(0 if y >= 0 else -1) - y", "unstable"),         # the other side leads away from the border
    ("-x + (0 if y >= 0 else 1)", "-y", "not determined"),   # it moves along the border
])
def test_a_jump_of_a_flow_in_the_plane(x: str, y: str, expected: str) -> None:
    system = dy.System(name="plane", states={"x": 1.0, "y": 0.0}, equations={"x": x, "y": y})
    assert verdicts(system, x=0.0, y=0.0) == {expected}


def test_two_sides_that_one_quadratic_form_falls_on_are_stable() -> None:
    system = dy.System(name="plane", states={"x": 1.0, "y": 1.0}, equations={"x": "-x - max(0, x)", "y": "-2*y"})
    assert verdicts(system, x=0.0, y=0.0) == {"stable"}


def test_two_sides_that_no_common_form_falls_on_are_not_said_to_be_stable() -> None:
    # x > 0 a focus that is wide along y, x < 0 a saddle whose growing direction lies on its own side
    left = "x + 0.1*y if x < 0 else -x + 10*y"
    system = dy.System(name="plane", states={"x": 1.0, "y": 1.0}, equations={"x": left, "y": "-0.1*x - y"})
    assert "stable" not in verdicts(system, x=0.0, y=0.0)
