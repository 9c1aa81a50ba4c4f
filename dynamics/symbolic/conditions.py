"""Conditions solved for a parameter, with the conditions under which the solution means anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sympy import And, Expr, Ge, Gt, Lt, Mul, Ne, Pow, S, Symbol, preorder_traversal

from dynamics.symbolic.elimination import solve_system
from dynamics.symbolic.factors import layout
from dynamics.symbolic.kernels import Bounds, exact_rational, powers_of, rational_form
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.stability import reduce_condition

__all__ = ["inequality", "solve_for"]


def solve_for(
    expression: Expr, symbol: Symbol, bounds: Bounds | None = None, known: Sequence[Expr] = ()
) -> tuple[tuple[Expr, Any], ...]:
    """Solve ``expression = 0`` for one symbol.

    Parameters
    ----------
    expression : Expr
    symbol : Symbol
        Usually a parameter.
    bounds : mapping of Symbol to (lower, upper), optional
        A lower bound 0 counts as strictly positive. Solutions that the bounds exclude are left out.
    known : sequence of Expr, optional
        Expressions known to be positive, free of ``symbol`` or not.

    Returns
    -------
    tuple of (Expr, Boolean)
        Solution and where it is valid: denominators nonzero, radicands not negative, the solution inside the bounds of
        ``symbol``, known expressions positive at it. Empty where there is none.

    Raises
    ------
    DerivationError
        If there is no closed form.

    Examples
    --------
    >>> from sympy import Rational, Symbol
    >>> eta, theta, kappa, leverage = (Symbol(name) for name in ("eta", "theta", "kappa", "leverage"))
    >>> positive = {item: (0, None) for item in (eta, theta, kappa, leverage)}
    >>> solve_for(kappa + theta - theta * eta * (leverage - 1), leverage, positive)
    ((1 + (kappa/theta + 1)/eta, True),)
    >>> solve_for(kappa + theta - theta * eta * (leverage - 1), eta, positive)
    (((kappa + theta)/(theta*(leverage - 1)), leverage - 1 > 0),)
    >>> solve_for(-((leverage - eta) ** Rational(1, 2)), eta, positive)
    ((leverage, True),)
    """
    bounds = dict(bounds or {})
    if not expression.has(symbol):
        return ()
    found = []
    # a root vanishes where its radicand does; as a polynomial in its own unknown it would have no zero to find
    plain = Mul(*(_radicand(item) for item in Mul.make_args(expression)))
    for solution in solve_system([plain], [symbol], bounds=bounds):
        if solution.free:
            continue
        value = solution.values[symbol]
        relations = list(_validity(value, symbol, solution.nonzero, bounds, known))
        relations += [_not_negative(reduce_condition(item, bounds, known)) for item in solution.nonnegative]
        where = And(*dict.fromkeys(relations))
        if where != S.false:
            found.append((value, where))
    return tuple(found)


def _radicand(factor: Expr) -> Expr:
    rational_root = factor.is_Pow and factor.exp.is_Rational and factor.exp.is_positive
    return _radicand(factor.base) if rational_root and not factor.exp.is_Integer else factor


def _validity(
    value: Expr, symbol: Symbol, nonzero: Sequence[Expr], bounds: Bounds, known: Sequence[Expr]
) -> Iterator[Any]:
    inside = [item for item in known if not item.has(symbol)]
    lower, upper = bounds.get(symbol, (None, None))
    signed: list[Expr] = []
    if exact_rational(lower) is not None:
        signed.append(value - lower)
    if exact_rational(upper) is not None:
        signed.append(upper - value)
    signed.extend(item.xreplace({symbol: value}) for item in known if item.has(symbol))
    strict = []
    for item in signed:
        reduced = reduce_condition(item, bounds, inside)
        strict.append(reduced)
        yield _truth(reduced) if reduced.is_Integer else Gt(reduced, 0)
    for node in preorder_traversal(value):
        if isinstance(node, Pow) and node.exp.is_Rational and node.exp.q % 2 == 0:
            reduced = reduce_condition(node.base, bounds, inside)
            if reduced not in strict:
                yield _not_negative(reduced)
    for item in nonzero:
        reduced = reduce_condition(item, bounds, inside)
        # a factor required to be positive is not zero either
        if not reduced.is_Integer and reduced not in strict and -reduced not in strict:
            yield Ne(reduced, 0)


def _not_negative(reduced: Expr) -> Any:
    return _truth(reduced + 1) if reduced.is_Integer else Ge(reduced, 0)


def _truth(constant: Expr) -> Any:
    return S.true if constant > 0 else S.false


def inequality(
    expression: Expr, bounds: Bounds | None = None, symbol: Symbol | None = None, known: Sequence[Expr] = ()
) -> Any:
    """Write ``expression > 0`` with one symbol isolated, where it is linear in it with a coefficient of known sign.

    Parameters
    ----------
    expression : Expr
    bounds : mapping of Symbol to (lower, upper), optional
    symbol : Symbol, optional
        The one to isolate; by default the one that gives the shortest right-hand side.
    known : sequence of Expr, optional
        Expressions known to be positive.

    Returns
    -------
    Relational or Boolean
        ``reduced expression > 0`` where nothing can be isolated; true or false where the sign is decided.

    Examples
    --------
    >>> from sympy import Symbol
    >>> eta, theta, kappa, leverage = (Symbol(name) for name in ("eta", "theta", "kappa", "leverage"))
    >>> positive = {item: (0, None) for item in (eta, theta, kappa, leverage)}
    >>> inequality(kappa + theta - theta * eta * (leverage - 1), positive, leverage)
    leverage < 1 + (kappa/theta + 1)/eta
    """
    bounds = dict(bounds or {})
    reduced = reduce_condition(expression, bounds, known)
    if reduced.is_Integer:
        return _truth(reduced)
    form = rational_form([reduced])
    numerator = form.elements[0].numer
    candidates = []
    for name in sorted(reduced.free_symbols, key=lambda item: item.name) if symbol is None else [symbol]:
        if name not in form.field.symbols or any(kernel.has(name) for kernel in form.kernels.values()):
            continue
        index = form.field.symbols.index(name)
        if numerator.degree(index) != 1:
            continue
        parts = powers_of(numerator, index)
        slope, offset = form.field(parts[1]), form.field(parts.get(0, form.field.ring.zero))
        direction = sign_of(form.expression(slope), bounds, [item for item in known if not item.has(name)])
        if direction is None:
            continue
        value = form.put_back(layout(form.reduce(-offset / slope)))
        candidates.append(Gt(name, value) if direction > 0 else Lt(name, value))
    return min(candidates, key=lambda relation: relation.rhs.count_ops(), default=Gt(reduced, 0))
