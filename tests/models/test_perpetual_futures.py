"""The venue for perpetual futures: the core's rest and onset, its limits, and the venue's books after a shock."""

import numpy as np
import pytest
from sympy import Symbol, simplify

import dynamics as dy

REST = {"price_gap": 0, "equity_ratio": "1/target_leverage", "liquidation_flow": 0, "log_open_interest": 0, "premium": 0,
        "oracle_gap": 0, "insurance_fund": "fund_target"}


@pytest.fixture(scope="module")
def venue():
    return dy.models.load("perpetual_futures")


def test_the_onset_is_the_cores(venue):
    """eta (lambda* - 1) < 1 + kappa/theta whatever the oracle, the fund and the funding rule."""
    (condition,) = dy.stability_conditions(venue, REST)
    eta, target, kappa, theta = (Symbol(n) for n in ("price_impact", "target_leverage", "reversion", "adjustment"))
    assert simplify(condition.expression / (theta * (1 + kappa / theta - eta * (target - 1)))) == 1
    assert condition.bifurcation == "hopf"
    (hopf,) = dy.bifurcation_conditions(venue, REST, parameter="target_leverage")
    assert simplify(hopf.solutions[0] - (1 + (1 + kappa / theta) / eta)) == 0


@pytest.mark.slow
def test_fixed_points_are_found(venue):
    points = [p for p in dy.fixed_points(venue) if p.admissible]
    assert points[0].exactness == "exact"
    assert points[0].stability == "stable"
    assert str(points[0].state["equity_ratio"]) == "1/target_leverage"


def after_a_fall(system, fall, duration=0.5, **extra):
    state = {"price_gap": -fall, "equity_ratio": 1 - 0.8 * np.exp(fall), **extra}
    return dy.integrate(system, duration, initial_state=state, times=np.linspace(0, duration, 20001),
                        relative_tolerance=1e-10, absolute_tolerance=1e-13)


def test_without_its_frictions_it_is_the_core_with_depletion(venue):
    plain = venue.with_parameters(open_interest_renewal=0, premium_share=0, oracle_lag=1e-4, liquidation_bonus=0,
                                  execution_slippage=0, fund_fee=0)
    core = dy.compose(dy.models.load("deleveraging"), "depletion")
    # the oracle has seen the fall
    ours, theirs = after_a_fall(plain, 0.172, oracle_gap=-0.172), after_a_fall(core, 0.172)
    assert float(theirs["equity_ratio"].min()) < 0.05
    np.testing.assert_allclose(ours["equity_ratio"], theirs["equity_ratio"], atol=2e-4)


def test_the_books_after_a_fall(venue):
    """Per initial contract: the fund gets fees and pays shortfalls, winners pay the rest; it is never negative."""
    system = venue.with_parameters(fund_target=0.0002, fund_reversion=0, liquidation_bonus=0.02, open_interest_renewal=0)
    run = after_a_fall(system, 0.195)
    position = np.exp(run["price_gap"] + run["log_open_interest"]).values
    u, q, fund, time = (run[n].values for n in ("equity_ratio", "liquidation_flow", "insurance_fund", "time"))
    shortfall = q * np.maximum(0, 0.027 - u)
    payout = shortfall * fund / (fund + 0.0001)
    assert np.trapezoid(shortfall, time) > 1e-4
    assert np.min(fund) >= 0
    earned = np.trapezoid(position * (0.005 * q - payout), time)
    assert fund[-1] * position[-1] - fund[0] * position[0] == pytest.approx(earned, abs=2e-7)
    # holders: equity changes by price moves, funding and the losses borne
    excess = 3 * (np.maximum(0, run["premium"].values - 0.0006) + np.minimum(0, run["premium"].values + 0.0004))
    borne = np.trapezoid(position * (np.minimum(0.027, u) * q + excess), time)
    market = np.trapezoid(position, run["price_gap"].values)
    assert u[-1] * position[-1] - u[0] * position[0] == pytest.approx(market - borne, abs=2e-6)


def test_a_backstop_saves_and_losses_kill(venue):
    """The same fall: insolvent at the market, sooner with execution losses, not with forced sales off the book."""
    ends = {}
    for name, values in {"at market": {"liquidation_bonus": 0, "execution_slippage": 0, "fund_fee": 0}, "losses": {},
                         "backstop": {"backstop_share": 0.63}}.items():
        ends[name] = float(after_a_fall(venue.with_parameters(**values), 0.18)["time"][-1])
    assert ends["backstop"] == 0.5
    assert ends["losses"] < ends["at market"] < 0.5


def test_margin_tiers_see_the_contracts_that_are_left(venue):
    tiered = dy.compose(venue, "margin_tiers")
    assert tiered.definitions["required_margin"].count("log_open_interest") == 1
    assert "seen_equity_ratio" in tiered.definitions["margin_call_rate"]        # and equity at the oracle price
