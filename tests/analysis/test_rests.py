"""When a state has come to rest: closed forms, families, and the ghosts, drifts and slow passages that only look like it."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import rests as the_rule
from dynamics.analysis.rests import falls_at, lanes_at_rest, rest_reached, unstable_rests
from dynamics.compiled.functions import functions_of


def found(equations: dict[str, str], states: list[list[float]], events: dict[str, dy.Event] | None = None):
    system = dy.System(name="flow", states=dict.fromkeys(equations, 0), equations=equations, events=events or {})
    points = np.array(states, dtype=float).T
    return system, lanes_at_rest(system, points, np.empty((0, points.shape[1])), tuple(events or ()))


# Every flow has a closed form: the rest that each state goes to, or None where it goes to none, or an event is on the way.
CASES = [
    ({"x": "x - x**3"}, [[-1.0], [1.001], [-0.999], [0.0], [1e-9], [0.3]], [[-1], [1], [-1], None, None, None]),
    ({"x": "-abs(x)"}, [[1e-5], [0.0], [-1e-7]], [None] * 3),            # attracts from one side only
    ({"x": "1e-8 + x**2"}, [[-1e-3], [0.0], [1e-4]], [None] * 3),        # the ghost of a fold
    ({"x": "-1e-6", "y": "-y"}, [[1.0, 0.0], [1.0, 1e-5]], [None] * 2),  # a drift
    ({"x": "-x**2"}, [[1e-3], [0.0]], [None] * 2),
    ({"x": "y", "y": "-x"}, [[0.0, 0.0], [1e-3, 0.0]], [None] * 2),      # a centre
    ({"x": "y", "y": "0"}, [[1.0, 0.0], [1.0, 1e-5]], [None] * 2),       # zeros that are not simple
    ({"q": "-0.5*max(q - 1, 0)", "e": "-0.3*max(q - 1, 0)"}, [[1.001, 0.5], [1.0, 0.5], [0.5, 0.5], [1 - 1e-9, 0.5]],
     [[1, 0.4994], [1, 0.5], [0.5, 0.5], [1 - 1e-9, 0.5]]),
    ({"x": "-max(x - 1, 0) + max(-1 - x, 0)"}, [[1.01], [1.0], [0.3], [-1.0001]], [[1], [1], [0.3], [-1]]),
    ({"x": "max(x - 1, 0)"}, [[0.5], [1.0], [1 - 1e-6]], [[0.5], None, None]),   # the edge repels
    ({"a": "b - a", "b": "2*(a - b)"}, [[0.667, 0.666], [2 / 3, 2 / 3], [1.0, 0.0]], [[2 / 3] * 2, [2 / 3] * 2, None]),
    ({"x": "x - x"}, [[1.0], [2.0]], [[1], [2]]),
    # dr/dt = 2 r (0.001 - r**2) inwards only within the unstable cycle at sqrt(0.001)
    ({"x": "y - 0.001*x + x*(x**2 + y**2)", "y": "-x - 0.001*y + y*(x**2 + y**2)"},
     [[4e-4, 0.0], [0.04, 0.0], [0.0, 0.04]], [[0, 0], None, None]),
    # an epidemic that has burnt out: s + i - log(s)/2 is conserved; below 1/2 it dies out, above it does not
    ({"s": "-2*s*i", "i": "2*s*i - i"}, [[0.3, 1e-5], [0.3, 0.0], [0.6, 0.0], [0.6, 1e-5]],
     [[0.2999850009375, 0], [0.3, 0], None, None]),
]


@pytest.mark.parametrize(("equations", "states", "rests"), CASES)
def test_rests_are_those_of_closed_forms(equations, states, rests) -> None:
    _, rest = found(equations, states)
    assert rest.proved.tolist() == [point is not None for point in rests]
    for k, point in enumerate(rests):
        if point is not None:
            assert rest.state[:, k] == pytest.approx(point, abs=1e-8), states[k]


@pytest.mark.parametrize(("equations", "states", "rests"), CASES)
def test_indexed_states_rest_where_scalar_ones_do(equations, states, rests) -> None:
    # an index of one entry: the same field, one state at a time and without an exact Jacobian
    system = dy.System(name="indexed", indices={"c": 1}, states={n: dy.State([0.0], over="c") for n in equations},
                       equations=equations)
    for state, point in zip(states, rests, strict=True):
        alone = rest_reached(system, np.array(state))
        if point is None:
            assert alone is None, state
        else:
            assert alone == pytest.approx(point, abs=1e-8), state


def test_a_chain_of_many_states_and_its_conserved_sum() -> None:
    ring = {f"a{k}": f"a{(k + 1) % 8} - a{k}" for k in range(8)}
    _, rest = found(ring, [[1 + 1e-4 * k for k in range(8)]])
    assert rest.proved.all()
    assert rest.state[:, 0] == pytest.approx([1.00035] * 8, abs=1e-9)
    assert float(rest.slowest[0]) == pytest.approx(1 - np.cos(np.pi / 4), rel=1e-9)


def test_no_event_may_lie_between_a_state_and_its_rest() -> None:
    event = {"gone": dy.Event("x + 1e-6", "falling", terminal=True)}
    _, rest = found({"x": "-x"}, [[1e-5], [1e-7]], event)
    assert rest.proved.tolist() == [False, True]
    between = {"gone": dy.Event("x - 1e-7", "falling", terminal=True)}
    _, rest = found({"x": "-x"}, [[1e-6], [1e-3]], between)
    assert not rest.proved.any()


def test_time_in_the_equations_proves_nothing() -> None:
    _, rest = found({"x": "-x*(2 + sin(time))"}, [[0.0]])
    assert not rest.proved.any()


def test_a_box_around_a_stable_point_proves_nothing_beyond_a_saddle_inside_it() -> None:
    # stable at 0, unstable at -0.001
    system = dy.System(name="narrow", states={"x": 0}, equations={"x": "-x*(x + 0.001)"})
    field = functions_of(system).lane_field
    state = np.array([[1e-5, -1e-5, -2e-3, 2e-3]])
    rest, matrix = np.zeros((1, 4)), np.full((1, 1, 4), -0.001)
    assert falls_at(state, rest, matrix, np.empty((0, 4)), field).tolist() == [True, True, False, False]


# ---- a lane of one -----------------------------------------------------------------------------------------------------

def flow(equations: dict[str, str], **more) -> dy.System:
    return dy.System(name="flow", states=more.pop("states", dict.fromkeys(equations, 0.0)), equations=equations, **more)


BISTABLE = flow({"x": "x*(1 - x)*(x - 0.3)"})
DEADBAND = flow({"q": "-0.5*max(q - 1, 0)", "e": "-0.45*max(q - 1, 0)"},
                events={"insolvency": dy.Event("e", "falling", terminal=True)})


@pytest.mark.parametrize(("state", "rest"), [(0.999, 1.0), (1.02, 1.0), (1e-4, 0.0), (1.0, 1.0)])
def test_states_close_to_a_stable_point_have_reached_it(state: float, rest: float) -> None:
    assert rest_reached(BISTABLE, np.array([state])) == pytest.approx([rest], abs=1e-12)


@pytest.mark.parametrize("state", [0.3, 0.3 + 1e-9, 0.31, 0.45])
def test_an_unstable_point_is_no_rest_and_far_is_not_there(state: float) -> None:
    assert rest_reached(BISTABLE, np.array([state])) is None
    assert unstable_rests(BISTABLE, np.array([[state]])).tolist() == [state == 0.3]


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
    assert rest_reached(system, np.array([-1.01e-4])) == pytest.approx([-1e-4], rel=1e-9)
    for state in (0.0, 0.9e-4, 1e-4, 1.1e-4):
        assert rest_reached(system, np.array([state])) is None


@pytest.mark.parametrize(("state", "rest"), [
    ([1.001, 0.3], [1.0, 0.2991]), ([1.0, 1.0], [1.0, 1.0]), ([1.0 + 1e-12, 0.5], [1.0, 0.5]), ([0.5, 0.7], [0.5, 0.7])])
def test_families_of_rests(state: list[float], rest: list[float]) -> None:
    """The member is the one that the states which move lead to: equity lost is (q - 1) 0.45/0.5."""
    assert rest_reached(DEADBAND, np.array(state), ["insolvency"]) == pytest.approx(rest, abs=1e-9)


def test_an_event_on_the_way_is_no_rest() -> None:
    assert rest_reached(DEADBAND, np.array([1.001, 0.0008]), ["insolvency"]) is None   # 0.0009 more will be lost
    fire = flow({"v": "1.5 - v"}, events={"fire": dy.Event("v - 1", "rising", assign={"v": "0"})})
    assert rest_reached(fire, np.array([0.999]), ["fire"]) is None


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units_do_not_matter(unit: float) -> None:
    system = flow({"x": "unit - x", "y": "x/unit - 3*y"}, parameters={"unit": unit})
    found = rest_reached(system, np.array([unit * 1.0001, 0.3333]))
    assert found == pytest.approx([unit, 1 / 3], rel=1e-12)


def test_indexed_states_and_other_parameters() -> None:
    system = dy.System(name="many", indices={"c": 3}, states={"u": dy.State([0.3, 0.2, 0.1], over="c")},
                       parameters={"a": 1.0}, equations={"u": "a - u*(1 + total(u, c))"})
    a = 2.0
    rest = (-1 + np.sqrt(1 + 12 * a)) / 6   # a = u (1 + 3 u)
    found = rest_reached(system.with_parameters({"a": a}), np.array([rest + 1e-3, rest - 1e-3, rest]))
    assert found == pytest.approx(np.full(3, rest), abs=1e-9)


@pytest.mark.parametrize(("equity", "proved"), [(1e-9, True), (1e-12, False), (-1e-9, True)])
def test_how_close_to_an_event_a_rest_is_told(equity: float, proved: bool) -> None:
    """Beyond an event a state may rest as well; so close that rounding of the states reaches it nothing is told."""
    assert (rest_reached(DEADBAND, np.array([1 + 1e-13, equity]), ["insolvency"]) is not None) == proved


def test_an_event_that_is_zero_everywhere_is_never_met() -> None:
    unused = {"unused": dy.Event("x - x", "falling", terminal=True)}
    _, rest = found({"x": "-x"}, [[1e-5]], unused)
    assert rest.proved.all()


def test_what_overflows_proves_nothing() -> None:
    """y follows x/2 and x follows z; a rate of 1e400 is no number."""
    huge = flow({"x": "k*(z - x)", "y": "k*(x - 2*y)", "z": "0"}, parameters={"k": 1e200})
    assert rest_reached(huge, np.array([1.001, 0.5, 1.0])) == pytest.approx([1, 0.5, 1])
    assert rest_reached(huge, np.full(3, 1e200)) is None


def test_a_crowd_comes_to_rest() -> None:
    """u' = 1 - u (1 + mean(u)): every agent rests where u**2 + u = 1."""
    crowd = dy.System(name="crowd", indices={"c": 120}, states={"u": dy.State(0.5, over="c")},
                      equations={"u": "1 - u*(1 + total(u, c)/120)"})
    rest = (np.sqrt(5) - 1) / 2
    state = rest + 1e-3 * np.random.default_rng(0).standard_normal(120)
    assert rest_reached(crowd, state) == pytest.approx(np.full(120, rest), abs=1e-9)


