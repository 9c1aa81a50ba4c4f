r"""Performance fee: a high-water mark, the fee above it, and the risk taken below it.

Equity E is compared with the mark h, the highest equity on which a fee has been paid. State is the position over the
mark, :math:`a = A/h`, so that equity over the mark is :math:`w = u a` and nothing is singular at insolvency:

.. math::
    \dot a &= a\,(\dot x + \varphi - m), \qquad m = k \max(0, w - 1) + \rho_h (w - w^*), \\
    \dot u &= \ldots - u\,f k \max(0, w - 1), \qquad
    \lambda_{\mathrm{target}} \to \lambda_{\mathrm{target}}\,[1 + r\,(w - w^*)].

The mark follows equity above it at the speed k, on which the share f is paid as fee (of what lies above the mark, to first
order). A hurdle keeps the mark ahead and new investors bring it back to equity at the rate :math:`\rho_h`: at rest equity
stands at :math:`w^* = 1 - d_h`, just below the mark, where no fee is due. Below it managers take less risk (r > 0), the
same (r = 0) or gamble (r < 0).

Stability with r: losses that cut risk are one more reason to sell, so r > 0 destabilises and gambling stabilises the
price (at the cost of equity).

Sources: constant target with a mark, S. Panageas and M. Westerfield, High-water marks: high risk appetites? (2009),
doi:10.1111/j.1540-6261.2008.01427.x; less risk below the mark, I. Drechsler, Risk choice under high-water marks (2014),
doi:10.1093/rfs/hht081. The equations of motion and the defaults are assumptions.

====================  ======  =======  =====  =====================================================
parameter             symbol  default  unit   meaning
====================  ======  =======  =====  =====================================================
fee_rate              f       0.2      1      share of gains above the mark
mark_speed            k       20       1/day  speed at which the mark follows equity above it
mark_reset            rho_h   0.01     1/day  speed at which new investors bring the mark to equity
hurdle_distance       d_h     0.02     1      what equity is short of the mark at rest
risk_shift            r       0.5      1      change of target leverage per unit of equity over mark
====================  ======  =======  =====  =====================================================

Ports: reads ``price_change``, ``net_flow``, ``equity_ratio``; changes ``effective_target`` and the equation of
``equity_ratio``.
"""

from __future__ import annotations

from dynamics.mechanisms import extend
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "provides", "requires"]

requires = ("effective_target", "price_change", "net_flow", "equity_ratio")
provides = ("position_to_mark", "equity_to_mark", "fee_flow")


def apply(system: System, *, prefix: str = "") -> System:
    """Add the high-water mark, the fee and risk shifting.

    Parameters
    ----------
    system : System
        With the ports ``effective_target``, ``price_change``, ``net_flow`` and the state ``equity_ratio``.
    prefix : str
        Put before the names of new parts.

    Returns
    -------
    System

    Examples
    --------
    >>> import dynamics as dy
    >>> managed = dy.compose(dy.models.load("deleveraging"), "performance_fee")
    >>> managed.initial_state()["position_to_mark"]     # leverage 5, equity 2 % below the mark
    4.9
    """
    position, equity, fee, rate, speed, reset, hurdle, shift = (f"{prefix}{n}" for n in (
        "position_to_mark", "equity_to_mark", "fee_flow", "fee_rate", "mark_speed", "mark_reset", "hurdle_distance",
        "risk_shift"))
    return extend(
        system, "performance_fee",
        add={
            "states": {position: State(f"(1 - {hurdle})/({system.states['equity_ratio'].initial})", "1", (0, None),
                                       "a", "position value over the high-water mark of equity")},
            "parameters": {
                rate: Parameter(0.2, "1", (0, 1), "f", "share of gains above the mark", "assumption"),
                speed: Parameter(20, "1/day", (0, None), "k", "speed at which the mark follows equity above it",
                                 "assumption"),
                reset: Parameter(0.01, "1/day", (0, None), "rho_h", "speed at which new investors bring the mark to equity",
                                 "assumption"),
                hurdle: Parameter(0.02, "1", (0, 1), "d_h", "what equity is short of the mark at rest", "assumption"),
                shift: Parameter(0.5, "1", (-2, 1), "r", "change of target leverage per unit of equity over mark",
                                 "assumption"),
            },
            "definitions": {
                equity: f"equity_ratio*{position}",
                fee: f"equity_ratio*{rate}*{speed}*max(0, {equity} - 1)",
            },
            "equations": {position: f"{position}*(price_change + net_flow - {speed}*max(0, {equity} - 1)"
                                    f" - {reset}*({equity} - 1 + {hurdle}))"},
            "measures": {f"{prefix}fees": Measure(fee, "integral", meaning="fees over position value")},
        },
        override={
            "definitions": {"effective_target": f"({system.definitions['effective_target']})"
                                                f"*(1 + {shift}*({equity} - 1 + {hurdle}))"},
            "equations": {"equity_ratio": f"{system.equations['equity_ratio']} - {fee}"},
        },
    )
