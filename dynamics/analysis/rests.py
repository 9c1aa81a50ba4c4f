"""Whether trajectories have come to rest: the one rule, for many states at once; a single state is a lane of one.

A state has settled where a rest is shown to attract it: Newton's method finds a zero of the field beside the state; the
eigenvalues there are stable, apart from zeros that belong to a whole family of rests; the quadratic form of Lyapunov's
equation falls along the flow all around, on the level through the state and on one of twice its size; and no event lies
within. A slow drift, a saddle and the ghost of a fold have no such point, however slowly they move. The neighbourhood
is looked at at sampled points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis.lane_flows import LaneFlow
from dynamics.analysis.quadratic_forms import form_of, pull, solved
from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["LaneRests", "falls_at", "lanes_at_rest", "rest_reached", "unstable_rests"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Lanes = NDArray[np.intp]
BLOCK = 512               # lanes looked at together: samples around them fit into a cache
NEUTRAL = 1e-11           # share of the fastest rate below which a rate is not told from zero, as for fixed points
TURNS = 12                # of Newton's method: beside a rest it needs three or four
ARRIVED = 1e-12           # relative length of a step of Newton's method that is rounding
CLOSE = 0.05              # relative distance from its rest up to which a state is looked at
FLOOR = 0.01              # size below which distances are absolute, as in the boxes of lanes
SMALLEST = 1e-11          # relative size of the neighbourhood looked at where the state is closer than that: rounding
ZERO_MODE = 1e-8          # singular value, by the largest, below which a direction may be one of a family
ROUNDING = 64 * 2.0**-52  # of a rate, by the sizes of the terms it is the sum of
WIDER = 2.0               # size of the outer level, by that of the level through the state
BALANCING = 6             # rounds, each of which leaves a share of what is out of balance
CORRECTIONS = 4           # of a state beside a family of rests: and of its member: each leaves a share of the distance
MOST_DIRECTIONS = 240     # sampled directions between the axes
ALONG = 1e-4              # relative step along a family of rests to the next one
MEMBER = 1e-6             # relative error of a member of a family up to which it is told
SPLIT = 1e-4              # relative difference of the slopes on two sides of a rest that tells a border through it
SIDES = (1e-6, 1.0)       # share of the way from rest to state at which derivatives are taken: the side it comes from
EXACT = 1e-6              # relative error of the form up to which it is used


@dataclass(frozen=True)
class LaneRests:
    """What is beside each state.

    Attributes
    ----------
    proved : ndarray of bool, shape (lanes,)
        The state is attracted by the rest; no event comes before.
    state : ndarray, shape (dimension, lanes)
        The rest that Newton's method goes to from there, stable by its eigenvalues; nan where it finds none.
    slowest : ndarray, shape (lanes,)
        Smallest rate of decay at that rest; inf where every direction is one of the family, nan without a rest.
    """

    proved: Flags
    state: Array
    slowest: Array



def lanes_at_rest(system: System, state: Array, p: Array, events: Sequence[str] = ()) -> LaneRests:
    """Say for each lane whether it has come to rest.

    Parameters
    ----------
    system : System
        Continuous time. Of an indexed one ``p`` is not read: every lane has the values of the system.
    state, p : ndarray, shape (dimension or parameters, lanes)
    events : sequence of str
        Those that may not be met any more.

    Returns
    -------
    LaneRests
        Nothing is proved where the equations depend on time.

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> wells = dy.System(name="wells", states={"x": 0}, equations={"x": "x - x**3"})
    >>> found = lanes_at_rest(wells, np.array([[-1.001, 0.0, 0.3, 1.0]]), np.empty((0, 4)))
    >>> found.proved.tolist()
    [True, False, False, True]
    >>> float(found.state[0, 0])
    -1.0
    """
    lanes = state.shape[1]
    found = LaneRests(np.zeros(lanes, dtype=bool), np.full(state.shape, np.nan), np.full(lanes, np.nan))
    if not lanes or not system.autonomous:
        return found
    flow = LaneFlow(system, events)
    with np.errstate(all="ignore"):
        for first in range(0, lanes, BLOCK):
            part = slice(first, first + BLOCK)
            found.proved[part], found.state[:, part], found.slowest[part] = \
                _block(flow, state[:, part], p[:, part])
    return found


def rest_reached(system: System, state: Array, events: Sequence[str] = ()) -> Array | None:
    """rest_reached(system, state): the stable fixed point that a state has reached, None where nothing proves one.

    Parameters
    ----------
    system : System
        Continuous time.
    state : ndarray, shape (dimension,)
    events : sequence of str
        Those that may not be met any more.

    Returns
    -------
    ndarray, shape (dimension,), or None

    Examples
    --------
    >>> import numpy as np
    >>> import dynamics as dy
    >>> bistable = dy.System(name="bistable", states={"x": 1.0}, equations={"x": "x*(1 - x)*(x - 0.3)"})
    >>> rest_reached(bistable, np.array([0.999])).round(9).tolist()
    [1.0]
    >>> rest_reached(bistable, np.array([0.4])) is None   # it will be reached, but this is far from it
    True
    """
    found = lanes_at_rest(system, np.asarray(state, dtype=float)[:, None], _values(system), events)
    return found.state[:, 0] if found.proved[0] else None


def unstable_rests(system: System, state: Array, p: Array | None = None) -> Flags:
    """unstable_rests(system, state): whether states are unstable fixed points.

    Parameters
    ----------
    system : System
        Continuous time.
    state : ndarray, shape (dimension, lanes)
    p : ndarray, shape (parameters, lanes), optional
        None: one lane with the values of the system.

    Returns
    -------
    ndarray of bool, shape (lanes,)

    Examples
    --------
    >>> import dynamics as dy
    >>> wells = dy.System(name="wells", states={"x": 0}, equations={"x": "x - x**3"})
    >>> unstable_rests(wells, np.array([[0.0]])).tolist()
    [True]
    """
    unstable = np.zeros(state.shape[1], dtype=bool)
    if not system.autonomous:
        return unstable
    flow = LaneFlow(system)
    p = _values(system) if p is None else p
    with np.errstate(all="ignore"):
        rest, arrived = _zeros(flow, state, p)
        stayed = arrived & np.all(np.abs(rest - state) <= ARRIVED * (np.abs(state) + FLOOR * ARRIVED), axis=0)
        matrix = flow.jacobian(rest, p)
        known = np.flatnonzero(stayed & _finite(matrix))
        rates = np.linalg.eigvals(matrix[known])
        # at a fold every rate is rounding: how fast things are there shows beside it
        beside = flow.jacobian(rest + ALONG * (np.abs(rest) + FLOOR), p)[known]
        usual = np.abs(np.linalg.eigvals(np.where(np.isfinite(beside), beside, 0.0))).max(axis=1)
        fastest = np.maximum(np.abs(rates).max(axis=1), usual)
        unstable[known] = rates.real.max(axis=1) > NEUTRAL * fastest
    return unstable


def _values(system: System) -> Array:
    """Parameter values of one lane; those of an indexed system are read by its own functions."""
    numbers = [] if system.indices else functions_of(system).parameters(system)
    return np.array(numbers, dtype=float)[:, None]


def falls_at(state: Array, rest: Array, jacobian: Array, p: Array, field: Callable[[Array, Array, Array], Array]) -> Flags:
    """Whether the quadratic form of a rest falls, at the state and at its mirror image, at half its linear rate or faster.

    Parameters
    ----------
    state, rest : ndarray, shape (dimension, lanes)
    jacobian : ndarray, shape (dimension, dimension, lanes)
        At the rest, whose eigenvalues are all stable.
    p : ndarray, shape (parameters, lanes)
    field : callable
        Of times, states and parameters.

    Returns
    -------
    ndarray of bool, shape (lanes,)
    """
    time = np.zeros(state.shape[1])
    with np.errstate(all="ignore"):
        away = state - rest
        drawn = pull(jacobian, away)
        wanted = -0.5 * np.sum(away * away, axis=0)
        ahead = 2.0 * np.sum(drawn * field(time, state, p), axis=0)
        behind = -2.0 * np.sum(drawn * field(time, rest - away, p), axis=0)
        # rates that differ too much for the closed forms show themselves in what the linear flow does
        linear = 2.0 * np.sum(drawn * np.einsum("ijk,jk->ik", jacobian, away), axis=0)
        known = np.abs(linear - 2.0 * wanted) <= -EXACT * wanted
        return np.asarray(known & (ahead <= wanted) & (behind <= wanted))


# ---- one block of lanes --------------------------------------------------------------------------------------------------

def _block(flow: LaneFlow, x: Array, p: Array) -> tuple[Flags, Array, Array]:
    lanes = x.shape[1]
    rest, arrived = _zeros(flow, x, p)
    proved, stable = np.zeros(lanes, dtype=bool), np.zeros(lanes, dtype=bool)
    slowest = np.full(lanes, np.nan)
    for share in SIDES:
        looked = np.flatnonzero(arrived & ~proved)
        for which, modes in _members(flow, x, rest, p, looked, share):
            decays, slow = modes.rates()
            holds = decays & _is_family(flow, modes, x[:, which], rest[:, which], p[:, which])
            stable[which] |= holds
            slowest[which[holds]] = slow[holds]
            chosen = np.flatnonzero(holds & _is_close(x[:, which], rest[:, which]))
            if chosen.size:
                there = which[chosen]
                proved[there] = _attracted(flow, modes.take(chosen), x[:, there], rest[:, there], p[:, there], slow[chosen])
    return proved, np.where(stable, rest, np.nan), slowest


def _zeros(flow: LaneFlow, x: Array, p: Array) -> tuple[Array, Flags]:
    """Newton's method from each state, along the directions in which the field changes."""
    y = x.copy()
    arrived = np.zeros(x.shape[1], dtype=bool)
    going = _finite(x.T)
    for _ in range(TURNS):
        lanes = np.flatnonzero(going)
        if not lanes.size:
            break
        rate = flow.field(y[:, lanes], p[:, lanes])
        matrix = flow.jacobian(y[:, lanes], p[:, lanes])
        usable = _finite(matrix) & _finite(rate.T)
        step = np.full((len(y), lanes.size), np.nan)
        for rank, members in _by_rank(matrix, usable):
            step[:, members] = -_Modes(matrix[members], rank).inverted(rate[:, members])
        usable &= _finite(step.T)
        moved = lanes[usable]
        y[:, moved] += step[:, usable]
        size = np.abs(step) <= ARRIVED * (np.abs(y[:, lanes]) + np.abs(x[:, lanes] - y[:, lanes]) + FLOOR * ARRIVED)
        # a state that rests at zero is never told to a share of itself: there the rate is rounding of what it is the sum of
        terms = np.einsum("kij,jk->ik", np.abs(matrix), np.abs(y[:, lanes]))
        vanished = np.abs(rate) <= ROUNDING * terms
        ended = usable & (size | vanished).all(axis=0)
        arrived[lanes[ended]] = True
        going[lanes[ended | ~usable]] = False
    return y, arrived


