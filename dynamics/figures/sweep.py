"""Sweeps: a measure over one or two axes, or as dots over a parameter (bifurcation diagrams of maps)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.phase_diagram import cell_edges, plain_ticks
from dynamics.figures.style import BLACK, BLUE, drawing_on

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_sweep"]

BOOKKEEPING = ("status", "end_time")


def plot_sweep(result: xr.Dataset, measure: str | None = None, *, dots: bool = False, logarithmic: bool = False,
               ax: Axes | None = None) -> Axes:
    """plot_sweep(result, "max_leverage"): a measure of a sweep, as a line over one axis, as colours over two.

    Parameters
    ----------
    result : xarray.Dataset
        From ``sweep``; with more axes take a part first, as in ``result.sel(price_impact=0.3)``.
    measure : str, optional
        None: the first one.
    dots : bool
        Draw every value as a dot over the first axis. Final states of a map from many initial states then show its
        attractors: the diagram of period doublings and chaos.
    logarithmic : bool
        Scale of the measure.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For a result of another kind, an unknown measure, flags (``plot_phase_diagram`` draws regimes), or more than two
        axes.

    Notes
    -----
    Cells that did not complete have no value and stay white. An axis whose values have equal ratios is logarithmic.

    Examples
    --------
    >>> import numpy as np, dynamics as dy
    >>> logistic = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 3.2},
    ...                      equations={"x": "r*x*(1 - x)"})
    >>> ends = dy.sweep(logistic, {"r": np.linspace(2.8, 4, 50), "x": np.linspace(0.1, 0.9, 20)}, "x", duration=200)
    >>> dy.plot_sweep(ends, dots=True).get_ylabel()
    '$x$'
    """
    from matplotlib.colors import LogNorm

    dots = arguments.flag(dots, "plot_sweep: dots")
    logarithmic = arguments.flag(logarithmic, "plot_sweep: logarithmic")
    variable = _measure(result, measure)
    names = [str(name) for name in variable.dims]
    values = np.where(_valid(result, variable), variable.values, np.nan).astype(float)
    label = _label(result, variable)
    with drawing_on(ax) as ax:
        if dots or len(names) == 1:
            x = np.broadcast_to(result[names[0]].values.reshape(-1, *[1] * (values.ndim - 1)), values.shape)
            style: Any = {"marker": ",", "linestyle": "none", "color": BLACK, "alpha": 0.25, "rasterized": True} if dots \
                else {"color": BLUE}
            ax.plot(x.reshape(-1), values.reshape(-1), **style)
            ax.set(xlabel=labels.swept_label(result, names[0]), ylabel=label, xlim=(float(x.min()), float(x.max())))
            if logarithmic:
                ax.set_yscale("log")
            if cell_edges(result[names[0]].values, names[0])[1]:
                ax.set_xscale("log")
        else:
            edges = []
            for name, scale in zip(names, (ax.set_xscale, ax.set_yscale), strict=True):
                positions, ratios = cell_edges(result[name].values, name)
                edges.append(positions)
                if ratios:
                    scale("log")
            mesh = ax.pcolormesh(*edges, np.ma.masked_invalid(values.T), rasterized=True, cmap="cividis",
                                 norm=LogNorm() if logarithmic else None)
            ax.figure.colorbar(mesh, ax=ax, label=label)
            ax.set(xlabel=labels.swept_label(result, names[0]), ylabel=labels.swept_label(result, names[1]))
        plain_ticks(ax)
        labels.left_out(ax, result.attrs)
    return ax


def _measure(result: xr.Dataset, name: str | None) -> xr.DataArray:
    known = [str(n) for n in getattr(result, "data_vars", ()) if n not in BOOKKEEPING and result[n].ndim]
    if not known:
        raise SpecificationError("plot_sweep needs a Dataset with a measure over named axes, as from sweep")
    numbers = [n for n in known if "flag_values" not in result[n].attrs]
    name = name if name is not None else (numbers or known)[0]
    if isinstance(name, str) and name not in known and f"final_{name}" in known:
        name = f"final_{name}"
    name = labels.checked(name, known, "plot_sweep")
    if name not in numbers:
        raise SpecificationError(f"plot_sweep: '{name}' is a flag, not a number; plot_phase_diagram draws regimes")
    if result[name].ndim > 2:
        raise SpecificationError(f"plot_sweep: '{name}' runs over {', '.join(map(str, result[name].dims))}; take a part of "
                                 f"it first, as in result.isel({result[name].dims[0]}=0)")
    return result[name]


def _valid(result: xr.Dataset, variable: xr.DataArray) -> Any:
    """Where the cells of a sweep have a value: they completed, or ended at an event."""
    status = result.get("status")
    if status is None or status.dims != variable.dims or "flag_meanings" not in status.attrs:
        return True
    words = str(status.attrs["flag_meanings"]).split()
    ended: tuple[str, ...] = ("diverged", "step_limit", "invalid_state", "not_run")
    if variable.name not in ("lyapunov", "period"):
        # where rounding has ended the chaos of a map, states and measures of the orbit are those of no orbit
        ended = (*ended, "precision_lost")
    bad = [value for value, word in zip(np.atleast_1d(status.attrs["flag_values"]), words, strict=True) if word in ended]
    return ~np.isin(status.values, bad)


def _label(result: xr.Dataset, variable: xr.DataArray) -> str:
    name, system = str(variable.name).removeprefix("final_"), labels.system_of(result.attrs)
    if system is not None and name in system.symbols:
        return labels.label(system, name, width=30)
    return labels.data_label(variable, width=30)
