"""Exact derivatives of expressions as instructions, by the chain rule along a direction (forward mode).

Values that the derivative shares with the expression (exponentials, reciprocals) are computed once, and the cost grows
with the size of the expression, which that of a symbolic derivative does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sympy import (
    Abs,
    Add,
    Expr,
    Heaviside,
    Max,
    Min,
    Mul,
    Piecewise,
    Pow,
    Symbol,
    atan,
    cos,
    erf,
    exp,
    log,
    pi,
    sin,
    sqrt,
    tanh,
)
from sympy import sign as signum

from dynamics.compiled.kernels.ir import Operand, Value
from dynamics.compiled.kernels.switches import gap, pairs
from dynamics.compiled.kernels.tracing import Tracer
from dynamics.errors import DerivationError
from dynamics.expressions.functions import expm1, hill, log1p, logistic, softplus

__all__ = ["Direction", "jacobian"]


class Direction:
    """Derivatives along one direction.

    Parameters
    ----------
    tracer : Tracer
    seeds : mapping of Symbol to Value or float
        The direction: the derivative of each symbol; others are constant.
    """

    def __init__(self, tracer: Tracer, seeds: Mapping[Symbol, Operand]) -> None:
        self.tracer = tracer
        self._known: dict[Expr, Operand] = dict(seeds)

    def derivative(self, e: Expr) -> Operand:
        """Return the derivative; exact zeros are the Python float 0.0."""
        if e not in self._known:
            self._known[e] = self._compute(e) if e.args else 0.0
        return self._known[e]

    def _compute(self, e: Expr) -> Operand:
        t = self.tracer
        if isinstance(e, Max | Min):
            return self._extreme(e)
        if isinstance(e, Piecewise):
            result: Operand = 0.0
            for expression, condition in reversed(e.args):
                result = t._select(t.condition(condition), self.derivative(expression), result)
            return result
        if isinstance(e, Heaviside | signum):
            return 0.0
        inner = [self.derivative(a) for a in e.args]
        if all(isinstance(d, float) and d == 0.0 for d in inner):
            return 0.0
        if isinstance(e, Add):
            total: Operand = 0.0
            for d in inner:
                total = t.add(total, d)
            return total
        if isinstance(e, Mul):
            return self._product(e, inner)
        if isinstance(e, Pow):
            return self._power(e, *inner)
        if isinstance(e, Abs):
            return t.choose(e.args[0], inner[0], -inner[0], 0.0)
        if isinstance(e, gap):
            return t.subtract(*inner)
        total = 0.0
        for argument, d in zip(self._partials(e), inner, strict=True):
            if not (isinstance(d, float) and d == 0.0):
                total = t.multiply_add(argument if isinstance(argument, Value | float) else t.value(argument), d, total)
        return total

    def _product(self, e: Mul, inner: Sequence[Operand]) -> Operand:
        t, total = self.tracer, 0.0
        result: Operand = total
        for place, d in enumerate(inner):
            if isinstance(d, float) and d == 0.0:
                continue
            others = e.args[:place] + e.args[place + 1:]
            result = t.multiply_add(t.value(others[0] if len(others) == 1 else Mul(*others, evaluate=False)), d, result)
        return result

    def _power(self, e: Pow, of_base: Operand, of_exponent: Operand) -> Operand:
        t, base, exponent = self.tracer, e.base, e.exp
        result: Operand = 0.0
        if not (isinstance(of_base, float) and of_base == 0.0):
            slope = t.multiply(t.value(exponent), t.value(Pow(base, exponent - 1)))
            result = t.multiply(slope, of_base)
        if not (isinstance(of_exponent, float) and of_exponent == 0.0):
            result = t.multiply_add(t.multiply(t.value(e), t.value(log(base))), of_exponent, result)
        return result

    def _extreme(self, e: Expr) -> Operand:
        t = self.tracer
        result, at = self.derivative(e.args[0]), t.value(e.args[0])
        for before, argument in pairs(e):
            value, other = t.value(argument), self.derivative(argument)
            first = t.compare(">", before, argument, at, value)
            result = t._select(first, *((result, other) if isinstance(e, Max) else (other, result)))
            at = t._select(first, *((at, value) if isinstance(e, Max) else (value, at)))
        return result

    def _partials(self, e: Expr) -> Sequence[Expr | Operand]:
        """Return the derivative of a function by each of its arguments, where possible in terms of known values."""
        t, x = self.tracer, e.args[0]
        if isinstance(e, exp):
            return (e,)
        if isinstance(e, log):
            return (1 / x,)
        if isinstance(e, log1p):
            return (1 / (1 + x),)
        if isinstance(e, expm1):
            return (t.add(t.value(e), 1.0),)
        if isinstance(e, sin):
            return (cos(x),)
        if isinstance(e, cos):
            return (-sin(x),)
        if isinstance(e, tanh):
            value = t.value(e)
            return (t.multiply_add(-value, value, 1.0),)
        if isinstance(e, atan):
            return (1 / (1 + x**2),)
        if isinstance(e, erf):
            return (2 / sqrt(pi) * exp(-(x**2)),)
        if isinstance(e, logistic | softplus | hill):
            return [e.fdiff(k + 1) for k in range(len(e.args))]
        raise DerivationError(f"no vector instructions for the derivative of {type(e).__name__} in '{e}'")


def jacobian(tracer: Tracer, expressions: Sequence[Expr], states: Sequence[Symbol]) -> list[list[Operand]]:
    """Return the derivative of each expression by each state; exact zeros are Python floats."""
    columns = [Direction(tracer, {state: 1.0}) for state in states]
    return [[column.derivative(e) for column in columns] for e in expressions]
