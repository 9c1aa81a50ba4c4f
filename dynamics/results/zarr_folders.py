"""Directories of zarr arrays as files: one checksum for all in them, replaced by renaming, nothing foreign removed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dynamics.errors import DataError, SpecificationError
from dynamics.results.atomic_files import beside, replacing, unreadable, unwritable
from dynamics.results.checksums import OLD_VERSION, check_version, damaged, file_digest, hex_digest, json_digest
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION

__all__ = ["FILE", "LOCK", "ROOT", "array_files", "check_digest", "check_ours", "move_in", "read_root", "remove_ours",
           "write_digest"]

FILE = "dynamics_file"  # the attribute that says: a result, of which schema version, with which checksum
ROOT = "zarr.json"
LOCK = "progress/.lock"  # below a group, where other readers of zarr do not look for arrays
_HALF_WRITTEN = re.compile(r".+\.[0-9a-f]{32}\.partial")  # by zarr or by us, when the process was killed
ATTEMPTS = 8  # to move a directory to its place while others do the same


def read_root(folder: Path) -> dict[str, Any]:
    """Return the description of the group.

    Raises
    ------
    DataError
        If it is not one of this package, or may not be read.
    """
    try:
        _refuse_no_file(folder)
        root = json.loads((folder / ROOT).read_text(encoding="utf-8"))
        mark = str(root["attributes"][FILE])
    except DataError:
        raise
    except PermissionError as error:
        raise unreadable(folder, error) from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        mark = ""
    if not mark.startswith(f"{SCHEMA} "):
        raise DataError(f"{folder}: damaged or not a result of this package (its schema is not '{SCHEMA}')")
    return dict(root)


def _refuse_no_file(folder: Path) -> None:
    """A pipe in place of the description would be waited for, and a link would be followed."""
    if not stat.S_ISREG((folder / ROOT).lstat().st_mode):
        raise DataError(f"{folder}: '{ROOT}' is a link or a device, which results do not have; it is not followed")


def array_files(folder: Path) -> list[str]:
    """Names of the files below the arrays of a group, in order; hidden files of a desktop are none of them."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if Path(place) != folder:
            found += [Path(place, name).relative_to(folder).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


def _digest(folder: Path, root: Mapping[str, Any], files: Iterable[str]) -> str:
    parts = [f"{name} {file_digest(folder / name)}".encode() for name in files]
    return hex_digest([json_digest(root).encode(), *parts])


def _with_mark(root: Mapping[str, Any], mark: str) -> dict[str, Any]:
    return {**root, "attributes": {**root["attributes"], FILE: mark}}


def write_digest(folder: Path, root: Mapping[str, Any], files: Iterable[str]) -> None:
    """Write the description of a group with the checksum over itself and the files named."""
    bare = _with_mark(root, f"{SCHEMA} {SCHEMA_VERSION}")
    signed = _with_mark(root, f"{SCHEMA} {SCHEMA_VERSION} {_digest(folder, bare, files)}")
    with replacing(folder / ROOT) as fresh:
        fresh.write_text(json.dumps(signed, indent=2), encoding="utf-8")


def check_digest(folder: Path, root: Mapping[str, Any], files: Iterable[str]) -> bool:
    """Whether a group has a checksum; False where it is of schema version 1, which had none.

    Raises
    ------
    DataError
        If the checksum is not that of the description and the files, or missing, or of a newer release.
    """
    mark = str(root["attributes"][FILE])
    if mark == f"{SCHEMA} {OLD_VERSION}":
        return False
    version, _, found = mark.removeprefix(f"{SCHEMA} ").partition(" ")
    check_version(folder, int(version) if version.isdecimal() else version, SCHEMA_VERSION)
    try:
        wanted = _digest(folder, _with_mark(root, f"{SCHEMA} {version}"), files)
    except PermissionError as error:
        raise unreadable(error.filename or folder, error) from None
    except OSError as error:
        raise DataError(f"{folder}: damaged, '{error.filename}' cannot be read ({error.strerror or error})") from None
    if found != wanted:
        raise damaged(folder, "its content")
    return True


# ---- replacing a directory ------------------------------------------------------------------------------------------------

def check_ours(folder: Path) -> None:
    """Raise SpecificationError for a directory that holds anything but one result of this package."""
    try:
        read_root(folder)
    except DataError:
        raise SpecificationError(f"{folder}: exists and is no zarr store of this package; it is not overwritten") from None
    foreign = _foreign(folder)
    if foreign:
        raise SpecificationError(f"{folder}: holds '{foreign[0]}', which is no part of a result; it is not overwritten. "
                                 "Move it away, or save under another name")


def _foreign(folder: Path) -> list[str]:
    return [name for name in _entries(folder) if not _is_ours(folder, name)]


def _entries(folder: Path) -> list[str]:
    found = []
    for place, folders, files in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        found += [Path(place, name).relative_to(folder).as_posix() for name in (*files, *linked)]
    return sorted(found)


def _is_ours(folder: Path, name: str) -> bool:
    """Whether a file is a description, the lock, or a chunk of an array that is described."""
    if (folder / name).is_symlink():
        return False
    last = name.rpartition("/")[2]
    if last == ROOT or name == LOCK or _HALF_WRITTEN.fullmatch(last):
        return True
    # chunks are c/0/1, the only one of a number is c
    array, mark, _ = f"{name}/".partition("/c/")
    in_array = bool(mark) and (folder / array / ROOT).is_file()
    return in_array and (last == "c" or last.isdecimal())


def move_in(fresh: Path, place: Path) -> None:
    """Give a complete directory its place; what of ours stands there is moved aside first, and removed in the end.

    Raises
    ------
    DataError
        If it cannot be moved; what stood there before stands there still.
    """
    aside = beside(place, "old")
    for attempt in range(1, ATTEMPTS + 1):
        moved = False
        try:
            if place.exists():
                check_ours(place)
                place.rename(aside)
                moved = True
            fresh.rename(place)
            break
        except OSError as error:
            if moved:
                _put_back(aside, place)
            if attempt == ATTEMPTS:
                raise unwritable(place, error) from None
    remove_ours(aside)


def _put_back(aside: Path, place: Path) -> None:
    """Another may have taken the place meanwhile: then what was moved aside is given up, as if it had come before."""
    try:
        aside.rename(place)
    except OSError:
        remove_ours(aside)


def remove_ours(folder: Path) -> None:
    """Remove what this package wrote into a directory, and the directory if nothing else is in it."""
    for name in _entries(folder):
        if _is_ours(folder, name) and not name.endswith(ROOT):
            _quietly(folder / name, Path.unlink)
    for name in sorted(_entries(folder), reverse=True):
        if _is_ours(folder, name):
            _quietly(folder / name, Path.unlink)
    for place, _, _ in os.walk(folder, topdown=False):
        _quietly(Path(place), Path.rmdir)


def _quietly(path: Path, remove: Any) -> None:
    with contextlib.suppress(OSError):
        remove(path)
