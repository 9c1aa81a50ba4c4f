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

LARGEST = 10_000  # numerator and denominator of numbers worth putting in: longer ones outgrow symbols in closed forms


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
def candidates(system: System, varied: tuple[str, ...] | None = None) -> tuple[Candidate, ...]:
    """Return every fixed point that has a closed form.

    Parameters
    ----------
    system : System
    varied : tuple of str, optional
        Parameters whose values are left open; the others are numbers, which can make the algebra many times quicker.
        None: all are left open.

    Returns
    -------
    tuple of Candidate

    Raises
    ------
    DerivationError
        If the fixed points of some regime have no closed form.
    """
    states = [Symbol(name) for name in system.states]
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    given: dict[Expr, Expr] = {} if varied is None else {
        symbol: value for symbol, value in system.exact_parameters.items()
        if symbol.name not in varied and value.q < LARGEST and abs(value.p) < LARGEST}
    found = []
    for regime in regimes(fields_of(system), bounds):
        fields = tuple(e.xreplace(given) for e in regime.expressions)
        conditions = tuple(c.xreplace(given) for c in regime.conditions)
        equations = [e - s for e, s in zip(fields, states, strict=True)] if system.time == "discrete" else list(fields)
        for solution in solutions_in_time(equations, states, bounds):
            found.append(Candidate(solution.values, tuple(s.name for s in solution.free),
                                   (*conditions, *solution.nonnegative), fields, regime.name))
    return tuple(found)
