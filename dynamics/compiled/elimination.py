"""Many small linear systems at once: Gaussian elimination written elementwise over lanes.

A lane is one column of the last axis. Only elementwise operations are used, no BLAS and no reduction over lanes,
so the solution of one system does not depend, to the last bit, on the systems beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Factors", "factorise", "solve_in_place"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Factors:
    """Row-pivoted triangular factors of one matrix per lane.

    Attributes
    ----------
    rows : ndarray, shape (dimension, dimension, lanes)
        Multipliers below the diagonal, the upper factor above it, reciprocal pivots on it.
    exchanges : tuple of (int, int, ndarray)
        Row exchanges in order: the two rows and, per lane, whether they are exchanged. Exchanges that no lane
        needs are left out.
    """

    rows: Array
    exchanges: tuple[tuple[int, int, NDArray[np.bool_]], ...]


def _exchange(first: Array, second: Array, where: NDArray[np.bool_]) -> None:
    kept = first.copy()
    np.copyto(first, second, where=where)
    np.copyto(second, kept, where=where)


def factorise(matrices: Array) -> Factors:
    """Return the pivoted triangular factors of each lane's matrix; the input is overwritten.

    A singular matrix gives non-finite factors, which a step-size control sees as a failed step.

    Parameters
    ----------
    matrices : ndarray, shape (dimension, dimension, lanes)

    Returns
    -------
    Factors

    Examples
    --------
    >>> import numpy as np
    >>> matrices = np.array([[[0.0], [2.0]], [[1.0], [1.0]]])
    >>> right = np.array([[4.0], [5.0]])
    >>> solve_in_place(factorise(matrices), right)
    >>> right[:, 0].tolist()
    [3.0, 2.0]
    """
    rows = matrices
    dimension = rows.shape[0]
    exchanges: list[tuple[int, int, NDArray[np.bool_]]] = []
    for column in range(dimension):
        for other in range(column + 1, dimension):
            larger = np.abs(rows[other, column]) > np.abs(rows[column, column])
            # Skipping an exchange that no lane needs saves time and changes no lane's arithmetic.
            if larger.any():
                _exchange(rows[column], rows[other], larger)
                exchanges.append((column, other, larger))
        np.divide(1.0, rows[column, column], out=rows[column, column])
        for other in range(column + 1, dimension):
            factor = rows[other, column]
            factor *= rows[column, column]
            for right in range(column + 1, dimension):
                rows[other, right] -= factor * rows[column, right]
    # Multipliers move with their rows in later exchanges because whole rows are exchanged, so all exchanges of the
    # right-hand side may be made before the forward substitution.
    return Factors(rows, tuple(exchanges))


def solve_in_place(factors: Factors, right: Array) -> None:
    """Replace ``right`` by the solution of each lane's linear system.

    Parameters
    ----------
    factors : Factors
    right : ndarray, shape (dimension, lanes)
        Right-hand sides; overwritten with the solutions.
    """
    rows = factors.rows
    dimension = rows.shape[0]
    for first, second, where in factors.exchanges:
        _exchange(right[first], right[second], where)
    for row in range(1, dimension):
        for column in range(row):
            right[row] -= rows[row, column] * right[column]
    for row in range(dimension - 1, -1, -1):
        for column in range(row + 1, dimension):
            right[row] -= rows[row, column] * right[column]
        right[row] *= rows[row, row]
