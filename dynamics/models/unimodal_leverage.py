r"""Unimodal leverage map: a bank under a value-at-risk rule whose own trading feeds the risk it measures.

A bank keeps leverage at the inverse of perceived risk, :math:`\lambda = 1/(\alpha \sigma)`. Within a slow period it trades
:math:`(\lambda - 1) r A^*` after a return :math:`r` (selling after falls), which makes fast returns autocorrelated with
coefficient :math:`\phi = (\lambda - 1)/\gamma` and raises their aggregated variance to
:math:`\Sigma_\epsilon/(1 - \phi)^2`. With an exponentially weighted estimate of memory :math:`\omega`,

.. math::

    \lambda_{t+1} = \Big(\frac{\omega}{\lambda_t^2} + \frac{(1 - \omega) K}{(1 + \gamma - \lambda_t)^2}\Big)^{-1/2},
    \qquad K = \alpha^2 \gamma^2 \Sigma_\epsilon .

Known results: fixed point :math:`x^* = (1 + \gamma)/(1 + \sqrt K)` whatever the memory, slope
:math:`\omega - (1 - \omega)/\sqrt K` there; the first period doubling is at
:math:`\omega_c = (1 - \sqrt K)/(1 + \sqrt K)` and a cascade to chaos follows for shorter memory. For :math:`K \ge 1`
nothing happens. The map's maximum is :math:`(1 + \gamma)/(\omega^{1/3} + [(1 - \omega) K]^{1/3})^{3/2}`; below a memory of
0.27245 (the parameters below) orbits from it come to a leverage under one, below 0.27026 it lies beyond
:math:`1 + \gamma`, where returns would be explosive.
"""

from __future__ import annotations

from dynamics.systems import Event, Parameter, Reference, Shock, State, System

__all__ = ["system"]


def system() -> System:
    """Make the model of one bank.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> orbit = dy.iterate(dy.models.load("unimodal_leverage").with_parameters(memory=0.7), 500)
    >>> round(float(orbit["leverage"][-1]), 6)
    81.05939
    """
    return System(
        name="unimodal_leverage",
        time="discrete",
        time_unit="1",
        states={"leverage": State(50, "1", (1, None), "lambda", "leverage of the bank")},
        parameters={
            "memory": Parameter("0.5", "1", (0, 1), "omega", "weight of the old variance estimate",
                                "varied in the paper"),
            "quantile": Parameter("1.64", "1", (0, None), "alpha", "value-at-risk quantile, 5 % of a normal law",
                                  "Ioffredi, Marmi and Tanzi 2026"),
            "liquidity": Parameter(100, "1", (0, None), "gamma", "liquidity of the asset; large is liquid",
                                   "Ioffredi, Marmi and Tanzi 2026"),
            "exogenous_variance": Parameter("0.0015**2", "1", (0, None), "Sigma",
                                            "variance of exogenous returns over a slow period",
                                            "Ioffredi, Marmi and Tanzi 2026"),
        },
        definitions={"risk_constant": "quantile**2*liquidity**2*exogenous_variance"},
        equations={
            "leverage": "(memory/leverage**2"
                        " + (1 - memory)*risk_constant/(1 + liquidity - leverage)**2)**(-1/2)",
        },
        observables={"return_autocorrelation": "(leverage - 1)/liquidity"},
        events={
            "unleveraged": Event("leverage - 1", "falling", meaning="leverage below one: outside the model"),
            "explosive_returns": Event("1 + liquidity - leverage", "falling",
                                       meaning="return autocorrelation above one: outside the model"),
        },
        shocks={"leverage": Shock({"leverage": "leverage + magnitude"}, bounds=(None, None),
                                  meaning="jump of leverage")},
        references=(
            Reference("M. Ioffredi, S. Marmi, M. Tanzi", 2026,
                      "Chaos and synchronization in financial leverages dynamics: modeling systemic risk with coupled"
                      " unimodal maps", "Chaos", "10.1063/5.0320793"),
            Reference("F. Lillo, G. Livieri, S. Marmi, A. Solomko, S. Vaienti", 2023,
                      "Unimodal maps perturbed by heteroscedastic noise", "Journal of Statistical Physics",
                      "10.1007/s10955-023-03160-0"),
        ),
    )
