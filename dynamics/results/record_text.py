"""Records as people read them: thresholds in one line, edge states without rounding noise, formulas one under the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["edge_summary", "formulas", "shown_values", "threshold_line"]

NOISE = 1e-14  # what rounding leaves of a zero


def shown_values(values: Mapping[str, float], digits: int = 6) -> str:
    """Return "x=1, y=0.5": what rounding leaves of a zero is shown as zero.

    Examples
    --------
    >>> shown_values({"x": 0.5, "y": -6.9e-35})
    'x=0.5, y=0'
    """
    return ", ".join(f"{name}={0.0 if abs(value) < NOISE else value:.{digits}g}" for name, value in values.items())


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
        place = shown_values(edge.state)
    shock = f"critical shock {edge.critical_shock:.10g}" if edge.critical_shock == edge.critical_shock else ""
    parts = [edge.kind, place, shock, "refined by Newton's method" if edge.refined else "",
             f"{edge.evaluations} trajectories", edge.message]
    return f"EdgeState({'; '.join(part for part in parts if part)})"
