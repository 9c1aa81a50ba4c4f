"""Stability in closed form: conditions, the region they bound, and bifurcations solved for a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympy import And, Eq, Expr, S, Symbol
from sympy.logic.boolalg import Boolean

from dynamics.analysis.branch_points import zero_eigenvalue_kind
from dynamics.analysis.closed_forms import candidates
from dynamics.analysis.level_sets import neutral_by_structure
from dynamics.analysis.linearization import Place, jacobian_at, place_of, scalar_system
from dynamics.analysis.treatability import drift_note
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.results import BifurcationCondition, Records, StabilityCondition
from dynamics.symbolic.conditions import inequality, solve_for
from dynamics.symbolic.spectra import stability_of_matrix
from dynamics.symbolic.stability import Condition, reduce_condition
from dynamics.systems import System

__all__ = ["bifurcation_conditions", "region", "stability_conditions"]


def stability_conditions(system: System, at: Any) -> Records[StabilityCondition]:
    """stability_conditions(system, at): the point is stable where every expression is positive.

    Parameters
    ----------
    system : System
        Flow (Routh-Hurwitz, Lienard-Chipart) or map (Jury).
    at : FixedPoint or mapping of str to number, text or expression

    Returns
    -------
    sequence of StabilityCondition
        Factored, minimal: factors that the bounds of the parameters make positive are left out. Each names the bifurcation
        on its zero set (a zero eigenvalue is a fold, transcritical or pitchfork by how fixed points meet there). Empty
        when the point is stable throughout; a constant -1 when it is unstable throughout.

    Raises
    ------
    DerivationError
        For a Process, or more than 24 scalar states.

    Notes
    -----
    Eigenvalues that are zero (one, for maps) for all parameters, because of a conserved quantity or a line of fixed points,
    are divided out. Conditions are taken for each factor of the characteristic polynomial, so they stay small; a Hurwitz
    determinant of more than 300 terms is written in the coefficients of the factor instead of multiplied out.

    References
    ----------
    F. R. Gantmacher, The Theory of Matrices, vol. 2, chapter XV. E. I. Jury, Theory and Application of the z-Transform
    Method (1964).

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> [c.bifurcation for c in dy.stability_conditions(system, dy.fixed_points(system)[0])]
    ['hopf']
    """
    system = _autonomous(system, "stability_conditions")
    place, bounds = place_of(system, at), _bounds(system)
    conditions = _conditions(system, place, bounds)
    kinds = {c.expression: _kind(system, place, c, bounds) for c in conditions}
    valid = _valid_where(place, bounds)
    spelled = system.symbol_spellings()
    here = _numbers(system, place)
    return Records([StabilityCondition(
        expression=c.expression, bifurcation=kinds[c.expression], boundary=_boundary(c.expression), valid_where=valid,
        value=_value(c.expression, here), symbols=spelled) for c in conditions], _noted(system, "stability_conditions"))


def region(system: System, at: Any, parameter: str | None = None) -> Boolean:
    """region(system, at): the stable set as one inequality (or a conjunction).

    Parameters
    ----------
    system : System
    at : FixedPoint or mapping
    parameter : str, optional
        Isolate this parameter where the condition is linear in it; by default the one that gives the shortest text.

    Returns
    -------
    SymPy Boolean
        Includes the conditions under which the point lies in its own regime.

    Raises
    ------
    SpecificationError
        If there is no such parameter.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> stable = dy.region(system, dy.fixed_points(system)[0], parameter="target_leverage")
    >>> stable.xreplace(system.exact_parameters)
    True
    """
    system = _autonomous(system, "region")
    place, bounds = place_of(system, at), _bounds(system)
    symbol = _parameter(system, parameter)
    parts = [inequality(c.expression, bounds, symbol) for c in _conditions(system, place, bounds)]
    return And(*parts, _valid_where(place, bounds))


def bifurcation_conditions(system: System, at: Any, parameter: str | None = None) -> Records[BifurcationCondition]:
    """bifurcation_conditions(system, at, parameter=name): where stability is lost, solved for a parameter.

    Parameters
    ----------
    system : System
    at : FixedPoint or mapping of str to number, text or expression
    parameter : str, optional
        Solve for this one; otherwise the conditions stay implicit and ``solutions`` is empty.

    Returns
    -------
    sequence of BifurcationCondition
        With the conditions under which the solution is a bifurcation of the full model: the other conditions hold there and
        the point lies in its own regime.

    Raises
    ------
    SpecificationError
        If there is no such parameter.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> hopf, = dy.bifurcation_conditions(system, dy.fixed_points(system)[0], parameter="target_leverage")
    >>> hopf.kind, [round(value, 12) for value in hopf.values]
    ('hopf', [11.0])
    """
    system = _autonomous(system, "bifurcation_conditions")
    place, bounds = place_of(system, at), _bounds(system)
    symbol = _parameter(system, parameter)
    conditions = [c for c in _conditions(system, place, bounds) if c.kind and not c.expression.is_number]
    own = [reduce_condition(known, bounds) for known in place.known]
    here = _numbers(system, place)
    found = []
    for condition in conditions:
        others = [c.expression for c in conditions if c is not condition] + [k for k in own if not k.is_number]
        solutions: tuple[tuple[Expr, Any], ...] = ()
        if symbol is not None:
            if not condition.expression.has(symbol):
                continue
            try:
                solutions = solve_for(condition.expression, symbol, bounds, others)
            except (DerivationError, ArithmeticError):
                solutions = ()
        valid = solutions[0][1] if solutions else And(*(o > 0 for o in others))
        found.append(BifurcationCondition(
            kind=_kind(system, place, condition, bounds), parameter=parameter,
            solutions=tuple(s for s, _ in solutions), valid_where=valid,
            values=tuple(v for v in (_value(s, here) for s, _ in solutions) if v is not None),
            expression=condition.expression, symbols=system.symbol_spellings()))
    return Records(found, _noted(system, "bifurcation_conditions"))


def _autonomous(system: Any, purpose: str) -> System:
    scalar = scalar_system(system, purpose)
    if not scalar.autonomous:
        raise DerivationError(f"{purpose}: '{scalar.name}' depends on time: it has no fixed points whose stability could be "
                              "derived; make time a state, or integrate it")
    return scalar


def _noted(system: System, analysis: str) -> dict[str, Any] | None:
    note = drift_note(system, analysis)
    return {"note": note} if note else None


def _conditions(system: System, place: Place, bounds: Mapping[Symbol, Any]) -> tuple[Condition, ...]:
    matrix = jacobian_at(system, place)
    if place.numeric:
        # a state known in numbers belongs to the current parameters: conditions in symbols would mix the two
        matrix = matrix.xreplace(system.exact_parameters)
    if matrix.has(S.NaN, S.ComplexInfinity):
        raise DerivationError(f"'{system.name}' has no finite Jacobian at this state, so that nothing is linear around it; "
                              "integrate (or iterate) from states near it instead")
    known = [k for k in place.known if not k.is_number]
    return stability_of_matrix(matrix, system.time, neutral_by_structure(system, place), bounds, known)


def _kind(system: System, place: Place, condition: Condition, bounds: Mapping[Symbol, Any]) -> str:
    """The bifurcation on the zero set; a zero eigenvalue of a point that goes on is no fold."""
    if condition.expression.is_number:
        return "none"
    if condition.kind != "fold":
        return condition.kind or "none"
    try:
        others = [c.state for c in candidates(system) if c.regime == place.regime.name]
    except DerivationError:
        return "fold"
    parameters = [Symbol(name) for name in system.parameters]
    return zero_eigenvalue_kind(condition.expression, place.state, others, parameters, bounds)


def _bounds(system: System) -> dict[Symbol, Any]:
    return {**{Symbol(name): part.bounds for name, part in system.parameters.items()},
            **{Symbol(name): part.bounds for name, part in system.states.items()}}


def _valid_where(place: Place, bounds: Mapping[Symbol, Any]) -> Boolean:
    return And(*(reduce_condition(known, bounds) >= 0 for known in place.known))


def _boundary(expression: Expr) -> Any:
    # of plain symbols an equation is true or false only as a number; asking takes a minute where there are many terms
    return Eq(expression, 0, evaluate=bool(expression.is_number))


def _numbers(system: System, place: Place) -> dict[Symbol, Any]:
    return {**system.exact_parameters, **{Symbol(name): S(1) * value for name, value in place.member.items()}}


def _value(expression: Expr, numbers: Mapping[Symbol, Any]) -> float | None:
    number = expression.xreplace(dict(numbers)).evalf(30)
    return float(number) if number.is_number and number.is_real else None


def _parameter(system: System, name: str | None) -> Symbol | None:
    if name is None:
        return None
    if not isinstance(name, str) or name not in system.parameters:
        raise SpecificationError(f"'{name}' is not a parameter of '{system.name}'.{did_you_mean(name, system.parameters)}")
    return Symbol(name)
