"""What a solved Process returns: its declared numbers with unit and meaning, profiles, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dynamics.results.provenance import provenance
from dynamics.systems import DeclaredProcess

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["solution"]


def solution(process: DeclaredProcess, numbers: Mapping[str, Any], profiles: Mapping[str, Any] | None = None,
             coordinates: Mapping[str, Any] | None = None, **attributes: Any) -> xr.Dataset:
    """Return the Dataset of a solution.

    Parameters
    ----------
    process : DeclaredProcess
        At the parameters that were solved.
    numbers : mapping of str to float or array
        A value for every declared state; its dims are the indices it runs over.
    profiles : mapping of str to (dims, array, attributes), optional
        Functions over coordinates, for example of the state of a boundary-value problem.
    coordinates : mapping of str to (dims, array, attributes), optional
    **attributes
        Provenance: ``method``, ``status``, ``message``, ``evaluations``, tolerances, ``exactness``.

    Returns
    -------
    xarray.Dataset
    """
    import xarray as xr

    variables: dict[str, Any] = {}
    for name, part in process.states.items():
        described = {"units": part.unit, "long_name": part.meaning or name.replace("_", " ")}
        variables[name] = (part.over, numbers[name], described)
    return xr.Dataset({**variables, **(profiles or {})}, coords=dict(coordinates or {}),
                      attrs=provenance("solution", process, **{"status": "completed", **attributes}))
