"""Where a continuation begins: a fixed point from whatever the user has, corrected, and the direction of its branch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.arclength import StepControl, corrected
from dynamics.analysis.branch_following import regime_of
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.fixed_point_equations import FixedPointEquations
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError, did_you_mean
from dynamics.results import FixedPoint, SpecialPoint
from dynamics.systems import System

__all__ = ["checked_bounds", "checked_box", "regular", "start_values", "started"]

Array = NDArray[np.float64]


def checked_bounds(system: System, name: str, bounds: Any, purpose: str) -> tuple[float, float]:
    """Return the range of a parameter as two floats.

    Raises
    ------
    SpecificationError
    """
    try:
        low, high = (float(value) for value in bounds)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SpecificationError(f"{purpose}: the bounds of '{name}' must be two finite numbers, the lower one first, not "
                                 f"{bounds!r}")
    declared = system.parameters[name].bounds
    if (declared[0] is not None and low < float(declared[0])) or (declared[1] is not None and high > float(declared[1])):
        raise SpecificationError(f"{purpose}: the bounds {low:g} to {high:g} of '{name}' leave its declared range "
                                 f"{declared[0]} to {declared[1]} in '{system.name}'; give bounds inside")
    return low, high


def checked_box(system: System, box: Mapping[str, Any] | None, purpose: str) -> dict[str, tuple[float, float]]:
    """Return finite or infinite bounds of every state: declared ones, replaced by those given.

    Raises
    ------
    SpecificationError
    """
    def end(value: Any, otherwise: float) -> float:
        return otherwise if value is None else float(value)

    found = {name: (end(part.bounds[0], -math.inf), end(part.bounds[1], math.inf)) for name, part in system.states.items()}
    for name, pair in arguments.mapping(box, f"{purpose}: box").items():
        if name not in found:
            raise SpecificationError(f"{purpose}: box: '{name}' is not a state of '{system.name}'."
                                     + did_you_mean(name, found))
        try:
            low, high = end(pair[0], -math.inf), end(pair[1], math.inf)
        except (TypeError, ValueError, IndexError, KeyError, OverflowError):
            low = high = math.nan
        if not low < high:
            raise SpecificationError(f"{purpose}: box.{name} needs a pair (lower, upper), the lower one first, not {pair!r}")
        found[name] = (low, high)
    return found


def start_values(system: System, varied: Sequence[str], bounds: Sequence[tuple[float, float]], start: Any, purpose: str
                 ) -> tuple[System, dict[str, float], dict[str, float]]:
    """Return the system (with the parameters of the start), the states and the varied parameters to begin from.

    Parameters
    ----------
    system : System
    varied : sequence of str
    bounds : sequence of (float, float)
    start : None, mapping, FixedPoint or SpecialPoint
        None: the admissible fixed point at current parameters, a stable one if there is one.
    purpose : str

    Raises
    ------
    SpecificationError
        For names that fit neither states nor parameters, or a varied parameter outside its bounds.
    ConvergenceError
        If there is no fixed point to begin from.
    """
    given: dict[str, Any] = {}
    if isinstance(start, SpecialPoint):
        given = {**start.parameters, **start.state}
    elif isinstance(start, FixedPoint):
        given = dict(start.values)
    elif isinstance(start, Mapping):
        given = dict(start)
    elif start is not None:
        raise SpecificationError(f"{purpose}: start must be a mapping of states, a FixedPoint or a SpecialPoint, not a "
                                 f"{type(start).__name__}")
    known = {**system.parameters, **system.states}
    for name in given:
        if name not in known:
            raise SpecificationError(f"{purpose}: start: '{name}' is neither a state nor a parameter of '{system.name}'."
                                     + did_you_mean(name, known))
    constants = {name: value for name, value in given.items() if name in system.parameters}
    system = system.with_parameters(constants) if constants else system
    values = {name: float(system.parameter_values[name]) for name in varied}
    for name, (low, high) in zip(varied, bounds, strict=True):
        if not low <= values[name] <= high:
            if name in given:
                raise SpecificationError(f"{purpose}: the start has {name} = {values[name]:g}, outside its bounds {low:g} "
                                         f"to {high:g}")
            values[name] = low
    if start is None:
        return system, _chosen(system.with_parameters(values), purpose), values
    initial = system.with_parameters(values).initial_state()
    try:
        states = {name: float(given.get(name, initial[name])) for name in system.states}
    except (TypeError, ValueError):
        raise SpecificationError(f"{purpose}: start: states must be numbers") from None
    return system, states, values


def _chosen(system: System, purpose: str) -> dict[str, float]:
    found = fixed_points(system)
    points = [point for point in found if not point.free]
    if found and not points:
        free = ", ".join(dict.fromkeys(name for point in found for name in point.free))
        raise DerivationError(f"{purpose}: the fixed points of '{system.name}' form lines ({free} can have any value), and "
                              "only isolated ones are continued; bifurcation_conditions tells where they lose stability, "
                              "fixed_points(system, parameters) their eigenvalues at other parameters")
    for wanted in ((True, "stable"), (True, "unstable"), (True, "not determined")):
        for point in points:
            if (point.admissible, point.stability) == wanted:
                return dict(point.values)
    raise ConvergenceError(f"{purpose}: '{system.name}' has no isolated admissible fixed point at these parameters; give "
                           "start, or other parameters")


def started(regimes: Sequence[FixedPointEquations], guess: Array, control: StepControl, purpose: str
            ) -> tuple[FixedPointEquations, Array]:
    """Return the equations of the regime a start lies in, and the fixed point on it.

    The varied parameter is kept where that is possible, and moved where the Jacobian is singular.

    Raises
    ------
    ConvergenceError
        If Newton's method finds no fixed point near the start.
    DerivationError
        If fixed points are not isolated there.
    """
    equations = regime_of(regimes, guess) or regimes[0]
    values, first = equations.residual(guess), equations.jacobian(guess)
    # a special point is taken as it is: where the Jacobian is singular, Newton's method would only move it away
    if np.all(np.abs(values) <= 1e-13 * (np.abs(first) @ np.abs(guess) + equations.scale)):
        return equations, guess
    for _ in range(2):
        row = np.zeros(len(guess))
        row[equations.dimension:] = 1.0
        found = corrected(equations.problem, guess, row, StepControl(most_corrections=30)) if len(equations.varied) == 1 \
            else None
        place = found[0] if found is not None else _nearest(equations, guess)
        if place is None:
            raise ConvergenceError(f"{purpose}: Newton's method finds no fixed point near the start "
                                   f"{_named(equations, guess)}; give one of fixed_points(system)")
        again = regime_of(regimes, place)
        if again is equations:
            return equations, place
        equations = again or equations
    raise ConvergenceError(f"{purpose}: the fixed point near the start {_named(equations, guess)} lies outside the regime "
                           "in which it was found (a virtual one); start from an admissible one")


def _named(equations: FixedPointEquations, z: Array) -> str:
    names = (*equations.system.states, *equations.varied)
    return ", ".join(f"{name}={value:.6g}" for name, value in zip(names, z, strict=False))


def _nearest(equations: FixedPointEquations, guess: Array) -> Array | None:
    """Newton's method with the smallest updates, for more unknowns than equations and singular starts."""
    place = guess.copy()
    for _ in range(40):
        values, first = equations.residual(place), equations.jacobian(place)
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(first))):
            return None
        weights = equations.weights(place)
        update = -np.linalg.lstsq(first / weights, values, rcond=1e-10)[0] / weights
        place = place + update
        size = float(np.linalg.norm(weights * update))
        if size <= 1e-11:
            terms = np.abs(first) @ np.abs(place) + np.abs(first).max()
            return place if np.all(np.abs(equations.residual(place)) <= 1e-9 * np.maximum(terms, 1e-300)) else None
    return None


def regular(equations: FixedPointEquations, z: Array, purpose: str) -> None:
    """Raise DerivationError where fixed points form lines at fixed parameters, as conserved quantities make them."""
    matrix = equations.jacobian(z)[:, :equations.dimension]
    nudged = [equations.jacobian(z * (1 + shift) + shift)[:, :equations.dimension] for shift in (1e-3, -2e-3)]
    if all(np.all(np.isfinite(m)) and np.linalg.matrix_rank(m) < equations.dimension for m in (matrix, *nudged)):
        raise DerivationError(f"{purpose}: the fixed points of '{equations.system.name}' are not isolated (an eigenvalue is "
                              "zero by structure); eliminate the conserved quantity, see conserved_quantities")
