"""Phase portraits: nullclines pass through fixed points, separatrices are the known curves, stability is told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dynamics as dy
from dynamics.figures import plot_phase_portrait
from dynamics.figures.style import BLACK, BLUE, GREEN, VERMILION


def double_well(damping: float = 0.0) -> Any:
    return dy.System(name="double well", states={"x": 0.1, "y": 0}, parameters={"c": damping},
                     equations={"x": "y", "y": "x - x**3 - c*y"})


def lines(ax: Any, label: str) -> list[Any]:
    return [line for line in ax.lines if line.get_label() == label]


def nullcline(ax: Any, color: str) -> np.ndarray:
    from matplotlib.colors import same_color
    from matplotlib.contour import ContourSet

    (found,) = [c for c in ax.collections if isinstance(c, ContourSet) and same_color(c.get_edgecolor(), color)]
    return np.concatenate([path.vertices for path in found.get_paths()])


def test_the_separatrix_of_the_double_well_is_its_homoclinic_orbit() -> None:
    # energy zero: y^2 = x^2 - x^4/2
    curves = lines(plot_phase_portrait(double_well(), "x", "y", (-1.6, 1.6), (-1, 1)), "separatrix")
    assert len(curves) == 2
    for curve in curves:
        x, y = curve.get_data()
        assert np.max(np.abs(x)) == pytest.approx(np.sqrt(2), abs=1e-3)
        np.testing.assert_allclose(y**2, x**2 - x**4 / 2, atol=2e-6)


def test_nullclines_pass_through_fixed_points_and_follow_their_formulas() -> None:
    ax = plot_phase_portrait(double_well(), "x", "y", (-1.6, 1.6), (-1, 1), separatrix=False)
    assert not lines(ax, "separatrix")
    assert np.max(np.abs(nullcline(ax, BLUE)[:, 1])) < 1e-12
    for x in (-1.0, 0.0, 1.0):
        assert np.min(np.hypot(*(nullcline(ax, VERMILION) - [x, 0.0]).T)) < 5e-3


def test_markers_tell_stable_unstable_and_saddle_apart() -> None:
    ax = plot_phase_portrait(double_well(0.5), "x", "y", (-1.6, 1.6), (-1, 1))
    marks = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    looks = {round(float(m.get_xdata()[0]), 9): (m.get_fillstyle(), m.get_markerfacecolor()) for m in marks}
    assert looks == {-1.0: ("full", BLACK), 0.0: ("left", BLACK), 1.0: ("full", BLACK)}
    unstable = plot_phase_portrait(double_well(-0.5), "x", "y", (-1.6, 1.6), (-1, 1))
    assert {m.get_markerfacecolor() for m in unstable.lines if m.get_fillstyle() == "full" and m.get_marker() == "o"} \
        == {"white"}


@pytest.mark.slow
def test_the_core_model_in_its_quasi_steady_plane() -> None:
    core = dy.models.load("deleveraging").with_parameters(target_leverage=10.9)
    run = dy.integrate(core, 5, dy.apply_shock(core, core.initial_state(), "price", 0.02))
    ax = plot_phase_portrait(core, "price_gap", "equity_ratio", (-0.3, 0.1), (0, 0.25), trajectories=[run],
                             slaved={"liquidation_flow": "margin_call_rate"})
    assert ax.get_xlabel() == "Price gap $x$"
    # below the Hopf point the basin is bounded by the unstable cycle, here from u = 0.06996230 to 0.10998802
    # where margin calls are inactive, so that the plane is exact; the separatrix winds onto it
    turns = [line.get_ydata()[-50:] for line in lines(ax, "separatrix")]
    assert any(np.min(np.abs(u - 0.11)) < 0.03 and np.min(u) > 0.05 for u in turns)
    (drawn,) = lines(ax, "trajectory")
    np.testing.assert_array_equal(drawn.get_ydata(), run["equity_ratio"].values)
    assert drawn.get_color() == GREEN


def test_given_axes_are_used_and_other_states_come_from_the_fixed_point() -> None:
    import matplotlib.pyplot as plt

    system = dy.System(name="three", states={"x": 0, "y": 0, "z": 0},
                       equations={"x": "z - x", "y": "-y", "z": "2 - z"})
    ax = plt.subplots()[1]
    assert plot_phase_portrait(system, "x", "y", ax=ax) is ax
    (mark,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert mark.get_xdata() == [2.0]
    followed = plot_phase_portrait(system, "x", "y", slaved={"z": "x/2 + 3"})
    assert [line.get_xdata()[0] for line in followed.lines if line.get_marker() == "o"] == [6.0]
    at_five = plot_phase_portrait(system, "x", "y", fixed={"z": 5})
    assert [line.get_xdata()[0] for line in at_five.lines if line.get_marker() == "o"] == [5.0]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"x": "equity", "y": "price_gap"}, "Did you mean 'equity_ratio'"),
    ({"x": "price_gap", "y": "price_gap"}, "different states"),
    ({"x": "price_gap", "y": "equity_ratio", "x_range": (1, 0)}, "x_range must be two finite numbers"),
    ({"x": "price_gap", "y": "equity_ratio", "y_range": 3}, "y_range must be two numbers"),
    ({"x": "price_gap", "y": "equity_ratio", "slaved": {"liquidation_flow": "liquidation_flow"}}, "follow each other"),
    ({"x": "price_gap", "y": "equity_ratio", "trajectories": [1]}, "results of integrate"),
])
def test_wrong_input_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(dy.SpecificationError, match=message):
        plot_phase_portrait(dy.models.load("deleveraging"), **arguments)


def test_maps_and_driven_systems_are_refused() -> None:
    with pytest.raises(dy.SpecificationError, match="plot_cobweb"):
        plot_phase_portrait(dy.models.load("liquidation_cascade"), "fall", "fall")
    driven = dy.System(name="driven", states={"x": 0, "y": 0}, equations={"x": "sin(time)", "y": "x"})
    with pytest.raises(dy.DerivationError, match="depends on time"):
        plot_phase_portrait(driven, "x", "y")
