"""Linear algebra over a field of rational functions and over its extension by one critical eigenvalue.

At a Hopf or Neimark-Sacker point the critical eigenvalue ``s`` satisfies ``s**2 = trace*s - norm`` with rational ``trace``
and ``norm``. Eigenvectors, resolvents and the cubic coefficient then are of the form ``a + b*s``: no radical is needed until
the end, and every zero is recognised as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dynamics.errors import DerivationError
from dynamics.symbolic.kernels import RationalForm

__all__ = ["Element", "QuadraticExtension", "kernel_vector", "solve_linear"]

Element = tuple[Any, Any]
Vector = list[Element]


@dataclass(frozen=True)
class QuadraticExtension:
    """Numbers ``a + b*s`` with ``s**2 = trace*s - norm`` over the field of ``form``.

    Attributes
    ----------
    form : RationalForm
    trace, norm : FracElement
        Sum and product of the two conjugate eigenvalues.
    """

    form: RationalForm
    trace: Any
    norm: Any

    def number(self, value: Any) -> Element:
        """An element of the field as one of the extension."""
        return (value, self.form.field.zero)

    def add(self, x: Element, y: Element) -> Element:
        """Sum."""
        return (self.form.reduce(x[0] + y[0]), self.form.reduce(x[1] + y[1]))

    def multiply(self, x: Element, y: Element) -> Element:
        """Product."""
        both = x[1] * y[1]
        return (self.form.reduce(x[0] * y[0] - both * self.norm),
                self.form.reduce(x[0] * y[1] + x[1] * y[0] + both * self.trace))

    def conjugate(self, x: Element) -> Element:
        """Complex conjugate."""
        return (self.form.reduce(x[0] + x[1] * self.trace), -x[1])

    def absolute_square(self, x: Element) -> Any:
        """``x`` times its conjugate, in the field."""
        return self.form.reduce(x[0] ** 2 + x[0] * x[1] * self.trace + x[1] ** 2 * self.norm)

    def real_part(self, x: Element) -> Any:
        """Real part, in the field."""
        return self.form.reduce(x[0] + x[1] * self.trace / 2)

    def inverse(self, x: Element) -> Element:
        """``1/x``."""
        size = self.absolute_square(x)
        top = self.conjugate(x)
        return (self.form.reduce(top[0] / size), self.form.reduce(top[1] / size))

    def dot(self, x: Vector, y: Vector) -> Element:
        """Sum of products, without conjugation."""
        total = self.number(self.form.field.zero)
        for left, right in zip(x, y, strict=True):
            total = self.add(total, self.multiply(left, right))
        return total

    def apply(self, matrix: Sequence[Sequence[Any]], vector: Vector) -> Vector:
        """Product of a matrix over the field with a vector over the extension."""
        return [self.dot([self.number(item) for item in row], vector) for row in matrix]


def solve_linear(form: RationalForm, matrix: Sequence[Sequence[Any]], columns: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Solve ``matrix @ x = column`` for each column, over the field.

    Parameters
    ----------
    form : RationalForm
    matrix : sequence of sequences of FracElement, shape (n, n)
    columns : sequence of sequences of FracElement, shape (k, n)

    Returns
    -------
    list of lists of FracElement, shape (k, n)

    Raises
    ------
    DerivationError
        If the matrix is singular.
    """
    size = len(matrix)
    rows = [[*row, *(column[index] for column in columns)] for index, row in enumerate(matrix)]
    pivots = _eliminate(form, rows, size)
    if len(pivots) < size:
        raise DerivationError("the linear part has a further critical eigenvalue for all parameters, because of a conserved "
                              "quantity or a line of fixed points; eliminate a state by it first")
    return [[rows[index][size + column] for index in range(size)] for column in range(len(columns))]


def kernel_vector(form: RationalForm, matrix: Sequence[Sequence[Any]]) -> list[Any]:
    """Return a vector that a singular matrix over the field maps to zero.

    Raises
    ------
    DerivationError
        If the matrix is regular.
    """
    size = len(matrix)
    rows = [list(row) for row in matrix]
    pivots = _eliminate(form, rows, size)
    free = [column for column in range(size) if column not in pivots]
    if not free:
        raise DerivationError("the critical eigenvalue is no eigenvalue for all parameters on the bifurcation set")
    vector = [form.field.zero] * size
    vector[free[0]] = form.field.one
    for row, column in enumerate(pivots):
        vector[column] = -rows[row][free[0]]
    return vector


def _eliminate(form: RationalForm, rows: list[list[Any]], width: int) -> list[int]:
    """Gauss-Jordan elimination in place over the first ``width`` columns; returns the pivot columns."""
    pivots: list[int] = []
    for column in range(width):
        done = len(pivots)
        # the pivot with the fewest terms keeps the intermediate fractions small
        candidates = [index for index in range(done, len(rows)) if rows[index][column]]
        if not candidates:
            continue
        best = min(candidates, key=lambda index: len(rows[index][column].numer) + len(rows[index][column].denom))
        rows[done], rows[best] = rows[best], rows[done]
        pivot = rows[done][column]
        rows[done] = [form.reduce(item / pivot) for item in rows[done]]
        for index, row in enumerate(rows):
            if index != done and row[column]:
                factor = row[column]
                rows[index] = [form.reduce(item - factor * above) for item, above in zip(row, rows[done], strict=True)]
        pivots.append(column)
    return pivots
