"""A Dataset from plain arrays, quickly: made in the usual way, its first array loads dask and pint where they are installed.

xarray does that to see whether the array is one of theirs, and it takes longer than a phase diagram.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["labelled"]


def labelled(variables: Mapping[str, tuple[Any, Any, Mapping[str, Any]]],
             coordinates: Mapping[str, tuple[Any, Mapping[str, Any]]], attributes: Mapping[str, Any]) -> xr.Dataset:
    """Return a Dataset.

    Parameters
    ----------
    variables : mapping of str to (dims, ndarray, attributes)
    coordinates : mapping of str to (ndarray, attributes)
        One value for each place along the dim of the same name.
    attributes : mapping

    Returns
    -------
    xarray.Dataset

    Examples
    --------
    >>> import numpy as np
    >>> labelled({"price": (("time",), np.zeros(3), {"units": "1"})}, {"time": (np.arange(3.0), {})}, {}).sizes["time"]
    3
    """
    import pandas as pd
    import xarray as xr

    return xr.Dataset(
        {name: xr.Variable(dims, np.asarray(values), dict(more), fastpath=True) for name, (dims, values, more) in
         variables.items()},
        coords={name: (name, pd.Index(values), dict(more)) for name, (values, more) in coordinates.items()},
        attrs=dict(attributes))
