"""Phase diagrams: the regime of each cell of a parameter plane, with analytic boundaries over the simulated ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW, drawing_on, legend_above

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from numpy.typing import NDArray

__all__ = ["cell_edges", "plain_ticks", "plot_phase_diagram"]

BROWN = "#8C510A"  # darker than every cascade, lighter than ruin: an end, but another one
# One colour for one regime in every figure; lightness falls from harmless to ruin, so that grey print keeps the order.
REGIME_COLORS = {"stable": "#BFE3F7", "cascades_after_shock": ORANGE, "unstable": VERMILION,
                 "insolvent_at_once": "0.25", "target_above_venue_limit": PURPLE, "not_settled": "0.88",
                 "ended_by_other_event": BROWN, "other_attractor": SKY}
# What is no decision, and an end that protanopes take for instability, have a texture as well: light blue and light grey,
# vermilion and brown differ by little else than hue.
HATCHES = {"not_settled": "....", "invalid": "xxxx", "no_fixed_point": "++++", "not_run": "||||",
           "ended_by_other_event": "////"}
HATCHED = "0.45"
LEGEND_ROOM = 0.9  # inches of the height that a legend may take before a figure of our own grows
OTHER_COLORS = (GREEN, YELLOW, BLUE, "0.6")
BOUNDARY_LINES: Mapping[str, Any] = {"hopf": "-", "border_collision": "--", "fold": ":", "transcritical": "-.",
                                     "period_doubling": (0, (3, 1, 1, 1, 1, 1)), "neimark_sacker": "-"}
EQUAL_RATIOS = 1e-6


def plot_phase_diagram(diagram: xr.Dataset, ax: Axes | None = None, *, measure: str | None = None) -> Axes:
    """plot_phase_diagram(diagram): a coloured cell for each pair of parameter values, analytic boundaries over it.

    Parameters
    ----------
    diagram : xarray.Dataset
        From ``phase_diagram``: variable ``regime`` with dims (y, x) and attrs ``flag_values``, ``flag_meanings``; attrs
        ``boundaries``, a list of ``{"label", "kind", "x", "y"}``.
    ax : matplotlib Axes, optional
    measure : str, optional
        Colour by this variable instead of ``regime``, with a colour bar; cells without a number stay white.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a result that is no phase diagram, or has no such measure.

    Notes
    -----
    An axis whose values have equal ratios is logarithmic. The simulated regimes and the analytic boundaries are
    independent of each other: where they agree, each confirms the other. Where no boundary is known in closed form, the
    line on which the growth rate of the fixed points is zero is drawn instead (numeric).

    Examples
    --------
    >>> import xarray as xr
    >>> regime = xr.DataArray([[0, 1], [1, 1]], dims=("target_leverage", "price_impact"),
    ...                       coords={"target_leverage": [5.0, 10.0], "price_impact": [0.1, 0.5]},
    ...                       attrs={"flag_values": [0, 1], "flag_meanings": "stable unstable"})
    >>> ax = plot_phase_diagram(regime.to_dataset(name="regime"))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Stable', 'Unstable']
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    values, meanings = ([], []) if measure is not None else _regimes(diagram)
    regime = diagram["regime"] if measure is None else _measured(diagram, measure)
    y_name, x_name = (str(d) for d in regime.dims)
    present = [v for v in values if np.any(regime.values == v)]
    colors = _colors(meanings)
    number = np.full(regime.shape, np.nan) if measure is None else regime.values
    for k, value in enumerate(present):
        number[regime.values == value] = k
    own = ax is None
    with drawing_on(ax, height=3.0) as ax:
        edges = {}
        for name, scale, limits in ((x_name, ax.set_xscale, ax.set_xlim), (y_name, ax.set_yscale, ax.set_ylim)):
            edges[name], logarithmic = cell_edges(diagram[name].values, name)
            if logarithmic:
                scale("log")
            limits(edges[name][0], edges[name][-1])
        painting: dict[str, Any] = {"cmap": "viridis"}
        if measure is None:
            painting = {"cmap": ListedColormap([colors[values.index(v)] for v in present] or ["white"]),
                        "norm": BoundaryNorm(np.arange(max(len(present), 1) + 1) - 0.5, max(len(present), 1))}
        mesh = ax.pcolormesh(edges[x_name], edges[y_name], np.ma.masked_invalid(number), rasterized=True, **painting)
        if measure is not None:
            ax.figure.colorbar(mesh, ax=ax, label=labels.data_label(regime, measure))
        handles: list[Any] = []
        for value in present:
            meaning = meanings[values.index(value)]
            hatch = HATCHES.get(meaning)
            handles.append(Patch(facecolor=colors[values.index(value)], edgecolor=HATCHED, linewidth=0.4, hatch=hatch,
                                 label=_described(meaning, diagram)))
            if hatch is not None:
                _texture(ax, regime.values == value, edges[x_name], edges[y_name], hatch)
        if measure is None and _unshocked(diagram):
            handles.append(Patch(facecolor="none", edgecolor="none", label="(no shock)"))
        handles += _boundaries(ax, diagram.attrs.get("boundaries") or []) or (
            _zero_growth(ax, diagram, x_name, y_name) if measure is None else [])
        plain_ticks(ax)
        ax.set(xlabel=labels.swept_label(diagram, x_name), ylabel=labels.swept_label(diagram, y_name))
        labels.left_out(ax, diagram.attrs)
        legend = legend_above(ax, handles)
        if own and legend is not None:
            _make_room(legend)
    return ax


