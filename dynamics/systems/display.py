"""How a system shows itself: plain text, LaTeX, and HTML with MathML that needs no network."""

from __future__ import annotations

import html as _html
from typing import TYPE_CHECKING, Any

from sympy import Expr, Symbol

from dynamics import expressions

if TYPE_CHECKING:
    from dynamics.systems.system import System

__all__ = ["html", "latex", "plain"]


def _sides(system: System) -> list[tuple[str, Symbol, Expr]]:
    """(kind, left symbol, right expression) of every line, definitions before equations."""
    parsed = system._parsed
    lines = [("definition", Symbol(n), e) for n, e in parsed.definitions.items()]
    return lines + [("equation", Symbol(n), parsed.equations[n]) for n in system.states]


def latex(system: System, expression: Any = None) -> str:
    """Equations in an ``aligned`` environment, definitions first; or an expression in the system's symbols."""
    spelled = system.symbol_spellings()
    if expression is not None:
        return expressions.latex(expression, spelled)
    rows = []
    for kind, symbol, expression in _sides(system):
        left = expressions.latex(symbol, spelled)
        if kind == "equation":
            left = rf"\frac{{d {left}}}{{dt}}" if system.time == "continuous" else rf"{left}_{{\mathrm{{next}}}}"
        rows.append(f"{left} &= {expressions.latex(expression, spelled)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def plain(system: System) -> str:
    """Equations and values as text."""
    lines = [f"System '{system.name}' ({system.time} time, unit {system.time_unit})"]
    for kind, symbol, expression in _sides(system):
        left = symbol.name
        if kind == "equation":
            left = f"d {left}/dt" if system.time == "continuous" else f"next {left}"
        lines.append(f"  {left} = {expressions.text(expression)}")
    values = ", ".join(f"{name}={_short(value)}" for name, value in system.parameter_values.items())
    if values:
        lines.append(f"  parameters: {values}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.6g}" if not isinstance(value, tuple) else f"<{len(value)} entries>"


def html(system: System) -> str:
    """Equations as MathML and the parameters as a table."""
    spelled = system.symbol_spellings()
    equations = []
    for kind, symbol, expression in _sides(system):
        left, right = expressions.mathml(symbol, spelled), expressions.mathml(expression, spelled)
        if kind == "equation":
            left = f"d {left} / dt" if system.time == "continuous" else f"next {left}"
        equations.append(f"<tr><td style='text-align:right'>{left}</td><td>=</td>"
                         f"<td style='text-align:left'>{right}</td></tr>")
    rows = []
    for kind in ("states", "parameters"):
        for name, part in getattr(system, kind).items():
            value = part.initial if kind == "states" else system.parameter_values[name]
            shown = _short(value) if isinstance(value, (float, tuple)) else str(value)
            cells = (expressions.mathml(Symbol(name), spelled), _html.escape(name), _html.escape(shown),
                     _html.escape(part.unit), _html.escape(part.meaning))
            rows.append("<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>")
    titles = ("symbol", "name", "value", "unit", "meaning")
    head = "".join(f"<th style='text-align:left'>{title}</th>" for title in titles)
    return (f"<div class='dynamics-system'><p><b>{_html.escape(system.name)}</b> ({system.time} time, "
            f"unit {_html.escape(system.time_unit)})</p><table>{''.join(equations)}</table>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>")
