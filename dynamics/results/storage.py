"""Two verbs for files: ``save`` and ``open``; the suffix decides: .json, .nc (netCDF), .zarr."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamics.errors import DataError, DynamicsError, MissingExtraError, SpecificationError
from dynamics.results.atomic_files import as_path, beside, place_of, unreadable, unwritable, write_bytes, write_text
from dynamics.results.checksums import OLD_VERSION, check_version, damaged, json_digest, sealed, with_seal
from dynamics.results.chunked_store import is_chunked, opened_lazily
from dynamics.results.containers import portable, restored, without_checksum
from dynamics.results.documents import decode, encode, is_result
from dynamics.results.outside import refuse_links, refuse_other_codecs, refuse_outside_parts
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION
from dynamics.results.store_locks import unwritten
from dynamics.results.zarr_folders import FILE, array_files, check_digest, check_ours, move_in, read_root, write_digest

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["open", "save"]

_RECORD, _CHECKSUM = "record", "checksum"
_SUFFIXES = (".json", ".nc", ".zarr")


def save(result: Any, path: str | Path) -> Path:
    """save(result, "x.json"): write a result to a file; ``dynamics.open`` reads it back.

    A file is written beside its place and moved there when it is whole, with a checksum over everything in it. Where the
    path is a link, what it points to is replaced, and the link stays.

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
        For an unknown suffix, something that is no result, or a directory that holds anything but one result.
    DataError
        If the file cannot be written (also where its folder does not exist, or is the store of a sweep that another process
        writes); what stood there before is unchanged.

    Examples
    --------
    >>> import pathlib, tempfile, dynamics as dy
    >>> points = dy.fixed_points(dy.models.load("deleveraging"))
    >>> path = dy.save(points, pathlib.Path(tempfile.mkdtemp()) / "points.json")
    >>> dy.open(path) == points
    True
    """

    path = _checked(path)
    if not is_result(result):
        raise SpecificationError(f"a {type(result).__name__} is no result; save takes Datasets and the results of this "
                                 "package (a System has to_toml())")
    write = {".json": _write_json, ".nc": _write_netcdf, ".zarr": _write_zarr}[path.suffix]
    try:
        write(result, path)
    except DynamicsError:
        raise
    except OSError as error:
        raise unwritable(path, error) from None
    except MemoryError:
        raise DataError(f"{path}: cannot be written, there is not memory enough for it as {path.suffix}; .zarr takes least, "
                        "and the store of a sweep next to none") from None
    except Exception as error:  # the writers of three formats raise many kinds for what they do not hold
        raise SpecificationError(f"{path}: this {type(result).__name__} cannot be saved as {path.suffix} ({error}); save "
                                 "numbers, texts and times, with texts as names") from None
    return path


def _write_json(result: Any, path: Path) -> None:
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "result": encode(result)}
    signed = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, _CHECKSUM: json_digest(document),
              "result": document["result"]}
    write_text(path, json.dumps(signed, allow_nan=False, indent=1))


def _dataset_of(result: Any) -> xr.Dataset:
    """What a netCDF file or a zarr directory holds of a result."""
    import xarray as xr

    if isinstance(result, xr.Dataset):
        return portable(result)
    table = getattr(result, "table", None)
    dataset = table if isinstance(table, xr.Dataset) else xr.Dataset()
    return portable(dataset.assign_attrs({_RECORD: json.dumps(encode(result), allow_nan=False)}))


def _write_netcdf(result: Any, path: Path) -> None:
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    dataset = _dataset_of(result).assign_attrs({FILE: f"{SCHEMA} {SCHEMA_VERSION}"})
    # made in memory: on a full disk HDF5 keeps a file that it can neither write nor close, and the interpreter dies of it
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file))
    write_bytes(path, with_seal(content.getvalue()))


def _write_zarr(result: Any, path: Path) -> None:
    dataset = _dataset_of(result).assign_attrs({FILE: f"{SCHEMA} {SCHEMA_VERSION}"})
    # what a link points to is replaced as a whole, not the link
    path = place_of(path)
    if path.exists():
        check_ours(path)
    fresh = beside(path, "partial")
    try:
        dataset.to_zarr(fresh, consolidated=False, zarr_format=3)
        write_digest(fresh, read_root(fresh), array_files(fresh))
        with unwritten(path):
            move_in(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


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
        If the file is missing, may not be read, is damaged (it does not give its checksum), or not a result of this
        package. The values of a store of a sweep raise it later, when they are used.

    Notes
    -----
    The values of a store of a sweep (or phase diagram) are read from it, and checked, chunk by chunk when they are used:
    keep it where it is until then, or ``load()`` the Dataset. Chunks that were not computed yet read as not_run. Everything
    else is read and checked at once.

    Files of releases before the checksums open; the attribute (or provenance) ``integrity`` then says "not recorded".

    Examples
    --------
    >>> import pathlib, tempfile, dynamics as dy
    >>> run = dy.integrate(dy.models.load("deleveraging"), duration=5)
    >>> path = dy.save(run, pathlib.Path(tempfile.mkdtemp()) / "run.nc")
    >>> dy.open(path).identical(run)
    True
    """
    path = _checked(path)
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise unreadable(path, error) from None
    read = {".json": _read_json, ".nc": _read_netcdf, ".zarr": _read_zarr}[path.suffix]
    try:
        if path.is_dir() != (path.suffix == ".zarr") or not (path.is_dir() or path.is_file()):
            raise ValueError(f"a {path.suffix} is {'a directory' if path.suffix == '.zarr' else 'a file'}")
        result = read(path)
        if not is_result(result):
            raise ValueError(f"holds a {type(result).__name__}")
        return result
    except DataError:
        raise
    except MissingExtraError:
        raise
    except PermissionError as error:
        raise unreadable(path, error) from None
    except Exception as error:  # the readers of three formats raise many kinds; all mean that this is no such file
        raise DataError(f"{path}: damaged or not a result of this package ({type(error).__name__}: {error})") from None


