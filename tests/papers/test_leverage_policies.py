"""Policies of the Basel leverage cycle: calibration, shortfall by two measures against plain loops, order of policies."""

import math

import numpy as np
import pytest

from dynamics.papers.aymanns_et_al_2016 import policies


@pytest.fixture(scope="module")
def large_bank():
    return policies.calibrated([-0.5, 0.0], 5.8, 0.27, "weak", steps=800, trajectories=6, seed=1)


def test_mean_leverage_and_relative_size_are_those_wanted(large_bank):
    factor, equity, orbits = large_bank
    over = ("trajectory", "time")
    assert orbits["leverage"].mean(over).values == pytest.approx(5.8, rel=0.02)
    assert orbits["relative_size"].mean(over).values == pytest.approx(0.27, rel=0.02)
    # a constant target is followed whatever the noise does; a procyclical one is the risk factor over the perceived risk
    assert factor[1] == pytest.approx(5.8, rel=1e-3)
    target = factor[0]/np.sqrt(orbits["variance"].values[0] + 1e-6)
    assert target.mean() == pytest.approx(5.8, rel=0.02)
    assert orbits["target_equity"].values == pytest.approx(equity)


def test_a_large_bank_is_safer_with_a_constant_target(large_bank):
    falling, gains = policies._shortfalls(large_bank[2])
    assert (falling[0] > 1.8*falling[1]).all()
    assert (gains[0] > 1.8*gains[1]).all()


def test_both_measures_are_those_of_plain_loops(large_bank):
    falling, gains = policies._shortfalls(large_bank[2])
    orbit = large_bank[2].isel(case=0, trajectory=2)
    p, n, debt = (orbit[name].values.tolist() for name in ("price", "bank_share", "liabilities"))
    equity = [a*b/0.3 - c for a, b, c in zip(n, p, debt, strict=True)]
    down, every = [], []
    for k in range(1, len(p)):
        if p[k] < p[k - 1] and equity[k] > 0 and equity[k - 1] > 0:
            down.append(math.log(equity[k]/equity[k - 1]))
        every.append(math.log(1 + n[k]*(p[k] - p[k - 1])/equity[k - 1]))
    for found, returns in ((falling, down), (gains, every)):
        worst = sorted(returns)[:len(returns)//20]
        assert found[0, 2] == pytest.approx(-sum(worst)/len(worst), rel=1e-9)


def test_the_least_value_of_a_parabola():
    b = np.linspace(-0.7, 0.1, 17)
    for best in (-0.63, -0.2, -0.013, 0.09):
        values = 3 + 7*(b - best)**2
        assert policies.lowest(b, values) == pytest.approx(best, abs=1e-9)
        values[-1] = np.nan  # a policy under which prices diverge
        assert policies.lowest(b, values) == pytest.approx(best, abs=1e-9)
