"""Compiled functions of systems: sharing, hostile names, values at the edge of the numbers, lanes against scalars."""

from __future__ import annotations

import builtins
import keyword
import math

import numpy as np
import pytest
from scipy.special import erf
from sympy import Integer, Symbol
from sympy import exp as sympy_exp
from sympy import log as sympy_log

import dynamics as dy
from dynamics.compiled.code import scalar_function, vector_function
from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError


def flow(equations: dict[str, str], parameters: dict, **more) -> dy.System:
    return dy.System(name="test", time="continuous", states=more.pop("states", dict.fromkeys(equations, 1.0)),
                     parameters=parameters, equations=equations, **more)


def value(text: str, **states: float) -> float:
    system = flow(dict.fromkeys(states, text), {"unused": 1}, states=states)
    functions = functions_of(system)
    return float(functions.field(0.0, np.array(list(states.values())), functions.parameters(system))[0])


# ---- sharing ----------------------------------------------------------------------------------------------------------

def test_systems_that_differ_in_values_share_their_functions() -> None:
    system = dy.models.load("deleveraging")
    twin = system.with_parameters(price_impact=0.7)
    assert functions_of(system) is functions_of(twin)
    a, b = (functions_of(s).field(0.0, np.array([0.1, 0.2, 0.0]), functions_of(s).parameters(s)) for s in (system, twin))
    assert a[0] == pytest.approx(-0.1)
    assert functions_of(system).parameters(twin)[1] == 0.7
    # at the target nothing is traded, so a price impact makes no difference; off it, it does
    assert a == pytest.approx(b)
    low = np.array([0.0, 0.1, 0.0])
    assert functions_of(twin).field(0.0, low, functions_of(twin).parameters(twin))[0] == pytest.approx(-0.7 * 0.25)


def test_systems_that_differ_in_bounds_do_not() -> None:
    """Bounds decide which regimes exist: with a >= 0 the switch of max(0, a*x) is that of x."""
    equations = {"x": "-x", "y": "max(0, a*x) + b*max(0, x)"}
    positive = flow(equations, {"a": dy.Parameter(1, bounds=(0, None)), "b": 0}, states={"x": 1, "y": 0})
    free = flow(equations, {"a": -1, "b": 0}, states={"x": 1, "y": 0})
    assert float(dy.integrate(positive, 50)["y"][-1]) == pytest.approx(1, abs=1e-6)
    assert float(dy.integrate(free, 50)["y"][-1]) == pytest.approx(0, abs=1e-9)


def test_systems_that_differ_in_equations_events_shocks_or_measures_do_not() -> None:
    base = flow({"x": "-a*x"}, {"a": 1})
    others = [flow({"x": "-2*a*x"}, {"a": 1}), flow({"x": "-a*x"}, {"a": 1}, events={"e": dy.Event("x - 1/2")}),
              flow({"x": "-a*x"}, {"a": 1}, shocks={"s": dy.Shock({"x": "x - magnitude"})}),
              flow({"x": "-a*x"}, {"a": 1}, measures={"m": dy.Measure("x", "max")})]
    assert len({id(functions_of(s)) for s in (base, *others)}) == 5


# ---- names ------------------------------------------------------------------------------------------------------------

