"""Cobweb, hysteresis and cusp of maps: iterates, closed forms, and the known numbers of the liquidation cascade."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

import dynamics as dy
from dynamics.figures import plot_cobweb, plot_cusp, plot_hysteresis


def logistic(r: float = 3.2) -> Any:
    return dy.System(name="logistic", time="discrete", states={"x": dy.State(0.3, bounds=(0, 1))}, parameters={"r": r},
                     equations={"x": "r*x*(1 - x)"})


def line(ax: Any, label: str) -> Any:
    (found,) = [item for item in ax.lines if item.get_label() == label]
    return found


def test_the_staircase_consists_of_iterates() -> None:
    ax = plot_cobweb(logistic(), initial=0.2, steps=4)
    orbit = [0.2]
    for _ in range(4):
        orbit.append(3.2 * orbit[-1] * (1 - orbit[-1]))
    xs, ys = line(ax, "rounds").get_data()
    np.testing.assert_allclose(xs, np.repeat(orbit, 2)[:-1], rtol=1e-14)
    np.testing.assert_allclose(ys[1:], np.repeat(orbit[1:], 2), rtol=1e-14)
    x, y = line(ax, "map").get_data()
    np.testing.assert_allclose(y, 3.2 * x * (1 - x), rtol=1e-12, atol=1e-15)
    # both fixed points, 0 and 1 - 1/r, repel at r = 3.2
    np.testing.assert_allclose(sorted(line(ax, "unstable fixed point").get_xdata()), [0, 1 - 1 / 3.2], atol=1e-12)


def test_stability_of_the_cascade_s_fixed_points_and_parameters_by_name() -> None:
    ax = plot_cobweb(dy.models.load("liquidation_cascade"), parameters={"initial_fall": 0.03})
    known = [brentq(lambda fall: 0.03 + 0.15 * norm.cdf(np.log(fall / 0.1) / 0.5) - fall, *bracket)
             for bracket in ((0.02, 0.05), (0.05, 0.1), (0.1, 0.2))]
    np.testing.assert_allclose(line(ax, "stable fixed point").get_xdata(), [known[0], known[2]], rtol=1e-9)
    np.testing.assert_allclose(line(ax, "unstable fixed point").get_xdata(), [known[1]], rtol=1e-9)
    assert ax.get_ylabel() == "Fall $D$, next round"


def test_hysteresis_of_the_cascade_has_the_known_folds_and_landings() -> None:
    ax = plot_hysteresis(dy.models.load("liquidation_cascade"), "initial_fall", np.linspace(0.005, 0.06, 12))
    up = line(ax, "jump at 0.03769")
    np.testing.assert_allclose(up.get_ydata(), [0.0527, 0.1631], atol=5e-5)
    (back,) = [item for item in ax.lines if item.get_label().startswith("jump back at 0.02349")]
    assert back.get_ydata()[1] == pytest.approx(0.02379, abs=5e-6)
    assert ax.get_xlabel() == "Initial fall $d$"


def test_without_rebuilding_the_first_jump_is_irreversible() -> None:
    cubic = dy.System(name="cubic map", time="discrete", states={"x": dy.State(0.5, bounds=(-2, 2))},
                      parameters={"h": 0}, equations={"x": "x + (h + x - x**3)/4"})
    fold, far = 2 / (3 * np.sqrt(3)), 2 / np.sqrt(3)
    both, once = (plot_hysteresis(cubic, "h", [-0.6, 0, 0.6], rebuilt=rebuilt) for rebuilt in (True, False))
    jumps = {item.get_label()[:9]: item.get_data() for item in both.lines if item.get_label().startswith("jump")}
    np.testing.assert_allclose(jumps["jump at 0"], [[fold, fold], [-far / 2, far]], rtol=1e-7)
    np.testing.assert_allclose(jumps["jump back"], [[-fold, -fold], [far / 2, -far]], rtol=1e-7)
    assert [item.get_label()[:9] for item in once.lines if item.get_label().startswith("jump")] == ["jump at 0"]


def test_branches_are_solid_where_stable_and_dashed_where_not() -> None:
    system = dy.System(name="fold map", time="discrete", states={"x": dy.State(0.5, bounds=(-0.9, 0.9))},
                       parameters={"mu": 0.25}, equations={"x": "x + mu - x**2"})
    ax = plot_hysteresis(system, "mu", [0.05, 0.5])
    assert not any("jump" in str(item.get_label()) for item in ax.lines)  # nothing to land on
    for label, style, sign in (("stable", "-", 1), ("unstable", "--", -1)):
        mu, x = (np.asarray(v) for v in line(ax, label).get_data())
        shown = np.isfinite(mu)
        np.testing.assert_allclose(x[shown], sign * np.sqrt(mu[shown]), rtol=1e-9)
        assert line(ax, label).get_linestyle() == style


def test_a_parameter_that_is_not_linear_is_followed_value_by_value() -> None:
    system = dy.System(name="quadratic map", time="discrete", states={"x": 0.1}, parameters={"a": 0.5},
                       equations={"x": "a**2 - x/2"})
    ax = plot_hysteresis(system, "a", [0.1, 0.2, 0.4])
    a, x = line(ax, "stable").get_data()
    np.testing.assert_allclose(x, np.square(a) / 1.5, rtol=1e-12)


def test_the_cusp_of_the_cascade_and_its_fold_curve() -> None:
    ax = plot_cusp(dy.models.load("liquidation_cascade"), "initial_fall", "total_impact")
    (cusp,) = [item for item in ax.lines if item.get_label().startswith("cusp")]
    np.testing.assert_allclose([cusp.get_xdata()[0], cusp.get_ydata()[0]], [0.0437544, 0.110605], rtol=1e-5)
    fall, impact = line(ax, "fold: a jump").get_data()
    # at a = 0.15 the two folds are those of the hysteresis loop
    for known in (0.03769, 0.02349):
        assert np.min(np.hypot((fall - known) / known, (impact - 0.15) / 0.15)) < 5e-3
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Initial fall $d$", "Total impact $a$")


def test_given_axes_are_used() -> None:
    import matplotlib.pyplot as plt

    cascade, ax = dy.models.load("liquidation_cascade"), plt.subplots()[1]
    assert plot_cobweb(logistic(), ax=ax) is ax
    assert plot_cusp(cascade, "initial_fall", "total_impact", ax=ax) is ax


def test_wrong_input_is_told() -> None:
    cascade = dy.models.load("liquidation_cascade")
    with pytest.raises(dy.SpecificationError, match="map of one state"):
        plot_cobweb(dy.models.load("deleveraging"))
    with pytest.raises(dy.SpecificationError, match="steps must be a whole number"):
        plot_cobweb(cascade, steps=0)
    with pytest.raises(dy.SpecificationError, match="x_range must be"):
        plot_cobweb(cascade, x_range=(1, 0))
    with pytest.raises(dy.SpecificationError, match="Did you mean 'initial_fall'"):
        plot_hysteresis(cascade, "initial_fal", [0, 1])
    with pytest.raises(dy.SpecificationError, match="at least two different"):
        plot_hysteresis(cascade, "initial_fall", [0.1, 0.1])
    with pytest.raises(dy.DerivationError, match="not enter"):
        plot_cusp(cascade, "initial_fall", "spread")
    with pytest.raises(dy.DerivationError, match="no cusp"):
        plot_cusp(dy.System(name="line", time="discrete", states={"x": 0.1}, parameters={"a": 0.5, "b": 1},
                            equations={"x": "a*x**2 + b"}), "b", "a")
