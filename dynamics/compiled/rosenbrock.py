"""The stiff one-step method Rodas5P, written elementwise over lanes.

Rodas5P is a linearly implicit method of order 5 with an embedded solution of order 4 and a continuous solution of
order 4. It is stiffly accurate and A-stable and needs one Jacobian, one factorisation and eight solves per step; its
cost per step does not depend on stiffness, which a short liquidation latency makes the rule rather than the exception.

References
----------
G. Steinebach, Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia Differential
Equations package, BIT Numerical Mathematics 63, 27 (2023), doi:10.1007/s10543-023-00967-x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.elimination import factorise, solve_in_place

__all__ = ["ContinuousStep", "STAGES", "rosenbrock_step"]

Array = NDArray[np.float64]
LaneFunction = Callable[[Array, Array, Array], Array]

STAGES = 8
ORDER = 5

# The scaled form of the method (no products with the Jacobian): with the increments k_j,
#     (1/(h GAMMA) - J) k_i = f(t + NODES_i h, y + sum_j A_ij k_j) + (1/h) sum_j C_ij k_j + h TIME_i df/dt.
GAMMA = 0.21193756319429014
NODES = (0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0)
TIME = (
    0.21193756319429014,
    -0.42387512638858027,
    -0.3384627126235924,
    1.8046452872882734,
    2.325825639765069,
    0.0,
    0.0,
    0.0,
)
A: tuple[tuple[float, ...], ...] = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
)  # Stages 7 and 8 continue the sum of stage 6 with weight 1 on the increments 6 and 7.
C: tuple[tuple[float, ...], ...] = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
# Continuous solution: y(theta) = (1 - theta) y0 + theta (y1 + (1 - theta) (D_1 + theta (D_2 + theta D_3))),
# D_m = sum_j DENSE_mj k_j.
DENSE = (
    (
        25.948786856663858,
        -2.5579724845846235,
        10.433815404888879,
        -2.3679251022685204,
        0.524948541321073,
        1.1241088310450404,
        0.4272876194431874,
        -0.17202221070155493,
    ),
    (
        -9.91568850695171,
        -0.9689944594115154,
        3.0438037242978453,
        -24.495224566215796,
        20.176138334709044,
        15.98066361424651,
        -6.789040303419874,
        -6.710236069923372,
    ),
    (
        11.419903575922262,
        2.8879645146136994,
        72.92137995996029,
        80.12511834622643,
        -52.072871366152654,
        -59.78993625266729,
        -0.15582684282751913,
        4.883087185713722,
    ),
)


@dataclass(frozen=True)
class ContinuousStep:
    """One step of every lane with its continuous solution.

    Attributes
    ----------
    start, step : ndarray, shape (lanes,)
        Time at the start and length of the step.
    before, after : ndarray, shape (dimension, lanes)
        State at the start and at the end.
    bends : tuple of three ndarray, shape (dimension, lanes), or empty
        What the continuous solution adds to the chord; empty when it was not asked for.
    """

    start: Array
    step: Array
    before: Array
    after: Array
    bends: tuple[Array, ...]

    def state(self, fraction: float | Array) -> Array:
        """Return the state at ``fraction`` (0 to 1, one number or one per lane) of the step, (dimension, lanes)."""
        rest = 1.0 - fraction
        first, second, third = self.bends
        bend = (third * fraction + second) * fraction + first
        result: Array = rest * self.before + fraction * (self.after + rest * bend)
        return result

    def time(self, fraction: float | Array) -> Array:
        """Return the time at ``fraction`` of the step, shape (lanes,)."""
        result: Array = self.start + fraction * self.step
        return result

    def take(self, lanes: NDArray[np.intp]) -> ContinuousStep:
        """Return the step of the given lanes, in that order, repeats allowed."""
        return ContinuousStep(
            self.start.take(lanes),
            self.step.take(lanes),
            self.before.take(lanes, axis=-1),
            self.after.take(lanes, axis=-1),
            tuple(bend.take(lanes, axis=-1) for bend in self.bends),
        )


def _weighted_sum(weights: tuple[float, ...], increments: list[Array], scratch: Array) -> Array:
    # Term by term in a fixed order: a matrix product would group terms by array size.
    total: Array = weights[0] * increments[0]
    for weight, increment in zip(weights[1:], increments[1:], strict=False):
        np.multiply(increment, weight, out=scratch)
        total += scratch
    return total


def rosenbrock_step(
    field: LaneFunction,
    slope: Array,
    jacobian: Array,
    time_slope: Array | None,
    time: Array,
    state: Array,
    parameters: Array,
    step: Array,
    continuous: bool = True,
) -> tuple[ContinuousStep, Array]:
    """Advance every lane by one step of its own length.

    Parameters
    ----------
    field : callable
        ``field(time, state, parameters)``, shape (dimension, lanes).
    slope : ndarray, shape (dimension, lanes)
        The field at the start of the step.
    jacobian : ndarray, shape (dimension, dimension, lanes)
        Derivative of the field by the state at the start of the step.
    time_slope : ndarray, shape (dimension, lanes), or None
        Partial derivative of the field by time; None for an autonomous field.
    time, step : ndarray, shape (lanes,)
        Start and length of the step.
    state : ndarray, shape (dimension, lanes)
    parameters : ndarray, shape (parameters, lanes)
    continuous : bool
        Whether the continuous solution is wanted.

    Returns
    -------
    ContinuousStep, ndarray
        The step, and the estimated error of its end state, shape (dimension, lanes).

    References
    ----------
    doi:10.1007/s10543-023-00967-x

    Examples
    --------
    >>> import numpy as np
    >>> step, error = rosenbrock_step(
    ...     lambda t, y, p: -y, np.array([[-1.0]]), np.array([[[-1.0]]]), None, np.zeros(1), np.ones((1, 1)),
    ...     np.zeros((0, 1)), np.array([0.1]))
    >>> bool(abs(step.after[0, 0] - np.exp(-0.1)) < 1e-8)
    True
    """
    dimension = state.shape[0]
    matrices = np.negative(jacobian)
    diagonal = 1.0 / (GAMMA * step)
    for row in range(dimension):
        matrices[row, row] += diagonal
    factors = factorise(matrices)

    reciprocal = 1.0 / step
    scratch = np.empty_like(state)
    increments: list[Array] = []
    argument = state
    for stage in range(STAGES):
        if stage == 0:
            right = slope.copy()
        else:
            if stage < len(A):
                argument = state + _weighted_sum(A[stage], increments, scratch)
            else:
                argument = argument + increments[-1]
            right = _weighted_sum(C[stage], increments, scratch)
            right *= reciprocal
            right += field(time + NODES[stage] * step, argument, parameters)
        if time_slope is not None and TIME[stage] != 0.0:
            right += (TIME[stage] * step) * time_slope
        solve_in_place(factors, right)
        increments.append(right)
    after = argument + increments[-1]
    bends = tuple(_weighted_sum(weights, increments, scratch) for weights in DENSE) if continuous else ()
    # Stiff accuracy: the last increment is the difference to the embedded solution of order 4.
    return ContinuousStep(time, step, state, after, bends), increments[-1]
