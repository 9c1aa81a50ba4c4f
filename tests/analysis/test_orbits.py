"""Orbits of maps and of stepped processes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import IntegrationError, SpecificationError


def logistic(**more) -> dy.System:
    return dy.System(name="logistic", time="discrete", states={"x": more.pop("x", 0.2)}, parameters={"r": 4},
                     equations={"x": "r*x*(1 - x)"}, **more)


def test_logistic_orbit_at_four_has_a_closed_form() -> None:
    """x_n = sin(2^n arcsin sqrt(x_0))^2."""
    run = dy.iterate(logistic(), 20)
    exact = np.sin(2.0 ** np.arange(21) * math.asin(math.sqrt(0.2))) ** 2
    assert run["x"].values == pytest.approx(exact, abs=1e-8)
    assert run["time"].values.tolist() == list(range(21))
    assert run.attrs["time_kind"] == "discrete"


def test_parameters_start_and_observables() -> None:
    run = dy.iterate(logistic(observables={"half": "x/2"}), 100, {"x": 0.3}, parameters={"r": 2.5})
    assert float(run["x"][-1]) == pytest.approx(0.6, abs=1e-12)
    assert float(run["half"][-1]) == pytest.approx(0.3, abs=1e-12)
    assert float(run["x"][0]) == 0.3


def test_measures_of_an_orbit() -> None:
    run = dy.iterate(dy.System(
        name="m", time="discrete", states={"x": 1}, parameters={"a": -2}, equations={"x": "a*x"}, measures={
            "top": dy.Measure("x", "max"), "bottom": dy.Measure("x", "min"), "end": dy.Measure("x", "final"),
            "sum": dy.Measure("x", "integral"), "fall": dy.Measure("x", "drawdown", transform="value/10")}), 4)
    assert run["x"].values.tolist() == [1, -2, 4, -8, 16]
    assert run.attrs["measures"] == {"top": 16, "bottom": -8, "end": 16, "sum": -5, "fall": pytest.approx(1.2)}


def test_time_counts_steps() -> None:
    system = dy.System(name="sum", time="discrete", states={"x": 0}, parameters={"a": 1}, equations={"x": "x + a*time"})
    assert dy.iterate(system, 10)["x"].values.tolist() == [n * (n - 1) / 2 for n in range(11)]


def test_events_in_maps() -> None:
    counter = {"time": "discrete", "states": {"x": 0}, "parameters": {"a": 1}, "equations": {"x": "x + a"}}
    once = dy.iterate(dy.System(name="c", **counter, events={"five": dy.Event("x - 9/2", "rising")}), 10)
    assert once["event_time"].values.tolist() == [5.0]
    never = dy.iterate(dy.System(name="c", **counter, events={"five": dy.Event("x - 9/2", "falling")}), 10)
    assert never["event_time"].size == 0
    ended = dy.iterate(dy.System(name="c", **counter, events={"five": dy.Event("x - 9/2", "rising", terminal=True)}), 10)
    assert ended.attrs["status"] == "event"
    assert ended["x"].values.tolist() == [0, 1, 2, 3, 4, 5]
    reset = dy.iterate(dy.System(name="c", **counter, events={"three": dy.Event("x - 5/2", "rising", assign={"x": "0"})}),
                       10)
    assert reset["x"].values.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert reset["event_time"].values.tolist() == [3, 6, 9]


def test_divergence_raises_with_the_orbit_before() -> None:
    with pytest.raises(IntegrationError, match="no longer finite") as caught:
        dy.iterate(logistic(), 100, {"x": 2})
    orbit = caught.value.partial["x"].values
    assert np.isfinite(orbit).all()
    assert orbit[:3].tolist() == [2, -8, -288]


def test_arguments_are_checked() -> None:
    for steps in (-1, 2.5, "ten", True):
        with pytest.raises(SpecificationError, match="steps must be a whole number"):
            dy.iterate(logistic(), steps)
    with pytest.raises(SpecificationError, match="use integrate"):
        dy.iterate(dy.models.load("deleveraging"), 10)
    with pytest.raises(SpecificationError, match="'y' is not a state"):
        dy.iterate(logistic(), 10, {"y": 1})
    with pytest.raises(SpecificationError, match="a Process with step"):
        dy.iterate(object(), 10)
    assert dy.iterate(logistic(), 0)["x"].values.tolist() == [0.2]


class Walk:
    """A random walk with drift, of two walkers."""

    name = "walk"
    references = ()

    def __init__(self, drift: float = 0.0) -> None:
        self.parameters = {"drift": dy.Parameter(drift)}

    def with_parameters(self, values):
        return Walk(**values)

    def step(self, state, parameters, generator):
        return {"x": np.asarray(state["x"]) + parameters["drift"] + generator.normal(size=2)}


def test_a_process_is_stepped_with_its_own_generator() -> None:
    first = dy.iterate(Walk(), 50, {"x": [0.0, 0.0]}, seed=7)
    again = dy.iterate(Walk(), 50, {"x": [0.0, 0.0]}, seed=7)
    other = dy.iterate(Walk(), 50, {"x": [0.0, 0.0]}, seed=8)
    assert first["x"].shape == (51, 2)
    assert np.array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])
    generator = np.random.default_rng(np.random.SeedSequence(7))
    expected = np.cumsum([generator.normal(size=2) for _ in range(50)], axis=0)
    assert first["x"].values[1:] == pytest.approx(expected)
    drifting = dy.iterate(Walk(), 50, {"x": [0.0, 0.0]}, parameters={"drift": 2}, seed=7)
    assert (drifting["x"] - first["x"]).values[-1] == pytest.approx([100, 100])
    assert first.attrs["seed"] == 7
    with pytest.raises(SpecificationError, match="give its whole initial_state"):
        dy.iterate(Walk(), 5)


# ---- the static companion -----------------------------------------------------------------------------------------------

def cascade(fall: float, impact: float = 0.15) -> dy.System:
    return dy.models.load("liquidation_cascade").with_parameters(initial_fall=fall, total_impact=impact)


def rest(fall: float, start: float | None = None, impact: float = 0.15) -> float:
    return float(dy.iterate(cascade(fall, impact), 20_000, None if start is None else {"fall": start})["fall"][-1])


@pytest.mark.slow
def test_fold_jump_and_way_back() -> None:
    """a = 0.15: up at d = 0.03769 from 0.0527 to 0.1631, back at 0.02349 to 0.02379."""
    assert rest(0.03769 - 6e-6) == pytest.approx(0.0527, abs=1e-3)
    assert rest(0.03769 + 6e-6) == pytest.approx(0.1631, abs=1e-4)
    assert rest(0.02349 + 6e-6, start=0.2) > 0.06
    assert rest(0.02349 - 6e-6, start=0.2) == pytest.approx(0.02379, abs=2e-5)


def test_fold_from_fixed_points() -> None:
    for fall, count in ((0.03768, 3), (0.03770, 1), (0.02350, 3), (0.02348, 1)):
        assert len(dy.fixed_points(cascade(fall))) == count
    points = sorted(dy.fixed_points(cascade(0.03768)), key=lambda p: p.values["fall"])
    assert points[0].values["fall"] == pytest.approx(0.0527, abs=1e-3)
    assert points[2].values["fall"] == pytest.approx(0.1631, abs=1e-4)


def test_cusp() -> None:
    """a_c = M s sqrt(2 pi) exp(-s^2/2) = 0.110605; there the branching ratio reaches one at D = M exp(-s^2)."""
    critical = 0.1 * 0.5 * math.sqrt(2 * math.pi) * math.exp(-0.125)
    assert critical == pytest.approx(0.110605, abs=5e-7)
    place = 0.1 * math.exp(-0.25)
    assert place == pytest.approx(0.077880, abs=5e-7)
    shock = place - critical * 0.5 * (1 + math.erf(math.log(place / 0.1) / 0.5 / math.sqrt(2)))
    assert shock == pytest.approx(0.0437544, abs=5e-8)
    at = dy.iterate(cascade(shock, critical), 1, {"fall": place})
    assert float(at["fall"][1]) == pytest.approx(place, abs=1e-12)
    assert float(at["branching_ratio"][0]) == pytest.approx(1, abs=1e-12)
    falls = np.linspace(0.01, 0.2, 40)
    for impact, below in ((critical * 0.999, True), (critical * 1.01, False)):
        ratios = [float(dy.iterate(cascade(0.03, impact), 0, {"fall": f})["branching_ratio"][0])
                  for f in [*falls, place]]
        assert (max(ratios) < 1) is below
