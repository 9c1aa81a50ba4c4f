r"""Exchange reserves: coins move to the exchange in a fall, press on the price and deepen the market.

Reserves r, relative to their normal level, grow when the price falls (coins come to be sold) and drain back to private
wallets; what lies above normal is on offer, and depth grows with what is there,

.. math:: \dot r = -\alpha\,r\,\dot x - (r - 1)/T, \qquad
          g \to g - \xi\,(r - 1), \qquad \eta_{\mathrm{effective}} = \eta\, r^{-\theta_r}.

At rest r = 1. The inflow in a fall is one more reason to sell: :math:`\xi \alpha` destabilises; depth matters in second
order only.

Source: none. No published equation was found; this is a documented assumption, including the defaults.

==================  =========  =======  =====  ==================================================  ==========
parameter           symbol     default  unit   meaning                                             source
==================  =========  =======  =====  ==================================================  ==========
reserve_inflow      alpha      1        1      inflow per unit of fall of the log price            assumption
reserve_outflow     T          10       day    time in which reserves drain to normal              assumption
reserve_pressure    xi         0.05     1/day  sales per unit of excess reserves                   assumption
reserve_depth       theta_r    0.5      1      depth is reserves to this power                     assumption
==================  =========  =======  =====  ==================================================  ==========

Ports: reads ``price_change``; changes ``voluntary_flow``, ``effective_impact``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Parameter, State, System

__all__ = ["apply", "provides", "requires"]

requires = ("voluntary_flow", "effective_impact", "price_change")
provides = ("reserves",)


def apply(system: System, *, prefix: str = "") -> System:
    """Add exchange reserves as a state that sells above normal and deepens the market.

    Parameters
    ----------
    system : System
        With the ports ``voluntary_flow``, ``effective_impact`` and ``price_change``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> stocked = dy.compose(dy.models.load("deleveraging"), "exchange_reserves")
    >>> stocked.definitions["effective_impact"]
    '(price_impact)*reserves**(-reserve_depth)'
    """
    reserves, inflow, outflow, pressure, depth = (f"{prefix}{n}" for n in (
        "reserves", "reserve_inflow", "reserve_outflow", "reserve_pressure", "reserve_depth"))
    return extend(
        system, "exchange_reserves",
        add={
            "states": {reserves: State(1, "1", (0, None), "r", "coins on exchanges relative to their normal level")},
            "parameters": {
                inflow: Parameter(1, "1", (0, None), "alpha", "inflow per unit of fall of the log price", "assumption"),
                outflow: Parameter(10, "day", (0, None), "T", "time in which reserves drain to normal", "assumption"),
                pressure: Parameter(0.05, "1/day", (0, None), "xi", "sales per unit of excess reserves", "assumption"),
                depth: Parameter(0.5, "1", (0, 1), "theta_r", "depth is reserves to this power", "assumption"),
            },
            "equations": {reserves: f"-{inflow}*{reserves}*price_change - ({reserves} - 1)/{outflow}"},
        },
        override={"definitions": {
            "voluntary_flow": f"{system.definitions['voluntary_flow']} - {pressure}*({reserves} - 1)",
            "effective_impact": f"({system.definitions['effective_impact']})*{reserves}**(-{depth})",
        }},
    )
