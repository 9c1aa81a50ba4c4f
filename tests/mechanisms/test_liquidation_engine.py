"""Liquidation engine: toxic liquidations, bad debt, auto-deleveraging, and the fund's books in a simulation."""

import numpy as np
import pytest
from sympy import Symbol

import dynamics as dy
from dynamics.mechanisms.liquidation_engine import (
    auto_deleverage,
    close_repeatedly,
    remaining_bad_debt,
    repayment_to_target,
    toxic_loan_to_value,
)


@pytest.mark.parametrize(("bonus", "threshold"), [
    (0.01, 0.990099), (0.045, 0.956938), (0.05, 0.952381), (0.08, 0.925926), (0.10, 0.909091), (0.13, 0.884956)])
def test_toxic_thresholds_at_a_constant_price(bonus, threshold):
    assert toxic_loan_to_value(bonus) == pytest.approx(threshold, abs=5e-7)
    for offset, better in ((-1e-3, True), (1e-3, False)):
        before = threshold + offset
        (after,) = close_repeatedly(before, bonus, 0.01, 1)
        assert (after < before) is better


@pytest.mark.parametrize(("depth", "threshold"), [(0.01, 0.93371), (0.05, 0.86580), (0.1, 0.79365), (0.25, 0.63492)])
def test_toxic_thresholds_against_a_step_of_a_pool(depth, threshold):
    """McFarlane (2025): collateral C over the pool's reserve y; the oracle is the pool's price."""
    bonus = 0.05
    assert toxic_loan_to_value(bonus, depth) == pytest.approx(threshold, abs=5e-6)
    for factor, better in ((0.995, True), (1.005, False)):
        loan = threshold * factor
        reserve = 1 / depth                     # both sides, at price 1; collateral 1
        repaid = 1e-6
        seized = (1 + bonus) * repaid
        price = (reserve / (reserve + seized)) ** 2      # after selling into x y = const
        after = (loan - repaid) / ((1 - seized) * price)
        assert (after < loan) is better


def test_closing_again_and_again():
    # 50 % of the debt each time, bonus 5 %
    assert [round(v, 4) for v in close_repeatedly(0.96, 0.05, 0.5, 4)] == pytest.approx([0.9677, 0.9836, 1.0170, 1.0909],
                                                                                      abs=1.1e-4)
    falling = close_repeatedly(0.93, 0.05, 0.5, 2)
    assert falling == pytest.approx([0.9087, 0.8688], abs=1e-4)
    assert close_repeatedly(1 / 1.05, 0.05, 0.5, 3) == pytest.approx([1 / 1.05] * 3, rel=1e-12)
    assert remaining_bad_debt(96, 100, 0.05) == pytest.approx(0.7619, abs=1e-4)
    assert remaining_bad_debt(97, 100, 0.05) == pytest.approx(1.7619, abs=1e-4)
    assert remaining_bad_debt(90, 100, 0.05) == 0


def test_an_unreachable_health_factor_is_told():
    with pytest.raises(dy.SpecificationError, match="out of reach"):
        repayment_to_target(90, 100, 0.85, 0.25, 1.05)


def test_auto_deleveraging_by_queue_and_pro_rata():
    # Chitra (2025): equities (10, 5, 1, -3, -12), half of the deficit, order (2, 1, 3, 5, 4)
    equities = np.array([10, 5, 1, -3, -12])
    queue = auto_deleverage(equities, 0.5, order=(1, 0, 2, 4, 3))
    assert queue == (0.25, 1, 0, 0, 0)
    assert list((equities * (1 - np.array(queue)))[:3]) == [7.5, 0, 1]
    share = auto_deleverage(equities, 0.5)
    assert share == (0.46875, 0.46875, 0.46875, 0, 0)
    for haircuts in (queue, share):     # what winners pay is what losers are short of
        assert np.dot(haircuts, equities) == pytest.approx(0.5 * 15)
    assert auto_deleverage((1, -5)) == (1, 0)       # nobody pays more than there is


