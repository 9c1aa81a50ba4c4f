r"""Open interest: contracts outstanding move with net flow, and new ones are opened.

The log of open interest o follows the holders' net flow and returns to its normal level as new positions are opened or
idle ones closed; impact is per contract, so it scales with what is left,

.. math:: \dot o = \varphi - \rho_o\,o, \qquad \eta_{\mathrm{effective}} = \eta\,e^{o}.

Every contract has two sides: the shorts' contracts equal the longs' at all times, and what is closed has a
counterparty. With :math:`\rho_o = 0` this is the mechanism ``depletion``. New positions are opened outside the model:
they are no flow of holders and move no price.

At rest o = 0. Selling reduces the contracts that can still be sold: impact falls in a cascade and the onset is
unchanged.

Source: accounting; the reversion and the default are assumptions.

======================  ======  =======  =====  ==================================================  ==========
parameter               symbol  default  unit   meaning                                             source
======================  ======  =======  =====  ==================================================  ==========
open_interest_renewal   rho_o   0.05     1/day  speed at which open interest returns to normal      assumption
======================  ======  =======  =====  ==================================================  ==========

Ports: reads ``net_flow``; changes ``effective_impact``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "excludes", "provides", "requires"]

requires = ("net_flow", "effective_impact")
provides = ("log_open_interest", "open_interest")
excludes = {"log_holdings": "both scale impact by what is held, and together they would count it twice"}


def apply(system: System, *, prefix: str = "") -> System:
    """Add the log of open interest as a state and scale the price impact by open interest.

    Parameters
    ----------
    system : System
        With the ports ``net_flow`` and ``effective_impact``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> perpetual = dy.compose(dy.models.load("deleveraging"), "open_interest")
    >>> perpetual.equations["log_open_interest"]
    'net_flow - open_interest_renewal*log_open_interest'
    """
    logarithm, renewal, contracts = (f"{prefix}{n}" for n in (
        "log_open_interest", "open_interest_renewal", "open_interest"))
    return extend(
        system, "open_interest",
        add={
            "states": {logarithm: State(0, "1", (None, None), "o", "log of open interest relative to its normal level")},
            "parameters": {renewal: Parameter(0.05, "1/day", (0, None), "rho_o",
                                              "speed at which open interest returns to normal", "assumption")},
            "equations": {logarithm: f"net_flow - {renewal}*{logarithm}"},
            "observables": {contracts: f"exp({logarithm})"},
            "measures": {f"{prefix}least_open_interest": Measure(f"exp({logarithm})", "min",
                                                                 meaning="smallest open interest relative to normal")},
        },
        override={"definitions": {"effective_impact": f"({system.definitions['effective_impact']})*exp({logarithm})"}},
    )
