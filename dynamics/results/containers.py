"""netCDF and zarr hold arrays, and numbers and texts as attributes; the rest travels as JSON text with a mark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dynamics.errors import SpecificationError
from dynamics.results.arrays import listed
from dynamics.results.documents import decode, encode

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["portable", "restored", "without_checksum"]

_MARK, _PARTS = "json:", "complex_parts"


def portable(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with attributes and types that netCDF and zarr hold; ``restored`` takes it back."""
    import numpy as np

    # how another file kept a variable (scaled, packed) is no part of the result
    dataset = dataset.drop_encoding()
    for name in list(dataset.variables):
        variable = dataset[name]
        if variable.dtype.kind == "m":
            raise SpecificationError(f"save: '{name}' holds time differences; save numbers with a unit, or use .json")
        if variable.dtype.kind == "O":
            listed(variable.values)
        if variable.dtype.kind in "UT":
            # fixed-length texts have no stable zarr encoding; variable-length ones do
            dataset[name] = variable.astype(object)
        elif variable.dtype.kind == "c":
            dataset = dataset.drop_vars(str(name))
            for part, values in (("real", np.real(variable.values)), ("imag", np.imag(variable.values))):
                if f"{name}_{part}" in dataset.variables:
                    raise SpecificationError(
                        f"save: '{name}' is complex and '{name}_{part}' exists already; rename one of them")
                dataset[f"{name}_{part}"] = (variable.dims, values, {**variable.attrs, _PARTS: str(name)})
    dataset.attrs = {str(key): _plain(value) for key, value in dataset.attrs.items()}
    for name in dataset.variables:
        dataset[name].attrs = {str(key): _plain(value) for key, value in dataset[name].attrs.items()}
    return dataset


def restored(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset that ``portable`` was given."""
    import numpy as np

    for holder in (dataset, *(dataset[name] for name in dataset.variables)):
        holder.attrs = {key: _native(value) for key, value in holder.attrs.items()}
    for name in dataset.variables:
        dataset[name].encoding = {}
        if dataset[name].dtype.kind in "OT":
            values = dataset[name].values
            dataset[name] = dataset[name].copy(data=np.array(values.tolist(), dtype=str).reshape(values.shape))
    dataset.encoding = {}
    for name in [n for n in dataset.data_vars if _PARTS in dataset[n].attrs and str(n).endswith("_real")]:
        whole = dataset[name].attrs.pop(_PARTS)
        values = np.empty(dataset[name].shape, dtype=complex)
        # set apart: a sum would turn infinities into nan
        values.real, values.imag = dataset[name].values, dataset[f"{whole}_imag"].values
        dataset[whole] = (dataset[name].dims, values, dataset[name].attrs)
        dataset = dataset.drop_vars([name, f"{whole}_imag"])
    return dataset


def without_checksum(result: Any) -> Any:
    """Return a result that says of itself that its file had no checksum; records without provenance have no place for it."""
    import xarray as xr

    note = {"integrity": "not recorded"}
    if isinstance(result, xr.Dataset):
        return result.assign_attrs(note)
    if isinstance(getattr(result, "provenance", None), dict):
        result.provenance.update(note)
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63):
        return value
    if isinstance(value, str) and value and not value.startswith(_MARK):
        return value
    if isinstance(value, list) and len(value) > 1 and all(type(item) is int and abs(item) < 2**63 for item in value):
        import numpy as np

        return np.array(value)
    return _MARK + json.dumps(encode(value), allow_nan=False)


def _native(value: Any) -> Any:
    if isinstance(value, str):
        return decode(json.loads(value[len(_MARK):])) if value.startswith(_MARK) else value
    if getattr(value, "size", 1) > 1:
        return value.tolist()
    return value.item() if hasattr(value, "item") and getattr(value, "size", 2) == 1 else value
