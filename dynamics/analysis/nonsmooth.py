"""Nonsmooth systems: regimes with their own equations, and border collisions of fixed points, classified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sympy import And, Expr, Matrix, S, Symbol, eye
from sympy.logic.boolalg import Boolean

from dynamics import expressions
from dynamics.analysis import arguments
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.linearization import fields_of, scalar_system
from dynamics.analysis.treatability import drift_note
from dynamics.errors import DerivationError
from dynamics.results import Records, provenance
from dynamics.results.nonsmooth_records import BorderCollision, BorderSide, NonsmoothRegime
from dynamics.symbolic.border_collisions import (
    Collision,
    classify_boundary_equilibrium,
    classify_collision,
    fixed_point_kind,
)
from dynamics.symbolic.borders import Border, borders, is_continuous
from dynamics.symbolic.conditions import solve_for
from dynamics.symbolic.elimination import solve_numeric
from dynamics.symbolic.exact_solutions import solutions_in_time
from dynamics.symbolic.polynomial import factor_characteristic, jacobian_matrix
from dynamics.symbolic.regimes import Regime, regimes
from dynamics.symbolic.stability import reduce_condition, stability_of_factor
from dynamics.systems import System

if TYPE_CHECKING:
    import numpy as np

__all__ = ["border_collisions", "nonsmooth_regimes"]

_Bounds = dict[Symbol, tuple[Any, Any]]


@dataclass(frozen=True)
class _Meeting:
    """A fixed point on a border: zero of ``expression``, at ``solution`` of the parameter."""

    expression: Expr
    state: dict[Symbol, Expr]
    solution: Expr
    valid_where: Boolean
    free: tuple[Symbol, ...]
    exactness: str


def nonsmooth_regimes(system: System, parameters: Mapping[str, Any] | None = None) -> Records[NonsmoothRegime]:
    """nonsmooth_regimes(system): the smooth regimes of max, min, abs, sign and conditions, each with its fixed points.

    Parameters
    ----------
    system : System
        Autonomous; flow or map.
    parameters : mapping of str to number, optional
        Replaces current values.

    Returns
    -------
    sequence of NonsmoothRegime
        One regime, without switches, for a smooth system.

    Raises
    ------
    DerivationError
        For a Process, a non-autonomous system, more than 24 scalar states or more than 10 switches.

    References
    ----------
    M. di Bernardo, C. J. Budd, A. R. Champneys, P. Kowalczyk, Piecewise-smooth Dynamical Systems (Springer 2008),
    doi:10.1007/978-1-84628-708-4.

    Examples
    --------
    >>> import dynamics as dy
    >>> for regime in dy.nonsmooth_regimes(dy.models.load("deleveraging")):
    ...     print(regime.switches, [point.admissible for point in regime.fixed_points])
    {'-equity_ratio/maintenance_margin + 1 > 0': True} [False, False]
    {'-equity_ratio/maintenance_margin + 1 > 0': False} [True, False]
    """
    system = scalar_system(system, "nonsmooth_regimes")
    system = arguments.replaced(system, parameters)
    points = fixed_points(system)
    found = []
    for regime in regimes(fields_of(system), _parameter_bounds(system)):
        pattern = {switch.text: on for switch, on in regime.pattern}
        found.append(NonsmoothRegime(
            switches=pattern, equations=dict(zip(system.states, regime.expressions, strict=True)),
            valid_where=And(*(condition >= 0 for condition in regime.conditions)),
            fixed_points=tuple(point for point in points if dict(point.regime) == pattern)))
    return Records(found, provenance("nonsmooth_regimes", system, exactness=points.provenance["exactness"],
                                     note=drift_note(system, "nonsmooth_regimes")))


def border_collisions(system: System, parameter: str | None = None,
                      parameters: Mapping[str, Any] | None = None) -> Records[BorderCollision]:
    """border_collisions(system, parameter=name): where fixed points meet the borders of their regimes, and what follows.

    Parameters
    ----------
    system : System
        Autonomous; flow or map.
    parameter : str, optional
        Solve for this one; by default, for each collision, the one with the shortest solution.
    parameters : mapping of str to number, optional
        Replaces current values.

    Returns
    -------
    sequence of BorderCollision
        One for each fixed point, switch and solution. ``classification`` is "persistence" (a fixed point on either side) or
        "nonsmooth_fold" (two on one side, none on the other), "not determined" in degenerate cases; ``attractors`` and
        ``unstable`` hold what is known for the parameter below and above its critical value.

    Raises
    ------
    SpecificationError
        If there is no such parameter.
    DerivationError
        For a Process or a non-autonomous system.

    Notes
    -----
    Complete for one-dimensional maps (skew tent map) and for one- and two-dimensional flows, up to cases that are named in
    ``remark``. In higher dimensions: fixed points (Feigin), their stability next to the border, and for maps all cycles up
    to period 6. Both sides stable does not imply that the fixed point is stable at the collision itself when n >= 3. Across
    a border where the field jumps, a flow's equilibrium meets a pseudo-equilibrium (`sliding`).

    References
    ----------
    M. di Bernardo, C. J. Budd, A. R. Champneys, P. Kowalczyk, Piecewise-smooth Dynamical Systems (Springer 2008),
    doi:10.1007/978-1-84628-708-4. V. Avrutin, L. Gardini, I. Sushko, F. Tramontana, Continuous and Discontinuous
    Piecewise-Smooth One-Dimensional Maps (World Scientific 2019), doi:10.1142/8285.

    Examples
    --------
    >>> import dynamics as dy
    >>> collision, = dy.border_collisions(dy.models.load("deleveraging"), "target_leverage")
    >>> collision.solutions, collision.classification, collision.off.exists
    ((1/maintenance_margin,), 'persistence', 'below')
    """
    system = scalar_system(system, "border_collisions")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time and has no fixed points; integrate it instead")
    system = arguments.replaced(system, parameters)
    if parameter is not None:
        arguments.known_name(parameter, system.parameters, "parameter", system.name)
    states, bounds = [Symbol(name) for name in system.states], _parameter_bounds(system)
    names = system.parameters if parameter is None else [parameter]
    found: list[BorderCollision] = []
    for border in borders(fields_of(system), bounds):
        continuous = is_continuous(border, states, bounds)
        # the fixed points of both sides meet on the border where the field is continuous, so that one side finds them all
        for on in (False,) if continuous else (False, True):
            for name, meeting in _meetings(system, border, on, states, names, bounds):
                record = _record(system, border, on, states, name, meeting, bool(continuous), bounds)
                if record is not None and not any(record.state == known.state and record.switch == known.switch
                                                  and record.solutions == known.solutions for known in found):
                    found.append(record)
    weakest = "numeric" if any(record.exactness == "numeric" for record in found) else "exact"
    return Records(found, provenance("border_collisions", system, exactness=weakest,
                                     note=drift_note(system, "border_collisions")))


def _parameter_bounds(system: System) -> _Bounds:
    return {Symbol(name): part.bounds for name, part in system.parameters.items()}


def _equations(system: System, regime: Regime, states: Sequence[Symbol]) -> list[Expr]:
    if system.time == "discrete":
        return [e - s for e, s in zip(regime.expressions, states, strict=True)]
    return list(regime.expressions)


def _meetings(system: System, border: Border, on: bool, states: Sequence[Symbol], names: Any,
              bounds: _Bounds) -> Iterator[tuple[str, _Meeting]]:
    switch, equations = border.switch.expression, _equations(system, border.on if on else border.off, states)
    try:
        solutions = solutions_in_time(equations, states, bounds)
    except DerivationError:
        yield from _numeric_meetings(system, border, equations, states, names)
        return
    for solution in solutions:
        expression = reduce_condition(switch.xreplace(solution.values), bounds)
        if expression.is_number or any(expression.has(state) for state in states):
            continue
        solved = []
        for order, name in enumerate(names):
            try:
                pairs = solve_for(expression, Symbol(name), bounds)
            except DerivationError:
                continue
            if pairs:
                solved.append((sum(value.count_ops() for value, _ in pairs), order, name, pairs))
        if not solved:
            if len(names) == 1 and expression.has(Symbol(names[0])):
                yield from _numeric_meetings(system, border, equations, states, names)
            continue
        _, _, name, pairs = min(solved, key=lambda item: item[:2])
        for value, where in pairs:
            state = {s: e.xreplace({Symbol(name): value}) for s, e in solution.values.items()}
            valid = And(where, *_inside(system, border, {**state, Symbol(name): value}, bounds))
            if valid != S.false:
                yield name, _Meeting(expression, state, value, valid, solution.free, "exact")


def _inside(system: System, border: Border, at: Mapping[Symbol, Expr], bounds: _Bounds) -> Iterator[Any]:
    """Relations: the other switches as assumed, the states within their bounds."""
    margins = list(border.conditions)
    for name, state in system.states.items():
        low, high = state.bounds
        if low is not None:
            margins.append(Symbol(name) - low)
        if high is not None:
            margins.append(high - Symbol(name))
    for margin in margins:
        reduced = reduce_condition(margin.xreplace(dict(at)).xreplace(dict(at)), bounds)
        yield reduced >= 0


def _numeric_meetings(system: System, border: Border, equations: Sequence[Expr], states: Sequence[Symbol],
                      names: Any) -> Iterator[tuple[str, _Meeting]]:
    """At current values of the other parameters, where there is no closed form."""
    for name in names if len(names) == 1 else [n for n in names if border.switch.expression.has(Symbol(n))][:1]:
        symbol = Symbol(name)
        numbers = {s: v for s, v in system.exact_parameters.items() if s != symbol}
        try:
            roots = solve_numeric([e.xreplace(numbers) for e in (*equations, border.switch.expression)], [*states, symbol])
        except DerivationError:
            continue
        for root in roots:
            at = {**numbers, **root}
            inside = all(_number(c, at) >= -1e-12 for c in border.conditions)
            state = {s: root[s] for s in states}
            if inside:
                yield name, _Meeting(border.switch.expression, state, root[symbol], S.true, (), "numeric")


def _record(system: System, border: Border, on: bool, states: Sequence[Symbol], name: str, meeting: _Meeting,
            continuous: bool, bounds: _Bounds) -> BorderCollision | None:
    import numpy as np

    symbol = Symbol(name)
    numbers: dict[Symbol, Any] = {s: v for s, v in system.exact_parameters.items() if s != symbol}
    start = system.initial_state()
    numbers |= {s: S.One * start[s.name] for s in meeting.free}
    critical = meeting.solution.xreplace(numbers).evalf(30)
    if not (critical.is_real and critical.is_finite):
        return None  # complex or infinite at the current parameters
    numbers[symbol] = critical
    at = {**numbers, **{s: e.xreplace(numbers).evalf(30) for s, e in meeting.state.items()}}
    matrices = [jacobian_matrix(regime.expressions, states) for regime in (border.off, border.on)]
    off, on_matrix = (_array(matrix, at) for matrix in matrices)
    normal = np.array([_number(border.switch.expression.diff(s), at) for s in states])
    own = border.on if on else border.off
    drift = np.array([_number(e.diff(symbol), at) for e in own.expressions])
    # coordinates in which the border stays where it is: z = x - moved * p
    moved = -_number(border.switch.expression.diff(symbol), at) * normal / max(float(normal @ normal), 1e-300)
    matrix = on_matrix if on else off
    shifted = drift + matrix @ moved - (moved if system.time == "discrete" else 0.0)
    if meeting.free:
        names = ", ".join(s.name for s in meeting.free)
        outcome = Collision("not determined", remark=f"a line of fixed points: {names} free")
    elif continuous:
        outcome = classify_collision(off, on_matrix, normal, shifted, system.time)
    elif system.time == "discrete":
        outcome = Collision("not determined", remark="the map jumps at the border")
    else:
        opposite = np.array([_number(e, at) for e in (border.off if on else border.on).expressions])
        outcome = classify_boundary_equilibrium(matrix, normal, shifted, opposite, on)
    exists = outcome.exists if continuous else (("", outcome.exists[0]) if on else (outcome.exists[0], ""))
    sides = [_side(system, index == 1, exists[index], matrices[index], (off, on_matrix)[index], meeting, symbol, bounds)
             for index in (0, 1)]
    return BorderCollision(
        switch=border.switch.text, parameter=name, solutions=(meeting.solution,), values=(float(critical),),
        valid_where=meeting.valid_where, expression=meeting.expression,
        state={s.name: e for s, e in meeting.state.items()}, classification=outcome.classification,
        off=sides[0], on=sides[1],
        attractors=dict(zip(("below", "above"), outcome.attractors, strict=True)),
        unstable=dict(zip(("below", "above"), outcome.unstable, strict=True)), dimension=len(states), time=system.time,
        continuous=continuous, remark=outcome.remark, exactness=meeting.exactness, symbols=system.symbol_spellings())


def _side(system: System, on: bool, exists: str, matrix: Matrix, values: np.ndarray, meeting: _Meeting, symbol: Symbol,
          bounds: _Bounds) -> BorderSide:
    import numpy as np

    local = matrix.xreplace(meeting.state).xreplace({symbol: meeting.solution})
    gap = eye(matrix.rows) - local if system.time == "discrete" else -local
    stability, kind = fixed_point_kind(values, system.time)
    where: Boolean | None = None
    time: Literal["continuous", "discrete"] = "discrete" if system.time == "discrete" else "continuous"
    determinant = gap.det(method="berkowitz")
    try:
        determinant = _factored(determinant)
        conditions = [c.expression for factor in factor_characteristic(local)
                      for c in stability_of_factor(factor.coefficients, time, bounds)]
        where = And(*(c > 0 for c in conditions))
    except DerivationError:
        pass  # no closed form: stability at current values still stands
    ordered = sorted((complex(z) for z in np.linalg.eigvals(values)), key=lambda z: (-z.real, -z.imag))
    return BorderSide(on, exists, stability, kind, tuple(ordered), determinant, where)


def _factored(expression: Expr) -> Expr:
    from dynamics.symbolic.factors import layout
    from dynamics.symbolic.kernels import rational_form

    form = rational_form([expression])
    return form.put_back(layout(form.elements[0]))


def _array(matrix: Matrix, at: Mapping[Symbol, Any]) -> np.ndarray:
    import numpy as np

    return np.array([[_number(matrix[i, j], at) for j in range(matrix.cols)] for i in range(matrix.rows)])


def _number(expression: Expr, at: Mapping[Symbol, Any]) -> float:
    number = expression.xreplace(dict(at)).evalf(30)
    if not number.is_real:
        raise DerivationError(f"{expressions.text(expression)} has no real value at the border collision ({number})")
    return float(number)
