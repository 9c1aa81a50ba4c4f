"""A threshold is found only between a shock proved to lead to the event and one proved not to: closed forms, both routes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.lane_thresholds import OUTCOMES
from dynamics.errors import SpecificationError

NAMES = {code: name for name, code in OUTCOMES.items()}


def flow(equations: dict[str, str], event: dy.Event, shock: dict[str, str], states: dict[str, Any],
         parameters: dict[str, Any] | None = None, **more: Any) -> dy.System:
    return dy.System(name="flow", states=states, parameters=parameters or {"one": 1.0}, equations=equations,
                     events={"insolvency": event, **more}, shocks={"price": dy.Shock(shock, bounds=(None, None))})


def slow_saddle(a: float) -> dy.System:
    """The border is the unstable point sqrt(1000 a), from which everything moves at the rate 2a."""
    return flow({"x": "-a*x + x**3/1000", "y": "x - 5*y"}, dy.Event("x - 3", "rising", terminal=True),
                {"x": "x + magnitude"}, {"x": 0.0, "y": 0.0}, {"a": a})


def bleed(eps: float) -> dy.System:
    """At or below 1/2 equity is lost at a constant rate, however small, until it is gone."""
    return flow({"e": "(1 - e) if e > 0.5 else -eps"}, dy.Event("e", "falling", terminal=True), {"e": "e - magnitude"},
                {"e": 1.0}, {"eps": eps})


def ghost(mu: float) -> dy.System:
    """No rest for mu > 0: the event happens without any shock, after pi/sqrt(mu)."""
    return flow({"x": "mu + x**2"}, dy.Event("x - 1", "rising", terminal=True), {"x": "x + magnitude"}, {"x": -1.0},
                {"mu": mu})


def steep_saddle(k: float) -> dy.System:
    return flow({"x": "x*(1 + x)*exp(-k*(1 + x))"}, dy.Event("x - 1", "rising", terminal=True), {"x": "x + magnitude"},
                {"x": -1.0}, {"k": k})


def deadband() -> dy.System:
    """Of a flow m the equity c m/k is lost: all of it at m = k/c."""
    return flow({"q": "-k*max(q - 1, 0)", "e": "-c*max(q - 1, 0)"}, dy.Event("e", "falling", terminal=True),
                {"q": "q + magnitude"}, {"q": 1.0, "e": 1.0}, {"k": 0.5, "c": 0.45})


def both(system: dy.System, **options: Any) -> tuple[dy.results.Threshold, float, str]:
    """The single threshold, and value and status of the sweep."""
    single = dy.cascade_threshold(system, both_directions=False, **options)
    name = next(iter(system.parameters))
    cell = dy.sweep(system, {name: [system.parameter_values[name]]}, "threshold", tolerance=1e-9, **options)
    return single, float(cell["threshold"][0]), NAMES[int(cell["threshold_status"][0])]


@pytest.mark.parametrize(("system", "start", "right"), [
    (slow_saddle(0.0005), {"x": 0, "y": 0}, math.sqrt(0.5)), (slow_saddle(0.05), {"x": 0, "y": 0}, None),
    (bleed(1e-2), {"e": 1}, 0.5), (bleed(1e-4), {"e": 1}, 0.5), (bleed(1e-6), {"e": 1}, 0.5),
    (steep_saddle(5.0), {"x": -1}, 1.0), (deadband(), {"q": 1, "e": 1}, 0.5 / 0.45)])
def test_slow_systems_have_their_right_threshold_by_both_routes(system: dy.System, start: dict, right: float | None) -> None:
    single, value, status = both(system, initial_state=start)
    if right is None:   # the unstable point lies beyond the event
        assert (single.status, status) == ("insolvent_at_once", "insolvent_at_once")
        assert single.value == value == pytest.approx(3, abs=1e-12)
        return
    assert (single.status, status) == ("found", "found")
    assert single.value == pytest.approx(right, abs=2e-9)
    assert value == pytest.approx(single.value, abs=1e-9)
    assert single.bracket[0] <= right * (1 + 1e-9)
    assert right * (1 - 1e-9) <= single.bracket[1]


@pytest.mark.parametrize("mu", [1e-4, 1e-6, 1e-8, 1e-12])
def test_the_ghost_of_a_fold_is_never_a_threshold(mu: float) -> None:
    single, value, status = both(ghost(mu), initial_state={"x": -1.0})
    assert (single.status, single.value, status, value) == ("unstable", 0.0, "unstable", 0.0)
    assert "without any shock" in single.message
    # at a hard end before the event nothing is proved below
    single, value, status = both(ghost(mu), initial_state={"x": -1.0}, duration=20.0)
    assert single.status == status == "not_settled"
    assert math.isnan(single.value)
    assert math.isnan(value)
    assert math.isnan(single.bracket[0])
    assert 1 < single.bracket[1] < 1.2   # from 1 + 1/20 on the event comes within 20: proved
    assert "had not settled within a time of 20" in single.message


def test_a_short_horizon_leaves_the_bracket_open_on_both_sides_of_the_truth() -> None:
    single, value, status = both(slow_saddle(0.0005), initial_state={"x": 0, "y": 0}, duration=4000.0)
    assert single.status == status == "open_bracket"
    assert math.isnan(single.value)
    assert math.isnan(value)
    low, high = single.bracket
    assert 0 <= low < math.sqrt(0.5) < high < 1.5
    assert "had not settled within a time of 4000" in single.message
    assert "inside the bracket" in single.message
    assert "open_bracket" in repr(single)


def test_shocks_that_lead_to_a_cycle_are_never_proved_harmless() -> None:
    """Stable at 0, unstable at radius 1, a stable cycle of radius 2, unstable at 3, and beyond it everything runs away."""
    radius = "(1 - (x**2 + y**2))*(4 - (x**2 + y**2))*(9 - (x**2 + y**2))/36"
    rings = flow({"x": f"-y - one*x*{radius}", "y": f"x - one*y*{radius}"},
                 dy.Event("x**2 + y**2 - 36", "rising", terminal=True), {"x": "x + magnitude"}, {"x": 0.0, "y": 0.0})
    single, value, status = both(rings, initial_state={"x": 0, "y": 0})
    assert single.status == status == "open_bracket"
    assert math.isnan(single.value)
    assert math.isnan(value)
    assert single.bracket == pytest.approx((1, 3), abs=0.15)
    assert single.bracket[0] < 1 + 1e-9
    assert single.bracket[1] > 3 - 1e-9
    # falls of every size from 0 to 5: two fifths are over 3, four fifths over 1
    falls = -np.linspace(0.005, 5, 1000)[np.random.default_rng(0).permutation(1000)]
    shocked = dy.exposure(rings, {"one": [0.9, 1.0]}, falls, 0.5, periods=1, bootstrap=20, event="insolvency")
    assert shocked["status"].values.tolist() == [OUTCOMES["open_bracket"]] * 2
    assert np.isnan(shocked["critical_shock"]).all()
    assert np.isnan(shocked["probability"]).all()
    assert (shocked["probability_lower"].values < 0.4).all()   # falls over 3
    assert (shocked["probability_lower"].values > 0.3).all()
    assert (shocked["probability_upper"].values > 0.8).all()   # falls over 1: never counted as harmless
    assert shocked["verdict"].values.tolist() == [2, 2]


def test_everything_proved_but_no_event_is_none_in_bracket_and_undecided_is_not() -> None:
    calm = flow({"x": "-one*x"}, dy.Event("x + 100", "falling", terminal=True), {"x": "x + magnitude"}, {"x": 0.0})
    assert both(calm, initial_state={"x": 0})[0].status == "none_in_bracket"
    creeping = flow({"x": "-one*x/100000"}, dy.Event("x + 100", "falling", terminal=True), {"x": "x + magnitude"},
                    {"x": 0.0})
    found = dy.cascade_threshold(creeping, initial_state={"x": 0}, bracket=(0, 1), duration=10)
    assert found.status == "not_settled"
    assert math.isnan(found.bracket[1])
    # without a hard end it is followed until it rests
    assert dy.cascade_threshold(creeping, initial_state={"x": 0}, bracket=(0, 1)).status == "none_in_bracket"


def test_an_unstable_start_is_known_by_its_eigenvalues() -> None:
    hill = flow({"x": "one*x*(1 - x)*(x - 0.3)"}, dy.Event("x - 0.1", "falling", terminal=True), {"x": "x - magnitude"},
                {"x": 0.3})
    single, value, status = both(hill, initial_state={"x": 0.3})
    assert (single.status, single.value, status, value) == ("unstable", 0.0, "unstable", 0.0)
    assert "eigenvalues" in single.message


# ---- several events -------------------------------------------------------------------------------------------------------

def fund(first: str = "insolvency") -> dy.System:
    """The fund defaults from a shock over 1/2 on; insolvency needs .99, by the shock itself."""
    events = {"insolvency": dy.Event("a - 0.01", terminal=True), "fund_default": dy.Event("b - 0.25", terminal=True)}
    events = {name: events[name] for name in sorted(events, key=lambda name: name != first)}
    return dy.System(name="two", states={"a": 1.0, "b": 1.0}, parameters={"k": 1.0},
                     equations={"a": "k*(1 - a)", "b": "b*(1 - b)*(b - 0.5)"}, events=events,
                     shocks={"price": dy.Shock({"a": "a - magnitude", "b": "b - magnitude"})})


@pytest.mark.parametrize("event", [None, "any", "fund_default", ("insolvency", "fund_default"), ["fund_default"]])
def test_any_of_several_events(event: Any) -> None:
    found = dy.cascade_threshold(fund(), event=event, both_directions=False)
    assert (found.status, found.value) == ("found", pytest.approx(0.5, abs=2e-9))
    assert found.preceded_by == {}
    assert found.event == ("fund_default" if event in ("fund_default", ["fund_default"]) else "insolvency, fund_default")


@pytest.mark.parametrize("first", ["insolvency", "fund_default"])
def test_an_event_that_comes_first_is_named(first: str) -> None:
    found = dy.cascade_threshold(fund(first), event="insolvency", both_directions=False)
    assert (found.status, found.value) == ("insolvent_at_once", pytest.approx(0.99, abs=1e-12))
    assert found.preceded_by == {"fund_default": pytest.approx(0.5, abs=2e-9)}
    assert "'fund_default' ends the run first from 0.5 on" in found.message
    assert found.table.attrs["preceded_by"] == pytest.approx({"fund_default": 0.5}, abs=2e-9)


def test_unknown_events_are_refused() -> None:
    with pytest.raises(SpecificationError, match="Did you mean 'fund_default'"):
        dy.cascade_threshold(fund(), event=("insolvency", "fund_defaults"))
    with pytest.raises(SpecificationError, match="say with event="):
        dy.cascade_threshold(flow({"x": "-one*x"}, dy.Event("x + 1"), {"x": "x + magnitude"}, {"x": 0.0}))


def test_a_start_beyond_a_terminal_event_is_that_event_at_once() -> None:
    system = fund()
    found = dy.cascade_threshold(system, event="any", initial_state={"a": 0.0, "b": 1.0}, both_directions=False)
    assert (found.status, found.value) == ("unstable", 0.0)
    other = dy.cascade_threshold(system, event="insolvency", initial_state={"a": 1.0, "b": 0.2}, both_directions=False,
                                 bracket=(0.0, 0.9))
    assert other.status == "none_in_bracket"
    assert other.preceded_by == {"fund_default": 0.0}


# ---- one path at a time ------------------------------------------------------------------------------------------------

def books(members: int) -> dy.System:
    """Each member loses equity like a bistable scalar: under 0.3 it is gone. A shock hits all of them."""
    return dy.System(name="books", indices={"c": members}, states={"u": dy.State([1.0] * members, over="c")},
                     parameters={"a": 0.3}, equations={"u": "u*(1 - u)*(u - a)"},
                     events={"half": dy.Event(f"total(u, c) - {0.1 * members}", "falling", terminal=True)},
                     shocks={"price": dy.Shock({"u": "u - magnitude"}, bounds=(None, None))})


@pytest.mark.parametrize("members", [1, 2, 3])
def test_indexed_systems_have_thresholds(members: int) -> None:
    system = books(members)
    found = dy.cascade_threshold(system, event="half", initial_state={"u": np.ones(members)}, bracket=(0.5, 0.9),
                                 tolerance=1e-7, both_directions=False)
    assert (found.status, found.value) == ("found", pytest.approx(0.7, abs=1e-7))


def test_an_indexed_system_that_runs_to_its_event_without_a_shock() -> None:
    """The total decays like 1/(2 + t) and passes 0.3 at t = 4/3."""
    system = dy.System(name="two", indices={"c": 2}, states={"x": 0.0, "u": dy.State([0.3, 0.2], over="c")},
                       equations={"x": "-x", "u": "-u*total(u, c) - x*u"},
                       events={"half": dy.Event("total(u, c) - 0.3", "falling", terminal=True)},
                       shocks={"price": dy.Shock({"x": "x - magnitude"})})
    found = dy.cascade_threshold(system, shock="price", event="half", duration=5.0, initial_state=system.initial_state(),
                                 bracket=(-3.0, 3.0), both_directions=False)
    assert (found.status, found.value) == ("unstable", 0.0)


def test_resets_are_followed() -> None:
    """A margin call at 0.6 takes 0.3 at once: from there equity grows back from above 0.2, and is gone from below."""
    system = dy.System(name="calls", states={"e": 1.0}, parameters={"a": 0.2}, equations={"e": "e*(1 - e)*(e - a)"},
                       events={"call": dy.Event("e - 0.6", "falling", assign={"e": "e - 0.3"}),
                               "ruin": dy.Event("e - 0.05", "falling", terminal=True)},
                       shocks={"price": dy.Shock({"e": "e - magnitude"}, bounds=(None, None))})
    found = dy.cascade_threshold(system, event="ruin", initial_state={"e": 1.0}, bracket=(0.0, 0.9), tolerance=1e-7)
    assert (found.status, found.value) == ("found", pytest.approx(0.8, abs=1e-7))


def test_with_a_start_no_fixed_point_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("fixed points were derived")

    system = flow({"x": "one*x*(1 - x)*(x - 0.3)"}, dy.Event("x - 0.1", "falling", terminal=True), {"x": "x - magnitude"},
                  {"x": 1.0})
    for place in ("dynamics.analysis.equilibria.fixed_points", "dynamics.analysis.ensembles.lane_points",
                  "dynamics.analysis.ensembles.followed_points"):
        monkeypatch.setattr(place, refuse)
    for options in ({"bracket": (0.5, 0.9), "duration": 300.0}, {}):
        found = dy.cascade_threshold(system, initial_state={"x": 1.0}, both_directions=False, **options)
        assert (found.status, found.value) == ("found", pytest.approx(0.7, abs=2e-9))


def test_a_stable_point_of_another_basin_is_an_attractor_too() -> None:
    """From 1 a shock over 1 leads to the other well, from which no event comes: proved, although it is not the start's."""
    wells = flow({"x": "v", "v": "one*x - x**3 - v/5"}, dy.Event("x + 3", "falling", terminal=True), {"x": "x - magnitude"},
                 {"x": 1.0, "v": 0.0})
    found = dy.cascade_threshold(wells, initial_state={"x": 1.0, "v": 0.0}, bracket=(0.0, 2.5), both_directions=False)
    assert found.status == "none_in_bracket"


def test_the_first_look_comes_when_the_slowest_rate_has_brought_it_to_the_tolerance() -> None:
    system = flow({"x": "-one*x/100"}, dy.Event("x + 1", "falling", terminal=True), {"x": "x - magnitude"}, {"x": 0.0})
    for tolerance in (1e-4, 1e-9):
        found = dy.cascade_threshold(system, tolerance=tolerance, both_directions=False)
        assert found.provenance["duration"] == pytest.approx(100 * math.log(1 / tolerance))
    fast = dy.cascade_threshold(system.with_parameters(one=100), both_directions=False)
    assert fast.provenance["duration"] == 200
