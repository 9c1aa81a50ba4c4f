"""Results that grow chunk by chunk in a zarr directory, survive a kill at any moment, and are opened lazily.

The order of writes makes a kill harmless: data of a chunk, then its checksums. A chunk without checksums was not computed:
it reads as its fill value (``not_run``) and is computed by the next call. One that does not give them is damaged: it is
refused when it is read, and computed again by the next call. Everything else in the directory (axes, attributes,
descriptions) has one checksum of its own. Only one process writes into a store at a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import DataError
from dynamics.results.atomic_files import beside, reason, unreadable
from dynamics.results.checksums import OLD_VERSION, file_digest, hex_digest, json_digest
from dynamics.results.chunk_sums import SUM, ChunkSums, digest, slices_of
from dynamics.results.containers import portable, restored, without_checksum
from dynamics.results.identity import identifying
from dynamics.results.outside import refuse_links, refuse_other_codecs
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION
from dynamics.results.store_locks import StoreLock, held, remove_dead
from dynamics.results.zarr_folders import FILE, ROOT, check_digest, read_root, remove_ours, write_digest

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ChunkedStore", "Column", "digest", "is_chunked", "opened_lazily", "slices_of"]

CHUNKED, AXES = "dynamics_chunked", "axis_names"
SUMS = "progress/checksums"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """One variable over the grid: its type, what stands where nothing was computed, its attributes."""

    dtype: str = "float64"
    fill: float = float("nan")
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Layout:
    """What the description of a store says, compared with its checksum."""

    path: Path
    root: Mapping[str, Any]
    names: tuple[str, ...]
    axes: tuple[str, ...]
    chunk: tuple[int, ...]
    shape: tuple[int, ...]
    sums: ChunkSums

    @classmethod
    def read(cls, path: Path) -> _Layout:
        """Raise DataError for a store whose description, axes or attributes are damaged."""
        root = read_root(path)
        described = root["attributes"].get(CHUNKED) or {}
        names, axes = tuple(described.get("columns", ())), tuple(root["attributes"].get(AXES, ()))
        if not check_digest(path, root, _described_files(path, names, axes)):
            raise DataError(f"{path}: written by an older release, without checksums; it can be opened, not continued. Give "
                            "another store")
        sums = ChunkSums(path, path / SUMS / "c", len(names), bool(described["complete"]),
                         str(described["computation"]))
        return cls(path, root, names, axes, tuple(described["chunk"]), tuple(described["shape"]), sums)


def _described_files(path: Path, names: Sequence[str], axes: Sequence[str]) -> list[str]:
    """Files that never change: the descriptions of all arrays, and the values of the axes."""
    descriptions = [f"{_file_name(name)}/{ROOT}" for name in (*names, *axes)]
    values = [file for axis in axes for file in sorted((path / _file_name(axis)).glob("c/*"))]
    progress = [f"{SUMS}/{ROOT}", f"{Path(SUMS).parent.as_posix()}/{ROOT}"]
    return [*descriptions, *progress, *(file.relative_to(path).as_posix() for file in values)]


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

    def __init__(self, path: Path, lock: StoreLock | None = None) -> None:
        import zarr

        self.path = path = path.absolute()
        self.damaged: set[int] = set()  # chunks found so by ``remaining``
        self._lock = lock or StoreLock(path)
        try:
            refuse_links(path)
            self._layout = _Layout.read(path)
            self.names, self.sums = self._layout.names, self._layout.sums
            self.pieces = slices_of(self._layout.shape, self._layout.chunk)
            group = zarr.open_group(path, mode="r+")
            self._rows = group[SUMS]
            self._arrays = {name: group[_file_name(name)] for name in self.names}
        except DataError:
            raise
        except PermissionError as error:
            raise unreadable(path, error) from None
        except Exception as error:  # zarr raises many kinds for a directory that is not what it should be
            raise DataError(f"{path}: no store that can be continued ({type(error).__name__}: {error}); give another store, "
                            "or delete it") from None

    @classmethod
    def create(cls, path: Path, coordinates: Mapping[str, tuple[NDArray[Any], Mapping[str, Any]]],
               columns: Mapping[str, Column], chunk: Sequence[int], attributes: Mapping[str, Any]) -> ChunkedStore:
        """Make an empty store; it stands at its place only when it is complete. Where another was first, use that one.

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
        lock = None
        try:
            remove_dead(path)
            building, lock = _building(path)
            try:
                _fill(building, coordinates, columns, chunk, attributes)
                lock = _moved_in(building, path, lock)
            finally:
                if building.exists():
                    remove_ours(building)
            return cls(path, lock)
        except OSError as error:
            if lock is not None:
                lock.release()
            raise DataError(f"{path}: cannot be written ({reason(error)}). Make room, or give the store "
                            "another place") from None

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the result, as they were given."""
        return _native(self._layout.root["attributes"])

    def remaining(self, among: Iterable[int] | None = None) -> Iterator[int]:
        """Numbers of the chunks that are still to be computed: without checksums, or not what was written."""
        for number in range(len(self.pieces)) if among is None else among:
            if not self._is_whole(number):
                yield number

    def _is_whole(self, number: int) -> bool:
        try:
            sums = self.sums.read(number)
            if sums is None:
                return False
            found = [digest(self._arrays[name][self.pieces[number]]) for name in self.names]
            whole = found == sums.tolist()
        except PermissionError as error:
            raise unreadable(self.path, error) from None
        except Exception:  # a damaged chunk fails in its decompressor, in many ways
            whole = False
        if not whole and number not in self.damaged:
            self.damaged.add(number)
            logger.warning("%s: chunk %d is damaged or lost; it is computed again", self.path, number)
        return whole

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes, within a block; a second one gets a DataError."""
        with held(self._lock, self.path):
            yield

    def write(self, number: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Write one chunk, flat or shaped: data, then checksums.

        Raises
        ------
        DataError
            If it cannot be written; what is in the store is kept.
        """
        if self._lock.lost():
            raise DataError(f"{self.path}: the store was deleted, moved or replaced while it was written; bring it back and "
                            "call again to go on, or call again to begin anew")
        piece = self.pieces[number]
        shape = tuple(part.stop - part.start for part in piece)
        sums = []
        try:
            for name in self.names:
                array = self._arrays[name]
                block = np.ascontiguousarray(values[name], dtype=array.dtype).reshape(shape)
                array[piece] = block
                sums.append(digest(block))
            self._rows[number] = self.sums.row(sums, number)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({reason(error)}). What was computed is kept in it; "
                            "make room and call again to go on") from None

    def describe(self, attributes: Mapping[str, Any], complete: bool) -> None:
        """Replace attributes of the result; nothing is written where they are the same, or another is writing.

        Parameters
        ----------
        attributes : mapping
        complete : bool
            Whether every chunk was computed.
        """
        given = self._layout.root["attributes"]
        marked = {**given[CHUNKED], "complete": complete}
        if {**given, **_portable(attributes), CHUNKED: marked} == given:
            return
        try:
            if self._lock.take():
                # as it stands on the disk now, compared with its checksum: no damage is signed
                root = _Layout.read(self.path).root
                changed = {**root["attributes"], **_portable(attributes), CHUNKED: marked}
                new = {**root, "attributes": changed}
                write_digest(self.path, new, _described_files(self.path, self.names, self._layout.axes))
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({reason(error)}). What was computed is kept in it; "
                            "make room and call again to go on") from None
        finally:
            self._lock.release()

    def dataset(self, complete: bool = False) -> xr.Dataset:
        """Return the result; values are read from the store when they are used.

        Parameters
        ----------
        complete : bool
            Whether every chunk is known to have been computed, though the store does not say so yet.
        """
        return opened_lazily(self.path, complete)


def _building(path: Path) -> tuple[Path, StoreLock]:
    """A directory of our own next to the place of a store, and its lock: whoever finds it knows that we live."""
    while True:
        building = beside(path, "building")
        lock = StoreLock(building)
        building.mkdir()
        with contextlib.suppress(FileNotFoundError):  # another took it for one that was left behind
            lock.path.parent.mkdir()
            if lock.take() and lock.is_in_place():
                return building, lock
        lock.release()


def _fill(building: Path, coordinates: Mapping[str, tuple[NDArray[Any], Mapping[str, Any]]], columns: Mapping[str, Column],
          chunk: Sequence[int], attributes: Mapping[str, Any]) -> None:
    import zarr

    group = zarr.open_group(building, mode="a", zarr_format=3)
    shape = [len(values) for values, _ in coordinates.values()]
    dims = [_file_name(name) for name in coordinates]
    for name, (values, described) in coordinates.items():
        array = group.create_array(_file_name(name), shape=values.shape, chunks=values.shape, dtype=values.dtype,
                                   dimension_names=[_file_name(name)], attributes=_portable(described))
        array[:] = values
    for name, column in columns.items():
        group.create_array(_file_name(name), shape=shape, chunks=tuple(chunk), dtype=column.dtype, fill_value=column.fill,
                           dimension_names=dims, attributes=_portable(column.attributes))
    width = len(columns) + 1
    group.create_array(SUMS, shape=(len(slices_of(shape, chunk)), width), chunks=(1, width), dtype=SUM, fill_value=0,
                       compressors=None, dimension_names=["chunk", "column"])
    computation = json_digest({**_portable(identifying(attributes)), AXES: list(coordinates)})
    files = _described_files(building, list(columns), list(coordinates))
    group.attrs.update({**_portable(attributes), FILE: f"{SCHEMA} {SCHEMA_VERSION}", AXES: list(coordinates),
                        CHUNKED: {"columns": list(columns), "chunk": list(chunk), "shape": shape, "complete": False,
                                  "computation": hex_digest([computation.encode(), *_digests(building, files)])}})
    write_digest(building, read_root(building), files)


def _digests(folder: Path, files: Iterable[str]) -> list[bytes]:
    return [file_digest(folder / name).encode() for name in files]


def _moved_in(building: Path, path: Path, lock: StoreLock) -> StoreLock | None:
    """Give a new store its place; None where another was first, whose store is used then."""
    if os.name == "nt":
        # no directory with an open file is renamed there
        lock.release()
    try:
        building.rename(path)
    except OSError:
        lock.release()
        if not path.exists():
            raise
        return None
    lock.moved(path)
    return lock


def is_chunked(root: Mapping[str, Any]) -> bool:
    """Whether the description of a group is that of a store of this kind."""
    return CHUNKED in root["attributes"]


def opened_lazily(path: Path, complete: bool = False) -> xr.Dataset:
    """Return the Dataset of a store without reading its variables.

    Parameters
    ----------
    path : Path
    complete : bool
        Whether every chunk is known to have been computed; the store says it too, when it was described so.

    Raises
    ------
    DataError
        If the store is damaged; a damaged chunk is found when its values are used.
    """
    import zarr

    from dynamics.results.checked_chunks import CheckedArray, opened

    # values are read later, when the working directory can be another
    path = path.absolute()
    root = read_root(path)
    if str(root["attributes"][FILE]) == f"{SCHEMA} {OLD_VERSION}":
        return _opened_without_checksums(path)
    refuse_links(path)
    layout = _Layout.read(path)
    refuse_other_codecs(path, _described_files(path, layout.names, layout.axes))
    sums = dataclasses.replace(layout.sums, complete=layout.sums.complete or complete)
    variables = {}
    group = zarr.open_group(path, mode="r", zarr_format=3)
    dims = layout.axes
    for column, name in enumerate(layout.names):
        array = group[_file_name(name)]
        variables[name] = (dims, CheckedArray(array, sums, column, name), dict(array.attrs))
    for name in dims:
        array = group[_file_name(name)]
        variables[name] = ((name,), array[:], dict(array.attrs))
    attributes = {key: value for key, value in layout.root["attributes"].items() if key not in (FILE, CHUNKED, AXES)}
    dataset = restored(opened(path, variables, attributes))
    # axes that share a dimension lie beside the results
    return dataset.set_coords(list(dataset.attrs.get("options", {}).get("points", ())))


def _opened_without_checksums(path: Path) -> xr.Dataset:
    """A store of schema version 1."""
    import xarray as xr

    refuse_links(path)
    dataset = xr.open_zarr(path, consolidated=False, chunks=None, decode_timedelta=False)
    for key in (FILE, CHUNKED):
        del dataset.attrs[key]
    axes = dataset.attrs.pop(AXES)
    names = {_file_name(name): name for name in axes if _file_name(name) != name}
    return without_checksum(restored(dataset.rename(names)))


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
