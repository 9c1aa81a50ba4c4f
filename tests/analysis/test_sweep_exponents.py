"""Lyapunov exponents of flows and final observables as measures of sweeps, against closed forms."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError
from dynamics.results import STATUS

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import cycle_bifurcations as known


@pytest.fixture(scope="module")
def linear() -> dy.System:
    return dy.System(name="linear", states={"x": 1.0, "y": 1.0}, time_unit="year",
                     parameters={"a": dy.Parameter(1.0, unit="1/year"), "b": dy.Parameter(3.0, unit="1/year")},
                     equations={"x": "-a*x + 2*b*y", "y": "-b*y"}, measures={"top": dy.Measure("x", "max")},
                     observables={"gap": "x - y", "square": "gap**2"})


def test_a_linear_flow_has_its_largest_eigenvalue_whatever_computes_it(linear: dy.System, monkeypatch) -> None:
    from dynamics.analysis import sweep_grid
    from dynamics.analysis.sweep_cells import Plan

    over = {"a": [0.5, -0.25], "b": [3.0, 0.1]}
    found = dy.sweep(linear, over, ["lyapunov", "top"], duration=20, discard=60)
    np.testing.assert_allclose(found["lyapunov"], [[-0.5, -0.1], [0.25, 0.25]], atol=2e-4)
    assert np.all(found["lyapunov_standard_error"] < 1e-4)
    assert found["lyapunov"].attrs["units"] == found["lyapunov_standard_error"].attrs["units"] == "1/year"
    assert np.all(found["status"] == STATUS["completed"])
    assert np.all(found["end_time"] == 20)   # of the trajectories of "top"
    single = dy.lyapunov_exponents(linear, 20, count=1, parameters={"a": 0.5, "b": 0.1}, transient=60,
                                   relative_tolerance=1e-6)
    assert float(found["lyapunov"][0, 1]) == pytest.approx(float(single["exponent"][0]), abs=1e-4)
    arrays = dy.sweep(linear, over, ["lyapunov", "top"], duration=20, discard=60, engine="numpy")
    np.testing.assert_allclose(arrays["lyapunov"], found["lyapunov"], atol=1e-7)
    monkeypatch.setattr(sweep_grid, "SEARCHES", (1, 1))
    assert sweep_grid.chunk_shape(Plan(linear, ("a", "b"), ("lyapunov",), {}), (2, 2)) == (1, 1)
    with ThreadPoolExecutor(2) as pool:
        spread = dy.sweep(linear, over, ["lyapunov", "top"], duration=20, discard=60, executor=pool)
    assert spread.drop_attrs().identical(found.drop_attrs())


def test_no_exponent_where_the_trajectory_ends_and_the_status_says_why() -> None:
    # x = exp(rate*t) leaves at t = ln(2)/rate; x = 1/(1 - t) has no value from t = 1 on
    system = dy.System(name="leaving", states={"x": 1.0}, parameters={"rate": 1.0}, equations={"x": "rate*x"},
                       events={"out": dy.Event("x - 2", direction="rising", terminal=True)},
                       shocks={"push": dy.Shock({"x": "x + magnitude"})})
    found = dy.sweep(system, {"rate": [-1.0, 0.01, 1.0]}, "lyapunov", duration=20, discard=10)
    assert found["status"].values.tolist() == [STATUS["completed"], STATUS["completed"], STATUS["event"]]
    np.testing.assert_allclose(found["lyapunov"], [-1.0, 0.01, math.nan], atol=5e-5)
    pushed = dy.sweep(system, {"shock:push": [0.0, 0.9, 1.5]}, "lyapunov", duration=20, discard=10,
                      initial_state={"x": 0.5})
    assert pushed["status"].values.tolist() == [STATUS["event"]] * 3
    blown = dy.System(name="blown", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a*x**2 - x"})
    broken = dy.sweep(blown, {"a": [0.5, 2.0]}, "lyapunov", duration=30)
    assert float(broken["lyapunov"][0]) == pytest.approx(-1.0, abs=1e-2)
    assert np.isnan(broken["lyapunov"][1])
    assert int(broken["status"][1]) in (STATUS["diverged"], STATUS["step_underflow"], STATUS["step_limit"])
    assert "1 of 2 cells did not complete" in broken.attrs["message"]


def test_what_has_no_exponent_is_refused_at_once(linear: dy.System) -> None:
    forced = dy.System(name="forced", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "-a*x + cos(time)"})
    with pytest.raises(SpecificationError, match="'forced' depends on time; make time a state"):
        dy.sweep(forced, {"a": [1.0]}, "lyapunov")
    for wrong in (-1.0, math.inf, True):
        with pytest.raises(SpecificationError, match="discard must be a finite number of at least 0"):
            dy.sweep(linear, {"a": [1.0]}, "lyapunov", discard=wrong)
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 4.0},
                         equations={"x": "r*x*(1 - x)"})
    with pytest.raises(SpecificationError, match=r"whole number of at least 0, not 2\.5"):
        dy.sweep(logistic, {"r": [4.0]}, "lyapunov", discard=2.5)


@pytest.mark.slow
def test_lorenz_is_chaotic_and_settles_below_the_onset() -> None:
    literal = known.LORENZ
    system = dy.System(name="lorenz", states=literal["states"], parameters=literal["parameters"],
                       equations=dict(zip(literal["states"], literal["equations"], strict=True)))
    (name,) = [n for n, v in literal["parameters"].items() if v == 28]
    found = dy.sweep(system, {name: [10.0, 28.0]}, "lyapunov", duration=200)
    # at r = 10 the largest real part of the eigenvalues at the fixed point sqrt(b*(r - 1))
    c = math.sqrt(8 / 3 * 9)
    rate = np.linalg.eigvals(np.array([[-10, 10, 0], [1, -1, -c], [c, c, -8 / 3]])).real.max()
    value, error = found["lyapunov"].values, found["lyapunov_standard_error"].values
    assert value[0] == pytest.approx(rate, abs=0.02)
    assert value[1] == pytest.approx(0.9056, abs=0.02)
    assert abs(value[1] - 0.9056) < 4 * error[1] < 0.05


# ---- observables --------------------------------------------------------------------------------------------------------

def test_observables_of_maps_are_those_after_the_last_step() -> None:
    system = dy.System(name="m", time="discrete", states={"x": 1, "y": 0}, parameters={"r": 2.0},
                       equations={"x": "r*x", "y": "y + 1"},
                       observables={"ratio": "x/r", "scaled": "ratio + time", "root": "sqrt(10 - x)"})
    found = dy.sweep(system, {"r": [0.5, 2.0]}, ["scaled", "ratio", "root", "x"], duration=10)
    assert found["ratio"].values.tolist() == [0.5**9, 2.0**9]
    assert found["scaled"].values.tolist() == [10 + 0.5**9, 10 + 2.0**9]
    np.testing.assert_allclose(found["root"], [math.sqrt(10 - 0.5**10), math.nan])
    assert found["ratio"].attrs["long_name"] == "final ratio"
    both = dy.sweep(system, {"r": [0.5]}, ["ratio", "period"], duration=10, discard=0)
    assert both["ratio"].values.tolist() == [0.5**9]
    with pytest.raises(SpecificationError, match=r"'ratoi' is not one of 'm'.* Did you mean 'ratio'"):
        dy.sweep(system, {"r": [0.5]}, "ratoi")
    assert set(dy.sweep(system, {"r": [0.5]}, duration=3).data_vars) == {"x", "y", "status", "end_time"}


def test_observables_of_flows_are_those_where_the_path_ends(linear: dy.System) -> None:
    found = dy.sweep(linear, {"a": [1.0, 2.0], "y": [0.0, 1.0]}, ["gap", "square"], duration=2, relative_tolerance=1e-9,
                     absolute_tolerance=1e-12)
    for i, a in enumerate([1.0, 2.0]):
        for j, y in enumerate([0.0, 1.0]):
            end = y * math.exp(-6)
            # x' = -a x + 6 y with y = y0 exp(-3 t)
            x = math.exp(-2 * a) + 6 * y * (math.exp(-2 * a) - math.exp(-6)) / (3 - a)
            assert float(found["gap"][i, j]) == pytest.approx(x - end, rel=1e-7)
            assert float(found["square"][i, j]) == pytest.approx((x - end) ** 2, rel=1e-7)
    with pytest.raises(SpecificationError, match="Did you mean 'gap'"):
        dy.sweep(linear, {"a": [1.0]}, "gapp")


def test_observables_of_single_cells_and_indexed_ones() -> None:
    system = dy.System(name="reset", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a"},
                       observables={"double": "2*x"},
                       events={"full": dy.Event("x - 2", direction="rising", assign={"x": "x - 1"})})
    found = dy.sweep(system, {"a": [1.0, 2.0]}, "double", duration=1.25)
    np.testing.assert_allclose(found["double"], [2 * 1.25, 2 * 1.5], rtol=1e-6)
