"""A few lines can stand for more than a machine holds: such systems are refused at once, with what and how large."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError
from dynamics.systems import sizes

SHORT = """format_version = 1
[system]
name = "large"
[indices]
a = 10000000
[states.x]
initial = 0
over = ["a"]
[equations]
x = "-x"
"""


def grid(a, b, **parts):
    return dy.System(name="grid", indices={"a": a, "b": b}, states={"x": dy.State(0, over=("a", "b"))},
                     equations={"x": "-x"}, **parts)


def test_an_index_of_ten_million_in_a_short_file(tmp_path):
    path = tmp_path / "large.toml"
    path.write_text(SHORT)
    with pytest.raises(SpecificationError, match=r"states\.x: 10000000 entries \(a = 10000000\).* at most 4000000.*smaller"):
        dy.load(path)


def test_the_product_of_two_indices_is_what_counts():
    with pytest.raises(SpecificationError, match=r"10000000000 entries \(a = 100000 x b = 100000\)"):
        grid(100_000, 100_000)


@pytest.mark.parametrize("name", ["states", "parameters"])
def test_entries_of_states_and_parameters_are_counted_together(monkeypatch, name):
    monkeypatch.setattr(sizes, "MOST_ENTRIES", 24)
    assert grid(3, 4, parameters={"k": dy.Parameter(1, over=("a", "b"))}).initial_state()["x"][2][3] == 0
    with pytest.raises(SpecificationError, match=r"all quantities together 27; a system holds at most 24"):
        grid(3, 4, parameters={"k": dy.Parameter(1, over=("a", "b")), "m": dy.Parameter(1, over="a")})


def test_sparse_matrices_count_for_nothing_but_their_entries():
    n = 100_000
    system = dy.System(name="net", indices={"bank": n, "other": n}, states={"x": dy.State(1, over="bank")},
                       parameters={"owed": dy.Parameter([(0, 1, 2.0)], over=("bank", "other"), sparse=True)},
                       definitions={"y": "product(owed, product(owed, x))"}, equations={"x": "y - x"})
    assert system.indices["bank"] == n


def test_an_intermediate_array_that_no_machine_holds():
    # each quantity is small; their outer product, summed afterwards, is not
    n = 100_000
    with pytest.raises(SpecificationError, match=r"equations\.x: a part of it runs over a = 100000 x b = 100000"):
        dy.System(name="outer", indices={"a": n, "b": n},
                  states={"x": dy.State(0, over="a"), "y": dy.State(0, over="b")},
                  equations={"x": "total(x*y, b)", "y": "-y"})


def test_the_limit_for_intermediate_arrays(monkeypatch):
    def outer():
        return dy.System(name="outer", indices={"a": 3, "b": 4},
                         states={"x": dy.State(0, over="a"), "y": dy.State(0, over="b")},
                         definitions={"z": "x*y"}, equations={"x": "total(z, b)", "y": "-y"})

    monkeypatch.setattr(sizes, "MOST_ENTRIES", 12)
    assert outer().over["z"] == ("a", "b")
    monkeypatch.setattr(sizes, "MOST_ENTRIES", 11)
    with pytest.raises(SpecificationError, match=r"definitions\.z: .*12 entries at once; at most 11"):
        outer()


def test_a_million_equal_entries_are_one_tuple():
    system = dy.System(name="crowd", indices={"i": 1_000_000}, states={"x": dy.State("1/3", over="i")},
                       equations={"x": "-x"})
    start = system._parsed.initial["x"]
    assert len(start) == 1_000_000
    assert {id(entry) for entry in start} == {id(start[0])}
    rows = grid(3, 4)._parsed.initial["x"]
    assert np.shape(rows) == (3, 4)


def doubling(levels, kind="definitions"):
    """Each definition uses the one before twice: 2**levels times the first."""
    uses = {"d0": "x + 1", **{f"d{k}": f"sin(d{k - 1})*cos(d{k - 1})" for k in range(1, levels + 1)}}
    last = f"-d{levels}" if kind == "definitions" else "-x"
    return dy.System(name="doubling", states={"x": 1}, equations={"x": last}, **{kind: uses})


@pytest.mark.parametrize("kind", ["definitions", "observables"])
def test_definitions_that_double_with_each_line(kind):
    with pytest.raises(SpecificationError, match=kind + r"\.d40: .*put in it has \d{12,} numbers.*at most 100000"):
        doubling(40, kind)


def test_a_lag_does_not_put_such_definitions_in_before_they_are_counted():
    uses = {"d0": "x + 1", **{f"d{k}": f"sin(d{k - 1})*cos(d{k - 1})" for k in range(1, 41)}}
    with pytest.raises(SpecificationError, match="at most 100000"):
        dy.System(name="late", states={"x": 1}, definitions=uses, equations={"x": "lag(d40, 1, 3)"})


def test_the_count_is_that_of_the_expression_itself():
    # the definitions put in and counted by SymPy node by node; cos(d)*sin(d) of a sum x + 1 is 1 + 2*(1 + inner)
    from sympy import preorder_traversal
    system = doubling(3)
    known = {}
    for name, expression in system._parsed.definitions.items():
        known[name] = sizes.nodes(expression, known)
        assert known[name] == sum(1 for _ in preorder_traversal(system.resolve(expression)))
    assert list(known.values()) == [3, 9, 21, 45]


def test_the_limit_for_lengths(monkeypatch):
    # -x: a product of a number and a name
    monkeypatch.setattr(sizes, "MOST_NODES", 6)
    assert dy.System(name="s", states={"x": 1, "y": 1}, equations={"x": "-x", "y": "-y"}).field
    monkeypatch.setattr(sizes, "MOST_NODES", 5)
    with pytest.raises(SpecificationError, match=r"equations: 6 numbers, names and operations; at most 5"):
        dy.System(name="s", states={"x": 1, "y": 1}, equations={"x": "-x", "y": "-y"})


@pytest.mark.parametrize("equation", ["-total(x, a)*x", "-total(total(x, a)*x, a)"])
def test_a_large_indexed_system_is_not_written_out(equation):
    system = dy.System(name="crowd", indices={"a": 10_000}, states={"x": dy.State(0, over="a")}, equations={"x": equation})
    with pytest.raises(SpecificationError, match=r"expand: written out for a = 10000 .* at most 100000"):
        system.expand()


def test_written_out_sums_beyond_the_length_of_an_expression_are_refused_after_the_first():
    system = dy.System(name="crowd", indices={"a": 150}, states={"x": dy.State(0, over="a")},
                       equations={"x": "tanh(total(hill(x, 2, 3), a)) - x"})
    with pytest.raises(SpecificationError, match=r"expand: an equation of 'crowd' has \d+ characters .*most 2000") as caught:
        system.expand()
    assert len(caught.value.faults) == 1


def test_every_packaged_model_is_far_below_the_limit():
    longest = 0
    for name in dy.models.names():
        system = dy.models.load(name)
        if isinstance(system, dy.System):
            parsed = system._parsed
            known = {}
            for n, e in [*parsed.definitions.items(), *parsed.observables.items()]:
                known[n] = sizes.nodes(system.resolve(e), {})
            longest = max(longest, sum(sizes.nodes(e, known) for e in sizes._used(parsed)))
    assert longest < sizes.MOST_NODES / 10
