"""Losses of depth: closed forms at rest, tabled critical shocks, folds of the static cascade, limits of recovery."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import erf

import dynamics as dy
from dynamics.errors import SpecificationError

CORE = dy.models.load("deleveraging")
# critical shocks at target leverage 5 and price impact 0.6 (bisection of trajectories by three methods)
AT_DOUBLE_IMPACT = 0.1533373623


def test_losses_at_which_rest_becomes_unstable_and_a_shock_fatal():
    thin = dy.liquidity_shock(CORE, [0.0, 0.5, 0.7], magnitude=AT_DOUBLE_IMPACT, tolerance=1e-8)
    # stable iff impact (leverage - 1) < 1 + reversion/adjustment
    assert float(thin["critical_loss_at_rest"]) == pytest.approx(1 - 0.3 * 4 / 3, abs=1e-7)
    # impact 0.3 becomes 0.6 when half of the depth is lost
    assert float(thin["critical_loss"]) == pytest.approx(0.5, abs=1e-6)
    assert float(thin["hysteresis_width"]) == pytest.approx(0.1, abs=1e-6)
    assert thin["critical_shock"].values == pytest.approx([0.1735070016, AT_DOUBLE_IMPACT, 0], abs=1e-7)
    assert thin["status"].values.tolist() == [0, 0, 2]


def test_recovery_is_that_of_the_slowest_mode_for_small_shocks():
    slow = CORE.with_parameters(price_impact=0.05)
    thin = dy.liquidity_shock(slow, [0.0, 0.9], magnitude=1e-4)
    for impact, found in zip((0.05, 0.5), thin["recovery_time"].values, strict=True):
        a1 = 1.5 - 0.5 * impact * 4
        rates = np.roots([1, a1, 0.5])
        # equity in its linear equation: displaced by -(1 - u) s, price by -s; solved by eigenvalues
        matrix = np.array([[-1, impact * 2.5], [-0.8, 0.8 * impact * 2.5 - 0.5]])
        assert np.sort_complex(np.linalg.eigvals(matrix)) == pytest.approx(np.sort_complex(rates), abs=1e-9)
        times = np.linspace(0, 60, 20001)
        values, vectors = np.linalg.eig(matrix)
        path = (vectors @ (np.linalg.solve(vectors, [-1, -0.8])[:, None] * np.exp(values[:, None] * times))).real
        distance = np.max(np.abs(path) / np.array([[0.01], [0.21]]), axis=0)
        expected = times[np.flatnonzero(distance > 0.05 * distance.max())[-1]]
        assert found == pytest.approx(expected, rel=5e-3)
    assert thin["amplification"].values[1] > thin["amplification"].values[0] >= 1


def test_depth_that_comes_back_slowly_is_a_lasting_loss_and_at_once_none():
    deep = dy.compose(CORE, "market_depth")
    never = deep.with_parameters(depth_recovery=1e7, depth_consumption=0)
    kept = dy.liquidity_shock(never, [0.5], magnitude=AT_DOUBLE_IMPACT)
    assert float(kept["critical_shock"][0]) == pytest.approx(AT_DOUBLE_IMPACT, abs=1e-5)
    at_once = deep.with_parameters(depth_recovery=1e-5, depth_consumption=0)
    gone = dy.liquidity_shock(at_once, [0.5], magnitude=0.1)
    assert float(gone["critical_shock"][0]) == pytest.approx(0.1735070016, abs=1e-4)
    assert np.isnan(float(gone["critical_loss"]))
    assert "no fixed point" in gone.attrs["message"]
    assert "no loss" in gone.attrs["message"]


def closed(fall, median=0.1, spread=0.5):
    return (1 + erf(math.log(fall / median) / (spread * math.sqrt(2)))) / 2


def test_static_cascade_jumps_where_its_rounds_fold():
    cascade = dy.models.load("liquidation_cascade").with_parameters(initial_fall=0.03)
    thin = dy.liquidity_shock(cascade, [0.0, 0.2])

    # impact for which a fall is a fixed point; folds are its extremes
    def impact(fall):
        return (fall - 0.03) / closed(fall)

    def slope(fall):
        return (impact(fall + 1e-7) - impact(fall - 1e-7)) / 2e-7

    upper = impact(brentq(slope, 0.035, 0.06))
    lower = impact(brentq(slope, 0.08, 0.3))
    assert float(thin["critical_loss"]) == pytest.approx(1 - 0.15 / upper, abs=1e-8)
    assert float(thin["return_loss"]) == pytest.approx(1 - 0.15 / lower, abs=1e-8)
    assert float(thin["hysteresis_width"]) == pytest.approx(0.15 / lower - 0.15 / upper, abs=1e-8)
    for loss, fall in zip((0, 0.2), thin["largest_fall"].values, strict=True):
        assert fall == pytest.approx(0.03 + 0.15 / (1 - loss) * closed(fall), abs=1e-10)
    steep = dy.liquidity_shock(cascade.with_parameters(spread=1.5), [0.0])
    assert np.isnan(float(steep["critical_loss"]))
    assert "does not jump" in steep.attrs["message"]


@pytest.mark.parametrize(("change", "words"), [
    ({"losses": [1.0]}, "from 0 to below 1"), ({"depth": "price_impakt"}, "Did you mean 'price_impact'"),
    ({"magnitude": -1.0}, "magnitude must be a positive"), ({"shock": "prise"}, "is not a shock"),
])
def test_faults_are_sentences(change, words):
    with pytest.raises(SpecificationError, match=words):
        dy.liquidity_shock(CORE, **({"losses": [0.1]} | change))
