"""Work shared out to threads: every place once, and nothing more after an interrupt."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dynamics.compiled.kernels.scheduling import SMALLEST_SHARE, advance_lanes, shared_out


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_every_place_is_worked_on_once(threads: int | None) -> None:
    done, lock = [], threading.Lock()

    def work(first: int, last: int) -> None:
        with lock:
            done.extend(range(first, last))

    shared_out(work, 103, 10, threads)
    assert sorted(done) == list(range(103))
    shared_out(work, 0, 10, threads)
    assert len(done) == 103


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_leaves_the_rest_undone(threads: int) -> None:
    begun, lock = [], threading.Lock()

    def work(first: int, last: int) -> None:
        with lock:
            begun.append(first)
        if first == 0:
            raise KeyboardInterrupt
        threading.Event().wait(0.005)

    with pytest.raises(KeyboardInterrupt):
        shared_out(work, 1000, 1, threads)
    assert len(begun) < 500


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_is_told_in_the_calling_thread_and_counts_every_place(threads: int) -> None:
    told: list[tuple[int, int]] = []
    shared_out(lambda first, last: None, 103, 10, threads, lambda ended: told.append((ended, threading.get_ident())))
    assert sorted(ended for ended, _ in told) == [3, *[10] * 10]
    assert {thread for _, thread in told} == {threading.get_ident()}


@pytest.mark.parametrize("stopped_in", ["work", "progress"])
def test_an_interrupt_leaves_the_lanes_of_flows_that_were_not_begun(stopped_in: str) -> None:
    begun, lock = [], threading.Lock()

    def advance(size: int, *_: Any) -> None:
        with lock:
            begun.append(size)
            first = len(begun) == 1
        if first and stopped_in == "work":
            raise KeyboardInterrupt
        if not first:
            threading.Event().wait(0.2)

    def stop(ended: int) -> None:
        raise KeyboardInterrupt

    code: Any = SimpleNamespace(width=4, layout=SimpleNamespace(size=3, row=lambda name: 0), advance=advance)
    order = np.arange(16 * SMALLEST_SHARE)
    with pytest.raises(KeyboardInterrupt):
        advance_lanes(code, np.zeros((3, order.size)), order, np.zeros(2), threads=2,
                      progress=stop if stopped_in == "progress" else None)
    assert len(begun) < 8   # of sixteen
