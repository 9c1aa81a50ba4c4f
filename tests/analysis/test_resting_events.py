"""A trajectory that comes to rest on the surface of an event never reaches it; one that is carried across does."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.path_fates import PathFates
from dynamics.analysis.regime_flags import REGIMES
from dynamics.analysis.resting_events import only_approached
from dynamics.analysis.shock_fates import UNDECIDED, Accuracy
from dynamics.results import STATUS

STARTS = [0.4, 1.0, 2.0]


def relaxing(level: str, direction: str = "falling") -> dy.System:
    """x - 0.3 = c exp(-a t), for ever on one side."""
    return dy.System(name="relaxing", states={"x": 1.0, "y": 1.0}, parameters={"a": 1.0},
                     equations={"x": "a*(0.3 - x)", "y": "-2*y"}, shocks={"price": dy.Shock({"x": "x - magnitude"})},
                     events={"ev": dy.Event(level, direction, terminal=True)})


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
@pytest.mark.parametrize(("level", "direction"), [("x - 0.3", "falling"), ("0.09 - x**2", "rising"), ("x - 0.3", "both"),
                                                  ("x + y - 0.3", "falling")])
def test_a_rest_on_the_surface_is_no_event(level: str, direction: str, engine: str) -> None:
    for rate in (1.0, 2.0, 3.0):
        ensemble = Ensemble(relaxing(level, direction), {"a": np.full(3, rate)}, 3, {"x": np.array(STARTS)})
        outcome = ensemble.run(event="ev", duration=1e3, engine=engine)
        # where steps come to nothing on the surface, no more is known either
        assert not np.isin(outcome.status, [STATUS["event"], STATUS["settled"], STATUS["completed"]]).any()
        assert outcome.first_event.tolist() == [-1] * 3


def test_cells_whose_rest_is_on_the_surface_are_not_settled() -> None:
    system = dy.System(name="relaxing", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a*(0.3 - x)"},
                       events={"ev": dy.Event("x - 0.3", "falling", terminal=True)})
    for engine in ("kernel", "numpy"):
        found = dy.phase_diagram(system, ("a", [1, 2, 3]), ("x", STARTS), duration=1e3, engine=engine)
        assert (found["regime"] == REGIMES["not_settled"]).all()


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
@pytest.mark.parametrize("beyond", [1e-2, 1e-5, 1e-8])
def test_a_surface_before_the_rest_is_crossed(beyond: float, engine: str) -> None:
    ensemble = Ensemble(relaxing(f"x - 0.3 - {beyond!r}"), {}, 3, {"x": np.array(STARTS)})
    outcome = ensemble.run(event="ev", duration=1e3, engine=engine, relative_tolerance=1e-10, absolute_tolerance=1e-12)
    assert outcome.happened.all()


def test_a_surface_just_behind_the_rest_is_not_crossed_by_errors() -> None:
    ensemble = Ensemble(relaxing("x - 0.3 + 1e-8"), {}, 3, {"x": np.array(STARTS)})
    outcome = ensemble.run(event="ev", duration=1e3, relative_tolerance=1e-4, absolute_tolerance=1e-6)
    assert not outcome.happened.any()


def test_a_slow_drift_through_the_surface_is_an_event() -> None:
    drift = dy.System(name="drift", states={"x": 1.0}, parameters={"a": 1e-6}, equations={"x": "-a"},
                      events={"ev": dy.Event("x - 0.3", "falling", terminal=True)})
    assert not only_approached(drift, np.array([[0.3]]), np.array([[1e-6]]), ["ev"], 1e-6, 1e-9).any()
    saddle = dy.System(name="saddle", states={"x": 1.0}, equations={"x": "x - 0.3"},
                       events={"ev": dy.Event("x - 0.3 + 1e-9", "falling", terminal=True)})
    assert not only_approached(saddle, np.array([[0.3 - 1e-9]]), np.empty((0, 1)), ["ev"], 1e-6, 1e-9).any()


def test_single_trajectories_that_rest_on_the_surface_are_undecided() -> None:
    paths = PathFates(relaxing("x - 0.3"), np.ones(2), "price", ("ev",))
    tight: Accuracy = {"relative_tolerance": 1e-11, "absolute_tolerance": 1e-13}
    ends = paths.fates(np.zeros(2, dtype=np.intp), np.array([0.0, 0.8]), tight).ending
    assert ends.tolist() == [UNDECIDED, 0]
