"""Exposure: the probability of a critical fall along a path of growing exposure, and how far one may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_exposure"]


def plot_exposure(result: xr.Dataset, ax: Axes | None = None) -> Axes:
    """plot_exposure(result): probability of a critical fall against exposure, with the largest exposure under the level.

    Parameters
    ----------
    result : xarray.Dataset
        From ``exposure``.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a result of another kind.

    Notes
    -----
    Probabilities of zero (no such fall was observed) are below the axis: there only the interval, shaded, says something.

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> returns = 0.03 * np.random.default_rng(1).standard_t(4, 1000)
    >>> result = dy.exposure(dy.models.load("deleveraging"), {"target_leverage": [1.5, 3.0, 5.0, 8.0]}, returns, 0.2,
    ...                      bootstrap=50)
    >>> dy.plot_exposure(result).get_yscale()
    'log'
    """
    if not hasattr(result, "attrs") or result.attrs.get("analysis") != "exposure":
        raise SpecificationError("plot_exposure needs a result of exposure")
    name = str(result["probability"].dims[0])
    x = np.asarray(result[name].values, dtype=float)
    estimate, lower, upper = (np.asarray(result[f"probability{end}"].values) for end in ("", "_lower", "_upper"))
    level = float(result.attrs["probability"])
    floor = min(level, float(np.nanmin(np.where(estimate > 0, estimate, np.nan), initial=1.0))) / 4
    with drawing_on(ax) as ax:
        ax.fill_between(x, np.maximum(lower, floor), np.maximum(upper, floor), color=BLUE, alpha=0.2, linewidth=0,
                        label=f"{100 * float(result.attrs['confidence']):g} % interval")
        ax.plot(x, np.where(estimate > 0, estimate, np.nan), color=BLUE, label="observed")
        ax.axhline(level, color=BLACK, linewidth=0.8, linestyle="--", label=f"level {100 * level:g} %")
        for criterion, color in (("estimate", BLUE), ("cautious", VERMILION)):
            largest = float(result[f"largest_{name}"].sel(criterion=criterion))
            if np.isfinite(largest):
                ax.plot([largest], [level], marker="o", color=color, linestyle="none", zorder=4, clip_on=False,
                        label=f"largest, {criterion}: {largest:.3g}")
        ax.set(yscale="log", xlim=(x[0], x[-1]), ylim=(floor, 1.0), xlabel=labels.swept_label(result, name),
               ylabel=f"Probability within {float(result.attrs['periods']):g} periods")
        labels.left_out(ax, result.attrs)
        legend_above(ax)
    return ax
