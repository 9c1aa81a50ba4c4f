import itertools

import pytest
from sympy import Abs, Eq, Integer, Max, Min, Piecewise, Rational, Symbol, sign

from dynamics.errors import DerivationError
from dynamics.symbolic import regimes as regimes_module
from dynamics.symbolic.regimes import regime_at, regimes, switches

x, y, z, m = (Symbol(name) for name in ("x", "y", "z", "m"))

CASES = [
    Max(0, x) - Min(y, 1),
    Max(x, y, z),
    Min(1, Max(0, x - Abs(y))),
    Piecewise((x, (x > 0) & (y > 0)), (y**2, x < -1), (z, True)),
    sign(x - y) * Abs(x),
    Piecewise((1, Eq(x, 2)), (x, True)),
]


@pytest.mark.parametrize("expression", CASES)
def test_each_point_has_its_regime_and_only_one(expression):
    found = regimes([expression])
    values = (Rational(-17, 7), Rational(5, 13), Rational(8, 5))
    for a, b, c in itertools.product(values, repeat=3):
        point = {x: a, y: b + Rational(1, 101), z: c + Rational(1, 37)}
        holding = [item for item in found if all(condition.xreplace(point) >= 0 for condition in item.conditions)]
        assert len(holding) == 1
        assert holding[0].expressions[0].xreplace(point) == expression.xreplace(point)
        assert regime_at([expression], point).expressions[0].xreplace(point) == expression.xreplace(point)


def test_names_and_order():
    on, off = regimes([Max(0, 1 - x / m)])
    assert on.name == "1 - x/m > 0: True"
    assert off.name == "1 - x/m > 0: False"
    assert off.expressions == (0,)
    assert regimes([x + 1])[0].name == "smooth"


def test_switches_are_recognised_up_to_sign_and_positive_factors():
    assert len(switches([Max(0, x - 1), Abs(1 - x), sign(2 * x - 2)])) == 1
    both = [Max(0, 1 - x / m), Max(0, m - x)]
    assert len(switches(both, {m: (Integer(0), None)})) == 1
    assert len(switches(both)) == 2


def test_nested_switch_is_asked_only_where_it_matters():
    names = [item.name for item in regimes([Piecewise((Max(0, y), x > 0), (0, True))])]
    assert names == ["y > 0: True, x > 0: True", "y > 0: True, x > 0: False", "y > 0: False"]
    product = regimes([Max(0, x) * Max(0, y)])
    assert len(product) == 3


def test_contradictory_and_constant_patterns_are_left_out():
    # x - 1 > 0 and x <= 0 cannot hold together
    assert len(regimes([Max(0, x) + Max(0, x - 1)])) == 3
    assert len(regimes([Max(0, m)], {m: (Integer(0), None)})) == 1


def test_too_many_switches():
    with pytest.raises(DerivationError, match="10"):
        regimes([sum(Abs(Symbol(f"x{index}")) for index in range(12))])


def test_too_many_switches_are_not_counted_to_the_end(monkeypatch):
    drawn, split = [], regimes_module._split
    monkeypatch.setattr(regimes_module, "_split", lambda *given: (drawn.append(r) or r for r in split(*given)))
    with pytest.raises(DerivationError, match="More than 10 switches"):
        regimes([Symbol(f"y{index}") + Abs(Symbol(f"x{index}")) for index in range(11)])
    # one regime, handed up through each of its switches; there are 2**11
    assert len(drawn) <= 12


def test_regime_at_needs_values():
    with pytest.raises(DerivationError, match="no real value"):
        regime_at([Abs(x)], {})
