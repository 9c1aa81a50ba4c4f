"""Integration of one trajectory, regime by regime: the numeric core under ``integrate`` and the thresholds.

Inside a regime the field is smooth, so the method keeps its order; where a switch of the field (a margin call) is crossed,
the crossing is located on the dense solution and integration starts anew in the next regime. Tight tolerances alone do not
do this: a step across a kink loses its order and the crossing its accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.functions import RegimeFunctions, SystemFunctions, functions_of
from dynamics.errors import IntegrationError, SpecificationError, did_you_mean
from dynamics.systems import System

__all__ = ["METHODS", "Happening", "Path", "follow"]

Array = NDArray[np.float64]
METHODS = ("LSODA", "RK45", "RK23", "DOP853", "Radau", "BDF")
DIVERGENCE = 1e15
MOST_SEGMENTS = 100_000
MOST_RESTARTS_AT_ONE_TIME = 50
_DIRECTIONS = {"falling": -1.0, "rising": 1.0, "both": 0.0}


@dataclass(frozen=True)
class Happening:
    """An event that happened."""

    name: str
    time: float
    state: Array


@dataclass
class Path:
    """A trajectory: accepted steps, dense solution by segments, events, and how it ended."""

    times: list[float] = field(default_factory=list)
    states: list[Array] = field(default_factory=list)
    segments: list[tuple[float, float, Callable[[Any], Array]]] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    status: str = "completed"
    message: str = "reached the end of the interval"
    field_evaluations: int = 0
    jacobian_evaluations: int = 0

    def at(self, times: Array) -> Array:
        """Return the states at ``times``, shape (dimension, len(times)); at a reset the later value."""
        result = np.empty((self.states[0].size, len(times)))
        starts = np.array([s[0] for s in self.segments])
        which = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None) if len(starts) else np.zeros(0, int)
        if not len(starts):
            result[:] = self.states[0][:, None]
            return result
        for number in np.unique(which):
            mask = which == number
            low, high, solution = self.segments[number]
            result[:, mask] = solution(np.clip(times[mask], low, high))
        return result


def follow(system: System, duration: float, start: Array, *, initial_time: float = 0.0, method: str = "LSODA",
           relative_tolerance: float = 1e-8, absolute_tolerance: float = 1e-10, events: Sequence[str] | None = None,
           ending: str | None = None, largest_step: float = np.inf) -> Path:
    """Integrate from ``start`` for ``duration``.

    Parameters
    ----------
    system : System
    duration : float
    start : ndarray, shape (dimension,)
    events : sequence of str, optional
        Which events to watch; all by default.
    ending : str, optional
        An event that ends the path even if it is not declared terminal.

    Returns
    -------
    Path

    Raises
    ------
    SpecificationError
        For an unknown method.
    """
    if method not in METHODS:
        raise SpecificationError(f"method '{method}' is not one of {', '.join(METHODS)}.{did_you_mean(method, METHODS)}")
    functions = functions_of(system)
    return _Follower(system, functions, method, relative_tolerance, absolute_tolerance, events, ending,
                     largest_step).run(initial_time, initial_time + duration, np.array(start, dtype=float))


class _Follower:
    """One integration; the loop over smooth pieces."""

    def __init__(self, system: System, functions: SystemFunctions, method: str, relative: float, absolute: float,
                 events: Sequence[str] | None, ending: str | None, largest_step: float) -> None:
        self.system, self.functions, self.method = system, functions, method
        self.relative, self.absolute, self.largest_step = relative, absolute, largest_step
        self.p = functions.parameters(system)
        self.event_names = [n for n in system.events if events is None or n in events]
        self.terminal = {n for n in self.event_names if system.events[n].terminal or n == ending}
        self.rows = [list(system.events).index(n) for n in self.event_names]
        self.path = Path()

    def run(self, t: float, end: float, y: Array) -> Path:
        path, functions = self.path, self.functions
        path.times.append(t)
        path.states.append(y)
        if not np.all(np.isfinite(functions.field(t, y, self.p))):
            path.status, path.message = "invalid_state", f"the equations have no finite value at time {t:g}"
            return path
        regime = self._regime(t, y, None)
        restarts, last = 0, t
        for _ in range(MOST_SEGMENTS):
            if not t < end:
                return path
            ended, t, y, regime = self._piece(t, end, y, regime)
            if ended:
                return path
            restarts = restarts + 1 if t - last <= 1e-12 * max(1.0, abs(t)) else 0
            last = t
            if restarts > MOST_RESTARTS_AT_ONE_TIME:
                path.status = "step_limit"
                path.message = f"the path slides along a border between regimes at time {t:g}; smooth the switch (softplus, hill)"
                return path
        path.status, path.message = "step_limit", f"more than {MOST_SEGMENTS} pieces; shorten the duration"
        return path

    def _regime(self, t: float, y: Array, previous: RegimeFunctions | None) -> RegimeFunctions | None:
        """Return the regime that holds just after ``t``; on a border the one the flow goes into."""
        regimes = self.functions.regimes
        if not regimes:
            return None
        scores = []
        for regime in regimes:
            # a small step along the regime's own flow tells the two sides of a border apart
            slope = regime.field(t, y, self.p)
            step = 1e-9 * (1.0 + np.max(np.abs(y))) / (1.0 + np.max(np.abs(slope))) if np.all(np.isfinite(slope)) else 0.0
            now = min(regime.conditions(t, y, self.p), default=np.inf)
            after = min(regime.conditions(t + step, y + step * np.nan_to_num(slope), self.p), default=np.inf)
            tolerance = 1e-10
            inside = now > tolerance or (now > -tolerance and after >= min(now, 0.0))
            scores.append((inside, regime is not previous, now, regime))
        return max(scores, key=lambda s: s[:3])[3]

    def _piece(self, t: float, end: float, y: Array, regime: RegimeFunctions | None
               ) -> tuple[bool, float, Array, RegimeFunctions | None]:
        from scipy.integrate import solve_ivp

        p, functions, path = self.p, self.functions, self.path
        base = regime.field if regime else functions.field
        jacobian = regime.jacobian if regime else functions.jacobian
        watchers: list[Any] = []
        for row, name in zip(self.rows, self.event_names, strict=True):
            event = self.system.events[name]
            watchers.append(_watcher(lambda time, state, r=row: functions.events(time, state, p)[r],
                                     _DIRECTIONS[event.direction], name in self.terminal or bool(event.assign)))
        borders = regime.count if regime else 0
        for k in range(borders):
            watchers.append(_watcher(lambda time, state, k=k, r=regime: r.conditions(time, state, p)[k], -1.0, True))
        options: dict[str, Any] = {}
        if self.method in ("LSODA", "Radau", "BDF") and jacobian is not None:
            options["jac"] = lambda time, state: jacobian(time, state, p)
        watchers.append(_watcher(lambda time, state: DIVERGENCE - np.max(np.abs(np.nan_to_num(state, nan=np.inf))), -1.0, True))
        with np.errstate(all="ignore"), _quiet():
            try:
                solution = solve_ivp(lambda time, state: base(time, state, p), (t, end), y, method=self.method, rtol=self.relative, atol=self.absolute,
                                     events=watchers, dense_output=True, max_step=self.largest_step, **options)
            except (ValueError, FloatingPointError) as error:
                path.status, path.message = "invalid_state", f"integration broke down after time {t:g}: {error}"
                return True, t, y, regime
        path.field_evaluations += int(solution.nfev)
        path.jacobian_evaluations += int(solution.njev)
        path.times += solution.t[1:].tolist()
        path.states += list(solution.y.T[1:])
        t_new, y_new = float(solution.t[-1]), solution.y[:, -1].copy()
        path.segments.append((t, t_new, solution.sol))
        hits = []
        for k, name in enumerate(self.event_names):
            for time, state in zip(solution.t_events[k], solution.y_events[k], strict=True):
                hits.append(Happening(name, float(time), state))
        path.happenings += sorted(hits, key=lambda h: h.time)
        if solution.status == -1:
            path.status, path.message = "step_underflow", f"stopped at time {t_new:g}: {solution.message}"
            return True, t_new, y_new, regime
        if not np.all(np.isfinite(y_new)):
            path.status, path.message = "invalid_state", f"the state became invalid before time {t_new:g}"
            return True, t_new, y_new, regime
        if len(solution.t_events[-1]):
            path.status, path.message = "diverged", f"a state exceeded {DIVERGENCE:g} at time {t_new:g}"
            return True, t_new, y_new, regime
        if solution.status == 1:
            return self._after_stop(solution, t_new, y_new, regime)
        return True, t_new, y_new, regime

    def _after_stop(self, solution: Any, t: float, y: Array, regime: RegimeFunctions | None
                    ) -> tuple[bool, float, Array, RegimeFunctions | None]:
        """A terminal event, a reset, or a border between regimes."""
        happened = [name for k, name in enumerate(self.event_names)
                    if len(solution.t_events[k]) and solution.t_events[k][-1] >= t]
        for name in happened:
            if name in self.terminal:
                self.path.status, self.path.message = "event", f"the event '{name}' ended the path at time {t:g}"
                return True, t, y, regime
        for name in happened:
            reset = self.functions.resets[name]
            if reset is not None:
                y = reset(y, 0.0, self.p, t)
        if happened and any(self.functions.resets[name] for name in happened):
            self.path.times.append(t)
            self.path.states.append(y.copy())
            return False, t, y, self._regime(t, y, None)
        return False, t, y, self._regime(t, y, regime)


def _watcher(function: Callable[[float, Array], float], direction: float, terminal: bool) -> Any:
    function.direction, function.terminal = direction, terminal  # type: ignore[attr-defined]
    return function


class _quiet:
    """LSODA and the step-size code of SciPy warn about what the status of the path already says."""

    def __enter__(self) -> None:
        import warnings

        self._catch = warnings.catch_warnings()
        self._catch.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *details: Any) -> None:
        self._catch.__exit__(*details)


def raise_for(path: Path, partial: Any) -> None:
    """Raise IntegrationError when a single run did not end as it should, with the partial result."""
    if path.status not in ("completed", "event", "settled"):
        raise IntegrationError(f"{path.message} ({path.status}); the part before it is in the error's .partial", partial)
