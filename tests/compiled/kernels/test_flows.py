"""Compiled trajectories: closed forms, SciPy, the array engine, statuses, and digits that depend on nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Integer, Max, Rational, Symbol, cos, exp, sqrt

from dynamics.compiled.code import vector_function
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows
from dynamics.compiled.kernels.single_steps import take_steps
from dynamics.compiled.lanes import LaneProblem, LaneStatus, integrate_lanes
from dynamics.errors import SpecificationError
from dynamics.expressions.functions import softplus
from dynamics.systems import TIME

X, V, Y, A, B = (Symbol(n) for n in ("x", "v", "y", "a", "b"))
METHODS = ("tsit5", "rodas5p", "auto")
TIGHT = {"relative_tolerance": 1e-10, "absolute_tolerance": 1e-12}
PENDULUM = FlowProblem((X, V), (A,), (V, -A * X), events=(X, X, V), directions=(-1, 1, 0), terminal=(False,) * 3,
                       running=(X, X * V))
SQUEEZE = FlowProblem(
    (X, V), (A, B), (V - X, A * softplus((1 - X) / B) - V * X), events=(X - 2, V - 5), directions=(1, 0),
    terminal=(True, False), running=(X, V / X))


@pytest.mark.parametrize("method", METHODS)
class TestClosedForms:
    def test_decay(self, method):
        run = integrate_flows(FlowProblem((Y,), (A,), (-A * Y,)), [1.0], [[0.5, 1.0, 2.0]], 3.0, method=method, **TIGHT)
        assert np.allclose(run.final_state[0], np.exp(-3.0 * np.array([0.5, 1.0, 2.0])), rtol=1e-9)
        assert (run.status == LaneStatus.COMPLETED).all()
        assert (run.final_time == 3.0).all()

    def test_a_field_that_depends_on_time(self, method):
        run = integrate_flows(FlowProblem((Y,), (A,), (cos(A * TIME),)), [0.0], [[1.0, 7.0]], [3.0, 2.0], method=method,
                              initial_time=[0.0, 1.0], **TIGHT)
        assert np.allclose(run.final_state[0], [np.sin(3.0), (np.sin(21.0) - np.sin(7.0)) / 7.0], rtol=0, atol=1e-10)

    def test_events_and_extremes(self, method):
        # x = cos(w t): crossings and extremes are known
        run = integrate_flows(PENDULUM, [1.0, 0.0], [[1.0, 4.0]], 20.0, method=method, **TIGHT)
        w = np.array([1.0, 2.0])
        assert np.allclose(run.event_time, np.array([[0.5], [1.5], [1.0]]) * np.pi / w, rtol=0, atol=1e-9)
        assert run.event_counts.tolist() == [[3, 7], [3, 6], [6, 12]]
        assert np.allclose(run.maximum, [[1.0, 1.0], [0.5, 1.0]], atol=1e-8)
        assert np.allclose(run.minimum, [[-1.0, -1.0], [-0.5, -1.0]], atol=1e-8)
        assert np.allclose(run.final_running[0], np.cos(20.0 * w), atol=1e-8)
        assert np.allclose(run.drawdown, [[2.0, 2.0], [1.0, 2.0]], atol=1e-8)

    def test_the_deepest_fall_need_not_reach_the_lowest_value(self, method):
        # rising on the whole, with a fall of known depth in every period
        rise = FlowProblem((Y,), (A,), (A + cos(TIME),), running=(Y,))
        a = np.array([0.35, 0.7, 1.5])
        run = integrate_flows(rise, [0.0], [a], 30.0, method=method, **TIGHT)
        top = np.arccos(-np.minimum(a, 1.0))
        depth = np.where(a < 1, 2 * np.sin(top) - 2 * a * (np.pi - top), 0.0)
        assert np.allclose(run.drawdown[0], depth, atol=1e-8)
        assert np.allclose(run.minimum[0], 0.0, atol=1e-12)

    def test_a_terminal_event_ends_the_lane_there(self, method):
        halving = FlowProblem((Y,), (A,), (-A * Y,), (Y - Rational(1, 2),), (-1,), (True,))
        run = integrate_flows(halving, [1.0], [[1.0, 2.0, 0.01]], 10.0, method=method, **TIGHT)
        assert run.status.tolist() == [LaneStatus.EVENT, LaneStatus.EVENT, LaneStatus.COMPLETED]
        assert run.event_index.tolist() == [0, 0, -1]
        assert np.allclose(run.final_time[:2], np.log(2.0) / [1.0, 2.0], rtol=1e-10)
        assert np.allclose(run.final_state[0, :2], 0.5, rtol=1e-9)
        assert np.isnan(run.event_time[0, 2])

    def test_two_events_of_one_step(self, method):
        # a straight line is one step long; the first of its events ends it
        line = FlowProblem((Y,), (A,), (A,), (Y - 3, Y - 2, Y - 1), (1, 1, 1), (True, True, False))
        run = integrate_flows(line, [0.0], [[1.0, 5.0]], 100.0, method=method)
        assert run.event_index.tolist() == [1, 1]
        assert np.allclose(run.event_time[1:], [[2.0, 0.4], [1.0, 0.2]], rtol=1e-12)
        assert np.isnan(run.event_time[0]).all()


@pytest.mark.parametrize("method", METHODS)
def test_scipy_agrees(method):
    sigma = Integer(10)
    z = Symbol("z")
    lorenz = FlowProblem((X, Y, z), (A,), (sigma * (Y - X), X * (A - z) - Y, X * Y - Rational(8, 3) * z))
    rates = [14.0, 28.0]
    run = integrate_flows(lorenz, [1.0, 2.0, 3.0], [rates], 3.0, method=method, relative_tolerance=1e-11,
                          absolute_tolerance=1e-12)
    for lane, rate in enumerate(rates):
        other = solve_ivp(lambda t, y, r=rate: [10 * (y[1] - y[0]), y[0] * (r - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]],
                          (0, 3), [1.0, 2.0, 3.0], method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        assert np.allclose(run.final_state[:, lane], other, rtol=1e-8)


def test_stiff_problems_go_to_the_stiff_method():
    problem = FlowProblem((Y, V), (A,), (V, A * ((1 - Y**2) * V) - Y))
    stiff, soft = 1000.0, 1.0
    run = integrate_flows(problem, [2.0, 0.0], [[stiff, soft]], [500.0, 20.0])
    forced = integrate_flows(problem, [2.0, 0.0], [[stiff, soft]], [500.0, 20.0], method="tsit5")
    assert run.steps[0] < 500
    assert forced.steps[0] > 50_000
    assert run.steps[1] == forced.steps[1]  # what is not stiff stays with the explicit method
    other = solve_ivp(lambda t, y: [y[1], stiff * (1 - y[0] ** 2) * y[1] - y[0]], (0, 500), [2.0, 0.0], method="Radau",
                      rtol=1e-9, atol=1e-11).y[:, -1]
    assert np.allclose(run.final_state[:, 0], other, rtol=1e-5)


@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_order_five(method):
    problem = FlowProblem((X, V), (), (V * cos(TIME) - X, -X * V + exp(-X)))
    exact = solve_ivp(lambda t, y: [y[1] * np.cos(t) - y[0], -y[0] * y[1] + np.exp(-y[0])], (0.3, 0.7), [1.0, 0.5],
                      method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    errors = []
    for count in (2, 4):
        y, t = np.array([[1.0], [0.5]]), 0.3
        for _ in range(count):
            y, _, _ = take_steps(problem, method, t, y, np.empty((0, 1)), 0.4 / count)
            t += 0.4 / count
        errors.append(np.abs(y[:, 0] - exact).max())
    assert 4.4 < np.log2(errors[0] / errors[1]) < 6.5


@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_the_continuous_solution_has_order_four(method):
    problem = FlowProblem((X, V), (), (V * cos(TIME) - X, -X * V + exp(-X)))
    errors = []
    for step in (0.4, 0.2):
        _, _, between = take_steps(problem, method, 0.3, [[1.0], [0.5]], np.empty((0, 1)), step, fraction=0.4)
        exact = solve_ivp(lambda t, y: [y[1] * np.cos(t) - y[0], -y[0] * y[1] + np.exp(-y[0])], (0.3, 0.3 + 0.4 * step),
                          [1.0, 0.5], method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
        errors.append(np.abs(between[:, 0] - exact).max())
    assert 4.3 < np.log2(errors[0] / errors[1]) < 7.5


# ---- one engine is the other's oracle -------------------------------------------------------------------------------

def squeezed(lanes):
    g = np.random.default_rng(5)
    return g.uniform(0.1, 1.5, (2, lanes)), np.stack([g.uniform(0.5, 4.0, lanes), g.uniform(0.05, 0.5, lanes)])


@pytest.mark.parametrize("method", METHODS)
def test_the_array_engine_agrees(method):
    p = SQUEEZE
    arguments = [p.states, p.parameters]

    def lanes_of(expressions):
        f = vector_function(expressions, arguments)
        return lambda t, y, q: np.array([np.broadcast_to(v, t.shape) for v in f(y, q)])

    jacobian = lanes_of([f.diff(s) for f in p.field for s in p.states])
    problem = LaneProblem(lanes_of(p.field), lambda t, y, q: jacobian(t, y, q).reshape(2, 2, -1), lanes_of(p.events),
                          p.directions, p.terminal, lanes_of(p.running))
    state, parameters = squeezed(200)
    expected = integrate_lanes(problem, state, parameters, 8.0, **TIGHT)
    run = integrate_flows(p, state, parameters, 8.0, method=method, **TIGHT)
    assert np.array_equal(run.status, expected.status)
    assert set(run.status.tolist()) == {LaneStatus.COMPLETED, LaneStatus.EVENT}
    assert np.array_equal(run.event_index, expected.event_index)
    assert np.array_equal(run.event_counts, expected.event_counts)
    for name in ("final_time", "final_state", "event_time", "maximum", "minimum", "drawdown", "final_running"):
        assert np.allclose(getattr(run, name), getattr(expected, name), rtol=3e-8, atol=3e-8, equal_nan=True), name


# ---- digits ---------------------------------------------------------------------------------------------------------

def same(left, right):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(vars(left).values(), vars(right).values(), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_width_threads_order_and_company_change_no_digit(method):
    state, parameters = squeezed(1500)
    whole = integrate_flows(SQUEEZE, state, parameters, 8.0, method=method)
    for options in ({"width": 2}, {"width": 4}, {"width": 8}, {"threads": 2}, {"threads": 3, "width": 4},
                    {"progress": lambda ended, lanes: None}):
        assert same(whole, integrate_flows(SQUEEZE, state, parameters, 8.0, method=method, **options)), options
    order = np.random.default_rng(3).permutation(1500)
    turned = integrate_flows(SQUEEZE, state[:, order], parameters[:, order], 8.0, method=method)
    assert np.array_equal(turned.final_state, whole.final_state[:, order])
    assert np.array_equal(turned.maximum, whole.maximum[:, order])
    for lane in (0, 700, 1499):
        alone = integrate_flows(SQUEEZE, state[:, lane], parameters[:, lane], 8.0, method=method)
        assert np.array_equal(alone.final_state[:, 0], whole.final_state[:, lane])
        assert alone.steps[0] == whole.steps[lane]


def test_progress_counts_every_lane_once():
    state, parameters = squeezed(1100)
    seen = []
    integrate_flows(SQUEEZE, state, parameters, 8.0, threads=2, progress=lambda ended, lanes: seen.append((ended, lanes)))
    assert seen[-1] == (1100, 1100)
    assert [e for e, _ in seen] == sorted(e for e, _ in seen)


# ---- how a lane ends ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
class TestStatuses:
    def one(self, method, field, state, duration=10.0, values=(0.0,), **options):
        problem = FlowProblem((Y,), (A,), (field,), **options.pop("more", {}))
        return integrate_flows(problem, [state], [list(values)], duration, method=method, **options)

    def test_finite_time_blow_up_diverges(self, method):
        run = self.one(method, Y**2, 1.0)
        assert run.status[0] == LaneStatus.DIVERGED
        assert abs(run.final_time[0] - 1.0) < 1e-5

    def test_an_infinite_slope_is_a_step_underflow(self, method):
        # y = sqrt(1 - 2t) ends at 0 with a finite value
        run = self.one(method, -1 / Y, 1.0)
        assert run.status[0] in (LaneStatus.STEP_UNDERFLOW, LaneStatus.INVALID_STATE)
        assert abs(run.final_time[0] - 0.5) < 1e-4

    def test_leaving_the_domain_is_an_invalid_state(self, method):
        run = self.one(method, -sqrt(Y), 1.0)
        assert run.status[0] == LaneStatus.INVALID_STATE
        assert run.final_state[0, 0] >= 0.0
        assert abs(run.final_time[0] - 2.0) < 1e-4

    def test_step_limit(self, method):
        run = self.one(method, cos(50 * TIME), 0.0, max_steps=20)
        assert run.status[0] == LaneStatus.STEP_LIMIT
        assert run.steps[0] + run.rejected[0] == 20

    def test_a_start_that_is_no_number(self, method):
        run = integrate_flows(FlowProblem((Y,), (A,), (A / (Y - 1),)), [[1.0, np.nan, np.inf, 2.0]], [1.0], 1.0,
                              method=method)
        assert run.status.tolist() == [LaneStatus.INVALID_STATE] * 3 + [LaneStatus.COMPLETED]

    def test_no_time_at_all(self, method):
        run = self.one(method, Y, 2.0, 0.0)
        assert run.status[0] == LaneStatus.COMPLETED
        assert run.final_state[0, 0] == 2.0
        assert run.steps[0] == 0

    def test_settled(self, method):
        more = {"settled": (Rational(1, 1000) - Y,), "settle_hits": 3}
        run = self.one(method, -Y, 1.0, 100.0, more=more)
        assert run.status[0] == LaneStatus.SETTLED
        assert run.final_time[0] < 30
        assert run.final_state[0, 0] < 1e-3


def test_an_event_at_the_very_start_is_not_one():
    # falling from exactly zero: zero was not reached from above
    problem = FlowProblem((Y,), (A,), (A,), (Y,), (-1,), (True,))
    run = integrate_flows(problem, [0.0], [[-1.0, 1.0]], 1.0)
    assert run.status.tolist() == [LaneStatus.COMPLETED] * 2


def test_no_lanes():
    run = integrate_flows(SQUEEZE, np.empty((2, 0)), np.empty((2, 0)), 1.0)
    assert run.final_state.shape == (2, 0)


@pytest.mark.parametrize(("changes", "words"), [
    ({"initial_state": [1.0]}, "initial_state"),
    ({"parameters": np.ones((2, 3)), "initial_state": np.ones((2, 2))}, "lanes"),
    ({"duration": -1.0}, "duration"), ({"relative_tolerance": 0.0}, "tolerance"), ({"method": "euler"}, "euler"),
    ({"absolute_tolerance": [1.0, 1.0, 1.0]}, "absolute_tolerance"),
])
def test_what_does_not_fit_is_refused(changes, words):
    given = {"initial_state": [1.0, 1.0], "parameters": [1.0, 0.1], "duration": 1.0, **changes}
    with pytest.raises(SpecificationError, match=words):
        integrate_flows(SQUEEZE, **given)


@pytest.mark.parametrize(("changes", "words"), [
    ({"field": (X,)}, "2 states"), ({"directions": (1, 2)}, "directions"), ({"terminal": (True,)}, "terminal"),
    ({"field": (X, Symbol("strange"))}, "strange"), ({"settle_hits": 0}, "settle_hits"),
])
def test_problems_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(SpecificationError, match=words):
        replace(SQUEEZE, **changes)


def test_max_of_parameters_is_no_border():
    problem = FlowProblem((Y,), (A, B), (-Max(A, B) * Y,))
    assert not problem.switches.quantities
    run = integrate_flows(problem, [1.0], [[1.0, 1.0], [0.5, 2.0]], 1.0, **TIGHT)
    assert np.allclose(run.final_state[0], np.exp([-1.0, -2.0]), rtol=1e-9)
