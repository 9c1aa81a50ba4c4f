"""Flags over a plane from few of its cells: coarse grid first, then only where flags differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["refined"]

Flags = NDArray[np.int64]
Cells = NDArray[np.intp]
UNKNOWN = -1
WIDEST = 16


def refined(known: Flags, evaluate: Callable[[Cells], Flags]) -> tuple[Flags, NDArray[np.bool_]]:
    """Return the flag of every cell of a plane, evaluating cells only near borders between flags.

    Parameters
    ----------
    known : ndarray of int, shape (rows, columns)
        Flags that are known beforehand, -1 elsewhere.
    evaluate : callable
        Flags of cells, by their numbers (row by row); -1 for cells it could not evaluate.

    Returns
    -------
    flags, evaluated : ndarray, shape (rows, columns)
        Flags, -1 where neither evaluated nor surrounded by one flag; whether the cell was evaluated.

    Notes
    -----
    Rectangles of a coarse grid whose known cells agree are taken as uniform, the others are halved, down to single cells.
    At last, every cell that was not evaluated and has a neighbour of another flag is evaluated, until there is none: a
    border found anywhere is followed to its end. A region inside a coarse rectangle (up to 16 cells wide) that touches no
    border found otherwise is missed.
    """
    plane = _Plane(known, evaluate)
    rows, columns = (_levels(size) for size in known.shape)
    for level in range(max(len(rows), len(columns))):
        plane.refine(rows[min(level, len(rows) - 1)], columns[min(level, len(columns) - 1)], first=level == 0)
    plane.close()
    return plane.flags(), plane.evaluated


def _levels(size: int) -> list[Cells]:
    """Positions along one axis, from the coarsest level (all rectangles at most WIDEST wide) to every one."""
    step = min(WIDEST, 2 ** max(1, int(np.log2(max(size / 12, 2)))))
    levels = [np.unique(np.append(np.arange(0, size, step), size - 1))]
    while levels[-1].size < size:
        last = levels[-1]
        levels.append(np.unique(np.concatenate([last, (last[1:] + last[:-1]) // 2])))
    return levels


class _Plane:
    def __init__(self, known: Flags, evaluate: Callable[[Cells], Flags]) -> None:
        self.known, self.evaluate = known.copy(), evaluate
        self.inferred = np.full(known.shape, UNKNOWN)
        self.evaluated = np.zeros(known.shape, dtype=bool)
        self.tried = np.zeros(known.shape, dtype=bool)

    def flags(self) -> Flags:
        return np.where(self.known != UNKNOWN, self.known, self.inferred)

    def ask(self, wanted: NDArray[np.bool_]) -> bool:
        """Evaluate cells that are neither known nor tried; whether there were any."""
        cells = np.flatnonzero(wanted & (self.known == UNKNOWN) & ~self.tried)
        if cells.size:
            found = self.evaluate(cells)
            self.tried.flat[cells] = True
            self.known.flat[cells] = found
            self.evaluated.flat[cells] = found != UNKNOWN
        return bool(cells.size)

    def refine(self, rows: Cells, columns: Cells, first: bool) -> None:
        grid = np.zeros(self.known.shape, dtype=bool)
        grid[np.ix_(rows, columns)] = True
        mixed, _ = self._rectangles(rows, columns)
        self.ask(grid if first else grid & self._corners(mixed, rows, columns))
        # what has just become mixed is refined at the next level, or when borders are followed at last
        mixed, flag = self._rectangles(rows, columns)
        row = np.clip(np.searchsorted(rows, np.arange(self.known.shape[0]), side="right") - 1, 0, rows.size - 2)
        column = np.clip(np.searchsorted(columns, np.arange(self.known.shape[1]), side="right") - 1, 0, columns.size - 2)
        spread = np.where(mixed, UNKNOWN, flag)[np.ix_(row, column)]
        self.inferred = np.where(spread != UNKNOWN, spread, self.inferred)

    def _rectangles(self, rows: Cells, columns: Cells) -> tuple[NDArray[np.bool_], Flags]:
        """Whether known cells of each rectangle, edges included, differ; and their largest flag."""
        high = np.where(self.known == UNKNOWN, -1, self.known)
        low = np.where(self.known == UNKNOWN, np.iinfo(np.int64).max, self.known)
        bounds = []
        for values, reduce in ((high, np.maximum), (low, np.minimum)):
            part = reduce(reduce.reduceat(values, rows[:-1], axis=0), values[rows[1:]])
            bounds.append(reduce(reduce.reduceat(part, columns[:-1], axis=1), part[:, columns[1:]]))
        return bounds[0] > bounds[1], bounds[0]

    def _corners(self, mixed: NDArray[np.bool_], rows: Cells, columns: Cells) -> NDArray[np.bool_]:
        wanted = np.zeros(self.known.shape, dtype=bool)
        for a in (rows[:-1], rows[1:]):
            for b in (columns[:-1], columns[1:]):
                wanted[np.ix_(a, b)] |= mixed
        return wanted

    def close(self) -> None:
        while True:
            flags = np.pad(self.flags(), 1, mode="edge")
            middle = flags[1:-1, 1:-1]
            height, width = middle.shape
            differs = np.zeros(middle.shape, dtype=bool)
            for i in range(3):
                for j in range(3):
                    differs |= flags[i: i + height, j: j + width] != middle
            if not self.ask(differs):
                return
