"""Linearization: the exact Jacobian, its characteristic polynomial, and what a place ``at`` means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympy import And, Expr, Ge, Matrix, S, Symbol

from dynamics import expressions
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.results import FixedPoint
from dynamics.symbolic.kernels import known_kernels
from dynamics.symbolic.polynomial import characteristic_polynomial as _characteristic_polynomial
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.radicals import denested
from dynamics.symbolic.regimes import Regime, on_borders, regime_at, regimes
from dynamics.symbolic.stability import reduce_condition
from dynamics.systems import Process, System
from dynamics.systems.numbers import exact

__all__ = ["characteristic_polynomial", "jacobian"]

EIGENVALUE = Symbol("z")


@dataclass(frozen=True)
class Place:
    """A state, in the parameters or in numbers, with the smooth equations that hold there."""

    state: dict[Symbol, Expr]
    fields: tuple[Expr, ...]
    regime: Regime
    free: tuple[str, ...] = ()
    known: tuple[Expr, ...] = ()
    numeric: bool = False
    member: Mapping[str, float] = field(default_factory=dict)  # free state to its value where numbers are asked for


def needs_equations(system: Any, purpose: str) -> None:
    """Refuse what is no System.

    Raises
    ------
    DerivationError
        For a Process; the message names what works with it.
    """
    if isinstance(system, System):
        return
    kind = f"{purpose} needs equations; '{getattr(system, 'name', system)}' is a {type(system).__name__}"
    if not isinstance(system, Process):
        raise DerivationError(f"{kind}, no System")
    works = "iterate" if callable(getattr(system, "step", None)) else "its own solve"
    raise DerivationError(f"{kind}, a Process, for which {works}, sweep and phase_diagram work")


def scalar_system(system: Any, purpose: str) -> System:
    """Return the scalar System for symbolic work, or say what works instead.

    Raises
    ------
    DerivationError
        For a Process, and for systems above the symbolic size limit.
    """
    needs_equations(system, purpose)
    if system.indices:
        scalars = sum(_size(system, state.over) for state in system.states.values())
        if scalars > 24:
            raise DerivationError(f"{purpose}: '{system.name}' has {scalars} scalar states; symbolic analyses stop at 24. "
                                  "Use fewer indices, or integrate and sweep, which work at any size")
        system = system.expand()
    return system


def _size(system: System, over: Sequence[str]) -> int:
    size = 1
    for index in over:
        size *= system.indices[index]
    return size


def fields_of(system: System) -> tuple[Expr, ...]:
    """The right-hand sides in declared order, primitives written out."""
    return tuple(expressions.elementary(system.field[name]) for name in system.states)


def fields_here(system: System) -> tuple[Expr, ...]:
    """The right-hand sides, conditions that parameters put exactly on their border decided as they are written."""
    numbers = system.exact_parameters
    fields = []
    for name in system.states:
        field = system.field[name]
        # nothing is no share of nothing: the quotient that this is written out as would be 1/2
        empty = {kernel: S.Zero for kernel in field.atoms(expressions.hill)
                 if kernel.free_symbols <= set(numbers) and kernel.args[0].xreplace(numbers) == 0}
        fields.append(expressions.elementary(field.xreplace(empty)))
    return on_borders(fields, numbers)


def place_of(system: System, at: Any) -> Place:
    """Return the place ``at``: a FixedPoint, or a mapping from every state to a number, text or expression.

    Raises
    ------
    SpecificationError
        For states that are missing or unknown.
    """
    fields = fields_here(system)
    parameter_bounds = {Symbol(n): p.bounds for n, p in system.parameters.items()}
    if isinstance(at, FixedPoint):
        state = {Symbol(name): value for name, value in at.state.items()}
        _names_fit(system, at.state)
        for regime in regimes(fields, parameter_bounds):
            if {switch.text: on for switch, on in regime.pattern} == dict(at.regime):
                known = tuple(c.xreplace(state) for c in regime.conditions)
                known += _further(at, known, parameter_bounds)
                return Place(state, regime.expressions, regime, at.free, known, at.exactness != "exact",
                             {name: at.values[name] for name in at.free})
        raise SpecificationError(f"the fixed point does not belong to '{system.name}': "
                                 "its regime is not one of the system's")
    if not isinstance(at, Mapping):
        raise SpecificationError(f"at: must be a FixedPoint or a mapping from states to values, not {type(at).__name__}")
    _names_fit(system, at)
    state = {}
    for name, value in at.items():
        where = f"at.{name}"
        if isinstance(value, str):
            state[Symbol(name)] = expressions.parse(value, [*system.parameters], where=where)
        else:
            state[Symbol(name)] = value if isinstance(value, Expr) else exact(value, where)
    numbers = {s: v.xreplace(system.exact_parameters) for s, v in state.items()}
    regime = regime_at(fields, {**system.exact_parameters, **numbers}, parameter_bounds)
    return Place(state, regime.expressions, regime, known=tuple(c.xreplace(state) for c in regime.conditions))


def _further(point: FixedPoint, known: Sequence[Expr], bounds: Mapping[Symbol, Any]) -> tuple[Expr, ...]:
    """Conditions of a fixed point beside those of its regime: roots in its equations that must not be negative."""
    stated = [item.lhs for item in And.make_args(point.valid_where) if isinstance(item, Ge) and item.rhs == 0]
    if len(stated) <= len(known):
        return ()
    regime = {reduce_condition(item, bounds) for item in known}
    return tuple(item for item in stated if item not in regime)


def _names_fit(system: System, given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in system.states:
            raise SpecificationError(f"at: '{name}' is not a state of '{system.name}'.{did_you_mean(name, system.states)}")
    missing = [name for name in system.states if name not in given]
    if missing:
        raise SpecificationError(f"at: no value for the state(s) {', '.join(missing)}")


def jacobian(system: System, at: Any = None) -> Matrix:
    """jacobian(system, at): the matrix of partial derivatives, exact.

    Parameters
    ----------
    system : System
    at : FixedPoint or mapping of str to number, text or expression, optional
        Where to evaluate; None leaves the states symbolic (a nonsmooth term then keeps step functions).

    Returns
    -------
    sympy.Matrix, shape (n, n)
        Row i: derivatives of the equation of state i, in declared order. In the regime of the point.

    Raises
    ------
    DerivationError
        For a Process, or more than 24 scalar states.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> dy.jacobian(system, dy.fixed_points(system)[0])[0, 0]
    -reversion
    """
    system = scalar_system(system, "jacobian")
    states = [Symbol(name) for name in system.states]
    if at is None:
        return jacobian_matrix(fields_of(system), states)
    return jacobian_at(system, place_of(system, at))


def jacobian_at(system: System, place: Place) -> Matrix:
    """Return the Jacobian at a place, radicals as simple as the bounds allow, functions of a flow that rests evaluated."""
    bounds = {Symbol(name): part.bounds for name, part in system.parameters.items()}
    known = [item for item in place.known if not item.is_number]
    matrix = jacobian_matrix(place.fields, [Symbol(name) for name in system.states]).xreplace(place.state)
    return matrix.applyfunc(lambda entry: denested(known_kernels(entry), bounds, known))


def characteristic_polynomial(system: System, at: Any) -> Expr:
    """characteristic_polynomial(system, at): det(z - J), factored over the parameters, in the symbol ``z``.

    Parameters
    ----------
    system : System
    at : FixedPoint or mapping of str to number, text or expression

    Returns
    -------
    sympy.Expr
        Monic; a factor ``z`` belongs to a conserved quantity or a line of fixed points.

    Raises
    ------
    DerivationError
        For a Process, more than 24 scalar states, or a parameter named ``z``.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> polynomial = dy.characteristic_polynomial(system, dy.fixed_points(system)[0])
    >>> len(polynomial.args)
    2
    """
    system = scalar_system(system, "characteristic_polynomial")
    if "z" in system.symbols:
        raise DerivationError("'z' is the symbol of the eigenvalue; rename the quantity 'z' of the system")
    return _characteristic_polynomial(jacobian(system, at), EIGENVALUE)
