"""Edge states against closed forms, continued cycles and bisection."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.boundary_search import BoundarySearch
from dynamics.analysis.boundary_surfaces import JUMP, dividing_switch
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import cycle_bifurcations as known


@pytest.fixture(scope="module")
def bistable():
    return dy.System(name="bistable", states={"x": 1.0}, parameters={"a": 0.3}, equations={"x": "x*(1 - x)*(x - a)"},
                     shocks={"fall": dy.Shock({"x": "x - magnitude"})})


def test_the_saddle_between_two_wells(bistable):
    found = dy.edge_state(bistable, {"x": 1.0}, {"x": 0.0})
    assert found.kind == "fixed point"
    assert found.refined
    assert found.state["x"] == pytest.approx(0.3, abs=1e-12)


def test_the_minimal_shock_is_the_distance_to_the_edge(bistable):
    found = dy.edge_state(bistable, {"x": 1.0}, shock="fall", tolerance=1e-10)
    assert found.critical_shock == pytest.approx(0.7, abs=2e-10)
    assert found.bracket[0] - 1e-11 < 0.7 < found.bracket[1] + 1e-11


def test_a_saddle_in_the_plane_is_reached_along_the_boundary():
    # the boundary x = 0 is the stable manifold of the saddle at the origin, which attracts along it
    system = dy.System(name="double well", states={"x": 1.0, "y": 0.0}, parameters={"c": 1.0},
                       equations={"x": "x - x**3", "y": "-c*y + x**2"})
    found = dy.edge_state(system, {"x": 1.0, "y": 3.0}, {"x": -0.5, "y": 3.0})
    assert found.kind == "fixed point"
    assert found.state == pytest.approx({"x": 0.0, "y": 0.0}, abs=1e-9)
    assert float(found.track["y"][0]) > 2 > float(found.track["y"][-1])


def test_an_unstable_cycle_bounds_the_basin():
    # radius 1 is unstable, inside it everything ends at the origin, outside it runs away to radius 2
    ring = "((x**2 + y**2) - 1)*(4 - (x**2 + y**2))"
    system = dy.System(name="ring", states={"x": 0.0, "y": 0.0}, parameters={"w": 1.0},
                       equations={"x": f"-w*y + x*{ring}/4", "y": f"w*x + y*{ring}/4"})
    found = dy.edge_state(system, {"x": 0.0, "y": 0.1}, {"x": 0.0, "y": 1.7}, duration=40)
    assert found.kind == "cycle"
    assert found.high["x"] == pytest.approx(1.0, abs=1e-7)
    assert found.low["y"] == pytest.approx(-1.0, abs=1e-7)
    assert found.period == pytest.approx(6.283185307179586, rel=1e-9)
    assert found.table["high"].sel(state="x") == pytest.approx(1.0, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("impact", "leverage", "critical"), known.CORE)
def test_the_core_cycle_and_its_critical_shock(impact, leverage, critical):
    system = dy.models.load("deleveraging").with_parameters(price_impact=impact, target_leverage=leverage)
    found = dy.edge_state(system, shock="price", event="insolvency")
    assert found.kind == "cycle"
    assert found.critical_shock == pytest.approx(critical, abs=2e-9)
    limit = 1 + 3 / impact
    born = {"price_gap": 0.0, "equity_ratio": 1 / limit, "liquidation_flow": 0.0}
    branch = dy.continue_cycles(system.with_parameters(target_leverage=limit),
                                dy.results.SpecialPoint("hopf", "HB1", born, {"target_leverage": limit}),
                                "target_leverage", (leverage, limit + 0.5), fineness=0.2)
    last = branch.table.isel(step=-1)
    assert found.low["equity_ratio"] == pytest.approx(float(last["min_equity_ratio"]), abs=1e-8)
    assert found.high["equity_ratio"] == pytest.approx(float(last["max_equity_ratio"]), abs=1e-8)
    assert found.period == pytest.approx(float(last["period"]), rel=1e-8)


@pytest.mark.slow
def test_the_default_threshold_lies_on_the_stable_manifold_of_the_saddle_of_insolvency():
    found = dy.edge_state(dy.models.load("deleveraging"), shock="price", event="insolvency")
    assert found.critical_shock == pytest.approx(0.1735070016, abs=1e-9)
    assert found.kind == "fixed point"
    # x = -eta (Q + theta)/kappa, q = Q
    assert found.state == pytest.approx({"price_gap": -6.15, "equity_ratio": 0.0, "liquidation_flow": 20.0}, abs=1e-9)
    assert found.evaluations < 2000


def test_times_of_departure_find_the_boundary_with_few_trajectories():
    calls = []

    def outcome(state):
        calls.append(float(state[0]))
        gap = state[0] - 0.30123456789
        return gap < 0, np.nan if gap < 0 else -np.log(gap) / 7 + 0.02 * gap

    search = BoundarySearch(outcome)
    for _ in range(2):
        calls.clear()
        low, high = search(np.zeros(1), np.ones(1), 1e-11, np.ones(1))
        assert low[0] < 0.30123456789 < high[0] < low[0] + 1.01e-11
    assert search.rate == pytest.approx(7, rel=1e-2)
    assert len(calls) <= 15 < 37


def test_times_that_follow_no_law_do_not_mislead():
    def outcome(state):
        return state[0] < 0.7, np.sin(1e3 * state[0])

    search = BoundarySearch(outcome, rate=3.0)
    for _ in range(5):
        low, high = search(np.zeros(1), np.ones(1), 1e-9, np.ones(1))
        assert low[0] < 0.7 <= high[0] < low[0] + 1.01e-9


def test_what_is_refused(bistable):
    with pytest.raises(SpecificationError, match="a shock, or a second state"):
        dy.edge_state(bistable)
    with pytest.raises(SpecificationError, match="same outcome"):
        dy.edge_state(bistable, {"x": 0.9}, {"x": 0.8})
    with pytest.raises(SpecificationError, match="Did you mean 'fall'"):
        dy.edge_state(bistable, shock="fell")
    with pytest.raises(ConvergenceError, match="same outcome"):
        dy.edge_state(bistable, {"x": 1.0}, shock="fall", bracket=(0.0, 0.5))
    logistic = dy.System(name="map", time="discrete", states={"x": 0.5}, parameters={"r": 3.0}, equations={"x": "r*x*(1-x)"})
    with pytest.raises(DerivationError, match="autonomous flow"):
        dy.edge_state(logistic, {"x": 0.1}, {"x": 0.9})


def wells(surface: float, **more) -> dy.System:
    """Stable at 1 and 0, unstable at 0.3; the event is a fall to ``surface``."""
    return dy.System(name="wells", states={"x": 1.0}, parameters={"a": 0.3}, equations={"x": "x*(1 - x)*(x - a)"},
                     events={"line": dy.Event(f"x - {surface}", "falling", terminal=True)},
                     shocks={"price": dy.Shock({"x": "x - magnitude"}, bounds=(None, None))}, **more)


@pytest.mark.parametrize("surface", [0.31, 0.4, 0.9])
def test_where_the_event_cuts_the_basin_there_is_no_edge_state(surface, tmp_path):
    found = dy.edge_state(wells(surface), {"x": 1.0}, shock="price", event="line")
    assert (found.kind, found.event, dict(found.state)) == ("event surface", "line", {})
    assert found.critical_shock == pytest.approx(1 - surface, abs=1e-8)
    assert "the basin ends at the surface x - " in found.message
    assert "there is no edge state" in repr(found)
    assert found.table.sizes["state"] == 0
    dy.save(found, tmp_path / "edge.json")
    again = dy.open(tmp_path / "edge.json")
    assert (again.kind, again.event, again.message) == (found.kind, found.event, found.message)


def test_an_event_beyond_the_unstable_point_leaves_the_edge_state():
    found = dy.edge_state(wells(0.2), {"x": 1.0}, shock="price", event="line")
    assert found.kind == "fixed point"
    assert found.state == pytest.approx({"x": 0.3}, abs=1e-12)
    assert found.critical_shock == pytest.approx(0.7, abs=1e-8)


def test_a_trajectory_that_grazes_the_event_is_its_surface_too():
    """A turning fall: shocks over some size dip below the line, all others return to the same point."""
    system = dy.System(name="swing", states={"x": 0.0, "v": 0.0}, parameters={"c": 0.2},
                       equations={"x": "v", "v": "-x - c*v"}, events={"line": dy.Event("x + 1", "falling", terminal=True)},
                       shocks={"push": dy.Shock({"v": "v - magnitude"})})
    found = dy.edge_state(system, {"x": 0.0, "v": 0.0}, shock="push", event="line")
    w = np.sqrt(1 - 0.01)
    turning = np.arctan(w / 0.1) / w   # x' = 0 first
    assert found.kind == "event surface"
    assert found.critical_shock == pytest.approx(w / (np.exp(-0.1 * turning) * np.sin(w * turning)), abs=1e-7)
    assert found.state == {}


def test_a_cycle_that_attracts_the_pair_is_no_edge_state():
    """Everything outside the origin turns into the cycle of radius 2; the event's surface lies across the ways there."""
    ring = "(4 - (x**2 + y**2))"
    system = dy.System(name="ring", states={"x": 2.0, "y": 0.0}, parameters={"w": 1.0},
                       equations={"x": f"-w*y + x*{ring}/4", "y": f"w*x + y*{ring}/4"},
                       events={"line": dy.Event("x - 5", "rising", terminal=True)},
                       shocks={"push": dy.Shock({"x": "x + magnitude"})})
    found = dy.edge_state(system, {"x": 2.0, "y": 0.0}, shock="push", event="line", duration=60)
    assert found.kind == "event surface"
    assert found.critical_shock == pytest.approx(3, abs=1e-8)


