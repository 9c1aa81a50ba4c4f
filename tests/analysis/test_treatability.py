"""Every public analysis, with every part of a system: it treats the part, says that it leaves it out, or refuses."""

import inspect
from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.treatability import IGNORABLE, NOTE, PARTS, REFUSES, TABLE, TREATS

EVENT = {"insolvency": dy.Event("x - 0.05", "falling", terminal=True)}
SHOCK = {"price": dy.Shock({"x": "x - magnitude"})}
WELLS = dy.System(name="wells", states={"x": 1}, parameters={"price_impact": dy.Parameter(1, bounds=(0, None))},
                  equations={"x": "price_impact*x*(1 - x)*(x - 1/4)"}, events=EVENT, shocks=SHOCK)
HOPF = dy.System(name="hopf", states={"x": 0.3, "y": 0}, parameters={"mu": dy.Parameter(0.1)},
                 equations={"x": "mu*x - y - x*(x**2 + y**2)", "y": "x + mu*y - y*(x**2 + y**2)"})
GATED = dy.System(name="gated", states={"x": 1}, parameters={"mu": 0.1}, equations={"x": "mu - x if x > 0 else mu + 1 - x"})
MAP = dy.System(name="map", time="discrete", states={"x": 0.2}, parameters={"r": 2}, equations={"x": "r*x/(1 + x)"})


def unit_free(system):
    return replace(system, name=f"plain {system.name}", time_unit="1", shocks={}, measures={}, events={},
                   states={name: replace(state, unit="1") for name, state in system.states.items()},
                   parameters={name: replace(part, unit="1") for name, part in system.parameters.items()})


CORE = unit_free(dy.models.load("deleveraging"))
RETURNS = 0.05 * np.random.default_rng(1).standard_normal(300)
CASCADE = unit_free(dy.models.load("liquidation_cascade"))


def with_part(system, part):
    x = next(name for name in ("equity_ratio", "x", "fall") if name in system.states)
    reset = dy.Event(f"{x} - 1/10", "falling", assign={x: "9/10"})
    changes = {"noise": {"noise": {"dW": {x: f"{x}/10"}}},
               "jumps": {"jumps": {"crash": dy.Jump("1/10", {x: f"{x}/2"})}},
               "resets": {"events": {**system.events, "fire": reset}},
               "time": {"equations": {**system.equations, x: f"({system.equations[x]}) + sin(time)/1000"}}}
    return replace(system, **changes[part])


def closed(ax):
    """What the corner of a figure says, as attributes."""
    plt.close(ax.figure)
    return SimpleNamespace(attrs={"note": " ".join(text.get_text() for text in ax.texts if text.get_gid() == "left out")})


def hopf_point():
    return dy.continue_fixed_points(HOPF, "mu", (-1, 1), {"x": 0, "y": 0, "mu": -0.5})["HB1"]


def rest(system):
    return {"x": 1} if system.name == "wells" else dict.fromkeys(system.states, 0)


