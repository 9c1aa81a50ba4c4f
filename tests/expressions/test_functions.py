"""The primitives: derivatives against numerical differentiation in 30 digits, elementary forms, printing."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import mpmath
import pytest
from sympy import Abs, And, Integer, Matrix, Max, Piecewise, Rational, Symbol, exp, log, pi, simplify, sqrt

from dynamics.expressions import elementary, expm1, hill, latex, log1p, logistic, mathml, parse, ramp, softplus, text

X, K, N, S = (Symbol(name) for name in ("x", "k", "n", "s"))
FORMULAS = {
    "softplus": (softplus(X, S), lambda x, k, n, s: s * mpmath.log(1 + mpmath.exp(x / s))),
    "softplus of one argument": (softplus(X), lambda x, k, n, s: mpmath.log(1 + mpmath.exp(x))),
    "hill": (hill(X, K, N), lambda x, k, n, s: x**n / (k**n + x**n)),
    "logistic": (logistic(X), lambda x, k, n, s: 1 / (1 + mpmath.exp(-x))),
    "log1p": (log1p(X), lambda x, k, n, s: mpmath.log(1 + x)),
    "expm1": (expm1(X), lambda x, k, n, s: mpmath.exp(x) - 1),
}
POINT = (Rational(7, 5), Rational(9, 10), Rational(5, 2), Rational(3, 10))


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_derivatives_against_the_formula(name: str) -> None:
    expression, formula = FORMULAS[name]
    at = dict(zip((X, K, N, S), POINT, strict=True))
    with mpmath.workdps(30):
        numbers = [mpmath.mpf(v.p) / v.q for v in POINT]
        assert mpmath.almosteq(mpmath.mpf(str(expression.xreplace(at).evalf(25))), formula(*numbers), 1e-20)
        assert mpmath.almosteq(mpmath.mpf(str(elementary(expression).xreplace(at).evalf(25))), formula(*numbers), 1e-20)
        for place, symbol in enumerate((X, K, N, S)):
            if symbol not in expression.free_symbols:
                continue
            order = tuple(int(place == k) for k in range(4))
            reference = mpmath.diff(formula, tuple(numbers), order)
            derivative = mpmath.mpf(str(expression.diff(symbol).xreplace(at).evalf(25)))
            assert mpmath.almosteq(derivative, reference, 1e-12), (name, symbol)


def test_hill_derivative_is_finite_at_zero() -> None:
    assert hill(X, K, 2).diff(X).subs({X: 0, K: 1}) == 0


def test_ramp_is_max() -> None:
    assert ramp(X) == Max(0, X)


SHOWN = [X**2 / 3 - 1 / (K + 1), Max(0, 1 - X / K), Piecewise((X, X < K), (0, True)), And(X > 0, K >= 2),
         sqrt(X) + exp(-X),
         log(X / K), hill(X, K, N), softplus(X), Matrix([[X, 1], [0, K]]), Abs(X) * pi, -(1 - X) * exp(K),
         Symbol("price_gap"),
         -X / K, (X + 1) ** Rational(1, 3), X**-2]


@pytest.mark.parametrize("expression", SHOWN)
def test_mathml_is_well_formed(expression: object) -> None:
    tree = ElementTree.fromstring(mathml(expression, {"x": "lambda_star"}))
    assert tree.tag == "{http://www.w3.org/1998/Math/MathML}math"
    assert len(list(tree.iter())) > 1


@pytest.mark.parametrize("expression", SHOWN)
def test_latex_has_balanced_braces(expression: object) -> None:
    written = latex(expression, {"x": "lambda_star"})
    assert written.count("{") == written.count("}")


def test_spelling() -> None:
    assert latex(X, {"x": "lambda_star"}) == r"\lambda^{*}"
    assert latex(X, {"x": "u_m"}) == "u_{m}"
    assert latex(Symbol("price_gap")) == r"\mathrm{price\_gap}"
    assert "κ" in mathml(X, {"x": "kappa"})
    assert "if" in mathml(Piecewise((X, X < K), (0, True)))
    assert "<mo>−</mo>" in mathml(1 - X)
    assert "\\ln" in latex(log(X))


def test_text_of_constants_reads_back() -> None:
    assert parse(text(pi * X), ["x"]) == pi * X
    assert parse(text(exp(1) + X), ["x"]) == exp(1) + X


@pytest.mark.parametrize("place", [Rational(-1, 10), Rational(1, 100), Rational(1, 3), 1000])
def test_hill_derivative_has_the_sign_of_the_formula(place: object) -> None:
    formula = X**8 / (K**8 + X**8)
    at = {X: place, K: Rational(1, 12)}
    assert hill(X, K, 8).diff(X).subs(at).evalf(15) == pytest.approx(formula.diff(X).subs(at).evalf(15), rel=1e-12)


def test_hill_derivative_stays_rational() -> None:
    derivative = elementary(hill(X, K, 8).diff(X))
    assert derivative.is_rational_function(X, K)
    assert simplify(derivative - (X**8 / (K**8 + X**8)).diff(X)) == 0


def test_hill_of_zero() -> None:
    assert hill(0, K, 2).subs(K, 3) == hill(0, 3, 2) == 0
    assert hill(0, K, -1).subs(K, 3) != 0


@pytest.mark.parametrize(("expression", "wanted"), [
    (softplus(Integer(-100)), "3.72007597602083596e-44"), (softplus(Integer(-1000)), "5.07595889754945676e-435"),
    (log1p(Rational(1, 10**30)), "1e-30"), (expm1(Rational(1, 10**30)), "1e-30"),
    (softplus(Integer(1), Integer(3)), "2.62091672406822536"),
    (hill(Integer(2), Integer(3), 8), "0.037553175883819862109"),  # 256/6817
    (logistic(X).diff(X).subs(X, 40), "4.24835425529158899e-18"), (hill(Integer(10) ** 50, Integer(1), 8), "1"),
])
def test_small_values_keep_their_digits(expression: object, wanted: str) -> None:
    with mpmath.workdps(30):
        assert mpmath.almosteq(mpmath.mpf(str(expression.evalf(20))), mpmath.mpf(wanted), 1e-17)
