"""Files written as a whole or not at all: beside their place under a name of their own, then moved there at once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from dynamics.errors import DataError

__all__ = ["beside", "reason", "replacing", "unwritable", "write_bytes", "write_text"]


def beside(path: Path, purpose: str) -> Path:
    """Return a name next to ``path`` that nobody else uses."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.{purpose}")


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
    target = Path(os.path.realpath(path))
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
