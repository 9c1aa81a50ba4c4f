"""Checksums of files: every bit of a result is covered, and what does not give its checksum is never read further.

Not covered is what no result is read from: the layout of a JSON text (its content is), the file that is locked in a store,
hidden files, and what is no part of a result. Chunks of a store have checksums of their own, bound to its computation.

A file says in one place that it has a checksum and which: taken away or changed, the file is refused, not taken for one of
schema version 1, which had none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dynamics.errors import DataError

__all__ = ["check_version", "damaged", "file_digest", "hex_digest", "json_digest", "sealed", "with_seal"]

OLD_VERSION = 1  # the last schema version without checksums
DIGEST_BYTES = 16  # 128 bits: no two contents that ever occur share one
MARK = b"\ndynamics checksum blake2b "
_SEAL_BYTES = len(MARK) + 2*DIGEST_BYTES + 1
_READ_BYTES = 1 << 20


def damaged(path: str | Path, where: str, remedy: str = "restore a copy, or compute it again") -> DataError:
    """Return the error of content that does not give its checksum."""
    return DataError(f"{path}: damaged or not a result of this package ({where} does not give its checksum); {remedy}")


def hex_digest(parts: Iterable[bytes]) -> str:
    """Return the checksum of parts, each with its length, so that nothing can move from one to the next."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def json_digest(document: Mapping[str, Any]) -> str:
    """Return the checksum of what a JSON document says, however it is laid out."""
    return hex_digest([json.dumps(document, separators=(",", ":"), sort_keys=True).encode("ascii")])


def file_digest(path: Path, count: int | None = None) -> str:
    """Return the checksum of a file, or of its first ``count`` bytes."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    left = path.stat().st_size if count is None else count
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, _READ_BYTES))):
            state.update(block)
            left -= len(block)
    return state.hexdigest()


def with_seal(content: bytes) -> bytes:
    """Return a file with its checksum behind its end, where readers of HDF5 do not look."""
    found = hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
    return content + MARK + found.encode("ascii") + b"\n"


def sealed(path: Path) -> bool:
    """Whether a file has a checksum behind its end.

    Raises
    ------
    DataError
        If it has one that is not that of the file.
    """
    length = path.stat().st_size - _SEAL_BYTES
    if length < 0:
        return False
    with path.open("rb") as file:
        file.seek(length)
        line = file.read()
    if not line.startswith(MARK):
        return False
    if line != MARK + file_digest(path, length).encode("ascii") + b"\n":
        raise damaged(path, "the file")
    return True


def check_version(path: str | Path, version: Any, newest: int) -> None:
    """Raise DataError for a schema version that this release does not read."""
    if type(version) is not int or version < OLD_VERSION:
        raise DataError(f"{path}: damaged or not a result of this package (schema version {version!r})")
    if version > newest:
        raise DataError(f"{path}: written by a newer release (schema {version}); upgrade leverage-dynamics")