def _texture(ax: Axes, cells: NDArray[Any], x: NDArray[Any], y: NDArray[Any], hatch: str) -> None:
    """Hatch some cells; neighbours of a row together."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    boxes = []
    for row, marked in enumerate(cells):
        ends = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
        for left, right in ends.reshape(-1, 2):
            west, east, south, north = x[left], x[right], y[row], y[row + 1]
            corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
            boxes.append(Path(corners, closed=True))
    outline = Path.make_compound_path(*boxes)
    # as an artist, and not as a patch: that would move the limits of the axes
    ax.add_artist(PathPatch(outline, facecolor="none", edgecolor=HATCHED, linewidth=0.0, hatch=hatch))


def _make_room(legend: Legend) -> None:
    """Let the figure grow by what a long legend takes of it."""
    figure = legend.get_figure(root=True)
    if figure is None:
        return
    needed = legend.get_window_extent().height / figure.dpi
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + max(0.0, needed - LEGEND_ROOM))


def _measured(diagram: xr.Dataset, measure: str) -> xr.DataArray:
    known = [str(n) for n, v in getattr(diagram, "data_vars", {}).items() if v.ndim == 2]
    if not isinstance(measure, str) or measure not in known:
        raise SpecificationError(f"plot_phase_diagram: there is no measure '{measure}' over two parameters."
                                 f"{did_you_mean(str(measure), known)} There are {', '.join(known) or 'none'}")
    return diagram[measure]


def _regimes(diagram: xr.Dataset) -> tuple[list[int], list[str]]:
    if not hasattr(diagram, "data_vars") or "regime" not in diagram or diagram["regime"].ndim != 2:
        raise SpecificationError("plot_phase_diagram needs a phase diagram: a Dataset with the variable 'regime' over "
                                 "two parameters, as from phase_diagram; measure= colours by another variable")
    attributes = diagram["regime"].attrs
    values = [int(v) for v in np.atleast_1d(attributes.get("flag_values", []))]
    meanings = str(attributes.get("flag_meanings", "")).split()
    if not values or len(values) != len(meanings):
        raise SpecificationError("plot_phase_diagram: 'regime' needs the attributes flag_values and flag_meanings, one "
                                 f"word for each value; there are {len(values)} values and {len(meanings)} words")
    cells = diagram["regime"].values
    if unnamed := set(np.unique(cells[np.isfinite(cells)]).tolist()) - set(values):
        raise SpecificationError(f"plot_phase_diagram: 'regime' has the value {min(unnamed):g}, which flag_values "
                                 "does not name")
    return values, meanings


def _described(meaning: str, diagram: xr.Dataset) -> str:
    """The regime in words; a regime that depends on the shock says which shock."""
    size = diagram.attrs.get("magnitude")
    if meaning == "cascades_after_shock" and _unshocked(diagram):
        return "Cascades without a shock"
    text = labels.sentence(meaning)
    return f"{text} {size:g}" if meaning == "cascades_after_shock" and size is not None else text


def _unshocked(diagram: xr.Dataset) -> bool:
    """Whether no shock was applied though the system declares one."""
    return bool(diagram.attrs.get("shock") == "none")


def _colors(meanings: list[str]) -> list[str]:
    others = iter(OTHER_COLORS * (1 + len(meanings) // len(OTHER_COLORS)))
    return [REGIME_COLORS[m] if m in REGIME_COLORS else next(others) for m in meanings]


def cell_edges(centres: NDArray[Any], name: str) -> tuple[NDArray[np.float64], bool]:
    """Edges of the cells and whether the values have equal ratios."""
    values = np.asarray(centres, dtype=float)
    steps = np.diff(values)
    if values.size < 2 or not np.all(np.isfinite(values)) or not (np.all(steps > 0) or np.all(steps < 0)):
        raise SpecificationError(f"the values of '{name}' must be at least two, finite and "
                                 "in order")
    logarithmic = False
    if values.size > 2 and np.all(values > 0):
        ratios = values[1:] / values[:-1]
        equal_steps = np.ptp(steps) <= 1e-9 * np.max(np.abs(steps))
        logarithmic = bool(np.ptp(ratios) < EQUAL_RATIOS * np.max(ratios) and not equal_steps)
    positions = np.log(values) if logarithmic else values
    middle = (positions[1:] + positions[:-1]) / 2
    edges = np.concatenate([[2 * positions[0] - middle[0]], middle, [2 * positions[-1] - middle[-1]]])
    return (np.exp(edges) if logarithmic else edges), logarithmic


def _boundaries(ax: Axes, boundaries: Any) -> list[Any]:
    """Black lines with a white edge, legible on any colour; returns one legend entry for each label."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    handles: dict[tuple[str, str], Any] = {}
    for boundary in boundaries:
        try:
            kind, x, y = str(boundary["kind"]), *(np.array(boundary[k], dtype=float) for k in ("x", "y"))
        except (TypeError, KeyError, ValueError):
            raise SpecificationError("plot_phase_diagram: each of attrs['boundaries'] needs 'label', 'kind', 'x' and "
                                     f"'y'; the last two of equal length; got {boundary!r:.120}") from None
        if x.shape != y.shape or x.ndim != 1:
            raise SpecificationError(f"plot_phase_diagram: the boundary '{boundary.get('label', kind)}' has {x.size} "
                                     f"x and {y.size} y values")
        label = labels.sentence(str(boundary.get("label") or kind))
        style: Any = {"color": BLACK, "linewidth": 1.3, "linestyle": BOUNDARY_LINES.get(kind, (0, (5, 1, 1, 1))),
                      "label": label}
        ax.plot(x, y, **style, zorder=3, path_effects=[withStroke(linewidth=3.0, foreground="white")])
        handles.setdefault((label, kind), Line2D([], [], **style))
    return list(handles.values())


def _zero_growth(ax: Axes, diagram: xr.Dataset, x_name: str, y_name: str) -> list[Any]:
    """The line on which fixed points change stability, from the growth rates of the cells."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    if "growth_rate" not in diagram:
        return []
    growth = diagram["growth_rate"].transpose(y_name, x_name).values
    finite = np.isfinite(growth)
    if min(growth.shape) < 2 or not (growth[finite] < 0).any() or not (growth[finite] > 0).any():
        return []
    lines = ax.contour(diagram[x_name].values, diagram[y_name].values, np.ma.masked_invalid(growth), levels=[0.0],
                       colors=BLACK, linewidths=1.3, linestyles="-", zorder=3)
    lines.set_path_effects([withStroke(linewidth=3.0, foreground="white")])
    return [Line2D([], [], color=BLACK, linewidth=1.3, label="Growth rate 0 (numeric)")]


def plain_ticks(ax: Axes) -> None:
    """Numbers such as 5 and 0.2 on a logarithmic axis of little more than a decade, where powers of ten say little."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
        if axis.get_scale() == "log" and high / low < 1e3:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
