"""Bifurcations of reference problems: kinds, Lyapunov coefficients, closed forms, refusals."""

from __future__ import annotations

import math
import runpy
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Rational, Symbol, cancel, sqrt

import dynamics as dy

REFERENCE = runpy.run_path(str(Path(__file__).parents[1] / "reference" / "equilibrium_bifurcations.py"))
HOPF, OTHERS, BRANCHINGS, ITERATED = (REFERENCE[name] for name in ("HOPF", "OTHERS", "BRANCHINGS", "ITERATED"))


def located(model, place):
    """The system at the parameters of the place, and its state there."""
    parameters = {name: dy.Parameter(place.get(name, value)) for name, value in model["parameters"].items()}
    system = dy.System(name="reference", time=model.get("time", "continuous"), states=dict.fromkeys(model["states"], 1.0),
                       parameters=parameters, equations=dict(zip(model["states"], model["equations"], strict=True)))
    return system, {name: place[name] for name in model["states"]}


# ---- reference problems ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("model", "place", "omega", "l1"), HOPF)
def test_first_lyapunov_coefficients(model, place, omega, l1):
    system, at = located(model, place)
    found = dy.first_lyapunov_coefficient(system, at)
    # given to 15 digits, of which cancellation at small coefficients costs some
    assert float(found) == pytest.approx(l1, rel=1e-10)
    assert found.criticality == ("supercritical" if l1 < 0 else "subcritical")
    form = dy.normal_form(system, at)
    assert (form.kind, form.distance < 1e-10) == ("hopf", True)
    eigenvalues = np.linalg.eigvals(np.array(dy.jacobian(system, at).subs(system.exact_parameters), dtype=float))
    assert min(abs(eigenvalues - 1j * omega)) < 1e-9


@pytest.mark.parametrize(("model", "place", "kind"), OTHERS)
def test_kinds(model, place, kind):
    form = dy.normal_form(*located(model, place))
    assert form.kind == kind
    assert form.distance < 1e-10


@pytest.mark.parametrize(("model", "place", "parameter", "kind"), BRANCHINGS)
def test_branch_points_are_told_apart(model, place, parameter, kind):
    system, at = located(model, place)
    form = dy.normal_form(system, at, parameter=parameter)
    assert form.kind == kind
    assert abs(form["r"].value) > 1e-3
    if kind == "pitchfork":
        # a cubic that saturates on either side: new states are stable where the old one is not
        assert form.criticality == ("supercritical" if form["c"].value < 0 else "subcritical")


@pytest.mark.parametrize(("model", "place", "period", "kind"), ITERATED)
def test_cycles_of_maps_are_fixed_points_of_iterates(model, place, period, kind):
    # each state enters once: the square is completed, or the expressions would double with every iterate
    once = {"x": "mu/4 - mu*({x} - 1/2)**2"} if "mu" in place else {"x": "1 - a*({x})**2 + ({y})", "y": "b*({x})"}
    definitions, images = {}, {name: name for name in once}
    for step in range(1, period + 1):
        definitions |= {f"{name}_{step}": text.format(**images) for name, text in once.items()}
        images = {name: f"{name}_{step}" for name in once}
    system = dy.System(name="iterate", time="discrete", states=dict.fromkeys(once, 1.0), equations=images,
                       parameters={name: place.get(name, value) for name, value in model["parameters"].items()},
                       definitions=definitions)
    form = dy.normal_form(system, {name: place[name] for name in once})
    # the multiplier of a long cycle feels the sixteenth digit of the parameter by delta**n
    assert (form.kind, form.distance < 1e-10) == (kind, True)
    assert form.criticality == ("supercritical" if kind == "period_doubling" else "")


