"""Bifurcations on a branch of fixed points: found by sign changes, polished on their defining systems, described."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.arclength import CurvePoint, StepControl, corrected, tangent_at
from dynamics.analysis.critical_tests import TESTS, Sample, pair_factors, sample
from dynamics.analysis.defining_systems import Polished, bordered_at, branch_point_system, newton
from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.analysis.normal_coefficients import (
    flip_coefficient,
    pair_coefficient,
    parameter_coefficients,
    zero_coefficients,
)
from dynamics.results import SpecialPoint

__all__ = ["Bifurcation", "bifurcations", "branch_directions", "refined", "special_point"]

Array = NDArray[np.float64]
ROUNDS = 6
SUSPICIOUS = 0.5  # a parabola through three values that comes this much nearer to zero than they do is looked at closely
SINGULAR = 1e-7
FLAT = 1e-8


@dataclass(frozen=True, eq=False)
class Bifurcation:
    """A special point on a branch: its place, what it is, and the directions of the branches through it."""

    after: int
    share: float
    sample: Sample
    point: SpecialPoint
    directions: tuple[Array, ...] = ()


def _between(equations: FixedPointEquations, a: Sample, b: Sample, share: float, control: StepControl) -> Sample | None:
    """The point of a branch between two neighbours."""
    problem = equations.problem
    chord = b.position - a.position
    row = problem.metric(a.position) ** 2 * chord
    size = math.sqrt(float(row @ chord)) or 1.0
    found = corrected(problem, a.position + share * chord, row / size, control)
    if found is None:
        return None
    tangent = tangent_at(problem, found[0], a.point.tangent)
    if not np.all(np.isfinite(tangent)):
        return None
    length = a.point.arclength + share * (b.point.arclength - a.point.arclength)
    return sample(equations, CurvePoint(found[0], tangent, length))


def refined(equations: FixedPointEquations, samples: Sequence[Sample], control: StepControl) -> list[Sample]:
    """Put points between neighbours where a test nearly touches zero, so that two crossings in one step are not missed."""
    current = list(samples)
    for _ in range(ROUNDS):
        wanted = sorted({k for name in TESTS[equations.system.time] for k in _suspicious(current, name)})
        if not wanted:
            break
        for k in reversed(wanted):
            middle = _between(equations, current[k], current[k + 1], 0.5, control)
            if middle is not None:
                current.insert(k + 1, middle)
    return current


def _suspicious(samples: Sequence[Sample], name: str) -> Iterator[int]:
    for k in range(1, len(samples) - 1):
        g = [samples[i].tests[name] for i in (k - 1, k, k + 1)]
        if not (g[0] * g[1] > 0 and g[1] * g[2] > 0 and abs(g[1]) < min(abs(g[0]), abs(g[2]))):
            continue
        s = [samples[i].point.arclength - samples[k].point.arclength for i in (k - 1, k, k + 1)]
        if s[0] == 0 or s[2] == 0:
            continue
        left, right = (g[0] - g[1]) / s[0], (g[2] - g[1]) / s[2]
        curvature = (right - left) / (s[2] - s[0])
        slope = left - curvature * s[0]
        if curvature and (g[1] - slope**2 / (4 * curvature)) / g[1] < SUSPICIOUS:
            yield from (k - 1, k)


def bifurcations(equations: FixedPointEquations, samples: Sequence[Sample], control: StepControl) -> list[Bifurcation]:
    """Return the bifurcations between the points of a branch, in their order.

    Parameters
    ----------
    equations : FixedPointEquations
        Of one parameter.
    samples : sequence of Sample
        From `refined`.
    control : StepControl

    Returns
    -------
    list of Bifurcation
    """
    found: list[Bifurcation] = []
    # branch points first: where a pitchfork's branch turns back it is no fold
    names = sorted(TESTS[equations.system.time], key=lambda name: name != "branch_point")
    for name in names:
        kept = [k for k, item in enumerate(samples) if abs(item.tests[name]) > 1e-11 or k in (0, len(samples) - 1)]
        for i, j in pairwise(kept):
            if samples[i].tests[name] * samples[j].tests[name] < 0:
                item = _located(equations, samples[i], samples[j], name, control)
                if item is not None and not _known(equations, item, found):
                    found.append(replace(item, after=_row(samples, i, j, item.share)))
    return sorted(found, key=lambda item: item.sample.point.arclength)


def _row(samples: Sequence[Sample], i: int, j: int, share: float) -> int:
    place = samples[i].point.arclength + share * (samples[j].point.arclength - samples[i].point.arclength)
    return max(k for k in range(i, j) if k == i or samples[k].point.arclength <= place)


def _known(equations: FixedPointEquations, item: Bifurcation, found: Sequence[Bifurcation]) -> bool:
    weights = equations.weights(item.sample.position)
    return any(np.linalg.norm(weights * (item.sample.position - other.sample.position)) < 1e-6
               and {item.point.kind, other.point.kind} != {"fold", "hopf"} for other in found)


def _located(equations: FixedPointEquations, a: Sample, b: Sample, name: str, control: StepControl) -> Bifurcation | None:
    """Bracket a sign change ever more closely until Newton's method converges to a point inside."""
    low, high, at, to = a, b, 0.0, 1.0
    for count in range(60):
        x, y = low.tests[name], high.tests[name]
        inner = x / (x - y) if x * y < 0 and count % 3 != 2 else 0.5
        inner = min(0.95, max(0.05, inner))
        if count in (0, 3) or count % 6 == 5:
            guess = low.position + inner * (high.position - low.position)
            reference = low.point.tangent
            item = _polished(equations, name, guess, reference, at + inner * (to - at))
            if item is not None and _inside(equations, a, b, low, high, item):
                if item.point.kind == "neutral_saddle":
                    return None
                chord = b.position - a.position
                row = equations.weights(a.position) ** 2 * chord
                share = float(row @ (item.sample.position - a.position) / (row @ chord))
                length = a.point.arclength + share * (b.point.arclength - a.point.arclength)
                point = replace(item.sample.point, arclength=length)
                return replace(item, share=min(1.0, max(0.0, share)), sample=replace(item.sample, point=point))
        middle = _between(equations, low, high, inner, control) or _between(equations, low, high, 0.37, control)
        if middle is None or to - at < 1e-12:
            return None
        place = at + inner * (to - at)
        if middle.tests[name] * x <= 0:
            high, to = middle, place
        else:
            low, at = middle, place
    return None


