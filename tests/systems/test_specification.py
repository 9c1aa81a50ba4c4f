"""What a System accepts, what it refuses, and how it says so."""

import math

import pytest

import dynamics as dy


def fold(**changes):
    return dy.System(**{"name": "fold", "states": {"u": 0.1}, "parameters": {"mu": 1.0},
                        "equations": {"u": "mu - u**2"}, **changes})


def faults_of(**changes):
    with pytest.raises(dy.SpecificationError) as caught:
        fold(**changes)
    return caught.value.faults


def the_fault(**changes):
    faults = faults_of(**changes)
    assert len(faults) == 1, faults
    return faults[0]


def test_the_smallest_literal_is_the_full_form():
    full = dy.System(name="fold", time="continuous", states={"u": dy.State(initial=0.1)},
                     parameters={"mu": dy.Parameter(value=1.0)}, equations={"u": "mu - u**2"})
    assert fold(time="continuous") == full
    assert full.states["u"].initial == 0.1
    assert full.initial_state() == {"u": 0.1}


def test_every_fault_is_reported_at_once():
    with pytest.raises(dy.SpecificationError) as caught:
        dy.System(
            name="", time="weekly", time_unit=5,
            states={"u": True, "v": dy.State(1, bounds=(2, 1)), "2x": 0, "w": 0, "u2": "target_leverge"},
            parameters={"target_leverage": math.nan, "mu": dy.Parameter(5, bounds=(0, 1)),
                        "rho": dy.Parameter(1, unit=3)},
            definitions={"flow": "mu +* 2", "other": "flow + typo_name", "time": "1"},
            equations={"u": "mu", "v": "u^2", "w": "lambda", "z": "1", "u2": None},
            measures={"m": dy.Measure("u", "maximum")},
            events={"e": dy.Event("u", "down"), "f": dy.Event("u", assign={"q": "1"})},
            shocks={"s": {"u": "u - magnitud"}}, noise={"n": {"uu": "1"}}, jumps={"j": dy.Jump("", {"w": "1"})},
            invariants=["u"], references=["a book"], indices={"bank": 0})
    faults = caught.value.faults
    expected = ["name:", "time:", "time_unit:", "states: '2x'", "states.v.bounds", "parameters.target_leverage",
                "parameters.mu", "parameters.rho.unit", "definitions.flow", "definitions.other", "definitions.time",
                "equations.v", "equations.w", "equations.z", "equations.u2", "measures.m.reduction",
                "events.e.direction", "events.f.assign.q", "shocks.s.assign.u", "noise.n.uu", "jumps.j", "invariants",
                "references", "indices.bank", "states.u2.initial", "states.u.initial"]
    missing = [start for start in expected if not any(fault.startswith(start) for fault in faults)]
    assert not missing
    assert len(faults) == len(expected)
    for number, fault in enumerate(faults, 1):
        assert f"{number}. {fault}" in str(caught.value)
    assert f"has {len(faults)} faults" in str(caught.value)


def test_one_fault_is_not_reported_as_many():
    # the faulty parameter is used in three places, each of which is right
    fault = the_fault(parameters={"mu": math.inf}, definitions={"a": "mu"}, equations={"u": "mu + a"})
    assert fault.startswith("parameters.mu.value: inf is not finite")
    fault = the_fault(states={"u": dy.State(0, symbol="a b")})
    assert fault.startswith("states.u.symbol")


def test_a_fault_that_mentions_a_name_does_not_hide_that_name():
    faults = faults_of(parameters={"mu": math.nan, "m": 2, "u2": True}, equations={"u": "mu*m*u2*q"})
    places = [fault.split(":")[0].split(",")[0] for fault in faults]
    assert places == ["parameters.mu.value", "parameters.u2.value", "equations.u"]


