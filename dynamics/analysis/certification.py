"""Certified fixed points: interval arithmetic proves where they are, and that there are no others in a box."""

from __future__ import annotations

import math
import time as _time
from collections.abc import Mapping, Sequence
from typing import Any

from sympy import Expr, Pow, Symbol

from dynamics.analysis import arguments
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.linearization import scalar_system
from dynamics.analysis.treatability import drift_note
from dynamics.errors import DerivationError, SpecificationError, did_you_mean
from dynamics.results import Certificate, CertifiedBox, FixedPoint, provenance
from dynamics.symbolic.coordinates import Axis, cleared
from dynamics.symbolic.interval_ends import DOUBLES, MultiplePrecision
from dynamics.symbolic.interval_search import Found, search
from dynamics.symbolic.interval_verification import Verified, enclosed_states, verified
from dynamics.symbolic.intervals import Arithmetic
from dynamics.systems import System
from dynamics.systems.numbers import exact

__all__ = ["certified_fixed_points"]

MOST_STATES = 12
SAME = 1e-12


def certified_fixed_points(system: System, parameters: Mapping[str, Any] | None = None,
                           box: Mapping[str, tuple[Any, Any]] | None = None, *, smallest: float = 1e-9,
                           most_boxes: int = 200_000) -> Certificate:
    """certified_fixed_points(system, box={...}): all fixed points in a box, proved by interval arithmetic.

    Parameters
    ----------
    system : System
        Autonomous; flow or map.
    parameters : mapping of str to number, optional
        Replaces current values.
    box : mapping of str to (lower, upper), optional
        An end that is None or infinite leaves the axis unbounded. States not named have their declared bounds.
    smallest : float
        Boxes are cut down to this fraction of the search box (of its compactified axes), then left undecided.
    most_boxes : int
        The search stops here, and what is left is undecided.

    Returns
    -------
    Certificate
        ``.boxes`` with status "unique" (exactly one fixed point, verified in multiple precision to 30 digits) or
        "undecided"; everywhere else in the search box there is none. ``.agrees_with_exact`` says whether `fixed_points`
        found the same ones.

    Raises
    ------
    DerivationError
        For systems that depend on time, Processes, and functions without interval arithmetic.
    SpecificationError
        For a box that does not fit the states, or limits that are not positive.

    Notes
    -----
    Branch and prune with the Krawczyk operator in outward-rounded doubles; every box reported as unique is proved again in
    75-digit arithmetic (functions by python-flint where installed, else by mpmath). Multiple roots, points on the border
    between regimes and lines of fixed points stay undecided: they are never dropped and never invented.

    References
    ----------
    Krawczyk (1969), Computing 4, 187. https://doi.org/10.1007/BF02234767
    Rump (2010), Acta Numerica 19, 287. https://doi.org/10.1017/S096249291000005X

    Examples
    --------
    >>> import dynamics as dy
    >>> certificate = dy.certified_fixed_points(dy.models.load("deleveraging"), box={
    ...     "price_gap": (-10, 2), "equity_ratio": (0.01, 1), "liquidation_flow": (0, 25)})
    >>> certificate.statement, certificate.agrees_with_exact
    ('There is exactly 1 fixed point in the box.', True)
    >>> certificate.boxes[0].digits["equity_ratio"]
    '0.2'
    """
    started = _time.perf_counter()
    system = scalar_system(system, "certified_fixed_points")
    if not system.autonomous:
        raise DerivationError(f"'{system.name}' depends on time and has no fixed points; integrate it instead")
    smallest = arguments.share(smallest, "smallest")
    most_boxes = arguments.whole(most_boxes, "most_boxes", 1)
    if len(system.states) > MOST_STATES:
        raise DerivationError(f"certified_fixed_points: '{system.name}' has {len(system.states)} states; boxes can be "
                              f"searched in at most {MOST_STATES} dimensions. fixed_points works without a box")
    system = arguments.replaced(system, parameters)
    limits = _limits(system, box)
    axes = [Axis.of(Symbol(name), *limits[name]) for name in system.states]
    equations = _equations(system)
    forms = [equations]
    if not all(axis.bounded for axis in axes) or _has_poles(equations, [axis.state for axis in axes]):
        forms.append(cleared(equations, axes))
    found = search(forms, axes, smallest, most_boxes)
    precision = MultiplePrecision()
    boxes = _boxes(found, equations, forms[-1], axes, precision)
    agrees, message = _agreement(system, boxes, limits, None if box is None else limits)
    if not found.complete:
        message = f"the search stopped after {found.examined} boxes; raise most_boxes or give a smaller box. {message}"
    status = "undecided" if any(b.status == "undecided" for b in boxes) else "complete" if boxes else "none"
    attributes = provenance(
        "certified_fixed_points", system, exactness="certified", method="interval Krawczyk, branch and prune",
        smallest=smallest, most_boxes=most_boxes,
        note=drift_note(system, "certified_fixed_points"), boxes_examined=found.examined,
        wall_time_s=_time.perf_counter() - started)
    return Certificate(status, tuple(boxes), {name: _outer(*pair) for name, pair in limits.items()}, precision.name,
                       found.examined, agrees, message, attributes)


