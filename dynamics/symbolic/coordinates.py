"""Coordinates of a search box: an unbounded axis becomes a bounded one, and equations are freed of their denominators.

A state between a and infinity is a + t/(1 - t) with t in [0, 1); one without bounds is t/(1 - t**2) with t in (-1, 1). In
t, and multiplied out, an equation has values of ordinary size at both ends, and poles inside the box are no roots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Dummy, Expr, Integer, Poly, Rational, Symbol, horner

from dynamics.symbolic.interval_evaluation import BROKEN, NOWHERE, SMOOTH, Jet
from dynamics.symbolic.intervals import Arithmetic, Interval
from dynamics.symbolic.kernels import rational_form, replace_kernels

__all__ = ["Axis", "cleared", "inputs"]


@dataclass(frozen=True)
class Axis:
    """One state and its range.

    Attributes
    ----------
    state, symbol : Symbol
        The state, and the coordinate t; the same symbol where the range is bounded.
    low, high : Rational or None
    """

    state: Symbol
    symbol: Symbol
    low: Rational | None
    high: Rational | None

    @classmethod
    def of(cls, state: Symbol, low: Rational | None, high: Rational | None) -> Axis:
        """The axis of a state between two bounds, each may be None."""
        bounded = low is not None and high is not None
        return cls(state, state if bounded else Dummy(state.name), low, high)

    @property
    def bounded(self) -> bool:
        """Whether both ends are finite."""
        return self.low is not None and self.high is not None

    @property
    def range(self) -> tuple[Rational, Rational]:
        """Ends of the coordinate."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        return Integer(-1) if self.low is None else Integer(0), Integer(0) if self.low is None and self.high is not None \
            else Integer(1)

    @property
    def fraction(self) -> tuple[Expr, Expr]:
        """The state as numerator and denominator in the coordinate."""
        t = self.symbol
        if self.bounded:
            return t, Integer(1)
        if self.low is not None:
            return self.low * (1 - t) + t, 1 - t
        if self.high is not None:
            return self.high * (1 + t) + t, 1 + t
        return t, 1 - t**2

    def value(self, t: Interval, arithmetic: Arithmetic) -> Jet:
        """Enclose the state, and its derivative with respect to the coordinate."""
        one = arithmetic.rational(1)
        if self.bounded:
            return Jet(t, {}, SMOOTH)
        parts = []  # distances of the coordinate from the ends that stand for infinity
        if self.high is None:
            parts.append(arithmetic.add(one, arithmetic.negative(t)))
        if self.low is None:
            parts.append(arithmetic.add(one, t))
        defect = np.zeros(np.shape(t.lo), dtype=int)
        positive = []
        for part in parts:
            defect = np.maximum(defect, np.where(part.hi <= 0, NOWHERE, np.where(part.lo <= 0, BROKEN, SMOOTH)))
            positive.append(Interval(np.where(part.lo < 0, 0, part.lo), np.where(part.hi < 0, 0, part.hi)))
        inverse = [arithmetic.reciprocal(part) for part in positive]
        if len(parts) == 2:
            # t/(1 - t**2) = (1/(1 - t) - 1/(1 + t))/2: both terms increase
            half = arithmetic.rational(1, 2)
            value = arithmetic.multiply(half, arithmetic.add(inverse[0], arithmetic.negative(inverse[1])))
            squares = arithmetic.add(arithmetic.power(inverse[0], 2), arithmetic.power(inverse[1], 2))
            return Jet(value, {0: arithmetic.multiply(half, squares)}, defect)
        # t/(1 - t) = 1/(1 - t) - 1, and t/(1 + t) = 1 - 1/(1 + t)
        end: Any = self.low if self.low is not None else self.high
        step = arithmetic.add(inverse[0], arithmetic.negative(one))
        step = step if self.low is not None else arithmetic.negative(step)
        value = arithmetic.add(arithmetic.rational(int(end.p), int(end.q)), step)
        return Jet(value, {0: arithmetic.power(inverse[0], 2)}, defect)


def inputs(axes: Sequence[Axis], boxes: Sequence[Interval], arithmetic: Arithmetic) -> dict[Symbol, Jet]:
    """Return the jets of coordinates and states over boxes, for `evaluate`.

    Parameters
    ----------
    axes : sequence of Axis
    boxes : sequence of Interval
        One per axis, in its coordinate.
    arithmetic : Arithmetic

    Returns
    -------
    dict of Symbol to Jet
    """
    known: dict[Symbol, Jet] = {}
    one = arithmetic.rational(1)
    for k, (axis, box) in enumerate(zip(axes, boxes, strict=True)):
        known[axis.symbol] = Jet(box, {k: one}, SMOOTH)
        if not axis.bounded:
            with np.errstate(all="ignore"):
                jet = axis.value(box, arithmetic)
                slope = arithmetic.where(np.asarray(jet.defect) >= BROKEN, arithmetic.whole, jet.slopes[0])
            known[axis.state] = Jet(jet.value, {k: slope}, jet.defect)
    return known


def cleared(equations: Sequence[Expr], axes: Sequence[Axis]) -> list[Expr]:
    """Return equations in the coordinates of the axes with the same roots and without denominators.

    Parameters
    ----------
    equations : sequence of Expr
        In the states, with exact numbers.
    axes : sequence of Axis

    Returns
    -------
    list of Expr
        In coordinates, and in states inside parts that are not rational. A root where a denominator vanishes as well is
        none of the given equations: the caller checks that they are defined there.
    """
    rational, kernels, _ = replace_kernels(equations)
    substitution: Mapping[Symbol, Any] = {a.state: a.fraction[0] / a.fraction[1] for a in axes if not a.bounded}
    coordinates = [a.symbol for a in axes]
    form = rational_form([e.xreplace(dict(substitution)) for e in rational], coordinates)
    found = []
    for element in form.elements:
        numerator = element.numer.as_expr()
        inside = [s for s in coordinates if numerator.has(s)]
        nested = horner(Poly(numerator, *inside).as_expr(), *inside) if inside else numerator
        for symbol in reversed(kernels):
            nested = nested.xreplace({symbol: kernels[symbol]})
        found.append(nested)
    return found