HOSTILE = ["math", "numpy", "list", "s", "E", "I", "N", "Q", "S", "beta", "gamma", "len", "print", "a0_0", "x0", "cse",
           "self", "t", "y", "p", "lambda_", "e", "pi_", "np", "array", "nan", "inf", "Max", "Abs", "select", "x1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_may_be_a_parameter_or_a_state(name: str) -> None:
    assert not keyword.iskeyword(name)
    as_parameter = flow({"u": f"-{name}*u*exp(-u)"}, {name: 2}, measures={"m": dy.Measure(f"u*{name}", "final")})
    as_state = flow({name: f"-k*{name}*exp(-{name})"}, {"k": 2}, measures={"m": dy.Measure(f"{name}*k", "final")})
    reference = flow({"u": "-k*u*exp(-u)"}, {"k": 2}, measures={"m": dy.Measure("u*k", "final")})
    expected = dy.integrate(reference, 1).attrs["measures"]["m"]
    assert dy.integrate(as_parameter, 1).attrs["measures"]["m"] == expected
    assert dy.integrate(as_state, 1).attrs["measures"]["m"] == expected


def test_many_builtin_names_at_once() -> None:
    names = [n for n in dir(builtins) if n.isidentifier() and not n.startswith("_") and not keyword.iskeyword(n)
             and n not in ("abs", "min", "max", "sum", "pow", "round")][:40]
    system = flow({"u": "+".join(f"{n}*u" for n in names)}, {n: k for k, n in enumerate(names)})
    functions = functions_of(system)
    total = functions.field(0.0, np.array([1.0]), functions.parameters(system))[0]
    assert total == sum(range(len(names)))


# ---- the edge of the numbers ------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "x", "expected"), [
    ("exp(x)", 1000.0, math.inf), ("exp(-x)", 1000.0, 0.0), ("expm1(x)", 1000.0, math.inf), ("log(x)", 0.0, -math.inf),
    ("log(x)", -1.0, math.nan), ("log1p(x)", -1.0, -math.inf), ("log1p(x)", -2.0, math.nan), ("sqrt(x)", -1.0, math.nan),
    ("1/x", 0.0, math.nan), ("x**300", 1e10, math.nan), ("x**0.5", -1.0, math.nan), ("softplus(x)", 1e4, 1e4),
    ("softplus(x)", -1e4, 0.0), ("softplus(x, 1/10)", 0.0, math.log(2) / 10), ("hill(x, 2, 8)", 0.0, 0.0),
    ("hill(x, 2, 8)", 1e300, 1.0), ("hill(x, 2, 8)", 2.0, 0.5), ("hill(x, 2, 300)", 1e-9, 0.0), ("erf(x)", 0.0, 0.0),
    ("erf(x)", 1.0, float(erf(1.0))), ("erf(log(x))", 0.0, -1.0), ("sign(x)", -3.0, -1.0), ("sign(x)", 0.0, 0.0),
    ("abs(x)", -3.0, 3.0), ("max(0, x)", -1.0, 0.0), ("tanh(x)", 1e4, 1.0),
])
def test_values_at_the_edge(text: str, x: float, expected: float) -> None:
    assert value(text, x=x) == pytest.approx(expected, rel=1e-13, nan_ok=True)


def test_events_measures_and_shocks_never_raise_for_arithmetic() -> None:
    system = flow({"x": "-x"}, {"a": 1}, states={"x": 1e200}, shocks={"s": dy.Shock({"x": "x**9*magnitude"})},
                  events={"e": dy.Event("1/x")}, measures={"m": dy.Measure("log(-x)", "max")})
    functions = functions_of(system)
    p, y = functions.parameters(system), np.array([1e200])
    assert np.isnan(functions.shocks["s"](y, 1.0, p)[0])
    assert not np.isfinite(functions.events(0.0, np.array([0.0]), p)[0])
    assert np.isnan(functions.measure_expressions(0.0, y, p)[0])


# ---- lanes and scalars --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    "a*x - y**2", "exp(-a*x)*y", "log(x + 3)/(1 + y**2)", "max(0, x - y) + min(x, a)", "abs(x)*sign(y)", "sqrt(x**2 + a)",
    "hill(x**2, a, 3)", "softplus(x - y, a)", "erf(x)*tanh(y)", "x if x > y else a*y", "log1p(x**2) + expm1(y)",
    "sin(x)*cos(y) + atan(x)", "x**3 - y**-2",
])
def test_lanes_equal_scalars(text: str) -> None:
    system = flow({"x": text, "y": f"-({text})"}, {"a": 0.7})
    functions = functions_of(system)
    g = np.random.default_rng(3)
    y, p = g.normal(size=(2, 200)), g.uniform(0.1, 2, size=(1, 200))
    lanes = functions.lane_field(np.zeros(200), y, p)
    singles = np.array([functions.field(0.0, y[:, k], (p[0, k],)) for k in range(200)]).T
    assert np.allclose(lanes, singles, rtol=1e-12, atol=1e-300)
    if functions.jacobian is not None:
        matrices = np.array([functions.jacobian(0.0, y[:, k], (p[0, k],)) for k in range(200)])
        assert np.allclose(functions.lane_jacobian(np.zeros(200), y, p), np.moveaxis(matrices, 0, -1), rtol=1e-11)


