"""The search for the smallest shock after which an event happens: letters, scan, bisection, verdict.

What becomes of a shock is a letter. E: one of the events that are asked for ended the trajectory. S: it is proved that none
will: the trajectory rests, or another event ended it. U: everything else. A threshold is found only between an S and an E;
where neither is proved in between the bracket stays open. One search serves a single threshold and whole grids: every lane
has a bracket of its own, and all of them shrink in the same round.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.shock_fates import LOOSE, SCAN, UNDECIDED, Accuracy, ShockFates
from dynamics.results import STATUS

__all__ = ["OUTCOMES", "Search", "ThresholdSearch", "crossing_sizes"]

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Lanes = NDArray[np.intp]
OUTCOMES = {"found": 0, "insolvent_at_once": 1, "unstable": 2, "none_in_bracket": 3, "not_monotone": 4, "not_settled": 5,
            "no_fixed_point": 6, "open_bracket": 8}  # 7 is not_run, in sweeps
S, E, U = 0, 1, 2
WAITING = (STATUS["not_settled"], STATUS["step_limit"])  # undecided for want of time; the others broke off
SCAN_POINTS = 33
BEYOND = 10.0  # a ramp is weaker than its shock: by how much larger ones are looked at, at most 0.5
SMALL = 1e-3  # size of the largest shock of a search below which tolerances are shares of it
ROUGH = 1e-5  # width of brackets down to which loose trajectories are enough
LARGEST_TRIED = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
HALVINGS = 4  # at once, where so few lanes are searched that more of them cost little, or where one halving decides nothing
FEW = 16  # lanes
ROUNDING = 8 * 2.0**-52  # of the shock that crosses an event itself, found by bisection to the last digit
FIRST_SIZE, GROWTH, GROWTHS, DIGITS = 1e-3, 1.5, 30, 60  # of shocks that cross an event themselves: up to about 190


@dataclass
class Search:
    """What a search found, lane by lane.

    Attributes
    ----------
    value, low, high : ndarray, shape (lanes,)
        Magnitudes; ``low`` is the largest proved S, ``high`` the smallest proved E, nan where there is none.
    at_once : ndarray, shape (lanes,)
        Smallest shock that crosses an asked event itself; nan where there is none.
    status : ndarray of int, shape (lanes,)
        Codes of ``OUTCOMES``.
    undecided, broken : ndarray of int, shape (lanes,)
        Shocks without a proof between the ends, or in all where there are no ends; how many of them broke off.
    grid, endings : ndarray, shape (lanes, points)
        The scan: magnitudes, and how each trajectory ended.
    """

    value: Array
    low: Array
    high: Array
    at_once: Array
    status: Numbers
    undecided: Numbers
    broken: Numbers
    grid: Array = field(default_factory=lambda: np.empty((0, 0)))
    endings: Numbers = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))


class ThresholdSearch:
    """A search over the shocks of every lane.

    Parameters
    ----------
    runner : ShockFates
    asked : collection of int
        Numbers of the events that count as E.
    tolerance : float
        Width of the final brackets.
    sense : float
        1, or -1 for shocks of the other direction; magnitudes are counted from 0 in either.
    """

    def __init__(self, runner: ShockFates, asked: Collection[int], tolerance: float, sense: float = 1.0) -> None:
        # of the tolerance, lane by lane: where all shocks are small
        self.unit = np.ones(runner.lanes)
        self.runner, self.asked, self.tolerance, self.sense = runner, np.array(sorted(asked)), tolerance, sense
        # integration errors an order of magnitude or more below the brackets, and not below what rounding allows
        self.tight: Accuracy = {"relative_tolerance": float(np.clip(tolerance * 1e-2, 1e-11, 1e-7)),
                                "absolute_tolerance": float(np.clip(tolerance * 1e-4, 1e-13, 1e-10))}

    def endings(self, lanes: Lanes, magnitudes: Array, accuracy: Accuracy) -> tuple[Numbers, NDArray[np.bool_]]:
        """How trajectories end, and which broke off."""
        if not lanes.size:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
        found = self.runner.fates(lanes, self.sense * magnitudes, accuracy)
        return found.ending, (found.ending == UNDECIDED) & ~np.isin(found.status, WAITING)

    def letters(self, endings: Numbers) -> Numbers:
        """E, S or U of how trajectories ended."""
        return np.where(endings == UNDECIDED, U, np.where(np.isin(endings, self.asked), E, S))

    # ---- the whole search --------------------------------------------------------------------------------------------

    def run(self, usable: NDArray[np.bool_], unstable: NDArray[np.bool_], low: float | None = None,
            high: float | None = None) -> Search:
        """Search every usable lane, between ``low`` (0) and ``high`` (where the event happens at once, else what is tried).

        Parameters
        ----------
        usable : ndarray of bool, shape (lanes,)
            Whether there is a start.
        unstable : ndarray of bool, shape (lanes,)
            Whether eigenvalues say that the start is unstable.
        """
        lanes = self.runner.lanes
        at_once = np.full(lanes, np.nan)
        at_once[usable] = crossing_sizes(self.runner, np.flatnonzero(usable), self.sense)
        found = Search(np.full(lanes, np.nan), np.full(lanes, 0.0 if low is None else low), np.full(lanes, np.nan), at_once,
                       np.full(lanes, OUTCOMES["not_settled"]), np.zeros(lanes, dtype=np.int64),
                       np.zeros(lanes, dtype=np.int64))
        found.status[~usable] = OUTCOMES["no_fixed_point"]
        found.low[~usable] = np.nan
        self._is_unstable(found, np.flatnonzero(usable & unstable))
        open_ = np.flatnonzero(usable & ~unstable)
        open_ = self._far_ends(found, open_, high)
        self.unit = _units(found.high)
        open_ = self._scan(found, open_)
        rough = max(ROUGH, self.tolerance)
        self._narrow(found, open_, rough, LOOSE)
        if open_.size:
            open_ = self.correct(found, open_, found.grid[:, 0], found.grid[:, -1])
        self._narrow(found, open_, self.tolerance, self.tight)
        self._judge(found, open_)
        return found

    def narrowed(self, found: Search) -> Search:
        """Search again by this runner from a bracket that another one has found, one lane."""
        lanes = np.zeros(1, dtype=np.intp)
        found.undecided[:] = found.broken[:] = 0
        # what the other runner made of it is no longer the verdict
        found.value[:] = np.nan
        self.unit = _units(found.high)
        lanes = self.correct(found, lanes, found.grid[:, 0], found.grid[:, -1])
        self._narrow(found, lanes, self.tolerance, self.tight)
        monotone = found.status[0] != OUTCOMES["not_monotone"]
        found.status[0] = OUTCOMES["found" if monotone else "not_monotone"] if lanes.size else OUTCOMES["not_settled"]
        self._judge(found, lanes)
        return found

    def preceding(self, found: Search) -> dict[int, Array]:
        """Other events that end trajectories of the scan, and the smallest shock of each lane at which each does.

        Returns
        -------
        dict of int to ndarray, shape (lanes,)
            Number of the event to magnitudes; nan in lanes where it ends none.
        """
        others = np.setdiff1d(found.endings[found.endings >= 0], self.asked)
        return {int(number): self._first_of(found, int(number)) for number in others}

    def _first_of(self, found: Search, number: int) -> Array:
        """The smallest shock of each lane that ends with an event; nan where none of the scan does."""
        sizes = np.full(found.low.size, np.nan)
        ends = found.endings == number
        lanes = np.flatnonzero(ends.any(axis=1))
        first = np.argmax(ends[lanes], axis=1)
        sizes[lanes] = found.grid[lanes, first]
        places = np.arange(ends.shape[1])
        proved = ~ends[lanes] & (found.endings[lanes] != UNDECIDED) & (places < first[:, None])
        last = np.max(np.where(proved, places, -1), axis=1)
        lanes, last = lanes[last >= 0], last[last >= 0]
        if lanes.size:
            other = ThresholdSearch(self.runner, [number], self.tolerance, self.sense)
            below, above = other._boundary(lanes, found.grid[lanes, last], sizes[lanes])
            sizes[lanes] = np.where(above - below <= self.tolerance, (below + above) / 2, above)
        return sizes

    def _boundary(self, lanes: Lanes, low: Array, high: Array) -> tuple[Array, Array]:
        """Narrow brackets of some lanes with an S below and an E above."""
        count = self.runner.lanes
        numbers = [np.full(count, np.nan) for _ in range(4)]
        codes = [np.zeros(count, dtype=np.int64) for _ in range(3)]
        found = Search(*numbers, *codes)
        found.low[lanes], found.high[lanes] = low, high
        self._narrow(found, lanes, self.tolerance, self.tight)
        return found.low[lanes], found.high[lanes]

    @staticmethod
    def _is_unstable(found: Search, lanes: Lanes) -> None:
        found.status[lanes] = OUTCOMES["unstable"]
        found.value[lanes] = found.low[lanes] = found.high[lanes] = 0.0

    # ---- where to look -----------------------------------------------------------------------------------------------

    def _far_ends(self, found: Search, open_: Lanes, given: float | None) -> Lanes:
        """Upper ends of the brackets: as given, the shock that crosses at once, or the first of larger and larger ones."""
        reached = found.at_once[open_]
        if self.runner.ramp:
            reached = 2 * reached + np.minimum(0.5, BEYOND * reached)
        found.high[open_] = reached
        if given is not None:
            found.high[open_] = given if self.runner.ramp else np.fmin(given, np.maximum(reached, found.low[open_]))
            return open_
        trying = open_[np.isnan(found.high[open_])]
        found.low[trying] = np.nan
        for size in LARGEST_TRIED:
            endings, broke = self.endings(trying, np.full(trying.size, size), LOOSE)
            letter = self.letters(endings)
            found.high[trying[letter == E]] = size
            found.low[trying[letter == S]] = size
            found.undecided[trying] += letter == U
            found.broken[trying] += broke
            trying = trying[letter != E]
        none = trying[found.undecided[trying] == 0]
        found.status[none], found.low[none], found.high[none] = OUTCOMES["none_in_bracket"], 0.0, LARGEST_TRIED[-1]
        going = np.setdiff1d(open_, trying)
        # the scan begins at the start again
        found.low[going], found.undecided[going], found.broken[going] = 0.0, 0, 0
        return going

    def _scan(self, found: Search, open_: Lanes) -> Lanes:
        """Narrow every bracket to the last S before the first E; return the lanes that have both."""
        if not open_.size:
            return open_
        low, high = found.low[open_], found.high[open_]
        grid = low[:, None] + (high - low)[:, None] * (np.arange(SCAN_POINTS) / (SCAN_POINTS - 1))
        grid[:, -1] = high
        flat, broke = self.endings(np.repeat(open_, SCAN_POINTS), grid.reshape(-1), SCAN)
        endings, broken = flat.reshape(grid.shape), broke.reshape(grid.shape)
        letters = self.letters(endings)
        found.grid = np.full((found.low.size, SCAN_POINTS), np.nan)
        found.endings = np.full(found.grid.shape, UNDECIDED)
        found.grid[open_], found.endings[open_] = grid, endings
        is_e, places = letters == E, np.arange(SCAN_POINTS)
        any_e = is_e.any(axis=1)
        first = np.where(any_e, np.argmax(is_e, axis=1), SCAN_POINTS)
        before = places < first[:, None]
        last = np.max(np.where((letters == S) & before, places, -1), axis=1)
        between = before & (places > last[:, None]) & (letters == U)
        found.undecided[open_] = np.where(any_e, between.sum(axis=1), (letters == U).sum(axis=1))
        found.broken[open_] = np.where(any_e, (between & broken).sum(axis=1), broken.sum(axis=1))
        rows = np.arange(open_.size)
        found.low[open_] = np.where(last >= 0, grid[rows, last], np.nan)
        found.high[open_] = np.where(any_e, grid[rows, np.minimum(first, SCAN_POINTS - 1)], np.nan)
        none = np.all(letters == S, axis=1)
        found.status[open_[none]] = OUTCOMES["none_in_bracket"]
        found.low[open_[none]], found.high[open_[none]] = low[none], high[none]
        self._starts(found, open_[last < 0])
        both = open_[any_e & (last >= 0)]
        found.status[both] = OUTCOMES["found"]
        found.status[both[_changes(letters[any_e & (last >= 0)]) > 1]] = OUTCOMES["not_monotone"]
        return both

    def _starts(self, found: Search, lanes: Lanes) -> None:
        """Lanes without an S below: is it the start itself that is unstable?"""
        if not lanes.size:
            return
        endings, _ = self.endings(lanes, np.zeros(lanes.size), LOOSE)
        letter = self.letters(endings)
        asleep = [k for k in np.flatnonzero(letter == U) if self.runner.unstable_start(int(lanes[k]))]
        letter[asleep] = E
        self._is_unstable(found, lanes[letter == E])

    # ---- brackets ----------------------------------------------------------------------------------------------------

    def _narrow(self, found: Search, open_: Lanes, tolerance: float, accuracy: Accuracy) -> None:
        """Halve brackets to the tolerance, or until what lies inside decides nothing."""
        usual = HALVINGS if open_.size <= FEW else 1
        several = np.zeros(found.low.size, dtype=bool)
        while open_.size:
            width = found.high[open_] - found.low[open_]
            with np.errstate(divide="ignore"):
                left = np.ceil(np.log2(width / (tolerance * self.unit[open_])))
            open_, left = open_[left > 0], left[left > 0]
            halvings = np.where(several[open_], HALVINGS, np.minimum(left, usual)).astype(int)
            closed = [self._round(found, open_[halvings == count], count, accuracy, several)
                      for count in np.unique(halvings)]
            open_ = np.setdiff1d(open_, np.concatenate(closed)) if closed else open_

    def _round(self, found: Search, lanes: Lanes, halvings: int, accuracy: Accuracy, several: NDArray[np.bool_]) -> Lanes:
        """Look at 2**halvings - 1 places inside each bracket; return the lanes that it does not bring further."""
        parts = 2**halvings
        low, width = found.low[lanes], found.high[lanes] - found.low[lanes]
        grid = low[:, None] + width[:, None] * (np.arange(parts + 1) / parts)
        grid[:, -1] = found.high[lanes]
        inner = grid[:, 1:-1]
        flat, broke = self.endings(np.repeat(lanes, parts - 1), inner.reshape(-1), accuracy)
        letters = np.full(grid.shape, S)
        letters[:, 1:-1] = self.letters(flat).reshape(inner.shape)
        letters[:, -1] = E
        places = np.arange(parts + 1)
        first = np.argmax(letters == E, axis=1)
        last = np.max(np.where((letters == S) & (places < first[:, None]), places, 0), axis=1)
        rows = np.arange(lanes.size)
        found.low[lanes], found.high[lanes] = grid[rows, last], grid[rows, first]
        gap = first - last
        inside = (places > last[:, None]) & (places < first[:, None])
        found.undecided[lanes] = inside.sum(axis=1)
        broken = np.zeros(grid.shape, dtype=bool)
        broken[:, 1:-1] = broke.reshape(inner.shape)
        found.broken[lanes] = (inside & broken).sum(axis=1)
        stuck = 2 * gap > parts
        finest = halvings >= HALVINGS
        several[lanes] = stuck if not finest else several[lanes]
        # places that coincide: the bracket is as narrow as numbers can be
        exhausted = (inner[:, 0] <= low) | (inner[:, -1] >= grid[:, -1])
        return lanes[exhausted | (stuck & finest)]

    def correct(self, found: Search, open_: Lanes, bottom: Array, top: Array) -> Lanes:
        """Prove both ends by accurate trajectories, moving those that do not hold; return the lanes whose ends do.

        They move by steps that double, as far as ``bottom`` and ``top``.
        A loose trajectory that grazes a border can be off by more than its bracket, to either side.
        """
        step = np.clip(found.high - found.low, self.tolerance * self.unit, max(ROUGH, self.tolerance) * self.unit)
        wanted = ((S, found.low, found.high, bottom), (E, found.high, found.low, top))
        for letter, end, other, limit in wanted:
            moving = open_
            way, pace = (-1.0 if letter == S else 1.0), step.copy()
            while moving.size:
                letters = self.letters(self.endings(moving, end[moving], self.tight)[0])
                found.undecided[moving] += letters == U
                moving, letters = moving[letters != letter], letters[letters != letter]
                # what is the other letter there is an end of the other kind
                opposite = moving[letters == (E if letter == S else S)]
                other[opposite] = end[opposite]
                lost = moving[end[moving] == limit[moving]]
                end[lost] = np.nan
                moving = np.setdiff1d(moving, lost)
                moved = end[moving] + way * pace[moving]
                end[moving] = np.maximum(moved, limit[moving]) if letter == S else np.minimum(moved, limit[moving])
                pace[moving] *= 2
        proved = np.isfinite(found.low[open_]) & np.isfinite(found.high[open_])
        found.status[open_[~proved]] = OUTCOMES["not_settled"]
        return open_[proved]

    # ---- the verdict -------------------------------------------------------------------------------------------------

    def _judge(self, found: Search, open_: Lanes) -> None:
        """Give a value to lanes whose bracket has closed around one."""
        width = found.high - found.low
        closed = open_[(found.undecided[open_] == 0) | (width[open_] <= (self.tolerance * self.unit)[open_])]
        found.status[np.setdiff1d(open_, closed)] = OUTCOMES["open_bracket"]
        found.value[closed] = (found.low[closed] + found.high[closed]) / 2
        if not self.runner.ramp:
            # where only the shock itself crosses the event, its size is known to the last digit
            inside = (found.low <= found.at_once) & (found.high >= found.at_once * (1 - ROUNDING))
            proved = inside & (found.undecided == 0) & (found.status == OUTCOMES["found"])
            once = closed[proved[closed]]
            found.status[once], found.value[once] = OUTCOMES["insolvent_at_once"], found.at_once[once]


def _units(high: Array) -> Array:
    """What tolerances are multiplied by: a share of the largest shock where that is small."""
    units = np.minimum(1.0, np.nan_to_num(np.abs(high), nan=1.0) / SMALL)
    return np.where(units > 0, units, 1.0)


def _changes(letters: Numbers) -> Numbers:
    """How often the proved letters of each row change, from one to the next that is proved."""
    proved = letters.copy()
    for column in range(1, proved.shape[1]):
        unknown = proved[:, column] == U
        proved[unknown, column] = proved[unknown, column - 1]
    changed = (proved[:, 1:] != proved[:, :-1]) & (proved[:, :-1] != U)
    return np.asarray(changed.sum(axis=1))


def crossing_sizes(runner: ShockFates, lanes: Lanes, sense: float = 1.0) -> Array:
    """Smallest shock of each lane that crosses an asked event itself, by bisection; nan where none up to about 190 does.

    Beyond the event its level may have no value (a logarithm, a root): what lies below such shocks is looked at as well.
    """
    def beyond(which: Lanes, sizes: Array) -> NDArray[np.bool_]:
        magnitudes = sense * sizes
        return runner.crosses(lanes[which], magnitudes) | runner.lost(lanes[which], magnitudes)

    every = np.arange(lanes.size)
    low, high = np.zeros(lanes.size), np.full(lanes.size, FIRST_SIZE)
    found = beyond(every, low)
    high[found] = 0.0
    for _ in range(GROWTHS):
        open_ = np.flatnonzero(~found)
        if not open_.size:
            break
        found[open_] = beyond(open_, high[open_])
        still = open_[~found[open_]]
        low[still], high[still] = high[still], high[still] * GROWTH
    for _ in range(DIGITS):
        middle = (low + high) / 2
        crossed = beyond(every, middle) & found
        low, high = np.where(crossed, low, middle), np.where(crossed, middle, high)
    return np.where(found & runner.crosses(lanes, sense * high), high, np.nan)
