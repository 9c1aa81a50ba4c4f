"""Normal-form coefficients survive changes of coordinates, and come out in closed form."""

from __future__ import annotations

import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import QQ, Integer, Matrix, Poly, Rational, Symbol, cos, exp, log, ring, sqrt, tanh

from dynamics.errors import DerivationError
from dynamics.symbolic.center_manifold import (
    DIGITS,
    LocalMap,
    bogdanov_takens_coefficients,
    pair_coefficients,
    scalar_coefficients,
)
from dynamics.symbolic.critical_eigenvalues import critical_eigenvalues
from dynamics.symbolic.jets import evaluate_jets, magnitude
from dynamics.symbolic.kernels import rational_form
from dynamics.symbolic.normal_forms import multilinear_forms, pair_coefficient, scalar_coefficient
from dynamics.symbolic.polynomial import CharacteristicFactor
from dynamics.symbolic.quadratic_extension import QuadraticExtension, kernel_vector, solve_linear

X = [Symbol(f"x{k}") for k in range(3)]
Y = [Symbol(f"y{k}") for k in range(3)]

small = st.integers(-3, 3).map(Integer)
positive = st.integers(1, 4).map(Integer)


@st.composite
def coordinates(draw, size):
    """(images, inverse, T): x = T*shears(y) and back; shears are the identity up to quadratic terms."""
    entries = draw(st.lists(small, min_size=size * size, max_size=size * size))
    linear = Matrix(size, size, entries)
    assume(linear.det() != 0)
    shears = draw(st.lists(st.tuples(st.integers(0, size - 1), small, small, small), min_size=1, max_size=2))
    forward, backward = Matrix(Y[:size]), Matrix(X[:size])
    backward = linear.inv() * backward
    for target, a, b, c in shears:
        forward = sheared(forward, target, a, b, c, 1)
    for target, a, b, c in reversed(shears):
        backward = sheared(backward, target, a, b, c, -1)
    return linear * forward, backward, linear


def sheared(vector, target, a, b, c, direction):
    # only the other components enter, so the inverse has the opposite sign
    others = [vector[k] for k in range(len(vector)) if k != target] * 2
    change = a * others[0] ** 2 + b * others[0] * others[1] + c * others[1] ** 3
    moved = list(vector)
    moved[target] += direction * change
    return Matrix(moved)


RING = ring("y0, y1, y2", QQ)[0]


def truncated(polynomial):
    """Without terms above degree three, on which no coefficient here depends."""
    return RING.from_dict({key: value for key, value in polynomial.items() if sum(key) <= 3})


def composed(expression, images):
    """A polynomial expression in x0, x1, x2 of truncated polynomials."""
    total = RING.zero
    for key, coefficient in Poly(expression, *X).terms():
        product = RING.one * QQ(int(coefficient.p), int(coefficient.q))
        for image, power in zip(images, key, strict=True):
            for _ in range(power):
                product = truncated(product * image)
        total += product
    return total


def transformed(fields, change, time):
    """The equations in y to third order."""
    forward, backward, _ = change
    rename = dict(zip(Y, X, strict=True))
    images = [composed(item.xreplace(rename), RING.gens) for item in forward]
    moved = [composed(field, images) for field in fields]
    if time == "discrete":
        found = [composed(item, moved) for item in backward]
    else:
        found = [sum((truncated(composed(item.diff(x), images) * f) for x, f in zip(X, moved, strict=True)), RING.zero)
                 for item in backward]
    return [item.as_expr(*Y) for item in found]


def local_map(fields):
    return LocalMap(tuple(fields), tuple(Y[: len(fields)]), (mpmath.mpf(0),) * len(fields))


def check(fields, change, time, expected, exact, numeric):
    new = transformed(fields, change, time)
    forms = multilinear_forms(new, Y[: len(fields)], dict.fromkeys(Y[: len(fields)], Integer(0)))
    found = exact(forms)
    assert abs(float(found)) == pytest.approx(abs(float(expected)), rel=1e-12, abs=1e-14)
    with mpmath.workdps(DIGITS):
        local = local_map(new)
        number = numeric(local, local.jacobian())
        assert abs(abs(number) - abs(mpmath.mpf(expected.evalf(40)._mpf_))) < mpmath.mpf(10) ** -28 * (1 + abs(number))
    return found, number


