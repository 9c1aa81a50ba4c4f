"""Hysteresis and cusp: the fixed points of a map of one state against one parameter, and their folds against two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import DerivationError, SpecificationError
from dynamics.figures import labels
from dynamics.figures.cobweb import one_state
from dynamics.figures.style import BLACK, BLUE, GREY, SKY, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from sympy import Expr

    from dynamics.systems import System

__all__ = ["plot_cusp", "plot_hysteresis"]

POINTS = 4001
PROBES = 5
_Function = Callable[[Any], "NDArray[np.float64]"]



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
    _known(system, (parameter,), "plot_hysteresis")
    try:
        grid = np.unique(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.size < 2 or not np.all(np.isfinite(grid)):
        raise SpecificationError("plot_hysteresis: values must be at least two different finite numbers")
    with drawing_on(ax) as ax:
        handles: dict[str, Any] = {}
        solved = _solved_for(system, name, (parameter,))
        if solved is None:
            _points_by_value(ax, system, name, parameter, grid, handles)
        else:
            _curves(ax, system, name, parameter, solved[0], grid, rebuilt, handles)
        ax.set(xlim=(grid[0], grid[-1]), xlabel=labels.label(system, parameter), ylabel=labels.label(system, name))
        legend_above(ax, list(handles.values()))
    return ax


def plot_cusp(system: System, x: str, y: str, x_range: tuple[float, float] | None = None,
              y_range: tuple[float, float] | None = None, ax: Axes | None = None) -> Axes:
    """plot_cusp(system, "initial_fall", "total_impact"): where a map of one state has two stable fixed points.

    Parameters
    ----------
    system : System
        Discrete time, one state.
    x, y : str
        Parameters of the axes; both enter the map linearly.
    x_range, y_range : (float, float), optional
        None: chosen around the cusp.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a flow, a map of several states, unknown parameters or empty ranges.
    DerivationError
        When the parameters do not enter linearly, or there is no cusp.

    Notes
    -----
    The fold curve is exact: the fixed-point equation and its derivative by the state are two linear equations for the
    two parameters, and the state runs along the curve.

    Examples
    --------
    >>> import dynamics as dy
    >>> ax = dy.figures.plot_cusp(dy.models.load("liquidation_cascade"), "initial_fall", "total_impact")
    >>> ax.get_legend().get_texts()[-1].get_text()
    'cusp (0.04375, 0.1106)'
    """
    name = one_state(system, "plot_cusp")
    _known(system, (x, y), "plot_cusp")
    solved = _solved_for(system, name, (x, y))
    if solved is None:
        raise DerivationError(f"plot_cusp: '{x}' and '{y}' do not enter '{system.name}' linearly, so its folds have no "
                              "closed form; use plot_hysteresis for each value of one of them")
    curve = [_function(system, e, name) for e in solved]
    rates = [_function(system, e.diff(_symbol(name)), name) for e in solved]
    states = _search_grid(system, name)
    at = _cusp(rates, curve, states)
    if at is None:
        raise DerivationError(f"plot_cusp: '{system.name}' has no cusp in the plane of '{x}' and '{y}'")
    where = [float(c(np.array([at]))[0]) for c in curve]
    ranges = [_checked_range(system, n, w, given, argument) for n, w, given, argument in (
        (x, where[0], x_range, "x_range"), (y, where[1], y_range, "y_range"))]
    states = np.unique(np.concatenate([states, [at]]))
    line = np.stack([c(states) for c in curve])
    # far points would close the area across the figure, or be too large to draw
    near = np.all([np.isfinite(v) & (np.abs(v - w) < 30 * (high - low))
                   for v, w, (low, high) in zip(line, where, ranges, strict=True)], axis=0)
    line = line[:, near]
    with drawing_on(ax) as ax:
        (area,) = ax.fill(*line, facecolor=SKY, alpha=0.35, linewidth=0, label="two stable fixed points", zorder=1)
        (fold,) = ax.plot(*line, color=BLUE, label="fold: a jump", zorder=2)
        (point,) = ax.plot(*where, linestyle="none", marker="o", markersize=5, color=BLACK, zorder=3,
                           label=f"cusp ({where[0]:.4g}, {where[1]:.4g})")
        ax.set(xlim=ranges[0], ylim=ranges[1], xlabel=labels.label(system, x), ylabel=labels.label(system, y))
        legend_above(ax, [area, fold, point])
    return ax


# ---- algebra ---------------------------------------------------------------------------------------------------------


def _symbol(name: str) -> Any:
    from sympy import Symbol

    return Symbol(name)


def _known(system: System, names: Sequence[str], caller: str) -> None:
    for name in names:
        if name not in system.parameters:
            raise labels.unknown(name, system.parameters, f"{caller}, parameters of '{system.name}'")
    if len(set(names)) < len(names):
        raise SpecificationError(f"{caller}: the two axes must be different parameters")


def _solved_for(system: System, name: str, parameters: Sequence[str]) -> list[Expr] | None:
    """The parameters at a fixed point (and fold, for two) as functions of the state; None where they are not linear."""
    from sympy import Matrix

    symbols = [_symbol(p) for p in parameters]
    balance = system.field[name] - _symbol(name)
    equations = [balance, balance.diff(_symbol(name))][: len(symbols)]
    matrix = Matrix([[e.diff(s) for s in symbols] for e in equations])
    if matrix.free_symbols & set(symbols):
        return None
    constants = Matrix([e.xreplace(dict.fromkeys(symbols, symbols[0] * 0)) for e in equations])
    if (determinant := matrix.det()) == 0:
        return None
    return list(-matrix.adjugate() * constants / determinant)


def _function(system: System, expression: Expr, name: str) -> _Function:
    """The expression as a function of an array of states, at the current parameters."""
    from dynamics.compiled.code import vector_function

    raw = vector_function([expression], [[_symbol(name)], list(system.exact_parameters)])
    parameters = [float(v) for v in system.exact_parameters.values()]

    def function(states: Any) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(np.asarray(raw((states,), parameters)[0], dtype=float), np.shape(states)))

    return function


# ---- one parameter ---------------------------------------------------------------------------------------------------


def _curves(ax: Axes, system: System, name: str, parameter: str, solved: Expr, grid: NDArray[np.float64], rebuilt: bool,
            handles: dict[str, Any]) -> None:
    """Branches along the state, exact, and jumps where they fold."""
    along, rate = _function(system, solved, name), _function(system, solved.diff(_symbol(name)), name)
    slope = _function(system, (system.field[name] - _symbol(name)).diff(_symbol(parameter)), name)
    multiplier = _function(system, system.field[name].diff(_symbol(name)).xreplace({_symbol(parameter): solved}), name)
    states = _state_range(system, name, parameter, grid)
    turns = _roots(rate, states)
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


def _jump(ax: Axes, at: float, turn: float, states: NDArray[np.float64], balance: NDArray[np.float64], along: _Function,
          rebuilt: bool, handles: dict[str, Any]) -> None:
    """The arrow from a fold to where the map goes from there, at the parameter of the fold."""
    near = int(np.searchsorted(states, turn))
    side = [balance[k] for k in (near - 3, near + 3) if 0 <= k < len(balance)]
    if len(side) < 2 or side[0] * side[1] <= 0:
        return
    upward = side[0] > 0
    beyond = states[near + 3:] if upward else states[: near - 2]
    landings = _roots(lambda s: along(s) - at, beyond)
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


def _roots(function: _Function, states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a function changes its sign on a grid, each refined."""
    from scipy.optimize import brentq

    values = function(states)
    change = np.flatnonzero(np.isfinite(values[1:]) & np.isfinite(values[:-1]) & (values[1:] * values[:-1] < 0))
    return np.array([brentq(lambda s: float(function(np.array([s]))[0]), states[k], states[k + 1], xtol=1e-14)
                     for k in change])


