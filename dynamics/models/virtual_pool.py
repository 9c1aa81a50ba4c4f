r"""Virtual pool that mints one token against another, after the market module of Terra.

Coins are swapped for the sister token by a constant-product pool that exists on paper only. In coins, the offset
:math:`\delta` from balance is what was swapped in and not yet forgotten; the two sides are :math:`B + \delta` and
:math:`B^2/(B + \delta)`. Every block the inflow :math:`a` is swapped and the pool is replenished:

.. math::

    \delta' = (\delta + a)\Big(1 - \frac1n\Big), \qquad
    s = \max\Big(1 - \frac1a\Big[\frac{B^2}{B + \delta} - \frac{B^2}{B + \delta + a}\Big], s_{min}\Big),

with the spread :math:`s` that the swap of the block pays.

Known results: :math:`\delta^* = (n - 1) a`, reached with the factor :math:`1 - 1/n` per block. The inflow that can go on
for ever at the spread :math:`s` is :math:`(B/n)(1/\sqrt{1 - s} - 1)` for :math:`n \gg 1`: capacity is :math:`B/n`. So a
pool twice as large that recovers twice as fast lets four times as much through, and a run is let through rather than
stopped. The equations are those of the module's source; that the inflow is constant is this package's choice.
"""

from __future__ import annotations

from dynamics.systems import Measure, Parameter, Reference, Shock, State, System

__all__ = ["system"]


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> pool = dy.models.load("virtual_pool")
    >>> dy.fixed_points(pool)[0].state["offset"]
    inflow*(recovery_blocks - 1)
    """
    return System(
        name="virtual_pool",
        time="discrete",
        time_unit="1",
        states={"offset": State(0, "1", (0, None), "delta", "coins swapped in and not yet replenished")},
        parameters={
            "base_pool": Parameter(50_000_000, "1", (0, None), "B", "size of the balanced pool in coins",
                                   "before Terra's proposal 1164"),
            "recovery_blocks": Parameter(36, "1", (1, None), "n", "blocks over which the pool is replenished",
                                         "before Terra's proposal 1164"),
            "inflow": Parameter(10_000, "1", (0, None), "a", "coins swapped in each block", "our choice"),
            "least_spread": Parameter("0.005", "1", (0, 1), "s_min", "smallest spread", "our choice"),
        },
        definitions={
            "received": "base_pool**2/(base_pool + offset) - base_pool**2/(base_pool + offset + inflow)",
        },
        equations={"offset": "(offset + inflow)*(1 - 1/recovery_blocks)"},
        observables={"spread": "max(1 - received/inflow, least_spread)",
                     "sister_pool": "base_pool**2/(base_pool + offset)"},
        measures={"largest_spread": Measure("spread", "max", "1", "largest spread of a swap")},
        shocks={"run": Shock({"offset": "offset + magnitude"}, (0, None), "1", "coins swapped in at once")},
        references=(
            Reference("Terra", None, "Market module", "source code of the chain: swap.go and keeper; forum, proposal 1164"),
        ),
    )
