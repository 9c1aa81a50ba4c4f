"""What becomes of a system after shocks of different sizes: the event that ends it, rest that is proved, or neither.

Two ways to find out give the same answer: many trajectories at once in lanes, and single trajectories (``path_fates``),
which also follow indexed systems and resets. A search for a threshold asks either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import ensemble_run
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.rests import unstable_rests
from dynamics.results import STATUS

__all__ = ["FARTHEST", "LOOSE", "RESTED", "SCAN", "UNDECIDED", "WORK", "Accuracy", "Fates", "LaneFates", "ShockFates"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Accuracy = Mapping[str, float]
RESTED, UNDECIDED = -1, -2  # instead of the number of an event
SCAN: Accuracy = {"relative_tolerance": 1e-6, "absolute_tolerance": 1e-9}
LOOSE: Accuracy = {"relative_tolerance": 1e-7, "absolute_tolerance": 1e-10}
LONGEST = 1e6  # time units: the longest first look that a slow rate asks for; later looks go on by work
FURTHER = 10.0  # each later look is that much longer than the one before
FARTHEST = 1e15  # time units beyond which steps are no longer told from one another
WORK = 20_000  # steps of a trajectory, at the tolerance of a scan, spent on one shock before it counts as undecided
MOST_STEPS = 500_000  # of a look, however long: a thousand turns around a point close to a Hopf bifurcation
ORDER = 5  # of the methods of lanes: how steps grow with accuracy, so that a shock is followed as far at any


@dataclass(frozen=True)
class Fates:
    """How trajectories ended.

    Attributes
    ----------
    ending : ndarray of int, shape (shocks,)
        Number of the event among those of the system, RESTED or UNDECIDED.
    status : ndarray of int, shape (shocks,)
        Codes of ``dynamics.results.STATUS``: why the undecided ones are.
    """

    ending: Numbers
    status: Numbers


class ShockFates(Protocol):
    """What a search for thresholds asks."""

    lanes: int
    ramp: float

    def fates(self, lanes: NDArray[np.intp], magnitudes: Array, accuracy: Accuracy) -> Fates:
        """What becomes of lanes after shocks."""
        ...

    def crosses(self, lanes: NDArray[np.intp], magnitudes: Array) -> Flags:
        """Whether an event that is asked for happens at once: the shock itself carries the state across it."""
        ...

    def lost(self, lanes: NDArray[np.intp], magnitudes: Array) -> Flags:
        """Whether the shock carries the state to where an event has no level."""
        ...

    def unstable_start(self, lane: int) -> bool:
        """Whether the start is an unstable fixed point."""
        ...


class LaneFates:
    """Trajectories in lanes, all at once.

    Parameters
    ----------
    ensemble : Ensemble
        Where lanes start, and their stable points where these are known.
    shock : str
    asked : sequence of str
        Events whose happening is asked for; they end a trajectory, as the terminal ones do.
    ramp : float
        Spread each shock over this time; 0 is instantaneous.
    duration : float, optional
        After the shock, a hard end. None: as much as ``WORK`` allows.
    tolerance : float
        Of the magnitudes in the end: without a duration, the first look comes when the slowest rate of the lane's stable
        point has brought distances down to it.
    engine, threads
        As in ``Ensemble.run``.
    """

    def __init__(self, ensemble: Ensemble, shock: str, asked: Sequence[str], *, ramp: float = 0.0,
                 duration: float | None = None, tolerance: float = 1e-9, engine: str = "auto",
                 threads: int | None = None) -> None:
        self.ensemble, self.lanes, self.shock, self.ramp = ensemble, ensemble.lanes, shock, ramp
        self.asked, self.hard_end = tuple(asked), duration is not None
        events = list(ensemble.system.events)
        self.numbers = [events.index(name) for name in self.asked]
        self.engine: dict[str, Any] = {"engine": engine, "threads": threads}
        self.length = ensemble.durations(tolerance, longest=LONGEST)
        if duration is not None:
            self.length = np.full(self.lanes, float(duration))
        self.trajectories = 0

    @property
    def compiled(self) -> bool:
        """Whether compiled code runs the lanes."""
        ramped = self.shock if self.ramp else None
        work = ensemble_run(self.ensemble.system, (), self.asked, ramped, False, True)
        return self.engine["engine"] != "numpy" and work.suits_kernel

    def crosses(self, lanes: NDArray[np.intp], magnitudes: Array) -> Flags:
        """Whether an event that is asked for happens at once: the shock itself carries the state across it."""
        some = self.ensemble.subset(lanes)
        ended = some.ended_at_start(self.asked, some.shocked(self.shock, magnitudes), SCAN["absolute_tolerance"])
        return np.isin(ended, self.numbers)

    def lost(self, lanes: NDArray[np.intp], magnitudes: Array) -> Flags:
        """Whether the shock carries the state to where an event has no level."""
        some = self.ensemble.subset(lanes)
        return some.without_level(self.asked, some.shocked(self.shock, magnitudes))

    def fates(self, lanes: NDArray[np.intp], magnitudes: Array, accuracy: Accuracy) -> Fates:
        """What becomes of lanes after shocks; what is not decided at the first look is followed longer."""
        self.trajectories += lanes.size
        work = WORK * (SCAN["relative_tolerance"] / accuracy["relative_tolerance"]) ** (1 / ORDER)
        ending, status = np.full(lanes.size, UNDECIDED), np.zeros(lanes.size, dtype=np.int64)
        open_, length = np.arange(lanes.size), self.length[lanes]
        while open_.size:
            options: dict[str, Any] = {**accuracy, **self.engine, "max_steps": MOST_STEPS}
            outcome = self.ensemble.run(self.shock, magnitudes[open_], event=self.asked, ramp=self.ramp,
                                        lanes=lanes[open_], duration=length[open_], **options)
            status[open_] = outcome.status
            rested = outcome.status == STATUS["settled"]
            ending[open_] = np.where(outcome.first_event >= 0, outcome.first_event, np.where(rested, RESTED, UNDECIDED))
            waiting = (outcome.status == STATUS["not_settled"]) & (outcome.steps * FURTHER <= work)
            waiting &= (length[open_] < FARTHEST) & (not self.hard_end)
            open_ = open_[waiting]
            length[open_] *= FURTHER
        return Fates(ending, status)

    def unstable_start(self, lane: int) -> bool:
        """Whether the start is an unstable fixed point."""
        one = [lane]
        return bool(unstable_rests(self.ensemble.system, self.ensemble.start[:, one], self.ensemble.p[:, one])[0])
