"""Many orbits of one map at once: measures, periods, Lyapunov exponents; a lane never raises, it has a status."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sympy import Symbol

from dynamics.analysis.collapsed_orbits import PERIOD_TOLERANCE, collapsed, held_cycles, landing, near, unstable_cycles
from dynamics.analysis.returned_orbits import returned
from dynamics.analysis.start_sides import terminal_behind
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.errors import DerivationError, IntegrationError, MissingExtraError, SpecificationError
from dynamics.results import STATUS
from dynamics.systems import System

__all__ = ["Attractors", "Orbits", "attractors_of", "orbits_of"]

Array = NDArray[np.float64]
LOG = logging.getLogger(__name__)
ENGINES = ("auto", "kernel", "numpy")
# what is written out as compiled code: so many states and operations of the map compile in about a second
MOST_STATES, LARGEST_KERNEL = 32, 400
DIVERGED = 1e12


@dataclass(frozen=True)
class Orbits:
    """What became of each lane.

    Attributes
    ----------
    status : ndarray of int, shape (lanes,)
        completed, event, diverged, invalid_state or precision_lost.
    final_state : ndarray, shape (dimension, lanes)
        The last finite state.
    final_time : ndarray, shape (lanes,)
        Steps made.
    measures : dict of str to ndarray, shape (lanes,)
        nan where the orbit broke.
    """

    status: NDArray[np.int64]
    final_state: Array
    final_time: Array
    measures: dict[str, Array]


@dataclass(frozen=True)
class Attractors:
    """Where each lane ends up.

    Attributes
    ----------
    status : ndarray of int, shape (lanes,)
        Also precision_lost: the orbit has landed exactly on an unstable cycle; not_settled: it started on one.
    lyapunov : ndarray, shape (lanes,)
        Largest Lyapunov exponent per step; -inf where the derivative vanishes along the orbit, nan where it broke. Of orbits
        that lost their precision: as measured before.
    period : ndarray of int, shape (lanes,)
        Smallest period of an attractor up to the longest looked for; 0 where there is none, -1 where the orbit broke.
    final_state : ndarray, shape (dimension, lanes)
    """

    status: NDArray[np.int64]
    lyapunov: Array
    period: NDArray[np.int64]
    final_state: Array


def orbits_of(system: System, p: Array, start: Array, steps: int, measures: Sequence[str] = (), event: str | None = None
              ) -> Orbits:
    """Iterate every lane; the same numbers as ``iterate`` cell by cell.

    Parameters
    ----------
    system : System
        In discrete time, scalar states, events that assign nothing.
    p : ndarray, shape (parameters, lanes)
    start : ndarray, shape (dimension, lanes)
    steps : int
    measures : sequence of str
        An integral is the sum over all times but the last.
    event : str, optional
        Ends orbits, beside the terminal ones.

    Returns
    -------
    Orbits
    """
    functions = functions_of(system)
    lanes = start.shape[1]
    watched = [n for n, e in system.events.items() if e.terminal or n == event]
    level_of = functions.lane_function([system._parsed.events[n][0] for n in watched])
    values_of = functions.lane_function([system._parsed.measures[n] for n in measures])
    status = np.full(lanes, STATUS["completed"])
    state, time = start.copy(), np.zeros(lanes)
    zero = np.zeros(lanes)
    running = _Running(values_of(zero, state, p), [system.measures[n].reduction for n in measures])
    level = level_of(zero, state, p)
    active = np.all(np.isfinite(state), axis=0)
    status[~active] = STATUS["invalid_state"]
    every = functions.lane_function([level for level, _ in system._parsed.events.values()])
    behind = terminal_behind(system, lambda y: every(zero, y, p), state) >= 0
    status[behind & active] = STATUS["event"]
    active &= ~behind
    for step in range(1, steps + 1):
        if not active.any():
            break
        after = functions.lane_field(np.full(lanes, step - 1.0), state, p)
        finite = np.all(np.isfinite(after), axis=0)
        broke = active & ~finite
        status[broke] = _broken(state[:, broke])
        active &= finite
        state = np.where(active, after, state)
        time[active] = step
        running.add(values_of(np.full(lanes, float(step)), state, p), active)
        if watched:
            now = level_of(np.full(lanes, float(step)), state, p)
            for row, name in enumerate(watched):
                falls, rises = (level[row] > 0) & (now[row] <= 0), (level[row] < 0) & (now[row] >= 0)
                crossed = active & {"falling": falls, "rising": rises, "both": falls | rises}[system.events[name].direction]
                status[crossed] = STATUS["event"]
            active &= status != STATUS["event"]
            level = now
    lasting = np.flatnonzero(status == STATUS["completed"])
    landed = collapsed(system, p, start, state, steps, lasting) > 0
    status[lasting[landed]] = STATUS["precision_lost"]
    broke = np.isin(status, [STATUS["diverged"], STATUS["invalid_state"]])
    found = {}
    for row, name in enumerate(measures):
        raw = np.where(broke, np.nan, running.reduced(row))
        transform = functions.lane_function([system._parsed.transforms[name]], Symbol("value"))
        found[name] = transform(time, state, p, raw)[0]
    return Orbits(status, state, time, found)


class _Running:
    """Running reductions of the measures."""

    def __init__(self, values: Array, reductions: Sequence[str]) -> None:
        self.reductions = reductions
        self.last, self.high, self.low, self.total = values.copy(), values.copy(), values.copy(), np.zeros_like(values)
        self.fall = np.zeros_like(values)

    def add(self, values: Array, active: NDArray[np.bool_]) -> None:
        if not len(values):
            return
        self.total += np.where(active, self.last, 0.0)
        self.last = np.where(active, values, self.last)
        self.high, self.low = np.maximum(self.high, self.last), np.minimum(self.low, self.last)
        self.fall = np.maximum(self.fall, self.high - self.last)

    def reduced(self, row: int) -> Array:
        chosen = {"max": self.high, "min": self.low, "final": self.last, "integral": self.total, "drawdown": self.fall}
        return chosen[self.reductions[row]][row]


def attractors_of(system: System, p: Array, start: Array, steps: int, discard: int, longest_period: int = 64,
                  lyapunov: bool = True, engine: str = "auto", threads: int | None = None) -> Attractors:
    """Iterate every lane to its attractor; measure the largest Lyapunov exponent over ``steps`` and look for a period.

    By compiled vector code where that is available and the map small enough to be written out, else by arrays. They differ
    in the rounding of the map only. A lane has the same numbers whatever other lanes there are.

    Parameters
    ----------
    system : System
        In discrete time, scalar states.
    p : ndarray, shape (parameters, lanes)
    start : ndarray, shape (dimension, lanes)
    steps, discard : int
        Steps measured, and steps before them.
    longest_period : int
    lyapunov : bool
        Without it the exponent is nan and its work is saved.
    engine : {"auto", "kernel", "numpy"}
        "kernel" demands compiled code, "numpy" arrays.
    threads : int, optional
        Of compiled code; None: one for each processor.

    Returns
    -------
    Attractors

    Raises
    ------
    SpecificationError
        For an unknown engine.
    MissingExtraError
        If compiled code is demanded and llvmlite is not installed.

    Notes
    -----
    One tangent vector is carried along with the exact derivative; its binary exponent is taken off, so that it neither
    grows nor vanishes and no logarithm is needed on the way.
    """
    if engine not in ENGINES:
        raise SpecificationError(f"engine must be one of {', '.join(map(repr, ENGINES))}, not {engine!r}")
    if engine != "numpy":
        from dynamics.compiled.kernels.jit import available
        from dynamics.compiled.kernels.maps import MapProblem, iterate_maps

        if engine == "kernel" and not available():
            raise MissingExtraError("llvmlite", "kernels", "engine='kernel'")
        problem = MapProblem(tuple(map(Symbol, system.states)), tuple(map(Symbol, functions_of(system).parameter_names)),
                             tuple(system.field.values())) if available() and not system.indices else None
        if problem is not None and (engine == "kernel" or (
                len(problem.states) <= MOST_STATES and problem.operations <= LARGEST_KERNEL)):
            try:
                ends = iterate_maps(problem, start, p, steps, discard=discard, longest_period=longest_period,
                                    tolerance=PERIOD_TOLERANCE, lyapunov=lyapunov, threads=threads)
                found = Attractors(ends.status, ends.lyapunov, ends.period, ends.final_state)
                return _judged(system, p, start, found, steps, discard)
            except (DerivationError, IntegrationError) as error:
                if engine == "kernel":
                    raise
                # a function without instructions, or a compiler that refuses them
                LOG.warning("no compiled code for '%s' (%s); arrays are used", system.name, error)
    return _judged(system, p, start, _by_arrays(system, p, start, steps, discard, longest_period, lyapunov), steps, discard)


def _judged(system: System, p: Array, start: Array, found: Attractors, steps: int, discard: int) -> Attractors:
    """A period is that of an attractor: cycles with a multiplier outside the unit circle are none."""
    time = float(discard + steps)
    found = _proved(system, p, found, time)
    lanes = np.flatnonzero(found.period > 0)
    lanes = lanes[unstable_cycles(system, p[:, lanes], found.final_state[:, lanes], time, found.period[lanes])]
    if not lanes.size:
        return found
    status, lyapunov, period = found.status.copy(), found.lyapunov.copy(), found.period.copy()
    period[lanes] = 0
    # an orbit that only passes by an unstable cycle goes on
    lanes = lanes[held_cycles(system, p[:, lanes], found.final_state[:, lanes], time, found.period[lanes])]
    ends = landing(system, p[:, lanes], start[:, lanes], found.final_state[:, lanes], found.period[lanes], discard,
                   discard + steps)
    status[lanes] = np.where(ends.step == 0, STATUS["not_settled"], STATUS["precision_lost"])
    measured = ~np.isnan(lyapunov[lanes]) & (ends.step > 0)
    lyapunov[lanes] = np.where(measured, ends.exponent, lyapunov[lanes])
    return Attractors(status, lyapunov, period, found.final_state)


def _proved(system: System, p: Array, found: Attractors, time: float) -> Attractors:
    """A slow drift is no return: what has not come back, and is not shown to be near a cycle, has not settled."""
    lanes = np.flatnonzero(found.period > 0)
    lanes = lanes[~unstable_cycles(system, p[:, lanes], found.final_state[:, lanes], time, found.period[lanes])]
    lanes = lanes[~returned(system, p[:, lanes], found.final_state[:, lanes], time, found.period[lanes])]
    if not lanes.size:
        return found
    status, period = found.status.copy(), found.period.copy()
    status[lanes] = STATUS["not_settled"]
    period[lanes] = 0
    return Attractors(status, found.lyapunov, period, found.final_state)


def _by_arrays(system: System, p: Array, start: Array, steps: int, discard: int, longest_period: int, lyapunov: bool
               ) -> Attractors:
    functions = functions_of(system)
    dimension, lanes = start.shape
    state, status = start.copy(), np.full(lanes, STATUS["completed"])
    active = np.all(np.isfinite(state), axis=0)
    status[~active] = STATUS["invalid_state"]
    # a direction without any symmetry of its own
    tangent = np.repeat(np.sqrt(np.arange(1.0, dimension + 1.0))[:, None], lanes, axis=1)
    exponent = np.zeros(lanes)
    vanished = np.zeros(lanes, dtype=bool)
    beginning = np.log(np.max(np.abs(tangent), axis=0))
    for step in range(discard + steps):
        if not active.any():
            break
        if lyapunov and step >= discard:
            matrix = functions.lane_jacobian(np.full(lanes, float(step)), state, p)
            with np.errstate(all="ignore"):
                tangent, power = _binary(sum(matrix[:, k] * tangent[k] for k in range(dimension)))
            vanished |= active & np.all(tangent == 0, axis=0)
            exponent += power
        state, active, status = _advance(functions, float(step), state, p, active, status)
    with np.errstate(all="ignore"):
        grown = exponent * np.log(2.0) + np.log(np.max(np.abs(tangent), axis=0)) - beginning
        exponents = np.where(vanished, -np.inf, grown / max(steps, 1)) if lyapunov else np.full(lanes, np.nan)
    final, period = state.copy(), np.zeros(lanes, dtype=np.int64)
    searching = active
    for k in range(1, longest_period + 1):
        if not searching.any():
            break
        state, searching, status = _advance(functions, float(discard + steps + k - 1), state, p, searching, status)
        back = searching & near(state, final)
        period[back] = k
        # an orbit that is back stops here, so that its status does not depend on how long others are looked at
        searching = searching & ~back
    active = status == STATUS["completed"]
    period[~active] = -1
    return Attractors(status, np.where(active, exponents, np.nan), period, final)


def _advance(functions: SystemFunctions, time: float, state: Array, p: Array, active: NDArray[np.bool_],
             status: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_], NDArray[np.int64]]:
    after = functions.lane_field(np.full(state.shape[1], time), state, p)
    finite = np.all(np.isfinite(after), axis=0)
    broke = active & ~finite
    if broke.any():
        status = status.copy()
        status[broke] = _broken(state[:, broke])
        active = active & finite
    return np.where(active, after, state), active, status


def _broken(last: Array) -> NDArray[np.int64]:
    """What a state that is not finite means: the orbit had left every bound before, or the map has no value there."""
    far = np.any(np.abs(last) > DIVERGED, axis=0)
    return np.where(far, STATUS["diverged"], STATUS["invalid_state"])


def _binary(vector: Array) -> tuple[Array, Array]:
    """The vector with its largest entry between 1/2 and 1, and the exponent of 2 taken off."""
    _, power = np.frexp(np.max(np.abs(vector), axis=0))
    return np.ldexp(vector, -power), power.astype(float)
