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
                               y=("target_leverage", axes["target_leverage"]))
    assert np.isin(diagram["status"], [STATUS[s] for s in ("settled", "event", "not_settled")]).all()
    points = [p for p in dy.fixed_points(system) if p.admissible]
    # zeros by structure come last
    growths = [max(v.real for v in p.eigenvalues[:len(p.eigenvalues) - len(p.free)]) for p in points]
    assert min(abs(float(diagram["growth_rate"][1, 1]) - g) for g in growths) < 1e-9
    assert diagram.attrs["fixed_points"] in ("all", "those in closed form")
