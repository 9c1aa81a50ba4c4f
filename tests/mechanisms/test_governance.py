"""Governance: the margin moves at the step cap, then exponentially; the venue calls at the margin in force."""

import numpy as np
import pytest

import dynamics as dy


def governed(**values):
    return dy.compose(dy.models.load("deleveraging"), "governance").with_parameters(**values)


@pytest.mark.parametrize("direction", [1, -1])
def test_the_schedule_in_closed_form(direction):
    """At s per day until the rest is s T, then with the time constant T."""
    goal, cap, delay = 0.1 + 0.03 * direction, 0.005, 2.0
    system = governed(maintenance_margin=0.1, proposed_margin=goal, step_cap=cap, governance_delay=delay)
    times = np.array([2.0, 4.0, 5.0, 8.0])
    run = dy.integrate(system, 8, initial_state={"equity_ratio": 0.2}, times=times, relative_tolerance=1e-10,
                       absolute_tolerance=1e-13)
    until = (0.03 - cap * delay) / cap      # 4 days
    rest = np.where(times <= until, 0.03 - cap * times, cap * delay * np.exp(-(times - until) / delay))
    np.testing.assert_allclose(run["governed_margin"], goal - direction * rest, atol=1e-8)


def test_no_proposal_is_the_core():
    core = dy.models.load("deleveraging")
    start, times = {"price_gap": -0.17, "equity_ratio": 1 - 0.8 * np.exp(0.17)}, np.linspace(0, 10, 11)
    runs = [dy.integrate(s, 10, initial_state=start, times=times, relative_tolerance=1e-10, absolute_tolerance=1e-13)
            for s in (core, governed(proposed_margin=0.05))]
    np.testing.assert_allclose(runs[0]["equity_ratio"], runs[1]["equity_ratio"], rtol=1e-7)


def test_a_larger_margin_calls_who_was_safe():
    """Leverage 14 is legal at a margin of 5 %; a vote for 8 % force-closes it without any shock."""
    kept, raised = (dy.integrate(governed(target_leverage=14, price_impact=0.05, proposed_margin=goal), 30)
                    for goal in (0.05, 0.08))
    assert kept.attrs["measures"]["forced_volume"] == 0
    assert raised.attrs["measures"]["forced_volume"] > 0
    # the margin call starts where the margin in force meets the equity ratio
    at = float(raised["event_time"][0])
    assert at > 0
    assert float(raised["governed_margin"].interp(time=at)) == pytest.approx(float(raised["equity_ratio"].interp(time=at)),
                                                                             abs=1e-4)


def test_what_has_no_limit_is_told():
    free = dy.System(name="free", time="continuous", states={"a": 1}, equations={"a": "-a"},
                     definitions={"margin_call_rate": "0"})
    with pytest.raises(dy.SpecificationError, match="has no parameter 'maintenance_margin' or 'critical_margin'"):
        dy.compose(free, "governance")
