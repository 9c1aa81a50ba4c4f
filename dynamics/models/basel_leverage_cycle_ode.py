r"""Continuous-time limit of the Basel leverage cycle: price, assets and liabilities of a value-at-risk bank.

The map ``basel_leverage_cycle`` with steps :math:`\tau \to 0` (derived for this package, not in the paper). With
:math:`n = w_B A/p`, :math:`E = A - L`, :math:`\bar\lambda = \alpha(\sigma^2 + \sigma_0^2)^b`, the flow
:math:`F = \theta(\bar\lambda E - A)` (negative is deleveraging), injections :math:`\iota = \eta(\bar E - E)` and
:math:`D = 1 - w_B n - w_F(1 - n)`,

.. math::

    \dot p &= \tfrac1D [(w_B - w_F)\iota + w_B F + \rho(1 - n)(\mu - p)], \qquad
    \dot A = n\dot p + \iota + F, \qquad \dot L = F, \\
    \dot w_F &= (w_F/p)\rho(\mu - p), \qquad \dot{\sigma^2} = \delta[(t_{VaR}\,\dot p/p)^2 - \sigma^2].

Known results: net cash is conserved, so one eigenvalue is zero; another is :math:`-\delta`; the rest are the roots of a
cubic free of :math:`b, \delta, t_{VaR}`. Hopf bifurcation at leverage 11.930565 (defaults). The derivative of target
leverage with respect to the variance is of order :math:`10^6`: finite differences fail there, exact derivatives do not.
"""

from __future__ import annotations

from dynamics.systems import Event, Measure, Parameter, Reference, Shock, State, System

__all__ = ["system", "with_logarithmic_variance"]

_SOURCE = "the authors' program (Aymanns et al. 2016)"


def system() -> System:
    """Make the model.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.conserved_quantities(dy.models.load("basel_leverage_cycle_ode"))[0].name
    'net_cash'
    """
    return _system(False)


def with_logarithmic_variance() -> System:
    """Make the model with ``log_variance`` as a state instead of ``variance``: the form for large cycles.

    Returns
    -------
    System
        Without fixed points: their variance is zero.

    Examples
    --------
    >>> list(with_logarithmic_variance().states)[-1]
    'log_variance'
    """
    return _system(True)


def _system(logarithmic: bool) -> System:
    growth = "variance_rate*((horizon*price_flow/price)**2{} - {})"
    variance = State("log(risk_floor)", "1", (None, None), None, "logarithm of the perceived variance") if logarithmic else \
        State(0, "1", (0, None), "v", "perceived variance over the value-at-risk horizon")
    return System(
        name="basel_leverage_cycle_ode",
        time="continuous",
        time_unit="year",
        states={
            "price": State("fundamental", "USD", (0, None), "p", "price"),
            "assets": State("risk_factor*risk_floor**cyclicality*target_equity", "USD", (0, None), "A",
                            "assets of the bank"),
            "liabilities": State("(risk_factor*risk_floor**cyclicality - 1)*target_equity", "USD", (None, None), "L",
                                 "liabilities of the bank"),
            "fund_weight": State("0.5", "1", (0, 1), "w_F", "share of the fund's wealth in the asset"),
            "log_variance" if logarithmic else "variance": variance,
        },
        parameters={
            "horizon": Parameter("0.1", "year", (0, None), "t_VaR", "value-at-risk horizon", _SOURCE),
            "variance_rate": Parameter("0.5", "1/year", (0, None), "delta", "speed of the variance estimate", _SOURCE),
            "adjustment": Parameter(10, "1/year", (0, None), "theta", "speed of balance-sheet adjustment", _SOURCE),
            "equity_rate": Parameter(10, "1/year", (0, None), "eta", "speed of equity redistribution", _SOURCE),
            "reversion": Parameter("0.1", "1/year", (0, None), "rho", "speed at which the fund trades on mispricing",
                                   _SOURCE),
            "fundamental": Parameter(25, "USD", (0, None), "mu", "fundamental value", _SOURCE),
            "bank_weight": Parameter("0.3", "1", (0, 1), "w_B", "share of the bank's assets in the asset", _SOURCE),
            "target_equity": Parameter("2.26689", "USD", (0, None), "Ebar", "equity the bank returns to", _SOURCE),
            "risk_factor": Parameter("0.005", "1", (0, None), "alpha", "risk tolerance; leverage is 1000 times this",
                                     "our choice; 0.01 in the authors' test script"),
            "risk_floor": Parameter("1/1000000", "1", (0, None), "sigma_0", "exogenous variance (sigma_0 squared)",
                                    _SOURCE),
            "cyclicality": Parameter("-1/2", "1", (None, None), "b", "-1/2 procyclical, 0 constant, 1/2 countercyclical",
                                     _SOURCE),
        },
        definitions=({"variance": "exp(log_variance)"} if logarithmic else {}) | {
            "bank_share": "bank_weight*assets/price",
            "equity": "assets - liabilities",
            "target_leverage": "risk_factor*(variance + risk_floor)**cyclicality",
            "balance_flow": "adjustment*(target_leverage*equity - assets)",
            "injection": "equity_rate*(target_equity - equity)",
            "price_flow": "((bank_weight - fund_weight)*injection + bank_weight*balance_flow"
                          " + reversion*(1 - bank_share)*(fundamental - price))"
                          "/(1 - bank_weight*bank_share - fund_weight*(1 - bank_share))",
        },
        equations={
            "price": "price_flow",
            "assets": "bank_share*price_flow + injection + balance_flow",
            "liabilities": "balance_flow",
            "fund_weight": "reversion*fund_weight*(fundamental - price)/price",
            **({"log_variance": growth.format("*exp(-log_variance)", 1)} if logarithmic else
               {"variance": growth.format("", "variance")}),
        },
        observables={
            "leverage": "assets/equity",
            "relative_size": "assets*fund_weight/((1 - bank_share)*price)",
        },
        measures={
            "highest_price": Measure("price", "max", "USD", "highest price"),
            "lowest_price": Measure("price", "min", "USD", "lowest price"),
            "smallest_equity": Measure("equity", "min", "USD", "smallest equity of the bank"),
        },
        events={"insolvency": Event("equity", "falling", terminal=True, meaning="the bank's equity is gone")},
        shocks={"price": Shock({"price": "price*exp(-magnitude)",
                                "assets": "assets*(1 - bank_weight*(1 - exp(-magnitude)))"},
                               bounds=(None, None), meaning="instantaneous fall of the log price")},
        invariants={
            "net_cash": "(1 - bank_weight)*assets + (1 - fund_weight)*(1 - bank_share)*price/fund_weight - liabilities",
        },
        references=(
            Reference("C. Aymanns, F. Caccioli, J. D. Farmer, V. W. C. Tan", 2016, "Taming the Basel leverage cycle",
                      "Journal of Financial Stability 27", "10.48550/arXiv.1507.04136"),
        ),
    )
