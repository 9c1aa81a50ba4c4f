"""Tables of the report: one object, written as HTML, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Basic

__all__ = ["Column", "Formula", "Table", "number"]


@dataclass(frozen=True)
class Formula:
    """An expression with the symbols it is printed with: MathML on the page, model language in files."""

    expression: Basic
    symbols: Mapping[str, str]

    @property
    def html(self) -> str:
        """A whole ``<math>`` element."""
        from dynamics.expressions import mathml

        return mathml(self.expression, self.symbols)

    def __str__(self) -> str:
        from dynamics.expressions import text

        return {"True": "always", "False": "never"}.get(text(self.expression), text(self.expression))


@dataclass(frozen=True)
class Column:
    """A column: key in files, heading on the page, unit, significant digits, and where: "page", "files" or "both"."""

    key: str
    title: str
    unit: str = "1"
    digits: int = 4
    where: str = "both"


@dataclass(frozen=True)
class Table:
    """A table with a name that is also the name of its files."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def heads(self) -> list[tuple[str, str]]:
        """(class, heading) of the columns of the page; headings stand over their numbers."""
        first = self.html_rows()[0] if self.rows else []
        titles = [c.title for c in self.columns if c.where != "files"]
        return [(first[k][0] if first else "text", title) for k, title in enumerate(titles)]

    def html_rows(self) -> list[list[tuple[str, str]]]:
        """Return (class, HTML) of every cell of the page."""
        shown = [k for k, c in enumerate(self.columns) if c.where != "files"]
        return [[_cell(row[k], self.columns[k].digits) for k in shown] for row in self.rows]

    def _filed(self) -> tuple[list[Column], list[list[Any]]]:
        kept = [k for k, c in enumerate(self.columns) if c.where != "page"]
        return [self.columns[k] for k in kept], [[_plain(row[k]) for k in kept] for row in self.rows]

    @property
    def csv(self) -> str:
        """All digits, one line for each row, keys as the first line."""
        columns, rows = self._filed()
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow([column.key for column in columns])
        writer.writerows([["" if value is None else value for value in row] for row in rows])
        return lines.getvalue()

    @property
    def json(self) -> str:
        """Title, columns with units, and rows."""
        columns, rows = self._filed()
        document = {
            "name": self.name,
            "title": self.title,
            "columns": [{"key": c.key, "title": c.title, "unit": c.unit} for c in columns],
            "rows": rows,
        }
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number for readers: significant digits, a true minus sign, a dash for what is not there.

    With ``digits`` 0 the number is written as shortly as it can be.

    Examples
    --------
    >>> number(0.173561818, 4), number(-0.4647), number(float("nan")), number(float("inf"))
    ('0.1736', '−0.4647', '–', '∞')
    >>> number(0.0), number(11.0), number(1e-7, 2)
    ('0', '11', '1.0 × 10⁻⁷')
    >>> number(2.5, 0)
    '2.5'
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if digits == 0:
        return f"{value:g}".replace("-", "−")
    if value == 0 or (value == round(value) and abs(value) < 1e5):
        return f"{value:.0f}".replace("-", "−")
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        return f"{value:.{max(digits - 1 - exponent, 0)}f}".replace("-", "−")
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}".replace("-", "−")


def _cell(value: Any, digits: int) -> tuple[str, str]:
    from markupsafe import escape

    if isinstance(value, Formula):
        return "formula", value.html
    if isinstance(value, bool):
        return "text", "yes" if value else "no"
    if value is None or isinstance(value, (int, float)):
        return "number", number(value, digits)
    return "text", str(escape(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Formula):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
