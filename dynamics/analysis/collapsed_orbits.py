"""Orbits that rounding has ended: what lands exactly on an unstable cycle stays there, and its chaos is over.

Maps whose slopes are powers of two (tent, doubling, baker) use up one binary digit of the state at every step, so that after
some fifty steps nothing is left of it; others come to a preimage of an unstable point by rounding. A cycle is an attractor
only if the product of the Jacobians along it has no eigenvalue outside the unit circle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["LONGEST_CYCLE", "NEUTRAL", "PERIOD_TOLERANCE", "Landing", "collapsed", "held_cycles", "landing", "monodromy",
           "near", "periods_of", "surely_stable", "unstable_cycles"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
PERIOD_TOLERANCE = 1e-8
# Slopes that are powers of two end at few points; a search costs as many steps of the map as it is long.
LONGEST_CYCLE = 16
# Eigenvalues of a product of matrices are off by the square root of the rounding where two of them meet (1e-8); a
# multiplier of exactly one, as in rotations and conservative maps, is not unstable.
NEUTRAL = 1e-6
# Differences over so small steps, relative to the state, tell which cycles need no derivative: those whose multipliers are
# clearly inside the unit circle. Derivatives of large maps take seconds to be had.
SMALL_STEP, CLEARLY = 1e-7, 0.999
# From the smallest number to one, by factors of two: what is not exactly on the cycle has left it by then.
BINARY_RANGE = 1100
# Relative distance at which a slope beside a zero one is looked at, and the size that tells a kink from a smooth maximum:
# that of 4 x (1 - x) is 4e-9 there, that of a kink does not depend on the distance.
BESIDE, KINK = 1e-9, 1e-6
LONGEST_STAY = 4000   # steps; a multiplier so close to one that this shows nothing is left undecided


@dataclass(frozen=True)
class Landing:
    """How lanes came to the cycles they ended on.

    Attributes
    ----------
    step : ndarray of int, shape (lanes,)
        First step on the cycle: 0 where the orbit started on it, -1 where it was not found again.
    exponent : ndarray, shape (lanes,)
        Largest Lyapunov exponent per step before; nan where there is no step before.
    """

    step: Counts
    exponent: Array


def near(state: Array, other: Array) -> Flags:
    """Whether states of shape (dimension, lanes) agree within the tolerance of periods."""
    return np.asarray(np.all(np.abs(state - other) <= PERIOD_TOLERANCE * (np.abs(other) + 1e-2), axis=0))


def periods_of(system: System, p: Array, state: Array, time: float, longest: int = LONGEST_CYCLE) -> Counts:
    """Return after how many steps each lane comes back to its state; 0: not within ``longest`` steps.

    Parameters
    ----------
    system : System
        In discrete time, scalar states.
    p : ndarray, shape (parameters, lanes)
    state : ndarray, shape (dimension, lanes)
    time : float
        Of the state.
    longest : int
    """
    field = functions_of(system).lane_field
    found = np.zeros(state.shape[1], dtype=np.int64)
    now = state
    for period in range(1, longest + 1):
        searching = found == 0
        if not searching.any():
            break
        now = field(np.full(state.shape[1], time + period - 1), now, p)
        found[searching & near(now, state)] = period
    return found


def unstable_cycles(system: System, p: Array, state: Array, time: float, period: Counts) -> Flags:
    """Whether the cycle of ``period`` steps through each lane's state has a multiplier outside the unit circle.

    Parameters
    ----------
    system, p, state, time
        As for ``periods_of``.
    period : ndarray of int, shape (lanes,)
        0: no cycle.
    """
    return _logarithms(system, p, state, time, period) > np.log1p(NEUTRAL)


def held_cycles(system: System, p: Array, state: Array, time: float, period: Counts) -> Flags:
    """Whether the cycle through each lane's state is unstable and the orbit will never leave it.

    It comes back to the last bit; or it stays so long that any difference along the unstable direction would have grown to
    the size of the state, while other directions still contract.

    Parameters
    ----------
    system, p, state, time, period
        As for ``unstable_cycles``.
    """
    growth = _logarithms(system, p, state, time, period)
    unstable = growth > np.log1p(NEUTRAL)
    turns = np.full(period.shape, np.inf)
    turns[unstable] = np.ceil(BINARY_RANGE * np.log(2.0) / growth[unstable])
    needed = np.where(turns * period <= LONGEST_STAY, turns * period, 0.0)
    possible = needed > 0
    held = np.zeros(period.shape, dtype=bool)
    field, now = functions_of(system).lane_field, state
    longest = int(period.max(initial=0))
    for step in range(1, max(longest, int(needed.max(initial=0))) + 1):
        now = field(np.full(period.size, time + step - 1), now, p)
        held |= unstable & (period == step) & np.all(now == state, axis=0)
        possible &= (step % np.maximum(period, 1) > 0) | near(now, state)
        held |= possible & (needed == step)
        if step >= longest and not np.any(possible & ~held):
            break
    return held


def _logarithms(system: System, p: Array, state: Array, time: float, period: Counts) -> Array:
    """Logarithms of the largest multipliers of cycles; -inf where there is no cycle."""
    found = np.full(period.shape, -np.inf)
    field = functions_of(system).lane_field
    for length in np.unique(period[period > 0]).tolist():
        lanes = np.flatnonzero(period == length)
        lanes = lanes[~surely_stable(_copied(field, p[:, lanes]), state[:, lanes], time, length)]
        if not lanes.size:
            continue
        found[lanes] = _logarithm_of_radius(system, p[:, lanes], state[:, lanes], time, length)
    return found


def _copied(field: Callable[[Array, Array, Array], Array], p: Array) -> Callable[[Array, Array], Array]:
    """The map over lanes that have been copied, one copy of all after the other."""
    def function(time: Array, states: Array) -> Array:
        return field(time, states, np.tile(p, (1, states.shape[1] // p.shape[1])))

    return function


def surely_stable(field: Callable[[Array, Array], Array], state: Array, time: float, length: int, within: float = CLEARLY
                  ) -> Flags:
    """Whether the differences of ``length`` steps of the map, to either side, have multipliers of less than ``within``.

    Parameters
    ----------
    field : callable
        ``field(time, states)``, shapes (copies*lanes,) and (dimension, copies*lanes).
    state : ndarray, shape (dimension, lanes)
    """
    size, lanes = state.shape
    step = SMALL_STEP * (np.abs(state) + 1e-2)
    moved = [state]
    for sign in (1.0, -1.0):
        for row in range(size):
            other = state.copy()
            other[row] += sign * step[row]
            moved.append(other)
    now = np.concatenate(moved, axis=1)
    with np.errstate(all="ignore"):
        for turn in range(length):
            now = field(np.full(now.shape[1], time + turn), now)
    copies = now.reshape(size, 1 + 2 * size, lanes)
    stable = np.ones(lanes, dtype=bool)
    for side, sign in ((copies[:, 1:1 + size], 1.0), (copies[:, 1 + size:], -1.0)):
        slopes: Array = np.moveaxis(np.asarray(sign * (side - copies[:, :1]) / step), -1, 0)
        known = np.asarray(np.isfinite(slopes).all(axis=(1, 2)))
        radius = np.abs(np.linalg.eigvals(np.where(known[:, None, None], slopes, 0.0))).max(axis=1)
        stable &= known & (radius < within)
    return stable


def _logarithm_of_radius(system: System, p: Array, state: Array, time: float, length: int) -> Array:
    """Logarithm of the spectral radius of the product of Jacobians; -inf where it cannot be had: nothing is shown then."""
    product, logarithm = monodromy(system, p, state, time, length)
    with np.errstate(all="ignore"):
        return np.asarray(logarithm + np.log(np.abs(np.linalg.eigvals(product)).max(axis=1)))


def monodromy(system: System, p: Array, state: Array, time: float, length: int) -> tuple[Array, Array]:
    """Product of the Jacobians of some steps, shape (lanes, dimension, dimension), and the logarithm of a factor taken out.

    Where it is not finite, zero and -inf.
    """
    functions = functions_of(system)
    dimension, lanes = state.shape
    product = np.repeat(np.eye(dimension)[None], lanes, axis=0)
    logarithm = np.zeros(lanes)
    with np.errstate(all="ignore"):
        for step in range(length):
            now = np.full(lanes, time + step)
            product = np.moveaxis(functions.lane_jacobian(now, state, p), -1, 0) @ product
            largest = np.abs(product).max(axis=(1, 2))
            logarithm += np.log(largest)
            # the size is kept apart: a product of many large slopes has no floating-point number
            product = product / np.where(largest > 0, largest, 1.0)[:, None, None]
            state = functions.lane_field(now, state, p)
    usable = np.isfinite(product).all(axis=(1, 2)) & np.isfinite(logarithm)
    return np.where(usable[:, None, None], product, 0.0), np.where(usable, logarithm, -np.inf)


def collapsed(system: System, p: Array, start: Array, state: Array, steps: int, lanes: NDArray[np.intp]) -> Counts:
    """Return the step at which each of the chosen lanes landed on an unstable cycle; 0: on none, or it started there.

    Parameters
    ----------
    system, p
        As for ``periods_of``.
    start, state : ndarray, shape (dimension, lanes)
        Before and after all steps.
    steps : int
    lanes : ndarray of int
        Places of the lanes to look at.
    """
    found = np.zeros(lanes.size, dtype=np.int64)
    period = periods_of(system, p[:, lanes], state[:, lanes], float(steps))
    back = np.flatnonzero(period)
    some = lanes[back]
    held = held_cycles(system, p[:, some], state[:, some], float(steps), period[back])
    back, some = back[held], some[held]
    if back.size:
        turns = _turns(system, p[:, some], state[:, some], period[back], steps)
        step = _steps_to(system, p[:, some], start[:, some], turns, steps)
        found[back] = np.where(step < 0, steps, step)
    return found


def landing(system: System, p: Array, start: Array, end: Array, period: Counts, discard: int, most_steps: int) -> Landing:
    """Follow lanes from their start to the cycle on which they ended, and measure what they did before.

    Parameters
    ----------
    system, p
        As for ``periods_of``.
    start, end : ndarray, shape (dimension, lanes)
        The end lies on the cycle.
    period : ndarray of int, shape (lanes,)
    discard : int
        Steps not measured, but not more than a quarter of those before the cycle.
    most_steps : int
        After so many the search is given up.
    """
    step = _steps_to(system, p, start, _turns(system, p, end, period, most_steps), most_steps)
    known = np.flatnonzero(step > 0)
    exponent = np.full(step.size, np.nan)
    if known.size:
        exponent[known] = _exponents_until(system, p[:, known], start[:, known], step[known],
                                           np.minimum(discard, step[known] // 4))
    return Landing(step, exponent)


@dataclass(frozen=True)
class _Turn:
    """The states of all lanes' cycles at one step, and the directions (rows) in which each cycle is unstable."""

    state: Array
    directions: NDArray[np.complex128]

    def reached(self, state: Array) -> Flags:
        """Whether nothing is left in the unstable directions; in the others an orbit may still come closer."""
        distance = np.abs(np.einsum("lij,jl->li", self.directions, state - self.state))
        size = np.einsum("lij,jl->li", np.abs(self.directions), np.abs(self.state) + 1e-2)
        return np.asarray(np.all(distance <= PERIOD_TOLERANCE * size, axis=1))


