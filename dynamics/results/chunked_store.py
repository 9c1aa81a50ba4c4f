"""Results that grow chunk by chunk in a zarr directory, survive a kill at any moment, and are opened lazily.

The order of writes makes a kill harmless: data of a chunk, its checksum, then its ``done`` flag. What has no flag, or does
not give its checksum, is computed again. Every cell that was never written reads as its fill value (``not_run``).
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import DataError
from dynamics.results.containers import portable, restored
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ChunkedStore", "Column", "digest", "is_chunked", "opened_lazily", "slices_of"]

CHUNKED, AXES = "dynamics_chunked", "axis_names"
_FILE = "dynamics_file"
PROGRESS = "progress"


@dataclass(frozen=True)
class Column:
    """One variable over the grid: its type, what stands where nothing was computed, its attributes."""

    dtype: str = "float64"
    fill: float = float("nan")
    attributes: Mapping[str, Any] = field(default_factory=dict)


def digest(*arrays: NDArray[Any]) -> int:
    """Checksum (64 bits of BLAKE2b) of the bytes of arrays, the same on every platform."""
    state = hashlib.blake2b(digest_size=8)
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        state.update(little.tobytes())
    return int.from_bytes(state.digest(), "little")


def slices_of(shape: Sequence[int], chunk: Sequence[int]) -> list[tuple[slice, ...]]:
    """Return the pieces of a grid, one tuple of slices for each chunk, in the order of their numbers."""
    along = [[slice(k, min(k + step, size)) for k in range(0, size, step)] for size, step in zip(shape, chunk, strict=True)]
    return list(itertools.product(*along))


class ChunkedStore:
    """A zarr directory that is filled chunk by chunk.

    Parameters
    ----------
    path : Path
        An existing store; ``create`` makes one.

    Raises
    ------
    DataError
        If the directory is no such store, or its description is damaged.
    """

    def __init__(self, path: Path) -> None:
        import zarr

        self.path = path
        try:
            self.group = zarr.open_group(path, mode="r+")
            attributes = dict(self.group.attrs)
            self.names: list[str] = list(attributes[CHUNKED]["columns"])
            self.chunk = tuple(int(n) for n in attributes[CHUNKED]["chunk"])
            self.shape = tuple(int(n) for n in attributes[CHUNKED]["shape"])
            self._flags, self._sums = self.group[f"{PROGRESS}/done"], self.group[f"{PROGRESS}/checksum"]
            self._arrays = {name: self.group[_file_name(name)] for name in self.names}
        except Exception as error:  # zarr raises many kinds for a directory that is not what it should be
            raise DataError(f"{path}: no store that can be continued ({type(error).__name__}: {error}); give another store, "
                            "or delete it") from None
        self.pieces = slices_of(self.shape, self.chunk)

    @classmethod
    def create(cls, path: Path, coordinates: Mapping[str, tuple[NDArray[Any], Mapping[str, Any]]],
               columns: Mapping[str, Column], chunk: Sequence[int], attributes: Mapping[str, Any]) -> ChunkedStore:
        """Make an empty store; it stands at its place only when it is complete.

        Parameters
        ----------
        path : Path
        coordinates : mapping of str to (values, attributes)
            The axes, in order.
        columns : mapping of str to Column
        chunk : sequence of int
            Cells of a chunk along each axis.
        attributes : mapping
            Of the result.
        """
        import zarr

        shape = [len(values) for values, _ in coordinates.values()]
        # a fixed name: what a kill left here is swept away by the next attempt
        building = path.with_name(f"{path.name}.building")
        shutil.rmtree(building, ignore_errors=True)
        try:
            group = zarr.open_group(building, mode="w-", zarr_format=3)
            dims = [_file_name(name) for name in coordinates]
            for name, (values, described) in coordinates.items():
                array = group.create_array(_file_name(name), shape=values.shape, chunks=values.shape, dtype=values.dtype,
                                           dimension_names=[_file_name(name)], attributes=_portable(described))
                array[:] = values
            for name, column in columns.items():
                group.create_array(_file_name(name), shape=shape, chunks=tuple(chunk), dtype=column.dtype,
                                   fill_value=column.fill, dimension_names=dims, attributes=_portable(column.attributes))
            count = len(slices_of(shape, chunk))
            for name, dtype in (("done", "uint8"), ("checksum", "uint64")):
                group.create_array(f"{PROGRESS}/{name}", shape=(count,), chunks=(1,), dtype=dtype, fill_value=0,
                                   compressors=None, dimension_names=["chunk"])
            group.attrs.update({**_portable(attributes), _FILE: f"{SCHEMA} {SCHEMA_VERSION}", AXES: list(coordinates),
                                CHUNKED: {"columns": list(columns), "chunk": list(chunk), "shape": shape}})
            building.rename(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
        return cls(path)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the result, as they were given."""
        return _native(dict(self.group.attrs))

    def remaining(self) -> Iterator[int]:
        """Numbers of the chunks that are still to be computed: without a flag, or not what was written."""
        for number in range(len(self.pieces)):
            if not self._is_whole(number):
                yield number

    def _is_whole(self, number: int) -> bool:
        try:
            return bool(self._flags[number]) and int(self._sums[number]) == digest(
                *(self._arrays[name][self.pieces[number]] for name in self.names))
        except Exception:  # a damaged chunk fails in its decompressor, in many ways
            return False

    def write(self, number: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Write one chunk, flat or shaped: data, checksum, flag, in this order."""
        piece = self.pieces[number]
        shape = tuple(part.stop - part.start for part in piece)
        written = []
        for name in self.names:
            array = self._arrays[name]
            block = np.ascontiguousarray(values[name], dtype=array.dtype).reshape(shape)
            array[piece] = block
            written.append(block)
        self._sums[number] = digest(*written)
        self._flags[number] = 1

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Replace attributes of the result."""
        self.group.attrs.update(_portable(attributes))

    def dataset(self) -> xr.Dataset:
        """Return the result; values are read from the store when they are used."""
        return opened_lazily(self.path)


def is_chunked(path: Path) -> bool:
    """Whether a directory is a store of this kind."""
    import zarr

    try:
        return CHUNKED in zarr.open_group(path, mode="r").attrs
    except Exception:  # no group at all
        return False


def opened_lazily(path: Path) -> xr.Dataset:
    """Return the Dataset of a store without reading its variables."""
    import xarray as xr

    dataset = xr.open_zarr(path, consolidated=False, chunks=None, decode_timedelta=False)
    version = int(str(dataset.attrs.pop(_FILE)).rpartition(" ")[2])
    if version > SCHEMA_VERSION:
        raise DataError(f"{path}: written by a newer release (schema {version}); upgrade leverage-dynamics")
    del dataset.attrs[CHUNKED]
    axes = dataset.attrs.pop(AXES)
    return restored(dataset.rename({_file_name(name): name for name in axes if _file_name(name) != name}))


def _file_name(name: str) -> str:
    """Name of the directory of a variable; not every file system takes a colon."""
    return name.replace(":", "-")


def _portable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    import xarray as xr

    plain = portable(xr.Dataset(attrs=dict(attributes))).attrs
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in plain.items()}


def _native(attributes: Mapping[str, Any]) -> dict[str, Any]:
    import xarray as xr

    return dict(restored(xr.Dataset(attrs=dict(attributes))).attrs)
