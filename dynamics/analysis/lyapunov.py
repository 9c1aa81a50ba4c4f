"""Lyapunov exponents of flows and maps: exact variational equations, repeated orthogonalization, error bars.

Many trajectories run side by side from states that differ a little; chaos makes them independent during the transient,
so the scatter of their averages measures the statistical error.
"""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.collapsed_orbits import collapsed
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.tangent_frames import TangentFrames
from dynamics.analysis.treatability import treat
from dynamics.analysis.work_budget import check_numbers
from dynamics.compiled.functions import functions_of
from dynamics.errors import DerivationError, IntegrationError
from dynamics.results import provenance
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BLOCKS", "SEPARATED", "lyapunov_exponents", "mean_and_error"]

Array = NDArray[np.float64]
SEPARATED = 15.0  # stretching, as a logarithm, after which neighbours have lost each other
BLOCKS = 20
COLLAPSED = ("an orbit landed exactly on an unstable cycle at step {}: only rounding keeps it there, so the exponents are "
             "those of the steps before")
DEFAULT_DURATION = {"continuous": 200.0, "discrete": 2000.0}


def lyapunov_exponents(system: System, duration: float | None = None, *, count: int | None = None,
                       initial_state: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None,
                       transient: float | None = None, trajectories: int = 128, relative_tolerance: float = 1e-7,
                       absolute_tolerance: float = 1e-9, seed: int = 0,
                       ignore: str | Sequence[str] = ()) -> xr.Dataset:
    """lyapunov_exponents(system, duration=200): mean exponential rates of separation, with standard errors.

    Parameters
    ----------
    system : System
        Autonomous flow or map, without indices.
    duration : float, optional
        Of each trajectory, in time units (flows) or steps (maps). None: 200 time units, 2000 steps.
    count : int, optional
        Number of exponents, the largest ones; None: all.
    initial_state : mapping of str to float, optional
        Replaces declared initial values by name.
    parameters : mapping of str to float, optional
        Replaces parameter values by name.
    transient : float, optional
        Left out at the start; None: a quarter of ``duration``. Prolonged where the trajectories are still close together.
    trajectories : int
        Averaged over, at least 2.
    relative_tolerance, absolute_tolerance : float
        Of the steps of flows.
    seed : int
        Of the small differences between initial states.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    xarray.Dataset
        Dim ``mode``: ``exponent``, descending, in 1/time unit (1/step); ``standard_error``: from the scatter between
        trajectories, and not less than half the drift between the first and the second half. Dims ``block``, ``mode``:
        ``block_exponent``, averages of twenty successive parts. attrs: ``kaplan_yorke_dimension``, ``sum``; ``status`` is
        precision_lost where orbits of a map landed exactly on an unstable cycle: then the steps before are measured.

    Raises
    ------
    SpecificationError
        For options out of range, and for noise, jumps and resets, which change the exponents.
    DerivationError
        For systems with indices, or that depend on time.
    IntegrationError
        When a trajectory diverges, begins beyond a terminal event or is ended by one, or steps become too small.

    Notes
    -----
    Derivatives are exact. Where the field itself jumps (not only its slope) the variational equations would need saltation
    matrices, which this function does not apply. The standard error is statistical; for flows the error of the steps, a
    relative tolerance in each of them (up to a hundred without compiled code), comes on top.

    References
    ----------
    Benettin, G., Galgani, L., Giorgilli, A. and Strelcyn, J.-M. (1980), Meccanica 15, 9, DOI 10.1007/BF02128236.

    Examples
    --------
    >>> import dynamics as dy
    >>> logistic = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 4},
    ...                      equations={"x": "r*x*(1 - x)"})
    >>> abs(float(dy.lyapunov_exponents(logistic)["exponent"][0]) - 0.693147) < 0.002
    True
    """
    started = _time.perf_counter()
    needs_equations(system, "lyapunov_exponents")
    treated = treat(system, "lyapunov_exponents", ignore)
    system = treated.system
    if system.indices:
        raise DerivationError("lyapunov_exponents needs a System without indices; use system.expand()")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time; make time a state to compute its exponents")
    system = arguments.replaced(system, parameters)
    size = len(system.states)
    count = size if count is None else arguments.whole(count, "count", 1, size)
    duration = DEFAULT_DURATION[system.time] if duration is None else arguments.positive(duration, "duration")
    transient = duration / 4 if transient is None else arguments.number(transient, "transient", 0)
    trajectories = arguments.whole(trajectories, "trajectories", 2)
    seed = arguments.seed_of(seed)
    relative_tolerance = arguments.positive(relative_tolerance, "relative_tolerance")
    absolute_tolerance = arguments.positive(absolute_tolerance, "absolute_tolerance")
    check_numbers(trajectories * size * (1 + count), f"{trajectories} trajectories with {count} directions each",
                  "take fewer trajectories")
    _refuse_what_ends(system, initial_state, transient + duration)
    frames = TangentFrames(system, count, trajectories, initial_state, seed, relative_tolerance, absolute_tolerance)
    start = frames.states
    frames.advance(transient)
    rate = float(np.mean(frames.logarithms[0])) / transient if transient > 0 else 0.0
    if (needed := min(2 * duration, SEPARATED / rate - transient) if rate > 0 else 0.0) > 0:
        # while the trajectories are still close to each other their scatter says nothing
        frames.advance(needed)
    blocks = np.empty((BLOCKS, count, trajectories))
    for block in range(BLOCKS):
        lengths = frames.advance(duration / BLOCKS)
        blocks[block] = frames.logarithms / lengths
    landed = _landed(system, frames, start)
    if landed:
        frames = TangentFrames(system, count, trajectories, initial_state, seed, relative_tolerance, absolute_tolerance)
        blocks = _until(frames, landed, count, trajectories)
    exponents, errors, means = mean_and_error(blocks)
    order = np.argsort(-exponents, kind="stable")
    return _dataset(system, exponents[order], errors[order], means[:, order], {
        "status": "precision_lost" if landed else "completed",
        "message": COLLAPSED.format(landed) if landed else None,
        "method": frames.method, "ignored": treated.ignored,
        "duration": duration, "transient": transient, "trajectories": trajectories, "seed": seed,
        "relative_tolerance": relative_tolerance, "absolute_tolerance": absolute_tolerance,
        "wall_time_s": _time.perf_counter() - started})


