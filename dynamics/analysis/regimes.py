"""Phase diagrams: what a shock does at every point of a parameter plane, with the boundaries theory draws."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr  # with this module, while the collector rests: every result is a Dataset
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.boundaries import boundaries
from dynamics.analysis.ensemble_runs import asked_events
from dynamics.analysis.refinement import refined
from dynamics.analysis.regime_flags import REGIMES, decided_without_trajectory
from dynamics.analysis.run_arguments import check_magnitude, check_run, usual_event, usual_shock
from dynamics.analysis.spreading import check_executor, spread
from dynamics.analysis.sweep_arguments import described, engine_record, finite_axis
from dynamics.analysis.sweep_cells import Job, Plan, columns_of, compute, ensemble_of, events_asked, starts_at_rest
from dynamics.analysis.sweep_grid import Filled, ProgressBar, axes_record, filled, finished, store_path
from dynamics.analysis.sweep_points import grid_of
from dynamics.analysis.sweeps import sweep
from dynamics.analysis.treatability import treat
from dynamics.analysis.work_budget import check_numbers
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.results import STATUS, provenance
from dynamics.results.labelled import labelled
from dynamics.systems import Process, System

__all__ = ["REGIMES", "phase_diagram"]

Array = NDArray[np.float64]
CELLS = 4096
MAGNITUDE = 0.1
# Regimes that are no decision, in words for one cell and for several.
UNDECIDED = {"not_settled": ("had not settled", "had not settled"), "not_run": ("was not run", "were not run"),
             "diverged": ("diverged", "diverged"), "invalid": ("was invalid", "were invalid")}


def phase_diagram(system: System | Process, x: tuple[str, Sequence[float]], y: tuple[str, Sequence[float]], *,
                  shock: str | None = None, magnitude: float | None = None, event: str | Sequence[str] | None = None,
                  duration: float | None = None, initial_state: Mapping[str, float] | None = None,
                  measures: Sequence[str] = (), parameters: Mapping[str, Any] | None = None,
                  relative_tolerance: float = 1e-6, absolute_tolerance: float = 1e-9, refine: bool = False,
                  executor: Any = None, store: str | Path | None = None, engine: str = "auto", progress: bool = False,
                  seed: int = 0, ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """phase_diagram(system, x=("price_impact", array), y=("target_leverage", array)): regimes over a plane.

    Each cell starts at its own admissible fixed point, is shocked, and is followed until the event, or until it has settled.

    Parameters
    ----------
    system : System or Process
        Continuous time, scalar states; or a Process, which is stepped ``duration`` times or solved in every cell, without a
        shock.
    x, y : (str, sequence of float)
        A parameter, an initial state, or the size of a shock as ``"shock:price"``.
    shock : str, optional
        The shock applied in every cell (unless an axis is a shock). None: ``"price"`` where it is declared, else the only
        one, else none; and no shock where an axis is a state or ``initial_state`` is given, unless there is a ``magnitude``.
    magnitude : float, optional
        Its size, stated in the result. None: 0.1.
    event : str, sequence of str or "any", optional
        What counts as a cascade; every terminal event ends a trajectory. None: ``"insolvency"`` where it is declared, else
        the first terminal event, else none; "any": every terminal event. Other analyses take every terminal event; a diagram
        has colours for two ends, the one that is named (cascades_after_shock) and any other (ended_by_other_event), and with
        every event named the second would never be seen.
    duration : float, optional
        A hard end. None: for each cell what its slowest eigenvalue needs, clipped to 200 ... 20000 time units; what is not
        proved to rest by then is not_settled.
    initial_state : mapping of str to float, optional
        Start everywhere from here (and from declared initial values) instead of from fixed points; these are then not
        derived, and rests are found where trajectories end.
    measures : sequence of str
        Measures of the system to store for each cell; for a Process as in ``sweep``.
    parameters : mapping of str to float, optional
    relative_tolerance, absolute_tolerance : float
    refine : bool
        Compute trajectories only near borders between regimes, usually a tenth of the cells; the others take the regime of
        the rectangle around them, and have the status not_run and no measures. Off by default, because a region smaller
        than a rectangle of the coarse grid that touches no other border can be missed, and because compiled code makes the
        whole grid of a small model about as fast.
    executor : optional
        What computes the cells, as in ``sweep``.
    store : str or Path, optional
        A ``.zarr`` directory to continue in, as in ``sweep``; not with ``refine``.
    engine : {"auto", "kernel", "numpy"}
        Compiled code where it can be used, always, or never.
    progress : bool
        Show a progress bar with rate and remaining time.
    seed : int
        Of a Process with ``step``; every cell has its own stream, by its number.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Of a Process: dims (y, x), ``regime`` where it declares ``regimes``, measures, ``status``, ``end_time``.
        Of a System: dims (y, x), ``regime`` (stable, cascades_after_shock, unstable: the fixed point is, from its
        eigenvalues; insolvent_at_once: by the shock alone; target_above_venue_limit: survives, in a regime where forced
        sales never stop; ended_by_other_event: a terminal event that ``event`` does not name; other_attractor: settles, but
        not at the rest it started from; not_settled: no rest is proved; no_fixed_point; invalid: diverged without the event,
        or has no finite values, ``status`` says which; not_run: stopped by Ctrl-C before, or no fixed point was found where
        algebra does not find them all), ``status``, ``first_event`` (the event that ended the trajectory, or none),
        ``growth_rate`` (largest real part of the eigenvalues), ``end_time``, measures; with ``refine`` also ``evaluated``.
        ``attrs["message"]`` counts the cells without a decision. ``attrs["shock"]`` is "none" where no shock is applied
        though one is declared.
        ``attrs["boundaries"]``: lines of the closed-form conditions, regime by regime; ``attrs["trajectories"]``;
        ``attrs["fixed_points"]``: "all"; or "those in closed form", or "those that continue the ones at the current
        parameters", when there may be others.

    Raises
    ------
    SpecificationError
        For unknown names or axes, and for noise, jumps and resets.
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
    >>> import dynamics as dy, numpy as np
    >>> diagram = dy.phase_diagram(dy.models.load("deleveraging"), x=("price_impact", np.linspace(0.1, 1, 5)),
    ...                            y=("target_leverage", np.linspace(2, 12, 4)))
    >>> diagram["regime"].shape
    (4, 5)
    """
    started = _time.perf_counter()
    check_executor(executor)
    treated = treat(system, "phase_diagram", ignore)
    system = treated.system
    path = store_path(store)
    refine = arguments.flag(refine, "refine")
    if path is not None and (refine or path.suffix != ".zarr"):
        raise SpecificationError("store: a phase diagram is continued in a .zarr directory, and not with refine=True; "
                                 "write the finished one with save")
    system = arguments.replaced(system, parameters)
    if not isinstance(system, System):
        return _of_process(system, x, y, measures, refine, started, duration=duration, initial_state=initial_state,
                           seed=seed, executor=executor, store=store, progress=progress)
    for name, axis in (("x", x), ("y", y)):
        if not isinstance(axis, tuple | list) or len(axis) != 2 or not isinstance(axis[0], str):
            raise SpecificationError(f"{name}: must be (name, values), not {axis!r}")
    measures = arguments.names(measures, "measures")
    (x_name, x_values), (y_name, y_values) = axes = [_axis(system, *axis) for axis in (x, y)]
    if x_name == y_name:
        raise SpecificationError(f"both axes are '{x_name}'; give two different quantities")
    if grid_of({x_name: x[1], y_name: y[1]}, {x_name: x_values, y_name: y_values}, {}).points:
        raise SpecificationError(f"'{x_name}' and '{y_name}' share a dimension: points, and no plane; use sweep for points")
    if x_name.startswith("shock:") and y_name.startswith("shock:"):
        raise SpecificationError("only one axis can be a shock")
    for name in measures:
        if not isinstance(name, str) or name not in system.measures:
            raise SpecificationError(f"measures: '{name}' is not a measure of '{system.name}'."
                                     f"{did_you_mean(str(name), system.measures)}")
    swept = next((name[6:] for name in (x_name, y_name) if name.startswith("shock:")), None)
    if shock is None and swept is None and (magnitude is not None or not _start_given(system, axes, initial_state)):
        shock = usual_shock(system)
    given = check_run(system, duration=duration, shock=shock, magnitude=MAGNITUDE if magnitude is None else magnitude,
                      event=event, relative_tolerance=relative_tolerance, absolute_tolerance=absolute_tolerance,
                      engine=engine, initial_state=initial_state)
    events = given.events or tuple(name for name in (usual_event(system),) if name is not None)
    grid = {y_name: y_values, x_name: x_values}
    options = {"duration": given.duration, "initial_state": dict(initial_state or {}), "diagram": True,
               "fixed_points": True, "shock": shock, "magnitude": given.magnitude,
               "event": events[0] if len(events) == 1 else list(events) or None,
               "relative_tolerance": given.relative_tolerance, "absolute_tolerance": given.absolute_tolerance,
               **engine_record(engine), "measures": list(measures), "axes": axes_record(grid)}
    plan = Plan(system, tuple(grid), ("regime", *measures), options)
    corner = ensemble_of(plan, Job(plan, {name: values[:1] for name, values in grid.items()}, np.zeros(1, dtype=np.int64)))
    if corner.points is not None:
        plan = Plan(system, tuple(grid), ("regime", "growth_rate", *measures), options)
    applied = swept or shock or ("none" if system.shocks else None)
    attributes = provenance(
        "phase_diagram", system, ignored=treated.ignored, method="lanes",
        relative_tolerance=relative_tolerance, options=options,
        absolute_tolerance=absolute_tolerance, event=options["event"],
        boundaries=_boundaries(system, axes) if starts_at_rest(plan) else [], shock=applied,
        magnitude=0.0 if applied == "none" else None if swept or shock is None else given.magnitude,
        fixed_points=None if corner.points is None else corner.points.extent,
        trajectories=x_values.size * y_values.size)
    coordinates = {name: (values, described(system, name)) for name, values in grid.items()}
    if refine:
        found = _near_borders(plan, coordinates, attributes, executor, progress)
    else:
        found = filled(plan, coordinates, attributes, executor=executor, store=path, progress=progress)
    return finished(found, path, _message(found), _time.perf_counter() - started)


def _of_process(process: Any, x: tuple[str, Sequence[float]], y: tuple[str, Sequence[float]], measures: Sequence[str],
                refine: bool, started: float, **more: Any) -> xr.Dataset:
    if refine:
        raise SpecificationError(f"refine: '{getattr(process, 'name', process)}' is a Process; every cell is computed")
    if x[0] == y[0]:
        raise SpecificationError(f"both axes are '{x[0]}'; give two different quantities")
    wanted = [measures] if isinstance(measures, str) else list(measures)
    if getattr(process, "regimes", ()):
        wanted = ["regime", *(m for m in wanted if m != "regime")]
    found = sweep(process, {y[0]: y[1], x[0]: x[1]}, wanted or None, **more)
    return found.assign_attrs(analysis="phase_diagram", boundaries=[], wall_time_s=_time.perf_counter() - started)


def _message(found: Filled) -> str:
    regime = found.dataset["regime"]
    if found.left:
        return f"stopped: {found.left} of {regime.size} cells were not run"
    counts = {name: int(np.sum(regime.values == code)) for name, code in REGIMES.items()}
    away = (found.dataset["status"] == STATUS["diverged"]) & (regime == REGIMES["invalid"])
    counts["diverged"] = int(away.sum())
    counts["invalid"] -= counts["diverged"]
    words: list[str] = []
    for name, (one, many) in UNDECIDED.items():
        if counts[name]:
            of = "" if words else f" of {regime.size} cells"
            words.append(f"{counts[name]}{of} {one if counts[name] == 1 else many}")
    return ", ".join(words) or "every cell was decided"


def _start_given(system: System, axes: Sequence[tuple[str, Any]], initial_state: Mapping[str, Any] | None) -> bool:
    """Whether the start is what is varied or given; it is then not shocked unless a shock is asked for."""
    return bool(initial_state) or any(name in system.states for name, _ in axes)


def _near_borders(plan: Plan, coordinates: Mapping[str, tuple[Array, Mapping[str, Any]]], attributes: Mapping[str, Any],
                  executor: Any, progress: bool) -> Filled:
    """Regimes from the trajectories of few cells; what eigenvalues and the shock alone decide needs none."""
    axes = {name: values for name, (values, _) in coordinates.items()}
    shape = tuple(values.size for values in axes.values())
    # besides what is kept, each cell has its two coordinates
    check_numbers(math.prod(shape) * (2 + len(columns_of(plan))), f"{shape[0]} x {shape[1]} cells",
                  "take fewer values of an axis")
    cells = {name: grid.reshape(-1) for name, grid in zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True)}
    columns = columns_of(plan)
    arrays = {name: np.full(shape, c.fill, dtype=c.dtype) for name, c in columns.items()}
    known = np.empty(shape, dtype=np.int64)
    for first in range(0, known.size, 16 * CELLS):
        part = np.arange(first, min(first + 16 * CELLS, known.size))
        known.flat[part], first_event, growth = _decided(plan, _picked(plan, cells, part))
        at_once = known.flat[part] == REGIMES["insolvent_at_once"]
        arrays["first_event"].flat[part[at_once]] = first_event[at_once]
        if "growth_rate" in arrays:
            arrays["growth_rate"].flat[part] = growth
    with ProgressBar(progress, 0) as bar:
        stopped = False

        def evaluate(wanted: NDArray[np.intp]) -> NDArray[np.int64]:
            nonlocal stopped
            flags = np.full(wanted.size, -1)
            if stopped:
                return flags
            bar.expect(wanted.size)
            pieces = [slice(k, k + CELLS) for k in range(0, wanted.size, CELLS)]
            try:
                for number, values in spread(compute, range(len(pieces)),
                                             lambda k: _picked(plan, cells, wanted[pieces[k]], executor), executor):
                    for name, array in arrays.items():
                        array.flat[wanted[pieces[number]]] = values[name]
                    flags[pieces[number]] = values["regime"]
                    bar.ended(len(values["regime"]))
            except KeyboardInterrupt:
                stopped = True
            return flags

        flags, evaluated = refined(known, evaluate)
    # between cells that were run before a stop nothing is guessed
    regime = np.where(evaluated | (known >= 0), flags, -1) if stopped else flags
    arrays["regime"] = np.where(regime < 0, REGIMES["not_run"], regime).astype(np.int8)
    dims = tuple(axes)
    variables: dict[str, Any] = {name: (dims, array, columns[name].attributes) for name, array in arrays.items()}
    variables["evaluated"] = (dims, evaluated, {"long_name": "whether the trajectory of the cell was computed"})
    count = int(evaluated.sum())
    result = labelled(variables, coordinates, {**attributes, "trajectories": count, "refine": True})
    return Filled(result, count, int(np.sum(regime < 0)))


def _picked(plan: Plan, cells: Mapping[str, Array], numbers: NDArray[np.intp], executor: Any = None) -> Job:
    return Job(plan, {name: values[numbers] for name, values in cells.items()}, numbers.astype(np.int64),
               None if executor is None else 1)


def _decided(plan: Plan, job: Job) -> tuple[NDArray[np.int64], NDArray[np.int64], Any]:
    """Regimes of cells that need no trajectory (-1 for the others), the events at their starts, and growth rates."""
    ensemble = ensemble_of(plan, job)
    shock = next((n[6:] for n in job.cells if n.startswith("shock:")), plan.options["shock"])
    size = np.broadcast_to(job.cells.get(f"shock:{shock}", plan.options["magnitude"]), (ensemble.lanes,))
    state = ensemble.start if shock is None else ensemble.shocked(shock, np.asarray(size, dtype=float))
    events = events_asked(plan)
    first = ensemble.ended_at_start(events, state, plan.options["absolute_tolerance"])
    numbers = [list(plan.system.events).index(name) for name in asked_events(plan.system, events)]
    growth = np.nan if ensemble.points is None else np.where(np.isfinite(ensemble.points.growth), ensemble.points.growth,
                                                             np.nan)
    return decided_without_trajectory(ensemble, np.isin(first, numbers)), first, growth


def _axis(system: System, name: str, values: Sequence[float]) -> tuple[str, Any]:
    array = finite_axis(f"axis '{name}'", values)
    if array.size < 2 or np.any(np.diff(array) <= 0):
        raise SpecificationError(f"axis '{name}': needs at least two finite, increasing values")
    if name.startswith("shock:"):
        if name[6:] not in system.shocks:
            raise SpecificationError(f"axis '{name}': '{name[6:]}' is not a shock of '{system.name}'."
                                     f"{did_you_mean(name[6:], system.shocks)}")
        for value in (array[0], array[-1]):
            check_magnitude(system, name[6:], float(value), f"axis '{name}'")
    elif name in system.parameters:
        for value in (array[0], array[-1]):
            system.with_parameters({name: value})
    elif name not in system.states:
        known = [*system.parameters, *system.states, *(f"shock:{s}" for s in system.shocks)]
        raise SpecificationError(f"axis '{name}' is no parameter, state or shock of '{system.name}'."
                                 f"{did_you_mean(name, known)}")
    return name, array


def _boundaries(system: System, axes: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    # no condition depends on the size of a shock: its axis has a name that occurs nowhere, and lines run along it
    (x, x_values), (y, y_values) = ((name.replace(":", "_of_"), values) for name, values in axes)
    if ({x, y} - {*system.parameters}) & {*system.symbols}:
        return []
    try:
        return boundaries(system, x, x_values, y, y_values)
    except DerivationError:
        return []
