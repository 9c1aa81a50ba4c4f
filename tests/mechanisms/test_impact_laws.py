"""Numbers of section 8 of the notes on fire sales: laws of market impact, from models and mechanisms of the package."""

import numpy as np
import pytest
from scipy.optimize import minimize

import dynamics as dy
from dynamics.mechanisms.market_depth import constant_product_price


def test_kyle_one_period():
    """Prior variance 0.5, noise 2: lambda 0.1767767, beta 2.828427, as the fixed point of mutual best replies."""
    market = dy.System(name="kyle", time="discrete", states={"slope": dy.State(1, bounds=("0.01", None))},
                       parameters={"prior": 0.5, "noise": 2}, definitions={"intensity": "1/(2*slope)"},
                       equations={"slope": "intensity*prior/(intensity**2*prior + noise**2)"})
    (point,) = [p for p in dy.fixed_points(market) if p.values["slope"] > 0]
    assert point.values["slope"] == pytest.approx(0.1767767, abs=5e-8)
    assert 1/(2*point.values["slope"]) == pytest.approx(2.828427, abs=5e-7)


@pytest.mark.parametrize(("share", "basis_points"), [(0.01, 20), (0.1, 63.25)])
def test_square_root_law(share, basis_points):
    """Y = 1, sigma = 2 %: 1 % of the daily volume moves the price by 20 basis points, 10 % by 63.25."""
    bank = dy.models.load("fire_sale_equilibrium", holdings=[[share*1000]], other_assets=[100], equity=[0],
                          volatility=[0.02], volume=[1000])
    assert 1e4*float(dy.iterate(bank, 1)["discount"][0, -1]) == pytest.approx(basis_points, abs=0.005)


def test_exponential_depth():
    """5 % sold, 5 % fall: alpha = 1.0258659, in the stress-test model; 10 % sold, 10 % fall: 1.0536052, in the networks."""
    networks = dy.models.load("overlapping_portfolios").parameter_values["impact"]
    assert networks == pytest.approx(1.0536052, abs=5e-8)
    assert np.exp(-0.1*networks) == pytest.approx(0.9, abs=1e-12)
    banks = dy.models.load("system_wide_stress_test", holdings=[[100]], cash=[0], other_assets=[900], equity=[20],
                           exposed=[0])
    rounds = dy.iterate(banks.with_parameters(shock=0), 2)  # equity below 3 % of assets: everything is sold in round two
    assert -np.log(float(rounds["price"][0, -1])) == pytest.approx(1.0258659, abs=5e-8)


def test_floor_exponential_depth():
    """c ADV sqrt(tau)/sigma with 0.4, 50, 20 days, 2 %: 4472.135955."""
    assert dy.models.load("fire_sale_threshold").parameter_values["depth"] == pytest.approx((0.4*50*np.sqrt(20)/0.02,),
                                                                                            abs=1e-6)


def test_almgren_chriss():
    """sigma .95, eta 2.5e-6, gamma 2.5e-7, risk aversion 1e-6, T 5: kappa .6008328, discrete .6070762, x(1)/X .5452122."""
    optimal = dy.System(name="optimal_liquidation", time="continuous", states={"held": 1, "speed": 0},
                        parameters={"risk": 1e-6, "variance": 0.95**2, "eta": 2.5e-6},
                        equations={"held": "speed", "speed": "risk*variance/eta*held"})
    (rest,) = dy.fixed_points(optimal)
    kappa = max(z.real for z in rest.eigenvalues)
    assert kappa == pytest.approx(0.6008328, abs=5e-8)
    path = dy.integrate(optimal, 5, {"held": 1, "speed": -kappa/np.tanh(5*kappa)}, times=[0, 1, 5])
    assert path["held"].values[1:] == pytest.approx([0.5452122, 0], abs=1e-6)
    steps = dy.System(name="optimal_steps", time="discrete", states={"held": 1, "before": 1},
                      parameters={"risk": 1e-6, "variance": 0.95**2, "eta": 2.5e-6, "gamma": 2.5e-7},
                      equations={"held": "(2 + risk*variance/(eta - gamma/2))*held - before", "before": "held"})
    (rest,) = dy.fixed_points(steps)
    assert np.log(max(z.real for z in rest.eigenvalues)) == pytest.approx(0.6070762, abs=5e-8)


def test_obizhaeva_wang():
    """rho T = 2: blocks of 1/4 at both ends, rate 1/2 between them, cost 1/4; the discrete problem comes close to it."""
    trade = dy.System(name="transient_impact", time="continuous", states={"impact": 0, "cost": 0},
                      parameters={"decay": 2, "rate": 0.5},
                      equations={"impact": "rate - decay*impact", "cost": "impact*rate"})

    def cost(block, rate):
        # a block trades at the mean of the impact before and after it
        run = dy.integrate(trade.with_parameters(rate=rate), 1, {"impact": block, "cost": block**2/2})
        before, spent = float(run["impact"][-1]), float(run["cost"][-1])
        return spent + (1 - block - rate)*(before + (1 - block - rate)/2)

    found = minimize(lambda v: cost(*v), [0.1, 0.3], method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-10})
    assert found.x == pytest.approx([0.25, 0.5], abs=2e-4)
    assert cost(0.25, 0.5) == pytest.approx(0.25, abs=1e-7)
    times = np.linspace(0, 1, 801)
    kernel = np.exp(-2*np.abs(times[:, None] - times))
    weights = np.linalg.solve(kernel, np.ones(801))
    schedule = weights/weights.sum()
    assert schedule[[0, -1]] == pytest.approx([0.25031, 0.25031], abs=5e-6)
    assert 800*schedule[400] == pytest.approx(0.5, abs=1e-5)
    assert schedule @ kernel @ schedule/2 == pytest.approx(0.25, abs=1e-6)


def test_constant_product_pool_with_a_fee():
    """Reserves 1000 and 2e6, 50 sold, fee 0.3 %: 94965.947516 paid, price ratio 0.907159; slope -2 d/x without a fee."""
    after, average = constant_product_price(50/1000, 0.003)
    assert 50*2e6/1000*average == pytest.approx(94965.947516, abs=5e-7)
    assert after == pytest.approx(0.907159, abs=5e-7)
    assert (constant_product_price(1e-7)[0] - 1)/1e-7 == pytest.approx(-2, abs=1e-6)
    with pytest.raises(dy.SpecificationError, match="fee must be"):
        constant_product_price(0.1, 1)