def _turns(system: System, p: Array, end: Array, period: Counts, time: int) -> list[_Turn]:
    """All turns of the cycles; shorter cycles go round again."""
    field, state, found = functions_of(system).lane_field, end, []
    for step in range(int(period.max(initial=1))):
        directions = np.zeros((period.size, len(end), len(end)), dtype=complex)
        for length in np.unique(period).tolist():
            lanes = np.flatnonzero(period == length)
            product, logarithm = monodromy(system, p[:, lanes], state[:, lanes], float(time + step), length)
            values, vectors = np.linalg.eig(np.swapaxes(product, 1, 2))
            with np.errstate(all="ignore"):
                unstable = logarithm[:, None] + np.log(np.abs(values)) > np.log1p(NEUTRAL)
            directions[lanes] = np.where(unstable[:, :, None], np.swapaxes(vectors, 1, 2), 0.0)
        found.append(_Turn(state, directions))
        state = field(np.full(period.size, float(time + step)), state, p)
    return found


def _steps_to(system: System, p: Array, start: Array, turns: list[_Turn], most_steps: int) -> Counts:
    """First step from which each lane stays on its cycle as far as the unstable directions go; -1 where it does not."""
    field = functions_of(system).lane_field
    away = np.full(start.shape[1], -1, dtype=np.int64)   # the last step away from the cycle
    exactly = np.zeros(away.size, dtype=bool)
    state = start
    for step in range(most_steps + 1):
        reached = np.zeros(away.size, dtype=bool)
        for turn in turns:
            reached |= turn.reached(state)
            exactly |= np.all(state == turn.state, axis=0)
        away[~reached] = step
        # what comes near may leave again, unless it has come to the cycle itself or had the time to leave
        if np.all(exactly | (step - away >= BINARY_RANGE)):
            break
        state = field(np.full(away.size, float(step)), state, p)
    return np.where(away < most_steps, away + 1, -1)


