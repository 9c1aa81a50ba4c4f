"""The search for a threshold, on outcomes that are written down: which letters make which verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dynamics.analysis import shock_fates
from dynamics.analysis.shock_fates import RESTED, UNDECIDED, Accuracy, Fates
from dynamics.analysis.threshold_search import HALVINGS, OUTCOMES, ROUGH, ThresholdSearch
from dynamics.results import STATUS

S, E, U, OTHER = RESTED, 0, UNDECIDED, 1
Rule = Callable[[np.ndarray, bool], np.ndarray]


class Written:
    """Outcomes by a rule for (magnitudes, whether the trajectories are accurate); events at once from ``at_once`` on."""

    ramp = 0.0

    def __init__(self, rule: Rule, at_once: float = np.inf, lanes: int = 1, unstable: bool = False,
                 status: str = "not_settled") -> None:
        self.rule, self.at_once, self.lanes, self.unstable = rule, at_once, lanes, unstable
        self.status, self.count = STATUS[status], 0

    def fates(self, lanes: np.ndarray, magnitudes: np.ndarray, accuracy: Accuracy) -> Fates:
        self.count += lanes.size
        ending = np.where(magnitudes >= self.at_once, E, self.rule(magnitudes, accuracy["relative_tolerance"] < 1e-7))
        return Fates(ending, np.where(ending == U, self.status, STATUS["settled"]))

    def crosses(self, lanes: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
        return magnitudes >= self.at_once

    def lost(self, lanes: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
        return np.zeros(lanes.size, dtype=bool)

    def unstable_start(self, lane: int) -> bool:
        return self.unstable


def searched(runner: Written, high: float | None = 1.0, low: float = 0.0, tolerance: float = 1e-9):
    lanes = np.ones(runner.lanes, dtype=bool)
    return ThresholdSearch(runner, [E], tolerance).run(lanes, ~lanes, low, high)


def bands(*parts: tuple[float, int]) -> Rule:
    """Letters by upper ends: the first part whose end lies above a magnitude."""
    ends, letters = np.array([end for end, _ in parts]), np.array([letter for _, letter in parts])
    return lambda m, accurate: letters[np.minimum(np.searchsorted(ends, m, side="right"), len(ends) - 1)]


def status(found) -> str:
    return {code: name for name, code in OUTCOMES.items()}[int(found.status[0])]


@pytest.mark.parametrize("border", [1e-7, 0.1234567, 0.5, 1 - 1e-7])
def test_one_border_between_proved_letters_is_found(border: float) -> None:
    found = searched(Written(bands((border, S), (9, E))))
    assert status(found) == "found"
    assert found.low[0] < border <= found.high[0] <= found.low[0] + 1e-9
    assert found.value[0] == (found.low[0] + found.high[0]) / 2


def test_many_lanes_and_one_have_the_same_brackets_to_the_last_bit() -> None:
    rule = bands((0.1234567, S), (9, E))
    one, many = searched(Written(rule)), searched(Written(rule, lanes=40))
    assert set(many.low) == set(one.low)
    assert set(many.high) == set(one.high)


@pytest.mark.parametrize(("first", "second"), [(0.3, 0.6), (0.3, 0.3001), (0.01, 0.99), (0.31, 0.31 + 1e-6),
                                               (0.31, 0.31 + 1e-8)])
def test_undecided_shocks_between_leave_the_bracket_open_and_tight(first: float, second: float) -> None:
    found = searched(Written(bands((first, S), (second, U), (9, E))))
    assert status(found) == "open_bracket"
    assert np.isnan(found.value[0])
    # a round of 2**HALVINGS places stops where more than half of them are undecided
    wide = second - first
    assert first - wide < found.low[0] < first
    assert second <= found.high[0] < second + wide
    assert found.undecided[0] >= 2 ** (HALVINGS - 1) - 1


def test_single_undecided_shocks_do_not_stop_the_search() -> None:
    def rule(magnitudes: np.ndarray, accurate: bool) -> np.ndarray:
        letters = np.where(magnitudes < 0.4, S, E)
        # every dyadic place of the scan and of halving up to 2**-9
        return np.where((magnitudes * 2**9 % 1 == 0) & (magnitudes > 0) & (magnitudes < 1), U, letters)

    found = searched(Written(rule))
    # nothing but the start and the far end is proved, and no half of the bracket has anything else to go by
    assert status(found) == "open_bracket"
    assert (found.low[0], found.high[0]) == (0.0, 1.0)

    def sparse(magnitudes: np.ndarray, accurate: bool) -> np.ndarray:
        letters = np.where(magnitudes < 0.4, S, E)
        return np.where(magnitudes == 0.40234375, U, letters)   # a place on the way

    found = searched(Written(sparse))
    assert status(found) == "found"
    assert found.value[0] == pytest.approx(0.4, abs=1e-9)


def test_undecided_shocks_beyond_the_first_event_do_not_matter_and_below_the_last_rest_neither() -> None:
    found = searched(Written(bands((0.1, S), (0.2, U), (0.5, S), (0.7, E), (9, U))))
    assert status(found) == "found"
    assert found.value[0] == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize(("parts", "word"), [
    (((9, S),), "none_in_bracket"), (((0.5, S), (0.55, U), (9, S)), "not_settled"), (((9, U),), "not_settled"),
    (((9, OTHER),), "none_in_bracket"), (((0.4, S), (9, U)), "not_settled"), (((0.4, U), (9, E)), "not_settled"),
    (((9, E),), "unstable"), (((0.3, S), (0.6, E), (9, S)), "not_monotone"),
    (((0.3, S), (0.6, E), (0.7, U), (9, S)), "not_monotone"), (((0.3, S), (0.6, E), (9, U)), "found"),
    (((0.3, S), (0.5, OTHER), (9, E)), "found")])
def test_verdicts(parts: tuple[tuple[float, int], ...], word: str) -> None:
    found = searched(Written(bands(*parts)))
    assert status(found) == word
    if word == "not_settled":
        assert np.isnan(found.value[0])
        assert np.isnan(found.low[0]) or np.isnan(found.high[0])
    if word == "none_in_bracket":
        assert (found.low[0], found.high[0]) == (0, 1)


def test_an_unstable_start_whose_own_path_says_nothing() -> None:
    rule = bands((1e-300, U), (9, E))
    assert status(searched(Written(rule))) == "not_settled"
    assert status(searched(Written(rule, unstable=True))) == "unstable"


def test_broken_runs_are_counted_apart() -> None:
    found = searched(Written(bands((0.3, S), (0.6, U), (9, E)), status="invalid_state"))
    assert status(found) == "open_bracket"
    assert found.broken[0] == found.undecided[0] > 0
    waiting = searched(Written(bands((0.3, S), (0.6, U), (9, E)), status="step_limit"))
    assert waiting.broken[0] == 0 < waiting.undecided[0]


def test_what_only_the_shock_itself_does() -> None:
    found = searched(Written(bands((9, S)), at_once=0.25), high=None)
    assert status(found) == "insolvent_at_once"
    assert found.value[0] == pytest.approx(0.25, abs=1e-15)
    # a hair below: dynamics are what decides
    found = searched(Written(bands((0.25 - 3e-9, S), (9, E)), at_once=0.25), high=None)
    assert status(found) == "found"


@pytest.mark.parametrize("shift", [-3e-4, -1e-6, 2e-6, 4e-3])
def test_loose_trajectories_that_are_wrong_are_corrected(shift: float) -> None:
    """Accurate ones put the border elsewhere, by more than the width of a rough bracket."""
    def rule(magnitudes: np.ndarray, accurate: bool) -> np.ndarray:
        return np.where(magnitudes < 0.4 + shift * accurate, S, E)

    assert abs(shift) > ROUGH or abs(shift) < 1e-5
    found = searched(Written(rule))
    assert status(found) == "found"
    assert found.value[0] == pytest.approx(0.4 + shift, abs=1e-9)


def test_ends_that_accurate_trajectories_leave_undecided_are_counted() -> None:
    """Loose ones prove both ends, accurate ones neither."""
    def rule(magnitudes: np.ndarray, accurate: bool) -> np.ndarray:
        return np.where(accurate, U, np.where(magnitudes < 0.4, S, E))

    found = searched(Written(rule))
    assert status(found) == "not_settled"
    assert np.isnan(found.value[0])
    assert found.undecided[0] > 0


@pytest.mark.parametrize(("border", "at_once"), [(0.7, 0.9), (0.2, 0.35), (0.5, 0.51)])
@pytest.mark.parametrize("tolerance", [0.21, 0.05, 1e-3])
def test_at_once_lies_inside_the_bracket(border: float, at_once: float, tolerance: float) -> None:
    found = searched(Written(bands((border, S), (9, E)), at_once=at_once), high=None, tolerance=tolerance)
    inside = found.low[0] <= at_once <= found.high[0]
    assert status(found) == ("insolvent_at_once" if inside else "found")
    assert found.low[0] <= found.value[0] <= found.high[0]


def test_undecided_shocks_below_the_one_that_crosses_at_once() -> None:
    # whether a smaller shock leads to the event is not known there, so nothing says that none does
    found = searched(Written(bands((0.25 - 1e-7, S), (9, U)), at_once=0.25), high=None)
    assert status(found) == "open_bracket"
    assert np.isnan(found.value[0])


def test_without_a_far_end_larger_and_larger_shocks_are_tried() -> None:
    assert searched(Written(bands((5.0, S), (99, E))), high=None).value[0] == pytest.approx(5.0, abs=1e-8)
    assert status(searched(Written(bands((99, S))), high=None)) == "none_in_bracket"
    found = searched(Written(bands((2.5, S), (99, U))), high=None)
    assert status(found) == "not_settled"
    assert found.low[0] == 2.0


def test_a_trajectory_is_followed_as_far_as_the_work_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    import dynamics as dy

    bleed = dy.System(name="bleed", states={"e": 1.0}, parameters={"eps": 1e-3},
                      equations={"e": "(1 - e) if e > 0.5 else -eps"},
                      events={"insolvency": dy.Event("e", "falling", terminal=True)},
                      shocks={"price": dy.Shock({"e": "e - magnitude"})})
    options = {"initial_state": {"e": 1.0}, "both_directions": False}
    assert dy.cascade_threshold(bleed, **options).status == "found"
    monkeypatch.setattr(shock_fates, "WORK", 0)
    assert dy.cascade_threshold(bleed, **options).status == "open_bracket"   # 200 time units are not enough
