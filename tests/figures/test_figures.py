"""The package of figures: names, lightness, style, labels, and names written along curves."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics import figures
from dynamics.figures import labels, style
from dynamics.figures.placement import write_along


def test_names_are_the_files_with_a_figure() -> None:
    assert {"cobweb", "critical_shock", "cusp", "hysteresis", "phase_diagram", "phase_portrait", "trajectory"} <= set(
        figures.names())
    assert not {"labels", "style", "placement", "fold_algebra"} & set(figures.names())
    for name in figures.names():
        assert callable(getattr(figures, f"plot_{name}"))
    with pytest.raises(AttributeError, match="Did you mean 'plot_cobweb'"):
        _ = figures.plot_cobwep


def test_importing_figures_and_listing_them_imports_no_matplotlib() -> None:
    code = "import sys, dynamics.figures as f; f.names(); f.plot_cobweb; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_labels_have_words_symbol_and_unit() -> None:
    core = dy.models.load("deleveraging")
    assert labels.label(core, "reversion") == r"Reversion $\kappa$ (1/day)"
    assert labels.label(core, "price_impact") == r"Price impact $\eta$"
    assert labels.label(core, "time") == "Time (day)"
    # units of definitions follow from their expressions
    assert labels.label(core, "net_flow") == "Net flow (1/day)"
    assert labels.label(core, "effective_target") == "Effective target"
    plain = dy.System(name="plain", states={"x": 0, "lambda_": 0, "some_state": 0},
                      equations={"x": "x", "lambda_": "x", "some_state": "x"})
    assert [labels.label(plain, n) for n in ("x", "some_state")] == ["$x$", "Some state"]


def test_results_are_labelled_as_their_system_names_things_else_from_their_attributes() -> None:
    coordinate = ("price_impact", [0.1, 0.2], {"units": "1/day", "long_name": "sensitivity", "symbol": "eta_0"})
    bare = xr.Dataset(coords={"price_impact": coordinate})
    assert labels.swept_label(bare, "price_impact") == r"Sensitivity $\eta_{0}$ (1/day)"
    full = bare.assign_attrs(system_text=dy.models.load("deleveraging").to_toml())
    assert labels.swept_label(full, "price_impact") == r"Price impact $\eta$"


def test_the_style_is_legible_and_local() -> None:
    import matplotlib

    with style.styled():
        sizes = [matplotlib.rcParams[k] for k in ("font.size", "axes.labelsize", "xtick.labelsize", "legend.fontsize")]
    assert min(float(s) for s in sizes) >= 8
    with pytest.raises(dy.SpecificationError, match="ax must be a matplotlib Axes"):
        style.check_axes("axes")


def test_names_written_along_curves_cover_no_curve_and_no_other_name() -> None:
    x = np.linspace(0, 1, 200)
    with style.drawing_on(None) as ax:
        lines = [ax.plot(x, y)[0] for y in (np.sin(6 * x), 0.5 + 0 * x, -0.9 + x)]
        texts = write_along(ax, list(zip(lines, ("a sine wave", "constant", "straight line"), strict=True)))
    boxes = [t.get_window_extent() for t in texts]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1:])
        for line in lines:
            points = ax.transData.transform(np.column_stack(line.get_data()))
            assert not any(box.contains(*point) for point in points)


def test_own_figures_can_be_drawn_in_the_style() -> None:
    import matplotlib
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    with dy.figures.styled():
        ax = plt.subplots()[1]
    assert dict(matplotlib.rcParams) == before
    assert not ax.spines["top"].get_visible()
    assert ax.xaxis.label.get_size() == 8