def _finite(values: Array) -> Flags:
    """Whether everything is finite, for each entry of the first axis."""
    return np.asarray(np.isfinite(values).all(axis=tuple(range(1, values.ndim))), dtype=bool)


def _is_close(x: Array, y: Array) -> Flags:
    return np.asarray(np.all(np.abs(x - y) <= CLOSE * (np.abs(y) + FLOOR), axis=0))


# ---- modes of a Jacobian -------------------------------------------------------------------------------------------------

def _by_rank(matrix: Array, usable: Flags) -> list[tuple[int, Lanes]]:
    """Lanes by the number of directions in which the field changes."""
    lanes = np.flatnonzero(usable)
    if not lanes.size:
        return []
    scaled = _balanced(matrix[lanes])[0]
    ranks = np.full(lanes.size, matrix.shape[1])
    # the condition by norms is an upper bound: only where it is large singular values have to tell
    with_zeros = np.flatnonzero(~(_condition(scaled) < 1 / ZERO_MODE))
    if with_zeros.size:
        values = np.linalg.svd(scaled[with_zeros], compute_uv=False)
        ranks[with_zeros] = np.sum(values > ZERO_MODE * values[:, :1], axis=1)
    return [(int(rank), lanes[ranks == rank]) for rank in np.unique(ranks)]


