"""Stability of matrices as inequalities: factor by factor, with what is known of the whole spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from sympy import Expr, S
from sympy.utilities.iterables import strongly_connected_components

from dynamics.symbolic.kernels import Bounds, rational_form
from dynamics.symbolic.polynomial import factor_characteristic
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.stability import Condition, real_root_conditions, stability_of_factor

__all__ = ["has_real_spectrum", "stability_of_matrix"]


def has_real_spectrum(matrix: Any, bounds: Bounds | None = None) -> bool:
    """Whether positive factors of its rows make a matrix symmetric, block by block: then all eigenvalues are real.

    Parameters
    ----------
    matrix : Matrix, shape (n, n)
    bounds : mapping of Symbol to (lower, upper), optional

    Returns
    -------
    bool
        False also where the bounds do not decide.

    Examples
    --------
    >>> from sympy import Matrix, Symbol
    >>> a, b = Symbol("a"), Symbol("b")
    >>> has_real_spectrum(Matrix([[a, 2], [b, 1]]), {b: (0, None)}), has_real_spectrum(Matrix([[a, 2], [-b, 1]]))
    (True, False)
    """
    size = matrix.rows
    edges = [(i, j) for i in range(size) for j in range(size) if i != j and matrix[i, j] != 0]
    blocks = strongly_connected_components((list(range(size)), edges))
    inside = {block_member: number for number, block in enumerate(blocks) for block_member in block}
    pairs = [(i, j) for i, j in edges if inside[i] == inside[j]]
    if any((j, i) not in pairs for i, j in pairs):
        return False
    form = rational_form(list(matrix))
    entry = {(i, j): form.elements[i * size + j] for i, j in pairs}
    weights: dict[int, Any] = {}
    for start in range(size):
        weights.setdefault(start, form.field.one)
        reached = [start]
        for i in reached:
            for j in (second for first, second in pairs if first == i and second not in weights):
                weights[j] = weights[i] * entry[i, j] / entry[j, i]
                reached.append(j)
    # weights[i]*J[i, j] is symmetric; the sign of a ratio is that of a weight relative to its neighbour
    if any(form.reduce(weights[i] * entry[i, j] - weights[j] * entry[j, i]) for i, j in pairs):
        return False
    return all(sign_of(form.expression(entry[i, j] * entry[j, i]), bounds or {}) == 1 for i, j in pairs if i < j)


def _of_factor(
    coefficients: Sequence[Expr],
    time: Literal["continuous", "discrete"],
    bounds: Bounds,
    known: Sequence[Expr],
    real: bool,
) -> tuple[Condition, ...]:
    degree = len(coefficients) - 1
    if not real or degree < 2:
        return stability_of_factor(coefficients, time, bounds, known)
    if degree > 2 or time == "continuous":
        return real_root_conditions(coefficients, time, bounds, known)
    # two real multipliers of a product below 1: one condition instead of the two on their sum, and no torus
    found = stability_of_factor(coefficients, time, bounds, known)
    return tuple(replace(item, kind=None) if item.kind == "neimark_sacker" else item for item in found)


def stability_of_matrix(
    matrix: Any, time: str = "continuous", structural: int = 0, bounds: Bounds | None = None, known: Sequence[Expr] = ()
) -> tuple[Condition, ...]:
    """Return the conditions under which all eigenvalues of a matrix are stable, but for those neutral by structure.

    Parameters
    ----------
    matrix : Matrix, shape (n, n)
    time : {"continuous", "discrete"}
    structural : int
        So many eigenvalues 0 (flow) or 1 (map) belong to lines of fixed points or conserved quantities: divided out.
    bounds : mapping of Symbol to (lower, upper), optional
    known : sequence of Expr, optional

    Returns
    -------
    tuple of Condition
        Empty if always stable; one negative constant if never.

    Examples
    --------
    >>> from sympy import Matrix, Symbol
    >>> a = Symbol("a")
    >>> [item.expression for item in stability_of_matrix(Matrix([[-a, 1], [0, 0]]), structural=1)]
    [a]
    """
    return _stability_of_matrix(matrix.as_immutable(), time, structural, tuple((bounds or {}).items()), tuple(known))


@lru_cache(maxsize=64)
def _stability_of_matrix(
    matrix: Any, time: str, structural: int, limits: tuple[tuple[Any, Any], ...], known: tuple[Expr, ...]
) -> tuple[Condition, ...]:
    """Conditions, region and bifurcations of a point ask for the same; a cubic in ten parameters takes a second."""
    bounds = dict(limits)
    kind: Literal["continuous", "discrete"] = "discrete" if time == "discrete" else "continuous"
    neutral = 1 if kind == "discrete" else 0
    conditions: dict[Expr, Condition] = {}
    real = has_real_spectrum(matrix, bounds)
    for factor in factor_characteristic(matrix):
        at_rest = factor.degree == 1 and (factor.coefficients[1] + neutral * factor.coefficients[0]).cancel() == 0
        if at_rest and structural >= factor.multiplicity:
            structural -= factor.multiplicity
            continue
        for item in _of_factor(factor.coefficients, kind, bounds, known, real):
            conditions[item.expression] = item
    never = [item for item in conditions.values() if item.expression.is_number and not item.expression > 0]
    return tuple(never[:1] or (item for item in conditions.values() if item.expression != S.One))
