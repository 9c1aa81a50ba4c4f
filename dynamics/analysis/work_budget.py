"""How much one call may do and keep, and when it is plain that an integration will not reach its end within that.

A solution that ends in finite time, or oscillates ever faster on the way there, takes ever more steps for ever less time;
so does one whose duration holds a billion periods. Both are stopped once their pace says so, not when memory is full.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dynamics.errors import SpecificationError

__all__ = ["HOPELESS", "LOOK_EVERY", "LOOKS", "MOST_NUMBERS", "MOST_STEPS", "PIECE", "Work", "check_length", "check_numbers"]

MOST_NUMBERS = 100_000_000  # kept of one result in memory: 0.8 GB as doubles
MOST_STEPS = 1_000_000  # about 15 seconds, and 0.8 GB with every step kept
PIECE = 40              # steps that cost as much as starting anew at an event or a border
LOOK_EVERY = 40_000     # long enough to hold the fast and the slow phase of a relaxation oscillation
LOOKS = 2               # a transient may be slow; one that is slow twice has taken two seconds and 80 MB
HOPELESS = 3.0          # times the budget: a pace is no promise, so that only what is far beyond it is given up early
_ADVICE = ("the solution may end in finite time or change too fast for so long a path: take a shorter duration, a larger "
           "relative_tolerance, or a slower quantity in place of the fast one")


class Work:
    """Steps taken on the way from ``begun`` to ``end``."""

    def __init__(self, begun: float, end: float) -> None:
        self.end = end
        self.steps = 0
        self.looked_at, self.looked_after = begun, 0
        self.hopeless = 0

    def refused(self, time: float, steps: int = 1) -> str:
        """Count steps; say why there will be no more of them, or nothing.

        Parameters
        ----------
        time : float
            Reached so far.
        steps : int
            Taken since the last call.

        Returns
        -------
        str
            Empty as long as the integration may go on.
        """
        self.steps += steps
        if self.steps > MOST_STEPS:
            return f"more than {MOST_STEPS} steps by time {time:g}; {_ADVICE}"
        if self.steps < self.looked_after + LOOK_EVERY:
            return ""
        needed = self._needed(time)
        self.looked_at, self.looked_after = time, self.steps
        self.hopeless = self.hopeless + 1 if needed > HOPELESS * MOST_STEPS else 0
        if self.hopeless < LOOKS:
            return ""
        return (f"{self.steps} steps led to time {time:.12g}, and at the pace of the last ones time {self.end:g} is "
                f"{needed:.2g} steps away (at most {MOST_STEPS} are taken); {_ADVICE}")

    def _needed(self, time: float) -> float:
        """Steps to the end at the pace since the last look."""
        gone = time - self.looked_at
        taken = self.steps - self.looked_after
        return (self.end - time) / gone * taken if gone > 0 else math.inf


def check_numbers(count: int, what: str, advice: str) -> None:
    """Refuse a result that would not fit into memory.

    Parameters
    ----------
    count : int
        Numbers it would hold.
    what : str
        Their names, as ``"3000000 values of 'price_impact'"``.
    advice : str

    Raises
    ------
    SpecificationError
    """
    if count > MOST_NUMBERS:
        raise SpecificationError(f"{what} are {count} numbers, and a result in memory holds at most {MOST_NUMBERS}; "
                                 f"{advice}")


def check_length(values: Any, where: str) -> None:
    """Refuse a sequence that would not fit into memory before it is made an array (a range of 10**12 is small itself).

    Raises
    ------
    SpecificationError
    """
    if isinstance(values, Sequence) and len(values) > MOST_NUMBERS:
        check_numbers(len(values), where, "take fewer values")
