"""Bifurcations of cycles in two parameters: folds, period doublings and torus bifurcations as curves."""

from __future__ import annotations

import time as _time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.collocation import Condition, Orbit, Variation, corrected_orbit, linearized, moved, tangent_of
from dynamics.analysis.cycle_curve_points import curve_points
from dynamics.analysis.cycle_fields import CycleFields
from dynamics.analysis.cycle_problems import CycleProblem, along, fixed_scalar, unit_variation
from dynamics.analysis.cycle_special_points import KIND, RESOLVED, norms, plain, polished, settled
from dynamics.analysis.cycle_starts import at_state
from dynamics.analysis.cycle_steps import point_at, product, row_of
from dynamics.analysis.orbit_meshes import adapted, remeshed, smoothness
from dynamics.errors import ConvergenceError, SpecificationError, did_you_mean
from dynamics.results import Branch, SpecialPoint, provenance
from dynamics.results.branches import branch
from dynamics.systems import System

__all__ = ["CYCLE_KINDS", "continue_cycle_curve"]

Array = NDArray[np.float64]
CYCLE_KINDS = {kind: name for name, kind in KIND.items() if name != "branch"}
FINENESS, TURN, SMALLEST = 0.35, 0.2, 1e-6


def continue_cycle_curve(system: System, start: SpecialPoint, parameters: Sequence[str],
                         bounds: Mapping[str, tuple[float, float]], *, step: float = 0.01, largest_step: float = 0.05,
                         most_steps: int = 200, collocation_points: int = 4) -> Branch:
    """continue_cycle_curve(system, branch["LPC1"], ("a", "b"), {"a": (0, 1), "b": (0, 2)}): a bifurcation of cycles.

    Parameters
    ----------
    system : System
        Autonomous flow.
    start : SpecialPoint
        fold_of_cycles, period_doubling or neimark_sacker of a cycle of a flow.
    parameters : (str, str)
    bounds : mapping of str to (float, float)
    step, largest_step : float
        A change by the whole orbit, period or range of a parameter is 1.
    most_steps : int
        In each of the two directions.
    collocation_points : int

    Returns
    -------
    Branch
        Dim ``step``: both parameters, ``period``, extremes of the states, and for neimark_sacker ``angle``, the angle in
        radian by which the critical pair turns in one period. Special points of cycles: cusp, fold_flip, and resonances
        1:1 to 1:4; the last two are polished, the others located to the nearest step (``status``). Generalized period
        doublings are not looked for.

    Raises
    ------
    SpecificationError
        For another start, unknown parameters or a start out of bounds.
    ConvergenceError
        Where the start is not reached by Newton's method.

    Examples
    --------
    >>> import dynamics as dy
    >>> size = "(x**2 + y**2)"
    >>> system = dy.System(name="Bautin", states={"x": 0.0, "y": 0.0}, parameters={"mu": 0.0, "nu": 1.0},
    ...     equations={"x": f"x*(mu + nu*{size} - {size}**2) - y", "y": f"y*(mu + nu*{size} - {size}**2) + x"})
    >>> born = dy.results.SpecialPoint("hopf", "HB1", {"x": 0.0, "y": 0.0}, {"mu": 0.0, "nu": 1.0})
    >>> fold = dy.continue_cycles(system, born, "mu", (-1, 0.1))["LPC1"]
    >>> curve = continue_cycle_curve(system, fold, ("mu", "nu"), {"mu": (-1, 0.1), "nu": (0.9, 1.1)})
    >>> float(abs(curve.table["mu"] + curve.table["nu"] ** 2 / 4).max()) < 1e-8
    True
    """
    started = _time.perf_counter()
    names = tuple(parameters)
    _checked(system, start, names, bounds)
    system = system.with_parameters({n: float(v) for n, v in start.parameters.items() if n in system.parameters})
    spans = tuple(float(bounds[n][1] - bounds[n][0]) for n in names)
    kind = CYCLE_KINDS[start.kind]
    problem, orbit = _extended_start(system, start, names, spans, kind, collocation_points)
    curves = []
    for sense in (-1.0, 1.0):
        curve = _Curve(problem, kind, names, [tuple(map(float, bounds[n])) for n in names], largest_step, most_steps)
        curve.run(orbit, sense, step)
        curves.append(curve)
    points = curves[0].orbits[:0:-1] + curves[1].orbits
    return _assembled(system, problem, kind, names, points, (curves[0].end, curves[1].end), started)


