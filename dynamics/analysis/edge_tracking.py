"""Edge states: the unstable fixed point or cycle on the boundary between two outcomes, reached by repeated bisection.

Two states on either side of the boundary, close together, are followed until they drift apart, brought together again by
bisection on the segment between them, and so on: along the boundary the pair runs to an attractor of the boundary, while
simulation alone always leaves it. Bisecting a shock instead of a segment gives the critical shock.
"""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.boundary_search import BoundarySearch
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.paths import follow
from dynamics.analysis.run_arguments import check_run
from dynamics.analysis.treatability import treat
from dynamics.compiled.functions import functions_of
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError
from dynamics.results import FixedPoint, provenance
from dynamics.results.record import Record
from dynamics.results.record_text import edge_summary
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["EdgeState", "edge_state"]

Array = NDArray[np.float64]
CLOSE, APART = 1e-11, 1e-3  # relative distances at which a pair is brought together, and followed to
ROUNDS, CHUNKS = 200, 40
NEAR = 4e-3  # relative distance at which Newton's method takes over
IN_SIGHT, ALONG = 0.05, 0.05  # or this one, where so little of it lies along the unstable direction of a saddle
ARRIVED = 0.03  # of the largest distance of a trajectory from an attractor, in the modes of its linearization
AT_ONCE = 1e-9
ACCURATE = (1e-10, 1e-12)
ON_SURFACE = 1e-6  # of the largest level of the event along the way: beyond the width of the pair, and far from a miss
GROWS = 1e-9  # share of the fastest rate above which an eigenvalue of an exact Jacobian is unstable


@dataclass(frozen=True, repr=False)
class EdgeState(Record):
    """The attractor of a basin boundary.

    Attributes
    ----------
    kind : {"fixed point", "cycle", "event surface", "not settled"}
        A fixed point or cycle is unstable, by its eigenvalues or multipliers, and was reached along the boundary. Where the
        basin ends at the surface of the event itself there is no edge state.
    state : mapping of str to float
        The fixed point, or a state on the cycle; empty at an event surface.
    period : float
        Of a cycle; nan otherwise.
    low, high : mapping of str to float
        Smallest and largest value of each state along it.
    critical_shock : float
        The magnitude at which the outcome changes, where a shock was given; nan otherwise.
    bracket : (float, float)
        Of the critical shock.
    refined : bool
        Whether Newton's method has taken over from bisection in the end.
    evaluations : int
        Trajectories integrated.
    event : str
        Whose surface bounds the basin, for kind "event surface".
    track : Dataset
        The way along the boundary, dim ``time``.
    """

    kind: str
    state: Mapping[str, float]
    period: float
    low: Mapping[str, float]
    high: Mapping[str, float]
    critical_shock: float = float("nan")
    bracket: tuple[float, float] = (float("nan"), float("nan"))
    refined: bool = False
    evaluations: int = 0
    message: str = ""
    event: str = ""
    track: Any = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return edge_summary(self)

    @property
    def table(self) -> xr.Dataset:
        """Dim ``state``: value, low, high; the track's attributes."""
        import xarray as xr

        names = list(self.state)
        columns = {"value": self.state, "low": self.low, "high": self.high}
        return xr.Dataset({c: ("state", [v[n] for n in names]) for c, v in columns.items()}, coords={"state": names},
                          attrs={**(self.track.attrs if self.track is not None else {}), "kind": self.kind,
                                 "period": self.period, "critical_shock": self.critical_shock})

    def __hash__(self) -> int:
        return hash((self.kind, tuple(self.state.items())))


