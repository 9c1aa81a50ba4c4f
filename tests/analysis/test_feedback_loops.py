"""Feedback loops: known small systems, Mason's determinant is the characteristic polynomial, the core model's numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sympy import Expr, Piecewise, S, Symbol, expand, symbols

import dynamics as dy
from dynamics.analysis.feedback_loops import influences_of

POSITIVE = (0, None)
z = Symbol("z")


def polarities(loops) -> dict[tuple[str, ...], str]:
    return {loop.path: loop.polarity for loop in loops}


def mason_determinant(system: dy.System, loops) -> Expr:
    """z**n times Mason's graph determinant: loops that share no node, each with 1/z for every state it passes."""
    states = set(system.states)

    def over(rest, used) -> Expr:
        if not rest:
            return S.One
        loop, *others = rest
        without = over(others, used)
        if used & set(loop.path) or loop.gain == 0:
            return without
        return without - loop.gain * z ** -len(states & set(loop.path)) * over(others, used | set(loop.path))

    return expand(z ** len(states) * over(list(loops), set()))


# ---- known small systems --------------------------------------------------------------------------------------------

def test_logistic_growth_has_one_loop_of_each_kind() -> None:
    system = dy.System(name="logistic", states={"x": dy.State(0.1, bounds=POSITIVE)},
                       parameters={"r": dy.Parameter(1, bounds=POSITIVE), "K": dy.Parameter(2, bounds=POSITIVE)},
                       definitions={"births": "r*x", "deaths": "r*x**2/K"}, equations={"x": "births - deaths"})
    loops = {loop.definition: loop for loop in dy.feedback_loops(system)}
    r, x, capacity = symbols("r x K")
    assert {name: loop.polarity for name, loop in loops.items()} == {"births": "reinforcing", "deaths": "balancing"}
    assert loops["births"].gain == r
    assert (loops["deaths"].gain + 2 * r * x / capacity).equals(0)


def test_predator_and_prey_balance_each_other() -> None:
    system = dy.System(name="lotka", states={n: dy.State(1, bounds=POSITIVE) for n in ("prey", "predator")},
                       parameters={name: dy.Parameter(1, bounds=POSITIVE) for name in "abcd"},
                       equations={"prey": "prey*(a - b*predator)", "predator": "predator*(c*prey - d)"})
    loops = dy.feedback_loops(system)
    assert polarities(loops)["prey", "predator"] == "balancing"
    assert polarities(loops)["prey",].startswith("depends on a - b*predator")
    at_rest = dy.feedback_loops(system, {"prey": "d/c", "predator": "a/b"})
    assert polarities(at_rest) == {("prey",): "inactive at this state", ("predator",): "inactive at this state",
                                   ("prey", "predator"): "balancing"}
    a, d = symbols("a d")
    assert at_rest[2].gain == -a * d


def test_mutual_inhibition_reinforces() -> None:
    strength = dy.Parameter(3, bounds=POSITIVE)
    system = dy.System(name="toggle", states={n: dy.State(1, bounds=POSITIVE) for n in "xy"}, parameters={"a": strength},
                       equations={"x": "a/(1 + y**2) - x", "y": "a/(1 + x**2) - y"})
    assert polarities(dy.feedback_loops(system)) == {("x",): "balancing", ("y",): "balancing", ("x", "y"): "reinforcing"}


def test_an_undecided_sign_names_what_decides() -> None:
    system = dy.System(name="undecided", states={"x": 1}, equations={"x": "(a - b)*x"},
                       parameters={"a": dy.Parameter(1, bounds=POSITIVE), "b": dy.Parameter(2, bounds=POSITIVE)})
    (loop,) = dy.feedback_loops(system, {"x": 1})
    assert loop.polarity == "depends on a - b, reinforcing where it is positive"
    assert loop.value == -1.0


