r"""Basel leverage cycle: a value-at-risk bank and an unleveraged fund trade one asset.

The bank steers leverage :math:`\lambda = A/E` to :math:`\bar\lambda = \alpha(\sigma^2 + \sigma_0^2)^b`, where
:math:`\sigma^2` is the variance it perceives (v in formulas that the package prints): :math:`b = -1/2` is the
procyclical value-at-risk rule of Basel II, 0 a
constant target, positive values are countercyclical. The balance sheet changes by
:math:`\Delta B = \tau\theta(\bar\lambda E - A)`; a negative value is deleveraging. Equity returns to
:math:`\bar E` by injections :math:`\tau\eta(\bar E - E)` that the fund
pays. The asset's supply is 1, the bank holds the share :math:`n`, and

.. math::

    \sigma^{2\prime} &= (1 - \tau\delta)\sigma^2 + \tau\delta\,[(t_{VaR}/\tau)\ln(p/p_{-})]^2, \qquad
    w_F' = w_F + \tau\rho\,(w_F/p)(\mu - p), \\
    p' &= \frac{w_B(c_B + \Delta B) + w_F' c_F}{1 - w_B n - (1 - n) w_F'}, \qquad
    n' = w_B (n p' + c_B + \Delta B)/p', \qquad L' = L + \Delta B, \qquad p_{-}' = p .

The return that enters the variance is one step old: replacing :math:`p_-` by the new price kills the cycle.

Known results: total net cash is conserved exactly, so fixed points form a line (any fund weight) with
:math:`p = \mu, \lambda = \alpha\sigma_0^{2b}`; the spectrum is :math:`\{0, 1, 1 - \tau\delta\}` and a cubic in which
:math:`b, \delta, t_{VaR}` do not appear; stability is lost in a Neimark-Sacker bifurcation (leverage 8.6405666 for
:math:`\bar E = 2.26689` and the other values below). Inside cycles equity can become negative: the event ``insolvency``
marks it and nothing is clipped. The default risk factor (leverage 5) is this package's choice; the noise of the paper is
left out.
"""

from __future__ import annotations

from dynamics.systems import Event, Measure, Parameter, Reference, Shock, State, System

__all__ = ["system"]

_SOURCE = "the authors' program (Aymanns et al. 2016)"


def system() -> System:
    """Make the deterministic map.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> cycle = dy.models.load("basel_leverage_cycle")
    >>> dy.conserved_quantities(cycle)[0].name
    'net_cash'
    """
    return System(
        name="basel_leverage_cycle",
        time="discrete",
        time_unit="1",
        states={
            "variance": State(0, "1", (0, None), "v", "perceived variance over the value-at-risk horizon"),
            "fund_weight": State("0.5", "1", (0, 1), "w_F", "share of the fund's wealth in the asset"),
            "price": State("fundamental", "USD", (0, None), "p", "price"),
            "previous_price": State("fundamental", "USD", (0, None), "p_0", "price one step earlier"),
            "bank_share": State("bank_weight*risk_factor*risk_floor**cyclicality*target_equity/fundamental", "1", (0, 1),
                                "n", "share of the asset held by the bank"),
            "liabilities": State("(risk_factor*risk_floor**cyclicality - 1)*target_equity", "USD", (None, None), "L",
                                 "liabilities of the bank"),
        },
        parameters={
            "step": Parameter("0.1", "year", (0, None), "tau", "length of a step", _SOURCE),
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
        definitions={
            "assets": "bank_share*price/bank_weight",
            "equity": "assets - liabilities",
            "target_leverage": "risk_factor*(variance + risk_floor)**cyclicality",
            "balance_change": "step*adjustment*(target_leverage*equity - assets)",
            "injection": "step*equity_rate*(target_equity - equity)",
            "bank_cash": "(1 - bank_weight)*assets + injection",
            "fund_cash": "(1 - fund_weight)*(1 - bank_share)*price/fund_weight - injection",
            "next_fund_weight": "fund_weight + step*reversion*fund_weight*(fundamental - price)/price",
            "next_price": "(bank_weight*(bank_cash + balance_change) + next_fund_weight*fund_cash)"
                          "/(1 - bank_weight*bank_share - (1 - bank_share)*next_fund_weight)",
        },
        equations={
            "variance": "(1 - step*variance_rate)*variance"
                        " + step*variance_rate*(horizon/step*log(price/previous_price))**2",
            "fund_weight": "next_fund_weight",
            "price": "next_price",
            "previous_price": "price",
            "bank_share": "bank_weight*(bank_share*next_price + bank_cash + balance_change)/next_price",
            "liabilities": "liabilities + balance_change",
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
        events={"insolvency": Event("equity", "falling", meaning="the bank's equity is gone")},
        shocks={"price": Shock({"price": "price*exp(-magnitude)",
                                "bank_share": "bank_share*(bank_weight + (1 - bank_weight)*exp(magnitude))"},
                               bounds=(None, None),
                               meaning="instantaneous fall of the log price; the bank keeps its asset weight")},
        invariants={
            "net_cash": "(1 - bank_weight)*assets + (1 - fund_weight)*(1 - bank_share)*price/fund_weight - liabilities",
        },
        references=(
            Reference("C. Aymanns, F. Caccioli, J. D. Farmer, V. W. C. Tan", 2016, "Taming the Basel leverage cycle",
                      "Journal of Financial Stability 27", "10.48550/arXiv.1507.04136"),
        ),
    )
