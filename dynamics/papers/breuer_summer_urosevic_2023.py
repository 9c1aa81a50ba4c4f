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

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.monotone_maps import extremal_fixed_points
from dynamics.analysis.orbits import iterate
from dynamics.errors import DataError
from dynamics.papers import Claim, Computation, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

FILES = "EBA 2016: eba_2016/exposures.csv.gz, impairments.csv.gz, average_daily_volume_sovereign.csv.gz, " \
        "sovereign_bond_indices.csv.gz"
CLASSES = ("DE", "ES", "FR", "GB", "IT", "JP", "US", "Rest_of_the_world")
LIMIT = 33.0
VOLATILITY = (0.002894, 0.003189, 0.003115, 0.004839, 0.003400, 0.001181, 0.002039, 0.003710)
VOLUME = (18710.3, 10351.4, 9000.0, 35945.2, 4591.3, 43699.2, 441441.4, 82834.6)
# what is found in the name of one bank of the files alone
BANKS = {"bng": "N.V. Bank Nederlandse", "mps": "Monte dei Paschi", "societe_generale": "Société Générale",
         "deutsche": "Deutsche Bank", "lloyds": "Lloyds", "barclays": "Barclays", "banque_postale": "La Banque Postale",
         "bnp": "BNP", "banco_popolare": "Banco Popolare"}
LEVERAGE = {"bng": 48.43, "mps": 38.79, "societe_generale": 37.99, "deutsche": 35.76, "lloyds": 34.38, "barclays": 33.16,
            "banque_postale": 33.07}
