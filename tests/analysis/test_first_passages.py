"""First passages, running extremes and jumps of simulated paths against quadratures and closed forms.

A path is seen at the ends of steps: as if a barrier were 0.5826 s sqrt(h) farther away (Broadie, Glasserman, Kou 1997). The
closed forms are taken there, and where they are not, the difference has to be seen.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf
from scipy.stats import norm

import dynamics as dy

FARTHER = 0.5826


def well_time(d: float, end: float) -> float:
    """Mean time from -1 to end for dx = (x - x**3) dt + sqrt(2 d) dW."""
    def potential(x: float) -> float:
        return x**4 / 4 - x**2 / 2

    def inner(y: float) -> float:
        return quad(lambda z: math.exp((potential(y) - potential(z)) / d), -4, y, points=(-1.0,) if y > -1 else None,
                    epsabs=0, epsrel=1e-11, limit=200)[0]

    return quad(inner, -1, end, epsabs=0, epsrel=1e-10)[0] / d


def exit_time(end: float) -> float:
    """Mean time from 0 to the ends of (-end, end) for dx = -x dt + dW."""
    return 2 * quad(lambda y: math.exp(y * y) * math.sqrt(math.pi) / 2 * erf(y), 0, end, epsabs=0, epsrel=1e-12)[0]


def test_quadratures_give_the_published_means() -> None:
    for d, end, expected in ((0.1, 0.0, 30.8213024727), (0.1, 1.0, 66.2686263649), (0.05, 1.0, 729.670691942),
                             (0.5**2 / 2, 1.0, 41.0343), (0.4**2 / 2, 1.0, 120.0057)):
        assert well_time(d, end) == pytest.approx(expected, rel=1e-6 if expected > 200 else 2e-6)
    assert exit_time(2.0) == pytest.approx(27.4327391524998, rel=1e-10)


@pytest.mark.parametrize("method", ["euler_maruyama", "stochastic_runge_kutta"])
def test_mean_exit_time_of_a_mean_reverting_gap(method: str) -> None:
    h, paths, duration = 0.01, 3000, 300.0
    system = dy.System(name="gap", time="continuous", states={"x": 0.0}, equations={"x": "-x"}, noise={"news": {"x": "1"}},
                       events={"exit": dy.Event("4 - x**2", terminal=True)})
    run = dy.simulate(system, duration, h, paths, seed=1, method=method)
    time = run["end_time"].values
    assert np.array_equal(time[run["status"] == 1], run["first_passage_time"].values[0][run["status"] == 1])
    spread = time.std() / math.sqrt(paths)
    assert abs(time.mean() - exit_time(2 + FARTHER * math.sqrt(h))) < 4 * spread
    assert time.mean() - exit_time(2) > 4 * spread
    # long after the beginning the exit has a constant rate
    assert abs(time.std() / time.mean() - 1) < 0.1


def test_mean_times_between_two_wells() -> None:
    d, h, paths = 0.1, 0.01, 2500
    system = dy.System(name="wells", time="continuous", states={"x": -1.0}, parameters={"s": math.sqrt(2 * d)},
                       equations={"x": "x - x**3"}, noise={"news": {"x": "s"}},
                       events={"top": dy.Event("x", "rising"), "other": dy.Event("x - 1", "rising", terminal=True)})
    passed = dy.simulate(system, 700, h, paths, seed=2)["first_passage_time"].values
    assert np.isfinite(passed).mean() > 0.999
    farther = FARTHER * math.sqrt(2 * d * h)
    for times, end in zip(passed, (0.0, 1.0), strict=True):
        times = np.where(np.isfinite(times), times, 700.0)
        assert abs(times.mean() - well_time(d, end + farther)) < 4 * times.std() / math.sqrt(paths), end


def lowest(a: float, m: float, s: float, t: float) -> float:
    """P(the smallest value of m t + s W is below -a)."""
    scale = s * math.sqrt(t)
    return float(norm.cdf((-a - m * t) / scale) + math.exp(-2 * m * a / s**2) * norm.cdf((-a + m * t) / scale))


def test_intervals_of_quantiles_of_extremes_and_passages_hold_the_true_ones() -> None:
    m, s, h, paths = -0.3, 0.7, 0.002, 4000
    system = dy.System(name="falling", time="continuous", states={"x": 0.0}, parameters={"m": m, "s": s},
                       equations={"x": "m"}, noise={"news": {"x": "s"}}, events={"loss": dy.Event("x + 1/2")})
    shift, held = FARTHER * s * math.sqrt(h), []
    for seed in range(10):
        run = dy.simulate(system, 1, h, paths, seed=seed)
        row = []
        for level, values in ((q, run.sel(quantile=q)) for q in (0.05, 0.5, 0.95)):
            _, low, high = values["min_x_quantile"].values
            row.append(lowest(shift - low, m, s, 1) < level < lowest(shift - high, m, s, 1))
            _, low, high = values["max_x_quantile"].values  # turned round: the lowest of the reflected path
            row.append(1 - lowest(low + shift, -m, s, 1) < level < 1 - lowest(high + shift, -m, s, 1))
        _, low, high = run["first_passage_time_quantile"].sel(event="loss", quantile=0.25).values
        row.append(lowest(0.5 + shift, m, s, low) < 0.25 < lowest(0.5 + shift, m, s, high))
        _, low, high = run["event_probability"].sel(event="loss").values
        row.append(low < lowest(0.5 + shift, m, s, 1) < high)
        held.append(row)
    assert np.mean(held) > 0.88  # of 95 % intervals; some of the 80 go together
    assert np.all(np.sum(held, axis=0) >= 7)


def test_leverage_is_never_negative_at_insolvency() -> None:
    """The equity ratio ends at zero, on the side it came from: one over it is large, not minus something."""
    noisy = dy.compose(dy.models.load("deleveraging"), "news").with_parameters(news_volatility=0.06)
    run = dy.simulate(noisy, 30, 0.02, 2000, seed=1, stored_paths=200)
    broke = run["status"].values == 1
    assert 50 < broke.sum() < 500
    assert run["status"].values[:200].any()  # arrays and compiled code both
    assert (run["min_equity_ratio"].values > 0).all()
    assert run["final_equity_ratio"].values[broke].max() < 1e-13
    assert (run["min_leverage"].values >= 1).all()
    assert np.isfinite(run["max_leverage"].values).all()
    assert run["max_leverage"].values[broke].min() > 1e13


def test_births_at_a_rate_that_grows_with_their_number() -> None:
    """Yule's process: the scheme multiplies the mean by 1 + rate h at each step; the variance follows likewise."""
    rate, h, steps, paths = 0.8, 0.02, 100, 20000
    system = dy.System(name="births", time="continuous", states={"n": 1.0}, parameters={"rate": rate}, equations={"n": "0"},
                       jumps={"birth": dy.Jump("rate*n", {"n": "n + 1"})})
    n = dy.simulate(system, h * steps, h, paths, seed=3)["final_n"].values
    mean, variance = 1.0, 0.0
    for _ in range(steps):
        mean, variance = mean * (1 + rate * h), variance * (1 + rate * h) ** 2 + mean * rate * h
    assert abs(n.mean() - mean) < 4 * math.sqrt(variance / paths)
    assert abs(n.var() / variance - 1) < 4 * math.sqrt(8 / paths)  # the fourth moment of an exponential law
    assert mean == pytest.approx(math.exp(rate * h * steps), rel=0.02)
    assert set(n) <= set(range(1, 200))


