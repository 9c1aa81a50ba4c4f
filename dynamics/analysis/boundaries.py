"""Boundaries of regimes in a parameter plane, regime by regime, from the conditions in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from dynamics.analysis.branch_points import zero_eigenvalue_kind
from dynamics.analysis.closed_forms import Candidate, known_candidates
from dynamics.compiled.code import vector_function
from dynamics.symbolic.radicals import denested
from dynamics.symbolic.spectra import stability_of_matrix
from dynamics.systems import System
from dynamics.systems.numbers import exact

__all__ = ["boundaries"]

Array = NDArray[np.float64]
FINE = 400


def boundaries(system: System, x: str, x_values: Sequence[float], y: str, y_values: Sequence[float]) -> list[dict[str, Any]]:
    """Return the lines where a fixed point loses stability or leaves its regime.

    Parameters
    ----------
    system : System
    x, y : str
        Parameters.
    x_values, y_values : sequence of float
        Their ranges are covered.

    Returns
    -------
    list of dict
        ``label``, ``kind`` (hopf, fold, ..., border_collision), ``regime``, and ``x``, ``y``: points of the line, nan
        between pieces. Only parts are kept where the point is admissible and the other conditions hold; only of points
        in closed form.
    """
    bounds = {**{Symbol(n): part.bounds for n, part in system.parameters.items()},
              **{Symbol(n): part.bounds for n, part in system.states.items()}}
    grid_x = _fine(np.asarray(x_values, dtype=float))
    grid_y = _fine(np.asarray(y_values, dtype=float))
    others = {s: v for s, v in system.exact_parameters.items() if s.name not in (x, y)}
    start = {Symbol(n): exact(float(v), f"states.{n}.initial") for n, v in system.initial_state().items()}
    lines: list[dict[str, Any]] = []
    found = known_candidates(system, tuple(sorted({x, y} & {*system.parameters}))).points
    placed = [_in_plane(c, others, {s: start[s] for s in start if s.name in c.free}) for c in found]
    for candidate in placed:
        beside = [c.state for c in placed if c.regime == candidate.regime]
        inside = _inside(system, candidate, others)
        margins = _surfaces(inside, x, y, grid_x, grid_y)
        lives = np.all([m >= -1e-12 for m in margins], axis=0) if margins else np.ones((grid_y.size, grid_x.size), bool)
        if not lives.any():
            continue
        conditions = _conditions(system, candidate, inside, others, beside, bounds)
        heights = _surfaces([e for e, _ in conditions], x, y, grid_x, grid_y)
        surfaces = [(kind, height) for (_, kind), height in zip(conditions, heights, strict=True)]
        for number, (kind, surface) in enumerate(surfaces):
            if kind is None:
                continue
            rest = [s > 0 for k, (_, s) in enumerate(surfaces) if k != number]
            where = lives & np.all(rest, axis=0) if rest else lives
            lines += _lines(kind, candidate.regime, surface, where, grid_x, grid_y)
        for expression, margin in zip(inside, margins, strict=True):
            if {x, y} & {s.name for s in expression.free_symbols} and not _is_bound(system, candidate, expression):
                # a collision matters where the point that collides is stable on its own side
                holds = [m >= -1e-9 for m in margins if m is not margin] + [s > 0 for _, s in surfaces]
                wide = np.all(holds, axis=0) if holds else np.ones_like(lives)
                lines += _lines("border_collision", candidate.regime, margin, wide, grid_x, grid_y)
    return _distinct(lines)


def _fine(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    ratios = values[1:] / values[:-1] if values.size > 2 and low > 0 else np.array([1.0, 2.0])
    if np.allclose(ratios, ratios[0], rtol=1e-6) and ratios[0] > 1:
        return np.geomspace(low, high, FINE)
    return np.linspace(low, high, FINE)


def _in_plane(candidate: Candidate, others: Mapping[Symbol, Expr], start: Mapping[Symbol, Expr]) -> Candidate:
    """The candidate with numbers for the parameters that do not span the plane: conditions in two symbols are quick."""
    place = {**others, **start}
    if not start and not any(e.free_symbols & others.keys() for e in (*candidate.state.values(), *candidate.conditions,
                                                                      *candidate.fields)):
        return candidate
    return replace(candidate, state={s: value.xreplace(place) for s, value in candidate.state.items()},
                   conditions=tuple(c.xreplace(others) for c in candidate.conditions),
                   fields=tuple(f.xreplace(others) for f in candidate.fields))


def _inside(system: System, candidate: Candidate, others: Mapping[Symbol, Expr]) -> list[Expr]:
    """Expressions that are not negative where the point is admissible."""
    state = candidate.state
    inside = [c.xreplace(state) for c in candidate.conditions]
    for name, part in system.states.items():
        low, high = part.bounds
        edges = [state[Symbol(name)] - low] if low is not None else []
        edges += [high - state[Symbol(name)]] if high is not None else []
        inside += [e for e in edges if e.free_symbols]
    for name, event in system.events.items():
        if event.terminal:
            value = system.resolve(system._parsed.events[name][0]).xreplace(others).xreplace(state)
            inside.append((value if event.direction == "falling" else -value) - 1e-12)
    return inside


def _conditions(system: System, candidate: Candidate, inside: Sequence[Expr], others: Mapping[Symbol, Expr],
                beside: Sequence[Mapping[Symbol, Expr]], bounds: Mapping[Symbol, Any]) -> list[tuple[Expr, str | None]]:
    """Conditions that are positive where the point is stable, with the kind of their zero."""
    state, known = candidate.state, [item for item in inside if item.free_symbols]
    matrix = candidate.jacobian.xreplace(state)
    matrix = matrix.applyfunc(lambda entry: denested(entry, bounds, known))
    found = stability_of_matrix(matrix, system.time, len(candidate.free), bounds)
    parameters = [Symbol(name) for name in system.parameters if Symbol(name) not in others]
    kinds = [zero_eigenvalue_kind(c.expression, state, beside, parameters, bounds) if c.kind == "fold" else c.kind
             for c in found]
    return [(c.expression, kind) for c, kind in zip(found, kinds, strict=True)]


def _is_bound(system: System, candidate: Candidate, expression: Expr) -> bool:
    """Whether a condition is no border between regimes but a bound of a state or an event."""
    return expression not in [c.xreplace(candidate.state) for c in candidate.conditions]


def _surfaces(expressions: Sequence[Expr], x: str, y: str, grid_x: Array, grid_y: Array) -> list[Array]:
    function = vector_function(expressions, [[Symbol(x), Symbol(y)]])
    with np.errstate(all="ignore"):
        values = [np.asarray(value) for value in function([grid_x[None, :], grid_y[:, None]])]
    # a root that is not real here belongs to no fixed point: nan, which is neither inside nor stable
    reals = [np.where(np.abs(value.imag) > 1e-9 * np.abs(value), np.nan, value.real) for value in values]
    return [np.broadcast_to(real.astype(float), (grid_y.size, grid_x.size)).copy() for real in reals]


def _lines(kind: str, regime: str, surface: Array, where: NDArray[np.bool_], grid_x: Array, grid_y: Array
           ) -> list[dict[str, Any]]:
    """Zero set by linear interpolation along the finer crossing direction, only where ``where`` holds on either side."""
    up = _crossings(surface, where, grid_x, grid_y)
    across = _crossings(surface.T, where.T, grid_y, grid_x)
    # lines that run along y are found by going along x, and the other way round
    if sum(len(a) for a, _ in up) >= sum(len(a) for a, _ in across):
        pieces = [(a, b) for a, b in up]
    else:
        pieces = [(b, a) for a, b in across]
    if not pieces:
        return []
    xs: list[float] = []
    ys: list[float] = []
    for a, b in pieces:
        xs += [*a, float("nan")]
        ys += [*b, float("nan")]
    return [{"label": kind.replace("_", " "), "kind": kind, "regime": regime, "x": xs[:-1], "y": ys[:-1]}]


def _crossings(surface: Array, where: NDArray[np.bool_], along: Array, over: Array) -> list[tuple[list[float], list[float]]]:
    """For each point of ``along`` (columns) the zeros over ``over`` (rows), joined into lines by rank."""
    # a zero on a grid point counts as positive: the line that runs along the grid is not lost
    positive, finite = surface >= 0, np.isfinite(surface)
    crossed = finite[:-1] & finite[1:] & (positive[:-1] != positive[1:]) & (where[:-1] | where[1:])
    columns, rows = np.nonzero(crossed.T)
    below, above = surface[rows, columns], surface[rows + 1, columns]
    heights = (over[rows] + below / (below - above) * (over[rows + 1] - over[rows])).tolist()
    counts = np.bincount(columns, minlength=along.size).tolist()
    branches: dict[int, tuple[list[float], list[float]]] = {}
    pieces: list[tuple[list[float], list[float]]] = []
    first = 0
    for position, count in zip(along.tolist(), counts, strict=True):
        for rank in [r for r in branches if r >= count]:
            pieces.append(branches.pop(rank))
        for rank in range(count):
            a, b = branches.setdefault(rank, ([], []))
            a.append(position)
            b.append(heights[first + rank])
        first += count
    return [p for p in (*pieces, *branches.values()) if len(p[0]) > 1]


def _distinct(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Both sides of a border give the same line, or parts of it; the longest stays."""
    kept: list[dict[str, Any]] = []
    for line in sorted(lines, key=lambda item: -len(item["x"])):
        if not any(other["kind"] == line["kind"] and _lies_on(line, other) for other in kept):
            kept.append(line)
    return kept


def _lies_on(line: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = (np.array([item["x"], item["y"]], dtype=float) for item in (line, other))
    a, b = a[:, np.isfinite(a[0])], b[:, np.isfinite(b[0])]
    scale = np.maximum(np.ptp(np.concatenate([a, b], axis=1), axis=1), 1e-3 * np.abs(b).max(axis=1))[:, None, None]
    distance = np.max(np.abs(a[:, :, None] - b[:, None, :]) / scale, axis=0).min(axis=1)
    return bool(np.all(distance < 1e-2))
