"""A differential equation as expressions, and the instructions for all that a trajectory needs from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sympy import Expr, Symbol

from dynamics.compiled.kernels.derivatives import Direction, jacobian
from dynamics.compiled.kernels.field_routines import FieldRoutine
from dynamics.compiled.kernels.ir import Builder, Operand, Value
from dynamics.compiled.kernels.switches import Switches, find_switches
from dynamics.compiled.kernels.tracing import Tracer, count_operations
from dynamics.errors import SpecificationError
from dynamics.systems import TIME

__all__ = ["FlowProblem", "Place", "Places"]


@dataclass(frozen=True)
class FlowProblem:
    """One differential equation with what is watched along its trajectories, as SymPy expressions.

    Attributes
    ----------
    states, parameters : tuple of Symbol
    field : tuple of Expr
        One per state; may use ``dynamics.systems.TIME``.
    events : tuple of Expr
        An event is a zero.
    directions : tuple of int
        One per event: -1 falling, 1 rising, 0 both.
    terminal : tuple of bool
        One per event: whether it ends the trajectory.
    running : tuple of Expr
        Quantities whose extremes along the trajectory are wanted.
    settled : tuple of Expr
        The state counts as settled where all of them are at least 0; the trajectory ends when that holds at
        ``settle_hits`` consecutive steps. Empty: it never does.
    settle_hits : int
    """

    states: tuple[Symbol, ...]
    parameters: tuple[Symbol, ...]
    field: tuple[Expr, ...]
    events: tuple[Expr, ...] = ()
    directions: tuple[int, ...] = ()
    terminal: tuple[bool, ...] = ()
    running: tuple[Expr, ...] = ()
    settled: tuple[Expr, ...] = ()
    settle_hits: int = 3

    def __post_init__(self) -> None:
        faults = []
        if len(self.field) != len(self.states):
            faults.append(f"{len(self.field)} fields for {len(self.states)} states")
        if not len(self.events) == len(self.directions) == len(self.terminal):
            faults.append(f"{len(self.events)} events, {len(self.directions)} directions, "
                          f"{len(self.terminal)} terminal flags: one of each per event")
        if any(direction not in (-1, 0, 1) for direction in self.directions):
            faults.append(f"directions {self.directions}: each is -1 (falling), 1 (rising) or 0 (both)")
        if self.settle_hits < 1:
            faults.append(f"settle_hits = {self.settle_hits}: at least 1")
        everything = (*self.field, *self.events, *self.running, *self.settled)
        unknown = set().union(*(e.free_symbols for e in everything)) - {*self.states, *self.parameters, TIME}
        if unknown:
            faults.append(f"{', '.join(sorted(str(s) for s in unknown))}: neither state nor parameter")
        if faults:
            raise SpecificationError("FlowProblem: " + "; ".join(faults), faults)

    @cached_property
    def switches(self) -> Switches:
        """What decides between the cases of the field and of the events."""
        return find_switches((*self.field, *self.events), (*self.states, TIME))

    @cached_property
    def timed(self) -> bool:
        """Whether the field depends on time."""
        return any(TIME in e.free_symbols for e in self.field)

    @cached_property
    def surfaces(self) -> tuple[Expr, ...]:
        """What is watched for zeros: switching quantities, then events."""
        return (*self.switches.quantities, *self.events)

    @cached_property
    def operations(self) -> int:
        """Size of the field in operations."""
        return count_operations(self.field)


class Places:
    """Makes the instructions of one function for a problem at any number of points of its state space.

    Parameters
    ----------
    problem : FlowProblem
    build : Builder
    parameters : sequence of Value
    biases : sequence of Value
        Cases that are held (``Tracer``).
    routine : FieldRoutine, optional
        The field as a function that is called; None: it is written out at every point.
    """

    def __init__(self, problem: FlowProblem, build: Builder, parameters: Sequence[Value], biases: Sequence[Value],
                 routine: FieldRoutine | None = None) -> None:
        self.problem, self.build, self.biases = problem, build, tuple(biases)
        self.parameters = dict(zip(problem.parameters, parameters, strict=True))
        self._fixed: dict[Expr, Operand] = {}
        self._call = None
        if routine is not None:
            tracer = Tracer(build, self.parameters, (*problem.states, TIME), fixed=self._fixed)
            self._call = routine.caller(build, [tracer.vector(tracer.value(e)) for e in routine.slots], self.biases)

    def at(self, time: Operand, state: Sequence[Value], *, keep: bool = True) -> Place:
        """Return a point; ``keep``: what is computed there from parameters alone may be used wherever code comes later."""
        p = self.problem
        symbols: Mapping[Symbol, Operand] = {**self.parameters, **dict(zip(p.states, state, strict=True)), TIME: time}
        tracer = Tracer(self.build, symbols, (*p.states, TIME), p.switches, self.biases,
                        self._fixed if keep else dict(self._fixed))
        call = self._call
        return Place(p, tracer, None if call is None else lambda: call(time, state))


class Place:
    """The instructions for what is wanted at one point."""

    def __init__(self, problem: FlowProblem, tracer: Tracer, called: Callable[[], list[Value]] | None) -> None:
        self._problem, self._tracer, self._called = problem, tracer, called

    def field(self) -> list[Value]:
        return self._tracer.values(self._problem.field) if self._called is None else self._called()

    def jacobian(self) -> list[list[Operand]]:
        """Derivative of the field by the states; exact zeros are Python floats."""
        return jacobian(self._tracer, self._problem.field, self._problem.states)

    def time_slope(self) -> list[Operand]:
        """Partial derivative of the field by time."""
        direction = Direction(self._tracer, {TIME: 1.0})
        return [direction.derivative(e) for e in self._problem.field]

    def along(self, expressions: Sequence[Expr], slope: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        """Return the values of expressions and their rates of change along the flow."""
        direction = Direction(self._tracer, {**dict(zip(self._problem.states, slope, strict=True)), TIME: 1.0})
        values = self._tracer.values(expressions)
        return values, [self._tracer.vector(direction.derivative(e)) for e in expressions]

    def values(self, expressions: Sequence[Expr]) -> list[Value]:
        return self._tracer.values(expressions)
