"""A shock spread over time: the same fall at a constant rate over T time units instead of at once."""

from __future__ import annotations

import functools
from dataclasses import replace

from sympy import Expr, Integer, Symbol

from dynamics import expressions
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.systems import MAGNITUDE, Parameter, System, not_checking

__all__ = ["RAMP_DURATION", "RAMP_SIZE", "ramped"]

RAMP_SIZE, RAMP_DURATION = "ramp_size", "ramp_duration"


@functools.lru_cache(maxsize=32)
def ramped(system: System, shock: str, lasting: bool = False) -> System:
    """Return a system in which the shock acts at a constant rate for ``time < ramp_duration``, or for ever (``lasting``).

    The rate is ``ramp_size/ramp_duration`` times the direction of the shock, the derivative of its assignments at
    magnitude 0. That is the same shock spread out only if shocks add up (a shock of a after one of b is one of a + b),
    which is checked.

    Parameters
    ----------
    system : System
        Continuous time.
    shock : str
    lasting : bool
        Whether the shock never ends: for an integration that stops at the end of the ramp itself.

    Returns
    -------
    System
        With two more parameters, ``ramp_size`` (0) and ``ramp_duration`` (1).

    Raises
    ------
    DerivationError
        If shocks of this kind do not add up.
    SpecificationError
        For an unknown shock or a map.

    Examples
    --------
    >>> import dynamics as dy
    >>> from dynamics.analysis.ramps import ramped
    >>> ramped(dy.models.load("deleveraging"), "price").equations["price_gap"]
    '(price_change) + (-ramp_size/ramp_duration if time < ramp_duration else 0)'
    """
    if shock not in system.shocks:
        raise SpecificationError(f"'{shock}' is not a shock of '{system.name}'.{did_you_mean(shock, system.shocks)}")
    if system.time != "continuous":
        raise SpecificationError(f"'{system.name}' is a map; a ramp needs continuous time")
    taken = [name for name in (RAMP_SIZE, RAMP_DURATION) if name in system.symbols]
    if taken:
        raise SpecificationError(f"'{system.name}' has a quantity '{taken[0]}' already, which a ramp adds as a parameter; "
                                 "rename it")
    assign = {Symbol(name): system.resolve(e) for name, e in system._parsed.shocks[shock].items()}
    first, second = Symbol("_first"), Symbol("_second")
    once = {s: e.xreplace({MAGNITUDE: first}) for s, e in assign.items()}
    twice = {s: e.xreplace({MAGNITUDE: second}).xreplace(once) for s, e in assign.items()}
    for state, both in twice.items():
        together = assign[state].xreplace({MAGNITUDE: first + second})
        if assign[state].xreplace({MAGNITUDE: Integer(0)}) != state or not _same(both, together):
            raise DerivationError(f"shocks '{shock}' do not add up in '{state}' (a after b is not a + b), so there is no "
                                  "unique way to spread one over time; use instantaneous shocks")
    equations = dict(system.equations)
    for state, expression in assign.items():
        direction = expression.diff(MAGNITUDE).xreplace({MAGNITUDE: Integer(0)})
        rate = expressions.text(direction * Symbol(RAMP_SIZE) / Symbol(RAMP_DURATION))
        push = rate if lasting else f"{rate} if time < {RAMP_DURATION} else 0"
        equations[state.name] = f"({equations[state.name]}) + ({push})"
    with not_checking():
        return System(
            **{kind: getattr(system, kind) for kind in ("states", "definitions", "observables", "measures", "events",
                                                        "shocks", "noise", "jumps", "references", "indices", "time",
                                                        "time_unit")},
            name=f"{system.name} (ramp)", equations=equations,
            parameters={**system.parameters,
                        RAMP_SIZE: replace(Parameter(0), meaning="size of a shock spread over ramp_duration"),
                        RAMP_DURATION: Parameter(1, system.time_unit, (0, None), meaning="time over which it is spread")})


def _same(left: Expr, right: Expr) -> bool:
    difference = (left - right).expand()
    return bool(difference == 0 or difference.expand(power_exp=True) == 0 or difference.simplify() == 0)
