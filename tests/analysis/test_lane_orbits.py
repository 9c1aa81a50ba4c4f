"""Orbits of maps by lanes: against single orbits and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.results import STATUS


def logistic(**more) -> dy.System:
    return dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 3.2},
                     equations={"x": "r*x*(1 - x)"},
                     measures={"top": dy.Measure("x", "max"), "low": dy.Measure("x", "min"),
                               "sum": dy.Measure("x", "integral"), "fall": dy.Measure("x", "drawdown"),
                               "end": dy.Measure("x", "final", transform="2*value")},
                     shocks={"push": dy.Shock({"x": "x + magnitude"})}, **more)


def test_measures_equal_those_of_single_orbits() -> None:
    system = logistic()
    r, pushes, names = [0.5, 2.9, 3.9], [0.0, 0.1], ["top", "low", "sum", "fall", "end", "x"]
    found = dy.sweep(system, {"r": r, "shock:push": pushes}, names, duration=40)
    for i, value in enumerate(r):
        for j, push in enumerate(pushes):
            one = system.with_parameters(r=value)
            run = dy.iterate(one, 40, dy.apply_shock(one, {}, "push", push))
            cell = found.isel({"r": i, "shock:push": j})
            for name in names[:-1]:
                assert float(cell[name]) == pytest.approx(run.attrs["measures"][name], rel=1e-12)
            assert float(cell["x"]) == pytest.approx(float(run["x"][-1]), rel=1e-9)
            assert int(cell["status"]) == STATUS["completed"]


def test_lyapunov_exponents_have_closed_forms() -> None:
    found = dy.sweep(logistic(), {"r": [0.5, 2.5, 3.2, 4.0]}, ["lyapunov", "period"], duration=8000, discard=500)
    x = [0.0, 0.6]
    cycle = (4.2 + np.array([1, -1]) * np.sqrt(4.2 * 0.2)) / 6.4   # of period two, at 3.2
    expected = [np.log(0.5 * (1 - 2 * x[0])), np.log(abs(2.5 * (1 - 2 * x[1]))),
                np.mean(np.log(np.abs(3.2 * (1 - 2 * cycle))))]
    assert found["lyapunov"].values[:3] == pytest.approx(expected, rel=1e-9)
    assert found["lyapunov"].values[3] == pytest.approx(np.log(2), abs=0.01)
    assert found["period"].values.tolist() == [1, 1, 2, 0]


def test_the_exponent_of_a_linear_map_in_two_dimensions_is_that_of_its_largest_eigenvalue() -> None:
    system = dy.System(name="shear", time="discrete", states={"x": 1e-3, "y": 2e-3}, parameters={"a": 0.9, "b": 0.4},
                       equations={"x": "a*x + 5*y", "y": "b*y"})
    found = dy.sweep(system, {"a": [0.9, 0.2], "b": [0.4, 0.7]}, ["lyapunov", "period", "settled_state"], duration=3000)
    expected = np.log(np.maximum(np.array([0.9, 0.2])[:, None], np.array([0.4, 0.7])[None, :]))
    assert np.allclose(found["lyapunov"], expected, atol=3e-3)
    assert np.all(found["period"] == 1)
    assert np.all(found["settled_x"].values == pytest.approx(0, abs=1e-12))


def test_periods_up_to_the_longest_looked_for() -> None:
    turning = dy.System(name="turning", time="discrete", states={"x": 1, "y": 0}, parameters={"n": 5},
                        equations={"x": "x*cos(6.283185307179586/n) - y*sin(6.283185307179586/n)",
                                   "y": "x*sin(6.283185307179586/n) + y*cos(6.283185307179586/n)"})
    over = {"n": [1.0, 2.0, 3.0, 7.0, 12.0, 65.0]}
    found = dy.sweep(turning, over, "period", duration=100, discard=0)
    assert found["period"].values.tolist() == [1, 2, 3, 7, 12, 0]
    assert dy.sweep(turning, over, "period", duration=10, discard=0, longest_period=70)["period"].values[-1] == 65


def test_orbits_that_break_have_a_status_and_no_numbers() -> None:
    found = dy.sweep(logistic(), {"r": [2.0, 4.5]}, ["top", "x", "lyapunov", "period"], duration=100)
    assert found["status"].values.tolist() == [STATUS["completed"], STATUS["diverged"]]
    assert np.isnan([found[n].values[1] for n in ("top", "x", "lyapunov")]).all()
    assert found["period"].values[1] == -1
    assert "1 of 2 cells did not complete" in found.attrs["message"]
    root = dy.System(name="root", time="discrete", states={"x": 0.5}, parameters={"c": 1}, equations={"x": "sqrt(x - c)"})
    assert dy.sweep(root, {"c": [0.0, 1.0]}, "x", duration=5)["status"].values.tolist() == [
        STATUS["completed"], STATUS["invalid_state"]]


def test_events_end_orbits_as_they_end_single_ones() -> None:
    system = dy.System(name="grow", time="discrete", states={"x": 1}, parameters={"r": 2}, equations={"x": "r*x"},
                       events={"large": dy.Event("x - 10", "rising", terminal=True), "two": dy.Event("x - 1.5", "rising")},
                       measures={"top": dy.Measure("x", "max")})
    found = dy.sweep(system, {"r": [0.5, 2.0, 3.0]}, ["top", "x"], duration=8)
    for k, r in enumerate([0.5, 2.0, 3.0]):
        run = dy.iterate(system.with_parameters(r=r), 8)
        assert float(found["end_time"][k]) == run["time"][-1]
        assert float(found["x"][k]) == run["x"][-1]
        assert int(found["status"][k]) == STATUS[run.attrs["status"]]
        assert float(found["top"][k]) == run.attrs["measures"]["top"]
    assert dy.sweep(system, {"r": [2.0]}, "x", duration=8, event="two")["x"].values.tolist() == [2]
