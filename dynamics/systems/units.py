"""Check of the units of every expression of a system; units live at the border, never in the arithmetic.

Nothing is converted, so sizes count as well as dimensions: a rate per hour in a system whose time unit is the day is a
fault, and so is a percentage added to a plain number.

pint is imported only when a unit is declared, so unitless and packaged systems stay light.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympy import Abs, Add, Expr, Max, Min, Mul, Number, NumberSymbol, Piecewise, Pow, Rational, Symbol
from sympy.core.relational import Relational

from dynamics import expressions
from dynamics.errors import UnitsError
from dynamics.systems.ordering import evaluation_order

if TYPE_CHECKING:
    from dynamics.systems.system import System

__all__ = ["check_units", "checking", "not_checking"]

_CHECKING: ContextVar[bool] = ContextVar("_CHECKING", default=True)
UNKNOWN = "?"
_LARGE = re.compile(r"\d{3}|\d\s*\)*\s*\*\*")


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
def _unit(text: str) -> Any:
    """Return the pint unit of a text, or None for an undeclared one ("?")."""
    if text == UNKNOWN:
        return None
    # pint computes powers of numbers: only short texts with small exponents are handed to it
    if len(text) > 80 or not text.isascii() or "^" in text or text.count("**") > 4 or _LARGE.search(text):
        raise UnitsError(f"'{text[:80]}' is not a unit; write units as in '1/day', 'USD/share' or 'day**0.5'")
    try:
        quantity = _registry().Quantity(_registry().parse_expression(text or "1"))
    except Exception as error:  # pint raises many kinds, and a bad unit text must become one sentence
        reason = str(error) or "incomplete"
        raise UnitsError(f"'{text}' is not a unit ({reason}); write units as in '1/day' or 'USD/share'") from None
    if quantity.magnitude != 1:
        raise UnitsError(f"'{text}' has a number in it; a unit is written without, as in '1/day' or 'USD/share'")
    return quantity.units


@functools.cache
def _equal(first: Any, second: Any) -> bool:
    """Whether two units are the same size: a day is no hour, and a percent is no plain number."""
    ratio = (1 * (first / second)).to_root_units()
    return bool(ratio.unitless and abs(ratio.magnitude - 1) < 1e-9)


class _MisfitError(Exception):
    """Units that do not fit, somewhere inside an expression."""


def check_units(system: System) -> None:
    """Check that every expression of ``system`` has consistent units; trivially true when none are declared.

    Raises
    ------
    UnitsError
        Listing every expression whose units do not fit, with the two units that clash.
    """
    parts: tuple[Any, ...] = (
        *system.states.values(), *system.parameters.values(), *system.measures.values(), *system.shocks.values())
    declared = [*(part.unit for part in parts), system.time_unit]
    if all(unit in ("1", UNKNOWN) for unit in declared):
        return
    faults: list[str] = []
    known: dict[str, Any] = {}

    def unit_of(unit: str, where: str) -> Any:
        try:
            return _unit(unit)
        except UnitsError as error:
            faults.append(f"{where}: {error}")
            return None

    for kind in ("states", "parameters"):
        for name, part in getattr(system, kind).items():
            known[name] = unit_of(part.unit, f"{kind}.{name}.unit")
    time = known["time"] = unit_of(system.time_unit, "time_unit")
    per_time = None if time is None else time**-1 if system.time == "continuous" else _unit("1")

    def examine(expression: Expr, where: str, wanted: Any = None) -> Any:
        try:
            found = _of(expression, known)
            if wanted is not None and found is not None and not _equal(found, wanted) and expression != 0:
                raise _MisfitError(f"'{expressions.text(expression)}' has the unit {_name(found)} but must have "
                                   f"{_name(wanted)}")
            return found
        except _MisfitError as fault:
            faults.append(f"{where}: {fault}")
            return None

    parsed = system._parsed
    for name, initial in parsed.initial.items():
        if isinstance(initial, Expr) and initial.free_symbols:
            examine(initial, f"states.{name}.initial", known[name])
    for kind in ("definitions", "observables"):
        entries = getattr(parsed, kind)
        for name in evaluation_order(entries):
            known[name] = examine(entries[name], f"{kind}.{name}")

    def times(left: Any, right: Any) -> Any:
        return None if left is None or right is None else left * right

    def assignments(assign: Mapping[str, Expr], where: str) -> None:
        for target, expression in assign.items():
            examine(expression, f"{where}.{target}", known[target])

    for name, expression in parsed.equations.items():
        examine(expression, f"equations.{name}", times(known[name], per_time))
    for name, expression in parsed.invariants.items():
        examine(expression, f"invariants.{name}")
    for name, expression in parsed.measures.items():
        measure, found = system.measures[name], examine(expression, f"measures.{name}")
        known["value"] = times(found, time) if measure.reduction == "integral" else found
        examine(parsed.transforms[name], f"measures.{name}", unit_of(measure.unit, f"measures.{name}.unit"))
    for name, (expression, assign) in parsed.events.items():
        examine(expression, f"events.{name}")
        assignments(assign, f"events.{name}.assign")
    for name, assign in parsed.shocks.items():
        known["magnitude"] = unit_of(system.shocks[name].unit, f"shocks.{name}.unit")
        assignments(assign, f"shocks.{name}.assign")
    for name, amplitudes in parsed.noise.items():
        for target, expression in amplitudes.items():
            examine(expression, f"noise.{name}.{target}", times(known[target], None if time is None else time**-0.5))
    for name, (rate, assign) in parsed.jumps.items():
        examine(rate, f"jumps.{name}.rate", None if time is None else time**-1)
        assignments(assign, f"jumps.{name}.assign")
    if faults:
        listing = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(faults, 1))
        raise UnitsError(f"system '{system.name}': units do not fit:\n{listing}", faults)


def _name(unit: Any) -> str:
    """Readable unit: ``1/day``; pure numbers as ``1``."""
    return f"[{str(unit).replace(' ', '').replace('dimensionless', '1')}]"


def _same(terms: Any, known: Mapping[str, Any], what: str) -> Any:
    """Return the common unit of the terms (a literal 0 fits everything)."""
    first: tuple[Expr, Any] | None = None
    for term in terms:
        if term == 0:
            continue
        unit = _of(term, known)
        if unit is None:
            continue
        if first is None:
            first = term, unit
        elif not _equal(unit, first[1]):
            raise _MisfitError(f"{what} '{expressions.text(first[0])}' {_name(first[1])} "
                               f"and '{expressions.text(term)}' {_name(unit)}")
    return None if first is None else first[1]


def _pure(expression: Expr, known: Mapping[str, Any], place: str) -> None:
    unit = _of(expression, known)
    if unit is not None and not _equal(unit, _unit("1")):
        written = expressions.text(expression)
        raise _MisfitError(f"{place} must be a pure number [1], '{written}' has the unit {_name(unit)}")


def _of(node: Expr, known: Mapping[str, Any]) -> Any:
    """Unit of an expression; None when it cannot be told."""
    one = _unit("1")
    if isinstance(node, (Number, NumberSymbol)):
        return one
    if isinstance(node, Symbol):
        return known.get(node.name, one)
    if isinstance(node, Add):
        return _same(node.args, known, "adds")
    if isinstance(node, Mul):
        units = [_of(factor, known) for factor in node.args]
        return None if None in units else math.prod(units, start=one)
    if isinstance(node, Pow):
        base = _of(node.base, known)
        _pure(node.exp, known, "an exponent")
        if isinstance(node.exp, Rational):
            return None if base is None else base ** (int(node.exp) if node.exp.q == 1 else float(node.exp))
        if base is not None and not _equal(base, one):
            raise _MisfitError(f"'{expressions.text(node.base)}' {_name(base)} is raised to a power that is no number")
        return one
    if isinstance(node, (Max, Min)):
        return _same(node.args, known, "compares")
    if isinstance(node, Piecewise):
        for relation in node.atoms(Relational):
            _same((relation.lhs, relation.rhs), known, "compares")
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
    for argument in node.args:
        _pure(argument, known, f"the argument of {type(node).__name__}")
    return one
