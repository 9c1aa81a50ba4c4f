"""Whether a trajectory has come to rest: at a stable fixed point known or found, inside a neighbourhood that draws it in.

A state that has nearly stopped proves nothing: the ghost of a fold, a slow saddle and a slow drift all look like rest for
a long time. A rest is said to be reached only where (1) the field vanishes at a point near by, found by Newton's method,
(2) the eigenvalues there are stable, and (3) the state lies so close that the whole neighbourhood of its size flows
inwards and no terminal or assigning event is met in it. The neighbourhood is looked at at sampled points.

Where rests form a line or more (a deadband, an amount that stops changing) the neighbourhood is that of the directions
that are drawn in; the others have to be free in truth: a rest a little further along them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.functions import functions_of
from dynamics.systems import System

__all__ = ["Rest", "Rests", "rest_reached"]

Array = NDArray[np.float64]
STEPS = 40  # of Newton's method: it doubles digits, so a good start takes 4 to 8
CONVERGED = 1e-12  # relative size of its last step: a little over rounding
NEUTRAL = 1e-10  # share of the fastest rate below which a rate of an exact Jacobian counts as zero
NEUTRAL_DIFFERENCES = 1e-7  # the same for differences, which know it to some eight digits
DIFFERENCE = 6e-6  # the cube root of rounding: the best step of a central difference
TOWARDS = 1e-6  # share of the way back to the state at which a slope is taken: on its side of a kink through the rest
ROUNDING = 1e-14  # a side is told by some fifty units in the last place
SHELLS = (2.0, 1.0, 0.5)  # radii that are sampled, in units of the distance to the rest
DIRECTIONS, MOST_DIRECTIONS = 24, 240  # sampled directions for each state, and in all
INWARD = 0.25  # share of the speed of the linear part at which the flow must still point inwards
SMALLEST = 1e-11  # radius, relative to the states, below which rounding of the field would show
ALONG = (1e-3, 1e-2)  # how far along a line of rests, relative to the states, the next rest is looked for
STAYS = 0.1  # share of that way which Newton's method may move sideways: it goes back all the way from where none is


@dataclass(frozen=True)
class Rest:
    """A stable fixed point that a trajectory has reached.

    Attributes
    ----------
    state : ndarray, shape (dimension,)
    eigenvalues : ndarray of complex, shape (dimension,)
    free : int
        Dimension of the family of rests it belongs to; 0 for an isolated one.
    """

    state: Array
    eigenvalues: NDArray[np.complex128]
    free: int


@dataclass(frozen=True)
class _Neighbourhood:
    """A rest in coordinates in which the directions that are drawn in come first."""

    rest: Rest
    basis: Array
    back: NDArray[np.floating[Any]]
    form: Array
    scale: Array


def rest_reached(system: System, state: Array, parameters: Mapping[str, Any] | None = None) -> Rest | None:
    """rest_reached(system, state): the stable fixed point that ``state`` has reached, None where nothing proves one.

    Parameters
    ----------
    system : System
        Continuous time.
    state : ndarray, shape (dimension,)
    parameters : mapping of str to float, optional
        Replaces parameter values by name.

    Returns
    -------
    Rest or None

    Examples
    --------
    >>> import numpy as np
    >>> import dynamics as dy
    >>> bistable = dy.System(name="bistable", states={"x": 1.0}, equations={"x": "x*(1 - x)*(x - 0.3)"})
    >>> rest_reached(bistable, np.array([0.999])).state.round(9).tolist()
    [1.0]
    >>> rest_reached(bistable, np.array([0.4])) is None   # it will be reached, but this is far from it
    True
    """
    whole = system.with_parameters(parameters) if parameters else system
    return Rests(whole).reached(np.asarray(state, dtype=float))


class Rests:
    """The rests of one system, known or found on the way.

    Parameters
    ----------
    system : System
    p : sequence, optional
        Parameter values in order; None: the current ones.
    watched : sequence of str
        Events, beside the terminal and the assigning ones, that may not be met near a rest.
    """

    def __init__(self, system: System, p: Sequence[Any] | None = None, watched: Sequence[str] = ()) -> None:
        self.system, self.functions = system, functions_of(system)
        self.p = self.functions.parameters(system) if p is None else tuple(p)
        self.autonomous = system.autonomous
        ending = [e.terminal or bool(e.assign) or n in watched for n, e in system.events.items()]
        self.rows = np.flatnonzero(ending)
        self.known: list[tuple[_Neighbourhood, float]] = []

    def reached(self, state: Array) -> Rest | None:
        """Return the rest that a state has reached, or None."""
        if not (self.autonomous and np.all(np.isfinite(state))):
            return None
        for known, level in self.known:
            if self._level(known, state) <= level:
                return known.rest
        try:
            with np.errstate(all="ignore"):
                return self._found(state)
        except np.linalg.LinAlgError:
            # a spectrum that linear algebra does not resolve proves nothing
            return None

    def _found(self, state: Array) -> Rest | None:
        for side in self._sides(state):
            place = self._place(state, side)
            if place is None:
                continue
            radius = max(np.sqrt(self._level(place, state)), SMALLEST * np.sqrt(np.trace(place.form)))
            if self._draws_in(place, state, radius):
                if not place.rest.free:
                    self.known.append((place, radius**2))
                return place.rest
        return None

    def unstable(self, state: Array) -> bool:
        """Whether a state is an unstable fixed point."""
        if not self.autonomous:
            return False
        with np.errstate(all="ignore"):
            point = self._newton(state)
            if point is None or np.any(np.abs(point - state) > CONVERGED * _sizes(state)):
                return False
            rates = np.linalg.eigvals(self._slope(point, state)).real
        return bool(rates.max() > self._neutral * np.abs(rates).max())

    def _sides(self, state: Array) -> Iterator[Array]:
        """Where to take slopes: at the state, and all around it where it is at rest, maybe on a kink of the field."""
        yield state
        if np.all(self._field(state) == 0):
            moves = np.diag(_sizes(state))
            for move in (*moves, *-moves):
                yield state + move

    # ---- where the field vanishes ------------------------------------------------------------------------------------

    @property
    def _neutral(self) -> float:
        return NEUTRAL_DIFFERENCES if self.functions.jacobian is None else NEUTRAL

    def _field(self, state: Array) -> Array:
        return self.functions.field(0.0, state, self.p)

    def _slope(self, point: Array, state: Array) -> Array:
        """The Jacobian at a point, on the side of a state."""
        way = state - point
        at = point + np.copysign(np.maximum(TOWARDS * np.abs(way), ROUNDING * np.abs(point)) * (way != 0), way)
        exact = self.functions.jacobian
        if exact is not None:
            return exact(0.0, at, self.p)
        step = DIFFERENCE * np.where(at != 0, np.abs(at), max(float(np.abs(at).max()), DIFFERENCE))
        columns = [(self._field(at + move) - self._field(at - move)) / (2 * s)
                   for move, s in zip(np.diag(step), step, strict=True)]
        return np.stack(columns, axis=1)

    def _newton(self, state: Array, side: Array | None = None) -> Array | None:
        """A point where the field vanishes, by Newton's method; of a family of them the nearest one."""
        point, scale = state.copy(), _sizes(state)
        for _ in range(STEPS):
            value, slope = self._field(point), self._slope(point, state if side is None else side)
            if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
                return None
            balanced = slope / scale[:, None] * scale
            step = scale * np.linalg.lstsq(balanced, -value / scale, rcond=self._neutral)[0]
            left = np.abs(slope @ step + value)
            moved = point + step
            rounding = np.abs(slope) @ np.abs(moved)
            small = np.abs(step) <= CONVERGED * _sizes(np.maximum(np.abs(moved), np.abs(state)))
            if np.all(small | (step == 0)) and np.all(left <= CONVERGED * rounding):
                return moved
            point = moved
        return None

    def _place(self, state: Array, side: Array) -> _Neighbourhood | None:
        """The stable rest near a state, with the form that measures how far the state is from it."""
        from scipy.linalg import solve_continuous_lyapunov

        point = self._newton(state, side)
        if point is None:
            return None
        slope = self._slope(point, side)
        scale = _sizes(np.maximum(np.abs(point), np.abs(state)))
        slope = slope / scale[:, None] * scale
        if not np.all(np.isfinite(slope)):
            return None
        rates = np.linalg.eigvals(slope)
        fastest = float(np.abs(rates).max())
        neutral = np.abs(rates) <= self._neutral * fastest
        free = int(neutral.sum())
        if np.any(rates[~neutral].real >= -self._neutral * fastest):
            return None
        basis = self._basis(slope, free, fastest)
        if basis is None or (free and not self._family(point, basis[:, len(point) - free:] * scale[:, None], side)):
            return None
        back = np.linalg.inv(basis)
        size = len(point) - free
        inner = (back @ slope @ basis)[:size, :size]
        form: Array = solve_continuous_lyapunov(inner.T, -np.eye(size)) if size else np.zeros((0, 0))
        if free:
            # the member of the family that the directions which are drawn in lead to
            off = back @ ((state - point) / scale)
            nearest = point + scale * (basis[:, size:] @ off[size:])
            settled = self._newton(nearest, side)
            point = nearest if settled is None else settled
        return _Neighbourhood(Rest(point, rates.astype(complex), free), basis, back, form, scale)

    def _basis(self, slope: Array, free: int, fastest: float) -> Array | None:
        """Columns: the directions that are drawn in, then those that are free; None where these are not told apart."""
        size = len(slope)
        if not free:
            return np.eye(size)
        left, values, right = np.linalg.svd(slope)
        if np.sum(values <= self._neutral * max(fastest, values[0])) != free:
            return None
        # the range of the slope and its null space, which span the whole space where zero is a semisimple eigenvalue
        basis = np.column_stack([left[:, : size - free], right[size - free:].T])
        return basis if np.linalg.cond(basis) < 1 / NEUTRAL else None

    def _family(self, point: Array, directions: Array, side: Array) -> bool:
        """Whether there are rests along all these directions."""
        for direction in directions.T:
            for share in (*ALONG, *(-s for s in ALONG)):
                way = share * direction
                found = self._newton(point + way, side + way)
                if found is None or np.linalg.norm(found - point - way) > STAYS * np.linalg.norm(way):
                    return False
        return True

    # ---- the neighbourhood that is drawn in --------------------------------------------------------------------------

    def _level(self, place: _Neighbourhood, state: Array) -> float:
        size = len(place.form)
        off = (place.back @ ((state - place.rest.state) / place.scale))[:size]
        return float(off @ place.form @ off)

    def _draws_in(self, place: _Neighbourhood, state: Array, radius: float) -> bool:
        """Whether the flow points inwards all around, and no event is met."""
        size = len(place.form)
        levels = self.functions.events(0.0, state, self.p)[self.rows] if self.rows.size else np.empty(0)
        if not size:
            return bool(np.all(self._field(state) == 0))
        root = np.linalg.cholesky(place.form)
        for way in _directions(size):
            inner = np.linalg.solve(root.T, way)
            inward, resting = [], []
            for shell in SHELLS:
                off = shell * radius * inner
                at = place.rest.state + place.scale * (place.basis[:, :size] @ off)
                if self.rows.size and not self._before(levels, self.functions.events(0.0, at, self.p)[self.rows]):
                    return False
                flow = self._field(at)
                speed = float(2 * off @ place.form @ (place.back @ (flow / place.scale))[:size])
                inward.append(speed <= -INWARD * float(off @ off))
                resting.append(bool(np.all(flow == 0)))
            # beyond the edge of a deadband everything rests; a single zero is another rest
            if not (all(inward) or all(resting)):
                return False
        return True

    @staticmethod
    def _before(levels: Array, there: Array) -> bool:
        """Whether no event changes its sign; one that is zero all around (no longer used) does not."""
        return bool(np.all((levels * there > 0) | ((levels == 0) & (there == 0))))


def _sizes(state: Array) -> Array:
    """Sizes of the states; that of a zero is not known, and taken to be that of the largest."""
    size = np.abs(state)
    largest = float(size.max())
    return np.where(size > CONVERGED * largest, size, largest if largest > 0 else 1.0)


def _directions(size: int) -> Array:
    """Unit vectors all around: the axes, and others that are always the same."""
    count = min(DIRECTIONS * size, MOST_DIRECTIONS)
    random = np.random.default_rng(0).standard_normal((count, size)) if size > 1 else np.empty((0, 1))
    axes = np.concatenate([np.eye(size), -np.eye(size)])
    every = np.concatenate([axes, random])
    return every / np.linalg.norm(every, axis=1)[:, None]
