"""Lyapunov exponents of flows and maps: exact variational equations, repeated orthogonalization, error bars.

Many trajectories run side by side from states that differ a little; chaos makes them independent during the transient,
so the scatter of their averages measures the statistical error.
"""

from __future__ import annotations

import time as _time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.linearization import needs_equations
from dynamics.compiled.functions import functions_of
from dynamics.errors import DerivationError, IntegrationError, SpecificationError
from dynamics.results import provenance
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["APART", "BLOCKS", "SEPARATED", "lyapunov_exponents", "mean_and_error"]

Array = NDArray[np.float64]
APART = 1e-4  # relative distance of the initial states
SEPARATED = 15.0  # stretching, as a logarithm, after which neighbours have lost each other
BLOCKS = 20
MOST_STEPS = 2_000_000
GROWTH = 1e4  # frames are orthogonalized before they stretch by more than this
DEFAULT_DURATION = {"continuous": 200.0, "discrete": 2000.0}
# Dormand and Prince (1980), order 5 with an estimate of order 4; DOI 10.1016/0771-050X(80)90013-3
_NODES = ((1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9),
          (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
          (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
          (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84))
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def lyapunov_exponents(system: System, duration: float | None = None, *, count: int | None = None,
                       initial_state: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None,
                       transient: float | None = None, trajectories: int = 128, relative_tolerance: float = 1e-7,
                       absolute_tolerance: float = 1e-9, seed: int = 0) -> xr.Dataset:
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

    Returns
    -------
    xarray.Dataset
        Dim ``mode``: ``exponent``, descending, in 1/time unit (1/step); ``standard_error``: from the scatter between
        trajectories, and not less than half the drift between the first and the second half. Dims ``block``, ``mode``:
        ``block_exponent``, averages of twenty successive parts. attrs: ``kaplan_yorke_dimension``, ``sum``.

    Raises
    ------
    SpecificationError
        For options out of range.
    DerivationError
        For systems with indices, or that depend on time.
    IntegrationError
        When a trajectory diverges or steps become too small.

    Notes
    -----
    Derivatives are exact. Where the field itself jumps (not only its slope) the variational equations would need saltation
    matrices, which this function does not apply. The standard error is statistical; for flows the error of the steps, up to
    a hundred relative tolerances in each of them, comes on top.

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
    if system.indices:
        raise DerivationError("lyapunov_exponents needs a System without indices; use system.expand()")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time; make time a state to compute its exponents")
    if parameters:
        system = system.with_parameters(parameters)
    size = len(system.states)
    count = size if count is None else count
    duration = DEFAULT_DURATION[system.time] if duration is None else float(duration)
    transient = duration / 4 if transient is None else float(transient)
    if not 1 <= count <= size:
        raise SpecificationError(f"count must lie between 1 and {size}, not {count!r}")
    if not (duration > 0 and np.isfinite(duration) and transient >= 0) or trajectories < 2:
        raise SpecificationError("duration must be positive, transient at least 0, trajectories at least 2")
    frames = _Frames(system, count, trajectories, initial_state, seed, relative_tolerance, absolute_tolerance)
    frames.advance(transient)
    rate = float(np.mean(frames.logarithms[0])) / transient if transient > 0 else 0.0
    if (needed := min(2 * duration, SEPARATED / rate - transient) if rate > 0 else 0.0) > 0:
        # while the trajectories are still close to each other their scatter says nothing
        frames.advance(needed)
    blocks = np.empty((BLOCKS, count, trajectories))
    for block in range(BLOCKS):
        lengths = frames.advance(duration / BLOCKS)
        blocks[block] = frames.logarithms / lengths
    exponents, errors, means = mean_and_error(blocks)
    order = np.argsort(-exponents, kind="stable")
    return _dataset(system, exponents[order], errors[order], means[:, order], {
        "method": "Dormand-Prince 5(4), Gram-Schmidt" if system.time == "continuous" else "iteration, Gram-Schmidt",
        "duration": duration, "transient": transient, "trajectories": trajectories, "seed": seed,
        "relative_tolerance": relative_tolerance, "absolute_tolerance": absolute_tolerance,
        "wall_time_s": _time.perf_counter() - started})


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
    means, block_means = blocks.mean(axis=0), blocks.mean(axis=2)
    scatter = means.std(axis=1, ddof=1) / np.sqrt(means.shape[1])
    half = len(blocks) // 2
    drift = np.abs(block_means[:half].mean(axis=0) - block_means[half:].mean(axis=0)) / 2
    return means.mean(axis=1), np.maximum(scatter, drift), block_means


def _dataset(system: System, exponents: Array, errors: Array, blocks: Array, attributes: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    unit = f"1/{system.time_unit}" if system.time == "continuous" and system.time_unit != "1" else "1"
    found = provenance("lyapunov_exponents", system, status="completed", kaplan_yorke_dimension=_dimension(exponents),
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


class _Frames:
    """Trajectories side by side, each with a frame of orthonormal directions."""

    def __init__(self, system: System, count: int, lanes: int, initial_state: Mapping[str, Any] | None, seed: int,
                 relative: float, absolute: float) -> None:
        functions = functions_of(system)
        start = functions.initial_state(system, initial_state)
        generator = np.random.default_rng(np.random.SeedSequence(seed))
        apart = APART * np.where(start != 0, np.abs(start), max(float(np.abs(start).max()), 1.0))
        self.n, self.count, self.lanes = len(start), count, lanes
        self.states = start[:, None] + apart[:, None] * generator.uniform(-1, 1, (self.n, lanes))
        frame = np.linalg.qr(generator.normal(size=(self.n, count)))[0]
        self.frame: Array = np.repeat(frame[:, :, None], lanes, axis=2)
        self.p = np.array(functions.parameters(system), dtype=float)[:, None]
        self.field, self.jacobian = functions.lane_field, functions.lane_jacobian
        self.relative, self.absolute = relative, absolute
        self.discrete, self.name = system.time == "discrete", system.name
        self.step = 1e-3
        self.logarithms = np.zeros((count, lanes))

    def advance(self, duration: float) -> float:
        """Go on for a time; ``logarithms`` are then those of the stretching over it. Return the time."""
        self.logarithms = np.zeros((self.count, self.lanes))
        if self.discrete:
            steps = max(1, round(duration)) if duration > 0 else 0
            for _ in range(steps):
                slopes = self.jacobian(0.0, self.states, self.p)  # type: ignore[arg-type]
                self.states = self.field(0.0, self.states, self.p)  # type: ignore[arg-type]
                self.frame = np.einsum("abl,bkl->akl", slopes, self.frame)
                self._orthogonalize()
            self._check()
            return float(max(steps, 1))
        self._flow(duration)
        self._orthogonalize()
        return duration if duration > 0 else 1.0

    def _rates(self, states: Array, frame: Array) -> tuple[Array, Array]:
        slopes = self.jacobian(0.0, states, self.p)  # type: ignore[arg-type]
        return (self.field(0.0, states, self.p),  # type: ignore[arg-type]
                np.einsum("abl,bkl->akl", slopes, frame))

    def _flow(self, duration: float) -> None:
        time, steps, done = 0.0, 0, duration <= 0
        rates = self._rates(self.states, self.frame)
        while not done:
            step = min(self.step, duration - time)
            done = step >= duration - time
            stages = [rates]
            for row in _NODES:
                stages.append(self._rates(_moved(self.states, step, row, [s for s, _ in stages]),
                                          _moved(self.frame, step, row, [f for _, f in stages])))
            states = _moved(self.states, step, _NODES[-1], [s for s, _ in stages])
            with np.errstate(all="ignore"):
                scale = self.absolute + self.relative * np.maximum(np.abs(self.states), np.abs(states))
                wrong = step * sum(e * s for e, (s, _) in zip(_ERROR, stages, strict=True) if e)
                error = float(np.max(np.abs(wrong) / scale))
                bent = step * sum(e * f for e, (_, f) in zip(_ERROR, stages, strict=True) if e)
                error = max(error, float(np.max(np.abs(bent))) / (100 * self.relative))
            factor = min(4.0, max(0.2, 0.9 * error**-0.2)) if error > 0 and np.isfinite(error) else 0.2
            if not error <= 1:
                done = False
                self.step = step * min(factor, 0.9)
                if self.step < 1e-14 * max(duration, 1.0):
                    raise IntegrationError(f"lyapunov_exponents: steps of '{self.name}' become too small; "
                                           "a trajectory diverges or the system is too stiff for this method")
                continue
            self.frame = _moved(self.frame, step, _NODES[-1], [f for _, f in stages])
            self.states, rates = states, stages[-1]
            time, steps = time + step, steps + 1
            if not done or step == self.step:
                self.step = step * factor
            if float(np.max(np.abs(self.frame))) > GROWTH or steps % 8 == 0:
                self._orthogonalize()
                rates = self._rates(self.states, self.frame)
            if steps > MOST_STEPS:
                raise IntegrationError(f"lyapunov_exponents: more than {MOST_STEPS} steps; shorten duration")
        self._check()

    def _check(self) -> None:
        if not (np.all(np.isfinite(self.states)) and np.all(np.isfinite(self.logarithms))):
            raise IntegrationError(f"lyapunov_exponents: a trajectory of '{self.name}' diverged, or a direction "
                                   "was contracted to nothing; start inside the basin of the attractor")

    def _orthogonalize(self) -> None:
        """Modified Gram-Schmidt in every lane; the logarithms of the lengths add up."""
        frame = self.frame
        with np.errstate(all="ignore"):
            for k in range(self.count):
                for earlier in range(k):
                    frame[:, k] -= np.sum(frame[:, earlier] * frame[:, k], axis=0) * frame[:, earlier]
                length = np.sqrt(np.sum(frame[:, k] ** 2, axis=0))
                self.logarithms[k] += np.log(length)
                frame[:, k] /= length


def _moved(start: Array, step: float, weights: tuple[float, ...], rates: list[Array]) -> Array:
    total = start.copy()
    for weight, rate in zip(weights, rates, strict=False):
        if weight:
            total += (step * weight) * rate
    return total
