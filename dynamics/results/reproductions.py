"""What became of the claims of a paper: each a published or derived value, where it stands, what was computed, a verdict."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results.atomic_files import write_text
from dynamics.results.record import Record
from dynamics.systems import Reference

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["EVIDENCE", "PUBLISHED", "Claim", "Finding", "Reproduction", "bibtex", "judged"]

# mark of a claim to what it means; what is only remembered is never a claim
EVIDENCE = {
    "text": "read in the paper",
    "abstract": "read in the abstract",
    "code": "read in the authors' code",
    "public code": "read in a public implementation",
    "third party": "reported by others, not read in the paper",
    "derived": "derived independently of the package: closed form or another method",
    "earlier": "our own earlier computation",
}
PUBLISHED = ("text", "abstract", "code", "public code")
VERDICTS = ("agrees", "differs", "not determined", "regression")


@dataclass(frozen=True)
class Claim(Record):
    """A number or a statement that a paper makes, and how closely it should come out.

    Attributes
    ----------
    name : str
        Unique within the paper: lower-case words joined by underscores.
    value : float or bool
        The number; True for a statement that the paper says holds.
    tolerance : float
        Largest difference that still agrees, in the unit of the claim; a share of ``value`` when ``relative``.
    location : str
        Section, equation, table or figure.
    unit : str
    evidence : str
        A key of ``EVIDENCE``.
    relative : bool
    band : (float, float), optional
        Instead of value and tolerance: where a statistical quantity should lie. ``value`` is then its middle.
    statement : str
        One sentence: what is claimed.
    explanation : str
        A paragraph, where it is known that a careful computation disagrees.
    """

    name: str
    value: float | bool
    tolerance: float = 0.0
    location: str = ""
    unit: str = "1"
    evidence: str = "text"
    relative: bool = False
    band: tuple[float, float] | None = None
    statement: str = ""
    explanation: str = ""

    def __post_init__(self) -> None:
        if self.evidence not in EVIDENCE:
            raise SpecificationError(f"the claim '{self.name}' has the evidence '{self.evidence}'."
                                     f"{did_you_mean(self.evidence, EVIDENCE)} There are {', '.join(EVIDENCE)}")
        if not self.tolerance >= 0:
            raise SpecificationError(f"the claim '{self.name}' has the tolerance {self.tolerance}; it must be at least 0")
        if self.band is not None and not self.band[0] <= self.value <= self.band[1]:
            raise SpecificationError(f"the claim '{self.name}': its value {self.value} is not in its band {self.band}")

    @property
    def is_statement(self) -> bool:
        """Whether it is true or false rather than a number."""
        return isinstance(self.value, bool)

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that agree."""
        if self.band is not None:
            return self.band
        width = self.tolerance*(abs(self.value) if self.relative else 1.0)
        return self.value - width, self.value + width

    @property
    def text(self) -> str:
        """What is claimed, as a reader would write it."""
        if self.is_statement:
            return "true" if self.value else "false"
        return f"{self.band[0]:.10g} to {self.band[1]:.10g}" if self.band is not None else f"{self.value:.10g}"


@dataclass(frozen=True)
class Finding(Record):
    """A claim with what was computed for it.

    Attributes
    ----------
    claim : Claim
    computed : float
        nan where nothing was determined.
    verdict : {"agrees", "differs", "not determined", "regression"}
        "regression": within tolerance of a value that is only our own earlier computation.
    reason : str
        Why nothing was determined.
    uncertainty : float
        Half width of the 95 % interval of a statistical value.
    second, second_method : float, str
        An independent second computation, nan without one, and how it was made.
    computation : str
        Name of the computation the claim shares with others.
    seconds : float
        Processor time of that computation.
    """

    claim: Claim
    computed: float
    verdict: str
    reason: str = ""
    uncertainty: float = 0.0
    second: float = math.nan
    second_method: str = ""
    computation: str = ""
    seconds: float = 0.0

    def __hash__(self) -> int:
        return hash((self.claim.name, self.verdict))

    @property
    def text(self) -> str:
        """What was computed, with as many digits as the claim has a use for."""
        if math.isnan(self.computed):
            return "-"
        if self.claim.is_statement:
            return "true" if self.computed else "false"
        spread = f" ± {self.uncertainty:.1g}" if self.uncertainty else ""
        return f"{self.computed:.10g}{spread}" if not spread else f"{self.computed:.4g}{spread}"


