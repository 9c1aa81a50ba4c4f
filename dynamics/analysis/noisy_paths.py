"""Many paths of a noisy system at once, chunk by chunk: running extremes, events, fates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from dynamics.analysis.step_bias import FARTHER, SHIFT, Seen, Watch
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.compiled.noise_steps import NEAR_SIDE, NoiseStepper
from dynamics.compiled.random_streams import DIFFUSION, JUMPS, Streams, key_of
from dynamics.errors import DerivationError
from dynamics.results.provenance import STATUS
from dynamics.systems import System

__all__ = ["NoisyPaths", "ended_paths", "follow_paths"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Small enough for the arrays of a step to stay in the processor's cache.
PATHS_PER_CHUNK, STEPS_PER_BLOCK = 2048, 32
MOST_OPERATIONS, STAGES = 1500, 2
NOTHING = Watch((), (), (), ())


@dataclass(frozen=True)
class NoisyPaths:
    """What is kept of each path; rows of ``final``, ``largest``, ``smallest``: states, then observables.

    Attributes
    ----------
    final, largest, smallest : array, shape (rows, paths)
    end_time : array, shape (paths,)
    status : array of int, shape (paths,)
    passage, counts : array, shape (events, paths)
        Time of the first passage (nan: none) and number of passages.
    stored : array, shape (rows, stored paths, steps + 1)
    engine : {"compiled", "arrays"}
        What followed the paths that are not stored.
    seen : Seen, optional
        What was watched beside.
    """

    final: Array
    largest: Array
    smallest: Array
    end_time: Array
    status: NDArray[np.int64]
    passage: Array
    counts: NDArray[np.int64]
    stored: Array
    engine: str = "arrays"
    seen: Seen | None = None


def follow_paths(system: System, stepper: NoiseStepper, start: Array, h: float, steps: int, paths: int, seed: int,
                 stored_paths: int, engine: str | None = None, threads: int | None = 1, watch: Watch | None = None
                 ) -> NoisyPaths:
    """Follow ``paths`` paths over ``steps`` steps of length ``h``.

    ``engine`` is "compiled", "arrays", or None for the compiled one where it can be had. Paths that are stored need arrays,
    and so do functions without vector instructions. ``threads`` are those of compiled code, None for one per processor.
    ``watch`` is watched beside; the paths do not depend on it.
    """
    beside = watch or NOTHING
    # what is watched beside may have no vector instructions, or be too large: the paths are worth more
    for seen in () if engine == "arrays" else dict.fromkeys((beside, NOTHING)):
        result = _room(stepper.dimension + len(system.observables), len(system.events), steps, h, paths, stored_paths, seen)
        if _compiled_rest(system, stepper, start, h, steps, seed, stored_paths, result, threads, seen):
            _by_arrays(system, stepper, start, h, steps, seed, stored_paths, result, seen)
            return _split(system, stepper, result, seen, "compiled")
    result = _room(stepper.dimension + len(system.observables), len(system.events), steps, h, paths, stored_paths, beside)
    _by_arrays(system, stepper, start, h, steps, seed, paths, result, beside)
    return _split(system, stepper, result, beside, "arrays")


def ended_paths(system: System, stepper: NoiseStepper, start: Array, steps: int, paths: int, stored_paths: int, event: int
                ) -> NoisyPaths:
    """Return paths that have ended before they start: ``start`` lies beyond the terminal event of this number."""
    observables = functions_of(system).lane_function(list(system._parsed.observables.values()))
    state = start[:, None]
    values = np.concatenate([state, observables(np.zeros(1), state, stepper.p)])
    result = _room(len(values), len(system.events), steps, 0.0, paths, stored_paths, NOTHING)
    for kept in (result.final, result.largest, result.smallest):
        kept[:] = values
    result.stored[:, :, 0] = values
    result.status[:] = STATUS["event"]
    result.passage[event] = 0.0
    result.counts[event] = 1
    return result


def _room(rows: int, events: int, steps: int, h: float, paths: int, stored_paths: int, watch: Watch) -> NoisyPaths:
    """Room for what is kept, and for what is watched beside."""
    rows, events = rows + len(watch.expressions), events + len(watch.events)
    return NoisyPaths(np.empty((rows, paths)), np.empty((rows, paths)), np.empty((rows, paths)), np.full(paths, steps * h),
                      np.full(paths, STATUS["completed"]), np.full((events, paths), np.nan),
                      np.zeros((events, paths), dtype=np.int64), np.full((rows, stored_paths, steps + 1), np.nan))


def _by_arrays(system: System, stepper: NoiseStepper, start: Array, h: float, steps: int, seed: int, paths: int,
               result: NoisyPaths, watch: Watch) -> None:
    """Follow the first ``paths`` paths by arrays."""
    for first in range(0, paths, PATHS_PER_CHUNK):
        ids = np.arange(first, min(first + PATHS_PER_CHUNK, paths))
        _Chunk(system, stepper, start, h, ids, result, watch).run(steps, seed)


def _split(system: System, stepper: NoiseStepper, result: NoisyPaths, watch: Watch, engine: str) -> NoisyPaths:
    """Set apart what was watched beside; None where nothing was."""
    shown, happening = stepper.dimension + len(system.observables), len(system.events)
    above = shown + len(watch.rows)
    seen = Seen(result.largest[shown:above], result.smallest[above:], result.passage[happening:])
    return replace(result, final=result.final[:shown], largest=result.largest[:shown], smallest=result.smallest[:shown],
                   passage=result.passage[:happening], counts=result.counts[:happening], stored=result.stored[:shown],
                   engine=engine, seen=None if watch is NOTHING else seen)


def _compiled_rest(system: System, stepper: NoiseStepper, start: Array, h: float, steps: int, seed: int, first: int,
                   result: NoisyPaths, threads: int | None, watch: Watch) -> bool:
    """Follow the paths from ``first`` on by compiled code; False where there is none for this system."""
    from dynamics.compiled.kernels.jit import available
    from dynamics.compiled.kernels.tracing import count_operations

    parsed, directions = system._parsed, {"falling": -1, "rising": 1, "both": 0}
    names = list(system.states)

    def assignment(assign: Mapping[str, Expr]) -> tuple[tuple[int, Expr], ...]:
        return tuple((names.index(n), system.resolve(e)) for n, e in assign.items())

    observables = [system.resolve(e) for e in parsed.observables.values()]
    events = [(system.resolve(e), directions[event.direction], event.terminal, assignment(assign))
              for (e, assign), event in zip(parsed.events.values(), system.events.values(), strict=True)]
    jumps = [(system.resolve(rate), assignment(assign)) for rate, assign in parsed.jumps.values()]
    watched = [*observables, *(e for e, *_ in events), *(rate for rate, _ in jumps),
               *(e for _, assign in jumps for _, e in assign), *(e for *_, assign in events for _, e in assign)]
    stages = STAGES if stepper.equation.method == "stochastic_runge_kutta" else 1
    if not available() or stages * count_operations([*stepper.equation.expressions, *watched]) > MOST_OPERATIONS:
        return False  # compilation would take longer than it saves
    if count_operations([*watch.expressions, *(level for *_, level in watch.events)]) > MOST_OPERATIONS:
        return False
    from dynamics.compiled.kernels.noise import NoiseProblem, compiled_paths

    paths = result.final.shape[1] - first
    equation = replace(stepper.equation, parameters=(*stepper.equation.parameters, SHIFT))
    closer = [(level, directions[event.direction], False, ()) for _, event, level in watch.events]
    problem = NoiseProblem(equation, (*observables, *watch.expressions), (*events, *closer), tuple(jumps), STATUS["event"],
                           STATUS["invalid_state"])
    parameters = (*stepper.p, FARTHER * math.sqrt(h))
    try:
        data = compiled_paths(problem, start, parameters, h, steps, first, paths, key_of(seed), threads) \
            if paths else None
    except DerivationError:
        return False
    if data is not None:
        parts = np.split(data, np.cumsum([problem.rows] * 3 + [1, 1, len(problem.events)]))
        for target, part in zip((result.final, result.largest, result.smallest, result.end_time[None], result.status[None],
                                 result.passage, result.counts), parts, strict=True):
            target[:, first:] = part
    return True


class _Chunk:
    """The paths of one chunk that have not ended; ``ids`` are their places among all paths."""

    def __init__(self, system: System, stepper: NoiseStepper, start: Array, h: float, ids: NDArray[np.int64],
                 result: NoisyPaths, watch: Watch) -> None:
        functions: SystemFunctions = functions_of(system)
        parsed = system._parsed
        self.stepper, self.h, self.ids, self.result = stepper, h, ids, result
        self.events = [*system.events.values(), *(event for _, event, _ in watch.events)]
        self.rows = result.final.shape[0]
        levels = [*(e for e, _ in parsed.events.values()), *(e for *_, e in watch.events)]
        self.watch = functions.lane_function([*parsed.observables.values(), *watch.expressions, *levels], SHIFT)
        self.shift = np.asarray(FARTHER * math.sqrt(h))
        self.resets = [(tuple(functions.names.index(n) for n in assign), functions.lane_function(list(assign.values())))
                       for _, assign in parsed.events.values()]
        self.resets += [((), functions.lane_function([])) for _ in watch.events]
        self.y = np.repeat(start[:, None], len(ids), axis=1)
        self.values, self.levels = self._watched(0.0, self.y)
        self.alive = np.ones(len(ids), dtype=bool)
        self.largest, self.smallest = self.values.copy(), self.values.copy()
        self._keep(0)

    def run(self, steps: int, seed: int) -> None:
        """Follow the paths; numbers are drawn for a block of steps at a time."""
        draws, jumps, root = self.stepper.equation.draws, self.stepper.jumps, np.sqrt(self.h)
        self.streams = [Streams(key_of(seed), self.ids, purpose) for purpose in (DIFFUSION, JUMPS)]
        for first in range(0, steps, STEPS_PER_BLOCK):
            self._drop_ended()
            if not self.ids.size:
                return
            # an even number of steps in a block keeps whole pairs together for any number of draws
            noise = self.streams[0].normals(STEPS_PER_BLOCK * draws) * root
            uniform = self.streams[1].uniforms(STEPS_PER_BLOCK * jumps)
            for place in range(min(STEPS_PER_BLOCK, steps - first)):
                self._step(first + place, noise[place * draws:(place + 1) * draws],
                           uniform[place * jumps:(place + 1) * jumps])
        self.alive[:] = False
        self._drop_ended()

    def _step(self, step: int, increments: Array, uniform: Array) -> None:
        with np.errstate(all="ignore"):
            after = self.stepper.diffuse(step * self.h, self.y, increments, self.h)
            after = self.stepper.jump((step + 1) * self.h, after, uniform, self.h)
        invalid = self.alive & ~np.isfinite(after).all(axis=0)
        if invalid.any():
            self._end(invalid, STATUS["invalid_state"], np.full(int(invalid.sum()), step * self.h))
        values, levels = self._watched((step + 1) * self.h, after)
        if self.events:
            values, levels = self._passages(step, after, values, levels)
        if self.alive.all():
            self.y, self.values, self.levels = after, values, levels
        else:
            self.y, self.values = np.where(self.alive, after, self.y), np.where(self.alive, values, self.values)
            self.levels = np.where(self.alive, levels, self.levels)
        # a path that has ended keeps its last values, which are among its extremes already
        np.fmax(self.largest, self.values, out=self.largest)
        np.fmin(self.smallest, self.values, out=self.smallest)
        self._keep(step + 1)

    def _passages(self, step: int, after: Array, values: Array, levels: Array) -> tuple[Array, Array]:
        """Record the events between two states; terminal ones end their paths where the straight line meets zero."""
        before = self.levels
        falls, rises = (before > 0) & (levels <= 0), (before < 0) & (levels >= 0)
        crossed = np.array([{"falling": falls[k], "rising": rises[k], "both": falls[k] | rises[k]}[event.direction]
                            for k, event in enumerate(self.events)]) & self.alive
        if not crossed.any():
            return values, levels
        with np.errstate(all="ignore"):
            part = np.where(crossed, before / (before - levels), np.inf)
        # a level that becomes infinite is passed within the step all the same
        part = np.where(crossed & ~np.isfinite(part), 1.0, part)
        terminal = np.array([event.terminal for event in self.events])
        end = np.min(part[terminal], axis=0, initial=np.inf)
        crossed &= part <= end
        lanes = self.ids[np.flatnonzero(crossed.any(axis=0))]
        hit = crossed[:, crossed.any(axis=0)]
        times = (step + part[:, crossed.any(axis=0)]) * self.h
        first = hit & (self.result.counts[:, lanes] == 0)
        self.result.passage[:, lanes] = np.where(first, times, self.result.passage[:, lanes])
        self.result.counts[:, lanes] += hit
        ended = np.isfinite(end) & self.alive
        after[:, ended] = self.y[:, ended] + NEAR_SIDE * end[ended] * (after[:, ended] - self.y[:, ended])
        for (states, assign), lane_flags in zip(self.resets, crossed, strict=True):
            if states and lane_flags.any():
                places = np.flatnonzero(lane_flags)
                moments = (step + np.where(ended, end, 1.0)[places]) * self.h
                after[np.ix_(np.array(states), places)] = assign(moments, after[:, places], self.stepper.p)
        touched = np.flatnonzero(crossed.any(axis=0))
        moments = (step + np.where(ended, end, 1.0)[touched]) * self.h
        values[:, touched], levels[:, touched] = self._watched(moments, after[:, touched])
        if ended.any():
            places = np.flatnonzero(ended)
            self.y[:, places], self.values[:, places] = after[:, places], values[:, places]
            self._end(ended, STATUS["event"], (step + end[ended]) * self.h)
        return values, levels

    def _watched(self, t: float | Array, y: Array) -> tuple[Array, Array]:
        """Return states and observables, and the levels of the events."""
        watched = self.watch(np.asarray(t), y, self.stepper.p, self.shift) if self.rows > len(y) or self.events else y[:0]
        observables = self.rows - len(y)
        return np.concatenate([y, watched[:observables]]), watched[observables:]

    def _end(self, which: Flags, status: int, times: Array) -> None:
        self.result.status[self.ids[which]] = status
        self.result.end_time[self.ids[which]] = times
        self.alive = self.alive & ~which

    def _keep(self, step: int) -> None:
        """Store the values of the paths that are stored; after its end a path has none."""
        stored = self.result.stored
        if self.ids.size and self.ids[0] < stored.shape[1]:
            lanes = np.flatnonzero((self.ids < stored.shape[1]) & self.alive)
            stored[:, self.ids[lanes], step] = self.values[:, lanes]

    def _drop_ended(self) -> None:
        """Write what is known of the paths that have ended, and follow the others alone."""
        if self.alive.all():
            return
        gone, stays = ~self.alive, self.alive
        for target, source in ((self.result.final, self.values), (self.result.largest, self.largest),
                               (self.result.smallest, self.smallest)):
            target[:, self.ids[gone]] = source[:, gone]
        self.y, self.values, self.levels, self.largest, self.smallest = (
            np.ascontiguousarray(a[:, stays]) for a in (self.y, self.values, self.levels, self.largest, self.smallest))
        for stream in self.streams:
            stream.keep(stays)
        self.ids, self.alive = self.ids[stays], np.ones(int(stays.sum()), dtype=bool)
