"""Critical shocks along a parameter: every threshold of the curve refined at once."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensembles import Ensemble
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results import provenance, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["critical_shocks"]

Array = NDArray[np.float64]
SECTIONS = 8
OUTCOMES = {"found": 0, "insolvent_at_once": 1, "unstable": 2, "none_in_bracket": 3, "not_monotone": 4, "not_settled": 5,
            "no_fixed_point": 6}

LONG_NAMES = {"threshold": "critical shock", "bracket_low": "largest shock without the event",
              "bracket_high": "smallest shock with the event", "at_once": "shock that causes the event at once",
              "fall": "largest fall just below the threshold, feedback included", "first_margin_call": "first margin call"}


def critical_shocks(system: System, parameter: str, values: Sequence[float], shock: str = "price", event: str = "insolvency",
                    *, ramp: float = 0.0, largest: float | None = None, duration: float | None = None,
                    tolerance: float = 1e-5, parameters: Mapping[str, Any] | None = None) -> xr.Dataset:
    """critical_shocks(system, "target_leverage", values): the cascade threshold at each value of a parameter.

    Parameters
    ----------
    system : System
        Continuous time, scalar states, fixed points in closed form.
    parameter : str
    values : sequence of float
    shock, event : str
    ramp : float
        Spread each shock over this time; 0 is instantaneous.
    largest : float, optional
        Largest shock to try; None: the one that causes the event at once (for ramps twice that plus 0.5).
    duration : float, optional
        None: as long as the slowest eigenvalue of each point needs, at least 200 time units.
    tolerance : float
        Width of the final brackets; thresholds below about 1e-7 belong to ``cascade_threshold``.
    parameters : mapping of str to float, optional

    Returns
    -------
    xarray.Dataset
        Dim named after the parameter: ``threshold`` (0 where the fixed point is unstable, nan where none was found),
        ``bracket_low``, ``bracket_high``, ``at_once`` (the shock that crosses the event itself: the threshold without
        feedback), ``fall`` (largest fall, feedback included, of the first state the shock assigns, within the ramp or one
        time unit, just below the threshold), ``first_margin_call`` (the shock that reaches the event ``margin_call_start``
        itself, where there is one) and ``status``.

    Raises
    ------
    SpecificationError
        For unknown names.

    Examples
    --------
    >>> import dynamics as dy
    >>> curve = dy.critical_shocks(dy.models.load("deleveraging"), "target_leverage", [5.0, 10.7])
    >>> curve["threshold"].values.round(4).tolist()
    [0.1735, 0.041]
    """
    import xarray as xr

    started = _time.perf_counter()
    if parameters:
        system = system.with_parameters(parameters)
    for name, known, what in ((parameter, system.parameters, "parameter"), (shock, system.shocks, "shock"),
                              (event, system.events, "event")):
        if name not in known:
            raise SpecificationError(f"'{name}' is not a {what} of '{system.name}'.{did_you_mean(name, known)}")
    axis = np.asarray(values, dtype=float)
    if axis.ndim != 1 or not axis.size or not np.all(np.isfinite(axis)):
        raise SpecificationError("values must be a list of finite numbers")
    for value in axis:
        system.with_parameters({parameter: value})  # bounds are checked before any work is done
    search = _Curves(system, parameter, axis, shock, event, ramp, largest, duration, tolerance)
    result = search.run()
    meaning = system.parameters[parameter]
    coordinate = (parameter, axis, {"units": meaning.unit, "long_name": meaning.meaning or parameter.replace("_", " "),
                                    "symbol": meaning.symbol or parameter})
    unit = system.shocks[shock].unit
    variables: dict[str, Any] = {n: (parameter, v, {"units": unit, "long_name": LONG_NAMES[n]})
                                 for n, v in result.items() if n != "status"}
    variables["status"] = (parameter, result["status"], status_attributes(OUTCOMES))
    return xr.Dataset(variables, coords={parameter: coordinate}, attrs=provenance(
        "critical_shocks", system, method="Rodas5P lanes", relative_tolerance=search.relative, shock=shock, event=event,
        ramp=ramp, tolerance=tolerance, limit=_limit(system, parameter), trajectories=search.trajectories,
        wall_time_s=_time.perf_counter() - started))


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


class _Curves:
    """Sections of all brackets at once: each round runs SECTIONS - 1 shocks for every value that is still open."""

    def __init__(self, system: System, parameter: str, axis: Array, shock: str, event: str, ramp: float,
                 largest: float | None, duration: float | None, tolerance: float) -> None:
        self.shock, self.event, self.ramp, self.tolerance = shock, event, ramp, tolerance
        self.relative = float(np.clip(tolerance * 1e-1, 1e-9, 1e-6))
        self.ensemble = Ensemble(system, {parameter: axis}, axis.size)
        self.duration, self.largest, self.count = duration, largest, axis.size
        self.trajectories = 0
        assign = list(system._parsed.shocks[shock])
        self.row = self.ensemble.functions.names.index(assign[0])
        self.state_name = assign[0]

    def happens(self, lanes: NDArray[np.intp], magnitudes: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(event happened, undecided) for shocks ``magnitudes`` at the parameter values ``lanes``."""
        self.trajectories += lanes.size
        duration = None if self.duration is None else self.duration
        lengths = self.ensemble.durations(self.tolerance)[lanes] if duration is None else np.full(lanes.size, duration)
        outcome = self.ensemble.run(self.shock, magnitudes, event=self.event, ramp=self.ramp, lanes=lanes, duration=lengths,
                                    relative_tolerance=self.relative, absolute_tolerance=self.relative * 1e-3)
        settled = outcome.status == 6
        return outcome.happened, ~outcome.happened & ~settled

    def run(self) -> dict[str, Any]:
        points = self.ensemble.points
        status = np.full(self.count, OUTCOMES["found"])
        at_once = self._at_once()
        low, high = np.zeros(self.count), at_once.copy()
        if self.ramp:
            high = np.where(np.isfinite(at_once), 2 * at_once + 0.5, 3.0)
        if self.largest is not None:
            high = np.minimum(high, self.largest)
        stable = points.stable if points is not None else np.ones(self.count, dtype=bool)
        absent = points.which < 0 if points is not None else np.zeros(self.count, dtype=bool)
        status[~stable] = OUTCOMES["unstable"]
        status[absent] = OUTCOMES["no_fixed_point"]
        open_ = np.nonzero(stable & np.isfinite(high))[0]
        status[stable & ~np.isfinite(high)] = OUTCOMES["none_in_bracket"]
        # the first round scans more finely: it also tells whether the outcome is monotone in the shock
        low[open_], high[open_] = self._narrow(open_, low[open_], high[open_], 32, status, first=True)
        open_ = open_[status[open_] != OUTCOMES["none_in_bracket"]]
        while open_.size and np.max(high[open_] - low[open_]) > self.tolerance:
            low[open_], high[open_] = self._narrow(open_, low[open_], high[open_], SECTIONS, status)
        threshold = (low + high) / 2
        if not self.ramp:
            once = stable & np.isfinite(at_once) & (high >= at_once - self.tolerance) & (status == OUTCOMES["found"])
            status[once], threshold[once] = OUTCOMES["insolvent_at_once"], at_once[once]
        threshold[status == OUTCOMES["unstable"]] = 0.0
        threshold[np.isin(status, [OUTCOMES["none_in_bracket"], OUTCOMES["no_fixed_point"]])] = np.nan
        calls = {"first_margin_call": self._crossing("margin_call_start")} \
            if "margin_call_start" in self.ensemble.system.events and not self.ramp else {}
        return {**calls, "threshold": threshold, "bracket_low": low, "bracket_high": high, "at_once": at_once,
                "fall": self._fall(low, threshold), "status": status}

    def _narrow(self, open_: NDArray[np.intp], low: Array, high: Array, sections: int, status: NDArray[np.int64],
                first: bool = False) -> tuple[Array, Array]:
        fractions = np.arange(1, sections) / sections
        magnitudes = low[:, None] + (high - low)[:, None] * fractions[None, :]
        lanes = np.repeat(open_, sections - 1)
        happened, undecided = self.happens(lanes, magnitudes.reshape(-1))
        happened = happened.reshape(magnitudes.shape)
        grid = np.concatenate([low[:, None], magnitudes, high[:, None]], axis=1)
        top = np.ones((open_.size, 1), dtype=bool)
        if first and self.ramp:
            top = self.happens(open_, high)[0][:, None]
        table = np.concatenate([np.zeros((open_.size, 1), dtype=bool), happened, top], axis=1)
        position = np.argmax(table, axis=1)
        if first:
            changes = np.sum(table[:, 1:] != table[:, :-1], axis=1)
            status[open_[changes > 1]] = OUTCOMES["not_monotone"]
            status[open_[~table.any(axis=1)]] = OUTCOMES["none_in_bracket"]
            position = np.maximum(position, 1)
        stuck = undecided.reshape(magnitudes.shape).any(axis=1) & (status[open_] == OUTCOMES["found"]) & first
        status[open_[stuck]] = OUTCOMES["not_settled"]
        rows = np.arange(open_.size)
        return grid[rows, position - 1], grid[rows, position]

    def _at_once(self) -> Array:
        """Smallest shock that crosses the event itself, by bisection over all lanes."""
        return self._crossing(self.event)

    def _crossing(self, event: str) -> Array:
        low, high = np.zeros(self.count), np.full(self.count, 1e-3)
        found = np.zeros(self.count, dtype=bool)
        for _ in range(30):
            crossed = self.ensemble.at_once(event, self.ensemble.shocked(self.shock, high))
            found |= crossed
            low, high = np.where(found, low, high), np.where(found, high, high * 1.5)
        for _ in range(60):
            middle = (low + high) / 2
            crossed = self.ensemble.at_once(event, self.ensemble.shocked(self.shock, middle))
            low, high = np.where(crossed, low, middle), np.where(crossed, middle, high)
        return np.where(found, high, np.nan)

    def _fall(self, magnitude: Array, threshold: Array) -> Array:
        """Largest fall of the shocked state within the ramp (or one time unit) just below the threshold, with feedback."""
        usable = np.nonzero(np.isfinite(threshold) & (threshold > 0))[0]
        fall = np.full(self.count, np.nan)
        if usable.size:
            window = self.ramp or 1.0
            outcome = self.ensemble.run(self.shock, magnitude[usable], event=self.event, ramp=self.ramp, lanes=usable,
                                        duration=1e-9 if self.ramp else window, relative_tolerance=self.relative,
                                        absolute_tolerance=self.relative * 1e-3, extremes=True)
            start = self.ensemble.start[self.row, usable]
            fall[usable] = start - outcome.lowest[self.row]
        return fall
