"""Sweeps: measures over any number of named axes; a cell never raises, it has a status."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr  # with this module, while the collector rests: every result is a Dataset
from numpy.typing import NDArray

from dynamics import results
from dynamics.analysis import arguments
from dynamics.analysis.run_arguments import check_run
from dynamics.analysis.spreading import check_executor
from dynamics.analysis.sweep_arguments import (
    axis_of,
    check_discard,
    check_event,
    check_measures,
    check_shock,
    described,
    engine_record,
    process_record,
)
from dynamics.analysis.sweep_cells import Job, Plan, columns_of, ensemble_of, one_by_one
from dynamics.analysis.sweep_grid import Filled, axes_record, check_same, filled, finished, store_path
from dynamics.analysis.sweep_points import grid_of
from dynamics.analysis.treatability import treat
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import STATUS, provenance
from dynamics.systems import Process, System

__all__ = ["sweep"]

Array = NDArray[np.float64]


def sweep(system: System | Process, over: Mapping[str, Any], measure: str | Sequence[str] | None = None, *,
          duration: float | None = None, initial_state: Mapping[str, float] | None = None, shock: str | None = None,
          magnitude: float = 0.0, event: str | Sequence[str] | None = None, executor: Any = None,
          store: str | Path | None = None, relative_tolerance: float = 1e-6, absolute_tolerance: float = 1e-9,
          tolerance: float = 1e-9, discard: float | None = None, longest_period: int = 64, seed: int = 0,
          engine: str = "auto", progress: bool = False, ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """sweep(system, over={"price_impact": array}, measure="max_leverage"): measures at every point of a grid.

    Parameters
    ----------
    system : System or Process
        Flow, map, or a process that is stepped or solved.
    over : mapping of str to sequence of float
        Named axes, any number: parameters, initial states, or ``"shock:price"`` for the size of a shock; for a Process with
        ``step`` also ``"path"``, whose values only count independent runs. Axes given as arrays with a common dimension
        (xarray: columns of a table) are points along it, not an outer product.
    measure : str or sequence of str, optional
        Declared measures; names of states and observables: their final values, as ``final_x`` where ``x`` is an axis; for
        flows also ``"regime"`` (flags as in ``phase_diagram``), ``"threshold"`` (``cascade_threshold`` in every cell),
        ``"settled_state"``, ``"growth_rate"`` and ``"lyapunov"`` (the largest exponent, over 16
        trajectories in each cell, with its standard error; nan where the trajectory ends before);
        for maps ``"lyapunov"``, ``"period"`` and ``"settled_state"``. For a Process: declared measures and statistics,
        names of states and observables after the last step, or of numbers in the solution. None: the declared measures
        (and statistics), and the states of maps.
    duration : float, optional
        Time (steps) of each trajectory. None: 200; for ``"regime"``, ``"settled_state"`` and ``"threshold"`` what each
        cell needs to settle by its slowest eigenvalue; for ``"lyapunov"`` and ``"period"`` of maps 2000 steps.
    initial_state : mapping of str to float, optional
        Where trajectories start; None: declared initial values, but for ``"regime"``, ``"growth_rate"`` and
        ``"threshold"`` the admissible fixed point of each cell.
    shock, magnitude : str, float
        A shock applied in every cell; ``"threshold"`` looks for its size (None: the only one, or ``"price"``).
    event : str, sequence of str or "any", optional
        Events that end trajectories, beside the terminal ones; those ``"regime"`` counts as a cascade (None:
        ``"insolvency"`` where it is declared, else the first terminal one; "any": every terminal one); those
        ``"threshold"`` looks for (None: every terminal one).
    executor : optional
        What computes the chunks: an object with ``submit`` or ``map`` (``concurrent.futures.ProcessPoolExecutor``), a
        ``dask.distributed.Client``, or the address of a dask scheduler as text; None computes here. Results do not depend
        on it, to the last bit. Work of a worker that dies is done again.
    store : str or Path, optional
        ``.zarr``: results go there chunk by chunk, and the same call continues where the last one was stopped or killed;
        damaged chunks are found by their checksums and computed again; the result is opened lazily and may be larger than
        memory. ``.json``, ``.nc``: written at the end, and read back by the same call.
    relative_tolerance, absolute_tolerance : float
    tolerance : float
        Width of the brackets of thresholds.
    discard : float, optional
        Time (steps of a map) before ``"lyapunov"`` and ``"period"`` are measured; None: 1000 steps, for flows a quarter of
        ``duration``.
    longest_period : int
        Longest period looked for.
    seed : int
        Of a Process with ``step``; every cell has its own stream, by its number. For ``"lyapunov"`` of flows: of the
        small differences between the initial states.
    engine : {"auto", "kernel", "numpy"}
        For flows: compiled code where it can be used ("auto"), always, or never.
    progress : bool
        Show a progress bar with rate and remaining time.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        One dim per axis, and one for axes that share it, whose values are coordinates along it: the measures, ``status``
        (flags), ``end_time``, ``first_event`` (which event ended the trajectory, for flows with terminal events). After
        Ctrl-C the cells that were not computed have the status not_run. ``attrs["fixed_points"]`` as in ``phase_diagram``,
        where cells start from them. Of maps, precision_lost: the orbit landed exactly on an unstable cycle, on which only
        rounding keeps it, so it has no period, and its exponent is that of the steps before.

    Raises
    ------
    SpecificationError
        For unknown names or values outside bounds, and for noise, jumps and resets that are not treated, before anything
        is computed.
    DataError
        If ``store`` holds a result of another system or other options (the message says what differs), is damaged, may not
        be read, cannot be written, or is written by another process; and from the values of the result, where what the
        store holds was damaged or lost before they were read.
    IntegrationError
        If the executor is lost (shut down, its scheduler gone); what was computed is kept in ``store``, or in the error's
        ``partial``.
    MissingExtraError
        If ``engine="kernel"`` and llvmlite is missing or does not work.

    Examples
    --------
    >>> import dynamics as dy
    >>> result = dy.sweep(dy.models.load("deleveraging"), {"price_impact": [0.1, 0.3], "shock:price": [0.05, 0.1, 0.2]},
    ...                   measure="max_leverage")
    >>> result["max_leverage"].dims
    ('price_impact', 'shock:price')
    """
    started = _time.perf_counter()
    check_executor(executor)
    if not isinstance(system, System) and not (isinstance(system, Process) and (
            callable(getattr(system, "step", None)) or callable(getattr(system, "solve", None)))):
        raise SpecificationError(f"sweep needs a System or a Process with step or solve, not {type(system).__name__}")
    treated = treat(system, "sweep", ignore)
    system = treated.system
    if not isinstance(over, Mapping):
        raise SpecificationError(f"over: must map names of axes to their values, not {type(over).__name__}")
    axes = {name: axis_of(system, name, values, initial_state) for name, values in over.items()}
    if not axes:
        raise SpecificationError("over: give at least one axis, for example over={'price_impact': [0.1, 0.2]}")
    if sum(name.startswith("shock:") for name in axes) > 1:
        raise SpecificationError("over: only one axis can be a shock")
    measures = check_measures(system, measure)
    threshold = "threshold" in measures and "threshold" not in getattr(system, "measures", {})
    given = check_run(system, duration=duration, shock=shock, magnitude=magnitude, event=event, tolerance=tolerance,
                      relative_tolerance=relative_tolerance, absolute_tolerance=absolute_tolerance, engine=engine)
    shock = check_shock(system, shock, threshold, axes)
    ends = check_event(system, given.events, threshold)
    longest_period = arguments.whole(longest_period, "longest_period", 1)
    seed = arguments.seed_of(seed)
    options = {"duration": given.duration, "initial_state": dict(initial_state or {}),
               "fixed_points": bool({"regime", "growth_rate", "threshold"} & set(measures)), "shock": shock,
               "magnitude": float(magnitude), "event": ends, "relative_tolerance": float(relative_tolerance),
               "absolute_tolerance": float(absolute_tolerance), "tolerance": float(tolerance),
               "discard": check_discard(system, discard),
               "longest_period": longest_period, "seed": seed, **engine_record(engine), "measures": list(measures),
               "axes": axes_record(axes), **process_record(system)}
    plan = Plan(system, tuple(axes), measures, options)
    grid = grid_of(over, axes, {**getattr(system, "states", {}), **system.parameters, **columns_of(plan)})
    if grid.points:
        options["points"] = {name: dim for name, (dim, _) in grid.points.items()}
        # what the points are called is part of the result
        options["labels"] = axes_record({dim: values for dim, values in grid.dims.items() if dim not in axes})
    attributes = provenance(
        "sweep", system, ignored=treated.ignored, fixed_points=_starting_points(plan, axes),
        method=_method(plan), options=options,
        relative_tolerance=relative_tolerance,
        absolute_tolerance=absolute_tolerance, trajectories=math.prod(len(v) for v in grid.dims.values()),
        seed=None if isinstance(system, System) else seed)
    path = store_path(store)
    if path is not None and path.suffix != ".zarr" and path.exists():
        stored = results.open(path)
        check_same(path, getattr(stored, "attrs", {}), attributes)
        return stored
    coordinates = {name: (values, described(system, name) if name in axes else {"long_name": name.replace("_", " ")})
                   for name, values in grid.dims.items()}
    zarr = path if path is not None and path.suffix == ".zarr" else None
    found = filled(plan, coordinates, attributes, executor=executor, progress=progress, store=zarr, points=grid.points)
    result = finished(found, zarr, _message(found), _time.perf_counter() - started)
    if grid.points:
        result = result.drop_vars(list(grid.points)).assign_coords(
            {name: (dim, values, described(system, name)) for name, (dim, values) in grid.points.items()})
    if path is not None and zarr is None and not found.left:
        results.save(result, path)
    return result


def _message(found: Filled) -> str:
    status = found.dataset["status"]
    if found.left:
        return f"stopped: {found.left} of {status.size} cells were not run"
    # a part at a time: the result may be larger than memory
    rows = max(1, 1_000_000 // max(1, math.prod(status.shape[1:])))
    counts = np.zeros(len(STATUS), dtype=int)
    for first in range(0, len(status), rows):
        counts += np.bincount(status[first: first + rows].values.reshape(-1), minlength=len(STATUS))
    unsettled = int(counts[STATUS["not_settled"]])
    rounded = int(counts[STATUS["precision_lost"]])
    failed = status.size - unsettled - rounded - int(counts[[STATUS[n] for n in ("completed", "event", "settled")]].sum())
    counted = ((failed, "did not complete"), (unsettled, "had not settled"),
               (rounded, "landed on an unstable cycle by rounding, which ends their chaos"))
    return "; ".join(f"{n} of {status.size} cells {what}" for n, what in counted if n) or "every cell completed"


def _starting_points(plan: Plan, axes: Mapping[str, Array]) -> str | None:
    """Which fixed points cells start from, None where from elsewhere; faults of every cell are raised before any is run."""
    system = plan.system
    if not isinstance(system, System):
        return None
    if plan.special and system.indices:
        raise SpecificationError(f"measure '{plan.special[0]}' needs scalar states; use system.expand(), or measures of "
                                 "single trajectories")
    if plan.special:
        treat(system, "sweep of attractors", purpose=f"sweep of '{plan.special[0]}'")
    if "lyapunov" in plan.special and system.time == "continuous" and not system.autonomous:
        raise SpecificationError(f"measure 'lyapunov': '{system.name}' depends on time; make time a state")
    if system.time == "continuous" and not system.indices:
        first = Job(plan, {name: values[:1] for name, values in axes.items()}, np.zeros(1, dtype=np.int64))
        try:
            points = ensemble_of(plan, first).points
        except DerivationError as error:
            raise SpecificationError(str(error)) from None
        if points is not None and plan.options["fixed_points"] and not plan.options["initial_state"]:
            return points.extent
    return None


def _method(plan: Plan) -> str:
    if not isinstance(plan.system, System):
        return type(plan.system).__name__
    if plan.system.time == "discrete":
        return "iteration"
    return "integrate, cell by cell" if plan.system.indices or one_by_one(plan) else "lanes"
