"""Box-counting dimension of a set of points, such as an attractor seen at many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.analysis.work_budget import check_length
from dynamics.errors import DataError, SpecificationError
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

__all__ = ["box_counting_dimension"]

LEAST_LEVELS, POINTS_IN_A_BOX = 3, 20
FINEST = 52  # binary digits of a double: smaller boxes hold one number
USUAL_FINEST = 30  # a thousand million boxes in a row are more than points ever fill


def box_counting_dimension(points: ArrayLike, coarsest: int = 3, finest: int | None = None) -> xr.Dataset:
    """box_counting_dimension(points): how the number of boxes that hold points grows as boxes get smaller.

    Parameters
    ----------
    points : array_like, shape (points, coordinates)
        Each coordinate is scaled to the unit interval.
    coarsest, finest : int
        Sides of boxes are 2**-coarsest to 2**-finest. None: the finest at which an occupied box still holds twenty
        points on average, below which the count measures the sample rather than the set.

    Returns
    -------
    xarray.Dataset
        Dim ``level``: ``side``, ``boxes``; ``dimension``: slope of log boxes against -log side by least squares;
        ``standard_error``: of the slope, from the scatter of the local slopes, which is larger than that of the fit
        because neighbouring counts are correlated; ``local_dimension`` between neighbouring levels (nan at the first).

    Raises
    ------
    DataError
        For points that are not finite, or that fill no interval.
    SpecificationError
        If fewer than three levels are left: more points are needed.

    Notes
    -----
    The dimension of the set is the limit of small boxes; the counts oscillate around their power law, and so does the
    slope. Compare with the Kaplan-Yorke dimension of ``lyapunov_exponents``.

    References
    ----------
    K. Falconer, Fractal Geometry (Wiley 2003), doi:10.1002/0470013850.

    Examples
    --------
    >>> import numpy as np, dynamics as dy
    >>> line = np.linspace(0, 1, 200_000)
    >>> round(float(dy.box_counting_dimension(np.stack([line, line**2], axis=1))["dimension"]), 1)
    1.0
    """
    import xarray as xr

    coarsest = arguments.whole(coarsest, "coarsest", 0, FINEST)
    finest = None if finest is None else arguments.whole(finest, "finest", coarsest, FINEST)
    check_length(points, "points")
    try:
        values = np.asarray(points, dtype=float)
    except (TypeError, ValueError, OverflowError) as fault:
        raise DataError(f"points are not numbers ({fault})") from None
    if values.ndim != 2 or not np.isfinite(values).all() or not len(values):
        raise DataError("points must be finite numbers in an array of shape (points, coordinates)")
    width = np.ptp(values, axis=0)
    if not (width > 0).any():
        raise DataError("all points are the same: a set of one point has dimension 0")
    scaled = (values - values.min(axis=0))/np.where(width > 0, width, 1.0)*(1 - 1e-12)
    levels, counts = [], []
    for level in range(coarsest, 1 + (USUAL_FINEST if finest is None else finest)):
        boxes = np.unique(_keys(scaled, level)).size
        if finest is None and boxes*POINTS_IN_A_BOX > len(values):
            break
        levels.append(level)
        counts.append(boxes)
    if len(levels) < LEAST_LEVELS:
        raise SpecificationError(f"{len(values)} points allow {len(levels)} sizes of boxes from 2**-{coarsest} on, and a "
                                 f"slope needs {LEAST_LEVELS}; give more points, or a smaller coarsest")
    logarithms = np.log2(counts)
    slope = float(np.polyfit(levels, logarithms, 1)[0])
    local = np.diff(logarithms)
    error = float(local.std(ddof=1)/np.sqrt(len(local)))
    described: dict[str, Any] = {
        "side": ("level", 0.5**np.array(levels)), "boxes": ("level", np.array(counts)),
        "local_dimension": ("level", np.concatenate([[np.nan], local])), "dimension": slope, "standard_error": error}
    return xr.Dataset(described, coords={"level": levels},
                      attrs=provenance("box_counting_dimension", method="box counting", points=len(values)))


def _keys(scaled: Any, level: int) -> Any:
    """One whole number for the box of each point."""
    cells = (scaled*2**level).astype(np.int64)
    if scaled.shape[1]*level < 62:
        return cells @ (2**(level*np.arange(scaled.shape[1], dtype=np.int64)))
    return np.unique(cells, axis=0, return_inverse=True)[1]
