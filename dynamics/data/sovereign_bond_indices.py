"""Daily price indices of sovereign bonds by country, as the R package ``syslosseval`` compiles them."""

from __future__ import annotations

import os
import sys
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from dynamics.data.long_table import Column, Layout, read_long_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read"]


def _day(cell: str) -> np.datetime64:
    try:
        return np.datetime64(date.fromisoformat(cell), "ns")
    except ValueError:
        raise ValueError(f"{cell[:40]!r} is not a date; write it as 2015-12-31") from None


LAYOUT = Layout(
    "sovereign_bond_indices",
    dims={"country": "country", "date": "time"},
    numbers={"value": Column("index", "1", "price index", (sys.float_info.min, sys.float_info.max))},
    kinds={"date": _day},
)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        CSV (or CSV in gzip) with the columns Country, Date (ISO 8601) and Value (positive).

    Returns
    -------
    xarray.Dataset
        ``index`` over (country, time), nan on days without a quote; ``time`` increases.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "indices.csv")
    ...     _ = file.write_text("Country,Date,Value\\nDE,2015-01-02,200\\nDE,2015-01-05,202\\nUS,2015-01-05,100\\n")
    ...     indices = read(file)
    >>> indices["index"].sel(country="US").values.tolist()
    [nan, 100.0]
    """
    return read_long_table(path, LAYOUT).sortby("time")
