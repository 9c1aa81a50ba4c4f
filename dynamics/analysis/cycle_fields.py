"""The smooth pieces of a System as collocation needs them, with exact derivatives, and extended by variational equations.

A fold, a period doubling and a torus bifurcation of cycles are periodic orbits of extended systems: the orbit together
with the solution of the variational equation that makes it critical. Their derivatives come from SymPy like all others,
so special points are located with the same exact Newton method as the cycles themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Dummy, Expr, Rational, Symbol

from dynamics.analysis.collocation import Condition, Orbit, PhaseField
from dynamics.compiled.code import vector_function
from dynamics.errors import DerivationError, SpecificationError
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.regimes import Regime, regimes
from dynamics.systems import System

__all__ = ["KINDS", "CycleFields", "Level"]

Array = NDArray[np.float64]
LARGEST = 24
# kind of the extended system -> copies of the state that it has besides the orbit
KINDS = {"orbit": 0, "fold": 1, "flip": 1, "torus": 2, "branch": 2}


@dataclass(frozen=True)
class Level:
    """A function that is positive where a piece holds: a border between regimes, or a terminal event."""

    name: str
    expression: Expr
    terminal: bool


class CycleFields:
    """Compiled smooth pieces of a flow, as functions of the state and of the unknowns of a boundary value problem.

    Parameters
    ----------
    system : System
        Autonomous, continuous time.
    free : sequence of str
        Parameters that are unknowns; further unknowns (of extended systems) follow them.

    Raises
    ------
    SpecificationError
        For maps.
    DerivationError
        For non-autonomous systems, and above 24 states.
    """

    def __init__(self, system: System, free: Sequence[str]) -> None:
        if system.time != "continuous":
            raise SpecificationError(f"'{system.name}' is a map; its cycles are fixed points of an iterate")
        if not system.autonomous:
            raise DerivationError(f"'{system.name}' depends on time; make time a state to continue its cycles")
        self.system, self.free = system, tuple(free)
        self.states = [Symbol(name) for name in system.states]
        self.dimension = len(self.states)
        if self.dimension > LARGEST or system.indices:
            raise DerivationError(f"'{system.name}' has indices or more than {LARGEST} states; integrate it instead")
        self.gradients: Any = None
        self.conserved = [system.resolve(e) for e in system._parsed.invariants.values()]
        # a conserved quantity makes cycles come in families; a friction that vanishes at the solution singles one out
        frictions = [Dummy(f"friction_{k}") for k in range(len(self.conserved))]
        self.parameters = [*(Symbol(name) for name in system.parameters), *frictions]
        self.values = [*(system.parameter_values[name] for name in system.parameters), *([0.0] * len(frictions))]
        self.places = [list(system.parameters).index(name) for name in self.free]
        self.places += range(len(system.parameters), len(self.parameters))
        self.pieces = _pieces(system)
        if self.conserved:
            self.gradients = jacobian_matrix(self.conserved, self.states)
            added = [sum(f * self.gradients[k, i] for k, f in enumerate(frictions)) for i in range(self.dimension)]
            self.pieces = tuple(replace(piece, expressions=tuple(map(add, piece.expressions, added)))
                                for piece in self.pieces)
        self._fields: dict[tuple[int, str, int], PhaseField] = {}
        self._levels: dict[int, Callable[[Array, Array], Array]] = {}
        self._scalars: dict[tuple[Expr, int | None, bool], tuple[Any, int]] = {}

    def arguments(self, unknowns: Array) -> list[Any]:
        """Return all parameter values, the free ones from the unknowns."""
        values = list(self.values)
        for place, value in zip(self.places, unknowns, strict=False):
            values[place] = float(value)
        return values

    def field(self, piece: int, kind: str = "orbit", extra: tuple[int, int] = (0, 0)) -> PhaseField:
        """Return the field of a piece, extended according to ``kind``.

        Parameters
        ----------
        piece : int
        kind : {"orbit", "fold", "flip", "torus"}
        extra : (int, int)
            Number of unknowns after the parameters, and which of them this piece uses: the relative change of its
            duration ("fold", "flip"), or the angle that the variation turns in a unit of time ("torus"); "branch" has the
            relative changes of both variations and the imperfection.
        """
        key = (piece, kind, extra[0] * 1000 + extra[1])
        if key not in self._fields:
            self._fields[key] = self._extended(self.pieces[piece].expressions, kind, *extra)
        return self._fields[key]

    def _extended(self, field: Sequence[Expr], kind: str, count: int, used: int) -> PhaseField:
        scalars = [Dummy(f"scalar_{k}") for k in range(count)]
        states, values = list(self.states), list(field)
        if kind != "orbit":
            jacobian = jacobian_matrix(field, self.states)
            copies = [[Dummy(f"variation_{k}_{j}") for j in range(self.dimension)] for k in range(KINDS[kind])]
            moved = [[sum((jacobian[i, j] * copy[j] for j in range(self.dimension)), start=0 * copy[0])
                      for i in range(self.dimension)] for copy in copies]
            states += [symbol for copy in copies for symbol in copy]
            if kind == "torus":
                angle = scalars[used]
                values += [moved[0][i] + angle * copies[1][i] for i in range(self.dimension)]
                values += [moved[1][i] - angle * copies[0][i] for i in range(self.dimension)]
            elif kind == "branch":
                values = self._branching(field, copies, moved, scalars)
            else:
                values += [moved[0][i] + (scalars[used] * field[i] if count else 0) for i in range(self.dimension)]
                if kind == "fold":
                    # the last scalars are frictions of the variation, one for each conserved quantity
                    own = scalars[len(scalars) - len(self.conserved):]
                    values[self.dimension:] = [v + sum(s * self.gradients[k, i] for k, s in enumerate(own))
                                               for i, v in enumerate(values[self.dimension:])]
        n, unknowns = len(states), [*(self.parameters[place] for place in self.places), *scalars]
        entries = [*values, *jacobian_matrix(values, states), *jacobian_matrix(values, unknowns)]
        raw = vector_function(entries, [states, self.parameters, scalars])
        free = len(self.places)

        def evaluate(z: Array, given: Array) -> tuple[Array, Array, Array]:
            result = np.empty((len(entries), z.shape[1]))
            with np.errstate(all="ignore"):
                for row, value in enumerate(raw(z, self.arguments(given[:free]), given[free:])):
                    result[row] = value
            lanes = z.shape[1]
            return (result[:n], result[n: n + n * n].reshape(n, n, lanes),
                    result[n + n * n:].reshape(n, len(unknowns), lanes))

        return evaluate

    def _branching(self, field: Sequence[Expr], copies: Sequence[Sequence[Expr]], moved: Sequence[Sequence[Expr]],
                   scalars: Sequence[Expr]) -> list[Expr]:
        """Two variations: one at a fixed parameter, one with it; an imperfection makes their equations independent.

        It acts along the first variation, for whatever keeps a symmetry of the cycle would not do; its factors are uneven
        since the variation alone may lie in the range of the linear part.
        """
        mine, other, *rest = scalars
        imperfection, frictions, free = rest[0], rest[1:], self.parameters[self.places[0]]
        found, count = [], len(self.conserved)
        for i, value in enumerate(field):
            found.append(value + imperfection * Rational(3 + i % 3, 3) * copies[0][i])
        for k, rate in enumerate((mine, other)):
            for i, value in enumerate(field):
                own = sum((frictions[k * count + j] * self.gradients[j, i] for j in range(count)), start=rate * value)
                found.append(moved[k][i] + own + (value.diff(free) if k else 0))
        return found

    def speed(self, piece: int) -> Callable[[Array, Array], tuple[Array, Array]]:
        """Return a function of (states (n, L), unknowns): the field and its second time derivative."""
        field = self.field(piece)

        def evaluate(z: Array, unknowns: Array) -> tuple[Array, Array]:
            values, slopes, _ = field(z, unknowns[:len(self.places)])
            return values, np.einsum("abl,bl->al", slopes, values)

        return evaluate

    def levels(self, piece: int) -> tuple[Level, ...]:
        """Return what has to stay positive along a piece: the conditions of its regime, then the terminal events."""
        system = self.system
        names = [switch.text for switch, _ in self.pieces[piece].pattern]
        borders = [Level(name, c, False) for name, c in zip(names, self.pieces[piece].conditions, strict=True)]
        events = []
        for name, (expression, _) in system._parsed.events.items():
            part = system.events[name]
            if part.terminal and part.direction in ("falling", "rising"):
                sense = 1 if part.direction == "falling" else -1
                events.append(Level(name, sense * system.resolve(expression), True))
        return (*borders, *events)

    def level_values(self, piece: int) -> Callable[[Array, Array], Array]:
        """Return a function of (states (n, L), unknowns): the levels, shape (count, L)."""
        if piece not in self._levels:
            expressions = [self.system.resolve(level.expression) for level in self.levels(piece)]
            raw = vector_function(expressions, [self.states, self.parameters]) if expressions else None

            def evaluate(z: Array, unknowns: Array) -> Array:
                result = np.empty((len(expressions), z.shape[1]))
                if raw is not None:
                    with np.errstate(all="ignore"):
                        for row, value in enumerate(raw(z[:self.dimension], self.arguments(unknowns))):
                            result[row] = value
                return result

            self._levels[piece] = evaluate
        return self._levels[piece]

    def at_node(self, expression: Expr, phase: int, last: bool = False, along: int | None = None,
                copy: int = 0) -> Condition:
        """Return the condition ``expression = 0`` at the start (or end) of a phase.

        Parameters
        ----------
        expression : Expr
            In the states and parameters.
        phase : int
        last : bool
            At the end of the phase.
        along : int, optional
            A piece: its time derivative along that piece is meant.
        copy : int
            For extended systems: its derivative along this copy of the state is meant; 0 is the expression itself.
        """
        n, key = self.dimension, (expression, along, copy > 0)
        if key not in self._scalars:
            self._scalars[key] = self._scalar(*key)
        raw, count = self._scalars[key]

        def condition(orbit: Orbit) -> tuple[float, Array, Array]:
            node = orbit.starts[phase + 1] if last else orbit.starts[phase]
            place = orbit.nodes[node]
            used = np.concatenate([place[:n], place[copy * n: (copy + 1) * n]]) if copy else place[:n]
            found = np.array([float(v) for v in raw(used, self.arguments(orbit.unknowns))])
            by_nodes = np.zeros_like(orbit.nodes)
            by_nodes[node, :n] = found[1: n + 1]
            if copy:
                by_nodes[node, copy * n: (copy + 1) * n] = found[n + 1: 2 * n + 1]
            by_scalars = np.zeros(len(orbit.durations) + len(orbit.unknowns))
            start = len(orbit.durations)
            by_scalars[start: start + len(self.places)] = found[1 + count:]
            return float(found[0]), by_nodes, by_scalars

        return condition

    def _scalar(self, expression: Expr, along: int | None, varied: bool) -> tuple[Any, int]:
        """Compiled value and derivatives of a scalar, by its arguments and the unknowns; the number of arguments."""
        resolved, n = self.system.resolve(expression), self.dimension
        variation = [Dummy(f"variation_{j}") for j in range(n)] if varied else []
        gradient = jacobian_matrix([resolved], self.states)
        if along is not None:
            resolved = sum(gradient[0, j] * self.pieces[along].expressions[j] for j in range(n))
        elif varied:
            resolved = sum(gradient[0, j] * variation[j] for j in range(n))
        states = [*self.states, *variation]
        unknowns = [self.parameters[place] for place in self.places]
        entries = [resolved, *jacobian_matrix([resolved], [*states, *unknowns])]
        return vector_function(entries, [states, self.parameters]), len(states)


@lru_cache(maxsize=64)
def _pieces(system: System) -> tuple[Regime, ...]:
    bounds = {symbol: limits for symbol, limits in system.bounds().items() if symbol.name in system.parameters}
    return regimes([system.resolve(system.field[name]) for name in system.states], bounds)
