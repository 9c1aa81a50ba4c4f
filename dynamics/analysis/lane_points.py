"""Fixed points and their stability at many parameter sets at once: closed forms evaluated over arrays, or followed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Symbol

from dynamics.analysis.closed_forms import Candidate, known_candidates
from dynamics.analysis.continued_points import carried, starting_rests
from dynamics.analysis.lane_borders import growth_on_borders, is_rest, on_border, special_lanes
from dynamics.compiled.functions import SystemFunctions, functions_of
from dynamics.errors import DerivationError
from dynamics.systems import System

__all__ = ["BORDER", "LanePoints", "followed_points", "lane_points"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
BORDER = 1e-12
NEUTRAL = 1e-11  # share of the sizes that its terms give a rate, below which it is not told from zero, as for fixed points


@dataclass(frozen=True)
class LanePoints:
    """For each lane the admissible fixed point to start from.

    Attributes
    ----------
    state : ndarray, shape (dimension, lanes)
        nan where there is none.
    which : ndarray of int, shape (lanes,)
        Index of the candidate or of the fixed point that was followed, -1 for none.
    growth : ndarray, shape (lanes,)
        Largest real part of the eigenvalues (structural zeros left out); for maps log of the largest modulus.
    slowest : ndarray, shape (lanes,)
        Smallest absolute real part.
    neutral : ndarray, shape (lanes,)
        How close to zero ``growth`` may come and still decide: what rounding can make of it, in the units of its rate.
    fastest : ndarray, shape (lanes,)
        Largest absolute value of the eigenvalues: what its clock goes by.
    candidates : tuple of Candidate
        Empty where points were followed from the current parameters.
    complete : bool
        Whether these are all fixed points; False: some regime has no closed forms, and there may be more.
    undecided : ndarray of bool, shape (lanes,), or None
        Where what was solved is not what holds, so that there may be points that were not found; None: nowhere.
    """

    state: Array
    which: NDArray[np.int64]
    growth: Array
    slowest: Array
    neutral: Array
    fastest: Array
    candidates: tuple[Candidate, ...]
    complete: bool = True
    undecided: Flags | None = None

    @property
    def stable(self) -> Flags:
        """Whether the point exists and is stable."""
        return (self.which >= 0) & (self.growth < -self.neutral)

    @property
    def unstable(self) -> Flags:
        """Whether the point exists and its eigenvalues, or what is beside it, say that it is unstable."""
        return (self.which >= 0) & (self.growth > self.neutral)

    def arriving(self, names: Sequence[str], lanes: NDArray[np.intp]) -> Flags | None:
        """Which states of some lanes have a value to arrive at, shape (dimension, lanes), None for all: those that the
        lane's own point leaves free have none."""
        free = {number: candidate.free for number, candidate in enumerate(self.candidates) if candidate.free}
        if not free:
            return None
        arriving = np.ones((len(names), lanes.size), dtype=bool)
        for number, states in free.items():
            rows = [row for row, name in enumerate(names) if name in states]
            arriving[np.ix_(rows, self.which[lanes] == number)] = False
        return arriving

    def jacobian(self, functions: SystemFunctions, lanes: NDArray[np.intp], p: Array) -> Array:
        """Jacobians at the points of some lanes, each in its own regime, shape (dimension, dimension, lanes)."""
        state, which = self.state[:, lanes], self.which[lanes]
        if not self.candidates:
            return functions.lane_jacobian(np.zeros(lanes.size), state, p)
        found = np.full((len(state), len(state), lanes.size), np.nan)
        for number, candidate in enumerate(self.candidates):
            here = np.flatnonzero(which == number)
            if here.size:
                matrix = functions.lane_function(list(candidate.jacobian))
                found[:, :, here] = matrix(np.zeros(here.size), state[:, here], p[:, here]).reshape(*found.shape[:2], -1)
        return found

    def of(self, lanes: NDArray[np.intp]) -> LanePoints:
        """Return the points of some lanes."""
        return LanePoints(self.state[:, lanes], self.which[lanes], self.growth[lanes], self.slowest[lanes],
                          self.neutral[lanes], self.fastest[lanes], self.candidates, self.complete,
                          None if self.undecided is None else self.undecided[lanes])

    @property
    def extent(self) -> str:
        """Which fixed points these are, in words."""
        if self.complete:
            return "all"
        return "those in closed form" if self.candidates else "those that continue the ones at the current parameters"


