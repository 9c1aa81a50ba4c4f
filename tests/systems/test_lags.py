"""lag(...): a chain of states whose delay has the gamma distribution."""

import numpy as np
import pytest
from scipy import stats

import dynamics as dy


def driven(expression="lag(x, delay, 4)", **changes):
    return dy.System(**{"name": "driven", "states": {"x": 0}, "parameters": {"delay": 2.0, "goal": 1},
                        "definitions": {"late": expression}, "equations": {"x": "0"}, **changes})


def test_stages_are_states_named_after_their_host():
    system = driven()
    assert list(system.states) == ["x", "late_lag_1", "late_lag_2", "late_lag_3", "late_lag_4"]
    assert str(system.field["late_lag_2"]) == "4*(late_lag_1 - late_lag_2)/delay"
    assert system.definitions["late"] == "late_lag_4"
    assert "late" in system.states["late_lag_3"].meaning
    assert list(driven("lag(x, delay, 1)").states) == ["x", "late_lag"]
    assert list(driven("lag(x, 1, 1)*lag(x, 2, 1)").states) == ["x", "late_lag", "late_lag2"]


@pytest.mark.parametrize("stages", [1, 3, 8])
def test_the_step_response_is_the_gamma_distribution(stages):
    # the input jumps from 0 to 1 by a shock: the chain starts in equilibrium with the value before
    system = driven(f"lag(x, delay, {stages})", observables={"seen": "late"})
    run = dy.integrate(system, 12, initial_state={"x": 1.0}, times=np.linspace(0, 12, 61))
    exact = stats.gamma(a=stages, scale=2.0 / stages)
    np.testing.assert_allclose(run["seen"], exact.cdf(run["time"]), atol=2e-8)
    fine = dy.integrate(system, 60, initial_state={"x": 1.0}, times=np.linspace(0, 60, 6001))
    survival = 1 - fine["seen"].values
    mean = np.trapezoid(survival, fine["time"])
    second = 2 * np.trapezoid(survival * fine["time"].values, fine["time"])
    assert mean == pytest.approx(2.0, abs=1e-4)
    assert np.sqrt(second - mean**2) == pytest.approx(2.0 / np.sqrt(stages), abs=1e-3)


def test_the_chain_starts_in_equilibrium_with_its_input():
    system = driven("lag(exp(x) + goal*time, delay, 2)", states={"x": "log(goal + 1)"})
    assert system.initial_state()["late_lag_1"] == pytest.approx(2)
    assert system.with_parameters(goal=4).initial_state()["late_lag_2"] == pytest.approx(5)


def test_equal_lags_share_their_states():
    system = driven(definitions={"a": "lag(x, delay, 2)", "b": "2*lag(x, delay, 2)"},
                    equations={"x": "lag(x, delay, 2) - lag(x, delay, 3)"})
    assert list(system.states) == ["x", "a_lag_1", "a_lag_2", "x_lag_1", "x_lag_2", "x_lag_3"]
    assert system.definitions["b"] == "2*a_lag_2"


def test_a_lag_inside_a_lag_is_one_chain_after_the_other():
    nested = driven("lag(lag(x, 1, 2), 3, 1)", observables={"seen": "late"})
    assert len(nested.states) == 4
    run = dy.integrate(nested, 9, initial_state={"x": 1.0}, times=[0, 3, 6, 9])
    assert "lag(" not in nested.to_toml()
    through = driven(definitions={"first": "lag(x, 1, 2)", "late": "lag(first, 3, 1)"}, observables={"seen": "late"})
    np.testing.assert_allclose(
        run["seen"], dy.integrate(through, 9, initial_state={"x": 1.0}, times=[0, 3, 6, 9])["seen"], atol=1e-8)
    # closed form: convolution of gamma(2, 1/2) and exp(mean 3)
    t, u = 6.0, np.linspace(0, 6, 200001)
    kernel = stats.gamma(a=2, scale=0.5).cdf(t - u) * np.exp(-u / 3) / 3
    assert float(run["seen"][2]) == pytest.approx(np.trapezoid(kernel, u), abs=1e-7)


def test_an_observable_can_be_lagged():
    system = driven("x", observables={"price": "exp(x)", "late_price": "lag(price, delay, 2)"})
    assert str(system.field["late_price_lag_1"]) == "2*(-late_price_lag_1 + exp(x))/delay"
    assert system.initial_state()["late_price_lag_2"] == 1.0


def test_it_comes_back_from_toml(tmp_path):
    system = driven("lag(x, delay, 3) + lag(lag(x, 1, 2), 3, 1) + lag(x*time, 2, 1)",
                    observables={"p": "exp(x)", "q": "lag(p, delay, 2)"})
    (tmp_path / "m.toml").write_text(system.to_toml())
    again = dy.load(tmp_path / "m.toml")
    assert again == system
    assert again.field == system.field


@pytest.mark.parametrize(("changes", "said"), [
    ({"time": "discrete"}, "definitions.late: lag(...) is a chain of differential equations and needs time ="),
    ({"events": {"e": "lag(x, 1, 1)"}}, "events.e: use lag(...) in a definition"),
    ({"events": {"e": dy.Event("x", assign={"x": "lag(x, 1, 1)"})}}, "events.e.assign.x: use lag"),
    ({"shocks": {"s": {"x": "lag(x, 1, 1)"}}}, "shocks.s.x: use lag"),
    ({"noise": {"w": {"x": "lag(x, 1, 1)"}}}, "noise.w.x: use lag"),
    ({"jumps": {"j": dy.Jump("lag(x, 1, 1)", {"x": "0"})}}, "jumps.j: use lag"),
    ({"measures": {"m": dy.Measure("lag(x, 1, 1)")}}, "measures.m: use lag"),
    ({"measures": {"m": dy.Measure("x", transform="lag(value, 1, 1)")}}, "measures.m.transform: use lag"),
    ({"invariants": {"i": "lag(x, 1, 1)"}}, "invariants.i: use lag"),
    ({"states": {"x": "lag(goal, 1, 1)"}}, "states.x.initial: use lag"),
    ({"definitions": {"late": "lag(x, 1, 0)"}}, "from 1 to 24"),
    ({"definitions": {"late": "lag(x, 1, goal)"}}, "whole number of stages"),
    ({"definitions": {"late": "lag(x, 1, 2)", "late_lag_2": "x"}},
     "needs the name 'late_lag_2', which is already used"),
    ({"states": {"x": dy.State(0, over="bank")}, "indices": {"bank": 2}}, "lag(...) of indexed quantities"),
    ({"states": {"x": dy.State("goal", over="bank")}, "indices": {"bank": 2}}, "lag(...) of indexed quantities"),
])
def test_where_a_lag_cannot_stand(changes, said):
    with pytest.raises(dy.SpecificationError) as caught:
        driven(**changes)
    assert said in str(caught.value)
    assert len(caught.value.faults) == 1