def test_folds_of_the_first_reference_problem_in_closed_form():
    """u1 (1 - u1) = (1 + p3)/p2; p1 and u2 follow from the equilibrium."""
    system = dy.System(
        name="ab", states={"u1": 0.3, "u2": 1}, parameters={
            "u": dy.Parameter(0.3, bounds=(0, 1)), "p2": dy.Parameter(18, bounds=(0, None)),
            "p3": dy.Parameter(3, bounds=(0, None))},
        definitions={"p1": "u/((1 - u)*exp(p2*u/(1 + p3)))"},
        equations={"u1": "-u1 + p1*(1-u1)*exp(u2)", "u2": "-u2 + p1*p2*(1-u1)*exp(u2) - p3*u2"})
    at = {"u1": "u", "u2": "p2*u/(1+p3)"}
    fold, = (c for c in dy.bifurcation_conditions(system, at, parameter="u") if c.kind == "fold")
    assert sorted(fold.values) == pytest.approx([1 / 3, 2 / 3], rel=1e-14)
    u, p2, p3 = map(Symbol, ("u", "p2", "p3"))
    assert cancel(fold.expression - (p3 + 1 - p2 * u * (1 - u))) == 0


def test_bogdanov_takens_coefficients_as_published():
    # BifurcationKit.jl, extended Lorenz-84, after Newton refinement
    model, place, _ = next(item for item in OTHERS if item[2] == "bogdanov_takens")
    form = dy.normal_form(*located(model, place))
    assert abs(form["a"].value) == pytest.approx(0.2144233509, rel=1e-8)
    assert abs(form["b"].value) == pytest.approx(0.6065145518, rel=1e-8)
    assert form["a"].value * form["b"].value > 0


def test_second_lyapunov_coefficient_as_published():
    # BifurcationKit.jl, extended Lorenz-84: the point of the Hopf curve that has its omega
    from mpmath import mp, mpf, workdps

    from dynamics.symbolic.center_manifold import DIGITS, LocalMap, pair_coefficients
    place, printed = REFERENCE["LORENZ84_NEAR_GH"], REFERENCE["LORENZ84_GH_PRINTED"]
    system, _ = located(REFERENCE["LORENZ84"], place)
    with workdps(DIGITS):
        numbers = system.exact_parameters
        states = tuple(map(Symbol, system.states))
        local = LocalMap(tuple(system.field[s.name].xreplace(numbers) for s in states), states,
                         tuple(mpf(place[s.name]) for s in states))
        c1, c2 = pair_coefficients(local, local.jacobian(), mp.mpc(0, printed["omega"]), "continuous", 5)
    assert float(c2.real) == pytest.approx(printed["c2"], rel=1e-12)
    assert float(c1.real) == pytest.approx(2.527e-5, rel=1e-3)


def test_second_lyapunov_coefficient_at_the_refined_point():
    exact, place = REFERENCE["LORENZ84_GH"], next(p for m, p, kind in OTHERS if m is REFERENCE["LORENZ84"]
                                                  and kind == "generalized_hopf")
    form = dy.normal_form(*located(REFERENCE["LORENZ84"], place))
    assert form["l2"].value == pytest.approx(exact["l2"], rel=1e-11)


def test_generalized_hopf_of_the_bautin_form():
    system = dy.System(name="bautin", states={"x": 0.1, "y": 0.1}, parameters={"mu": 0, "b": 0, "s": -1}, equations={
        "x": "mu*x - 2*y + b*x*(x**2 + y**2) + s*x*(x**2 + y**2)**2",
        "y": "2*x + mu*y + b*y*(x**2 + y**2) + s*y*(x**2 + y**2)**2"})
    at = {"x": 0, "y": 0}
    form = dy.normal_form(system, at)
    assert (form.kind, form.criticality) == ("generalized_hopf", "degenerate")
    assert form["l2"].value == pytest.approx(-4 / 2, rel=1e-14)
    # off the degenerate point: l1 = 2 b/omega
    off = dy.first_lyapunov_coefficient(system, at, parameters={"b": 0.3})
    assert off.expression == Symbol("b")
    assert off.value == pytest.approx(0.3, rel=1e-15)
    assert off.valid_where == (Symbol("b") > 0)


# ---- closed forms ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def core():
    return dy.models.load("deleveraging").with_parameters(target_leverage=11)


