"""What is missed between the ends of steps: passages of events and extremes, estimated along the same paths.

Watched at times h apart, a Wiener process of amplitude s passes a barrier as if that were 0.5826 s sqrt(h) farther away
(-zeta(1/2)/sqrt(2 pi), to leading order). So beside every event a closer one is watched, whose level is nearer by that much,
and beside every quantity one that is so much larger, or smaller; s is the quantity's own amplitude where the path is, from
its exact gradient. What they see on the same paths is what watching without pause would have seen. The error of the steps
themselves is of the next order, and not in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Mul, Pow, Rational, Symbol

from dynamics.compiled.functions import functions_of
from dynamics.errors import DerivationError
from dynamics.results.provenance import STATUS
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.systems import Event, System

__all__ = ["FARTHER", "SHIFT", "Seen", "Watch", "corrected", "watch_of"]

Array = NDArray[np.float64]
FARTHER = 0.5825971579390106   # -zeta(1/2)/sqrt(2 pi)
SHIFT = Symbol("_shift")       # FARTHER sqrt(h), a parameter of compiled code; no name of a model begins with a line


@dataclass(frozen=True)
class Watch:
    """What is watched beside states, observables and events.

    Attributes
    ----------
    rows : tuple of int
        Places among states and observables of the quantities that noise moves.
    above, below : tuple of Expr
        Of each of them, larger and smaller by what is missed.
    events : tuple of (int, Event, Expr)
        Place of an event, direction, and level that is passed earlier.
    """

    rows: tuple[int, ...]
    above: tuple[Expr, ...]
    below: tuple[Expr, ...]
    events: tuple[tuple[int, Event, Expr], ...]

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return (*self.above, *self.below)


@dataclass(frozen=True)
class Seen:
    """What was seen beside states, observables and events: rows as in ``Watch``.

    Attributes
    ----------
    largest, smallest : array, shape (rows, paths)
    passage : array, shape (closer events, paths)
    """

    largest: Array
    smallest: Array
    passage: Array


def watch_of(system: System) -> Watch | None:
    """Return what is to be watched, or None where a derivative cannot be had."""
    names = list(functions_of(system).names)
    quantities = [Symbol(name) for name in names] + [system.resolve(e) for e in system._parsed.observables.values()]
    levels = [system.resolve(level) for level, _ in system._parsed.events.values()]
    try:
        amplitudes = _amplitudes(system, [*quantities, *levels])
    except DerivationError:
        return None
    moved = [row for row in range(len(quantities)) if amplitudes[row] != 0]
    missed = [Mul(SHIFT, amplitude) for amplitude in amplitudes]
    events = []
    for place, (event, level) in enumerate(zip(system.events.values(), levels, strict=True)):
        shift = missed[len(quantities) + place]
        for direction, closer in (("falling", level - shift), ("rising", level + shift)):
            if shift != 0 and event.direction in (direction, "both"):
                events.append((place, Event(event.expression, direction), closer))
    return Watch(tuple(moved), tuple(quantities[row] + missed[row] for row in moved),
                 tuple(quantities[row] - missed[row] for row in moved), tuple(events))


def _amplitudes(system: System, quantities: list[Expr]) -> list[Expr]:
    """Local amplitudes: the length of the gradient times the amplitudes of the sources."""
    names = list(functions_of(system).names)
    columns = [{name: system.resolve(e) for name, e in column.items()} for column in system._parsed.noise.values()]
    slopes = jacobian_matrix(quantities, [Symbol(name) for name in names])
    found = []
    for row in range(len(quantities)):
        gradient = dict(zip(names, slopes[row * len(names):(row + 1) * len(names)], strict=True))
        parts = [Add(*(Mul(gradient[name], e) for name, e in column.items())) for column in columns]
        # no absolute value: of complex symbols, as these are, it becomes what compiled code does not have
        found.append(Pow(Add(*(part**2 for part in parts)), Rational(1, 2)))
    return found


def corrected(system: System, watch: Watch, seen: Seen, found: Any, start: Array, h: float) -> dict[str, Array]:
    """Return ``largest``, ``smallest`` (rows of all quantities) and ``passage`` as they were without the pauses.

    Parameters
    ----------
    found : NoisyPaths
        What the paths themselves showed.
    start : array, shape (dimension,)
    h : float
        The step.
    """
    largest, smallest, passage = found.largest.copy(), found.smallest.copy(), found.passage.copy()
    # a path that has ended at an event has its extremes there, or before
    going = found.status != STATUS["event"]
    for place, row in enumerate(watch.rows):
        largest[row] = np.where(going, np.fmax(largest[row], seen.largest[place]), largest[row])
        smallest[row] = np.where(going, np.fmin(smallest[row], seen.smallest[place]), smallest[row])
    inside = _inside(system, watch, start, h)
    for place, (event, _, _) in enumerate(watch.events):
        earlier = np.zeros_like(passage[event]) if inside[place] else seen.passage[place]
        passage[event] = np.fmin(passage[event], earlier)
    terminal = [event.terminal for event in system.events.values()]
    end = np.fmin.reduce(passage[terminal], axis=0, initial=np.inf)
    # an event after the end of the path does not happen; within a step the straight line does not know which came first
    return {"largest": largest, "smallest": smallest, "passage": np.where(passage <= end + h, passage, np.nan)}


def _inside(system: System, watch: Watch, start: Array, h: float) -> list[bool]:
    """Whether the start lies between an event and its closer one, from which nearly every path reaches the event."""
    functions = functions_of(system)
    both = [e for place, _, closer in watch.events
            for e in (list(system._parsed.events.values())[place][0], closer)]
    shift = np.array([FARTHER * math.sqrt(h)])
    levels = functions.lane_function(both, SHIFT)(np.zeros(1), start[:, None], functions.parameters(system), shift)[:, 0]
    sides: Mapping[str, float] = {"falling": 1.0, "rising": -1.0}
    return [bool(sides[event.direction] * levels[2 * k] > 0 >= sides[event.direction] * levels[2 * k + 1])
            for k, (_, event, _) in enumerate(watch.events)]