def _limits(system: System, box: Mapping[str, tuple[Any, Any]] | None) -> dict[str, tuple[Any, Any]]:
    limits: dict[str, tuple[Any, Any]] = {name: state.bounds for name, state in system.states.items()}
    for name, pair in arguments.mapping(box, "box").items():
        if name not in limits:
            raise SpecificationError(f"box: '{name}' is not a state of '{system.name}'.{did_you_mean(name, limits)}")
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise SpecificationError(f"box.{name}: needs a pair (lower, upper), not {pair!r}")
        limits[name] = (pair[0], pair[1])
    found: dict[str, tuple[Any, Any]] = {}
    for name, pair in limits.items():
        low, high = (None if _open(end) else exact(end, f"box.{name}") for end in pair)
        if low is not None and high is not None and not low < high:
            raise SpecificationError(f"box.{name}: the lower end {low} is not below the upper end {high}")
        found[name] = (low, high)
    return found


def _open(end: Any) -> bool:
    return end is None or (isinstance(end, float) and math.isinf(end))


def _equations(system: System) -> list[Expr]:
    found = []
    for name, expression in system.field.items():
        numbers = expression.xreplace(system.exact_parameters)
        found.append(numbers - Symbol(name) if system.time == "discrete" else numbers)
    return found


def _has_poles(equations: Sequence[Expr], states: Sequence[Symbol]) -> bool:
    return any(power.exp.could_extract_minus_sign() and power.base.has(*states) for e in equations for power in e.atoms(Pow))


def _outer(low: Any, high: Any) -> tuple[float, float]:
    return (-math.inf if low is None else DOUBLES.rational(int(low.p), int(low.q))[0],
            math.inf if high is None else DOUBLES.rational(int(high.p), int(high.q))[1])


# ---- from coordinates to states ---------------------------------------------------------------------------------------

def _boxes(found: Found, equations: Sequence[Expr], form: Sequence[Expr], axes: Sequence[Axis],
           precision: MultiplePrecision) -> list[CertifiedBox]:
    unique: list[tuple[Verified, CertifiedBox]] = []
    undecided: list[CertifiedBox] = []
    for region, root in zip(_regions_of(found), found.roots, strict=True):
        proof = verified(equations, form, axes, region, precision)
        if proof is None:
            undecided.append(_open_box(axes, root, "the proof in multiple precision failed"))
            continue
        place = _place(proof, axes)
        same = any(all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(proof.coordinates, other.coordinates, strict=True))
                   for other, _ in unique)
        if place == "outside" or same:
            continue
        unique.append((proof, _certified(proof, axes, precision, place)))
    undecided += [_open_box(axes, (lower, upper)) for lower, upper in found.undecided]
    ordered = sorted((box for _, box in unique), key=lambda b: tuple(b.values.values()))
    return [*ordered, *undecided]


def _regions_of(found: Found) -> list[tuple[Any, Any]]:
    """The first region of each root: the one it was found with."""
    return [next((lo, hi) for lo, hi in found.regions if (root[0] >= lo).all() and (root[1] <= hi).all())
            for root in found.roots]