@pytest.mark.parametrize(("changes", "said"), [
    ({"equations": {"u": "mu - v**2"}}, "'v' is not a declared name"),
    ({"equations": {"u": "muu - u**2"}}, "Did you mean 'mu'?"),
    ({"equations": {"u": "mu - u^2"}}, "write **"),
    ({"equations": {}}, "equations.u: missing"),
    ({"equations": {"u": "1", "w": "2"}}, "equations.w: 'w' is not a state"),
    ({"equations": {"u": "1", "uu": "2"}}, "Did you mean 'u'?"),
    ({"equations": {"u": ["1"]}}, "must be an expression (text), not list"),
    ({"states": {}}, "at least one state"),
    ({"states": 5}, "states: must be a mapping"),
    ({"states": {"u": dy.State(0, bounds=(0, math.nan))}}, "states.u.bounds"),
    ({"states": {"u": dy.State(0, bounds=(math.inf, None))}}, "not finite"),
    ({"states": {"u": dy.State(0, bounds=(1,))}}, "must be (lower, upper)"),
    ({"states": {"u": dy.State(0, bounds=(1, 1))}}, "lower bound 1 is not below"),
    ({"states": {"u": dy.State(0, unit=None)}}, "states.u.unit: must be a text"),
    ({"states": {"u": dy.State(0, meaning="\ud800")}}, "cannot be written to a file"),
    ({"states": {"u": dy.State(0, over=5)}}, "states.u.over: must be a tuple"),
    ({"states": {"u": dy.State(0, over=([],))}}, "states.u.over: must be a tuple"),
    ({"states": {"u": dy.State(0, over="banks")}, "indices": {"bank": 2}}, "Did you mean 'bank'?"),
    ({"states": {"u": dy.State("mmu")}}, "Did you mean 'mu'?"),
    ({"states": {"u": dy.State("u + 1")}}, "'u' is not a declared name"),
    ({"states": {"u": dy.Parameter(1)}}, "states.u.initial"),
    ({"parameters": {"mu": dy.Parameter(2, bounds=(0, 1))}}, "the value 2 is outside its bounds [0, 1]"),
    ({"parameters": {"mu": 10**400}}, "too large"),
    ({"parameters": {"mu": 1 + 2j}}, "not a number"),
    ({"parameters": {"mu": "pi"}}, "parameters.mu"),
    ({"parameters": {"mu": "sqrt(2)"}}, "not a rational number"),
    ({"parameters": {"mu": dy.Parameter(1, sparse="yes")}}, "parameters.mu.sparse"),
    ({"parameters": {"mu": dy.State(1)}}, "parameters.mu"),
    ({"parameters": {"mu": 1, "u": 1}}, "parameters.u: the name is already used in states"),
    ({"observables": {"mu": "u"}}, "already used in parameters"),
    ({"parameters": {"mu": 1, "time": 1}}, "'time' is reserved"),
    ({"observables": {"magnitude": "u"}}, "'magnitude' is reserved"),
    ({"observables": {"event_time": "u"}}, "'event_time' is reserved for the events of a trajectory"),
    ({"indices": {"path": 3}}, "'path' is reserved for the paths of a simulation"),
    ({"definitions": {"value": "u"}}, "'value' is reserved"),
    ({"definitions": {"exp": "u"}}, "function of the language"),
    ({"definitions": {"a b": "u"}}, "is not a name"),
    ({"definitions": {5: "u"}}, "is not a name"),
    ({"definitions": {"seen": "value"}}, "'value' is not a declared name"),
    ({"definitions": {"a": "o"}, "observables": {"o": "u"}}, "'o' is not a declared name"),
    ({"measures": {"m": dy.Measure("u", "mxa")}}, "Did you mean 'max'?"),
    ({"measures": {"m": dy.Measure("u", transform="u + value")}}, "measures.m.transform"),
    ({"measures": {"m": 5}}, "must be a Measure"),
    ({"measures": {"m": dy.Measure("u", bounds=(2, 1))}}, "measures.m.bounds: the lower bound 2 is not below"),
    ({"events": {"e": dy.Event("u", terminal="yes")}}, "events.e.terminal: must be True or False"),
    ({"events": {"e": dy.Event("u", assign={"v": "1"})}}, "events.e.assign.v: 'v' is not a state"),
    ({"events": {"e": dy.Event("u", assign=5)}}, "events.e.assign: must map state names"),
    ({"events": {"e": dy.Event("magnitude")}}, "'magnitude' is not a declared name"),
    ({"shocks": {"s": dy.Shock("u")}}, "shocks.s.assign: must map"),
    ({"shocks": {"s": dy.Shock({"u": "u - magnitude"}, bounds=(1, 0))}}, "shocks.s.bounds"),
    ({"noise": {"w": {"u": "magnitude"}}}, "noise.w.u"),
    ({"noise": {"w": "u"}}, "noise.w: must map"),
    ({"jumps": {"j": dy.Jump("rate", {"u": "0"})}}, "jumps.j.rate"),
    ({"jumps": {"j": dy.Jump("1", {"uu": "0"})}}, "Did you mean 'u'?"),
    ({"invariants": {"h": "u + w"}}, "invariants.h"),
    ({"references": (dy.Reference(year="1999"),)}, "references[0].year"),
    ({"references": (dy.Reference(authors=["A"]),)}, "references[0].authors"),
    ({"references": 5}, "references: must be a sequence"),
    ({"indices": {"bank": 2.0}}, "indices.bank"),
    ({"indices": {"bank": True}}, "indices.bank"),
    ({"name": None}, "name: a system needs a name"),
    ({"name": "  "}, "name: a system needs a name"),
    ({"time": None}, "time: must be"),
    ({"time_unit": None}, "time_unit: must be a text"),
])
def test_a_fault_is_a_sentence_with_its_place(changes, said):
    faults = faults_of(**changes)
    assert any(said in fault for fault in faults), faults
    assert len(faults) <= 3, faults


