"""Stores of sweeps under several processes and under kills: every result is right, every refusal a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork and no SIGKILL")

# One process loads the package and forks a child for every run, since loading takes longer than a run.
SCRIPT = '''
import json, os, pathlib, random, shutil, signal, sys, time, traceback

import numpy as np
import dynamics as dy
from dynamics.analysis import sweep_cells, sweep_grid, sweeps
from dynamics.errors import DataError

kind, folder, count, seed = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sweep_grid.CELLS = (20, 20)
random = random.Random(seed)


def swept(store, b=1.0):
    system = dy.System(name="decay", states={"x": 1}, parameters={"b": b, "c": 1}, equations={"x": "-b*c*x"},
                       measures={"end": dy.Measure("x", "final")}, shocks={"cut": dy.Shock({"x": "x - magnitude"})})
    over = {"c": np.linspace(0.5, 2.0, 20), "shock:cut": np.linspace(0.0, 0.5, 20)}
    return dy.sweep(system, over, "end", duration=1, store=store)


def right(found, b):
    """Against the solution in closed form, x = (1 - cut)*exp(-b c); every cell of it."""
    exact = (1 - found["shock:cut"])*np.exp(-b*found["c"])
    return bool(np.all(np.abs(found["end"] - exact) < 1e-5)) and found["end"].dims == ("c", "shock:cut")


def outcome(store, b):
    try:
        found = swept(store, b).load()
        return "right" if right(found, b) else "WRONG"
    except DataError as error:
        return f"refused: {error}"
    except BaseException:
        return "RAW: " + traceback.format_exc()


def child(run):
    """Run in a process of its own; its answer comes through a pipe, nothing where it was killed."""
    ours, its = os.pipe()
    number = os.fork()
    if number == 0:
        os.close(ours)
        answer = run()
        with os.fdopen(its, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(its)
    return number, os.fdopen(ours)


def answer_of(started):
    number, pipe = started
    with pipe:
        answer = pipe.read()
    os.waitpid(number, 0)
    return answer


def files(store):
    """Everything that is the same in every run: chunks and their checksums."""
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*"))
            if p.is_file() and p.name not in ("zarr.json", ".lock") and p.suffix != ".partial"}


def delayed(seconds, run):
    def later():
        time.sleep(seconds)
        return run()

    return later


# loads and compiles once, without what starts threads: the loop of zarr and the lanes' workers
import dask, zarr, xarray.backends, dynamics.results.checked_chunks
swept(None)
whole = folder / "whole.zarr"
started = time.perf_counter()
assert answer_of(child(lambda: outcome(whole, 1.0))) == "right"
length = time.perf_counter() - started
wanted = files(whole)
found = []
for number in range(count):
    store = folder / f"store{number}.zarr"
    if kind == "kills":
        running = child(lambda: outcome(store, 1.0))
        time.sleep(random.uniform(0, 1.2*length))
        os.kill(running[0], signal.SIGKILL)
        before = "killed" if answer_of(running) == "" else "ended"
        after = answer_of(child(lambda: outcome(store, 1.0)))
        found.append([before, after, files(store) == wanted])
    else:
        other = 2.0 if kind == "others" else 1.0
        pair = [child(delayed(random.uniform(0, 0.2*(k > 0)), lambda k=k: outcome(store, other if k else 1.0)))
                for k in range(2)]
        answers = [answer_of(running) for running in pair]
        again = answer_of(child(lambda: outcome(store, 1.0)))
        found.append([*answers, again, files(store) == wanted])
    left = [p.name for p in folder.iterdir() if p.name not in ("whole.zarr", store.name)]
    shutil.rmtree(store)
    if kind != "kills":
        assert not left, left
sys.stdout.write(json.dumps(found))
'''


def runs(kind: str, folder: Path, count: int) -> list[list]:
    command = [sys.executable, "-c", SCRIPT, kind, str(folder), str(count), "7"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("count", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_two_processes_that_start_one_store(tmp_path: Path, count: int) -> None:
    for first, second, again, same in runs("pairs", tmp_path, count):
        for answer in (first, second):
            assert answer == "right" or "another process writes this store" in answer
        assert "right" in (first, second)
        assert again == "right"
        assert same


@pytest.mark.parametrize("count", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_two_processes_that_start_one_store_for_different_computations(tmp_path: Path, count: int) -> None:
    for first, second, again, same in runs("others", tmp_path, count):
        winner, loser = (first, second) if first == "right" else (second, first)
        assert winner == "right"
        assert "was made with another system or other options (parameter b" in loser
        assert (again == "right") == same == (winner is first)


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path: Path, count: int) -> None:
    found = runs("kills", tmp_path, count)
    assert all(after == "right" and same for _, after, same in found), found
    assert sum(before == "killed" for before, _, _ in found) > count/3
    # what the killed ones left behind while they made a store is swept away by the next run
    assert not [p.name for p in tmp_path.iterdir() if p.name.endswith(".building")]
