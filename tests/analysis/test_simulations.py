"""Simulated paths against closed forms: moments, strong orders, accounting, first passages, jumps; same numbers always."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

import dynamics as dy
from dynamics.analysis import noisy_paths
from dynamics.analysis.simulations import _probability, _ranks
from dynamics.compiled.functions import functions_of
from dynamics.compiled.noise_steps import NoiseStepper, stepper_of
from dynamics.compiled.random_streams import DIFFUSION, JUMPS, Streams, key_of, philox
from dynamics.errors import SpecificationError


def flow(equations: dict[str, str], **more) -> dy.System:
    return dy.System(name="test", time="continuous", equations=equations, **more)


def growth() -> dy.System:
    """Geometric Brownian motion beside its own Wiener process."""
    return flow({"x": "mu*x", "w": "0"}, states={"x": 1.0, "w": 0.0}, parameters={"mu": 0.1, "s": 0.5},
                noise={"news": {"x": "s*x", "w": "1"}}, observables={"logarithm": "log(x)"})


def falling(**more) -> dy.System:
    return flow({"x": "m"}, states={"x": 1.0}, parameters={"m": -0.5, "s": 0.8}, noise={"news": {"x": "s"}},
                events={"ruin": dy.Event("x", terminal=True)}, **more)


# ---- streams ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("counter", "key", "words"), [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
])
def test_known_answers_of_philox(counter: tuple, key: tuple, words: str) -> None:
    """The known-answer vectors of the Random123 distribution."""
    found = philox([np.array([word], np.uint64) for word in counter], key)
    assert " ".join(f"{int(word[0]):08x}" for word in found) == words


def test_known_answers_of_xoshiro() -> None:
    """Of the state 1, 2, 3, 4: the vector that implementations of xoshiro256++ test against."""
    stream = Streams((0, 0), np.zeros(1, np.int64), DIFFUSION)
    stream.state = [np.array([word], np.uint64) for word in (1, 2, 3, 4)]
    assert [int(stream.bits()[0]) for _ in range(6)] == [
        41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205, 9973669472204895162]


def test_numbers_belong_to_path_and_place() -> None:
    key, paths = key_of(7), np.arange(50)
    whole, some = (Streams(key, p, DIFFUSION) for p in (paths, np.array([33, 4])))
    numbers, first = whole.normals(64), some.normals(20)
    assert np.array_equal(first, numbers[:20, [33, 4]])
    some.keep(np.array([False, True]))
    assert np.array_equal(some.normals(44), numbers[20:, [4]])
    assert not np.array_equal(Streams(key_of(8), paths, DIFFUSION).normals(64), numbers)
    starts = {tuple(int(w) for w in words) for k in (key, key_of(8)) for use in (DIFFUSION, JUMPS)
              for words in zip(*Streams(k, paths, use).state, strict=True)}
    assert len(starts) == 200


def test_normals_are_normal_and_independent() -> None:
    z = Streams(key_of(0), np.arange(1000), DIFFUSION).normals(400)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((z**power).mean() - moment) < 4 * math.sqrt(spread / z.size), power
    for a, b in ((z[:-1], z[1:]), (z[0::2], z[1::2]), (z[:-2], z[2:]), (z[:, :-1], z[:, 1:]), (z[:, :500], z[:, 500:])):
        assert abs((a * b).mean()) < 4 / math.sqrt(a.size)
        assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 4 * 2 / math.sqrt(a.size)
    ordered = np.sort(z.ravel())
    distance = np.max(np.abs(norm.cdf(ordered) - (np.arange(z.size) + 0.5) / z.size))
    assert distance < 1.63 / math.sqrt(z.size)  # Kolmogorov and Smirnov, 1 %
    # the two numbers of a pair: every direction alike, and the size has nothing to do with it
    angle, size = np.arctan2(z[1::2], z[0::2]).ravel(), np.exp(-(z[0::2] ** 2 + z[1::2] ** 2) / 2).ravel()
    counts, _, _ = np.histogram2d(angle, size, bins=(16, 8), range=((-np.pi, np.pi), (0, 1)))
    assert chi2.sf(((counts - angle.size / 128) ** 2).sum() / (angle.size / 128), 127) > 0.001
    # far out: as many as there should be
    expected = 2 * norm.sf(4) * z.size
    assert abs(np.sum(np.abs(z) > 4) - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("place", [0, 26, 56])
def test_bits_are_even_along_and_across_paths(place: int) -> None:
    streams = Streams(key_of(1), np.arange(500), DIFFUSION)
    bits = np.array([(streams.bits() >> np.uint64(place)) & np.uint64(255) for _ in range(300)]).astype(int)
    for a, b in ((bits[0::2], bits[1::2]), (bits[:, 0::2], bits[:, 1::2])):
        counts = np.bincount((a // 8 * 32 + b // 8).ravel(), minlength=1024)
        expected = a.size / 1024
        assert 0.001 < chi2.sf(((counts - expected) ** 2).sum() / expected, 1023) < 0.999


@pytest.mark.parametrize("size", [13, 37, 5000])
def test_same_numbers_for_any_chunk(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    system = falling(jumps={"fall": dy.Jump("0.5", {"x": "x - 0.1*exp(-x)"})}, observables={"y": "exp(-x)"})
    expected = dy.simulate(system, 1, 0.05, 90, seed=5, stored_paths=40)
    monkeypatch.setattr(noisy_paths, "PATHS_PER_CHUNK", size)
    monkeypatch.setattr(noisy_paths, "STEPS_PER_BLOCK", 10)
    found = dy.simulate(system, 1, 0.05, 90, seed=5, stored_paths=40)
    for name in expected.data_vars:
        assert np.array_equal(found[name].values, expected[name].values, equal_nan=True), name


def test_same_numbers_for_any_number_of_threads() -> None:
    one, three = (dy.simulate(falling(), 1, 0.05, 5000, seed=2, threads=n) for n in (1, 3))
    assert one.attrs["engine"] == three.attrs["engine"]
    for name in one.data_vars:
        assert np.array_equal(one[name].values, three[name].values, equal_nan=True), name


def test_more_paths_begin_with_the_same_ones() -> None:
    few, many = (dy.simulate(growth(), 1, 0.05, n, seed=2)["final_x"].values for n in (30, 300))
    assert np.array_equal(few, many[:30])


# ---- moments and orders -----------------------------------------------------------------------------------------------

def test_stationary_moments_of_a_mean_reverting_gap() -> None:
    k, s, h, paths = 2.0, 0.5, 0.02, 20000
    system = flow({"x": "-k*x"}, states={"x": 1.0}, parameters={"k": k, "s": s}, noise={"news": {"x": "s"}})
    x = dy.simulate(system, 1, h, paths, seed=1)["final_x"].values
    a = 1 - k * h  # the scheme is an autoregression, so its moments are known for this very step
    mean, variance = a**50, s**2 * h * (1 - a**100) / (1 - a**2)
    assert abs(x.mean() - mean) < 4 * math.sqrt(variance / paths)
    assert abs(x.var() - variance) < 4 * variance * math.sqrt(2 / paths)
    assert abs(variance - s**2 * (1 - math.exp(-4)) / 4) < 0.03 * variance  # and close to those of the equation


def test_moments_of_geometric_brownian_motion() -> None:
    run = dy.simulate(growth(), 1, 1 / 64, 20000, seed=4, method="milstein")
    x, y = run["final_x"].values, run["final_logarithm"].values
    assert abs(x.mean() - math.exp(0.1)) < 4 * x.std() / math.sqrt(20000)
    assert abs(y.mean() - (0.1 - 0.125)) < 4 * 0.5 / math.sqrt(20000) + 0.002
    assert abs(y.std() - 0.5) < 0.012


@pytest.mark.parametrize(("method", "order"), [("euler_maruyama", 0.5), ("milstein", 1.0), ("stochastic_runge_kutta", 1.5)])
def test_strong_order_on_geometric_brownian_motion(method: str, order: float) -> None:
    errors = []
    for steps in (16, 64, 256):
        run = dy.simulate(growth(), 1, 1 / steps, 2000, seed=3, method=method)
        exact = np.exp(0.1 - 0.125 + 0.5 * run["final_w"].values)
        errors.append(math.sqrt(np.mean((run["final_x"].values - exact) ** 2)))
    orders = np.log(np.array(errors[:-1]) / errors[1:]) / math.log(4)
    assert np.all(np.abs(orders - order) < 0.12), orders


SOLVED = {  # one source, exactly solved in its Wiener process w: equation, amplitude, solution
    "amplitude of time": ("1/2/sqrt(1 + time) - x/(2*(1 + time))", "1/5/sqrt(1 + time)",
                          lambda w: (0.3 + 0.5 * (1 + 0.4 * w)) / math.sqrt(2)),
    "amplitude of state": ("x/2 + sqrt(x**2 + 1)", "sqrt(x**2 + 1)", lambda w: np.sinh(1 + w + math.asinh(0.3))),
    "bounded": ("-sin(x)*cos(x)**3", "cos(x)**2", lambda w: np.arctan(w + math.tan(0.3))),
}


@pytest.mark.parametrize("name", SOLVED)
def test_runge_kutta_has_strong_order_one_and_a_half(name: str) -> None:
    drift, amplitude, solution = SOLVED[name]
    system = flow({"x": drift, "w": "0"}, states={"x": 0.3, "w": 0.0}, noise={"news": {"x": amplitude, "w": "1"}})
    errors = []
    for steps in (16, 64, 256):
        run = dy.simulate(system, 1, 1 / steps, 2000, seed=12, method="stochastic_runge_kutta")
        errors.append(math.sqrt(np.mean((run["final_x"].values - solution(run["final_w"].values)) ** 2)))
    orders = np.log(np.array(errors[:-1]) / errors[1:]) / math.log(4)
    assert np.all(orders > 1.4), orders
    assert orders[-1] < 2.2, orders


def refined(stepper: NoiseStepper, start: np.ndarray, fine: np.ndarray, group: int, duration: float) -> np.ndarray:
    """End of the paths for the increments of a fine step, put together in groups; rows: sources, then second numbers."""
    steps, draws, paths = fine.shape
    h = duration / steps
    w, other = fine.reshape(steps, 2, draws // 2, paths).transpose(1, 0, 2, 3)
    area = h / 2 * (w + other / math.sqrt(3))  # integral over the step of what the process has gained in it
    w, area = (a.reshape(steps // group, group, *a.shape[1:]) for a in (w, area))
    gained = np.cumsum(w, axis=1) - w
    long = group * h
    whole, area = w.sum(axis=1), (area + h * gained).sum(axis=1)
    increments = np.concatenate([whole, (2 * area / long - whole) * math.sqrt(3)], axis=1)
    y = np.repeat(start[:, None], paths, axis=1)
    for k, row in enumerate(increments):
        y = stepper.diffuse(k * long, y, row, long)
    return y


@pytest.mark.parametrize("noise", [{"one": {"x": "1/2"}}, {"one": {"x": "x/2"}, "two": {"y": "y/3"}, "three": {"v": "1/4"}}])
def test_runge_kutta_converges_where_the_second_integral_matters(noise: dict) -> None:
    """The velocity is not a function of w(1): only a method with the right joint law of both numbers has order 1.5."""
    system = flow({"x": "v - x", "v": "-sin(x) - v/2 - y", "y": "x - y"}, states={"x": 0.5, "v": 0.3, "y": 1.0}, noise=noise)
    start = functions_of(system).initial_state(system)
    stepper = stepper_of(system, "stochastic_runge_kutta", start)
    fine = np.random.default_rng(3).standard_normal((1024, stepper.equation.draws, 1000)) / 32
    exact = refined(stepper, start, fine, 1, 1.0)
    errors = [math.sqrt(np.mean((refined(stepper, start, fine, group, 1.0) - exact) ** 2)) for group in (128, 32)]
    assert 1.35 < math.log(errors[0] / errors[1]) / math.log(4) < 2.2, errors
    euler = stepper_of(system, "euler_maruyama", start)
    y = np.repeat(start[:, None], 1000, axis=1)
    for k in range(1024):
        y = euler.diffuse(k / 1024, y, fine[k, :len(noise)], 1 / 1024)
    assert math.sqrt(np.mean((y - exact) ** 2)) < 0.01  # the same equation


def test_runge_kutta_keeps_the_moments_of_a_mean_reverting_gap() -> None:
    k, s, paths = 2.0, 0.5, 20000
    system = flow({"x": "-k*x"}, states={"x": 1.0}, parameters={"k": k, "s": s}, noise={"news": {"x": "s"}})
    x = dy.simulate(system, 1, 0.05, paths, seed=1, method="stochastic_runge_kutta")["final_x"].values
    mean, variance = math.exp(-k), s**2 * (1 - math.exp(-2 * k)) / (2 * k)
    assert abs(x.mean() - mean) < 4 * math.sqrt(variance / paths) + 2e-4  # what the deterministic order leaves
    assert abs(x.var() - variance) < 4 * variance * math.sqrt(2 / paths)


def test_runge_kutta_refuses_sources_that_act_on_one_another() -> None:
    commuting = flow({"x": "0", "y": "0"}, states={"x": 1.0, "y": 0.0}, noise={"one": {"x": "x/2"}, "two": {"x": "x/3"}})
    with pytest.raises(SpecificationError, match=r"'two' moves x, on which the amplitude of 'one' depends.*milstein"):
        dy.simulate(commuting, 1, 0.1, 10, method="stochastic_runge_kutta")
    additive = flow({"x": "-x", "y": "-y"}, states={"x": 1.0, "y": 0.0},
                    noise={"one": {"x": "1/2"}, "two": {"x": "1", "y": "2"}})
    assert dy.simulate(additive, 1, 0.1, 10, method="stochastic_runge_kutta").attrs["method"] == "stochastic_runge_kutta"


def test_milstein_with_two_commuting_sources_has_order_one() -> None:
    system = flow({"x": "0", "v": "0", "w": "0"}, states={"x": 1.0, "v": 0.0, "w": 0.0}, parameters={"a": 0.5, "b": 0.3},
                  noise={"one": {"x": "a*x", "v": "1"}, "two": {"x": "b*x", "w": "1"}})
    errors = []
    for steps in (16, 64):
        run = dy.simulate(system, 1, 1 / steps, 2000, seed=6, method="milstein")
        exact = np.exp(-(0.25 + 0.09) / 2 + 0.5 * run["final_v"].values + 0.3 * run["final_w"].values)
        errors.append(math.sqrt(np.mean((run["final_x"].values - exact) ** 2)))
    assert abs(math.log(errors[0] / errors[1]) / math.log(4) - 1) < 0.12
    assert abs(np.corrcoef(run["final_v"], run["final_w"])[0, 1]) < 4 / math.sqrt(2000)


def test_milstein_refuses_sources_that_do_not_commute() -> None:
    system = flow({"x": "0", "y": "0"}, states={"x": 0.0, "y": 0.0}, parameters={"a": 1.0},
                  noise={"one": {"x": "a"}, "two": {"y": "x"}})
    with pytest.raises(SpecificationError, match=r"'one' and 'two'.*do not commute"):
        dy.simulate(system, 1, 0.1, 10, method="milstein")
    assert dy.simulate(system, 1, 0.1, 10)["final_y"].size == 10


# ---- the core model ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("method", "order"), [("euler_maruyama", 0.5), ("milstein", 1.0)])
def test_accounting_without_trading_holds_on_every_path(method: str, order: float) -> None:
    """With Ito's term and no flow, u = 1 - (1 - u0) exp(-x) whatever the price does; the error falls with the step."""
    core = dy.models.load("deleveraging").with_parameters(adjustment=0, liquidation_rate=0)
    equations = {**core.equations,
                 "equity_ratio": f"{core.equations['equity_ratio']} - (1 - equity_ratio)*volatility**2/2"}
    noisy = dataclasses.replace(core, parameters={**core.parameters, "volatility": dy.Parameter(0.3, unit="1/day**(1/2)")},
                                equations=equations, events={}, noise={"news": {
                                    "price_gap": "volatility", "equity_ratio": "(1 - equity_ratio)*volatility"}})
    errors = []
    for steps in (32, 128, 512):
        run = dy.simulate(noisy, 1, 1 / steps, 500, seed=9, method=method, initial_state={"equity_ratio": 0.3})
        exact = 1 - 0.7 * np.exp(-run["final_price_gap"].values)
        errors.append(math.sqrt(np.mean((run["final_equity_ratio"].values - exact) ** 2)))
    orders = np.log(np.array(errors[:-1]) / errors[1:]) / math.log(4)
    assert np.all(np.abs(orders - order) < 0.15), orders
    assert errors[-1] < 0.01


