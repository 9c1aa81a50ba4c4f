"""A system in other units has the same verdicts in these units: no state is small by itself."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.state_sizes import KNOWN, scaled_tolerance

UNITS = [1e-9, 1e-4, 1.0, 1e6]


def wells(unit: float) -> dy.System:
    """Rests at one unit, at 0.3 (the edge) and at 0; the event is at 0.1."""
    return dy.System(name="wells", states={"x": unit}, parameters={"s": unit}, equations={"x": "x*(1 - x/s)*(x/s - 0.3)"},
                     shocks={"price": dy.Shock({"x": "x - magnitude"})},
                     events={"ev": dy.Event("x/s - 0.1", "falling", terminal=True)})


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_starts_settle_where_they_do_in_any_unit(unit: float, engine: str) -> None:
    places = np.array([0.2, 0.29, 0.31, 0.4, 0.9, 1.5])
    swept = dy.sweep(wells(unit), {"x": unit * places}, "settled_state", engine=engine)
    assert np.isnan(swept["settled_x"][:2]).all()
    np.testing.assert_allclose(swept["settled_x"][2:] / unit, 1.0, rtol=1e-6)
    assert swept["first_event"].values.tolist() == [0, 0, -1, -1, -1, -1]


@pytest.mark.parametrize("unit", UNITS[:3])
def test_thresholds_in_any_unit(unit: float) -> None:
    found = dy.cascade_threshold(wells(unit), both_directions=False)
    assert found.status == "found"
    assert found.value / unit == pytest.approx(0.7, rel=2e-6)
    ramped = dy.cascade_threshold(wells(unit), both_directions=False, ramp=1e-3)
    assert ramped.status == "found"
    assert ramped.value / unit == pytest.approx(0.7, rel=1e-3)


@pytest.mark.parametrize("unit", UNITS[:3])
def test_swept_thresholds_in_any_unit(unit: float) -> None:
    swept = dy.sweep(wells(unit), {"s": [unit, 1.1 * unit]}, "threshold")
    np.testing.assert_allclose(swept["threshold"] / swept["s"], 0.7, rtol=2e-2)


def test_small_states_beside_large_ones() -> None:
    pair = dy.System(name="pair", states={"x": 1e-9, "y": 1.0}, parameters={"s": 1e-9},
                     equations={"x": "x*(1 - x/s)*(x/s - 0.3)", "y": "1 - y"},
                     events={"ev": dy.Event("x - 0.1*s", "falling", terminal=True)})
    swept = dy.sweep(pair, {"x": [2e-10, 4e-10], "y": [0.5, 1.0]}, "settled_state")
    assert swept["first_event"].values.tolist() == [[0, 0], [-1, -1]]


def test_tolerances_follow_states_that_have_a_size() -> None:
    states = np.array([[1.0, 1e-2, 9e-4, 0.0, KNOWN / 2, 4 * KNOWN], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]])
    found = scaled_tolerance(1e-6, 1e-9, states)
    np.testing.assert_allclose(found, [1e-9, 1e-9, 1e-10, 1e-9, 1e-9, 1e-18], rtol=1e-9)
