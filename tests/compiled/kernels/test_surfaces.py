"""Events and borders between cases: located inside the step, also where a path only just touches them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Integer, Max, Min, Piecewise, Rational, Symbol, sign, sqrt

from dynamics.compiled.code import scalar_function
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows
from dynamics.compiled.lanes import LaneStatus
from dynamics.expressions.functions import softplus
from dynamics.systems import TIME

X, V, Y, A = (Symbol(n) for n in ("x", "v", "y", "a"))
NOTHING = np.empty((0, 1))
TIGHT = {"relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}
METHODS = ("tsit5", "rodas5p")
REFERENCE = Path(__file__).parents[2] / "reference" / "cascade_thresholds.csv"
pytestmark = pytest.mark.parametrize("method", METHODS)


def test_two_zeros_within_one_step_are_found(method):
    # x = (t - 1)**2 + c takes a handful of steps; for negative c it dips below zero for a moment
    fall = FlowProblem((X, V), (), (V, Integer(2)), (X,), (-1,), (True,))
    c = np.array([-1e-3, -1e-6, -1e-9, -1e-12, 1e-12, 1e-9, 1e-6, 1e-3])
    run = integrate_flows(fall, np.stack([1 + c, np.full(8, -2.0)]), NOTHING, 5.0, method=method)
    assert run.status.tolist() == [LaneStatus.EVENT] * 4 + [LaneStatus.COMPLETED] * 4
    assert np.allclose(run.event_time[0, :4], 1 - np.sqrt(-c[:4]), rtol=0, atol=1e-8)
    assert run.steps.max() < 25


def test_both_zeros_of_a_dip_are_counted(method):
    fall = FlowProblem((X, V), (), (V, Integer(2)), (X, X), (-1, 1), (False, False))
    c = np.array([-1e-2, -1e-8, 1e-8])
    run = integrate_flows(fall, np.stack([1 + c, np.full(3, -2.0)]), NOTHING, 5.0, method=method)
    assert run.event_counts.tolist() == [[1, 1, 0], [1, 1, 0]]
    assert np.allclose(run.event_time[:, 0], [0.9, 1.1], rtol=1e-9)


def test_only_the_direction_asked_for_counts(method):
    wave = FlowProblem((X, V), (), (V, -X), (X, X, -X), (-1, 1, 1), (False,) * 3)
    run = integrate_flows(wave, [1.0, 0.0], NOTHING, 4 * np.pi + 1, method=method, **TIGHT)
    assert run.event_counts[:, 0].tolist() == [2, 2, 2]
    assert run.event_time[0, 0] == pytest.approx(np.pi / 2, abs=1e-10)
    assert run.event_time[1, 0] == pytest.approx(3 * np.pi / 2, abs=1e-10)


def test_a_kink_costs_no_accuracy(method):
    # y' = -max(0, y - 1) - a: exponential above 1, straight below
    kink = FlowProblem((Y,), (A,), (-Max(0, Y - 1) - A,))
    a = np.array([1.0, 0.2, 0.01])
    run = integrate_flows(kink, [2.0], [a], 8.0, method=method, **TIGHT)
    there = np.log((1 + a) / a)
    assert np.allclose(run.final_state[0], 1 - a * (8.0 - there), rtol=0, atol=2e-10)
    assert run.steps.max() < 150


def test_nested_cases(method):
    # min(max(0, y), 1) on a straight way through both borders
    field = (Integer(1), Min(Max(0, X - 1), A))
    run = integrate_flows(FlowProblem((X, V), (A,), field), [0.0, 0.0], [[0.5, 2.0]], 4.0, method=method, **TIGHT)
    assert np.allclose(run.final_state[1], [0.125 + 0.5 * 2.5, 2.0 + 2.0 * 1.0], rtol=0, atol=1e-10)


def test_a_force_that_jumps(method):
    # |x|' = 1: v' = -sign(x) is a sawtooth of parabolas, period 4 sqrt(2 x0)
    saw = FlowProblem((X, V), (), (V, -sign(X)), (X,), (-1,), (False,))
    run = integrate_flows(saw, [0.5, 0.0], NOTHING, 16.0, method=method, **TIGHT)
    assert np.allclose(run.final_state[:, 0], [0.5, 0.0], atol=1e-8)
    assert run.event_counts[0, 0] == 4
    assert run.steps[0] < 120


def test_a_switch_in_time(method):
    pulse = FlowProblem((Y,), (A,), (Piecewise((1, (TIME > 1) & (TIME < A)), (0, True)),))
    run = integrate_flows(pulse, [0.0], [[1.5, 2.75, 1.0 + 1e-7]], 4.0, method=method)
    assert np.allclose(run.final_state[0], [0.5, 1.75, 1e-7], rtol=0, atol=1e-11)


def test_cases_whose_continuation_is_undefined(method):
    # the square root of max(0, y) cannot be continued below 0; the explicit method lets go of its case there
    run = integrate_flows(FlowProblem((Y,), (), (-sqrt(Max(0, Y)),)), [1.0], NOTHING, 10.0, method=method)
    if method == "tsit5":
        assert run.status[0] == LaneStatus.COMPLETED
    assert abs(run.final_state[0, 0]) < 1e-6


def test_sliding_ends_by_the_step_limit_and_not_in_an_endless_loop(method):
    slide = FlowProblem((Y,), (A,), (A - sign(Y),))
    run = integrate_flows(slide, [1.0], [[0.3, 1.5]], 10.0, method=method, max_steps=3000)
    assert run.status.tolist() == [LaneStatus.STEP_LIMIT, LaneStatus.COMPLETED]
    assert abs(run.final_state[0, 0]) < 1e-6
    assert run.final_state[0, 1] == pytest.approx(6.0)


def test_oscillation_through_a_kink_is_followed_for_long(method):
    # stiffer on one side: half periods pi and pi/2
    spring = FlowProblem((X, V), (), (V, -X - 3 * Max(0, X)), (X,), (1,), (False,))
    run = integrate_flows(spring, [-1.0, 0.0], NOTHING, 100 * 1.5 * np.pi, method=method, **TIGHT)
    assert run.event_counts[0, 0] == 100
    assert np.allclose(run.final_state[:, 0], [-1.0, 0.0], atol=3e-6)


# ---- thresholds -----------------------------------------------------------------------------------------------------

def core():
    eta, theta, target, margin, rate, latency = p = tuple(Symbol(f"p{k}") for k in range(6))
    x, u, q = Symbol("gap"), Symbol("equity"), Symbol("sales")
    flow = theta * (target * u - 1) - q
    dx = -x + eta * flow
    field = (dx, (1 - u) * dx - u * flow, (rate * Max(0, 1 - u / margin) - q) / latency)

    def start(values, shock):
        return np.stack([-shock, 1 - (1 - 1 / values[2]) * np.exp(shock), 0 * shock])

    return FlowProblem((x, u, q), p, field, (u,), (-1,), (True,)), start


def canonical():
    gamma, alpha, target, headroom, kappa, tau = p = tuple(Symbol(f"p{k}") for k in range(6))
    x, lam, ell = Symbol("gap"), Symbol("leverage"), Symbol("sales")
    q, s = x + gamma * ell, Rational(1, 50)
    field = (-q, lam * ((lam - 1) * q - ell) + alpha * lam * (1 - lam / target),
             (kappa * s * softplus((lam / (headroom * target) - 1) / s) - ell) / tau)

    def start(values, shock):
        return np.stack([-shock, 1 / (1 - (1 - 1 / values[2]) * np.exp(shock)), 0 * shock])

    return FlowProblem((x, lam, ell), p, field, (lam - 1000,), (1,), (True,)), start


@pytest.mark.parametrize(("name", "model"), [("core", core), ("canonical", canonical)])
def test_thresholds_at_random_parameters(name, model, method):
    with REFERENCE.open(encoding="utf-8") as file:
        rows = [row[1:] for row in csv.reader(file) if row[0] == name]
    table = np.array(rows, dtype=float).T
    assert table.shape[1] == 200
    problem, start = model()
    values, expected = table[:6], table[6]
    options = {"relative_tolerance": 1e-11, "absolute_tolerance": 1e-13, "method": method}
    # shocks just below and just above the threshold must end differently
    both = [integrate_flows(problem, start(values, expected + d), values, 200.0, **options).status == LaneStatus.EVENT
            for d in (-1e-8, 1e-8)]
    assert both[0].sum() == 0
    assert both[1].sum() == 200


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model"), [("core", core), ("canonical", canonical)])
def test_final_states_and_outcomes_at_the_usual_tolerances(name, model, method):
    with REFERENCE.open(encoding="utf-8") as file:
        rows = [row[1:] for row in csv.reader(file) if row[0] == name][:30]
    table = np.array(rows, dtype=float).T
    problem, start = model()
    values = np.repeat(table[:6], 2, axis=1)
    shock = np.repeat(table[6], 2) * np.tile([0.7, 1.1], 30)
    state = start(values, shock)
    run = integrate_flows(problem, state, values, 50.0, method=method)
    field = scalar_function(list(problem.field), [list(problem.states), list(problem.parameters)])
    (level,) = problem.events
    watched = scalar_function([level], [list(problem.states), list(problem.parameters)])
    for lane, p in enumerate(values.T.tolist()):
        def event(t, y, p=p):
            return watched(y.tolist(), p)[0]

        event.terminal = True
        # short steps: SciPy would otherwise pass over a brief margin call without noticing
        other = solve_ivp(lambda t, y, p=p: field(y.tolist(), p), (0, 50.0), state[:, lane], method="DOP853", rtol=1e-11,
                          atol=1e-13, max_step=0.02, events=event)
        assert (other.status == 1) == (run.status[lane] == LaneStatus.EVENT)
        if other.status == 0:
            error = np.abs(run.final_state[:, lane] - other.y[:, -1]) / (1e-3 + np.abs(other.y[:, -1]))
            assert error.max() < 1e-6
