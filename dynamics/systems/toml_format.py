"""TOML both ways: the format of model files and the canonical text by which systems are equal."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympy import Expr, Rational

from dynamics import expressions
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems.numbers import number_text
from dynamics.systems.parts import Event, Jump, Measure, Parameter, Reference, Shock, State

if TYPE_CHECKING:
    from dynamics.systems.system import System

__all__ = ["FORMAT_VERSION", "read", "read_file", "write"]

FORMAT_VERSION = 1
LARGEST_FILE, DEEPEST_KEY = 5_000_000, 100
_KEY_PART = re.compile(r"""\s*(?:[\w-]+|"[^"]*"|'[^']*')\s*""")
_RECORDS = {"states": State, "parameters": Parameter, "measures": Measure, "events": Event, "shocks": Shock,
            "jumps": Jump}
_TEXTS = ("definitions", "observables", "equations", "invariants")
_TOP = ("format_version", "system", "indices", *_RECORDS, *_TEXTS, "noise", "references")


def read_file(path: str | Path) -> dict[str, Any]:
    """Return the keyword arguments of a System from a TOML model file.

    Raises
    ------
    SpecificationError
        If the file is missing, too large, not UTF-8 text, not TOML, or not a model.
    """
    try:
        path = Path(path)
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST_FILE else b""
    except OSError as error:
        raise SpecificationError(f"{path}: cannot be read ({error.strerror or error}); "
                                 "give the path of a TOML model file") from None
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"{path!r}: not a path ({error})") from None
    if size > LARGEST_FILE:
        raise SpecificationError(f"{path}: {size} bytes; a model file is text of at most {LARGEST_FILE} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecificationError(f"{path}: not a text file (byte {error.start} is not UTF-8); "
                                 "a model file is TOML text") from None
    return read(text, str(path))


def read(text: str, where: str) -> dict[str, Any]:
    """Return the keyword arguments of a System from TOML text; ``where`` names it in messages."""
    for number, line in enumerate(text.splitlines(), 1):
        # tomllib takes minutes for one dotted key of thousands of parts
        if line.count(".") > DEEPEST_KEY and _key_depth(line) > DEEPEST_KEY:
            raise SpecificationError(f"{where} is not a model file: "
                                     f"line {number} has a key of more than {DEEPEST_KEY} parts")
    try:
        document = tomllib.loads(text)
    # ValueError beside TOMLDecodeError: Python refuses whole numbers of thousands of digits
    except (ValueError, RecursionError) as error:
        raise SpecificationError(f"{where}: not valid TOML: {error}") from None
    faults = [f"{key}: unknown section.{did_you_mean(key, _TOP)} Sections are {', '.join(_TOP)}"
              for key in document if key not in _TOP]
    version = document.get("format_version")
    if version is None:
        faults.append(f"format_version: missing; write format_version = {FORMAT_VERSION} as the first line")
    elif isinstance(version, bool) or not isinstance(version, int) or version < 1:
        faults.append(f"format_version: must be the number {FORMAT_VERSION}, not {version!r}")
    elif version > FORMAT_VERSION:
        faults.append(f"format_version: {version} is newer than this release understands ({FORMAT_VERSION}); "
                      "upgrade leverage-dynamics")
    head = _table(document, "system", faults)
    faults += [f"system.{key}: unknown key.{did_you_mean(key, ('name', 'time', 'time_unit'))}"
               for key in head if key not in ("name", "time", "time_unit")]
    if "name" not in head:
        faults.append("system.name: missing; a model file starts with [system] and name = \"...\"")
    arguments: dict[str, Any] = {key: head[key] for key in ("name", "time", "time_unit") if key in head}
    for kind in ("indices", *_TEXTS, "noise"):
        arguments[kind] = _table(document, kind, faults)
    for kind, record in _RECORDS.items():
        arguments[kind] = {name: _record(record, entry, f"{kind}.{name}", faults)
                           for name, entry in _table(document, kind, faults).items()}
    listed = document.get("references", [])
    if not isinstance(listed, list):
        faults.append("references: write each as a [[references]] table")
        listed = []
    references = [_record(Reference, entry, f"references[{k}]", faults) for k, entry in enumerate(listed)]
    if faults:
        listing = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(faults, 1))
        raise SpecificationError(f"{where} is not a model file:\n{listing}", faults)
    arguments["references"] = tuple(references)
    return arguments


def _key_depth(line: str) -> int:
    """Longest run of key parts joined by dots in a line."""
    deepest = depth = 0
    for part in line.split("."):
        depth = depth + 1 if _KEY_PART.fullmatch(part) else 0
        deepest = max(deepest, depth)
    return deepest


def _table(document: Mapping[str, Any], key: str, faults: list[str]) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        faults.append(f"{key}: must be a table, written [{key}]")
        return {}
    return value


