"""Radicals of unknowns as further unknowns, nested roots of parameters, and what bounds say about both."""

import random

import mpmath
import pytest
from sympy import Integer, Rational, Symbol, cancel, log, sqrt

from dynamics.errors import DerivationError
from dynamics.symbolic.elimination import solve_system
from dynamics.symbolic.radicals import denested, is_radical, without_radicals
from dynamics.symbolic.real_solutions import solve_numeric
from dynamics.symbolic.stability import reduce_condition
from dynamics.symbolic.verification import sample_point

x, y, a, b, c, K = (Symbol(name) for name in ("x", "y", "a", "b", "c", "K"))
POSITIVE = dict.fromkeys((a, b, c, K), (Integer(0), None))


def only(equations, unknowns, bounds=POSITIVE):
    (solution,) = solve_system(equations, unknowns, bounds=bounds)
    return solution


def equal(first, second):
    return cancel((first - second).expand()) == 0


# ---- equations ------------------------------------------------------------------------------------------------------

def test_every_radical_becomes_an_unknown_innermost_first():
    equations, roots = without_radicals([sqrt(x + sqrt(x + a)) - 1 / sqrt(x + a), x**2 - sqrt(2)], [x])
    assert len(roots) == 2
    assert len(equations) == 4
    assert not any(is_radical(node) for item in (equations[0], *equations[2:]) for node in item.atoms())
    assert not equations[0].has(x)
    assert equations[1].has(sqrt(2))
    equations, roots = without_radicals([x - sqrt(2)], [x], numbers=True)
    assert not equations[0].has(sqrt(2))


def test_squares_are_not_taken_for_the_root():
    # x - b = sqrt(x + a) has one solution, its square two
    solution = only([sqrt(x + a) - x + b], [x])
    assert equal(solution.values[x], b + Rational(1, 2) + sqrt(4 * a + 4 * b + 1) / 2)
    assert solution.nonnegative == ()
    assert solve_system([sqrt(x + a) + b], [x], bounds=POSITIVE) == ()
    assert only([sqrt(x**2 + a) - 2 * x], [x]).values == {x: sqrt(3) * sqrt(a) / 3}


def test_both_signs_stay_where_the_root_is_even():
    found = {solution.values[x] for solution in solve_system([sqrt(x**2) - a], [x], bounds=POSITIVE)}
    assert found == {a, -a}


@pytest.mark.parametrize(("equation", "value", "condition"), [
    (sqrt(x) - a, a**2, a),
    (sqrt(b + sqrt(x)) - c, (c**2 - b) ** 2, c**2 - b),
    (sqrt(x) + sqrt(x + b) - c, (c**2 - b) ** 2 / (4 * c**2), c**2 - b),
    (1 / sqrt(x) - sqrt(b / (c + x)), c / (b - 1), b - 1),
])
def test_sign_conditions_that_bounds_do_not_decide_are_stated(equation, value, condition):
    bounds = {b: (0, None), c: (0, None)}
    solution = only([equation], [x], bounds)
    assert equal(solution.values[x], value)
    assert [reduce_condition(item, bounds) for item in solution.nonnegative] == [condition]


def test_a_condition_that_contradicts_the_solution_removes_it():
    # sqrt(x**2 + a) = b*x: real where b > 1 only, and there x is positive
    solution = only([sqrt(x**2 + a) - b * x], [x])
    assert equal(solution.values[x] ** 2, a / (b**2 - 1))
    at = {a: Integer(2), b: Integer(3)}
    assert solution.values[x].xreplace(at) == Rational(1, 2)


def test_systems_and_opposite_roots():
    assert only([sqrt(x) - sqrt(K) * y, sqrt(y) - a], [x, y]).values == {x: K * a**4, y: a**2}
    # x**2 = y + a, y**2 = x + a has four real solutions for large a, one of them with both roots positive
    solution = only([x - sqrt(a + y), y - sqrt(a + x)], [x, y])
    assert equal(solution.values[x], (1 + sqrt(4 * a + 1)) / 2)
    assert equal(solution.values[y], (1 + sqrt(4 * a + 1)) / 2)


def test_common_factors_of_roots_cancel():
    found = [solution.values[x] for solution in solve_system([(1 - x) ** 2 - K * x**2], [x], bounds=POSITIVE)]
    assert sorted(str(value) for value in found) == ["-1/(sqrt(K) - 1)", "1/(sqrt(K) + 1)"]


def test_transcendental_equations_are_still_refused():
    with pytest.raises(DerivationError, match="transcendental in x"):
        solve_system([sqrt(x) + log(x) - a], [x], bounds=POSITIVE)


