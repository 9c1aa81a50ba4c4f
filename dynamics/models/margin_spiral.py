r"""Margin and loss spirals of Brunnermeier and Pedersen, in relaxation form.

Speculators absorb the selling pressure :math:`Z` of customers as far as their capital covers the margins. Financiers set
margins by past price changes, so a falling price raises them: with the price shortfall :math:`u = p_0 - p`, customers take
:math:`k u` themselves and speculators need the capital

.. math:: h(u) = z_\pi(\underline\sigma + \theta u)(Z - k u), \qquad W(u) = W_0 - x_0 u,

the second term being the loss on the position :math:`x_0` they came with. Where capital is short the price falls at the
rate :math:`a` per unit of missing capital; where it is ample the price recovers, at most at the rate :math:`b`:

.. math:: \dot u = \max(a\,[h(u) - W(u)],\, -b u).

Fixed points are the market equilibria of the paper: full liquidity :math:`u = 0` where :math:`W_0 \ge h(0)`, and the
solutions of :math:`h = W`. The relaxation is this package's reduction of a one-shot equilibrium (the paper has no such
dynamics), and so are the parameter values: those of the paper's figure could not be read.

Known results (:math:`x_0 = 0`): margins spiral iff :math:`\theta > k\underline\sigma/Z`; folds at :math:`u = 0` and
:math:`u_f = (\theta Z - k\underline\sigma)/(2\theta k)`, with capital :math:`h(0)` and :math:`h(u_f)`: between them liquid
and illiquid states coexist. A capital shock moves the price by :math:`1/(k m + m' x - x_0)`.
"""

from __future__ import annotations

from dynamics.systems import Event, Measure, Parameter, Reference, Shock, State, System

__all__ = ["system"]

_OURS = "our choice"


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> points = dy.fixed_points(dy.models.load("margin_spiral"))
    >>> sorted(round(120 - point.values["shortfall"], 4) for point in points if point.admissible)
    [80.3285, 118.0049, 120.0]
    """
    return System(
        name="margin_spiral",
        time="continuous",
        time_unit="day",
        states={"shortfall": State(0, "USD", (0, None), "u", "price before the shock minus price")},
        parameters={
            "capital": Parameter(720, "USD", (0, None), "W_0", "speculators' capital at the price before the shock", _OURS),
            "selling_pressure": Parameter(30, "1", (0, None), "Z", "units that customers want to sell", _OURS),
            "customer_slope": Parameter("0.4", "1/USD", (0, None), "k",
                                        "units customers take per unit of price: 2/(risk aversion * variance)", _OURS),
            "quiet_volatility": Parameter(10, "USD", (0, None), "sigma_0", "volatility after a quiet period", _OURS),
            "volatility_response": Parameter("0.3", "1", (0, None), "theta", "rise of volatility per unit of price change",
                                             _OURS),
            "quantile": Parameter("2.326347874040841", "1", (0, None), "z_pi", "margin quantile, 1 % of a normal law",
                                  _OURS),
            "position": Parameter(0, "1", (None, None), "x_0", "units speculators held before", _OURS),
            "price_response": Parameter("0.01", "1/day", (0, None), "a", "fall of the price per unit of missing capital",
                                        _OURS),
            "recovery": Parameter(1, "1/day", (0, None), "b", "fastest recovery of the price", _OURS),
        },
        definitions={
            "margin": "quantile*(quiet_volatility + volatility_response*shortfall)",
            "speculators_position": "selling_pressure - customer_slope*shortfall",
            "needed_capital": "margin*speculators_position",
            "available_capital": "capital - position*shortfall",
        },
        equations={"shortfall": "max(price_response*(needed_capital - available_capital), -recovery*shortfall)"},
        observables={"missing_capital": "needed_capital - available_capital"},
        measures={"largest_shortfall": Measure("shortfall", "max", "USD", "largest fall of the price")},
        events={"speculators_gone": Event("speculators_position", "falling", meaning="customers hold everything")},
        shocks={"price": Shock({"shortfall": "shortfall + magnitude"}, (0, None), "USD", "further fall of the price")},
        references=(
            Reference("M. K. Brunnermeier, L. H. Pedersen", 2009, "Market liquidity and funding liquidity",
                      "Review of Financial Studies 22", "10.1093/rfs/hhn098"),
        ),
    )
