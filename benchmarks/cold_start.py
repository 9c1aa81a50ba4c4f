"""From a new process to the data of a phase diagram of 256 x 256 cells, against one pass of SciPy's LSODA over 1,000 cells.

The process imports the package, makes or loads a model, builds its kernels and computes the diagram: with an empty
directory of kernels, or with the kernels of the time before. Two models: the core model, with its fixed points and the
boundaries of its regimes in closed form, and a smooth margin call. The peer is another new process, which imports SciPy
and writes the same equations by hand as a Python function. Seconds of processor time from the interpreter's start to the
data, and of the clock to its end, of runs that alternate. Prints a Markdown table.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS, CELLS = 7, 1000
CORE = """
import numpy as np
import dynamics as dy
diagram = dy.phase_diagram(dy.models.load("deleveraging"), x=("price_impact", np.linspace(0.05, 1, 256)),
                           y=("target_leverage", np.linspace(2, 10, 256)), duration=50.0)
assert diagram["regime"].shape == (256, 256)
"""
SMOOTH = """
import numpy as np
import dynamics as dy
system = dy.System(
    name="smooth", states={"gap": 0.0, "leverage": 6.0, "sales": 0.0},
    parameters=dict(reversion=1, impact=0.15, adjustment=0.2, target=6, limit=8, strength=5, width=0.02, latency=0.05),
    definitions={"fall": "reversion*gap + impact*sales"},
    equations={"gap": "-fall",
               "leverage": "leverage*((leverage - 1)*fall - sales) + adjustment*leverage*(1 - leverage/target)",
               "sales": "(strength*width*softplus((leverage/limit - 1)/width) - sales)/latency"},
    events={"insolvency": dy.Event("leverage - 1000", "rising", terminal=True)},
    shocks={"price": dy.Shock({"gap": "gap - magnitude", "leverage": "1/(1 - (1 - 1/leverage)*exp(magnitude))"})})
diagram = dy.phase_diagram(system, x=("impact", np.linspace(0.01, 0.5, 256)), y=("shock:price", np.linspace(0, 0.18, 256)),
                           initial_state=system.initial_state(), duration=50.0)
assert diagram["regime"].shape == (256, 256)
"""
PEER = f"""
import math
import sys
sys.path.insert(0, {str(Path(__file__).parent / "peers")!r})
import numpy as np
from scipy.integrate import solve_ivp
from jobs import MODELS
model = MODELS[sys.argv[2]]
def positive(z):
    return z if z > 0.0 else 0.0
def softplus(z):
    return (z if z > 0.0 else 0.0) + math.log1p(math.exp(-abs(z)))
def event(t, y):
    return y[1] - model.level
event.terminal, event.direction = True, model.sign
y, p = model.chosen({CELLS}, int(sys.argv[1]))
for k in range({CELLS}):
    values = p[:, k].tolist()
    solve_ivp(lambda t, z: model.field(z.tolist(), values, positive, softplus), (0, 50.0), y[:, k], method="LSODA",
              rtol=1e-6, atol=1e-9, events=event)
"""
IMPORTS = "import numpy, sympy, xarray, llvmlite.binding, dynamics; dynamics.phase_diagram"
ANSWERED = "\nimport time\nprint(time.process_time())"


def seconds(program: str, cache: str, *arguments: object) -> tuple[float, float]:
    """Return processor time to the end of a program and clock time to the end of its interpreter, a new one."""
    environment = {**os.environ, "DYNAMICS_CACHE": cache, "PYTHONPATH": str(Path(__file__).parents[1]),
                   "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.perf_counter()
    answer = subprocess.run([sys.executable, "-c", program + ANSWERED, *map(str, arguments)], env=environment, check=True,
                            capture_output=True, text=True).stdout
    return float(answer), time.perf_counter() - begun


def main() -> None:
    print("| a new process | processor s to the data | clock s to the end | LSODA pass / this | range |\n|" + " --- |" * 5)
    for model, ours in (("core", CORE), ("smooth", SMOOTH)):
        programs = {f"{model}: SciPy LSODA, {CELLS:,} cells": PEER, "imports alone": IMPORTS,
                    f"{model}: diagram, kernels kept": ours, f"{model}: diagram, no kernels kept": ours}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        with tempfile.TemporaryDirectory() as folder:
            seconds(ours, f"{folder}/kept")  # byte code and kernels are written
            for number in range(REPEATS):
                for name, program in programs.items():
                    cache = f"{folder}/{number}" if "no kernels" in name else f"{folder}/kept"
                    times[name].append(seconds(program, cache, number, model))
        peer = [processor for processor, _ in times[next(iter(programs))]]
        for name, measured in times.items():
            processor, clock = (statistics.median(column) for column in zip(*measured, strict=True))
            ratios = [a / b for a, (b, _) in zip(peer, measured, strict=True)]
            print(f"| {name} | {processor:.2f} | {clock:.2f} | {statistics.median(ratios):.2f} | "
                  f"{min(ratios):.2f} to {max(ratios):.2f} |", flush=True)


if __name__ == "__main__":
    main()
