"""Determinants of small matrices of polynomials, without a division."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sympy import QQ, Dummy, Expr
from sympy.polys.fields import FracField
from sympy.polys.matrices import DomainMatrix

from dynamics.symbolic.factors import layout

__all__ = ["determinant", "determinant_of_named"]

_MINORS = 12  # rows up to which the minors that remain are few enough to keep


def determinant(rows: Sequence[Sequence[Any]], ring: Any) -> Any:
    """Return the determinant of a square matrix over a ring of polynomials.

    Parameters
    ----------
    rows : sequence of sequences of PolyElement, shape (n, n)
    ring : PolyRing
        Of the entries.

    Returns
    -------
    PolyElement

    Notes
    -----
    Laplace expansion, each minor computed once: matrices of models are sparse, so few minors are not zero, and products of
    polynomials cost far less than the greatest common divisors of elimination. Larger matrices go through the division-free
    algorithm of Samuelson and Berkowitz.

    Examples
    --------
    >>> from sympy import QQ
    >>> from sympy.polys.rings import ring
    >>> over, a, b = ring("a, b", QQ)
    >>> determinant([[a, b], [b, a]], over)
    a**2 - b**2
    """
    size = len(rows)
    if size > _MINORS:
        domain = ring.to_domain()
        matrix = DomainMatrix([[domain.convert(item) for item in row] for row in rows], (size, size), domain)
        return matrix.charpoly()[-1] * (-1) ** size
    # sparse rows first: they leave few minors of the rest
    order = sorted(range(size), key=lambda row: sum(bool(item) for item in rows[row]))
    minors: dict[tuple[int, ...], Any] = {(): ring.one}

    def minor(columns: tuple[int, ...]) -> Any:
        known = minors.get(columns)
        if known is None:
            row = rows[order[size - len(columns)]]
            known = ring.zero
            for position, column in enumerate(columns):
                if row[column]:
                    product = row[column] * minor(columns[:position] + columns[position + 1 :])
                    known = known - product if position % 2 else known + product
            minors[columns] = known
        return known

    swaps = sum(order[later] < order[earlier] for earlier in range(size) for later in range(earlier + 1, size))
    result = minor(tuple(range(size)))
    return -result if swaps % 2 else result


def determinant_of_named(rows: Sequence[Sequence[Any]], write: Callable[[Any], Expr]) -> Expr:
    """Return the determinant in terms of its entries, where multiplied out it would be pages.

    Parameters
    ----------
    rows : sequence of sequences of PolyElement, shape (n, n)
    write : callable
        Makes an expression of an entry.

    Returns
    -------
    Expr

    Examples
    --------
    >>> from sympy import QQ
    >>> from sympy.polys.rings import ring
    >>> over, a, b = ring("a, b", QQ)
    >>> determinant_of_named([[a + b, b], [a, a + b]], lambda entry: entry.as_expr())
    -a*b + (a + b)**2
    """
    names = {item: Dummy(f"entry{k}") for k, item in enumerate(dict.fromkeys(item for row in rows for item in row if item))}
    over = FracField([*names.values()], QQ, "lex")
    generators = dict(zip(names, over.ring.gens, strict=True))
    named = [[generators[item] if item else over.ring.zero for item in row] for row in rows]
    return layout(over(determinant(named, over.ring))).xreplace({name: write(item) for item, name in names.items()})
