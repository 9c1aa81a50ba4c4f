"""Truncated power series of expressions: Taylor coefficients to any order without writing out derivatives.

A jet is a mapping from exponents to coefficients. Evaluating the equations on jets costs one pass over the expression, where
fifth derivatives of the same expression would fill pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from sympy import Add, Dummy, Expr, Function, Mul, Pow, Symbol, exp

from dynamics.errors import DerivationError

__all__ = ["Jet", "evaluate_jets", "jet_product", "magnitude"]

Jet = dict[tuple[int, ...], Any]


def jet_product(left: Jet, right: Jet, order: int) -> Jet:
    """Product of two jets, terms above the order left out."""
    result: Jet = {}
    for first, value in left.items():
        room = order - sum(first)
        for second, other in right.items():
            if sum(second) <= room:
                key = tuple(map(int.__add__, first, second))
                result[key] = result.get(key, 0) + value * other
    return result


def evaluate_jets(expressions: Sequence[Expr], jets: Mapping[Symbol, Jet], order: int) -> list[Jet]:
    """Return the power series of expressions whose symbols are power series.

    Parameters
    ----------
    expressions : sequence of Expr
        Smooth; every symbol is in ``jets``.
    jets : mapping of Symbol to jet
        Exponents (a tuple, one for each variable of the series) to mpmath numbers.
    order : int
        Total degree up to which coefficients are kept.

    Returns
    -------
    list of jet

    Raises
    ------
    DerivationError
        For symbols without a series and for functions that are not smooth.

    Examples
    --------
    >>> import mpmath
    >>> from sympy import Symbol
    >>> x = Symbol("x")
    >>> series, = evaluate_jets([x**3 - x], {x: {(0,): mpmath.mpf(1), (1,): mpmath.mpf(1)}}, 2)
    >>> [int(series[k,]) for k in range(3)]
    [0, 2, 3]
    """
    variables = len(next(iter(next(iter(jets.values())))))
    evaluation = _Evaluation(jets, order, (0,) * variables)
    return [evaluation(expression) for expression in expressions]


def magnitude(expression: Expr, values: Mapping[Symbol, Expr]) -> float:
    """Return the size that an expression would have if none of its terms cancelled.

    Parameters
    ----------
    expression : Expr
    values : mapping of Symbol to number

    Returns
    -------
    float

    Examples
    --------
    >>> from sympy import Integer, Symbol
    >>> x = Symbol("x")
    >>> magnitude(x**2 * (x - 1), {x: Integer(1)})
    2.0
    """
    if isinstance(expression, Add):
        return sum(magnitude(item, values) for item in expression.args)
    if isinstance(expression, Mul):
        return prod(magnitude(item, values) for item in expression.args)
    if isinstance(expression, Pow) and expression.exp.is_Integer and expression.exp > 0:
        return float(magnitude(expression.base, values) ** int(expression.exp))
    return abs(complex(expression.xreplace(dict(values)).evalf(20)))


class _Evaluation:
    def __init__(self, jets: Mapping[Symbol, Jet], order: int, origin: tuple[int, ...]) -> None:
        self.order, self.origin = order, origin
        # repeated subexpressions are evaluated once
        self.known: dict[Expr, Jet] = dict(jets)

    def __call__(self, expression: Expr) -> Jet:
        found = self.known.get(expression)
        if found is None:
            found = self.known[expression] = self.fresh(expression)
        return found

    def fresh(self, expression: Expr) -> Jet:
        if expression.is_number:
            return {self.origin: _number(expression)}
        if isinstance(expression, Add):
            total: Jet = {}
            for part in map(self, expression.args):
                for key, value in part.items():
                    total[key] = total.get(key, 0) + value
            return total
        if isinstance(expression, Mul):
            result = self(expression.args[0])
            for argument in expression.args[1:]:
                result = jet_product(result, self(argument), self.order)
            return result
        if isinstance(expression, Pow):
            return self.power(expression)
        if isinstance(expression, Function) and len(expression.args) == 1:
            return self.composed(expression.func, self(expression.args[0]))
        raise DerivationError(f"{expression} has no power series here; normal forms need smooth equations at the point")

    def power(self, expression: Expr) -> Jet:
        base, exponent = expression.args
        if exponent.is_Integer and exponent >= 0:
            factor = self(base)
            result: Jet = {self.origin: _number(exponent**0)}
            for _ in range(int(exponent)):
                result = jet_product(result, factor, self.order)
            return result
        if exponent.is_number:
            import mpmath

            inner = self(base)
            start, power = inner.get(self.origin, 0), _number(exponent)
            if not start:
                raise DerivationError(f"{expression} has no power series where {base} is 0")
            coefficients = [mpmath.binomial(power, k) * start ** (power - k) for k in range(self.order + 1)]
            return self.summed(coefficients, inner)
        from sympy import log

        return self(exp(exponent * log(base)))

    def composed(self, function: Any, inner: Jet) -> Jet:
        from mpmath import factorial, mp

        start = inner.get(self.origin, 0)
        if getattr(start, "imag", 0):
            raise DerivationError("a series must start from a real number")
        place = _sympy_number(start)
        coefficients = []
        for k in range(self.order + 1):
            value = _derivative(function, k).xreplace({_ARGUMENT: place}).evalf(mp.dps + 5)
            if not value.is_number or not value.is_finite:
                raise DerivationError(f"{function.__name__} has no power series at {place.evalf(6)}")
            coefficients.append(_number(value) / factorial(k))
        return self.summed(coefficients, inner)

    def summed(self, coefficients: Sequence[Any], inner: Jet) -> Jet:
        """Sum of ``coefficients[k]*(inner - inner at the origin)**k`` by Horner's rule."""
        step = {key: value for key, value in inner.items() if key != self.origin}
        result: Jet = {self.origin: coefficients[-1]}
        for coefficient in reversed(coefficients[:-1]):
            result = jet_product(result, step, self.order)
            result[self.origin] = result.get(self.origin, 0) + coefficient
        return result


_ARGUMENT = Dummy("argument", real=True)


@lru_cache(maxsize=256)
def _derivative(function: Any, order: int) -> Expr:
    return function(_ARGUMENT).diff(_ARGUMENT, order)


def _number(expression: Expr) -> Any:
    from mpmath import mp, mpf

    if expression.is_Rational:
        return mpf(int(expression.p)) / int(expression.q)
    value = expression.evalf(mp.dps + 5)
    if not value.is_real:
        raise DerivationError(f"{expression} is not real")
    return mpf(value._mpf_)


def _sympy_number(value: Any) -> Expr:
    from mpmath import mp
    from sympy import Float

    real = mp.mpf(getattr(value, "real", value))
    return Float(real, mp.dps + 5)
