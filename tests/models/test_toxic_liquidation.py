"""Toxic liquidation: published and derived loan-to-value limits, checked by liquidations written out."""

import pytest

import dynamics as dy


def loan(**values):
    return dy.models.load("toxic_liquidation").with_parameters(**values)


def ratios(start, steps, **values):
    return dy.iterate(loan(**values), steps, {"coverage": 1/start})["loan_to_value"].values


@pytest.mark.parametrize(("bonus", "limit"), [
    (0.01, 0.990099), (0.045, 0.956938), (0.05, 0.952381), (0.08, 0.925926), (0.10, 0.909091), (0.13, 0.884956)])
def test_loan_to_value_above_which_liquidation_is_toxic(bonus, limit):
    point = next(p for p in dy.fixed_points(loan(bonus=bonus)) if p.values["coverage"] > 0)
    assert 1/point.values["coverage"] == pytest.approx(limit, abs=5e-7)
    assert point.stability == "unstable"
    assert point.eigenvalues[0] == pytest.approx(2)


def test_repeated_liquidation_heals_or_ruins():
    assert ratios(0.93, 2) == pytest.approx([0.93, 0.9087, 0.8688], abs=6e-5)
    assert ratios(0.96, 4) == pytest.approx([0.96, 0.9677, 0.9836, 1.0170, 1.0909], abs=6e-5)
    assert ratios(1/1.05, 5) == pytest.approx([1/1.05]*6, rel=1e-9)


@pytest.mark.parametrize(("start", "bad_debt"), [(0.96, 0.7619), (0.97, 1.7619)])
def test_bad_debt_of_a_toxic_spiral(start, bad_debt):
    # the loan written out in money, 100 of collateral: coverage follows it and the rest is B - C/(1 + b)
    debt, collateral = 100*start, 100.0
    coverage = dy.iterate(loan(), 12, {"coverage": 1/start})["coverage"].values
    for expected in coverage[1:]:
        repaid = min(0.5*debt, collateral/1.05)
        debt, collateral = debt - repaid, collateral - 1.05*repaid
        assert collateral/debt == pytest.approx(expected, abs=1e-9)
    assert collateral == pytest.approx(0, abs=1e-9)
    assert coverage[-1] == 0
    assert debt == pytest.approx(bad_debt, abs=5e-5)


@pytest.mark.parametrize(("share", "limit"), [(0.01, 0.93371), (0.05, 0.86580), (0.1, 0.79365), (0.25, 0.63492)])
def test_limit_where_the_pool_is_the_oracle(share, limit):
    point = next(p for p in dy.fixed_points(loan(pool_share=share)) if p.values["coverage"] > 0)
    toxic = 1/point.values["coverage"]
    assert toxic == pytest.approx(limit, abs=6e-6)
    # a small liquidation sold into a constant-product pool: loan to value rises above the limit and falls below it
    for ratio, worse in ((toxic*1.005, True), (toxic*0.995, False)):
        units, reserve, money = 1.0, 1/share, 1/share
        repaid = 1e-4*ratio
        seized = 1.05*repaid
        price = money*reserve/(reserve + seized)**2
        assert ((ratio - repaid)/((units - seized)*price) > ratio) == worse
