"""Average daily trading volumes of sovereign bonds by country and year, as the R package ``syslosseval`` compiles them."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from dynamics.data.long_table import Column, Layout, read_long_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read"]


def _year(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) == 4):
        raise ValueError(f"{cell[:40]!r} is not a year; write four digits")
    return int(cell)


LAYOUT = Layout(
    "sovereign_bond_volumes",
    dims={"country": "country", "year": "year"},
    numbers={"volume": Column("volume", "1e6 EUR/day", "average daily volume", (0.0, math.inf))},
    fixed={"unit": ("Million", "Millions"), "currency": ("Euro",)},
    kinds={"year": _year},
)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        CSV (or CSV in gzip) with the columns Country, Year, Volume, Unit (Million) and Currency (Euro).

    Returns
    -------
    xarray.Dataset
        ``volume`` (million EUR a day) over (country, year), in the order of the file; nan where it has no row.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "volumes.csv")
    ...     _ = file.write_text("Country,Year,Volume,Unit,Currency\\nDE,2015,18710.3,Million,Euro\\n")
    ...     volumes = read(file)
    >>> float(volumes["volume"].sel(country="DE", year=2015))
    18710.3
    """
    return read_long_table(path, LAYOUT)
