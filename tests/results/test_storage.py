"""Results in files: what is saved comes back, and what is no result is refused in a sentence."""

import json

import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.results import SCHEMA, SCHEMA_VERSION
from dynamics.results.checksums import json_digest

SUFFIXES = (".json", ".nc", ".zarr")


@pytest.fixture(scope="module")
def core():
    return dy.models.load("deleveraging")


@pytest.fixture(scope="module")
def run(core):
    shocked = dy.apply_shock(core, core.initial_state(), "price", 0.18)
    return dy.integrate(core, 30, initial_state=shocked, times=np.linspace(0, 30, 11))


def strange():
    """Everything an array can hold."""
    return xr.Dataset(
        {"number": (("x", "y"), [[1.5, np.nan], [np.inf, -np.inf], [-0.0, 1e-310]]),
         "single": ("x", np.array([1, 2.5, np.nan], dtype="float32"), {"units": "days"}),
         "whole": ("x", [1, -2, 2**62]), "small": ("x", np.array([1, 2, 255], dtype="uint8")),
         "flag": ("x", [True, False, True], {"flag_values": [0, 1], "flag_meanings": "no yes"}),
         "text": ("x", ["", "über \"quoted\"", "{\"type\": \"float\"}"]),
         "wave": (("x", "y"), np.array([[1 + 2j, np.nan], [complex(np.inf, -1), 0], [-1j, 1]])),
         "when": ("x", np.array(["2024-01-01", "NaT", "2024-02-03T04:05:06.789"], dtype="datetime64[ns]")),
         "scalar": 3.5, "none": ("z", np.empty(0))},
        coords={"x": ("x", [0.1, 0.2, 0.3], {"units": "day"}), "y": ["a", "b"]},
        attrs={"text": "line\nline", "empty": "", "nothing": None, "yes": True, "big": 10**30, "nan": np.nan,
               "inf": -np.inf,
               "nested": {"a": [1, (2.5, None)], "b": {"c": "json:x"}}, "marked": "json:1", "list": [1, 2], "one": [1],
               "numbers": (1.0, 2.0), "complex": 1 + 2j, "empties": [], "tagged": '{"type": "float", "value": "1"}'})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_trajectory_comes_back_identical(run, suffix, tmp_path):
    path = dy.save(run, tmp_path / f"run{suffix}")
    again = dy.open(path)
    assert again.identical(run)
    assert again.attrs["parameters"] == run.attrs["parameters"]
    assert again.attrs["system_text"] == dy.models.load("deleveraging").to_toml()
    assert {n: v.dtype.kind for n, v in again.variables.items()} == {n: v.dtype.kind for n, v in run.variables.items()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_value_comes_back(suffix, tmp_path):
    dataset = strange()
    again = dy.open(dy.save(dataset, tmp_path / f"s{suffix}"))
    assert again.drop_vars("when").drop_attrs().identical(dataset.drop_vars("when").drop_attrs())
    np.testing.assert_array_equal(again["when"].values, dataset["when"].values)
    for name in dataset.variables:
        assert again[name].dtype.kind == dataset[name].dtype.kind, name
        assert again[name].attrs == dataset[name].attrs, name
    assert np.signbit(again["number"].values[2, 0])
    assert np.isnan(again.attrs.pop("nan"))
    expected = dict(dataset.attrs)
    del expected["nan"]
    assert again.attrs == expected
    assert {k: type(v) for k, v in again.attrs.items()} == {k: type(v) for k, v in expected.items()}
    assert dataset.identical(strange()), "saving must not change what is saved"


def records(core):
    """One of each structured result."""
    from dynamics.results import (
        BifurcationDiagram,
        Branch,
        Claim,
        Coefficient,
        FeedbackLoop,
        Finding,
        Reproduction,
        SpecialPoint,
        Threshold,
    )

    points = dy.fixed_points(core)
    conditions = dy.stability_conditions(core, points[0])
    hopf = SpecialPoint("hopf", "HB1", {"x": 0.0}, {"a": 11.0}, (1j, -1j, complex(-50, 0)), {"l1": 0.25}, 1e-16, 15.0)
    branch = Branch(xr.Dataset({"a": ("step", [1.0, 2.0]), "x": ("step", [0.0, np.inf])}), (hopf,), ("bounds", "fold"))
    opposite = Threshold(-0.5, (-0.4, -0.6), "found", 12, provenance={"seed": 5})
    threshold = Threshold(0.25, (0.2, np.inf), "not_monotone", 33, "price", "insolvency", "a sentence", 0.0,
                          {"max_leverage": 9.5}, {"max_leverage": np.inf}, opposite, (0.1, 0.2))
    claim = Claim("threshold", 11.0, 1e-9, "table 1")
    return {
        "points": points, "point": points[0], "conditions": conditions, "condition": conditions[0],
        "bifurcations": dy.bifurcation_conditions(core, points[0], parameter="target_leverage"),
        "coefficient": Coefficient(conditions[0].expression, 0.5, "subcritical"),
        "loop": FeedbackLoop(("x", "u"), "reinforcing", conditions[0].expression), "special": hopf, "branch": branch,
        "diagram": BifurcationDiagram((branch, branch)), "threshold": threshold,
        "reproduction": Reproduction("paper", (Finding(claim, 11.0, "agrees"),
                                               Finding(claim, float("nan"), "not determined", "no data")),
                                     dy.Reference("A. Bee", 2001), provenance={"seed": 0}), "claim": claim,
    }


@pytest.fixture(scope="module")
def saved(core):
    return records(core)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["points", "point", "conditions", "condition", "bifurcations", "coefficient", "loop",
                                  "special", "branch", "diagram", "threshold", "reproduction", "claim"])
