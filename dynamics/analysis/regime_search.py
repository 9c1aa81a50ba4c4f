"""Which regimes are searched for rests: all of them, or where they are too many those of the start and of roots found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sympy import Expr, Symbol

from dynamics.errors import DerivationError
from dynamics.symbolic.regimes import Regime, regime_at, regimes
from dynamics.systems import System
from dynamics.systems.numbers import exact

__all__ = ["searched_regimes", "start_first"]

MOST = 100  # regimes solved one by one; five coupled accounts have 243, and each takes a twentieth of a second
FEW = 16  # regimes solved of those in which roots were found


def searched_regimes(system: System, fields: Sequence[Expr], bounds: Mapping[Symbol, Any],
                     limits: Mapping[str, tuple[Any, Any]]) -> tuple[tuple[Regime, ...], str]:
    """Return the regimes to solve in, that of the declared initial state first, and a note where these are not all.

    Parameters
    ----------
    system : System
    fields : sequence of Expr
    bounds : mapping of Symbol to (lower, upper)
        Of the parameters.
    limits : mapping of str to (lower, upper)
        Where roots are looked for.

    Returns
    -------
    tuple of Regime
    str
    """
    try:
        every = regimes(fields, dict(bounds))
    except DerivationError:
        every = ()
    if 0 < len(every) <= MOST:
        return start_first(every, system, fields, bounds), ""
    chosen: dict[Any, Regime] = {}
    for place in _places(system, fields, limits):
        try:
            regime = regime_at(fields, {**system.exact_parameters, **place}, dict(bounds))
        except DerivationError:
            continue  # a switch has no value there
        chosen.setdefault(regime.pattern, regime)
        if len(chosen) == FEW:
            break
    of = f"of {len(every)} regimes" if every else "regimes of more than can be split"
    return tuple(chosen.values()), (f"{len(chosen)} {of} were solved: that of the declared initial state and those in which "
                                    "a search from many starts found rests; there may be more")


def start_first(every: tuple[Regime, ...], system: System, fields: Sequence[Expr], bounds: Mapping[Symbol, Any]
                ) -> tuple[Regime, ...]:
    """Return regimes with that of the declared initial state first: of what is not finished, it is missed most."""
    try:
        own = regime_at(fields, {**system.exact_parameters, **_start(system)}, dict(bounds))
    except DerivationError:
        return every
    return tuple(sorted(every, key=lambda regime: set(regime.pattern) != set(own.pattern)))


def _start(system: System) -> dict[Symbol, Any]:
    return {Symbol(name): exact(value, f"states.{name}.initial") for name, value in system.initial_state().items()}


def _places(system: System, fields: Sequence[Expr], limits: Mapping[str, tuple[Any, Any]]) -> Iterator[dict[Symbol, Any]]:
    """The declared initial state, then roots of the whole field, switches and all."""
    yield _start(system)
    from dynamics.analysis.root_search import search_roots

    states = [Symbol(name) for name in system.states]
    numbers = [field.xreplace(system.exact_parameters) for field in fields]
    if system.time == "discrete":
        numbers = [number - state for number, state in zip(numbers, states, strict=True)]
    yield from search_roots(numbers, states, [limits[state.name] for state in states])
