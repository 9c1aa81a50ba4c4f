"""Asset classes and capital of the banks of the EBA 2018 stress test, in the table of ``sw_stresstest``.

Columns are separated by spaces, amounts are written as sums. The columns I_i and R_i have no description that could be
read, and those after tier1_capital no values; they are listed as ignored.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from dynamics.data.long_table import Column, Layout, read_long_table
from dynamics.data.table import parse_sum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read"]

_ANY = (0.0, math.inf)
LAYOUT = Layout(
    "eba_2018_detail",
    dims={"banknumber": "bank"},
    numbers={"gov_bonds": Column("government_bonds", "1e6 EUR", "government bonds", _ANY),
             "corp_bonds": Column("corporate_bonds", "1e6 EUR", "bonds of companies and banks", _ANY),
             "t2c": Column("tier2", "1e6 EUR", "tier 2 capital", _ANY),
             "cet1e": Column("equity", "1e6 EUR", "common equity tier 1 capital", _ANY),
             "lambda": Column("leverage_ratio", "percent", "leverage ratio, capital over assets", (0.0, 100.0)),
             "cet1ratio": Column("capital_ratio", "percent", "CET1 capital over risk-weighted assets", (0.0, 100.0)),
             "tier1_capital": Column("tier1", "1e6 EUR", "tier 1 capital", _ANY)},
    spaced=True, read_number=parse_sum,
)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        Text with the columns banknumber, gov_bonds, corp_bonds, T2C, CET1E, lambda, CET1ratio and tier1_capital.

    Returns
    -------
    xarray.Dataset
        ``government_bonds``, ``corporate_bonds``, ``tier2``, ``equity``, ``tier1`` (million EUR), ``leverage_ratio`` and
        ``capital_ratio`` (percent) over (bank,). Acknowledge the European Banking Authority.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "detail.csv")
    ...     _ = file.write_text("banknumber gov_bonds corp_bonds T2C CET1E lambda CET1ratio tier1_capital\\n"
    ...                         "AT01 13+27682 3367+785 4940 14712 6.55 13.37 15368\\n")
    ...     banks = read(file)
    >>> float(banks["corporate_bonds"].sel(bank="AT01"))
    4152.0
    """
    return read_long_table(path, LAYOUT)
