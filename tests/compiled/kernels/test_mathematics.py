"""The vector functions against mpmath, in units of the last place, and the same bits at every width."""

import ctypes
import functools
import math

import mpmath
import numpy as np
import pytest

from dynamics.compiled.kernels import coefficients, jit, mathematics
from dynamics.compiled.kernels.ir import INTEGER, POINTER, Module

SMALLEST_NORMAL = 2.2250738585072014e-308
GENERATOR = np.random.default_rng(20261123)
SPECIAL = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1e-310, SMALLEST_NORMAL, -SMALLEST_NORMAL,
                    1.7976931348623157e308, -1.7976931348623157e308, 1.0, -1.0, 0.5, 709.78, 709.79, -745.1, -745.2, -708.4])


def everywhere(size):
    draw = np.random.default_rng(size).uniform   # the same numbers whichever tests are run
    return np.concatenate([
        draw(-1, 1, size), draw(-6, 6, size), draw(-40, 40, size), draw(-745, 709, size), 1 + draw(-1e-3, 1e-3, size),
        10 ** draw(-12, 0, size), -(10 ** draw(-12, 0, size)), 10 ** draw(-320, 308, size), -(10 ** draw(-320, 308, size)),
        np.arange(1, 9) * math.pi / 4, -np.arange(1, 9) * math.pi / 4, SPECIAL])


@functools.cache
def compiled(name, width=4):
    module = Module(width)
    build = module.function("apply", {"size": INTEGER, "x": POINTER, "y": POINTER, "result": POINTER})
    with build.count(0, build.argument("size"), width) as place:
        x, y, result = (build.at(build.argument(n), place) for n in ("x", "y", "result"))
        given = [build.load(x), build.load(y)] if name == "power" else [build.load(x)]
        build.store(result, getattr(mathematics, name)(build, *given))
    build.finish()
    function = jit.compile_kernel(module.text()).function("apply", [ctypes.c_int64, *[jit.ADDRESS] * 3])

    def apply(x, y=None):
        size = -(-len(x) // width) * width
        padded, result = np.full((2, size), 1.5), np.empty(size)
        padded[0, :len(x)] = x
        padded[1, :len(x)] = x if y is None else y
        function(size, padded[0].ctypes.data, padded[1].ctypes.data, result.ctypes.data)
        return result[:len(x)]

    return apply


def places(true, got):
    """Distance in units of the last place of the true value."""
    nearest = float(true) if true is not None else math.nan
    if math.isnan(nearest) or math.isnan(got):
        return 0.0 if math.isnan(nearest) and math.isnan(got) else math.inf
    if math.isinf(nearest) or math.isinf(got):
        return 0.0 if nearest == got else math.inf
    return float(abs(mpmath.mpf(got) - true) / mpmath.mpf(math.ulp(nearest)))


def positive(function, pole=0.0):
    return lambda x: None if x < pole else -mpmath.inf if x == pole else function(x)


def finite(function):
    return lambda x: None if mpmath.isinf(x) else function(x)


def true_tanh(x):
    return mpmath.tanh(x) if abs(x) < 1000 else mpmath.sign(x)


TRUE = {
    "exp": mpmath.exp, "log": positive(mpmath.log), "expm1": mpmath.expm1, "tanh": true_tanh,
    "log1p": positive(mpmath.log1p, -1.0), "softplus": lambda x: x if x > 800 else mpmath.log1p(mpmath.exp(x)),
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)), "sqrt": lambda x: None if x < 0 else mpmath.sqrt(x),
    "sin": finite(mpmath.sin), "cos": finite(mpmath.cos), "atan": mpmath.atan, "erf": mpmath.erf,
}


@pytest.mark.parametrize(("name", "most"), [
    ("exp", 1.25), ("log", 1.0), ("log1p", 1.25), ("expm1", 1.5), ("softplus", 2.0), ("logistic", 1.25), ("tanh", 2.0),
    ("sqrt", 0.5), ("sin", 1.0), ("cos", 1.0), ("atan", 1.25), ("erf", 2.0)])
def test_a_function_is_right_to_the_last_places(name, most):
    x = everywhere(80)
    values = compiled(name)(x)
    # the largest angles need their whole exponent in digits; mpmath goes wrong quietly with fewer
    with mpmath.workprec(160):
        for at, value in zip(x.tolist(), values.tolist(), strict=True):
            true = None if math.isnan(at) else TRUE[name](mpmath.mpf(at))
            if name in ("softplus", "logistic") and true is not None and 0 <= true < SMALLEST_NORMAL:
                assert 0 <= value <= SMALLEST_NORMAL
            else:
                assert places(true, value) <= most, (at, value)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUE)
def test_two_places_hold_on_a_dense_grid(name):
    x = everywhere(6000)
    values = compiled(name)(x)
    with mpmath.workprec(160):
        for at, value in zip(x.tolist(), values.tolist(), strict=True):
            true = None if math.isnan(at) else TRUE[name](mpmath.mpf(at))
            if not (name in ("softplus", "logistic") and true is not None and 0 <= true < SMALLEST_NORMAL):
                assert places(true, value) <= 2, (at, value)