def _read_json(path: Path) -> Any:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"{path}: not a result of this package (its schema is not '{SCHEMA}')")
    check_version(path, document.get("schema_version"), SCHEMA_VERSION)
    old = document["schema_version"] == OLD_VERSION and set(document) == {"schema", "schema_version", "result"}
    if old:
        return without_checksum(decode(document["result"]))
    found = document.pop(_CHECKSUM, None)
    if found != json_digest(document):
        raise damaged(path, "its content")
    return decode(document["result"])


def _read_netcdf(path: Path) -> Any:
    import xarray as xr

    has_checksum = sealed(path)
    refuse_outside_parts(path)
    # a time axis in "days" is a number here, not a timedelta
    with xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False) as opened:
        dataset = opened.load()
    mark = str(dataset.attrs.pop(FILE, ""))
    schema, _, version = mark.rpartition(" ")
    if schema != SCHEMA:
        raise DataError(f"{path}: not a result of this package (its schema is not '{SCHEMA}')")
    check_version(path, int(version) if version.isdecimal() else version, SCHEMA_VERSION)
    old = version == str(OLD_VERSION)
    if old == has_checksum:
        raise damaged(path, "the file")
    found = _result_of(dataset)
    return without_checksum(found) if old else found


def _read_zarr(path: Path) -> Any:
    import xarray as xr

    root = read_root(path)
    refuse_links(path)
    if is_chunked(root):
        return opened_lazily(path)
    files = array_files(path)
    has_checksum = check_digest(path, root, files)
    refuse_other_codecs(path, files)
    dataset = xr.open_zarr(path, consolidated=False, zarr_format=3, decode_timedelta=False).load()
    del dataset.attrs[FILE]
    found = _result_of(dataset)
    return found if has_checksum else without_checksum(found)


def _result_of(dataset: xr.Dataset) -> Any:
    dataset = restored(dataset)
    return decode(json.loads(dataset.attrs[_RECORD])) if _RECORD in dataset.attrs else dataset


def _checked(path: str | Path) -> Path:
    path = as_path(path)
    if path.suffix not in _SUFFIXES:
        raise SpecificationError(f"{path}: the suffix must be one of {', '.join(_SUFFIXES)}")
    return path