# ---- the edge of every constant that decides ------------------------------------------------------------------------------

def test_states_are_looked_at_up_to_a_distance() -> None:
    inside, outside = the_rule.CLOSE * (1 - 1e-6), the_rule.CLOSE * (1 + 1e-6)
    size = 1 + the_rule.FLOOR
    _, rest = found({"x": "1 - x"}, [[1 + inside * size], [1 + outside * size]])
    assert rest.proved.tolist() == [True, False]
    assert rest.state[0] == pytest.approx([1, 1])   # found, but not close


def test_rates_that_are_not_told_from_zero_prove_nothing() -> None:
    # a turn that is damped by a share of its speed
    for share, proved in ((2 * the_rule.NEUTRAL, True), (the_rule.NEUTRAL / 2, False)):
        for clock in (1e-9, 1.0, 1e9):
            _, rest = found({"x": f"{clock!r}*(y - {share!r}*(x - 1))", "y": f"-{clock!r}*(x - 1 + {share!r}*y)"},
                            [[1.001, 0.0]])
            assert bool(np.isfinite(rest.state[0, 0])) == proved


def test_rates_of_a_slow_system_are_no_zeros() -> None:
    for rate in (1e-15, 1e-10, 1e-3):
        _, rest = found({"x": f"{rate!r}*(1 - x)"}, [[1.001]])
        assert rest.proved.tolist() == [True]


