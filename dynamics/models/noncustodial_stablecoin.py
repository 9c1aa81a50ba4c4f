r"""Collateralised stablecoin whose single speculator issues and retires coins, after Klages-Mundt and Minca.

Holders keep a constant demand :math:`D` in dollars, so that :math:`L` coins are worth :math:`Z = D/L` each. A speculator
with collateral worth :math:`z` chooses the next supply :math:`L'`, paid at the price after the trade, for the largest
expected value :math:`r(z + (L' - L) D/L') - L'` under the constraint :math:`\bar\lambda (z + (L' - L)D/L') \ge \beta L'`:

.. math::

    L' = \min(\max(\sqrt{r D L}, L_-), L_+), \qquad
    L_\pm = \frac{\bar\lambda (z + D) \pm \sqrt{\bar\lambda^2 (z + D)^2 - 4 \beta\bar\lambda L D}}{2\beta} .

Where no supply satisfies the constraint the speculator goes to the one that misses it least, :math:`\bar\lambda(z +
D)/(2\beta)`. That rule, and collateral that is held fixed (a parameter), are this package's reduction; in the paper such a
speculator is liquidated, and the collateral's price is a random walk.

Known results: free of the constraint, :math:`\ln(L/rD)` halves at every step towards :math:`L = rD`, :math:`Z = 1/r`. The
constraint can be met iff :math:`z \ge 2\sqrt{\beta L D/\bar\lambda} - D` (a fold, at which :math:`Z = \sqrt{\beta
D/(\bar\lambda L)}`). Below :math:`z = \beta r D/\bar\lambda` it binds at the peg, and coins are worth more while collateral
falls: the deleveraging spiral. The point :math:`L = \bar\lambda z/\beta` at which it binds has the slope :math:`-D/(z -
D)`.
"""

from __future__ import annotations

from dynamics.systems import Event, Measure, Parameter, Reference, Shock, State, System

__all__ = ["system"]


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> coin = dy.models.load("noncustodial_stablecoin").with_parameters(collateral=145)
    >>> round(float(dy.iterate(coin, 1)["price"][-1]), 9)
    1.2
    """
    return System(
        name="noncustodial_stablecoin",
        time="discrete",
        time_unit="day",
        states={"supply": State(100, "1", (0, None), "L", "coins outstanding, each meant to be worth one dollar")},
        parameters={
            "demand": Parameter(100, "1", (0, None), "D", "holders' demand in dollars", "the authors' simulator"),
            "collateral": Parameter(180, "1", (0, None), "z", "dollars of collateral", "our choice"),
            "expected_return": Parameter(1, "1", (0, None), "r", "expected gross return of the collateral", "our choice"),
            "threshold": Parameter("1.5", "1", (0, None), "beta", "least ratio of collateral to coins",
                                   "the authors' simulator, constant demand"),
            "risk_factor": Parameter(1, "1", (0, 1), "lambda_bar",
                                     "share of collateral that the speculator counts on; below one is a value-at-risk rule",
                                     "the authors' simulator, risk neutral"),
        },
        definitions={
            "free_supply": "sqrt(expected_return*demand*supply)",
            "middle": "risk_factor*(collateral + demand)/(2*threshold)",
            "room": "middle**2 - risk_factor*supply*demand/threshold",
            "half_width": "sqrt(room) if room > 0 else 0",
        },
        equations={"supply": "min(max(free_supply, middle - half_width), middle + half_width)"},
        observables={"price": "demand/supply", "collateral_ratio": "collateral/supply"},
        measures={"highest_price": Measure("price", "max", "1", "highest price of the coin"),
                  "lowest_price": Measure("price", "min", "1", "lowest price of the coin")},
        events={"infeasible": Event("room", "falling", meaning="no supply satisfies the constraint"),
                "closed": Event("supply", "falling", terminal=True, meaning="no coins are left")},
        shocks={"supply": Shock({"supply": "supply*(1 + magnitude)"}, meaning="share of coins issued by others")},
        references=(
            Reference("A. Klages-Mundt, A. Minca", 2019, "(In)Stability for the Blockchain", "arXiv 1906.02152"),
        ),
    )
