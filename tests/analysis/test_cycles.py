"""Branches of limit cycles against shooting, closed forms, values printed by AUTO-07p and reversed time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynamics as dy
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError
from dynamics.results import SpecialPoint

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import cycle_bifurcations as known


def flow(literal: dict, name: str = "test", **values: float) -> dy.System:
    system = dy.System(name=name, time="continuous", states=literal["states"], parameters=literal["parameters"],
                       equations=dict(zip(literal["states"], literal["equations"], strict=True)))
    return system.with_parameters(values) if values else system


def hopf(state: dict, **parameters: float) -> SpecialPoint:
    return SpecialPoint("hopf", "HB1", state, parameters)


def kinds(branch: dy.results.Branch) -> list[str]:
    return [point.kind for point in branch.special_points]


def ab_cycles(p2: int, **options):
    p1, u1, u2 = known.AB_HOPF[p2]
    return dy.continue_cycles(flow(known.AB, p2=float(p2)), hopf({"u1": u1, "u2": u2}, p1=p1), "p1", (0.05, 0.25), **options)


@pytest.fixture(scope="module")
def plant():
    system = flow(known.PLANT)
    return dy.continue_cycles(system, hopf(known.PLANT["states"], rh=known.PLANT_HOPF[0]), "rh", (1.0, 7.0))


@pytest.fixture(scope="module")
def core():
    return dy.models.load("deleveraging")


def core_cycles(core: dy.System, impact: float, low: float, **options):
    limit = 1 + 3 / impact
    system = core.with_parameters(price_impact=impact, target_leverage=limit)
    start = hopf({"price_gap": 0.0, "equity_ratio": 1 / limit, "liquidation_flow": 0.0}, target_leverage=limit)
    return dy.continue_cycles(system, start, "target_leverage", (low, limit + 0.5), **options)


# ---- periods and multipliers ----------------------------------------------------------------------------------------

def test_van_der_pol_period_and_multiplier():
    system = flow(known.VAN_DER_POL)
    branch = dy.continue_cycles(system, dy.integrate(system, 60), "mu", (0.9, 1.0), fineness=0.15, direction="backward")
    first = branch.table.isel(step=0)
    assert float(first["period"]) == pytest.approx(known.VAN_DER_POL_PERIOD, rel=2e-12)
    assert float(first["multiplier_real"][0]) == pytest.approx(known.VAN_DER_POL_MULTIPLIER, rel=1e-10)
    assert float(branch.table["trivial_error"].max()) < 1e-10
    assert branch.ends[1].startswith("mu = 0.9: bound reached")
    assert float(branch.table["mu"][-1]) == pytest.approx(0.9, abs=1e-10)


def test_a_circle_has_its_closed_form_all_along_the_branch():
    branch = dy.continue_cycles(flow(known.STUART_LANDAU), hopf({"x": 0.0, "y": 0.0}, mu=0.0), "mu", (-1.0, 2.0))
    table = branch.table
    np.testing.assert_allclose(table["period"], 2 * np.pi, rtol=1e-9)
    np.testing.assert_allclose(table["max_x"] ** 2, table["mu"], rtol=1e-6)
    np.testing.assert_allclose(table["multiplier_real"][:, 0], np.exp(-4 * np.pi * table["mu"]), rtol=1e-5, atol=1e-11)
    assert not branch.special_points
    assert set(table["unstable_count"].values.tolist()) == {0}


def test_extremes_are_those_of_the_orbit_and_not_of_mesh_points():
    branch = dy.continue_cycles(flow(known.STUART_LANDAU), hopf({"x": 0.0, "y": 0.0}, mu=0.0), "mu", (-1.0, 0.5),
                                fineness=0.15)
    last = branch.table.isel(step=-1)
    for name in ("max_x", "max_y"):
        assert float(last[name]) == pytest.approx(np.sqrt(0.5), abs=1e-8)


# ---- bifurcations of cycles -----------------------------------------------------------------------------------------

def test_the_plant_model_has_exactly_its_two_cycle_folds(plant):
    assert kinds(plant) == ["fold_of_cycles"] * 2
    for point, (value, period) in zip(plant.special_points, known.PLANT_FOLDS, strict=True):
        assert point.parameters["rh"] == pytest.approx(value, abs=6e-11)
        assert point.period == pytest.approx(period, abs=6e-11)
        assert point.status == "polished"
        assert point.digits > 10
        assert point.residual < 1e-11
        assert abs(point.eigenvalues[0] - 1) < 1e-6
    assert "Hopf bifurcation near rh = 4.65" in plant.ends[1]
    assert plant["LPC1"].parameters["rh"] < plant["LPC2"].parameters["rh"]


def test_stability_changes_at_the_folds_and_nowhere_else(plant):
    table = plant.table
    unstable = table["unstable_count"].values
    flags = [i for i, text in enumerate(table["special_point"].values) if text]
    changes = (np.flatnonzero(np.diff(unstable)) + 1).tolist()
    assert changes == flags


def test_a_branch_goes_through_a_file_and_restarts_from_a_row(plant, tmp_path):
    loaded = dy.open(dy.save(plant, tmp_path / "cycles.nc"))
    assert loaded == plant
    again = dy.continue_cycles(flow(known.PLANT), loaded.at(20), "rh", (1.0, 7.0), max_steps=3, direction="forward")
    assert float(again.table["period"][0]) == pytest.approx(float(plant.table["period"][20]), rel=1e-7)


@pytest.fixture(scope="module")
def lorenz():
    return flow(known.LORENZ)


@pytest.mark.slow
def test_lorenz_period_doubling(lorenz):
    run = dy.integrate(lorenz, 30, parameters={"r": 240.0}, initial_state={"x": -18.0, "y": 55.0, "z": 236.0})
    branch = dy.continue_cycles(lorenz, run, "r", (225.0, 245.0), direction="backward")
    assert kinds(branch) == ["period_doubling"]
    value, period, accuracy = known.LORENZ_DOUBLINGS[0]
    assert branch["PD1"].parameters["r"] == pytest.approx(value, rel=accuracy)
    assert branch["PD1"].period == pytest.approx(period, rel=1e-9)


@pytest.mark.slow
def test_lorenz_branch_point_and_three_doublings_by_switching(lorenz):
    run = dy.integrate(lorenz, 40, parameters={"r": 350.0}, initial_state={"x": 10.0, "y": 10.0, "z": 300.0})
    branch = dy.continue_cycles(lorenz, run, "r", (200.0, 360.0), direction="backward")
    assert kinds(branch) == ["branch_point_of_cycles"]
    branch = dy.continue_cycles(lorenz, branch["BPC1"], "r", (200.0, 360.0))
    for value, period, accuracy in known.LORENZ_DOUBLINGS:
        assert kinds(branch)[:1] == ["period_doubling"]
        point = branch["PD1"]
        assert point.parameters["r"] == pytest.approx(value, rel=accuracy)
        assert point.period == pytest.approx(period, rel=1e-9)
        branch = dy.continue_cycles(lorenz, point, "r", (214.0, 360.0))


@pytest.mark.slow
def test_torus_bifurcation_of_the_brusselator_chain():
    literal = known.brusselator_chain()
    system = flow(literal)
    length = known.brusselator_chain_hopf(1)
    first = dy.continue_cycles(system, hopf(literal["states"], L=length), "L", (0.4, 1.3))
    assert kinds(first) == ["branch_point_of_cycles"]
    second = dy.continue_cycles(system, first["BPC1"], "L", (0.9, 1.6))
    assert kinds(second) == ["neimark_sacker"]
    assert second["NS1"].parameters["L"] == pytest.approx(known.BRUSSELATOR_CHAIN_TORUS, rel=1e-10)
    assert second["NS1"].digits > 9
    assert all(abs(abs(v) - 1) < 1e-8 for v in second["NS1"].eigenvalues[:2])


def test_the_digits_stated_are_those_of_parameter_and_period_on_another_mesh():
    ring, size = "(1 - x**2 - y**2)", "(u**2 + v**2)"
    system = dy.System(name="torus", states={"x": 1.0, "y": 0.0, "u": 0.0, "v": 0.0}, parameters={"a": 0.0, "w": 0.29},
                       equations={"x": f"x*{ring} - y*(1 + x/2)", "y": f"y*{ring} + x*(1 + x/2)",
                                  "u": f"a*u - w*v - u*{size}", "v": f"w*u + a*v - v*{size}"})
    start = {"x": 1.0, "y": 0.0, "u": 0.0, "v": 0.0, "period": 7.2552, "a": -0.05}
    for count in (3, 5):
        point = dy.continue_cycles(system, start, "a", (-0.1, 0.05), direction="forward", collocation_points=count)["NS1"]
        assert 10 < point.digits < 12
        assert abs(point.parameters["a"]) < 1e-12
        # the angle turns at the rate 1 + cos(angle)/2
        assert point.period == pytest.approx(2 * np.pi / np.sqrt(0.75), rel=10**-point.digits)


@pytest.mark.parametrize("further", ["- z**3", "- z**2*(1 + x/3)"])
def test_a_branch_point_of_cycles_in_closed_form_and_the_branch_that_leaves_it(further):
    ring = "(1 - x**2 - y**2)"
    system = dy.System(name="ring", states={"x": 1.0, "y": 0.0, "z": 0.0}, parameters={"a": 0.0},
                       equations={"x": f"x*{ring} - y*(1 + x/2)", "y": f"y*{ring} + x*(1 + x/2)",
                                  "z": f"(a + x/2 + y/3)*z {further}"})
    branch = dy.continue_cycles(system, {"x": 1.0, "y": 0.0, "z": 0.0, "period": 7.2552, "a": -0.5}, "a", (-1, 1),
                                direction="forward")
    assert kinds(branch) == ["branch_point_of_cycles"]
    point = branch["BPC1"]
    assert (point.status, point.digits > 10) == ("polished", True)
    # the mean of a + x/2 + y/3 over a turn is zero
    assert point.parameters["a"] == pytest.approx(1 - np.sqrt(0.75), rel=10**-point.digits)
    assert point.period == pytest.approx(2 * np.pi / np.sqrt(0.75), rel=10**-point.digits)
    other = dy.continue_cycles(system, point, "a", (-1, 1), max_steps=8)
    assert float(np.abs(other.table["min_z"]).max()) > 0.02


# ---- long periods ---------------------------------------------------------------------------------------------------

def test_a_branch_that_ends_homoclinic_says_so():
    branch = ab_cycles(17, max_period=1000.0)
    assert not branch.special_points
    assert "homoclinic approach" in branch.ends[1]
    assert float(branch.table["period"][-1]) == pytest.approx(1000.0, rel=1e-9)
    assert float(branch.table["p1"][-1]) == pytest.approx(known.AB_AT_PERIOD_1000[17], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("p2", [14, 15, 16])
def test_periods_of_the_ab_reaction(p2):
    branch = ab_cycles(p2)
    assert set(kinds(branch)) <= {"fold_of_cycles"}
    assert float(branch.table["period"][-1]) == pytest.approx(known.AB_PERIOD_AT_QUARTER[p2], rel=1e-8)


@pytest.mark.slow
def test_other_long_periods():
    assert float(ab_cycles(18, max_period=1000.0).table["p1"][-1]) == pytest.approx(known.AB_AT_PERIOD_1000[18], rel=1e-9)
    branch = dy.continue_cycles(flow(known.PREDATORS), hopf(known.PREDATORS["states"], p1=known.PREDATORS_HOPF), "p1",
                                (0.5, 0.8), max_period=36.0)
    assert float(branch.table["p1"][-1]) == pytest.approx(known.PREDATORS_AT_PERIOD_36, rel=1e-9)


# ---- the core model ---------------------------------------------------------------------------------------------------

def reversed_extremes(impact: float, leverage: float) -> tuple[float, float]:
    """Range of the equity ratio of the unstable cycle, which attracts in reversed time (no margin call)."""
    def field(_, s):
        x, u = s
        flow = 0.5 * (leverage * u - 1)
        change = -x + impact * flow
        return [-change, -((1 - u) * change - u * flow)]

    accurate = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-15}
    there = solve_ivp(field, (0, 500), [-0.01, 1 / leverage], **accurate).y[:, -1]
    turns = solve_ivp(field, (0, 40), there, events=lambda t, s: field(t, s)[1], **accurate).y_events[0][:, 1]
    return float(turns.min()), float(turns.max())


def shock_from_cycle(impact: float, leverage: float, state: list[float], period: float) -> float:
    """Where the states after price shocks meet the cycle, which bounds the basin."""
    def field(_, s):
        x, u = s
        flow = 0.5 * (leverage * u - 1)
        change = -x + impact * flow
        return [change, (1 - u) * change - u * flow]

    def shocked(_, s):
        return s[1] - 1 + (1 - 1 / leverage) * np.exp(-s[0])

    met = solve_ivp(field, (0, period), state, method="DOP853", rtol=1e-12, atol=1e-14, events=shocked)
    return min(float(-x) for x, _ in met.y_events[0] if x < -1e-6)


@pytest.mark.parametrize(("impact", "leverage", "critical"), known.CORE[2:])
def test_the_unstable_cycle_bounds_the_basin(core, impact, leverage, critical):
    branch = core_cycles(core, impact, leverage, fineness=0.2)
    last = branch.table.isel(step=-1)
    low, high = reversed_extremes(impact, leverage)
    assert float(last["min_equity_ratio"]) == pytest.approx(low, abs=1e-8)
    assert float(last["max_equity_ratio"]) == pytest.approx(high, abs=1e-8)
    assert int(last["unstable_count"]) == 1
    state = [float(last["price_gap"]), float(last["equity_ratio"])]
    assert shock_from_cycle(impact, leverage, state, float(last["period"])) == pytest.approx(critical, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("impact", "leverage", "critical"), known.CORE[:2])
def test_the_unstable_cycle_bounds_the_basin_near_the_hopf_point(core, impact, leverage, critical):
    branch = core_cycles(core, impact, leverage, fineness=0.2)
    last = branch.table.isel(step=-1)
    state = [float(last["price_gap"]), float(last["equity_ratio"])]
    assert shock_from_cycle(impact, leverage, state, float(last["period"])) == pytest.approx(critical, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [20.0, 0.0])
@pytest.mark.parametrize(("impact", "share"), [(0.25, 0.99), (0.28, 0.985), (0.35, 0.98), (0.4, 0.975), (0.45, 0.98),
                                              (0.5, 0.985), (0.55, 0.975), (0.6, 0.97), (0.8, 0.97), (1.0, 0.97)])
def test_cycle_bisection_and_edge_tracking_agree_below_the_hopf_point(core, impact, share, rate):
    leverage, core = share * (1 + 3 / impact), core.with_parameters(liquidation_rate=rate)
    branch = core_cycles(core, impact, leverage, fineness=0.2)
    assert not branch.special_points, "the margin call is not reached"
    last = branch.table.isel(step=-1)
    state = [float(last["price_gap"]), float(last["equity_ratio"])]
    shock = shock_from_cycle(impact, leverage, state, float(last["period"]))
    system = core.with_parameters(price_impact=impact, target_leverage=leverage)
    threshold = dy.cascade_threshold(system, both_directions=False, tolerance=1e-8)
    assert (threshold.status, threshold.value) == ("found", pytest.approx(shock, abs=1e-7))
    edge = dy.edge_state(system, shock="price", event="insolvency")
    assert (edge.kind, edge.critical_shock) == ("cycle", pytest.approx(shock, abs=1e-8))
    assert edge.low["equity_ratio"] == pytest.approx(float(last["min_equity_ratio"]), abs=1e-8)


def test_the_cycle_grazes_the_margin_and_goes_on_through_it(core):
    branch = core_cycles(core, 0.3, 10.4)
    point = branch["GR1"]
    assert kinds(branch) == ["grazing"]
    assert "maintenance_margin" in point.remark
    assert point.normal_form["min_equity_ratio"] == pytest.approx(0.05, abs=1e-12)
    low, _ = reversed_extremes(0.3, point.parameters["target_leverage"])
    assert low == pytest.approx(0.05, abs=1e-7)
    table = branch.table
    below = table["target_leverage"].values < point.parameters["target_leverage"]
    assert set(table["phases"].values[below].tolist()) == {2}
    assert set(table["phases"].values[~below].tolist()) == {1}
    assert float(table["max_liquidation_flow"][-1]) > 0.05


@pytest.mark.slow
def test_a_cycle_through_the_margin_call_is_an_orbit_of_the_flow(core):
    # during the call paths part by a factor of some 1e13, so that no integration closes the whole; its pieces do
    branch = core_cycles(core, 0.3, 10.0, fineness=0.2)
    last, orbit = branch.at(-1), branch.table.isel(step=-1)
    system = core.with_parameters(price_impact=0.3, target_leverage=last["target_leverage"])
    times = orbit["phase"].values * last["period"]
    assert float(orbit["orbit_liquidation_flow"].max()) > 0.16
    for k in range(len(times) - 1):
        states = {name: float(orbit[f"orbit_{name}"][k]) for name in system.states}
        run = dy.integrate(system, times[k + 1] - times[k], states, times=[times[k + 1] - times[k]],
                           relative_tolerance=1e-12, absolute_tolerance=1e-14)
        for name in system.states:
            assert float(run[name][-1]) == pytest.approx(float(orbit[f"orbit_{name}"][k + 1]), abs=2e-8)


@pytest.mark.slow
def test_the_core_cycles_end_at_the_saddle_of_insolvency(core):
    branch = core_cycles(core, 0.3, 2.0)
    assert "homoclinic approach" in branch.ends[1]
    assert float(branch.table["target_leverage"][-1]) == pytest.approx(7.913384, abs=2e-6)
    assert float(branch.table["min_equity_ratio"][-1]) < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("impact", [0.3, 0.7])
def test_without_margin_calls_the_cycles_end_at_the_saddle_without_sales_and_no_fold_is_invented(core, impact):
    branch = core_cycles(core.with_parameters(liquidation_rate=0.0), impact, 2.0)
    assert kinds(branch) == ["grazing"]
    assert "homoclinic approach" in branch.ends[1]
    # the saddle at u = 0 without forced sales: x = -eta theta/kappa
    assert float(branch.table["min_price_gap"][-1]) == pytest.approx(-impact / 2, abs=1e-3)
    assert float(branch.table["min_equity_ratio"][-1]) < 1e-4


# ---- conserved quantities ---------------------------------------------------------------------------------------------

def test_cycles_of_a_system_with_a_conserved_quantity():
    # x + z is kept; with it the flow is van der Pol's
    system = dy.System(name="kept", states={"x": 2.0, "y": 0.0, "z": -2.0}, parameters={"mu": 1.0},
                       equations={"x": "y", "y": "mu*(1 - x**2)*y - x", "z": "-y"}, invariants={"sum": "x + z"})
    branch = dy.continue_cycles(system, dy.integrate(system, 60), "mu", (0.95, 1.05), fineness=0.2)
    row = int(np.argmin(np.abs(branch.table["mu"].values - 1)))
    assert float(branch.table["period"][row]) == pytest.approx(known.VAN_DER_POL_PERIOD, abs=1e-10)
    assert branch.table.sizes["mode"] == 1
    assert float(branch.table["multiplier_real"][row, 0]) == pytest.approx(known.VAN_DER_POL_MULTIPLIER, rel=1e-6)


@pytest.mark.slow
def test_the_orbit_of_arenstorf_at_its_jacobi_constant():
    literal = known.ARENSTORF
    system = dy.System(name="three bodies", states=literal["states"], parameters=literal["parameters"],
                       equations=dict(zip(literal["states"], literal["equations"], strict=True)),
                       invariants=literal["invariants"])
    start = literal["states"] | {"period": known.ARENSTORF_PERIOD}
    table = dy.continue_cycles(system, start, "mu", (0.0122, 0.0123), max_steps=1, fineness=0.2).table
    row = table.isel(step=int(np.argmin(np.abs(table["mu"].values - 0.012277471))))
    assert float(row["period"]) == pytest.approx(known.ARENSTORF_PERIOD, rel=1e-10)
    # a Hamiltonian flow: multipliers come in pairs
    assert float(row["multiplier_real"].prod()) == pytest.approx(1.0, rel=1e-6)
    assert float(row["trivial_error"]) < 1e-8


# ---- what is refused --------------------------------------------------------------------------------------------------

def test_starts_that_are_none():
    system = flow(known.VAN_DER_POL)
    with pytest.raises(SpecificationError, match="Did you mean 'mu'"):
        dy.continue_cycles(system, {"x": 1.0, "period": 6.0}, "mus")
    with pytest.raises(SpecificationError, match="must lie within"):
        dy.continue_cycles(system, hopf({"x": 0.0, "y": 0.0}, mu=0.0), "mu", (0.5, 1.0))
    with pytest.raises(SpecificationError, match="start must be"):
        dy.continue_cycles(system, {"x": 1.0}, "mu", (0.5, 2.0))
    with pytest.raises(DerivationError, match="no imaginary pair"):
        dy.continue_cycles(system, hopf({"x": 0.0, "y": 0.0}, mu=1.0), "mu", (0.5, 2.0))
    with pytest.raises(ConvergenceError, match="does not come back"):
        dy.continue_cycles(system, dy.integrate(system, 3), "mu", (0.5, 2.0))
    logistic = dy.System(name="map", time="discrete", states={"x": 0.5}, parameters={"r": 3.0}, equations={"x": "r*x*(1-x)"})
    with pytest.raises(SpecificationError, match="is a map"):
        dy.continue_cycles(logistic, {"x": 0.5, "period": 2.0}, "r", (2.0, 4.0))
