r"""Solvency stress tests with fire sales: two equilibria in a published example, and 51 European banks in 2016.

Read were the abstract and the authors' public package ``syslosseval`` 1.0.0 with its vignette; the published tables were
not available. In the package's example of three banks the equilibria and all thresholds of :math:`\bar\lambda` have closed
forms.

For the EBA stress test of 2016 (a user's files) every number is computed in up to three ways. *As in the package*: its
impact table is sorted by name (..., JP, Rest_of_the_world, US) while the amounts sold are ordered ..., JP, US,
Rest_of_the_world, and the two are put together by position, so these two classes exchange volatility and volume; the
vignette's number of iterations comes out in this way only. *Aligned*: with the columns in their places. *Corrected*:
aligned, and loan losses counted once; the package deducts the row Total and the rows of the countries from equity, but the
row Total alone from loans.
"""

from __future__ import annotations

import math
from typing import Any

from dynamics.papers import Claim, Computation, Paper, PaperFigure, Reference
from dynamics.papers.breuer_summer_urosevic_2023.figures import (
    discount_against_impact,
    draw_discount_against_impact,
    draw_hysteresis,
    hysteresis,
)
from dynamics.papers.breuer_summer_urosevic_2023.stress_test import (
    BANKS,
    CLASSES,
    DISCOUNTS,
    LEVERAGE,
    SELLERS,
    VOLATILITY,
    VOLUME,
    above_the_limit,
    balance_sheets_2016,
    example,
    example_thresholds,
    fire_sales,
)

__all__ = ["paper"]

FILES = "EBA 2016: eba_2016/exposures.csv.gz, impairments.csv.gz, average_daily_volume_sovereign.csv.gz, " \
        "sovereign_bond_indices.csv.gz"