def test_no_value_is_beyond_its_limit():
    x = np.concatenate([np.linspace(15, 22, 20000), everywhere(2000)])
    x = np.concatenate([x, -x])[~np.isnan(np.concatenate([x, x]))]
    # a rounding too much near saturation would make sqrt(1 - tanh(x)**2) nan
    assert np.abs(compiled("tanh")(x)).max() == np.abs(compiled("erf")(x)).max() == 1.0
    assert compiled("expm1")(x).min() == -1.0
    assert 0.0 <= compiled("logistic")(x).min() <= compiled("logistic")(x).max() == 1.0
    assert compiled("softplus")(x).min() == 0.0


def test_angles_just_beside_whole_quarter_turns():
    # the double nearest to a multiple of pi/2 of all doubles, and some others found by continued fractions
    x = np.array([6381956970095103.0 * 2.0**797, 6411027962775774.0 * 2.0**-48, 884279719003555.0, 1e22, 2.0**40,
                  math.nextafter(2.0**40, math.inf), 3.0 * 2.0**1000])
    x = np.concatenate([x, -x])
    with mpmath.workprec(1400):
        for name in ("sin", "cos"):
            for at, value in zip(x.tolist(), compiled(name)(x).tolist(), strict=True):
                assert places(TRUE[name](mpmath.mpf(at)), value) <= 1, (name, at)


def test_real_powers():
    draw = GENERATOR.uniform
    x = np.concatenate([draw(0.5, 2, 300), 10 ** draw(-300, 300, 300), 1 + draw(-1e-3, 1e-3, 300), draw(0, 10, 300),
                        10 ** draw(-320, -300, 50)])
    y = np.concatenate([draw(-1000, 1000, 300), draw(-1.1, 1.1, 300), draw(-7e5, 7e5, 300), draw(-5, 5, 300),
                        draw(-0.9, 0.9, 50)])
    for base, exponent, value in zip(x.tolist(), y.tolist(), compiled("power")(x, y).tolist(), strict=True):
        with mpmath.workprec(160):
            true = mpmath.power(mpmath.mpf(base), mpmath.mpf(exponent))
        assert places(true if true < 1.7976931348623158e308 else mpmath.inf, value) <= 1.25, (base, exponent)


def test_powers_at_the_ends():
    ends = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, math.inf, -math.inf, math.nan]
    x, y = (grid.ravel() for grid in np.meshgrid(ends, ends))
    for base, exponent, value in zip(x.tolist(), y.tolist(), compiled("power")(x, y).tolist(), strict=True):
        try:
            true = math.pow(base, exponent)
        except ValueError:  # Python refuses poles as well as negative bases
            pole = math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf
            true = pole if base == 0 else math.nan
        assert value == pytest.approx(true, rel=4e-16, nan_ok=True), (base, exponent)
        assert math.isnan(true) or math.copysign(1, value) == math.copysign(1, true), (base, exponent)


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "softplus", "logistic", "tanh", "sin", "cos", "atan",
                                  "erf", "power"])
def test_the_width_of_the_vectors_changes_no_bit(name):
    x = everywhere(30)
    x = np.abs(x) if name == "power" else x
    y = GENERATOR.uniform(-3, 3, len(x))
    one = compiled(name, 2)(x, y)
    for width in (4, 8):
        other = compiled(name, width)(x, y)
        known = ~np.isnan(one)
        np.testing.assert_array_equal(np.isnan(other), ~known)
        np.testing.assert_array_equal(one[known].view(np.int64), other[known].view(np.int64))


def test_signs_of_zero_are_kept():
    for name in ("sin", "tanh", "atan", "erf", "expm1", "log1p", "sqrt"):
        assert np.signbit(compiled(name)(np.array([-0.0, 0.0]))).tolist() == [True, False], name


@pytest.mark.parametrize(("name", "function", "low", "high", "most"), [
    ("EXP", lambda r: (mpmath.exp(r) - 1 - r) / r**2, -0.3466, 0.3466, 1e-15),
    ("LOG", lambda z: (2 * mpmath.atanh(mpmath.sqrt(z)) - 2 * mpmath.sqrt(z)) / mpmath.sqrt(z) ** 3, 1e-9, 0.0294, 1e-14),
    ("SIN", lambda z: (mpmath.sin(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z, 1e-9, 0.6168, 1e-15),
    ("COS", lambda z: (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z**2, 1e-9, 0.6168, 1e-16),
    ("ATAN", lambda z: (mpmath.atan(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z, 1e-9, 0.1715, 1e-15),
    ("ERF", lambda z: mpmath.erf(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1, 1e-9, 1.5625, 1e-16),
    ("LOG1P_UNIT", lambda t: mpmath.log1p(t + 0.5) / (t + 0.5), -0.4999, 0.5, 2e-16)])
def test_the_coefficients_fit_what_they_say(name, function, low, high, most):
    terms = [mpmath.mpf(c) for c in getattr(coefficients, name)]
    with mpmath.workprec(200):
        for at in np.linspace(low, high, 201).tolist():
            at = at or low / 1000
            assert abs(mpmath.polyval(terms[::-1], mpmath.mpf(at)) - function(mpmath.mpf(at))) < most
