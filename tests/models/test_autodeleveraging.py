"""Auto-deleveraging: the published toy book, and the books of the venue: contracts, money, fund."""

import numpy as np
import pytest

import dynamics as dy
from dynamics.models.autodeleveraging import churn_probability, closing_size

FALL = {"sizes": (10, 6, 16), "sides": (1, 1, -1), "collaterals": (0.8, 3, 9), "marks": (1, 0.95, 0.8, 0.75),
        "oracles": (1, 0.95, 0.8, 0.75)}


def venue(**options):
    return dy.models.load("autodeleveraging", **options)


def test_the_toy_book_of_the_paper():
    """Chitra (2025): funding, profit and loss between dates 0 and 2, equities, and who is liquidatable."""
    run = dy.iterate(venue(liquidation="none"), 2)
    assert run["funding_rate"].values[1:] == pytest.approx([-0.3333, -0.4400], abs=5e-5)
    equity = run["equity"].transpose("time", "position").values
    assert equity[2] - equity[0] == pytest.approx([-0.7387, -0.7387, 2.9547, -0.7387, 0.7387], abs=5e-5)
    assert equity[2] == pytest.approx([1.2613, -0.0720, 5.6213, -0.6334, 0.8397], abs=5e-5)
    called = run["called"].transpose("time", "position").values
    assert called[1].tolist() == [0, 0, 0, 1, 0]        # position D, at a maintenance margin of 10 %
    # three longs against five shorts: the two contracts that the book does not list close the account
    assert run["contracts"].values == pytest.approx(np.zeros(3), abs=1e-12)
    assert np.sum(equity[2] - equity[0]) == pytest.approx(-float(run["outside_equity"][-1]), rel=1e-12)


@pytest.mark.parametrize("rule", ["pro_rata", "queue"])
@pytest.mark.parametrize(("severity", "fund"), [(1, 0), (0.5, 0), (1, 0.05), (1, 5)])
def test_the_books_of_the_venue(rule, severity, fund):
    """Every contract has its other side, money is neither made nor lost, the fund is never negative."""
    system = venue(rule=rule, **FALL).with_parameters(severity=severity, initial_fund=fund, impact=0.001, fund_fee=0.001,
                                                      maintenance=0.02)
    run = dy.iterate(system, 3)
    assert run["contracts"].values == pytest.approx(np.zeros(4), abs=1e-12)
    assert run["money"].values == pytest.approx(np.full(4, float(run["money"][0])), rel=1e-12)
    assert float(run["insurance_fund"].min()) >= 0
    deficit, taken, lost = (float(run[n][-1]) for n in ("deficit", "auto_deleveraged", "bad_debt"))
    paid_by_fund = deficit - taken - lost
    assert deficit > 0.1
    assert taken == pytest.approx(severity * (deficit - paid_by_fund), rel=1e-12)
    assert (taken == 0) is (fund == 5)
    assert np.all(run["equity"].isel(time=-1).values >= 0)


def test_the_queue_concentrates_what_pro_rata_spreads():
    book = {**FALL, "sizes": (10, 6, 8, 8), "sides": (1, 1, -1, -1), "collaterals": (0.8, 3, 9, 1)}
    taken, haircuts = {}, {}
    for rule in ("pro_rata", "queue"):
        run = dy.iterate(venue(rule=rule, **book).with_parameters(funding_scale=0), 3)
        taken[rule] = float(run["auto_deleveraged"][-1])
        haircuts[rule] = run["haircut"].transpose("time", "position").values.max(axis=0)
    assert taken["queue"] == pytest.approx(taken["pro_rata"], rel=1e-12) != 0
    assert haircuts["queue"][2] == 0        # the unlevered short is last in the queue
    assert haircuts["queue"][3] > haircuts["pro_rata"][3] > 0
    assert haircuts["pro_rata"][2] == haircuts["pro_rata"][3]


def test_a_liquidation_closes_no_more_than_restores_the_margin():
    for equity, size, impact, cushion in ((0.5, 10, 0.01, 0), (0.9, 10, 0.005, 0.05), (0.7, 8, 0, 0.01)):
        closed = closing_size(equity, size, 1.2, 0.1, impact, cushion)
        after = equity - impact / 2 * closed**2
        assert after == pytest.approx(0.12 * (size - closed) + cushion, rel=1e-12)
        fewer = 0.99 * closed
        assert equity - impact / 2 * fewer**2 < 0.12 * (size - fewer) + cushion
    assert closing_size(2, 10, 1, 0.1, 0.01) == 0
    assert closing_size(-1, 10, 1, 0.1, 0.01) == 10
    assert closing_size(0.1, 10, 1, 0.1, 1) == 10       # no part of it restores the margin


def test_churn():
    assert churn_probability(0, 10, 2) == 0
    assert churn_probability(3, 10, 2) == pytest.approx(1 - np.exp(-0.6), rel=1e-14)


@pytest.mark.parametrize(("options", "said"), [
    ({"rule": "que"}, "Did you mean 'queue'"), ({"liquidation": "all"}, "must be one of greedy, none"),
    ({"sides": (1, 1, 0, 1, 1)}, "must be 1 (long) or -1 (short)"), ({"marks": (1, 2)}, "one for each date (2, 3)")])
def test_what_is_refused(options, said):
    with pytest.raises(dy.SpecificationError) as caught:
        venue(**options)
    assert said in str(caught.value)
