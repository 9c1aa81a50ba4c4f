"""The field as a function that is called at every stage, for systems too large to be written out at each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sympy import Expr, Symbol

from dynamics.compiled.kernels.ir import POINTER, Builder, Module, Operand, Value
from dynamics.compiled.kernels.switches import Switches
from dynamics.compiled.kernels.tracing import Tracer
from dynamics.systems import TIME

__all__ = ["FieldRoutine"]


class _Slots(dict[Expr, Operand]):
    """Values of expressions in parameters alone: the caller computes them once and puts them into memory."""

    def __init__(self, build: Builder, place: Value) -> None:
        super().__init__()
        self.build, self.place = build, place
        self.expressions: list[Expr] = []

    def __contains__(self, expression: object) -> bool:
        return super().__contains__(expression) or bool(getattr(expression, "free_symbols", None))

    def __getitem__(self, expression: Expr) -> Operand:
        if not super().__contains__(expression):
            self[expression] = self.build.load(self.build.at(self.place, len(self.expressions) * self.build.width))
            self.expressions.append(expression)
        return super().__getitem__(expression)


class FieldRoutine:
    """Appends the function ``field`` to a module.

    Parameters
    ----------
    module : Module
    field : sequence of Expr
    states, parameters : sequence of Symbol
    switches : Switches

    Attributes
    ----------
    slots : list of Expr
        What a caller has to provide the values of.
    """

    def __init__(self, module: Module, field: Sequence[Expr], states: Sequence[Symbol], parameters: Sequence[Symbol],
                 switches: Switches) -> None:
        names = ("time", "state", "slots", "biases", "result")
        build = module.function("field", dict.fromkeys(names, POINTER), internal=True)
        time, state, place, biases, result = (build.argument(n) for n in names)
        width, slots = build.width, _Slots(build, place)
        symbols: dict[Symbol, Operand] = {s: build.load(build.at(state, k * width)) for k, s in enumerate(states)}
        symbols[TIME] = build.load(time)
        symbols.update({p: slots[p] for p in parameters})
        held = [build.load(build.at(biases, k * width)) for k in range(len(switches.quantities))]
        values = Tracer(build, symbols, (*states, TIME), switches, held, slots).values(field)
        for k, value in enumerate(values):
            build.store(build.at(result, k * width), value)
        build.finish()
        self.slots: list[Expr] = slots.expressions

    def caller(self, build: Builder, slots: Sequence[Value], biases: Sequence[Value]
               ) -> Callable[[Operand, Sequence[Value]], list[Value]]:
        """Return what appends a call, ``caller(time, state)``, the slots and biases being the same at all calls."""
        places = {name: build.array(len(values)) for name, values in (("slots", slots), ("biases", biases))}
        for name, values in (("slots", slots), ("biases", biases)):
            self._put(build, places[name], values)
        moment = build.array(1)
        made: list[Value] = []

        def call(time: Operand, state: Sequence[Value]) -> list[Value]:
            if not made:
                made.extend((build.array(len(state)), build.array(len(state))))
            given, result = made
            self._put(build, given, state)
            self._put(build, moment, [build.lift(time, build.doubles)])
            pointers = ", ".join(f"ptr {p.text}" for p in (moment, given, places["slots"], places["biases"], result))
            build.line(f"call void @field({pointers})")
            return [build.load(build.at(result, k * build.width)) for k in range(len(state))]

        return call

    @staticmethod
    def _put(build: Builder, place: Value, values: Sequence[Value]) -> None:
        for k, value in enumerate(values):
            build.store(build.at(place, k * build.width), value)