def judged(claim: Claim, computed: float, uncertainty: float = 0.0) -> tuple[str, str]:
    """Return the verdict and, where nothing is determined, the reason.

    A statistical value differs only if its whole interval does.

    Examples
    --------
    >>> judged(Claim("a", 1.0, 0.1), 1.05), judged(Claim("a", 1.0, 0.1), 1.2)
    (('agrees', ''), ('differs', ''))
    >>> judged(Claim("a", 1.0, 0.1, evidence="earlier"), 1.05)
    ('regression', '')
    >>> judged(Claim("a", 1.0, 0.1), 1.12, uncertainty=0.05)[0]
    'not determined'
    """
    low, high = claim.bounds
    if math.isnan(computed):
        return "not determined", "the computation gave no number"
    if low <= computed <= high:
        return ("regression" if claim.evidence == "earlier" else "agrees"), ""
    if low - uncertainty <= computed <= high + uncertainty:
        return "not determined", "the uncertainty of the computed value reaches the tolerance"
    return "differs", ""


@dataclass(frozen=True, repr=False)
class Reproduction(Record):
    """What became of the claims of a paper.

    Attributes
    ----------
    paper : str
    findings : tuple of Finding
    reference : Reference
    kind : {"reproduction", "model check"}
        A model check has no number that could be read in the paper.
    title : str
    provenance : mapping
        Mode, seed, hashes of paper and models, versions, wall time.
    """

    paper: str
    findings: tuple[Finding, ...]
    reference: Reference = field(default_factory=Reference)
    kind: str = "reproduction"
    title: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, claim: str) -> Finding:
        for finding in self.findings:
            if finding.claim.name == claim:
                return finding
        known = [f.claim.name for f in self.findings]
        raise SpecificationError(f"'{self.paper}' has no claim '{claim}'.{did_you_mean(claim, known)} "
                                 f"There are {', '.join(known)}")

    def __len__(self) -> int:
        return len(self.findings)

    def __hash__(self) -> int:
        return hash((self.paper, tuple((f.claim.name, f.verdict) for f in self.findings)))

    @property
    def counts(self) -> dict[str, int]:
        """Verdict to how many claims have it, and ``published``: how many claims were read in a paper or its code."""
        found = Counter(finding.verdict for finding in self.findings)
        return {verdict: found[verdict] for verdict in VERDICTS} | {
            "published": sum(finding.claim.evidence in PUBLISHED for finding in self.findings)}

    @property
    def table(self) -> xr.Dataset:
        """Table with dim ``claim``; statements are 1 and 0."""
        import numpy as np
        import xarray as xr

        claims = [f.claim for f in self.findings]
        numbers = {"published": [float(c.value) for c in claims], "computed": [f.computed for f in self.findings],
                   "tolerance": [(c.bounds[1] - c.bounds[0])/2 for c in claims],
                   **{n: [getattr(f, n) for f in self.findings] for n in ("uncertainty", "second", "seconds")}}
        texts = {**{n: [getattr(c, n) for c in claims] for n in ("unit", "location", "evidence", "statement",
                                                                   "explanation")},
                 **{n: [getattr(f, n) for f in self.findings] for n in ("verdict", "reason", "second_method",
                                                                       "computation")}}
        return xr.Dataset({**{n: ("claim", np.array(v, dtype=float)) for n, v in numbers.items()},
                           **{n: ("claim", np.array(v, dtype=str)) for n, v in texts.items()}},
                          coords={"claim": [c.name for c in claims]},
                          attrs={"paper": self.paper, "kind": self.kind, "source": str(self.reference),
                                 **self.provenance})

    def to_dataframe(self) -> pd.DataFrame:
        """The table, one row for each claim."""
        return self.table.to_dataframe()

    @property
    def summary(self) -> str:
        """One line: how many claims, how many of them published, and the verdicts."""
        counts = self.counts
        verdicts = ", ".join(f"{counts[v]} {'agree' if v == 'agrees' else 'differ' if v == 'differs' else v}"
                             for v in VERDICTS if counts[v])
        return f"{len(self)} claims ({counts['published']} published): {verdicts or 'none'}"

    def __repr__(self) -> str:
        head = ("claim", "published", "computed", "verdict", "evidence", "location")
        rows = [head, *((f.claim.name, f.claim.text, f.text, f.verdict, f.claim.evidence, f.claim.location)
                        for f in self.findings)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        notes = [f"  {f.claim.name}: {f.reason or f.claim.explanation}" for f in self.findings
                 if f.reason or (f.verdict == "differs" and f.claim.explanation)]
        return "\n".join([f"{self.paper} ({self.kind}): {self.summary}", *lines, *notes])

    def to_html(self) -> str:
        """Return the table as one HTML ``<table>`` element, explanations below the claims that differ."""
        head = "".join(f"<th>{title}</th>" for title in ("claim", "location", "published", "computed", "tolerance",
                                                         "verdict", "evidence", "seconds"))
        return f"<table class='reproduction'><thead><tr>{head}</tr></thead><tbody>" \
               + "".join(_row(finding) for finding in self.findings) + "</tbody></table>"

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self.paper)}</b> ({self.kind}): {self.summary}</p>{self.to_html()}"

    def write_html(self, path: str | Path) -> Path:
        """Write a page with the table; return its path."""
        title = html.escape(self.paper)
        head = f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{title}</title></head>"
        return write_text(path, f"{head}<body>{self._repr_html_()}</body></html>")

    @property
    def bibtex(self) -> str:
        """BibTeX entry of the paper."""
        return bibtex(self.reference, self.paper)