def test_a_direction_much_slower_than_others_is_not_called_free() -> None:
    for share, proved in ((10 * the_rule.ZERO_MODE, True), (the_rule.ZERO_MODE / 10, False)):
        _, rest = found({"x": "1 - x", "y": f"{share!r}*(1 - y)"}, [[1.0001, 1.001]])
        assert rest.proved.tolist() == [proved], share


def test_a_family_goes_on_beside_a_rest() -> None:
    along = the_rule.ALONG * (1 + the_rule.FLOOR)
    _, rest = found({"x": "max(x - 1, 0)"}, [[1 - 3 * along], [1 - along / 3]])
    assert rest.proved.tolist() == [True, False]


def test_the_neighbourhood_is_twice_as_wide_as_the_state_is_far() -> None:
    # unstable at 1 - gap: states whose doubled distance reaches it prove nothing
    gap = 1e-3
    away = gap / the_rule.WIDER
    _, rest = found({"x": f"(1 - x)*(x - {1 - gap!r})"}, [[1 + 0.98 * away], [1 + 1.02 * away]])
    assert rest.proved.tolist() == [True, False]


def test_rounding_where_a_state_rests_at_zero_is_not_a_motion():
    """The price rests at zero as a difference of flows of one: rounding moves it by 1e-17 at every step of a method."""
    system = dy.System(name="price", states={"x": 0.0, "u": 0.2, "q": 0.0},
                       equations={"x": "-x + 0.3*(0.5*(5*u - 1) - q)", "u": "-(1 - u)*x - u*(0.5*(5*u - 1) - q)",
                                  "q": "-50*q"})
    left = np.random.default_rng(0).standard_normal((3, 400)) * np.array([[1e-17], [1e-17], [1e-25]])
    found = lanes_at_rest(system, np.array([[0.0], [0.2], [0.0]]) + left, np.empty((0, 400)))
    assert found.proved.all()


