"""Closed forms at special parameter values: what was taken not to be zero is zero there, and the rests may be others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sympy import Expr, Pow, S, Symbol

from dynamics.errors import DerivationError
from dynamics.symbolic.elimination import Solution
from dynamics.symbolic.exact_solutions import derivation_in_time, numeric_in_time, solutions_in_time
from dynamics.symbolic.verification import distinct

__all__ = ["open_powers", "solutions_here", "undefined"]

ZERO = 1e-25  # of numbers with 30 digits


def undefined(expression: Expr) -> bool:
    """Whether an expression has no value, as 1/0 has none, whatever its symbols are.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> undefined((x + 1 / a).xreplace({a: S.Zero}))
    True
    """
    return bool(expression.has(S.NaN, S.ComplexInfinity, S.Infinity, S.NegativeInfinity))


def solutions_here(equations: Sequence[Expr], states: Sequence[Symbol], bounds: dict[Symbol, tuple[Any, Any]],
                   parameters: Mapping[Symbol, Any]) -> list[tuple[Solution, str]]:
    """Return closed forms of all rests at the current parameters, each with its exactness.

    Those for generic parameters are "exact". Where the current values are special for them the equations are solved again
    with numbers: closed forms that stay right are kept, what they miss is "certified", and what they wrongly single out of
    a family is left out.

    Parameters
    ----------
    equations : sequence of Expr
        Each is to vanish.
    states : sequence of Symbol
    bounds : dict of Symbol to (lower, upper)
        Of the parameters.
    parameters : mapping of Symbol to number

    Returns
    -------
    list of (Solution, str)

    Raises
    ------
    DerivationError
        If there is no closed form, for generic parameters or at special ones.
    """
    derivation = derivation_in_time(equations, states, bounds)
    generic = [(solution, "exact") for solution in derivation.solutions]
    vanishing = any(_vanishes(item, parameters) for item in derivation.assumed)
    if not vanishing and not open_powers(equations, states):
        return generic
    numbers = [equation.xreplace(dict(parameters)) for equation in equations]
    try:
        special = _with_numbers(numbers, states)
    except DerivationError:
        if vanishing:
            raise
        return generic  # an exponent that is no whole number: negative bases have no powers
    here = [_at(solution, parameters) for solution in derivation.solutions]
    pairs = [(closed, now) for closed, now in zip(generic, here, strict=True) if now is not None]
    kept = [closed for closed, now in pairs if any(_same(now, solution) for solution in special)]
    missing = [solution for solution in special if not any(_same(now, solution) for _, now in pairs)]
    return [*kept, *((solution, "certified") for solution in missing)]


def open_powers(equations: Sequence[Expr], states: Sequence[Symbol]) -> list[Pow]:
    """Return powers of states with exponents in parameters: which rests they have depends on the values of these.

    Examples
    --------
    >>> x, a = Symbol("x"), Symbol("a")
    >>> open_powers([x**a - 4, x**2], [x])
    [x**a]
    """
    unknowns = set(states)
    powers = set[Pow]().union(*(equation.atoms(Pow) for equation in equations))
    found = [power for power in powers if power.base.free_symbols & unknowns and power.exp.free_symbols
             and not power.exp.free_symbols & unknowns]
    return sorted(found, key=str)


def _vanishes(expression: Expr, parameters: Mapping[Symbol, Any]) -> bool:
    number = expression.xreplace(dict(parameters))
    if number.is_Rational:
        return bool(number == 0)
    if undefined(number):
        return True
    value = number.evalf(30)
    return not value.is_number or abs(value) < ZERO


def _with_numbers(equations: Sequence[Expr], states: Sequence[Symbol]) -> list[Solution]:
    try:
        return list(solutions_in_time(equations, states, {}))
    except DerivationError:
        return [Solution(dict(root)) for root in numeric_in_time(equations, states)]


def _at(solution: Solution, parameters: Mapping[Symbol, Any]) -> Solution | None:
    """A closed form with numbers for the parameters; None where it has no value."""
    values = {symbol: value.xreplace(dict(parameters)) for symbol, value in solution.values.items()}
    return None if any(undefined(value) for value in values.values()) else Solution(values, solution.free)


def _same(first: Solution, second: Solution) -> bool:
    """Whether two solutions in numbers are the same one, or the same family."""
    if len(first.free) != len(second.free):
        return False
    return distinct([(item.values, item.free, ()) for item in (first, second)], {}) == [0]
