"""SymPy -> presentation MathML, which browsers draw without a network."""

from __future__ import annotations

import html.entities
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from sympy import Abs, Basic, Derivative, Max, Min, exp, log
from sympy.core.relational import Relational
from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.precedence import PRECEDENCE, precedence

from dynamics.expressions.spelling import GREEK, absolute_of, ordered, spelled

__all__ = ["mathml"]

_XML = ("amp", "lt", "gt", "quot", "apos")
_RELATIONS = {">": "&gt;", "<": "&lt;", ">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}


class _MathML:
    """Presentation MathML, written out node by node: SymPy's own printer knows neither our symbols nor Piecewise."""

    def __init__(self, spelled: Mapping[str, str]) -> None:
        self.spelled = spelled

    def symbol(self, name: str) -> str:
        base, below, word = spelled(name, self.spelled)
        if word:
            return f'<mi mathvariant="normal">{escape(base.replace("_", " "))}</mi>'
        head = f"<mi>{escape(GREEK.get(base, base))}</mi>"
        if below == "star":
            return f"<msup>{head}<mo>*</mo></msup>"
        if not below:
            return head
        shown = "".join(f"<mi>{GREEK.get(p, escape(p))}</mi>" if not p.isdigit() else f"<mn>{p}</mn>"
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
            rows = "".join("<mtr>" + "".join(f"<mtd>{self.write(x)}</mtd>" for x in row) + "</mtr>"
                           for row in e.tolist())
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
        if isinstance(e, Derivative):
            return self.derivative(e)
        # SymPy writes HTML's named characters (&dd;), which XML does not know
        written = MathMLPresentationPrinter()._print(e).toxml()
        return re.sub(r"&([A-Za-z]+);",
                      lambda m: m[0] if m[1] in _XML else html.entities.html5.get(f"{m[1]};", m[0]), written)

    def derivative(self, e: Any) -> str:
        steps = [(self.write(symbol), count) for symbol, count in e.variable_count]
        order = sum(count for _, count in steps)
        d = "<mi>∂</mi>" if len(e.expr.free_symbols) > 1 else "<mi mathvariant=\"normal\">d</mi>"

        def raised(base: str, count: Any) -> str:
            return base if count == 1 else f"<msup>{base}{self.write(count)}</msup>"

        below = "".join(d + raised(symbol, count) for symbol, count in steps)
        fraction = f"<mfrac><mrow>{raised(d, order)}</mrow><mrow>{below}</mrow></mfrac>"
        return f"<mrow>{fraction}{self.bracketed(e.expr, PRECEDENCE['Mul'])}</mrow>"

    def function(self, name: str, arguments: Any) -> str:
        written = "<mo>,</mo>".join(self.write(a) for a in arguments)
        return f'<mrow><mi>{escape(name)}</mi><mo>&#x2061;</mo><mrow><mo>(</mo>{written}<mo>)</mo></mrow></mrow>'

    def write_Add(self, e: Any) -> str:
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
        base = self.bracketed(e.base, PRECEDENCE["Pow"], True)
        if base.startswith("<msup>"):
            # e^x or λ* raised to a power: without brackets the two superscripts read as one
            base = f"<mrow><mo>(</mo>{base}<mo>)</mo></mrow>"
        return f"<msup>{base}{self.write(e.exp)}</msup>"

    def write_exp(self, e: exp) -> str:
        return f"<msup><mi>e</mi>{self.write(e.args[0])}</msup>"

    def write_log(self, e: log) -> str:
        return self.function("ln", e.args)

    def write_Abs(self, e: Abs) -> str:
        return f"<mrow><mo>|</mo>{self.write(e.args[0])}<mo>|</mo></mrow>"

    def write_Max(self, e: Max) -> str:
        if (inner := absolute_of(e)) is not None:
            return f"<mrow><mo>|</mo>{self.write(inner)}<mo>|</mo></mrow>"
        return self.function("max", ordered(e))

    def write_Min(self, e: Min) -> str:
        return self.function("min", ordered(e))

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
        return "<mrow>" + "<mtext>&#xA0;and&#xA0;</mtext>".join(self.write(a) for a in ordered(e)) + "</mrow>"

    def write_Or(self, e: Any) -> str:
        return "<mrow>" + "<mtext>&#xA0;or&#xA0;</mtext>".join(self.write(a) for a in ordered(e)) + "</mrow>"

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
