"""Volatility targeting: the moving average in closed form, leverage as a power of it, and the core when it has no power."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.mechanisms.volatility_targeting import leverage_build_up


def drifting(rate):
    """A price that moves by itself; nothing declares units."""
    system = dy.System(name="drifting", time="continuous", states={"price_gap": 0}, parameters={"rate": rate},
                       definitions={"effective_target": "5", "price_change": "rate"},
                       equations={"price_gap": "price_change"})
    return dy.compose(system, "volatility_targeting")


@pytest.mark.parametrize("rate", [-0.3, 0.3])
def test_variance_is_the_moving_average_of_shifted_squares(rate):
    """v = (1 - a g)**2 + [1 - (1 - a g)**2] exp(-t/tau): a fall raises it, an equal rise lowers it."""
    times = np.array([1.0, 5.0, 60.0])
    run = dy.integrate(drifting(rate), 60, times=times, relative_tolerance=1e-11, absolute_tolerance=1e-13)
    limit = (1 - rate) ** 2
    np.testing.assert_allclose(run["variance"], limit + (1 - limit) * np.exp(-times / 5), rtol=1e-9)


def test_leverage_is_a_power_of_variance_and_capped():
    system = drifting(0)
    target = system.resolve(system.symbols["effective_target"]).subs(system.exact_parameters)
    # value at risk: half the volatility (a quarter of the variance), twice the leverage
    assert float(target.subs({"variance": 0.25})) == pytest.approx(10)
    assert leverage_build_up(0.25, -0.5) == 2
    capped = dy.compose(dy.models.load("deleveraging"), ("volatility_targeting", {"cap": True}))
    target = capped.resolve(capped.symbols["effective_target"]).subs({**capped.exact_parameters, "leverage_cap": 8})
    assert [float(target.subs({"variance": v})) for v in (4, 1, 0.25)] == pytest.approx([2.5, 5, 8])


def test_without_power_or_asymmetry_it_is_the_core():
    core = dy.models.load("deleveraging")
    start, times = {"price_gap": -0.1, "equity_ratio": 0.1158}, np.linspace(0, 10, 11)
    without, flat, calm = (
        dy.integrate(s, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
        for s in (core, dy.compose(core, "volatility_targeting").with_parameters(cyclicality=0),
                  dy.compose(core, "volatility_targeting").with_parameters(asymmetry=0)))
    np.testing.assert_allclose(without["equity_ratio"], flat["equity_ratio"], rtol=1e-7)
    np.testing.assert_allclose(without["equity_ratio"], calm["equity_ratio"], rtol=1e-7)


def test_procyclical_targets_destabilise_and_countercyclical_ones_stabilise():
    """The loop of gain -2 a b at rest: the sign of the largest real part around the core's limit of 11."""
    system = dy.compose(dy.models.load("deleveraging"), "volatility_targeting")
    matrix = dy.jacobian(system)
    for leverage, cyclicality, stable in ((10.9, -0.5, False), (10.9, 0, True), (11.1, 0, False), (11.1, 0.5, True)):
        at = {**system.with_parameters(target_leverage=leverage, cyclicality=cyclicality).exact_parameters,
              "price_gap": 0, "equity_ratio": 1 / leverage, "liquidation_flow": 0, "variance": 1}
        eigenvalues = np.linalg.eigvals(np.array(matrix.subs(at).tolist(), dtype=float))
        assert bool(max(eigenvalues.real) < 0) is stable
