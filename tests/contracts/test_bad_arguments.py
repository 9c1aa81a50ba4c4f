"""Whatever is given in place of an argument, the answer is a sentence of the package, never a library's exception."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import DynamicsError

FLOW = dy.System(
    name="flow", states={"x": 1, "e": 1}, parameters={"a": 1, "b": dy.Parameter(0.5, "1", (0, 2))},
    equations={"x": "a - x", "e": "-b*e"}, observables={"o": "x*e"}, measures={"m": dy.Measure("x", "max")},
    events={"lost": dy.Event("e - 0.1", terminal=True)}, shocks={"price": dy.Shock({"x": "x - magnitude"})})
INDEXED = dy.System(name="indexed", indices={"k": 2}, states={"x": dy.State([1, 2], over="k")},
                    parameters={"a": dy.Parameter([1, 1], over="k")}, equations={"x": "-a*x*total(x, k)"})
NOISY = dy.System(name="noisy", states={"x": 1}, parameters={"a": 1}, equations={"x": "a - x"}, noise={"w": {"x": "0.1"}})
MAP = dy.System(name="map", time="discrete", states={"x": 0.3}, parameters={"a": 2}, equations={"x": "a*x*(1 - x)"})
LEAST = {"name": "least", "states": {"x": 1}, "equations": {"x": "-x"}}
GRID = {"over": {"a": [1.0, 2.0]}, "measure": "x", "duration": 1.0}
PLANE = {"x": ("a", [1.0, 2.0]), "y": ("b", [0.1, 0.2]), "duration": 1.0}
BAD = [
    None, float("nan"), float("inf"), -float("inf"), -1, 0, "", "abc", "1", "x\x00y", [], {}, (), set(), b"x", True, 1e308,
    10**400, 1j, object(), FLOW, range(0), np.float64(2), np.int64(3), np.bool_(True), np.array([1.0, 2.0]),
    np.array([[1.0]]), [None], ["a"], ("a", [1, 2]), ("a", None), {"zzz": 1}, {1: 2}, {None: [1]}, {"x": None}, {"x": "q"},
    {"x": float("nan")}, {"x": [1, 2]}, {"x": 1j}, {"x": True}, {"x": np.array([1.0])}, {"a": "zz"}, {"a": 10**400},
    {"a": None}, {"a": []}, {"a": [np.nan]}, {"a": [[1]]}, {"a": [1, "b"]}, {"a": {}}, {"shock:price": [None]},
    {"shock:zz": [1]},
]
CALLS = {
    dy.integrate: ({"system": FLOW, "duration": 1.0}, ("initial_state", "parameters", "times", "method",
                   "relative_tolerance", "absolute_tolerance", "ignore")),
    dy.iterate: ({"system": MAP, "steps": 3}, ("initial_state", "parameters", "seed")),
    dy.simulate: ({"system": NOISY, "duration": 1.0, "time_step": 0.1, "paths": 2, "seed": 1},
                  ("initial_state", "parameters", "method")),
    dy.apply_shock: ({"system": FLOW, "state": {}, "shock": "price", "magnitude": 0.1}, ()),
    dy.fixed_points: ({"system": FLOW}, ("parameters", "box")),
    dy.jacobian: ({"system": FLOW}, ("at",)),
    dy.sweep: ({"system": FLOW, **GRID}, ("initial_state", "relative_tolerance", "store", "shock", "event", "magnitude")),
    dy.phase_diagram: ({"system": FLOW, **PLANE}, ("magnitude", "event", "measures", "shock")),
    dy.cascade_threshold: ({"system": FLOW, "duration": 1.0}, ("bracket", "shock", "tolerance", "initial_state", "event")),
    dy.System: (LEAST, ("time", "parameters", "definitions", "observables", "measures", "events", "shocks", "noise",
                        "jumps", "invariants", "references", "time_unit", "indices")),
    dy.load: ({"path": "none.toml"}, ()),
    dy.open: ({"path": "none.json"}, ()),
    dy.save: ({"result": 0, "path": "r.json"}, ()),
}
PLACES = [(call, name) for call, (usual, more) in CALLS.items() for name in (*usual, *more)]


def refuses_or_works(call):
    """Only the package's own errors are let pass; what is no answer and no such error is listed."""
    raised = []
    for bad in BAD:
        try:
            call(bad)
        except DynamicsError:
            pass
        except Exception as error:
            raised.append(f"{bad!r:.40}: {type(error).__name__}: {error}")
    assert not raised, "\n".join(raised)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("function", "name"), PLACES, ids=[f"{call.__name__}-{name}" for call, name in PLACES])
def test_every_argument(function, name):
    usual = CALLS[function][0]
    refuses_or_works(lambda bad: function(**{**usual, name: bad}))


@pytest.mark.parametrize(("part", "field"), [
    (dy.State, "initial"), (dy.State, "unit"), (dy.State, "bounds"), (dy.State, "symbol"), (dy.State, "over"),
    (dy.Parameter, "value"), (dy.Parameter, "bounds"), (dy.Parameter, "sparse"), (dy.Parameter, "source"),
    (dy.Event, "expression"), (dy.Event, "direction"), (dy.Event, "terminal"), (dy.Event, "assign"),
    (dy.Measure, "expression"), (dy.Measure, "reduction"), (dy.Measure, "transform"), (dy.Measure, "bounds"),
    (dy.Shock, "assign"), (dy.Shock, "bounds"), (dy.Jump, "rate"), (dy.Jump, "assign"),
], ids=lambda given: given if isinstance(given, str) else given.__name__)
def test_every_field_of_every_part(part, field):
    usual = {dy.State: {}, dy.Parameter: {"value": 1}, dy.Event: {"expression": "x"}, dy.Measure: {"expression": "x"},
             dy.Shock: {"assign": {"x": "x"}}, dy.Jump: {"rate": "1", "assign": {"x": "0"}}}[part]
    kind = f"{part.__name__.lower()}s"
    name = "x" if part is dy.State else "part"
    refuses_or_works(lambda bad: dy.System(**{**LEAST, kind: {name: part(**{**usual, field: bad})}}))


@pytest.mark.parametrize("call", [
    lambda bad: FLOW.with_parameters(bad), lambda bad: FLOW.with_parameters(a=bad),
    lambda bad: INDEXED.with_parameters(a=bad), lambda bad: dy.integrate(INDEXED, 1.0, initial_state={"x": bad}),
    lambda bad: dy.models.load(bad), lambda bad: dy.compose(bad, "funding_rate"), lambda bad: dy.compose(FLOW, bad),
    lambda bad: dy.stability_conditions(FLOW, bad), lambda bad: dy.bifurcation_conditions(FLOW, bad),
    lambda bad: dy.bifurcation_conditions(FLOW, {"x": 1, "e": 0}, parameter=bad), lambda bad: dy.lyapunov_exponents(bad),
])
def test_other_calls(call):
    refuses_or_works(call)
