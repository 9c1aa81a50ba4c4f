"""Orbits that drift have no period, however slowly they do; those that are drawn in, or come back, have one."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.results import STATUS


def found(equation: str, start: float, engine: str, **more):
    system = dy.System(name="map", time="discrete", states={"x": start}, parameters={"a": 1.0}, equations={"x": equation})
    result = dy.sweep(system, {"a": [1.0]}, ["period", "settled_state"], engine=engine, **more)
    return int(result["period"][0]), int(result["status"][0]), float(result["settled_x"][0])


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("equation", ["x*(1 + 1e-9)", "x*(1 - 1e-9)", "x + 1e-10", "x - 1e-12",
                                      "-x*(1 + 1e-9)", "x*(1 + 1e-12)"])
def test_a_slow_drift_is_no_return(equation: str, engine: str) -> None:
    period, status, settled = found(equation, 0.37, engine)
    assert (period, status) == (0, STATUS["not_settled"])
    assert np.isnan(settled)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize(("equation", "expected", "end"), [
    ("x", 1, 0.37), ("1 - x", 2, None), ("2*x*(1 - x)", 1, 0.5), ("0.99*x + 0.01", 1, 1.0), ("3.2*x*(1 - x)", 2, None),
    ("x*(1 - 1e-2)", 1, 0.0)])
def test_what_returns_or_is_drawn_in_has_a_period(equation: str, expected: int, end: float | None, engine: str) -> None:
    period, status, settled = found(equation, 0.37, engine, duration=5000)
    assert (period, status) == (expected, STATUS["completed"])
    if end is not None:
        assert settled == pytest.approx(end, abs=1e-5)
