"""diffrax Tsit5 over ``vmap``, in batches of 256 trajectories, 64-bit numbers, one thread."""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jobs import ENDED, EVENT, Model, Solve, serve

jax.config.update("jax_enable_x64", True)
BATCH = 256


def make(model: Model, tolerance: float) -> Solve:
    def field(t, y, p):
        return jnp.stack(model.field(y, p, lambda z: jnp.maximum(z, 0.0), jax.nn.softplus))

    term, method = diffrax.ODETerm(field), diffrax.Tsit5()
    control = diffrax.PIDController(rtol=tolerance, atol=1e-3 * tolerance, dtmin=1e-13, force_dtmin=True)
    event = diffrax.Event(lambda t, y, args, **more: model.sign * (y[1] - model.level) > 0)

    def one(y, p, duration):
        run = diffrax.diffeqsolve(term, method, 0.0, duration, None, y, args=p, stepsize_controller=control, event=event,
                                  max_steps=100_000, throw=False, saveat=diffrax.SaveAt(t1=True),
                                  adjoint=diffrax.ForwardMode())
        return run.event_mask, run.ys[-1]

    batch = jax.jit(jax.vmap(one, in_axes=(1, 1, None)))

    def solve(y, values, duration):
        outcome, final = np.empty(y.shape[1], int), np.empty(y.shape)
        for first in range(0, y.shape[1], BATCH):
            last = min(first + BATCH, y.shape[1])
            chosen = np.minimum(np.arange(first, first + BATCH), last - 1)
            happened, states = jax.block_until_ready(batch(y[:, chosen], values[:, chosen], duration))
            outcome[first:last] = np.where(np.asarray(happened), EVENT, ENDED)[:last - first]
            final[:, first:last] = np.asarray(states).T[:, :last - first]
        return outcome, final

    return solve


if __name__ == "__main__":
    serve(make, {"diffrax": diffrax.__version__, "jax": jax.__version__})
