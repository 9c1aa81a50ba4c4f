"""A system whose clock runs slower or faster has the same verdicts: no rate is small by itself."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.lane_points import NEUTRAL, lane_points
from dynamics.analysis.lane_thresholds import OUTCOMES
from dynamics.analysis.regime_flags import REGIMES
from dynamics.analysis.rests import lanes_at_rest, unstable_rests

RATES = [1e-12, 1e-9, 1e-3, 1e3, 1e12]


def wells(rate: float) -> dy.System:
    """Rests at 1 (stable), 0.3 (the edge) and 0."""
    return dy.System(name="wells", states={"x": 1.0}, parameters={"a": rate}, equations={"x": "a*x*(1 - x)*(x - 0.3)"},
                     shocks={"price": dy.Shock({"x": "x - magnitude"})},
                     events={"ev": dy.Event("x - 0.1", "falling", terminal=True)})


def spiral(rate: float) -> dy.System:
    """A focus at (1, 0) inside a saddle at (0, 0)."""
    return dy.System(name="spiral", states={"x": 1.0, "y": 0.0}, parameters={"a": rate},
                     equations={"x": "a*y", "y": "a*(x - x**2 - y/2)"}, shocks={"price": dy.Shock({"x": "x - magnitude"})},
                     events={"ev": dy.Event("x + 1", "falling", terminal=True)})


@pytest.mark.parametrize("rate", RATES)
def test_stability_does_not_depend_on_the_clock(rate: float) -> None:
    by_place = {round(p.values["x"], 6): p.stability for p in dy.fixed_points(wells(rate))}
    assert by_place == {0.0: "stable", 0.3: "unstable", 1.0: "stable"}
    by_place = {round(p.values["x"], 6): p.stability for p in dy.fixed_points(spiral(rate))}
    assert by_place == {0.0: "unstable", 1.0: "stable"}


@pytest.mark.parametrize("rate", RATES)
def test_thresholds_do_not_depend_on_the_clock(rate: float) -> None:
    swept = dy.sweep(wells(rate), {"a": [rate / 10, rate]}, "threshold")
    np.testing.assert_allclose(swept["threshold"], 0.7, atol=1e-5)
    assert swept["threshold_status"].values.tolist() == [OUTCOMES["found"]] * 2
    found = dy.cascade_threshold(wells(rate), both_directions=False, tolerance=1e-7)
    assert (found.status, found.value) == ("found", pytest.approx(0.7, abs=1e-7))


@pytest.mark.parametrize("system", [wells, spiral])
@pytest.mark.parametrize("rate", RATES)
def test_regimes_do_not_depend_on_the_clock(system, rate: float) -> None:
    sizes = [0.2, 0.5, 1.5, 2.5]
    usual = dy.phase_diagram(system(1.0), ("a", [0.1, 1.0]), ("shock:price", sizes))
    found = dy.phase_diagram(system(rate), ("a", [0.1 * rate, rate]), ("shock:price", sizes))
    np.testing.assert_array_equal(found["regime"], usual["regime"])
    assert not np.isin(usual["regime"], [REGIMES["not_settled"], REGIMES["unstable"]]).any()


@pytest.mark.parametrize("rate", RATES)
def test_rests_found_on_the_way_do_not_depend_on_the_clock(rate: float) -> None:
    system = wells(rate)
    p = np.full((1, 3), rate)
    assert lanes_at_rest(system, np.array([[0.9999, 0.3001, 1e-5]]), p).proved.tolist() == [True, False, True]
    assert unstable_rests(system, np.array([[1.0, 0.3, 0.0]]), p).tolist() == [False, True, False]
    swept = dy.sweep(system, {"x": [0.2, 0.4, 2.0]}, "settled_state")
    np.testing.assert_allclose(swept["settled_x"][1:], 1.0, atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_what_is_neutral_does_not_depend_on_the_clock(rate: float) -> None:
    fold = dy.System(name="fold", states={"x": 1.0}, parameters={"a": rate}, equations={"x": "-a*(x - 1)**2"})
    assert [p.stability for p in dy.fixed_points(fold)] == ["not determined"]
    assert not lane_points(fold, np.array([[rate]])).stable.any()
    centre = dy.System(name="centre", states={"x": 0.0, "y": 0.0}, parameters={"a": rate},
                       equations={"x": "a*y", "y": "-a*x*1000"})
    assert [p.stability for p in dy.fixed_points(centre)] == ["not determined"]
    assert not lane_points(centre, np.array([[rate]])).stable.any()


@pytest.mark.parametrize(("share", "stable"), [(4 * NEUTRAL, True), (0.5 * NEUTRAL, False), (-4 * NEUTRAL, False)])
@pytest.mark.parametrize("rate", RATES)
def test_a_rate_that_is_the_rounding_of_its_terms_decides_nothing(share: float, stable: bool, rate: float) -> None:
    # b and c cancel but for a share; a rate of their size that does not come from them is no rounding
    system = dy.System(name="nearly", states={"x": 0.0}, parameters={"b": rate, "c": rate * (1 + share)},
                       equations={"x": "b*x - c*x"})
    p = np.array([[system.parameter_values["b"]], [system.parameter_values["c"]]])
    assert lane_points(system, p).stable.tolist() == [stable]
    alone = dy.System(name="alone", states={"x": 0.0, "y": 0.0}, parameters={"b": rate, "c": rate * NEUTRAL / 100},
                      equations={"x": "-b*x", "y": "-c*y"})
    assert lane_points(alone, np.array([[rate], [rate * NEUTRAL / 100]])).stable.tolist() == [True]
