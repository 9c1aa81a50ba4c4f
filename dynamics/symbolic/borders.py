"""Borders between smooth regimes: which two regimes meet at a switch, and whether the field jumps there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sympy import Expr, Symbol

from dynamics.errors import DerivationError
from dynamics.symbolic.conditions import solve_for
from dynamics.symbolic.kernels import Bounds
from dynamics.symbolic.regimes import Regime, Switch, regimes
from dynamics.symbolic.stability import reduce_condition

__all__ = ["Border", "borders", "is_continuous", "solved_border"]


@dataclass(frozen=True)
class Border:
    """Two regimes that differ in one switch.

    Attributes
    ----------
    switch : Switch
    off, on : Regime
    others : dict of str to bool
        The other switches that matter on either side.
    conditions : tuple of Expr
        Nonnegative along this part of the border.
    """

    switch: Switch
    off: Regime
    on: Regime
    others: dict[str, bool]
    conditions: tuple[Expr, ...]


def borders(expressions: Sequence[Expr], bounds: Bounds | None = None) -> tuple[Border, ...]:
    """Return the borders of nonsmooth expressions.

    Parameters
    ----------
    expressions, bounds
        As for `dynamics.symbolic.regimes.regimes`.

    Returns
    -------
    tuple of Border

    Raises
    ------
    DerivationError
        If there are more than 10 switches.

    Examples
    --------
    >>> from sympy import Max, Symbol
    >>> x = Symbol("x")
    >>> border, = borders([Max(0, x - 1)])
    >>> border.switch.text, border.off.expressions, border.on.expressions
    ('x - 1 > 0', (0,), (x - 1,))
    """
    found = []
    split = regimes(expressions, bounds)
    for off in split:
        for switch, on_there in off.pattern:
            if on_there:
                continue
            own = dict(off.pattern)
            for on in split:
                other = dict(on.pattern)
                shared = {s for s in own if s in other and own[s] is not other[s]}
                if other.get(switch) is True and shared == {switch}:
                    both = {s: v for s, v in {**other, **own}.items() if s != switch}
                    conditions = tuple(s.expression if v else -s.expression for s, v in both.items())
                    found.append(Border(switch, off, on, {s.text: v for s, v in both.items()}, conditions))
    return tuple(found)


def solved_border(switch: Expr, states: Sequence[Symbol], bounds: Bounds | None = None) -> dict[Symbol, Expr] | None:
    """Return the border solved for one state, the shortest way; ``None`` where no state gives one closed form.

    Parameters
    ----------
    switch : Expr
    states : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper), optional

    Returns
    -------
    dict of Symbol to Expr, or None

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, y = Symbol("x"), Symbol("y")
    >>> solved_border(x**2 - y, [x, y])
    {y: x**2}
    """
    found = []
    for state in reversed(states):  # so that the first states stay free
        if switch.has(state):
            try:
                solutions = solve_for(switch, state, {k: v for k, v in (bounds or {}).items() if k not in states})
            except DerivationError:
                continue
            if len(solutions) == 1:
                found.append({state: solutions[0][0]})
    return min(found, key=lambda item: sum(value.count_ops() for value in item.values()), default=None)


def is_continuous(border: Border, states: Sequence[Symbol], bounds: Bounds | None = None) -> bool | None:
    """Return whether both fields agree on the border; ``None`` where that could not be decided.

    Parameters
    ----------
    border : Border
    states : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper), optional

    Returns
    -------
    bool or None

    Examples
    --------
    >>> from sympy import Abs, Symbol, sign
    >>> x = Symbol("x")
    >>> [is_continuous(borders([f(x)])[0], [x]) for f in (Abs, sign)]
    [True, False]
    """
    jumps = [a - b for a, b in zip(border.on.expressions, border.off.expressions, strict=True) if a != b]
    place = solved_border(border.switch.expression, states, bounds)
    if place is None:
        return None
    return all(reduce_condition(jump.xreplace(place)) == 0 for jump in jumps)
