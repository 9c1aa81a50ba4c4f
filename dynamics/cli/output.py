"""How commands answer: plain aligned text, or one JSON document."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

__all__ = ["as_json", "note", "plain_data", "table", "text", "working"]


def text(line: str = "") -> None:
    """Write one line of the answer."""
    typer.echo(line)


def note(line: str) -> None:
    """Write a remark that is not part of the answer."""
    typer.echo(line, err=True)


def as_json(document: Mapping[str, Any]) -> None:
    """Write the answer as one JSON document."""
    typer.echo(json.dumps(plain_data(document), indent=2, allow_nan=False, ensure_ascii=False))


def plain_data(value: Any) -> Any:
    """Return what JSON can hold: nan becomes null, infinities and everything unknown become texts.

    Examples
    --------
    >>> plain_data({"a": float("nan"), "b": (1, 2j)})
    {'a': None, 'b': [1, {'real': 0.0, 'imag': 2.0}]}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, complex):
        return {"real": plain_data(value.real), "imag": plain_data(value.imag)}
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain_data(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    return str(value)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write aligned columns; the heads are bold in a terminal, and a pipe gets whole lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A pipe has no width: there lines are never folded, so that every row stays one line for grep and awk.
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False, emoji=False)
    columns = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for title in head:
        columns.add_column(title, overflow="fold")
    for row in rows:
        columns.add_row(*(Text(cell if isinstance(cell, str) else shown(cell)) for cell in row))
    with console.capture() as captured:
        console.print(columns)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def shown(value: Any) -> str:
    """Return a number with twelve digits, or the text of anything else.

    Examples
    --------
    >>> shown(0.1 + 0.2)
    '0.3'
    """
    if isinstance(value, complex):
        return f"{value.real:.10g}" if abs(value.imag) < 1e-14 else f"{value.real:.10g}{value.imag:+.10g}j"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@contextmanager
def working(what: str) -> Iterator[Any]:
    """Show a moving sign on stderr while something long is done; nothing unless stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda message: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield status.update
