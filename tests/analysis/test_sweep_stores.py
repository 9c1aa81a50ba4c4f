"""Stores of sweeps: killed at any moment and continued, damaged and repaired, never mixed, opened lazily."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import sweep_grid
from dynamics.errors import DataError, SpecificationError
from dynamics.results import STATUS

OVER = {"b": np.linspace(0.5, 2.0, 6), "shock:cut": np.linspace(0.0, 0.5, 5)}

# A sweep in a process of its own, in chunks of 5 cells; it kills itself before the file of the given number is in place.
CHILD = """
import os, pathlib, signal, sys
import numpy as np
import dynamics as dy
from dynamics.analysis import sweep_grid

sweep_grid.CELLS = (5, 5)
if sys.argv[2] != "0":
    moved, left = pathlib.Path.replace, [int(sys.argv[2])]

    def replace(self, target):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return moved(self, target)

    pathlib.Path.replace = replace
system = dy.System(name="decay", time="continuous", states={"x": 1}, parameters={"b": 1}, equations={"x": "-b*x"},
                   measures={"end": dy.Measure("x", "final")}, shocks={"cut": dy.Shock({"x": "x - magnitude"})})
over = {"b": np.linspace(0.5, 2.0, 6), "shock:cut": np.linspace(0.0, 0.5, 5)}
dy.sweep(system, over, "end", duration=1, store=sys.argv[1])
"""


def decay() -> dy.System:
    return dy.System(name="decay", time="continuous", states={"x": 1}, parameters={"b": 1}, equations={"x": "-b*x"},
                     measures={"end": dy.Measure("x", "final")}, shocks={"cut": dy.Shock({"x": "x - magnitude"})})


def child(store: Path, killed_at: int = 0) -> int:
    return subprocess.run([sys.executable, "-c", CHILD, str(store), str(killed_at)], check=False).returncode


def chunks(store: Path) -> dict[str, bytes]:
    """Every file with numbers in it; what a kill left half written has another name."""
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*"))
            if p.is_file() and p.name != "zarr.json" and p.suffix != ".partial"}


def swept(store: Path | None = None, **options):
    return dy.sweep(decay(), OVER, "end", **{"duration": 1, "store": store, **options})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_grid, "CELLS", (5, 5))


# ---- kills --------------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
def test_a_killed_sweep_continues_and_ends_bitwise_equal(tmp_path: Path, small: None,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    whole = swept(tmp_path / "whole.zarr")
    store = tmp_path / "killed.zarr"
    assert child(store, 40) == -signal.SIGKILL
    before = dy.open(store)
    done = int(np.sum(before["status"] != STATUS["not_run"]))
    assert 0 < done < 30
    assert int(np.sum(np.isfinite(before["end"]))) >= done
    counted, compute = [], sweep_grid.compute
    monkeypatch.setattr(sweep_grid, "compute", lambda job, progress=None: counted.append(1) or compute(job, progress))
    again = swept(store)
    assert 0 < len(counted) < 6
    assert chunks(store) == chunks(tmp_path / "whole.zarr")
    assert again.drop_attrs().identical(whole.drop_attrs())
    assert again.attrs["message"] == "every cell completed"
    counted.clear()
    swept(store)
    assert not counted


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
def test_kills_one_after_the_other_at_many_moments(tmp_path: Path, small: None) -> None:
    swept(tmp_path / "whole.zarr")
    wanted = chunks(tmp_path / "whole.zarr")
    for moment in (1, 9, 21, 22, 23, 24, 25, 47):   # while it is made, and at each of the files of a chunk
        store = tmp_path / f"killed{moment}.zarr"
        assert child(store, moment) == -signal.SIGKILL
        swept(store)
        assert chunks(store) == wanted, moment
    store = tmp_path / "often.zarr"
    assert child(store, 30) == child(store, 8) == child(store, 3) == -signal.SIGKILL   # killed again and again
    swept(store)
    assert chunks(store) == wanted


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this platform has no SIGKILL")
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.07])
def test_a_kill_from_outside(tmp_path: Path, small: None, delay: float) -> None:
    swept(tmp_path / "whole.zarr")
    store = tmp_path / "killed.zarr"
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(store), "0"])
    while not store.exists() and process.poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    swept(store)
    assert chunks(store) == chunks(tmp_path / "whole.zarr")


# ---- damage -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("damage", ["bits", "cut", "removed", "other", "no sums"])
def test_a_damaged_chunk_is_found_and_computed_again(tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch,
                                                     damage: str) -> None:
    store = tmp_path / "sweep.zarr"
    first = swept(store).load()
    wanted = chunks(store)
    file = store / "end" / "c" / "2" / "0"
    content = file.read_bytes()
    if damage == "bits":
        file.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "removed":
        file.unlink()
    elif damage == "other":
        file.write_bytes((store / "end" / "c" / "3" / "0").read_bytes())   # a whole chunk at a wrong place
    else:
        shutil.rmtree(store / "progress" / "checksums" / "c" / "2")
    numbers, compute = [], sweep_grid.compute

    def counted(job, progress=None):
        numbers.append(job.numbers.tolist())
        return compute(job, progress)

    monkeypatch.setattr(sweep_grid, "compute", counted)
    again = swept(store)
    assert numbers == [[10, 11, 12, 13, 14]]
    assert chunks(store) == wanted
    assert again.drop_attrs().identical(first.drop_attrs())
    assert again.attrs["repaired_chunks"] == dy.open(store).attrs["repaired_chunks"] == 1
    assert swept(store).attrs["repaired_chunks"] == 1


def test_a_damaged_description_is_one_sentence(tmp_path: Path, small: None) -> None:
    store = tmp_path / "sweep.zarr"
    swept(store)
    (store / "end" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match=r"sweep\.zarr: damaged or not a result"):
        swept(store)


# ---- mixing -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("options", "message"), [
    ({"duration": 2}, r"duration: 1\.0 there, 2\.0 here"), ({"initial_state": {"x": 3}}, "initial_state"),
    ({"relative_tolerance": 1e-7}, "relative_tolerance: 1e-06 there, 1e-07 here"),
    ({"engine": "numpy"}, "engine: auto there, numpy here")])
def test_other_options_are_refused_and_named(tmp_path: Path, small: None, options: dict, message: str) -> None:
    store = tmp_path / "sweep.zarr"
    swept(store)
    before = chunks(store)
    with pytest.raises(DataError, match=message):
        swept(store, **options)
    assert chunks(store) == before


def test_other_systems_are_refused_and_the_difference_is_named(tmp_path: Path, small: None) -> None:
    store = tmp_path / "sweep.zarr"
    swept(store)
    other = dy.System(name="decay", time="continuous", states={"x": 1}, parameters={"b": 1}, equations={"x": "-b*x - x"},
                      measures={"end": dy.Measure("x", "final")}, shocks={"cut": dy.Shock({"x": "x - magnitude"})})
    for system, message in ((other, r"-b\*x.* there, .*-b\*x - x.* here"),
                            (decay().with_parameters(b=2), r"parameter b: 1\.0 there, 2\.0 here")):
        with pytest.raises(DataError, match=message):
            dy.sweep(system, OVER, "end", duration=1, store=store)
    with pytest.raises(DataError, match=r"axes\.b: 6 values"):
        dy.sweep(decay(), {**OVER, "b": np.linspace(0.5, 2.1, 6)}, "end", duration=1, store=store)
    with pytest.raises(DataError, match="order of axes: b, shock:cut there, shock:cut, b here"):
        dy.sweep(decay(), dict(reversed(OVER.items())), "end", duration=1, store=store)
    core = dy.models.load("deleveraging")
    with pytest.raises(DataError, match="holds no phase diagram, but sweep"):
        dy.phase_diagram(core, ("price_impact", [0.1, 0.2]), ("target_leverage", [2.0, 3.0]), store=store)


# ---- reading ------------------------------------------------------------------------------------------------------------

def test_the_result_is_opened_lazily_and_equals_the_one_in_memory(tmp_path: Path, small: None) -> None:
    store = tmp_path / "sweep.zarr"
    lazy, memory = swept(store), swept()
    assert not lazy["end"].variable._in_memory
    assert lazy.attrs["options"] == memory.attrs["options"]
    assert lazy.drop_attrs().identical(memory.drop_attrs())
    for name in ("end", "status", "b", "shock:cut"):
        assert lazy[name].attrs == memory[name].attrs
    opened = dy.open(store)
    assert not opened["end"].variable._in_memory
    assert opened.identical(lazy)
    assert float(opened["end"].sel({"b": 2.0, "shock:cut": 0.5})) == pytest.approx(0.5 * np.exp(-2), rel=1e-5)


def test_phase_diagrams_have_stores_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_grid, "CELLS", (4, 4))
    core = dy.models.load("deleveraging")
    axes = (("price_impact", np.linspace(0.1, 1.0, 4)), ("target_leverage", np.linspace(3.0, 12.0, 3)))
    store = tmp_path / "diagram.zarr"
    stored, memory = dy.phase_diagram(core, *axes, store=store), dy.phase_diagram(core, *axes)
    assert stored.drop_attrs().identical(memory.drop_attrs())
    assert stored.attrs["boundaries"] == memory.attrs["boundaries"]
    with pytest.raises(SpecificationError, match="not with refine=True"):
        dy.phase_diagram(core, *axes, store=store, refine=True)


# ---- Ctrl-C -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("stored", [False, True])
def test_ctrl_c_keeps_what_is_done(tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch, stored: bool) -> None:
    whole, store, compute = swept(), tmp_path / "sweep.zarr" if stored else None, sweep_grid.compute

    def interrupted(job, progress=None):
        if job.numbers[0] == 15:
            raise KeyboardInterrupt
        return compute(job, progress)

    with monkeypatch.context() as patched:
        patched.setattr(sweep_grid, "compute", interrupted)
        part = swept(store)
    status = part["status"].values.reshape(-1)
    assert np.all(status[:15] == STATUS["completed"])
    assert np.all(status[15:] == STATUS["not_run"])
    assert part.attrs["message"] == "stopped: 15 of 30 cells were not run"
    assert np.array_equal(part["end"].values.reshape(-1)[:15], whole["end"].values.reshape(-1)[:15])
    assert swept(store).drop_attrs().identical(whole.drop_attrs())


# ---- size ---------------------------------------------------------------------------------------------------------------

LARGE = """
import resource, sys
import numpy as np
import dynamics as dy

