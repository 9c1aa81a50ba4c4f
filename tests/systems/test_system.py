"""A System as a value: frozen, equal by its text, with parameters that change and symbols that stay."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sympy import Rational, Symbol

import dynamics as dy


@pytest.fixture
def core():
    return dy.models.load("deleveraging")


def test_nothing_can_be_changed(everything):
    with pytest.raises(dataclasses.FrozenInstanceError):
        everything.name = "other"
    for kind in ("states", "parameters", "definitions", "noise", "indices"):
        with pytest.raises(TypeError):
            getattr(everything, kind)["new"] = 1
    with pytest.raises(TypeError):
        everything.noise["market"]["price"] = "0"
    with pytest.raises(TypeError):
        everything.events["reset"].assign["price"] = "0"
    with pytest.raises(dataclasses.FrozenInstanceError):
        everything.states["price"].initial = 3


def test_the_mappings_given_are_copied():
    equations = {"u": "mu"}
    system = dy.System(name="s", states={"u": 0}, parameters={"mu": 1}, equations=equations)
    text = system.to_toml()
    equations["u"] = "0"
    assert system.equations["u"] == "mu"
    assert system.to_toml() == text
    system.symbols.clear()
    system.parameter_values["mu"] = 7
    assert system.parameter_values == {"mu": 1.0}
    assert list(system.symbols) == ["u", "mu"]


def test_equality_and_hash_follow_the_text(core, everything):
    again = dy.models.load("deleveraging")
    assert core == again
    assert hash(core) == hash(again)
    assert core is not again
    assert core != core.with_parameters(price_impact=0.31)
    assert core.with_parameters(price_impact=0.31).with_parameters(price_impact="3/10") == core
    assert core != everything
    assert core != "deleveraging"
    assert len({core, again, core.with_parameters(price_impact=1)}) == 2


def test_writing_a_number_another_way_is_the_same_system():
    def made(value):
        return dy.System(name="s", states={"u": 0}, parameters={"mu": value}, equations={"u": "mu"})

    for value in ("1/2", Rational(1, 2), np.float64(0.5), np.array(0.5), 5e-1):
        assert made(value) == made(0.5)
        assert made(value).sha256 == made(0.5).sha256


@pytest.mark.parametrize("name", dy.models.names())
def test_the_pickle_is_the_text(name):
    system = dy.models.load(name)
    if not isinstance(system, dy.System):
        pytest.skip("a Process has its own contracts")
    packed = pickle.dumps(system)
    assert len(packed) < len(system.to_toml().encode()) + 200
    assert pickle.loads(packed) == system
    assert copy.deepcopy(system) == system


def test_pickle_of_everything_and_of_parts(everything):
    assert pickle.loads(pickle.dumps(everything)) == everything
    for part in (everything.events["reset"], everything.shocks["run"], everything.jumps["crash"],
                 everything.states["price"], everything.measures["sum"]):
        assert pickle.loads(pickle.dumps(part)) == part
        assert copy.deepcopy(part) == part
    assert hash(everything.events["reset"]) == hash(copy.deepcopy(everything.events["reset"]))


def test_the_text_does_not_depend_on_the_process(everything):
    script = ("import sys, pickle; s = pickle.loads(sys.stdin.buffer.read()); import dynamics as dy;"
              "t = dy.System(name='x', states={'a': 1, 'b': 2, 'c': 3}, parameters={'k': 1},"
              "equations={'a': 'lag(b,k,2) + lag(c,k,2) + lag(a,k,2) + max(c, a, 3, b)*min(a, b)',"
              "'b': '-b', 'c': 'k'});"
              "print(s.sha256, t.sha256)")
    outputs = set()
    for seed in ("1", "2"):
        outputs.add(subprocess.run([sys.executable, "-c", script], input=pickle.dumps(everything),
                                   env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout)
    assert len(outputs) == 1
    assert everything.sha256.encode() in outputs.pop()


def test_with_parameters_removes_no_symbol(core):
    zero = core.with_parameters(price_impact=0, reversion=0)
    assert zero.field == core.field
    assert {s.name for s in zero.field["price_gap"].free_symbols} >= {"price_impact", "reversion"}
    assert zero.symbols == core.symbols
    assert core.parameter_values["price_impact"] == 0.3
    assert zero.exact_parameters[Symbol("price_impact")] == 0
    assert zero.parameters["price_impact"].value == 0
    assert zero.sha256 != core.sha256
    assert zero.with_parameters() is zero


def test_with_parameters_moves_the_initial_state(core):
    assert core.with_parameters({"target_leverage": 8}).initial_state()["equity_ratio"] == 0.125
    with pytest.raises(dy.SpecificationError, match=r"states.u.initial: '1/mu' has no finite value"):
        dy.System(name="s", states={"u": "1/mu"}, parameters={"mu": 0}, equations={"u": "mu"}).initial_state()


def test_with_parameters_refuses_with_a_hint_and_all_faults_at_once(core):
    with pytest.raises(dy.SpecificationError, match="Did you mean 'price_impact'"):
        core.with_parameters(price_imapct=1)
    with pytest.raises(dy.SpecificationError, match=r"maintenance_margin: the value 2 is outside its bounds \[0, 1\]"):
        core.with_parameters(maintenance_margin=2)
    with pytest.raises(dy.SpecificationError) as caught:
        core.with_parameters({"leverage": 3}, reversion=-1, adjustment=None, price_impact="a",
                             target_leverage=float("nan"))
    assert len(caught.value.faults) == 5
    assert all(name in str(caught.value) for name in ("leverage", "reversion", "adjustment", "price_impact"))


def test_with_parameters_of_arrays(everything):
    changed = everything.with_parameters(holdings=np.ones((3, 2)), network=[(0, 0, 1)])
    assert changed.parameter_values["holdings"] == ((1.0, 1.0),) * 3
    assert changed.parameter_values["network"] == ((0, 0, 1.0),)
    assert dy.System.__eq__(pickle.loads(pickle.dumps(changed)), changed)
    for wrong in (np.ones((2, 3)), [1, 2], "x", np.full((3, 2), np.nan)):
        with pytest.raises(dy.SpecificationError, match=r"parameters\.holdings"):
            everything.with_parameters(holdings=wrong)
    for wrong in (5, [(0, 1)], [(0, 1, 1), (0, 1, 2)], [(0, 3, 1)], [(0.5, 1, 1)], [("a", 0, 1)], [(0, 1, None)],
                  {"a": 1}):
        with pytest.raises(dy.SpecificationError, match=r"parameters\.network"):
            everything.with_parameters(network=wrong)


def test_sparse_matrices_of_scipy(everything):
    from scipy.sparse import coo_array

    matrix = coo_array(([0.5, 2], ([0, 2], [1, 1])), shape=(3, 3))
    assert everything.with_parameters(network=matrix).parameter_values["network"] == ((0, 1, 0.5), (2, 1, 2.0))
    with pytest.raises(dy.SpecificationError, match=r"shape \(3, 2\)"):
        everything.with_parameters(network=matrix.tocsr()[:, :2])


def test_time_makes_a_system_non_autonomous(core):
    driven = dy.System(name="driven", states={"x": 1}, parameters={"w": 2}, definitions={"force": "sin(w*time)"},
                       equations={"x": "force - x"})
    assert core.autonomous
    assert not driven.autonomous
    with pytest.raises(dy.DerivationError, match="time"):
        dy.fixed_points(driven)
    end = dy.integrate(driven, 3)["x"].values[-1]
    exact = (np.sin(6) - 2 * np.cos(6)) / 5 + (1 + 2 / 5) * np.exp(-3)
    assert end == pytest.approx(exact, abs=1e-7)


def test_resolve_puts_definitions_in(core):
    assert {s.name for s in core.resolve(Symbol("net_flow")).free_symbols} == {
        "adjustment", "target_leverage", "equity_ratio", "liquidation_flow"}
