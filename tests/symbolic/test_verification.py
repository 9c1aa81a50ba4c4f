from sympy import Rational, Symbol, exp, log

from dynamics.symbolic.verification import sums_with_a_value

a, b = Symbol("a"), Symbol("b")


def test_a_number_decides_only_that_sums_are_not_zero():
    zero = (a + b) ** 2 - a**2 - 2 * a * b - b**2
    small = zero + Rational(1, 10**9)
    hidden = log(a * b) - log(a) - log(b)
    open_pole = a + 1 / zero
    assert sums_with_a_value([zero, small, hidden, exp(a) - exp(b), a * b, b + log(-a)]) == {small, exp(a) - exp(b)}
    # what divides by zero is not claimed to be anything but large: its denominator is a sum of its own
    assert zero not in sums_with_a_value([open_pole, zero])
