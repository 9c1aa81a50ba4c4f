"""The loop in which one vector of lanes advances, each lane with its own step, refilled from a queue as lanes end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dynamics.compiled.kernels.cubics import Cubic, quick_power, quick_reciprocal
from dynamics.compiled.kernels.field_routines import FieldRoutine
from dynamics.compiled.kernels.flow_problems import FlowProblem, Places
from dynamics.compiled.kernels.ir import DOUBLE, FLAG, INTEGER, POINTER, Module, Value, Variable
from dynamics.compiled.kernels.lane_rows import OPTIONS, RUNNING, STIFF, Layout, Rows
from dynamics.compiled.kernels.runge_kutta import Attempt
from dynamics.compiled.kernels.surfaces import MOST_TROUBLE, Surface, Watch
from dynamics.compiled.lane_problems import LaneStatus

__all__ = ["ARGUMENTS", "LaneLoop", "Try"]

ARGUMENTS = {"count": INTEGER, "order": POINTER, "data": POINTER, "stride": INTEGER, "options": POINTER, "buffer": POINTER}
SAFETY, GROWTH, SHRINKAGE = 0.9, 5.0, 0.2
# Exponents of the error of this step and of the last one in the proportional-integral control, for squared errors.
PRESENT, PAST = -0.07, 0.04
SMALLEST_STEP, EARLIEST = 4 * 2.3e-16, 1e-12  # as in the lane engine: spacings at the present, share of the final time
STABILITY = 2.5 ** 2      # squared step times eigenvalue that an explicit step of this method hardly stands
STIFF_STEPS, STIFF_REST = 6.0, 20.0  # how many such steps call the stiff method, if so many are still to go
NEAR_SIDE = 1e-13  # of a step: so far before the zero of a terminal event a lane ends, beyond rounding
_CHANGING = ("time", "step", "error", "steps", "rejected", "hits", "stiffness")

Try = Callable[[Places, Value, Value, Sequence[Value], Sequence[Value]], Attempt]


class LaneLoop:
    """Appends the function ``advance`` to a module.

    Parameters
    ----------
    module : Module
    problem : FlowProblem
    layout : Layout
    attempt : callable
        ``attempt(places, time, step, state, slope)`` appends one step.
    stiff_test : bool
        Whether lanes that turn out stiff leave with the status STIFF.
    routine : FieldRoutine, optional
        The field as a function of the module.
    """

    def __init__(self, module: Module, problem: FlowProblem, layout: Layout, attempt: Try, stiff_test: bool,
                 routine: FieldRoutine | None = None) -> None:
        self.routine = routine
        self.problem, self.layout, self.attempt, self.stiff_test = problem, layout, attempt, stiff_test
        self.build = build = module.function("advance", ARGUMENTS)
        self.rows = Rows(build, layout, build.argument("buffer"))
        self.watch = Watch(build, layout, self.rows)
        self.next, self.live = build.variable(build.index(0)), build.variable(build.index(0))
        blocks = self.refill, self.ready, self.step, self.leave, self.out = [
            build.block(name) for name in ("refill", "ready", "step", "leave", "out")]
        build.branch(blocks[0])
        build.enter(self.refill)
        self._exchange()
        build.branch_if(self.live.get().equals(0), self.out, self.ready)
        build.enter(self.ready)
        again = self._load()
        build.branch_if(again, self.ready, self.step)
        build.enter(self.step)
        self._advance()
        build.enter(self.leave)
        self._store()
        build.branch(self.refill)
        build.enter(self.out)
        build.finish()

    # ---- the queue --------------------------------------------------------------------------------------------------

    def _exchange(self) -> None:
        """Write back the lanes that have ended and put the next ones of the queue in their places."""
        build, layout = self.build, self.layout
        data, stride, order = (build.argument(n) for n in ("data", "stride", "order"))
        buffer, width, size = build.argument("buffer"), build.width, layout.size
        with build.count(0, width) as lane:
            status = build.load(build.at(buffer, lane + layout.row("status") * width), DOUBLE)
            with build.when(status.differs(RUNNING)):
                where = build.at(buffer, lane + (size + 1) * width)
                number = build.load(where, INTEGER)
                with build.when(number >= 0):
                    with build.count(0, layout.changing) as row:
                        value = build.load(build.at(buffer, row * width + lane), DOUBLE)
                        build.store(build.at(data, row * stride + number), value)
                    self.live.set(self.live.get() - 1)
                more = self.next.get() < build.argument("count")
                taking, idle, done = build.block("taking"), build.block("idle"), build.block("done")
                active = build.at(buffer, lane + size * width)
                build.branch_if(more, taking, idle)
                build.enter(taking)
                chosen = build.load(build.at(order, self.next.get(), INTEGER), INTEGER)
                with build.count(0, size) as row:
                    value = build.load(build.at(data, row * stride + chosen), DOUBLE)
                    build.store(build.at(buffer, row * width + lane), value)
                build.store(where, chosen)
                build.store(active, build.scalar(1.0))
                self.next.set(self.next.get() + 1)
                self.live.set(self.live.get() + 1)
                build.branch(done)
                build.enter(idle)
                build.store(where, build.index(-1))
                build.store(active, build.scalar(0.0))
                build.store(build.at(buffer, lane + layout.row("status") * width), build.scalar(RUNNING))
                build.branch(done)
                build.enter(done)

    def _load(self) -> Value:
        """Take the lanes into variables; what follows from their states is computed again, to the same digits.

        Returns whether that has to be done once more, in another case.
        """
        build, rows, problem = self.build, self.rows, self.problem
        options = build.argument("options")
        self.option = {name: build.spread(build.load(build.at(options, k), DOUBLE)) for k, name in enumerate(OPTIONS)}
        dimension = self.layout.dimension
        self.absolute = [build.spread(build.load(build.at(options, len(OPTIONS) + k), DOUBLE)) for k in range(dimension)]
        self.v: dict[str, Variable] = {name: build.variable(rows.get(name)) for name in _CHANGING}
        self.state = [build.variable(rows.get("state", k)) for k in range(dimension)]
        self.stop = rows.get("stop")
        self.early = EARLIEST * build.absolute(self.stop)
        self.active = build.load(build.at(build.argument("buffer"), self.layout.size * build.width)) > 0.5
        self.biases = [rows.get("bias", k) for k in range(self.layout.switches)]
        self.places = Places(problem, build, [rows.get("parameter", k) for k in range(self.layout.parameters)], self.biases,
                             self.routine)
        place = self.places.at(self.v["time"].get(), [y.get() for y in self.state])
        slope = place.field()
        self.slope = [build.variable(k) for k in slope]
        watched, rates = place.along((*problem.surfaces, *problem.running), slope)
        self.watched, self.rates = [build.variable(x) for x in watched], [build.variable(x) for x in rates]
        count = len(problem.surfaces)
        again = self.watch.decide(watched[:count], rates[:count]) if count else build.lift(0, FLAG)
        self.at_zero = build.variable(self.watch.at_zero(self.active))
        return again

    def _store(self) -> None:
        build, rows = self.build, self.rows
        for name, variable in self.v.items():
            rows.set(name, variable.get())
        for k, variable in enumerate(self.state):
            rows.set("state", variable.get(), k)
        for k, variable in enumerate(self.watched[len(self.problem.surfaces):]):
            rows.set("last", variable.get(), k)
        rows.set("status", build.select(self.active, self._status(), RUNNING))

    # ---- one step ---------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        build, problem = self.build, self.problem
        time, whole = self.v["time"].get(), self.v["step"].get()
        state, slope = [y.get() for y in self.state], [k.get() for k in self.slope]
        before, before_rates = [g.get() for g in self.watched], [g.get() for g in self.rates]
        remaining = self.stop - time
        last = whole * 1.0001 >= remaining
        size = build.select(last, remaining, whole)
        tried = self.attempt(self.places, time, size, state, slope)
        error, sizes, scales = self._error(tried, state)
        self.defined = error < 1e300
        accepted = build.variable((error <= 1.0) & self.active)
        forced, moved = build.variable(-1.0), build.variable(build.lift(0, build.mask))
        arrival = build.select(last, self.stop, time + size)
        watched, rates = self.places.at(arrival, tried.after).along(
            (*problem.surfaces, *problem.running), tried.slope)
        if problem.surfaces:
            surfaces = self._surfaces(before, before_rates, watched, rates)
            usable = self.defined & self.active
            alarm = self.watch.alarm(surfaces, size, accepted.get(), usable, self.at_zero.get())
            with build.when(build.any(alarm)):
                self.watch.inspect(surfaces, size, whole, arrival, accepted, usable, self.at_zero.get(), forced, moved)
        good, chosen = accepted.get(), forced.get()
        free = chosen < 0.0
        if problem.switches.quantities:
            self._calm(good & free, moved)
        if any(problem.terminal):
            tried, arrival, watched, rates = self._own_side(surfaces, tried, size, arrival, watched, rates, good)
        first = len(problem.surfaces)
        if problem.running:
            self._extremes(tried, time, size, good, before[first:], before_rates[first:], watched[first:], rates[first:])

        factor = SAFETY * quick_power(build, build.maximum(error, 1e-12), PRESENT) * quick_power(
            build, self.v["error"].get(), PAST)
        factor = build.select(good, build.minimum(factor, GROWTH), build.minimum(factor, SAFETY))
        factor = build.select(self.defined, build.maximum(factor, SHRINKAGE), SHRINKAGE)
        following = build.select(free, size * factor, chosen)
        if self.stiff_test:
            self._stiffness(tried, size, scales, free)
        self.v["time"].set(build.select(good, arrival, time))
        self.v["step"].set(following)
        self.v["error"].set(build.select(good, build.maximum(error, 1e-4), self.v["error"].get()))
        self.v["steps"].set(self.v["steps"].get() + build.select(good, 1.0, 0.0))
        self.v["rejected"].set(self.v["rejected"].get() + build.select(good, 0.0, 1.0))
        for variables, new, old in ((self.state, tried.after, state), (self.slope, tried.slope, slope),
                                    (self.watched, watched, before), (self.rates, rates, before_rates)):
            for variable, a, b in zip(variables, new, old, strict=True):
                variable.set(build.select(good, a, b))
        self._ends(good, free, last, sizes, following, moved.get())

    def _error(self, tried: Attempt, state: Sequence[Value]) -> tuple[Value, Value, list[Value]]:
        """Return the mean squared error in units of the tolerance, the largest new state, and the scales' reciprocals."""
        build = self.build
        total, largest, scales = build.constant(0.0), build.constant(0.0), []
        for k, (error, old, new) in enumerate(zip(tried.error, state, tried.after, strict=True)):
            size = build.absolute(new)
            bound = build.maximum(build.absolute(old), size)
            scale = quick_reciprocal(build, build.fma(self.option["relative_tolerance"], bound, self.absolute[k]))
            ratio = error * scale
            total = build.fma(ratio, ratio, total)
            largest = build.maximum(size, largest)
            scales.append(scale)
        total = total * (1.0 / self.layout.dimension)
        return (total if tried.guard is None else total + tried.guard), largest, scales

    def _surfaces(self, before: Sequence[Value], before_rates: Sequence[Value], after: Sequence[Value],
                  after_rates: Sequence[Value]) -> list[Surface]:
        problem, count = self.problem, self.layout.switches
        ends = list(zip(before, before_rates, after, after_rates, strict=True))
        found = [Surface(k, False, 0, False, self.biases[k] * 1e-300, *ends[k]) for k in range(count)]
        found += [Surface(k, True, problem.directions[k], problem.terminal[k], self.rows.get("side", k), *ends[count + k])
                  for k in range(self.layout.events)]
        return found

    def _own_side(self, surfaces: Sequence[Surface], tried: Attempt, size: Value, arrival: Value, watched: Sequence[Value],
                  rates: Sequence[Value], good: Value) -> tuple[Attempt, Value, list[Value], list[Value]]:
        """End lanes just before the zero of their terminal event: what is 1/level there is large and keeps its sign."""
        build, rows, problem = self.build, self.rows, self.problem
        ended = good & (rows.get("event") >= 0.0)
        time, after = build.variable(arrival), [build.variable(y) for y in tried.after]
        values, slopes = [build.variable(x) for x in watched], [build.variable(x) for x in rates]
        with build.when(build.any(ended)):
            share, back = NEAR_SIDE * build.maximum(rows.get("resume"), size) / size, build.constant(0.0)
            for s in surfaces:
                if s.event and s.terminal:
                    level = s.cubic(size)
                    beyond = level.end + share * level.end_slope
                    hit = ended & rows.get("event").equals(float(s.number)) & (beyond < 0.0) & (level.end_slope < 0.0)
                    back = build.select(hit, beyond * size / level.end_slope, back)
            new = [build.fma(-back, k, y) for k, y in zip(tried.slope, tried.after, strict=True)]
            at = self.places.at(arrival - back, new, keep=False)
            time.set(arrival - back)
            for variables, found in ((after, new), *zip((values, slopes), at.along(
                    (*problem.surfaces, *problem.running), tried.slope), strict=True)):
                for variable, value, old in zip(variables, found, [v.get() for v in variables], strict=True):
                    variable.set(build.select(back > 0.0, value, old))
        return (replace(tried, after=[y.get() for y in after]), time.get(), [v.get() for v in values],
                [v.get() for v in slopes])

    def _calm(self, ordinary: Value, moved: Variable) -> None:
        """Forget trouble at borders slowly; where the case that is held makes the field undefined, let go of it."""
        build, rows = self.build, self.rows
        lost = self.active & ~self.defined
        with build.when(build.any((ordinary & (rows.get("trouble") > 0.0)) | lost)):
            trouble = rows.get("trouble")
            less = build.select(ordinary, build.maximum(trouble - 0.25, 0.0), trouble)
            less = build.select(trouble > MOST_TROUBLE, trouble, less)
            more = build.select(lost, less + 2.0, less)
            rows.set("trouble", more)
            plain = more > MOST_TROUBLE
            for k in range(self.layout.switches):
                rows.set("bias", build.select(plain, 0.0, rows.get("bias", k)), k)
            moved.set(moved.get() | (plain & (trouble <= MOST_TROUBLE)))

    def _extremes(self, tried: Attempt, time: Value, size: Value, good: Value, before: Sequence[Value],
                  before_rates: Sequence[Value], after: Sequence[Value], after_rates: Sequence[Value]) -> None:
        """Bring maxima, minima and falls up to date, turning points inside the step included."""
        build, rows = self.build, self.rows
        for k, (q0, d0, q1, d1) in enumerate(zip(before, before_rates, after, after_rates, strict=True)):
            earlier, low, fall = rows.get("maximum", k), rows.get("minimum", k), rows.get("fall", k)
            high, low = build.select(good & (q1 > earlier), q1, earlier), build.select(good & (q1 < low), q1, low)
            fall = build.select(good & (high - q1 > fall), high - q1, fall)
            for name, value in (("maximum", high), ("minimum", low), ("fall", fall)):
                rows.set(name, value, k)
            # a smooth curve stays below its tangents at the ends of an arch, and below where they meet
            from_start, from_end, arch = build.fma(size, d0, q0), build.fma(-size, d1, q1), 0.25 * size * (d0 - d1)
            top = good & (d0 > 0.0) & (d1 < 0.0) & (
                build.minimum(build.minimum(from_start, from_end), build.maximum(q0, q1) + arch) > high)
            # a minimum that is no record may still be the deepest fall
            depth = build.maximum(low, earlier - fall)
            bottom = good & (d0 < 0.0) & (d1 > 0.0) & (
                build.maximum(build.maximum(from_start, from_end), build.minimum(q0, q1) + arch) < depth)
            with build.when(build.any(top | bottom)):
                where = Cubic(q0, d0 * size, q1, d1 * size).turning()
                place = self.places.at(build.fma(where, size, time), tried.state_at(where), keep=False)
                (value,) = place.values([self.problem.running[k]])
                high, low, fall = (rows.get(name, k) for name in ("maximum", "minimum", "fall"))
                deep = build.select(top, value - q1, build.select(bottom, earlier - value, fall))
                rows.set("fall", build.select(deep > fall, deep, fall), k)
                rows.set("maximum", build.select(top & (value > high), value, high), k)
                rows.set("minimum", build.select(bottom & (value < low), value, low), k)

    def _stiffness(self, tried: Attempt, size: Value, scales: Sequence[Value], free: Value) -> None:
        """Count the steps whose length is set by stability, by Hairer's estimate of the largest eigenvalue."""
        build = self.build
        sums = []
        for differences in tried.stiffness or ():
            total = build.constant(0.0)
            for difference, scale in zip(differences, scales, strict=True):
                part = difference * scale
                total = build.fma(part, part, total)
            sums.append(total)
        limited = (sums[0] * (size * size) > STABILITY * sums[1]) & free
        count = self.v["stiffness"].get()
        self.v["stiffness"].set(build.select(limited, count + 1.0, build.maximum(count - 0.5, 0.0)))

    # ---- the end of a lane ------------------------------------------------------------------------------------------

    def _ends(self, good: Value, free: Value, last: Value, sizes: Value, following: Value, moved: Value) -> None:
        """Go on, or leave the loop where a lane has ended or changed its case."""
        build, rows, problem = self.build, self.rows, self.problem
        early = build.maximum(build.absolute(self.v["time"].get()), self.early)
        marks = {
            "limit": self.v["steps"].get() + self.v["rejected"].get() >= self.option["max_steps"],
            "completed": good & last,
            "stuck": ~good & free & (following < SMALLEST_STEP * early),
            "diverged": good & (sizes > self.option["divergence"]),
        }
        if problem.settled:
            place = self.places.at(self.v["time"].get(), [y.get() for y in self.state])
            still = build.lift(1, build.mask)
            for value in place.values(problem.settled):
                still = still & (value >= 0.0)
            hits = self.v["hits"].get()
            self.v["hits"].set(build.select(good, build.select(still, hits + 1.0, 0.0), hits))
            marks["settled"] = self.v["hits"].get() >= float(problem.settle_hits)
        if any(problem.terminal):
            marks["event"] = rows.get("event") >= 0.0
        if self.stiff_test:
            rest = self.stop - self.v["time"].get()
            marks["stiff"] = (self.v["stiffness"].get() >= STIFF_STEPS) & (rest > STIFF_REST * following)
        ended = moved
        for mark in marks.values():
            ended = ended | mark
        self.marks = marks
        build.branch_if(build.any(ended & self.active), self.leave, self.step)

    def _status(self) -> Value:
        """Return the status of every lane, with the precedence of the lane engine."""
        build, marks = self.build, self.marks
        status: Value = build.constant(RUNNING)
        if "stiff" in marks:
            status = build.select(marks["stiff"], STIFF, status)
        status = build.select(marks["limit"], float(LaneStatus.STEP_LIMIT), status)
        if "settled" in marks:
            status = build.select(marks["settled"], float(LaneStatus.SETTLED), status)
        status = build.select(marks["completed"], float(LaneStatus.COMPLETED), status)
        largest = build.constant(0.0)
        for y in self.state:
            largest = build.maximum(build.absolute(y.get()), largest)
        stuck = build.select(self.defined, float(LaneStatus.STEP_UNDERFLOW), float(LaneStatus.INVALID_STATE))
        stuck = build.select(largest > self.option["root_of_divergence"], float(LaneStatus.DIVERGED), stuck)
        status = build.select(marks["stuck"], stuck, status)
        status = build.select(marks["diverged"], float(LaneStatus.DIVERGED), status)
        if "event" in marks:
            status = build.select(marks["event"], float(LaneStatus.EVENT), status)
        return status
