"""Powers with many digits: the algebra that would clear their fractions is not begun, and the points are found."""

import pytest
from scipy.optimize import brentq
from sympy import Rational, Symbol

import dynamics as dy
from dynamics.symbolic.budgets import HIGHEST, BudgetError, check_powers


@pytest.mark.parametrize(("equation", "function", "bracket"), [
    ("-x + a*x**0.5783 + 0.1", lambda x: -x + 1.5 * x**0.5783 + 0.1, (0.1, 10)),
    ("1 - a*x**0.5783", lambda x: 1 - 1.5 * x**0.5783, (0.1, 10)),
    ("x**1.5783 - a*x**0.35 - 1", lambda x: x**1.5783 - 1.5 * x**0.35 - 1, (1, 10)),
    ("a - x**2.123456789", lambda x: 1.5 - x**2.123456789, (0.1, 10)),
    ("a - (x + 1)**0.7071 - x", lambda x: 1.5 - (x + 1) ** 0.7071 - x, (0, 10)),
    ("a - x - 0.1*x**(-0.3333)", lambda x: 1.5 - x - 0.1 * x**-0.3333, (0.5, 10)),
])
def test_points_are_those_of_another_root_finder(equation, function, bracket):
    system = dy.System(name="powers", states={"x": dy.State(1, "1", (0, None))}, parameters={"a": 1.5},
                       equations={"x": equation})
    points = dy.fixed_points(system)
    root = brentq(function, *bracket, xtol=1e-14)
    assert min(abs(point.values["x"] - root) for point in points) < 1e-9
    assert points.provenance["exactness"] == "numeric"
    assert "polynomial of degree" in points.provenance["note"]


def test_two_states():
    system = dy.System(name="pair", states={"x": dy.State(1, "1", (0, None)), "y": dy.State(1, "1", (0, None))},
                       parameters={"a": 1.5}, equations={"x": "a*y**0.5783 - x", "y": "x**0.4217 - y"})
    root = brentq(lambda x: 1.5 * x ** (0.4217 * 0.5783) - x, 0.5, 10, xtol=1e-14)
    assert any(abs(point.values["x"] - root) < 1e-9 for point in dy.fixed_points(system))


def test_edge_of_the_budget():
    x, y = Symbol("x"), Symbol("y")
    check_powers([x ** Rational(1, HIGHEST) - x], [x])
    check_powers([x ** Rational(7, 20) - x ** Rational(3, 2)], [x])
    check_powers([x**5000 - 1, y ** Rational(1, 5000) - x], [x])
    with pytest.raises(BudgetError, match=f"degree {HIGHEST + 1}"):
        check_powers([x ** Rational(1, HIGHEST + 1) - x], [x])
    with pytest.raises(BudgetError, match="degree 323"):
        check_powers([x ** Rational(1, 17) - x ** Rational(1, 19)], [x])
