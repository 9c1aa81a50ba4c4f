"""Refinement at borders: the same picture from few cells."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import regimes
from dynamics.analysis.refinement import refined
from dynamics.analysis.regimes import REGIMES
from dynamics.results import STATUS


def found(true: np.ndarray, known: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, list[int]]:
    asked: list[int] = []

    def evaluate(cells: np.ndarray) -> np.ndarray:
        asked.extend(cells.tolist())
        return true.reshape(-1)[cells]

    start = np.full(true.shape, -1) if known is None else np.where(known, true, -1)
    flags, evaluated = refined(start, evaluate)
    assert len(asked) == len(set(asked)) == evaluated.sum()
    return flags, evaluated, asked


def plane(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:1:rows * 1j, 0:1:columns * 1j]
    return x, y


@pytest.mark.parametrize(("rows", "columns"), [(128, 128), (150, 97), (256, 256)])
@pytest.mark.parametrize("shape", ["disc", "two curves", "band", "corner"])
def test_smooth_borders_are_found_exactly(rows: int, columns: int, shape: str) -> None:
    x, y = plane(rows, columns)
    true = {"disc": (x - 0.5)**2 + (y - 0.5)**2 < 0.1, "two curves": (y > x**2) + 2 * (y > 0.3 + 0.5 * x),
            "band": np.abs(y - x**2) < 0.03, "corner": x + y < 0.2}[shape].astype(int)
    flags, evaluated, _ = found(true)
    assert np.array_equal(flags, true)
    assert evaluated.mean() < 0.15


@pytest.mark.parametrize("size", [2, 3, 5, 17])
def test_small_planes(size: int) -> None:
    true = np.random.default_rng(size).integers(0, 3, (size, size + 1))
    flags, _, _ = found(true)
    assert np.mean(flags == true) > 0.5
    if size < 4:
        assert np.array_equal(flags, true)


def test_a_uniform_plane_costs_the_coarse_grid_only() -> None:
    flags, evaluated, _ = found(np.full((128, 128), 2))
    assert np.all(flags == 2)
    assert evaluated.mean() < 0.02


def test_known_cells_are_not_asked_for_and_lead_to_what_touches_them() -> None:
    x, y = plane(128, 128)
    true = np.where(y > 0.5, 2, np.where((y > 0.47) & (x > 0.4) & (x < 0.6), 1, 0))   # thinner than the coarse grid
    flags, evaluated, _ = found(true, known=y > 0.5)
    assert np.array_equal(flags, true)
    assert not evaluated[y > 0.5].any()


def test_cells_that_cannot_be_evaluated_stay_unknown() -> None:
    flags, evaluated = refined(np.full((40, 40), -1), lambda cells: np.full(cells.size, -1))
    assert np.all(flags == -1)
    assert not evaluated.any()


# ---- phase diagrams -----------------------------------------------------------------------------------------------------

def models():
    """The core model; a pitchfork-like flow whose basin border is a curve in the plane of parameters."""
    bistable = dy.System(name="bistable", time="continuous", states={"x": 0}, parameters={"a": 1, "b": 1},
                         equations={"x": "-a*x*(1 - x/b)"}, shocks={"price": dy.Shock({"x": "x + magnitude"})},
                         events={"insolvency": dy.Event("3 - x", "falling", terminal=True)})
    return [(dy.models.load("deleveraging"), ("price_impact", np.linspace(0.01, 1.0, 128)),
             ("target_leverage", np.linspace(1.5, 30.0, 128)), {}),
            (bistable, ("shock:price", np.linspace(0.01, 2.0, 128)), ("b", np.geomspace(0.1, 2.0, 128)), {}),
            (dy.compose(dy.models.load("deleveraging"), "depletion"), ("price_impact", np.geomspace(0.02, 1.5, 128)),
             ("target_leverage", np.geomspace(1.5, 40.0, 128)), {"magnitude": 0.05})]


@pytest.mark.parametrize("number", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_same_picture_from_fewer_trajectories(number: int) -> None:
    system, x, y, options = models()[number]
    full = dy.phase_diagram(system, x, y, **options)
    few = dy.phase_diagram(system, x, y, refine=True, **options)
    assert np.array_equal(few["regime"].values, full["regime"].values)
    assert np.unique(full["regime"].values).size >= 2
    evaluated = few["evaluated"].values
    assert few.attrs["trajectories"] == evaluated.sum() <= 0.15 * evaluated.size
    assert full.attrs["trajectories"] == evaluated.size
    assert np.array_equal(few["growth_rate"].values, full["growth_rate"].values, equal_nan=True)
    assert np.array_equal(few["status"].values, np.where(evaluated, full["status"].values, STATUS["not_run"]))
    assert np.array_equal(few["end_time"].values[evaluated], full["end_time"].values[evaluated])


def test_ctrl_c_keeps_the_cells_that_were_run(monkeypatch: pytest.MonkeyPatch) -> None:
    system, x, y, _ = models()[1]
    calls, compute = [], regimes.compute

    def interrupted(job):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(job)

    monkeypatch.setattr(regimes, "compute", interrupted)
    part = dy.phase_diagram(system, x, y, refine=True)
    regime, evaluated = part["regime"].values, part["evaluated"].values
    left = int(np.sum(regime == REGIMES["not_run"]))
    assert 0 < evaluated.sum() < regime.size
    assert np.array_equal(regime != REGIMES["not_run"], evaluated)   # nothing is guessed between them
    assert part.attrs["message"] == f"stopped: {left} of {regime.size} cells were not run"
