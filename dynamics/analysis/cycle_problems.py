"""Cycles of a System as boundary value problems: phases between borders, what fixes their time origin, first guesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Float

from dynamics.analysis.collocation import Condition, Orbit, OrbitProblem, Variation, corrected_orbit, state_scale
from dynamics.analysis.cycle_fields import KINDS, CycleFields
from dynamics.analysis.floquet import Multipliers, multipliers
from dynamics.analysis.orbit_meshes import Interpolant, adapted, interpolated, sampled

__all__ = ["CycleProblem", "Structure", "along", "fixed_scalar", "segmented"]

Array = NDArray[np.float64]
SAMPLES = 2000
INSIDE = -1e-9


@dataclass(frozen=True)
class Structure:
    """Which piece holds in each phase, and the level (of that piece) that is zero at its end; none in a single phase."""

    pieces: tuple[int, ...]
    exits: tuple[int, ...] = ()


def fixed_scalar(place: int, value: float) -> Condition:
    """Return the condition that one scalar (durations first, then unknowns) has a value."""
    def condition(orbit: Orbit) -> tuple[float, Array, Array]:
        by_scalars = np.zeros(len(orbit.durations) + len(orbit.unknowns))
        by_scalars[place] = 1.0
        scalar = orbit.durations[place] if place < len(orbit.durations) else orbit.unknowns[place - len(orbit.durations)]
        return float(scalar) - value, np.zeros_like(orbit.nodes), by_scalars

    return condition


def along(origin: Orbit, by_nodes: Array, by_scalars: Array, distance: float) -> Condition:
    """Return the condition that the product of a row with the way from ``origin`` is ``distance``."""
    def condition(orbit: Orbit) -> tuple[float, Array, Array]:
        change = np.concatenate([orbit.durations - origin.durations, orbit.unknowns - origin.unknowns])
        way = float(np.sum(by_nodes * (orbit.nodes - origin.nodes)) + by_scalars @ change)
        return way - distance, by_nodes, by_scalars

    return condition


@dataclass(frozen=True)
class CycleProblem:
    """The cycles of a system with one structure.

    Attributes
    ----------
    fields : CycleFields
    structure : Structure
    invariants : tuple of float
        Values of the conserved quantities.
    spans : tuple of float
        Typical sizes of the free parameters.
    """

    fields: CycleFields
    structure: Structure
    invariants: tuple[float, ...]
    spans: tuple[float, ...]

    @property
    def phases(self) -> int:
        """Number of phases."""
        return len(self.structure.pieces)

    def at(self, reference: Orbit, kind: str = "orbit") -> OrbitProblem:
        """Return the boundary value problem near a reference orbit (extended according to ``kind``).

        It has as many conditions as scalars less the number of free parameters; extended ones lack their norm.
        """
        fields, n, count = self.fields, self.fields.dimension, self.phases
        extra = self.extra(kind)
        pieces = tuple(fields.field(piece, kind, (extra, phase if kind in ("fold", "flip") else 0))
                       for phase, piece in enumerate(self.structure.pieces))
        conditions = [*self._phase_conditions(reference, 0), *self._conserved(0)]
        if kind == "fold":
            conditions += [*self._phase_conditions(reference, 1), *self._conserved(1)]
        elif kind == "flip" and count > 1:
            conditions += self._phase_conditions(reference, 1)
        elif kind == "branch":
            for copy in (1, 2):
                conditions += [*self._phase_conditions(reference, copy), *self._conserved(copy)]
        twist = np.ones(n * (1 + KINDS[kind]))
        if kind == "flip":
            twist[n:] = -1.0
        period = reference.period
        frictions = [1.0] * len(fields.conserved)
        sizes = [1 / period] * extra if kind == "torus" else [1.0] * extra
        return OrbitProblem(pieces, twist, tuple(conditions), np.array([*[period] * count, *self.spans, *frictions, *sizes]))

    def extra(self, kind: str) -> int:
        """Number of unknowns that an extended system has besides the parameters."""
        kept = len(self.fields.conserved)
        return {"orbit": 0, "fold": self.phases + kept, "flip": self.phases if self.phases > 1 else 0, "torus": 1,
                "branch": 3 + 2 * kept}[kind]

    def _phase_conditions(self, reference: Orbit, copy: int) -> list[Condition]:
        if self.phases > 1:
            return [self.fields.at_node(self.fields.levels(piece)[level].expression, phase, last=True, copy=copy)
                    for phase, (piece, level) in enumerate(zip(self.structure.pieces, self.structure.exits, strict=True))]
        n = self.fields.dimension
        nodes = reference.nodes[:, :n]
        widths = np.diff(reference.times)
        rate = np.empty_like(nodes[:-1])
        rate[1:] = (nodes[2:] - nodes[:-2]) / (widths[1:] + widths[:-1])[:, None]
        rate[0] = (nodes[1] - nodes[-2]) / (widths[0] + widths[-1])
        row = reference.weights[:, None] * rate / state_scale(nodes) ** 2
        by_nodes = np.zeros_like(reference.nodes) if copy == 0 else None
        row /= np.abs(row).max()

        def condition(orbit: Orbit) -> tuple[float, Array, Array]:
            full = np.zeros_like(orbit.nodes)
            full[:-1, copy * n: (copy + 1) * n] = row
            way = orbit.nodes[:, copy * n: (copy + 1) * n] - (nodes if by_nodes is not None else 0.0)
            return float(np.sum(row * way[:-1])), full, np.zeros(len(orbit.durations) + len(orbit.unknowns))

        return [condition]

    def _conserved(self, copy: int) -> list[Condition]:
        return [self.fields.at_node(expression - Float(value, 20), 0, copy=copy)
                for expression, value in zip(self.fields.conserved, self.invariants, strict=True)]

    # ---- what is read from an orbit ----------------------------------------------------------------------------------

    def interpolant(self, orbit: Orbit) -> Interpolant:
        """The orbit between its mesh points."""
        return interpolated(orbit, [self.fields.speed(piece) for piece in self.structure.pieces], self.fields.dimension)

    def multipliers(self, orbit: Orbit, linear: Any) -> Multipliers:
        """Multipliers, with saltation matrices where the field jumps at a border."""
        n = self.fields.dimension
        gradients = [self.fields.at_node(expression, 0)(orbit)[1][0, :n] for expression in self.fields.conserved]
        return multipliers(linear, n, self.saltations(orbit), np.array(gradients).reshape(-1, n), orbit.scale[:n])

    def saltations(self, orbit: Orbit) -> list[tuple[int, Array]]:
        """(last interval of a phase, saltation matrix) for each border that is crossed."""
        if self.phases == 1:
            return []
        found, n = [], self.fields.dimension
        for phase, (piece, level) in enumerate(zip(self.structure.pieces, self.structure.exits, strict=True)):
            node = orbit.starts[phase + 1]
            state = orbit.nodes[node, :n, None]
            following = self.structure.pieces[(phase + 1) % self.phases]
            before = self.fields.speed(piece)(state, orbit.unknowns)[0][:, 0]
            after = self.fields.speed(following)(state, orbit.unknowns)[0][:, 0]
            condition = self.fields.at_node(self.fields.levels(piece)[level].expression, phase, last=True)
            normal = condition(orbit)[1][node, :n]
            found.append((node - 1, np.eye(n) + np.outer(after - before, normal) / (normal @ before)))
        return found

    def levels(self, orbit: Orbit, interpolant: Interpolant) -> list[tuple[int, int, float, float]]:
        """(phase, level, smallest value over largest size, its time) of all levels but the exits of their phases."""
        found = []
        for phase, piece in enumerate(self.structure.pieces):
            low, high = orbit.starts[phase], orbit.starts[phase + 1]
            times, states = interpolant.fine(low, high)
            values = self.fields.level_values(piece)(states.T, orbit.unknowns)
            ends = {self.structure.exits[phase]} if self.phases > 1 else set()
            if self.phases > 1:
                # the border through which the phase is entered is zero at its start
                ends |= {k for k in range(len(values)) if abs(values[k, 0]) <= 1e-7 * np.abs(values[k]).max()}
            for level in range(len(values)):
                inner = values[level] / max(float(np.abs(values[level]).max()), 1e-300)
                if level in ends:
                    # a second crossing inside the phase shows between its ends
                    inside = slice(len(inner) // 20 + 1, -(len(inner) // 20) - 1)
                    place = int(np.argmin(inner[inside])) + inside.start
                    if inner[place] < -1e-6:
                        found.append((phase, level, float(inner[place]), float(times[place])))
                    continue
                place = int(np.argmin(inner))
                found.append((phase, level, float(inner[place]), float(times[place])))
        return found

    def with_structure(self, structure: Structure) -> CycleProblem:
        """The problem with other phases."""
        return replace(self, structure=structure)

    def refined(self, orbit: Orbit, fineness: float, conditions: Callable[[Orbit], Sequence[Condition]], rounds: int = 3,
                kind: str = "orbit") -> Orbit | None:
        """Return the orbit corrected on meshes that follow it; ``conditions`` complete the problem at each mesh."""
        for _ in range(rounds):
            found = corrected_orbit(self.at(orbit, kind).with_conditions(*conditions(orbit)), orbit, most=12)
            if found is None:
                return None
            before, orbit = len(found[0].nodes), adapted(found[0], fineness)
            if abs(len(orbit.nodes) - before) <= 0.1 * before:
                break
        found = corrected_orbit(self.at(orbit, kind).with_conditions(*conditions(orbit)), orbit, most=12)
        return None if found is None else found[0]


def segmented(fields: CycleFields, state: Callable[[Array], Array], period: float, unknowns: Array, spans: Sequence[float],
              count: int = 4, intervals: int = 40) -> tuple[CycleProblem, Orbit] | None:
    """Cut a closed path into phases, each in one piece of the field.

    Parameters
    ----------
    fields : CycleFields
    state : callable
        ``state(times)``: times in [0, period], shape (L,) -> (L, n).
    period : float
    unknowns : ndarray
    spans : sequence of float
        Typical sizes of the free parameters.
    count, intervals : int
        Gauss points of an interval, intervals of the first mesh.

    Returns
    -------
    (CycleProblem, Orbit) or None
        None where no piece holds somewhere on the path.
    """
    from scipy.optimize import brentq

    def wrapped(times: Array) -> Array:
        return state(np.mod(times, period))

    times = np.linspace(0.0, period, SAMPLES + 1)
    states = state(times)
    start = states[0]
    invariants = tuple(float(v) for v in _conserved_values(fields, start, unknowns))
    if len(fields.pieces) == 1:
        problem = CycleProblem(fields, Structure((0,)), invariants, tuple(spans))
        mesh = np.linspace(0.0, 1.0, intervals + 1)
        return problem, sampled(lambda _, s: wrapped(s * period) if s[-1] < 1 else state(s * period), [mesh],
                                np.array([period]), unknowns, count)
    borders = [len([level for level in fields.levels(k) if not level.terminal]) for k in range(len(fields.pieces))]
    lowest = np.array([fields.level_values(k)(states.T, unknowns)[:borders[k]].min(axis=0, initial=np.inf)
                       for k in range(len(fields.pieces))])
    which = np.argmax(lowest, axis=0)
    if np.any(lowest.max(axis=0) < INSIDE):
        return None
    changes = np.flatnonzero(np.diff(which))
    if changes.size == 0:
        problem = CycleProblem(fields, Structure((int(which[0]),)), invariants, tuple(spans))
        mesh = np.linspace(0.0, 1.0, intervals + 1)
        return problem, sampled(lambda _, s: state(s * period), [mesh], np.array([period]), unknowns, count)
    crossings, exits = [], []
    for place in changes:
        piece = int(which[place])
        after = fields.level_values(piece)(states[place + 1][:, None], unknowns)[:borders[piece], 0]
        level = int(np.argmin(after))

        def height(time: float, piece: int = piece, level: int = level) -> float:
            return float(fields.level_values(piece)(state(np.array([time])).T, unknowns)[level, 0])

        low, high = float(times[place]), float(times[place + 1])
        crossings.append(float(brentq(height, low, high)) if height(low) * height(high) < 0 else high)
        exits.append(level)
    # the origin of time moves to the first crossing
    pieces = [int(which[place]) for place in changes[1:]] + [int(which[changes[0]])]
    exits = [*exits[1:], exits[0]]
    marks = [*crossings, crossings[0] + period]
    durations = np.diff(marks)
    share = np.maximum(8, np.round(intervals * durations / period)).astype(int)
    meshes = [np.linspace(0.0, 1.0, k + 1) for k in share]
    problem = CycleProblem(fields, Structure(tuple(pieces), tuple(exits)), invariants, tuple(spans))
    return problem, sampled(lambda phase, s: wrapped(marks[phase] + s * durations[phase]), meshes, durations, unknowns,
                            count)


def _conserved_values(fields: CycleFields, state: Array, unknowns: Array) -> list[float]:
    values: Mapping[Any, Any] = dict(zip(fields.states, state.tolist(), strict=True)) | dict(
        zip(fields.parameters, fields.arguments(unknowns), strict=True))
    return [float(expression.xreplace(dict(values)).evalf()) for expression in fields.conserved]


def extended(problem: CycleProblem, orbit: Orbit, copies: Sequence[tuple[Array, Array]], scalars: Sequence[float]) -> Orbit:
    """Return an orbit of the extended system: copies are (nodes, stages) of variations, scalars their unknowns."""
    return Orbit(orbit.meshes, np.concatenate([orbit.nodes, *(nodes for nodes, _ in copies)], axis=1),
                 np.concatenate([orbit.stages, *(stages for _, stages in copies)], axis=2), orbit.durations,
                 np.concatenate([orbit.unknowns, scalars]))


def unit_variation(variation: Variation, size: float) -> Variation:
    """Return the variation divided by a length."""
    return Variation(variation.nodes / size, variation.stages / size, variation.scalars / size)
