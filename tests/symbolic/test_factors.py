import random

from sympy import Integer, Symbol, cancel, exp, factor_list, sqrt

from dynamics.symbolic.factors import factored, layout
from dynamics.symbolic.kernels import rational_form

a, b, c, x = (Symbol(name) for name in "abcx")


def test_radicals_and_exponentials_share_generators():
    form = rational_form([(sqrt(x) - 1) * (sqrt(x) + 1) - x + 1, exp(2 * a + b) - exp(a) ** 2 * exp(b)])
    assert not any(form.elements)


def test_factors_agree_with_sympy():
    generator = random.Random(9)
    pieces = [
        a + b,
        a * b - 1,
        a**2 + b**2 + c,
        a**2 * b + b**2 * c + c**2 * a + 1,
        c,
        a**3 - b,
        a**2 + b**2 + c**2 + a * b + 3,
    ]
    for _ in range(15):
        chosen = [generator.choice(pieces) ** generator.randint(1, 2) for _ in range(generator.randint(1, 3))]
        expression = generator.choice([-6, 1, 4]) * chosen[0]
        for item in chosen[1:]:
            expression = (expression * item).expand()
        form = rational_form([expression])
        content, factors = factored(form.elements[0].numer)
        whole = Integer(int(content.numerator)) / int(content.denominator)
        for factor, power in factors:
            whole *= factor.as_expr() ** power
        assert (whole - expression).expand() == 0
        assert sorted(power for _, power in factors) == sorted(power for _, power in factor_list(expression)[1])


def test_layout_is_equal_and_compact():
    expression = (a * b + b + c) / (a * b)
    laid = layout(rational_form([expression]).elements[0])
    assert cancel(laid - expression) == 0
    assert laid.count_ops() == 4
