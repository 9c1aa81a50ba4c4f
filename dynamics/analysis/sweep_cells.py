"""The cells of a sweep: what is measured in each, computed many at a time; nothing here raises for a cell."""

from __future__ import annotations

import functools
import logging
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import Lanes, asked_events
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.lane_exponents import lane_exponents
from dynamics.analysis.lane_orbits import attractors_of, orbits_of
from dynamics.analysis.lane_thresholds import OUTCOMES, lane_thresholds
from dynamics.analysis.lyapunov import DEFAULT_DURATION
from dynamics.analysis.regime_flags import REGIMES, regimes_of
from dynamics.analysis.run_arguments import usual_event
from dynamics.analysis.single_cells import process_cell, system_cell
from dynamics.compiled.functions import functions_of
from dynamics.errors import DynamicsError, MissingExtraError
from dynamics.results import STATUS, status_attributes
from dynamics.results.chunked_store import Column
from dynamics.systems import MAGNITUDE, System

__all__ = ["FLOW_MEASURES", "MAP_MEASURES", "Job", "Plan", "columns_of", "compute", "ensemble_of", "events_asked",
           "one_by_one", "own_name", "starts_at_rest"]

Array = NDArray[np.float64]
Report = Callable[[int, int], None]
FLOW_MEASURES = ("regime", "growth_rate", "settled_state", "threshold", "lyapunov")
MAP_MEASURES = ("lyapunov", "period", "settled_state")
DURATION, STEPS, DISCARD = 200.0, 2000, 1000
UNPROVED = (OUTCOMES["not_settled"], OUTCOMES["open_bracket"])
NO_EVENT = ("none", "no_event", "ended_by_no_event")  # the meaning of -1 among the events: a word that is none of them
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is computed in every cell; travels to workers as text and numbers.

    Attributes
    ----------
    system : System or Process
    axes : tuple of str
    measures : tuple of str
    options : mapping
        duration, initial_state, fixed_points (start there), shock, magnitude, event, tolerances, seed, ...
    """

    system: Any
    axes: tuple[str, ...]
    measures: tuple[str, ...]
    options: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        # a worker gets many jobs of one plan: it reads the system once
        return _read, (pickle.dumps((self.system, self.axes, self.measures, dict(self.options))),)

    @property
    def declared(self) -> tuple[str, ...]:
        """Measures that the system declares."""
        return tuple(m for m in self.measures if m in getattr(self.system, "measures", {}))

    @property
    def final(self) -> tuple[str, ...]:
        """States whose final value is measured."""
        return tuple(m for m in self.measures if m not in self.declared and m in getattr(self.system, "states", {}))

    @property
    def observed(self) -> tuple[str, ...]:
        """Observables whose final value is measured; an analysis of the same name goes before one."""
        if not isinstance(self.system, System):
            return ()
        others = {*self.declared, *(MAP_MEASURES if self.system.time == "discrete" else FLOW_MEASURES)}
        return tuple(m for m in self.measures if m in self.system.observables and m not in others)

    @property
    def special(self) -> tuple[str, ...]:
        """Measures that mean an analysis of each cell: regime, threshold, lyapunov, ..."""
        return tuple(m for m in self.measures if m not in (*self.declared, *self.final, *self.observed))


@functools.lru_cache(maxsize=8)
def _read(content: bytes) -> Plan:
    return Plan(*pickle.loads(content))


@dataclass(frozen=True)
class Job:
    """Some cells of a plan: the value of every axis in each, and their numbers in the whole grid.

    ``threads`` is how many threads compiled code may use: one where several workers share the processors.
    """

    plan: Plan
    cells: Mapping[str, Array]
    numbers: NDArray[np.int64]
    threads: int | None = None


def own_name(plan: Plan, name: str) -> str:
    """Name of a variable: an axis of initial values has the name of the state, so its final values need another."""
    return f"final_{name}" if name in plan.axes else name


def columns_of(plan: Plan) -> dict[str, Column]:
    """Return the variables of the result, in order."""
    system, found = plan.system, {}
    unit = f"1/{system.time_unit}" if getattr(system, "time_unit", "1") != "1" else "1"
    for name in plan.measures:
        if name == "regime" and getattr(system, "regimes", None):
            codes = {regime: k for k, regime in enumerate(system.regimes)}
            found[own_name(plan, name)] = _flag({**codes, "not_run": len(codes)}, "not_run")
        elif name in plan.declared:
            part = system.measures[name]
            found[own_name(plan, name)] = _number(part.unit, part.meaning or name.replace("_", " "))
        elif name in plan.final:
            spoken = f"final {name.replace('_', ' ')}"
            if not isinstance(system, System) and not callable(getattr(system, "step", None)):
                spoken = system.states[name].meaning or name.replace("_", " ")
            found[own_name(plan, name)] = _number(system.states[name].unit, spoken)
        elif name in plan.observed:
            found[name] = _number("1", f"final {name.replace('_', ' ')}")
        elif not isinstance(system, System):
            statistic = getattr(system, "statistics", {}).get(name)
            found[own_name(plan, name)] = _number(*statistic) if statistic else Column()
        elif name == "regime":
            found[name] = _flag(REGIMES, "not_run")
        elif name == "growth_rate":
            found[name] = _number(unit, "largest real part of the eigenvalues")
        elif name == "settled_state":
            found |= {f"settled_{s}": _number(p.unit, f"{s.replace('_', ' ')} where it settled")
                      for s, p in system.states.items()}
        elif name == "threshold":
            shock = plan.options["shock"]
            found[name] = _number(system.shocks[shock].unit, f"smallest {shock} shock with the event")
            found["threshold_status"] = _flag({**OUTCOMES, "not_run": 7}, "not_run")
        elif name == "lyapunov":
            found[name] = _number(unit, "largest Lyapunov exponent")
            if system.time == "continuous":
                found["lyapunov_standard_error"] = _number(unit, "standard error of the largest Lyapunov exponent")
        elif name == "period":
            found[name] = Column("int32", -1, {"units": system.time_unit, "long_name": "period of the attractor; 0: none "
                                               "up to the longest looked for, -1: no attractor reached"})
    found["status"] = _flag(STATUS, "not_run")
    if _ends_by_events(plan):
        none = next(word for word in NO_EVENT if word not in system.events)
        found["first_event"] = _flag({none: -1, **{e: k for k, e in enumerate(system.events)}}, none)
    if set(plan.measures) - {"threshold", "growth_rate", "lyapunov", "period"}:
        found["end_time"] = _number(getattr(system, "time_unit", "1"), "time at which the trajectory ended")
    # the values of axes that share a dimension, which a store keeps like results
    found |= {name: Column() for name in plan.options.get("points", ())}
    return found


def _ends_by_events(plan: Plan) -> bool:
    """Whether the result says which event ended each trajectory of a flow."""
    system = plan.system
    if not isinstance(system, System) or system.time != "continuous":
        return False
    runs = set(plan.measures) - {"threshold", "growth_rate", "lyapunov"}
    ending = any(e.terminal for e in system.events.values()) or bool(plan.options["event"])
    return bool(runs) and (ending or plan.options.get("diagram", False))


def _number(unit: str, meaning: str) -> Column:
    return Column("float64", float("nan"), {"units": unit, "long_name": meaning})


def _flag(codes: Mapping[str, int], absent: str) -> Column:
    return Column("int8" if len(codes) < 128 else "int16", codes[absent], status_attributes(codes))


def compute(job: Job, progress: Report | None = None) -> dict[str, NDArray[Any]]:
    """Compute some cells: every column of the plan, flat. At module level, so that it can be sent to a process.

    Parameters
    ----------
    job : Job
    progress : callable, optional
        Called as ``progress(ended, cells)``.

    Raises
    ------
    MissingExtraError
        If compiled code is demanded and there can be none here.
    """
    plan, columns = job.plan, columns_of(job.plan)
    if plan.options["compiled"] and find_spec("llvmlite") is None:
        # numbers of another engine must not be mixed in: this worker cannot take part
        raise MissingExtraError("llvmlite", "distributed", "a worker of a sweep with compiled code")
    values = {name: np.full(len(job.numbers), c.fill, dtype=c.dtype) for name, c in columns.items()}
    try:
        if not isinstance(plan.system, System):
            found = _each(plan, job, process_cell)
        elif plan.system.indices or one_by_one(plan):
            found = _each(plan, job, system_cell)
        elif plan.system.time == "discrete":
            found = _map(plan, job)
        else:
            found = _flow(plan, job, progress)
        values |= {own_name(plan, n) if n in plan.measures else n: v for n, v in found.items()}
    except MissingExtraError:
        # of this machine, not of a cell
        raise
    except (DynamicsError, ArithmeticError, np.linalg.LinAlgError) as error:
        logger.warning("%d cells could not be computed: %s", len(job.numbers), error)
        values["status"][:] = STATUS["error"]
    values |= {name: job.cells[name] for name in plan.options.get("points", ())}
    return {name: values[name].astype(columns[name].dtype, copy=False) for name in columns}


def one_by_one(plan: Plan) -> bool:
    """Whether cells go through the functions for single trajectories: for events that reset states."""
    return any(e.assign for e in plan.system.events.values())


def _each(plan: Plan, job: Job, one: Callable[..., dict[str, float]]) -> dict[str, NDArray[Any]]:
    columns = columns_of(plan)
    names = (*plan.measures, "status", "end_time", *(n for n in ("first_event",) if n in columns))
    values = {name: np.full(len(job.numbers), float(columns[own_name(plan, name)].fill)) for name in names}
    for row, number in enumerate(job.numbers.tolist()):
        cell = {n: float(v[row]) for n, v in job.cells.items()}
        for key, value in one(plan.system, cell, plan.measures, {**plan.options, "number": number}).items():
            if not np.isnan(value):     # a flag has no nan: it stays at not_run
                values[key][row] = value
    return values


# ---- maps ---------------------------------------------------------------------------------------------------------------

def _map(plan: Plan, job: Job) -> dict[str, NDArray[Any]]:
    system, o = plan.system, plan.options
    p, start = _parameters(plan, job), _declared_starts(plan, job)
    shock, size = _shock(plan, job)
    if shock is not None:
        assign = system._parsed.shocks[shock]
        rows = [functions_of(system).names.index(name) for name in assign]
        function = functions_of(system).lane_function(list(assign.values()), MAGNITUDE)
        start[rows] = function(np.zeros(start.shape[1]), start, p, np.broadcast_to(size, start.shape[1:]))
    found: dict[str, NDArray[Any]] = {}
    if plan.special:
        steps, discard = int(o["duration"] or STEPS), DISCARD if o["discard"] is None else int(o["discard"])
        ends = attractors_of(system, p, start, steps, discard, o["longest_period"], "lyapunov" in plan.special,
                             engine=o["engine"], threads=job.threads)
        found = {"lyapunov": ends.lyapunov, "period": ends.period, "status": ends.status,
                 "end_time": np.full(len(job.numbers), float(steps + discard))}
        found |= {f"settled_{n}": np.where(ends.period == 1, v, np.nan)
                  for n, v in zip(system.states, ends.final_state, strict=True)}
    if plan.declared or plan.final or plan.observed:
        orbits = orbits_of(system, p, start, int(o["duration"] or DURATION), plan.declared, o["event"])
        broke = np.isin(orbits.status, [STATUS["diverged"], STATUS["invalid_state"]])
        final = dict(zip(system.states, np.where(broke, np.nan, orbits.final_state), strict=True))
        undecided = orbits.status == STATUS["completed"]
        status = np.where(undecided, found.get("status", orbits.status), orbits.status)
        found |= {**orbits.measures, **{n: final[n] for n in plan.final}, "status": status,
                  "end_time": orbits.final_time}
        seen = _observed(plan, orbits.final_time, orbits.final_state, p)
        found |= {n: np.where(broke, np.nan, values) for n, values in seen.items()}
    wanted = columns_of(plan)
    return {n: v for n, v in found.items() if n in plan.measures or n in wanted}


def _observed(plan: Plan, time: Array, state: Array, p: Array) -> dict[str, Array]:
    """Observables of the last states; nan where they have no finite value."""
    if not plan.observed:
        return {}
    written = [plan.system._parsed.observables[n] for n in plan.observed]
    values = functions_of(plan.system).lane_function(written)(time, state, p)
    return {n: np.where(np.isfinite(row), row, np.nan) for n, row in zip(plan.observed, values, strict=True)}


# ---- flows --------------------------------------------------------------------------------------------------------------

def starts_at_rest(plan: Plan) -> bool:
    """Whether cells start from their own fixed points: not where the whole start is given."""
    whole = set(plan.axes) >= set(plan.system.states)
    return bool(plan.options["fixed_points"]) and not plan.options["initial_state"] and not whole


def ensemble_of(plan: Plan, job: Job) -> Ensemble:
    """The lanes of a job at the states where they start, before a shock.

    Fixed points are derived where lanes start from them, or where they are asked for; else rests are found where
    trajectories end.
    """
    system, lanes = plan.system, len(job.numbers)
    parameters = {n: v for n, v in job.cells.items() if n in system.parameters}
    if starts_at_rest(plan):
        ensemble = Ensemble(system, parameters, lanes, many=True)
        given = {n: v for n, v in job.cells.items() if n in system.states}
        if given:
            # an axis of states varies around the fixed point of each cell
            ensemble.start = ensemble.start.copy()
            for name, values in given.items():
                ensemble.start[ensemble.functions.names.index(name)] = values
        return ensemble
    start = dict(zip(functions_of(system).names, _declared_starts(plan, job), strict=True))
    return Ensemble(system, parameters, lanes, start, many=True, derive="growth_rate" in plan.special)


def events_asked(plan: Plan) -> tuple[str, ...] | None:
    """The events that count as a cascade; the usual one where nothing was said."""
    given = _given_events(plan)
    if given is None:
        usual = usual_event(plan.system)
        return None if usual is None else (usual,)
    return given


def _given_events(plan: Plan) -> tuple[str, ...] | None:
    given = plan.options["event"]
    return (given,) if isinstance(given, str) else None if given is None else tuple(given)


def _flow(plan: Plan, job: Job, progress: Report | None) -> dict[str, NDArray[Any]]:
    o, ensemble = plan.options, ensemble_of(plan, job)
    found: dict[str, NDArray[Any]] = {}
    if "growth_rate" in plan.special:
        growth, known = np.full(ensemble.lanes, np.nan), np.zeros(ensemble.lanes, dtype=bool)
        if ensemble.points is not None:
            known = ensemble.points.which >= 0
            # where every state is free there is no rate
            growth = np.where(np.isfinite(ensemble.points.growth), ensemble.points.growth, np.nan)
        found = {"growth_rate": growth, "status": np.where(known, STATUS["completed"], STATUS["not_run"])}
    if "threshold" in plan.special:
        asked = asked_events(plan.system, _given_events(plan))
        search = lane_thresholds(ensemble, o["shock"], asked, duration=o["duration"], tolerance=o["tolerance"],
                                 engine=o["engine"], threads=job.threads)
        status = np.full(ensemble.lanes, STATUS["completed"])
        status[search.status == OUTCOMES["no_fixed_point"]] = STATUS["not_run"]
        status[np.isin(search.status, UNPROVED)] = STATUS["not_settled"]
        found |= {"threshold": search.value, "threshold_status": search.status, "status": status}
    settling = bool({"regime", "settled_state"} & set(plan.special))
    if settling or plan.declared or plan.final or plan.observed:
        found |= _trajectories(plan, job, ensemble, settling, progress)
    if "lyapunov" in plan.special:
        exponents = _exponents(plan, job, ensemble)
        failed = exponents["status"] != STATUS["completed"]
        status = np.where(failed, exponents["status"], found.get("status", exponents["status"]))
        found |= {**exponents, "status": status}
    return found


def _exponents(plan: Plan, job: Job, ensemble: Ensemble) -> dict[str, NDArray[Any]]:
    """Largest Lyapunov exponents where the trajectory lasts: what ends has no long-run average."""
    o = plan.options
    duration = o["duration"] or DEFAULT_DURATION["continuous"]
    discard = duration / 4 if o["discard"] is None else o["discard"]
    shock, size = _shock(plan, job)
    outcome = ensemble.run(shock, size, event=events_asked(plan), duration=duration + discard,
                           settle=False, relative_tolerance=o["relative_tolerance"],
                           absolute_tolerance=o["absolute_tolerance"], engine=o["engine"], threads=job.threads)
    status = outcome.status.copy()
    found = {"lyapunov": np.full(ensemble.lanes, np.nan), "lyapunov_standard_error": np.full(ensemble.lanes, np.nan),
             "status": status}
    magnitude = np.broadcast_to(np.asarray(size, dtype=float), (ensemble.lanes,))
    start = ensemble.start if shock is None else ensemble.shocked(shock, magnitude)
    lasts = np.flatnonzero(outcome.status == STATUS["not_settled"])
    if lasts.size:
        unsettled = np.empty((0, lasts.size))
        lanes = Lanes(start[:, lasts], ensemble.p[:, lasts], unsettled, unsettled, np.full(lasts.size, float(duration)),
                      o["relative_tolerance"], o["absolute_tolerance"], engine=o["engine"], threads=job.threads)
        exponents = lane_exponents(plan.system, lanes, discard, seed=o["seed"])
        found["lyapunov"][lasts], found["lyapunov_standard_error"][lasts] = exponents.value, exponents.standard_error
        status[lasts] = exponents.status
    return found


def _trajectories(plan: Plan, job: Job, ensemble: Ensemble, settling: bool, progress: Report | None
                  ) -> dict[str, NDArray[Any]]:
    o = plan.options
    shock, size = _shock(plan, job)
    duration = o["duration"] if o["duration"] or settling else DURATION
    outcome = ensemble.run(shock, size, event=events_asked(plan), duration=duration, settle=settling,
                           measures=list(plan.declared), progress=progress,
                           relative_tolerance=o["relative_tolerance"], absolute_tolerance=o["absolute_tolerance"],
                           engine=o["engine"], threads=job.threads)
    status = outcome.status
    if not settling:
        status = np.where(status == STATUS["not_settled"], STATUS["completed"], status)
    found = {**outcome.measures, "status": status, "end_time": outcome.final_time,
             "first_event": outcome.first_event}
    found |= {n: outcome.final_state[ensemble.functions.names.index(n)] for n in plan.final}
    found |= _observed(plan, outcome.final_time, outcome.final_state, ensemble.p)
    if "regime" in plan.special:
        found["regime"] = regimes_of(ensemble, outcome)
    if "settled_state" in plan.special:
        found |= {f"settled_{n}": row for n, row in zip(ensemble.functions.names, outcome.rest, strict=True)}
    return found


# ---- starts and shocks ---------------------------------------------------------------------------------------------------

def _parameters(plan: Plan, job: Job) -> Array:
    current = plan.system.parameter_values
    p = np.empty((len(current), len(job.numbers)))
    for row, name in enumerate(functions_of(plan.system).parameter_names):
        p[row] = job.cells.get(name, current[name])
    return p


def _declared_starts(plan: Plan, job: Job) -> Array:
    """Initial states: declared ones at the parameters of each lane, replaced by given ones and by axes."""
    functions, lanes = functions_of(plan.system), len(job.numbers)
    initial = functions.lane_function([plan.system._parsed.initial[n] for n in functions.names])
    start = initial(np.zeros(lanes), np.zeros((functions.dimension, lanes)), _parameters(plan, job))
    for row, name in enumerate(functions.names):
        if name in job.cells:
            start[row] = job.cells[name]
        elif name in plan.options["initial_state"]:
            start[row] = plan.options["initial_state"][name]
    return start


def _shock(plan: Plan, job: Job) -> tuple[str | None, Any]:
    for name, values in job.cells.items():
        if name.startswith("shock:"):
            return name[6:], values
    return plan.options["shock"], plan.options["magnitude"]
