"""Balance sheets of the banks of the EBA 2018 stress test: CET1 capital, leverage ratio, debt securities, government bonds.

The table of ``firesale_stresstest`` (Oxford INET resilience group) from the European Banking Authority's files: a header
with commas, rows with spaces, and amounts written as sums such as ``13+27682``.
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
    "eba_2018_banks",
    dims={"bank_id": "bank"},
    numbers={"cet1e": Column("equity", "1e6 EUR", "common equity tier 1 capital", _ANY),
             "leverage": Column("leverage_ratio", "percent", "leverage ratio, capital over assets", (0.0, 100.0)),
             "debt_sec": Column("debt_securities", "1e6 EUR", "debt securities, government bonds included", _ANY),
             "govbonds": Column("government_bonds", "1e6 EUR", "government bonds", _ANY)},
    spaced=True, read_number=parse_sum,
)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        Text with the columns bank_id, CET1E, leverage (percent), debt_sec and govbonds; million EUR.

    Returns
    -------
    xarray.Dataset
        ``equity``, ``leverage_ratio``, ``debt_securities`` and ``government_bonds`` over (bank,). Acknowledge the European
        Banking Authority.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "banks.csv")
    ...     _ = file.write_text("bank_id,CET1E,leverage,debt_sec,govbonds\\nAT01 14712 6.55 34241 13+27682\\n")
    ...     banks = read(file)
    >>> float(banks["government_bonds"].sel(bank="AT01"))
    27695.0
    """
    return read_long_table(path, LAYOUT)
