"""The instructions that iterate a map: blocks of steps without any test, made again with every test where one is needed.

A block runs freely, noting only whether a state was not finite and how far the tangent vector grew. Where that is
harmless, as nearly always, the block stands; otherwise its steps are made again one at a time. Powers of two are exact, so
both give the same digits, and a lane takes the second ones only for its own sake, never for its neighbour's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sympy import Add, Expr, Mul, Pow, Symbol, preorder_traversal

from dynamics.compiled.kernels.derivatives import Direction
from dynamics.compiled.kernels.ir import INTEGER, POINTER, Builder, Module, Operand, Value, Variable
from dynamics.compiled.kernels.tracing import Tracer, count_operations
from dynamics.compiled.lane_problems import LaneStatus
from dynamics.errors import SpecificationError
from dynamics.systems import TIME

__all__ = ["DIVERGED", "MapLayout", "MapProblem", "map_text"]

DIVERGED = 1e12              # an orbit that ends beyond this has left every bound
BLOCK = 16                   # steps without a test
LARGEST_UNROLLED = 16        # operations of a map whose blocks are written out step by step
LOWEST, HIGHEST = 2.0**-500, 2.0**500  # a tangent vector outside has to be scaled at every step
EXPONENT = 0x7FF0000000000000


@dataclass(frozen=True)
class MapProblem:
    """A map as expressions.

    Attributes
    ----------
    states, parameters : tuple of Symbol
    field : tuple of Expr
        The next state, one per state; may use ``dynamics.systems.TIME``, the number of the step.
    """

    states: tuple[Symbol, ...]
    parameters: tuple[Symbol, ...]
    field: tuple[Expr, ...]

    def __post_init__(self) -> None:
        unknown = set().union(*(e.free_symbols for e in self.field)) - {*self.states, *self.parameters, TIME}
        faults = [f"{', '.join(sorted(str(s) for s in unknown))}: neither state nor parameter"] if unknown else []
        if not len(self.field) == len(self.states) > 0:
            faults.append(f"{len(self.field)} equations for {len(self.states)} states")
        if faults:
            raise SpecificationError("MapProblem: " + "; ".join(faults), faults)

    @property
    def operations(self) -> int:
        """Size of the map in operations."""
        return count_operations(self.field)

    @property
    def keeps_infinities(self) -> bool:
        """Whether a state that is not finite leaves some state not finite for ever.

        Sums and products of what is not finite are not finite, so it is enough that every state occurs somewhere.
        """
        sums = all(node.is_Symbol or node.is_Number or isinstance(node, Add | Mul)
                   or (isinstance(node, Pow) and node.exp.is_Integer and node.exp.is_positive)
                   for e in self.field for node in preorder_traversal(e))
        return sums and set(self.states) <= set().union(*(e.free_symbols for e in self.field))

    @property
    def timed(self) -> bool:
        """Whether the map depends on the number of the step."""
        return any(TIME in e.free_symbols for e in self.field)


@dataclass(frozen=True)
class MapLayout:
    """Rows of the lanes' memory: states (first, then final ones), parameters, results."""

    dimension: int
    parameters: int

    @property
    def status(self) -> int:
        return self.dimension + self.parameters

    @property
    def period(self) -> int:
        return self.status + 1

    @property
    def exponent(self) -> int:
        """Powers of two taken off the tangent vector."""
        return self.status + 2

    @property
    def size(self) -> int:
        """Largest entry of the tangent vector that is left; 0 where it vanished."""
        return self.status + 3

    @property
    def rows(self) -> int:
        return self.status + 4


def map_text(problem: MapProblem, width: int, lyapunov: bool) -> str:
    """Return the LLVM IR of a map: one function ``attract``."""
    module = Module(width)
    numbers = dict.fromkeys(("count", "stride", "discard", "steps", "longest"), INTEGER)
    build = module.function("attract", {**numbers, "data": POINTER, "options": POINTER})
    with build.count(0, build.argument("count"), width) as first:
        _Orbit(build, problem, first).run(lyapunov)
    build.finish()
    return module.text()


