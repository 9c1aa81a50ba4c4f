"""All roots of equations in a box, by interval branch and prune with the Krawczyk operator, many boxes at once.

A box is dropped when an enclosure proves that it holds no root, and accounted for when it lies where a root is proved to be
unique; what is neither proved nor dropped at the smallest size stays, as undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from dynamics.symbolic.coordinates import Axis, inputs
from dynamics.symbolic.interval_clusters import joined
from dynamics.symbolic.interval_ends import DOUBLES
from dynamics.symbolic.interval_evaluation import KINK, NOWHERE, SMOOTH, Jet, evaluate
from dynamics.symbolic.intervals import Arithmetic, Interval

__all__ = ["Found", "search"]

Array = NDArray[np.float64]
CHUNK = 4096
CUT = 0.498  # not the middle, where symmetric problems have their roots
DOUBLE = Arithmetic(DOUBLES)


@dataclass
class Found:
    """What a search proved, in the coordinates of the axes.

    Attributes
    ----------
    regions : list of (lower, upper), each array of shape (states,)
        Each holds exactly one root of the equations; regions may overlap or reach outside the box.
    roots : list of (lower, upper)
        Where in its region the root lies.
    undecided : array, shape (boxes, 2, states)
    examined : int
        Boxes looked at.
    complete : bool
        False when the search ended because of the number of boxes.
    """

    regions: list[tuple[Array, Array]] = field(default_factory=list)
    roots: list[tuple[Array, Array]] = field(default_factory=list)
    undecided: Array = field(default_factory=lambda: np.empty((0, 2, 0)))
    examined: int = 0
    complete: bool = True


def search(forms: Sequence[Sequence[Expr]], axes: Sequence[Axis], smallest: float, most_boxes: int) -> Found:
    """Find all roots in the box of the axes.

    Parameters
    ----------
    forms : sequence of sequences of Expr
        The same equations written in one or more ways; the last is the one whose roots are proved to be unique.
    axes : sequence of Axis
    smallest : float
        Undecided boxes are not cut below this fraction of the whole.
    most_boxes : int

    Returns
    -------
    Found

    References
    ----------
    Krawczyk (1969), Computing 4, 187. https://doi.org/10.1007/BF02234767
    Neumaier (1990), Interval Methods for Systems of Equations. https://doi.org/10.1017/CBO9780511526473
    """
    found = Found()
    ends = [axis.range for axis in axes]
    whole_lo = np.array([DOUBLES.rational(int(e[0].p), int(e[0].q))[0] for e in ends])
    whole_hi = np.array([DOUBLES.rational(int(e[1].p), int(e[1].q))[1] for e in ends])
    width = whole_hi - whole_lo
    # a coordinate that one equation fixes at once keeps this much room, or regions would be too thin to hold digits
    room = width * min(1e-12, smallest)
    lo, hi = whole_lo[None, :], whole_hi[None, :]
    left: list[Array] = []
    while len(lo):
        if found.examined + len(lo) > most_boxes:
            found.complete = False
            left.append(np.stack([lo, hi], axis=1))
            break
        found.examined += len(lo)
        parts = [_examined(forms, axes, lo[k:k + CHUNK], hi[k:k + CHUNK], room, found) for k in range(0, len(lo), CHUNK)]
        lo, hi, pull = (np.concatenate(p) for p in zip(*parts, strict=True))
        lo, hi, pull = _not_accounted_for(lo, hi, pull, found.regions)
        relative = (hi - lo) / width
        middle = lo + CUT * (hi - lo)
        # a coordinate that cannot be cut any more is as small as it gets
        cuttable = (relative > smallest) & (middle > lo) & (middle < hi)
        small = ~cuttable.any(axis=1)
        if small.any():
            left.append(np.stack([lo[small], hi[small]], axis=1))
        lo, hi, relative, pull, middle, cuttable = (a[~small] for a in (lo, hi, relative, pull, middle, cuttable))
        lo, hi = _cut(lo, hi, np.where(cuttable, relative, -1.0), pull, middle)
    found.undecided = joined(np.concatenate(left), width * smallest) if left else np.empty((0, 2, len(axes)))
    return found


def jets_over(form: Sequence[Expr], axes: Sequence[Axis], lo: Any, hi: Any, arithmetic: Arithmetic = DOUBLE) -> list[Jet]:
    """Enclose equations over boxes given by arrays of shape (boxes, states)."""
    boxes = [Interval(lo[:, k], hi[:, k]) for k in range(len(axes))]
    return evaluate(form, inputs(axes, boxes, arithmetic), arithmetic)


def _examined(forms: Sequence[Sequence[Expr]], axes: Sequence[Axis], lo: Array, hi: Array, room: Array,
              found: Found) -> tuple[Array, Array, Array]:
    """Boxes that may hold a root, contracted, and how strongly each coordinate moves the equations."""
    jets: list[Jet] = []
    for form in forms:
        jets = jets_over(form, axes, lo, hi)
        keep = np.ones(len(lo), dtype=bool)
        for jet in jets:
            keep &= ~((jet.value.lo > 0) | (jet.value.hi < 0) | (np.asarray(jet.defect) == NOWHERE))
        if not keep.all():
            lo, hi = lo[keep], hi[keep]
            jets = [_chosen(jet, keep) for jet in jets]
    if not len(lo):
        return lo, hi, lo
    step = _krawczyk(forms[-1], axes, lo, hi, jets)
    width = hi - lo
    pull = np.where(np.isfinite(step.pull), step.pull, 0.0)
    keep = ~(step.valid & (step.empty | (np.maximum(step.lo, lo) > np.minimum(step.hi, hi)).any(axis=1)))
    unique = keep & step.smooth & ((step.lo > lo) & (step.hi < hi)).all(axis=1)
    for k in np.nonzero(unique)[0]:
        _prove(found, (lo[k], hi[k]), (step.lo[k], step.hi[k]))
    # a box as large as this one around the root, if there seems to be one in or next to it
    near = ((step.center >= lo - 0.5 * width) & (step.center <= hi + 0.5 * width)).all(axis=1)
    likely = keep & ~unique & step.smooth & near & (step.spread < 0.5)
    if likely.any():
        reach = 0.75 * width[likely]
        # thin boxes get thicker regions, which swallow their neighbours too
        share = (reach / room).max(axis=1, keepdims=True)
        reach = np.maximum(reach, np.maximum(4.0, 1e-3 * share) * room)
        around_lo, around_hi = step.center[likely] - reach, step.center[likely] + reach
        again = _krawczyk(forms[-1], axes, around_lo, around_hi, jets_over(forms[-1], axes, around_lo, around_hi))
        proved = again.smooth & ((again.lo > around_lo) & (again.hi < around_hi)).all(axis=1)
        for k in np.nonzero(proved)[0]:
            _prove(found, (around_lo[k], around_hi[k]), (again.lo[k], again.hi[k]))
    keep &= ~unique
    valid = step.valid[:, None]
    return (np.where(valid, np.maximum(step.lo - room, lo), lo)[keep],
            np.where(valid, np.minimum(step.hi + room, hi), hi)[keep], pull[keep])


def _chosen(jet: Jet, keep: NDArray[np.bool_]) -> Jet:
    def part(a: Any) -> Any:
        return np.broadcast_to(a, keep.shape)[keep]

    return Jet(Interval(part(jet.value.lo), part(jet.value.hi)),
               {k: Interval(part(s.lo), part(s.hi)) for k, s in jet.slopes.items()}, part(jet.defect))


@dataclass
class _Step:
    """Image of boxes under the Krawczyk operator; ``valid`` where the mean value theorem holds in the box."""

    lo: Array
    hi: Array
    center: Array
    valid: NDArray[np.bool_]
    smooth: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    spread: Array
    pull: Array


def _krawczyk(form: Sequence[Expr], axes: Sequence[Axis], lo: Array, hi: Array, jets: Sequence[Jet]) -> _Step:
    """K(X) = c - Y f(c) + (I - Y F'(X)) (X - c), in midpoint and radius, every rounding error bounded."""
    count, size = lo.shape
    slope_lo, slope_hi = np.zeros((count, size, size)), np.zeros((count, size, size))
    defect = np.zeros(count, dtype=int)
    for i, jet in enumerate(jets):
        defect = np.maximum(defect, jet.defect)
        for j, slope in jet.slopes.items():
            slope_lo[:, i, j], slope_hi[:, i, j] = slope.lo, slope.hi
    finite = np.isfinite(slope_lo).all(axis=(1, 2)) & np.isfinite(slope_hi).all(axis=(1, 2))
    slope_lo[~finite], slope_hi[~finite] = np.eye(size), np.eye(size)
    center = lo + 0.5 * (hi - lo)
    radius = np.nextafter(np.maximum(hi - center, center - lo), np.inf)
    at_center = jets_over(form, axes, center, center)
    f_lo, f_hi = (np.stack([np.broadcast_to(getattr(j.value, e), count) for j in at_center], axis=1) for e in ("lo", "hi"))
    finite &= np.isfinite(f_lo).all(axis=1) & np.isfinite(f_hi).all(axis=1)
    f_lo[~finite], f_hi[~finite] = -1.0, 1.0
    with np.errstate(all="ignore"):
        f_mid, f_rad = _middle(f_lo, f_hi)
        slope_mid, slope_rad = _middle(slope_lo, slope_hi)
        inverse = _inverse(slope_mid)
        # a sum of n products errs by at most n u times the sum of their sizes; doubled, and a little for underflow
        unit = (2 * size + 8) * 2.0**-52
        grow = 1 + (8 * size + 64) * 2.0**-52
        size_inverse, size_slope, size_f = np.abs(inverse), np.abs(slope_mid), np.abs(f_mid)
        residue = np.abs(np.eye(size) - inverse @ slope_mid)
        residue = (residue + unit * (np.eye(size) + size_inverse @ size_slope) + size_inverse @ slope_rad) * grow + 1e-300
        shift = np.einsum("bij,bj->bi", inverse, f_mid)
        error = (unit * np.einsum("bij,bj->bi", size_inverse, size_f) + np.einsum("bij,bj->bi", size_inverse, f_rad)) * grow
        reach = np.einsum("bij,bj->bi", residue, radius)
        total = (error + reach) * grow + 1e-300
        moved = center - shift
        total = (total + unit * (np.abs(center) + np.abs(shift))) * grow
        new_lo, new_hi = np.nextafter(moved - total, -np.inf), np.nextafter(moved + total, np.inf)
        # each equation by itself: f(X) lies in f(c) + F'(X)(X - c)
        largest = np.maximum(np.abs(slope_lo), np.abs(slope_hi))
        sway = np.einsum("bij,bj->bi", largest, radius) * grow + 1e-300
        empty = ((f_lo > sway) | (-f_hi > sway)).any(axis=1)
        spread = np.max(reach / radius, axis=1)
        pull = np.max(largest / np.maximum(sway[:, :, None], 1e-300), axis=1) * radius
    finite &= np.isfinite(new_lo).all(axis=1) & np.isfinite(new_hi).all(axis=1)
    new_lo[~finite], new_hi[~finite] = -np.inf, np.inf
    return _Step(new_lo, new_hi, np.where(np.isfinite(moved), moved, center), finite & (defect <= KINK),
                 finite & (defect == SMOOTH), empty & finite & (defect <= KINK), np.where(finite, spread, np.inf), pull)


def _middle(lo: Array, hi: Array) -> tuple[Array, Array]:
    mid = 0.5 * lo + 0.5 * hi
    return mid, np.nextafter(np.maximum(hi - mid, mid - lo), np.inf)


def _inverse(matrices: Array) -> Array:
    """Approximate inverses; any matrix will do, so singular ones get whatever is at hand."""
    try:
        inverse: Any = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        inverse = np.linalg.pinv(matrices)
    result: Array = inverse
    return result


def _prove(found: Found, region: tuple[Array, Array], root: tuple[Array, Array]) -> None:
    lower, upper = np.maximum(region[0], root[0]), np.minimum(region[1], root[1])
    known = any((lower >= lo).all() and (upper <= hi).all() for lo, hi in found.regions)
    if known and any((region[0] >= lo).all() and (region[1] <= hi).all() for lo, hi in found.regions):
        return
    found.regions.append(region)
    if not known:
        found.roots.append((lower, upper))


def _not_accounted_for(lo: Array, hi: Array, pull: Array, regions: Sequence[tuple[Array, Array]]) -> tuple[Array, ...]:
    keep = np.ones(len(lo), dtype=bool)
    for region_lo, region_hi in regions:
        keep &= ~((lo >= region_lo) & (hi <= region_hi)).all(axis=1)
    return lo[keep], hi[keep], pull[keep]


def _cut(lo: Array, hi: Array, relative: Array, pull: Array, middle: Array) -> tuple[Array, Array]:
    """Halve each box along the coordinate that moves the equations most, unless another is much wider."""
    if not len(lo):
        return lo, hi
    widest = relative.max(axis=1, keepdims=True)
    weight = np.where(relative > 0.1 * widest, pull + 1e-6 * relative / widest, -1.0)
    which = np.argmax(weight, axis=1)
    rows = np.arange(len(lo))
    left_hi, right_lo = hi.copy(), lo.copy()
    left_hi[rows, which] = right_lo[rows, which] = middle[rows, which]
    return np.concatenate([lo, right_lo]), np.concatenate([left_hi, hi])
