"""Geanakoplos' binomial leverage cycle: the worked example, and the four conditions by another method."""

import numpy as np
import pytest
from scipy.optimize import fsolve

import dynamics as dy

# published to two digits; these digits solve the four equations of the paper's example
DYNAMIC = {"buyer": 0.86985418, "price": 0.94651936, "buyer_down": 0.61648501, "price_down": 0.69318801, "margin": 0.26765,
           "margin_down": 0.71148, "leverage": 3.73629, "leverage_down": 1.40552, "price_fall": 0.25333}


def test_the_worked_example():
    found = dy.models.load("leverage_cycle_binomial").solve()
    for name, value in DYNAMIC.items():
        digits = len(str(value).partition(".")[2])
        assert float(found[name]) == pytest.approx(value, abs=0.51 * 10**-digits), name
    assert found.attrs["analysis"] == "solution"
    assert found["price"].attrs["units"] == "1"


def test_one_date_of_trade():
    with_loans = dy.models.load("leverage_cycle_binomial", trade="static").solve()
    without = dy.models.load("leverage_cycle_binomial", trade="static_without_borrowing").solve()
    assert float(with_loans["buyer"]) == pytest.approx(0.6861407, abs=5e-8)
    assert float(with_loans["price"]) == pytest.approx(0.7489125, abs=5e-8)
    assert float(with_loans["loan"] / with_loans["price"]) == pytest.approx(0.267, abs=5e-4)
    assert float(with_loans["leverage"]) == pytest.approx(1.364, abs=5e-4)
    assert float(without["buyer"]) == pytest.approx(0.5962912, abs=5e-8)
    assert float(without["price"]) == pytest.approx(0.6770330, abs=5e-8)
    assert float(without["leverage"]) == 1


@pytest.mark.parametrize("low", [0.001, 0.05, 0.2, 0.5, 0.8, 0.95])
def test_the_four_conditions_hold_and_newton_finds_no_other_equilibrium(low):
    def conditions(unknown):
        start, price, down, price_down = unknown
        return (price_down - down - (1 - down) * low,
                price_down - (1 + price_down) * (start - down) / start - low,
                price - (1 - start) * (1 + price) - price_down,
                start * (1 - price_down) / (price - price_down) - start
                - (1 - start) * start * (1 - low) / (price_down - low))

    found = dy.models.load("leverage_cycle_binomial").solve({"low_payoff": low})
    solved = np.array([float(found[n]) for n in ("buyer", "price", "buyer_down", "price_down")])
    assert np.max(np.abs(conditions(solved))) < 1e-9
    generator = np.random.default_rng(0)
    for start in generator.uniform(low, 1, size=(20, 4)):
        with np.errstate(all="ignore"):
            other, _, flag, _ = fsolve(conditions, start, full_output=True)
        inside = flag == 1 and np.all((other > 0) & (other < 1)) and other[1] > other[3] > low and other[0] > other[2]
        if inside and np.max(np.abs(conditions(other))) < 1e-10:
            np.testing.assert_allclose(other, solved, atol=1e-7)


def test_bad_news_raises_margins_at_every_payoff():
    found = dy.sweep(dy.models.load("leverage_cycle_binomial"), {"low_payoff": np.linspace(0.01, 0.9, 30)})
    assert (found["status"] == 0).all()
    assert (found["price"] > found["price_down"]).all()
    assert (found["margin_down"] > found["margin"]).all()
    assert np.all(np.diff(found["price"]) > 0)


def test_refusals():
    with pytest.raises(dy.SpecificationError, match="Did you mean 'static'"):
        dy.models.load("leverage_cycle_binomial", trade="statics")
    with pytest.raises(dy.SpecificationError, match="outside its bounds"):
        dy.models.load("leverage_cycle_binomial").with_parameters(low_payoff=1.2)
