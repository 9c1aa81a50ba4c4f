"""Observed falls: each period's fall over time, with the falls at which cascades start at a few leverages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures.style import CYCLE, GREY, TEXT_WIDTH, drawing_on

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_observed_falls"]

LOWEST, HIGHEST = "instantaneous", "total_fall"


def plot_observed_falls(
    returns: xr.Dataset,
    comparison: xr.Dataset,
    leverages: Sequence[float] | None = None,
    named: int = 3,
    ax: Axes | None = None,
) -> Axes:
    """plot_observed_falls(returns, comparison): falls over time, thresholds of some leverages as bands.

    Parameters
    ----------
    returns : xarray.Dataset
        ``log_return`` over ``time``, as from ``dynamics.data.log_returns``; rises are not drawn.
    comparison : xarray.Dataset
        From ``compare_falls``: ``threshold`` over ``leverage`` and ``criterion``.
    leverages : sequence of float, optional
        Which to draw, nearest ones of the comparison; None: 3, 5 and 10. A band reaches from the instantaneous
        threshold to the fall seen at the threshold of the ramp.
    named : int
        The largest falls get their dates.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For results of another kind.

    Examples
    --------
    >>> import numpy as np, xarray as xr, dynamics as dy
    >>> days = np.datetime64("2020-01-01", "ns") + np.arange(300) * np.timedelta64(1, "D")
    >>> falls = np.where(np.arange(300) == 70, -0.25, 0.001)
    >>> returns = xr.Dataset({"log_return": ("time", falls)}, coords={"time": days})
    >>> comparison = dy.compare_falls(returns, {"leverage": [5.0], "instantaneous": [0.17]}, bootstrap=50)
    >>> plot_observed_falls(returns, comparison).get_ylabel()
    'Fall of the log price in a day'
    """
    if not hasattr(returns, "data_vars") or "log_return" not in returns or "time" not in returns.coords:
        raise SpecificationError("plot_observed_falls needs returns: a Dataset of 'log_return' over 'time'")
    if (
        not hasattr(comparison, "data_vars")
        or not {"threshold"} <= set(comparison.data_vars)
        or "criterion" not in comparison
    ):
        raise SpecificationError("plot_observed_falls needs a comparison: a Dataset as from compare_falls")
    times, falls = returns["time"].values, -np.asarray(returns["log_return"].values, dtype=float)
    down = falls > 0
    with drawing_on(ax, width=TEXT_WIDTH, height=2.9) as ax:
        ax.vlines(times[down], 0, falls[down], color=GREY, linewidth=0.7, zorder=2)
        _bands(ax, comparison, leverages if leverages is not None else (3.0, 5.0, 10.0))
        for k in _apart(falls, named):
            _name(ax, times, k, float(falls[k]))
        ax.set(xlim=(times[0], times[-1]), ylabel="Fall of the log price in a day")
        ax.set_ylim(0, 1.12 * max(float(falls.max()), ax.get_ylim()[1] / 1.05))
        _months(ax)
    return ax


def _bands(ax: Axes, comparison: xr.Dataset, leverages: Sequence[float]) -> None:
    known = np.asarray(comparison["leverage"].values, dtype=float)
    chosen = sorted({float(known[np.argmin(np.abs(known - v))]) for v in leverages})
    for number, leverage in enumerate(chosen):
        values = np.asarray(comparison["threshold"].sel(leverage=leverage).values, dtype=float)
        names = [str(c) for c in comparison["criterion"].values]
        # an observed fall contains the feedback: these two bracket what it has to be compared with
        ends = [values[names.index(c)] for c in (LOWEST, HIGHEST) if c in names] or list(values)
        finite = [e for e in ends if np.isfinite(e) and e > 0]
        if not finite:
            continue
        color = CYCLE[number % len(CYCLE)]
        ax.axhspan(min(finite), max(finite), color=color, alpha=0.25, linewidth=0, zorder=1)
        ax.axhline(min(finite), color=color, linewidth=0.9, zorder=3)
        ax.axhline(max(finite), color=color, linewidth=0.9, linestyle="--", zorder=3)
        ax.annotate(
            f"leverage {leverage:g}",
            (1.0, (min(finite) + max(finite)) / 2),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=color,
            annotation_clip=False,
        )


def _apart(falls: Any, count: int) -> list[int]:
    """The largest falls, leaving out those so near in time to a larger one that their dates would overlap."""
    chosen: list[int] = []
    for k in np.argsort(-falls, kind="stable"):
        if len(chosen) < count and all(abs(int(k) - other) > 0.15 * len(falls) for other in chosen):
            chosen.append(int(k))
    return chosen


def _name(ax: Axes, times: Any, k: int, fall: float) -> None:
    late = k > 0.8 * len(times)
    ax.annotate(
        str(times[k].astype("datetime64[D]")),
        (times[k], fall),
        xytext=(-4 if late else 4, -1),
        textcoords="offset points",
        ha="right" if late else "left",
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        zorder=4,
    )


def _months(ax: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
