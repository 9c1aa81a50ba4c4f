"""Many orbits at once against single ones and closed forms; box counting against sets of known dimension."""

import itertools

import numpy as np
import pytest

import dynamics as dy


def autoregression(slope=0.8, amplitude=0.5):
    return dy.System(name="autoregression", time="discrete", states={"x": 1.0},
                     parameters={"a": slope, "s": amplitude, "innovation": 0.0},
                     equations={"x": "a*x + s*innovation"}, observables={"square": "x**2"})


def test_orbits_are_those_of_iterate():
    system = dy.models.load("unimodal_leverage")
    orbits = dy.orbit_ensemble(system, 30, discard=10, over={"memory": [0.3, 0.62], "leverage": [40.0, 70.0, 90.0]})
    assert orbits["leverage"].dims == ("memory", "initial_leverage", "trajectory", "time")
    for memory, start in itertools.product((0.3, 0.62), (40.0, 70.0, 90.0)):
        single = dy.iterate(system.with_parameters(memory=memory), 40, {"leverage": start})
        found = orbits["return_autocorrelation"].sel(memory=memory, initial_leverage=start).isel(trajectory=0)
        assert found.values == pytest.approx(single["return_autocorrelation"].values[11:], rel=1e-9)
        assert found["time"].values.tolist() == list(range(11, 41))


def test_innovations_are_normal_independent_and_belong_to_their_place():
    system = autoregression()
    orbits = dy.orbit_ensemble(system, 4000, discard=100, trajectories=50, innovations=["innovation"], seed=3)
    assert float(orbits["x"].var()) == pytest.approx(0.25/(1 - 0.64), rel=0.03)
    shifted = orbits["x"].values
    assert np.corrcoef(shifted[:, 1:].ravel(), shifted[:, :-1].ravel())[0, 1] == pytest.approx(0.8, abs=0.01)
    assert abs(np.corrcoef(shifted)[~np.eye(50, dtype=bool)].mean()) < 0.01
    assert orbits["square"].values == pytest.approx(shifted**2)
    fewer = dy.orbit_ensemble(system, 4000, discard=100, trajectories=3, innovations=["innovation"], seed=3)
    assert np.array_equal(fewer["x"].values, shifted[:3])
    assert not np.array_equal(dy.orbit_ensemble(system, 50, innovations=["innovation"], seed=4)["x"].values[0],
                              dy.orbit_ensemble(system, 50, innovations=["innovation"], seed=3)["x"].values[0])


def test_cases_vary_parameters_together_and_share_their_random_numbers():
    cases = {"a": [0.8, 0.8, 0.5], "s": [0.5, 0.5, 1.0], "x": [1.0, 1.0, -3.0]}
    orbits = dy.orbit_ensemble(autoregression(), 60, cases=cases, over={"innovation": [0.0, 1.0]}, trajectories=2)
    assert orbits["x"].dims == ("case", "innovation", "trajectory", "time")
    # without noise: x after k steps is a^k x0 + s u (1 - a^k)/(1 - a)
    for number, (a, s, start) in enumerate(zip(*cases.values(), strict=True)):
        k = orbits["time"].values
        for u in (0.0, 1.0):
            assert orbits["x"].isel(case=number, trajectory=1).sel(innovation=u).values == pytest.approx(
                a**k*start + s*u*(1 - a**k)/(1 - a), rel=1e-12, abs=1e-15)
    assert orbits["initial_x"].values.tolist() == [1.0, 1.0, -3.0]
    assert orbits["a"].dims == ("case",)
    noisy = dy.orbit_ensemble(autoregression(), 60, cases=cases, trajectories=4, innovations=["innovation"], seed=5)
    assert np.array_equal(noisy["x"][0], noisy["x"][1])
    alone = dy.orbit_ensemble(autoregression(0.5, 1.0), 60, trajectories=4, innovations=["innovation"], seed=5,
                              initial_state={"x": -3.0})
    assert np.array_equal(noisy["x"][2], alone["x"])


def test_orbits_that_leave_the_numbers_say_so():
    system = dy.System(name="square", time="discrete", states={"x": 0.5}, parameters={"a": 1.0}, equations={"x": "a*x**2"})
    orbits = dy.orbit_ensemble(system, 30, over={"x": [0.5, 3.0]})
    assert orbits["status"].values.ravel().tolist() == [0, 4]
    assert "1 of 2 orbits" in orbits.attrs["message"]


@pytest.mark.parametrize(("options", "words"), [
    ({"steps": 0}, "steps must be a whole number"), ({"steps": 3, "over": {"memry": [1.0]}}, "Did you mean 'memory'"),
    ({"steps": 3, "innovations": ["leverage"]}, "is no parameter"), ({"steps": 3, "spread": 1.5}, "between 0 and 1"),
    ({"steps": 3, "cases": {"memory": [0.1, 0.2], "leverage": [3.0]}}, "all of the same length"),
    ({"steps": 3, "cases": {"memory": []}}, "list of finite numbers"),
    ({"steps": 3, "cases": {"memory": [0.5]}, "over": {"memory": [0.1]}}, "a name has one place"),
    ({"steps": 3, "cases": {"memry": [0.5]}}, "Did you mean 'memory'")])
def test_bad_input_gets_a_sentence(options, words):
    with pytest.raises(dy.SpecificationError, match=words):
        dy.orbit_ensemble(dy.models.load("unimodal_leverage"), **options)
    with pytest.raises(dy.SpecificationError, match="discrete time"):
        dy.orbit_ensemble(dy.models.load("keen"), 5)
    with pytest.raises(dy.SpecificationError, match="expand"):
        dy.orbit_ensemble(dy.models.load("coupled_leverage"), 5)


# ---- box counting ----------------------------------------------------------------------------------------------------

def cantor(points):
    digits = np.random.default_rng(0).integers(0, 2, (points, 30))
    return (2*digits/3.0**np.arange(1, 31)).sum(axis=1)


@pytest.mark.parametrize(("points", "dimension", "tolerance"), [
    (np.random.default_rng(0).random((200_000, 2)), 2.0, 0.02), (np.random.default_rng(0).random((100_000, 3)), 3.0, 0.06),
    (np.stack([np.linspace(0, 1, 200_000)]*2, axis=1), 1.0, 0.01),
    (cantor(200_000)[:, None], np.log(2)/np.log(3), 0.04)])
def test_known_dimensions(points, dimension, tolerance):
    found = dy.box_counting_dimension(points, coarsest=2)
    assert float(found["dimension"]) == pytest.approx(dimension, abs=tolerance)
    assert float(found["standard_error"]) < 0.1


def test_too_few_points_and_bad_points_are_refused():
    with pytest.raises(dy.SpecificationError, match="give more points"):
        dy.box_counting_dimension(np.random.default_rng(0).random((50, 2)))
    with pytest.raises(dy.DataError, match="finite"):
        dy.box_counting_dimension([[np.nan, 1.0]])
    with pytest.raises(dy.DataError, match="dimension 0"):
        dy.box_counting_dimension(np.ones((100, 2)))
