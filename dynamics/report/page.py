"""Compute, draw, render, write: the page with its tables and figures beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynamics.errors import SpecificationError
from dynamics.report import cascades, diagram, market, pictures, shocks, theory
from dynamics.report.rendering import render
from dynamics.report.tables import Table
from dynamics.results import provenance
from dynamics.results.atomic_files import write_bytes, write_text

__all__ = ["Findings", "compute", "publish", "write"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Findings:
    """Everything the page says. ``market`` is None without data, ``cascades`` where forced sales decide nothing."""

    theory: theory.Theory
    shocks: shocks.Shocks
    diagram: diagram.Diagram
    market: market.Market | None
    cascades: cascades.Cascades | None
    settings: Mapping[str, Any]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in the order of the page."""
        found = [
            theory.parameter_table(self.theory),
            theory.fixed_point_table(self.theory),
            theory.loop_table(self.theory),
            shocks.curve_table(self.shocks),
            shocks.direction_table(self.shocks),
            shocks.close_out_table(self.shocks),
            diagram.regime_table(self.diagram),
        ]
        if self.market is not None:
            found += [market.worst_table(self.market), market.comparison_table(self.market)]
        if self.cascades is not None:
            found.append(cascades.cascade_table(self.cascades))
        return tuple(found)

    def pictures(self) -> tuple[pictures.Picture, ...]:
        """Draw all figures, in the order of the page."""
        found = [pictures.feedback_loops(self.theory), pictures.critical_shocks(self.shocks),
                 pictures.phase_diagram(self.diagram)]
        if self.market is not None:
            found.append(pictures.observed_falls(self.market))
        if self.cascades is not None:
            found.append(pictures.cascades(self.cascades))
        return tuple(found)


def compute(
    *,
    data: str | Path | None = None,
    time_zone: str | None = None,
    repair: Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
    leverages: Sequence[float] = shocks.LEVERAGES,
    cells: int = 64,
    tolerance: float = 2e-4,
    bootstrap: int = 2000,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Findings:
    """compute(): everything the report says, as data.

    Parameters
    ----------
    data : path, optional
        CSV file of daily prices; None: the sample, where it is installed.
    time_zone, repair
        As for ``dynamics.data.read``.
    parameters : mapping of str to float, optional
        Replaces values of the core model.
    leverages : sequence of float
        Grid of the curves.
    cells : int
        Along each axis of the phase diagram.
    tolerance : float
        Of the thresholds along the curves.
    bootstrap, seed : int
        Replicates and root seed of the block bootstrap.
    progress : callable, optional
        Called with one line before each step.

    Returns
    -------
    Findings

    Raises
    ------
    DataError
        If the prices cannot be read or are not daily.
    SpecificationError
        For unknown parameters.
    """
    tell = progress or (lambda message: None)
    # the data first: a faulty file is refused before anything is computed
    tell("reading prices")
    returns = market.read(data, time_zone=time_zone, repair=repair)
    tell("closed forms")
    forms = theory.derive(parameters)
    tell("critical shocks against leverage")
    found = shocks.compute(forms, leverages, tolerance)
    tell("phase diagram")
    regimes = diagram.compute(forms, cells)
    tell("observed falls")
    compared = None if returns is None else market.compare(returns, found, bootstrap=bootstrap, seed=seed)
    tell("two cascades")
    runs = cascades.compute(forms, found)
    settings = {
        "tolerance": tolerance,
        "cells": cells,
        "bootstrap": bootstrap,
        "seed": seed,
        "parameters changed": ", ".join(f"{n} = {v:g}" for n, v in (parameters or {}).items()) or "none",
    }
    return Findings(forms, found, regimes, compared, runs, settings)


def write(directory: str | Path = "report", *, progress: Callable[[str], None] | None = None, **options: Any) -> Path:
    """write("report"): compute everything and write ``index.html``, its tables (CSV, JSON) and figures (PNG).

    Parameters
    ----------
    directory : path
        Made where it does not exist; files of the same names are replaced.
    progress : callable, optional
        Called with one line before each step.
    **options
        Those of ``compute``: data, parameters, leverages, cells, ...

    Returns
    -------
    Path
        The page. It holds its figures and formulas and loads nothing.

    Raises
    ------
    DataError
        If the prices cannot be read or are not daily.
    SpecificationError
        For unknown parameters, or if ``directory`` is a file.
    """
    started = time.perf_counter()
    _folder(directory)
    path = publish(compute(progress=progress, **options), directory, progress=progress)
    log.info("report written to %s in %.1f s", path, time.perf_counter() - started)
    return path


def publish(findings: Findings, directory: str | Path, *, progress: Callable[[str], None] | None = None) -> Path:
    """publish(findings, "report"): draw, render and write what ``compute`` found.

    Parameters
    ----------
    findings : Findings
    directory : path
    progress : callable, optional

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SpecificationError
        If ``directory`` is a file.
    """
    folder = _folder(directory)
    if progress is not None:
        progress("figures")
    drawn = findings.pictures()
    page = render(findings, drawn, provenance("report"))
    folder.mkdir(parents=True, exist_ok=True)
    for table in findings.tables:
        write_text(folder / f"{table.name}.csv", table.csv)
        write_text(folder / f"{table.name}.json", table.json)
    for picture in drawn:
        write_bytes(folder / f"{picture.name}.png", picture.png)
    return write_text(folder / "index.html", page)


def _folder(directory: str | Path) -> Path:
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise SpecificationError(f"{folder}: is a file; give a folder for the report")
    return folder
