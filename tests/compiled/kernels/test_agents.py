"""Many agents: the compiled field against NumPy's, against exact sums, for every length of the last vector."""

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.compiled import functions
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels import agents, jit
from dynamics.compiled.kernels.agents import agent_field
from dynamics.errors import SpecificationError


def holders(n):
    """Leveraged holders with one price; the spread of leverage around its mean takes a sum of sums."""
    draw = np.random.default_rng(n).uniform
    return dy.System(
        name="holders", indices={"holder": n},
        states={"gap": -0.05, "leverage": dy.State(draw(4, 8, n).tolist(), over="holder"),
                "sold": dy.State(draw(0, 0.1, n).tolist(), over="holder")},
        parameters={"n": n, "limit": dy.Parameter(draw(6, 12, n).tolist(), over="holder"), "impact": 0.3, "width": 0.05},
        definitions={"flow": "total(sold, holder)/n", "spread": "total((leverage - total(leverage, holder)/n)**2, holder)/n",
                     "fall": "gap + impact*flow"},
        equations={"gap": "-fall - spread/100 + sin(time)",
                   "leverage": "leverage*((leverage - 1)*fall - sold) + 0.1*leverage*(1 - leverage/6)",
                   "sold": "softplus(leverage/limit - 1, width) - sold*max(0, leverage - 5)"})


@pytest.mark.parametrize("n", [1, 7, 8, 9, 64, 1000])
def test_the_field_is_that_of_numpy(n):
    system = holders(n)
    arrays = functions_of(system)
    p, y = arrays.parameters(system), arrays.initial_state(system)
    np.testing.assert_allclose(agent_field(system)(0.3, y, p), arrays.field(0.3, y, p), rtol=1e-13, atol=1e-14)


def test_large_systems_use_it_by_themselves():
    system = holders(functions.SMALLEST_COMPILED_CROWD)
    field = functions_of(system).field
    assert isinstance(field, agents.AgentField)
    y = functions_of(system).initial_state(system)
    p, out = functions_of(system).parameters(system), np.empty_like(y)
    assert field(0.0, y, p, out) is out
    np.testing.assert_array_equal(out, field(0.0, y, p))
    assert not isinstance(functions_of(holders(100)).field, agents.AgentField)


def test_where_nothing_can_be_compiled_arrays_do(monkeypatch):
    system = holders(functions.SMALLEST_COMPILED_CROWD + 1)
    y, p = functions_of(system).initial_state(system), functions_of(system).parameters(system)
    compiled = functions_of(system).field(0.3, y, p)
    monkeypatch.setattr(jit, "available", lambda: False)
    slow = functions.SystemFunctions(system)
    assert not isinstance(slow.field, agents.AgentField)
    np.testing.assert_allclose(compiled, slow.field(0.3, y, p), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [5, 333, agents.BLOCK + 77])
def test_same_bits_for_any_number_of_vectors_in_flight(n, monkeypatch):
    system = holders(n)
    y, p = functions_of(system).initial_state(system), functions_of(system).parameters(system)
    expected = agent_field(system)(0.3, y, p)
    for vectors in (1, 2):
        monkeypatch.setattr(agents, "IN_FLIGHT", vectors)
        np.testing.assert_array_equal(agent_field(system)(0.3, y, p), expected)


def test_parameters_that_change_in_place_are_seen():
    system = dy.System(name="scaled", indices={"i": 9}, states={"x": dy.State(1, over="i")},
                       parameters={"a": dy.Parameter(2, over="i"), "b": 1}, equations={"x": "a*b*x"})
    field, a = agent_field(system), np.full(9, 2.0)
    for p in ((a, 3.0), (np.full(1, 2.0), 3.0), [a, 3.0]):
        assert set(field(0.0, np.ones(9), p)) == {6.0}
        p[0][:] = 5.0
        assert set(field(0.0, np.ones(9), p)) == {15.0}
        p[0][:] = 2.0


def test_sums_are_good_to_the_last_digits_over_many_blocks():
    n = 3 * agents.BLOCK + 5
    system = dy.System(name="mean", indices={"i": n}, states={"x": dy.State(0, over="i"), "m": 0},
                       equations={"x": "m", "m": "total(x, i)"})
    x = np.random.default_rng(0).uniform(0, 1, n)
    found = agent_field(system)(0.0, np.append(x, 2.5), ())
    assert found[-1] == pytest.approx(math.fsum(x), rel=2e-15)
    assert set(found[:-1]) == {2.5}


def test_values_are_exact_by_hand():
    system = dy.System(name="hand", indices={"i": 2}, states={"x": dy.State([1, 2], over="i")},
                       parameters={"a": dy.Parameter([3, 5], over="i")}, equations={"x": "a*total(a*x, i) - time"})
    assert agent_field(system)(1.0, np.array([1.0, 2.0]), functions_of(system).parameters(system)).tolist() == [38.0, 64.0]


def test_other_systems_are_refused():
    with pytest.raises(SpecificationError, match="0 indices"):
        agent_field(dy.models.load("deleveraging"))
    matrix = dy.System(name="net", indices={"i": 2}, states={"x": dy.State([1, 2], over="i")},
                       parameters={"A": dy.Parameter([[1, 0], [0, 1]], over=("i", "i"))}, equations={"x": "product(A, x)"})
    with pytest.raises(SpecificationError, match="'A' is a matrix, the equation of 'x' has a product"):
        agent_field(matrix)
