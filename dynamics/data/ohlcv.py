"""Price bars: a time column and ``close``, optionally ``open``, ``high``, ``low`` and ``volume``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dynamics.data.stamps import Stamp, describe_spacing, find_gaps, median_spacing, parse_stamp, time_zone_named
from dynamics.data.table import Faults, Row, Table, is_missing, parse_number, read_table
from dynamics.errors import DataError, SpecificationError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["REPAIRS", "read"]

TIME_NAMES = ("time", "timestamp", "date", "datetime", "open_time")
PRICES = ("open", "high", "low", "close")
REPAIRS = ("drop_empty_rows", "utc", "sort", "drop_duplicates")
"""Names of the repairs, in the order in which they are carried out."""


def read(
    path: str | os.PathLike[str],
    *,
    time_zone: str | None = None,
    repair: Sequence[str] = (),
    currency: str | None = None,
) -> xr.Dataset:
    """Read price bars from a CSV file, strictly: a file with a fault is refused with the list of its faults.

    Parameters
    ----------
    path : path
        A comma-separated UTF-8 file. The header (any case) names one time column (time, timestamp, date, datetime or
        open_time), ``close``, and optionally ``open``, ``high``, ``low``, ``volume``; other columns are ignored and
        listed. Times are ISO 8601, or epoch s, ms, us or ns.
    time_zone : str, optional
        IANA name of the zone of stamps without offset; None reads them as UTC.
    repair : sequence of str
        Repairs that may be made, by name; nothing is repaired that is not named. ``drop_empty_rows``: rows without any
        value. ``utc``: stamps with different offsets go to UTC. ``sort``: by time. ``drop_duplicates``: of rows with
        the same stamp the one latest in the file stays (a later download completes an unfinished bar).
    currency : str, optional
        Unit of the prices, such as ``"USD"``; None leaves it unknown (``"1"``).

    Returns
    -------
    xarray.Dataset
        Dim ``time`` (datetime64[ns], UTC); variables ``close`` and those of ``open``, ``high``, ``low``, ``volume``
        that the file has. Attributes: ``source_file``, ``source_sha256``, ``rows``, ``frequency``, ``spacing_seconds``,
        ``time_format``, ``ignored_columns``, ``gaps`` and ``repairs`` (lists of text).

    Raises
    ------
    DataError
        With file, line and column of up to ten faults, and their count.
    SpecificationError
        An unknown repair or time zone.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "bars.csv")
    ...     _ = file.write_text("Date,Close\\n2020-03-11,7911\\n2020-03-12,4971\\n")
    ...     bars = read(file, currency="USD")
    >>> bars.sizes["time"], bars.attrs["frequency"]
    (2, '1 day')
    """
    import xarray as xr

    repair = _checked_repairs(repair)
    zone = time_zone_named(time_zone)
    table = read_table(path)
    time_column, columns = _columns(table)
    faults, repairs = Faults(table.file), dict.fromkeys(REPAIRS, "")

    stamps: list[Stamp] = []
    values: list[list[float]] = []
    lines: list[int] = []
    empty: list[int] = []
    for row in table.rows:
        if not row.cells or all(is_missing(row.cells[position]) for position in columns.values()):
            empty.append(row.line)
            if "drop_empty_rows" not in repair:
                faults.add(row.line, None, "the row has no values; repair=('drop_empty_rows',) leaves it out")
            continue
        stamp, numbers = _parse_row(row, table, time_column, columns, zone, faults)
        if stamp is not None:
            stamps.append(stamp)
            values.append(numbers)
            lines.append(row.line)
    if empty:
        repairs["drop_empty_rows"] = f"{_count(empty)} left out ({_listed(empty)})"
    if not stamps and not faults.count:
        raise DataError(f"{table.file}: no row has values; the file needs at least one below the header")
    time_format, repairs["utc"] = _time_format(stamps, lines, time_zone, "utc" in repair, table, time_column, faults)
    order, changes = _ordered(stamps, lines, repair, table, time_column, faults)
    faults.raise_if_any()

    nanoseconds = np.array([stamps[i].nanoseconds for i in order], dtype=np.int64)
    numbers_read = np.array([values[i] for i in order], dtype=float)
    unit = currency or "1"
    variables = {
        name: ("time", numbers_read[:, index], {"units": "1" if name == "volume" else unit, "long_name": name})
        for index, name in enumerate(columns)
    }
    spacing = median_spacing(nanoseconds)
    attributes = {
        "source_file": table.file,
        "source_sha256": table.sha256,
        "layout": "ohlcv",
        "currency": currency or "unknown",
        "rows": len(order),
        "frequency": describe_spacing(spacing) if spacing else "unknown",
        "spacing_seconds": spacing / 1e9,
        "time_format": time_format,
        "ignored_columns": [n for n in table.header if n not in columns and n != table.header[time_column]],
        "gaps": find_gaps(nanoseconds, spacing),
        "repairs": [f"{name}: {text}" for name, text in (repairs | changes).items() if text],
    }
    return xr.Dataset(variables, coords={"time": nanoseconds.astype("datetime64[ns]")}, attrs=attributes)


def _checked_repairs(repair: Sequence[str]) -> tuple[str, ...]:
    """Check the names of the repairs."""
    if isinstance(repair, str):
        repair = (repair,)
    for name in repair:
        if name not in REPAIRS:
            raise SpecificationError(
                f"repair: there is no repair {name!r}; the repairs are {', '.join(REPAIRS)}."
                f"{did_you_mean(name, REPAIRS)}"
            )
    return tuple(repair)


def _columns(table: Table) -> tuple[int, dict[str, int]]:
    """Find the time column and the positions of the value columns."""
    faults = Faults(table.file)
    times = [name for name in table.header if name in TIME_NAMES]
    shown = ", ".join(name if len(name) <= 20 else name[:17] + "..." for name in table.header[:12])
    hint = "; separate the cells by commas" if len(table.header) == 1 else ""
    if all(_is_number(name) for name in table.header if name):
        hint = "; the first line must be a header, this one holds numbers"
    if not times:
        faults.add(1, None, f"no time column ({', '.join(TIME_NAMES)}) among: {shown}{hint}")
    elif len(times) > 1:
        faults.add(1, None, f"more than one time column: {', '.join(times)}; remove or rename all but one")
    if "close" not in table.header:
        faults.add(1, None, f"no column 'close' among: {shown}.{did_you_mean('close', table.header)}")
    faults.raise_if_any()
    names = [name for name in (*PRICES, "volume") if name in table.header]
    return table.header.index(times[0]), {name: table.header.index(name) for name in names}


def _is_number(cell: str) -> bool:
    """Whether a header cell is a number, which shows that the header is missing."""
    try:
        parse_number(cell)
    except ValueError:
        return False
    return True


def _parse_row(
    row: Row, table: Table, time_column: int, columns: Mapping[str, int], zone: object, faults: Faults
) -> tuple[Stamp | None, list[float]]:
    """Read the stamp and the numbers of one row and check them against each other."""
    stamp, numbers = None, dict.fromkeys(columns, float("nan"))
    try:
        stamp = parse_stamp(row.cells[time_column], zone)  # type: ignore[arg-type]
    except ValueError as error:
        faults.add(row.line, table.header[time_column], str(error))
    for name, position in columns.items():
        try:
            numbers[name] = parse_number(row.cells[position])
        except ValueError as error:
            faults.add(row.line, name, str(error))
            continue
        if name == "volume" and numbers[name] < 0:
            faults.add(row.line, name, f"the volume {row.cells[position]} is negative")
        elif name != "volume" and numbers[name] <= 0:
            faults.add(row.line, name, f"the price {row.cells[position]} is not positive")
    # Comparisons with the NaN of a column that is absent or at fault are false, so they add no second fault.
    prices = {name: numbers.get(name, float("nan")) for name in PRICES}
    if prices["high"] < prices["low"]:
        faults.add(row.line, "high", f"high {prices['high']} lies below low {prices['low']}")
    else:
        for name in ("open", "close"):
            if prices[name] > prices["high"]:
                faults.add(row.line, name, f"{name} {prices[name]} lies above high {prices['high']}")
            if prices[name] < prices["low"]:
                faults.add(row.line, name, f"{name} {prices[name]} lies below low {prices['low']}")
    return stamp, list(numbers.values())


def _time_format(
    stamps: Sequence[Stamp],
    lines: Sequence[int],
    time_zone: str | None,
    to_utc: bool,
    table: Table,
    time_column: int,
    faults: Faults,
) -> tuple[str, str]:
    """Say how the stamps are written; a file must write them in one way."""
    column = table.header[time_column]
    first: dict[str, int] = {}
    for stamp, line in zip(stamps, lines, strict=True):
        first.setdefault(stamp.form, line)
    forms = list(first)
    if len(forms) > 1:
        faults.add(first[forms[1]], column, f"'{forms[1]}' where line {first[forms[0]]} has '{forms[0]}'")
        return "mixed", ""
    form = forms[0] if forms else "none"
    if form == "no offset":
        return f"ISO 8601 without offset, read as {time_zone or 'UTC'}", ""
    if time_zone not in (None, "UTC") and stamps:
        faults.add(lines[0], column, f"the stamps are in UTC or carry an offset; leave out time_zone={time_zone!r}")
    if form != "offset":
        return form, ""
    offsets = Counter(stamp.offset for stamp in stamps)
    changed = next((line for s, line in zip(stamps, lines, strict=True) if s.offset != stamps[0].offset), None)
    if changed is None:
        return f"ISO 8601 with offset {stamps[0].offset}", ""
    said = ", ".join(f"{offset} in {_count(range(number))}" for offset, number in sorted(offsets.items()))
    if not to_utc:
        faults.add(changed, column, f"the offset from UTC changes ({said}); repair=('utc',) puts all stamps in UTC")
    return "ISO 8601 with several offsets", f"stamps put in UTC (offset {said})"


def _ordered(
    stamps: Sequence[Stamp], lines: Sequence[int], repair: Sequence[str], table: Table, time_column: int, faults: Faults
) -> tuple[list[int], dict[str, str]]:
    """Return the rows to keep, in order, and what was done for it."""
    column, changes = table.header[time_column], {}
    moments = [stamp.nanoseconds for stamp in stamps]
    back = [i for i in range(1, len(moments)) if moments[i] < moments[i - 1]]
    latest: dict[int, int] = {}
    doubles: list[int] = []
    for i, moment in enumerate(moments):
        if moment in latest:
            if "drop_duplicates" not in repair:
                text = f"the same time as line {lines[latest[moment]]}; repair=('drop_duplicates',) keeps the later one"
                faults.add(lines[i], column, text)
            doubles.append(lines[latest[moment]])
        latest[moment] = i
    if back and "sort" in repair:
        changes["sort"] = f"sorted by time, which went back at {_listed([lines[i] for i in back])}"
    elif back:
        for i in back:
            faults.add(lines[i], column, "earlier than the line before; repair=('sort',) sorts by time")
    if doubles:
        text = f"{_count(doubles)} left out, the latest in the file with the same time kept ({_listed(doubles)})"
        changes["drop_duplicates"] = text
    return [latest[moment] for moment in sorted(latest)], changes


def _count(rows: Sequence[int]) -> str:
    """Say how many rows."""
    return f"{len(rows)} row" + ("" if len(rows) == 1 else "s")


def _listed(lines: Sequence[int]) -> str:
    """List line numbers, the first ten."""
    more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
    return ("line " if len(lines) == 1 else "lines ") + ", ".join(map(str, lines[:10])) + more
