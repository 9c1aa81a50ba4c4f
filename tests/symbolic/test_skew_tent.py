import itertools
import math

import pytest
from sympy import Rational, Symbol

from dynamics.symbolic.skew_tent import cycle_window, skew_tent_attractor


def simulated(left, right):
    """(kind, period or number of intervals) of a long orbit."""
    x, orbit = 0.1234, []
    for step in range(45000):
        x = (left if x <= 0 else right) * x + 1
        if abs(x) > 1e9:
            return "none", 0
        if step >= 5000:
            orbit.append(x)
    for period in range(1, 20):
        if max(abs(orbit[k] - orbit[0]) for k in (period, 2 * period)) < 1e-9:
            return "fixed point" if period == 1 else "cycle", period
    ordered = sorted(orbit)
    gap = 4e-3 * (ordered[-1] - ordered[0])
    return "chaos", 1 + sum(b - a > gap for a, b in itertools.pairwise(ordered))


# one pair of slopes from each part of the partition
@pytest.mark.parametrize(("left", "right"), [
    (0.4, 0.5), (2.0, -0.5), (-2.0, -0.3), (0.5, 1.2), (2.0, 1.5),  # right slope above -1
    (-0.5, -1.7), (-0.5, -2.5), (-1.2, -1.5), (0.0, -3.0),  # both slopes falling
    (0.4, -2.4), (0.4, -3.6), (0.4, -12.0), (0.6, -2.72),  # windows of cycles
    (0.9, -1.05), (0.8, -1.3), (0.8, -1.5), (0.8, -2.4), (0.4, -6.4), (0.4, -6.6), (0.4, -2.6),  # chaos, 4 to 1 intervals
    (1.4, -1.5), (1.4, -3.4), (1.4, -3.6), (1.2, -1.15),  # both sides of the crisis
])
def test_agrees_with_a_long_orbit(left, right):
    found = skew_tent_attractor(left, right)
    assert (found.kind, found.period) == simulated(left, right)


def test_boundaries_are_closed_forms():
    a = Symbol("a")
    exists, stable = cycle_window(a, 4)
    assert (exists + (1 - a**3) / (a**2 * (1 - a))).simplify() == 0
    assert stable == -(a**-3)
    assert cycle_window(Rational(2, 5), 2) == (-1, Rational(-5, 2))
    # two intervals merge where a b**2 + b - a = 0 (the fixed point becomes homoclinic)
    left = 1.2
    merging = (-1 - math.sqrt(1 + 4 * left**2)) / (2 * left)
    assert skew_tent_attractor(left, merging + 1e-6).period == 2
    assert skew_tent_attractor(left, merging - 1e-6).period == 1
    crisis = -left / (left - 1)
    assert skew_tent_attractor(left, crisis + 1e-6).kind == "chaos"
    assert skew_tent_attractor(left, crisis - 1e-6).kind == "none"


@pytest.mark.parametrize(("left", "right"), [(0.3, 1.0), (0.3, -1.0), (0.4, -2.5), (0.4, -3.5), (-0.5, -2.0)])
def test_on_a_boundary_nothing_is_claimed(left, right):
    assert skew_tent_attractor(left, right).kind == "not determined"


def test_extreme_slopes():
    assert skew_tent_attractor(1e-3, -5e8).text == "stable cycle of period 4 (LLLR)"
    assert skew_tent_attractor(0.999999, -1.5).kind == "chaos"