def _place(proof: Verified, axes: Sequence[Axis]) -> str:
    """Whether the root lies inside the search box, outside, or on its edge as far as 30 digits tell."""
    if not proof.states:
        return "outside"
    on_edge = False
    for (lower, upper), axis in zip(proof.states, axes, strict=True):
        for end, beyond, within in ((axis.low, upper, lower), (axis.high, lower, upper)):
            if end is None:
                continue
            sign = 1 if end is axis.low else -1
            if sign * (beyond * int(end.q) - int(end.p)) < 0:
                return "outside"
            on_edge |= sign * (within * int(end.q) - int(end.p)) <= 0
    return "edge" if on_edge else "inside"


def _certified(proof: Verified, axes: Sequence[Axis], precision: MultiplePrecision, place: str) -> CertifiedBox:
    context = precision.context
    values, digits, radius = {}, {}, context.zero
    for axis, (lower, upper) in zip(axes, proof.states, strict=True):
        middle = (lower + upper) / 2
        # what is zero to all digits is written as zero, not as the rounding error of its middle
        number = context.zero if lower <= 0 <= upper else middle
        text = context.nstr(number, 30) if number else "0"
        text = text[:-2] if text.endswith(".0") else text
        radius = max(radius, upper - context.mpf(text), context.mpf(text) - lower)
        values[axis.state.name], digits[axis.state.name] = float(number), text
    bounds = {axis.state.name: _floats(*ends) for axis, ends in zip(axes, proof.region, strict=True)}
    return CertifiedBox("unique", bounds, values, digits, _floats(radius, radius)[1],
                        "on the edge of the search box" if place == "edge" else "")


def _floats(low: Any, high: Any) -> tuple[float, float]:
    return math.nextafter(float(low), -math.inf), math.nextafter(float(high), math.inf)


def _open_box(axes: Sequence[Axis], box: tuple[Any, Any], remark: str = "") -> CertifiedBox:
    states = enclosed_states(axes, [(float(a), float(b)) for a, b in zip(*box, strict=True)], Arithmetic(DOUBLES))
    bounds = {axis.state.name: (float(a), float(b)) for axis, (a, b) in zip(axes, states, strict=True)}
    if any(math.isinf(end) for pair in bounds.values() for end in pair):
        remark = "; ".join(filter(None, [remark, "reaches to infinity"]))
    return CertifiedBox("undecided", bounds, remark=remark)


# ---- comparison with the exact route ----------------------------------------------------------------------------------

def _agreement(system: System, boxes: Sequence[CertifiedBox], limits: Mapping[str, tuple[Any, Any]],
               box: Mapping[str, tuple[Any, Any]] | None) -> tuple[bool | None, str]:
    """Whether every fixed point found otherwise lies in a certified box, and every unique box holds one."""
    try:
        points = [p for p in fixed_points(system, box=box) if not p.remark.startswith("virtual")]
    except DerivationError as error:
        return None, f"not compared: {error}"
    if any(p.free for p in points):
        return None, "not compared: fixed_points found a line of fixed points"
    inside = [p for p in points if _within(p.values, {n: _outer(*pair) for n, pair in limits.items()})]
    lost = [p for p in inside if not any(_matches(p, b) for b in boxes)]
    missed = [b for b in boxes if b.status == "unique" and not any(_matches(p, b) for p in inside)]
    if lost:
        return False, f"fixed_points gives {lost[0]!r}, which lies in no certified box"
    if missed:
        return False, f"fixed_points does not give the certified point {missed[0]!r}"
    weak = {p.exactness for p in inside} - {"exact", "certified"}
    if weak:
        return None, "the same points as fixed_points, which found them by a numeric search only"
    return True, ""


def _within(values: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]) -> bool:
    return all(low - SAME * (1 + abs(low)) <= values[n] <= high + SAME * (1 + abs(high)) if math.isfinite(low) or
               math.isfinite(high) else True for n, (low, high) in bounds.items())


def _matches(point: FixedPoint, box: CertifiedBox) -> bool:
    if box.status == "unique":
        return all(abs(point.values[n] - v) <= SAME * (1 + abs(v)) for n, v in box.values.items())
    return _within(point.values, box.bounds)
