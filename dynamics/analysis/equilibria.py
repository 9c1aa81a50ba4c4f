"""Fixed points of flows and maps: exact and regime by regime where algebra reaches, certified or numeric elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sympy import And, Dummy, Expr, Rational, S, Symbol
from sympy.core.relational import Relational

from dynamics.analysis.border_stability import judged_on_border
from dynamics.analysis.families import BORDER, Found, family_kind, merged, nearest_member, real_value
from dynamics.analysis.linearization import fields_here, fields_of, scalar_system
from dynamics.analysis.regime_search import searched_regimes
from dynamics.analysis.special_parameters import solutions_here, undefined
from dynamics.analysis.treatability import drift_note
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.results import FixedPoint, FixedPoints, provenance
from dynamics.symbolic.budgets import BudgetError
from dynamics.symbolic.elimination import Solution
from dynamics.symbolic.exact_solutions import numeric_in_time, solutions_in_time
from dynamics.symbolic.kernels import rational_form
from dynamics.symbolic.polynomial import characteristic_polynomial, jacobian_matrix, roots_numeric
from dynamics.symbolic.radicals import is_radical
from dynamics.symbolic.regimes import Regime, regimes
from dynamics.symbolic.stability import reduce_condition
from dynamics.symbolic.term_sizes import term_size
from dynamics.symbolic.verification import distinct
from dynamics.systems import System
from dynamics.systems.numbers import exact

__all__ = ["fixed_points", "rest_at"]

NEUTRAL = 1e-11
PATIENCE = 60.0  # seconds after which the regimes that are left are searched without algebra
SMALL = 6  # states up to which a characteristic polynomial in the free states is worth its time
NO_MEMBER = "the declared initial values are not in the family; shown is a member near them"
AHEAD = Rational(1, 10**9)  # a member of a family keeps this from terminal events: on one it would have ended


def fixed_points(system: System, parameters: Mapping[str, Any] | None = None,
                 box: Mapping[str, tuple[float, float]] | None = None) -> FixedPoints:
    """fixed_points(system): all fixed points, exact in the parameters where a closed form exists.

    Parameters
    ----------
    system : System
        Autonomous; flow or map.
    parameters : mapping of str to number, optional
        Replaces current values; symbolic results stay symbolic.
    box : mapping of str to (lower, upper), optional
        Return only points inside, and search here where algebra fails. None: the declared bounds of the states are searched,
        unbounded axes compactified, and points outside the bounds are returned as not admissible.

    Returns
    -------
    FixedPoints
        Sequence of FixedPoint, admissible ones first. A point derived in one regime that lies in another ("virtual") is
        returned with ``admissible=False``, as is one outside its bounds or where a terminal event has already happened.

    Raises
    ------
    DerivationError
        For non-autonomous systems and Processes.

    Notes
    -----
    ``exactness`` of each point: "exact" (closed form), "certified" (all real roots of exact polynomials at the current
    parameters, isolated, 30 digits) or "numeric" (found from many starts; there may be more). The ``exactness`` of the
    whole, in ``provenance``, is that of the weakest search, so "numeric" says that there may be more. A field with more
    than 100 regimes is solved in the one where it starts and in those where a search from many starts finds rests; what was
    not finished is said in ``provenance["note"]``, and shown.

    Examples
    --------
    >>> import dynamics as dy
    >>> points = dy.fixed_points(dy.models.load("deleveraging"))
    >>> points[0].state["equity_ratio"], points[0].stability, points[0].exactness
    (1/target_leverage, 'stable', 'exact')
    """
    system = scalar_system(system, "fixed_points")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time and has no fixed points; integrate it instead")
    if parameters is not None:
        system = system.with_parameters(parameters)
    limits = _box(system, box)
    states = [Symbol(name) for name in system.states]
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    fields = fields_here(system)
    found: list[Found] = []
    parts, searched = searched_regimes(system, fields, bounds, limits)
    methods: set[str] = {"numeric"} if searched else set()
    nowhere: set[str] = set()
    unfinished: list[str] = []
    started = time.monotonic()
    for regime in parts:
        without_value = _without_value(system, regime)
        if without_value:
            nowhere.update(without_value)
            continue
        equations = [e - s for e, s in zip(regime.expressions, states, strict=True)] if system.time == "discrete" \
            else list(regime.expressions)
        # numbers before derivatives: u**n/u has a value at u = 0 only once n is known
        matrix = jacobian_matrix([e.xreplace(system.exact_parameters) for e in regime.expressions], states)
        method, solutions, refusal = _solutions(system, equations, states, bounds, regime, limits,
                                                  hurry=time.monotonic() - started > PATIENCE)
        methods.add(method)
        if refusal:
            unfinished.append(refusal)
        for solution, exactness in solutions:
            item = _point(system, parts, regime, matrix, solution, exactness, bounds, limits)
            if item is not None and (box is None or _in_box(item.point, limits)):
                found.append(item)
    found += _on_declared_borders(system, fields, found, bounds, limits)
    ordered = merged(found, system.exact_parameters, {Symbol(name): part.bounds for name, part in system.states.items()})
    # a regime that was searched may hide points even where none was found
    weakest = _weakest(methods | {p.exactness for p in ordered})
    notes = [drift_note(system, "fixed_points"), _value_note(nowhere), searched, _budget_note(unfinished, len(parts))]
    return FixedPoints(ordered, provenance("fixed_points", system, exactness=weakest,
                                           note="; ".join(note for note in notes if note) or None))


def _on_declared_borders(system: System, fields: Sequence[Expr], found: Sequence[Found], bounds: dict[Symbol, Any],
                         limits: Mapping[str, tuple[Any, Any]]) -> list[Found]:
    """Rests with the states that are free in families at their declared values, where these are no members: a border on
    which other equations hold than on its sides."""
    states = [Symbol(name) for name in system.states]
    start = system.initial_state()
    added: list[Found] = []
    without = dict.fromkeys(item.point.free for item in found if NO_MEMBER in item.point.remark)
    members = {item.point.free for item in found if item.point.admissible and NO_MEMBER not in item.point.remark}
    for names in [names for names in without if names not in members]:
        held = {Symbol(name): exact(start[name], f"states.{name}.initial") for name in names}
        others = [state for state in states if state not in held]
        here = [field.xreplace(system.exact_parameters).xreplace(held) for field in fields]
        for regime in regimes(here, {}):
            equations = [e - held.get(s, s) for e, s in zip(regime.expressions, states, strict=True)] \
                if system.time == "discrete" else list(regime.expressions)
            try:
                solutions = solutions_in_time([e for e in equations if e != 0], others, {}) if others else ()
            except DerivationError:
                continue
            matrix = jacobian_matrix(regime.expressions, states)
            for solution in solutions:
                whole = Solution({s: held.get(s, solution.values.get(s, s)) for s in states}, solution.free,
                                 solution.nonzero, solution.nonnegative)
                item = _point(system, (), regime, matrix, whole, "certified", bounds, limits)
                if item is not None and item.point.admissible:
                    added.append(replace(item, point=replace(item.point, stability="not determined", kind="degenerate",
                                                             remark="on a border with equations of its own")))
    return added


def _without_value(system: System, regime: Regime) -> list[str]:
    """States whose equations have no value in a regime at the current parameters, wherever the states are."""
    numbers = system.exact_parameters
    if any(undefined(condition.xreplace(numbers)) for condition in regime.conditions):
        return list(system.states)
    pairs = zip(system.states, regime.expressions, strict=True)
    return [name for name, expression in pairs if undefined(expression.xreplace(numbers))]


def _value_note(states: set[str]) -> str:
    if not states:
        return ""
    named = ", ".join(sorted(states))
    return f"at the current parameters the equations of {named} have no value in some regime or in all: nothing rests there"


def _budget_note(refusals: list[str], regimes: int) -> str:
    if not refusals:
        return ""
    return (f"in {len(refusals)} of {regimes} regime{'s' * (regimes > 1)} the algebra was not finished and a search from "
            f"many starts took its place, so there may be more rests: {refusals[0]}")


def _box(system: System, box: Mapping[str, tuple[float, float]] | None) -> dict[str, tuple[Any, Any]]:
    limits = {name: state.bounds for name, state in system.states.items()}
    if box is not None and not isinstance(box, Mapping):
        raise SpecificationError(f"box: must map names of states to (lower, upper), not {type(box).__name__}")
    for name, pair in (box or {}).items():
        if name not in limits:
            raise SpecificationError(f"box: '{name}' is not a state of '{system.name}'.{did_you_mean(name, limits)}")
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise SpecificationError(f"box.{name}: needs a pair (lower, upper), not {pair!r}")
        low, high = (None if b is None or b in (float("inf"), float("-inf")) else exact(b, f"box.{name}") for b in pair)
        if low is not None and high is not None and not low < high:
            raise SpecificationError(f"box.{name}: the lower end {low} is not below the upper end {high}")
        limits[name] = (low, high)
    return limits


def _solutions(system: System, equations: Sequence[Expr], states: Sequence[Symbol], bounds: dict[Symbol, Any],
               regime: Regime, limits: Mapping[str, tuple[Any, Any]], hurry: bool
               ) -> tuple[str, list[tuple[Solution, str]], str]:
    """(method, (solution, exactness) of each, refusal): exact, else certified at the current parameters, else from many
    starts; the refusal says which budget of the algebra was not enough.

    Where algebra does not find all points, those are still exact at which a state that a transcendental function of itself
    moves (indifference of a crowd) rests at its declared initial value.
    """
    refusal = f"the regimes before took more than {PATIENCE:g} s" if hurry else ""
    if not hurry:
        try:
            return *_algebraic(system, equations, states, bounds), ""
        except BudgetError as error:
            refusal = str(error)
        except DerivationError:
            pass
    numbers = [e.xreplace(system.exact_parameters) for e in equations]
    from dynamics.analysis.root_search import search_roots  # SciPy only when algebra fails

    rests = _rests_from_the_start(system, equations, states, bounds)
    at_rest = [{symbol: value.xreplace(system.exact_parameters).evalf(17) for symbol, value in rest.values.items()
                if symbol not in rest.free} for rest in rests]
    found: list[tuple[Solution, str]] = [(rest, "exact") for rest in rests]
    conditions = [c.xreplace(system.exact_parameters) for c in regime.conditions]
    for root in search_roots(numbers, states, [limits[s.name] for s in states], conditions):
        if all(any(abs(root[s] - value) > 1e-8 * (1 + abs(root[s])) for s, value in rest.items()) for rest in at_rest):
            found.append((Solution(root), "numeric"))
    return "numeric", found, refusal


def _algebraic(system: System, equations: Sequence[Expr], states: Sequence[Symbol], bounds: dict[Symbol, Any]
               ) -> tuple[str, list[tuple[Solution, str]]]:
    """(method, (solution, exactness) of each) by algebra, or the reason why there is none."""
    try:
        closed = solutions_here(equations, states, bounds, system.exact_parameters)
        return _weakest({exactness for _, exactness in closed}), closed
    except DerivationError as error:
        unfinished = error
    numbers = [e.xreplace(system.exact_parameters) for e in equations]
    try:
        return "certified", [(Solution(dict(root)), "certified") for root in numeric_in_time(numbers, states)]
    except BudgetError:
        raise
    except DerivationError as error:
        raise unfinished if isinstance(unfinished, BudgetError) else error from None


def _rests_from_the_start(system: System, equations: Sequence[Expr], states: Sequence[Symbol], bounds: dict[Symbol, Any]
                          ) -> list[Solution]:
    """Exact points of rest with all states, or those that make the equations transcendental, at their declared start."""
    initial = {symbol: system._parsed.initial[symbol.name] for symbol in states}
    rest = rest_at(initial, equations)
    found = [] if rest is None else [rest]
    held = {state: initial[state] for state, equation in zip(states, equations, strict=True)
            if _is_moved_by_a_function_of_itself(state, equation)}
    if held:
        others = [state for state in states if state not in held]
        try:
            found += [Solution({s: {**held, **solution.values}[s] for s in states}, solution.free, solution.nonzero,
                               solution.nonnegative)
                      for solution in solutions_in_time([e.xreplace(held) for e in equations], others, bounds)]
        except DerivationError:
            pass
    return [found[k] for k in distinct([(s.values, s.free, s.nonnegative) for s in found], bounds)]


def _is_moved_by_a_function_of_itself(state: Symbol, equation: Expr) -> bool:
    """Whether a state occurs both within a transcendental function and beside it, as in tanh(x) - x."""
    form = rational_form([equation])
    symbols = form.elements[0].as_expr().free_symbols
    return state in symbols and any(kernel.has(state) and not is_radical(kernel)
                                    for symbol, kernel in form.kernels.items() if symbol in symbols)


def rest_at(state: Mapping[Symbol, Expr], equations: Sequence[Expr]) -> Solution | None:
    """A state, if every equation vanishes there identically in the parameters, and its line."""
    if not _vanish(equations, state):
        return None
    free: dict[Symbol, Expr] = {}
    for symbol in state:
        if _vanish(equations, {**state, **free, symbol: symbol}):
            free[symbol] = symbol
    return Solution({**state, **free}, tuple(free))


def _vanish(equations: Sequence[Expr], state: Mapping[Symbol, Expr]) -> bool:
    """Whether every equation is zero at a state, whatever the other symbols."""
    residuals = [equation.xreplace(state) for equation in equations]
    if any(residual.has(S.NaN, S.ComplexInfinity, S.Infinity, S.NegativeInfinity) for residual in residuals):
        return False
    return not any(residual != 0 and rational_form([residual]).elements[0] for residual in residuals)


def _point(system: System, parts: Sequence[Regime], regime: Regime, matrix: Any, solution: Solution, exactness: str,
           bounds: dict[Symbol, Any], limits: Mapping[str, tuple[Any, Any]]) -> Found | None:
    state, free = solution.values, tuple(s.name for s in solution.free)
    numbers: dict[Symbol, Any] = dict(system.exact_parameters)
    start = system.initial_state()
    declared = {symbol: exact(start[symbol.name], f"states.{symbol.name}.initial") for symbol in solution.free}
    needed_here = _needed(system, regime, solution, limits) if free else []
    member = nearest_member(needed_here, declared) if free else None
    if member is not None and _is_no_rest(system, state, {**numbers, **member}):
        # the border belongs to other equations: a member a little inside
        member = nearest_member([c - AHEAD if c.free_symbols else c for c in needed_here], declared)
    numbers |= declared if member is None else member
    values = {}
    for symbol, value in state.items():
        number = value.xreplace(numbers).evalf(30)
        if not number.is_real or not number.is_finite:
            return None  # complex or infinite at the current parameters
        values[symbol.name] = float(number)
        numbers[symbol] = number
    here = {**numbers, **{s: e.xreplace(numbers).evalf(30) for s, e in state.items()}}
    if any(not real_value(c, here) >= -BORDER for c in solution.nonnegative):
        return None  # a root in the equations would have to be negative at the current parameters
    margins = [real_value(c, here) for c in regime.conditions]
    inside = all(m >= -BORDER for m in margins)
    needed = [*regime.conditions, *solution.nonnegative] if exactness == "exact" or free else []
    valid = [reduce_condition(c.xreplace(state), bounds) for c in needed]
    if any(v.has(S.NaN, S.ComplexInfinity) for v in valid):
        return None  # the regime is not defined there, as a ratio to zero is not
    valid_where = And(*(v >= 0 for v in valid)) if exactness == "exact" or free else (S.true if inside else S.false)
    remarks = _remarks(system, here, values, margins, None if not free else member == declared)
    on_border = inside and not free and any(abs(m) <= BORDER for m in margins)
    if on_border and _is_no_rest(system, state, numbers):
        remarks.append("virtual: it lies on a border that does not belong to the regime in which it was derived")
    admissible = inside and not any(r.startswith(("virtual", "outside", "the event")) for r in remarks)
    try:
        rates = roots_numeric(matrix, here)
        stability, kind, ordered = _classified(rates, system.time, len(free), _rate_scale(matrix, here))
    except DerivationError:
        # a root such as sqrt(u) at u = 0: the point rests, but nothing is linear around it
        stability, kind, ordered = "not determined", "degenerate", (complex("nan"),) * matrix.rows
        remarks.append("the Jacobian is not finite there")
    if on_border and admissible:
        judged = judged_on_border(parts, regime, list(state), here, system.time, stability)
        remarks += [judged.remark] if judged.remark else []
        kind = kind if judged.stability == stability else f"{kind} from one side"
        stability = judged.stability
    if free:
        kind = family_kind(kind, stability, free, _same_everywhere(matrix, state, system.exact_parameters))
    point = FixedPoint(
        state={s.name: e for s, e in state.items()}, values=values, eigenvalues=ordered, stability=stability, kind=kind,
        admissible=admissible, remark="; ".join(remarks), regime={switch.text: on for switch, on in regime.pattern},
        valid_where=valid_where, free=free, exactness=exactness, time=system.time)
    return Found(point, tuple(valid))


def _needed(system: System, regime: Regime, solution: Solution, limits: Mapping[str, tuple[Any, Any]]) -> list[Expr]:
    """What must not be negative for a member of a family to be admissible, in its free states alone."""
    conditions = [*regime.conditions, *solution.nonnegative]
    bounds = [*((name, part.bounds) for name, part in system.states.items()), *limits.items()]
    for name, (low, high) in bounds:
        conditions += [] if low is None else [Symbol(name) - low]
        conditions += [] if high is None else [high - Symbol(name)]
    for name, event in system.events.items():
        level = system.resolve(system._parsed.events[name][0])
        if event.terminal and event.direction != "both":
            conditions.append((level if event.direction == "falling" else -level) - AHEAD)
    return [c.xreplace(solution.values).xreplace(system.exact_parameters) for c in conditions]


def _remarks(system: System, here: Mapping[Symbol, Any], values: Mapping[str, float], margins: Sequence[float],
             declared: bool | None) -> list[str]:
    """Why a rest is not admissible, and what is special about it.

    ``declared``: whether the member of a family is the declared initial state; None where there is no family.
    """
    inside = all(m >= -BORDER for m in margins)
    outside = "it lies" if declared is None else "no member was found that does not lie"
    remarks = [] if inside else [f"virtual: {outside} outside the regime in which it was derived"]
    remarks += _outside_bounds(system, values) + _ended(system, here)
    if declared is False and not remarks:
        # that the nearest member lies on the edge says nothing of the family
        remarks.append(NO_MEMBER)
    elif inside and any(abs(m) <= BORDER for m in margins):
        remarks.append("on a border between regimes: derivatives are one-sided")
    return remarks


def _same_everywhere(matrix: Any, state: Mapping[Symbol, Expr], numbers: Mapping[Symbol, Any]) -> bool:
    """Whether every eigenvalue is the same at all members of a family."""
    local = matrix.applyfunc(lambda entry: entry.xreplace(dict(state)).xreplace(dict(numbers)).cancel())
    if not local.free_symbols:
        return True
    if local.rows > SMALL or local.has(S.NaN, S.ComplexInfinity):
        return False
    eigenvalue = Dummy("eigenvalue")
    return characteristic_polynomial(local, eigenvalue).free_symbols <= {eigenvalue}


def _is_no_rest(system: System, state: Mapping[Symbol, Expr], numbers: Mapping[Symbol, Any]) -> bool:
    """Whether the equations as they are written are known to move a point: ``<`` does not hold where ``<=`` does."""
    here = {**numbers, **{symbol: value.xreplace(dict(numbers)) for symbol, value in state.items()}}
    for symbol, field in zip(state, fields_of(system), strict=True):
        # numbers that are no fractions leave their conditions undecided, or decided by rounding
        if any(not here[s].is_Rational for c in field.atoms(Relational) for s in c.free_symbols):
            return False
        moved = real_value(field - symbol if system.time == "discrete" else field, here)
        if abs(moved) > BORDER:
            return True
    return False


def _outside_bounds(system: System, values: Mapping[str, float]) -> list[str]:
    remarks = []
    for name, state in system.states.items():
        low, high = (None if b is None else float(b) for b in state.bounds)
        slack = 1e-9 * (1 + abs(values[name]))
        if (low is not None and values[name] < low - slack) or (high is not None and values[name] > high + slack):
            remarks.append(f"outside the declared bounds of {name}")
    return remarks


def _ended(system: System, here: Mapping[Symbol, Any]) -> list[str]:
    """A trajectory never lives where a terminal event has already happened."""
    remarks = []
    for name, event in system.events.items():
        if not event.terminal:
            continue
        value = real_value(system.resolve(system._parsed.events[name][0]), here)
        past = {"falling": value <= BORDER, "rising": value >= -BORDER, "both": abs(value) <= BORDER}[event.direction]
        if past:
            remarks.append(f"the event '{name}' has happened there")
    return remarks


def _rate_scale(matrix: Any, here: Mapping[Symbol, Any]) -> float:
    """How large the eigenvalues would be if no terms of the matrix cancelled."""
    sizes = np.abs([[real_value(term_size(matrix[i, j]), here) for j in range(matrix.cols)] for i in range(matrix.rows)])
    return float(np.abs(np.linalg.eigvals(np.nan_to_num(sizes))).max())


def _classified(eigenvalues: Sequence[complex], time: str, structural: int, size: float
                ) -> tuple[str, str, tuple[complex, ...]]:
    """(stability, kind, eigenvalues with structural ones last); rates are measured by the ``size`` of their terms."""
    neutral = 1.0 if time == "discrete" else 0.0
    by_neutrality = sorted(eigenvalues, key=lambda z: abs(z - neutral))
    dropped, kept = by_neutrality[:structural], by_neutrality[structural:]
    ordered = tuple(sorted(kept, key=lambda z: (-(abs(z) if time == "discrete" else z.real), -z.imag))) + tuple(dropped)
    scale = max((abs(z) for z in kept), default=0.0)
    scale = 1.0 + scale if time == "discrete" else max(scale, size) or 1.0
    growth = [(abs(z) - 1.0 if time == "discrete" else z.real) / scale for z in kept]
    if any(g > NEUTRAL for g in growth):
        stability = "unstable"
    elif all(g < -NEUTRAL for g in growth):
        stability = "stable"
    else:
        stability = "not determined"
    if any(abs(g) <= NEUTRAL for g in growth):
        return stability, "degenerate", ordered
    growing = sum(g > 0 for g in growth)
    turning = any(abs(z.imag) > 1e-9 * scale for z in kept)
    shape = "focus" if turning else "node"
    if growing == 0:
        return stability, f"stable {shape}", ordered
    if growing == len(kept):
        return stability, f"unstable {shape}", ordered
    return stability, "saddle focus" if turning else "saddle", ordered


def _in_box(point: FixedPoint, limits: Mapping[str, tuple[Any, Any]]) -> bool:
    if point.free and not point.admissible:
        return False  # no member was found inside
    return all((low is None or point.values[n] >= float(low)) and (high is None or point.values[n] <= float(high))
               for n, (low, high) in limits.items())


def _weakest(found: set[str]) -> str:
    return next((name for name in ("numeric", "certified") if name in found), "exact")


