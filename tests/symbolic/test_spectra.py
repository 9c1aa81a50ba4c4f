"""Real spectra: recognised by symmetric scalings, and their stability by signs of coefficients."""

import random

import mpmath
import pytest
from sympy import Matrix, Rational, Symbol, diag

from dynamics.symbolic.spectra import has_real_spectrum, stability_of_matrix
from dynamics.symbolic.stability import real_root_conditions

a, b, c = Symbol("a"), Symbol("b"), Symbol("c")
POSITIVE = dict.fromkeys((a, b, c), (0, None))


def test_symmetric_up_to_positive_factors():
    assert has_real_spectrum(Matrix([[a, b], [b, c]]), POSITIVE)
    assert has_real_spectrum(Matrix([[1, 2 * a, 0], [b, a, c], [0, 5, -b]]), POSITIVE)
    assert has_real_spectrum(diag(a, b, c), {})
    # one-way influence has real eigenvalues block by block
    assert has_real_spectrum(Matrix([[a, 1], [0, b]]), {})
    assert not has_real_spectrum(Matrix([[a, b], [c, a]]), {})
    assert not has_real_spectrum(Matrix([[0, 1], [-a, 0]]), POSITIVE)
    # all pairs have one sign, but the two ways round the circle differ
    assert not has_real_spectrum(Matrix([[0, 1, 2], [2, 0, 1], [1, 2, 0]]), {})
    assert has_real_spectrum(Matrix([[0, 1, 3], [2, 0, 3], [2, 1, 0]]), {})
    assert not has_real_spectrum(Matrix([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), {})


@pytest.mark.parametrize("time", ["continuous", "discrete"])
def test_coefficients_decide_as_the_roots_do(time):
    generator = random.Random(7)
    counts = set()
    for _ in range(60):
        spread = 2 if time == "discrete" else 3
        roots = [Rational(generator.randint(-20 * spread // 2, 12 * spread // 2), 16) for _ in range(4)]
        coefficients = [Rational(1)]
        for root in roots:
            coefficients = [left - root * right for left, right in
                            zip([*coefficients, Rational(0)], [Rational(0), *coefficients], strict=True)]
        stable = all(abs(root) < 1 if time == "discrete" else root < 0 for root in roots)
        holds = all(item.expression > 0 for item in real_root_conditions(coefficients, time))
        counts.add(stable)
        assert holds == stable, roots
    assert counts == {True, False}


def test_symbolic_conditions_agree_with_eigenvalues():
    matrix = Matrix([[a - 2, b, b], [b, -c, b], [b, b, -1]])
    for time, scale in (("continuous", 1), ("discrete", Rational(1, 2))):
        conditions = stability_of_matrix(scale * matrix, time, 0, POSITIVE)
        assert {item.kind for item in conditions} <= {None, "fold", "period_doubling"}
        generator = random.Random(3)
        seen = set()
        for _ in range(60):
            at = {symbol: Rational(generator.randint(1, 24), 16) for symbol in (a, b, c)}
            with mpmath.workdps(30):
                numbers = (scale * matrix.xreplace(at)).tolist()
                values = mpmath.eigsy(mpmath.matrix([[mpmath.mpf(item.p) / item.q for item in row] for row in numbers]),
                                      eigvals_only=True)
            stable = all(abs(value) < 1 if time == "discrete" else value < 0 for value in values)
            seen.add(stable)
            assert all(item.expression.xreplace(at) > 0 for item in conditions) == stable
        assert seen == {True, False}
