"""Conditions that stand on their border: what holds where the quantity is exactly zero, at a start or for good."""

import numpy as np
import pytest
from sympy import Eq, Heaviside, Integer, Max, Min, Ne, Piecewise, Rational, Symbol, sign

import dynamics as dy
from dynamics.analysis.lane_orbits import attractors_of
from dynamics.analysis.noisy_paths import follow_paths
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels.agents import agent_field
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows
from dynamics.compiled.kernels.map_code import MapProblem
from dynamics.compiled.kernels.maps import iterate_maps
from dynamics.compiled.lanes import LaneStatus
from dynamics.compiled.noise_equations import METHODS
from dynamics.compiled.noise_steps import stepper_of

X, V, Y, P = (Symbol(n) for n in ("x", "v", "y", "p"))
TIGHT = {"relative_tolerance": 1e-9, "absolute_tolerance": 1e-11}
both_methods = pytest.mark.parametrize("method", ["tsit5", "rodas5p"])

AT_ZERO = {
    "<=": (lambda q: q <= 0, True), "<": (lambda q: q < 0, False), ">=": (lambda q: q >= 0, True),
    ">": (lambda q: q > 0, False), "==": (lambda q: Eq(q, 0), True), "!=": (lambda q: Ne(q, 0), False),
}
every_relation = pytest.mark.parametrize(("relation", "holds"), AT_ZERO.values(), ids=list(AT_ZERO))


def rates(condition):
    """A rate of 1 where the condition holds and of 3 where it does not."""
    return Piecewise((1, condition), (3, True))


def final(states, field, start, duration, method, parameters=(), values=(), **options):
    problem = FlowProblem(states, parameters, tuple(field))
    given = np.array(values, dtype=float)
    run = integrate_flows(problem, start, given[:, None], duration, method=method, **TIGHT, **options)
    assert run.status.tolist() == [LaneStatus.COMPLETED]
    assert run.rejected[0] < 60
    return run.final_state[:, 0]


@both_methods
@every_relation
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_at_rest_on_a_border(relation, holds, zero, method):
    end = final((X, Y), (-X, rates(relation(X))), [zero, 0.0], 2.0, method)
    assert end[1] == pytest.approx(2.0 if holds else 6.0, rel=1e-12)


VANISHING = {  # zero for x above 1
    "max": Max(0, 1 - X), "min": Min(0, X - 1), "max and min": Max(1, X) - Max(X, 1) + Max(0, 1 - X),
    "nested": Max(0, Min(1 - X, 2)) * 3, "by cases": Piecewise((1 - X, X < 1), (0, True)),
}


@both_methods
@every_relation
@pytest.mark.parametrize("quantity", VANISHING.values(), ids=list(VANISHING))
def test_regions_where_the_quantity_vanishes(quantity, relation, holds, method):
    # x = 2 + t stays in the region, x = t enters it at 1, x = 2 - t leaves it at 1
    inside = 1.0 if holds else 3.0
    outside = 3.0 if quantity.subs(X, 0) == 0 else {True: 1.0, False: 3.0}[bool(relation(quantity.subs(X, 0)))]
    for start, speed, at_two in ((2.0, 1, 2 * inside), (0.0, 1, inside + outside), (2.0, -1, inside + outside),
                                 (1.0, 1, 2 * inside), (1.0, -1, 2 * outside)):
        end = final((X, Y), (Integer(speed), rates(relation(quantity))), [start, 0.0], 2.0, method)
        assert end[1] == pytest.approx(at_two, rel=1e-9), (start, speed)


@both_methods
@every_relation
@pytest.mark.parametrize("direction", [1, -1])
def test_a_start_on_a_border_that_is_left_at_once(relation, holds, direction, method):
    # the moment on the border has no length
    end = final((X, Y), (Integer(direction), rates(relation(X))), [0.0, 0.0], 2.0, method)
    assert end[1] == pytest.approx(2.0 if relation(Integer(direction)) else 6.0, rel=1e-9)


@both_methods
@every_relation
def test_a_start_that_leaves_its_border_by_a_tangent(relation, holds, method):
    end = final((X, V, Y), (V, Integer(-1), rates(relation(X))), [0.0, 0.0, 0.0], 2.0, method)
    assert end[2] == pytest.approx(2.0 if relation(Integer(-1)) else 6.0, rel=1e-9)


@both_methods
@every_relation
@pytest.mark.parametrize("place", [Rational(57, 100), Rational(7, 10), Rational(1, 3)])
def test_decimal_borders(relation, holds, place, method):
    # 100*x - 57 is not zero at x = 0.57 in floating-point numbers
    field = (Integer(0), rates(relation(X).func(X, place)))
    end = final((X, Y), field, [float(place), 0.0], 2.0, method)
    assert end[1] == pytest.approx(2.0 if holds else 6.0, rel=1e-12)


@both_methods
@every_relation
def test_conditions_on_parameters_alone(relation, holds, method):
    problem = FlowProblem((X,), (P,), (rates(relation(P)),))
    run = integrate_flows(problem, [0.0], [[0.0, -0.0, 1.0, -1.0]], 1.0, method=method)
    expected = [1.0 if relation(Integer(k)) else 3.0 for k in (0, 0, 1, -1)]
    assert np.allclose(run.final_state[0], expected, rtol=1e-12)


@both_methods
def test_whole_numbers_are_compared_exactly(method):
    problem = FlowProblem((X, V, Y), (), (Integer(0), Integer(0), Piecewise((1, Eq(X, V)), (2, X < V), (4, True))))
    run = integrate_flows(problem, [[2.0, 2.0, 3.0], [2.0, 3.0, 2.0], [0.0] * 3], np.empty((0, 1)), 1.0, method=method)
    assert np.allclose(run.final_state[2], [1.0, 2.0, 4.0], rtol=1e-12)


