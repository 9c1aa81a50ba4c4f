"""Orbits of stepped processes: the same Dataset as that of a map."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.trajectories import dataset_of
from dynamics.analysis.trajectory_measures import measures_of_orbit
from dynamics.compiled.functions import functions_of
from dynamics.errors import IntegrationError, SpecificationError
from dynamics.results import provenance
from dynamics.systems import DeclaredProcess, Process

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["process_orbit", "process_start", "process_values"]


def process_values(process: Process) -> dict[str, Any]:
    """Return what ``step`` and ``solve`` get: floats, arrays in declared shape, sparse matrices where declared so."""
    if not isinstance(process, DeclaredProcess):
        return {name: part.value for name, part in process.parameters.items()}
    declared = process.declaration
    values: dict[str, Any] = {}
    for name, value in process.parameter_values.items():
        values[name] = np.array(value, dtype=float) if process.parameters[name].over else float(value)
    if any(part.sparse for part in process.parameters.values()):
        given = zip(process.parameters, functions_of(declared).parameters(declared), strict=True)
        values |= {name: matrix for name, matrix in given if process.parameters[name].sparse}
    return values


def process_start(process: Process, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the initial state: declared values, replaced by name; all of it where nothing is declared."""
    if isinstance(process, DeclaredProcess):
        functions = functions_of(process.declaration)
        merged = {**process.initial_state(), **(given or {})}
        flat = functions.initial_state(process.declaration, merged)
        return {n: v.copy() if np.ndim(v) else float(v) for n, v in functions.split(flat).items()}
    if given is None:
        raise SpecificationError(f"'{process.name}' is a Process: give its whole initial_state")
    return dict(given)


def process_orbit(process: Any, steps: int, initial_state: Mapping[str, Any] | None, sequence: np.random.SeedSequence,
                  seed: int) -> xr.Dataset:
    """Return the orbit of a process with ``step``; ``iterate`` says what it holds.

    Raises
    ------
    SpecificationError
        For a wrong initial state, or when a step returns other states than it got.
    IntegrationError
        When a step fails in its arithmetic, or a state is no longer finite; ``.partial`` has the orbit before.
    """
    started = _time.perf_counter()
    values, generator = process_values(process), np.random.default_rng(sequence)
    state = process_start(process, initial_state)
    orbit, failure = [state], ""
    for number in range(steps):
        try:
            state = process.step(state, values, generator)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            failure = f"step {number + 1} failed: {error}"
            break
        if number == 0 and set(state) != set(orbit[0]):
            odd = sorted(set(state) ^ set(orbit[0]))
            raise SpecificationError(f"'{process.name}': step must return the states it got, {', '.join(orbit[0])}; "
                                     f"{', '.join(odd)} is only on one side")
        orbit.append(state)
    columns = {name: np.array([s[name] for s in orbit], dtype=float) for name in orbit[0]}
    broken = np.zeros(len(orbit), dtype=bool)
    for column in columns.values():
        broken |= ~np.isfinite(column).reshape(len(orbit), -1).all(axis=1)
    if broken.any():
        end = int(np.argmax(broken))
        columns = {name: column[:max(end, 1)] for name, column in columns.items()}
        failure = f"a state is no longer finite after step {end - 1}"
    attributes = provenance(
        "trajectory", process, initial_state={n: np.asarray(v).tolist() for n, v in orbit[0].items()}, method="iteration",
        steps=steps, seed=seed, status="invalid_state" if failure else "completed",
        message=failure or "reached the last step")
    result = _dataset(process, columns, attributes)
    result.attrs["wall_time_s"] = _time.perf_counter() - started
    if failure:
        raise IntegrationError(f"{failure}; the orbit before it is in the error's .partial", result)
    return result


def _dataset(process: Any, columns: Mapping[str, Any], attributes: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    length = len(next(iter(columns.values())))
    grid = np.arange(length, dtype=float)
    if not isinstance(process, DeclaredProcess):
        variables = {name: (("time", *(f"{name}_{k}" for k in range(column.ndim - 1))), column)
                     for name, column in columns.items()}
        return xr.Dataset(variables, coords={"time": grid}, attrs=dict(attributes))
    declared = process.declaration
    flat = np.concatenate([np.moveaxis(columns[n].reshape(length, -1), 0, 1) for n in declared.states])
    result = dataset_of(declared, grid, flat, [], attributes)
    measured = measures_of_orbit(declared, flat, functions_of(declared).parameters(declared))
    measured |= process.statistics_of(result) if attributes["status"] == "completed" else {}
    result.attrs["measures"] = {n: float(v) if np.isfinite(v) else None for n, v in measured.items()}
    return result
