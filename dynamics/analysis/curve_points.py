"""What a curve in two parameters passes through: its equations, its tests, and points of codimension two on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.arclength import CurvePoint, CurveProblem, StepControl, corrected
from dynamics.analysis.codimension_two import CURVES, coefficients, is_generalized_hopf, polished_point, tests_at
from dynamics.analysis.critical_tests import Sample
from dynamics.analysis.defining_systems import Bordered, Polished, bordered_at
from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.analysis.special_points import special_point
from dynamics.errors import ConvergenceError
from dynamics.results import SpecialPoint

__all__ = ["Border", "Curve", "Row", "rows_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Border:
    """Fixed points on a border: H = 0 and one condition of the regime = 0."""

    equations: FixedPointEquations
    which: int

    def __call__(self, place: Array) -> tuple[Array, Array]:
        equations = self.equations
        return (np.append(equations.residual(place), equations.conditions(place)[self.which]),
                np.vstack([equations.jacobian(place), equations.condition_gradients(place)[self.which]]))


@dataclass(frozen=True, eq=False)
class Curve:
    kind: str
    equations: FixedPointEquations
    size: float  # of k

    def problem(self, system: Bordered | Border) -> CurveProblem:
        return CurveProblem(lambda z: system(z)[0], lambda z: system(z)[1], weights=self.weights)

    def weights(self, place: Array) -> Array:
        found = self.equations.weights(place)
        if len(place) > self.equations.dimension + 2:
            found[-1] = 1 / (self.size + abs(place[-1]))
        return found

    def renewed(self, point: CurvePoint) -> CurveProblem:
        fresh = bordered_at(self.equations, self.kind, point.position)
        if fresh is None:
            raise ConvergenceError("continue_curve: the derivatives are not finite on the curve")
        return self.problem(fresh)


@dataclass(frozen=True, eq=False)
class Row:
    point: CurvePoint
    tests: dict[str, Any]
    special: SpecialPoint | None = None


def rows_of(curve: Curve, points: Sequence[CurvePoint], control: StepControl) -> list[Row]:
    if curve.kind == "border_collision":
        return [Row(point, {}) for point in points]
    rows: list[Row] = []
    tests: dict[str, Any] = {}
    for point in points:
        tests = tests_at(curve.equations, curve.kind, point.position, tests)
        rows.append(Row(point, tests))
    found: list[tuple[float, Row]] = []
    for name in CURVES[curve.equations.system.time][curve.kind]:
        kept = [k for k, row in enumerate(rows) if math.isfinite(row.tests.get(name, math.nan))
                and (abs(row.tests[name]) > 1e-10 or k in (0, len(rows) - 1))]
        for i, j in pairwise(kept):
            if rows[i].tests[name] * rows[j].tests[name] <= 0:
                special = _located(curve, rows[i], rows[j], name, control)
                if special is not None and not any(_same(curve, special, other) for _, other in found):
                    found.append((special.point.arclength, special))
    merged = [(row.point.arclength, row) for row in rows] + found
    return [row for _, row in sorted(merged, key=lambda item: item[0])
            if row.special is not None or curve.kind not in ("hopf", "neimark_sacker") or _is_pair(curve, row)]


def _same(curve: Curve, a: Row, b: Row) -> bool:
    return bool(np.linalg.norm(curve.weights(a.point.position) * (a.point.position - b.point.position)) < 1e-6)


def _is_pair(curve: Curve, row: Row) -> bool:
    k = row.point.position[-1]
    return bool(k > 0 if curve.kind == "hopf" else abs(k) <= 1)


def _located(curve: Curve, a: Row, b: Row, name: str, control: StepControl) -> Row | None:
    n = curve.equations.dimension
    scale = np.concatenate([curve.equations.scale, 1e-3 * curve.equations.spans])
    low, high, at, to = a, b, 0.0, 1.0
    for count in range(40):
        x, y = low.tests[name], high.tests[name]
        inner = min(0.95, max(0.05, x / (x - y))) if x * y < 0 and count % 3 != 2 else 0.5
        guess = low.point.position + inner * (high.point.position - low.point.position)
        due = count in (0, 2) or count % 6 == 5
        solved = polished_point(curve.equations, name, curve.kind, guess, scale) if due else None
        if solved is not None:
            place = solved.solution
            weights = curve.weights(low.point.position)[:n + 2]
            chord = weights * (high.point.position - low.point.position)[:n + 2]
            offset = weights * (place[:n + 2] - low.point.position[:n + 2])
            share = float(chord @ offset / (chord @ chord))
            slack = 0.05 if count < 5 else 0.5
            aside = float(np.linalg.norm(offset - share * chord))
            near = -slack <= share <= 1 + slack and aside <= 0.3 * np.linalg.norm(chord) + 1e-9
            if near and _genuine(curve, name, place, min(abs(a.tests[name]), abs(b.tests[name]))):
                whole = at + min(1.0, max(0.0, share)) * (to - at)
                length = a.point.arclength + whole * (b.point.arclength - a.point.arclength)
                return _described(curve, name, solved, low, length)
        row = curve.weights(low.point.position) ** 2 * (high.point.position - low.point.position)
        middle = corrected(curve.renewed(replace(low.point, position=guess)), guess, row / np.linalg.norm(row), control)
        if middle is None or to - at < 1e-10:
            return None
        share = at + inner * (to - at)
        tests = tests_at(curve.equations, curve.kind, middle[0], low.tests)
        length = a.point.arclength + share * (b.point.arclength - a.point.arclength)
        fresh = Row(replace(low.point, position=middle[0], arclength=length), tests)
        if not math.isfinite(tests.get(name, math.nan)):
            return None
        if tests[name] * x <= 0:
            high, to = fresh, share
        else:
            low, at = fresh, share
    return None


def _genuine(curve: Curve, name: str, place: Array, around: float) -> bool:
    """Whether the critical pair is one (a fold with a neutral saddle is no zero-Hopf point), and no product of rounding."""
    n = curve.equations.dimension
    if name in ("zero_hopf", "hopf_hopf"):
        return bool(np.all(place[n + 2:] > 1e-9))
    return name != "generalized_hopf" or is_generalized_hopf(curve.equations, place, around)


def _described(curve: Curve, name: str, solved: Polished, near: Row, length: float) -> Row:
    equations, n = curve.equations, curve.equations.dimension
    place = solved.solution
    position = near.point.position.copy()
    position[:n + 2] = place[:n + 2]
    if len(position) > n + 2:
        position[-1] = place[n + 2]
    here = Sample(CurvePoint(position[:n + 2], position[:n + 2]), equations.eigenvalues(position), {})
    form, remark = coefficients(equations, name, place)
    point = special_point(equations, name, solved, here, normal_form=form, remark=remark)
    tests = tests_at(equations, curve.kind, position, near.tests)
    return Row(replace(near.point, position=position, arclength=length), tests, point)
