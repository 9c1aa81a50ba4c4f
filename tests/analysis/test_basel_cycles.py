"""Cycles of the Basel leverage cycle in continuous time: born supercritical, and a large one that ends in a fold.

The truth is integration, which knows nothing of collocation: LSODA, and shooting in 80-bit arithmetic for the torus; and the
cubic of the linear motion.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.models.basel_leverage_cycle_ode import with_logarithmic_variance
from dynamics.results import SpecialPoint

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import cycle_bifurcations as known

HOPF, TORUS, TORUS_PERIOD = known.BASEL_HOPF, known.BASEL_TORUS, known.BASEL_TORUS_PERIOD
NAME = "basel_leverage_cycle_ode"


@pytest.fixture(scope="module")
def relaxed():
    """A state on the large cycle at leverage 11.5, from a state of high variance, and its system."""
    system = with_logarithmic_variance().with_parameters(risk_factor=0.0115)
    start = {name: float(value) for name, value in system.initial_state().items()} | {"log_variance": math.log(0.01)}
    run = dy.integrate(system, 300, start, times=[300], relative_tolerance=1e-10, absolute_tolerance=1e-12)
    return system, {name: float(run[name][-1]) for name in system.states}


@pytest.fixture(scope="module")
def large(relaxed):
    system, state = relaxed
    run = dy.integrate(system, 60, state, relative_tolerance=1e-10, absolute_tolerance=1e-12)
    return dy.continue_cycles(system, run, "risk_factor", (0.0005, 0.0135), direction="backward", max_steps=60)


def test_the_logarithm_of_the_variance_is_the_same_flow():
    plain, logged = dy.models.load(NAME), with_logarithmic_variance()
    start = {"price": 24.0, "assets": 12.0, "liabilities": 9.8, "fund_weight": 0.5}
    options = {"times": [2.0], "relative_tolerance": 1e-11, "absolute_tolerance": 1e-13}
    one = dy.integrate(plain, 2.0, start | {"variance": 1e-4}, **options)
    two = dy.integrate(logged, 2.0, start | {"log_variance": math.log(1e-4)}, **options)
    for name in start:
        assert float(one[name][-1]) == pytest.approx(float(two[name][-1]), rel=1e-8)
    assert float(one["variance"][-1]) == pytest.approx(math.exp(float(two["log_variance"][-1])), rel=1e-7)


@pytest.mark.slow
def test_the_large_cycle_is_that_of_integration_and_keeps_the_cash(relaxed, large):
    system, state = relaxed
    run = dy.integrate(system, 60, state, times=np.linspace(0, 60, 60001), relative_tolerance=1e-11,
                       absolute_tolerance=1e-13)
    price = run["price"].values
    first = large.table.isel(step=0)
    assert float(first["max_price"]) == pytest.approx(price.max(), rel=1e-6)
    assert float(first["min_price"]) == pytest.approx(price.min(), rel=1e-5)
    level = 25.0
    ups = np.flatnonzero((price[:-1] < level) & (price[1:] >= level))
    times = run["time"].values
    crossed = [times[k] + (level - price[k]) / (price[k + 1] - price[k]) * (times[k + 1] - times[k]) for k in ups]
    assert float(first["period"]) == pytest.approx(crossed[1] - crossed[0], rel=1e-6)
    assert float(first["unstable_count"]) == 0


@pytest.mark.slow
def test_the_large_cycle_lives_beside_the_fixed_point_down_to_its_fold(relaxed, large):
    fold = large["LPC1"]
    assert 1000 * fold.parameters["risk_factor"] == pytest.approx(1.0230276, abs=2e-7)
    assert fold.digits > 8
    unstable, value = large.table["unstable_count"].values, large.table["risk_factor"].values
    turned = int(np.argmin(value))
    assert not unstable[:turned - 1].any()
    assert (unstable[turned + 1:] == 1).all()
    # integration agrees: above the fold the cycle stays for good, below it falls to the fixed point
    system, _ = relaxed
    state = {name: fold.state[name] for name in system.states}
    for factor, stays in ((1.01, True), (0.99, False)):
        other = system.with_parameters(risk_factor=factor * fold.parameters["risk_factor"])
        run = dy.integrate(other, 400, state, times=np.linspace(350, 400, 501))
        assert (np.ptp(run["price"].values) > 1) == stays


def small(**options):
    system = dy.models.load(NAME).with_parameters(risk_factor=HOPF)
    state = {name: float(value) for name, value in system.initial_state().items()}
    start = SpecialPoint("hopf", "HB1", state, {"risk_factor": HOPF})
    return system, state, dy.continue_cycles(system, start, "risk_factor", (0.0005, 0.0125), **options)


def test_a_state_of_1e_11_beside_one_of_28_and_a_conserved_quantity_spoil_no_multiplier():
    _, _, branch = small(max_steps=2)
    assert float(branch.table["trivial_error"].max()) < 1e-8


@pytest.mark.slow
def test_small_stable_cycles_are_born_at_the_hopf_point_and_lose_their_stability_to_a_torus():
    system, state, branch = small(max_steps=40)
    assert dy.first_lyapunov_coefficient(system, state).criticality == "supercritical"
    value, unstable = branch.table["risk_factor"].values, branch.table["unstable_count"].values
    assert np.all(np.diff(value) > 0)
    assert not unstable[value < 0.0121].any()
    assert (unstable[value > 0.0122] == 2).all()
    torus, other = branch["NS1"], small(max_steps=40, collocation_points=6)[2]["NS1"]
    for point in (torus, other):
        assert point.parameters["risk_factor"] == pytest.approx(TORUS, rel=5e-12)
        assert point.period == pytest.approx(TORUS_PERIOD, rel=2e-11)
    # the digits stated are those that another mesh confirms
    stated = 10 ** -min(torus.digits, other.digits)
    assert stated < 1e-10
    assert torus.parameters["risk_factor"] == pytest.approx(other.parameters["risk_factor"], rel=stated)
    assert torus.period == pytest.approx(other.period, rel=stated)
