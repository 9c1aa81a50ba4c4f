"""A start beyond a terminal event has ended with it at time 0, in paths with noise and in orbits of maps as in flows."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy

RUIN = {"ruin": dy.Event("x", terminal=True)}


def noisy(start: float, direction: str = "falling") -> dy.System:
    return dy.System(name="wandering", states={"x": start}, parameters={"s": 0.1}, equations={"x": "0"},
                     noise={"w": {"x": "s"}}, observables={"double": "2*x"},
                     events={"ruin": dy.Event("x", direction, terminal=True)})


@pytest.mark.parametrize(("start", "direction"), [(-1.0, "falling"), (1.0, "rising"), (-1e-9, "falling")])
@pytest.mark.parametrize("stored_paths", [0, 3])
def test_noisy_paths_that_start_beyond_ruin_are_ruined_at_once(start: float, direction: str, stored_paths: int) -> None:
    run = dy.simulate(noisy(start, direction), 1, 0.01, 50, stored_paths=stored_paths)
    assert run["event_probability"].sel(event="ruin", bound="estimate") == 1
    assert float(run["step_bias_estimate"].sel(event="ruin")) == 0
    assert np.all(run["first_passage_time"] == 0)
    assert np.all(run["end_time"] == 0)
    assert np.all(run["final_x"] == start)
    assert np.all(run["max_double"] == 2 * start)
    assert "beyond the event 'ruin'" in run.attrs["message"]
    if stored_paths:
        assert np.all(run["x"].isel(time=0) == start)
        assert np.all(run["x"].isel(time=slice(1, None)).isnull())


@pytest.mark.parametrize(("start", "direction"), [(0.0, "falling"), (1.0, "falling"), (-1.0, "both"), (-1.0, "rising")])
def test_noisy_paths_on_the_surface_or_before_it_run(start: float, direction: str) -> None:
    run = dy.simulate(noisy(start, direction), 1, 0.01, 50)
    assert float(run["end_time"].max()) > 0


def test_orbits_of_maps() -> None:
    growing = dy.System(name="growing", time="discrete", states={"x": 1.0}, parameters={"k": 1.5}, equations={"x": "k*x"},
                        events=RUIN)
    orbit = dy.iterate(growing, 5, {"x": -1.0})
    assert (orbit.attrs["status"], orbit.sizes["time"]) == ("event", 1)
    assert "beyond the event 'ruin'" in orbit.attrs["message"]
    assert float(orbit["event_time"][0]) == 0
    assert dy.iterate(growing, 5, {"x": 1.0}).attrs["status"] == "completed"
    cells = dy.sweep(growing, {"x": [-1.0, 0.0, 1.0]}, "x", duration=5)
    assert cells["final_x"].values.tolist() == [-1.0, 0.0, 1.5**5]
    assert cells["end_time"].values.tolist() == [0.0, 5.0, 5.0]
