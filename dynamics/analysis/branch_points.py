"""What a zero eigenvalue means: a fold where a fixed point ends, a branch point where it meets others and goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sympy import Dummy, Expr, Pow, Symbol

from dynamics.errors import DerivationError
from dynamics.symbolic.conditions import solve_for

__all__ = ["zero_eigenvalue_kind"]


def zero_eigenvalue_kind(condition: Expr, state: Mapping[Symbol, Expr], others: Sequence[Mapping[Symbol, Expr]],
                         parameters: Sequence[Symbol], bounds: Mapping[Symbol, Any]) -> str:
    """Return fold, transcritical, pitchfork or branch_point for the zero set of a condition.

    A point whose closed form has a radical that vanishes on the zero set ends there (fold). A point that goes on is met
    there by one other (transcritical) or by two that exist on one side only (pitchfork).

    Parameters
    ----------
    condition : Expr
        Zero on the bifurcation.
    state : mapping of Symbol to Expr
        The fixed point.
    others : sequence of mapping of Symbol to Expr
        The other fixed points in closed form.
    parameters : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper)

    Returns
    -------
    str
    """
    for parameter in sorted(parameters, key=lambda s: s.name):
        if not condition.has(parameter):
            continue
        try:
            solutions = solve_for(condition, parameter, dict(bounds))
        except DerivationError:
            continue
        if not solutions:
            continue
        # roots of squares simplify only where signs are known: sqrt(a**2) is a for a positive parameter
        signed = {s: Dummy(s.name, positive=True) for s, (low, _) in bounds.items() if low is not None and low >= 0}
        on_the_set = {**signed, parameter: solutions[0][0].xreplace(signed)}
        if any(_vanishes(radicand, on_the_set) for radicand in _radicands(state)):
            return "fold"
        meeting = [other for other in others
                   if all(_vanishes(other[s] - state[s], on_the_set) for s in state) and dict(other) != dict(state)]
        one_sided = [other for other in meeting if any(_vanishes(r, on_the_set) for r in _radicands(other))]
        if len(one_sided) == 2 and len(meeting) == 2:
            return "pitchfork"
        if len(meeting) == 1 and not one_sided:
            return "transcritical"
        return "branch_point" if meeting else "fold"
    return "fold"


def _radicands(state: Mapping[Symbol, Expr]) -> list[Expr]:
    return [node.base for e in state.values() for node in e.atoms(Pow) if node.exp.is_Rational and not node.exp.is_Integer
            and node.base.free_symbols]


def _vanishes(expression: Expr, values: Mapping[Symbol, Expr]) -> bool:
    put_in = expression.xreplace(dict(values))
    return bool(put_in == 0 or put_in.cancel() == 0)