def _inside(equations: FixedPointEquations, a: Sample, b: Sample, low: Sample, high: Sample, item: Bifurcation) -> bool:
    """Whether a polished point lies on the piece of branch that was bracketed."""
    weights = equations.weights(a.position)
    whole, inner = weights * (b.position - a.position), weights * (high.position - low.position)
    offset = weights * (item.sample.position - low.position)
    share = float(inner @ offset / (inner @ inner))
    slack = 0.02 + 0.2 * (np.linalg.norm(inner) < 0.5 * np.linalg.norm(whole))
    return -slack <= share <= 1 + slack and np.linalg.norm(offset - share * inner) <= 0.25 * np.linalg.norm(inner) + 1e-9


def _polished(equations: FixedPointEquations, name: str, guess: Array, reference: Array, share: float) -> Bifurcation | None:
    """The bifurcation near a guess, described; its kind is "neutral_saddle" for a pair that is no critical one."""
    scale = np.concatenate([equations.scale, 1e-3 * equations.spans])
    if name == "branch_point":
        return _branch_point(equations, guess, reference, scale, share)
    start = guess
    if name in ("hopf", "neimark_sacker"):
        start = np.append(guess, _critical_k(equations, guess))
        scale = np.append(scale, max(1e-3, abs(start[-1])))
    system = bordered_at(equations, name, start)
    solved = newton(system, start, scale) if system is not None else None
    if solved is None:
        return None
    z = solved.solution[:len(guess)]
    # once more with borders made there
    again = bordered_at(equations, name, solved.solution)
    if again is not None:
        solved = newton(again, solved.solution, scale) or solved
        z = solved.solution[:len(guess)]
    tangent = _tangent(equations, z, reference)
    if tangent is None:
        return None
    here = sample(equations, CurvePoint(z, tangent))
    if name == "fold" and len(branch_directions(equations, z)) != 1:
        return None  # a branch point
    if name in ("hopf", "neimark_sacker") and not _is_pair(equations, solved.solution[-1], here):
        return Bifurcation(0, share, here, SpecialPoint("neutral_saddle", "", {}, {}))
    point = special_point(equations, name, solved, here)
    return Bifurcation(0, share, here, point)


