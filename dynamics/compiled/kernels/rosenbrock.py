"""The stiff one-step method Rodas5P as instructions; its coefficients are those of the lane engine.

References
----------
G. Steinebach, BIT Numerical Mathematics 63, 27 (2023), doi:10.1007/s10543-023-00967-x.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.compiled.kernels.flow_problems import Places
from dynamics.compiled.kernels.ir import Builder, Operand, Value
from dynamics.compiled.kernels.runge_kutta import Attempt, weighted_sum
from dynamics.compiled.kernels.triangular_factors import Factors
from dynamics.compiled.rosenbrock import DENSE, GAMMA, NODES, STAGES, TIME, A, C

__all__ = ["rosenbrock_attempt"]


def rosenbrock_attempt(build: Builder, places: Places, time: Value, step: Value, state: Sequence[Value],
                       slope: Sequence[Value]) -> Attempt:
    """Append one step.

    Parameters
    ----------
    build : Builder
    places : Places
        Of the problem.
    time, step : Value
    state, slope : sequence of Value
        At the start of the step.
    """
    timed = places.problem.timed
    here = places.at(time, state)
    matrix = here.jacobian()
    time_slope: list[Operand] = here.time_slope() if timed else []
    reciprocal = 1.0 / step
    diagonal = reciprocal * (1.0 / GAMMA)
    guard = build.constant(0.0)
    rows: list[list[Operand]] = []
    for number, row in enumerate(matrix):
        for entry in row:
            if isinstance(entry, Value):
                guard = build.fma(entry, 0.0, guard)
        rows.append([_negative(entry) for entry in row])
        rows[number][number] = diagonal + rows[number][number]
    factors = Factors(build, rows)
    increments: list[list[Value]] = []
    argument = list(state)
    for stage in range(STAGES):
        columns = list(zip(*increments, strict=True))
        if stage == 0:
            right = list(slope)
        else:
            if stage < len(A):
                argument = [weighted_sum(build, A[stage], column, y) for column, y in zip(columns, state, strict=True)]
            else:
                argument = [a + k for a, k in zip(argument, increments[-1], strict=True)]
            at = build.fma(step, NODES[stage], time) if timed else time
            field = places.at(at, argument).field()
            right = [build.fma(weighted_sum(build, C[stage], column), reciprocal, f)
                     for column, f in zip(columns, field, strict=True)]
        if timed and TIME[stage] != 0.0:
            weight = step * TIME[stage]
            right = [build.fma(weight, s, r) if isinstance(s, Value) or s else r
                     for s, r in zip(time_slope, right, strict=True)]
        increments.append(factors.solve(right))
    after = [a + k for a, k in zip(argument, increments[-1], strict=True)]
    final = places.at(time + step if timed else time, after).field()
    for value in final:
        guard = build.fma(value, 0.0, guard)
    columns = list(zip(*increments, strict=True))

    def state_at(fraction: Value) -> list[Value]:
        rest = 1.0 - fraction
        result = []
        for y, z, column in zip(state, after, columns, strict=True):
            first, second, third = (weighted_sum(build, weights, column) for weights in DENSE)
            bend = build.fma(build.fma(third, fraction, second), fraction, first)
            result.append(build.fma(fraction, build.fma(rest, bend, z), rest * y))
        return result

    return Attempt(after, final, increments[-1], state_at, guard=guard + factors.guard())


def _negative(entry: Operand) -> Operand:
    return entry if isinstance(entry, float) and entry == 0.0 else -entry
