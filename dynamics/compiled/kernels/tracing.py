"""From SymPy expressions to vector instructions: the value of an expression, and its exact derivatives.

Equal subexpressions are computed once. What depends on parameters alone is grouped, so that the optimiser moves it out
of the loop over steps; above all divisions by parameters, which become multiplications there.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sympy import (
    ITE,
    Abs,
    Add,
    And,
    Expr,
    Heaviside,
    Integer,
    Max,
    Min,
    Mul,
    Not,
    Or,
    Piecewise,
    Pow,
    Symbol,
    atan,
    cos,
    erf,
    exp,
    log,
    preorder_traversal,
    sin,
    tanh,
)
from sympy import sign as signum
from sympy.core.relational import Equality, GreaterThan, LessThan, Relational, StrictGreaterThan, StrictLessThan, Unequality
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from dynamics.compiled.kernels import mathematics
from dynamics.compiled.kernels.ir import Builder, Operand, Value
from dynamics.compiled.kernels.switches import Switches, compared, gap, pairs
from dynamics.errors import DerivationError
from dynamics.expressions.functions import expm1, hill, log1p, logistic, softplus

__all__ = ["Tracer", "count_operations"]

MOST_FACTORS = 64  # whole powers up to this are products
_RELATIONS = {StrictGreaterThan: ">", GreaterThan: ">=", StrictLessThan: "<", LessThan: "<=", Equality: "==",
              Unequality: "!="}
_COMPARED = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne}
_UNARY = {exp: "exp", log: "log", sin: "sin", cos: "cos", tanh: "tanh", atan: "atan", erf: "erf", log1p: "log1p",
          expm1: "expm1", logistic: "logistic"}
_LEAST = {log: 0.0, log1p: -1.0}  # where they end


class Tracer:
    """Appends the instructions for expressions to a function under construction.

    Parameters
    ----------
    build : Builder
    symbols : mapping of Symbol to Value or float
        The value of every symbol.
    varying : iterable of Symbol
        Symbols that change from step to step; the others are parameters.
    switches : Switches, optional
        Quantities whose case is held fixed.
    biases : sequence of Value
        One per switch: far above zero where its quantity counts as positive, far below where as negative, and zero
        where its value of the moment decides, as it does where the quantity stays exactly zero. Other cases are always
        decided by the value of the moment.
    fixed : dict of Expr to Value, optional
        Values of expressions in parameters alone, shared by the tracers of one function; new ones are added.

    Examples
    --------
    >>> from sympy import Symbol
    >>> from dynamics.compiled.kernels.ir import Module, POINTER
    >>> module, x = Module(4), Symbol("x")
    >>> build = module.function("square", {"x": POINTER})
    >>> place = build.argument("x")
    >>> Tracer(build, {x: build.load(place)}, [x]).value(x**2).type
    '<4 x double>'
    """

    def __init__(self, build: Builder, symbols: Mapping[Symbol, Operand], varying: Iterable[Symbol] = (),
                 switches: Switches | None = None, biases: Sequence[Value] = (),
                 fixed: dict[Expr, Operand] | None = None) -> None:
        self.build, self.varying = build, frozenset(varying)
        self._fixed = {} if fixed is None else fixed
        self._symbols = symbols
        self._values: dict[Any, Operand] = dict(symbols)
        self._switches, self._biases = switches or Switches(), tuple(biases)
        self._moving: dict[Expr, bool] = dict.fromkeys(self.varying, True)
        self._uses: Counter[Expr] = Counter()
        self._plain: Tracer | None = None

    # ---- arithmetic with folding ------------------------------------------------------------------------------------

    def add(self, a: Operand, b: Operand) -> Operand:
        if isinstance(a, float) and a == 0.0:
            return b
        if isinstance(b, float) and b == 0.0:
            return a
        return a + b

    def multiply(self, a: Operand, b: Operand) -> Operand:
        for one, other in ((a, b), (b, a)):
            if isinstance(one, float):
                if one == 1.0:
                    return other
                if one == -1.0:
                    return -other
                if one == 0.0:
                    return 0.0
        return a * b

    def multiply_add(self, a: Operand, b: Operand, c: Operand) -> Operand:
        """Return a*b + c, rounded once where it has to be computed."""
        if isinstance(a, float) and isinstance(b, float):
            return self.add(a * b, c)
        for one, other in ((a, b), (b, a)):
            if isinstance(one, float) and abs(one) in (0.0, 1.0):
                return self.add(self.multiply(one, other), c)
        if isinstance(c, float) and c == 0.0:
            return self.multiply(a, b)
        return self.build.fma(a, b, c)

    def subtract(self, a: Operand, b: Operand) -> Operand:
        if isinstance(b, float) and b == 0.0:
            return a
        if isinstance(a, float) and a == 0.0:
            return -b
        return a - b

    def reciprocal(self, a: Operand) -> Operand:
        return 1.0 / a if isinstance(a, Value) or a else float("inf")

    def vector(self, a: Operand) -> Value:
        return self.build.lift(a, self.build.doubles)

    # ---- values -----------------------------------------------------------------------------------------------------

    def announce(self, expressions: Sequence[Expr]) -> None:
        """Say what will be asked for: a product used once is fused with the sum around it."""
        seen: set[Expr] = set()
        for expression in expressions:
            self._uses[expression] += 2
            stack = [expression]
            while stack:
                node = stack.pop()
                if node in seen:
                    continue
                seen.add(node)
                for argument in node.args:
                    self._uses[argument] += 1
                    stack.append(argument)

    def values(self, expressions: Sequence[Expr]) -> list[Value]:
        """Return the values of expressions as vectors."""
        self.announce(expressions)
        return [self.vector(self.value(e)) for e in expressions]

    def moves(self, expression: Expr) -> bool:
        """Whether the expression changes from step to step."""
        if expression not in self._moving:
            self._moving[expression] = any(self.moves(a) for a in expression.args)
        return self._moving[expression]

    def known(self, expression: Expr) -> bool:
        """Whether the value has been computed already."""
        return expression in self._values or (not self.moves(expression) and expression in self._fixed)

    def value(self, expression: Expr) -> Operand:
        """Return the value of an expression; numbers stay Python floats."""
        known = self._values if self.moves(expression) or expression.is_Symbol else self._fixed
        if expression not in known:
            known[expression] = self._compute(expression)
        return known[expression]

    def _compute(self, e: Expr) -> Operand:
        if e.is_Number or e.is_NumberSymbol:
            return float(e)
        if isinstance(e, Add):
            return self._sum(e)
        if isinstance(e, Mul):
            return self._product(e)
        if isinstance(e, Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, Max | Min):
            return self._extreme(e)
        if isinstance(e, Piecewise):
            return self._cases(e)
        if isinstance(e, gap):
            return self.subtract(self.value(e.args[0]), self.value(e.args[1]))
        if isinstance(e, Heaviside):
            return self.choose(e.args[0], 1.0, 0.0, self.value(e.args[1]))
        if isinstance(e, Abs):
            inner = self.value(e.args[0])
            return self.choose(e.args[0], inner, -inner, 0.0)
        if isinstance(e, signum):
            return self.choose(e.args[0], 1.0, -1.0, 0.0)
        if isinstance(e, softplus):
            return self._softplus(e)
        if isinstance(e, hill):
            return self._hill(*e.args)
        for kind, name in _UNARY.items():
            if isinstance(e, kind):
                inner = self._inside(e.args[0], ">", _LEAST[kind]) if kind in _LEAST else self.value(e.args[0])
                return getattr(mathematics, name)(self.build, self.vector(inner))
        raise DerivationError(f"no vector instructions for {type(e).__name__} in '{e}'")

    def _sum(self, e: Add) -> Operand:
        fixed = [a for a in e.args if not self.moves(a)]
        total: Operand = 0.0
        if len(fixed) == len(e.args) or len(fixed) < 2:
            fixed = []
        else:
            total = self.value(Add(*fixed))
        # sums before products: a product joins what is there by one fused operation
        rest = [a for a in e.args if a not in fixed]
        for argument in sorted(rest, key=lambda a: isinstance(a, Mul) and not self.known(a)):
            if isinstance(argument, Mul) and not self.known(argument) and self._uses[argument] < 2:
                first, second = self._factors(argument)
                total = self.multiply_add(first, second, total)
            else:
                total = self.add(total, self.value(argument))
        return total

    def _product(self, e: Mul) -> Operand:
        return self.multiply(*self._factors(e))

    def _factors(self, e: Mul) -> tuple[Operand, Operand]:
        """Return two numbers whose product is the product: what is fixed or comes first, and the last factor."""
        fixed = [a for a in e.args if not self.moves(a)]
        moving = [a for a in e.args if self.moves(a)]
        parts: list[Operand] = []
        if fixed:
            parts.append(self.value(Mul(*fixed)) if moving else self._plain_product(fixed))
        parts += [self.value(a) for a in moving]
        total = parts[0]
        for part in parts[1:-1]:
            total = self.multiply(total, part)
        return (total, parts[-1]) if len(parts) > 1 else (1.0, total)

    def _plain_product(self, factors: Sequence[Expr]) -> Operand:
        above: Operand = 1.0
        below: Operand = 1.0
        for factor in factors:
            if isinstance(factor, Pow) and factor.exp.could_extract_minus_sign():
                below = self.multiply(below, self.value(Pow(factor.base, -factor.exp)))
            else:
                above = self.multiply(above, self.value(factor))
        return above if isinstance(below, float) and below == 1.0 else above / below

    def _power(self, base: Expr, exponent: Expr) -> Operand:
        if exponent.is_Rational and (2 * exponent).is_Integer and abs(exponent) <= MOST_FACTORS:
            if exponent.is_negative:
                return self.reciprocal(self.value(Pow(base, -exponent)))
            whole, root = int(exponent), not exponent.is_Integer
            value = self._inside(base, ">=", 0.0) if root else self.value(base)
            result: Operand = 1.0
            square, left = value, whole
            while left:
                if left & 1:
                    result = self.multiply(result, square)
                left >>= 1
                if left:
                    square = self.multiply(square, square)
            return self.multiply(result, self.build.sqrt(self.vector(value))) if root else result
        # a base as it is written is enough for whole powers too: those of a negative one have a value
        value = self.value(base) if exponent.is_Integer else self._inside(base, ">=", 0.0)
        return mathematics.power(self.build, self.vector(value), self.vector(self.value(exponent)))

    def _softplus(self, e: Expr) -> Operand:
        if len(e.args) == 1:
            return mathematics.softplus(self.build, self.vector(self.value(e.args[0])))
        z, scale = e.args
        return self.multiply(self.value(scale), self.value(softplus(z / scale)))

    def _hill(self, x: Expr, k: Expr, n: Expr) -> Operand:
        """x**n/(k**n + x**n): through logistic for positive x, where the powers may overflow."""
        build = self.build
        at = self.vector(self.value(x) if n.is_Integer else self._inside(x, ">=", 0.0))
        positive = at > 0.0
        inner = self.multiply(self.value(n), self.value(log(x)) - self.value(log(k)))
        smooth = mathematics.logistic(build, self.vector(inner))
        if n.is_Integer or not self.moves(n):
            above, below = self.vector(self.value(Pow(x, n))), self.vector(self.value(Pow(k, n)))
            return build.select(positive, smooth, build.select(at.equals(0.0), 0.0, above / (above + below)))
        return build.select(positive, smooth, 0.0)

    # ---- cases ------------------------------------------------------------------------------------------------------

    def _inside(self, argument: Expr, relation: str, least: float) -> Operand:
        """Return the value of what a function is taken of, as it is written where the case that is held leaves the domain.

        Beyond its border the case of abs(y) for positive y is negative: a power of it has no value, which that of abs(y)
        has. A step that ends at the border may look beyond it.
        """
        held = self.value(argument)
        if not isinstance(held, Value) or not self._is_held(argument):
            return held
        if self._plain is None:
            self._plain = Tracer(self.build, self._symbols, self.varying, fixed=self._fixed)
        within = self.build.compare(relation, held, least)
        return self._select(within, held, self._plain.value(argument))

    def _is_held(self, e: Expr) -> bool:
        """Whether a case that is held decides something in an expression."""
        return any(self._switches.place(one - other) for node in preorder_traversal(e) for one, other in compared(node))

    def compare(self, relation: str, a: Expr, b: Expr, at_a: Operand, at_b: Operand) -> Value | bool:
        """Whether a relation between two quantities holds, their values being known; in the case that is held."""
        if not isinstance(at_a, Value) and not isinstance(at_b, Value):
            return bool(_COMPARED[relation](at_a, at_b))
        place = self._switches.place(a - b)
        if place is None:
            return self.build.compare(relation, at_a, at_b)
        number, turned = place
        bias = self._biases[number]
        # a difference far beyond any border is the same as none: only a quantity that is not held can be zero
        return self.build.compare(relation, self.subtract(at_a, at_b), bias if turned else -bias)

    def choose(self, quantity: Expr, above: Operand, below: Operand, at_zero: Operand) -> Operand:
        """Return what belongs to the sign of a quantity."""
        value = self.value(quantity)
        rest = self._select(self.compare("<", quantity, Integer(0), value, 0.0), below, at_zero)
        return self._select(self.compare(">", quantity, Integer(0), value, 0.0), above, rest)

    def _select(self, condition: Value | bool, a: Operand, b: Operand) -> Operand:
        if isinstance(condition, bool):
            return a if condition else b
        if isinstance(a, float) and isinstance(b, float) and a == b:
            return a
        return self.build.select(condition, a, b)

    def _extreme(self, e: Expr) -> Operand:
        result = self.value(e.args[0])
        for before, argument in pairs(e):
            other = self.value(argument)
            first = self.compare(">", before, argument, result, other)
            result = self._select(first, *((result, other) if isinstance(e, Max) else (other, result)))
        return result

    def _cases(self, e: Piecewise) -> Operand:
        result: Operand = float("nan")
        for expression, condition in reversed(e.args):
            result = self._select(self.condition(condition), self.value(expression), result)
        return result

    def condition(self, e: Any) -> Value | bool:
        """Whether a condition holds."""
        if isinstance(e, BooleanTrue | BooleanFalse):
            return bool(e)
        if isinstance(e, And | Or):
            parts = [self.condition(a) for a in e.args]
            decided = isinstance(e, Or)
            if decided in [p for p in parts if isinstance(p, bool)]:
                return decided
            vectors = [p for p in parts if isinstance(p, Value)]
            if not vectors:
                return not decided
            total = vectors[0]
            for part in vectors[1:]:
                total = total | part if decided else total & part
            return total
        if isinstance(e, Not):
            inner = self.condition(e.args[0])
            return not inner if isinstance(inner, bool) else ~inner
        if isinstance(e, ITE):
            # a comparison of something that has cases itself
            asked, then, otherwise = e.args
            return self.condition(Or(And(asked, then), And(Not(asked), otherwise)))
        if isinstance(e, Relational):
            return self.compare(_RELATIONS[type(e)], e.lhs, e.rhs, self.value(e.lhs), self.value(e.rhs))
        raise DerivationError(f"no vector instructions for the condition '{e}'")


def count_operations(expressions: Sequence[Expr]) -> int:
    """Return how many different operations the expressions have, a measure of the size of their code."""
    seen: set[Any] = set()
    stack: list[Any] = list(expressions)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(node.args)
    return sum(8 if type(node) in (*_UNARY, softplus, hill) else max(len(node.args) - 1, 1) for node in seen if node.args)
