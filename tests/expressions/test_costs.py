"""No text within the limits of the language stalls the program that reads it: what SymPy would ponder is refused."""

import pytest
from sympy import Max, Symbol, sqrt

from dynamics.errors import ExpressionError
from dynamics.expressions import budgets, parse

NAMES = [f"x{k}" for k in range(12)]


def sums(count, terms):
    """max of so many sums of so many terms, each with three names, numbers and operations."""
    each = ("+".join(f"{k*n + 2}*x{(k + n) % 12}**{n % 5 + 2}" for n in range(terms)) for k in range(count))
    return f"max({', '.join(each)})"


@pytest.mark.parametrize("text", [
    sums(12, 300),
    "+".join([sums(4, 30)] * 12),
    "ramp(" + "+".join(f"{k}*x{k % 12}**{k}" for k in range(2, 900)) + ")*" + sums(12, 30),
    "min(" + ", ".join(f"max({', '.join(f'x{a}*{a + 12*b}+x{b}**2*x{a}' for a in range(12))})" for b in range(12)) + ")",
], ids=["long", "repeated", "ramp", "nested"])
def test_long_arguments_of_max_are_not_compared_for_minutes(text):
    with pytest.raises(ExpressionError, match=r"too long to be compared .* names in the definitions"):
        parse(text, NAMES, conditions=True)


def test_the_comparisons_are_counted_over_the_whole_text(monkeypatch):
    # max(x0, x1) has one pair of two names; every repetition counts again
    monkeypatch.setattr("dynamics.expressions.parser.MOST_COMPARED", 6)
    text = "max(x0, x1)"
    assert parse("+".join([text] * 3), NAMES) == 3 * Max(Symbol("x0"), Symbol("x1"))
    with pytest.raises(ExpressionError, match=r"column 37: .*compared"):
        parse("+".join([text] * 4), NAMES)


def test_every_argument_counts_with_every_other(monkeypatch):
    # three names, each compared with two others
    monkeypatch.setattr("dynamics.expressions.parser.MOST_COMPARED", 6)
    assert parse("max(x0, x1, x2)", NAMES).args
    monkeypatch.setattr("dynamics.expressions.parser.MOST_COMPARED", 5)
    with pytest.raises(ExpressionError, match="compared"):
        parse("max(x0, x1, x2)", NAMES)


def test_a_model_can_use_all_twelve_arguments():
    assert len(parse(sums(12, 3), NAMES).args) == 12


@pytest.mark.parametrize("word", ["and", "or"])
def test_conditions_of_very_many_parts_are_refused(word):
    parts = [f"x{k % 12} < {k}*x{(k + 1) % 12}" for k in range(budgets.MOST_CONDITIONS + 1)]
    with pytest.raises(ExpressionError, match="more than 1000 comparisons"):
        parse(f" {word} ".join(parts), NAMES, conditions=True)


def test_as_many_conditions_as_allowed_are_read(monkeypatch):
    monkeypatch.setattr("dynamics.expressions.parser.MOST_CONDITIONS", 3)
    assert len(parse("x0 < 1 and x1 < 1 and x2 < 1", NAMES, conditions=True).args) == 3
    with pytest.raises(ExpressionError, match="more than 3 comparisons"):
        parse("x0 < 1 and x1 < 1 and x2 < 1 and x3 < 1", NAMES, conditions=True)


@pytest.mark.parametrize("form", ["sqrt({})", "{}**(1/2)", "({}*x0)**(1/3)", "{}**(-3/7)", "sqrt(1/{})"])
def test_no_prime_factors_of_huge_numbers_are_looked_for(form):
    # the product of two large primes has no factor that is found quickly
    number = (2**1279 - 1) * (2**2203 - 1)
    with pytest.raises(ExpressionError, match="root of a number of more than 2048 bits"):
        parse(form.format(number), NAMES, conditions=True)


def test_roots_of_numbers_up_to_the_limit_are_read():
    assert parse(f"sqrt({2**2048})", NAMES, conditions=True) == 2**1024
    with pytest.raises(ExpressionError, match="2048 bits"):
        parse(f"sqrt({2**2049})", NAMES, conditions=True)
    assert parse("sqrt(12)", NAMES) == 2 * sqrt(3)
