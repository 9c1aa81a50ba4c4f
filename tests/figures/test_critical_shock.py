"""Critical shocks: the curves are the data up to the stability limit, and zero beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.figures import plot_critical_shock

IMPACTS = np.array([0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 1.0])
SHOCKS = np.array([0.2231, 0.1753, 0.1730, 0.1533, 0.1171, 0.0, 0.0])


def curve(values: Any = SHOCKS, limit: float | None = 0.75, **more: Any) -> xr.Dataset:
    variables = {"threshold": ("price_impact", values, {"long_name": "critical price shock", "units": "1"}),
                 "at_once": ("price_impact", np.full(7, 0.2231)),
                 "first_margin_call": ("price_impact", np.full(7, 0.1719)), **more}
    swept = ("price_impact", IMPACTS, {"long_name": "price impact", "units": "1", "symbol": r"\eta"})
    return xr.Dataset(variables, coords={"price_impact": swept}, attrs={"limit": limit})


def test_curves_end_at_the_limit_and_are_zero_beyond() -> None:
    ax = plot_critical_shock({"core model": curve(), "with depletion": curve(SHOCKS * 1.02)})
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 5]
    np.testing.assert_array_equal([line.get_ydata() for line in drawn], [SHOCKS[:5], SHOCKS[:5] * 1.02])
    zero = [line for line in ax.lines if np.array_equal(line.get_xdata(), [0.75, 1.0])]
    assert [line.get_ydata().tolist() if hasattr(line.get_ydata(), "tolist") else list(line.get_ydata())
            for line in zero] == [[0, 0], [0, 0]]
    # one limit for both, named
    assert sum(line.get_gid() == "limit 0.75" for line in ax.lines) == 1
    texts = [t.get_text() for t in ax.texts]
    assert sorted(texts) == sorted(["stability limit 0.75", "without feedback", "first margin call", "core model",
                                    "with depletion"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"Price impact $\eta$", "Critical price shock")


def test_names_have_the_colours_of_their_curves() -> None:
    ax = plot_critical_shock({"core model": curve(), "with depletion": curve(SHOCKS * 1.2)})
    colors = {t.get_text(): t.get_color() for t in ax.texts}
    for line in ax.lines:
        if len(line.get_xdata()) == 5:
            name = "core model" if line.get_ydata()[0] == SHOCKS[0] else "with depletion"
            assert line.get_color() == colors[name]
    assert colors["core model"] != colors["with depletion"]


def test_without_a_limit_the_whole_curve_is_drawn_and_doubtful_points_are_circles() -> None:
    status = ("price_impact", [0, 0, 3, 0, 0, 0, 0], {"flag_values": [0, 3], "flag_meanings": "found not_monotone"})
    ax = plot_critical_shock(curve(limit=None, status=status))
    assert any(np.array_equal(line.get_ydata(), SHOCKS) for line in ax.lines)
    (circles,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert circles.get_xdata().tolist() == [0.4]


def test_given_axes_are_used() -> None:
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1]
    assert plot_critical_shock({"core model": curve()}, ax=ax) is ax


def test_wrong_input_is_told() -> None:
    with pytest.raises(dy.SpecificationError, match="mapping from a label"):
        plot_critical_shock({})
    with pytest.raises(dy.SpecificationError, match="'core' is no curve"):
        plot_critical_shock({"core": xr.Dataset({"a": ("b", [1.0])})})
    with pytest.raises(dy.SpecificationError, match="different parameters"):
        plot_critical_shock({"a": curve(), "b": curve().rename(price_impact="spread")})


def test_open_brackets_are_bars_and_no_points_of_the_line():
    y = np.array([0.2, np.nan, 0.15])
    open_curve = xr.Dataset(
        {"threshold": ("price_impact", y), "at_once": ("price_impact", [0.22] * 3),
         "bracket_low": ("price_impact", [0.2, 0.1, 0.15]), "bracket_high": ("price_impact", [0.2, 0.19, 0.15]),
         "status": ("price_impact", [0, 7, 0], {"flag_values": [0, 7], "flag_meanings": "found open_bracket"})},
        coords={"price_impact": [0.0, 0.5, 1.0]}, attrs={"limit": None})
    ax = plot_critical_shock(open_curve)
    (bars,) = ax.collections
    np.testing.assert_allclose(bars.get_segments(), [[[0.5, 0.1], [0.5, 0.19]]])
    drawn = [line for line in ax.lines if np.asarray(line.get_ydata()).size == 3 and np.isnan(line.get_ydata()[1])]
    assert len(drawn) == 1


def test_bars_of_two_curves_stand_beside_one_another_and_lone_points_are_seen() -> None:
    flags = {"flag_values": [0, 8], "flag_meanings": "found open_bracket"}
    curve = xr.Dataset({"threshold": ("a", [0.3, np.nan, 0.2, np.nan, 0.1]), "bracket_low": ("a", [0.1] * 5),
                        "bracket_high": ("a", [0.4] * 5), "status": ("a", [0, 8, 0, 8, 0], flags)},
                       coords={"a": np.arange(5.0)})
    ax = dy.plot_critical_shock({"one": curve, "two": curve})
    ax.figure.canvas.draw()
    left, right = (bars.get_transform().transform((1.0, 0.2))[0] for bars in ax.collections)
    assert right - left == pytest.approx(3.5 * ax.figure.dpi / 72)
    assert [text.get_text() for text in ax.texts].count("not decided") == 1
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert [dot.get_xdata().tolist() for dot in dots] == [[0.0, 2.0, 4.0]] * 2
