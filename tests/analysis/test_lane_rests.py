"""Rests of many states at once: closed forms, families, and what only looks like rest."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import lane_rests
from dynamics.analysis.lane_rests import falls_at, lanes_at_rest
from dynamics.analysis.rests import rest_reached
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
def test_one_state_alone_gives_no_other_rest(equations, states, rests) -> None:
    # the other implementation, which takes a member of a curved family less exactly, must not prove anything else
    system, rest = found(equations, states)
    for k, state in enumerate(states):
        single = rest_reached(system, np.array(state))
        if single is not None and rest.proved[k]:
            assert single.state == pytest.approx(rest.state[:, k], abs=2e-5), state


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


# ---- the edge of every constant that decides ------------------------------------------------------------------------------

def test_states_are_looked_at_up_to_a_distance() -> None:
    inside, outside = lane_rests.CLOSE * (1 - 1e-6), lane_rests.CLOSE * (1 + 1e-6)
    size = 1 + lane_rests.FLOOR
    _, rest = found({"x": "1 - x"}, [[1 + inside * size], [1 + outside * size]])
    assert rest.proved.tolist() == [True, False]
    assert rest.state[0] == pytest.approx([1, 1])   # found, but not close


def test_rates_that_are_not_told_from_zero_prove_nothing() -> None:
    for rate, proved in ((2 * lane_rests.NEUTRAL, True), (lane_rests.NEUTRAL / 2, False)):
        _, rest = found({"x": f"{rate!r}*(1 - x)"}, [[1.001]])
        assert rest.proved.tolist() == [proved]


def test_a_direction_much_slower_than_others_is_not_called_free() -> None:
    for share, proved in ((10 * lane_rests.ZERO_MODE, True), (lane_rests.ZERO_MODE / 10, False)):
        _, rest = found({"x": "1 - x", "y": f"{share!r}*(1 - y)"}, [[1.0001, 1.001]])
        assert rest.proved.tolist() == [proved], share


def test_a_family_goes_on_beside_a_rest() -> None:
    along = lane_rests.ALONG * (1 + lane_rests.FLOOR)
    _, rest = found({"x": "max(x - 1, 0)"}, [[1 - 3 * along], [1 - along / 3]])
    assert rest.proved.tolist() == [True, False]


def test_the_neighbourhood_is_twice_as_wide_as_the_state_is_far() -> None:
    # unstable at 1 - gap: states whose doubled distance reaches it prove nothing
    gap = 1e-3
    away = gap / lane_rests.WIDER
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
