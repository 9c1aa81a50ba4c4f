"""Orbits that rounding has ended: chaos of piecewise linear maps lasts some fifty steps in binary arithmetic."""

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.collapsed_orbits import BINARY_RANGE, LONGEST_CYCLE, LONGEST_STAY, NEUTRAL, held_cycles, periods_of
from dynamics.results import STATUS

LOG2 = np.log(2)
ENGINES = ("kernel", "numpy")


def scalar(name, equation, x=0.3, **parameters):
    return dy.System(name=name, time="discrete", states={"x": x}, parameters=parameters or {"a": 1},
                     equations={"x": equation})


def plane(name, x, y):
    return dy.System(name=name, time="discrete", states={"x": 0.1, "y": 0.2}, parameters={"a": 1},
                     equations={"x": x, "y": y})


TENT = scalar("tent", "2*x if x < 0.5 else 2 - 2*x")
DOUBLING = scalar("doubling", "2*x if x < 0.5 else 2*x - 1", 0.1)
PAIR = scalar("pair", "1 - 2*x if x <= 0.5 else 2 - 2*x")                      # 0 and 1 follow each other
BAKER = plane("baker", "2*x if x < 0.5 else 2*x - 1", "y/2 if x < 0.5 else y/2 + 1/2")
UNEVEN = scalar("uneven", "2*x if x < 0.5 else (4*x - 2 if x < 0.75 else 4*x - 3)")   # slope 2 on one half, 4 on the other
UNEVEN_BAKER = plane("uneven baker", "2*x if x < 0.5 else (4*x - 2 if x < 0.75 else 4*x - 3)",
                     "y/2 if x < 0.5 else y/4 + 1/2")
SKEW = scalar("skew", "x/0.3 if x < 0.3 else (1 - x)/0.7", 0.21)
GENTLE = scalar("gentle", "1.5*x if x < 0.5 else 1.5 - 1.5*x", 0.21)
LOGISTIC = scalar("logistic", "r*x*(1 - x)", r=4)


def attractors(system, starts, engine, **more):
    return dy.sweep(system, {"x": starts}, ["period", "lyapunov", "settled_state"], engine=engine, **more)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("system", "exponent", "error"), [
    (TENT, LOG2, 1e-12), (DOUBLING, LOG2, 1e-12), (PAIR, LOG2, 1e-12), (BAKER, LOG2, 1e-12),
    # half of the steps stretch by 2, half by 4; about 30 steps of each of 60 orbits are left to measure
    (UNEVEN, 1.5 * LOG2, 0.04), (UNEVEN_BAKER, 1.5 * LOG2, 0.04)], ids=lambda item: getattr(item, "name", ""))
def test_chaos_that_rounding_has_ended_is_no_period(system, exponent, error, engine):
    found = attractors(system, np.linspace(0.1013, 0.9017, 60), engine)
    assert (found["status"] == STATUS["precision_lost"]).all()
    assert (found["period"] == 0).all()
    assert np.isnan(found["settled_x"]).all()
    assert float(found["lyapunov"].mean()) == pytest.approx(exponent, abs=error)
    assert "60 of 60 cells landed on an unstable cycle by rounding" in found.attrs["message"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("system", "exponent"), [
    (SKEW, -0.3 * np.log(0.3) - 0.7 * np.log(0.7)), (GENTLE, np.log(1.5)), (LOGISTIC, LOG2)],
    ids=lambda item: getattr(item, "name", ""))
def test_chaos_that_goes_on_is_left_alone(system, exponent, engine):
    found = attractors(system, np.linspace(0.1013, 0.9017, 20), engine)
    assert (found["status"] == STATUS["completed"]).all()
    assert (found["period"] == 0).all()
    assert float(found["lyapunov"].mean()) == pytest.approx(exponent, abs=0.01)


@pytest.mark.parametrize("engine", ENGINES)
def test_stable_cycles_stay_periods_also_where_they_are_reached_exactly(engine):
    found = dy.sweep(LOGISTIC, {"r": [2.0, 3.2, 3.83]}, ["period", "lyapunov"], initial_state={"x": 0.5}, engine=engine)
    assert found["period"].values.tolist() == [1, 2, 3]
    assert (found["status"] == STATUS["completed"]).all()
    assert found["lyapunov"][0] == -np.inf   # superstable: the slope is 0


