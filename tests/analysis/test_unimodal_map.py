"""The unimodal leverage map and its coupled form: exact results against those derived by hand."""

import pytest
from sympy import Rational, Symbol, cancel, sqrt, together

import dynamics as dy

omega, gamma, constant = (Symbol(name) for name in ("omega", "gamma", "K"))
MAP = "(omega/x**2 + (1 - omega)*K/(1 + gamma - x)**2)**(-1/2)"


def one_bank(**changes):
    numbers = {"omega": "0.4", "K": "0.0605", "gamma": 100} | changes
    bounds = {"omega": (0, 1), "K": (0, None), "gamma": (0, None)}
    return dy.System(
        name="one_bank", time="discrete", time_unit="1", states={"x": dy.State(50, "1", (1, None))},
        parameters={name: dy.Parameter(value, "1", bounds[name]) for name, value in numbers.items()},
        equations={"x": MAP},
    )


def banks(number):
    names = range(1, number + 1)
    return dy.System(
        name="banks", time="discrete", time_unit="1",
        states={f"x_{bank}": dy.State(50, "1", (1, None)) for bank in names},
        parameters={
            **{f"omega_{bank}": dy.Parameter(Rational(9 - bank, 10), "1", (0, 1)) for bank in names},
            **{f"pi_{bank}": dy.Parameter(Rational(1, number), "1", (0, 1)) for bank in names},
            "K": dy.Parameter("0.0605", "1", (0, None)), "gamma": dy.Parameter(100, "1", (0, None)),
        },
        definitions={"mean": " + ".join(f"pi_{bank}*x_{bank}" for bank in names)},
        equations={f"x_{bank}": f"(omega_{bank}/x_{bank}**2 + (1 - omega_{bank})*K/(1 + gamma - mean)**2)**(-1/2)"
                   for bank in names},
    )


def fixed_point_of(system, expected):
    """The fixed point on the branch of the closed form (the other branch has autocorrelated returns that explode)."""
    for point in dy.fixed_points(system):
        if all(cancel(value - expected) == 0 for value in point.state.values()):
            return point
    raise AssertionError(f"no fixed point at {expected}")


def test_fixed_point_and_slope():
    system = one_bank()
    point = fixed_point_of(system, (1 + gamma) / (1 + sqrt(constant)))
    assert point.exactness == "exact"
    assert point.admissible
    assert point.free == ()
    (slope,) = dy.jacobian(system, point)
    assert cancel(slope - (omega - (1 - omega) / sqrt(constant))) == 0


def test_all_fixed_points_of_the_map():
    # x**2*K = (1 + gamma - x)**2 has two roots; the second is positive for K < 1 only
    states = [point.state["x"] for point in dy.fixed_points(one_bank())]
    assert len(states) == 2
    assert {cancel(constant * state**2 - (1 + gamma - state) ** 2) for state in states} == {0}
    (only,) = dy.fixed_points(one_bank(K="1.5"))
    assert cancel(only.state["x"] - (1 + gamma) / (1 + sqrt(constant))) == 0


def test_period_doubling_solved_for_the_memory():
    system = one_bank()
    point = fixed_point_of(system, (1 + gamma) / (1 + sqrt(constant)))
    (region,) = dy.stability_conditions(system, point)
    assert region.bifurcation == "period_doubling"
    assert cancel(region.expression - (omega * (1 + sqrt(constant)) - (1 - sqrt(constant)))) == 0
    (condition,) = dy.bifurcation_conditions(system, point, parameter="omega")
    assert condition.kind == "period_doubling"
    (solution,) = condition.solutions
    assert cancel(solution - (1 - sqrt(constant)) / (1 + sqrt(constant))) == 0
    assert condition.valid_where == (1 - sqrt(constant) > 0)


def test_a_given_place_gives_the_same():
    (condition,) = dy.bifurcation_conditions(one_bank(), {"x": "(1 + gamma)/(1 + sqrt(K))"}, parameter="omega")
    assert condition.kind == "period_doubling"
    assert cancel(condition.solutions[0] - (1 - sqrt(constant)) / (1 + sqrt(constant))) == 0