def _checked(system: System, start: Any, names: tuple[str, ...], bounds: Mapping[str, tuple[float, float]]) -> None:
    if not isinstance(start, SpecialPoint) or start.kind not in CYCLE_KINDS or not np.isfinite(start.period):
        raise SpecificationError("start must be a fold_of_cycles, period_doubling or neimark_sacker of a cycle")
    if len(names) != 2 or names[0] == names[1]:
        raise SpecificationError(f"parameters must be two different names, not {names!r}")
    for name in names:
        if name not in system.parameters:
            raise SpecificationError(f"'{name}' is not a parameter of '{system.name}'."
                                     + did_you_mean(name, system.parameters))
        if name not in bounds:
            raise SpecificationError(f"bounds: none for '{name}'")
        low, high = bounds[name]
        if not low <= start.parameters[name] <= high:
            raise SpecificationError(f"bounds: {name} = {start.parameters[name]:.10g} at the start must lie within "
                                     f"[{low:g}, {high:g}]")


def _extended_start(system: System, start: SpecialPoint, names: tuple[str, ...], spans: tuple[float, ...], kind: str,
                    gauss: int) -> tuple[CycleProblem, Orbit]:
    """The extended solution at the start, found with the first parameter free, as one with both free."""
    single = at_state(CycleFields(system, names[:1]), start.state, start.period, start.parameters, spans[:1], gauss)
    point = point_at(single.problem, single.orbit, None, 0.01)
    solved = None if point is None else polished(point, kind)
    if solved is None:
        raise ConvergenceError(f"continue_cycle_curve: {start.label or start.kind} was not found again; "
                               "start from a polished point")
    found = adapted(solved[1], FINENESS)
    fields = CycleFields(system, names)
    unknowns = np.concatenate([found.unknowns[:1], [start.parameters[names[1]]], found.unknowns[1:]])
    problem = replace(single.problem, fields=fields, spans=spans)
    orbit = replace(found, unknowns=unknowns)
    again = corrected_orbit(problem.at(orbit, kind).with_conditions(
        *norms(problem, orbit, kind), fixed_scalar(problem.phases + 1, float(unknowns[1]))), orbit, most=12)
    if again is None:
        raise ConvergenceError("continue_cycle_curve: the extended system at the start was not solved")
    return problem, again[0]


