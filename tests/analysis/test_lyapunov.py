"""Lyapunov exponents against closed forms and long independent runs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import DerivationError, IntegrationError, SpecificationError

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import cycle_bifurcations as known


def system_of(literal, time="continuous"):
    return dy.System(name="test", time=time, states=literal["states"], parameters=literal["parameters"],
                     equations=dict(zip(literal["states"], literal["equations"], strict=True)))


@pytest.fixture(scope="module")
def logistic():
    return dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"mu": 4.0},
                     equations={"x": "mu*x*(1 - x)"})


HENON = {"states": {"x": 0.1, "y": 0.1}, "parameters": {"a": 1.4, "b": 0.3}, "equations": ("1 - a*x**2 + y", "b*x")}


def within(found, value, sigmas=4.0, floor=1e-9):
    return abs(float(found["exponent"][0]) - value) <= sigmas * float(found["standard_error"][0]) + floor


def test_logistic_map_at_four_is_ln_two(logistic):
    found = dy.lyapunov_exponents(logistic)
    assert float(found["exponent"][0]) == pytest.approx(np.log(2), abs=7e-4)
    assert within(found, np.log(2))
    assert float(found["standard_error"][0]) < 5e-4


def test_a_periodic_map_has_the_logarithm_of_its_multiplier(logistic):
    # period 2 at mu = 3.2: the multiplier is 4 + 2 mu - mu**2 for two steps
    found = dy.lyapunov_exponents(logistic, parameters={"mu": 3.2})
    assert float(found["exponent"][0]) == pytest.approx(np.log(abs(4 + 2 * 3.2 - 3.2**2)) / 2, abs=1e-12)


def test_henon_spectrum_and_its_sum():
    found = dy.lyapunov_exponents(system_of(HENON, "discrete"), 4000)
    # 2e8 iterations elsewhere gave 0.41922 and -1.62319
    np.testing.assert_allclose(found["exponent"], [0.41922, -1.62319], atol=3e-3)
    assert found.attrs["sum"] == pytest.approx(np.log(0.3), abs=1e-12)
    assert found.attrs["kaplan_yorke_dimension"] == pytest.approx(1.258, abs=2e-3)


def test_a_linear_flow_has_its_eigenvalues():
    system = dy.System(name="linear", states={"x": 1.0, "y": 1.0}, parameters={"a": 1.0},
                       equations={"x": "-a*x + 2*y", "y": "-3*y"})
    found = dy.lyapunov_exponents(system, 20, trajectories=4)
    np.testing.assert_allclose(found["exponent"], [-1.0, -3.0], atol=1e-4)


def test_a_limit_cycle_has_a_zero_exponent_and_its_multiplier():
    found = dy.lyapunov_exponents(system_of(known.VAN_DER_POL), 10 * known.VAN_DER_POL_PERIOD, trajectories=2,
                                  transient=3 * known.VAN_DER_POL_PERIOD)
    expected = np.log(known.VAN_DER_POL_MULTIPLIER) / known.VAN_DER_POL_PERIOD
    np.testing.assert_allclose(found["exponent"], [0.0, expected], atol=2e-3)
    assert found["exponent"].attrs["units"] == "1"


def test_compiled_frames_and_arrays_give_the_same_spectrum(monkeypatch):
    from dynamics.analysis import tangent_frames

    system = system_of(known.VAN_DER_POL)
    options = {"duration": known.VAN_DER_POL_PERIOD, "trajectories": 2, "transient": 0.5, "relative_tolerance": 1e-9,
               "absolute_tolerance": 1e-12}
    compiled = dy.lyapunov_exponents(system, **options)
    monkeypatch.setattr(tangent_frames, "compiled_frames", lambda system, count: None)
    arrays = dy.lyapunov_exponents(system, **options)
    np.testing.assert_allclose(compiled["exponent"], arrays["exponent"], rtol=1e-6)
    assert (compiled.attrs["method"], arrays.attrs["method"]) == ("Tsit5 and Rodas5P, Gram-Schmidt",
                                                                  "Dormand-Prince 5(4), Gram-Schmidt")


def test_a_stiff_flow_and_one_that_leaves():
    # eigenvalues -1 and -1e4: vectors that shrink at rates this different are orthogonalized every thousandth of time
    stiff = dy.System(name="stiff", states={"x": 1.0, "y": 1.0}, parameters={"a": 1e4},
                      equations={"x": "-x + y", "y": "-a*y"})
    found = dy.lyapunov_exponents(stiff, 2, trajectories=2, transient=1)
    np.testing.assert_allclose(found["exponent"], [-1.0, -1e4], rtol=2e-3)
    leaving = dy.System(name="leaving", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "a*x**2"})
    with pytest.raises(IntegrationError, match="'leaving' diverges"):
        dy.lyapunov_exponents(leaving, 5, trajectories=2)


def test_neighbours_keep_to_the_bounds_of_states():
    # a negative variance has no square root; the one that starts at its bound must not be pushed across it
    system = dy.System(name="floor", states={"x": 1.0, "v": dy.State(0.0, bounds=(0, None))}, parameters={"a": 2.0},
                       equations={"x": "-x + v**(3/2)", "v": "-a*v"})
    found = dy.lyapunov_exponents(system, 10, trajectories=4, transient=20)
    np.testing.assert_allclose(found["exponent"], [-1.0, -2.0], atol=1e-5)
    one = dy.sweep(system, {"a": [0.5, 2.0]}, "lyapunov", duration=10, discard=20)
    np.testing.assert_allclose(one["lyapunov"], [-0.5, -1.0], atol=1e-4)


def test_lorenz_spectrum_quickly():
    found = dy.lyapunov_exponents(system_of(known.LORENZ), 20, trajectories=48, relative_tolerance=1e-6)
    assert found.attrs["sum"] == pytest.approx(-(10 + 1 + 8 / 3), abs=1e-3)
    assert float(found["exponent"][0]) == pytest.approx(0.9056, abs=0.05)
    assert within(found, 0.9056)


@pytest.mark.slow
def test_lorenz_and_rossler_spectra():
    lorenz = dy.lyapunov_exponents(system_of(known.LORENZ), 200, trajectories=256)
    np.testing.assert_allclose(lorenz["exponent"], known.LORENZ_EXPONENTS, rtol=2e-3, atol=1.5e-3)
    rossler = dy.lyapunov_exponents(system_of(known.ROSSLER), 1000)
    np.testing.assert_allclose(rossler["exponent"], known.ROSSLER_EXPONENTS, rtol=1e-2, atol=2e-3)


@pytest.mark.slow
def test_logistic_map_at_three_point_nine(logistic):
    found = dy.lyapunov_exponents(logistic, 20_000, parameters={"mu": 3.9})
    assert float(found["exponent"][0]) == pytest.approx(0.49605, rel=2e-3)


def test_results_go_through_a_file(logistic, tmp_path):
    found = dy.lyapunov_exponents(logistic, 200, trajectories=4)
    assert dy.open(dy.save(found, tmp_path / "exponents.nc")).identical(found)


def test_the_same_seed_gives_the_same_numbers(logistic):
    one, two = (dy.lyapunov_exponents(logistic, 200, trajectories=4, seed=3)["exponent"] for _ in range(2))
    assert one.equals(two)


def test_what_is_refused(logistic):
    with pytest.raises(SpecificationError, match="count must be a whole number"):
        dy.lyapunov_exponents(logistic, count=2)
    with pytest.raises(SpecificationError, match="duration must be a positive"):
        dy.lyapunov_exponents(logistic, -1)
    with pytest.raises(IntegrationError, match="diverged"):
        dy.lyapunov_exponents(logistic, parameters={"mu": 4.5})
    driven = dy.System(name="driven", states={"x": 1.0}, parameters={"a": 1.0}, equations={"x": "-x + sin(time)"})
    with pytest.raises(DerivationError, match="depends on time"):
        dy.lyapunov_exponents(driven)


def ending(start: float) -> dy.System:
    """Stable at 1 and 0, unstable at 0.3; a line at 0.6 ends runs."""
    return dy.System(name="ending", states={"x": start}, equations={"x": "x*(1 - x)*(x - 0.3)"},
                     events={"margin": dy.Event("x - 0.6", "falling", terminal=True)})


def test_a_start_beyond_a_terminal_event_has_no_exponent():
    with pytest.raises(IntegrationError, match="begins beyond the event 'margin'"):
        dy.lyapunov_exponents(ending(0.59), 20, trajectories=2)
    kept = dy.lyapunov_exponents(ending(0.61), 40, trajectories=2)
    assert float(kept["exponent"][0]) == pytest.approx(-0.7, abs=1e-3)


def test_a_trajectory_that_an_event_ends_has_no_exponent():
    falling = dy.System(name="falling", states={"x": 1.0}, equations={"x": "-x"},
                        events={"floor": dy.Event("x - 0.5", "falling", terminal=True)})
    with pytest.raises(IntegrationError, match=f"is ended at time {np.log(2):.6g} by the event 'floor'"):
        dy.lyapunov_exponents(falling, 20, trajectories=2)
    passed = dy.System(name="passed", states={"x": 1.0}, equations={"x": "-x"},
                       events={"floor": dy.Event("x - 0.5", "falling")})
    assert float(dy.lyapunov_exponents(passed, 20, trajectories=2)["exponent"][0]) == pytest.approx(-1, abs=1e-5)
