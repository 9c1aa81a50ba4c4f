"""Liquidity shock: what is survived after a share of market depth has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, GREY, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_liquidity_shock"]

_LINES = (("critical_loss", VERMILION, "-", "critical loss"), ("critical_loss_at_rest", BLACK, "--", "rest unstable"),
          ("return_loss", GREY, "--", "return"))


def plot_liquidity_shock(result: xr.Dataset, ax: Axes | None = None) -> Axes:
    """plot_liquidity_shock(result): critical shock (static cascades: total fall) against the share of depth lost.

    Parameters
    ----------
    result : xarray.Dataset
        From ``liquidity_shock``.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a result of another kind.

    Examples
    --------
    >>> import dynamics as dy
    >>> cascade = dy.models.load("liquidation_cascade")
    >>> dy.plot_liquidity_shock(dy.liquidity_shock(cascade, [0.0, 0.1, 0.2])).get_xlabel()
    'Share of market depth lost'
    """
    if not hasattr(result, "attrs") or result.attrs.get("analysis") != "liquidity_shock":
        raise SpecificationError("plot_liquidity_shock needs a result of liquidity_shock")
    name = "critical_shock" if "critical_shock" in result else "largest_fall"
    loss = np.asarray(result["loss"].values)
    values, jump = np.asarray(result[name].values, dtype=float), float(result["critical_loss"])
    with drawing_on(ax) as ax:
        if name == "largest_fall" and np.isfinite(jump):
            # a line across the jump would show falls that do not exist
            for part in (loss < jump, loss >= jump):
                ax.plot(loss[part], values[part], color=BLUE)
        else:
            ax.plot(*_with_known_points(result, loss, values), color=BLUE)
            if "magnitude" in result.attrs:
                shock = float(result.attrs["magnitude"])
                ax.axhline(shock, color=GREY, linewidth=0.8, linestyle=":", label=f"shock of {shock:g}")
        for variable, color, style, text in _LINES:
            value = float(result[variable]) if variable in result else float("nan")
            if loss.min() <= value <= loss.max():
                ax.axvline(value, color=color, linewidth=0.9, linestyle=style, zorder=1, label=f"{text} {value:.3g}")
        ax.set(xlim=(loss.min(), loss.max()), xlabel="Share of market depth lost", ylabel=labels.data_label(result[name]))
        ax.set_ylim(bottom=0)
        labels.left_out(ax, result.attrs)
        legend_above(ax)
    return ax


def _with_known_points(result: xr.Dataset, loss: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The curve with the two points that were searched for: the shock at its critical loss, and zero where rest ends."""
    known = [(float(result["critical_loss"]), float(result.attrs.get("magnitude", np.nan))),
             (float(result["critical_loss_at_rest"]) if "critical_loss_at_rest" in result else np.nan, 0.0)]
    points = [point for point in known if np.isfinite(point).all() and loss.min() <= point[0] <= loss.max()]
    x, y = (np.append(array, [point[k] for point in points]) for k, array in enumerate((loss, values)))
    order = np.argsort(x, kind="stable")
    return x[order], y[order]
