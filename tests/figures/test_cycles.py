"""Galleries of cycles and plots of Floquet multipliers."""

import matplotlib.colors
import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import SpecificationError
from dynamics.results import SpecialPoint


@pytest.fixture(scope="module")
def branch():
    # radius r with r' = r (mu + r**2 - r**4): unstable cycles from mu = 0 down to the fold at -1/4, stable ones beyond
    size = "(x**2 + y**2)"
    system = dy.System(name="Bautin", states={"x": 0.0, "y": 0.0}, parameters={"mu": 0.0},
                       equations={"x": f"x*(mu + {size} - {size}**2) - y", "y": f"y*(mu + {size} - {size}**2) + x"})
    return dy.continue_cycles(system, SpecialPoint("hopf", "HB1", {"x": 0.0, "y": 0.0}, {"mu": 0.0}), "mu", (-1.0, 0.5))


def test_the_fold_is_where_the_closed_form_has_it(branch):
    assert [p.kind for p in branch.special_points] == ["fold_of_cycles"]
    assert branch["LPC1"].parameters["mu"] == pytest.approx(-0.25, abs=1e-10)
    assert branch["LPC1"].normal_form["max_x"] == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_stable_orbits_are_solid_and_unstable_ones_dashed(branch):
    ax = dy.plot_cycles(branch, orbits=9)
    styles = {line.get_linestyle() for line in ax.lines}
    assert len(ax.lines) >= 7
    assert styles == {"-", "--"}
    for line in ax.lines:
        radius = np.hypot(*line.get_data())
        assert np.ptp(radius) < 2e-3 * radius.max() + 1e-3
        assert (radius.max() > np.sqrt(0.5)) == (line.get_linestyle() == "-")
    colors = {matplotlib.colors.to_hex(line.get_color()) for line in ax.lines}
    assert len(colors) > 4
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x$", "$y$")


def test_multipliers_cross_the_unit_line_at_the_fold(branch):
    ax = dy.plot_floquet_multipliers(branch)
    curve = ax.lines[0]
    assert np.nanmin(curve.get_ydata()) < 1 < np.nanmax(curve.get_ydata())
    assert [text.get_text() for text in ax.texts] == ["LPC1"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["positive"]


def test_what_is_refused(branch):
    with pytest.raises(SpecificationError, match="takes a branch of cycles"):
        dy.plot_cycles(dy.results.BifurcationDiagram(()))
    with pytest.raises(SpecificationError, match="there is no 'z'"):
        dy.plot_cycles(branch, "z")
    with pytest.raises(SpecificationError, match="orbits must be"):
        dy.plot_cycles(branch, orbits=0)
