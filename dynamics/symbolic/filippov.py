"""Filippov's convex method: sliding along a border across which the field jumps."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import And, Expr, S, Symbol
from sympy.logic.boolalg import Boolean

from dynamics.errors import DerivationError
from dynamics.symbolic.conditions import inequality, solve_for
from dynamics.symbolic.factors import layout
from dynamics.symbolic.kernels import Bounds, rational_form
from dynamics.symbolic.signs import sign_of

__all__ = ["lie_derivative", "sliding_field", "sliding_region", "tangencies"]


def lie_derivative(expression: Expr, field: Sequence[Expr], states: Sequence[Symbol]) -> Expr:
    """Return the derivative of an expression along a field.

    Parameters
    ----------
    expression : Expr
    field : sequence of Expr, length n
    states : sequence of Symbol, length n

    Returns
    -------
    Expr

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, y = Symbol("x"), Symbol("y")
    >>> lie_derivative(x**2 + y, [y, -x], [x, y])
    2*x*y - x
    """
    return sum((expression.diff(state) * rate for state, rate in zip(states, field, strict=True)), start=S.Zero)


def sliding_field(on: Sequence[Expr], off: Sequence[Expr], switch: Expr, states: Sequence[Symbol]) -> tuple[Expr, ...]:
    """Return the convex combination of two fields that is tangent to the border.

    Parameters
    ----------
    on, off : sequence of Expr, length n
        Fields where ``switch`` is positive and negative.
    switch : Expr
    states : sequence of Symbol, length n

    Returns
    -------
    tuple of Expr, length n
        (L_off on - L_on off)/(L_off - L_on), L the derivatives of the switch along the fields; reduced to lowest terms.

    References
    ----------
    A. F. Filippov, Differential Equations with Discontinuous Righthand Sides (Kluwer 1988), doi:10.1007/978-94-015-7793-9.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, y = Symbol("x"), Symbol("y")
    >>> sliding_field([y, -1 - y], [y, 1 - y], x + y, [x, y])
    (y, -y)
    """
    towards, away = (lie_derivative(switch, field, states) for field in (on, off))
    form = rational_form([*on, *off, towards, away])
    size = len(states)
    first, second = form.elements[:size], form.elements[size:2 * size]
    down, up = form.elements[2 * size:]
    gap = form.reduce(up - down)
    if not gap:
        raise DerivationError("Both fields cross the border at the same rate everywhere; there is no sliding on it.")
    return tuple(form.put_back(layout(form.reduce((up * a - down * b) / gap))) for a, b in zip(first, second, strict=True))


def sliding_region(inward: Sequence[Expr], states: Sequence[Symbol], bounds: Bounds | None = None) -> Boolean:
    """Return the region where all given expressions are positive, states isolated where that is possible.

    Parameters
    ----------
    inward : sequence of Expr
        For an attracting region the rates -L_on and L_off, for a repelling one their negatives; on the border.
    states : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper), optional
        Of the parameters.

    Returns
    -------
    SymPy Boolean
        False where the expressions cannot all be positive.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, force = Symbol("x"), Symbol("force")
    >>> sliding_region([force - x, force + x], [x], {force: (0, None)})
    (x < force) & (x > -force)
    >>> sliding_region([x - force, -force - x], [x], {force: (0, None)})
    False
    """
    for expression in inward:
        others = [item for item in inward if item is not expression]
        sign = sign_of(expression, bounds or {}, others)
        if sign is not None and sign <= 0:
            return S.false
    parts = []
    for expression in inward:
        known = next((state for state in states if expression.has(state)), None)
        parts.append(inequality(expression, bounds, known))
    return And(*parts)


def tangencies(rate: Expr, states: Sequence[Symbol], bounds: Bounds | None = None) -> tuple[dict[Symbol, Expr], ...]:
    """Return where a rate of crossing vanishes on the border, solved for a state.

    Parameters
    ----------
    rate : Expr
        Derivative of the switch along one field, on the border.
    states : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper), optional
        Of the parameters.

    Returns
    -------
    tuple of dict of Symbol to Expr

    Raises
    ------
    DerivationError
        If there is no closed form.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("x")
    >>> tangencies(x - 1, [x])
    ({x: 1},)
    """
    candidates = [state for state in states if rate.has(state)]
    for number, state in enumerate(candidates, 1):
        try:
            return tuple({state: value} for value, _ in solve_for(rate, state, bounds))
        except DerivationError:
            if number == len(candidates):
                raise
    return ()
