"""Bifurcation diagrams: branches of fixed points and cycles over a parameter, stable ones solid, unstable ones dashed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.errors import SpecificationError
from dynamics.figures import labels as axis_labels
from dynamics.figures.point_labels import write_beside
from dynamics.figures.style import BLACK, BLUE, COLUMN, GREEN, VERMILION, drawing_on, legend_above
from dynamics.results import BifurcationDiagram, Branch

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from dynamics.systems import System

__all__ = ["plot_bifurcation_diagram"]

UNSTABLE = (0, (3.5, 1.8))


def plot_bifurcation_diagram(result: BifurcationDiagram | Branch, state: str | None = None, labels: bool = True,
                             ax: Axes | None = None) -> Axes:
    """plot_bifurcation_diagram(diagram, "price_gap"): a state over the parameter, with special points by label.

    Parameters
    ----------
    result : BifurcationDiagram or Branch
    state : str, optional
        None: the first state.
    labels : bool
        Write the labels of special points.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Fixed points stable (solid) and unstable (dashed); of cycles the largest and the smallest value; of periodic points
        of maps all points of the orbit.

    Raises
    ------
    SpecificationError
        For another result, a curve in two parameters, or an unknown state.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="pitchfork", time="continuous", states={"x": 0.1}, parameters={"mu": -1},
    ...                    equations={"x": "mu*x - x**3"})
    >>> ax = dy.plot_bifurcation_diagram(dy.bifurcation_diagram(system, "mu", (-1, 1)))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['stable', 'unstable']
    """
    from matplotlib.lines import Line2D

    labels = arguments.flag(labels, "plot_bifurcation_diagram: labels")
    branches = _branches(result)
    parameter = str(branches[0].table.attrs["varied"])
    states = list(dict.fromkeys(name for branch in branches for name in _states(branch.table)))
    state = states[0] if state is None else state
    axis_labels.checked(state, states, "plot_bifurcation_diagram")
    system = axis_labels.system_of(branches[0].table.attrs)
    legend: dict[str, Line2D] = {}
    points: dict[str, tuple[float, float, str]] = {}
    with drawing_on(ax, COLUMN, 2.8) as ax:
        for branch in branches:
            table = branch.table
            cycles = f"max_{state}" in table
            color = VERMILION if cycles else GREEN if str(table.attrs["branch_kind"]).startswith("period-") else BLUE
            for heights in _heights(branch, state, system):
                for stable, rows in _runs(table):
                    ax.plot(table[parameter].values[rows], heights[rows], color=color,
                            linestyle="-" if stable else UNSTABLE, zorder=2, solid_capstyle="butt")
                    words = _words(branch, stable)
                    legend.setdefault(words, Line2D([], [], color=color, linestyle="-" if stable else UNSTABLE, label=words))
            for point in branch.special_points:
                height = table[f"max_{state}"].values[_row(table, point.label)] if cycles else point.state[state]
                points.setdefault(point.label, (point.parameters[parameter], float(height), point.label))
        ax.plot([p[0] for p in points.values()], [p[1] for p in points.values()], linestyle="none", marker="o",
                markersize=3.2, color=BLACK, zorder=4)
        ax.margins(x=0.02, y=0.06)
        ax.set(xlabel=axis_labels.label(system, parameter) if system else parameter,
               ylabel=axis_labels.label(system, state, width=34) if system else state)
        axis_labels.left_out(ax, branches[0].table.attrs)
        legend_above(ax, list(legend.values()))
        if labels:
            write_beside(ax, list(points.values()))
    return ax


def _branches(result: Any) -> tuple[Branch, ...]:
    branches = (result,) if isinstance(result, Branch) else getattr(result, "branches", None)
    if not isinstance(result, (Branch, BifurcationDiagram)) or not branches:
        raise SpecificationError("plot_bifurcation_diagram needs a BifurcationDiagram or a Branch, as bifurcation_diagram "
                                 f"and continue_fixed_points return them, not a {type(result).__name__}")
    if any(len(str(branch.table.attrs["varied"]).split()) != 1 for branch in branches):
        raise SpecificationError("plot_bifurcation_diagram: a curve in two parameters has a figure of its own, "
                                 "plot_two_parameter_diagram")
    return tuple(branches)


def _states(table: xr.Dataset) -> list[str]:
    names = str(table.attrs.get("states", "")).split()
    return names or [str(name).removeprefix("max_") for name in table.data_vars if str(name).startswith("max_")]


def _heights(branch: Branch, state: str, system: System | None) -> list[NDArray[np.float64]]:
    """What is drawn of a branch: one value a row, two of a cycle, as many as its period of a periodic point."""
    table = branch.table
    if f"max_{state}" in table:
        return [table[f"max_{state}"].values, table[f"min_{state}"].values]
    period = table.attrs.get("period", 1)
    if system is None or not period > 1:
        return [table[state].values]
    from dynamics.compiled.functions import functions_of

    functions, varied = functions_of(system), str(table.attrs["varied"])
    orbits = []
    for row in range(table.sizes["step"]):
        values = system.parameter_values | {varied: float(table[varied].values[row])}
        place = np.array([float(table[name].values[row]) for name in functions.names])
        orbit = [place]
        for _ in range(int(period) - 1):
            orbit.append(functions.field(0.0, orbit[-1], [values[name] for name in functions.parameter_names]))
        orbits.append([point[functions.names.index(state)] for point in orbit])
    return list(np.array(orbits).T)


def _row(table: xr.Dataset, label: str) -> int:
    flags = [str(text).split() for text in table["special_point"].values]
    return next((k for k, found in enumerate(flags) if label in found), 0)


def _words(branch: Branch, stable: bool) -> str:
    kind = str(branch.table.attrs["branch_kind"])
    word = "stable" if stable else "unstable"
    if kind == "cycles":
        return f"{word} cycle"
    return f"{word} periodic" if kind.startswith("period-") else word


def _runs(table: xr.Dataset) -> Iterator[tuple[bool, NDArray[np.int64]]]:
    """Consecutive rows of one stability; neighbouring runs share the row between them."""
    stable = np.asarray(table["stable"].values if "stable" in table else table["unstable_count"].values == 0, dtype=bool)
    special = np.array([bool(str(text)) for text in table["special_point"].values])
    # of a piece between two rows the one that is no special point knows the stability: there it is rounding
    pieces = [bool(stable[k + 1] if special[k] and not special[k + 1] else stable[k]) for k in range(len(stable) - 1)]
    begin = 0
    for k in range(1, len(pieces) + 1):
        if k == len(pieces) or pieces[k] != pieces[begin]:
            yield pieces[begin] if pieces else True, np.arange(begin, min(k + 1, len(stable)))
            begin = k