def length(change, *vectors):
    """<q, q> of the critical vectors in the new coordinates."""
    inverse = change[2].inv()
    return sum((inverse * Matrix(v)).dot(inverse * Matrix(v)) for v in vectors)


def hopf(change, omega, c, d, decay):
    r2 = X[0] ** 2 + X[1] ** 2
    fields = [-omega * X[1] + (c * X[0] - d * X[1]) * r2, omega * X[0] + (c * X[1] + d * X[0]) * r2, -decay * X[2]]
    # the eigenvector (1, -i) of length sqrt(2) has c/omega * 4/2; in new coordinates the length is another
    expected = 4 * c / omega / length(change, [1, 0, 0], [0, 1, 0])
    found, number = check(fields, change, "continuous", expected,
                          lambda forms: pair_coefficient(forms, (Integer(0), omega**2), "continuous"),
                          lambda local, a: (pair_coefficients(local, a, mpmath.mpc(0, int(omega)), "continuous")[0]
                                            / int(omega)).real)
    assert (found > 0) == (number > 0) == (c > 0)


def neimark_sacker(change, c, d):
    # rotation by the angle of 3 + 4i
    cosine, sine = Rational(3, 5), Rational(4, 5)
    r2 = X[0] ** 2 + X[1] ** 2
    u, v = X[0] + (c * X[0] - d * X[1]) * r2, X[1] + (c * X[1] + d * X[0]) * r2
    fields = [cosine * u - sine * v, sine * u + cosine * v, X[2] / 2]
    expected = 4 * c / length(change, [1, 0, 0], [0, 1, 0])

    def numeric(local, a):
        mu = mpmath.mpc(3, 4) / 5
        return (pair_coefficients(local, a, mu, "discrete")[0] / mu).real

    found, number = check(fields, change, "discrete", expected,
                          lambda forms: pair_coefficient(forms, (2 * cosine, Integer(1)), "discrete"), numeric)
    assert (found > 0) == (number > 0) == (c > 0)


def flip(change, b):
    fields = [-X[0] + b * X[0] ** 3, X[1] / 3, -X[2] / 2]
    expected = b / length(change, [1, 0, 0])
    found, number = check(fields, change, "discrete", expected, lambda forms: scalar_coefficient(forms, -1, 3),
                          lambda local, a: scalar_coefficients(local, a, -1)[1])
    assert (found > 0) == (number > 0) == (b > 0)


def fold(change, a, time):
    kept = 1 if time == "discrete" else 0
    fields = [kept * X[0] + a * X[0] ** 2, -X[1] / 3, -X[2] / 2]
    check(fields, change, time, a / sqrt(length(change, [1, 0, 0])), lambda forms: scalar_coefficient(forms, kept, 2),
          lambda local, matrix: scalar_coefficients(local, matrix, kept)[0])


def cusp(change, c, time):
    kept = 1 if time == "discrete" else 0
    fields = [kept * X[0] + c * X[0] ** 3, -X[1] / 3, -X[2] / 2]
    found, number = check(fields, change, time, c / length(change, [1, 0, 0]),
                          lambda forms: scalar_coefficient(forms, kept, 3),
                          lambda local, matrix: scalar_coefficients(local, matrix, kept)[1])
    assert (found > 0) == (number > 0) == (c > 0)


nonzero = small.filter(bool)
times = st.sampled_from(["continuous", "discrete"])
CASES = {"hopf": (hopf, (coordinates(3), positive, nonzero, small, positive)),
         "neimark_sacker": (neimark_sacker, (coordinates(3), nonzero, small)),
         "flip": (flip, (coordinates(3), nonzero)), "fold": (fold, (coordinates(3), nonzero, times)),
         "cusp": (cusp, (coordinates(3), nonzero, times))}


@pytest.mark.parametrize("name", CASES)
def test_coefficients_survive_changes_of_coordinates(name):
    function, arguments = CASES[name]
    settings(max_examples=2, deadline=None, derandomize=True)(given(*arguments)(function))()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_coefficients_survive_hundreds_of_changes_of_coordinates(name):
    function, arguments = CASES[name]
    settings(max_examples=200, deadline=None)(given(*arguments)(function))()