def _condition(matrix: Array) -> Array:
    """Upper bound of the ratio of the largest to the smallest singular value; not finite where there is no inverse."""
    inverse = solved(matrix, np.broadcast_to(np.eye(matrix.shape[1]), matrix.shape))
    return np.asarray(np.sqrt(np.sum(matrix**2, axis=(1, 2)) * np.sum(inverse**2, axis=(1, 2))))


def _balanced(matrix: Array) -> tuple[Array, Array]:
    """Matrices in units of the states in which rows and columns have like sizes, and these units."""
    unit = np.ones(matrix.shape[:2])
    scaled = matrix.copy()
    for _ in range(BALANCING):
        # with their diagonal: where a state only acts on others, or is only acted upon, it keeps the size of its own rate
        row = np.abs(scaled).sum(axis=2)
        column = np.abs(scaled).sum(axis=1)
        ratio = row / np.where(column > 0, column, 1.0)
        # the fourth root, since every state is rescaled at the same time
        factor = np.where((row > 0) & (column > 0), np.sqrt(np.sqrt(ratio)), 1.0)
        unit *= factor
        scaled = matrix * unit[:, None, :] / unit[:, :, None]
    return scaled, unit


class _Modes:
    """Jacobians J = F G of one rank, and what they do to the coordinates w = G z of a displacement z: w' = (G F) w.

    The directions along which the field does not change are split off as the fast ones leave them: by the projection
    that commutes with J, not by the shortest way.
    """

    def __init__(self, matrix: Array, rank: int) -> None:
        scaled, unit = _balanced(matrix)
        self.rank = rank
        self.unit = unit
        if rank == matrix.shape[1]:
            self.columns = scaled
            self.rows = np.broadcast_to(np.eye(rank), scaled.shape)
            self.along = np.empty((len(matrix), rank, 0))
        else:
            left, values, right = np.linalg.svd(scaled)
            self.columns = left[:, :, :rank] * values[:, None, :rank]
            self.rows = right[:, :rank]
            self.along = right[:, rank:].transpose(0, 2, 1)
        self.reduced = self.rows @ self.columns

    def rates(self) -> tuple[Flags, Array]:
        """Whether all rates are stable, and the smallest rate of decay."""
        known = _finite(self.reduced)[:, None]
        rates = np.linalg.eigvals(np.where(known[:, :, None], self.reduced, 0.0)) if self.rank else np.empty((len(known), 0))
        neutral = NEUTRAL * np.abs(rates).max(axis=1, initial=0.0)[:, None]
        return np.all(known & (rates.real < -neutral), axis=1), np.min(-rates.real, axis=1, initial=np.inf)

    def take(self, lanes: Lanes) -> _Modes:
        twin = object.__new__(_Modes)
        twin.rank = self.rank
        for name in ("unit", "columns", "rows", "along", "reduced"):
            setattr(twin, name, getattr(self, name)[lanes])
        return twin

    def coordinates(self, z: Array) -> Array:
        """G z of displacements or rates of shape (dimension, lanes), as (lanes, rank); of several for each lane, one after
        the other along the last axis, as (several, lanes, rank)."""
        lanes = len(self.unit)
        scaled = z.reshape(len(z), -1, lanes) / self.unit.T[:, None, :]
        found = np.einsum("kri,idk->dkr", self.rows, scaled)
        return np.asarray(found[0] if z.shape[1] == lanes else found)

    def displaced(self, w: Array) -> Array:
        """Displacements z within the range of J with G z = w, for w as ``coordinates`` gives them."""
        several = w if w.ndim == 3 else w[None]
        if not self.rank:
            return np.zeros((self.unit.shape[1], several.shape[0] * several.shape[1]))
        parts = solved(self.reduced, np.moveaxis(several, 0, -1))
        found = np.einsum("kir,krd->idk", self.columns, parts) * self.unit.T[:, None, :]
        return np.asarray(found.reshape(len(found), -1))

    def inverted(self, rate: Array) -> Array:
        """The displacement within the range of J from which the linear flow has this rate."""
        return self.displaced(solved(self.reduced, self.coordinates(rate)[..., None])[..., 0])

    def rounding(self, size: Array) -> Array:
        """Rounding of the rates of states of this size, in units of the states, shape (lanes, dimension)."""
        terms = np.einsum("kri,ik->kr", np.abs(self.rows), size / self.unit.T)
        return np.asarray(ROUNDING * np.einsum("kir,kr->ki", np.abs(self.columns), terms))

    def idle(self, rate: Array) -> Array:
        """The part of rates that no displacement explains, in units of the states, shape (lanes, dimension)."""
        explained = self.displaced(self.coordinates(rate))
        return ((rate - explained) / self.unit.T).T