class _Orbit:
    """One vector of orbits."""

    def __init__(self, build: Builder, problem: MapProblem, first: Value) -> None:
        self.build, self.problem, self.first = build, problem, first
        self.layout = MapLayout(len(problem.states), len(problem.parameters))
        self.dimension = self.layout.dimension
        self.parameters = [self._load(self.dimension + k) for k in range(self.layout.parameters)]
        self.state = [build.variable(self._load(k)) for k in range(self.dimension)]
        self.status = build.variable(build.constant(float(LaneStatus.COMPLETED)))
        usable = self._checked([s.get() for s in self.state], build.constant(0.0)).equals(0.0)
        self.active = build.variable(usable)
        self.status.set(build.select(usable, self.status.get(), float(LaneStatus.INVALID_STATE)))
        # a direction without any symmetry of its own
        self.tangent = [build.variable(build.constant((k + 1.0) ** 0.5)) for k in range(self.dimension)]
        self.exponent = build.variable(build.constant(0.0))
        # lanes whose tangent vector has no direction any more: zero, or not a number
        self.lost = build.variable(build.constant(0.0) > 0.0)
        self.vanished = build.variable(build.constant(0.0) > 0.0)

    def _load(self, row: int) -> Value:
        return self.build.load(self.build.at(self.build.argument("data"), self.build.argument("stride") * row + self.first))

    def _store(self, row: int, value: Value) -> None:
        place = self.build.at(self.build.argument("data"), self.build.argument("stride") * row + self.first)
        self.build.store(place, value)

    def run(self, lyapunov: bool) -> None:
        build, layout = self.build, self.layout
        discard, steps = build.argument("discard"), build.argument("steps")
        if lyapunov:
            self._stage(build.index(0), discard, False)
            self._stage(discard, discard + steps, True)
        else:
            self._stage(build.index(0), discard + steps, False)
        for k, state in enumerate(self.state):
            self._store(k, state.get())
        self._store(layout.period, self._period(discard + steps))
        self._store(layout.status, self.status.get())
        self._store(layout.exponent, self.exponent.get())
        self._store(layout.size, build.select(self.vanished.get(), 0.0, self._size([t.get() for t in self.tangent])))

    # ---- steps ------------------------------------------------------------------------------------------------------

    def _after(self, step: Value, tangent: Sequence[Value] = ()) -> tuple[list[Value], list[Value]]:
        """Return the next state and the image of the tangent vector."""
        p = self.problem
        state = [s.get() for s in self.state]
        time: Operand = self.build.spread(self.build.to_double(step)) if p.timed else 0.0
        moving = (*p.states, TIME)
        symbols = {**dict(zip(p.parameters, self.parameters, strict=True)), **dict(zip(p.states, state, strict=True)),
                   TIME: time}
        tracer = Tracer(self.build, symbols, moving)
        after = tracer.values(p.field)
        if not tangent:
            return after, []
        direction = Direction(tracer, dict(zip(p.states, tangent, strict=True)))
        return after, [tracer.vector(direction.derivative(e)) for e in p.field]

    def _checked(self, values: Sequence[Value], total: Value) -> Value:
        """Return the total, nan as soon as one of the values is not finite."""
        for value in values:
            total = self.build.fma(value, 0.0, total)
        return total

    def _stage(self, begin: Value, end: Value, lyapunov: bool) -> None:
        build = self.build
        at = build.variable(begin)
        with build.forever() as (_, out):
            going = build.block("going")
            build.branch_if((at.get() < end) & build.any(self.active.get()), going, out)
            build.enter(going)
            last = at.get() + BLOCK
            last = build.select(last < end, last, end)
            self._block(at.get(), last, lyapunov)
            at.set(last)

    def _block(self, begin: Value, end: Value, lyapunov: bool) -> None:
        build = self.build
        before = [s.get() for s in self.state]
        tangent, exponent = [t.get() for t in self.tangent], self.exponent.get()
        total = build.variable(build.constant(0.0))

        def advance(step: Value) -> None:
            after, image = self._after(step, [t.get() for t in self.tangent] if lyapunov else ())
            if not self.problem.keeps_infinities:
                total.set(self._checked(after, total.get()))
            _assign(self.state, after)
            _assign(self.tangent, image)

        if self.problem.operations <= LARGEST_UNROLLED:
            # a last, shorter block makes some steps too many, and is made again
            for number in range(BLOCK):
                advance(begin + number)
            whole = build.spread((end - begin).equals(BLOCK))
            total.set(build.select(whole, total.get(), float("nan")))
        else:
            with build.count(begin, end) as step:
                advance(step)
        total.set(self._checked([s.get() for s in self.state], total.get()))
        _assign(self.state, [build.select(self.active.get(), s.get(), b) for s, b in zip(self.state, before, strict=True)])
        harmless = total.get().equals(0.0)
        alone = harmless
        if lyapunov:
            size = self._size([t.get() for t in self.tangent])
            harmless = harmless & (((size >= LOWEST) & (size <= HIGHEST)) | self.lost.get())
            alone = harmless & ~self.lost.get()
            power = ((build.bits(size) & EXPONENT) >> 52) - 1022
            self._scale(power)
            self.exponent.set(exponent + build.to_double(power))
        with build.when(build.any(self.active.get() & ~harmless)):
            fast = [(v, v.get()) for v in (*self.tangent, self.exponent)] if lyapunov else []
            _assign([*self.state, *self.tangent, self.exponent], [*before, *tangent, exponent])
            with build.count(begin, end) as step:
                self._careful(step, lyapunov)
            for variable, value in fast:
                variable.set(build.select(alone, value, variable.get()))

    def _careful(self, step: Value, lyapunov: bool) -> None:
        """One step with every test; a lane that breaks keeps its last finite state."""
        build = self.build
        after, image = self._after(step, [t.get() for t in self.tangent] if lyapunov else ())
        if lyapunov:
            size = self._size(image)
            zero = size.equals(0.0)
            # zero, infinite and nan have no power to take off
            plain = (size > 0.0) & (size < float("inf"))
            first = build.select(size < LOWEST, 2.0**540, build.select(size > HIGHEST, 2.0**-540, 1.0))
            shift = build.select(size < LOWEST, -540.0, build.select(size > HIGHEST, 540.0, 0.0))
            power = build.select(plain, ((build.bits(size * first) & EXPONENT) >> 52) - 1022, 0)
            _assign(self.tangent, [build.select(plain, v * first, v) for v in image])
            self._scale(power)
            self.exponent.set(self.exponent.get() + build.select(plain, build.to_double(power) + shift, 0.0))
            self.vanished.set(self.vanished.get() | (self.active.get() & zero))
            self.lost.set(self.lost.get() | ~plain)
        self._advance(after, self.active)

    def _advance(self, after: Sequence[Value], going: Variable) -> None:
        """Go on where the next state is finite; say what happened where it is not."""
        build = self.build
        finite = self._checked(after, build.constant(0.0)).equals(0.0)
        far = build.constant(0.0) > 0.0
        for state in self.state:
            far = far | (build.absolute(state.get()) > DIVERGED)
        kind = build.select(far, float(LaneStatus.DIVERGED), float(LaneStatus.INVALID_STATE))
        self.status.set(build.select(going.get() & ~finite, kind, self.status.get()))
        going.set(going.get() & finite)
        _assign(self.state, [build.select(going.get(), a, s.get()) for a, s in zip(after, self.state, strict=True)])

    def _size(self, vector: Sequence[Value]) -> Value:
        """Return the largest entry; nan where one is nan."""
        build = self.build
        size = build.absolute(vector[0])
        for value in vector[1:]:
            entry = build.absolute(value)
            size = build.select((size >= entry) | size.differs(size), size, entry)
        return size

    def _scale(self, power: Value) -> None:
        """Divide the tangent vector by a power of two."""
        factor = self.build.from_bits((1023 - power) << 52)
        _assign(self.tangent, [t.get() * factor for t in self.tangent])

    # ---- period -----------------------------------------------------------------------------------------------------

    def _period(self, begin: Value) -> Value:
        """Go on until each orbit is back; return after how many steps, 0 for never and -1 where an orbit broke."""
        build = self.build
        options = build.argument("options")
        relative, least = (build.spread(build.load(build.at(options, k), "double")) for k in (0, 1))
        target = [s.get() for s in self.state]
        bounds = [relative * (build.absolute(x) + least) for x in target]
        period, searching = build.variable(build.constant(0.0)), build.variable(self.active.get())
        number = build.variable(build.index(1))
        with build.forever() as (_, out):
            going = build.block("going")
            build.branch_if((number.get() <= build.argument("longest")) & build.any(searching.get()), going, out)
            build.enter(going)
            self._advance(self._after(begin + number.get() - 1)[0], searching)
            near = searching.get()
            for state, x, bound in zip(self.state, target, bounds, strict=True):
                near = near & (build.absolute(state.get() - x) <= bound)
            period.set(build.select(near, build.spread(build.to_double(number.get())), period.get()))
            searching.set(searching.get() & ~near)
            number.set(number.get() + 1)
        return build.select(self.status.get().equals(float(LaneStatus.COMPLETED)), period.get(), -1.0)


def _assign(variables: Sequence[Variable], values: Sequence[Value]) -> None:
    for variable, value in zip(variables, values, strict=False):
        variable.set(value)
