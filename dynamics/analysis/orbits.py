"""Orbits of maps and of stepped processes."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.collapsed_orbits import LONGEST_CYCLE, held_cycles, near, surely_stable
from dynamics.analysis.process_orbits import process_orbit
from dynamics.analysis.start_sides import terminal_behind
from dynamics.analysis.trajectories import dataset_of
from dynamics.analysis.trajectory_measures import measures_of_orbit
from dynamics.analysis.treatability import treat
from dynamics.analysis.work_budget import check_numbers
from dynamics.compiled.functions import functions_of
from dynamics.errors import IntegrationError, SpecificationError
from dynamics.results import provenance
from dynamics.systems import Process, System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["iterate"]

# Multipliers of an orbit's cycle below this are taken as neutral, as those of states that only copy themselves are: what
# leaves so slowly is not lost within an orbit's steps, and exact derivatives of large maps take many seconds.
SLOWLY = 1.001
MOST_SCALARS = 24   # above, as for symbolic work, cycles are not looked at
STEP = 20           # numbers that fit where one state is kept until the orbit is whole


def iterate(system: System | Process, steps: int, initial_state: Mapping[str, Any] | None = None,
            parameters: Mapping[str, Any] | None = None, seed: int = 0, *, ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """iterate(system, steps): the orbit of a map, with its observables and events.

    Parameters
    ----------
    system : System in discrete time, or Process with ``step``
    steps : int
        Number of steps after the initial state.
    initial_state : mapping of str to float, optional
        Replaces declared initial values by name; a Process that declares none needs all of it.
    parameters : mapping of str to float, optional
    seed : int
        Of the generator a Process steps with: ``numpy.random.default_rng(SeedSequence(seed))``.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Dim ``time`` = 0 .. steps (fewer after a terminal event): states and observables; dim ``event``; attrs: measures (an
        integral is the sum over all times but the last), provenance; ``status``: completed, event, or precision_lost, where
        the orbit has landed exactly on an unstable cycle, on which only rounding keeps it (``message`` says when).

    Raises
    ------
    SpecificationError
        For a flow (use ``integrate``), names that do not exist, or a map with noise or jumps, which are not drawn.
    IntegrationError
        When a state is no longer finite, or the step of a Process fails in its arithmetic; ``.partial`` has the orbit
        before.

    Examples
    --------
    >>> import dynamics as dy
    >>> logistic = dy.System(name="logistic", time="discrete", states={"x": 0.2}, parameters={"r": 2},
    ...                      equations={"x": "r*x*(1 - x)"})
    >>> dy.iterate(logistic, 3)["x"].values.round(6).tolist()
    [0.2, 0.32, 0.4352, 0.491602]
    """
    started = _time.perf_counter()
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise SpecificationError(f"steps must be a whole number of at least 0, not {steps!r}")
    check_numbers(int(steps) * STEP, f"steps: {steps} states of an orbit", "go on from its last state in pieces")
    if not isinstance(system, System):
        if not isinstance(system, Process) or not callable(getattr(system, "step", None)):
            raise SpecificationError(f"iterate needs a System in discrete time or a Process with step(); "
                                     f"{type(system).__name__} has neither. A Process with solve() is solved by it")
        process = system.with_parameters(parameters) if parameters else system
        return process_orbit(process, int(steps), initial_state, np.random.SeedSequence(seed), seed)
    if system.time != "discrete":
        raise SpecificationError(f"'{system.name}' is a flow (time = 'continuous'); use integrate(system, duration)")
    treated = treat(system, "iterate", ignore)
    system = treated.system
    if parameters is not None:
        system = system.with_parameters(parameters)
    functions = functions_of(system)
    p = functions.parameters(system)
    state = functions.initial_state(system, initial_state)
    orbit, happenings = [state], []
    events = list(system.events.items())
    status, message = "completed", "reached the last step"
    level = functions.events(0.0, state, p) if events else np.empty(0)
    behind = int(terminal_behind(system, lambda y: functions.events(0.0, y[:, 0], p)[:, None], state[:, None])[0])
    if behind >= 0:
        name = events[behind][0]
        happenings.append((name, 0.0))
        status, message = "event", f"the start lies beyond the event '{name}'"
    for step in range(1, 1 if behind >= 0 else int(steps) + 1):
        state = functions.field(float(step - 1), state, p)
        if not np.all(np.isfinite(state)):
            status, message = "invalid_state", f"a state is no longer finite after step {step - 1}"
            break
        ended = False
        if events:
            now = functions.events(float(step), state, p)
            for k, (name, event) in enumerate(events):
                falls, rises = level[k] > 0 >= now[k], level[k] < 0 <= now[k]
                if {"falling": falls, "rising": rises, "both": falls or rises}[event.direction]:
                    happenings.append((name, float(step)))
                    reset = functions.resets[name]
                    state = reset(state, 0.0, p, float(step)) if reset else state
                    ended |= event.terminal
            level = functions.events(float(step), state, p)
        orbit.append(state)
        if ended:
            status, message = "event", f"the event '{happenings[-1][0]}' ended the orbit at step {step}"
            break
    if status == "completed" and not any(event.assign for event in system.events.values()):
        status, message = _fate(system, np.array(orbit).T, status, message)
    grid = np.arange(len(orbit), dtype=float)
    attributes = provenance("trajectory", system, initial_state={n: np.asarray(v).tolist() for n, v in
                                                                 functions.split(orbit[0]).items()},
                            method="iteration", steps=int(steps), status=status, message=message,
                            ignored=treated.ignored,
                            wall_time_s=_time.perf_counter() - started)
    result = dataset_of(system, grid, np.array(orbit).T, happenings, attributes)
    measured = measures_of_orbit(system, np.array(orbit).T, p)
    result.attrs["measures"] = {n: None if not np.isfinite(v) else v for n, v in measured.items()}
    if status == "invalid_state":
        raise IntegrationError(f"{message}; the orbit before it is in the error's .partial", result)
    return result



def _fate(system: System, orbit: Any, status: str, message: str) -> tuple[str, str]:
    """Say so where the orbit, shape (dimension, times), ended on an unstable cycle that it will never leave."""
    longest = min(LONGEST_CYCLE, orbit.shape[1] - 1)
    period = next((k for k in range(1, longest + 1) if near(orbit[:, -1:], orbit[:, -1 - k:-k])[0]), 0)
    if not period or len(orbit) > MOST_SCALARS:
        return status, message
    if _surely_stable(system, orbit[:, -1], period):
        return status, message
    scalar = system.expand() if system.indices else system
    p = np.array(functions_of(scalar).parameters(scalar), dtype=float)[:, None]
    if not held_cycles(scalar, p, orbit[:, -1:], float(orbit.shape[1] - 1), np.array([period]))[0]:
        return status, message
    away = np.flatnonzero(~near(orbit[:, period:], orbit[:, :-period]))
    cycle = "an unstable fixed point" if period == 1 else f"an unstable cycle of {period} steps"
    if not away.size:
        return status, f"{message}; the orbit started on {cycle} and stayed there"
    return "precision_lost", (f"the orbit landed exactly on {cycle} at step {away[-1] + 1}: only rounding keeps it there, "
                              "and what follows says nothing about the map")


def _surely_stable(system: System, state: Any, period: int) -> bool:
    """By differences: derivatives of indexed systems would need the expanded one."""
    functions = functions_of(system)
    p = functions.parameters(system)

    def field(times: Any, states: Any) -> Any:
        return np.array([functions.field(float(t), y, p) for t, y in zip(times, states.T, strict=True)]).T

    return bool(surely_stable(field, np.asarray(state)[:, None], 0.0, period, SLOWLY)[0])
