"""Records as people read them: thresholds in one line, edge states without rounding noise, formulas one under the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynamics import expressions

__all__ = ["edge_summary", "family_extent", "fixed_point_line", "formulas", "points_heading", "shown_values",
           "threshold_line"]

LONGEST = 160  # letters of a condition that is still read in one line
NOISE = 1e-14  # what rounding leaves of a zero


def shown_values(values: Mapping[str, float], digits: int = 6) -> str:
    """Return "x=1, y=0.5": what rounding leaves of a zero is shown as zero.

    Examples
    --------
    >>> shown_values({"x": 0.5, "y": -6.9e-35})
    'x=0.5, y=0'
    """
    return ", ".join(f"{name}={0.0 if abs(value) < NOISE else value:.{digits}g}" for name, value in values.items())


def family_extent(point: Any) -> str:
    """Return "q free where 1 - q >= 0": along which states a family of rests extends, and how far."""
    free = f"{', '.join(point.free)} free"
    where = expressions.text(point.valid_where)
    if where == "True":
        return free
    return f"{free} where {where if len(where) <= LONGEST else 'valid_where holds'}"


def fixed_point_line(point: Any) -> str:
    """Return one line for a fixed point or a family of rests: where, what kind, how it was found, why not admissible."""
    place = ", ".join(f"{name}={value:.10g}" for name, value in point.values.items())
    if point.free:
        place = f"family of rests: {family_extent(point)}; at {place}"
    # of a family the remark says which member is shown and what its edge does
    remark = point.remark if point.free else ""
    note = f"; {remark}" if remark else ""
    if not point.admissible:
        note = f"; not admissible: {point.remark}"
    return f"FixedPoint({place}; {point.kind}; {point.exactness}{note})"


def points_heading(points: Sequence[Any]) -> str:
    """Return "2 isolated, 1 family of rests"; the bare number where there is no family."""
    families = sum(bool(point.free) for point in points)
    if not families:
        return str(len(points))
    isolated = len(points) - families
    counted = f"{families} famil{'y' if families == 1 else 'ies'} of rests"
    return f"{isolated} isolated, {counted}" if isolated else counted


def formulas(items: Sequence[Any]) -> str | None:
    """Return LaTeX of records that are formulas, each with its note; None where one is no formula."""
    if not items or not all(hasattr(item, "latex") and hasattr(item, "note") for item in items):
        return None
    rows = [f"\\displaystyle {item.latex} & {item.note}" for item in items]
    return "$\\begin{array}{ll} " + " \\\\[1ex] ".join(rows) + " \\end{array}$"


def threshold_line(threshold: Any) -> str:
    """Return one line for a threshold: its value, how narrow the bracket is, the status, the other direction."""
    low, high = threshold.bracket
    event = f" to {threshold.event}" if threshold.event else ""
    parts = [f"{threshold.shock or 'shock'} = {threshold.value:.10g}{event}", threshold.status,
             f"bracket {abs(high - low):.1g} wide" if high == high and high != low else "",
             f"ramp over {threshold.ramp:g}" if threshold.ramp else "", f"{threshold.evaluations} trajectories"]
    if threshold.opposite is not None:
        parts.append(f"opposite direction: {threshold.opposite.value:.6g} ({threshold.opposite.status})")
    return f"Threshold({'; '.join(part for part in parts if part)})"


def edge_summary(edge: Any) -> str:
    """Return one line for an edge state: its kind, where it is, the critical shock."""
    if edge.kind == "cycle":
        spans = [f"{name} {shown_values({'': edge.low[name]})[1:]} .. {shown_values({'': edge.high[name]})[1:]}"
                 if edge.high[name] - edge.low[name] > NOISE else shown_values({name: edge.low[name]}) for name in edge.low]
        place = f"period {edge.period:.10g}; {', '.join(spans)}"
    else:
        place = shown_values(edge.state) if edge.state else ""
    shock = f"critical shock {edge.critical_shock:.10g}" if edge.critical_shock == edge.critical_shock else ""
    parts = [edge.kind, place, shock, "refined by Newton's method" if edge.refined else "",
             f"{edge.evaluations} trajectories", edge.message]
    return f"EdgeState({'; '.join(part for part in parts if part)})"
