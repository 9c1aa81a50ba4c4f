"""Make cascade_thresholds.csv: the smallest cascading shock at 200 random parameter sets of each of two models.

An independent route: SciPy's DOP853 at a relative tolerance of 1e-12, equations written out by hand, bisection to 1e-9.
The core model is integrated case by case, above and below the maintenance margin. Minima of the equity ratio are located
as zeros of its rate of change, so that a path that dips below the margin or below zero within one step is not taken for
one that does not: without that, two of two hundred thresholds came out wrong by some 1e-7, because a long step of DOP853
passes over a short margin call and its error estimate does not notice. Run it as a script; it takes some twenty minutes.
"""

import csv
import math
import sys
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

HORIZON, SETS, SEED = 200.0, 200, 20261123
PLACE = Path(__file__).with_name("cascade_thresholds.csv")
COLUMNS = ("model", "a", "b", "c", "d", "e", "f", "threshold")


class Core:
    """Equity-ratio form with a ramp of margin calls: reversion 1; the other six are drawn."""

    names = ("price_impact", "adjustment", "target_leverage", "maintenance_margin", "liquidation_rate",
             "liquidation_latency")

    @staticmethod
    def draw(g):
        while True:
            eta, theta, target = g.uniform(0.05, 0.7), g.uniform(0.2, 1.0), g.uniform(2.5, 14.0)
            margin, rate = g.uniform(0.02, 0.06), g.uniform(5.0, 40.0)
            latency = math.exp(g.uniform(math.log(0.02), math.log(0.2)))
            # Re z of the pair at the ordinary fixed point; sets that decay slowly are left out
            half = (eta * (target - 1.0) * theta - (1.0 + theta)) / 2.0
            root = half * half - theta
            slowest = half + math.sqrt(root) if root > 0 else half
            if target < 0.95 / margin and slowest < -20.0 / HORIZON:
                return eta, theta, target, margin, rate, latency

    @staticmethod
    def start(p, shock):
        return [-shock, 1.0 - (1.0 - 1.0 / p[2]) * math.exp(shock), 0.0]

    @staticmethod
    def field(p, calls=None):
        eta, theta, target, margin, rate, latency = p

        def f(t, y):
            x, u, q = y
            phi = theta * (target * u - 1.0) - q
            dx = -x + eta * phi
            called = rate * (1.0 - u / margin) if calls else 0.0
            return dx, (1.0 - u) * dx - u * phi, (called - q) / latency

        return f

    @staticmethod
    def largest(p):
        return -math.log(1.0 - 1.0 / p[2])

    @staticmethod
    def cascades(p, shock, rtol):
        y, t, margin = Core.start(p, shock), 0.0, p[3]
        calls = y[1] < margin

        def settled(t, y):
            return max(abs(y[0]), abs(y[1] * p[2] - 1.0), abs(y[2])) - 1e-5

        def border(t, y):
            return y[1] - margin

        def level(t, y):
            return y[1]

        settled.terminal = border.terminal = level.terminal = True
        level.direction = -1
        while t < HORIZON:
            f = Core.field(p, calls)

            def turning(t, y, f=f):
                return f(t, y)[1]

            border.direction = 1 if calls else -1
            stop = HORIZON
            while True:
                run = solve_ivp(f, (t, stop), y, method="DOP853", rtol=rtol, atol=rtol * 1e-2,
                                events=(border, level, turning, settled))
                beyond = [when for when, state in zip(run.t_events[2], run.y_events[2], strict=True)
                          if (state[1] > margin) == calls and abs(state[1] - margin) > 1e-12 and when > t + 1e-9]
                if not beyond or run.t[-1] <= beyond[0] + 1e-9:
                    break
                stop = beyond[0]  # the step that ends here has the border behind it
            if run.t_events[1].size or any(state[1] <= 0.0 for state in run.y_events[2]):
                return True
            if run.t_events[3].size or run.t[-1] >= HORIZON:
                return False
            if run.status < 0:
                return True
            if run.t[-1] < t + 1e-9:  # touching the border: past it without looking
                run = solve_ivp(f, (t, t + 1e-6), y, method="DOP853", rtol=rtol, atol=rtol * 1e-2)
                t, y = run.t[-1], run.y[:, -1]
                calls = bool(y[1] < margin)
                continue
            t, y = run.t[-1], run.y[:, -1]
            calls = bool(y[1] < margin) if not run.t_events[0].size else not calls
        return False


