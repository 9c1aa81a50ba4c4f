"""Integration of one trajectory, regime by regime: the numeric core under ``integrate`` and the thresholds.

Inside a regime the field is smooth, so the method keeps its order; where a switch of the field (a margin call) is crossed,
the crossing is located on the dense solution and integration starts anew in the next regime. Tight tolerances alone do not
do this: a step across a kink loses its order and the crossing its accuracy. Two zeros inside one step (a grazing dip) are
looked for wherever the slopes at its ends point at one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.dense_paths import Happening, Path
from dynamics.analysis.event_times import lowest, reached, zero_between
from dynamics.analysis.field_edges import SHORT, at_an_edge, time_left
from dynamics.analysis.integration_methods import IMPLICIT, METHODS, method_of
from dynamics.analysis.start_sides import begins_beyond
from dynamics.analysis.work_budget import PIECE, Work
from dynamics.compiled.functions import RegimeFunctions, SystemFunctions, functions_of
from dynamics.errors import IntegrationError
from dynamics.systems import System

__all__ = ["METHODS", "Happening", "Path", "follow", "raise_for"]

Array = NDArray[np.float64]
DIVERGENCE = 1e15
STALLED, MOST_STALLED = 1e-13, 1000
MOST_RESTARTS_AT_ONE_TIME = 50
CRAWL, CRAWLING, MOST_RENEWED = 200, 1e-7, 20  # steps that cover less than this share of the piece: begun anew, so often
MOST_APPROACHES = 100  # a guard only: the distance to an edge shrinks by 2**8 or the span by 2
NEAR_SIDE = 2.0**-48  # share of an event's level at the start of a step that is left where the path ends: beyond rounding
ON_BORDER = 1e-10  # of the size of a condition: nearer than that a path is on the border
FAR = 1e6         # small steps: a quantity that is still exactly zero so far along the flow stays zero
AHEAD = 1e3       # small steps, 1e-6 of the state: two cases that agree on a border differ there; no other border is near
OFF_ZERO = 1e-14  # beyond what an implicit step makes of a zero that stays
SAME = 1e-9       # two formulas of one field differ by their rounding, and by how far a border is met
_DIRECTIONS = {"falling": -1.0, "rising": 1.0, "both": 0.0}


def follow(system: System, duration: float, start: Array, *, initial_time: float = 0.0, method: str = "LSODA",
           relative_tolerance: float = 1e-8, absolute_tolerance: float = 1e-10, events: Sequence[str] | None = None,
           ending: str | Sequence[str] | None = None, dense: bool = True) -> Path:
    """Integrate from ``start`` for ``duration``.

    Parameters
    ----------
    system : System
    duration : float
    start : ndarray, shape (dimension,)
    events : sequence of str, optional
        Which events to watch; all by default.
    ending : str or sequence of str, optional
        Events that end the path even if they are not declared terminal.
    dense : bool
        Keep every step and its dense solution; otherwise only the end.

    Returns
    -------
    Path

    Raises
    ------
    SpecificationError
        For an unknown method.
    """
    method = method_of(method, np.size(start))
    follower = _Follower(system, functions_of(system), method, relative_tolerance, absolute_tolerance, events, ending, dense)
    with np.errstate(all="ignore"), _quiet():
        return follower.run(initial_time, initial_time + duration, np.array(start, dtype=float))


@dataclass(frozen=True)
class _Candidate:
    """A regime in which a path may go on; ``margin`` is its smallest condition, ``rank`` how well it suits."""

    regime: RegimeFunctions
    inside: bool
    as_written: bool
    margin: float
    rank: tuple[float, ...]


class _Follower:
    """One integration; the loop over smooth pieces."""

    def __init__(self, system: System, functions: SystemFunctions, method: str, relative: float, absolute: float,
                 events: Sequence[str] | None, ending: str | Sequence[str] | None, dense: bool) -> None:
        self.system, self.functions, self.method = system, functions, method
        self.relative, self.absolute, self.dense = relative, absolute, dense
        self.p = functions.parameters(system)
        declared = list(system.events)
        self.event_names = [n for n in declared if events is None or n in events]
        self.rows = [declared.index(n) for n in self.event_names]
        endings = (ending,) if isinstance(ending, str) else ending or ()
        self.terminal = {n for n in self.event_names if system.events[n].terminal or n in endings}
        self.path = Path()
        self.sliding = False
        self.renewed = 0
        self.passed: dict[int, float] = {}
        self.span, self.approaches = np.inf, 0

    def run(self, t: float, end: float, y: Array) -> Path:
        path = self.path
        path.times.append(t)
        path.states.append(y)
        self.work = Work(t, end)
        if not np.all(np.isfinite(self.functions.field(t, y, self.p))):
            path.status, path.message = "invalid_state", f"the equations have no finite value at time {t:g}"
            return path
        if self._begins_ended(t, y):
            return path
        nameless = [n for n, row in zip(self.event_names, self.rows, strict=True)
                    if n in self.terminal and np.isnan(self.functions.events(t, y, self.p)[row])]
        if nameless:
            path.status = "invalid_state"
            path.message = (f"the level of the event '{nameless[0]}' has no value at the start, at time {t:g}: whether it "
                            "has happened already is not known; write it so that it has a value on both sides")
            return path
        regime = self._regime(t, y, None)
        restarts, last = 0, t
        while t < end:
            if restarts > MOST_RESTARTS_AT_ONE_TIME or self.sliding:
                path.status = "step_limit"
                path.message = (f"the path slides along a border between regimes at time {t:g}; "
                                "smooth the switch (softplus, hill)")
                return path
            ended, t, y, regime = self._piece(t, end, y, regime)
            if ended:
                return path
            if refused := self.work.refused(t, PIECE):
                path.status, path.message = "step_limit", refused
                return path
            restarts = restarts + 1 if t - last <= 1e-12 * max(1.0, abs(t)) else 0
            last = t
        return path

    def _begins_ended(self, t: float, y: Array) -> bool:
        """Whether a terminal event lies behind the start; the path is then at its end."""
        ending = [row for row, name in zip(self.rows, self.event_names, strict=True) if name in self.terminal]
        if not ending:
            return False
        names = list(self.system.events)
        directions = np.array([_DIRECTIONS[self.system.events[names[row]].direction] for row in ending])
        beyond = begins_beyond(lambda state: self.functions.events(t, state[:, 0], self.p)[ending][:, None], y[:, None],
                               directions, self.absolute)
        if not beyond.any():
            return False
        name = names[ending[int(np.argmax(beyond[:, 0]))]]
        self.path.happenings.append(Happening(name, t, y))
        self._ended("event", f"the start lies beyond the event '{name}'", t, y, None)
        return True

    def _regime(self, t: float, y: Array, previous: RegimeFunctions | None) -> RegimeFunctions | None:
        """Return the regime that holds just after ``t``; on a border the one the flow goes into.

        Where the path stays on a border, or may leave it to both sides, the equations decide as they are written: ``<=``
        holds there and ``<`` does not. None where no regime is what they say, as with an equality that holds for a while.
        Where every flow leads back to the border the path slides along it, which no regime describes.
        """
        regimes = self.functions.regimes
        self.sliding = False
        if not regimes:
            return None
        found = [self._candidate(regime, t, y, previous) for regime in regimes]
        borders = [c for c in found if abs(c.margin) <= ON_BORDER]
        self.sliding = len(borders) > 1 and not any(c.inside for c in found)
        best = max(found, key=lambda c: c.rank)
        return best.regime if best.as_written else None

    def _candidate(self, regime: RegimeFunctions, t: float, y: Array, previous: RegimeFunctions | None) -> _Candidate:
        field, p = self.functions.field, self.p
        # a small step along the regime's own flow tells the two sides of a border apart
        slope = regime.extended(t, y, p)
        defined = bool(np.all(np.isfinite(slope)))
        slope = np.nan_to_num(slope)
        step = 1e-9 * (1 + np.max(np.abs(y))) / (1 + np.max(np.abs(slope))) if defined else 0.0
        scale = self._scale(regime, t, y)

        def after(steps: float) -> tuple[float, Array]:
            return t + steps * step, y + steps * step * slope

        here, there = np.array(regime.conditions(t, y, p)), np.array(regime.conditions(*after(1.0), p))
        # what has no value, as by the rounding of another border, decides nothing: the equations do
        unknown = bool(np.any(np.isnan(here)))
        margin, later = (float(np.nanmin(levels / scale, initial=np.inf)) for levels in (here, there))
        at_zero = (here == 0) & (np.array(regime.conditions(*after(FAR), p)) == 0)
        stays = unknown or bool(np.any(at_zero))
        as_written = [not stays or _same(field(*after(n), p), regime.extended(*after(n), p)) for n in (AHEAD, FAR)]
        if np.any(at_zero & ~regime.closed):
            # the fields may be the same here and differ where another condition changes
            as_written = [False, False]
        inside = defined and (margin > ON_BORDER or (margin > -ON_BORDER and later >= min(margin, 0.0)))
        inside = inside and (as_written[0] or not unknown)
        at_once = _same(field(t, y, p), slope)
        return _Candidate(regime, inside, as_written[0], margin,
                          (inside, regime is not previous, *as_written, at_once, margin))

    def _scale(self, regime: RegimeFunctions, t: float, y: Array) -> Array:
        """Size of what each condition of a regime is a difference of (at least 1): its rounding grows with it."""
        level = np.array(regime.conditions(t, y, self.p))
        total = np.zeros(level.size)
        for k in np.nonzero(y)[0]:
            moved = y.copy()
            moved[k] *= 1.0 + 1e-6
            total += np.abs(np.array(regime.conditions(t, moved, self.p)) - level)
        return np.maximum(1.0, np.nan_to_num(1e6 * total))

    # ---- one smooth piece --------------------------------------------------------------------------------------------

    def _piece(self, t: float, end: float, y: Array, regime: RegimeFunctions | None
               ) -> tuple[bool, float, Array, RegimeFunctions | None]:
        import scipy.integrate

        p, functions = self.p, self.functions
        base = regime.extended if regime else functions.field
        jacobian = regime.jacobian if regime else functions.jacobian
        options: dict[str, Any] = {}
        if self.method in IMPLICIT and jacobian is not None:
            options["jac"] = lambda time, state: jacobian(time, state, p)
        watch, directions = self._watch(regime)
        stop_at = min(end, t + self.span)
        try:
            solver = getattr(scipy.integrate, self.method)(lambda time, state: base(time, state, p), t, y, stop_at,
                                                           rtol=self.relative, atol=self.absolute, **options)
        except ValueError as error:
            return self._ended("invalid_state", f"integration cannot start at time {t:g}: {error}", t, y, regime)
        level = watch(t, y)
        rate = base(t, y, p)
        ahead = self._ahead(watch, t, y, rate)[1] if self.passed else level
        for k, sense in self.passed.items():
            # an event that stopped the piece before is over: rounding must not let it happen twice, at zero or beyond it
            if k < len(self.event_names) and abs(level[k]) < 1e-9:
                level[k] = sense * 1e-300 if ahead[k] else 0.0
        self.passed = {}
        slope = self._slope(watch, level, t, y, rate) if level.size else level
        steps = stuck = 0
        begun = since = t
        while solver.status == "running":
            steps += 1
            try:
                message = solver.step()
            except (ValueError, FloatingPointError, ArithmeticError) as error:
                return self._broken("invalid_state", f"integration broke down after time {t:g}: {error}", t, y, regime,
                                    stop_at)
            if solver.status == "failed":
                self._count(solver)
                return self._broken("step_underflow", f"stopped at time {t:g}: {message}", t, y, regime, stop_at)
            t_new, y_new = float(solver.t), solver.y
            if steps % CRAWL == 0:
                # past a jump that no regime describes LSODA may keep the tiny steps with which it crossed it
                if regime is None and t_new - since < CRAWLING * (end - begun) and self.renewed < MOST_RENEWED:
                    self.renewed += 1
                    self._count(solver)
                    return False, t, y, regime
                since = t_new
            # a solution that ends in finite time is approached in ever smaller steps, millions of them
            stuck = stuck + 1 if t_new - t < STALLED * (end - begun) else 0
            if stuck > MOST_STALLED:
                self._count(solver)
                message = f"no longer advances at time {t_new:g}; the solution may end in finite time"
                return self._ended("step_underflow", message, t, y, regime)
            size = np.abs(y_new).max()
            if not size < DIVERGENCE:
                self._count(solver)
                if not np.isfinite(size):
                    return self._broken("invalid_state", f"the state became invalid after time {t:g}", t, y, regime, t_new)
                return self._ended("diverged", f"a state exceeded {DIVERGENCE:g} at time {t_new:g}", t, y, regime)
            solution = None
            if level.size:
                new = watch(t_new, y_new)
                other = self._regime(t, y, regime) if self._departed(level, new) else regime
                if other is not regime:
                    self._count(solver)
                    return False, t, y, other
                new_slope = self._slope(watch, new, t_new, y_new, base(t_new, y_new, p))
                suspects = self._suspects(level, new, slope, new_slope, t_new - t, directions)
                if suspects:
                    solution = solver.dense_output()
                    stop = self._crossings(watch, solution, suspects, level, new, directions, t, t_new)
                    if stop is not None:
                        self._count(solver)
                        t_stop, y_stop, happened = stop
                        self._keep(t, t_stop, y_stop, solution)
                        return self._after_stop(happened, t_stop, y_stop, regime)
                level, slope = new, new_slope
            y_new = y_new.copy()
            self._keep(t, t_new, y_new, solution or (solver.dense_output() if self.dense else None))
            t, y = t_new, y_new
            if refused := self.work.refused(t):
                return self._ended("step_limit", refused, t, y, regime)
        self._count(solver)
        self.span = np.inf
        return t >= end, t, y, regime

    def _count(self, solver: Any) -> None:
        self.path.field_evaluations += int(solver.nfev)
        self.path.jacobian_evaluations += int(solver.njev)

    def _ended(self, status: str, message: str, t: float, y: Array, regime: RegimeFunctions | None
               ) -> tuple[bool, float, Array, RegimeFunctions | None]:
        self.path.status, self.path.message = status, message
        return True, t, y, regime

    def _broken(self, status: str, message: str, t: float, y: Array, regime: RegimeFunctions | None, reached: float
                ) -> tuple[bool, float, Array, RegimeFunctions | None]:
        """Where no step got past ``t``: an event at the edge of the field, a shorter piece towards one, or the end."""
        ending = [k for k, name in enumerate(self.event_names) if name in self.terminal]
        watch, directions = self._watch(None)
        level = watch(t, y)
        base = regime.field if regime else self.functions.field
        left = time_left(level, self._slope(watch, level, t, y, base(t, y, self.p)), directions)[ending]
        self.approaches += 1
        if self.approaches > MOST_APPROACHES or not np.isfinite(left).any():
            return self._ended(status, message, t, y, regime)
        nearest = int(np.argmin(left))
        if at_an_edge(left[nearest], np.asarray(t)):
            name = self.event_names[ending[nearest]]
            self.path.happenings.append(Happening(name, t, y))
            return self._ended("event", f"the event '{name}' ended the path at time {t:g}", t, y, regime)
        self.span = min(SHORT * float(left[nearest]), (reached - t) / 2)
        return False, t, y, regime

    def _keep(self, low: float, high: float, state: Array, solution: Any) -> None:
        path = self.path
        if self.dense:
            path.times.append(high)
            path.states.append(state)
            if solution is not None:
                path.pieces.append((low, high, solution))
        else:
            path.times[1:], path.states[1:] = [high], [state]

    # ---- events and borders ------------------------------------------------------------------------------------------

    def _watch(self, regime: RegimeFunctions | None) -> tuple[Callable[[float, Array], Array], Array]:
        """(levels of the watched events and of the borders of the regime, their directions)."""
        functions, p, rows = self.functions, self.p, self.rows
        directions = [_DIRECTIONS[self.system.events[n].direction] for n in self.event_names]
        directions += [-1.0] * (regime.count if regime else 0)
        if regime and rows:
            def watch(t: float, y: Array) -> Array:
                return np.concatenate([functions.events(t, y, p)[rows], regime.conditions(t, y, p)])
        elif regime:
            def watch(t: float, y: Array) -> Array:
                return np.array(regime.conditions(t, y, p))
        elif rows:
            def watch(t: float, y: Array) -> Array:
                return functions.events(t, y, p)[rows]
        else:
            def watch(t: float, y: Array) -> Array:
                return np.empty(0)
        return watch, np.array(directions)

    @staticmethod
    def _ahead(watch: Callable[[float, Array], Array], t: float, y: Array, rate: Array) -> tuple[float, Array]:
        """A small step along the flow and the levels after it."""
        step = 1e-7 * (1.0 + np.abs(y).max()) / (1.0 + np.abs(rate).max())
        return step, watch(t + step, y + step * rate)

    def _slope(self, watch: Callable[[float, Array], Array], level: Array, t: float, y: Array, rate: Array) -> Array:
        step, ahead = self._ahead(watch, t, y, rate)
        return (ahead - level) / step

    def _departed(self, level: Array, new: Array) -> bool:
        """Whether the path was exactly on a border of its regime and has left the regime: it never crossed the border."""
        borders = slice(len(self.event_names), None)
        return bool(np.any((level[borders] == 0) & (new[borders] < -OFF_ZERO)))

    @staticmethod
    def _suspects(level: Array, new: Array, slope: Array, new_slope: Array, width: float, directions: Array) -> list[int]:
        """Events with a change of sign, or with slopes that point at a dip through zero inside the step."""
        found = []
        for k in range(level.size):
            a, b = level[k], new[k]
            if (a < 0 <= b and directions[k] >= 0) or (a > 0 >= b and directions[k] <= 0) or (a != 0 and b == 0):
                # what ends at zero may have come there from the other side
                found.append(k)
            elif a * b > 0 and slope[k] * a < 0 < new_slope[k] * a:
                # slopes from both ends meet below zero, or nearly so: look on the dense solution
                deepest = (slope[k] * new_slope[k] * width + new_slope[k] * a - slope[k] * b) / (new_slope[k] - slope[k])
                if deepest * np.sign(a) < 0.5 * min(abs(a), abs(b)):
                    found.append(k)
        return found

    def _crossings(self, watch: Callable[[float, Array], Array], solution: Any, suspects: Sequence[int], level: Array,
                   new: Array, directions: Array, t: float, t_new: float) -> tuple[float, Array, list[int]] | None:
        """Record what happens inside the step; return where it has to stop, with the events or borders there."""
        from scipy.optimize import minimize_scalar

        hits: list[tuple[float, int]] = []
        for k in suspects:
            def value(time: float, k: int = k) -> float:
                return float(watch(time, solution(time))[k])

            ends = [t, t_new]
            side = np.sign(level[k])
            if new[k] == 0:
                ends = [t, *lowest(value, float(side), t, t_new), t_new]
            elif level[k] * new[k] > 0:
                dip = minimize_scalar(lambda time, f=value, s=side: s * f(time), bounds=(t, t_new), method="bounded",
                                      options={"xatol": 1e-13 * max(1.0, abs(t_new))})
                if dip.fun >= 0:
                    continue
                ends = [t, float(dip.x), t_new]
            for low, high in pairwise(ends):
                a, b = value(low) if low > t else level[k], value(high) if high < t_new else new[k]
                if (a < 0 <= b and directions[k] >= 0) or (a > 0 >= b and directions[k] <= 0):
                    # the step's own interpolant may miss the end value by rounding: then the end is the crossing
                    fa, fb = value(low), value(high)
                    at = zero_between(value, low, high) if fa * fb < 0 else (low if fa == 0 else high)
                    hits.append((reached(value, low, at), k))
        self.passed = {}
        stop: tuple[float, Array, list[int]] | None = None
        for time, k in sorted(hits):
            if k < len(self.event_names) and self.event_names[k] in self.terminal and level[k]:
                def level_at(at: float, k: int = k) -> float:
                    return float(watch(at, solution(at))[k])

                time = self._near_side(level_at, time, t, float(level[k]))
            # an event on a border (a margin call starts where its regime does) is found at the same time but for rounding
            if stop is not None and time > stop[0] + 1e-9 * (1.0 + abs(stop[0])):
                break
            state = np.asarray(solution(time), dtype=float)
            if k < len(self.event_names):
                name = self.event_names[k]
                self.path.happenings.append(Happening(name, time, state))
                self.passed[k] = 1.0 if new[k] > level[k] else -1.0
                stops = name in self.terminal or bool(self.system.events[name].assign)
            else:
                stops = True
            if stops:
                stop = (time, state, [k]) if stop is None else (stop[0], stop[1], [*stop[2], k])
        return stop

    @staticmethod
    def _near_side(value: Callable[[float], float], time: float, begun: float, level: float) -> float:
        """Return the time at or just before the zero at which the event has not happened yet.

        What is 1/level would else change its sign by the rounding of the zero: leverage at insolvency.
        """
        wanted, back = NEAR_SIDE * abs(level), 0.0
        while back < 1e-9 * (1.0 + abs(time)) and time - back > begun:
            if np.sign(level) * value(time - back) >= wanted:
                return time - back
            back = 2.0 * back or float(np.spacing(max(abs(time), time - begun)))
        return time

    def _after_stop(self, happened: Sequence[int], t: float, y: Array, regime: RegimeFunctions | None
                    ) -> tuple[bool, float, Array, RegimeFunctions | None]:
        """A terminal event, a reset, or a border between regimes."""
        names = [self.event_names[k] for k in happened if k < len(self.event_names)]
        for name in names:
            if name in self.terminal:
                return self._ended("event", f"the event '{name}' ended the path at time {t:g}", t, y, regime)
        for name in names:
            reset = self.functions.resets[name]
            if reset is not None:
                y = reset(y, 0.0, self.p, t)
                self._keep(t, t, y, None)
        return False, t, y, self._regime(t, y, None if names else regime)


def _same(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=0.0, atol=SAME * (1.0 + np.abs(np.nan_to_num(b)).max()), equal_nan=True))


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
    if path.status not in ("completed", "event"):
        raise IntegrationError(f"{path.message} ({path.status}); the part before it is in the error's .partial", partial)
