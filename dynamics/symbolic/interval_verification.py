"""One root proved again in multiple precision, and enclosed to 30 digits and more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Expr

from dynamics.symbolic.coordinates import Axis, inputs
from dynamics.symbolic.interval_ends import MultiplePrecision
from dynamics.symbolic.interval_evaluation import SMOOTH, Jet, evaluate
from dynamics.symbolic.intervals import Arithmetic, Interval

__all__ = ["Verified", "enclosed_states", "verified"]

NEWTON_STEPS = 6


@dataclass(frozen=True)
class Verified:
    """A root proved in multiple precision.

    Attributes
    ----------
    coordinates, states : tuple of (lower, upper)
        mpmath numbers around the root, in the coordinates of the axes and in the states; no states where the root of the
        form lies beyond an end of the coordinates.
    region : tuple of (lower, upper)
        mpmath numbers, in the states: the root is the only one in between.
    """

    coordinates: tuple[tuple[Any, Any], ...]
    states: tuple[tuple[Any, Any], ...]
    region: tuple[tuple[Any, Any], ...]


def verified(equations: Sequence[Expr], form: Sequence[Expr], axes: Sequence[Axis], region: tuple[Any, Any],
             precision: MultiplePrecision) -> Verified | None:
    """Prove that a region holds exactly one root, and enclose it tightly; None where the proof fails.

    Parameters
    ----------
    equations : sequence of Expr
        As given; they must be smooth at the root.
    form : sequence of Expr
        The same equations in the form whose root was found.
    axes : sequence of Axis
    region : (lower, upper), each array of shape (states,)
        In coordinates.
    precision : MultiplePrecision

    Returns
    -------
    Verified or None
    """
    arithmetic, context = Arithmetic(precision), precision.context
    wide = [(context.mpf(float(a)), context.mpf(float(b))) for a, b in zip(*region, strict=True)]
    point = _krawczyk(form, axes, wide, arithmetic, precision)
    if point is None:
        return None
    for _ in range(NEWTON_STEPS):
        moved = _newton(form, axes, point, arithmetic, precision)
        if moved is None:
            return None
        # quadratic convergence: the next step would be far below the digits asked for
        done = all(abs(a - b) <= context.mpf(10) ** -32 * (1 + abs(b)) for a, b in zip(point, moved, strict=True))
        point = moved
        if done:
            break
    # relative to each coordinate, so that small ones have their digits too
    tiny = [max(abs(t) * context.mpf(10) ** -34, context.mpf(10) ** -48) for t in point]
    narrow = [(t - r, t + r) for t, r in zip(point, tiny, strict=True)]
    inside = all(a <= c and d <= b for (a, b), (c, d) in zip(wide, narrow, strict=True))
    if not inside or _krawczyk(form, axes, narrow, arithmetic, precision) is None:
        return None
    if any(d <= int(axis.range[0]) or c >= int(axis.range[1]) for (c, d), axis in zip(narrow, axes, strict=True)
           if not axis.bounded):
        return Verified(tuple(narrow), (), ())
    if any(np.any(np.asarray(jet.defect) != SMOOTH) for jet in _jets(equations, axes, narrow, arithmetic)):
        return None
    return Verified(tuple(narrow), enclosed_states(axes, narrow, arithmetic), enclosed_states(axes, wide, arithmetic))


def enclosed_states(axes: Sequence[Axis], box: Sequence[tuple[Any, Any]],
                    arithmetic: Arithmetic) -> tuple[tuple[Any, Any], ...]:
    """Enclose the states over a box of coordinates."""
    known = inputs(axes, _intervals(box), arithmetic)
    values = [known[axis.state].value for axis in axes]
    return tuple((_item(v.lo), _item(v.hi)) for v in values)


def _item(x: Any) -> Any:
    return x.item() if isinstance(x, np.ndarray) else x


def _intervals(box: Sequence[tuple[Any, Any]]) -> list[Interval]:
    return [Interval(*(np.array([end], dtype=None if isinstance(end, float) else object) for end in ends)) for ends in box]


def _jets(form: Sequence[Expr], axes: Sequence[Axis], box: Sequence[tuple[Any, Any]], arithmetic: Arithmetic) -> list[Jet]:
    return evaluate(form, inputs(axes, _intervals(box), arithmetic), arithmetic)


def _matrix(jets: Sequence[Jet], arithmetic: Arithmetic) -> list[list[Interval]]:
    none = arithmetic.rational(0)
    return [[jet.slopes.get(k, none) for k in range(len(jets))] for jet in jets]


def _inverse(slopes: Sequence[Sequence[Interval]], precision: MultiplePrecision) -> Any:
    context = precision.context
    middle = context.matrix([[(_item(s.lo) + _item(s.hi)) / 2 for s in row] for row in slopes])
    try:
        return middle**-1
    except (ZeroDivisionError, ValueError):
        return None


def _newton(form: Sequence[Expr], axes: Sequence[Axis], point: Sequence[Any], arithmetic: Arithmetic,
            precision: MultiplePrecision) -> list[Any] | None:
    jets = _jets(form, axes, [(t, t) for t in point], arithmetic)
    inverse = _inverse(_matrix(jets, arithmetic), precision)
    if inverse is None:
        return None
    values = precision.context.matrix([(_item(j.value.lo) + _item(j.value.hi)) / 2 for j in jets])
    step = inverse * values
    return [t - step[k] for k, t in enumerate(point)]


def _krawczyk(form: Sequence[Expr], axes: Sequence[Axis], box: Sequence[tuple[Any, Any]], arithmetic: Arithmetic,
              precision: MultiplePrecision) -> list[Any] | None:
    """Middle of the image of a box if the image lies inside the box, which proves one root in it; else None."""
    context = precision.context
    jets = _jets(form, axes, box, arithmetic)
    if any(np.any(np.asarray(jet.defect) != SMOOTH) for jet in jets):
        return None
    slopes = _matrix(jets, arithmetic)
    if not all(context.isfinite(_item(s.lo)) and context.isfinite(_item(s.hi)) for row in slopes for s in row):
        return None
    inverse = _inverse(slopes, precision)
    if inverse is None:
        return None
    center = [(a + b) / 2 for a, b in box]
    values = [jet.value for jet in _jets(form, axes, [(c, c) for c in center], arithmetic)]
    size, image = len(box), []
    for i in range(size):
        row = _intervals([(inverse[i, k], inverse[i, k]) for k in range(size)])
        total, = _intervals([(center[i], center[i])])
        for k in range(size):
            total = arithmetic.add(total, arithmetic.negative(arithmetic.multiply(row[k], values[k])))
        for j in range(size):
            part = arithmetic.rational(int(i == j))
            for k in range(size):
                part = arithmetic.add(part, arithmetic.negative(arithmetic.multiply(row[k], slopes[k][j])))
            around, middle = _intervals([box[j], (center[j], center[j])])
            apart = arithmetic.add(around, arithmetic.negative(middle))
            total = arithmetic.add(total, arithmetic.multiply(part, apart))
        lower, upper = _item(total.lo), _item(total.hi)
        if not (box[i][0] < lower and upper < box[i][1]):
            return None
        image.append((lower + upper) / 2)
    return image
