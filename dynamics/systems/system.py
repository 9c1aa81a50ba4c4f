"""The System: a leverage model as data. Frozen, checked once, equal and hashable by its canonical text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from sympy import Expr, Rational, Symbol

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import display, indexing, specification, toml_format, units
from dynamics.systems.numbers import as_float
from dynamics.systems.ordering import evaluation_order
from dynamics.systems.parts import Event, Jump, Measure, Parameter, Reference, Shock, State

__all__ = ["System"]

_EMPTY: Mapping[str, Any] = {}
_TEXTS = ("name", "time", "time_unit")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class System:
    """System(name, states, equations): coupled ODEs or difference equations in named quantities.

    Parameters
    ----------
    name : str
    time : {"continuous", "discrete"}
        With ``"continuous"`` an equation gives d state/dt, with ``"discrete"`` the next value of the state.
    states : mapping of str to State or number
    parameters : mapping of str to Parameter or number
    equations : mapping of str to str
        One expression for each state.
    definitions, observables : mapping of str to str
        Flows and auxiliaries; functions of the state to report. Acyclic, in any order.
    measures : mapping of str to Measure
        Numbers taken from a trajectory.
    events : mapping of str to Event
    shocks : mapping of str to Shock
    noise : mapping of str to (mapping of state to amplitude)
        One Wiener process for each source, Ito.
    jumps : mapping of str to Jump
    invariants : mapping of str to str
        Quantities the dynamics conserve.
    references : sequence of Reference
    time_unit : str
    indices : mapping of str to int
        Sizes of the indices that states and parameters can run ``over``.

    Raises
    ------
    SpecificationError
        Listing every fault of the specification, each with its place.

    Notes
    -----
    Expressions know + - * / **, comparisons, ``a if c else b``, exp log log1p expm1 sqrt sin cos tanh atan abs sign min
    max softplus hill ramp lag(expression, time, stages), and nothing else. Decimals are exact rationals.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="fold", time="continuous", states={"u": 0.1}, parameters={"mu": 1.0},
    ...                    equations={"u": "mu - u**2"})
    >>> system.field["u"]
    mu - u**2
    >>> system.with_parameters(mu=2).parameter_values
    {'mu': 2.0}
    """

    name: str
    states: Mapping[str, State]
    equations: Mapping[str, str]
    time: str = "continuous"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    observables: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    shocks: Mapping[str, Shock] = field(default_factory=dict)
    noise: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    jumps: Mapping[str, Jump] = field(default_factory=dict)
    invariants: Mapping[str, str] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    time_unit: str = "1"
    indices: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        raw = {item.name: getattr(self, item.name) for item in fields(self)}
        raw = {key: _EMPTY if value is None and key not in _TEXTS else value for key, value in raw.items()}
        checked, parsed = specification.normalise(raw)
        for key, value in checked.items():
            object.__setattr__(self, key, value)
        object.__setattr__(self, "parsed", parsed)
        if units.checking():
            units.check_units(self)

    # ---- identity -------------------------------------------------------------------------------------------------

    def to_toml(self) -> str:
        """Return the canonical text of this system; ``dynamics.load`` reads it back to an equal system."""
        return self._text

    @cached_property
    def _text(self) -> str:
        return toml_format.write(self)

    @cached_property
    def sha256(self) -> str:
        """Hash of the canonical text."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, System) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_text, (self._text,)

    # ---- mathematics ----------------------------------------------------------------------------------------------

    @property
    def symbols(self) -> dict[str, Symbol]:
        """Name to plain SymPy symbol, for states, parameters, definitions and observables."""
        return dict(self._parsed.symbols)

    @property
    def _parsed(self) -> specification.Parsed:
        return self.__dict__["parsed"]

    @cached_property
    def _definitions(self) -> dict[Symbol, Expr]:
        resolved: dict[Symbol, Expr] = {}
        for entries in (self._parsed.definitions, self._parsed.observables):
            for name in evaluation_order(entries):
                resolved[Symbol(name)] = entries[name].xreplace(resolved)
        return resolved

    def resolve(self, expression: Expr) -> Expr:
        """Return ``expression`` in states, parameters and time only: definitions and observables are put in.

        Parameters
        ----------
        expression : sympy.Expr

        Returns
        -------
        sympy.Expr

        Examples
        --------
        >>> import dynamics as dy
        >>> system = dy.models.load("deleveraging")
        >>> system.resolve(system.symbols["leverage"])
        1/equity_ratio
        """
        return expression.xreplace(self._definitions)

    @cached_property
    def field(self) -> dict[str, Expr]:
        """State name to the right-hand side of its equation, in states and parameters only."""
        return {name: self.resolve(self._parsed.equations[name]) for name in self.states}

    @cached_property
    def autonomous(self) -> bool:
        """Whether the equations are free of ``time``."""
        return not any(specification.TIME in e.free_symbols for e in self.field.values())

    @property
    def parameter_values(self) -> dict[str, Any]:
        """Parameter name to current value: float, nested tuples of floats, or (row, column, value) triples."""
        return dict(self._parameter_floats)

    @cached_property
    def _parameter_floats(self) -> dict[str, Any]:
        # Hundreds of thousands of exact entries take seconds to convert: once per system.
        return {name: _floats(value) for name, value in self._parsed.values.items()}

    @property
    def exact_parameters(self) -> dict[Symbol, Rational]:
        """Scalar parameters as exact rationals, by symbol."""
        return {Symbol(n): v for n, v in self._parsed.values.items() if not isinstance(v, tuple)}

    def initial_state(self) -> dict[str, Any]:
        """Return the initial value of every state at the current parameters.

        Returns
        -------
        dict of str to float (nested tuples when indexed)

        Raises
        ------
        SpecificationError
            If an initial value is not finite at the current parameters.

        Examples
        --------
        >>> import dynamics as dy
        >>> dy.models.load("deleveraging").initial_state()["equity_ratio"]
        0.2
        """
        return {name: self._initial_value(name) for name in self.states}

    def _initial_value(self, name: str) -> Any:
        initial = self._parsed.initial[name]
        if isinstance(initial, tuple):
            return _floats(initial)
        numbers, shape = indexing.initial_cells(initial.xreplace(self.exact_parameters), self.states[name].over,
                                                self._parsed, self.indices)
        if not all(number.is_finite and number.is_real for number in numbers):
            raise SpecificationError(f"states.{name}.initial: '{self.states[name].initial}' has no finite value "
                                     "at the current parameters")
        return indexing.nested([float(number) for number in numbers], shape)

    @property
    def over(self) -> dict[str, tuple[str, ...]]:
        """Name to the indices it runs over, for indexed states, parameters, definitions and observables."""
        return {name: over for name, over in self._parsed.over.items() if over}

    def bounds(self) -> dict[Symbol, tuple[Any, Any]]:
        """Symbol to (lower, upper) as exact numbers or None, for states and parameters."""
        parts: dict[str, Any] = {**self.states, **self.parameters}
        return {Symbol(name): part.bounds for name, part in parts.items()}

    def symbol_spellings(self) -> dict[str, str]:
        """Name to the SymPy spelling it is printed with, where one was declared."""
        parts: dict[str, Any] = {**self.states, **self.parameters}
        return {name: part.symbol for name, part in parts.items() if part.symbol}

    # ---- new systems ----------------------------------------------------------------------------------------------

    def with_parameters(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> System:
        """Return a system with new parameter values; nothing else changes and no symbol is removed.

        Parameters
        ----------
        values : mapping of str to number, optional
        **more : number
            The same by keyword.

        Returns
        -------
        System

        Raises
        ------
        SpecificationError
            For an unknown name or a value outside the parameter's bounds.

        Examples
        --------
        >>> import dynamics as dy
        >>> dy.models.load("deleveraging").with_parameters(price_impact=0.5).parameter_values["price_impact"]
        0.5
        """
        if values is not None and not isinstance(values, Mapping):
            raise SpecificationError(f"parameters: must map names to values, not {type(values).__name__}")
        new = {**({} if values is None else values), **more}
        faults = [f"'{name}' is not a parameter of '{self.name}'." + did_you_mean(name, self.parameters)
                  for name in new if name not in self.parameters]
        if not new:
            return self
        changed = {name: replace(self.parameters[name], value=value) for name, value in new.items()
                   if name in self.parameters}
        checked = {}
        for name, part in changed.items():
            where = f"parameters.{name}"
            try:
                checked[name] = indexing.parameter_value(part, self.indices, where)
                faults += indexing.outside(checked[name], part, where)
            except SpecificationError as error:
                faults.extend(error.faults)
        if faults:
            raise SpecificationError("; ".join(faults), faults)
        # Only numbers change, so the mathematics is shared and not parsed again: sweeps call this for every cell.
        twin = object.__new__(System)
        twin.__dict__.update({k: v for k, v in self.__dict__.items() if k not in ("_text", "sha256", "_parameter_floats")})
        object.__setattr__(twin, "parameters", MappingProxyType({**self.parameters, **changed}))
        object.__setattr__(twin, "parsed", replace(self._parsed, values={**self._parsed.values, **checked}))
        if "_parameter_floats" in self.__dict__:
            twin.__dict__["_parameter_floats"] = self._parameter_floats | {n: _floats(v) for n, v in checked.items()}
        return twin

    def expand(self) -> System:
        """Return the scalar system behind an indexed one: ``x`` over a bank index becomes ``x_1, x_2, ...``.

        A system without indices returns itself.

        Returns
        -------
        System

        Raises
        ------
        SpecificationError
            If a new name is already used.

        Examples
        --------
        >>> import dynamics as dy
        >>> banks = dy.System(name="banks", states={"x": dy.State([1, 2], over="bank")}, indices={"bank": 2},
        ...                   equations={"x": "total(x, bank) - x"})
        >>> banks.expand().equations["x_1"]
        'x_2'
        """
        from dynamics.systems.expansion import expand  # the one place that needs System itself

        return expand(self)

    # ---- reading --------------------------------------------------------------------------------------------------

    def latex(self, expression: Any = None) -> str:
        """latex(): the equations as a LaTeX ``aligned`` environment; latex(expression): an expression in the same symbols.

        Parameters
        ----------
        expression : SymPy expression, condition or matrix, optional
            In the names of the system, as analyses return it.

        Returns
        -------
        str

        Examples
        --------
        >>> import dynamics as dy
        >>> market = dy.models.load("deleveraging")
        >>> market.latex(dy.cascade_number(market))
        '\\\\frac{\\\\eta \\\\left(1 - u\\\\right)}{u}'
        """
        return display.latex(self, expression)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {display.latex(self)}$"

    def _repr_html_(self) -> str:
        return display.html(self)

    def __repr__(self) -> str:
        return display.plain(self)


def _from_text(text: str) -> System:
    # An already checked system: units are not checked again in every worker.
    with units.not_checking():
        return System(**toml_format.read(text, "system text"))


def _floats(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_floats(item) for item in value)
    return value if isinstance(value, int) else as_float(value)
