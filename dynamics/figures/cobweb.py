"""Cobwebs: the rounds of a map of one state, between its graph and the diagonal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.errors import DerivationError, SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, GREY, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dynamics.systems import System

__all__ = ["plot_cobweb"]

POINTS = 501
MARGIN = 0.08
MOST_STEPS = 100_000  # of a staircase, which is a black area long before


def plot_cobweb(system: System, initial: float | None = None, steps: int = 60,
                parameters: Mapping[str, Any] | None = None, x_range: tuple[float, float] | None = None,
                ax: Axes | None = None) -> Axes:
    """plot_cobweb(system): a map of one state, the diagonal, the staircase of its iterates and its fixed points.

    Parameters
    ----------
    system : System
        Discrete time, one state.
    initial : float, optional
        Where the staircase starts; the initial state when None.
    steps : int
        Rounds to draw.
    parameters : mapping of str to float, optional
        Replaces parameter values by name.
    x_range : (float, float), optional
        None: chosen to show the iterates and the fixed points.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a flow, a map of several states, or a start or range that makes no sense.
    DerivationError
        For a map that depends on time.

    Examples
    --------
    >>> import dynamics as dy
    >>> cascade = dy.models.load("liquidation_cascade")
    >>> ax = dy.plot_cobweb(cascade, parameters={"initial_fall": 0.04})
    >>> ax.get_xlabel()
    'Fall $D$, this round'
    """
    from dynamics.analysis.equilibria import fixed_points
    from dynamics.compiled.functions import functions_of

    name = one_state(system, "plot_cobweb")
    system = arguments.replaced(system, parameters)
    steps = arguments.whole(steps, "plot_cobweb: steps", 1, MOST_STEPS)
    functions = functions_of(system)
    values = functions.parameters(system)
    orbit = [functions.initial_state(system, None if initial is None else {name: initial})]
    for k in range(steps):
        orbit.append(functions.field(float(k), orbit[-1], values))
        if not np.isfinite(orbit[-1][0]):
            orbit.pop()
            break
    path = np.array(orbit)[:, 0]
    points = [p for p in fixed_points(system) if p.admissible]
    low, high = _range(path, [p.values[name] for p in points], x_range)
    grid = np.linspace(low, high, POINTS)
    graph = np.array([functions.field(0.0, np.array([x]), values)[0] for x in grid])
    with drawing_on(ax, height=3.2) as ax:
        (diagonal,) = ax.plot([low, high], [low, high], color=GREY, linewidth=0.8, label="diagonal", zorder=1)
        (curve,) = ax.plot(grid, graph, color=BLUE, linewidth=1.5, label="map", zorder=2)
        # up or down to the map, across to the diagonal: each round starts where the last one ended
        xs, ys = np.repeat(path, 2)[:-1], np.concatenate([[low], np.repeat(path[1:], 2)])
        (stairs,) = ax.plot(xs, ys, color=VERMILION, linewidth=0.8, label="rounds", zorder=3)
        handles: list[Any] = [curve, diagonal, stairs]
        for stability, face in (("stable", BLACK), ("unstable", "white"), ("not determined", GREY)):
            shown = [p.values[name] for p in points if p.stability == stability and low <= p.values[name] <= high]
            if shown:
                (dots,) = ax.plot(shown, shown, linestyle="none", marker="o", markersize=5.5, markerfacecolor=face,
                                  markeredgecolor=BLACK, markeredgewidth=0.9, zorder=4,
                                  label=f"{stability} fixed point")
                handles.append(dots)
        inside = graph[np.isfinite(graph)]
        bottom, top = min(low, float(inside.min(initial=low))), max(high, float(inside.max(initial=high)))
        ax.set(xlim=(low, high), ylim=(bottom, top))
        ax.set_xlabel(f"{_unitless(system, name)}, this round{_unit(system, name)}")
        ax.set_ylabel(f"{_unitless(system, name)}, next round{_unit(system, name)}")
        labels.of_equations(ax, system, "plot_cobweb")
        legend_above(ax, handles)
    return ax


def one_state(system: Any, caller: str) -> str:
    """Return the name of the one state of a map; errors for anything else, and for one that depends on time."""
    from dynamics.systems import System

    if not isinstance(system, System) or system.time != "discrete" or len(system.states) != 1 or system.indices:
        raise SpecificationError(f"{caller} needs a map of one state (time = 'discrete'); use plot_phase_portrait or "
                                 "plot_trajectory for flows")
    if not system.autonomous:
        raise DerivationError(f"{caller}: '{system.name}' depends on time, so its map changes; iterate it and "
                              "use plot_trajectory")
    return next(iter(system.states))


def _unitless(system: System, name: str) -> str:
    return labels.label(system, name, unit="1")


def _unit(system: System, name: str) -> str:
    unit = labels.unit_of(system, name)
    return "" if unit in ("", "1") else f" ({unit})"


def _range(path: Any, points: list[float], given: tuple[float, float] | None) -> tuple[float, float]:
    if given is not None:
        try:
            low, high = (float(v) for v in given)
        except (TypeError, ValueError):
            low = high = float("nan")
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise SpecificationError("plot_cobweb: x_range must be two finite numbers, the lower one first, not "
                                     f"{given!r}")
        return low, high
    shown = np.concatenate([path, points])
    margin = MARGIN * float(np.ptp(shown)) or 0.5 * abs(float(shown[0])) or 0.5
    return float(shown.min()) - margin, float(shown.max()) + margin
