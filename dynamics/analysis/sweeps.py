"""Sweeps: measures over any number of named axes; a cell never raises, it has a status."""

from __future__ import annotations

import itertools
import time as _time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.orbits import iterate
from dynamics.analysis.trajectories import apply_shock, integrate
from dynamics.errors import DataError, DynamicsError, SpecificationError, did_you_mean
from dynamics.results import STATUS, open, provenance, save, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["sweep"]

Array = NDArray[np.float64]
CHUNK = 4096


def sweep(system: System, over: Mapping[str, Sequence[float]], measure: str | Sequence[str] | None = None, *,
          duration: float = 200.0, initial_state: Mapping[str, float] | None = None, shock: str | None = None,
          magnitude: float = 0.0, event: str | None = None, executor: Any = None, store: str | Path | None = None,
          relative_tolerance: float = 1e-6, absolute_tolerance: float = 1e-9, progress: bool = False) -> xr.Dataset:
    """sweep(system, over={"price_impact": array}, measure="max_leverage"): measures at every point of a grid.

    Parameters
    ----------
    system : System
        Flow or map.
    over : mapping of str to sequence of float
        Named axes, any number: parameters, initial states, or ``"shock:price"`` for the size of a shock.
    measure : str or sequence of str, optional
        Measures of the system; all of them when None. For maps also the names of states: their final values, as
        ``final_x`` where ``x`` is an axis.
    duration : float
        Time (steps of a map) of each trajectory.
    initial_state : mapping of str to float, optional
        Where trajectories start; None: declared initial values.
    shock, magnitude : str, float
        A shock applied in every cell.
    event : str, optional
        An event that ends trajectories, beside the terminal ones.
    executor : object with ``map``, optional
        For example a ``concurrent.futures.ProcessPoolExecutor``; None computes here. Results do not depend on it.
    store : str or Path, optional
        ``.json``, ``.nc`` or ``.zarr``: the result is written there, and read back instead of computed again when it was
        made by the same call.
    relative_tolerance, absolute_tolerance : float
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.Dataset
        One dim per axis: the measures, ``status`` (flags), ``end_time``.

    Raises
    ------
    SpecificationError
        For unknown names or values outside bounds, before anything is computed.
    DataError
        If ``store`` holds a result of another system or other options; the message says what differs.

    Examples
    --------
    >>> import dynamics as dy
    >>> result = dy.sweep(dy.models.load("deleveraging"), {"price_impact": [0.1, 0.3], "shock:price": [0.05, 0.1, 0.2]},
    ...                   measure="max_leverage")
    >>> result["max_leverage"].dims
    ('price_impact', 'shock:price')
    """
    import xarray as xr

    started = _time.perf_counter()
    if not isinstance(system, System):
        raise SpecificationError(f"sweep needs a System, not {type(system).__name__}; step a Process with iterate, once for "
                                 "each parameter set")
    axes = {name: _axis(system, name, values) for name, values in over.items()}
    if not axes:
        raise SpecificationError("over: give at least one axis, for example over={'price_impact': [0.1, 0.2]}")
    measures = _measures(system, measure)
    options = {"duration": float(duration), "initial_state": dict(initial_state or {}), "shock": shock,
               "magnitude": float(magnitude), "event": event, "relative_tolerance": float(relative_tolerance),
               "absolute_tolerance": float(absolute_tolerance), "measures": list(measures),
               "axes": {name: values.tolist() for name, values in axes.items()}}
    if shock is not None and shock not in system.shocks:
        raise SpecificationError(f"'{shock}' is not a shock of '{system.name}'.{did_you_mean(shock, system.shocks)}")
    if shock is not None:
        _within_bounds(system, shock, [float(magnitude)], "magnitude")
    if event is not None and event not in system.events:
        raise SpecificationError(f"'{event}' is not an event of '{system.name}'.{did_you_mean(event, system.events)}")
    if store is not None and Path(store).exists():
        return _stored(store, system, options)
    cells = np.array(list(itertools.product(*axes.values())))
    chunks = [cells[k: k + CHUNK] for k in range(0, len(cells), CHUNK)]
    jobs = [(system, tuple(axes), chunk, options) for chunk in chunks]
    mapped = map(_chunk, jobs) if executor is None else executor.map(_chunk, jobs)
    parts = list(_with_bar(mapped, len(jobs), progress))
    shape = tuple(len(values) for values in axes.values())
    dims = tuple(axes)
    columns = {key: np.concatenate([part[key] for part in parts]).reshape(shape) for key in parts[0]}
    # an axis of initial values has the name of the state: its final values need another
    variables: dict[str, Any] = {f"final_{name}" if name in axes else name: (dims, columns[name], _described(system, name))
                                 for name in measures}
    variables["status"] = (dims, columns["status"].astype(np.int64), status_attributes())
    variables["end_time"] = (dims, columns["end_time"], {"units": system.time_unit})
    coordinates = {name: (name, values, {"units": _unit(system, name)}) for name, values in axes.items()}
    failed = int(np.sum(columns["status"] >= STATUS["diverged"]))
    result = xr.Dataset(variables, coords=coordinates, attrs=provenance(
        "sweep", system, method="Rodas5P lanes" if system.time == "continuous" else "iteration", options=options,
        relative_tolerance=relative_tolerance, absolute_tolerance=absolute_tolerance, trajectories=len(cells),
        message=f"{failed} of {len(cells)} cells did not complete" if failed else "every cell completed",
        wall_time_s=_time.perf_counter() - started))
    if store is not None:
        save(result, store)
    return result