def test_forms_that_rounding_has_spoilt_are_not_used() -> None:
    # rates of 1, 1e5 and 1e10: the coefficients of the closed form cancel
    g = np.random.default_rng(0)
    turn = np.linalg.qr(g.standard_normal((3, 3)))[0]
    for ratio, used in ((1e2, True), (1e10, False)):
        matrix = turn @ np.diag([-1.0, -ratio**0.5, -ratio]) @ turn.T
        away = 1e-3 * turn[:, :1]
        kept = falls_at(away, np.zeros((3, 1)), matrix[:, :, None], np.empty((0, 1)), lambda t, y, p, m=matrix: m @ y)
        assert bool(kept[0]) == used


def test_an_event_without_direction_keeps_its_side() -> None:
    either = {"gate": dy.Event("x", "both", terminal=True)}
    # the spiral around (1e-6, 0) goes through x = 0 from anywhere farther than that
    spiral = {"x": "y - 0.1*(x - 1e-6)", "y": "-(x - 1e-6) - 0.1*y"}
    _, rest = found(spiral, [[1e-4, 0.0], [-1e-4, 0.0], [1.1e-6, 0.0]], either)
    assert rest.proved.tolist() == [False, False, True]


def test_the_least_neighbourhood_is_that_of_rounding() -> None:
    least = the_rule.WIDER * the_rule.SMALLEST * (1 + the_rule.FLOOR)
    for share, proved in ((1.05, True), (0.95, False)):
        _, rest = found({"x": "1 - x"}, [[1.0]], {"gone": dy.Event(f"x - {1 - share * least!r}", "falling", terminal=True)})
        assert rest.proved.tolist() == [proved]