def edge_state(system: System, safe: Mapping[str, float] | None = None, other: Mapping[str, float] | None = None, *,
               shock: str | None = None, event: str | None = None, parameters: Mapping[str, Any] | None = None,
               bracket: tuple[float, float] | None = None, duration: float | None = None,
               tolerance: float = 1e-9, ignore: str | Sequence[str] = ()) -> EdgeState:
    """edge_state(system, shock="price", event="insolvency"): the unstable state that separates two outcomes.

    Parameters
    ----------
    system : System
        Autonomous flow.
    safe, other : mapping of str to float, optional
        Two states with different outcomes; ``safe`` alone: where the shock hits. None: the admissible stable fixed point.
    shock : str, optional
        A declared shock: the pair starts at its critical magnitude, which is returned as well. None: the pair starts on
        the segment between ``safe`` and ``other``.
    event : str, optional
        The other outcome is that this event happens. None: the first terminal event, or, where there is none or both
        states avoid it, that the trajectory ends at a different attractor.
    parameters : mapping of str to float, optional
        Replaces parameter values by name.
    bracket : (float, float), optional
        Magnitudes of the shock to look between; None: 0 and the first of 0.01, 0.02, 0.04, ... with the other outcome.
    duration : float, optional
        Time after which an outcome is judged. None: 200, or 20 times the slowest time scale of the fixed point.
    tolerance : float
        Of the critical shock, and of the first pair (as a fraction of the segment).
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    EdgeState

    Raises
    ------
    SpecificationError
        For unknown names, two states with the same outcome, or noise, jumps and resets.
    DerivationError
        For maps, Processes and systems that depend on time.
    ConvergenceError
        Where bisection finds no two outcomes.

    References
    ----------
    Skufca, J. D., Yorke, J. A. and Eckhardt, B. (2006), Phys. Rev. Lett. 96, 174101, DOI 10.1103/PhysRevLett.96.174101.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="bistable", states={"x": 1.0}, parameters={"a": 0.3}, equations={"x": "x*(1 - x)*(x - a)"})
    >>> found = dy.edge_state(system, {"x": 1.0}, {"x": 0.0})
    >>> found.kind, round(found.state["x"], 10)
    ('fixed point', 0.3)
    """
    started = _time.perf_counter()
    needs_equations(system, "edge_state")
    treated = treat(system, "edge_state", ignore)
    system = treated.system
    if system.time != "continuous" or not system.autonomous:
        raise DerivationError("edge_state needs an autonomous flow; a map has no trajectories in time")
    given = check_run(system, duration=duration, shock=shock, event=event, tolerance=tolerance, bracket=bracket)
    if event is not None and given.events != (event,):
        raise SpecificationError(f"event: edge_state takes the name of one event of '{system.name}', not {event!r}")
    system = arguments.replaced(system, parameters)
    if shock is None and other is None:
        raise SpecificationError("edge_state needs a shock, or a second state with another outcome")
    duration, tolerance, bracket = given.duration, given.tolerance, given.bracket
    stable = [p for p in fixed_points(system) if p.admissible and p.stability == "stable"]
    tracker = _Tracker(system, stable, event, duration)
    functions = functions_of(system)
    if safe is None and not stable:
        raise SpecificationError("safe: there is no stable fixed point to start from; give a state")
    start = functions.initial_state(system, safe if safe is not None else stable[0].values)
    critical, limits = float("nan"), (float("nan"), float("nan"))
    if shock is not None:
        critical, limits = tracker.critical(shock, start, bracket, tolerance)
        low, high = (tracker.shocked(shock, start, magnitude) for magnitude in limits)
    else:
        low, high = tracker.bisected(start, functions.initial_state(system, other), tolerance)
    path = tracker.along(low, high)
    found = _result(system, tracker, path, critical, limits, started)
    if treated.ignored:
        found.track.attrs["ignored"] = treated.ignored
    return found


