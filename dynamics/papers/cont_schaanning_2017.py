r"""Threshold deleveraging against leverage targeting: two banks, and 48 European banks in 2018.

Of the paper the title page and the abstract were read. Numbers come from two public programs: one re-implements the example
of two banks in Schaanning's thesis of 2017 (the implementation shortfall and the leverage limit of 33 are the choice of its
authors), the other is the stress-test model ``firesale_stresstest`` of the Oxford INET resilience group on the EBA's
figures of 2018, a user's file. That model measures leverage as equity over assets and its banks keep cash, repay and can
fail; its systemic event is the share of failed banks, set to zero below 5 %. Compared are runs of its last version, of
2021; the plots stored beside it are of January 2019, before corrections of how banks deleverage and with half the impact,
and agree in shape only.

Closed forms of the example: the first round costs bank B at most :math:`70 \cdot 0.5\,(1 - e^{-90/\delta})`; with the shock
:math:`\epsilon` bank A breaches its limit from :math:`\epsilon = 0.1`, where :math:`100 - 10\epsilon = 33\,(4 -
10\epsilon)`, must sell everything in the first round from :math:`\epsilon = 115.4/303.5`, where :math:`10 - 10\epsilon =
31.35\,(4 - 10\epsilon)`, and is insolvent from 0.4.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

FILE = "EBA 2018: eba_2018/banks_48.csv"
DEPTH = 4472.13595499958
ROUNDS = 60
# share that A sells and loss of B in each round, and where the example ends, by shock
PATHS: dict[str, dict[str, Any]] = {
    "15": {"sold": (0.22361, 0.17721, 0.10181, 0, 0), "losses": (0.31359, 0.19069, 0.08953), "price": 0.991517},
    "20": {"sold": (0.39222, 0.39925, 0.24602, 0.07151, 0), "losses": (0.54819, 0.33223, 0.12159, 0.02654),
           "price": 0.985306, "equity": (0.96909, 3.47144)},
    "25": {"sold": (0.56083, 0.79437, 1, 0, 0), "price": 0.980382, "equity": (0.21521, 3.12671)},
    "30": {"sold": (0.72944, 1, 0), "equity": (0, 3.12455)},
}
# of the 48 banks: total (or least, or median), tolerance, unit, what it is
TOTALS = {"total_equity": (1_223_096, 0.5, "1e6 EUR", "CET1 capital"),
          "total_assets": (22_802_400.44, 0.005, "1e6 EUR", "assets: capital over leverage ratio"),
          "total_government": (1_605_635, 0.5, "1e6 EUR", "government bonds"),
          "total_corporate": (670_591, 0.5, "1e6 EUR", "other debt securities"),
          "least_ratio": (3.41, 0.005, "percent", "smallest leverage ratio"),
          "median_ratio": (5.465, 5e-4, "percent", "median leverage ratio")}
# impact to (systemic event, share of bonds sold in percent, prices of company and government bonds), shock 20 %
BY_IMPACT = {0: (0.145833, 60.512445, 1, 0.8), 0.005: (0.187500, 79.341990, 0.932592, 0.735828),
             0.01: (0.375000, 91.450058, 0.838421, 0.663562), 0.02: (0.666667, 98.162441, 0.675850, 0.536979),
             0.03: (0.791667, 99.384771, 0.547392, 0.436150), 0.05: (0.916667, 99.605356, 0.361809, 0.287330),
             0.1: (0.937500, 100.0, 0.121577, 0.097261)}
# shock to (event, sold) with a threshold and with targeting, impact 1 %
BY_SHOCK = {0: (0, 4.711263, 0, 31.686073), 0.03: (0, 8.691819, 0, 82.695423), 0.09: (0, 69.199192, 0.0625, 91.276800),
            0.15: (0.125, 91.450058, 0.25, 92.958881), 0.195: (0.354167, 91.450058, 0.270833, 94.428926),
            0.21: (0.333333, 91.450058, 0.291667, 95.222316), 0.3: (0.520833, 95.671036, 0.541667, 98.383025)}


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="cont_schaanning_2017",
        reference=Reference("R. Cont, E. Schaanning", 2017, "Fire sales, indirect contagion and systemic stress testing",
                            "Norges Bank Working Paper 2/2017", "10.2139/ssrn.2541114"),
        models=("fire_sale_threshold", "system_wide_stress_test"),
        computations=(
            Computation(depths, (
                _public("depth", 4472.14, 0.005, "market depth c ADV sqrt(tau)/sigma of the example", "EUR"),
                _public("scaled_depth", 2236.07, 0.005, "depth times one minus the price floor", "EUR"),
                _derived("depth_all_digits", 4472.135955, 5e-7, "the first, all digits", "EUR"),
                _derived("scaled_depth_all_digits", 2236.067977, 5.1e-7, "the second, all digits", "EUR"),
            )),
            Computation(first_round, (
                Claim("largest_first_loss", 1.38074938434112, 5e-15, "notebook of the public program", "EUR", "public code",
                      statement="largest loss of bank B in the first round"),
                Claim("largest_first_loss_thesis", 1.4, 0.05, "thesis, section 1.2 (about 1.4)", "EUR", "third party",
                      statement="the same in the thesis"),
                Claim("largest_first_loss_linear", 1.408722, 5e-7, "closed form", "EUR", "derived",
                      statement="the same with linear impact 70*90/D",
                      explanation="6300/4472.135955 is 1.4087228; the earlier value was cut after six digits, not rounded."),
                _derived("first_breach", 0.1, 1e-9, "shock at which bank A reaches its limit"),
                _derived("full_sale", 0.380231, 5e-7, "shock from which A must sell everything in the first round"),
                _derived("insolvency", 0.4, 1e-9, "shock that takes all of A's equity"),
            )),
            Computation(paths, tuple(_path_claims())),
            Computation(depth_scales, (
                _earlier("full_liquidation", 0.2483, 5e-5, "shock from which A is fully liquidated, depth x 1"),
                _earlier("no_equity", 0.265, 5e-4, "shock from which A's equity reaches zero, depth x 1"),
                Claim("second_bank_never_sells", True, location="two-bank example, depth x 1", evidence="derived",
                      statement="at full depth B sells at no shock up to 0.6"),
                *(_earlier(f"shallow_sold_a_{k + 1}", v, 5e-5, f"share A sells in round {k + 1}, depth x 0.3, shock 15 %")
                  for k, v in enumerate((0.2236, 0.5907, 1))),
                *(_earlier(f"shallow_sold_b_{k + 1}", v, 5e-5, f"share B sells in round {k + 1}, depth x 0.3, shock 15 %")
                  for k, v in enumerate((0, 0, 0.6115, 1))),
                _earlier("shallow_price", 0.89749, 5e-6, "price in the end, depth x 0.3, shock 15 %"),
                Claim("shallow_both_insolvent", True, location="two-bank example, depth x 0.3", evidence="derived",
                      statement="both banks lose all their equity"),
            )),
            Computation(critical_depths, (
                _earlier("depth_any_breach", 0.441978, 5e-7, "depth scale below which any breach liquidates A fully"),
                _earlier("depth_collapse", 0.407808, 5e-7, "depth scale below which any breach also brings down B"),
            ), fast=False),
            Computation(half_shortfall, (
                *(_public(f"half_sold_{k + 1}", v, 5.1e-5, f"share A sells in round {k + 1}, shortfall 0.5")
                  for k, v in enumerate((0.3859, 0.3151, 0.1454))),
                *(_public(f"half_leverage_a_{k + 1}", v, 0.0051, f"leverage of A before round {k + 1}, shortfall 0.5")
                  for k, v in enumerate((49, 43.63, 35.94))),
                *(_public(f"half_leverage_b_{k + 1}", v, 0.0051, f"leverage of B before round {k + 1}, shortfall 0.5")
                  for k, v in enumerate((20, 22.59, 24.14))),
                _public("half_fall", 0.007706, 5.1e-7, "fall of the price in the first round, shortfall 0.5"),
            )),
            Computation(overlaps, (
                Claim("liquidity_weighted_overlap", True, location="linear regime", evidence="derived",
                      statement="in deep markets the losses of a round are the liquidity-weighted overlaps times the shares"
                                " sold"),
            )),
            Computation(totals, tuple(
                Claim(name, value, tolerance, "the program's file, our earlier run", unit, "earlier", statement=statement)
                for name, (value, tolerance, unit, statement) in TOTALS.items()), data=FILE),
            Computation(impact_table, tuple(
                claim for impact, (event, sold, corporate, government) in BY_IMPACT.items() for claim in (
                    _program(f"event_impact_{_tag(impact)}", event, f"systemic event, shock 20 %, impact {impact:g}"),
                    _program(f"sold_impact_{_tag(impact)}", sold, f"bonds sold, shock 20 %, impact {impact:g}", "percent"),
                    _program(f"corporate_impact_{_tag(impact)}", corporate, f"price of company bonds, impact {impact:g}"),
                    _program(f"government_impact_{_tag(impact)}", government, f"price of government bonds, {impact:g}"),
                )), data=FILE),
            Computation(shock_table, (*(
                claim for shock, values in BY_SHOCK.items() for claim in (
                    _program(f"event_threshold_{_tag(shock)}", values[0], f"systemic event, threshold, shock {shock:g}"),
                    _program(f"sold_threshold_{_tag(shock)}", values[1], f"bonds sold, threshold, {shock:g}", "percent"),
                    _program(f"event_targeting_{_tag(shock)}", values[2], f"systemic event, targeting, shock {shock:g}"),
                    _program(f"sold_targeting_{_tag(shock)}", values[3], f"bonds sold, targeting, {shock:g}", "percent"),
                )),
                Claim("not_monotone", True, location="program firesale_stresstest", evidence="earlier",
                      statement="the systemic event falls between a shock of 19.5 % and one of 21 %, after 200 rounds too"),
                Claim("sold_after_more_rounds", 87.16, 0.005, "program firesale_stresstest", "percent", "earlier",
                      statement="bonds sold at a shock of 9 % after 12 rounds and more"),
                Claim("threshold_is_not_targeting", True, location="abstract", evidence="abstract",
                      statement="threshold deleveraging differs from leverage targeting: at small shocks far less is sold"),
            ), data=FILE),
        ),
        figures=(PaperFigure(
            "systemic_events", systemic_events, draw_systemic_events,
            "Share of failed banks (top) and of bonds sold (bottom) against the impact at a shock of 20 % (left) and against"
            " the shock at an impact of 1 % (right; threshold and targeting). The 48 banks of 2018 where the file is given,"
            " to be compared with runs of the public program; six made-up banks where it is not.",
            panels=(2, 2), size=(7.0, 4.8), layout={"sharex": "col", "sharey": "row"}), PaperFigure(
            "two_banks", two_banks, draw_two_banks,
            "Equity of the two banks after all rounds against the shock to the loans of A, at the depth of the example and"
            " at 0.3 of it: in the shallow market any breach of A's limit (dotted) brings down both. To be compared with"
            " figure 1.2.2 of the thesis.", panels=(1, 2), size=(6.8, 3.0), layout={"sharey": True})),
    )


def _derived(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "closed form", unit, "derived", statement=statement)


def _earlier(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "two-bank example, our earlier run", unit, "earlier", statement=statement)


def _public(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "tests of the public program", unit, "public code", statement=statement)


def _program(name: str, value: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, 5.1e-7, "program firesale_stresstest, run", unit, "public code", statement=statement)


def _tag(share: float) -> str:
    """Thousandths, for the name of a claim."""
    return f"{1000*share:.0f}"


def _path_claims() -> Any:
    for shock, found in PATHS.items():
        for k, value in enumerate(found["sold"]):
            yield _earlier(f"sold_{shock}_{k + 1}", value, 5.1e-6, f"share that A sells in round {k + 1}, shock {shock} %")
        for k, value in enumerate(found.get("losses", ())):
            yield _earlier(f"loss_{shock}_{k + 1}", value, 5.1e-6, f"loss of B in round {k + 1}, shock {shock} %", "EUR")
        if "price" in found:
            yield _earlier(f"price_{shock}", found["price"], 5.1e-7, f"price in the end, shock {shock} %")
        for bank, value in zip("ab", found.get("equity", ()), strict=False):
            yield _earlier(f"equity_{bank}_{shock}", value, 5.1e-6, f"equity of {bank.upper()} in the end, shock {shock} %",
                           "EUR")


@functools.lru_cache(maxsize=64)
def _two_banks(scale: float) -> Any:
    return models.load("fire_sale_threshold", depth=(DEPTH*scale,))


def _run(shock: float, scale: float = 1.0, rounds: int = ROUNDS, **parameters: float) -> xr.Dataset:
    return iterate(_two_banks(scale).with_parameters(shock=shock, **parameters), rounds)


def _sold(run: xr.Dataset, bank: int) -> Any:
    kept = run["kept"].isel(bank=bank).values
    return 1 - np.divide(kept[1:], kept[:-1], out=np.ones(len(kept) - 1), where=kept[:-1] > 0)


def _border(is_above: Any, low: float, high: float, tolerance: float) -> float:
    while high - low > tolerance:
        middle = (low + high)/2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return (low + high)/2


def depths(context: Context) -> dict[str, Any]:
    """Market depth, and what the first fall (1 - B)(1 - exp(-q/scaled depth)) says of it, for q = 90."""
    price = float(_run(0.39, rounds=1)["price"].isel(asset=0, time=1))
    scaled = -90/np.log(1 - (1 - price)/0.5)
    depth = Computed(2*scaled, second=0.4*50/0.02*np.sqrt(20), second_method="c ADV sqrt(tau)/sigma")
    return {"depth": depth, "scaled_depth": scaled, "depth_all_digits": depth, "scaled_depth_all_digits": scaled}


def first_round(context: Context) -> dict[str, Any]:
    """What the first round can cost, and the shocks at which it begins, sells everything and leaves no equity."""
    loss, linear = (-scale*np.diff(_run(0.39, scale, 1)["equity"].isel(bank=1).values)[0] for scale in (1, 1e6))
    return {"largest_first_loss": loss, "largest_first_loss_thesis": loss,
            "largest_first_loss_linear": Computed(linear, second=70*90/DEPTH, second_method="closed form"),
            "first_breach": _border(lambda e: _sold(_run(e, rounds=1), 0)[0] > 0, 0.05, 0.2, 1e-10),
            "full_sale": _border(lambda e: _sold(_run(e, rounds=1), 0)[0] == 1, 0.3, 0.39, 1e-8),
            "insolvency": _border(lambda e: float(_run(e, rounds=0)["equity"][0, 0]) == 0, 0.35, 0.45, 1e-10)}


def paths(context: Context) -> dict[str, Any]:
    """Rounds of the example by shock."""
    found: dict[str, Any] = {}
    for shock, wanted in PATHS.items():
        run = _run(int(shock)/100)
        sold, losses = _sold(run, 0), -np.diff(run["equity"].isel(bank=1).values)
        found |= {f"sold_{shock}_{k + 1}": sold[k] for k in range(len(wanted["sold"]))}
        found |= {f"loss_{shock}_{k + 1}": losses[k] for k in range(len(wanted.get("losses", ())))}
        if "price" in wanted:
            found[f"price_{shock}"] = float(run["price"].isel(asset=0, time=-1))
        if "equity" in wanted:
            found |= {f"equity_{bank}_{shock}": float(run["equity"].isel(bank=i, time=-1)) for i, bank in enumerate("ab")}
    return found


def depth_scales(context: Context) -> dict[str, Any]:
    """The example at full and at 0.3 of its depth."""
    shallow = _run(0.15, 0.3)
    return {
        "full_liquidation": _border(lambda e: float(_run(e)["kept"][0, -1]) < 1e-9, 0.2, 0.3, 1e-6),
        "no_equity": _border(lambda e: float(_run(e)["equity"][0, -1]) == 0, 0.2, 0.3, 1e-6),
        "second_bank_never_sells": all(float(_run(e)["kept"][1, -1]) == 1 for e in np.linspace(0, 0.6, 13)),
        "shallow_price": float(shallow["price"][0, -1]),
        "shallow_both_insolvent": bool((shallow["equity"].isel(time=-1) == 0).all()),
    } | {f"shallow_sold_{bank}_{k + 1}": _sold(shallow, i)[k]
         for i, (bank, count) in enumerate((("a", 3), ("b", 4))) for k in range(count)}


def critical_depths(context: Context) -> dict[str, Any]:
    """Scales of depth at which a breach just above 10 % becomes a full sale, and a collapse of both."""
    def ends(scale: float) -> xr.Dataset:
        return _run(0.1 + 1e-9, scale, 3000).isel(time=-1)

    return {"depth_any_breach": _border(lambda scale: float(ends(scale)["kept"][0]) > 1e-9, 0.43, 0.45, 1e-8),
            "depth_collapse": _border(lambda scale: float(ends(scale)["equity"][1]) > 0, 0.39, 0.42, 1e-8)}


def half_shortfall(context: Context) -> dict[str, Any]:
    """The variant of the public program's tests."""
    run = _run(0.2, rounds=3, shortfall=0.5, leverage_limit=33.3, target_leverage=0.95*33.3)
    price, kept, equity = (run[name].values for name in ("price", "kept", "equity"))
    leverage = [(kept[i, :3]*book*price[0, :3] + illiquid)/equity[i, :3] for i, (book, illiquid) in
                enumerate(((90, 10*0.8), (70, 20)))]
    return {f"half_sold_{k + 1}": _sold(run, 0)[k] for k in range(3)} | {
        f"half_leverage_{bank}_{k + 1}": leverage[i][k] for i, bank in enumerate("ab") for k in range(3)} | {
        "half_fall": 1 - price[0, 1]/price[0, 0]}


