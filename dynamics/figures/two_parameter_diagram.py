"""Two-parameter diagrams: curves of bifurcations in the plane of two parameters, with points of codimension two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.errors import SpecificationError
from dynamics.figures import labels as axis_labels
from dynamics.figures.point_labels import write_beside
from dynamics.figures.style import BLACK, BLUE, COLUMN, GREEN, ORANGE, PURPLE, VERMILION, drawing_on, legend_above
from dynamics.results import Branch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["plot_two_parameter_diagram"]

_COLORS = {"fold": BLUE, "hopf": VERMILION, "period_doubling": GREEN, "neimark_sacker": PURPLE, "border_collision": BLACK}
_SUBCRITICAL = (0, (3.5, 1.8))
_WORDS = {"hopf": "Hopf", "neimark_sacker": "Neimark-Sacker"}


def plot_two_parameter_diagram(curves: Branch | Sequence[Branch], x: str | None = None, labels: bool = True,
                               scales: Sequence[str] = ("linear", "linear"), ax: Axes | None = None) -> Axes:
    """plot_two_parameter_diagram([fold_curve, hopf_curve]): bifurcations in the plane of two parameters.

    Parameters
    ----------
    curves : Branch or sequence of Branch
        From `continue_curve`, all over the same two parameters.
    x : str, optional
        Parameter of the horizontal axis; None: the first one.
    labels : bool
        Write the labels of points of codimension two.
    scales : (str, str)
        "linear" or "log", of the axes.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Hopf curves solid where the cycles born are stable (supercritical), dashed where they are unstable (subcritical).

    Raises
    ------
    SpecificationError
        For other results, or curves over different parameters.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> start = dy.continue_fixed_points(system, "target_leverage", (2, 30))["HB1"]
    >>> curve = dy.continue_curve(system, start, ("price_impact", "target_leverage"),
    ...                           {"price_impact": (0.1, 1), "target_leverage": (2, 40)})
    >>> ax = dy.plot_two_parameter_diagram(curve)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Hopf, subcritical']
    """
    from matplotlib.lines import Line2D

    listed = (curves,) if isinstance(curves, Branch) else arguments.members(curves, "plot_two_parameter_diagram: curves")
    labels = arguments.flag(labels, "plot_two_parameter_diagram: labels")
    names = _parameters(listed)
    if x is not None:
        axis_labels.checked(x, names, "plot_two_parameter_diagram")
    scales = arguments.names(scales, "plot_two_parameter_diagram: scales")
    if not set(scales) <= {"linear", "log"} or len(scales) != 2:
        raise SpecificationError(f"plot_two_parameter_diagram: scales are two of 'linear' and 'log', not {scales!r}")
    horizontal = names[0] if x is None else x
    vertical = next(name for name in names if name != horizontal)
    system = axis_labels.system_of(listed[0].table.attrs)
    legend: dict[str, Line2D] = {}
    points: list[tuple[float, float, str]] = []
    with drawing_on(ax, COLUMN, 2.8) as ax:
        ax.set(xscale=scales[0], yscale=scales[1])
        for curve in listed:
            kind = str(curve.table.attrs["branch_kind"]).removesuffix(" curve").replace(" ", "_")
            color = _COLORS.get(kind, ORANGE)
            xs, ys = curve.table[horizontal].values, curve.table[vertical].values
            for words, style, rows in _pieces(curve, kind):
                ax.plot(xs[rows], ys[rows], color=color, linestyle=style, zorder=2, solid_capstyle="butt")
                legend.setdefault(words, Line2D([], [], color=color, linestyle=style, label=words))
            points += [(p.parameters[horizontal], p.parameters[vertical], p.label) for p in curve.special_points]
        points = _distinct(points)
        ax.plot([p[0] for p in points], [p[1] for p in points], linestyle="none", marker="o", markersize=3.2, color=BLACK,
                zorder=4)
        ax.set(xlabel=axis_labels.label(system, horizontal) if system else horizontal,
               ylabel=axis_labels.label(system, vertical) if system else vertical)
        axis_labels.left_out(ax, listed[0].table.attrs)
        legend_above(ax, list(legend.values()))
        if labels:
            write_beside(ax, points)
    return ax


def _parameters(curves: Sequence[Any]) -> list[str]:
    if not curves or not all(isinstance(curve, Branch) for curve in curves):
        raise SpecificationError("plot_two_parameter_diagram needs curves, as continue_curve returns them")
    found = [str(curve.table.attrs.get("varied", "")).split() for curve in curves]
    if any(len(names) != 2 or set(names) != set(found[0]) for names in found):
        texts = "; ".join(", ".join(names) for names in found)
        raise SpecificationError(f"plot_two_parameter_diagram: all curves must be over the same two parameters, not {texts}")
    return found[0]


def _pieces(curve: Branch, kind: str) -> list[tuple[str, Any, Any]]:
    """(words, line style, rows) of the parts of a curve."""
    size = curve.table.sizes["step"]
    words = _WORDS.get(kind, kind.replace("_", " "))
    if "l1" not in curve.table:
        return [(words, ":" if kind == "border_collision" else "-", np.arange(size))]
    l1 = curve.table["l1"].values
    signs = np.where(np.isfinite(l1), np.sign(l1), 0)
    special = [k for k, text in enumerate(curve.table["special_point"].values) if "GH" in str(text)]
    edges = [0, *special, size - 1]
    parts = []
    for a, b in pairwise(edges):
        inner = signs[a + 1:b] if b > a + 1 else signs[a:b + 1]
        subcritical = float(np.sum(inner)) > 0
        parts.append((f"{words}, {'sub' if subcritical else 'super'}critical", _SUBCRITICAL if subcritical else "-",
                      np.arange(a, b + 1)))
    return parts


def _distinct(points: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """One label where several curves pass through the same point of codimension two."""
    kept: list[tuple[float, float, str]] = []
    used: dict[str, int] = {}
    for x, y, label in points:
        stem = label.rstrip("0123456789")
        if any(abs(x - a) <= 1e-7 * (1 + abs(x)) and abs(y - b) <= 1e-7 * (1 + abs(y))
               and other.rstrip("0123456789") == stem for a, b, other in kept):
            continue
        used[stem] = used.get(stem, 0) + 1
        kept.append((x, y, f"{stem}{used[stem]}"))
    return kept
