"""Unimodal leverage maps beyond their threshold formula: domain, regions, criticality, and one condition for many banks."""

import mpmath
import pytest
from sympy import Add, Mul, Rational, Symbol, cancel, expand, sqrt

import dynamics as dy

omega, gamma, K = Symbol("omega"), Symbol("gamma"), Symbol("K")
LIQUIDITY, VARIANCE = 100, Rational("0.060516")  # alpha = 1.64, gamma = 100, Sigma = 0.0015**2: sqrt(K) = 0.246


def one_bank(memory=0.4, upper=None):
    return dy.System(
        name="unimodal leverage", time="discrete", states={"x": dy.State(80, bounds=(0, upper))},
        parameters={"omega": dy.Parameter(memory, bounds=(0, 1)), "gamma": dy.Parameter(LIQUIDITY, bounds=(0, None)),
                    "K": dy.Parameter(VARIANCE, bounds=(0, None))},
        equations={"x": "(omega/x**2 + (1 - omega)*K/(1 + gamma - x)**2)**(-1/2)"})


def banks(count, weights=None, memories=None):
    """Coupled banks; weights are asset sizes over their sum."""
    names = range(1, count + 1)
    sizes = dict(zip(names, weights or names, strict=True))
    omegas = dict(zip(names, memories or [Rational(9, 10) - Rational(i, 20) for i in names], strict=True))
    return dy.System(
        name="coupled leverage", time="discrete",
        states={f"x_{i}": dy.State(80, bounds=(0, 101)) for i in names},
        parameters={**{f"size_{i}": dy.Parameter(sizes[i], bounds=(0, None)) for i in names},
                    **{f"omega_{i}": dy.Parameter(omegas[i], bounds=(0, 1)) for i in names},
                    "gamma": dy.Parameter(LIQUIDITY, bounds=(0, None)), "K": dy.Parameter(VARIANCE, bounds=(0, None))},
        definitions={"mean": f"({' + '.join(f'size_{i}*x_{i}' for i in names)})/({' + '.join(f'size_{i}' for i in names)})"},
        equations={f"x_{i}": f"(omega_{i}/x_{i}**2 + (1 - omega_{i})*K/(1 + gamma - mean)**2)**(-1/2)" for i in names})


def threshold(count):
    """Sum of weight times (1 - omega)/(1 + omega), less sqrt(K)."""
    sizes = [Symbol(f"size_{i}") for i in range(1, count + 1)]
    omegas = [Symbol(f"omega_{i}") for i in range(1, count + 1)]
    terms = [size * (1 - memory) / (1 + memory) for size, memory in zip(sizes, omegas, strict=True)]
    return Add(*terms) / Add(*sizes) - sqrt(K), Add(*sizes) * Mul(*(1 + memory for memory in omegas))


def test_fixed_points_are_exact_and_keep_the_domain():
    inside, outside = sorted(dy.fixed_points(one_bank()), key=lambda point: point.values["x"])
    assert (inside.exactness, outside.exactness) == ("exact", "exact")
    assert inside.state["x"] == (gamma + 1) / (sqrt(K) + 1)
    assert inside.valid_where == True  # noqa: E712 - a SymPy truth value
    assert inside.values["x"] == pytest.approx(81.0593900481541, rel=1e-14)
    # the other square root: beyond the asset bound of the map, and only where sqrt(K) < 1
    assert cancel(outside.state["x"] - (gamma + 1) / (1 - sqrt(K))) == 0
    assert outside.valid_where == (1 - sqrt(K) >= 0)
    assert [point.admissible for point in dy.fixed_points(one_bank(upper=101))] == [True, False]
    # K > 1: the second would need a negative root and is gone
    assert len(dy.fixed_points(one_bank(), parameters={"K": 4})) == 1
    # zero, where the map is not defined, is none of them
    assert not any(point.values["x"] < 1 for point in (inside, outside))


def test_slope_is_short_and_right():
    system = one_bank()
    point = min(dy.fixed_points(system), key=lambda item: item.values["x"])
    slope = dy.jacobian(system, point)[0, 0]
    assert cancel(slope - omega + (1 - omega) / sqrt(K)) == 0
    assert slope.count_ops() <= 10
    assert point.eigenvalues[0] == pytest.approx(-2.0390243902, abs=1e-10)
    x = mpmath.mpf(101) / mpmath.mpf("1.246")
    numeric = mpmath.diff(lambda at: (mpmath.mpf("0.4") / at**2 + mpmath.mpf("0.6") * mpmath.mpf("0.060516")
                                      / (101 - at) ** 2) ** mpmath.mpf("-0.5"), x)
    assert complex(point.eigenvalues[0]).real == pytest.approx(float(numeric), rel=1e-9)


def test_the_stable_region_is_one_inequality():
    system = one_bank()
    point = min(dy.fixed_points(system), key=lambda item: item.values["x"])
    assert dy.region(system, point, parameter="omega") == (omega > (1 - sqrt(K)) / (sqrt(K) + 1))
    variance, = dy.bifurcation_conditions(system, point, parameter="K")
    assert cancel(variance.solutions[0] - ((1 - omega) / (1 + omega)) ** 2) == 0


