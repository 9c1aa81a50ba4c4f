"""Log returns: across gaps there are none."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
import xarray as xr

from dynamics.data import log_returns
from dynamics.errors import DataError, SpecificationError


def prices(dates: list[str], values: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {"close": ("time", values)}, coords={"time": np.array(dates, dtype="datetime64[ns]")}, attrs={"sample": "x"}
    )


BARS = prices(["2020-01-01", "2020-01-02", "2020-01-04", "2020-01-05"], [1.0, np.e, 5.0, 5.0])


def test_a_return_belongs_to_the_end_of_its_period_and_gaps_have_none() -> None:
    returns = log_returns(BARS)
    np.testing.assert_allclose(returns["log_return"], [1.0, 0.0], atol=1e-15)
    assert [str(day)[:10] for day in returns["time"].values] == ["2020-01-02", "2020-01-05"]
    assert returns.attrs["excluded"] == ["2020-01-02T00:00:00 to 2020-01-04T00:00:00 (2 days): 0.6094"]
    assert (returns.attrs["spacing_seconds"], returns.attrs["sample"]) == (86400.0, "x")


def test_the_spacing_can_be_named() -> None:
    two_days = log_returns(BARS, spacing=timedelta(days=2))
    np.testing.assert_allclose(two_days["log_return"], [np.log(5.0) - 1.0])
    xr.testing.assert_identical(two_days, log_returns(BARS, spacing=2 * 86400))
    xr.testing.assert_identical(two_days, log_returns(BARS, spacing=np.timedelta64(48, "h")))
    assert log_returns(BARS, tolerance=float("inf")).sizes["time"] == 3
    with pytest.raises(DataError, match="no step is 1 hour long; the median step is 1 day"):
        log_returns(BARS, spacing=3600)


def test_what_is_not_a_price_series_is_refused() -> None:
    with pytest.raises(DataError, match="no variable 'close'"):
        log_returns(BARS.rename(close="price"))
    with pytest.raises(DataError, match="two prices"):
        log_returns(BARS.isel(time=[0]))
    with pytest.raises(DataError, match="must increase"):
        log_returns(BARS.isel(time=[1, 0]))
    with pytest.raises(DataError, match="positive and finite"):
        log_returns(BARS * 0.0)
    with pytest.raises(DataError, match="must be dates"):
        log_returns(BARS.assign_coords(time=[0, 1, 2, 3]))
    for spacing in (-1, "day", float("nan")):
        with pytest.raises(SpecificationError, match="spacing must be"):
            log_returns(BARS, spacing=spacing)
