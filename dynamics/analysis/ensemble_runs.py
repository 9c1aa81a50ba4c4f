"""The lane problem of a system: its field with the integrals of measures as extra states, events, settling.

It is run by compiled vector code where that is available and the system is small enough to be written out, else by
array operations; both give the same outcomes.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Symbol

from dynamics.analysis.ramps import RAMP_DURATION, ramped
from dynamics.compiled.code import joined_powers
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.compiled.lanes import LaneProblem, LaneResult, integrate_lanes
from dynamics.errors import DerivationError, IntegrationError, MissingExtraError, SpecificationError
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import TIME, System

__all__ = ["DIRECTIONS", "ENGINES", "MAX_STEPS", "EnsembleRun", "Event", "Lanes", "asked_events", "ensemble_run",
           "watched_events"]

Array = NDArray[np.float64]
Event = str | tuple[str, ...] | None
LOG = logging.getLogger(__name__)
ENGINES = ("auto", "kernel", "numpy")
DIRECTIONS = {"falling": -1, "rising": 1, "both": 0}
# What is written out as compiled code: the explicit method compiles in 10 ms a state or 0.6 ms an operation, where arrays
# first derive a Jacobian (2 to 4 s for 60 states). The stiff one has the factors of a dense Jacobian written out, which
# overtakes the arrays at about 64 states (5 s).
MOST_STATES, LARGEST_KERNEL = 64, 1500
MAX_STEPS = 100_000  # of a trajectory, unless a caller says otherwise


def asked_events(system: System, event: Event) -> tuple[str, ...]:
    """Return the events that are asked for, in declared order; None: every terminal one."""
    if event is None:
        return tuple(name for name, part in system.events.items() if part.terminal)
    asked = (event,) if isinstance(event, str) else event
    return tuple(name for name in system.events if name in asked)


def watched_events(system: System, event: Event) -> tuple[str, ...]:
    """Return the events that end a trajectory, in declared order: the terminal ones, and those that are asked for."""
    asked = asked_events(system, event)
    return tuple(name for name, part in system.events.items() if part.terminal or name in asked)


@dataclass(frozen=True)
class Lanes:
    """Where lanes start, what they are heading for, and how they are run.

    Attributes
    ----------
    state, parameters : ndarray, shape (dimension or parameters, lanes)
    low, high : ndarray, shape (dimension, lanes)
        Between which values a state counts as settled; infinite where it need not.
    duration : ndarray, shape (lanes,)
    relative_tolerance, absolute_tolerance : float
    ramp : float
        Duration of the ramp before the time that ``duration`` counts; 0 for none.
    engine : {"auto", "kernel", "numpy"}
    threads : int, optional
    progress : callable, optional
    max_steps : int
        Accepted and rejected steps of a trajectory together.
    """

    state: Array
    parameters: Array
    low: Array
    high: Array
    duration: Array
    relative_tolerance: float
    absolute_tolerance: float
    ramp: float = 0.0
    engine: str = "auto"
    threads: int | None = None
    progress: Callable[[int, int], None] | None = None
    max_steps: int = MAX_STEPS


class EnsembleRun:
    """What is integrated and watched for one choice of measures and event.

    Parameters
    ----------
    base : System
        Continuous time, scalar states.
    measures : sequence of str
    event : str or tuple of str, optional
        Ends a trajectory, beside the terminal events; None: these alone.
    ramp_shock : str, optional
        A shock that is spread over time.
    extremes : bool
        Whether the extremes of all states are wanted.
    settle : bool
        Whether a trajectory ends when its state has settled.
    tangent : bool
        Whether a direction is carried along that the flow turns, and the logarithm of the stretching in this direction:
        the last rows of the states of ``Lanes``. No event is watched then.
    """

    def __init__(self, base: System, measures: Sequence[str], event: Event, ramp_shock: str | None, extremes: bool,
                 settle: bool, tangent: bool = False) -> None:
        system = ramped(base, ramp_shock) if ramp_shock else base
        self.system, self.functions = system, functions_of(system)
        self.names = tuple(system.states)
        self.size = len(self.names)
        reductions = {name: system.measures[name].reduction for name in measures}
        self.measures = tuple(measures)
        self.integrals = [n for n, r in reductions.items() if r == "integral"]
        self.reduced = [n for n, r in reductions.items() if r != "integral"]
        self.extremes, self.settle, self.ramped = extremes, settle, ramp_shock is not None
        self.watched = [] if tangent else list(watched_events(system, event))
        parsed = system._parsed
        self.states = tuple(Symbol(n) for n in self.names)
        self.field = (*(system.field[n] for n in self.names), *(system.resolve(parsed.measures[n]) for n in self.integrals))
        self.events = tuple(system.resolve(parsed.events[n][0]) for n in self.watched)
        self.running = (*(system.resolve(parsed.measures[n]) for n in self.reduced), *(self.states if extremes else ()))
        self.directions = tuple(DIRECTIONS[system.events[w].direction] for w in self.watched)
        self.beside = tuple(Symbol(f"_integral_{k}") for k in range(len(self.integrals)))
        if tangent:
            carried, rates = _tangent(self.states, self.field)
            self.beside, self.field = (*self.beside, *carried), (*self.field, *rates)

    def run(self, lanes: Lanes) -> LaneResult:
        """Run the lanes.

        Raises
        ------
        SpecificationError
            For an unknown engine, or if compiled code is demanded of a system that is too large for it.
        MissingExtraError
            If compiled code is demanded and llvmlite is not installed.
        """
        if lanes.engine not in ENGINES:
            raise SpecificationError(f"engine must be one of {', '.join(map(repr, ENGINES))}, not {lanes.engine!r}")
        lanes = replace(lanes, state=np.concatenate([lanes.state, np.zeros((len(self.integrals), lanes.state.shape[1]))]))
        if lanes.engine == "numpy":
            return self._arrays(lanes)
        if lanes.engine == "kernel":
            return self._compiled(lanes)
        if not self.suits_kernel:
            return self._arrays(lanes)
        try:
            return self._compiled(lanes)
        except (DerivationError, IntegrationError) as error:
            # lanes themselves never raise: this is a function without instructions, or a compiler that refuses them
            LOG.warning("no compiled code for '%s' (%s); arrays are used", self.system.name, error)
            return self._arrays(lanes)

    @property
    def suits_kernel(self) -> bool:
        """Whether compiled code is available and the field small enough to be written out."""
        from dynamics.compiled.kernels.jit import available

        return available() and self.size <= MOST_STATES and self.problem.operations <= LARGEST_KERNEL

    @functools.cached_property
    def problem(self) -> Any:
        """The problem as expressions, a FlowProblem."""
        from dynamics.compiled.kernels.flow_problems import FlowProblem

        settled: list[Expr] = []
        bounds: list[Symbol] = []
        if self.settle:
            for name, state in zip(self.names, self.states, strict=True):
                low, high = Symbol(f"_low_{name}"), Symbol(f"_high_{name}")
                bounds += [low, high]
                settled += [state - low, high - state]
            if self.ramped:
                settled.append(TIME - Symbol(RAMP_DURATION))
        return FlowProblem(
            states=(*self.states, *self.beside),
            parameters=(*(Symbol(n) for n in self.functions.parameter_names), *bounds), field=self.field,
            events=self.events, directions=self.directions, terminal=(True,) * len(self.events), running=self.running,
            settled=tuple(settled))

    def _compiled(self, lanes: Lanes) -> LaneResult:
        from dynamics.compiled.kernels.flows import integrate_flows
        from dynamics.compiled.kernels.jit import available

        if not available():
            raise MissingExtraError("llvmlite", "kernels", "engine='kernel'")
        rows = [lanes.parameters]
        if self.settle:
            # a pair of rows for each state, in the order of the problem's parameters
            rows.append(np.stack([lanes.low, lanes.high], axis=1).reshape(2 * self.size, -1))
        return integrate_flows(self.problem, lanes.state, np.concatenate(rows), lanes.ramp + lanes.duration,
                               relative_tolerance=lanes.relative_tolerance, absolute_tolerance=lanes.absolute_tolerance,
                               threads=lanes.threads, progress=lanes.progress, max_steps=lanes.max_steps)

    # ---- by arrays --------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _lane_problem(self) -> LaneProblem:
        functions: SystemFunctions = self.functions
        size, count = self.size, len(functions.parameter_names)
        field = functions.lane_function(self.field, *self.beside)
        jacobian = functions.lane_function(_derivatives(self.field, (*self.states, *self.beside)), *self.beside)
        timed = any(TIME in e.free_symbols for e in self.field)
        by_time = functions.lane_function(_derivatives(self.field, (TIME,)), *self.beside) if timed else None
        events, running = functions.lane_function(self.events), functions.lane_function(self.running)
        return LaneProblem(
            field=lambda t, y, q: field(t, y[:size], q[:count], *y[size:]),
            jacobian=lambda t, y, q: jacobian(t, y[:size], q[:count], *y[size:]).reshape(len(y), len(y), -1),
            events=(lambda t, y, q: events(t, y[:size], q[:count])) if self.events else None,
            directions=self.directions, terminal=(True,) * len(self.events),
            time_derivative=None if by_time is None else lambda t, y, q: by_time(t, y[:size], q[:count], *y[size:]),
            running=(lambda t, y, q: running(t, y[:size], q[:count])) if self.running else None,
            settled=(lambda t, y, q: np.all((y[:size] >= q[count: count + size]) & (y[:size] <= q[count + size:]), axis=0))
            if self.settle else None)

    def _arrays(self, lanes: Lanes) -> LaneResult:
        problem = self._lane_problem
        full = np.concatenate([lanes.parameters, lanes.low, lanes.high])
        options: dict[str, Any] = {"relative_tolerance": lanes.relative_tolerance, "max_steps": lanes.max_steps,
                                   "absolute_tolerance": lanes.absolute_tolerance}
        if not lanes.ramp:
            return integrate_lanes(problem, lanes.state, full, lanes.duration, progress=lanes.progress, **options)
        # two smooth pieces: the ramp, and what follows; a step across the end of the ramp would lose its order
        during = LaneProblem(**{**problem.__dict__, "settled": None})
        first = integrate_lanes(during, lanes.state, full, lanes.ramp * (1 - 1e-12), **options)
        going = first.status == 0
        second = integrate_lanes(problem, first.final_state, full, np.where(going, lanes.duration, 0.0),
                                 initial_time=lanes.ramp, progress=lanes.progress, **options)
        joined = {part.name: np.where(going, getattr(second, part.name), getattr(first, part.name))
                  for part in fields(LaneResult)}
        joined["maximum"] = np.where(going, np.fmax(first.maximum, second.maximum), first.maximum)
        joined["minimum"] = np.where(going, np.fmin(first.minimum, second.minimum), first.minimum)
        deepest = np.fmax(np.fmax(first.drawdown, second.drawdown), first.maximum - second.minimum)
        joined["drawdown"] = np.where(going, deepest, first.drawdown)
        joined["status"] = joined["status"].astype(np.int8)
        return LaneResult(**joined)

    def values(self, result: LaneResult, p: Array) -> dict[str, Array]:
        """Return the measures."""
        values = {}
        for name in self.measures:
            reduction = self.system.measures[name].reduction
            if reduction == "integral":
                raw = result.final_state[self.size + self.integrals.index(name)]
            else:
                reduced = {"max": result.maximum, "min": result.minimum, "final": result.final_running,
                           "drawdown": result.drawdown}[reduction]
                raw = reduced[self.reduced.index(name)]
            transform = self.functions.lane_function([self.system._parsed.transforms[name]], Symbol("value"))
            values[name] = transform(np.zeros(raw.size), result.final_state[: self.size], p, raw)[0]
        return values


@functools.lru_cache(maxsize=32)
def ensemble_run(base: System, measures: tuple[str, ...], event: Event, ramp_shock: str | None, extremes: bool,
                 settle: bool, tangent: bool = False) -> EnsembleRun:
    """Return the ``EnsembleRun`` of these choices; chunks of a sweep and rounds of a search ask for the same one."""
    return EnsembleRun(base, measures, event, ramp_shock, extremes, settle, tangent)


def _tangent(states: Sequence[Symbol], field: Sequence[Expr]) -> tuple[tuple[Symbol, ...], tuple[Expr, ...]]:
    """Direction w and logarithm of the stretching: w' = J w - s w and s = w.J w/w.w, which keep the length of w."""
    directions = [Symbol(f"_direction_{state}") for state in states]
    slopes = iter(_derivatives(tuple(field), tuple(states)))
    pushed = [Add(*(next(slopes) * w for w in directions)) for _ in states]
    stretching = Add(*(w * rate for w, rate in zip(directions, pushed, strict=True))) / Add(*(w**2 for w in directions))
    turned = [rate - stretching * w for w, rate in zip(directions, pushed, strict=True)]
    return (*directions, Symbol("_stretched")), (*turned, stretching)


@functools.lru_cache(maxsize=128)
def _derivatives(expressions: tuple[Expr, ...], states: tuple[Symbol, ...]) -> tuple[Expr, ...]:
    """Entries of the Jacobian; every round of a search asks for the same ones."""
    return tuple(joined_powers(entry) for entry in jacobian_matrix(list(expressions), list(states)))
