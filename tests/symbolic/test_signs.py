import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, Rational, Symbol, exp, log, sqrt, tanh

from dynamics.symbolic import signs
from dynamics.symbolic.kernels import rational_form
from dynamics.symbolic.sampled_signs import takes_both_signs
from dynamics.symbolic.signs import sign_of, weak_sign_of
from dynamics.symbolic.stability import reduce_condition
from dynamics.symbolic.verification import sample_point

a, b, x = Symbol("a"), Symbol("b"), Symbol("x")
POSITIVE = (Integer(0), None)


@pytest.mark.parametrize(
    ("expression", "bounds", "expected"),
    [
        (a + b, {a: POSITIVE, b: POSITIVE}, 1),
        (a - b, {a: POSITIVE, b: POSITIVE}, None),
        (a - b, {a: (2, 3), b: (0, 2)}, 1),
        (1 - a, {a: (0, 1)}, 1),
        (a * (1 - a), {a: (0, 1)}, 1),
        (1 - a * b, {a: (0, 1), b: (0, 1)}, 1),
        (a + 3, {a: (None, -3)}, -1),
        (x**2 + x + 1, {}, 1),
        (x**2 + 2 * x + 1, {}, None),
        (-(x**2) * a - b, {a: POSITIVE, b: POSITIVE}, -1),
        (sqrt(a**2 + b) - a, {a: POSITIVE, b: POSITIVE}, 1),
        (sqrt(a) * (sqrt(a) + 1), {a: POSITIVE}, 1),
        (exp(x) + 1, {}, 1),
        (exp(x) - 1, {}, None),
        (log(1 + a), {a: POSITIVE}, 1),
        (tanh(-a), {a: POSITIVE}, -1),
        (sqrt(2) - Rational(3, 2), {}, -1),
        ((a + 1) ** 2 - a**2 - 2 * a - 1, {}, 0),
        (a, {}, None),
        (a / b**2, {a: POSITIVE}, 1),
    ],
)
def test_known_signs(expression, bounds, expected):
    assert sign_of(expression, bounds) == expected


def test_relations_between_parameters():
    bounds = {a: (Integer(1), None), b: POSITIVE}
    assert sign_of(1 / b - a, bounds) is None
    assert sign_of(1 / b - a, bounds, [1 - a * b]) == 1
    assert sign_of(a * b - 2, bounds, [1 - a * b]) == -1


def test_squares_are_weakly_positive():
    assert weak_sign_of(a * (x - 1) ** 2, {a: POSITIVE}) == 1
    assert sign_of(a * (x - 1) ** 2, {a: POSITIVE}) is None


_leaf = st.one_of(st.sampled_from([a, b, x]), st.integers(-3, 3).map(Integer))
_trees = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] / (pair[1] ** 2 + 1)),
        inner.map(lambda item: item**2),
        inner.map(lambda item: sqrt(item**2 + 1)),
        inner.map(lambda item: tanh(item)),
    ),
    max_leaves=6,
)
_bounds = st.sampled_from([(None, None), (0, None), (None, 0), (0, 1), (-1, 2), (1, None), (None, -2)])


@settings(max_examples=60, deadline=None)
@given(_trees, st.fixed_dictionaries({a: _bounds, b: _bounds, x: _bounds}))
def test_never_wrong(expression, bounds):
    decided, weak = sign_of(expression, bounds), weak_sign_of(expression, bounds)
    if decided is None and weak is None:
        return
    generator = random.Random(7)
    for _ in range(12):
        value = expression.xreplace(dict(sample_point([a, b, x], bounds, generator))).evalf(20)
        assert value.is_real
        if decided is not None:
            assert int(bool(value > 0)) - int(bool(value < 0)) == decided or (abs(value) < 1e-15 and decided == 0)
        if weak:
            assert value * weak >= -1e-18


def test_a_condition_on_a_symbol_inside_an_exponential_is_no_crash():
    x, y = Symbol("x"), Symbol("y")
    assert sign_of(x + y, {x: (0, None)}, [exp(y) - x]) is None
    assert sign_of(exp(y) + x, {x: (0, None)}, [exp(y) - x]) == 1


def test_a_quadratic_with_zeros_costs_no_discriminant(monkeypatch):
    # the discriminant of a quadratic of a thousand terms has half a million; a place with zeros says as much
    monkeypatch.setattr(signs, "_product_sign", lambda *_: pytest.fail("the discriminant was expanded"))
    positive = {Symbol(f"p{k}"): POSITIVE for k in range(10)}
    total = sum(positive)
    assert sign_of(x**2 * a + (total**3) * x - total**2, {**positive, a: POSITIVE}) is None


@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6))
@settings(max_examples=60, deadline=None)
def test_numbers_at_places_change_no_verdict(numbers):
    n = [Integer(v) for v in numbers]
    quadratic = (n[0] + a) * x**2 + (n[1] + n[2] * a * b) * x + n[3] + n[4] * b + n[5] * a**2
    bounds = {a: POSITIVE, b: POSITIVE}
    found = sign_of(quadratic, bounds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signs, "_has_zeros_somewhere", lambda *_: False)
        assert sign_of(quadratic, bounds) == found


def test_points_refute_a_sign_and_do_not_prove_one():
    names = [Symbol(f"p{index}") for index in range(6)]
    bounds = dict.fromkeys(names, POSITIVE)
    whole = (sum(names) + 1) ** 3
    for expression, known, both in [(whole.expand() - 7 * names[0], (), False), (whole.expand() - 400 * names[0], (), True),
                                    ((whole + (names[0] - names[1]) * whole).expand(), (), True),
                                    ((whole + (names[0] - names[1]) * whole).expand(), (names[0] - names[1],), False)]:
        form = rational_form([expression])
        assert takes_both_signs(form, form.elements[0], bounds, known) is both
    # long, and decided by what is known, or by the bounds
    long = (names[0] - names[1]) * (sum(names) + 1) ** 3 + sum(names[1:]) + 1
    assert reduce_condition(long.expand(), bounds, [names[0] - names[1]]) == 1
    assert reduce_condition(-whole.expand() - names[0] * names[1] - 3, bounds) == -1
    assert reduce_condition(long.expand(), bounds).has(*names)
    # beside what is not real nothing is said
    form = rational_form([sqrt(-names[0]) + names[1]])
    assert not takes_both_signs(form, form.elements[0], bounds)
