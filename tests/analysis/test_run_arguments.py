"""The same bad argument is told in the same sentence by every analysis of shocked trajectories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError

CORE = dy.models.load("deleveraging")
LEVERAGE = [2.0, 3.0]
PLANE = (("target_leverage", LEVERAGE), ("price_impact", [0.1, 0.2]))
RETURNS = 0.01 * np.random.default_rng(0).standard_normal(200)
ANALYSES: dict[str, Callable[..., Any]] = {
    "cascade_threshold": lambda **bad: dy.cascade_threshold(CORE, **bad),
    "critical_shocks": lambda **bad: dy.critical_shocks(CORE, "target_leverage", LEVERAGE, **bad),
    "edge_state": lambda **bad: dy.edge_state(CORE, **{"shock": "price", **bad}),
    "exposure": lambda **bad: dy.exposure(CORE, {"target_leverage": LEVERAGE}, RETURNS, **bad),
    "sweep": lambda **bad: dy.sweep(CORE, {"target_leverage": LEVERAGE}, "threshold", **bad),
    "phase_diagram": lambda **bad: dy.phase_diagram(CORE, *PLANE, **bad),
}
TAKEN = {
    "duration": ["cascade_threshold", "critical_shocks", "edge_state", "sweep", "phase_diagram"],
    "tolerance": ["cascade_threshold", "critical_shocks", "edge_state", "sweep"],
    "ramp": ["cascade_threshold", "critical_shocks", "exposure"],
    "bracket": ["cascade_threshold", "edge_state"],
    "shock": list(ANALYSES),
    "event": list(ANALYSES),
    "parameters": ["cascade_threshold", "critical_shocks", "edge_state", "phase_diagram"],
}
NUMBERS = [float("nan"), float("inf"), -1.0, True, "1 s", [1.0]]
BAD = [
    *(("duration", value, f"duration must be a positive number, not {value!r}") for value in [*NUMBERS, 0, 0.0]),
    *(("tolerance", value, f"tolerance must lie between 0 and 1, not {value!r}") for value in [*NUMBERS, 0, 1.0, None]),
    *(("ramp", value, f"ramp must be a time of at least 0, not {value!r}") for value in [*NUMBERS, None]),
    *(("bracket", value, f"bracket must be two different finite magnitudes, not {value!r}")
      for value in [5, "ab", (0.1, 0.1), (0.0, float("nan")), (0.0, float("inf")), (0.1,), (0.0, "x"), (0.0, True)]),
    *(("shock", value, f"'{value}' is not a shock of '{CORE.name}'.") for value in ["prise", 5, ["price"]]),
    ("shock", "prise", "Did you mean 'price'?"),
    *(("event", value, f"'{value}' is not an event of '{CORE.name}'.") for value in ["insolvensy"]),
    ("event", "insolvensy", "Did you mean 'insolvency'?"),
    ("event", 5, f"event: name an event of '{CORE.name}', several, or \"any\"; not 5"),
    ("event", [], f"event: name an event of '{CORE.name}', several, or \"any\"; the list is empty"),
    ("parameters", {"price_impct": 0.1}, "Did you mean 'price_impact'?"),
    ("parameters", "price_impact", "parameters: must map names to values, not str"),
    ("parameters", {"price_impact": "x"}, "parameters.price_impact"),
]


@pytest.mark.parametrize(("argument", "value", "sentence"), BAD)
def test_a_bad_argument_gets_the_same_sentence_everywhere(argument: str, value: Any, sentence: str) -> None:
    for name in TAKEN[argument]:
        with pytest.raises(dy.SpecificationError) as caught:
            ANALYSES[name](**{argument: value})
        assert sentence in str(caught.value), name


@pytest.mark.parametrize("name", ["cascade_threshold", "critical_shocks", "exposure"])
def test_where_a_shock_is_needed_none_is_refused(name: str) -> None:
    with pytest.raises(dy.SpecificationError, match="'None' is not a shock of"):
        ANALYSES[name](shock=None)


@pytest.mark.parametrize("measure", [None, [], ()])
def test_a_sweep_that_would_keep_nothing_is_refused(measure) -> None:
    plain = dy.System(name="plain", states={"x": 1.0}, parameters={"k": 1.0}, equations={"x": "-k*x"})
    with pytest.raises(SpecificationError, match=r"'plain' declares none; say which numbers to keep. There are x, regime"):
        dy.sweep(plain, {"k": [1.0, 2.0]}, measure)
