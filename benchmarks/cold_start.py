"""From a new process to the data of a phase diagram of 256 x 256 cells, against one pass of SciPy's LSODA over 1,000 cells.

The process imports the package, loads the core model, builds its kernels and computes the diagram: once with an empty
directory of kernels, once with the kernels of the time before. The peer is another new process, which imports SciPy and
writes the same equations by hand as a Python function. Seconds of processor time and of the clock, from the start of the
interpreter, of runs that alternate. Prints a Markdown table.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS, CELLS = 5, 1000
OURS = """
import numpy as np
import dynamics as dy
diagram = dy.phase_diagram(dy.models.load("deleveraging"), x=("price_impact", np.linspace(0.05, 1, 256)),
                           y=("target_leverage", np.linspace(2, 10, 256)), duration=50.0)
assert diagram["regime"].shape == (256, 256)
"""
PEER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent / "peers")!r})
import numpy as np
from scipy.integrate import solve_ivp
from jobs import MODELS
model = MODELS["core"]
def positive(z):
    return z if z > 0.0 else 0.0
def event(t, y):
    return y[1]
event.terminal, event.direction = True, -1
y, p = model.chosen({CELLS}, int(sys.argv[1]))
for k in range({CELLS}):
    values = p[:, k].tolist()
    solve_ivp(lambda t, z: model.field(z.tolist(), values, positive, None), (0, 50.0), y[:, k], method="LSODA", rtol=1e-6,
              atol=1e-9, events=event)
"""
IMPORTS = "import numpy, sympy, xarray, llvmlite.binding, dynamics; dynamics.phase_diagram"


def seconds(program: str, cache: str, number: int = 0) -> tuple[float, float]:
    """Return processor time and clock time of a new interpreter that runs a program."""
    environment = {**os.environ, "DYNAMICS_CACHE": cache, "PYTHONPATH": str(Path(__file__).parents[1]),
                   "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", program, str(number)], env=environment, check=True)
    clock, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def main() -> None:
    programs = {"SciPy LSODA, 1,000 cells": PEER, "imports alone": IMPORTS, "diagram, kernels kept": OURS,
                "diagram, no kernels kept": OURS}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        seconds(OURS, f"{folder}/kept")  # byte code and kernels are written
        for number in range(REPEATS):
            for name, program in programs.items():
                cache = f"{folder}/{number}" if "no kernels" in name else f"{folder}/kept"
                times[name].append(seconds(program, cache, number))
    print("| a new process, to the end | processor s | clock s | LSODA pass / this | range |\n|" + " --- |" * 5)
    peer = [processor for processor, _ in times["SciPy LSODA, 1,000 cells"]]
    for name, measured in times.items():
        processor, clock = (statistics.median(column) for column in zip(*measured, strict=True))
        ratios = [a / b for a, (b, _) in zip(peer, measured, strict=True)]
        print(f"| {name} | {processor:.2f} | {clock:.2f} | {statistics.median(ratios):.2f} | "
              f"{min(ratios):.2f} to {max(ratios):.2f} |")


if __name__ == "__main__":
    main()
