"""Expressions over boxes: enclosures of values and first derivatives, and whether the function is smooth there.

Derivatives are carried along by the rules of differentiation, so no derivative is ever formed as a formula: max, min and
cases choose the branch that holds in the box, and take the hull of the branches where it is not sure which one holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import (
    Abs,
    Add,
    E,
    Expr,
    Max,
    Min,
    Mul,
    Piecewise,
    Pow,
    Rational,
    Symbol,
    atan,
    cos,
    erf,
    exp,
    log,
    pi,
    sign,
    sin,
    tanh,
)
from sympy.core.relational import Eq, Ge, Gt, Le, Lt, Ne
from sympy.logic.boolalg import And, BooleanFalse, BooleanTrue, Not, Or

from dynamics.errors import DerivationError
from dynamics.expressions.functions import expm1, hill, log1p, logistic, softplus
from dynamics.symbolic.intervals import Arithmetic, Interval

__all__ = ["BROKEN", "KINK", "NOWHERE", "SMOOTH", "Jet", "evaluate"]

# How a function may behave in a box. KINK: continuous, derivatives are hulls of one-sided ones, the mean value theorem
# holds (Lebourg). BROKEN: perhaps undefined or discontinuous somewhere. NOWHERE: undefined in the whole box.
SMOOTH, KINK, BROKEN, NOWHERE = 0, 1, 2, 3


@dataclass(frozen=True)
class Jet:
    """Value and first derivatives over boxes.

    Attributes
    ----------
    value : Interval
    slopes : mapping of int to Interval
        By coordinate; an absent one is zero.
    defect : array of int
        SMOOTH, KINK, BROKEN or NOWHERE for each box.
    """

    value: Interval
    slopes: Mapping[int, Interval]
    defect: Any


def evaluate(expressions: Sequence[Expr], inputs: Mapping[Symbol, Jet], arithmetic: Arithmetic) -> list[Jet]:
    """Enclose expressions and their derivatives over boxes.

    Parameters
    ----------
    expressions : sequence of Expr
        In the symbols of ``inputs``, with exact numbers.
    inputs : mapping of Symbol to Jet
        The coordinates over the boxes.
    arithmetic : Arithmetic

    Returns
    -------
    list of Jet

    Raises
    ------
    DerivationError
        For a function without interval arithmetic.

    Examples
    --------
    >>> from sympy import Symbol
    >>> from dynamics.symbolic.interval_ends import DOUBLES
    >>> x, zero = Symbol("x"), Interval(0.0, 1.0)
    >>> jet, = evaluate([x**2 - x], {x: Jet(zero, {0: Interval(1.0, 1.0)}, 0)}, Arithmetic(DOUBLES))
    >>> bool(jet.value.lo <= -0.25), bool(jet.value.hi >= 0), float(jet.slopes[0].lo) <= -1
    (True, True, True)
    """
    walk = _Evaluation(inputs, arithmetic)
    with np.errstate(all="ignore"):
        return [walk.jet(expression) for expression in expressions]


class _Evaluation:
    def __init__(self, inputs: Mapping[Symbol, Jet], arithmetic: Arithmetic) -> None:
        self.known: dict[Any, Jet] = dict(inputs)
        self.ia = arithmetic

    def jet(self, e: Expr) -> Jet:
        found = self.known.get(e)
        if found is None:
            found = self.known[e] = self.build(e)
        return found

    def build(self, e: Expr) -> Jet:
        if e.is_Rational:
            return Jet(self.ia.rational(int(e.p), int(e.q)), {}, SMOOTH)
        if e.is_Float:
            return self.jet(Rational(e))
        if e is pi:
            return Jet(Interval(*self.ia.ends.pi()), {}, SMOOTH)
        if e is E:
            return self.increasing("exp", self.constant(1))
        if isinstance(e, Add):
            return self.folded(self.add, e)
        if isinstance(e, Mul):
            return self.folded(self.multiply, e)
        if isinstance(e, Pow):
            return self.power(e)
        if isinstance(e, Max) and len(e.args) == 2 and e.args[0] == -e.args[1]:
            return self.absolute(self.jet(e.args[0]))  # how the language writes abs
        if isinstance(e, (Max, Min)):
            jets = [self.jet(a) for a in e.args]
            total = jets[0]
            for jet in jets[1:]:
                total = self.larger(total, jet) if isinstance(e, Max) else self.negative(
                    self.larger(self.negative(total), self.negative(jet)))
            return total
        if isinstance(e, hill):
            return self.hill(*e.args)
        if isinstance(e, Piecewise):
            return self.cases([(self.jet(value), *self.truth(condition)) for value, condition in e.args])
        for kind, rule in _RULES.items():
            if isinstance(e, kind):
                return rule(self, *[self.jet(a) for a in e.args])
        name = e.func.__name__ if e.args else e
        raise DerivationError(f"no interval arithmetic for '{name}'; fixed_points and integrate work without it")

    # ---- rules of differentiation ---------------------------------------------------------------------------------

    def folded(self, operation: Callable[[Jet, Jet], Jet], e: Expr) -> Jet:
        jets = [self.jet(a) for a in e.args]
        total = jets[0]
        for jet in jets[1:]:
            total = operation(total, jet)
        return total

    def constant(self, numerator: int, denominator: int = 1) -> Jet:
        return Jet(self.ia.rational(numerator, denominator), {}, SMOOTH)

    def negative(self, a: Jet) -> Jet:
        return Jet(self.ia.negative(a.value), {k: self.ia.negative(s) for k, s in a.slopes.items()}, a.defect)

    def add(self, a: Jet, b: Jet) -> Jet:
        slopes = dict(a.slopes)
        for k, s in b.slopes.items():
            slopes[k] = self.ia.add(slopes[k], s) if k in slopes else s
        return Jet(self.ia.add(a.value, b.value), slopes, np.maximum(a.defect, b.defect))

    def multiply(self, a: Jet, b: Jet) -> Jet:
        slopes = {k: self.ia.multiply(s, b.value) for k, s in a.slopes.items()}
        for k, s in b.slopes.items():
            part = self.ia.multiply(s, a.value)
            slopes[k] = self.ia.add(slopes[k], part) if k in slopes else part
        return Jet(self.ia.multiply(a.value, b.value), slopes, np.maximum(a.defect, b.defect))

    def chain(self, a: Jet, value: Interval, slope: Interval, defect: Any = SMOOTH) -> Jet:
        """f(a) from f and f' over a; where f may be undefined nothing is known of slopes."""
        defect = np.maximum(a.defect, defect)
        slopes = {k: self.ia.where(defect >= BROKEN, self.ia.whole, self.ia.multiply(slope, s)) for k, s in a.slopes.items()}
        return Jet(value, slopes, defect)

    def reciprocal(self, a: Jet) -> Jet:
        value = self.ia.reciprocal(a.value)
        slope = self.ia.negative(self.ia.power(value, 2))
        zero = (a.value.lo <= 0) & (a.value.hi >= 0)
        only = (a.value.lo == 0) & (a.value.hi == 0)
        return self.chain(a, value, slope, np.where(only, NOWHERE, np.where(zero, BROKEN, SMOOTH)))

    def power(self, e: Expr) -> Jet:
        base, exponent = e.base, e.exp
        if exponent.is_Integer:
            n = abs(int(exponent))
            a = self.jet(base)
            slope = self.ia.multiply(self.ia.rational(n), self.ia.power(a.value, n - 1))
            raised = a if n == 1 else self.chain(a, self.ia.power(a.value, n), slope)
            return self.reciprocal(raised) if exponent < 0 else raised
        if exponent.is_Rational and exponent < 0:
            return self.reciprocal(self.jet(Pow(base, -exponent)))
        if exponent.is_Rational:
            return self.fractional(self.jet(base), int(exponent.p), int(exponent.q))
        return self.increasing("exp", self.multiply(self.jet(exponent), self.logarithm(self.jet(base), zero_counts=False)))

    def fractional(self, a: Jet, p: int, q: int) -> Jet:
        """a**(p/q) for p, q > 0: real for a >= 0 only, as in SymPy; at 0 it is continuous."""
        inside, defect = self.domain(a.value)

        def raised(x: Interval, top: int) -> Interval:
            if top < 0:
                return self.ia.reciprocal(raised(x, -top))
            if q == 2:
                return self.ia.power(self.ia.increasing("sqrt", x), top)
            return self.ia.increasing("exp", self.ia.multiply(self.ia.rational(top, q), self.ia.increasing("log", x)))

        slope = self.ia.multiply(self.ia.rational(p, q), raised(inside, p - q))
        return self.chain(a, raised(inside, p), slope, defect)

    def domain(self, x: Interval, zero_counts: bool = False) -> tuple[Interval, Any]:
        """The part of x >= 0, and what leaving it means for a box; zero is undefined too where it counts."""
        outside = x.hi <= 0 if zero_counts else x.hi < 0
        defect = np.where(x.lo < 0, BROKEN, np.where(x.lo == 0, BROKEN if zero_counts else KINK, SMOOTH))
        return Interval(np.where(x.lo < 0, 0, x.lo), np.where(x.hi < 0, 0, x.hi)), np.where(outside, NOWHERE, defect)

    def increasing(self, name: str, a: Jet) -> Jet:
        value = self.ia.increasing(name, a.value)
        return self.chain(a, value, _SLOPES[name](self.ia, a.value, value))

    def logarithm(self, a: Jet, zero_counts: bool = True) -> Jet:
        inside, defect = self.domain(a.value, zero_counts)
        defect = np.where(inside.lo == 0, np.maximum(defect, BROKEN), defect)
        return self.chain(a, self.ia.increasing("log", inside), self.ia.reciprocal(inside), defect)

    def log1p(self, a: Jet) -> Jet:
        inside, defect = self.domain(self.ia.add(a.value, self.ia.rational(1)), zero_counts=True)
        low = np.where(a.value.lo < -1, -1, a.value.lo)
        clipped = Interval(low, np.where(a.value.hi < -1, -1, a.value.hi))
        return self.chain(a, self.ia.increasing("log1p", clipped), self.ia.reciprocal(inside), defect)

    def wave(self, a: Jet, quarter: int) -> Jet:
        slope = self.ia.sine(a.value, 1) if not quarter else self.ia.negative(self.ia.sine(a.value))
        return self.chain(a, self.ia.sine(a.value, quarter), slope)

    def softplus(self, z: Jet, s: Jet | None = None) -> Jet:
        if s is None:
            return self.increasing("softplus", z)
        return self.multiply(s, self.increasing("softplus", self.multiply(z, self.reciprocal(s))))

    def hill(self, x: Expr, k: Expr, n: Expr) -> Jet:
        """1 - 1/(1 + (x/k)**n): x stands there once, so the enclosure is sharp."""
        inverse = self.reciprocal(self.add(self.constant(1), self.jet(Pow(x / k, n))))
        return self.add(self.constant(1), self.negative(inverse))

    # ---- choices --------------------------------------------------------------------------------------------------

    def larger(self, a: Jet, b: Jet) -> Jet:
        first, second = a.value.lo > b.value.hi, b.value.lo > a.value.hi
        value = Interval(np.maximum(a.value.lo, b.value.lo), np.maximum(a.value.hi, b.value.hi))
        none = self.ia.rational(0)
        slopes = {}
        for k in {**a.slopes, **b.slopes}:
            of_a, of_b = a.slopes.get(k, none), b.slopes.get(k, none)
            slopes[k] = self.ia.where(first, of_a, self.ia.where(second, of_b, self.ia.hull(of_a, of_b)))
        return Jet(value, slopes, np.maximum(np.maximum(a.defect, b.defect), np.where(first | second, SMOOTH, KINK)))

    def absolute(self, a: Jet) -> Jet:
        jet = self.larger(a, self.negative(a))
        return Jet(Interval(np.where(jet.value.lo < 0, 0, jet.value.lo), jet.value.hi), jet.slopes, jet.defect)

    def sign(self, a: Jet) -> Jet:
        yes, no = a.value.lo > 0, a.value.hi < 0
        zero = (a.value.lo == 0) & (a.value.hi == 0)
        value = Interval(np.where(yes, 1, np.where(zero, 0, -1)), np.where(no, -1, np.where(zero, 0, 1)))
        return self.chain(a, value, self.ia.rational(0), np.where(yes | no, SMOOTH, BROKEN))

    def cases(self, pieces: Sequence[tuple[Jet, Any, Any, Any]]) -> Jet:
        """The first piece whose condition holds; otherwise the hull of those that may be it, without slopes."""
        value, none = self.ia.empty, self.ia.rational(0)
        slopes = {k: none for jet, *_ in pieces for k in jet.slopes}
        open_still, doubtful, unclear = np.asarray(True), np.asarray(False), np.asarray(False)
        defect: Any = np.asarray(NOWHERE)
        for jet, yes, no, condition_defect in pieces:
            possible, sure = open_still & ~no, open_still & yes & ~doubtful
            value = self.ia.hull(value, self.ia.where(possible, jet.value, self.ia.empty))
            for k in slopes:
                slopes[k] = self.ia.where(sure, jet.slopes.get(k, none), slopes[k])
            # several candidates: undefined everywhere only if each of them is
            several = np.minimum(defect, np.where(np.asarray(jet.defect) == NOWHERE, NOWHERE, BROKEN))
            defect = np.where(sure, jet.defect, np.where(possible, several, defect))
            unclear = unclear | (open_still & (np.asarray(condition_defect) >= BROKEN))
            doubtful, open_still = doubtful | (possible & ~yes), open_still & ~yes
        # what no piece covers is undefined, as is a choice that rests on something undefined
        defect = np.where((open_still | unclear) & (defect < BROKEN), BROKEN, defect)
        empty, lost = np.asarray(value.lo > value.hi), defect >= BROKEN
        return Jet(self.ia.where(empty, self.ia.whole, value),
                   {k: self.ia.where(lost, self.ia.whole, s) for k, s in slopes.items()}, defect)

    def truth(self, condition: Any) -> tuple[Any, Any, Any]:
        """(certainly true, certainly false, defect of what it compares)."""
        if isinstance(condition, (BooleanTrue, BooleanFalse)):
            return np.asarray(bool(condition)), np.asarray(not condition), SMOOTH
        if isinstance(condition, Not):
            yes, no, defect = self.truth(condition.args[0])
            return no, yes, defect
        if isinstance(condition, (And, Or)):
            parts = [self.truth(a) for a in condition.args]
            defect = np.maximum.reduce(np.broadcast_arrays(*[p[2] for p in parts]))
            join, meet = (np.logical_and, np.logical_or) if isinstance(condition, And) else (np.logical_or, np.logical_and)
            yes, no = parts[0][0], parts[0][1]
            for other_yes, other_no, _ in parts[1:]:
                yes, no = join(yes, other_yes), meet(no, other_no)
            return yes, no, defect
        if not isinstance(condition, (Gt, Ge, Lt, Le, Eq, Ne)):
            raise DerivationError(f"no interval arithmetic for the condition '{condition}'")
        jet = self.add(self.jet(condition.lhs), self.negative(self.jet(condition.rhs)))
        low, high = np.asarray(jet.value.lo), np.asarray(jet.value.hi)
        if isinstance(condition, (Eq, Ne)):
            same, apart = (low == 0) & (high == 0), (low > 0) | (high < 0)
            return (same, apart, jet.defect) if isinstance(condition, Eq) else (apart, same, jet.defect)
        answers = {Gt: (low > 0, high <= 0), Ge: (low >= 0, high < 0), Lt: (high < 0, low >= 0), Le: (high <= 0, low > 0)}
        return (*answers[type(condition)], jet.defect)


