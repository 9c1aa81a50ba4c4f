"""Numbers and tables of the report."""

from __future__ import annotations

import math

import pytest
from scipy.integrate import quad
from sympy import Symbol

from dynamics.report.market import briefly
from dynamics.report.shocks import close_out_shortfall, first_margin_call
from dynamics.report.tables import Column, Formula, Table, number


@pytest.mark.parametrize(("value", "digits", "written"), [
    (0.17356, 4, "0.1736"), (-0.46473, 4, "−0.4647"), (1376.3027652, 4, "1376"), (0.00004, 2, "4.0 × 10⁻⁵"),
    (123456789.0, 3, "1.23 × 10⁸"), (20, 4, "20"), (math.inf, 4, "∞"), (None, 4, "–"), (2.5, 0, "2.5"),
])
def test_numbers_for_readers(value: float | None, digits: int, written: str) -> None:
    assert number(value, digits) == written


def test_texts_in_cells_are_escaped_and_formulas_are_not() -> None:
    table = Table("t", "T", (Column("a", "a"), Column("b", "b"), Column("c", "c", where="files")),
                  (("<script>", Formula(Symbol("eta"), {}), 1.0),))
    (text, formula), = table.html_rows()
    assert text == ("text", "&lt;script&gt;")
    assert formula[1].startswith("<math ")
    assert table.csv == "a,b,c\n<script>,eta,1.0\n"


@pytest.mark.parametrize(("impact", "holdings"), [(0.3, 1.0), (0.3, 0.25), (2.0, 0.7), (1e-9, 1.0)])
def test_close_out_shortfall_is_the_integral_over_sales(impact: float, holdings: float) -> None:
    proceeds, _ = quad(lambda sold: math.exp(-impact * sold), 0, holdings, epsabs=1e-14)
    assert close_out_shortfall(impact, holdings) == pytest.approx(1 - proceeds / holdings, abs=1e-7)


def test_first_margin_call_takes_the_equity_ratio_to_the_margin() -> None:
    shock = first_margin_call(8.0, 0.05)
    assert 1 - (1 - 1 / 8) * math.exp(shock) == pytest.approx(0.05, rel=1e-12)
    assert math.isnan(first_margin_call(25.0, 0.05))


def test_long_lists_of_days_are_shortened() -> None:
    days = "2020-03-12 (0.4647), 2021-05-19 (0.1481), 2021-05-12 (0.1430)"
    assert briefly(days, 3, 2) == "2020-03-12, 2021-05-19 and 1 more"
