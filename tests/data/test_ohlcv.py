"""The reader of price bars: what it reads, what it refuses (with the place), and what it repairs on request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import dynamics.data as data
from dynamics.data import table as table_module
from dynamics.errors import DataError, SpecificationError

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes) -> Path:
        file = tmp_path / "bars.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write_file


def test_reads_bars_with_units_and_the_hash_of_the_file(write: Write) -> None:
    text = "\ufeffDate,Open,HIGH,low,Close,Volume,Adj Close\n2020-01-01,1,3,0.5,2,10,9\n2020-01-02,2,4,2,3,0,9\n\n"
    bars = data.read(write(text), currency="USD")
    assert list(bars.data_vars) == ["open", "high", "low", "close", "volume"]
    assert bars["time"].dtype == "datetime64[ns]"
    np.testing.assert_array_equal(bars["time"], np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]"))
    np.testing.assert_array_equal(bars["high"], [3.0, 4.0])
    assert (bars["close"].attrs["units"], bars["volume"].attrs["units"]) == ("USD", "1")
    assert bars.attrs["source_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert bars.attrs["source_file"] == "bars.csv"
    assert (bars.attrs["frequency"], bars.attrs["rows"], bars.attrs["spacing_seconds"]) == ("1 day", 2, 86400.0)
    assert bars.attrs["ignored_columns"] == ["adj close"]
    assert bars.attrs["repairs"] == bars.attrs["gaps"] == []


@pytest.mark.parametrize(
    ("stamp", "form"),
    [
        ("2020-03-12", "ISO 8601 without offset, read as UTC"),
        ("2020-03-12T00:00:00Z", "ISO 8601 with offset +00:00"),
        ("2020-03-12 01:30:00.000000000+0130", "ISO 8601 with offset +01:30"),
        ("1583971200", "epoch seconds"),
        ("1583971200000", "epoch milliseconds"),
        ("1583971200000000", "epoch microseconds"),
        ("1583971200000000000", "epoch nanoseconds"),
    ],
)
def test_every_way_to_write_a_moment_gives_the_same_moment(write: Write, stamp: str, form: str) -> None:
    bars = data.read(write(f"timestamp,close\n{stamp},1\n"))
    assert bars["time"].values[0] == np.datetime64("2020-03-12T00:00:00", "ns")
    assert bars.attrs["time_format"] == form


def test_a_time_zone_places_stamps_without_offset(write: Write) -> None:
    bars = data.read(write("time,close\n2021-07-01 12:00,1\n2021-12-01 12:00,1\n"), time_zone="Europe/London")
    hours = bars["time"].values.astype("datetime64[h]").astype(int) % 24
    assert hours.tolist() == [11, 12]
    with pytest.raises(DataError, match=r"line 2, column 'time': .*clock change"):
        data.read(write("time,close\n2021-10-31 01:30,1\n"), time_zone="Europe/London")
    with pytest.raises(DataError, match="leave out time_zone"):
        data.read(write("time,close\n1583971200,1\n"), time_zone="Europe/London")
    with pytest.raises(SpecificationError, match="no time zone 'Mars'"):
        data.read(write("time,close\n2021-10-31,1\n"), time_zone="Mars")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the file is empty"),
        ("\n\n", "line 1 has no header"),
        ("Date,Close\n", "no row has values"),
        ("Date,Open\n2020-01-01,1\n", "line 1: no column 'close'"),
        ("Day,Close\n2020-01-01,1\n", "line 1: no time column"),
        ("Date,Time,Close\n2020-01-01,12:00,1\n", "more than one time column: date, time"),
        ("Date,Close,close\n2020-01-01,1,1\n", "line 1, column 'close': the header names this column twice"),
        ("2020,1,2\n2021,1,2\n", "must be a header"),
        ("Date;Close\n2020-01-01;1\n", "separate the cells by commas"),
        ("Date,Close\n2020-01-01\n", "line 2: 1 cells where the header has 2"),
        ("Date,Close\n01/02/2020,1\n", "line 2, column 'date': '01/02/2020' is not a date"),
        ("Date,Close\n2020-02-30,1\n", "line 2, column 'date': '2020-02-30' is not a moment"),
        ("Date,Close\n20200101,1\n", "line 2, column 'date': '20200101' is neither"),
        ("Date,Close\n1500-01-01,1\n", "outside the years"),
        ("Date,Close\n2020-01-01,abc\n", "line 2, column 'close': 'abc' is not a number"),
        ('Date,Close\n2020-01-01,"1,000"\n', "line 2, column 'close': '1,000' is not a number"),
        ("Date,Close\n2020-01-01,1_000\n", "'1_000' is not a number"),
        ("Date,Close\n2020-01-01,inf\n", "'inf' is not a number"),
        ("Date,Close\n2020-01-01,1e999\n", "too large"),
        ("Date,Close\n2020-01-01,0\n", "line 2, column 'close': the price 0 is not positive"),
        ("Date,Close\n2020-01-01,-1\n", "the price -1 is not positive"),
        ("Date,Close,Volume\n2020-01-01,1,-5\n", "line 2, column 'volume': the volume -5 is negative"),
        ("Date,Close,Volume\n2020-01-01,1,nan\n", "line 2, column 'volume': the cell is empty"),
        ("Date,Close\n2020-01-01,1\n2020-01-02,nan\n", "line 3: the row has no values"),
        ("Date,High,Low,Close\n2020-01-01,1,2,1.5\n", "line 2, column 'high': high 1.0 lies below low 2.0"),
        ("Date,High,Low,Close\n2020-01-01,2,1,3\n", "line 2, column 'close': close 3.0 lies above high 2.0"),
        ("Date,Close\n2020-01-02,1\n2020-01-02,1\n", "line 3, column 'date': the same time as line 2"),
        ("Date,Close\n2020-01-02,1\n2020-01-01,1\n", "line 3, column 'date': earlier than the line before"),
        ("Date,Close\n2020-01-02,1\n1583971200,1\n", "line 3, column 'date': 'epoch seconds' where line 2 has"),
        ("Date,Close\n2020-01-02,1\n2020-01-03T00:00Z,1\n", "line 3, column 'date': 'offset' where line 2 has"),
        ("Date,Close\n2020-01-02 00:00+00:00,1\n2020-01-03 00:00+01:00,1\n", "line 3, .*the offset from UTC changes"),
        ('Date,Close\n"2020-01-02,1\n', "not comma-separated text"),
    ],
)
def test_a_fault_is_refused_with_its_place(write: Write, text: str, place: str) -> None:
    with pytest.raises(DataError, match=place) as raised:
        data.read(write(text))
    assert str(raised.value).startswith("bars.csv: ")


def test_binary_and_huge_and_absent_files_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="binary"):
        data.read(write("Date,Close\n2020-01-01,1\n".encode("utf-16")))
    with pytest.raises(DataError, match="byte 2 is not UTF-8"):
        data.read(write(b"ab\xff"))
    with pytest.raises(DataError, match="no such file"):
        data.read(Path("absent.csv"))
    with pytest.raises(DataError, match="is not a file"):
        data.read(Path.cwd())
    monkeypatch.setattr(table_module, "LARGEST_FILE", 10)
    with pytest.raises(DataError, match="MiB"):
        data.read(write("Date,Close\n2020-01-01,1\n"))


def test_all_faults_are_counted_and_the_first_ten_listed(write: Write) -> None:
    rows = "".join(f"2020-01-{day:02d},0\n" for day in range(1, 16))
    with pytest.raises(DataError) as raised:
        data.read(write("Date,Close\n" + rows))
    message = str(raised.value)
    assert message.startswith("bars.csv: 15 faults, the first 10 of them:")
    assert re.findall(r"line (\d+)", message) == [str(line) for line in range(2, 12)]


def test_repairs_are_made_only_by_name_and_listed(write: Write) -> None:
    file = write(
        "Time,Close\n2020-01-02 00:00+00:00,2\n2020-01-01 00:00+00:00,1\nnull,null\n"
        "2020-01-02 01:00+01:00,3\n2020-01-05 00:00+00:00,4\n"
    )
    everything = ("sort", "drop_duplicates", "drop_empty_rows", "utc")
    for absent in everything:
        with pytest.raises(DataError, match=f"repair=\\('{absent}',\\)"):
            data.read(file, repair=[name for name in everything if name != absent])
    bars = data.read(file, repair=everything)
    assert bars["close"].values.tolist() == [1.0, 3.0, 4.0]
    assert bars.attrs["repairs"] == [
        "drop_empty_rows: 1 row left out (line 4)",
        "utc: stamps put in UTC (offset +00:00 in 3 rows, +01:00 in 1 row)",
        "sort: sorted by time, which went back at line 3",
        "drop_duplicates: 1 row left out, the latest in the file with the same time kept (line 2)",
    ]
    with pytest.raises(SpecificationError, match="Did you mean 'sort'"):
        data.read(file, repair=("sorted",))


def test_gaps_are_allowed_and_listed(write: Write) -> None:
    bars = data.read(write("Date,Close\n2020-01-01,1\n2020-01-02,1\n2020-01-03,1\n2020-01-06,1\n"))
    assert bars.attrs["gaps"] == ["2020-01-03T00:00:00 to 2020-01-06T00:00:00: 2 missing"]


def test_names_and_options_are_checked() -> None:
    assert "ohlcv" in data.names()
    with pytest.raises(SpecificationError, match="Did you mean 'ohlcv'"):
        data.read("bars.csv", layout="ohlc")
    with pytest.raises(SpecificationError, match=r"no option 'timezone'.*Did you mean 'time_zone'"):
        data.read("bars.csv", timezone="UTC")


cells = st.sampled_from(
    ["", "null", "1", "-1", "1e400", "nan", "2020-01-01", "2020-01-01 00:00+23:59", "9999-12-31", "1583971200",
     "0001-01-01 00:00+14:00", "99999999999999999999", '"', "a,b", "\x1f", "é", "2020-01-01T24:00"]
)  # fmt: skip
tables = st.lists(st.lists(cells, min_size=2, max_size=3).map(",".join), max_size=6).map(
    lambda rows: ("Date,Close\n" + "\n".join(rows)).encode()
)


@given(st.one_of(st.binary(max_size=200), tables, st.text(max_size=80).map(lambda t: ("time,close\n" + t).encode(
    errors="surrogatepass"))))
@example(b"time,close\r\x00")
@example(b"time,close\n" + b"1" * 200_000 + b",1\n")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_of_a_file_raises_anything_but_a_data_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bars.csv"
    file.write_bytes(content)
    bars, message = None, ""
    try:
        bars = data.read(file, repair=("sort", "drop_duplicates", "drop_empty_rows", "utc"))
    except DataError as error:
        message = str(error)
    if bars is None:
        assert "bars.csv" in message
        assert len(message) < 5000
    else:
        assert np.all(np.diff(bars["time"].values.astype(np.int64)) > 0)
        assert np.all(np.isfinite(bars["close"]) & (bars["close"] > 0))
