"""``lag(expression, time, stages)`` as what it is: a chain of first-order states (a gamma-distributed delay).

The linear chain trick: stages z_1 .. z_n with dz_i/dt = (n/time) (z_{i-1} - z_i), z_0 = expression, have a delay with mean
``time`` and standard deviation ``time/sqrt(n)``; ``lag`` is z_n. See N. MacDonald, Time Lags in Biological Models (1978),
doi:10.1007/978-3-642-93107-9.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sympy import Expr, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.systems.parts import State

if TYPE_CHECKING:
    from dynamics.systems.specification import Parsed

__all__ = ["expand_lags"]

_HOSTS = ("definitions", "equations", "observables")


def expand_lags(fields: dict[str, Any], parsed: Parsed) -> tuple[dict[str, Any], Parsed]:
    """Replace every ``lag`` by the last state of its chain; the chain starts in equilibrium with its input."""
    for kind in ("invariants", "measures"):
        for name, expression in getattr(parsed, kind).items():
            if expression.atoms(expressions.lag):
                raise SpecificationError(f"{kind}.{name}: use lag(...) in a definition and refer to that definition here")
    hosts = {kind: dict(getattr(parsed, kind)) for kind in _HOSTS}
    if not any(e.atoms(expressions.lag) for texts in hosts.values() for e in texts.values()):
        return fields, parsed
    if fields["time"] != "continuous":
        raise SpecificationError("lag(...) is a chain of differential equations and needs time = 'continuous'")
    states, equations = dict(fields["states"]), dict(hosts["equations"])
    initial, over, symbols = dict(parsed.initial), dict(parsed.over), dict(parsed.symbols)
    known: dict[Expr, Symbol] = {}

    def chain(call: Expr, host: str) -> Symbol:
        argument, time, stages = call.args
        if call in known:
            return known[call]
        if any(Symbol(state) in _resolved(argument, parsed).free_symbols for state in states
               if isinstance(initial[state], tuple)):
            raise SpecificationError(f"{host}: lag(...) of an indexed state is not available; write its chain as states")
        count = sum(1 for name in states if name.startswith(f"{host}_lag"))
        base = f"{host}_lag" if not count else f"{host}_lag_{count + 1}"
        previous, start = argument, _at_start(argument, parsed, initial)
        for stage in range(1, int(stages) + 1):
            name = base if stages == 1 else f"{base}_{stage}"
            if name in symbols:
                raise SpecificationError(f"{host}: the lag needs the name '{name}', which is already used")
            symbol = symbols[name] = Symbol(name)
            states[name] = State(initial=expressions.text(start), unit="?", meaning=f"stage {stage} of a lag in {host}")
            equations[name] = stages / time * (previous - symbol)
            initial[name], over[name], previous = start, (), symbol
        known[call] = previous
        return previous

    changed: dict[str, dict[str, Expr]] = {}
    for kind in _HOSTS:
        changed[kind] = {}
        for name, expression in hosts[kind].items():
            # innermost first: a lag inside a lag is already a symbol when its host is rewritten
            for call in sorted(expression.atoms(expressions.lag), key=lambda c: c.count_ops()):
                current = call.xreplace(known)
                expression = expression.xreplace({call: chain(current, name), current: chain(current, name)})
            changed[kind][name] = expression
    changed["equations"].update({name: equations[name] for name in states if name not in fields["states"]})
    written = {kind: {name: expressions.text(e) if name not in fields[kind] or e != hosts[kind].get(name)
                      else fields[kind][name] for name, e in changed[kind].items()} for kind in _HOSTS}
    return ({**fields, **written, "states": states},
            replace(parsed, **changed, initial=initial, over=over, symbols=symbols))


def _resolved(expression: Expr, parsed: Parsed) -> Expr:
    while any(s.name in parsed.definitions for s in expression.free_symbols):
        expression = expression.xreplace({Symbol(n): e for n, e in parsed.definitions.items()})
    return expression


def _at_start(expression: Expr, parsed: Parsed, initial: dict[str, Any]) -> Expr:
    start = {Symbol(name): value for name, value in initial.items() if isinstance(value, Expr)}
    value = _resolved(expression, parsed).xreplace(start)
    return value.replace(expressions.lag, lambda argument, time, stages: argument)
