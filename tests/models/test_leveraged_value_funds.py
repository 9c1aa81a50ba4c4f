"""Leveraged value funds: clearing, accounts, defaults, and tails that leverage makes fat."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.process_orbits import process_start, process_values
from dynamics.models.leveraged_value_funds import clearing_price


def excess(price, noise, limit, aggression, shares, cash, value=1.0, supply=1000.0):
    wealth = np.maximum(shares*price + cash, 0)
    return noise + float(np.sum(np.clip(aggression*(value - price), 0, limit)*wealth)) - supply*price


def bisected(*arguments):
    """The price that plain bisection of excess demand ends at."""
    low, high = arguments[0]/1000.0, 1.0
    if low >= high:
        return low
    while low < (middle := (low + high)/2) < high:
        low, high = (middle, high) if excess(middle, *arguments) > 0 else (low, middle)
    return low


def test_the_price_is_the_one_bisection_ends_at():
    generator, several = np.random.default_rng(1), 0
    for draw in range(100):
        noise, limit = generator.uniform(300, 1100), generator.uniform(1, 20)
        aggression, shares = 5.0*np.arange(1, 11), generator.uniform(0, 90, 10)
        # in every other draw the funds borrowed at about the same price: they lose their wealth together
        cash = -shares*(generator.uniform(-0.2, 0.9, 10) if draw % 2 else generator.uniform(0.5, 0.9))
        arguments = (noise, limit, aggression, shares, cash)
        found = clearing_price(noise, 1.0, 1000.0, limit, aggression.tolist(), shares.tolist(), cash.tolist())
        assert found == pytest.approx(bisected(*arguments), rel=1e-11)
        assert abs(excess(found, *arguments)) < 1e-7
        grid = np.linspace(noise/1000, 1, 200)
        signs = np.sign([excess(p, *arguments) for p in grid[1:-1]]) if noise < 1000 else [1]
        several += np.count_nonzero(np.diff(signs)) > 1
    assert several > 3      # the rule that selects a root was needed


@pytest.fixture(scope="module")
def run():
    return dy.iterate(dy.models.load("leveraged_value_funds"), 6000, parameters={"leverage_limit": 8}, seed=3)


def test_markets_clear_and_nobody_exceeds_the_limit(run):
    """Noise traders' money buys what funds do not hold; a fund's cash after clearing is its wealth less its demand."""
    wealth_before_flows = run["shares"]*run["price"] + run["cash"]
    assert float(run["leverage"].max()) <= 8 + 1e-9
    assert float(run["price"].min()) > 0
    assert (wealth_before_flows > -1e-12).all()
    active = run["waiting"].values == 0
    gap = (1 - run["price"]).values[None]
    demand = (run["shares"]*run["price"]).values
    assert np.all(demand[:, 1:][np.broadcast_to(gap <= 0, demand.shape)[:, 1:]] == 0)
    assert np.all(demand[~active] == 0)
    # money of noise traders and funds is the value of all shares
    before, after = run.isel(time=slice(None, -1)), run.isel(time=slice(1, None))
    at_price = np.maximum((before["shares"].values*after["price"].values + before["cash"].values), 0)
    wanted = np.clip(5*np.arange(1, 11)[:, None]*(1 - after["price"].values), 0, 8)*at_price
    total = 1000*np.exp(after["log_noise"].values) + wanted.sum(axis=0)
    np.testing.assert_allclose(total, 1000*after["price"].values, rtol=1e-10)


def test_without_funds_the_price_is_what_noise_traders_bid():
    run = dy.iterate(dy.models.load("leveraged_value_funds"), 400, parameters={"initial_wealth": 1e-9}, seed=1)
    np.testing.assert_allclose(run["price"][1:], np.exp(run["log_noise"][1:]), rtol=1e-8)
    noise = run["log_noise"].values
    generator = np.random.default_rng(np.random.SeedSequence(1))
    np.testing.assert_allclose(noise[1:] - 0.99*noise[:-1], 0.035*generator.standard_normal(400), atol=1e-12)


def test_a_day_by_hand():
    """One fund of aggression 5 at its limit of 1: it puts all wealth into shares, and flows follow the average return."""
    process = dy.models.load("leveraged_value_funds", funds=1).with_parameters(noise_size=0, leverage_limit=1,
                                                                             aggression=[5], initial_wealth=100)
    state = {**process_start(process, {"log_noise": np.log(0.5), "price": 0.5, "shares": [50], "cash": [75]})}
    after = process.step(state, process_values(process), np.random.default_rng(0))
    noise = 1000*0.5**0.99
    price = (noise + 75)/(1000 - 50)                 # noise + (50 p + 75) = 1000 p
    assert 5*(1 - price) > 1
    wealth = 50*price + 75
    average = 0.1*50*(price - 0.5)/100
    assert after["price"] == pytest.approx(price, rel=1e-13)
    assert after["shares"][0] == pytest.approx(wealth/price, rel=1e-12)
    assert after["performance"][0] == pytest.approx(average, rel=1e-12)
    assert after["cash"][0] == pytest.approx(0.15*(average - 0.005)*wealth, rel=1e-9)
    assert (after["at_limit"], after["leverage"]) == (1, pytest.approx(1))


def test_a_ruined_fund_leaves_and_comes_back_after_the_absence():
    process = dy.models.load("leveraged_value_funds", funds=1).with_parameters(noise_size=0, absence=5)
    run = dy.iterate(process, 12, {"log_noise": np.log(0.6), "price": 0.9, "shares": [30], "cash": [-25]})
    assert run["defaults"].values[1:].tolist() == [1]*12
    assert run["waiting"].values[0].tolist()[1:8] == [5, 4, 3, 2, 1, 0, 0]
    assert np.all(run["shares"].values[0][1:7] == 0)
    assert run["cash"].values[0][6] == 2
    assert run["shares"].values[0][7] > 0


def test_the_limit_falls_with_recent_variance():
    process = dy.models.load("leveraged_value_funds", limit="volatility", window=3)
    start = {"recent_return": [0.2, -0.2, 0.1], "log_noise": np.log(0.6), "price": 0.6}
    calm, wild = (process.step(process_start(process, {**start, **change}), process_values(process),
                               np.random.default_rng(1)) for change in ({"recent_return": [0, 0, 0]}, {}))
    assert wild["leverage"] == pytest.approx(5/(1 + 100*np.var([0.2, -0.2, 0.1])), rel=1e-9)
    assert calm["leverage"] > wild["leverage"]
    assert wild["recent_return"] == (-0.2, 0.1, pytest.approx(np.log(wild["price"]/0.6)))


def test_statistics_need_days_and_refusals():
    assert dy.iterate(dy.models.load("leveraged_value_funds"), 5).attrs["measures"]["hill_exponent"] is None
    with pytest.raises(dy.SpecificationError, match="Did you mean 'fixed'"):
        dy.models.load("leveraged_value_funds", limit="fix")
    with pytest.raises(dy.SpecificationError, match="funds must be a whole number"):
        dy.models.load("leveraged_value_funds", funds=0)


@pytest.mark.slow
def test_leverage_makes_tails_fat():
    """Bands, by ordering: Hill > 4.5 without leverage, 2.6-3.3 at limit 5, 2.1-3.0 at 10."""
    found = dy.sweep(dy.models.load("leveraged_value_funds"), {"leverage_limit": [1, 2, 5, 10], "path": range(4)},
                     duration=30_000, seed=1)
    mean = found.mean("path")
    assert float(found["hill_exponent"].sel(leverage_limit=1).min()) > 4.5
    assert 2.6 < float(mean["hill_exponent"].sel(leverage_limit=5)) < 3.3
    assert 2.1 < float(mean["hill_exponent"].sel(leverage_limit=10)) < 3.0
    assert np.all(np.diff(mean["hill_exponent"]) < 0)
    assert np.all(np.diff(mean["excess_kurtosis"]) > 0)
    assert np.all(np.diff(mean["volatility_clustering"]) > 0)
    assert np.all(found["default_count"].sel(leverage_limit=1) == 0)
    assert np.all(np.diff(mean["default_count"]) > 0)
