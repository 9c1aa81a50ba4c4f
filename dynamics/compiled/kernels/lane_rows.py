"""How the numbers of a lane lie in memory: one row for each number, one column for each lane."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dynamics.compiled.kernels.ir import Builder, Value

__all__ = ["OPTIONS", "RUNNING", "STIFF", "Layout", "Rows"]

# Beside the codes of LaneStatus: still under way, and waiting for the stiff method.
RUNNING, STIFF = -1.0, -2.0
# Options of a run, before the absolute tolerances of the states.
OPTIONS = ("relative_tolerance", "max_steps", "divergence", "root_of_divergence")


@dataclass(frozen=True)
class Layout:
    """Names and places of the rows.

    Attributes
    ----------
    dimension, parameters, switches, events, running : int
        How many states, parameters, switching quantities, events and running quantities there are.
    """

    dimension: int
    parameters: int
    switches: int
    events: int
    running: int

    @cached_property
    def _groups(self) -> dict[str, int]:
        return {
            # what changes
            "time": 1, "state": self.dimension, "step": 1, "error": 1, "steps": 1, "rejected": 1, "hits": 1, "stiffness": 1,
            "status": 1, "event": 1, "resume": 1, "trials": 1, "trouble": 1, "fresh": 1, "bias": self.switches,
            "side": self.events, "count": self.events, "first": self.events,
            "maximum": self.running, "minimum": self.running, "fall": self.running, "last": self.running,
            # what does not
            "stop": 1, "parameter": self.parameters,
        }

    @cached_property
    def _places(self) -> dict[str, int]:
        places, place = {}, 0
        for name, size in self._groups.items():
            places[name] = place
            place += size
        return {**places, "": place}

    def row(self, name: str, number: int = 0) -> int:
        """Return the place of a row."""
        return self._places[name] + number

    def rows(self, name: str) -> slice:
        """Return the places of all rows of a name."""
        return slice(self._places[name], self._places[name] + self._groups[name])

    @property
    def changing(self) -> int:
        """Number of rows that change; they come first."""
        return self._places["stop"]

    @property
    def size(self) -> int:
        """Number of rows."""
        return self._places[""]


class Rows:
    """The rows of the lanes of one vector, in memory."""

    def __init__(self, build: Builder, layout: Layout, buffer: Value) -> None:
        self.build, self.layout, self.buffer = build, layout, buffer

    def place(self, name: str, number: int = 0) -> Value:
        return self.build.at(self.buffer, self.layout.row(name, number) * self.build.width)

    def get(self, name: str, number: int = 0) -> Value:
        return self.build.load(self.place(name, number))

    def set(self, name: str, value: Value, number: int = 0) -> None:
        self.build.store(self.place(name, number), self.build.lift(value, self.build.doubles))
