"""Solutions checked by substitution of random rational parameters at 30 digits, and duplicates found."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sympy import Add, Expr, Float, Rational, Symbol

from dynamics.symbolic.kernels import Bounds, exact_rational

__all__ = ["distinct", "sample_point", "satisfies", "sums_with_a_value"]

_DIGITS = 30
_TOLERANCE = Rational(1, 10**18)
_POINTS = 3
_TRIALS = 16


def sample_point(symbols: Sequence[Symbol], bounds: Bounds, generator: random.Random) -> dict[Symbol, Rational]:
    """Return random rational values inside the bounds.

    Parameters
    ----------
    symbols : sequence of Symbol
    bounds : mapping of Symbol to (lower, upper)
    generator : random.Random

    Returns
    -------
    dict of Symbol to Rational
    """
    values = {}
    for symbol in symbols:
        lower, upper = (exact_rational(bound) for bound in bounds.get(symbol, (None, None)))
        fraction = Rational(generator.randint(1, 996), 997)
        if lower is not None and upper is not None:
            values[symbol] = lower + (upper - lower) * fraction
        elif lower is not None:
            values[symbol] = lower + fraction / (1 - fraction)
        elif upper is not None:
            values[symbol] = upper - fraction / (1 - fraction)
        else:
            values[symbol] = 6 * fraction - 3
    return values


def _number(expression: Expr, point: Mapping[Symbol, Any]) -> Any:
    """A real number of 30 digits, or ``None`` where the value is complex, infinite or undefined."""
    value = expression.xreplace(dict(point)).evalf(_DIGITS)
    if value.is_Rational or value.is_Float:
        return value
    if value.is_number:
        real, imaginary = value.as_real_imag()
        if real.is_Float and imaginary.is_number and abs(imaginary) < abs(real) * _TOLERANCE:
            return real
    return None


def _points(expressions: Sequence[Expr]) -> tuple[list[Symbol], random.Random]:
    symbols: set[Symbol] = set()
    for expression in expressions:
        symbols |= expression.free_symbols
    # a fixed seed: the same system always gives the same answer
    return sorted(symbols, key=lambda symbol: symbol.name), random.Random(20240611)


def satisfies(
    equations: Sequence[Expr],
    values: Mapping[Symbol, Expr],
    bounds: Bounds,
    free: Sequence[Symbol] = (),
    nonnegative: Sequence[Expr] = (),
) -> bool:
    """Whether values solve the equations, tested at three random parameter points.

    Points at which the solution is not real, or a condition negative, are passed over; a solution that is nowhere real
    is not refuted.

    Parameters
    ----------
    equations : sequence of Expr
    values : mapping of Symbol to Expr
    bounds : mapping of Symbol to (lower, upper)
    free : sequence of Symbol
        Unknowns that stand for themselves.
    nonnegative : sequence of Expr
        Conditions in the parameters under which the values are said to be a solution.

    Returns
    -------
    bool
    """
    symbols, generator = _points([*values.values(), *equations])
    unknown = set(values) - set(free)
    parameters = [symbol for symbol in symbols if symbol not in unknown]
    passed = 0
    for _ in range(_TRIALS):
        point: dict[Symbol, Any] = dict(sample_point(parameters, bounds, generator))
        numbers = {name: _number(value, point) for name, value in values.items() if name in unknown}
        if any(number is None for number in numbers.values()):
            continue
        margins = [_number(condition, point) for condition in nonnegative]
        if any(margin is None or margin < 0 for margin in margins):
            continue
        whole = {**point, **numbers}
        for equation in equations:
            residual = _number(equation, whole)
            scale = sum((abs(_number(term, whole) or 0) for term in equation.expand().as_ordered_terms()), Rational(1))
            if residual is None or abs(residual) > scale * _TOLERANCE:
                return False
        passed += 1
        if passed == _POINTS:
            break
    return True


def distinct(
    solutions: Sequence[tuple[Mapping[Symbol, Expr], Sequence[Symbol], Sequence[Expr]]], bounds: Bounds
) -> list[int]:
    """Return the positions of solutions that are no special case of another one.

    Parameters
    ----------
    solutions : sequence of (values, free, conditions)
        What is a solution under more conditions is a special case of the same under fewer of them.
    bounds : mapping of Symbol to (lower, upper)

    Returns
    -------
    list of int
    """
    kept: list[int] = []
    order = sorted(range(len(solutions)), key=lambda item: (-len(solutions[item][1]), len(solutions[item][2])))
    for position in order:
        values, _, conditions = solutions[position]
        wider = [solutions[other] for other in kept if set(solutions[other][2]) <= set(conditions)]
        if not any(_contains(family, free, values, bounds) for family, free, _ in wider):
            kept.append(position)
    return sorted(kept)


def _contains(
    family: Mapping[Symbol, Expr], free: Sequence[Symbol], values: Mapping[Symbol, Expr], bounds: Bounds
) -> bool:
    at = {name: values[name] for name in free}
    expected = {name: value.xreplace(at) for name, value in family.items() if name not in free}
    if all(expected[name] == values[name] for name in expected):
        return True
    symbols, generator = _points([*expected.values(), *values.values()])
    compared = 0
    for _ in range(_TRIALS):
        point = sample_point(symbols, bounds, generator)
        pairs = [(_number(expected[name], point), _number(values[name], point)) for name in expected]
        if any(first is None or second is None for first, second in pairs):
            continue
        if any(abs(first - second) > _TOLERANCE * (1 + abs(first)) for first, second in pairs):
            return False
        compared += 1
        if compared == _POINTS:
            return True
    return False


def sums_with_a_value(expressions: Sequence[Expr]) -> set[Expr]:
    """Return the sums that are not zero at one random place, far beyond rounding; of the others nothing is known.

    Parameters
    ----------
    expressions : sequence of Expr

    Returns
    -------
    set of Expr
    """
    symbols, generator = _points(expressions)
    positive = dict.fromkeys(symbols, (0, None))
    place = {name: Float(value, _DIGITS) for name, value in sample_point(symbols, positive, generator).items()}
    found = set()
    for expression in expressions:
        if not isinstance(expression, Add):
            continue
        terms = [term.xreplace(place) for term in expression.args]
        if all(term.is_Float or term.is_Rational for term in terms) and abs(sum(terms)) > _TOLERANCE * sum(map(abs, terms)):
            found.add(expression)
    return found
