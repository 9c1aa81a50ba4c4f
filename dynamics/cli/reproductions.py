"""``dynamics reproduce``: what papers claim, computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dynamics.cli import output
from dynamics.cli.options import AsJson
from dynamics.errors import SpecificationError

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="A paper; without it the papers are listed.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All papers.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Smaller computations; long ones are left out.")] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", show_default=False, help="Files that the package may not ship."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            show_default=False,
            help="Folder for the page, its figures and results; a run that was stopped goes on there. "
            "With --all: reproductions.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", min=1, show_default=False, help="Papers at a time; default: processors."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compute what a paper claims and compare: agrees, differs, not determined."""
    from dynamics import papers

    if name is not None and every:
        raise SpecificationError("give the NAME of a paper or --all, not both")
    if name is None and not every:
        _list(json)
        return
    if data is not None and not data.is_dir():
        raise SpecificationError(f"--data {data}: is no folder")
    if name is not None and directory is None:
        paper = papers.load(name)
        with output.working(name) as tell:
            found = [paper.reproduce(fast, data=data, progress=tell)]
    else:
        from dynamics.report import reproductions

        wanted = papers.names() if every else (str(name),)
        run = reproductions.Run(directory or Path("reproductions"), fast, data)
        found = []
        with _bar(len(wanted)) as bar:
            for one in reproductions.reproduce(wanted, run, jobs=jobs, progress=bar.set_postfix_str):
                found.append(one)
                bar.update()
        page = reproductions.write(found, run)
        output.note(str(page))
    unexplained = [f"{one.paper}: {f.claim.name}" for one in found for f in one.findings
                   if f.verdict == "differs" and not f.claim.explanation]
    if json:
        output.as_json({one.paper: [
            {"claim": f.claim.name, "published": f.claim.value, "computed": f.computed, "verdict": f.verdict,
             "evidence": f.claim.evidence, "location": f.claim.location, "reason": f.reason} for f in one.findings]
            for one in found})
    elif len(found) == 1:
        output.text(repr(found[0]))
    else:
        rows = [(one.paper, len(one), one.counts["published"], one.counts["agrees"], one.counts["differs"],
                 one.counts["regression"], one.counts["not determined"]) for one in sorted(found, key=lambda r: r.paper)]
        output.table(("paper", "claims", "published", "agree", "differ", "regression", "not determined"), rows)
    if unexplained:
        output.note("These claims differ without an explanation: " + ", ".join(unexplained))
        raise typer.Exit(1)


def _list(json: bool) -> None:
    from dynamics import papers

    known = [papers.load(name) for name in papers.names()]
    if json:
        output.as_json({"papers": [{"name": p.name, "kind": p.kind, "claims": len(p.claims), "title": p.title,
                                    "reference": str(p.reference)} for p in known]})
    else:
        output.table(("paper", "claims", "story"), [(p.name, len(p.claims), p.title) for p in known])


def _bar(total: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, unit="paper", disable=None)
