"""Compiled paths against the array engine: same numbers, same events, whatever the width of the vectors."""

from __future__ import annotations

import dataclasses

import mpmath
import numpy as np
import pytest
from scipy.stats import kstest, norm
from sympy import Symbol

import dynamics as dy
from dynamics.analysis import noisy_paths
from dynamics.analysis.noisy_paths import NoisyPaths, follow_paths
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels import noise, path_code
from dynamics.compiled.kernels.ir import POINTER, Module
from dynamics.compiled.kernels.jit import ADDRESS, available, compile_kernel
from dynamics.compiled.kernels.trigonometry import sin_cos_of_turns
from dynamics.compiled.noise_equations import METHODS
from dynamics.compiled.noise_steps import stepper_of

pytestmark = pytest.mark.skipif(not available(), reason="llvmlite is not installed")
FIELDS = ("final", "largest", "smallest", "end_time", "status", "passage", "counts")


def flow(**more) -> dy.System:
    return dy.System(name="test", time="continuous", **more)


SYSTEMS = {
    "two sources": flow(states={"x": 1.0, "y": 0.2}, parameters={"a": 0.3, "b": 0.2, "c": 0.4},
                        equations={"x": "-a*x + sin(time)", "y": "x - y"},
                        noise={"one": {"x": "b*x"}, "two": {"x": "c*x", "y": "0.1*y"}, "three": {"y": "b*y"}},
                        observables={"ratio": "exp(x)/(1 + y**2)", "logarithm": "log(y)"}),
    "terminal": flow(states={"x": 1.0}, parameters={"m": -0.5, "s": 0.8}, equations={"x": "m"}, noise={"news": {"x": "s"}},
                     events={"ruin": dy.Event("x", terminal=True), "both": dy.Event("x - 1", direction="both"),
                             "up": dy.Event("x - 1.5", direction="rising")}, observables={"square": "x**2"}),
    "separate": flow(states={"x": 1.0, "y": 0.2, "z": 0.0}, parameters={"a": 0.3, "b": 0.2},
                     equations={"x": "-a*x + sin(time)*y", "y": "x - y", "z": "x*y - z"},
                     noise={"one": {"x": "b*x"}, "two": {"y": "a*cos(y) + time/4"}, "three": {"z": "a"}},
                     observables={"moment": "x + time", "price": "exp(-x)", "cube": "z**3 + z", "square": "y**2"}),
    "jumps": flow(states={"x": 1.0, "n": 0.0}, parameters={"k": 0.5, "rate": 150.0}, equations={"x": "-k*x", "n": "0"},
                  noise={"news": {"x": "k*x"}}, jumps={"often": dy.Jump("rate", {"x": "x*(1 - k/100)", "n": "n + x"}),
                                                       "seldom": dy.Jump("2*max(0, x)", {"x": "x - k*n/200"})},
                  observables={"price": "exp(-x) + time"}, events={"low": dy.Event("x - 1/3", terminal=True)}),
    "only jumps": flow(states={"x": 0.6}, parameters={"k": 1.0}, equations={"x": "-1"},
                       jumps={"fall": dy.Jump("k*x", {"x": "x - 1/100"})}),
    "resets": flow(states={"x": 0.1, "n": 0.0}, parameters={"s": 0.5, "top": 0.3}, equations={"x": "0", "n": "0"},
                   noise={"news": {"x": "s"}}, observables={"twice": "2*x"},
                   events={"floor": dy.Event("x", assign={"x": "top/3", "n": "n + 1"}),
                           "lid": dy.Event("x - top", "rising", assign={"x": "top - n/100"}),
                           "end": dy.Event("x*n - 1", "rising", terminal=True, assign={"n": "n + 100"})}),
    "explosion": flow(states={"x": 1.0}, parameters={"s": 0.3}, equations={"x": "x**4"}, noise={"news": {"x": "s"}}),
}


