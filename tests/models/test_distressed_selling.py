"""Distressed selling: the covariance formula against closed forms, one step by Monte Carlo, and a year of steps."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.process_orbits import process_values


def two_assets(**more):
    return dy.models.load("distressed_selling", assets=2).with_parameters(
        holdings=[2, 3], depth=[2/0.12, 3/0.08], fundamental_covariance=[[0.04, 0], [0, 0.09]], liquidation_slope=1.7,
        initial_value=350, **more)


def test_the_covariance_of_two_assets():
    found = two_assets().covariance([100, 50])
    np.testing.assert_allclose(found, [[0.05055721, 0.01179814], [0.01179814, 0.10103876]], atol=5e-9)
    assert found[0, 1]/np.sqrt(found[0, 0]*found[1, 1]) == pytest.approx(0.16507373, abs=5e-9)
    assert np.all(two_assets().with_parameters(trigger=0.95).covariance([100, 50]) == [[0.04, 0], [0, 0.09]])


@pytest.mark.parametrize(("slope", "correlation", "multiple"), [
    (1, 0.0215264, 1.2), (2, 0.0458015, 1.4), (5, 0.1304348, 2.0), (10, 0.2857143, 3.0)])
def test_equal_independent_assets(slope, correlation, multiple):
    found = dy.models.load("distressed_selling").with_parameters(liquidation_slope=slope).covariance(np.ones(20))
    excess = (2*slope*0.2 + (slope*0.2)**2)/20
    np.testing.assert_allclose(found[0, 1]/found[0, 0], [excess/(1 + excess)], rtol=1e-12)
    assert found[0, 1]/found[0, 0] == pytest.approx(correlation, abs=5e-8)
    weights = np.full(20, 1/20)
    assert np.sqrt(weights @ found @ weights)/(0.2/np.sqrt(20)) == pytest.approx(multiple, rel=1e-12)


def test_one_step_has_that_covariance():
    process = two_assets(time_step=1e-4)
    returns = process.returns(np.array([100.0, 50.0]), 400_000, process_values(process), np.random.default_rng(5))
    # standard error of a variance: sqrt(2/n), 0.22 %
    found, expected = np.cov(returns, rowvar=False)/1e-4, process.covariance([100, 50])
    np.testing.assert_allclose(found, expected, rtol=0.04)
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=0.009)


def test_a_step_is_the_equation():
    process = two_assets(trigger=0.95, drift=[0.1, -0.2], time_step=0.01)
    values, prices = process_values(process), np.array([95.0, 47.0])
    generator, same = np.random.default_rng(2), np.random.default_rng(2)
    after = process.step({"price": prices, "fund_value": 0}, values, generator)["price"]
    alone = np.array([0.1, -0.2])*0.01 + 0.1*np.array([0.2, 0.3])*same.standard_normal(2)
    f = [1.7*(min(x, 0.95) - 0.95) for x in (np.array([2, 3]) @ (prices*(1 + alone))/350, np.array([2, 3]) @ prices/350)]
    np.testing.assert_allclose(after, prices*(1 + alone + np.array([0.12, 0.08])*(f[0] - f[1])), rtol=1e-13)
    quiet = process.step({"price": np.array([120.0, 60.0]), "fund_value": 0}, values, np.random.default_rng(2))["price"]
    np.testing.assert_allclose(quiet, np.array([120.0, 60.0])*(1 + alone), rtol=1e-13)


@pytest.mark.slow
def test_a_year_of_small_steps():
    """Realised mean correlation .12164 beside .12455 by the formula, variance .045431 beside .045692: another run."""
    process = dy.models.load("distressed_selling").with_parameters(time_step="1/25200")
    for seed in (1, 2):
        found = dy.iterate(process, 25_200, seed=seed).attrs["measures"]
        # 95 % of mean correlations lie within 0.01 of the formula: 190 pairs share one factor
        assert found["realised_correlation"] == pytest.approx(found["predicted_correlation"], abs=0.01)
        assert found["realised_variance"] == pytest.approx(found["predicted_variance"], rel=0.02)
        assert 0.10 < found["realised_correlation"] < 0.15


def test_refusals():
    with pytest.raises(dy.SpecificationError, match="assets must be a whole number"):
        dy.models.load("distressed_selling", assets=0)
    with pytest.raises(dy.SpecificationError, match="impact must be a positive number"):
        dy.models.load("distressed_selling", impact=0)