def _bell(ia: Arithmetic, x: Interval, _: Interval) -> Interval:
    density = ia.increasing("exp", ia.negative(ia.power(x, 2)))
    return ia.multiply(ia.multiply(ia.rational(2), density), ia.reciprocal(
        ia.increasing("sqrt", Interval(*ia.ends.pi()))))


def _logistic_slope(ia: Arithmetic, x: Interval, value: Interval) -> Interval:
    return ia.multiply(value, ia.increasing("logistic", ia.negative(x)))


def _tanh_slope(ia: Arithmetic, _: Interval, value: Interval) -> Interval:
    slope = ia.add(ia.rational(1), ia.negative(ia.power(value, 2)))
    return Interval(np.where(slope.lo < 0, 0, slope.lo), slope.hi)


_SLOPES: dict[str, Callable[[Arithmetic, Interval, Interval], Interval]] = {
    "exp": lambda ia, x, value: value,
    "expm1": lambda ia, x, value: ia.increasing("exp", x),
    "softplus": lambda ia, x, value: ia.increasing("logistic", x),
    "logistic": _logistic_slope,
    "tanh": _tanh_slope,
    "atan": lambda ia, x, value: ia.reciprocal(ia.add(ia.rational(1), ia.power(x, 2))),
    "erf": _bell,
}
_RULES: dict[Any, Callable[..., Jet]] = {
    exp: lambda w, a: w.increasing("exp", a), expm1: lambda w, a: w.increasing("expm1", a),
    tanh: lambda w, a: w.increasing("tanh", a), atan: lambda w, a: w.increasing("atan", a),
    erf: lambda w, a: w.increasing("erf", a), logistic: lambda w, a: w.increasing("logistic", a),
    log: _Evaluation.logarithm, log1p: _Evaluation.log1p, softplus: _Evaluation.softplus,
    sin: lambda w, a: w.wave(a, 0), cos: lambda w, a: w.wave(a, 1), sign: _Evaluation.sign,
    Abs: _Evaluation.absolute,
}