def test_a_cycle_shows_its_path():
    fault = the_fault(definitions={"a": "b + 1", "b": "c*u", "c": "2*a", "d": "a"})
    assert fault == "definitions.a: defined through itself: a -> b -> c -> a"
    assert "a -> a" in the_fault(definitions={"a": "a + u"})
    assert fault.startswith("definitions")
    assert the_fault(observables={"p": "q", "q": "p"}).startswith("observables.p")


def test_definitions_may_stand_in_any_order_and_in_long_chains():
    chain = {f"d{k}": f"d{k + 1} + 1" for k in range(1200)} | {"d1200": "u"}
    system = fold(definitions=chain, equations={"u": "d0 - mu"})
    assert str(system.field["u"]) == "-mu + u + 1200"
    backwards = dict(reversed(chain.items()))
    assert fold(definitions=backwards, equations={"u": "d0 - mu"}).field == system.field


def test_every_part_arrives(everything):
    assert everything.states["price"].bounds == (0, None)
    assert everything.measures["sum"].transform == "1 - exp(value/delay)"
    assert str(everything._parsed.transforms["sum"]) == "1 - exp(value/delay)"
    assert everything.events["reset"].assign == {"price": "start_price", "cash": "cash/2"}
    assert everything.shocks["run"].bounds[1] * 2 == 1
    assert everything.noise["market"]["price"] == "price*sqrt(speed)"
    assert everything.jumps["crash"].rate.startswith("speed*")
    assert everything.invariants["nothing"]
    assert str(everything.references[0]).endswith("https://doi.org/10.1/x")
    assert everything.indices == {"bank": 3, "asset": 2}
    assert everything.parameter_values["network"] == ((0, 1, 0.5), (2, 0, 1 / 3))
    assert everything.initial_state()["price"] == 1.0
    assert everything.over["worth"] == ("bank",)


def test_namespaces_of_events_shocks_measures_and_noise_are_their_own():
    system = fold(measures={"u": dy.Measure("u")}, events={"u": dy.Event("u")}, shocks={"u": {"u": "u - magnitude"}},
                  noise={"u": {"u": "1"}}, jumps={"u": dy.Jump("1", {"u": "0"})})
    assert system.measures["u"].reduction == "final"


def test_greek_and_latin_names_of_the_field_are_names():
    names = ("E", "I", "S", "N", "Q", "O", "D", "C", "beta", "gamma", "zeta", "pi", "lambda_", "re", "im")
    system = fold(parameters=dict.fromkeys(names, 1), equations={"u": " + ".join(names)})
    assert {s.name for s in system.field["u"].free_symbols} == set(names)


def test_bounds_take_infinities_of_the_right_sign():
    system = fold(states={"u": dy.State(0, bounds=(-math.inf, math.inf))})
    assert system.states["u"].bounds == (None, None)


@pytest.mark.parametrize("number", [0.1, 1/3, 5e-324, 1.7976931348623157e308, -2.5e-7, 1e22, 123456.789])
def test_a_number_comes_back_as_it_was_written(number):
    from fractions import Fraction

    from dynamics.systems.numbers import as_float, exact

    value = exact(number, "here")
    assert Fraction(int(value.p), int(value.q)) == Fraction(repr(number))
    assert as_float(value) == number
