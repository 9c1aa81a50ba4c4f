"""Roots of transcendental equations: the truth is one equation at a time, bracketed, or multiples of pi."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from sympy import Float, Symbol, exp, log, sin, sqrt, tanh

import dynamics as dy
from dynamics.analysis.root_search import search_roots

x, y, z = Symbol("x"), Symbol("y"), Symbol("z")


def found(equations, unknowns, box):
    return in_order([float(root[name]) for name in unknowns] for root in search_roots(equations, unknowns, box))


def in_order(points):
    """Sorted without regard to the last digits."""
    return sorted(points, key=lambda point: [round(value, 6) for value in point])


def test_all_roots_of_a_line():
    roots = found([sin(x) * exp(-x / 50)], [x], [(-20, 20)])
    np.testing.assert_allclose(np.ravel(roots), [k * math.pi for k in range(-6, 7)], rtol=1e-14, atol=1e-15)


def test_all_roots_of_three_equations_that_know_nothing_of_each_other():
    gains = (1.5, 2.0, 3.0)
    away = [brentq(lambda v, g=g: math.tanh(g * v) - v, 0.1, 1.5, xtol=1e-15) for g in gains]
    truth = in_order(itertools.product(*[(-a, 0.0, a) for a in away]))
    roots = found([tanh(Float(g, 17) * s) - s for g, s in zip(gains, (x, y, z), strict=True)], [x, y, z], [(None, None)] * 3)
    np.testing.assert_allclose(roots, truth, rtol=1e-13, atol=1e-13)


def test_places_without_a_value_and_singular_places_are_left():
    # no logarithm or root of a negative number, no exponential of a large one, no slope at x = 0
    roots = found([log(x) + x**2 * exp(x) - math.e, sqrt(y) - 2 + (x - 1)], [x, y], [(None, None)] * 2)
    np.testing.assert_allclose(roots, [[1, 4]], rtol=1e-13)
    # a line of roots has no regular one
    assert found([x * y * exp(x), x * y * exp(y)], [x, y], [(1, 2)] * 2) == []


@pytest.mark.slow
def test_the_points_of_perpetual_futures_stay():
    """As an earlier search, one start after another, found them."""
    points = dy.fixed_points(dy.models.load("perpetual_futures"))
    assert [p.exactness for p in points] == ["exact", *["numeric"] * 5]
    numbers = in_order((p.values["equity_ratio"], p.values["log_open_interest"], p.values["insurance_fund"]) for p in points)
    np.testing.assert_allclose(numbers, [
        (0.0, -410, 0.01157290548451041), (0.0024, -390.8, 5.380492783497166e-05), (0.0024, -390.8, 0.009197223878749387),
        (0.2, -0.11105558222111393, 0.010587924034057596), (0.2, 0.0, 0.01),
        (0.2, 0.16276216647517205, 0.009247433818668844)], rtol=1e-11, atol=1e-13)


def test_a_limit_where_the_equations_have_no_value_is_no_root():
    """Towards x = 0 both equations vanish with y = 3, but sin(x)/x has no value there; with y = 2 it would have to be 2."""
    assert found([x * (y - 2), y - 4 + sin(x) / x], [x, y], [(-1, 1), (0, 5)]) == []


def test_a_root_far_below_one_is_kept():
    roots = found([x * exp(30 * y) - 1, y - 1 + sin(y - 1)], [x, y], [(0, 1), (0, 5)])
    np.testing.assert_allclose(roots, [[math.exp(-30), 1.0]], rtol=1e-12)
