"""Closed forms of normal-form coefficients on a system's bifurcation set, one parameter eliminated by its condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sympy import Expr, Integer, S, Symbol

from dynamics.analysis.linearization import Place
from dynamics.errors import DerivationError
from dynamics.symbolic.conditions import solve_for
from dynamics.symbolic.normal_forms import critical_pair, multilinear_forms, pair_coefficient, scalar_coefficient
from dynamics.symbolic.polynomial import CharacteristicFactor, factor_characteristic, jacobian_matrix
from dynamics.symbolic.radicals import denested
from dynamics.symbolic.stability import stability_of_factor
from dynamics.symbolic.timelimit import size_estimate, with_time_limit
from dynamics.systems import System

__all__ = ["closed_form"]

SMALL = 120  # nodes of the Jacobian at the place; larger ones are worked on where they can be stopped
SECONDS = 10.0
AGREE = 1e-9
TARGETS = {"fold": 0, "period_doubling": -1}


def closed_form(system: System, place: Place, kind: str, power: int, value: Any, eliminate: str | None,
                numbers: Mapping[Symbol, Any] | None = None, invariants: Sequence[Expr] = ()
                ) -> tuple[Expr, dict[str, Expr]] | None:
    """Return a coefficient in closed form and the eliminated parameter, or ``None`` where there is no closed form.

    Parameters
    ----------
    system : System
    place : Place
    kind : {"hopf", "neimark_sacker", "fold", "period_doubling"}
    power : {2, 3}
        Of the monomial that the coefficient belongs to.
    value : mpmath number
        The coefficient in numbers; a formula that differs from it is not returned. It also fixes the sign of ``a``.
    eliminate : str or None
        Parameter to eliminate by the bifurcation condition.
    numbers : mapping of Symbol to number, optional
        Values of the parameters and of states that are free along a line of fixed points; by default the parameters'.
    invariants : sequence of Expr
        Conserved quantities with independent gradients at the place; the coefficient is that on their level set.

    Returns
    -------
    (Expr, dict of str to Expr) or None
    """
    numbers = dict(system.exact_parameters if numbers is None else numbers)
    states = [Symbol(name) for name in system.states]
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    order = [eliminate] if eliminate else sorted(
        (name for name in system.parameters), key=lambda name: (name != "price_impact", list(system.parameters).index(name)))
    if not _is_exact(place.state.values()):
        return None
    matrix = jacobian_matrix(place.fields, states).xreplace(place.state)
    for replaced in ({}, numbers):
        arguments = (tuple(place.fields), tuple(invariants), tuple(states), dict(place.state), replaced, numbers,
                     tuple(map(Symbol, order)), bounds, system.time, kind, power)
        small = size_estimate(item.xreplace(replaced) for item in matrix) <= SMALL
        try:
            found = _formula(*arguments) if small else with_time_limit(_formula, *arguments, seconds=SECONDS)
        except DerivationError:
            continue
        if found is not None:
            sign = _agreement(found[0], numbers, value, power)
            if sign:
                return sign * found[0], {symbol.name: solved for symbol, solved in found[1].items()}
    return None


def _agreement(expression: Expr, numbers: Mapping[Symbol, Any], value: Any, power: int) -> int:
    """1 where the formula gives the number, -1 where it gives the opposite for want of a direction of q, else 0."""
    number = expression.xreplace(dict(numbers)).evalf(30)
    if not number.is_real:
        return 0
    sign = -1 if power == 2 and number * float(value) < 0 else 1
    exact, numeric = sign * float(number), float(value)
    return sign if exact == numeric or abs(exact - numeric) <= AGREE * max(abs(exact), abs(numeric)) else 0


def _is_exact(expressions: Any) -> bool:
    from sympy import Float

    return not any(item.has(Float) for item in expressions)


def _formula(fields: Sequence[Expr], invariants: Sequence[Expr], states: Sequence[Symbol], state: dict[Symbol, Expr],
             replaced: dict[Symbol, Any], numbers: dict[Symbol, Any], order: Sequence[Symbol], bounds: Any, time: str,
             kind: str, power: int) -> tuple[Expr, dict[Symbol, Expr]] | None:
    """The coefficient and the eliminated parameter, after replacing symbols by numbers (or none)."""
    if not _stays(fields, state, replaced, time, states, bounds):
        return None
    here = {symbol: item.xreplace(replaced) for symbol, item in state.items()}
    def simple(entry: Expr) -> Expr:
        return denested(entry, bounds)

    # a state that is free along a line of fixed points is a symbol of its own equations; its value comes in with the place
    constants = {symbol: number for symbol, number in replaced.items() if symbol not in states}
    forms, level = (multilinear_forms([item.xreplace(constants) for item in group], states, here)
                    .mapped(simple) for group in (fields, invariants))
    matrix = jacobian_matrix(fields, states).xreplace(state).xreplace(replaced).applyfunc(simple)
    for factor in factor_characteristic(matrix):
        for eliminated in _eliminations(factor, kind, time, numbers, order, bounds):
            there = [item.replaced(eliminated).mapped(simple) for item in (forms, level)]
            try:
                return _coefficient(there[0], there[1], factor, eliminated, kind, power, time, bounds), eliminated
            except (DerivationError, ZeroDivisionError):
                continue
    return None


def _stays(fields: Sequence[Expr], state: Mapping[Symbol, Expr], replaced: Mapping[Symbol, Expr], time: str,
           states: Sequence[Symbol], bounds: Any) -> bool:
    """Whether the place is a fixed point exactly, for all values of the symbols left."""
    from dynamics.symbolic.kernels import rational_form

    residuals = [(item - symbol if time == "discrete" else item).xreplace(dict(state)).xreplace(dict(replaced))
                 for item, symbol in zip(fields, states, strict=True)]
    form = rational_form([denested(item, bounds) for item in residuals])
    return not any(form.reduce(item) for item in form.elements)


def _eliminations(factor: CharacteristicFactor, kind: str, time: str, numbers: Mapping[Symbol, Any],
                  order: Sequence[Symbol], bounds: Any) -> Any:
    """Ways to put a factor of the characteristic polynomial on the bifurcation set, near the current parameters."""
    condition = _condition(factor, kind, time, numbers)
    if condition is None:
        return
    if condition == 0:
        yield {}
        return
    usable = [symbol for symbol in order if condition.has(symbol)]
    # a condition linear in the symbol has one rational solution: no radicals, no branches
    for symbol in sorted(usable, key=lambda symbol: _degree(condition, symbol)):
        try:
            solutions = solve_for(condition, symbol, bounds)
        except DerivationError:
            continue
        for solution, _ in solutions:
            reached = solution.xreplace(dict(numbers)).evalf(30)
            if reached.is_real and abs(reached - numbers[symbol]) <= 1e-8 * max(abs(reached), abs(numbers[symbol])):
                yield {symbol: solution}


def _degree(condition: Expr, symbol: Symbol) -> int:
    from sympy import Poly, fraction, together

    numerator = fraction(together(condition))[0]
    return Poly(numerator, symbol).degree() if numerator.is_polynomial(symbol) else 100


def _condition(factor: CharacteristicFactor, kind: str, time: Any, numbers: Mapping[Symbol, Any]) -> Expr | None:
    """What vanishes on the bifurcation set, or ``None`` if this factor has nothing to do with it."""
    if kind in TARGETS:
        target = TARGETS[kind] + (1 if kind == "fold" and time == "discrete" else 0)
        condition = sum((item * target ** (factor.degree - k) for k, item in enumerate(factor.coefficients)), S.Zero)
        condition = condition.cancel()
    else:
        from sympy import Mul

        own = [item for item in stability_of_factor(factor.coefficients, time, {}, ()) if item.kind == kind]
        if not own and factor.degree == 2:
            # the condition is a constant 0 at numbers
            middle = factor.coefficients[1] if time == "continuous" else factor.coefficients[2] - 1
            condition = middle.cancel()
        else:
            condition = Mul(*(item.expression for item in own)) if own else S.One
    here = condition.xreplace(dict(numbers)).evalf(30)
    if not here.is_number or abs(here) > 1e-6 * _size(condition, numbers):
        return None
    return condition


def _size(condition: Expr, numbers: Mapping[Symbol, Any]) -> Any:
    parts = [abs(item.xreplace(dict(numbers)).evalf(15)) for item in condition.expand().as_ordered_terms()]
    return sum(parts) or Integer(1)


def _coefficient(forms: Any, level: Any, factor: CharacteristicFactor, eliminated: Mapping[Symbol, Expr], kind: str,
                 power: int, time: Any, bounds: Any) -> Expr:
    if kind in TARGETS:
        target = TARGETS[kind] + (1 if kind == "fold" and time == "discrete" else 0)
        return scalar_coefficient(forms, target, power, bounds, level)
    on_set = CharacteristicFactor(tuple(item.xreplace(dict(eliminated)) for item in factor.coefficients))
    pair = critical_pair(on_set, time)
    if pair is None:
        raise DerivationError("the critical pair is not rational in the coefficients of the characteristic polynomial")
    return pair_coefficient(forms, pair, time, bounds, level)
