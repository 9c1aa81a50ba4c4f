"""Fire-sale models: thesis example, closed forms, and leading-order rounds."""

import numpy as np
import pytest
from scipy.sparse import coo_array

import dynamics as dy


# Losses of bank B per round, price and equity after the rounds: Schaanning's two-bank example, computed independently.
@pytest.mark.parametrize(("shock", "losses", "price", "equity"), [
    (0.15, (0.31359, 0.19069, 0.08953, 0), 0.991517, None),
    (0.20, (0.54819, 0.33223, 0.12159, 0.02654), 0.985306, (0.96909, 3.47144)),
    (0.25, None, 0.980382, (0.21521, 3.12671)),
    (0.30, None, None, (0, 3.12455)),
])
def test_two_bank_example(shock, losses, price, equity):
    rounds = dy.iterate(dy.models.load("fire_sale_threshold").with_parameters(shock=shock), 8)
    if losses:
        assert -np.diff(rounds["equity"].isel(bank=1).values)[:4] == pytest.approx(losses, abs=6e-6)
    if price:
        assert float(rounds["price"].isel(asset=0, time=-1)) == pytest.approx(price, abs=6e-7)
    if equity:
        assert rounds["equity"].isel(time=-1).values == pytest.approx(equity, abs=6e-6)


def test_largest_first_loss_of_the_second_bank():
    # 70 * 0.5 * (1 - exp(-90/2236.067977)) = 1.380749384: bank A sells everything at once.
    rounds = dy.iterate(dy.models.load("fire_sale_threshold").with_parameters(shock=0.39), 1)
    assert -np.diff(rounds["equity"].isel(bank=1).values)[0] == pytest.approx(1.380749384, abs=1e-9)


@pytest.mark.parametrize(("scale", "sells_all"), [(0.4419, True), (0.4421, False)])
def test_shallow_markets_turn_any_breach_into_a_full_sale(scale, sells_all):
    # Below 0.441978 of the depth any breach (a shock just above 10 %) makes bank A sell everything.
    system = dy.models.load("fire_sale_threshold", depth=(4472.13595499958*scale,)).with_parameters(shock="0.1000001")
    rounds = dy.iterate(system, 400)
    assert (float(rounds["kept"].isel(bank=0, time=-1)) < 1e-9) == sells_all


def test_half_shortfall_variant():
    # alpha = 0.5, limit 33.3, shock 0.2: sold 0.3859, 0.3151, 0.1454 of what was left.
    system = dy.models.load("fire_sale_threshold").with_parameters(shock=0.2, shortfall=0.5, leverage_limit=33.3,
                                                                        target_leverage=0.95*33.3)
    kept = dy.iterate(system, 3)["kept"].isel(bank=0).values
    assert 1 - kept[1:]/kept[:-1] == pytest.approx([0.3859, 0.3151, 0.1454], abs=5e-5)


def test_sparse_and_dense_holdings_agree():
    rng = np.random.default_rng(3)
    dense = np.where(rng.random((6, 5)) < 0.5, rng.uniform(20, 90, (6, 5)), 0)
    dense[:, 0] += 10
    options = {"illiquid": [10]*6, "exposed": [1]*6, "equity": list(dense.sum(axis=1)/30), "depth": [900]*5}
    first, second = (dy.models.load("fire_sale_threshold", holdings=holdings, **options).with_parameters(shock=0.1)
                     for holdings in (dense.tolist(), coo_array(dense)))
    one, two = (dy.iterate(system, 6)["equity"].values for system in (first, second))
    assert np.ptp(one) > 0
    assert one == pytest.approx(two, rel=1e-12)


def test_vulnerable_banks_rounds_and_aggregate_vulnerability():
    # One bank: J = ell a b = 2; AV = ell A b (1 + b) |F| = 0.42.
    bank = dy.models.load("vulnerable_banks", weights=[[1]], assets=[1e12], debt_to_equity=[20], impact=[1e-13])
    rounds = dy.iterate(bank, 1, {"bank_return": [-0.01]})
    assert float(rounds["system_loss"].isel(time=-1)) == pytest.approx(0.42, rel=1e-12)


@pytest.mark.parametrize("weights", [((1, 0), (0, 1)), ((0.5, 0.5), (0.5, 0.5))])
def test_two_identical_banks_have_the_same_vulnerability_whatever_the_overlap(weights):
    banks = dy.models.load("vulnerable_banks", weights=weights, assets=[1e12]*2, debt_to_equity=[20]*2, impact=[1e-13]*2)
    loss = np.array(weights) @ np.array([-0.02, 0])
    rounds = dy.iterate(banks, 1, {"bank_return": list(loss)})
    assert float(rounds["system_loss"].isel(time=-1)) == pytest.approx(0.42, rel=1e-12)
    individual = rounds["loss_to_equity"].isel(time=-1).values
    assert individual == pytest.approx((0.84, 0) if weights[0][1] == 0 else (0.42, 0.42), abs=1e-12)


@pytest.mark.parametrize(("scale", "survives"), [(0.4078, False), (0.4079, True)])
def test_shallower_markets_take_the_second_bank_too(scale, survives):
    # Below 0.407808 of the depth any breach of A, a shock just above 10 %, also costs B all its equity.
    system = dy.models.load("fire_sale_threshold", depth=(4472.13595499958*scale,)).with_parameters(shock="0.100000001")
    rounds = dy.iterate(system, 1000)
    assert (float(rounds["equity"].isel(bank=1, time=-1)) > 0) == survives