# ---- two parameters --------------------------------------------------------------------------------------------------


def _search_grid(system: System, name: str) -> NDArray[np.float64]:
    low, high = (None if b is None else float(b) for b in system.states[name].bounds)
    scale = abs(float(system.initial_state()[name])) or 1.0
    if low is not None and high is not None:
        return np.linspace(low, high, POINTS)[1:-1]
    positive = np.geomspace(1e-3 * scale, 1e3 * scale, POINTS)
    if low is not None:
        return low + positive
    return high - positive[::-1] if high is not None else np.concatenate([-positive[::-1], positive])


def _cusp(rates: Sequence[_Function], curve: Sequence[_Function], states: NDArray[np.float64]) -> float | None:
    """The state at which both parameters turn back along the fold curve; the middle one where there are several."""
    found = [root for root in _roots(rates[1], states)
             if np.isfinite(curve[0](np.array([root]))[0]) and _turns(rates[0], root)]
    return found[len(found) // 2] if found else None


def _turns(rate: _Function, root: float) -> bool:
    step = 1e-4 * (abs(root) or 1.0)
    before, after = rate(np.array([root - step, root + step]))
    return bool(before * after < 0)


def _checked_range(system: System, name: str, centre: float, given: tuple[float, float] | None, argument: str
                   ) -> tuple[float, float]:
    if given is None:
        low, high = centre - 1.5 * (abs(centre) or 1.0), centre + 1.5 * (abs(centre) or 1.0)
        bounds = system.parameters[name].bounds
        return (low if bounds[0] is None else max(low, float(bounds[0])),
                high if bounds[1] is None else min(high, float(bounds[1])))
    try:
        low, high = (float(v) for v in given)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise SpecificationError(f"plot_cusp: {argument} must be two finite numbers, the lower one first, not "
                                 f"{given!r}")
    return low, high
