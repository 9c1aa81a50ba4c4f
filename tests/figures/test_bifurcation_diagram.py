"""Bifurcation diagrams and two-parameter diagrams: what is drawn is what the branches say."""

import numpy as np
import pytest

import dynamics as dy


def pitchfork():
    return dy.System(name="pitchfork", time="continuous", states={"x": 0.1}, parameters={"mu": -1},
                     equations={"x": "mu*x - x**3"})


def cusp():
    return dy.System(name="cusp", time="continuous", states={"x": 1}, parameters={"mu": 0, "r": 1},
                     equations={"x": "mu + r*x - x**3"})


def pieces(ax, style):
    return [line for line in ax.get_lines() if line.get_linestyle() == style and len(line.get_xdata())]


def test_stable_is_solid_and_unstable_is_dashed():
    ax = dy.plot_bifurcation_diagram(dy.bifurcation_diagram(pitchfork(), "mu", (-1, 1)))
    solid, dashed = pieces(ax, "-"), pieces(ax, "--")
    # the trivial branch is stable below 0 and unstable above, the two born there are stable
    assert all(np.all(line.get_xdata() > -1e-9) and np.allclose(line.get_ydata(), 0, atol=1e-9) for line in dashed)
    assert dashed
    for line in solid:
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert (np.allclose(y, 0, atol=1e-9) and np.all(x < 1e-9)) or np.allclose(y**2, x, atol=1e-9)
    assert "BP1" in [text.get_text() for text in ax.texts]
    assert ax.get_xlabel() == r"$\mu$"


def test_labels_can_be_left_out_and_axes_reused():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    branch = dy.continue_fixed_points(cusp(), "mu", (-1, 1))
    assert dy.plot_bifurcation_diagram(branch, "x", labels=False, ax=ax) is ax
    assert not ax.texts


def test_cycles_have_two_edges():
    system = dy.System(name="circle", time="continuous", states={"x": 0, "y": 0}, parameters={"mu": -0.5},
                       equations={"x": "mu*x - y - x*(x**2 + y**2)", "y": "x + mu*y - y*(x**2 + y**2)"})
    ax = dy.plot_bifurcation_diagram(dy.bifurcation_diagram(system, "mu", (-0.5, 0.5)), "x")
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["stable", "unstable", "stable cycle"]
    born = [np.asarray(line.get_ydata()) for line in ax.get_lines() if np.ptp(line.get_ydata()) > 0.5]
    assert len(born) == 2
    assert min(born, key=np.min).min() == pytest.approx(-(0.5**0.5), rel=1e-3)


def test_orbits_of_periodic_points_are_drawn_whole():
    system = dy.System(name="logistic", time="discrete", states={"x": 0.5}, parameters={"mu": 3.1},
                       equations={"x": "mu*x*(1 - x)"})
    diagram = dy.bifurcation_diagram(system, "mu", (2.8, 3.4), box={"x": (0.1, 1)}, longest_period=2)
    ax = dy.plot_bifurcation_diagram(diagram)
    ends = sorted(float(line.get_ydata()[-1]) for line in ax.get_lines() if len(line.get_xdata()) > 2
                  and abs(line.get_xdata()[-1] - 3.4) < 1e-9)
    mu = 3.4
    root = ((mu - 3) * (mu + 1)) ** 0.5
    assert np.allclose(ends, sorted([(mu + 1 - root) / (2 * mu), 1 - 1 / mu, (mu + 1 + root) / (2 * mu)]), atol=1e-9)


def test_two_parameter_diagrams_name_their_points():
    fold = dy.continue_fixed_points(cusp(), "mu", (-1, 1))["LP1"]
    curve = dy.continue_curve(cusp(), fold, ("mu", "r"), {"mu": (-1, 1), "r": (-1, 2)})
    ax = dy.plot_two_parameter_diagram(curve, x="r")
    assert [text.get_text() for text in ax.texts] == ["CP1"]
    assert ax.get_xlabel() == "$r$"
    line = max(ax.get_lines(), key=lambda item: len(item.get_xdata()))
    assert np.allclose(4 * np.asarray(line.get_xdata()) ** 3, 27 * np.asarray(line.get_ydata()) ** 2, atol=1e-9)


@pytest.mark.parametrize(("call", "message"), [
    (lambda branch, curve: dy.plot_bifurcation_diagram(3), "needs a BifurcationDiagram or a Branch"),
    (lambda branch, curve: dy.plot_bifurcation_diagram(branch, "y"), "there is no 'y'"),
    (lambda branch, curve: dy.plot_bifurcation_diagram(curve), "plot_two_parameter_diagram"),
    (lambda branch, curve: dy.plot_two_parameter_diagram(branch), "over the same two parameters"),
    (lambda branch, curve: dy.plot_two_parameter_diagram([]), "needs curves"),
    (lambda branch, curve: dy.plot_two_parameter_diagram(curve, x="q"), "there is no 'q'"),
    (lambda branch, curve: dy.plot_two_parameter_diagram(curve, scales=("linear", "cubic")), "'linear' and 'log'"),
])
def test_what_does_not_fit_is_said(call, message):
    branch = dy.continue_fixed_points(cusp(), "mu", (-1, 1))
    curve = dy.continue_curve(cusp(), branch["LP1"], ("mu", "r"), {"mu": (-1, 1), "r": (-1, 2)})
    with pytest.raises(dy.SpecificationError, match=message):
        call(branch, curve)


def test_names_stay_with_their_points_when_the_limits_change():
    system = dy.System(name="fold", states={"u": 0.9}, parameters={"mu": 1.0}, equations={"u": "mu - u**2"})
    ax = dy.plot_bifurcation_diagram(dy.continue_fixed_points(system, "mu", (-1, 1)))
    name, = (text for text in ax.texts if text.get_text() == "LP1")
    ax.set(xlim=(-0.3, 0.2), ylim=(-0.1, 0.4))
    ax.figure.draw_without_rendering()
    box, place = name.get_window_extent(), ax.transData.transform((0, 0))
    gaps = [max(box.x0 - place[0], place[0] - box.x1, 0), max(box.y0 - place[1], place[1] - box.y1, 0)]
    assert np.hypot(*gaps) < 16 * ax.figure.dpi / 72
