"""Figures of exposure, liquidity shocks, skews and early warnings show the numbers of their results."""

import numpy as np
import pytest

import dynamics as dy

CORE = dy.models.load("deleveraging")
RETURNS = 0.03 * np.random.default_rng(1).standard_t(3, 1000)


def test_exposure_marks_the_largest_one_at_the_level():
    result = dy.exposure(CORE, {"target_leverage": [1.5, 3.0, 5.0, 8.0]}, RETURNS, 0.2, bootstrap=50)
    ax = dy.plot_exposure(result)
    marks = {line.get_label().split(":")[0]: line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"}
    assert marks == {f"largest, {name}": [float(result["largest_target_leverage"].sel(criterion=name)), 0.2]
                     for name in ("estimate", "cautious")}
    assert ax.get_xlabel() == r"Target leverage $\lambda^{*}$"
    with pytest.raises(dy.SpecificationError, match="result of exposure"):
        dy.plot_exposure(result.assign_attrs(analysis="sweep"))


def test_liquidity_shock_breaks_its_line_at_a_jump():
    result = dy.liquidity_shock(dy.models.load("liquidation_cascade"), np.linspace(0, 0.8, 9))
    ax = dy.plot_liquidity_shock(result)
    jump = float(result["critical_loss"])
    curves = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(curves) == 2
    assert curves[0].max() < jump <= curves[1].min()
    flow = dy.plot_liquidity_shock(dy.liquidity_shock(CORE, [0.0, 0.3, 0.7], magnitude=0.1))
    words = [text.get_text() for text in flow.get_legend().get_texts()]
    assert sorted(" ".join(word.split()[:-1]) for word in words) == ["critical loss", "rest unstable", "shock of"]
    assert flow.get_ylim()[0] == 0


def test_skews_are_in_percent_and_warnings_have_a_panel_each():
    skew = dy.implied_volatility_skew(RETURNS, 0.1, strikes=[0.95, 1.0, 1.05], bootstrap=20)
    ax = dy.plot_volatility_skew({"sample": skew})
    assert ax.lines[0].get_ydata() == pytest.approx(100 * skew["implied_volatility"].values)
    warning = dy.early_warning_signals(RETURNS, surrogates=20)
    axes = dy.plot_early_warnings(warning)
    assert [panel.get_ylabel() for panel in axes] == ["Series\nwithout trend", "Variance", "Lag-1\nautocorrelation"]
    assert f"{float(warning['kendall_tau'][0]):.2f}" in axes[1].get_title(loc="right")
    with pytest.raises(dy.SpecificationError, match="3 matplotlib Axes"):
        dy.plot_early_warnings(warning, axes=axes[:2])
