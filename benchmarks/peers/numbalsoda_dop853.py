"""DOP853 of numbalsoda, called inside numba; it has no events, so insolvency is looked for at every unit of time."""

import importlib.metadata
import math

import numba
import numpy as np
from jobs import ENDED, EVENT, Model, Solve, serve
from numbalsoda import dop853, lsoda_sig


@numba.njit
def positive(z):
    return max(z, 0.0)


@numba.njit
def softplus(z):
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def make(model: Model, tolerance: float) -> Solve:
    written, count = numba.njit(model.field), len(model.parameters)

    @numba.cfunc(lsoda_sig)
    def field(t, y, slope, p):
        values = numba.carray(p, (count,))
        slope[0], slope[1], slope[2] = written(
            (y[0], y[1], y[2]), numba.np.unsafe.ndarray.to_fixed_tuple(values, count), positive, softplus)

    address, sign, level, ended, event = field.address, float(model.sign), model.level, ENDED, EVENT

    @numba.njit
    def loop(y, values, times):
        outcome, final = np.empty(y.shape[1], np.int64), np.empty(y.shape)
        for k in range(y.shape[1]):
            path, good = dop853(address, y[:, k].copy(), times, data=values[:, k].copy(), rtol=tolerance,
                                atol=1e-3 * tolerance)
            outcome[k], final[:, k] = ended if good else event, path[-1]
            for row in path:
                if not sign * (row[1] - level) < 0.0:
                    outcome[k] = event
                    break
        return outcome, final

    def solve(y, values, duration):
        return loop(y, values, np.linspace(0.0, duration, max(1, round(duration)) + 1))

    return solve


if __name__ == "__main__":
    import numba.np.unsafe.ndarray

    serve(make, {"numbalsoda": importlib.metadata.version("numbalsoda"), "numba": numba.__version__})
