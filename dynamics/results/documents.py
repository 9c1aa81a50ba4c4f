"""Results as JSON documents: records and expressions as tagged mappings, Datasets as ``Dataset.to_dict()`` has them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympy import Basic, Expr, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.results import arrays
from dynamics.results.record import home_of, kind_of, record_class
from dynamics.systems import Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["decode", "encode", "is_result"]

_REFERENCE = "Reference"
_SIMPLE: dict[str, Any] = {"float": (float, int), "int": int, "str": str, "bool": bool, "complex": (complex, float, int)}


def is_result(value: Any) -> bool:
    """Whether a value is a Dataset or a structured result of this package."""
    import xarray as xr

    return isinstance(value, xr.Dataset) or kind_of(value) is not None


def encode(value: Any) -> Any:
    """Return ``value`` in what JSON has: texts, finite numbers, lists, mappings; ``decode`` takes it back.

    Raises
    ------
    SpecificationError
        For something that is no result of this package.
    """
    import xarray as xr

    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": str(value)}
    if isinstance(value, complex):
        return {"type": "complex", "real": encode(value.real), "imag": encode(value.imag)}
    if isinstance(value, Basic):
        kind = "expression" if isinstance(value, Expr) else "condition"
        return {"type": kind, "text": expressions.text(value), "names": sorted(s.name for s in value.free_symbols)}
    if isinstance(value, xr.Dataset):
        return _dataset_document(value)
    if isinstance(value, Reference):
        return {"type": _REFERENCE, **dataclasses.asdict(value)}
    if kind_of(value) is not None:
        return _record_document(value)
    if isinstance(value, Mapping):
        return _mapping_document(value)
    if isinstance(value, (list, tuple)):
        return {"type": "tuple" if isinstance(value, tuple) else "list", "items": [encode(v) for v in value]}
    if hasattr(value, "tolist") and not isinstance(value.tolist(), type(value)):
        return encode(value.tolist())
    raise SpecificationError(f"a {type(value).__name__} is no result; "
                             "save takes Datasets and the results of this package")


def decode(value: Any) -> Any:
    """Return what ``encode`` was given."""
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind == "float":
        return float(value["value"])
    if kind == "complex":
        return complex(decode(value["real"]), decode(value["imag"]))
    if kind in ("expression", "condition"):
        names = {name: Symbol(name) for name in value["names"]}
        return expressions.parse(value["text"], names, where="result", conditions=True)
    if kind == "Dataset":
        return _dataset(value)
    if kind == "mapping" and "pairs" in value:
        return {decode(k): decode(v) for k, v in value["pairs"]}
    if kind == "mapping":
        return {k: decode(v) for k, v in value["items"].items()}
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(decode(v) for v in value["items"])
    if kind == _REFERENCE:
        return Reference(**{name: decode(entry) for name, entry in value.items() if name != "type"})
    return _record(value)


def _record_document(record: Any) -> dict[str, Any]:
    """A record with its kind and its home: sequences by their items, the others by their fields."""
    document = {"type": type(record).__name__, "home": home_of(type(record))}
    if not dataclasses.is_dataclass(record):
        return {**document, "items": [encode(item) for item in record], "provenance": encode(record.provenance)}
    names = [field.name for field in dataclasses.fields(record) if field.init]
    return {**document, "fields": {name: encode(getattr(record, name)) for name in names}}


def _record(document: Mapping[str, Any]) -> Any:
    made = record_class(str(document.get("type")), document.get("home"))
    if not dataclasses.is_dataclass(made):
        items = [decode(item) for item in document["items"]]
        return made(items, decode(document["provenance"]))  # type: ignore[call-arg]
    # files of schema version 1 have the fields beside the kind
    old = {name: entry for name, entry in document.items() if name != "type"}
    fields = document["fields"] if "home" in document else old
    found = {name: decode(entry) for name, entry in fields.items()}
    for field in dataclasses.fields(made):
        if field.name in found and not _fits(found[field.name], str(field.type)):
            kind = type(found[field.name]).__name__
            raise ValueError(f"{made.__name__}: '{field.name}' is a {kind}, and no {field.type}")
    return made(**found)


def _fits(value: Any, declared: str) -> bool:
    """Whether a value is what a field is declared to be, as far as its declaration is of the simple ones."""
    if "|" in declared:
        return True
    if declared in _SIMPLE:
        return isinstance(value, _SIMPLE[declared])
    if declared == "tuple[float, float]":
        return isinstance(value, tuple) and len(value) == 2 and all(_fits(part, "float") for part in value)
    if declared.startswith("tuple["):
        return isinstance(value, tuple)
    return isinstance(value, Mapping) or not declared.startswith("Mapping[")


def _mapping_document(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    if all(isinstance(key, str) for key in mapping):
        return {"type": "mapping", "items": {key: encode(entry) for key, entry in mapping.items()}}
    # keys that are no texts come back as what they are
    return {"type": "mapping", "pairs": [[encode(key), encode(entry)] for key, entry in mapping.items()]}


def _dataset_document(dataset: xr.Dataset) -> dict[str, Any]:
    def variable(array: Any) -> dict[str, Any]:
        return {"dims": list(array.dims), "attrs": _attributes(array.attrs), "dtype": str(array.dtype),
                "data": arrays.listed(array.values)}

    return {"type": "Dataset", "attrs": _attributes(dataset.attrs),
            "dims": {str(name): size for name, size in dataset.sizes.items()},
            "coords": {str(n): variable(a) for n, a in dataset.coords.items()},
            "data_vars": {str(n): variable(a) for n, a in dataset.data_vars.items()}}


def _attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): encode(value) for name, value in attributes.items()}


def _dataset(document: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    def attributes(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {name: decode(value) for name, value in entry["attrs"].items()}

    def variable(entry: Mapping[str, Any]) -> Any:
        shape = tuple(document["dims"][dim] for dim in entry["dims"])
        return tuple(entry["dims"]), arrays.array(entry["data"], entry["dtype"], shape), attributes(entry)

    return xr.Dataset({n: variable(e) for n, e in document["data_vars"].items()},
                      coords={n: variable(e) for n, e in document["coords"].items()}, attrs=attributes(document))
