"""The largest leverage for a cascade probability: the closed form without feedback, and monotone with impact."""

import math

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import DataError, SpecificationError

CORE = dy.models.load("deleveraging")
# 1000 returns whose falls are 0.001, 0.002, ..., 0.5, once each, in mixed order
FALLS = np.concatenate([-np.arange(1, 501) / 1000, np.full(500, 0.01)])[np.random.default_rng(0).permutation(1000)]


def test_without_feedback_the_largest_leverage_is_a_closed_form():
    # s* = -ln(1 - 1/leverage) without impact; falls of at least s occur with probability (500 - 1000 s)/1000 or so
    free = CORE.with_parameters(price_impact=0)
    answer = dy.exposure(free, {"target_leverage": np.linspace(1.5, 12, 8)}, FALLS, 0.2, periods=1, bootstrap=20)
    # the fall that 20 % of the days reach is 0.301
    assert float(answer["largest_target_leverage"][0]) == pytest.approx(1 / (1 - math.exp(-0.3005)), rel=2e-3)
    leverage = answer["target_leverage"].values
    assert answer["critical_shock"].values == pytest.approx(-np.log(1 - 1 / leverage), abs=2e-6)
    assert answer["probability"].values == pytest.approx([np.mean(math.log(1 - 1 / x) >= FALLS) for x in leverage])
    assert answer["verdict"].values.tolist() == [0, 0]
    assert answer["largest_target_leverage"][1] < answer["largest_target_leverage"][0]


def test_a_larger_position_moves_the_price_and_may_be_less_leveraged():
    leverage = np.linspace(2, 10, 9)
    alone = dy.exposure(CORE, {"target_leverage": leverage}, FALLS, 0.33, periods=1, bootstrap=20)
    grown = dy.exposure(CORE, {"target_leverage": leverage, "price_impact": 0.3 * leverage / 4}, FALLS, 0.33, periods=1,
                        bootstrap=20)
    assert 4 < float(grown["largest_target_leverage"][0]) < float(alone["largest_target_leverage"][0])
    assert float(grown["largest_price_impact"][0]) == pytest.approx(0.075 * float(grown["largest_target_leverage"][0]))
    # beyond the Hopf point every period is one with a cascade: eta (leverage - 1) > 3
    unstable = 0.075 * leverage * (leverage - 1) > 3
    assert (grown["probability"].values == 1).tolist() == unstable.tolist()


def test_periods_compound_and_the_cautious_reading_needs_data():
    daily = dy.exposure(CORE, {"target_leverage": [5.0]}, FALLS, 0.9, periods=1, bootstrap=20)
    monthly = dy.exposure(CORE, {"target_leverage": [5.0]}, FALLS, 0.9, periods=30, bootstrap=20)
    assert float(monthly["probability"][0]) == pytest.approx(1 - (1 - float(daily["probability"][0])) ** 30)
    calm = dy.exposure(CORE, {"target_leverage": [3.0, 5.0]}, 0.001 * FALLS, 0.01, bootstrap=20)
    assert calm["probability"].values.tolist() == [0, 0]
    assert calm["verdict"].values.tolist() == [1, 2]  # never observed; with 1000 days 30 days at 1 % cannot be excluded
    assert float(calm["probability_upper"][0]) == pytest.approx(1 - 0.05 ** (30 / 1000))


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"along": {"leverage": [2.0]}}, SpecificationError, "is not a parameter"),
    ({"along": {"target_leverage": [2.0, 3.0], "price_impact": [0.1]}}, SpecificationError, "one length"),
    ({"along": {"target_leverage": [0.5]}}, SpecificationError, "target_leverage"),
    ({"probability": 0.0}, SpecificationError, "probability"),
    ({"returns": [0.1, np.nan, 0.2]}, DataError, "not finite"),
    ({"event": "ruin"}, SpecificationError, "is not an event"),
])
def test_faults_are_sentences(change, error, words):
    arguments = {"along": {"target_leverage": [2.0, 4.0]}, "returns": FALLS, "probability": 0.1} | change
    with pytest.raises(error, match=words):
        dy.exposure(CORE, arguments["along"], arguments["returns"], arguments["probability"],
                    event=arguments.get("event", "insolvency"))