# ---- families and attraction ---------------------------------------------------------------------------------------------

def _members(flow: LaneFlow, x: Array, rest: Array, p: Array, looked: Lanes, share: float
             ) -> Iterator[tuple[Lanes, _Modes]]:
    """Lanes with the modes at their rests; one of a family becomes the member that the fast modes leave.

    Newton's method may have gone to another member, where the directions are others.
    """
    for turn in range(CORRECTIONS):
        y = rest[:, looked]
        matrix = flow.jacobian(y + share * (x[:, looked] - y), p[:, looked])
        usable = _finite(matrix)
        again = []
        for rank, members in _by_rank(matrix, usable):
            which = looked[members]
            modes = _Modes(matrix[members], rank)
            if rank == len(x) or turn == CORRECTIONS - 1:
                yield which, modes
                continue
            away = x[:, which] - rest[:, which]
            left = modes.displaced(modes.coordinates(away))
            rest[:, which] = _corrected(flow, modes, x[:, which] - left, p[:, which])
            again.append(which)
        if not again:
            return
        looked = np.concatenate(again)


def _corrected(flow: LaneFlow, modes: _Modes, y: Array, p: Array) -> Array:
    """A few steps of Newton's method within the range of the Jacobian, which is not made anew."""
    for _ in range(CORRECTIONS):
        y = y - modes.inverted(flow.field(y, p))
    return y


