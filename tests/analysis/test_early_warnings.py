"""Rolling indicators against pandas, surrogates against their own null, a fold that is approached, scores in closed form."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, kendalltau, norm

import dynamics as dy
from dynamics.errors import DataError, SpecificationError


def autoregression(slopes, seed, noise=1.0):
    draws, x = np.random.default_rng(seed).standard_normal(len(slopes)), np.zeros(len(slopes))
    for t in range(1, len(slopes)):
        x[t] = slopes[t] * x[t - 1] + noise * draws[t]
    return x


def test_indicators_are_those_of_pandas_and_tau_is_that_of_scipy():
    x, flow = autoregression(np.full(200, 0.6), 1), autoregression(np.full(200, 0.2), 2)
    found = dy.early_warning_signals(x, flow=flow, window=0.3, detrending="none", surrogates=20)
    series, before = pd.Series(x), pd.Series(x).shift(1)
    assert found["variance"].values == pytest.approx(series.rolling(60).var().dropna().values)
    # 59 pairs inside a window of 60 values
    assert found["lag1_autocorrelation"].values == pytest.approx(series.rolling(59).corr(before).values[59:])
    calm = pd.Series(flow).rolling(60).var().dropna()
    assert np.exp(-found["flow_variance_compression"].values) == pytest.approx(calm.values)
    assert float(found["kendall_tau"].sel(indicator="variance")) == pytest.approx(
        kendalltau(np.arange(141), found["variance"].values).statistic)
    assert found["time"].values.tolist() == list(range(59, 200))


def test_a_straight_trend_is_taken_out_exactly_and_a_slow_wave_by_the_kernel():
    noise = np.random.default_rng(3).standard_normal(300)
    line = dy.early_warning_signals(noise + 0.5 * np.arange(300), detrending="linear", surrogates=20)
    alone = dy.early_warning_signals(noise, detrending="linear", surrogates=20)
    assert line["variance"].values == pytest.approx(alone["variance"].values, rel=1e-9)
    wave = noise + 20 * np.sin(np.linspace(0, 3, 300))
    assert dy.early_warning_signals(wave, surrogates=20)["residual"].std() < 1.6
    assert dy.early_warning_signals(wave, detrending="none", surrogates=20)["residual"].std() > 5


def test_p_values_are_uniform_without_a_transition():
    p = [float(dy.early_warning_signals(autoregression(np.full(120, 0.5), 100 + s), surrogates=39, seed=s, detrending="none")
               ["p_value"].sel(indicator="lag1_autocorrelation")) for s in range(40)]
    for level in (0.25, 0.5, 0.75):
        low, high = binom.ppf([0.001, 0.999], 40, level)
        assert low <= sum(value <= level for value in p) <= high


def test_a_fold_that_is_approached_slowly_is_announced():
    # the return rate of the fold's normal form falls as 2 sqrt(mu): x' = mu - x**2 with mu from 1 to 0.003
    mu = np.linspace(1, 0.003, 600)
    approached, rested = np.exp(-2 * np.sqrt(mu)), np.full(600, np.exp(-2))
    runs = [dy.early_warning_signals(autoregression(slopes, seed, 0.1), detrending="linear", surrogates=20)
            for slopes in (approached, rested) for seed in range(12)]
    for name in ("variance", "lag1_autocorrelation"):
        tau = [float(run["kendall_tau"].sel(indicator=name)) for run in runs]
        assert np.mean(tau[:12]) > 0.4
        score = dy.score_warnings(tau, np.repeat([True, False], 12), bootstrap=20).sel(group="all")
        assert score["area"] > 0.85
        assert score["skill"] > 0.2


def test_area_is_that_of_two_normal_distributions():
    generator, distance = np.random.default_rng(4), 1.0
    signal = np.concatenate([generator.standard_normal(150) + distance, generator.standard_normal(150)])
    happened = np.repeat([True, False], 150)
    score = dy.score_warnings(signal, happened, bootstrap=200).sel(group="all")
    exact = norm.cdf(distance / math.sqrt(2))
    assert float(score["area_lower"]) < exact < float(score["area_upper"])
    pairs = np.mean(signal[:150, None] > signal[None, 150:])
    assert float(score["area"]) == pytest.approx(pairs, abs=1e-12)
    # the best possible Brier score, by the true probability, is known; the regression comes near it
    true = 1 / (1 + np.exp(-distance * (signal - distance / 2)))
    assert float(score["brier"]) == pytest.approx(np.mean((true - happened) ** 2), abs=0.01)
    assert float(score["brier_base_rate"]) == pytest.approx(0.25 * (300 / 299) ** 2)


def test_build_up_and_news_shocks_are_scored_apart_and_failures_are_counted():
    generator = np.random.default_rng(6)
    signal = np.concatenate([generator.normal(2, 1, 40), generator.normal(0, 1, 40), generator.normal(0, 1, 60)])
    happened = np.repeat([True, True, False], [40, 40, 60])
    groups = ["build_up"] * 40 + ["news_shock"] * 40 + ["none"] * 60
    score = dy.score_warnings(signal, happened, groups=groups, bootstrap=50)
    assert score["group"].values.tolist() == ["all", "build_up", "news_shock"]
    assert score["area"].sel(group="build_up") > 0.85
    assert abs(float(score["area"].sel(group="news_shock")) - 0.5) < 0.15
    assert score["skill"].sel(group="news_shock") < 0.05 < score["skill"].sel(group="build_up")
    median = np.median(signal[80:])
    assert score["failures"].values.tolist() == [np.sum(part < median) for part in (signal[:80], signal[:40], signal[40:80])]


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"series": np.zeros(100)}, DataError, "does not vary"),
    ({"series": np.arange(12.0)}, DataError, "too few"),
    ({"series": [1.0, np.inf] * 50}, DataError, "50 values of the series are not finite"),
    ({"flow": np.ones(7)}, DataError, "flow has 7 values"),
    ({"detrending": "loess"}, SpecificationError, "detrending must be one of"),
    ({"window": 2.0}, SpecificationError, "share of the series"),
    ({"surrogates": 5}, SpecificationError, "at least 20"),
])
def test_faults_are_sentences(change, error, words):
    arguments = {"series": np.random.default_rng(0).standard_normal(100)} | change
    with pytest.raises(error, match=words):
        dy.early_warning_signals(arguments.pop("series"), **arguments)


@pytest.mark.parametrize(("arguments", "words"), [
    (([1.0, 2.0, 3.0], [1, 0, 2]), "happened must say"), (([1.0, 2.0, 3.0], [1, 1, 0]), "at least 2 cases"),
    (([1.0, 2.0], [[1, 0]]), "happened must say"),
])
def test_faults_of_scores_are_sentences(arguments, words):
    with pytest.raises(DataError, match=words):
        dy.score_warnings(*arguments)
