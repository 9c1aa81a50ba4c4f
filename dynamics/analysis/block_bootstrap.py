"""The circular block bootstrap of a series: blocks keep its short-range dependence.

Blocks wrap around the end, so every observation has the same weight (Politis and Romano 1992). Replicates are drawn in
chunks of fixed size, the chunk with index i from the i-th child of the root seed: a result depends on the seed and on
nothing else, and more replicates extend fewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_counts", "block_length", "block_positions"]

_CHUNK = 100


def block_length(number: int) -> int:
    """Return the usual block length for ``number`` observations: the cube root, rounded up.

    References
    ----------
    Kuensch (1989), doi:10.1214/aos/1176347265

    Examples
    --------
    >>> block_length(1000), block_length(1001)
    (10, 11)
    """
    # The subtraction keeps exact cubes from being rounded up by the last bit.
    return max(1, int(np.ceil(number ** (1 / 3) - 1e-9)))


def block_positions(number: int, block: int, bootstrap: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw which observations make up each replicate.

    Parameters
    ----------
    number, block, bootstrap : int
        Observations, length of a block (1 to ``number``), replicates.
    seed : int
        Root seed.

    Returns
    -------
    list of array of int, each of shape (replicate, ``number``)
        Chunks of up to 100 replicates, so that a long series need not be held 1000 times at once.

    Examples
    --------
    >>> [chunk.shape for chunk in block_positions(7, 3, 110, seed=0)]
    [(100, 7), (10, 7)]
    """
    offsets = np.arange(block)
    return [
        ((starts[:, :, None] + offsets) % number).reshape(len(starts), -1)[:, :number]
        for starts in _starts(number, block, bootstrap, seed)
    ]


def block_counts(reached: NDArray[np.bool_], block: int, bootstrap: int, seed: int) -> NDArray[np.float64]:
    """Count the true observations of each replicate, for the same draws as `block_positions`.

    Parameters
    ----------
    reached : array of bool, shape (time, level)
    block, bootstrap, seed : int
        As for `block_positions`.

    Returns
    -------
    array of float, shape (replicate, level)
        Sums of blocks are made once, so a replicate costs one addition for each block.

    Examples
    --------
    >>> import numpy as np
    >>> block_counts(np.ones((7, 1), dtype=bool), 3, 2, seed=0).tolist()
    [[7.0], [7.0]]
    """
    number = len(reached)
    sums = np.concatenate([np.zeros((1, reached.shape[1]), dtype=int), reached, reached[: block - 1]]).cumsum(axis=0)
    full = sums[block:] - sums[:-block]
    # The last block is cut so that a replicate is as long as the series.
    rest = number - (-(-number // block) - 1) * block
    last = (sums[rest:] - sums[:-rest])[:number]
    return np.concatenate(
        [full[s[:, :-1]].sum(axis=1) + last[s[:, -1]] for s in _starts(number, block, bootstrap, seed)]
    ).astype(float)


def _starts(number: int, block: int, bootstrap: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw the first positions of the blocks, one array of shape (replicate, block) for each chunk."""
    children = np.random.SeedSequence(seed).spawn(-(-bootstrap // _CHUNK))
    sizes = [min(_CHUNK, bootstrap - i * _CHUNK) for i in range(len(children))]
    return [
        np.random.default_rng(child).integers(number, size=(size, -(-number // block)))
        for child, size in zip(children, sizes, strict=True)
    ]
