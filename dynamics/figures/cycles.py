"""Limit cycles of a branch: a gallery of orbits in the plane of two states, and their Floquet multipliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, COLUMN, GREY, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_cycles", "plot_floquet_multipliers"]

UNSTABLE = (0, (3.5, 1.8))
ORBITS = 12
SMALLEST = 1e-12  # multipliers below are drawn here: rounding reaches no further


def plot_cycles(branch: Any, x: str | None = None, y: str | None = None, orbits: int = ORBITS,
                ax: Axes | None = None) -> Axes:
    """plot_cycles(branch, "price_gap", "equity_ratio"): orbits along a branch of cycles, coloured by the parameter.

    Parameters
    ----------
    branch : Branch
        From ``continue_cycles``.
    x, y : str, optional
        States on the axes; the first two that move when None.
    orbits : int
        How many are drawn, at equal distances along the branch.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Stable orbits solid, unstable ones dashed.

    Raises
    ------
    SpecificationError
        For a branch that has no orbits, unknown states, or less than two states.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="van der Pol", states={"x": 2.0, "y": 0.0}, parameters={"mu": 1.0},
    ...                    equations={"x": "y", "y": "mu*(1 - x**2)*y - x"})
    >>> ax = dy.plot_cycles(dy.continue_cycles(system, dy.integrate(system, 60), "mu", (0.5, 1.0)))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('$x$', '$y$')
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    table = _table(branch, "plot_cycles")
    system = labels.system_of(table.attrs)
    states = [str(name).removeprefix("orbit_") for name in table.data_vars if str(name).startswith("orbit_")]
    moving = [s for s in states if float((table[f"max_{s}"] - table[f"min_{s}"]).max()) > 1e-9] or states
    x, y = x or moving[0], y or next((s for s in moving if s != (x or moving[0])), None)
    if y is None:
        raise SpecificationError("plot_cycles: the cycles move in one state only; plot its trajectory instead")
    for name in (x, y):
        labels.checked(name, states, "plot_cycles")
    if orbits < 1:
        raise SpecificationError(f"orbits must be at least 1, not {orbits!r}")
    parameter = str(table.attrs["varied"])
    values = table[parameter].values
    low, high = float(values.min()), float(values.max())
    colors = ScalarMappable(Normalize(low, high if high > low else low + 1.0), "viridis")
    with drawing_on(ax, COLUMN, 2.9) as ax:
        drawn: dict[str, Line2D] = {}
        for row in _spread(table, x, y, orbits):
            stable = int(table["unstable_count"].values[row]) == 0
            words = "stable" if stable else "unstable"
            ax.plot(table[f"orbit_{x}"].values[row], table[f"orbit_{y}"].values[row], color=colors.to_rgba(values[row]),
                    linestyle="-" if stable else UNSTABLE, linewidth=0.9)
            drawn.setdefault(words, Line2D([], [], color=BLACK, linestyle="-" if stable else UNSTABLE, linewidth=0.9,
                                           label=words))
        ax.set(xlabel=labels.label(system, x) if system else x, ylabel=labels.label(system, y) if system else y)
        figure = ax.get_figure(root=True)
        if figure is not None:
            bar = figure.colorbar(colors, ax=ax, pad=0.02, aspect=30)
            bar.set_label(labels.label(system, parameter) if system else parameter)
        labels.left_out(ax, table.attrs)
        legend_above(ax, list(drawn.values()))
    return ax


def plot_floquet_multipliers(branch: Any, ax: Axes | None = None) -> Axes:
    """plot_floquet_multipliers(branch): moduli of the nontrivial multipliers over the parameter.

    Parameters
    ----------
    branch : Branch
        From ``continue_cycles``.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Positive, negative and complex multipliers by line style; the unit circle is a horizontal line, above which a cycle
        is unstable; special points by label. Multipliers below 1e-12 are drawn at 1e-12.

    Raises
    ------
    SpecificationError
        For anything but a branch of cycles.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="van der Pol", states={"x": 2.0, "y": 0.0}, parameters={"mu": 1.0},
    ...                    equations={"x": "y", "y": "mu*(1 - x**2)*y - x"})
    >>> ax = dy.plot_floquet_multipliers(dy.continue_cycles(system, dy.integrate(system, 60), "mu", (0.5, 1.0)))
    >>> ax.get_yscale()
    'log'
    """
    table = _table(branch, "plot_floquet_multipliers")
    system = labels.system_of(table.attrs)
    parameter = str(table.attrs["varied"])
    values = table[parameter].values
    found = table["multiplier_real"].values + 1j * table["multiplier_imag"].values
    moduli = np.maximum(np.abs(found), SMALLEST)
    kinds = {"positive": (BLUE, "-", (np.abs(found.imag) < 1e-12) & (found.real >= 0)),
             "negative": (VERMILION, UNSTABLE, (np.abs(found.imag) < 1e-12) & (found.real < 0)),
             "complex pair": ("#009E73", (0, (1, 1)), np.abs(found.imag) >= 1e-12)}
    with drawing_on(ax, COLUMN, 2.6) as ax:
        for name, (color, line, mask) in kinds.items():
            for mode in range(found.shape[1]):
                if mask[:, mode].any():
                    ax.plot(values, _joined(moduli[:, mode], mask[:, mode]), color=color, linestyle=line, linewidth=1.1,
                            label=name)
        ax.axhline(1.0, color=GREY, linewidth=0.7, zorder=0)
        for point in branch.special_points:
            ax.plot(point.parameters[parameter], 1.0, "o", color=BLACK, markersize=3, zorder=4)
            ax.annotate(point.label, (point.parameters[parameter], 1.0), xytext=(4, -9), textcoords="offset points",
                        fontsize=7)
        ax.set(yscale="log", xlabel=labels.label(system, parameter) if system else parameter,
               ylabel="Modulus of Floquet multipliers")
        handles = {str(line.get_label()): line for line in ax.lines if str(line.get_label()) in kinds}
        labels.left_out(ax, table.attrs)
        legend_above(ax, list(handles.values()), columns=3)
    return ax


def _table(branch: Any, where: str) -> xr.Dataset:
    table: xr.Dataset | None = getattr(branch, "table", None)
    if table is None or table.attrs.get("branch_kind") != "cycles" or "phase" not in table.dims:
        raise SpecificationError(f"{where} takes a branch of cycles from continue_cycles, not {type(branch).__name__}")
    return table


def _spread(table: xr.Dataset, x: str, y: str, count: int) -> NDArray[np.int_]:
    """Rows at equal distances in size and parameter, the first and the last among them."""
    columns = [table[str(table.attrs["varied"])].values, table[f"max_{x}"].values - table[f"min_{x}"].values,
               table[f"max_{y}"].values - table[f"min_{y}"].values]
    steps = np.zeros(len(columns[0]))
    for column in columns:
        span = float(np.ptp(column)) or 1.0
        steps[1:] += (np.diff(column) / span) ** 2
    reached = np.cumsum(np.sqrt(steps))
    wanted = np.linspace(0.0, reached[-1], count)
    return np.unique([int(np.argmin(np.abs(reached - w))) for w in wanted])


def _joined(values: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Values where the mask holds and at the points beside, so that lines of different kinds meet."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    return np.where(wide, values, np.nan)
