"""Certificates: what interval arithmetic proved about the fixed points in a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynamics.results.record import Record, hashed

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Certificate", "CertifiedBox"]


@dataclass(frozen=True)
class CertifiedBox(Record):
    """A part of the search box that holds exactly one fixed point, or that could not be decided.

    Attributes
    ----------
    status : {"unique", "undecided"}
    bounds : mapping of str to (float, float)
        State to the ends of the box, rounded outwards; a unique box may reach beyond the search box.
    values : mapping of str to float
        The fixed point; of an undecided box, nothing.
    digits : mapping of str to str
        The fixed point to 30 digits.
    radius : float
        The fixed point is proved to lie within this distance of the digits, in every state.
    remark : str
    """

    status: str
    bounds: Mapping[str, tuple[float, float]]
    values: Mapping[str, float] = field(default_factory=dict)
    digits: Mapping[str, str] = field(default_factory=dict)
    radius: float = float("inf")
    remark: str = ""

    def __repr__(self) -> str:
        note = f"; {self.remark}" if self.remark else ""
        if self.values:
            return f"{self.status}: " + ", ".join(f"{n}={v:.10g}" for n, v in self.values.items()) + note
        return f"{self.status}: " + ", ".join(f"{n} in [{a:.6g}, {b:.6g}]" for n, (a, b) in self.bounds.items()) + note

    def __hash__(self) -> int:
        return hash(hashed((self.status, tuple(self.bounds.items()))))


@dataclass(frozen=True)
class Certificate(Record):
    """A proof about all fixed points in a box.

    Attributes
    ----------
    status : {"none", "complete", "undecided"}
        "none": there is no fixed point in the box. "complete": the unique boxes hold all of them. "undecided": outside the
        boxes listed there is none, but some boxes could not be decided.
    boxes : tuple of CertifiedBox
        The unique ones first.
    search_box : mapping of str to (float, float)
    backend : str
        Library that verified the unique boxes in multiple precision.
    examined : int
        Boxes looked at.
    agrees_with_exact : bool or None
        Whether `fixed_points` found the same ones; None where there is nothing to compare, `message` says why.
    message : str
    """

    status: str
    boxes: tuple[CertifiedBox, ...]
    search_box: Mapping[str, tuple[float, float]]
    backend: str
    examined: int
    agrees_with_exact: bool | None = None
    message: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unique(self) -> tuple[CertifiedBox, ...]:
        """Boxes with exactly one fixed point."""
        return tuple(box for box in self.boxes if box.status == "unique")

    @property
    def undecided(self) -> tuple[CertifiedBox, ...]:
        """Boxes about which nothing was proved."""
        return tuple(box for box in self.boxes if box.status == "undecided")

    @property
    def statement(self) -> str:
        """What was proved, as a sentence."""
        count, open_boxes = len(self.unique), len(self.undecided)
        where = "in the box" + ("" if not open_boxes else
                                f" outside {open_boxes} undecided {'box' if open_boxes == 1 else 'boxes'}")
        if not count:
            return f"There is no fixed point {where}."
        return f"There {'is' if count == 1 else 'are'} exactly {count} fixed {'point' if count == 1 else 'points'} {where}."

    @property
    def table(self) -> xr.Dataset:
        """Table with dim ``certified_box``: the states, ``lower_*``, ``upper_*``, ``digits_*``, status, radius, remark."""
        import numpy as np
        import xarray as xr

        columns: dict[str, Any] = {}
        for name in self.search_box:
            columns[name] = [box.values.get(name, np.nan) for box in self.boxes]
            columns[f"lower_{name}"] = [box.bounds[name][0] for box in self.boxes]
            columns[f"upper_{name}"] = [box.bounds[name][1] for box in self.boxes]
            columns[f"digits_{name}"] = np.array([box.digits.get(name, "") for box in self.boxes], dtype=str)
        columns["status"] = np.array([box.status for box in self.boxes], dtype=str)
        columns["radius"] = [box.radius for box in self.boxes]
        columns["remark"] = np.array([box.remark for box in self.boxes], dtype=str)
        return xr.Dataset({name: ("certified_box", column) for name, column in columns.items()},
                          attrs={**self.provenance, "status": self.status, "message": self.message})

    def __repr__(self) -> str:
        box = ", ".join(f"{n} in [{a:.6g}, {b:.6g}]" for n, (a, b) in self.search_box.items())
        agreement = {True: "agrees with fixed_points", False: "DIFFERS from fixed_points", None: "not compared"}
        lines = [f"Certificate: {self.statement}", f"  box: {box}", *(f"  {k}. {b!r}" for k, b in enumerate(self.boxes, 1)),
                 f"  {self.examined} boxes examined, verified with {self.backend}, {agreement[self.agrees_with_exact]}"]
        return "\n".join([*lines, *([f"  {self.message}"] if self.message else [])])

    def __hash__(self) -> int:
        return hash(hashed((self.status, self.boxes)))
