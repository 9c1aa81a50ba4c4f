"""Open interest: contracts in closed form, both sides of each, and depletion as a limit."""

import numpy as np
import pytest

import dynamics as dy


def test_contracts_follow_the_flow_and_come_back():
    system = dy.System(name="seller", time="continuous", states={"price_gap": 0}, parameters={"rate": 0.5, "impact": 0.3},
                       definitions={"net_flow": "-rate", "effective_impact": "impact"},
                       equations={"price_gap": "effective_impact*net_flow"})
    system = dy.compose(system, "open_interest").with_parameters(open_interest_renewal=0.4)
    times = np.linspace(0, 3, 7)
    run = dy.integrate(system, 3, times=times, relative_tolerance=1e-11, absolute_tolerance=1e-13)
    logarithm = -0.5 / 0.4 * (1 - np.exp(-0.4 * times))
    np.testing.assert_allclose(run["log_open_interest"], logarithm, atol=1e-10)
    fine = np.linspace(0, 3, 30001)
    fall = np.trapezoid(0.3 * 0.5 * np.exp(-0.5 / 0.4 * (1 - np.exp(-0.4 * fine))), fine)
    assert float(run["price_gap"][-1]) == pytest.approx(-fall, rel=1e-8)       # impact is per contract
    assert run.attrs["measures"]["least_open_interest"] == pytest.approx(np.exp(logarithm[-1]), rel=1e-9)


def test_without_renewal_it_is_depletion():
    core = dy.models.load("deleveraging")
    start = {"price_gap": -0.15, "equity_ratio": 1 - 0.8 * np.exp(0.15)}
    times = np.linspace(0, 10, 21)
    runs = [dy.integrate(system, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for system in (dy.compose(core, "open_interest").with_parameters(open_interest_renewal=0),
                           dy.compose(core, "depletion"))]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)
    np.testing.assert_allclose(runs[0]["log_open_interest"], runs[1]["log_holdings"], rtol=1e-6, atol=1e-9)


def test_what_is_closed_has_a_counterparty():
    """Longs' contracts from their own books (equity, price) are those of open interest: debt over (1 - u) p."""
    core = dy.models.load("deleveraging").with_parameters(price_impact=0.2)
    system = dy.compose(core, "open_interest").with_parameters(open_interest_renewal=0)
    times = np.linspace(0, 5, 5001)
    run = dy.integrate(system, 5, initial_state={"price_gap": -0.1, "equity_ratio": 0.1158}, times=times,
                       relative_tolerance=1e-11, absolute_tolerance=1e-13)
    contracts, price, u = (run[n].values for n in ("open_interest", "price", "equity_ratio"))
    debt = (1 - u) * contracts * price
    # every contract sold at the market repays debt: cash in is cash out
    repaid = -np.concatenate([[0], np.cumsum((price[1:] + price[:-1]) / 2 * np.diff(contracts))])
    np.testing.assert_allclose(debt[0] - debt, repaid, atol=1e-6)


def test_it_does_not_count_twice():
    with pytest.raises(dy.SpecificationError, match="count it twice"):
        dy.compose(dy.models.load("deleveraging"), "open_interest", "depletion")
