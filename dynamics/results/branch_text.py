"""Branches as text: a numbered summary of special points, as people know it from continuation programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynamics.results.record_text import shown_values

__all__ = ["branch_summary", "diagram_summary", "point_line"]


def point_line(point: Any, parameters: Sequence[str] = ()) -> str:
    """Return one line for a special point: label, kind, place, what its normal form says, digits.

    Parameters
    ----------
    point : SpecialPoint
    parameters : sequence of str
        The varied ones; by default all of the point.

    Returns
    -------
    str
    """
    named = parameters or tuple(point.parameters)
    place = ", ".join(f"{name} = {point.parameters[name]:.12g}" for name in named if name in point.parameters)
    state = shown_values(point.state)
    form = shown_values(point.normal_form).replace("=", " = ")
    digits = f"{point.digits:.0f} digits" if point.digits == point.digits else ""
    status = "" if point.status in ("polished", "converged") else point.status
    notes = "; ".join(note for note in (form, point.remark, digits, status) if note)
    return f"{point.label:<5} {point.kind:<18} {place}  ({state})  {notes}".rstrip()


def branch_summary(branch: Any) -> str:
    """Return the numbered summary of a branch."""
    attributes = branch.table.attrs
    kind, parameters = attributes.get("branch_kind", "branch"), _parameters(attributes)
    ranges = ", ".join(f"{name} from {values.min():.6g} to {values.max():.6g}" for name in parameters
                       if name in branch.table and (values := branch.table[name].values).size)
    steps = branch.table.sizes.get("step", 0)
    lines = [f"Branch of {kind}, {steps} points{', ' + ranges if ranges else ''}; ends: {' | '.join(branch.ends)}"]
    lines += [f"  {number}. {point_line(point, parameters)}" for number, point in enumerate(branch.special_points, 1)]
    return "\n".join(lines)


def diagram_summary(diagram: Any) -> str:
    """Return the numbered summary of a bifurcation diagram: its branches, then its special points."""
    lines = [f"BifurcationDiagram: {len(diagram.branches)} branches, {len(diagram.special_points)} special points"]
    parameters: tuple[str, ...] = ()
    for number, branch in enumerate(diagram.branches, 1):
        parameters = parameters or _parameters(branch.table.attrs)
        lines.append(f"  branch {number}: {branch_summary(branch).splitlines()[0].removeprefix('Branch of ')}")
    lines += [f"  {number}. {point_line(point, parameters)}" for number, point in enumerate(diagram.special_points, 1)]
    return "\n".join(lines)


def _parameters(attributes: Any) -> tuple[str, ...]:
    return tuple(str(attributes.get("varied", "")).split())
