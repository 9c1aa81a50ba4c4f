"""One step of many paths of an Ito equation with Poisson jumps, over arrays of lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Integer, Mul, Symbol

from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import System

__all__ = ["METHODS", "NoiseStepper", "stepper_of"]

Array = NDArray[np.float64]
METHODS = ("euler_maruyama", "milstein")
LARGEST_JUMP_MEAN = 100.0
_POINTS, _SPREAD, _COMMUTES = 64, 0.1, 1e-9


@dataclass(frozen=True)
class NoiseStepper:
    """Steps of a system; ``p`` are its parameter values in order."""

    sources: int
    jumps: int
    expressions: tuple[Expr, ...]
    p: tuple[Any, ...]
    terms: Callable[..., Array]
    dimension: int
    amplitudes: tuple[tuple[int, int], ...]
    corrections: tuple[tuple[int, int, int], ...]
    rates: Callable[..., Array] | None
    assignments: tuple[tuple[tuple[int, ...], Callable[..., Array]], ...]

    def diffuse(self, t: float, y: Array, increments: Array, h: float) -> Array:
        """Return the state after a step without jumps; ``increments`` of the Wiener processes, shape (sources, lanes)."""
        terms = self.terms(t, y, self.p)
        after = y + terms[: self.dimension] * h
        row = self.dimension
        for state, source in self.amplitudes:
            after[state] += terms[row] * increments[source]
            row += 1
        for state, j, k in self.corrections:
            product = increments[j] * increments[k]
            after[state] += terms[row] * (0.5 * (product - h) if j == k else product)
            row += 1
        return after

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
        if not more.any() or number > 10 * LARGEST_JUMP_MEAN:
            return counts
        number += 1
        counts += more
        term = term * mean / number
        below = below + term


def stepper_of(system: System, method: str, start: Array) -> NoiseStepper:
    """Compile the steps of a system.

    Parameters
    ----------
    system : System
    method : {"euler_maruyama", "milstein"}
    start : array, shape (dimension,)
        Around it the noise is checked for commutativity.

    Raises
    ------
    SpecificationError
        For indexed states, and for Milstein's method where the sources do not commute.
    """
    functions = functions_of(system)
    names, p = list(functions.names), functions.parameters(system)
    parsed = system._parsed
    symbols = [Symbol(name) for name in names]
    columns = [[system.resolve(amplitudes.get(name, Integer(0))) for name in names] for amplitudes in parsed.noise.values()]
    amplitudes = [(i, j) for j, column in enumerate(columns) for i, e in enumerate(column) if e != 0]
    wanted: list[Expr] = [system.field[n] for n in names] + [columns[j][i] for i, j in amplitudes]
    corrections: list[tuple[int, int, int]] = []
    if method == "milstein":
        for (j, k), derivatives in _corrections_of(system, columns, symbols, start).items():
            corrections += [(i, j, k) for i, e in enumerate(derivatives) if e != 0]
            wanted += [e for e in derivatives if e != 0]
    rates = functions.lane_function([rate for rate, _ in parsed.jumps.values()]) if parsed.jumps else None
    assignments = tuple((tuple(names.index(n) for n in assign), functions.lane_function(list(assign.values())))
                        for _, assign in parsed.jumps.values())
    return NoiseStepper(len(columns), len(assignments), tuple(wanted), p, functions.lane_function(wanted), len(names),
                        tuple(amplitudes), tuple(corrections), rates, assignments)


def _corrections_of(system: System, columns: Sequence[Sequence[Expr]], symbols: Sequence[Symbol],
                    start: Array) -> dict[tuple[int, int], list[Expr]]:
    """Milstein's terms: pair of sources to the derivative of one column along the other, by state."""
    n = len(symbols)
    jacobians = [list(jacobian_matrix(column, symbols)) for column in columns]

    def along(j: int, k: int) -> list[Expr]:
        return [Add(*(Mul(columns[j][m], jacobians[k][i * n + m]) for m in range(n))) for i in range(n)]

    found = {}
    for j in range(len(columns)):
        for k in range(j, len(columns)):
            found[j, k] = along(j, k)
            if j < k:
                _require_commuting(system, found[j, k], along(k, j), (j, k), start)
    return found


def _require_commuting(system: System, one: Sequence[Expr], other: Sequence[Expr], pair: tuple[int, int],
                       start: Array) -> None:
    # compared at points near the start: exact zero tests of large expressions can take forever
    functions = functions_of(system)
    points = start[:, None] + _SPREAD * (1 + np.abs(start))[:, None] * np.random.default_rng(0).standard_normal(
        (len(start), _POINTS))
    a, b = (functions.lane_function(list(e))(0.0, points, functions.parameters(system)) for e in (one, other))
    with np.errstate(all="ignore"):
        apart = np.abs(a - b) > _COMMUTES * (np.abs(a) + np.abs(b))
    if apart.any():
        first, second = (list(system.noise)[place] for place in pair)
        raise SpecificationError(f"the noise sources '{first}' and '{second}' of '{system.name}' do not commute: Milstein's "
                                 "method would need their iterated integrals; use method='euler_maruyama'")