SELLERS = {"banque_postale": 0.898, "barclays": 0.747, "bnp": 0.377, "banco_popolare": 0.026}
DISCOUNTS = {
    ("package", 1.5): ((0.00492, 0.00064, 0.00688, 0.01061, 0.01169, 0.00049, 0.00434, 0.00132), 8503.7),
    ("package", 5): ((0.01925, 0.00213, 0.03274, 0.04164, 0.04376, 0.00233, 0.01692, 0.00547), 34111.0),
    ("aligned", 1.5): ((0.004965, 0.000640, 0.007035, 0.010649, 0.011752, 0.000507, 0.001041, 0.005618), 11373.0),
    ("aligned", 5): ((0.024025, 0.002135, 0.035713, 0.043748, 0.072520, 0.002699, 0.004376, 0.028114), 57183.8),
}


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
                Claim("multiple_equilibria", True, location="data example_multiple_equilibria of the authors' package",
                      evidence="code", statement="the example has more than one equilibrium"),
            )),
            Computation(example_thresholds, (
                _derived("no_sale_from", 46.964286, 5e-7, "limit above which no sale is an equilibrium"),
                _derived("all_sell_to", 51.165334, 5e-7, "limit up to which the sale of everything is an equilibrium"),
                _derived("collapse_below", 30.652921, 5e-7, "limit below which the lower equilibrium is lost"),
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


def _extremes(banks: Any, limit: float | None = None, tolerance: float = 1e-9) -> xr.Dataset:
    """Least and greatest equilibrium, started where the authors start."""
    if limit is not None:
        banks = banks.with_parameters(leverage_limit=limit)
    values = banks.parameter_values
    largest = values["impact"]*np.array(values["volatility"])*np.sqrt(
        np.sum(values["holding"], axis=0)/np.array(values["volume"]))
    return extremal_fixed_points(banks, {"discount": 0}, {"discount": largest}, tolerance=tolerance)


def example(context: Context) -> dict[str, Any]:
    """Both equilibria of the example."""
    banks = models.load("fire_sale_equilibrium")
    both = _extremes(banks)
    leverage = iterate(banks, 0)["leverage"].isel(time=0).values
    return {f"leverage_{i + 1}": float(value) for i, value in enumerate(leverage)} | {
        "lower_discount": float(both["discount"][0, 0]), "upper_discount": float(both["discount"][0, 1]),
        "lower_iterations": int(both["iterations"][0]), "upper_iterations": int(both["iterations"][1]),
        "multiple_equilibria": not both.attrs["unique"]}


def example_thresholds(context: Context) -> dict[str, Any]:
    """Leverage limits at which an equilibrium appears or is lost, by bisection."""
    banks = models.load("fire_sale_equilibrium")

    def discount(limit: float, side: int) -> float:
        return float(_extremes(banks, limit, 1e-13)["discount"][0, side])

    return {"no_sale_from": _border(lambda limit: discount(limit, 0) == 0, 46, 48),
            "all_sell_to": _border(lambda limit: discount(limit, 1) < 0.1, 50, 52),
            "collapse_below": _border(lambda limit: discount(limit, 0) < 0.1, 30, 32)}


def _border(is_above: Any, low: float, high: float, width: float = 1e-8) -> float:
    """Where a statement about the limit becomes true."""
    while high - low > width:
        middle = (low + high)/2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return (low + high)/2


def _files(context: Context) -> tuple[Any, Any]:
    """Exposures and impairment rates."""
    from dynamics.data import eba_2016_exposures, eba_2016_impairments

    return (eba_2016_exposures.read(context.file("eba_2016/exposures.csv.gz")),
            eba_2016_impairments.read(context.file("eba_2016/impairments.csv.gz"))["impairment_rate"])


def _loans(files: Any, year: int) -> dict[str, Any]:
    """Balance sheets after ``year`` years of the adverse scenario; losses as the package counts them, and once."""
    exposures, rates = files
    credit = [c for c in exposures["class"].values if c not in ("Total assets", "Common tier1 equity capital")]
    loans = exposures["loans"].sel({"class": credit})
    rate = rates.sel(period=f"{2015 + max(year, 1)}12", scenario="Adverse scenario").reindex_like(loans)
    loss = loans*rate if year else 0*loans
    once = loss.sel(country="Total")
    total = exposures.sel(country="Total")
    government = exposures["bonds"].sel({"class": "Central banks and central governments"}).fillna(0)
    named = government.sel(country=list(CLASSES[:-1]))
    rest = government.sel(country="Total") - named.sum("country")
    amount = total["amount"].sel({"class": credit}).sum("class")
    residual = (total["amount"].sel({"class": "Total assets"}) - amount).clip(min=0)
    own = total["amount"].sel({"class": "Common tier1 equity capital"})
    return {"names": [str(n) for n in exposures["bank_name"].values],
            "holdings": np.column_stack([named.transpose("bank", "country").values, rest.values]),
            "other": (loans.sel(country="Total") - once.fillna(0)).sum("class").values + residual.values,
            "twice": (own - loss.sum(["class", "country"])).clip(min=0).values,
            "once": (own - once.sum("class")).clip(min=0).values, "capital": own.values,
            "losses": (float(loss.sum()), float(once.sum()))}


def _market(context: Context) -> tuple[Any, Any]:
    """Daily volatilities of 2015 over the days on which every class has a quote and a next one, and volumes."""
    from dynamics.data import sovereign_bond_indices, sovereign_bond_volumes

    index = sovereign_bond_indices.read(context.file("eba_2016/sovereign_bond_indices.csv.gz"))["index"].sel(time="2015")
    returns = []
    for name in CLASSES:
        quotes = index.sel(country=name).dropna("time")
        # stamped with the first of the two days, as the package does
        change = quotes.copy(data=np.log(quotes.shift(time=-1).values/quotes.values))
        returns.append(change.reindex(time=index["time"]).values)
    table = np.array(returns)
    volumes = sovereign_bond_volumes.read(context.file("eba_2016/average_daily_volume_sovereign.csv.gz"))["volume"]
    return (table[:, ~np.isnan(table).any(axis=0)].std(axis=1, ddof=1),
            volumes.sel(year=2015, country=list(CLASSES)).values)


def _system(files: Any, market: Any, variant: str, year: int = 1) -> tuple[Any, list[str]]:
    """The model for a variant: as in the package, with aligned columns, or corrected."""
    sheets, (volatility, volume) = _loans(files, year), market
    order = [0, 1, 2, 3, 4, 5, 7, 6] if variant == "package" else list(range(8))
    banks = models.load(
        "fire_sale_equilibrium", holdings=sheets["holdings"].tolist(), other_assets=sheets["other"].tolist(),
        equity=sheets["once" if variant == "corrected" else "twice"].tolist(), volatility=volatility[order].tolist(),
        volume=volume[order].tolist())
    return banks.with_parameters(leverage_limit=LIMIT), sheets["names"]


def balance_sheets_2016(context: Context) -> dict[str, Any]:
    """Totals of the files, volatilities and volumes."""
    files, (volatility, volume) = _files(context), _market(context)
    before, sheets = _loans(files, 0), _loans(files, 1)
    return {"banks": len(sheets["names"]), "equity": float(sheets["capital"].sum()),
            "bonds": float(sheets["holdings"].sum()), "assets": float(before["other"].sum() + before["holdings"].sum()),
            "losses_counted_twice": sheets["losses"][0], "losses_counted_once": sheets["losses"][1]} | {
        f"volatility_{c.lower()}": float(v) for c, v in zip(CLASSES, volatility, strict=True)} | {
        f"volume_{c.lower()}": float(v) for c, v in zip(CLASSES, volume, strict=True)}


def above_the_limit(context: Context) -> dict[str, Any]:
    """Banks whose leverage exceeds the limit after the credit losses alone."""
    files = _files(context)
    years = [_loans(files, year) for year in range(4)]
    leverage = {kind: [dict(zip(s["names"], (s["holdings"].sum(axis=1) + s["other"])/s[kind], strict=True)) for s in years]
                for kind in ("twice", "once")}
    above, once = ([{n for n, v in sheet.items() if v >= LIMIT} for sheet in leverage[kind]] for kind in ("twice", "once"))
    first = leverage["twice"][1]
    return {f"above_{year}": len(names) for year, names in enumerate(above)} | {
        f"corrected_above_{year}": len(once[year]) for year in (1, 2, 3)} | {
        f"leverage_{n}": first[_named(first, n).pop()] for n in LEVERAGE} | {
        "names_above": above[1] == _named(first, *LEVERAGE) == above[3] and above[2] - above[1] == _named(first, "bnp"),
        "corrected_names": once[1] == _named(first, "bng", "deutsche", "societe_generale")
        and once[2] == once[3] == _named(first, "bng", "societe_generale")}


def _named(names: Any, *short: str) -> set[str]:
    """Full names of banks; each must occur once."""
    found = [[n for n in names if BANKS[one] in n] for one in short]
    if any(len(fits) != 1 for fits in found):
        raise DataError(f"exposures.csv.gz: one bank each with {', '.join(BANKS[n] for n in short)} in its name is needed")
    return {fits[0] for fits in found}


def fire_sales(context: Context) -> dict[str, Any]:
    """Equilibria of all variants, years and impacts."""
    found: dict[str, Any] = {}
    files, market, unique = _files(context), _market(context), []
    for variant, year in (("package", 1), ("package", 2), ("package", 3), ("aligned", 1), ("corrected", 1),
                          ("corrected", 2), ("corrected", 3)):
        banks, names = _system(files, market, variant, year)
        for kappa in (1.5, 5) if (variant, 1.5) in DISCOUNTS and year == 1 else (5,):
            both = _extremes(banks.with_parameters(impact=kappa))
            least = both.isel(extremum=0)
            unique.append(both.attrs["unique"])
            if year == 1 and variant != "corrected":
                found |= {f"{variant}_{10*kappa:g}_{c.lower()}": float(v)
                          for c, v in zip(CLASSES, least["discount"].values, strict=True)}
                found[f"{variant}_{10*kappa:g}_loss"] = float(least["loss"])
            else:
                found[f"{variant}_{10*kappa:g}_loss_year_{year}"] = float(least["loss"])
            if kappa == 1.5:
                found |= {f"{side}_rounds_{variant}": int(n)
                          for side, n in zip(("lower", "upper"), both["iterations"].values, strict=True)}
            elif year == 1 and variant == "package":
                found |= _sellers(dict(zip(names, least["sold"].values, strict=True)))
            elif variant == "aligned":
                found["sellers_aligned"] = int((least["sold"] > 0).sum())
    return found | {"all_unique": all(unique)}


def _sellers(sold: dict[str, float]) -> dict[str, Any]:
    """Who sells how much of its book."""
    further = {n for n, share in sold.items() if share > 0} - _named(sold, *LEVERAGE)
    full = {n for n, share in sold.items() if share == 1}
    return {"further_sellers": len(further), "further_names": further == _named(sold, "bnp", "banco_popolare"),
            "full_sellers": full == _named(sold, "bng", "lloyds", "deutsche", "mps", "societe_generale")} | {
        f"sold_{n}": float(sold[_named(sold, n).pop()]) for n in SELLERS}


def hysteresis(context: Context) -> xr.Dataset:
    """Extreme equilibria over the limit, and the way there and back, each step from where the last one ended."""
    import xarray as xr

    banks, limits = models.load("fire_sale_equilibrium"), np.linspace(27, 63, context.size(361, 61))
    both = [_extremes(banks, float(limit), 1e-12)["discount"].values[0] for limit in limits]
    ways = {}
    for way, order in (("falling", range(len(limits) - 1, -1, -1)), ("rising", range(len(limits)))):
        state, path = 0.0, np.empty(len(limits))
        for k in order:
            run = iterate(banks.with_parameters(leverage_limit=float(limits[k])), 20, {"discount": [state]})
            state = path[k] = float(run["discount"][0, -1])
        ways[way] = ("leverage_limit", path)
    # limits at which a discount between the plateaus is an equilibrium: the map falls with the limit
    discounts = np.concatenate([np.linspace(a, b, context.size(24, 6)) for a, b in ((0.001, 0.0564), (0.0566, 0.139))])
    fixed = [_border(lambda limit, d=discount: float(iterate(
        banks.with_parameters(leverage_limit=limit), 1, {"discount": [d]})["discount"][0, 1]) <= d, 27, 63, 1e-2)
        for discount in discounts]
    names = {"fixed_limit": ("fixed_discount", fixed), "least": ("leverage_limit", [b[0] for b in both]),
             "greatest": ("leverage_limit", [b[1] for b in both])}
    return xr.Dataset(names | ways, coords={"leverage_limit": limits, "fixed_discount": discounts},
                      attrs=provenance("figure", banks))


def draw_hysteresis(data: xr.Dataset, axes: Any) -> Any:
    """Equilibria in grey, ways in colour, thresholds dashed."""
    from dynamics.figures.style import BLACK, BLUE, GREY, ORANGE

    limits = data["leverage_limit"].values
    for half in (data["fixed_discount"] < 0.0565, data["fixed_discount"] > 0.0565):
        # only the part that rises with the limit is unstable; the rest are plateaus
        limit, discount = data["fixed_limit"].values[half.values], data["fixed_discount"].values[half.values]
        rises = np.append(np.diff(limit) > 0, False) & (limit > 27.1) & (limit < 62.9)
        axes.plot(limit[rises], discount[rises], "--", color=GREY, label="unstable" if discount[0] < 0.05 else None)
    for side, style in (("least", "o"), ("greatest", "s")):
        axes.plot(limits, data[side], style, color=GREY, markersize=3, label=f"{side} equilibrium")
    for way, colour, rising in (("falling", ORANGE, False), ("rising", BLUE, True)):
        path = data[way].values
        jumps = np.flatnonzero(np.abs(np.diff(path)) > 0.03) + 1
        axes.plot(np.insert(limits, jumps, np.nan), np.insert(path, jumps, np.nan), color=colour, linewidth=1.4,
                  label=f"limit {way}")
        for jump in jumps:
            start, end = (path[jump - 1], path[jump]) if rising else (path[jump], path[jump - 1])
            axes.annotate("", (limits[jump - 1:jump + 1].mean(), end), (limits[jump - 1:jump + 1].mean(), start),
                          arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0})
    lower, upper = np.sqrt(2.2e-5*145), np.sqrt(2.2e-5*880)
    for threshold in (1315/28, 1190/(65 - 300*upper), (1490 - 300*lower)/(65 - 300*lower), 1170/(28 - 145*lower)):
        axes.plot([threshold, threshold], [-0.006, 0.147], color=BLACK, linewidth=0.7, linestyle=":", zorder=0)
    axes.set(xlabel=r"Leverage limit $\bar\lambda$", ylabel=r"Discount $\delta$", ylim=(-0.006, 0.18))
    axes.legend(loc="upper center", ncols=3)
    return axes


def discount_against_impact(context: Context) -> xr.Dataset:
    """Extreme equilibria over the constant of the impact."""
    import xarray as xr

    if context.data is None:
        banks, classes, kappas = models.load("fire_sale_equilibrium"), ["the one class"], np.linspace(0, 1.2, 61)
    else:
        (banks, _), classes = _system(_files(context), _market(context), "aligned"), list(CLASSES)
        kappas = np.linspace(0, 6, context.size(61, 13))
    both = np.array([_extremes(banks.with_parameters(impact=float(kappa)), tolerance=1e-10)["discount"].values
                     for kappa in kappas])
    return xr.Dataset({"discount": (("impact", "asset", "extremum"), both)},
                      coords={"impact": kappas, "asset": classes, "extremum": ["least", "greatest"]},
                      attrs=provenance("figure", banks))


def draw_discount_against_impact(data: xr.Dataset, axes: Any) -> Any:
    """One line for each class; dotted where the greatest equilibrium is another one."""
    from dynamics.figures.style import CYCLE, GREY

    for asset, colour in zip(data["asset"].values, (*CYCLE, GREY), strict=False):
        one = data["discount"].sel(asset=asset)
        name = str(asset).replace("_", " ")
        axes.plot(data["impact"], one.sel(extremum="least"), color=colour, label=name)
        apart = one.where(abs(one.sel(extremum="greatest") - one.sel(extremum="least")) > 1e-7).sel(extremum="greatest")
        if apart.notnull().any():
            axes.plot(data["impact"], apart, ":", color=colour, label=f"{name}, greatest equilibrium")
    axes.set(xlabel=r"Constant of the impact $\kappa$", ylabel=r"Discount $\delta$", ylim=(0, None))
    axes.legend()
    return axes
