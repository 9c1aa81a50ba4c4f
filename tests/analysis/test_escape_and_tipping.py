"""Numbers of section 9 of the notes on fire sales: escape from a well, and tipping by a rate, against closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad

import dynamics as dy

# sigma: exact mean time from -1 to +1, and Kramers' formula, for U = x^4/4 - x^2/2
ESCAPES = {0.25: (14000.14, 13244.05), 0.3: (1255.533, 1149.243), 0.4: (120.0057, 101.1195), 0.5: (41.0343, 32.8287)}


def potential(x):
    return x**4/4 - x**2/2


def exact_time(sigma, end=1.0):
    diffusion = sigma**2/2
    def inner(y):
        return quad(lambda z: np.exp((potential(y) - potential(z))/diffusion), -4, y, limit=400, points=(-1, 0))[0]
    return quad(inner, -1, end, limit=400, epsrel=1e-9)[0]/diffusion


@pytest.mark.parametrize("sigma", ESCAPES)
def test_kramers_formula_and_the_exact_time(sigma):
    exact, kramers = ESCAPES[sigma]
    assert exact_time(sigma) == pytest.approx(exact, rel=1e-6)
    # curvatures 2 in the wells and -1 on the barrier, height 1/4
    assert 2*np.pi/np.sqrt(2)*np.exp(2*0.25/sigma**2) == pytest.approx(kramers, rel=1e-6)


@pytest.mark.slow
def test_simulated_escapes_take_the_exact_time():
    step, paths, sigma = 0.01, 3000, 0.5
    # seen at the ends of steps only, a barrier is farther away
    barrier = 1 - 0.5826*sigma*np.sqrt(step)
    well = dy.System(name="well", states={"x": -1}, parameters={"sigma": sigma}, equations={"x": "x - x**3"},
                     noise={"news": {"x": "sigma"}},
                     events={"escape": dy.Event(f"x - {barrier:.8f}", "rising", terminal=True)})
    times = dy.simulate(well, 700, step, paths, seed=11)["first_passage_time"].sel(event="escape").values
    assert np.isfinite(times).mean() > 0.999
    assert np.nanmean(times) == pytest.approx(ESCAPES[0.5][0], abs=4*np.nanstd(times)/np.sqrt(paths))


def test_a_fold_loses_its_return_rate_and_its_barrier():
    fold = dy.System(name="fold", states={"x": 1}, parameters={"mu": dy.Parameter(0.09, bounds=(0, None))},
                     equations={"x": "mu - x**2"})
    points = {p.stability: p for p in dy.fixed_points(fold)}
    stable, unstable = points["stable"].values["x"], points["unstable"].values["x"]
    assert points["stable"].eigenvalues[0].real == pytest.approx(-2*np.sqrt(0.09))
    # the potential is x^3/3 - mu x
    barrier = (unstable**3 - stable**3)/3 - 0.09*(unstable - stable)
    assert barrier == pytest.approx(4/3*0.09**1.5)


def test_the_critical_rate_is_one():
    """x' = (x + L)^2 - 1, L' = r tips iff r > 1; within 400 units of time from 1.00006: the ghost of the fold delays it."""
    frame = dy.System(name="frame", states={"y": -1}, parameters={"r": 0.5}, equations={"y": "y**2 - 1 + r"})
    (low, _) = dy.fixed_points(frame)
    (condition,) = [c for c in dy.bifurcation_conditions(frame, low, "r") if c.kind == "fold"]
    assert [float(solution) for solution in condition.solutions] == [1.0]
    ramped = dy.System(name="ramped", states={"x": -1, "level": 0}, parameters={"r": 1},
                       equations={"x": "(x + level)**2 - 1", "level": "r"},
                       events={"tipped": dy.Event("x + level - 1000", "rising", terminal=True)})
    low, high = 0.99, 1.01
    while high - low > 2e-7:
        rate = (low + high)/2
        tips = dy.integrate(ramped, 400, parameters={"r": rate}, times=[0, 400]).attrs["status"] == "event"
        low, high = (low, rate) if tips else (rate, high)
    assert low == pytest.approx(1.00006, abs=5e-6)
    excess = np.sqrt(low - 1)
    # time from y = -1 to infinity in the frame that moves along
    assert (np.pi/2 + np.arctan(1/excess))/excess == pytest.approx(400, rel=5e-3)
