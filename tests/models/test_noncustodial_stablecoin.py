"""Noncustodial stablecoin: the speculator's problem solved by search, and closed forms of its solution."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import dynamics as dy


def coin(**values):
    return dy.models.load("noncustodial_stablecoin").with_parameters(**values)


def next_supply(system, supply=100.0):
    return float(dy.iterate(system, 1, {"supply": supply})["supply"][-1])


def test_free_of_the_constraint_the_log_supply_goes_half_way():
    supply = dy.iterate(coin(collateral=1000, expected_return=1.1), 12, {"supply": 60})["supply"].values
    distance = np.log(supply/110)
    assert distance[1:]/distance[:-1] == pytest.approx(np.full(12, 0.5), rel=1e-9)
    point = dy.fixed_points(coin(expected_return=0.9))[0]
    assert str(point.state["supply"]) == "demand*expected_return"
    assert point.eigenvalues[0] == pytest.approx(0.5, abs=1e-14)


@pytest.mark.parametrize(("collateral", "supply", "risk", "returns"), [
    (180, 100, 1, 1.0), (180, 70, 1, 1.2), (150, 100, 1, 1.3), (145, 100, 1, 1.0), (190, 110, 0.9, 1.2)])
def test_the_map_solves_the_speculators_problem(collateral, supply, risk, returns):
    system = coin(collateral=collateral, risk_factor=risk, expected_return=returns)

    def collateral_after(new):
        return collateral + (new - supply)*100/new

    def loss(new):
        return new - returns*collateral_after(new)

    # the admissible supplies by search for the two ends, then the best of them by search
    middle = minimize_scalar(lambda new: 1.5*new - risk*collateral_after(new), bounds=(1, 500), method="bounded").x
    slack = lambda new: risk*collateral_after(new) - 1.5*new  # noqa: E731
    ends = brentq(slack, 1, middle), brentq(slack, middle, 500)
    best = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-9}).x
    assert next_supply(system, supply) == pytest.approx(best, abs=2e-5)


def test_coins_are_worth_more_while_collateral_falls():
    assert next_supply(coin(collateral=150, expected_return=2)) == pytest.approx(100, abs=1e-10)
    assert next_supply(coin(collateral=150, expected_return=0.1)) == pytest.approx(200/3, abs=1e-10)
    assert next_supply(coin(collateral=145, expected_return=2)) == pytest.approx(250/3, abs=1e-10)
    assert next_supply(coin(collateral=145, expected_return=0.1)) == pytest.approx(80, abs=1e-10)
    assert float(dy.iterate(coin(collateral=145), 1)["price"][-1]) == pytest.approx(1.2, rel=1e-12)


@pytest.mark.parametrize(("risk", "value"), [(1, 144.948974), (0.9, 158.198890)])
def test_the_constraint_cannot_be_met_below_the_fold(risk, value):
    fold = 2*math.sqrt(1.5*100*100/risk) - 100
    assert fold == pytest.approx(value, abs=5e-7)
    system = coin(risk_factor=risk, expected_return=3)
    room = system.resolve(system.symbols["room"])
    for distance, sign in ((1e-6, 1), (-1e-6, -1)):
        moved = system.with_parameters(collateral=fold + distance)
        number = room.subs({**moved.exact_parameters, system.symbols["supply"]: 100})
        assert sign*float(number) > 0
    at_fold = dy.iterate(system.with_parameters(collateral=fold + 1e-12), 1)
    assert float(at_fold["price"][-1]) == pytest.approx(math.sqrt(1.5/risk), abs=1e-6)


def test_the_price_at_the_fold():
    at_fold = dy.iterate(coin(collateral=2*math.sqrt(15000) - 100, expected_return=3), 1)
    assert float(at_fold["price"][-1]) == pytest.approx(1.224745, abs=1e-6)


def test_the_point_on_the_constraint_is_stable_only_with_ample_collateral():
    for collateral, stability in ((220, "stable"), (180, "unstable")):
        points = dy.fixed_points(coin(collateral=collateral, expected_return=2))
        bound = next(p for p in points if p.values["supply"] == pytest.approx(collateral/1.5))
        assert bound.admissible
        assert bound.stability == stability
        assert bound.eigenvalues[0] == pytest.approx(-100/(collateral - 100), rel=1e-12)
