import numpy as np
import pytest
from sympy import Integer, Rational, Symbol, exp, prod

from dynamics.errors import DerivationError
from dynamics.symbolic.elimination import solve_numeric

x, y, z = Symbol("x"), Symbol("y"), Symbol("z")
t = Rational(1, 7)


@pytest.mark.parametrize(
    ("equations", "unknowns", "count"),
    [
        ([x**2 + 4 * y**2 - 4, 3 * x**2 + y**2 - x * y - 3], [x, y], 4),
        ([x**2 + y**2 - 1, (x - 1) ** 2 + y**2 - 1], [x, y], 2),
        ([x**2 + y**2 - 1, x - 1], [x, y], 1),
        ([x**2 - 2, y**2 - 2], [x, y], 4),
        ([10 * (y - x), x * (28 - z) - y, x * y - Rational(8, 3) * z], [x, y, z], 3),
        # Brown's almost linear system: for n = 3 the solution (1, 1, 1) and two others
        ([2 * x + y + z - 4, x + 2 * y + z - 4, x * y * z - 1], [x, y, z], 3),
        ([x + y + z, x * y + y * z + z * x, x * y * z - 1], [x, y, z], 0),
        ([(x - y) ** 2 * (x - 2), y**2 - 2], [x, y], 4),
        ([(x**2 - 1) / (x - 1)], [x], 1),
        ([x * y - 1, (x - 1) / (y - 1)], [x, y], 0),
        ([4 / (1 + x**8) + Rational(1, 10) - x], [x], 1),
    ],
)
def test_counts_and_residuals(equations, unknowns, count):
    found = solve_numeric(equations, unknowns)
    assert len(found) == count
    for solution in found:
        for equation in equations:
            assert abs(equation.xreplace(solution)) < 1e-26


def test_fitzhugh_nagumo_against_numpy():
    for current in (Rational(0), Rational(1, 2), Rational(7, 8)):
        equations = [x - x**3 / 3 - y + current, x + Rational(7, 10) - 3 * y]
        found = [float(solution[x]) for solution in solve_numeric(equations, [x, y])]
        # y eliminated by hand
        roots = np.roots([-1 / 3, 0, 1 - 1 / 3, float(current) - 0.7 / 3])
        real = sorted(float(root.real) for root in roots if abs(root.imag) < 1e-9)
        assert found == pytest.approx(real, abs=1e-12)


def test_close_roots_are_separated():
    polynomial = prod([x - index for index in range(1, 15)]) + Rational(1, 1000)
    assert len(solve_numeric([polynomial], [x])) == 14
    near = (x - 1) * (x - 1 - Rational(1, 10**12))
    first, second = solve_numeric([near], [x])
    assert abs(second[x] - first[x] - Rational(1, 10**12)) < 1e-28


def test_thirty_digits():
    (_, root) = solve_numeric([x**2 - 2], [x])
    assert abs(root[x] ** 2 - 2) < 1e-29


@pytest.mark.parametrize(
    ("equations", "unknowns", "message"),
    [
        ([x * y], [x, y], "infinitely many"),
        ([x**2 + y**2 - 1], [x, y], "infinitely many"),
        ([exp(x) - y, y - Integer(1)], [x, y], "exp"),
        ([x - Symbol("mu")], [x], "mu"),
    ],
)
def test_refusals(equations, unknowns, message):
    with pytest.raises(DerivationError, match=message):
        solve_numeric(equations, unknowns)


def test_known_points_are_all_found():
    # the product of (distance to each point) along generic lines: points are known, none may be lost
    generator = np.random.default_rng(11)
    for _ in range(3):
        abscissas = sorted({Rational(int(item), 3) for item in generator.integers(-12, 12, size=4)})
        curve = [Rational(int(item), 2) for item in generator.integers(-4, 4, size=3)]
        line = sum(value * x**power for power, value in enumerate(curve))
        found = solve_numeric([prod([x - item for item in abscissas]) * (y**2 + 1), y**3 - line**3], [x, y])
        assert [(solution[x], solution[y]) for solution in found] == [
            pytest.approx(
                (float(item), float(line.xreplace({x: item}) if line != 0 and line.free_symbols else line)), abs=1e-12
            )
            for item in abscissas
        ]