@pytest.fixture(scope="module")
def core_coefficient(core):
    return dy.first_lyapunov_coefficient(core, dy.fixed_points(core)[0])


kappa, theta, lam = Symbol("reversion"), Symbol("adjustment"), Symbol("target_leverage")


def test_core_model_has_one_factored_formula_and_is_always_subcritical(core_coefficient):
    formula = core_coefficient.expression
    assert formula.free_symbols == {kappa, theta, lam}
    expected = sqrt(kappa * theta) * lam**3 * (kappa + theta * (2 * lam - 1)) / (
        2 * theta * (theta * lam**2 + kappa * (2 * lam**2 - 2 * lam + 1)))
    assert cancel((formula / expected) ** 2) == 1
    assert formula.is_Mul
    assert core_coefficient.criticality == "subcritical"
    assert core_coefficient.valid_where == True  # noqa: E712  SymPy's true
    assert core_coefficient.exactness == "exact"
    assert cancel(core_coefficient.eliminated["price_impact"] - (kappa + theta) / (theta * (lam - 1))) == 0


@pytest.mark.parametrize("values", [(1, 0.5, 11), (0.3, 2, 4), (5, 0.1, 3)])
def test_core_formula_agrees_with_growth_rates_of_a_simulated_oscillation(core_coefficient, values):
    """The amplitude of a small oscillation at the Hopf point grows as dr/dt = l1 omega r**3: an independent truth."""
    k, t, leverage = values
    impact = (k + t) / (t * (leverage - 1))
    omega = math.sqrt(k * t)
    l1 = float(core_coefficient.expression.subs({kappa: Rational(str(k)), theta: Rational(str(t)), lam: leverage}))

    def field(_, state):
        x, u = state
        flow = t * (leverage * u - 1)
        change = -k * x + impact * flow
        return [change, (1 - u) * change - u * flow]

    jacobian = np.array([[-k, impact * t * leverage],
                         [-(1 - 1 / leverage) * k, (1 - 1 / leverage) * impact * t * leverage - t]])
    values_, vectors = np.linalg.eig(jacobian)
    q = vectors[:, np.argmax(values_.imag)]
    rest = np.array([0, 1 / leverage])

    def sections(start):
        # where the orbit crosses the ray that it started on, an exact Poincare section through Re q and the fixed point
        normal = np.array([-q.real[1], q.real[0]])
        event = lambda time, state: float(normal @ (np.asarray(state) - rest))  # noqa: E731
        orbit = solve_ivp(field, (0, 1.6 * 2 * math.pi / omega), rest + start * q.real / np.linalg.norm(q.real),
                          events=event, rtol=1e-13, atol=1e-16)
        points = orbit.y_events[0] - rest
        forward = [p for p, when in zip(points, orbit.t_events[0], strict=True) if when > 1e-3 and p @ q.real > 0]
        return np.linalg.norm(forward[0])

    # |z| for a point on the ray Re q: x = 2 Re(z q)
    a = np.linalg.norm(q.real) / np.linalg.norm(q)
    basis = np.column_stack([2 * q.real, -2 * q.imag]) / np.linalg.norm(q)
    radius = np.linalg.norm(np.linalg.solve(basis, q.real / np.linalg.norm(q.real)))
    assert a > 0
    growths = []
    for start in (2e-3, 1e-3):
        start /= radius * 2 * leverage
        growths.append((sections(start) - start) / start / (2 * math.pi / omega) / (start * radius) ** 2 / omega)
    # the leading error of the return map is of the order of the amplitude, so two amplitudes extrapolate
    assert 2 * growths[1] - growths[0] == pytest.approx(l1, rel=2e-2)


