"""Exposures of the banks of the EBA 2016 stress test: loans and bonds by country and class, total assets, CET1 capital.

The table that the R package ``syslosseval`` compiles from the European Banking Authority's files, one row for each bank,
country and class. Country ``Total`` is the authority's own total; countries are those it publishes (the largest few).
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from dynamics.data.long_table import Column, Layout, read_long_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read"]

_ANY = (0.0, math.inf)
LAYOUT = Layout(
    "eba_2016_exposures",
    dims={"lei_code": "bank", "exposure": "class", "country": "country"},
    numbers={"loan_amount": Column("loans", "1e6 EUR", "loans", _ANY),
             "bond_amount": Column("bonds", "1e6 EUR", "bonds", _ANY),
             "total_amount": Column("amount", "1e6 EUR", "loans and bonds; total assets or capital in their classes", _ANY)},
    labels={"bank_name": ("bank_name", "bank"), "country_code": ("home", "bank"), "period": ("period", "bank")},
    fixed={"unit": ("Million", "Millions"), "currency": ("Euro",)},
)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        CSV (or CSV in gzip) with the columns LEI_code, Country_code, Bank_name, Period, Country, Exposure, Loan_Amount,
        Bond_Amount, Total_Amount, Unit (Million) and Currency (Euro).

    Returns
    -------
    xarray.Dataset
        ``loans``, ``bonds`` and ``amount`` (million EUR) over (bank, class, country), nan where the file has no row;
        coordinates ``bank_name``, ``home`` and ``period``. Acknowledge the European Banking Authority.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "exposures.csv")
    ...     _ = file.write_text("LEI_code,Country_code,Bank_name,Period,Country,Exposure,Loan_Amount,Bond_Amount,"
    ...                         "Total_Amount,Unit,Currency\\nX,DE,A Bank,201512,Total,Retail,7,3,10,Million,Euro\\n")
    ...     banks = read(file)
    >>> float(banks["loans"].sel({"bank": "X", "class": "Retail", "country": "Total"}))
    7.0
    """
    return read_long_table(path, LAYOUT)
