"""Parts of a file that lie outside of it, or that make other code run: refused before anything is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dynamics.errors import DataError

__all__ = ["refuse_links", "refuse_other_codecs", "refuse_outside_parts"]

# What zarr 3 and xarray write by themselves. Others are looked up among installed plug-ins, and one of those unpickles.
CODECS = {"bytes", "zstd", "gzip", "blosc", "crc32c", "transpose", "vlen-utf8"}


def refuse_outside_parts(path: Path) -> None:
    """Raise DataError for a netCDF file whose values would come from other files.

    External and soft links, external storage, virtual datasets: a file from elsewhere could show what lies on this machine.
    """
    import h5py

    with h5py.File(path, "r") as file:
        for name in file:
            link = file.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise DataError(f"{path}: '{name}' is a link, which results do not have; it is not followed")
            entry = file[name]
            if not isinstance(entry, h5py.Dataset):
                raise DataError(f"{path}: not a result of this package ('{name}' is a {type(entry).__name__.lower()})")
            if entry.external or entry.is_virtual:
                raise DataError(f"{path}: the values of '{name}' lie in another file, which is not read")


def refuse_links(folder: Path) -> None:
    """Raise DataError for a directory with links, or with anything else that is neither file nor directory."""
    left = [folder]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and not _is_junction(entry):
                    left.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    place = Path(entry.path).relative_to(folder).as_posix()
                    raise DataError(f"{folder}: '{place}' is a link or a device, which results do not have; it is not "
                                    "followed")


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link of Windows to a directory; before Python 3.12 this is not told."""
    told = getattr(entry, "is_junction", None)
    return told is not None and told()


def refuse_other_codecs(folder: Path, files: Iterable[str]) -> None:
    """Raise DataError for arrays in another format than this package writes: their decoders are not run."""
    for name in files:
        if name.endswith("/zarr.json"):
            _check_codecs(folder, name, json.loads((folder / name).read_text(encoding="utf-8")))


def _check_codecs(folder: Path, name: str, document: dict[str, Any]) -> None:
    names = {codec.get("name") for codec in document.get("codecs", ())}
    if document.get("zarr_format") != 3 or document.get("storage_transformers") or not names <= CODECS:
        raise DataError(f"{folder}: not a result of this package ('{name}' says a format that results do not have)")