def test_random_radical_equations_against_a_numeric_search():
    """Planted in ``p*sqrt(x + q) + r*sqrt(x + s) = t``: all roots of the monotone and the hump-shaped function found."""
    generator = random.Random(5)
    counts = set()
    for _ in range(25):
        p, r = (Rational(generator.randint(-9, 9) or 1, generator.randint(1, 5)) for _ in range(2))
        planted, first, second = (Rational(generator.randint(0, 20), 4) for _ in range(3))
        q, s, t = first**2 - planted, second**2 - planted, p * first + r * second
        found = [float(item[x]) for item in solve_numeric([p * sqrt(x + q) + r * sqrt(x + s) - t], [x])]
        counts.add(len(found))
        assert min(abs(value - float(planted)) for value in found) < 1e-12
        for value in found:
            assert abs(float(p) * max(value + float(q), 0) ** 0.5 + float(r) * max(value + float(s), 0) ** 0.5
                       - float(t)) < 1e-6
        # sign changes on a fine grid: none without a root that was found
        low = float(-min(q, s))
        grid = [low + 60 * (step / 400) ** 2 for step in range(401)]
        values = [float(p) * max(at + float(q), 0) ** 0.5 + float(r) * max(at + float(s), 0) ** 0.5 - float(t)
                  for at in grid]
        for left, right, before, after in zip(grid, grid[1:], values, values[1:], strict=False):
            if before * after < 0:
                assert any(left - 1e-9 <= value <= right + 1e-9 for value in found)
    assert counts == {1, 2}


def test_numeric_solutions_with_nested_roots():
    (found,) = solve_numeric([sqrt(x + sqrt(x + 1)) - sqrt(2)], [x])
    assert abs(found[x] - (5 - sqrt(13)).evalf(40) / 2) < 1e-28
    assert solve_numeric([sqrt(x) + 2], [x]) == ()
    assert [float(item[x]) for item in solve_numeric([x ** Rational(1, 3) - x], [x])] == [0.0, 1.0]


# ---- simplification -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("nested", "simple"), [
    (sqrt(K * (1 + a) ** 2), sqrt(K) * (a + 1)),
    (sqrt(1 + 2 * sqrt(K) + K), sqrt(K) + 1),
    (sqrt(3 + 2 * sqrt(2)), 1 + sqrt(2)),
    (sqrt(2 + sqrt(3)), sqrt(2) / 2 + sqrt(6) / 2),
    ((1 - K) / (1 - sqrt(K)), sqrt(K) + 1),
    ((8 * a**6) ** Rational(1, 3), 2 * a**2),
    (sqrt(c**2), c),
    (sqrt(4 * a**2 / (1 + K) ** 2), 2 * a / (K + 1)),
])
def test_nested_roots_are_taken_apart(nested, simple):
    assert equal(denested(nested, POSITIVE), simple)
    assert denested(nested, POSITIVE).count_ops() <= simple.count_ops()


def test_bounds_and_known_signs_decide_the_root_of_a_square():
    square = sqrt((a - b) ** 2)
    assert denested(square, POSITIVE) == square
    assert equal(denested(square, POSITIVE, [b - a]), b - a)
    assert denested(sqrt((K - 1) ** 2), {K: (0, 1)}) == 1 - K
    assert denested(sqrt(a**2), {}) == sqrt(a**2)
    assert equal(denested(sqrt(1 - 2 * sqrt(K) + K), {K: (0, 1)}), 1 - sqrt(K))
    # conditions see the factors of roots as well: 1 - K is 1 - sqrt(K) times something positive
    assert reduce_condition(sqrt(K) - K, POSITIVE) == 1 - sqrt(K)


def test_denesting_keeps_the_value():
    generator = random.Random(11)
    expressions = [
        sqrt(a + b + 2 * sqrt(a * b)), sqrt(K**3 * a**2 / b), sqrt(a + K * sqrt(b)), sqrt(a + sqrt(a**2 + b)) / sqrt(K),
        sqrt(2 * a + 2 * sqrt(a**2 - b**2)), (a / sqrt(b) + sqrt(b * K)) / (1 + sqrt(K)), sqrt((a - b) ** 2 * K),
        sqrt(K / (1 + sqrt(K)) ** 2 + a * K * (1 + b) ** 2), (a**4 * K**2) ** Rational(1, 3)]
    for expression in expressions:
        simple = denested(expression, POSITIVE)
        for _ in range(5):
            at = sample_point(sorted(expression.free_symbols, key=str), POSITIVE, generator)
            before, after = (mpmath.mpmathify(item.xreplace(at).evalf(30)) for item in (expression, simple))
            assert abs(before - after) < 1e-25 * (1 + abs(before)), (expression, simple, at)
