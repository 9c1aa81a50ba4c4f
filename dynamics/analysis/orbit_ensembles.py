"""Many orbits of a map side by side: over parameters, from many starts, and with random parameters."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
                   trajectories: int = 1, spread: float = 0.0, innovations: Sequence[str] = (), seed: int = 0,
                   initial_state: Mapping[str, float] | None = None) -> xr.Dataset:
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
    trajectories : int
        At each point of the axes.
    spread : float
        Initial states of trajectories are drawn within this share of the given ones.
    innovations : sequence of str
        Parameters that are replaced by independent standard normal numbers at every step.
    seed : int
        An orbit's numbers depend on it and on the orbit's place alone.
    initial_state : mapping of str to float, optional
        Replaces declared initial values by name.

    Returns
    -------
    xarray.Dataset
        Dims: the axes (``initial_x`` for a state x), ``trajectory``, ``time`` (steps): states and observables, nan after an
        orbit has left the finite numbers; ``status`` of each orbit.

    Raises
    ------
    SpecificationError
        For a flow, indexed states, unknown names, or numbers that cannot be.

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
    axes = {name: np.asarray(values, dtype=float) for name, values in (over or {}).items()}
    functions = functions_of(system)
    known = [*functions.parameter_names, *system.states]
    for name in (*axes, *innovations):
        allowed = known if name in axes else functions.parameter_names
        if name not in allowed:
            raise SpecificationError(f"'{name}' is no {'parameter or state' if name in axes else 'parameter'} of "
                                     f"'{system.name}'.{did_you_mean(name, allowed)} There are {', '.join(allowed)}")
    shape = (*(len(values) for values in axes.values()), trajectories)
    lanes = int(np.prod(shape))
    grids = dict(zip(axes, np.meshgrid(*axes.values(), np.zeros(trajectories), indexing="ij"), strict=False))
    p = np.repeat(np.array(functions.parameters(system), dtype=float)[:, None], lanes, axis=1)
    state = np.repeat(functions.initial_state(system, initial_state)[:, None], lanes, axis=1)
    for name, grid in grids.items():
        rows, table = (p, functions.parameter_names) if name in system.parameters else (state, list(system.states))
        rows[table.index(name)] = grid.ravel()
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(lanes)] \
        if innovations or spread else []
    if spread:
        state = state*(1 + spread*np.array([stream.uniform(-1, 1, len(state)) for stream in streams]).T)
    drawn = [functions.parameter_names.index(name) for name in innovations]
    orbit = _followed(system, state, p, steps, discard, drawn, streams)
    return _dataset(system, orbit, axes, shape, {
        "discard": discard, "seed": seed, "spread": spread, "innovations": " ".join(innovations),
        "wall_time_s": _time.perf_counter() - started})


def _checked(system: Any, steps: Any, discard: Any, trajectories: Any, spread: Any) -> None:
    if not isinstance(system, System) or system.time != "discrete":
        raise SpecificationError("orbit_ensemble needs a System in discrete time; for flows there is integrate and sweep")
    if system.indices:
        raise SpecificationError(f"'{system.name}' has indexed states; use system.expand()")
    for name, value, least in (("steps", steps, 1), ("discard", discard, 0), ("trajectories", trajectories, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SpecificationError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if not 0 <= spread < 1:
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
                p[drawn] = numbers[:, step % BLOCK].T
            state = field(np.full(state.shape[1], float(step)), state, p)
            state = np.where(np.isfinite(state).all(axis=0), state, np.nan)
            if step >= discard:
                orbit[:len(state), :, step - discard] = state
                if observed is not None:
                    orbit[len(state):, :, step - discard] = observed(np.full(state.shape[1], step + 1.0), state, p)
    return orbit


def _dataset(system: System, orbit: NDArray[np.float64], axes: Mapping[str, Any], shape: tuple[int, ...],
             attributes: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    # the state has the name of its axis already
    named = {f"initial_{name}" if name in system.states else name: values for name, values in axes.items()}
    dims, steps = (*named, "trajectory", "time"), orbit.shape[2]
    units = {name: part.unit for name, part in system.states.items()}
    variables: dict[str, Any] = {
        name: (dims, values.reshape(*shape, steps), {"units": units.get(name, "1"), "long_name": name.replace("_", " ")})
        for name, values in zip([*system.states, *system.observables], orbit, strict=True)}
    broke = ~np.isfinite(orbit[:len(system.states), :, -1]).all(axis=0)
    status = np.where(broke, STATUS["invalid_state"], STATUS["completed"]).reshape(shape)
    variables["status"] = (dims[:-1], status, status_attributes())
    first = float(attributes["discard"]) + 1
    coordinates = {**{name: (name, values) for name, values in named.items()},
                   "time": ("time", first + np.arange(steps), {"units": system.time_unit})}
    message = f"{int(broke.sum())} of {broke.size} orbits left the finite numbers" if broke.any() else "all orbits complete"
    return xr.Dataset(variables, coords=coordinates,
                      attrs=provenance("orbit_ensemble", system, method="iteration", status="completed", message=message,
                                       **attributes))
