"""Units: every expression fits, sizes count as well as dimensions, and nobody who has no units pays for them."""

import subprocess
import sys

import pytest

import dynamics as dy
from dynamics.systems import check_units, not_checking


def holder(**changes):
    return dy.System(**{
        "name": "holder", "time_unit": "day",
        "states": {"cash": dy.State(100, "USD"), "price": dy.State(2, "USD/share"),
                   "units": dy.State("start", "share")},
        "parameters": {"rate": dy.Parameter(0.1, "1/day"), "start": dy.Parameter(3, "share"),
                       "fx": dy.Parameter(1.1, "USD/EUR"), "debt": dy.Parameter(1, "EUR"), "power": 2,
                       "lot": dy.Parameter(1, "contract")},
        "equations": {"cash": "-rate*cash - rate*fx*debt", "price": "-rate*price", "units": "rate*(start - units)"},
        **changes})


def changed(**equations):
    return {"equations": {**holder().equations, **equations}}


def test_a_consistent_system_passes():
    system = holder(
        definitions={"worth": "cash + price*units", "share_of": "price*units/worth", "debt_USD": "fx*debt"},
        observables={"leverage": "price*units/(worth - debt_USD)"},
        measures={"lost": dy.Measure("rate*cash", "integral", "USD"), "top": dy.Measure("price", "max", "USD/share"),
                  "log_top": dy.Measure("price", "max", "1", transform="log(value/(fx*debt/start))")},
        events={"broke": dy.Event("worth", assign={"cash": "0"})},
        shocks={"fall": dy.Shock({"price": "price*exp(-magnitude)"}),
                "loss": dy.Shock({"cash": "cash - magnitude"}, unit="USD")},
        noise={"w": {"price": "price*sqrt(rate)"}}, jumps={"j": dy.Jump("rate*share_of", {"price": "price/2"})},
        invariants={"i": "cash + price*units"})
    check_units(system)


@pytest.mark.parametrize(("changes", "units"), [
    (changed(cash="cash"), ("[USD]", "[USD/day]")),
    (changed(cash="rate*price"), ("[USD/day/share]", "[USD/day]")),
    (changed(cash="rate*debt"), ("[EUR/day]", "[USD/day]")),
    (changed(cash="rate*cash + rate*debt"), ("[USD/day]", "[EUR/day]")),
    (changed(units="rate*lot"), ("[contract/day]", "[share/day]")),
    (changed(cash="rate*max(cash, price)"), ("[USD]", "[USD/share]")),
    (changed(cash="rate*cash*(1 if cash > price else 2)"), ("[USD]", "[USD/share]")),
    (changed(cash="rate*(cash if cash > 0 else price)"), ("[USD]", "[USD/share]")),
    (changed(cash="rate*cash*exp(cash)"), ("exp must be a pure number [1]", "[USD]")),
    (changed(cash="rate*cash*log(price)"), ("log must be a pure number [1]", "[USD/share]")),
    (changed(cash="rate*cash*softplus(price, cash)"), ("[USD/share]", "[USD]")),
    (changed(cash="rate*cash*hill(price, cash, 2)"), ("[USD/share]", "[USD]")),
    (changed(cash="rate*cash*hill(cash, cash, debt)"), ("exponent of hill must be a pure number [1]", "[EUR]")),
    (changed(cash="rate*cash**power"), ("[USD]", "power that is no number")),
    (changed(cash="rate*cash*2**debt"), ("an exponent must be a pure number [1]", "[EUR]")),
    ({"time_unit": "hour"}, ("[USD/day]", "[USD/hour]")),
    ({"time": "discrete"}, ("[USD/day]", "[USD]")),
    ({"states": {**holder().states, "units": dy.State("lot", "share")}}, ("[contract]", "[share]")),
    ({"measures": {"m": dy.Measure("cash")}}, ("[USD]", "[1]")),
    ({"measures": {"m": dy.Measure("cash", "integral", "USD")}}, ("[USD*day]", "[USD]")),
    ({"measures": {"m": dy.Measure("cash", transform="exp(value)")}}, ("pure number [1]", "[USD]")),
    ({"shocks": {"s": {"cash": "cash - magnitude"}}}, ("[USD]", "[1]")),
    ({"noise": {"w": {"price": "price*rate"}}}, ("[USD/day/share]", "[USD/day**0.5/share]")),
    ({"jumps": {"j": dy.Jump("1", {"price": "0"})}}, ("[1]", "[1/day]")),
    ({"events": {"e": "cash - 1"}}, ("[USD]", "[1]")),
    ({"events": {"e": dy.Event("cash", assign={"price": "cash"})}}, ("[USD]", "[USD/share]")),
    ({"invariants": {"i": "cash + price"}}, ("[USD]", "[USD/share]")),
    ({"observables": {"o": "cash + debt"}}, ("[USD]", "[EUR]")),
])
def test_a_wrong_unit_is_refused_with_both_units(changes, units):
    with pytest.raises(dy.UnitsError) as caught:
        holder(**changes)
    for unit in units:
        assert unit in str(caught.value)


