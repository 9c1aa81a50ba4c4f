"""Absolute tolerances in the units of the states: none may be larger than what it is to resolve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["scaled_tolerance"]

Array = NDArray[np.float64]
KNOWN = 1e-12  # share of the largest state below which one is rounding of zero, and has no size of its own


def scaled_tolerance(relative: float, absolute: float, *states: Array) -> Array:
    """scaled_tolerance(relative, absolute, *states): the absolute tolerance of each lane.

    It is the given one where every state is large by it; else the relative one of the smallest state, rounded down to a
    power of ten, so that few different ones occur. A state that is zero has no size: it is as exact as the others.

    Parameters
    ----------
    relative, absolute : float
    states : ndarray, shape (dimension, lanes)
        Where a trajectory may be: at its start, at its rest. What is not finite is left out.

    Returns
    -------
    ndarray, shape (lanes,)

    Examples
    --------
    >>> import numpy as np
    >>> scaled_tolerance(1e-6, 1e-9, np.array([[1.0, 2e-9, 0.0], [0.0, 1.0, 0.0]])).tolist()
    [1e-09, 1e-15, 1e-09]
    """
    sizes = np.max([np.where(np.isfinite(state), np.abs(state), 0.0) for state in states], axis=0)
    largest = sizes.max(axis=0, initial=0.0)
    counted = (sizes > KNOWN * largest) & (sizes > 0)
    smallest = np.where(counted, sizes, np.inf).min(axis=0, initial=np.inf)
    wanted = relative * smallest
    with np.errstate(all="ignore"):
        powers = 10.0 ** np.floor(np.log10(wanted * (1 + 1e-9)))
    return np.asarray(np.where((wanted < absolute) & (powers > 0), powers, absolute))