def _is_family(flow: LaneFlow, modes: _Modes, x: Array, y: Array, p: Array) -> Flags:
    """Whether the field vanishes at the rest to rounding, and beside it along every direction without a rate of its own.

    On the far side of a border, as at the edge of a deadband, the flow may lead back instead.
    """
    good = _rests(flow, modes, y, p, np.abs(x - y))
    for k in range(modes.along.shape[2]):
        aside = (modes.along[:, :, k] * modes.unit).T
        size = np.max(np.abs(aside) / (np.abs(y) + FLOOR), axis=0)
        for sense in (ALONG, -ALONG):
            step = sense * aside / size
            there = _corrected(flow, modes, y + step, p)
            rate = flow.field(there, p)
            back = np.sum((there - y) * rate / modes.unit.T**2, axis=0) < 0
            good &= _rests(flow, modes, there, p, np.abs(step)) | back
    return good


def _rests(flow: LaneFlow, modes: _Modes, y: Array, p: Array, reach: Array) -> Flags:
    """Whether nothing moves but by rounding in the directions that the Jacobian does not explain.

    ``reach`` is how far the states were moved to get to ``y``: the rounding of the way.
    """
    rate = flow.field(y, p)
    slack = modes.rounding(np.abs(y) + reach).sum(axis=1, keepdims=True)
    return np.asarray(np.all(np.abs(modes.idle(rate)) <= slack, axis=1) & np.isfinite(rate).all(axis=0))