def two_lines(**more) -> dy.System:
    """Stable at 1 and 0, unstable at 0.3; the margin line ends a run before the unstable point or insolvency is reached."""
    events = {"margin": dy.Event("x - 0.6", "falling", terminal=True),
              "insolvency": dy.Event("x - 0.2", "falling", terminal=True)}
    return dy.System(name="two lines", states={"x": 1.0}, parameters={"a": 0.3}, equations={"x": "x*(1 - x)*(x - a)"},
                     events={**events, **more}, shocks={"price": dy.Shock({"x": "x - magnitude"}, bounds=(None, None))})


@pytest.mark.parametrize("event", ["insolvency", None, "any", ["insolvency", "margin"]])
def test_another_terminal_event_bounds_the_basin(event):
    found = dy.edge_state(two_lines(), shock="price", event=event)
    assert (found.kind, found.event, dict(found.state)) == ("event surface", "margin", {})
    assert found.critical_shock == pytest.approx(0.4, abs=2e-9)
    assert ("'margin', which ends the run before" in found.message) == (event == "insolvency")
    first = dy.cascade_threshold(two_lines(), event="insolvency", both_directions=False).preceded_by["margin"]
    assert found.critical_shock == pytest.approx(first, abs=2e-9)


def test_another_terminal_event_on_the_segment_between_two_states():
    found = dy.edge_state(two_lines(), {"x": 1.0}, {"x": 0.1}, event="insolvency")
    assert (found.kind, found.event) == ("event surface", "margin")
    assert float(found.track["x"][0]) == pytest.approx(0.6, abs=1e-8)


