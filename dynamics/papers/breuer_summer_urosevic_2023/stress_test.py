"""Equilibria of the example and of the 51 banks, and where the example changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.monotone_maps import extremal_fixed_points
from dynamics.analysis.orbits import iterate
from dynamics.errors import DataError
from dynamics.papers import Context

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BANKS", "CLASSES", "DISCOUNTS", "LEVERAGE", "SELLERS", "VOLATILITY", "VOLUME", "above_the_limit",
           "balance_sheets_2016", "border", "example", "example_thresholds", "extremes", "fire_sales", "the_51_banks"]

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


def extremes(banks: Any, limit: float | None = None, tolerance: float = 1e-9) -> xr.Dataset:
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
    both = extremes(banks)
    leverage = iterate(banks, 0)["leverage"].isel(time=0).values
    return {f"leverage_{i + 1}": float(value) for i, value in enumerate(leverage)} | {
        "lower_discount": float(both["discount"][0, 0]), "upper_discount": float(both["discount"][0, 1]),
        "lower_iterations": int(both["iterations"][0]), "upper_iterations": int(both["iterations"][1]),
        "multiple_equilibria": not both.attrs["unique"]} | {
        f"{side}_sold_{bank + 1}": float(both["sold"].isel(extremum=k, bank=bank))
        for k, side in enumerate(("lower", "upper")) for bank in range(3)}


def example_thresholds(context: Context) -> dict[str, Any]:
    """Leverage limits at which an equilibrium appears or is lost, by bisection."""
    banks = models.load("fire_sale_equilibrium")

    def discount(limit: float, side: int) -> float:
        return float(extremes(banks, limit, 1e-13)["discount"][0, side])

    found = {"no_sale_from": border(lambda limit: discount(limit, 0) == 0, 46, 48),
             "all_sell_to": border(lambda limit: discount(limit, 1) < 0.1, 50, 52),
             "collapse_below": border(lambda limit: discount(limit, 0) < 0.1, 30, 32)}
    return found | {f"{name}_exact": value for name, value in found.items()} | {"upper_discount_at_53": discount(53, 1)}


def border(is_above: Any, low: float, high: float, width: float = 1e-10) -> float:
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
            both = extremes(banks.with_parameters(impact=kappa))
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
    return {"sellers_package": sum(share > 0 for share in sold.values()),
            "further_sellers": len(further), "further_names": further == _named(sold, "bnp", "banco_popolare"),
            "full_sellers": full == _named(sold, "bng", "lloyds", "deutsche", "mps", "societe_generale")} | {
        f"sold_{n}": float(sold[_named(sold, n).pop()]) for n in SELLERS}


def the_51_banks(context: Context) -> Any:
    """The banks of 2016 after a year of stress, with aligned columns."""
    return _system(_files(context), _market(context), "aligned")[0]