# ---- events and extremes ----------------------------------------------------------------------------------------------

def ruin_probability(a: float, m: float, s: float, t: float) -> float:
    """P(a + m t + s W reaches 0 before t)."""
    scale = s * math.sqrt(t)
    return float(norm.cdf((-a - m * t) / scale) + math.exp(-2 * m * a / s**2) * norm.cdf((-a + m * t) / scale))


def test_first_passage_of_drifted_brownian_motion() -> None:
    paths, h = 20000, 0.01
    run = dy.simulate(falling(), 1, h, paths, seed=11)
    probability, low, high = run["event_probability"].values[0]
    # passages inside steps are missed: as if the barrier were 0.5826 s sqrt(h) farther away
    farther = ruin_probability(1 + 0.5826 * 0.8 * math.sqrt(h), -0.5, 0.8, 1)
    spread = math.sqrt(farther * (1 - farther) / paths)
    assert abs(probability - farther) < 4 * spread
    assert ruin_probability(1, -0.5, 0.8, 1) - probability > 4 * spread  # without the correction it is seen to be wrong
    assert low < probability < high
    assert probability - low == pytest.approx(1.96 * spread, rel=0.05)
    # so the result says by how much, and its interval reaches beyond the truth
    exact, missed = ruin_probability(1, -0.5, 0.8, 1), float(run["step_bias_estimate"][0])
    assert missed == pytest.approx(exact - farther, abs=4 * spread)
    assert exact < high == pytest.approx(probability + missed + 1.96 * spread, abs=0.1 * spread)
    passed = run["first_passage_time"].values[0]
    half = ruin_probability(1 + 0.5826 * 0.8 * math.sqrt(h), -0.5, 0.8, 0.5)
    assert abs(np.mean(passed < 0.5) - half) < 4 * math.sqrt(half * (1 - half) / paths) + 0.003
    ended = np.isfinite(passed)
    assert np.array_equal(run["end_time"].values[ended], passed[ended])
    assert np.allclose(run["final_x"].values[ended], 0, atol=1e-12)
    assert set(np.unique(run["status"])) == {0, 1}
    assert np.isinf(run["first_passage_time_quantile"].sel(quantile=0.5, bound="estimate")).all()


