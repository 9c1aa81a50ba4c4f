"""The field of many leveraged holders with one price: compiled code against NumPy, interleaved, one core, processor time.

Two peers: the package's own array code, and the same equations written by hand in NumPy. Prints a Markdown table.
Usage: python benchmarks/agents.py [agents ...]
"""

from __future__ import annotations

import sys
import time

import numpy as np

import dynamics as dy
from dynamics.compiled import functions
from dynamics.compiled.kernels.agents import agent_field

REPEATS = 9
CROWD = {"gap": -0.05, "impact": 0.3, "adjustment": 0.1, "target": 6.0, "strength": 5.0, "width": 0.05, "latency": 0.05}


def holders(n: int) -> dy.System:
    """The system; its numbers are put in later, as making exact ones for each of a million agents takes long."""
    return dy.System(
        name="holders", indices={"holder": n},
        states={"gap": CROWD["gap"], "leverage": dy.State(5, over="holder"), "sales": dy.State(0, over="holder")},
        parameters={k: v for k, v in CROWD.items() if k != "gap"} | {"n": n, "limit": dy.Parameter(9, over="holder")},
        definitions={"fall": "gap + impact*total(sales, holder)/n"},
        equations={"gap": "-fall",
                   "leverage": "leverage*((leverage - 1)*fall - sales) + adjustment*leverage*(1 - leverage/target)",
                   "sales": "(strength*softplus(leverage/limit - 1, width) - sales)/latency"})


def by_hand(y: np.ndarray, limit: np.ndarray, out: np.ndarray) -> np.ndarray:
    n, c = len(limit), CROWD
    leverage, sales = y[1: n + 1], y[n + 1:]
    fall = y[0] + c["impact"] * sales.mean()
    out[0] = -fall
    out[1: n + 1] = leverage * ((leverage - 1) * fall - sales) + c["adjustment"] * leverage * (1 - leverage / c["target"])
    out[n + 1:] = (c["strength"] * c["width"] * np.logaddexp(0, (leverage / limit - 1) / c["width"]) - sales) / c["latency"]
    return out


def measure(n: int) -> str:
    draw = np.random.default_rng(0).uniform
    y, limit, out = np.concatenate([[CROWD["gap"]], draw(4, 8, n), draw(0, 0.1, n)]), draw(6, 12, n), np.empty(2 * n + 1)
    system = holders(n)
    functions.SMALLEST_COMPILED_CROWD = sys.maxsize  # so that the package's arrays can be measured as well
    arrays = functions.SystemFunctions(system)
    p = tuple(limit if name == "limit" else value
              for name, value in zip(system.parameters, arrays.parameters(system), strict=True))
    started = time.perf_counter()
    compiled = agent_field(system)
    compiling = time.perf_counter() - started
    jobs = {"compiled": lambda: compiled(0.0, y, p, out), "arrays": lambda: arrays.field(0.0, y, p),
            "by hand": lambda: by_hand(y, limit, out)}
    reference = by_hand(y, limit, np.empty_like(y))
    worst = float(np.max(np.abs(compiled(0.0, y, p) - reference) / (1 + np.abs(reference))))
    calls = max(1, 200_000 // n)
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(REPEATS):
        for name, job in jobs.items():
            started = time.process_time()
            for _ in range(calls):
                job()
            best[name] = min(best[name], (time.process_time() - started) / calls)
    nanoseconds = {name: 1e9 * seconds / n for name, seconds in best.items()}
    return (f"| {n} | {nanoseconds['compiled']:.1f} | {nanoseconds['by hand'] / nanoseconds['compiled']:.1f} | "
            f"{nanoseconds['arrays'] / nanoseconds['compiled']:.1f} | {worst:.0e} | {compiling:.2f} |")


if __name__ == "__main__":
    print("| agents | ns per agent | NumPy by hand / ours | package's arrays / ours | largest difference | compile s |")
    print("|---|---|---|---|---|---|")
    for size in [int(a) for a in sys.argv[1:]] or [1000, 10_000, 100_000, 1_000_000]:
        print(measure(size), flush=True)
