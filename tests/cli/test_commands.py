"""Commands of the command line, in this process."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import dynamics as dy
from dynamics.cli import app

Call = Callable[..., Any]


@pytest.fixture
def call() -> Call:
    def invoke(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output
        if code:
            assert result.stdout == ""
            assert result.stderr.strip()
            assert "Traceback" not in result.stderr
        return result

    return invoke


def test_models_lists_every_model_and_mechanism_with_a_story(call: Call) -> None:
    listed = json.loads(call("models", "--json").stdout)
    assert [entry["name"] for entry in listed["models"]] == list(dy.models.names())
    assert [entry["name"] for entry in listed["mechanisms"]] == list(dy.mechanisms.names())
    assert all(entry["story"].endswith(".") for kind in listed.values() for entry in kind)
    assert "deleveraging" in call("models").stdout


def test_toml_of_show_is_the_model(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    arguments = ("show", "deleveraging", "--set", "price_impact=0.5", "--mechanism", "depletion")
    path.write_text(call(*arguments, "--toml").stdout)
    expected = dy.compose(dy.models.load("deleveraging"), "depletion").with_parameters(price_impact=0.5)
    assert dy.load(path) == expected
    again = json.loads(call("show", "--model-file", str(path), "--json").stdout)
    assert again["sha256"] == expected.sha256
    assert again["parameters"]["price_impact"]["value"] == 0.5
    assert "log_holdings" in call("show", "--model-file", str(path)).stdout


def test_a_process_is_shown_and_commands_on_equations_refuse_it(call: Call) -> None:
    shown = json.loads(call("show", "leverage_cycle_binomial", "--option", "trade=static", "--set", "low_payoff=0.3",
                            "--json").stdout)
    assert (shown["process"], shown["parameters"]["low_payoff"]["value"], shown["equations"]) == ("solve", 0.3, {})
    process = dy.models.load("leverage_cycle_binomial", trade="static").with_parameters(low_payoff=0.3)
    assert shown["sha256"] == process.sha256
    text = call("show", "leveraged_value_funds").stdout
    assert "a Process with step(), unit of time day" in text
    assert "hill_exponent" in text
    for command in (("derive",), ("show", "--toml")):
        refused = call(*command, "leverage_cycle_binomial", code=2)
        assert "`dynamics show leverage_cycle_binomial` shows it" in " ".join(refused.stderr.split())


def test_fractions_and_model_options(call: Call) -> None:
    shown = json.loads(call("show", "deleveraging", "--option", "margin_call=hill", "--set", "critical_margin=1/8",
                            "--json").stdout)
    assert shown["parameters"]["critical_margin"]["value"] == 0.125


def test_derive_solves_the_hopf_condition(call: Call) -> None:
    # eta = 1/2: lambda_c = 1 + (1 + kappa/theta)/eta = 1 + 3/0.5 = 7
    derived = json.loads(call("derive", "deleveraging", "--set", "price_impact=0.5", "--parameter", "target_leverage",
                              "--json").stdout)
    point = derived["fixed_points"][0]
    hopf, = point["bifurcations"]
    assert point["state"]["equity_ratio"] == "1/target_leverage"
    assert (hopf["kind"], hopf["values"]) == ("hopf", [7.0])
    text = call("derive", "deleveraging", "--parameter", "target_leverage").stdout
    assert "hopf at target_leverage = 1 + (1 + reversion/adjustment)/price_impact = 11" in text
    assert r"\lambda^{*}" in call("derive", "deleveraging", "--latex").stdout


def test_derive_says_where_there_is_no_closed_form(call: Call) -> None:
    assert "no closed form" in call("derive", "liquidation_cascade").stdout


def test_integrate_after_a_shock_and_save(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    arguments = ("--duration", "3", "--shock", "price=0.1", "--output", str(path), "--json")
    document = json.loads(call("integrate", "deleveraging", *arguments).stdout)
    # the shock map: u = 1 - (1 - u_star) exp(s)
    assert document["initial_state"]["equity_ratio"] == pytest.approx(1 - 0.8 * math.exp(0.1), rel=1e-12)
    assert document["output"] == str(path)
    assert dy.open(path).attrs["system_sha256"] == document["sha256"]


def test_integrate_reports_events(call: Call) -> None:
    arguments = ("integrate", "deleveraging", "--duration", "20", "--shock", "price=0.18")
    document = json.loads(call(*arguments, "--json").stdout)
    assert document["status"] == "event"
    assert [event["name"] for event in document["events"]][-1] == "insolvency"
    assert "insolvency" in call(*arguments).stdout


def test_threshold_of_a_known_separatrix(call: Call, tmp_path: Path) -> None:
    # du/dt = u (u - 1): from the stable point 0 the event at 2 is reached iff the shock exceeds the unstable point 1
    path = tmp_path / "known.toml"
    path.write_text(dy.System(
        name="known", time="continuous", states={"u": 0.0}, equations={"u": "u*(u - 1)"},
        events={"escape": dy.Event("u - 2", "rising", terminal=True)},
        shocks={"push": dy.Shock({"u": "u + magnitude"})},
    ).to_toml())
    arguments = ("threshold", "--model-file", str(path), "--shock", "push", "--event", "escape", "--tolerance", "1e-6",
                 "--one-direction")
    document = json.loads(call(*arguments, "--json").stdout)
    assert document["value"] == pytest.approx(1.0, abs=1e-6)
    assert document["status"] == "found"
    assert "found" in call(*arguments).stdout


def test_a_threshold_that_is_not_decided_is_an_interval_and_an_error(tmp_path: Path) -> None:
    path = tmp_path / "slow.toml"
    path.write_text(dy.System(
        name="slow", time="continuous", states={"u": 0.0}, equations={"u": "u*(u - 1)/100"},
        events={"escape": dy.Event("u - 3", "rising", terminal=True)},
        shocks={"push": dy.Shock({"u": "u + magnitude"})}).to_toml())
    result = CliRunner().invoke(app, ["threshold", "--model-file", str(path), "--shock", "push", "--event", "any",
                                      "--duration", "400", "--one-direction"])
    assert result.exit_code == 1
    assert "open_bracket" in result.stdout
    assert "between 0 and 1.03125" in result.stdout
    assert "had not settled within a time of 400" in result.stderr


def test_threshold_of_an_unstable_point_is_zero(call: Call) -> None:
    document = json.loads(call("threshold", "deleveraging", "--set", "price_impact=1", "--json").stdout)
    assert (document["value"], document["status"]) == (0.0, "unstable")


def test_phase_diagram_counts_regimes_and_saves(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    document = json.loads(call(
        "phase-diagram", "deleveraging", "--x", "price_impact=0.1:1:6", "--y", "target_leverage=2:12:5:log",
        "--shock", "price=0.1", "--output", str(path), "--json").stdout)
    assert sum(document["regimes"].values()) == document["cells"] == 30
    assert (document["shock"], document["magnitude"]) == ("price", 0.1)
    assert "hopf" in {line["kind"] for line in document["boundaries"]}
    assert dy.open(path)["regime"].shape == (5, 6)


def test_phase_diagram_takes_what_the_model_has(call: Call) -> None:
    # the shock and the event of the core; a model with another shock and no event; a start of one's own
    plane = ("--x", "price_impact=0.1:1:3", "--y", "target_leverage=2:12:3", "--json")
    document = json.loads(call("phase-diagram", "deleveraging", *plane).stdout)
    assert (document["shock"], document["magnitude"]) == ("price", 0.1)
    away = json.loads(call("phase-diagram", "deleveraging", "--state", "equity_ratio=0.05", *plane).stdout)
    # a start of one's own is not shocked, and neither is the fixed point asked: every one of these is lost within a day
    assert away["regimes"] == {"cascades_after_shock": 9}
    assert away["shock"] is None
    keen = ("phase-diagram", "keen", "--x", "interest=0.02:0.04:3", "--y", "investment_slope=15:20:2", "--state", "debt=0.1")
    assert "6 cells without a shock" in call(*keen).stdout
    assert json.loads(call(*keen, "--shock", "debt=0.1", "--json").stdout)["shock"] == "debt"
    assert "6 cells after a debt shock of 0.1" in call(*keen, "--shock", "debt=0.1").stdout


@pytest.mark.parametrize(("arguments", "said"), [
    (("show", "delevraging"), "Did you mean 'deleveraging'?"),
    (("show",), "--model-file"),
    (("show", "deleveraging", "--mechanism", "depletoin"), "Did you mean 'depletion'?"),
    (("show", "deleveraging", "--set", "price_inpact=1"), "Did you mean 'price_impact'?"),
    (("show", "deleveraging", "--set", "price_impact"), "NAME=VALUE"),
    (("show", "deleveraging", "--set", "price_impact=much"), "not a finite number"),
    (("show", "deleveraging", "--set", "price_impact=1", "--set", "price_impact=2"), "given twice"),
    (("show", "--model-file", "absent.toml"), "absent.toml"),
    (("derive", "deleveraging", "--parameter", "target_levrage"), "Did you mean 'target_leverage'?"),
    (("integrate", "deleveraging", "--duration", "-1"), "duration"),
    (("integrate", "deleveraging", "--duration", "1", "--shock", "prise=0.1"), "Did you mean 'price'?"),
    (("integrate", "deleveraging", "--duration", "1", "--output", "run.csv"), "suffix"),
    (("integrate", "deleveraging", "--duration", "1", "--output", "no_such_folder/run.nc"), "no_such_folder"),
    (("threshold", "deleveraging", "--event", "insolvensy"), "Did you mean 'insolvency'?"),
    (("phase-diagram", "deleveraging", "--x", "price_impact=0.1:1", "--y", "target_leverage=2:9:4"), "LOW:HIGH:COUNT"),
    (("phase-diagram", "deleveraging", "--x", "price_impact=1:0.1:4", "--y", "target_leverage=2:9:4"), "must increase"),
    (("phase-diagram", "deleveraging", "--x", "price_impact=0.1:1:4", "--y", "target_leverage=2:9:4", "--event", "insolven"),
     "Did you mean 'insolvency'?"),
    (("phase-diagram", "keen", "--x", "interest=0.01:0.05:4", "--y", "wages=2:9:4"), "'wages' is no parameter"),
    (("integrate", "deleveraging", "--duration", "1", "--shock", "price=0.3"), "itself causes the event 'insolvency'"),
    (("thresold",), "Did you mean 'threshold'?"),
    (("threshold", "deleveraging", "--rampp", "1"), "--ramp"),
])
def test_bad_input_is_one_sentence_and_exit_code_two(call: Call, arguments: tuple[str, ...], said: str) -> None:
    assert said in call(*arguments, code=2).stderr


def test_report_refuses_faulty_prices_with_their_line(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,close\n2021-01-01,100\n2021-01-02,-5\n")
    said = call("report", "--data", str(path), "--output", str(tmp_path / "report"), code=2).stderr
    assert "prices.csv" in said
    assert "line 3" in said


def test_failed_computation_is_exit_code_one(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "explosion.toml"
    path.write_text(dy.System(name="explosion", time="continuous", states={"u": 1}, equations={"u": "u**2"}).to_toml())
    assert "time" in call("integrate", "--model-file", str(path), "--duration", "5", code=1).stderr


def test_noise_is_refused_unless_it_is_left_out(call: Call) -> None:
    commands = (("integrate", "deleveraging", "--duration", "5"),
                ("threshold", "deleveraging", "--one-direction", "--tolerance", "1e-3"),
                ("phase-diagram", "deleveraging", "--x", "price_impact=0.1:0.4:2", "--y", "target_leverage=2:5:2"))
    for command in commands:
        noisy = (*command, "--mechanism", "news")
        assert "noise (news). Use simulate" in " ".join(call(*noisy, code=2).stderr.split())
        left_out = call(*noisy, "--ignore", "noise", "--json")
        assert json.loads(left_out.stdout)["ignored"] == ["noise"]
        assert "left out: noise" in left_out.stderr
        assert "ignored" not in json.loads(call(*command, "--json").stdout)
    derived = json.loads(call("derive", "deleveraging", "--mechanism", "news", "--json").stdout)
    assert "drift only: of the equations without noise (news)" in derived["assumptions"]
