"""Exact solutions under a time limit: what is small runs at once, what is large runs where it can be stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Expr, Symbol

from dynamics.symbolic.elimination import Solution, solve_system
from dynamics.symbolic.timelimit import size_estimate, with_time_limit

__all__ = ["solutions_in_time"]

SMALL = 400
SECONDS = 20.0


def solutions_in_time(
    equations: Sequence[Expr], unknowns: Sequence[Symbol], bounds: dict[Symbol, tuple[Any, Any]]
) -> tuple[Solution, ...]:
    """Return all exact solutions; systems above a size estimate are solved in a child process with a time limit.

    Raises
    ------
    DerivationError
        If there is no closed form, or none in time.
    """
    if size_estimate(equations) <= SMALL:
        return solve_system(equations, unknowns, bounds=bounds)
    return with_time_limit(_solve, tuple(equations), tuple(unknowns), bounds, seconds=SECONDS)


def _solve(
    equations: Sequence[Expr], unknowns: Sequence[Symbol], bounds: dict[Symbol, tuple[Any, Any]]
) -> tuple[Solution, ...]:
    return solve_system(equations, unknowns, bounds=bounds)
