"""Names of points written beside them, where they cover neither lines nor each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray

__all__ = ["write_beside"]

DISTANCES = (5.0, 9.0, 14.0)  # points between a marker and its name
DIRECTIONS = 12
TOGETHER = 2.5  # points: nearer markers look like one


def write_beside(ax: Axes, points: Sequence[tuple[float, float, str]], color: str = "black") -> list[Text]:
    """Write each name beside its point, where it covers least.

    Parameters
    ----------
    ax : matplotlib Axes
        With its final limits, labels and legend.
    points : sequence of (x, y, name)
    color : str

    Returns
    -------
    list of Text
        Names of points outside the axes are left out; points at the same place share one text.
    """
    figure = ax.get_figure(root=True)
    if not points or figure is None:
        return []
    figure.draw_without_rendering()  # the layout decides how large the axes are, and so what covers what
    frame = ax.get_window_extent()
    lines = _pixels(ax)
    unit = figure.dpi / 72
    merged: dict[tuple[float, float], list[str]] = {}
    for x, y, name in points:
        place = ax.transData.transform((x, y))
        here = float(place[0]), float(place[1])
        key = next((k for k in merged if max(abs(k[0] - here[0]), abs(k[1] - here[1])) <= TOGETHER * unit), here)
        if frame.x0 - 1 <= place[0] <= frame.x1 + 1 and frame.y0 - 1 <= place[1] <= frame.y1 + 1:
            merged.setdefault(key, []).append(name)
    markers = np.array(list(merged)).reshape(-1, 2)
    taken: list[NDArray[np.float64]] = []
    texts: list[Any] = []
    for corner, names in merged.items():
        # an annotation keeps its distance to the point when limits or the size of the figure are changed later
        text = ax.annotate(", ".join(names), tuple(ax.transData.inverted().transform(corner)), (0, 0), color=color,
                           textcoords="offset points", zorder=7, ha="left", va="bottom", fontsize=7)
        size = text.get_window_extent()
        boxes = [_box(np.array(corner), size.width, size.height, unit * distance, angle)
                 for distance in DISTANCES for angle in 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS + 0.5]
        best = min(boxes, key=lambda box: _cost(box, lines, markers, taken, frame))
        taken.append(best)
        text.set_position(((best[0] - corner[0]) / unit, (best[1] - corner[1]) / unit))
        text.set_in_layout(False)
        texts.append(text)
    return texts


def _box(place: NDArray[np.float64], width: float, height: float, distance: float, angle: float) -> NDArray[np.float64]:
    """(left, bottom, right, top) of a text whose nearest edge is at a distance in a direction."""
    across, up = np.cos(angle), np.sin(angle)
    centre = place + np.array([across * (distance + width / 2), up * (distance + height / 2)])
    return np.array([centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2])


def _cost(box: NDArray[np.float64], lines: NDArray[np.float64], markers: NDArray[np.float64],
          taken: Sequence[NDArray[np.float64]], frame: Any) -> float:
    def inside(points: NDArray[np.float64], slack: float) -> int:
        return int(np.sum((points[:, 0] > box[0] - slack) & (points[:, 0] < box[2] + slack)
                          & (points[:, 1] > box[1] - slack) & (points[:, 1] < box[3] + slack)))

    outside = max(0.0, frame.x0 - box[0], box[2] - frame.x1, frame.y0 - box[1], box[3] - frame.y1)
    overlaps = sum(min(box[2], b[2]) > max(box[0], b[0]) and min(box[3], b[3]) > max(box[1], b[1]) for b in taken)
    return 10 * outside + 500 * overlaps + 5 * inside(lines, 1.0) + 300 * inside(markers, 4.0)


def _pixels(ax: Axes) -> NDArray[np.float64]:
    """Points close together on all lines, in pixels."""
    found = [np.empty((0, 2))]
    for line in ax.get_lines():
        path = line.get_transform().transform(np.column_stack([np.asarray(line.get_xdata(), dtype=float),
                                                               np.asarray(line.get_ydata(), dtype=float)]))
        path = path[np.all(np.isfinite(path), axis=1)]
        for a, b in pairwise(path):
            count = int(min(400, max(2, np.hypot(*(b - a)) / 2)))
            found.append(a + (b - a) * np.linspace(0, 1, count)[:, None])
    return np.vstack(found)
