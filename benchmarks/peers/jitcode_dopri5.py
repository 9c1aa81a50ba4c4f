"""JiTCODE with dopri5; it has no events, so insolvency is looked for at every unit of time."""

import contextlib
import importlib.metadata
import io
import warnings

import numpy as np
import symengine
from jitcode import jitcode
from jitcode import y as state
from jobs import ENDED, EVENT, Model, Solve, serve

warnings.filterwarnings("ignore")


def size(z):
    return symengine.sqrt(z * z)


def positive(z):
    return (z + size(z)) / 2


def softplus(z):
    return positive(z) + symengine.log(1 + symengine.exp(-size(z)))


def make(model: Model, tolerance: float) -> Solve:
    p = [symengine.Symbol(f"p{k}") for k in range(len(model.parameters))]
    states = [state(k) for k in range(3)]
    with contextlib.redirect_stdout(io.StringIO()):
        field = dict(zip(states, model.field(states, p, positive, softplus), strict=True))
        ode = jitcode(field, control_pars=p, verbose=False)
        ode.generate_f_C(simplify=False)
        ode.compile_C()
        ode.set_integrator("dopri5", rtol=tolerance, atol=1e-3 * tolerance, nsteps=10**6)

    def solve(y, values, duration):
        outcome, final = np.empty(y.shape[1], int), np.empty(y.shape)
        for k in range(y.shape[1]):
            ode.set_parameters(*values[:, k])
            ode.set_initial_value(y[:, k], 0.0)
            how, now = ENDED, y[:, k]
            try:
                for time in np.linspace(0.0, duration, max(1, round(duration)) + 1)[1:]:
                    now = ode.integrate(time)
                    if not (model.sign * (now[1] - model.level) < 0.0):
                        how = EVENT
                        break
            except Exception:  # a blow-up ends in a failed step
                how = EVENT
            outcome[k], final[:, k] = how, now
        return outcome, final

    return solve


if __name__ == "__main__":
    serve(make, {"jitcode": importlib.metadata.version("jitcode")})
