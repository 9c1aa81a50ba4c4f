"""This package, compiled code, one thread; the extremes of two states are followed as well, inside the steps too."""

import llvmlite
from jobs import ENDED, EVENT, FAILED, Model, Solve, serve
from sympy import Max, Symbol

import dynamics
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows
from dynamics.expressions.functions import softplus

STATES = tuple(Symbol(n) for n in ("x", "y", "z"))


def make(model: Model, tolerance: float) -> Solve:
    p = tuple(Symbol(f"p{k}") for k in range(len(model.parameters)))
    field = model.field(STATES, p, lambda z: Max(0, z), lambda z: softplus(z, 1))
    problem = FlowProblem(STATES, p, field, (STATES[1] - model.level,), (model.sign,), (True,), running=STATES[:2])

    def solve(y, values, duration):
        run = integrate_flows(problem, y, values, duration, relative_tolerance=tolerance,
                              absolute_tolerance=1e-3 * tolerance)
        outcome = [ENDED if s == 0 else EVENT if s == 1 else FAILED for s in run.status.tolist()]
        return outcome, run.final_state

    return solve


if __name__ == "__main__":
    serve(make, {"dynamics": dynamics.__version__, "llvmlite": llvmlite.__version__})
