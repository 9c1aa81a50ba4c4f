r"""Token emission: new supply dilutes the fundamental price and is partly sold.

New tokens arrive at the rate e (of what exists, per day), which falls with a half-life. The log fundamental price falls
at that rate, and the share :math:`\psi` of what is issued is sold at market:

.. math::
    \dot e = -\ln 2\; e/T, \qquad \dot x = \dot{\ln p} + e, \qquad
    \dot{\ln p} \to \dot{\ln p} - \eta_{\mathrm{effective}}\,\psi\,e .

Emission ends, so the fixed points and their stability are the core's, with the eigenvalue :math:`-\ln 2/T` added; on
the way holders lose equity to the falling price, and the critical shock is smaller.

If tokens are issued to redeem a debt of value r per day at the market price, supply grows as
:math:`\ln(S_1/S_0) = \int r/(pS)\,dt`: hyperinflation as the market value pS goes to zero.

Sources: schedules are protocol rules; the dilution and the redemption identity are derived. Defaults are assumptions.

==================  ======  =======  =====  ===================================================  ==========
parameter           symbol  default  unit   meaning                                              source
==================  ======  =======  =====  ===================================================  ==========
initial_emission    e_0     0.002    1/day  emission at the start, of what exists                assumption
emission_half_life  T       100      day    time in which emission halves                        assumption
emission_sold       psi     0.5      1      share of new tokens that is sold                     assumption
==================  ======  =======  =====  ===================================================  ==========

Ports: reads ``effective_impact``; changes ``price_change`` and the equation of ``price_gap``.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.errors import SpecificationError
from dynamics.mechanisms import extend
from dynamics.systems import Parameter, State, System

__all__ = ["apply", "log_supply_growth", "provides", "requires"]

requires = ("price_change", "effective_impact", "price_gap")
provides = ("emission",)


def apply(system: System, *, prefix: str = "") -> System:
    """Add emission as a state that dilutes the fundamental price and is partly sold.

    Parameters
    ----------
    system : System
        With the ports ``price_change`` and ``effective_impact`` and the state ``price_gap``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> emitting = dy.compose(dy.models.load("deleveraging"), "token_emission")
    >>> emitting.equations["price_gap"]
    'price_change + emission'
    """
    emission, initial, life, sold = (f"{prefix}{n}" for n in (
        "emission", "initial_emission", "emission_half_life", "emission_sold"))
    return extend(
        system, "token_emission",
        add={
            "states": {emission: State(initial, "1/day", (0, None), "e", "new tokens per day, of what exists")},
            "parameters": {
                initial: Parameter(0.002, "1/day", (0, None), "e_0", "emission at the start, of what exists", "assumption"),
                life: Parameter(100, "day", (0, None), "T", "time in which emission halves", "assumption"),
                sold: Parameter(0.5, "1", (0, 1), "psi", "share of new tokens that is sold", "assumption"),
            },
            "equations": {emission: f"-log(2)*{emission}/{life}"},
        },
        override={
            "definitions": {"price_change": f"{system.definitions['price_change']} - effective_impact*{sold}*{emission}"},
            "equations": {"price_gap": f"{system.equations['price_gap']} + {emission}"},
        },
    )


def log_supply_growth(times: Sequence[float], redeemed: Sequence[float], market_value: Sequence[float]) -> float:
    """log_supply_growth(times, redeemed, market_value): ln(S1/S0) when tokens are issued to redeem at the market price.

    Parameters
    ----------
    times : sequence of float
    redeemed : sequence of float
        Value redeemed per unit of time, at those times.
    market_value : sequence of float
        Price times supply, at those times.

    Returns
    -------
    float
        Integral of redeemed / market value by the trapezoidal rule.

    Raises
    ------
    SpecificationError
        If a market value is not positive.

    Examples
    --------
    >>> log_supply_growth((0, 1, 2), (3, 3, 3), (6, 6, 6))
    1.0
    """
    if any(not value > 0 for value in market_value):
        raise SpecificationError("the market value must be positive: with none left supply has no finite growth")
    rates = [r / value for r, value in zip(redeemed, market_value, strict=True)]
    return sum((later - earlier) * (a + b) / 2
               for earlier, later, a, b in zip(times[:-1], times[1:], rates[:-1], rates[1:], strict=True))
