"""Many orbits of a map side by side: over parameters, from many starts, and with random parameters."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.analysis.collapsed_orbits import collapsed
from dynamics.analysis.treatability import treat
from dynamics.analysis.work_budget import check_numbers
from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results import STATUS, provenance, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["orbit_ensemble"]

BLOCK = 4096  # steps whose random numbers are drawn at once


def orbit_ensemble(system: System, steps: int, *, discard: int = 0, over: Mapping[str, Sequence[float]] | None = None,
                   cases: Mapping[str, Sequence[float]] | None = None, trajectories: int = 1, spread: float = 0.0,
                   innovations: Sequence[str] = (), seed: int = 0, initial_state: Mapping[str, float] | None = None,
                   ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """orbit_ensemble(system, steps=300, over={"memory": array}): whole orbits, all at once.

    Parameters
    ----------
    system : System
        In discrete time, scalar states (``system.expand()`` makes them so).
    steps : int
        Stored, after the first ``discard`` ones.
    discard : int
        Steps left out at the start.
    over : mapping of str to sequence of float, optional
        Axes: parameters or initial states.
    cases : mapping of str to sequence of float, optional
        Parameters or initial states that vary together, one number for each case: a policy and the parameters that are
        calibrated to it. Cases share the random numbers of their trajectories, so that what differs is theirs.
    trajectories : int
        At each point of the axes.
    spread : float
        Initial states of trajectories are drawn within this share of the given ones.
    innovations : sequence of str
        Parameters that are replaced by independent standard normal numbers at every step.
    seed : int
        An orbit's numbers depend on it and on the orbit's place alone (in its case).
    initial_state : mapping of str to float, optional
        Replaces declared initial values by name.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Dims: ``case`` where there are any, the axes (``initial_x`` for a state x), ``trajectory``, ``time`` (steps): states
        and observables, nan after an orbit has left the finite numbers; ``status`` of each orbit.

    Raises
    ------
    SpecificationError
        For a flow, indexed states, noise, jumps, resets, unknown names, or numbers that cannot be.

    Examples
    --------
    >>> import dynamics as dy
    >>> logistic = dy.System(name="logistic", time="discrete", states={"x": 0.2}, parameters={"r": 2},
    ...                      equations={"x": "r*x*(1 - x)"})
    >>> orbits = dy.orbit_ensemble(logistic, 2, discard=1000, over={"r": [2, 3.2]})
    >>> orbits["x"].isel(trajectory=0).values.round(4).tolist()
    [[0.5, 0.5], [0.513, 0.7995]]
    """
    started = _time.perf_counter()
    _checked(system, steps, discard, trajectories, spread)
    treated = treat(system, "orbit_ensemble", ignore)
    system = treated.system
    innovations = arguments.names(innovations, "innovations")
    seed = arguments.seed_of(seed)
    given = arguments.mapping(over, "over")
    axes = {name: arguments.numbers(values, f"over['{name}']") for name, values in given.items()}
    together = _cases(cases, axes)
    functions = functions_of(system)
    known = [*functions.parameter_names, *system.states]
    for name in (*axes, *together, *innovations):
        allowed = functions.parameter_names if name in innovations else known
        if name not in allowed:
            raise SpecificationError(f"'{name}' is no {'parameter' if name in innovations else 'parameter or state'} of "
                                     f"'{system.name}'.{did_you_mean(name, allowed)} There are {', '.join(allowed)}")
    count = len(next(iter(together.values()), ()))
    shape = (*([count] if together else []), *(len(values) for values in axes.values()), trajectories)
    lanes, same = math.prod(shape), math.prod(shape[bool(together):])
    kept = len(system.states) + len(system.observables)
    check_numbers(lanes * kept * steps, f"{steps} steps of {lanes} orbits with {kept} quantities each",
                  "take fewer steps or trajectories")
    grids = dict(zip(axes, np.meshgrid(*axes.values(), np.zeros(trajectories), indexing="ij"), strict=False))
    rows = {**{name: np.repeat(values, same) for name, values in together.items()},
            **{name: np.tile(grid.ravel(), lanes//same) for name, grid in grids.items()}}
    p = np.repeat(np.array(functions.parameters(system), dtype=float)[:, None], lanes, axis=1)
    state = np.repeat(functions.initial_state(system, initial_state)[:, None], lanes, axis=1)
    for name, row in rows.items():
        table, names = (p, functions.parameter_names) if name in system.parameters else (state, list(system.states))
        table[names.index(name)] = row
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(same)] \
        if innovations or spread else []
    if spread:
        drawn_starts = np.array([stream.uniform(-1, 1, len(state)) for stream in streams]).T
        state = state*(1 + spread*np.tile(drawn_starts, lanes//same))
    drawn = [functions.parameter_names.index(name) for name in innovations]
    orbit = _followed(system, state, p, steps, discard, drawn, streams)
    status = _status(system, orbit[:len(state), :, -1], p, state, steps + discard, bool(drawn))
    return _dataset(system, orbit, status, axes, together, shape, {
        "ignored": treated.ignored, "discard": discard, "seed": seed, "spread": spread, "innovations": " ".join(innovations),
        "wall_time_s": _time.perf_counter() - started})


def _cases(cases: Mapping[str, Sequence[float]] | None, axes: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Columns of the table of cases, of one length."""
    given = arguments.mapping(cases, "cases")
    together = {name: arguments.numbers(values, f"cases['{name}']") for name, values in given.items()}
    lengths = {name: values.shape for name, values in together.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 or not shape[0] for shape in lengths.values()):
        raise SpecificationError("cases: every name needs a list of one number for each case, all of the same length, not "
                                 + ", ".join(f"'{name}' of shape {shape}" for name, shape in lengths.items()))
    if twice := set(together) & set(axes):
        raise SpecificationError(f"'{min(twice)}' stands in over and in cases; a name has one place")
    return together


