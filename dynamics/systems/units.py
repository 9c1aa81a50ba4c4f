"""Dimensional check of every expression of a system; units live at the border, never in the arithmetic.

pint is imported only when a unit is declared, so unitless and packaged systems stay light.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympy import Abs, Add, Expr, Max, Min, Mul, Number, NumberSymbol, Piecewise, Pow, Rational, Symbol, sign

from dynamics import expressions
from dynamics.errors import UnitsError

if TYPE_CHECKING:
    from dynamics.systems.system import System

__all__ = ["check_units", "checking", "not_checking"]

_CHECKING: ContextVar[bool] = ContextVar("_CHECKING", default=True)
UNKNOWN = "?"


def checking() -> bool:
    """Whether systems check their units when they are made."""
    return _CHECKING.get()


@contextmanager
def not_checking() -> Iterator[None]:
    """Make systems without checking units: for packaged models, whose units the tests check, and for copies."""
    token = _CHECKING.set(False)
    try:
        yield
    finally:
        _CHECKING.reset(token)


@functools.cache
def _registry() -> Any:
    import pint

    registry = pint.UnitRegistry(autoconvert_offset_to_baseunit=False)
    registry.load_definitions(str(Path(__file__).with_name("units.txt")))
    return registry


@functools.cache
def _dimension(unit: str) -> Any:
    """Return the dimensionality of a unit text, or None for an undeclared one ("?")."""
    if unit == UNKNOWN:
        return None
    registry = _registry()
    try:
        return registry.parse_units("" if unit in ("1", "") else unit.replace("1/", "1 / ")).dimensionality \
            if not unit.strip().startswith("1/") else (1 / registry.parse_units(unit.strip()[2:])).dimensionality
    except Exception as error:  # pint raises many kinds, and a bad unit text must become one sentence
        raise UnitsError(f"'{unit}' is not a unit ({error})") from None


class _Fault(Exception):
    pass


def check_units(system: System) -> None:
    """Check that every expression of ``system`` has consistent units; trivially true when none are declared.

    Raises
    ------
    UnitsError
        Listing every expression whose units do not fit, with the two units that clash.
    """
    declared = [*(s.unit for s in system.states.values()), *(p.unit for p in system.parameters.values()),
                *(m.unit for m in system.measures.values()), *(s.unit for s in system.shocks.values()), system.time_unit]
    if all(unit in ("1", UNKNOWN) for unit in declared):
        return
    faults: list[str] = []
    known: dict[str, Any] = {}

    def unit_of(unit: str, where: str) -> Any:
        try:
            return _dimension(unit)
        except UnitsError as error:
            faults.append(f"{where}: {error}")
            return None

    for kind in ("states", "parameters"):
        for name, part in getattr(system, kind).items():
            known[name] = unit_of(part.unit, f"{kind}.{name}.unit")
    time = known["time"] = unit_of(system.time_unit, "time_unit")
    one = _dimension("1")
    per_time = None if time is None else one / time if system.time == "continuous" else one

    def examine(expression: Expr, where: str, wanted: Any = None) -> Any:
        try:
            found = _of(expression, known)
            if wanted is not None and found is not None and found != wanted:
                raise _Fault(f"has the unit of {_name(found)} but must have {_name(wanted)}")
            return found
        except _Fault as fault:
            faults.append(f"{where}: {fault}")
            return None

    parsed = system._parsed
    for kind in ("definitions", "observables"):
        pending = dict(getattr(parsed, kind))
        while pending:
            for name in [n for n, e in pending.items() if not any(s.name in pending for s in e.free_symbols)]:
                known[name] = examine(pending.pop(name), f"{kind}.{name}")

    def times(left: Any, right: Any) -> Any:
        return None if left is None or right is None else left * right

    def assignments(assign: Mapping[str, Expr], where: str) -> None:
        for target, expression in assign.items():
            examine(expression, f"{where}.{target}", known[target])

    for name, expression in parsed.equations.items():
        examine(expression, f"equations.{name}", times(known[name], per_time))
    for name, expression in parsed.measures.items():
        examine(expression, f"measures.{name}")
    for name, (expression, assign) in parsed.events.items():
        examine(expression, f"events.{name}")
        assignments(assign, f"events.{name}.assign")
    for name, assign in parsed.shocks.items():
        known["magnitude"] = unit_of(system.shocks[name].unit, f"shocks.{name}.unit")
        assignments(assign, f"shocks.{name}.assign")
    for name, amplitudes in parsed.noise.items():
        for target, expression in amplitudes.items():
            examine(expression, f"noise.{name}.{target}", times(known[target], None if time is None else one / time**0.5))
    for name, (rate, assign) in parsed.jumps.items():
        examine(rate, f"jumps.{name}.rate", None if time is None else one / time)
        assignments(assign, f"jumps.{name}.assign")
    if faults:
        listing = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(faults, 1))
        raise UnitsError(f"system '{system.name}': units do not fit:\n{listing}", faults)


def _name(dimension: Any) -> str:
    """Readable dimension: ``1/[time]``; pure numbers as ``1``."""
    return str(dimension).replace(" ", "") if dimension else "1 (a pure number)"


def _same(terms: Any, known: Mapping[str, Any], what: str) -> Any:
    """Return the common dimension of the terms (a literal 0 fits everything)."""
    first: tuple[Expr, Any] | None = None
    for term in terms:
        if term == 0:
            continue
        dimension = _of(term, known)
        if dimension is None:
            continue
        if first is None:
            first = term, dimension
        elif dimension != first[1]:
            raise _Fault(f"{what} '{expressions.text(first[0])}' [{_name(first[1])}] "
                         f"and '{expressions.text(term)}' [{_name(dimension)}]")
    return None if first is None else first[1]


def _pure(expression: Expr, known: Mapping[str, Any], place: str) -> None:
    dimension = _of(expression, known)
    if dimension:
        raise _Fault(f"{place} must be a pure number, '{expressions.text(expression)}' has {_name(dimension)}")


def _of(node: Expr, known: Mapping[str, Any]) -> Any:
    """Dimension of an expression; None when it cannot be told."""
    one = _dimension("1")
    if isinstance(node, (Number, NumberSymbol)):
        return one
    if isinstance(node, Symbol):
        return known.get(node.name, one)
    if isinstance(node, Add):
        return _same(node.args, known, "adds")
    if isinstance(node, Mul):
        result = one
        for factor in node.args:
            dimension = _of(factor, known)
            if dimension is None:
                return None
            result = result * dimension
        return result
    if isinstance(node, Pow):
        base = _of(node.base, known)
        _pure(node.exp, known, "an exponent")
        if isinstance(node.exp, Rational):
            return None if base is None else base ** (int(node.exp) if node.exp.q == 1 else float(node.exp))
        if base:
            raise _Fault(f"'{expressions.text(node.base)}' [{_name(base)}] is raised to a power that is no number")
        return one
    if isinstance(node, (Max, Min)):
        return _same(node.args, known, "compares")
    if isinstance(node, Piecewise):
        for _, condition in node.args:
            if condition.args and hasattr(condition, "lhs"):
                _same((condition.lhs, condition.rhs), known, "compares")
        return _same([branch for branch, _ in node.args], known, "chooses between")
    if isinstance(node, (Abs, expressions.total)):
        return _of(node.args[0], known)
    if isinstance(node, expressions.product):
        left, right = (_of(argument, known) for argument in node.args)
        return None if left is None or right is None else left * right
    if isinstance(node, expressions.softplus) and len(node.args) == 2:
        return _same(node.args, known, "softplus combines")
    if isinstance(node, expressions.hill):
        _same(node.args[:2], known, "hill compares")
        _pure(node.args[2], known, "the exponent of hill")
        return one
    if isinstance(node, sign):
        _of(node.args[0], known)
        return one
    for argument in node.args:
        _pure(argument, known, f"the argument of {type(node).__name__}")
    return one


