"""Families of limit cycles: continuation by orthogonal collocation, Floquet multipliers, bifurcations of cycles."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.analysis.cycle_fields import CycleFields
from dynamics.analysis.cycle_starts import Start, at_bifurcation, at_hopf, at_state, from_trajectory
from dynamics.analysis.cycle_steps import StepSizes
from dynamics.analysis.cycle_walks import Walk
from dynamics.analysis.linearization import needs_equations
from dynamics.analysis.treatability import treat
from dynamics.errors import SpecificationError
from dynamics.results import Branch, SpecialPoint, provenance
from dynamics.results.branches import branch
from dynamics.systems import System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["continue_cycles"]

PHASES = 257  # samples of each orbit that a branch keeps
SAME = 1e-9
SWITCHING = ("period_doubling", "branch_point_of_cycles")


def continue_cycles(system: System, start: SpecialPoint | Mapping[str, float] | xr.Dataset, parameter: str | None = None,
                    bounds: tuple[float, float] | None = None, *, max_period: float | None = None, max_steps: int = 400,
                    step: float = 0.02, largest_step: float = 0.25, fineness: float = 0.4, collocation_points: int = 4,
                    direction: str = "both", ignore: str | Sequence[str] = ()) -> Branch:
    """continue_cycles(system, start, "price_impact", (0.1, 1)): a branch of limit cycles, stable and unstable.

    Parameters
    ----------
    system : System
        Autonomous flow; nonsmooth ones are continued through their regimes.
    start : SpecialPoint, mapping or Dataset
        A Hopf point; a period doubling or branch point of cycles (the branch that leaves there); any other special point
        of cycles; a state with its ``period`` (``Branch.at(row)``), parameters as far as given; or a trajectory that has
        come close to a cycle.
    parameter : str, optional
        None: the one that varies along the branch of ``start``, where ``start`` tells.
    bounds : (float, float), optional
        Of the parameter. None: its declared bounds, at most ten times the present value away.
    max_period : float, optional
        Ends the branch exactly there. None: 200 times the first period.
    max_steps : int
        In each direction.
    step, largest_step : float
        First and largest step; a change by the whole orbit, the whole period or the whole range of the parameter is 1.
    fineness : float
        Of meshes: smaller is finer; the error between mesh points falls as its power ``collocation_points + 1``.
    collocation_points : int
        Gauss points of an interval, 2 to 7.
    direction : {"both", "forward", "backward"}
        From an orbit: both ways, or first towards larger or smaller values of the parameter. Branches that are born (at a
        Hopf point, a period doubling) have one direction.
    ignore : sequence of str
        Parts to leave out that are not treated: "noise", "jumps", "resets" of events; recorded in the result.

    Returns
    -------
    Branch
        Table with dim ``step``: the parameter, ``period``, ``min_`` and ``max_`` of each state, the states at time 0,
        ``unstable_count`` (multipliers outside the unit circle), ``trivial_error`` (of the multiplier that is 1),
        ``intervals``, multipliers (``multiplier_real``, ``multiplier_imag``, dim ``mode``), and the orbits themselves
        (``orbit_`` and the state, dim ``phase``). Special points: fold_of_cycles (LPC), period_doubling (PD),
        neimark_sacker (NS), branch_point_of_cycles (BPC), polished on their extended systems, and grazing (GR) where the
        cycle touches a border of a regime or an event that ends trajectories.

    Raises
    ------
    SpecificationError
        For an unknown parameter, bounds that do not contain the start, a start that is none, or noise, jumps and resets.
    DerivationError
        For maps, systems that depend on time, indexed systems.
    ConvergenceError
        Where no first cycle is found.

    Notes
    -----
    Orthogonal collocation at Gauss points with exact derivatives, meshes that follow the orbit, pseudo-arclength steps.
    The linear systems are reduced around the cycle by orthogonal transformations, multipliers are the eigenvalues of the
    reduced pencil. A cycle that crosses borders has one phase in each regime, with matching at the borders and saltation
    matrices in its multipliers.

    References
    ----------
    Doedel, E., Keller, H. B. and Kernevez, J. P. (1991), Int. J. Bifurcation Chaos 1, 745, DOI 10.1142/S0218127491000555;
    Ascher, U., Christiansen, J. and Russell, R. D. (1979), Math. Comp. 33, 659, DOI 10.1090/S0025-5718-1979-0521281-7.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="van der Pol", time="continuous", states={"x": 2.0, "y": 0.0}, parameters={"mu": 1.0},
    ...                    equations={"x": "y", "y": "mu*(1 - x**2)*y - x"})
    >>> run = dy.integrate(system, 60)
    >>> branch = dy.continue_cycles(system, run, "mu", (1.0, 1.2))
    >>> round(float(branch.table["period"][0]), 7)
    6.6632869
    """
    started = _time.perf_counter()
    needs_equations(system, "continue_cycles")
    treated = treat(system, "continue_cycles", ignore)
    system = treated.system
    collocation_points = arguments.whole(collocation_points, "collocation_points", 2, 7)
    direction = arguments.choice(direction, "direction", ("both", "forward", "backward"))
    max_steps = arguments.whole(max_steps, "max_steps", 1)
    max_period = None if max_period is None else arguments.positive(max_period, "max_period")
    step = arguments.positive(step, "step")
    largest_step = arguments.positive(largest_step, "largest_step")
    fineness = arguments.positive(fineness, "fineness")
    name = _parameter(system, parameter)
    system = _at_start(system, start)
    here = _start_value(system, start, name)
    low, high = _bounds(system, name, bounds, here)
    fields = CycleFields(system, (name,))
    sizes = StepSizes(first=step, largest=largest_step, fineness=fineness)
    first = _first(fields, start, (high - low,), collocation_points)
    longest = max_period if max_period is not None else 200 * first.orbit.period
    walks = []
    for sense in _senses(first, direction):
        walk = Walk(fields, name, (low, high), longest, max_steps, sizes)
        walk.run(first, sense)
        walks.append(walk)
    return treated.marked(_assembled(system, name, first, walks, (low, high), started, sizes, collocation_points))


# ---- arguments -----------------------------------------------------------------------------------------------------------

def _parameter(system: System, parameter: str | None) -> str:
    if parameter is None:
        if len(system.parameters) == 1:
            return next(iter(system.parameters))
        raise SpecificationError("parameter: say which one varies; there are " + ", ".join(system.parameters))
    return arguments.known_name(parameter, system.parameters, "parameter", system.name)


def _given(start: Any) -> Mapping[str, Any]:
    if isinstance(start, SpecialPoint):
        return start.parameters
    if isinstance(start, Mapping) and not hasattr(start, "data_vars"):
        return start
    return dict(getattr(start, "attrs", {}).get("parameters", {}))


def _at_start(system: System, start: Any) -> System:
    """The system with the parameters of the start."""
    return system.with_parameters({n: float(v) for n, v in _given(start).items() if n in system.parameters})


def _start_value(system: System, start: Any, name: str) -> float:
    return float(_given(start).get(name, system.parameter_values[name]))


def _bounds(system: System, name: str, bounds: tuple[float, float] | None, here: float) -> tuple[float, float]:
    if bounds is None:
        reach = 10 * max(abs(here), 0.1)
        lower, upper = system.parameters[name].bounds
        low = max(float(lower), here - reach) if lower is not None else here - reach
        high = min(float(upper), here + reach) if upper is not None else here + reach
    else:
        low, high = arguments.pair(bounds, "bounds")
    if not low < high or not low - SAME * (high - low) <= here <= high + SAME * (high - low):
        raise SpecificationError(f"bounds: {name} = {here:.10g} at the start must lie within [{low:g}, {high:g}]")
    return low, high


def _first(fields: CycleFields, start: Any, spans: tuple[float, ...], gauss: int) -> Start:
    if isinstance(start, SpecialPoint):
        if start.kind == "hopf":
            return at_hopf(fields, start, spans, gauss)
        if not np.isfinite(start.period):
            raise SpecificationError(f"start: {start.label or start.kind} is no Hopf point and no cycle")
        if start.kind in SWITCHING:
            return at_bifurcation(fields, start, spans, gauss)
        return at_state(fields, start.state, start.period, start.parameters, spans, gauss)
    if hasattr(start, "data_vars"):
        return from_trajectory(fields, start, spans, gauss)
    if isinstance(start, Mapping) and "period" in start:
        return at_state(fields, start, float(start["period"]), start, spans, gauss)
    raise SpecificationError("start must be a Hopf point, a special point of cycles, a trajectory, or a state with period")


def _senses(first: Start, direction: str) -> list[float]:
    if first.direction is not None:
        return [0.0]
    return {"both": [-1.0, 1.0], "forward": [1.0], "backward": [-1.0]}[direction]


# ---- the result ------------------------------------------------------------------------------------------------------

def _assembled(system: System, name: str, first: Start, walks: list[Walk], bounds: tuple[float, float], started: float,
               sizes: StepSizes, gauss: int) -> Branch:
    points = list(walks[-1].points)
    special = list(walks[-1].special)
    ends = [first.origin if first.direction is not None or len(walks) == 1 else walks[0].end, walks[-1].end]
    if len(walks) == 2:
        back = walks[0].points[:0:-1]
        special = [(len(walks[0].points) - 1 - row, point) for row, point in reversed(walks[0].special)] + [
            (row + len(back), point) for row, point in special]
        points = back + points
    system = system.with_parameters({name: float(points[0].parameters[0])})
    attributes = provenance(
        "branch", system, method="orthogonal collocation", collocation_points=gauss, fineness=sizes.fineness,
        bounds={name: list(bounds)}, status="completed", ends=list(ends), wall_time_s=_time.perf_counter() - started)
    units = {name: system.parameters[name].unit, "period": system.time_unit}
    columns: dict[str, Any] = {name: np.array([float(p.parameters[0]) for p in points]),
                               "period": np.array([p.orbit.period for p in points])}
    for j, state in enumerate(system.states):
        for side in ("min", "max"):
            columns[f"{side}_{state}"] = np.array([(p.lows if side == "min" else p.highs)[j] for p in points])
        columns[state] = np.array([p.orbit.nodes[0, j] for p in points])
        units |= dict.fromkeys((state, f"min_{state}", f"max_{state}"), system.states[state].unit)
    columns["unstable_count"] = np.array([p.multipliers.unstable for p in points])
    columns["trivial_error"] = np.array([p.multipliers.trivial_error for p in points])
    columns["intervals"] = np.array([len(p.orbit.nodes) - 1 for p in points])
    columns["phases"] = np.array([p.problem.phases for p in points])
    modes = np.array([p.multipliers.values for p in points], dtype=complex)
    result = branch("cycles", columns, [name], special, ends, attributes, eigenvalues=modes, time="discrete", units=units)
    fractions = np.linspace(0.0, 1.0, PHASES)
    orbits = np.array([p.interpolant(fractions * p.orbit.period) for p in points])
    orbits[:, -1] = orbits[:, 0]
    table = result.table.assign({f"orbit_{state}": (("step", "phase"), orbits[:, :, j], {"units": system.states[state].unit})
                                 for j, state in enumerate(system.states)})
    table = table.assign_coords(phase=("phase", fractions, {"long_name": "time as a fraction of the period"}))
    return replace(result, table=table)
