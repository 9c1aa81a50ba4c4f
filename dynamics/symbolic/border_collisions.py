"""What happens where a fixed point meets a border between two smooth regimes, from the two one-sided linear parts.

Near the border the system is z -> J z + b p (a map) or z' = J z + b p (a flow), with J = off where normal . z < 0 and
J = on where normal . z > 0; p is the distance of the parameter from the collision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from dynamics.symbolic.skew_tent import SkewTentAttractor, skew_tent_attractor

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Collision", "classify_boundary_equilibrium", "classify_collision", "fixed_point_kind"]

NEUTRAL = 1e-10
_LONGEST = 6  # words of cycles that are tried in maps of two and more dimensions
_Sides = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Collision:
    """A border collision, classified.

    Attributes
    ----------
    classification : {"persistence", "nonsmooth_fold", "not determined"}
        Of the fixed points: one on either side of the collision, or two on one side and none on the other.
    exists : (str, str)
        "below" or "above": for which parameter values the fixed points of the off and the on side lie in their own regime.
    attractors : (tuple of str, tuple of str)
        Below and above the critical parameter value; what is proven to attract, close to the border.
    unstable : (tuple of str, tuple of str)
        Unstable orbits that are known, below and above.
    remark : str
    """

    classification: str
    exists: tuple[str, str] = ("", "")
    attractors: _Sides = ((), ())
    unstable: _Sides = ((), ())
    remark: str = ""


def fixed_point_kind(matrix: np.ndarray, time: str = "continuous") -> tuple[str, str]:
    """Return (stability, kind) of a fixed point: ("stable", "stable focus"), ("unstable", "saddle"), ...

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
    time : {"continuous", "discrete"}

    Returns
    -------
    (str, str)
        "not determined" and "degenerate" where an eigenvalue is neutral.

    Examples
    --------
    >>> import numpy as np
    >>> fixed_point_kind(np.array([[-1.0, 2.0], [-2.0, -1.0]]))
    ('stable', 'stable focus')
    """
    import numpy as np

    eigenvalues = np.linalg.eigvals(matrix)
    scale = 1.0 + float(np.abs(eigenvalues).max())
    growth = (np.abs(eigenvalues) - 1.0 if time == "discrete" else eigenvalues.real) / scale
    turning = bool((np.abs(eigenvalues.imag) > 1e-9 * scale).any())
    unstable = int((growth > NEUTRAL).sum())
    if (np.abs(growth) <= NEUTRAL).any():
        return "unstable" if unstable else "not determined", "degenerate"
    shape = "focus" if turning else "node"
    if unstable == 0:
        return "stable", f"stable {shape}"
    if unstable == len(growth):
        return "unstable", f"unstable {shape}"
    return "unstable", "saddle focus" if turning else "saddle"


def classify_collision(off: np.ndarray, on: np.ndarray, normal: np.ndarray, drift: np.ndarray,
                       time: str = "continuous") -> Collision:
    """Classify the collision of a fixed point with a border across which the field is continuous.

    Parameters
    ----------
    off, on : ndarray, shape (n, n)
        Jacobians on either side of the border, at the collision; they differ by a matrix of rank one.
    normal : ndarray, shape (n,)
        Gradient of the switch; it points to the on side.
    drift : ndarray, shape (n,)
        The vector b.
    time : {"continuous", "discrete"}

    Returns
    -------
    Collision
        Complete for n = 1, and for fixed points and limit cycles of flows with n = 2. For maps with n >= 2 fixed points and
        all cycles up to period 6 that cross the border; for flows with n >= 3 fixed points.

    Notes
    -----
    With M = -J (flow) or 1 - J (map) and k = normal . adj(M) b, the same on both sides, the switch is k p/det M at either
    fixed point (Feigin). A limit cycle of a planar flow is born where a stable side meets an unstable one; it is stable
    where the sum of real/imaginary parts of the foci is negative, and there is at most one.

    References
    ----------
    M. di Bernardo, C. J. Budd, A. R. Champneys, P. Kowalczyk, Piecewise-smooth Dynamical Systems (Springer 2008),
    doi:10.1007/978-1-84628-708-4. E. Freire, E. Ponce, F. Rodrigo, F. Torres, Bifurcation sets of continuous piecewise
    linear systems with two zones, Int. J. Bifurcation Chaos 8 (1998) 2073-2097, doi:10.1142/S0218127498001728.

    Examples
    --------
    >>> import numpy as np
    >>> found = classify_collision(np.array([[0.4]]), np.array([[-2.4]]), np.array([1.0]), np.array([1.0]), "discrete")
    >>> found.classification, found.attractors
    ('persistence', (('stable fixed point (off)',), ('stable cycle of period 2 (off on)',)))
    """
    import numpy as np

    size = len(off)
    unit = np.eye(size) if time == "discrete" else np.zeros((size, size))
    sides = [unit - off, unit - on]
    determinants = [float(np.linalg.det(side)) for side in sides]
    scale = [max(1.0, float(np.abs(side).max())) ** size for side in sides]
    if any(abs(d) <= NEUTRAL * s for d, s in zip(determinants, scale, strict=True)):
        return Collision("not determined", remark="a fixed point is degenerate at the border")
    slopes = [float(normal @ np.linalg.solve(side, drift)) for side in sides]
    if any(abs(slope) <= NEUTRAL for slope in slopes):
        return Collision("not determined", remark="the fixed points do not cross the border with the parameter")
    exists = ("below" if slopes[0] > 0 else "above", "above" if slopes[1] > 0 else "below")
    result = Collision("persistence" if determinants[0] * determinants[1] > 0 else "nonsmooth_fold", exists)
    if time == "discrete" and size == 1:
        return _one_dimensional_map(result, float(off[0, 0]), float(on[0, 0]), slopes[1] * determinants[1])
    kinds = [fixed_point_kind(matrix, time) for matrix in (off, on)]
    result = _with_fixed_points(result, kinds)
    if time == "discrete":
        return _with_cycles(result, off, on, normal, drift)
    if size == 2:
        return _with_limit_cycle(result, off, on, kinds)
    return replace(result, remark="limit cycles and chaos born at the border: not determined") if size > 2 else result


def classify_boundary_equilibrium(matrix: np.ndarray, normal: np.ndarray, drift: np.ndarray, opposite: np.ndarray,
                                  on: bool) -> Collision:
    """Classify the collision of a flow's equilibrium with a border across which the field jumps.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Jacobian on the equilibrium's side.
    normal, drift : ndarray, shape (n,)
        As for `classify_collision`.
    opposite : ndarray, shape (n,)
        The field of the other side at the collision.
    on : bool
        Whether the equilibrium's side is the one where the switch is positive.

    Returns
    -------
    Collision
        ``exists`` is that of the equilibrium and of the pseudo-equilibrium. Persistence: the one turns into the other;
        nonsmooth fold: both are on the same side of the collision.

    References
    ----------
    M. di Bernardo, A. Nordmark, G. Olivar, Discontinuity-induced bifurcations of equilibria in piecewise-smooth and
    impacting dynamical systems, Physica D 237 (2008) 119-136, doi:10.1016/j.physd.2007.08.008.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.array([1.0])
    >>> classify_boundary_equilibrium(np.array([[-1.0]]), one, one, one, on=True).classification
    'persistence'
    """
    import numpy as np

    if abs(np.linalg.det(matrix)) <= NEUTRAL:
        return Collision("not determined", remark="the equilibrium is degenerate at the border")
    slope = float(normal @ np.linalg.solve(-matrix, drift))
    # pseudo-equilibria: matrix (z - equilibrium) = -weight * opposite with weight > 0, on the border
    gain = float(normal @ np.linalg.solve(matrix, opposite))
    if abs(slope) <= NEUTRAL or abs(gain) <= NEUTRAL:
        return Collision("not determined", remark="the equilibrium touches the border in a degenerate way")
    own = "above" if (slope > 0) == on else "below"
    pseudo = "above" if slope * gain > 0 else "below"
    classification = "nonsmooth_fold" if own == pseudo else "persistence"
    return Collision(classification, (own, pseudo), remark="the field jumps: the equilibrium meets a pseudo-equilibrium")


def _one_dimensional_map(result: Collision, off: float, on: float, offset: float) -> Collision:
    """``offset`` is the sign of the normal form's constant above the collision."""
    above, below = _letters(skew_tent_attractor(off, on), "off", "on"), _letters(skew_tent_attractor(on, off), "on", "off")
    if offset < 0:
        above, below = below, above
    repelling = _by_side([(f"unstable fixed point ({name})", where) for name, slope, where in
                          zip(("off", "on"), (off, on), result.exists, strict=True) if abs(slope) > 1 + NEUTRAL])
    found = [() if item.kind in ("none", "not determined") else (item.text,) for item in (below, above)]
    open_sides = [name for name, item in (("below", below), ("above", above)) if item.kind == "not determined"]
    diverging = [name for name, item in (("below", below), ("above", above)) if item.kind == "none"]
    remarks = [f"{side}: on a boundary of the normal form's partition" for side in open_sides]
    remarks += [f"{side}: almost all orbits leave the neighbourhood" for side in diverging]
    if result.classification == "persistence" and any(item.kind == "cycle" and item.period == 2 for item in (below, above)):
        remarks.append("like a flip: a stable fixed point turns into a stable cycle of period 2"
                       if "fixed point" in (below.kind, above.kind) else "")
    return replace(result, attractors=(found[0], found[1]), unstable=repelling, remark="; ".join(r for r in remarks if r))


