"""What may stand for a number, a whole number, a name, a list, a mapping; the edges of each."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import arguments
from dynamics.errors import SpecificationError


@pytest.mark.parametrize(("check", "good"), [
    (lambda value: arguments.number(value, "it", 0), [0, 2.5, np.float32(2), np.int8(3), np.array(1.0)]),
    (lambda value: arguments.positive(value, "it"), [5e-324, 1, 1e308]),
    (lambda value: arguments.between(value, "it", 0, 1), [5e-324, 1]),
    (lambda value: arguments.share(value, "it"), [5e-324, 1 - 1e-16]),
    (lambda value: arguments.whole(value, "it", 2, 5), [2, 5, np.int64(3)]),
    (lambda value: arguments.flag(value, "it"), [True, 0, np.bool_(True)]),
    (lambda value: arguments.numbers(value, "it"), [[1], (1.0, 2), range(3), np.array([1, 2])]),
    (lambda value: arguments.pair(value, "it"), [(0, 1), np.array([-1.0, 1.0])]),
    (lambda value: arguments.names(value, "it"), ["a", ["a", "b"], ()]),
    (lambda value: arguments.mapping(value, "it"), [None, {}, {"a": object()}]),
])
def test_what_is_taken(check, good):
    for value in good:
        check(value)


@pytest.mark.parametrize(("check", "bad"), [
    (lambda value: arguments.number(value, "it", 0), [-5e-324, np.nan, np.inf, "1", True, None, [1.0], 10**400, 10**5000]),
    (lambda value: arguments.positive(value, "it"), [0, -0.0, np.inf, 1j, np.array([1.0])]),
    (lambda value: arguments.between(value, "it", 0, 1), [0, 1 + 1e-15, b"1"]),
    (lambda value: arguments.share(value, "it"), [0, 1]),
    (lambda value: arguments.whole(value, "it", 2, 5), [1, 6, 3.0, True, "3", 10**5000]),
    (lambda value: arguments.whole(value, "it", 0), [2**63]),
    (lambda value: arguments.flag(value, "it"), [2, None, "", np.array([]), 1.0]),
    (lambda value: arguments.numbers(value, "it"), [[], 1.0, [[1]], [np.nan], [None], "12", range(10**12)]),
    (lambda value: arguments.pair(value, "it"), [(1, 1), (1, 0), (1,), (0, 1, 2), None]),
    (lambda value: arguments.names(value, "it"), [None, 1, [1], b"a", np.array(1.0), [["a"]]]),
    (lambda value: arguments.mapping(value, "it"), [[], 1, {1: 2}, "ab", np.array([])]),
    (lambda value: arguments.known_name(value, ["a"], "state", "s"), ["b", None, ["a"], {}]),
    (lambda value: arguments.choice(value, "it", ("a",)), ["b", None, ["a"]]),
])
def test_what_is_refused_by_a_sentence_with_the_value(check, bad):
    for value in bad:
        with pytest.raises(SpecificationError, match=r"it|state"):
            check(value)


def test_a_sentence_stays_short_and_suggests_a_name():
    with pytest.raises(SpecificationError) as caught:
        arguments.number("x" * 10_000, "it")
    assert len(str(caught.value)) < 200
    with pytest.raises(SpecificationError, match="Did you mean 'price'"):
        arguments.known_name("prise", ["price"], "shock", "model")


@pytest.mark.parametrize("call", [
    lambda system: dy.lyapunov_exponents(system, duration=1e12, trajectories=2),
    lambda system: dy.lyapunov_exponents(system, 10.0, transient=1e15, trajectories=2),
    lambda system: dy.lyapunov_exponents(system, 10.0, trajectories=10**12),
    lambda system: dy.sweep(system, {"mu": range(10**6), "x": range(10**6)}, "x", duration=1.0, store="many.zarr"),
    lambda system: dy.score_warnings(np.arange(20.0), np.arange(20) % 2 == 0, bootstrap=10**30),
    lambda system: dy.tail_index(np.arange(-50.0, 50.0), bootstrap=2 * 10**6),
    lambda system: dy.early_warning_signals(np.arange(100.0) % 7, surrogates=10**9),
])
def test_what_would_not_end_or_fit_is_refused_beforehand(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cycle = dy.System(name="cycle", states={"x": 2.0, "y": 0.0}, parameters={"mu": 0.5},
                      equations={"x": "y", "y": "mu*(1 - x**2)*y - x"})
    with pytest.raises(dy.DynamicsError, match=r"at most|duration|from 20 to"):
        call(cycle)


def test_orbits_and_paths_that_would_not_fit():
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 3},
                         equations={"x": "r*x*(1 - x)"})
    noisy = dy.System(name="noisy", states={"x": 1}, equations={"x": "-x"}, noise={"w": {"x": "0.1"}})
    with pytest.raises(SpecificationError, match="at most 100000000"):
        dy.orbit_ensemble(logistic, 3, trajectories=10**12)
    with pytest.raises(SpecificationError, match="at most 100000000"):
        dy.simulate(noisy, 1.0, 0.1, 10**9)
    with pytest.raises(SpecificationError, match="at most 100000000"):
        dy.simulate(noisy, 1000.0, 0.001, 1000, stored_paths=1000)
