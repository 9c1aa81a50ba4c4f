"""Sliding along borders where a flow's field jumps: regions, sliding fields, pseudo-equilibria, tangencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import And, Expr, S, Symbol

from dynamics.analysis import arguments
from dynamics.analysis.linearization import fields_of, scalar_system
from dynamics.analysis.treatability import drift_note
from dynamics.errors import DerivationError
from dynamics.results import Records, provenance
from dynamics.results.nonsmooth_records import PseudoEquilibrium, Sliding, Tangency
from dynamics.symbolic.borders import Border, borders, is_continuous, solved_border
from dynamics.symbolic.elimination import solve_numeric
from dynamics.symbolic.exact_solutions import solutions_in_time
from dynamics.symbolic.filippov import lie_derivative, sliding_field, sliding_region, tangencies
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.stability import reduce_condition
from dynamics.systems import System

__all__ = ["sliding"]

NEUTRAL = 1e-10
_WEIGHT = Symbol("share of the on side")  # no legal name of a quantity has blanks


def sliding(system: System, parameters: Mapping[str, Any] | None = None) -> Records[Sliding]:
    """sliding(system): sliding regions and pseudo-equilibria where the field jumps, by Filippov's convex method.

    Parameters
    ----------
    system : System
        Autonomous flow. Its discontinuities are those of sign and of conditions.
    parameters : mapping of str to number, optional
        Replaces current values.

    Returns
    -------
    sequence of Sliding
        One for each border across which the field jumps; empty where the field is continuous.

    Raises
    ------
    DerivationError
        For maps, Processes, non-autonomous systems, more than 24 scalar states or more than 10 switches.

    Notes
    -----
    With L the derivative of the switch along the field of either side, sliding is attracting where L_on < 0 < L_off and
    repelling where L_off < 0 < L_on; the sliding field is (L_off f_on - L_on f_off)/(L_off - L_on). Intersections of several
    borders are not treated.

    References
    ----------
    A. F. Filippov, Differential Equations with Discontinuous Righthand Sides (Kluwer 1988), doi:10.1007/978-94-015-7793-9.
    M. di Bernardo, C. J. Budd, A. R. Champneys, P. Kowalczyk, Piecewise-smooth Dynamical Systems (Springer 2008),
    doi:10.1007/978-1-84628-708-4.

    Examples
    --------
    >>> import dynamics as dy
    >>> relay = dy.System(name="relay", states={"x": 1}, parameters={"a": dy.Parameter(0.5, bounds=(0, None))},
    ...                   equations={"x": "a - sign(x)"})
    >>> region, = dy.sliding(relay)
    >>> region.attracting, region.repelling, region.pseudo_equilibria[0].weight
    (a < 1, False, a/2 + 1/2)
    """
    system = scalar_system(system, "sliding")
    if system.time == "discrete":
        raise DerivationError(f"sliding: '{system.name}' is a map, and maps do not slide; border_collisions"
                              " treats its borders")
    if not system.autonomous:
        raise DerivationError(f"sliding: '{system.name}' depends on time; sliding is derived for autonomous"
                              " flows. Integrate it")
    system = arguments.replaced(system, parameters)
    states = [Symbol(name) for name in system.states]
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    found = [_sliding(_Setting(system, border, states, bounds)) for border in borders(fields_of(system), bounds)
             if is_continuous(border, states, bounds) is not True]
    return Records([item for item in found if item is not None], provenance("sliding", system, exactness="exact",
                                                                      note=drift_note(system, "sliding")))


@dataclass(frozen=True)
class _Setting:
    system: System
    border: Border
    states: Sequence[Symbol]
    bounds: dict[Symbol, Any]

    def place(self) -> dict[Symbol, Expr]:
        return solved_border(self.border.switch.expression, self.states, self.bounds) or {}

    def rate(self, on: bool) -> Expr:
        """Derivative of the switch along the field of one side."""
        field = (self.border.on if on else self.border.off).expressions
        return lie_derivative(self.border.switch.expression, field, self.states)


def _sliding(setting: _Setting) -> Sliding | None:
    switch, place = setting.border.switch, setting.place()
    upper, lower = (reduce_condition(setting.rate(on).xreplace(place), setting.bounds) for on in (True, False))
    try:
        field = sliding_field(setting.border.on.expressions, setting.border.off.expressions, switch.expression,
                              setting.states)
    except DerivationError:
        return None  # the jump is along the border: both fields cross it at one rate
    within = [reduce_condition(condition.xreplace(place), setting.bounds) for condition in setting.border.conditions]
    others = [condition for condition in within if condition != 1]
    attracting, repelling = (
        And(sliding_region(rates, setting.states, setting.bounds), *(condition >= 0 for condition in others))
        for rates in ((-upper, lower), (upper, -lower)))
    remarks = [] if place else ["the border has no closed form: regions hold together with its equation"]
    equilibria, remark = _pseudo_equilibria(setting, field)
    edges, complete = _tangencies(setting, place)
    remarks += [remark] * bool(remark) + ["some tangencies have no closed form"] * (not complete)
    return Sliding(
        switch=switch.text, border={s.name: e for s, e in place.items()}, attracting=attracting, repelling=repelling,
        sliding_field={s.name: e.xreplace(place) for s, e in zip(setting.states, field, strict=True)},
        pseudo_equilibria=equilibria, tangencies=edges, regime=setting.border.others, remark="; ".join(remarks))


def _pseudo_equilibria(setting: _Setting, field: Sequence[Expr]) -> tuple[tuple[PseudoEquilibrium, ...], str]:
    border, unknowns = setting.border, [*setting.states, _WEIGHT]
    equations = [_WEIGHT * a + (1 - _WEIGHT) * b for a, b in zip(border.on.expressions, border.off.expressions, strict=True)]
    equations.append(border.switch.expression)
    remark = ""
    try:
        solutions = solutions_in_time(equations, unknowns, setting.bounds)
        roots = [(dict(solution.values), solution.free) for solution in solutions]
    except DerivationError:
        numbers = setting.system.exact_parameters
        try:
            roots = [(dict(root), ()) for root in solve_numeric([e.xreplace(numbers) for e in equations], unknowns)]
            remark = "pseudo-equilibria at current parameters only: they have no closed form"
        except DerivationError:
            return (), "pseudo-equilibria: not determined, they have no closed form"
    found = [_pseudo_equilibrium(setting, field, root, free) for root, free in roots]
    return tuple(sorted((item for item in found if item is not None), key=lambda item: not item.admissible)), remark


def _pseudo_equilibrium(setting: _Setting, field: Sequence[Expr], root: dict[Symbol, Expr],
                        free: Sequence[Symbol]) -> PseudoEquilibrium | None:
    start = setting.system.initial_state()
    numbers: dict[Symbol, Any] = {**setting.system.exact_parameters,
                                  **{s: S.One * start.get(s.name, 0) for s in free if s != _WEIGHT}}
    weight = root[_WEIGHT]
    here = {s: root[s].xreplace(numbers).evalf(30) for s in (*setting.states, _WEIGHT)}
    if not all(value.is_real and value.is_finite for value in here.values()):
        return None  # complex at the current parameters
    at = {**numbers, **here}
    margins = [weight, 1 - weight, *setting.border.conditions]
    reduced = [reduce_condition(margin.xreplace(root), setting.bounds) for margin in margins]
    strict = [margin.xreplace(root).xreplace(at).evalf(30) > 0 for margin in margins[:2]]
    admissible = all(strict) and all(margin.xreplace(at).evalf(30) >= 0 for margin in margins[2:])
    eigenvalues, stability = _within_border(setting, field, at)
    return PseudoEquilibrium(
        state={s.name: root[s] for s in setting.states}, values={s.name: float(here[s]) for s in setting.states},
        weight=weight, eigenvalues=eigenvalues, stability=stability, admissible=bool(admissible),
        valid_where=And(*(margin > 0 for margin in reduced[:2]), *(margin >= 0 for margin in reduced[2:])))


def _within_border(setting: _Setting, field: Sequence[Expr], at: Mapping[Symbol, Any]) -> tuple[tuple[complex, ...], str]:
    """Eigenvalues of the sliding field along the border, and stability with the direction across it."""
    import numpy as np

    upper, lower = (float(setting.rate(on).xreplace(dict(at)).evalf(30)) for on in (True, False))
    if upper >= 0 or lower <= 0:
        # across the border orbits leave (repelling), or sliding is at its edge
        across = "unstable" if upper > 0 > lower else "not determined"
    else:
        across = "stable"
    if len(setting.states) == 1:
        return (), across
    matrix = jacobian_matrix(field, setting.states).xreplace(dict(at)).evalf(30)
    entries = [[complex(matrix[i, j]) for j in range(matrix.cols)] for i in range(matrix.rows)]
    gradient = [setting.border.switch.expression.diff(s).xreplace(dict(at)).evalf(30) for s in setting.states]
    normal = np.array([[float(part) for part in gradient]])
    # the normal is a left null vector there, so that the matrix maps into the tangent space of the border
    tangent = np.linalg.svd(normal)[2][1:].T
    found = np.linalg.eigvals(tangent.T @ np.array(entries) @ tangent)
    eigenvalues = tuple(sorted((complex(z) for z in found), key=lambda z: (-z.real, -z.imag)))
    scale = 1.0 + max(abs(z) for z in eigenvalues)
    if across == "unstable" or any(z.real > NEUTRAL * scale for z in eigenvalues):
        return eigenvalues, "unstable"
    settled = across == "stable" and all(z.real < -NEUTRAL * scale for z in eigenvalues)
    return eigenvalues, "stable" if settled else "not determined"


def _tangencies(setting: _Setting, place: dict[Symbol, Expr]) -> tuple[tuple[Tangency, ...], bool]:
    found, complete = [], bool(place)
    for on in (True, False) if place else ():
        rate = setting.rate(on)
        field = (setting.border.on if on else setting.border.off).expressions
        second = lie_derivative(rate, field, setting.states)
        try:
            solutions = tangencies(rate.xreplace(place), setting.states, setting.bounds)
        except DerivationError:
            complete = False
            continue
        for solution in solutions:
            point = {s: place.get(s, solution.get(s, s)).xreplace(solution) for s in setting.states}
            curvature = reduce_condition(second.xreplace(point), setting.bounds)
            sign = sign_of(curvature.xreplace(setting.system.exact_parameters), setting.bounds)
            kind = "not determined" if not sign else "visible" if (sign > 0) == on else "invisible"
            found.append(Tangency(on, {s.name: e for s, e in point.items()}, second.xreplace(point), kind))
    return tuple(found), complete
