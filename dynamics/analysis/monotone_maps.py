"""Least and greatest fixed point of a map that preserves order, by iteration from below and from above."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.analysis.treatability import drift_note
from dynamics.compiled.functions import functions_of
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError
from dynamics.results import provenance
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["extremal_fixed_points"]

_ROUNDING = 1e-12  # relative; a step against the order that is smaller than this is rounding


def extremal_fixed_points(system: System, lower: Mapping[str, Any], upper: Mapping[str, Any], *,
                          parameters: Mapping[str, Any] | None = None, tolerance: float = 1e-9,
                          most_steps: int = 100_000) -> xr.Dataset:
    """extremal_fixed_points(system, lower, upper): least and greatest fixed point of an order-preserving map.

    A map on a box that never reverses the order of two states has a least and a greatest fixed point (Tarski); if it is
    continuous, iteration from the lowest corner climbs to the one and from the highest corner descends to the other. That
    the orbits do climb and descend is checked; that the map preserves order everywhere is for the user to know.

    Parameters
    ----------
    system : System in discrete time
    lower, upper : mapping of str to number or array
        The corners: values of states by name; states that are left out start at their initial value. The map must take
        ``lower`` upwards and ``upper`` downwards.
    parameters : mapping of str to number, optional
        New values, by name.
    tolerance : float
        The iteration ends where the Euclidean length of the step is below it.
    most_steps : int
        Steps after which it is given up.

    Returns
    -------
    xarray.Dataset
        Dim ``extremum`` ("least", "greatest"): states and observables there, ``iterations`` (steps made) and ``residual``
        (length of the next step). ``attrs["unique"]``: whether the two agree within a thousand tolerances.

    Raises
    ------
    SpecificationError
        For a flow, names that do not exist, or a lower corner that is not below the upper one.
    DerivationError
        If an orbit moves against the order: the map does not preserve it, or a corner is no corner.
    ConvergenceError
        After ``most_steps``.

    References
    ----------
    A. Tarski, A lattice-theoretical fixpoint theorem and its applications, Pacific Journal of Mathematics 5 (1955) 285-309.

    Examples
    --------
    >>> import dynamics as dy
    >>> root = dy.System(name="root", time="discrete", states={"x": 1}, parameters={"a": 1}, equations={"x": "a*sqrt(x)"})
    >>> dy.extremal_fixed_points(root, {"x": 0}, {"x": 4})["x"].values.round(6).tolist()
    [0.0, 1.0]
    """

    from dynamics.analysis.trajectories import dataset_of

    started = _time.perf_counter()
    if not isinstance(system, System) or system.time != "discrete":
        raise SpecificationError("extremal_fixed_points needs a System in discrete time")
    tolerance = arguments.positive(tolerance, "tolerance")
    most_steps = arguments.whole(most_steps, "most_steps", 1)
    system = arguments.replaced(system, parameters)
    if not system.autonomous:
        raise DerivationError(f"the equations of '{system.name}' contain time: it has no fixed points")
    functions = functions_of(system)
    p = functions.parameters(system)
    corners = [functions.initial_state(system, _filled(system, corner, name))
               for name, corner in (("lower", lower), ("upper", upper))]
    if np.any(corners[0] > corners[1]):
        raise SpecificationError("the lower corner is above the upper one in some state")
    found, counts, residuals = [], [], []
    for state, sign, name in zip(corners, (1.0, -1.0), ("least", "greatest"), strict=True):
        for count in range(most_steps + 1):
            following = functions.field(float(count), state, p)
            step = following - state
            length = float(np.linalg.norm(step))
            if not np.isfinite(length):
                raise ConvergenceError(f"the {name} fixed point: a state is no longer finite after {count} steps")
            if np.any(sign*step < -_ROUNDING*(np.abs(state) + np.abs(following)) - tolerance*_ROUNDING):
                raise DerivationError(
                    f"the {name} fixed point: step {count + 1} goes {'down' if sign > 0 else 'up'} in some state, so the"
                    f" map does not preserve order, or {'lower' if sign > 0 else 'upper'} is not a corner that it takes "
                    f"{'up' if sign > 0 else 'down'}wards; use fixed_points")
            if length < tolerance:
                break
            state = following
        else:
            raise ConvergenceError(f"the {name} fixed point was not reached in {most_steps} steps: the last step was "
                                   f"{length:.2e}, tolerance {tolerance:g}")
        found.append(state)
        counts.append(count)
        residuals.append(length)
    attributes = provenance("extremal_fixed_points", system, method="monotone iteration", tolerance=tolerance,
                            note=drift_note(system, "extremal_fixed_points"),
                            exactness="numeric", status="completed",
                            unique=bool(np.linalg.norm(found[1] - found[0]) < 1000*tolerance),
                            wall_time_s=_time.perf_counter() - started)
    result = dataset_of(system, np.arange(2.0), np.array(found).T, [], attributes)
    result = result.drop_dims("event", errors="ignore").rename(time="extremum").assign_coords(extremum=["least", "greatest"])
    return result.assign(iterations=("extremum", counts, {"units": "1", "long_name": "steps of the map"}),
                         residual=("extremum", residuals, {"units": "1", "long_name": "length of the next step"}))


def _filled(system: System, corner: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Numbers stand for all entries of an indexed state."""
    start = system.initial_state()
    shapes = {name: np.shape(value) for name, value in start.items()}
    given = arguments.mapping(corner, where)
    single = (int, float, np.number)
    return {name: np.full(shapes[name], value) if shapes.get(name) and isinstance(value, single) else value
            for name, value in given.items()}
