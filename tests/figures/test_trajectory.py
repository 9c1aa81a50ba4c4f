"""Trajectories: the lines are the data, definitions are the model's formulas, events stand at their times."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.figures import plot_trajectory


@pytest.fixture(scope="module")
def run() -> xr.Dataset:
    system = dy.models.load("deleveraging")
    return dy.integrate(system, 10, dy.apply_shock(system, system.initial_state(), "price", 0.173))


def test_lines_are_the_data_and_labels_have_units(run: xr.Dataset) -> None:
    axes = plot_trajectory(run)
    names = ["price_gap", "equity_ratio", "liquidation_flow", "leverage", "price"]
    for ax, name in zip(axes, names, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), run["time"].values)
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), run[name].values)
    assert "(1/day)" in axes[2].get_ylabel()
    assert axes[-1].get_xlabel() == "Time (day)"


def test_definitions_are_evaluated_at_the_parameters_of_the_run() -> None:
    system = dy.models.load("deleveraging").with_parameters(target_leverage=8, adjustment=0.25)
    run = dy.integrate(system, 3, dy.apply_shock(system, {"equity_ratio": 0.125}, "price", 0.09))
    flow, calls = plot_trajectory(run, ["voluntary_flow", "margin_call_rate"])
    u = run["equity_ratio"].values
    np.testing.assert_allclose(flow.lines[0].get_ydata(), 0.25 * (8 * u - 1), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(calls.lines[0].get_ydata(), 20 * np.maximum(0, 1 - u / 0.05), rtol=1e-12, atol=1e-15)
    assert "(1/day)" in flow.get_ylabel()


def test_events_are_marked_once_where_they_happened_and_named(run: xr.Dataset) -> None:
    ax = plot_trajectory(run, ["price"])[0]
    (lines,) = ax.collections
    assert lines.get_label() == "Margin call end"
    assert [segment[0, 0] for segment in lines.get_segments()] == [pytest.approx(float(run["event_time"][0]))]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Margin call end"]


def test_given_axes_are_used(run: xr.Dataset) -> None:
    import matplotlib.pyplot as plt

    _, given = plt.subplots(2)
    assert list(plot_trajectory(run, ["price", "leverage"], axes=given)) == list(given)


def test_indexed_states_are_one_panel_of_several_lines() -> None:
    values = np.arange(6.0).reshape(2, 3)
    run = xr.Dataset({"equity": (("bank", "time"), values, {"units": "USD", "long_name": "equity"})},
                     coords={"time": ("time", [0.0, 1.0, 2.0], {"units": "day", "long_name": "time"})})
    (ax,) = plot_trajectory(run)
    assert [line.get_ydata().tolist() for line in ax.lines] == values.tolist()
    assert ax.get_ylabel() == "Equity (USD)"


def test_wrong_input_is_told(run: xr.Dataset) -> None:
    with pytest.raises(dy.SpecificationError, match="Did you mean 'voluntary_flow'"):
        plot_trajectory(run, ["voluntry_flow"])
    with pytest.raises(dy.SpecificationError, match="needs a trajectory"):
        plot_trajectory(xr.Dataset({"a": ("b", [1.0])}))
    with pytest.raises(dy.SpecificationError, match="axes must be 2"):
        plot_trajectory(run, ["price", "leverage"], axes=[None])