def test_extremes_and_passages_are_those_of_the_stored_paths() -> None:
    system = flow({"x": "-x"}, states={"x": 0.3}, parameters={"s": 1.0}, noise={"news": {"x": "s"}},
                  events={"down": dy.Event("x"), "up": dy.Event("x", direction="rising")}, observables={"square": "x**2"})
    run = dy.simulate(system, 2, 0.01, 30, seed=1, stored_paths=30)
    x = run["x"].values
    assert x.shape == (30, 201)
    assert np.array_equal(run["max_x"], x.max(axis=1))
    assert np.array_equal(run["min_square"], (x**2).min(axis=1))
    assert np.array_equal(run["final_x"], x[:, -1])
    falls = (x[:, :-1] > 0) & (x[:, 1:] <= 0)
    assert np.array_equal(run["passage_count"].sel(event="down"), falls.sum(axis=1))
    path = int(np.flatnonzero(falls.any(axis=1))[0])
    k = int(np.argmax(falls[path]))
    exact = (k + x[path, k] / (x[path, k] - x[path, k + 1])) * 0.01
    assert float(run["first_passage_time"].sel(event="down")[path]) == pytest.approx(exact, rel=1e-12)


def test_events_that_assign_reset_the_path() -> None:
    system = flow({"x": "0", "n": "0"}, states={"x": 0.1, "n": 0.0}, parameters={"s": 0.5}, noise={"news": {"x": "s"}},
                  events={"floor": dy.Event("x", assign={"x": "0.1", "n": "n + 1"})})
    run = dy.simulate(system, 2, 0.01, 200, seed=1)
    assert np.array_equal(run["final_n"], run["passage_count"].sel(event="floor"))
    assert float(run["min_x"].min()) > 0
    assert float(run["final_n"].max()) > 3


