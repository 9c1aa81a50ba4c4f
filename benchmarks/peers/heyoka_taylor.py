"""heyoka, Taylor series; the argument is how many trajectories share a vector (1: its scalar integrator)."""

import functools
import sys

import heyoka as hy
import numpy as np
from jobs import ENDED, EVENT, FAILED, Model, Solve, serve


def positive(z):
    return hy.relu(z)


def softplus(z):
    return hy.relu(z) + hy.log(1.0 + hy.exp(-1.0 * (hy.relu(z) + hy.relu(-1.0 * z))))


def make(size: int, model: Model, tolerance: float) -> Solve:
    states = hy.make_vars("x", "y", "z")
    p = [hy.par[k] for k in range(len(model.parameters))]
    field = list(zip(states, model.field(states, p, positive, softplus), strict=True))
    direction = hy.event_direction.positive if model.sign > 0 else hy.event_direction.negative
    if size == 1:
        one = hy.taylor_adaptive(field, [0.1] * 3, pars=[0.1] * len(p), tol=tolerance,
                                 t_events=[hy.t_event(states[1] - model.level, direction=direction)])
        return functools.partial(scalar, one)
    many = hy.taylor_adaptive_batch(field, np.full((3, size), 0.1), pars=np.full((len(p), size), 0.1), tol=tolerance,
                                    t_events=[hy.t_event_batch(states[1] - model.level, direction=direction)])
    return functools.partial(batches, many, size)


def scalar(one, y, values, duration):
    outcome, final = np.empty(y.shape[1], int), np.empty(y.shape)
    for k in range(y.shape[1]):
        one.time, one.state[:], one.pars[:] = 0.0, y[:, k], values[:, k]
        one.reset_cooldowns()
        how = one.propagate_until(duration)[0]
        outcome[k] = ENDED if how == hy.taylor_outcome.time_limit else EVENT if int(how) == -1 else FAILED
        final[:, k] = one.state
    return outcome, final


def batches(many, size, y, values, duration):
    outcome, final = np.zeros(y.shape[1], int), np.empty(y.shape)
    for first in range(0, y.shape[1], size):
        last = min(first + size, y.shape[1])
        # a batch that is not full repeats its last trajectory
        chosen = np.minimum(np.arange(first, first + size), last - 1)
        many.set_time(0.0)
        many.state[:], many.pars[:] = y[:, chosen], values[:, chosen]
        many.reset_cooldowns()
        goal, how = np.full(size, duration), np.zeros(size, int)
        while True:
            many.propagate_until(goal)
            codes = [int(r[0]) for r in many.propagate_res]
            stopped = [j for j in range(size) if codes[j] == -1]
            for j in stopped:  # an event of one interrupts all; the others go on
                how[j], goal[j] = EVENT, many.time[j]
            if not stopped:
                break
        outcome[first:last], final[:, first:last] = how[:last - first], many.state[:, :last - first]
    return outcome, final


if __name__ == "__main__":
    serve(functools.partial(make, int(sys.argv[1])), {"heyoka": hy.__version__})
