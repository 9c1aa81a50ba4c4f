"""Papers: one file is one paper, its file name is its name; ``paper()`` makes it.

A paper is claims and how to obtain them: what it states, where, how we know that it does, how closely it should come out,
and the computations from packaged models and analyses that give the numbers. ``reproduce`` compares.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
import math
import pkgutil
import sys
import time as _time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamics.analysis.sweep_grid import bar_kind
from dynamics.errors import DataError, DynamicsError, SpecificationError, did_you_mean
from dynamics.results import PUBLISHED, Claim, Finding, Reproduction, provenance
from dynamics.results.reproductions import bibtex, judged
from dynamics.systems import Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Claim", "Computation", "Computed", "Context", "Paper", "PaperFigure", "Reference", "load", "names"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """How a computation is wanted: ``fast`` asks for a smaller one of the same kind."""

    fast: bool = False
    seed: int = 0
    data: Path | None = None
    threads: int | None = None

    def size(self, full: int, fast: int) -> int:
        """Return ``fast`` in fast mode, else ``full``: numbers of seeds, steps, cells."""
        return fast if self.fast else full

    def seeds(self, name: str, count: int) -> list[int]:
        """Return ``count`` seeds that depend on the root seed, the name and their place alone."""
        import numpy as np

        root = np.random.SeedSequence([self.seed, zlib.crc32(name.encode())])
        return [int(child.generate_state(1)[0]) for child in root.spawn(count)]

    def file(self, name: str) -> Path:
        """Return a file of the user's data folder.

        Raises
        ------
        DataError
            If there is no folder or no such file.
        """
        if self.data is None:
            raise DataError(f"needs the file {name}: give the folder that holds it as --data FOLDER, or data=...")
        if not (self.data / name).exists():
            raise DataError(f"{self.data / name}: there is no such file")
        return self.data / name


@dataclass(frozen=True)
class Computed:
    """A value with more to say than the number.

    ``uncertainty`` is the half width of its 95 % interval; ``second`` an independent second computation, ``second_method``
    what that was; a value of None was not determined, for the ``reason`` given.
    """

    value: float | bool | None
    uncertainty: float = 0.0
    second: float | bool | None = None
    second_method: str = ""
    reason: str = ""


Values = Mapping[str, "float | bool | Computed"]


@dataclass(frozen=True)
class Computation:
    """Claims that share one computation.

    Attributes
    ----------
    compute : callable
        ``compute(context) -> {claim name: value}``; its name is the name of the computation.
    claims : tuple of Claim
    fast : bool
        False: left out in fast mode.
    data : str
        Files the user has to supply, in words; empty for none.
    """

    compute: Callable[[Context], Values]
    claims: tuple[Claim, ...]
    fast: bool = True
    data: str = ""

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.compute.__name__.strip("_")


@dataclass(frozen=True)
class PaperFigure:
    """A figure in the shape the paper has it.

    Attributes
    ----------
    name : str
    data : callable
        ``data(context) -> Dataset`` with provenance.
    draw : callable
        ``draw(dataset, axes) -> axes``; gets one Axes, or an array of them where there are several panels.
    caption : str
        What is seen, and with what of the paper it is to be compared.
    panels : (int, int)
        Rows and columns.
    size : (float, float)
        Inches.
    layout : mapping
        Further options of ``Figure.subplots``, such as ``sharex``.
    """

    name: str
    data: Callable[[Context], xr.Dataset]
    draw: Callable[[Any, Any], Any]
    caption: str
    panels: tuple[int, int] = (1, 1)
    size: tuple[float, float] = (6.8, 3.2)
    layout: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Paper:
    """A paper: claims, and how to obtain them.

    Attributes
    ----------
    name : str
    reference : Reference
    models : tuple of str
        Packaged models it is computed from.
    computations : tuple of Computation
    figures : tuple of PaperFigure
    kind : {"reproduction", "model check"}
        "model check": none of the paper's own numbers could be read.
    """

    name: str
    reference: Reference
    models: tuple[str, ...]
    computations: tuple[Computation, ...]
    figures: tuple[PaperFigure, ...] = ()
    kind: str = "reproduction"

    def __post_init__(self) -> None:
        names = [claim.name for claim in self.claims]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SpecificationError(f"the paper '{self.name}' has several claims named {', '.join(twice)}")
        if self.kind not in ("reproduction", "model check"):
            raise SpecificationError(f"the paper '{self.name}': kind must be 'reproduction' or 'model check', not "
                                     f"'{self.kind}'")
        if self.kind == "reproduction" and not any(claim.evidence in PUBLISHED for claim in self.claims):
            raise SpecificationError(f"the paper '{self.name}' has no published claim; its kind is 'model check'")

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims, in the order of the computations."""
        return tuple(claim for computation in self.computations for claim in computation.claims)

    @property
    def title(self) -> str:
        """First line of the documentation."""
        return (self.documentation.splitlines() or [""])[0]

    @property
    def documentation(self) -> str:
        """Docstring of the paper's file."""
        return (inspect.getdoc(self._module) if self._module else "") or ""

    @property
    def bibtex(self) -> str:
        """BibTeX entry."""
        return bibtex(self.reference, self.name)

    @property
    def sha256(self) -> str:
        """Hash of the paper's file (or folder), by which stored results are known to belong to it."""
        place = Path(str(getattr(self._module, "__file__", "")))
        files = sorted(place.parent.glob("*.py")) if place.name == "__init__.py" else [place] if place.name else []
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    @property
    def _module(self) -> Any:
        return sys.modules.get(f"{__name__}.{self.name}")

    def __repr__(self) -> str:
        published = sum(claim.evidence in PUBLISHED for claim in self.claims)
        return f"Paper({self.name}: {self.reference}; {self.kind}, {len(self.claims)} claims, {published} published)"

    def reproduce(self, fast: bool = False, *, only: Sequence[str] | None = None, data: str | Path | None = None,
                  seed: int = 0, threads: int | None = None,
                  progress: bool | Callable[[str], None] | None = None) -> Reproduction:
        """reproduce(): compute what the paper claims and compare.

        Parameters
        ----------
        fast : bool
            Smaller computations of the same kind; long ones are left out, with the verdict "not determined".
        only : sequence of str, optional
            Names of claims or computations; the others are left out of the result.
        data : path, optional
            Folder of files that the package may not ship.
        seed : int
            Root of all randomness.
        threads : int, optional
            Of compiled code; None: one for each processor. Verdicts do not depend on it.
        progress : bool or callable, optional
            True: a bar; a function gets the name of each computation; None: a bar where somebody watches.

        Returns
        -------
        Reproduction

        Raises
        ------
        SpecificationError
            For names in ``only`` that do not exist.

        Examples
        --------
        >>> import dynamics as dy
        >>> paper = dy.papers.load("grasselli_costa_lima_2012")
        >>> paper.reproduce(fast=True, only=["good_equilibrium"])["good_debt"].verdict
        'agrees'
        """
        started = _time.perf_counter()
        context = Context(fast, seed, None if data is None else Path(data), threads)
        findings: list[Finding] = []
        for computation in _watched(self._chosen(only), self.name, progress):
            findings += _found(computation, context)
        kept = [f for f in findings if not only or f.claim.name in only or f.computation in only]
        attributes = provenance("reproduction", mode="fast" if fast else "full", seed=seed, paper_sha256=self.sha256,
                                models=", ".join(self.models), wall_time_s=round(_time.perf_counter() - started, 3))
        return Reproduction(self.name, tuple(kept), self.reference, self.kind, self.title, attributes)

    def _chosen(self, only: Sequence[str] | None) -> list[Computation]:
        if not only:
            return list(self.computations)
        known = [*(c.name for c in self.computations), *(c.name for c in self.claims)]
        for name in only:
            if name not in known:
                raise SpecificationError(f"'{self.name}' has no claim or computation '{name}'.{did_you_mean(name, known)}"
                                         f" There are {', '.join(known)}")
        return [c for c in self.computations if c.name in only or any(claim.name in only for claim in c.claims)]

    def figure_data(self, name: str, *, fast: bool = False, data: str | Path | None = None, seed: int = 0,
                    threads: int | None = None) -> xr.Dataset:
        """Return the Dataset a figure is drawn from.

        Raises
        ------
        SpecificationError
            If there is no such figure.
        """
        return self._figure(name).data(Context(fast, seed, None if data is None else Path(data), threads))

    def plot(self, name: str, dataset: xr.Dataset | None = None, axes: Any = None, *, fast: bool = False) -> Any:
        """plot("bifurcation_diagram"): draw a figure of the paper; returns its Axes, an array where there are several.

        Parameters
        ----------
        name : str
        dataset : Dataset, optional
            From ``figure_data`` or a file; None computes it.
        axes : Axes or array of Axes, optional
        fast : bool
            Coarser data.

        Raises
        ------
        SpecificationError
            If there is no such figure.
        """
        import matplotlib.pyplot as plt

        from dynamics.figures.style import styled

        wanted = self._figure(name)
        dataset = self.figure_data(name, fast=fast) if dataset is None else dataset
        with styled():
            if axes is None:
                _, axes = plt.subplots(*wanted.panels, figsize=wanted.size, **wanted.layout)
            return wanted.draw(dataset, axes)

    def _figure(self, name: str) -> PaperFigure:
        for one in self.figures:
            if one.name == name:
                return one
        known = [one.name for one in self.figures]
        raise SpecificationError(f"'{self.name}' has no figure '{name}'.{did_you_mean(name, known)} "
                                 f"There are {', '.join(known) or 'none'}")


