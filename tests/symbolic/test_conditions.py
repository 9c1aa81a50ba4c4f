import pytest
from sympy import Integer, Symbol, cancel, false, sqrt, true

from dynamics.errors import DerivationError
from dynamics.symbolic.conditions import inequality, solve_for

a, b, c = Symbol("a"), Symbol("b"), Symbol("c")
POSITIVE = (Integer(0), None)
BOUNDS = {a: POSITIVE, b: POSITIVE, c: POSITIVE}


def test_linear():
    ((value, where),) = solve_for(a * b - c * (a + 1), a, BOUNDS)
    assert cancel(value - c / (b - c)) == 0
    assert where == (b - c > 0)


def test_solution_outside_its_bounds_is_left_out():
    assert solve_for(a + b, a, BOUNDS) == ()
    assert solve_for(a - 2, a, {a: (0, 1)}) == ()
    ((value, where),) = solve_for(a - b, a, {a: (0, 1), b: POSITIVE})
    assert (value, where) == (b, 1 - b > 0)


def test_known_relation_enters_the_validity():
    ((_, where),) = solve_for(a - b, a, BOUNDS, [1 - a * c])
    assert where == (1 - b * c > 0)


def test_quadratic():
    found = solve_for(a**2 - 2 * b * a + c, a, BOUNDS)
    assert {value for value, _ in found} == {b - sqrt(b**2 - c), b + sqrt(b**2 - c)}
    for _, where in found:
        assert where == (b**2 - c >= 0)


def test_absent_symbol_and_no_closed_form():
    assert solve_for(b - c, a, BOUNDS) == ()
    with pytest.raises(DerivationError):
        solve_for(a**5 - a + b, a, BOUNDS)


def test_inequality():
    assert inequality(b - a * c, BOUNDS, a) == (a < b / c)
    assert inequality(a * c - b, BOUNDS, a) == (a > b / c)
    # the sign of the coefficient is unknown: nothing is isolated
    assert inequality(a * (b - c) + 1, BOUNDS, a) == (a * b - a * c + 1 > 0)
    assert inequality(a + b, BOUNDS) == true
    assert inequality(-a, BOUNDS) == false
    assert inequality(3 * b - 3 * a**2, BOUNDS) == (b > a**2)
