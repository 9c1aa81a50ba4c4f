"""Solutions under limits of time and memory: what is small runs at once, what is large runs where it can be stopped."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from sympy import Add, Expr, Float, S, Symbol, log

from dynamics.errors import DerivationError
from dynamics.symbolic.budgets import HERE, BudgetError, check_powers
from dynamics.symbolic.elimination import Derivation, Solution, derive
from dynamics.symbolic.factors import layout
from dynamics.symbolic.kernels import rational_form
from dynamics.symbolic.real_solutions import solve_numeric
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.timelimit import size_estimate, with_time_limit
from dynamics.symbolic.verification import sums_with_a_value

__all__ = ["derivation_in_time", "numeric_in_time", "solutions_in_time"]

SMALL = 400
SECONDS = 60.0
HARD = 20.0  # seconds for what degrees say is hard: where a basis takes longer it rarely ends
MEMORY = 2 * 1024**3  # bytes, of a child process: what algebra needs beyond that it fills without end
SHORT = 24
Bounds = dict[Symbol, tuple[Any, Any]]


def solutions_in_time(equations: Sequence[Expr], unknowns: Sequence[Symbol], bounds: Bounds) -> tuple[Solution, ...]:
    """Return all exact solutions; systems above a size estimate are solved in a child process with a time limit.

    Raises
    ------
    DerivationError
        If there is no closed form, or none in time.
    """
    return derivation_in_time(equations, unknowns, bounds).solutions


def derivation_in_time(equations: Sequence[Expr], unknowns: Sequence[Symbol], bounds: Bounds) -> Derivation:
    """Return all exact solutions, and what was taken not to be zero on the way; otherwise as `solutions_in_time`.

    Raises
    ------
    DerivationError
        If there is no closed form, or none in time.
    """
    check_powers(equations, unknowns)
    return _in_time(tuple(equations), tuple(unknowns), tuple(bounds.items()))


@functools.lru_cache(maxsize=64)
def _in_time(equations: tuple[Expr, ...], unknowns: tuple[Symbol, ...], bounds: tuple[Any, ...]) -> Derivation:
    # closed forms do not depend on parameter values, so fixed points at many of them are derived once
    if size_estimate(equations) > SMALL:
        return with_time_limit(_solve, equations, unknowns, dict(bounds), seconds=SECONDS, memory=MEMORY)
    with _without_raw_errors():
        return _solve(equations, unknowns, dict(bounds))


def numeric_in_time(equations: Sequence[Expr], unknowns: Sequence[Symbol]) -> tuple[dict[Symbol, Float], ...]:
    """Return all real solutions as `solve_numeric` does; where there may be many, from a child process with limits.

    Raises
    ------
    DerivationError
        As `solve_numeric`, and if time or memory is not enough.
    """
    check_powers(equations, unknowns)
    try:
        with _without_raw_errors():
            return solve_numeric(equations, unknowns, most=HERE)
    except BudgetError:
        pass
    with _without_raw_errors():
        return _numeric_elsewhere(tuple(equations), tuple(unknowns))


@functools.lru_cache(maxsize=64)
def _numeric_elsewhere(equations: tuple[Expr, ...], unknowns: tuple[Symbol, ...]) -> tuple[dict[Symbol, Float], ...]:
    found: tuple[dict[Symbol, Float], ...] = with_time_limit(solve_numeric, equations, unknowns, seconds=HARD, memory=MEMORY)
    return found


@contextlib.contextmanager
def _without_raw_errors() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise BudgetError("The algebra needs more memory than there is; search a box numerically.") from None
    except RecursionError:
        raise BudgetError("The equations are nested too deeply for the algebra; search a box numerically.") from None


def _solve(equations: tuple[Expr, ...], unknowns: tuple[Symbol, ...], bounds: Bounds) -> Derivation:
    # identities such as "past price = price" may be what makes the rest algebraic: log(price/past price) is 0
    found: dict[Symbol, Expr] = {}
    slopes: list[Expr] = []
    if not any(kernel.free_symbols & set(unknowns) for e in equations for kernel in e.atoms(log)):
        try:
            return derive(equations, unknowns, bounds=bounds)
        except DerivationError:
            equations, found, slopes = _without_simple_unknowns(equations, bounds, unknowns)
            if not found:
                raise
    else:
        equations, found, slopes = _without_simple_unknowns(equations, bounds, unknowns)
    remaining = tuple(u for u in unknowns if u not in found)
    derived = derive(equations, remaining, bounds=bounds)
    whole = []
    for solution in derived.solutions:
        values = dict(solution.values)
        for symbol in reversed(found):
            values[symbol] = _laid_out(found[symbol].xreplace(values))
        whole.append(Solution({u: values[u] for u in unknowns}, solution.free, solution.nonzero, solution.nonnegative))
    return Derivation(tuple(whole), (*derived.assumed, *(slope for slope in slopes if slope.free_symbols)))


def _without_simple_unknowns(equations: tuple[Expr, ...], bounds: Bounds, unknowns: tuple[Symbol, ...]
                             ) -> tuple[tuple[Expr, ...], dict[Symbol, Expr], list[Expr]]:
    """Solve equations that are short and linear in an unknown with a coefficient of known sign; put the results in.

    Returns the other equations, what was found, and the coefficients that were divided by.
    """
    current, found, slopes = list(equations), dict[Symbol, Expr](), list[Expr]()
    progress = True
    while progress:
        progress = False
        for equation in sorted(current, key=lambda e: e.count_ops()):
            if equation.count_ops() > SHORT:
                break
            for unknown in unknowns:
                slope = equation.diff(unknown)
                if slope == 0 or slope.free_symbols & set(unknowns) or not sign_of(slope, bounds):
                    continue
                slopes.append(slope)
                found[unknown] = (-equation.xreplace({unknown: S.Zero}) / slope).cancel()
                current.remove(equation)
                current = [_put(e, unknown, found[unknown]) for e in current]
                progress = True
                break
            if progress:
                break
    return tuple(e for e in current if e != 0), found, slopes


def _laid_out(expression: Expr) -> Expr:
    form = rational_form([expression])
    return form.put_back(layout(form.elements[0]))


def _put(expression: Expr, unknown: Symbol, value: Expr) -> Expr:
    """The expression with an unknown expressed; sums that vanish with it are zero, and what they multiply is gone.

    Where an equation occurs as a factor (a flow times its impact), a kernel beside it would hide that the product is zero.
    """
    sums = {node: node.xreplace({unknown: value}) for node in expression.atoms(Add) if node.has(unknown)}
    try:
        # a number decides for most of them; rational forms of many parameters take long
        nonzero = sums_with_a_value(list(sums.values()))
        zero = {node: S.Zero for node, put in sums.items() if put not in nonzero and not rational_form([put]).elements[0]}
        result = expression.xreplace(zero).xreplace({unknown: value})
    except ZeroDivisionError:
        result = S.ComplexInfinity
    if result.has(S.ComplexInfinity, S.NaN):
        raise DerivationError(f"An equation divides by what is zero where another one holds, at {unknown} = {value}.")
    return result
