"""Refutation by sampling: a long polynomial that takes both signs needs no attempt to prove that it has one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sympy import Expr, Symbol

from dynamics.symbolic.kernels import Bounds, RationalForm, rational_form
from dynamics.symbolic.verification import sample_point

__all__ = ["takes_both_signs", "value_at"]

_POINTS, _TRIALS = 24, 240
_ROUNDING = 1e-11  # of the sum of absolute terms: what is smaller has no sign in double precision


def takes_both_signs(form: RationalForm, element: Any, bounds: Bounds, known: Sequence[Expr] = ()) -> bool:
    """Whether points inside the bounds, at which what is known is positive, show both signs of an element.

    Parameters
    ----------
    form : RationalForm
    element : FracElement or PolyElement
        Of the form's field or ring.
    bounds : mapping of Symbol to (lower, upper)
        As for `dynamics.symbolic.signs.sign_of`.
    known : sequence of Expr, optional
        Expressions known to be positive.

    Returns
    -------
    bool
        False says nothing: the other sign may lie between the points.

    Examples
    --------
    >>> from sympy import Symbol
    >>> a, b = Symbol("a"), Symbol("b")
    >>> form = rational_form([a - b])
    >>> positive = {a: (0, None), b: (0, None)}
    >>> takes_both_signs(form, form.elements[0], positive), takes_both_signs(form, form.elements[0], positive, [a - b])
    (True, False)
    """
    parts = [form.field(element).numer, form.field(element).denom]
    conditions = rational_form(known)
    seen = set()
    for point in _points(form, conditions, bounds):
        sign = _sign_at(form, parts, point)
        if sign:
            seen.add(sign)
            if len(seen) == 2:
                return True
    return False


def _points(form: RationalForm, conditions: RationalForm, bounds: Bounds) -> Iterator[dict[Symbol, Any]]:
    """Values of the symbols, in the order of their names; a fixed seed, so that the same system gives the same answer."""
    symbols: set[Symbol] = set()
    for item in (form, conditions):
        symbols |= {symbol for symbol in item.field.symbols if symbol not in item.kernels and not symbol.is_Dummy}
        symbols |= {symbol for kernel in item.kernels.values() for symbol in kernel.free_symbols}
    ordered = sorted(symbols, key=lambda symbol: symbol.name)
    generator = random.Random(20240611)
    made = 0
    for _ in range(_TRIALS):
        point = sample_point(ordered, bounds, generator)
        if all(_sign_at(conditions, [e.numer, e.denom], point) == 1 for e in conditions.elements):
            yield point
            made += 1
            if made == _POINTS:
                return


def value_at(polynomial: Any, values: Sequence[float] | Mapping[int, float]) -> tuple[float, float]:
    """Return the value of a polynomial in double precision, and the sum of the absolute values of its terms.

    Parameters
    ----------
    polynomial : PolyElement
    values : sequence or mapping of int to float
        By the number of the generator.
    """
    total = size = 0.0
    for monomial, coefficient in polynomial.terms():
        term = float(coefficient)
        for index, power in enumerate(monomial):
            if power:
                term *= values[index] ** power
        total += term
        size += abs(term)
    return total, size


def _sign_at(form: RationalForm, parts: Sequence[Any], point: Mapping[Symbol, Any]) -> int | None:
    """Sign of a product of polynomials at a point; ``None`` where it is not real, or drowned in rounding."""
    sign = 1
    try:
        values = [float(form.kernels[s].xreplace(dict(point)).evalf() if s in form.kernels else point.get(s, 0))
                  for s in form.field.symbols]
        for polynomial in parts:
            total, size = value_at(polynomial, values)
            if not abs(total) > _ROUNDING * size or size == float("inf"):
                return None
            sign = sign if total > 0 else -sign
    except (TypeError, OverflowError):
        return None
    return sign