def _letters(attractor: SkewTentAttractor, left: str, right: str) -> SkewTentAttractor:
    return replace(attractor, word=" ".join(left if letter == "L" else right for letter in attractor.word))


def _by_side(items: Sequence[tuple[str, str]]) -> _Sides:
    below, above = (tuple(text for text, where in items if where == side) for side in ("below", "above"))
    return below, above


def _joined(first: _Sides, second: _Sides) -> _Sides:
    return (first[0] + second[0], first[1] + second[1])


def _with_fixed_points(result: Collision, kinds: Sequence[tuple[str, str]]) -> Collision:
    named = [(stability, f"{kind} ({side})", where)
             for (stability, kind), side, where in zip(kinds, ("off", "on"), result.exists, strict=True)]
    return replace(result, attractors=_by_side([(text, where) for stability, text, where in named if stability == "stable"]),
                   unstable=_by_side([(text, where) for stability, text, where in named if stability == "unstable"]))


def _with_limit_cycle(result: Collision, off: np.ndarray, on: np.ndarray, kinds: Sequence[tuple[str, str]]) -> Collision:
    import numpy as np

    shapes = [kind for _, kind in kinds]
    if "degenerate" in shapes:
        return replace(result, remark="limit cycles: not determined, an eigenvalue is neutral")
    traces = [float(np.trace(matrix)) for matrix in (off, on)]
    if traces[0] * traces[1] > 0:
        return result  # divergence of one sign: no closed orbit (Bendixson)
    if not any(kind.endswith("focus") for kind in shapes):
        return result  # a node is not surrounded: one of its invariant half-lines reaches infinity within its own regime
    if result.classification == "nonsmooth_fold":
        return replace(result, remark="a closed orbit around the focus: not determined")
    ratio = 0.0
    for matrix, kind in zip((off, on), shapes, strict=True):
        eigenvalue = complex(np.linalg.eigvals(matrix)[0])
        ratio += eigenvalue.real / abs(eigenvalue.imag) if kind.endswith("focus") else np.copysign(np.inf, eigenvalue.real)
    if abs(ratio) <= NEUTRAL:
        return replace(result, remark="limit cycles: not determined, expansion and contraction cancel")
    stable = 0 if kinds[0][0] == "stable" else 1
    if ratio < 0:
        return replace(result, attractors=_joined(result.attractors, _by_side(
            [("stable limit cycle", result.exists[1 - stable])])), remark="like a supercritical Hopf bifurcation")
    return replace(result, unstable=_joined(result.unstable, _by_side([("unstable limit cycle", result.exists[stable])])),
                   remark="like a subcritical Hopf bifurcation")


