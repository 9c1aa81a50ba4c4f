import random

import numpy as np
import pytest
from sympy import Integer, Matrix, Rational, Symbol, cancel

from dynamics.errors import DerivationError
from dynamics.symbolic.polynomial import factor_characteristic, jacobian_matrix
from dynamics.symbolic.stability import (
    hurwitz_conditions,
    jury_conditions,
    lienard_chipart_conditions,
    reduce_condition,
    stability_of_factor,
)

POSITIVE = (Integer(0), None)
SLOW = [pytest.param(degree, marks=pytest.mark.slow) for degree in (3, 4, 5, 6)]


def random_polynomial(generator, degree, discrete):
    """Rational coefficients, any leading sign, roots on both sides of the border."""
    roots = []
    while len(roots) < degree:
        real = generator.gauss(0, 1 / degree**0.5) if discrete else generator.gauss(-0.17 * degree, 0.5)
        imaginary = generator.gauss(0, 0.5 if discrete else 1.2)
        if degree - len(roots) > 1 and generator.random() < 0.6:
            roots += [complex(real, imaginary), complex(real, -imaginary)]
        else:
            roots.append(real)
    scale = generator.choice([-3, 1, Rational(1, 2)])
    return [scale * Rational(round(float(item.real) * 1000), 1000) for item in np.poly(roots)]


@pytest.mark.parametrize("degree", [1, 2, *SLOW])
@pytest.mark.parametrize("discrete", [False, True])
def test_conditions_hold_exactly_when_the_eigenvalues_are_stable(degree, discrete):
    generator = random.Random(100 * degree + discrete)
    verdicts = {True: 0, False: 0}
    for _ in range(200):
        coefficients = random_polynomial(generator, degree, discrete)
        roots = np.roots([float(item) for item in coefficients])
        margin = max(abs(roots)) - 1 if discrete else max(roots.real)
        if abs(margin) < 1e-6:
            continue
        stable = bool(margin < 0)
        verdicts[stable] += 1
        for conditions in [jury_conditions] if discrete else [hurwitz_conditions, lienard_chipart_conditions]:
            assert all(item.expression > 0 for item in conditions(coefficients)) is stable
    assert min(verdicts.values()) > 8


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("degree", [2, 3, 4, 5, pytest.param(6, marks=pytest.mark.slow)])
def test_symbolic_conditions_agree_with_the_eigenvalues(degree, discrete):
    symbols = [Symbol(f"c{index}") for index in range(degree)]
    conditions = (jury_conditions if discrete else lienard_chipart_conditions)([Integer(1), *symbols])
    compiled = [(item.expression, item.kind) for item in conditions]
    generator = random.Random(degree)
    verdicts = {True: 0, False: 0}
    for _ in range(60):
        first, *rest = random_polynomial(generator, degree, discrete)
        coefficients = [item / first for item in rest]
        roots = np.roots([1.0, *(float(item) for item in coefficients)])
        margin = max(abs(roots)) - 1 if discrete else max(roots.real)
        if abs(margin) < 1e-6:
            continue
        at = dict(zip(symbols, coefficients, strict=True))
        stable = bool(margin < 0)
        verdicts[stable] += 1
        assert all(expression.xreplace(at) > 0 for expression, _ in compiled) is stable
    assert min(verdicts.values()) > 3


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_kinds_are_those_of_the_roots_on_the_border(degree):
    symbols = [Symbol(f"c{index}") for index in range(degree)]
    borders = {
        "fold": (lienard_chipart_conditions, [0]),
        "hopf": (lienard_chipart_conditions, [2j, -2j]),
        "period_doubling": (jury_conditions, [-1]),
        "neimark_sacker": (jury_conditions, [0.6 + 0.8j, 0.6 - 0.8j]),
    }
    for kind, (route, critical) in borders.items():
        inner = [-0.5, -0.25, 0.125] if route is jury_conditions else [-1, -2, -3]
        coefficients = np.poly([*critical, *inner[: degree - len(critical)]]).real
        at = {
            symbol: Rational(round(value * 8000), 8000) for symbol, value in zip(symbols, coefficients[1:], strict=True)
        }
        for item in route([Integer(1), *symbols]):
            value = item.expression.xreplace(at)
            assert abs(value) < 1e-9 if item.kind == kind else value > 0


def test_lorenz_hopf():
    r, s, b = Symbol("r"), Symbol("s"), Symbol("b")
    # characteristic cubic at the nontrivial points
    coefficients = [1, s + b + 1, b * (r + s), 2 * s * b * (r - 1)]
    (hopf,) = stability_of_factor(coefficients, bounds={r: (Integer(1), None), s: POSITIVE, b: POSITIVE})
    assert hopf.kind == "hopf"
    critical = s * (s + b + 3) / (s - b - 1)
    assert cancel(hopf.expression.xreplace({r: critical})) == 0
    at = {s: Integer(10), b: Rational(8, 3)}
    assert hopf.expression.xreplace({**at, r: Rational(470, 19)}) == 0
    assert hopf.expression.xreplace({**at, r: Integer(20)}) > 0
    assert hopf.expression.xreplace({**at, r: Integer(28)}) < 0


