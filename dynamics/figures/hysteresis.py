"""Hysteresis: the fixed points of a map of one state against a parameter, and the jumps where they fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import DerivationError, SpecificationError
from dynamics.figures import labels
from dynamics.figures.cobweb import one_state
from dynamics.figures.fold_algebra import (
    POINTS,
    StateFunction,
    check_parameters,
    function_of_state,
    roots,
    solved_for,
    symbol_for,
)
from dynamics.figures.style import BLUE, GREY, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from sympy import Expr

    from dynamics.systems import System

__all__ = ["plot_hysteresis"]

PROBES = 3  # values of the parameter at which fixed points are computed to see how far the branches reach


def plot_hysteresis(system: System, parameter: str, values: Sequence[float], ax: Axes | None = None, *,
                    rebuilt: bool = True) -> Axes:
    """plot_hysteresis(system, "initial_fall", values): fixed points against a parameter, with jumps at the folds.

    Parameters
    ----------
    system : System
        Discrete time, one state.
    parameter : str
    values : sequence of float
        The parameter runs from the smallest to the largest; where it does not enter linearly, fixed points are computed
        at each value.
    ax : matplotlib Axes, optional
    rebuilt : bool
        Draw the jump back too. It supposes that what was lost in the first jump (closed positions) is rebuilt while the
        parameter returns; otherwise the first jump is irreversible.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a flow, a map of several states, an unknown parameter or fewer than two values.
    DerivationError
        For a map that depends on time.

    Notes
    -----
    Where the parameter enters linearly, the branches are exact: the fixed-point equation is solved for the parameter
    instead of the state. Stable branches (multiplier between -1 and 1) are solid, unstable ones dashed.

    Examples
    --------
    >>> import dynamics as dy
    >>> cascade = dy.models.load("liquidation_cascade")
    >>> dy.figures.plot_hysteresis(cascade, "initial_fall", [0.01, 0.06]).get_ylabel()
    'Fall $D$'
    """
    name = one_state(system, "plot_hysteresis")
    check_parameters(system, (parameter,), "plot_hysteresis")
    try:
        grid = np.unique(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.size < 2 or not np.all(np.isfinite(grid)):
        raise SpecificationError("plot_hysteresis: values must be at least two different finite numbers")
    with drawing_on(ax) as ax:
        handles: dict[str, Any] = {}
        solved = solved_for(system, name, (parameter,))
        if solved is None:
            _points_by_value(ax, system, name, parameter, grid, handles)
        else:
            _curves(ax, system, name, parameter, solved[0], grid, rebuilt, handles)
        ax.set(xlim=(grid[0], grid[-1]), xlabel=labels.label(system, parameter), ylabel=labels.label(system, name))
        labels.of_equations(ax, system, "plot_hysteresis")
        legend_above(ax, list(handles.values()))
    return ax


def _curves(ax: Axes, system: System, name: str, parameter: str, solved: Expr, grid: NDArray[np.float64], rebuilt: bool,
            handles: dict[str, Any]) -> None:
    """Branches along the state, exact, and jumps where they fold."""
    field, state, symbol = system.field[name], symbol_for(name), symbol_for(parameter)
    along, rate = (function_of_state(system, e, name) for e in (solved, solved.diff(state)))
    slope = function_of_state(system, field.diff(symbol), name)
    multiplier = function_of_state(system, field.diff(state).xreplace({symbol: solved}), name)
    states = _state_range(system, name, parameter, grid)
    turns = roots(rate, states)
    states = np.unique(np.concatenate([states, turns]))
    shown, growth = along(states), np.abs(multiplier(states))
    inside = np.isfinite(shown) & (shown >= grid[0]) & (shown <= grid[-1])
    for stable, text, style in ((True, "stable", "-"), (False, "unstable", "--")):
        # a fold belongs to both of its branches, so that they meet
        mine = inside & ((growth < 1 + 1e-9) if stable else (growth > 1 - 1e-9))
        if np.any(mine):
            (line,) = ax.plot(np.where(mine, shown, np.nan), np.where(mine, states, np.nan), color=BLUE,
                              linestyle=style, zorder=2, label=text)
            handles[text] = line
    low, high = np.min(states[inside], initial=np.inf), np.max(states[inside], initial=-np.inf)
    for turn in turns:
        at = float(along(np.array([turn]))[0])
        if grid[0] <= at <= grid[-1]:
            balance = slope(states) * (at - along(states))
            _jump(ax, at, turn, states, balance, along, rebuilt, handles)
    if low < high:
        ax.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _jump(ax: Axes, at: float, turn: float, states: NDArray[np.float64], balance: NDArray[np.float64],
          along: StateFunction, rebuilt: bool, handles: dict[str, Any]) -> None:
    """The arrow from a fold to where the map goes from there, at the parameter of the fold."""
    near = int(np.searchsorted(states, turn))
    side = [balance[k] for k in (near - 3, near + 3) if 0 <= k < len(balance)]
    if len(side) < 2 or side[0] * side[1] <= 0:
        return
    upward = side[0] > 0
    beyond = states[near + 3:] if upward else states[: near - 2]
    landings = roots(lambda s: along(s) - at, beyond)
    if not len(landings):
        return
    landing = float(landings[0] if upward else landings[-1])
    forward = bool(along(np.array([states[near - 3]]))[0] < at)  # no fixed point is left once the parameter has grown
    if not forward and not rebuilt:
        return
    text, color, style = (f"jump at {at:.4g}", VERMILION, "-") if forward else \
        (f"jump back at {at:.4g},\nif rebuilt", GREY, "-")
    (stem,) = ax.plot([at, at], [turn, landing], color=color, linewidth=0.9, linestyle=style, label=text, zorder=3)
    ax.annotate("", (at, landing), xytext=(at, turn + 0.5 * (landing - turn)), zorder=3,
                arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0})
    handles[text] = stem


def _points_by_value(ax: Axes, system: System, name: str, parameter: str, grid: NDArray[np.float64],
                     handles: dict[str, Any]) -> None:
    from dynamics.analysis.equilibria import fixed_points

    found: dict[str, list[tuple[float, float]]] = {"stable": [], "unstable": []}
    for value in grid:
        for point in fixed_points(system, {parameter: float(value)}):
            if point.admissible and point.stability in found:
                found[point.stability].append((float(value), point.values[name]))
    for text, face in (("stable", BLUE), ("unstable", "white")):
        if found[text]:
            (dots,) = ax.plot(*np.transpose(found[text]), linestyle="none", marker="o", markersize=3.5,
                              markeredgecolor=BLUE, markerfacecolor=face, label=text)
            handles[text] = dots


def _state_range(system: System, name: str, parameter: str, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """States between the lowest and highest fixed point at some values of the parameter, and a margin."""
    from dynamics.analysis.equilibria import fixed_points

    probes = [float(v) for v in np.linspace(grid[0], grid[-1], PROBES)]
    values = [p.values[name] for v in probes for p in fixed_points(system, {parameter: v}) if p.admissible]
    if not values:
        raise DerivationError(f"plot_hysteresis: '{system.name}' has no fixed point for '{parameter}' between "
                              f"{grid[0]:g} and {grid[-1]:g}")
    margin = 0.5 * (max(values) - min(values)) or max(1.0, abs(values[0]))
    low, high = (None if b is None else float(b) for b in system.states[name].bounds)
    return np.linspace(min(values) - margin if low is None else max(low, min(values) - margin),
                       max(values) + margin if high is None else min(high, max(values) + margin), POINTS)
