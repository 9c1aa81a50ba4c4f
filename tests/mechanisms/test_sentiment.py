"""Sentiment: moods of a crowd that follows itself, and the pitchfork at which they appear."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from sympy import Symbol, tanh

import dynamics as dy


@pytest.mark.parametrize(("herding", "mood"), [(1.1, 0.50294), (1.5, 0.85856), (2.0, 0.95750)])
def test_moods(herding, mood):
    """tanh(beta s) = s, and leverage rests where sentiment and adjustment balance."""
    system = dy.compose(dy.models.load("deleveraging"), "sentiment").with_parameters(herding=herding, trend_following=0.01)
    run = dy.integrate(system, 400, initial_state={**system.initial_state(), "sentiment": 0.05}, times=[400.0])
    assert float(run["sentiment"][-1]) == pytest.approx(mood, abs=1e-5)
    exact = brentq(lambda s: math.tanh(herding * s) - s, 0.1, 1, xtol=1e-14)
    assert float(run["sentiment"][-1]) == pytest.approx(exact, abs=1e-6)
    assert float(run["equity_ratio"][-1]) == pytest.approx((1 - 0.05 * exact / 0.5) / 5, rel=1e-5)


def test_the_pitchfork_at_herding_one():
    system = dy.compose(dy.models.load("deleveraging"), "sentiment")
    rest = {"price_gap": 0, "equity_ratio": "1/target_leverage", "liquidation_flow": 0, "sentiment": 0}
    conditions = dy.stability_conditions(system, rest)
    (static,) = [c for c in conditions if c.expression == 1 - Symbol("herding")]
    assert static.bifurcation in ("pitchfork", "fold")
    # beside it two moods exist and grow as the square root: s**2 = 3 (beta - 1)/beta**3 to leading order
    s, beta = Symbol("s"), Symbol("beta")
    series = (tanh(beta * s) - s).series(s, 0, 5).removeO()
    assert series.coeff(s, 1) == beta - 1
    assert series.coeff(s, 3) == -beta**3 / 3       # odd, negative: supercritical


def test_trend_following_alone_destabilises():
    core = dy.models.load("deleveraging").with_parameters(target_leverage=10.5)
    system = dy.compose(core, "sentiment")
    assert dy.fixed_points(core)[0].stability == "stable"
    matrix = dy.jacobian(system)
    for trend, stable in ((0.01, True), (30, False)):
        values = {**system.exact_parameters, Symbol("trend_following"): trend, Symbol("price_gap"): 0,
                  Symbol("equity_ratio"): 1 / 10.5, Symbol("liquidation_flow"): 0, Symbol("sentiment"): 0}
        eigenvalues = np.linalg.eigvals(np.array(matrix.subs(values).tolist(), dtype=float))
        assert bool(max(eigenvalues.real) < 0) is stable
