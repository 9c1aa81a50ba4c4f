"""The page of all papers: figures beside each table, and the table of the README; a run that was stopped goes on."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dynamics
from dynamics import papers
from dynamics.errors import DataError, DynamicsError, SpecificationError, did_you_mean
from dynamics.results import PUBLISHED, Reproduction, open, provenance, save
from dynamics.results.atomic_files import write_bytes, write_text

__all__ = ["Run", "reproduce", "table", "verdicts", "write"]

PACKAGE = Path(dynamics.__file__).parent
# what draws, writes or only calls the papers cannot change a number
OUTSIDE = ("papers", "figures", "report", "cli", "explorer")
DOTS = 170


@dataclass(frozen=True)
class Run:
    """How papers are reproduced, and where the results are kept."""

    folder: Path
    fast: bool = False
    data: Path | None = None
    seed: int = 0
    threads: int | None = None
    figures: bool = True

    def key(self, paper: papers.Paper) -> dict[str, Any]:
        """What a stored result must have in common with this run to be used again."""
        return {"version": dynamics.__version__, "code": _code_hash(), "paper": paper.sha256,
                "mode": "fast" if self.fast else "full", "seed": self.seed, "data": _listed(self.data)}


def reproduce(names: Sequence[str], run: Run, *, jobs: int | None = None, progress: Callable[[str], None] | None = None
              ) -> Iterator[Reproduction]:
    """Yield the reproduction of each paper as it is done; those in the folder that still hold are read from there.

    Parameters
    ----------
    names : sequence of str
    run : Run
    jobs : int, optional
        Papers at a time, each in a process of its own; None: one for each processor. Verdicts do not depend on it.
    progress : callable, optional
        Called with one line for each step.

    Raises
    ------
    SpecificationError
        For unknown papers, or a folder that is a file.
    """
    for name in names:
        if name not in papers.names():
            raise SpecificationError(f"there is no paper '{name}'.{did_you_mean(name, papers.names())} "
                                     f"There are {', '.join(papers.names())}")
    if run.folder.exists() and not run.folder.is_dir():
        raise SpecificationError(f"{run.folder}: is a file; give a folder for the reproductions")
    run.folder.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda message: None)
    left = []
    for name in names:
        stored = _stored(name, run)
        if stored is None:
            left.append(name)
        else:
            tell(f"{name}: read from {run.folder}")
            yield stored
    jobs = min(jobs or os.cpu_count() or 1, len(left))
    if jobs <= 1:
        for name in left:
            yield _done(name, run, tell)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(_done, name, run): name for name in left}
        for future in as_completed(waiting):
            tell(f"{waiting[future]}: done")
            yield future.result()


def _done(name: str, run: Run, tell: Callable[[str], None] | None = None) -> Reproduction:
    """Compute, draw and store one paper."""
    paper = papers.load(name)
    found = paper.reproduce(run.fast, data=run.data, seed=run.seed, threads=run.threads, progress=tell or False)
    if run.figures:
        for figure in paper.figures:
            if tell is not None:
                tell(f"{name}: figure {figure.name.replace('_', ' ')}")
            try:
                write_bytes(run.folder / f"{name}_{figure.name}.png", _drawn(figure, run))
            except DynamicsError as error:
                write_text(run.folder / f"{name}_{figure.name}.txt", str(error))
    # the result comes last: whatever it stands beside is whole
    stored = Reproduction(found.paper, found.findings, found.reference, found.kind, found.title,
                          {**found.provenance, "run": run.key(paper), "drawn": run.figures})
    save(stored, run.folder / f"{name}.json")
    return stored


def _drawn(figure: papers.PaperFigure, run: Run) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from dynamics.figures.style import styled

    data = figure.data(papers.Context(run.fast, run.seed, run.data, run.threads))
    with styled():
        sheet = Figure(figsize=figure.size)
        FigureCanvasAgg(sheet)
        figure.draw(data, sheet.subplots(*figure.panels, **figure.layout))
        picture = io.BytesIO()
        sheet.savefig(picture, format="png", dpi=DOTS)
    return picture.getvalue()


def _stored(name: str, run: Run) -> Reproduction | None:
    path = run.folder / f"{name}.json"
    if not path.exists():
        return None
    try:
        found = open(path)
    except DataError:
        return None  # cut off while it was written, or of another release
    known = isinstance(found, Reproduction) and found.provenance.get("run") == run.key(papers.load(name)) and (
        found.provenance.get("drawn") or not run.figures)
    return found if known else None


def _code_hash() -> str:
    """Hash of everything below the papers: a result belongs to the code that made it."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in OUTSIDE:
            digest.update(path.read_bytes())
    digest.update((PACKAGE / "papers" / "__init__.py").read_bytes())
    return digest.hexdigest()


