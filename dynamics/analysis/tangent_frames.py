"""Many trajectories side by side, each with a frame of orthonormal directions that is turned and stretched along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.compiled_frames import CompiledFrames, compiled_frames
from dynamics.analysis.work_budget import Work
from dynamics.compiled.functions import functions_of
from dynamics.errors import IntegrationError
from dynamics.systems import System

__all__ = ["TangentFrames", "distances", "within"]

Array = NDArray[np.float64]
APART = 1e-4  # relative distance of the initial states
MOST_STEPS = 2_000_000
UNEVEN = 10.0  # logarithm of the ratio of stretching at which compiled frames are orthogonalized
GROWTH = 1e4  # frames are orthogonalized before they stretch by more than this
# Dormand and Prince (1980), order 5 with an estimate of order 4; DOI 10.1016/0771-050X(80)90013-3
_NODES = ((1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9),
          (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
          (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
          (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84))
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def distances(start: Array) -> Array:
    """How far initial states lie apart: a part of each state, and nothing where it is zero, unless all are.

    Parameters
    ----------
    start : ndarray, shape (n, ...)
    """
    size = np.abs(start)
    return APART * np.where(size.max(axis=0) > 0, size, 1.0)


def within(system: System, states: Array) -> Array:
    """States of shape (n, ...) put back inside their bounds: a negative variance has no field."""
    bounds = [part.bounds for part in system.states.values()]
    low = np.array([-np.inf if b[0] is None else float(b[0]) for b in bounds])
    high = np.array([np.inf if b[1] is None else float(b[1]) for b in bounds])
    shape = (-1,) + (1,) * (states.ndim - 1)
    return np.clip(states, low.reshape(shape), high.reshape(shape))


class TangentFrames:
    """Trajectories side by side, each with a frame of orthonormal directions."""

    def __init__(self, system: System, count: int, lanes: int, initial_state: Mapping[str, Any] | None, seed: int,
                 relative: float, absolute: float) -> None:
        functions = functions_of(system)
        start = functions.initial_state(system, initial_state)
        generator = np.random.default_rng(np.random.SeedSequence(seed))
        apart = distances(start)
        self.n, self.count, self.lanes = len(start), count, lanes
        self.states = within(system, start[:, None] + apart[:, None] * generator.uniform(-1, 1, (self.n, lanes)))
        frame = np.linalg.qr(generator.normal(size=(self.n, count)))[0]
        self.frame: Array = np.repeat(frame[:, :, None], lanes, axis=2)
        self.p = np.array(functions.parameters(system), dtype=float)[:, None]
        self.field, self.jacobian = functions.lane_field, functions.lane_jacobian
        self.relative, self.absolute = relative, absolute
        self.discrete, self.name = system.time == "discrete", system.name
        self.step = 1e-3
        self.steps = 0  # of maps, so far
        self.logarithms = np.zeros((count, lanes))
        self.compiled = None if self.discrete else compiled_frames(system, count)
        self.stretch = 1.0  # time between orthogonalizations of compiled frames

    @property
    def method(self) -> str:
        """What is done, in words."""
        steps = "iteration" if self.discrete else "Dormand-Prince 5(4)" if self.compiled is None else "Tsit5 and Rodas5P"
        return f"{steps}, Gram-Schmidt"

    def advance(self, duration: float) -> float:
        """Go on for a time; ``logarithms`` are then those of the stretching over it. Return the time."""
        self.logarithms = np.zeros((self.count, self.lanes))
        if self.discrete:
            steps = max(1, round(duration)) if duration > 0 else 0
            if steps > MOST_STEPS:
                raise IntegrationError(f"lyapunov_exponents: {steps} steps of '{self.name}' are too many, at most "
                                       f"{MOST_STEPS} are taken at once; shorten duration or transient")
            self.steps += steps
            for _ in range(steps):
                slopes = self.jacobian(0.0, self.states, self.p)  # type: ignore[arg-type]
                self.states = self.field(0.0, self.states, self.p)  # type: ignore[arg-type]
                self.frame = np.einsum("abl,bkl->akl", slopes, self.frame)
                self._orthogonalize()
            self._check()
            return float(max(steps, 1))
        if self.compiled is None:
            self._flow(duration)
        else:
            self._flow_compiled(self.compiled, duration)
        self._orthogonalize()
        return duration if duration > 0 else 1.0

    def _rates(self, states: Array, frame: Array) -> tuple[Array, Array]:
        slopes = self.jacobian(0.0, states, self.p)  # type: ignore[arg-type]
        return (self.field(0.0, states, self.p),  # type: ignore[arg-type]
                np.einsum("abl,bkl->akl", slopes, frame))

    def _flow_compiled(self, compiled: CompiledFrames, duration: float) -> None:
        time = 0.0
        work = Work(time, duration)
        while time < duration:
            step = min(self.stretch, duration - time)
            taken = compiled.steps
            states, frame, whole = compiled.advance(self.states, self.frame, self.p, step, self.relative, self.absolute)
            kept, before = self.frame, self.logarithms.copy()
            self.frame = frame
            self._orthogonalize()
            turned = self.logarithms - before
            if refusal := work.refused(time, compiled.steps - taken):
                raise IntegrationError(f"lyapunov_exponents: '{self.name}': {refusal}")
            # vectors that stretch differently lean towards each other
            uneven = float(np.max(np.maximum(np.abs(turned).max(axis=0), np.ptp(turned, axis=0))))
            if not (whole and uneven < 2 * UNEVEN):
                self.frame, self.logarithms, self.stretch = kept, before, step / 2
                if self.stretch < 1e-9 * duration:
                    raise IntegrationError(f"lyapunov_exponents: a trajectory of '{self.name}' diverges; "
                                           "start inside the basin of the attractor")
                continue
            self.states, time = states, time + step
            if uneven < UNEVEN / 2 and step == self.stretch:
                self.stretch = 1.5 * step
        self._check()

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
