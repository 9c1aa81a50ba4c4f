"""Printers: powers of functions, double superscripts, what text has no words for."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from sympy import (
    Derivative,
    Function,
    Heaviside,
    I,
    Integral,
    Max,
    Min,
    Piecewise,
    Symbol,
    atan,
    exp,
    log,
    oo,
    symbols,
)

from dynamics.errors import ExpressionError
from dynamics.expressions import expm1, hill, latex, log1p, logistic, mathml, softplus, text

X, Z, K = symbols("x z k")
STAR = {"x": "lambda_star"}


@pytest.mark.parametrize("base", [softplus(Z), hill(Z, K, 2), logistic(Z), log1p(Z), expm1(Z), log(Z), Max(0, Z),
                                  Min(1, Z), Max(Z, -Z)])
def test_powers_of_functions_in_latex(base: object) -> None:
    written = latex(base**3)
    assert "^{3}" in written
    assert latex(1 / base).startswith(r"\frac{1}{")


def test_no_double_superscript() -> None:
    assert latex(X**2, STAR) == r"\left(\lambda^{*}\right)^{2}"
    assert "<mo>(</mo><msup><mi>λ</mi><mo>*</mo></msup><mo>)</mo>" in mathml(X**2, STAR)
    assert "<mo>(</mo><msup><mi>e</mi><mi>z</mi></msup><mo>)</mo>" in mathml(exp(Z) ** K)


@pytest.mark.parametrize(("name", "wanted"), [
    ("x1", "x_{1}"), ("lamda", r"\lambda"), ("Alpha", r"\mathrm{Alpha}"), ("Gamma", r"\Gamma"),
    ("beta_max", r"\beta_{\mathrm{max}}"),
    ("price_gap", r"\mathrm{price\_gap}"), ("E", "E"), ("lambda_", r"\lambda"),
])
def test_names_in_latex(name: str, wanted: str) -> None:
    assert latex(Symbol(name)) == wanted


@pytest.mark.parametrize("expression", [
    Derivative(Function("f")(Z), Z), Derivative(X * Z**2, Z, Z), Integral(Z, Z), I * Z, Heaviside(Z), Symbol("a<b&c"),
    oo, exp(-atan(Z)) * K**-2,
])
def test_mathml_of_anything_is_xml(expression: object) -> None:
    tree = ElementTree.fromstring(mathml(expression))
    assert tree.tag == "{http://www.w3.org/1998/Math/MathML}math"


@pytest.mark.parametrize("expression", [
    Heaviside(Z), oo, I * Z, Derivative(Function("f")(Z), Z), Piecewise((Z, Z > 0)), Piecewise((Z, Z > 0), (X, Z < -1)),
])
def test_text_refuses_what_could_not_be_read_back(expression: object) -> None:
    with pytest.raises(ExpressionError):
        text(expression)
