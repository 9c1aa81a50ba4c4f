"""Parameter values at which what generic parameters divide by is zero: the rests there, against substitution."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sympy import Float, Symbol, symbols

import dynamics as dy
from dynamics.symbolic.elimination import derive

POSITIVE = (0, None)


def flow(equations: dict[str, str], parameters: dict, **more) -> dy.System:
    return dy.System(name="test", states=more.pop("states", dict.fromkeys(equations, 0.5)), parameters=parameters,
                     equations=equations, **more)


def families(points) -> list[tuple[str, ...]]:
    return sorted(p.free for p in points if p.admissible)


@pytest.mark.parametrize(("equations", "parameters", "free"), [
    # the rate is zero: every state rests
    ({"x": "a*(1 - x)"}, {"a": 0}, [("x",)]),
    ({"x": "a*(1 - x)"}, {"a": dy.Parameter(0, "1", POSITIVE)}, [("x",)]),
    ({"x": "a*log(x)"}, {"a": 0}, [("x",)]),
    ({"x": "a*(1 - x)", "y": "x - y"}, {"a": 0}, [("y",)]),
    ({"x": "a*(1 - x)", "y": "a*(x - y)"}, {"a": 0}, [("x", "y")]),
    # equations that depend on each other at one value alone
    ({"x": "a*x - y", "y": "x - a*y"}, {"a": 1}, [("y",)]),
    ({"x": "a*x - y", "y": "x - a*y"}, {"a": -1}, [("y",)]),
    ({"x": "(a - b)*(x - 2)", "y": "x - y"}, {"a": 3, "b": 3}, [("y",)]),
    # contradictions that are none
    ({"x": "x - y + a", "y": "x - y"}, {"a": 0}, [("y",)]),
    ({"x": "x*(x - y + a)", "y": "x - y"}, {"a": 0}, [("y",)]),
    # a double root on the edge of what is real
    ({"x": "x**2 + a"}, {"a": dy.Parameter(0, "1", POSITIVE)}, [()]),
    ({"x": "sqrt(x) + a"}, {"a": dy.Parameter(0, "1", POSITIVE)}, [()]),
    # the equation loses a degree: one of the roots has gone to infinity
    ({"x": "a*x**2 - x + 2"}, {"a": 0}, [()]),
    ({"x": "x*(a*x - 1)"}, {"a": 0}, [()]),
    # nothing special
    ({"x": "a*(1 - x)"}, {"a": 2}, [()]),
    ({"x": "a*x - y", "y": "x - a*y"}, {"a": 3}, [()]),
])
def test_rests_at_special_values(equations, parameters, free):
    system = flow(equations, parameters)
    points = dy.fixed_points(system)
    assert families(points) == free
    field = {name: system.field[name].xreplace(system.exact_parameters) for name in system.states}
    for point, shift in itertools.product(points, (0, 0.37, -1.2)):
        at = {Symbol(name): Float(point.values[name] + shift) for name in point.free}
        at = {Symbol(name): value.xreplace(system.exact_parameters).xreplace(at) for name, value in point.state.items()}
        if all(value.is_real for value in at.values()):
            residuals = [complex(e.xreplace(at).evalf()) for e in field.values()]
            assert max(map(abs, residuals)) < 1e-9


def test_what_has_no_value_anywhere_does_not_rest():
    for text, more in (("(1 - x)/a", {}), ("1 - x/a", {}), ("1/a - x", {}), ("log(a) + x", {}),
                       ("log(a*y) - x", {"y": "y - y"}), ("-max(0, x - y/a)", {"y": "-y"})):
        points = dy.fixed_points(flow({"x": text, **more}, {"a": 0}))
        assert len(points) == 0
        assert "have no value" in repr(points)
    # the same where a declared bound is the special value
    points = dy.fixed_points(flow({"x": "log(a*y) - x", "y": "y - y"}, {"a": dy.Parameter(0, "1", POSITIVE)}))
    assert len(points) == 0
    line, = dy.fixed_points(flow({"x": "log(a*y) - x", "y": "y - y"}, {"a": 2}))
    assert line.free == ("y",)


def test_closed_forms_stay_where_the_special_value_changes_nothing():
    """At a = b the quadratic (x - a)(x - b) has one double root, and both closed forms give it."""
    points = dy.fixed_points(flow({"x": "(x - a)*(x - b)"}, {"a": 2, "b": 2}))
    assert {str(p.state["x"]) for p in points} <= {"a", "b"}
    assert all(p.exactness == "exact" for p in points)
    exact, = dy.fixed_points(flow({"x": "a*x + b*(1 - x)"}, {"a": 0, "b": 1}))
    assert exact.exactness == "exact"
    assert exact.values == {"x": 1}


def test_exactness_says_that_a_rest_is_known_here_only():
    points = dy.fixed_points(flow({"x": "a*(1 - x)", "y": "x - y"}, {"a": 0}))
    assert points.provenance["exactness"] == "certified"
    assert [p.exactness for p in points] == ["certified"]
    # its stability holds at the current values: across x = y the eigenvalue is -1
    assert points[0].eigenvalues == pytest.approx((-1, 0))
    assert points[0].stability == "stable"


def test_switches_that_parameters_decide_on_their_bounds():
    for value, rest in ((0, 2), (0.5, 1)):
        system = flow({"x": "(1 if a > 0 else 2) - x"}, {"a": dy.Parameter(value, "1", (0, 1))})
        point, = dy.fixed_points(system)
        assert point.values == {"x": rest}
        assert dy.jacobian(system, point)[0, 0] == -1
    for value, rest in ((1, 2), (0.5, 1)):
        system = flow({"x": "(b if a < 1 else 2*b) - x"}, {"a": dy.Parameter(value, "1", (0, 1)), "b": 1})
        point, = dy.fixed_points(system)
        assert point.values == {"x": rest}


def test_what_was_taken_not_to_be_zero():
    x, y, a = symbols("x y a")
    assert set(derive([a * x - y, x - a * y], [x, y]).assumed) == {a, a - 1, a + 1}
    assert derive([x - a], [x]).assumed == ()
    assert a in derive([(1 - x) / a], [x]).assumed
    assert derive([x**2 + a], [x], bounds={a: POSITIVE}).solutions == ()


@pytest.mark.parametrize("seed", range(4))
def test_random_linear_fields_with_zeros_among_their_parameters(seed):
    """Dimension of the set of rests of M z + v = 0 by rank, for matrices whose entries are parameters, often zero."""
    generator = np.random.default_rng(seed)
    for _ in range(6):
        size = 3
        matrix = generator.choice([0, 0, 1, 2], (size, size))
        shift = matrix @ generator.integers(-2, 3, size) if generator.random() < 0.7 else generator.integers(0, 2, size)
        names = [f"z{k}" for k in range(size)]
        parameters = {f"m{i}{j}": int(matrix[i, j]) for i in range(size) for j in range(size)}
        parameters |= {f"v{i}": int(shift[i]) for i in range(size)}
        equations = {names[i]: " + ".join(f"m{i}{j}*{names[j]}" for j in range(size)) + f" - v{i}" for i in range(size)}
        points = dy.fixed_points(flow(equations, parameters))
        rank = np.linalg.matrix_rank(matrix)
        solvable = rank == np.linalg.matrix_rank(np.column_stack([matrix, shift]))
        assert [len(p.free) for p in points] == ([size - rank] if solvable else [])