@both_methods
def test_sign_is_zero_at_zero(method):
    end = final((X, Y), (-X, 2 + sign(X) + sign(Max(0, X))), [0.0, 0.0], 2.0, method)
    assert end[1] == pytest.approx(4.0, rel=1e-12)
    end = final((X, Y), (-X, Heaviside(X)), [0.0, 0.0], 2.0, method)
    assert end[1] == pytest.approx(1.0, rel=1e-12)


@both_methods
def test_reaching_zero_is_an_event_and_leaving_it_is_none(method):
    # max(0, cos t) vanishes from pi/2 to 3 pi/2
    quantity = Max(0, X)
    problem = FlowProblem((X, V), (), (V, -X), (quantity,) * 3, (-1, 1, 0), (False,) * 3)
    run = integrate_flows(problem, [1.0, 0.0], np.empty((0, 1)), 4 * np.pi, method=method, **TIGHT)
    assert run.event_counts[:, 0].tolist() == [2, 0, 2]
    assert run.event_time[0, 0] == pytest.approx(np.pi / 2, abs=1e-8)
    start = integrate_flows(problem, [0.0, -1.0], np.empty((0, 1)), 3.0, method=method, **TIGHT)
    assert start.event_counts[:, 0].tolist() == [0, 0, 0]


@both_methods
def test_an_event_that_jumps(method):
    jump = Piecewise((1, 2 * X > 1), (-1, True))
    problem = FlowProblem((X,), (), (Integer(1),), (jump, sign(X - Rational(1, 4))), (1, 0), (False, False))
    run = integrate_flows(problem, [0.0], np.empty((0, 1)), 1.0, method=method)
    assert run.event_counts[:, 0].tolist() == [1, 1]
    assert np.allclose(run.event_time[:, 0], [0.5, 0.25], atol=1e-9)


@both_methods
def test_neighbours_change_no_digit_at_borders(method):
    field = (V, -X, Piecewise((1, Max(0, X) <= 0), (3, True)), -sign(Y) * Max(0, Y - X) + Piecewise((1, X >= 0), (0, True)))
    states = (X, V, Y, Symbol("z"))
    start = np.array([[0.0, 1.0, -1.0, 0.0, 0.3, 0.0, 2.0], [1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.1], [0.0, 0.0, 1.0, 1.0, 0.0,
                      0.0, 0.5], [0.0] * 7])
    together = integrate_flows(FlowProblem(states, (), field), start, np.empty((0, 1)), 9.0, method=method)
    for lane in range(start.shape[1]):
        alone = integrate_flows(FlowProblem(states, (), field), start[:, lane], np.empty((0, 1)), 9.0, method=method)
        assert np.array_equal(alone.final_state[:, 0], together.final_state[:, lane])
        assert alone.steps[0] == together.steps[lane]


@every_relation
def test_maps(relation, holds):
    problem = MapProblem((X, Y), (P,), (Max(0, X - 1), Y + rates(relation(X)) + sign(X) + rates(relation(P))))
    ends = iterate_maps(problem, [0.0, 0.0], [[0.0, -0.0]], 10, lyapunov=False, longest_period=0)
    assert ends.final_state[1].tolist() == [10 * (2.0 if holds else 6.0)] * 2


# ---- maps, paths with noise, agents ---------------------------------------------------------------------------------------

RELATIONS = ("<=", "<", ">=", ">")
HOLDS = {"<=": True, "<": False, ">=": True, ">": False}
every_text = pytest.mark.parametrize("relation", RELATIONS)
BORDERS = ("w {} 0", "max(0, w) {} 0", "n {} 0", "min(0, ramp(x) + 1) {} 0", "abs(w) {} 0")
TERMS = " + ".join(f"(1 if {condition} else 3)" for condition in BORDERS) + " + sign(w)"


def total_rate(relation):
    """Of five conditions on zero, and a sign that is zero."""
    return 5.0 if HOLDS[relation] else 15.0


@every_text
@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_orbits_of_maps(relation, engine):
    system = dy.System(name="count", time="discrete", states={"x": 0.0, "w": 0.0}, parameters={"n": 0.0},
                       equations={"x": "x/2 + " + TERMS.replace("{}", relation), "w": "-w"})
    ends = attractors_of(system, np.array([[0.0, -0.0]]), np.zeros((2, 2)), 100, 100, engine=engine)
    assert np.allclose(ends.final_state[0], 2 * total_rate(relation), rtol=1e-12)


@every_text
@pytest.mark.parametrize("engine", ["compiled", "arrays"])
def test_paths_with_noise(relation, engine):
    system = dy.System(name="drift", states={"x": 0.0, "w": 0.0}, parameters={"n": 0.0},
                       equations={"x": TERMS.replace("{}", relation), "w": "-w"}, noise={"news": {"w": "w"}})
    start = functions_of(system).initial_state(system)
    for method in METHODS:
        found = follow_paths(system, stepper_of(system, method, start), start, 1 / 64, 64, 5, 1, 0, engine)
        assert found.engine == engine
        assert np.allclose(found.final[0], total_rate(relation), rtol=1e-12)


@every_text
def test_agents(relation):
    system = dy.System(name="crowd", indices={"agent": 11}, states={"x": dy.State(0.0, over="agent"), "w": dy.State(
        0.0, over="agent")}, parameters={"n": 0.0}, equations={"x": TERMS.replace("{}", relation), "w": "-w"})
    arrays = functions_of(system)
    for zero in (0.0, -0.0):
        state = np.full(22, zero)
        for field in (agent_field(system), arrays.field):
            assert np.array_equal(field(0.0, state, arrays.parameters(system))[:11], np.full(11, total_rate(relation)))