def _watched(computations: Sequence[Computation], paper: str, progress: Any) -> Iterator[Computation]:
    tell = progress if callable(progress) else None
    # disable=None: no bar where stderr is no terminal
    hidden = None if progress is None else tell is not None or not progress
    with bar_kind()(computations, desc=paper, unit="computation", leave=False, disable=hidden) as bar:
        for computation in bar:
            what = computation.name.replace("_", " ")
            bar.set_postfix_str(what)
            if tell is not None:
                tell(f"{paper}: {what}")
            yield computation


def _found(computation: Computation, context: Context) -> list[Finding]:
    before, reason, values = _time.process_time(), "", {}
    if computation.data and context.data is None:
        reason = f"needs data that is not shipped ({computation.data}): give its folder as --data FOLDER, or data=..."
    elif context.fast and not computation.fast:
        reason = "left out in fast mode"
    else:
        try:
            values = dict(computation.compute(context))
        except DynamicsError as error:
            log.warning("%s: %s", computation.name, error)
            reason = f"{type(error).__name__}: {error}"
    stray = sorted(set(values) - {claim.name for claim in computation.claims})
    if stray:
        raise SpecificationError(f"the computation '{computation.name}' returned {', '.join(stray)}, which is not claimed")
    seconds = round(_time.process_time() - before, 3)
    return [_finding(claim, values.get(claim.name, Computed(None, reason=reason or (
        "left out in fast mode" if context.fast else "the computation gave no value"))), computation.name, seconds)
        for claim in computation.claims]