def test_a_motion_along_a_family_is_told_down_to_rounding() -> None:
    # a + b drifts by the rate; the terms of both rates sum up to four
    for share, proved in ((0.5, True), (2.0, False)):
        _, rest = found({"a": "b - a", "b": f"a - b + {share * 8 * the_rule.ROUNDING!r}"}, [[1.0, 1.0]])
        assert rest.proved.tolist() == [proved]


def test_beyond_a_border_a_state_may_rest_but_not_leave() -> None:
    away = 1e-3
    edge = the_rule.ROUNDING * (1 + away) / (the_rule.WIDER * away)
    for share, proved in ((0.5, True), (2.0, False)):
        _, rest = found({"x": f"-max(x - 1, 0) - {share * edge!r}*max(1 - x, 0)"}, [[1 + away]])
        assert rest.proved.tolist() == [proved]


@pytest.mark.parametrize("state", [[1.02, 0.5], [0.98, 0.5]])
def test_a_border_on_the_way_to_a_family_leads_to_another_member(state: list[float]) -> None:
    """e' = -q' below 1.01 and -3 q' above: of 1.02 the half counts once and half three times."""
    equations = {"q": "1 - q", "e": "(q - 1) + 2*max(q - 1.01, 0)"}
    _, rest = found(equations, [state])
    assert rest.proved.tolist() == [False]
    near = 1 + (state[0] - 1) / 10
    _, rest = found(equations, [[near, 0.5]])
    assert rest.state[:, 0] == pytest.approx([1, 0.5 + near - 1], abs=1e-9)
    assert rest.proved.all()


def test_members_of_a_curved_family_are_told_close_to_it() -> None:
    """At i the drift along it is about 2 i**2 s/(1 - 2 s), by its slowest rate of 1 - 2 s."""
    s, rate = 0.3, 0.4
    edge = np.sqrt(the_rule.MEMBER * (s + the_rule.FLOOR) * rate**2 / (4 * s))
    for share, proved in ((0.5, True), (2.0, False)):
        i = share * edge
        _, rest = found({"s": "-2*s*i", "i": "2*s*i - i"}, [[s, i]])
        assert rest.proved.tolist() == [proved]
    _, rest = found({"s": "-2*s*i", "i": "2*s*i - i"}, [[s, 0.5 * edge]])
    total = s + 0.5 * edge - np.log(s) / 2   # conserved
    assert rest.state[0, 0] - np.log(rest.state[0, 0]) / 2 == pytest.approx(total, abs=the_rule.MEMBER)


def test_a_rest_where_a_family_ends_is_told_only_close_to_it() -> None:
    """Measured from (1, 1): y rests below -x/2, and x falls to 0. From (d, d/10) y falls to -0.34 d, below the border."""
    equations = {"x": "-(x - 1)", "y": "-3*max((x - 1) + 2*(y - 1), 0)"}
    apart = 1e-3
    close = the_rule.MEMBER / 2
    _, rest = found(equations, [[1 + apart, 1 + apart / 10], [1 + close, 1 + close / 10]])
    assert rest.proved.tolist() == [False, True]
