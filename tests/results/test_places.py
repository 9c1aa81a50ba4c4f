"""Places of files that cannot be used, and stores that are no longer what they were: one sentence, nothing lost."""

import os
import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import xarray as xr

import dynamics as dy
from dynamics.analysis import sweep_grid

SUFFIXES = (".json", ".nc", ".zarr")


def decay(factor=1):
    return dy.System(name="decay", states={"x": 1}, parameters={"b": 1, "c": factor}, equations={"x": "-b*c*x"},
                     measures={"end": dy.Measure("x", "final")})


def swept(store=None, factor=1):
    return dy.sweep(decay(factor), {"b": np.linspace(0.5, 2.0, 60)}, "end", duration=1, store=store)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(sweep_grid, "CELLS", (30, 30))


def written(kind, folder):
    """A result in a file of the kind, and what it has to be when it is opened."""
    path = folder / "sweep.zarr"
    if kind == "store":
        swept(path)
    else:
        dy.save(swept(), path)
    return path, dy.open(path).load()


def same_bits(one, other):
    return one.identical(other) and all(one[n].values.tobytes() == other[n].values.tobytes() for n in other.variables)



# ---- places ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [".zarr", "store"])
def test_saving_over_a_link_replaces_what_it_points_to_and_loses_nothing(kind, tmp_path):
    path, whole = written(kind, tmp_path)
    link = tmp_path / "link.zarr"
    link.symlink_to(path.name)
    other = whole.assign_attrs(note="another")
    assert dy.save(other, link) == link
    assert link.is_symlink()
    assert same_bits(dy.open(path).load(), other)
    assert same_bits(dy.open(link).load(), other)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.zarr", path.name]