def _finding(claim: Claim, value: float | bool | Computed, computation: str, seconds: float) -> Finding:
    found = value if isinstance(value, Computed) else Computed(value)
    number = math.nan if found.value is None else float(found.value)
    second = math.nan if found.second is None else float(found.second)
    verdict, reason = judged(claim, number, found.uncertainty)
    return Finding(claim, number, verdict, found.reason or reason, found.uncertainty, second, found.second_method,
                   computation, seconds)


def names() -> tuple[str, ...]:
    """Return the names of the papers in the package.

    >>> import dynamics as dy
    >>> "grasselli_costa_lima_2012" in dy.papers.names()
    True
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load(name: str) -> Paper:
    """load(name): the claims of one of :func:`names`, ready to be reproduced.

    Returns
    -------
    Paper

    Raises
    ------
    SpecificationError
        If there is no such paper.

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.papers.load("grasselli_costa_lima_2012").reference.year
    2012
    """
    if name not in names():
        raise SpecificationError(f"there is no paper '{name}'.{did_you_mean(name, names())} "
                                 f"There are {', '.join(names())}")
    paper = importlib.import_module(f"{__name__}.{name}").paper()
    if paper.name != name:
        raise SpecificationError(f"the file of the paper '{name}' makes one named '{paper.name}'; use the file's name")
    return paper
