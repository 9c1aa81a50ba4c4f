"""Normal forms where fixed points form a line: changes of coordinates of motions whose coefficients are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Symbol, cancel

import dynamics as dy

ON_PLANE = {  # c is conserved; w = c + slope*x + bend*(x**2 + y**2) is not, and moves with the oscillation
    "c": "w - slope*x - bend*(x**2 + y**2)", "r2": "x**2 + y**2",
    "fx": "(m + c)*x - f*y + (g*x - h*y)*r2", "fy": "f*x + (m + c)*y + (h*x + g*y)*r2"}
NUMBERS = {"m": -0.5, "f": 2, "g": 0.3, "h": 0.7, "slope": 0.4, "bend": 1.7}


def tilted(**values: float) -> dy.System:
    return dy.System(
        name="tilted plane", states={"x": 0.1, "y": 0, "w": 0.5}, definitions=ON_PLANE,
        parameters={**NUMBERS, **values, "f": dy.Parameter(2, bounds=(0, None))},
        equations={"x": "fx", "y": "fy", "w": "slope*fx + 2*bend*(x*fx + y*fy)"}, invariants={"c": ON_PLANE["c"]})


@pytest.mark.parametrize("values", [{}, {"slope": 0, "bend": 0}, {"slope": -2, "bend": -3, "g": -1}, {"bend": 5, "h": 0}])
def test_hopf_coefficient_does_not_see_how_the_level_set_is_bent(values: dict[str, float]) -> None:
    system = tilted(**values)
    found = dy.first_lyapunov_coefficient(system, {"x": 0, "y": 0, "w": 0.5})
    numbers = {**NUMBERS, **values}
    # |q|**2 is 2 + slope**2 for the vector whose x and y parts are 1 and -i; with 2 alone l1 would be 2 g/f
    assert found.value == pytest.approx(4 * numbers["g"] / numbers["f"] / (2 + numbers["slope"] ** 2), rel=1e-14)
    assert found.criticality == ("subcritical" if numbers["g"] > 0 else "supercritical")
    g, f, slope = Symbol("g"), Symbol("f"), Symbol("slope")
    assert found.exactness == "exact"
    assert cancel(found.expression**2 - (4 * g / f / (2 + slope**2)) ** 2) == 0


def test_the_quantity_is_found_where_it_is_not_declared() -> None:
    system = dy.System(name="shifted", states={"x": 0, "y": 0, "w": "1/2"}, parameters={"m": -0.5, "g": -0.3},
                       definitions={"fx": "(m + w - x)*x - 2*y + g*x*(x**2 + y**2)",
                                    "fy": "2*x + (m + w - x)*y + g*y*(x**2 + y**2)"},
                       equations={"x": "fx", "y": "fy", "w": "fx"})
    point = next(p for p in dy.fixed_points(system) if p.free)
    found = dy.first_lyapunov_coefficient(system, point)
    assert found.value == pytest.approx(4 * -0.3 / 2 / 3, rel=1e-12)
    assert found.criticality == "supercritical"


@pytest.mark.parametrize(("slope", "bend"), [(0, 0), (0.5, -2), (-1, 3)])
def test_coefficients_of_maps_on_level_sets(slope: float, bend: float) -> None:
    # rotation by a Pythagorean angle, growth 1 + m + c, cubic part g; c conserved
    growth = "1 + m + c + g*(x**2 + y**2)"
    spin = dy.System(
        name="spin", time="discrete", states={"x": 0, "y": 0, "w": "1/2"},
        parameters={"m": -0.5, "g": 0.3, "slope": slope, "bend": bend},
        definitions={"c": "w - slope*x - bend*(x**2 + y**2)", "a": f"({growth})*(3*x - 4*y)/5",
                     "b": f"({growth})*(4*x + 3*y)/5"},
        equations={"x": "a", "y": "b", "w": "c + slope*a + bend*(a**2 + b**2)"},
        invariants={"c": "w - slope*x - bend*(x**2 + y**2)"})
    form = dy.normal_form(spin, {"x": 0, "y": 0, "w": 0.5})
    assert form.kind == "neimark_sacker"
    assert form["d"].value == pytest.approx(4 * 0.3 / (2 + slope**2), rel=1e-13)
    flip = dy.System(
        name="flip", time="discrete", states={"x": 0, "w": "1/2"},
        parameters={"m": -0.5, "g": 0.3, "slope": slope, "bend": bend},
        definitions={"c": "w - slope*x - bend*x**2", "a": "-(1 + m + c)*x + g*x**3"},
        equations={"x": "a", "w": "c + slope*a + bend*a**2"}, invariants={"c": "w - slope*x - bend*x**2"})
    form = dy.normal_form(flip, {"x": 0, "w": 0.5})
    assert form.kind == "period_doubling"
    assert form["b"].value == pytest.approx(0.3 / (1 + slope**2), rel=1e-13)
    assert form.criticality == "supercritical"
    # elsewhere on the line another quantity is critical or none
    with pytest.raises(dy.DerivationError, match="no multiplier is critical"):
        dy.normal_form(flip, {"x": 0, "w": 0.3})


def test_conditions_are_those_of_the_level_set() -> None:
    found = dy.stability_conditions(tilted(), {"x": 0, "y": 0, "w": 0})
    assert [(c.bifurcation, c.expression) for c in found] == [("hopf", -Symbol("m"))]


def test_depletion_leaves_a_line_of_fixed_points_along_which_oscillations_drift() -> None:
    """Holdings fall while prices and leverage oscillate: the state drifts to where the impact is weaker and rest is stable.

    No quantity is conserved there, so no first Lyapunov coefficient exists; r is eta theta (lambda - 1)/2.
    """
    system = dy.compose(dy.models.load("deleveraging"), "depletion").with_parameters(target_leverage=11)
    point = next(p for p in dy.fixed_points(system) if p.admissible)
    form = dy.normal_form(system, point)
    assert (form.kind, form.criticality) == ("hopf", "elliptic")
    assert form["r"].value == pytest.approx(0.3 * 0.5 * 10 / 2, rel=1e-14)
    with pytest.raises(dy.DerivationError, match=r"form a line \(log_holdings free\) and no conserved quantity"):
        dy.first_lyapunov_coefficient(system, point)

    # an independent truth: the drift of the log of holdings per cycle, from simulation by another library
    def field(_, y):
        x, u, o = y
        sold = 0.5 * (11 * u - 1)
        change = -x + 0.3 * np.exp(o) * sold
        return [change, (1 - u) * change - u * sold, sold]

    matrix = np.array([[-1, 0.3 * 0.5 * 11, 0], [-(10 / 11), 10 / 11 * 1.65 - 0.5, 0], [0, 5.5, 0]])
    values, vectors = np.linalg.eig(matrix)
    q = vectors[:, np.argmax(values.imag)]
    period = 2 * np.pi / np.sqrt(0.5)
    drift = []
    for size in (2e-5, 1e-5):
        start = np.array([0, 1 / 11, 0]) + 2 * size * q.real
        end = solve_ivp(field, (0, period), start, rtol=1e-13, atol=1e-16).y[:, -1]
        drift.append((end[2] - start[2]) / period / size**2)
    assert 2 * drift[1] - drift[0] == pytest.approx(form["s"].value, rel=1e-3)
