"""Checksums of the chunks of a store: they say whether a chunk was computed, and whether it is as it was written."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.errors import DataError
from dynamics.results.checksums import damaged
from dynamics.results.zarr_folders import ROOT

__all__ = ["ChunkSums", "digest", "slices_of"]

SUM = np.dtype("<u8")


def digest(*arrays: NDArray[Any]) -> int:
    """Checksum (64 bits of BLAKE2b) of the bytes of arrays, the same on every platform."""
    state = hashlib.blake2b(digest_size=SUM.itemsize)
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        state.update(little.tobytes())
    return int.from_bytes(state.digest(), "little")


def slices_of(shape: Sequence[int], chunk: Sequence[int]) -> list[tuple[slice, ...]]:
    """Return the pieces of a grid, one tuple of slices for each chunk, in the order of their numbers."""
    along = [[slice(k, min(k + step, size)) for k in range(0, size, step)] for size, step in zip(shape, chunk, strict=True)]
    return list(itertools.product(*along))


@dataclass(frozen=True)
class ChunkSums:
    """The checksums of the chunks: for each chunk a file with one for each variable, and one over these.

    Attributes
    ----------
    path : Path
        The store.
    folder : Path
        Of the files, one for each chunk.
    columns : int
        Number of variables.
    complete : bool
        Whether every chunk was computed: then one without checksums is damaged.
    computation : str
        Digest of what the store holds, which every chunk is bound to: chunks of another store, of the same grid, say, do not
        pass for its own.
    """

    path: Path
    folder: Path
    columns: int
    complete: bool = False
    computation: str = ""

    def damaged(self, where: str) -> DataError:
        """Return the error of a chunk that does not give its checksum."""
        return damaged(self.path, where, "the call that made this store, made again, computes what is damaged anew")

    def row(self, sums: Sequence[int], number: int) -> NDArray[np.uint64]:
        """What the file of a chunk holds."""
        values = np.array(sums, dtype=SUM)
        place = np.array([number], dtype=SUM)
        bound = np.frombuffer(self.computation.encode("ascii"), dtype=np.uint8)
        return np.append(values, np.array([digest(values, place, bound)], dtype=SUM))

    def read(self, number: int) -> NDArray[np.uint64] | None:
        """Return the checksums of a chunk, None where it was not computed yet.

        Raises
        ------
        DataError
            If they are damaged.
        PermissionError
            If they may not be read, which says nothing about them.
        """
        try:
            content = (self.folder / str(number) / "0").read_bytes()
        except FileNotFoundError:
            if self.complete:
                raise self.damaged(f"chunk {number}") from None
            if not (self.path / ROOT).exists():
                raise DataError(f"{self.path}: the store is gone (moved or deleted), and with it the values that were not "
                                "read yet; bring it back and open it again") from None
            return None
        except PermissionError:
            raise
        except OSError:
            raise self.damaged(f"chunk {number}") from None
        if len(content) != SUM.itemsize*(self.columns + 1):
            raise self.damaged(f"chunk {number}")
        row = np.frombuffer(content, dtype=SUM)
        if not np.array_equal(row, self.row(row[:-1].tolist(), number)):
            raise self.damaged(f"chunk {number}")
        return row[:-1]
