"""Fixed points followed from the current parameters to others, against single searches, closed forms and single runs."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.continued_points import carried, starting_rests
from dynamics.compiled.functions import functions_of


def grid(system, **axes):
    """Parameters of all cells, and the meshes."""
    functions = functions_of(system)
    meshes = [mesh.ravel() for mesh in np.meshgrid(*axes.values(), indexing="ij")]
    p = np.repeat(np.array(functions.parameters(system), dtype=float)[:, None], meshes[0].size, axis=1)
    for name, mesh in zip(axes, meshes, strict=True):
        p[functions.parameter_names.index(name)] = mesh
    return p, meshes


def test_a_point_is_followed_to_the_fold_and_no_further():
    well = dy.System(name="well", states={"x": 1.0}, parameters={"a": 1.0, "b": 0.0},
                     equations={"x": "a + b*x - x**2"})
    p, (a, b) = grid(well, a=np.linspace(-2, 4, 25), b=np.linspace(-3, 3, 13))
    found = carried(well, (1.0,), p)[0]
    with np.errstate(invalid="ignore"):
        exact = (b + np.sqrt(b**2 + 4*a))/2
    # straight ways from (1, 0) touch the parabola b**2 + 4 a = 0 on the line a + b = 1 only, and cross it once beyond
    assert np.isnan(found[b**2 + 4*a < 0]).all()
    inside = (b**2 + 4*a > 0.05) & (a + b != 1)
    assert found[inside] == pytest.approx(exact[inside], rel=1e-12)


def test_a_map_and_a_state_that_stays_at_zero():
    system = dy.System(name="pair", time="discrete", states={"x": 0.5, "z": 0.0}, parameters={"r": 2.0},
                       equations={"x": "r*x*(1 - x)", "z": "z*x/2"})
    p, (r,) = grid(system, r=np.linspace(1.05, 3.9, 40))
    x, z = carried(system, (0.5, 0.0), p)
    assert x == pytest.approx(1 - 1/r, rel=1e-12)
    assert not z.any()


def test_a_lane_does_not_depend_on_its_neighbours():
    keen = dy.models.load("keen")
    p, _ = grid(keen, interest=np.linspace(0.01, 0.06, 5), investment_slope=np.linspace(10, 25, 4))
    for rest in starting_rests(keen):
        together = carried(keen, rest, p)
        alone = np.concatenate([carried(keen, rest, p[:, k:k + 1]) for k in range(p.shape[1])], axis=1)
        assert np.array_equal(together, alone, equal_nan=True)


def test_a_phase_diagram_without_closed_forms_has_the_growth_of_the_fixed_points():
    keen = dy.models.load("keen")
    diagram = dy.phase_diagram(keen, x=("interest", [0.01, 0.03, 0.06]), y=("investment_slope", [10.0, 25.0]))
    assert diagram.attrs["fixed_points"] == "those that continue the ones at the current parameters"
    for slope in (10.0, 25.0):
        for interest in (0.01, 0.03, 0.06):
            points = dy.fixed_points(keen, {"interest": interest, "investment_slope": slope})
            growth = min(max(z.real for z in point.eigenvalues) for point in points if point.admissible)
            here = diagram.sel(interest=interest, investment_slope=slope)
            assert float(here["growth_rate"]) == pytest.approx(growth, rel=1e-9)


def test_thresholds_of_the_core_with_smooth_margin_calls():
    hill = dy.models.load("deleveraging", margin_call="hill")
    impacts = [0.25, 0.35]
    swept = dy.sweep(hill, {"price_impact": impacts}, "threshold")
    assert swept.attrs["fixed_points"] == "those that continue the ones at the current parameters"
    found = swept["threshold"].values
    assert dy.sweep(dy.models.load("deleveraging"), {"price_impact": impacts}, "threshold").attrs["fixed_points"] == "all"
    for impact, threshold in zip(impacts, found, strict=True):
        system = hill.with_parameters(price_impact=impact)
        rest = next(p for p in dy.fixed_points(system) if p.admissible).values
        ends = [dy.integrate(system, 400, dy.apply_shock(system, rest, "price", threshold + off)).attrs["status"]
                for off in (-1e-6, 1e-6)]
        assert ends == ["completed", "event"]


def test_nothing_to_follow_is_said():
    system = dy.models.load("leverage_constraint")
    with pytest.raises(dy.DerivationError, match=r"no fixed points of 'leverage_constraint' were found.*give initial_state"):
        dy.phase_diagram(system, x=("price_impact", [0.1, 0.2]), y=("risk_weight", [0.3, 0.4]))
