"""The Basel leverage cycle as a map and in continuous time: conserved cash, spectrum, critical leverage, criticality.

C. Aymanns, F. Caccioli, J. D. Farmer, V. W. C. Tan, Taming the Basel leverage cycle, J. Financial Stability 27 (2016),
arXiv:1507.04136. The independent truth is the cubic of the linear motion worked out by hand (`cubic`).
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Poly, Rational, Symbol, cancel, numer, rem, sqrt, together

import dynamics as dy
from dynamics.compiled.functions import functions_of

z, w = Symbol("z"), Symbol("fund_weight")
tau, delta, theta, eta, rho, mu, alpha, floor, target_equity, bank, b = (Symbol(n) for n in (
    "tau", "delta", "theta", "eta", "rho", "mu", "alpha", "floor", "equity_target", "bank_weight", "b"))
POSITIVE = {"bounds": (0, None)}
PARAMETERS = {n: dy.Parameter(v, **POSITIVE) for n, v in dict(
    horizon=0.1, delta=0.5, theta=10, eta=10, rho=0.1, mu=25, alpha=0.01, floor=1e-6, equity_target=2.26689).items()} | {
    "bank_weight": dy.Parameter(0.3, bounds=(0, 1)), "b": dy.Parameter(-0.5)}
NET_CASH = "(1 - bank_weight)*assets + (1 - fund_weight)/fund_weight*(1 - bank_share)*price - liabilities"
CYCLE = {
    "assets": "bank_share*price/bank_weight", "equity": "assets - liabilities", "target": "alpha*(variance + floor)**b",
    "balance_change": "tau*theta*(target*equity - assets)", "injection": "tau*eta*(equity_target - equity)",
    "bank_cash": "(1 - bank_weight)*bank_share*price/bank_weight + injection",
    "fund_cash": "(1 - fund_weight)*(1 - bank_share)*price/fund_weight - injection",
    "next_weight": "fund_weight + fund_weight/price*tau*rho*(mu - price)",
    "next_price": "(bank_weight*(bank_cash + balance_change) + next_weight*fund_cash)"
                  "/(1 - bank_weight*bank_share - (1 - bank_share)*next_weight)"}
CYCLE_STEP = {
    "variance": "(1 - tau*delta)*variance + tau*delta*(horizon/tau*log(price/past_price))**2", "fund_weight": "next_weight",
    "price": "next_price", "bank_share": "bank_weight*(bank_share*next_price + bank_cash + balance_change)/next_price",
    "liabilities": "liabilities + balance_change", "past_price": "price"}
CYCLE_STATES = {
    "variance": dy.State(0, **POSITIVE), "fund_weight": dy.State(0.5, bounds=(0, 1)), "price": dy.State(25, **POSITIVE),
    "bank_share": dy.State(0.2, bounds=(0, 1)), "liabilities": dy.State(10), "past_price": dy.State(25, **POSITIVE)}
FLOW = {
    "bank_share": "bank_weight*assets/price", "equity": "assets - liabilities", "target": "alpha*(variance + floor)**b",
    "flow": "theta*(target*equity - assets)", "injection": "eta*(equity_target - equity)",
    "price_change": "((bank_weight - fund_weight)*injection + bank_weight*flow + rho*(1 - bank_share)*(mu - price))"
                    "/(1 - bank_weight*bank_share - fund_weight*(1 - bank_share))"}
FLOW_STEP = {"price": "price_change", "assets": "bank_share*price_change + injection + flow", "liabilities": "flow",
             "fund_weight": "fund_weight/price*rho*(mu - price)",
             "variance": "delta*((horizon*price_change/price)**2 - variance)"}
FLOW_STATES = {"price": dy.State(25, **POSITIVE), "assets": dy.State(20, **POSITIVE), "liabilities": dy.State(18),
               "fund_weight": dy.State(0.5, bounds=(0, 1)), "variance": dy.State(0, **POSITIVE)}
# the weight of the fund is free at rest; as a parameter of the place it stays a symbol
AT = {"price": "mu", "assets": "alpha*floor**b*equity_target", "liabilities": "(alpha*floor**b - 1)*equity_target",
      "fund_weight": "weight", "variance": 0}

# target equity, speed, critical leverage and share of the bank there: printed to 7 decimals, the last to fewer
ROWS = [(2.26689, 10, 8.6405666, 0.2350466), (2.26689, 9.5, 8.8414913, 0.2405123), (2.26689, 5, 11.8517765, 0.3224001),
        (2.26689, 1, 25.5084962, 0.6938995), (1.0, 10, 12.5433030, 0.1505196), (0.5, 10, 17.3675219, 0.1042051),
        (1e-5, 10, 3690.90, 4.429e-4)]


def cycle(**values: Any) -> dy.System:
    return dy.System(name="basel leverage cycle", time="discrete", states=CYCLE_STATES, definitions=CYCLE,
                     equations=CYCLE_STEP, parameters={**PARAMETERS, "tau": dy.Parameter(0.1, **POSITIVE)},
                     invariants={"net_cash": NET_CASH}).with_parameters(values)


def flow(**values: Any) -> dy.System:
    return dy.System(name="basel leverage flow", states=FLOW_STATES, definitions=FLOW, equations=FLOW_STEP,
                     parameters={**PARAMETERS, "weight": dy.Parameter(0.5, bounds=(0, 1))},
                     invariants={"net_cash": NET_CASH}).with_parameters(values)


def cubic(leverage: Any, share: Any, weight: Any = w) -> tuple[Any, Any, Any, Any]:
    """Coefficients D, a2, a1, a0 of the linear motion, by hand; eigenvalues s (flow), 1 + tau s (map)."""
    return (1 - bank * share - weight * (1 - share),
            rho * (1 - share) + eta * (1 - weight) + theta * (1 - weight * (1 - share) - leverage * bank * share),
            rho * (eta + theta) * (1 - share) + eta * theta * (1 - weight), rho * eta * theta * (1 - share))


LEVERAGE = alpha * floor**b
SHARE = bank * LEVERAGE * target_equity / mu


@pytest.fixture(scope="module")
def conditions() -> dict[str, Any]:
    system = cycle()
    point, = dy.fixed_points(system)
    return {"point": point, "polynomial": dy.characteristic_polynomial(system, point),
            "found": dy.stability_conditions(system, point)}


# ---- the map ---------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_characteristic_polynomial_is_the_cubic_times_three_factors(conditions: dict[str, Any]) -> None:
    D, a2, a1, a0 = cubic(LEVERAGE, SHARE)
    s = (z - 1) / tau
    by_hand = z * (z - 1) * (z - 1 + tau * delta) * tau**3 * (D * s**3 + a2 * s**2 + a1 * s + a0) / D
    assert cancel(conditions["polynomial"] - by_hand) == 0
    assert {z, z - 1, z - 1 + tau * delta} < set(conditions["polynomial"].args)
    # b appears through the leverage at rest alone: policy that acts on the slope moves no local limit
    assert conditions["point"].state["price"] == mu
    assert cancel(conditions["point"].state["bank_share"] - SHARE) == 0


def critical_by_hand(target: float, speed: float, near: float) -> mpmath.mpf:
    values = {eta: 10, rho: mpmath.mpf("0.1"), bank: mpmath.mpf("0.3"), theta: mpmath.mpf(str(speed)), w: mpmath.mpf("0.5")}
    step = mpmath.mpf("0.1")

    def condition(leverage: Any) -> Any:
        share = values[bank] * leverage * mpmath.mpf(str(target)) / 25
        D, *rest = (mpmath.mpmathify(e.subs(values)) for e in cubic(leverage, share, values[w]))
        A2, A1, A0 = (a * step**k / D for k, a in enumerate(rest, 1))
        c2, c1, c0 = A2 - 3, 3 - 2 * A2 + A1, -1 + A2 - A1 + A0
        return 1 - c1 + c0 * c2 - c0**2

    return mpmath.findroot(condition, mpmath.mpf(near))


@pytest.mark.slow
@pytest.mark.parametrize(("target", "speed", "leverage", "share"), ROWS)
def test_critical_leverage_of_the_map(conditions, target, speed, leverage, share) -> None:
    condition = next(c for c in conditions["found"] if c.bifurcation == "neimark_sacker")
    system = cycle(equity_target=target, theta=speed)
    numbers = {symbol: value for symbol, value in system.exact_parameters.items() if symbol != alpha}
    polynomial = Poly(condition.expression.xreplace({**numbers, w: Rational(1, 2)}), alpha)
    limits = [1000 * root for root in polynomial.nroots(n=30) if root.is_real and root > 0]
    limit = min(limits, key=lambda item: abs(item - leverage))
    assert abs(limit - leverage) < (6e-8 if leverage < 100 else 6e-3)
    assert limit * target * 0.3 / 25 == pytest.approx(share, abs=6e-8)
    assert limit == pytest.approx(critical_by_hand(target, speed, leverage), rel=1e-12)
    # a complex pair leaves the unit circle there
    for side, stability in ((1 - 1e-6, "stable"), (1 + 1e-6, "unstable")):
        there, = dy.fixed_points(system.with_parameters(alpha=float(limit) / 1000 * side))
        outside = [m for m in there.eigenvalues if abs(m) > 1 + 1e-9]
        assert (len(outside) == 2) is (stability == "unstable")
        assert all(abs(m.imag) > 0.1 for m in outside)


@pytest.mark.slow
def test_limit_of_slow_reversion_in_closed_form(conditions: dict[str, Any]) -> None:
    """At rho = 0: theta (1 - w_F (1 - n) - lambda bank n) = eta (1 - w_F)(tau theta - 1); with tau theta = 1 a quadratic."""
    condition = next(c for c in conditions["found"] if c.bifurcation == "neimark_sacker").expression.subs(rho, 0)
    expected = theta * (1 - w * (1 - SHARE) - LEVERAGE * bank * SHARE) - eta * (1 - w) * (tau * theta - 1)
    power = Symbol("power")  # floor**b, polynomial in it
    plain = cancel(condition.subs(floor**(2 * b), power**2).subs(floor**(3 * b), power**3).subs(floor**b, power))
    limit = numer(together(expected.subs(floor**b, power)))
    assert rem(plain, limit, alpha) == 0
    a, q = bank**2 * target_equity / mu, w * bank * target_equity / mu
    solved = (q + sqrt(q**2 + 4 * a * (1 - w))) / (2 * a)
    assert float(solved.subs({bank: 0.3, target_equity: 2.26689, mu: 25, w: 0.5})) == pytest.approx(8.7049861142, abs=1e-10)


# ---- continuous time -------------------------------------------------------------------------------------------------

def test_flow_has_the_same_cubic_and_its_hopf_value() -> None:
    system = flow()
    weight = Symbol("weight")
    D, a2, a1, a0 = cubic(LEVERAGE, SHARE, weight)
    by_hand = z * (z + delta) * (z**3 + (a2 * z**2 + a1 * z + a0) / D)
    assert cancel(dy.characteristic_polynomial(system, AT) - by_hand) == 0
    hopf, = (c for c in dy.stability_conditions(system, AT) if c.bifurcation == "hopf")
    # the zero of the conserved cash is divided out, so the place is stable where the rest is
    assert all(c.value > 0 for c in dy.stability_conditions(system, AT))
    numbers = {symbol: value for symbol, value in system.exact_parameters.items() if symbol != alpha}
    roots = [1000 * r for r in Poly(hopf.expression.xreplace(numbers), alpha).nroots(n=30)]
    limit = min(roots, key=lambda item: abs(item - 12))
    assert limit == pytest.approx(11.930565, abs=5e-7)
    by_hand = (a2 * a1 - D * a0).xreplace(numbers)
    independent = mpmath.findroot(lambda value: mpmath.mpmathify(by_hand.subs(alpha, value / 1000)), 12)
    assert limit == pytest.approx(independent, rel=1e-12)


# ---- the motion on the level set of the cash --------------------------------------------------------------------------

def reduced(system: dy.System, at: dict[str, Any]) -> tuple[dy.System, dict[str, Any], float]:
    """The liabilities by hand from the cash: an isolated fixed point. And |q|**2 of the whole over that of the rest."""
    numbers = {Symbol(n): v.xreplace(system.exact_parameters) if hasattr(v, "xreplace") else Rational(str(v))
               for n, v in at.items()}
    cash = system.resolve(system._parsed.invariants["net_cash"]).xreplace({**system.exact_parameters, **numbers})
    assert cash.is_Rational
    text = NET_CASH.replace(" - liabilities", "")
    smaller = dy.System(
        name="at given cash", time=system.time, states={n: s for n, s in system.states.items() if n != "liabilities"},
        parameters={**system.parameters, "cash": dy.Parameter(str(cash))},
        definitions={**system.definitions, "liabilities": f"{text} - cash"},
        equations={n: e for n, e in system.equations.items() if n != "liabilities"})
    matrix = np.array(dy.jacobian(system, at).xreplace({**system.exact_parameters, **numbers}), dtype=float)
    values, vectors = np.linalg.eig(matrix)
    q = np.abs(vectors[:, np.argmax(values.imag)]) ** 2
    rest = np.delete(q, list(system.states).index("liabilities"))
    return smaller, {n: v for n, v in at.items() if n != "liabilities"}, q.sum() / rest.sum()


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "size"), [("-1/2", "1/100"), ("0", "1"), ("1/2", "1/100")])
def test_first_lyapunov_coefficient_on_the_level_set_of_the_cash(slope: str, size: str) -> None:
    a = 1 / Rational(size) ** Rational(slope) * Rational("11.93056469053252485654474516549962166988")
    system = flow(b=slope, floor=size, alpha=str(a))
    at = {n: system.exact_parameters[mu] if v == "mu" else v for n, v in AT.items()} | {"fund_weight": Rational(1, 2)}
    leverage = a * Rational(size) ** Rational(slope)
    at |= {"assets": leverage * Rational("2.26689"), "liabilities": (leverage - 1) * Rational("2.26689"), "variance": 0}
    found = dy.first_lyapunov_coefficient(system, at)
    smaller, place, ratio = reduced(system, at)
    independent = dy.first_lyapunov_coefficient(smaller, place)
    assert float(found) == pytest.approx(float(independent) / ratio, rel=1e-9)
    assert found.criticality == independent.criticality


@pytest.mark.slow
def test_a_simulated_oscillation_decays_as_the_coefficient_says() -> None:
    """At the critical leverage the amplitude r of z obeys r -> r (1 + d r**2), so 1/r**2 grows by -2 d a step."""
    leverage = Rational(str(critical_by_hand(2.26689, 10, 8.6405666)))
    system = cycle(alpha=str(leverage / 100), floor="1/10000")
    point, = dy.fixed_points(system)
    matrix = np.array(dy.jacobian(system, point).xreplace({**system.exact_parameters, w: Rational(1, 2)}), dtype=float)
    values, right = np.linalg.eig(matrix)
    others, left = np.linalg.eig(matrix.T)
    q = right[:, np.argmax(values.imag)]
    p = left[:, np.argmax(others.imag)]
    p = p / (p @ q)
    functions = functions_of(system)
    parameters = np.array(functions.parameters(system), dtype=float)[:, None]
    rest = np.array([point.values[name] for name in system.states])[:, None]
    # several starts as lanes: they have to agree on the rate
    state = rest + 2 * q.real[:, None] * np.array([[1e-4, 2e-4, 3e-4]])
    parameters = np.repeat(parameters, 3, axis=1)
    # the linear projection wobbles within a turn, so ends are averages over many turns
    inverse = np.empty((40_000, 3))
    for step in range(len(inverse)):
        inverse[step] = 1 / np.abs(p @ (state - rest)) ** 2
        state = functions.lane_field(np.zeros(3), state, parameters)
    rate = (inverse[-2_000:].mean(axis=0) - inverse[2_000:4_000].mean(axis=0)) / (len(inverse) - 4_000)
    assert -rate / 2 == pytest.approx(np.full(3, dy.normal_form(system, point)["d"].value), rel=5e-3)


@pytest.mark.slow
def test_neimark_sacker_coefficient_on_the_level_set_of_the_cash() -> None:
    leverage = Rational(str(critical_by_hand(2.26689, 10, 8.6405666)))
    system = cycle(alpha=str(leverage / 10), floor="1/100")
    point, = dy.fixed_points(system)
    form = dy.normal_form(system, point)
    assert (form.kind, form.criticality) == ("neimark_sacker", "supercritical")
    share = leverage * Rational("0.3") * Rational("2.26689") / 25
    at = {"variance": 0, "fund_weight": Rational(1, 2), "price": 25, "past_price": 25, "bank_share": share,
          "liabilities": (leverage - 1) * Rational("2.26689")}
    smaller, place, ratio = reduced(system, at)
    assert form["d"].value == pytest.approx(dy.normal_form(smaller, place)["d"].value / ratio, rel=1e-9)
