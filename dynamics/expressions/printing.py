"""SymPy -> text of the model language (read back exactly), LaTeX, and MathML that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from sympy import Abs, And, Basic, Float, Max, Min, Ne, Or, Symbol, exp, log
from sympy.core.alphabets import greeks
from sympy.core.relational import Relational
from sympy.printing.latex import LatexPrinter
from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.str import StrPrinter

from dynamics.expressions.functions import expm1, hill, lag, log1p, logistic, product, softplus, total

__all__ = ["latex", "mathml", "text"]

_PRIMITIVES = (softplus, hill, logistic, log1p, expm1, lag, total, product)


def _ordered(e: Any) -> list[Any]:
    """Arguments of a symmetric function, numbers first, always in the same order."""
    return sorted(e.args, key=lambda a: (not a.is_number if hasattr(a, "is_number") else True, str(a)))


def _absolute(e: Any) -> Any:
    """Return z where e is max(z, -z)."""
    if len(e.args) == 2 and e.args[0] == -e.args[1]:
        return e.args[1] if e.args[0].could_extract_minus_sign() else e.args[0]
    return None


class _TextPrinter(StrPrinter):
    """Python-like text that ``parse`` reads back to the same expression."""

    def _print_Rational(self, e: Any) -> str:  # noqa: N802
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
        if (inner := _absolute(e)) is not None:
            return f"abs({self._print(inner)})"
        return f"max({self.stringify(_ordered(e), ', ')})"

    def _print_Min(self, e: Any) -> str:
        return f"min({self.stringify(_ordered(e), ', ')})"

    def _print_Piecewise(self, e: Any) -> str:
        *pieces, (last, condition) = e.args
        if condition != True:  # noqa: E712  (a SymPy truth value)
            pieces, last = list(e.args), None
        written = self._print(last) if last is not None else self._print(pieces.pop()[0])
        for value, test in reversed(pieces):
            written = self._chosen(self._print(value), test, written)
        return written

    def _chosen(self, value: str, test: Any, otherwise: str) -> str:
        """``value if test else otherwise``; the language has no 'or', and SymPy joins equal cases with it."""
        if isinstance(test, Ne):
            test = Or(test.lhs > test.rhs, test.lhs < test.rhs, evaluate=False)
        if isinstance(test, Or):
            for part in reversed(_ordered(test)):
                otherwise = self._chosen(value, part, otherwise)
            return otherwise
        if isinstance(test, And):
            for part in reversed(_ordered(test)):
                value = self._chosen(value, part, otherwise)
            return value
        return f"({value} if {self._print(test)} else {otherwise})"

    def _print_Relational(self, e: Relational) -> str:
        operator = {"Equality": "==", "Unequality": "!="}.get(type(e).__name__, e.rel_op)
        return f"{self._print(e.lhs)} {operator} {self._print(e.rhs)}"

    def _print_And(self, e: Any) -> str:
        return " and ".join(f"({self._print(a)})" for a in _ordered(e))

    def _print_Or(self, e: Any) -> str:
        return " or ".join(f"({self._print(a)})" for a in _ordered(e))

    def _print_Not(self, e: Any) -> str:
        return f"not ({self._print(e.args[0])})"

    def _print_BooleanTrue(self, e: Any) -> str:
        return "True"

    def _print_BooleanFalse(self, e: Any) -> str:
        return "False"


def text(expression: Basic) -> str:
    """Return the expression in the model language: ``parse(text(e), names) == e``.

    Examples
    --------
    >>> from sympy import Max, Symbol
    >>> text(Max(0, 1 - Symbol("u")/Symbol("m")))
    'max(0, 1 - u/m)'
    """
    return _TextPrinter().doprint(expression)


def _letters(name: str) -> tuple[str, str]:
    """Split a spelling such as ``lambda_star`` into base and subscript."""
    base, _, below = name.partition("_")
    return base, below


    spelled: Mapping[str, str]


class _LatexPrinter(LatexPrinter):
    def __init__(self, spelled: Mapping[str, str]) -> None:
        super().__init__({"ln_notation": True})
        self.spelled = spelled

    def _print_Symbol(self, e: Symbol, style: str = "plain") -> str:
        name = self.spelled.get(e.name, e.name)
        base, below = _letters(name)
        if (len(base) > 1 and base.lower() not in greeks) or (e.name not in self.spelled and len(below) > 3):
            return r"\mathrm{" + name.replace("_", r"\_") + "}"
        head = _latex_letter(base)
        if below == "star":
            return head + "^{*}"
        return head if not below else f"{head}_{{{_latex_below(below)}}}"

    def _print_Max(self, e: Any, exponent: Any = None) -> str:
        if (inner := _absolute(e)) is not None:
            written = rf"\left|{{{self._print(inner)}}}\right|"
        else:
            written = rf"\max\left({', '.join(self._print(a) for a in _ordered(e))}\right)"
        return written if exponent is None else f"{written}^{{{exponent}}}"

    def _primitive(self, e: Any, exponent: Any = None) -> str:
        arguments = ", ".join(self._print(a) for a in e.args)
        power = f"^{{{exponent}}}" if exponent is not None else ""
        return rf"\operatorname{{{type(e).__name__}}}{power}\left({arguments}\right)"

    def _print_log(self, e: Any, exponent: Any = None) -> str:
        power = f"^{{{exponent}}}" if exponent is not None else ""
        return rf"\ln{power}\left({self._print(e.args[0])}\right)"


for _function in _PRIMITIVES:
    setattr(_LatexPrinter, f"_print_{_function.__name__}", _LatexPrinter._primitive)


def _latex_letter(base: str) -> str:
    if base.lower() in greeks and base.lower() != "omicron":
        return "\\" + ("varepsilon" if base == "epsilon" else base)
    return base


def _latex_below(below: str) -> str:
    parts = below.split("_")
    return ",".join(_latex_letter(p) if p in greeks else (p if len(p) == 1 or p.isdigit() else rf"\mathrm{{{p}}}")
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


_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
          "iota": "ι", "kappa": "κ", "lambda": "λ", "lamda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
          "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
          "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ",
          "Psi": "Ψ", "Omega": "Ω"}
_RELATIONS = {">": "&gt;", "<": "&lt;", ">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}


class _MathML:
    """Presentation MathML, written out node by node: SymPy's own printer knows neither our symbols nor Piecewise."""

    def __init__(self, spelled: Mapping[str, str]) -> None:
        self.spelled = spelled

    def symbol(self, name: str) -> str:
        spelling = self.spelled.get(name, name)
        base, below = _letters(spelling)
        if (len(base) > 1 and base not in _GREEK) or (name not in self.spelled and len(below) > 3):
            return f'<mi mathvariant="normal">{escape(spelling.replace("_", " "))}</mi>'
        head = f"<mi>{_GREEK.get(base, base)}</mi>"
        if below == "star":
            return f"<msup>{head}<mo>*</mo></msup>"
        if not below:
            return head
        shown = "".join(f"<mi>{_GREEK.get(p, escape(p))}</mi>" if not p.isdigit() else f"<mn>{p}</mn>"
                        for p in below.split("_"))
        return f"<msub>{head}<mrow>{shown}</mrow></msub>"

    def bracketed(self, e: Any, level: int, strict: bool = False) -> str:
        own = precedence(e)
        inner = self.write(e)
        return f'<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>' if own < level or (strict and own <= level) else inner

    def write(self, e: Any) -> str:
        method = getattr(self, f"write_{type(e).__name__}", None)
        if method is not None:
            return method(e)
        if hasattr(e, "tolist") and hasattr(e, "shape"):
            rows = "".join("<mtr>" + "".join(f"<mtd>{self.write(x)}</mtd>" for x in row) + "</mtr>" for row in e.tolist())
            return f"<mrow><mo>[</mo><mtable>{rows}</mtable><mo>]</mo></mrow>"
        if isinstance(e, Relational):
            return f"<mrow>{self.write(e.lhs)}<mo>{_RELATIONS[e.rel_op]}</mo>{self.write(e.rhs)}</mrow>"
        if e.is_Integer:
            return f"<mn>{e.p}</mn>" if e.p >= 0 else f"<mrow><mo>−</mo><mn>{-e.p}</mn></mrow>"
        if e.is_Rational:
            fraction = f"<mfrac><mn>{abs(e.p)}</mn><mn>{e.q}</mn></mfrac>"
            return fraction if e.p > 0 else f"<mrow><mo>−</mo>{fraction}</mrow>"
        if e.is_Float:
            return f"<mn>{float(e):.10g}</mn>"
        if e.is_Symbol:
            return self.symbol(e.name)
        if e.is_Function:
            return self.function(type(e).__name__, e.args)
        printer = MathMLPresentationPrinter()
        return printer._print(e).toxml()

    def function(self, name: str, arguments: Any) -> str:
        written = "<mo>,</mo>".join(self.write(a) for a in arguments)
        return f'<mrow><mi>{escape(name)}</mi><mo>&#x2061;</mo><mrow><mo>(</mo>{written}<mo>)</mo></mrow></mrow>'

    def write_Add(self, e: Any) -> str:  # noqa: N802
        terms = e.as_ordered_terms()
        if terms[0].could_extract_minus_sign():
            positive = [t for t in terms if not t.could_extract_minus_sign()]
            if positive:
                terms.remove(positive[0])
                terms.insert(0, positive[0])
        written = []
        for position, term in enumerate(terms):
            if term.could_extract_minus_sign():
                written.append(f"<mo>−</mo>{self.bracketed(-term, PRECEDENCE['Add'], True)}")
            else:
                written.append(("<mo>+</mo>" if position else "") + self.write(term))
        return f"<mrow>{''.join(written)}</mrow>"

    def write_Mul(self, e: Any) -> str:
        if e.could_extract_minus_sign():
            return f"<mrow><mo>−</mo>{self.bracketed(-e, PRECEDENCE['Mul'])}</mrow>"
        numerator, denominator = e.as_numer_denom() if not e.is_Rational else (e, None)
        if denominator is not None and denominator != 1:
            return f"<mfrac>{self.write(numerator)}{self.write(denominator)}</mfrac>"
        factors = [self.bracketed(f, PRECEDENCE["Mul"]) for f in e.as_ordered_factors()]
        return f"<mrow>{'<mo>&#x2062;</mo>'.join(factors)}</mrow>"

    def write_Pow(self, e: Any) -> str:
        if e.exp.is_Rational and e.exp < 0:
            return f"<mfrac><mn>1</mn>{self.write(1 / e)}</mfrac>"
        if e.exp.is_Rational and e.exp.p == 1 and e.exp.q == 2:
            return f"<msqrt>{self.write(e.base)}</msqrt>"
        if e.exp.is_Rational and e.exp.p == 1 and e.exp.q > 2:
            return f"<mroot>{self.write(e.base)}<mn>{e.exp.q}</mn></mroot>"
        return f"<msup>{self.bracketed(e.base, PRECEDENCE['Pow'], True)}{self.write(e.exp)}</msup>"

    def write_exp(self, e: exp) -> str:
        return f"<msup><mi>e</mi>{self.write(e.args[0])}</msup>"

    def write_log(self, e: log) -> str:
        return self.function("ln", e.args)

    def write_Abs(self, e: Abs) -> str:
        return f"<mrow><mo>|</mo>{self.write(e.args[0])}<mo>|</mo></mrow>"

    def write_Max(self, e: Max) -> str:
        if (inner := _absolute(e)) is not None:
            return f"<mrow><mo>|</mo>{self.write(inner)}<mo>|</mo></mrow>"
        return self.function("max", _ordered(e))

    def write_Min(self, e: Min) -> str:
        return self.function("min", _ordered(e))

    def write_Pi(self, e: Any) -> str:
        return "<mi>π</mi>"

    def write_Exp1(self, e: Any) -> str:
        return "<mi>e</mi>"

    def write_Piecewise(self, e: Any) -> str:
        rows = "".join(
            f"<mtr><mtd>{self.write(value)}</mtd><mtd>"
            + ("<mtext>otherwise</mtext>" if condition == True else f"<mtext>if&#xA0;</mtext>{self.write(condition)}")  # noqa: E712
            + "</mtd></mtr>" for value, condition in e.args)
        return f'<mrow><mo>{{</mo><mtable columnalign="left">{rows}</mtable></mrow>'

    def write_And(self, e: Any) -> str:
        return "<mrow>" + "<mtext>&#xA0;and&#xA0;</mtext>".join(self.write(a) for a in _ordered(e)) + "</mrow>"

    def write_Or(self, e: Any) -> str:
        return "<mrow>" + "<mtext>&#xA0;or&#xA0;</mtext>".join(self.write(a) for a in _ordered(e)) + "</mrow>"

    def write_Not(self, e: Any) -> str:
        return f"<mrow><mtext>not&#xA0;</mtext>{self.write(e.args[0])}</mrow>"

    def write_BooleanTrue(self, e: Any) -> str:
        return "<mtext>always</mtext>"

    def write_BooleanFalse(self, e: Any) -> str:
        return "<mtext>never</mtext>"


def mathml(expression: Basic, symbols: Mapping[str, str] | None = None) -> str:
    """Return a whole ``<math>`` element (presentation MathML), drawn by browsers without a network.

    Examples
    --------
    >>> from sympy import Symbol
    >>> mathml(Symbol("target_leverage"), {"target_leverage": "lambda_star"})
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>λ</mi><mo>*</mo></msup></math>'
    """
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{_MathML(dict(symbols or {})).write(expression)}</math>'