def test_the_fixed_point_out_of_reach_is_never_stable():
    system = one_bank()
    point = max(dy.fixed_points(system), key=lambda item: item.values["x"])
    assert [condition.expression for condition in dy.stability_conditions(system, point)] == [-1]


def test_high_variance_is_always_stable():
    # sqrt(K) >= 1: the threshold of the noise is (alpha*gamma)**(-2) = 0.0061**2
    system = one_bank()
    for memory in (0.001, 0.5, 0.99):
        point, = dy.fixed_points(system, parameters={"K": 1.01, "omega": memory})
        assert point.stability == "stable"
    assert float(Rational(1, 164)) == pytest.approx(0.0061, abs=1e-4)


def test_the_period_doubling_is_supercritical_in_closed_form():
    critical = (1 - Rational("0.246")) / (1 + Rational("0.246"))
    system = one_bank(memory=critical)
    point = min(dy.fixed_points(system), key=lambda item: item.values["x"])
    form = dy.normal_form(system, point)
    coefficient = form.coefficients["b"]
    assert (form.kind, coefficient.criticality) == ("period_doubling", "supercritical")
    assert cancel(coefficient.expression - 5 * (1 - K) * (1 + sqrt(K)) / (K * (1 + gamma) ** 2)) == 0
    # the second iterate is w - 2*b*w**3 + ..., its third derivative by mpmath
    with mpmath.workdps(60):
        memory, root = mpmath.mpf(critical.p) / critical.q, mpmath.mpf("0.246")

        def step(at):
            return (memory / at**2 + (1 - memory) * root**2 / (101 - at) ** 2) ** mpmath.mpf("-0.5")

        third = mpmath.diff(lambda at: step(step(at)), 101 / (1 + root), 3)
        assert float(coefficient) == pytest.approx(float(-third / 12), rel=1e-10)


# ---- coupled banks --------------------------------------------------------------------------------------------------

def check_threshold(count):
    """The only condition: no torus is announced, since real spectra have none."""
    system = banks(count)
    point = dy.fixed_points(system)[0]
    assert point.exactness == "exact"
    assert set(point.state.values()) == {(gamma + 1) / (sqrt(K) + 1)}
    assert list(point.values.values()) == pytest.approx([81.0593900481541] * count, rel=1e-14)
    condition, = dy.stability_conditions(system, point)
    zero, scale = threshold(count)
    assert condition.bifurcation == "period_doubling"
    assert expand(condition.expression + (zero * scale).cancel()) == 0


def test_two_banks():
    check_threshold(2)


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 4])
def test_three_and_four_banks(count):
    check_threshold(count)


def test_two_equal_banks_lose_stability_where_the_reference_says():
    # pi = 0.5, omega_2 = 0.4: threshold omega_1 = 0.8807092961
    system = banks(2, weights=(1, 1), memories=(Rational("0.87"), Rational("0.4")))
    point = dy.fixed_points(system)[0]
    assert point.stability == "unstable"
    assert dy.fixed_points(system, parameters={"omega_1": 0.89})[0].stability == "stable"
    doubling, = dy.bifurcation_conditions(system, point, parameter="omega_1")
    assert doubling.kind == "period_doubling"
    assert doubling.values[0] == pytest.approx(0.8807092961, abs=1e-10)
    jacobian = dy.jacobian(system, point)
    weight = Symbol("size_1") / (Symbol("size_1") + Symbol("size_2"))
    assert cancel(jacobian[1, 0] + (1 - Symbol("omega_2")) * weight / sqrt(K)) == 0
    assert cancel(jacobian[0, 0] - Symbol("omega_1") + (1 - Symbol("omega_1")) * weight / sqrt(K)) == 0


def test_two_banks_with_weights_that_add_up():
    """The last weight written as one less the others: the same threshold, from other symbols."""
    weight = Symbol("weight")
    system = dy.System(
        name="two banks", time="discrete", states={f"x_{i}": dy.State(80, bounds=(0, 101)) for i in (1, 2)},
        parameters={"weight": dy.Parameter(0.3, bounds=(0, 1)), "omega_1": dy.Parameter(0.7, bounds=(0, 1)),
                    "omega_2": dy.Parameter(0.8, bounds=(0, 1)), "gamma": dy.Parameter(LIQUIDITY, bounds=(0, None)),
                    "K": dy.Parameter(VARIANCE, bounds=(0, None))},
        definitions={"mean": "weight*x_1 + (1 - weight)*x_2"},
        equations={f"x_{i}": f"(omega_{i}/x_{i}**2 + (1 - omega_{i})*K/(1 + gamma - mean)**2)**(-1/2)" for i in (1, 2)})
    point = dy.fixed_points(system)[0]
    condition, = dy.stability_conditions(system, point)
    first, second = Symbol("omega_1"), Symbol("omega_2")
    zero = weight * (1 - first) / (1 + first) + (1 - weight) * (1 - second) / (1 + second) - sqrt(K)
    assert cancel(condition.expression / zero + (1 + first) * (1 + second)) == 0
