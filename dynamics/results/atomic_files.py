"""Files written as a whole or not at all: beside their place under a name of their own, then moved there at once."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from dynamics.errors import DataError, SpecificationError

__all__ = ["as_path", "beside", "place_of", "reason", "replacing", "unreadable", "unwritable", "write_bytes", "write_text"]


def beside(path: Path, purpose: str) -> Path:
    """Return a name next to ``path`` that nobody else uses."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.{purpose}")


def as_path(path: str | Path) -> Path:
    """Return a path as one.

    Raises
    ------
    SpecificationError
        For something that no file can be called.
    """
    if not isinstance(path, str | os.PathLike):
        raise SpecificationError(f"{path!r} is not a path")
    try:
        os.stat(path)
    except OSError:
        pass  # no such file, or one that cannot be looked at: a path all the same
    except ValueError as error:
        raise SpecificationError(f"{path!r} is not a path ({error})") from None
    return Path(path)


def place_of(path: Path) -> Path:
    """Return the absolute place where a file is written, links followed.

    Raises
    ------
    DataError
        If nothing can stand there: no such folder, one that may not be entered, a name that is too long.
    """
    try:
        if not stat.S_ISDIR(os.stat(path.parent).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        place = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError):
            os.lstat(place)
    except FileNotFoundError:
        raise DataError(f"{path}: cannot be written, the folder '{path.parent}' does not exist; make it first") from None
    except OSError as error:
        raise unwritable(path, error) from None
    return place


def unreadable(path: str | Path, error: OSError) -> DataError:
    """Return the error of a file that may not be read, which says nothing about what is in it."""
    return DataError(f"{path}: cannot be read ({reason(error)}). Give yourself the right to read it, or copy it to a place "
                     "where you have it")


def unwritable(path: str | Path, error: OSError) -> DataError:
    """Return the error of a file that could not be written, with what to do."""
    return DataError(f"{path}: cannot be written ({reason(error)}); what stood there before is unchanged. "
                     "Make room, or give a place that can be written to")


def reason(error: OSError) -> str:
    """Return why, in the words of the operating system; HDF5 has them among many of its own."""
    told = re.search(r"error message = '([^']+)'", str(error))
    return error.strerror or (told.group(1) if told else str(error).partition("\n")[0])


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the name of a new file, which takes the place of ``path`` when the block ends without an error.

    Parameters
    ----------
    path : str or Path
        A link is followed: its target is replaced, not the link.

    Raises
    ------
    DataError
        If it cannot be written; what stood there before is unchanged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    >>> with replacing(place) as fresh:
    ...     _ = fresh.write_text("whole")
    >>> place.read_text(), len(list(place.parent.iterdir()))
    ('whole', 1)
    """
    target = place_of(Path(path))
    fresh = beside(target, "partial")
    try:
        yield fresh
        if target.exists():
            shutil.copymode(target, fresh)
        _to_disk(fresh)
        fresh.replace(target)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Wait until the content is on the disk: a name must never stand for less, not even after a power cut."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file as a whole, in UTF-8 with Unix line ends; return its path."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file as a whole; return its path."""
    with replacing(path) as fresh:
        fresh.write_bytes(content)
    return Path(path)
