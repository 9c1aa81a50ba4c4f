import random

import numpy as np
import pytest
from sympy import Abs, Integer, Matrix, Max, Rational, Symbol, cancel, exp, eye, sqrt

from dynamics.errors import DerivationError
from dynamics.symbolic.polynomial import (
    characteristic_polynomial,
    factor_characteristic,
    jacobian_matrix,
    roots_numeric,
    structural_zeros,
)

a, b, x, z = (Symbol(name) for name in "abxz")


def test_jacobian_of_nonsmooth_expressions():
    matrix = jacobian_matrix([Abs(x - a), Max(0, x)], [x])
    assert matrix.xreplace({x: Integer(2), a: Integer(3)}) == Matrix([-1, 1])
    assert matrix.xreplace({x: Integer(-2), a: Integer(-3)}) == Matrix([1, 0])
    assert matrix.free_symbols == {x, a}


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
