"""Volatility skew: implied volatility against strike, with its interval and the 25-delta strikes' quotes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures.style import BLACK, CYCLE, drawing_on, legend_above

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_volatility_skew"]


def plot_volatility_skew(skews: Mapping[str, xr.Dataset] | xr.Dataset, ax: Axes | None = None) -> Axes:
    """plot_volatility_skew({"core model": skew}): implied volatility against strike over forward price.

    Parameters
    ----------
    skews : mapping of str to xarray.Dataset, or one Dataset
        From ``implied_volatility_skew``.
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
    >>> import dynamics as dy, numpy as np
    >>> skew = dy.implied_volatility_skew(0.2 * np.random.default_rng(1).standard_normal(2000), 1.0, bootstrap=20)
    >>> dy.plot_volatility_skew(skew).get_xlabel()
    'Strike / forward price'
    """
    if hasattr(skews, "data_vars"):
        skews = {"": skews}  # type: ignore[dict-item]
    if not isinstance(skews, Mapping) or not skews or any(
            getattr(skew, "attrs", {}).get("analysis") != "implied_volatility_skew" for skew in skews.values()):
        raise SpecificationError("plot_volatility_skew needs a result of implied_volatility_skew, or a mapping of labels to "
                                 "such results")
    with drawing_on(ax) as ax:
        for number, (label, skew) in enumerate(skews.items()):
            color, strike = CYCLE[number % len(CYCLE)], np.asarray(skew["strike"].values)
            order = np.argsort(strike)
            lower, middle, upper = (100 * np.asarray(skew[f"implied_volatility{end}"].values)[order]
                                    for end in ("_lower", "", "_upper"))
            if np.isfinite(lower).any():
                ax.fill_between(strike[order], lower, upper, color=color, alpha=0.2, linewidth=0)
            ax.plot(strike[order], middle, color=color, label=label)
        ax.axvline(1.0, color=BLACK, linewidth=0.6, linestyle=":", zorder=1)
        ax.set(xlabel="Strike / forward price", ylabel="Implied volatility (% per $\\sqrt{\\mathrm{year}}$)")
        if any(skews):
            legend_above(ax)
    return ax