def _with_cycles(result: Collision, off: np.ndarray, on: np.ndarray, normal: np.ndarray, drift: np.ndarray) -> Collision:
    import numpy as np

    stable: list[tuple[str, str]] = []
    unstable: list[tuple[str, str]] = []
    touching = ""
    for word in _words():
        matrix, shift = np.eye(len(off)), np.zeros(len(off))
        for letter in word:
            step = on if letter else off
            matrix, shift = step @ matrix, step @ shift + drift
        gap = np.eye(len(off)) - matrix
        if abs(np.linalg.det(gap)) <= NEUTRAL:
            continue
        point, heights, size = np.linalg.solve(gap, shift), [], 0.0
        for letter in word:
            height = float(normal @ point)
            heights.append(height if letter else -height)
            size = max(size, float(np.linalg.norm(normal) * np.linalg.norm(point)))
            point = (on if letter else off) @ point + drift
        # points on the border itself would count on either side, and make spurious words of one cycle
        if not (min(heights) > NEUTRAL * size or max(heights) < -NEUTRAL * size):
            if min(map(abs, heights)) <= NEUTRAL * size:
                touching = "; a cycle has a point on the border"
            continue
        where = "above" if heights[0] > 0 else "below"
        text = f"cycle of period {len(word)} ({' '.join('on' if letter else 'off' for letter in word)})"
        verdict, _ = fixed_point_kind(matrix, "discrete")
        (stable if verdict == "stable" else unstable).append((f"{verdict} {text}", where))
    sides = _joined(result.attractors, _by_side(stable))
    remark = f"cycles up to period {_LONGEST}; other attractors: not determined{touching}"
    return replace(result, attractors=sides, unstable=_joined(result.unstable, _by_side(unstable)), remark=remark)


def _words() -> Iterator[tuple[Any, ...]]:
    """One word for each cycle that visits both sides: no rotations, no repetitions of shorter words."""
    for length in range(2, _LONGEST + 1):
        for word in product((False, True), repeat=length):
            rotations = [word[k:] + word[:k] for k in range(1, length)]
            if all(word < other for other in rotations):
                yield word
