"""Fixed points that are not isolated: motion on the level set of a conserved quantity, or across a line of fixed points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Expr, Symbol

from dynamics.analysis.linearization import Place
from dynamics.symbolic.center_manifold import LocalMap
from dynamics.systems import System
from dynamics.systems.numbers import exact

__all__ = ["invariants_at", "line_values", "neutral_by_structure", "neutral_rows", "transverse"]

NOTHING = 1e-20  # relative, of numbers with 50 digits


def line_values(system: System, place: Place) -> dict[Symbol, Any]:
    """Return the values, at the initial state or near it, of the states that are free along a line of fixed points."""
    values: dict[Symbol, Any] = {}
    start = system.initial_state()
    for name in place.free:
        initial = system._parsed.initial[name]
        number = initial.xreplace(system.exact_parameters) if isinstance(initial, Expr) else initial
        declared = number if getattr(number, "is_Rational", False) else exact(start[name], name)
        member = place.member.get(name, start[name])
        values[Symbol(name)] = declared if member == start[name] else exact(member, name)
    return values


def invariants_at(system: System, place: Place) -> tuple[Expr, ...]:
    """Return conserved quantities with independent gradients at a fixed point; each takes one dimension away there.

    Declared ones first. Others are looked for only where the fixed points form a line.

    Parameters
    ----------
    system : System
    place : Place

    Returns
    -------
    tuple of Expr
        In states and parameters; those found have coefficients that hold at the current parameter values.
    """
    if not (place.free or system.invariants):
        return ()
    from dynamics.analysis.conserved_quantities import MOST_STATES, conserved_quantities

    if len(system.states) > MOST_STATES:
        return ()
    return _independent(system, place, [quantity.expression for quantity in conserved_quantities(system)])


def neutral_by_structure(system: System, place: Place) -> int:
    """Return how many eigenvalues are 0 (flow) or 1 (map) at a place for all parameters.

    Free directions along a set of fixed points, or declared invariants where they are more.
    """
    if not system.invariants:
        return len(place.free)
    declared = [system.resolve(item) for item in system._parsed.invariants.values()]
    return max(len(place.free), len(_independent(system, place, declared)))


def _independent(system: System, place: Place, quantities: Sequence[Expr]) -> tuple[Expr, ...]:
    """Those whose gradients at the place are not zero and not combinations of earlier ones."""
    from sympy import Matrix

    states = [Symbol(name) for name in system.states]
    numbers = {**system.exact_parameters, **line_values(system, place)}
    here = {symbol: value.xreplace(numbers) for symbol, value in place.state.items()}
    kept: list[Expr] = []
    rows: list[list[Expr]] = []
    for quantity in quantities:
        gradient = [quantity.diff(s).xreplace({**system.exact_parameters, **here}).evalf(30) for s in states]
        if not all(item.is_real and item.is_finite for item in gradient):
            continue
        # a singular level set, as at the rest point of an oscillator without friction, takes no dimension away
        gram = Matrix([*rows, gradient])
        if (gram * gram.T).det() > NOTHING * max((gram * gram.T).trace(), 1) ** gram.rows:
            kept.append(quantity)
            rows.append(gradient)
    return tuple(kept)


def neutral_rows(local: LocalMap, matrix: Any, time: str, count: int) -> list[Any]:
    """Return rows whose products with displacements do not change in the linear motion.

    Gradients of the conserved quantities; without them left null vectors, as many as there are free directions.

    Parameters
    ----------
    local : LocalMap
    matrix : mpmath matrix, shape (n, n)
    time : {"continuous", "discrete"}
    count : int
        Dimension of the set of fixed points.

    Returns
    -------
    list of mpmath matrix, shape (1, n)
    """
    import mpmath

    if local.invariants:
        gradients = local.gradients()
        return [gradients[i, :] for i in range(gradients.rows)]
    if not count:
        return []
    shifted = matrix - (mpmath.eye(matrix.rows) if time == "discrete" else mpmath.zeros(matrix.rows))
    left = mpmath.svd_r(mpmath.matrix(shifted))[0]
    return [left[:, matrix.rows - 1 - k].T for k in range(count)]


def transverse(matrix: Any, rows: Sequence[Any]) -> Any:
    """Return the matrix on the displacements that the rows map to zero: without the eigenvalues neutral by structure.

    Parameters
    ----------
    matrix : mpmath matrix, shape (n, n)
    rows : sequence of mpmath matrix, shape (1, n)

    Returns
    -------
    mpmath matrix, shape (n - k, n - k)
    """
    import mpmath

    if not rows:
        return matrix
    stacked = mpmath.matrix([list(row) for row in rows])
    basis = mpmath.qr(stacked.T)[0][:, len(rows) :]
    return basis.T * matrix * basis