def _record(record: type, entry: Any, where: str, faults: list[str]) -> Any:
    """Build one part from its table, reporting unknown and missing keys."""
    if not isinstance(entry, dict):
        if record in (State, Parameter) and isinstance(entry, (int, float, str)) and not isinstance(entry, bool):
            return entry if not isinstance(entry, str) else record(entry)
        faults.append(f"{where}: must be a table, written [{where}]")
        return None
    known = [item.name for item in fields(record)]
    unknown = [key for key in entry if key not in known]
    faults += [f"{where}.{key}: unknown key.{did_you_mean(key, known)} Keys are {', '.join(known)}" for key in unknown]
    values = {key: value for key, value in entry.items() if key in known}
    if "bounds" in values:
        bounds = values["bounds"]
        if isinstance(bounds, list) and len(bounds) == 2:
            values["bounds"] = tuple(None if b in ("-inf", "inf", "") else b for b in bounds)
    required = {State: "initial", Parameter: "value", Measure: "expression", Event: "expression", Shock: "assign",
                Jump: "rate"}.get(record)
    if required and required not in values and record is not State:
        faults.append(f"{where}.{required}: missing")
        return None
    if record is Jump and "assign" not in values:
        faults.append(f"{where}.assign: missing")
        return None
    for key in ("assign",):
        if key in values and not isinstance(values[key], dict):
            faults.append(f"{where}.{key}: must be a table of state = \"expression\"")
            return None
    try:
        return record(**values)
    except (TypeError, ValueError) as error:
        faults.append(f"{where}: {error}")
        return None


def write(system: System) -> str:
    """Return the canonical TOML text of a system."""
    return "\n".join(_lines(system)) + "\n"


def _lines(system: System) -> Iterator[str]:
    parsed = system._parsed
    yield f"format_version = {FORMAT_VERSION}"
    yield from ("", "[system]", f"name = {_quoted(system.name)}", f"time = {_quoted(system.time)}",
                f"time_unit = {_quoted(system.time_unit)}")
    if system.indices:
        yield from ("", "[indices]", *(f"{name} = {size}" for name, size in system.indices.items()))
    for name, state in system.states.items():
        yield from _part(f"states.{name}", state, {"initial": parsed.initial[name]}, State)
    for name, parameter in system.parameters.items():
        yield from _part(f"parameters.{name}", parameter, {"value": parsed.values[name]}, Parameter)
    for kind in _TEXTS:
        texts = getattr(parsed, kind)
        if texts:
            names = system.states if kind == "equations" else texts
            yield from ("", f"[{kind}]", *(f"{name} = {_value(texts[name])}" for name in names))
    for name, measure in system.measures.items():
        yield from _part(f"measures.{name}", measure, {
            "expression": parsed.measures[name], "transform": parsed.transforms[name]}, Measure)
    for name, event in system.events.items():
        expression, assign = parsed.events[name]
        yield from _part(f"events.{name}", event, {"expression": expression, "assign": assign}, Event)
    for name, shock in system.shocks.items():
        yield from _part(f"shocks.{name}", shock, {"assign": parsed.shocks[name]}, Shock)
    for name, amplitudes in parsed.noise.items():
        yield from ("", f"[noise.{name}]", *(f"{state} = {_value(e)}" for state, e in amplitudes.items()))
    for name, jump in system.jumps.items():
        rate, assign = parsed.jumps[name]
        yield from _part(f"jumps.{name}", jump, {"rate": rate, "assign": assign}, Jump)
    for reference in system.references:
        yield from ("", "[[references]]")
        for item in fields(reference):
            value = getattr(reference, item.name)
            if value not in ("", None):
                yield f"{item.name} = {value if isinstance(value, int) else _quoted(value)}"


def _part(header: str, part: Any, mathematics: Mapping[str, Any], record: type) -> Iterator[str]:
    """Write one table: the mathematics always, the rest where it differs from the default."""
    yield from ("", f"[{header}]")
    for item in fields(record):
        if item.name in mathematics:
            if mathematics[item.name] == {}:
                continue
            yield f"{item.name} = {_value(mathematics[item.name])}"
        elif (value := getattr(part, item.name)) != item.default:
            if item.name == "bounds":
                low, high = value
                yield f'bounds = [{_bound(low, "-inf")}, {_bound(high, "inf")}]'
            else:
                yield f"{item.name} = {_value(value)}"


def _bound(bound: Any, unbounded: str) -> str:
    return _quoted(unbounded) if bound is None else number_text(bound)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Rational):
        return number_text(value)
    if isinstance(value, Expr):
        return _quoted(expressions.text(value))
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    return _quoted(str(value))


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def _quoted(text: str) -> str:
    escaped = "".join(_ESCAPES.get(c, c if c.isprintable() or c == " " else f"\\U{ord(c):08X}") for c in text)
    return f'"{escaped}"'
