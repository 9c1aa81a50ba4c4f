"""Spreading work: the same numbers whatever computes them, and nothing lost when a worker dies."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis import spreading, sweep_grid
from dynamics.analysis.spreading import check_executor, spread
from dynamics.errors import IntegrationError, SpecificationError
from dynamics.results import STATUS


def square(number: int) -> int:
    return number * number


def spread_all(executor=None, count: int = 50, function=square) -> dict[int, int]:
    return dict(spread(function, range(count), lambda k: k, executor))


EXPECTED = {k: k * k for k in range(50)}


# ---- every kind of executor -----------------------------------------------------------------------------------------------

class Maps:
    """Only ``map``, like pools of other libraries."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def map(self, function, jobs):
        jobs = list(jobs)
        self.sizes.append(len(jobs))
        return [function(job) for job in jobs]


def test_here_threads_and_maps() -> None:
    assert spread_all() == EXPECTED
    with ThreadPoolExecutor(3) as pool:
        assert spread_all(pool) == EXPECTED
    maps = Maps()
    assert spread_all(maps) == EXPECTED
    assert max(maps.sizes) <= spreading.FEWEST_WAITING


def test_jobs_are_made_only_when_they_are_sent() -> None:
    class Slow:
        """Finishes only the first waiting future, and counts how many wait."""

        def __init__(self) -> None:
            self.most = self.waiting = 0

        def submit(self, function, job):
            future: Future = Future()
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            future.set_result(function(job))
            return future

    slow, made = Slow(), []
    for _ in spread(square, range(1000), lambda k: made.append(k) or k, slow):
        slow.waiting -= 1
        assert len(made) <= 1000 - slow.waiting + spreading.FEWEST_WAITING
    assert slow.most <= 3 * spreading.FEWEST_WAITING


@pytest.mark.parametrize("executor", [3, object(), {"map": 1}])
def test_what_cannot_spread_is_refused(executor) -> None:
    with pytest.raises(SpecificationError, match="has neither submit nor map"):
        check_executor(executor)


def test_an_address_nobody_answers_is_one_sentence() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(SpecificationError, match="no dask scheduler answers at 'nowhere'"):
        spread_all("nowhere")


# ---- lost workers -------------------------------------------------------------------------------------------------------

class Losing:
    """Loses every third job the first time."""

    def __init__(self, error: Exception) -> None:
        self.error, self.lost = error, set()

    def submit(self, function, job):
        future: Future = Future()
        if job % 3 == 0 and job not in self.lost:
            self.lost.add(job)
            future.set_exception(self.error)
        else:
            future.set_result(function(job))
        return future


def test_lost_jobs_are_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    losing = Losing(OSError("worker died"))
    with caplog.at_level(logging.WARNING):
        assert spread_all(losing) == EXPECTED
    assert len(losing.lost) == 17
    assert "did not come back (worker died); it is computed again" in caplog.text


def test_a_broken_pool_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def replacement(executor):
        made.append(ThreadPoolExecutor(2))
        return made[-1]

    monkeypatch.setattr(spreading, "_replacement", replacement)

    class Broken:
        def __init__(self) -> None:
            self.count = 0

        def submit(self, function, job):
            self.count += 1
            if self.count > 10:
                raise BrokenExecutor("a process ended abruptly")
            future: Future = Future()
            if self.count > 5:
                future.set_exception(BrokenExecutor("a process ended abruptly"))
            else:
                future.set_result(function(job))
            return future

    assert spread_all(Broken()) == EXPECTED
    assert len(made) >= 1


def test_what_always_fails_is_computed_here_where_its_error_is_seen() -> None:
    class Never:
        def submit(self, function, job):
            future: Future = Future()
            future.set_exception(OSError("no"))
            return future

    class NeverMaps:
        def map(self, function, jobs):
            raise OSError("no")

    def wrong(number: int) -> int:
        raise ZeroDivisionError("an error of the job itself")

    for executor in (Never(), NeverMaps()):
        assert spread_all(executor) == EXPECTED
        with pytest.raises(ZeroDivisionError, match="of the job itself"):
            spread_all(executor, function=wrong)