def _exponents_until(system: System, p: Array, start: Array, end: Counts, begin: Counts) -> Array:
    """Average stretching per step of a direction that is carried along from the start, between two steps of each lane."""
    functions = functions_of(system)
    dimension, lanes = start.shape
    # a direction without any symmetry of its own
    tangent = np.repeat(np.sqrt(np.arange(1.0, dimension + 1.0))[:, None], lanes, axis=1)
    state, size = start, np.zeros(lanes)
    first, last = np.zeros(lanes), np.zeros(lanes)
    extent = np.abs(start)
    with np.errstate(all="ignore"):
        for step in range(int(end.max())):
            now = np.full(lanes, float(step))
            # a kink may lie at zero, which has no size of its own: that of the orbit so far counts
            extent = np.fmax(extent, np.abs(state))
            first = np.where(begin == step, size, first)
            matrix = functions.lane_jacobian(now, state, p)
            carried = sum(matrix[:, k] * tangent[k] for k in range(dimension))
            length = np.max(np.abs(carried), axis=0)
            if np.any(length == 0):
                # exactly on a kink, as 1/2 is one of 1 - |2 x - 1|, the slope is written as zero: that of a side counts
                beside = functions.lane_jacobian(now, state + BESIDE * np.where(extent > 0, extent, 1.0), p)
                aside = sum(beside[:, k] * tangent[k] for k in range(dimension))
                kink = (length == 0) & (np.max(np.abs(aside), axis=0) > KINK)
                carried = np.where(kink, aside, carried)
                length = np.max(np.abs(carried), axis=0)
            tangent = carried
            size = size + np.log(length)
            tangent = tangent / np.where(length > 0, length, 1.0)
            state = functions.lane_field(now, state, p)
            last = np.where(end == step + 1, size, last)
        return np.where(np.isneginf(last), -np.inf, (last - first) / (end - begin))
