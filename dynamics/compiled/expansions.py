"""Exact derivatives of equations to third order as arrays, by states and some parameters; maps composed with themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from dynamics.compiled.code import scalar_function

__all__ = ["Expansion", "composed", "expansion_function", "expression_function"]

Array = NDArray[np.float64]
_FAILURES = (ArithmeticError, ValueError, TypeError)


@dataclass(frozen=True, eq=False)
class Expansion:
    """Values and derivatives of n expressions by m variables.

    Attributes
    ----------
    value : array, shape (n,)
    first : array, shape (n, m)
    second : array, shape (n, m, m), or None
    third : array, shape (n, m, m, m), or None
    """

    value: Array
    first: Array
    second: Array | None = None
    third: Array | None = None


def _entries(expressions: Sequence[Expr], variables: Sequence[Symbol], order: int) -> dict[tuple[int, ...], Expr]:
    """Nonzero derivatives of one order: (expression, variables in ascending order) -> derivative."""
    found: dict[tuple[int, ...], Expr] = {(i,): e for i, e in enumerate(expressions) if e != 0}
    for _ in range(order):
        found = {(*key, j): slope for key, e in found.items() for j in range(key[-1] if len(key) > 1 else 0, len(variables))
                 if (slope := e.diff(variables[j])) != 0}
    return found


@lru_cache(maxsize=128)
def _derivatives(expressions: tuple[Expr, ...], variables: tuple[Symbol, ...], constants: tuple[Symbol, ...], order: int
                 ) -> Callable[[Sequence[float], Sequence[float]], Array]:
    """Function of (variables, constants) that returns the full array of the derivatives of one order."""
    entries = _entries(expressions, variables, order)
    shape = (len(expressions), *(len(variables),) * order)
    compiled = scalar_function(list(entries.values()), [variables, constants])
    # one write for each order of the same derivatives
    places = [(np.ravel_multi_index((key[0], *mixed), shape), number) for number, key in enumerate(entries)
              for mixed in set(permutations(key[1:]))]
    where = np.array([place for place, _ in places], dtype=int)
    source = np.array([number for _, number in places], dtype=int)
    size = int(np.prod(shape))

    def function(z: Sequence[float], p: Sequence[float]) -> Array:
        result = np.zeros(size)
        try:
            result[where] = np.array(compiled(z, p), dtype=float)[source]
        except _FAILURES:
            result[:] = np.nan
        return result.reshape(shape)

    return function


def expression_function(expressions: Sequence[Expr], variables: Sequence[Symbol], constants: Sequence[Symbol], order: int
                        ) -> Callable[[Sequence[float], Sequence[float]], Array]:
    """Return ``f(z, p)``: the derivatives of one order, shape (n, m, ..., m); nan where they have no value.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> expression_function([a*x**3], [x], [a], 2)([2.0], [1.0])
    array([[[12.]]])
    """
    return _derivatives(tuple(expressions), tuple(variables), tuple(constants), order)


def expansion_function(expressions: Sequence[Expr], variables: Sequence[Symbol], constants: Sequence[Symbol]
                       ) -> Callable[[Array, Sequence[float], int], Expansion]:
    """Return ``f(z, p, order)``: the expansion at ``z``, with derivatives up to ``order`` (1 to 3).

    Parameters
    ----------
    expressions : sequence of Expr
        Smooth.
    variables : sequence of Symbol
        Derivatives are by these.
    constants : sequence of Symbol
        All other symbols.

    Returns
    -------
    callable

    Examples
    --------
    >>> import numpy as np
    >>> from sympy import Symbol
    >>> x, a = Symbol("x"), Symbol("a")
    >>> found = expansion_function([a*x - x**3], [x, a], [])(np.array([1.0, 2.0]), (), 2)
    >>> found.value, found.first, found.second
    (array([1.]), array([[-1., 1.]]), array([[[-6., 1.], [ 1., 0.]]]))
    """
    exact = tuple(expressions), tuple(variables), tuple(constants)
    n, m = len(exact[0]), len(exact[1])

    def function(z: Array, p: Sequence[float], order: int = 1) -> Expansion:
        plain = z.tolist()
        if order == 0:
            return Expansion(_derivatives(*exact, 0)(plain, p), np.empty((n, 0)))
        try:
            flat = np.array(_linear(*exact)(plain, p), dtype=float)
        except _FAILURES:
            flat = np.full(n * (m + 1), np.nan)
        return Expansion(flat[:n], flat[n:].reshape(n, m), *(_derivatives(*exact, k)(plain, p) for k in range(2, order + 1)))

    return function


@lru_cache(maxsize=128)
def _linear(expressions: tuple[Expr, ...], variables: tuple[Symbol, ...], constants: tuple[Symbol, ...]
            ) -> Callable[[Sequence[float], Sequence[float]], list[float]]:
    """Values and first derivatives in one function: most of the time of a continuation is spent here."""
    slopes = [e.diff(s) for e in expressions for s in variables]
    return scalar_function([*expressions, *slopes], [variables, constants])


def composed(outer: Expansion, inner: Expansion) -> Expansion:
    """Return the expansion of ``outer`` after ``inner``; variables beyond the states (parameters) are passed through.

    Parameters
    ----------
    outer, inner : Expansion
        Of n expressions by m >= n variables, the first n of them the states; ``outer`` at the values of ``inner``.

    Returns
    -------
    Expansion
    """
    states, variables = inner.first.shape
    through = np.eye(variables)
    through[:states] = inner.first
    first = outer.first @ through
    if outer.second is None or inner.second is None:
        return Expansion(outer.value, first)
    slope = outer.first[:, :states]
    second = np.einsum("ia,ajk->ijk", slope, inner.second) \
        + np.einsum("iab,aj,bk->ijk", outer.second, through, through, optimize=True)
    if outer.third is None or inner.third is None:
        return Expansion(outer.value, first, second)
    third = np.einsum("ia,ajkl->ijkl", slope, inner.third) \
        + np.einsum("iabc,aj,bk,cl->ijkl", outer.third, through, through, through, optimize=True)
    mixed = np.einsum("iab,ajk,bl->ijkl", outer.second[:, :states], inner.second, through, optimize=True)
    third += mixed + mixed.transpose(0, 1, 3, 2) + mixed.transpose(0, 3, 2, 1)
    return Expansion(outer.value, first, second, third)

