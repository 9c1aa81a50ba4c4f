"""Tail index and exceedance: against known distributions, closed forms and the coverage of the intervals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, binomtest, genpareto

from dynamics.analysis.tail_risk import exceedance, tail_index
from dynamics.errors import DataError, SpecificationError


def pareto(alpha: float, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).pareto(alpha, size) + 1.0


def test_hill_estimate_is_the_textbook_formula() -> None:
    losses = np.arange(1.0, 31.0)
    expected = 12 / sum(np.log(x / 18.0) for x in range(19, 31))
    estimate = tail_index(-losses, fraction=0.4, bootstrap=10)
    assert float(estimate["tail_index"]) == pytest.approx(expected, rel=1e-12)
    assert (int(estimate["tail_count"]), float(estimate["threshold"])) == (12, 18.0)
    # The other side, and the scale of the returns, make no difference.
    assert float(tail_index(0.01 * losses, side="upper", fraction=0.4, bootstrap=10)["tail_index"]) == pytest.approx(
        expected, rel=1e-12
    )


def test_automatic_choice_finds_the_index_of_pareto_and_of_a_power_law_above_a_uniform_body() -> None:
    estimates = [float(tail_index(-pareto(3.0, 2000, s), bootstrap=10)["tail_index"]) for s in range(20)]
    assert np.mean(estimates) == pytest.approx(3.0, abs=0.1)
    mixed = [np.concatenate([pareto(2.5, 500, s), np.random.default_rng(s).uniform(0, 1, 4500)]) for s in range(10)]
    found = [tail_index(-losses, bootstrap=10) for losses in mixed]
    assert np.mean([float(f["tail_index"]) for f in found]) == pytest.approx(2.5, abs=0.2)
    # The body, nine times as many observations and denser at the joint, is kept out of the tail.
    assert min(int(f["tail_count"]) for f in found) > 500 * 0.4
    assert max(int(f["tail_count"]) for f in found) < 500 * 1.1


def test_far_tail_of_student_t_has_the_degrees_of_freedom_as_index() -> None:
    draws = [np.random.default_rng(s).standard_t(3, 20_000) for s in range(8)]
    estimates = [float(tail_index(draw, fraction=0.005, bootstrap=10)["tail_index"]) for draw in draws]
    assert np.mean(estimates) == pytest.approx(3.0, abs=0.3)
    assert float(tail_index(draws[0], side="upper", fraction=0.005, bootstrap=10)["tail_index"]) != estimates[0]


def test_asymptotic_interval_covers_at_its_confidence_for_pareto() -> None:
    results = [tail_index(-pareto(3.0, 300, s), fraction=0.2, bootstrap=10, confidence=0.9) for s in range(300)]
    covered = sum(float(r["asymptotic_lower"]) <= 3.0 <= float(r["asymptotic_upper"]) for r in results)
    lowest, highest = binom.ppf([0.0005, 0.9995], 300, 0.9)
    assert lowest <= covered <= highest


def test_bootstrap_interval_covers_for_independent_draws() -> None:
    results = [tail_index(-pareto(3.0, 400, s), fraction=0.25, bootstrap=200, confidence=0.9) for s in range(120)]
    covered = sum(float(r["bootstrap_lower"]) <= 3.0 <= float(r["bootstrap_upper"]) for r in results)
    # Percentile intervals of a ratio estimator cover somewhat less than they say.
    assert binom.ppf(0.0005, 120, 0.85) <= covered <= binom.ppf(0.9995, 120, 0.93)


def test_seed_decides_the_draws_and_more_replicates_extend_them() -> None:
    losses = -pareto(3.0, 300, 1)
    first, again, other = (tail_index(losses, fraction=0.2, bootstrap=150, seed=s) for s in (5, 5, 6))
    assert float(first["bootstrap_lower"]) == float(again["bootstrap_lower"]) != float(other["bootstrap_lower"])
    assert (first.attrs["seed"], first.attrs["schema"], first.attrs["exactness"]) == (5, "dynamics/result", "numeric")


def test_counts_and_exact_intervals_are_those_of_scipy() -> None:
    returns = np.random.default_rng(3).standard_t(4, 1000) * 0.02
    levels = [0.02, 0.05, 0.1, 5.0]
    found = exceedance(returns, levels, bootstrap=200)
    assert found["count"].values.tolist() == [int((returns <= -level).sum()) for level in levels]
    for level in range(3):
        interval = binomtest(int(found["count"][level]), 1000).proportion_ci(0.95, method="exact")
        assert float(found["exact_lower"][level]) == pytest.approx(interval.low, rel=1e-9)
        assert float(found["exact_upper"][level]) == pytest.approx(interval.high, rel=1e-9)
    # No event in n periods: the one-sided bound, close to three in n.
    assert float(found["exact_upper"][3]) == pytest.approx(1 - 0.05 ** (1 / 1000), rel=1e-9)
    assert float(found["probability_upper"][3]) == float(found["exact_upper"][3]) == pytest.approx(3 / 1000, rel=0.01)
    assert found["status"].values.tolist() == [0, 0, 0, 1]
    assert exceedance(np.full(50, -1.0), [0.5], bootstrap=10)["exact_upper"].item() == 1.0


def test_block_interval_covers_for_independent_draws_and_widens_for_clusters() -> None:
    rare = [(np.random.default_rng(s).random(500) < 0.1) * -1.0 for s in range(150)]
    found = [exceedance(r, [0.5], bootstrap=300, confidence=0.9) for r in rare]
    covered = sum(float(f["probability_lower"][0]) <= 0.1 <= float(f["probability_upper"][0]) for f in found)
    assert binom.ppf(0.0005, 150, 0.83) <= covered <= binom.ppf(0.9995, 150, 0.93)
    clustered = np.repeat(rare[0], 8)
    wide = exceedance(clustered, [0.5], block=40)
    narrow = exceedance(clustered, [0.5], block=1)

    def width(result: xr.Dataset) -> float:
        return float(result["probability_upper"][0] - result["probability_lower"][0])

    # Runs of eight multiply the variance of the mean by about eight.
    assert width(wide) / width(narrow) == pytest.approx(np.sqrt(8), rel=0.25)


def test_generalised_pareto_recovers_a_known_tail() -> None:
    # Quantiles at regular probabilities stand for an infinitely lucky sample.
    excesses = genpareto(0.3, scale=0.02).ppf((np.arange(4000) + 0.5) / 4000)
    losses = np.concatenate([0.05 + excesses, np.linspace(-0.05, 0.05, 36_000)])
    found = exceedance(-losses, [0.03, 0.1, 0.2, 0.4], bootstrap=10)
    assert found.attrs["gpd_threshold"] == pytest.approx(0.05, abs=1e-3)
    assert found.attrs["gpd_shape"] == pytest.approx(0.3, abs=0.01)
    truth = 0.1 * genpareto(0.3, scale=0.02).sf(np.array([0.05, 0.15, 0.35]))
    np.testing.assert_allclose(found["gpd_probability"][1:], truth, rtol=0.03)
    assert float(found["gpd_probability"][0]) == float(found["probability"][0])
    few = exceedance(np.linspace(-0.1, 0.1, 25), [0.05], bootstrap=10)
    assert np.isnan(few["gpd_probability"][0])
    assert "no generalised Pareto fit" in few.attrs["message"]


def test_what_cannot_be_estimated_is_refused() -> None:
    returns = np.random.default_rng(0).normal(size=200)
    for bad, words in (
        ([0.1, np.nan, 0.2], "1 returns are not finite .first: position 1"),
        (np.zeros((3, 3)), "one series"),
        (["a", "b"], "not numbers"),
        (np.ones(100), "the lower side has 0 observations"),
        (xr.Dataset({"close": ("time", [1.0, 2.0])}), "no variable 'log_return'"),
    ):
        with pytest.raises(DataError, match=words):
            tail_index(bad)
    for options, words in (
        ({"side": "left"}, "side must be"),
        ({"fraction": 0.001}, "is a tail of 0; it must have 10 to"),
        ({"confidence": 95}, "confidence must lie"),
        ({"bootstrap": 0}, "whole number of at least 10"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": None}, "seed must be a whole number"),
    ):
        with pytest.raises(SpecificationError, match=words):
            tail_index(returns, **options)
    with pytest.raises(SpecificationError, match="levels must be positive"):
        exceedance(returns, [-0.1])
    with pytest.raises(SpecificationError, match="levels must be a list of finite numbers"):
        exceedance(returns, ["large"])
    with pytest.raises(SpecificationError, match="block must be a whole number from 1 to 200"):
        exceedance(returns, [0.1], block=201)