AT_ONE = {"initial_state": {"x": 1.0}, "duration": 5.0}
CALLS = {
    "apply_shock": (WELLS, lambda s, **k: dy.apply_shock(s, s.initial_state(), "price", 0.1, **k)),
    "bifurcation_conditions": (HOPF, lambda s, **k: dy.bifurcation_conditions(s, rest(s), "mu", **k)),
    "bifurcation_diagram": (HOPF, lambda s, **k: dy.bifurcation_diagram(s, "mu", (-1, 1), cycles=False, **k)),
    "border_collisions": (GATED, lambda s, **k: dy.border_collisions(s, "mu", **k)),
    "cascade_number": (CORE, dy.cascade_number),
    "cascade_threshold": (WELLS, lambda s, **k: dy.cascade_threshold(
        s, initial_state={"x": 1.0}, bracket=(0.0, 1.0), duration=20.0, tolerance=1e-2, **k)),
    "certified_fixed_points": (WELLS, lambda s, **k: dy.certified_fixed_points(s, box={"x": (-1, 2)}, **k)),
    "characteristic_polynomial": (HOPF, lambda s, **k: dy.characteristic_polynomial(s, rest(s), **k)),
    "competing_paths": (CORE, lambda s, **k: dy.competing_paths(s, "net_flow", "equity_ratio", **k)),
    "conserved_quantities": (HOPF, dy.conserved_quantities),
    "continue_curve": (HOPF, lambda s, **k: dy.continue_curve(s, hopf_point(), ("mu", "mu"), **k)),
    "continue_cycles": (HOPF, lambda s, **k: dy.continue_cycles(s, hopf_point(), "mu", (-0.1, 0.1), max_steps=3, **k)),
    "continue_fixed_points": (WELLS, lambda s, **k: dy.continue_fixed_points(s, "price_impact", (0.5, 2), **k)),
    "critical_shocks": (WELLS, lambda s, **k: dy.critical_shocks(s, "price_impact", [1, 2], tolerance=1e-2, **k)),
    "edge_state": (WELLS, lambda s, **k: dy.edge_state(s, {"x": 1}, {"x": 0.1}, **k)),
    "exposure": (WELLS, lambda s, **k: dy.exposure(s, {"price_impact": [1, 2]}, RETURNS, bootstrap=20, **k)),
    "extremal_fixed_points": (MAP, lambda s, **k: dy.extremal_fixed_points(s, {"x": 0.5}, {"x": 4}, **k)),
    "feedback_loops": (WELLS, lambda s, **k: dy.feedback_loops(s, rest(s), **k)),
    "first_lyapunov_coefficient": (HOPF, lambda s, **k: dy.first_lyapunov_coefficient(s, rest(s), {"mu": 0}, **k)),
    "fixed_points": (WELLS, dy.fixed_points),
    "integrate": (WELLS, lambda s, **k: dy.integrate(s, 5, {"x": 0.5}, **k)),
    "iterate": (MAP, lambda s, **k: dy.iterate(s, 5, **k)),
    "jacobian": (WELLS, dy.jacobian),
    "liquidity_shock": (WELLS, lambda s, **k: dy.liquidity_shock(s, [0.0, 0.5], tolerance=1e-2, **k)),
    "loop_dominance": (WELLS, lambda s, **k: dy.loop_dominance(s, dy.integrate(WELLS, 1.0), **k)),
    "lyapunov_exponents": (HOPF, lambda s, **k: dy.lyapunov_exponents(s, 10, trajectories=2, **k)),
    "nonsmooth_regimes": (GATED, dy.nonsmooth_regimes),
    "normal_form": (HOPF, lambda s, **k: dy.normal_form(s, rest(s), {"mu": 0}, **k)),
    "orbit_ensemble": (MAP, lambda s, **k: dy.orbit_ensemble(s, 5, **k)),
    "path_ratio": (CORE, lambda s, **k: dy.path_ratio(s, "net_flow", "equity_ratio", **k)),
    "phase_diagram": (WELLS, lambda s, **k: dy.phase_diagram(
        s, ("price_impact", [1, 2]), ("shock:price", [0.1, 0.9]), **AT_ONE, **k)),
    "plot_cobweb": (MAP, lambda s, **k: closed(dy.plot_cobweb(s, **k))),
    "plot_cusp": (CASCADE, lambda s, **k: closed(dy.plot_cusp(s, "initial_fall", "total_impact", **k))),
    "plot_feedback_loops": (CORE, lambda s, **k: closed(dy.plot_feedback_loops(s, **k))),
    "plot_hysteresis": (CASCADE, lambda s, **k: closed(dy.plot_hysteresis(s, "initial_fall", [0.01, 0.06], **k))),
    "plot_phase_portrait": (HOPF, lambda s, **k: closed(dy.plot_phase_portrait(s, "x", "y", (-1, 1), (-1, 1), **k))),
    "region": (HOPF, lambda s, **k: dy.region(s, rest(s), **k)),
    "simulate": (WELLS, lambda s, **k: dy.simulate(
        s if s.noise else replace(s, noise={"other": {"x": "x/100"}}), 1, 0.1, 10, **k)),
    "sliding": (GATED, dy.sliding),
    "stability_conditions": (HOPF, lambda s, **k: dy.stability_conditions(s, rest(s), **k)),
    "sweep": (WELLS, lambda s, **k: dy.sweep(s, {"price_impact": [1, 2]}, "x", duration=3, **k)),
    "sweep of attractors": (WELLS, lambda s, **k: dy.sweep(s, {"price_impact": [1, 2]}, "settled_state", **AT_ONE, **k)),
}
WORDS = {"noise": "noise (dW)", "jumps": "the jump 'crash'", "resets": "the reset 'fire'"}


