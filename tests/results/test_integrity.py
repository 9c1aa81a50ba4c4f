"""Files that were changed, that reach elsewhere, or that could not be written: never another result, never a loss."""

import json
import os
import random
import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

import dynamics as dy
from dynamics.analysis import sweep_grid
from dynamics.results import SCHEMA, STATUS

SUFFIXES = (".json", ".nc", ".zarr")
KINDS = (*SUFFIXES, "store")


def decay():
    return dy.System(name="decay", states={"x": 1}, parameters={"b": 1}, equations={"x": "-b*x"},
                     measures={"end": dy.Measure("x", "final")}, shocks={"cut": dy.Shock({"x": "x - magnitude"})})


def swept(store=None, size=12):
    over = {"b": np.linspace(0.5, 2.0, size), "shock:cut": np.linspace(0.0, 0.5, size)}
    return dy.sweep(decay(), over, "end", duration=1, store=store)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(sweep_grid, "CELLS", (30, 30))


def written(kind, folder):
    """A result in a file of the kind, and what it has to be when it is opened."""
    if kind == "store":
        path = folder / "sweep.zarr"
        swept(path)
    else:
        path = dy.save(swept().load(), folder / f"sweep{kind}")
    return path, dy.open(path).load()


def files_of(path):
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [file for file in files if file.stat().st_size]


def same_bits(one, other):
    return one.identical(other) and all(one[n].values.tobytes() == other[n].values.tobytes() for n in other.variables)


