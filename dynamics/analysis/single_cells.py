"""One cell of a sweep through the functions for single trajectories; failures become a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynamics.analysis.orbits import iterate
from dynamics.analysis.trajectories import apply_shock, integrate
from dynamics.errors import DynamicsError
from dynamics.results import STATUS
from dynamics.systems import System

__all__ = ["process_cell", "system_cell"]

DURATION = 200.0


def system_cell(system: System, cell: Mapping[str, float], measures: Sequence[str], options: Mapping[str, Any]
                ) -> dict[str, float]:
    """Measures, ``status`` and ``end_time`` of one trajectory."""
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
        found = run.attrs.get("measures", {})
        values = {n: found.get(n) for n in measures if n in system.measures}
        finals = {n: float(run[n][-1]) for n in measures if n not in values and n in run and run[n].ndim == 1}
        return {**finals, **{n: np.nan if v is None else v for n, v in values.items()},
                "status": float(STATUS[run.attrs["status"]]), "end_time": float(run["time"][-1])}
    except DynamicsError as error:
        partial = getattr(error, "partial", None)
        status = partial.attrs.get("status", "error") if partial is not None and hasattr(partial, "attrs") else "error"
        return {"status": float(STATUS.get(status, STATUS["error"])), "end_time": np.nan}


def process_cell(process: Any, cell: Mapping[str, float], measures: Sequence[str], options: Mapping[str, Any]
                 ) -> dict[str, float]:
    """Final state of a stepped process, or numbers of the solution of a solved one.

    A model of one's own can fail in any way; each failure is the status of its cell. The randomness of a cell depends on
    the seed and on its number alone.
    """
    try:
        here = process.with_parameters({n: v for n, v in cell.items() if n in process.parameters})
        values = {name: part.value for name, part in here.parameters.items()}
        if callable(getattr(here, "solve", None)):
            solution = here.solve(values)
            found, steps = {n: float(solution[n]) for n in measures}, 0
        else:
            sequence = np.random.SeedSequence(options["seed"], spawn_key=(options["number"],))
            generator, steps = np.random.default_rng(sequence), int(options["duration"] or DURATION)
            state = {**options["initial_state"], **{n: v for n, v in cell.items() if n not in process.parameters}}
            for _ in range(steps):
                state = dict(here.step(state, values, generator))
            found = {n: float(np.asarray(state[n], dtype=float)) for n in measures}
        finite = all(np.isfinite(v) for v in found.values())
        return {**found, "status": float(STATUS["completed" if finite else "invalid_state"]), "end_time": float(steps)}
    except Exception:  # user code
        return {"status": float(STATUS["error"]), "end_time": np.nan}
