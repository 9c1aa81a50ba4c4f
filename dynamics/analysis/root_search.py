"""Roots of transcendental equations from many starts: honest ("numeric"), polished, but without a proof of completeness."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Float, Symbol

from dynamics.symbolic.polynomial import jacobian_matrix

__all__ = ["search_roots"]

Array = NDArray[np.float64]
SCAN, STARTS, DAMPINGS = 4001, 256, 14
DUST = 1e-12  # a component below this may stand for zero
SINKING = 0.1  # share of such a component by which Newton's method still moves it: rounding moves a root by less


def search_roots(equations: Sequence[Expr], unknowns: Sequence[Symbol], box: Sequence[tuple[Any, Any]],
                 conditions: Sequence[Expr] = ()) -> Iterator[dict[Symbol, Float]]:
    """Yield real roots inside ``box`` (None is unbounded), each polished to the end of double precision.

    Parameters
    ----------
    equations : sequence of Expr
        Without parameters.
    conditions : sequence of Expr
        Only the sides of borders that matter: starts outside the regime are still tried, roots are judged by the caller.

    Yields
    ------
    dict of Symbol to Float
    """
    from dynamics.compiled.code import vector_function

    size = len(unknowns)
    field = vector_function(list(equations), [unknowns])
    slope = vector_function(list(jacobian_matrix(list(equations), list(unknowns))), [unknowns])

    def values(x: Array) -> Array:
        return _stacked(field, x, size)

    def jacobian(x: Array) -> Array:
        return _stacked(slope, x, size * size).reshape(size, size, -1)

    found: list[Array] = []
    # starts far out may overflow on their way: they are dropped, without a warning
    with np.errstate(all="ignore"):
        roots = _newton(values, jacobian, _starts(values, box, size))
        for root in roots.T:
            if any((low is not None and r < float(low) - 1e-12) or (high is not None and r > float(high) + 1e-12)
                   for r, (low, high) in zip(root, box, strict=True)):
                continue
            root = _without_dust(values, root)
            if _sinks(values, jacobian, root):
                continue
            if not any(np.all(np.abs(root - other) <= 1e-8 * (1 + np.abs(other))) for other in found):
                found.append(root)
    for root in sorted(found, key=lambda r: r.tolist()):
        yield {s: Float(float(v), 17) for s, v in zip(unknowns, root, strict=True)}


def _stacked(function: Callable[..., list[Any]], x: Array, rows: int) -> Array:
    """Values of a function at many places, shape (values, places); nan where one of them is not finite."""
    found = np.empty((rows, x.shape[1]))
    try:
        for row, value in enumerate(function(tuple(x))):
            found[row] = value
    except (ArithmeticError, ValueError, TypeError):
        # a number among the expressions that is none, as 1/0 is
        found[:] = np.nan
    return np.where(np.isfinite(found).all(axis=0), found, np.nan)


def _axis(low: Any, high: Any, count: int) -> Array:
    """Points of an interval, dense near its finite ends when the other end is infinite."""
    if low is not None and high is not None:
        return np.linspace(float(low), float(high), count)
    spread = np.logspace(-8, 8, count)
    if low is not None:
        return float(low) + spread
    if high is not None:
        return (float(high) - spread)[::-1]
    half = np.logspace(-6, 6, count // 2)
    return np.concatenate([-half[::-1], [0.0], half])


def _starts(values: Callable[[Array], Array], box: Sequence[tuple[Any, Any]], size: int) -> Array:
    """Places to start from, shape (size, starts)."""
    if size == 1:
        grid = _axis(*box[0], SCAN)
        residual = values(grid[None])[0]
        change = np.isfinite(residual[:-1]) & np.isfinite(residual[1:]) & (np.sign(residual[:-1]) != np.sign(residual[1:]))
        low, high, at_low = grid[:-1][change], grid[1:][change], residual[:-1][change]
        for _ in range(80):
            middle = (low + high) / 2
            value = values(middle[None])[0]
            same = np.sign(value) == np.sign(at_low)
            low, high, at_low = np.where(same, middle, low), np.where(same, high, middle), np.where(same, value, at_low)
        return np.concatenate([(low + high) / 2, grid[:: SCAN // 200]])[None]
    from scipy.stats import qmc

    points = qmc.Halton(size, scramble=False).random(2 * STARTS)
    axes = [_axis(low, high, 1001) for low, high in box]
    near = [[_moderate(p, low, high) for p, (low, high) in zip(point, box, strict=True)] for point in points[:STARTS]]
    far = [[axis[round(p * 1000)] if len(axis) == 1001 else axis[int(p * (len(axis) - 1))]
            for p, axis in zip(point, axes, strict=True)] for point in points[STARTS:]]
    return np.array(near + far).T


def _moderate(p: float, low: Any, high: Any) -> float:
    """A point of the interval at the share p of a law whose median is one away from the finite end, or 0 without ends."""
    p = min(max(p, 1e-3), 1 - 1e-3)
    if low is not None and high is not None:
        return float(low) + p * (float(high) - float(low))
    if low is not None:
        return float(low) + p / (1 - p)
    if high is not None:
        return float(high) - p / (1 - p)
    return math.log(p / (1 - p))


def _without_dust(values: Callable[[Array], Array], root: Array) -> Array:
    """Set tiny components to zero where that satisfies the equations as well: the root is there, not next to it."""
    for position in np.nonzero(_dust(root))[0]:
        trial = root.copy()
        trial[position] = 0.0
        if _norm(values(trial[:, None]))[0] <= _norm(values(root[:, None]))[0]:
            root = trial
    return root


def _sinks(values: Callable[[Array], Array], jacobian: Callable[[Array], Array], root: Array) -> bool:
    """Whether a component is still on its way to a zero where the equations have no value: a limit, and no root."""
    tiny = _dust(root)
    if not tiny.any():
        return False
    place = root[:, None]
    step = _steps(jacobian(place), values(place))[:, 0]
    return bool(np.any(~(np.abs(step[tiny]) <= SINKING * np.abs(root[tiny]))))


def _dust(root: Array) -> NDArray[np.bool_]:
    return np.asarray((np.abs(root) < DUST) & (root != 0))


def _norm(residual: Array) -> Array:
    return np.asarray(np.hypot.reduce(residual, axis=0))


def _newton(values: Callable[[Array], Array], jacobian: Callable[[Array], Array], starts: Array) -> Array:
    """Damped Newton from many starts at once, shape (size, starts); the regular roots it ended at, in their order."""
    ended: list[tuple[NDArray[np.int64], Array]] = []
    x, number = starts, np.arange(starts.shape[1], dtype=np.int64)
    residual = values(x)
    size = _norm(residual)
    step = np.full(x.shape, np.inf)
    for _ in range(100):
        matrix = jacobian(x)
        kept = np.isfinite(size) & np.isfinite(matrix).all(axis=(0, 1))
        x, number, residual, size, matrix = x[:, kept], number[kept], residual[:, kept], size[kept], matrix[..., kept]
        if not number.size:
            break
        step = _steps(matrix, residual)
        damping, new, new_size, trial = _damped(values, x, step, size)
        stopped, small = damping == 0, (np.abs(step) <= 1e-12 * (1 + np.abs(x))).all(axis=0)
        x, residual, size = np.where(stopped, x, trial), np.where(stopped, residual, new), np.where(stopped, size, new_size)
        arrived = (size == 0) | ((damping == 1) & (np.abs(step) <= 1e-15 * (1 + np.abs(x))).all(axis=0))
        over = stopped | arrived
        good = np.where(stopped, small, arrived)
        ended.append((number[good], x[:, good]))
        x, number, residual, size, step = x[:, ~over], number[~over], residual[:, ~over], size[~over], step[:, ~over]
    else:
        close = (np.abs(step) <= 1e-10 * (1 + np.abs(x))).all(axis=0)
        ended.append((number[close], x[:, close]))
    order = np.argsort(np.concatenate([n for n, _ in ended])) if ended else np.empty(0, dtype=np.intp)
    return np.concatenate([where for _, where in ended], axis=1)[:, order] if ended else starts[:, :0]


def _steps(matrix: Array, residual: Array) -> Array:
    """Newton steps, shape (size, starts); nan where the Jacobian is singular."""
    matrices, right = np.moveaxis(matrix, -1, 0), -residual.T[..., None]
    try:
        return np.asarray(np.linalg.solve(matrices, right)[..., 0].T)
    except np.linalg.LinAlgError:
        steps = np.full(residual.shape, np.nan)
        for k in range(len(matrices)):
            with contextlib.suppress(np.linalg.LinAlgError):
                steps[:, k] = np.linalg.solve(matrices[k], right[k, :, 0])
        return steps


def _damped(values: Callable[[Array], Array], x: Array, step: Array, size: Array) -> tuple[Array, Array, Array, Array]:
    """(damping, values, their norm, place) with the largest of 1, 1/2, ... that comes closer; damping 0 where none does."""
    damping, new, new_size, trial = np.ones(size.size), np.empty(x.shape), np.empty(size.size), x.copy()
    left = np.arange(size.size)
    for _ in range(DAMPINGS):
        trial[:, left] = x[:, left] + damping[left] * step[:, left]
        new[:, left] = values(trial[:, left])
        new_size[left] = _norm(new[:, left])
        left = left[~((new_size[left] < size[left]) | (new_size[left] == 0))]
        if not left.size:
            break
        damping[left] /= 2
    damping[left] = 0
    return damping, new, new_size, trial
