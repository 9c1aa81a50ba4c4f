"""SciPy, one trajectory after another in a loop, as most people write it; the method is the argument."""

import functools
import math
import sys

import numpy as np
import scipy
from jobs import ENDED, EVENT, FAILED, Model, Solve, serve
from scipy.integrate import solve_ivp


def positive(z):
    return z if z > 0.0 else 0.0


def softplus(z):
    return (z if z > 0.0 else 0.0) + math.log1p(math.exp(-abs(z)))


def make(method: str, model: Model, tolerance: float) -> Solve:
    def event(t, y):
        return y[1] - model.level

    event.terminal, event.direction = True, model.sign

    def solve(y, values, duration):
        outcome, final = np.empty(y.shape[1], int), np.empty(y.shape)
        for k in range(y.shape[1]):
            p = values[:, k].tolist()
            run = solve_ivp(lambda t, z, p=p: model.field(z.tolist(), p, positive, softplus), (0.0, duration), y[:, k],
                            method=method, rtol=tolerance, atol=1e-3 * tolerance, events=event)
            outcome[k] = {0: ENDED, 1: EVENT}.get(run.status, FAILED)
            final[:, k] = run.y[:, -1]
        return outcome, final

    return solve


if __name__ == "__main__":
    serve(functools.partial(make, sys.argv[1]), {"scipy": scipy.__version__})
