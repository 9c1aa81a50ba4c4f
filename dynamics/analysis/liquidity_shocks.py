"""Liquidity shocks: depth disappears, and the same sale moves the price further. How much can be lost?"""

from __future__ import annotations

import time as _time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.fixed_point_continuation import continue_fixed_points
from dynamics.analysis.lane_thresholds import OUTCOMES, lane_thresholds
from dynamics.analysis.orbits import iterate
from dynamics.analysis.run_arguments import asked_events
from dynamics.analysis.trajectories import integrate
from dynamics.analysis.treatability import treat
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import provenance, status_attributes
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["liquidity_shock"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
FINEST = 1e-15  # of tolerances: losses are known to no more digits
DEFAULT_LOSSES = np.linspace(0.0, 0.95, 20)
RECOVERED = 0.05
_LARGEST, _SECTION, _ROUNDS, _STEPS = 0.999, 33, 6, 4000
_NAMES = {"critical_shock": "critical shock after the loss", "largest_fall": "largest fall, feedback included",
          "amplification": "largest fall / shock", "recovery_time": "time until 95 % of the displacement is gone"}


def liquidity_shock(
    system: System,
    losses: Sequence[float] | None = None,
    *,
    depth: str | None = None,
    magnitude: float = 0.05,
    shock: str = "price",
    event: str | Sequence[str] | None = None,
    tolerance: float = 1e-6,
    ignore: str | Sequence[str] = (),
) -> xr.Dataset:
    """liquidity_shock(system, losses): critical loss of depth, amplification, recovery time, width of hysteresis.

    Market depth falls by the share z at once, so that impact is 1/(1 - z) times what it was, and a shock of a given
    magnitude hits. The loss lasts where ``depth`` is a parameter of impact; where it is a state (the mechanism
    ``market_depth``) it is taken away once and comes back by the model's own equation.

    Parameters
    ----------
    system : System
        A flow with fixed points in closed form, or a static cascade (a map whose rounds grow from an initial fall).
    losses : sequence of float, shape (loss,), optional
        Shares of depth lost, from 0 to below 1. None: 20 from 0 to 0.95.
    depth : str, optional
        A state (depth) or parameter (impact). None: the first of ``depth``, ``price_impact``, ``total_impact`` there is.
    magnitude : float
        Of the shock that hits together with the loss (flows); a static cascade has its own initial fall.
    shock : str
        Of flows.
    event : str or sequence of str, optional
        Of flows: one event, several, or "any" terminal one. None: every terminal event.
    tolerance : float
        Width of the brackets of critical losses and critical shocks.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Flows, over ``loss``: ``critical_shock`` with ``status``, ``largest_fall`` of the shocked state after the shock of
        ``magnitude`` (nan where the event happens), ``amplification`` = largest_fall/magnitude, ``recovery_time`` (nan:
        not recovered, or the event). Static cascades, over ``loss``: ``largest_fall`` and ``amplification``. Numbers:
        ``critical_loss`` (smallest loss at which the shock causes the event; for a cascade, at which the fall jumps),
        ``critical_loss_at_rest`` (lasting losses: at which rest itself becomes unstable), ``return_loss`` (cascades: to
        which the loss must be undone before the fall jumps back), ``hysteresis_width`` (losses at which both outcomes are
        possible: between critical_loss and critical_loss_at_rest, or return_loss and critical_loss). nan where there is
        none, and ``message`` says why.

    Raises
    ------
    SpecificationError
        For unknown names, losses outside [0, 1), and noise, jumps and resets.
    DerivationError
        A flow has no fixed points at its current parameters, or none in closed form and none that was found.

    Notes
    -----
    A return loss below zero needs more depth than there was before the shock: undoing the loss does not undo the jump. It
    also supposes that closed positions are rebuilt.

    Examples
    --------
    >>> import dynamics as dy
    >>> thin = dy.liquidity_shock(dy.models.load("deleveraging"), [0.0, 0.5])
    >>> round(float(thin["critical_loss_at_rest"]), 6)   # impact 0.3 against a limit of 0.75
    0.6
    """
    import xarray as xr

    started = _time.perf_counter()
    if not isinstance(system, System):
        raise SpecificationError(f"liquidity_shock needs a System, not {type(system).__name__}")
    treated = treat(system, "liquidity_shock", ignore)
    system = treated.system
    name = _depth(system, depth)
    share = DEFAULT_LOSSES if losses is None else arguments.numbers(losses, "liquidity_shock: losses")
    if not np.all((share >= 0) & (share < 1)):
        raise SpecificationError("liquidity_shock: losses must be shares of depth from 0 to below 1")
    magnitude = arguments.positive(magnitude, "liquidity_shock: magnitude")
    tolerance = arguments.share(tolerance, "liquidity_shock: tolerance")
    if tolerance < FINEST:
        raise SpecificationError(f"liquidity_shock: tolerance must be at least {FINEST:g}, which is what rounding leaves of "
                                 f"a loss, not {tolerance!r}")
    if system.time == "discrete":
        asked: tuple[str, ...] = ()
        variables, message = _cascade(system, name, share)
        shock = ""
    else:
        arguments.known_name(shock, system.shocks, "shock", system.name, "liquidity_shock")
        asked = asked_events(system, event)
        variables, message = _flow(_Market(system, name, shock, asked), share, magnitude, tolerance)
    return xr.Dataset(
        variables, coords={"loss": ("loss", share, {"units": "1", "long_name": "share of market depth lost"})},
        attrs=provenance("liquidity_shock", system, ignored=treated.ignored,
                         method="bisection of trajectories" if asked else "continuation",
                         depth=name, lasting=name in system.parameters, magnitude=magnitude if asked else None,
                         shock=shock or None, event=", ".join(asked) or None, tolerance=tolerance, message=message or None,
                         wall_time_s=_time.perf_counter() - started))


def _depth(system: System, given: str | None) -> str:
    known = [*system.states, *system.parameters]
    if given is None:
        found = [name for name in ("depth", "price_impact", "total_impact") if name in known]
        if not found:
            raise SpecificationError(f"liquidity_shock: '{system.name}' has no state 'depth' and no parameter "
                                     "'price_impact' or 'total_impact'; say with depth= which state or parameter it is")
        return found[0]
    return arguments.known_name(given, known, "state or parameter", system.name, "liquidity_shock: depth")


# ---- flows ----------------------------------------------------------------------------------------------------------

class _Market:
    """The market after losses of depth."""

    def __init__(self, system: System, name: str, shock: str, event: tuple[str, ...]) -> None:
        self.system, self.name, self.shock, self.event = system, name, shock, event
        self.lasting = name in system.parameters
        self.rest = Ensemble(system, {}, 1)
        if not np.all(np.isfinite(self.rest.start)):
            raise DerivationError(f"liquidity_shock: '{system.name}' has no admissible fixed point to start from at these "
                                  "parameters")

    def after(self, loss: Array) -> Ensemble:
        """Lanes at rest whose depth has just fallen."""
        if self.lasting:
            return Ensemble(self.system, {self.name: self.system.parameter_values[self.name] / (1 - loss)}, loss.size)
        names = self.rest.functions.names
        state: dict[str, Any] = dict(zip(names, self.rest.start[:, 0].tolist(), strict=True))
        return Ensemble(self.system, {}, loss.size, state | {self.name: state[self.name] * (1 - loss)})

    def fatal(self, loss: Array, magnitude: float) -> Flags:
        """Whether the shock causes the event; an unstable rest needs no shock."""
        ensemble = self.after(loss)
        outcome = ensemble.run(self.shock, magnitude, event=self.event, relative_tolerance=1e-9, absolute_tolerance=1e-12)
        unstable = ~ensemble.points.stable if self.lasting and ensemble.points is not None else np.zeros(loss.size, bool)
        return np.asarray(outcome.happened | unstable)

    def first(self, happens: Callable[[Array], Flags], tolerance: float) -> float:
        """Smallest loss at which something happens; nan where it does not up to 99.9 %."""
        low, high = 0.0, _LARGEST
        for _ in range(_ROUNDS):
            grid = np.linspace(low, high, _SECTION)
            found = happens(grid)
            if not found.any():
                return float("nan")
            k = int(np.argmax(found))
            if k == 0:
                return float(low)
            low, high = grid[k - 1], grid[k]
            if high - low <= tolerance:
                break
        return float((low + high) / 2)

    def recovery(self, loss: float, state: Mapping[str, float], target: Array, duration: float) -> float:
        """Time after which the displacement stays below a twentieth of its largest value."""
        impact = {self.name: self.system.parameter_values[self.name] / (1 - loss)} if self.lasting else None
        times = np.linspace(0, duration, _STEPS + 1)
        run = integrate(self.system, duration, dict(state), parameters=impact, times=times.tolist())
        path = np.array([run[name].values for name in self.system.states])
        distance = np.max(np.abs(path - target[:, None]) / (np.abs(target) + 0.01)[:, None], axis=0)
        above = np.flatnonzero(distance > RECOVERED * distance.max())
        if not above.size or above[-1] == len(distance) - 1:
            return 0.0 if not above.size else float("nan")
        k = int(above[-1])
        share = (distance[k] - RECOVERED * distance.max()) / (distance[k] - distance[k + 1])
        return float(times[k] + share * (times[k + 1] - times[k]))


def _flow(market: _Market, share: Array, magnitude: float, tolerance: float) -> tuple[dict[str, Any], str]:
    system, ensemble = market.system, market.after(share)
    search = lane_thresholds(ensemble, market.shock, market.event, tolerance=tolerance)
    stable = ensemble.points.stable if ensemble.points is not None else np.ones(share.size, dtype=bool)
    value = np.where(stable | (not market.lasting), search.value, 0.0)
    outcome = ensemble.run(market.shock, magnitude, event=market.event, extremes=True)
    safe = ~outcome.happened & (stable | (not market.lasting))
    row = ensemble.functions.names.index(next(iter(system._parsed.shocks[market.shock])))
    fall = np.where(safe, ensemble.start[row] - outcome.lowest[row], np.nan)
    shocked, lasts = ensemble.shocked(market.shock, np.full(share.size, magnitude)), ensemble.durations(1e-4)
    target = ensemble.points.state if market.lasting and ensemble.points is not None else np.repeat(
        market.rest.start, share.size, axis=1)
    recovery = np.array([market.recovery(z, dict(zip(ensemble.functions.names, shocked[:, k].tolist(), strict=True)),
                                         target[:, k], float(lasts[k])) if safe[k] else np.nan for k, z in enumerate(share)])
    at_once = market.first(lambda z: market.fatal(z, magnitude), tolerance)
    at_rest = market.first(lambda z: ~_points(market.after(z)), tolerance) if market.lasting else float("nan")
    unit, time_unit = system.shocks[market.shock].unit, system.time_unit
    columns = {"critical_shock": (value, unit), "largest_fall": (fall, unit), "amplification": (fall / magnitude, "1"),
               "recovery_time": (recovery, time_unit)}
    variables: dict[str, Any] = {n: ("loss", v, {"units": u, "long_name": _NAMES[n]}) for n, (v, u) in columns.items()}
    variables["status"] = ("loss", search.status.astype(np.int8), status_attributes(OUTCOMES))
    message = "" if market.lasting else "depth comes back, so a loss of it moves no fixed point"
    if np.isnan(at_once):
        message = "; ".join(filter(None, [message, f"no loss up to {_LARGEST:.1%} makes the shock fatal"]))
    numbers = _numbers(critical_loss=at_once, critical_loss_at_rest=at_rest, hysteresis_width=at_rest - at_once)
    return variables | numbers, message


def _points(ensemble: Ensemble) -> Flags:
    return np.zeros(ensemble.lanes, bool) if ensemble.points is None else ensemble.points.stable


def _numbers(**numbers: float) -> dict[str, Any]:
    return {name: ((), value, {"units": "1", "long_name": name.replace("_", " ")}) for name, value in numbers.items()}


# ---- static cascades ------------------------------------------------------------------------------------------------

def _cascade(system: System, name: str, share: Array) -> tuple[dict[str, Any], str]:
    if name not in system.parameters or len(system.states) != 1:
        raise SpecificationError(f"liquidity_shock: a static cascade needs one state and a parameter of impact; '{name}' of "
                                 f"'{system.name}' is not that")
    state, impact = next(iter(system.states)), system.parameter_values[name]
    initial = system.initial_state()[state]
    fall = np.array([float(iterate(system.with_parameters({name: impact / (1 - z)}), _STEPS)[state][-1]) for z in share])
    branch = continue_fixed_points(system, name, (impact / 50, impact * 50))
    folds = sorted(point.parameters[name] for point in branch.special_points if point.kind == "fold")
    jump, back, message = float("nan"), float("nan"), "the fall does not jump at any depth between 2 % and 50 times today's"
    if len(folds) == 2 and folds[1] > impact:
        back, jump, message = 1 - impact / folds[0], 1 - impact / folds[1], ""
    elif folds:
        listed = ", ".join(f"{fold:.6g}" for fold in folds)
        message = f"folds of the rounds lie at {name} = {listed}: the market rests past its jump"
    unit = system.states[state].unit
    variables: dict[str, Any] = {
        "largest_fall": ("loss", fall, {"units": unit, "long_name": _NAMES["largest_fall"]}),
        "amplification": ("loss", fall / initial, {"units": "1", "long_name": "total fall / initial fall"})}
    return variables | _numbers(critical_loss=jump, return_loss=back, hysteresis_width=jump - back), message
