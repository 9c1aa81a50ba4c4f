"""Lanes shared out to threads. No lane depends on another, so any number of threads gives the same digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.kernels.flow_code import FlowCode
from dynamics.compiled.kernels.lane_rows import RUNNING

__all__ = ["advance_lanes", "shared_out", "thread_count"]

Array = NDArray[np.float64]
SMALLEST_SHARE, SHARES = 512, 8  # lanes of the smallest piece of work; pieces for each thread


def thread_count(wanted: int | None = None) -> int:
    """Return how many threads to use: as many as asked for, or as processors are there for this process."""
    if wanted is not None:
        return max(1, int(wanted))
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def shared_out(work: Callable[[int, int], object], size: int, share: int, threads: int | None,
               progress: Callable[[int], None] | None = None) -> None:
    """Call ``work(first, last)`` for shares of ``range(size)``, in any order; an interrupt leaves the rest undone.

    Parameters
    ----------
    work : callable
        Releases Python's lock most of the time.
    size, share : int
    threads : int, optional
        None: one for each processor.
    progress : callable, optional
        Called in this thread with the size of each share that has ended.
    """
    parts = [(first, min(first + share, size)) for first in range(0, size, share)]
    workers = min(thread_count(threads), len(parts))
    if workers < 2:
        for first, last in parts:
            work(first, last)
            if progress is not None:
                progress(last - first)
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            running = {pool.submit(work, first, last): last - first for first, last in parts}
            for future in as_completed(running):
                future.result()
                if progress is not None:
                    progress(running[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def advance_lanes(code: FlowCode, data: Array, order: NDArray[np.int64], options: Array, *, threads: int | None = None,
                  progress: Callable[[int], None] | None = None) -> None:
    """Advance the lanes in ``order`` until each has ended.

    Parameters
    ----------
    code : FlowCode
    data : ndarray, shape (rows, lanes)
        All lanes; changed in place.
    order : ndarray of int, shape (n,)
        Which lanes.
    options : ndarray
        Tolerances and limits.
    threads : int, optional
        None: one for each processor.
    progress : callable, optional
        Called with the number of lanes that have ended since the last call.
    """
    workers = thread_count(threads)
    share = max(SMALLEST_SHARE, -(-order.size // (SHARES * workers)))
    if workers == 1 and progress is None:
        share = max(order.size, 1)

    def work(first: int, last: int) -> None:
        part = order[first:last]
        buffer = np.zeros((code.layout.size + 2, code.width))
        buffer[code.layout.row("status")] = RUNNING + 1  # every place is free at first
        buffer[-1].view(np.int64)[:] = -1
        code.advance(part.size, part.ctypes.data, data.ctypes.data, data.shape[1], options.ctypes.data, buffer.ctypes.data)

    shared_out(work, order.size, share, workers, progress)
