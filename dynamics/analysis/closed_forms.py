"""Every fixed point that has a closed form, whatever the current parameters; SymPy only."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from sympy import Expr, Symbol

from dynamics.analysis.linearization import fields_of
from dynamics.symbolic.exact_solutions import solutions_in_time
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.regimes import regimes
from dynamics.systems import System

__all__ = ["Candidate", "candidates"]


@dataclass(frozen=True)
class Candidate:
    """A fixed point in closed form, with the regime it belongs to."""

    state: dict[Symbol, Expr]
    free: tuple[str, ...]
    conditions: tuple[Expr, ...]
    fields: tuple[Expr, ...]
    regime: str

    @functools.cached_property
    def jacobian(self) -> Any:
        """Derivative of the fields by the states, a Matrix."""
        return jacobian_matrix(self.fields, list(self.state))


@functools.lru_cache(maxsize=32)
def candidates(system: System) -> tuple[Candidate, ...]:
    """Return every fixed point that has a closed form, whatever the current parameters.

    Raises
    ------
    DerivationError
        If the fixed points of some regime have no closed form.
    """
    states = [Symbol(name) for name in system.states]
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    found = []
    for regime in regimes(fields_of(system), bounds):
        equations = [e - s for e, s in zip(regime.expressions, states, strict=True)] if system.time == "discrete" \
            else list(regime.expressions)
        for solution in solutions_in_time(equations, states, bounds):
            found.append(Candidate(solution.values, tuple(s.name for s in solution.free),
                                   (*regime.conditions, *solution.nonnegative),
                                   regime.expressions, regime.name))
    return tuple(found)
