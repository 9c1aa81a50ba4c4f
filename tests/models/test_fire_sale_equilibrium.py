"""The three-bank example of Breuer, Summer and Urosevic: two equilibria, their thresholds and the hysteresis loop."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError

ONE_SELLS, ALL_SELL = np.sqrt(2.2e-5*145), np.sqrt(2.2e-5*880)
# leverage of bank 1 before sales; of bank 3, all sold, in the crash; of bank 3, nothing sold, after the sale of bank 1
THRESHOLDS = {"no sale": 1315/28, "all sell": 1190/(65 - 300*ALL_SELL),
              "collapse": (1490 - 300*ONE_SELLS)/(65 - 300*ONE_SELLS)}


@pytest.fixture(scope="module")
def banks():
    return dy.models.load("fire_sale_equilibrium")


def discounts(banks, limit):
    both = dy.extremal_fixed_points(banks, {"discount": 0}, {"discount": ALL_SELL}, parameters={"leverage_limit": limit},
                                    tolerance=1e-13)
    return both["discount"].isel(asset=0).values


def test_two_equilibria_of_the_published_example(banks):
    # the authors' data: 0.056480085 with bank 1 selling, 2 rounds; 0.139140217 with all selling, 0 rounds
    both = dy.extremal_fixed_points(banks, {"discount": 0}, {"discount": ALL_SELL})
    assert both["discount"].isel(asset=0).values == pytest.approx([0.056480085, 0.139140217], abs=1e-9)
    assert both["sold"].values.T.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert both["iterations"].values.tolist() == [2, 0]
    assert not both.attrs["unique"]
    assert both["largest_discount"].values == pytest.approx(ALL_SELL)
    start = dy.iterate(banks, 0)
    assert start["leverage"].isel(time=0).values == pytest.approx([46.964286, 21, 22.923077], abs=1e-6)


@pytest.mark.parametrize(("name", "value", "is_above"), [
    ("no sale", 46.964286, lambda least, greatest: least == 0),
    ("all sell", 51.165334, lambda least, greatest: greatest < 0.1),
    ("collapse", 30.652921, lambda least, greatest: least < 0.1),
])
def test_thresholds_of_the_leverage_limit(banks, name, value, is_above):
    low, high = value - 0.01, value + 0.01
    assert not is_above(*discounts(banks, low))
    assert is_above(*discounts(banks, high))
    while high - low > 2e-10:
        middle = (low + high)/2
        low, high = (low, middle) if is_above(*discounts(banks, middle)) else (middle, high)
    assert (low + high)/2 == pytest.approx(THRESHOLDS[name], abs=1e-9)
    assert THRESHOLDS[name] == pytest.approx(value, abs=1e-6)


def test_the_limit_swept_down_and_up_takes_two_ways(banks):
    limits = [53, 51.2, 51.1, 46.9, 31, 30.6]
    paths = {}
    for way, order in (("down", limits), ("up", limits[::-1])):
        state, path = 0.0, {}
        for limit in order:
            run = dy.iterate(banks.with_parameters(leverage_limit=limit), 60, {"discount": [state]})
            state = path[limit] = float(run["discount"].isel(asset=0, time=-1))
        paths[way] = [path[limit] for limit in limits]
    assert paths["down"] == pytest.approx([0, 0, 0, ONE_SELLS, ONE_SELLS, ALL_SELL], abs=1e-9)
    assert paths["up"] == pytest.approx([ONE_SELLS, ONE_SELLS, ALL_SELL, ALL_SELL, ALL_SELL, ALL_SELL], abs=1e-9)


def test_banks_without_books_or_equity_and_wrong_lengths():
    empty = dy.models.load("fire_sale_equilibrium", holdings=[[0], [10]], other_assets=[100, 100], equity=[10, 0],
                           volatility=[0.1], volume=[1000])
    step = dy.iterate(empty, 1)
    # the bank without equity sells all of its book, the one without a book nothing
    assert float(step["discount"].isel(asset=0, time=1)) == pytest.approx(0.1*np.sqrt(10/1000))
    with pytest.raises(SpecificationError, match="holdings must be 2 rows"):
        dy.models.load("fire_sale_equilibrium", holdings=[[1], [2]], equity=[1, 2])


@pytest.mark.slow
def test_an_unstable_equilibrium_separates_the_two(banks):
    from scipy.optimize import brentq

    def surplus(discount):
        lost = np.array([145, 435, 300])*discount
        sold = np.clip(1 - (44*(np.array([28, 80, 65]) - lost) - np.array([1170, 1245, 1190]))/
                       (np.array([145, 435, 300]) - lost), 0, 1)
        return np.sqrt(2.2e-5*np.array([145, 435, 300]) @ sold) - discount

    between = brentq(surplus, 0.1, 0.13, xtol=1e-15)
    points = [p for p in dy.fixed_points(banks.expand()) if p.admissible]
    found = sorted((p.values["discount_1"], p.stability) for p in points)
    assert [stability for _, stability in found] == ["stable", "unstable", "stable"]
    assert [value for value, _ in found] == pytest.approx([ONE_SELLS, between, ALL_SELL], abs=1e-9)
    for factor, end in ((0.999, ONE_SELLS), (1.001, ALL_SELL)):
        run = dy.iterate(banks, 60, {"discount": [factor*between]})
        assert float(run["discount"][0, -1]) == pytest.approx(end, abs=1e-9)
