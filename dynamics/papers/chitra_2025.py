r"""Auto-deleveraging: funding and equities of a five-position book, who is liquidated, and who pays for a deficit.

The book, its marks and oracle prices, the funding rates, profits and equities, and the example of five equities under both
rules were read in the paper (version 1). Its headline figures of October 2025 differ between versions and need the venue's
fills; they are no claims here. In the paper's formula of the pro-rata haircut, (20), a factor of equity is one too many: the
example agrees with the fraction :math:`\theta D/W`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.mechanisms.liquidation_engine import auto_deleverage
from dynamics.mechanisms.margin_tiers import liquidation_price
from dynamics.models.autodeleveraging import closing_size
from dynamics.papers import Claim, Computation, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

EQUITIES = (10, 5, 1, -3, -12)
PROFITS = (-0.7387, -0.7387, 2.9547, -0.7387, 0.7387)
LEFT = (1.2613, -0.0720, 5.6213, -0.6334, 0.8397)
# a crowd of shorts against one large long that a fall of a quarter ruins
CROWD: dict[str, Any] = {"sizes": (40, *(2,)*20), "sides": (1, *(-1,)*20),
                         "collaterals": (4, *np.geomspace(0.05, 4, 20).round(6).tolist()),
                         "marks": (1, 0.75), "oracles": (1, 0.75)}


def paper() -> Paper:
    """Make the paper."""
    book = [_read(f"{kind}_{name.lower()}", value, 5e-5, f"{statement} of position {name}", "1")
            for kind, statement, values in (("profit", "profit from date 0 to 2", PROFITS),
                                            ("equity", "equity at date 2", LEFT))
            for name, value in zip("ABCDE", values, strict=True)]
    return Paper(
        name="chitra_2025",
        reference=Reference("T. Chitra", 2025, "Autodeleveraging: Impossibilities and Optimization", "arXiv 2512.01112 (v1)",
                            "10.48550/arXiv.2512.01112"),
        models=("autodeleveraging",),
        computations=(
            Computation(toy_book, (
                _read("funding_1", -0.3333, 5e-5, "funding rate at date 1"),
                _read("funding_2", -0.4400, 5e-5, "funding rate at date 2"),
                *book,
                Claim("first_liquidated", True, location="five-position example", evidence="text",
                      statement="at a maintenance margin of 10 % position D alone is liquidatable at date 1"),
            )),
            Computation(who_pays, (
                _read("queue_first", 0.25, 1e-12, "haircut of account 1, half of the deficit, order 2, 1, 3"),
                _read("queue_second", 1.0, 1e-12, "haircut of account 2 in that order"),
                _read("queue_third", 0.0, 1e-12, "haircut of account 3 in that order"),
                *(_read(f"queue_left_{n}", value, 1e-12, f"equity left to account {n}, which was in profit")
                  for n, value in enumerate((7.5, 0.0, 1.0), 1)),
                _read("pro_rata", 0.46875, 1e-12, "haircut of each account in profit when it is shared pro rata"),
            )),
            Computation(greedy_size, (
                Claim("smallest_root", True, location="greedy size, linear impact", evidence="text",
                      statement="the size closed is the smallest root of (alpha/2) q**2 - m p q + m p Q - e + tau"),
                Claim("liquidation_prices", True, location="section 2.2", evidence="text",
                      statement="at (p0 -+ c/Q)/(1 -+ m) equity is the maintenance margin, for longs and for shorts"),
            )),
            Computation(closed_books, (
                Claim("contracts_and_money", True, location="closed form", evidence="derived",
                      statement="under both rules contracts and money add up at every date and the fund is never negative"),
                Claim("same_bill", True, location="closed form", evidence="derived",
                      statement="queue and pro rata take the same amount"),
            )),
        ),
        figures=(PaperFigure(
            "haircuts", haircuts, draw_haircuts,
            "Haircuts of twenty shorts of equal size and different collateral when the price falls by a quarter and one"
            " long is ruined: the queue takes all from the most levered, pro rata the same share from everyone. Both take"
            " the same amount.", size=(3.4, 2.8)),),
    )


def _read(name: str, value: float, tolerance: float, statement: str, unit: str = "1") -> Claim:
    return Claim(name, value, tolerance, "worked example", unit, "text", statement=statement)


def toy_book(context: Context) -> dict[str, Any]:
    """The five positions, marked and not closed."""
    run = iterate(models.load("autodeleveraging", liquidation="none"), 2)
    equity, called = (run[n].transpose("time", "position").values for n in ("equity", "called"))
    return {"funding_1": float(run["funding_rate"][1]), "funding_2": float(run["funding_rate"][2]),
            **{f"profit_{n.lower()}": float(v) for n, v in zip("ABCDE", equity[2] - equity[0], strict=True)},
            **{f"equity_{n.lower()}": float(v) for n, v in zip("ABCDE", equity[2], strict=True)},
            "first_liquidated": called[1].tolist() == [0, 0, 0, 1, 0]}


def who_pays(context: Context) -> dict[str, Any]:
    """Five equities, half of the deficit."""
    queue = auto_deleverage(EQUITIES, 0.5, order=(1, 0, 2, 4, 3))
    left = [e*(1 - h) for e, h in zip(EQUITIES, queue, strict=True) if e > 0]
    return {"queue_first": queue[0], "queue_second": queue[1], "queue_third": queue[2],
            **{f"queue_left_{n}": value for n, value in enumerate(left, 1)}, "pro_rata": auto_deleverage(EQUITIES, 0.5)[0]}


def greedy_size(context: Context) -> dict[str, Any]:
    """The size closed against the roots of the polynomial, and liquidation prices against the margin there."""
    smallest, margins = [], []
    for equity, size, mark, maintenance, impact in ((0.5, 10, 1, 0.1, 0.008), (0.9, 10, 1.2, 0.1, 0.005),
                                                    (2, 60, 0.8, 0.05, 0.0002)):
        roots = np.roots([impact/2, -maintenance*mark, maintenance*mark*size - equity])
        smallest.append(abs(closing_size(equity, size, mark, maintenance, impact) - roots.real.min()) < 1e-9*size)
    for side, sign in (("long", 1), ("short", -1)):
        price = liquidation_price(side, 100, 30, 2, 0.04)
        margins.append(abs(30 + sign*2*(price - 100) - 0.04*2*price) < 1e-10)
    return {"smallest_root": all(smallest), "liquidation_prices": all(margins)}


def closed_books(context: Context) -> dict[str, Any]:
    """A ruined long against twenty shorts."""
    sound, taken = [], []
    for rule in ("queue", "pro_rata"):
        venue = models.load("autodeleveraging", rule=rule, **CROWD)
        run = iterate(venue.with_parameters(impact=0, initial_fund=0.5, fund_fee=0.001, funding_scale=0,
                                             severity=1), 3)
        drift = np.abs(run["contracts"].values).max() + np.ptp(run["money"].values)
        sound.append(drift < 1e-10 and float(run["insurance_fund"].min()) >= 0)
        taken.append(float(run["auto_deleveraged"][-1]))
    return {"contracts_and_money": all(sound), "same_bill": taken[0] > 1 and abs(taken[0] - taken[1]) < 1e-10}


def haircuts(context: Context) -> xr.Dataset:
    """Haircuts of the shorts under both rules over their leverage before the fall."""
    import xarray as xr

    found = {}
    for rule in ("queue", "pro_rata"):
        venue = models.load("autodeleveraging", rule=rule, **CROWD)
        run = iterate(venue.with_parameters(impact=0, funding_scale=0, severity=1), 1)
        found[rule] = run["haircut"].isel(time=-1).values[1:]
    collateral = np.array(CROWD["collaterals"][1:])
    return xr.Dataset({name: ("leverage", values) for name, values in found.items()},
                      coords={"leverage": 2/collateral},
                      attrs=provenance("figure", venue))


def draw_haircuts(data: xr.Dataset, ax: Any) -> Any:
    """Haircut over leverage."""
    from dynamics.figures.style import BLUE, VERMILION

    ax.plot(data["leverage"], data["queue"], color=VERMILION, marker="o", markersize=3.5, linewidth=1, label="queue")
    ax.plot(data["leverage"], data["pro_rata"], color=BLUE, marker="s", markersize=3, linewidth=1, label="pro rata")
    ax.set(xscale="log", xlabel="Leverage before the fall", ylabel="Haircut (share of equity)", ylim=(-0.03, 1.05))
    ax.set_xticks([0.5, 1, 2, 5, 10, 20, 40], ["0.5", "1", "2", "5", "10", "20", "40"])
    ax.minorticks_off()
    ax.legend(loc="upper left")
    return ax
