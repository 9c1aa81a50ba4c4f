"""Endogenous risk: the derived constants, the differential equation, and the drift by Ito's rule."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Ei, Function, Rational, Symbol, exp, simplify, solve, symbols

import dynamics as dy
from dynamics.models.endogenous_risk import amplification

# derived constants of w exp(-w) Ei(w)
HUMP, LARGEST, NEUTRAL, ZERO = 3.0657708258, 1.4840808029, 1.3471552511, 0.3725074108


@pytest.fixture(scope="module")
def solved():
    return dy.models.load("endogenous_risk").solve()


def test_the_hump(solved):
    assert float(amplification(50.0)) == pytest.approx(1.0208523, abs=5e-8)
    assert float(solved["largest_amplification"]) == pytest.approx(LARGEST, abs=5e-11)
    assert float(solved["largest_volatility"]) == pytest.approx(0.2*LARGEST, abs=1e-11)
    # alpha**2 delta is 1 USD
    assert 1/float(solved["hump_capital"]) == pytest.approx(HUMP, abs=5e-11)
    assert 1/float(solved["neutral_capital"]) == pytest.approx(NEUTRAL, abs=5e-11)
    assert 1/float(solved["largest_capital"]) == pytest.approx(ZERO, abs=5e-11)
    assert float(solved["largest_capital"]) == pytest.approx(2.684510, abs=5e-7)
    assert np.all(solved["volatility"] > 0)
    scaled = dy.models.load("endogenous_risk").solve({"risk_constraint": 3, "value_demand": 0.5})
    assert float(scaled["hump_capital"]) == pytest.approx(4.5/HUMP, rel=1e-10)


def test_volatility_solves_its_equation(solved):
    """Integrated down from the hump, where the two kinds of capital meet, by another method."""
    s, start = 0.2, 0.9*float(solved["largest_capital"])
    begin = s*amplification(1/start)
    run = solve_ivp(lambda v, y: [((y[0] - s) - v*y[0])/v**2], (start, 0.2), [begin], rtol=1e-11, atol=1e-13,
                    dense_output=True)
    capital = solved["capital"].values
    inside = (capital > 0.2) & (capital < start)
    np.testing.assert_allclose(solved["volatility"].values[inside], run.sol(capital[inside])[0], rtol=1e-7)


def test_the_drift_is_that_of_ito():
    """d ln P and dV in general, with sigma(V) known only through its differential equation."""
    v, alpha, delta, s, r, trend, mu = symbols("v alpha delta s r trend mu", positive=True)
    sigma = Function("sigma")(v)
    slope = (alpha**2*delta*(sigma - s) - v*sigma)/v**2
    shift = sigma*v/(alpha*delta)                       # ln P - z
    first = shift.diff(v).subs(sigma.diff(v), slope)
    second = first.diff(v).subs(sigma.diff(v), slope)
    growth = r*v + v/(alpha*sigma)*(mu - r)             # drift of V; its volatility is v/alpha
    assert simplify(s + first*v/alpha - sigma) == 0     # volatility is what was expected
    found = solve(trend + first*growth + second*(v/alpha)**2/2 + sigma**2/2 - mu, mu)
    assert len(found) == 1
    w = Symbol("w", positive=True)
    values = {alpha: Rational(6, 5), delta: Rational(1, 2), s: Rational(1, 5), r: Rational(1, 100), trend: Rational(1, 20)}
    explicit = found[0].subs(sigma, s*w*exp(-w)*Ei(w)).subs(values)
    solved = dy.models.load("endogenous_risk").solve(
        {"risk_constraint": 1.2, "value_demand": 0.5, "fundamental_volatility": 0.2, "interest": 0.01,
         "fundamental_drift": 0.05})
    for row in (100, 300, 550):
        here = solved.isel(capital=row)
        at = float(here["capital"])
        expected = float(explicit.subs({v: at, w: 0.72/at}).evalf(20))
        assert float(here["price_drift"]) == pytest.approx(expected, rel=1e-9)
        assert float(here["leverage"]) == pytest.approx(1/(1.2*float(here["volatility"])), rel=1e-12)
        assert float(here["capital_drift"]) == pytest.approx(0.01 + float(here["leverage"])*(expected - 0.01), rel=1e-9)