def overlaps(context: Context) -> dict[str, Any]:
    """Losses of one round against the overlaps, in markets a million times deeper."""
    generator = np.random.default_rng(np.random.SeedSequence(context.seeds("overlaps", 1)))
    holdings, depth = generator.uniform(10, 90, (5, 4)), generator.uniform(1, 3, 4)*1e9
    banks = models.load("fire_sale_threshold", holdings=holdings.tolist(), illiquid=[0]*5, exposed=[0]*5,
                        equity=(holdings.sum(axis=1)/generator.uniform(30, 40, 5)).tolist(), depth=depth.tolist())
    run = iterate(banks, 1)
    losses = -np.diff(run["equity"].values, axis=1)[:, 0]
    overlap = np.einsum("im,jm,m->ij", holdings, holdings, 1/depth)
    shares = 1 - run["kept"].values[:, 1]
    return {"liquidity_weighted_overlap": bool(shares.max() > 0) and np.allclose(losses, overlap @ shares, rtol=1e-4)}


def _file(context: Context) -> Any:
    """Capital, debt securities, government bonds and leverage ratios of the banks."""
    from dynamics.data import eba_2018_banks

    file = eba_2018_banks.read(context.file("eba_2018/banks_48.csv"))
    return tuple(file[n].values for n in ("equity", "debt_securities", "government_bonds", "leverage_ratio"))


