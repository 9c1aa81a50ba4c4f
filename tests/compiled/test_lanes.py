"""The lane engine against closed forms, SciPy's solvers, and itself in other company."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from dynamics.compiled.elimination import factorise, solve_in_place
from dynamics.compiled.lanes import LaneProblem, LaneResult, LaneStatus, integrate_lanes
from dynamics.compiled.rosenbrock import rosenbrock_step
from dynamics.errors import SpecificationError


def oscillator(**options) -> LaneProblem:
    """x'' = -w^2 x with w the parameter."""

    def field(t, y, p):
        return np.stack([y[1], -(p[0] ** 2) * y[0]])

    def jacobian(t, y, p):
        matrix = np.zeros((2, 2, t.size))
        matrix[0, 1], matrix[1, 0] = 1.0, -(p[0] ** 2)
        return matrix

    return LaneProblem(field, jacobian, **options)


def deleveraging(**options) -> LaneProblem:
    """The core model; price impact and target leverage are the parameters."""

    def field(t, y, p):
        (gap, equity, flow), (impact, target) = y, p
        net = 0.5 * (target * equity - 1.0) - flow
        change = -gap + impact * net
        calls = 20.0 * np.maximum(0.0, 1.0 - equity / 0.05)
        return np.stack([change, (1.0 - equity) * change - equity * net, (calls - flow) / 0.02])

    def jacobian(t, y, p):
        (gap, equity, flow), (impact, target) = y, p
        net = 0.5 * (target * equity - 1.0) - flow
        change = -gap + impact * net
        one = np.ones_like(gap)
        return np.stack(
            [
                np.stack([-one, 0.5 * impact * target, -impact]),
                np.stack(
                    [
                        equity - 1.0,
                        -change + (1.0 - equity) * 0.5 * impact * target - net - 0.5 * equity * target,
                        equity - (1.0 - equity) * impact,
                    ]
                ),
                np.stack([0.0 * one, np.where(equity < 0.05, -400.0, 0.0) / 0.02, -50.0 * one]),
            ]
        )

    return LaneProblem(field, jacobian, **options)


def watched_deleveraging() -> LaneProblem:
    return deleveraging(
        events=lambda t, y, p: np.stack([y[1], y[1] - 0.05, y[1] - 0.05]),
        directions=(-1, -1, 1),
        terminal=(True, False, False),
        running=lambda t, y, p: np.stack([1.0 / y[1], np.exp(y[0])]),
    )


def shocked(size: int, shock: float = 0.1, most: float = 9.9) -> tuple[np.ndarray, np.ndarray]:
    """States just after a price shock, none of them insolvent at once, and parameters, over a grid."""
    impact, target = (a.ravel() for a in np.meshgrid(np.linspace(0.05, 1.0, size), np.linspace(2.0, most, size)))
    state = np.stack([np.full_like(target, -shock), 1.0 - (1.0 - 1.0 / target) * np.exp(shock), 0.0 * target])
    return state, np.stack([impact, target])


def same_bits(one: LaneResult, other: LaneResult) -> None:
    for part in fields(LaneResult):
        first, second = getattr(one, part.name), getattr(other, part.name)
        np.testing.assert_array_equal(first, second, err_msg=part.name)


def pick(result: LaneResult, lanes) -> LaneResult:
    return LaneResult(*(getattr(result, part.name)[..., lanes] for part in fields(LaneResult)))


# --- the method ------------------------------------------------------------------------------------------------------


def test_elimination_pivots_each_lane_on_its_own():
    generator = np.random.default_rng(5)
    matrices = generator.normal(size=(5, 5, 40))
    matrices[0, 0, ::2] = 0.0  # these lanes fail without an exchange of rows
    right = generator.normal(size=(5, 40))
    expected = np.linalg.solve(matrices.transpose(2, 0, 1), right.T[..., None])[..., 0].T
    solve_in_place(factorise(matrices.copy()), right)
    np.testing.assert_allclose(right, expected, rtol=1e-10)


def test_order_five_on_a_nonlinear_field_with_time():
    def field(t, y, p):
        return np.stack([y[1] * y[0] + np.cos(t), -(y[0] ** 2) + t])

    def jacobian(t, y, p):
        return np.array([[y[1], y[0]], [-2.0 * y[0], 0.0 * t]])

    exact = solve_ivp(
        lambda t, y: [y[1] * y[0] + np.cos(t), -(y[0] ** 2) + t],
        (0.0, 1.0),
        [0.5, 0.3],
        method="DOP853",
        rtol=1e-13,
        atol=1e-14,
        dense_output=True,
    )
    ends, insides, estimates = [], [], []
    none = np.zeros((0, 1))
    for count in (10, 20, 40):
        state, worst, estimated = np.array([[0.5], [0.3]]), 0.0, 0.0
        for index in range(count):
            time = np.array([index / count])
            step, error = rosenbrock_step(
                field,
                field(time, state, none),
                jacobian(time, state, none),
                np.stack([-np.sin(time), np.ones(1)]),
                time,
                state,
                none,
                np.array([1.0 / count]),
            )
            for fraction in (0.3, 0.7):
                truth = exact.sol((index + fraction) / count)
                worst = max(worst, float(np.abs(step.state(fraction)[:, 0] - truth).max()))
            estimated = max(estimated, float(np.abs(error).max()))
            state = step.after
        ends.append(float(np.abs(state[:, 0] - exact.y[:, -1]).max()))
        insides.append(worst)
        estimates.append(estimated)
    # Halving the step: order 5 at the ends, at least order 4 inside, local order 5 of the error estimate.
    assert np.log2(ends[0] / ends[1]) > 4.7
    assert np.log2(ends[1] / ends[2]) > 4.7
    assert np.log2(insides[1] / insides[2]) > 3.8
    assert 4.5 < np.log2(estimates[1] / estimates[2]) < 5.6


def test_stiff_decay_is_damped_in_one_huge_step():
    # The stability function at h J = -1e8: an L-stable method returns almost nothing.
    step, _ = rosenbrock_step(
        lambda t, y, p: -1e8 * y,
        np.array([[-1e8]]),
        np.array([[[-1e8]]]),
        None,
        np.zeros(1),
        np.ones((1, 1)),
        np.zeros((0, 1)),
        np.ones(1),
    )
    assert abs(step.after[0, 0]) < 1e-6


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8, 1e-11])
def test_oscillators_follow_the_closed_form(tolerance):
    rates = np.array([0.5, 1.0, 3.0])
    result = integrate_lanes(
        oscillator(), [1.0, 0.0], rates[None], 10.0, relative_tolerance=tolerance, absolute_tolerance=tolerance
    )
    assert (result.status == LaneStatus.COMPLETED).all()
    assert (result.final_time == 10.0).all()
    assert np.abs(result.final_state[0] - np.cos(10.0 * rates)).max() < 100.0 * tolerance
    assert np.abs(result.final_state[1] + rates * np.sin(10.0 * rates)).max() < 300.0 * tolerance


def test_a_field_of_time_follows_the_closed_form():
    # y' = -50 (y - cos t) - sin t has the solution cos t (Prothero and Robinson).
    problem = LaneProblem(
        lambda t, y, p: -50.0 * (y - np.cos(t)) - np.sin(t),
        lambda t, y, p: np.full((1, 1, t.size), -50.0),
        time_derivative=lambda t, y, p: (-50.0 * np.sin(t) - np.cos(t))[None],
    )
    result = integrate_lanes(problem, [np.cos(1.0)], np.zeros((0, 1)), 9.0, initial_time=1.0, relative_tolerance=1e-8)
    assert abs(result.final_state[0, 0] - np.cos(10.0)) < 1e-7


def test_robertson_against_radau():
    def field(t, y, p):
        slow, fast = 0.04 * y[0], 1e4 * y[1] * y[2]
        burn = 3e7 * y[1] ** 2
        return np.stack([-slow + fast, slow - fast - burn, burn])

    def jacobian(t, y, p):
        zero = 0.0 * y[0]
        return np.array(
            [
                [zero - 0.04, 1e4 * y[2], 1e4 * y[1]],
                [zero + 0.04, -1e4 * y[2] - 6e7 * y[1], -1e4 * y[1]],
                [zero, 6e7 * y[1], zero],
            ]
        )

    durations = np.array([0.4, 40.0, 4000.0])
    result = integrate_lanes(
        LaneProblem(field, jacobian),
        [1.0, 0.0, 0.0],
        np.zeros((0, 1)),
        durations,
        relative_tolerance=1e-7,
        absolute_tolerance=[1e-10, 1e-13, 1e-10],
    )
    exact = solve_ivp(
        lambda t, y: field(t, y, None),
        (0.0, 4000.0),
        [1.0, 0.0, 0.0],
        method="Radau",
        jac=lambda t, y: jacobian(t, y, None),
        t_eval=durations,
        rtol=1e-10,
        atol=1e-14,
    )
    np.testing.assert_allclose(result.final_state, exact.y, rtol=1e-6)
    assert result.steps.max() < 200  # an explicit method would need millions


# --- the core model --------------------------------------------------------------------------------------------------


def reference(problem: LaneProblem, state: np.ndarray, parameters: np.ndarray):
    column = parameters[:, None]

    def insolvency(t, y):
        return y[1]

    insolvency.terminal, insolvency.direction = True, -1
    return solve_ivp(
        lambda t, y: problem.field(np.array([t]), y[:, None], column)[:, 0],
        (0.0, 200.0),
        state,
        method="LSODA",
        rtol=1e-10,
        atol=1e-12,
        events=insolvency,
    )


def compare_with_lsoda(size: int) -> None:
    problem = watched_deleveraging()
    states, parameters = shocked(size)
    result = integrate_lanes(problem, states, parameters, 200.0)
    insolvent = result.status == LaneStatus.EVENT
    assert 0.1 < insolvent.mean() < 0.9
    assert (insolvent | (result.status == LaneStatus.COMPLETED)).all()
    for lane in range(states.shape[1]):
        exact = reference(problem, states[:, lane], parameters[:, lane])
        assert bool(exact.t_events[0].size) == insolvent[lane], parameters[:, lane]
        assert abs(result.final_time[lane] - exact.t[-1]) < 1e-4
        np.testing.assert_allclose(result.final_state[:, lane], exact.y[:, -1], rtol=0.0, atol=1e-5)
        if insolvent[lane]:
            assert result.event_index[lane] == 0
            assert result.event_time[0, lane] == result.final_time[lane]


def test_core_model_ends_as_with_lsoda_on_a_small_grid():
    compare_with_lsoda(5)


@pytest.mark.slow
def test_core_model_ends_as_with_lsoda_on_a_grid():
    compare_with_lsoda(12)


def test_core_model_critical_shock_at_the_published_value():
    # Critical shock at price impact 0.3, target leverage 10.9: 0.0232161717.
    shocks = 0.0232161717 + np.array([-1e-4, 1e-4])
    states = np.stack([-shocks, 1.0 - (1.0 - 1.0 / 10.9) * np.exp(shocks), 0.0 * shocks])
    result = integrate_lanes(watched_deleveraging(), states, [0.3, 10.9], 300.0)
    assert result.status.tolist() == [LaneStatus.COMPLETED, LaneStatus.EVENT]


# --- independence of lanes -------------------------------------------------------------------------------------------


def softened() -> LaneProblem:
    """Transcendental functions in every part, since their vector loops are where lane counts could show."""

    def field(t, y, p):
        return np.stack([y[1], -np.sin(y[0]) - p[0] * y[1] + p[1] * np.exp(-t) * np.tanh(y[0])])

    def jacobian(t, y, p):
        soft = p[1] * np.exp(-t) * (1.0 - np.tanh(y[0]) ** 2)
        return np.array([[0.0 * t, 0.0 * t + 1.0], [-np.cos(y[0]) + soft, -p[0]]])

    return LaneProblem(
        field,
        jacobian,
        # The steep one cannot be interpolated well, so that brackets of one batch are at odds about the next trial.
        events=lambda t, y, p: np.stack([np.sin(y[0]), y[1] - 0.5, np.tanh(300.0 * (y[0] - p[0])) + 0.5]),
        directions=(0, 1, 0),
        terminal=(False, False, False),
        running=lambda t, y, p: np.stack([np.log1p(y[0] ** 2), np.cbrt(y[1])]),
        settled=lambda t, y, p: y[0] ** 2 + y[1] ** 2 < 1e-3,
        time_derivative=lambda t, y, p: np.stack([0.0 * t, -p[1] * np.exp(-t) * np.tanh(y[0])]),
    )


@pytest.mark.parametrize("which", ["core", "softened"])
def test_a_lane_does_not_depend_on_its_company(which):
    if which == "core":
        problem, (states, parameters) = watched_deleveraging(), shocked(5, most=15.0)
    else:
        generator = np.random.default_rng(3)
        problem, states = softened(), generator.normal(size=(2, 37))
        parameters = generator.uniform(0.0, 0.5, size=(2, 37))
    count = states.shape[1]
    whole = integrate_lanes(problem, states, parameters, 12.0)
    shuffled = np.random.default_rng(1).permutation(count)
    same_bits(integrate_lanes(problem, states[:, shuffled], parameters[:, shuffled], 12.0), pick(whole, shuffled))
    for subset in (np.arange(0, count, 5), np.array([count - 1])):
        same_bits(integrate_lanes(problem, states[:, subset], parameters[:, subset], 12.0), pick(whole, subset))


def test_blocks_of_lanes_leave_no_trace(monkeypatch):
    states, parameters = shocked(5)
    whole = integrate_lanes(watched_deleveraging(), states, parameters, 10.0)
    monkeypatch.setattr("dynamics.compiled.lanes.BLOCK", 7)
    told: list[tuple[int, int]] = []
    parts = integrate_lanes(
        watched_deleveraging(), states, parameters, 10.0, progress=lambda ended, lanes: told.append((ended, lanes))
    )
    same_bits(parts, whole)
    assert told[-1] == (25, 25)
    assert all(a[0] < b[0] for a, b in pairwise(told))


# --- events ----------------------------------------------------------------------------------------------------------


def test_event_times_directions_and_counts():
    # x = cos t over five periods: zeros at (k + 1/2) pi, falling for even k.
    problem = oscillator(
        events=lambda t, y, p: np.stack([y[0], y[0], y[0], y[0] - 2.0]),
        directions=(-1, 1, 0, 0),
        terminal=(False, False, False, False),
    )
    result = integrate_lanes(problem, [1.0, 0.0], [1.0], 10.0 * np.pi, relative_tolerance=1e-11)
    assert result.event_counts[:, 0].tolist() == [5, 5, 10, 0]
    np.testing.assert_allclose(result.event_time[:3, 0], [np.pi / 2, 3 * np.pi / 2, np.pi / 2], rtol=1e-9)
    assert np.isnan(result.event_time[3, 0])
    assert result.status[0] == LaneStatus.COMPLETED
    assert result.event_index[0] == -1


def test_the_first_terminal_event_ends_a_lane_and_its_records():
    # Rising through 0.5 comes at 2 pi - pi/3; falling through -0.5 at 2 pi/3 is not terminal.
    problem = oscillator(
        events=lambda t, y, p: np.stack([y[0] + 0.5, y[0] - 0.5, y[0] - 0.9]),
        directions=(-1, 1, 1),
        terminal=(False, True, True),
        running=lambda t, y, p: y[:1],
    )
    result = integrate_lanes(problem, [0.0, -1.0], [1.0], 50.0, relative_tolerance=1e-10)
    # x = -sin t reaches 0.5 upwards at pi + pi/6.
    assert result.status[0] == LaneStatus.EVENT
    assert result.event_index[0] == 1
    assert result.final_time[0] == pytest.approx(7.0 * np.pi / 6.0, rel=1e-8)
    assert result.event_time[1, 0] == result.final_time[0]
    np.testing.assert_allclose(result.final_state[:, 0], [0.5, np.sqrt(0.75)], rtol=1e-8)
    assert result.event_counts[:, 0].tolist() == [1, 1, 0]
    assert np.isnan(result.event_time[2, 0])
    assert result.maximum[0, 0] == pytest.approx(0.5, abs=1e-8)
    assert result.minimum[0, 0] == pytest.approx(-1.0, abs=1e-8)
    assert result.final_running[0, 0] == result.final_state[0, 0]


@pytest.mark.parametrize("terminal", [False, True])
def test_grazing_zeros_inside_a_step_are_found(terminal):
    # cos t + depth dips below zero around pi for less than a step: two crossings that the ends of steps do not show.
    depth = np.array([1.0 - 1e-3, 1.0 - 1e-5, 1.0 + 1e-5])
    problem = oscillator(
        events=lambda t, y, p: np.stack([y[0] + p[1], y[0] + p[1]]), directions=(-1, 1), terminal=(terminal, False)
    )
    result = integrate_lanes(
        problem, [1.0, 0.0], [np.ones(3), depth], 6.0, relative_tolerance=1e-9, absolute_tolerance=1e-9
    )
    assert result.event_counts.tolist() == ([[1, 1, 0], [0, 0, 0]] if terminal else [[1, 1, 0], [1, 1, 0]])
    first = np.arccos(-depth[:2])
    np.testing.assert_allclose(result.event_time[0, :2], first, atol=1e-5)
    assert result.event_index.tolist() == ([0, 0, -1] if terminal else [-1, -1, -1])
    # The dip of the second lane lasts 0.009, a tenth of a step.
    assert 6.0 / result.steps[1] > 0.09
    if not terminal:
        np.testing.assert_allclose(result.event_time[1, :2], 2.0 * np.pi - first, atol=1e-5)


def test_several_crossings_within_one_step_are_counted():
    # The state is linear in time, so the steps grow as fast as they may and the last one takes nearly all.
    problem = LaneProblem(
        lambda t, y, p: np.ones_like(y),
        lambda t, y, p: np.zeros((1, 1, t.size)),
        events=lambda t, y, p: (y - 0.3) * (y - 0.6) * (y - 0.9),
        directions=(0,),
        terminal=(False,),
    )
    result = integrate_lanes(problem, [0.0], np.zeros((0, 1)), 1.0, absolute_tolerance=1.0)
    assert result.event_counts[0, 0] == 3
    assert result.steps[0] < 8
    assert result.event_time[0, 0] == pytest.approx(0.3, abs=1e-12)


def test_an_event_that_is_zero_at_the_start_has_not_happened():
    problem = oscillator(events=lambda t, y, p: y[:1], directions=(0,), terminal=(True,))
    result = integrate_lanes(problem, [0.0, 1.0], [1.0], 10.0, relative_tolerance=1e-9)
    assert result.final_time[0] == pytest.approx(np.pi, rel=1e-8)


# --- running extremes ------------------------------------------------------------------------------------------------


def test_running_extremes_between_steps():
    # x = A sin t, y = A cos t: the extremes of x + y^2 / A^2 are 1 + 1/4 (A = 1) and -1; of x, plus and minus A.
    sizes = np.array([1.0, 2.0, 5.0])
    problem = oscillator(running=lambda t, y, p: np.stack([y[0], y[0] + y[1] ** 2]))
    states = np.stack([0.0 * sizes, sizes])
    result = integrate_lanes(problem, states, [1.0], 20.0, relative_tolerance=1e-8)
    np.testing.assert_allclose(result.maximum[0], sizes, rtol=1e-6)
    np.testing.assert_allclose(result.minimum[0], -sizes, rtol=1e-6)
    np.testing.assert_allclose(result.maximum[1], sizes**2 + 0.25, rtol=1e-6)
    np.testing.assert_allclose(result.minimum[1], -sizes, rtol=1e-6)
    assert 20.0 / result.steps.max() > 0.05  # the points of the steps alone would miss by up to 0.05**2 / 8


def test_extremes_of_a_monotone_quantity_are_its_ends():
    problem = LaneProblem(
        lambda t, y, p: -y, lambda t, y, p: np.full((1, 1, t.size), -1.0), running=lambda t, y, p: 3.0 * y
    )
    result = integrate_lanes(problem, [2.0], np.zeros((0, 1)), 1.0)
    assert result.maximum[0, 0] == 6.0
    assert result.minimum[0, 0] == result.final_running[0, 0] == pytest.approx(6.0 / np.e, rel=1e-5)


# --- statuses --------------------------------------------------------------------------------------------------------


def scalar(field, slope, **options) -> LaneProblem:
    return LaneProblem(lambda t, y, p: field(y), lambda t, y, p: slope(y)[None], **options)


def test_blow_up_is_diverged_at_the_right_time():
    problem = scalar(lambda y: y * y, lambda y: 2.0 * y)
    result = integrate_lanes(problem, [[1.0, 0.01, -1.0]], np.zeros((0, 1)), 200.0)
    assert result.status.tolist() == [LaneStatus.DIVERGED, LaneStatus.DIVERGED, LaneStatus.COMPLETED]
    np.testing.assert_allclose(result.final_time[:2], [1.0, 100.0], rtol=1e-5)
    assert result.final_state[0, 2] == pytest.approx(-1.0 / 201.0, rel=1e-5)


def test_leaving_the_domain_is_an_invalid_state_at_the_right_time():
    # y' = -1 - sqrt(y) reaches 0 at t = 2 (1 - log 2) from y = 1 and has no continuation.
    problem = scalar(lambda y: -1.0 - np.sqrt(y), lambda y: -0.5 / np.sqrt(y))
    result = integrate_lanes(problem, [[1.0, -1.0, np.nan]], np.zeros((0, 1)), 5.0)
    assert (result.status == LaneStatus.INVALID_STATE).all()
    assert result.final_time[0] == pytest.approx(2.0 * (1.0 - np.log(2.0)), abs=1e-4)
    assert 0.0 <= result.final_state[0, 0] < 1e-4
    assert result.steps[1:].tolist() == [0, 0]
    assert result.final_time[1:].tolist() == [0.0, 0.0]


def test_a_jacobian_that_is_not_finite_ends_a_lane_soon():
    # sqrt(y) at 0: the field is fine, its slope is infinite.
    problem = scalar(np.sqrt, lambda y: 0.5 / np.sqrt(y))
    result = integrate_lanes(problem, [[0.0, 1.0]], np.zeros((0, 1)), 1.0)
    assert result.status.tolist() == [LaneStatus.INVALID_STATE, LaneStatus.COMPLETED]
    assert result.rejected[0] < 60
    assert result.final_state[0].tolist() == pytest.approx([0.0, 2.25])


def test_a_finite_singularity_is_a_step_underflow():
    # y' = -1/y reaches 0 at t = 1/2 with infinite slope and reverses its sign there.
    problem = scalar(lambda y: -1.0 / y, lambda y: 1.0 / (y * y))
    result = integrate_lanes(problem, [1.0], np.zeros((0, 1)), 2.0)
    assert result.status[0] in (LaneStatus.STEP_UNDERFLOW, LaneStatus.INVALID_STATE)
    assert result.final_time[0] == pytest.approx(0.5, abs=1e-5)


def test_functions_may_return_views_of_their_arguments():
    problem = LaneProblem(
        lambda t, y, p: y,
        lambda t, y, p: np.ones((1, 1, t.size)),
        events=lambda t, y, p: y,
        directions=(1,),
        terminal=(False,),
        running=lambda t, y, p: y,
    )
    result = integrate_lanes(problem, [[1.0, 2.0]], np.zeros((0, 1)), 1.0, relative_tolerance=1e-8)
    np.testing.assert_allclose(result.final_state, [[np.e, 2.0 * np.e]], rtol=1e-6)
    np.testing.assert_array_equal(result.minimum, [[1.0, 2.0]])
    np.testing.assert_array_equal(result.maximum, result.final_state)


def test_the_step_limit_counts_every_attempt():
    result = integrate_lanes(oscillator(), [1.0, 0.0], [[1.0, 50.0]], 10.0, max_steps=60)
    assert result.status.tolist() == [LaneStatus.COMPLETED, LaneStatus.STEP_LIMIT]
    assert result.steps[1] + result.rejected[1] == 60
    assert result.final_time[1] < 10.0


def test_settled_needs_consecutive_hits():
    def decay(hits: int) -> LaneResult:
        problem = scalar(
            lambda y: -y, lambda y: 0.0 * y - 1.0, settled=lambda t, y, p: np.abs(y[0]) < 1e-3, settle_hits=hits
        )
        return integrate_lanes(problem, [[1.0, 1e-6, 5.0]], np.zeros((0, 1)), np.array([100.0, 100.0, 1.0]))

    once, thrice = decay(1), decay(3)
    assert once.status.tolist() == thrice.status.tolist() == [LaneStatus.SETTLED] * 2 + [LaneStatus.COMPLETED]
    assert (thrice.steps - once.steps).tolist() == [2, 2, 0]
    assert once.final_state[0, 0] < 1e-3
    assert once.final_time[0] > np.log(1000.0)


def test_passing_through_a_settled_region_is_not_settling():
    # Each pass through |x| < 0.3 lasts 0.6, fewer than four steps; the ten passes together make about twenty.
    problem = oscillator(settled=lambda t, y, p: np.abs(y[0]) < 0.3, settle_hits=5)
    result = integrate_lanes(problem, [1.0, 0.0], [1.0], 10.0 * np.pi)
    assert result.status[0] == LaneStatus.COMPLETED
    assert 10.0 < result.steps[0] * 6.0 / (10.0 * np.pi) < 40.0


def test_no_duration_and_no_lanes():
    result = integrate_lanes(oscillator(), [1.0, 0.0], [[1.0, 2.0]], [0.0, 1.0])
    assert result.status.tolist() == [LaneStatus.COMPLETED] * 2
    assert result.steps[0] == 0
    assert result.final_state[:, 0].tolist() == [1.0, 0.0]
    empty = integrate_lanes(oscillator(), np.zeros((2, 0)), np.zeros((1, 0)), 1.0)
    assert empty.status.shape == (0,)
    assert empty.final_state.shape == (2, 0)


def test_a_kink_is_integrated_to_tolerance():
    # y' = max(0, t - 1), y(3) = 2: the third derivative is missing at t = 1.
    problem = LaneProblem(
        lambda t, y, p: np.maximum(0.0, t - 1.0)[None],
        lambda t, y, p: np.zeros((1, 1, t.size)),
        time_derivative=lambda t, y, p: (t > 1.0).astype(float)[None],
    )
    result = integrate_lanes(problem, [0.0], np.zeros((0, 1)), 3.0)
    assert result.final_state[0, 0] == pytest.approx(2.0, abs=1e-5)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_faults_are_named():
    with pytest.raises(SpecificationError, match="number of lanes"):
        integrate_lanes(oscillator(), np.zeros((2, 3)), np.zeros((1, 4)), 1.0)
    with pytest.raises(SpecificationError, match="negative"):
        integrate_lanes(oscillator(), [1.0, 0.0], [1.0], -1.0)
    with pytest.raises(SpecificationError, match="positive"):
        integrate_lanes(oscillator(), [1.0, 0.0], [1.0], 1.0, relative_tolerance=0.0)
    with pytest.raises(SpecificationError, match=r"absolute_tolerance has shape \(3,\)"):
        integrate_lanes(oscillator(), [1.0, 0.0], [1.0], 1.0, absolute_tolerance=[1.0, 1.0, 1.0])
    with pytest.raises(SpecificationError, match="3 dimensions"):
        integrate_lanes(oscillator(), np.zeros((2, 1, 1)), [1.0], 1.0)
    wrong = LaneProblem(lambda t, y, p: y[:1], lambda t, y, p: np.zeros((2, 2, t.size)))
    with pytest.raises(SpecificationError, match=r"field has shape \(1, 1\)"):
        integrate_lanes(wrong, [1.0, 0.0], [1.0], 1.0)
    with pytest.raises(SpecificationError) as fault:
        oscillator(directions=(2,), terminal=(), settle_hits=0)
    assert len(fault.value.faults) == 4


def test_event_times_agree_with_a_root_of_a_reference_solution():
    # Van der Pol, mu = 2: x falls through 1 for the first time.
    def field(t, y, p):
        return np.stack([y[1], p[0] * (1.0 - y[0] ** 2) * y[1] - y[0]])

    def jacobian(t, y, p):
        return np.array([[0.0 * t, 0.0 * t + 1.0], [-2.0 * p[0] * y[0] * y[1] - 1.0, p[0] * (1.0 - y[0] ** 2)]])

    problem = LaneProblem(field, jacobian, events=lambda t, y, p: y[:1] - 1.0, directions=(-1,), terminal=(False,))
    result = integrate_lanes(problem, [2.0, 0.0], [2.0], 8.0, relative_tolerance=1e-9, absolute_tolerance=1e-11)
    exact = solve_ivp(
        lambda t, y: field(t, y, [2.0]),
        (0.0, 8.0),
        [2.0, 0.0],
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
        dense_output=True,
    )
    root = brentq(lambda t: exact.sol(t)[0] - 1.0, 0.5, 3.0, xtol=1e-13)
    assert result.event_time[0, 0] == pytest.approx(root, abs=1e-8)
    np.testing.assert_allclose(result.final_state[:, 0], exact.y[:, -1], atol=1e-7)
