"""Pseudo-arclength continuation of any smooth curve ``F(z) = 0``, F from n + 1 unknowns to n equations.

The bordered linear systems are solved by a function of the problem, so that large sparse problems keep their own solver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CurvePoint", "CurveProblem", "Limit", "StepControl", "Traced", "advance", "corrected", "dense_solve",
           "landed", "tangent_at", "trace"]

Array = NDArray[np.float64]
CLOSED = 1e-6  # weighted distance from the start at which a curve is closed
ROUNDING = 1e-10  # of a state that rests on its bound
CONTRACTION, CORRECTION = 0.2, 0.15  # of Newton's updates along a branch, and of a correction in units of its step
NEAR = 1e-7  # updates below this may shrink as slowly as rounding lets them
STALLED = 1e-9  # rounding keeps updates above the tolerance only where they are this small


def dense_solve(jacobian: Any, row: Array, right: Array) -> Array:
    """Solve ``jacobian @ v = right[:-1]``, ``row @ v = right[-1]``; nan where the matrix is singular or not finite.

    Parameters
    ----------
    jacobian : array, shape (n, n + 1)
    row : array, shape (n + 1,)
    right : array, shape (n + 1,)

    Returns
    -------
    array, shape (n + 1,)

    Examples
    --------
    >>> import numpy as np
    >>> dense_solve(np.array([[1.0, 1.0]]), np.array([1.0, -1.0]), np.array([3.0, 1.0]))
    array([2., 1.])
    """
    matrix = np.vstack([jacobian, row])
    if not np.all(np.isfinite(matrix)):
        return np.full(len(row), np.nan)
    # rows of one size: a border of size 1 beside derivatives of size 1e6 would be lost
    size = np.abs(matrix).max(axis=1)
    size[size == 0] = 1.0
    try:
        return np.asarray(np.linalg.solve(matrix / size[:, None], right / size), dtype=float)
    except np.linalg.LinAlgError:
        return np.full(len(row), np.nan)


@dataclass(frozen=True)
class CurveProblem:
    """The equations of a curve.

    Attributes
    ----------
    residual : callable
        ``residual(z)``, shape (n + 1,) -> (n,); nan where it has no value.
    jacobian : callable
        ``jacobian(z)``: exact derivatives (n, n + 1), in any form that ``solve`` takes.
    solve : callable
        ``solve(jacobian, row, right)``: v with jacobian v = right[:-1] and row v = right[-1]; nan where singular.
    weights : callable or None
        ``weights(z)``, shape (n + 1,): lengths are those of ``weights * dz``. None: all 1.
    accept : callable or None
        ``accept(z, z_new)``: whether a step has stayed on the curve, where more is known than the equations say.
    """

    residual: Callable[[Array], Array]
    jacobian: Callable[[Array], Any]
    solve: Callable[[Any, Array, Array], Array] = dense_solve
    weights: Callable[[Array], Array] | None = None
    accept: Callable[[Array, Array], bool] | None = None

    def metric(self, position: Array) -> Array:
        """Weights at a position."""
        return np.ones(len(position)) if self.weights is None else self.weights(position)


@dataclass(frozen=True)
class StepControl:
    """Sizes of steps, in weighted length, and what a step must keep.

    Attributes
    ----------
    first, smallest, largest : float
    most_steps : int
        In one direction.
    tolerance : float
        Weighted size of the last Newton update.
    most_corrections : int
    angle : float
        Between tangents of neighbours, radian; steps with more than twice of it are not taken.
    """

    first: float = 0.01
    smallest: float = 1e-8
    largest: float = 0.05
    most_steps: int = 5000
    tolerance: float = 1e-11
    most_corrections: int = 8
    angle: float = 0.12


@dataclass(frozen=True)
class Limit:
    """Bounds of one unknown, by its index; ``name`` is what the end of a curve says.

    Where ``yields``, another reason to stop in the same step goes before it.
    """

    index: int
    name: str
    lower: float
    upper: float
    yields: bool = False

    def passed(self, position: Array) -> float | None:
        """The bound that a position lies beyond, by more than rounding."""
        value = position[self.index]
        if value > self.upper + ROUNDING * (1 + abs(self.upper)):
            return self.upper
        return self.lower if value < self.lower - ROUNDING * (1 + abs(self.lower)) else None


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """A point on a curve: position, unit tangent in its own metric, length from the start, size of the next step."""

    position: Array
    tangent: Array
    arclength: float = 0.0
    step: float = 0.01
    corrections: int = 0


@dataclass(frozen=True, eq=False)
class Traced:
    """A curve in one direction and the name of its end."""

    points: tuple[CurvePoint, ...]
    end: str
    closed: bool = False


def _norm(vector: Array) -> float:
    return float(np.sqrt(vector @ vector))


def tangent_at(problem: CurveProblem, position: Array, reference: Array, jacobian: Any = None) -> Array:
    """Return the unit tangent with positive product with ``reference``; nan where it does not exist.

    Parameters
    ----------
    problem : CurveProblem
    position, reference : array, shape (n + 1,)
    jacobian : optional
        At the position, where it is known.

    Returns
    -------
    array, shape (n + 1,)
    """
    weights = problem.metric(position)
    matrix = problem.jacobian(position) if jacobian is None else jacobian
    right = np.zeros(len(position))
    right[-1] = 1.0
    with np.errstate(all="ignore"):
        tangent = problem.solve(matrix, weights**2 * reference, right)
        return np.asarray(tangent / _norm(weights * tangent), dtype=float)


def corrected(problem: CurveProblem, guess: Array, row: Array, control: StepControl, contraction: float = 2.0
              ) -> tuple[Array, int, Any] | None:
    """Newton's method on the curve in the plane ``row @ (z - guess) = 0``.

    Parameters
    ----------
    problem : CurveProblem
    guess, row : array, shape (n + 1,)
    control : StepControl
    contraction : float
        What an update may be of the one before; small values keep to the nearest solution.

    Returns
    -------
    (position, number of updates, last Jacobian) or None
        None where it does not converge.
    """
    position, before = np.array(guess, dtype=float), np.inf
    right = np.zeros(len(position))
    for count in range(1, control.most_corrections + 1):
        residual = problem.residual(position)
        if not np.all(np.isfinite(residual)):
            return None
        right[:-1], right[-1] = -residual, -(row @ (position - guess))
        matrix = problem.jacobian(position)
        with np.errstate(all="ignore"):
            update = problem.solve(matrix, row, right)
            size = _norm(problem.metric(position) * update)
        if not np.isfinite(size):
            return None
        position = position + update
        if size <= control.tolerance or (size <= STALLED and size > 0.3 * before):
            return position, count, matrix
        if size > contraction * before and before > NEAR:
            return None
        before = size
    return None


def advance(problem: CurveProblem, point: CurvePoint, control: StepControl) -> CurvePoint | None:
    """Return the next point of a curve, the step cut down until it is safe; None where it falls below the smallest.

    Parameters
    ----------
    problem : CurveProblem
    point : CurvePoint
    control : StepControl

    Returns
    -------
    CurvePoint or None
    """
    step = min(max(point.step, control.smallest), control.largest)
    weights = problem.metric(point.position)
    row = weights**2 * point.tangent
    while step >= control.smallest:
        guess = point.position + step * point.tangent
        found = corrected(problem, guess, row, control, CONTRACTION)
        if found is not None:
            position, count, _ = found
            tangent = tangent_at(problem, position, point.tangent)
            here = problem.metric(position)
            with np.errstate(all="ignore"):
                cosine = float((here * tangent) @ (here * point.tangent)) / _norm(here * point.tangent)
            # a long correction may have jumped to another part of the curve
            near = np.isfinite(cosine) and _norm(weights * (position - guess)) <= CORRECTION * step
            if near and (problem.accept is None or problem.accept(point.position, position)):
                turn = float(np.arccos(min(1.0, max(-1.0, cosine))))
                if turn <= 2 * control.angle:
                    wanted = 2.0 if turn == 0 else control.angle / turn
                    factor = min(wanted, 1.6 if count <= 4 else 1.0 if count <= 6 else 0.6)
                    length = point.arclength + _norm(weights * (position - point.position))
                    return CurvePoint(position, tangent, length,
                                      min(control.largest, max(control.smallest, step * max(0.3, factor))), count)
        step /= 2.5
    return None


def trace(problem: CurveProblem, start: CurvePoint, control: StepControl = StepControl(), limits: Sequence[Limit] = (),
          stop: Callable[[CurvePoint, CurvePoint], str | None] | None = None,
          renew: Callable[[CurvePoint], CurveProblem] | None = None) -> Traced:
    """Follow a curve from a point in the direction of its tangent until something ends it.

    Parameters
    ----------
    problem : CurveProblem
    start : CurvePoint
        On the curve.
    control : StepControl
    limits : sequence of Limit
        Where an unknown reaches its bound the curve ends on the bound exactly.
    stop : callable, optional
        ``stop(previous, current)`` returns the name of an end, or None.
    renew : callable, optional
        ``renew(point)``: other equations of the same curve, fit for what follows (new borders of a bordered system).

    Returns
    -------
    Traced
        ``end`` is "NAME = value: bound reached", "closed curve", "step underflow", "step limit", or what ``stop`` says.

    Examples
    --------
    >>> import numpy as np
    >>> circle = CurveProblem(lambda z: np.array([z @ z - 1]), lambda z: 2*z[None, :])
    >>> traced = trace(circle, CurvePoint(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    >>> traced.end, float(round(traced.points[-1].arclength, 1))
    ('closed curve', 6.3)
    """
    points = [start]
    for _ in range(control.most_steps):
        previous = points[-1]
        current = advance(problem, previous, control)
        if current is None:
            return Traced(tuple(points), "step underflow")
        for limit in limits:
            if (bound := limit.passed(current.position)) is not None:
                last = landed(problem, previous, current, limit.index, bound, control)
                ahead = current if limit.yields or last is None else last
                if stop is not None and (reason := stop(previous, ahead)) is not None:
                    return Traced((*points, ahead), reason)
                if last is not None:
                    points.append(last)
                return Traced(tuple(points), f"{limit.name} = {bound:.10g}: bound reached")
        if (home := _closing(problem, start, previous, current, control)) is not None:
            return Traced((*points, home), "closed curve", closed=True)
        if stop is not None and (reason := stop(previous, current)) is not None:
            return Traced((*points, current), reason)
        points.append(current)
        if renew is not None:
            problem = renew(current)
    return Traced(tuple(points), "step limit")


def landed(problem: CurveProblem, before: CurvePoint, after: CurvePoint, index: int, value: float, control: StepControl
           ) -> CurvePoint | None:
    """Return the point between two neighbours where one unknown has a given value; None where Newton fails."""
    a, b = before.position[index], after.position[index]
    share = (value - a) / (b - a) if b != a else 1.0
    guess = before.position + share * (after.position - before.position)
    guess[index] = value
    row = np.zeros(len(guess))
    row[index] = 1.0
    found = corrected(problem, guess, row, control)
    if found is None:
        return None
    position = found[0]
    position[index] = value
    tangent = tangent_at(problem, position, before.tangent)
    if not np.all(np.isfinite(tangent)):
        return None
    length = _norm(problem.metric(before.position) * (position - before.position))
    return CurvePoint(position, tangent, before.arclength + length, before.step, found[1])


def _closing(problem: CurveProblem, start: CurvePoint, previous: CurvePoint, current: CurvePoint, control: StepControl
             ) -> CurvePoint | None:
    """The start again, where the last step passes through it in the direction in which it was left."""
    if previous is start:
        return None
    weights = problem.metric(start.position)
    row = weights**2 * start.tangent
    if not (row @ (previous.position - start.position) < 0 <= row @ (current.position - start.position)):
        return None
    length = _norm(weights * (current.position - previous.position))
    if _norm(weights * (current.position - start.position)) > 2 * length:
        return None
    share = row @ (start.position - previous.position) / (row @ (current.position - previous.position))
    guess = previous.position + share * (current.position - previous.position)
    found = corrected(problem, guess, row, control)
    if found is None or _norm(weights * (found[0] - start.position)) > CLOSED:
        return None
    return replace(start, arclength=float(previous.arclength + share * length))