# discounts of the example where bank 1 sells, and where all sell
LOWER, UPPER = math.sqrt(2.2e-5*145), math.sqrt(2.2e-5*880)


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="breuer_summer_urosevic_2023",
        reference=Reference("T. Breuer, M. Summer, B. Urosevic", 2023, "Bank solvency stress tests with fire sales",
                            "Journal of Financial Stability 67", "10.1016/j.jfs.2023.101161"),
        models=("fire_sale_equilibrium",),
        computations=(
            Computation(example, (
                *(_derived(f"leverage_{i + 1}", value, 5e-7, f"leverage of bank {i + 1} before sales")
                  for i, value in enumerate((46.964286, 21.0, 22.923077))),
                _derived("lower_discount", 0.056480085, 1e-9, "discount in the lower equilibrium: bank 1 sells"),
                _derived("upper_discount", 0.139140217, 1e-9, "discount in the upper equilibrium: all sell"),
                _derived("lower_iterations", 2, 0, "rounds from no discount to the lower equilibrium"),
                _derived("upper_iterations", 0, 0, "rounds from the largest discount to the upper equilibrium"),
                *(_derived(f"{side}_sold_{bank}", share, 1e-9, f"share that bank {bank} sells in the {side} equilibrium")
                  for side, shares in (("lower", (1, 0, 0)), ("upper", (1, 1, 1)))
                  for bank, share in enumerate(shares, 1)),
                Claim("multiple_equilibria", True, location="data example_multiple_equilibria of the authors' package",
                      evidence="code", statement="the example has more than one equilibrium"),
            )),
            Computation(example_thresholds, (
                _derived("no_sale_from", 46.964286, 5e-7, "limit above which no sale is an equilibrium"),
                _derived("all_sell_to", 51.165334, 5e-7, "limit up to which the sale of everything is an equilibrium"),
                _derived("collapse_below", 30.652921, 5e-7, "limit below which the lower equilibrium is lost"),
                _derived("no_sale_from_exact", 1315/28, 1e-9, "the first, all digits: the leverage of bank 1"),
                _derived("all_sell_to_exact", 1190/(65 - 300*UPPER), 1e-9, "the second, all digits: 1190/(65 - 300 delta)"),
                _derived("collapse_below_exact", (1490 - 300*LOWER)/(65 - 300*LOWER), 1e-9,
                         "the third, all digits: the leverage of bank 3 in the lower equilibrium"),
                _derived("upper_discount_at_53", 0.05648008, 5.1e-9, "discount in the greatest equilibrium at the limit 53"),
            )),
            Computation(balance_sheets_2016, (
                _earlier("banks", 51, 0, "number of banks"), _earlier("equity", 1238478.6, 0.05, "CET1 capital", "1e6 EUR"),
                _earlier("assets", 27010718, 0.5, "assets, with the residual that the package adds", "1e6 EUR"),
                _earlier("bonds", 1972811.6, 0.05, "government bonds", "1e6 EUR"),
                *(_earlier(f"volatility_{c.lower()}", v, 5.1e-7, f"daily volatility 2015, {c}")
                  for c, v in zip(CLASSES, VOLATILITY, strict=True)),
                *(_earlier(f"volume_{c.lower()}", v, 0.051, f"average daily volume 2015, {c}", "1e6 EUR/day")
                  for c, v in zip(CLASSES, VOLUME, strict=True)),
                _earlier("losses_counted_twice", 199887.8, 0.05, "loan losses in year 1 as the package sums them",
                         "1e6 EUR"),
                _earlier("losses_counted_once", 107980.3, 0.05, "loan losses in year 1, row Total alone", "1e6 EUR"),
            ), data=FILES),
            Computation(above_the_limit, (
                *(_vignette(f"above_{year}", value, f"banks with a leverage of 33 or more after {year} years of stress")
                  for year, value in enumerate((1, 7, 8, 7))),
                _vignette("names_above", True, "seven banks that the vignette names, all three years; BNP joins in year 2"),
                *(_earlier(f"leverage_{n}", v, 0.005, f"leverage in year 1: {BANKS[n]}") for n, v in LEVERAGE.items()),
                *(_earlier(f"corrected_above_{year}", value, 0, f"banks above 33 in year {year}, losses counted once")
                  for year, value in ((1, 3), (2, 2), (3, 2))),
                _earlier("corrected_names", True, 0, "losses counted once: BNG, Deutsche, SocGen; then BNG and SocGen"),
            ), data=FILES),
            Computation(fire_sales, (
                _vignette("lower_rounds_package", 10, "iterations from below, year 1, kappa 1.5"),
                _vignette("upper_rounds_package", 9, "iterations from above, year 1, kappa 1.5"),
                _earlier("lower_rounds_aligned", 10, 0, "the same from below with aligned columns"),
                _earlier("upper_rounds_aligned", 10, 0, "the same from above with aligned columns"),
                _vignette("further_sellers", 2, "banks that sell at kappa 5 although they were below 33 before"),
                _vignette("further_names", True, "these are Banco Popolare and BNP"),
                _earlier("full_sellers", True, 0, "BNG, Lloyds, Deutsche, MPS and SocGen sell everything"),
                *(_earlier(f"sold_{n}", v, 5.1e-4, f"share sold at kappa 5: {BANKS[n]}") for n, v in SELLERS.items()),
                _earlier("sellers_package", 9, 0, "banks that sell at kappa 5, as in the package"),
                _earlier("sellers_aligned", 10, 0, "banks that sell at kappa 5 with aligned columns"),
                *(_earlier(f"{variant}_{10*kappa:g}_{c.lower()}", v, 5.1e-6 if variant == "package" else 5.1e-7,
                           f"discount of {c}, {variant}, kappa {kappa}, year 1")
                  for (variant, kappa), (values, _) in DISCOUNTS.items() for c, v in zip(CLASSES, values, strict=True)),
                *(_earlier(f"{variant}_{10*kappa:g}_loss", loss, 0.06, f"loss in value, {variant}, kappa {kappa}, year 1",
                           "1e6 EUR") for (variant, kappa), (_, loss) in DISCOUNTS.items()),
                _earlier("package_50_loss_year_2", 38873.8, 0.06, "the same, package, kappa 5, year 2", "1e6 EUR"),
                _earlier("package_50_loss_year_3", 35789.6, 0.06, "the same, package, kappa 5, year 3", "1e6 EUR"),
                *(_earlier(f"corrected_50_loss_year_{year}", loss, 0.06, f"the same, corrected, kappa 5, year {year}",
                           "1e6 EUR") for year, loss in ((1, 26005.0), (2, 20799.5), (3, 19775.3))),
                _earlier("all_unique", True, 0, "every one of these equilibria is unique"),
            ), data=FILES),
        ),
        figures=(
            PaperFigure("hysteresis", hysteresis, draw_hysteresis,
                        "The example of the authors' package. Least and greatest equilibrium against the leverage limit,"
                        " with the way of a limit that falls (orange) and rises again (blue); dashed, the unstable"
                        " equilibria between them. Dotted lines: the closed forms of the thresholds.", size=(5.6, 3.4)),
            PaperFigure("discount_against_impact", discount_against_impact, draw_discount_against_impact,
                        "Discounts in equilibrium against the constant of the impact: the eight classes of the 51 banks of"
                        " 2016, aligned columns, where the files are given, and the example of three banks where they are"
                        " not.", size=(5.6, 3.4)),
        ),
    )


def _derived(name: str, value: Any, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "closed form", evidence="derived", statement=statement)


def _earlier(name: str, value: Any, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "our earlier run on the same files", unit, "earlier", statement=statement)


def _vignette(name: str, value: Any, statement: str) -> Claim:
    return Claim(name, value, location="vignette EBA_2016_stress_test of the authors' package", evidence="code",
                 statement=statement)
