"""Capital and leverage ratios of the banks of the EBA 2018 stress test in its adverse scenario.

The table of ``sw_stresstest``. It has no names of banks: rows are in the order of the balance sheets (layout
``eba_2018_detail``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from dynamics.data.table import Faults, parse_number, read_table
from dynamics.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read"]

COLUMNS = {"adverse_rwcr": ("capital_ratio", "risk-weighted capital ratio in the adverse scenario"),
           "adverse_leverage": ("leverage_ratio", "leverage ratio in the adverse scenario")}


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the file, strictly.

    Parameters
    ----------
    path : path
        Text with the columns adverse_RWCR and adverse_leverage, percent.

    Returns
    -------
    xarray.Dataset
        ``capital_ratio`` and ``leverage_ratio`` (percent) over (bank,), numbered from 0 in the order of the file.
        Acknowledge the European Banking Authority.

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "ratios.csv")
    ...     _ = file.write_text("adverse_RWCR adverse_leverage\\n8.56 4.67\\n9.73 5.18\\n")
    ...     ratios = read(file)
    >>> ratios["leverage_ratio"].values.tolist()
    [4.67, 5.18]
    """
    import xarray as xr

    table = read_table(path, spaced=True)
    missing = [name for name in COLUMNS if name not in table.header]
    if missing:
        raise DataError(f"{table.file}: line 1: no column {', '.join(map(repr, missing))}; the layout has "
                        f"{', '.join(COLUMNS)}")
    faults, rows = Faults(table.file), []
    for row in table.rows:
        values = []
        for name in COLUMNS:
            try:
                value = parse_number(row.cells[table.header.index(name)] if row.cells else "")
                if not -100 <= value <= 100:
                    raise ValueError(f"{value:g} is no percentage between -100 and 100")
                values.append(value)
            except ValueError as error:
                faults.add(row.line, name, str(error))
        rows.append(values)
    faults.raise_if_any()
    if not rows:
        raise DataError(f"{table.file}: no rows below the header")
    numbers = np.array(rows)
    return xr.Dataset(
        {variable: ("bank", numbers[:, index], {"units": "percent", "long_name": meaning})
         for index, (variable, meaning) in enumerate(COLUMNS.values())},
        coords={"bank": np.arange(len(rows))},
        attrs={"source_file": table.file, "source_sha256": table.sha256, "layout": "eba_2018_adverse_ratios",
               "rows": len(rows), "ignored_columns": [name for name in table.header if name not in COLUMNS]})
