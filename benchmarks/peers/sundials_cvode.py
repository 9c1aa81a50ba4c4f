"""SUNDIALS CVODE (BDF) through scikit-sundae, with its root finding, one trajectory after another."""

import importlib.metadata
import math

import numpy as np
from jobs import ENDED, EVENT, FAILED, Model, Solve, serve
from sksundae.cvode import CVODE


def positive(z):
    return z if z > 0.0 else 0.0


def softplus(z):
    return (z if z > 0.0 else 0.0) + math.log1p(math.exp(-abs(z)))


def make(model: Model, tolerance: float) -> Solve:
    current = [list(model.parameters)]

    def field(t, y, slope):
        slope[:] = model.field(y.tolist(), current[0], positive, softplus)

    def event(t, y, value):
        value[0] = y[1] - model.level

    event.terminal, event.direction = [True], [model.sign]
    solver = CVODE(field, rtol=tolerance, atol=1e-3 * tolerance, method="BDF", eventsfn=event, num_events=1,
                   max_num_steps=100_000)

    def solve(y, values, duration):
        outcome, final = np.empty(y.shape[1], int), np.empty(y.shape)
        for k in range(y.shape[1]):
            current[0] = values[:, k].tolist()
            run = solver.solve([0.0, duration], y[:, k])
            happened = run.t_events is not None and len(run.t_events) and run.t[-1] < duration
            outcome[k] = EVENT if happened else ENDED if run.success else FAILED
            final[:, k] = run.y[-1]
        return outcome, final

    return solve


if __name__ == "__main__":
    serve(make, {"scikit-sundae": importlib.metadata.version("scikit-sundae")})