def _refuse_what_ends(system: System, initial_state: Mapping[str, Any] | None, duration: float) -> None:
    """A trajectory that a terminal event ends has no average over a long time."""
    from dynamics.analysis.ensembles import Ensemble

    if system.time != "continuous" or not any(event.terminal for event in system.events.values()):
        return
    functions = functions_of(system)
    state = dict(zip(functions.names, functions.initial_state(system, initial_state).tolist(), strict=True))
    outcome = Ensemble(system, {}, 1, state, derive=False).run(event=None, duration=duration, settle=False)
    if outcome.first_event[0] < 0:
        return
    name, time = list(system.events)[outcome.first_event[0]], float(outcome.final_time[0])
    how = "begins beyond" if outcome.at_once[0] else f"is ended at time {time:.6g} by"
    raise IntegrationError(f"lyapunov_exponents: the trajectory {how} the event '{name}', so it has no average over a long "
                           "time; give another initial_state, or a system without the event")


def _landed(system: System, frames: TangentFrames, start: Array) -> int:
    """First step at which an orbit of a map landed exactly on an unstable cycle; 0: none did."""
    if system.time != "discrete":
        return 0
    p = np.repeat(frames.p, frames.lanes, axis=1)
    steps = collapsed(system, p, start, frames.states, frames.steps, np.arange(frames.lanes))
    return int(steps[steps > 0].min(initial=frames.steps + 1)) % (frames.steps + 1)


def _until(frames: TangentFrames, end: int, count: int, trajectories: int) -> Array:
    """Rates of stretching in blocks before a step, the first quarter left out."""
    first = end // 4
    number = min(BLOCKS, max((end - first) // 2, 1))
    frames.advance(first)
    blocks = np.full((2 * max(number // 2, 1), count, trajectories), np.nan)
    length = (end - first) // len(blocks)
    for block in range(len(blocks) if length else 0):
        lengths = frames.advance(length)
        blocks[block] = frames.logarithms / lengths
    return blocks


def mean_and_error(blocks: Array) -> tuple[Array, Array, Array]:
    """Average rates of stretching over successive blocks and trajectories, and how far they may be off.

    Parameters
    ----------
    blocks : ndarray, shape (blocks, n, trajectories)

    Returns
    -------
    mean, error : ndarray, shape (n,)
        The error comes from the scatter between trajectories, and is not less than half the drift between the first and
        the second half.
    block_means : ndarray, shape (blocks, n)
    """
    means, half = blocks.mean(axis=0), len(blocks) // 2
    # each one's numbers side by side: else the order of summation, and the last digit, depended on how many there are
    block_means = np.ascontiguousarray(blocks.mean(axis=2).T)
    scatter = means.std(axis=1, ddof=1) / np.sqrt(means.shape[1])
    drift = np.abs(block_means[:, :half].mean(axis=1) - block_means[:, half:].mean(axis=1)) / 2
    return means.mean(axis=1), np.maximum(scatter, drift), block_means.T


def _dataset(system: System, exponents: Array, errors: Array, blocks: Array, attributes: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    unit = f"1/{system.time_unit}" if system.time == "continuous" and system.time_unit != "1" else "1"
    found = provenance("lyapunov_exponents", system, kaplan_yorke_dimension=_dimension(exponents),
                       sum=float(exponents.sum()), **attributes)
    described = {"units": unit, "long_name": "Lyapunov exponent"}
    return xr.Dataset({"exponent": ("mode", exponents, described),
                       "standard_error": ("mode", errors, {"units": unit}),
                       "block_exponent": (("block", "mode"), blocks, described)}, attrs=found)


def _dimension(exponents: Array) -> float:
    """Kaplan-Yorke dimension; 0 where the largest exponent is negative."""
    sums = np.cumsum(exponents)
    inside = int(np.sum(np.cumprod(sums >= 0)))
    if inside == 0 or inside == len(exponents):
        return float(inside)
    return inside + float(sums[inside - 1] / abs(exponents[inside]))