def _axis(system: System, name: str, values: Sequence[float]) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not array.size or not np.all(np.isfinite(array)):
        raise SpecificationError(f"over.{name}: needs a list of finite numbers")
    known = [*system.parameters, *system.states, *(f"shock:{s}" for s in system.shocks)]
    if name not in known:
        raise SpecificationError(f"over.{name}: no parameter, state or shock of '{system.name}'.{did_you_mean(name, known)}")
    if name in system.parameters:
        for value in array:
            system.with_parameters({name: value})
    if name.startswith("shock:"):
        _within_bounds(system, name[6:], array.tolist(), f"over.{name}")
    return array


def _within_bounds(system: System, shock: str, magnitudes: Sequence[float], where: str) -> None:
    low, high = system.shocks[shock].bounds
    for value in magnitudes:
        if not np.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
            raise SpecificationError(f"{where}: {value!r} is outside the bounds of the shock '{shock}' "
                                     f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]")


def _measures(system: System, measure: str | Sequence[str] | None) -> tuple[str, ...]:
    known = [*system.measures, *(system.states if system.time == "discrete" else ())]
    if measure is None:
        return tuple(n for n in known if n not in system.measures or system.measures[n].reduction != "drawdown")
    names = (measure,) if isinstance(measure, str) else tuple(measure)
    for name in names:
        if name not in known:
            raise SpecificationError(f"measure '{name}' is not one of '{system.name}'.{did_you_mean(name, known)}"
                                     f" There are {', '.join(known) or 'none'}")
    return names


def _chunk(job: tuple[System, tuple[str, ...], Array, Mapping[str, Any]]) -> dict[str, Array]:
    """Compute the cells of one chunk; at module level, so that it can be sent to a process."""
    system, names, cells, options = job
    if system.time == "continuous" and not system.indices and not any(
            system.measures[m].reduction == "drawdown" for m in options["measures"]):
        return _lanes(system, names, cells, options)
    columns = {key: np.full(len(cells), np.nan) for key in (*options["measures"], "status", "end_time")}
    for row, cell in enumerate(cells):
        for key, value in _single(system, dict(zip(names, cell.tolist(), strict=True)), options).items():
            columns[key][row] = value
    return columns


def _lanes(system: System, names: tuple[str, ...], cells: Array, options: Mapping[str, Any]) -> dict[str, Array]:
    varied = {n: cells[:, k] for k, n in enumerate(names)}
    parameters = {n: v for n, v in varied.items() if n in system.parameters}
    values: dict[str, Any] = _starts(system, parameters, len(cells))
    values |= options["initial_state"]
    values |= {n: v for n, v in varied.items() if n in system.states}
    ensemble = Ensemble(system, parameters, len(cells), values)
    shocks = [(n[6:], v) for n, v in varied.items() if n.startswith("shock:")]
    shock, size = shocks[0] if shocks else (options["shock"], options["magnitude"])
    if len(shocks) > 1:
        raise SpecificationError("over: only one axis can be a shock")
    terminal = next((n for n, e in system.events.items() if e.terminal), None)
    outcome = ensemble.run(shock, size, event=options["event"] or terminal, duration=options["duration"],
                           measures=options["measures"], relative_tolerance=options["relative_tolerance"],
                           absolute_tolerance=options["absolute_tolerance"], settle=False)
    status = np.where(outcome.status == STATUS["not_settled"], STATUS["completed"], outcome.status)
    return {**outcome.measures, "status": status.astype(float), "end_time": outcome.final_time}


