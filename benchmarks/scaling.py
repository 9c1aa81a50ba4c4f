"""How time and memory grow with the number of trajectories and with the number of states. Prints Markdown tables.

Each row is a process of its own, so that its peak of memory is its own. Trajectories: the core model over price impact and
shock, to time 50, in memory up to 10^6 and streamed to a store above. States: a field of many holders with one price, one
evaluation of its compiled field, up to 10^6 states; and rings of coupled states, integrated, with the time to compile.
Usage: python benchmarks/scaling.py [largest number of trajectories]
"""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IN_MEMORY = 1_000_000


def megabytes() -> float:
    """Peak of memory of this process (Linux counts it in kB, macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def trajectories(count: int) -> str:
    import numpy as np

    import dynamics as dy

    system, side = dy.models.load("deleveraging"), math.isqrt(count)
    over = {"price_impact": np.linspace(0.05, 0.9, side), "shock:price": np.linspace(0.0, 0.3, side)}
    few = {name: values[:2] for name, values in over.items()}
    dy.sweep(system, few, "max_leverage", duration=50)  # compiled before the clock runs
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "sweep.zarr" if count > IN_MEMORY else None
        before, begun, processor = megabytes(), time.perf_counter(), time.process_time()
        dy.sweep(system, over, "max_leverage", duration=50, store=store)
        clock, processor = time.perf_counter() - begun, time.process_time() - processor
    return (f"| {side * side:,} | {'store' if store else 'memory'} | {clock:.2f} | {processor:.2f} | "
            f"{side * side / processor:,.0f} | {before:.0f} | {megabytes():.0f} |")


def holders(states: int) -> str:
    import numpy as np
    from agents import holders as system_of

    from dynamics.compiled.kernels.agents import agent_field

    n = max(1, (states - 1) // 2)
    before = megabytes()
    system = system_of(n)
    begun = time.process_time()
    field = agent_field(system)
    compiling = time.process_time() - begun
    draw = np.random.default_rng(0).uniform
    y, limit = np.concatenate([[-0.05], draw(4, 8, n), draw(0, 0.1, n)]), draw(6, 12, n)
    p = tuple(limit if name == "limit" else value for name, value in system.parameter_values.items())
    out, calls = np.empty_like(y), max(3, 2_000_000 // n)
    field(0.0, y, p, out)
    begun = time.process_time()
    for _ in range(calls):
        field(0.0, y, p, out)
    each = (time.process_time() - begun) / calls
    return (f"| {2 * n + 1:,} | field | {compiling:.2f} | {1e6 * each:,.1f} us | {1e9 * each / (2 * n + 1):.2f} ns | "
            f"{before:.0f} | {megabytes():.0f} |")


def ring(states: int) -> str:
    import numpy as np
    from sympy import Symbol, tanh

    from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows

    x, a = [Symbol(f"x{k}") for k in range(states)], Symbol("a")
    problem = FlowProblem(tuple(x), (a,), tuple(a * tanh(x[k - 1]) - x[k] * (1 + x[k - 2] ** 2) for k in range(states)))
    draw, lanes = np.random.default_rng(0).uniform, 2048
    start, values = draw(-1, 1, (states, lanes)), draw(1, 2, (1, lanes))
    before, begun = megabytes(), time.process_time()
    integrate_flows(problem, start[:, :1], values[:, :1], 0.0, method="tsit5")
    compiling = time.process_time() - begun
    begun = time.process_time()
    integrate_flows(problem, start, values, 20.0, method="tsit5")
    each = (time.process_time() - begun) / lanes
    return (f"| {states} | trajectory | {compiling:.2f} | {1e6 * each:,.1f} us | {1e9 * each / states:,.0f} ns | "
            f"{before:.0f} | {megabytes():.0f} |")


ROWS = {"trajectories": trajectories, "holders": holders, "ring": ring}


def main(largest: int) -> None:
    def row(kind: str, size: int) -> None:
        done = subprocess.run([sys.executable, __file__, kind, str(size)], capture_output=True, text=True, check=True)
        print(done.stdout.strip(), flush=True)

    print("| trajectories | result in | clock s | processor s | per processor s | MB before | MB at the peak |\n|"
          + " --- |" * 7)
    for power in range(2, 8):
        if 10**power <= largest:
            row("trajectories", 10**power)
    print("\n| states | what | compile s | each | each and state | MB before | MB at the peak |\n|" + " --- |" * 7)
    for states in (2, 3, 6, 12, 24):
        row("ring", states)
    for power in range(2, 7):
        row("holders", 10**power)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(ROWS[sys.argv[1]](int(sys.argv[2])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**7)
