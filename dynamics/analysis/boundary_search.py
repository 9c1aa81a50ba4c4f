"""Two states on either side of a basin boundary, brought together on the segment between them.

Bisection gains one bit for each trajectory. Where the other outcome is an event, the time until it happens tells more:
a path that starts at a distance d from the boundary leaves it after a time that grows as -ln(d)/rate, so two such times
point at the boundary itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoundarySearch"]

Array = NDArray[np.float64]
HALVINGS = 80
CLOSER = 0.03  # share of the distance to the boundary that is left after a step
MOST, MISSES = 16, 3  # trajectories of a search, and searches in a row that took them all: the law does not hold


@dataclass
class BoundarySearch:
    """Brings pairs of states together; learns the rate at which paths leave the boundary.

    Attributes
    ----------
    outcome : callable
        ``outcome(state)`` -> (whether the outcome is that of the first state, time of the event or nan).
    """

    outcome: Callable[[Array], tuple[bool, float]]
    rate: float = math.nan
    misses: int = 0
    _late: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, low: Array, high: Array, tolerance: float, size: Array) -> tuple[Array, Array]:
        """Two states on the segment, closer than ``tolerance`` in units of ``size``, with the outcomes of its ends."""
        way = high - low
        length = float(np.max(np.abs(way) / size))
        if length <= tolerance:
            return low, high
        wanted = tolerance / length
        self._late = []
        a, b = self._hastened(low, way, wanted) if math.isfinite(self.rate) and self.misses < MISSES else (0.0, 1.0)
        for _ in range(HALVINGS):
            if b - a <= wanted:
                break
            middle = (a + b) / 2
            if self._same(low, way, middle):
                a = middle
            else:
                b = middle
        self._learn((a + b) / 2)
        return low + a * way, low + b * way

    def _same(self, low: Array, way: Array, place: float) -> bool:
        same, time = self.outcome(low + place * way)
        if not same and math.isfinite(time):
            self._late.append((place, time))
        return same

    def _learn(self, boundary: float) -> None:
        """The rate of departure from two times, once the boundary is known."""
        far = [(p - boundary, t) for p, t in self._late if p > boundary]
        if len(far) < 2:
            return
        # the nearest two that the last bits of the bracket do not blur
        (d1, t1), (d2, t2) = sorted(far, reverse=True)[-4:-2] if len(far) >= 4 else sorted(far, reverse=True)[:2]
        if d1 > d2 > 0 and t2 > t1:
            self.rate = math.log(d1 / d2) / (t2 - t1)

    def _hastened(self, low: Array, way: Array, wanted: float) -> tuple[float, float]:
        """A bracket made with few trajectories; a wide one where departures do not follow the law."""
        a, b = 0.0, 1.0
        self._same(low, way, b)
        for _ in range(8):
            if len(self._late) != 1:
                break
            middle = (a + b) / 2
            a, b = (middle, b) if self._same(low, way, middle) else (a, middle)
        share, spent = CLOSER, 0
        while b - a > wanted and len(self._late) >= 2 and spent < MOST:
            (p1, t1), (p2, t2) = sorted(self._late, reverse=True)[-2:]
            ratio = math.exp(-self.rate * (t2 - t1)) if t2 > t1 else 1.0
            guess = (p2 - ratio * p1) / (1 - ratio) if ratio < 1 else -math.inf
            low_end = max(a, guess)
            gap = b - low_end
            if guess >= b or share >= 1:
                place = (a + b) / 2
            elif gap > wanted / 4:
                # from the side of the event, whose paths are short
                place = low_end + share * gap
            else:
                # once from the other side in the end
                place = max((a + low_end) / 2, low_end - 2 * gap)
            if not a < place < b:
                break
            spent += 1
            if self._same(low, way, place):
                a, share = place, 5 * share
            else:
                b, share = place, CLOSER
        self.misses = self.misses + 1 if spent >= MOST else 0
        return a, b
