r"""Coupled unimodal leverage maps: banks with different memories that trade the same asset.

Each bank follows the rule of ``unimodal_leverage``, but the impact on returns comes from all banks together, weighted by
their asset shares :math:`\pi_i` (:math:`\sum \pi_i = 1`):

.. math::

    \lambda_i' = \Big(\frac{\omega_i}{\lambda_i^2}
    + \frac{(1 - \omega_i) K}{(1 + \gamma - \sum_j \pi_j \lambda_j)^2}\Big)^{-1/2},
    \qquad K = \alpha^2\gamma^2\Sigma_\epsilon .

Known results: all banks at :math:`(1 + \gamma)/(1 + \sqrt K)` is a fixed point, with Jacobian
:math:`\mathrm{diag}(\omega) - (1 - \omega)\pi^\top/\sqrt K`; it loses stability by period doubling where
:math:`\sum_i \pi_i (1 - \omega_i)/(1 + \omega_i) = \sqrt K`. Banks with equal memories synchronise.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.errors import SpecificationError
from dynamics.systems import Parameter, Reference, State, System

__all__ = ["system"]


def system(*, memories: Sequence[float | str] = ("0.5", "0.3"),
           weights: Sequence[float | str] = ("0.8", "0.2")) -> System:
    """Make the model of as many banks as there are memories.

    Parameters
    ----------
    memories : sequence
        Weight of the old variance estimate of each bank, between 0 and 1.
    weights : sequence
        Share of each bank in the assets of all.

    Returns
    -------
    System
        With the index ``bank``.

    Raises
    ------
    SpecificationError
        If the two lengths differ or there is no bank.

    Examples
    --------
    >>> import dynamics as dy
    >>> banks = dy.models.load("coupled_leverage", memories=(0.9, 0.8), weights=(0.5, 0.5))
    >>> dy.iterate(banks, 500)["leverage"].isel(time=-1).values.round(6)
    array([81.05939, 81.05939])
    """
    if len(memories) != len(weights) or not memories:
        raise SpecificationError(f"memories and weights must name the same banks, at least one; there are"
                                 f" {len(memories)} memories and {len(weights)} weights")
    return System(
        name="coupled_leverage",
        time="discrete",
        time_unit="1",
        indices={"bank": len(memories)},
        states={"leverage": State(tuple(50 + 5*bank for bank in range(len(memories))), "1", (1, None), "lambda",
                                  "leverage of each bank", over=("bank",))},
        parameters={
            "memory": Parameter(tuple(memories), "1", (0, 1), "omega", "weight of the old variance estimate",
                                "varied in the paper", over=("bank",)),
            "weight": Parameter(tuple(weights), "1", (0, 1), "pi", "share in the assets of all banks",
                                "varied in the paper", over=("bank",)),
            "quantile": Parameter("1.64", "1", (0, None), "alpha", "value-at-risk quantile, 5 % of a normal law",
                                  "Ioffredi, Marmi and Tanzi 2026"),
            "liquidity": Parameter(100, "1", (0, None), "gamma", "liquidity of the asset; large is liquid",
                                   "Ioffredi, Marmi and Tanzi 2026"),
            "exogenous_variance": Parameter("0.0015**2", "1", (0, None), "Sigma",
                                            "variance of exogenous returns over a slow period",
                                            "Ioffredi, Marmi and Tanzi 2026"),
        },
        definitions={
            "risk_constant": "quantile**2*liquidity**2*exogenous_variance",
            "mean_leverage": "total(weight*leverage, bank)",
        },
        equations={
            "leverage": "(memory/leverage**2"
                        " + (1 - memory)*risk_constant/(1 + liquidity - mean_leverage)**2)**(-1/2)",
        },
        observables={"return_autocorrelation": "(mean_leverage - 1)/liquidity"},
        references=(
            Reference("M. Ioffredi, S. Marmi, M. Tanzi", 2026,
                      "Chaos and synchronization in financial leverages dynamics: modeling systemic risk with coupled"
                      " unimodal maps", "Chaos", "10.1063/5.0320793"),
        ),
    )
