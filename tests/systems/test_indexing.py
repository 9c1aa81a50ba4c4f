"""Indexed states: elementwise arithmetic, reductions, and the scalar system behind them."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.compiled.functions import functions_of

GENERATOR = np.random.default_rng(7)
HOLDINGS = GENERATOR.uniform(0.5, 2, (3, 2))
NETWORK = GENERATOR.uniform(-1, 1, (3, 3))


def banks(**changes):
    return dy.System(**{
        "name": "banks", "indices": {"bank": 3, "asset": 2},
        "states": {"cash": dy.State([1, 2, 3], over="bank"), "price": dy.State([1, "1/2"], over=("asset",)),
                   "mood": 0.1},
        "parameters": {"A": dy.Parameter(HOLDINGS, over=("bank", "asset")),
                       "B": dy.Parameter(HOLDINGS.T, over=("asset", "bank")),
                       "W": dy.Parameter(NETWORK, over=("bank", "bank")),
                       "rate": dy.Parameter([0.1, 0.2, 0.3], over=("bank",)), "k": 0.7},
        "equations": {"cash": "-rate*cash", "price": "-k*price", "mood": "-mood"}, **changes})


def entries(system, state):
    """Values of a flat state by scalar name, and back."""
    flat, expanded = functions_of(system), functions_of(system.expand())
    blocks = flat.split(np.arange(flat.dimension, dtype=float))
    names = {}
    for name, block in blocks.items():
        for position, number in np.ndenumerate(np.asarray(block)):
            names["_".join((name, *(str(i + 1) for i in position)))] = int(number)
    return flat, expanded, np.array([state[names[name]] for name in expanded.names])


EQUATIONS = {
    "elementwise": {"cash": "rate*cash**2 - max(cash, k)", "price": "exp(-price)*k", "mood": "mood"},
    "total": {"cash": "cash/total(cash, bank)", "price": "total(price*price, asset) - price",
              "mood": "total(cash, bank)"},
    "total of two indices": {"cash": "total(A*price, asset)", "price": "total(A*cash, bank)",
                             "mood": "total(total(A*cash*price, bank), asset)"},
    "product": {"cash": "product(A, price)", "price": "-price", "mood": "total(product(A, price), bank)"},
    "transposed product": {"cash": "cash", "price": "product(A, cash/total(cash, bank))", "mood": "0"},
    "the other way": {"cash": "product(B, price)", "price": "product(B, rate*cash)", "mood": "1"},
    "within one index": {"cash": "product(W, cash) - cash*product(W, rate)", "price": "1", "mood": "mood*k"},
    "nested": {"cash": "product(W, product(A, price*product(A, cash)))", "price": "1", "mood": "sin(mood)"},
    "choices": {"cash": "(cash if cash > mood else -rate)", "price": "softplus(price, k)",
                "mood": "hill(1 + mood**2, k, 3)"},
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", EQUATIONS)
def test_the_scalar_system_agrees(kind, sparse):
    parameters = dict(banks().parameters)
    if sparse:
        for name in ("A", "B", "W"):
            value = np.array(parameters[name].value)
            cells = [(i, j, value[i, j]) for (i, j) in np.ndindex(value.shape) if (i + j) % 2 == 0]
            parameters[name] = dy.Parameter(cells, over=parameters[name].over, sparse=True)
    used = {name: part for name, part in parameters.items() if any(name in e for e in EQUATIONS[kind].values())}
    if sparse and kind == "total of two indices":
        with pytest.raises(dy.SpecificationError, match="'A' is used only as the first argument of product"):
            banks(equations=EQUATIONS[kind], parameters=used)
        return
    system = banks(equations=EQUATIONS[kind], parameters=used)
    generator = np.random.default_rng(3)
    for _ in range(5):
        state = generator.uniform(0.2, 2, 6)
        flat, expanded, scalars = entries(system, state)
        whole = flat.field(0.0, state, flat.parameters(system))
        _, _, expected = entries(system, whole)
        single = expanded.field(0.0, scalars, expanded.parameters(system.expand()))
        np.testing.assert_allclose(single, expected, rtol=1e-14, atol=1e-14)


def test_a_product_is_the_product_of_numpy():
    parameters = {"A": banks().parameters["A"]}
    system = banks(equations={"cash": "product(A, price)", "price": "product(A, cash)", "mood": "0"},
                   parameters=parameters)
    functions = functions_of(system)
    cash, price = np.array([1.0, 2, 3]), np.array([0.5, 4])
    field = functions.split(functions.field(0.0, np.concatenate([cash, price, [0]]), functions.parameters(system)))
    np.testing.assert_allclose(field["cash"], HOLDINGS @ price, rtol=1e-14)
    np.testing.assert_allclose(field["price"], HOLDINGS.T @ cash, rtol=1e-14)
    own = banks(equations={"cash": "product(W, cash)", "price": "0*price", "mood": "0"},
                parameters={"W": banks().parameters["W"]})
    functions = functions_of(own)
    field = functions.split(functions.field(0.0, np.concatenate([cash, price, [0]]), functions.parameters(own)))
    np.testing.assert_allclose(field["cash"], NETWORK @ cash, rtol=1e-14)


def test_a_matrix_no_equation_uses():
    system = banks(events={"e": "total(product(W, cash), bank)"})
    functions = functions_of(system)
    state = np.arange(1.0, 7)
    assert functions.events(0.0, state, functions.parameters(system))[0] == pytest.approx((NETWORK @ state[:3]).sum())


def test_a_matrix_in_a_product_and_by_entries():
    equations = {"cash": "product(B, price) + total(B*price, asset)", "price": "price", "mood": "0"}
    system = banks(equations=equations, parameters={"B": banks().parameters["B"]})
    functions = functions_of(system)
    price = np.array([0.5, 4])
    field = functions.field(0.0, np.array([1, 2, 3, *price, 0]), functions.parameters(system))
    np.testing.assert_allclose(field[:3], 2 * HOLDINGS @ price, rtol=1e-14)


def test_definitions_get_their_indices():
    system = banks(definitions={"worth": "product(A, price)", "whole": "total(worth*cash, bank)", "grid": "A*price"},
                   equations={"cash": "worth", "price": "whole*price", "mood": "whole"})
    assert system.over["worth"] == ("bank",)
    assert system.over["grid"] == ("bank", "asset")
    assert "whole" not in system.over
    expanded = system.expand()
    assert set(expanded.definitions) == {"worth_1", "worth_2", "worth_3", "whole",
                                         *(f"grid_{i}_{j}" for i in (1, 2, 3) for j in (1, 2))}
    assert not expanded.indices
    assert expanded.expand() is expanded


def test_a_trajectory_has_the_index_names_as_dims():
    parameters = {name: part for name, part in banks().parameters.items() if name != "W"}
    system = banks(observables={"worth": "product(A, price)", "whole": "total(cash, bank)"}, parameters=parameters)
    run = dy.integrate(system, 2, times=[0, 1, 2])
    assert dict(run.sizes)["bank"] == 3
    assert set(run["cash"].dims) == {"time", "bank"}
    assert set(run["price"].dims) == {"time", "asset"}
    assert run["mood"].dims == ("time",)
    assert set(run["worth"].dims) == {"time", "bank"}
    assert run["whole"].dims == ("time",)
    np.testing.assert_allclose(run["cash"].sel(time=2), np.array([1, 2, 3]) * np.exp(-2 * np.array([0.1, 0.2, 0.3])),
                               rtol=1e-6)


def test_expand_keeps_everything_else(everything):
    expanded = everything.expand()
    assert set(expanded.events) == set(everything.events)
    assert expanded.events["reset"].assign == {"price": "start_price", "cash_1": "cash_1/2", "cash_2": "cash_2/2",
                                               "cash_3": "cash_3/2"}
    assert expanded.shocks["run"].assign["cash_2"] == "cash_2 - magnitude"
    assert set(expanded.noise["own"]) == {"cash_1", "cash_2", "cash_3"}
    assert expanded.parameter_values["network_1_2"] == 0.5
    assert "network_1_1" not in expanded.parameters
    assert expanded.states["cash_3"].symbol == "c_3"
    assert expanded.states["cash_3"].unit == "USD"
    assert expanded.initial_state()["cash_2"] == pytest.approx(1 / 3)
    assert expanded.references == everything.references
    assert everything.with_parameters(start_price=2).expand().initial_state()["price"] == 4


def test_one_number_stands_for_all_entries():
    system = banks(states={"cash": dy.State(2, over="bank"), "price": dy.State("k", over="asset"), "mood": 0})
    assert system.initial_state() == {"cash": (2.0,) * 3, "price": 0.7, "mood": 0.0}
    assert system.expand().initial_state()["price_2"] == 0.7
    by_entry = banks(states={"cash": dy.State("rate*2", over="bank"), "price": dy.State(1, over="asset"), "mood": 0})
    assert by_entry.expand().initial_state()["cash_3"] == pytest.approx(0.6)
    assert by_entry.initial_state()["cash"] == pytest.approx((0.2, 0.4, 0.6))


@pytest.mark.parametrize(("changes", "said"), [
    ({"equations": {"cash": "price", "price": "price", "mood": "0"}},
     "equations.cash: runs over ['asset'], which 'cash' does"),
    ({"equations": {"cash": "A", "price": "price", "mood": "0"}}, "use total(...)"),
    ({"equations": {"cash": "cash", "price": "price", "mood": "cash"}}, "equations.mood: runs over ['bank']"),
    ({"equations": {"cash": "W", "price": "price", "mood": "0"}},
     "'W' has the index 'bank' twice; use it inside product()"),
    ({"equations": {"cash": "total(price, bank)", "price": "price", "mood": "0"}}, "that does not run over 'bank'"),
    ({"equations": {"cash": "total(cash, cash)", "price": "price", "mood": "0"}}, "is a declared index (bank, asset)"),
    ({"equations": {"cash": "product(A, cash)", "price": "price", "mood": "0"}}, "equations.cash: runs over ['asset']"),
    ({"equations": {"cash": "product(A, mood)", "price": "price", "mood": "0"}},
     "needs v over 'asset' (or 'bank'), not over nothing"),
    ({"equations": {"cash": "product(rate, price)", "price": "price", "mood": "0"}},
     "needs a parameter A with two indices"),
    ({"equations": {"cash": "bank", "price": "price", "mood": "0"}}, "'bank' is an index"),
    ({"measures": {"m": dy.Measure("cash")}}, "measures.m: runs over ['bank']; reduce it to one number"),
    ({"measures": {"m": dy.Measure("mood", transform="value*rate")}}, "measures.m.transform: runs over ['bank']"),
    ({"events": {"e": "cash - 1"}}, "events.e: runs over ['bank']"),
    ({"jumps": {"j": dy.Jump("rate", {"mood": "0"})}}, "jumps.j.rate: runs over ['bank']"),
    ({"invariants": {"i": "cash"}}, "invariants.i: runs over ['bank']"),
    ({"shocks": {"s": {"mood": "cash - magnitude"}}}, "shocks.s: runs over ['bank']"),
    ({"noise": {"w": {"price": "rate"}}}, "noise.w: runs over ['bank']"),
    ({"states": {"cash": dy.State([1, 2], over="bank"), "price": 1, "mood": 0}}, "2 values given, the index has 3"),
    ({"states": {"cash": dy.State("A", over="bank"), "price": dy.State(1, over="asset"), "mood": 0}},
     "states.cash.initial: runs over ['asset']"),
    ({"indices": {"bank": 3, "asset": 2, "k": 4}}, "indices.k: the name is already used in parameters"),
])
def test_index_faults_are_sentences(changes, said):
    with pytest.raises(dy.SpecificationError) as caught:
        banks(**changes)
    assert said in str(caught.value)


def test_scalar_names_that_clash():
    cash = dy.State(1, over="bank")
    for extra in ({"states": {"cash": cash, "cash_1": 0}, "equations": {"cash": "cash", "cash_1": "0"}},
                  {"states": {"cash": cash}, "equations": {"cash": "cash"}, "parameters": {"cash_3": 1}},
                  {"states": {"cash": cash}, "equations": {"cash": "d*cash"},
                   "definitions": {"d": "2*cash", "d_2": "3"}},
                  {"states": {"cash": cash}, "equations": {"cash": "cash"}, "observables": {"cash_2": "3"}}):
        system = banks(**{"parameters": {}, **extra})
        with pytest.raises(dy.SpecificationError, match="scalar name"):
            system.expand()
