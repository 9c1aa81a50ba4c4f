"""Every mechanism on the core has a phase diagram, from its own points of rest, without being told where to start."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.results import STATUS

LONG = ("funding_rate", "recursive_loops")  # their fixed points take seconds


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
                                  for name in dy.mechanisms.names()])
def test_the_growth_in_a_cell_is_the_largest_eigenvalue_at_a_point_of_rest(name):
    system = dy.compose(dy.models.load("deleveraging"), name)
    here = system.parameter_values
    axes = {n: np.array([0.9, 1.0, 1.1]) * here[n] for n in ("price_impact", "target_leverage")}
    diagram = dy.phase_diagram(system, x=("price_impact", axes["price_impact"]),
                               y=("target_leverage", axes["target_leverage"]), ignore=("noise", "jumps", "resets"))
    assert np.isin(diagram["status"], [STATUS[s] for s in ("settled", "event", "not_settled")]).all()
    points = [p for p in dy.fixed_points(system) if p.admissible]
    # zeros by structure come last
    growths = [max(v.real for v in p.eigenvalues[:len(p.eigenvalues) - len(p.free)]) for p in points]
    assert min(abs(float(diagram["growth_rate"][1, 1]) - g) for g in growths) < 1e-9
    assert diagram.attrs["fixed_points"] in ("all", "those in closed form")


def test_a_line_of_rests_has_a_diagram_with_its_hopf_curve():
    # any fund weight is at rest: the point is taken at the declared one; the curve does not depend on the cyclicality
    system = dy.models.load("basel_leverage_cycle_ode")
    diagram = dy.phase_diagram(system, x=("risk_factor", np.linspace(0.006, 0.014, 5)),
                               y=("adjustment", np.linspace(8, 10, 3)))
    (line,) = [line for line in diagram.attrs["boundaries"] if line["kind"] == "hopf"]
    x, y = np.array(line["x"]), np.array(line["y"])
    assert np.interp(10.0, y[np.argsort(y)], x[np.argsort(y)]) == pytest.approx(0.011930565, rel=1e-5)