def test_brusselator():
    a, b, x, y = (Symbol(name) for name in "abxy")
    matrix = jacobian_matrix([a - (b + 1) * x + x**2 * y, b * x - x**2 * y], [x, y]).xreplace({x: a, y: b / a})
    (factor,) = factor_characteristic(matrix)
    (condition,) = stability_of_factor(factor.coefficients, bounds={a: POSITIVE, b: POSITIVE})
    assert condition.kind == "hopf"
    assert condition.expression == 1 + a**2 - b


def test_maps():
    r, x = Symbol("r"), Symbol("x")
    slope = jacobian_matrix([r * x * (1 - x)], [x]).xreplace({x: 1 - 1 / r})
    (factor,) = factor_characteristic(slope)
    fold, doubling = stability_of_factor(factor.coefficients, "discrete")
    assert (fold.expression, fold.kind) == (r - 1, "fold")
    assert (doubling.expression, doubling.kind) == (3 - r, "period_doubling")
    # Henon map: its point x = (1 - b)/(2 a) flips, which happens at a = 3 (1 - b)**2 / 4
    a, b = Symbol("a"), Symbol("b")
    by_kind = {item.kind: item.expression for item in stability_of_factor([1, 2 * a * x, -b], "discrete")}
    assert cancel(by_kind["period_doubling"].xreplace({x: (1 - b) / (2 * a)})) == 0
    assert by_kind["neimark_sacker"] == b + 1


def test_factored_and_unfactored_verdicts_agree():
    generator = random.Random(3)
    p = Symbol("p")
    for _ in range(8):
        upper = [[generator.randint(-3, 1) for _ in range(2)] for _ in range(2)]
        lower = [[generator.randint(-3, 1) for _ in range(2)] for _ in range(2)]
        rows = [[upper[0][0] + p, upper[0][1], 1, 2], [*upper[1], 0, p]]
        rows += [[0, 0, lower[0][0] - p, lower[0][1]], [0, 0, *lower[1]]]
        matrix = Matrix(rows)
        factors = factor_characteristic(matrix)
        assert sum(item.degree * item.multiplicity for item in factors) == 4
        whole = matrix.charpoly().all_coeffs()
        for value in (Rational(-5, 2), Rational(1, 3), Rational(7, 5)):
            at = {p: value}
            each = all(
                condition.expression.xreplace(at) > 0
                for item in factors
                for condition in stability_of_factor(item.coefficients)
            )
            numbers = [item.xreplace(at) for item in whole]
            assert each == all(item.expression > 0 for item in hurwitz_conditions(numbers))


def test_reduce_condition():
    a, b, x = Symbol("a"), Symbol("b"), Symbol("x")
    bounds = {a: POSITIVE, b: POSITIVE}
    assert reduce_condition((b - a) / (-2 * a * b), bounds) == a - b
    assert reduce_condition(a * (x - 1) ** 2 * (x + 2), bounds) == x + 2
    assert reduce_condition(-a / b, bounds) == -1
    assert reduce_condition(a - a, bounds) == 0
    assert reduce_condition(1 - a * b, bounds, [1 - a * b]) == 1


def test_degenerate_input():
    with pytest.raises(DerivationError):
        hurwitz_conditions([Integer(1)])
    with pytest.raises(DerivationError):
        jury_conditions([Integer(0), Integer(1)])


def test_a_determinant_of_pages_is_written_in_the_coefficients():
    names = [[Symbol(f"c{index}{part}") for part in range(6)] for index in range(4)]
    coefficients = [Integer(3), *(sum(row) - 2 * row[0] for row in names)]
    bounds = {symbol: POSITIVE for row in names for symbol in row}
    conditions = lienard_chipart_conditions(coefficients, bounds)
    (hopf,) = [item for item in conditions if item.kind == "hopf"]
    assert len(hopf.expression.expand().args) > 300
    assert hopf.expression.count_ops() < 60
    generator = random.Random(7)
    verdicts = {True: 0, False: 0}
    for _ in range(400):
        at = {symbol: Rational(generator.randint(1, 40), 8) for symbol in bounds}
        margin = max(np.roots([float(item.xreplace(at)) for item in coefficients]).real)
        if abs(margin) > 1e-6:
            verdicts[bool(margin < 0)] += 1
            assert all(item.expression.xreplace(at) > 0 for item in conditions) is bool(margin < 0)
    assert min(verdicts.values()) > 20
