"""Expressions as instructions against NumPy and SymPy."""

import ctypes

import numpy as np
import pytest
from sympy import (
    Abs,
    And,
    Float,
    Heaviside,
    Integer,
    Max,
    Min,
    Or,
    Piecewise,
    Rational,
    Symbol,
    atan,
    cos,
    erf,
    exp,
    gamma,
    lambdify,
    log,
    pi,
    sign,
    sin,
    sqrt,
    tanh,
)

from dynamics.compiled.code import vector_function
from dynamics.compiled.kernels.derivatives import Direction, jacobian
from dynamics.compiled.kernels.ir import POINTER, Module
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel
from dynamics.compiled.kernels.switches import find_switches, normalised
from dynamics.compiled.kernels.tracing import Tracer, count_operations
from dynamics.errors import DerivationError
from dynamics.expressions.functions import expm1, hill, log1p, logistic, softplus

X, Y, A, B = Symbol("x"), Symbol("y"), Symbol("a"), Symbol("b")
SYMBOLS = (X, Y, A, B)
EXPRESSIONS = [
    X + Y, X - 2 * Y + 3, X * Y - A * X * Y + B, X / Y, 1 / X, A * X / (B * Y), -X / A, (X + Y) ** 5, X ** -3, sqrt(X),
    X ** Rational(3, 2), X ** Rational(-1, 2), X ** A, X ** Rational(1, 3), A ** X, 2 ** X, X * pi, Float(0.1) * X,
    exp(-X), log(X * Y), sin(X), cos(X * 3), tanh(X - Y), atan(X / 3), erf(X - Y), log1p(X), expm1(-X), logistic(X - 2 * Y),
    softplus(X - Y), softplus(X - Y, A), hill(X, A, B), hill(X, A, Integer(4)), hill(A, B, X),
    Max(X, Y), Min(X, Y, A), Max(0, 1 - X / A), Abs(X - Y), sign(Y - X), Heaviside(X - A),
    Piecewise((X, X > Y), (Y**2, X > A), (A, True)), Piecewise((X, And(X < Y, X >= A)), (Y, Or(X > A, Y <= B)), (B, True)),
    Max(Max(X, Y) - A, B * X), exp(-(X**2) / A) * (X - Y) ** 2 / (1 + X * Y), Integer(2), A + B, A / B,
]


def evaluated(emit, values, width=4):
    """Rows of what ``emit`` returns, at an array of values for every symbol."""
    module = Module(width)
    build = module.function("f", {"given": POINTER, "out": POINTER})
    place = build.argument("given")
    symbols = {s: build.load(build.at(place, k * width)) for k, s in enumerate(SYMBOLS)}
    results = emit(Tracer(build, symbols, (X, Y)))
    for k, result in enumerate(results):
        build.store(build.at(build.argument("out"), k * width), build.lift(result, build.doubles))
    build.finish()
    f = compile_kernel(module.text(), clean=True).function("f", [ADDRESS, ADDRESS])
    columns = []
    for first in range(0, values.shape[1], width):
        given, out = np.ascontiguousarray(values[:, first: first + width]), np.empty((len(results), width))
        f(given.ctypes.data, out.ctypes.data)
        columns.append(out)
    assert isinstance(f, ctypes._CFuncPtr)
    return np.concatenate(columns, axis=1)


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(7).uniform(0.2, 3.0, (4, 64))


def test_values_are_those_of_numpy(values):
    got = evaluated(lambda t: t.values(EXPRESSIONS), values)
    expected = vector_function(EXPRESSIONS, [SYMBOLS])(values)
    for expression, row, other in zip(EXPRESSIONS, got, expected, strict=True):
        assert np.allclose(row, other, rtol=4e-14, atol=1e-14), expression


def test_derivatives_are_those_of_sympy(values):
    smooth = [e for e in EXPRESSIONS if not e.has(Abs, sign, Heaviside)]
    got = evaluated(lambda t: [d for row in jacobian(t, smooth, (X, Y)) for d in row], values)
    for k, e in enumerate(smooth):
        for j, s in enumerate((X, Y)):
            other = np.broadcast_to(vector_function([e.diff(s)], [SYMBOLS])(values)[0], (values.shape[1],))
            assert np.allclose(got[2 * k + j], other, rtol=1e-12, atol=1e-12), (e, s)


def test_derivative_along_a_direction(values):
    e = exp(X * Y) / (A + X)
    got = evaluated(lambda t: [Direction(t, {X: 2.0, Y: t.value(B)}).derivative(e)], values)[0]
    other = lambdify([SYMBOLS], 2 * e.diff(X) + B * e.diff(Y), modules=["numpy"])(values)
    assert np.allclose(got, other, rtol=1e-13)


def test_jacobian_zeros_are_known():
    module = Module(4)
    build = module.function("f", {"given": POINTER})
    t = Tracer(build, {s: build.load(build.argument("given")) for s in SYMBOLS}, (X, Y))
    assert jacobian(t, [X * A, A + B, Y**2], (X, Y))[0][1] == 0.0
    assert jacobian(t, [A + B], (X, Y)) == [[0.0, 0.0]]


@pytest.mark.parametrize("width", [2, 8])
def test_width_changes_no_digit(values, width):
    assert np.array_equal(evaluated(lambda t: t.values(EXPRESSIONS), values),
                          evaluated(lambda t: t.values(EXPRESSIONS), values, width), equal_nan=True)


def test_poles_and_overflow_are_not_numbers_or_infinite():
    at = np.array([[0.0, -1.0, 800.0, np.nan], [1.0] * 4, [1.0] * 4, [2.0] * 4])
    got = evaluated(lambda t: t.values([1 / X, sqrt(X), exp(X), log(X), hill(X, A, Integer(2)), softplus(X)]), at)
    assert np.isposinf(got[0, 0])
    assert np.isnan(got[1, 1])
    assert np.isposinf(got[2, 2])
    assert np.isneginf(got[3, 0])
    assert np.isnan(got[3, 1])
    assert np.allclose(got[4, :3], [0.0, 0.5, 800.0**2 / (1 + 800.0**2)], rtol=1e-14, atol=0)
    assert got[5, 2] == 800.0
    assert np.isnan(got[:, 3]).all()


def test_parameters_alone_are_divided_once():
    module = Module(4)
    build = module.function("f", {"given": POINTER})
    symbols = {s: build.load(build.argument("given")) for s in SYMBOLS}
    t = Tracer(build, symbols, (X, Y))
    t.values([X / A, Y * X / A + X / A, (X + Y) / A])
    assert module.text().count("fdiv") == 1


def test_what_has_no_instructions_says_so():
    module = Module(4)
    build = module.function("f", {"given": POINTER})
    t = Tracer(build, {X: build.load(build.argument("given"))}, (X,))
    with pytest.raises(DerivationError, match="gamma"):
        t.value(gamma(X))


def test_switches():
    assert normalised(2 - 2 * X) == (X - 1, True)
    found = find_switches([Max(0, 1 - X / A), Min(X - A, 0), Max(A, B), Piecewise((1, X > Y), (0, True))], (X, Y))
    assert len(found.quantities) == 3
    place = found.place(Y - X)
    assert place is not None
    assert found.place(X - Y) == (place[0], not place[1])
    assert found.place(X + 17) is None


def test_sizes_count_shared_parts_once():
    big = (X + Y) * exp(X)
    assert count_operations([big, big + 1]) == count_operations([big]) + 1
