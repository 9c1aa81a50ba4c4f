"""Families of rests: which member stands for one, how stable the whole is, and what several regimes see of the same one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from sympy import And, Expr, Or, S, Symbol
from sympy.logic.boolalg import Boolean

from dynamics.results import FixedPoint
from dynamics.symbolic.signs import weak_sign_of
from dynamics.symbolic.verification import distinct
from dynamics.systems.numbers import exact

__all__ = ["BORDER", "Found", "family_kind", "merged", "nearest_member", "real_value"]

BORDER = 1e-12  # of conditions, in 30 digits: what rounding of parameters and closed forms leaves of a zero
SAME = 1e-12  # relative difference of two doubles that are the same state
EDGE = 1e-9  # conditions at a state that is known as doubles only
SEARCHES = 24  # places from which a member is looked for, besides the declared initial values
NEAR_EDGE = 1e-5  # a condition this close to zero, where the search ended, is one that holds the nearest member
FIRM = 1e-9  # distance kept from an edge on which rounding would leave the member outside
DIGITS = 12  # a member is written with so many where it is one with them: 1, not 0.99999999999999989


@dataclass(frozen=True)
class Found:
    """A fixed point, and what must not be negative for it (or a member of the family) to lie in its regime.

    Attributes
    ----------
    point : FixedPoint
    conditions : tuple of Expr
        In parameters and free states.
    """

    point: FixedPoint
    conditions: tuple[Expr, ...] = ()


def real_value(expression: Expr, here: Mapping[Symbol, Any]) -> float:
    """Return the value of an expression, nan where it has no real one: neither inside a regime nor past an event.

    Parameters
    ----------
    expression : Expr
    here : mapping of Symbol to number

    Returns
    -------
    float
    """
    number = expression.xreplace(dict(here)).evalf(30)
    return float(number) if number.is_real else float("nan")


# ---- a member that stands for the family -------------------------------------------------------------------------------

def nearest_member(conditions: Sequence[Expr], start: Mapping[Symbol, Any]) -> dict[Symbol, Any] | None:
    """Return values of the free states at which every condition holds: the declared ones, else the nearest found.

    Parameters
    ----------
    conditions : sequence of Expr
        In the free states alone; each is to be >= 0.
    start : mapping of Symbol to number
        Declared initial values of the free states.

    Returns
    -------
    dict of Symbol to Rational, or None
        None where none was found; that is no proof that there is none.
    """
    if _holds(conditions, start):
        return dict(start)
    if any(c.has(S.NaN, S.ComplexInfinity) or (c.is_number and not real_value(c, {}) >= -BORDER) for c in conditions):
        return None
    import numpy as np
    from scipy.optimize import minimize
    from scipy.stats import qmc

    free = list(start)
    origin = np.array([float(value) for value in start.values()])
    scale = 1 + np.abs(origin)
    margins = _margins(conditions, free, origin, scale)
    spread = np.tan(np.pi * (qmc.Halton(len(free), scramble=False).random(SEARCHES + 1)[1:] - 0.5))
    best: tuple[float, dict[Symbol, Any]] | None = None
    for offset in [np.zeros(len(free)), *spread]:
        with np.errstate(all="ignore"):
            ended = minimize(lambda z: z @ z, offset, jac=lambda z: 2 * z, method="SLSQP",
                             constraints={"type": "ineq", "fun": margins}, options={"ftol": 1e-14}).x
        if not np.all(np.isfinite(ended)):
            continue
        distance = float(ended @ ended)
        if best is not None and distance >= best[0]:
            continue
        member = _settled(conditions, margins, free, origin, scale, ended)
        if member is not None:
            best = distance, member
    return None if best is None else best[1]


def _holds(conditions: Sequence[Expr], values: Mapping[Symbol, Any]) -> bool:
    return all(real_value(c, values) >= -BORDER for c in conditions)


def _margins(conditions: Sequence[Expr], free: Sequence[Symbol], origin: Any, scale: Any) -> Callable[[Any], Any]:
    """The conditions as a function of the scaled distance from the declared values; -1 where one has no value."""
    import numpy as np

    from dynamics.compiled.code import vector_function

    function = vector_function([c for c in conditions if not c.is_number], [list(free)])

    def margins(offset: Any) -> Any:
        try:
            values = np.array(function(tuple(origin + scale * offset)), dtype=float)
        except (ArithmeticError, ValueError, TypeError):
            return np.full(len(conditions), -1.0)
        return np.where(np.isfinite(values), values, -1.0)

    return margins


def _settled(conditions: Sequence[Expr], margins: Callable[[Any], Any], free: Sequence[Symbol], origin: Any, scale: Any,
             offset: Any) -> dict[Symbol, Any] | None:
    """The end of a search as exact numbers that satisfy the conditions: on the edge, else just inside."""
    import numpy as np

    for distance in (0.0, FIRM):
        place = origin + scale * _on_edge(margins, offset, distance)
        # the search is not exact in directions in which nothing holds the member back
        apart = np.abs(place - origin) > NEAR_EDGE * scale
        moved = np.where(apart, place, origin).tolist()
        for values in ([float(f"{v:.{DIGITS}g}") for v in moved], moved, place.tolist()):
            member = {s: exact(v, s.name) for s, v in zip(free, values, strict=True)}
            if _holds(conditions, member):
                return member
    return None


def _on_edge(margins: Callable[[Any], Any], offset: Any, distance: float) -> Any:
    """Newton steps of least length to where the conditions that hold the member back have a given small value."""
    import numpy as np

    step = 1e-7
    for _ in range(5):
        values = margins(offset)
        active = values < NEAR_EDGE
        if not active.any():
            return offset
        slopes = np.array([(margins(offset + step * e) - margins(offset - step * e)) / (2 * step)
                           for e in np.eye(len(offset))]).T[active]
        offset = offset + np.linalg.pinv(slopes) @ (distance - values[active])
    return offset


# ---- how stable a family is --------------------------------------------------------------------------------------------

def family_kind(kind: str, stability: str, free: Sequence[str], everywhere: bool) -> str:
    """Return what a family of rests is called.

    Parameters
    ----------
    kind : str
        Of the eigenvalues across the family: "stable node", "saddle focus", "degenerate", ...
    stability : str
    free : sequence of str
        States along which it extends.
    everywhere : bool
        Whether the eigenvalues are the same at every member.

    Examples
    --------
    >>> family_kind("stable node", "stable", ["q"], True)
    'stable family (neutral along q)'
    >>> family_kind("stable focus", "stable", ["q"], True)
    'stable family (focus across, neutral along q)'
    >>> family_kind("stable node", "stable", ["q"], False)
    'family (neutral along q), stable at this member'
    """
    along = f"neutral along {', '.join(free)}"
    across = f"focus across, {along}" if kind.endswith("focus") else along
    head = "saddle" if kind.startswith("saddle") else "degenerate" if kind == "degenerate" else stability
    return f"{head} family ({across})" if everywhere else f"family ({across}), {head} at this member"


# ---- the same rests seen from several regimes ---------------------------------------------------------------------------

def merged(found: Sequence[Found], numbers: Mapping[Symbol, Any], bounds: Mapping[Symbol, Any]) -> list[FixedPoint]:
    """Return every rest once, admissible ones first.

    A family that several regimes see is one; what lies on its edge is a member of it and no point of its own.

    Parameters
    ----------
    found : sequence of Found
    numbers : mapping of Symbol to number
        Current parameters.
    bounds : mapping of Symbol to (lower, upper)
        Of the states.

    Returns
    -------
    list of FixedPoint
    """
    ordered = sorted(found, key=lambda f: _rank(f.point))
    families = _families([f for f in ordered if f.point.free], numbers, bounds)
    # of a family without an admissible member there is only the one that is shown
    single = [f.point for f in ordered if not f.point.free]
    single += [family.point for family in families if not family.point.admissible]
    families = [family for family in families if family.point.admissible]
    others: list[FixedPoint] = []
    for point in sorted(single, key=_rank):
        owner = next((k for k, family in enumerate(families) if family.has(point, numbers)), None)
        if owner is None:
            others.append(point)
        else:
            families[owner] = families[owner].with_edge(point)
    return sorted([*(family.record() for family in families), *_without_twins(others)], key=_rank)


def _rank(point: FixedPoint) -> tuple[bool, bool, bool, bool]:
    return not point.admissible, point.remark.startswith("virtual"), bool(point.remark), point.stability != "stable"


@dataclass(frozen=True)
class _Family:
    """A family, and the conditions of each of the regimes in which it was found."""

    point: FixedPoint
    parts: tuple[tuple[Expr, ...], ...]
    of_several: bool = False

    def has(self, point: FixedPoint, numbers: Mapping[Symbol, Any]) -> bool:
        """Whether a single rest is a member."""
        here = {**numbers, **{Symbol(name): S.One * point.values[name] for name in self.point.free}}
        for name, value in self.point.state.items():
            own = real_value(value, here)
            if not abs(own - point.values[name]) <= SAME * (1 + abs(own)):
                return False
        return any(all(real_value(c, here) >= -EDGE for c in part) for part in self.parts)

    def contains(self, other: Found, numbers: Mapping[Symbol, Any], bounds: Mapping[Symbol, Any]) -> bool:
        """Whether every member of another family is one of this, proved at the current parameters."""
        if not self.point.admissible or not set(other.point.free) < set(self.point.free):
            return False
        wide, narrow = (_numbers_in(p.state, numbers) for p in (self.point, other.point))
        free = [tuple(Symbol(name) for name in p.free) for p in (self.point, other.point)]
        if distinct([(wide, free[0], ()), (narrow, free[1], ())], dict(bounds)) != [0]:
            return False
        known = [c.xreplace(dict(numbers)) for c in other.conditions]
        return any(all(_implied(c.xreplace(dict(numbers)).xreplace(narrow), known, bounds) for c in part)
                   for part in self.parts)

    def joined(self, other: Found) -> _Family:
        return _Family(self.point, _unsplit((*self.parts, other.conditions)), True)

    def with_edge(self, edge: FixedPoint) -> _Family:
        """With a word on what its edge does seen from outside, where that is not what the family does."""
        if edge.stability == self.point.stability or "virtual" in edge.remark:
            return self
        place = ", ".join(f"{name} = {value}" for name, value in edge.state.items() if name not in edge.free)
        remark = f"its edge {place} is {edge.stability} from the other side of the border"
        if remark in self.point.remark:
            return self
        return replace(self, point=replace(self.point, remark="; ".join(filter(None, [self.point.remark, remark]))))

    def record(self) -> FixedPoint:
        if not self.of_several:
            return self.point
        where: Boolean = Or(*(And(*(c >= 0 for c in part)) for part in self.parts))
        return replace(self.point, valid_where=where)


def _families(found: Sequence[Found], numbers: Mapping[Symbol, Any], bounds: Mapping[Symbol, Any]) -> list[_Family]:
    kept: list[_Family] = []
    # the widest first: narrower ones may be its edges
    for item in sorted(found, key=lambda f: (not f.point.admissible, -len(f.point.free))):
        twin = next((k for k, family in enumerate(kept) if _same_family(family.point, item.point, numbers)), None)
        if twin is not None:
            if item.point.admissible:
                kept[twin] = kept[twin].joined(item)
            continue
        owner = next((k for k, family in enumerate(kept) if family.contains(item, numbers, bounds)), None)
        if owner is not None:
            kept[owner] = kept[owner].with_edge(item.point)
            continue
        kept.append(_Family(item.point, (item.conditions,)))
    return kept


def _same_family(a: FixedPoint, b: FixedPoint, numbers: Mapping[Symbol, Any]) -> bool:
    if a.free != b.free or (b.admissible and a.kind != b.kind):
        return False
    first, second = (_numbers_in(p.state, numbers) for p in (a, b))
    free = tuple(Symbol(name) for name in a.free)
    return first == second or distinct([(first, free, ()), (second, free, ())], {}) == [0]


def _numbers_in(state: Mapping[str, Expr], numbers: Mapping[Symbol, Any]) -> dict[Symbol, Expr]:
    return {Symbol(name): value.xreplace(dict(numbers)) for name, value in state.items()}


def _implied(condition: Expr, known: Sequence[Expr], bounds: Mapping[Symbol, Any]) -> bool:
    if condition in known:
        return True
    return weak_sign_of(condition, dict(bounds), known) in (0, 1)


def _unsplit(parts: tuple[tuple[Expr, ...], ...]) -> tuple[tuple[Expr, ...], ...]:
    """Two sides of a border that changes nothing are one part: (A and c >= 0) or (A and -c >= 0) is A."""
    sets = list(dict.fromkeys(frozenset(c for c in part if c is not S.Zero) for part in parts))
    again = True
    while again:
        again = False
        for first, second in combinations(sets, 2):
            common = first & second
            apart = [*(first - common), *(second - common)]
            if first <= second or second <= first:
                joint = min(first, second, key=len)
            elif len(apart) == 2 and (apart[0] + apart[1]).expand() == 0:
                joint = common
            else:
                continue
            sets = [s for s in sets if s not in (first, second)] + [joint]
            sets = list(dict.fromkeys(sets))
            again = True
            break
    return tuple(tuple(sorted(part, key=str)) for part in sets)


def _without_twins(points: Sequence[FixedPoint]) -> list[FixedPoint]:
    """The same state from several regimes is one point; the copy inside its own regime stays."""
    kept: list[FixedPoint] = []
    for point in points:
        twin = next((k for k in kept if all(abs(k.values[n] - v) <= SAME * (1 + abs(v)) for n, v in point.values.items())),
                    None)
        if twin is None:
            kept.append(point)
        elif "border" in point.remark and "border" in twin.remark and point.regime != twin.regime \
                and not _same_spectrum(point, twin):
            kept.append(replace(point, remark=point.remark + "; the other side of the border"))
    return kept


def _same_spectrum(a: FixedPoint, b: FixedPoint) -> bool:
    """A border that changes nothing (a switch within a branch that is not taken) has no sides."""
    return len(a.eigenvalues) == len(b.eigenvalues) and all(
        abs(v - w) <= 1e-12 * (1 + abs(v)) for v, w in zip(a.eigenvalues, b.eigenvalues, strict=True))