def test_gain_of_a_chain_is_the_product_of_jacobian_entries() -> None:
    system = dy.System(name="chain", states=dict.fromkeys("xyz", 0.5), parameters={"a": 2},
                       definitions={"f": "sin(x)", "g": "f**2"}, equations={"x": "-tanh(z)", "y": "a*g", "z": "y**3"})
    at = {"x": "1/3", "y": "1/2", "z": "1/5"}
    (loop,) = dy.feedback_loops(system, at)
    matrix = dy.jacobian(system, at)
    assert loop.path == ("x", "f", "g", "y", "z")
    assert loop.definition == "f"
    assert loop.value == pytest.approx(float((matrix[1, 0] * matrix[2, 1] * matrix[0, 2]).subs({"a": 2})), rel=1e-14)


# ---- an independent truth: Mason ------------------------------------------------------------------------------------

@pytest.mark.parametrize(("size", "seed"), [(3, 1), (3, 2), (3, 3), (4, 4), (4, 5)])
def test_loops_of_random_linear_systems_give_the_characteristic_polynomial(size: int, seed: int) -> None:
    generator = random.Random(seed)
    names = [f"x{k}" for k in range(size)]
    rows = {a: " + ".join(f"({generator.randint(-5, 5)})*{b}" for b in names) for a in names}
    system = dy.System(name="linear", states=dict.fromkeys(names, 0), equations=rows)
    at = dict.fromkeys(names, 0)
    assert mason_determinant(system, dy.feedback_loops(system, at)) == expand(dy.characteristic_polynomial(system, at))


@pytest.mark.parametrize("mechanisms", [(), ("depletion",)])
@pytest.mark.parametrize("target", [5, 25])  # the ordinary point and the margin-call equilibrium
def test_loops_of_the_core_model_give_its_characteristic_polynomial(mechanisms: tuple[str, ...], target: int) -> None:
    system = dy.compose(dy.models.load("deleveraging").with_parameters(target_leverage=target), *mechanisms)
    point = dy.fixed_points(system)[0]
    loops = dy.feedback_loops(system, point)
    difference = mason_determinant(system, loops) - dy.characteristic_polynomial(system, point)
    assert expand(difference.xreplace(system.exact_parameters)) == 0
    assert difference.equals(0)


# ---- the core model -------------------------------------------------------------------------------------------------

def test_loops_of_the_core_model_at_its_ordinary_point() -> None:
    system = dy.models.load("deleveraging")
    loops = {loop.path: loop for loop in dy.feedback_loops(system, dy.fixed_points(system)[0])}
    theta, eta, target = symbols("adjustment price_impact target_leverage")
    price_loop = loops["equity_ratio", "voluntary_flow", "net_flow", "price_change"]
    assert price_loop.polarity == "reinforcing"
    assert price_loop.definition == "voluntary_flow"
    assert (price_loop.gain - theta * eta * (target - 1)).equals(0)
    assert price_loop.value == pytest.approx(0.5 * 0.3 * 4)
    assert loops["equity_ratio", "voluntary_flow", "net_flow"].gain == -theta
    forced = loops["equity_ratio", "margin_call_rate", "liquidation_flow", "forced_sales", "net_flow", "price_change"]
    assert forced.polarity == "inactive where equity_ratio - maintenance_margin > 0"
    assert forced.gain == 0


def test_without_a_place_gains_keep_their_regimes() -> None:
    system = dy.models.load("deleveraging")
    (forced,) = [loop for loop in dy.feedback_loops(system) if len(loop.path) == 6]
    assert isinstance(forced.gain, Piecewise)
    assert forced.polarity == "reinforcing if -equity_ratio + maintenance_margin > 0; inactive elsewhere"
    here = dict(system.exact_parameters)
    u = Symbol("equity_ratio")
    # Q eta (1 - u)/(tau u_m)
    assert float(forced.gain.subs({**here, u: S(1) / 50})) == pytest.approx(20 * 0.3 * 0.98 / (0.02 * 0.05))
    assert forced.gain.subs({**here, u: S(1) / 10}) == 0


def test_new_parameters_change_values_only() -> None:
    system = dy.models.load("deleveraging")
    point = dy.fixed_points(system)[0]
    before, after = dy.feedback_loops(system, point), dy.feedback_loops(system, point, parameters={"price_impact": 0.6})
    assert [loop.gain for loop in before] == [loop.gain for loop in after]
    assert (before[4].value, after[4].value) == (pytest.approx(0.6), pytest.approx(1.2))