# ---- jumps ------------------------------------------------------------------------------------------------------------

def test_poisson_jumps() -> None:
    system = flow({"x": "0", "n": "0"}, states={"x": 1.0, "n": 0.0}, parameters={"rate": 3.0},
                  jumps={"fall": dy.Jump("rate", {"x": "9*x/10", "n": "n + 1"})})
    run = dy.simulate(system, 2, 0.1, 20000, seed=2)
    x, n = run["final_x"].values, run["final_n"].values
    assert abs(n.mean() - 6) < 4 * math.sqrt(6 / 20000)
    assert abs(n.var() - 6) < 4 * math.sqrt((6 + 2 * 36) / 20000)
    assert np.allclose(x, 0.9**n, rtol=1e-12)
    assert abs(x.mean() - math.exp(-6 * 0.1)) < 4 * x.std() / math.sqrt(20000)


def test_impossible_rates_make_a_path_invalid() -> None:
    system = flow({"x": "-1"}, states={"x": 0.5}, parameters={"a": 1.0}, jumps={"fall": dy.Jump("x", {"x": "x"})})
    run = dy.simulate(system, 1, 0.01, 20)
    assert set(run["status"].values) == {4}
    assert run.attrs["message"].startswith("20 of 20 paths became invalid")
    assert np.all(np.abs(run["final_x"]) < 0.02)
    assert np.isnan(run["final_x_quantile"]).all()


