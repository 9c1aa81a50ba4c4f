"""Interval arithmetic never loses a value: random expressions, boxes and points, against multiple precision."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Abs,
    I,
    Integer,
    Max,
    Min,
    Piecewise,
    Rational,
    Symbol,
    atan,
    cos,
    erf,
    exp,
    log,
    nan,
    oo,
    pi,
    sign,
    sin,
    sqrt,
    tanh,
    zoo,
)

from dynamics.errors import DerivationError
from dynamics.expressions.functions import expm1, hill, log1p, logistic, softplus
from dynamics.symbolic.coordinates import Axis, cleared, inputs
from dynamics.symbolic.interval_clusters import joined
from dynamics.symbolic.interval_ends import DOUBLES, MultiplePrecision
from dynamics.symbolic.interval_evaluation import BROKEN, KINK, NOWHERE, SMOOTH, Jet, evaluate
from dynamics.symbolic.interval_search import search
from dynamics.symbolic.intervals import Arithmetic, Interval

X, Y = Symbol("x"), Symbol("y")
ARITHMETIC = Arithmetic(DOUBLES)
PRECISION = MultiplePrecision(40)

leaves = st.sampled_from([X, Y, Integer(1), Integer(-2), Rational(1, 3), Rational(7, 10), pi])


def larger(children):
    pair = st.tuples(children, children)
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]), pair.map(lambda p: p[0] * p[1]), pair.map(lambda p: p[0] - p[1]),
        pair.map(lambda p: p[0] / p[1] if p[1] != 0 else p[0]),
        st.tuples(children, st.sampled_from([2, 3, 4, -1, -2, Rational(1, 2), Rational(3, 2), Rational(1, 3)])).map(
            lambda p: p[0] ** p[1] if p[0] != 0 else p[0]),
        st.tuples(children, st.sampled_from([sin, cos, tanh, atan, exp, log, log1p, expm1, logistic, softplus, erf])).map(
            lambda p: p[1](p[0])),
        pair.map(lambda p: Max(p[0], p[1]) if real(p) else p[0]), pair.map(lambda p: Min(p[0], p[1]) if real(p) else p[1]),
        st.tuples(children, children, children).map(lambda p: cases(*p)),
        children.map(lambda c: hill(c, Rational(1, 2), 3)), children.map(lambda c: softplus(c, Rational(1, 4))),
    )


def real(pair):
    return all(p.is_extended_real is not False and (p.is_comparable or p.free_symbols) for p in pair)


def cases(a, b, c):
    return Piecewise((a, c > Rational(1, 5)), (b, True)) if real((c,)) else a


def exact(e):
    return not e.has(zoo, oo, -oo, nan, I) and e.count_ops() < 40


expressions = st.recursive(leaves, larger, max_leaves=6).filter(exact)
numbers = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0]), st.floats(-4, 4, allow_nan=False, allow_subnormal=False))
fractions = st.floats(0, 1)


def jets(expression, boxes, arithmetic=ARITHMETIC):
    one = arithmetic.rational(1)
    known = {s: Jet(box, {k: one}, SMOOTH) for k, (s, box) in enumerate(zip((X, Y), boxes, strict=True))}
    return evaluate([expression], known, arithmetic)[0]


def value_at(expression, x, y):
    """Real value in 40 digits, or None."""
    try:
        number = expression.xreplace({X: Rational(x), Y: Rational(y)}).evalf(40)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError):
        return None
    if number.is_Float and number.is_finite:
        return mpmath.make_mpf(number._mpf_)
    with mpmath.workdps(45):
        return mpmath.mpf(int(number.p)) / int(number.q) if number.is_Rational else None


@settings(max_examples=250, deadline=None, derandomize=True)
@given(expressions, st.tuples(numbers, numbers, numbers, numbers), st.tuples(fractions, fractions))
def test_enclosures_hold_every_value(expression, ends, place):
    a, b, c, d = ends
    low, high = (min(a, b), min(c, d)), (max(a, b), max(c, d))
    x, y = (min(max(p + f * (q - p), p), q) for p, q, f in zip(low, high, place, strict=True))
    value = value_at(expression, x, y)
    if value is None:
        return
    jet = jets(expression, [Interval(np.array([p]), np.array([q])) for p, q in zip(low, high, strict=True)])
    assert np.all(jet.defect != NOWHERE)
    lower, upper = (float(np.ravel(e)[0]) for e in (jet.value.lo, jet.value.hi))
    # 1e-35: the rounding of the reference
    assert lower - 1e-35 <= value <= upper + 1e-35


@settings(max_examples=150, deadline=None, derandomize=True)
@given(expressions, st.tuples(numbers, numbers), numbers, st.tuples(fractions, fractions))
def test_slopes_hold_every_quotient_of_differences(expression, ends, y, place):
    low, high = min(ends), max(ends)
    a, b = sorted(min(max(low + f * (high - low), low), high) for f in place)
    first, second = value_at(expression, a, y), value_at(expression, b, y)
    if first is None or second is None or b - a < 1e-3:
        return
    jet = jets(expression, [Interval(np.array([low]), np.array([high])), Interval(np.array([y]), np.array([y]))])
    if np.any(np.asarray(jet.defect) >= BROKEN):
        return
    slope = jet.slopes.get(0, ARITHMETIC.rational(0))
    quotient = (second - first) / (mpmath.mpf(b) - mpmath.mpf(a))
    # the mean value theorem is applied to numbers of 40 digits
    room = 1e-30 * (1 + abs(first) + abs(second))
    assert float(np.ravel(slope.lo)[0]) - room <= quotient <= float(np.ravel(slope.hi)[0]) + room


@settings(max_examples=60, deadline=None, derandomize=True)
@given(expressions, numbers, numbers)
def test_multiple_precision_agrees_with_doubles(expression, x, y):
    value = value_at(expression, x, y)
    if value is None:
        return
    points = [Interval(*(np.array([PRECISION.context.mpf(v)], dtype=object),) * 2) for v in (x, y)]
    jet = jets(expression, points, Arithmetic(PRECISION))
    lower, upper = (np.ravel(e)[0] for e in (jet.value.lo, jet.value.hi))
    assert lower - 1e-33 * (1 + abs(value)) <= value <= upper + 1e-33 * (1 + abs(value))
    # tight, unless a term was undefined or cancelled
    assert np.any(np.asarray(jet.defect) >= BROKEN) or upper - lower <= 1e-15 * (1 + abs(value))


# ---- functions and rules, one by one ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    "exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "atan", "softplus", "logistic", "erf"])
def test_functions_are_bounded_at_awkward_points(name):
    x = np.array([1e-300, 1e-17, 1e-8, 0.5, 1.0, 3.0, 20.0, 36.7, 700.0, 1e5])
    if name not in ("log", "sqrt", "log1p"):
        x = np.concatenate([-x, [0.0], x])
    with np.errstate(all="ignore"):
        low, high = DOUBLES.function(name, x)
    with mpmath.workdps(700):
        truth = {"softplus": lambda v: mpmath.log(1 + mpmath.exp(v)), "logistic": lambda v: 1 / (1 + mpmath.exp(-v))}
        for a, p, b in zip(low, x, high, strict=True):
            value = truth.get(name, getattr(mpmath, name, None))(mpmath.mpf(float(p)))
            assert a <= value <= b
            assert b - a <= 1e-13 * abs(value) + 1e-300 or b == np.inf


@pytest.mark.parametrize("name", [
    "exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "atan", "softplus", "logistic"])
def test_flint_bounds_lie_around_those_of_mpmath(name):
    pytest.importorskip("flint").ctx  # noqa: B018
    x = np.array([PRECISION.context.mpf(v) for v in (0.25, 1, 3.5, 40)], dtype=object)
    assert PRECISION.name == "python-flint"
    low, high = PRECISION.function(name, x)
    for a, p, b in zip(low, x, high, strict=True):
        near_low, near_high = PRECISION._bounds(name, p)
        assert a <= near_high
        assert near_low <= b
        assert b - a <= abs(b) * 1e-38


def interval(low, high):
    return Interval(np.array([float(low)]), np.array([float(high)]))


@pytest.mark.parametrize(("expression", "low", "high", "expected", "defect"), [
    (X**2, -1, 2, (0, 4), SMOOTH), (X**3, -2, 1, (-8, 1), SMOOTH), (1 / X, 1, 2, (0.5, 1), SMOOTH),
    (1 / X, 0, 2, (0.5, np.inf), BROKEN), (1 / X, -1, 2, (-np.inf, np.inf), BROKEN), (sqrt(X), -1, 4, (0, 2), BROKEN),
    (sqrt(X), -2, -1, None, NOWHERE), (log(X), -1, 0, None, NOWHERE), (sin(X), 0, 4, (np.sin(4), 1), SMOOTH),
    (cos(X), -1, 1, (np.cos(1), 1), SMOOTH), (cos(X), 1, 100, (-1, 1), SMOOTH), (Max(0, X), -1, 2, (0, 2), KINK),
    (Max(0, X), 1, 2, (1, 2), SMOOTH), (Min(X, 1 - X), 2, 3, (-2, -1), SMOOTH), (Abs(X), -3, 2, (0, 3), KINK),
    (sign(X), 1, 2, (1, 1), SMOOTH), (sign(X), -1, 2, (-1, 1), BROKEN), (hill(X, 1, 2), 0, np.inf, (0, 1), SMOOTH),
    (Piecewise((X, X > 0), (5, True)), -1, 2, (-1, 5), BROKEN), (Piecewise((X, X > 0), (5, True)), 1, 2, (1, 2), SMOOTH),
    (Piecewise((X, X > 0)), -2, -1, None, NOWHERE), (X * 0 + exp(-X), 0, np.inf, (0, 1), SMOOTH),
    (Piecewise((1, (X > 0) & (X < 1)), (2, True)), 2, 3, (2, 2), SMOOTH),
    (Piecewise((log(X), X > 0), (3, True)), -2, -1, (3, 3), SMOOTH),
])
def test_ranges(expression, low, high, expected, defect):
    jet = jets(expression, [interval(low, high), interval(0, 0)])
    assert int(np.ravel(jet.defect)[0]) == defect
    if expected is not None:
        assert (float(np.ravel(jet.value.lo)[0]), float(np.ravel(jet.value.hi)[0])) == pytest.approx(expected, abs=1e-12)
        assert float(np.ravel(jet.value.lo)[0]) <= expected[0]
        assert float(np.ravel(jet.value.hi)[0]) >= expected[1]


def test_unknown_functions_are_named():
    from sympy import gamma

    with pytest.raises(DerivationError, match="no interval arithmetic for 'gamma'"):
        jets(gamma(X), [interval(1, 2), interval(0, 0)])


# ---- coordinates, clusters, search --------------------------------------------------------------------------------------

@pytest.mark.parametrize(("low", "high", "t", "x"), [
    (2, None, 0.5, 3), (None, 2, -0.5, 1), (None, None, 0.5, 2 / 3), (0, 1, 0.3, 0.3)])
def test_compactified_axes(low, high, t, x):
    axis = Axis.of(X, *(None if end is None else Integer(end) for end in (low, high)))
    jet = inputs([axis], [interval(t, t)], ARITHMETIC)[X]
    assert float(jet.value.lo[0]) <= x <= float(jet.value.hi[0]) + 1e-15
    step = 1e-6
    near = inputs([axis], [interval(t + step, t + step)], ARITHMETIC)[X]
    assert float(np.ravel(jet.slopes[0].lo)[0]) == pytest.approx((near.value.lo[0] - jet.value.lo[0]) / step, rel=1e-5)
    at_end = inputs([axis], [interval(float(axis.range[1]) - 0.25, float(axis.range[1]))], ARITHMETIC)[X]
    assert (at_end.value.hi[0] == np.inf) == (high is None)


def test_cleared_equations_have_the_same_roots():
    axis = Axis.of(X, None, None)
    t = axis.symbol
    only, = cleared([1 / X - 2 + exp(-X) * X], [axis])
    value = Rational(1, 3)
    x = value / (1 - value**2)
    given = 1 / x - 2 + exp(-x) * x
    # the denominators are x, exp(x) and 1 - t**2
    factor = value * (1 - value**2) * exp(x)
    assert abs(abs(only.xreplace({t: value, X: x}) / given / factor) - 1).evalf(30) < 1e-25


def test_touching_boxes_are_joined():
    generator = np.random.default_rng(1)
    corners = generator.integers(0, 30, (300, 2)).astype(float)
    boxes = np.stack([corners, corners + 1], axis=1)
    groups = joined(boxes, np.array([1e-9, 1e-9]))
    for box in boxes:
        assert any((g[0] <= box[0]).all() and (box[1] <= g[1]).all() for g in groups)
    for k, g in enumerate(groups):
        assert not any((g[0] <= h[1]).all() and (h[0] <= g[1]).all() for h in groups[k + 1:])


def test_a_region_holds_its_root_once():
    axes = [Axis.of(X, Integer(-3), Integer(3)), Axis.of(Y, Integer(-3), Integer(3))]
    found = search([[X**2 + Y**2 - 2, X - Y]], axes, 1e-9, 10_000)
    assert found.complete
    assert len(found.roots) == 2
    assert len(found.undecided) == 0
    for lo, hi in found.regions:
        inside = [r for r in ((1, 1), (-1, -1)) if all(lo[k] < r[k] < hi[k] for k in range(2))]
        assert len(inside) == 1
