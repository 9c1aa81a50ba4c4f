"""Paths of an Ito equation by compiled vector code: streams of numbers, steps, running extremes, first passages.

The numbers and the steps are those of :mod:`dynamics.compiled.random_streams` and
:mod:`dynamics.compiled.noise_steps`; results differ from theirs by rounding only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel, native_target
from dynamics.compiled.kernels.path_code import NoiseProblem, noise_text
from dynamics.compiled.kernels.scheduling import shared_out

__all__ = ["NoiseProblem", "compiled_paths"]

Array = NDArray[np.float64]
SHARE = 1024  # lanes of one call: between two of them the user can interrupt, and threads share them out


def compiled_paths(problem: NoiseProblem, start: Array, parameters: Sequence[float], h: float, steps: int, first: int,
                   paths: int, key: tuple[int, int], threads: int | None = 1, width: int | None = None) -> Array:
    """Follow the paths ``first .. first + paths - 1``; the same to the last bit for any number of threads and any width.

    Returns
    -------
    array, shape (3 rows + 2 + 2 events, paths)
        Final, largest and smallest values, end time, status, times of first passage, numbers of passages.
    """
    import ctypes

    width = width or 2 * native_target().width  # two vectors fill each other's waiting times
    follow = _compiled(problem, width)
    lanes = -(-paths // width) * width
    data = np.zeros((3 * problem.rows + 2 + 2 * len(problem.events), lanes))
    options = np.array([h, *start, *(float(p) for p in parameters)])

    def work(place: int, last: int) -> None:
        follow(last - place, lanes, steps, first + place, key[0], key[1], ctypes.c_void_p(data.ctypes.data + 8 * place),
               options.ctypes.data)

    shared_out(work, lanes, SHARE, threads)
    return data[:, :paths]


@functools.lru_cache(maxsize=64)
def _compiled(problem: NoiseProblem, width: int) -> Callable[..., Any]:
    import ctypes

    return compile_kernel(noise_text(problem, width)).function("follow", [ctypes.c_int64] * 6 + [ADDRESS, ADDRESS])
