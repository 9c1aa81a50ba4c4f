"""Normal forms at bifurcations of fixed points: what kind it is, its coefficients, and on which side new states are born."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sympy import Expr, Mul, Pow, S, Symbol

from dynamics.analysis import arguments
from dynamics.analysis.critical_sets import closed_form
from dynamics.analysis.level_sets import invariants_at, line_values, neutral_rows, transverse
from dynamics.analysis.linearization import Place, place_of, scalar_system
from dynamics.errors import DerivationError
from dynamics.results import Coefficient, NormalForm
from dynamics.symbolic.center_manifold import (
    DIGITS,
    LocalMap,
    bogdanov_takens_coefficients,
    line_coefficients,
    pair_coefficients,
    parameter_coefficients,
    scalar_coefficients,
)
from dynamics.symbolic.critical_eigenvalues import Critical, balanced_size, critical_eigenvalues
from dynamics.symbolic.jets import magnitude
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.stability import reduce_condition
from dynamics.systems import System

__all__ = ["first_lyapunov_coefficient", "normal_form"]

AT_REST = 1e-9  # relative size of the right-hand sides at a fixed point
VANISHES = 1e-10
NOTHING = 1e-20  # of numbers with 30 digits
BORDER = 1e-12
SUSPECT = 1e-6
EXACT = 1e-35  # what evaluation to 50 digits leaves of an exact fixed point

_EQUATIONS = {
    "fold": "dw/dt = a w**2", "cusp": "dw/dt = c w**3", "branch_point": "dw/dt = a w**2",
    "hopf": "dz/dt = i omega z + omega (l1 + i d1) z |z|**2",
    "generalized_hopf": "dz/dt = i omega z + omega (l1 + i d1) z |z|**2 + omega (l2 + i d2) z |z|**4",
    "bogdanov_takens": "dw0/dt = w1, dw1/dt = a w0**2 + b w0 w1",
    "transcritical": "dw/dt = r alpha w + a w**2", "pitchfork": "dw/dt = r alpha w + c w**3",
    "period_doubling": "w -> -w + b w**3", "neimark_sacker": "z -> mu z (1 + (d + i e) |z|**2)",
}
_MAPS = {"fold": "w -> w + a w**2", "cusp": "w -> w + c w**3", "branch_point": "w -> w + a w**2",
         "transcritical": "w -> w + r alpha w + a w**2", "pitchfork": "w -> w + r alpha w + c w**3"}


_ON_A_LINE = {"hopf": "dz/dt = (i omega + r y) z, dy/dt = s |z|**2",
              "neimark_sacker": "z -> mu (1 + r y) z, y -> y + s |z|**2"}


@dataclass(frozen=True)
class _Setting:
    system: System
    place: Place
    numbers: Mapping[Symbol, Any]
    invariants: tuple[Expr, ...]
    local: LocalMap
    matrix: Any
    critical: Critical
    eliminate: str | None

    @property
    def on_a_line(self) -> bool:
        """Whether the fixed points form a line that no conserved quantity crosses."""
        return len(self.invariants) < len(self.place.free)


def first_lyapunov_coefficient(system: System, at: Any, parameters: Mapping[str, Any] | None = None,
                               eliminate: str | None = None) -> Coefficient:
    """first_lyapunov_coefficient(system, at): is the cycle born at a Hopf point stable (negative) or unstable (positive)?

    Parameters
    ----------
    system : System
        Flow, at a Hopf point.
    at : FixedPoint or mapping of str to number, text or expression
    parameters : mapping of str to number, optional
        Replaces current values, usually by the critical ones.
    eliminate : str, optional
        Parameter that the formula is freed of by the Hopf condition; by default one in which the condition is linear,
        ``price_impact`` before all others.

    Returns
    -------
    Coefficient
        l1 = Re(c1)/omega with <q, q> = <p, q> = 1. Its sign does not depend on that norm, its size does. ``expression``
        holds on the whole Hopf set, ``valid_where`` tells where on it the criticality is the stated one.

    Raises
    ------
    DerivationError
        Where the point is no Hopf point: for a map, for a point more than 1e-9 (relative) off the Hopf set, or where other
        eigenvalues are critical too. On a line of fixed points that no conserved quantity crosses.
    SpecificationError
        If there is no parameter ``eliminate``.

    Notes
    -----
    On a line of fixed points the coefficient is that of the motion on the level set of a conserved quantity, declared as an
    invariant or found, with the eigenvectors of the whole system. A state that is free along the line has its initial value.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, 3rd ed. (2004), section 5.4.1, doi:10.1007/978-1-4757-3978-7.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging").with_parameters(target_leverage=11)
    >>> l1 = dy.first_lyapunov_coefficient(system, dy.fixed_points(system)[0])
    >>> l1.criticality, l1.valid_where, round(float(l1), 10)
    ('subcritical', True, 38.4487742317)
    """
    setting = _setting(system, at, parameters, eliminate, "first_lyapunov_coefficient")
    if setting.system.time == "discrete":
        raise DerivationError(f"'{system.name}' is a map; normal_form gives the Neimark-Sacker coefficient d instead")
    if setting.critical.kind == "hopf" and setting.on_a_line:
        raise DerivationError(
            f"the fixed points form a line ({', '.join(setting.place.free)} free) and no conserved quantity was found that "
            "tells where on it a motion belongs: oscillations drift along the line, and normal_form gives the drift. A "
            "conserved quantity can be declared as an invariant")
    if setting.critical.kind != "hopf":
        raise DerivationError(f"the point is no Hopf point but {setting.critical.kind}; normal_form tells its coefficients")
    return _pair_form(setting).coefficients["l1"]


def normal_form(system: System, at: Any, parameters: Mapping[str, Any] | None = None, parameter: str | None = None
                ) -> NormalForm:
    """normal_form(system, at): the kind of bifurcation at a fixed point, and the coefficients of its normal form.

    Parameters
    ----------
    system : System
        Flow or map, at a bifurcation.
    at : FixedPoint or mapping of str to number, text or expression
    parameters : mapping of str to number, optional
        Replaces current values.
    parameter : str, optional
        The one that is varied, for telling folds from transcritical and pitchfork bifurcations and for their unfolding
        coefficients; by default all are looked at.

    Returns
    -------
    NormalForm
        Flows: fold (a), cusp (c), transcritical (a, r), pitchfork (c, r), hopf (l1), generalized_hopf (l1, l2),
        bogdanov_takens (a, b). Maps: fold, cusp, transcritical, pitchfork, period_doubling (b), neimark_sacker (d).
        zero_hopf, hopf_hopf, fold_flip and strong resonances are named, without coefficients. On a line of fixed points
        kind and coefficients are those on the level set of a conserved quantity; where there is none, hopf and
        neimark_sacker have r, the change of the growth rate along the line, and s, the drift along it of an oscillation.
        r s < 0 (elliptic): oscillations carry the state back to where the point is stable; r s > 0 (hyperbolic): away.

    Raises
    ------
    DerivationError
        If the point is no fixed point, or no eigenvalue is critical there to 1e-9.
    SpecificationError
        If there is no such parameter.

    References
    ----------
    Yu. A. Kuznetsov, Elements of Applied Bifurcation Theory, 3rd ed. (2004), chapters 5 and 8,
    doi:10.1007/978-1-4757-3978-7.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="logistic", time="discrete", states={"x": 0.5}, parameters={"r": 3},
    ...                    equations={"x": "r*x*(1 - x)"})
    >>> dy.normal_form(system, {"x": "1 - 1/r"})["b"].expression
    9
    """
    setting = _setting(system, at, parameters, None, "normal_form")
    if parameter is not None:
        arguments.known_name(parameter, setting.system.parameters, "parameter", system.name)
    from mpmath import workdps

    kind = setting.critical.kind
    if kind in ("hopf", "neimark_sacker"):
        return _line_form(setting) if setting.on_a_line else _pair_form(setting)
    if (setting.place.free or setting.invariants) and (setting.on_a_line or kind != "period_doubling"):
        # the critical eigenvalue joins the one that is neutral by structure
        return _form(setting, kind, {})
    if kind == "fold":
        return _fold_form(setting, parameter)
    if kind == "period_doubling":
        with workdps(DIGITS):
            _, b = scalar_coefficients(setting.local, setting.matrix, -1)
        return _form(setting, kind, {"b": _coefficient(setting, "b", kind, 3, b, 1)})
    if kind == "bogdanov_takens":
        with workdps(DIGITS):
            a, b = bogdanov_takens_coefficients(setting.local, setting.matrix)
        return _form(setting, kind, {"a": _number("a", a), "b": _number("b", b)})
    return _form(setting, kind, {})


def _setting(system: Any, at: Any, parameters: Mapping[str, Any] | None, eliminate: str | None, purpose: str) -> _Setting:
    from mpmath import workdps

    system = scalar_system(system, purpose)
    if not system.autonomous:
        raise DerivationError(f"{purpose}: '{system.name}' depends on time and has no fixed points")
    system = arguments.replaced(system, parameters)
    if eliminate is not None:
        arguments.known_name(eliminate, system.parameters, "parameter", system.name, "eliminate")
    place = place_of(system, at)
    for condition in place.known:
        if abs(condition.xreplace(system.exact_parameters).evalf(20)) <= BORDER:
            raise DerivationError("the point lies on a border between regimes, where the equations have a kink; smooth "
                                  "normal forms do not hold there. Give parameters on one side of it")
    numbers = {**system.exact_parameters, **line_values(system, place)}
    invariants = invariants_at(system, place)
    with workdps(DIGITS):
        local = _local(system, place, numbers, invariants)
        matrix = local.jacobian()
        across = transverse(matrix, neutral_rows(local, matrix, system.time, len(place.free)))
        critical = critical_eigenvalues(across, system.time, _scale(local))
    return _Setting(system, place, numbers, invariants, local, matrix, critical, eliminate)


def _scale(local: LocalMap) -> Any:
    """Size of the terms of the Jacobian; at a fold in one dimension all of it cancels."""
    from mpmath import mpf
    from sympy import Float

    values = {symbol: Float(value, 20) for symbol, value in zip(local.states, local.point, strict=True)}
    matrix = jacobian_matrix(local.fields, local.states)
    return mpf(balanced_size([[magnitude(item, values) for item in matrix.row(i)] for i in range(matrix.rows)]))


def _local(system: System, place: Place, numbers: Mapping[Symbol, Any], invariants: tuple[Expr, ...]) -> LocalMap:
    from mpmath import mpf

    constants = system.exact_parameters
    states = tuple(Symbol(name) for name in system.states)
    values = {}
    for symbol in states:
        value = place.state[symbol].xreplace(dict(numbers)).evalf(DIGITS + 5)
        if not value.is_real or not value.is_finite:
            raise DerivationError(f"at: '{symbol}' has no finite real value at the current parameters ({value})")
        values[symbol] = value
    fields = tuple(item.xreplace(constants) for item in place.fields)
    for symbol, item in zip(states, fields, strict=True):
        rest = item - symbol if system.time == "discrete" else item
        missed = abs(complex(rest.xreplace(values).evalf(20)))
        if not missed <= AT_REST * (magnitude(rest, values) or 1):
            raise DerivationError(f"the place is no fixed point at these parameters: the equation of '{symbol}' is missed "
                                  f"by {missed:.3g}; take one of fixed_points(system)")
    return LocalMap(fields, states, tuple(mpf(values[symbol]._to_mpmath(200)) for symbol in states),
                    tuple(item.xreplace(constants) for item in invariants))


def _pair_form(setting: _Setting) -> NormalForm:
    import mpmath

    flow = setting.system.time == "continuous"
    with mpmath.workdps(DIGITS):
        value = setting.critical.eigenvalue
        found = pair_coefficients(setting.local, setting.matrix, value, setting.system.time, 3)
        unit = value.imag if flow else value
        first = (found[0] / unit).real
        size = abs(found[0] / unit)
        degenerate = abs(first) <= VANISHES * size
        if flow and abs(first) <= SUSPECT * size:  # worth a fifth-order computation
            second = (pair_coefficients(setting.local, setting.matrix, value, "continuous", 5)[1] / unit).real
            if degenerate or abs(first) <= VANISHES * abs(second) * _extent(setting) ** 2:
                numbers = {"l1": _number("l1", first, "degenerate"), "l2": _number("l2", second)}
                return _form(setting, "generalized_hopf", numbers)
    name, kind = ("l1", "hopf") if flow else ("d", "neimark_sacker")
    return _form(setting, kind, {name: _coefficient(setting, name, kind, 3, first, -1)})


def _line_form(setting: _Setting) -> NormalForm:
    from mpmath import workdps

    with workdps(DIGITS):
        r, s = line_coefficients(setting.local, setting.matrix, setting.critical.eigenvalue, setting.system.time)
    kind = setting.critical.kind
    side = "degenerate" if abs(r * s) <= NOTHING else ("elliptic" if r * s < 0 else "hyperbolic")
    return replace(_form(setting, kind, {"r": _number("r", r), "s": _number("s", s)}), equation=_ON_A_LINE[kind],
                   criticality=side)


def _extent(setting: _Setting) -> Any:
    from mpmath import mpf, norm

    return norm(list(setting.local.point)) or mpf(1)


def _fold_form(setting: _Setting, parameter: str | None) -> NormalForm:
    from mpmath import workdps

    eigenvalue = 1 if setting.system.time == "discrete" else 0
    with workdps(DIGITS):
        a, c = scalar_coefficients(setting.local, setting.matrix, eigenvalue)
        quadratic = abs(a) > VANISHES * abs(c) * _extent(setting)
        unfolding = {}
        for name in [parameter] if parameter else list(setting.system.parameters):
            extended = _extended(setting, name)
            unfolding[name] = parameter_coefficients(setting.local, setting.matrix, eigenvalue, extended)
        largest = max((abs(r) for _, r in unfolding.values()), default=0)
        moved = any(abs(s) > VANISHES * max(largest * _extent(setting), abs(a)) for s, _ in unfolding.values())
    numbers: dict[str, Coefficient] = {}
    if quadratic:
        numbers["a"] = _coefficient(setting, "a", "fold", 2, a, 0)
        kind = "fold" if moved or not unfolding else "transcritical"
    else:
        kind = "cusp" if moved or not unfolding else "pitchfork"
        numbers["c"] = _coefficient(setting, "c", "fold", 3, c, -1)
    if parameter is not None:
        s, r = unfolding[parameter]
        numbers["s" if moved else "r"] = _number("s" if moved else "r", s if moved else r)
        if not moved and abs(r) <= VANISHES:
            kind = "branch_point"
    return _form(setting, kind, numbers)


def _extended(setting: _Setting, name: str) -> LocalMap:
    from mpmath import mpf

    system, symbol = setting.system, Symbol(name)
    others = {key: value for key, value in system.exact_parameters.items() if key != symbol}
    value = system.exact_parameters[symbol]
    number = mpf(int(value.p)) / int(value.q)
    return LocalMap(tuple(item.xreplace(others) for item in setting.place.fields), (*setting.local.states, symbol),
                    (*setting.local.point, number))


def _coefficient(setting: _Setting, name: str, kind: str, power: int, value: Any, stable_sign: int) -> Coefficient:
    """A coefficient with its closed form, and what its sign says where it has a meaning (``stable_sign`` nonzero)."""
    system = setting.system
    closed = closed_form(system, setting.place, kind, power, value, setting.eliminate, setting.numbers, setting.invariants
                         ) if _is_exact(setting.local, system.time) else None
    sides = {1: "supercritical", -1: "subcritical", 0: "degenerate"}
    sign = 0 if abs(value) <= NOTHING or (closed is not None and closed[0] == 0) else (1 if value > 0 else -1)
    criticality = sides[sign * stable_sign] if stable_sign else ""
    number = _number(name, value, criticality)
    if closed is None:
        return number
    expression, eliminated = closed
    valid: Any = S.true
    bounds = {Symbol(key): part.bounds for key, part in system.parameters.items()}
    if criticality and expression.free_symbols and sign:
        solved = {Symbol(key): item for key, item in eliminated.items()}
        known = _known(setting, solved, bounds, expression)
        if sign_of(expression, bounds, known) != sign:
            rational = Mul(*(item for item in Mul.make_args(expression) if not _is_root(item)))
            reduced: Expr = reduce_condition(sign * rational, bounds, known)
            valid = S.true if reduced == 1 else reduced > 0
    return Coefficient(expression, number.value, criticality, valid, "exact", name, number.decimal, eliminated,
                       system.symbol_spellings())


def _is_exact(local: LocalMap, time: str) -> bool:
    """Whether a place given in numbers is the fixed point itself; of one rounded to some digits there is no formula."""
    from mpmath import mpf, norm, workdps

    with workdps(DIGITS):
        still = local.coefficient(local.series({(1,): [mpf(0)] * len(local.point)}, 0), (0,))
        missed = [value - (x if time == "discrete" else 0) for value, x in zip(still, local.point, strict=True)]
        return bool(norm(missed) <= EXACT * (1 + norm(list(local.point))))


def _known(setting: _Setting, solved: Mapping[Symbol, Expr], bounds: Mapping[Symbol, Any], formula: Expr) -> list[Expr]:
    """What is positive on the bifurcation set: conditions of the regime, distances to bounds, the squared frequency."""
    known = [item.xreplace(dict(solved)) for item in setting.place.known]
    for symbol, value in solved.items():
        low, high = bounds.get(symbol, (None, None))
        known += [value - low] if low is not None else []
        known += [high - value] if high is not None else []
    known += [item.base for item in formula.atoms(Pow) if item.exp.is_Rational and item.exp.q == 2]
    reduced = [reduce_condition(item, bounds) for item in known]
    return [item for item in dict.fromkeys(reduced) if not item.is_number]


def _is_root(factor: Expr) -> bool:
    """Square roots are positive wherever they are real."""
    return bool(factor.is_Pow and factor.exp.is_Rational and factor.exp.q == 2)


def _number(name: str, value: Any, criticality: str = "") -> Coefficient:
    from mpmath import nstr

    return Coefficient(None, float(value), criticality, S.true, "numeric", name, nstr(value, 30))


def _form(setting: _Setting, kind: str, numbers: Mapping[str, Coefficient]) -> NormalForm:
    equation = (_MAPS if setting.system.time == "discrete" else {}).get(kind) or _EQUATIONS.get(kind, "")
    criticality = next((item.criticality for item in numbers.values() if item.criticality), "")
    return NormalForm(kind, equation, dict(numbers), criticality, setting.critical.distance)
