"""What becomes of trajectories in grids: by which event they end, at which attractor they settle, and what is not known."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.ensembles import Ensemble
from dynamics.analysis.regimes import REGIMES
from dynamics.errors import SpecificationError
from dynamics.results import STATUS

ENGINES = ["numpy", pytest.param("kernel", marks=pytest.mark.skipif(
    not __import__("dynamics.compiled.kernels.jit", fromlist=["jit"]).available(), reason="needs llvmlite"))]


def names(found) -> list[str]:
    words = {code: name for name, code in REGIMES.items()}
    return [words[int(code)] for code in found["regime"].values.reshape(-1)]


def events(found) -> list[str]:
    variable = found["first_event"]
    codes = np.atleast_1d(variable.attrs["flag_values"]).tolist()
    words = dict(zip(codes, variable.attrs["flag_meanings"].split(), strict=True))
    return [words[int(code)] for code in variable.values.reshape(-1)]


# ---- the event that ends a trajectory -------------------------------------------------------------------------------------

def firm_and_fund() -> dy.System:
    """Equity a of a firm relaxes to 1; a fund b is bistable with its separatrix at 1/2, and defaults at 1/4."""
    return dy.System(
        name="two", states={"a": dy.State(1), "b": dy.State(1)}, parameters={"k": 1.0, "c": 1.0},
        equations={"a": "k*(1 - a)", "b": "c*b*(1 - b)*(b - 0.5)"},
        events={"insolvency": dy.Event("a - 0.01", terminal=True), "fund_default": dy.Event("b - 0.25", terminal=True)},
        shocks={"price": dy.Shock({"a": "a - magnitude", "b": "b - magnitude"})})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_ended_by_another_terminal_event_neither_survives_nor_cascades(engine: str) -> None:
    sizes = [0.3, 0.49, 0.51, 0.6, 0.7, 0.8, 0.995]
    found = dy.phase_diagram(firm_and_fund(), ("shock:price", sizes), ("k", [1.0, 2.0]), engine=engine)
    expected = ["stable"] * 2 + ["ended_by_other_event"] * 4 + ["insolvent_at_once"]
    assert names(found) == expected * 2
    assert events(found) == (["none"] * 2 + ["fund_default"] * 4 + ["insolvency"]) * 2
    assert found.attrs["message"] == "every cell was decided"
    swept = dy.sweep(firm_and_fund(), {"shock:price": sizes}, ["regime", "b"], engine=engine)
    assert names(swept) == expected
    assert events(swept) == ["none"] * 2 + ["fund_default"] * 4 + ["insolvency"]
    assert swept["status"].values.tolist() == [STATUS["settled"]] * 2 + [STATUS["event"]] * 5
    # b falls from 0.4 to 0.25: time = int db / (b (1-b) (1/2-b)), in closed form by partial fractions
    def clock(b: float) -> float:
        return 2 * np.log(b) + 2 * np.log(1 - b) - 4 * np.log(abs(0.5 - b))

    assert float(swept["end_time"][3]) == pytest.approx(clock(0.4) - clock(0.25), rel=1e-4)


def test_the_events_that_count_as_a_cascade_can_be_chosen() -> None:
    def regimes(event) -> list[str]:
        return names(dy.phase_diagram(firm_and_fund(), ("shock:price", [0.3, 0.6, 0.8]), ("k", [1.0, 2.0]), event=event))[:3]

    assert regimes("fund_default") == ["stable", "cascades_after_shock", "insolvent_at_once"]
    for both in ("any", ["fund_default", "insolvency"], ("insolvency", "fund_default")):
        assert regimes(both) == ["stable", "cascades_after_shock", "insolvent_at_once"]
    assert regimes("insolvency") == ["stable", "ended_by_other_event", "ended_by_other_event"]
    with pytest.raises(SpecificationError, match="Did you mean 'fund_default'"):
        regimes(["insolvency", "fund_defaults"])


def test_refinement_finds_the_same_events() -> None:
    plane = ("shock:price", np.linspace(0.3, 0.999, 40)), ("k", np.linspace(1, 2, 40))
    whole = dy.phase_diagram(firm_and_fund(), *plane)
    few = dy.phase_diagram(firm_and_fund(), *plane, refine=True)
    np.testing.assert_array_equal(few["regime"], whole["regime"])
    ran = few["evaluated"].values | (few["regime"].values == REGIMES["insolvent_at_once"])
    np.testing.assert_array_equal(few["first_event"].values[ran], whole["first_event"].values[ran])


@pytest.mark.parametrize("engine", ENGINES)
def test_lanes_say_which_event_ended_them(engine: str) -> None:
    system = firm_and_fund()
    ensemble = Ensemble(system, {}, 4)
    sizes = np.array([0.3, 0.6, 0.8, 0.995])
    outcome = ensemble.run("price", sizes, engine=engine)
    assert outcome.first_event.tolist() == [-1, 1, 1, 0]
    assert outcome.happened.tolist() == [False, False, False, True]
    assert outcome.status.tolist() == [STATUS["settled"], *[STATUS["event"]] * 3]
    assert outcome.at_once.tolist() == [False, False, True, True]
    both = ensemble.run("price", sizes, event=None, engine=engine)
    assert both.happened.tolist() == [False, True, True, True]
    fund = ensemble.run("price", sizes, event=("fund_default",), engine=engine)
    assert fund.first_event.tolist() == [-1, 1, 1, 1]


# ---- starts beyond an event -----------------------------------------------------------------------------------------------

def test_a_start_beyond_a_terminal_event_has_ended() -> None:
    system = firm_and_fund()
    path = dy.integrate(system, 10, {"b": 0.2})
    assert path.attrs["status"] == "event"
    assert path["event_name"].values.tolist() == ["fund_default"]
    assert path["event_time"].values.tolist() == [0.0]
    assert path.sizes["time"] == 1
    swept = dy.sweep(system, {"b": [0.2, 0.3, 0.9]}, ["a", "regime"], initial_state={"a": 0.5})
    assert names(swept) == ["ended_by_other_event", "ended_by_other_event", "stable"]
    assert float(swept["end_time"][0]) == 0.0
    assert float(swept["a"][0]) == 0.5


@pytest.mark.parametrize(("direction", "start", "ends"), [
    ("falling", -1e-3, True), ("falling", 0.0, False), ("falling", 1e-3, False),
    ("rising", 1e-3, True), ("rising", 0.0, False), ("rising", -1e-3, False),
    ("both", -1e-3, False), ("both", 1e-3, False)])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_only_the_far_side_of_a_directed_event_is_beyond_it(direction: str, start: float, ends: bool, unit: float) -> None:
    # away from the surface on either side: it is never crossed
    system = dy.System(name="leaving", states={"x": start * unit}, equations={"x": f"sign(x)*{unit!r}"},
                       events={"gate": dy.Event("x", direction, terminal=True)})
    tolerance = 1e-10 * unit
    path = dy.integrate(system, 1, absolute_tolerance=tolerance)
    assert (path.attrs["status"] == "event") == ends
    cells = dy.sweep(system, {"x": [start * unit]}, "x", duration=1, absolute_tolerance=tolerance)
    assert (int(cells["status"][0]) == STATUS["event"]) == ends
    assert events(cells) == ["gate" if ends else "none"]


def test_a_start_on_a_surface_up_to_rounding_is_not_beyond_it() -> None:
    system = dy.System(name="edge", states={"x": 0.0}, parameters={"a": 0.1}, equations={"x": "1"},
                       events={"gate": dy.Event("x - 3*a", "falling", terminal=True)})
    assert 0.3 - 3 * 0.1 != 0
    assert dy.integrate(system, 1, {"x": 0.3}).attrs["status"] == "completed"
    assert dy.integrate(system, 1, {"x": 0.3 - 1e-9}).attrs["status"] == "event"


# ---- attractors -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("duration", [None, 1000.0])
def test_every_start_settles_in_its_own_well(engine: str, duration: float | None) -> None:
    # energy y**2/2 - x**2/2 + x**4/4 falls; below the saddle's 0 each start stays in its well
    well = dy.System(name="well", states={"x": 1, "y": 0}, equations={"x": "y", "y": "x - x**3 - 0.2*y"})
    starts = [-1.2, -1.0, -0.5, 0.5, 1.0, 1.2]
    found = dy.sweep(well, {"x": starts}, "settled_state", initial_state={"y": 0}, engine=engine, duration=duration)
    np.testing.assert_allclose(found["settled_x"], np.sign(starts), atol=1e-9)
    np.testing.assert_allclose(found["settled_y"], 0, atol=1e-9)
    assert (found["status"] == STATUS["settled"]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_unstable_rest_between_two_wells_is_no_attractor(engine: str) -> None:
    wells = dy.System(name="wells", states={"x": 1}, equations={"x": "x - x**3"})
    found = dy.sweep(wells, {"x": [-2.0, -0.1, 0.0, 0.1, 2.0]}, ["settled_state", "regime"], engine=engine)
    np.testing.assert_allclose(found["settled_x"], [-1, -1, np.nan, 1, 1], atol=1e-9)
    assert names(found) == ["stable", "stable", "not_settled", "stable", "stable"]


def test_a_start_at_rest_settles_within_any_duration() -> None:
    well = dy.System(name="well", states={"x": 1, "y": 0}, equations={"x": "y", "y": "x - x**3 - 0.2*y"})
    found = dy.sweep(well, {"x": [-1.0, 0.5]}, "settled_state", initial_state={"y": 0}, duration=0.01)
    assert found["status"].values.tolist() == [STATUS["settled"], STATUS["not_settled"]]


def test_settling_elsewhere_is_not_surviving() -> None:
    # stable at 2 (rate 6 a) and at -1 (rate 3 a), unstable at 0: cells start from the more stable one
    wells = dy.System(name="wells", states={"x": 1}, parameters={"a": 1.0}, equations={"x": "-a*(x + 1)*x*(x - 2)"},
                      shocks={"price": dy.Shock({"x": "x - magnitude"})})
    found = dy.phase_diagram(wells, ("shock:price", [0.5, 1.99, 2.01, 4.0]), ("a", [1.0, 2.0]))
    assert names(found) == ["stable", "stable", "other_attractor", "other_attractor"] * 2
    assert found.attrs["message"] == "every cell was decided"
    # from a given start there is no rest of one's own
    given = dy.phase_diagram(wells, ("shock:price", [0.5, 1.99, 2.01, 4.0]), ("a", [1.0, 2.0]), initial_state={"x": 2})
    assert names(given) == ["stable"] * 8


def test_slow_rests_get_the_time_they_need() -> None:
    # x(t) = 1 + exp(-r t): 200 time units are not enough for r = 0.01
    slow = dy.System(name="slow", states={"x": 2.0}, parameters={"r": 0.01}, equations={"x": "r*(1 - x)"})
    found = dy.sweep(slow, {"r": [1.0, 0.01, 0.002]}, "settled_state", initial_state={"x": 2.0})
    np.testing.assert_allclose(found["settled_x"], 1, atol=1e-9)
    short = dy.sweep(slow, {"r": [1.0, 0.01, 0.002]}, "settled_state", initial_state={"x": 2.0}, duration=200.0)
    assert short["status"].values.tolist() == [STATUS["settled"], STATUS["not_settled"], STATUS["not_settled"]]


# ---- families of rests ----------------------------------------------------------------------------------------------------

def inventory(**shocks: dy.Shock) -> dy.System:
    """Inventory above 1 is sold at the rate k; equity pays c for it: all in all c (q - 1)/k."""
    return dy.System(name="inventory", states={"q": 3, "e": 1}, parameters={"k": 0.5, "c": 0.45},
                     equations={"q": "-k*max(q - 1, 0)", "e": "-c*max(q - 1, 0)"},
                     events={"insolvency": dy.Event("e", "falling", terminal=True)}, shocks=shocks)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shocks", [{}, {"price": dy.Shock({"e": "e - magnitude"})}])
def test_the_ends_of_a_deadband(engine: str, shocks: dict[str, dy.Shock]) -> None:
    cost, start = np.array([0.2, 0.3, 0.45]), np.array([1.5, 2.0, 3.0, 4.0])
    left = 1 - cost[:, None] * (start - 1) / 0.5
    found = dy.phase_diagram(inventory(**shocks), ("q", start), ("c", cost), engine=engine)
    assert names(found) == ["stable" if e > 0 else "cascades_after_shock" for e in left.reshape(-1)]
    assert found.attrs["message"] == "every cell was decided"
    settled = dy.sweep(inventory(**shocks), {"c": cost, "q": start}, "settled_state", engine=engine)
    np.testing.assert_allclose(settled["settled_e"], np.where(left > 0, left, np.nan), atol=1e-5)
    np.testing.assert_allclose(settled["settled_q"], np.where(left > 0, 1, np.nan), atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("equations", "starts", "rests"), [
    ({"x": "-max(x - 1, 0) + max(-1 - x, 0)"}, [-2, 0.3, 3], [-1, 0.3, 1]),
    ({"x": "-max(x - 0.0006, 0) + max(-0.0004 - x, 0)"}, [0.01, 0.0001, -0.01], [0.0006, 0.0001, -0.0004]),
    ({"x": "0"}, [1, 2], [1, 2]), ({"x": "x - x"}, [1, 2], [1, 2]), ({"x": "x*(x - 1)"}, [-3, 0.5], [0, 0])])
def test_bands_and_lines_of_rests(engine: str, equations, starts, rests) -> None:
    system = dy.System(name="band", states={"x": 3}, equations=equations)
    found = dy.sweep(system, {"x": [float(x) for x in starts]}, "settled_state", engine=engine)
    np.testing.assert_allclose(found["settled_x"], rests, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_member_of_a_line_is_the_one_with_the_conserved_quantity(engine: str) -> None:
    line = dy.System(name="line", states={"a": 1, "b": 0}, equations={"a": "b - a", "b": "2*(a - b)"})
    found = dy.sweep(line, {"a": [1.0, 3.0]}, "settled_state", initial_state={"b": 0}, engine=engine)
    np.testing.assert_allclose(found["settled_a"], [2 / 3, 2], atol=1e-6)   # 2 a + b
    np.testing.assert_allclose(found["settled_b"], [2 / 3, 2], atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_drifts_and_ghosts_prove_nothing(engine: str) -> None:
    drift = dy.System(name="drift", states={"e": 1, "x": 1}, parameters={"r": 1e-6}, equations={"e": "-r", "x": "-x"},
                      events={"insolvency": dy.Event("e", "falling", terminal=True)})
    found = dy.sweep(drift, {"r": [1e-6, 1e-3, 1e-2]}, "regime", initial_state={"e": 1})
    assert names(found) == ["not_settled", "not_settled", "cascades_after_shock"]
    ghost = dy.System(name="ghost", states={"x": -1}, parameters={"mu": 1e-6}, equations={"x": "mu + x**2"},
                      events={"insolvency": dy.Event("x - 1", "rising", terminal=True)})
    found = dy.sweep(ghost, {"mu": [1e-6, 1e-8, 0.1]}, "regime", initial_state={"x": -1}, engine=engine)
    assert names(found) == ["not_settled", "not_settled", "cascades_after_shock"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_basin_narrower_than_the_box_of_a_stable_point(engine: str) -> None:
    # stable at 1, unstable at 1 - w: a shock of 2 w is lost, however close the state stays for long
    narrow = dy.System(name="narrow", states={"x": 1.0}, parameters={"w": 1e-4, "k": 1.0},
                       equations={"x": "-k*(x - 1)*(x - 1 + w)"}, shocks={"push": dy.Shock({"x": "x - magnitude"})},
                       events={"insolvency": dy.Event("x", "falling", terminal=True)})
    found = dy.phase_diagram(narrow, ("shock:push", [5e-5, 9e-5, 2e-4, 1e-3]), ("k", [1.0, 10.0]), engine=engine,
                             duration=3e6)
    assert names(found) == ["stable", "stable", "cascades_after_shock", "cascades_after_shock"] * 2


# ---- where nothing is derived ---------------------------------------------------------------------------------------------

def account() -> dy.System:
    """Log price x, holdings h, debt d: below the margin m holdings are sold at once."""
    return dy.System(
        name="account", states={"x": 0, "h": 1, "d": 0.9},
        parameters={"a": dy.Parameter(0.2, "1", (0, None)), "m": dy.Parameter(0.01, "1", (0, 1))},
        definitions={"sold": "200*min(1, max(0, 1 - (1 - d*exp(-x)/h)/m))*h"},
        equations={"x": "-x - a*sold", "h": "-sold", "d": "-exp(x)*sold"},
        events={"half": dy.Event("h - 0.5", "falling", terminal=True)},
        shocks={"price": dy.Shock({"x": "x - magnitude"})})


def test_an_account_from_a_given_start() -> None:
    system = account()
    plane = ("a", [0.1, 0.2]), ("m", [0.01, 0.02])
    found = dy.phase_diagram(system, *plane, shock="price", magnitude=0.05, event="half", duration=5.0,
                             initial_state=system.initial_state())
    # d exp(0.05) = 0.946: equity 5.4 % is above both margins: nothing is sold, the price comes back
    assert set(names(found)) <= {"stable", "not_settled"}
    start = system.initial_state()
    longer = dy.phase_diagram(system, *plane, shock="price", magnitude=0.05, event="half", initial_state=start)
    assert names(longer) == ["stable"] * 4
    # d exp(0.1) = 0.9947: equity 0.5 % is below both; sales lower the price further
    sold = dy.phase_diagram(system, *plane, shock="price", magnitude=0.1, event="half", initial_state=start)
    for row, margin in enumerate(plane[1][1]):
        for column, impact in enumerate(plane[0][1]):
            here = system.with_parameters(a=impact, m=margin)
            path = dy.integrate(here, 200, dy.apply_shock(here, here.initial_state(), "price", 0.1))
            flag = {"event": "cascades_after_shock", "completed": "stable"}[path.attrs["status"]]
            assert names(sold)[2 * row + column] == flag


@pytest.mark.parametrize("equations", [{"x": "x - x"}, {"x": "log(a*y) - x", "y": "y - y"}])
def test_a_state_that_never_moves(equations: dict[str, str]) -> None:
    still = dy.System(name="still", states=dict.fromkeys(equations, 1.0), parameters={"a": 1.0, "b": 1.0},
                      equations=equations, shocks={"price": dy.Shock({"x": "x - magnitude"})})
    found = dy.phase_diagram(still, ("a", [1.0, 2.0]), ("b", [1.0, 2.0]))
    assert names(found) == ["stable"] * 4
    swept = dy.sweep(still, {"a": [1.0, 2.0]}, ["settled_state", "regime", "growth_rate"])
    rests = [1, 1] if len(equations) == 1 else np.log([1, 2])
    np.testing.assert_allclose(swept["settled_x"], rests, atol=1e-6)


@pytest.mark.parametrize("measure", ["x", "settled_state", "regime"])
def test_no_fixed_points_are_derived_for_a_given_start(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("derived")

    system = account()
    monkeypatch.setattr("dynamics.analysis.ensembles.lane_points", refuse)
    monkeypatch.setattr("dynamics.analysis.ensembles.followed_points", refuse)
    monkeypatch.setattr("dynamics.analysis.regimes.boundaries", refuse)
    given = system.initial_state()
    dy.sweep(system, {"a": [0.1, 0.2]}, measure, initial_state=given, duration=5.0)
    dy.phase_diagram(system, ("a", [0.1, 0.2]), ("m", [0.01, 0.02]), initial_state=given, duration=5.0)
    # every state an axis: nothing is left to start from a fixed point
    one = dy.System(name="one", states={"x": 1.0, "y": 1.0}, equations={"x": "-x", "y": "-y"})
    dy.phase_diagram(one, ("x", [0.1, 0.2]), ("y", [0.1, 0.2]))
    if measure == "x":
        dy.sweep(system, {"a": [0.1, 0.2]}, measure, duration=5.0)


# ---- arguments ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("options", "message"), [
    ({"duration": -1.0}, "duration must be a positive number, not -1.0"), ({"duration": 0}, "duration"),
    ({"duration": np.inf}, "duration"), ({"duration": np.nan}, "duration"), ({"duration": "long"}, "duration"),
    ({"magnitude": np.nan}, "magnitude must be a finite number, not nan"), ({"magnitude": np.inf}, "magnitude"),
    ({"magnitude": 2.0, "shock": "bounded"}, "outside the bounds"), ({"magnitude": "big"}, "magnitude"),
    ({"relative_tolerance": 0.0}, "relative_tolerance"), ({"absolute_tolerance": np.nan}, "absolute_tolerance"),
    ({"engine": "warp"}, "engine"), ({"event": "insolvent"}, "Did you mean 'insolvency'"), ({"event": []}, "empty"),
    ({"event": ["insolvency", "gone"]}, "'gone' is not an event"), ({"shock": "prise"}, "Did you mean 'price'"),
    ({"initial_state": {"b": 1.0}}, "'b' is not a state"), ({"initial_state": {"a": np.nan}}, "not finite")])
@pytest.mark.parametrize("analysis", ["sweep", "phase_diagram"])
def test_arguments_are_the_same_and_are_checked_alike(analysis: str, options: dict, message: str) -> None:
    system = dy.System(name="firm", states={"a": 1}, parameters={"k": 1.0, "r": 1.0}, equations={"a": "k*(r - a)"},
                       events={"insolvency": dy.Event("a", "falling", terminal=True)},
                       shocks={"price": dy.Shock({"a": "a - magnitude"}),
                               "bounded": dy.Shock({"a": "a - magnitude"}, bounds=(0, 1))})
    if analysis == "sweep":
        def call() -> None:
            dy.sweep(system, {"k": [1.0, 2.0]}, "regime", **{"shock": "price", **options})
    else:
        def call() -> None:
            dy.phase_diagram(system, ("k", [1.0, 2.0]), ("r", [1.0, 2.0]), **options)
    with pytest.raises(SpecificationError, match=message):
        call()


def test_every_cell_without_a_decision_is_counted() -> None:
    # a root of x: broken down below 0, where the shock leads; too short a time elsewhere
    system = dy.System(name="root", states={"x": 1.0}, parameters={"k": 1.0, "r": 1.0}, equations={"x": "k*(r - sqrt(x))"},
                       shocks={"price": dy.Shock({"x": "x - magnitude"})})
    found = dy.phase_diagram(system, ("shock:price", [0.5, 0.6, 1.5]), ("k", [1.0, 2.0]), duration=0.1)
    counts = {name: names(found).count(name) for name in ("not_settled", "invalid", "not_run")}
    assert counts == {"not_settled": 4, "invalid": 2, "not_run": 0}
    assert found.attrs["message"] == "4 of 6 cells had not settled, 2 were invalid"
    one = dy.phase_diagram(system, ("shock:price", [0.0, 1.5]), ("k", [1.0, 2.0]), event=None, duration=100.0)
    assert one.attrs["message"] == "2 of 4 cells were invalid"


def test_no_shock_is_applied_where_a_start_is_varied_or_given() -> None:
    # x = 0 parts the basins: a shock of 0.1 would take 0.05 to the other side
    system = dy.System(name="basins", states={"x": 1, "y": 0}, parameters={"k": 1.0},
                       equations={"x": "k*(x - x**3)", "y": "-y"},
                       events={"insolvency": dy.Event("x + 0.5", "falling", terminal=True)},
                       shocks={"price": dy.Shock({"x": "x - magnitude"})})
    plane = ("x", [0.05, 0.5]), ("y", [-1.0, 1.0])
    found = dy.phase_diagram(system, *plane)
    assert names(found) == ["stable"] * 4
    assert found.attrs["shock"] == "none"
    assert found.attrs["magnitude"] == 0.0
    asked = dy.phase_diagram(system, *plane, magnitude=0.1)
    assert names(asked) == ["cascades_after_shock", "stable"] * 2
    assert asked.attrs["shock"] == "price"
    assert names(dy.phase_diagram(system, *plane, shock="price"))[0] == "cascades_after_shock"
    given = dy.phase_diagram(system, ("k", [1.0, 2.0]), ("y", [-1.0, 1.0]), initial_state={"x": 0.05})
    assert names(given) == ["stable"] * 4
    usual = dy.phase_diagram(system.with_parameters(k=1.0), ("k", [1.0, 2.0]), ("shock:price", [0.1, 1.2]))
    assert names(usual) == ["stable", "stable", "cascades_after_shock", "cascades_after_shock"]
