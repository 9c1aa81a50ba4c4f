"""The whole diagram in one call: all fixed points continued, switching at branch points, cycles from Hopf points."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.arclength import CurvePoint, Limit, StepControl, advance, corrected, landed
from dynamics.analysis.branch_following import Followed, follow, regime_of, to_branch
from dynamics.analysis.fixed_point_continuation import control_of
from dynamics.analysis.fixed_point_equations import FixedPointEquations, equations_of, limits_of, prepared
from dynamics.analysis.fixed_point_search import fixed_points_over
from dynamics.analysis.special_points import branch_directions
from dynamics.analysis.starting_points import checked_bounds, checked_box
from dynamics.analysis.treatability import treat
from dynamics.errors import ConvergenceError, DynamicsError
from dynamics.results import BifurcationDiagram, Branch, SpecialPoint, provenance
from dynamics.results.branches import numbered, renumbered
from dynamics.systems import System

__all__ = ["bifurcation_diagram"]

Array = NDArray[np.float64]
SAME = 1e-6
LOOKS = 7  # values of the parameter at which all fixed points are looked for


@dataclass(eq=False)
class _Search:
    """What is known while a diagram grows."""

    system: System
    parameter: str
    limits: tuple[Limit, ...]
    control: StepControl
    most_branches: int
    regimes: dict[int, tuple[FixedPointEquations, ...]]
    branches: list[Followed] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.branches) >= self.most_branches


def bifurcation_diagram(system: System, parameter: str, bounds: tuple[float, float], cycles: bool = True, *,
                        box: Mapping[str, tuple[Any, Any]] | None = None, longest_period: int = 16,
                        most_branches: int = 60, largest_step: float = 0.02, most_steps: int = 5000,
                        ignore: str | Sequence[str] = ()) -> BifurcationDiagram:
    """bifurcation_diagram(system, "mu", (0, 1)): all branches over a parameter, with their bifurcations, numbered.

    Parameters
    ----------
    system : System
        Flow or map, autonomous.
    parameter : str
    bounds : (float, float)
    cycles : bool
        Flows: also the limit cycles born at every Hopf point. Maps: also the periodic points born at period doublings.
    box : mapping of str to (lower, upper), optional
        Bounds of states; None: their declared bounds.
    longest_period : int
        Of periodic points of maps.
    most_branches : int
    largest_step, most_steps, ignore
        As for `continue_fixed_points`.

    Returns
    -------
    BifurcationDiagram
        ``.branches``; ``.special_points`` and ``diagram["HB1"]``; shown as a numbered list. A point on several branches has
        one label. ``diagram.branches[0].table.attrs["starts"]`` says how the fixed points were found: exact, certified or
        numeric.

    Raises
    ------
    SpecificationError, DerivationError
        As for `continue_fixed_points`.
    ConvergenceError
        If no fixed point is found anywhere in the bounds.

    Notes
    -----
    All fixed points are looked for at several values of the parameter, continued in both directions, and every branch point
    is switched at. A closed branch that lies between two of these values altogether is not found; nor are cycles that no
    branch of fixed points leads to.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.System(name="pitchfork", time="continuous", states={"x": 0.1}, parameters={"mu": -1},
    ...                    equations={"x": "mu*x - x**3"})
    >>> diagram = dy.bifurcation_diagram(system, "mu", (-1, 1))
    >>> len(diagram.branches), [(point.label, point.kind, point.remark) for point in diagram.special_points]
    (2, [('BP1', 'pitchfork', 'supercritical')])
    """
    began = _time.perf_counter()
    purpose = "bifurcation_diagram"
    treated = treat(system, purpose, ignore)
    system = prepared(treated.system, (parameter,), purpose)
    pair = checked_bounds(system, parameter, bounds, purpose)
    limits_given = checked_box(system, box, purpose)
    control = control_of(largest_step, most_steps)
    cycles = arguments.flag(cycles, f"{purpose}: cycles")
    longest_period = arguments.whole(longest_period, f"{purpose}: longest_period", 1)
    most_branches = arguments.whole(most_branches, f"{purpose}: most_branches", 1)
    values = _looks(system, parameter, pair)
    typical = {name: float(value) for name, value in system.initial_state().items()}
    regimes = equations_of(system, (parameter,), (pair[1] - pair[0],), typical)
    starts, exactness = fixed_points_over(system, parameter, values, regimes, limits_given)
    if not starts:
        raise ConvergenceError(f"{purpose}: no fixed point of '{system.name}' was found for {parameter} from {pair[0]:g} to "
                               f"{pair[1]:g}; widen the bounds or the box")
    search = _Search(system, parameter, limits_of(regimes[0], (pair,), limits_given), control, most_branches, {1: regimes})
    for z in starts:
        equations = regime_of(regimes, z)
        if equations is not None and not search.full and not _covered(search, equations, z):
            directions = branch_directions(equations, z)
            if len(directions) == 1:
                _grow(search, equations, z, directions[0])
    _switch(search)
    if cycles and system.time == "discrete":
        _double(search, longest_period)
    attributes = provenance("branch", system, method="pseudo-arclength, minimally augmented systems", status="completed",
                            parameter=parameter, starts=exactness, branches_complete=not search.full)
    labelled = _labels(search)
    branches = [to_branch(followed, labelled[k], attributes) for k, followed in enumerate(search.branches)]
    if cycles and system.time == "continuous":
        branches += _cycles(system, parameter, pair, branches)
    seconds = _time.perf_counter() - began
    for item in branches:
        treated.marked(item).table.attrs["wall_time_s"] = seconds
    return BifurcationDiagram(tuple(branches))


def _looks(system: System, parameter: str, pair: tuple[float, float]) -> list[float]:
    """Values of the parameter: the current one, and some over the range that are no round numbers, where symmetric
    systems bifurcate."""
    current = float(system.parameter_values[parameter])
    shares = (0.5 + np.arange(LOOKS) * 0.6180339887498949) % 1.0
    found = [pair[0] + float(share) * (pair[1] - pair[0]) for share in shares]
    return [*([current] if pair[0] < current < pair[1] else []), *found, *pair]


def _grow(search: _Search, equations: FixedPointEquations, z: Array, direction: Array, both: bool = True,
          first_end: str = "start") -> None:
    inside = all(limit.lower - 1e-9 <= z[limit.index] <= limit.upper + 1e-9 for limit in search.limits)
    if inside and not search.full:
        followed = follow(search.regimes[equations.period], equations, z, direction, search.limits, search.control, both,
                          first_end)
        if len(followed.rows) > 1:
            search.branches.append(followed)


def _covered(search: _Search, equations: FixedPointEquations, z: Array) -> bool:
    """Whether a point lies on a branch that is known."""
    n = equations.dimension
    orbit = [z]
    for _ in range(equations.period - 1):
        step = replace(equations, period=1)
        orbit.append(np.append(step.expansion(orbit[-1], 0).value, z[n:]))
    for followed in search.branches:
        if followed.rows[0].equations.period != equations.period:
            continue
        for a, b in zip(followed.rows, followed.rows[1:], strict=False):
            x, y = a.sample.position, b.sample.position
            if not min(x[n], y[n]) - 1e-12 <= z[n] <= max(x[n], y[n]) + 1e-12:
                continue
            if any(_on_piece(search, b.equations, a.sample.point, b.sample.point, point) for point in orbit):
                return True
    return False


def _on_piece(search: _Search, equations: FixedPointEquations, a: CurvePoint, b: CurvePoint, z: Array) -> bool:
    weights = equations.weights(z)
    if any(np.linalg.norm(weights * (point.position - z)) <= SAME for point in (a, b)):
        return True
    chord, offset = weights * (b.position - a.position), weights * (z - a.position)
    length = float(np.linalg.norm(chord))
    share = float(chord @ offset) / (length**2 or 1.0)
    if not -0.1 <= share <= 1.1 or np.linalg.norm(offset - share * chord) > 0.3 * length:
        return False
    row = weights**2 * (b.position - a.position) / (length or 1.0)
    guess = a.position + share * (b.position - a.position)
    found = corrected(equations.problem, guess, row, search.control)
    if found is None:
        middle = landed(equations.problem, a, b, equations.dimension, float(z[equations.dimension]), search.control)
        return middle is not None and bool(np.linalg.norm(weights * (middle.position - z)) <= SAME)
    return bool(np.linalg.norm(weights * (found[0] - z)) <= SAME)


def _switch(search: _Search) -> None:
    """At every branch point follow the branches that are not known yet; new branches are looked through in their turn."""
    done = 0
    while done < len(search.branches) and not search.full:
        for row, bifurcation in search.branches[done].bifurcations:
            for direction in bifurcation.directions:
                ways = [sign * direction for sign in (1.0, -1.0) if _leads_to_new(search, row.equations,
                                                                                   row.sample.position, sign * direction)]
                if ways:
                    _grow(search, row.equations, row.sample.position, ways[0], both=len(ways) == 2, first_end="branch point")
        done += 1


def _leads_to_new(search: _Search, equations: FixedPointEquations, z: Array, direction: Array) -> bool:
    probe = replace(search.control, first=search.control.first / 4, largest=search.control.first / 4)
    ahead = advance(equations.problem, CurvePoint(z, direction, 0.0, probe.first), probe)
    return ahead is not None and not _covered(search, equations, ahead.position)


def _double(search: _Search, longest_period: int) -> None:
    """From every period doubling the branch of twice the period."""
    done = 0
    while done < len(search.branches) and not search.full:
        for row, bifurcation in search.branches[done].bifurcations:
            period = 2 * row.equations.period
            if bifurcation.point.kind != "period_doubling" or period > longest_period or len(search.regimes[1]) > 1:
                continue
            doubled = search.regimes.setdefault(period, (replace(row.equations, period=period),))[0]
            directions = branch_directions(doubled, row.sample.position)
            if len(directions) != 2:
                continue
            n, weights = doubled.dimension, doubled.weights(row.sample.position)
            steep = min(directions, key=lambda d: abs(weights[n] * d[n]))
            if _leads_to_new(search, doubled, row.sample.position, steep):
                _grow(search, doubled, row.sample.position, steep, both=False, first_end="period doubling")
        done += 1


def _labels(search: _Search) -> list[tuple[SpecialPoint, ...]]:
    """Special points of each branch with labels that run through the diagram; one label for one point."""
    known: list[tuple[FixedPointEquations, Array, SpecialPoint]] = []
    counts: dict[str, int] = {}
    result = []
    for followed in search.branches:
        labelled = []
        for row, bifurcation in followed.bifurcations:
            z, weights = row.sample.position, row.equations.weights(row.sample.position)
            same = [point for equations, place, point in known if equations.period == row.equations.period
                    and point.kind == bifurcation.point.kind and np.linalg.norm(weights * (place - z)) <= SAME]
            point = same[0] if same else numbered([bifurcation.point], counts)[0]
            if not same:
                stem = point.label.rstrip("0123456789").rstrip("_")
                counts[stem] = counts.get(stem, 0) + 1
                known.append((row.equations, z, point))
            labelled.append(point)
        result.append(tuple(labelled))
    return result


def _cycles(system: System, parameter: str, pair: tuple[float, float], branches: Sequence[Branch]) -> list[Branch]:
    """Branches of cycles from every Hopf point, each family once; where one fails, what it says is kept."""
    from dynamics.analysis.cycle_continuation import continue_cycles  # collocation is loaded only when cycles are wanted

    points = {point.label: point for branch in branches for point in branch.special_points}
    counts: dict[str, int] = {}
    for label in points:
        stem = label.rstrip("0123456789").rstrip("_")
        counts[stem] = counts.get(stem, 0) + 1
    found: list[Branch] = []
    for point in points.values():
        if point.kind != "hopf" or any(_ends_at(family, parameter, point) for family in found):
            continue
        try:
            family = continue_cycles(system, point, parameter, pair)
        except DynamicsError as error:
            branches[0].table.attrs["cycles_failed"] = \
                f"{branches[0].table.attrs.get('cycles_failed', '')} {point.label}: {error}".strip()
            continue
        family = renumbered(family, counts)
        family.table.attrs["born_at"] = point.label
        for special in family.special_points:
            stem = special.label.rstrip("0123456789").rstrip("_")
            counts[stem] = counts.get(stem, 0) + 1
        found.append(family)
    return found


def _ends_at(family: Branch, parameter: str, point: SpecialPoint) -> bool:
    """Whether a family of cycles has ended by shrinking to a Hopf point."""
    if "Hopf" not in family.ends[-1] or not family.table.sizes["step"]:
        return False
    last = {name: float(family.table[f"max_{name}"].values[-1] + family.table[f"min_{name}"].values[-1]) / 2
            for name in point.state}
    width = float(np.ptp(family.table[parameter].values)) or 1.0
    near = abs(float(family.table[parameter].values[-1]) - point.parameters[parameter]) <= 0.02 * width
    return near and all(abs(last[name] - value) <= 0.1 * (0.1 + abs(value)) for name, value in point.state.items())
