"""One system that uses every part of a specification."""

import pytest

import dynamics as dy


def everything_arguments():
    return {
        "name": "everything: \"quoted\" \\ text, über\nlines",
        "time": "continuous",
        "time_unit": "day",
        "indices": {"bank": 3, "asset": 2},
        "states": {
            "cash": dy.State([1, "1/3", 0.25], "USD", (0, None), "c", "cash of each bank", "bank"),
            "depth": dy.State(2, "1", (None, 1e9), None, "depth", ("asset",)),
            "price": dy.State("start_price*2", "USD/share", (0, None), "p_star"),
        },
        "parameters": {
            "start_price": dy.Parameter(0.5, "USD/share", (0, 10), "p_0", "first price", "table 1"),
            "holdings": dy.Parameter([[1, 2], [3, 4], [5, "1/7"]], "share", over=("bank", "asset")),
            "network": dy.Parameter([(0, 1, 0.5), (2, 0, "1/3")], "1/day", over=("bank", "bank"), sparse=True),
            "speed": dy.Parameter(1e-7, "1/day"),
            "delay": dy.Parameter("1/3", "day"),
            "cost": dy.Parameter(12345678901234567890, "1"),
        },
        "definitions": {
            "late": "lag(price, delay, 2)",
            "worth": "product(holdings, depth)*price",
            "whole": "total(worth, bank)",
            "gap": "price - late",
        },
        "equations": {
            "cash": "product(network, cash) - speed*cash",
            "depth": "-speed*depth*(1 if gap > 0 else 2)",
            "price": "-speed*max(gap, -gap) - speed*gap",
        },
        "observables": {"richest": "total(cash, bank)", "share_of_first": "richest/total(worth, bank)"},
        "measures": {
            "worst": dy.Measure("richest", "min", "USD", "least cash"),
            "sum": dy.Measure("gap/start_price", "integral", "1", transform="1 - exp(value/delay)"),
            "last": dy.Measure("gap", unit="USD/share", bounds=(-0.5, None)),
        },
        "events": {
            "poor": dy.Event("richest - whole/100", "falling", True, meaning="cash is gone"),
            "reset": dy.Event("price - start_price", "both", assign={"price": "start_price", "cash": "cash/2"}),
        },
        "shocks": {
            "price": dy.Shock({"price": "price*exp(-magnitude)"}, meaning="fall"),
            "run": dy.Shock({"cash": "cash - magnitude"}, (None, "1/2"), "USD"),
        },
        "noise": {"market": {"price": "price*sqrt(speed)"}, "own": {"cash": "cash*sqrt(speed)/7"}},
        "jumps": {"crash": dy.Jump("speed*(2 if price > late else 1)", {"price": "0.9*price"}, "a crash")},
        "invariants": {"nothing": "total(cash, bank) - richest"},
        "references": (dy.Reference("A. Author and B. Author", 2024, "Title: 'with' \"quotes\"", "table 2", "10.1/x"),
                       dy.Reference(title="no year")),
    }


@pytest.fixture
def arguments():
    return everything_arguments()


@pytest.fixture
def everything():
    return dy.System(**everything_arguments())
