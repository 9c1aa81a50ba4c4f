"""SymPy -> text of the model language (read back exactly), and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympy import (
    Abs,
    Add,
    And,
    Basic,
    Float,
    Max,
    Min,
    Mul,
    Ne,
    Not,
    Or,
    Piecewise,
    Pow,
    Rational,
    S,
    Symbol,
    atan,
    cos,
    erf,
    exp,
    log,
    preorder_traversal,
    sign,
    sin,
    tanh,
)
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from dynamics.errors import ExpressionError
from dynamics.expressions.functions import expm1, hill, lag, log1p, logistic, product, softplus, total
from dynamics.expressions.spelling import GREEK, absolute_of, ordered, spelled

__all__ = ["latex", "text"]

_PRIMITIVES = (softplus, hill, logistic, log1p, expm1, lag, total, product)
_WRITABLE = (*_PRIMITIVES, Symbol, Rational, Float, Add, Mul, Pow, exp, log, sin, cos, tanh, atan, erf, sign, Abs, Max,
             Min, Piecewise, ExprCondPair, Relational, And, Or, Not, BooleanAtom, type(S.Pi), type(S.Exp1))


class _TextPrinter(StrPrinter):
    """Python-like text that ``parse`` reads back to the same expression."""

    def _print_Rational(self, e: Any) -> str:
        return f"{e.p}/{e.q}" if e.q != 1 else str(e.p)

    def _print_Float(self, e: Float) -> str:
        return format(float(e), ".17g") if e._prec <= 53 else str(e)

    def _print_Mul(self, e: Any) -> str:
        # a number times a sum would be multiplied out on reading; in brackets the product is built first
        coefficient, rest = e.as_coeff_Mul()
        factors = rest.args if rest.is_Mul else (rest,)
        below = coefficient.is_Rational and coefficient.q != 1 and any(
            a.is_Pow and a.base.is_Add and a.exp.is_negative for a in factors)
        if coefficient != 1 and (below or (rest.is_Mul and any(a.is_Add for a in factors))):
            head = "-" if coefficient == -1 else f"{self._print(coefficient)}*"
            return f"{head}({self._print(rest)})"
        return super()._print_Mul(e)

    def _print_Pi(self, e: Any) -> str:
        return "(4*atan(1))"

    def _print_Exp1(self, e: Any) -> str:
        return "exp(1)"

    def _print_Abs(self, e: Any) -> str:
        return f"abs({self._print(e.args[0])})"

    def _print_Max(self, e: Any) -> str:
        if (inner := absolute_of(e)) is not None:
            return f"abs({self._print(inner)})"
        return f"max({self.stringify(ordered(e), ', ')})"

    def _print_Min(self, e: Any) -> str:
        return f"min({self.stringify(ordered(e), ', ')})"

    def _print_Piecewise(self, e: Any) -> str:
        *pieces, (last, _) = e.args
        written = self._print(last)
        for value, test in reversed(pieces):
            written = self._chosen(self._print(value), test, written)
        return written

    def _chosen(self, value: str, test: Any, otherwise: str) -> str:
        """``value if test else otherwise``; the language has no 'or', and SymPy joins equal cases with it."""
        if isinstance(test, Ne):
            test = Or(test.lhs > test.rhs, test.lhs < test.rhs, evaluate=False)
        if isinstance(test, Or):
            for part in reversed(ordered(test)):
                otherwise = self._chosen(value, part, otherwise)
            return otherwise
        if isinstance(test, And):
            for part in reversed(ordered(test)):
                value = self._chosen(value, part, otherwise)
            return value
        return f"({value} if {self._print(test)} else {otherwise})"

    def _print_Relational(self, e: Relational) -> str:
        operator = {"Equality": "==", "Unequality": "!="}.get(type(e).__name__, e.rel_op)
        return f"{self._print(e.lhs)} {operator} {self._print(e.rhs)}"

    def _print_And(self, e: Any) -> str:
        return " and ".join(f"({self._print(a)})" for a in ordered(e))

    def _print_Or(self, e: Any) -> str:
        return " or ".join(f"({self._print(a)})" for a in ordered(e))

    def _print_Not(self, e: Any) -> str:
        return f"not ({self._print(e.args[0])})"

    def _print_BooleanTrue(self, e: Any) -> str:
        return "True"

    def _print_BooleanFalse(self, e: Any) -> str:
        return "False"


def text(expression: Basic) -> str:
    """Return the expression in the model language: ``parse(text(e), names) == e``.

    A number before a sum, as ``factor`` writes it, is multiplied out by ``parse`` unless ``conditions=True``.

    Raises
    ------
    ExpressionError
        For what the language has no words for: complex numbers, infinities, derivatives, cases without an otherwise.

    Examples
    --------
    >>> from sympy import Max, Symbol
    >>> text(Max(0, 1 - Symbol("u")/Symbol("m")))
    'max(0, 1 - u/m)'
    """
    for node in preorder_traversal(expression):
        if not isinstance(node, _WRITABLE) or node in (S.NaN, S.Infinity, S.NegativeInfinity):
            raise ExpressionError(f"'{node}' ({type(node).__name__}) cannot be written in the model language")
        if isinstance(node, Piecewise) and node.args[-1].cond != True:  # noqa: E712  (a SymPy truth value)
            raise ExpressionError(f"'{node}' has no value where none of its conditions holds; add an otherwise case")
    return _TextPrinter().doprint(expression)


class _LatexPrinter(LatexPrinter):
    def __init__(self, spelled: Mapping[str, str]) -> None:
        super().__init__({"ln_notation": True})
        self.spelled = spelled

    def _print_Symbol(self, e: Symbol, style: str = "plain") -> str:
        base, below, word = spelled(e.name, self.spelled)
        if word:
            return r"\mathrm{" + base.replace("_", r"\_") + "}"
        head = _latex_letter(base)
        if below == "star":
            return head + "^{*}"
        return head if not below else f"{head}_{{{_latex_below(below)}}}"

    def _print_Max(self, e: Any, exp: Any = None) -> str:
        if (inner := absolute_of(e)) is not None:
            written = rf"\left|{{{self._print(inner)}}}\right|"
        else:
            written = rf"\max\left({', '.join(self._print(a) for a in ordered(e))}\right)"
        return written if exp is None else f"{written}^{{{exp}}}"

    def _primitive(self, e: Any, exp: Any = None) -> str:
        arguments = ", ".join(self._print(a) for a in e.args)
        power = f"^{{{exp}}}" if exp is not None else ""
        return rf"\operatorname{{{type(e).__name__}}}{power}\left({arguments}\right)"

    def _print_log(self, e: Any, exp: Any = None) -> str:
        power = f"^{{{exp}}}" if exp is not None else ""
        return rf"\ln{power}\left({self._print(e.args[0])}\right)"


for _function in _PRIMITIVES:
    setattr(_LatexPrinter, f"_print_{_function.__name__}", _LatexPrinter._primitive)


def _latex_letter(base: str) -> str:
    # capitals that look Latin (Alpha, Beta, ...) have no command of their own
    if base in GREEK and base != "lamda":
        return "\\" + ("varepsilon" if base == "epsilon" else base)
    return r"\lambda" if base == "lamda" else base


def _latex_below(below: str) -> str:
    parts = below.split("_")
    return ",".join(_latex_letter(p) if p in GREEK else (p if len(p) == 1 or p.isdigit() else rf"\mathrm{{{p}}}")
                    for p in parts)


def latex(expression: Basic, symbols: Mapping[str, str] | None = None) -> str:
    """Return LaTeX, each name in its declared spelling (``{"target_leverage": "lambda_star"}``).

    Examples
    --------
    >>> from sympy import Symbol
    >>> latex(1/Symbol("target_leverage"), {"target_leverage": "lambda_star"})
    '\\\\frac{1}{\\\\lambda^{*}}'
    """
    return _LatexPrinter(dict(symbols or {})).doprint(expression)
