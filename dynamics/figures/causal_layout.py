"""Where the words and arrows of a causal-loop diagram go: an order on an ellipse with few crossings, arcs around words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arc", "arcs", "circular_order", "free_place", "positions"]

Points = NDArray[np.float64]
Edge = tuple[str, str]
FEW = 7  # nodes for which every order is tried
ROOM = 32.0  # points that an arrow keeps from other words where it can, for the name of a loop between them
GAP = 2.5  # points between a word and an arrow
BULGES = (0.12, -0.12, 0.25, -0.25, 0.0, 0.4, -0.4, 0.6, -0.6)
WIDE = 0.4
SAMPLES = 48


@dataclass(frozen=True)
class Arc:
    """A quadratic Bezier curve between two words, cut where it leaves them.

    Attributes
    ----------
    controls : array, shape (3, 2)
        Control points, in points (1/72 in).
    points : array, shape (48, 2)
        Along the curve.
    """

    controls: Points
    points: Points


def circular_order(nodes: Sequence[str], edges: Sequence[Edge]) -> tuple[str, ...]:
    """Return the nodes in the order around a circle that has the fewest crossings of edges, then the shortest edges.

    Examples
    --------
    >>> circular_order("abcd", [("a", "c"), ("c", "b"), ("b", "d"), ("d", "a")])
    ('a', 'c', 'b', 'd')
    """
    place = {name: k for k, name in enumerate(nodes)}
    pairs = sorted({tuple(sorted((place[a], place[b]))) for a, b in edges if a != b})
    count = len(nodes)
    if count < 4 or not pairs:
        return tuple(nodes)
    best = tuple(range(count))
    if count <= FEW:
        best = min(((0, *rest) for rest in permutations(range(1, count)) if rest[0] < rest[-1]),
                   key=lambda order: (_cost(order, pairs), order))
        return tuple(nodes[k] for k in best)
    improved = True
    while improved:  # every step lowers the cost, so it ends
        better = min(_neighbours(best), key=lambda order: _cost(order, pairs))
        improved = _cost(better, pairs) < _cost(best, pairs)
        best = better if improved else best
    start = best.index(0)
    return tuple(nodes[k] for k in (*best[start:], *best[:start]))


def _neighbours(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Orders with one node moved, or one stretch reversed."""
    for first in range(len(order)):
        rest = (*order[:first], *order[first + 1:])
        for last in range(len(order)):
            yield (*rest[:last], order[first], *rest[last:])
            if first < last:
                yield (*order[:first], *order[first:last + 1][::-1], *order[last + 1:])


def _cost(order: Sequence[int], pairs: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    rank = {node: k for k, node in enumerate(order)}
    chords = [tuple(sorted((rank[a], rank[b]))) for a, b in pairs]
    crossings = sum(a < c < b < d for a, b in chords for c, d in chords)
    return crossings, sum(min(b - a, len(order) - b + a) for a, b in chords)


def positions(order: Sequence[str], extents: Mapping[str, tuple[float, float, float, float]], width: float, height: float
              ) -> dict[str, Points]:
    """Return the centre of every word on an ellipse, clockwise from the top, as large as ``width`` x ``height`` allows.

    Parameters
    ----------
    order : sequence of str
    extents : mapping of str to (left, right, down, up)
        How far each word reaches from its centre.
    width, height : float
    """
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(order)) / len(order)
    sides = np.array([extents[name] for name in order])
    x = _fitted(np.cos(angles), sides[:, 0], sides[:, 1], width)
    y = _fitted(np.sin(angles), sides[:, 2], sides[:, 3], height)
    return {name: np.array([x[k], y[k]]) for k, name in enumerate(order)}


def _fitted(places: Points, before: Points, after: Points, length: float) -> Points:
    """Stretch places as far as no word leaves [0, length]."""
    apart = places[None, :] - places[:, None]  # [i, j]: how far j is beyond i
    free = length - before[:, None] - after[None, :]
    pairs = apart > 1e-9
    stretch = max(float(np.min(free[pairs] / apart[pairs])), 0.0) if pairs.any() else 0.0
    low, high = np.max(before - stretch * places), np.min(length - after - stretch * places)
    return np.asarray(stretch * places + (low + high) / 2)


def arcs(edges: Sequence[Edge], centres: Mapping[str, Points], sizes: Mapping[str, tuple[float, float]],
         frame: tuple[float, float]) -> dict[Edge, Arc]:
    """Return one arc for each edge between different words: around the other words, inside the frame, with few crossings.

    Neighbours on the ellipse get arcs along it; the rest bends as little as it can.
    """
    candidates: dict[Edge, list[Arc]] = {}
    penalties: dict[Edge, list[float]] = {}
    for a, b in edges:
        if a == b:
            continue
        options = [_arc(centres[a], centres[b], bulge, sizes[a], sizes[b]) for bulge in BULGES]
        candidates[a, b] = options
        penalties[a, b] = [_penalty(arc, bulge, (a, b), centres, sizes, frame, both=(b, a) in edges)
                           for arc, bulge in zip(options, BULGES, strict=True)]
    chosen = {edge: int(np.argmin(penalties[edge])) for edge in candidates}
    for _ in range(4):
        before = dict(chosen)
        for edge, options in candidates.items():
            others = [(other, candidates[other][k]) for other, k in chosen.items() if other != edge]
            costs = [penalty + sum(_interference(arc, other, shared=bool({*edge} & {*name})) for name, other in others)
                     for arc, penalty in zip(options, penalties[edge], strict=True)]
            chosen[edge] = int(np.argmin(costs))
        if chosen == before:
            break
    return {edge: candidates[edge][k] for edge, k in chosen.items()}


