"""Loading packaged models."""

import math

import pytest
from sympy import Symbol

import dynamics as dy


def test_names_are_the_files():
    assert {"deleveraging", "liquidation_cascade"} <= set(dy.models.names())
    assert list(dy.models.names()) == sorted(dy.models.names())


@pytest.mark.parametrize(("name", "options", "said"), [
    ("delevraging", {}, "there is no model 'delevraging'. Did you mean 'deleveraging'?"),
    (5, {}, "there is no model '5'"),
    ("__init__", {}, "there is no model"),
    ("deleveraging", {"margin_cal": "hill"}, "has no option 'margin_cal'. Did you mean 'margin_call'?"),
    ("deleveraging", {"price_impact": 0.5}, "It is a parameter: use load(...).with_parameters(...)"),
    ("deleveraging", {"colour": "red"}, "Options are margin_call."),
    ("deleveraging", {"margin_call": "step"}, "margin_call must be 'ramp' or 'hill', not 'step'"),
    ("deleveraging", {"margin_call": ["ramp"]}, "margin_call must be 'ramp' or 'hill'"),
    ("liquidation_cascade", {"distances": {}}, "distances must be one of lognormal, loglogistic"),
])
def test_what_is_refused(name, options, said):
    with pytest.raises(dy.SpecificationError) as caught:
        dy.models.load(name, **options)
    assert said in str(caught.value)


def test_the_core_model_is_the_documented_one():
    core = dy.models.load("deleveraging")
    x, u, q = (Symbol(n) for n in core.states)
    k, eta, theta, target, margin, rate, tau = (Symbol(n) for n in (
        "reversion", "price_impact", "adjustment", "target_leverage", "maintenance_margin", "liquidation_rate",
        "liquidation_latency"))
    flow = theta * (target * u - 1) - q
    dx = -k * x + eta * flow
    point = {x: -0.03, u: 0.02, q: 0.4, k: 1.5, eta: 0.4, theta: 0.7, target: 6, margin: 0.05, rate: 20, tau: 0.02}
    expected = {"price_gap": dx, "equity_ratio": (1 - u) * dx - u * flow,
                "liquidation_flow": (rate * (1 - u / margin) - q) / tau}
    for name, expression in expected.items():
        assert core.field[name].subs(point) == pytest.approx(float(expression.subs(point)), rel=1e-12)
    assert core.initial_state() == {"price_gap": 0.0, "equity_ratio": 0.2, "liquidation_flow": 0.0}
    assert list(core.events) == ["insolvency", "margin_call_start", "margin_call_end"]
    assert core.events["insolvency"].terminal


def test_an_instantaneous_fall_keeps_the_accounts():
    core = dy.models.load("deleveraging")
    state = dy.apply_shock(core, {"equity_ratio": 0.25}, "price", 0.1)
    # assets fall by exp(-s), debt stays: u = 1 - debt/assets
    assert state["equity_ratio"] == pytest.approx(1 - 0.75 / math.exp(-0.1), rel=1e-14)
    assert state["price_gap"] == pytest.approx(-0.1)


def test_the_cascade_has_its_fold_where_the_branching_ratio_is_one():
    cascade = dy.models.load("liquidation_cascade")
    median, spread = 0.1, 0.5
    critical = median * spread * math.sqrt(2 * math.pi) * math.exp(-(spread**2) / 2)
    cusp = median * math.exp(-(spread**2))
    point = {Symbol("fall"): cusp, Symbol("total_impact"): critical, Symbol("median_distance"): median,
             Symbol("spread"): spread}
    assert float(cascade.resolve(Symbol("branching_ratio")).subs(point)) == pytest.approx(1, rel=1e-12)
    assert critical == pytest.approx(0.110605, abs=1e-6)
    assert float(cascade.field["fall"].diff(Symbol("fall")).subs(point)) == pytest.approx(1, rel=1e-12)


def test_the_loglogistic_branching_ratio_is_the_derivative():
    cascade = dy.models.load("liquidation_cascade", distances="loglogistic")
    point = {Symbol(n): v for n, v in {**cascade.parameter_values, "fall": 0.07}.items()}
    assert float(cascade.resolve(Symbol("branching_ratio")).subs(point)) == pytest.approx(
        float(cascade.field["fall"].diff(Symbol("fall")).subs(point)), rel=1e-12)