@dataclass
class _Curve:
    """One direction of a curve."""

    problem: CycleProblem
    kind: str
    names: tuple[str, ...]
    bounds: list[Any]
    largest: float
    most: int
    orbits: list[Orbit] = field(default_factory=list)
    end: str = ""

    def run(self, orbit: Orbit, sense: float, step: float) -> None:
        count = len(orbit.durations)
        tangent = self._tangent(orbit, None)
        if tangent.scalars[count] * sense < 0:
            tangent = unit_variation(tangent, -1.0)
        self.orbits.append(orbit)
        while not self.end:
            if len(self.orbits) > self.most:
                self.end = "step limit"
                return
            found = self._step(orbit, tangent, step)
            if found is None:
                self.end = "step underflow"
                return
            orbit, tangent, step = found
            values = orbit.unknowns[:2]
            for name, value, (low, high), k in zip(self.names, values, self.bounds, (0, 1), strict=True):
                if not low <= value <= high:
                    bound = low if value < low else high
                    landed = self._fixed(orbit, count + k, bound)
                    orbit = orbit if landed is None else landed
                    self.end = f"{name} = {bound:.10g}: bound reached"
            self.orbits.append(orbit)

    def _equations(self, orbit: Orbit) -> Any:
        return self.problem.at(orbit, self.kind).with_conditions(*norms(self.problem, orbit, self.kind))

    def _reach(self, orbit: Orbit) -> Array:
        n = self.problem.fields.dimension
        return np.maximum(orbit.scale[:n], 0.2 * np.abs(orbit.nodes[:, :n]).max(axis=0))

    def _tangent(self, orbit: Orbit, reference: Variation | None) -> Variation:
        tangent, reach = tangent_of(self._equations(orbit), orbit), self._reach(orbit)
        tangent = unit_variation(tangent, np.sqrt(product(orbit, tangent, tangent, self.problem.spans, reach)))
        if reference is not None and product(orbit, tangent, reference, self.problem.spans, reach) < 0:
            tangent = unit_variation(tangent, -1.0)
        return tangent

    def _fixed(self, orbit: Orbit, place: int, value: float) -> Orbit | None:
        found = corrected_orbit(self._equations(orbit).with_conditions(fixed_scalar(place, value)), orbit, most=12)
        return None if found is None else found[0]

    def _step(self, orbit: Orbit, tangent: Variation, step: float) -> tuple[Orbit, Variation, float] | None:
        while step >= SMALLEST:
            reach = self._reach(orbit)
            way = along(orbit, *row_of(orbit, tangent, self.problem.spans, reach), step)
            found = corrected_orbit(self._equations(orbit).with_conditions(way), moved(orbit, tangent, step),
                                    tolerance=1e-10, most=8)
            if found is not None:
                reached, count = found[0], found[1]
                following = self._tangent(reached, tangent)
                cosine = product(orbit, tangent, following, self.problem.spans, reach) / np.sqrt(
                    product(orbit, following, following, self.problem.spans, reach))
                turn = float(np.arccos(min(1.0, max(-1.0, cosine))))
                if turn < 2 * TURN:
                    grown = min(TURN / turn if turn > 0 else 2.0, 1.5 if count <= 4 else 0.8)
                    return *self._on_own_mesh(reached, following), min(self.largest, step * max(0.4, grown))
            step /= 2.5
        return None

    def _on_own_mesh(self, orbit: Orbit, tangent: Variation) -> tuple[Orbit, Variation]:
        if 0.5 * FINENESS <= smoothness(orbit)[1] <= 1.4 * FINENESS:
            return orbit, tangent
        fresh = adapted(orbit, FINENESS, 400)
        carried = remeshed(replace(orbit, nodes=tangent.nodes, stages=tangent.stages), fresh.meshes)
        direction = Variation(carried.nodes, carried.stages, tangent.scalars)
        count = len(orbit.durations)
        sizes = np.abs(tangent.scalars[count: count + 2]) / self.problem.spans
        place = int(np.argmin(sizes))
        solved = self._fixed(fresh, count + 1 - place, float(orbit.unknowns[1 - place]))
        return (orbit, tangent) if solved is None else (solved, self._tangent(solved, direction))


def _assembled(system: System, problem: CycleProblem, kind: str, names: tuple[str, ...], orbits: list[Orbit],
               ends: tuple[str, str], started: float) -> Branch:
    columns: dict[str, Any] = {name: np.array([o.unknowns[k] for o in orbits]) for k, name in enumerate(names)}
    columns["period"] = np.array([o.period for o in orbits])
    if kind == "torus":
        columns["angle"] = np.array([abs(o.unknowns[-1]) * o.period for o in orbits])
    bare = [plain(problem, o) for o in orbits]
    limits = [problem.interpolant(o).extremes() for o in bare]
    for j, state in enumerate(system.states):
        columns[f"min_{state}"] = np.array([low[j] for low, _ in limits])
        columns[f"max_{state}"] = np.array([high[j] for _, high in limits])
        columns[state] = np.array([o.nodes[0, j] for o in bare])
    modes = np.array([problem.multipliers(o, linearized(problem.at(o), o)).values for o in bare], dtype=complex)
    units = {name: system.parameters[name].unit for name in names} | {"period": system.time_unit}
    attributes = provenance("branch", system, method="orthogonal collocation of the extended system", status="completed",
                            ends=list(ends), wall_time_s=_time.perf_counter() - started)

    def solve(orbit: Orbit, condition: Condition) -> tuple[Orbit, float, float] | None:
        found = settled(problem, orbit, lambda guess: corrected_orbit(
            problem.at(guess, kind).with_conditions(*norms(problem, guess, kind), condition), guess, most=12))
        return None if found is None or found[3] < RESOLVED else found[1:]

    special = curve_points(problem, kind, orbits, modes, solve)
    return branch(f"{KIND[kind]} curve", columns, list(names), special, ends, attributes, eigenvalues=modes, time="discrete",
                  units=units)
