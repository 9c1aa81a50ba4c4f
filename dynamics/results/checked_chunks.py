"""Values of a store, read chunk by chunk when they are used, each chunk compared with its checksum."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from dynamics.errors import DataError
from dynamics.results.atomic_files import unreadable
from dynamics.results.chunk_sums import ChunkSums, digest

__all__ = ["CheckedArray", "opened"]

class CheckedArray(BackendArray):
    """One variable of a store; xarray reads from it what is asked for.

    Parameters
    ----------
    values : zarr.Array
    sums : ChunkSums
    column : int
        Position of the variable among the checksums of a chunk.
    name : str
        For messages.

    Notes
    -----
    What was not computed yet reads as the fill value of the array.
    """

    def __init__(self, values: Any, sums: ChunkSums, column: int, name: str) -> None:
        self.values, self.sums, self.column, self.name = values, sums, column, name
        self.shape, self.dtype = tuple(values.shape), np.dtype(values.dtype)
        self.chunk = tuple(values.chunks)

    @functools.cached_property
    def _grid(self) -> tuple[int, ...]:
        return tuple(-(-size // step) for size, step in zip(self.shape, self.chunk, strict=True))

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._selected)

    def _selected(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Values at the outer product of positions: an integer, a slice or an array for each axis."""
        positions = [np.arange(size)[part] for size, part in zip(self.shape, key, strict=True)]
        flat = [np.atleast_1d(part) for part in positions]
        found = np.full([part.size for part in flat], self.values.fill_value, dtype=self.dtype)
        for block, inside, outside in self._pieces(flat):
            values = self.block(block)
            if values is not None:
                found[np.ix_(*outside)] = values[np.ix_(*inside)]
        return found.reshape([part.size for part in positions if part.ndim])

    def _pieces(self, positions: Sequence[NDArray[Any]]) -> Iterator[tuple[tuple[int, ...], list[Any], list[Any]]]:
        """The chunks that are touched: place in the grid, positions inside of each, positions in the result."""
        along = []
        for part, step in zip(positions, self.chunk, strict=True):
            blocks = part // step
            along.append([(int(b), part[blocks == b] - b*step, np.flatnonzero(blocks == b)) for b in np.unique(blocks)])
        for combined in itertools.product(*along):
            yield tuple(c[0] for c in combined), [c[1] for c in combined], [c[2] for c in combined]

    def block(self, place: tuple[int, ...]) -> NDArray[Any] | None:
        """Return the values of one chunk, None where it was not computed yet.

        Raises
        ------
        DataError
            If they do not give their checksum, or may not be read.
        """
        number = int(np.ravel_multi_index(place, self._grid))
        where = tuple(slice(k*step, (k + 1)*step) for k, step in zip(place, self.chunk, strict=True))
        try:
            sums = self.sums.read(number)
            if sums is None:
                return None
            values = self.values[where]
            whole = digest(values) == int(sums[self.column])
        except DataError:
            raise
        except PermissionError as error:
            raise unreadable(self.sums.path, error) from None
        except Exception:  # a damaged chunk fails in its decompressor, in many ways
            whole = False
        if not whole:
            raise self.sums.damaged(f"chunk {number} of '{self.name}'")
        return np.asarray(values)


def opened(path: Path, variables: Mapping[str, tuple[Any, Any, Mapping[str, Any]]], attributes: Mapping[str, Any]
           ) -> xr.Dataset:
    """Return a Dataset whose values are read when they are used, and kept then.

    Parameters
    ----------
    path : Path
    variables : mapping of str to (dims, values, attributes)
        Values are arrays, or a CheckedArray.
    attributes : mapping

    Returns
    -------
    xarray.Dataset
    """
    made = {}
    for name, (dims, values, described) in variables.items():
        lazy = indexing.LazilyIndexedArray(values) if isinstance(values, CheckedArray) else values
        made[name] = xr.Variable(dims, lazy, dict(described))
    coordinates = {name: made.pop(name) for name, (dims, *_) in variables.items() if dims == (name,)}
    whole = xr.Dataset(made, coords=coordinates, attrs=dict(attributes))
    # xarray keeps what was read once only for what it opened itself
    return xr.open_dataset(path, engine=_reader(whole))


def _reader(dataset: xr.Dataset) -> type[BackendEntrypoint]:
    class Reader(BackendEntrypoint):
        open_dataset_parameters = ("filename_or_obj", "drop_variables")

        def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None) -> xr.Dataset:
            return dataset

    return Reader
