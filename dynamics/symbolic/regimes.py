"""Nonsmooth expressions split into regimes: sign patterns of switches, smooth expressions inside each.

``Max``, ``Min``, ``Abs``, ``sign`` and ``Piecewise`` are resolved from the inside outwards, so that a switch that
matters only in one regime of another is not asked for elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from sympy import Abs, Eq, Expr, Max, Min, Ne, Piecewise, S, Symbol, default_sort_key, preorder_traversal, sign
from sympy.core.relational import GreaterThan, LessThan, Relational, StrictGreaterThan, StrictLessThan

from dynamics.errors import DerivationError
from dynamics.symbolic.kernels import Bounds, rational_form
from dynamics.symbolic.signs import sign_of

__all__ = ["Regime", "Switch", "on_borders", "regime_at", "regimes", "switches"]

_LIMIT = 10
_NONSMOOTH = (Max, Min, Abs, sign, Piecewise)


@dataclass(frozen=True)
class Switch:
    """A border between regimes; on where ``expression > 0``.

    Attributes
    ----------
    text : str
        The inequality as text, ``"1 - u/m > 0"``.
    expression : Expr
        Smooth.
    """

    text: str
    expression: Expr


@dataclass(frozen=True)
class Regime:
    """One sign pattern of the switches, and the smooth expressions that hold there.

    Attributes
    ----------
    pattern : tuple of (Switch, bool)
        Only the switches that matter in this regime.
    expressions : tuple of Expr
        The given expressions, smooth.
    conditions : tuple of Expr
        Each is >= 0 in the closed regime; in the order of ``pattern``.
    """

    pattern: tuple[tuple[Switch, bool], ...]
    expressions: tuple[Expr, ...]
    conditions: tuple[Expr, ...]

    @property
    def name(self) -> str:
        """The pattern as text; ``"smooth"`` where there is no switch."""
        return ", ".join(f"{switch.text}: {on}" for switch, on in self.pattern) or "smooth"


def regimes(expressions: Sequence[Expr], bounds: Bounds | None = None) -> tuple[Regime, ...]:
    """Split expressions into their smooth regimes.

    Parameters
    ----------
    expressions : sequence of Expr
    bounds : mapping of Symbol to (lower, upper), optional
        Used to recognise switches that differ by a factor of known sign, and to leave out regimes that are empty.

    Returns
    -------
    tuple of Regime
        Closed, with disjoint interiors, together all of the state space.

    Raises
    ------
    DerivationError
        If there are more than 10 switches.

    Examples
    --------
    >>> from sympy import Max, Symbol
    >>> u, m = Symbol("u"), Symbol("m")
    >>> for regime in regimes([Max(0, 1 - u / m)]):
    ...     print(regime.name, regime.expressions)
    1 - u/m > 0: True (1 - u/m,)
    1 - u/m > 0: False (0,)
    """
    found: list[Regime] = []
    counted: set[Switch] = set()
    for regime in islice(_split(tuple(expressions), _Decided(bounds or {})), 2**_LIMIT + 1):
        found.append(regime)
        counted.update(switch for switch, _ in regime.pattern)
        # at once: to count them all would be to split them all
        if len(counted) > _LIMIT:
            raise DerivationError(
                f"More than {_LIMIT} switches (max, min, abs, sign, conditions) make too many regimes to split "
                "symbolically. Use a smooth form (softplus, hill) of some of them, or integrate numerically."
            )
    return tuple(found)


def switches(expressions: Sequence[Expr], bounds: Bounds | None = None) -> tuple[Switch, ...]:
    """Return the switches of nonsmooth expressions, without duplicates up to sign.

    Parameters
    ----------
    expressions, bounds
        As for `regimes`.

    Returns
    -------
    tuple of Switch

    Raises
    ------
    DerivationError
        If there are more than 10.

    Examples
    --------
    >>> from sympy import Abs, Max, Symbol
    >>> x = Symbol("x")
    >>> [switch.text for switch in switches([Max(0, x - 1), Abs(1 - x)])]
    ['x - 1 > 0']
    """
    return tuple(dict.fromkeys(switch for regime in regimes(expressions, bounds) for switch, _ in regime.pattern))


def regime_at(expressions: Sequence[Expr], values: Mapping[Symbol, Any], bounds: Bounds | None = None) -> Regime:
    """Return the regime in which a point lies; on a border, the one with the switch off.

    Parameters
    ----------
    expressions : sequence of Expr
    values : mapping of Symbol to number
        All symbols of the switches.
    bounds : mapping of Symbol to (lower, upper), optional

    Returns
    -------
    Regime

    Raises
    ------
    DerivationError
        If a switch has no real value there.

    Examples
    --------
    >>> from sympy import Abs, Symbol
    >>> x = Symbol("x")
    >>> regime_at([Abs(x)], {x: -2}).expressions
    (-x,)
    """
    return next(_split(tuple(expressions), _Decided(bounds or {}, values)))


def on_borders(expressions: Sequence[Expr], values: Mapping[Symbol, Any]) -> tuple[Expr, ...]:
    """Decide the conditions that stand exactly on their border at known values: ``<=`` holds there and ``<`` does not.

    Parameters
    ----------
    expressions : sequence of Expr
    values : mapping of Symbol to exact number
        Conditions with other symbols are left as they are.

    Returns
    -------
    tuple of Expr

    Examples
    --------
    >>> from sympy import Piecewise, Symbol
    >>> u, m = Symbol("u"), Symbol("m")
    >>> on_borders([Piecewise((u, m <= 1), (0, True))], {m: 1})
    (u,)
    """
    conditions = set[Relational]().union(*(e.atoms(Relational) for e in expressions))
    known = [c for c in conditions if c.free_symbols and c.free_symbols <= set(values)]
    numbers = {symbol: S.One * value for symbol, value in values.items()}
    decided = {c: S.true if _includes_border(c) else S.false for c in known
               if (c.lhs - c.rhs).xreplace(numbers) == 0}
    return tuple(e.xreplace(decided) for e in expressions)


def _includes_border(relation: Relational) -> bool:
    return isinstance(relation, (Eq, LessThan, GreaterThan))


class _Decided:
    """Switches decided so far along one branch, and how a further one follows from them."""

    def __init__(
        self, bounds: Bounds, values: Mapping[Symbol, Any] | None = None, pattern: tuple[tuple[Expr, bool], ...] = (),
        signs: dict[tuple[Expr, Expr | None], int | None] | None = None
    ) -> None:
        self.bounds = bounds
        self.values = values
        self.pattern = pattern
        # shared by all branches: with n switches there are 2**n of them, and n**2 questions
        self.signs = {} if signs is None else signs

    def known(self, expression: Expr) -> bool | None:
        """Whether ``expression > 0`` here, if that is already settled."""
        fixed = self.forced(expression)
        if fixed is not None:
            return fixed > 0
        for other, on in self.pattern:
            ratio = self.same_side(expression, other)
            if ratio:
                return on if ratio > 0 else not on
        if self.values is not None:
            return _is_positive(expression, self.values)
        return None

    def decide(self, expression: Expr, on: bool) -> _Decided | None:
        """The branch in which the switch has this value; ``None`` if it contradicts what is settled."""
        settled = self.known(expression)
        if settled is not None:
            if settled is not on:
                return None
            if self.values is None or self.mentions(expression) or self.forced(expression) is not None:
                return self
        return _Decided(self.bounds, self.values, (*self.pattern, (expression, on)), self.signs)

    def forced(self, expression: Expr) -> int | None:
        settled = self.sign_under(expression, None)
        for other, on in self.pattern:
            if settled is not None:
                return settled
            settled = self.sign_under(expression, other if on else -other)
        return settled

    def mentions(self, expression: Expr) -> bool:
        return any(self.same_side(expression, other) for other, _ in self.pattern)

    def sign_under(self, expression: Expr, condition: Expr | None) -> int | None:
        """Sign of an expression within the bounds, and where one further condition is positive."""
        key = (expression, condition)
        if key not in self.signs:
            self.signs[key] = sign_of(expression, self.bounds, () if condition is None else [condition])
        return self.signs[key]

    def same_side(self, expression: Expr, other: Expr) -> int | None:
        """Sign of the ratio of two switches."""
        return self.sign_under(_ratio(expression, other), None)


@lru_cache(maxsize=4096)
def _ratio(first: Expr, second: Expr) -> Expr:
    form = rational_form([first / second])
    return form.expression(form.elements[0])


def _is_positive(expression: Expr, values: Mapping[Symbol, Any]) -> bool:
    number = expression.xreplace({symbol: S.One * value for symbol, value in values.items()}).evalf(30)
    if not (number.is_Float or number.is_Rational):
        raise DerivationError(
            f"The switch {_text(expression)} > 0 has no real value at the given point ({number}); "
            "give a value for each of its symbols."
        )
    return bool(number > 0)


def _split(expressions: tuple[Expr, ...], decided: _Decided, depth: int = 0) -> Iterator[Regime]:
    atom = _innermost(expressions)
    if atom is None:
        pattern = tuple((Switch(f"{_text(expression)} > 0", expression), on) for expression, on in decided.pattern)
        conditions = tuple(expression if on else -expression for expression, on in decided.pattern)
        yield Regime(pattern, expressions, conditions)
        return
    if len(decided.pattern) > _LIMIT:
        raise DerivationError(
            f"More than {_LIMIT} switches (max, min, abs, sign, conditions) depend on each other; at most {_LIMIT} are "
            "split symbolically. Use a smooth form (softplus, hill) of some of them, or integrate numerically."
        )
    for replaced, requirements in _cases(atom, decided):
        branch: _Decided | None = decided
        for expression, on in requirements:
            branch = branch and branch.decide(expression, on)
        if branch is not None:
            yield from _split(tuple(item.xreplace({atom: replaced}) for item in expressions), branch, depth + 1)


def _innermost(expressions: Iterable[Expr]) -> Expr | None:
    for expression in expressions:
        for node in preorder_traversal(expression):
            if isinstance(node, _NONSMOOTH) and not any(argument.has(*_NONSMOOTH) for argument in node.args):
                return node
    return None


_Case = tuple[Expr, list[tuple[Expr, bool]]]  # what the atom becomes, and the switch values that make it so


def _cases(atom: Expr, decided: _Decided) -> list[_Case]:
    if isinstance(atom, (Max, Min)):
        return _extremum_cases(atom)
    if isinstance(atom, Abs):
        (inner,) = atom.args
        return [(inner, [(inner, True)]), (-inner, [(inner, False)])]
    if isinstance(atom, sign):
        (inner,) = atom.args
        if decided.forced(inner) == 0:
            return [(S.Zero, [])]
        return [(S.One, [(inner, True)]), (S.NegativeOne, [(inner, False)])]
    return _piecewise_cases(atom, decided)


def _extremum_cases(atom: Expr) -> list[_Case]:
    # the constant goes last, so that max(0, a) switches at a > 0 rather than at -a > 0
    arguments = sorted(atom.args, key=lambda item: (not item.free_symbols, item.sort_key()))
    upper = isinstance(atom, Max)
    cases = []
    for position, winner in enumerate(arguments):
        requirements = []
        for other_position, other in enumerate(arguments):
            if other_position == position:
                continue
            # one orientation per pair, so that both of its regimes ask the same switch
            earlier = position < other_position
            difference = winner - other if earlier else other - winner
            requirements.append((difference, earlier is upper))
        cases.append((winner, requirements))
    return cases


def _piecewise_cases(atom: Expr, decided: _Decided) -> list[_Case]:
    undecided = next(condition for _, condition in atom.args if condition.has(Relational))
    relation = min(undecided.atoms(Relational), key=default_sort_key)  # And and Or keep no order of their own
    if decided.forced(relation.lhs - relation.rhs) == 0:
        # both sides are one and the same here, which is no border
        return [(atom.xreplace({relation: S.true if _includes_border(relation) else S.false}), [])]
    if isinstance(relation, (Eq, Ne)):
        # equality holds on a set without interior: generically false
        return [(atom.xreplace({relation: S.false if isinstance(relation, Eq) else S.true}), [])]
    if isinstance(relation, (StrictGreaterThan, GreaterThan)):
        difference = relation.lhs - relation.rhs
    elif isinstance(relation, (StrictLessThan, LessThan)):
        difference = relation.rhs - relation.lhs
    else:  # pragma: no cover - SymPy has no other relations
        raise DerivationError(f"The condition {relation} is no inequality.")
    return [(atom.xreplace({relation: S.true if on else S.false}), [(difference, on)]) for on in (True, False)]


def _text(expression: Expr) -> str:
    from dynamics import expressions

    return expressions.text(expression)
