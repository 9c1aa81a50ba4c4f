"""Points of codimension two on curves of bifurcations of cycles: cusps, resonances, fold-flips.

Resonances 1:3 and 1:4 are polished; the others are singular points of the systems that the curves are solved with, and
are located between two neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import Condition, Orbit
from dynamics.analysis.cycle_problems import CycleProblem
from dynamics.analysis.cycle_special_points import describe, plain
from dynamics.results import SpecialPoint

__all__ = ["curve_points"]

Array = NDArray[np.float64]
Solve = Callable[[Orbit, Condition], tuple[Orbit, float, float] | None]
ANGLES = {"resonance_1_3": 2 * math.pi / 3, "resonance_1_4": math.pi / 2}
END = 0.02  # radian from 0 or from pi at which a curve of tori has come to its end
FAR = 1e-3  # of a multiplier from the critical one of the curve, to be another


def curve_points(problem: CycleProblem, kind: str, orbits: Sequence[Orbit], modes: NDArray[np.complex128],
                 solve: Solve) -> list[tuple[int, SpecialPoint]]:
    """Return the points of codimension two on a curve, each with the row that it follows.

    Parameters
    ----------
    problem : CycleProblem
        With two free parameters.
    kind : {"fold", "flip", "torus"}
    orbits : sequence of Orbit
        Extended solutions along the curve.
    modes : array, shape (len(orbits), count)
        Multipliers.
    solve : callable
        ``solve(orbit, condition)``: the point of the curve near ``orbit`` where a condition holds, its residual and digits;
        None where none is found.
    """
    found: list[tuple[int, SpecialPoint]] = []
    for k in range(len(orbits) - 1):
        pair = (orbits[k], orbits[k + 1])
        if kind == "torus":
            found += [(k, point) for point in _resonances(problem, pair, solve)]
        elif kind == "fold" and k and _turns_back(problem, orbits[k - 1], *pair):
            found.append((k, _located(problem, pair[0], "cusp")))
        for name in _crossings(kind, modes[k], modes[k + 1]):
            found.append((k, _located(problem, pair[0], name)))
    if kind == "torus" and orbits:
        for k in sorted({0, len(orbits) - 1}):
            angle = _angle(orbits[k])
            if angle < END or angle > math.pi - END:
                found.append((k, _located(problem, orbits[k], "resonance_1_1" if angle < END else "resonance_1_2")))
    return found


def _angle(orbit: Orbit) -> float:
    turned = abs(orbit.unknowns[-1]) * orbit.period % (2 * math.pi)
    return min(turned, 2 * math.pi - turned)


def _resonances(problem: CycleProblem, pair: tuple[Orbit, Orbit], solve: Solve) -> list[SpecialPoint]:
    found = []
    for name, angle in ANGLES.items():
        if (_angle(pair[0]) - angle) * (_angle(pair[1]) - angle) >= 0:
            continue
        near = min(pair, key=lambda orbit: abs(_angle(orbit) - angle))
        # the angle that the solution itself counts, with its sign and whole turns
        whole = near.unknowns[-1] * near.period
        wanted = min((sign * angle + 2 * math.pi * turns for sign in (1, -1) for turns in range(-3, 4)),
                     key=lambda value: abs(value - whole))
        solved = solve(near, _turned_by(float(wanted)))
        if solved is None:
            found.append(_located(problem, near, name))
        else:
            found.append(describe(problem, plain(problem, solved[0]), name, *solved[1:], "polished"))
    return found


def _turned_by(angle: float) -> Condition:
    def condition(orbit: Orbit) -> tuple[float, Array, Array]:
        count = len(orbit.durations)
        by_scalars = np.zeros(count + len(orbit.unknowns))
        by_scalars[:count], by_scalars[-1] = orbit.unknowns[-1], orbit.period
        return float(orbit.unknowns[-1] * orbit.period - angle), np.zeros_like(orbit.nodes), by_scalars

    return condition


def _turns_back(problem: CycleProblem, before: Orbit, here: Orbit, after: Orbit) -> bool:
    """Whether the curve comes to a point in the plane of the parameters and goes back, the cycle changing steadily."""
    spans = np.array(problem.spans)
    one, two = ((b.unknowns[:2] - a.unknowns[:2]) / spans for a, b in ((before, here), (here, after)))
    return float(one @ two) < -0.5 * float(np.linalg.norm(one) * np.linalg.norm(two))


def _crossings(kind: str, one: NDArray[np.complex128], two: NDArray[np.complex128]) -> list[str]:
    """Names of what other real multipliers do between two rows: through -1 on a fold curve, 1 or -1 on a flip curve."""
    own = {"fold": 1.0, "flip": -1.0}.get(kind)
    if own is None:
        return []
    found = []
    rest = [np.delete(modes, int(np.argmin(np.abs(modes - own)))) for modes in (one, two)]
    for target in (1.0, -1.0):
        signs = [np.sign(np.prod([(m.real - target) if m.imag == 0 else 1.0 for m in modes])) for modes in rest]
        nearest = [float(np.min(np.abs(modes - target), initial=np.inf)) for modes in rest]
        if signs[0] * signs[1] < 0 and min(nearest) < 0.5 and max(nearest) > FAR:
            found.append("fold_flip" if target != own else "resonance_1_1" if own > 0 else "resonance_1_2")
    return found


def _located(problem: CycleProblem, orbit: Orbit, name: str) -> SpecialPoint:
    return describe(problem, plain(problem, orbit), name, float("nan"), float("nan"), "located")
