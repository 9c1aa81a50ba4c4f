"""A cousin of the core: voluntary flow without impact, re-leveraging in logs, a smooth engine; its onset and critical falls.

dx = -kappa x - eta q, du = (1 - u) dx + u (q - g), g = rho ln(u lambda*), tau dq = Q/(1 + (u/u_c)**n) - q.
"""

import math

import pytest
from sympy import Function, Symbol, diff, simplify

import dynamics as dy


def cousin(impact, leverage):
    # the log has a value at and beyond u = 0, so that steps across insolvency have one
    return dy.System(
        name="cousin", time="continuous",
        states={"x": 0, "u": dy.State("1/target_leverage", bounds=(0, 1)), "q": dy.State(0, bounds=(0, None))},
        parameters={"kappa": 1, "eta": impact, "rho": "0.3", "target_leverage": dy.Parameter(leverage, bounds=(1, None)),
                    "u_c": "1/12", "rate": 6, "tau": "0.02"},
        definitions={"g": "rho*log(sqrt(u**2 + 1/10**20)*target_leverage)", "dx": "-kappa*x - eta*q"},
        equations={"x": "dx", "u": "(1 - u)*dx + u*(q - g)", "q": "(rate/(1 + (u/u_c)**8) - q)/tau"},
        events={"insolvency": dy.Event("u", "falling", terminal=True)},
        shocks={"price": dy.Shock({"x": "x - magnitude", "u": "1 - (1 - u)*exp(magnitude)"}, bounds=(None, None))})


def test_the_identity_of_leverage_and_equity_ratio():
    """du = (1 - u) dx + u (q - g) is d lambda = lambda (1 - lambda) dx + lambda (g - q) with lambda = 1/u."""
    t, g, q = Symbol("t"), Symbol("g"), Symbol("q")
    x, u = Function("x")(t), Function("u")(t)
    motion = (1 - u) * diff(x, t) + u * (q - g)
    leverage = 1 / u
    assert simplify(diff(leverage, t).subs(diff(u, t), motion)
                    - (leverage * (1 - leverage) * diff(x, t) + leverage * (g - q))) == 0


@pytest.mark.parametrize(("impact", "onset", "frequency"), [
    (0.5, 9.2013, 0.9575), pytest.param(1.0, 7.2067, 0.7626, marks=pytest.mark.slow),
    pytest.param(0.3, 13.2352, None, marks=pytest.mark.slow)])
def test_the_onset(impact, onset, frequency):
    branch = dy.continue_fixed_points(cousin(impact, 0.85 * onset), "target_leverage", (0.8 * onset, 1.05 * onset))
    hopf = branch["HB1"]
    assert hopf.parameters["target_leverage"] == pytest.approx(onset, abs=6e-5)
    if frequency:
        pair = max(hopf.eigenvalues, key=lambda z: z.imag)
        assert pair.imag == pytest.approx(frequency, abs=6e-5)
    if impact == 0.5:
        assert hopf.state["x"] == pytest.approx(-0.04059, abs=6e-6)
        assert 1 / hopf.state["u"] == pytest.approx(7.0199, abs=6e-5)
        assert hopf.state["q"] == pytest.approx(0.08118, abs=6e-6)
        assert 2 * math.pi / pair.imag == pytest.approx(6.562, abs=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("impact", "leverage", "shock"), [
    (0, 8, 0.16234), (0.1, 8, 0.09876), (0.2, 8, 0.05796), (0.5, 8, 0.02435), (0.5, 5, 0.10509), (0.5, 9, 0.01363)])
def test_the_critical_shock(impact, leverage, shock):
    threshold = dy.cascade_threshold(cousin(impact, leverage), shock="price", event="insolvency", both_directions=False,
                                     tolerance=1e-6, duration=150)
    assert threshold.value == pytest.approx(shock, abs=1.1e-5)
    if impact == 0:
        (point, *_) = dy.fixed_points(cousin(0, 8))
        assert threshold.value == pytest.approx(-math.log(1 - point.values["u"]), abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("leverage", "default"), [(9.5, 44.3), (9.21, 678.0)])
def test_past_the_onset_the_orbit_leaves_and_defaults(leverage, default):
    """A kick of -1e-3 to the price grows into a default; just past the onset slowly, but there is no cycle to hold it."""
    system = cousin(0.5, leverage)
    (point, *_) = [p for p in dy.fixed_points(system) if p.admissible]
    assert point.stability == "unstable"
    run = dy.integrate(system, 1000, initial_state={**point.values, "x": point.values["x"] - 1e-3})
    assert float(run["event_time"][-1]) == pytest.approx(default, abs=0.05 if leverage == 9.5 else 1)


def test_the_onset_is_subcritical():
    hopf = dy.continue_fixed_points(cousin(0.5, 9), "target_leverage", (8.8, 9.4))["HB1"]
    assert hopf.normal_form["l1"] > 0