def test_a_shock_that_crosses_an_event_of_both_directions_is_that_event():
    found = dy.edge_state(two_lines(gate=dy.Event("x - 0.7", "both", terminal=True)), shock="price", event="insolvency")
    assert (found.kind, found.event) == ("event surface", "gate")
    assert found.critical_shock == pytest.approx(0.3, abs=2e-9)


def test_an_event_that_is_not_terminal_ends_nothing_unless_it_is_asked_for():
    passing = dy.System(name="passing", states={"x": 1.0}, parameters={"a": 0.3}, equations={"x": "x*(1 - x)*(x - a)"},
                        events={"warning": dy.Event("x - 0.6", "falling"),
                                "insolvency": dy.Event("x - 0.2", "falling", terminal=True)},
                        shocks={"price": dy.Shock({"x": "x - magnitude"}, bounds=(None, None))})
    found = dy.edge_state(passing, shock="price")
    assert (found.kind, found.critical_shock) == ("fixed point", pytest.approx(0.7, abs=2e-9))
    assert dy.edge_state(passing, shock="price", event="warning").event == "warning"


def test_a_safe_state_beyond_a_terminal_event_is_refused():
    with pytest.raises(SpecificationError, match="beyond the event 'margin'"):
        dy.edge_state(two_lines(), {"x": 0.5}, shock="price", event="insolvency")


