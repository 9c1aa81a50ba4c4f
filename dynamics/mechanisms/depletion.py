r"""Depletion: what has been sold cannot be sold again.

The core model's price impact is per unit of *current* holdings: depth shrinks with the position. Here depth is constant
per unit of the *initial* holdings: with holdings :math:`e^{\omega}` (:math:`\omega = 0` at the start),

.. math:: \dot\omega = \varphi, \qquad \eta_{\mathrm{effective}} = \eta\, e^{\omega},

so selling weakens as the position runs out. Any :math:`\omega` is a fixed point: one eigenvalue is zero by structure.
The forced volume counts units of initial holdings, :math:`\int q e^{\omega} dt`.
"""

from __future__ import annotations

from dataclasses import replace

from dynamics.mechanisms import extend
from dynamics.systems import Measure, State, System

__all__ = ["apply", "excludes", "provides", "requires"]

requires = ("net_flow", "effective_impact", "forced_sales")
provides = ("log_holdings",)
excludes = {"log_open_interest": "both scale impact by what is held, and together they would count it twice"}


def apply(system: System, *, prefix: str = "") -> System:
    """Add the log of holdings as a state and scale the price impact by holdings.

    Parameters
    ----------
    system : System
        With the ports ``net_flow``, ``effective_impact`` and ``forced_sales``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> depleting = dy.compose(dy.models.load("deleveraging"), "depletion")
    >>> depleting.definitions["effective_impact"]
    '(price_impact)*exp(log_holdings)'
    """
    holdings = f"{prefix}log_holdings"
    measures = {}
    if "forced_volume" in system.measures:
        volume = system.measures["forced_volume"]
        measures["forced_volume"] = replace(volume, expression=f"({volume.expression})*exp({holdings})",
                                            meaning="forced sales in units of the initial holdings")
    return extend(
        system, "depletion",
        add={
            "states": {holdings: State(0, symbol="omega", meaning="log of holdings relative to the start")},
            "equations": {holdings: "net_flow"},
            "measures": {f"{prefix}smallest_holdings": Measure(f"exp({holdings})", "min",
                                                               meaning="smallest holdings relative to the start")},
        },
        override={
            "definitions": {"effective_impact": f"({system.definitions['effective_impact']})*exp({holdings})"},
            "measures": measures,
        },
    )
