"""What a text may cost and mean: no hang, no hidden complex number, long results read back."""

from __future__ import annotations

import time

import pytest
from sympy import Integer, Max, Mul, Rational, Symbol, exp, factor, log, sqrt, symbols

from dynamics.errors import ExpressionError
from dynamics.expressions import parse, text

NAMES = ["x", "y", "k"]
X, Y = symbols("x y")


@pytest.mark.parametrize("source", [
    "(-8)**(1/3)", "sqrt(1 - exp(1))", "sqrt(sin(4))", "log1p(-2)", "log1p(-1)", "log(log(1/2))", "0**(-x)",
    "softplus(x, 0)", "softplus(x, -1)", "hill(x, 0, 2)", "hill(x, k, 0)", "lag(x, 0, 2)", "lag(x, -1, 2)",
])
def test_constants_without_a_real_value_are_refused(source: str) -> None:
    with pytest.raises(ExpressionError, match=r"no finite real value|must be positive"):
        parse(source, NAMES)


@pytest.mark.parametrize("source", ["x) + (y", "x\\", "0x10", "1_000", "2x", "x=1", "lambda*x", "x]"])
def test_what_only_python_would_accept_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        parse(source, NAMES)


@pytest.mark.parametrize(("source", "advice"), [
    ("2x", r"write \*"), ("lambda*x", "lambda_"), ("x = 1", "right of it"), ("x − y", "write -"),
    ("x) + (y", "closes no"),
])
def test_refusals_say_what_to_do(source: str, advice: str) -> None:
    with pytest.raises(ExpressionError, match=advice):
        parse(source, NAMES)


@pytest.mark.parametrize("source", [
    "abs(" * 40 + "x" + ")" * 40, "abs(x - " * 40 + "y" + ")" * 40, "-" * 1900 + "x", "**".join(["9"] * 200),
    "exp(" * 45 + "3" + ")" * 45, "sin(" * 45 + "1" + ")" * 45, "*".join(["2**500*x"] * 40),
])
def test_costly_texts_are_refused_at_once(source: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionError):
        parse(source, NAMES)
    assert time.perf_counter() - started < 1


def test_ordinary_numbers_are_within_the_budget() -> None:
    assert parse("min(x, 5000000)", NAMES) == parse("min(5e6, x)", NAMES)
    assert parse("log(1e9)", []) == log(10**9)
    assert parse("sqrt(4e6)", []) == 2000
    assert parse("x**0.5432", NAMES) == X ** Rational(679, 1250)
    assert parse("(exp(x/1000) + 1)**60", NAMES) == (exp(X / 1000) + 1) ** 60
    assert parse("+".join(["x*y"] * 120), NAMES) == 120 * X * Y


@pytest.mark.parametrize("expression", [
    factor(2 * X + 2), factor((2 * X + 2) * (3 * Y + 3) / (X - 1)), Mul(Rational(3, 7), X + 1, evaluate=False),
    Mul(-1, X + 1, evaluate=False), X + Mul(2, Y + 1, evaluate=False), 1 / Mul(2, X + 1, evaluate=False),
    sqrt(2) * (X + 1),
])
def test_factored_results_read_back_as_they_are(expression: object) -> None:
    assert parse(text(expression), NAMES, conditions=True) == expression


def test_long_results_read_back() -> None:
    long = sum(X**power * Y ** (power % 7) / (power + 1) for power in range(300))
    written = text(long)
    assert len(written) > 2000
    assert parse(written, NAMES, conditions=True) == long
    with pytest.raises(ExpressionError, match="at most 2000"):
        parse(written, NAMES)


def test_place_in_a_text_of_several_lines() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("\nx +\n  yy", NAMES, where="equations.x")
    first, source, carets = str(caught.value).splitlines()
    assert first.startswith("equations.x, column 8: 'yy'")
    assert source[carets.index("^"):carets.index("^") + carets.count("^")] == "yy"


def test_long_texts_are_shown_around_the_fault() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("x + " * 100 + "unknown" + " + y" * 100, NAMES)
    _, source, carets = str(caught.value).splitlines()
    assert source[carets.index("^"):].startswith("unknown")
    assert len(source) < 200


def test_absolute_value_is_real() -> None:
    assert parse("abs(exp(x))", NAMES) == Max(exp(X), -exp(X))
    assert parse("abs(-3)", []) == Integer(3)
    assert parse("abs(x - abs(y))", NAMES).subs({Symbol("x"): 1, Symbol("y"): -3}) == 2