def test_structured_results_come_back_equal(saved, kind, suffix, tmp_path):
    result = saved[kind]
    again = dy.open(dy.save(result, tmp_path / f"r{suffix}"))
    assert type(again) is type(result)
    assert again == result
    assert repr(again) == repr(result)
    if hasattr(result, "table"):
        assert again.table.identical(result.table)


def test_nested_results_keep_their_parts(saved, tmp_path):
    threshold = dy.open(dy.save(saved["threshold"], tmp_path / "t.json"))
    assert threshold.opposite.value == -0.5
    assert threshold.opposite.provenance == {"seed": 5}
    assert threshold.after["max_leverage"] == np.inf
    branch = dy.open(dy.save(saved["branch"], tmp_path / "b.nc"))
    assert branch["HB1"].eigenvalues == (1j, -1j, -50 + 0j)
    point = dy.open(dy.save(saved["point"], tmp_path / "p.zarr"))
    assert point.state["equity_ratio"] == saved["point"].state["equity_ratio"]
    assert point.valid_where == saved["point"].valid_where


def test_tables_are_readable_without_the_package(saved, tmp_path):
    path = dy.save(saved["points"], tmp_path / "p.nc")
    with xr.open_dataset(path, engine="h5netcdf") as table:
        np.testing.assert_array_equal(table["equity_ratio"], saved["points"].table["equity_ratio"])
    path = dy.save(strange(), tmp_path / "s.nc")
    with xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False) as table:
        assert table["flag"].attrs["flag_values"].tolist() == [0, 1]
        assert table["wave_real"].values[0, 0] == 1
        assert table["wave_imag"].values[0, 0] == 2


