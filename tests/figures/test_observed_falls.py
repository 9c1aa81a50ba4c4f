"""Observed falls with the thresholds of a few leverages."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.figures.observed_falls import plot_observed_falls

mpl.use("Agg")


@pytest.fixture
def returns() -> xr.Dataset:
    values = np.full(300, 0.01)
    values[[50, 52, 200]] = [-0.4, -0.35, -0.2]
    days = np.datetime64("2020-01-01", "ns") + np.arange(300) * np.timedelta64(1, "D")
    return xr.Dataset({"log_return": ("time", values)}, coords={"time": days})


@pytest.fixture
def comparison(returns: xr.Dataset) -> xr.Dataset:
    return dy.compare_falls(returns, {"leverage": [3.0, 5.0], "instantaneous": [0.36, np.nan], "total_fall": [0.42, 0.19]},
                            bootstrap=50)


def test_bands_reach_from_the_instantaneous_to_the_total_fall(returns: xr.Dataset, comparison: xr.Dataset) -> None:
    ax = plot_observed_falls(returns, comparison)
    heights = sorted(float(line.get_ydata()[0]) for line in ax.lines)  # type: ignore[index]
    assert heights == [0.19, 0.19, 0.36, 0.42]
    assert {"leverage 3", "leverage 5"} <= {text.get_text() for text in ax.texts}


def test_only_falls_are_drawn_and_near_dates_are_named_once(returns: xr.Dataset, comparison: xr.Dataset) -> None:
    ax = plot_observed_falls(returns, comparison, leverages=[3.0], named=2)
    (bars,) = ax.collections
    assert sorted(segment[1][1] for segment in bars.get_segments()) == [0.2, 0.35, 0.4]  # type: ignore[attr-defined]
    dates = {text.get_text() for text in ax.texts} - {"leverage 3"}
    assert dates == {"2020-02-20", "2020-07-19"}


def test_axes_are_reused_and_settings_kept(returns: xr.Dataset, comparison: xr.Dataset) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    _, ax = plt.subplots()
    assert plot_observed_falls(returns, comparison, ax=ax) is ax
    assert dict(mpl.rcParams) == before
    plt.close("all")


def test_other_results_are_refused(returns: xr.Dataset, comparison: xr.Dataset) -> None:
    with pytest.raises(dy.SpecificationError, match="log_return"):
        plot_observed_falls(comparison, comparison)
    with pytest.raises(dy.SpecificationError, match="compare_falls"):
        plot_observed_falls(returns, returns)
