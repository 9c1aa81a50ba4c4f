"""Roots of transcendental equations from many starts: honest ("numeric"), polished, but without a proof of completeness."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Float, Symbol

from dynamics.symbolic.polynomial import jacobian_matrix

__all__ = ["search_roots"]

Array = NDArray[np.float64]
SCAN, STARTS = 4001, 256


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
    from dynamics.compiled.code import scalar_function

    field = scalar_function(list(equations), [unknowns])
    slope = scalar_function(list(jacobian_matrix(list(equations), list(unknowns))), [unknowns])
    size = len(unknowns)

    def values(x: Array) -> Array:
        try:
            return np.array(field(x.tolist()), dtype=float)
        except (ArithmeticError, ValueError, TypeError):
            return np.full(size, np.nan)

    def jacobian(x: Array) -> Array:
        try:
            return np.array(slope(x.tolist()), dtype=float).reshape(size, size)
        except (ArithmeticError, ValueError, TypeError):
            return np.full((size, size), np.nan)

    found: list[Array] = []
    for start in _starts(values, box, size):
        # starts far out may overflow on their way: they are dropped, without a warning
        with np.errstate(over="ignore", invalid="ignore"):
            root = _newton(values, jacobian, start)
        if root is None or any((low is not None and r < float(low) - 1e-12) or (high is not None and r > float(high) + 1e-12)
                               for r, (low, high) in zip(root, box, strict=True)):
            continue
        root = _without_dust(values, root)
        if not any(np.all(np.abs(root - other) <= 1e-8 * (1 + np.abs(other))) for other in found):
            found.append(root)
    for root in sorted(found, key=lambda r: r.tolist()):
        yield {s: Float(float(v), 17) for s, v in zip(unknowns, root, strict=True)}


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


def _starts(values: Any, box: Sequence[tuple[Any, Any]], size: int) -> Iterator[Array]:
    if size == 1:
        grid = _axis(*box[0], SCAN)
        residual = np.array([values(np.array([x]))[0] for x in grid])
        for k in np.nonzero(np.isfinite(residual[:-1]) & np.isfinite(residual[1:])
                            & (np.sign(residual[:-1]) != np.sign(residual[1:])))[0]:
            low, high, at_low = grid[k], grid[k + 1], residual[k]
            for _ in range(80):
                middle = (low + high) / 2
                value = values(np.array([middle]))[0]
                low, high, at_low = (middle, high, value) if np.sign(value) == np.sign(at_low) else (low, middle, at_low)
            yield np.array([(low + high) / 2])
        yield from (np.array([x]) for x in grid[:: SCAN // 200])
        return
    from scipy.stats import qmc

    points = qmc.Halton(size, scramble=False).random(2 * STARTS)
    axes = [_axis(low, high, 1001) for low, high in box]
    for point in points[:STARTS]:
        yield np.array([_moderate(p, low, high) for p, (low, high) in zip(point, box, strict=True)])
    for point in points[STARTS:]:
        yield np.array([axis[round(p * 1000)] if len(axis) == 1001 else axis[int(p * (len(axis) - 1))]
                        for p, axis in zip(point, axes, strict=True)])


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


def _without_dust(values: Any, root: Array) -> Array:
    """Set tiny components to zero where that satisfies the equations as well: the root is there, not next to it."""
    for position in np.nonzero((np.abs(root) < 1e-12) & (root != 0))[0]:
        trial = root.copy()
        trial[position] = 0.0
        residual = values(trial)
        if np.all(np.isfinite(residual)) and math.hypot(*residual) <= math.hypot(*values(root)):
            root = trial
    return root


def _newton(values: Any, jacobian: Any, x: Array) -> Array | None:
    """Damped Newton; None when it does not converge to a regular root."""
    residual = values(x)
    # norms instead of reductions of short arrays, which would take most of the time
    size = math.hypot(*residual)
    if not math.isfinite(size):
        return None
    for _ in range(100):
        matrix = jacobian(x)
        if not np.isfinite(matrix).all():
            return None
        try:
            step = np.linalg.solve(matrix, -residual)
        except np.linalg.LinAlgError:
            return None
        damping = 1.0
        while damping > 1e-4:
            trial = x + damping * step
            new = values(trial)
            new_size = math.hypot(*new)
            if new_size < size or new_size == 0:
                break
            damping /= 2
        else:
            small = np.all(np.abs(step) <= 1e-12 * (1 + np.abs(x)))
            return x if small else None
        x, residual, size = trial, new, new_size
        if size == 0 or (damping == 1 and (np.abs(step) <= 1e-15 * (1 + np.abs(x))).all()):
            return x
    return x if np.all(np.abs(step) <= 1e-10 * (1 + np.abs(x))) else None
