"""Venue presets: every worked example comes out, dates and sources are there, a wrong name is told."""

import datetime
from importlib.resources import files

import pytest

import dynamics as dy
from dynamics.data import venue_rules, venues
from dynamics.mechanisms.funding_rate import funding
from dynamics.mechanisms.liquidation_engine import toxic_loan_to_value
from dynamics.mechanisms.margin_tiers import liquidation_price


def every_example():
    for name in venues.names():
        for number, example in enumerate(venues.load(name).examples, 1):
            yield pytest.param(example, id=f"{name}-{number}-{example.rule}")


@pytest.mark.parametrize("example", list(every_example()))
def test_worked_examples_come_out(example):
    assert example.computed() == pytest.approx(example.value, abs=example.tolerance, rel=0)


@pytest.mark.parametrize("name", venues.names())
def test_a_preset_is_dated_sourced_and_has_an_example(name):
    venue = venues.load(name)
    assert venue.name == name
    assert datetime.date(2019, 1, 1) < venue.as_of <= datetime.date(2026, 11, 30)
    assert venue.sources
    assert venue.rules
    assert venue.examples
    assert venue.kind in ("perpetual", "lending")


def test_every_rule_has_an_example():
    used = {example.rule for name in venues.names() for example in venues.load(name).examples}
    assert used == set(venue_rules.RULES)


def test_the_files_lie_inside_the_package():
    assert all(files("dynamics.data").joinpath("venues", f"{name}.toml").is_file() for name in venues.names())
    assert len(venues.names()) == 8


def test_a_wrong_name_is_told():
    with pytest.raises(dy.SpecificationError, match="Did you mean 'binance'"):
        venues.load("binnance")


def test_rules_agree_with_the_mechanisms():
    for premium in (-0.002, 0.0003, 0.0006, 0.002):
        assert venue_rules.funding(premium=premium, interest=0.0001, clamp=0.0005) == funding(premium)
    assert venue_rules.toxic_loan_to_value(bonus=0.08) == toxic_loan_to_value(0.08)
    # a venue counts from the current price, the textbook from entry: margin 10 at 100, rate 1 %, 9 beyond maintenance
    assert venue_rules.liquidation_price(side="long", price=100, available_margin=9, size=1, maintenance_rate=0.01) \
        == pytest.approx(liquidation_price("long", 100, 10, 1, 0.01), rel=1e-14)
    assert venue_rules.liquidation_price(side="short", price=100, available_margin=9, size=1, maintenance_rate=0.01) \
        == pytest.approx(liquidation_price("short", 100, 10, 1, 0.01), rel=1e-14)
