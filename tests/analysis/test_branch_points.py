"""Zero eigenvalues told apart: normal forms whose bifurcation is known."""

from __future__ import annotations

import pytest

import dynamics as dy

CASES = [
    ("fold", "mu - x**2", 1, "sqrt(mu)", "fold"),
    ("transcritical", "x*(mu - x)", -1, "0", "transcritical"),
    ("transcritical, other branch", "x*(mu - x)", 1, "mu", "transcritical"),
    ("pitchfork", "mu*x - x**3", -1, "0", "pitchfork"),
    ("shifted pitchfork", "mu*(x - 2) - (x - 2)**3", -1, "2", "pitchfork"),
    ("subcritical pitchfork", "mu*x + x**3", -1, "0", "pitchfork"),
]


@pytest.mark.parametrize(("equation", "value", "state", "kind"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_kind_of_a_zero_eigenvalue(equation: str, value: float, state: str, kind: str) -> None:
    system = dy.System(name="normal form", states={"x": 0.1}, parameters={"mu": value}, equations={"x": equation})
    point = next(p for p in dy.fixed_points(system) if str(p.state["x"]) == state)
    assert [c.bifurcation for c in dy.stability_conditions(system, point)] == [kind]


def test_logistic_map_exchanges_stability_and_doubles() -> None:
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.1}, parameters={"r": 2.5},
                         equations={"x": "r*x*(1 - x)"})
    inner = next(p for p in dy.fixed_points(logistic) if p.values["x"] > 0.1)
    conditions = {c.bifurcation: c.expression for c in dy.stability_conditions(logistic, inner)}
    r = logistic.symbols["r"]
    assert conditions == {"transcritical": r - 1, "period_doubling": 3 - r}


@pytest.mark.slow
def test_basel_map_fixed_point_spectrum_and_line() -> None:
    """Aymanns, Caccioli, Farmer, Tan (2016): a line of fixed points; spectrum {0, 1, 1 - tau delta} and a cubic."""
    positive = {"bounds": (0, None)}
    system = dy.System(
        name="basel leverage cycle", time="discrete",
        states={"variance": dy.State(0, **positive), "fund_weight": dy.State(0.5, bounds=(0, 1)),
                "price": dy.State(25, **positive), "bank_share": dy.State(0.2, bounds=(0, 1)),
                "liabilities": dy.State(10), "past_price": dy.State(25, **positive)},
        parameters={n: dy.Parameter(v, **positive) for n, v in dict(
            tau=0.1, horizon=0.1, delta=0.5, theta=9.5, eta=10, rho=0.1, mu=25, sigma0_squared=1e-6, alpha=0.01,
            equity_target=2.26689).items()} | {"bank_weight": dy.Parameter(0.3, bounds=(0, 1)), "b": dy.Parameter(-0.5)},
        definitions={
            "assets": "bank_share*price/bank_weight", "equity": "assets - liabilities",
            "target": "alpha*(variance + sigma0_squared)**b", "balance_change": "tau*theta*(target*equity - assets)",
            "injection": "tau*eta*(equity_target - equity)",
            "bank_cash": "(1 - bank_weight)*bank_share*price/bank_weight + injection",
            "fund_cash": "(1 - fund_weight)*(1 - bank_share)*price/fund_weight - injection",
            "next_weight": "fund_weight + fund_weight/price*tau*rho*(mu - price)",
            "next_price": "(bank_weight*(bank_cash + balance_change) + next_weight*fund_cash)"
                          "/(1 - bank_weight*bank_share - (1 - bank_share)*next_weight)"},
        equations={
            "variance": "(1 - tau*delta)*variance + tau*delta*(horizon/tau*log(price/past_price))**2",
            "fund_weight": "next_weight", "price": "next_price",
            "bank_share": "bank_weight*(bank_share*next_price + bank_cash + balance_change)/next_price",
            "liabilities": "liabilities + balance_change", "past_price": "price"})
    point, = dy.fixed_points(system)
    assert point.exactness == "exact"
    assert point.free == ("fund_weight",)
    assert point.values["bank_share"] == pytest.approx(0.2720268, abs=1e-7)
    spectrum = sorted(point.eigenvalues, key=lambda z: (z.real, z.imag))
    expected = [0, 0.7039146 - 0.8867128j, 0.7039146 + 0.8867128j, 0.95, 0.9857263, 1]
    assert [complex(z) for z in spectrum] == pytest.approx(expected, abs=1e-7)
    kinds = {c.bifurcation for c in dy.stability_conditions(system, point)}
    assert "neimark_sacker" in kinds
    critical = next(c for c in dy.stability_conditions(system, point) if c.bifurcation == "neimark_sacker")
    # the published threshold for theta = 10 (leverage-cycle notes, map column): alpha sets the target leverage
    for leverage, sign in ((8.6405666 - 1e-5, 1), (8.6405666 + 1e-5, -1)):
        here = system.with_parameters(theta=10, alpha=leverage * 1e-3)
        value = critical.expression.xreplace({**here.exact_parameters, system.symbols["fund_weight"]: 0.5})
        assert sign * float(value) > 0


def test_conditions_at_a_point_known_in_numbers_are_numbers() -> None:
    """Relaxation towards the root x = 1 of a quintic that does not factor for general demand: slope 1 - 7*speed."""
    market = dy.System(name="quintic", time="discrete", states={"x": dy.State(1, bounds=(0, 2))},
                       parameters={"speed": dy.Parameter(0.1, bounds=(0, None)), "demand": dy.Parameter(3)},
                       equations={"x": "x + speed*(demand - x**5 - 2*x)"})
    point, = dy.fixed_points(market)
    assert (point.values["x"], point.exactness) == (pytest.approx(1, rel=1e-15), "certified")
    assert len(dy.stability_conditions(market, point)) == 0
    faster = market.with_parameters(speed=0.5)
    point, = dy.fixed_points(faster)
    assert point.eigenvalues[0] == pytest.approx(-2.5, abs=1e-12)
    assert [c.expression for c in dy.stability_conditions(faster, point)] == [-1]


def test_points_that_cross_are_transcritical_although_one_is_a_root_of_squares():
    rate = dy.Parameter(0.5, bounds=(0, None))
    system = dy.System(name="crossing", states={"u": dy.State(0.2, bounds=(0, 1))},
                       parameters={"target": dy.Parameter(0.2, bounds=(0, 1)), "speed": rate, "spread": rate},
                       equations={"u": "spread*(1/target - 1/u) - speed*u*(u/target - 1)"})
    for point in dy.fixed_points(system)[:2]:
        assert [c.bifurcation for c in dy.stability_conditions(system, point)] == ["transcritical"]
