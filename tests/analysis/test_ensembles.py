"""Many trajectories at once: compiled code and arrays tell the same story."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.ensemble_runs import MOST_STATES, EnsembleRun, ensemble_run
from dynamics.analysis.ensembles import Ensemble
from dynamics.compiled.kernels import jit
from dynamics.errors import IntegrationError, MissingExtraError, SpecificationError
from dynamics.results import STATUS

MEASURES = ("lowest_price_gap", "forced_volume", "net_sold", "drawdown")


@pytest.fixture(scope="module")
def core():
    return dy.models.load("deleveraging")


@pytest.fixture(scope="module")
def plane(core):
    g = np.random.default_rng(11)
    return Ensemble(core, {"price_impact": g.uniform(0.05, 0.9, 150), "target_leverage": g.uniform(2.0, 12.0, 150)}, 150)


def both(ensemble, *arguments, **options):
    return (ensemble.run(*arguments, engine=engine, **options) for engine in ("kernel", "numpy"))


@pytest.mark.parametrize("ramp", [0.0, 2.0])
def test_the_engines_agree(plane, ramp):
    kernel, arrays = both(plane, "price", 0.08, measures=MEASURES, extremes=True, ramp=ramp)
    assert np.array_equal(kernel.status, arrays.status)
    assert {STATUS["event"], STATUS["settled"]} <= set(kernel.status.tolist())
    assert np.array_equal(kernel.at_once, arrays.at_once)
    ended = kernel.happened
    assert np.allclose(kernel.final_time[ended], arrays.final_time[ended], rtol=1e-4)
    assert np.allclose(kernel.lowest, arrays.lowest, atol=2e-5)
    for name in ("lowest_price_gap", "forced_volume", "drawdown"):
        assert np.allclose(kernel.measures[name], arrays.measures[name], atol=1e-5), name


def test_another_ending_event_and_no_settling(core):
    ensemble = Ensemble(core, {}, 3, {"price_gap": np.array([0.0, -0.05, -0.2]), "equity_ratio": np.array([0.2, 0.1, 0.06])})
    kernel, arrays = both(ensemble, event="margin_call_start", settle=False, duration=20.0)
    assert np.array_equal(kernel.status, arrays.status)
    assert np.allclose(kernel.final_state, arrays.final_state, atol=1e-5)


def test_time_in_the_equations():
    driven = dy.System(name="driven", time="continuous", states={"x": 0.0}, parameters={"w": 2.0},
                       equations={"x": "cos(w*time)"})
    ensemble = Ensemble(driven, {"w": np.array([1.0, 2.0, 3.0])}, 3, {"x": 0.0})
    for outcome in both(ensemble, event=None, settle=False, duration=5.0, relative_tolerance=1e-9, absolute_tolerance=1e-11):
        w = np.array([1.0, 2.0, 3.0])
        assert np.allclose(outcome.final_state[0], np.sin(5.0 * w) / w, atol=1e-8)


def test_a_part_of_the_lanes_gets_the_same_digits(plane):
    whole = plane.run("price", 0.08, measures=MEASURES)
    part = np.arange(5, 150, 7)
    some = plane.run("price", np.full(part.size, 0.08), lanes=part, measures=MEASURES, threads=2)
    assert np.array_equal(some.final_state, whole.final_state[:, part])
    assert np.array_equal(some.status, whole.status[part])


def test_large_systems_and_missing_libraries_fall_back(core, plane, monkeypatch):
    run = EnsembleRun(core, (), "insolvency", None, False, True)
    assert run.suits_kernel
    monkeypatch.setattr("dynamics.analysis.ensemble_runs.LARGEST_KERNEL", 3)
    assert not EnsembleRun(core, (), "insolvency", None, False, True).suits_kernel
    monkeypatch.undo()
    monkeypatch.setattr(jit, "available", lambda: False)
    assert not EnsembleRun(core, (), "insolvency", None, False, True).suits_kernel
    with pytest.raises(MissingExtraError, match="llvmlite"):
        plane.run("price", 0.08, engine="kernel")
    small = Ensemble(core, {}, 2)
    assert small.run("price", np.array([0.01, 0.19]), duration=30.0).status.tolist()[1] == STATUS["event"]


@pytest.mark.parametrize(("count", "compiled"), [(33, True), (MOST_STATES, True), (MOST_STATES + 1, False)])
def test_compiled_code_is_chosen_up_to_where_its_stiff_method_would_cost_more_than_arrays(count, compiled):
    names = [f"x{k}" for k in range(count)]
    ring = dy.System(name="ring", states=dict.fromkeys(names, 0.1), parameters={"a": 1.0},
                     equations={name: f"a*{names[k - 1]} - {name}" for k, name in enumerate(names)})
    assert EnsembleRun(ring, (), None, None, False, False).suits_kernel is compiled


def test_a_compiler_that_refuses_is_told_and_arrays_are_used(core, monkeypatch, caplog):
    def refuse(*_, **__):
        raise IntegrationError("no such instruction")

    monkeypatch.setattr("dynamics.compiled.kernels.flows.integrate_flows", refuse)
    outcome = Ensemble(core, {}, 2).run("price", np.array([0.01, 0.19]), duration=30.0, relative_tolerance=1e-5)
    assert outcome.happened.tolist() == [False, True]
    assert "no such instruction" in caplog.text


def test_an_unknown_engine_is_refused(plane):
    with pytest.raises(SpecificationError, match="warp"):
        plane.run("price", 0.08, engine="warp")


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_lanes_end_on_their_own_side_of_a_terminal_event(engine: str) -> None:
    if engine == "kernel":
        pytest.importorskip("llvmlite")
    # u falls until it is gone: 1/u grows without bound and never changes its sign, however the zero is rounded
    system = dy.System(name="barrier", time="continuous", states={"u": 0.3, "v": 1.0}, parameters={"a": 0.7},
                       equations={"u": "-a*exp(-v)", "v": "-v"}, observables={"leverage": "1/u"},
                       measures={"high": dy.Measure("1/u", "max"), "low": dy.Measure("1/u", "min"),
                                 "end": dy.Measure("1/u", "final"), "fall": dy.Measure("1/u", "drawdown")},
                       events={"insolvency": dy.Event("u", direction="falling", terminal=True)})
    start = np.linspace(0.1, 0.5, 101)
    for tolerance in (1e-4, 1e-9):
        found = dy.sweep(system, {"u": start}, ["high", "low", "end", "fall", "leverage"],
                         duration=10, engine=engine, relative_tolerance=tolerance, absolute_tolerance=tolerance * 1e-3)
        assert np.all(found["status"] == 1)
        for name in ("high", "end", "leverage"):
            assert np.all((found[name] > 1e9) & np.isfinite(found[name])), name
        np.testing.assert_allclose(found["low"], 1 / start, rtol=1e-12)
        assert np.all(found["fall"] == 0)
        # v = exp(-t) and u(t) = u0 - a*(E1(exp(-t)) - E1(1))
        from scipy.special import exp1

        v = np.exp(-found["end_time"].values)
        np.testing.assert_allclose(0.7 * (exp1(v) - exp1(1.0)), start, rtol=20 * tolerance)


@pytest.mark.parametrize("mechanism", ["order_backlog", "exchange_reserves", "liquidation_engine"])
def test_fixed_points_with_numbers_for_what_does_not_vary_are_those_of_the_symbols(mechanism):
    system = dy.compose(dy.models.load("deleveraging"), mechanism).with_parameters({"adjustment": 0.123456789})
    g = np.random.default_rng(5)
    plane = {"price_impact": g.uniform(0.05, 0.9, 40), "target_leverage": g.uniform(2.0, 30.0, 40)}
    symbols, numbers = (Ensemble(system, plane, 40, many=many).points for many in (False, True))
    np.testing.assert_allclose(numbers.state, symbols.state, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(numbers.growth, symbols.growth, rtol=1e-9, atol=1e-12)
    assert np.array_equal(numbers.stable, symbols.stable)
    assert np.isfinite(numbers.state).all(axis=0).any()


def test_an_event_counts_as_far_where_its_level_hardly_changes_on_the_way() -> None:
    from dynamics.analysis import ensembles

    system = dy.System(name="near", states={"x": 1.0}, equations={"x": "1 - x"},
                       events={"gone": dy.Event("x - 0.5", "falling", terminal=True)})
    ensemble = ensembles.Ensemble(system, {}, 3)
    work = ensemble_run(system, (), ("gone",), None, False, True)
    edge = ensembles.CLEAR * 0.5
    state = 1 + edge * np.array([[0.99, -0.99, 1.01]])
    assert ensemble._clear_of_events(work, state, np.ones((1, 3)), ensemble.p).tolist() == [True, True, False]
