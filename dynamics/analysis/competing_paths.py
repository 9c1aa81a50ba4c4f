"""Competing paths: how one flow acts on a state at once, along several paths, and which of them wins: the cascade number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympy import Add, Expr, Symbol

from dynamics import expressions
from dynamics.analysis import arguments
from dynamics.analysis.feedback_loops import POLARITY, case_at, gain_at, gains_along, value_of, written_expressions
from dynamics.analysis.linearization import needs_equations, place_of, scalar_system
from dynamics.errors import DerivationError, SpecificationError
from dynamics.results import Records, provenance
from dynamics.results.record import Record
from dynamics.symbolic.influence import causal_graph, gain_of_cases, simple_paths, tidy
from dynamics.symbolic.regimes import regimes
from dynamics.symbolic.signs import sign_of
from dynamics.systems import System

__all__ = ["InfluencePath", "cascade_number", "competing_paths", "path_ratio"]

PORTS = ("net_flow", "price_change", "effective_impact")


@dataclass(frozen=True)
class InfluencePath(Record):
    """One of the paths on which a quantity acts on the equation of a state.

    Attributes
    ----------
    path : tuple of str
        From the source to the state.
    gain : SymPy expression
        Product of the derivatives along the path.
    polarity : str
        "reinforcing" or "balancing" for the source, as the state acts back on it; "not determined" where a sign is.
    value : float or None
        The gain in numbers, where a state was given.
    """

    path: tuple[str, ...]
    gain: Expr
    polarity: str
    value: float | None = None


def competing_paths(system: System, source: str, target: str, at: Any = None) -> Records[InfluencePath]:
    """competing_paths(system, "net_flow", "equity_ratio"): all instantaneous paths from a quantity to a state's equation.

    Parameters
    ----------
    system : System
    source : str
        A definition or a state.
    target : str
        A state. Paths run through definitions only, so they act at the same instant.
    at : FixedPoint or mapping of str to number, text or expression, optional
        Gains there; None leaves the states symbolic.

    Returns
    -------
    Records of InfluencePath
        The short ones first. The sum of their gains is the derivative of the state's equation by the source.

    Raises
    ------
    SpecificationError
        For an unknown name, or a target that is no state.
    DerivationError
        For a Process, or more than 24 scalar states.

    Examples
    --------
    >>> import dynamics as dy
    >>> for path in dy.competing_paths(dy.models.load("deleveraging"), "net_flow", "equity_ratio"):
    ...     print(path.path, path.gain, path.polarity)
    ('net_flow', 'equity_ratio') -equity_ratio balancing
    ('net_flow', 'price_change', 'equity_ratio') price_impact*(1 - equity_ratio) reinforcing
    """
    system = scalar_system(system, "competing_paths")
    written = written_expressions(system)
    arguments.known_name(source, written, "state or definition", system.name, "source")
    arguments.known_name(target, system.states, "state", system.name, "target")
    inner = [name for name in written if name not in system.states]
    back = _return_sign(system, source, target, written)
    place = None if at is None else place_of(system, at)
    found = []
    for path in simple_paths(causal_graph(written), source, target, inner):
        cases = gains_along(system, path, written)
        signs = {sign_of(case.gain, system.bounds(), case.conditions) for case in cases} - {0}
        sign = signs.pop() if len(signs) == 1 else None
        polarity = POLARITY[sign * back] if sign and back else "not determined"
        gain = gain_of_cases(cases) if place is None else gain_at(system, place, case_at(system, place, cases))
        found.append(InfluencePath(path, gain, polarity, None if place is None else value_of(system, gain, place)))
    return Records(found, provenance("competing_paths", system, exactness="exact"))


def _return_sign(system: System, source: str, target: str, written: dict[str, Expr]) -> int | None:
    """Sign of the influence of the state on the source: at once through definitions, else through other states."""
    resolved = expressions.elementary(system.resolve(Symbol(source)))
    cases = [(r.expressions[0].diff(Symbol(target)), r.conditions) for r in regimes([resolved], system.bounds())]
    signs = {sign_of(derivative, system.bounds(), conditions) for derivative, conditions in cases} - {0}
    if not signs:
        everywhere = simple_paths(causal_graph(written), target, source, list(written))
        signs = {sign_of(case.gain, system.bounds(), case.conditions) for path in everywhere
                 for case in gains_along(system, path, written)} - {0}
    return signs.pop() if len(signs) == 1 else None


def path_ratio(system: System, source: str, target: str) -> Expr:
    """path_ratio(system, "net_flow", "equity_ratio"): reinforcing over balancing gain of the competing paths.

    Parameters
    ----------
    system : System
    source : str
        A definition or a state.
    target : str
        A state.

    Returns
    -------
    sympy.Expr
        In states and parameters, positive; above 1 what the source does to the state feeds the source.

    Raises
    ------
    DerivationError
        If the paths do not compete (no reinforcing or no balancing one), or a polarity is not determined.

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.path_ratio(dy.models.load("deleveraging"), "net_flow", "equity_ratio")
    price_impact*(1 - equity_ratio)/equity_ratio
    """
    paths = competing_paths(system, source, target)
    sums = {polarity: Add(*(path.gain for path in paths if path.polarity == polarity)) for polarity in POLARITY.values()}
    undecided = [path for path in paths if path.polarity not in POLARITY.values()]
    if undecided or 0 in sums.values():
        shown = "; ".join(f"{' -> '.join(path.path)} ({path.polarity})" for path in paths) or "there is none"
        raise DerivationError(f"'{system.name}': a ratio needs a reinforcing and a balancing instantaneous path from "
                              f"{source} to {target}; found: {shown}", paths)
    return tidy(-sums["reinforcing"] / sums["balancing"])


def cascade_number(system: System) -> Expr:
    """cascade_number(system): above one, selling raises leverage instead of lowering it.

    Parameters
    ----------
    system : System
        With the ports ``net_flow``, ``price_change``, ``effective_impact`` and the state ``equity_ratio``.

    Returns
    -------
    sympy.Expr
        Ratio of the reinforcing path of sales (they move the price, which takes equity) to the balancing one (their proceeds
        repay debt), as a function of the state.

    Raises
    ------
    SpecificationError
        If a port is missing.
    DerivationError
        For a Process.

    Notes
    -----
    A loop gain, not an eigenvalue: stability of the whole depends on how fast prices revert as well; see
    ``stability_conditions``.

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.cascade_number(dy.compose(dy.models.load("deleveraging"), "depletion"))
    price_impact*(1 - equity_ratio)*exp(log_holdings)/equity_ratio
    """
    needs_equations(system, "cascade_number")
    missing = [name for name in PORTS if name not in system.definitions]
    missing += [] if "equity_ratio" in system.states else ["equity_ratio"]
    if missing:
        raise SpecificationError(f"cascade_number: '{system.name}' has no {', '.join(missing)}; it is "
                                 "for leverage models with these ports. path_ratio(system, source, target) takes any names")
    return path_ratio(system, "net_flow", "equity_ratio")