def lane_points(system: System, p: Array, varied: tuple[str, ...] | None = None) -> LanePoints:
    """Return the admissible fixed point of each lane: a stable one if there is one.

    Parameters
    ----------
    system : System
        Scalar, autonomous.
    p : ndarray, shape (parameters, lanes)
    varied : tuple of str, optional
        Parameters that may differ from the current values; None: all.

    Raises
    ------
    DerivationError
        If there is no closed form.
    """
    functions = functions_of(system)
    known = known_candidates(system, varied)
    if not known.points:
        raise DerivationError(known.reason or f"'{system.name}' has no fixed points; give initial_state")
    special = special_lanes(functions, known.assumed, p)
    zero, start = np.zeros(p.shape[1]), np.repeat(functions.initial_state(system)[:, None], p.shape[1], axis=1)

    def offered() -> Iterator[tuple[Candidate, Array, Flags]]:
        for candidate in known.points:
            point = functions.lane_function(list(candidate.state.values()))(zero, start, p)
            inside = np.ones(p.shape[1], dtype=bool)
            if candidate.conditions:
                inside &= np.all(functions.lane_function(list(candidate.conditions))(zero, point, p) >= -BORDER, axis=0)
            yield candidate, point, inside

    return _best(system, p, offered(), known.points, known.complete, special)


def followed_points(system: System, p: Array) -> LanePoints:
    """Return what ``lane_points`` does where nothing has a closed form: of the fixed points at the current parameters,
    followed to those of each lane.

    Raises
    ------
    DerivationError
        If none was found at the current parameters.
    """
    whole = Candidate({Symbol(name): Symbol(name) for name in system.states}, (), (), tuple(system.field.values()), "")
    rests = starting_rests(system)
    everywhere = np.ones(p.shape[1], dtype=bool)
    return _best(system, p, ((whole, carried(system, rest, p), everywhere) for rest in rests), (), False)


def _best(system: System, p: Array, offered: Iterable[tuple[Candidate, Array, Flags]], candidates: tuple[Candidate, ...],
          complete: bool, special: Flags | None = None) -> LanePoints:
    """Of the points that are admissible, in each lane the most stable one."""
    special = np.zeros(p.shape[1], dtype=bool) if special is None else special
    undecided = special & np.all(np.isfinite(_declared_speed(system, p)), axis=0)
    functions, lanes = functions_of(system), p.shape[1]
    state, which = np.full((functions.dimension, lanes), np.nan), np.full(lanes, -1)
    growth, slowest = np.full(lanes, np.inf), np.full(lanes, np.nan)
    neutral, fastest = np.zeros(lanes), np.full(lanes, np.nan)
    for number, (candidate, point, known) in enumerate(offered):
        inside = known & np.all(np.isfinite(point), axis=0) & _within(system, point) & ~_ended(system, functions, point, p)
        if not inside.any():
            continue
        found = _spectrum(system, functions, candidate, point, p, inside)
        border = inside & on_border(functions, candidate, point, p)
        resting = ~(border | special) | is_rest(system, point, p, found.fastest)
        undecided |= border & ~resting & bool(candidate.free)
        # at special values only what is isolated is surely a rest of its own
        inside &= resting & (~special | (found.smallest > found.neutral))
        largest = growth_on_borders(system, candidate, point, p, found.largest, border & inside, found.fastest)
        better = inside & ((which < 0) | (largest < growth))
        state[:, better] = point[:, better]
        which[better] = number
        growth[better] = largest[better]
        slowest[better] = found.smallest[better]
        neutral[better] = found.neutral[better]
        fastest[better] = found.fastest[better]
    undecided &= which < 0
    return LanePoints(state, which, growth, slowest, neutral, fastest, candidates, complete,
                      undecided if undecided.any() else None)


def _declared_speed(system: System, p: Array) -> Array:
    """The field at the declared initial state."""
    functions = functions_of(system)
    start = np.repeat(functions.initial_state(system)[:, None], p.shape[1], axis=1)
    with np.errstate(all="ignore"):
        return functions.lane_field(np.zeros(p.shape[1]), start, p)


