"""``lag(expression, time, stages)`` as what it is: a chain of first-order states (a gamma-distributed delay).

The linear chain trick: stages z_1 .. z_n with dz_i/dt = (n/time) (z_{i-1} - z_i), z_0 = expression, have a delay with
mean ``time`` and standard deviation ``time/sqrt(n)``; ``lag`` is z_n. See N. MacDonald, Time Lags in Biological Models
(1978), doi:10.1007/978-3-642-93107-9.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sympy import Expr, Integer, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.systems.parts import State

if TYPE_CHECKING:
    from dynamics.systems.specification import Parsed

__all__ = ["expand_lags"]

_HOSTS = ("definitions", "equations", "observables")


def expand_lags(fields: dict[str, Any], parsed: Parsed) -> tuple[dict[str, Any], Parsed]:
    """Replace every ``lag`` by the last state of its chain; the chain starts in equilibrium with its input.

    The states of a chain are named after the entry that holds the lag: ``flow_lag_1``, ``flow_lag_2``, ... or, with one
    stage, ``flow_lag``; a second lag in the same entry is ``flow_lag2``. Equal lags share one chain.

    Raises
    ------
    SpecificationError
        Where a lag cannot stand, in discrete time, and for indexed quantities.
    """
    hosts = {kind: dict(getattr(parsed, kind)) for kind in _HOSTS}
    misplaced = [where for where, e in _elsewhere(parsed) if e.atoms(expressions.lag)]
    if misplaced:
        raise SpecificationError(f"{misplaced[0]}: use lag(...) in a definition and refer to that definition here", [
            f"{where}: use lag(...) in a definition and refer to that definition here" for where in misplaced])
    lagged = [f"{kind}.{name}" for kind, entries in hosts.items() for name, e in entries.items()
              if e.atoms(expressions.lag)]
    if not lagged:
        return fields, parsed
    if fields["time"] != "continuous":
        raise SpecificationError(f"{lagged[0]}: lag(...) is a chain of differential equations and needs "
                                 "time = 'continuous'; in discrete time write the earlier values as states")
    states, equations = dict(fields["states"]), dict(hosts["equations"])
    initial, over, symbols = dict(parsed.initial), dict(parsed.over), dict(parsed.symbols)
    known: dict[Expr, Symbol] = {}

    def chain(call: Expr, where: str, host: str, base: str) -> Symbol:
        argument, time, stages = call.args
        if any(over.get(s.name) for s in _resolved(call, parsed.definitions).free_symbols):
            raise SpecificationError(f"{where}: lag(...) of indexed quantities is not available; "
                                     "write its chain as states")
        previous, start = argument, _at_start(argument, parsed, initial)
        for stage in range(1, int(stages) + 1):
            name = base if stages == 1 else f"{base}_{stage}"
            if name in symbols:
                raise SpecificationError(f"{where}: the lag needs the name '{name}', which is already used")
            symbol = symbols[name] = Symbol(name)
            states[name] = State(initial=expressions.text(start), unit="?", meaning=f"stage {stage} of a lag in {host}")
            equations[name] = stages / time * (previous - symbol)
            initial[name], over[name], previous = start, (), symbol
        return previous

    changed: dict[str, dict[str, Expr]] = {}
    for kind in _HOSTS:
        changed[kind] = {}
        for name, expression in hosts[kind].items():
            count = 0
            # an observable may not stand in the equation of a stage, its expression may
            expression = expression.replace(expressions.lag, lambda *arguments: expressions.lag(
                *(_resolved(argument, parsed.observables) for argument in arguments)))
            # innermost first: a lag inside a lag is already a symbol when its host is rewritten; then by text, because
            # the order of a set differs from process to process and the names of the chains must not
            for call in sorted(expression.atoms(expressions.lag), key=lambda c: (c.count_ops(), expressions.text(c))):
                current = call.func(*(argument.xreplace(known) for argument in call.args))
                if current not in known:
                    count += 1
                    base = f"{name}_lag{count if count > 1 else ''}"
                    known[current] = chain(current, f"{kind}.{name}", name, base)
                known[call] = known[current]
            changed[kind][name] = expression.xreplace(known)
    changed["equations"].update({name: equations[name] for name in states if name not in fields["states"]})
    written = {kind: {name: expressions.text(e) if name not in fields[kind] or e != hosts[kind].get(name)
                      else fields[kind][name] for name, e in changed[kind].items()} for kind in _HOSTS}
    return ({**fields, **written, "states": states},
            replace(parsed, **changed, initial=initial, over=over, symbols=symbols))


def _elsewhere(parsed: Parsed) -> Iterator[tuple[str, Expr]]:
    """Expressions in which a lag has no meaning of its own, with their places."""
    for kind, place in (("initial", "states.{}.initial"), ("invariants", "invariants.{}"), ("measures", "measures.{}"),
                        ("transforms", "measures.{}.transform")):
        yield from ((place.format(name), e) for name, e in getattr(parsed, kind).items() if isinstance(e, Expr))
    for kind in ("shocks", "noise"):
        for name, assign in getattr(parsed, kind).items():
            yield from ((f"{kind}.{name}.{target}", e) for target, e in assign.items())
    for kind in ("events", "jumps"):
        for name, (expression, assign) in getattr(parsed, kind).items():
            yield f"{kind}.{name}", expression
            yield from ((f"{kind}.{name}.assign.{target}", e) for target, e in assign.items())


def _resolved(expression: Expr, *entries: Mapping[str, Expr]) -> Expr:
    """Put definitions or observables in until none is left."""
    replacements = {Symbol(n): e for kind in entries for n, e in kind.items()}
    while expression.free_symbols & replacements.keys():
        expression = expression.xreplace(replacements)
    return expression


def _at_start(expression: Expr, parsed: Parsed, initial: Mapping[str, Any]) -> Expr:
    start = {Symbol(name): value for name, value in initial.items() if isinstance(value, Expr)}
    value = _resolved(expression, parsed.definitions).xreplace({Symbol("time"): Integer(0)})
    return value.replace(expressions.lag, lambda argument, time, stages: argument).xreplace(start)
