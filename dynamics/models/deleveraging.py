r"""Price, aggregate leverage and liquidation flow: the package's own reference model.

Holders steer leverage to a target: when the price falls they sell, and their sales push the price down further. Below
the maintenance margin the venue sells for them, with some delay. Whether that spiral dies out or ends in insolvency
depends on one number, the cascade number :math:`R(u) = \eta (1-u)/u`: above one, selling raises leverage instead of
lowering it.

Accounting is exact. With the log price gap :math:`x = \ln(p/p_f)`, the equity ratio :math:`u = E/A` (leverage is
:math:`1/u`) and the net order flow :math:`\varphi` as a fraction of holdings per day,

.. math::

    \dot x &= -\kappa x + \eta \varphi, \\
    \dot u &= (1 - u)\,\dot x - u \varphi, \\
    \dot q &= (H - q)/\tau, \\
    \varphi &= g - q, \quad g = \theta(\lambda^* u - 1), \quad H = Q \max(0,\, 1 - u/u_m).

An instantaneous log-price fall s maps x to x - s and u to 1 - (1 - u) e^s. u = 0 is insolvency.

Known results: the ordinary fixed point (x, u, q) = (0, 1/lambda_star, 0) is stable iff
eta (lambda_star - 1) < 1 + kappa/theta; stability is lost in a Hopf bifurcation with frequency sqrt(kappa theta),
provided that happens below lambda_star = 1/u_m. Beyond 1/u_m holders re-buy what the venue force-sells (margin-call
equilibrium).

The equations are a reduced form made for this package; the accounting identity is textbook.
"""

from __future__ import annotations

from dynamics.errors import SpecificationError
from dynamics.systems import Event, Measure, Parameter, Shock, State, System

__all__ = ["system"]

_MARGIN_CALLS = {
    "ramp": "liquidation_rate*max(0, 1 - equity_ratio/maintenance_margin)",
    "hill": "liquidation_rate/(1 + (equity_ratio/critical_margin)**steepness)",
}


def system(*, margin_call: str = "ramp") -> System:
    """Make the model.

    Parameters
    ----------
    margin_call : {"ramp", "hill"}
        ``"ramp"``: forced sales start at the maintenance margin, linearly. ``"hill"``: a smooth rational curve.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another ``margin_call``.

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.models.load("deleveraging").initial_state()
    {'price_gap': 0.0, 'equity_ratio': 0.2, 'liquidation_flow': 0.0}
    """
    if margin_call not in tuple(_MARGIN_CALLS):
        raise SpecificationError(f"margin_call must be 'ramp' or 'hill', not {margin_call!r}")
    if margin_call == "ramp":
        start, rate = "maintenance_margin", 20
        venue = {
            "maintenance_margin": Parameter(0.05, "1", (0, 1), "u_m",
                                            "equity ratio below which positions are force-closed"),
        }
    else:
        start, rate = "critical_margin", 6
        venue = {
            "critical_margin": Parameter("1/12", "1", (0, 1), "u_c",
                                         "equity ratio at which half the forced-closing rate acts"),
            "steepness": Parameter(8, "1", (1, None), "n", "steepness of the margin-call curve"),
        }
    return System(
        name="deleveraging" if margin_call == "ramp" else "deleveraging (hill)",
        time="continuous",
        time_unit="day",
        states={
            "price_gap": State(0, "1", symbol="x", meaning="log price minus log fundamental"),
            "equity_ratio": State("1/target_leverage", "1", (0, 1), "u", "equity / assets"),
            "liquidation_flow": State(0, "1/day", (0, None), "q", "forced sales per unit of current holdings"),
        },
        parameters={
            "reversion": Parameter(1, "1/day", (0, None), "kappa", "speed at which fundamental buyers close the gap"),
            "price_impact": Parameter(0.3, "1", (0, None), "eta", "log-price move per unit of current holdings sold"),
            "adjustment": Parameter(0.5, "1/day", (0, None), "theta", "speed of voluntary re- and deleveraging"),
            "target_leverage": Parameter(5, "1", (1, None), "lambda_star", "leverage that holders steer to"),
            **venue,
            "liquidation_rate": Parameter(rate, "1/day", (0, None), "Q", "forced-closing rate at zero equity"),
            "liquidation_latency": Parameter(0.02, "day", (0, None), "tau", "engine and order latency"),
        },
        definitions={
            "effective_target": "target_leverage",
            "voluntary_flow": "adjustment*(effective_target*equity_ratio - 1)",
            "margin_call_rate": _MARGIN_CALLS[margin_call],
            "forced_sales": "liquidation_flow",
            "net_flow": "voluntary_flow - forced_sales",
            "effective_impact": "price_impact",
            "price_change": "-reversion*price_gap + effective_impact*net_flow",
        },
        equations={
            "price_gap": "price_change",
            "equity_ratio": "(1 - equity_ratio)*price_change - equity_ratio*net_flow",
            "liquidation_flow": "(margin_call_rate - liquidation_flow)/liquidation_latency",
        },
        observables={"leverage": "1/equity_ratio", "price": "exp(price_gap)"},
        measures={
            "max_leverage": Measure("1/equity_ratio", "max", meaning="largest leverage"),
            "lowest_price_gap": Measure("price_gap", "min", meaning="lowest log price relative to the fundamental"),
            "drawdown": Measure("price_gap", "drawdown",
                                meaning="largest fall of the log price from an earlier maximum"),
            "forced_volume": Measure("forced_sales", "integral", meaning="forced sales in units of current holdings"),
            "net_sold": Measure("net_flow", "integral", transform="1 - exp(value)", bounds=(None, 0.63),
                                meaning="fraction of the initial holdings sold, net"),
            "bad_debt": Measure("max(0, -equity_ratio)", "final",
                                meaning="negative equity per unit of assets at the end"),
        },
        events={
            "insolvency": Event("equity_ratio", "falling", terminal=True, meaning="equity is gone"),
            "margin_call_start": Event(f"equity_ratio - {start}", "falling", meaning="forced sales start"),
            "margin_call_end": Event(f"equity_ratio - {start}", "rising", meaning="forced sales end"),
        },
        shocks={
            "price": Shock({"price_gap": "price_gap - magnitude",
                            "equity_ratio": "1 - (1 - equity_ratio)*exp(magnitude)"},
                           bounds=(None, None), meaning="instantaneous fall of the log price"),
        },
    )
