"""The linear systems of an implicit step, written out entry by entry; entries that are always zero cost nothing.

Pivots are taken from the diagonal, in an order that keeps fill-in low. In an implicit step the diagonal grows with the
reciprocal of the step, so a pivot that is too small is cured by a shorter step, which the growth of the multipliers
asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.compiled.kernels.ir import Builder, Operand, Value

__all__ = ["Factors"]

LARGEST_MULTIPLIER = 1e10


def _zero(entry: Operand) -> bool:
    return isinstance(entry, float) and entry == 0.0


class Factors:
    """Triangular factors of one matrix per lane.

    Parameters
    ----------
    build : Builder
    matrix : list of list of Value or float
        Exact zeros are the Python float 0.0.
    """

    def __init__(self, build: Builder, matrix: Sequence[Sequence[Operand]]) -> None:
        self.build = build
        size = len(matrix)
        self.entries: list[list[Operand]] = [list(row) for row in matrix]
        self.order: list[int] = []
        self.pivots: dict[int, Value] = {}
        self.largest: Value = build.constant(0.0)
        left = list(range(size))
        while left:
            pivot = min(left, key=lambda k: (self._fill(k, left), k))
            left.remove(pivot)
            self.order.append(pivot)
            self._eliminate(pivot, left)

    def _fill(self, pivot: int, left: Sequence[int]) -> int:
        """Markowitz's bound for the fill-in of a pivot."""
        row = sum(not _zero(self.entries[pivot][k]) for k in left)
        column = sum(not _zero(self.entries[k][pivot]) for k in left)
        return (row - 1) * (column - 1)

    def _eliminate(self, pivot: int, left: Sequence[int]) -> None:
        build, entries = self.build, self.entries
        self.pivots[pivot] = reciprocal = build.lift(1.0, build.doubles) / build.lift(entries[pivot][pivot], build.doubles)
        for row in left:
            if _zero(entries[row][pivot]):
                continue
            multiplier = entries[row][pivot] * reciprocal
            entries[row][pivot] = multiplier
            self.largest = build.maximum(build.absolute(multiplier), self.largest)
            for column in left:
                above = entries[pivot][column]
                if not _zero(above):
                    entries[row][column] = build.fma(-multiplier, above, entries[row][column])

    def solve(self, right: Sequence[Value]) -> list[Value]:
        """Return the solution for one right-hand side."""
        build, values = self.build, list(right)
        for place, pivot in enumerate(self.order):
            for row in self.order[place + 1:]:
                multiplier = self.entries[row][pivot]
                if not _zero(multiplier):
                    values[row] = build.fma(-multiplier, values[pivot], values[row])
        for place in range(len(self.order) - 1, -1, -1):
            pivot = self.order[place]
            for column in self.order[place + 1:]:
                above = self.entries[pivot][column]
                if not _zero(above):
                    values[pivot] = build.fma(-above, values[column], values[pivot])
            values[pivot] = values[pivot] * self.pivots[pivot]
        return values

    def guard(self) -> Value:
        """Return 0, or nan where the elimination has lost too many digits or met a zero pivot."""
        return self.build.select(self.largest < LARGEST_MULTIPLIER, 0.0, float("nan"))
