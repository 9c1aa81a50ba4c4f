"""A branch of fixed points in both directions, through the borders of regimes, with everything that happens on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.arclength import CurvePoint, Limit, StepControl, trace
from dynamics.analysis.critical_tests import Sample, sample, unstable_count
from dynamics.analysis.defining_systems import Polished, newton
from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.analysis.special_points import Bifurcation, bifurcations, branch_directions, refined, special_point
from dynamics.results import Branch, SpecialPoint
from dynamics.results.branches import branch

__all__ = ["Followed", "Row", "follow", "regime_of", "to_branch"]

Array = NDArray[np.float64]
BORDER = "border between regimes"
MOST_BORDERS = 40
TOUCH = 1e-9
STEEPEST = 1e3


@dataclass(frozen=True, eq=False)
class Row:
    """A point of a branch with the equations that hold there, and the bifurcation it is, if any."""

    equations: FixedPointEquations
    sample: Sample
    bifurcation: Bifurcation | None = None


@dataclass(frozen=True, eq=False)
class Followed:
    """A branch: its rows in order, and the names of its ends."""

    rows: tuple[Row, ...]
    ends: tuple[str, ...]
    closed: bool = False

    @property
    def bifurcations(self) -> tuple[tuple[Row, Bifurcation], ...]:
        """What happens on it."""
        return tuple((row, row.bifurcation) for row in self.rows if row.bifurcation is not None)


def regime_of(regimes: Sequence[FixedPointEquations], z: Array) -> FixedPointEquations | None:
    """The equations whose regime a point lies in."""
    def margin(equations: FixedPointEquations) -> float:
        values = equations.conditions(z)
        return float(values.min()) if len(values) else 0.0

    best = max(regimes, key=margin)
    return best if margin(best) >= -TOUCH else None


@dataclass(frozen=True, eq=False)
class _Piece:
    equations: FixedPointEquations
    points: tuple[CurvePoint, ...]
    collision: tuple[Polished, CurvePoint] | None = None


def follow(regimes: Sequence[FixedPointEquations], equations: FixedPointEquations, start: Array, direction: Array,
           limits: Sequence[Limit], control: StepControl, both: bool = True, first_end: str = "start") -> Followed:
    """Follow a branch from a point.

    Parameters
    ----------
    regimes : sequence of FixedPointEquations
        All regimes of the system.
    equations : FixedPointEquations
        Of the regime the start lies in.
    start, direction : array, shape (n + 1,)
    limits : sequence of Limit
    control : StepControl
    both : bool
        Also against the direction.
    first_end : str
        Name of the first end where only one direction is followed.

    Returns
    -------
    Followed
    """
    origin = CurvePoint(start, direction, 0.0, control.first)
    forward, last, closed = _one_way(regimes, equations, origin, limits, control)
    backward: list[_Piece] = []
    if closed or not both:
        first = "closed curve" if closed else first_end
    else:
        backward, first, _ = _one_way(regimes, equations, replace(origin, tangent=-direction), limits, control)
    pieces = [_reversed(piece) for piece in reversed(backward)]
    if pieces and pieces[-1].equations is forward[0].equations:
        joined = _Piece(equations, (*pieces[-1].points, *forward[0].points[1:]), forward[0].collision)
        pieces = [*pieces[:-1], joined, *forward[1:]]
    else:
        pieces += forward
    collisions = [piece.collision for piece in backward if piece.collision is not None][::-1]
    collisions += [piece.collision for piece in forward if piece.collision is not None]
    rows: list[Row] = []
    for number, piece in enumerate(pieces):
        fresh = _rows(piece, control)
        if rows and number <= len(collisions):
            rows[-1] = _collision(rows[-1], fresh[0], collisions[number - 1])
            fresh = fresh[1:]
        rows += fresh
    ends = (first,) if closed else (first, last)
    return _trimmed(Followed(tuple(rows), ends, closed)) if equations.period > 1 else Followed(tuple(rows), ends, closed)


def _trimmed(followed: Followed) -> Followed:
    """A branch of periodic points ends where its period is a smaller one: at a period doubling."""
    rows, ends = list(followed.rows), list(followed.ends)
    begin = min(range(len(rows)), key=lambda k: abs(rows[k].sample.point.arclength))
    origin, weights = rows[begin].sample.position, rows[begin].equations.weights(rows[begin].sample.position)

    def ends_here(row: Row) -> bool:
        away = float(np.linalg.norm(weights * (row.sample.position - origin)))
        return _collapses(row) and away > 1e-5  # the doubling that the branch starts from is no end of it

    for k in range(begin + 1, len(rows)):
        if ends_here(rows[k]):
            rows, ends[-1] = rows[:k + 1], _doubling(rows[k])
            break
    for k in range(begin - 1, -1, -1):
        if ends_here(rows[k]):
            rows, ends[0] = rows[k:], _doubling(rows[k])
            break
    # the doubling itself is a special point of the other branch
    kept = [replace(row, bifurcation=None) if _collapses(row) else row for row in rows]
    return Followed(tuple(kept), tuple(ends), followed.closed)


def _smallest_period(row: Row) -> int:
    equations, z = row.equations, row.sample.position
    once, n = replace(equations, period=1), equations.dimension
    place = z
    for k in range(1, equations.period):
        place = np.append(once.expansion(place, 0).value, z[n:])
        if np.linalg.norm(equations.weights(z) * (place - z)) <= 1e-7:
            return k
    return equations.period


def _collapses(row: Row) -> bool:
    return row.bifurcation is not None and bool(row.bifurcation.directions) and _smallest_period(row) < row.equations.period


def _doubling(row: Row) -> str:
    return f"period-{_smallest_period(row)} points: period doubling"


def _reversed(piece: _Piece) -> _Piece:
    points = tuple(replace(p, tangent=-p.tangent, arclength=-p.arclength) for p in reversed(piece.points))
    return _Piece(piece.equations, points)


def _one_way(regimes: Sequence[FixedPointEquations], equations: FixedPointEquations, start: CurvePoint,
             limits: Sequence[Limit], control: StepControl) -> tuple[list[_Piece], str, bool]:
    pieces: list[_Piece] = []
    for _ in range(MOST_BORDERS):
        traced = trace(equations.problem, start, control, limits, _stop(equations))
        if traced.end != BORDER:
            end = _why(equations, traced.points[-1], control) if traced.end == "step underflow" else traced.end
            pieces.append(_Piece(equations, traced.points))
            return pieces, end, traced.closed and not pieces[1:]
        met = _at_border(equations, traced.points[-2], traced.points[-1])
        inside = traced.points[:-1]
        if met is None:
            pieces.append(_Piece(equations, inside))
            return pieces, "a border between regimes, not resolved", False
        solved, which = met
        length = float(np.linalg.norm(equations.weights(solved.solution) * (solved.solution - inside[-1].position)))
        on = replace(inside[-1], position=solved.solution, arclength=inside[-1].arclength + length)
        across = _across(regimes, equations, on)
        if across is None:
            pieces.append(_Piece(equations, (*inside, on)))
            switch = equations.regime.pattern[which][0].text
            return pieces, f"border {switch}: the field jumps, no fixed point continues", False
        pieces.append(_Piece(equations, (*inside, on), (solved, on)))
        equations, start = across
    return pieces, "more borders than can be followed", False


def _stop(equations: FixedPointEquations) -> Callable[[CurvePoint, CurvePoint], str | None] | None:
    def at_borders(previous: CurvePoint, current: CurvePoint) -> str | None:
        return BORDER if np.min(equations.conditions(current.position)) < -TOUCH else None

    def strongly_unstable(previous: CurvePoint, current: CurvePoint) -> str | None:
        # iterates are so steep there that steps would have to be tiny, for orbits that nothing visits
        if np.max(np.abs(equations.matrix(current.position))) > STEEPEST:
            return f"strongly unstable: derivatives of iterate {equations.period} beyond {STEEPEST:g}"
        return None

    if equations.regime.conditions:
        return at_borders
    return strongly_unstable if equations.period > 1 else None


def _why(equations: FixedPointEquations, last: CurvePoint, control: StepControl) -> str:
    ahead = last.position + 10 * control.smallest * last.tangent
    if not (np.all(np.isfinite(equations.residual(ahead))) and np.all(np.isfinite(equations.jacobian(ahead)))):
        return "step underflow: the equations have no value beyond"
    return "step underflow: Newton's method does not converge with the smallest step"


def _at_border(equations: FixedPointEquations, before: CurvePoint, after: CurvePoint) -> tuple[Polished, int] | None:
    """The first border between two points of a branch, polished, and the number of its condition."""
    a, b = equations.conditions(before.position), equations.conditions(after.position)
    crossed = [(a[k] / (a[k] - b[k]) if a[k] > 0 else 0.0, k) for k in range(len(a)) if b[k] < 0]
    share, which = min(crossed)

    def system(z: Array) -> tuple[Array, Array]:
        return (np.append(equations.residual(z), equations.conditions(z)[which]),
                np.vstack([equations.jacobian(z), equations.condition_gradients(z)[which]]))

    guess = before.position + share * (after.position - before.position)
    solved = newton(system, guess, np.concatenate([equations.scale, 1e-3 * equations.spans]))
    return None if solved is None else (solved, which)


def _across(regimes: Sequence[FixedPointEquations], equations: FixedPointEquations, on: CurvePoint
            ) -> tuple[FixedPointEquations, CurvePoint] | None:
    """The regime on the other side of a border where the branch goes on, and its direction into it."""
    for other in regimes:
        if other is equations:
            continue
        values = other.conditions(on.position)
        scale = np.abs(other.condition_gradients(on.position)) @ np.abs(on.position) + 1e-300
        size = float(np.max(np.abs(other.jacobian(on.position)) @ np.abs(on.position)) + 1.0)
        if np.min(values / (1 + scale)) < -1e-9 or np.max(np.abs(other.residual(on.position))) > 1e-9 * size:
            continue
        for direction in branch_directions(other, on.position)[:1]:
            rates = other.condition_gradients(on.position) @ direction
            touching = np.abs(values) <= 1e-9 * (1 + scale)
            for sign in (1, -1):
                if np.any(touching) and np.all(sign * rates[touching] > 0):
                    return other, CurvePoint(on.position, sign * direction, on.arclength, on.step)
    return None


def _rows(piece: _Piece, control: StepControl) -> list[Row]:
    samples = [sample(piece.equations, point) for point in piece.points]
    if len(samples) > 1:
        samples = refined(piece.equations, samples, control)
    found = bifurcations(piece.equations, samples, control) if len(samples) > 1 else []
    rows: list[Row] = []
    for k, item in enumerate(samples):
        rows.append(Row(piece.equations, item))
        rows += [Row(piece.equations, b.sample, b) for b in found if b.after == k]
    return rows


def _collision(before: Row, after: Row, collision: tuple[Polished, CurvePoint]) -> Row:
    """The row of a border collision, between the last of one regime and the first of the next."""
    solved, _ = collision
    n, discrete = before.equations.dimension, before.equations.discrete
    earlier = {switch.text: on for switch, on in before.equations.regime.pattern}
    changed = [f"{switch.text}: {'off -> on' if on else 'on -> off'}" for switch, on in after.equations.regime.pattern
               if earlier.get(switch.text) is not on]
    turned = before.sample.point.tangent[n] * after.sample.point.tangent[n] < 0
    counts = {"unstable_before": float(unstable_count(before.sample.eigenvalues, discrete)),
              "unstable_after": float(unstable_count(after.sample.eigenvalues, discrete))}
    remark = "; ".join([*changed, "nonsmooth fold" if turned else "persistence"])
    point = special_point(before.equations, "border_collision", solved, before.sample, normal_form=counts, remark=remark)
    return Row(before.equations, before.sample, Bifurcation(0, 1.0, before.sample, point))


# ---- as a table -----------------------------------------------------------------------------------------------------

def to_branch(followed: Followed, points: Sequence[SpecialPoint], attributes: dict[str, Any]) -> Branch:
    """Return the Branch of a followed curve; ``points`` are its special points, labelled, in order."""
    rows, equations = followed.rows, followed.rows[0].equations
    n, discrete = equations.dimension, equations.discrete
    places = np.array([row.sample.position for row in rows])
    eigenvalues = np.array([row.sample.eigenvalues for row in rows])
    unstable = np.array([unstable_count(row.sample.eigenvalues, discrete) for row in rows])
    columns: dict[str, Any] = {name: places[:, n + k] for k, name in enumerate(equations.varied)}
    columns |= {name: places[:, k] for k, name in enumerate(equations.system.states)}
    columns["unstable_count"] = unstable
    columns["stable"] = unstable == 0
    for k, row in enumerate(rows):
        # at a bifurcation the critical eigenvalue is rounding
        if row.bifurcation is not None and row.bifurcation.point.kind != "border_collision":
            columns["stable"][k] = False
    if equations.regime.pattern:
        columns["regime"] = np.array([row.equations.regime.name for row in rows], dtype=str)
    where = [k for k, row in enumerate(rows) if row.bifurcation is not None]
    kind = "fixed points" if equations.period == 1 else f"period-{equations.period} points"
    system = equations.system
    units = {n: p.unit for n, p in system.parameters.items()} | {n: s.unit for n, s in system.states.items()}
    attributes = attributes | {"ends": list(followed.ends), "period": equations.period if discrete else math.nan}
    return branch(kind, columns, equations.varied, list(zip(where, points, strict=True)), followed.ends, attributes,
                  eigenvalues=eigenvalues, time=equations.system.time, units=units, states=tuple(system.states))
