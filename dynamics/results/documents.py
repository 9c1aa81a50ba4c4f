"""Results as JSON documents: records and expressions as tagged mappings, Datasets as ``Dataset.to_dict()`` has them."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympy import Basic, Expr, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.results import arrays
from dynamics.systems import Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["decode", "encode", "is_result"]


@functools.cache
def _records() -> dict[str, type]:
    # on first use: an analysis that writes no file loads no other's records
    from dynamics.results import (
        certificates,
        conditions,
        conserved,
        nonsmooth_records,
        normal_forms,
        records,
        reproductions,
    )

    return {cls.__name__: cls for cls in (
        records.FixedPoint, conditions.StabilityCondition, conditions.BifurcationCondition, normal_forms.Coefficient,
        normal_forms.NormalForm, conditions.FeedbackLoop, records.SpecialPoint, records.Branch,
        records.BifurcationDiagram, records.Threshold, certificates.Certificate,
        certificates.CertifiedBox, conserved.ConservedQuantity,
        reproductions.Claim, reproductions.Finding, reproductions.Reproduction, Reference,
        nonsmooth_records.NonsmoothRegime, nonsmooth_records.BorderCollision, nonsmooth_records.BorderSide,
        nonsmooth_records.Sliding, nonsmooth_records.PseudoEquilibrium, nonsmooth_records.Tangency)}


@functools.cache
def _sequences() -> dict[str, Any]:
    from dynamics.results import records

    return {cls.__name__: cls for cls in (records.Records, records.FixedPoints)}


def is_result(value: Any) -> bool:
    """Whether a value is a Dataset or a structured result of this package."""
    import xarray as xr

    known = {**_records(), **_sequences()}
    return isinstance(value, xr.Dataset) or known.get(type(value).__name__) is type(value)


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
    if type(value).__name__ in _sequences():
        return {"type": type(value).__name__, "items": [encode(v) for v in value],
                "provenance": encode(value.provenance)}
    if dataclasses.is_dataclass(value) and type(value).__name__ in _records():
        items = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **items}
    if isinstance(value, Mapping):
        return {"type": "mapping", "items": {str(k): encode(v) for k, v in value.items()}}
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
    if kind == "mapping":
        return {k: decode(v) for k, v in value["items"].items()}
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(decode(v) for v in value["items"])
    if kind in _sequences():
        return _sequences()[kind]([decode(v) for v in value["items"]], decode(value["provenance"]))
    if kind in _records():
        return _records()[kind](**{k: decode(v) for k, v in value.items() if k != "type"})
    raise ValueError(f"unknown kind of result {kind!r}")


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
