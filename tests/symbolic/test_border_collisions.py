import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamics.symbolic.border_collisions import classify_boundary_equilibrium, classify_collision

FIRST = np.array([1.0, 0.0])


def random_collision(generator, size):
    off, normal = generator.normal(size=(size, size)), generator.normal(size=size)
    return off, off + np.outer(generator.normal(size=size), normal), normal, generator.normal(size=size)


@pytest.mark.parametrize("time", ["continuous", "discrete"])
def test_fixed_points_by_solving_both_sides(time):
    generator = np.random.default_rng(5)
    for size in (1, 2, 3, 4) * 12:
        off, on, normal, drift = random_collision(generator, size)
        found = classify_collision(off, on, normal, drift, time)
        admissible = {"below": 0, "above": 0}
        for matrix, side in ((off, -1), (on, 1)):
            for name, p in (("below", -1.0), ("above", 1.0)):
                point = np.linalg.solve(matrix - (np.eye(size) if time == "discrete" else 0), -drift * p)
                if side * (normal @ point) > 0:
                    admissible[name] += 1
                    assert found.exists[(side + 1) // 2] == name
        assert found.classification == {(1, 1): "persistence", (0, 2): "nonsmooth_fold", (2, 0): "nonsmooth_fold"}[
            admissible["below"], admissible["above"]]


def planar(trace_off, det_off, trace_on, det_on):
    """x' = trace x - y, y' = det x - p: continuous, border x = 0."""
    return (np.array([[trace_off, -1.0], [det_off, 0.0]]), np.array([[trace_on, -1.0], [det_on, 0.0]]), FIRST,
            np.array([0.0, -1.0]))


def last_range(off, on, drift, p, start, duration=200.0, direction=1.0):
    def field(_, z):
        return direction * ((on if z[0] > 0 else off) @ z + drift * p)

    run = solve_ivp(field, (0, duration), start, rtol=1e-8, atol=1e-10, t_eval=np.linspace(0.75 * duration, duration, 300))
    return float(np.ptp(run.y[0]))


@pytest.mark.parametrize(("numbers", "direction"), [((-0.5, 1.0, 0.3, 1.0), 1.0), ((-3.0, 1.0, 0.3, 1.0), 1.0),
                                                    ((-0.3, 1.0, 0.5, 1.0), -1.0), ((-0.3, 1.0, 3.0, 1.0), -1.0)])
def test_limit_cycle_of_a_planar_flow_by_integration(numbers, direction):
    off, on, normal, drift = planar(*numbers)
    found = classify_collision(off, on, normal, drift)
    assert found.classification == "persistence"
    stable = direction > 0
    orbits = found.attractors if stable else found.unstable
    (side,) = [k for k, texts in enumerate(orbits) if any("limit cycle" in text for text in texts)]
    # an unstable cycle attracts backwards in time
    spread = [last_range(off, on, drift, p, [2.0, 1.0], direction=direction) for p in (-1.0, 1.0)]
    assert spread[side] > 0.5
    assert spread[1 - side] < 1e-3
    assert found.exists[1 if stable else 0] == ("below", "above")[side]


def test_planar_cases_without_a_limit_cycle():
    for numbers in [(-0.5, 1.0, -0.1, 2.0), (-3.0, 1.0, 3.0, 1.0), (-0.5, 1.0, -0.3, -1.0)]:
        found = classify_collision(*planar(*numbers))
        assert not any("cycle" in text for texts in (*found.attractors, *found.unstable) for text in texts)
    # expansion and contraction cancel
    assert "not determined" in classify_collision(*planar(-0.5, 1.0, 0.5, 1.0)).remark
    fold = classify_collision(*planar(-0.5, 1.0, 0.3, -1.0))
    assert fold.classification == "nonsmooth_fold"
    assert "focus: not determined" in fold.remark
    assert classify_collision(*planar(-0.5, 0.0, 0.3, 1.0)).classification == "not determined"


# traces and determinants of the normal form's two sides, and the sign of p
@pytest.mark.parametrize(("traces", "determinants", "p"), [
    ((1.2, -1.6), (0.6, 0.8), 1.0), ((-1.1, 0.9), (0.6, 0.8), -1.0), ((-2.0, 1.0), (-0.8, 0.8), 1.0),
    ((-2.2, 1.1), (0.9, 0.6), -1.0), ((0.3, -1.5), (0.2, 0.3), 1.0)])
def test_attractors_of_planar_maps_by_iteration(traces, determinants, p):
    """Every attractor that is named is found by iterating from many starts, several of them together."""
    off, on = (np.array([[t, 1.0], [-d, 0.0]]) for t, d in zip(traces, determinants, strict=True))
    named = classify_collision(off, on, FIRST, FIRST, "discrete").attractors[p > 0]
    periods = {text[text.index("(") + 1:-1].count(" ") + 1 for text in named}
    starts = np.random.default_rng(3).uniform(-5, 5, (120, 2))
    seen = {settled_period(off, on, start, p) for start in starts} - {None}
    assert periods == {period for period in seen if period <= 6}
    assert len(periods) > (traces[0] != 0.3)


def test_a_cycle_on_the_border_is_not_counted():
    # the cycle of period 2 has a point on the border
    off, on = np.array([[0.6, 1.0], [0.3, 0.0]]), np.array([[-0.8, 1.0], [0.2, 0.0]])
    found = classify_collision(off, on, FIRST, FIRST, "discrete")
    assert found.attractors[1] == ()
    assert "a point on the border" in found.remark


def settled_period(off, on, z, p):
    for _ in range(600):
        z = (on if z[0] > 0 else off) @ z + FIRST * p
        if abs(z[0]) > 1e6:
            return None
    start = z
    for period in range(1, 13):
        z = (on if z[0] > 0 else off) @ z + FIRST * p
        if np.abs(z - start).max() < 1e-7:
            return period
    return None


@pytest.mark.parametrize(("opposite", "classification", "exists"), [
    (1.0, "persistence", ("above", "below")), (-1.0, "nonsmooth_fold", ("above", "above"))])
def test_equilibrium_and_pseudo_equilibrium(opposite, classification, exists):
    # x' = p - x where x > 0, x' = opposite where x < 0: sliding at 0 needs p and opposite of different signs
    one = np.array([1.0])
    found = classify_boundary_equilibrium(np.array([[-1.0]]), one, one, np.array([opposite]), on=True)
    assert (found.classification, found.exists) == (classification, exists)
