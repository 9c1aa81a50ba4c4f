"""Liquidation under a capital requirement: the closed form against the equations."""

import numpy as np
import pytest
from scipy.optimize import brentq

import dynamics as dy


def bank(leverage, impact, **values):
    return dy.models.load("leverage_constraint").with_parameters(requirement=1/leverage, price_impact=impact, **values)


@pytest.mark.parametrize(("leverage", "impact", "prices", "amplification"), [
    (5, 0.1, (0.983813, 0.926535, 0.866127), 1.6667), (10, 0.1, (0.960192, 0.892052, 0.835057), 10),
    (20, 0.04, (0.975080, 0.921736, 0.871935), 4.1667), (33, 0.03, (0.972783, 0.925439, 0.878513), 25)])
def test_prices_are_those_of_the_implicit_formula(leverage, impact, prices, amplification):
    system = bank(leverage, impact)
    path = dy.integrate(system, 10, times=[0, 1, 5, 10], relative_tolerance=1e-10)
    assert path["price"].values[1:] == pytest.approx(prices, abs=6e-7)
    for time, price in zip((1, 5, 10), path["price"].values[1:], strict=True):
        exact = brentq(lambda q: np.log(q) + 0.01*time + impact*(1 - q**(leverage - 1)), 0.5, 1)  # noqa: B023
        assert price == pytest.approx(exact, rel=1e-8)
    number = float(path["cascade_number"][0])
    assert number == pytest.approx(impact*(leverage - 1))
    assert 1/(1 - number) == pytest.approx(amplification, rel=1e-4)


def test_held_position_is_a_power_of_the_price():
    path = dy.integrate(bank(20, 0.04), 10)
    assert path["held"].values == pytest.approx(path["price"].values**19, rel=1e-7)
    assert np.trapezoid(path["liquidation"], path["time"]) == pytest.approx(1 - float(path["held"][-1]), rel=1e-4)


def test_the_bound_on_the_risk_weight_is_where_the_cascade_number_is_one():
    # alpha theta > beta/(1 + beta)
    for factor, well_posed in ((1.001, True), (0.999, False)):
        system = dy.models.load("leverage_constraint").with_parameters(
            price_impact=0.08, risk_weight=0.5, requirement=2*factor*0.08/1.08)
        change = system.resolve(system.symbols["price_change"]).subs({**system.exact_parameters, system.symbols["held"]: 1})
        assert (float(change) < 0) == well_posed
