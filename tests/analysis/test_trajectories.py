"""Integration against closed forms and independent solvers: accuracy, events, kinks, measures, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynamics as dy
from dynamics.analysis.paths import METHODS
from dynamics.errors import IntegrationError, SpecificationError

TIGHT = {"relative_tolerance": 1e-11, "absolute_tolerance": 1e-13}


def flow(equations: dict[str, str], parameters: dict | None = None, **more) -> dy.System:
    return dy.System(name="test", time="continuous", parameters=parameters or {"a": 1.0}, equations=equations, **more)


def decay(**more) -> dy.System:
    return flow({"x": "-a*x"}, states={"x": 1.0}, **more)


# ---- accuracy ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
def test_linear_equation_in_every_method(method: str) -> None:
    system = flow({"x": "y", "y": "-4*x - a*y"}, states={"x": 1.0, "y": 0.0}, parameters={"a": 0.5})
    run = dy.integrate(system, 10, method=method, relative_tolerance=1e-9, absolute_tolerance=1e-12)
    t, w = run["time"].values, math.sqrt(4 - 0.0625)
    exact = np.exp(-0.25 * t) * (np.cos(w * t) + 0.25 / w * np.sin(w * t))
    assert np.max(np.abs(run["x"].values - exact)) < 1e-6
    assert run.attrs["method"] == method


def test_forcing_by_time() -> None:
    run = dy.integrate(flow({"x": "-a*x + cos(2*time)"}, states={"x": 0.0}), 20, **TIGHT)
    t = run["time"].values
    exact = (np.cos(2 * t) + 2 * np.sin(2 * t) - np.exp(-t)) / 5
    assert np.max(np.abs(run["x"].values - exact)) < 1e-10


def test_accounting_identity_without_trading() -> None:
    """With no flow u = 1 - (1 - u0) exp(-(x - x0)) along the whole path, whatever the price does."""
    system = dy.models.load("deleveraging").with_parameters(adjustment=0, liquidation_rate=0)
    run = dy.integrate(system, 10, {"price_gap": -0.1, "equity_ratio": 0.3}, **TIGHT)
    x, u = run["price_gap"].values, run["equity_ratio"].values
    assert np.max(np.abs(u - (1 - 0.7 * np.exp(-(x + 0.1))))) < 1e-11
    assert np.max(np.abs(x + 0.1 * np.exp(-run["time"].values))) < 1e-11


@pytest.mark.parametrize("shock", [0.1, 0.172, 0.1735])
def test_core_model_against_an_eighth_order_reference(shock: float) -> None:
    system = dy.models.load("deleveraging")
    start = dy.apply_shock(system, system.initial_state(), "price", shock)
    run = dy.integrate(system, 4, start, times=[1, 4], **TIGHT)

    def field(t, s):
        x, u, q = s
        phi = 0.5 * (5 * u - 1) - q
        change = -x + 0.3 * phi
        return [change, (1 - u) * change - u * phi, (20 * max(0.0, 1 - u / 0.05) - q) / 0.02]

    reference = solve_ivp(field, (0, 4), list(start.values()), method="DOP853", rtol=1e-13, atol=1e-15, max_step=1e-3,
                          t_eval=[1, 4]).y
    ours = np.array([run[n].values for n in system.states])
    assert np.max(np.abs(ours - reference)) < (1e-10 if shock == 0.1 else 1e-8)


KINKED = {   # closed form: after whole periods the state is back at (1, 0)
    "-a*max(0, x) - 4*min(0, x)": (lambda x: -max(0.0, x) - 4 * min(0.0, x), 10 * 1.5 * math.pi),
    "-a*sign(x)": (lambda x: -float(np.sign(x)), 10 * 4 * math.sqrt(2)),
}


@pytest.mark.parametrize("force", KINKED)
@pytest.mark.parametrize("method", ["LSODA", "RK45"])
def test_kinks_and_jumps_do_not_cost_accuracy(force: str, method: str) -> None:
    plain_force, duration = KINKED[force]
    system = flow({"x": "v", "v": force}, states={"x": 1.0, "v": 0.0})
    run = dy.integrate(system, duration, method=method, relative_tolerance=1e-10, absolute_tolerance=1e-12,
                       times=[duration])
    ours = math.hypot(float(run["x"][-1]) - 1, float(run["v"][-1]))
    plain = solve_ivp(lambda t, s: [s[1], plain_force(s[0])], (0, duration), [1.0, 0.0], method=method, rtol=1e-10,
                      atol=1e-12)
    assert ours < 1e-9
    assert math.hypot(plain.y[0, -1] - 1, plain.y[1, -1]) > 2 * ours
    assert run.attrs["function_evaluations"] < plain.nfev


def test_kinks_in_large_and_small_units() -> None:
    for scale in (1e9, 1e-12):
        system = flow({"x": "v", "v": "-a*max(0, x - c) + max(0, c - x)"}, parameters={"a": 1, "c": 0.123456789 * scale},
                      states={"x": scale, "v": 0.0})
        run = dy.integrate(system, 20, relative_tolerance=1e-11, absolute_tolerance=1e-14 * scale)
        exact = 0.123456789 + 0.876543211 * np.cos(run["time"].values)
        assert np.max(np.abs(run["x"].values / scale - exact)) < 1e-8


def test_many_switches_are_integrated_without_splitting() -> None:
    system = flow({f"x{k}": f"-a*sign(x{k} + 2)" for k in range(8)}, states={f"x{k}": 1.0 + k for k in range(8)})
    assert float(dy.integrate(system, 0.5)["x3"][-1]) == pytest.approx(3.5, abs=1e-12)


# ---- events -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("direction", "times"), [
    ("rising", [11 / 6, 23 / 6]), ("falling", [7 / 6, 19 / 6]), ("both", [7 / 6, 11 / 6, 19 / 6, 23 / 6])])
def test_directions(direction: str, times: list[float]) -> None:
    system = flow({"x": "y", "y": "-a*x"}, states={"x": 0.0, "y": 1.0}, events={"low": dy.Event("x + 1/2", direction)})
    run = dy.integrate(system, 4 * math.pi, **TIGHT)
    assert run["event_time"].values == pytest.approx(math.pi * np.array(times), abs=1e-9)
    assert set(run["event_name"].values) == {"low"}
    assert set(run["event_time"].values) <= set(run["time"].values)


def test_terminal_event_ends_the_run() -> None:
    run = dy.integrate(decay(events={"half": dy.Event("x - 1/2", terminal=True), "later": dy.Event("x - 1/4")}), 10,
                       **TIGHT)
    assert run.attrs["status"] == "event"
    assert "'half'" in run.attrs["message"]
    assert float(run["time"][-1]) == pytest.approx(math.log(2), abs=1e-10)
    assert float(run["x"][-1]) == pytest.approx(0.5, abs=1e-11)
    assert run["event_name"].values.tolist() == ["half"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reset", [{"v": "-e*v"}, {"v": "-e*v", "h": "0"}])
def test_bouncing_ball(method: str, reset: dict[str, str]) -> None:
    ball = flow({"h": "v", "v": "-g"}, parameters={"g": 9.81, "e": 0.8}, states={"h": 1.0, "v": 0.0},
                events={"bounce": dy.Event("h", "falling", assign=reset)},
                measures={"fastest": dy.Measure("-v", "max"), "highest": dy.Measure("h", "max")})
    run = dy.integrate(ball, 3, method=method)
    first = math.sqrt(2 / 9.81)
    expected = [first * (1 + 2 * sum(0.8**j for j in range(1, k + 1))) for k in range(20)]
    expected = [t for t in expected if t <= 3]
    assert run["event_time"].values == pytest.approx(expected, abs=1e-6 if method == "BDF" else 1e-9)
    # the state just before a bounce counts, although the path goes on with the state after it
    assert run.attrs["measures"]["fastest"] == pytest.approx(math.sqrt(2 * 9.81), rel=1e-7 if method == "BDF" else 1e-9)
    assert run.attrs["measures"]["highest"] == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("method", ["LSODA", "DOP853", "RK45"])
def test_two_crossings_inside_one_step_are_found(method: str) -> None:
    """The cosine dips below -1 + d for a time of 2 arccos(1 - d) only."""
    for depth in (1e-2, 1e-4):
        system = flow({"c": "-s", "s": "c"}, parameters={"d": depth}, states={"c": 1.0, "s": 0.0},
                      events={"dip": dy.Event("c + 1 - d", "both")})
        run = dy.integrate(system, 6, method=method, relative_tolerance=1e-9, absolute_tolerance=1e-12)
        half = math.acos(1 - depth)
        assert run["event_time"].values == pytest.approx([math.pi - half, math.pi + half], abs=1e-5)


def test_an_event_on_a_border_between_regimes_is_recorded() -> None:
    system = dy.models.load("deleveraging")
    first_call = math.log(0.95 / 0.8)
    run = dy.integrate(system, 20, dy.apply_shock(system, {}, "price", first_call - 0.001))
    assert "margin_call_start" not in run["event_name"].values
    unstable = system.with_parameters(target_leverage=12)
    run = dy.integrate(unstable, 200, dy.apply_shock(unstable, {}, "price", 0.01))
    names, times = run["event_name"].values.tolist(), run["event_time"].values
    assert names[0] == "margin_call_start"
    assert names[-1] == "insolvency"
    at = dy.integrate(unstable, 200, dy.apply_shock(unstable, {}, "price", 0.01), times=[times[0]])
    assert float(at["equity_ratio"][0]) == pytest.approx(0.05, abs=1e-10)
    starts = [t for t, n in zip(times, names, strict=True) if n == "margin_call_start"]
    assert len(starts) == len(set(starts))


def test_sliding_along_a_border_is_named() -> None:
    with pytest.raises(IntegrationError, match=r"slides along a border between regimes at time 1; smooth the switch") as e:
        dy.integrate(flow({"x": "-a*sign(x)"}, states={"x": 1.0}), 3)
    partial = e.value.partial
    assert partial.attrs["status"] == "step_limit"
    assert float(partial["time"][-1]) == pytest.approx(1.0, abs=1e-9)
    with pytest.raises(IntegrationError, match="slides along a border between regimes at time 0"):
        dy.integrate(flow({"x": "-a*sign(x)"}, states={"x": 0.0}), 3)
    # a border that both flows leave on the same side is crossed
    run = dy.integrate(flow({"x": "-2*a - a*sign(x)"}, states={"x": 1.0}), 1, times=[1.0])
    assert float(run["x"][0]) == pytest.approx(-2 / 3, abs=1e-9)


# ---- output -----------------------------------------------------------------------------------------------------------

def test_times_and_observables() -> None:
    run = dy.integrate(decay(observables={"log_x": "log(x)"}), 2, times=[0, 0.5, 0.5, 2])
    assert run["time"].values.tolist() == [0, 0.5, 0.5, 2]
    assert run["log_x"].values == pytest.approx([0, -0.5, -0.5, -2], abs=1e-7)
    assert dy.integrate(decay(), 2)["time"].size == 1001
    for times in ([2, 1], [-1, 1], [0, 3], [[0, 1]]):
        with pytest.raises(SpecificationError, match="times must increase and lie within"):
            dy.integrate(decay(), 2, times=times)


def test_indexed_states_have_their_index_as_dimension() -> None:
    system = dy.System(name="banks", time="continuous", indices={"bank": 3}, states={"e": dy.State(1.0, over=("bank",))},
                       parameters={"a": dy.Parameter([1, 2, 3], over=("bank",))}, equations={"e": "-a*e"},
                       measures={"lowest": dy.Measure("total(e, bank)", "min")})
    run = dy.integrate(system, 1, times=[1.0], **TIGHT)
    assert run["e"].dims == ("bank", "time")
    assert run["e"].values[:, 0] == pytest.approx(np.exp([-1, -2, -3]), rel=1e-10)
    assert run.attrs["measures"]["lowest"] == pytest.approx(sum(np.exp([-1, -2, -3])), rel=1e-9)


def test_measures_against_closed_forms() -> None:
    """x = exp(-t/10) sin t; extremes where tan t = 10."""
    system = flow({"x": "y - a*x", "y": "-x - a*y"}, parameters={"a": 0.1}, states={"x": 0.0, "y": 1.0}, measures={
        "high": dy.Measure("x", "max"), "low": dy.Measure("x", "min"), "end": dy.Measure("x", "final"),
        "area": dy.Measure("x", "integral"), "fall": dy.Measure("x", "drawdown"),
        "grown": dy.Measure("x", "integral", transform="1 - exp(-value)")})
    found = dy.integrate(system, 20, **TIGHT).attrs["measures"]

    def x(t: float) -> float:
        return math.exp(-0.1 * t) * math.sin(t)

    top = math.atan(10)
    area = (1 - math.exp(-2) * (math.cos(20) + 0.1 * math.sin(20))) / 1.01
    expected = {"high": x(top), "low": x(top + math.pi), "end": x(20), "area": area, "fall": x(top) - x(top + math.pi),
                "grown": 1 - math.exp(-area)}
    assert found == pytest.approx(expected, abs=1e-8)


def test_extremes_of_nearly_equal_size_are_ranked_after_refinement() -> None:
    """The beat of two waves has many maxima that differ by less than the samples inside steps can tell."""
    system = flow({"p": "cos(time)", "s": "-(1 + a)*sin((1 + a)*time)"}, parameters={"a": 0.001},
                  states={"p": 0.0, "s": 1.0}, measures={"high": dy.Measure("p + s", "max"),
                                                         "fall": dy.Measure("p + s", "drawdown")})
    found = dy.integrate(system, 60, **TIGHT).attrs["measures"]
    t = np.linspace(0, 60, 2_000_001)
    wave = np.sin(t) + np.cos(1.001 * t)
    assert found["high"] == pytest.approx(wave.max(), abs=1e-8)
    assert found["fall"] == pytest.approx((np.maximum.accumulate(wave) - wave).max(), abs=1e-8)


# ---- shocks -----------------------------------------------------------------------------------------------------------

def test_shocks_of_the_core_model_add_up() -> None:
    system = dy.models.load("deleveraging")
    twice = dy.apply_shock(system, dy.apply_shock(system, {}, "price", 0.07), "price", 0.05)
    once = dy.apply_shock(system, {}, "price", 0.12)
    assert twice == pytest.approx(once, abs=1e-15)
    assert once["equity_ratio"] == pytest.approx(1 - 0.8 * math.exp(0.12), rel=1e-15)
    back = dy.apply_shock(system, once, "price", -0.12)
    assert back == pytest.approx(system.initial_state(), abs=1e-15)


def test_shocks_are_checked() -> None:
    system = decay(shocks={"cut": dy.Shock({"x": "x - magnitude"}, bounds=(0, 2)),
                           "to_log": dy.Shock({"x": "log(x - magnitude)"})})
    for magnitude in (-0.1, 2.1, float("nan"), "big", None, True):
        with pytest.raises(SpecificationError, match="magnitude"):
            dy.apply_shock(system, {}, "cut", magnitude)
    with pytest.raises(SpecificationError, match=r"Did you mean 'cut'\?"):
        dy.apply_shock(system, {}, "cuts", 1)
    with pytest.raises(SpecificationError, match=r"'y' is not a state"):
        dy.apply_shock(system, {"y": 1}, "cut", 1)
    with pytest.raises(IntegrationError, match="not finite"):
        dy.apply_shock(system, {}, "to_log", 1)


# ---- what goes wrong is said -------------------------------------------------------------------------------------------

def test_divergence_raises_with_the_part_before() -> None:
    with pytest.raises(IntegrationError, match=r"exceeded 1e\+15") as caught:
        dy.integrate(flow({"x": "a*x**2"}, states={"x": 1.0}), 2)
    partial = caught.value.partial
    assert partial.attrs["status"] == "diverged"
    assert float(partial["time"][-1]) == pytest.approx(1.0, abs=1e-5)
    early = partial.sel(time=0.5, method="nearest")
    assert float(early["x"]) == pytest.approx(1 / (1 - float(early["time"])), rel=1e-6)


def test_states_without_a_field_raise() -> None:
    with pytest.raises(IntegrationError) as caught:
        dy.integrate(flow({"x": "-sqrt(x) - a"}, states={"x": 1.0}), 5)
    assert caught.value.partial.attrs["status"] in ("invalid_state", "step_underflow")
    with pytest.raises(IntegrationError, match="no finite value at time 0"):
        dy.integrate(flow({"x": "log(x) - a"}, states={"x": -1.0}), 5)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"duration": -1}, "duration must be a positive number"),
    ({"duration": "long"}, "duration must be a positive number"),
    ({"duration": 1, "method": "RK4"}, "Did you mean 'RK45'"),
    ({"duration": 1, "initial_state": {"y": 1}}, "'y' is not a state"),
    ({"duration": 1, "initial_state": {"x": [1, 2]}}, "'x' needs 1 values, not 2"),
    ({"duration": 1, "initial_state": {"x": float("nan")}}, "not finite"),
    ({"duration": 1, "initial_state": {"x": "one"}}, "not numeric"),
    ({"duration": 1, "parameters": {"b": 1}}, "'b'"),
    ({"duration": 1, "relative_tolerance": -1e-3}, "relative_tolerance must be a positive number"),
    ({"duration": 1, "absolute_tolerance": 0}, "absolute_tolerance must be a positive number"),
])
def test_arguments_are_checked(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        dy.integrate(decay(), **arguments)


def test_maps_and_processes_are_refused() -> None:
    with pytest.raises(SpecificationError, match="use iterate"):
        dy.integrate(dy.models.load("liquidation_cascade"), 10)
    with pytest.raises(SpecificationError, match="needs a System, not dict"):
        dy.integrate({}, 10)


def test_an_overflow_is_an_integration_error_and_not_a_wait() -> None:
    tower = dy.System(name="tower", states={"x": 1}, equations={"x": "exp(exp(exp(x)))"})
    with pytest.raises(dy.IntegrationError, match="may end in finite time") as caught:
        dy.integrate(tower, 10)
    assert caught.value.partial.attrs["status"] == "step_underflow"


def test_at_a_terminal_event_the_path_is_still_on_its_side_of_the_barrier():
    # u falls in a straight line: 1/u is positive until it ends, however the zero is rounded
    system = dy.System(name="barrier", states={"u": 0.3, "v": 1.0}, parameters={"a": 0.7},
                       equations={"u": "-a*exp(-v)", "v": "-v"}, observables={"leverage": "1/u"},
                       measures={"max_leverage": dy.Measure("1/u", "max"), "min_leverage": dy.Measure("1/u", "min")},
                       events={"insolvency": dy.Event("u", direction="falling", terminal=True)})
    for method in ("LSODA", "RK45", "Radau"):
        for start in np.linspace(0.1, 0.5, 9):
            run = dy.integrate(system, 10, {"u": start}, method=method)
            assert run.attrs["status"] == "event"
            assert 0 < float(run["u"][-1]) < 1e-12
            assert float(run["leverage"].min()) == pytest.approx(1 / start)
            assert run.attrs["measures"]["max_leverage"] >= float(run["leverage"][-1]) > 1e12
            assert run.attrs["measures"]["min_leverage"] == pytest.approx(1 / start)
            assert float(run["event_time"][-1]) == float(run["time"][-1])
