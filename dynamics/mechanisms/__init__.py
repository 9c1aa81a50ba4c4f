"""Mechanisms: System -> System through ports; one file is one mechanism, its file name is its name.

A mechanism file has ``requires`` and ``provides`` (tuples of names) and ``apply(system, *, prefix="", **options)``, and
may have ``excludes`` (name of a quantity to the reason why the mechanism does not attach to a system that has it).

A port is a definition or a state with an agreed name. A mechanism replaces the text of a port by a text that contains the
old one, so mechanisms stack, and the order is the user's:

- ``price_gap``, ``equity_ratio``: the log price over the fundamental and equity / assets, states;
- ``price_change``: d ln(price)/dt; ``net_flow``: growth rate of holdings; both enter the accounting identity
  ``(1 - equity_ratio)*price_change - equity_ratio*net_flow``;
- ``voluntary_flow``, ``effective_target``: what holders do, and the leverage they steer to;
- ``margin_call_rate``: what the venue orders to be closed, ``forced_sales``: what it executes;
- ``effective_impact``: log-price move per unit of net flow.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from dynamics.errors import SpecificationError, UnitsError, did_you_mean
from dynamics.systems import System, check_units, not_checking
from dynamics.systems.units import checking

__all__ = ["PORTS", "STATE_PORTS", "compose", "extend", "load", "names", "redirected"]

# Definitions with agreed names that every composable leverage model keeps, and the states mechanisms can ask for.
PORTS = ("voluntary_flow", "margin_call_rate", "forced_sales", "net_flow", "price_change", "effective_impact",
         "effective_target")
STATE_PORTS = ("price_gap", "equity_ratio")
_KINDS = ("states", "parameters", "definitions", "observables", "measures", "events", "shocks", "noise", "jumps",
          "equations", "invariants")


def names() -> tuple[str, ...]:
    """Return the names of the mechanisms in the package.

    Examples
    --------
    >>> import dynamics as dy
    >>> "depletion" in dy.mechanisms.names()
    True
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load(name: str) -> ModuleType:
    """Return the module of a mechanism: ``requires``, ``provides``, ``apply``.

    Raises
    ------
    SpecificationError
        If there is no such mechanism.
    """
    if name not in names():
        raise SpecificationError(f"there is no mechanism '{name}'.{did_you_mean(name, names())} "
                                 f"There are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def compose(system: System, *mechanisms: str | tuple[str, Mapping[str, Any]] | Callable[[System], System]) -> System:
    """compose(system, "depletion", my_mechanism): apply mechanisms in the order given.

    Parameters
    ----------
    system : System
    *mechanisms : str, (str, options) or callable
        Names of packaged mechanisms, a name with its options as ``("order_backlog", {"prefix": "b_"})``, or any
        function System -> System.

    Returns
    -------
    System
        Named after the composition, for example ``"deleveraging + depletion"``.

    Raises
    ------
    SpecificationError
        If a port is missing, a new name collides, or an option is unknown.

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.compose(dy.models.load("deleveraging"), "depletion").name
    'deleveraging + depletion'
    """
    if not isinstance(system, System):
        raise SpecificationError(f"mechanisms attach to a System, not to a {type(system).__name__}")
    for mechanism in mechanisms:
        if callable(mechanism):
            label = getattr(mechanism, "__name__", type(mechanism).__name__)
            result = mechanism(system)
            if not isinstance(result, System):
                raise SpecificationError(f"the mechanism '{label}' returned {type(result).__name__}, not a System")
            system = result
            continue
        name, options = _named(mechanism)
        module = load(name)
        _fits(system, name, module)
        known = [p for p in inspect.signature(module.apply).parameters if p != "system"]
        unknown = [option for option in options if option not in known]
        if unknown:
            raise SpecificationError(f"the mechanism '{name}' has no option '{unknown[0]}'."
                                     f"{did_you_mean(unknown[0], known)} Options are {', '.join(known)}")
        with not_checking():
            composed = module.apply(system, **options)
        if checking():
            _check_units(system, composed, name)
        system = composed
    return system


def _fits(system: System, name: str, module: ModuleType) -> None:
    """Refuse a mechanism that finds no place in the system, with the reason."""
    missing = [port for port in module.requires
               if port not in (system.states if port in STATE_PORTS else system.definitions)]
    if missing:
        raise SpecificationError(
            f"the mechanism '{name}' needs {', '.join(repr(port) for port in missing)}, which '{system.name}' does "
            f"not have; ports are definitions named {', '.join(PORTS)} and states named {', '.join(STATE_PORTS)}")
    if system.time != "continuous":
        raise SpecificationError(f"the mechanism '{name}' adds differential equations, but '{system.name}' is a map; "
                                 "write the mechanism for a map as a function System -> System")
    for symbol, reason in getattr(module, "excludes", {}).items():
        if symbol in system.symbols:
            raise SpecificationError(f"the mechanism '{name}' does not attach to '{system.name}', which has "
                                     f"'{symbol}': {reason}")


def _check_units(system: System, composed: System, name: str) -> None:
    try:
        check_units(composed)
    except UnitsError as error:
        try:
            check_units(system)
        except UnitsError:
            raise error from None  # the system's own fault, which has its own sentence
        unit = system.time_unit
        hint = f" It counts time in days, '{system.name}' in units of '{unit}'." if unit != "day" else ""
        raise UnitsError(f"the mechanism '{name}' does not fit the units of '{system.name}'.{hint}\n{error}",
                         error.faults) from None


def _named(mechanism: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(mechanism, str):
        return mechanism, {}
    if isinstance(mechanism, tuple) and len(mechanism) == 2 and isinstance(mechanism[0], str) \
            and isinstance(mechanism[1], Mapping):
        return mechanism
    raise SpecificationError(f"{mechanism!r} is no mechanism; give a name, (name, options) as in ('depletion', "
                             "{'prefix': 'b_'}), or a function System -> System")


def extend(system: System, name: str, *, add: Mapping[str, Mapping[str, Any]],
           override: Mapping[str, Mapping[str, Any]] | None = None) -> System:
    """Return ``system`` with new parts and, by name, overridden ones; for use in mechanisms.

    Parameters
    ----------
    system : System
    name : str
        Name of the mechanism, for messages and for the name of the result.
    add : mapping of kind to (mapping of name to part)
        New states, parameters, definitions, ...; a name that exists is an error.
    override : mapping of kind to (mapping of name to part), optional
        Parts to replace; a name that does not exist is an error.

    Raises
    ------
    SpecificationError
        For collisions and missing names.
    """
    override = override or {}
    if _unitless(system):
        add = {kind: {entry: _bare(part) for entry, part in entries.items()} for kind, entries in add.items()}
        override = {kind: {entry: _bare(part) for entry, part in entries.items()} for kind, entries in override.items()}
    parts = {kind: dict(getattr(system, kind)) for kind in _KINDS}
    faults = [f"'{kind}' is no part of a System.{did_you_mean(kind, _KINDS)}" for kind in (*add, *override)
              if kind not in parts]
    if faults:
        raise SpecificationError(f"the mechanism '{name}': " + "; ".join(faults), faults)
    for kind, entries in add.items():
        shared = kind in ("states", "parameters", "definitions", "observables")
        taken = set(system.symbols) if shared else set(parts[kind])
        clashes = [entry for entry in entries if entry in taken] if kind != "equations" else []
        faults += [f"{kind}.{entry}: '{entry}' exists already in '{system.name}'; apply '{name}' with another prefix"
                   for entry in clashes]
        parts[kind].update(entries)
    for kind, entries in override.items():
        faults += [f"{kind}.{entry}: '{system.name}' has no such entry to replace" for entry in entries
                   if entry not in getattr(system, kind)]
        parts[kind].update(entries)
    if faults:
        raise SpecificationError(f"the mechanism '{name}' does not fit:\n  " + "\n  ".join(faults), faults)
    return System(name=f"{system.name} + {name}", time=system.time, time_unit=system.time_unit, indices=system.indices,
                  references=system.references, **parts)


def _unitless(system: System) -> bool:
    """Whether nothing in the system declares a unit: then nothing that is added declares one either."""
    parts: tuple[Any, ...] = (
        *system.states.values(), *system.parameters.values(), *system.measures.values(), *system.shocks.values())
    return system.time_unit == "1" and all(part.unit == "1" for part in parts)


def _bare(part: Any) -> Any:
    return replace(part, unit="1") if hasattr(part, "unit") else part


def redirected(expression: str, name: str, replacement: str) -> str:
    """Return an expression in which a quantity is replaced wherever its name stands.

    For mechanisms that change what one port sees: the venue that reads an old price, the limit that moves with size.

    Parameters
    ----------
    expression : str
    name, replacement : str
        A name, and the expression to put in its place.

    Returns
    -------
    str

    Examples
    --------
    >>> redirected("rate*max(0, 1 - equity_ratio/limit)", "equity_ratio", "seen_equity_ratio")
    'rate*max(0, 1 - (seen_equity_ratio)/limit)'
    """
    return re.sub(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", lambda _: f"({replacement})", expression)
