"""Thresholds over grids: closed forms, and the values of single calls."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.lane_thresholds import OUTCOMES
from dynamics.errors import SpecificationError
from dynamics.results import STATUS


def bistable() -> dy.System:
    """0 is stable, b is the border of its basin; beyond it, x runs away and passes 3."""
    return dy.System(name="bistable", time="continuous", states={"x": 0}, parameters={"a": 1, "b": 1},
                     equations={"x": "-a*x*(1 - x/b)"}, shocks={"price": dy.Shock({"x": "x + magnitude"})},
                     events={"insolvency": dy.Event("3 - x", "falling", terminal=True)})


def test_closed_form_without_compiled_code() -> None:
    found = dy.sweep(bistable(), {"b": [1.0, 2.0]}, "threshold", engine="numpy", tolerance=1e-5)
    assert np.allclose(found["threshold"], [1, 2], atol=1e-5)


def test_closed_form_over_two_axes() -> None:
    a, b = np.array([0.5, 1.0, -0.5]), np.array([0.25, 1.0, 2.0, 5.0])
    found = dy.sweep(bistable(), {"a": a, "b": b}, "threshold")
    codes = found["threshold_status"].values
    value = found["threshold"].values
    assert np.allclose(value[:2, :3], b[:3], atol=1e-8)
    assert np.all(codes[:2, :3] == OUTCOMES["found"])
    # the event lies inside the basin: only the shock itself reaches it
    assert np.all(codes[:2, 3] == OUTCOMES["insolvent_at_once"])
    assert value[:2, 3] == pytest.approx([3, 3], abs=1e-12)
    # for a < 0 the stable point is b, from which the event is 3 - b away, or has already happened
    assert codes[2].tolist()[:3] == [OUTCOMES["insolvent_at_once"]] * 3
    assert value[2, :3] == pytest.approx(3 - b[:3], abs=1e-12)
    assert set(found.data_vars) == {"threshold", "threshold_status", "status"}


def test_two_changes_of_outcome_are_no_single_threshold() -> None:
    """Shocks between 1 and 2 decay, as do those between 2.5 and 3; from 3 on the shock itself is the event."""
    system = dy.System(name="window", time="continuous", states={"x": 0, "m": 0}, parameters={"c": 1},
                       equations={"x": "-x + 4*m*(m - c)*(m - 2)*(m - 2.5)", "m": "0*m"},
                       shocks={"price": dy.Shock({"m": "m + magnitude"})},
                       events={"insolvency": dy.Event("min(0.5 + x, 3 - m)", "falling", terminal=True)})
    found = dy.sweep(system, {"c": [1.0]}, "threshold", initial_state={"x": 0, "m": 0}, duration=50, tolerance=1e-6)
    assert found["threshold_status"].values.tolist() == [OUTCOMES["not_monotone"]]
    values = np.linspace(0, 1, 200_001)
    forced = 4 * values * (values - 1) * (values - 2) * (values - 2.5)
    assert float(found["threshold"][0]) == pytest.approx(values[np.argmax(forced < -0.5)], abs=2e-5)


def test_cells_that_have_no_threshold_say_so() -> None:
    core = dy.models.load("deleveraging")
    found = dy.sweep(core, {"price_impact": [0.3, 1.0]}, "threshold", tolerance=1e-6)
    assert found["threshold_status"].values.tolist() == [OUTCOMES["found"], OUTCOMES["unstable"]]
    assert found["threshold"].values[1] == 0
    assert found["status"].values.tolist() == [STATUS["completed"]] * 2
    calm = dy.System(name="calm", time="continuous", states={"x": 0}, parameters={"a": 1}, equations={"x": "-a*x"},
                     shocks={"price": dy.Shock({"x": "x + magnitude"})}, events={"never": dy.Event("x + 1", terminal=True)})
    none = dy.sweep(calm, {"a": [1.0]}, "threshold")
    assert none["threshold_status"].values.tolist() == [OUTCOMES["none_in_bracket"]]
    assert np.isnan(none["threshold"].values[0])


def test_a_thousand_turns_near_a_hopf_point_are_followed() -> None:
    """The return takes some 9 000 days, a turn eight. SciPy's DOP853 at 1e-10, without the package: back at the point after
    a shock of 0.015592, insolvent after one of 0.015593."""
    core = dy.models.load("deleveraging").with_parameters(target_leverage=8.974358974358974)
    found = dy.sweep(core, {"price_impact": [0.37499999999999994]}, "threshold")
    assert found["threshold_status"].values.tolist() == [OUTCOMES["found"]]
    assert 0.015592 < float(found["threshold"][0]) < 0.015593


@pytest.mark.slow
def test_grids_equal_single_calls_at_random_parameters() -> None:
    core = dy.models.load("deleveraging")
    # the first grazes the maintenance margin
    impacts, leverages = np.array([0.6, 0.1, 0.3, 0.45]), np.array([5.0, 3.1, 7.7])
    found = dy.sweep(core, {"price_impact": impacts, "target_leverage": leverages}, "threshold")
    for i, impact in enumerate(impacts):
        for j, leverage in enumerate(leverages):
            single = dy.cascade_threshold(core.with_parameters(price_impact=impact, target_leverage=leverage),
                                          both_directions=False)
            cell = found.isel(price_impact=i, target_leverage=j)
            assert int(cell["threshold_status"]) == OUTCOMES[single.status]
            assert float(cell["threshold"]) == pytest.approx(single.value, abs=1e-7)


@pytest.mark.parametrize(("over", "options", "message"), [
    ({"shock:price": [0.1]}, {}, "no axis can be one"), ({"a": [1.0]}, {"event": "insolvent"}, "Did you mean 'insolvency'"),
    ({"a": [1.0]}, {"shock": "prize"}, "Did you mean 'price'"), ({"a": [1.0]}, {"engine": "fast"}, "is not one of auto")])
def test_refusals(over: dict, options: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        dy.sweep(bistable(), over, "threshold", **options)


def two_lines(**more) -> dy.System:
    """Stable at 1 and 0, unstable at a; a margin line above ends runs before insolvency is reached."""
    return dy.System(name="two lines", states={"x": 1.0}, parameters={"a": 0.3, "line": 0.6},
                     equations={"x": "x*(1 - x)*(x - a)"},
                     events={"margin": dy.Event("x - line", "falling", terminal=True),
                             "insolvency": dy.Event("x - 0.2", "falling", terminal=True)},
                     shocks={"price": dy.Shock({"x": "x - magnitude"}, bounds=(None, None))}, **more)


def test_a_curve_names_the_event_that_ends_runs_before_the_one_asked_for():
    values = [0.1, 0.45, 0.6]
    curve = dy.critical_shocks(two_lines(), "line", values, event="insolvency")
    # below the line at 0.2 insolvency is met first, then the fall to 0 goes through the line
    assert curve["preceded_by_margin"].values[1:] == pytest.approx([0.55, 0.4], abs=2e-5)
    assert np.isnan(curve["preceded_by_margin"].values[0])
    assert curve["threshold"].values == pytest.approx([0.7, 0.8, 0.8], abs=2e-5)
    for line, size in zip(values[1:], curve["preceded_by_margin"].values[1:], strict=True):
        system = two_lines().with_parameters(line=line)
        single = dy.cascade_threshold(system, event="insolvency", both_directions=False).preceded_by
        assert size == pytest.approx(single["margin"], abs=2e-5)


def test_every_terminal_event_counts_unless_one_is_named():
    curve = dy.critical_shocks(two_lines(), "line", [0.1, 0.6])
    assert curve["threshold"].values == pytest.approx([0.7, 0.4], abs=2e-5)
    assert curve.attrs["event"] == "margin, insolvency"
    assert not [name for name in curve if str(name).startswith("preceded_by")]
    falls = 0.1 * np.random.default_rng(1).standard_t(4, 400)
    found = dy.exposure(two_lines(), {"a": [0.1, 0.3]}, falls, probability=0.5, bootstrap=20)
    assert found["critical_shock"].values == pytest.approx([0.4, 0.4], abs=1e-5)
    thin = dy.liquidity_shock(two_lines(), [0.0], depth="a", magnitude=0.5)
    assert float(thin["critical_shock"][0]) == pytest.approx(0.4, abs=1e-5)
    assert np.isnan(thin["largest_fall"].values[0])
