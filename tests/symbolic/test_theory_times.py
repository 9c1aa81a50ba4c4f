"""The theory of the core model and of a six-dimensional map, from a cold start in a process of its own: processor time."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

CORE = """
    import time
    import dynamics as dy
    system = dy.models.load("deleveraging")
    system.latex()
    points = dy.fixed_points(system)
    for point in points:
        dy.stability_conditions(system, point)
        dy.region(system, point)
        dy.bifurcation_conditions(system, point, parameter="target_leverage")
    critical = system.with_parameters(target_leverage=11)
    dy.first_lyapunov_coefficient(critical, dy.fixed_points(critical)[0])
    dy.feedback_loops(system, points[0])
    print(time.process_time())
"""
CYCLE = """
    import runpy, sys, time
    import dynamics as dy
    system = runpy.run_path(sys.argv[1])["cycle"]()
    before = time.process_time()
    point, = dy.fixed_points(system)
    assert len(dy.stability_conditions(system, point)) > 3
    print(time.process_time() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("script", "limit"), [(CORE, 5.0), (CYCLE, 30.0)], ids=["core", "basel"])
def test_theory_is_derived_in_time(script: str, limit: float, request: pytest.FixtureRequest) -> None:
    literal = request.path.parents[1] / "analysis" / "test_leverage_cycle_theory.py"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(literal)], capture_output=True, text=True,
                          check=True, timeout=300)
    assert float(done.stdout) < limit
