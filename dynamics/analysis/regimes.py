"""Phase diagrams: what a shock does at every point of a parameter plane, with the boundaries theory draws."""

from __future__ import annotations

import time as _time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.boundaries import boundaries
from dynamics.analysis.ensembles import Ensemble, Outcome
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.results import STATUS, provenance, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["REGIMES", "phase_diagram"]

REGIMES = {"stable": 0, "cascades_after_shock": 1, "unstable": 2, "insolvent_at_once": 3, "target_above_venue_limit": 4,
           "not_settled": 5, "no_fixed_point": 6, "invalid": 7}


def phase_diagram(system: System, x: tuple[str, Sequence[float]], y: tuple[str, Sequence[float]], *, shock: str = "price",
                  magnitude: float = 0.1, event: str = "insolvency", duration: float | None = None,
                  initial_state: Mapping[str, float] | None = None, measures: Sequence[str] = (),
                  parameters: Mapping[str, Any] | None = None, relative_tolerance: float = 1e-6,
                  absolute_tolerance: float = 1e-9, progress: bool = False) -> xr.Dataset:
    """phase_diagram(system, x=("price_impact", array), y=("target_leverage", array)): regimes over a plane.

    Each cell starts at its own admissible fixed point, is shocked, and is followed until the event, or until it has settled.

    Parameters
    ----------
    system : System
        Continuous time, scalar states.
    x, y : (str, sequence of float)
        A parameter, an initial state, or the size of a shock as ``"shock:price"``.
    shock : str
        The shock applied in every cell (unless an axis is a shock).
    magnitude : float
        Its size, stated in the result.
    event : str
    duration : float, optional
        None: for each cell what its slowest eigenvalue needs, at least 200 time units.
    initial_state : mapping of str to float, optional
        Start everywhere from here instead of from fixed points.
    measures : sequence of str
        Measures of the system to store for each cell.
    parameters : mapping of str to float, optional
    relative_tolerance, absolute_tolerance : float
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.Dataset
        Dims (y, x): ``regime`` (stable, cascades_after_shock, unstable: the fixed point is, from its eigenvalues;
        insolvent_at_once: by the shock alone; target_above_venue_limit: survives, in a regime where forced sales never stop;
        not_settled; no_fixed_point; invalid), ``status``, ``growth_rate`` (largest real part of the eigenvalues), measures.
        ``attrs["boundaries"]``: lines of the closed-form conditions, regime by regime.

    Raises
    ------
    SpecificationError
        For unknown names or axes.

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> diagram = dy.phase_diagram(dy.models.load("deleveraging"), x=("price_impact", np.linspace(0.1, 1, 5)),
    ...                            y=("target_leverage", np.linspace(2, 12, 4)))
    >>> diagram["regime"].shape
    (4, 5)
    """
    import xarray as xr

    started = _time.perf_counter()
    if parameters:
        system = system.with_parameters(parameters)
    axes = [_axis(system, *axis) for axis in (x, y)]
    if axes[0][0] == axes[1][0]:
        raise SpecificationError(f"both axes are '{axes[0][0]}'; give two different quantities")
    (x_name, x_values), (y_name, y_values) = axes
    for name, known, what in ((shock, system.shocks, "shock"), (event, system.events, "event")):
        if name not in known:
            raise SpecificationError(f"'{name}' is not a {what} of '{system.name}'.{did_you_mean(name, known)}")
    grid_y, grid_x = np.meshgrid(y_values, x_values, indexing="ij")
    flat = {x_name: grid_x.reshape(-1), y_name: grid_y.reshape(-1)}
    ensemble, size, shock = _ensemble(system, flat, initial_state, shock, magnitude)
    with _bar(progress, grid_x.size) as report:
        outcome = ensemble.run(shock, size, event=event, duration=duration, measures=measures,
                               relative_tolerance=relative_tolerance, absolute_tolerance=absolute_tolerance, progress=report)
    regime = _regimes(ensemble, outcome)
    shape = grid_x.shape
    variables: dict[str, Any] = {
        "regime": ((y_name, x_name), regime.reshape(shape),
                   {"units": "1", "flag_values": list(REGIMES.values()), "flag_meanings": " ".join(REGIMES)}),
        "status": ((y_name, x_name), outcome.status.reshape(shape), status_attributes()),
    }
    if ensemble.points is not None:
        variables["growth_rate"] = ((y_name, x_name), ensemble.points.growth.reshape(shape),
                                    {"units": f"1/{system.time_unit}", "long_name": "largest real part of the eigenvalues"})
    for name in measures:
        variables[name] = ((y_name, x_name), outcome.measures[name].reshape(shape),
                           {"units": system.measures[name].unit, "long_name": system.measures[name].meaning})
    unsettled = int(np.sum(regime == REGIMES["not_settled"]))
    attributes = provenance(
        "phase_diagram", system, method="Rodas5P lanes", relative_tolerance=relative_tolerance,
        absolute_tolerance=absolute_tolerance, shock=shock, magnitude=None if "shock:" in x_name + y_name else magnitude,
        event=event, trajectories=int(grid_x.size),
        message=f"{unsettled} of {grid_x.size} cells had not settled" if unsettled else "every cell was decided",
        boundaries=_boundaries(system, axes), wall_time_s=_time.perf_counter() - started)
    coordinates = {name: (name, values, _describe(system, name)) for name, values in axes}
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def _axis(system: System, name: str, values: Sequence[float]) -> tuple[str, Any]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size < 2 or not np.all(np.isfinite(array)) or np.any(np.diff(array) <= 0):
        raise SpecificationError(f"axis '{name}': needs at least two finite, increasing values")
    if name.startswith("shock:"):
        if name[6:] not in system.shocks:
            raise SpecificationError(f"axis '{name}': '{name[6:]}' is not a shock of '{system.name}'."
                                     f"{did_you_mean(name[6:], system.shocks)}")
    elif name in system.parameters:
        for value in (array[0], array[-1]):
            system.with_parameters({name: value})
    elif name not in system.states:
        known = [*system.parameters, *system.states, *(f"shock:{s}" for s in system.shocks)]
        raise SpecificationError(f"axis '{name}' is no parameter, state or shock of '{system.name}'."
                                 f"{did_you_mean(name, known)}")
    return name, array


