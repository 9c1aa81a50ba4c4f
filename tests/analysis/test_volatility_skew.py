"""Implied volatilities: lognormal, jump-diffusion (Merton's series) and two-point samples have closed forms."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr
from scipy.stats import norm

import dynamics as dy
from dynamics.analysis.volatility_skew import implied_volatility_skew
from dynamics.errors import DataError, SpecificationError

MIDDLES = (np.arange(200_000) + 0.5) / 200_000


def put(forward, strike, w):
    """Black's formula, written once more."""
    d1 = math.log(forward / strike) / w + w / 2
    return strike * ndtr(-(d1 - w)) - forward * ndtr(-d1)


def test_a_lognormal_sample_has_a_flat_smile_whatever_its_drift():
    skew = implied_volatility_skew(0.7 + 0.3 * norm.ppf(MIDDLES), 0.25, strikes=[0.6, 0.9, 1.0, 1.3, 1.6], bootstrap=0)
    assert skew["implied_volatility"].values == pytest.approx(0.6, abs=2e-4)
    quotes = skew["value"].to_series()
    assert quotes[["at_the_money", "call_25", "put_25"]].values == pytest.approx(0.6, abs=2e-4)
    assert quotes[["risk_reversal", "butterfly", "slope"]].values == pytest.approx(0, abs=2e-4)


def merton_put(strike, sigma, rate, mean, spread, terms=60):
    """Put on exp(X), E exp(X) = 1: normal with a Poisson number of normal jumps, by conditioning on their number."""
    compensation = rate * (math.exp(mean + spread**2 / 2) - 1)
    total = 0.0
    for n in range(terms):
        weight = math.exp(-rate + n * math.log(rate) - gammaln(n + 1))
        forward = math.exp(n * (mean + spread**2 / 2) - compensation)
        total += weight * put(forward, strike, math.sqrt(sigma**2 + n * spread**2))
    return total


def test_jumps_down_give_mertons_smile_and_its_skew():
    generator = np.random.default_rng(5)
    rate, mean, spread, sigma, size = 0.5, -0.15, 0.1, 0.15, 400_000
    jumps = generator.poisson(rate, size)
    normal, jump_sizes = generator.standard_normal((2, size))
    sample = sigma * normal + mean * jumps + spread * np.sqrt(jumps) * jump_sizes
    strikes = [0.7, 0.85, 1.0, 1.1]
    skew = implied_volatility_skew(sample, 1.0, strikes=strikes, bootstrap=0)
    exact = [brentq(lambda w, k=k: put(1.0, k, w) - merton_put(k, sigma, rate, mean, spread), 1e-3, 2) for k in strikes]
    # sampling error of a volatility is about 0.3/sqrt(size)
    assert skew["implied_volatility"].values == pytest.approx(exact, abs=2.5e-3)
    quotes = skew["value"].to_series()

    def smile(log_strike):
        return brentq(lambda w: put(1.0, math.exp(log_strike), w)
                      - merton_put(math.exp(log_strike), sigma, rate, mean, spread), 1e-3, 2)

    def at_delta(delta):
        where = brentq(lambda x: ndtr(-x / smile(x) + smile(x) / 2) - delta, -0.5, 0.5)
        return smile(where)

    center = smile(0.0)
    assert quotes["risk_reversal"] == pytest.approx(at_delta(0.25) - at_delta(0.75), abs=1e-3)
    assert quotes["butterfly"] == pytest.approx((at_delta(0.25) + at_delta(0.75)) / 2 - center, abs=1e-3)
    assert quotes["slope"] == pytest.approx((smile(center / 2) - smile(-center / 2)) / center, abs=4e-3)
    assert quotes["risk_reversal"] < -0.01


def test_prices_of_a_two_point_sample_are_sums_and_volatility_ends_where_the_sample_does():
    low, high = 0.5, 1.5
    skew = implied_volatility_skew(np.log([low, high] * 60), 1.0, strikes=[0.4, 0.75, 1.0, 1.25, 1.6], bootstrap=0)
    assert skew["price"].values == pytest.approx([0, 0.125, 0.25, 0.125, 0])
    assert np.isnan(skew["implied_volatility"].values).tolist() == [True, False, False, False, True]
    assert skew["status"].values.tolist() == [1, 0, 0, 0, 1]
    assert put(1.0, 0.75, float(skew["implied_volatility"][1])) == pytest.approx(0.125, rel=1e-10)


def test_intervals_cover_and_do_not_depend_on_anything_but_the_seed():
    sample = [0.2 * np.random.default_rng(s).standard_normal(400) for s in range(24)]
    covered = 0
    for values in sample:
        quote = implied_volatility_skew(values, 1.0, strikes=[1.0], bootstrap=25, confidence=0.9).sel(quote="at_the_money")
        covered += bool(quote["value_lower"] <= 0.2 <= quote["value_upper"])
    assert covered >= 17  # 21.6 expected; fewer has a probability of half a percent
    again = [implied_volatility_skew(sample[0], 1.0, strikes=[1.0], bootstrap=20, seed=3)["value_upper"] for _ in "ab"]
    assert np.array_equal(*again, equal_nan=True)


def test_a_simulation_of_the_core_with_noise_is_read_with_its_own_duration():
    text = dy.models.load("deleveraging")
    noisy = dy.System(name="gap", time="continuous", time_unit="day", states={"price_gap": dy.State(0.1)},
                      parameters={"k": dy.Parameter(2, "1/day"), "s": dy.Parameter("0.05", "1/day**0.5")},
                      equations={"price_gap": "-k*price_gap"}, noise={"news": {"price_gap": "s"}})
    assert "price_gap" in text.states  # the default name is the core's
    run = dy.simulate(noisy, duration=1.0, time_step=0.01, paths=20_000, seed=2)
    skew = dy.implied_volatility_skew(run, bootstrap=0)
    deviation = 0.05 * math.sqrt((1 - (1 - 0.02) ** 200) / (1 - 0.98**2) * 0.01)  # of the scheme itself, step by step
    assert float(skew["value"].sel(quote="at_the_money")) == pytest.approx(deviation * math.sqrt(365), rel=0.02)
    assert skew.attrs["maturity_years"] == pytest.approx(1 / 365)
    with pytest.raises(SpecificationError, match="Did you mean 'price_gap'"):
        dy.implied_volatility_skew(run, state="price_gao")


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"returns": np.zeros(200)}, DataError, "all returns are equal"),
    ({"returns": np.arange(5.0)}, DataError, "at least 100"),
    ({"returns": np.array([np.nan] * 3 + [1.0] * 200)}, DataError, "3 returns are not finite"),
    ({"maturity": None}, SpecificationError, "give maturity"),
    ({"maturity": -1.0}, SpecificationError, "must be a positive number"),
    ({"strikes": [0.0]}, SpecificationError, "strikes must be positive"),
    ({"bootstrap": 3}, SpecificationError, "at least 20"),
    ({"confidence": 1.5}, SpecificationError, "confidence"),
])
def test_faults_are_sentences(change, error, words):
    arguments = {"returns": 0.1 * np.random.default_rng(0).standard_normal(200), "maturity": 1.0} | change
    with pytest.raises(error, match=words):
        implied_volatility_skew(**arguments)
