r"""Noncustodial stablecoin with liquidations, after Klages-Mundt and Minca: two thresholds of the collateral's price.

Holders keep a constant demand :math:`D` in dollars, so that :math:`L` coins are worth :math:`Z = D/L` each. The speculator
who issues them has :math:`N` units of collateral at the price :math:`X` and must keep :math:`NX \ge \beta L`. While that
holds he chooses the next supply for the largest expected value :math:`r\,(NX + (L' - L)D/L') - L'/\kappa` under
:math:`NX + (L' - L)D/L' \ge \beta L'`,

.. math::

    L' = \min\bigl(\sqrt{\kappa r D L},\, L_+\bigr), \qquad N' = N + \frac{(L' - L) D}{L' X}, \qquad
    \beta L_+^2 - (NX + D) L_+ + L D = 0

(the larger root; the smaller one never binds there).

Once :math:`NX \le \beta L` the protocol retires :math:`\ell` coins, as many as restore the ratio at par, and pays the market
for them :math:`\alpha` times over (fees and slippage),

.. math::

    \ell = \frac{\beta L - NX}{\beta - 1}, \qquad L' = L - \ell, \qquad N' = N - \frac{\alpha\,\ell D}{(L - \ell) X} .

Known results: liquidation starts at the price :math:`b(L) = \beta L/N` and takes all of the collateral at

.. math:: c(L) = \frac{L - \alpha D + \sqrt{(L - \alpha D)^2 + 4 \alpha\beta D L}}{2 N} .

While no coin is liquidated :math:`L \le \kappa r D` and :math:`Z \ge 1/(\kappa r)`; there the price of a coin that starts
at :math:`m` leaves its range with probability :math:`P(\max|Z - m| > \epsilon) \le (2/\epsilon)(m - 1/\kappa r)` and its
quadratic variation is bounded by :math:`P(\sqrt{[Z]} > \epsilon) \le (6/\epsilon)(m - 1/\kappa r)`
(:func:`deviation_bound`). In a liquidation supply falls and the coin is worth more just when it has to be bought: the
deflationary deleveraging spiral.

The thresholds, the liquidation and the bounds are the paper's (for :math:`\beta = 3/2` in its notation; any :math:`\beta`
is derived here). That the speculator does not price the liquidations ahead of him (the form that gives the bounds; the paper
adds their expected cost), that coins retired below :math:`c(L)` are those which the collateral can buy, and that its price
is a parameter (random in the paper) is this package's reduction.
"""

from __future__ import annotations

from dynamics.errors import SpecificationError
from dynamics.systems import Event, Measure, Parameter, Reference, Shock, State, System