def _arc(start: Points, end: Points, bulge: float, size_a: tuple[float, float], size_b: tuple[float, float]) -> Arc:
    along = end - start
    control = (start + end) / 2 + bulge * np.array([-along[1], along[0]])
    curve = np.stack([start, control, end])
    t = np.linspace(0, 1, 400)
    inside_a = _inside(_bezier(curve, t), start, size_a, GAP)
    inside_b = _inside(_bezier(curve, t), end, size_b, GAP)
    first = t[np.flatnonzero(inside_a)[-1]] if inside_a.any() else 0.0
    last = t[np.flatnonzero(inside_b)[0]] if inside_b.any() else 1.0
    if last <= first:  # the words touch
        first, last = 0.4, 0.6
    cut = _part(curve, first, last)
    return Arc(cut, _bezier(cut, np.linspace(0, 1, SAMPLES)))


def _bezier(controls: Points, t: Points) -> Points:
    t = t[:, None]
    return (1 - t) ** 2 * controls[0] + 2 * t * (1 - t) * controls[1] + t**2 * controls[2]


def _part(controls: Points, first: float, last: float) -> Points:
    """The control points of the piece between two parameters (blossoms of the curve)."""
    def blossom(s: float, t: float) -> Points:
        return (1 - s) * (1 - t) * controls[0] + (s + t - 2 * s * t) * controls[1] + s * t * controls[2]

    return np.stack([blossom(first, first), blossom(first, last), blossom(last, last)])


def _inside(points: Points, centre: Points, size: tuple[float, float], gap: float) -> NDArray[np.bool_]:
    return np.all(np.abs(points - centre) < np.array(size) / 2 + gap, axis=1)


def _penalty(arc: Arc, bulge: float, edge: Edge, centres: Mapping[str, Points], sizes: Mapping[str, tuple[float, float]],
             frame: tuple[float, float], *, both: bool) -> float:
    middle = np.mean(list(centres.values()), axis=0)
    hits = int(np.any((arc.points < 1) | (arc.points > np.array(frame) - 1), axis=1).sum())
    crowding = 0.0
    for name in set(centres) - {*edge}:
        away = np.linalg.norm(np.maximum(np.abs(arc.points - centres[name]) - np.array(sizes[name]) / 2, 0), axis=1)
        hits += int((away < GAP).sum())
        crowding += max(0.0, ROOM - float(away.min())) / ROOM
    if both:  # the loop of two words needs room for its name
        return 20.0 * hits + 20 * abs(abs(bulge) - WIDE)
    cost = 20.0 * hits + 6 * abs(bulge) + 9 * crowding
    # outwards: an arc along the ellipse leaves the middle to the loops' names
    chord = (arc.points[0] + arc.points[-1]) / 2
    outwards = np.linalg.norm(arc.points[SAMPLES // 2] - middle) - np.linalg.norm(chord - middle)
    return cost + (0.8 if outwards < -1e-9 else 0.0)


def _interference(first: Arc, second: Arc, *, shared: bool) -> float:
    distance = np.linalg.norm(first.points[::2, None] - second.points[None, ::2], axis=2)
    if shared:  # arrows of one word meet at its border; crossing again and running along each other is bad
        inner = distance[4:-4, 4:-4]
        ends = distance[np.ix_((0, -1), (0, -1))]
        return 4.0 * float((inner < 3).any()) + 0.5 * float((inner.min(axis=1) < 7).sum()) + 2.0 * float((ends < 7).sum())
    nearest = distance.min(axis=1)
    return 2.5 * float((nearest < 4).any()) + 0.5 * float((nearest < 5).sum())


def free_place(near: Points, size: tuple[float, float], obstacles: Points,
               boxes: Sequence[tuple[Points, tuple[float, float]]], reach: float, frame: tuple[float, float],
               inside: Points | None = None, outside: Sequence[Points] = ()) -> Points:
    """Return a place for a name near a point: clear of curves and boxes, inside a polygon where there is one.

    Parameters
    ----------
    near : array, shape (2,)
    size : (float, float)
        Of the name.
    obstacles : array, shape (n, 2)
        Points on curves.
    boxes : sequence of (centre, size)
    reach : float
        How far away it may be.
    frame : (float, float)
        Width and height of the whole.
    inside : array, shape (m, 2), optional
        Polygon.
    outside : sequence of array, shape (m, 2)
        Polygons that are better avoided.
    """
    from matplotlib.path import Path

    steps = np.linspace(-reach, reach, 27)
    obstacles = obstacles[np.all(np.abs(obstacles - near) < reach + max(size) + 4, axis=1)]
    grid = near + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    half = np.array(size) / 2
    # distance from the name's box to the nearest curve; more room than a few points is no better
    beyond = np.maximum(np.abs(grid[:, None] - obstacles[None]) - half, 0)
    room = np.linalg.norm(beyond, axis=2).min(axis=1) if len(obstacles) else np.full(len(grid), np.inf)
    cost = 40.0 * np.maximum(3.0 - room, 0) + np.linalg.norm(grid - near, axis=1)
    cost += 60.0 * np.maximum(np.maximum(half - grid, grid + half - np.array(frame)), 0).sum(axis=1)
    for centre, other in boxes:
        overlap = np.minimum.reduce(half + np.array(other) / 2 + 1.5 - np.abs(grid - centre), axis=1)
        cost += 60.0 * np.maximum(overlap, 0)
    if inside is not None:
        cost += 80.0 * ~Path(inside).contains_points(grid)
    for polygon in outside:
        cost += 30.0 * Path(polygon).contains_points(grid)
    return np.asarray(grid[int(np.argmin(cost))], dtype=float)
