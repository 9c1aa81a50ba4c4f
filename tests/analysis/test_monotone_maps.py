"""Least and greatest fixed points against closed forms, and what is refused."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import ConvergenceError, DerivationError, SpecificationError


def scalar(text, **parameters):
    return dy.System(name="map", time="discrete", states={"x": 0}, parameters=parameters or {"unused": 1},
                     equations={"x": text})


def test_clearing_vector_of_a_ring_of_banks():
    """Eisenberg and Noe: three banks owe 10 to the next one; the one with 4 outside pays 4 where nobody else pays."""
    banks = dy.System(name="clearing", time="discrete", indices={"bank": 3, "other": 3},
                      states={"paid": dy.State((0, 0, 0), over="bank")},
                      parameters={"share": dy.Parameter(((0, 0, 1), (1, 0, 0), (0, 1, 0)), over=("bank", "bank")),
                                  "outside": dy.Parameter((4, 0, 0), over="bank"), "debt": 10},
                      equations={"paid": "min(debt, outside + product(share, paid))"})
    both = dy.extremal_fixed_points(banks, {"paid": 0}, {"paid": 10})
    # each round of payments adds the 4 from outside until all debts of 10 are paid
    assert both["paid"].values.T.tolist() == [[10, 10, 10], [10, 10, 10]]
    assert both.attrs["unique"]
    closed = dy.extremal_fixed_points(banks, {"paid": 0}, {"paid": 10}, parameters={"outside": (0, 0, 0)})
    assert closed["paid"].values.T.tolist() == [[0, 0, 0], [10, 10, 10]]
    assert not closed.attrs["unique"]


def test_three_fixed_points_of_a_sigmoid():
    sigmoid = scalar("tanh(a*x)", a=2)
    both = dy.extremal_fixed_points(sigmoid, {"x": -1}, {"x": 1}, tolerance=1e-13)
    assert both["x"].values == pytest.approx([-0.9575040240772687, 0.9575040240772687], abs=1e-12)
    assert np.all(both["residual"] < 1e-13)


@pytest.mark.parametrize(("make", "arguments", "error", "says"), [
    (lambda: scalar("-x"), ({"x": -1}, {"x": 1}), DerivationError, "does not preserve order"),
    (lambda: scalar("x + 1"), ({"x": 0}, {"x": 1}), ConvergenceError, "not reached in 50 steps"),
    (lambda: scalar("x/2"), ({"x": 1}, {"x": 0}), SpecificationError, "lower corner is above"),
    (lambda: scalar("x/2"), ({"y": 1}, {"x": 0}), SpecificationError, "'y' is not a state"),
    (lambda: scalar("x/(x - 1)"), ({"x": 1}, {"x": 2}), ConvergenceError, "no longer finite"),
    (lambda: scalar("x/(1 + time)"), ({"x": 0}, {"x": 1}), DerivationError, "contain time"),
    (lambda: dy.models.load("keen"), ({}, {}), SpecificationError, "discrete time"),
])
def test_what_cannot_be_done_is_said(make, arguments, error, says):
    with pytest.raises(error, match=says):
        dy.extremal_fixed_points(make(), *arguments, most_steps=50)
