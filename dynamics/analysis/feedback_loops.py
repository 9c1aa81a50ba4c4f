"""Feedback loops: every cycle of influences, its polarity and gain, and which polarity dominates along a trajectory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sympy import Expr, Float, S, Symbol

from dynamics import expressions
from dynamics.analysis import arguments
from dynamics.analysis.linearization import Place, place_of, scalar_system
from dynamics.analysis.treatability import drift_note
from dynamics.errors import SpecificationError
from dynamics.results import FeedbackLoop, Records, provenance
from dynamics.symbolic.influence import GainCase, causal_graph, cycles, gain_cases, gain_of_cases, tidy
from dynamics.symbolic.signs import sign_of
from dynamics.symbolic.stability import reduce_condition
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["feedback_loops", "loop_dominance"]

BORDER = 1e-12
POLARITY = {-1: "balancing", 1: "reinforcing"}


def feedback_loops(system: System, at: Any = None, parameters: Mapping[str, Any] | None = None) -> Records[FeedbackLoop]:
    """feedback_loops(system, at): every cycle of influences between states and definitions, with polarity and gain.

    Parameters
    ----------
    system : System
        Flow or map.
    at : FixedPoint or mapping of str to number, text or expression, optional
        Gains there, in the regime of the point; None leaves the states symbolic, and a gain that differs between regimes is
        a Piecewise.
    parameters : mapping of str to number, optional
        Replaces current values; symbolic results stay symbolic.

    Returns
    -------
    sequence of FeedbackLoop
        The short ones first. Polarity by symbolic sign under the bounds of parameters and states: "reinforcing",
        "balancing", "depends on ..." (the expression that decides), "inactive where ..." in a regime without the influence.

    Raises
    ------
    DerivationError
        For a Process, more than 24 scalar states, or more than 200 loops.

    Notes
    -----
    A link a -> b carries the derivative of the equation or definition of b *as it is written*, so the definition that passes
    an influence on stays visible. The gain is the product of the links, of unit 1/time to the number of states in the loop.
    It is a loop gain in the sense of Mason, not an eigenvalue; sums of products of gains of disjoint loops are the
    coefficients of the characteristic polynomial. In a map a state that is only kept is a reinforcing loop of gain 1.

    References
    ----------
    S. J. Mason, Feedback theory: further properties of signal flow graphs, Proc. IRE 44 (1956),
    doi:10.1109/JRPROC.1956.275147. J. D. Sterman, Business Dynamics (2000), chapter 5.

    Examples
    --------
    >>> import dynamics as dy
    >>> logistic = dy.System(name="logistic", states={"x": 0.1}, parameters={"r": dy.Parameter(1, bounds=(0, None))},
    ...                      definitions={"growth": "r*x", "crowding": "r*x**2"}, equations={"x": "growth - crowding"})
    >>> [(loop.polarity, loop.gain, loop.value) for loop in dy.feedback_loops(logistic, {"x": 1})]
    [('reinforcing', r, 1.0), ('balancing', -2*r, -2.0)]
    """
    system = scalar_system(system, "feedback_loops")
    system = arguments.replaced(system, parameters)
    place = None if at is None else place_of(system, at)
    written = written_expressions(system)
    loops = []
    for cycle in cycles(causal_graph(written)):
        cases = gains_along(system, (*cycle, cycle[0]), written)
        definition = ", ".join(b for a, b in zip(cycle, (*cycle[1:], cycle[0]), strict=True)
                               if a in system.states and b not in system.states)
        if place is None:
            loops.append(FeedbackLoop(cycle, _polarity_of_cases(cases, system), gain_of_cases(cases), definition))
            continue
        case = case_at(system, place, cases)
        gain = gain_at(system, place, case)
        polarity = _polarity(case, gain, system.bounds(), place.known)
        loops.append(FeedbackLoop(cycle, polarity, gain, definition, value_of(system, gain, place)))
    return Records(loops, provenance("feedback_loops", system, exactness="exact", note=drift_note(system, "feedback_loops")))


def loop_dominance(system: System, trajectory: xr.Dataset) -> xr.Dataset:
    """loop_dominance(system, trajectory): gain of every loop over time, and which polarity dominates each state.

    Parameters
    ----------
    system : System
    trajectory : xarray.Dataset
        From ``integrate`` or ``iterate``; dim ``time``. Its parameter values are used.

    Returns
    -------
    xarray.Dataset
        ``gain`` (time, loop); ``reinforcing`` and ``balancing`` (time, state), sums of the strengths |gain|**(1/states in
        the loop) of the loops through a state, of unit 1/time; ``dominant`` (time, state): 1 reinforcing, -1 balancing,
        0 equal. The coordinate ``loop`` is the path.

    Raises
    ------
    SpecificationError
        If the trajectory lacks a state of the system.

    Notes
    -----
    A heuristic in the spirit of Ford (1999). Gains of loops through different numbers of states have different units; the
    root makes them rates, which can be added. Loops that share links are not independent, so dominance explains and does not
    prove: stability is decided by eigenvalues.

    References
    ----------
    D. N. Ford, A behavioral approach to feedback loop dominance analysis, System Dynamics Review 15 (1999) 3-36,
    doi:10.1002/(SICI)1099-1727(199921)15:1<3::AID-SDR159>3.0.CO;2-P.

    Examples
    --------
    >>> import dynamics as dy
    >>> logistic = dy.System(name="logistic", states={"x": 0.01}, definitions={"growth": "x", "crowding": "x**2"},
    ...                      equations={"x": "growth - crowding"})
    >>> dominance = dy.loop_dominance(logistic, dy.integrate(logistic, duration=10))
    >>> dominance["dominant"].sel(state="x").values[[0, -1]].tolist()
    [1, -1]
    """
    import numpy as np
    import xarray as xr

    from dynamics.compiled.code import vector_function
    from dynamics.systems import TIME

    system = scalar_system(system, "loop_dominance")
    missing = [name for name in system.states if name not in getattr(trajectory, "data_vars", {})]
    if missing:
        raise SpecificationError(f"loop_dominance: the trajectory has no variable {', '.join(missing)}; it must be a "
                                 f"trajectory of '{system.name}' (from integrate or iterate)")
    used = trajectory.attrs.get("parameters")
    if isinstance(used, Mapping) and set(used) == set(system.parameters):
        system = system.with_parameters(used)
    loops = feedback_loops(system)
    states = list(system.states)
    function = vector_function([loop.gain for loop in loops],
                               [(TIME,), [Symbol(name) for name in states], list(system.exact_parameters)])
    times = trajectory["time"].values
    with np.errstate(all="ignore"):
        rows = function((times,), [trajectory[name].values for name in states],
                        [float(value) for value in system.exact_parameters.values()])
    gains = np.empty((len(times), len(loops)))
    within = np.zeros((len(loops), len(states)))
    for k, (loop, row) in enumerate(zip(loops, rows, strict=True)):
        gains[:, k] = row
        within[k] = [name in loop.path for name in states]
    rates = np.sign(gains) * np.abs(gains) ** (1 / within.sum(axis=1))
    reinforcing, balancing = np.maximum(rates, 0) @ within, np.maximum(-rates, 0) @ within
    dominant = np.nan_to_num(np.sign(reinforcing - balancing)).astype(np.int8)
    unit = f"1/{system.time_unit}" if system.time_unit != "1" and system.time == "continuous" else "1"
    flags = {"flag_values": [-1, 0, 1], "flag_meanings": "balancing equal reinforcing"}
    return xr.Dataset(
        {"gain": (("time", "loop"), gains, {"long_name": "loop gain"}),
         "reinforcing": (("time", "state"), reinforcing, {"units": unit, "long_name": "strength of the reinforcing loops"}),
         "balancing": (("time", "state"), balancing, {"units": unit, "long_name": "strength of the balancing loops"}),
         "dominant": (("time", "state"), dominant, flags)},
        coords={"time": trajectory["time"], "loop": [" > ".join(loop.path) for loop in loops], "state": states},
        attrs=provenance("loop_dominance", system, method="heuristic: sums of |gain|**(1/states in the loop)"))


def written_expressions(system: System) -> dict[str, Expr]:
    """The expression of every state's equation, definition and observable as it is written, primitives written out."""
    parsed = system._parsed
    entries = {**{name: parsed.equations[name] for name in system.states}, **parsed.definitions, **parsed.observables}
    return {name: expressions.elementary(expression) for name, expression in entries.items()}


