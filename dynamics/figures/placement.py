"""Names written at their curves, where they cover nothing: a legend that needs no legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray

__all__ = ["write_along"]

GAP = 3.0  # points between a curve and its name
PLACES = 41


def write_along(ax: Axes, named: Sequence[tuple[Any, str]]) -> list[Text]:
    """Write each text above or below its line, where it covers no line and no other text.

    Parameters
    ----------
    ax : matplotlib Axes
        With its final limits and labels.
    named : sequence of (Line2D, str)

    Returns
    -------
    list of Text
        In the colour of the lines. A place that covers as little as possible is taken when none is free.
    """
    figure = ax.get_figure(root=True)
    if not named or figure is None:
        return []
    figure.draw_without_rendering()  # the layout decides how large the axes are, and so what covers what
    frame = ax.get_window_extent()
    covered = _points(ax)
    taken: list[NDArray[np.float64]] = []
    texts = []
    for line, words in named:
        text = ax.text(0, 0, words, color=line.get_color(), zorder=6)
        size = text.get_window_extent()
        best = min(_candidates(ax, line, size.width, size.height), default=None,
                   key=lambda box: _cost(box, covered, taken, frame))
        if best is None:
            text.remove()
            continue
        taken.append(best)
        left, bottom = ax.transData.inverted().transform(best[:2])
        text.set_position((float(left), float(bottom)))
        text.set_verticalalignment("bottom")
        text.set_in_layout(False)
        texts.append(text)
    return texts


def _points(ax: Axes) -> NDArray[np.float64]:
    """Points on all lines of the axes, in pixels, closer than a letter."""
    found = []
    for line in ax.lines:
        corners = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
        corners = corners[np.all(np.isfinite(corners), axis=1)]
        if len(corners) > 1:
            along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
            fine = np.linspace(0.0, along[-1], 2 + int(along[-1] / 2.0))
            found.append(np.column_stack([np.interp(fine, along, corners[:, k]) for k in (0, 1)]))
    return np.concatenate(found) if found else np.empty((0, 2))


def _candidates(ax: Axes, line: Any, width: float, height: float) -> list[NDArray[np.float64]]:
    """Boxes (left, bottom, right, top) in pixels that touch the line from above or below."""
    curve = ax.transData.transform(np.column_stack(line.get_data()).astype(float))
    curve = curve[np.all(np.isfinite(curve), axis=1)]
    if not len(curve):
        return []
    figure = ax.get_figure(root=True)
    gap = GAP * (figure.dpi if figure is not None else 72.0) / 72.0
    boxes = []
    for centre in np.linspace(curve[:, 0].min() + width / 2, curve[:, 0].max() - width / 2, PLACES):
        over = (curve[:, 0] >= centre - width / 2) & (curve[:, 0] <= centre + width / 2)
        ends = np.interp([centre - width / 2, centre + width / 2], curve[:, 0], curve[:, 1])
        heights = np.concatenate([ends, curve[over, 1]])
        for bottom in (heights.max() + gap, heights.min() - gap - height):
            boxes.append(np.array([centre - width / 2, bottom, centre + width / 2, bottom + height]))
    return boxes


def _cost(box: NDArray[np.float64], covered: NDArray[np.float64], taken: list[NDArray[np.float64]], frame: Any
          ) -> float:
    """How much a box covers; nothing costs less than 1, and of free places the roomiest wins."""
    x, y = covered[:, 0], covered[:, 1]
    inside = (x > box[0] - 2) & (x < box[2] + 2) & (y > box[1] - 1) & (y < box[3] + 1)
    overlaps = sum(bool(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3]) for t in taken)
    outside = max(frame.x0 + 4 - box[0], box[2] + 4 - frame.x1, frame.y0 - box[1], box[3] - frame.y1, 0.0)
    dx = np.maximum(np.maximum(box[0] - x, x - box[2]), 0.0)
    dy = np.maximum(np.maximum(box[1] - y, y - box[3]), 0.0)
    away = np.hypot(dx, dy)
    near = float(np.sum(np.exp(-away / 8.0))) / max(len(covered), 1)
    return float(np.count_nonzero(inside)) + 200.0 * overlaps + 10.0 * outside + min(near, 0.99)