def _is_pair(equations: FixedPointEquations, k: float, here: Sample) -> bool:
    if equations.discrete:
        return bool(abs(k) < 1 - 1e-9)
    return bool(k > 1e-12 * float(np.max(np.abs(here.eigenvalues)) ** 2))


def _critical_k(equations: FixedPointEquations, z: Array) -> float:
    """The product (flow) or half the sum (map) of the pair that is nearest to being critical."""
    pairs = list(pair_factors(equations.eigenvalues(z)))
    if equations.discrete:
        pair = min(pairs, key=lambda pair: abs((pair[0] * pair[1]).real - 1) / (1 + abs(pair[0] * pair[1])), default=(1, 1))
        return float((pair[0] + pair[1]).real / 2)
    pair = min(pairs, key=lambda pair: abs((pair[0] + pair[1]).real) / (abs(pair[0]) + abs(pair[1]) or 1), default=(0, 0))
    return float((pair[0] * pair[1]).real)


def _tangent(equations: FixedPointEquations, z: Array, reference: Array) -> Array | None:
    """Unit tangent at a regular point, by the null vector, which exists at folds too."""
    weights = equations.weights(z)
    matrix = equations.jacobian(z) / weights
    if not np.all(np.isfinite(matrix)):
        return None
    tangent: Array = np.linalg.svd(matrix)[2][-1] / weights
    return tangent if (weights * tangent) @ (weights * reference) >= 0 else -tangent


def special_point(equations: FixedPointEquations, kind: str, solved: Polished, here: Sample, **more: Any) -> SpecialPoint:
    """Return the record of a polished point, with its normal form."""
    n, z = equations.dimension, here.position
    size = np.abs(solved.solution[:len(z)]) + np.concatenate([1e-2 * equations.scale, 1e-3 * equations.spans])
    relative = float(np.max(solved.error[:len(z)] / size))
    digits = min(15.9, -math.log10(max(relative, 1e-16)))
    form, remark = ({}, "") if "normal_form" in more else _form(equations, kind, solved, z)
    details: dict[str, Any] = {"normal_form": form, "remark": remark, "status": "polished"} | more
    period = float(equations.period) if equations.discrete else math.nan
    z = np.where(np.abs(z) <= solved.error[:len(z)], 0.0, z)  # 1e-50 is zero, and says so
    return SpecialPoint(kind, "", equations.states_of(z), equations.parameters_of(z), tuple(map(complex, here.eigenvalues)),
                        residual=solved.residual, digits=math.floor(digits * 10) / 10 if n else math.nan, period=period,
                        **details)


def _form(equations: FixedPointEquations, kind: str, solved: Polished, z: Array) -> tuple[dict[str, float], str]:
    n, discrete = equations.dimension, equations.discrete
    expansion = equations.expansion(z, 3)
    level = equations.defining(z, 2) if equations.conserved else None
    try:
        with np.errstate(all="ignore"):
            if kind == "fold":
                a = zero_coefficients(expansion, n, discrete)[0] if not equations.conserved else math.nan
                return ({"a": a} if math.isfinite(a) else {}), ""
            if kind == "period_doubling":
                b = flip_coefficient(expansion, n, level)
                return {"b": b}, _side(b, 1)
            k = float(solved.solution[-1])
            if discrete:
                value = complex(k, math.sqrt(max(0.0, 1 - k * k)))
                d = pair_coefficient(expansion, n, value, True, level)
                return {"angle": math.acos(k), "d": d}, _side(d, -1)
            omega = math.sqrt(k)
            l1 = pair_coefficient(expansion, n, complex(0, omega), False, level)
            return {"omega": omega, "l1": l1}, _side(l1, -1)
    except np.linalg.LinAlgError:
        return {}, "the normal form is singular: another eigenvalue is critical"


def _side(coefficient: float, stable: int) -> str:
    return "supercritical" if coefficient * stable > 0 else "subcritical" if coefficient * stable < 0 else "degenerate"