@dataclass(frozen=True)
class Influences:
    """What a causal-loop diagram shows.

    Attributes
    ----------
    nodes : tuple of str
        Quantities in loops of more than one quantity, or all states in loops where there is none.
    links : mapping of (str, str) to str
        Source and target to "reinforcing" (same direction), "balancing" (opposite), "depends" or "inactive".
    loops : tuple of (path, polarity)
        Loops of more than one node whose polarity is known, the short ones first.
    """

    nodes: tuple[str, ...]
    links: Mapping[tuple[str, str], str]
    loops: tuple[tuple[tuple[str, ...], str], ...]


def influences_of(system: System, at: Any = None) -> Influences:
    """Signs of all influences in loops, definitions that only rename another quantity left out."""
    system = scalar_system(system, "plot_feedback_loops")
    place = None if at is None else place_of(system, at)
    written = written_expressions(system)
    renamed = {Symbol(n): e for n, e in written.items() if n not in system.states and e.is_Symbol and e.name in written}
    for _ in renamed:  # names of names
        renamed = {name: renamed.get(other, other) for name, other in renamed.items()}
    short = {n: e.xreplace(renamed) for n, e in written.items() if Symbol(n) not in renamed}
    found = cycles(causal_graph(short))
    longer = [cycle for cycle in found if len(cycle) > 1] or list(found)

    def polarity(path: Sequence[str]) -> str:
        cases = gains_along(system, path, short)
        if place is None:
            parts = _polarity_of_cases(cases, system).split("; ")
        else:
            case = case_at(system, place, cases)
            parts = [_polarity(case, gain_at(system, place, case), system.bounds(), place.known)]
        kinds = {part.split()[0] for part in parts} - {"inactive"}
        return kinds.pop() if len(kinds) == 1 else "depends" if kinds else "inactive"

    nodes = [name for name in short if any(name in cycle for cycle in longer)]
    edges = [edge for cycle in found for edge in pairwise((*cycle, cycle[0])) if set(edge) <= set(nodes)]
    links = {edge: polarity(edge) for edge in dict.fromkeys(edges)}
    kinds = [(cycle, polarity((*cycle, cycle[0]))) for cycle in longer if len(cycle) > 1]
    return Influences(tuple(nodes), links, tuple((cycle, kind) for cycle, kind in kinds if kind in POLARITY.values()))


