"""Trajectories streamed to a store: rate and peak of memory. Usage: python benchmarks/large_sweep.py [trajectories]"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import dynamics as dy


def megabytes() -> float:
    """Peak of memory of this process (Linux counts it in kB, macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main(trajectories: int) -> None:
    side = math.isqrt(trajectories)
    over = {"price_impact": np.linspace(0.05, 0.9, side), "shock:price": np.linspace(0.0, 0.3, side)}
    with tempfile.TemporaryDirectory() as folder:
        before, started = megabytes(), time.perf_counter()
        result = dy.sweep(dy.models.load("deleveraging"), over, ["max_leverage", "forced_volume"], duration=50,
                          store=Path(folder) / "sweep.zarr", progress=True)
        seconds = time.perf_counter() - started
        size = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 1e6
    print(f"{side * side} trajectories in {seconds:.0f} s ({side * side / seconds:.0f}/s); {result.attrs['message']}")
    print(f"peak of memory {megabytes():.0f} MB, {before:.0f} MB before; store {size:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
