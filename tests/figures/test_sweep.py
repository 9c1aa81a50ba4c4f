"""Sweeps: lines, colours and dots show the numbers of the result; axes know names, units and scale."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import dynamics as dy


@pytest.fixture(scope="module")
def sweep() -> xr.Dataset:
    return dy.sweep(dy.models.load("deleveraging"), {"price_impact": np.geomspace(0.05, 0.7, 6),
                                                     "shock:price": np.linspace(0, 0.2, 5)}, ["max_leverage", "regime"])


def test_two_axes_give_colours(sweep: xr.Dataset) -> None:
    ax = dy.plot_sweep(sweep, "max_leverage", logarithmic=True)
    (mesh,) = ax.collections
    np.testing.assert_array_equal(mesh.get_array().reshape(5, 6), sweep["max_leverage"].values.T)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_xlabel() == r"Price impact $\eta$"
    assert ax.get_ylabel() == "Instantaneous fall of the log price $s$"


def test_one_axis_gives_a_line(sweep: xr.Dataset) -> None:
    ax = dy.plot_sweep(sweep.isel({"shock:price": 1}))
    (line,) = ax.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), sweep["max_leverage"].values[:, 1])
    assert ax.get_ylabel() == "Largest leverage"


def test_final_states_of_a_map_as_dots_lie_on_its_attractors() -> None:
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 3.2},
                         equations={"x": "r*x*(1 - x)"})
    r = np.array([2.5, 3.2])
    ends = dy.sweep(logistic, {"r": r, "x": np.linspace(0.1, 0.9, 9)}, "x", duration=400)
    (dots,) = dy.plot_sweep(ends, "x", dots=True).get_lines()
    x, y = dots.get_data()
    np.testing.assert_allclose(y[x == 2.5], 1 - 1 / 2.5, atol=1e-12)
    root = np.sqrt((3.2 + 1) * (3.2 - 3))  # of the 2-cycle, in closed form
    cycle = (3.2 + 1 + np.array([-root, root])) / 6.4
    assert np.abs(y[x == 3.2][:, None] - cycle).min(axis=1).max() < 1e-12


def test_cells_without_a_value_stay_white() -> None:
    result = xr.Dataset({"m": (("a", "b"), np.ones((2, 3))),
                         "status": (("a", "b"), [[0, 0, 2], [0, 0, 0]], {
                             "flag_values": [0, 2], "flag_meanings": "completed diverged"})},
                        coords={"a": [1.0, 2.0], "b": [1.0, 2.0, 4.0]})
    (mesh,) = dy.plot_sweep(result).collections
    assert np.ma.getmaskarray(mesh.get_array()).reshape(3, 2)[2, 0]
    assert np.ma.getmaskarray(mesh.get_array()).sum() == 1


def test_what_rounding_has_left_of_chaos_is_not_drawn() -> None:
    tent = dy.System(name="tent", time="discrete", states={"x": 0.3}, parameters={"a": 1},
                     equations={"x": "2*x if x < 1/2 else 2 - 2*x"})
    found = dy.sweep(tent, {"x": [0.3, 0.41, 0.7]}, ["x", "lyapunov"], duration=500)
    (line,) = dy.plot_sweep(found, "final_x").get_lines()
    assert np.isnan(line.get_ydata()).all()   # all are 0
    (line,) = dy.plot_sweep(found, "lyapunov").get_lines()
    np.testing.assert_allclose(line.get_ydata(), np.log(2))


def test_figures_say_what_was_left_out() -> None:
    noisy = dy.System(name="noisy", states={"x": 1.0}, parameters={"k": 1}, equations={"x": "-k*x"},
                      noise={"dW": {"x": "1/10"}}, events={"half": dy.Event("x - 1/2", assign={"x": "1"})})
    found = dy.sweep(noisy, {"k": [1, 2]}, "x", duration=3, ignore=("noise", "resets"))
    run = dy.integrate(noisy, 3, ignore="noise")
    axes = {"without noise and resets": dy.plot_sweep(found), "without noise": dy.plot_trajectory(run)[-1]}
    for text, ax in axes.items():
        assert [item.get_text() for item in ax.texts if item.get_gid() == "left out"] == [text]
    assert not dy.plot_trajectory(dy.integrate(noisy, 3, ignore="noise").assign_attrs(ignored=None))[-1].texts


def test_what_cannot_be_drawn_is_said(sweep: xr.Dataset) -> None:
    with pytest.raises(dy.SpecificationError, match="Did you mean 'max_leverage'"):
        dy.plot_sweep(sweep, "max_leverag")
    with pytest.raises(dy.SpecificationError, match="plot_phase_diagram draws regimes"):
        dy.plot_sweep(sweep, "regime")
    with pytest.raises(dy.SpecificationError, match="needs a Dataset with a measure"):
        dy.plot_sweep(xr.Dataset())
    with pytest.raises(dy.SpecificationError, match=r"take a part of it first, as in result.isel\(price_impact=0\)"):
        dy.plot_sweep(sweep.expand_dims(c=[1.0, 2.0], axis=2).drop_vars(["regime", "status"]))
