"""Cusps: where, in the plane of two parameters, a map of one state has two stable fixed points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
from dynamics.figures.style import BLACK, BLUE, SKY, drawing_on, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dynamics.systems import System

__all__ = ["plot_cusp"]


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
    check_parameters(system, (x, y), "plot_cusp")
    solved = solved_for(system, name, (x, y))
    if solved is None:
        raise DerivationError(f"plot_cusp: '{x}' and '{y}' do not enter '{system.name}' linearly, so its folds have no "
                              "closed form; use plot_hysteresis for each value of one of them")
    curve = [function_of_state(system, e, name) for e in solved]
    rates = [function_of_state(system, e.diff(symbol_for(name)), name) for e in solved]
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
        labels.of_equations(ax, system, "plot_cusp")
        legend_above(ax, [area, fold, point])
    return ax


def _search_grid(system: System, name: str) -> NDArray[np.float64]:
    low, high = (None if b is None else float(b) for b in system.states[name].bounds)
    scale = abs(float(system.initial_state()[name])) or 1.0
    if low is not None and high is not None:
        return np.linspace(low, high, POINTS)[1:-1]
    positive = np.geomspace(1e-3 * scale, 1e3 * scale, POINTS)
    if low is not None:
        return low + positive
    return high - positive[::-1] if high is not None else np.concatenate([-positive[::-1], positive])


def _cusp(rates: Sequence[StateFunction], curve: Sequence[StateFunction], states: NDArray[np.float64]) -> float | None:
    """The state at which both parameters turn back along the fold curve; the middle one where there are several."""
    found = [root for root in roots(rates[1], states)
             if np.isfinite(curve[0](np.array([root]))[0]) and _turns(rates[0], root)]
    return found[len(found) // 2] if found else None


def _turns(rate: StateFunction, root: float) -> bool:
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