def _banks(context: Context) -> Any:
    """The stress-test model on the user's file, built as the public program builds it."""
    equity, debt, government, ratio = _file(context)
    assets = equity/(ratio/100)
    cash = 0.05*assets
    return models.load("system_wide_stress_test", holdings=np.column_stack([debt - government, government]).tolist(),
                       cash=cash.tolist(), other_assets=(assets - debt - cash).tolist(), equity=equity.tolist(),
                       exposed=[0, 1])


def totals(context: Context) -> dict[str, Any]:
    """What the file adds up to."""
    equity, debt, government, ratio = _file(context)
    found = (equity.sum(), (equity/(ratio/100)).sum(), government.sum(), (debt - government).sum(), ratio.min(),
             np.median(ratio))
    return dict(zip(TOTALS, map(float, found), strict=True))


def _event(banks: Any, rounds: int = 6, **parameters: float) -> tuple[float, float, Any]:
    end = iterate(banks.with_parameters(**parameters), rounds).isel(time=-1)
    failed = float(end["failed_share"])
    return failed if failed >= 0.05 else 0.0, 100*float(end["sold_share"]), end["price"].values


def impact_table(context: Context) -> dict[str, Any]:
    """First experiment of the program: a shock of 20 %, several impacts."""
    banks, found = _banks(context), dict[str, Any]()
    for impact in BY_IMPACT:
        event, sold, price = _event(banks, shock=0.2, impact=impact)
        found |= {f"event_impact_{_tag(impact)}": event, f"sold_impact_{_tag(impact)}": sold,
                  f"corporate_impact_{_tag(impact)}": float(price[0]), f"government_impact_{_tag(impact)}": float(price[1])}
    return found