class Canonical:
    """Leverage form with softplus margin calls: rho 1, leverage limit lam_max; insolvency is leverage 1000."""

    names = ("gamma", "alpha", "lam_t", "headroom", "kappa", "tau")

    @staticmethod
    def draw(g):
        while True:
            p = (g.uniform(0.02, 0.45), g.uniform(0.1, 0.4), g.uniform(3.0, 8.0), g.uniform(1.2, 1.6), g.uniform(2.0, 8.0),
                 math.exp(g.uniform(math.log(0.02), math.log(0.2))))
            f, y = Canonical.field(p), [0.0, p[2], 0.0]
            for _ in range(60):  # Newton's method from the target
                j = Canonical.jacobian(f, y)
                y = list(np.array(y) - np.linalg.solve(j, f(0, y)))
            if max(np.linalg.eigvals(j).real) < -20.0 / HORIZON and max(map(abs, f(0, y))) < 1e-9 and y[1] > 1:
                return p

    @staticmethod
    def start(p, shock):
        return [-shock, 1.0 / (1.0 - (1.0 - 1.0 / p[2]) * math.exp(shock)), 0.0]

    @staticmethod
    def field(p):
        gamma, alpha, target, headroom, kappa, tau = p
        limit, s = headroom * target, 0.02

        def f(t, y):
            x, lam, ell = y
            q = x + gamma * ell
            z = (lam / limit - 1.0) / s
            soft = z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))
            return -q, lam * ((lam - 1.0) * q - ell) + alpha * lam * (1.0 - lam / target), (kappa * s * soft - ell) / tau

        return f

    @staticmethod
    def largest(p):
        return -math.log(1.0 - 1.0 / p[2])

    @staticmethod
    def jacobian(f, y):
        columns = [[a + 1e-7 * (k == i) for k, a in enumerate(y)] for i in range(3)]
        return (np.array([f(0, column) for column in columns]).T - np.array(f(0, y))[:, None]) / 1e-7

    @staticmethod
    def cascades(p, shock, rtol):
        f = Canonical.field(p)

        def level(t, y):
            return y[1] - 1000.0

        def settled(t, y):
            return max(map(abs, f(t, y))) - 1e-7

        level.terminal = settled.terminal = True
        run = solve_ivp(f, (0.0, HORIZON), Canonical.start(p, shock), method="DOP853", rtol=rtol, atol=rtol * 1e-2,
                        events=(level, settled))
        return bool(run.t_events[0].size) or run.status < 0


def threshold(model, p):
    """The threshold; None where only a shock that leaves no equity at once does it."""
    low, high = 0.0, model.largest(p)
    if not model.cascades(p, high - 1e-4, 1e-9):
        return None
    for width, rtol in ((1e-5, 1e-9), (1e-9, 1e-12)):
        while high - low > width:
            middle = (low + high) / 2.0
            low, high = (low, middle) if model.cascades(p, middle, rtol) else (middle, high)
        if width > 1e-9:
            low, high = low - 2 * width, high + 2 * width
    return (low + high) / 2.0


def main():
    with PLACE.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for name, model in (("core", Core), ("canonical", Canonical)):
            for child in np.random.SeedSequence([SEED, len(name)]).spawn(SETS):
                generator, found = np.random.default_rng(child), None
                while found is None:
                    p = model.draw(generator)
                    found = threshold(model, p)
                out.writerow([name, *(repr(float(v)) for v in p), repr(found)])
                file.flush()


if __name__ == "__main__":
    sys.exit(main())