def _ensemble(system: System, flat: Mapping[str, Any], initial_state: Mapping[str, float] | None, shock: str,
              magnitude: float) -> tuple[Ensemble, Any, str]:
    lanes = next(iter(flat.values())).size
    states: dict[str, Any] = dict(initial_state or {})
    states.update({name: values for name, values in flat.items() if name in system.states})
    varied = {name: values for name, values in flat.items() if name in system.parameters}
    sizes = [(name[6:], values) for name, values in flat.items() if name.startswith("shock:")]
    if len(sizes) > 1:
        raise SpecificationError("only one axis can be a shock")
    size: Any = magnitude
    if sizes:
        shock, size = sizes[0]
    if states and initial_state is None:
        # an axis of states varies around the fixed point of each cell
        base = Ensemble(system, varied, lanes)
        for row, name in enumerate(base.functions.names):
            if name in states:
                base.start[row] = states[name]
        return base, size, shock
    return Ensemble(system, varied, lanes, states or None), size, shock


def _regimes(ensemble: Ensemble, outcome: Outcome) -> Any:
    regime = np.full(ensemble.lanes, REGIMES["invalid"])
    settled = np.isin(outcome.status, [STATUS["settled"], STATUS["completed"]])
    regime[settled] = REGIMES["stable"]
    regime[outcome.status == STATUS["not_settled"]] = REGIMES["not_settled"]
    regime[outcome.happened] = REGIMES["cascades_after_shock"]
    regime[outcome.status == STATUS["diverged"]] = REGIMES["cascades_after_shock"]
    points = ensemble.points
    if points is not None:
        beyond = np.isin(points.which, [k for k, c in enumerate(points.candidates) if ": True" in c.regime])
        # forced sales that never stop are a matter of the margin-call port; other switches mean other things
        beyond &= "margin_call_rate" in ensemble.system.definitions
        regime[settled & beyond] = REGIMES["target_above_venue_limit"]
        regime[(points.which >= 0) & ~points.stable] = REGIMES["unstable"]
        regime[points.which < 0] = REGIMES["no_fixed_point"]
    regime[outcome.at_once & (regime != REGIMES["unstable"])] = REGIMES["insolvent_at_once"]
    return regime


def _boundaries(system: System, axes: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    (x, x_values), (y, y_values) = axes
    if x not in system.parameters or y not in system.parameters:
        return []
    try:
        return boundaries(system, x, x_values, y, y_values)
    except DerivationError:
        return []


def _describe(system: System, name: str) -> dict[str, Any]:
    if name.startswith("shock:"):
        part: Any = system.shocks[name[6:]]
        return {"units": part.unit, "long_name": part.meaning or f"size of the {name[6:]} shock", "symbol": "s"}
    part = system.parameters.get(name) or system.states[name]
    return {"units": part.unit, "long_name": part.meaning or name.replace("_", " "), "symbol": part.symbol or name}


class _bar:
    """A tqdm bar over lanes, or nothing."""

    def __init__(self, show: bool, total: int) -> None:
        self.show, self.total = show, total

    def __enter__(self) -> Callable[[int, int], None] | None:
        if not self.show:
            return None
        from tqdm.auto import tqdm

        self.bar = tqdm(total=self.total, unit="cell", leave=False)

        def report(ended: int, lanes: int) -> None:
            self.bar.update(ended - self.bar.n)

        return report

    def __exit__(self, *details: Any) -> None:
        if self.show:
            self.bar.close()
