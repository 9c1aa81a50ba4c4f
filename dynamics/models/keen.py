r"""Keen's model of debt deflation: wage share, employment and private debt.

Firms invest the share :math:`\kappa(\pi)` of output, depending on profit :math:`\pi = 1 - \omega - r d`, and borrow what
profit does not cover. In the good equilibrium debt is moderate; past a basin boundary investment is financed by ever more
debt, profit is eaten by interest, and output collapses under a debt ratio that grows without bound.

.. math::

    \dot\omega = \omega[\Phi(\lambda) - \alpha], \qquad
    \dot\lambda = \lambda[\kappa(\pi)/\nu - \alpha - \beta - \delta], \qquad
    \dot d = d[r - \kappa(\pi)/\nu + \delta] + \kappa(\pi) - (1 - \omega),

with the Phillips curve :math:`\Phi(\lambda) = \phi_1/(1 - \lambda)^2 - \phi_0` and investment
:math:`\kappa(\pi) = \kappa_0 + e^{c + \kappa_2 \pi}`.

Known results: the good equilibrium has :math:`\kappa(\pi_1) = \nu(\alpha + \beta + \delta)`,
:math:`d_1 = (\kappa(\pi_1) - \pi_1)/(\alpha + \beta)` and is stable iff
:math:`1 + \kappa'(\pi_1)(d_1/\nu - 1) < 0`; debt explosion :math:`(0, 0, \infty)` is stable at the same parameters, so the
starting point decides.
"""

from __future__ import annotations

from dynamics.systems import Measure, Parameter, Reference, Shock, State, System

__all__ = ["system"]

_SOURCE = "the program of Grasselli and Costa Lima"


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> keen = dy.models.load("keen")
    >>> [point.stability for point in dy.fixed_points(keen) if point.values["wage_share"] > 0.5]
    ['stable']
    """
    return System(
        name="keen",
        time="continuous",
        time_unit="year",
        states={
            "wage_share": State("0.75", "1", (0, None), "omega", "wage share of output"),
            "employment": State("0.75", "1", (0, 1), "lambda", "employment rate"),
            "debt": State("0.1", "year", (None, None), "d", "private debt / yearly output"),
        },
        parameters={
            "capital_ratio": Parameter(3, "year", (0, None), "nu", "capital / yearly output", _SOURCE),
            "productivity_growth": Parameter("0.025", "1/year", (0, None), "alpha", "growth of productivity", _SOURCE),
            "labour_growth": Parameter("0.02", "1/year", (0, None), "beta", "growth of the labour force", _SOURCE),
            "depreciation": Parameter("0.01", "1/year", (0, None), "delta", "depreciation of capital", _SOURCE),
            "interest": Parameter("0.03", "1/year", (0, None), "r", "real interest rate", _SOURCE),
            "phillips_level": Parameter("0.04/(1 - 0.04**2)", "1/year", (0, None), "phi_0",
                                        "fall of real wages without employment", _SOURCE),
            "phillips_slope": Parameter("0.04**3/(1 - 0.04**2)", "1/year", (0, None), "phi_1",
                                        "steepness of the Phillips curve", _SOURCE),
            "investment_level": Parameter("-0.0065", "1", (None, None), "kappa_0",
                                          "investment share of output at very low profit", _SOURCE),
            "investment_scale": Parameter(-5, "1", (None, None), "c", "log of the investment share added at zero profit",
                                          _SOURCE),
            "investment_slope": Parameter(20, "1", (0, None), "kappa_2", "response of investment to profit", _SOURCE),
        },
        definitions={
            "profit": "1 - wage_share - interest*debt",
            "investment": "investment_level + exp(investment_scale + investment_slope*profit)",
            "wage_growth": "phillips_slope/(1 - employment)**2 - phillips_level",
            "output_growth": "investment/capital_ratio - depreciation",
        },
        equations={
            "wage_share": "wage_share*(wage_growth - productivity_growth)",
            "employment": "employment*(output_growth - productivity_growth - labour_growth)",
            "debt": "debt*(interest - output_growth) + investment - (1 - wage_share)",
        },
        observables={"profit_share": "profit", "growth": "output_growth"},
        measures={"highest_debt": Measure("debt", "max", "year", "highest debt ratio")},
        shocks={"debt": Shock({"debt": "debt + magnitude"}, unit="year", meaning="debt taken on at once")},
        references=(
            Reference("M. R. Grasselli, B. Costa Lima", 2012,
                      "An analysis of the Keen model for credit expansion, asset price bubbles and financial fragility",
                      "Mathematics and Financial Economics 6", "10.1007/s11579-012-0071-8"),
            Reference("S. Keen", 1995, "Finance and economic breakdown", "Journal of Post Keynesian Economics 17"),
        ),
    )
