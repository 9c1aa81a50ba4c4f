"""Trajectories: states, observables and flows against time, with the events that happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis import arguments
from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, COLUMN, CYCLE, GREEN, PURPLE, VERMILION, legend_above, styled

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["plot_trajectory"]

PANEL_HEIGHT = 0.95
MOST_LINES_IN_LEGEND = 7
_EVENT_LINES = ((BLACK, "-"), (VERMILION, ":"), (GREEN, "--"), (PURPLE, "-."), ("0.5", (0, (1, 1))))


def plot_trajectory(run: xr.Dataset, variables: Sequence[str] | None = None, axes: Any = None) -> NDArray[Any]:
    """plot_trajectory(run): small multiples of states and observables over one time axis, events marked.

    Parameters
    ----------
    run : xarray.Dataset
        From ``integrate``: variables with dim ``time``; ``event_time`` and ``event_name``.
    variables : sequence of str, optional
        What to draw, one panel each, in this order. Definitions (flows such as ``"net_flow"``) are evaluated along the
        trajectory. None: all states and observables.
    axes : matplotlib Axes or sequence of Axes, optional
        One for each variable; a new figure one column wide when None.

    Returns
    -------
    ndarray of Axes
        One for each variable.

    Raises
    ------
    SpecificationError
        For a result that is no trajectory, an unknown variable, or a number of axes that does not fit.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> run = dy.integrate(system, 20, dy.apply_shock(system, system.initial_state(), "price", 0.17))
    >>> axes = dy.plot_trajectory(run, ["price", "equity_ratio", "net_flow"])
    >>> axes[-1].get_xlabel()
    'Time (day)'
    """
    if not hasattr(run, "data_vars") or "time" not in run.dims:
        raise SpecificationError("plot_trajectory needs a trajectory: a Dataset with dim 'time', as from integrate")
    if variables is None:
        variables = [str(n) for n, v in run.data_vars.items() if "time" in v.dims and v.dtype.kind in "fi"]
    variables = arguments.names(variables, "plot_trajectory: variables")
    series = [_series(run, name) for name in variables]
    if not series:
        raise SpecificationError("plot_trajectory: there is nothing to draw; name at least one variable")
    events = _events(run)
    with styled():
        panels = _panels(axes, len(series), len(events))
        for ax, variable in zip(panels, series, strict=True):
            _panel(ax, run["time"].values, variable)
            for number, (name, times) in enumerate(events.items()):
                color, line = _EVENT_LINES[number % len(_EVENT_LINES)]
                ax.vlines(times, 0, 1, transform=ax.get_xaxis_transform(), colors=color, linestyles=line, linewidth=0.7,
                          zorder=1, clip_on=False, label=labels.sentence(name) if ax is panels[0] else None)
        if events:
            own = [a for a in panels[0].collections if a.get_label() in {labels.sentence(n) for n in events}]
            legend_above(panels[0], own)
        panels[-1].set_xlabel(labels.data_label(run["time"], "time"))
        labels.left_out(panels[-1], run.attrs)
    return panels


def _panels(axes: Any, count: int, events: int) -> NDArray[Any]:
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    if axes is None:
        height = PANEL_HEIGHT * count + 0.45 + 0.16 * ((events + 1) // 2)
        figure, made = plt.subplots(count, 1, figsize=(COLUMN, height), sharex=True, squeeze=False)
        figure.align_ylabels(made[:, 0])
        return made[:, 0]
    listed = list(axes) if isinstance(axes, (list, tuple)) else axes
    if not isinstance(listed, (list, np.ndarray)):
        listed = [axes]
    panels = np.atleast_1d(np.asarray(listed, dtype=object)).ravel()
    if len(panels) != count or not all(isinstance(ax, Axes) for ax in panels):
        raise SpecificationError(f"axes must be {count} matplotlib Axes, one for each of the variables drawn; "
                                 f"it has {len(panels)} entries")
    return panels


def _series(run: xr.Dataset, name: str) -> Any:
    """The variable as a DataArray with dim time, evaluated from the system where it is a definition."""
    system = labels.system_of(run.attrs)
    if name in run.data_vars and "time" in run[name].dims:
        variable = run[name]
        if system is not None and name in system.symbols:
            variable = variable.assign_attrs(_label=labels.label(system, name, width=16))
        return variable
    known = [str(n) for n, v in run.data_vars.items() if "time" in v.dims]
    if system is None or name not in system.definitions:
        known += system.definitions if system is not None else ()
        raise labels.unknown(name, known, "plot_trajectory, variables")
    if system.indices:
        raise SpecificationError(f"'{name}' is a definition of a system with indexed states; declare it as an "
                                 "observable, and the trajectory will have it")
    from sympy import Symbol

    from dynamics.compiled.code import vector_function
    from dynamics.systems import TIME

    function = vector_function([system.resolve(system._parsed.definitions[name])],
                               [(TIME,), [Symbol(s) for s in system.states], list(system.exact_parameters)])
    with np.errstate(all="ignore"):
        (values,) = function((run["time"].values,), [run[s].values for s in system.states],
                             [float(v) for v in system.exact_parameters.values()])
    reference = run[next(iter(system.states))]
    return reference.copy(data=np.broadcast_to(np.asarray(values, dtype=float), reference.shape)).assign_attrs(
        _label=labels.label(system, name, width=16))


def _panel(ax: Any, time: Any, variable: Any) -> None:
    lines = variable.transpose("time", ...).values.reshape(len(time), -1)
    many = lines.shape[1] > MOST_LINES_IN_LEGEND
    for k in range(lines.shape[1]):
        ax.plot(time, lines[:, k], color=BLUE if many or lines.shape[1] == 1 else CYCLE[k % len(CYCLE)],
                linewidth=0.5 if many else 1.2, alpha=max(0.1, 20 / lines.shape[1]) if lines.shape[1] > 20 else 1.0,
                label=f"{k + 1}" if 1 < lines.shape[1] <= MOST_LINES_IN_LEGEND else None)
    if 1 < lines.shape[1] <= MOST_LINES_IN_LEGEND:
        index = ", ".join(str(d).replace("_", " ") for d in variable.dims if d != "time")
        handles = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
        ax.legend(handles=handles, title=labels.sentence(index), loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set_ylabel(variable.attrs.get("_label") or labels.data_label(variable, width=16))
    ax.margins(x=0)


def _events(run: xr.Dataset) -> dict[str, list[float]]:
    """Event name to its times; times that a reader cannot tell apart are one line."""
    found: dict[str, list[float]] = {}
    if "event_time" not in run or "event_name" not in run:
        return found
    span = float(run["time"][-1] - run["time"][0]) or 1.0
    for time, name in zip(run["event_time"].values.tolist(), run["event_name"].values.tolist(), strict=True):
        times = found.setdefault(str(name), [])
        if not times or time - times[-1] > 1e-6 * span:
            times.append(float(time))
    return found