# ---- branch points --------------------------------------------------------------------------------------------------

def _branch_point(equations: FixedPointEquations, guess: Array, reference: Array, scale: Array, share: float
                  ) -> Bifurcation | None:
    n = equations.dimension
    first = equations.jacobian(guess)
    if not np.all(np.isfinite(first)):
        return None
    left = np.linalg.svd(first)[0][:, -1]
    system = branch_point_system(equations, left)
    solved = newton(system, np.concatenate([guess, [0.0], left]), np.concatenate([scale, np.ones(n + 1)]))
    if solved is None:
        return None
    z, imperfection = solved.solution[:n + 1], solved.solution[n + 1]
    terms = np.abs(equations.jacobian(z)) @ np.abs(z) + np.abs(equations.jacobian(z)).max()
    if abs(imperfection) > 1e-9 * max(1.0, float(terms.max())):
        return None
    directions = branch_directions(equations, z)
    if len(directions) < 2:
        return None
    along = max(directions, key=lambda d: abs(_cosine(equations, z, d, reference)))
    along = along if _cosine(equations, z, along, reference) > 0 else -along
    here = sample(equations, CurvePoint(z, along))
    kind, form, remark = _branching(equations, z, directions)
    point = special_point(equations, kind, solved, here, normal_form=form, remark=remark)
    return Bifurcation(0, share, here, point, directions)


def _cosine(equations: FixedPointEquations, z: Array, a: Array, b: Array) -> float:
    weights = equations.weights(z)
    return float((weights * a) @ (weights * b) / (np.linalg.norm(weights * a) * np.linalg.norm(weights * b)))


def branch_directions(equations: FixedPointEquations, z: Array) -> tuple[Array, ...]:
    """Return the tangents of the branches through a point: one at a regular point, two at a simple branch point.

    Parameters
    ----------
    equations : FixedPointEquations
    z : array, shape (n + 1,)
        A fixed point.

    Returns
    -------
    tuple of array, shape (n + 1,)
        Empty at an isolated or a degenerate point, and where more than two null vectors exist.
    """
    weights = equations.weights(z)
    first = equations.jacobian(z) / weights
    if not np.all(np.isfinite(first)):
        return ()
    rows = equations.sizes(z)
    left, sizes, right = np.linalg.svd(first / rows[:, None])
    if sizes[-1] > SINGULAR * (sizes[0] if len(sizes) > 1 else 1.0):
        return (right[-1] / weights,)
    if len(sizes) > 1 and sizes[-2] <= SINGULAR * sizes[0]:
        return ()
    second = equations.defining(z, 2).second
    if second is None:
        return ()
    null = right[-2:] / weights
    form = null @ np.tensordot(left[:, -1] / rows, second, axes=1) @ null.T
    # a x**2 + 2 b x y + c y**2 = 0
    values, vectors = np.linalg.eigh(form)
    if not values[0] < -1e-10 * abs(values[1]) or not values[1] > 1e-10 * abs(values[0]):
        return ()
    p, q = math.sqrt(values[1]), math.sqrt(-values[0])
    found = [(p * vectors[:, 0] + sign * q * vectors[:, 1]) @ null for sign in (1, -1)]
    return tuple(d / np.linalg.norm(weights * d) for d in found)


def _branching(equations: FixedPointEquations, z: Array, directions: Sequence[Array]) -> tuple[str, dict[str, float], str]:
    n = equations.dimension
    weights = equations.weights(z)
    steep = [abs(weights[n] * d[n]) for d in directions]
    expansion = equations.expansion(z, 3)
    try:
        with np.errstate(all="ignore"):
            a, c = zero_coefficients(expansion, n, equations.discrete)
            _, r = parameter_coefficients(expansion, n, equations.discrete, n)
    except np.linalg.LinAlgError:
        return "branch_point", {}, "more than one eigenvalue is critical"
    if not (math.isfinite(a) and math.isfinite(r)):
        return "branch_point", {}, "the critical eigenvalue is not simple"
    if min(steep) < FLAT:
        return "pitchfork", {"c": c, "r": r}, _side(c, -1)
    return "transcritical", {"a": a, "r": r}, ""
