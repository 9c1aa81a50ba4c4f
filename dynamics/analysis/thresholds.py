"""Cascade thresholds: the smallest shock after which an event (insolvency) happens, found by bisection of trajectories."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Symbol

from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.paths import Path, follow
from dynamics.analysis.ramps import RAMP_DURATION, RAMP_SIZE, ramped
from dynamics.analysis.trajectory_measures import measures_of
from dynamics.analysis.treatability import treat
from dynamics.compiled.code import scalar_function
from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.results import FixedPoint, FixedPoints, Threshold, provenance
from dynamics.systems import System

__all__ = ["cascade_threshold"]

Array = NDArray[np.float64]
SHORTEST = 200.0
SCAN_POINTS = 33
LOOSE: dict[str, Any] = {"relative_tolerance": 1e-7, "absolute_tolerance": 1e-10}
SCAN: dict[str, Any] = {"relative_tolerance": 1e-6, "absolute_tolerance": 1e-9}
TIGHT: dict[str, Any] = {"relative_tolerance": 1e-11, "absolute_tolerance": 1e-13}
EXTENSIONS = 6
OPPOSITE = 1e-6
FIRST_PIECE = 25.0
STIFF = 250.0


def cascade_threshold(system: System, shock: str = "price", event: str = "insolvency",
                      initial_state: Mapping[str, float] | None = None, bracket: tuple[float, float] | None = None,
                      duration: float | None = None, tolerance: float = 1e-9, *,
                      parameters: Mapping[str, Any] | None = None, ramp: float = 0.0,
                      both_directions: bool = True, ignore: str | Sequence[str] = ()) -> Threshold:
    """cascade_threshold(system, shock="price"): the smallest shock after which ``event`` happens.

    Parameters
    ----------
    system : System
        Continuous time.
    shock : str
        A declared shock; its magnitude is the unknown. Positive is adverse.
    event : str
        A declared event; it counts as happening at once when the shock itself carries the state across it.
    initial_state : mapping of str to float, optional
        Where the shock hits; None: the admissible stable fixed point at the current parameters.
    bracket : (float, float), optional
        Magnitudes to search between; None: from 0 to the shock that causes the event at once.
    duration : float, optional
        Time after the shock. None: max(200, ln(1/tolerance)/|slowest eigenvalue|). Runs that have not settled by then are
        continued, and reported as ``not_settled`` when even that does not decide; they are never counted as survived.
    tolerance : float
        Width of the final bracket.
    parameters : mapping of str to float, optional
        Replaces parameter values by name.
    ramp : float
        Spread the shock over this time, at a constant rate; 0 is instantaneous.
    both_directions : bool
        Also look for a threshold of the opposite sign (a rise can bankrupt, too), to a bracket of 1e-6.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    Threshold
        ``value``, ``bracket``, ``status``, ``evaluations``, measures just before and just after, and the threshold in the
        opposite direction. Status: found; insolvent_at_once (value is the shock that crosses at once, no smaller one
        does it); unstable (the fixed point is, from its eigenvalues: 0.0); none_in_bracket (nan); not_monotone (value is
        the first change of outcome, all are in ``transitions``); not_settled (nan).

    Raises
    ------
    SpecificationError
        For unknown names, for noise and jumps, or when several stable fixed points make the start ambiguous.

    Examples
    --------
    >>> import dynamics as dy
    >>> threshold = dy.cascade_threshold(dy.models.load("deleveraging"), both_directions=False)
    >>> threshold.status, round(threshold.value, 8)
    ('found', 0.173507)
    """
    started = _time.perf_counter()
    _names(system, shock, event)
    treated = treat(system, "cascade_threshold", ignore)
    system = treated.system
    if parameters:
        system = system.with_parameters(parameters)
    if not (np.isfinite(ramp) and ramp >= 0):
        raise SpecificationError(f"ramp must be a time of at least 0, not {ramp!r}")
    if not 0 < tolerance < 1:
        raise SpecificationError(f"tolerance must lie between 0 and 1, not {tolerance!r}")
    points = fixed_points(system)
    start, stable = _start(system, points, initial_state)
    record = provenance("cascade_threshold", system, ignored=treated.ignored, method="LSODA", tolerance=tolerance, **TIGHT)
    if start is None:
        return Threshold(0.0, (0.0, 0.0), "unstable", 0, shock, event, ramp=ramp, provenance=record,
                         message="the fixed point is unstable (from its eigenvalues): any shock is critical")
    search = _Search(system, shock, event, start, stable, _duration(duration, stable, tolerance), tolerance, ramp)
    result = search.run(bracket, 1.0)
    if both_directions and bracket is None:
        # the far end of the search for a rise is a choice, and stated in the result
        far = max(1.0, 2 * abs(search.at_once(1.0) or 1.0))
        search.tolerance = max(tolerance, OPPOSITE)
        opposite = search.run((0.0, far), -1.0)
        result = replace(result, opposite=opposite, evaluations=search.evaluations)
    record["wall_time_s"] = _time.perf_counter() - started
    record["duration"] = search.duration
    record["field_evaluations"] = search.field_evaluations
    return replace(result, provenance=record)


def _names(system: System, shock: str, event: str) -> None:
    needs_equations(system, "cascade_threshold")
    if system.time != "continuous":
        raise SpecificationError("cascade_threshold needs a System in continuous time")
    if shock not in system.shocks:
        raise SpecificationError(f"'{shock}' is not a shock of '{system.name}'.{did_you_mean(shock, system.shocks)}"
                                 f" There are {', '.join(system.shocks) or 'none'}")
    if event not in system.events:
        raise SpecificationError(f"'{event}' is not an event of '{system.name}'.{did_you_mean(event, system.events)}"
                                 f" There are {', '.join(system.events) or 'none'}")


def _start(system: System, points: FixedPoints, given: Mapping[str, float] | None
           ) -> tuple[Array | None, tuple[FixedPoint, ...]]:
    functions = functions_of(system)
    admissible = [p for p in points if p.admissible]
    stable = tuple(p for p in admissible if p.stability == "stable")
    if given is not None:
        return functions.initial_state(system, given), stable
    if not admissible:
        raise SpecificationError(f"'{system.name}' has no admissible fixed point at these parameters to shock from; "
                                 "give initial_state")
    if len(stable) > 1:
        listed = "; ".join(str(dict(p.values)) for p in stable)
        raise SpecificationError(f"'{system.name}' has {len(stable)} stable fixed points ({listed}); "
                                 "say with initial_state which one is shocked")
    return (functions.initial_state(system, stable[0].values) if stable else None), stable


def _duration(given: float | None, stable: tuple[FixedPoint, ...], tolerance: float) -> float:
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise SpecificationError(f"duration must be a positive number, not {given!r}")
        return float(given)
    rates = [abs(z.real) for p in stable for z in p.eigenvalues if abs(z.real) > 1e-12]
    return max(SHORTEST, float(np.log(1 / tolerance)) / min(rates)) if rates else SHORTEST


@dataclass
class _Search:
    """Trajectories after shocks of different magnitudes from one state."""

    system: System
    shock: str
    event: str
    start: Array
    stable: tuple[FixedPoint, ...]
    duration: float
    tolerance: float
    ramp: float
    evaluations: int = 0
    field_evaluations: int = 0
    doubtful: int = 0
    broken: int = 0
    _once: dict[float, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.functions = functions_of(self.system)
        self.p = self.functions.parameters(self.system)
        self.row = list(self.system.events).index(self.event)
        self.direction = self.system.events[self.event].direction
        self.ramp_system = ramped(self.system, self.shock) if self.ramp else None
        self.targets = [self._target(point) for point in self.stable]
        self.method = self._method()

    def _target(self, point: FixedPoint) -> Any:
        """The fixed point as a function of its free states, and the states that have to arrive there."""
        names = list(self.system.states)
        numbers = self.system.exact_parameters
        where = scalar_function([e.xreplace(numbers) for e in point.state.values()], [[Symbol(n) for n in names]])
        arriving = np.array([n not in point.free for n in names])
        return where, arriving

    def _method(self) -> str:
        """An explicit method of order 8 where the spectrum is narrow enough for its stability, else LSODA."""
        rates = [abs(z) for point in self.stable for z in point.eigenvalues if abs(z) > 1e-12]
        return "DOP853" if rates and max(rates) <= STIFF * min(max(r, 1e-2 * max(rates)) for r in rates) else "LSODA"

    # ---- single trajectories -----------------------------------------------------------------------------------------

    def shocked(self, magnitude: float) -> Array:
        return self.functions.shocks[self.shock](self.start, magnitude, self.p)

    def level(self, state: Array) -> float:
        return float(self.functions.events(0.0, state, self.p)[self.row])

    def happens_at_once(self, magnitude: float) -> bool:
        """Whether the shock itself carries the state across the event."""
        before, after = self.level(self.start), self.level(self.shocked(magnitude))
        falls, rises = before > 0 >= after, before < 0 <= after
        return {"falling": falls, "rising": rises, "both": falls or rises}[self.direction]

    def path(self, magnitude: float, accuracy: Mapping[str, float], dense: bool = False) -> tuple[str, Path, System]:
        """Return ("event" | "survived" | "not_settled" | "broke", path, system) after a shock."""
        self.evaluations += 1
        system, state, spent = self.system, self.start, 0.0
        if self.ramp_system is not None:
            system = self.ramp_system.with_parameters(
                {**{n: p.value for n, p in self.system.parameters.items()}, RAMP_SIZE: magnitude, RAMP_DURATION: self.ramp})
        else:
            state = self.shocked(magnitude)
            if self.happens_at_once(magnitude):
                path = Path(times=[0.0], states=[state], status="event")
                return "event", path, system
        scale = self._distances(state) if self.ramp_system is None else np.full(len(self.targets), np.inf)
        whole = Path()
        piece, longest = min(self.duration, FIRST_PIECE), self.ramp + EXTENSIONS * self.duration
        while spent < longest:
            part = follow(system, piece, state, initial_time=spent, events=[self.event, *self._terminal()],
                          ending=self.event, method=self.method, dense=dense, **accuracy)
            self.field_evaluations += part.field_evaluations
            whole.append(part)
            if part.status == "event":
                # another terminal event ends the path without the one asked for
                return ("event" if part.happenings[-1].name == self.event else "survived"), whole, system
            if part.status != "completed":
                return "broke", whole, system
            spent, state, piece = spent + piece, part.states[-1], 1.2 * piece
            distances = self._distances(state)
            near = np.maximum(1e-7, 1e-3 * np.minimum(scale, 1.0))
            if spent >= self.ramp and len(distances) and np.any(distances <= near):
                return "survived", whole, system
        return "not_settled", whole, system

    def _terminal(self) -> list[str]:
        return [n for n, e in self.system.events.items() if e.terminal and n != self.event]

    def _distances(self, state: Array) -> Array:
        """Scaled distance to each stable fixed point."""
        result = []
        for where, arriving in self.targets:
            point = np.array(where(state.tolist()), dtype=float)
            result.append(np.max(np.abs(state - point)[arriving] / (np.abs(point[arriving]) + 0.01)))
        return np.array(result)

    # ---- searching ---------------------------------------------------------------------------------------------------

    def at_once(self, sense: float) -> float | None:
        """Smallest magnitude (in absolute value) that causes the event at once, in the direction ``sense``."""
        if sense not in self._once:
            self._once[sense] = self._find_at_once(sense)
        return self._once[sense]

    def _find_at_once(self, sense: float) -> float | None:
        from scipy.optimize import brentq

        magnitude = 1e-3
        low = 0.0
        while magnitude < 60 and not self.happens_at_once(sense * magnitude):
            low, magnitude = magnitude, magnitude * 1.5
        if magnitude >= 60:
            return None
        return float(brentq(lambda m: self.level(self.shocked(sense * m)), low, magnitude, xtol=1e-15, rtol=1e-14))

    def run(self, bracket: tuple[float, float] | None, sense: float) -> Threshold:
        """Scan, then bisect; ``sense`` -1 looks for a rise, with magnitudes still counted from 0."""
        limit = self.at_once(sense) if not self.ramp else None
        low, high = self._ends(bracket, sense, limit)
        if high is None:
            # larger and larger shocks were tried: an event that needs one within a narrow range can be missed
            return self._none(sense, (0.0, sense * low), "none of the shocks tried, up to this size, causes the event; "
                              "give a bracket if you know where it happens")
        grid = np.linspace(low, high, SCAN_POINTS)
        outcomes = self._scan(sense * grid)
        if limit is not None and high >= limit:
            outcomes[-1] = "event"
        undecided = [float(sense * m) for m, o in zip(grid, outcomes, strict=True) if o in ("not_settled", "broke")]
        happens = np.array([o == "event" for o in outcomes])
        changes = np.nonzero(happens[1:] != happens[:-1])[0]
        if happens[0]:
            return Threshold(float(sense * low), (float(sense * low),) * 2, "found" if low else "unstable", self.evaluations,
                             self.shock, self.event, "the event happens already at the lower end of the bracket", self.ramp)
        if not len(changes):
            if undecided:
                return self._none(sense, (sense * low, sense * high), f"{len(undecided)} runs had not settled",
                                  "not_settled")
            return self._none(sense, (sense * low, sense * high), "the event does not happen in the bracket")
        first = int(changes[0])
        survived = max(k for k in range(first + 1) if outcomes[k] != "broke" or k == 0)
        self.doubtful, self.broken = 0, first - survived
        below, above = (grid[survived], grid[first + 1]) if self.broken else self._bisect(
            float(grid[first]), float(grid[first + 1]), sense)
        if self.broken:
            # what became of a run without numbers is not known, so neither is the threshold
            return self._none(sense, (float(sense * min(below, grid[survived])), float(sense * above)),
                              f"{self.broken} runs became invalid (nan or inf: a logarithm or root past the event?); the "
                              "threshold lies inside the bracket", "not_settled")
        status, value, message = "found", (below + above) / 2, "bisection of trajectories"
        if limit is not None and above >= limit - self.tolerance:
            status, value = "insolvent_at_once", limit
            message = "no smaller shock causes it: the shock itself crosses the event"
        transitions: tuple[float, ...] = ()
        if len(changes) > 1:
            status = "not_monotone"
            transitions = tuple(float(sense * (grid[c] + grid[c + 1]) / 2) for c in changes)
            message = f"the outcome changes {len(changes)} times in the scan; the value is the first change"
        if undecided:
            message += f"; {len(undecided)} scanned runs had not settled"
        if self.doubtful:
            message += f"; {self.doubtful} runs of the bisection had not settled and count as without the event"
        return Threshold(sense * value, (sense * below, sense * above), status, self.evaluations, self.shock, self.event,
                         message, self.ramp, self._measures(sense * below), self._measures(sense * above),
                         transitions=transitions)

    def _ends(self, bracket: tuple[float, float] | None, sense: float, limit: float | None) -> tuple[float, float | None]:
        if bracket is not None:
            low, high = sorted(float(b) for b in bracket)
            if not np.isfinite([low, high]).all() or low == high:
                raise SpecificationError(f"bracket must be two different finite magnitudes, not {bracket!r}")
            return low, (min(high, limit) if limit is not None else high)
        if limit is not None:
            return 0.0, limit
        high = 0.5
        while high < 40:
            if self.path(sense * high, LOOSE)[0] == "event":
                return 0.0, high
            high *= 2
        return high, None

    def _scan(self, magnitudes: Array) -> list[str]:
        """Outcomes of many shocks at once; one after the other where no fixed points are known."""
        from dynamics.analysis.ensembles import Ensemble
        from dynamics.results import STATUS

        start = dict(zip(self.functions.names, self.start.tolist(), strict=True))
        ensemble = None if self.functions.indexed else Ensemble(self.system, {}, len(magnitudes), start)
        if ensemble is None or ensemble.points is None:
            return [self.path(magnitude, LOOSE)[0] for magnitude in magnitudes]
        self.evaluations += len(magnitudes)
        outcome = ensemble.run(self.shock, magnitudes, event=self.event, ramp=self.ramp, duration=self.duration, **SCAN)
        names = {STATUS["event"]: "event", STATUS["settled"]: "survived", STATUS["completed"]: "survived"}
        # what the scan does not decide is followed longer, alone
        return [names.get(int(code)) or self.path(magnitude, LOOSE)[0]
                for code, magnitude in zip(outcome.status, magnitudes, strict=True)]

    def _bisect(self, low: float, high: float, sense: float) -> tuple[float, float]:
        """Narrow a bracket, loosely as long as that is enough; an end that the accurate path contradicts moves out."""
        rough, top = max(1e-5, self.tolerance), high
        low, high = self._halve(low, high, sense, rough, LOOSE)
        step = high - low
        if low > 0 and self.path(sense * low, TIGHT)[0] == "event":
            low, high = max(low - step, 0.0), low
            while low > 0 and self.path(sense * low, TIGHT)[0] == "event":
                step *= 2
                low, high = max(low - step, 0.0), low
        else:
            # where a path grazes a border the loose one can be off by more than its bracket, to either side
            while high < top and self.path(sense * high, TIGHT)[0] != "event":
                low, high = high, min(high + step, top)
                step *= 2
        return self._halve(low, high, sense, self.tolerance, TIGHT)

    def _halve(self, low: float, high: float, sense: float, tolerance: float, accuracy: Mapping[str, float]
               ) -> tuple[float, float]:
        while high - low > tolerance:
            middle = (low + high) / 2
            outcome = self.path(sense * middle, accuracy)[0]
            self.doubtful += outcome == "not_settled"
            self.broken += outcome == "broke"
            low, high = (low, middle) if outcome == "event" else (middle, high)
        return low, high

    def _measures(self, magnitude: float) -> dict[str, float]:
        _, path, system = self.path(magnitude, TIGHT, dense=True)
        return measures_of(system, path, list(self.system.measures), functions_of(system).parameters(system))

    def _none(self, sense: float, bracket: tuple[float, float], message: str, status: str = "none_in_bracket") -> Threshold:
        return Threshold(float("nan"), bracket, status, self.evaluations, self.shock, self.event, message, self.ramp)
