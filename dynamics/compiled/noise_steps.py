"""One step of many paths of an Ito equation with Poisson jumps, over arrays of lanes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.functions import functions_of
from dynamics.compiled.noise_equations import NoiseEquation, equation_of
from dynamics.systems import System

__all__ = ["LARGEST_JUMP_MEAN", "MOST_JUMPS", "NEAR_SIDE", "NoiseStepper", "stepper_of"]

Array = NDArray[np.float64]
LARGEST_JUMP_MEAN, MOST_JUMPS = 100.0, 1000
NEAR_SIDE = 1 - 2.0**-48  # a path that ends stays on its side of zero, whatever rounding does


@dataclass(frozen=True)
class NoiseStepper:
    """Steps of a system; ``p`` are its parameter values in order."""

    equation: NoiseEquation
    jumps: int
    p: tuple[Any, ...]
    drift: Callable[..., Array]
    amplitudes: tuple[Callable[..., Array], ...]
    corrections: Callable[..., Array]
    rates: Callable[..., Array] | None
    assignments: tuple[tuple[tuple[int, ...], Callable[..., Array]], ...]

    @property
    def dimension(self) -> int:
        return len(self.equation.states)

    def diffuse(self, t: float, y: Array, increments: Array, h: float) -> Array:
        """Return the state after a step without jumps.

        ``increments``, shape (draws, lanes), are those of the Wiener processes, and for the Runge-Kutta method as many more
        normal numbers of the same variance.
        """
        if self.equation.method == "stochastic_runge_kutta":
            return self._runge_kutta(t, y, increments, h)
        after = y + self.drift(t, y, self.p) * h
        for column, amplitudes, increment in zip(self.equation.columns, self.amplitudes, increments, strict=True):
            for (state, _), value in zip(column, amplitudes(t, y, self.p), strict=True):
                after[state] += value * increment
        if self.equation.corrections:
            for (state, j, k, _), value in zip(self.equation.corrections, self.corrections(t, y, self.p), strict=True):
                product = increments[j] * increments[k]
                after[state] += value * (0.5 * (product - h) if j == k else product)
        return after

    def _runge_kutta(self, t: float, y: Array, increments: Array, h: float) -> Array:
        """Roessler's SRI1W1: two drifts, and four amplitudes of each source that is not steady."""
        root, sources = math.sqrt(h), len(self.amplitudes)
        slope = self.drift(t, y, self.p) * h
        middle, after = y + 0.75 * slope, y + slope / 3
        for source, (column, amplitudes) in enumerate(zip(self.equation.columns, self.amplitudes, strict=True)):
            rows = np.array([state for state, _ in column])
            w, area = increments[source], 0.5 * (increments[source] + increments[sources + source] / math.sqrt(3))
            first = amplitudes(t, y, self.p)
            middle[rows] += 1.5 * area * first
            if self.equation.steady(source):
                after[rows] += w * first
                continue

            def stage(part: float, push: Array, rows: NDArray[np.int64] = rows,
                      amplitudes: Callable[..., Array] = amplitudes) -> Array:
                moved = y + part * slope
                moved[rows] += root * push
                return amplitudes(t + part * h, moved, self.p)

            second, third = stage(0.25, 0.5 * first), stage(1.0, -first)
            fourth = stage(0.25, -5 * first + 3 * second + 0.5 * third)
            twice, thrice = (w * w - h) / (2 * root), w * (w * w - 3 * h) / (6 * h)
            after[rows] += ((2 * area - w - twice - 2 * thrice) * first + (4 * (w + twice - area) + 5 * thrice) / 3 * second
                            + (2 * (w - area - thrice) - twice) / 3 * third + thrice * fourth)
        return after + self.drift(t + 0.75 * h, middle, self.p) * (2 * h / 3)

    def jump(self, t: float, y: Array, uniform: Array, h: float) -> Array:
        """Apply the jumps of a step, in declared order; ``uniform`` has shape (jumps, lanes)."""
        if self.rates is None:
            return y
        means = self.rates(t, y, self.p) * h
        for (states, assign), mean, u in zip(self.assignments, means, uniform, strict=True):
            possible = (mean >= 0) & (mean <= LARGEST_JUMP_MEAN)
            # a rate below zero, or many jumps in one step, has no meaning here: the path becomes invalid
            y = np.where(possible, y, np.nan)
            counts = _poisson(np.where(possible, mean, 0.0), u)
            for number in range(1, int(counts.max(initial=0)) + 1):
                lanes = np.flatnonzero(counts >= number)
                y[np.ix_(np.array(states), lanes)] = assign(t, y[:, lanes], self.p)
        return y


def _poisson(mean: Array, u: Array) -> NDArray[np.int64]:
    """Return Poisson numbers by inversion."""
    term = np.exp(-mean)
    below, counts = term.copy(), np.zeros(mean.shape, dtype=np.int64)
    number = 0
    while True:
        more = u > below
        # where the sum has reached its rounding the rest of the tail has no weight
        if not more.any() or number > MOST_JUMPS:
            return counts
        number += 1
        counts += more
        term = term * mean / number
        below = below + term


def stepper_of(system: System, method: str, start: Array) -> NoiseStepper:
    """Compile the steps of a system; parameters and errors as for ``equation_of``."""
    functions, parsed = functions_of(system), system._parsed
    names, lane_function = list(functions.names), functions.lane_function
    equation = equation_of(system, method, start)
    rates = lane_function([rate for rate, _ in parsed.jumps.values()]) if parsed.jumps else None
    assignments = tuple((tuple(names.index(n) for n in assign), lane_function(list(assign.values())))
                        for _, assign in parsed.jumps.values())
    return NoiseStepper(equation, len(assignments), functions.parameters(system), lane_function(list(equation.drifts)),
                        tuple(lane_function([e for _, e in column]) for column in equation.columns),
                        lane_function([e for *_, e in equation.corrections]), rates, assignments)
