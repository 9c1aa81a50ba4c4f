"""Unimodal leverage maps and the Basel leverage cycle: values derived from the equations and read in the papers."""

import math

import numpy as np
import pytest

import dynamics as dy


def test_unimodal_map_settles_at_its_closed_form_fixed_point():
    system = dy.models.load("unimodal_leverage").with_parameters(memory=0.7)
    root = 1.64*100*0.0015
    orbit = dy.iterate(system, 2000)["leverage"].values
    assert orbit[-1] == pytest.approx(101/(1 + root), rel=1e-12)


@pytest.mark.parametrize(("memory", "period"), [(0.605, 2), (0.5, 4), (0.475, 8), (0.47, 16)])
def test_unimodal_map_doubles_its_period_as_memory_shortens(memory, period):
    orbit = dy.iterate(dy.models.load("unimodal_leverage").with_parameters(memory=memory), 60_000)["leverage"].values[-200:]
    distance = [np.abs(orbit[shift:] - orbit[:-shift]).max() for shift in range(1, 33)]
    assert next(shift for shift, gap in enumerate(distance, 1) if gap < 1e-6) == period


def test_equal_banks_synchronise_and_their_distance_never_grows():
    system = dy.models.load("coupled_leverage", memories=(0.4, 0.4), weights=(0.3, 0.7))
    banks = dy.iterate(system, 60)["leverage"].transpose("time", "bank").values
    ratio = np.abs(banks[:, 0] - banks[:, 1])/banks.sum(axis=1)
    assert (np.diff(ratio)[ratio[:-1] > 1e-12] < 0).all()
    assert ratio[-1] < 1e-12


def test_two_banks_lose_stability_where_the_weighted_memories_say():
    # sum pi (1 - omega)/(1 + omega) = sqrt K with pi = 0.5 and omega_2 = 0.4: omega_1 = 0.8807092961.
    for memory, settles in ((0.87, False), (0.89, True)):
        system = dy.models.load("coupled_leverage", memories=(memory, 0.4), weights=(0.5, 0.5))
        orbit = dy.iterate(system, 4000)["leverage"].transpose("time", "bank").values
        assert (np.abs(orbit[-1] - orbit[-2]).max() < 1e-8) == settles


def _basel(name, leverage, **values):
    return dy.models.load(name).with_parameters(risk_factor=leverage/1000, **values)


def _multipliers(system):
    functions = dy.jacobian(system, at=system.initial_state())
    matrix = np.array(functions.xreplace(system.exact_parameters).evalf(30).tolist(), dtype=float)
    return np.linalg.eigvals(matrix)


def test_basel_map_spectrum_at_leverage_ten():
    # alpha = 0.01, theta = 9.5: the pair 0.7039146 +- 0.8867128 i, then 0.9857263, 0.95, 1, 0.
    values = sorted(_multipliers(_basel("basel_leverage_cycle", 10, adjustment=9.5)), key=lambda z: (z.real, z.imag))
    assert values == pytest.approx([0, 0.7039146 - 0.8867128j, 0.7039146 + 0.8867128j, 0.95, 0.9857263, 1], abs=5e-7)


def test_basel_map_conserves_net_cash_through_a_cycle():
    system = _basel("basel_leverage_cycle", 10, adjustment=9.5)
    share, liabilities = system.initial_state()["bank_share"], system.initial_state()["liabilities"]
    start = {"variance": 0.01, "bank_share": share/10, "liabilities": liabilities/100}
    orbit = dy.iterate(system, 3000, start)
    p, n, w, debt = (orbit[name].values for name in ("price", "bank_share", "fund_weight", "liabilities"))
    cash = 0.7/0.3*n*p + (1 - w)/w*(1 - n)*p - debt
    assert np.ptp(p) > 5
    assert np.abs(cash/cash[0] - 1).max() < 1e-10


def test_basel_ode_pair_on_either_side_of_its_hopf_point():
    # The two pairs of the derivation: leverage 11.9 and 11.96.
    for leverage, pair in ((11.9, -0.04895 + 9.53497j), (11.96, 0.04724 + 9.53325j)):
        values = _multipliers(_basel("basel_leverage_cycle_ode", leverage))
        assert min(abs(values - pair)) < 1e-5
        assert min(abs(values)) < 1e-9
        assert min(abs(values + 0.5)) < 1e-9


def test_basel_ode_conserves_net_cash():
    system = _basel("basel_leverage_cycle_ode", 12.5)
    path = dy.integrate(system, 100, {"price": 25.5})
    p, a, debt, w = (path[name].values for name in ("price", "assets", "liabilities", "fund_weight"))
    n = 0.3*a/p
    cash = 0.7*a + (1 - w)/w*(1 - n)*p - debt
    assert np.abs(cash/cash[0] - 1).max() < 1e-6
    assert math.isfinite(p[-1])
    assert np.ptp(p) > 1


def test_the_quiet_state_of_the_basel_cycle_is_one_exact_family_of_rests():
    """Net cash is conserved, so that the fund's weight is free at rest; the longest equation of all packaged models."""
    points = dy.fixed_points(dy.models.load("basel_leverage_cycle"))
    point, = points
    assert (point.exactness, point.free, point.stability) == ("exact", ("fund_weight",), "stable")
    assert points.provenance["exactness"] == "exact"
