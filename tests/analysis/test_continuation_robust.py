"""The same special points whatever the start and the sizes of steps; the corrector and the derivatives beneath."""

import runpy
import types
from pathlib import Path

import numpy as np
import pytest
from sympy import Symbol

import dynamics as dy
from dynamics.analysis.arclength import CurvePoint, CurveProblem, Limit, StepControl, tangent_at, trace
from dynamics.compiled.expansions import composed, expansion_function

reference = types.SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "reference" / "equilibrium_bifurcations.py")))

PROBLEMS = (
    (reference.AB, {}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, {"u1": (-0.1, 1), "u2": (-0.1, 10)}),
    (reference.PLP, {}, "rh", (0.1, 10), {"S": 100, "A": 400}, {}),
    (reference.CUSP, {}, "mu", (-1, 1), {"x": 1}, {}),
    (reference.LORENZ84, {}, "F", (0, 4), {"X": 1, "Y": 0, "Z": 0.2, "U": -0.1}, {}),
    (reference.BRUSSELATOR, {}, "B", (0.1, 5), {"x": 1, "y": 2}, {}),
    (reference.ROSENZWEIG, {}, "a", (1, 25), {"x": 0.8, "y": 0.5}, {"x": (0.2, 2), "y": (-0.5, 2)}),
)


def case(number):
    model, values, parameter, bounds, start, box = PROBLEMS[number]
    system = dy.System(name="robust", time="continuous", states=dict.fromkeys(model["states"], 0.1),
                       parameters=model["parameters"] | values,
                       equations=dict(zip(model["states"], model["equations"], strict=True)))
    return system, parameter, bounds, start, box


def found(branch, parameter):
    return sorted((p.kind, f"{p.parameters[parameter]:.9e}") for p in branch.special_points)


def same_from_anywhere(draws, seed, smallest):
    generator = np.random.default_rng(seed)
    branches = {}
    for draw in range(draws):
        number = draw % len(PROBLEMS)
        system, parameter, bounds, start, box = case(number)
        if number not in branches:
            branches[number] = dy.continue_fixed_points(system, parameter, bounds, start, box=box)
        known = branches[number]
        row = known.at(int(generator.integers(known.table.sizes["step"])))
        # Newton's method brings a start that is a little off back, except next to a fold, where it may find the other side
        moved = {name: value * (1 + 1e-4 * generator.standard_normal()) if name in system.states else value
                 for name, value in row.items()}
        step = float(np.exp(generator.uniform(np.log(smallest), np.log(0.06))))
        again = dy.continue_fixed_points(system, parameter, bounds, moved, box=box, largest_step=step)
        assert found(again, parameter) == found(known, parameter), (draw, number, row, step, again, known)


def test_special_points_do_not_depend_on_start_and_steps():
    same_from_anywhere(20, 1, 0.025)


@pytest.mark.slow
def test_special_points_do_not_depend_on_start_and_steps_in_500_draws():
    same_from_anywhere(500, 2, 0.004)


# ---- the corrector -------------------------------------------------------------------------------------------------

def test_the_length_of_a_circle():
    circle = CurveProblem(lambda z: np.array([z @ z - 1]), lambda z: 2 * z[None, :])
    traced = trace(circle, CurvePoint(np.array([1.0, 0.0]), np.array([0.0, 1.0])), StepControl(largest=0.02))
    assert traced.closed
    assert traced.points[-1].arclength == pytest.approx(2 * np.pi, rel=1e-4)
    assert max(abs(p.position @ p.position - 1) for p in traced.points) < 1e-14


def test_bounds_are_landed_on_exactly():
    line = CurveProblem(lambda z: np.array([z[1] - z[0] ** 3]), lambda z: np.array([[-3 * z[0] ** 2, 1.0]]))
    start = np.array([0.0, 0.0])
    traced = trace(line, CurvePoint(start, tangent_at(line, start, np.array([1.0, 0.0]))), limits=[Limit(1, "y", -1, 8)])
    assert traced.end == "y = 8: bound reached"
    assert np.allclose(traced.points[-1].position, [2, 8], rtol=1e-14)


def test_sharp_turns_make_steps_small_and_do_not_stop_the_curve():
    # a hyperbola x*y = 1e-4 turns by a right angle within 0.01
    problem = CurveProblem(lambda z: np.array([z[0] * z[1] - 1e-4]), lambda z: np.array([[z[1], z[0]]]))
    start = np.array([1.0, 1e-4])
    limits = [Limit(0, "x", 0, 2), Limit(1, "y", 0, 1)]
    traced = trace(problem, CurvePoint(start, np.array([-1.0, 1e-4])), limits=limits)
    assert traced.end == "y = 1: bound reached"
    sizes = np.diff([p.arclength for p in traced.points])
    assert sizes.min() < 5e-3 < 0.045 < sizes.max()


def test_where_equations_end_the_step_underflows():
    problem = CurveProblem(lambda z: np.array([np.sqrt(z[0]) - z[1]]) if z[0] >= 0 else np.array([np.nan]),
                           lambda z: np.array([[0.5 / np.sqrt(max(z[0], 1e-300)), -1.0]]))
    start = np.array([1.0, 1.0])
    traced = trace(problem, CurvePoint(start, -tangent_at(problem, start, np.array([1.0, 0.5]))))
    assert traced.end == "step underflow"
    assert traced.points[-1].position[0] < 1e-6


# ---- the derivatives -----------------------------------------------------------------------------------------------

def test_derivatives_to_third_order_and_their_composition():
    x, y, a = Symbol("x"), Symbol("y"), Symbol("a")
    fields = (a * x * (1 - x) - x * y, x * y / (1 + a * x**2))
    function = expansion_function(fields, (x, y, a), ())
    place = np.array([0.7, 0.3, 1.3])
    inner = function(place, (), 3)
    after = np.append(inner.value, place[2])
    twice = composed(function(after, (), 3), inner)
    images = {x: fields[0], y: fields[1]}
    symbolic = [e.xreplace(images) for e in fields]
    values = dict(zip((x, y, a), place.tolist(), strict=True))
    variables = (x, y, a)
    for i, e in enumerate(symbolic):
        assert twice.value[i] == pytest.approx(float(e.xreplace(values)), rel=1e-13)
        for j, u in enumerate(variables):
            assert twice.first[i, j] == pytest.approx(float(e.diff(u).xreplace(values)), rel=1e-11, abs=1e-12)
            for k, v in enumerate(variables):
                assert twice.second[i, j, k] == pytest.approx(float(e.diff(u, v).xreplace(values)), rel=1e-10, abs=1e-11)
    assert twice.third[0, 0, 1, 2] == pytest.approx(float(symbolic[0].diff(x, y, a).xreplace(values)), rel=1e-10)
    assert twice.third[1, 0, 0, 1] == pytest.approx(float(symbolic[1].diff(x, x, y).xreplace(values)), rel=1e-10)
