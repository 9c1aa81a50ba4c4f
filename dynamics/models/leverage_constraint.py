r"""Liquidation under a capital requirement that binds, with the seller's own price impact.

A bank (or a sector) holds one asset against a requirement: capital over (risk weight :math:`\alpha` times position) stays
at :math:`\theta`, so leverage stays at :math:`\lambda = 1/(\alpha\theta)`. The price :math:`q` falls at the exogenous rate
:math:`r`; selling the share :math:`1 - u` of the position lowers :math:`\ln q` by :math:`\beta(1 - u)`:

.. math::

    \frac{\dot u}{u} = \kappa \frac{d\ln q}{dt}, \qquad \frac{d\ln q}{dt} = \frac{-r}{1 - \beta\kappa u}, \qquad
    \kappa = \frac{1 - \alpha\theta}{\alpha\theta} = \lambda - 1 .

Known results: :math:`u = q^\kappa` and :math:`\ln q = -rt - \beta(1 - q^\kappa)`; the fall is amplified :math:`1/(1 - R)`
times at first, with the cascade number :math:`R = \beta\kappa`. The motion is well posed from the first sale iff :math:`R <
1`, that is :math:`\alpha\theta > \beta/(1 + \beta)`. For :math:`R > 1` an infinitesimal breach sells a finite share at
once, which these equations do not describe. They are this package's derivation for one bank and one asset, of the kind
studied in the reference.
"""

from __future__ import annotations

from dynamics.systems import Event, Measure, Parameter, Reference, State, System

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
    >>> path = dy.integrate(dy.models.load("leverage_constraint"), 1.0)
    >>> round(float(path["price"][-1]), 6)
    0.983813
    """
    return System(
        name="leverage_constraint",
        time="continuous",
        time_unit="day",
        states={
            "log_price": State(0, "1", (None, None), "x", "log price relative to the first breach"),
            "held": State(1, "1", (0, 1), "u", "share of the first position still held"),
        },
        parameters={
            "shock_rate": Parameter("0.01", "1/day", (0, None), "r", "rate at which the log price falls by itself", _OURS),
            "price_impact": Parameter("0.1", "1", (0, None), "beta", "fall of the log price when all is sold", _OURS),
            "risk_weight": Parameter(1, "1", (0, None), "alpha", "risk weight; 1 is a plain leverage limit", _OURS),
            "requirement": Parameter("0.2", "1", (0, 1), "theta", "least ratio of capital to risk-weighted position", _OURS),
        },
        definitions={
            "debt_ratio": "1/(risk_weight*requirement) - 1",
            "price_change": "-shock_rate/(1 - price_impact*debt_ratio*held)",
        },
        equations={"log_price": "price_change", "held": "debt_ratio*held*price_change"},
        observables={
            "price": "exp(log_price)",
            "liquidation": "-debt_ratio*held*price_change",
            "cascade_number": "price_impact*debt_ratio*held",
        },
        measures={
            "lowest_price": Measure("price", "min", "1", "lowest price"),
            "fastest_liquidation": Measure("liquidation", "max", "1/day", "highest rate of forced sales"),
        },
        events={"ill_posed": Event("1 - price_impact*debt_ratio*held", "falling", terminal=True,
                                   meaning="sales lower the price faster than they restore the ratio")},
        invariants={
            "balance": "log(held) - debt_ratio*log_price",
        },
        references=(
            Reference("Z. Feinstein", 2020, "Capital regulation under price impacts and dynamic financial contagion",
                      "European Journal of Operational Research 281(2), 449-463; arXiv 1807.02711"),
        ),
    )