def _checked(system: Any, steps: Any, discard: Any, trajectories: Any, spread: Any) -> None:
    if not isinstance(system, System) or system.time != "discrete":
        raise SpecificationError("orbit_ensemble needs a System in discrete time; for flows there is integrate and sweep")
    if system.indices:
        raise SpecificationError(f"'{system.name}' has indexed states; use system.expand()")
    for name, value, least in (("steps", steps, 1), ("discard", discard, 0), ("trajectories", trajectories, 1)):
        arguments.whole(value, name, least)
    if not 0 <= arguments.number(spread, "spread", 0) < 1:
        raise SpecificationError(f"spread must lie between 0 and 1, not {spread!r}")


def _followed(system: System, state: NDArray[np.float64], p: NDArray[np.float64], steps: int, discard: int,
              drawn: Sequence[int], streams: Sequence[np.random.Generator]) -> NDArray[np.float64]:
    """States and observables after each step kept, shape (states + observables, lanes, steps)."""
    functions = functions_of(system)
    field = functions.lane_field
    observed = functions.lane_function([system.resolve(system.symbols[n]) for n in system.observables]) \
        if system.observables else None
    orbit = np.empty((len(system.states) + len(system.observables), state.shape[1], steps))
    numbers: NDArray[np.float64] = np.empty((0, 0, 0))
    with np.errstate(all="ignore"):
        for step in range(discard + steps):
            if drawn:
                if step % BLOCK == 0:
                    numbers = np.array([stream.standard_normal((BLOCK, len(drawn))) for stream in streams])
                p[drawn] = np.tile(numbers[:, step % BLOCK].T, p.shape[1]//len(streams))
            state = field(np.full(state.shape[1], float(step)), state, p)
            state = np.where(np.isfinite(state).all(axis=0), state, np.nan)
            if step >= discard:
                orbit[:len(state), :, step - discard] = state
                if observed is not None:
                    orbit[len(state):, :, step - discard] = observed(np.full(state.shape[1], step + 1.0), state, p)
    return orbit


def _status(system: System, last: NDArray[np.float64], p: NDArray[np.float64], start: NDArray[np.float64], steps: int,
            drawn: bool) -> NDArray[np.int64]:
    """What became of each orbit; one that is driven by random numbers rests nowhere."""
    broke = ~np.isfinite(last).all(axis=0)
    status = np.where(broke, STATUS["invalid_state"], STATUS["completed"])
    lasting = np.flatnonzero(~broke)
    if not drawn and lasting.size:
        landed = collapsed(system, p, start, last, steps, lasting) > 0
        status[lasting[landed]] = STATUS["precision_lost"]
    return status


def _dataset(system: System, orbit: NDArray[np.float64], fates: NDArray[np.int64], axes: Mapping[str, Any],
             together: Mapping[str, Any],
             shape: tuple[int, ...], attributes: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    # the state has the name of its axis already
    named = {f"initial_{name}" if name in system.states else name: values for name, values in axes.items()}
    tabled = {f"initial_{name}" if name in system.states else name: ("case", values) for name, values in together.items()}
    dims, steps = (*(["case"] if together else []), *named, "trajectory", "time"), orbit.shape[2]
    units = {name: part.unit for name, part in system.states.items()}
    variables: dict[str, Any] = {
        name: (dims, values.reshape(*shape, steps), {"units": units.get(name, "1"), "long_name": name.replace("_", " ")})
        for name, values in zip([*system.states, *system.observables], orbit, strict=True)}
    variables["status"] = (dims[:-1], fates.reshape(shape), status_attributes())
    first = float(attributes["discard"]) + 1
    coordinates = {**{name: (name, values) for name, values in named.items()}, **tabled,
                   "time": ("time", first + np.arange(steps), {"units": system.time_unit})}
    counted = ((int(np.sum(fates == STATUS["invalid_state"])), "left the finite numbers"),
               (int(np.sum(fates == STATUS["precision_lost"])),
                "landed on an unstable cycle by rounding, which ends their chaos"))
    message = "; ".join(f"{n} of {fates.size} orbits {what}" for n, what in counted if n) or "all orbits complete"
    return xr.Dataset(variables, coords=coordinates,
                      attrs=provenance("orbit_ensemble", system, method="iteration", status="completed", message=message,
                                       **attributes))