def test_the_venue_sees_the_equity_at_the_oracle_price():
    system = dy.compose(dy.models.load("deleveraging"), "liquidation_engine")
    seen = system.resolve(system.symbols["seen_equity_ratio"])
    debt, units, price, oracle = 80.0, 10.0, 9.5, 9.9
    value = seen.subs({Symbol("equity_ratio"): 1 - debt / (units * price), Symbol("price_gap"): np.log(price),
                       Symbol("oracle_gap"): np.log(oracle)})
    assert float(value) == pytest.approx(1 - debt / (units * oracle), rel=1e-12)


def test_the_books_of_the_fund_balance():
    """In currency: what holders lose beyond the market, the fund and winners pay; the fund is never negative."""
    system = dy.compose(dy.models.load("deleveraging"), "depletion", ("liquidation_engine", {"execution": "below_market"}))
    system = system.with_parameters(liquidation_bonus=0.03, execution_slippage=0.02, fund_target=0.0005, fund_reversion=1e-9)
    start = {**system.initial_state(), "equity_ratio": 0.02, "liquidation_flow": 8.0}
    times = np.linspace(0, 0.3, 30001)
    run = dy.integrate(system, 0.3, initial_state=start, times=times, relative_tolerance=1e-11, absolute_tolerance=1e-14)
    position = np.exp(run["price_gap"] + run["log_holdings"]).values            # value, 1 at the start
    u, q, fund = (run[name].values for name in ("equity_ratio", "liquidation_flow", "insurance_fund"))
    time = run["time"].values
    loss, fee = 0.055, 0.005
    shortfall = q * np.maximum(0, loss - u)
    payout = shortfall * fund / (fund + 0.0001)
    assert np.min(fund) >= 0
    assert np.trapezoid(shortfall, time) > 0.002
    earned = np.trapezoid(position * (fee * q - payout), time)
    assert fund[-1] * position[-1] - fund[0] == pytest.approx(earned, abs=1e-7)
    measures = run.attrs["measures"]
    paid = measures["total_payout"] + measures["total_auto_deleveraged"]
    assert measures["total_shortfall"] == pytest.approx(paid, rel=1e-9)
    # equity changes by the market's moves and by the losses borne: d(uA) = A dx - (loss - uncovered) q A dt
    market = np.trapezoid(position, run["price_gap"].values)
    borne = np.trapezoid(np.minimum(loss, u) * q * position, time)
    assert u[-1] * position[-1] - u[0] == pytest.approx(market - borne, abs=1e-6)


def test_a_backstop_takes_the_impact_of_forced_sales_away():
    core = dy.compose(dy.models.load("deleveraging"), "liquidation_engine")
    state = {"price_gap": 0.0, "equity_ratio": 0.2, "liquidation_flow": 1.0, "oracle_gap": 0.0}
    for share, change in ((0, -0.3), (0.5, -0.15), (1, 0)):
        rate = core.resolve(core.symbols["price_change"]).subs({**core.exact_parameters, Symbol("backstop_share"): share})
        assert float(rate.subs(state)) == pytest.approx(change, abs=1e-15)


@pytest.mark.parametrize(("depth", "amplification"), [(0.195, 1.242), (0.14, 1.163), (0.032, 1.033)])
def test_amplification_of_measured_branching_ratios(depth, amplification):
    # branching ratios of a cascade in October 2025 (reading notes); the cascade map's amplification is 1/(1 - R)
    system = dy.models.load("liquidation_cascade", distances="loglogistic")
    # at the median F = 1/2 and the density is 1/(4 s M)
    values = {"median_distance": 0.1, "spread": 0.5, "total_impact": depth * 4 * 0.5 * 0.1}
    changed = system.with_parameters(values)
    expression = changed.resolve(changed.symbols["amplification"]).subs(changed.exact_parameters)
    assert float(expression.subs({Symbol("fall"): 0.1})) == pytest.approx(amplification, abs=6e-4)
