"""Axes of a sweep that belong together: arrays that share a dimension are points along it, not an outer product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import SpecificationError

__all__ = ["Grid", "grid_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """The dimensions of a sweep.

    Attributes
    ----------
    dims : mapping of str to ndarray
        Dimension to its coordinate, in order; an axis of its own is its own dimension.
    points : mapping of str to (str, ndarray)
        Axis to the dimension it lies along and its values there, for axes that share one.
    """

    dims: Mapping[str, Array]
    points: Mapping[str, tuple[str, Array]]


def grid_of(over: Mapping[str, Any], axes: Mapping[str, Array], taken: Mapping[str, Any]) -> Grid:
    """Return the dimensions of some axes.

    Parameters
    ----------
    over : mapping of str to sequence of float or DataArray
        As they were given.
    axes : mapping of str to ndarray
        Their values.
    taken : mapping
        Names that a shared dimension may not have, unless it is one of its own axes.

    Raises
    ------
    SpecificationError
        Where arrays that share a dimension do not fit together.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a, b = (xr.DataArray([1.0, 2.0], dims="point") for _ in range(2))
    >>> grid = grid_of({"a": a, "b": b, "c": [3.0]}, {"a": a.values, "b": b.values, "c": np.array([3.0])}, {})
    >>> list(grid.dims), list(grid.points)
    (['point', 'c'], ['a', 'b'])
    """
    along = {name: str(values.dims[0]) for name, values in over.items() if len(getattr(values, "dims", ())) == 1}
    members = {dim: [name for name in along if along[name] == dim] for dim in along.values()}
    shared = {dim: names for dim, names in members.items() if len(names) > 1}
    dims: dict[str, Array] = {}
    points: dict[str, tuple[str, Array]] = {}
    for name, values in axes.items():
        dim = along.get(name)
        if dim is None or dim not in shared:
            if name in shared:
                raise SpecificationError(f"over: '{name}' is an axis, and the dimension of {_listed(shared[name])}; "
                                         "rename one")
            dims[name] = values
            continue
        if dim not in dims:
            dims[dim] = _coordinate(dim, over, axes, shared[dim], taken)
        if name != dim:
            points[name] = (dim, values)
    return Grid(dims, points)


def _coordinate(dim: str, over: Mapping[str, Any], axes: Mapping[str, Array], names: list[str], taken: Mapping[str, Any]
                ) -> Array:
    """Coordinate of a shared dimension: the axis of its name, else its own numbers, else 0, 1, 2, ..."""
    sizes = {len(axes[name]) for name in names}
    if len(sizes) > 1:
        found = ", ".join(f"'{name}' has {len(axes[name])}" for name in names)
        raise SpecificationError(f"over: {_listed(names)} share the dimension '{dim}' and differ in length: {found} values")
    indexes = [over[name].indexes[dim] for name in names if dim in over[name].indexes]
    if any(not indexes[0].equals(other) for other in indexes[1:]):
        raise SpecificationError(f"over: {_listed(names)} share the dimension '{dim}', whose coordinates differ; align them")
    if dim in names:
        return axes[dim]
    if dim in taken:
        raise SpecificationError(f"over: the dimension '{dim}' of {_listed(names)} has the name of something in the result; "
                                 "rename it")
    if indexes and indexes[0].inferred_type in ("integer", "floating"):
        return np.asarray(indexes[0], dtype=float)
    return np.arange(float(sizes.pop()))


def _listed(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return ", ".join(quoted[:-1]) + f" and {quoted[-1]}"
