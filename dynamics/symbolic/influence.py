"""Influences between named quantities: cycles and paths of a causal graph, and their gains regime by regime.

A causal graph has one node for every quantity and an edge a -> b where the *written* expression of b contains a, so
that what passes an influence on stays visible. The gain of a path is the product of the derivatives along it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from sympy import And, Expr, Mul, Piecewise, Rational, S, Symbol

from dynamics.errors import DerivationError
from dynamics.symbolic.factors import factors_of, layout
from dynamics.symbolic.kernels import Bounds, rational_form
from dynamics.symbolic.regimes import regimes

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["GainCase", "causal_graph", "cycles", "gain_cases", "gain_of_cases", "simple_paths", "tidy"]

MOST_CYCLES = 200


@dataclass(frozen=True)
class GainCase:
    """The gain of a path in one regime.

    Attributes
    ----------
    conditions : tuple of Expr
        Each is >= 0 in the regime; empty where the gain has one form everywhere.
    gain : Expr
    """

    conditions: tuple[Expr, ...]
    gain: Expr


def causal_graph(written: Mapping[str, Expr]) -> nx.DiGraph:
    """Return the graph with an edge a -> b where the expression of b depends on a.

    Parameters
    ----------
    written : mapping of str to Expr
        Expression of every node; symbols that are no nodes (parameters, time) are left out.

    Returns
    -------
    networkx.DiGraph
        Nodes in the order given.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, flow = Symbol("x"), Symbol("flow")
    >>> sorted(causal_graph({"x": flow - x, "flow": 2 * x}).edges)
    [('flow', 'x'), ('x', 'flow'), ('x', 'x')]
    """
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(written)
    for target, expression in written.items():
        names = {symbol.name for symbol in expression.free_symbols}
        graph.add_edges_from((source, target) for source in written if source in names)
    return graph


def cycles(graph: nx.DiGraph) -> tuple[tuple[str, ...], ...]:
    """Return every simple cycle of a graph, self-loops included, the short ones first.

    Parameters
    ----------
    graph : networkx.DiGraph

    Returns
    -------
    tuple of tuple of str
        Each starts at its node that comes first in the graph's order; the first node is not repeated at the end.

    Raises
    ------
    DerivationError
        If there are more than 200.
    """
    import networkx as nx

    found = list(islice(nx.simple_cycles(graph), MOST_CYCLES + 1))
    if len(found) > MOST_CYCLES:
        raise DerivationError(f"there are more than {MOST_CYCLES} feedback loops; a list of them says nothing. Use a "
                              "system with fewer indices or states, or the eigenvalues (fixed_points)")
    rank = {name: place for place, name in enumerate(graph)}
    turned = [_turned(cycle, rank) for cycle in found]
    return tuple(sorted(turned, key=lambda cycle: (len(cycle), [rank[name] for name in cycle])))


def _turned(cycle: Sequence[str], rank: Mapping[str, int]) -> tuple[str, ...]:
    start = min(range(len(cycle)), key=lambda place: rank[cycle[place]])
    return (*cycle[start:], *cycle[:start])


def simple_paths(graph: nx.DiGraph, source: str, target: str, through: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the paths from source to target whose inner nodes are all among ``through``, the short ones first.

    Raises
    ------
    DerivationError
        If there are more than 200.
    """
    import networkx as nx

    inner = graph.subgraph({source, target, *through})
    found = list(islice(nx.all_simple_paths(inner, source, target), MOST_CYCLES + 1))
    if len(found) > MOST_CYCLES:
        raise DerivationError(f"there are more than {MOST_CYCLES} paths from {source} to {target}")
    return tuple(sorted((tuple(path) for path in found), key=lambda path: (len(path), path)))


def gain_cases(path: Sequence[str], written: Mapping[str, Expr], resolve: Callable[[Expr], Expr], bounds: Bounds
               ) -> tuple[GainCase, ...]:
    """Return the gain along a path, once for each regime in which it is different.

    Parameters
    ----------
    path : sequence of str
        Nodes; for a cycle the first one is repeated at the end.
    written : mapping of str to Expr
    resolve : callable
        Puts definitions into an expression.
    bounds : mapping of Symbol to (lower, upper)

    Returns
    -------
    tuple of GainCase

    Examples
    --------
    >>> from sympy import Max, Symbol
    >>> x = Symbol("x")
    >>> [(case.conditions, case.gain) for case in gain_cases(("x", "x"), {"x": Max(0, x - 1)}, lambda e: e, {})]
    [((x - 1,), 1), ((1 - x,), 0)]
    """
    targets = list(dict.fromkeys(path[1:]))
    found: dict[tuple[Expr, ...], Expr] = {}
    for regime in regimes([written[target] for target in targets], bounds):
        smooth = dict(zip(targets, regime.expressions, strict=True))
        raw = Mul(*(smooth[b].diff(Symbol(a)) for a, b in pairwise(path)))
        conditions = tuple(resolve(condition) for condition in regime.conditions)
        # what is put in for a definition can have switches of its own
        for inner in regimes([resolve(raw)], bounds):
            together = tuple(dict.fromkeys((*conditions, *inner.conditions)))
            if not any(-condition in together for condition in together):
                found[together] = tidy(inner.expressions[0])
    if len(set(found.values())) == 1:
        return (GainCase((), next(iter(found.values()))),)
    return tuple(GainCase(conditions, gain) for conditions, gain in found.items())


def gain_of_cases(cases: Sequence[GainCase]) -> Expr:
    """Return one expression for all regimes, a Piecewise where there are several."""
    if len(cases) == 1:
        return cases[0].gain
    pieces = [(case.gain, And(*(condition >= 0 for condition in case.conditions))) for case in _active_first(cases)]
    return Piecewise(*pieces[:-1], (pieces[-1][0], S.true))


def _active_first(cases: Sequence[GainCase]) -> Iterator[GainCase]:
    yield from (case for case in cases if case.gain != 0)
    yield from (case for case in cases if case.gain == 0)


def tidy(expression: Expr) -> Expr:
    """Return a smooth expression as one fraction, factored where it has factors.

    Raises
    ------
    DerivationError
        If the expression is not finite.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a, u = Symbol("a"), Symbol("u")
    >>> tidy(a / u - a)
    a*(1 - u)/u
    """
    if expression.has(S.NaN, S.ComplexInfinity, S.Infinity, S.NegativeInfinity):
        raise DerivationError("a gain is not finite at this state; move the state off the singularity")
    form = rational_form([expression])
    element = form.elements[0]
    if not element:
        return S.Zero
    content, factors = factors_of(element)
    if len(factors) < 2:
        return form.put_back(layout(element))
    number = Rational(int(content.numerator), int(content.denominator))
    parts = []
    for factor, power in factors:
        written = factor.as_expr()
        # 1 - u rather than -(u - 1)
        if number < 0 and power % 2 and written.is_Add and written.as_coeff_Add()[0] < 0:
            number, written = -number, -written
        parts.append(written**power)
    return form.put_back(Mul(number, *parts))
