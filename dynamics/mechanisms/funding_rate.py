r"""Funding rate: longs of a perpetual contract pay shorts when the contract trades above its index.

The premium P of the contract is a share of the price gap, averaged over a while; the funding rate per interval (8
hours) adds a clamped interest component,

.. math::
    \dot P = (\pi x - P)/\tau_P, \qquad F = P + \min(c, \max(-c,\, I - P)), \qquad
    \dot u = \ldots - n\,(F - I), \qquad g \to g - s\,n\,(F - I),

with n intervals a day. Only funding beyond the interest component I moves equity: I stands for the carry of the index,
which holders of the contract save. Hence funding does nothing while the premium is within the clamp, :math:`|P - I| <
c`: there the ordinary fixed point and its stability are the core's, and the restoring force begins outside.

With constant coefficients, no clamp, funding :math:`\kappa (f - p) + \iota p` and interest :math:`r_a, r_b` in the
contract's and the base currency, the contract's price is :math:`f = p\,(\kappa - \iota)/(\kappa + r_b - r_a)`.

Sources: clamp and interval, published rules of derivatives venues (see ``dynamics.data.venues``); price with constant
coefficients, D. Ackerer, J. Hugonnier and U. Jermann, Perpetual futures pricing (2024), doi:10.3386/w32936, derived
again. The premium as a share of the gap, the response of holders and the defaults other than I and c are assumptions.

====================  ======  =======  =====  =====================================================  ===========
parameter             symbol  default  unit   meaning                                                source
====================  ======  =======  =====  =====================================================  ===========
premium_share         pi      0.02     1      share of the price gap that is premium over the index  assumption
premium_average       tau_P   0.3333   day    time over which the premium is averaged (8 hours)      venue rules
funding_interest      I       0.0001   1      interest component per interval                        venue rules
funding_clamp         c       0.0005   1      bound of interest minus premium                        venue rules
intervals             n       3        1/day  funding intervals per day                              venue rules
funding_response      s       5        1      voluntary flow per funding paid                        assumption
====================  ======  =======  =====  =====================================================  ===========

Ports: reads ``price_gap``, ``equity_ratio``; changes ``voluntary_flow`` and the equation of ``equity_ratio``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "funding", "perpetual_price", "provides", "requires"]

requires = ("voluntary_flow", "price_gap", "equity_ratio")
provides = ("premium", "funding_rate", "excess_funding")


def apply(system: System, *, prefix: str = "") -> System:
    """Add the premium, the funding rate, what it costs and how holders respond.

    Parameters
    ----------
    system : System
        With the port ``voluntary_flow`` and the states ``price_gap`` and ``equity_ratio``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> perpetual = dy.compose(dy.models.load("deleveraging"), "funding_rate")
    >>> perpetual.definitions["funding_rate"]
    'premium + min(funding_clamp, max(-funding_clamp, funding_interest - premium))'
    """
    premium, rate, excess, share, average, interest, clamp, intervals, response = (f"{prefix}{n}" for n in (
        "premium", "funding_rate", "excess_funding", "premium_share", "premium_average", "funding_interest", "funding_clamp",
        "intervals", "funding_response"))
    return extend(
        system, "funding_rate",
        add={
            "states": {premium: State(0, "1", (None, None), "P", "average premium of the contract over its index")},
            "parameters": {
                share: Parameter(0.02, "1", (0, 1), "pi", "share of the price gap that is premium over the index",
                                 "assumption"),
                average: Parameter("1/3", "day", (0, None), "tau_P", "time over which the premium is averaged",
                                   "venue rules"),
                interest: Parameter(0.0001, "1", (0, None), "I", "interest component per interval", "venue rules"),
                clamp: Parameter(0.0005, "1", (0, None), "c", "bound of interest minus premium", "venue rules"),
                intervals: Parameter(3, "1/day", (0, None), "n", "funding intervals per day", "venue rules"),
                response: Parameter(5, "1", (0, None), "s", "voluntary flow per funding paid", "assumption"),
            },
            "definitions": {
                rate: f"{premium} + min({clamp}, max(-{clamp}, {interest} - {premium}))",
                excess: f"{intervals}*({rate} - {interest})",
            },
            "equations": {premium: f"({share}*price_gap - {premium})/{average}"},
            "measures": {f"{prefix}funding_paid": Measure(
                excess, "integral", meaning="funding beyond interest paid by longs, over position value")},
        },
        override={
            "definitions": {"voluntary_flow": f"{system.definitions['voluntary_flow']} - {response}*{excess}"},
            "equations": {"equity_ratio": f"{system.equations['equity_ratio']} - {excess}"},
        },
    )


def funding(premium: float, interest: float = 0.0001, clamp: float = 0.0005) -> float:
    """funding(premium): the funding rate of an interval.

    Parameters
    ----------
    premium, interest, clamp : float
        Shares of the price (0.0001 is one basis point).

    Returns
    -------
    float

    Examples
    --------
    >>> [round(1e4 * funding(1e-4 * premium), 9) for premium in (-20, 6, 20)]        # in basis points
    [-15.0, 1.0, 15.0]
    """
    return premium + min(clamp, max(-clamp, interest - premium))


def perpetual_price(index: float, premium_rate: float, interest: float, base_rate: float, contract_rate: float) -> float:
    """perpetual_price(index, premium_rate, interest, base_rate, contract_rate): with constant coefficients.

    Parameters
    ----------
    index : float
        Price of the underlying.
    premium_rate, interest : float
        Funding kappa*(f - p) + iota*p per unit of time.
    base_rate, contract_rate : float
        Interest rates r_b of the underlying and r_a of the contract's currency, per unit of time.

    Returns
    -------
    float

    References
    ----------
    D. Ackerer, J. Hugonnier and U. Jermann (2024). Perpetual futures pricing. https://doi.org/10.3386/w32936

    Examples
    --------
    >>> round(1e4 * (perpetual_price(1, 1095, 0, 0, 0.05) - 1), 3)       # basis points
    0.457
    """
    return index * (premium_rate - interest) / (premium_rate + base_rate - contract_rate)