def _within(system: System, point: Array) -> Flags:
    inside = np.ones(point.shape[1], dtype=bool)
    for row, part in zip(point, system.states.values(), strict=True):
        low, high = part.bounds
        slack = 1e-9 * (1 + np.abs(row))
        if low is not None:
            inside &= row >= float(low) - slack
        if high is not None:
            inside &= row <= float(high) + slack
    return inside


def _ended(system: System, functions: Any, point: Array, p: Array) -> Flags:
    """A terminal event has already happened there."""
    ended = np.zeros(point.shape[1], dtype=bool)
    for name, event in system.events.items():
        if event.terminal:
            value = functions.lane_function([system._parsed.events[name][0]])(np.zeros(point.shape[1]), point, p)[0]
            falls, rises = value <= BORDER, value >= -BORDER
            ended |= {"falling": falls, "rising": rises, "both": falls & rises}[event.direction]
    return ended


@dataclass(frozen=True)
class _Rates:
    """Of each lane: largest and smallest (in absolute value) real part, what is neutral, and the fastest rate."""

    largest: Array
    smallest: Array
    neutral: Array
    fastest: Array


def _spectrum(system: System, functions: Any, candidate: Candidate, point: Array, p: Array, inside: Flags) -> _Rates:
    size, lanes = point.shape
    timeless = np.zeros(lanes)
    matrix = functions.lane_function(list(candidate.jacobian))(timeless, point, p).reshape(size, size, lanes)
    found = _Rates(*(np.full(lanes, np.nan) for _ in range(4)))
    usable = inside & np.all(np.isfinite(matrix), axis=(0, 1))
    if not usable.any():
        return found
    terms = functions.lane_function(list(candidate.jacobian_sizes))(timeless, point, p).reshape(size, size, lanes)
    eigenvalues = _eigenvalues(matrix[:, :, usable], candidate.blocks)
    scales = _scales(terms[:, :, usable], candidate.blocks)
    found.fastest[usable] = np.abs(eigenvalues).max(axis=0, initial=0.0)
    if system.time == "continuous":
        rates = eigenvalues.real
    else:
        scales = np.fmax(scales, 1.0)
        with np.errstate(divide="ignore"):
            rates = np.log(np.abs(eigenvalues))
    if candidate.free:
        # those neutral by structure are left out
        distance = np.abs(eigenvalues - (0.0 if system.time == "continuous" else 1.0))
        kept = np.argsort(distance, axis=0)[len(candidate.free):]
        rates, scales = np.take_along_axis(rates, kept, axis=0), np.take_along_axis(scales, kept, axis=0)
    # where every state is free nothing grows, and nothing is slow
    found.largest[usable] = rates.max(axis=0, initial=-np.inf)
    found.smallest[usable] = np.abs(rates).min(axis=0, initial=np.inf)
    # the rate that decides is the one which comes nearest to zero by its own measure
    doubt = np.max(rates + NEUTRAL * scales, axis=0, initial=-np.inf)
    found.neutral[usable] = doubt - rates.max(axis=0) if len(rates) else 0.0
    return found


def _scales(terms: Array, blocks: Sequence[Sequence[int]]) -> Array:
    """How large eigenvalues would be if no terms cancelled, block by block: they do not depend on the units of states."""
    found, row = np.empty(terms.shape[1:]), 0
    for block in blocks:
        sizes = np.nan_to_num(terms[np.ix_(block, block)])
        largest = np.abs(_eigenvalues(sizes, [list(range(len(block)))])).max(axis=0)
        found[row: row + len(block)] = largest
        row += len(block)
    return found


def _eigenvalues(matrix: Array, blocks: Sequence[Sequence[int]]) -> NDArray[np.complex128]:
    """Eigenvalues of matrices of shape (n, n, lanes), by diagonal blocks: those of the system, whatever the lanes."""
    found, row = np.empty(matrix.shape[1:], dtype=complex), 0
    for block in blocks:
        here = slice(row, row + len(block))
        if len(block) == 1:
            found[here] = matrix[block[0], block[0]]
        elif len(block) == 2:
            (a, b), (c, d) = ([matrix[i, j] for j in block] for i in block)
            root = np.sqrt((((a - d) / 2) ** 2 + b * c).astype(complex))
            found[here] = (a + d) / 2 + root, (a + d) / 2 - root
        else:
            found[here] = np.linalg.eigvals(matrix[np.ix_(block, block)].transpose(2, 0, 1)).T
        row += len(block)
    return found