@pytest.mark.parametrize(("equations", "low", "high", "surface"), [
    ({"x": "(1 - x) if x > 0.5 else -x", "y": "-y"}, {"x": 1.0, "y": 1.0}, {"x": 0.0, "y": 1.0}, "x - 1/2"),
    ({"x": "sign(x + 0.1*y) - x", "y": "-y"}, {"x": 1.0, "y": 1.0}, {"x": -1.0, "y": 1.0}, "x + y/10")])
def test_where_the_field_jumps_and_leads_away_the_boundary_is_its_switch(equations, low, high, surface):
    system = dy.System(name="switched", states={"x": 1.0, "y": 0.0}, equations=equations)
    found = dy.edge_state(system, low, high)
    assert (found.kind, dict(found.state)) == ("switch surface", {})
    assert f"the boundary is the switch {surface} = 0 of the field" in found.message
    assert found.evaluations < 100


def test_the_critical_shock_at_a_switch():
    system = dy.System(name="switched", states={"x": 1.0}, equations={"x": "(1 - x) if x > 0.5 else -x"},
                       shocks={"price": dy.Shock({"x": "x - magnitude"})})
    found = dy.edge_state(system, {"x": 1.0}, shock="price")
    assert (found.kind, found.critical_shock) == ("switch surface", pytest.approx(0.5, abs=2e-9))


def test_a_kink_or_a_switch_that_is_crossed_is_no_boundary():
    kink = dy.System(name="kink", states={"x": 1.0}, equations={"x": "(x if x > 0 else 2*x) - x**3"})
    assert dy.edge_state(kink, {"x": 1.0}, {"x": -1.0}).kind == "fixed point"
    crossed = dy.System(name="crossed", states={"x": 1.0, "y": 3.0},
                        equations={"x": "x - x**3", "y": "-2 if y > 1 else -y"})
    found = dy.edge_state(crossed, {"x": 1.0, "y": 3.0}, {"x": -0.5, "y": 3.0})
    assert (found.kind, found.state) == ("fixed point", pytest.approx({"x": 0.0, "y": 0.0}, abs=1e-9))


@pytest.mark.parametrize(("factor", "divides"), [(0.5, False), (2.0, True)])
def test_a_jump_counts_from_where_no_slope_explains_it(factor, divides):
    system = dy.System(name="steps", states={"x": 1.0}, parameters={"h": 1.0}, equations={"x": "x + (h if x > 0 else -h)"})
    gap = 1e-8
    # the fields differ by gap + 2 h, and the slope on either side is 1
    h = (factor * JUMP * 2 * gap - gap) / 2
    assert bool(dividing_switch(system, [h], np.array([-gap / 2]), np.array([gap / 2]))) == divides