def test_brusselator_in_closed_form():
    system = dy.System(name="brusselator", states={"x": 1, "y": 2},
                       parameters={"A": dy.Parameter(1, bounds=(0, None)), "B": 2},
                       equations={"x": "A - (B+1)*x + x**2*y", "y": "B*x - x**2*y"})
    found = dy.first_lyapunov_coefficient(system, dy.fixed_points(system)[0])
    A = Symbol("A")
    assert cancel(found.expression + (A**2 + 2) / (2 * A * (2 * A**2 + 1))) == 0
    assert found.eliminated == {"B": A**2 + 1}
    assert (found.criticality, found.valid_where) == ("supercritical", True)
    other = dy.first_lyapunov_coefficient(system, dy.fixed_points(system)[0], parameters={"A": 2, "B": 5})
    assert float(other) == pytest.approx(-6 / (4 * 9), rel=1e-14)


def test_lorenz_in_closed_form():
    positive = {name: dy.Parameter(value, bounds=(0, None)) for name, value in {"s": 10, "b": "8/3", "r": "470/19"}.items()}
    system = dy.System(name="lorenz", states={"x": 8, "y": 8, "z": 23}, parameters=positive,
                       equations={"x": "s*(y-x)", "y": "r*x - y - x*z", "z": "x*y - b*z"})
    point = next(p for p in dy.fixed_points(system) if p.values["x"] > 1)
    found = dy.first_lyapunov_coefficient(system, point)
    s, b = Symbol("s"), Symbol("b")
    assert found.exactness == "exact"
    assert float(found) == pytest.approx(0.000265518972583671, rel=1e-13)
    assert cancel(found.eliminated["r"] - s * (s + b + 3) / (s - b - 1)) == 0
    # the formula holds elsewhere on the Hopf set too
    elsewhere = {"s": 12, "b": 2, "r": Rational(68, 3)}
    state = {n: e.xreplace({Symbol(k): Rational(v) for k, v in elsewhere.items()}) for n, e in point.state.items()}
    again = dy.first_lyapunov_coefficient(system, state, parameters={"s": 12, "b": 2, "r": "68/3"})
    assert float(found.expression.subs(elsewhere).evalf(20)) == pytest.approx(float(again), rel=1e-12)


def test_maps_in_closed_form():
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.5}, parameters={"r": 3},
                         equations={"x": "r*x*(1-x)"})
    flip = dy.normal_form(logistic, {"x": "1 - 1/r"})
    assert (flip.kind, flip["b"].expression, flip.criticality) == ("period_doubling", 9, "supercritical")
    henon = dy.System(name="henon", time="discrete", states={"x": 1, "y": 1}, parameters={"a": "3*0.7**2/4", "b": 0.3},
                      equations={"x": "1 - a*x**2 + y", "y": "b*x"})
    point = next(p for p in dy.fixed_points(henon) if p.values["x"] > 0)
    found = dy.normal_form(henon, point)["b"]
    # by hand: q = (1, -b), p = (1, -1)/(1 + b), (1 - A)^-1 B(q,q) = -a (1, b)/(1 - b), so a**2/((1 - b**2)(1 + b**2))
    a, b = 0.3675, 0.3
    assert found.value == pytest.approx(a**2 / ((1 - b**2) * (1 + b**2)), rel=1e-13)
    delayed = dy.System(name="delayed", time="discrete", states={"x": 0.5, "y": 0.5}, parameters={"r": 2},
                        equations={"x": "r*x*(1-y)", "y": "x"})
    ns = dy.normal_form(delayed, {"x": 0.5, "y": 0.5})
    # a stable closed curve is born, as everyone who iterates the delayed logistic map sees
    assert (ns.kind, ns["d"].expression, ns.criticality) == ("neimark_sacker", -1, "supercritical")


def test_coefficient_changes_its_sign_where_it_says():
    system = dy.System(name="s", states={"x": 0.1, "y": 0.1}, parameters={"mu": 0, "c": 0.5}, equations={
        "x": "mu*x - y + (c - 1)*x**3", "y": "x"})
    found = dy.first_lyapunov_coefficient(system, {"x": 0, "y": 0})
    c = Symbol("c")
    assert cancel(found.expression - 3 * (c - 1) / 4) == 0
    assert (found.criticality, found.valid_where) == ("supercritical", 1 - c > 0)
    assert dy.first_lyapunov_coefficient(system, {"x": 0, "y": 0}, parameters={"c": 3}).criticality == "subcritical"


