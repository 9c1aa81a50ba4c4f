import random

import mpmath
import numpy as np
import pytest
from sympy import Abs, Integer, Matrix, Max, Rational, Symbol, cancel, exp, eye, lambdify, sqrt, symbols, tanh

from dynamics.errors import DerivationError
from dynamics.symbolic.polynomial import (
    characteristic_polynomial,
    factor_characteristic,
    jacobian_matrix,
    roots_numeric,
    structural_zeros,
)
from dynamics.symbolic.timelimit import with_time_limit

a, b, x, z = (Symbol(name) for name in "abxz")


def test_jacobian_of_nonsmooth_expressions():
    matrix = jacobian_matrix([Abs(x - a), Max(0, x)], [x])
    assert matrix.xreplace({x: Integer(2), a: Integer(3)}) == Matrix([-1, 1])
    assert matrix.xreplace({x: Integer(-2), a: Integer(-3)}) == Matrix([1, 0])
    assert matrix.free_symbols == {x, a}


def test_jacobian_of_a_tanh_with_a_long_argument_takes_no_time():
    """The mood of a crowd that follows the price, which loops and managers move; SymPy alone takes minutes."""
    x, u, a, w, q, s = symbols("x u a w q s")
    b, h, n, v, theta, target, r, d, g, y, k, p, m, z, c, f = symbols("b h n v theta target r d g y k p m z c f")
    loops = g * (y - (1 - u) * (k + p * (w - z) + m * (w - z)))
    trade = theta * (u * target * (r * (u * a + d - 1) + 1) - 1) - q + loops + s * c
    inner = b * s + h * (n * trade - v * x)
    (row,) = with_time_limit(jacobian_matrix, [f * (tanh(inner) - s)], [x, u, a, w, q, s], seconds=20).tolist()
    drive = {x: -h * v, u: h * n * (theta * target * (r * (2 * u * a + d - 1) + 1) + g * (k + (p + m) * (w - z))),
             a: h * n * theta * target * r * u**2, w: -h * n * g * (p + m) * (1 - u), q: -h * n, s: b + h * n * c}
    at = {name: Rational(position + 2, 7) for position, name in enumerate(sorted((f * inner).free_symbols, key=str))}
    for state, found in zip(drive, row, strict=True):
        expected = f * ((1 - tanh(inner) ** 2) * drive[state] - int(state == s))
        assert abs((found - expected).subs(at).evalf(30)) < 1e-20


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_characteristic_polynomial_is_the_determinant(size):
    generator = random.Random(size)
    entries = [Integer(0), Integer(0), a, b, Integer(2), a * b, a / (1 + b), sqrt(a), exp(b)]
    matrix = Matrix(size, size, lambda *_: generator.choice(entries))
    expected = (z * eye(size) - matrix).det(method="berkowitz")
    at = {a: Rational(7, 5), b: Rational(-2, 3), z: Rational(9, 4)}
    difference = characteristic_polynomial(matrix, z) - expected
    assert abs(difference.xreplace(at).evalf(30)) < 1e-20


def test_factors_and_structural_zeros():
    laplacian = Matrix([[-a, a, 0], [a, -2 * a, a], [0, a, -a]])
    factors = factor_characteristic(laplacian)
    assert structural_zeros(factors) == 1
    assert {cancel(factor.coefficients[1] / a) for factor in factors} == {0, 1, 3}
    block = Matrix([[0, 1, 0, 0], [-a, -b, 0, 0], [1, 2, 0, 1], [3, 4, -a, -b]])
    (factor,) = factor_characteristic(block)
    assert factor.multiplicity == 2
    assert factor.coefficients == (1, b, a)


def test_radical_entries_are_reduced():
    root = sqrt(a)
    matrix = Matrix([[root, a], [1, -root]])
    assert cancel(characteristic_polynomial(matrix, z) - (z**2 - 2 * a)) == 0


def test_eigenvalues_match_numpy():
    generator = np.random.default_rng(5)
    numbers = generator.integers(-9, 9, size=(12, 12))
    found = roots_numeric(Matrix(numbers.tolist()))
    expected = sorted(np.linalg.eigvals(numbers.astype(float)), key=lambda item: (item.real, item.imag))
    assert np.allclose(sorted(item.real for item in found), sorted(item.real for item in expected), atol=1e-8)
    assert np.allclose(np.sum(found), np.trace(numbers), atol=1e-9)


def test_multiple_eigenvalues():
    jordan = Matrix([[2, 1, 0], [0, 2, 1], [0, 0, 2]])
    assert np.allclose(roots_numeric(jordan), 2, atol=1e-7)


def test_errors():
    with pytest.raises(DerivationError, match="square"):
        factor_characteristic(Matrix([[1, 2]]))
    with pytest.raises(DerivationError, match="no finite value"):
        roots_numeric(Matrix([[a]]))


def test_jacobian_of_nested_tanh_is_the_derivative():
    field = tanh(a * tanh(x * b) + Abs(x) * exp(x)) * x**b + tanh(b)
    (derivative,) = jacobian_matrix([field], [x])
    numbers = {a: Rational(3, 2), b: Rational(5, 2)}
    slope = mpmath.diff(lambdify(x, field.xreplace(numbers), modules=["mpmath"]), mpmath.mpf(2) / 3)
    assert float(derivative.xreplace({**numbers, x: Rational(2, 3)})) == pytest.approx(float(slope), rel=1e-12)
    assert jacobian_matrix([tanh(a)], [x]) == Matrix([0])


def test_denominators_of_rows_leave_the_polynomial():
    c, d, e, f, g, h = symbols("c d e f g h")
    rate, share = c + d * e, 1 / (a + b)
    flow = [-c * share, a * f - rate * share, d / rate, g]
    price = [-h, *(b * entry for entry in flow[1:])]
    equity = [(1 - share) * first - share * second for first, second in zip(price, flow, strict=True)]
    crowd = [f * entry for entry in price[:3]] + [f * price[3] - e]
    matrix = Matrix([price, equity, [entry / rate for entry in flow], crowd])
    (factor,) = [factor for factor in factor_characteristic(matrix) if factor.degree > 1]
    at = dict(zip((a, b, c, d, e, f, g, h), (Rational(k, 7) for k in range(2, 10)), strict=True))
    roots = np.roots([float(item.xreplace(at)) for item in factor.coefficients])
    expected = np.linalg.eigvals(np.array(matrix.xreplace(at), dtype=float))
    assert all(min(abs(expected - root)) < 1e-9 for root in roots)
