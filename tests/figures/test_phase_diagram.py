"""Phase diagrams: cells have the colour of their regime, boundaries lie where they were given, axes know scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

import dynamics as dy
from dynamics.errors import SpecificationError
from dynamics.figures import plot_phase_diagram
from dynamics.figures.phase_diagram import REGIME_COLORS

MEANINGS = "stable cascades_after_shock unstable insolvent_at_once target_above_venue_limit not_settled"
ENDS = "ended_by_other_event other_attractor"
IMPACTS, TARGETS = np.geomspace(0.02, 2, 5), np.linspace(2, 22, 3)


def test_a_measure_is_coloured_with_a_bar():
    data = dy.sweep(dy.models.load("leverage_cycle_binomial"), {"low_payoff": [0.1, 0.2, 0.3]}, ["price"])
    plane = data.expand_dims(copies=[1.0, 2.0]).copy(deep=True)
    plane["price"][1, 2] = float("nan")
    ax = plot_phase_diagram(plane, measure="price")
    mesh = ax.collections[0]
    assert np.ma.count_masked(mesh.get_array()) == 1
    assert mesh.get_array().max() == float(plane["price"].max())
    assert ax.figure.axes[1].get_ylabel() == "Price of the asset at the beginning, in goods"
    with pytest.raises(SpecificationError, match="Did you mean 'price'"):
        plot_phase_diagram(plane, measure="prices")


def diagram(**attributes: Any) -> xr.Dataset:
    regime = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 2, 2], [4, 4, 4, 3, 5]])
    return xr.Dataset(
        {"regime": (("target_leverage", "price_impact"), regime,
                    {"flag_values": list(range(6)), "flag_meanings": MEANINGS})},
        coords={"price_impact": ("price_impact", IMPACTS,
                                 {"units": "1", "long_name": "price impact", "symbol": r"\eta"}),
                "target_leverage": ("target_leverage", TARGETS, {"units": "1/day", "long_name": "target leverage"})},
        attrs=attributes)


def test_other_ends_have_colours_of_their_own_and_a_missing_shock_is_said() -> None:
    assert len({to_rgba(REGIME_COLORS[word]) for word in f"{MEANINGS} {ENDS}".split()}) == 8
    system = dy.System(name="two", states={"a": 1, "b": 1}, parameters={"k": 1.0},
                       equations={"a": "k*(1 - a)", "b": "b*(1 - b)*(b - 0.5)"},
                       events={"insolvency": dy.Event("a - 0.1", terminal=True),
                               "fund_default": dy.Event("b - 0.25", terminal=True)},
                       shocks={"price": dy.Shock({"a": "a - magnitude", "b": "b - magnitude"})})
    shocked = plot_phase_diagram(dy.phase_diagram(system, ("shock:price", [0.1, 0.6]), ("k", [1.0, 2.0])))
    assert [t.get_text() for t in shocked.get_legend().get_texts()] == ["Stable", "Ended by other event"]
    drawn = shocked.collections[0].to_rgba(shocked.collections[0].get_array()).reshape(2, 2, 4)
    np.testing.assert_allclose(drawn[0, 1], to_rgba(REGIME_COLORS["ended_by_other_event"]), atol=1e-12)
    given = plot_phase_diagram(dy.phase_diagram(system, ("a", [0.5, 0.9]), ("b", [0.6, 0.9])))
    assert [t.get_text() for t in given.get_legend().get_texts()] == ["Stable", "(no shock)"]


def test_each_cell_has_the_colour_of_its_regime_and_the_legend_agrees() -> None:
    data = diagram()
    ax = plot_phase_diagram(data)
    (mesh,) = ax.collections
    drawn = mesh.to_rgba(mesh.get_array()).reshape(3, 5, 4)
    words = MEANINGS.split()
    for (row, column), value in np.ndenumerate(data["regime"].values):
        np.testing.assert_allclose(drawn[row, column], to_rgba(REGIME_COLORS[words[value]]), atol=1e-12)
    legend = ax.get_legend()
    shown = [t.get_text().replace("\n", " ") for t in legend.get_texts()]
    assert shown == [w.replace("_", " ").capitalize() for w in words]
    assert len({p.get_facecolor() for p in legend.get_patches()}) == 6
    assert ax.get_ylabel() == "Target leverage (1/day)"
    assert ax.get_xlabel() == r"Price impact $\eta$"


def test_equal_ratios_make_a_logarithmic_axis_and_cells_around_their_values() -> None:
    ax = plot_phase_diagram(diagram())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    (mesh,) = ax.collections
    corners = mesh.get_coordinates()
    x, y = corners[0, :, 0], corners[:, 0, 1]
    np.testing.assert_allclose(np.sqrt(x[1:] * x[:-1]), IMPACTS, rtol=1e-12)
    np.testing.assert_allclose((y[1:] + y[:-1]) / 2, TARGETS, rtol=1e-12)


def test_boundaries_are_the_given_lines_over_the_cells() -> None:
    x = np.linspace(0.2, 2, 7)
    ax = plot_phase_diagram(diagram(boundaries=[
        {"label": "Hopf", "kind": "hopf", "x": x.tolist(), "y": (1 + 3 / x).tolist()},
        {"label": "venue limit", "kind": "border_collision", "x": [0.02, 0.2], "y": [20, None]}]))
    hopf, border = ax.lines
    np.testing.assert_array_equal(hopf.get_ydata(), 1 + 3 / x)
    assert np.isnan(border.get_ydata()[1])
    assert (hopf.get_linestyle(), border.get_linestyle()) == ("-", "--")
    assert hopf.get_zorder() > ax.collections[0].get_zorder()
    assert {"Hopf", "Venue limit"} <= {t.get_text() for t in ax.get_legend().get_texts()}


def test_without_boundaries_the_line_of_zero_growth_is_drawn() -> None:
    x, y = np.linspace(0.1, 1.0, 30), np.linspace(1.0, 5.0, 20)
    growth = x[None, :] * y[:, None] - 1
    diagram = xr.Dataset(
        {"regime": (("y", "x"), (growth > 0).astype(int), {"flag_values": [0, 1], "flag_meanings": "stable unstable"}),
         "growth_rate": (("y", "x"), growth)}, coords={"x": x, "y": y})
    ax = dy.plot_phase_diagram(diagram)
    words = [" ".join(text.get_text().split()) for text in ax.get_legend().get_texts()]
    assert words == ["Stable", "Unstable", "Growth rate 0 (numeric)"]
    (line,) = [c for c in ax.collections if hasattr(c, "levels")]
    places = np.concatenate([path.vertices for path in line.get_paths()])
    assert np.abs(places[:, 0] * places[:, 1] - 1).max() < 0.01
    diagram.attrs["boundaries"] = [{"label": "hopf", "kind": "hopf", "x": [0.2, 1.0], "y": [5.0, 1.0]}]
    words = [text.get_text() for text in dy.plot_phase_diagram(diagram).get_legend().get_texts()]
    assert words == ["Stable", "Unstable", "Hopf"]


def test_given_axes_are_used() -> None:
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1]
    assert plot_phase_diagram(diagram(), ax=ax) is ax


def test_wrong_input_is_told() -> None:
    with pytest.raises(dy.SpecificationError, match="as from phase_diagram"):
        plot_phase_diagram(xr.Dataset({"regime": ("x", [0])}))
    unnamed = diagram()
    unnamed["regime"].attrs |= {"flag_values": [0, 1], "flag_meanings": "stable unstable"}
    with pytest.raises(dy.SpecificationError, match="has the value 2"):
        plot_phase_diagram(unnamed)
    with pytest.raises(dy.SpecificationError, match="2 x and 1 y"):
        plot_phase_diagram(diagram(boundaries=[{"label": "a", "kind": "hopf", "x": [1, 2], "y": [1]}]))
    with pytest.raises(dy.SpecificationError, match="needs 'label'"):
        plot_phase_diagram(diagram(boundaries=[{"label": "a"}]))


def test_what_is_no_decision_has_a_texture_and_a_long_legend_makes_room() -> None:
    from dynamics.analysis.regime_flags import REGIMES

    codes = np.array(list(REGIMES.values()))
    attributes = {"flag_values": codes, "flag_meanings": " ".join(REGIMES)}
    cells = xr.DataArray(np.stack([codes, codes[::-1]]), dims=("b", "a"), attrs=attributes,
                         coords={"a": np.arange(11.0), "b": [0.0, 1.0]})
    ax = plot_phase_diagram(cells.to_dataset(name="regime").assign_attrs(ignored=["noise", "jumps"]))
    legend = ax.get_legend()
    entries = zip(legend.get_texts(), legend.get_patches(), strict=True)
    hatched = {text.get_text() for text, patch in entries if patch.get_hatch()}
    assert hatched == {"Not settled", "Invalid", "No fixed point", "Not run", "Ended by other event"}
    ax.figure.canvas.draw()
    assert legend.get_window_extent().y1 <= ax.figure.bbox.y1
    assert ax.get_window_extent().height > 100
    note = next(text for text in ax.texts if text.get_gid() == "left out")
    assert note.get_bbox_patch().get_facecolor()[:3] == (1.0, 1.0, 1.0)