# ---- planar and textbook forms ---------------------------------------------------------------------------------------

def test_planar_hopf_by_the_formula_of_guckenheimer_and_holmes():
    # 16 a for x' = -w y + f, y' = w x + g; a is the coefficient of r**3, and x = sqrt(2) Re z, so l1 = 2 a/w
    names = ["f20", "f11", "f02", "g20", "g11", "g02", "f30", "f12", "g21", "g03"]
    f20, f11, f02, g20, g11, g02, f30, f12, g21, g03 = (Symbol(n) for n in names)
    w = Symbol("w")
    x, y = X[:2]
    fields = [-w * y + f20 * x**2 / 2 + f11 * x * y + f02 * y**2 / 2 + f30 * x**3 / 6 + f12 * x * y**2 / 2,
              w * x + g20 * x**2 / 2 + g11 * x * y + g02 * y**2 / 2 + g21 * x**2 * y / 2 + g03 * y**3 / 6]
    forms = multilinear_forms(fields, [x, y], {x: Integer(0), y: Integer(0)})
    found = pair_coefficient(forms, (Integer(0), w**2), "continuous", {w: (0, None)})
    a = (f30 + f12 + g21 + g03 + (f11 * (f20 + f02) - g11 * (g20 + g02) - f20 * g20 + f02 * g02) / w) / 16
    assert (found - 2 * a / w).expand().cancel() == 0


def test_second_lyapunov_coefficient_of_the_bautin_form():
    x, y = Y[:2]
    r2 = x**2 + y**2
    growth, turn = 3 * r2**2, 2 - 5 * r2 + 7 * r2**2
    with mpmath.workdps(DIGITS):
        local = local_map([growth * x - turn * y, growth * y + turn * x])
        c1, c2 = pair_coefficients(local, local.jacobian(), mpmath.mpc(0, 2), "continuous", 5)
    # |x + i y|**2 = 2 |z|**2
    assert abs(c1 - mpmath.mpc(0, -10)) < 1e-40
    assert abs(c2 - mpmath.mpc(12, 28)) < 1e-40


@pytest.mark.parametrize(("a", "b"), [(2, -3), (Rational(1, 2), 5)])
def test_bogdanov_takens_form_and_its_scaling(a, b):
    x, y, z = Y
    with mpmath.workdps(DIGITS):
        local = local_map([y, a * x**2 + b * x * y, -z])
        found = bogdanov_takens_coefficients(local, local.jacobian())
        for number, expected in zip(found, map(Rational, (a, b)), strict=True):
            assert abs(number - mpmath.mpf(expected.p) / expected.q) < 1e-40
        # x = 2 u keeps the form, with a and b doubled; a stable direction fed by x**2 changes neither
        scaled = local_map([y, 2 * a * x**2 + 2 * b * x * y, -z + x**2])
        found = bogdanov_takens_coefficients(scaled, scaled.jacobian())
        assert [float(f) for f in found] == pytest.approx([2 * float(a), 2 * float(b)], rel=1e-15)


def test_a_second_critical_eigenvalue_is_refused():
    x, y, z = X
    forms = multilinear_forms([-y, x, x * z], X, dict.fromkeys(X, Integer(0)))
    with pytest.raises(DerivationError, match="conserved quantity"):
        pair_coefficient(forms, (Integer(0), Integer(1)), "continuous")


# ---- parts -----------------------------------------------------------------------------------------------------------

def test_jets_are_taylor_series():
    x, y = Symbol("x"), Symbol("y")
    expression = exp(x * y) * tanh(x - y) / sqrt(1 + x**2) + log(2 + y) ** 2 + (1 + x) ** y + cos(y) ** -2
    with mpmath.workdps(40):
        start = {x: mpmath.mpf("0.3"), y: mpmath.mpf("-0.2")}
        (series,) = evaluate_jets([expression], {x: {(0, 0): start[x], (1, 0): 1}, y: {(0, 0): start[y], (0, 1): 1}}, 4)
        here = {x: Rational(3, 10), y: Rational(-1, 5)}
        for (j, k), value in series.items():
            derivative = expression.diff(x, j).diff(y, k).xreplace(here).evalf(40)
            expected = mpmath.mpf(derivative._mpf_) / (mpmath.factorial(j) * mpmath.factorial(k))
            assert abs(value - expected) < mpmath.mpf(10) ** -32 * (1 + abs(expected))
    assert len(series) == 15


