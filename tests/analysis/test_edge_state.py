"""Edge states against closed forms, continued cycles and bisection."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.boundary_search import BoundarySearch
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