@pytest.mark.parametrize("engine", ENGINES)
def test_neutral_cycles_stay_periods(engine):
    """Multiplier exactly one: rotations, reflections, the identity; and the logistic map at r = 1 from its fixed point."""
    for equation, period in (("x + 1/4 if x < 3/4 else x - 3/4", 4), ("1 - x", 2), ("x", 1)):
        found = attractors(scalar("neutral", equation), [0.125, 0.3], engine)
        assert found["period"].values.tolist() == [period, period]
        assert (found["status"] == STATUS["completed"]).all()
    found = attractors(LOGISTIC.with_parameters(r=1), [0.0], engine)
    assert (int(found["period"][0]), float(found["settled_x"][0])) == (1, 0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_border_of_unstable_is_just_above_one(engine):
    for factor, period in ((0.5, 1), (2.0, 0)):
        system = scalar("slope", f"(1 + {factor * NEUTRAL!r})*x", 0)
        assert int(attractors(system, [0.0], engine)["period"][0]) == period


@pytest.mark.parametrize("engine", ENGINES)
def test_a_start_on_an_unstable_cycle_is_no_attractor_and_no_loss(engine):
    for system, starts, exponent in ((LOGISTIC, [0.0], np.log(4)), (LOGISTIC, [0.75], LOG2), (TENT, [0.0], LOG2),
                                     (PAIR, [0.0, 1.0], LOG2)):
        found = attractors(system, starts, engine)
        assert (found["status"] == STATUS["not_settled"]).all()
        assert (found["period"] == 0).all()
        assert found["lyapunov"].values == pytest.approx(exponent, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_preimage_of_an_unstable_point(engine):
    """1/2, 1, 0, 0, ...: the slope vanishes at 1/2, and what follows at 0 is not the exponent of the map."""
    found = attractors(LOGISTIC, [0.5, 0.3], engine)
    assert found["status"].values.tolist() == [STATUS["precision_lost"], STATUS["completed"]]
    assert found["lyapunov"][0] == -np.inf
    assert found["period"].values.tolist() == [0, 0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_long_stay_near_the_unstable_point_is_not_yet_the_landing(engine):
    """From 2**-500/3 the tent map takes five hundred steps to leave 0, and lands on it some fifty steps later."""
    start = 2.0**-500 / 3
    found = attractors(TENT, [start], engine)
    assert found["status"].values.tolist() == [STATUS["precision_lost"]]
    assert float(found["lyapunov"][0]) == pytest.approx(LOG2, rel=1e-12)
    # and what is still near after few steps is neither a period nor lost
    early = dy.sweep(TENT, {"x": [start]}, "period", discard=2, duration=5, engine=engine)
    assert (int(early["period"][0]), int(early["status"][0])) == (0, STATUS["completed"])


def test_iterate_says_when_the_orbit_landed():
    for system, step in ((TENT, 55), (DOUBLING, 55)):
        run = dy.iterate(system, 2000)
        assert run.attrs["status"] == "precision_lost"
        assert f"landed exactly on an unstable fixed point at step {step}:" in run.attrs["message"]
        assert run["x"].values[step - 1] != 0
        assert (run["x"].values[step:] == 0).all()
    assert "an unstable cycle of 2 steps" in dy.iterate(PAIR, 200).attrs["message"]
    assert dy.iterate(BAKER, 120).attrs["status"] == "precision_lost"   # while y still comes closer
    assert dy.iterate(TENT, 50).attrs["status"] == "completed"
    for system in (SKEW, GENTLE, LOGISTIC, scalar("rest", "x/2"), scalar("turn", "1 - x")):
        run = dy.iterate(system, 500)
        assert (run.attrs["status"], run.attrs["message"]) == ("completed", "reached the last step")
    resting = dy.iterate(LOGISTIC, 10, {"x": 0.75})
    assert resting.attrs["status"] == "completed"
    assert "started on an unstable fixed point and stayed there" in resting.attrs["message"]


def test_a_single_orbit_calls_a_cycle_unstable_if_it_is_left_within_thousands_of_steps():
    for slope, said in ((1.0009, False), (1.0011, True)):
        run = dy.iterate(scalar("slow", f"{slope}*x", 0), 100)
        assert ("unstable" in run.attrs["message"]) == said


def test_a_point_at_a_kink_is_no_attractor_if_one_side_leads_away():
    """At 0 the slope is 1/2 to the left and 3/2 to the right, where the derivative is taken."""
    kink = scalar("kink", "1.5*x if x >= 0 else x/2", 0)
    assert int(attractors(kink, [0.0], "numpy")["period"][0]) == 0
    gentle = scalar("kink", "0.9*x if x >= 0 else x/2", 0)
    assert int(attractors(gentle, [0.0], "numpy")["period"][0]) == 1


def test_indexed_maps_say_so_as_well():
    """Two tents, of which one lets the other alone; together they land when the later one does."""
    tents = dy.System(name="tents", time="discrete", indices={"i": 2}, states={"x": dy.State([0.3, 0.1], over="i")},
                      parameters={"a": 2}, equations={"x": "a*x if x < 0.5 else a - a*x"})
    assert dy.iterate(tents, 200).attrs["status"] == "precision_lost"
    assert dy.iterate(tents, 200, parameters={"a": 1.5}).attrs["status"] == "completed"
    assert dy.iterate(tents, 200, parameters={"a": 0.5}).attrs["status"] == "completed"


def test_final_states_and_orbits_side_by_side_say_so_too():
    for measures in ("x", ["x", "period"]):
        ends = dy.sweep(TENT, {"x": [0.3, 0.4]}, measures, duration=2000)
        assert (ends["status"] == STATUS["precision_lost"]).all()
    assert (dy.sweep(SKEW, {"x": [0.31, 0.4]}, "x", duration=2000)["status"] == STATUS["completed"]).all()
    orbits = dy.orbit_ensemble(TENT, 3, discard=100, over={"x": [0.3, 0.4, 0.0]})
    assert orbits["status"].values.ravel().tolist() == [STATUS["precision_lost"]] * 2 + [STATUS["completed"]]
    assert "2 of 3 orbits landed" in orbits.attrs["message"]
    driven = scalar("driven", "2*x if x < 0.5 else 2 - 2*x + 0*e", e=0)
    assert (dy.orbit_ensemble(driven, 3, discard=100, innovations=["e"])["status"] == STATUS["completed"]).all()


def test_lyapunov_exponents_measure_the_steps_before():
    for system, exact in ((TENT, [LOG2]), (UNEVEN, [1.5 * LOG2]), (UNEVEN_BAKER, [1.5 * LOG2, -1.5 * LOG2])):
        found = dy.lyapunov_exponents(system, seed=2)
        assert found.attrs["status"] == "precision_lost"
        assert "only rounding keeps it there" in found.attrs["message"]
        error = np.maximum(4 * found["standard_error"].values, 1e-12)
        assert (np.abs(found["exponent"].values - exact) < error).all()
    assert dy.lyapunov_exponents(LOGISTIC, 500).attrs["status"] == "completed"


def test_the_search_for_cycles_ends_where_it_says():
    for period, expected in ((LONGEST_CYCLE, LONGEST_CYCLE), (LONGEST_CYCLE + 1, 0)):
        wheel = scalar("wheel", f"x + 1 if x < {period - 1.5} else 0")
        assert periods_of(wheel, np.ones((1, 1)), np.zeros((1, 1)), 0.0).tolist() == [expected]


def test_a_saddle_is_held_once_any_difference_would_have_grown():
    """Along the stable direction an orbit comes closer for ever, and never back to the last bit."""
    def held(slope, x, y):
        saddle = plane("saddle", f"{slope}*x", "(1 - 1/1000000000000)*y")
        state, one = np.array([[x], [y]]), np.ones((1, 1))
        return bool(held_cycles(saddle, one, state, 0.0, np.array([1]))[0])

    assert held(2, 0.0, 1.0)
    assert not held(2, 2.0**-(BINARY_RANGE - 80), 1.0)   # the smallest differences need the longest time to show
    # so slow that the longest stay does not show it
    slow = np.exp(BINARY_RANGE * LOG2 / LONGEST_STAY)
    assert held(1.001 * slow, 0.0, 1.0)
    assert not held(0.999 * slow, 0.0, 1.0)


@pytest.mark.parametrize("equation", ["1 - 2*abs(x - 0.5)", "2*min(x, 1 - x)", "1 - abs(2*x - 1)"])
@pytest.mark.parametrize("engine", ["auto", "numpy"])
@pytest.mark.parametrize("discard", [0, None])
def test_a_kink_on_the_way_has_the_slope_of_a_side(equation, engine, discard):
    """Every orbit of the tent map in binary numbers meets 1/2, where the slope is written as zero; both sides have 2."""
    tent = dy.System(name="tent", time="discrete", states={"x": 0.3}, parameters={"a": 1.0}, equations={"x": equation})
    found = dy.sweep(tent, {"x": [0.3, 0.2345]}, ["lyapunov", "period"], engine=engine, discard=discard)
    np.testing.assert_allclose(found["lyapunov"], math.log(2), rtol=1e-12)
    assert found["period"].values.tolist() == [0, 0]
    assert found["status"].values.tolist() == [11, 11]


def test_a_smooth_maximum_on_the_way_has_none():
    parabola = dy.System(name="parabola", time="discrete", states={"x": 0.5}, parameters={"a": 4.0},
                         equations={"x": "a*x*(1 - x)"})
    found = dy.sweep(parabola, {"x": [0.5]}, ["lyapunov", "period"], discard=0)
    assert found["lyapunov"].values.tolist() == [-math.inf]


@pytest.mark.parametrize("unit", [2.0**-30, 1.0, 2.0**30])
def test_a_kink_at_zero_has_the_slope_of_a_side_in_any_unit(unit):
    """The tent map about zero: every orbit in binary numbers comes to 0, 1, -1 and stays there."""
    tent = dy.System(name="centred", time="discrete", states={"x": 0.3 * unit}, parameters={"unit": unit},
                     equations={"x": "unit - 2*abs(x)"})
    starts = unit * np.array([0.375, -0.2345])
    found = dy.sweep(tent, {"x": starts}, ["lyapunov", "period"], discard=0)
    landed = found["status"].values == 11
    assert landed.any()
    np.testing.assert_allclose(found["lyapunov"].values[landed], math.log(2), rtol=1e-12)
