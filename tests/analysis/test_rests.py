"""When a state has come to rest: closed forms, and the ghosts, drifts and slow passages that only look like it."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.rests import Rests, rest_reached


def flow(equations: dict[str, str], **more) -> dy.System:
    return dy.System(name="flow", states=more.pop("states", dict.fromkeys(equations, 0.0)), equations=equations, **more)


BISTABLE = flow({"x": "x*(1 - x)*(x - 0.3)"})
DEADBAND = flow({"q": "-0.5*max(q - 1, 0)", "e": "-0.45*max(q - 1, 0)"},
                events={"insolvency": dy.Event("e", "falling", terminal=True)})


@pytest.mark.parametrize(("state", "rest"), [(0.999, 1.0), (1.02, 1.0), (1e-4, 0.0), (1.0, 1.0)])
def test_states_close_to_a_stable_point_have_reached_it(state: float, rest: float) -> None:
    found = rest_reached(BISTABLE, np.array([state]))
    assert found is not None
    assert found.state == pytest.approx([rest], abs=1e-12)
    assert found.free == 0


@pytest.mark.parametrize("state", [0.3, 0.3 + 1e-9, 0.31, 0.45])
def test_an_unstable_point_is_no_rest_and_far_is_not_there(state: float) -> None:
    assert rest_reached(BISTABLE, np.array([state])) is None
    assert Rests(BISTABLE).unstable(np.array([state])) == (state == 0.3)


@pytest.mark.parametrize(("equations", "state"), [
    ({"x": "0.000001 + x**2"}, [0.0]), ({"x": "0.00000001 + x**2"}, [-1e-4]),   # the ghost of a fold
    ({"x": "-0.000001"}, [1.0]), ({"x": "-x", "y": "-0.000000001"}, [0.0, 1.0]),   # slow drifts
    ({"x": "x**2"}, [0.0]), ({"x": "x**2"}, [-1e-9]), ({"x": "-x", "y": "y**3"}, [0.0, 0.0]),   # no eigenvalue says stable
    ({"x": "y", "y": "-x"}, [0.0, 0.0]), ({"x": "x"}, [0.0])])
def test_what_hardly_moves_need_not_rest(equations: dict[str, str], state: list[float]) -> None:
    assert rest_reached(flow(equations), np.array(state)) is None


def test_the_two_points_of_a_fold_are_told_apart() -> None:
    """Stable at -1e-4, unstable at 1e-4: what lies between is drawn in only near the first."""
    system = flow({"x": "x**2 - 0.00000001"})
    assert rest_reached(system, np.array([-1.01e-4])).state == pytest.approx([-1e-4], rel=1e-9)
    for state in (0.0, 0.9e-4, 1e-4, 1.1e-4):
        assert rest_reached(system, np.array([state])) is None


@pytest.mark.parametrize(("state", "rest", "free"), [
    ([1.001, 0.3], [1.0, 0.2991], 1), ([1.0, 1.0], [1.0, 1.0], 1), ([1.0 + 1e-12, 0.5], [1.0, 0.5], 1),
    ([0.5, 0.7], [0.5, 0.7], 2)])
def test_families_of_rests(state: list[float], rest: list[float], free: int) -> None:
    """The member is the one that the states which move lead to: equity lost is (q - 1) 0.45/0.5."""
    found = rest_reached(DEADBAND, np.array(state))
    assert found.state == pytest.approx(rest, abs=1e-9)
    assert found.free == free


def test_an_event_on_the_way_is_no_rest() -> None:
    assert rest_reached(DEADBAND, np.array([1.001, 0.0008])) is None   # 0.0009 more will be lost
    fire = flow({"v": "1.5 - v"}, events={"fire": dy.Event("v - 1", "rising", assign={"v": "0"})})
    assert rest_reached(fire, np.array([0.999])) is None


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units_do_not_matter(unit: float) -> None:
    system = flow({"x": "unit - x", "y": "x/unit - 3*y"}, parameters={"unit": unit})
    found = rest_reached(system, np.array([unit * 1.0001, 0.3333]))
    assert found.state == pytest.approx([unit, 1 / 3], rel=1e-12)


def test_indexed_states_and_other_parameters() -> None:
    system = dy.System(name="many", indices={"c": 3}, states={"u": dy.State([0.3, 0.2, 0.1], over="c")},
                       parameters={"a": 1.0}, equations={"u": "a - u*(1 + total(u, c))"})
    a = 2.0
    rest = (-1 + np.sqrt(1 + 12 * a)) / 6   # a = u (1 + 3 u)
    found = rest_reached(system, np.array([rest + 1e-3, rest - 1e-3, rest]), {"a": a})
    assert found.state == pytest.approx(np.full(3, rest), abs=1e-9)


def test_time_that_acts_on_the_field_is_no_rest() -> None:
    assert rest_reached(flow({"x": "-x*(2 + sin(time))"}), np.array([0.0])) is None


@pytest.mark.parametrize(("state", "proved"), [(0.81, True), (0.78, False), (1.19, True), (1.21, False), (2.0, False)])
def test_how_far_a_rest_is_told(state: float, proved: bool) -> None:
    """At twice the distance d the flow must be a quarter of the linear one: (1 - 2d)(0.7 - 2d) > 0.7/4, d < 0.2031."""
    assert (rest_reached(BISTABLE, np.array([state])) is not None) == proved


@pytest.mark.parametrize(("equity", "proved"), [(1e-9, True), (1e-12, False), (-1e-9, True)])
def test_how_close_to_an_event_a_rest_is_told(equity: float, proved: bool) -> None:
    """Rounding of the states comes to 1e-11 of their size."""
    assert (rest_reached(DEADBAND, np.array([1.0, equity])) is not None) == proved


@pytest.mark.parametrize(("slow", "proved"), [(1e-9, True), (1e-11, False)])
def test_how_slow_a_rest_is_told(slow: float, proved: bool) -> None:
    system = flow({"x": "-x", "y": "-slow*(y - 1)"}, parameters={"slow": slow})
    assert (rest_reached(system, np.array([0.0, 1.0])) is not None) == proved
