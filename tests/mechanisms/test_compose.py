"""compose: mechanisms in the order given, and what is refused."""

import pytest

import dynamics as dy
from dynamics.mechanisms import PORTS, extend


@pytest.fixture
def core():
    return dy.models.load("deleveraging")


def slower(system):
    """A user's mechanism."""
    return extend(system, "slower", add={"parameters": {"brake": dy.Parameter(2)}},
                  override={"definitions": {"voluntary_flow": f"({system.definitions['voluntary_flow']})/brake"}})


def test_the_order_is_kept_in_the_name(core):
    assert dy.compose(core) is core
    assert dy.compose(core, "depletion", slower).name == "deleveraging + depletion + slower"
    assert dy.compose(core, slower, "depletion").name == "deleveraging + slower + depletion"
    assert dy.compose(dy.compose(core, slower), "depletion") == dy.compose(core, slower, "depletion")


def test_a_function_is_a_mechanism(core):
    braked = dy.compose(core, slower)
    assert braked.definitions["voluntary_flow"].endswith("/brake")
    assert set(braked.definitions) == set(core.definitions)
    assert "brake" in {s.name for s in braked.field["equity_ratio"].free_symbols}
    assert dy.compose(core, lambda system: system) is core


def test_units_of_a_users_mechanism_are_checked(core):
    def wrong(system):
        return extend(system, "wrong", add={}, override={"definitions": {"effective_impact": "price_impact*reversion"}})

    with pytest.raises(dy.UnitsError, match="1/day"):
        dy.compose(core, wrong)


def test_a_missing_port_is_named():
    bare = dy.System(name="bare", states={"effective_impact": 1}, equations={"effective_impact": "0"},
                     definitions={"net_flow": "0"})
    with pytest.raises(dy.SpecificationError) as caught:
        dy.compose(bare, "depletion")
    message = str(caught.value)
    assert "the mechanism 'depletion' needs 'effective_impact', 'forced_sales', which 'bare' does not have" in message
    assert all(port in message for port in PORTS)


def test_a_collision_suggests_a_prefix_and_a_prefix_helps(core):
    with pytest.raises(dy.SpecificationError) as caught:
        dy.compose(core, "depletion", "depletion")
    assert "'log_holdings' exists already in 'deleveraging + depletion'" in str(caught.value)
    assert "apply 'depletion' with another prefix" in str(caught.value)
    assert len(caught.value.faults) == 2
    twice = dy.compose(core, "depletion", ("depletion", {"prefix": "b_"}))
    assert twice.name == "deleveraging + depletion + depletion"
    assert {"log_holdings", "b_log_holdings"} < set(twice.states)
    assert twice.measures["forced_volume"].expression == "((forced_sales)*exp(log_holdings))*exp(b_log_holdings)"


@pytest.mark.parametrize(("mechanism", "said"), [
    ("depletoin", "there is no mechanism 'depletoin'. Did you mean 'depletion'?"),
    (("depletion", {"prefx": "b_"}), "has no option 'prefx'. Did you mean 'prefix'? Options are prefix"),
    (("depletion",), "is no mechanism; give a name, (name, options)"),
    (("depletion", "b_"), "is no mechanism"),
    (5, "5 is no mechanism"),
    (None, "None is no mechanism"),
    (("depletion", {"prefix": "2 "}), "is not a name"),
    (lambda system: None, "the mechanism '<lambda>' returned NoneType, not a System"),
    (lambda system: "depletion", "returned str, not a System"),
])
def test_what_is_no_mechanism(core, mechanism, said):
    with pytest.raises(dy.SpecificationError) as caught:
        dy.compose(core, mechanism)
    assert said in str(caught.value)


def test_only_systems_are_composed():
    with pytest.raises(dy.SpecificationError, match="not to a str"):
        dy.compose("deleveraging", "depletion")


def test_extend_refuses_what_does_not_fit(core):
    with pytest.raises(dy.SpecificationError, match="no such entry to replace"):
        extend(core, "m", add={}, override={"definitions": {"no_such": "1"}})
    with pytest.raises(dy.SpecificationError, match="'price_impact' exists already"):
        extend(core, "m", add={"definitions": {"price_impact": "1"}})
    with pytest.raises(dy.SpecificationError, match="Did you mean 'definitions'"):
        extend(core, "m", add={"definition": {"a": "1"}})
    both = extend(core, "m", add={"events": {"price": dy.Event("price_gap")}, "observables": {"twice": "2*leverage"}})
    assert "price" in both.events
