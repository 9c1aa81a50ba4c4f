"""What a method for an Ito equation needs of it, as expressions; systems to which a method does not apply are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Integer, Mul, Symbol

from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import TIME, System

__all__ = ["METHODS", "NoiseEquation", "equation_of"]

Array = NDArray[np.float64]
METHODS = ("euler_maruyama", "milstein", "stochastic_runge_kutta")
_POINTS, _SPREAD, _COMMUTES = 64, 0.1, 1e-9


@dataclass(frozen=True)
class NoiseEquation:
    """An Ito equation without its jumps.

    Attributes
    ----------
    states, parameters : tuple of Symbol
    drifts : tuple of Expr
        One per state.
    columns : tuple of tuple of (int, Expr)
        For each source the states on which it acts, with its amplitudes.
    corrections : tuple of (state, source, source, Expr)
        Milstein's; empty for other methods.
    method : str
        One of ``METHODS``.
    """

    states: tuple[Symbol, ...]
    parameters: tuple[Symbol, ...]
    drifts: tuple[Expr, ...]
    columns: tuple[tuple[tuple[int, Expr], ...], ...]
    corrections: tuple[tuple[int, int, int, Expr], ...]
    method: str

    @property
    def draws(self) -> int:
        """Normal numbers of one step."""
        return len(self.columns) * (2 if self.method == "stochastic_runge_kutta" else 1)

    @property
    def expressions(self) -> list[Expr]:
        """Drifts, amplitudes, corrections."""
        return [*self.drifts, *(e for column in self.columns for _, e in column), *(e for *_, e in self.corrections)]

    def steady(self, source: int) -> bool:
        """Whether the amplitudes of a source are parameters alone."""
        moving = {*self.states, TIME}
        return not any(e.free_symbols & moving for _, e in self.columns[source])


def equation_of(system: System, method: str, start: Array) -> NoiseEquation:
    """Return the equation of a system for a method.

    Parameters
    ----------
    system : System
    method : str
        One of ``METHODS``.
    start : array, shape (dimension,)
        Around it the noise is checked for commutativity.

    Raises
    ------
    SpecificationError
        For Milstein's method where the sources do not commute, for the Runge-Kutta method where one source acts on what the
        amplitude of another depends on.
    """
    functions = functions_of(system)
    names = list(functions.names)
    symbols = [Symbol(name) for name in names]
    columns = [[system.resolve(amplitudes.get(name, Integer(0))) for name in names]
               for amplitudes in system._parsed.noise.values()]
    corrections: list[tuple[int, int, int, Expr]] = []
    if method == "milstein":
        for (j, k), derivatives in _corrections_of(system, columns, symbols, start).items():
            corrections += [(i, j, k, e) for i, e in enumerate(derivatives) if e != 0]
    if method == "stochastic_runge_kutta":
        _require_separate(system, columns, symbols)
    return NoiseEquation(
        tuple(symbols), tuple(Symbol(n) for n in functions.parameter_names), tuple(system.field[n] for n in names),
        tuple(tuple((i, e) for i, e in enumerate(column) if e != 0) for column in columns), tuple(corrections), method)


def _corrections_of(system: System, columns: Sequence[Sequence[Expr]], symbols: Sequence[Symbol],
                    start: Array) -> dict[tuple[int, int], list[Expr]]:
    """Milstein's terms: pair of sources to the derivative of one column along the other, by state."""
    met = [set().union(*(e.free_symbols for e in column)) for column in columns]

    def along(j: int, k: int) -> list[Expr]:
        moved = [m for m, e in enumerate(columns[j]) if e != 0 and symbols[m] in met[k]]
        slopes = jacobian_matrix(columns[k], [symbols[m] for m in moved]) if moved else []
        width = len(moved)
        return [Add(*(Mul(columns[j][m], slopes[i * width + place]) for place, m in enumerate(moved)))
                for i in range(len(symbols))]

    found = {}
    for j in range(len(columns)):
        for k in range(j, len(columns)):
            found[j, k] = along(j, k)
            if j < k and found[j, k] != (other := along(k, j)):
                _require_commuting(system, found[j, k], other, (j, k), start)
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


def _require_separate(system: System, columns: Sequence[Sequence[Expr]], symbols: Sequence[Symbol]) -> None:
    names, faults = list(system.noise), []
    for j, column in enumerate(columns):
        needed = set().union(*(e.free_symbols for e in column))
        for k, other in enumerate(columns):
            faults += [f"'{names[k]}' moves {s}, on which the amplitude of '{names[j]}' depends"
                       for s, e in zip(symbols, other, strict=True) if j != k and e != 0 and s in needed]
    if faults:
        raise SpecificationError(
            f"the noise sources of '{system.name}' act on one another ({'; '.join(faults)}): a Runge-Kutta method of order "
            "1.5 would need their iterated integrals; use method='milstein' if they commute, else 'euler_maruyama'", faults)
