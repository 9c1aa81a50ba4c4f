"""One step of a given length in every lane: what the compiled steps are checked by, one at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics.compiled.kernels.flow_code import attempts, native_width, routine_of
from dynamics.compiled.kernels.flow_problems import FlowProblem, Places
from dynamics.compiled.kernels.ir import INTEGER, POINTER, Module
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel

__all__ = ["take_steps"]

Array = NDArray[np.float64]


def take_steps(problem: FlowProblem, method: str, time: ArrayLike, state: ArrayLike, parameters: ArrayLike,
               step: ArrayLike, fraction: float = 1.0, width: int | None = None) -> tuple[Array, Array, Array]:
    """Take one step in every lane; cases of the field are decided by the signs of the moment.

    Parameters
    ----------
    problem : FlowProblem
    method : {"tsit5", "rodas5p"}
    time, step : array_like, scalar or shape (lanes,)
    state : array_like, shape (dimension, lanes)
    parameters : array_like, shape (parameters, lanes)
    fraction : float
        Where in the step the continuous solution is evaluated.
    width : int, optional
        Lanes of a vector.

    Returns
    -------
    after, error, between : ndarray, shape (dimension, lanes)
        The state at the end, its estimated error, and the continuous solution.

    Examples
    --------
    >>> import numpy as np
    >>> from sympy import Symbol
    >>> y = Symbol("y")
    >>> after, _, _ = take_steps(FlowProblem((y,), (), (-y,)), "tsit5", 0.0, [[1.0]], np.empty((0, 1)), 0.1)
    >>> bool(abs(after[0, 0] - np.exp(-0.1)) < 1e-9)
    True
    """
    import ctypes

    width = width or native_width()
    given = np.asarray(state, float)
    dimension, lanes = given.shape
    size = -(-lanes // width) * width
    rows = 2 + dimension + len(problem.parameters)
    data = np.zeros((rows + 3 * dimension, size))
    data[0, :lanes], data[1, :lanes] = time, step
    data[2: 2 + dimension, :lanes] = given
    data[2 + dimension: rows, :lanes] = parameters
    kernel = compile_kernel(_text(problem, method, width, fraction), clean=True)
    kernel.function("steps", [ctypes.c_int64, ADDRESS])(size, data.ctypes.data)
    results = data[rows:, :lanes].reshape(3, dimension, lanes)
    return results[0], results[1], results[2]


def _text(problem: FlowProblem, method: str, width: int, fraction: float) -> str:
    module = Module(width)
    routine = routine_of(module, problem)
    build = module.function("steps", {"count": INTEGER, "data": POINTER})
    count, data = build.argument("count"), build.argument("data")
    dimension, parameters = len(problem.states), len(problem.parameters)
    with build.count(0, count, width) as first:
        rows = [build.load(build.at(data, count * row + first)) for row in range(2 + dimension + parameters)]
        state = rows[2: 2 + dimension]
        plain = [build.constant(0.0)] * len(problem.switches.quantities)
        places = Places(problem, build, rows[2 + dimension:], plain, routine)
        slope = places.at(rows[0], state).field()
        tried = attempts(problem, method)(places, rows[0], rows[1], state, slope)
        results = [*tried.after, *tried.error, *tried.state_at(build.constant(fraction))]
        for number, value in enumerate(results):
            build.store(build.at(data, count * (len(rows) + number) + first), value)
    build.finish()
    return module.text()
