"""Arrays as JSON lists, and back without loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dynamics.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["array", "listed"]


def listed(values: NDArray) -> Any:
    """Return nested lists for JSON: nan is null, infinities are texts, complex numbers are two lists."""
    import numpy as np

    if values.dtype.kind == "c":
        return {"real": listed(values.real), "imag": listed(values.imag)}
    if values.dtype.kind == "M":
        return np.datetime_as_string(values).tolist()
    if values.dtype.kind == "m":
        return values.astype("int64").tolist()
    if values.dtype.kind == "T":
        return values.astype(str).tolist()
    if values.dtype.kind not in "fiubUO":
        raise SpecificationError(f"save: a variable of type {values.dtype} cannot be saved")
    if values.dtype.kind == "O" and not all(isinstance(item, str) for item in values.ravel()):
        raise SpecificationError("save: a variable of mixed Python objects cannot be saved; make it numbers or texts")
    return _finite(values.tolist()) if values.dtype.kind == "f" else values.tolist()


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "inf" if value > 0 else "-inf"


def array(data: Any, dtype: str, shape: tuple[int, ...]) -> NDArray:
    """Return the array that ``listed`` wrote."""
    import numpy as np

    kind = np.dtype(dtype)
    if kind.kind == "c":
        part = np.empty(shape, dtype=kind)
        part.real, part.imag = (array(data[name], "float64", shape) for name in ("real", "imag"))
        return part
    if kind.kind == "f":
        flat = np.array(data, dtype=object).ravel()
        return np.array([math.nan if v is None else float(v) for v in flat], dtype=kind).reshape(shape)
    values = np.array(data, dtype=kind).reshape(shape)
    if kind.kind == "O" and not all(isinstance(item, str) for item in values.ravel()):
        raise ValueError("objects that are no texts")
    return values
