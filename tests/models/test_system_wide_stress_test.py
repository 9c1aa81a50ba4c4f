"""The model of the public program against the same rules written as a loop over banks."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError


def by_hand(holdings, cash, other, equity, exposed, shock, impact, buffer, rounds):
    """Failures and sales after some rounds: accounts of one bank after another, orders carried out in the next round."""
    first = [list(row) for row in holdings]
    held = [list(row) for row in holdings]
    money, price = list(cash), [1 - shock*share for share in exposed]
    debt = [sum(row) + c + o - e for row, c, o, e in zip(holdings, cash, other, equity, strict=True)]
    loan = [d/2 for d in debt]
    rest = [d/2 for d in debt]
    orders = [[0.0]*len(exposed) for _ in holdings]
    alive = [True]*len(holdings)
    for _ in range(rounds):
        old = list(price)
        for k in range(len(price)):
            sold = sum(order[k] for order in orders)
            price[k] *= np.exp(np.log(1 - impact)/0.05*sold/sum(row[k] for row in first))
        for i, order in enumerate(orders):
            for k, amount in enumerate(order):
                held[i][k] -= amount
                money[i] += amount*(old[k] + price[k])/2
        orders = [[0.0]*len(price) for _ in holdings]
        for i in range(len(held)):
            if not alive[i]:
                continue
            book = sum(q*p for q, p in zip(held[i], price, strict=True))
            assets = money[i] + book + other[i]
            net = assets - loan[i] - rest[i]
            if net/assets < 0.03:
                alive[i] = False
                orders[i] = list(held[i])
                continue
            need = max(0.0, assets - net/0.05) if net/assets < buffer else 0.0
            pay = min(need, money[i], loan[i])
            money[i] -= pay
            loan[i] -= pay
            if money[i] < need - pay and book > 0:
                orders[i] = [q*min(1.0, (need - pay - money[i])/book) for q in held[i]]
    return 1 - sum(alive)/len(alive), 1 - sum(map(sum, held))/sum(map(sum, first)), price


@pytest.mark.parametrize("buffer", [0.04, 1.0])
@pytest.mark.parametrize(("shock", "impact"), [(0, 0.01), (0.08, 0.02), (0.2, 0.05)])
def test_rounds_equal_the_rules_by_hand(shock, impact, buffer):
    rng = np.random.default_rng(5)
    holdings = rng.uniform(0, 200, (12, 3))
    holdings[4] = 0
    cash, other = rng.uniform(20, 60, 12), rng.uniform(500, 1500, 12)
    equity = (holdings.sum(axis=1) + cash + other)*rng.uniform(0.032, 0.08, 12)
    banks = [x.tolist() for x in (holdings, cash, other, equity)]
    system = dy.models.load("system_wide_stress_test", **dict(zip(("holdings", "cash", "other_assets", "equity"), banks,
                                                                  strict=True)), exposed=[0.2, 1, 0.5])
    run = dy.iterate(system.with_parameters(shock=shock, impact=impact, buffer=buffer), 7)
    for rounds in (1, 3, 7):
        failed, sold, price = by_hand(*banks, [0.2, 1, 0.5], shock, impact, buffer, rounds)
        assert float(run["failed_share"].isel(time=rounds)) == pytest.approx(failed, abs=1e-12)
        assert float(run["sold_share"].isel(time=rounds)) == pytest.approx(sold, abs=1e-10)
        assert run["price"].isel(time=rounds).values == pytest.approx(price, rel=1e-10)


def test_lengths_are_checked():
    with pytest.raises(SpecificationError, match="holdings must be 2 rows"):
        dy.models.load("system_wide_stress_test", equity=[1, 2])
