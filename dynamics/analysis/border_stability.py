"""Stability of a rest that lies on the border of a switch: it is judged on every side that reaches it.

Eigenvalues are those of one side. Where the field jumps at the rest, the other side moves what is beside it by a whole
speed, towards the border or away from it; where the field has a kink, its derivatives on the sides act one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from dynamics.analysis.families import BORDER, real_value
from dynamics.analysis.quadratic_forms import form_of
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.regimes import Regime

__all__ = ["Judged", "judged_on_border"]

Array = NDArray[np.float64]
JUMP = 1e-9        # a speed, by the fastest slope and the states, above which a field does not vanish at the rest
NEUTRAL = 1e-9     # rates closer to zero (slopes closer to one) than this decide nothing
INWARD = 1e-9      # cosine to a border above which a direction leads away from it
LEFT = "on the border of a switch: from the other side it is left"
JUMPS = "on the border of a switch, across which the equations jump: whether it draws in what is beside it is not shown"
KINK = "on the border of a switch, whose sides together decide the stability: that is not shown"
NO_VALUE = "on the border of a switch, beyond which the equations have no value"


@dataclass(frozen=True)
class Judged:
    """What all sides together say.

    Attributes
    ----------
    stability : {"stable", "unstable", "not determined"}
    remark : str
    """

    stability: str
    remark: str = ""


@dataclass(frozen=True)
class _Side:
    """One side of the borders through a rest, in scaled states.

    Attributes
    ----------
    speed : ndarray, shape (n,)
        The field there (of a map: how far it moves the rest); not zero where the field jumps.
    matrix : ndarray, shape (n, n)
    inward : ndarray, shape (borders, n)
        Unit vectors that lead from the borders into the side.
    """

    speed: Array
    matrix: Array
    inward: Array

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.speed).all() and np.isfinite(self.matrix).all())

    @property
    def jumps(self) -> bool:
        return bool(np.abs(self.speed).max() > JUMP)

    def holds(self, direction: Array) -> bool:
        """Whether a direction leads from the rest into the side."""
        return bool(np.all(self.inward @ direction > INWARD * np.linalg.norm(direction)))


def judged_on_border(parts: Sequence[Regime], own: Regime, states: Sequence[Symbol], here: Mapping[Symbol, Any], time: str,
                     alone: str) -> Judged:
    """Return the stability of an isolated rest that lies on a border of its own regime.

    Parameters
    ----------
    parts : sequence of Regime
        All of them.
    own : Regime
        In which the rest was derived.
    states : sequence of Symbol
    here : mapping of Symbol to number
        Parameters and states.
    time : {"continuous", "discrete"}
    alone : str
        Stability by the eigenvalues of its own regime.

    Returns
    -------
    Judged
    """
    first = _side(own, states, here, time)
    others = [_side(part, states, here, time) for part in parts if part.pattern != own.pattern and _reaches(part, here)]
    # a switch on parameters alone has no side in the states
    others = [side for side in others if len(side.inward) and not _is_empty(side)]
    if not all(side.known for side in (first, *others)):
        return Judged("not determined", NO_VALUE)
    if time == "continuous":
        # in units of the fastest rate: the clock of a system decides nothing
        rate = max(float(np.abs(side.matrix).max()) for side in (first, *others)) or 1.0
        first, *others = [_Side(side.speed / rate, side.matrix / rate, side.inward) for side in (first, *others)]
    jumping = [side for side in others if side.jumps]
    if any(_leads_away(side, time) for side in jumping):
        return Judged("unstable", LEFT)
    if not jumping:
        return _of_kinks([first, *others], time, alone)
    if len(states) > 1 or len(others) > 1:
        return Judged("not determined", JUMPS)
    # on a line the other side comes to the rest in finite time, and the own one decides
    return Judged(alone)


def _reaches(part: Regime, here: Mapping[Symbol, Any]) -> bool:
    return all(real_value(condition, here) >= -BORDER for condition in part.conditions)


def _side(part: Regime, states: Sequence[Symbol], here: Mapping[Symbol, Any], time: str) -> _Side:
    scale = np.array([1.0 + abs(float(here[state])) for state in states])
    fields = [expression - state if time == "discrete" else expression
              for expression, state in zip(part.expressions, states, strict=True)]
    speed = np.array([real_value(field, here) for field in fields]) / scale
    numbers = {symbol: value for symbol, value in here.items() if symbol not in states}
    matrix = _slopes([e.xreplace(numbers) for e in part.expressions], states, here)
    borders = [c.xreplace(numbers) for c in part.conditions
               if c.free_symbols & set(states) and abs(real_value(c, here)) <= BORDER]
    inward = _slopes(borders, states, here) * scale
    length = np.linalg.norm(inward, axis=1, keepdims=True)
    return _Side(speed, matrix / scale[:, None] * scale, inward / np.where(length > 0, length, 1.0))


def _slopes(expressions: Sequence[Expr], states: Sequence[Symbol], here: Mapping[Symbol, Any]) -> Array:
    if not expressions:
        return np.zeros((0, len(states)))
    matrix = jacobian_matrix(list(expressions), list(states))
    return np.array([[real_value(matrix[i, j], here) for j in range(matrix.cols)] for i in range(matrix.rows)])


def _is_empty(side: _Side) -> bool:
    """Whether two borders with opposite directions leave nothing between them."""
    between = side.inward @ side.inward.T
    return bool(np.any(between <= -1 + INWARD**2)) if len(between) > 1 else False


def _leads_away(side: _Side, time: str) -> bool:
    """Whether what is beside the rest on a side where the field jumps surely leaves its neighbourhood."""
    if time == "discrete":
        # the next state is elsewhere, however close this one was; the side has to be one that comes close
        return len(side.inward) == 1 and bool(np.any(side.inward))
    return side.holds(side.speed)


def _of_kinks(sides: Sequence[_Side], time: str, alone: str) -> Judged:
    """The verdict of derivatives on several sides of a field that is continuous at the rest."""
    matrices = [side.matrix for side in sides]
    if all(np.allclose(matrix, matrices[0], rtol=1e-12, atol=1e-12) for matrix in matrices):
        return Judged(alone)
    if _has_common_form(matrices, time):
        return Judged("stable")
    if any(_grows(side, time) for side in sides):
        return Judged("unstable", "" if alone == "unstable" else LEFT)
    if len(sides) == 2 and len(matrices[0]) == 1 and time == "discrete":
        return _of_slopes(*(float(matrix[0, 0]) for matrix in matrices))
    return Judged("not determined", KINK)


def _has_common_form(matrices: Sequence[Array], time: str) -> bool:
    """Whether one quadratic form falls on every side: that of one of them does on all others."""
    from scipy.linalg import solve_discrete_lyapunov

    if not all(_shrinks(matrix, time) for matrix in matrices):
        return False
    one = np.eye(len(matrices[0]))
    for matrix in matrices:
        form = form_of(matrix[None])[0] if time == "continuous" else solve_discrete_lyapunov(matrix.T, one)
        if all(_falls(form, other, time) for other in matrices):
            return True
    return False


def _shrinks(matrix: Array, time: str) -> bool:
    values = np.linalg.eigvals(matrix)
    return bool(values.real.max() < -NEUTRAL if time == "continuous" else np.abs(values).max() < 1 - NEUTRAL)


def _falls(form: Array, matrix: Array, time: str) -> bool:
    change = matrix.T @ form + form @ matrix if time == "continuous" else matrix.T @ form @ matrix - form
    return bool(np.isfinite(change).all() and np.linalg.eigvalsh((change + change.T) / 2).max() < -NEUTRAL)


def _grows(side: _Side, time: str) -> bool:
    """Whether a ray into the side is stretched for ever: it is that of an unstable real eigenvalue."""
    values, vectors = np.linalg.eig(side.matrix)
    for value, vector in zip(values, vectors.T, strict=True):
        rate = value.real - (1.0 if time == "discrete" else 0.0)
        if value.imag == 0 and rate > NEUTRAL and (side.holds(vector.real) or side.holds(-vector.real)):
            return True
    return False


def _of_slopes(first: float, second: float) -> Judged:
    """Of a map of the line with a kink at the rest and no slope above one: where both turn over, two steps decide."""
    if max(first, second) >= 1 - NEUTRAL:
        return Judged("not determined", KINK)
    if max(first, second) >= 0:
        return Judged("stable")
    product = first * second
    if abs(product - 1) <= NEUTRAL:
        return Judged("not determined", KINK)
    return Judged("stable") if product < 1 else Judged("unstable")