def opened(path):
    """The result, or None where it is refused as it should be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = dy.open(path)
            return found.load() if isinstance(found, xr.Dataset) else found
    except dy.DataError:
        return None


# ---- flips ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["byte", "bit"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_flip_anywhere_is_refused_or_changes_nothing(kind, what, count, tmp_path, small):
    path, whole = written(kind, tmp_path)
    chosen = random.Random(count)
    files = files_of(path)
    sizes = [file.stat().st_size for file in files]
    refused = 0
    for number in range(count):
        # every file as often as every other, and every byte as often as every other
        file = chosen.choices(files, sizes)[0] if number % 2 else chosen.choice(files)
        content = file.read_bytes()
        place = chosen.randrange(len(content))
        change = 1 << chosen.randrange(8) if what == "bit" else chosen.randrange(1, 256)
        file.write_bytes(content[:place] + bytes([content[place] ^ change]) + content[place + 1:])
        found = opened(path)
        refused += found is None
        assert found is None or same_bits(found, whole), (file.name, place, content[place], change)
        file.write_bytes(content)
    assert refused > 0.9*count
    assert same_bits(opened(path), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_version_does_not_pass_for_an_old_file(kind, tmp_path, small):
    """A file says in one place that it has a checksum and of which version it is."""
    path, _ = written(kind, tmp_path)
    for file in files_of(path):
        content = file.read_bytes()
        for new in (b'"schema_version": 1', b"dynamics/result 1"):
            old = new[:-1] + b"2"
            at = content.find(old)
            while at >= 0:
                file.write_bytes(content[:at] + new + content[at + len(old):])
                assert opened(path) is None, (file.name, at)
                at = content.find(old, at + 1)
        file.write_bytes(content)


@pytest.mark.parametrize("kind", KINDS)
def test_every_missing_or_shortened_file_is_found(kind, tmp_path, small):
    path, whole = written(kind, tmp_path)
    for file in files_of(path):
        content = file.read_bytes()
        if file.parent.name == "progress":
            continue   # a description of the folder of checksums, for other readers of zarr
        for short in (content[:-1], content[: len(content)//2], b""):
            file.write_bytes(short)
            assert opened(path) is None, file.name
        if file != path:
            file.unlink()
            assert opened(path) is None, file.name
        file.write_bytes(content)
    assert same_bits(opened(path), whole)


@pytest.mark.parametrize("kind", [".zarr", "store"])
def test_swapped_chunks_and_variables_are_found(kind, tmp_path, small):
    path, _ = written(kind, tmp_path)
    chunks = [file for file in files_of(path) if "c" in file.parent.parts and file.name != "zarr.json"]
    for one, other in ((chunks[0], chunks[-1]), (chunks[0], chunks[1])):
        first, second = one.read_bytes(), other.read_bytes()
        assert first != second
        one.write_bytes(second)
        other.write_bytes(first)
        assert opened(path) is None
        one.write_bytes(first)
        other.write_bytes(second)


def test_a_store_stays_lazy_and_names_the_chunk_that_is_damaged(tmp_path, small):
    path, whole = written("store", tmp_path)
    file = path / "end" / "c" / "2" / "0"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    found = dy.open(path)
    np.testing.assert_array_equal(found["end"][:4], whole["end"][:4])
    with pytest.raises(dy.DataError, match=r"sweep\.zarr: damaged .*chunk 2 of 'end' does not give its checksum"):
        found["end"].values.sum()
    assert same_bits(found[["status", "end_time"]].load(), whole[["status", "end_time"]])


@pytest.mark.parametrize("where", [5, slice(2, 9), slice(None, None, -3), [11, 0, 3], np.array([True, False]*6)])
@pytest.mark.parametrize("other", [0, slice(None), slice(7, 1, -2), [5, 5, 1]])
def test_parts_of_a_store_are_read_as_from_memory(where, other, tmp_path, small):
    path, whole = written("store", tmp_path)
    part = dy.open(path)["end"][where, other]
    assert part.identical(whole["end"][where, other])


def test_a_deleted_axis_is_found_when_a_store_is_opened_and_when_it_goes_on(tmp_path, small):
    path, _ = written("store", tmp_path)
    (path / "b" / "c" / "0").unlink()
    for call in (lambda: dy.open(path), lambda: swept(path)):
        with pytest.raises(dy.DataError, match="damaged"):
            call()


@pytest.mark.parametrize("change", ["shape", "dims", "fill"])
def test_a_store_whose_description_was_changed_is_one_sentence(change, tmp_path, small):
    path, _ = written("store", tmp_path)
    file = path / "end" / "zarr.json"
    described = json.loads(file.read_text())
    if change == "shape":
        described["shape"] = [24, 6]
    elif change == "dims":
        described["dimension_names"].reverse()
    else:
        described["fill_value"] = 0.0
    file.write_text(json.dumps(described))
    for call in (lambda: dy.open(path), lambda: swept(path)):
        with pytest.raises(dy.DataError, match="damaged"):
            call()


# ---- files without checksums ----------------------------------------------------------------------------------------------

def test_old_files_open_and_say_that_their_integrity_is_not_recorded(tmp_path):
    plain = xr.Dataset({"a": ("x", [1.0, 2.0])}, coords={"x": [0, 1]}, attrs={"seed": 1})
    mark = {"dynamics_file": f"{SCHEMA} 1"}
    plain.assign_attrs(mark).to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    plain.assign_attrs(mark).to_zarr(tmp_path / "old.zarr", consolidated=False)
    document = json.loads(dy.save(plain, tmp_path / "old.json").read_text())
    del document["checksum"]
    (tmp_path / "old.json").write_text(json.dumps({**document, "schema_version": 1}))
    for suffix in SUFFIXES:
        found = dy.open(tmp_path / f"old{suffix}")
        assert found.attrs == {"seed": 1, "integrity": "not recorded"}
        assert found.drop_attrs().identical(plain.drop_attrs())
        assert "integrity" not in dy.open(dy.save(plain, tmp_path / f"new{suffix}")).attrs


def old_store(path):
    """A store as releases without checksums of everything wrote it."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for name, values, dims in (("b", np.arange(3.0), ["b"]), ("end", np.ones(3), ["b"])):
        group.create_array(name, shape=(3,), chunks=(3,), dtype="float64", dimension_names=dims)[:] = values
    group.attrs.update({"dynamics_file": f"{SCHEMA} 1", "axis_names": ["b"], "analysis": "sweep",
                        "dynamics_chunked": {"columns": ["end"], "chunk": [3], "shape": [3]}})
    return path


def test_an_old_store_opens_and_is_not_continued(tmp_path):
    path = old_store(tmp_path / "old.zarr")
    found = dy.open(path)
    assert found.attrs == {"analysis": "sweep", "integrity": "not recorded"}
    assert found["end"].values.tolist() == [1, 1, 1]
    with pytest.raises(dy.DataError, match="older release, without checksums; it can be opened, not continued"):
        swept(path)


# ---- parts that lie elsewhere ---------------------------------------------------------------------------------------------

