"""Two verbs for files: ``save`` and ``open``; the suffix decides: .json, .nc (netCDF), .zarr."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympy import Basic, Expr, Symbol

from dynamics import expressions
from dynamics.errors import DataError, SpecificationError
from dynamics.results import records
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["open", "save"]

_SUFFIXES = (".json", ".nc", ".zarr")
_RECORDS = {cls.__name__: cls for cls in (
    records.FixedPoint, records.StabilityCondition, records.BifurcationCondition, records.Coefficient,
    records.FeedbackLoop, records.SpecialPoint, records.Branch, records.BifurcationDiagram, records.Threshold,
    records.Claim, records.Reproduction)}
_SEQUENCES = {cls.__name__: cls for cls in (records.Records, records.FixedPoints)}


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
        For an unknown suffix or something that is no result.

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
    if path.suffix == ".json":
        document = _dataset_document(result) if isinstance(result, xr.Dataset) else _encode(result)
        path.write_text(json.dumps({"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "result": document},
                                   allow_nan=False, indent=1), encoding="utf-8")
        return path
    if isinstance(result, xr.Dataset):
        dataset = result
    else:
        record = json.dumps(_encode(result), allow_nan=False)
        table = getattr(result, "table", None)
        dataset = (table if isinstance(table, xr.Dataset) else xr.Dataset()).assign_attrs(record=record)
    dataset = _plain_attributes(dataset)
    if path.suffix == ".nc":
        dataset.to_netcdf(path, engine="h5netcdf")
    else:
        if path.exists():
            shutil.rmtree(path)
        dataset.to_zarr(path, consolidated=False)
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
    import xarray as xr

    path = _checked(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    try:
        if path.suffix == ".json":
            document = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(document, dict) or document.get("schema") != SCHEMA:
                raise DataError(f"{path}: not a result of this package (its schema is not '{SCHEMA}')")
            if document["schema_version"] > SCHEMA_VERSION:
                raise DataError(f"{path}: written by a newer release (schema {document['schema_version']}); upgrade")
            return _decode(document["result"])
        if path.suffix == ".nc":
            with xr.open_dataset(path, engine="h5netcdf") as opened:
                dataset = opened.load()
        else:
            dataset = xr.open_zarr(path, consolidated=False).load()
    except (OSError, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: damaged or not a result of this package ({type(error).__name__}: {error})") from None
    for holder in (dataset, *dataset.variables.values()):
        holder.attrs = {key: _restored(value) for key, value in holder.attrs.items()}
        holder.encoding = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "OT":
            dataset[name] = dataset[name].astype(str)
    return _decode(dataset.attrs["record"]) if "record" in dataset.attrs else dataset


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise SpecificationError(f"{path}: the suffix must be one of {', '.join(_SUFFIXES)}")
    return path


# ---- attributes: netCDF and zarr hold numbers and texts; everything else travels as JSON text with a mark ---------------

_MARK = "json:"


def _plain_attributes(dataset: xr.Dataset) -> xr.Dataset:
    dataset = dataset.copy()

    def plain(value: Any) -> Any:
        return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) \
            else _MARK + json.dumps(_attribute(value))

    dataset.attrs = {key: plain(value) for key, value in dataset.attrs.items()}
    for name in dataset.variables:
        if dataset[name].dtype.kind == "U":
            # fixed-length texts have no stable zarr encoding; variable-length ones do
            dataset[name] = dataset[name].astype(object)
        dataset[name].attrs = {key: plain(value) for key, value in dataset[name].attrs.items()}
    return dataset


def _attribute(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _attribute(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_attribute(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, str):
        return json.loads(value[len(_MARK):]) if value.startswith(_MARK) else value
    return value.item() if hasattr(value, "item") and getattr(value, "size", 2) == 1 else value


# ---- datasets as JSON: the layout of xarray.Dataset.to_dict(), with dtypes --------------------------------------------

def _numbers(value: Any) -> Any:
    """Floats for JSON: nan is null, infinities are texts."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _dataset_document(dataset: xr.Dataset) -> dict[str, Any]:
    import numpy as np

    def variable(array: Any) -> dict[str, Any]:
        values = array.values
        data = np.datetime_as_string(values).tolist() if values.dtype.kind == "M" else values.tolist()
        return {"dims": list(array.dims), "attrs": _encode(array.attrs), "dtype": str(values.dtype), "data": _numbers(data)}

    return {"type": "Dataset", "attrs": _encode(dataset.attrs), "dims": dict(dataset.sizes),
            "coords": {str(n): variable(a) for n, a in dataset.coords.items()},
            "data_vars": {str(n): variable(a) for n, a in dataset.data_vars.items()}}


def _dataset(document: Mapping[str, Any]) -> xr.Dataset:
    import numpy as np
    import xarray as xr

    def variable(entry: Mapping[str, Any]) -> Any:
        dtype = np.dtype(entry["dtype"])
        data = entry["data"]
        if dtype.kind == "f":
            flat = np.array(data, dtype=object)
            values = np.array([math.nan if v is None else float(v) for v in flat.ravel()], dtype=dtype).reshape(flat.shape)
        else:
            values = np.array(data, dtype=dtype)
        return (tuple(entry["dims"]), values, _decode(entry["attrs"]))

    return xr.Dataset({n: variable(e) for n, e in document["data_vars"].items()},
                      coords={n: variable(e) for n, e in document["coords"].items()}, attrs=_decode(document["attrs"]))


# ---- records as JSON ------------------------------------------------------------------------------------------------

def _encode(value: Any) -> Any:
    import xarray as xr

    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": str(value)}
    if isinstance(value, complex):
        return {"type": "complex", "real": _encode(value.real), "imag": _encode(value.imag)}
    if isinstance(value, Basic):
        kind = "expression" if isinstance(value, Expr) else "condition"
        return {"type": kind, "text": expressions.text(value), "names": sorted(s.name for s in value.free_symbols)}
    if isinstance(value, xr.Dataset):
        return _dataset_document(value)
    if type(value).__name__ in _SEQUENCES:
        return {"type": type(value).__name__, "items": [_encode(v) for v in value], "provenance": _encode(value.provenance)}
    if dataclasses.is_dataclass(value) and type(value).__name__ in _RECORDS:
        return {"type": type(value).__name__, **{f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)}}
    if isinstance(value, Mapping):
        return {"type": "mapping", "items": {str(k): _encode(v) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"type": "tuple" if isinstance(value, tuple) else "list", "items": [_encode(v) for v in value]}
    if hasattr(value, "tolist"):
        return _encode(value.tolist())
    raise SpecificationError(f"a {type(value).__name__} is no result; save takes Datasets and the results of this package")


def _decode(value: Any) -> Any:
    if isinstance(value, str) and value.startswith('{"type"'):
        value = json.loads(value)
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind == "float":
        return float(value["value"])
    if kind == "complex":
        return complex(_decode(value["real"]), _decode(value["imag"]))
    if kind in ("expression", "condition"):
        names = {name: Symbol(name) for name in value["names"]}
        return expressions.parse(value["text"], names, where="result", conditions=True)
    if kind == "Dataset":
        return _dataset(value)
    if kind == "mapping":
        return {k: _decode(v) for k, v in value["items"].items()}
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(_decode(v) for v in value["items"])
    if kind in _SEQUENCES:
        return _SEQUENCES[kind]([_decode(v) for v in value["items"]], _decode(value["provenance"]))
    if kind in _RECORDS:
        return _RECORDS[kind](**{k: _decode(v) for k, v in value.items() if k != "type"})
    raise ValueError(f"unknown kind of result {kind!r}")