class _Tracker:
    """Outcomes of trajectories and pairs of states on either side of the boundary."""

    def __init__(self, system: System, stable: Sequence[FixedPoint], event: str | None, duration: float | None) -> None:
        self.system, self.functions = system, functions_of(system)
        self.p = self.functions.parameters(system)
        terminal = [name for name, part in system.events.items() if part.terminal]
        self.event = event if event is not None else (terminal[0] if terminal else None)
        slowest = max((1 / max(1e-6, min(-v.real for v in p.eigenvalues if v.real < -1e-9)) for p in stable
                       if any(v.real < -1e-9 for v in p.eigenvalues)), default=10.0)
        self.duration = duration if duration is not None else max(200.0, 20 * slowest)
        self.targets = [self._target(point) for point in stable]
        self.evaluations = 0
        self.happened = float("nan")  # when the event did, on the last trajectory
        self.reference: Any = None
        self.drawn_in = False
        self.search = BoundarySearch(self._compared)

    def _target(self, point: FixedPoint) -> tuple[NDArray[np.complex128], Array]:
        """The modes at a stable fixed point (rows that turn a distance into amplitudes), and the point."""
        place = np.array([point.values[n] for n in self.system.states])
        _, slope = _smooth_at(self.functions, self.p, place)
        vectors = np.linalg.eig(slope(0.0, place, self.p))[1] if slope is not None else np.eye(len(place))
        if np.linalg.cond(vectors) > 1e10:
            vectors = np.eye(len(place))
        return np.linalg.inv(vectors).astype(complex), place

    def outcome(self, state: Array) -> Any:
        """True where the event happens; else the number of the attractor that is reached."""
        self.evaluations += 1
        self.happened = float("nan")
        if self.event is not None and self._crossed(state):
            return True
        names = [self.event] if self.event is not None else []
        spent, piece = 0.0, self.duration / CHUNKS
        farthest = [max(float(np.max(np.abs(w @ (state - t)))), 1e-300) for w, t in self.targets]
        while spent < self.duration:
            path = follow(self.system, piece, state, events=names, ending=self.event, dense=False,
                          relative_tolerance=ACCURATE[0], absolute_tolerance=ACCURATE[1])
            if path.status == "event":
                self.happened = spent + float(path.times[-1])
                return True
            if path.status != "completed":
                return path.status
            spent, state = spent + piece, path.states[-1]
            for number, (modes, target) in enumerate(self.targets):
                distance = float(np.max(np.abs(modes @ (state - target))))
                farthest[number] = max(farthest[number], distance)
                # in its own modes a linear system only comes closer: far inside of where it was it stays
                if distance < ARRIVED * farthest[number] or distance < AT_ONCE * float(np.max(np.abs(modes @ target))):
                    return number
        return "elsewhere"

    def _crossed(self, state: Array) -> bool:
        row = list(self.system.events).index(self.event or "")
        value = float(self.functions.events(0.0, state, self.p)[row])
        return value <= 0 if self.system.events[self.event or ""].direction == "falling" else (
            value >= 0 if self.system.events[self.event or ""].direction == "rising" else False)

    def shocked(self, shock: str, start: Array, magnitude: float) -> Array:
        return self.functions.shocks[shock](start, float(magnitude), self.p)

    def critical(self, shock: str, start: Array, bracket: tuple[float, float] | None, tolerance: float
                 ) -> tuple[float, tuple[float, float]]:
        """The magnitude at which the outcome changes, and the bracket."""
        low, high = bracket if bracket is not None else (0.0, 0.01)
        self.reference = self.outcome(self.shocked(shock, start, low))
        while self.outcome(self.shocked(shock, start, high)) == self.reference:
            if bracket is not None or high > 1e3:
                raise ConvergenceError(f"edge_state: shocks '{shock}' from {low:g} to {high:g} all have the same outcome")
            low, high = high, 2 * high
        while high - low > tolerance:
            middle = (low + high) / 2
            if middle in (low, high):
                break
            same = self.outcome(self.shocked(shock, start, middle)) == self.reference
            low, high = (middle, high) if same else (low, middle)
        return (low + high) / 2, (low, high)

    def bisected(self, low: Array, high: Array, tolerance: float) -> tuple[Array, Array]:
        """Two states on the segment, on either side of the boundary."""
        if self.reference is None:
            self.reference = self.outcome(low)
            if self.outcome(high) == self.reference:
                raise SpecificationError("edge_state: both states have the same outcome; no boundary lies between")
        return self.search(low, high, tolerance, self._size(low))

    def _compared(self, state: Array) -> tuple[bool, float]:
        return self.outcome(state) == self.reference, self.happened

    def _size(self, state: Array) -> Array:
        return np.maximum(np.abs(state), 1e-2 * max(float(np.abs(state).max()), 1e-6))

    def along(self, low: Array, high: Array) -> tuple[Array, Array, Any]:
        """Follow the boundary until Newton's method takes over; return times, states, and the fixed point or cycle."""
        times, states, found = [np.zeros(1)], [low[None]], None
        elapsed = 0.0
        for _ in range(ROUNDS):
            piece = self._together(low, high)
            times.append(elapsed + piece[0][1:])
            states.append(((piece[1] + piece[2]) / 2)[1:])
            elapsed += float(piece[0][-1])
            low, high = piece[1][-1], piece[2][-1]
            found = self._identified(np.concatenate(times), np.concatenate(states))
            # a pair that runs into an attractor together has left no unstable state behind
            self.drawn_in = found is not None and not self._unstable(found)
            if found is not None or elapsed > ROUNDS * self.duration:
                break
            low, high = self.bisected(low, high, CLOSE)
        return np.concatenate(times), np.concatenate(states), None if self.drawn_in else found

    def _unstable(self, found: Any) -> bool:
        """Whether a fixed point or cycle has an unstable direction."""
        if not isinstance(found, np.ndarray):
            return bool(found.unstable > 0)
        _, slope = _smooth_at(self.functions, self.p, found)
        matrix = None if slope is None else slope(0.0, found, self.p)
        if matrix is None or not np.all(np.isfinite(matrix)):
            return False
        rates = np.linalg.eigvals(matrix)
        return bool(rates.real.max() > GROWS * np.abs(rates).max())

    def at_surface(self, times: Array, states: Array) -> bool:
        """Whether the pair, which an attractor has drawn in, touched the surface of the event on its way."""
        from scipy.optimize import minimize_scalar

        if not self.drawn_in or self.event is None:
            return False
        row = list(self.system.events).index(self.event)

        def distance(state: Array) -> float:
            return abs(float(self.functions.events(0.0, state, self.p)[row]))

        levels = np.array([distance(state) for state in states])
        nearest = int(levels.argmin())
        first, last = max(nearest - 1, 0), min(nearest + 1, len(times) - 1)
        # between the steps it may come nearer, where it turns
        path = follow(self.system, float(times[last] - times[first]), states[first], events=(),
                      relative_tolerance=ACCURATE[0], absolute_tolerance=ACCURATE[1])
        turn = minimize_scalar(lambda time: distance(path.at(np.array([time]))[:, 0]), bounds=(0.0, path.times[-1]),
                               method="bounded", options={"xatol": 1e-9 * path.times[-1]})
        return bool(min(levels.min(), turn.fun) <= ON_SURFACE * levels.max())

    def _together(self, low: Array, high: Array) -> tuple[Array, Array, Array]:
        """Both trajectories until they are apart, at the steps of the first."""
        grids, ones, twos, spent = [np.zeros(1)], [low[None]], [high[None]], 0.0
        while spent < self.duration:
            paths = [follow(self.system, self.duration / CHUNKS, state, events=(), relative_tolerance=ACCURATE[0],
                            absolute_tolerance=ACCURATE[1]) for state in (low, high)]
            self.evaluations += 2
            end = min(path.times[-1] for path in paths)
            if end <= 0:
                break
            steps = np.array([t for t in paths[0].times if t < end] + [end])
            grid = np.unique(np.concatenate([steps, (steps[1:] + steps[:-1]) / 2]))
            one, two = (path.at(grid).T for path in paths)
            gap = np.max(np.abs(one - two) / np.array([self._size(s) for s in one]), axis=1)
            far = np.flatnonzero(gap > APART)
            stop = max(int(far[0]), 1) if far.size else len(grid) - 1
            grids.append(spent + grid[1: stop + 1])
            ones.append(one[1: stop + 1])
            twos.append(two[1: stop + 1])
            spent, low, high = spent + float(grid[stop]), one[stop], two[stop]
            if far.size:
                break
        return np.concatenate(grids), np.concatenate(ones), np.concatenate(twos)

    def _identified(self, times: Array, states: Array) -> Any:
        """The unstable fixed point or cycle at the end of the way, by Newton's method; None where the way still moves."""
        from dynamics.analysis.cycle_starts import cycle_near

        late = states[times >= 0.6 * times[-1]]
        size = self._size(late.mean(axis=0))
        point = _fixed_point(self.system, self.p, states[-1])
        if point is not None and (gap := float(np.max(np.abs(states[-1] - point) / size))) < IN_SIGHT and (
                gap < NEAR or self._on_its_manifold(point, states[-1])):
            return point
        if np.max((late.max(axis=0) - late.min(axis=0)) / size) < NEAR or len(late) < 20:
            return None
        # the last full turn lies closest to the boundary's attractor
        return cycle_near(self.system, times[::-1][: len(late)][::-1], late)


    def _on_its_manifold(self, point: Array, state: Array) -> bool:
        """Whether a fixed point has one unstable direction, and the way to it hardly any share of that."""
        _, slope = _smooth_at(self.functions, self.p, point)
        if slope is None or not np.all(np.isfinite(matrix := slope(0.0, point, self.p))):
            return False
        values, vectors = np.linalg.eig(matrix)
        if np.sum(values.real > 0) != 1 or np.linalg.cond(vectors) > 1e8:
            return False
        shares = np.abs(np.linalg.solve(vectors, (state - point).astype(complex)))
        return bool(shares[values.real > 0][0] < ALONG * shares.max())