def analyses():
    """Public analyses and figures whose first argument is a system."""
    found = set()
    for module, names in dy._HOME.items():
        for name in names if module.startswith(("dynamics.analysis.", "dynamics.figures")) else ():
            first = next(iter(inspect.signature(getattr(dy, name)).parameters), "")
            found |= {name} if first == "system" else set()
    return found


def test_every_public_analysis_is_in_the_table():
    """A new one has to be entered, with what it does to each part, and with a call here."""
    assert analyses() == set(TABLE) - {"sweep of attractors"}
    assert set(CALLS) == set(TABLE)
    assert all(getattr(row, part) in (TREATS, NOTE, REFUSES) for row in TABLE.values() for part in PARTS)


def attributes_of(result):
    for name in ("attrs", "provenance"):
        if isinstance(getattr(result, name, None), dict):
            return getattr(result, name)
    for holder in (getattr(result, "table", None), getattr(result, "track", None), *getattr(result, "branches", ())):
        if hasattr(holder, "attrs"):
            return holder.attrs
        if hasattr(holder, "table"):
            return holder.table.attrs
    return {}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", sorted(TABLE))
def test_each_part_is_treated_noted_or_refused(name, part):
    system, call = CALLS[name]
    verdict = getattr(TABLE[name], part)
    system = with_part(system, part)
    if verdict == REFUSES and part == "time":
        with pytest.raises(dy.DynamicsError, match=r"time|autonomous"):
            call(system)
    elif verdict == REFUSES:
        with pytest.raises(dy.SpecificationError) as refusal:
            call(system)
        said = str(refusal.value)
        assert said.startswith(name.split(" of ")[0]), said
        assert all(words in said for words in (WORDS[part], f"'{system.name}'", f"ignore=('{part}',)")), said
    else:
        result = call(system)
        if verdict == NOTE and part != "time" and (name.startswith("plot_") or "note" in attributes_of(result)):
            assert WORDS[part] in " ".join(attributes_of(result)["note"].split())


@pytest.mark.parametrize("part", IGNORABLE)
@pytest.mark.parametrize("name", sorted(name for name in TABLE if TABLE[name].noise == REFUSES and name != "continue_curve"))
def test_what_is_ignored_is_left_out_and_recorded(name, part):
    system, call = CALLS[name]
    result = call(with_part(system, part), ignore=(part,))
    assert attributes_of(result)["ignored"] == [part]
    assert "ignored" not in attributes_of(call(system))
    assert "ignored" not in attributes_of(call(system, ignore=part))   # nothing was there


# ---- what the numbers would have been ---------------------------------------------------------------------------------

def test_a_market_that_mostly_fails_is_not_called_stable():
    """With amplitude 5, a' = 1 - a passes 0 within one unit of time in 88 of 100 paths, and its drift never does."""
    market = dy.System(name="market", states={"a": 1}, parameters={"s": dy.Parameter(5, bounds=(0, None)), "k": 1},
                       equations={"a": "k*(1 - a)"}, noise={"dW": {"a": "s"}},
                       events={"insolvency": dy.Event("a", terminal=True)},
                       shocks={"price": dy.Shock({"a": "a - magnitude"})})
    run = dy.simulate(market, 1, 0.01, 2000, seed=1)
    assert float(run["event_probability"].sel(event="insolvency", bound="estimate")) > 0.8
    axes = ("k", [0.5, 1]), ("s", [1, 5])
    with pytest.raises(dy.SpecificationError, match=r"noise \(dW\)\. Use simulate for probabilities"):
        dy.phase_diagram(market, *axes)
    skeleton = dy.phase_diagram(market, *axes, ignore=("noise",))
    assert (skeleton["regime"] == 0).all()
    assert skeleton.attrs["ignored"] == ["noise"]
    assert "dW" not in skeleton.attrs["system_text"]   # what was computed


