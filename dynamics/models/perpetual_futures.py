r"""A venue for perpetual futures: the core with contracts outstanding, funding and a liquidation engine with its fund.

The core of ``deleveraging`` in which holders' positions are perpetual contracts. Mechanisms are applied in this order, and
their own pages have the equations and sources:

1. ``open_interest``: contracts outstanding follow net flow, and impact is per contract,
   :math:`\dot o = \varphi - \rho_o o, \ \eta_{\mathrm{effective}} = \eta e^{o}`;
2. ``funding_rate``: longs pay a clamped premium, :math:`F = P + \min(c, \max(-c, I - P))`;
3. ``liquidation_engine``: triggers on a late oracle price, executes below the market at the loss :math:`\ell = b + s + f`,
   pays shortfalls out of an insurance fund and, as that runs low, out of winning positions (auto-deleveraging).

.. math::

    \dot x &= -\kappa x + \eta e^{o} (\varphi + \chi q), \qquad \varphi = \theta(\lambda^* u - 1) - s\,n (F - I) - q, \\
    \dot u &= (1 - u)\,\dot x - u \varphi - n (F - I) - \min(\ell, u)\,q, \qquad
    \dot q = \bigl[f_c (1 - f_f)\, Q \max(0, 1 - u_o/u_m) - q\bigr]/\tau, \\
    \dot P &= (\pi x - P)/\tau_P, \qquad \dot x_o = (x - x_o)/\tau_o, \qquad u_o = 1 - (1 - u)\,e^{x - x_o}.

Margin tiers, market depth, a queue of orders or governance can be put on top of it.

Known results: at rest the premium is inside the clamp and nobody is closed, so that the ordinary fixed point
:math:`u = 1/\lambda^*` and its stability are the core's: stable iff :math:`\eta(\lambda^* - 1) < 1 + \kappa/\theta`,
whatever the oracle, the fund and the funding rule. They decide what happens after a shock: how much is sold, what the fund
pays and whether the fall ends in insolvency. Without oracle lag, execution loss, premium and renewal of contracts the venue
is the core with ``depletion``. The composition is a reduced form made for this package.
"""

from __future__ import annotations

from dataclasses import replace

from dynamics import mechanisms
from dynamics.models import deleveraging
from dynamics.systems import System

__all__ = ["system"]


def system() -> System:
    """Make the model.

    Returns
    -------
    System
        Composes further, as in ``dy.compose(venue, "margin_tiers")``.

    Examples
    --------
    >>> import dynamics as dy
    >>> venue = dy.models.load("perpetual_futures")
    >>> list(venue.states)
    ['price_gap', 'equity_ratio', 'liquidation_flow', 'log_open_interest', 'premium', 'oracle_gap', 'insurance_fund']
    """
    venue = mechanisms.compose(deleveraging.system(), "open_interest", "funding_rate",
                               ("liquidation_engine", {"execution": "below_market"}))
    return replace(venue, name="perpetual_futures")