def _listed(folder: Path | None) -> list[str]:
    if folder is None:
        return []
    return [f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in sorted(folder.rglob("*"))
            if path.is_file()]


# ---- what is written -------------------------------------------------------------------------------------------------

def write(found: Iterable[Reproduction], run: Run) -> Path:
    """Write ``reproductions.html`` with its figures in it, ``reproductions.json`` and ``reproductions.md``.

    Returns
    -------
    Path
        The page; it loads nothing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    done = sorted(found, key=lambda r: r.paper)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=StrictUndefined)
    sections = []
    for one in done:
        paper = papers.load(one.paper)
        pictures = [(figure, _source(path)) for figure in paper.figures
                    if (path := run.folder / f"{one.paper}_{figure.name}.png").exists()]
        sections.append((one, Markup(one.to_html()), pictures, Markup(f"<pre>{html.escape(one.bibtex)}</pre>")))
    page = environment.get_template("reproductions.html.jinja").render(
        sections=sections, total=_total(done), mode="fast" if run.fast else "full", provenance=provenance("reproductions"))
    path = run.folder / "reproductions.html"
    write_text(path, page)
    found_verdicts = verdicts(done)
    document = json.dumps(found_verdicts, indent=1, ensure_ascii=False) + "\n"
    write_text(run.folder / "reproductions.json", document)
    write_text(run.folder / "reproductions.md", table(found_verdicts))
    return path


def _source(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _total(done: Sequence[Reproduction]) -> dict[str, int]:
    counts = [one.counts for one in done]
    return {name: sum(count[name] for count in counts) for name in (counts[0] if counts else {})} | {
        "claims": sum(len(one) for one in done), "papers": len(done)}


def verdicts(found: Iterable[Reproduction]) -> dict[str, dict[str, str]]:
    """Paper to claim to verdict."""
    return {one.paper: {f.claim.name: f.verdict for f in one.findings} for one in sorted(found, key=lambda r: r.paper)}


def table(found: Mapping[str, Mapping[str, str]]) -> str:
    """Return the Markdown table of the README from ``verdicts``."""
    heads = ("claims", "published", "agree", "differ", "regression", "not determined")
    lines = [f"| paper | {' | '.join(heads)} |", f"|---|{'--:|'*len(heads)}"]
    sums = dict.fromkeys(heads, 0)
    for name, claims in found.items():
        paper = papers.load(name)
        values = list(claims.values())
        row = {"claims": len(values), "published": sum(c.evidence in PUBLISHED for c in paper.claims if c.name in claims),
               "agree": values.count("agrees"), "differ": values.count("differs"),
               "regression": values.count("regression"), "not determined": values.count("not determined")}
        sums = {head: sums[head] + row[head] for head in heads}
        kind = " (model check)" if paper.kind == "model check" else ""
        lines.append(f"| `{name}`{kind} | {' | '.join(str(row[head]) for head in heads)} |")
    lines.append(f"| **all {len(found)}** | {' | '.join(f'**{sums[head]}**' for head in heads)} |")
    return "\n".join(lines) + "\n"
