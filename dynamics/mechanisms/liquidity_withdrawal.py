r"""Liquidity withdrawal: market makers step back when the price has moved.

A reduced form of high-frequency market making. Depth y (relative to its normal level) comes back with time constant
:math:`\tau_y` and is withdrawn in proportion to squared moves; impact is inverse to depth,

.. math:: \dot y = (1 - y)/\tau_y - c\,\dot x^2\,y, \qquad \eta_{\mathrm{effective}} = \frac{\eta}{y_0 + (1 - y_0)\,y} .

The share :math:`y_0` of depth stays whatever happens: without it moves would withdraw what dampens them and the price would
end in finite time.

At rest y = 1 and moves are of second order, so the ordinary fixed point and its stability are unchanged; how hard and
how soon the loss of stability bites is not, nor is the critical shock. Orders and quotes are not modelled.

Source: our reduction of A. Fosset, J.-P. Bouchaud and M. Benzaquen, Endogenous liquidity crises (2020),
doi:10.1088/1742-5468/ab7c64, where liquidity falls with past volatility. Squared moves (absolute ones have a kink at
rest) and the defaults are assumptions.

=====================  ======  =======  ====  ===============================================  ==========
parameter              symbol  default  unit  meaning                                          source
=====================  ======  =======  ====  ===============================================  ==========
quote_recovery         tau_y   0.1      day   time in which quotes come back                   assumption
quote_sensitivity      c       20       day   withdrawal per squared rate of price change      assumption
lasting_depth          y_0     0.2      1     share of depth that is never withdrawn           assumption
=====================  ======  =======  ====  ===============================================  ==========

Ports: reads ``price_change``; changes ``effective_impact``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "provides", "requires"]

requires = ("effective_impact", "price_change")
provides = ("quoted_depth",)


def apply(system: System, *, prefix: str = "") -> System:
    """Add quoted depth as a state that squared moves reduce.

    Parameters
    ----------
    system : System
        With the ports ``effective_impact`` and ``price_change``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> thin = dy.compose(dy.models.load("deleveraging"), "liquidity_withdrawal")
    >>> thin.definitions["effective_impact"]
    '(price_impact)/(lasting_depth + (1 - lasting_depth)*quoted_depth)'
    """
    depth, recovery, sensitivity, lasting = (f"{prefix}{n}" for n in (
        "quoted_depth", "quote_recovery", "quote_sensitivity", "lasting_depth"))
    return extend(
        system, "liquidity_withdrawal",
        add={
            "states": {depth: State(1, "1", (0, 1), "y", "quoted depth relative to its normal level")},
            "parameters": {
                recovery: Parameter(0.1, "day", (0, None), "tau_y", "time in which quotes come back", "assumption"),
                sensitivity: Parameter(20, "day", (0, None), "c", "withdrawal per squared rate of price change",
                                       "assumption"),
                lasting: Parameter(0.2, "1", (0, 1), "y_0", "share of depth that is never withdrawn", "assumption"),
            },
            "equations": {depth: f"(1 - {depth})/{recovery} - {sensitivity}*price_change**2*{depth}"},
            "measures": {f"{prefix}least_quoted_depth": Measure(depth, "min", meaning="smallest quoted depth")},
        },
        override={"definitions": {"effective_impact": f"({system.definitions['effective_impact']})"
                                                      f"/({lasting} + (1 - {lasting})*{depth})"}},
    )
