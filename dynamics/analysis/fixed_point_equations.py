"""The equations of fixed points in states and varied parameters, one regime at a time, with exact derivatives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from dynamics.analysis import arguments
from dynamics.analysis.arclength import CurveProblem, Limit
from dynamics.analysis.linearization import fields_of, scalar_system
from dynamics.compiled.expansions import Expansion, composed, expansion_function, expression_function
from dynamics.errors import DerivationError, SpecificationError
from dynamics.expressions import elementary
from dynamics.symbolic.regimes import Regime, regimes
from dynamics.systems import System

__all__ = ["FixedPointEquations", "equations_of", "limits_of", "prepared"]

Array = NDArray[np.float64]
LARGEST = 24
NEARBY = 1e-2  # relative
UNBOUNDED = 1e5  # states this many times larger than at the start are said to grow without bound


@dataclass(frozen=True, eq=False)
class FixedPointEquations:
    """``H(z) = 0`` for ``z`` = (states, varied parameters): f(x, p) of a flow, the iterated map minus x of a map.

    Attributes
    ----------
    system : System
    varied : tuple of str
    regime : Regime
        Whose smooth equations these are.
    period : int
        Maps: fixed points of this iterate.
    scale : array, shape (n,)
        Sizes below which changes of the states do not matter for the length of steps.
    spans : array
        Of the varied parameters.
    reach : array, shape (n,)
        Sizes of states beyond which they count as unbounded.
    conserved : tuple of (row, expression, level)
        Conserved quantities: each makes one equation redundant, and its level takes that equation's place.
    """

    system: System
    varied: tuple[str, ...]
    regime: Regime
    period: int
    scale: Array
    spans: Array
    reach: Array
    conserved: tuple[tuple[int, Expr, float], ...] = ()

    @property
    def dimension(self) -> int:
        """Number of states."""
        return len(self.system.states)

    @property
    def discrete(self) -> bool:
        """Whether it is a map."""
        return self.system.time == "discrete"

    @cached_property
    def _variables(self) -> tuple[Symbol, ...]:
        return tuple(Symbol(name) for name in (*self.system.states, *self.varied))

    @cached_property
    def _constants(self) -> tuple[tuple[Symbol, ...], tuple[float, ...]]:
        values = {name: value for name, value in self.system.parameter_values.items() if name not in self.varied}
        return tuple(Symbol(name) for name in values), tuple(float(value) for value in values.values())

    @cached_property
    def _function(self) -> Any:
        return expansion_function(self.regime.expressions, self._variables, self._constants[0])

    def expansion(self, z: Array, order: int = 1) -> Expansion:
        """Field of a flow, iterate of a map, with derivatives by z."""
        size, numbers = self.dimension, self._constants[1]
        result: Expansion = self._function(z[:len(self._variables)], numbers, order)
        with np.errstate(all="ignore"):
            for _ in range(self.period - 1):
                place = np.concatenate([result.value, z[size:len(self._variables)]])
                result = composed(self._function(place, numbers, order), result)
        return result

    def residual(self, z: Array) -> Array:
        """``H(z)``, shape (n,)."""
        value = self.expansion(z, 0).value if self.period == 1 else self._iterated(z)
        value = value - z[:self.dimension] if self.discrete else value
        return self._on_level(z, Expansion(value, np.empty((self.dimension, 0))), 0).value

    def sizes(self, z: Array) -> Array:
        """Size of each equation's derivatives around a point in scaled unknowns, shape (n,): what a zero is small to."""
        weights = self.weights(z)
        found = np.abs(self.jacobian(z) / weights).max(axis=1)
        for step in (NEARBY, -NEARBY):
            with np.errstate(all="ignore"):
                beside = np.abs(self.jacobian(z + step / weights) / weights).max(axis=1)
            found = np.where(np.isfinite(beside), np.maximum(found, beside), found)
        return np.where(found > 0, found, 1.0)

    def _iterated(self, z: Array) -> Array:
        place, size = z.copy(), self.dimension
        for _ in range(self.period):
            place[:size] = self._function(place, self._constants[1], 0).value
        return place[:size]

    def jacobian(self, z: Array) -> Array:
        """Derivatives of H by z, shape (n, n + number of varied parameters)."""
        return self.defining(z).first

    def defining(self, z: Array, order: int = 1) -> Expansion:
        """H with derivatives by z."""
        n, found = self.dimension, self.expansion(z, order)
        if self.discrete:
            first = found.first.copy()
            first[:, :n] -= np.eye(n)
            found = replace(found, value=found.value - z[:n], first=first)
        return self._on_level(z, found, order)

    def _on_level(self, z: Array, found: Expansion, order: int) -> Expansion:
        if not self.conserved:
            return found
        arrays = [found.value, found.first, found.second, found.third]
        variables, (constants, numbers) = self._variables, self._constants
        for row, quantity, level in self.conserved:
            for k in range(order + 1):
                array = arrays[k]
                if array is not None:
                    fresh = expression_function([quantity], variables, constants, k)(z[:len(variables)].tolist(), numbers)[0]
                    arrays[k] = np.concatenate([array[:row], [fresh - level if k == 0 else fresh], array[row + 1:]])
        return Expansion(arrays[0], arrays[1], arrays[2], arrays[3])  # type: ignore[arg-type]

    def matrix(self, z: Array) -> Array:
        """Jacobian of the flow, multiplier matrix of the map, shape (n, n)."""
        return self.expansion(z).first[:, :self.dimension]

    def eigenvalues(self, z: Array) -> NDArray[np.complex128]:
        """Of ``matrix``, largest real part (modulus for maps) first; nan where it is not finite.

        Those that conserved quantities keep at 0 (1 for maps) are left out.
        """
        matrix = self.matrix(z)
        if not np.all(np.isfinite(matrix)):
            return np.full(self.dimension - len(self.conserved), np.nan + 0j)
        found = np.linalg.eigvals(matrix).astype(complex)
        found = np.delete(found, np.argsort(np.abs(found - float(self.discrete)))[:len(self.conserved)])
        return found[np.lexsort((found.imag, -(np.abs(found) if self.discrete else found.real)))]

    def weights(self, z: Array) -> Array:
        """Of lengths: relative for states, spans for parameters."""
        states = 1 / (self.scale + np.abs(z[:self.dimension]))
        return np.concatenate([states, 1 / self.spans, np.full(len(z) - self.dimension - len(self.spans), 1.0)])

    @property
    def problem(self) -> CurveProblem:
        """As a curve problem, for one varied parameter."""
        return CurveProblem(self.residual, self.jacobian, weights=self.weights,
                            accept=self._same_orbit if self.period > 1 else None)

    def _same_orbit(self, before: Array, after: Array) -> bool:
        """Whether all points of the orbit have moved as derivatives say: one point alone may have met another orbit."""
        once, n = replace(self, period=1), self.dimension
        old, new, slope = before, after, np.eye(len(before))
        misses, moves = [0.0], [0.0]
        for _ in range(self.period - 1):
            expansion = once.expansion(old)
            slope = np.vstack([expansion.first @ slope, slope[n:]])
            old = np.append(expansion.value, before[n:])
            new = np.append(once.expansion(new, 0).value, after[n:])
            weights = self.weights(old)[:n]
            moves.append(float(np.linalg.norm(weights * (new - old)[:n])))
            misses.append(float(np.linalg.norm(weights * (new - old - slope @ (after - before))[:n])))
        return max(misses) <= 0.2 * max(moves) + 1e-9

    # ---- borders ---------------------------------------------------------------------------------------------------

    def conditions(self, z: Array) -> Array:
        """Values that are >= 0 in the closed regime."""
        function = expression_function(self.regime.conditions, self._variables, self._constants[0], 0)
        with np.errstate(all="ignore"):
            return function(z[:len(self._variables)].tolist(), self._constants[1])

    def condition_gradients(self, z: Array) -> Array:
        """Their derivatives by z, shape (conditions, m)."""
        function = expression_function(self.regime.conditions, self._variables, self._constants[0], 1)
        return function(z[:len(self._variables)].tolist(), self._constants[1])

    # ---- names -----------------------------------------------------------------------------------------------------

    def states_of(self, z: Array) -> dict[str, float]:
        """State name to value."""
        return dict(zip(self.system.states, map(float, z[:self.dimension]), strict=True))

    def parameters_of(self, z: Array) -> dict[str, float]:
        """All parameters by name."""
        values = {name: float(value) for name, value in self.system.parameter_values.items()}
        return values | {name: float(z[self.dimension + k]) for k, name in enumerate(self.varied)}


