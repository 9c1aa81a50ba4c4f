"""Cascade thresholds against closed forms, published-style reference values and plain SciPy bisection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynamics as dy
from dynamics.errors import SpecificationError


@pytest.fixture(scope="module")
def core() -> dy.System:
    return dy.models.load("deleveraging")


def plain_field(impact: float, leverage: float, ramp: tuple[float, float] = (0.0, 0.0)):
    def field(t, s):
        x, u, q = s
        phi = 0.5 * (leverage * u - 1) - q
        change = -x + impact * phi - (ramp[0] / ramp[1] if ramp[1] and t < ramp[1] else 0.0)
        return [change, (1 - u) * change - u * phi, (20 * max(0.0, 1 - u / 0.05) - q) / 0.02]

    return field


def plain_bisection(impact: float, leverage: float, low: float, high: float, width: float, **options) -> float:
    """Bisection with solve_ivp and nothing else; a run survives when it is back at the fixed point."""
    def insolvent(t, s):
        return s[1]

    def back(t, s):
        return max(abs(s[0]), abs(s[1] - 1 / leverage), abs(s[2])) - 1e-3

    insolvent.terminal = back.terminal = True
    back.direction = -1
    while high - low > width:
        shock = (low + high) / 2
        start = [-shock, 1 - (1 - 1 / leverage) * math.exp(shock), 0.0]
        run = solve_ivp(plain_field(impact, leverage), (0, 400), start, method="DOP853", events=[insolvent, back], **options)
        low, high = (low, shock) if run.t_events[0].size else (shock, high)
        assert run.status == 1
    return (low + high) / 2


# ---- critical shocks of the reference model -------------------------------------------------------------------------------

# price impact, threshold, threshold with depletion: bisection with the classical Runge-Kutta method at a fixed step of 2e-5
# days, where kinks weigh less than 1e-10. (With depletion at 0.05 and 0.1 the threshold grazes u = 0.)
TABLE = [
    (0.05, 0.1987573526, 0.2128016978), (0.1, 0.1820786133, 0.1931104874), (0.2, 0.1753435591, 0.1755878453),
    (0.3, 0.1735070016, 0.1735620313), (0.5, 0.1719119709, 0.1719268816), (0.7, 0.1170803394, 0.1521386885)]
# At 0.6 the trajectory at the threshold grazes the maintenance margin: an integration that takes the kink as smooth puts
# the threshold 1.9e-7 too high (0.1533375518). The value here comes from small steps, see the slow test below.
GRAZING = (0.6, 0.1533373623, 0.1666601277)


@pytest.mark.parametrize("row", [TABLE[3], GRAZING])
def test_critical_shocks(core: dy.System, row: tuple[float, float, float]) -> None:
    found = dy.cascade_threshold(core.with_parameters(price_impact=row[0]), both_directions=False)
    assert found.status == "found"
    assert found.value == pytest.approx(row[1], abs=1e-8)
    assert 0 < found.bracket[1] - found.bracket[0] <= 1e-9
    assert found.bracket[0] <= found.value <= found.bracket[1]
    assert found.before["max_leverage"] > 0
    assert found.after["bad_debt"] >= 0


@pytest.mark.slow
@pytest.mark.parametrize("row", [*TABLE, GRAZING])
def test_critical_shocks_with_and_without_depletion(core: dy.System, row: tuple[float, float, float]) -> None:
    depleting = dy.compose(core, "depletion").with_parameters(price_impact=row[0])
    assert dy.cascade_threshold(depleting, both_directions=False).value == pytest.approx(
        row[2], abs=1e-8)
    assert dy.cascade_threshold(core.with_parameters(price_impact=row[0]), both_directions=False).value == pytest.approx(
        row[1], abs=1e-8)


@pytest.mark.slow
def test_grazing_threshold_against_small_steps(core: dy.System) -> None:
    reference = plain_bisection(0.6, 5, 0.15333, 0.15334, 1e-9, rtol=1e-10, atol=1e-12, max_step=2e-3)
    assert GRAZING[1] == pytest.approx(reference, abs=3e-9)


@pytest.mark.parametrize("depletion", [False, True])
def test_without_feedback_the_threshold_is_the_equity(core: dy.System, depletion: bool) -> None:
    system = dy.compose(core, "depletion") if depletion else core
    found = dy.cascade_threshold(system.with_parameters(price_impact=0), both_directions=False)
    assert found.status == "insolvent_at_once"
    assert found.value == pytest.approx(-math.log(0.8), abs=1e-12)


def test_unstable_points_have_threshold_zero_from_their_eigenvalues(core: dy.System) -> None:
    found = dy.cascade_threshold(core.with_parameters(price_impact=1))
    assert (found.value, found.status, found.evaluations) == (0.0, "unstable", 0)


def test_first_margin_call_is_an_event_like_any_other(core: dy.System) -> None:
    found = dy.cascade_threshold(core, event="margin_call_start", both_directions=False)
    assert found.value == pytest.approx(math.log(0.95 / 0.8), abs=1e-12)
    assert found.value == pytest.approx(0.1718502569, abs=1e-10)
    assert found.status == "insolvent_at_once"   # no smaller shock leads to it later


@pytest.mark.slow
@pytest.mark.parametrize(("impact", "leverage", "expected"), [
    (0.3, 10.9, 0.0232161717), (0.3, 10.7, 0.0410335289), (0.5, 6.8, 0.0666181710), (0.7, 5, 0.1170803394)])
def test_near_the_hopf_bifurcation(core: dy.System, impact: float, leverage: float, expected: float) -> None:
    system = core.with_parameters(price_impact=impact, target_leverage=leverage)
    found = dy.cascade_threshold(system, both_directions=False)
    assert found.status == "found"
    assert found.value == pytest.approx(expected, abs=1e-8)


def test_a_loose_bracket_that_misses_the_threshold_is_moved(core: dy.System) -> None:
    """The paths at this threshold graze the maintenance margin; reference as above, fixed steps of 5e-6 and 2e-5 agree."""
    system = core.with_parameters(price_impact=0.46711983165042276, target_leverage=4.401353283027758,
                                  reversion=1.6121325050417192, adjustment=1.0767066293527916)
    found = dy.cascade_threshold(system, both_directions=False)
    assert found.value == pytest.approx(0.20495867638, abs=2e-9)


def test_against_plain_bisection(core: dy.System) -> None:
    system = core.with_parameters(price_impact=0.8, target_leverage=3)
    found = dy.cascade_threshold(system, both_directions=False, tolerance=1e-8)
    reference = plain_bisection(0.8, 3, found.value - 1e-3, found.value + 1e-3, 1e-6, rtol=1e-9, atol=1e-11)
    assert found.value == pytest.approx(reference, abs=2e-6)


def test_a_rise_can_bankrupt_too(core: dy.System) -> None:
    system = core.with_parameters(target_leverage=10)
    found = dy.cascade_threshold(system, tolerance=1e-5)
    assert found.value > 0 > found.opposite.value
    assert found.opposite.status == "found"
    size = -found.opposite.value
    for factor, outcome in ((0.999, "completed"), (1.001, "event")):
        start = dy.apply_shock(system, {"equity_ratio": 0.1}, "price", -factor * size)
        assert dy.integrate(system, 300, start).attrs["status"] == outcome


@pytest.mark.slow
def test_curves_equal_single_thresholds_at_random_parameters(core: dy.System) -> None:
    g = np.random.default_rng(5)
    checked = 0
    while checked < 10:
        values = {"price_impact": g.uniform(0.05, 0.8), "target_leverage": g.uniform(2, 12), "reversion": g.uniform(0.5, 2),
                  "adjustment": g.uniform(0.2, 1.5)}
        if values["price_impact"] * (values["target_leverage"] - 1) > 0.9 * (1 + values["reversion"] / values["adjustment"]):
            continue
        system = core.with_parameters(values)
        single = dy.cascade_threshold(system, both_directions=False, tolerance=1e-8)
        curve = dy.critical_shocks(system, "liquidation_rate", [20.0], tolerance=1e-7)
        assert float(curve["threshold"][0]) == pytest.approx(single.value, abs=1e-6)
        checked += 1


def test_curve_knows_the_limits(core: dy.System) -> None:
    curve = dy.critical_shocks(core, "target_leverage", [2.0, 5.0, 11.5, 30.0], tolerance=1e-5)
    assert curve["threshold"].values[1] == pytest.approx(0.1735070016, abs=1e-5)
    assert curve["threshold"].values[2] == curve["threshold"].values[3] == 0.0
    assert curve["at_once"].values[:2] == pytest.approx(-np.log(1 - 1 / np.array([2.0, 5.0])), abs=1e-12)
    assert curve.attrs["limit"] == pytest.approx(11)


# ---- ramps ------------------------------------------------------------------------------------------------------------

def test_ramps_tend_to_the_instantaneous_shock_and_are_weaker(core: dy.System) -> None:
    options = {"both_directions": False, "tolerance": 1e-6}
    at_once = 0.1735070016
    short = [dy.cascade_threshold(core, ramp=ramp, **options).value for ramp in (1e-3, 1e-2)]
    assert at_once < short[0] < short[1]
    # linear in the duration to first order
    assert (short[0] - at_once) / 1e-3 == pytest.approx((short[1] - at_once) / 1e-2, rel=0.1)
    day = dy.cascade_threshold(core, ramp=1, **options)
    assert day.ramp == 1
    for factor, status in ((0.999, 0), (1.001, 1)):
        size = factor * day.value

        def insolvent(t, s):
            return s[1]

        insolvent.terminal = True
        run = solve_ivp(plain_field(0.3, 5, (size, 1.0)), (0, 100), [0.0, 0.2, 0.0], rtol=1e-9, atol=1e-11, max_step=0.05,
                        events=insolvent)
        assert run.status == status


# ---- searching --------------------------------------------------------------------------------------------------------

def flow(equations: dict[str, str], parameters: dict, shock: dict[str, str], event: dy.Event, **more) -> dy.System:
    return dy.System(name="test", time="continuous", states=more.pop("states", dict.fromkeys(equations, 0.0)),
                     parameters=parameters, equations=equations, events={"e": event},
                     shocks={"s": dy.Shock(shock, bounds=(None, None))})


def bistable() -> dy.System:
    """Stable at 0 and 1, unstable at a."""
    return flow({"x": "x*(1 - x)*(x - a)"}, {"a": 0.3}, {"x": "x - magnitude"}, dy.Event("x - 1/10"), states={"x": 1.0})


def threshold(system: dy.System, **options):
    return dy.cascade_threshold(system, shock="s", event="e", **options)


def test_basin_boundary_of_a_bistable_system() -> None:
    with pytest.raises(SpecificationError, match=r"2 stable fixed points.*say with initial_state which one"):
        threshold(bistable())
    found = threshold(bistable(), initial_state={"x": 1})
    assert (found.status, found.value) == ("found", pytest.approx(0.7, abs=1e-9))
    assert (found.opposite.status, found.opposite.value) == ("none_in_bracket", pytest.approx(math.nan, nan_ok=True))
    inside = threshold(bistable(), initial_state={"x": 1}, bracket=(0.6, 0.8))
    assert inside.value == pytest.approx(0.7, abs=1e-9)
    assert inside.opposite is None
    outside = threshold(bistable(), initial_state={"x": 1}, bracket=(0.1, 0.5))
    assert outside.status == "none_in_bracket"
    assert math.isnan(outside.value)
    assert outside.bracket == (0.1, 0.5)


def test_event_need_not_be_terminal_and_parameters_may_be_given() -> None:
    found = threshold(bistable(), initial_state={"x": 1}, parameters={"a": 0.6})
    assert found.value == pytest.approx(0.4, abs=1e-9)


def test_outcomes_that_are_not_monotone_are_reported() -> None:
    """The shock lifts y by half a bell curve of its size: over 0.3, into the other basin, only in a window."""
    system = flow({"y": "y*(1 - y)*(y - c)"}, {"c": 0.3}, {"y": "y + exp(-20*(magnitude - 1/2)**2)/2"},
                  dy.Event("y - 9/10", "rising"))
    found = threshold(system, initial_state={"y": 0}, bracket=(0, 1))
    half = math.sqrt(math.log(0.5 / 0.3) / 20)
    assert found.status == "not_monotone"
    assert found.value == pytest.approx(0.5 - half, abs=1e-8)
    assert found.transitions == pytest.approx((0.5 - half, 0.5 + half), abs=1 / 32)
    assert "changes 2 times" in found.message


def test_what_never_settles_is_not_called_survived() -> None:
    """Van der Pol: every run goes to the limit cycle."""
    system = flow({"x": "v", "v": "mu*(1 - x**2)*v - x"}, {"mu": 1}, {"x": "x - magnitude"}, dy.Event("x - 10", "rising"),
                  states={"x": 2, "v": 0})
    assert threshold(system).status == "unstable"
    found = threshold(system, initial_state={"x": 2}, bracket=(0, 1), duration=2)
    assert found.status == "not_settled"
    assert math.isnan(found.value)
    assert found.message == "33 runs had not settled within a time of 2"


def test_none_in_bracket_says_what_was_tried() -> None:
    system = flow({"x": "a - x"}, {"a": 1}, {"x": "x - magnitude"}, dy.Event("x + 100*(1 + x**2)"), states={"x": 1})
    found = threshold(system)
    assert (found.status, found.opposite.status) == ("none_in_bracket", "none_in_bracket")
    assert "none of the shocks tried" in found.message


def test_the_event_may_happen_without_a_shock(core: dy.System) -> None:
    found = dy.cascade_threshold(core, initial_state={"price_gap": -0.3, "equity_ratio": 0.01}, both_directions=False,
                                 tolerance=1e-6)
    assert (found.value, found.status) == (0.0, "unstable")
    assert "already at the lower end" in found.message


@pytest.mark.parametrize(("options", "message"), [
    ({"shock": "prices"}, "Did you mean 'price'"), ({"event": "insolvent"}, "Did you mean 'insolvency'"),
    ({"bracket": (0.1, 0.1)}, "two different finite magnitudes"), ({"duration": -1}, "duration must be"),
    ({"tolerance": 0}, "tolerance must lie"), ({"ramp": -1}, "ramp must be"), ({"ramp": math.nan}, "ramp must be"),
    ({"initial_state": {"equity": 1}}, "Did you mean 'equity_ratio'"), ({"parameters": {"impact": 1}}, "price_impact")])
def test_arguments_are_checked(core: dy.System, options: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        dy.cascade_threshold(core, **options)


def test_maps_are_refused() -> None:
    with pytest.raises(SpecificationError, match="continuous time"):
        dy.cascade_threshold(dy.models.load("liquidation_cascade"))


def test_result_table_and_provenance(core: dy.System) -> None:
    found = dy.cascade_threshold(core, event="margin_call_start", both_directions=False)
    assert float(found.table["threshold"]) == float(found) == found.value
    assert found.provenance["analysis"] == "cascade_threshold"
    assert found.provenance["duration"] >= 200
    assert found.provenance["field_evaluations"] > 0


def cousin(last_equity: str) -> dy.System:
    """A model whose field ends, with a logarithm, where the equity ratio is ``last_equity``."""
    return dy.System(
        name="cousin", time="continuous",
        states={"x": 0, "u": dy.State("1/target_leverage", bounds=(0, 1)), "q": dy.State(0, bounds=(0, None))},
        parameters={"target_leverage": dy.Parameter(5, bounds=(1, None))},
        definitions={"g": f"0.3*log((u - {last_equity})*target_leverage)", "dx": "-x - 0.5*q"},
        equations={"x": "dx", "u": "(1 - u)*dx + u*(q - g)", "q": "(6/(1 + (12*u)**8) - q)/0.02"},
        events={"insolvency": dy.Event("u", "falling", terminal=True)},
        shocks={"price": dy.Shock({"x": "x - magnitude", "u": "1 - (1 - u)*exp(magnitude)"}, bounds=(None, None))})


def test_a_field_may_end_at_the_event():
    threshold = dy.cascade_threshold(cousin("0"), both_directions=False, tolerance=1e-4, duration=50)
    assert threshold.status == "found"
    assert threshold.value == pytest.approx(0.10509, abs=1e-4)


def test_runs_without_numbers_leave_the_threshold_open():
    threshold = dy.cascade_threshold(cousin("0.01"), both_directions=False, tolerance=1e-4, duration=50)
    assert threshold.status == "open_bracket"
    assert np.isnan(threshold.value)
    assert 0.1 < threshold.bracket[0] < threshold.bracket[1]
    assert "became invalid" in threshold.message