# ---- refusals and storage --------------------------------------------------------------------------------------------

def test_off_the_hopf_set_says_how_far(core):
    with pytest.raises(dy.DerivationError, match=r"Hopf condition.*0\.0106 relative"):
        dy.first_lyapunov_coefficient(core, dy.fixed_points(core)[0], parameters={"target_leverage": 10.9})
    slightly = 11 * (1 + 1e-8)
    with pytest.raises(dy.DerivationError, match="Hopf condition"):
        dy.first_lyapunov_coefficient(core, dy.fixed_points(core)[0], parameters={"target_leverage": slightly})


def test_wrong_places_and_names_are_refused(core):
    point = dy.fixed_points(core)[0]
    with pytest.raises(dy.DerivationError, match=r"no fixed point.*price_gap"):
        dy.normal_form(core, {"price_gap": 0, "equity_ratio": 0.1, "liquidation_flow": 0})
    with pytest.raises(dy.SpecificationError, match="Did you mean 'price_impact'"):
        dy.first_lyapunov_coefficient(core, point, eliminate="price_impct")
    with pytest.raises(dy.SpecificationError, match="Did you mean 'price_impact'"):
        dy.normal_form(core, point, parameter="price_impct")
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.5}, parameters={"r": 3},
                         equations={"x": "r*x*(1-x)"})
    with pytest.raises(dy.DerivationError, match="Neimark-Sacker"):
        dy.first_lyapunov_coefficient(logistic, {"x": "1 - 1/r"})
    with pytest.raises(dy.DerivationError, match="is a"):
        dy.normal_form(object(), {})
    fold = dy.System(name="fold", states={"u": 0}, parameters={"mu": 0}, equations={"u": "mu - u**2"})
    with pytest.raises(dy.DerivationError, match="no Hopf point but fold"):
        dy.first_lyapunov_coefficient(fold, {"u": 0})
    with pytest.raises(dy.SpecificationError, match="no coefficient 'l1'; there are a"):
        dy.normal_form(fold, {"u": 0})["l1"]
    assert dy.normal_form(fold, {"u": 0}, parameter="mu")["s"].value == pytest.approx(1)


def test_a_border_between_regimes_has_no_smooth_normal_form(core):
    with pytest.raises(dy.DerivationError, match="border between regimes"):
        dy.normal_form(core, {"price_gap": 0, "equity_ratio": "1/20", "liquidation_flow": 0},
                       parameters={"target_leverage": 20})


def test_a_flip_without_cubic_term_is_degenerate():
    system = dy.System(name="degenerate", time="discrete", states={"x": 0.1}, parameters={"c": 1},
                       equations={"x": "-c*x + x**5"})
    form = dy.normal_form(system, {"x": 0})
    assert (form.kind, form["b"].value, form.criticality) == ("period_doubling", 0, "degenerate")


@pytest.mark.slow
def test_the_margin_call_equilibrium_has_numbers_where_its_formula_takes_too_long(core):
    system = core.with_parameters(price_impact=0.02, target_leverage="1376.30276522756981729428269335")
    point = next(p for p in dy.fixed_points(system) if p.values["liquidation_flow"] > 1)
    started = time.perf_counter()
    found = dy.first_lyapunov_coefficient(system, point)
    assert time.perf_counter() - started < 30
    assert (found.criticality, found.value > 0) == ("subcritical", True)
    assert len(found.decimal) >= 30


def test_results_are_saved_and_opened(core, core_coefficient, tmp_path):
    dy.save(core_coefficient, tmp_path / "l1.json")
    assert dy.open(tmp_path / "l1.json") == core_coefficient
    form = dy.normal_form(core, dy.fixed_points(core)[0])
    dy.save(form, tmp_path / "form.json")
    assert dy.open(tmp_path / "form.json") == form
    assert "hopf" in repr(form)
    assert "sqrt" in core_coefficient.latex
    assert hash(form) == hash(dy.open(tmp_path / "form.json"))
