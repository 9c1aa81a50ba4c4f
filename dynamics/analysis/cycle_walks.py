"""One direction of a branch of cycles: steps, what happens on the way, and the name of its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dynamics.analysis.collocation import Variation
from dynamics.analysis.cycle_fields import CycleFields
from dynamics.analysis.cycle_grazing import beyond, grazing_point, touches
from dynamics.analysis.cycle_special_points import candidates, special_point
from dynamics.analysis.cycle_starts import Start
from dynamics.analysis.cycle_steps import CyclePoint, StepSizes, between, next_point, on_own_mesh, point_at
from dynamics.errors import ConvergenceError
from dynamics.results import SpecialPoint

__all__ = ["Walk"]

SHRUNK = 2e-4  # of the largest amplitude so far: smaller cycles have shrunk to a fixed point
APPROACHED = 1e-3  # of the range of the parameter, while the period grows by a quarter


@dataclass
class Walk:
    """One direction of a branch: points, special points by row, and the name of the end."""

    fields: CycleFields
    name: str
    bounds: tuple[float, float]
    longest: float
    most: int
    sizes: StepSizes
    points: list[CyclePoint] = field(default_factory=list)
    special: list[tuple[int, SpecialPoint]] = field(default_factory=list)
    end: str = ""

    def run(self, first: Start, sense: float) -> None:
        reference = first.direction
        if reference is None:
            count = len(first.orbit.durations)
            scalars = np.zeros(count + len(first.orbit.unknowns))
            scalars[count] = sense
            reference = Variation(np.zeros_like(first.orbit.nodes), np.zeros_like(first.orbit.stages), scalars)
        point = point_at(first.problem, first.orbit, reference, self.sizes.first)
        if point is None:
            raise ConvergenceError("continue_cycles: the first cycle has no tangent")
        point = on_own_mesh(point, self.sizes)
        self.points.append(point)
        while not self.end:
            if len(self.points) > self.most:
                self.end = "step limit"
                break
            found = next_point(point, self.sizes)
            if found is None:
                self.end = "step underflow" if self._drift(point) >= APPROACHED else self._homoclinic_end(point)
                break
            point = self._taken(point, *found)

    def _taken(self, before: CyclePoint, after: CyclePoint, distance: float) -> CyclePoint:
        value = float(after.parameters[0])
        low, high = self.bounds
        if self._reflected(before, after):
            self.end = self._birth(before, after)
            return before
        if (beyond_bound := value < low or value > high):
            landed, distance = self._landed(before, distance, low if value < low else high, lambda p: float(p.parameters[0]))
            self.end = f"{self.name} = {low if value < low else high:.10g}: bound reached"
        elif (beyond_bound := after.orbit.period > self.longest):
            landed, distance = self._landed(before, distance, self.longest, lambda p: p.orbit.period)
            self.end = self._homoclinic_end(landed or after)
        if beyond_bound:
            if landed is None:
                return before
            after = landed
        self._special(before, after, distance)
        if self.end and not beyond_bound:
            return after
        crossed = [touch for touch in touches(before, after) if not touch.terminal]
        if crossed:
            following = beyond(after, self.sizes.fineness)
            if following is None:
                self.end = f"the cycle crosses the border of '{crossed[0].name}'; no cycle of both regimes was found beyond"
            else:
                fresh = self._restarted(before, after, *following)
                if fresh is None:
                    self.end = "step underflow"
                else:
                    after = fresh
        if not beyond_bound:
            after = on_own_mesh(after, self.sizes)
        self.points.append(after)
        if not self.end and self._closed(after):
            self.end = "closed curve"
        return after

    def _restarted(self, before: CyclePoint, after: CyclePoint, problem: Any, orbit: Any) -> CyclePoint | None:
        """The point with other phases, going on in the direction of the parameter."""
        count = len(orbit.durations)
        scalars = np.zeros(count + len(orbit.unknowns))
        scalars[count] = after.tangent.scalars[before.problem.phases]
        scalars[:count] = after.tangent.scalars[0] / count
        reference = Variation(np.zeros_like(orbit.nodes), np.zeros_like(orbit.stages), scalars)
        return point_at(problem, orbit, reference, min(after.step, 0.1 * self.sizes.first), before.reach)

    def _special(self, before: CyclePoint, after: CyclePoint, distance: float) -> None:
        row = len(self.points)
        for touch in touches(before, after):
            found = grazing_point(after, touch)
            if found is not None:
                self.special.append((row, found))
            if touch.terminal and self._drift(after) < APPROACHED:
                self.end = self._homoclinic_end(after)
            elif touch.terminal:
                place = "" if found is None else f" at {self.name} = {found.parameters[self.name]:.10g}"
                self.end = f"grazing: the cycle touches '{touch.name}'{place} and bounds no basin beyond"
        if before.problem.structure != after.problem.structure:
            return
        for candidate in candidates(before, after):
            point = special_point(before, distance, after, candidate)
            if point is not None and not self._known(point):
                self.special.append((row, point))

    def _known(self, point: SpecialPoint) -> bool:
        """Whether the point is the one before, met again through rounding."""
        return any(other.kind == point.kind and row >= len(self.points) - 1 and all(
            abs(a - b) <= 1e-8 * max(1e-300, abs(a)) for a, b in
            ((other.parameters[self.name], point.parameters[self.name]), (other.period, point.period)))
            for row, other in self.special)

    def _landed(self, before: CyclePoint, distance: float, wanted: float, measure: Any
                ) -> tuple[CyclePoint | None, float]:
        """The point of the last step at which a quantity has a value, and the distance to it."""
        low, high, at_low, at_high = 0.0, distance, measure(before) - wanted, None
        best, best_share = None, distance
        for trial in range(30):
            share = high if at_high is None else (low * at_high - high * at_low) / (at_high - at_low)
            orbit = between(before, share)
            point = None if orbit is None else point_at(before.problem, orbit[0], before.tangent, before.step, before.reach)
            if point is None:
                return best, best_share
            value = measure(point) - wanted
            if trial:
                best, best_share = point, share
            if abs(value) <= 1e-12 * max(abs(wanted), 1e-3 * abs(self.bounds[1] - self.bounds[0])):
                return point, share
            if at_high is not None and value * at_high < 0:
                low, at_low = high, at_high
            elif at_high is not None:
                at_low *= 0.5
            high, at_high = share, value
        return best, best_share

    # ---- ends ------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _reflected(before: CyclePoint, after: CyclePoint) -> bool:
        """Whether the cycle has shrunk to a point and comes out on the other side."""
        if before.orbit.nodes.shape != after.orbit.nodes.shape or before.problem.phases > 1:
            return False
        shapes = [p.orbit.nodes[:-1] - p.orbit.weights @ p.orbit.nodes[:-1] for p in (before, after)]
        return float(np.sum(shapes[0] * shapes[1] / before.reach**2)) < 0 or bool(
            np.max((after.highs - after.lows) / after.reach) < SHRUNK)

    def _birth(self, before: CyclePoint, after: CyclePoint) -> str:
        spans = [float(np.max((p.highs - p.lows) / before.reach)) ** 2 for p in (before, after)]
        values = [float(p.parameters[0]) for p in (before, after)]
        # the parameter is quadratic in the amplitude
        place = (values[0] * spans[1] - values[1] * spans[0]) / (spans[1] - spans[0]) if spans[0] != spans[1] else values[1]
        return f"the cycle shrinks to a fixed point: Hopf bifurcation near {self.name} = {place:.5g}"

    def _homoclinic_end(self, point: CyclePoint) -> str:
        value, period = float(point.parameters[0]), point.orbit.period
        if self._drift(point) < APPROACHED:
            slow = self._slowest(point)
            return (f"period {period:.6g}: homoclinic approach, the period grows without bound at "
                    f"{self.name} = {value:.10g} (slow near {slow})")
        return f"period = {period:.6g}: bound reached"

    def _drift(self, point: CyclePoint) -> float:
        """How far the parameter moved while the period grew by a quarter, over its range; large where it did not grow."""
        earlier = next((p for p in reversed(self.points) if p.orbit.period < 0.8 * point.orbit.period), None)
        if earlier is None or point.orbit.period < 2 * self.points[0].orbit.period:
            return float("inf")
        return abs(float(earlier.parameters[0] - point.parameters[0])) / (self.bounds[1] - self.bounds[0])

    def _slowest(self, point: CyclePoint) -> str:
        """Where the cycle spends its time: close to the saddle that it approaches."""
        widths = np.diff(point.orbit.times)
        nodes = point.orbit.nodes
        speed = np.max(np.abs(np.diff(nodes, axis=0)) / point.reach, axis=1) / widths
        place = nodes[int(np.argmin(speed))]
        return ", ".join(f"{n} = {v:.4g}" for n, v in zip(self.fields.system.states, place, strict=True))

    def _closed(self, point: CyclePoint) -> bool:
        """Whether the branch has come back to its first cycle."""
        if len(self.points) < 10 or self.points[0].problem.structure != point.problem.structure:
            return False
        first, last = self.points[0], self.points[-2]
        gap = [float(p.parameters[0] - first.parameters[0]) for p in (last, point)]
        apart = np.abs(np.concatenate([point.highs - first.highs, point.lows - first.lows])) / np.tile(first.reach, 2)
        alike = max(float(np.max(apart)), abs(point.orbit.period / first.orbit.period - 1))
        count = point.problem.phases
        same_way = point.tangent.scalars[count] * first.tangent.scalars[count] > 0
        return bool(gap[0] * gap[1] <= 0 and alike < 0.05 and same_way)
