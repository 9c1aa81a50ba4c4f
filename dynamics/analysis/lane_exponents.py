"""Largest Lyapunov exponents of flows at many parameter sets at once: a direction is carried along every trajectory.

Instead of a tangent vector that grows without bounds and is shortened now and then, its direction and the logarithm of its
length are integrated; so step size control watches both, and compiled code runs whole averages without a break.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.ensemble_runs import EnsembleRun, Lanes, ensemble_run
from dynamics.analysis.lyapunov import BLOCKS, SEPARATED, mean_and_error
from dynamics.analysis.tangent_frames import distances, within
from dynamics.results import STATUS
from dynamics.systems import System

__all__ = ["TRAJECTORIES", "LaneExponents", "lane_exponents"]

Array = NDArray[np.float64]
TRAJECTORIES = 16
MOST_LANES = 65_536   # integrated at once


@dataclass(frozen=True)
class LaneExponents:
    """The largest exponent of each cell.

    Attributes
    ----------
    value, standard_error : ndarray, shape (cells,)
        nan where a trajectory ended early.
    status : ndarray of int, shape (cells,)
        Codes of ``dynamics.results.STATUS``: completed, or how the first trajectory that did not last ended.
    """

    value: Array
    standard_error: Array
    status: NDArray[np.int64]


def lane_exponents(system: System, options: Lanes, discard: float, *, trajectories: int = TRAJECTORIES, seed: int = 0
                   ) -> LaneExponents:
    """Return the largest Lyapunov exponent of each cell, averaged over trajectories from states that differ a little.

    Parameters
    ----------
    system : System
        Autonomous flow with scalar states. Its events are not watched.
    options : Lanes
        A lane for each cell; ``duration`` is what is averaged over.
    discard : float
        Time left out at the start, prolonged where the trajectories of a cell are still close together.
    trajectories : int
        Of each cell.
    seed : int
        Of the differences between initial states, and of the directions; the same ones in every cell.

    Returns
    -------
    LaneExponents

    See Also
    --------
    dynamics.lyapunov_exponents : several exponents of one system, over more trajectories.

    Examples
    --------
    >>> import numpy as np
    >>> import dynamics as dy
    >>> from dynamics.analysis.ensemble_runs import Lanes
    >>> system = dy.System(name="s", states={"x": 1}, parameters={"a": 1}, equations={"x": "-a*x"})
    >>> none = np.empty((0, 2))
    >>> cells = Lanes(np.ones((1, 2)), np.array([[1.0, 2.0]]), none, none, np.full(2, 10.0), 1e-6, 1e-9)
    >>> lane_exponents(system, cells, 5.0).value.round(6).tolist()
    [-1.0, -2.0]
    """
    run = ensemble_run(system, (), None, None, False, False, True)
    cells = options.state.shape[1]
    found = LaneExponents(np.full(cells, np.nan), np.full(cells, np.nan), np.full(cells, STATUS["completed"]))
    at_once = max(1, MOST_LANES // trajectories)
    for first in range(0, cells, at_once):
        part = slice(first, min(first + at_once, cells))
        some = replace(options, state=options.state[:, part], parameters=options.parameters[:, part],
                       low=options.low[:, part], high=options.high[:, part], duration=options.duration[part])
        found.value[part], found.standard_error[part], found.status[part] = _some(run, some, discard, trajectories, seed)
    return found


def _some(run: EnsembleRun, options: Lanes, discard: float, trajectories: int, seed: int
          ) -> tuple[Array, Array, NDArray[np.int64]]:
    bundle = _Bundle(run, options, trajectories, seed)
    stretched = bundle.advance(np.full(bundle.cells, discard))
    rate = stretched.mean(axis=1) / discard if discard > 0 else np.zeros(bundle.cells)
    # while the trajectories are still close to each other their scatter says nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(rate > 0, np.minimum(2 * options.duration, SEPARATED / rate - discard), 0.0)
    # also where nobody needs it: directions are normalized, and a cell must not depend on those beside it
    bundle.advance(np.maximum(needed, 0.0))
    length = options.duration / BLOCKS
    blocks = np.stack([bundle.advance(length) / length[:, None] for _ in range(BLOCKS)])
    value, error, _ = mean_and_error(blocks)
    lasted = bundle.status == STATUS["completed"]
    return np.where(lasted, value, np.nan), np.where(lasted, error, np.nan), bundle.status


class _Bundle:
    """The trajectories of all cells, side by side: state, direction, logarithm of the length."""

    def __init__(self, run: EnsembleRun, options: Lanes, trajectories: int, seed: int) -> None:
        size, cells = options.state.shape
        self.run, self.cells, self.count = run, cells, trajectories
        generator = np.random.default_rng(np.random.SeedSequence(seed))
        around = generator.uniform(-1, 1, (size, 1, trajectories))
        direction = generator.normal(size=(size, 1, trajectories))
        start = options.state
        rows = np.empty((2 * size + 1, cells, trajectories))
        rows[:size] = within(run.system, start[:, :, None] + distances(start)[:, :, None] * around)
        rows[size:2 * size] = direction
        self.rows, self.size = rows.reshape(2 * size + 1, -1), size
        self.options = replace(options, parameters=np.repeat(options.parameters, trajectories, axis=1),
                               low=np.repeat(options.low, trajectories, axis=1),
                               high=np.repeat(options.high, trajectories, axis=1), progress=None)
        self.status = np.full(cells, STATUS["completed"])

    def advance(self, duration: Array) -> Array:
        """Go on for a time of each cell; return the logarithms of the stretching, shape (cells, trajectories)."""
        direction = self.rows[self.size:-1]
        self.rows[self.size:-1] = direction / np.sqrt(np.sum(direction**2, axis=0))
        self.rows[-1] = 0.0
        going = np.repeat(self.status == STATUS["completed"], self.count)
        lanes = replace(self.options, state=self.rows, duration=np.where(going, np.repeat(duration, self.count), 0.0))
        result = self.run.run(lanes)
        self.rows = np.asarray(result.final_state)
        ended = result.status.reshape(self.cells, self.count).astype(np.int64)
        broken = (ended != STATUS["completed"]).any(axis=1) & (self.status == STATUS["completed"])
        first = np.take_along_axis(ended, np.argmax(ended != STATUS["completed"], axis=1)[:, None], axis=1)[:, 0]
        self.status = np.where(broken, first, self.status)
        return self.rows[-1].reshape(self.cells, self.count)
