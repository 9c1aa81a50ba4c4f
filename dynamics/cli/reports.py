"""``dynamics report``: the main job, written as one page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynamics.cli import output
from dynamics.cli.options import AsJson, Set, assignments, number

__all__ = ["report"]


def report(
    directory: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, its tables and figures.")
    ] = Path("report"),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE.csv",
            show_default=False,
            help="Your own daily prices (OHLCV) instead of the sample.",
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            "--time-zone", metavar="ZONE", show_default=False, help="Of the stamps in the CSV, where they name none."
        ),
    ] = None,
    repair: Annotated[
        list[str] | None,
        typer.Option(
            "--repair", metavar="NAME", show_default=False, help="A repair of the CSV to allow; may be repeated."
        ),
    ] = None,
    set_: Set = None,
    json: AsJson = False,
) -> None:
    """Write the report: closed forms, critical shocks, phase diagram, data, cascades."""
    from dynamics import report as reports

    values = {n: number(v, f"--set {n}") for n, v in assignments(set_, "--set").items()}
    with output.working("report") as tell:
        page = reports.write(
            directory, data=data, time_zone=time_zone, repair=tuple(repair or ()), parameters=values, progress=tell
        )
    if json:
        output.as_json({"page": page, "files": sorted(str(p) for p in directory.rglob("*") if p.is_file())})
    else:
        output.text(str(page))