def _attracted(flow: LaneFlow, modes: _Modes, x: Array, y: Array, p: Array, slowest: Array) -> Flags:
    """Whether the form falls on the level through the state and on a wider one, and no event changes its sign within.

    A member of a family is told only where the flow does not drift along the family on the way: where that is curved, or
    a border lies between, another one is reached.
    """
    lanes, rank = x.shape[1], modes.rank
    side = np.sign(flow.levels(x, p))
    good = np.all(side == np.sign(flow.levels(y, p)), axis=0)
    if rank == len(y) > 1:
        good &= ~_on_border(flow, x, y, p) | np.all(np.abs(x - y) <= MEMBER * (np.abs(y) + FLOOR), axis=0)
    if not rank:
        return np.asarray(good)
    form = form_of(modes.reduced)
    good &= _finite(form)
    form[~good] = np.eye(rank)
    values, axes = np.linalg.eigh(form)
    good &= values[:, 0] > 0
    off = modes.coordinates(x - y)
    least = modes.coordinates(SMALLEST * (np.abs(y) + FLOOR))
    level = np.maximum(np.einsum("kij,ki,kj->k", form, off, off), values[:, 0] * np.sum(least**2, axis=1))
    # columns that take unit vectors to the level
    spread = axes * np.sqrt(level[:, None] / np.abs(values))[:, None, :]
    slack = np.einsum("kri,ki->kr", np.abs(modes.rows), modes.rounding(np.abs(y) + np.abs(x - y)))
    for size in (1.0, WIDER):
        w = np.einsum("kij,dj->dki", size * spread, _directions(rank))
        samples = len(w)
        p_there = np.tile(p, samples)
        there = np.tile(y, samples) + modes.displaced(w)
        rate = flow.field(there, p_there)
        inner = modes.coordinates(rate)
        if size == 1.0 and rank < len(y):
            drift = np.abs(rate - modes.displaced(inner)).reshape(len(y), samples, lanes).max(axis=1)
            good &= np.all(drift <= MEMBER * slowest * (np.abs(y) + FLOOR), axis=0)
        pulled = 2.0 * np.einsum("kij,dki->dkj", form, w)
        rise = np.sum(pulled * (inner if inner.ndim == 3 else inner[None]), axis=2)
        # on the far side of a border everything may rest: there it rises by rounding
        calm = rise <= np.sum(np.abs(pulled) * slack, axis=2)
        near = np.sign(flow.levels(there, p_there)).reshape(-1, samples, lanes) == side[:, None]
        good &= (calm & near.all(axis=0)).all(axis=0)
    return np.asarray(good)


def _on_border(flow: LaneFlow, x: Array, y: Array, p: Array) -> Flags:
    """Whether a border goes through the rest: beyond it there may be others, as those of a family that ends there."""
    aside = SIDES[0] * (x - y)
    own = flow.jacobian(y + aside, p)
    change = np.abs(flow.jacobian(y - aside, p) - own).max(axis=(1, 2))
    return np.asarray(change > SPLIT * np.abs(own).max(axis=(1, 2)))


def _directions(rank: int) -> Array:
    """Unit vectors along both senses of every axis, and others between them, the same ones always."""
    axes = np.eye(rank)
    count = 0 if rank == 1 else min(4 * rank, MOST_DIRECTIONS)
    others = np.random.default_rng(0).standard_normal((count, rank))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    return np.concatenate([axes, -axes, others, -others])
