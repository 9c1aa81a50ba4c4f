"""Two verbs for files: ``save`` and ``open``; the suffix decides: .json, .nc (netCDF), .zarr."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynamics.errors import DataError, MissingExtraError, SpecificationError
from dynamics.results.chunked_store import is_chunked, opened_lazily
from dynamics.results.containers import portable, restored
from dynamics.results.documents import decode, encode, is_result
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION

__all__ = ["open", "save"]

_FILE, _RECORD = "dynamics_file", "record"
_SUFFIXES = (".json", ".nc", ".zarr")


def save(result: Any, path: str | Path) -> Path:
    """save(result, "x.json"): write a result to a file; ``dynamics.open`` reads it back.

    Parameters
    ----------
    result : xarray.Dataset or structured result
        A trajectory, sweep or table; FixedPoints, Threshold, Branch, conditions, ...
    path : str or Path
        ``.json`` (readable by people and by ``xarray.Dataset.from_dict``), ``.nc`` or ``.zarr``.

    Returns
    -------
    Path

    Raises
    ------
    SpecificationError
        For an unknown suffix, something that is no result, or a directory that is no zarr store.
    DataError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, dynamics as dy
    >>> points = dy.fixed_points(dy.models.load("deleveraging"))
    >>> path = dy.save(points, pathlib.Path(tempfile.mkdtemp()) / "points.json")
    >>> dy.open(path) == points
    True
    """
    import xarray as xr

    path = _checked(path)
    if not is_result(result):
        raise SpecificationError(f"a {type(result).__name__} is no result; save takes Datasets and the results of this "
                                 "package (a System has to_toml())")
    if path.suffix == ".json":
        content = json.dumps({"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "result": encode(result)},
                             allow_nan=False, indent=1)
        return _written(path, lambda: path.write_text(content, encoding="utf-8"))
    if isinstance(result, xr.Dataset):
        dataset = result
    else:
        record = json.dumps(encode(result), allow_nan=False)
        table = getattr(result, "table", None)
        dataset = (table if isinstance(table, xr.Dataset) else xr.Dataset()).assign_attrs({_RECORD: record})
    dataset = portable(dataset).assign_attrs({_FILE: f"{SCHEMA} {SCHEMA_VERSION}"})
    if path.suffix == ".nc":
        return _written(path, lambda: dataset.to_netcdf(path, engine="h5netcdf"))
    if path.exists() and not any((path / name).exists() for name in ("zarr.json", ".zgroup")):
        raise SpecificationError(f"{path}: exists and is no zarr store; it is not overwritten")
    # the old store is given up only when the new one is complete
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")

    def store() -> None:
        try:
            dataset.to_zarr(fresh, consolidated=False)
            if path.exists():
                shutil.rmtree(path)
            fresh.rename(path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    return _written(path, store)


def _written(path: Path, write: Callable[[], Any]) -> Path:
    try:
        write()
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def open(path: str | Path) -> Any:
    """open("x.json"): read a result written by ``dynamics.save``.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    xarray.Dataset or structured result

    Raises
    ------
    DataError
        If the file is missing, damaged, or not a result of this package.

    Examples
    --------
    >>> import pathlib, tempfile, dynamics as dy
    >>> run = dy.integrate(dy.models.load("deleveraging"), duration=5)
    >>> path = dy.save(run, pathlib.Path(tempfile.mkdtemp()) / "run.nc")
    >>> dy.open(path).identical(run)
    True
    """
    path = _checked(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    try:
        result = _read_json(path) if path.suffix == ".json" else _read_arrays(path)
        if not is_result(result):
            raise ValueError(f"holds a {type(result).__name__}")
        return result
    except DataError:
        raise
    except MissingExtraError:
        raise
    except Exception as error:  # the readers of three formats raise many kinds; all mean that this is no such file
        raise DataError(f"{path}: damaged or not a result of this package ({type(error).__name__}: {error})") from None


def _read_json(path: Path) -> Any:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"{path}: not a result of this package (its schema is not '{SCHEMA}')")
    _check_version(path, document["schema_version"])
    return decode(document["result"])


def _read_arrays(path: Path) -> Any:
    import xarray as xr

    # a time axis in "days" is a number here, not a timedelta
    if path.suffix == ".nc":
        with xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False) as opened:
            dataset = opened.load()
    elif is_chunked(path):
        return opened_lazily(path)
    else:
        dataset = xr.open_zarr(path, consolidated=False, decode_timedelta=False).load()
    schema, _, version = str(dataset.attrs.pop(_FILE, "")).rpartition(" ")
    if schema != SCHEMA:
        raise DataError(f"{path}: not a result of this package (its schema is not '{SCHEMA}')")
    _check_version(path, int(version))
    dataset = restored(dataset)
    return decode(json.loads(dataset.attrs[_RECORD])) if _RECORD in dataset.attrs else dataset


def _check_version(path: Path, version: Any) -> None:
    if version > SCHEMA_VERSION:
        raise DataError(f"{path}: written by a newer release (schema {version}); upgrade leverage-dynamics")


def _checked(path: str | Path) -> Path:
    try:
        path = Path(path)
    except TypeError:
        raise SpecificationError(f"{path!r} is not a path") from None
    if path.suffix not in _SUFFIXES:
        raise SpecificationError(f"{path}: the suffix must be one of {', '.join(_SUFFIXES)}")
    return path
