"""Integration of many states: no matrix of states by states is made that would not fit."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.integration_methods import MOST_IMPLICIT, method_of
from dynamics.errors import SpecificationError


def test_edge_of_implicit_methods():
    assert method_of("LSODA", MOST_IMPLICIT) == "LSODA"
    assert method_of("LSODA", MOST_IMPLICIT + 1) == "RK45"
    assert method_of("DOP853", 10**9) == "DOP853"
    assert method_of("BDF", MOST_IMPLICIT) == "BDF"
    for method in ("Radau", "BDF"):
        with pytest.raises(SpecificationError, match="take RK45"):
            method_of(method, MOST_IMPLICIT + 1)
    for unknown in ("lsoda", None, ["RK45"]):
        with pytest.raises(SpecificationError, match="is not one of"):
            method_of(unknown, 2)


def test_twenty_thousand_states_decay_as_in_closed_form():
    system = dy.System(name="many", indices={"k": 20_000}, states={"x": dy.State(1, over="k")}, parameters={"a": 1},
                       equations={"x": "-a*x"})
    run = dy.integrate(system, 1.0, times=[0.5, 1.0])
    assert run.attrs["method"] == "RK45"
    assert np.allclose(run["x"].values, np.exp([-0.5, -1.0]), rtol=1e-6)