class ShutDown:
    """Answers ten jobs, then is shut down: it takes no more, and cancels those that wait without telling who waits."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.sent = error, []

    def submit(self, function, job):
        future: Future = Future()
        if len(self.sent) >= 10:
            for waiting in self.sent:
                waiting.cancel()
            if self.error is not None:
                raise self.error
            future.cancel()
        else:
            future.set_result(function(job))
        self.sent.append(future)
        return future


@pytest.mark.parametrize("error", [RuntimeError("cannot schedule new futures after shutdown"), OSError("closed"),
                                   ValueError("another library says it so")])
def test_an_executor_that_takes_no_more_work_is_one_sentence(error: Exception) -> None:
    with pytest.raises(IntegrationError, match=f"it takes no more work and gives no more results \\({error}\\)"):
        spread_all(ShutDown(error))


def test_futures_cancelled_in_silence_do_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "LOOK_AGAIN", 0.01)

    class Silent:
        """Takes two jobs, cancels them as a pool does that is shut down, and refuses the third."""

        def __init__(self) -> None:
            self.sent: list[Future] = []

        def submit(self, function, job):
            if len(self.sent) == 2:
                raise RuntimeError("shut down")
            self.sent.append(Future())
            self.sent[-1].cancel()
            return self.sent[-1]

    with pytest.raises(IntegrationError, match="shut down"):
        spread_all(Silent(), count=2)


def test_an_executor_whose_scheduler_is_gone_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "LOOK_AGAIN", 0.01)

    class Gone:
        """As a dask client: what was sent never comes back."""

        status = "running"

        def get_executor(self, pure):
            return self

        def scheduler_info(self):
            return {}

        def nthreads(self):
            return {"worker": 1}

        def submit(self, function, job):
            self.status = "closed"
            return Future()

    with pytest.raises(IntegrationError, match="its scheduler is gone"):
        spread_all(Gone())


def test_pools_that_break_one_after_the_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def submit(self, function, job):
            raise BrokenExecutor("a process ended abruptly")

        def shutdown(self, **options) -> None:
            pass

    monkeypatch.setattr(spreading, "_replacement", lambda executor: Broken())
    with pytest.raises(IntegrationError, match="3 pools of processes broke one after the other"):
        spread_all(Broken())


@pytest.mark.parametrize("stored", [False, True])
def test_a_sweep_keeps_what_was_computed_before_the_executor_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                     stored: bool) -> None:
    monkeypatch.setattr(sweep_grid, "CELLS", (5, 5))
    system = dy.System(name="decay", states={"x": 1}, parameters={"b": 1}, equations={"x": "-b*x"})
    store = tmp_path / "sweep.zarr" if stored else None

    def swept(executor):
        return dy.sweep(system, {"b": np.linspace(0.5, 2.0, 100)}, "x", duration=1, store=store, executor=executor)

    with pytest.raises(IntegrationError, match=r"50 of 100 cells were computed and are") as caught:
        swept(ShutDown(RuntimeError("shut down")))
    assert ("call again to go on" in str(caught.value)) == stored
    partial = caught.value.partial
    assert int((partial["status"] == STATUS["not_run"]).sum()) == 50
    whole = swept(None)
    np.testing.assert_array_equal(partial["x"].values[:50], whole["x"].values[:50])
    np.testing.assert_allclose(whole["x"], np.exp(-whole["b"]), rtol=1e-5)


def test_ctrl_c_in_a_worker_stops() -> None:
    class Stopped:
        def submit(self, function, job):
            future: Future = Future()
            future.set_exception(KeyboardInterrupt())
            return future

    with pytest.raises(KeyboardInterrupt):
        spread_all(Stopped())


# ---- sweeps over processes and dask ---------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
import numpy as np
import dynamics as dy
from dynamics.analysis import sweep_grid


def core():
    return dy.models.load("deleveraging")


def swept(executor, store=None):
    sweep_grid.CELLS = (24, 24)
    over = {"price_impact": np.linspace(0.05, 0.9, 24), "shock:price": np.linspace(0.0, 0.25, 24)}
    return dy.sweep(core(), over, ["max_leverage", "regime"], executor=executor, store=store, event="insolvency")


def killer(store, worker):
    # as soon as something is done, and while most is not
    while not store.exists() or not any((store / "progress" / "checksums" / "c").glob("*")):
        time.sleep(0.002)
    os.kill(worker(), signal.SIGKILL)


def check(executor, serial, folder, worker):
    assert swept(executor).drop_attrs().identical(serial.drop_attrs())
    store = Path(folder) / "killed.zarr"
    thread = threading.Thread(target=killer, args=(store, worker), daemon=True)
    thread.start()
    found = swept(executor, store)
    thread.join(10)
    assert not thread.is_alive(), "nothing was killed"
    assert found.attrs["message"] == "every cell completed" or "had not settled" in found.attrs["message"]
    assert found.drop_attrs().identical(serial.drop_attrs())


if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    serial = swept(None)
    if kind == "processes":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            check(pool, serial, folder, lambda: next(iter(pool._processes)))
    else:
        from distributed import Client, LocalCluster

        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            check(client, serial, folder, lambda: next(iter(client.run(os.getpid).values())))
            assert swept(cluster.scheduler_address).drop_attrs().identical(serial.drop_attrs())
    sys.stdout.write("the same to the last bit")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="this platform has no SIGKILL")
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_processes_and_dask_give_the_same_bits_and_survive_the_death_of_a_worker(tmp_path: Path, kind: str) -> None:
    if kind == "dask":
        pytest.importorskip("distributed")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    ended = subprocess.run([sys.executable, str(script), kind, str(tmp_path)], capture_output=True, text=True, timeout=300,
                           check=False)
    assert ended.stdout.endswith("the same to the last bit"), ended.stderr
