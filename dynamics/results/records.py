"""Structured results: small frozen records whose tables are Datasets.

Every record shows itself as text and in a notebook, and can be saved and opened again.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sympy import Expr, S
from sympy.logic.boolalg import Boolean

from dynamics import expressions
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results.branch_text import branch_summary, diagram_summary
from dynamics.results.record import Record, hashed
from dynamics.results.record_text import family_extent, fixed_point_line, formulas, points_heading, threshold_line

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["LABELS", "BifurcationDiagram", "Branch", "FixedPoint", "FixedPoints", "Records",
           "SpecialPoint", "Threshold"]

Item = TypeVar("Item")

# kind of a special point to the stem of its label, after the habits of AUTO and MatCont
LABELS = {"fold": "LP", "hopf": "HB", "branch_point": "BP", "transcritical": "BP", "pitchfork": "BP",
          "period_doubling": "PD", "neimark_sacker": "NS", "fold_of_cycles": "LPC", "branch_point_of_cycles": "BPC",
          "cusp": "CP", "bogdanov_takens": "BT", "generalized_hopf": "GH", "zero_hopf": "ZH", "hopf_hopf": "HH",
          "fold_flip": "FF", "resonance_1_1": "R1", "resonance_1_2": "R2", "resonance_1_3": "R3",
          "resonance_1_4": "R4", "border_collision": "BC", "grazing": "GR"}
_OTHER_STEMS = {"H": "HB", "TR": "NS", "TC": "BP", "PF": "BP", "PT": "BP"}


class Records(Sequence[Item], Record):
    """An immutable sequence of records with one table."""

    def __init__(self, items: Sequence[Item] = (), provenance: Mapping[str, Any] | None = None) -> None:
        self._items = tuple(items)
        self.provenance = dict(provenance or {})

    @overload
    def __getitem__(self, key: int) -> Item: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, key: int | slice) -> Item | tuple[Item, ...]:
        if isinstance(key, int) and not -len(self._items) <= key < len(self._items):
            raise IndexError(f"there is no record {key}: {len(self._items) or 'none'} found")
        return self._items[key]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records) and type(self) is type(other) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        lines = [f"  {number}. {item!r}" for number, item in enumerate(self._items, 1)]
        note = f" ({self.provenance['note']})" if self.provenance.get("note") else ""
        return "\n".join([f"{type(self).__name__}: {self._counted()}{note}", *lines])

    def _counted(self) -> str:
        return str(len(self._items))

    def _repr_latex_(self) -> str | None:
        return formulas(self._items)


@dataclass(frozen=True)
class FixedPoint(Record):
    """A fixed point of a flow or map.

    Attributes
    ----------
    state : mapping of str to SymPy expression
        In the parameters when ``exactness`` is "exact", numbers otherwise; a free state is its own symbol.
    values : mapping of str to float
        At the current parameters; of a family the member at the declared initial values, or an admissible one near them.
    eigenvalues : tuple of complex
        Of the Jacobian (multipliers of a map), at the current parameters, structural zeros last.
    stability : {"stable", "unstable", "not determined"}
        Of a family, by its eigenvalues across it: "stable" members attract what is beside the family, and move nowhere along
        it.
    kind : str
        "stable node", "stable focus", "saddle", "saddle focus", "unstable node", "unstable focus", ...; of a family
        "stable family (neutral along q)", or "family (neutral along q), stable at this member" where the eigenvalues differ
        from member to member.
    admissible : bool
        Inside its own regime, inside the declared bounds, and no terminal event has happened there; of a family, whether a
        member with all this was found.
    remark : str
        Why a point is not admissible, or what is special about it.
    regime : mapping of str to bool
        For each switch (text of an expression, on where it is positive) on which side the point was derived.
    valid_where : SymPy Boolean
        Conditions on the parameters, and on the free states of a family, under which the point lies in its own regime; of a
        family that several regimes see, in one of them.
    free : tuple of str
        States left free by the equations: a family of fixed points, and no isolated one. One eigenvalue is zero by
        structure for each.
    exactness : {"exact", "certified", "numeric"}
    """

    state: Mapping[str, Expr]
    values: Mapping[str, float]
    eigenvalues: tuple[complex, ...]
    stability: str
    kind: str
    admissible: bool
    remark: str = ""
    regime: Mapping[str, bool] = field(default_factory=dict)
    valid_where: Boolean = S.true
    free: tuple[str, ...] = ()
    exactness: str = "exact"
    time: str = "continuous"

    @property
    def table(self) -> xr.Dataset:
        """One-row table, dims ``fixed_point`` and ``mode``."""
        return FixedPoints([self]).table

    def __repr__(self) -> str:
        return fixed_point_line(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{name}</td><td style='text-align:left'>{expressions.mathml(e)}</td>"
            f"<td>{self.values[name]:.10g}</td></tr>" for name, e in self.state.items())
        family = f"family of rests, {html.escape(family_extent(self))}: " if self.free else ""
        remark = self.remark if self.admissible and self.free else ""
        note = f", {remark}" if remark else ""
        if not self.admissible:
            note = f", not admissible: {self.remark}"
        return f"<p>{family}{self.kind}, {self.exactness}{html.escape(note)}</p><table>{rows}</table>"

    def __hash__(self) -> int:
        return hash(hashed((tuple(self.values.items()), self.stability)))


class FixedPoints(Records[FixedPoint]):
    """Sequence of fixed points; the admissible ones first."""

    def __repr__(self) -> str:
        if not self and self.provenance.get("exactness") == "numeric":
            return "FixedPoints: 0 (no closed form; none found from many starts, so there may be some)"
        return super().__repr__()

    def _counted(self) -> str:
        return points_heading(self)

    @property
    def table(self) -> xr.Dataset:
        """Table with dims ``fixed_point`` and ``mode``: states, eigenvalues (multipliers of a map), flags.

        ``free`` names the states along which a row is a family of rests; it is empty for isolated points.
        """
        import numpy as np
        import xarray as xr

        points, names = list(self), list(self[0].values) if self else []
        modes = max((len(p.eigenvalues) for p in points), default=0)
        eigen = np.full((len(points), modes), np.nan, dtype=complex)
        for row, point in enumerate(points):
            eigen[row, : len(point.eigenvalues)] = point.eigenvalues
        spectrum = "multiplier" if points and points[0].time == "discrete" else "eigenvalue"
        variables: dict[str, Any] = {n: ("fixed_point", [p.values[n] for p in points]) for n in names}
        variables[f"{spectrum}_real"] = (("fixed_point", "mode"), eigen.real)
        variables[f"{spectrum}_imag"] = (("fixed_point", "mode"), eigen.imag)
        variables["stable"] = ("fixed_point", [p.stability == "stable" for p in points])
        variables["admissible"] = ("fixed_point", [p.admissible for p in points])
        for name in ("stability", "kind", "remark", "exactness"):
            variables[name] = ("fixed_point", np.array([getattr(p, name) for p in points], dtype=str))
        variables["free"] = ("fixed_point", np.array([", ".join(p.free) for p in points], dtype=str))
        conditions = [expressions.text(p.valid_where) for p in points]
        variables["valid_where"] = ("fixed_point", np.array(conditions, dtype=str))
        return xr.Dataset(variables, attrs=dict(self.provenance))

    def to_dataframe(self) -> pd.DataFrame:
        """The table without the eigenvalues, one row for each point."""
        return self.table.drop_dims("mode").to_dataframe()

    def _repr_html_(self) -> str:
        return "".join(f"<h4>{'family of rests' if p.free else 'fixed point'} {k}</h4>{p._repr_html_()}"
                       for k, p in enumerate(self, 1))


@dataclass(frozen=True)
class SpecialPoint(Record):
    """A located bifurcation, polished on its defining system.

    Attributes
    ----------
    kind, label : str
    state, parameters : mapping of str to float
        All parameters, the varied ones at their critical values.
    eigenvalues : tuple of complex
        Multipliers of maps and cycles.
    normal_form : mapping of str to float
        Coefficients by name, and ``omega`` of a critical pair.
    residual : float
        Largest of the defining equations after the last Newton step.
    digits : float
        Decimal digits. Of fixed points: of state and parameters, what rounding leaves, from the condition of the defining
        system. Of cycles of flows: of parameters and period, seen on meshes of different fineness, less than 12.
        nan where it is not determined.
    status : {"located", "polished", "not converged"}
    remark : str
        Criticality, regimes on either side, what is special.
    period : float
        Of a cycle in time units, of a periodic point of a map in steps; nan for fixed points of flows.
    """

    kind: str
    label: str
    state: Mapping[str, float]
    parameters: Mapping[str, float]
    eigenvalues: tuple[complex, ...] = ()
    normal_form: Mapping[str, float] = field(default_factory=dict)
    residual: float = float("nan")
    digits: float = float("nan")
    status: str = "located"
    remark: str = ""
    period: float = float("nan")

    def __hash__(self) -> int:
        return hash((self.kind, self.label))


def _labelled(points: Sequence[SpecialPoint], label: str) -> SpecialPoint:
    for point in points:
        if point.label == label:
            return point
    stem = label.rstrip("0123456789")
    other = _OTHER_STEMS.get(stem, stem) + label[len(stem):]
    found = [point for point in points if point.label == other or LABELS.get(point.kind) == other]
    if len(found) == 1 or (found and found[0].label == other):
        return found[0]
    known = [point.label for point in points]
    raise SpecificationError(f"no special point '{label}' here; there are {', '.join(known) or 'none'}."
                             + did_you_mean(label, known))


@dataclass(frozen=True, repr=False)
class Branch(Record):
    """A curve of solutions: a table with dim ``step``, and its special points by label (``branch["HB1"]``)."""

    table: xr.Dataset
    special_points: tuple[SpecialPoint, ...] = ()
    ends: tuple[str, ...] = ()

    def __getitem__(self, label: str) -> SpecialPoint:
        return _labelled(self.special_points, label)

    def __hash__(self) -> int:
        return hash((tuple(point.label for point in self.special_points), self.ends))

    def __repr__(self) -> str:
        return branch_summary(self)

    def at(self, step: int) -> dict[str, float]:
        """States and parameters of one row, to start another continuation from."""
        if not -self.table.sizes["step"] <= step < self.table.sizes["step"]:
            raise SpecificationError(f"step {step}: the branch has the points 0 to {self.table.sizes['step'] - 1}")
        values = dict(self.table.attrs.get("parameters", {}))
        names = [*str(self.table.attrs.get("states", "")).split(), *str(self.table.attrs.get("varied", "")).split()]
        if not self.table.attrs.get("states"):
            names = [str(name) for name in self.table.data_vars if self.table[name].dims == ("step",)
                     and self.table[name].dtype.kind == "f"]
        return values | {name: float(self.table[name].values[step]) for name in names}

    def to_dataframe(self) -> pd.DataFrame:
        """The table without the eigenvalues, one row for each point."""
        return self.table.drop_dims("mode", errors="ignore").to_dataframe()


@dataclass(frozen=True, repr=False)
class BifurcationDiagram(Record):
    """All branches of a system over one parameter."""

    branches: tuple[Branch, ...]

    @property
    def special_points(self) -> tuple[SpecialPoint, ...]:
        """The special points of all branches, each once."""
        points = (point for branch in self.branches for point in branch.special_points)
        return tuple({point.label: point for point in points}.values())

    def __getitem__(self, label: str) -> SpecialPoint:
        return _labelled(self.special_points, label)

    def __repr__(self) -> str:
        return diagram_summary(self)


@dataclass(frozen=True, repr=False)
class Threshold(Record):
    """A critical shock: beyond ``value`` the event happens.

    Attributes
    ----------
    value : float
        In the unit of the shock; positive is adverse; 0.0 when the starting point is unstable, nan when none was found.
    bracket : (float, float)
        Largest shock that is proved not to lead to the event, smallest that is proved to; nan for an end without a proof.
    status : {"found", "insolvent_at_once", "unstable", "open_bracket", "none_in_bracket", "not_monotone", "not_settled"}
        Only found, insolvent_at_once, unstable and not_monotone have a value.
    evaluations : int
        Trajectories integrated.
    message : str
        One sentence.
    before, after : mapping of str to float
        Measures of the trajectories at the two ends of the bracket.
    opposite : Threshold or None
        The threshold in the other direction, where one was looked for.
    transitions : tuple of float
        Where the outcome changed in the scan, when it is not monotone.
    preceded_by : mapping of str to float
        Other terminal events that end the run before this one can happen, and the smallest shock at which each does.
    """

    value: float
    bracket: tuple[float, float]
    status: str
    evaluations: int
    shock: str = ""
    event: str = ""
    message: str = ""
    ramp: float = 0.0
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    opposite: Threshold | None = None
    transitions: tuple[float, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    preceded_by: Mapping[str, float] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return threshold_line(self)

    @property
    def table(self) -> xr.Dataset:
        """Scalar Dataset."""
        import xarray as xr

        variables: dict[str, Any] = {"threshold": self.value, "bracket_low": self.bracket[0],
                                     "bracket_high": self.bracket[1], "evaluations": self.evaluations}
        if self.opposite is not None:
            variables["opposite_threshold"] = self.opposite.value
        variables |= {f"{name}_before": value for name, value in self.before.items()}
        variables |= {f"{name}_after": value for name, value in self.after.items()}
        attrs = {**self.provenance, "status": self.status, "message": self.message, "shock": self.shock,
                 "event": self.event, "ramp": self.ramp}
        if self.preceded_by:
            attrs["preceded_by"] = dict(self.preceded_by)
        return xr.Dataset(variables, attrs=attrs)

    def __hash__(self) -> int:
        return hash(hashed((self.value, self.bracket, self.status)))
