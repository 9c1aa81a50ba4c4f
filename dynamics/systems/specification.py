"""From what the user wrote to checked, parsed, exact mathematics; every fault of a specification is found at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from types import MappingProxyType
from typing import Any

from sympy import Expr, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import indexing, lags, sizes
from dynamics.systems.numbers import exact
from dynamics.systems.ordering import evaluation_order
from dynamics.systems.parts import Event, Jump, Measure, Parameter, Reference, Shock, State

__all__ = ["MAGNITUDE", "TIME", "Parsed", "normalise"]

TIME, MAGNITUDE = Symbol("time"), Symbol("magnitude")
VALUE = Symbol("value")
RESERVED = {"time": "the independent variable", "magnitude": "the size of a shock",
            "value": "the number a measure transforms", "path": "the paths of a simulation",
            **dict.fromkeys(("event", "event_time", "event_name"), "the events of a trajectory")}
REDUCTIONS = ("max", "min", "final", "integral", "drawdown")
DIRECTIONS = ("falling", "rising", "both")
PARTS: dict[str, type] = {"states": State, "parameters": Parameter, "measures": Measure, "events": Event,
                          "shocks": Shock, "jumps": Jump}
TEXTS = ("definitions", "observables", "equations", "invariants")
KINDS = (*PARTS, *TEXTS, "noise")
_SPELLING = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Parsed:
    """The mathematics of a specification: SymPy expressions in plain symbols, values as exact rationals."""

    symbols: dict[str, Symbol] = field(default_factory=dict)
    over: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    initial: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, Expr] = field(default_factory=dict)
    observables: dict[str, Expr] = field(default_factory=dict)
    equations: dict[str, Expr] = field(default_factory=dict)
    invariants: dict[str, Expr] = field(default_factory=dict)
    measures: dict[str, Expr] = field(default_factory=dict)
    transforms: dict[str, Expr] = field(default_factory=dict)
    events: dict[str, tuple[Expr, dict[str, Expr]]] = field(default_factory=dict)
    shocks: dict[str, dict[str, Expr]] = field(default_factory=dict)
    noise: dict[str, dict[str, Expr]] = field(default_factory=dict)
    jumps: dict[str, tuple[Expr, dict[str, Expr]]] = field(default_factory=dict)


class _Faults(list[str]):
    """Collects faults; calling it with a function keeps going after that function's SpecificationError."""

    def attempt(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except SpecificationError as error:
            self.extend(error.faults)
            return None


def normalise(raw: Mapping[str, Any]) -> tuple[dict[str, Any], Parsed]:
    """Check and parse the fields of a System; return them normalised, with their mathematics.

    Raises
    ------
    SpecificationError
        Listing every fault that was found.
    """
    faults = _Faults()
    fields, broken = _structure(raw, faults)
    parsed = Parsed()
    before = len(faults)
    faults.attempt(sizes.check_entries, fields)
    if len(faults) == before:
        fields, parsed = _mathematics(fields, broken, faults)
    if faults:
        unique = list(dict.fromkeys(faults))
        name = raw.get("name")
        if len(unique) == 1:
            raise SpecificationError(f"system '{name}': {unique[0]}", unique)
        listing = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(unique, 1))
        raise SpecificationError(f"system '{name}' has {len(unique)} faults:\n{listing}", unique)
    frozen = {key: MappingProxyType(value) if isinstance(value, dict) else value for key, value in fields.items()}
    return frozen, parsed


def _structure(raw: Mapping[str, Any], faults: _Faults) -> tuple[dict[str, Any], frozenset[str]]:
    """Give every field its type; return the fields and the names whose entry is faulty, which others may still use."""
    fields = dict(raw)
    if not isinstance(raw["name"], str) or not raw["name"].strip():
        faults.append(f"name: a system needs a name (text), not {raw['name']!r}")
    if not isinstance(raw["time"], str) or raw["time"] not in ("continuous", "discrete"):
        faults.append(f"time: must be 'continuous' or 'discrete', not {raw['time']!r}")
    for key in ("name", "time_unit"):
        faults.attempt(_plain_text, raw[key], key)
    broken = set()
    for kind in (*KINDS, "indices"):
        entries = raw[kind]
        fields[kind] = {}
        if not isinstance(entries, Mapping):
            faults.append(f"{kind}: must be a mapping from names to values, not {type(entries).__name__}")
            continue
        for name, value in entries.items():
            before = len(faults)
            faults.attempt(expressions.check_name, name, kind)
            part = faults.attempt(_part, kind, f"{kind}.{name}", value)
            if len(faults) == before:
                fields[kind][name] = part
            else:
                broken.add(str(name))
    if not fields["states"] and not broken and isinstance(raw["states"], Mapping):
        faults.append("states: a system needs at least one state")
    fields["references"] = faults.attempt(_references, raw["references"]) or ()
    _one_namespace(fields, faults)
    return fields, frozenset(broken)


