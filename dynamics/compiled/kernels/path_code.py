"""The instructions that follow the paths of an Ito equation: numbers, steps, jumps, events, running extremes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sympy import Add, Dummy, Expr, Mul, Pow, Symbol, exp, preorder_traversal

from dynamics.compiled.kernels import mathematics
from dynamics.compiled.kernels.ir import INTEGER, POINTER, Builder, Module, Operand, Value, Variable
from dynamics.compiled.kernels.noise_code import advanced
from dynamics.compiled.kernels.random_numbers import Streams
from dynamics.compiled.kernels.tracing import Tracer, count_operations
from dynamics.compiled.noise_equations import NoiseEquation
from dynamics.compiled.noise_steps import LARGEST_JUMP_MEAN, MOST_JUMPS, NEAR_SIDE
from dynamics.compiled.random_streams import DIFFUSION, JUMPS
from dynamics.systems import TIME

__all__ = ["NoiseProblem", "direction_of", "noise_text"]

Assignment = tuple[tuple[int, Expr], ...]
LARGEST_UNROLLED = 150  # operations of a step that is written out twice


@dataclass(frozen=True)
class NoiseProblem:
    """An Ito equation and what is watched along its paths.

    Attributes
    ----------
    equation : NoiseEquation
    observables : tuple of Expr
    events : tuple of (Expr, direction, terminal, assignment)
        Direction -1 (falling), 1 (rising) or 0 (both).
    jumps : tuple of (rate, assignment)
        An assignment gives states, by place, and their new values; all are made at once.
    ended, invalid : int
        Status codes; 0 is a path that reached the last step.
    """

    equation: NoiseEquation
    observables: tuple[Expr, ...]
    events: tuple[tuple[Expr, int, bool, Assignment], ...]
    jumps: tuple[tuple[Expr, Assignment], ...]
    ended: int
    invalid: int

    @property
    def rows(self) -> int:
        """States and observables."""
        return len(self.equation.states) + len(self.observables)


def direction_of(e: Expr, states: Sequence[Symbol]) -> int | None:
    """Return 1 for a function of one state alone that rises everywhere, -1 if it falls, None if neither is known."""
    moving = e.free_symbols & {*states, TIME}
    whole = all(isinstance(node, Add | Mul | exp) or node.is_Symbol or node.is_number
                or (isinstance(node, Pow) and node.exp.is_Integer and node.exp.is_positive)
                for node in preorder_traversal(e))
    if len(moving) != 1 or TIME in moving or not whole:
        return None
    at = Dummy(real=True)
    slope = e.xreplace({moving.pop(): at}).diff(at)
    return 1 if slope.is_positive else -1 if slope.is_negative else None


def noise_text(problem: NoiseProblem, width: int) -> str:
    """Return the LLVM IR of the paths: one function ``follow``."""
    module = Module(width)
    numbers = dict.fromkeys(("count", "stride", "steps", "path", "key0", "key1"), INTEGER)
    build = module.function("follow", {**numbers, "data": POINTER, "options": POINTER})
    with build.count(0, build.argument("count"), width) as lane:
        _Paths(build, problem, lane).run()
    build.finish()
    return module.text()


class _Paths:
    """One vector of paths."""

    def __init__(self, build: Builder, problem: NoiseProblem, lane: Value) -> None:
        self.build, self.problem, self.lane = build, problem, lane
        self.equation = problem.equation
        size, options = len(self.equation.states), build.argument("options")
        given = [build.spread(build.load(build.at(options, k), "double"))
                 for k in range(1 + size + len(self.equation.parameters))]
        self.h, start = given[0], given[1: 1 + size]
        self.parameters: dict[Symbol, Operand] = dict(zip(self.equation.parameters, given[1 + size:], strict=True))
        self.fixed: dict[Expr, Operand] = {}
        path = build.spread(build.argument("path") + lane) + build.lane_numbers()
        key = build.argument("key0"), build.argument("key1")
        self.streams = Streams(build, key, path, DIFFUSION)
        self.chances = Streams(build, key, path, JUMPS) if problem.jumps else self.streams
        zero = build.constant(0.0)
        # variables of one vector each: the optimiser keeps them in registers
        self.state = [build.variable(s) for s in start]
        # what rises or falls with one state has its extremes where that has them, and is needed at the end only
        self.watched = [e for e in problem.observables if direction_of(e, self.equation.states) is None]
        observed = self._traced(start, zero, self.watched)
        # an observable may be no number at first: then others stand in its place
        self.largest = [build.variable(v) for v in (*start, *(build.select(v.equals(v), v, -math.inf) for v in observed))]
        self.smallest = [build.variable(v) for v in (*start, *(build.select(v.equals(v), v, math.inf) for v in observed))]
        self.levels = [build.variable(v) for v in self._traced(start, zero, [e for e, *_ in problem.events])]
        self.passage = [build.variable(math.nan) for _ in problem.events]
        self.counts = [build.variable(0.0) for _ in problem.events]
        self.ended, self.end, self.steps = build.variable(0.0), build.variable(0.0), build.variable(0.0)
        self.alive = build.variable(zero.equals(0.0))

    def _traced(self, state: Sequence[Value], t: Value, wanted: Sequence[Expr]) -> list[Value]:
        states = self.equation.states
        symbols = {**self.parameters, **dict(zip(states, state, strict=True)), TIME: t}
        return Tracer(self.build, symbols, [*states, TIME], fixed=self.fixed).values(list(wanted))

    def run(self) -> None:
        build, problem, steps, draws = self.build, self.problem, self.build.argument("steps"), self.equation.draws
        root = self.h * -2.0
        # two steps take whole pairs of normal numbers for any number of draws
        with build.count(0, steps, 2) as number, build.when(build.any(self.alive.get())):
            normals: list[Value] = []
            for _ in range(draws):
                normals += self.streams.normals(root)
            if count_operations([*self.equation.expressions, *problem.observables]) <= LARGEST_UNROLLED:
                self._step(number, normals[:draws])
                with build.when(number + 1 < steps):
                    self._step(number + 1, normals[draws:])
            else:
                # one copy of a large step, which takes half as long to compile
                numbers, left = build.array(2 * draws), steps - number
                for k, value in enumerate(normals):
                    build.store(build.at(numbers, k * build.width), value)
                with build.count(0, build.select(left < 2, left, 2)) as which:
                    places = [which * (draws * build.width) + k * build.width for k in range(draws)]
                    self._step(number + which, [build.load(build.at(numbers, place)) for place in places])
        ended = self.ended.get() > 0.0
        broken = ~(self.alive.get() | ended)
        status = build.select(ended, float(problem.ended), build.select(broken, float(problem.invalid), 0.0))
        end = build.select(ended, self.end.get(), self.steps.get() * self.h)
        final = [s.get() for s in self.state]
        self.fixed = {}  # what was computed within the loop is not known behind it
        final += self._traced(final, end, problem.observables)
        rows = [*final, *self._extremes(end), end, status, *(v.get() for v in (*self.passage, *self.counts))]
        for row, value in enumerate(rows):
            build.store(build.at(build.argument("data"), build.argument("stride") * row + self.lane), value)

    def _extremes(self, t: Value) -> list[Value]:
        """Return the largest and the smallest values of states and observables."""
        build, states, observables = self.build, self.equation.states, self.problem.observables
        # what has never been a number has no extremes
        sides = [[build.select(up.get() >= down.get(), mine.get(), math.nan) for mine, up, down in
                  zip(side, self.largest, self.smallest, strict=True)] for side in (self.largest, self.smallest)]
        rows, moved = [], [self._traced(side[:len(states)], t, observables) for side in sides]
        for place, side in enumerate(sides):
            rest = iter(side[len(states):])
            turns = [direction_of(e, states) for e in observables]
            rows += side[:len(states)] + [
                next(rest) if turn is None else moved[place if turn > 0 else 1 - place][k] for k, turn in enumerate(turns)]
        return rows

    def _step(self, number: Value, increments: Sequence[Value]) -> None:
        build, problem = self.build, self.problem
        step = build.to_double(build.spread(number))
        before, alive = [s.get() for s in self.state], self.alive.get()
        after = advanced(build, self.equation, self._traced, before, step * self.h, self.h, increments)
        if problem.jumps:
            after = self._jumped(after, (step + 1.0) * self.h, alive)
        total = build.constant(0.0)
        for s in after:
            total = build.fma(s, 0.0, total)  # nan as soon as one is not finite
        alive = alive & total.equals(0.0)
        self.alive.set(alive)
        self.steps.set(build.select(alive, step + 1.0, self.steps.get()))
        arrival = (step + 1.0) * self.h
        if problem.events:
            after, arrival = self._passages(step, before, after, alive)
        after = [build.select(alive, s, variable.get()) for s, variable in zip(after, self.state, strict=True)]
        for variable, s in zip(self.state, after, strict=True):
            variable.set(s)
        # a path that has ended keeps its state, whose values are among its extremes already
        values = [*after, *self._traced(after, arrival, self.watched)]
        moving = [False] * len(after) + [TIME in e.free_symbols for e in self.watched]
        for value, timed, largest, smallest in zip(values, moving, self.largest, self.smallest, strict=True):
            top, bottom = largest.get(), smallest.get()
            up, down = build.maximum(value, top), build.minimum(value, bottom)
            largest.set(build.select(alive, up, top) if timed else up)
            smallest.set(build.select(alive, down, bottom) if timed else down)

    def _passages(self, step: Value, before: Sequence[Value], after: list[Value],
                  active: Value) -> tuple[list[Value], Value]:
        """Record the events of a step; terminal ones end their paths where the straight line meets zero."""
        build, problem = self.build, self.problem
        time = build.variable((step + 1.0) * self.h)
        levels = self._traced(after, time.get(), [e for e, *_ in problem.events])
        found = []
        for old, level, (_, direction, *_) in zip(self.levels, levels, problem.events, strict=True):
            was = old.get()
            falls, rises = (was > 0.0) & (level <= 0.0), (was < 0.0) & (level >= 0.0)
            found.append((was, level, active & (falls if direction < 0 else rises if direction > 0 else falls | rises)))
            old.set(level)
        anywhere = found[0][2]
        for *_, crossed in found[1:]:
            anywhere = anywhere | crossed
        arrived = [build.variable(s) for s in after]
        with build.when(build.any(anywhere)):
            end, parts = build.constant(2.0), []
            for (was, level, crossed), (_, _, terminal, _) in zip(found, problem.events, strict=True):
                part = was / (was - level)
                part = build.select((part - part).equals(0.0), part, 1.0)
                parts.append(part)
                if terminal:
                    end = build.minimum(build.select(crossed, part, 2.0), end)
            reached = [crossed & (part <= end) for (*_, crossed), part in zip(found, parts, strict=True)]
            for number, (counted, part) in enumerate(zip(reached, parts, strict=True)):
                first = counted & self.counts[number].get().equals(0.0)
                self.passage[number].set(build.select(first, (step + part) * self.h, self.passage[number].get()))
                self.counts[number].set(self.counts[number].get() + build.select(counted, 1.0, 0.0))
            ended, stop = active & (end < 1.5), (step + end) * self.h
            self.ended.set(build.select(ended, 1.0, self.ended.get()))
            self.end.set(build.select(ended, stop, self.end.get()))
            self.alive.set(active & ~ended)
            time.set(build.select(ended, stop, time.get()))
            for variable, a, b in zip(arrived, before, after, strict=True):
                variable.set(build.select(ended, build.fma(end * NEAR_SIDE, b - a, a), b))
            if any(assign for *_, assign in problem.events):
                for counted, (*_, assign) in zip(reached, problem.events, strict=True):
                    self._assign(arrived, assign, time.get(), counted)
                with self._apart():
                    levels = self._traced([v.get() for v in arrived], time.get(), [e for e, *_ in problem.events])
                for old, level in zip(self.levels, levels, strict=True):
                    old.set(build.select(anywhere, level, old.get()))
        return [v.get() for v in arrived], time.get()

    def _jumped(self, state: Sequence[Value], t: Value, alive: Value) -> list[Value]:
        """Return the state after the jumps of a step, as many as a Poisson number found by inversion."""
        build = self.build
        after = [build.variable(s) for s in state]
        means = [rate * self.h for rate in self._traced(state, t, [rate for rate, _ in self.problem.jumps])]
        for mean, (_, assign) in zip(means, self.problem.jumps, strict=True):
            possible = (mean >= 0.0) & (mean <= LARGEST_JUMP_MEAN)
            mean, chance = build.select(possible, mean, 0.0), self.chances.uniform()
            for variable in after:
                variable.set(build.select(possible, variable.get(), math.nan))
            term, number = build.variable(mathematics.exp(build, -mean)), build.variable(0.0)
            below, more = build.variable(term.get()), build.variable(alive & (chance > term.get()))
            with build.forever() as (_, out):
                going = build.block("going")
                build.branch_if(build.any(more.get()), going, out)
                build.enter(going)
                self._assign(after, assign, t, more.get())
                number.set(number.get() + 1.0)
                term.set(term.get() * mean / number.get())
                below.set(below.get() + term.get())
                # where the sum has reached its rounding the rest of the tail has no weight
                more.set(more.get() & (chance > below.get()) & (number.get() <= MOST_JUMPS))
        return [v.get() for v in after]

    def _assign(self, state: Sequence[Variable], assign: Assignment, t: Value, where: Value) -> None:
        with self._apart():
            values = self._traced([v.get() for v in state], t, [e for _, e in assign])
        for (place, _), value in zip(assign, values, strict=True):
            state[place].set(self.build.select(where, value, state[place].get()))

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Values that are computed in a branch are not known behind it."""
        kept, self.fixed = self.fixed, dict(self.fixed)
        yield
        self.fixed = kept
