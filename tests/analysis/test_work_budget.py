"""What cannot be finished is stopped early, with the part that was computed; what cannot be kept is not begun."""

import tracemalloc

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import work_budget
from dynamics.errors import IntegrationError, SpecificationError


def flow(equations, states, **parts):
    return dy.System(name="flow", states=states, equations=equations, **parts)


@pytest.fixture
def small(monkeypatch):
    """The same budgets, a hundredth of their size."""
    monkeypatch.setattr(work_budget, "MOST_STEPS", 10_000)
    monkeypatch.setattr(work_budget, "LOOK_EVERY", 400)


@pytest.mark.parametrize("power", [2, 3])
def test_oscillations_without_end_before_a_finite_time(small, power):
    # y = tan(t) reaches infinity at pi/2, and cos(y**power) oscillates infinitely often on the way
    system = flow({"x": f"cos(y**{power}) - x", "y": "1 + y**2"}, {"x": 0, "y": 0})
    with pytest.raises(IntegrationError, match=r"steps led to time 1\.\d+, .* may end in finite time") as caught:
        dy.integrate(system, 5.0)
    part = caught.value.partial
    assert part.attrs["status"] == "step_limit"
    assert part["time"].values[-1] < np.pi / 2
    np.testing.assert_allclose(part["y"].values, np.tan(part["time"].values), rtol=1e-6)


def test_a_duration_of_a_billion_periods(small):
    with pytest.raises(IntegrationError, match=r"pace of the last ones time 1 is [\d.e+]+ steps away") as caught:
        dy.integrate(flow({"x": "1000000000*cos(1000000000*time)"}, {"x": 0}), 1.0)
    part = caught.value.partial
    np.testing.assert_allclose(part["x"], np.sin(1e9 * part["time"]), atol=1e-5)


def test_millions_of_resets(small):
    system = flow({"x": "1000000"}, {"x": 0}, events={"full": dy.Event("x - 1", "rising", assign={"x": "0"})})
    with pytest.raises(IntegrationError, match="steps away") as caught:
        dy.integrate(system, 5.0)
    # a reset each microsecond, up to where the path was stopped
    times = caught.value.partial["event_time"].values
    np.testing.assert_allclose(times, 1e-6 * np.arange(1, times.size + 1), rtol=1e-6)


def test_a_slow_beginning_is_no_reason_to_stop(small):
    # fast oscillations that die out: at the pace of the first look 60 would be a million steps away
    system = flow({"x": "y", "y": "-4000000*x - 2000*y"}, {"x": 1, "y": 0})
    run = dy.integrate(system, 60.0)
    assert run.attrs["status"] == "completed"
    assert work_budget.LOOK_EVERY < run.attrs["accepted_steps"] < 2000


def test_a_blow_up_in_few_steps_is_still_one(small):
    with pytest.raises(IntegrationError, match="may end in finite time"):
        dy.integrate(flow({"y": "exp(y)"}, {"y": 0}), 5.0)


def test_the_work_of_all_pieces_counts_together():
    work = work_budget.Work(0.0, 1.0)
    # an even pace that would arrive just within the budget
    share = work_budget.LOOK_EVERY / work_budget.MOST_STEPS
    looks = round(1 / share)
    assert [work.refused(share * (k + 1), work_budget.LOOK_EVERY) for k in range(looks)] == [""] * looks
    assert "more than 1000000 steps" in work.refused(1.0)


@pytest.mark.parametrize(("times", "word"), [(0.99, ""), (1.01, "steps away")])
def test_only_what_is_far_beyond_the_budget_is_given_up_early(times, word):
    # at an even pace the end would be so many times HOPELESS budgets away after the second look
    work = work_budget.Work(0.0, 1.0)
    share = work_budget.LOOK_EVERY / (times * work_budget.HOPELESS * work_budget.MOST_STEPS + 2 * work_budget.LOOK_EVERY)
    assert work.refused(share, work_budget.LOOK_EVERY) == ""
    assert word in work.refused(2 * share, work_budget.LOOK_EVERY)
    assert bool(work.hopeless) == bool(word)


def test_one_slow_look_is_forgiven_and_two_are_not():
    slow = 1e-9
    work = work_budget.Work(0.0, 1.0)
    assert work.refused(slow, work_budget.LOOK_EVERY) == ""
    assert work.refused(0.5, work_budget.LOOK_EVERY) == ""
    assert work.refused(0.5 + slow, work_budget.LOOK_EVERY) == ""
    assert "steps away" in work.refused(0.5 + 2 * slow, work_budget.LOOK_EVERY)


def test_time_that_stands_still_is_hopeless():
    work = work_budget.Work(0.0, 1.0)
    work.refused(0.5, work_budget.LOOK_EVERY)
    work.refused(0.5, work_budget.LOOK_EVERY)
    assert "inf steps away" in work.refused(0.5, work_budget.LOOK_EVERY)


@pytest.mark.slow
def test_the_usual_budget_keeps_memory_small():
    system = flow({"x": "cos(y**2) - x", "y": "1 + y**2"}, {"x": 0, "y": 0})
    tracemalloc.start()
    try:
        with pytest.raises(IntegrationError, match="may end in finite time"):
            dy.integrate(system, 5.0)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()


HALF = dy.System(name="half", time="discrete", states={"x": 1}, parameters={"a": 1, "b": 1}, equations={"x": "a*b*x/2"})
DECAY = flow({"x": "-a*b*x"}, {"x": 1}, parameters={"a": 1, "b": 1}, events={"e": dy.Event("x - 1/10", terminal=True)})
MANY = range(1, 10**12)


@pytest.mark.parametrize("call", [
    lambda: dy.integrate(DECAY, 5.0, times=MANY),
    lambda: dy.integrate(DECAY, 5.0, times=np.broadcast_to(1.0, 10**9)),
    lambda: dy.iterate(HALF, 10**12),
    lambda: dy.sweep(DECAY, {"a": MANY}, "x", duration=1.0),
    lambda: dy.sweep(DECAY, {"a": range(1, 20_000), "b": range(1, 20_000)}, "x", duration=1.0),
    lambda: dy.phase_diagram(DECAY, ("a", range(1, 20_000)), ("b", range(1, 20_000)), duration=1.0),
    lambda: dy.phase_diagram(DECAY, ("a", range(1, 20_000)), ("b", range(1, 20_000)), duration=1.0, refine=True),
], ids=["times", "times array", "steps", "axis", "grid", "diagram", "refined diagram"])
def test_results_that_no_memory_holds(call):
    tracemalloc.start()
    try:
        with pytest.raises(SpecificationError, match=r"\d{9,} numbers, and a result in memory holds at most 100000000; "):
            call()
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_the_largest_result(monkeypatch):
    monkeypatch.setattr(work_budget, "MOST_NUMBERS", 6)
    assert dy.integrate(DECAY, 1.0, times=np.linspace(0, 1, 6)).sizes["time"] == 6
    with pytest.raises(SpecificationError, match=r"7 times of 1 quantities are 7 numbers.* at most 6; take fewer times"):
        dy.integrate(DECAY, 1.0, times=np.linspace(0, 1, 7))


@pytest.mark.parametrize("times", ["soon", [None], [[0.0, 1.0]], [0.0, np.nan], [1.0, 0.5], [-1.0], [6.0], {}, [0, "x"], 3])
def test_times_that_are_none(times):
    with pytest.raises(SpecificationError, match="times"):
        dy.integrate(DECAY, 5.0, times=times)
