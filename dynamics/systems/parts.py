"""The parts a :class:`~dynamics.systems.System` is made of: small frozen records, no behaviour.

A bare number stands for ``State(initial=number)`` or ``Parameter(value=number)`` wherever a part is expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Event", "Jump", "Measure", "Parameter", "Reference", "Shock", "State"]

Bounds = tuple[Any, Any]


class Assignments(Mapping[str, str]):
    """State name to expression: a mapping that cannot be changed, with the hash and the pickle a dict lacks."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = dict(pairs)

    def __getitem__(self, name: str) -> str:
        return self._pairs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return hash(frozenset(self._pairs.items()))

    def __repr__(self) -> str:
        return repr(self._pairs)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._pairs,)


def _frozen(mapping: Any) -> Any:
    """Freeze a mapping; what is none is left for the System, which says where it stands."""
    return Assignments(mapping) if isinstance(mapping, Mapping) else {} if mapping is None else mapping


@dataclass(frozen=True)
class State:
    """A state variable.

    Attributes
    ----------
    initial : number, text or nested sequence of numbers
        Initial value; a text is an expression in the parameters.
    unit : str
        Unit, for example ``"1"``, ``"1/day"``, ``"USD"``.
    bounds : (lower, upper)
        Values the state can take, either may be None; analyses search fixed points in this box.
    symbol : str or None
        SymPy spelling of the symbol to print (``"lambda_star"``); the name itself when None.
    meaning : str
        One phrase for tables and axis labels.
    over : tuple of str
        Index names of an indexed state, for example ``("bank",)``.
    """

    initial: Any = 0
    unit: str = "1"
    bounds: Bounds = (None, None)
    symbol: str | None = None
    meaning: str = ""
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A parameter; ``sparse=True`` keeps a two-index value as a sparse matrix in numerical work.

    Attributes
    ----------
    value : number, nested sequence, or sequence of ``(row, column, value)`` when sparse
        Current value; a text such as ``"1/3"`` is an exact rational.
    unit, bounds, symbol, meaning, over
        As in :class:`State`. A lower bound of 0 is taken as strictly positive in symbolic signs.
    source : str
        Where the value was read.
    """

    value: Any
    unit: str = "1"
    bounds: Bounds = (None, None)
    symbol: str | None = None
    meaning: str = ""
    source: str = ""
    over: tuple[str, ...] = ()
    sparse: bool = False


@dataclass(frozen=True)
class Measure:
    """A number taken from a trajectory: ``reduction`` of ``expression`` over time.

    ``reduction`` is ``"max"``, ``"min"``, ``"final"``, ``"integral"`` (over time) or ``"drawdown"`` (largest fall from
    an earlier maximum); ``transform`` is an expression in ``value`` applied to the number, for example
    ``"1 - exp(value)"``; ``unit`` is the unit of the result. Outside ``bounds`` the model's reading no longer holds,
    and results say so.
    """

    expression: str
    reduction: str = "final"
    unit: str = "1"
    meaning: str = ""
    transform: str = "value"
    bounds: Bounds = (None, None)


@dataclass(frozen=True)
class Event:
    """Something that happens where ``expression`` passes through zero.

    ``direction`` is ``"falling"``, ``"rising"`` or ``"both"``; ``terminal`` ends the trajectory; ``assign`` resets
    states.
    """

    expression: str
    direction: str = "falling"
    terminal: bool = False
    assign: Mapping[str, str] = field(default_factory=dict)
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assign", _frozen(self.assign))


@dataclass(frozen=True)
class Shock:
    """An instantaneous change of the state; ``assign`` may use ``magnitude``; a positive magnitude is adverse."""

    assign: Mapping[str, str]
    bounds: Bounds = (0, None)
    unit: str = "1"
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assign", _frozen(self.assign))


@dataclass(frozen=True)
class Jump:
    """A Poisson jump: at ``rate`` (per time unit) the states in ``assign`` are reset."""

    rate: str
    assign: Mapping[str, str]
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assign", _frozen(self.assign))


@dataclass(frozen=True)
class Reference:
    """A source: who, when, what, where."""

    authors: str = ""
    year: int | None = None
    title: str = ""
    where: str = ""
    doi: str = ""

    def __str__(self) -> str:
        head = f"{self.authors} ({self.year})." if self.year else f"{self.authors}."
        tail = f" https://doi.org/{self.doi}" if self.doi else ""
        return " ".join(part for part in (head if self.authors else "", self.title, self.where) if part) + tail
