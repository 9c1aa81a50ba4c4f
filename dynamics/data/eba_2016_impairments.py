"""Impairment rates of the EBA 2016 stress test: the share of loans lost, by bank, year, scenario, country and class.

The table that the R package ``syslosseval`` compiles from the European Banking Authority's files. Rates may be negative:
provisions that a bank releases.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dynamics.data.long_table import Column, Layout, read_long_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read"]

LAYOUT = Layout(
    "eba_2016_impairments",
    dims={"lei_code": "bank", "period": "period", "scenario": "scenario", "exposure": "class", "country": "country"},
    numbers={"impairment_rate": Column("impairment_rate", "1", "share of loans lost", (-1.0, 1.0))},
    labels={"bank_name": ("bank_name", "bank"), "country_code": ("home", "bank")},
)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        CSV (or CSV in gzip) with the columns LEI_code, Country_code, Bank_name, Period, Scenario, Country, Exposure and
        Impairment_rate.

    Returns
    -------
    xarray.Dataset
        ``impairment_rate`` over (bank, period, scenario, class, country), nan where the file has no row; coordinates
        ``bank_name`` and ``home``. Acknowledge the European Banking Authority.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "impairments.csv")
    ...     _ = file.write_text("LEI_code,Country_code,Bank_name,Period,Scenario,Country,Exposure,Impairment_rate\\n"
    ...                         "X,DE,A Bank,201612,Adverse scenario,Total,Retail,0.02\\n")
    ...     rates = read(file)
    >>> rates["impairment_rate"].dims
    ('bank', 'period', 'scenario', 'class', 'country')
    """
    return read_long_table(path, LAYOUT)