def _row(finding: Finding) -> str:
    claim = finding.claim
    low, high = claim.bounds
    tolerance = "" if claim.is_statement or claim.band is not None else f"{(high - low)/2:.2g}"
    unit = "" if claim.unit == "1" else f" {html.escape(claim.unit)}"
    cells = [f"<td><b>{html.escape(claim.name)}</b><br>{html.escape(claim.statement)}</td>",
             f"<td>{html.escape(claim.location)}</td>", f"<td>{claim.text}{unit}</td>", f"<td>{finding.text}{unit}</td>",
             f"<td>{tolerance}</td>", f"<td class='{finding.verdict.replace(' ', '-')}'>{finding.verdict}</td>",
             f"<td title='{html.escape(EVIDENCE[claim.evidence])}'>{claim.evidence}</td>",
             f"<td>{finding.seconds:.2f}</td>"]
    note = finding.reason or (claim.explanation if finding.verdict == "differs" else "")
    if not math.isnan(finding.second):
        note += f" Second computation ({finding.second_method}): {finding.second:.10g}."
    below = f"<tr class='note'><td></td><td colspan='7'>{html.escape(note.strip())}</td></tr>" if note else ""
    return f"<tr>{''.join(cells)}</tr>{below}"


def bibtex(reference: Reference, key: str) -> str:
    """Return a BibTeX entry.

    Examples
    --------
    >>> print(bibtex(Reference("A. Bee, C. Dee", 2001, "Title", "Journal 1", "10.1/x"), "bee_2001"))
    @article{bee_2001,
      author = {A. Bee and C. Dee},
      year = {2001},
      title = {Title},
      journal = {Journal 1},
      doi = {10.1/x}
    }
    """
    plain = unicodedata.normalize("NFKD", reference.authors)
    names = [name for name in re.split(r",\s*", "".join(c for c in plain if not unicodedata.combining(c))) if name]
    fields = {"author": " and ".join(names), "year": str(reference.year or ""), "title": reference.title,
              "journal": reference.where, "doi": reference.doi}
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@article{{{key},\n{lines}\n}}"
