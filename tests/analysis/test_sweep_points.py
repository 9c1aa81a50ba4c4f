"""Axes that share a dimension are points along it: in memory, in stores, with executors, after a stop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.analysis import sweep_grid
from dynamics.errors import DataError, SpecificationError


@pytest.fixture(scope="module")
def decay() -> dy.System:
    return dy.System(name="decay", states={"x": 1.0}, parameters={"k": 1.0, "a": 0.0, "s": 0.0},
                     equations={"x": "a - k*x + s"}, shocks={"push": dy.Shock({"x": "x + magnitude"})})


@pytest.fixture(scope="module")
def table() -> xr.Dataset:
    g = np.random.default_rng(1)
    return xr.Dataset({"k": ("account", g.uniform(0.5, 2, 40)), "a": ("account", g.uniform(0, 1, 40)),
                       "start": ("account", g.uniform(0, 3, 40))})


def exact(k, a, x0, t: float):
    return a / k + (x0 - a / k) * np.exp(-k * t)


def test_columns_of_a_table_are_points(decay: dy.System, table: xr.Dataset) -> None:
    found = dy.sweep(decay, {"k": table["k"], "a": table["a"], "x": table["start"]}, "x", duration=2.0,
                     relative_tolerance=1e-9)
    assert found["final_x"].dims == ("account",)
    np.testing.assert_allclose(found["final_x"], exact(table["k"], table["a"], table["start"], 2.0), rtol=1e-6)
    for name, column in (("k", "k"), ("a", "a"), ("x", "start")):
        assert name in found.coords
        np.testing.assert_array_equal(found[name], table[column])
    assert found.attrs["trajectories"] == 40


def test_points_and_an_axis_of_their_own(decay: dy.System, table: xr.Dataset) -> None:
    sizes = [0.0, 0.5, 1.0]
    found = dy.sweep(decay, {"k": table["k"], "shock:push": sizes, "a": table["a"]}, "x", duration=1.0,
                     relative_tolerance=1e-9)
    assert found["x"].dims == ("account", "shock:push")
    start = 1 + np.array(sizes)[None, :]
    expected = exact(table["k"].values[:, None], table["a"].values[:, None], start, 1.0)
    np.testing.assert_allclose(found["x"], expected, rtol=1e-6)
    assert found["k"].dims == ("account",)
    # a list beside an array with a dimension that no other has: a grid, as ever
    grid = dy.sweep(decay, {"k": table["k"], "a": [0.1, 0.2]}, "x", duration=1.0)
    assert grid["x"].dims == ("k", "a")


def test_a_dimension_may_be_one_of_the_axes_or_have_numbers_or_names(decay: dy.System) -> None:
    k = xr.DataArray([1.0, 2.0], dims="k", coords={"k": [1.0, 2.0]})
    found = dy.sweep(decay, {"k": k, "a": 0.5 * k}, "x", duration=1.0, relative_tolerance=1e-9)
    assert found["x"].dims == ("k",)
    np.testing.assert_allclose(found["x"], exact(k, 0.5 * k, 1.0, 1.0), rtol=1e-6)
    np.testing.assert_array_equal(found["a"], [0.5, 1.0])
    dated = xr.DataArray([1.0, 2.0], dims="day", coords={"day": [10, 20]})
    assert dy.sweep(decay, {"k": dated, "a": dated}, "x", duration=1.0)["day"].values.tolist() == [10, 20]
    named = xr.DataArray([1.0, 2.0], dims="bank", coords={"bank": ["north", "south"]})
    assert dy.sweep(decay, {"k": named, "a": named}, "x", duration=1.0).sizes["bank"] == 2


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".json"])
def test_points_in_a_store(decay: dy.System, table: xr.Dataset, tmp_path: Path, suffix: str) -> None:
    over = {"k": table["k"], "a": table["a"]}
    path = tmp_path / f"points{suffix}"
    first = dy.sweep(decay, over, "x", duration=1.0, store=path)
    again = dy.sweep(decay, over, "x", duration=1.0, store=path)
    kept = dy.open(path)
    for result in (first, again, kept):
        np.testing.assert_array_equal(result["x"], dy.sweep(decay, over, "x", duration=1.0)["x"])
        np.testing.assert_array_equal(result["k"], table["k"])
        assert {"k", "a"} <= set(result.coords)


def test_an_interrupted_store_goes_on_and_executors_give_the_same(decay: dy.System, table: xr.Dataset, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    over = {"k": table["k"], "a": table["a"], "shock:push": np.linspace(0, 1, 5)}
    whole = dy.sweep(decay, over, "x", duration=1.0)
    monkeypatch.setattr(sweep_grid, "chunk_shape", lambda plan, shape: (7, 2))
    calls = []

    def stopped(job, **more):
        calls.append(job)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return compute(job, **more)

    compute = sweep_grid.compute
    path = tmp_path / "points.zarr"
    monkeypatch.setattr(sweep_grid, "compute", stopped)
    part = dy.sweep(decay, over, "x", duration=1.0, store=path)
    assert "stopped" in part.attrs["message"]
    np.testing.assert_array_equal(part["k"], table["k"])     # coordinates are whole at any time
    monkeypatch.setattr(sweep_grid, "compute", compute)
    with ThreadPoolExecutor(2) as executor:
        found = dy.sweep(decay, over, "x", duration=1.0, store=path, executor=executor)
    np.testing.assert_array_equal(found["x"], whole["x"])


def test_a_map_and_a_process_take_points() -> None:
    halving = dy.System(name="halving", time="discrete", states={"x": 1.0}, parameters={"r": 0.5, "s": 0.0},
                        equations={"x": "r*x + s"})
    r = xr.DataArray([0.5, 0.25], dims="point")
    found = dy.sweep(halving, {"r": r, "s": xr.DataArray([1.0, 3.0], dims="point")}, "settled_state")
    np.testing.assert_allclose(found["settled_x"], [2.0, 4.0], rtol=1e-9)
    assert found["settled_x"].dims == ("point",)


@pytest.mark.parametrize(("over", "message"), [
    ({"k": xr.DataArray([1.0, 2.0], dims="i"), "a": xr.DataArray([1.0, 2.0, 3.0], dims="i")}, "differ in length"),
    ({"k": xr.DataArray([1.0, 2.0], dims="i", coords={"i": [0, 1]}),
      "a": xr.DataArray([1.0, 2.0], dims="i", coords={"i": [1, 2]})}, "coordinates differ"),
    ({"k": xr.DataArray(np.ones((2, 2)), dims=("i", "j"))}, r"has 2 dimensions \('i', 'j'\)"),
    ({"k": xr.DataArray([1.0, 2.0], dims="x"), "a": xr.DataArray([1.0, 2.0], dims="x")}, "something in the result"),
    ({"x": [1.0], "k": xr.DataArray([1.0, 2.0], dims="x"), "a": xr.DataArray([1.0, 2.0], dims="x")}, "rename one"),
    ({"s": [1.0], "k": xr.DataArray([1.0, 2.0], dims="s"), "a": xr.DataArray([1.0, 2.0], dims="s")}, "rename one"),
    ({"k": xr.DataArray([1.0, 2.0], dims="status"), "a": xr.DataArray([1.0, 2.0], dims="status")}, "'status'.*rename it"),
    ({"k": ["one", "two"]}, "list of finite numbers"),
    ({"k": np.array([1j, 2 + 3j])}, "complex"),
    ({"k": [1.0, 1j]}, "complex"),
    ({"k": np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")}, "dates"),
    ({"k": np.array([1, 2], dtype="timedelta64[s]")}, "durations"),
    ({"k": [True, False]}, "truth values"),
    ({"k": np.array([True, 2.0], dtype=object)}, "truth values"),
    ({"k": ["1", "2"]}, "texts")])
def test_arrays_that_do_not_fit_are_refused(decay: dy.System, over, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        dy.sweep(decay, over, "x", duration=1.0)


@pytest.mark.parametrize("values", [[1j, 2.0], [True, False], np.array(["2020-01-01", "2020-02-01"], dtype="datetime64[D]")])
def test_axes_of_a_plane_are_numbers(decay: dy.System, values) -> None:
    with pytest.raises(SpecificationError, match="axis 'k': needs a list of finite numbers, not"):
        dy.phase_diagram(decay, ("k", values), ("a", [0.0, 1.0]))


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_a_store_is_not_continued_under_other_labels(decay: dy.System, tmp_path: Path, suffix: str) -> None:
    def over(labels: list[int]) -> dict[str, xr.DataArray]:
        return {name: xr.DataArray([1.0, 2.0], dims="run", coords={"run": labels}) for name in ("k", "a")}

    path = tmp_path / f"points{suffix}"
    dy.sweep(decay, over([0, 1]), "x", duration=1.0, store=path)
    assert dy.sweep(decay, over([0, 1]), "x", duration=1.0, store=path)["run"].values.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"labels\.run"):
        dy.sweep(decay, over([7, 8]), "x", duration=1.0, store=path)


def test_points_make_no_plane(decay: dy.System) -> None:
    k, a = xr.DataArray([1.0, 2.0], dims="i"), xr.DataArray([1.0, 2.0], dims="i")
    with pytest.raises(SpecificationError, match="use sweep for points"):
        dy.phase_diagram(decay, ("k", k), ("a", a))
