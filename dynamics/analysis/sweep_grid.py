"""The grid of a sweep: cut into chunks, spread, gathered in memory or in a store; a stop keeps what is done."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.spreading import spread
from dynamics.analysis.sweep_cells import Job, Plan, columns_of, compute, one_by_one
from dynamics.analysis.work_budget import check_numbers
from dynamics.errors import DataError, IntegrationError, SpecificationError
from dynamics.results.atomic_files import as_path, place_of
from dynamics.results.chunked_store import ChunkedStore, Column, digest, is_chunked, slices_of
from dynamics.results.identity import differences
from dynamics.results.labelled import labelled
from dynamics.results.zarr_folders import read_root
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Filled", "ProgressBar", "axes_record", "bar_kind", "check_same", "chunk_shape", "filled", "finished",
           "store_path"]

Array = NDArray[np.float64]
Coordinates = Mapping[str, tuple[Array, Mapping[str, Any]]]
Points = Mapping[str, tuple[str, Array]]
logger = logging.getLogger(__name__)

CELLS = (8192, 65536)
SEARCHES = (512, 8192)
FEW_CELLS = (64, 1024)
CHUNKS = 64
MOST_CHUNKS = 1_000_000  # of 65536 cells each; their list takes 0.5 GB and a store of them as many files
SUFFIXES = (".zarr", ".json", ".nc")


@dataclass(frozen=True)
class Filled:
    """A result with the number of cells computed now, of those not run because of a stop, and of damaged chunks found."""

    dataset: xr.Dataset
    computed: int
    left: int
    repaired: int = 0


def chunk_shape(plan: Plan, shape: Sequence[int]) -> tuple[int, ...]:
    """Cells of a chunk along each axis: whole trailing axes as far as they fit.

    Chunks are large enough for lanes to be fast and small enough that a stop loses little; where one cell takes long
    (thresholds, single trajectories) they are smaller.
    """
    if not isinstance(plan.system, System) or plan.system.indices or one_by_one(plan):
        low, high = FEW_CELLS
    else:
        long = "threshold" in plan.special or ("lyapunov" in plan.special and plan.system.time == "continuous")
        low, high = SEARCHES if long else CELLS
    room = min(max(math.prod(shape) // CHUNKS, low), high)
    chunk = []
    for size in reversed(shape):
        chunk.append(max(1, min(size, room)))
        room //= chunk[-1]
    return tuple(reversed(chunk))


def _check_chunks(shape: Sequence[int], chunk: Sequence[int]) -> None:
    """Refuse a grid that cannot even be listed."""
    count = math.prod(-(-size // part) for size, part in zip(shape, chunk, strict=True))
    if count > MOST_CHUNKS:
        raise SpecificationError(f"{' x '.join(map(str, shape))} cells are {count} chunks, and a sweep has at most "
                                 f"{MOST_CHUNKS}; take fewer values of an axis")


def axes_record(axes: Mapping[str, Array]) -> dict[str, Any]:
    """What identifies the axes, without their values."""
    return {name: f"{len(values)} values from {values[0]:.17g} to {values[-1]:.17g}, checksum {digest(values):016x}"
            for name, values in axes.items()}


def filled(plan: Plan, coordinates: Coordinates, attributes: Mapping[str, Any], *, executor: Any = None,
           store: Path | None = None, progress: bool = False, points: Points | None = None) -> Filled:
    """Compute every cell of a grid that is not yet in the store.

    Parameters
    ----------
    plan : Plan
    coordinates : mapping of str to (values, attributes)
    attributes : mapping
        Provenance; with a store also what tells whether it belongs to this computation.
    executor, store, progress
        As in ``sweep``; the store is a ``.zarr`` directory.
    points : mapping of str to (str, ndarray), optional
        Axes that lie along a dimension of another name, with their values.

    Returns
    -------
    Filled

    Raises
    ------
    IntegrationError
        If the executor is lost; what was computed is kept, in the store or in ``partial``.
    DataError
        If the store is of another computation, cannot be written, or is written by another process.
    """
    axes = {name: values for name, (values, _) in coordinates.items()}
    shape = tuple(values.size for values in axes.values())
    _check_chunks(shape, chunk_shape(plan, shape))
    if store is None:
        check_numbers(math.prod(shape) * len(columns_of(plan)), f"{' x '.join(map(str, shape))} cells of "
                      f"{', '.join(columns_of(plan))}", "take fewer values of an axis, or keep the result in store=")
        sink: _Memory | ChunkedStore = _Memory(columns_of(plan), shape, chunk_shape(plan, shape))
    else:
        sink = _store(store, plan, coordinates, shape, attributes)
    missing = list(sink.remaining())
    cells = [math.prod(s.stop - s.start for s in piece) for piece in sink.pieces]
    job = functools.partial(_job, plan, axes, points or {}, shape, sink.pieces, None if executor is None else 1)
    left = sum(cells[number] for number in missing)
    wanted = left
    lost = None
    if missing:
        with sink.writing(), ProgressBar(progress, sum(cells), sum(cells) - left) as bar:
            function = functools.partial(compute, progress=bar.within) if executor is None else compute
            # another may have computed some of them until we were the only one to write
            missing = list(sink.remaining(missing))
            wanted = left = sum(cells[number] for number in missing)
            try:
                for number, values in spread(function, missing, job, executor):
                    sink.write(number, values)
                    left -= cells[number]
                    bar.ended(cells[number])
            except KeyboardInterrupt:
                logger.warning("stopped: %d of %d cells were not run", left, sum(cells))
            except IntegrationError as error:
                lost = error
    # whatever it says of itself so far: from a store that was found whole, nothing may be missing later
    dataset = sink.dataset(complete=not left) if isinstance(sink, ChunkedStore) else sink.dataset(coordinates, attributes)
    if lost is not None:
        done = f"{sum(cells) - left} of {sum(cells)} cells were computed"
        kept = f"and are kept in {store}; call again to go on" if store is not None else "and are in the error's 'partial'"
        raise IntegrationError(f"{lost}; {done} {kept}", dataset) from lost.__cause__
    return Filled(dataset, wanted - left, left, len(sink.damaged))


def _job(plan: Plan, dims: Mapping[str, Array], points: Points, shape: tuple[int, ...], pieces: Sequence[tuple[slice, ...]],
         threads: int | None, number: int) -> Job:
    piece = pieces[number]
    grids = np.meshgrid(*(np.arange(s.start, s.stop) for s in piece), indexing="ij")
    positions = {name: grid.reshape(-1) for name, grid in zip(dims, grids, strict=True)}
    cells = {}
    for name in plan.axes:
        dim, values = points[name] if name in points else (name, dims[name])
        cells[name] = values[positions[dim]]
    return Job(plan, cells, np.ravel_multi_index(list(positions.values()), shape), threads)


def _store(path: Path, plan: Plan, coordinates: Coordinates, shape: tuple[int, ...], attributes: Mapping[str, Any]
           ) -> ChunkedStore:
    if not path.exists():
        store = ChunkedStore.create(path, coordinates, columns_of(plan), chunk_shape(plan, shape), attributes)
        check_same(path, store.attributes, attributes)
        return store
    if not is_chunked(read_root(path)):
        raise DataError(f"{path}: holds no sweep or phase diagram that can be continued; give another store")
    store = ChunkedStore(path)
    check_same(path, store.attributes, attributes)
    return store


def finished(result: Filled, store: Path | None, message: str, seconds: float) -> xr.Dataset:
    """Return the result with what is known at the end; the time stays that of the call that computed it."""
    ended: dict[str, Any] = {"message": message}
    if result.computed or "wall_time_s" not in result.dataset.attrs:
        ended["wall_time_s"] = seconds
    if result.repaired:
        ended["repaired_chunks"] = result.repaired + int(result.dataset.attrs.get("repaired_chunks", 0))
    if store is not None:
        ChunkedStore(store).describe(ended, complete=not result.left)
    return result.dataset.assign_attrs(ended)


def store_path(store: str | Path | None) -> Path | None:
    """Return the path of a store; one that could not be written at the end is refused at the beginning."""
    if store is None:
        return None
    if not isinstance(store, str | Path):
        raise SpecificationError(f"store: must be a path, not {store!r}")
    path = as_path(store)
    if path.suffix not in SUFFIXES:
        raise SpecificationError(f"store: the suffix of '{path}' must be one of {', '.join(SUFFIXES)}")
    return place_of(path)


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise DataError where a stored result is of another computation, and say what differs."""
    if before.get("analysis") != now["analysis"]:
        wanted = str(now["analysis"]).replace("_", " ")
        raise DataError(f"{path}: holds no {wanted}, but {before.get('analysis', 'another result')}; give another store")
    found = differences(before, now)
    if found:
        raise DataError(f"{path}: was made with another system or other options ({'; '.join(found)}); give another store, "
                        "or delete it")


