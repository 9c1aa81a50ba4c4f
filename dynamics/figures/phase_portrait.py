"""Phase portraits: the flow in a plane of two states, with nullclines, fixed points and what separates the basins."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.errors import DerivationError, SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, GREEN, ORANGE, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dynamics.results import FixedPoint
    from dynamics.systems import System

__all__ = ["plot_phase_portrait"]

STREAM_POINTS = 101
NULLCLINE_POINTS = 401
LONGEST = 12.0  # of a separatrix beyond the way in from its saddle, in widths of the figure
SPACING = 0.005  # of its points, in widths of the figure
SPEED_FLOOR = 1e-5  # of the usual speed in the figure; slower is standing still
NEAR = 2e-3  # of a fixed point, in widths of the figure: a separatrix that comes from there starts there
MOST_EVALUATIONS = 100_000


@dataclass(frozen=True)
class _Plane:
    """A system restricted to two states: a System of its own, and its field for arrays and at one place."""

    system: System
    x: str
    y: str
    field: Callable[[Any, Any], NDArray[np.float64]]
    at: Callable[[float, float], NDArray[np.float64]]
    points: Sequence[FixedPoint]


def plot_phase_portrait(system: System, x: str, y: str, x_range: tuple[float, float] | None = None,
                        y_range: tuple[float, float] | None = None, fixed: Mapping[str, float] | None = None,
                        ax: Axes | None = None, separatrix: bool = True, trajectories: Sequence[xr.Dataset] = (), *,
                        slaved: Mapping[str, str] | None = None) -> Axes:
    """plot_phase_portrait(system, "x", "y"): stream lines, nullclines, fixed points and separatrices in a plane.

    Parameters
    ----------
    system : System
        Continuous time, autonomous.
    x, y : str
        The two states of the axes.
    x_range, y_range : (float, float), optional
        None: chosen to show the fixed points and the initial state, within the declared bounds.
    fixed : mapping of str to float, optional
        Values of other states; where none is given, the value at the admissible fixed point (a stable one first).
    ax : matplotlib Axes, optional
    separatrix : bool
        Draw the stable manifolds of the saddles of the plane.
    trajectories : sequence of xarray.Dataset, optional
        Runs from ``integrate``, drawn over the plane as projections.
    slaved : mapping of str to str, optional
        Fast states as expressions in the names of the system, for example
        ``{"liquidation_flow": "margin_call_rate"}`` (quasi-steady).

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For unknown names, empty ranges, a map, or an expression that is not determined by the two states.
    DerivationError
        For a system that depends on time.

    Notes
    -----
    Everything drawn belongs to the plane: with more than two states, the field is restricted to the plane (others fixed
    or slaved), and so are the fixed points, their stability and the separatrices. These are those of the whole system
    only where the other states really follow (slaved and fast) or do not matter. A separatrix is integrated backward
    from a saddle along its stable direction; a saddle outside the ranges, or where a terminal event has happened,
    counts too, since its manifold can bound the basin. A manifold that comes from an unstable cycle is drawn once round
    it. Fixed points that lie outside their own regime (virtual) are drawn faint.

    Examples
    --------
    >>> import dynamics as dy
    >>> oscillator = dy.System(name="van der Pol", states={"x": 1, "y": 0}, parameters={"mu": 1},
    ...                        equations={"x": "y", "y": "mu*(1 - x**2)*y - x"})
    >>> ax = dy.plot_phase_portrait(oscillator, "x", "y", (-3, 3), (-4, 4))
    >>> ax.get_xlabel()
    '$x$'
    """
    fixed = arguments.mapping(fixed, "plot_phase_portrait: fixed")
    slaved = arguments.mapping(slaved, "plot_phase_portrait: slaved")
    separatrix = arguments.flag(separatrix, "plot_phase_portrait: separatrix")
    trajectories = arguments.members(trajectories, "plot_phase_portrait: trajectories")
    plane = _plane(system, x, y, fixed, slaved)
    xs, ys = _range(plane, x, x_range, "x_range"), _range(plane, y, y_range, "y_range")
    for run in trajectories:
        if not hasattr(run, "data_vars") or x not in run or y not in run:
            raise SpecificationError(f"trajectories must be results of integrate with the variables '{x}' and '{y}'")
    with drawing_on(ax, height=3.0) as ax:
        handles = _flow(ax, plane, xs, ys)
        curves = _separatrices(plane, xs, ys) if separatrix else []
        for curve in curves:
            (line,) = ax.plot(*curve, color=BLACK, linewidth=1.4, linestyle="--", zorder=3, label="separatrix")
            handles += [line] if curve is curves[0] else []
        for run in trajectories:
            (line,) = ax.plot(run[x].values, run[y].values, color=GREEN, linewidth=1.4, zorder=4, label="trajectory")
            ax.plot(run[x].values[0], run[y].values[0], marker=".", color=GREEN, zorder=4)
            handles += [line] if run is trajectories[0] else []
        handles += _fixed_points(ax, plane, xs, ys)
        ax.set(xlim=xs, ylim=ys, xlabel=labels.label(system, x), ylabel=labels.label(system, y))
        labels.of_equations(ax, system, "plot_phase_portrait")
        legend_above(ax, handles)
    return ax


def _plane(system: System, x: str, y: str, fixed: dict[str, float], slaved: dict[str, str]) -> _Plane:
    from sympy import Expr, Symbol

    from dynamics import expressions
    from dynamics.analysis.equilibria import fixed_points
    from dynamics.compiled.code import scalar_function, vector_function
    from dynamics.systems import System, not_checking
    from dynamics.systems.numbers import exact

    if not isinstance(system, System) or system.time != "continuous" or system.indices:
        raise SpecificationError("plot_phase_portrait needs a System in continuous time without indexed states; "
                                 "use plot_cobweb for a map of one state, and system.expand() for indexed states")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time, so its flow in a plane changes; use plot_trajectory")
    for name in (x, y, *fixed, *slaved):
        labels.checked(name, system.states, "plot_phase_portrait")
    given = [x, y, *fixed, *slaved]
    if len(set(given)) < len(given):
        raise SpecificationError("plot_phase_portrait: x, y, fixed and slaved must name different states; got "
                                 + ", ".join(given))
    if others := [n for n in system.states if n not in given]:
        found = fixed_points(system)
        best = next((p for p in sorted(found, key=lambda p: (not p.admissible, p.stability != "stable"))), None)
        if best is None:
            raise SpecificationError(f"'{system.name}' has no fixed point to take values from; give fixed={{"
                                     + ", ".join(f"'{n}': ..." for n in others) + "}")
        fixed |= {n: best.values[n] for n in others}
    follow: dict[Any, Expr] = {Symbol(n): exact(v, f"fixed.{n}") for n, v in fixed.items()}
    for name, text in slaved.items():
        follow[Symbol(name)] = system.resolve(expressions.parse(text, system.symbols, where=f"slaved.{name}"))
    for _ in follow:
        follow = {s: e.xreplace(follow) for s, e in follow.items()}
    if loop := [s.name for s, e in follow.items() if e.free_symbols & follow.keys()]:
        raise SpecificationError(f"slaved.{loop[0]}: the states {', '.join(loop)} follow each other; express them in "
                                 f"'{x}' and '{y}'")
    field = {n: system.field[n].xreplace(follow) for n in (x, y)}
    with not_checking():
        planar = System(
            name=system.name, time_unit=system.time_unit, states={n: system.states[n] for n in (x, y)},
            parameters=system.parameters, equations={n: expressions.text(e) for n, e in field.items()},
            events={n: _restricted(e, expressions.text(system.resolve(system._parsed.events[n][0]).xreplace(follow)))
                    for n, e in system.events.items() if e.terminal})
    arguments = [[Symbol(x), Symbol(y)], list(system.exact_parameters)]
    raw, single = (make(list(field.values()), arguments) for make in (vector_function, scalar_function))
    parameters = [float(v) for v in system.exact_parameters.values()]

    def function(at_x: Any, at_y: Any) -> NDArray[np.float64]:
        at_x, at_y = np.asarray(at_x, dtype=float), np.asarray(at_y, dtype=float)
        with np.errstate(all="ignore"):
            result = np.empty((2, *at_x.shape))
            result[0], result[1] = raw((at_x, at_y), parameters)
        return result

    def at(at_x: float, at_y: float) -> NDArray[np.float64]:
        try:
            return np.array(single((at_x, at_y), parameters), dtype=float)
        except (ArithmeticError, ValueError, TypeError):
            return np.full(2, np.nan)

    return _Plane(planar, x, y, function, at, list(fixed_points(planar)))


def _restricted(event: Any, text: str) -> Any:
    from dataclasses import replace

    return replace(event, expression=text, assign={})


def _virtual(point: FixedPoint) -> bool:
    return point.remark.startswith("virtual")


def _range(plane: _Plane, name: str, given: tuple[float, float] | None, argument: str) -> tuple[float, float]:
    if given is not None:
        try:
            low, high = (float(v) for v in given)
        except (TypeError, ValueError, OverflowError):
            raise SpecificationError(f"{argument} must be two numbers (low, high), not {given!r}") from None
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise SpecificationError(f"{argument} must be two finite numbers, the lower one first, not {given!r}")
        return low, high
    shown = [p.values[name] for p in plane.points if p.admissible] + [plane.system.initial_state()[name]]
    low, high = min(shown), max(shown)
    margin = 0.5 * (high - low) or max(1.0, abs(low))
    bounds = plane.system.states[name].bounds
    return (low - margin if bounds[0] is None else max(low - margin, float(bounds[0])),
            high + margin if bounds[1] is None else min(high + margin, float(bounds[1])))


def _flow(ax: Axes, plane: _Plane, xs: tuple[float, float], ys: tuple[float, float]) -> list[Any]:
    """Stream lines and nullclines; returns the legend entries of the nullclines."""
    from matplotlib.lines import Line2D

    grid = np.linspace(*xs, STREAM_POINTS), np.linspace(*ys, STREAM_POINTS)
    u, v = plane.field(*np.meshgrid(*grid))
    ax.streamplot(*grid, np.ma.masked_invalid(u), np.ma.masked_invalid(v), color="0.72", linewidth=0.5, arrowsize=0.6,
                  density=1.1, zorder=1)
    fine = np.meshgrid(np.linspace(*xs, NULLCLINE_POINTS), np.linspace(*ys, NULLCLINE_POINTS))
    handles: list[Any] = []
    for component, name, color in zip(plane.field(*fine), (plane.x, plane.y), (BLUE, VERMILION), strict=True):
        finite = component[np.isfinite(component)]
        if finite.size and finite.min() < 0 < finite.max():
            ax.contour(*fine, component, levels=[0.0], colors=[color], linewidths=1.0, linestyles="-", zorder=2)
        spelled = labels.symbol(plane.system, name).strip("$") or rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
        handles.append(Line2D([], [], color=color, linewidth=1.0, label=rf"$\mathrm{{d}}{spelled}/\mathrm{{d}}t = 0$"))
    return handles


def _separatrices(plane: _Plane, xs: tuple[float, float], ys: tuple[float, float]) -> list[NDArray[np.float64]]:
    """The stable manifolds of the saddles of the plane, as arrays of shape (2, points)."""
    return [curve for point in plane.points if point.kind == "saddle" and not _virtual(point)
            for curve in _stable_manifold(plane, point, xs, ys) if _visible(curve, xs, ys)]


def _stable_manifold(plane: _Plane, saddle: FixedPoint, xs: tuple[float, float], ys: tuple[float, float]
                     ) -> list[NDArray[np.float64]]:
    from scipy.integrate import solve_ivp

    # lengths are measured on paper, so that both axes count alike however different their units are
    scale = np.array([xs[1] - xs[0], ys[1] - ys[0]])
    origin = np.array([saddle.values[plane.x], saddle.values[plane.y]])
    low = np.minimum([xs[0], ys[0]], origin) - 0.5 * scale
    high = np.maximum([xs[1], ys[1]], origin) + 0.5 * scale

    def velocity(z: Any) -> NDArray[np.float64]:
        return plane.at(*(origin + z * scale).tolist()) / scale

    step = 1e-6
    jacobian = np.column_stack([(velocity(e * step) - velocity(-e * step)) / (2 * step) for e in np.eye(2)])
    values, vectors = np.linalg.eig(jacobian)
    if not np.all(np.isreal(values)):
        return []
    direction = np.real(vectors[:, np.argmin(values.real)])

    typical = np.hypot(*(plane.field(*np.meshgrid(np.linspace(*xs, 21), np.linspace(*ys, 21))) / scale[:, None, None]))
    floor = SPEED_FLOOR * float(np.nanmedian(np.where(np.isfinite(typical), typical, np.nan))) or SPEED_FLOOR
    sources = np.array([[p.values[plane.x], p.values[plane.y]] for p in plane.points if p is not saddle]).reshape(-1, 2)
    evaluations = itertools.count()

    def backward(_: float, z: Any) -> NDArray[np.float64]:
        # by arc length: time along the manifold is infinite at the saddle and at what it comes from
        speed = velocity(z)
        if next(evaluations) > MOST_EVALUATIONS or not np.all(np.isfinite(speed)):
            return np.zeros(2)
        return -speed / np.hypot(floor, np.hypot(*speed))

    def leaves(_: float, z: Any) -> float:
        where = origin + z * scale
        to_source = np.min(np.hypot(*((sources - where) / scale).T), initial=1.0) - NEAR
        return float(min(np.min((where - low) / scale), np.min((high - where) / scale), to_source))

    leaves.terminal = True  # type: ignore[attr-defined]
    longest = LONGEST + float(np.max(np.abs(high - low) / scale))
    curves = []
    for side in (1e-4, -1e-4):
        run = solve_ivp(backward, (0.0, longest), side * direction, method="RK45", rtol=1e-7, atol=1e-9, max_step=0.1,
                        events=leaves, dense_output=True)
        curve = run.sol(np.linspace(0.0, run.t[-1], 2 + int(run.t[-1] / SPACING)))
        curves.append(np.column_stack([origin, origin[:, None] + _until_it_repeats(curve) * scale[:, None]]))
    return curves


def _until_it_repeats(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a curve that winds onto a cycle where it runs over itself: more turns would only blacken the line."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(curve.T).query_pairs(0.8 * SPACING, output_type="ndarray")
    again = pairs.max(axis=1)[np.ptp(pairs, axis=1) * SPACING > 0.1] if len(pairs) else np.empty(0, dtype=int)
    return curve[:, : int(again.min()) + 1] if again.size else curve


def _visible(curve: NDArray[np.float64], xs: tuple[float, float], ys: tuple[float, float]) -> bool:
    inside = (curve[0] >= xs[0]) & (curve[0] <= xs[1]) & (curve[1] >= ys[0]) & (curve[1] <= ys[1])
    return bool(np.count_nonzero(inside) > 1)


def _fixed_points(ax: Axes, plane: _Plane, xs: tuple[float, float], ys: tuple[float, float]) -> list[Any]:
    from matplotlib.lines import Line2D

    kinds: dict[str, Any] = {}
    for point in plane.points:
        at = point.values[plane.x], point.values[plane.y]
        if not (xs[0] <= at[0] <= xs[1] and ys[0] <= at[1] <= ys[1]):
            continue
        kind, filling = _look(point)
        style: Any = {"marker": "o", "markersize": 6, "markeredgecolor": BLACK, "markeredgewidth": 0.9,
                      "linestyle": "none", **filling}
        ax.plot(*at, **style, zorder=5, clip_on=False)
        kinds.setdefault(kind, Line2D([], [], **style, label=kind))
    return list(kinds.values())


def _look(point: FixedPoint) -> tuple[str, dict[str, Any]]:
    """Legend text and filling of a fixed point."""
    filling: dict[str, Any]
    if point.kind.startswith("saddle"):
        kind, filling = "saddle", {"fillstyle": "left", "markerfacecolor": BLACK, "markerfacecoloralt": "white"}
    elif point.stability == "stable":
        kind, filling = "stable fixed point", {"markerfacecolor": BLACK}
    elif point.stability == "unstable":
        kind, filling = "unstable fixed point", {"markerfacecolor": "white"}
    else:
        kind, filling = "undetermined fixed point", {"markerfacecolor": ORANGE}
    if point.free:
        kind = f"{kind.removesuffix(' fixed point')} family of rests (one member)"
    return (f"virtual {kind}", {**filling, "alpha": 0.3}) if _virtual(point) else (kind, filling)
