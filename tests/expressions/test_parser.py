"""The reader of the model language: exact, safe, quick to refuse, and clear about why."""

from __future__ import annotations

import statistics
import time

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Piecewise, Rational, Symbol, exp

from dynamics.errors import ExpressionError
from dynamics.expressions import check_name, hill, parse, softplus, text

NAMES = ["x", "y", "target", "leverage", "gamma", "E", "I", "S", "N", "Q", "D", "beta", "lambda_", "pi", "Symbol"]
X, Y = Symbol("x"), Symbol("y")


def test_decimals_are_exact_rationals() -> None:
    assert parse("0.1", []) == Rational(1, 10)
    assert parse("1e-3*x", ["x"]) == X / 1000
    assert parse("2.50", []) == Rational(5, 2)
    assert parse("1.5e2", []) == 150


def test_names_are_never_constants() -> None:
    for name in ("E", "I", "S", "N", "Q", "D", "beta", "gamma", "lambda_", "pi", "Symbol"):
        assert parse(name, NAMES) == Symbol(name)


def test_known_texts() -> None:
    assert parse("a if x < y else 0", ["a", "x", "y"]) == Piecewise((Symbol("a"), X < Y), (0, True))
    assert parse("softplus(x, 2) + hill(x, y, 3)", ["x", "y"]) == softplus(X, 2) + hill(X, Y, 3)
    assert parse("ramp(x)", ["x"]) == sympy.Max(0, X)
    assert parse("exp(-x)**2", ["x"]) == exp(-2 * X)


REFUSED = [
    "__import__('os').system('echo')", "x.__class__", "x[0]", "[x for x in y]", "lambda: 1", "f'{x}'", "(x := 1)",
    "x and y", "x or y", "not x", "x @ y", "x // y", "x % y", "'text'", "1j", "True", "None", "max(*x)", "exp(x=1)",
    "unknown", "factorial(3)", "x\u200b", "\uff58", "x\x00", "(" * 5000 + "x" + ")" * 5000, "9**9**9**9", "10**1000000",
    "factorial(10**9)", "(((2**60)**60)**60)**60", "x^2", "", "   ", "x +", "1/0", "0**-1", "log(0)", "sqrt(-1)",
    "log(-1)", "x < y", "x == y", "1 if x == y else 2", "1 if x < y < 2 else 0", "exp(exp(exp(9)))", "sin(10**100)",
    "exp(1e9)", "x(2)", "x # comment", "total(x, bank)", "hill(x)", "max(x)", "...", "x;y", "x\n=1", "1e999",
    "lag(x, 1, 2.5)", "lag(x, 1, 99)", "'a'*9**9", "{x}", "x if y else 1", "~x", "x<<2", "x&y", "()", "exp", "log(1-1)",
]


@pytest.mark.parametrize("source", REFUSED)
def test_refuses_quickly(source: str) -> None:
    def once() -> float:
        started = time.perf_counter()
        with pytest.raises(ExpressionError):
            parse(source, NAMES, where="equations.x")
        return time.perf_counter() - started

    once()
    assert statistics.median(once() for _ in range(5)) < 5e-3


def test_message_has_place_caret_and_suggestion() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("gamma*(target - leverge)", NAMES, where="equations.leverage")
    first, source, carets = str(caught.value).splitlines()
    assert first == "equations.leverage, column 17: 'leverge' is not a declared name. Did you mean 'leverage'?"
    assert source.index("leverge") == carets.index("^")
    assert carets.count("^") == len("leverge")


def test_power_sign_is_explained() -> None:
    with pytest.raises(ExpressionError, match=r"write \*\*"):
        parse("-x^2+1", NAMES)


@pytest.mark.parametrize("name", ["lambda", "exp", "total", "_x", "2x", "a b", "", "é", None, "x.y",
                                  "__import__('os')"])
def test_bad_names(name: object) -> None:
    with pytest.raises(ExpressionError):
        check_name(name, "parameters")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_random_text_raises_only_expression_errors(source: str) -> None:
    try:
        parse(source, NAMES)
    except ExpressionError:
        pass


_ALPHABET = "xyE()+-*/.0123456789 ,<if else exp(log(max(hill(**"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=_ALPHABET, max_size=40))
def test_random_near_expressions_raise_only_expression_errors(source: str) -> None:
    try:
        result = parse(source, NAMES)
    except ExpressionError:
        return
    assert parse(text(result), NAMES) == result


_LEAVES = st.sampled_from(["x", "y", "E", "0.5", "2", "3", "1/3", "7"])


def _grow(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(children, children)
    return st.one_of(
        pair.map(lambda p: f"({p[0]} + {p[1]})"), pair.map(lambda p: f"({p[0]} - {p[1]})"),
        pair.map(lambda p: f"({p[0]})*({p[1]})"), pair.map(lambda p: f"({p[0]})/({p[1]} + x**2)"),
        children.map(lambda c: f"-({c})"), children.map(lambda c: f"({c})**2"),
        children.map(lambda c: f"({c})**(-1/2)"),
        children.map(lambda c: f"exp({c})"), children.map(lambda c: f"tanh({c})"), children.map(lambda c: f"abs({c})"),
        pair.map(lambda p: f"max({p[0]}, {p[1]})"), pair.map(lambda p: f"min({p[0]}, {p[1]}, y)"),
        pair.map(lambda p: f"({p[0]} if {p[0]} < {p[1]} else {p[1]})"), pair.map(lambda p: f"softplus({p[0]}, {p[1]})"),
        pair.map(lambda p: f"hill({p[0]}, {p[1]}, 3)"), children.map(lambda c: f"log1p({c})"),
        children.map(lambda c: f"atan({c})"), children.map(lambda c: f"sign({c})"),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(_LEAVES, _grow, max_leaves=7))
def test_text_reads_back_to_the_same_expression(source: str) -> None:
    try:
        expression = parse(source, NAMES)
    except ExpressionError:
        return  # a division by a folded zero, or a number over budget
    assert parse(text(expression), NAMES) == expression


@pytest.mark.parametrize("source", ["hill(-1/2, 1/2, 3)", "tanh(hill(-(0.5), 0.5, 3))"])
def test_a_quotient_inside_of_a_primitive_that_divides_by_zero_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError, match="no finite real value"):
        parse(source, NAMES)


def test_conditions_read_back() -> None:
    condition = sympy.And(X < Y, sympy.Or(X > 0, sympy.Not(sympy.Eq(Y, 2))))
    assert parse(text(condition), NAMES, conditions=True) == condition
    assert parse("True", [], conditions=True) == sympy.true


def test_no_text_reaches_the_string_path_of_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sympy.parsing.sympy_parser as string_path

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError("text was handed to SymPy's parser")

    monkeypatch.setattr(string_path, "parse_expr", forbidden)
    monkeypatch.setattr(string_path, "eval_expr", forbidden)
    expression = parse("max(0, x)*hill(x, y, 2) + log1p(x)*0.3 - (x if x < 2*y else y)**2 + exp(-x)/sqrt(y)", NAMES)
    assert parse(text(expression.diff(Y)), NAMES) is not None