__all__ = ["deviation_bound", "system"]


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> coin = dy.models.load("stablecoin_stability").with_parameters(collateral_price=1.4)     # below b(L) = 1.5
    >>> run = dy.iterate(coin, 1)
    >>> run["supply"].values.round(6).tolist(), run["coin_price"].values.round(6).tolist()
    ([100.0, 80.0], [1.0, 1.25])
    """
    return System(
        name="stablecoin_stability",
        time="discrete",
        time_unit="day",
        states={
            "supply": State(100, "1", (0, None), "L", "coins outstanding, each meant to be worth one dollar"),
            "collateral": State(100, "1", (0, None), "N", "units of collateral"),
        },
        parameters={
            "collateral_price": Parameter(2, "1", (0, None), "X", "dollars per unit of collateral", "our choice"),
            "demand": Parameter(100, "1", (0, None), "D", "holders' demand in dollars", "the paper's example"),
            "expected_return": Parameter("1.00111", "1", (0, None), "r", "expected gross return of the collateral in a day",
                                         "the paper: 1.5 in a year"),
            "cost_factor": Parameter("1/0.999", "1", (0, None), "kappa", "value over expected cost of an issued coin",
                                     "the paper: 1/kappa = 0.999"),
            "threshold": Parameter("1.5", "1", (1, None), "beta", "least ratio of collateral to coins", "the paper"),
            "liquidation_cost": Parameter(1, "1", (1, None), "alpha", "paid for retired coins over their market value",
                                          "the paper's range starts at 1"),
        },
        definitions={
            "collateral_value": "collateral*collateral_price",
            "free_supply": "sqrt(cost_factor*expected_return*demand*supply)",
            "middle": "(collateral_value + demand)/(2*threshold)",
            "largest_supply": "middle + sqrt(middle**2 - supply*demand/threshold)",
            "partly_liquidated": "(collateral_value - supply)/(threshold - 1)",
            "wholly_liquidated": "liquidation_cost*demand*supply/(liquidation_cost*demand + collateral_value)",
            "excess_supply": "supply - liquidation_cost*demand",
            "margin_of_collateral": "collateral_value**2 - excess_supply*collateral_value"
                                    " - liquidation_cost*threshold*demand*supply",
            "exhaustion_value": "(excess_supply + sqrt(excess_supply**2 + 4*liquidation_cost*threshold*demand*supply))/2",
            "overissue": "threshold*free_supply**2 - (collateral_value + demand)*free_supply + supply*demand",
            "chosen_supply": "largest_supply if overissue > 0 else free_supply",
            "liquidated_supply": "partly_liquidated if margin_of_collateral > 0 else wholly_liquidated",
            "next_supply": "chosen_supply if collateral_value > threshold*supply else liquidated_supply",
            "price_factor": "1 if collateral_value > threshold*supply else liquidation_cost",
        },
        equations={
            "supply": "next_supply",
            "collateral": "collateral + (1 - supply/next_supply)*price_factor*demand/collateral_price"
                          " if margin_of_collateral > 0 else 0",
        },
        observables={
            "coin_price": "demand/supply",
            "collateral_ratio": "collateral_value/supply",
            "liquidation_price": "threshold*supply/collateral",
            "exhaustion_price": "exhaustion_value/collateral",
        },
        measures={"highest_price": Measure("demand/supply", "max", "1", "highest price of the coin"),
                  "lowest_price": Measure("demand/supply", "min", "1", "lowest price of the coin")},
        events={
            "liquidation": Event("collateral_value - threshold*supply", "falling", meaning="the protocol retires coins"),
            "exhaustion": Event("collateral_value - exhaustion_value", "falling",
                                meaning="a liquidation takes all of the collateral"),
        },
        shocks={"supply": Shock({"supply": "supply*(1 + magnitude)"}, meaning="share of coins issued by others"),
                "collateral": Shock({"collateral": "collateral*exp(-magnitude)"},
                                    meaning="fall of the log value of the collateral")},
        references=(
            Reference("A. Klages-Mundt, A. Minca", 2022, "While stability lasts: a stochastic model of noncustodial "
                      "stablecoins", "Mathematical Finance 32(4), 943-981", doi="10.1111/mafi.12357"),
        ),
    )


def deviation_bound(deviation: float, start: float, kappa: float, expected_return: float, *, of: str = "price") -> float:
    """deviation_bound(deviation, start, kappa, expected_return): bound on a probability while no coin is liquidated.

    Parameters
    ----------
    deviation : float
        Deviation of the price from its start, or root of the quadratic variation, dollars; positive.
    start : float
        Price m of the coin at the start, dollars.
    kappa, expected_return : float
        Value over cost of an issued coin, and gross return of the collateral per step.
    of : {"price", "variation"}
        What exceeds ``deviation``: the largest deviation, or the root of the quadratic variation.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    SpecificationError
        For a deviation that is not positive, or a start below 1/(kappa r), where the price is never while stable.

    References
    ----------
    A. Klages-Mundt and A. Minca (2022), theorems 1 and 2. https://doi.org/10.1111/mafi.12357

    Examples
    --------
    >>> r = 1.5 ** (1/365)
    >>> [round(deviation_bound(0.1, 1, 1/0.999, r, of=kind), 5) for kind in ("price", "variation")]
    [0.04218, 0.12655]
    """
    factors = {"price": 2, "variation": 6}
    if of not in tuple(factors):
        raise SpecificationError(f"of must be 'price' or 'variation', not {of!r}")
    lowest = 1 / (kappa * expected_return)
    if not deviation > 0 or start < lowest:
        raise SpecificationError("give a positive deviation and a start of at least 1/(kappa*expected_return) = "
                                 f"{lowest:g}, not {deviation} and {start}")
    return min(1.0, factors[of] / deviation * (start - lowest))