def shock_table(context: Context) -> dict[str, Any]:
    """Third experiment: an impact of 1 %, several shocks, threshold and targeting."""
    banks, found = _banks(context), dict[str, Any]()
    for shock in BY_SHOCK:
        for kind, buffer in (("threshold", 0.04), ("targeting", 1.0)):
            found[f"event_{kind}_{_tag(shock)}"], found[f"sold_{kind}_{_tag(shock)}"], _ = _event(
                banks, shock=shock, impact=0.01, buffer=buffer)
    long = [_event(banks, 200, shock=shock, impact=0.01)[0] for shock in (0.195, 0.21)]
    return found | {"not_monotone": found["event_threshold_195"] > found["event_threshold_210"] and long[0] > long[1],
                    "sold_after_more_rounds": _event(banks, 12, shock=0.09, impact=0.01)[1],
                    "threshold_is_not_targeting": found["sold_threshold_30"] < 0.2*found["sold_targeting_30"]}


def systemic_events(context: Context) -> xr.Dataset:
    """Failed banks and bonds sold over the impact and over the shock."""
    import xarray as xr

    banks = models.load("system_wide_stress_test") if context.data is None else _banks(context)
    impacts, shocks = np.linspace(0, 0.1, context.size(81, 21)), np.linspace(0, 0.3, context.size(121, 21))
    columns = {"impact": ("impact", [_event(banks, shock=0.2, impact=float(v))[:2] for v in impacts])}
    for kind, buffer in (("threshold", 0.04), ("targeting", 1.0)):
        columns[kind] = ("shock", [_event(banks, shock=float(v), impact=0.01, buffer=buffer)[:2] for v in shocks])
    return xr.Dataset({f"{quantity}_{name}": (dim, np.array(values)[:, k])
                       for name, (dim, values) in columns.items() for k, quantity in enumerate(("event", "sold"))},
                      coords={"impact": impacts, "shock": shocks}, attrs=provenance("figure", banks))