def linked_file(path, secret, kind):
    dy.save(xr.Dataset({"a": ("x", np.arange(3.0))}), path)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\ndynamics checksum")])
    with h5py.File(path, "r+") as file:
        if kind == "external link":
            file["b"] = h5py.ExternalLink(secret, "/a")
        elif kind == "soft link":
            file["b"] = h5py.SoftLink("/a")
        elif kind == "external storage":
            file.create_dataset("b", shape=(3,), dtype="f8", external=[(secret, 0, 24)])
        else:
            layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
            layout[:] = h5py.VirtualSource(secret, "a", shape=(3,))
            file.create_virtual_dataset("b", layout)
    return path


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual dataset"])
def test_values_of_other_files_are_not_read(kind, tmp_path):
    """Even where the checksum is right: whoever made the file can make that too."""
    from dynamics.results.checksums import with_seal

    secret = tmp_path / "secret.nc"
    with h5py.File(secret, "w") as file:
        file["a"] = np.full(3, 7.0)
    path = linked_file(tmp_path / "linked.nc", str(secret), kind)
    path.write_bytes(with_seal(path.read_bytes()))
    with pytest.raises(dy.DataError, match=r"'b' (is a link|lie in another file)"):
        dy.open(path)


@pytest.mark.parametrize("kind", [".zarr", "store"])
def test_links_in_a_directory_are_not_followed(kind, tmp_path, small):
    path, _ = written(kind, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    for name in ("end/c/0/0", "end/c", "end", "zarr.json", "b/c/0"):
        (path / name).rename(elsewhere)
        (path / name).symlink_to(elsewhere)
        with pytest.raises(dy.DataError, match="is a link or a device"):
            dy.open(path)
        (path / name).unlink()
        elsewhere.rename(path / name)
    assert opened(path) is not None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no pipes in directories")
def test_pipes_do_not_hang(tmp_path, small):
    for suffix in (".json", ".nc"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(dy.DataError, match="damaged or not a result"):
            dy.open(tmp_path / f"pipe{suffix}")
    path, _ = written(".zarr", tmp_path)
    os.mkfifo(path / "end" / "c" / "pipe")
    with pytest.raises(dy.DataError, match="is a link or a device"):
        dy.open(path)


def test_decoders_that_run_code_are_not_used(tmp_path):
    """Among the codecs of numcodecs is one that unpickles; a result needs none of them."""
    from dynamics.results.zarr_folders import array_files, read_root, write_digest

    path = dy.save(xr.Dataset({"a": ("x", np.arange(3.0))}), tmp_path / "codec.zarr")
    file = path / "a" / "zarr.json"
    described = json.loads(file.read_text())
    described["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    file.write_text(json.dumps(described))
    write_digest(path, read_root(path), array_files(path))
    with pytest.raises(dy.DataError, match="a format that results do not have"):
        dy.open(path)


# ---- what cannot be written -----------------------------------------------------------------------------------------------

@pytest.fixture
def file_limit():
    """A disk that is full: no file may grow beyond 100 kB."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file_whole(suffix, tmp_path, file_limit):
    old = xr.Dataset({"a": ("x", np.arange(10.0))})
    path = dy.save(old, tmp_path / f"r{suffix}")
    large = xr.Dataset({"a": ("x", np.random.default_rng(0).random(50_000))})
    with pytest.raises(dy.DataError, match=rf"r\{suffix}: cannot be written \(File too large\); what stood there before is"):
        dy.save(large, path)
    assert dy.open(path).identical(old)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_store_on_a_full_disk_keeps_what_was_computed(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sweep_grid, "CELLS", (30, 30))
    write, before = sweep_grid.ChunkedStore.write, resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "sweep.zarr"

    def until_full(store, number, values):
        if number == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
        write(store, number, values)

    monkeypatch.setattr(sweep_grid.ChunkedStore, "write", until_full)
    try:
        with pytest.raises(dy.DataError, match=r"cannot be written \(File too large\)\. What was computed is kept in it"):
            swept(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    monkeypatch.setattr(sweep_grid.ChunkedStore, "write", write)
    kept = dy.open(path).load()
    assert int((kept["status"] != STATUS["not_run"]).sum()) == 3*24
    assert same_bits(swept(path).load().drop_attrs(), swept().load().drop_attrs())


@pytest.fixture
def read_only(tmp_path):
    """A function that makes a folder read-only, for the superuser too."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name == "nt":
        pytest.skip("folders are not made read-only there")
    mounted = os.geteuid() == 0
    if mounted and subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("the superuser writes everywhere, and cannot mount here")

    def close():
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        else:
            for entry in (folder, *folder.rglob("*")):
                entry.chmod(0o555)

    yield folder, close
    if mounted:
        subprocess.run(["umount", folder], check=True)
    else:
        for entry in (folder, *folder.rglob("*")):
            entry.chmod(0o755)


def test_a_finished_store_on_a_read_only_disk_opens(read_only, small):
    folder, close = read_only
    first = swept(folder / "sweep.zarr").load()
    half = folder / "half.zarr"
    shutil.copytree(folder / "sweep.zarr", half)
    shutil.rmtree(half / "progress" / "checksums" / "c" / "3")
    close()
    assert same_bits(swept(folder / "sweep.zarr").load(), first)
    assert same_bits(dy.open(folder / "sweep.zarr").load(), first)
    for call in (lambda: swept(half), lambda: swept(folder / "new.zarr"), lambda: dy.save(first, half),
                 *(lambda s=s: dy.save(first, folder / f"new{s}") for s in SUFFIXES)):
        with pytest.raises(dy.DataError, match="cannot be written"):
            call()


# ---- replacing ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("foreign", ["notes.txt", "end/notes.txt", "end/c/notes.txt", "other/c/0", "progress/x"])
@pytest.mark.parametrize("kind", [".zarr", "store"])
def test_foreign_files_in_a_store_are_never_removed(kind, foreign, tmp_path, small):
    path, whole = written(kind, tmp_path)
    (path / foreign).parent.mkdir(parents=True, exist_ok=True)
    (path / foreign).write_text("keep")
    with pytest.raises(dy.SpecificationError, match="which is no part of a result; it is not overwritten"):
        dy.save(whole, path)
    assert (path / foreign).read_text() == "keep"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_store_of_another_program_is_not_overwritten(tmp_path):
    foreign = xr.Dataset({"a": ("x", [1.0])})
    foreign.to_zarr(tmp_path / "foreign.zarr", consolidated=False)
    with pytest.raises(dy.SpecificationError, match="is no zarr store of this package"):
        dy.save(foreign, tmp_path / "foreign.zarr")
    assert xr.open_zarr(tmp_path / "foreign.zarr", consolidated=False).identical(foreign)


def test_a_store_that_another_writes_is_not_replaced(tmp_path, small):
    from dynamics.analysis.sweep_grid import ChunkedStore

    path, whole = written("store", tmp_path)
    with ChunkedStore(path).writing(), pytest.raises(dy.DataError, match="another process writes this store"):
        dy.save(whole, path)
    assert same_bits(opened(dy.save(whole, path)), whole)


def test_a_link_to_a_file_stays_a_link(tmp_path):
    first, second = xr.Dataset({"a": ("x", [1.0])}), xr.Dataset({"a": ("x", [2.0])})
    path = dy.save(first, tmp_path / "r.json")
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    dy.save(second, link)
    assert link.is_symlink()
    assert dy.open(path).identical(second)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_format_does_not_hold_is_a_sentence(suffix, tmp_path):
    multiple = xr.Dataset({"a": (("x", "y"), np.ones((2, 2)))}, coords={"x": [0, 1], "y": [0, 1]}).stack(z=("x", "y"))
    strange = (multiple, xr.Dataset({"a": ("x", np.zeros(2, dtype=[("p", "f8")]))}), xr.Dataset(attrs={"f": len}),
               xr.Dataset(attrs={"s": {1, 2}}), xr.Dataset(attrs={"b": b"bytes"}),
               xr.Dataset({"a": ("x", [1.0], {"f": len})}))
    for dataset in strange:
        with pytest.raises(dy.SpecificationError):
            dy.save(dataset, tmp_path / f"r{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_file_that_keeps_variables_packed_is_saved_without_loss(tmp_path):
    """How another file kept a variable is no part of the result."""
    packed = xr.Dataset({"a": ("x", np.array([0.123456789, 2.5]))})
    packed["a"].encoding = {"dtype": "int16", "scale_factor": 0.1}
    for suffix in SUFFIXES:
        assert dy.open(dy.save(packed, tmp_path / f"r{suffix}"))["a"].values.tolist() == [0.123456789, 2.5]


def test_a_process_that_dies_while_it_writes_leaves_the_old_file(tmp_path):
    path = dy.save(xr.Dataset({"a": ("x", [1.0])}), tmp_path / "r.json")
    code = ("import os, sys, pathlib; import numpy as np, xarray as xr, dynamics as dy;"
            "pathlib.Path.replace = lambda self, target: os._exit(3);"
            f"dy.save(xr.Dataset({{'a': ('x', np.ones(9))}}), {str(path)!r})")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    assert dy.open(path)["a"].values.tolist() == [1.0]
