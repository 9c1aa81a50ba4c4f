"""The right to write into a store: an open, locked file in it. The operating system takes it back when its process ends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dynamics.errors import DataError
from dynamics.results.atomic_files import reason
from dynamics.results.zarr_folders import LOCK, remove_ours

__all__ = ["StoreLock", "held", "remove_dead", "unwritten"]

logger = logging.getLogger(__name__)

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        # of the open file, not of the process: threads shut each other out too
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# A lock that is a link would be made elsewhere, and one that is a pipe waited for.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | sum(getattr(os, name, 0) for name in (
    "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def _opened(path: Path) -> IO[bytes]:
    """The file of a lock, made where it is missing.

    Raises
    ------
    OSError
        Also for anything that is no file of the store itself.
    """
    if path.parent.is_symlink() or path.is_symlink():
        raise OSError(errno.ELOOP, "its lock is a link")
    file = os.fdopen(os.open(path, _FLAGS, 0o666), "ab")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "its lock is no file")
    return file


class StoreLock:
    """The lock of one store; whoever has it is the only one who writes there.

    Parameters
    ----------
    folder : Path
        The store.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Take the lock; False where another has it.

        Raises
        ------
        OSError
            If there can be no lock, for example on a disk that cannot be written to.
        """
        if self._file is not None:
            return True
        file = _opened(self.path)
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            file.close()
            return False
        except OSError as error:
            # some network disks have no locks; chunks are written as a whole, so that two writers only do work twice
            logger.warning("%s: this disk cannot lock files (%s); let only one process write there", self.path.parent, error)
        self._file = file
        return True

    def is_in_place(self) -> bool:
        """Whether the file that is locked is the one in the store still."""
        if self._file is None or not self.path.exists():
            return False
        return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())

    def lost(self) -> bool:
        """Whether a store whose lock was taken is no longer at its place."""
        return self._file is not None and not self.is_in_place()

    def moved(self, folder: Path) -> None:
        """The store has got another name."""
        self.path = folder / LOCK

    def release(self) -> None:
        """Give the lock back; without it nothing happens."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextlib.contextmanager
def held(lock: StoreLock, store: Path) -> Iterator[None]:
    """Have the lock within a block.

    Raises
    ------
    DataError
        If another process has it, or nothing can be written there.
    """
    try:
        taken = lock.take()
    except OSError as error:
        raise DataError(f"{store}: cannot be written ({reason(error)}), and it is not finished; copy it to "
                        "another place, or give another store") from None
    if not taken:
        raise DataError(f"{store}: another process writes this store; wait until it has ended, or give another store")
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def unwritten(store: Path) -> Iterator[None]:
    """Have the lock of what stands at a place, if it has one, while it is replaced.

    Raises
    ------
    DataError
        If another process writes there.
    """
    if not (store / LOCK).exists():
        yield
        return
    lock = StoreLock(store)
    with held(lock, store):
        if sys.platform == "win32":
            # no directory with an open file is renamed there
            lock.release()
        yield


def remove_dead(store: Path) -> None:
    """Remove what processes left that died while they made this store: those whose lock nobody has."""
    for building in store.parent.glob(f"{_escaped(store.name)}.*.building"):
        if not building.is_symlink():
            _remove_if_dead(building)


def _remove_if_dead(building: Path) -> None:
    lock = StoreLock(building)
    with contextlib.suppress(OSError):
        if not lock.path.exists():
            # made a moment ago or left long ago: only what is empty goes, and who has just made it makes another
            lock.path.parent.rmdir()
            building.rmdir()
        elif lock.take():
            if sys.platform == "win32":
                # no open file is removed there
                lock.release()
            remove_ours(building)
    lock.release()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