def test_the_exponent_of_geometric_brownian_motion_is_not_its_drift():
    """It is m - s**2/2 = -0.4, along every path; the drift alone has 0.1."""
    gbm = dy.System(name="gbm", states={"x": 1}, equations={"x": "x/10"}, noise={"dW": {"x": "x"}})
    with pytest.raises(dy.SpecificationError, match="noise"):
        dy.lyapunov_exponents(gbm)
    with pytest.raises(dy.SpecificationError, match="sweep follows the deterministic model"):
        dy.sweep(gbm, {"x": [1, 2]}, "lyapunov")
    drift = dy.lyapunov_exponents(gbm, 20, ignore=("noise",))
    assert float(drift["exponent"][0]) == pytest.approx(0.1, abs=1e-6)


def test_an_autoregression_is_not_a_path_of_zeros():
    noisy = dy.System(name="ar", time="discrete", states={"x": 0}, equations={"x": "x/2"}, noise={"dW": {"x": "1"}})
    with pytest.raises(dy.SpecificationError, match="orbit_ensemble with innovations"):
        dy.iterate(noisy, 100, seed=3)
    for measure in ("x", "period", "lyapunov"):
        with pytest.raises(dy.SpecificationError, match="noise"):
            dy.sweep(noisy, {"x": [0, 1]}, measure)
    assert (dy.iterate(noisy, 100, ignore="noise")["x"] == 0).all()


def test_integrate_and_fire_has_no_regime_but_final_states():
    neuron = dy.System(name="neuron", states={"v": 0}, parameters={"drive": 1.5, "floor": 0}, equations={"v": "drive - v"},
                       events={"fire": dy.Event("v - 1", "rising", assign={"v": "floor"})})
    over = {"drive": [1.5, 2.0]}
    with pytest.raises(dy.SpecificationError, match=r"the reset .fire. \(assign\)\. Use sweep for final states"):
        dy.phase_diagram(neuron, ("drive", over["drive"]), ("floor", [0.0, 0.5]))
    for measure in ("regime", "settled_state", "growth_rate", "lyapunov"):
        with pytest.raises(dy.SpecificationError, match=f"sweep of '{measure}'.*the reset 'fire'"):
            dy.sweep(neuron, over, measure)
    # between two firings v = I (1 - exp(-t)), which reaches 1 after log(I/(I - 1))
    found = dy.sweep(neuron, over, "v", duration=2.5)["v"].values
    for drive, v in zip(over["drive"], found, strict=True):
        period = np.log(drive/(drive - 1))
        assert v == pytest.approx(drive*(1 - np.exp(-(2.5 % period))), abs=1e-5)
    silent = dy.sweep(neuron, over, "settled_state", ignore=("resets",))
    assert silent["settled_v"].values == pytest.approx(over["drive"], abs=1e-3)


def test_unknown_words_are_refused_with_a_suggestion():
    with pytest.raises(dy.SpecificationError, match=r"'noisy' cannot be ignored\. Did you mean 'noise'"):
        dy.integrate(WELLS, 1, ignore=("noisy",))
    with pytest.raises(dy.SpecificationError, match="'time' cannot be ignored"):
        dy.integrate(WELLS, 1, ignore=("time",))


def test_fixed_points_of_a_noisy_model_say_that_they_are_of_the_drift():
    noisy = with_part(WELLS, "noise")
    points = dy.fixed_points(noisy)
    assert "drift only: of the equations without noise (dW)" in repr(points)
    assert points.table.attrs["note"] == points.provenance["note"]
    conditions = dy.stability_conditions(noisy, {"x": 1})
    assert "drift only" in repr(conditions)
    assert "note" not in dy.fixed_points(WELLS).provenance
