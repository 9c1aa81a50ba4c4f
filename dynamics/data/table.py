"""A CSV file as rows of text: opened once, hashed, checked for shape; every fault keeps its line and column."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from dynamics.errors import DataError

__all__ = ["LARGEST_FILE", "Faults", "Row", "Table", "is_missing", "parse_number", "parse_sum", "read_table"]

LARGEST_FILE = 256 * 2**20
"""Size in bytes above which a file is refused: the rows are held in memory."""

_SHOWN = 10
_MISSING = frozenset({"", "null", "none", "nan", "na", "n/a", "."})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its 1-based line in the file and its cells, stripped."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file with its header; ``file`` is the base name, ``sha256`` is of the bytes as they lie on disk."""

    file: str
    sha256: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]


class Faults:
    """Everything that is wrong with one file, so that the reader of the message can mend it in one go."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self._shown: list[str] = []

    def add(self, line: int | None, column: str | None, text: str) -> None:
        """Note a fault; only the first ten keep their text, all are counted."""
        self.count += 1
        if len(self._shown) < _SHOWN:
            where = ", ".join(
                part for part in (f"line {line}" if line else "", f"column '{column}'" if column else "") if part
            )
            self._shown.append(f"{where}: {text}" if where else text)

    def raise_if_any(self) -> None:
        """Raise one `DataError` that lists the faults, if there are any."""
        if not self.count:
            return
        if self.count == 1:
            raise DataError(f"{self.file}: {self._shown[0]}")
        more = f", the first {_SHOWN} of them" if self.count > _SHOWN else ""
        listed = "\n".join(f"  {text}" for text in self._shown)
        raise DataError(f"{self.file}: {self.count} faults{more}:\n{listed}")


def is_missing(cell: str) -> bool:
    """Whether a cell is one of the spellings of "no value": empty, null, none, nan, na, n/a or a dot."""
    return cell.lower() in _MISSING


def parse_number(cell: str) -> float:
    """Read a plain decimal number; refuse what `float` would guess at (``1_000``, ``nan``, ``infinity``).

    Raises
    ------
    ValueError
        With a text that completes the sentence "line, column: ...".

    Examples
    --------
    >>> parse_number("7200.17")
    7200.17
    """
    if is_missing(cell):
        raise ValueError("the cell is empty; fill it, or remove the row or the column")
    if not _NUMBER.fullmatch(cell):
        raise ValueError(f"{_shorten(cell)} is not a number; write digits with a decimal point and no separators")
    value = float(cell)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{_shorten(cell)} is too large for a floating-point number")
    return value


def parse_sum(cell: str) -> float:
    """Read a number, or several with plus signs between them, as some authorities' tables have them.

    Raises
    ------
    ValueError
        With a text that completes the sentence "line, column: ...".

    Examples
    --------
    >>> parse_sum("13+27682")
    27695.0
    """
    return sum(parse_number(part.strip()) for part in cell.split("+")) if "+" in cell[1:] else parse_number(cell)


def read_table(path: str | os.PathLike[str], *, spaced: bool = False) -> Table:
    """Open a comma-separated text file and check its shape: text, not huge, one header, rows as wide as the header.

    Blank lines at the end are dropped; a blank line in the middle is a row without cells. A file compressed with gzip is
    opened. With ``spaced``, spaces separate as well as commas, and cells missing at the end of a row are empty.

    Raises
    ------
    DataError
        The file cannot be opened, is empty, too large or binary, or its header or a row has the wrong shape.
    """
    file, content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    content = _opened(file, content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: byte {error.start} is not UTF-8 text; save the file as CSV in UTF-8") from None
    if spaced:
        text = "\n".join(",".join(re.split(r"[ \t,]+", line.strip())) for line in text.splitlines())
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        for cells in lines:
            rows.append(Row(lines.line_num, tuple(cell.strip() for cell in cells)))
    except csv.Error as error:
        raise DataError(f"{file}: line {lines.line_num}: not comma-separated text ({error})") from None
    while rows and not any(rows[-1].cells):
        rows.pop()
    if not rows or not any(rows[0].cells):
        raise DataError(f"{file}: line 1 has no header; the first line must name the columns")
    header = tuple(name.lower() for name in rows[0].cells)
    if spaced:
        rows = [row if not any(row.cells) else Row(row.line, row.cells + ("",) * (len(header) - len(row.cells)))
                for row in rows]
    _check_shape(file, header, rows)
    return Table(file, digest, header, tuple(rows[1:]))


def _content(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    """Read the bytes of a file and its base name."""
    try:
        place = Path(path)
        file = place.name or str(place)
        if not place.is_file():
            raise DataError(f"{file}: there is no such file" if not place.exists() else f"{file}: is not a file")
        size = place.stat().st_size
        if size > LARGEST_FILE:
            raise DataError(
                f"{file}: {size / 2**20:.0f} MiB, more than {LARGEST_FILE // 2**20}; split it or thin it out first"
            )
        content = place.read_bytes()
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path!r}: cannot be read ({error})") from None
    if not content:
        raise DataError(f"{file}: the file is empty")
    return file, content


def _opened(file: str, content: bytes) -> bytes:
    """Decompress gzip, refuse what is no text."""
    if content.startswith(b"\x1f\x8b"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
                content = stream.read(LARGEST_FILE + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{file}: cannot be decompressed ({error}); fetch it again") from None
        if len(content) > LARGEST_FILE:
            raise DataError(f"{file}: more than {LARGEST_FILE // 2**20} MiB when decompressed; split it first")
        if not content:
            raise DataError(f"{file}: the file is empty")
    if b"\0" in content:
        raise DataError(f"{file}: a binary file (or UTF-16 text); save it as CSV in UTF-8")
    return content


def _check_shape(file: str, header: tuple[str, ...], rows: list[Row]) -> None:
    """Check the header for doubles and every row for its width."""
    faults = Faults(file)
    for position, name in enumerate(header, start=1):
        if name and header.index(name) != position - 1:
            faults.add(1, name, "the header names this column twice")
    for row in rows[1:]:
        if row.cells and len(row.cells) != len(header):
            faults.add(row.line, None, f"{len(row.cells)} cells where the header has {len(header)}")
    faults.raise_if_any()


def _shorten(cell: str) -> str:
    """Quote a cell for a message, without line breaks or control characters, at most 40 characters."""
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")
