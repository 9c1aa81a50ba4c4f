"""All fixed points over a range of a parameter: exact or certified where algebra reaches, else from many starts."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.branch_following import regime_of
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.errors import DynamicsError
from dynamics.symbolic.timelimit import with_time_limit
from dynamics.systems import System

__all__ = ["fixed_points_over"]

Array = NDArray[np.float64]
STARTS = 24  # for each state
UPDATES = 25
FEW = 3  # states, for which algebra is quick or fails quickly
SECONDS, LONGEST = 3.0, 8.0
SAME = 1e-7


def fixed_points_over(system: System, parameter: str, values: Sequence[float], regimes: Sequence[FixedPointEquations],
                      box: Mapping[str, tuple[float, float]]) -> tuple[list[Array], str]:
    """Return fixed points (states, parameter) at several values of a parameter, and how they were found.

    Parameters
    ----------
    system : System
    parameter : str
    values : sequence of float
    regimes : sequence of FixedPointEquations
    box : mapping of str to (lower, upper)

    Returns
    -------
    list of array, shape (n + 1,)
        Inside the box, each in its own regime.
    str
        "exact", "certified" or "numeric".
    """
    found: list[Array] = []
    exactness = "" if len(box) <= FEW or _solved_in_time(system.with_parameters({parameter: values[0]})) else "numeric"
    limits: Any = {name: (None if math.isinf(low) else low, None if math.isinf(high) else high)
              for name, (low, high) in box.items()}
    for value in values:
        if exactness != "numeric":
            began = _time.perf_counter()
            try:
                points = fixed_points(system.with_parameters({parameter: value}), box=limits)
                exactness = str(points.provenance["exactness"])
                found += [np.array([*point.values.values(), value]) for point in points
                          if not point.free and "virtual" not in point.remark]
            except DynamicsError:
                exactness = "numeric"
            if _time.perf_counter() - began > SECONDS:
                exactness = "numeric"
                continue
        if exactness == "numeric":
            for equations in regimes:
                found += _from_many_starts(equations, value, box, regimes)
    return found, exactness


def _solved_in_time(system: System) -> bool:
    """Whether algebra gives the fixed points soon enough to be asked for at many values."""
    try:
        return bool(with_time_limit(_exactness, system, seconds=LONGEST) != "numeric")
    except DynamicsError:
        return False


def _exactness(system: System) -> str:
    return str(fixed_points(system).provenance["exactness"])


def _spread(box: Mapping[str, tuple[float, float]], scale: Array) -> Array:
    """Starts that fill the box evenly; unbounded axes are compactified."""
    size = len(box)
    # additive recurrence with the generalised golden ratio fills a cube evenly and is the same on every machine
    ratio = 2.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / (size + 1))
    cube = np.mod(0.5 + np.arange(1, STARTS * size + 1)[:, None] * ratio ** -np.arange(1.0, size + 1), 1.0)
    starts = np.empty_like(cube)
    for k, (low, high) in enumerate(box.values()):
        u = cube[:, k]
        if math.isfinite(low) and math.isfinite(high):
            starts[:, k] = low + u * (high - low)
        elif math.isfinite(low):
            starts[:, k] = low + 2 * scale[k] * u / (1 - u)
        elif math.isfinite(high):
            starts[:, k] = high - 2 * scale[k] * u / (1 - u)
        else:
            starts[:, k] = 3 * scale[k] * np.tan(math.pi * (u - 0.5))
    return starts


def _from_many_starts(equations: FixedPointEquations, value: float, box: Mapping[str, tuple[float, float]],
                      regimes: Sequence[FixedPointEquations]) -> list[Array]:
    found: list[Array] = []
    for start in _spread(box, equations.scale):
        z = _newton(equations, np.append(start, value))
        if z is None or any(not low - 1e-9 <= x <= high + 1e-9 for x, (low, high) in zip(z, box.values(), strict=False)):
            continue
        if regime_of(regimes, z) is not equations:
            continue
        weights = equations.weights(z)
        if not any(np.linalg.norm(weights * (z - other)) <= SAME for other in found):
            found.append(z)
    return found


def _newton(equations: FixedPointEquations, z: Array) -> Array | None:
    n = equations.dimension
    with np.errstate(all="ignore"):
        values = equations.residual(z)
        for _ in range(UPDATES):
            matrix = equations.jacobian(z)[:, :n]
            if not (np.all(np.isfinite(values)) and np.all(np.isfinite(matrix))):
                return None
            try:
                update = -np.linalg.solve(matrix, values)
            except np.linalg.LinAlgError:
                return None
            size, share = np.max(np.abs(update) / (equations.scale + np.abs(z[:n]))), 1.0
            if not np.isfinite(size):
                return None
            if size <= 1e-11:
                z = z.copy()
                z[:n] += update
                return z
            before = np.linalg.norm(values)
            for _ in range(6):
                trial = z.copy()
                trial[:n] += share * update
                fresh = equations.residual(trial)
                if np.all(np.isfinite(fresh)) and np.linalg.norm(fresh) < before:
                    break
                share /= 3
            else:
                return None  # a minimum of the residual that is no zero
            z, values = trial, fresh
    return None