def test_sizes_count_as_well_as_dimensions():
    with pytest.raises(dy.UnitsError, match=r"\[USD/hour\].*\[USD/day\]"):
        holder(parameters={**holder().parameters, "rate": dy.Parameter(0.1, "1/hour")},
               states={"cash": dy.State(1, "USD")}, equations={"cash": "-rate*cash"})
    with pytest.raises(dy.UnitsError, match="percent"):
        dy.System(name="p", states={"u": 1}, parameters={"h": dy.Parameter(5, "percent")}, equations={"u": "1 - h"})
    with pytest.raises(dy.UnitsError, match="basis_point"):
        dy.System(name="p", states={"u": 1}, parameters={"h": dy.Parameter(5, "bp")}, equations={"u": "u*exp(h)"})


def test_all_faults_are_listed():
    with pytest.raises(dy.UnitsError) as caught:
        holder(**changed(cash="cash", price="price", units="units"))
    assert len(caught.value.faults) == 3
    assert isinstance(caught.value, dy.SpecificationError)


@pytest.mark.parametrize("text", ["foo", "1/", "(", "5*day", "day;import os", "2", "9**9**9**9", "((9*day)**99)**99",
                                  "dày", "USD^2", "__import__('os')", "x" * 500, "1e400", "USD/", "day**day"])
def test_nonsense_is_no_unit(text):
    with pytest.raises(dy.UnitsError, match=r"parameters\.k\.unit: .* (is not a unit|has a number in it)"):
        dy.System(name="n", states={"u": 0}, parameters={"k": dy.Parameter(1, text)}, equations={"u": "0"})


def test_spellings_of_one_unit():
    for spelled in ("1/day", "1 / day", "day**-1", "1/days", "1/(day)", "USD/day/USD"):
        assert holder(parameters={**holder().parameters, "rate": dy.Parameter(0.1, spelled)})


def test_undeclared_units_of_a_lag_do_not_stop_the_check():
    holder(definitions={"late": "lag(price, 1/rate, 2)"}, **changed(price="rate*(late - price)"))


def test_not_checking_is_for_the_block_only():
    with not_checking():
        system = holder(**changed(cash="cash"))
    with pytest.raises(dy.UnitsError):
        check_units(system)
    with pytest.raises(dy.UnitsError):
        holder(**changed(cash="cash"))


def test_systems_without_units_import_no_pint():
    script = ("import sys, dynamics as dy; s = dy.System(name='s', states={'u': 1}, equations={'u': '-u'});"
              "dy.models.load('deleveraging');"
              "s.to_toml(); s.latex(); s._repr_html_(); assert 'pint' not in sys.modules;"
              "dy.System(name='s', states={'u': dy.State(1, 'USD')}, equations={'u': '-u'});"
              "assert 'pint' in sys.modules")
    subprocess.run([sys.executable, "-c", script], check=True)
