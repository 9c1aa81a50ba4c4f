"""Brunnermeier and Sannikov's economy: the tables of another solver, and the equations themselves."""

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

import dynamics as dy

# (eta, q, psi, leverage, eta sigma^eta, eta mu^eta): Runge-Kutta shooting in eta from 1e-15, good to 3 or 4 digits
TABLE = [(0.05, 0.83662, 0.27873, 5.5745, 0.03051, 0.01434), (0.1, 0.87607, 0.48421, 4.8421, 0.05562, 0.02337),
         (0.2, 0.93943, 0.80471, 4.0236, 0.09749, 0.03469), (0.3, 0.99668, 1.0, 3.3333, 0.11484, 0.03718),
         (0.4, 1.04240, 1.0, 2.5, 0.07199, 0.03537)]
A, A_LOW, RHO, R, SIGMA, DELTA, KAPPA = 0.11, 0.07, 0.06, 0.05, 0.1, 0.05, 10.0


@pytest.fixture(scope="module")
def solved():
    return dy.models.load("financial_sector").solve()


@pytest.fixture(scope="module")
def logarithmic():
    return dy.models.load("financial_sector", preferences="log").solve()


def test_the_table_of_another_solver(solved):
    for eta, *row in TABLE:
        here = solved.sel(eta=eta)
        for name, value in zip(("price", "expert_share", "leverage", "wealth_volatility", "wealth_drift"), row, strict=True):
            assert float(here[name]) == pytest.approx(value, rel=1e-3), (eta, name)
    for name, value, tolerance in (
            ("price_without_experts", 0.7350889, 1e-7), ("steady_state", 0.463096, 1e-5),
            ("steady_state_price", 1.051136, 1e-6), ("full_share_point", 0.2773, 4e-3),
            ("largest_wealth_volatility", 0.12387, 2e-3), ("largest_price_volatility", 0.07138, 2e-3)):
        assert float(solved[name]) == pytest.approx(value, rel=tolerance), name
    assert float(solved["most_volatile_point"]) == float(solved["full_share_point"])


def test_the_equations_hold_in_their_first_form(solved):
    """q'' and theta'' from splines of the profiles, on both sides of the kink at psi = 1."""
    eta = solved["eta"].values
    kink, end = float(solved["full_share_point"]), float(solved["steady_state"])
    for low, high in ((0.05, kink - 2e-3), (kink + 2e-3, end - 1e-3)):
        inside = (eta > low - 0.03) & (eta < high + 2e-3) if high < kink else (eta > kink) & (eta < end)
        x = eta[inside]
        q, theta = (make_interp_spline(x, solved[name].values[inside], k=5) for name in ("price", "marginal_value"))
        psi = solved["expert_share"].values[inside]
        price, slope, value, fall = q(x), q(x, 1), theta(x), theta(x, 1)
        risk = (psi - x)*SIGMA/(1 - (psi - x)*slope/price)
        price_risk, value_risk = risk*slope/price, risk*fall/value
        premium = -value_risk*(SIGMA + price_risk)
        phi = (price - 1)/KAPPA
        kept = (A - phi - KAPPA*phi**2/2)/price
        price_drift = R - kept - phi + DELTA - SIGMA*price_risk + premium
        drift = -(psi - x)*(SIGMA + price_risk)*(SIGMA + price_risk + value_risk) + x*kept
        away = (x > low) & (x < high)
        second = q(x, 2)*risk**2/2 + slope*drift - price_drift*price
        third = theta(x, 2)*risk**2/2 + fall*drift - (RHO - R)*value
        assert np.max(np.abs(second[away])) < 3e-6
        assert np.max(np.abs(third[away])) < 3e-6
        np.testing.assert_allclose(risk[away], solved["wealth_volatility"].values[inside][away], rtol=1e-5)
        np.testing.assert_allclose(drift[away], solved["wealth_drift"].values[inside][away], rtol=1e-4, atol=1e-6)
        if high < kink:     # experts are indifferent between holding the last unit of capital and not
            np.testing.assert_allclose(premium[away], (A - A_LOW)/price[away], rtol=1e-5)
    assert float(solved["marginal_value"][-1]) == 1
    for name in ("price", "marginal_value"):
        assert abs(float(make_interp_spline(eta[-8:], solved[name].values[-8:], k=5)(end, 1))) < 1e-5


def test_the_start_does_not_matter(monkeypatch, solved):
    from dynamics.models import financial_sector

    monkeypatch.setattr(financial_sector, "START", 1e-4)
    later = dy.models.load("financial_sector").solve()
    for name in ("steady_state", "full_share_point", "largest_price_volatility"):
        assert float(later[name]) == pytest.approx(float(solved[name]), rel=3e-6)


def test_log_utility(logarithmic):
    """Values of a first-order implicit grid of 4000 points, and the two equilibrium conditions to rounding."""
    for name, value, tolerance in (("price_without_experts", 1.12788206, 5e-9), ("full_share_point", 0.4218, 2e-4),
                                   ("full_share_price", 1.32704, 1e-5), ("largest_price_volatility", 0.01562, 2e-5),
                                   ("most_volatile_point", 0.236, 1e-3), ("steady_state", 0.611, 5e-4)):
        assert float(logarithmic[name]) == pytest.approx(value, abs=tolerance), name
    eta, q, psi = (logarithmic[name].values for name in ("eta", "price", "expert_share"))
    iota = (q**2 - 1)/(2*KAPPA)
    np.testing.assert_allclose((R*(1 - eta) + RHO*eta)*q, psi*A + (1 - psi)*A_LOW - iota, rtol=1e-13)
    total = SIGMA + logarithmic["price_volatility"].values
    inner = psi < 1
    np.testing.assert_allclose((total**2*(psi/eta - (1 - psi)/(1 - eta)))[inner], ((A - A_LOW)/q)[inner], rtol=1e-12)
    # the amplification of risk by the price, with the slope of the profile itself
    for side in ((eta > 0.02) & inner, psi >= 1):
        slope = make_interp_spline(eta[side], q[side], k=5)(eta[side], 1)
        amplified = SIGMA/(1 - (psi[side] - eta[side])*slope/q[side])
        np.testing.assert_allclose(amplified[3:-3], total[side][3:-3], rtol=2e-7)


def test_losses_raise_leverage_and_less_risk_does_not_bring_calm(solved):
    assert np.all(np.diff(solved["leverage"]) < 0)
    assert np.all(np.diff(solved["price"]) > 0)
    calmer = dy.models.load("financial_sector").solve({"volatility": 0.05})
    # the volatility paradox: half the exogenous risk, more endogenous risk for each unit of it
    assert float(calmer["largest_price_volatility"])/0.05 > float(solved["largest_price_volatility"])/0.1
    assert float(calmer["leverage"].sel(eta=0.05)) > float(solved["leverage"].sel(eta=0.05))


def test_refusals():
    with pytest.raises(dy.SpecificationError, match="Did you mean 'log'"):
        dy.models.load("financial_sector", preferences="logs")
    for preferences, values, said in (("risk_neutral", {"productivity": 0.2}, "no finite price"),
                                      ("log", {"expert_discount": 0.05}, "must exceed household_discount"),
                                      ("log", {"volatility": 0.3}, "never hold all capital")):
        with pytest.raises(dy.ConvergenceError, match=said):
            dy.models.load("financial_sector", preferences=preferences).solve(values)
    for preferences in ("log", "risk_neutral"):
        with pytest.raises(dy.ConvergenceError, match="experts make no more"):
            dy.models.load("financial_sector", preferences=preferences).solve({"productivity": 0.07})
