"""Spreading independent jobs: this process, any executor, or a dask cluster; a worker that dies loses nothing."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from dynamics.errors import DynamicsError, IntegrationError, MissingExtraError, SpecificationError

__all__ = ["check_executor", "spread"]

Job = TypeVar("Job")
Result = TypeVar("Result")
ATTEMPTS = 3
FEWEST_WAITING = 16
LOOK_AGAIN = 2.0  # seconds after which an executor that gives no answer is asked whether it still works
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

    Raises
    ------
    IntegrationError
        If the executor is lost: shut down, its scheduler gone, or pool after pool broken.

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
        window = max(FEWEST_WAITING, 3 * workers)
        sender = executor.get_executor(pure=False)
        yield from _Submitted(function, numbers, job, sender, window, lambda: executor.status == "running").results()
    elif callable(getattr(executor, "submit", None)):
        workers = getattr(executor, "_max_workers", None) or 0
        yield from _Submitted(function, numbers, job, executor, max(FEWEST_WAITING, 3 * workers)).results()
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


class _LostError(Exception):
    """The executor takes no more work, and what was not answered yet never will be."""


class _Submitted:
    """Jobs at an executor with ``submit``: a few wait at a time, lost ones are sent again, a broken pool is replaced.

    Parameters
    ----------
    function, numbers, job
        As in ``spread``.
    executor
        With ``submit`` and futures of ``concurrent.futures``.
    window : int
        How many jobs wait at a time.
    alive : callable
        Whether the executor still takes work and gives answers.
    """

    def __init__(self, function: Callable[[Any], Any], numbers: Iterable[int], job: Callable[[int], Any], executor: Any,
                 window: int, alive: Callable[[], bool] = lambda: True) -> None:
        self.function, self.job, self.executor = function, job, executor
        self.window, self.alive = window, alive
        self.waiting: dict[Any, int] = {}
        self.attempts: dict[int, int] = {}
        self.again: list[int] = []
        self.left = iter(numbers)
        self.replacement: Any = None
        self.replaced = 0  # pools in a row that broke without an answer

    def results(self) -> Iterator[tuple[int, Any]]:
        try:
            while self._sent() or self.waiting or self.again:
                yield from self._ended()
        except _LostError as error:
            yield from self._answered()
            raise IntegrationError(f"executor: it takes no more work and gives no more results ({error}); start it again"
                                   ) from error.__cause__
        finally:
            for future in self.waiting:
                future.cancel()
            self._give_up_replacement()

    def _sent(self) -> bool:
        """Send jobs until enough wait; whether none is left to send."""
        while len(self.waiting) < self.window:
            number = self.again.pop() if self.again else next(self.left, None)
            if number is None:
                return False
            try:
                self.waiting[self.executor.submit(self.function, self.job(number))] = number
            except concurrent.futures.BrokenExecutor:
                self.again.append(number)
                self._replace()
            except DynamicsError:
                raise
            except Exception as error:  # one that was shut down, or lost its scheduler, says so in many ways
                raise _LostError(str(error)) from error
        return True

    def _ended(self) -> Iterator[tuple[int, Any]]:
        """The answers of those that have ended; what did not come back is to be sent again."""
        ended = self._some_ended()
        broken = False
        for future in ended:
            number = self.waiting.pop(future)
            error = concurrent.futures.CancelledError("cancelled") if future.cancelled() else future.exception()
            if error is None:
                self.replaced = 0
                yield number, future.result()
                continue
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt
            broken |= isinstance(error, concurrent.futures.BrokenExecutor)
            yield from self._failed(number, error)
        if broken:
            self._replace()

    def _some_ended(self) -> set[Any]:
        """Futures that have ended, one at least.

        Raises
        ------
        _LostError
            If none has, and the executor will not answer any more.
        """
        while self.waiting:
            concurrent.futures.wait(self.waiting, LOOK_AGAIN, concurrent.futures.FIRST_COMPLETED)
            # a pool that is shut down cancels without telling those who wait
            ended = {future for future in self.waiting if future.done()}
            answered = {future for future in ended if not future.cancelled()}
            if answered:
                return answered
            if not self.alive():
                raise _LostError("it was closed, or its scheduler is gone")
            if ended:
                return ended
        return set()

    def _answered(self) -> Iterator[tuple[int, Any]]:
        """What came back before the executor was lost."""
        for future, number in self.waiting.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                yield number, future.result()

    def _failed(self, number: int, error: BaseException) -> Iterator[tuple[int, Any]]:
        self.attempts[number] = self.attempts.get(number, 0) + 1
        logger.warning("chunk %d did not come back (%s); it is computed again", number, error)
        if self.attempts[number] >= ATTEMPTS:
            yield number, self.function(self.job(number))
        else:
            self.again.append(number)

    def _replace(self) -> None:
        """Take a new pool instead of a broken one, every job of which fails with it."""
        self.again += self.waiting.values()
        self.waiting.clear()
        self._give_up_replacement()
        self.replaced += 1
        if self.replaced > ATTEMPTS:
            raise _LostError(f"{ATTEMPTS} pools of processes broke one after the other without a result")
        self.executor = self.replacement = _replacement(self.executor)

    def _give_up_replacement(self) -> None:
        if self.replacement is not None:
            self.replacement.shutdown(wait=False, cancel_futures=True)


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
