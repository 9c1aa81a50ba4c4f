"""Work shared out to threads: every place once, and nothing more after an interrupt."""

import threading

import pytest

from dynamics.compiled.kernels.scheduling import shared_out


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