# ---- quantiles --------------------------------------------------------------------------------------------------------

def test_intervals_of_quantiles_cover_the_true_ones() -> None:
    rng, levels, repeats = np.random.default_rng(0), np.array([0.05, 0.5, 0.9]), 2000
    ranks = _ranks(200, levels)
    samples = np.sort(rng.random((repeats, 200)), axis=1)
    for level, (estimate, low, high) in zip(levels, ranks, strict=True):
        covered = np.mean((samples[:, low - 1] <= level) & (level < samples[:, high - 1]))
        assert 0.94 < covered < 0.985
        assert low <= estimate <= high
    assert _ranks(20, np.array([0.01]))[0, 1] == 0  # too few for a lower end
    assert _ranks(20, np.array([0.99]))[0, 2] == 21


def test_intervals_of_probabilities() -> None:
    # the ends solve P(at least 3 of 10) = 0.025 and P(at most 3 of 10) = 0.025
    share, low, high = _probability(3, 10)
    assert share == 0.3
    for p, above in ((low, False), (high, True)):
        tail = sum(math.comb(10, k) * p**k * (1 - p) ** (10 - k) for k in (range(4) if above else range(3, 11)))
        assert tail == pytest.approx(0.025, rel=1e-9)
    assert _probability(0, 10)[1] == 0.0
    assert _probability(10, 10)[2] == 1.0