def draw_systemic_events(data: xr.Dataset, axes: Any) -> Any:
    """Events above, sales below."""
    from dynamics.figures.style import BLUE, ORANGE

    for row, quantity in enumerate(("event", "sold")):
        axes[row, 0].plot(100*data["impact"], data[f"{quantity}_impact"], color=BLUE, label="threshold")
        axes[row, 1].plot(100*data["shock"], data[f"{quantity}_threshold"], color=BLUE, label="threshold")
        axes[row, 1].plot(100*data["shock"], data[f"{quantity}_targeting"], "--", color=ORANGE, label="targeting")
    axes[0, 0].set(ylabel="Systemic event", ylim=(-0.03, 1.05))
    axes[1, 0].set(ylabel="Bonds sold (%)", xlabel="Impact (% for 5 % sold)", ylim=(-3, 105))
    axes[1, 1].set(xlabel="Initial shock (%)")
    axes[0, 1].legend()
    return axes


def two_banks(context: Context) -> xr.Dataset:
    """Equity of both banks in the end, over shock and depth."""
    import xarray as xr

    shocks, scales = np.linspace(0, 0.45, context.size(181, 31)), (1.0, 0.3)
    ends = [[_run(float(shock), scale, 400)["equity"].isel(time=-1).values for shock in shocks] for scale in scales]
    return xr.Dataset({"equity": (("depth", "shock", "bank"), np.array(ends))},
                      coords={"depth": list(scales), "shock": shocks, "bank": ["A", "B"]},
                      attrs=provenance("figure", models.load("fire_sale_threshold")))


def draw_two_banks(data: xr.Dataset, axes: Any) -> Any:
    """One panel for each depth."""
    from dynamics.figures.style import BLACK, BLUE, ORANGE

    for ax, scale in zip(axes, data["depth"].values, strict=True):
        for bank, colour, style in (("A", BLUE, "-"), ("B", ORANGE, "--")):
            ax.plot(100*data["shock"], data["equity"].sel(depth=scale, bank=bank), style, color=colour, label=f"bank {bank}")
        ax.axvline(10, color=BLACK, linewidth=0.7, linestyle=":")
        ax.set_title(rf"Depth $\times$ {scale:g}", loc="left")
        ax.set(xlabel="Shock to the loans of A (%)", ylim=(-0.15, 4.7))
    axes[0].set(ylabel="Equity in the end (EUR)")
    axes[0].legend(loc="lower left")
    return axes
