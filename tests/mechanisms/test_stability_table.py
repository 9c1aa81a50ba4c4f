"""The page that says which mechanisms stabilise: it is what the script computes, and its numbers are those known before."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

import dynamics as dy

ROOT = Path(__file__).parents[2] / "notebooks"
# computed before the page existed, by Routh-Hurwitz conditions
KNOWN = {"market_depth, propagator": 16.0, "recursive_loops": 16.386, "sentiment": 10.954, "exchange_reserves": 10.902,
         "volatility_targeting": 10.815, "stablecoin_peg, collateralised": 9.267, "performance_fee": 7.383,
         # trace of the 2x2 matrix at rest, by hand
         "news": 10.968}


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(str(ROOT / "mechanism_table.py")))


def on_the_page():
    text = (ROOT / "mechanisms.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row for row in rows}


def test_every_mechanism_is_on_the_page():
    assert {label.split(",")[0] for label in on_the_page()} == set(dy.mechanisms.names())


def test_the_page_has_what_was_known():
    for label, row in on_the_page().items():
        assert float(row[3]) == pytest.approx(KNOWN.get(label, 11.0), abs=6e-4)
        known = KNOWN.get(label, 11.0)
        assert row[4] == ("leaves" if known == 11 else "stabilises" if known > 11 else "destabilises")


@pytest.mark.parametrize("label", sorted(KNOWN))
def test_the_numbers_are_those_of_the_models(script, label):
    """Eigenvalues just below and above what the page says."""
    (row,) = [r for r in script.ROWS if r.label == label]
    composed = script.system(row)
    critical = float(on_the_page()[label][3])
    place = script.rest(row, composed)
    assert script.largest_real_part(composed, place, critical - 1e-3, {}) < 0
    assert script.largest_real_part(composed, place, critical + 1e-3, {}) > 0
    assert re.match(r"[0-9.]+|not determined", on_the_page()[label][1])


@pytest.mark.slow
def test_the_page_is_what_the_script_writes(script):
    assert script.page() == script.PAGE.read_text(encoding="utf-8")
