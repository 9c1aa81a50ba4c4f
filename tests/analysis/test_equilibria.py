"""Fixed points of textbook systems against their closed forms and against plain root finding."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from sympy import Matrix, Symbol, cancel, simplify, sqrt

import dynamics as dy
from dynamics.errors import DerivationError, SpecificationError


def flow(equations: dict[str, str], parameters: dict, **more) -> dy.System:
    return dy.System(name="test", time="continuous", states=more.pop("states", dict.fromkeys(equations, 0.5)),
                     parameters=parameters, equations=equations, **more)


# ---- exact ------------------------------------------------------------------------------------------------------------

def test_lorenz() -> None:
    lorenz = flow({"x": "s*(y - x)", "y": "x*(r - z) - y", "z": "x*y - b*z"}, {"s": 10, "r": 28, "b": "8/3"})
    points = dy.fixed_points(lorenz)
    assert [p.exactness for p in points] == ["exact"] * 3
    r, b = Symbol("r"), Symbol("b")
    wings = [p for p in points if p.state["z"] != 0]
    assert {simplify(p.state["x"] ** 2 - b * (r - 1)) for p in wings} == {0}
    assert {simplify(p.state["z"] - (r - 1)) for p in wings} == {0}
    for p in points:
        x, y, z = (p.values[n] for n in "xyz")
        jacobian = np.array([[-10, 10, 0], [28 - z, -1, -x], [y, x, -8 / 3]])
        assert np.allclose(np.sort_complex(p.eigenvalues), np.sort_complex(np.linalg.eigvals(jacobian)), rtol=1e-12)
    # the wings are stable up to r = s (s + b + 3)/(s - b - 1)
    limit = 10 * (10 + 8 / 3 + 3) / (10 - 8 / 3 - 1)
    for side, stability in ((0.999, "stable"), (1.001, "unstable")):
        at = dy.fixed_points(lorenz, parameters={"r": side * limit})
        assert {p.stability for p in at if p.values["z"] > 0} == {stability}


def test_points_that_are_complex_at_current_values_are_left_out() -> None:
    lorenz = flow({"x": "s*(y - x)", "y": "x*(r - z) - y", "z": "x*y - b*z"}, {"s": 10, "r": 0.5, "b": "8/3"})
    point, = dy.fixed_points(lorenz)
    assert point.kind == "stable node"


def test_logistic_and_henon_maps() -> None:
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.1}, parameters={"r": 2.8},
                         equations={"x": "r*x*(1 - x)"})
    zero, inner = sorted(dy.fixed_points(logistic), key=lambda p: p.values["x"])
    assert inner.state["x"].equals(1 - 1 / Symbol("r"))
    assert inner.eigenvalues[0] == pytest.approx(2 - 2.8)
    assert (zero.stability, inner.stability) == ("unstable", "stable")
    assert {p.stability for p in dy.fixed_points(logistic, {"r": 3.2})} == {"unstable"}
    henon = dy.System(name="henon", time="discrete", states={"x": 0, "y": 0}, parameters={"a": 1.4, "b": 0.3},
                      equations={"x": "1 - a*x**2 + y", "y": "b*x"})
    roots = sorted(p.values["x"] for p in dy.fixed_points(henon))
    assert roots == pytest.approx([(-0.7 - math.sqrt(0.49 + 5.6)) / 2.8, (-0.7 + math.sqrt(0.49 + 5.6)) / 2.8],
                                  rel=1e-14)


def test_brusselator() -> None:
    system = flow({"x": "A + x**2*y - (B + 1)*x", "y": "B*x - x**2*y"}, {"A": dy.Parameter(1, bounds=(0, None)), "B": 3})
    point, = dy.fixed_points(system)
    assert point.state["x"] == Symbol("A")
    assert point.state["y"] == Symbol("B") / Symbol("A")
    hopf, = [c for c in dy.bifurcation_conditions(system, point, parameter="B") if c.kind == "hopf"]
    assert simplify(hopf.solutions[0] - (1 + Symbol("A") ** 2)) == 0


def test_pitchfork_keeps_irrational_roots_exact() -> None:
    points = dy.fixed_points(flow({"x": "a*x - x**3"}, {"a": dy.Parameter(2, bounds=(0, None))}))
    assert {p.state["x"] for p in points} == {0, sqrt(Symbol("a")), -sqrt(Symbol("a"))}
    assert [p.stability for p in sorted(points, key=lambda p: p.values["x"])] == ["stable", "unstable", "stable"]


# ---- certified and numeric --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("a", "b"), [(3.1, 0.97), (-3.1, 0.97), (0.75, 0.2501)])
def test_cubic_without_rational_roots(a: float, b: float) -> None:
    points = dy.fixed_points(flow({"x": "b + a*x - x**3"}, {"a": a, "b": b}))
    expected = [z.real for z in np.roots([-1, 0, a, b]) if abs(z.imag) < 1e-9]
    assert sorted(p.values["x"] for p in points) == pytest.approx(sorted(expected), rel=1e-9)
    assert {p.exactness for p in points} == {"certified"}


def test_fitzhugh_nagumo() -> None:
    system = flow({"v": "v - v**3/3 - w + I", "w": "eps*(v + a - b*w)"}, {"a": 0.7, "b": 0.8, "eps": 0.08, "I": 0.5})
    point, = dy.fixed_points(system)
    v = brentq(lambda v: v - v**3 / 3 - (v + 0.7) / 0.8 + 0.5, -3, 3, xtol=1e-15)
    assert point.values == pytest.approx({"v": v, "w": (v + 0.7) / 0.8}, rel=1e-12)
    expected = np.linalg.eigvals([[1 - v**2, -1], [0.08, -0.064]])
    assert np.allclose(np.sort_complex(point.eigenvalues), np.sort_complex(expected), rtol=1e-10)


@pytest.mark.parametrize(("a", "b", "count"), [(1, 2, 3), (1, 0.5, 1), (0.6, 2, 3), (1, 1.001, 3)])
def test_all_roots_of_a_transcendental_equation(a: float, b: float, count: int) -> None:
    points = dy.fixed_points(flow({"x": "-x + a*tanh(b*x)"}, {"a": a, "b": b}))
    roots = sorted(p.values["x"] for p in points)
    assert len(roots) == count
    assert np.max(np.abs(np.array(roots) - a * np.tanh(b * np.array(roots)))) < 1e-14
    assert {p.exactness for p in points} == {"numeric"}
    if count == 3:
        outer = brentq(lambda x: x - a * math.tanh(b * x), 1e-3, 2 * a, xtol=1e-15)
        assert roots == pytest.approx([-outer, 0, outer], abs=1e-12)


def test_numeric_search_in_two_dimensions_finds_all_four() -> None:
    points = dy.fixed_points(flow({"x": "-x + tanh(2*x)*exp(y) - y", "y": "y*(sin(y) - 1/2)"}, {"c": 1}), box={
        "x": (-5, 5), "y": (-0.3, 1)})
    with_zero = [p for p in points if abs(p.values["y"]) < 1e-9]
    assert len(with_zero) == 3
    for p in points:
        x, y = p.values["x"], p.values["y"]
        assert abs(-x + math.tanh(2 * x) * math.exp(y) - y) < 1e-12
        assert abs(y) < 1e-9 or y == pytest.approx(math.pi / 6)


def test_liquidation_cascade_has_three_fixed_points() -> None:
    system = dy.models.load("liquidation_cascade").with_parameters(initial_fall=0.03)
    from scipy.stats import lognorm

    points = dy.fixed_points(system)
    stabilities = [p.stability for p in sorted(points, key=lambda p: p.values["fall"])]
    assert stabilities == ["stable", "unstable", "stable"]

    def gap(fall: float) -> float:
        return 0.03 + 0.15 * lognorm.cdf(fall, 0.5, scale=0.1) - fall

    grid = np.linspace(1e-3, 0.3, 400)
    expected = [brentq(gap, a, b, xtol=1e-15) for a, b in pairwise(grid) if gap(a) * gap(b) < 0]
    assert sorted(p.values["fall"] for p in points) == pytest.approx(expected, rel=1e-10)
    inside, = dy.fixed_points(system, box={"fall": (0.05, 0.1)})
    assert inside.values["fall"] == pytest.approx(expected[1], rel=1e-10)


# ---- regimes, bounds, events ------------------------------------------------------------------------------------------

def test_virtual_points_and_points_outside_bounds() -> None:
    system = flow({"x": "a - x + 3*max(0, x - 2)"}, {"a": 1}, states={"x": dy.State(0.5, bounds=(0, 2.2))})
    low, virtual = sorted(dy.fixed_points(system), key=lambda p: not p.admissible)
    assert (low.values["x"], low.admissible) == (1.0, True)
    # x = a - x + 3 (x - 2) = 0 at x = 2.5: in its own regime, but beyond the bound
    assert virtual.values["x"] == 2.5
    assert not virtual.admissible
    assert "outside the declared bounds of x" in virtual.remark
    other = {p.values["x"]: p for p in dy.fixed_points(system, parameters={"a": 5})}
    assert set(other) == {0.5, 5.0}
    assert all(p.remark.startswith("virtual") for p in other.values())


def test_a_point_past_a_terminal_event_is_not_admissible() -> None:
    def points(expression: str, direction: str = "falling"):
        return dy.fixed_points(flow({"x": "-x - a"}, {"a": 1}, events={
            "end": dy.Event(expression, direction, terminal=True)}))

    assert points("x")[0].remark == "the event 'end' has happened there"
    assert points("x", "rising")[0].admissible
    # an event without a real value there has not happened
    assert points("log(x)")[0].admissible
    assert points("sqrt(x)", "rising")[0].admissible


def test_a_condition_without_a_real_value_is_not_inside_its_regime() -> None:
    points = dy.fixed_points(flow({"x": "-a - x + max(0, sqrt(x) - 1)"}, {"a": 1}))
    assert not any(p.admissible for p in points if p.values["x"] < 0)


def test_box_is_checked() -> None:
    system = flow({"x": "a - x"}, {"a": 1})
    assert len(dy.fixed_points(system, box={"x": (2, 3)})) == 0
    assert len(dy.fixed_points(system, box={"x": (None, float("inf"))})) == 1
    for box, message in (({"y": (0, 1)}, "'y' is not a state"), ({"x": (1, 1)}, "is not below"),
                         ({"x": 3}, "needs a pair"), ({"x": (1, 2, 3)}, "needs a pair")):
        with pytest.raises(SpecificationError, match=message):
            dy.fixed_points(system, box=box)


# ---- what cannot be analysed says so ------------------------------------------------------------------------------------

class Walk:
    name = "walk"
    parameters: dict = {}
    references = ()

    def with_parameters(self, values):
        return self

    def step(self, state, parameters, generator):
        return {"x": state["x"] + generator.normal()}


def test_refusals_name_what_does_work() -> None:
    with pytest.raises(DerivationError, match="depends on time and has no fixed points"):
        dy.fixed_points(flow({"x": "-x + sin(time)"}, {"a": 1}))
    for function in (dy.fixed_points, lambda s: dy.jacobian(s, {}), lambda s: dy.stability_conditions(s, {})):
        with pytest.raises(DerivationError, match="iterate, sweep and phase_diagram work"):
            function(Walk())
    with pytest.raises(SpecificationError, match="'gain' is not a parameter"):
        dy.bifurcation_conditions(flow({"x": "a - x"}, {"a": 1}), {"x": 1}, parameter="gain")


def banks(count: int) -> dy.System:
    return dy.System(name="banks", time="continuous", indices={"bank": count}, states={"e": dy.State(0.5, over=("bank",))},
                     parameters={"a": 2}, equations={"e": "a - e + 0.01*total(e, bank)"})


def test_indexed_systems_expand_up_to_24_scalar_states() -> None:
    point, = dy.fixed_points(banks(4))
    assert list(point.values.values()) == pytest.approx([2 / (1 - 0.04)] * 4, rel=1e-13)
    assert max(z.real for z in point.eigenvalues) == pytest.approx(-0.96)
    with pytest.raises(DerivationError, match="has 25 scalar states; symbolic analyses stop at 24"):
        dy.fixed_points(banks(25))


def test_table_and_parameters_argument() -> None:
    system = flow({"x": "a - x"}, {"a": 1})
    table = dy.fixed_points(system, parameters={"a": 4}).table
    assert table["x"].values.tolist() == [4.0]
    assert table["eigenvalue_real"].values.tolist() == [[-1.0]]
    assert table.attrs["parameters"] == {"a": 4.0}
    assert table.attrs["exactness"] == "exact"


def test_a_declared_point_of_rest_stays_exact_where_the_others_have_no_closed_form():
    crowd = dy.System(name="crowd", states={"s": dy.State(0, "1", (-1, 1)), "y": dy.State("1/k", "1", (0, None))},
                      parameters={"beta": dy.Parameter(1.5, "1", (0, None)), "k": dy.Parameter(2, "1", (0, None))},
                      equations={"s": "tanh(beta*s) - s", "y": "(1 - k*y)*(1 + s**2)"})
    points = dy.fixed_points(crowd)
    beta, k = Symbol("beta"), Symbol("k")
    rest = next(p for p in points if p.values["s"] == 0)
    assert rest.exactness == "exact"
    assert rest.state == {"s": 0, "y": 1 / k}
    (condition,) = [c.expression for c in dy.stability_conditions(crowd, rest) if beta in c.expression.free_symbols]
    assert condition == 1 - beta
    moods = sorted(p.values["s"] for p in points)
    mood = brentq(lambda s: math.tanh(1.5 * s) - s, 0.5, 1, xtol=1e-15)
    assert moods == pytest.approx([-mood, 0, mood], abs=1e-12)
    assert all(p.exactness == "numeric" for p in points if p is not rest)


def test_a_declared_point_of_rest_on_a_line_of_such_points_leaves_a_state_free():
    line = flow({"x": "tanh(c - x) + c - x", "y": "y*(c - x)"}, {"c": 2}, states={"x": dy.State("c"), "y": 0.5})
    (point,) = dy.fixed_points(line)
    assert point.exactness == "exact"
    assert point.state == {"x": Symbol("c"), "y": Symbol("y")}
    assert point.free == ("y",)
    # slope -sech(0)**2 - 1 across the line; the zero along it is structural
    assert point.eigenvalues == pytest.approx((-2, 0), abs=1e-12)
    assert point.stability == "stable"


def test_an_indifferent_crowd_leaves_a_line_of_rests_exact_where_no_state_starts_at_rest():
    """The Jacobian is singular along the line, so that no search from many starts arrives there."""
    positive = {name: dy.Parameter(value, bounds=(0, None)) for name, value in
                {"beta": 0.5, "h": 0.2, "c": 1, "d": 3}.items()}
    crowd = flow({"s": "tanh(beta*s + h*(c*y + d*y - 1)) - s", "y": "1 - c*y - d*y + s", "w": "(c*y + d*y - 1)*(1 + w**2)"},
                 positive, states={"s": 0, "y": 1, "w": 0})
    (point,) = dy.fixed_points(crowd)
    beta, h, c, d, w = (Symbol(name) for name in ("beta", "h", "c", "d", "w"))
    assert point.state == {"s": 0, "y": 1 / (c + d), "w": w}
    assert (point.free, point.exactness, point.stability) == (("w",), "exact", "stable")
    # the flow is zero at rest, and its tanh with it, however it is written
    expected = Matrix([[beta - 1, h * (c + d), 0], [1, -c - d, 0], [0, (c + d) * (1 + w**2), 0]])
    assert (dy.jacobian(crowd, point) - expected).applyfunc(cancel) == Matrix.zeros(3)
    for herding, feedback in ((0.5, 0.2), (0.5, 2.0), (1.5, 0.1)):
        changed = crowd.with_parameters(beta=herding, h=feedback)
        growth = np.linalg.eigvals(np.array([[herding - 1, 4 * feedback], [1, -4]])).real.max()
        verdict = all(condition.expression.xreplace(changed.exact_parameters) > 0
                      for condition in dy.stability_conditions(changed, point))
        assert verdict == (growth < 0)


def test_a_switch_in_a_branch_that_is_not_taken_makes_no_second_point():
    core = dy.models.load("deleveraging")
    flow = core.definitions["voluntary_flow"]

    def halted(system):
        return dy.mechanisms.extend(system, "halt", add={}, override={"definitions": {
            "voluntary_flow": f"max(0, {flow}) if price_gap < -0.1 else {flow}"}})

    stable = [point for point in dy.fixed_points(dy.compose(core, halted)) if point.stability == "stable"]
    assert [round(point.values["equity_ratio"], 12) for point in stable] == [0.2]


def test_a_flow_that_vanishes_at_rest_hides_no_points_behind_what_multiplies_it():
    """Depth that powers and exponentials make is multiplied by the net flow, which is zero at every point of rest."""
    core = dy.models.load("deleveraging").with_parameters(target_leverage=25)
    for mechanisms in (("depletion", "exchange_reserves"), ("depletion", "exchange_reserves", "governance")):
        points = dy.fixed_points(dy.compose(core, *mechanisms).with_parameters(
            {"proposed_margin": 0.05} if "governance" in mechanisms else {}))
        # of the core's points, those at which holdings stay what they are
        expected = [p for p in dy.fixed_points(core)
                    if abs(0.5 * (25 * p.values["equity_ratio"] - 1) - p.values["liquidation_flow"]) < 1e-12]
        assert [p.exactness for p in points] == ["exact", "exact"]
        assert [p.free for p in points] == [("log_holdings",)] * 2
        for plain in expected:
            (point,) = [p for p in points if abs(p.values["equity_ratio"] - plain.values["equity_ratio"]) < 1e-9]
            assert {n: point.values[n] for n in plain.values} == pytest.approx(plain.values, abs=1e-15)
            assert point.admissible == plain.admissible
            assert point.values["reserves"] == 1


def test_nothing_found_from_many_starts_is_no_proof():
    points = dy.fixed_points(flow({"x": "exp(x) - x", "y": "-y"}, {"a": 1}))
    assert len(points) == 0
    assert points.provenance["exactness"] == "numeric"
    assert "may be some" in repr(points)
    none = dy.fixed_points(flow({"x": "1 + a + x**2"}, {"a": dy.Parameter(1, bounds=(0, None))}))
    assert (len(none), none.provenance["exactness"], repr(none)) == (0, "exact", "FixedPoints: 0")


def test_a_field_that_is_nowhere_defined_at_rest_has_no_fixed_point():
    """The first equation holds on a line on which the second divides by zero."""
    parts = {name: dy.Parameter(1, bounds=(0, None)) for name in "cd"}
    points = dy.fixed_points(flow({"x": "(c + d)*x - y", "y": "x/(c*x + d*x - y) + exp(x)*x*y"}, parts),
                             {"c": 1.5}, box={"x": (0.1, 2), "y": (0.1, 2)})
    assert len(points) == 0


def test_more_switches_than_can_be_split_leave_the_regimes_of_the_start_and_of_roots_found():
    kinks = " + ".join(f"max(0, x - {k})" for k in range(1, 12))
    system = dy.System(name="kinks", states={"x": 0}, parameters={"a": 1}, equations={"x": f"a - 2*x + {kinks}"})
    points = dy.fixed_points(system)
    # x = 9/2 rests as well, in another regime: 1 - 9 + 3.5 + 2.5 + 1.5 + 0.5 = 0
    assert [(p.values["x"], p.stability, p.exactness) for p in points] == [
        (0.5, "stable", "exact"), (4.5, "unstable", "exact")]
    assert points.provenance["exactness"] == "numeric"
    assert "there may be more" in repr(points)


@pytest.mark.slow  # five seconds
def test_a_composition_with_twelve_regimes_has_the_ordinary_point_and_no_other_admissible_one():
    """Two of its regimes lead to polynomials of a thousand terms, most of them factors that are known not to vanish."""
    system = dy.compose(dy.models.load("deleveraging"), "margin_tiers", "market_depth", "liquidation_engine", "funding_rate")
    points = dy.fixed_points(system)
    ordinary, = (p for p in points if p.admissible)
    assert ordinary.state["equity_ratio"] == 1 / Symbol("target_leverage")
    assert ordinary.values == {"price_gap": 0, "equity_ratio": 0.2, "liquidation_flow": 0, "depth": 1, "oracle_gap": 0,
                               "premium": 0}
    assert len(points) == 8
    assert points.provenance["exactness"] == "numeric"


# ---- more algebra than is worth its time and memory ---------------------------------------------------------------------

def coupled_accounts(count: int) -> dy.System:
    """Accounts that sell into one price where their equity is short, each with three regimes."""
    each = range(1, count + 1)
    sold = {f"sold{i}": f"5*min(1, max(0, 1 - (1 - d{i}*exp(-x)/h{i})/m))*h{i}" for i in each}
    return dy.System(
        name="accounts", states={"x": 0, **{f"h{i}": 1 for i in each}, **{f"d{i}": 0.5 + 0.05 * i for i in each}},
        parameters={"a": dy.Parameter(0.2, "1", (0, None)), "m": dy.Parameter(0.1, "1", (0, 1))}, definitions=sold,
        equations={**{f"h{i}": f"-sold{i}" for i in each}, **{f"d{i}": f"-exp(x)*sold{i}" for i in each},
                   "x": f"-x - a*({' + '.join(sold)})"})


@pytest.mark.parametrize("count", [2, 3, pytest.param(5, marks=pytest.mark.slow)])
def test_coupled_accounts_rest_wherever_none_is_short(count):
    points = dy.fixed_points(coupled_accounts(count))
    (family,) = points
    assert set(family.free) == {f"{name}{i}" for name in "hd" for i in range(1, count + 1)}
    assert family.admissible
    assert (family.state["x"], family.stability) == (0, "stable")
    # three regimes of each account, more than are solved where there are five
    assert points.provenance["exactness"] == ("exact" if 3**count <= 100 else "numeric")
    assert ("there may be more" in repr(points)) is (3**count > 100)


@pytest.mark.slow
def test_high_powers_in_two_states_are_refused_by_a_named_budget():
    system = flow({"x": "(a*x + b*y + c)**9 - x*max(y, 0)", "y": "(d*x - f*y + a)**7 - y"},
                  {"a": 0.7, "b": 1.3, "c": 0.4, "d": 0.9, "f": 0.2})
    points = dy.fixed_points(system)
    assert points.provenance["exactness"] == "numeric"
    assert "the algebra was not finished" in repr(points)
    for point in points:
        x, y = point.values["x"], point.values["y"]
        inside = y if point.regime and next(iter(point.regime.values())) else 0
        assert (0.7 * x + 1.3 * y + 0.4) ** 9 - x * inside == pytest.approx(0, abs=1e-9)
        assert (0.9 * x - 0.2 * y + 0.7) ** 7 - y == pytest.approx(0, abs=1e-9)


def test_when_patience_is_over_the_regimes_left_are_searched_and_said(monkeypatch):
    system = flow({"x": "a - x + 3*max(0, x - 2)"}, {"a": 1})
    expected = sorted(p.values["x"] for p in dy.fixed_points(system))
    monkeypatch.setattr("dynamics.analysis.equilibria.PATIENCE", -1.0)
    hurried = dy.fixed_points(system)
    assert sorted(p.values["x"] for p in hurried) == pytest.approx(expected, rel=1e-12)
    assert hurried.provenance["exactness"] == "numeric"
    assert "in 2 of 2 regimes the algebra was not finished" in repr(hurried)


def test_memory_that_is_not_there_is_no_error_of_its_own(monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    from dynamics.symbolic import exact_solutions

    monkeypatch.setattr(exact_solutions, "derive", exhausted)
    monkeypatch.setattr(exact_solutions, "solve_numeric", exhausted)
    points = dy.fixed_points(flow({"x": "a*x - x**3 + 1/7"}, {"a": 1}))
    assert points.provenance["exactness"] == "numeric"
    assert "needs more memory" in repr(points)
    assert len(points) == 3
