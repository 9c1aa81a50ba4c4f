"""Causal graphs: edges from written expressions, cycles in a fixed order, gains by regime."""

from __future__ import annotations

import pytest
from sympy import Max, Symbol, oo

from dynamics.errors import DerivationError
from dynamics.symbolic.influence import causal_graph, cycles, gain_cases, gain_of_cases, simple_paths, tidy

x, y, f, g, a = (Symbol(name) for name in "xyfga")
WRITTEN = {"x": f - y, "y": x * a, "f": g**2, "g": Max(0, y - f * 0)}


def test_edges_follow_what_is_written() -> None:
    graph = causal_graph(WRITTEN)
    assert set(graph.edges) == {("f", "x"), ("y", "x"), ("x", "y"), ("g", "f"), ("y", "g")}
    assert cycles(graph) == (("x", "y"), ("x", "y", "g", "f"))
    assert simple_paths(graph, "y", "x", ["f", "g"]) == (("y", "x"), ("y", "g", "f", "x"))
    assert simple_paths(graph, "y", "x", []) == (("y", "x"),)


def test_gains_differ_by_regime() -> None:
    def resolve(expression):
        return expression.xreplace({f: WRITTEN["f"]}).xreplace({g: WRITTEN["g"]})

    cases = gain_cases(("y", "g", "f", "x"), WRITTEN, resolve, {})
    # derivative of max(0, y)**2
    assert {case.conditions: case.gain for case in cases if case.gain != 0} == {(y,): 2 * y}
    gain = gain_of_cases(cases)
    assert gain.subs(y, 3) == 6
    assert gain.subs(y, -3) == 0


def test_tidy_prefers_factors_and_refuses_infinities() -> None:
    assert str(tidy(a / x - a)) == "a*(1 - x)/x"
    assert tidy(x - x) == 0
    assert tidy((x**2 - 1) / (x + 1)) == x - 1
    with pytest.raises(DerivationError, match="not finite"):
        tidy(oo * x)