def test_json_is_strict_and_read_by_xarray(run, tmp_path):
    path = dy.save(run.drop_vars([n for n in run.variables if run[n].dtype.kind not in "fib"]), tmp_path / "r.json")

    def refuse(token):
        raise AssertionError(f"a bare {token} in the file")

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["schema"] == SCHEMA
    assert document["schema_version"] == SCHEMA_VERSION
    dataset = xr.Dataset.from_dict(document["result"])
    np.testing.assert_array_equal(dataset["equity_ratio"], run["equity_ratio"])
    assert dataset.attrs["analysis"] == "trajectory"
    json.loads(dy.save(strange(), tmp_path / "s.json").read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_saving_again_replaces_the_file(run, suffix, tmp_path):
    path = tmp_path / f"r{suffix}"
    dy.save(run, path)
    smaller = run[["price_gap"]]
    dy.save(smaller, path)
    assert dy.open(path).identical(smaller)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_directory_that_is_no_store_is_not_removed(run, tmp_path):
    path = tmp_path / "precious.zarr"
    path.mkdir()
    (path / "notes.txt").write_text("keep")
    with pytest.raises(dy.SpecificationError, match="is no zarr store"):
        dy.save(run, path)
    assert (path / "notes.txt").read_text() == "keep"
    (tmp_path / "file.zarr").write_text("a file")
    with pytest.raises(dy.SpecificationError, match="is no zarr store"):
        dy.save(run, tmp_path / "file.zarr")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_cannot_be_written_is_a_sentence(run, suffix, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(dy.DataError, match="cannot be written"):
        dy.save(run, tmp_path / "file" / f"r{suffix}")


def test_only_results_are_saved(core, tmp_path):
    for thing in (core, object(), {"a": 1}, lambda: 1, b"bytes", {1, 2}, 5, None, [1], "text"):
        with pytest.raises(dy.SpecificationError, match="is no result"):
            dy.save(thing, tmp_path / "x.json")
    with pytest.raises(dy.SpecificationError, match="mixed Python objects"):
        dy.save(xr.Dataset({"a": ("x", np.array([1, "b", None], dtype=object))}), tmp_path / "x.nc")
    with pytest.raises(dy.SpecificationError, match="time differences"):
        dy.save(xr.Dataset({"a": ("x", np.array([1], dtype="timedelta64[ns]"))}), tmp_path / "x.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["r.txt", "r", "r.JSON", "", "r.nc.gz"])
def test_the_suffix_decides(run, path, tmp_path):
    for call in (lambda: dy.save(run, tmp_path / path if path else ""), lambda: dy.open(path)):
        with pytest.raises(dy.SpecificationError, match=r"the suffix must be one of \.json, \.nc, \.zarr"):
            call()
    with pytest.raises(dy.SpecificationError, match="not a path"):
        dy.open(5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_empty_and_foreign_files(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(dy.DataError, match="there is no such file"):
        dy.open(path)
    path.write_bytes(b"")
    with pytest.raises(dy.DataError, match="damaged or not a result"):
        dy.open(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00\xff" * 100)
    with pytest.raises(dy.DataError, match="damaged or not a result"):
        dy.open(path)
    path.unlink()
    foreign = xr.Dataset({"a": ("x", [1.0])}, attrs={"title": "of another program"})
    if suffix == ".json":
        path.write_text(json.dumps(foreign.to_dict()))
    elif suffix == ".nc":
        foreign.to_netcdf(path, engine="h5netcdf")
    else:
        foreign.to_zarr(path, consolidated=False)
    with pytest.raises(dy.DataError, match="not a result of this package"):
        dy.open(path)


@pytest.mark.parametrize("result", [
    None, 5, [], {"type": "Dataset"}, {"type": "Dataset", "attrs": [], "dims": {}, "coords": {}, "data_vars": []},
    {"type": "Threshold"}, {"type": "Threshold", "value": 1, "wrong": 2}, {"type": "unknown"},
    {"type": "expression", "text": "__import__('os')", "names": []}, {"type": "expression", "text": 5, "names": []},
    {"type": "Records", "items": 5, "provenance": {}},
    {"type": "mapping", "items": {}}, {"type": "complex", "real": "x", "imag": 0},
    {"type": "Dataset", "attrs": {}, "dims": {"x": 2}, "coords": {},
     "data_vars": {"a": {"dims": ["x"], "attrs": {}, "dtype": "float64", "data": [1]}}},
    {"type": "Dataset", "attrs": {}, "dims": {"x": 1}, "coords": {},
     "data_vars": {"a": {"dims": ["x"], "attrs": {}, "dtype": "object", "data": [{}]}}},
])
def test_json_that_is_damaged(result, tmp_path):
    path = tmp_path / "x.json"
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "result": result}
    signed = {**document, "checksum": json_digest(document)}
    for content in (document, signed, {**document, "schema_version": 1}):
        path.write_text(json.dumps(content))
        with pytest.raises(dy.DataError, match="damaged or not a result"):
            dy.open(path)


def test_other_json(tmp_path):
    path = tmp_path / "x.json"
    for document in ([], 5, {}, {"schema": "other", "result": 1}, {"schema": None}):
        path.write_text(json.dumps(document))
        with pytest.raises(dy.DataError, match="not a result of this package"):
            dy.open(path)
    for text in ("{", '{"schema": ', "[" * 100_000, "\x00"):
        path.write_text(text)
        with pytest.raises(dy.DataError, match="damaged"):
            dy.open(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_newer_schema_asks_for_an_upgrade(run, suffix, tmp_path, monkeypatch):
    from dynamics.results import storage, zarr_folders

    for module in (storage, zarr_folders):
        monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    path = dy.save(run, tmp_path / f"r{suffix}")
    monkeypatch.undo()
    with pytest.raises(dy.DataError, match=r"written by a newer release \(schema 3\); upgrade"):
        dy.open(path)


@pytest.mark.parametrize("suffix", [".json", ".nc"])
def test_truncated_files(run, suffix, tmp_path):
    path = dy.save(run, tmp_path / f"r{suffix}")
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(dy.DataError, match="damaged"):
            dy.open(path)


def test_large_attributes(tmp_path):
    dataset = xr.Dataset({"a": ("x", [1.0])}, attrs={"system_text": "text " * 60_000})
    for suffix in SUFFIXES:
        assert dy.open(dy.save(dataset, tmp_path / f"r{suffix}")).identical(dataset)
