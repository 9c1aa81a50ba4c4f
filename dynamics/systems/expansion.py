"""The scalar system behind an indexed one, for symbolic work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sympy import Expr

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.expressions.budgets import MODEL
from dynamics.systems.indexing import scalar_expressions, scalar_name
from dynamics.systems.parts import Parameter, State
from dynamics.systems.sizes import check_expansion
from dynamics.systems.system import System
from dynamics.systems.units import not_checking

__all__ = ["expand"]


def expand(system: System) -> System:
    """Return a System whose every state and parameter is scalar; a system without indices returns itself."""
    if not system.indices:
        return system
    parsed, over = system._parsed, system._parsed.over
    sparse = {name: frozenset(triple[:2] for triple in parsed.values[name])
              for name, part in system.parameters.items() if part.sparse and part.over}

    check_expansion(_targets(system), parsed, system.indices, sparse)

    def scalars(expression: Expr, target: tuple[str, ...]) -> dict[tuple[int, ...], str]:
        written = {}
        for position, scalar in scalar_expressions(expression, target, over, system.indices, sparse):
            text = written[position] = expressions.text(scalar)
            if len(text) > MODEL.characters:
                # all entries are as long as this one: refused here, not after the last
                raise SpecificationError(f"expand: an equation of '{system.name}' has {len(text)} characters when its sums "
                                         f"are written out, and an expression has at most {MODEL.characters}. Make an "
                                         "index smaller")
        return written

    def assigned(assign: Mapping[str, Expr]) -> dict[str, str]:
        return {scalar_name(n, p): t for n, e in assign.items() for p, t in scalars(e, over[n]).items()}

    def one(expression: Expr) -> str:
        return scalars(expression, ())[()]

    taken: set[str] = set()

    def new(name: str, position: tuple[int, ...]) -> str:
        scalar = scalar_name(name, position)
        if scalar in taken:
            raise SpecificationError(f"expand: '{name}' would give the scalar name '{scalar}', which is already used; "
                                     "rename one of the two")
        taken.add(scalar)
        return scalar

    parameters: dict[str, Parameter] = {}
    for name, part in system.parameters.items():
        value = parsed.values[name]
        cells = {t[:2]: t[2] for t in value} if name in sparse else dict(_cells(value)) if part.over else {(): value}
        for position, number in cells.items():
            parameters[new(name, position)] = replace(
                part, value=number, over=(), sparse=False, symbol=_spelled(part.symbol, position))
    states: dict[str, State] = {}
    for name, state in system.states.items():
        initial = parsed.initial[name]
        starts = dict(_cells(initial)) if isinstance(initial, tuple) else None
        for position, start in (starts.items() if starts is not None else scalars(initial, state.over).items()):
            states[new(name, position)] = replace(
                state, initial=start, over=(), symbol=_spelled(state.symbol, position))
    definitions, observables = ({new(name, position): written for name, e in kind.items()
                                 for position, written in scalars(e, over.get(name, ())).items()}
                                for kind in (parsed.definitions, parsed.observables))
    # the indexed system was checked
    with not_checking():
        return System(
            name=system.name, time=system.time, time_unit=system.time_unit, references=system.references, states=states,
            parameters=parameters, definitions=definitions, observables=observables,
            equations=assigned(parsed.equations), invariants={n: one(e) for n, e in parsed.invariants.items()},
            measures={n: replace(m, expression=one(parsed.measures[n])) for n, m in system.measures.items()},
            events={n: replace(e, expression=one(parsed.events[n][0]), assign=assigned(parsed.events[n][1]))
                    for n, e in system.events.items()},
            shocks={n: replace(s, assign=assigned(parsed.shocks[n])) for n, s in system.shocks.items()},
            noise={n: assigned(amplitudes) for n, amplitudes in parsed.noise.items()},
            jumps={n: replace(j, rate=one(parsed.jumps[n][0]), assign=assigned(parsed.jumps[n][1]))
                   for n, j in system.jumps.items()},
        )


def _targets(system: System) -> Iterator[tuple[Expr, tuple[str, ...]]]:
    """Every expression that is written out, with the indices it is written out for."""
    parsed, over = system._parsed, system._parsed.over
    for kind in (parsed.definitions, parsed.observables, parsed.equations):
        yield from ((expression, over.get(name, ())) for name, expression in kind.items())
    assigned = [*parsed.shocks.values(), *parsed.noise.values(),
                *(assign for _, assign in (*parsed.events.values(), *parsed.jumps.values()))]
    for assign in assigned:
        yield from ((expression, over[name]) for name, expression in assign.items())
    yield from ((expression, ()) for expression, _ in (*parsed.events.values(), *parsed.jumps.values()))


def _cells(value: Any, position: tuple[int, ...] = ()) -> Any:
    if not isinstance(value, tuple):
        yield position, value
        return
    for k, item in enumerate(value):
        yield from _cells(item, (*position, k))


def _spelled(symbol: str | None, position: tuple[int, ...]) -> str | None:
    return None if symbol is None else scalar_name(symbol, position)