def gains_along(system: System, path: Sequence[str], written: Mapping[str, Expr]) -> tuple[GainCase, ...]:
    """The gain along a path in states and parameters, for each regime."""
    return gain_cases(path, written, lambda e: expressions.elementary(system.resolve(e)), system.bounds())


def case_at(system: System, place: Place, cases: Sequence[GainCase]) -> GainCase:
    """The case that holds at a place; on a border the one of the place's own regime."""
    if len(cases) == 1:
        return cases[0]
    # a point is taken in the regime it was derived in, even where it lies outside
    fitting = [case for case in cases if not any(
        sign_of(condition, system.bounds(), place.regime.conditions) == -1 for condition in case.conditions)]
    numbers = dict(system.exact_parameters)
    numbers |= {symbol: value.xreplace(system.exact_parameters) for symbol, value in place.state.items()}
    for case in fitting:
        values = [condition.xreplace(numbers).evalf(30) for condition in case.conditions]
        if all(value.is_real and value >= -BORDER for value in values):
            return case
    return (fitting or list(cases))[0]


def gain_at(system: System, place: Place, case: GainCase) -> Expr:
    """The gain at a place: in the parameters, in numbers where the state is known in decimals only."""
    gain = case.gain.xreplace(place.state)
    decimal = any(value.has(Float) for value in place.state.values())
    if decimal or gain.has(S.NaN, S.ComplexInfinity):
        # numbers before states: u**n/u has a value at u = 0 only once n is known
        gain = tidy(case.gain.xreplace(system.exact_parameters)).xreplace(place.state)
    if not decimal:
        return tidy(gain)
    number = gain.evalf(30)
    return S.Zero if number.is_number and abs(number) < BORDER else number


def value_of(system: System, gain: Expr, place: Place) -> float | None:
    """The number of a gain at the current parameters, free states where the place has them; None where it is not real."""
    numbers: dict[Symbol, Any] = {**system.exact_parameters, **{Symbol(n): S.One * v for n, v in place.member.items()}}
    number = gain.xreplace(numbers).evalf(30)
    return float(number) if number.is_number and number.is_real else None


def _polarity_of_cases(cases: Sequence[GainCase], system: System) -> str:
    polarities: dict[str, list[GainCase]] = {}
    for case in cases:
        polarity = _polarity(GainCase((), case.gain), case.gain, system.bounds(), case.conditions)
        polarities.setdefault(polarity, []).append(case)
    if len(polarities) == 1:
        return next(iter(polarities))
    inactive = polarities.pop("inactive", [])
    parts = [f"{polarity} if {' or '.join(_where(case, system.bounds()) for case in group)}"
             for polarity, group in polarities.items()]
    return "; ".join(parts + ["inactive elsewhere"] * bool(inactive))


def _polarity(case: GainCase, gain: Expr, bounds: Mapping[Symbol, Any], known: Sequence[Expr]) -> str:
    if gain == 0:
        if case.gain != 0:
            return "inactive at this state"
        return f"inactive where {_where(case, bounds)}" if case.conditions else "inactive"
    known = [condition for condition in known if not condition.is_number]
    sign = sign_of(gain, bounds, known)
    if sign:
        return POLARITY[sign]
    return f"depends on {expressions.text(tidy(reduce_condition(gain, bounds, known)))}, reinforcing where it is positive"


def _where(case: GainCase, bounds: Mapping[Symbol, Any]) -> str:
    reduced = dict.fromkeys(reduce_condition(condition, bounds) for condition in case.conditions)
    return " and ".join(expressions.text(condition > 0) for condition in reduced if not condition.is_number)