class _Memory:
    """Chunks gathered in arrays."""

    def __init__(self, columns: Mapping[str, Column], shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
        self.damaged: frozenset[int] = frozenset()
        self.columns, self.pieces = columns, slices_of(shape, chunk)
        self.arrays = {name: np.full(shape, c.fill, dtype=c.dtype) for name, c in columns.items()}

    def remaining(self, among: Iterable[int] | None = None) -> Iterable[int]:
        return range(len(self.pieces)) if among is None else among

    def writing(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def write(self, number: int, values: Mapping[str, NDArray[Any]]) -> None:
        piece = self.pieces[number]
        for name, array in self.arrays.items():
            array[piece] = values[name].reshape(array[piece].shape)

    def dataset(self, coordinates: Coordinates, attributes: Mapping[str, Any]) -> xr.Dataset:
        dims = tuple(coordinates)
        variables = {name: (dims, array, self.columns[name].attributes) for name, array in self.arrays.items()}
        return labelled(variables, coordinates, attributes)


def bar_kind() -> Any:
    """Return the tqdm that can be drawn here: in a notebook without ipywidgets ``tqdm.auto`` warns and draws text anyway."""
    from importlib.util import find_spec  # a module of its own, not an attribute of importlib

    return importlib.import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm").tqdm


class ProgressBar:
    """A tqdm bar over cells with rate and remaining time, or nothing."""

    def __init__(self, show: bool, total: int, done: int = 0) -> None:
        self.bar: Any = None
        self.base = done
        if arguments.flag(show, "progress"):
            self.bar = bar_kind()(total=total, initial=done, unit="cell", unit_scale=True, leave=False)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *details: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def expect(self, cells: int) -> None:
        """More cells are to be computed than known before."""
        if self.bar is not None:
            self.bar.total += cells
            self.bar.refresh()

    def within(self, ended: int, cells: int) -> None:
        """Some of the cells now computed have ended."""
        if self.bar is not None:
            self.bar.update(max(self.base + ended - self.bar.n, 0))

    def ended(self, cells: int) -> None:
        """A chunk has ended."""
        self.base += cells
        if self.bar is not None:
            self.bar.update(max(self.base - self.bar.n, 0))
