"""Events whose level has no value where a trajectory begins: nothing is then proved, and shocks below are still found."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.path_fates import PathFates
from dynamics.analysis.regime_flags import REGIMES
from dynamics.analysis.shock_fates import LaneFates
from dynamics.analysis.threshold_search import crossing_sizes
from dynamics.errors import IntegrationError
from dynamics.results import STATUS

FALL = {"price": dy.Shock({"x": "x - magnitude"})}
LEVELS = {"log(x) + 2": 1 - math.exp(-2), "sqrt(x) - 0.3": 0.91, "1 - x**(-1/2)/5": 0.96}


def _relaxing(level: str) -> dy.System:
    return dy.System(name="relaxing", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a*(1 - x)"}, shocks=FALL,
                     events={"ev": dy.Event(level, "falling", terminal=True)})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_shock_beyond_the_values_of_a_level_proves_nothing(level: str, engine: str) -> None:
    sizes = np.array([0.5, 0.98, 1.5, 3.0])
    ensemble = Ensemble(_relaxing(level), {}, sizes.size, {"x": 1.0})
    outcome = ensemble.run("price", sizes, event="ev", engine=engine)
    expected = ["settled", "event", "invalid_state", "invalid_state"]
    assert outcome.status.tolist() == [STATUS[name] for name in expected]
    assert not np.isfinite(outcome.rest[0, 2:]).any()


def test_cells_beyond_the_values_of_a_level_are_invalid() -> None:
    diagram = dy.phase_diagram(_relaxing("log(x) + 2"), ("a", [1, 2]), ("shock:price", [0.5, 0.9, 1.5, 3.0]))
    found = diagram["regime"].values
    for row, name in enumerate(["stable", "insolvent_at_once", "invalid", "invalid"]):
        assert (found[row] == REGIMES[name]).all()


def test_start_beyond_the_values_of_a_level_in_a_sweep() -> None:
    swept = dy.sweep(_relaxing("log(x) + 2"), {"x": [-0.5, 0.5]}, "settled_state")
    assert swept["status"].values.tolist() == [STATUS["invalid_state"], STATUS["settled"]]
    assert np.isnan(swept["settled_x"].values[0])


def test_integration_from_beyond_the_values_of_a_level_says_so() -> None:
    with pytest.raises(IntegrationError, match="level of the event 'ev' has no value at the start"):
        dy.integrate(_relaxing("log(x) + 2"), 10.0, initial_state={"x": -0.5})


def test_a_level_that_is_infinite_has_a_side() -> None:
    ensemble = Ensemble(_relaxing("log(x) + 2"), {}, 1, {"x": 1.0})
    outcome = ensemble.run("price", np.ones(1), event="ev")
    assert outcome.status.tolist() == [STATUS["event"]]
    assert outcome.at_once.all()


@pytest.mark.parametrize("level", LEVELS)
def test_thresholds_below_the_end_of_a_level(level: str) -> None:
    found = dy.cascade_threshold(_relaxing(level), both_directions=False)
    assert found.status == "insolvent_at_once"
    assert found.value == pytest.approx(LEVELS[level], abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_brackets_beyond_the_end_of_a_level_hold_no_proof(level: str) -> None:
    found = dy.cascade_threshold(_relaxing(level), bracket=(1.1, 3.0))
    assert found.status == "not_settled"
    assert math.isnan(found.value)


def test_crossing_is_found_where_the_level_ends_just_beyond_it() -> None:
    # sizes grow by half: the first that is tried beyond 0.999 has no level any more
    system = _relaxing("sqrt(x) - 0.01")
    runner = LaneFates(Ensemble(system, {}, 1, {"x": 1.0}), "price", ("ev",))
    assert crossing_sizes(runner, np.zeros(1, dtype=np.intp))[0] == pytest.approx(0.9999, abs=1e-12)


@pytest.mark.parametrize("reset", [False, True])
def test_single_trajectories_from_beyond_the_values_of_a_level(reset: bool) -> None:
    """Indexed systems, and those with resets."""
    events = {"ev": dy.Event("log(total(x, i)) + 2", "falling", terminal=True)}
    if reset:
        events["call"] = dy.Event("total(x, i) - 10", "rising", assign={"x": "x - 1"})
    system = dy.System(name="two", indices={"i": 2}, states={"x": dy.State([0.5, 0.5], over="i")},
                       equations={"x": "0.5 - x"}, events=events, shocks=FALL)
    start = {"x": np.array([0.5, 0.5])}
    beyond = dy.cascade_threshold(system, initial_state=start, bracket=(0.6, 2.0), tolerance=1e-6)
    assert (beyond.status, math.isnan(beyond.value)) == ("not_settled", True)
    found = dy.cascade_threshold(system, initial_state=start, tolerance=1e-6, both_directions=False)
    assert found.status == "insolvent_at_once"
    assert found.value == pytest.approx((1 - math.exp(-2)) / 2, abs=1e-9)


@pytest.mark.parametrize("direction", ["falling", "rising"])
def test_single_trajectories_that_begin_beyond_an_event(direction: str) -> None:
    sign = 1 if direction == "falling" else -1
    system = dy.System(name="two", indices={"i": 2}, states={"x": dy.State([0.0, 0.0], over="i")},
                       equations={"x": "-x"}, shocks=FALL,
                       events={"ev": dy.Event(f"{sign}*(total(x, i) - 0.3)", direction, terminal=True)})
    paths = PathFates(system, np.array([0.1, 0.1]), "price", ("ev",))
    assert paths.crosses(np.zeros(1, dtype=np.intp), np.zeros(1)).tolist() == [True]
    below = PathFates(system, np.array([0.3, 0.3]), "price", ("ev",))
    assert below.crosses(np.zeros(2, dtype=np.intp), np.array([0.0, 0.2])).tolist() == [False, True]


def test_at_once_is_inside_the_proved_bracket() -> None:
    # the threshold is the edge of the basin, 0.7 away; the event itself lies 0.9 away
    system = dy.System(name="wells", states={"x": 1.0}, equations={"x": "x*(1 - x)*(x - 0.3)"}, shocks=FALL,
                       events={"ev": dy.Event("x - 0.1", "falling", terminal=True)})
    for tolerance in (0.21, 0.05, 0.3, 1e-6):
        found = dy.cascade_threshold(system, tolerance=tolerance, both_directions=False)
        assert found.status == "found"
        assert found.bracket[0] <= 0.7 <= found.bracket[1]
        assert found.bracket[0] <= found.value <= found.bracket[1]
