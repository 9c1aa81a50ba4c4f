"""Critical shocks along a parameter: every bracket of the curve halved in the same round."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.lane_thresholds import OUTCOMES, crossing_shocks, lane_thresholds
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.run_arguments import asked_events, check_positive, check_run, check_shock_name
from dynamics.analysis.treatability import treat
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results import provenance, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["OUTCOMES", "critical_shocks"]

Array = NDArray[np.float64]
LONG_NAMES = {"threshold": "critical shock", "bracket_low": "largest shock proved without the event",
              "bracket_high": "smallest shock proved with the event", "at_once": "shock that causes the event at once",
              "fall": "largest fall just below the threshold, feedback included", "first_margin_call": "first margin call"}


def critical_shocks(system: System, parameter: str, values: Sequence[float], shock: str = "price",
                    event: str | Sequence[str] | None = None, *, ramp: float = 0.0, largest: float | None = None,
                    duration: float | None = None,
                    tolerance: float = 1e-5, parameters: Mapping[str, Any] | None = None,
                    ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """critical_shocks(system, "target_leverage", values): the cascade threshold at each value of a parameter.

    Parameters
    ----------
    system : System
        Continuous time, scalar states, fixed points in closed form.
    parameter : str
    values : sequence of float
    shock : str
    event : str or sequence of str, optional
        One event, several, or "any" terminal one. None: every terminal event.
    ramp : float
        Spread each shock over this time; 0 is instantaneous.
    largest : float, optional
        Largest shock to try; None: the one that causes the event at once (for ramps twice that plus 0.5).
    duration : float, optional
        A hard end. None: as long as each trajectory needs to be decided, within a limit of work.
    tolerance : float
        Width of the final brackets; thresholds below about 1e-7 belong to ``cascade_threshold``.
    parameters : mapping of str to float, optional
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Dim named after the parameter: ``threshold`` (0 where the fixed point is unstable, nan where none was found, or where
        shocks inside the bracket were not decided: status open_bracket, not_settled), ``bracket_low``, ``bracket_high``,
        ``at_once`` (the shock that crosses the event itself: the threshold without feedback), ``fall`` (largest fall,
        feedback included, of the first state the shock assigns, within the ramp or one time unit, just below the
        threshold), ``first_margin_call`` (the shock that reaches the event ``margin_call_start`` itself, where there is
        one), ``preceded_by_<event>`` for each terminal event that was not asked for (the smallest shock from which on it
        ends the run instead; nan where it ends none) and ``status``.

    Raises
    ------
    SpecificationError
        For unknown names, and for noise, jumps and resets.

    Examples
    --------
    >>> import dynamics as dy
    >>> curve = dy.critical_shocks(dy.models.load("deleveraging"), "target_leverage", [5.0, 10.7])
    >>> curve["threshold"].values.round(4).tolist()
    [0.1735, 0.041]
    """
    import xarray as xr

    started = _time.perf_counter()
    needs_equations(system, "critical_shocks")
    treated = treat(system, "critical_shocks", ignore)
    system = treated.system
    system = arguments.replaced(system, parameters)
    if not (isinstance(parameter, str) and parameter in system.parameters):
        near = did_you_mean(str(parameter), system.parameters)
        raise SpecificationError(f"'{parameter}' is not a parameter of '{system.name}'.{near}")
    check_shock_name(system, shock, needed=True)
    events = asked_events(system, event)
    given = check_run(system, duration=duration, tolerance=tolerance, ramp=ramp)
    duration, tolerance, ramp = given.duration, given.tolerance, given.ramp
    largest = None if largest is None else check_positive(largest, "largest")
    axis = arguments.numbers(values, "values")
    for value in axis:
        system.with_parameters({parameter: value})  # bounds are checked before any work is done
    ensemble = Ensemble(system, {parameter: axis}, axis.size)
    search = lane_thresholds(ensemble, shock, events, ramp=ramp, largest=largest, duration=duration, tolerance=tolerance,
                             preceding=True)
    relative = float(np.clip(tolerance * 1e-1, 1e-9, 1e-6))
    result = {"threshold": search.value, "bracket_low": search.low, "bracket_high": search.high, "at_once": search.at_once,
              "fall": _fall(ensemble, shock, events, ramp, search.low, search.value, relative), "status": search.status}
    if "margin_call_start" in system.events and not ramp:
        result = {"first_margin_call": crossing_shocks(ensemble, shock, "margin_call_start"), **result}
    others = [name for name, part in system.events.items() if part.terminal and name not in events]
    never = np.full(axis.size, np.nan)
    result |= {f"preceded_by_{name}": search.preceded_by.get(name, never) for name in others}
    meaning = system.parameters[parameter]
    coordinate = (parameter, axis, {"units": meaning.unit, "long_name": meaning.meaning or parameter.replace("_", " "),
                                    "symbol": meaning.symbol or parameter})
    unit = system.shocks[shock].unit
    variables: dict[str, Any] = {n: (parameter, v, {"units": unit, "long_name": _long_name(n)})
                                 for n, v in result.items() if n != "status"}
    variables["status"] = (parameter, result["status"], status_attributes(OUTCOMES))
    return xr.Dataset(variables, coords={parameter: coordinate}, attrs=provenance(
        "critical_shocks", system, ignored=treated.ignored, method="lanes",
        relative_tolerance=relative, shock=shock, event=", ".join(events),
        ramp=ramp, tolerance=tolerance, limit=_limit(system, parameter), trajectories=search.trajectories,
        wall_time_s=_time.perf_counter() - started))


def _long_name(variable: str) -> str:
    if variable in LONG_NAMES:
        return LONG_NAMES[variable]
    event = variable.removeprefix("preceded_by_").replace("_", " ")
    return f"shock from which on {event} ends the run first"


def _limit(system: System, parameter: str) -> float | None:
    """Value of the parameter at which the fixed point loses stability, where it has one in closed form."""
    from dynamics.analysis.equilibria import fixed_points
    from dynamics.analysis.stability import bifurcation_conditions
    from dynamics.errors import DerivationError

    try:
        point = next((p for p in fixed_points(system) if p.admissible and p.exactness == "exact"), None)
        if point is None:
            return None
        found = [v for c in bifurcation_conditions(system, point, parameter) for v in c.values]
    except DerivationError:
        return None
    return min(found) if found else None


def _fall(ensemble: Ensemble, shock: str, event: tuple[str, ...], ramp: float, magnitude: Array, threshold: Array,
          relative: float) -> Array:
    """Largest fall of the shocked state within the ramp (or one time unit) just below the threshold, with feedback."""
    usable = np.nonzero(np.isfinite(threshold) & (threshold > 0))[0]
    fall = np.full(ensemble.lanes, np.nan)
    if usable.size:
        row = ensemble.functions.names.index(next(iter(ensemble.system._parsed.shocks[shock])))
        outcome = ensemble.run(shock, magnitude[usable], event=event, ramp=ramp, lanes=usable, extremes=True,
                               duration=1e-9 if ramp else 1.0, relative_tolerance=relative,
                               absolute_tolerance=relative * 1e-3)
        fall[usable] = ensemble.start[row, usable] - outcome.lowest[row]
    return fall