count = int(sys.argv[2])
system = dy.System(name="step", time="discrete", states={"x": 1}, parameters={"r": 1, "c": 0}, equations={"x": "r*x + c"})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = dy.sweep(system, {"r": np.linspace(0, 1, count), "c": np.linspace(0, 1, 1000)}, ["x"], duration=3, store=sys.argv[1])
assert float(found["x"][-1, -1]) == 4.0
assert found.attrs["message"] == "every cell completed"
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="units of the peak of memory differ")
def test_memory_does_not_grow_with_the_number_of_trajectories(tmp_path: Path) -> None:
    """More than 1e6 trajectories and 17 bytes of results for each: the peak in kB is that of a few chunks."""
    peak = [int(subprocess.run([sys.executable, "-c", LARGE, str(tmp_path / f"{n}.zarr"), str(n)], check=True,
                               capture_output=True, text=True).stdout) for n in (300, 3000)]
    assert peak[1] < 150_000
    assert peak[1] - peak[0] < 30_000


# ---- values that are read later -------------------------------------------------------------------------------------------

def test_values_are_read_where_the_store_lies_whatever_the_working_directory(tmp_path: Path, small: None,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    first = swept(Path("relative.zarr"))
    again = dy.open("relative.zarr")
    plain = dy.open(dy.save(swept(), "plain.zarr"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    for found in (first, again, plain):
        np.testing.assert_allclose(found["end"][:, 0], np.exp(-OVER["b"]), rtol=1e-5)
        assert np.all(found["status"] == STATUS["completed"])


@pytest.mark.parametrize("lost", [".", "progress", "progress/checksums", "progress/checksums/c", "progress/checksums/c/2"])
def test_what_a_finished_store_has_lost_is_never_read_as_not_computed(tmp_path: Path, small: None, lost: str) -> None:
    store = tmp_path / "sweep.zarr"
    made, continued, opened = swept(store), swept(store), dy.open(store)
    shutil.rmtree(store / lost)
    for found in (made, continued, opened):
        for name in ("end", "status"):
            with pytest.raises(DataError, match=r"chunk \d of .* does not give its checksum|chunk \d does not give"):
                found[name].load()


def test_a_stopped_store_that_is_gone_is_not_read_as_not_computed(tmp_path: Path, small: None,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    compute, calls = sweep_grid.compute, []

    def interrupted(job, progress=None):
        calls.append(job)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(job, progress)

    monkeypatch.setattr(sweep_grid, "compute", interrupted)
    store = tmp_path / "sweep.zarr"
    stopped = swept(store)
    assert "stopped" in stopped.attrs["message"]
    store.rename(tmp_path / "moved.zarr")
    with pytest.raises(DataError, match="the store is gone"):
        stopped["end"].load()


@pytest.mark.parametrize("kind", ["flow", "map", "plane"])
def test_compiled_code_that_is_demanded_and_cannot_be_is_an_error_not_empty_cells(kind: str,
                                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamics.compiled.kernels import jit

    monkeypatch.setattr(jit, "available", lambda: False)
    logistic = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 3.2},
                         equations={"x": "r*x*(1 - x)"})
    calls = {"flow": lambda: dy.sweep(decay(), OVER, "end", duration=1, engine="kernel"),
             "map": lambda: dy.sweep(logistic, {"r": [3.2, 3.3]}, "period", engine="kernel"),
             "plane": lambda: dy.phase_diagram(dy.models.load("deleveraging"), x=("price_impact", [0.1, 0.5]),
                                               y=("target_leverage", [2.0, 9.0]), engine="kernel")}
    with pytest.raises(dy.MissingExtraError, match="llvmlite"):
        calls[kind]()
