"""The whole symbolic path on the core model of deleveraging, against its closed forms."""

import time

import pytest
from sympy import Integer, Max, Rational, Symbol, cancel, sqrt

from dynamics.symbolic.conditions import inequality, solve_for
from dynamics.symbolic.elimination import solve_system
from dynamics.symbolic.polynomial import factor_characteristic, jacobian_matrix, roots_numeric
from dynamics.symbolic.regimes import regimes
from dynamics.symbolic.stability import stability_of_factor

x, u, q = (Symbol(name) for name in ("price_gap", "equity_ratio", "liquidation_flow"))
kappa, eta, theta, leverage, margin, rate, tau = (
    Symbol(name)
    for name in (
        "reversion",
        "price_impact",
        "adjustment",
        "target_leverage",
        "maintenance_margin",
        "liquidation_rate",
        "liquidation_latency",
    )
)
BOUNDS = {item: (Integer(0), None) for item in (kappa, eta, theta, leverage, margin, rate, tau)}
DEFAULTS = {
    kappa: Integer(1),
    eta: Rational(3, 10),
    theta: Rational(1, 2),
    leverage: Integer(5),
    margin: Rational(1, 20),
    rate: Integer(20),
    tau: Rational(1, 50),
}


def core_equations():
    flow = theta * (leverage * u - 1) - q
    change = -kappa * x + eta * flow
    call = rate * Max(0, 1 - u / margin)
    return [change, (1 - u) * change - u * flow, (call - q) / tau]


def points():
    found = {}
    for regime in regimes(core_equations(), BOUNDS):
        active = regime.pattern[0][1]
        for solution in solve_system(regime.expressions, [x, u, q], bounds=BOUNDS):
            name = ("saddle" if solution.values[u] == 0 else "point") + ("_called" if active else "")
            found[name] = (regime, solution.values)
    return found


def conditions_at(regime, values):
    matrix = jacobian_matrix(regime.expressions, [x, u, q]).xreplace(values)
    return [
        condition
        for factor in factor_characteristic(matrix)
        for condition in stability_of_factor(factor.coefficients, bounds=BOUNDS)
    ]


def test_all_roots_in_closed_form():
    found = points()
    assert set(found) == {"point", "point_called", "saddle", "saddle_called"}
    assert found["point"][1] == {x: 0, u: 1 / leverage, q: 0}
    target = 1 / leverage
    expected_u = margin * target * (rate + theta) / (rate * target + theta * margin)
    expected_q = rate * theta * (margin - target) / (rate * target + theta * margin)
    called = found["point_called"][1]
    assert called[x] == 0
    assert cancel(called[u] - expected_u) == 0
    assert cancel(called[q] - expected_q) == 0
    saddle = found["saddle_called"][1]
    assert cancel(saddle[x] + eta * (rate + theta) / kappa) == 0
    assert saddle[q] == rate


def test_critical_leverage_of_the_ordinary_point():
    (condition,) = conditions_at(*points()["point"])
    assert condition.kind == "hopf"
    ((solution, where),) = solve_for(condition.expression, leverage, BOUNDS)
    assert cancel(solution - (1 + (1 + kappa / theta) / eta)) == 0
    assert where == True  # noqa: E712 - SymPy's true
    assert solution.xreplace(DEFAULTS) == 11
    relation = inequality(condition.expression, BOUNDS, leverage)
    assert relation.lhs == leverage
    assert relation.rel_op == "<"
    # at the boundary the characteristic factor has the frequency sqrt(kappa*theta)
    regime, values = points()["point"]
    at = {**DEFAULTS, leverage: Integer(11)}
    eigenvalues = roots_numeric(jacobian_matrix(regime.expressions, [x, u, q]).xreplace(values), at)
    assert max(item.imag for item in eigenvalues) == pytest.approx(float(sqrt(Rational(1, 2))), rel=1e-14)


def test_critical_impact_needs_leverage_above_one():
    (condition,) = conditions_at(*points()["point"])
    ((solution, where),) = solve_for(condition.expression, eta, BOUNDS)
    assert cancel(solution - (kappa + theta) / (theta * (leverage - 1))) == 0
    assert where == (leverage - 1 > 0)


def test_saddle_is_never_stable():
    assert -1 in [condition.expression for condition in conditions_at(*points()["saddle"])]


def test_margin_call_equilibrium_limits():
    conditions = conditions_at(*points()["point_called"])
    hopf = next(item.expression for item in conditions if item.kind == "hopf")
    for impact, limit in (("1/50", "1376.3027652"), ("1/20", "86.5021941670")):
        at = {key: value for key, value in DEFAULTS.items() if key not in (leverage, eta)}
        polynomial = hopf.xreplace({**at, eta: Rational(impact)})
        found = polynomial.as_poly(leverage).nroots(30)
        assert min(abs(item - Rational(limit)) for item in found) < 1e-6
    border = hopf.xreplace(
        {**{key: value for key, value in DEFAULTS.items() if key not in (leverage, eta)}, leverage: Integer(20)}
    )
    assert min(abs(item - 0.0541923551) for item in border.as_poly(eta).nroots(30)) < 1e-9


def test_delayed_adjustment():
    w, delay = Symbol("w"), Symbol("delay")
    bounds = {**BOUNDS, delay: (Integer(0), None)}
    change = -kappa * x + eta * w
    equations = [change, (1 - u) * change - u * w, (theta * (leverage * u - 1) - w) / delay]
    found = [item.values for item in solve_system(equations, [x, u, w], bounds=bounds) if item.values[u] != 0]
    assert found == [{x: 0, u: 1 / leverage, w: 0}]
    matrix = jacobian_matrix(equations, [x, u, w]).xreplace(found[0])
    conditions = [
        item
        for factor in factor_characteristic(matrix)
        for item in stability_of_factor(factor.coefficients, bounds=bounds)
    ]
    hopf = next(item.expression for item in conditions if item.kind == "hopf")
    solutions = [value for value, _ in solve_for(hopf, leverage, bounds)]
    expected = 1 + 1 / (eta * (1 + kappa * delay)) + kappa / (eta * theta)
    assert any(cancel(value - expected) == 0 for value in solutions)


def test_the_whole_path_is_fast():
    def whole():
        for regime, values in points().values():
            conditions_at(regime, values)

    whole()
    start = time.perf_counter()
    whole()
    # about 0.3 s alone on one core; the margin is for busy machines
    assert time.perf_counter() - start < 3
