"""Long tables as labelled arrays: some columns say where a number belongs, others hold the numbers."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dynamics.data.table import Faults, Row, Table, parse_number, read_table
from dynamics.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Column", "Layout", "MOST_CELLS", "read_long_table"]

MOST_CELLS = 20_000_000
"""Largest size of an array: labels that do not belong together would make it huge."""


@dataclass(frozen=True)
class Column:
    """A column of numbers: the variable it becomes, its unit, what it is, and where it must lie."""

    variable: str
    unit: str
    meaning: str
    bounds: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class Layout:
    """The columns of a layout, by their names in lower case.

    Attributes
    ----------
    name : str
    dims : mapping of str to str
        Columns that place a number, and the dims they become.
    numbers : mapping of str to Column
    labels : mapping of str to (str, str)
        Columns that describe an entry of a dim: the coordinate they become and that dim.
    fixed : mapping of str to tuple of str
        Columns that must have one of these values, and are then left out.
    kinds : mapping of str to callable
        Dims whose labels are no text: how to read one; a ValueError completes the sentence "line, column: ...".
    spaced : bool
        Spaces separate cells as well as commas do.
    read_number : callable
    """

    name: str
    dims: Mapping[str, str]
    numbers: Mapping[str, Column]
    labels: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, Callable[[str], object]] = field(default_factory=dict)
    spaced: bool = False
    read_number: Callable[[str], float] = parse_number


def read_long_table(path: str | os.PathLike[str], layout: Layout) -> xr.Dataset:
    """Read a file of a layout; cells that the file does not have are nan.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.
    """
    table = read_table(path, spaced=layout.spaced)
    where = _positions(table, layout)
    faults = Faults(table.file)
    places: dict[str, dict[object, int]] = {column: {} for column in layout.dims}
    labels: dict[str, dict[int, str]] = {column: {} for column in layout.labels}
    found: dict[tuple[int, ...], tuple[int, list[float]]] = {}
    for row in table.rows:
        if not any(row.cells):
            faults.add(row.line, None, "the row is blank; remove it")
            continue
        spot = _place(row, where, layout, places, faults)
        values = [_number(row, where, name, column, layout, faults) for name, column in layout.numbers.items()]
        for name, allowed in layout.fixed.items():
            if row.cells[where[name]] not in allowed:
                faults.add(row.line, name, f"{row.cells[where[name]]!r} where this layout has {' or '.join(allowed)}")
        if spot is None:
            continue
        for name, (_, dim) in layout.labels.items():
            entry = spot[list(layout.dims.values()).index(dim)]
            said = labels[name].setdefault(entry, row.cells[where[name]])
            if said != row.cells[where[name]]:
                faults.add(row.line, name, f"{row.cells[where[name]]!r}, but an earlier row has {said!r} for the same {dim}")
        if spot in found:
            faults.add(row.line, None, f"the same {', '.join(layout.dims)} as in line {found[spot][0]}")
        found[spot] = row.line, values
    faults.raise_if_any()
    if not found:
        raise DataError(f"{table.file}: no rows below the header")
    return _assembled(table, layout, places, labels, found)


def _positions(table: Table, layout: Layout) -> dict[str, int]:
    wanted = [*layout.dims, *layout.numbers, *layout.labels, *layout.fixed]
    missing = [name for name in wanted if name not in table.header]
    if missing:
        raise DataError(f"{table.file}: line 1: no column {', '.join(repr(name) for name in missing)}; the layout "
                        f"'{layout.name}' has {', '.join(wanted)}.{did_you_mean(missing[0], table.header)}")
    return {name: table.header.index(name) for name in wanted}


def _place(row: Row, where: Mapping[str, int], layout: Layout, places: dict[str, dict[object, int]],
           faults: Faults) -> tuple[int, ...] | None:
    spot: list[int] = []
    for name in layout.dims:
        cell = row.cells[where[name]]
        try:
            if not cell:
                raise ValueError("the cell is empty; it has to say where the numbers of the row belong")
            label = layout.kinds[name](cell) if name in layout.kinds else cell
        except ValueError as error:
            faults.add(row.line, name, str(error))
            continue
        spot.append(places[name].setdefault(label, len(places[name])))
    return tuple(spot) if len(spot) == len(layout.dims) else None


def _number(row: Row, where: Mapping[str, int], name: str, column: Column, layout: Layout, faults: Faults) -> float:
    try:
        value = layout.read_number(row.cells[where[name]])
    except ValueError as error:
        faults.add(row.line, name, str(error))
        return math.nan
    low, high = column.bounds
    if not low <= value <= high:
        faults.add(row.line, name, f"{value:g} is outside {low:g} .. {high:g}")
    return value


def _assembled(table: Table, layout: Layout, places: dict[str, dict[object, int]],
               labels: dict[str, dict[int, str]], found: dict[tuple[int, ...], tuple[int, list[float]]]) -> xr.Dataset:
    import xarray as xr

    shape = tuple(len(places[name]) for name in layout.dims)
    if math.prod(shape) > MOST_CELLS:
        raise DataError(f"{table.file}: {' x '.join(map(str, shape))} labels in the columns {', '.join(layout.dims)} make"
                        f" more than {MOST_CELLS} cells; is this a file of the layout '{layout.name}'?")
    dims = tuple(layout.dims.values())
    spots = tuple(np.array(list(found), dtype=np.intp).T)
    numbers = np.array([values for _, values in found.values()], dtype=float)
    variables = {}
    for index, column in enumerate(layout.numbers.values()):
        array = np.full(shape, np.nan)
        array[spots] = numbers[:, index]
        variables[column.variable] = (dims, array, {"units": column.unit, "long_name": column.meaning})
    coordinates: dict[str, object] = {dim: list(places[name]) for name, dim in layout.dims.items()}
    for name, (coordinate, dim) in layout.labels.items():
        coordinates[coordinate] = (dim, [labels[name][entry] for entry in range(len(labels[name]))])
    return xr.Dataset(variables, coords=coordinates, attrs={
        "source_file": table.file, "source_sha256": table.sha256, "layout": layout.name, "rows": len(found),
        "ignored_columns": [name for name in table.header if name not in
                            {*layout.dims, *layout.numbers, *layout.labels, *layout.fixed}]})
