"""The explicit one-step method Tsit5: order 5 with an embedded solution of order 4, seven stages, the last one shared.

References
----------
Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, Computers and
Mathematics with Applications 62 (2011) 770-775, doi:10.1016/j.camwa.2011.06.002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dynamics.compiled.kernels.ir import Builder, Value

__all__ = ["A", "DENSE", "ERROR", "NODES", "Attempt", "runge_kutta_attempt", "weighted_sum"]

Field = Callable[[Value, Sequence[Value]], list[Value]]

NODES = (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0)
A: tuple[tuple[float, ...], ...] = (
    (),
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
)
ERROR = (
    -0.00178001105222577714,
    -0.0008164344596567469,
    0.007880878010261995,
    -0.1447110071732629,
    0.5823571654525552,
    -0.45808210592918697,
    0.015151515151515152,
)
# Weights of the continuous solution, order 4: stage j counts with the polynomial whose coefficients, from theta upwards,
# are given here.
DENSE = (
    (1.0, -2.763706197274826, 2.9132554618219126, -1.0530884977290216),
    (0.0, 0.13169999999999998, -0.2234, 0.1017),
    (0.0, 3.9302962368947516, -5.941033872131505, 2.490627285651253),
    (0.0, -12.411077166933676, 30.33818863028232, -16.548102889244902),
    (0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928),
    (0.0, -27.896526289197286, 65.09189467479366, -34.87065786149661),
    (0.0, 1.5, -4.0, 2.5),
)


@dataclass(frozen=True)
class Attempt:
    """A step that has been tried.

    Attributes
    ----------
    after, slope : list of Value
        The state at the end and the field there.
    error : list of Value
        Estimated error of the state.
    state_at : callable
        Appends the instructions for the state at a fraction of the step.
    guard : Value or None
        Zero, or not a number where the step is not to be trusted.
    stiffness : tuple of lists of Value, or None
        Two differences, of slopes and of states, whose ratio estimates the largest eigenvalue.
    """

    after: list[Value]
    slope: list[Value]
    error: list[Value]
    state_at: Callable[[Value], list[Value]]
    guard: Value | None = None
    stiffness: tuple[list[Value], list[Value]] | None = None


def weighted_sum(build: Builder, weights: Sequence[float], parts: Sequence[Value], start: Value | None = None) -> Value:
    """Return start + sum of weight*part, from the first to the last; zero weights are left out."""
    total = start
    for weight, part in zip(weights, parts, strict=False):
        if weight != 0.0:
            if total is None:
                total = part if weight == 1.0 else part * weight
            else:
                total = total + part if weight == 1.0 else build.fma(part, weight, total)
    return build.constant(0.0) if total is None else total


def runge_kutta_attempt(build: Builder, field: Field, time: Value, step: Value, state: Sequence[Value],
                        slope: Sequence[Value], *, timed: bool = True) -> Attempt:
    """Append one step; ``field(time, state)`` appends the field.

    Parameters
    ----------
    build : Builder
    field : callable
    time, step : Value
    state, slope : sequence of Value
        At the start of the step.
    timed : bool
        Whether the field depends on time.
    """
    slopes: list[list[Value]] = [list(slope)]
    stages: list[list[Value]] = [list(state)]
    for node, weights in zip(NODES[1:], A[1:], strict=True):
        stage = [build.fma(step, weighted_sum(build, weights, column), y)
                 for y, column in zip(state, zip(*slopes, strict=True), strict=True)]
        at = build.fma(step, node, time) if timed else time
        slopes.append(field(at, stage))
        stages.append(stage)
    columns = list(zip(*slopes, strict=True))
    error = [step * weighted_sum(build, ERROR, column) for column in columns]

    def state_at(fraction: Value) -> list[Value]:
        weights = []
        for polynomial in DENSE:
            total: Value | float = polynomial[-1]
            for coefficient in polynomial[-2::-1]:
                total = build.fma(total, fraction, coefficient)
            weights.append(build.lift(total, build.doubles) * fraction)
        result = []
        for y, column in zip(state, columns, strict=True):
            total = weights[0] * column[0]
            for weight, k in zip(weights[1:], column[1:], strict=True):
                total = build.fma(weight, k, total)
            result.append(build.fma(step, total, y))
        return result

    difference = ([a - b for a, b in zip(slopes[6], slopes[5], strict=True)],
                  [a - b for a, b in zip(stages[6], stages[5], strict=True)])
    return Attempt(stages[6], slopes[6], error, state_at, stiffness=difference)
