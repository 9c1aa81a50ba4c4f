"""Collocation, elimination around the cycle and multipliers: orders, exact cases, extreme ratios."""

from __future__ import annotations

import numpy as np
import pytest

from dynamics.analysis.block_cyclic import eliminate
from dynamics.analysis.collocation import (
    Linearization,
    Orbit,
    OrbitProblem,
    corrected_orbit,
    gauss_points,
    linearized,
)
from dynamics.analysis.floquet import critical_direction, multipliers
from dynamics.analysis.orbit_meshes import adapted, remeshed, sampled, smoothness

GENERATOR = np.random.default_rng(5)


def chain_of(matrices):
    matrices = np.array(matrices)
    n = matrices.shape[1]
    unit = np.broadcast_to(np.eye(n), matrices.shape)
    chain = eliminate(-matrices, unit, np.zeros((len(matrices), n, 1)))
    return Linearization(chain, matrices, np.zeros((len(matrices), n, 0)), np.zeros((len(matrices), 1, n, n + 1)),
                         np.zeros((len(matrices), 1, n)), np.zeros(n))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
def test_elimination_gives_the_product_and_the_points(count):
    matrices = GENERATOR.normal(size=(count, 3, 3))
    constants = GENERATOR.normal(size=(count, 3, 2))
    unit = np.broadcast_to(np.eye(3), matrices.shape)
    chain = eliminate(-matrices, unit, constants)
    x, y = GENERATOR.normal(size=(3, 1)), GENERATOR.normal(size=(2, 1))
    states = [x]
    for matrix, constant in zip(matrices, constants, strict=True):
        states.append(matrix @ states[-1] + constant @ y)
    np.testing.assert_allclose(chain.first @ x + chain.last @ states[-1], chain.constant @ y, atol=1e-9)
    np.testing.assert_allclose(chain.points(x, states[-1], y), states, rtol=1e-8, atol=1e-9)


def test_multipliers_of_very_different_size_do_not_disturb_the_trivial_one():
    # 1e12, 1 and 1e-12 in three directions that turn at every point: a product of the matrices keeps the first only
    basis = [np.linalg.qr(GENERATOR.normal(size=(3, 3)))[0] for _ in range(12)]
    stretch = np.diag([10.0, 1.0, 0.1])
    matrices = [basis[(k + 1) % 12] @ stretch @ basis[k].T for k in range(12)]
    found = multipliers(chain_of(matrices))
    assert found.trivial_error < 1e-10
    assert found.values[0].real == pytest.approx(1e12, rel=1e-4)
    assert found.unstable == 1
    product = np.linalg.multi_dot(matrices[::-1])
    assert np.min(np.abs(np.linalg.eigvals(product) - 1)) > 1e-9, "the product is not good enough"


def test_signs_change_where_multipliers_cross():
    def tests(*values):
        matrices = [np.diag([1.0, *values])]
        return multipliers(chain_of(matrices)).tests().tolist()

    assert tests(0.9, 0.5) == [1, 1]
    assert tests(1.1, 0.5) == [-1, 1]
    assert tests(-1.1, 0.5) == [1, -1]
    assert tests(-1.1, 1.5) == [-1, -1]


def test_gauss_points_integrate_polynomials_exactly():
    tableau = gauss_points(4)
    for power in range(8):
        assert tableau.weights @ tableau.points**power == pytest.approx(1 / (power + 1), rel=1e-14)
    for power in range(4):
        np.testing.assert_allclose(tableau.inner @ tableau.points**power, tableau.points ** (power + 1) / (power + 1),
                                   rtol=1e-12)


def circle_field(z, unknowns):
    """Stuart-Landau with mu = 1, radius 1 and period 2 pi; the second multiplier is exp(-4 pi)."""
    x, y = z
    r = x**2 + y**2
    values = np.array([x - y - x * r, x + y - y * r])
    slopes = np.array([[1 - r - 2 * x**2, -1 - 2 * x * y], [1 - 2 * x * y, 1 - r - 2 * y**2]])
    return values, slopes, np.zeros((2, 0, z.shape[1]))


def solved_circle(intervals, count=4):
    def states(_, s):
        return 1.02 * np.stack([np.cos(2 * np.pi * s), np.sin(2 * np.pi * s)], axis=1)

    guess = sampled(states, [np.linspace(0, 1, intervals + 1)], np.array([6.2]), np.zeros(0), count)

    def on_axis(orbit: Orbit):
        by_nodes = np.zeros_like(orbit.nodes)
        by_nodes[0, 1] = 1.0
        return float(orbit.nodes[0, 1]), by_nodes, np.zeros(1)

    problem = OrbitProblem((circle_field,), np.ones(2), (on_axis,), np.array([6.0]))
    found = corrected_orbit(problem, guess)
    assert found is not None
    return problem, found[0]


def test_mesh_points_converge_with_twice_the_number_of_gauss_points():
    errors = [abs(solved_circle(k, 3)[1].period - 2 * np.pi) for k in (4, 8, 16)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 5.5), (errors, orders)


def test_multiplier_and_direction_of_the_circle():
    problem, orbit = solved_circle(40)
    linear = linearized(problem, orbit)
    found = multipliers(linear)
    assert found.trivial_error < 1e-11
    assert found.values[0].real == pytest.approx(np.exp(-4 * np.pi), rel=1e-9)
    nodes, _ = critical_direction(linear, orbit, float(np.exp(-4 * np.pi)))
    # the contracting direction is radial
    across = nodes[:, 0] * orbit.nodes[:, 1] - nodes[:, 1] * orbit.nodes[:, 0]
    assert np.max(np.abs(across)) < 1e-6 * np.max(np.abs(nodes))


def test_meshes_follow_the_orbit_and_interpolation_keeps_it():
    _, orbit = solved_circle(24)
    finer = adapted(orbit, 0.1)
    assert smoothness(finer)[1] < 0.2 < 0.5 * smoothness(solved_circle(6)[1])[1] + 0.2
    np.testing.assert_allclose(np.sum(finer.nodes**2, axis=1), 1.0, atol=1e-6)
    again = remeshed(orbit, orbit.meshes)
    np.testing.assert_allclose(again.stages, orbit.stages, atol=1e-12)
