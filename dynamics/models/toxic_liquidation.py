r"""Repeated liquidation of a loan whose collateral is sold at a bonus and, if the pool is the oracle, at a falling price.

A liquidator repays the share :math:`c` of the debt (the close factor) and takes collateral worth :math:`1 + b` times that.
With the coverage :math:`y`, collateral over debt, one liquidation after another gives

.. math::

    y' = \Big(y^* + \frac{y - y^*}{1 - c}\Big)^{+}, \qquad y^* = (1 + b)\Lambda, \qquad \Lambda = 1 + 2\,\frac{c_p}{y_p},

where :math:`c_p/y_p` is the collateral over the debt-side reserve of the constant-product pool that sets the price; zero
means an external price, :math:`\Lambda = 1`. When the collateral does not cover :math:`c(1 + b)` of the debt all of it goes
and coverage is zero: bad debt.

Known results: a liquidation improves coverage iff :math:`y > y^*`, loan to value :math:`1/y` below :math:`1/((1 +
b)\Lambda)`; above it every liquidation makes the next one worse (toxic) and the debt :math:`B - C/(1 + b)` stays. With an
external price the map is exact for any close factor; with :math:`\Lambda > 1` it integrates the law of small liquidations
with :math:`\Lambda` held constant, which is this package's reduction.
"""

from __future__ import annotations

from dynamics.systems import Event, Measure, Parameter, Reference, Shock, State, System

__all__ = ["system"]


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> loan = dy.models.load("toxic_liquidation")
    >>> dy.iterate(loan, 2, {"coverage": 1/0.93})["loan_to_value"].values.round(4).tolist()
    [0.93, 0.9086, 0.8688]
    """
    return System(
        name="toxic_liquidation",
        time="discrete",
        time_unit="1",
        states={"coverage": State("1.1", "1", (0, None), "y", "collateral over debt")},
        parameters={
            "bonus": Parameter("0.05", "1", (0, None), "b", "liquidation bonus", "our choice"),
            "close_factor": Parameter("0.5", "1", (0, 1), "c", "share of the debt repaid at once", "our choice"),
            "pool_share": Parameter(0, "1", (0, None), "c_p", "collateral over the debt-side reserve of the pool that is the"
                                    " oracle; zero is an external price", "our choice"),
            "threshold": Parameter("0.8", "1", (0, 1), "LT", "loan to value that allows liquidation", "our choice"),
        },
        definitions={
            "price_response": "1 + 2*pool_share",
            "toxic_coverage": "(1 + bonus)*price_response",
        },
        equations={"coverage": "max(0, toxic_coverage + (coverage - toxic_coverage)/(1 - close_factor))"},
        observables={"loan_to_value": "1/coverage"},
        measures={"least_coverage": Measure("coverage", "min", "1", "smallest coverage")},
        events={
            "healthy": Event("coverage - 1/threshold", "rising", meaning="the loan is no longer liquidated"),
            "bad_debt": Event("coverage - 1", "falling", meaning="collateral no longer covers the debt"),
        },
        shocks={"price": Shock({"coverage": "coverage*exp(-magnitude)"}, meaning="instantaneous fall of the log price")},
        references=(
            Reference("J. Warmuz, A. Chaudhary, D. Pinna", 2022, "Toxic Liquidation Spirals", "arXiv 2212.07306"),
            Reference("A. McFarlane", 2025, "Toxicity Bounds for Dynamic Liquidation Incentives", "arXiv 2510.10171"),
        ),
    )