def prepared(system: System, varied: Sequence[str], purpose: str, period: int = 1) -> System:
    """Return the scalar System for a continuation.

    Raises
    ------
    SpecificationError
        For unknown parameters, or a period that makes no sense.
    DerivationError
        For systems without fixed points or with too many states.
    """
    system = scalar_system(system, purpose)
    if not system.autonomous:
        raise DerivationError(f"{purpose}: '{system.name}' depends on time and has no fixed points; integrate it instead")
    for name in varied:
        arguments.known_name(name, system.parameters, "parameter", system.name, purpose)
    if len(set(varied)) < len(varied):
        raise SpecificationError(f"{purpose}: the parameters must be different, not {', '.join(varied)}")
    if len(system.states) > LARGEST:
        raise DerivationError(f"{purpose}: '{system.name}' has {len(system.states)} states; at most {LARGEST} are continued")
    period = arguments.whole(period, f"{purpose}: period", 1)
    if period > 1 and system.time == "continuous":
        raise SpecificationError(f"{purpose}: '{system.name}' is a flow; its cycles are found by continue_cycles")
    return system


def equations_of(system: System, varied: Sequence[str], spans: Sequence[float], states: Mapping[str, float],
                 period: int = 1) -> tuple[FixedPointEquations, ...]:
    """Return the equations of every regime of a system.

    Parameters
    ----------
    system : System
        From `prepared`.
    varied : sequence of str
    spans : sequence of float
        Ranges of the varied parameters.
    states : mapping of str to float
        A typical state, for the scale of steps.
    period : int

    Returns
    -------
    tuple of FixedPointEquations

    Raises
    ------
    DerivationError
        For periodic points of maps with regimes.
    """
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    found = regimes(fields_of(system), bounds)
    if period > 1 and len(found) > 1:
        raise DerivationError(f"'{system.name}' has {len(found)} regimes; periodic points are continued in smooth maps only")
    initial = system.initial_state()
    sizes = [max(abs(float(states[name])), abs(float(initial[name]))) for name in system.states]
    # relative steps far out, absolute ones near zero; a state at rest in 0 says nothing about its scale
    scale = np.array([min(1.0, size) if size > 1e-9 and math.isfinite(size) else 1.0 for size in sizes])
    reach = np.array([UNBOUNDED * max(1.0, size) for size in sizes])
    conserved = _conserved(system, states, scale)
    return tuple(FixedPointEquations(system, tuple(varied), regime, period, scale, np.array(spans, dtype=float), reach,
                                     conserved)
                 for regime in found)


