"""What becomes of a system after shocks, by single trajectories: for indexed systems and resets, and as a second route.

Trajectories go regime by regime (``paths``), with resets, at a tolerance near rounding. They check both ends of every
threshold that was found in lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import DIRECTIONS
from dynamics.analysis.paths import Happening, Path, follow
from dynamics.analysis.ramps import RAMP_DURATION, RAMP_SIZE, ramped
from dynamics.analysis.resting_events import only_approached
from dynamics.analysis.rests import rest_reached, unstable_rests
from dynamics.analysis.shock_fates import FARTHEST, RESTED, SCAN, UNDECIDED, Accuracy, Fates
from dynamics.analysis.start_sides import begins_beyond, crossed_by_jump, without_value
from dynamics.analysis.state_sizes import scaled_tolerance
from dynamics.compiled.functions import functions_of
from dynamics.results import STATUS
from dynamics.systems import System

__all__ = ["TIGHT", "PathFates"]

Array = NDArray[np.float64]
TIGHT: Accuracy = {"relative_tolerance": 1e-11, "absolute_tolerance": 1e-13}
FIRST_PIECE, LONGER = 25.0, 1.5  # rest is looked for after this time, and at intervals that grow
FASTEST_PIECE = 25_000.0  # of the shortest time scale: the first look comes no later, or all work goes into resting
WORK = 100_000  # evaluations of the field that are spent on one shock before it counts as undecided
STIFF = 250.0  # ratio of rates up to which an explicit method is stable at the steps that accuracy asks for
ZERO = 1e-12  # share of the fastest rate that is none


class PathFates:
    """Single trajectories after shocks from one state.

    Parameters
    ----------
    system : System
        Continuous time.
    start : ndarray, shape (dimension,)
    shock, asked, ramp, duration
        As in ``LaneFates``.
    accuracy : mapping, optional
        Tolerances that replace those that are asked for; None: none does.
    """

    def __init__(self, system: System, start: Array, shock: str, asked: Sequence[str], *, ramp: float = 0.0,
                 duration: float | None = None, accuracy: Accuracy | None = None) -> None:
        self.system, self.start, self.shock, self.ramp, self.duration = system, start, shock, ramp, duration
        self.asked, self.events, self.lanes = tuple(asked), list(system.events), 1
        self.accuracy = accuracy
        self.functions = functions_of(system)
        self.p = self.functions.parameters(system)
        declared = system.events
        self.ending = [n for n in declared if declared[n].terminal or n in self.asked]
        self.watched = [n for n in declared if n in self.ending or declared[n].assign]
        self.ramp_system = ramped(system, shock, lasting=True) if ramp else None
        self.fastest = 0.0
        self.method = self._method()
        self.trajectories = self.field_evaluations = 0

    def _method(self) -> str:
        """An explicit method of order 8 where the spectrum is narrow enough for its stability, else LSODA."""
        if self.functions.jacobian is None:
            return "LSODA"
        slope = self.functions.jacobian(0.0, self.start, self.p)
        rates = np.abs(np.linalg.eigvals(slope)) if np.all(np.isfinite(slope)) else np.zeros(1)
        fastest = float(rates.max())
        self.fastest = fastest
        counted = rates[rates > ZERO * fastest]
        return "DOP853" if fastest > 0 and fastest <= STIFF * counted.min() else "LSODA"

    # ---- at the shock itself -----------------------------------------------------------------------------------------

    def shocked(self, magnitude: float) -> Array:
        """Return the state just after an instantaneous shock."""
        return self.functions.shocks[self.shock](self.start, magnitude, self.p)

    def crosses(self, lanes: NDArray[np.intp], magnitudes: Array) -> NDArray[np.bool_]:
        """Whether the shock itself carries the state across one of the asked events."""
        return np.array([self._at_once(self.shocked(float(m)), self.asked) is not None for m in magnitudes], dtype=bool)

    def lost(self, lanes: NDArray[np.intp], magnitudes: Array) -> NDArray[np.bool_]:
        """Whether the shock carries the state to where an event has no level."""
        return np.array([self._without_level(self.shocked(float(m))) for m in magnitudes], dtype=bool)

    def _without_level(self, state: Array) -> bool:
        rows = [self.events.index(name) for name in self.ending]
        with np.errstate(all="ignore"):
            levels = self.functions.events(0.0, state, self.p)[rows]
        return bool(without_value(levels[:, None])[0])

    def _at_once(self, after: Array, names: Sequence[str]) -> str | None:
        """The first of these events that a jump crosses, or that was over already."""
        def levels(state: Array) -> Array:
            return self.functions.events(0.0, state[:, 0], self.p)[:, None]

        wanted = np.array([DIRECTIONS[event.direction] for event in self.system.events.values()])
        beyond = begins_beyond(levels, after[:, None], wanted, SCAN["absolute_tolerance"])[:, 0]
        crossed = crossed_by_jump(levels(self.start[:, None]), levels(after[:, None]), wanted)[:, 0]
        for name in names:
            if (crossed | beyond)[self.events.index(name)]:
                return name
        return None

    # ---- afterwards --------------------------------------------------------------------------------------------------

    def fates(self, lanes: NDArray[np.intp], magnitudes: Array, accuracy: Accuracy) -> Fates:
        """What becomes of the system after shocks, one after the other."""
        ends = [self.fate(self.path(float(magnitude), accuracy)[0]) for magnitude in magnitudes]
        return Fates(np.array([end for end, _ in ends], dtype=np.int64), np.array([s for _, s in ends], dtype=np.int64))

    def fate(self, path: Path) -> tuple[int, int]:
        """(the event that ended a path, RESTED or UNDECIDED; its status)."""
        if path.status == "event" and path.times[-1] > self.ramp and self._only_approached(path):
            return UNDECIDED, STATUS["not_settled"]
        if path.status == "event":
            return self.events.index(path.happenings[-1].name), STATUS["event"]
        if path.status == "settled":
            return RESTED, STATUS["settled"]
        return UNDECIDED, STATUS["not_settled" if path.status == "completed" else path.status]

    def _only_approached(self, path: Path) -> bool:
        """Whether the path comes near to its last event for ever; of indexed systems this is not told."""
        if self.functions.indexed:
            return False
        accuracy = self.accuracy or TIGHT
        p = np.array(self.p, dtype=float)[:, None]
        return bool(only_approached(self.system, path.states[-1][:, None], p, [path.happenings[-1].name], **accuracy)[0])

    def unstable_start(self, lane: int) -> bool:
        """Whether the start is an unstable fixed point."""
        return bool(unstable_rests(self.system, self.start[:, None])[0])

    def path(self, magnitude: float, accuracy: Accuracy, dense: bool = False) -> tuple[Path, System]:
        """Return the path after a shock (status event, settled, completed: undecided, or how it broke), its system.

        A ramp and what follows are integrated one after the other: that the push ends is then exact, however short it is.
        """
        self.trajectories += 1
        system, state, whole = self.system, self.start, Path()
        pushed = system
        if self.ramp_system is not None:
            values = {n: part.value for n, part in self.system.parameters.items()}
            pushed = self.ramp_system.with_parameters({**values, RAMP_SIZE: magnitude, RAMP_DURATION: self.ramp})
        else:
            state = self.shocked(magnitude)
        others = [n for n in self.ending if n not in self.asked]
        name = self._at_once(state, [*self.asked, *others])
        if name is not None:
            return Path(times=[0.0], states=[state], happenings=[Happening(name, 0.0, state)], status="event"), system
        if self._without_level(state):
            return Path(times=[0.0], states=[state], status="invalid_state"), system
        spent, piece = 0.0, FIRST_PIECE
        if self.fastest > 0:
            piece = min(piece, FASTEST_PIECE / self.fastest)
        end = np.inf if self.duration is None else self.ramp + self.duration
        tolerances = dict(self.accuracy or accuracy)
        absolute = scaled_tolerance(tolerances["relative_tolerance"], tolerances["absolute_tolerance"], self.start[:, None])
        tolerances["absolute_tolerance"] = float(absolute[0])
        while spent < min(end, FARTHEST) and whole.field_evaluations <= WORK:
            ramping = spent < self.ramp
            length = min(piece, (self.ramp if ramping else end) - spent)
            part = follow(pushed if ramping else system, length, state, initial_time=spent, events=self.watched,
                          ending=self.asked, method=self.method, dense=dense, **tolerances)
            self.field_evaluations += part.field_evaluations
            whole.append(part)
            if part.status != "completed":
                break
            state = part.states[-1]
            if ramping and length < piece:
                spent = self.ramp
                continue
            spent, piece = spent + length, LONGER * piece
            if spent >= self.ramp and rest_reached(self.system, state, self.watched) is not None:
                whole.status = "settled"
                break
        return whole, system
