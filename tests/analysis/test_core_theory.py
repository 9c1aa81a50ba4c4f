"""The reference model against its closed forms: fixed points, stability limits, frequencies, regimes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from sympy import Symbol, simplify

import dynamics as dy
from dynamics.analysis.lane_points import lane_points
from dynamics.analysis.linearization import place_of
from dynamics.compiled.functions import functions_of

kappa, eta, theta, target, margin, rate, tau = (Symbol(n) for n in (
    "reversion", "price_impact", "adjustment", "target_leverage", "maintenance_margin", "liquidation_rate",
    "liquidation_latency"))


@pytest.fixture(scope="module")
def core() -> dy.System:
    return dy.models.load("deleveraging")


def ordinary(system: dy.System):
    return next(p for p in dy.fixed_points(system) if p.admissible)


def hand_jacobian(x: float, u: float, q: float, p: dict[str, float], calling: bool) -> np.ndarray:
    """Derivatives of the three equations, written out by hand."""
    k, e, a, L = (p[n] for n in ("reversion", "price_impact", "adjustment", "target_leverage"))
    phi = a * (L * u - 1) - q
    change = -k * x + e * phi
    slope = -p["liquidation_rate"] / p["maintenance_margin"] if calling else 0.0
    T = p["liquidation_latency"]
    return np.array([
        [-k, e * a * L, -e],
        [-(1 - u) * k, -change + (1 - u) * e * a * L - phi - u * a * L, -(1 - u) * e + u],
        [0.0, slope / T, -1 / T]])


# ---- fixed points -----------------------------------------------------------------------------------------------------

def test_ordinary_and_margin_call_equilibrium_have_their_closed_forms(core: dy.System) -> None:
    points = dy.fixed_points(core)
    plain = ordinary(core)
    assert plain.state["equity_ratio"] == 1 / target
    assert plain.state["price_gap"] == plain.state["liquidation_flow"] == 0
    u_star = 1 / target
    u_e = margin * u_star * (rate + theta) / (rate * u_star + theta * margin)
    q_e = rate * theta * (margin - u_star) / (rate * u_star + theta * margin)
    called = [p for p in points if simplify(p.state["equity_ratio"] - u_e) == 0 and any(p.regime.values())]
    assert len(called) == 1
    assert simplify(called[0].state["liquidation_flow"] - q_e) == 0
    assert not called[0].admissible
    assert called[0].remark.startswith("virtual")
    beyond = ordinary(core.with_parameters(target_leverage=30))
    assert beyond.values["equity_ratio"] == pytest.approx(0.05 / 30 * 20.5 / (20 / 30 + 0.025), rel=1e-13)
    assert beyond.values["liquidation_flow"] == pytest.approx(10 * (0.05 - 1 / 30) / (20 / 30 + 0.025), rel=1e-13)
    assert list(beyond.regime.values()) == [True]


def test_roots_at_zero_equity_are_returned_and_not_admissible(core: dy.System) -> None:
    zero = [p for p in dy.fixed_points(core) if p.state["equity_ratio"] == 0]
    called = [p for p in zero if any(p.regime.values())]
    assert len(called) == 1
    assert simplify(called[0].state["price_gap"] + eta * (rate + theta) / kappa) == 0
    assert called[0].state["liquidation_flow"] == rate
    assert not any(p.admissible for p in zero)
    assert called[0].kind.startswith("saddle")


def test_points_on_the_border_have_one_sided_derivatives(core: dy.System) -> None:
    points = [p for p in dy.fixed_points(core.with_parameters(target_leverage=20)) if p.admissible]
    assert len(points) == 2
    assert all("one-sided" in p.remark for p in points)
    assert points[0].values == pytest.approx(points[1].values)
    for point in points:
        p = core.with_parameters(target_leverage=20).parameter_values
        expected = np.linalg.eigvals(hand_jacobian(0, 0.05, 0, p, next(iter(point.regime.values()))))
        assert np.allclose(np.sort_complex(point.eigenvalues), np.sort_complex(expected), rtol=1e-9)


def test_depletion_leaves_the_holdings_free() -> None:
    system = dy.compose(dy.models.load("deleveraging"), "depletion")
    point = ordinary(system)
    assert point.free == ("log_holdings",)
    assert point.stability == "stable"
    assert abs(point.eigenvalues[-1]) < 1e-12
    limits = {c.bifurcation: c for c in dy.stability_conditions(system, point)}
    assert list(limits) == ["hopf"]


# ---- stability limits in closed form -----------------------------------------------------------------------------------

@pytest.mark.parametrize(("parameter", "solved"), [
    (target, 1 + (1 + kappa / theta) / eta),
    (eta, (1 + kappa / theta) / (target - 1)),
    (kappa, theta * (eta * (target - 1) - 1)),
    (theta, kappa / (eta * (target - 1) - 1)),
])
def test_limit_solved_for_each_parameter(core: dy.System, parameter: Symbol, solved) -> None:
    hopf, = dy.bifurcation_conditions(core, ordinary(core), parameter=parameter.name)
    assert hopf.kind == "hopf"
    assert len(hopf.solutions) == 1
    assert simplify(hopf.solutions[0] - solved) == 0


def test_limit_counts_only_below_the_border(core: dy.System) -> None:
    """1 + (1 + kappa/theta)/eta < 1/u_m is eta > (1 + kappa/theta)/(1/u_m - 1), 3/19 at default values."""
    hopf, = dy.bifurcation_conditions(core, ordinary(core), parameter="target_leverage")
    generator = np.random.default_rng(1)
    outcomes = []
    for _ in range(200):
        values = {kappa: generator.uniform(0.1, 3), eta: generator.uniform(0.02, 1), theta: generator.uniform(0.1, 3),
                  margin: generator.uniform(0.01, 0.3)}
        expected = values[eta] > (1 + values[kappa] / values[theta]) / (1 / values[margin] - 1)
        assert bool(hopf.valid_where.xreplace(values)) is bool(expected)
        outcomes.append(bool(expected))
    assert any(outcomes)
    assert not all(outcomes)


def test_frequency_at_the_limit_is_the_geometric_mean_of_the_two_speeds(core: dy.System) -> None:
    for speeds in ((1, 0.5), (0.3, 1.7)):
        system = core.with_parameters(reversion=speeds[0], adjustment=speeds[1])
        hopf, = dy.bifurcation_conditions(system, ordinary(system), parameter="target_leverage")
        at_limit = system.with_parameters(target_leverage=hopf.values[0], maintenance_margin=1e-3)
        point = ordinary(at_limit)
        turning = [z for z in point.eigenvalues if abs(z.imag) > 1e-9]
        assert turning[0].real == pytest.approx(0, abs=1e-12)
        assert abs(turning[0].imag) == pytest.approx(math.sqrt(speeds[0] * speeds[1]), rel=1e-12)


@pytest.mark.parametrize(("impact", "limit"), [(0.2, 16), (0.3, 11), (0.5, 7), (1, 4)])
def test_limits_lost_in_a_hopf_bifurcation_of_the_ordinary_point(core: dy.System, impact: float, limit: float) -> None:
    system = core.with_parameters(price_impact=impact)
    hopf, = dy.bifurcation_conditions(system, ordinary(system), parameter="target_leverage")
    assert hopf.values == pytest.approx((limit,), rel=1e-14)
    assert bool(hopf.valid_where.xreplace(system.exact_parameters))
    for side, stability in ((0.999, "stable"), (1.001, "unstable")):
        assert ordinary(system.with_parameters(target_leverage=side * limit)).stability == stability


def margin_call_growth(core: dy.System, impact: float, leverage: float) -> float:
    """Largest real part at the margin-call equilibrium, from the closed form and the Jacobian by hand."""
    p = {**core.parameter_values, "price_impact": impact, "target_leverage": leverage}
    u_star = 1 / leverage
    u = 0.05 * u_star * 20.5 / (20 * u_star + 0.025)
    q = 10 * (0.05 - u_star) / (20 * u_star + 0.025)
    return float(np.linalg.eigvals(hand_jacobian(0, u, q, p, True)).real.max())


@pytest.mark.parametrize(("impact", "limit"), [(0.02, 1376.3027652), (0.05, 86.5021941670)])
def test_limits_lost_in_a_hopf_bifurcation_of_the_margin_call_equilibrium(core: dy.System, impact: float, limit: float
                                                                          ) -> None:
    system = core.with_parameters(price_impact=impact, target_leverage=limit)
    hopf = [c for c in dy.bifurcation_conditions(system, ordinary(system), parameter="target_leverage")
            if c.kind == "hopf"]
    expression = hopf[0].expression.xreplace({s: v for s, v in system.exact_parameters.items() if s != target})
    found = brentq(lambda value: float(expression.xreplace({target: value})), 0.99 * limit, 1.01 * limit, xtol=1e-11)
    assert found == pytest.approx(limit, abs=1e-7 if limit > 1000 else 1e-8)
    independent = brentq(lambda value: margin_call_growth(core, impact, value), 0.99 * limit, 1.01 * limit, xtol=1e-11)
    assert independent == pytest.approx(limit, abs=1e-6)


@pytest.mark.parametrize("impact", [0.1, 0.12, 0.15])
def test_limits_that_are_border_collisions(core: dy.System, impact: float) -> None:
    system = core.with_parameters(price_impact=impact)
    hopf, = dy.bifurcation_conditions(system, ordinary(system), parameter="target_leverage")
    assert not bool(hopf.valid_where.xreplace(system.exact_parameters))
    assert ordinary(system.with_parameters(target_leverage=19.999)).stability == "stable"
    assert ordinary(system.with_parameters(target_leverage=20.001)).stability == "unstable"


def test_price_impact_at_which_the_border_becomes_harmless(core: dy.System) -> None:
    system = core.with_parameters(target_leverage=20, price_impact=0.05)
    called = next(p for p in dy.fixed_points(system) if p.admissible and any(p.regime.values()))
    hopf = [c for c in dy.bifurcation_conditions(system, called, parameter="price_impact") if c.kind == "hopf"]
    assert [v for c in hopf for v in c.values if 0 < v < 0.1] == pytest.approx([0.0541923551], abs=1e-10)


def test_delayed_voluntary_adjustment_moves_the_limit(core: dy.System) -> None:
    """With tau_w dw/dt = g - w the limit is 1 + 1/(eta (1 + kappa tau_w)) + kappa/(eta theta)."""
    system = dy.System(
        name="delayed",
        states={"x": 0, "u": dy.State("1/target_leverage", bounds=(0, 1)), "w": 0},
        parameters={n: dy.Parameter(v, bounds=(0, None)) for n, v in (
            ("reversion", 1), ("price_impact", 0.3), ("adjustment", 0.5), ("latency", 0.4))} | {
            "target_leverage": dy.Parameter(5, bounds=(1, None))},
        definitions={"change": "-reversion*x + price_impact*w"},
        equations={"x": "change", "u": "(1 - u)*change - u*w",
                   "w": "(adjustment*(target_leverage*u - 1) - w)/latency"})
    point = next(p for p in dy.fixed_points(system) if p.values["u"] > 0)
    latency = Symbol("latency")
    hopf = [c for c in dy.bifurcation_conditions(system, point, parameter="target_leverage") if c.kind == "hopf"]
    solutions = [s for c in hopf for s in c.solutions]
    expected = 1 + 1 / (eta * (1 + kappa * latency)) + kappa / (eta * theta)
    assert any(simplify(s - expected) == 0 for s in solutions)
    limit = float(expected.xreplace(system.exact_parameters))
    for side, stability in ((0.999, "stable"), (1.001, "unstable")):
        moved = system.with_parameters(target_leverage=side * limit)
        assert next(p for p in dy.fixed_points(moved) if p.values["u"] > 0).stability == stability


def test_cascade_number_is_the_gain_of_selling(core: dy.System) -> None:
    """Per unit sold the equity ratio moves by (1 - u) eta - u, so selling raises leverage iff R(u) = eta (1 - u)/u > 1."""
    u, q = Symbol("equity_ratio"), Symbol("liquidation_flow")
    change = core.field["equity_ratio"].diff(q)   # forced sales count negatively in the flow
    assert simplify(change - (u - (1 - u) * eta)) == 0
    cascade_number = eta * (1 - u) / u
    assert simplify(-change / u - (cascade_number - 1)) == 0


# ---- 1,000 random parameter points ------------------------------------------------------------------------------------

def random_parameters(count: int) -> dict[str, np.ndarray]:
    g = np.random.default_rng(20)
    return {"reversion": g.uniform(0.1, 5, count), "price_impact": g.uniform(0.01, 1.5, count),
            "adjustment": g.uniform(0.05, 3, count), "target_leverage": g.uniform(1.5, 40, count),
            "maintenance_margin": g.uniform(0.02, 0.2, count), "liquidation_rate": g.uniform(1, 50, count),
            "liquidation_latency": g.uniform(0.005, 0.5, count)}


def test_stability_agrees_at_random_parameters(core: dy.System) -> None:
    count = 1000
    values = random_parameters(count)
    functions = functions_of(core)
    p = np.array([values[name] for name in functions.parameter_names])
    lanes = lane_points(core, p)
    points = {False: ordinary(core), True: ordinary(core.with_parameters(target_leverage=30))}
    symbolic = {}
    for calling, point in points.items():
        system = core if not calling else core.with_parameters(target_leverage=30)
        conditions = [c.expression for c in dy.stability_conditions(system, point)]
        compiled = functions.lane_function(conditions)
        symbolic[calling] = np.all(compiled(np.zeros(count), np.zeros((3, count)), p) > 0, axis=0)
    checked, stable_count = 0, 0
    for k in range(count):
        here = {name: float(v[k]) for name, v in values.items()}
        u_star, u_m = 1 / here["target_leverage"], here["maintenance_margin"]
        if abs(u_star - u_m) < 1e-6:
            continue
        calling = u_star < u_m
        scale = here["liquidation_rate"] * u_star + here["adjustment"] * u_m
        u = u_m * u_star * (here["liquidation_rate"] + here["adjustment"]) / scale if calling else u_star
        q = here["liquidation_rate"] * here["adjustment"] * (u_m - u_star) / scale if calling else 0.0
        growth = np.linalg.eigvals(hand_jacobian(0.0, u, q, here, calling)).real.max()
        assert lanes.state[:, k] == pytest.approx([0.0, u, q], abs=1e-9)
        assert lanes.growth[k] == pytest.approx(growth, rel=1e-7, abs=1e-9)
        if abs(growth) < 1e-8:
            continue
        checked += 1
        stable_count += growth < 0
        assert bool(lanes.stable[k]) is bool(growth < 0)
        assert bool(symbolic[calling][k]) is bool(growth < 0)
    assert checked > 990
    assert 100 < stable_count < 900


def test_place_of_a_mapping_finds_its_regime(core: dy.System) -> None:
    low = place_of(core, {"price_gap": 0, "equity_ratio": "1/100", "liquidation_flow": 0})
    high = place_of(core, {"price_gap": 0, "equity_ratio": "1/10", "liquidation_flow": 0})
    assert [on for _, on in low.regime.pattern] == [True]
    assert [on for _, on in high.regime.pattern] == [False]
    matrix = dy.jacobian(core, {"price_gap": 0, "equity_ratio": "1/100", "liquidation_flow": 0})
    expected = hand_jacobian(0, 0.01, 0, core.parameter_values, True)
    assert np.allclose(np.array(matrix.xreplace(core.exact_parameters)).astype(float), expected, rtol=1e-14)
    with pytest.raises(dy.errors.SpecificationError, match="Did you mean 'equity_ratio'"):
        place_of(core, {"equity_ratios": 1})
    with pytest.raises(dy.errors.SpecificationError, match=r"no value for the state\(s\) price_gap"):
        place_of(core, {"equity_ratio": 1})


def test_eigenvalues_by_blocks_are_those_of_the_whole_matrix() -> None:
    from dynamics.analysis.closed_forms import candidates
    from dynamics.analysis.lane_points import _eigenvalues

    # x and z influence each other, y and w are driven
    driven = dy.System(name="driven", states=dict.fromkeys("xyzw", 0.0), parameters={"a": 1.0},
                       equations={"x": "-a*x + z", "y": "x - y", "z": "-x - 2*z", "w": "y + z - 3*w"})
    (point,) = candidates(driven)
    assert sorted(map(sorted, point.blocks)) == [[0, 2], [1], [3]]
    draw = np.random.default_rng(3).normal
    pattern = np.array([[point.jacobian[i, j] != 0 for j in range(4)] for i in range(4)])
    for blocks, matrices in ((point.blocks, draw(size=(4, 4, 50)) * pattern[:, :, None]),
                             (((0, 1, 2, 3),), draw(size=(4, 4, 50)))):
        found = np.sort_complex(_eigenvalues(matrices, blocks).T)
        whole = np.sort_complex(np.linalg.eigvals(matrices.transpose(2, 0, 1)))
        np.testing.assert_allclose(found, whole, atol=1e-12)
