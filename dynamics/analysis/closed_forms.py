"""Every fixed point that has a closed form, whatever the current parameters; SymPy only."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import Expr, S, Symbol
from sympy.utilities.iterables import strongly_connected_components

from dynamics.analysis.equilibria import rest_at
from dynamics.analysis.linearization import fields_of
from dynamics.analysis.special_parameters import open_powers
from dynamics.errors import DerivationError
from dynamics.expressions import hill
from dynamics.symbolic.elimination import Solution
from dynamics.symbolic.exact_solutions import derivation_in_time
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.regimes import on_borders, regimes
from dynamics.symbolic.signs import weak_sign_of
from dynamics.symbolic.term_sizes import term_size
from dynamics.systems import System

__all__ = ["Candidate", "Candidates", "Side", "candidates", "known_candidates"]

LARGEST = 10_000  # numerator and denominator of numbers worth putting in: longer ones outgrow symbols in closed forms


@dataclass(frozen=True)
class Side:
    """Another regime: where it is (each condition >= 0) and the fields there."""

    conditions: tuple[Expr, ...]
    fields: tuple[Expr, ...]


@dataclass(frozen=True)
class Candidate:
    """A fixed point in closed form, with the regime it belongs to."""

    state: dict[Symbol, Expr]
    free: tuple[str, ...]
    conditions: tuple[Expr, ...]
    fields: tuple[Expr, ...]
    regime: str
    sides: tuple[Side, ...] = ()

    @functools.cached_property
    def jacobian(self) -> Any:
        """Derivative of the fields by the states, a Matrix."""
        return jacobian_matrix(self.fields, list(self.state))

    @functools.cached_property
    def jacobian_sizes(self) -> tuple[Expr, ...]:
        """Sizes of the terms of its entries."""
        return tuple(map(term_size, self.jacobian))

    @functools.cached_property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Groups of states that influence each other: the spectrum is that of their diagonal blocks."""
        size = len(self.state)
        edges = [(i, j) for i in range(size) for j in range(size) if self.jacobian[i, j] != 0]
        return tuple(map(tuple, strongly_connected_components((range(size), edges))))


@dataclass(frozen=True)
class Candidates:
    """What algebra finds.

    Attributes
    ----------
    points : tuple of Candidate
    complete : bool
        Whether every regime has closed forms. Of the others there is only the declared initial state, where it is at rest.
    reason : str
        Why the algebra of some regime fails.
    assumed : tuple of Expr
        Expressions in the parameters that were taken not to be zero: where one of them is, the rests may be others.
    """

    points: tuple[Candidate, ...]
    complete: bool
    reason: str = ""
    assumed: tuple[Expr, ...] = ()


def candidates(system: System, varied: tuple[str, ...] | None = None) -> tuple[Candidate, ...]:
    """Return every fixed point, in closed form.

    Raises
    ------
    DerivationError
        If the fixed points of some regime have no closed form.
    """
    found = known_candidates(system, varied)
    if not found.complete:
        raise DerivationError(found.reason)
    return found.points


@functools.lru_cache(maxsize=32)
def known_candidates(system: System, varied: tuple[str, ...] | None = None) -> Candidates:
    """Return the fixed points that have a closed form.

    Parameters
    ----------
    system : System
    varied : tuple of str, optional
        Parameters whose values are left open; the others are numbers, which can make the algebra many times quicker.
        None: all are left open.
    """
    states = [Symbol(name) for name in system.states]
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    given: dict[Symbol, Expr] = {} if varied is None else {
        symbol: value for symbol, value in system.exact_parameters.items()
        if symbol.name not in varied and value.q < LARGEST and abs(value.p) < LARGEST}
    found: list[Candidate] = []
    reason = ""
    split = regimes(on_borders(fields_of(system), given), bounds)
    parts = [Side(tuple(c.xreplace(given) for c in regime.conditions), tuple(e.xreplace(given) for e in regime.expressions))
             for regime in split]
    assumed = dict.fromkeys(_scales(system, given))
    for regime, part in zip(split, parts, strict=True):
        fields, conditions = part.fields, part.conditions
        equations = [e - s for e, s in zip(fields, states, strict=True)] if system.time == "discrete" else list(fields)
        solutions: Sequence[Solution]
        try:
            _only_positive_bases(system, equations, states)
            derived = derivation_in_time(equations, states, bounds)
            solutions = derived.solutions
            assumed.update(dict.fromkeys(derived.assumed))
        except DerivationError as error:
            rest = rest_at({s: system._parsed.initial[s.name].xreplace(given) for s in states}, equations)
            solutions, reason = (() if rest is None else (rest,)), str(error)
        others = tuple(other for other in parts if other is not part)
        found += [Candidate(solution.values, tuple(s.name for s in solution.free), (*conditions, *solution.nonnegative),
                            fields, regime.name, others) for solution in solutions
                  if _defined(solution, (*fields, *conditions), system.exact_parameters)]
    return Candidates(tuple(found), not reason, reason, tuple(assumed))


def _scales(system: System, given: Mapping[Symbol, Expr]) -> Iterator[Expr]:
    """Half-saturation points of ``hill`` in the parameters alone: at zero it is a step, and no quotient."""
    for field in system.field.values():
        for kernel in field.atoms(hill):
            scale = kernel.args[1].xreplace(dict(given))
            if scale.free_symbols and scale.free_symbols <= {Symbol(name) for name in system.parameters}:
                yield scale


def _only_positive_bases(system: System, equations: Sequence[Expr], states: Sequence[Symbol]) -> None:
    """Refuse x**a with an open exponent where x may be negative: even exponents have rests that no closed form has."""
    bounds: dict[Symbol, Any] = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    bounds |= {Symbol(name): part.bounds for name, part in system.states.items()}
    for power in open_powers(equations, states):
        if weak_sign_of(power.base, bounds) not in (0, 1):
            raise DerivationError(f"The rests at negative values depend on the exponent of {power}.")


def _defined(solution: Solution, expressions: Sequence[Expr], numbers: Mapping[Symbol, Any]) -> bool:
    """Whether fields and conditions have values at a solution: what divides by zero there is no rest."""
    if any(value.has(S.NaN, S.ComplexInfinity) for value in solution.values.values()):
        return False
    # numbers before states as well: u**n/u has a value at u = 0 only once n is known
    ways = (expressions, [e.xreplace(dict(numbers)) for e in expressions])
    return any(not any(e.xreplace(solution.values).has(S.NaN, S.ComplexInfinity) for e in way) for way in ways)
