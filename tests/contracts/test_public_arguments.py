"""Every argument of every public function, in place of which something else is given: an answer or a sentence."""

import functools
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.errors import DynamicsError
from tests.contracts.test_bad_arguments import BAD

# what hardly any argument may be, so that nearly all are refused at once
ALIEN = [object(), [[]], np.array([]), np.array(1.0), {None: [1]}, 1j]
# with arguments of which each takes seconds to be used
COSTLY = {"edge_state"}
FLOW = dy.System(
    name="flow", states={"x": 1.0}, parameters={"a": 1.0, "b": 0.3}, equations={"x": "a*x*(1 - x)*(x - b)"},
    events={"insolvency": dy.Event("x - 0.2", terminal=True)}, shocks={"price": dy.Shock({"x": "x - magnitude"})},
    measures={"low": dy.Measure("x", "min")})
MAP = dy.System(name="map", time="discrete", states={"x": 0.5}, parameters={"r": 2.5}, equations={"x": "r*x*(1 - x)"})
NOISY = dy.System(name="noisy", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "1 - x"},
                  noise={"w": {"x": "0.1*a"}})
FOLD = dy.System(name="fold", states={"u": 0.1}, parameters={"mu": 1.0, "nu": 0.0}, equations={"u": "mu - u**2 + nu*u"})
LINE = dy.System(name="line", states={"x": 1.0, "y": 0.0}, parameters={"b": 0.3}, equations={"x": "y", "y": "-x - b*y"})
CYCLE = dy.System(name="cycle", states={"x": 2.0, "y": 0.0}, parameters={"mu": 0.5},
                  equations={"x": "y", "y": "mu*(1 - x**2)*y - x"})
RETURNS = np.random.default_rng(0).normal(0, 0.02, 300)
DAYS = xr.Dataset({"return": ("time", RETURNS)})
CRITICAL = {"at": {"x": 0, "y": 0}, "parameters": {"mu": 0}}
GRID = {"shock": "price", "magnitude": 0.1, "duration": 20.0}
PLANE = {"x": ("a", [0.5, 1.0]), "y": ("b", [0.25, 0.3]), **GRID}


@functools.cache
def model():
    return dy.models.load("deleveraging")


@functools.cache
def run():
    return dy.integrate(LINE, 3.0)


@functools.cache
def fold_point():
    return dy.continue_fixed_points(FOLD, "mu", (-1, 2))["LP1"]


@functools.cache
def curve():
    return dy.continue_curve(FOLD, fold_point(), ("mu", "nu"), {"mu": (-1, 2), "nu": (-1, 1)})


def rest():
    return {"x": 1}