def paths_of(system: dy.System, engine: str | None, *, steps: int = 101, paths: int = 203, method: str = "euler_maruyama",
             stored: int = 0) -> NoisyPaths:
    start = functions_of(system).initial_state(system)
    return follow_paths(system, stepper_of(system, method, start), start, 0.01, steps, paths, 5, stored, engine)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_agrees_with_arrays(name: str, method: str) -> None:
    if name == "two sources" and method == "stochastic_runge_kutta":
        pytest.skip("its sources act on one another")
    arrays, compiled = (paths_of(SYSTEMS[name], engine, method=method) for engine in ("arrays", None))
    assert (arrays.engine, compiled.engine) == ("arrays", "compiled")
    assert np.array_equal(arrays.status, compiled.status)
    assert np.array_equal(arrays.counts, compiled.counts)
    # where the path explodes rounding grows with it
    good = (arrays.status != 4) | (name != "explosion")
    for field in FIELDS:
        a, b = (np.atleast_2d(getattr(r, field))[:, good] for r in (arrays, compiled))
        assert np.allclose(a, b, rtol=1e-9, atol=1e-11, equal_nan=True), field
    if name == "terminal":
        assert 0 < (arrays.status == 1).sum() < 203
    if name == "jumps":
        assert arrays.counts.sum() > 3
        assert arrays.final[1].max() > 100
    if name == "only jumps":
        assert set(compiled.status[compiled.final[0] < 0.02]) == {4}
    if name == "resets":
        assert (arrays.counts.sum(axis=1) > 5).all()
    if name == "explosion":
        assert (arrays.status == 4).sum() > 10
        assert np.array_equal(arrays.end_time, compiled.end_time)


@pytest.mark.parametrize("method", METHODS)
def test_the_core_with_news_and_other_mechanisms(method: str) -> None:
    # without leverage, which is one over what rounding leaves of the equity ratio at insolvency
    core = dataclasses.replace(dy.models.load("deleveraging"), observables={})
    system = dy.compose(core, "sentiment", "order_backlog", ("news", {"jumps": True})).with_parameters(
        news_volatility=0.1, jump_rate=2.0, jump_size=0.03)
    arrays, compiled = (paths_of(system, engine, method=method, steps=300) for engine in ("arrays", None))
    assert compiled.engine == "compiled"
    assert 0 < (arrays.status == 1).sum() < 203
    for field in FIELDS:
        assert np.allclose(getattr(arrays, field), getattr(compiled, field), rtol=1e-8, atol=1e-10, equal_nan=True), field


