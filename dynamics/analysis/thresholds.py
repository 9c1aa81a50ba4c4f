"""Cascade thresholds: the smallest shock after which an event (insolvency) happens, with both ends of its bracket proved."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.path_fates import TIGHT, PathFates
from dynamics.analysis.run_arguments import asked_events, check_run, check_shock_name
from dynamics.analysis.shock_fates import UNDECIDED, LaneFates
from dynamics.analysis.threshold_search import LARGEST_TRIED, OUTCOMES, ROUGH, E, S, Search, ThresholdSearch, U
from dynamics.analysis.trajectory_measures import measures_of
from dynamics.analysis.treatability import treat
from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError
from dynamics.results import Threshold, provenance
from dynamics.systems import System

__all__ = ["cascade_threshold"]

Array = NDArray[np.float64]
OPPOSITE = 1e-6  # width of the bracket of a threshold in the other direction
SEARCHED = tuple(OUTCOMES[name] for name in ("found", "insolvent_at_once", "not_monotone", "open_bracket"))
STATUS_OF = {code: name for name, code in OUTCOMES.items()}


def cascade_threshold(system: System, shock: str = "price", event: str | Sequence[str] | None = None,
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
    event : str or sequence of str, optional
        Which declared events count: one, several, or "any" terminal one. None: every terminal event. An event happens at
        once when the shock itself carries the state across it; a start beyond a terminal event is that event at time 0.
    initial_state : mapping of str to float, optional
        Where the shock hits; None: the admissible stable fixed point at the current parameters. With a start no fixed
        point is derived: rests are found on the way.
    bracket : (float, float), optional
        Magnitudes to search between; None: from 0 to the shock that causes the event at once.
    duration : float, optional
        Time after the shock, a hard end: what is not proved by then is undecided. None: as long as some 20 000 steps of a
        trajectory reach, however slow the system is; the first look comes after max(200, ln(1/tolerance)/|slowest rate|).
    tolerance : float
        Width of the final bracket; where the largest shock of the search is below 1e-3, that much of it for 1e-3.
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
        ``value``, ``bracket``, ``status``, ``evaluations``, measures just before and just after, other events that come
        first (``preceded_by``) and the threshold in the opposite direction. Status:

        found
            The larger end of the bracket leads to the event, and from the smaller one the trajectory is proved not to: it
            has come to rest at a stable fixed point, or another terminal event has ended it.
        insolvent_at_once
            The value is the shock that crosses the event itself; no smaller one leads to it.
        unstable
            0.0: the start itself runs to the event, or its eigenvalues say that it is unstable.
        open_bracket
            nan: between the largest shock proved not to lead to the event and the smallest that does lie shocks that were
            not decided; the message says how many.
        not_settled
            nan: an end of the bracket (nan as well) has no proof.
        none_in_bracket
            nan: no shock that was tried leads to the event, each of them proved.
        not_monotone
            The value is the first change of outcome; all are in ``transitions``.

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
    _check(system)
    check_shock_name(system, shock, needed=True)
    treated = treat(system, "cascade_threshold", ignore)
    system = treated.system
    asked = asked_events(system, event)
    system = arguments.replaced(system, parameters)
    both_directions = arguments.flag(both_directions, "both_directions")
    given = check_run(system, duration=duration, tolerance=tolerance, ramp=ramp, bracket=bracket)
    duration, tolerance, ramp = given.duration, given.tolerance, given.ramp
    start = _start(system, initial_state)
    record = provenance("cascade_threshold", system, ignored=treated.ignored, method="lanes, checked by single trajectories",
                        tolerance=tolerance, relative_tolerance=TIGHT["relative_tolerance"],
                        absolute_tolerance=TIGHT["absolute_tolerance"])
    if start is None:
        return Threshold(0.0, (0.0, 0.0), "unstable", 0, shock, ", ".join(asked), ramp=ramp, provenance=record,
                         message="the fixed point is unstable (from its eigenvalues): any shock is critical")
    search = _Single(system, shock, asked, start, initial_state is None, duration, tolerance, ramp)
    result = search.run(given.bracket, 1.0, tolerance)
    if both_directions and bracket is None:
        # the far end of the search for a rise is a choice, and stated in the result
        at_once = search.at_once
        far = max(1.0, 2 * abs(at_once) if math.isfinite(at_once) else 1.0)
        opposite = search.run((0.0, far), -1.0, max(tolerance, OPPOSITE))
        result = replace(result, opposite=opposite, evaluations=search.evaluations)
    record["wall_time_s"] = _time.perf_counter() - started
    record["duration"] = search.first_look
    record["field_evaluations"] = search.paths.field_evaluations
    return replace(result, provenance=record)


def _check(system: System) -> None:
    needs_equations(system, "cascade_threshold")
    if system.time != "continuous":
        raise SpecificationError("cascade_threshold needs a System in continuous time")


def _start(system: System, given: Mapping[str, float] | None) -> Array | None:
    """Where the shock hits; None at an unstable fixed point."""
    from dynamics.analysis.equilibria import fixed_points

    functions = functions_of(system)
    if given is not None:
        return functions.initial_state(system, given)
    admissible = [p for p in fixed_points(system) if p.admissible]
    stable = tuple(p for p in admissible if p.stability == "stable")
    if not admissible:
        raise SpecificationError(f"'{system.name}' has no admissible fixed point at these parameters to shock from; "
                                 "give initial_state")
    if len(stable) > 1:
        listed = "; ".join(str(dict(p.values)) for p in stable)
        raise SpecificationError(f"'{system.name}' has {len(stable)} stable fixed points ({listed}); "
                                 "say with initial_state which one is shocked")
    return functions.initial_state(system, stable[0].values) if stable else None


class _Single:
    """The search of one lane: in lanes where the system can run there, checked and else done by single trajectories."""

    def __init__(self, system: System, shock: str, asked: tuple[str, ...], start: Array, at_rest: bool,
                 duration: float | None, tolerance: float, ramp: float) -> None:
        self.system, self.shock, self.asked, self.ramp, self.hard_end = system, shock, asked, ramp, duration
        self.paths = PathFates(system, start, shock, asked, ramp=ramp, duration=duration, accuracy=TIGHT)
        self.lanes = self._lanes(start, at_rest, tolerance)
        self.numbers = [self.paths.events.index(name) for name in asked]
        self.at_once = math.nan

    def _lanes(self, start: Array, at_rest: bool, tolerance: float) -> LaneFates | None:
        from dynamics.analysis.ensembles import Ensemble

        functions = functions_of(self.system)
        if functions.indexed or any(event.assign for event in self.system.events.values()):
            return None
        state = dict(zip(functions.names, start.tolist(), strict=True))
        ensemble = Ensemble(self.system, {}, 1, state, derive=at_rest)
        return LaneFates(ensemble, self.shock, self.asked, ramp=self.ramp, duration=self.hard_end, tolerance=tolerance)

    @property
    def evaluations(self) -> int:
        """Trajectories integrated."""
        return self.paths.trajectories + (self.lanes.trajectories if self.lanes is not None else 0)

    @property
    def first_look(self) -> float:
        """Time after which a trajectory is first judged."""
        if self.hard_end is not None:
            return self.hard_end
        return float(self.lanes.length[0]) if self.lanes is not None else math.inf

    def run(self, ends: tuple[float, float] | None, sense: float, tolerance: float) -> Threshold:
        """Search; ``sense`` -1 looks for a rise, with magnitudes still counted from 0."""
        low, high = ends if ends is not None else (None, None)
        one = np.ones(1, dtype=bool)
        alone = ThresholdSearch(self.paths, self.numbers, tolerance, sense)
        search = alone
        if self.lanes is not None:
            # array operations take a kink for smooth, so they bring the bracket only near
            fine = tolerance if self.lanes.compiled else max(tolerance, ROUGH)
            search = ThresholdSearch(self.lanes, self.numbers, fine, sense)
        found = search.run(one, ~one, low, high)
        if sense > 0:
            self.at_once = float(found.at_once[0])
        measures = self._measures(found, sense)
        if search is not alone and found.status[0] in SEARCHED and (measures is None or search.tolerance > tolerance):
            found = alone.narrowed(found)
            measures = self._measures(found, sense)
        return self._result(found, search, sense, measures or ({}, {}))

    def _measures(self, found: Search, sense: float) -> tuple[dict[str, float], dict[str, float]] | None:
        """Measures at both ends, from single trajectories near rounding; None where these contradict an end."""
        if found.status[0] not in SEARCHED:
            return {}, {}
        values = []
        for magnitude, wrong in ((found.low[0], E), (found.high[0], S)):
            path, system = self.paths.path(sense * float(magnitude), TIGHT, dense=True)
            ending, _ = self.paths.fate(path)
            letter = U if ending == UNDECIDED else E if ending in self.numbers else S
            # what single trajectories leave undecided does not speak against the lanes
            if letter == wrong:
                return None
            values.append(measures_of(system, path, list(system.measures), functions_of(system).parameters(system)))
        return values[0], values[1]

    # ---- in words ----------------------------------------------------------------------------------------------------

    def _result(self, found: Search, search: ThresholdSearch, sense: float,
                measures: tuple[dict[str, float], dict[str, float]]) -> Threshold:
        status = STATUS_OF[int(found.status[0])]
        before = self._preceding(found, search, sense)
        transitions = self._transitions(found, search, sense) if status == "not_monotone" else ()
        value, low, high = (sense * float(number[0]) for number in (found.value, found.low, found.high))
        message = self._message(status, found, transitions)
        if before and status != "unstable":
            message += "; " + "; ".join(f"'{name}' ends the run first from {size:.6g} on" for name, size in before.items())
        return Threshold(value + 0.0, (low + 0.0, high + 0.0), status, self.evaluations, self.shock, ", ".join(self.asked),
                         message, self.ramp, *measures, transitions=transitions, preceded_by=before)

    def _message(self, status: str, found: Search, transitions: tuple[float, ...]) -> str:
        if status == "found":
            return "bisection of trajectories"
        if status == "insolvent_at_once":
            return "no smaller shock causes it: the shock itself crosses the event"
        if status == "unstable":
            if self.paths.unstable_start(0):
                return "the start is an unstable fixed point (from its eigenvalues): any shock is critical"
            return "the event happens already at the lower end of the bracket, without any shock"
        if status == "not_monotone":
            return f"the outcome changes {len(transitions)} times in the scan; the value is the first change"
        if status == "none_in_bracket":
            if math.isnan(found.at_once[0]) and not found.grid.size:
                # an event that needs a shock within a narrow range can be missed
                return (f"none of the shocks tried, up to {LARGEST_TRIED[-1]:g}, causes the event; give a bracket if you "
                        "know where it happens")
            return "the event does not happen in the bracket; shocks beyond it were not tried"
        return self._open(found)

    def _open(self, found: Search) -> str:
        """What was not decided, and where."""
        undecided, broken = int(found.undecided[0]), int(found.broken[0])
        limit = f"a time of {self.hard_end:g}" if self.hard_end is not None else "the work that one shock is given"
        parts = []
        if undecided > broken:
            parts.append(f"{undecided - broken} runs had not settled within {limit}")
        if undecided and not self.system.autonomous:
            parts.append("equations that depend on time have no rest, so no shock is proved to be without the event")
        if broken:
            parts.append(f"{broken} runs became invalid (nan or inf: a logarithm or root past the event?) or diverged")
        if np.isfinite(found.low[0]) and np.isfinite(found.high[0]):
            parts.append("the threshold lies inside the bracket")
        elif np.isfinite(found.high[0]) and not parts:
            parts.append("the event happens already at the lower end of the bracket")
        if not parts:
            parts.append("single trajectories at a tolerance near rounding do not confirm the ends of the bracket")
        return "; ".join(parts)

    def _transitions(self, found: Search, search: ThresholdSearch, sense: float) -> tuple[float, ...]:
        """Where one proved outcome of the scan is followed by another."""
        letters = search.letters(found.endings[0])
        proved = np.flatnonzero(letters != U)
        return tuple(float(sense * (found.grid[0, a] + found.grid[0, b]) / 2) for a, b in pairwise(proved)
                     if letters[a] != letters[b])

    def _preceding(self, found: Search, search: ThresholdSearch, sense: float) -> dict[str, float]:
        """Other terminal events that end trajectories of the scan, and the smallest shock at which each does."""
        sizes = {self.paths.events[number]: sense * float(size[0]) + 0.0 for number, size in search.preceding(found).items()}
        return dict(sorted(sizes.items(), key=lambda item: abs(item[1])))