def _conserved(system: System, states: Mapping[str, float], scale: Array) -> tuple[tuple[int, Expr, float], ...]:
    """Declared invariants at the level of a state, each with the equation it replaces."""
    found: list[tuple[int, Expr, float]] = []
    values = {name: float(value) for name, value in system.parameter_values.items()} | dict(states)
    symbols = tuple(Symbol(name) for name in system.states)
    constants = tuple(Symbol(name) for name in system.parameters)
    numbers = [values[s.name] for s in constants]
    for name in system.invariants:
        quantity = elementary(system.resolve(system._parsed.invariants[name]))
        place = [float(states[s.name]) for s in symbols]
        level = float(expression_function([quantity], symbols, constants, 0)(place, numbers)[0])
        slope = np.abs(expression_function([quantity], symbols, constants, 1)(place, numbers)[0]) * (scale + np.abs(place))
        slope[[row for row, _, _ in found]] = -1.0
        found.append((int(np.argmax(slope)), quantity, level))
    return tuple(found)


def limits_of(equations: FixedPointEquations, bounds: Sequence[tuple[float, float]],
              box: Mapping[str, tuple[float, float]]) -> tuple[Limit, ...]:
    """Return the limits of a curve: the varied parameters first, then the states."""
    size = equations.dimension
    found = [Limit(size + k, name, *pair) for k, (name, pair) in enumerate(zip(equations.varied, bounds, strict=True))]
    for index, name in enumerate(equations.system.states):
        low, high = box.get(name, (-math.inf, math.inf))
        reach = float(equations.reach[index])
        found.append(Limit(index, name, max(low, -reach), min(high, reach), yields=True))
    return tuple(found)