# ---- results and refusals ---------------------------------------------------------------------------------------------

def test_provenance_and_file(tmp_path) -> None:
    run = dy.simulate(falling(), 1, 0.03, 50, seed=3, parameters={"m": 0.25}, stored_paths=2)
    assert run.attrs["seed"] == 3
    assert run.attrs["parameters"]["m"] == 0.25
    assert run.attrs["steps"] == 34
    assert run.attrs["time_step"] == pytest.approx(1 / 34)
    assert float(run["time"][-1]) == pytest.approx(1)
    dy.save(run, tmp_path / "run.nc")
    again = dy.open(tmp_path / "run.nc")
    assert np.array_equal(again["final_x"].values, run["final_x"].values)
    assert again.attrs["seed"] == 3


@pytest.mark.parametrize(("change", "message"), [
    ({"paths": 0}, "paths must be a whole number"), ({"paths": 2.5}, "paths must be"), ({"seed": -1}, "seed must be"),
    ({"time_step": 0}, "time_step must be a positive"), ({"duration": math.inf}, "duration must be"),
    ({"stored_paths": 11}, "stored_paths must be"), ({"quantiles": (0.5, 1.0)}, "between 0 and 1"),
    ({"quantiles": ("a",)}, "between 0 and 1"), ({"method": "milstien"}, "milstein"), ({"time_step": 1e-12}, "too many"),
    ({"initial_state": {"z": 1}}, "not a state"), ({"threads": 0}, "threads must be"),
])
def test_refusals(change: dict, message: str) -> None:
    arguments = {"duration": 1, "time_step": 0.1, "paths": 10, **change}
    with pytest.raises(SpecificationError, match=message):
        dy.simulate(falling(), **arguments)


def test_systems_that_cannot_be_simulated() -> None:
    quiet = flow({"x": "-x"}, states={"x": 1.0})
    with pytest.raises(SpecificationError, match="neither noise nor jumps"):
        dy.simulate(quiet, 1, 0.1, 10)
    with pytest.raises(SpecificationError, match="use iterate"):
        dy.simulate(dy.System(name="m", time="discrete", states={"x": 0.1}, equations={"x": "x"}), 1, 0.1, 10)
    with pytest.raises(SpecificationError, match="needs a System"):
        dy.simulate("fold", 1, 0.1, 10)
    indexed = dy.System(name="banks", time="continuous", indices={"bank": 2}, states={"x": dy.State(1.0, over=("bank",))},
                        equations={"x": "-x"}, noise={"news": {"x": "1"}})
    with pytest.raises(SpecificationError, match=r"system\.expand"):
        dy.simulate(indexed, 1, 0.1, 10)
    assert dy.simulate(indexed.expand(), 1, 0.1, 10).sizes["path"] == 10