def _starts(system: System, parameters: Mapping[str, Array], lanes: int) -> dict[str, Any]:
    """Declared initial values at the parameters of each lane."""
    from dynamics.compiled.functions import functions_of

    functions = functions_of(system)
    p = np.empty((len(functions.parameter_names), lanes))
    current = system.parameter_values
    for row, name in enumerate(functions.parameter_names):
        p[row] = parameters.get(name, current[name])
    initial = functions.lane_function([system._parsed.initial[n] for n in functions.names])
    return dict(zip(functions.names, initial(np.zeros(lanes), np.zeros((functions.dimension, lanes)), p), strict=True))


def _single(system: System, cell: Mapping[str, float], options: Mapping[str, Any]) -> dict[str, float]:
    """One cell through the single-trajectory functions; failures become a status."""
    try:
        here = system.with_parameters({n: v for n, v in cell.items() if n in system.parameters})
        state: dict[str, Any] = {**here.initial_state(), **options["initial_state"]}
        state.update({n: v for n, v in cell.items() if n in system.states})
        shocks = [(n[6:], v) for n, v in cell.items() if n.startswith("shock:")]
        shock, size = shocks[0] if shocks else (options["shock"], options["magnitude"])
        if shock is not None:
            state = apply_shock(here, state, shock, size)
        if system.time == "discrete":
            run = iterate(here, int(options["duration"]), state)
            finals = {n: float(run[n][-1]) for n in options["measures"] if n in system.states}
        else:
            run = integrate(here, options["duration"], state, relative_tolerance=options["relative_tolerance"],
                            absolute_tolerance=options["absolute_tolerance"], times=[0.0])
            finals = {}
        values = {n: run.attrs.get("measures", {}).get(n) for n in options["measures"] if n not in finals}
        return {**finals, **{n: np.nan if v is None else v for n, v in values.items()},
                "status": float(STATUS[run.attrs["status"]]), "end_time": float(run["time"][-1])}
    except DynamicsError as error:
        partial = getattr(error, "partial", None)
        status = partial.attrs.get("status", "error") if partial is not None and hasattr(partial, "attrs") else "error"
        return {"status": float(STATUS.get(status, STATUS["error"])), "end_time": np.nan}


def _stored(store: str | Path, system: System, options: Mapping[str, Any]) -> xr.Dataset:
    found = open(store)
    attributes = getattr(found, "attrs", {})
    if attributes.get("analysis") != "sweep":
        raise DataError(f"{store}: holds no sweep; give another store")
    if attributes.get("system_sha256") != system.sha256:
        raise DataError(f"{store}: was made with another system or other parameter values ('{attributes.get('system')}'); "
                        "give another store, or delete it")
    before = attributes.get("options", {})
    different = [key for key in options if before.get(key) != options[key]]
    if different:
        raise DataError(f"{store}: was made with other options ({', '.join(different)}); give another store, or delete it")
    return found


def _with_bar(parts: Any, count: int, show: bool) -> Any:
    if not show:
        return parts
    from tqdm.auto import tqdm

    return tqdm(parts, total=count, unit="chunk", leave=False)


def _described(system: System, name: str) -> dict[str, Any]:
    if name in system.measures:
        return {"units": system.measures[name].unit, "long_name": system.measures[name].meaning or name.replace("_", " ")}
    return {"units": system.states[name].unit, "long_name": f"final {name.replace('_', ' ')}"}


def _unit(system: System, name: str) -> str:
    if name.startswith("shock:"):
        return system.shocks[name[6:]].unit
    return (system.parameters.get(name) or system.states[name]).unit