def test_log_price_with_jumps() -> None:
    """Merton's process: normal between the jumps, and every jump takes the same part of the price."""
    m, s, rate, part, t, paths = 0.1, 0.2, 1.5, 0.12, 2.0, 20000
    system = dy.System(name="merton", time="continuous", states={"x": 0.0, "n": 0.0}, parameters={"m": m, "s": s},
                       equations={"x": "m", "n": "0"}, noise={"news": {"x": "s"}},
                       jumps={"crash": dy.Jump(str(rate), {"x": f"x - {part}", "n": "n + 1"})})
    run = dy.simulate(system, t, 0.05, paths, seed=4)
    x, n = run["final_x"].values, run["final_n"].values
    variance = s**2 * t + rate * t * part**2
    assert abs(x.mean() - (m - rate * part) * t) < 4 * math.sqrt(variance / paths)
    assert abs(x.var() / variance - 1) < 4 * math.sqrt(2.1 / paths)
    third = -rate * t * part**3  # of the cumulants only jumps have a third one
    assert abs(((x - x.mean()) ** 3).mean() - third) < 4 * math.sqrt(15 * variance**3 / paths)
    rest = (x + part * n - m * t) / (s * math.sqrt(t))
    assert abs(np.corrcoef(rest, n)[0, 1]) < 4 / math.sqrt(paths)
    ordered = np.sort(rest)
    assert np.max(np.abs(norm.cdf(ordered) - (np.arange(paths) + 0.5) / paths)) < 1.63 / math.sqrt(paths)
    assert n.mean() == pytest.approx(rate * t, abs=4 * math.sqrt(rate * t / paths))
