"""Measures of a trajectory: extremes refined inside steps, integrals by quadrature on the dense solution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.paths import Path
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.systems import System

__all__ = ["measures_of", "measures_of_orbit"]

Array = NDArray[np.float64]
CANDIDATES = 8


def measures_of(system: System, path: Path, names: Sequence[str], p: Sequence[Any], samples: int = 6) -> dict[str, float]:
    """Return measures of a path; extremes are refined inside steps."""
    functions = functions_of(system)
    all_names = list(system.measures)
    values: dict[str, float] = {}
    sampled: tuple[Array, Array] | None = None
    for name in names:
        reduction, row = system.measures[name].reduction, all_names.index(name)
        if reduction == "final":
            raw = functions.measure_expressions(path.times[-1], path.states[-1], p)[row]
        elif reduction == "integral":
            raw = _integral(functions, path, p, row)
        else:
            if sampled is None:
                sampled = _sampled(functions, path, p, samples)
            raw = _reduced(functions, path, p, sampled, row, reduction)
        values[name] = functions.transform(name, float(raw), p)
    return values


def measures_of_orbit(system: System, orbit: Array, p: Sequence[Any]) -> dict[str, float]:
    """Return measures of an orbit of a map, shape (dimension, steps + 1); an integral is the sum over all but the last."""
    functions = functions_of(system)
    if not system.measures:
        return {}
    rows = np.array([functions.measure_expressions(float(k), y, p) for k, y in enumerate(orbit.T)])
    values: dict[str, float] = {}
    for row, (name, measure) in enumerate(system.measures.items()):
        column = rows[:, row]
        raw = {"max": np.max(column), "min": np.min(column), "final": column[-1], "integral": np.sum(column[:-1]),
               "drawdown": np.max(np.maximum.accumulate(column) - column)}[measure.reduction]
        values[name] = functions.transform(name, float(raw), p)
    return values


def _integral(functions: SystemFunctions, path: Path, p: Sequence[Any], row: int) -> float:
    """Gauss-Legendre over every accepted step: steps end at kinks and events, so each integrand is smooth."""
    nodes, weights = np.polynomial.legendre.leggauss(4)
    knots = np.array(path.times)
    widths = np.diff(knots)
    if not len(widths):
        return 0.0
    times = (knots[:-1, None] + widths[:, None] * (nodes + 1) / 2).reshape(-1)
    states = path.at(times)
    values = _values(functions, times, states, p)[:, row]
    return float(np.sum(values.reshape(-1, 4) * weights * widths[:, None] / 2))


def _sampled(functions: SystemFunctions, path: Path, p: Sequence[Any], samples: int) -> tuple[Array, Array]:
    knots = np.array(path.times)
    fractions = np.arange(samples) / samples
    inner = (knots[:-1, None] + np.diff(knots)[:, None] * fractions[None, :]).reshape(-1)
    times = np.append(inner, knots[-1]) if len(knots) > 1 else knots
    states = path.at(times)
    # at a reset the path has two states at one time; the dense solution only knows the later one
    states[:, :: samples if len(knots) > 1 else 1] = np.array(path.states).T
    return times, _values(functions, times, states, p)


def _values(functions: SystemFunctions, times: Array, states: Array, p: Sequence[Any]) -> Array:
    """What the measures reduce, shape (times, measures)."""
    if functions.indexed:
        return np.array([functions.measure_expressions(t, y, p) for t, y in zip(times, states.T, strict=True)])
    values = np.repeat(np.array(p, dtype=float)[:, None], len(times), axis=1)
    return functions.lane_measures(times, states, values).T


def _reduced(functions: SystemFunctions, path: Path, p: Sequence[Any], sampled: tuple[Array, Array], row: int,
             reduction: str) -> float:
    """Maximum, minimum or drawdown with each candidate extreme refined on the dense solution.

    Samples alone cannot rank two extremes of nearly equal size, so all that could be the largest are refined.
    """
    times, values = sampled[0], sampled[1][:, row]
    if len(times) < 3:
        if reduction == "drawdown":
            return float(max(values[0] - values[-1], 0.0))
        return float(np.max(values) if reduction == "max" else np.min(values))

    def refined(position: int, sense: float) -> float:
        from scipy.optimize import minimize_scalar

        low, high = times[max(position - 1, 0)], times[min(position + 1, len(times) - 1)]
        if not high > low:
            return float(values[position])
        found = minimize_scalar(
            lambda t: -sense * functions.measure_expressions(t, path.at(np.array([t]))[:, 0], p)[row],
            bounds=(low, high), method="bounded", options={"xatol": 1e-10 * max(1.0, abs(high))})
        return sense * max(sense * float(values[position]), -float(found.fun))

    known = np.where(np.isfinite(values), values, np.nan)
    if reduction in ("max", "min"):
        sense = 1.0 if reduction == "max" else -1.0
        most = np.nan_to_num(_reach(known, sense) * sense, nan=-np.inf)
        candidates = np.argsort(-most, kind="stable")[:CANDIDATES]
        best = np.nanmax(known * sense) if np.isfinite(known).any() else np.inf
        return sense * max((sense * refined(int(k), sense) for k in candidates if most[k] >= best),
                           default=sense * float(np.nanmax(values * sense)))
    known = np.nan_to_num(known, nan=np.nanmin(known) if np.isfinite(known).any() else 0.0)
    largest = float(np.max(np.maximum.accumulate(known) - known))
    if largest <= 0:
        return 0.0
    tops, bottoms = _reach(known, 1.0), _reach(known, -1.0)
    falls = np.maximum.accumulate(tops) - bottoms
    troughs = [int(k) for k in np.argsort(-falls, kind="stable")[:CANDIDATES] if falls[k] >= largest]
    return max(largest, *(refined(int(np.argmax(tops[: k + 1])), 1.0) - refined(k, -1.0) for k in troughs))


def _reach(values: Array, sense: float) -> Array:
    """Samples, with each local extreme moved to where a parabola through its neighbours could have its vertex."""
    reach = values.copy()
    middle, before, after = values[1:-1], values[:-2], values[2:]
    extreme = (sense * middle >= sense * before) & (sense * middle >= sense * after)
    reach[1:-1] = np.where(extreme, middle + (2 * middle - before - after) / 8, middle)
    return reach
