"""News: without trading, equity is a function of the price along every path; without noise the core comes back."""

import numpy as np
import pytest

import dynamics as dy

CORE = dy.models.load("deleveraging")
IDLE = {"adjustment": 0, "liquidation_rate": 0, "reversion": 0, "news_volatility": 0.1}


@pytest.mark.parametrize(("method", "order"), [("euler_maruyama", 0.5), ("milstein", 1.0), ("stochastic_runge_kutta", 1.5)])
def test_debt_does_not_change_without_trades(method, order):
    # u = 1 - (1 - u0) exp(-x), path by path; the error of the scheme falls with its strong order
    noisy = dy.compose(CORE, "news").with_parameters(IDLE)
    errors = []
    for step in (0.04, 0.01):
        run = dy.simulate(noisy, 4.0, step, 2000, seed=3, method=method, initial_state={"equity_ratio": 0.6})
        good = run["status"].values == 0
        exact = 1 - 0.4 * np.exp(-run["final_price_gap"].values[good])
        errors.append(np.sqrt(np.mean((run["final_equity_ratio"].values[good] - exact) ** 2)))
    assert errors[0] / errors[1] == pytest.approx(4**order, rel=0.15)
    assert errors[1] < 2e-3


def test_expected_price_gap_is_that_of_an_ornstein_uhlenbeck_process():
    quiet = dy.compose(CORE, "news").with_parameters(price_impact=0, news_volatility=0.05)
    run = dy.simulate(quiet, 8.0, 0.01, 20_000, seed=1)
    assert float(run["final_price_gap"].var()) == pytest.approx(0.05**2 / 2, rel=0.04)


def test_a_jump_is_the_shock_of_the_model():
    falling = dy.compose(CORE, ("news", {"jumps": True})).with_parameters(
        IDLE | {"news_volatility": 0, "jump_rate": 0.5, "jump_size": 0.05})
    run = dy.simulate(falling, 2.0, 0.01, 4000, seed=2, initial_state={"equity_ratio": 0.6})
    count = np.rint(-run["final_price_gap"].values / 0.05)
    assert run["final_price_gap"].values == pytest.approx(-0.05 * count, abs=1e-12)
    assert run["final_equity_ratio"].values == pytest.approx(1 - 0.4 * np.exp(0.05 * count), rel=1e-9)
    assert count.mean() == pytest.approx(1.0, abs=4 / np.sqrt(4000))
    once = dy.apply_shock(CORE, {"price_gap": 0, "equity_ratio": 0.6, "liquidation_flow": 0}, "price", 0.05)
    assert run["final_equity_ratio"].values[count == 1][0] == pytest.approx(once["equity_ratio"])


def test_without_noise_the_core_comes_back_and_with_it_leverage_rests_higher():
    noisy = dy.compose(CORE, "news")
    still = dy.fixed_points(noisy.with_parameters(news_volatility=0))
    assert [p.values["equity_ratio"] for p in still if p.admissible] == pytest.approx([0.2])
    moved = next(p for p in dy.fixed_points(noisy.with_parameters(news_volatility=0.05)) if p.admissible)
    # theta (lambda* u - 1) u = -(1 - u) sigma**2/2 near the target
    u = moved.values["equity_ratio"]
    assert 0.5 * (5 * u - 1) * u == pytest.approx(-(1 - u) * 0.05**2 / 2, rel=1e-9)
    assert moved.exactness == "exact"