def test_jets_refuse_what_is_not_smooth():
    x = Symbol("x")
    with pytest.raises(DerivationError, match="no power series"):
        evaluate_jets([sqrt(x)], {x: {(0,): mpmath.mpf(0), (1,): mpmath.mpf(1)}}, 2)


def test_magnitude_does_not_see_cancellation():
    x = Symbol("x")
    assert magnitude(x - x**2 * 3, {x: Integer(2)}) == 14.0


def test_numbers_with_a_critical_eigenvalue_behave_like_complex_numbers():
    t, n = Symbol("t"), Symbol("n")
    form = rational_form([t, n])
    over = QuadraticExtension(form, *form.elements)
    one, zero = form.field.one, form.field.zero
    s = (zero, one)
    square = over.multiply(s, s)
    assert square == (-form.elements[1], form.elements[0])
    assert over.multiply(s, over.conjugate(s)) == (form.elements[1], zero)
    assert over.multiply(s, over.inverse(s)) == (one, zero)
    assert over.real_part(s) == form.elements[0] / 2


def test_linear_algebra_over_radicals_sees_zeros():
    c = Symbol("c")
    form = rational_form([sqrt(c), c, Integer(1), Integer(2)])
    root, square, one, two = form.elements
    vector = kernel_vector(form, [[root, square], [one, root]])
    assert not form.reduce(vector[0] + root)
    assert vector[1] == one
    with pytest.raises(DerivationError):
        solve_linear(form, [[root, square], [one, root]], [[one, one]])
    with pytest.raises(DerivationError):
        kernel_vector(form, [[root, two], [one, root]])


@pytest.mark.parametrize(("rows", "time", "kind"), [
    ([[0, 1], [-4, 0]], "continuous", "hopf"), ([[0, 1], [0, 0]], "continuous", "bogdanov_takens"),
    ([[0, 0], [0, -1]], "continuous", "fold"), ([[0, 1, 0], [-1, 0, 0], [0, 0, 0]], "continuous", "zero_hopf"),
    ([[1, 0], [0, 0.5]], "discrete", "fold"), ([[-1, 0], [0, 0.5]], "discrete", "period_doubling"),
    ([[1, 0], [0, -1]], "discrete", "fold_flip"), ([[0.6, -0.8], [0.8, 0.6]], "discrete", "neimark_sacker"),
    ([[0, -1], [1, 0]], "discrete", "resonance_1_4"), ([[0, -1], [1, -1]], "discrete", "resonance_1_3"),
    ([[-1, 1], [0, -1]], "discrete", "resonance_1_2"), ([[1, 1], [0, 1]], "discrete", "resonance_1_1")])
def test_kinds_of_spectra(rows, time, kind):
    assert critical_eigenvalues(mpmath.matrix(rows), time).kind == kind


@pytest.mark.parametrize(("rows", "time", "message"), [
    ([[-0.1, 1], [-1, -0.1]], "continuous", "Hopf condition.*0.0995 relative"),
    ([[-2, 0], [0, -1]], "continuous", "fold condition.*-1"),
    ([[0.5, 0], [0, -0.98]], "discrete", "period-doubling condition.*0.02"),
    ([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], "continuous", "beyond codimension two")])
def test_points_off_every_bifurcation_say_how_far(rows, time, message):
    with pytest.raises(DerivationError, match=message):
        critical_eigenvalues(mpmath.matrix(rows), time)


def test_critical_pair_of_a_quartic():
    from dynamics.symbolic.normal_forms import critical_pair

    # (z**2 + 5)(z**2 + 2 z + 7)
    assert critical_pair(CharacteristicFactor(tuple(map(Integer, (1, 2, 12, 10, 35)))), "continuous") == (0, 5)
    # (z**2 - z/3 + 1)(z - 2)
    cubic = tuple(map(Rational, (1, "-7/3", "5/3", -2)))
    assert critical_pair(CharacteristicFactor(cubic), "discrete") == (Rational(1, 3), 1)