def _references(references: Any) -> tuple[Reference, ...]:
    listed = (references,) if isinstance(references, Reference) else references
    single = not isinstance(listed, Iterable) or getattr(listed, "ndim", 1) == 0
    listed = (None,) if single else tuple(listed)
    if not all(isinstance(item, Reference) for item in listed):
        raise SpecificationError("references: must be a sequence of Reference")
    for position, item in enumerate(listed):
        for attribute in ("authors", "title", "where", "doi"):
            _plain_text(getattr(item, attribute), f"references[{position}].{attribute}")
        if isinstance(item.year, bool) or not isinstance(item.year, int | None):
            raise SpecificationError(f"references[{position}].year: must be a whole number, not {item.year!r}")
    return listed


def _plain_text(value: Any, where: str) -> None:
    """Refuse what is no text, or a text that no file can hold (half of a surrogate pair)."""
    if not isinstance(value, str):
        raise SpecificationError(f"{where}: must be a text, not {value!r}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise SpecificationError(f"{where}: the text {value!r} holds a character that cannot be written to a file")


def _part(kind: str, where: str, value: Any) -> Any:
    """Turn one entry into its record, checking the types of its fields."""
    if kind == "indices":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000_000:
            raise SpecificationError(f"{where}: the size of an index is a positive whole number, not {value!r}")
        return value
    if kind in TEXTS:
        return _text(value, where)
    if kind == "noise":
        return MappingProxyType(_texts(value, where))
    record = PARTS[kind]
    if not isinstance(value, record):
        if kind == "states":
            value = State(initial=value)
        elif kind == "parameters":
            value = Parameter(value=value)
        elif kind == "measures" and isinstance(value, str):
            value = Measure(value)
        elif kind == "events" and isinstance(value, str):
            value = Event(value)
        elif kind == "shocks" and isinstance(value, Mapping):
            value = Shock(assign=value)
        else:
            raise SpecificationError(f"{where}: must be a {record.__name__}, not {type(value).__name__}")
    for attribute in ("unit", "meaning", "source"):
        if hasattr(value, attribute):
            _plain_text(getattr(value, attribute), f"{where}.{attribute}")
    if isinstance(value, (State, Parameter)):
        value = replace(value, over=_over(value.over, where), bounds=_bounds(value.bounds, where))
        # a spelling, not a name: SymPy's 'lambda' is fine here
        if value.symbol is not None and not (isinstance(value.symbol, str) and _SPELLING.fullmatch(value.symbol)):
            raise SpecificationError(f"{where}.symbol: {value.symbol!r} is not a symbol; write letters, digits and "
                                     "underscores as in 'lambda_star'")
        if isinstance(value, Parameter) and not isinstance(value.sparse, bool):
            raise SpecificationError(f"{where}.sparse: must be True or False, not {value.sparse!r}")
    elif isinstance(value, (Shock, Measure)):
        value = replace(value, bounds=_bounds(value.bounds, where))
    if isinstance(value, Measure) and not _one_of(value.reduction, REDUCTIONS):
        raise SpecificationError(
            f"{where}.reduction: '{value.reduction}' is not one of {', '.join(REDUCTIONS)}."
            + did_you_mean(str(value.reduction), REDUCTIONS))
    if isinstance(value, Event) and not _one_of(value.direction, DIRECTIONS):
        raise SpecificationError(f"{where}.direction: '{value.direction}' is not one of {', '.join(DIRECTIONS)}")
    if isinstance(value, Event) and not isinstance(value.terminal, bool):
        raise SpecificationError(f"{where}.terminal: must be True or False, not {value.terminal!r}")
    for attribute in ("expression", "rate", "transform"):
        if hasattr(value, attribute):
            value = replace(value, **{attribute: _text(getattr(value, attribute), f"{where}.{attribute}")})
    if hasattr(value, "assign"):
        value = replace(value, assign=_texts(value.assign, f"{where}.assign"))
    return value


def _one_of(value: Any, words: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in words


def _over(over: Any, where: str) -> tuple[str, ...]:
    names = (over,) if isinstance(over, str) else over
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise SpecificationError(f"{where}.over: must be a tuple of index names, not {over!r}")
    return tuple(names)


def _text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SpecificationError(f"{where}: must be an expression (text), not {type(value).__name__}")
    return expressions.text(exact(value, where))


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise SpecificationError(f"{where}: must map state names to expressions, not {type(value).__name__}")
    return {str(name): _text(item, f"{where}.{name}") for name, item in value.items()}


def _bounds(bounds: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise SpecificationError(f"{where}.bounds: must be (lower, upper), either may be None, not {bounds!r}")
    unbounded = (-math.inf, math.inf)
    low, high = (None if bound is None or (isinstance(bound, float) and bound == infinity)
                 else exact(bound, f"{where}.bounds") for bound, infinity in zip(bounds, unbounded, strict=True))
    if low is not None and high is not None and not low < high:
        raise SpecificationError(f"{where}.bounds: the lower bound {low} is not below the upper bound {high}")
    return low, high


def _one_namespace(fields: dict[str, Any], faults: _Faults) -> None:
    owner: dict[str, str] = {}
    for kind in ("states", "parameters", "definitions", "observables", "indices"):
        for name in fields[kind]:
            if name in RESERVED:
                faults.append(f"{kind}.{name}: '{name}' is reserved for {RESERVED[name]}; choose another name")
            elif name in owner:
                faults.append(f"{kind}.{name}: the name is already used in {owner[name]}; "
                              "states, parameters, definitions and observables share one namespace")
            owner.setdefault(name, kind)


def _mathematics(fields: dict[str, Any], broken: frozenset[str],
                 faults: _Faults) -> tuple[dict[str, Any], Parsed]:
    """Parse every expression; names in ``broken`` are known to exist, so that one fault is not reported as many."""
    indices: dict[str, int] = fields["indices"]
    over: dict[str, tuple[str, ...]] = {}
    for kind in ("states", "parameters"):
        for name, part in fields[kind].items():
            over[name] = part.over
            for index in part.over:
                if index not in indices and index not in broken:
                    hint = did_you_mean(index, indices)
                    faults.append(f"{kind}.{name}.over: '{index}' is not a declared index.{hint}")
    values = {}
    for name, part in fields["parameters"].items():
        where = f"parameters.{name}"
        if all(index in indices for index in part.over):
            values[name] = faults.attempt(indexing.parameter_value, part, indices, where)
            if values[name] is not None:
                faults.extend(indexing.outside(values[name], part, where))

    constant = {name: Symbol(name) for name in (*fields["parameters"], *broken)}
    flat = {name: Symbol(name) for name in (*fields["states"], *constant, *fields["definitions"])}
    observed = {**flat, **{name: Symbol(name) for name in fields["observables"]}}
    spoken = (*indices, *broken)

    def parse(text: str, where: str, names: Mapping[str, Symbol], *extra: Symbol) -> Any:
        known = {**names, **{symbol.name: symbol for symbol in extra}} if extra else names
        return faults.attempt(expressions.parse, text, known, where=where, indices=spoken)

    def many(kind: str, names: Mapping[str, Symbol]) -> dict[str, Any]:
        known = {**names, TIME.name: TIME}
        return {name: parse(text, f"{kind}.{name}", known) for name, text in fields[kind].items()}

    def assignments(assign: Mapping[str, str], where: str, *extra: Symbol) -> dict[str, Any]:
        for target in assign:
            if target not in fields["states"] and target not in broken:
                faults.append(f"{where}.{target}: '{target}' is not a state." + did_you_mean(target, fields["states"]))
        return {target: parse(text, f"{where}.{target}", observed, TIME, *extra) for target, text in assign.items()}

    parsed = Parsed(
        symbols=observed,
        over=over,
        values=values,
        definitions=many("definitions", flat),
        observables=many("observables", observed),
        equations=many("equations", flat),
        invariants={n: parse(t, f"invariants.{n}", observed) for n, t in fields["invariants"].items()},
        measures={n: parse(m.expression, f"measures.{n}", observed, TIME) for n, m in fields["measures"].items()},
        transforms={n: parse(m.transform, f"measures.{n}.transform", constant, VALUE)
                    for n, m in fields["measures"].items()},
        events={n: (parse(e.expression, f"events.{n}", observed, TIME), assignments(e.assign, f"events.{n}.assign"))
                for n, e in fields["events"].items()},
        shocks={n: assignments(s.assign, f"shocks.{n}.assign", MAGNITUDE) for n, s in fields["shocks"].items()},
        noise={n: {target: parse(text, f"noise.{n}.{target}", flat, TIME) for target, text in amplitudes.items()}
               for n, amplitudes in fields["noise"].items()},
        jumps={n: (parse(j.rate, f"jumps.{n}.rate", flat, TIME), assignments(j.assign, f"jumps.{n}.assign"))
               for n, j in fields["jumps"].items()},
    )
    for name in fields["states"]:
        if name not in fields["equations"] and name not in broken:
            faults.append(f"equations.{name}: missing; every state needs an equation")
    targets = [(f"equations.{name}", name) for name in fields["equations"]]
    targets += [(f"noise.{source}.{name}", name) for source, entries in fields["noise"].items() for name in entries]
    for where, name in targets:
        if name not in fields["states"] and name not in broken:
            faults.append(f"{where}: '{name}' is not a state." + did_you_mean(name, fields["states"]))
    for name, state in fields["states"].items():
        if all(index in indices for index in state.over):
            parsed.initial[name] = faults.attempt(
                indexing.initial_value, state, constant, indices, f"states.{name}.initial")
    if not faults:
        for kind in ("definitions", "observables"):
            try:
                evaluation_order(getattr(parsed, kind))
            except SpecificationError as error:
                faults.append(f"{kind}.{error}")
    if not faults:
        faults.attempt(sizes.check_lengths, parsed)
    if not faults:
        fields, parsed = faults.attempt(lags.expand_lags, fields, parsed) or (fields, parsed)
    if not faults:
        indexing.check_indices(fields, parsed, faults)
    return fields, parsed