def test_published_parameters():
    # K is a product of parameters here: its square root is taken apart
    numbers = {"omega": "0.4", "alpha": "1.64", "gamma": 100, "sigma2": "0.0015**2"}
    bounds = {"omega": (0, 1), "alpha": (0, None), "gamma": (0, None), "sigma2": (0, None)}
    system = dy.System(
        name="one_bank", time="discrete", time_unit="1", states={"x": dy.State(50, "1", (1, None))},
        parameters={name: dy.Parameter(value, "1", bounds[name]) for name, value in numbers.items()},
        definitions={"K": "alpha**2*gamma**2*sigma2"}, equations={"x": MAP},
    )
    root = Symbol("alpha") * gamma * sqrt(Symbol("sigma2"))
    point = fixed_point_of(system, (1 + gamma) / (1 + root))
    assert point.values["x"] == pytest.approx(81.0593900481541, rel=1e-13)
    assert [value.real for value in point.eigenvalues] == pytest.approx([-2.0390243902], rel=1e-10)
    (condition,) = dy.bifurcation_conditions(system, point, parameter="omega")
    assert cancel(condition.solutions[0] - (1 - root) / (1 + root)) == 0
    assert condition.values == pytest.approx((0.6051364365971,), rel=1e-12)


def all_alike(number):
    """Leverage of every bank at rest; the shares add up to one in the model, which the algebra does not need."""
    return (1 + gamma) / (sum(Symbol(f"pi_{bank}") for bank in range(1, number + 1)) + sqrt(constant))


def excess(number):
    """Numerator of the sum of pi_i (1 - omega_i)/(1 + omega_i) minus the root of K: zero at the period doubling."""
    pairs = [(Symbol(f"pi_{bank}"), Symbol(f"omega_{bank}")) for bank in range(1, number + 1)]
    return together(sum(share * (1 - memory) / (1 + memory) for share, memory in pairs) - sqrt(constant)).as_numer_denom()[0]


@pytest.mark.parametrize("number", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_banks_rest_alike(number):
    point = fixed_point_of(banks(number), all_alike(number))
    assert point.exactness == "exact"
    assert point.free == ()


@pytest.mark.parametrize("number", [2, *(pytest.param(number, marks=pytest.mark.slow) for number in (3, 4))])
def test_period_doubling_of_several_banks(number):
    place = {f"x_{bank}": all_alike(number) for bank in range(1, number + 1)}
    found = dy.stability_conditions(banks(number), place)
    (flip,) = [condition.expression for condition in found if condition.bifurcation == "period_doubling"]
    # the same polynomial up to a constant, without any other factor: the zero sets are equal
    assert cancel(flip / excess(number)) == -1


def test_period_doubling_of_two_banks_solved_for_one_memory():
    system = banks(2).with_parameters(omega_1="0.8", omega_2="0.4", pi_1="0.5", pi_2="0.5", K=Rational(246, 1000) ** 2)
    place = {"x_1": all_alike(2), "x_2": all_alike(2)}
    (condition,) = [item for item in dy.bifurcation_conditions(system, place, parameter="omega_1")
                    if item.kind == "period_doubling"]
    (solution,) = condition.solutions
    assert cancel(excess(2).xreplace({Symbol("omega_1"): solution})) == 0
    assert condition.values == pytest.approx((0.8807092961,), rel=1e-9)


def test_orbits_beside_the_period_doubling_of_two_banks():
    # plain iteration of the published equations, which knows nothing of the formula, on either side of the threshold
    for memory, settles in ((0.89, True), (0.87, False)):
        first, second = 50.0, 55.0
        for _ in range(4000):
            before, impact = first, 0.246**2 / (101 - (first + second) / 2) ** 2
            first = (memory / first**2 + (1 - memory) * impact) ** -0.5
            second = (0.4 / second**2 + 0.6 * impact) ** -0.5
        assert (abs(first - before) < 1e-6) == settles