def _result(system: System, tracker: _Tracker, way: tuple[Array, Array, Any], critical: float,
            limits: tuple[float, float], started: float) -> EdgeState:
    import xarray as xr

    times, states, found = way
    names = list(system.states)

    def named(values: Array) -> dict[str, float]:
        return dict(zip(names, values.tolist(), strict=True))

    track = xr.Dataset({name: ("time", states[:, j], {"units": system.states[name].unit}) for j, name in enumerate(names)},
                       coords={"time": ("time", times, {"units": system.time_unit})},
                       attrs=provenance("edge_state", system, method="bisection along the boundary",
                                        relative_tolerance=ACCURATE[0], absolute_tolerance=ACCURATE[1],
                                        evaluations=tracker.evaluations, wall_time_s=_time.perf_counter() - started))
    if found is None and tracker.at_surface(times, states):
        surface = str(system.events[tracker.event or ""].expression)
        return EdgeState("event surface", {}, float("nan"), {}, {}, critical, limits, False, tracker.evaluations,
                         f"the basin ends at the surface {surface} = 0 itself; there is no edge state", tracker.event or "",
                         track)
    if found is None:
        late = states[times >= times[-1] / 2]
        return EdgeState("not settled", named(states[-1]), float("nan"), named(late.min(axis=0)), named(late.max(axis=0)),
                         critical, limits, False, tracker.evaluations,
                         "an attractor has drawn the pair in: what separates the outcomes was not found" if tracker.drawn_in
                         else "the pair still moves along the boundary; give a longer duration", track=track)
    if isinstance(found, np.ndarray):
        values = named(found)
        return EdgeState("fixed point", values, float("nan"), values, values, critical, limits, True, tracker.evaluations,
                         track=track)
    return EdgeState("cycle", named(found.state), found.period, named(found.low), named(found.high), critical, limits, True,
                     tracker.evaluations, track=track)


def _smooth_at(functions: Any, p: Sequence[Any], state: Array) -> tuple[Any, Any]:
    """The field and its Jacobian in the regime of a state."""
    regimes = functions.regimes
    regime = max(regimes, key=lambda r: min(r.conditions(0.0, state, p), default=0.0)) if regimes else functions
    return regime.field, regime.jacobian


def _fixed_point(system: System, p: Sequence[Any], state: Array) -> Array | None:
    """Newton's method for the field, in the regime of the state."""
    base, slope = _smooth_at(functions_of(system), p, state)
    if slope is None:
        return None
    point = state.copy()
    for _ in range(30):
        matrix, value = slope(0.0, point, p), base(0.0, point, p)
        if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(value))):
            return None
        update = np.linalg.lstsq(matrix, -value, rcond=1e-12)[0]
        point = point + update
        if np.max(np.abs(update) / np.maximum(np.abs(point), 1e-12)) < 1e-14:
            break
    return point
