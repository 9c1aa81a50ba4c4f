r"""Auto-deleveraging: who pays when a liquidated account is below zero, after Chitra.

A venue has accounts with a side :math:`s_i = \pm 1`, contracts :math:`q_i` and equity :math:`e_i`, and an account outside
the book that is the other side of what the book does not match. At every date the contracts are marked and funding is
settled,

.. math::

    e_i \to e_i + s_i q_i (p' - p + \gamma p'), \qquad \gamma = k \Bigl(\frac{L}{S} - \frac{p'}{\hat p'}\Bigr),

with longs :math:`L`, shorts :math:`S`, mark :math:`p` and oracle price :math:`\hat p`. An account below the maintenance
margin, :math:`e < m p q`, is closed by the smallest :math:`\Delta q` that restores it with the cushion :math:`\tau`, at
linear impact :math:`\alpha`,

.. math:: \tfrac{\alpha}{2} \Delta q^2 - m p\, \Delta q + (m p q - e + \tau) = 0,

and wholly where there is none. What is missing, :math:`D = \sum (-e_i)^+`, is paid by the insurance fund, and the share
:math:`\theta` of the rest :math:`R = (D - IF)^+` by the accounts in profit:

- ``"pro_rata"``: each loses the fraction :math:`\theta R/W` of its equity, :math:`W = \sum e_i^+`;
- ``"queue"``: the accounts with the highest score, leverage times mark over entry (entry over mark for shorts), lose all
  of theirs until it is paid.

Known results: price changes and funding add up to zero over the book and the outside account, and so do contracts; the fund
is never negative; both rules pay the same amount, and the queue concentrates it. Equities (10, 5, 1, -3, -12) with
:math:`\theta = 1/2` and the order 2, 1, 3: haircuts (0.25, 1, 0) or 0.46875 each.

The rules and the five-position book are the paper's (its haircut carries an extra factor of equity, a misprint); that
liquidated contracts are taken by the outside account, which gains the impact, closes the books and is this package's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.mechanisms.liquidation_engine import auto_deleverage
from dynamics.systems import DeclaredProcess, Measure, Parameter, Reference, State

__all__ = ["churn_probability", "closing_size", "system"]

_LIQUIDATIONS, _RULES = ("greedy", "none"), ("pro_rata", "queue")
TOY_SIZES, TOY_SIDES = (1, 1, 4, 1, 1), (1, 1, -1, 1, -1)
TOY_COLLATERALS = (2, 2 / 3, 8 / 3, 2 / 19, 10 / 99)
TOY_MARKS, TOY_ORACLES = (1, 1.4, 1.3), (1, 1.5, 1.25)


class _Venue(DeclaredProcess):
    def step(self, state: Mapping[str, Any], parameters: Mapping[str, Any], generator: Any) -> dict[str, Any]:
        """Return the accounts at the next date; after the last date prices stay."""
        date = min(int(state["date"]) + 1, len(parameters["marks"]) - 1)
        mark, oracle = parameters["marks"][date], parameters["oracles"][date]
        side, size, equity = parameters["sides"], np.array(state["size"]), np.array(state["equity"])
        outside, outside_equity = state["outside"], state["outside_equity"]
        longs, shorts = size[side > 0].sum(), size[side < 0].sum()
        funding = parameters["funding_scale"] * (longs / shorts - mark / oracle) if shorts > 0 else 0.0
        gain = mark - state["mark"] + funding * mark
        equity, outside_equity = equity + side * size * gain, outside_equity + outside * gain

        called = (equity < parameters["maintenance"] * mark * size).astype(float)
        fund, fees, deficit = state["insurance_fund"], 0.0, 0.0
        for account in np.flatnonzero(called) if self.options["liquidation"] == "greedy" else ():
            closed = closing_size(equity[account], size[account], mark, parameters["maintenance"], parameters["impact"],
                                  parameters["cushion"])
            cost, fee = parameters["impact"] / 2 * closed**2, parameters["fund_fee"] * mark * closed
            equity[account] -= cost + fee
            size[account] -= closed
            outside, outside_equity, fees = outside + side[account] * closed, outside_equity + cost, fees + fee
            if equity[account] < 0:
                outside, size[account] = outside + side[account] * size[account], 0.0
                deficit, equity[account] = deficit - equity[account], 0.0
        paid = min(fund + fees, deficit)
        haircuts = self._haircuts(equity, size, side, mark, parameters, deficit - paid)
        taken = float(np.sum(haircuts * np.maximum(equity, 0)))
        return {"date": float(date), "mark": float(mark), "funding_rate": float(funding), "size": size,
                "equity": equity * (1 - haircuts), "called": called, "haircut": haircuts,
                "insurance_fund": fund + fees - paid, "outside": float(outside), "outside_equity": float(outside_equity),
                "deficit": state["deficit"] + deficit, "auto_deleveraged": state["auto_deleveraged"] + taken,
                "bad_debt": state["bad_debt"] + deficit - paid - taken}

    def _haircuts(self, equity: Any, size: Any, side: Any, mark: float, parameters: Mapping[str, Any], rest: float) -> Any:
        """Share of its equity that each account loses for what the fund did not pay."""
        if not rest > 0:
            return np.zeros(len(equity))
        order = None
        if self.options["rule"] == "queue":
            leverage = mark * size / np.where(equity > 0, equity, np.inf)
            order = np.argsort(-leverage * (mark / parameters["marks"][0])**side, kind="stable").tolist()
        return np.array(auto_deleverage((*equity, -rest), parameters["severity"], order)[:-1])


def system(*, liquidation: str = "greedy", rule: str = "pro_rata", sizes: Sequence[float] = TOY_SIZES,
           sides: Sequence[float] = TOY_SIDES, collaterals: Sequence[float] = TOY_COLLATERALS,
           marks: Sequence[float] = TOY_MARKS, oracles: Sequence[float] = TOY_ORACLES) -> DeclaredProcess:
    """Make the model for a book of positions, all entered at the first mark.

    Parameters
    ----------
    liquidation : {"greedy", "none"}
        Whether accounts below maintenance are closed, or only marked.
    rule : {"pro_rata", "queue"}
        Who pays what the fund does not.
    sizes : (positions,) sequence of float
        Contracts, positive.
    sides : (positions,) sequence of float
        1 for a long, -1 for a short.
    collaterals : (positions,) sequence of float
        Equity at the first date, in the currency of the marks.
    marks : (dates,) sequence of float
        Mark prices.
    oracles : (dates,) sequence of float
        Oracle prices.

    Returns
    -------
    DeclaredProcess
        Steps from date to date; indices ``position`` and ``quote``.

    Raises
    ------
    SpecificationError
        For another option, lengths that do not agree, or a side that is not 1 or -1.

    Examples
    --------
    >>> import dynamics as dy
    >>> book = dy.iterate(dy.models.load("autodeleveraging", liquidation="none"), 2)
    >>> book["funding_rate"].values[1:].round(4).tolist(), book["equity"].isel(time=-1).values.round(4).tolist()
    ([-0.3333, -0.44], [1.2613, -0.072, 5.6213, -0.6334, 0.8397])
    """
    for name, value, known in (("liquidation", liquidation, _LIQUIDATIONS), ("rule", rule, _RULES)):
        if value not in known:
            raise SpecificationError(f"{name} must be one of {', '.join(known)}, not {value!r}."
                                     f"{did_you_mean(str(value), known)}")
    if not len(sizes) == len(sides) == len(collaterals) or len(marks) != len(oracles):
        raise SpecificationError("sizes, sides and collaterals need one number for each position "
                                 f"({len(sizes)}, {len(sides)}, {len(collaterals)}), marks and oracles one for each date "
                                 f"({len(marks)}, {len(oracles)})")
    if any(side not in (1, -1) for side in sides):
        raise SpecificationError(f"sides must be 1 (long) or -1 (short), not {tuple(sides)}")
    unmatched = -sum(size * side for size, side in zip(sizes, sides, strict=True))
    of_position, paid = ("position",), (0, None)
    return _Venue(
        name="autodeleveraging",
        states={
            "date": State(0, "1", paid, "t", "number of the date"),
            "mark": State(marks[0], "1", paid, "p", "mark price"),
            "funding_rate": State(0, "1", (None, None), "gamma", "funding of the date, over the value of a long"),
            "size": State(tuple(sizes), "1", paid, "q", "contracts of each account", of_position),
            "equity": State(tuple(collaterals), "1", (None, None), "e", "equity of each account", of_position),
            "called": State((0,) * len(sizes), "1", (0, 1), "c", "1 where the account was below maintenance", of_position),
            "haircut": State((0,) * len(sizes), "1", (0, 1), "h", "share of its equity that an account lost", of_position),
            "insurance_fund": State("initial_fund", "1", paid, "IF", "insurance fund"),
            "outside": State(unmatched, "1", (None, None), "o", "contracts of the account outside the book, longs positive"),
            "outside_equity": State(0, "1", (None, None), "e_o", "gains of the account outside the book"),
            "deficit": State(0, "1", paid, "D", "what liquidated accounts were short of, summed over dates"),
            "auto_deleveraged": State(0, "1", paid, "A", "paid by accounts in profit, summed over dates"),
            "bad_debt": State(0, "1", paid, "B", "paid by nobody, summed over dates"),
        },
        parameters={
            "maintenance": Parameter("0.1", "1", (0, 1), "m", "maintenance margin over position value",
                                     "the paper's example"),
            "impact": Parameter("0.02", "1", paid, "alpha", "fall of the price per contract closed", "our choice"),
            "cushion": Parameter(0, "1", paid, "tau", "equity beyond maintenance that a liquidation restores", "our choice"),
            "fund_fee": Parameter(0, "1", (0, 1), "f", "share of what is closed that goes to the fund", "our choice"),
            "initial_fund": Parameter(0, "1", paid, "IF_0", "insurance fund at the start", "our choice"),
            "severity": Parameter("0.5", "1", (0, 1), "theta", "share of the rest that accounts in profit pay",
                                  "the paper's example"),
            "funding_scale": Parameter(1, "1", paid, "k", "funding over the imbalance and premium of the date",
                                       "the paper's example"),
            "sides": Parameter(tuple(sides), "1", (-1, 1), "s", "1 for a long, -1 for a short", "the book", of_position),
            "marks": Parameter(tuple(marks), "1", paid, meaning="mark prices", source="the book", over=("quote",)),
            "oracles": Parameter(tuple(oracles), "1", paid, meaning="oracle prices", source="the book", over=("quote",)),
        },
        observables={"money": "total(equity, position) + outside_equity + insurance_fund - bad_debt",
                     "contracts": "total(sides*size, position) + outside"},
        measures={"largest_haircut": Measure("total(haircut, position)", "max", "1", "largest sum of haircuts"),
                  "final_bad_debt": Measure("bad_debt", "final", "1", "paid by nobody"),
                  "least_fund": Measure("insurance_fund", "min", "1", "smallest insurance fund")},
        options={"liquidation": liquidation, "rule": rule},
        indices={"position": len(sizes), "quote": len(marks)},
        references=(Reference("T. Chitra", 2025, "Autodeleveraging: Impossibilities and Optimization", "arXiv 2512.01112"),),
    )


def closing_size(equity: float, size: float, mark: float, maintenance: float, impact: float, cushion: float = 0.0) -> float:
    """closing_size(equity, size, mark, maintenance, impact): the fewest contracts whose closing restores the margin.

    Parameters
    ----------
    equity, size, mark : float
        Of the account, in contracts and currency.
    maintenance : float
        Margin over position value.
    impact : float
        Fall of the price per contract closed.
    cushion : float
        Equity beyond the margin that is restored.

    Returns
    -------
    float
        All of ``size`` where no part of it is enough.

    Examples
    --------
    >>> closed = closing_size(0.5, 10, 1, 0.1, 0.01)
    >>> round(0.5 - 0.005*closed**2, 12) == round(0.1*(10 - closed), 12)
    True
    """
    requirement = maintenance * mark
    missing = requirement * size - equity + cushion
    if missing <= 0:
        return 0.0
    if equity <= 0 or requirement**2 < 2 * impact * missing:
        return size
    # the smaller root, in the form that is not a difference of near equals
    return min(size, 2 * missing / (requirement + math.sqrt(requirement**2 - 2 * impact * missing)))


def churn_probability(haircut: float, wealth: float, sensitivity: float) -> float:
    """churn_probability(haircut, wealth, sensitivity): chance that an account leaves the venue after a haircut.

    Parameters
    ----------
    haircut, wealth : float
        What was taken, and what the account had, in the same currency.
    sensitivity : float
        beta of 1 - exp(-beta h/w).

    Returns
    -------
    float

    Examples
    --------
    >>> round(churn_probability(5, 10, 2), 6)
    0.632121
    """
    return -math.expm1(-sensitivity * haircut / wealth)
