"""Competing paths: the cascade number of the core model, and what cannot be compared."""

from __future__ import annotations

import pytest
from sympy import Symbol, exp, symbols

import dynamics as dy

u, eta, omega = symbols("equity_ratio price_impact log_holdings")


def test_the_cascade_number_is_a_function_of_the_state() -> None:
    system = dy.models.load("deleveraging")
    assert (dy.cascade_number(system) - eta * (1 - u) / u).equals(0)
    depleting = dy.compose(system, "depletion")
    assert (dy.cascade_number(depleting) - eta * exp(omega) * (1 - u) / u).equals(0)
    impact = depleting.resolve(Symbol("effective_impact"))
    assert (dy.cascade_number(depleting) - impact * (1 - u) / u).equals(0)


def test_it_is_the_net_effect_of_a_sale_relative_to_the_repayment() -> None:
    # core.md's reading, from the field: d u' / d net_flow = eta (1 - u) - u = u (R - 1)
    system = dy.models.load("deleveraging")
    q, price = symbols("liquidation_flow price_gap")
    by_flow = -system.field["equity_ratio"].diff(q)  # q enters through net_flow alone, with sign -1
    assert (by_flow - u * (dy.cascade_number(system) - 1)).equals(0)
    assert price not in dy.cascade_number(system).free_symbols


def test_above_one_selling_raises_leverage() -> None:
    system = dy.models.load("deleveraging")
    number = dy.cascade_number(system).subs({eta: 0.5})
    for ratio, leverage_rises in ((0.2, True), (0.5, False)):
        selling = {"price_gap": 0, "equity_ratio": ratio, "liquidation_flow": 10}
        change = system.field["equity_ratio"].subs({**system.exact_parameters, eta: 0.5, **selling}).subs({"adjustment": 0})
        assert (float(number.subs({u: ratio})) > 1) is leverage_rises is bool(change < 0)


def test_paths_add_up_to_the_derivative_and_have_values_at_a_place() -> None:
    system = dy.models.load("deleveraging")
    direct, by_price = dy.competing_paths(system, "net_flow", "equity_ratio", at=dy.fixed_points(system)[0])
    assert (direct.polarity, by_price.polarity) == ("balancing", "reinforcing")
    assert (direct.value, by_price.value) == (pytest.approx(-0.2), pytest.approx(0.3 * 0.8))
    through_definitions = dy.competing_paths(system, "voluntary_flow", "equity_ratio")
    resolved = system.field["equity_ratio"]
    theta = Symbol("adjustment")
    flow = theta * (Symbol("target_leverage") * u - 1)
    # the field depends on theta through the voluntary flow only
    assert (sum(p.gain for p in through_definitions) * flow / theta - resolved.diff(theta)).equals(0)


def test_what_does_not_compete_is_told() -> None:
    system = dy.models.load("deleveraging")
    with pytest.raises(dy.DerivationError, match="net_flow -> price_change -> price_gap"):
        dy.path_ratio(system, "net_flow", "price_gap")
    with pytest.raises(dy.SpecificationError, match="Did you mean 'net_flow'"):
        dy.competing_paths(system, "netflow", "equity_ratio")
    with pytest.raises(dy.SpecificationError, match="is not a state"):
        dy.competing_paths(system, "net_flow", "price_change")
    with pytest.raises(dy.SpecificationError, match="has no net_flow"):
        dy.cascade_number(dy.models.load("liquidation_cascade"))