def test_jacobian_is_the_derivative_of_the_field() -> None:
    system = dy.models.load("deleveraging", margin_call="hill")
    functions = functions_of(system)
    p, y = functions.parameters(system), np.array([-0.1, 0.07, 1.3])
    exact = functions.jacobian(0.0, y, p)
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-6
        numeric = (functions.field(0.0, y + step, p) - functions.field(0.0, y - step, p)) / 2e-6
        assert exact[:, k] == pytest.approx(numeric, rel=1e-6, abs=1e-6)


def test_an_equation_over_fewer_indices_than_its_state_is_repeated() -> None:
    system = dy.System(name="grid", time="discrete", indices={"row": 2, "column": 3},
                       states={"x": dy.State(((1, 2, 3), (4, 5, 6)), over=("row", "column")), "y": dy.State(1, over="row"),
                               "z": dy.State(1, over="column")},
                       equations={"x": "total(x, column)", "y": "7", "z": "total(x, row)"})
    functions = functions_of(system)
    result = functions.field(0.0, functions.initial_state(system), functions.parameters(system))
    assert result.tolist() == [6, 6, 6, 15, 15, 15, 7, 7, 5, 7, 9]


def test_indexed_functions_equal_their_expansion() -> None:
    system = dy.System(
        name="net", time="continuous", indices={"bank": 3, "asset": 2},
        states={"e": dy.State(1.0, over=("bank",)), "x": dy.State(0.5, over=("asset",))},
        parameters={"A": dy.Parameter([[1, 2], [3, 4], [5, 6]], over=("bank", "asset")), "a": 0.3},
        equations={"e": "-a*e + product(A, x)", "x": "-x*total(e, bank) + product(A, e)"})
    functions = functions_of(system)
    y = np.array([0.1, 0.2, 0.3, 1.5, 2.5])
    field = functions.field(0.0, y, functions.parameters(system))
    matrix = np.array([[1, 2], [3, 4], [5, 6]])
    expected = np.concatenate([-0.3 * y[:3] + matrix @ y[3:], -y[3:] * y[:3].sum() + matrix.T @ y[:3]])
    assert field == pytest.approx(expected, rel=1e-14)
    scalar = system.expand()
    flat = functions_of(scalar)
    assert flat.field(0.0, y, flat.parameters(scalar)) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(SpecificationError, match=r"indexed states; use system\.expand"):
        functions.lane_field(np.zeros(1), np.zeros((5, 1)), np.zeros((2, 1)))


# ---- plain code ---------------------------------------------------------------------------------------------------------

def test_functions_from_expressions() -> None:
    x, y = Symbol("x"), Symbol("y")
    wanted = [x + y, sympy_exp(x * y), sympy_log(x), Integer(3)]
    assert scalar_function(wanted, [(x,), (y,)])((2.0,), (0.5,)) == [2.5, math.exp(1.0), math.log(2.0), 3]
    arrays = vector_function(wanted, [(x,), (y,)])((np.array([1.0, 2.0]),), (0.5,))
    assert arrays[1] == pytest.approx(np.exp([0.5, 1.0]), rel=1e-15)
    assert arrays[3] == 3


def test_start_values_are_checked_by_name_and_shape() -> None:
    system = flow({"x": "-x", "y": "-y"}, {"a": 1})
    functions = functions_of(system)
    assert functions.initial_state(system, {"y": 3}).tolist() == [1.0, 3.0]
    with pytest.raises(SpecificationError, match="'z' is not a state"):
        functions.initial_state(system, {"z": 1})
    assert functions.split(np.array([1.0, 2.0])) == {"x": 1.0, "y": 2.0}


def test_initial_values_over_many_cells_are_those_of_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    system = dy.System(name="grid", time="discrete", indices={"row": 2, "column": 3},
                       states={"x": dy.State("max(0, a - b*c)", over=("row", "column")), "y": dy.State("a**2", over="row")},
                       parameters={"a": dy.Parameter((1, 2), over="row"), "c": 0.7,
                                   "b": dy.Parameter((0.1, 1, 4), over="column")},
                       equations={"x": "x", "y": "y"})
    cells = functions_of(system).initial_state(system)
    assert cells.tolist() == pytest.approx([0.93, 0.3, 0, 1.93, 1.3, 0, 1, 4])
    monkeypatch.setattr("dynamics.compiled.functions.SMALLEST_COMPILED_CROWD", 2)
    assert functions_of(system).initial_state(system) == pytest.approx(cells, rel=1e-15)
    assert functions_of(system).initial_state(system, {"y": 3})[-2:].tolist() == [3, 3]
