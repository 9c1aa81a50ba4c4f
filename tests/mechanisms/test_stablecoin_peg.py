"""Stablecoin peg: coins bought back are debt repaid, backlog and pool in closed form, and the core without a coin."""

import math

import numpy as np
import pytest
from sympy import Matrix, Symbol, simplify

import dynamics as dy
from dynamics.mechanisms.stablecoin_peg import sustained_capacity

KINDS = ("collateralised", "fiat", "algorithmic")


def pegged(kind, **values):
    return dy.compose(dy.models.load("deleveraging"), ("stablecoin_peg", {"kind": kind})).with_parameters(**values)


def linear(system, *names):
    """Jacobian of some states at rest, in symbols."""
    states = list(system.states)
    matrix = dy.jacobian(system).subs({"price_gap": 0, "equity_ratio": 1 / Symbol("target_leverage"), "liquidation_flow": 0,
                                       "peg_gap": 0, "redemption_backlog": 0, "pool_gap": 0})
    return Matrix([[simplify(matrix[states.index(a), states.index(b)]) for b in names] for a in names])


def test_a_collateralised_coin_is_worth_demand_over_supply():
    """No impact, constant demand: the premium is the log of the debt that was repaid, Z = D/L."""
    system = dy.compose(pegged("collateralised", price_impact=0, coin_reversion=0, coin_debt_share=0, target_leverage=4),
                        "depletion")
    run = dy.integrate(system, 6, initial_state={"equity_ratio": 0.2}, times=np.linspace(0, 6, 13),
                       relative_tolerance=1e-11, absolute_tolerance=1e-13)
    debt = (1 - run["equity_ratio"].values) * np.exp(run["log_holdings"].values)
    assert debt[-1] < 0.8 * debt[0]
    np.testing.assert_allclose(np.exp(run["peg_gap"].values), debt[0] / debt, rtol=1e-8)


def test_the_premium_is_paid_by_who_owes_the_coin():
    start = {"equity_ratio": 0.2, "peg_gap": 0.0}
    free, owing = (dy.integrate(pegged("collateralised", price_impact=0, target_leverage=4, coin_debt_share=share), 1,
                                initial_state=start, times=[1.0]) for share in (0, 0.5))
    assert float(owing["equity_ratio"][-1]) < float(free["equity_ratio"][-1]) - 0.005


def test_redemptions_pull_the_coin_back_in_damped_oscillations():
    """s**2 + s/tau + gamma a/tau: oscillating iff 1 < 4 gamma a tau."""
    matrix = linear(pegged("fiat"), "peg_gap", "redemption_backlog")
    gamma, a, tau = (Symbol(n) for n in ("redemption_impact", "redemption_response", "redemption_time"))
    assert simplify(matrix.trace() + 1 / tau) == 0
    assert simplify(matrix.det() - gamma * a / tau) == 0
    run = dy.integrate(pegged("fiat"), 4, initial_state={"peg_gap": -0.1}, times=np.linspace(0, 4, 9),
                       relative_tolerance=1e-10, absolute_tolerance=1e-13)
    frequency = math.sqrt(4 - 0.25)
    time = run["time"].values
    exact = -0.1 * np.exp(-time / 2) * (np.cos(frequency * time) + 0.5 / frequency * np.sin(frequency * time))
    np.testing.assert_allclose(run["peg_gap"], exact, atol=1e-8)


def test_a_run_ends_an_algorithmic_peg_where_it_is_faster_than_the_pool():
    matrix = linear(pegged("algorithmic"), "pool_gap")
    speed, blocks = Symbol("run_speed"), Symbol("replenishment_time")
    assert simplify(matrix[0] - (2 * speed - 1 / blocks)) == 0
    for rate, ends in ((0.45, False), (0.55, True)):
        run = dy.integrate(pegged("algorithmic", run_speed=rate), 60, initial_state={"pool_gap": 0.01}, times=[60.0])
        assert (float(run["pool_gap"][-1]) > 0.01) is ends


def test_the_pools_price_is_that_of_the_virtual_pool():
    system = pegged("algorithmic")
    gap = system.resolve(system.symbols["peg_gap"]).subs({"pool_gap": 0.25})
    # B**2/(B + delta)**2: the marginal price of the constant product
    assert math.exp(float(gap)) == pytest.approx(1 / 1.25**2, rel=1e-14)


def test_capacity_of_the_proposals():
    # Terra: 1164 doubled the pool and halved its replenishment; the emergency proposal, one billion and one block
    before = sustained_capacity(50e6, 36, 0.1)
    assert sustained_capacity(100e6, 18, 0.1) / before == pytest.approx(4, rel=1e-12)
    assert sustained_capacity(1000e6, 1, 0.1) / before == pytest.approx(720, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_share_in_the_coin_it_is_the_core(kind):
    core = dy.models.load("deleveraging")
    off = {"coin_debt_share": 0} if kind == "collateralised" else {"coin_equity_share": 0}
    start, times = {"price_gap": -0.1, "equity_ratio": 0.1158}, np.linspace(0, 10, 11)
    runs = [dy.integrate(s, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for s in (core, pegged(kind, **off))]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)


def test_another_kind_is_told():
    with pytest.raises(dy.SpecificationError, match="Did you mean 'fiat'"):
        pegged("fiet")
