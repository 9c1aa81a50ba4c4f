"""Early warnings: rolling indicators in small multiples, each with its trend and what chance gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLUE, COLUMN, GREY, styled

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["plot_early_warnings"]

_HEIGHT = 1.25


def plot_early_warnings(result: xr.Dataset, axes: Any = None) -> NDArray[Any]:
    """plot_early_warnings(result): the series without its trend, and each indicator with Kendall's tau and its p-value.

    Parameters
    ----------
    result : xarray.Dataset
        From ``early_warning_signals``.
    axes : sequence of matplotlib Axes, optional
        One for the series and one for each indicator; a new figure when None.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    SpecificationError
        For a result of another kind, or a number of axes that does not fit.

    Examples
    --------
    >>> import dynamics as dy, numpy as np
    >>> warning = dy.early_warning_signals(np.random.default_rng(1).standard_normal(200), surrogates=20)
    >>> len(dy.plot_early_warnings(warning))
    3
    """
    import matplotlib.pyplot as plt

    if not hasattr(result, "attrs") or result.attrs.get("analysis") != "early_warning_signals":
        raise SpecificationError("plot_early_warnings needs a result of early_warning_signals")
    names = [str(name) for name in result["indicator"].values]
    with styled():
        if axes is None:
            figure, made = plt.subplots(len(names) + 1, 1, figsize=(COLUMN, _HEIGHT * (len(names) + 1) + 0.4), sharex=True)
            figure.align_ylabels(made)
        else:
            made = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        if len(made) != len(names) + 1:
            raise SpecificationError(f"axes must be {len(names) + 1} matplotlib Axes: one for the series and one for each "
                                     f"of {', '.join(names)}")
        made[0].plot(result["residual"].values, color=GREY, linewidth=0.6)
        made[0].set_ylabel("Series\nwithout trend")
        for ax, name in zip(made[1:], names, strict=True):
            tau, p = (float(result[key].sel(indicator=name)) for key in ("kendall_tau", "p_value"))
            ax.plot(result["time"].values, result[name].values, color=BLUE)
            ax.set_ylabel(labels.data_label(result[name]).replace(" ", "\n", 1))
            ax.set_title(f"Kendall's tau {tau:.2f}, p = {p:.2g}", loc="right", fontsize="medium", pad=2)
        made[-1].set_xlabel("Observation")
    return np.asarray(made)
