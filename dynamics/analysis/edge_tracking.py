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
from dynamics.analysis.boundary_surfaces import ACCURATE, EventSurfaces, dividing_switch, smooth_at
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.paths import follow
from dynamics.analysis.run_arguments import check_events, check_run
from dynamics.analysis.treatability import treat
from dynamics.compiled.functions import functions_of
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError
from dynamics.results import FixedPoint, provenance
from dynamics.results.record import Record, hashed
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
GROWS = 1e-9  # share of the fastest rate above which an eigenvalue of an exact Jacobian is unstable


@dataclass(frozen=True, repr=False)
class EdgeState(Record):
    """The attractor of a basin boundary.

    Attributes
    ----------
    kind : {"fixed point", "cycle", "event surface", "switch surface", "not settled"}
        A fixed point or cycle is unstable, by its eigenvalues or multipliers, and was reached along the boundary. Where the
        basin ends at the surface of an event, or at a switch at which the field jumps and leads away on either side, there
        is no edge state.
    state : mapping of str to float
        The fixed point, or a state on the cycle; empty at a surface. Of "not settled" the last state along the boundary.
    period : float
        Of a cycle; nan otherwise.
    low, high : mapping of str to float
        Smallest and largest value of each state along it.
    critical_shock : float
        The magnitude at which the outcome changes, where a shock was given; nan otherwise. Also where the run is ended by
        another event than those asked for: ``event`` then says by which.
    bracket : (float, float)
        Of the critical shock.
    refined : bool
        Whether Newton's method has taken over from bisection in the end.
    evaluations : int
        Trajectories integrated.
    event : str
        Whose surface bounds the basin, for kind "event surface"; of any terminal event, or one that was asked for.
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
        return hash(hashed((self.kind, tuple(self.state.items()))))


def edge_state(system: System, safe: Mapping[str, float] | None = None, other: Mapping[str, float] | None = None, *,
               shock: str | None = None, event: str | Sequence[str] | None = None,
               parameters: Mapping[str, Any] | None = None, bracket: tuple[float, float] | None = None,
               duration: float | None = None,
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
    event : str or sequence of str, optional
        The other outcome is that one of these events happens: one, several, or "any" terminal one. None: every terminal
        event. Every terminal event ends a trajectory, whatever is asked for; a run that another one has ended is an outcome
        of its own. Where both states avoid the events, the other outcome is a different attractor.
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
        ``kind``: "fixed point" or "cycle", the unstable state, in ``state``, ``low``, ``high`` and ``period``; "event
        surface": the basin ends at the surface of ``event``, which may be another terminal event than the one asked for;
        "switch surface": at a switch of the field; for both ``state`` is empty, and ``message`` has the surface; "not
        settled": nothing was proved, ``state`` is where the way along the boundary ended.

    Raises
    ------
    SpecificationError
        For unknown names, two states with the same outcome, a safe state beyond a terminal event, or noise, jumps and
        resets.
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
    system = arguments.replaced(system, parameters)
    if shock is None and other is None:
        raise SpecificationError("edge_state needs a shock, or a second state with another outcome")
    duration, tolerance, bracket = given.duration, given.tolerance, given.bracket
    stable = [p for p in fixed_points(system) if p.admissible and p.stability == "stable"]
    tracker = _Tracker(system, stable, check_events(system, "any" if event is None else event) or (), duration)
    functions = functions_of(system)
    if safe is None and not stable:
        raise SpecificationError("safe: there is no stable fixed point to start from; give a state")
    start = functions.initial_state(system, safe if safe is not None else stable[0].values)
    if behind := tracker.surfaces.met(start):
        raise SpecificationError(f"safe: the state lies beyond the event '{behind}', so that every run has ended before it "
                                 "starts; give a state on its other side")
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

    def __init__(self, system: System, stable: Sequence[FixedPoint], asked: Sequence[str],
                 duration: float | None) -> None:
        self.system, self.functions = system, functions_of(system)
        self.p = self.functions.parameters(system)
        self.asked, self.surfaces = tuple(asked), EventSurfaces(system, asked)
        slowest = max((1 / max(1e-6, min(-v.real for v in p.eigenvalues if v.real < -1e-9)) for p in stable
                       if any(v.real < -1e-9 for v in p.eigenvalues)), default=10.0)
        self.duration = duration if duration is not None else max(200.0, 20 * slowest)
        self.targets = [self._target(point) for point in stable]
        self.evaluations = 0
        self.happened = float("nan")  # when the event did, on the last trajectory
        self.reference: Any = None
        self.drawn_in = False
        self.switch = ""  # between the two states, where the field jumps
        self.search = BoundarySearch(self._compared)

    def _target(self, point: FixedPoint) -> tuple[NDArray[np.complex128], Array]:
        """The modes at a stable fixed point (rows that turn a distance into amplitudes), and the point."""
        place = np.array([point.values[n] for n in self.system.states])
        _, slope = smooth_at(self.functions, self.p, place)
        vectors = np.linalg.eig(slope(0.0, place, self.p))[1] if slope is not None else np.eye(len(place))
        if np.linalg.cond(vectors) > 1e10:
            vectors = np.eye(len(place))
        return np.linalg.inv(vectors).astype(complex), place

    def outcome(self, state: Array, before: Array | None = None) -> Any:
        """True where an event that is asked for happens, the name of another terminal event that ends the trajectory, the
        number of the attractor that is reached, or how else it ends."""
        self.evaluations += 1
        self.happened = float("nan")
        if name := self.surfaces.met(state, before):
            return self._by(name)
        spent, piece = 0.0, self.duration / CHUNKS
        farthest = [max(float(np.max(np.abs(w @ (state - t)))), 1e-300) for w, t in self.targets]
        while spent < self.duration:
            path = follow(self.system, piece, state, events=self.surfaces.names, ending=self.asked, dense=False,
                          relative_tolerance=ACCURATE[0], absolute_tolerance=ACCURATE[1])
            if path.status == "event":
                self.happened = spent + float(path.times[-1])
                return self._by(path.happenings[-1].name)
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

    def _by(self, name: str) -> Any:
        """The outcome of a trajectory that an event has ended."""
        return True if name in self.asked else name

    def shocked(self, shock: str, start: Array, magnitude: float) -> Array:
        return self.functions.shocks[shock](start, float(magnitude), self.p)

    def critical(self, shock: str, start: Array, bracket: tuple[float, float] | None, tolerance: float
                 ) -> tuple[float, tuple[float, float]]:
        """The magnitude at which the outcome changes, and the bracket."""
        low, high = bracket if bracket is not None else (0.0, 0.01)
        def after(magnitude: float) -> Any:
            return self.outcome(self.shocked(shock, start, magnitude), start)

        self.reference = after(low)
        while after(high) == self.reference:
            if bracket is not None or high > 1e3:
                raise ConvergenceError(f"edge_state: shocks '{shock}' from {low:g} to {high:g} all have the same outcome")
            low, high = high, 2 * high
        while high - low > tolerance:
            middle = (low + high) / 2
            if middle in (low, high):
                break
            same = after(middle) == self.reference
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
            if not (self.surfaces.met(low) or self.surfaces.met(high)):
                self.switch = dividing_switch(self.system, self.p, low, high)
            if self.switch:
                break
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
        _, slope = smooth_at(self.functions, self.p, found)
        matrix = None if slope is None else slope(0.0, found, self.p)
        if matrix is None or not np.all(np.isfinite(matrix)):
            return False
        rates = np.linalg.eigvals(matrix)
        return bool(rates.real.max() > GROWS * np.abs(rates).max())

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
        _, slope = smooth_at(self.functions, self.p, point)
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
    if tracker.switch:
        return EdgeState("switch surface", {}, float("nan"), {}, {}, critical, limits, False, tracker.evaluations,
                         f"no edge state: the boundary is the switch {tracker.switch} = 0 of the field, from which it leads "
                         "away on either side", track=track)
    touched = tracker.surfaces.touched(times, states) if tracker.drawn_in else ""
    if touched:
        surface = str(system.events[touched].expression)
        other = "" if touched in tracker.asked else f" of '{touched}', which ends the run before anything that was asked for"
        return EdgeState("event surface", {}, float("nan"), {}, {}, critical, limits, False, tracker.evaluations,
                         f"the basin ends at the surface {surface} = 0 itself{other}; there is no edge state", touched,
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


def _fixed_point(system: System, p: Sequence[Any], state: Array) -> Array | None:
    """Newton's method for the field, in the regime of the state."""
    base, slope = smooth_at(functions_of(system), p, state)
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