@pytest.mark.parametrize(("name", "method"), [("terminal", "euler_maruyama"), ("separate", "stochastic_runge_kutta")])
def test_same_bits_for_any_width_threads_and_company(name: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system, whole = SYSTEMS[name], noise.compiled_paths
    expected = paths_of(system, None, method=method)
    monkeypatch.setattr(noise, "SHARE", 64)
    for threads, width in ((1, 2), (3, 8)):
        monkeypatch.setattr(noise, "compiled_paths", lambda *arguments, t=threads, w=width: whole(
            *arguments[:8], threads=t, width=w))
        found = paths_of(system, None, method=method)
        for field in FIELDS:
            assert np.array_equal(getattr(found, field), getattr(expected, field), equal_nan=True), field
    few = paths_of(system, None, paths=31, method=method)
    for field in FIELDS:
        assert np.array_equal(getattr(few, field), getattr(expected, field)[..., :31], equal_nan=True), field


@pytest.mark.parametrize(("name", "method"), [("two sources", "milstein"), ("jumps", "stochastic_runge_kutta")])
def test_same_bits_where_a_large_step_is_written_once(name: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = paths_of(SYSTEMS[name], None, method=method)
    monkeypatch.setattr(path_code, "LARGEST_UNROLLED", 0)
    noise._compiled.cache_clear()
    found = paths_of(SYSTEMS[name], None, method=method)
    noise._compiled.cache_clear()
    for field in FIELDS:
        assert np.array_equal(getattr(found, field), getattr(expected, field), equal_nan=True), field


def test_a_quarter_of_a_million_compiled_numbers_are_normal() -> None:
    paths = 2**18
    system = flow(states={"x": 0.0, "y": 0.0}, equations={"x": "0", "y": "0"}, noise={"one": {"x": "1"}, "two": {"y": "1"}})
    x, y = 10 * paths_of(system, None, steps=1, paths=paths).final  # a step of 0.01
    for z in (x, y):
        assert kstest(z, "norm").pvalue > 1e-4
        for far in (2.0, 3.0, 4.0):
            expected = 2 * norm.sf(far) * paths
            assert abs((np.abs(z) > far).sum() - expected) < 4 * np.sqrt(expected)
    for a, b in ((x, y), (x[1:], x[:-1]), (x[16:], x[:-16]), (x**2, y**2), (np.abs(x), np.abs(np.roll(x, 1)))):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(paths)


@pytest.mark.parametrize(("text", "direction"), [
    ("exp(x)", 1), ("1 - 2*x", -1), ("x**3 + x", 1), ("-exp(2*x - 3)", -1), ("exp(-x)/a", None), ("x**2", None),
    ("1/x", None), ("exp(x) + y", None), ("exp(x) + time", None), ("x if x < 0 else x - 5", None), ("a", None),
    ("max(x, 0)", None)])
def test_directions_of_observables(text: str, direction: int | None) -> None:
    system = flow(states={"x": 1.0, "y": 0.0}, parameters={"a": 1.0}, equations={"x": "0", "y": "0"},
                  observables={"o": text})
    expression = system.resolve(system._parsed.observables["o"])
    assert path_code.direction_of(expression, [Symbol(n) for n in system.states]) == direction


def test_stored_paths_take_arrays_and_the_rest_does_not() -> None:
    expected, found = paths_of(SYSTEMS["terminal"], None), paths_of(SYSTEMS["terminal"], None, stored=20)
    assert found.engine == "compiled"
    assert np.array_equal(found.final[:, 20:], expected.final[:, 20:])
    assert np.allclose(found.final, expected.final, rtol=1e-11, atol=1e-13)
    assert np.isfinite(found.stored[:, :, 0]).all()


def test_arrays_take_over_where_code_would_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noisy_paths, "MOST_OPERATIONS", 1)
    assert paths_of(SYSTEMS["terminal"], None, steps=2).engine == "arrays"


def test_sines_and_cosines_of_turns() -> None:
    module = Module(4)
    build = module.function("turn", {"x": POINTER, "sine": POINTER, "cosine": POINTER})
    for name, value in zip(("sine", "cosine"), sin_cos_of_turns(build, build.load(build.argument("x"))), strict=True):
        build.store(build.argument(name), value)
    build.finish()
    turn = compile_kernel(module.text()).function("turn", [ADDRESS] * 3)
    eighths = np.arange(1, 8) / 8
    turns = np.concatenate([eighths, np.nextafter(eighths, 0), np.nextafter(eighths, 1), [2.0**-53, 1 - 2.0**-53, 1e-9],
                            np.random.default_rng(0).random(976)]).reshape(-1, 4)
    found = np.empty((2, *turns.shape))
    for place, four in enumerate(turns):
        turn(four.ctypes.data, found[0, place].ctypes.data, found[1, place].ctypes.data)
    with mpmath.workdps(40):
        for values, function in zip(found, (mpmath.sinpi, mpmath.cospi), strict=True):
            exact = [function(2 * mpmath.mpf(float(x))) for x in turns.ravel()]
            errors = [abs(mpmath.mpf(float(v)) - e) / np.spacing(abs(float(e)) or 1e-30) for v, e in
                      zip(values.ravel(), exact, strict=True)]
            assert max(errors) <= 2
