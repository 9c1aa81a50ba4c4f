"""Paths of an Ito equation by compiled vector code: counter-based numbers, steps, running extremes, first passages.

The numbers and the steps are those of :mod:`dynamics.compiled.random_streams` and
:mod:`dynamics.compiled.noise_steps`; results differ from theirs by rounding only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from dynamics.compiled.kernels import mathematics, trigonometry
from dynamics.compiled.kernels.ir import INTEGER, POINTER, Builder, Module, Operand, Value
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel, native_target
from dynamics.compiled.kernels.tracing import Tracer
from dynamics.systems import TIME

__all__ = ["NoiseProblem", "compiled_paths", "noise_text"]

Array = NDArray[np.float64]
SHARE = 4096  # lanes of one call: between two of them the user can interrupt
_LOW, _ONE = 0xFFFFFFFF, 0x3FF0000000000000
_MULTIPLIERS, _KEY_STEPS, _ROUNDS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85), 10


@dataclass(frozen=True)
class NoiseProblem:
    """An Ito equation as expressions.

    Attributes
    ----------
    states, parameters : tuple of Symbol
    terms : tuple of Expr
        Drifts, then amplitudes, then Milstein's corrections.
    sources : int
    amplitudes : tuple of (state, source)
    corrections : tuple of (state, source, source)
    observables : tuple of Expr
    events : tuple of (Expr, direction, terminal)
        Direction -1 (falling), 1 (rising) or 0 (both).
    ended, invalid : int
        Status codes; 0 is a path that reached the last step.
    """

    states: tuple[Symbol, ...]
    parameters: tuple[Symbol, ...]
    terms: tuple[Expr, ...]
    sources: int
    amplitudes: tuple[tuple[int, int], ...]
    corrections: tuple[tuple[int, int, int], ...]
    observables: tuple[Expr, ...]
    events: tuple[tuple[Expr, int, bool], ...]
    ended: int
    invalid: int

    @property
    def rows(self) -> int:
        """States and observables."""
        return len(self.states) + len(self.observables)


def compiled_paths(problem: NoiseProblem, start: Array, parameters: Sequence[float], h: float, steps: int, first: int,
                   paths: int, key: tuple[int, int], width: int | None = None) -> Array:
    """Follow the paths ``first .. first + paths - 1``.

    Returns
    -------
    array, shape (3 rows + 2 + 2 events, paths)
        Final, largest and smallest values, end time, status, times of first passage, numbers of passages.
    """
    import ctypes

    width = width or 2 * native_target().width  # two vectors fill each other's waiting times
    follow = _compiled(problem, width)
    lanes = -(-paths // width) * width
    data = np.zeros((3 * problem.rows + 2 + 2 * len(problem.events), lanes))
    options = np.array([h, math.sqrt(h), *start, *(float(p) for p in parameters)])
    for place in range(0, lanes, SHARE):
        follow(min(SHARE, lanes - place), lanes, steps, first + place, key[0], key[1],
               ctypes.c_void_p(data.ctypes.data + 8 * place), options.ctypes.data)
    return data[:, :paths]


@functools.lru_cache(maxsize=64)
def _compiled(problem: NoiseProblem, width: int) -> Callable[..., Any]:
    import ctypes

    return compile_kernel(noise_text(problem, width)).function("follow", [ctypes.c_int64] * 6 + [ADDRESS, ADDRESS])


def noise_text(problem: NoiseProblem, width: int) -> str:
    """Return the LLVM IR of the paths: one function ``follow``."""
    module = Module(width)
    numbers = dict.fromkeys(("count", "stride", "steps", "path", "key0", "key1"), INTEGER)
    build = module.function("follow", {**numbers, "data": POINTER, "options": POINTER})
    with build.count(0, build.argument("count"), width) as lane:
        _Paths(build, problem, lane).run()
    build.finish()
    return module.text()


def _philox(build: Builder, counter: list[Value], key: tuple[Value, Value]) -> list[Value]:
    a, b, c, d = counter
    for number in range(_ROUNDS):
        k0, k1 = ((k + build.integer(number * step)) & build.integer(_LOW)
                  for k, step in zip(key, _KEY_STEPS, strict=True))
        left, right = a * build.integer(_MULTIPLIERS[0]), c * build.integer(_MULTIPLIERS[1])
        a, b, c, d = ((right >> 32) ^ b ^ k0, right & build.integer(_LOW),
                      (left >> 32) ^ d ^ k1, left & build.integer(_LOW))
    return [a, b, c, d]


class _Paths:
    """One vector of paths."""

    def __init__(self, build: Builder, problem: NoiseProblem, lane: Value) -> None:
        self.build, self.problem, self.lane = build, problem, lane
        options = build.argument("options")
        values = [build.spread(build.load(build.at(options, k), "double"))
                  for k in range(2 + len(problem.states) + len(problem.parameters))]
        self.h, self.root = values[:2]
        start, given = values[2:2 + len(problem.states)], values[2 + len(problem.states):]
        self.parameters: dict[Symbol, Operand] = dict(zip(problem.parameters, given, strict=True))
        self.fixed: dict[Expr, Operand] = {}
        self.key = build.spread(build.argument("key0")), build.spread(build.argument("key1"))
        self.path = (build.spread(build.argument("path") + lane) + build.lane_numbers()) & build.integer(_LOW)
        # of one vector each: the optimiser keeps them in registers
        zero = build.constant(0.0)
        self.state = [build.variable(s) for s in start]
        observed = self._traced(start, zero, problem.observables)
        self.values = [build.variable(v) for v in (*start, *observed)]
        self.largest = [build.variable(v) for v in (*start, *observed)]
        self.smallest = [build.variable(v) for v in (*start, *observed)]
        self.levels = [build.variable(v) for v in self._traced(start, zero, [e for e, _, _ in problem.events])]
        self.passage = [build.variable(math.nan) for _ in problem.events]
        self.counts = [build.variable(0.0) for _ in problem.events]
        self.status, self.end = build.variable(0.0), build.variable(0.0)
        self.alive = build.variable(zero.equals(0.0))

    def _traced(self, state: Sequence[Value], t: Value, wanted: Sequence[Expr]) -> list[Value]:
        symbols = {**self.parameters, **dict(zip(self.problem.states, state, strict=True)), TIME: t}
        return Tracer(self.build, symbols, [*self.problem.states, TIME], fixed=self.fixed).values(list(wanted))

    def run(self) -> None:
        build, steps, sources = self.build, self.build.argument("steps"), self.problem.sources
        self.end.set(build.to_double(build.spread(steps)) * self.h)
        # two steps take whole pairs of normal numbers for any number of sources
        with build.count(0, steps, 2) as number, build.when(build.any(self.alive.get())):
            blocks = build.spread((number >> 1) * sources)
            normals: list[Value] = []
            for source in range(sources):
                normals += self._pair(blocks + build.integer(source))
            self._step(number, normals[:sources])
            with build.when(number + 1 < steps):
                self._step(number + 1, normals[sources:])
        rows = [*self.values, *self.largest, *self.smallest, self.end, self.status, *self.passage, *self.counts]
        for row, variable in enumerate(rows):
            place = build.at(build.argument("data"), build.argument("stride") * row + self.lane)
            build.store(place, variable.get())

    def _pair(self, block: Value) -> list[Value]:
        """Two normal numbers, after Box and Muller, times the root of the step."""
        build = self.build
        words = _philox(build, [block & build.integer(_LOW), block >> 32, self.path, build.integer(0)], self.key)
        uniforms = []
        for high, low in (words[:2], words[2:]):
            # 52 bits behind a one: exact, and so is what is taken off
            bits = ((high >> 6) << 26) | (low >> 6) | build.integer(_ONE)
            uniforms.append((build.from_bits(bits) - 1.0) + 2.0**-53)
        radius = build.sqrt(mathematics.log_of_normal(build, uniforms[0]) * -2.0)
        sine, cosine = trigonometry.sin_cos_of_turns(build, uniforms[1])
        return [radius * cosine * self.root, radius * sine * self.root]

    def _step(self, number: Value, increments: Sequence[Value]) -> None:
        build, problem = self.build, self.problem
        step = build.to_double(build.spread(number))
        before, alive = [s.get() for s in self.state], self.alive.get()
        terms = self._traced(before, step * self.h, problem.terms)
        after = [build.fma(term, self.h, s) for s, term in zip(before, terms, strict=False)]
        rest = iter(terms[len(before):])
        for state, source in problem.amplitudes:
            after[state] = build.fma(next(rest), increments[source], after[state])
        for state, j, k in problem.corrections:
            product = increments[j] * increments[k]
            after[state] = build.fma(next(rest), (product - self.h) * 0.5 if j == k else product, after[state])
        finite = alive
        for s in after:
            finite = finite & (s - s).equals(0.0)
        invalid = alive & ~finite
        self.status.set(build.select(invalid, float(problem.invalid), self.status.get()))
        self.end.set(build.select(invalid, step * self.h, self.end.get()))
        self.alive.set(finite)
        arrival = (step + 1.0) * self.h
        if problem.events:
            after, arrival = self._passages(step, before, after, finite)
        for variable, s in zip(self.state, after, strict=True):
            variable.set(build.select(finite, s, variable.get()))
        values = [*after, *self._traced(after, arrival, problem.observables)]
        for value, kept, largest, smallest in zip(values, self.values, self.largest, self.smallest, strict=True):
            kept.set(build.select(finite, value, kept.get()))
            # an observable may be no number at first; the others stand in its place
            top, bottom = largest.get(), smallest.get()
            largest.set(build.select(finite & ((value > top) | top.differs(top)), value, top))
            smallest.set(build.select(finite & ((value < bottom) | bottom.differs(bottom)), value, bottom))

    def _passages(self, step: Value, before: Sequence[Value], after: list[Value],
                  active: Value) -> tuple[list[Value], Value]:
        """Record the events of a step; terminal ones end their paths where the straight line meets zero."""
        build, problem = self.build, self.problem
        end, found = build.constant(2.0), []
        arrival = (step + 1.0) * self.h
        levels = self._traced(after, arrival, [e for e, _, _ in problem.events])
        for old, level, (_, direction, terminal) in zip(self.levels, levels, problem.events, strict=True):
            was = old.get()
            falls, rises = (was > 0.0) & (level <= 0.0), (was < 0.0) & (level >= 0.0)
            crossed = active & (falls if direction < 0 else rises if direction > 0 else falls | rises)
            part = was / (was - level)
            part = build.select((part - part).equals(0.0), part, 1.0)
            found.append((crossed, part))
            if terminal:
                end = build.minimum(build.select(crossed, part, 2.0), end)
            old.set(level)
        for number, (crossed, part) in enumerate(found):
            counted = crossed & (part <= end)
            first = counted & self.counts[number].get().equals(0.0)
            self.passage[number].set(build.select(first, (step + part) * self.h, self.passage[number].get()))
            self.counts[number].set(self.counts[number].get() + build.select(counted, 1.0, 0.0))
        ended = active & (end < 1.5)
        stop = (step + end) * self.h
        self.status.set(build.select(ended, float(problem.ended), self.status.get()))
        self.end.set(build.select(ended, stop, self.end.get()))
        self.alive.set(active & ~ended)
        return ([build.select(ended, a + end * (b - a), b) for a, b in zip(before, after, strict=True)],
                build.select(ended, stop, arrival))
