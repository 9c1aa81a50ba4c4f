r"""Liquidation engine: old prices, execution losses, the insurance fund, and who pays when it is empty.

Three prices are kept apart. The venue *triggers* on an oracle price that follows the market late; it *executes* below
the market; the *market* price is the model's. With the oracle's gap :math:`x_o` and the debt fixed, the equity ratio it
sees is exact:

.. math::
    \dot x_o = (x - x_o)/\tau_o, \qquad u_o = 1 - (1-u)\,e^{x - x_o}, \qquad
    H = f_c\,(1 - f_f)\,H_0(u_o),

where the close factor :math:`f_c` is the share of what is due that may be closed, and :math:`f_f` the share of
liquidations that fail. A backstop takes the share :math:`\chi` of forced sales off the book: they move no price,
:math:`\dot x \to \dot x + \eta_{\mathrm{effective}}\,\chi\,q`.

With ``execution="below_market"`` a unit sold loses the share :math:`\ell = b + s + f` of its value (liquidator,
slippage, fee to the insurance fund; a bonus B on the debt repaid is the share b = B/(1 + B) of what is sold). Holders
bear it until the equity of what is sold is gone; the rest is shortfall D, paid by the fund i (over position value) and,
as the fund runs low, by winning counterparties (auto-deleveraging):

.. math::
    \dot u &= \ldots - (\ell - d)\,q, \qquad d = \max(0, \ell - u), \qquad D = d\,q, \qquad
    P = D\,\frac{i}{i + i_h}, \qquad \text{auto-deleveraged} = D - P, \\
    \dot i &= f q - P + \rho_i (i^* - i) - i\,(\dot x + \varphi).

A payout is in proportion to what is there, so the fund is never negative; the last term is bookkeeping (position value
grows at the rate :math:`\dot x + \varphi`).

At rest nothing is sold: the ordinary fixed point keeps its stability, with the eigenvalues :math:`-1/\tau_o` (and
:math:`-\rho_i`) added. A liquidation lowers leverage iff (1-u)(1+B) < 1 without slippage and fee (*toxic* otherwise).

Sources: fund, deficit and queue, T. Chitra, Autodeleveraging (2025), arXiv:2512.01112; toxic liquidations, A. McFarlane
(2025), arXiv:2510.10171, and J. Warmuz et al. (2022), arXiv:2212.07306. The oracle as a first-order lag, the payout
law, the reversion of the fund and all defaults are assumptions; the seen equity ratio is derived.

====================  ======  =======  =====  ==========================================================
parameter             symbol  default  unit   meaning
====================  ======  =======  =====  ==========================================================
oracle_lag            tau_o   0.01     day    time constant of the oracle price
close_factor          f_c     1        1      share of what is due that may be closed
failed_share          f_f     0        1      share of liquidations that fail
backstop_share        chi     0        1      share of forced sales absorbed off the book
liquidation_bonus     b       0.01     1      share of what is sold that the liquidator keeps
execution_slippage    s       0.002    1      execution price below the market price
fund_fee              f       0.005    1      share of forced sales paid to the insurance fund
fund_scale            i_h     0.0001   1      fund at which it pays half of a shortfall
fund_target           i*      0.01     1      fund over position value that the venue keeps
fund_reversion        rho_i   0.1      1/day  speed at which the venue restores or skims the fund
====================  ======  =======  =====  ==========================================================

Ports: reads ``price_gap``, ``equity_ratio``, ``forced_sales``, ``net_flow``, ``effective_impact``; changes
``margin_call_rate``, ``price_change`` and, below the market, the equation of ``equity_ratio``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynamics.errors import SpecificationError
from dynamics.mechanisms import extend, redirected
from dynamics.systems import Measure, Parameter, State, System

__all__ = ["apply", "auto_deleverage", "close_repeatedly", "provides", "remaining_bad_debt", "repayment_to_target",
           "requires", "toxic_loan_to_value"]

requires = ("margin_call_rate", "forced_sales", "net_flow", "price_change", "effective_impact", "price_gap", "equity_ratio")
provides = ("oracle_gap", "seen_equity_ratio")
_ORACLE = {
    "oracle_lag": Parameter(0.01, "day", (0, None), "tau_o", "time constant of the oracle price", "assumption"),
    "close_factor": Parameter(1, "1", (0, 1), "f_c", "share of what is due that may be closed", "assumption"),
    "failed_share": Parameter(0, "1", (0, 1), "f_f", "share of liquidations that fail", "assumption"),
    "backstop_share": Parameter(0, "1", (0, 1), "chi", "share of forced sales absorbed off the book", "assumption"),
}
_LOSSES = {
    "liquidation_bonus": Parameter(0.01, "1", (0, 1), "b", "share of what is sold that the liquidator keeps", "assumption"),
    "execution_slippage": Parameter(0.002, "1", (0, 1), "s", "execution price below the market price", "assumption"),
    "fund_fee": Parameter(0.005, "1", (0, 1), "f", "share of forced sales paid to the insurance fund", "assumption"),
    "fund_scale": Parameter(0.0001, "1", (0, None), "i_h", "fund at which it pays half of a shortfall", "assumption"),
    "fund_target": Parameter(0.01, "1", (0, None), "i_star", "fund over position value that the venue keeps", "assumption"),
    "fund_reversion": Parameter(0.1, "1/day", (0, None), "rho_i", "speed at which the venue restores or skims the fund",
                                "assumption"),
}
_FLOWS = ("insurance_fund", "execution_loss", "uncovered", "shortfall", "fund_payout", "auto_deleveraged")


def apply(system: System, *, prefix: str = "", execution: str = "at_market") -> System:
    """Add the oracle, failures and a backstop; below the market also losses, the insurance fund and auto-deleveraging.

    Parameters
    ----------
    system : System
        With the ports ``margin_call_rate``, ``forced_sales``, ``net_flow``, ``price_change``, ``effective_impact`` and the
        states ``price_gap`` and ``equity_ratio``.
    prefix : str
        Put before the names of new parts.
    execution : {"at_market", "below_market"}
        Price at which forced sales are executed.

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        For another execution.

    Examples
    --------
    >>> import dynamics as dy
    >>> venue = dy.compose(dy.models.load("deleveraging"), "liquidation_engine")
    >>> venue.definitions["seen_equity_ratio"]
    '1 - (1 - equity_ratio)*exp(price_gap - oracle_gap)'
    """
    if execution not in ("at_market", "below_market"):
        raise SpecificationError(f"execution must be 'at_market' or 'below_market', not {execution!r}")
    n = {name: f"{prefix}{name}" for name in (*_ORACLE, *_LOSSES, *_FLOWS, *provides)}
    call = system.definitions["margin_call_rate"]
    # what is seen can be negative where equity is not, and has no powers then
    rate = redirected(call, "equity_ratio", f"max(0, {n['seen_equity_ratio']})" if "**" in call else n["seen_equity_ratio"])
    # cross margin adds to the equity of the position, which the venue sees at the oracle price as well
    accounts = {name: redirected(text, "equity_ratio", n["seen_equity_ratio"])
                for name, text in system.definitions.items() if name.endswith("account_equity")}
    composed = extend(
        system, "liquidation_engine",
        add={
            "states": {n["oracle_gap"]: State(0, "1", (None, None), "x_o",
                                              "log price that the venue sees over the fundamental")},
            "parameters": {n[name]: part for name, part in _ORACLE.items()},
            "definitions": {n["seen_equity_ratio"]: f"1 - (1 - equity_ratio)*exp(price_gap - {n['oracle_gap']})"},
            "equations": {n["oracle_gap"]: f"(price_gap - {n['oracle_gap']})/{n['oracle_lag']}"},
        },
        override={
            "definitions": {
                **accounts,
                "margin_call_rate": f"{n['close_factor']}*(1 - {n['failed_share']})*({rate})",
                "price_change": f"{system.definitions['price_change']}"
                                f" + effective_impact*{n['backstop_share']}*forced_sales",
            },
        },
    )
    return composed if execution == "at_market" else _with_losses(composed, n, prefix)


def _with_losses(system: System, n: dict[str, str], prefix: str) -> System:
    fund = n["insurance_fund"]
    composed = extend(
        system, "liquidation_engine",
        add={
            "states": {fund: State(n["fund_target"], "1", (0, None), "i", "insurance fund over position value")},
            "parameters": {n[name]: part for name, part in _LOSSES.items()},
            "definitions": {
                n["execution_loss"]: f"{n['liquidation_bonus']} + {n['execution_slippage']} + {n['fund_fee']}",
                n["uncovered"]: f"max(0, {n['execution_loss']} - equity_ratio)",
                n["shortfall"]: f"{n['uncovered']}*forced_sales",
                n["fund_payout"]: f"{n['shortfall']}*{fund}/({fund} + {n['fund_scale']})",
                n["auto_deleveraged"]: f"{n['shortfall']} - {n['fund_payout']}",
            },
            "equations": {fund: f"{n['fund_fee']}*forced_sales - {n['fund_payout']}"
                                f" + {n['fund_reversion']}*({n['fund_target']} - {fund})"
                                f" - {fund}*(price_change + net_flow)"},
            "measures": {
                f"{prefix}total_shortfall": Measure(n["shortfall"], "integral", meaning="losses beyond the equity sold"),
                f"{prefix}total_payout": Measure(n["fund_payout"], "integral", meaning="paid by the insurance fund"),
                f"{prefix}total_auto_deleveraged": Measure(n["auto_deleveraged"], "integral",
                                                           meaning="losses put on winning counterparties"),
                f"{prefix}smallest_fund": Measure(fund, "min", meaning="smallest insurance fund"),
            },
        },
        override={"equations": {"equity_ratio": f"{system.equations['equity_ratio']}"
                                                f" - ({n['execution_loss']} - {n['uncovered']})*forced_sales"}},
    )
    return replace(composed, name=system.name)


def toxic_loan_to_value(bonus: float, seized_over_reserve: float = 0.0) -> float:
    """toxic_loan_to_value(bonus): the loan-to-value above which a liquidation raises the loan-to-value.

    1/((1 + b) Lambda), where Lambda = 1 + 2 c/y if the collateral seized is sold into a constant-product pool that is
    also the oracle (c/y: value seized over the pool's reserve on the debt side), and 1 if the price does not react.

    Parameters
    ----------
    bonus : float
    seized_over_reserve : float

    Returns
    -------
    float

    References
    ----------
    A. McFarlane (2025), arXiv:2510.10171; J. Warmuz et al. (2022), arXiv:2212.07306

    Examples
    --------
    >>> round(toxic_loan_to_value(0.05), 6), round(toxic_loan_to_value(0.05, 0.1), 5)
    (0.952381, 0.79365)
    """
    return 1 / ((1 + bonus) * (1 + 2 * seized_over_reserve))


def close_repeatedly(loan_to_value: float, bonus: float, close_factor: float, rounds: int) -> tuple[float, ...]:
    """close_repeatedly(loan_to_value, bonus, close_factor, rounds): loan-to-value after each liquidation, price constant.

    Parameters
    ----------
    loan_to_value, bonus, close_factor : float
    rounds : int
        At most so many; ends when the collateral is gone.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> [round(value, 4) for value in close_repeatedly(0.96, 0.05, 0.5, 4)]
    [0.9677, 0.9836, 1.0169, 1.0909]
    """
    collateral, debt, found = 1.0, loan_to_value, []
    for _ in range(rounds):
        repaid = min(close_factor * debt, collateral / (1 + bonus))
        collateral, debt = collateral - (1 + bonus) * repaid, debt - repaid
        if collateral <= 0:
            break
        found.append(debt / collateral)
    return tuple(found)


def remaining_bad_debt(debt: float, collateral: float, bonus: float) -> float:
    """remaining_bad_debt(debt, collateral, bonus): what is left when all collateral is sold at a constant price.

    Parameters
    ----------
    debt, collateral : float
    bonus : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(remaining_bad_debt(96, 100, 0.05), 4)
    0.7619
    """
    return max(0.0, debt - collateral / (1 + bonus))


def repayment_to_target(debt: float, collateral: float, threshold: float, bonus: float, target: float) -> float:
    """repayment_to_target(debt, collateral, threshold, bonus, target): debt to repay for a health factor of ``target``.

    Parameters
    ----------
    debt, collateral : float
    threshold : float
        Liquidation threshold; the health factor is threshold * collateral / debt.
    bonus, target : float

    Returns
    -------
    float

    Raises
    ------
    SpecificationError
        If liquidations cannot reach the target: target <= threshold*(1 + bonus).

    Examples
    --------
    >>> repaid = repayment_to_target(90, 100, 0.85, 0.05, 1.05)
    >>> round(0.85 * (100 - 1.05 * repaid) / (90 - repaid), 12)
    1.05
    """
    if not target > threshold * (1 + bonus):
        raise SpecificationError(f"a health factor of {target} is out of reach: each liquidation moves it away from "
                                 f"{threshold * (1 + bonus):g}; give a higher target")
    return (target * debt - threshold * collateral) / (target - (1 + bonus) * threshold)


def auto_deleverage(equities: Sequence[float], share: float = 1.0, order: Sequence[int] | None = None) -> tuple[float, ...]:
    """auto_deleverage(equities, share, order): the haircut of each winner that pays a share of the losers' deficit.

    Parameters
    ----------
    equities : sequence of float
        Equity of each account after the move; negative ones are the deficit.
    share : float
        Share of the deficit to be paid by winners, the rest is paid by others.
    order : sequence of int, optional
        Accounts (from 0) in the order of the queue, each taken whole before the next; None: all winners pro rata.

    Returns
    -------
    tuple of float
        Haircuts between 0 and 1; the payments add up to ``share`` times the deficit, or to all that winners have.

    References
    ----------
    T. Chitra (2025), arXiv:2512.01112

    Examples
    --------
    >>> auto_deleverage((10, 5, 1, -3, -12), 0.5, order=(1, 0, 2, 4, 3))
    (0.25, 1.0, 0.0, 0.0, 0.0)
    >>> auto_deleverage((10, 5, 1, -3, -12), 0.5)[0]
    0.46875
    """
    due = share * sum(-equity for equity in equities if equity < 0)
    haircuts = [0.0] * len(equities)
    if order is None:
        wealth = sum(equity for equity in equities if equity > 0)
        return tuple(min(1.0, due / wealth) if equity > 0 else 0.0 for equity in equities)
    for account in order:
        if equities[account] > 0 and due > 0:
            paid = min(due, equities[account])
            haircuts[account], due = paid / equities[account], due - paid
    return tuple(haircuts)