# the usual arguments of each public function; a function that is not here is a fault of the list
USUAL = {
    "apply_shock": lambda: {"system": FLOW, "state": rest(), "shock": "price", "magnitude": 0.1},
    "bifurcation_conditions": lambda: {"system": FLOW, "at": rest()},
    "bifurcation_diagram": lambda: {"system": FOLD, "parameter": "mu", "bounds": (0.1, 1.0)},
    "border_collisions": lambda: {"system": FLOW},
    "box_counting_dimension": lambda: {"points": np.random.default_rng(0).random((400, 2)), "coarsest": 1},
    "cascade_number": lambda: {"system": model()},
    "cascade_threshold": lambda: {"system": FLOW, "both_directions": False, "duration": 20.0},
    "certified_fixed_points": lambda: {"system": FLOW},
    "characteristic_polynomial": lambda: {"system": FLOW, "at": rest()},
    "compare_falls": lambda: {"returns": DAYS, "thresholds": {"a": 0.1}, "bootstrap": 20},
    "competing_paths": lambda: {"system": LINE, "source": "x", "target": "y"},
    "compose": lambda: {"system": model()},
    "conserved_quantities": lambda: {"system": LINE},
    "continue_curve": lambda: {"system": FOLD, "start": fold_point(), "parameters": ("mu", "nu")},
    "continue_cycles": lambda: {"system": CYCLE, "start": {"x": 2.0, "y": 0.0, "period": 6.38}, "max_steps": 1},
    "continue_fixed_points": lambda: {"system": FOLD, "parameter": "mu", "bounds": (0.1, 1.0)},
    "critical_shocks": lambda: {"system": FLOW, "parameter": "b", "values": [0.25, 0.3], "duration": 20.0},
    "early_warning_signals": lambda: {"series": np.cumsum(RETURNS), "surrogates": 20},
    "edge_state": lambda: {"system": FLOW, "shock": "price", "event": "insolvency", "duration": 50.0,
                           "tolerance": 0.1},
    "exceedance": lambda: {"returns": RETURNS, "levels": [0.01, 0.02], "bootstrap": 20},
    "exposure": lambda: {"system": model(), "along": {"target_leverage": [2.0, 3.0]}, "returns": RETURNS,
                         "bootstrap": 20},
    "extremal_fixed_points": lambda: {"system": MAP, "lower": {"x": 0.1}, "upper": {"x": 0.61}},
    "feedback_loops": lambda: {"system": LINE},
    "first_lyapunov_coefficient": lambda: {"system": CYCLE, **CRITICAL},
    "fixed_points": lambda: {"system": FLOW},
    "implied_volatility_skew": lambda: {"returns": RETURNS, "maturity": 1.0, "bootstrap": 20},
    "integrate": lambda: {"system": FLOW, "duration": 2.0},
    "iterate": lambda: {"system": MAP, "steps": 5},
    "jacobian": lambda: {"system": FLOW, "at": rest()},
    "liquidity_shock": lambda: {"system": model(), "losses": [0.01, 0.05]},
    "load": lambda: {"path": "none.toml"},
    "loop_dominance": lambda: {"system": LINE, "trajectory": run()},
    "lyapunov_exponents": lambda: {"system": CYCLE, "duration": 5.0, "transient": 1.0, "trajectories": 2},
    "nonsmooth_regimes": lambda: {"system": FLOW},
    "normal_form": lambda: {"system": CYCLE, **CRITICAL},
    "open": lambda: {"path": "none.json"},
    "orbit_ensemble": lambda: {"system": MAP, "steps": 5},
    "path_ratio": lambda: {"system": LINE, "source": "x", "target": "y"},
    "phase_diagram": lambda: {"system": FLOW, **PLANE},
    "region": lambda: {"system": FLOW, "at": rest()},
    "save": lambda: {"result": run(), "path": "run.json"},
    "score_warnings": lambda: {"signal": np.arange(20.0), "happened": np.arange(20) % 2 == 0, "bootstrap": 20},
    "simulate": lambda: {"system": NOISY, "duration": 1.0, "time_step": 0.1, "paths": 20},
    "sliding": lambda: {"system": FLOW},
    "stability_conditions": lambda: {"system": FLOW, "at": rest()},
    "sweep": lambda: {"system": FLOW, "over": {"b": [0.25, 0.3]}, "measure": "low", **GRID},
    "tail_index": lambda: {"returns": RETURNS, "bootstrap": 20},
    "worst_days": lambda: {"returns": DAYS},
    "plot_bifurcation_diagram": lambda: {"result": dy.continue_fixed_points(FOLD, "mu", (0.1, 1.0))},
    "plot_cobweb": lambda: {"system": MAP, "steps": 5},
    "plot_critical_shock": lambda: {"curves": None},
    "plot_cusp": lambda: {"system": FLOW, "x": "a", "y": "b"},
    "plot_cycles": lambda: {"branch": None},
    "plot_early_warnings": lambda: {"result": dy.early_warning_signals(np.cumsum(RETURNS), surrogates=20)},
    "plot_exposure": lambda: {"result": None},
    "plot_feedback_loops": lambda: {"system": LINE},
    "plot_floquet_multipliers": lambda: {"branch": None},
    "plot_hysteresis": lambda: {"system": FOLD, "parameter": "mu", "values": [0.1, 0.5, 1.0]},
    "plot_liquidity_shock": lambda: {"result": None},
    "plot_observed_falls": lambda: {"returns": None, "comparison": None},
    "plot_phase_diagram": lambda: {"diagram": dy.phase_diagram(FLOW, **PLANE)},
    "plot_phase_portrait": lambda: {"system": LINE, "x": "x", "y": "y"},
    "plot_sweep": lambda: {"result": dy.sweep(FLOW, {"b": [0.25, 0.3]}, "low", duration=5.0)},
    "plot_trajectory": lambda: {"run": run()},
    "plot_two_parameter_diagram": lambda: {"curves": curve()},
    "plot_volatility_skew": lambda: {"skews": dy.implied_volatility_skew(RETURNS, 1.0, bootstrap=20)},
}
PUBLIC = sorted(name for name in dy._MODULE_OF if inspect.isfunction(getattr(dy, name)))


def places(name):
    kinds = inspect.Parameter
    free = (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
    return [place for place, part in inspect.signature(getattr(dy, name)).parameters.items() if part.kind not in free]


PLACES = [(name, place) for name in PUBLIC for place in places(name)]


def test_every_public_function_has_its_usual_arguments():
    assert sorted(USUAL) == PUBLIC
    for name, make in USUAL.items():
        unknown = set(make()) - set(places(name))
        assert not unknown, (name, unknown)


def check(name, place, values):
    raised = []
    usual = USUAL[name]()
    function = getattr(dy, name)
    for bad in values:
        try:
            function(**{**usual, place: bad})
        except DynamicsError:
            pass
        except Exception as error:
            raised.append(f"{place}={bad!r:.40}: {type(error).__name__}: {error}")
        plt.close("all")
    assert not raised, f"{name}: " + "\n".join(raised)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in COSTLY else []) for name in PUBLIC])
def test_what_hardly_any_argument_may_be(name):
    for place in places(name):
        check(name, place, ALIEN)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_everything_else_an_argument_may_be(name, place):
    check(name, place, BAD)
