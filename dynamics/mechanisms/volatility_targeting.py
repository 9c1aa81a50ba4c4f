r"""Volatility targeting: leverage follows a moving average of variance.

Variance v, relative to its normal level, is an exponentially weighted average of recent shocks, and the target leverage
is a power of it:

.. math::
    \dot v = \bigl[(1 - a\,\dot x)^2 - v\bigr]/\tau_v, \qquad
    \lambda_{\mathrm{target}} \to \min(\text{cap},\; \lambda_{\mathrm{target}}\, v^{b}).

b < 0 is procyclical (calm builds leverage, a value-at-risk limit has b = -1/2: :math:`\lambda = 1/(\alpha\sigma)`), b >
0 countercyclical. A fall raises variance by :math:`2 a` per unit of :math:`-\dot x` (the asymmetry of returns), moves
in either direction by a square. At rest v = 1. Falls, variance and selling make a loop of gain :math:`-2 a b`:
procyclical targets destabilise, countercyclical ones stabilise, and at b = 0 or a = 0 the onset is that of the core.

Sources: leverage as a power of variance, C. Aymanns and J. D. Farmer, The dynamics of the leverage cycle (2015),
doi:10.1016/j.jedc.2014.09.015, and C. Aymanns et al., Taming the Basel leverage cycle (2016),
doi:10.1016/j.jfs.2016.02.004; shifted square, R. Engle and V. Ng, Measuring and testing the impact of news on
volatility (1993), doi:10.1111/j.1540-6261.1993.tb05127.x, here in continuous time (our reduction). Defaults are
assumptions.

===================  ======  =======  ====  ==================================================  ==========
parameter            symbol  default  unit  meaning                                             source
===================  ======  =======  ====  ==================================================  ==========
variance_memory      tau_v   5        day   time constant of the moving average                 assumption
asymmetry            a       1        day   response of variance to the rate of price change    assumption
cyclicality          b       -0.5     1     target leverage is variance to this power           VaR limit
leverage_cap         cap     50       1     largest target leverage                             assumption
===================  ======  =======  ====  ==================================================  ==========

The cap is there with ``cap=True``. Ports: reads ``price_change``; changes ``effective_target``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "leverage_build_up", "provides", "requires"]

requires = ("effective_target", "price_change")
provides = ("variance",)


def apply(system: System, *, prefix: str = "", cap: bool = False) -> System:
    """Add variance as a state and make target leverage a power of it.

    Parameters
    ----------
    system : System
        With the ports ``effective_target`` and ``price_change``.
    prefix : str
        Put before the names of new parts.
    cap : bool
        Whether the target leverage is limited.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> targeting = dy.compose(dy.models.load("deleveraging"), "volatility_targeting")
    >>> targeting.definitions["effective_target"]
    '(target_leverage)*variance**cyclicality'
    """
    variance, memory, asymmetry, power, limit = (f"{prefix}{n}" for n in (
        "variance", "variance_memory", "asymmetry", "cyclicality", "leverage_cap"))
    parameters = {
        memory: Parameter(5, "day", (0, None), "tau_v", "time constant of the moving average", "assumption"),
        asymmetry: Parameter(1, "day", (0, None), "a", "response of variance to the rate of price change", "assumption"),
        power: Parameter(-0.5, "1", (-1, 1), "b", "target leverage is variance to this power", "value-at-risk limit"),
    }
    target = f"({system.definitions['effective_target']})*{variance}**{power}"
    if cap:
        parameters[limit] = Parameter(50, "1", (1, None), "cap", "largest target leverage", "assumption")
        target = f"min({limit}, {target})"
    return extend(
        system, "volatility_targeting",
        add={
            "states": {variance: State(1, "1", (0, None), "v", "variance relative to its normal level")},
            "parameters": parameters,
            "equations": {variance: f"((1 - {asymmetry}*price_change)**2 - {variance})/{memory}"},
            "measures": {f"{prefix}largest_variance": Measure(variance, "max", meaning="largest relative variance")},
        },
        override={"definitions": {"effective_target": target}},
    )


def leverage_build_up(variance: float, cyclicality: float) -> float:
    """leverage_build_up(variance, cyclicality): target leverage relative to normal, after variance has settled.

    The metric of volatility compression: how much leverage a calm has built up before the shock.

    Parameters
    ----------
    variance : float
        Relative to normal.
    cyclicality : float
        b.

    Returns
    -------
    float

    Examples
    --------
    >>> leverage_build_up(0.25, -0.5)       # half the volatility, twice the leverage
    2.0
    """
    return variance ** cyclicality
