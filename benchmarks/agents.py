"""The field of many leveraged holders with one price: compiled code against NumPy, interleaved, one core, processor time.

Three peers: the same equations written by hand in NumPy, once as one writes them down and once without temporary arrays
and with the softplus taken apart; and the package's own array code. Prints a Markdown table; ranges are those of repeats.
Usage: python benchmarks/agents.py [agents ...]
"""

from __future__ import annotations

import statistics
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


def in_place(y: np.ndarray, limit: np.ndarray, out: np.ndarray, spare: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    n, c, (t, u) = len(limit), CROWD, spare
    leverage, sales, change, rise = y[1: n + 1], y[n + 1:], out[1: n + 1], out[n + 1:]
    fall = y[0] + c["impact"] * sales.mean()
    out[0] = -fall
    np.subtract(leverage, 1, out=change)
    change *= fall
    change -= sales
    np.multiply(leverage, -c["adjustment"] / c["target"], out=t)
    t += c["adjustment"]
    change += t
    change *= leverage
    np.divide(leverage, limit, out=u)
    u -= 1
    u *= 1 / c["width"]
    np.abs(u, out=t)
    np.negative(t, out=t)
    np.exp(t, out=t)
    np.log1p(t, out=t)
    np.maximum(u, 0, out=u)
    u += t
    u *= c["strength"] * c["width"]
    u -= sales
    np.multiply(u, 1 / c["latency"], out=rise)
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
    compiling, spare = time.perf_counter() - started, (np.empty(n), np.empty(n))
    jobs = {"compiled": lambda: compiled(0.0, y, p, out), "by hand": lambda: by_hand(y, limit, out),
            "in place": lambda: in_place(y, limit, out, spare), "arrays": lambda: arrays.field(0.0, y, p)}
    reference = by_hand(y, limit, np.empty_like(y))
    worst = max(float(np.max(np.abs(found - reference) / (1 + np.abs(reference))))
                for found in (compiled(0.0, y, p), in_place(y, limit, np.empty_like(y), spare)))
    calls = max(1, 200_000 // n)
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(REPEATS):
        for name, job in jobs.items():
            started = time.process_time()
            for _ in range(calls):
                job()
            seconds[name].append((time.process_time() - started) / calls)
    ratios = []
    for name in list(jobs)[1:]:
        each = [a / b for a, b in zip(seconds[name], seconds["compiled"], strict=True)]
        ratios.append(f"{statistics.median(each):.1f} ({min(each):.1f} to {max(each):.1f})")
    ours = 1e9 * statistics.median(seconds["compiled"]) / n
    return f"| {n} | {ours:.1f} | {' | '.join(ratios)} | {worst:.0e} | {compiling:.2f} |"


if __name__ == "__main__":
    print("| agents | ns per agent | NumPy by hand / ours | NumPy in place / ours | package's arrays / ours | "
          "largest difference | compile s |")
    print("|---|---|---|---|---|---|---|")
    for size in [int(a) for a in sys.argv[1:]] or [1000, 10_000, 100_000, 1_000_000]:
        print(measure(size), flush=True)