def test_a_state_known_in_decimals_gives_numbers() -> None:
    system = dy.models.load("deleveraging", margin_call="hill")
    point = dy.fixed_points(system)[0]
    loops = dy.feedback_loops(system, point)
    rate = (point.values["equity_ratio"] * 12) ** 8
    slope = 6 * 8 * rate / (point.values["equity_ratio"] * (1 + rate) ** 2)
    assert [loop.value for loop in loops if len(loop.path) == 5] == [pytest.approx(
        -slope * point.values["equity_ratio"] / 0.02, rel=1e-12)]
    assert loops[0].polarity == "inactive at this state"


def test_a_map_and_results_survive_a_file(tmp_path) -> None:
    cascade = dy.models.load("liquidation_cascade")
    loops = dy.feedback_loops(cascade, {"fall": "1/25"})
    assert loops[0].value == pytest.approx(0.15 * np.exp(-(np.log(0.4) / 0.5) ** 2 / 2) / (0.04 * 0.5 * np.sqrt(2 * np.pi)))
    assert dy.open(dy.save(loops, tmp_path / "loops.json")) == loops


def test_too_many_loops_are_refused() -> None:
    names = [f"x{k}" for k in range(7)]
    system = dy.System(name="dense", states=dict.fromkeys(names, 0), equations=dict.fromkeys(names, " + ".join(names)))
    with pytest.raises(dy.DerivationError, match="more than 200 feedback loops"):
        dy.feedback_loops(system)


def test_a_singular_gain_is_told() -> None:
    system = dy.System(name="pole", states={"x": 1}, equations={"x": "log(x)"})
    with pytest.raises(dy.DerivationError, match="not finite"):
        dy.feedback_loops(system, {"x": 0})


def test_a_sign_that_differs_between_regimes_is_no_sign() -> None:
    system = dy.System(name="bent", states={"x": 1, "y": 1}, equations={"x": "abs(y)", "y": "-x"})
    (loop,) = dy.feedback_loops(system)
    assert set(loop.polarity.split("; ")) == {"balancing if y > 0", "reinforcing if -y > 0"}
    assert influences_of(system).links == {("x", "y"): "balancing", ("y", "x"): "depends"}
    assert influences_of(system, {"x": 0, "y": -2}).links["y", "x"] == "balancing"
    assert influences_of(system, {"x": 0, "y": -2}).loops == ((("x", "y"), "reinforcing"),)


# ---- dominance ------------------------------------------------------------------------------------------------------

def test_dominance_of_logistic_growth_changes_at_half_the_capacity() -> None:
    system = dy.System(name="logistic", states={"x": 0.01}, parameters={"r": 1},
                       definitions={"births": "r*x", "deaths": "r*x**2"}, equations={"x": "births - deaths"})
    run = dy.integrate(system, 10, parameters={"r": 2})
    dominance = dy.loop_dominance(system, run)
    x = run["x"].values
    np.testing.assert_allclose(dominance["gain"].values, np.column_stack([np.full_like(x, 2), -4 * x]), rtol=1e-14)
    np.testing.assert_array_equal(dominance["dominant"].values[:, 0], np.sign(0.5 - x))
    assert dominance["gain"].dims == ("time", "loop")


def test_strength_is_a_rate_whatever_the_number_of_states() -> None:
    system = dy.System(name="oscillator", states={"x": 1, "v": 0}, parameters={"k": 9}, equations={"x": "v", "v": "-k*x"})
    dominance = dy.loop_dominance(system, dy.integrate(system, 1))
    np.testing.assert_allclose(dominance["balancing"].values, 3, rtol=1e-14)
    assert not dominance["reinforcing"].values.any()


def test_a_trajectory_of_something_else_is_refused() -> None:
    system = dy.models.load("deleveraging")
    other = dy.integrate(dy.System(name="decay", states={"x": 1}, equations={"x": "-x"}), 1)
    with pytest.raises(dy.SpecificationError, match="price_gap"):
        dy.loop_dominance(system, other)
