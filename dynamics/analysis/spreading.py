"""Spreading independent jobs: this process, any executor, or a dask cluster; a worker that dies loses nothing."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from dynamics.errors import MissingExtraError, SpecificationError

__all__ = ["check_executor", "spread"]

Job = TypeVar("Job")
Result = TypeVar("Result")
ATTEMPTS = 3
FEWEST_WAITING = 16
logger = logging.getLogger(__name__)


def check_executor(executor: Any) -> None:
    """Raise SpecificationError for something that cannot spread work."""
    usable = executor is None or isinstance(executor, str) or callable(getattr(executor, "submit", None)) \
        or callable(getattr(executor, "map", None))
    if not usable:
        raise SpecificationError(f"executor: a {type(executor).__name__} has neither submit nor map; give a "
                                 "concurrent.futures executor, a dask.distributed Client, or the address of a scheduler")


def spread(function: Callable[[Job], Result], numbers: Iterable[int], job: Callable[[int], Job], executor: Any = None
           ) -> Iterator[tuple[int, Result]]:
    """Yield (number, result) as jobs finish, in any order; jobs are made when they are sent.

    Parameters
    ----------
    function : callable
        At module level, so that it can be sent; computes one job.
    numbers : iterable of int
    job : callable
        ``job(number)``: what ``function`` gets.
    executor : optional
        None: here, one after the other. An object with ``submit`` returning ``concurrent.futures`` futures, or with
        ``map``; a ``dask.distributed.Client``; or the address of a dask scheduler.

    Notes
    -----
    Only a few jobs for each worker wait at a time, so neither jobs nor results pile up. A job whose worker died is sent
    again; a broken pool of processes is replaced; a job that fails ``ATTEMPTS`` times is computed here, where its error
    can be seen.
    """
    check_executor(executor)
    if executor is None:
        for number in numbers:
            yield number, function(job(number))
    elif isinstance(executor, str):
        with _client(executor) as client:
            yield from spread(function, numbers, job, client)
    elif hasattr(executor, "get_executor") and hasattr(executor, "scheduler_info"):
        # pure=False: equal jobs are not remembered by the scheduler, where they would pile up
        workers = sum(executor.nthreads().values())
        yield from _submitted(function, numbers, job, executor.get_executor(pure=False), max(FEWEST_WAITING, 3 * workers))
    elif callable(getattr(executor, "submit", None)):
        workers = getattr(executor, "_max_workers", None) or 0
        yield from _submitted(function, numbers, job, executor, max(FEWEST_WAITING, 3 * workers))
    else:
        yield from _mapped(function, numbers, job, executor)


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("distributed", "distributed", "sending work to a dask scheduler") from None
    try:
        return Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SpecificationError(f"executor: no dask scheduler answers at '{address}' ({error})") from None


def _submitted(function: Callable[[Job], Result], numbers: Iterable[int], job: Callable[[int], Job], executor: Any,
               window: int) -> Iterator[tuple[int, Result]]:
    waiting: dict[Any, int] = {}
    attempts: dict[int, int] = {}
    left = iter(numbers)
    again: list[int] = []
    replacement: Any = None
    try:
        while True:
            while len(waiting) < window and (number := again.pop() if again else next(left, -1)) >= 0:
                try:
                    waiting[executor.submit(function, job(number))] = number
                except concurrent.futures.BrokenExecutor:
                    again.append(number)
                    break
            if not waiting and not again:
                return
            ended = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)[0] if waiting else set()
            broken = not waiting
            for future in ended:
                number = waiting.pop(future)
                error = None if future.cancelled() else future.exception()
                if not future.cancelled() and error is None:
                    yield number, future.result()
                    continue
                if isinstance(error, KeyboardInterrupt):
                    raise KeyboardInterrupt
                broken |= isinstance(error, concurrent.futures.BrokenExecutor)
                attempts[number] = attempts.get(number, 0) + 1
                logger.warning("chunk %d did not come back (%s); it is computed again", number, error or "cancelled")
                if attempts[number] >= ATTEMPTS:
                    yield number, function(job(number))
                else:
                    again.append(number)
            if broken:
                # every job of a broken pool fails with it
                again += waiting.values()
                waiting.clear()
                if replacement is not None:
                    replacement.shutdown(wait=False, cancel_futures=True)
                executor = replacement = _replacement(executor)
    finally:
        for future in waiting:
            future.cancel()
        if replacement is not None:
            replacement.shutdown(wait=False, cancel_futures=True)


def _replacement(executor: Any) -> concurrent.futures.Executor:
    """A pool like the one that broke."""
    from multiprocessing import get_context

    return concurrent.futures.ProcessPoolExecutor(
        getattr(executor, "_max_workers", None), mp_context=getattr(executor, "_mp_context", None) or get_context("spawn"),
        initializer=getattr(executor, "_initializer", None), initargs=getattr(executor, "_initargs", ()))


def _mapped(function: Callable[[Job], Result], numbers: Iterable[int], job: Callable[[int], Job], executor: Any
            ) -> Iterator[tuple[int, Result]]:
    left = iter(numbers)
    while batch := list(islice(left, FEWEST_WAITING)):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for result in executor.map(function, [job(number) for number in batch]):
                    yield batch.pop(0), result
                break
            except GeneratorExit:
                raise
            except Exception as error:  # whatever the executor raises for a lost worker
                logger.warning("%d chunks did not come back (%s)", len(batch), error)
                if attempt == ATTEMPTS:
                    for number in batch:
                        yield number, function(job(number))