def test_a_store_behind_a_link_is_continued_and_made(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link.zarr"
    link.symlink_to(tmp_path / "disk" / "sweep.zarr")
    first = swept(link).load()
    assert link.is_symlink()
    assert same_bits(swept(tmp_path / "disk" / "sweep.zarr").load(), first)
    assert same_bits(swept(link).load(), first)


NAMES = ("n" * 300, "n" * 230, "missing/../n", "file/n", "missing/n")


@pytest.mark.parametrize("name", NAMES, ids=["long", "long_beside", "missing_above", "file", "missing"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_where_nothing_can_stand_is_one_sentence_and_leaves_nothing(suffix, name, tmp_path):
    result = xr.Dataset({"a": ("x", [1.0])})
    (tmp_path / "file").write_text("")
    path = tmp_path / f"{name}{suffix}"
    with pytest.raises(dy.DataError, match="cannot be written"):
        dy.save(result, path)
    with pytest.raises(dy.DataError, match=r"there is no such file|cannot be read \(File name too long\)"):
        dy.open(path)
    with pytest.raises(dy.DataError, match="cannot be written"):
        swept(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("path", ["x\0y.zarr", "x\0y.json", "\ud800.nc", 5, None, b"x.zarr"])
def test_what_no_file_can_be_called_is_one_sentence(path):
    calls = [lambda: dy.save(xr.Dataset({"a": ("x", [1.0])}), path), lambda: dy.open(path)]
    for call in calls if path is None else [*calls, lambda: swept(path)]:
        with pytest.raises(dy.SpecificationError, match=r"is not a path|must be a path"):
            call()


@pytest.fixture
def ordinary():
    """A folder, and a function after which the superuser has the rights of any other user."""
    if os.name == "nt":
        pytest.skip("rights are other things there")
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    superuser = os.geteuid() == 0

    def become():
        if superuser:
            os.seteuid(65534)

    yield folder, become
    if superuser:
        os.seteuid(0)
    for place, _, _ in os.walk(folder):
        pathlib.Path(place).chmod(0o700)
    shutil.rmtree(folder)


def test_what_may_not_be_read_or_entered_is_said_as_it_is(ordinary):
    folder, become = ordinary
    closed = folder / "closed"
    closed.mkdir()
    inside = [dy.save(swept(), closed / f"r{suffix}") for suffix in SUFFIXES]
    files = [dy.save(swept(), folder / f"r{suffix}") for suffix in SUFFIXES]
    store, chunk, sums = (folder / f"{name}.zarr" for name in ("store", "chunk", "sums"))
    for path in (store, chunk, sums):
        swept(path)
    parts = (files[2] / "zarr.json", store / "zarr.json", chunk / "end/c/0", sums / "progress/checksums/c/0/0")
    for path in (*files[:2], *parts):
        path.chmod(0)
    closed.chmod(0)
    become()
    result = xr.Dataset({"a": ("x", [1.0])})
    for path in (*inside, *files, store, chunk, sums):
        with pytest.raises(dy.DataError, match=r"cannot be read \(Permission denied\)"):
            dy.open(path).load()
    for path in (store, chunk, sums):
        with pytest.raises(dy.DataError, match=r"cannot be read \(Permission denied\)"):
            swept(path)
    for path in inside:
        for call in (lambda p=path: dy.save(result, p), lambda p=path: swept(p)):
            with pytest.raises(dy.DataError, match=r"cannot be written \(Permission denied\)"):
                call()


# ---- stores that are not what they were ------------------------------------------------------------------------------

@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no pipes in directories")
@pytest.mark.parametrize("place", ["zarr.json", "end/zarr.json", "end/c/0", "progress/checksums/c/0/0", "progress/.lock"])
def test_pipes_in_a_store_hang_neither_the_next_call_nor_saving(place, tmp_path):
    path, whole = written("store", tmp_path)
    (path / place).unlink()
    os.mkfifo(path / place)
    for call in (lambda: swept(path), lambda: dy.open(path)):
        with pytest.raises(dy.DataError, match="is a link or a device"):
            call()
    if place == "progress/.lock":
        with pytest.raises(dy.DataError, match="cannot be written"):
            dy.save(whole, path)


@pytest.mark.parametrize("place", ["progress", "progress/.lock", "end/c"])
def test_links_in_a_store_are_not_followed_when_it_goes_on(place, tmp_path):
    path, whole = written("store", tmp_path)
    outside = tmp_path / "outside"
    (path / place).rename(outside) if place != "progress/.lock" else (path / place).unlink()
    (path / place).symlink_to(outside)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(dy.DataError, match="is a link or a device"):
        swept(path)
    with pytest.raises((dy.DataError, dy.SpecificationError), match=r"its lock is a link|is no part of a result"):
        dy.save(whole, path)
    assert sorted(tmp_path.rglob("*")) == before


def test_chunks_of_another_store_of_the_same_grid_are_not_taken_for_its_own(tmp_path):
    """With their checksums: within each store everything fits, but it is not what this store computed."""
    one, other = tmp_path / "one.zarr", tmp_path / "other.zarr"
    first = swept(one).load()
    swept(other, 2)
    for part in ("end/c/1", "status/c/1", "end_time/c/1", "progress/checksums/c/1"):
        source, target = other / part, one / part
        shutil.copytree(source, target, dirs_exist_ok=True) if source.is_dir() else shutil.copy(source, target)
    with pytest.raises(dy.DataError, match="chunk 1 does not give its checksum"):
        dy.open(one).load()
    again = swept(one)
    assert again.attrs["repaired_chunks"] == 1
    np.testing.assert_array_equal(again["end"], first["end"])
    np.testing.assert_allclose(again["end"], np.exp(-again["b"]), rtol=1e-5)


def test_a_changed_description_of_the_progress_is_refused(tmp_path):
    path, _ = written("store", tmp_path)
    file = path / "progress" / "zarr.json"
    file.write_text(file.read_text().replace("{", "{ ", 1))
    for call in (lambda: dy.open(path), lambda: swept(path)):
        with pytest.raises(dy.DataError, match="its content does not give its checksum"):
            call()


@pytest.mark.parametrize("meanwhile", ["deleted", "moved", "replaced"])
def test_a_store_that_goes_while_it_is_computed_is_said_and_does_not_block_the_next_call(meanwhile, tmp_path,
                                                                                        monkeypatch):
    path, calls = tmp_path / "sweep.zarr", []
    compute = sweep_grid.compute

    def watched(job, progress=None):
        calls.append(job)
        if len(calls) == 2:
            if meanwhile == "deleted":
                shutil.rmtree(path)
            else:
                path.rename(tmp_path / "moved.zarr")
            if meanwhile == "replaced":
                swept(path)
        return compute(job, progress)

    monkeypatch.setattr(sweep_grid, "compute", watched)
    with pytest.raises(dy.DataError, match=r"was deleted, moved or replaced while it was written"):
        swept(path)
    assert path.exists() == (meanwhile == "replaced")
    monkeypatch.setattr(sweep_grid, "compute", compute)
    if meanwhile != "replaced":
        assert same_bits(swept(path).load().drop_attrs(), swept().load().drop_attrs())


@pytest.mark.parametrize("lost", ["end/c", "progress/checksums/c/0"])
def test_a_chunk_that_is_computed_again_is_named_once(lost, tmp_path, caplog):
    path, _ = written("store", tmp_path)
    shutil.rmtree(path / lost)
    swept(path)
    told = [record.getMessage() for record in caplog.records if "computed again" in record.getMessage()]
    assert len(told) == len(set(told)) >= 1
    assert all("is damaged or lost" in line for line in told)
