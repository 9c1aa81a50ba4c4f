"""Critical shocks: the smallest shock that starts a cascade, against a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import SpecificationError
from dynamics.figures import labels
from dynamics.figures.placement import write_along
from dynamics.figures.style import BLACK, CYCLE, GREY, check_axes, drawing_on

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_critical_shock"]

POINTS = 72  # of an inch
BESIDE = 3.5  # points between the bars of curves, which else lie on one another
CERTAIN = ("found", "insolvent_at_once", "unstable")


def plot_critical_shock(curves: Mapping[str, xr.Dataset] | xr.Dataset, ax: Axes | None = None) -> Axes:
    """plot_critical_shock({"core model": curve}): thresholds against a parameter, with what feedback adds.

    Parameters
    ----------
    curves : mapping of str to xarray.Dataset, or one Dataset
        From ``critical_shocks``: one dim, the swept parameter; variables ``threshold``, ``status``, ``at_once`` (the
        shock that is critical without feedback), ``first_margin_call`` where there is one; attrs ``limit``, the value
        of the parameter at which the fixed point loses stability, or None.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SpecificationError
        For results of another kind, or over different parameters.

    Notes
    -----
    Beyond the limit any shock is critical and the threshold is zero, from the eigenvalues. Points whose status leaves a
    doubt (not monotone) are circles: the value is the first change of outcome. Where shocks between the largest that is
    proved harmless and the smallest that is proved critical were not decided there is a bar between these two, and no point
    of the line.

    Examples
    --------
    >>> import xarray as xr
    >>> curve = xr.Dataset({"threshold": ("price_impact", [0.22, 0.17, 0.0]), "at_once": ("price_impact", [0.22] * 3)},
    ...                    coords={"price_impact": [0.0, 0.5, 1.0]}, attrs={"limit": 0.75})
    >>> plot_critical_shock({"core model": curve}).get_xlabel()
    'Price impact'
    """
    if hasattr(curves, "data_vars"):
        curves = {"threshold": curves}  # type: ignore[dict-item]
    name = _checked(curves)
    check_axes(ax)
    first = next(iter(curves.values()))
    xs = np.concatenate([np.asarray(c[name].values, dtype=float) for c in curves.values()])
    span = float(np.min(xs)), float(np.max(xs))
    with drawing_on(ax, height=2.8) as ax:
        texts: list[tuple[Any, str]] = []
        for reference, text, color, style in (("at_once", "without feedback", GREY, "-"),
                                              ("first_margin_call", "first margin call", BLACK, ":")):
            if reference in first:
                (line,) = ax.plot(first[name].values, first[reference].values, color=color, linestyle=style,
                                  linewidth=0.8, zorder=2)
                texts.append((line, text))
        for number, (label, curve) in enumerate(curves.items()):
            color = CYCLE[number % len(CYCLE)]
            line = _curve(ax, curve, name, color, span, BESIDE * (number - (len(curves) - 1) / 2))
            texts.append((line, label))
            _limit(ax, curve, span)
        ax.set(xlim=span, xlabel=labels.swept_label(first, name), ylabel=_y_label(first))
        ax.set_ylim(min(0.0, ax.get_ylim()[0] if _lowest(curves) < 0 else 0.0))
        ax.margins(y=0.1)
        labels.left_out(ax, first.attrs)
        write_along(ax, [t for t in texts if len(texts) > 1])
    return ax


def _checked(curves: Mapping[str, xr.Dataset]) -> str:
    """The name of the swept parameter."""
    if not isinstance(curves, Mapping) or not curves:
        raise SpecificationError("plot_critical_shock needs a mapping from a label to a result of critical_shocks")
    names = set()
    for label, curve in curves.items():
        if not hasattr(curve, "data_vars") or "threshold" not in curve or curve["threshold"].ndim != 1:
            raise SpecificationError(f"plot_critical_shock: '{label}' is no curve; it needs a Dataset with the variable"
                                     " 'threshold' over one parameter, as from critical_shocks")
        names.add(str(curve["threshold"].dims[0]))
    if len(names) > 1:
        raise SpecificationError("plot_critical_shock: the curves run over different parameters: "
                                 + ", ".join(sorted(names)))
    return names.pop()


def _limit_of(curve: xr.Dataset) -> float | None:
    limit = curve.attrs.get("limit")
    return None if limit is None or not np.isfinite(float(limit)) else float(limit)


def _curve(ax: Axes, curve: xr.Dataset, name: str, color: str, span: tuple[float, float], aside: float) -> Any:
    x, y = (np.asarray(v, dtype=float) for v in (curve[name].values, curve["threshold"].values))
    (line,) = ax.plot(x, y, color=color, linewidth=1.4, zorder=3)
    limit = _limit_of(curve)
    if limit is not None and limit < span[1]:
        # a line from the last point before the limit to the first one after it would show thresholds that do not exist
        before, after = x < limit, x >= limit
        zero = bool(np.all(y[after] == 0)) and bool(np.any(after))
        line.set_data(x[before], y[before])
        if zero:
            ax.plot([limit, span[1]], [0.0, 0.0], color=color, linewidth=2.2, zorder=3, clip_on=False,
                    solid_capstyle="butt")
    doubtful = _doubtful(curve)
    if np.any(doubtful):
        ax.plot(x[doubtful], y[doubtful], linestyle="none", marker="o", markerfacecolor="white", markeredgecolor=color,
                markersize=3.5, zorder=4)
    alone = _alone(y)
    ax.plot(x[alone], y[alone], linestyle="none", marker=".", color=color, markersize=4, zorder=3)
    _open_brackets(ax, curve, x, color, aside)
    return line


def _alone(y: Any) -> Any:
    """Points without a neighbour, of which no line is seen."""
    known = np.concatenate([[False], np.isfinite(y), [False]])
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _open_brackets(ax: Axes, curve: xr.Dataset, x: Any, color: str, aside: float) -> None:
    """Bars between what is proved on either side, where what lies between was not decided."""
    from matplotlib.transforms import ScaledTranslation

    if "bracket_low" not in curve or "bracket_high" not in curve:
        return
    low, high = (np.asarray(curve[name].values, dtype=float) for name in ("bracket_low", "bracket_high"))
    unknown = _has_status(curve, ("open_bracket",)) & np.isfinite(low) & np.isfinite(high)
    if np.any(unknown):
        beside = ax.transData + ScaledTranslation(aside / POINTS, 0, ax.figure.dpi_scale_trans)
        ax.vlines(x[unknown], low[unknown], high[unknown], color=color, linewidth=2.5, alpha=0.4, zorder=2, transform=beside)
        if not any(text.get_gid() == "bars" for text in ax.texts):
            # in the middle of them: the names of curves stand at the ends
            places = np.flatnonzero(unknown)
            middle = int(places[len(places) // 2])
            above = (x[middle], high[unknown].max())
            ax.annotate("not decided", above, xytext=(0, 2), textcoords="offset points", ha="center", va="bottom",
                        fontsize=6, color=color, gid="bars")


def _doubtful(curve: xr.Dataset) -> Any:
    if "status" not in curve or not _codes(curve):
        return np.zeros(curve["threshold"].shape, dtype=bool)
    return ~_has_status(curve, CERTAIN) & np.isfinite(curve["threshold"].values)


def _has_status(curve: xr.Dataset, wanted: tuple[str, ...]) -> Any:
    if "status" not in curve:
        return np.zeros(curve["threshold"].shape, dtype=bool)
    codes = _codes(curve)
    return np.isin(curve["status"].values, [codes[word] for word in wanted if word in codes])


def _codes(curve: xr.Dataset) -> dict[str, Any]:
    attributes = curve["status"].attrs
    words = str(attributes.get("flag_meanings", "")).split()
    return dict(zip(words, np.atleast_1d(attributes.get("flag_values", [])), strict=False))


def _limit(ax: Axes, curve: xr.Dataset, span: tuple[float, float]) -> None:
    limit = _limit_of(curve)
    if limit is None or not span[0] <= limit <= span[1]:
        return
    if any(old.get_gid() == f"limit {limit:.6g}" for old in ax.lines):
        return  # curves of one fixed point share their limit
    ax.axvline(limit, color=BLACK, linewidth=0.8, linestyle="--", zorder=1, gid=f"limit {limit:.6g}")
    # over the axes, where no curve can be
    ax.annotate(f"stability limit {limit:.4g}", (limit, 1.0), xycoords=ax.get_xaxis_transform(), xytext=(0, 2),
                textcoords="offset points", ha="center" if limit < 0.5 * sum(span) else "right", va="bottom",
                color=BLACK)


def _lowest(curves: Mapping[str, xr.Dataset]) -> float:
    values = np.concatenate([np.asarray(c["threshold"].values, dtype=float) for c in curves.values()])
    finite = values[np.isfinite(values)]
    return float(finite.min()) if finite.size else 0.0


def _y_label(curve: xr.Dataset) -> str:
    words = " ".join(["critical", *([str(curve.attrs["shock"])] if "shock" in curve.attrs else []), "shock"])
    return labels.data_label(curve["threshold"], words)
