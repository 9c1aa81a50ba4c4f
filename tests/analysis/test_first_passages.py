"""First passages, running extremes and jumps of simulated paths against quadratures and closed forms.

A path is seen at the ends of steps: as if a barrier were 0.5826 s sqrt(h) farther away (Broadie, Glasserman, Kou 1997). The
closed forms are taken there, and where they are not, the difference has to be seen.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import zeta
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erf
from scipy.stats import norm
from sympy import Add, Symbol, sin

import dynamics as dy
from dynamics.analysis.noisy_paths import follow_paths
from dynamics.analysis.step_bias import Watch, watch_of
from dynamics.compiled.noise_steps import stepper_of

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


# ---- what steps miss is in the result ----------------------------------------------------------------------------------

def flow(name: str, drift: str, amplitude: str, events: dict[str, dy.Event], start: float = 0.0) -> dy.System:
    return dy.System(name=name, states={"x": start}, parameters={"a": 1}, equations={"x": drift},
                     noise={"dW": {"x": amplitude}}, events=events)


# first passages by closed form (reflection, reflection of the logarithm, scale function), and by quadrature of the
# transition operator with the exact step of an Ornstein-Uhlenbeck process
PRICE = flow("price", "-x/10", "2*x/5", {"loss": dy.Event("x - 0.6", terminal=True)}, 1.0)
GAP = flow("gap", "-x", "7/10", {"loss": dy.Event("x + 1", terminal=True)})
LOGARITHM = flow("logarithm", "-1/20", "3/10", {"loss": dy.Event("x + log(2)")})
BETWEEN = flow("between", "1/2", "1", {"up": dy.Event("x - 1", "rising", terminal=True),
                                       "down": dy.Event("x + 1", terminal=True)})
PASSAGES = [(PRICE, 1.0, (lowest(-math.log(0.6), -0.1 - 0.4**2 / 2, 0.4, 1),)), (GAP, 5.0, (0.366493844888,)),
            (LOGARITHM, 2.0, (lowest(math.log(2), -0.05, 0.3, 2),)),
            (BETWEEN, 20.0, (1 / (1 + math.exp(-1)), 1 / (1 + math.e)))]


@pytest.mark.parametrize("h", [0.01, 0.001])
@pytest.mark.parametrize(("system", "duration", "exact"), PASSAGES, ids=lambda item: getattr(item, "name", ""))
def test_intervals_of_probabilities_reach_the_truth_without_pauses(system: dy.System, duration: float,
                                                                   exact: tuple[float, ...], h: float) -> None:
    run = dy.simulate(system, duration, h, 40_000, seed=1)
    assert run.attrs["engine"] == "compiled"
    for probability, missed, truth in zip(run["event_probability"].values, run["step_bias_estimate"].values, exact,
                                          strict=True):
        estimate, low, high = probability
        spread = math.sqrt(truth * (1 - truth) / 40_000)
        assert low < truth < high
        assert abs(estimate - truth) > 1.5 * spread   # seen to be wrong at the ends of steps
        assert abs(estimate + missed - truth) < 4 * spread   # and by how much
    assert "which the intervals include" in run.attrs["message"]


def test_two_barriers_take_passages_from_each_other() -> None:
    """Watched with pauses the likelier one is seen too often: the bias is not always a lack."""
    missed = dy.simulate(BETWEEN, 20.0, 0.05, 20_000, seed=2)["step_bias_estimate"].values
    assert missed[0] < 0 < missed[1]
    assert missed.sum() == pytest.approx(0, abs=1e-3)   # every path passes one of them


def test_an_event_on_the_surface_that_ends_the_path_goes_with_it() -> None:
    """Written in another way its closer level lies elsewhere by a little, and is passed in the same step."""
    events = {"loss": dy.Event("x - 0.6", terminal=True), "same": dy.Event("log(x) - log(0.6)"),
              "sooner": dy.Event("x - 0.8")}
    run = dy.simulate(flow("price", "-x/10", "2*x/5", events, 1.0), 1.0, 0.01, 20_000, seed=1)
    exact = [lowest(-math.log(level), -0.1 - 0.4**2 / 2, 0.4, 1) for level in (0.6, 0.6, 0.8)]
    for truth, (_, low, high), missed in zip(exact, run["event_probability"].values, run["step_bias_estimate"].values,
                                             strict=True):
        assert low < truth < high
        assert 0.01 < missed < 0.04


def test_intervals_of_extremes_reach_the_truth_without_pauses() -> None:
    m, s, h = -0.3, 0.7, 0.01
    system = dy.System(name="falling", states={"x": 0.0, "area": 0.0}, parameters={"m": m, "s": s},
                       equations={"x": "m", "area": "x"}, noise={"dW": {"x": "s"}}, observables={"level": "exp(x)"},
                       events={"loss": dy.Event("x + 1/2")})
    run = dy.simulate(system, 1, h, 20_000, seed=4)
    for q in run["quantile"].values:
        at = run.sel(quantile=q)
        exact = brentq(lambda a, q=q: lowest(a, m, s, 1) - q, 1e-9, 6)   # P(min < -a) = q
        estimate, low, high = at["min_x_quantile"].values
        assert low < -exact < high
        assert estimate - (-exact) > 0.5 * FARTHER * s * math.sqrt(h) or q > 0.9
        # of a steady amplitude every path has the same: -zeta(1/2)/sqrt(2 pi) s sqrt(h)
        constant = -float(zeta(0.5)) / math.sqrt(2 * math.pi)
        assert float(at["min_x_step_bias_estimate"]) == pytest.approx(-constant * s * math.sqrt(h), rel=1e-9)
        _, low, high = at["min_level_quantile"].values
        assert low < math.exp(-exact) < high
        top = brentq(lambda a, q=q: 1 - lowest(a, -m, s, 1) - q, 1e-9, 6)
        _, low, high = at["max_x_quantile"].values
        assert low < top < high
        assert float(at["max_x_step_bias_estimate"]) > 0
    half = brentq(lambda t: lowest(0.5, m, s, t) - 0.25, 0.01, 1)
    _, low, high = run["first_passage_time_quantile"].sel(event="loss", quantile=0.25).values
    assert low < half < high
    assert float(run["first_passage_time_step_bias_estimate"].sel(event="loss", quantile=0.25)) < 0
    # what no noise moves directly is smooth: its extremes are missed by less
    assert (run["max_area_step_bias_estimate"] == 0).all()


def test_jumps_alone_are_seen_at_the_ends_of_steps_and_nothing_is_missed() -> None:
    system = dy.System(name="counts", states={"x": 1.0}, equations={"x": "0"}, jumps={"fall": dy.Jump("1", {"x": "x/2"})},
                       events={"loss": dy.Event("x - 0.3", terminal=True)})
    run = dy.simulate(system, 1, 0.01, 4000, seed=1)
    assert float(run["step_bias_estimate"][0]) == 0
    assert run.attrs["message"] == "all paths reached the end or a terminal event"
    _, low, high = run["event_probability"][0].values
    assert low < 1 - 2 * math.exp(-1) < high   # two jumps or more


def test_a_start_between_the_event_and_its_closer_one() -> None:
    """From 0.1 s sqrt(h) above the barrier nearly every path meets it, but few are seen to."""
    close = 0.1 * math.sqrt(0.01)
    system = flow("close", "0", "1", {"loss": dy.Event("x", terminal=True)}, close)
    probability, low, high = dy.simulate(system, 1, 0.01, 4000, seed=1)["event_probability"][0].values
    exact = 2 * norm.cdf(-close)
    assert probability < 0.97 < exact
    assert low < exact < high


def test_what_is_watched_beside_changes_no_path() -> None:
    system, start = GAP, np.zeros(1)
    stepper = stepper_of(system, "euler_maruyama", start)
    for engine in (None, "arrays"):
        with_it, without = (follow_paths(system, stepper, start, 0.01, 300, 500, 3, 5, engine, watch=watch)
                            for watch in (watch_of(system), None))
        for name in ("final", "largest", "smallest", "end_time", "status", "passage", "counts", "stored"):
            assert np.array_equal(getattr(with_it, name), getattr(without, name), equal_nan=True), name
        assert without.seen is None
    compiled, arrays = (follow_paths(system, stepper, start, 0.01, 300, 500, 3, 0, engine, watch=watch_of(system)).seen
                        for engine in (None, "arrays"))
    for name in ("largest", "smallest", "passage"):
        assert getattr(compiled, name) == pytest.approx(getattr(arrays, name), rel=1e-12, nan_ok=True)


def test_where_nothing_is_watched_beside_the_bias_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynamics.analysis.simulations.watch_of", lambda system: None)
    run = dy.simulate(GAP, 1, 0.01, 100)
    assert run["step_bias_estimate"].isnull().all()
    assert run.attrs["message"].endswith("what steps miss of events and extremes is not known")


def test_what_is_too_large_to_be_watched_beside_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynamics.analysis.noisy_paths.MOST_OPERATIONS", 60)
    large = Add(*(sin(Symbol("x") + k) for k in range(100)))
    watch = Watch((0,), (large,), (-large,), ())
    found = follow_paths(GAP, stepper_of(GAP, "euler_maruyama", np.zeros(1)), np.zeros(1), 0.01, 10, 20, 3, 0, watch=watch)
    assert (found.engine, found.seen) == ("compiled", None)


@pytest.mark.slow
def test_the_interval_holds_the_truth_for_nearly_every_seed() -> None:
    for system, duration, exact in PASSAGES[:3]:
        held = 0
        for seed in range(100):
            _, low, high = dy.simulate(system, duration, 0.01, 20_000, seed=seed)["event_probability"][0].values
            held += low < exact[0] < high
        assert held >= 93, system.name
