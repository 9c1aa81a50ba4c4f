"""Trajectories of flows: ``integrate`` over SciPy's methods, and instantaneous shocks."""

from __future__ import annotations

import sys
import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.integration_methods import method_of
from dynamics.analysis.paths import follow, raise_for
from dynamics.analysis.trajectory_measures import measures_of
from dynamics.analysis.treatability import treat
from dynamics.analysis.work_budget import check_length, check_numbers
from dynamics.compiled.functions import functions_of
from dynamics.errors import IntegrationError, SpecificationError, did_you_mean
from dynamics.results import provenance
from dynamics.results.labelled import labelled
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["apply_shock", "integrate"]


def integrate(system: System, duration: float, initial_state: Mapping[str, Any] | None = None,
              parameters: Mapping[str, Any] | None = None, times: Sequence[float] | None = None, method: str = "LSODA",
              relative_tolerance: float = 1e-8, absolute_tolerance: float = 1e-10, *,
              ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """integrate(system, duration): a trajectory with its observables, events and measures.

    Parameters
    ----------
    system : System
        Continuous time.
    duration : float
        In the system's time unit.
    initial_state : mapping of str to float, optional
        Replaces declared initial values by name.
    parameters : mapping of str to float, optional
        Replaces parameter values by name.
    times : sequence of float, optional
        Output times within [0, duration]; 1001 equally spaced points and the times of the events when None.
    method : {"LSODA", "RK45", "RK23", "DOP853", "Radau", "BDF"}
        LSODA, Radau and BDF hold a full matrix; with more than 10,000 states RK45 takes the place of LSODA, and the result
        says so.
    relative_tolerance, absolute_tolerance : float
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Dim ``time``: states and observables (indexed ones with their index dims); dim ``event``: ``event_time`` and
        ``event_name``; attrs: measures, provenance. Ends early at a terminal event;
        a start that lies beyond one (on its far side, by more than rounding) has ended with it at time 0.

    Raises
    ------
    SpecificationError
        For names that do not exist, a system in discrete time (use ``iterate``), or noise and jumps (use ``simulate``).
    IntegrationError
        When the trajectory diverges, becomes invalid or cannot be continued; ``.partial`` has the part before.

    Notes
    -----
    Switches of the field (``max``, piecewise terms) are located and integration starts anew there, so a margin call does
    not cost accuracy. Jacobians are exact.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> run = dy.integrate(system, duration=50, initial_state=dy.apply_shock(system, system.initial_state(), "price", 0.1))
    >>> round(float(run["leverage"].max()), 4)
    8.6309
    """
    started = _time.perf_counter()
    _continuous(system)
    treated = treat(system, "integrate", ignore)
    system = treated.system
    if parameters is not None:
        system = system.with_parameters(parameters)
    duration = _positive(duration, "duration")
    relative_tolerance = _positive(relative_tolerance, "relative_tolerance")
    absolute_tolerance = _positive(absolute_tolerance, "absolute_tolerance")
    functions = functions_of(system)
    start = functions.initial_state(system, initial_state)
    method = method_of(method, start.size)
    output = np.empty(0) if times is None else _output_times(times, duration, start.size + len(system.observables))
    path = follow(system, duration, start, method=method, relative_tolerance=relative_tolerance,
                  absolute_tolerance=absolute_tolerance)
    end = path.times[-1]
    if times is None:
        grid = np.linspace(0.0, end, 1001) if end > 0 else np.array([0.0])
        grid = np.unique(np.concatenate([grid, [h.time for h in path.happenings if h.time <= end]]))
    else:
        grid = output[output <= end]
    attributes = provenance(
        "trajectory", system, initial_state={n: _plain(v) for n, v in functions.split(start).items()}, method=method,
        relative_tolerance=relative_tolerance, absolute_tolerance=absolute_tolerance, duration=duration,
        status=path.status, message=path.message, ignored=treated.ignored, function_evaluations=path.field_evaluations,
        jacobian_evaluations=path.jacobian_evaluations, accepted_steps=len(path.times) - 1)
    result = dataset_of(system, grid, path.at(grid), [(h.name, h.time) for h in path.happenings], attributes)
    if path.status in ("completed", "event"):
        measures = measures_of(system, path, list(system.measures), functions.parameters(system))
        result.attrs["measures"] = {n: None if not np.isfinite(v) else v for n, v in measures.items()}
        if warnings := out_of_bounds(system, measures):
            result.attrs["warnings"] = warnings
    result.attrs["wall_time_s"] = _time.perf_counter() - started
    raise_for(path, result)
    return result


def apply_shock(system: System, state: Mapping[str, Any], shock: str, magnitude: float) -> dict[str, Any]:
    """apply_shock(system, state, "price", 0.1): the state just after an instantaneous shock.

    Parameters
    ----------
    system : System
    state : mapping of str to float
        A whole state, or part of one (the rest are initial values).
    shock : str
        A declared shock.
    magnitude : float
        In the shock's unit; positive is adverse.

    Returns
    -------
    dict of str to float (array when indexed)

    Raises
    ------
    SpecificationError
        For an unknown shock, or a magnitude outside the shock's bounds.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> after = dy.apply_shock(system, system.initial_state(), "price", 0.1)
    >>> round(after["equity_ratio"], 6)
    0.115863
    """
    if not isinstance(system, System):
        raise SpecificationError(f"apply_shock needs a System, not {type(system).__name__}")
    if not isinstance(shock, str) or shock not in system.shocks:
        raise SpecificationError(f"'{shock}' is not a shock of '{system.name}'.{did_you_mean(str(shock), system.shocks)}"
                                 f" There are {', '.join(system.shocks) or 'none'}")
    low, high = system.shocks[shock].bounds
    if isinstance(magnitude, bool) or not isinstance(magnitude, (int, float, np.integer, np.floating)):
        raise SpecificationError(f"shock '{shock}': the magnitude must be a number, not {magnitude!r}")
    # a whole number can be larger than any double
    finite = abs(magnitude) <= sys.float_info.max
    if not finite or (low is not None and magnitude < low) or (high is not None and magnitude > high):
        raise SpecificationError(f"shock '{shock}': the magnitude {magnitude!r} is outside its bounds "
                                 f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]")
    functions = functions_of(system)
    flat = functions.initial_state(system, state)
    after = functions.shocks[shock](flat, float(magnitude), functions.parameters(system))
    if not np.all(np.isfinite(after)):
        raise IntegrationError(f"shock '{shock}' of magnitude {magnitude:g} leads to a state that is not finite")
    return {name: _plain(value) for name, value in functions.split(after).items()}


def out_of_bounds(system: System, measures: Mapping[str, float]) -> list[str]:
    """Say which measures lie where the model's reading no longer holds."""
    warnings = []
    for name, value in measures.items():
        low, high = system.measures[name].bounds
        if (low is not None and value < low) or (high is not None and value > high):
            limit = f"below {float(low):g}" if low is not None and value < low else f"above {float(high):g}"
            warnings.append(f"{name} = {value:.3g} lies {limit}: beyond that the model's reading of "
                            f"'{system.measures[name].meaning or name}' does not hold")
    return warnings


def dataset_of(system: System, grid: Any, states: Any, happenings: Sequence[tuple[str, float]],
               attributes: Mapping[str, Any]) -> xr.Dataset:
    """Return a trajectory as a Dataset: states, observables, events; ``states`` has shape (dimension, time)."""
    functions = functions_of(system)
    p = functions.parameters(system)
    variables: dict[str, Any] = {}
    for name, values in functions.split(states).items():
        state = system.states[name]
        variables[name] = ((*state.over, "time"), values,
                           {"units": state.unit, "long_name": state.meaning or name.replace("_", " ")})
    for name, function in functions.observables.items():
        over = system.over.get(name, ())
        shape = tuple(system.indices[i] for i in over)
        rows = [function(t, y, p) for t, y in zip(grid, np.asarray(states).T, strict=True)]
        values = np.array(rows).T.reshape((*shape, len(grid)))
        variables[name] = ((*over, "time"), values, {"units": "1", "long_name": name.replace("_", " ")})
    coordinates = {"time": (np.asarray(grid), {"units": system.time_unit, "long_name": "time"})}
    variables["event_time"] = (("event",), np.array([t for _, t in happenings], dtype=float), {"units": system.time_unit})
    variables["event_name"] = (("event",), np.array([n for n, _ in happenings], dtype=str), {})
    return labelled(variables, coordinates, attributes)


def _plain(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value).tolist()


def _output_times(times: Any, duration: float, quantities: int) -> Any:
    """Return the times at which a trajectory is wanted: increasing, within the duration, and not too many to keep."""
    check_length(times, "times")
    try:
        grid = np.asarray(times, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise SpecificationError(f"times: needs a list of increasing numbers, not {type(times).__name__}") from None
    check_numbers(grid.size * quantities, f"times: {grid.size} times of {quantities} quantities", "take fewer times")
    # a comparison with nan is never true, so that nan is none of the increasing ones
    increasing = grid.ndim == 1 and bool(np.all(np.diff(grid) >= 0))
    if not increasing or (grid.size and not 0 <= grid[0] <= grid[-1] <= duration):
        raise SpecificationError(f"times must increase and lie within [0, {duration:g}]")
    return grid


def _continuous(system: Any) -> None:
    if not isinstance(system, System):
        raise SpecificationError(f"integrate needs a System, not {type(system).__name__}; a Process is stepped with iterate")
    if system.time != "continuous":
        raise SpecificationError(f"'{system.name}' is a map (time = 'discrete'); use iterate(system, steps)")


def _positive(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not (number > 0 and np.isfinite(number)):
        raise SpecificationError(f"{name} must be a positive number, not {value!r}")
    return number
