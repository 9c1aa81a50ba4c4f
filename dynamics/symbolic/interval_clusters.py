"""Undecided boxes that touch become one box around them, so that a multiple root is one box and not a cloud."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined"]

Array = NDArray[np.float64]
FEW = 400


def joined(boxes: Array, gap: Array) -> Array:
    """Return boxes around groups of boxes that touch or nearly touch; together they contain all that was given.

    Parameters
    ----------
    boxes : array, shape (boxes, 2, states)
    gap : array, shape (states,)
        Boxes closer than this count as touching.

    Returns
    -------
    array, shape (fewer boxes, 2, states)

    Examples
    --------
    >>> joined(np.array([[[0.0], [1.0]], [[1.0], [2.0]], [[5.0], [6.0]]]), np.array([0.1])).tolist()
    [[[0.0], [2.0]], [[5.0], [6.0]]]
    """
    while True:
        before = len(boxes)
        for axis in range(boxes.shape[2]):
            boxes = _chained(boxes, axis, gap)
        if len(boxes) <= FEW:
            boxes = _merged(boxes, gap)
        if len(boxes) == before:
            return boxes[np.lexsort(boxes[:, 0, ::-1].T)]


def _chained(boxes: Array, axis: int, gap: Array) -> Array:
    """Join neighbours in the order of one coordinate, wherever they touch in all."""
    boxes = boxes[np.argsort(boxes[:, 0, axis], kind="stable")]
    while len(boxes) > 1:
        first, second = boxes[:-1], boxes[1:]
        touch = ((second[:, 0] <= first[:, 1] + gap) & (first[:, 0] <= second[:, 1] + gap)).all(axis=1)
        if not touch.any():
            break
        group = np.concatenate([[0], np.cumsum(~touch)])
        starts = np.nonzero(np.concatenate([[True], ~touch]))[0]
        if len(starts) == len(group):
            break
        boxes = np.stack([np.minimum.reduceat(boxes[:, 0], starts), np.maximum.reduceat(boxes[:, 1], starts)], axis=1)
    return boxes


def _merged(boxes: Array, gap: Array) -> Array:
    groups: list[Array] = []
    for box in boxes:
        current = box
        while True:
            touching = [g for g in groups if (g[0] <= current[1] + gap).all() and (current[0] <= g[1] + gap).all()]
            if not touching:
                break
            groups = [g for g in groups if not any(g is t for t in touching)]
            together = np.stack([*touching, current])
            current = np.stack([together[:, 0].min(axis=0), together[:, 1].max(axis=0)])
        groups.append(current)
    return np.stack(groups) if groups else boxes
