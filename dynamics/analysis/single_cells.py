"""One cell of a sweep through the functions for single trajectories; failures become a status."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynamics.analysis.orbits import iterate
from dynamics.analysis.process_orbits import process_orbit, process_values
from dynamics.analysis.trajectories import apply_shock, integrate
from dynamics.errors import DynamicsError, IntegrationError
from dynamics.results import STATUS
from dynamics.systems import System

__all__ = ["PATH", "process_cell", "system_cell"]

DURATION = 200.0
PATH = "path"
logger = logging.getLogger(__name__)


def system_cell(system: System, cell: Mapping[str, float], measures: Sequence[str], options: Mapping[str, Any]
                ) -> dict[str, float]:
    """Measures, ``status``, ``end_time`` and, where an event ended it, ``first_event`` of one trajectory."""
    try:
        here = system.with_parameters({n: v for n, v in cell.items() if n in system.parameters})
        state: dict[str, Any] = {**here.initial_state(), **options["initial_state"]}
        state.update({n: v for n, v in cell.items() if n in system.states})
        shocks = [(n[6:], v) for n, v in cell.items() if n.startswith("shock:")]
        shock, size = shocks[0] if shocks else (options["shock"], options["magnitude"])
        if shock is not None:
            state = apply_shock(here, state, shock, size)
        duration = options["duration"] or DURATION
        if system.time == "discrete":
            run = iterate(here, int(duration), state)
        else:
            run = integrate(here, duration, state, relative_tolerance=options["relative_tolerance"],
                            absolute_tolerance=options["absolute_tolerance"], times=[0.0, float(duration)])
        ended = {}
        if run.attrs["status"] == "event" and system.time == "continuous":
            ended = {"first_event": float(list(system.events).index(str(run["event_name"].values[-1])))}
        found = run.attrs.get("measures", {})
        values = {n: found.get(n) for n in measures if n in system.measures}
        finals = {n: float(run[n][-1]) for n in measures if n not in values and n in run and run[n].ndim == 1}
        return {**finals, **{n: np.nan if v is None else v for n, v in values.items()},
                "status": float(STATUS[run.attrs["status"]]), "end_time": float(run["time"][-1]), **ended}
    except DynamicsError as error:
        partial = getattr(error, "partial", None)
        status = partial.attrs.get("status", "error") if partial is not None and hasattr(partial, "attrs") else "error"
        return {"status": float(STATUS.get(status, STATUS["error"])), "end_time": np.nan}


def process_cell(process: Any, cell: Mapping[str, float], measures: Sequence[str], options: Mapping[str, Any]
                 ) -> dict[str, float]:
    """Measures, statistics and final states of a stepped process, or numbers of the solution of a solved one.

    A model of one's own can fail in any way; each failure is the status of its cell. The randomness of a cell depends on
    the seed and on its number alone.
    """
    try:
        here = process.with_parameters({n: v for n, v in cell.items() if n in process.parameters})
        if callable(getattr(here, "solve", None)):
            solution = here.solve(process_values(here))
            found, steps = {n: float(solution[n]) for n in measures}, 0
            fate = "not_settled" if solution.attrs.get("status") == "not_settled" else "completed"
        else:
            sequence = np.random.SeedSequence(options["seed"], spawn_key=(options["number"],))
            steps = int(options["duration"] or DURATION)
            axes = {n: v for n, v in cell.items() if n not in process.parameters and n != PATH}
            start = {**options["initial_state"], **axes}
            run = process_orbit(here, steps, start or None, sequence, options["seed"])
            measured = run.attrs.get("measures", {})
            found = {n: float(run[n][-1] if n not in measured else np.nan if measured[n] is None else measured[n])
                     for n in measures}
            fate = "completed"
        if not all(np.isfinite(v) for v in found.values()):
            fate = "invalid_state"
        return {**found, "status": float(STATUS[fate]), "end_time": float(steps)}
    except IntegrationError as error:
        ended = np.nan if error.partial is None else float(error.partial["time"][-1])
        return {"status": float(STATUS["invalid_state"]), "end_time": ended}
    except Exception:  # user code
        logger.info("a cell of '%s' failed", process.name, exc_info=True)
        return {"status": float(STATUS["error"]), "end_time": np.nan}
