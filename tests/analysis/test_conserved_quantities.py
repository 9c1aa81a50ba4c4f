"""Conserved quantities: known ones found, false ones refused."""

from __future__ import annotations

import pytest
from sympy import Rational, Symbol, simplify

import dynamics as dy

BASEL = dict(
    name="basel leverage cycle", time="discrete",
    states={"fund_weight": dy.State(0.5, bounds=(0, 1)), "price": dy.State(20, bounds=(0, None)),
            "bank_share": dy.State(0.2, bounds=(0, 1)), "liabilities": dy.State(10)},
    parameters={n: dy.Parameter(v, bounds=(0, None)) for n, v in dict(
        tau=0.1, theta=9.5, eta=10, rho=0.1, mu=25, target=10, equity_target=2.25).items()}
    | {"bank_weight": dy.Parameter(0.3, bounds=(0, 1))},
    definitions={
        "assets": "bank_share*price/bank_weight", "equity": "assets - liabilities",
        "balance_change": "tau*theta*(target*equity - assets)", "injection": "tau*eta*(equity_target - equity)",
        "bank_cash": "(1 - bank_weight)*bank_share*price/bank_weight + injection",
        "fund_cash": "(1 - fund_weight)*(1 - bank_share)*price/fund_weight - injection",
        "next_weight": "fund_weight + fund_weight/price*tau*rho*(mu - price)",
        "next_price": "(bank_weight*(bank_cash + balance_change) + next_weight*fund_cash)"
                      "/(1 - bank_weight*bank_share - (1 - bank_share)*next_weight)"},
    equations={"fund_weight": "next_weight", "price": "next_price",
               "bank_share": "bank_weight*(bank_share*next_price + bank_cash + balance_change)/next_price",
               "liabilities": "liabilities + balance_change"},
)
NET_CASH = ("(1 - bank_weight)/bank_weight*bank_share*price + (1 - fund_weight)/fund_weight*(1 - bank_share)*price"
            " - liabilities")


@pytest.mark.slow
def test_net_cash_of_the_basel_map_is_found_and_proved() -> None:
    declared, = dy.conserved_quantities(dy.System(**BASEL, invariants={"net_cash": NET_CASH}))
    assert (declared.name, declared.exactness) == ("net_cash", "exact")
    found, = dy.conserved_quantities(dy.System(**BASEL))
    ratio = simplify(found.expression / declared.expression.subs(Symbol("bank_weight"), Rational(3, 10)))
    assert ratio.is_number


def test_sum_of_two_compartments() -> None:
    system = dy.System(name="contagion", states={"sound": 0.9, "distressed": 0.1}, parameters={"beta": 2, "gamma": 1},
                       equations={"sound": "gamma*distressed - beta*sound*distressed",
                                  "distressed": "beta*sound*distressed - gamma*distressed"})
    found, = dy.conserved_quantities(system)
    assert found.expression == Symbol("sound") + Symbol("distressed")


def test_declared_energy_is_proved_and_a_false_one_refused() -> None:
    states, energy = {"x": 1, "v": 0.3}, {"energy": "x**2/2 + v**2/2"}
    swing = dy.System(name="swing", states=states, equations={"x": "v", "v": "-x"}, invariants=energy)
    assert [(c.name, c.exactness) for c in dy.conserved_quantities(swing)] == [("energy", "exact")]
    damped = dy.System(name="damped", states=states, equations={"x": "v", "v": "-x - v/10"}, invariants=energy)
    with pytest.raises(dy.DerivationError, match=r"invariants\.energy: not conserved"):
        dy.conserved_quantities(damped)


def test_the_core_model_conserves_nothing() -> None:
    assert len(dy.conserved_quantities(dy.models.load("deleveraging"))) == 0


def test_condition_can_be_called_with_arrays() -> None:
    import numpy as np

    market = dy.models.load("deleveraging")
    condition, = dy.stability_conditions(market, dy.fixed_points(market)[0])
    values = {**market.parameter_values, "target_leverage": np.array([5.0, 11.0, 12.0])}
    assert np.sign(np.round(condition(**values), 12)).tolist() == [1, 0, -1]
    with pytest.raises(dy.SpecificationError, match="no value given for reversion"):
        condition(**{n: v for n, v in values.items() if n != "reversion"})
