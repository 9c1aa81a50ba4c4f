"""Tsit5 written out for three states in numba, one trajectory after another; extremes are followed from step to step."""

import functools
import math

import numba
import numpy as np
from jobs import ENDED, EVENT, FAILED, Model, Solve, serve

njit = functools.partial(numba.njit, error_model="numpy", fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


@njit
def positive(z):
    return max(z, 0.0)


@njit
def softplus(z):
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def make(model: Model, tolerance: float) -> Solve:
    written = njit(model.field, inline="always")

    @njit(inline="always")
    def field(a, b, c, p):
        return written((a, b, c), p, positive, softplus)

    level, sign, absolute = model.level, float(model.sign), 1e-3 * tolerance
    ended, event, failed = ENDED, EVENT, FAILED

    @njit
    def one(a, b, c, p, duration):
        t, h, low, high = 0.0, 1e-3, a, b
        k1a, k1b, k1c = field(a, b, c, p)
        for _ in range(100_000):
            h = min(h, duration - t)
            k2a, k2b, k2c = field(a + h * 0.161 * k1a, b + h * 0.161 * k1b, c + h * 0.161 * k1c, p)
            u, v = -0.008480655492356989, 0.335480655492357
            k3a, k3b, k3c = field(a + h * (u * k1a + v * k2a), b + h * (u * k1b + v * k2b), c + h * (u * k1c + v * k2c), p)
            u, v, w = 2.8971530571054935, -6.359448489975075, 4.3622954328695815
            k4a, k4b, k4c = field(a + h * (u * k1a + v * k2a + w * k3a), b + h * (u * k1b + v * k2b + w * k3b),
                                  c + h * (u * k1c + v * k2c + w * k3c), p)
            u, v, w, x = 5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525
            k5a, k5b, k5c = field(
                a + h * (u * k1a + v * k2a + w * k3a + x * k4a), b + h * (u * k1b + v * k2b + w * k3b + x * k4b),
                c + h * (u * k1c + v * k2c + w * k3c + x * k4c), p)
            u, v, w = 5.86145544294642, -12.92096931784711, 8.159367898576159
            x, y = -0.071584973281401, -0.028269050394068383
            k6a, k6b, k6c = field(a + h * (u * k1a + v * k2a + w * k3a + x * k4a + y * k5a),
                                  b + h * (u * k1b + v * k2b + w * k3b + x * k4b + y * k5b),
                                  c + h * (u * k1c + v * k2c + w * k3c + x * k4c + y * k5c), p)
            u, v, w, x, y, z = (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081,
                                2.324710524099774)
            a1 = a + h * (u * k1a + v * k2a + w * k3a + x * k4a + y * k5a + z * k6a)
            b1 = b + h * (u * k1b + v * k2b + w * k3b + x * k4b + y * k5b + z * k6b)
            c1 = c + h * (u * k1c + v * k2c + w * k3c + x * k4c + y * k5c + z * k6c)
            k7a, k7b, k7c = field(a1, b1, c1, p)
            u, v, w, x = -0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629
            y, z, s = 0.5823571654525552, -0.45808210592918697, 0.015151515151515152
            ea = h * (u * k1a + v * k2a + w * k3a + x * k4a + y * k5a + z * k6a + s * k7a)
            eb = h * (u * k1b + v * k2b + w * k3b + x * k4b + y * k5b + z * k6b + s * k7b)
            ec = h * (u * k1c + v * k2c + w * k3c + x * k4c + y * k5c + z * k6c + s * k7c)
            ea /= absolute + tolerance * max(abs(a), abs(a1))
            eb /= absolute + tolerance * max(abs(b), abs(b1))
            ec /= absolute + tolerance * max(abs(c), abs(c1))
            error = (ea * ea + eb * eb + ec * ec) / 3.0
            if error <= 1.0:
                t += h
                a, b, c, k1a, k1b, k1c = a1, b1, c1, k7a, k7b, k7c
                low, high = min(low, a), max(high, b)
                if sign * (b - level) >= 0.0:
                    return event, a, b, c, low, high
                if t >= duration * (1.0 - 1e-15):
                    return ended, a, b, c, low, high
            h *= min(5.0, max(0.2, 0.9 * (error + 1e-20) ** -0.1)) if error < 1e30 else 0.2
            if h < 1e-14:
                break
        return failed, a, b, c, low, high

    @njit
    def solve(y, values, duration):
        outcome, final, extremes = np.empty(y.shape[1], np.int64), np.empty(y.shape), np.empty((2, y.shape[1]))
        for k in range(y.shape[1]):
            p = as_tuple(values[:, k])
            outcome[k], final[0, k], final[1, k], final[2, k], extremes[0, k], extremes[1, k] = one(
                y[0, k], y[1, k], y[2, k], p, duration)
        return outcome, final, extremes

    count = len(model.parameters)

    @njit(inline="always")
    def as_tuple(values):
        return numba.np.unsafe.ndarray.to_fixed_tuple(values, count)

    return lambda *given: solve(*given)[:2]


if __name__ == "__main__":
    import numba.np.unsafe.ndarray

    serve(make, {"numba": numba.__version__})
