"""Maps: Lyapunov exponent and period of 1024 x 1024 cells against NumPy over all cells, interleaved, processor time.

Henon's map over its two parameters: 1000 iterations discarded, 2000 measured with the exact derivative along a tangent
vector, then a search for periods up to 64. Two peers, both one pass of NumPy over all cells at every step: one written by
hand for this map, with a logarithm at every step, and the package's own arrays, which take any map. They get a part of
the cells, drawn anew each time, and rates are compared. Prints a Markdown table.
"""

import os
import statistics
import time

import numpy as np

import dynamics as dy
from dynamics.analysis.lane_orbits import attractors_of
from dynamics.compiled.kernels import jit

CPU = time.process_time
SIDE, PEER, OURS, REPEATS, DISCARD, STEPS = 1024, 4096, 65536, 5, 1000, 2000
HENON = dy.System(name="henon", time="discrete", states={"x": 0.1, "y": 0.1}, parameters={"a": 1.4, "b": 0.3},
                  equations={"x": "1 - a*x**2 + y", "y": "b*x"})


def cells():
    p = np.stack([v.ravel() for v in np.meshgrid(np.linspace(0.8, 1.4, SIDE), np.linspace(0.0, 0.3, SIDE))])
    return p, np.full(p.shape, 0.1)


def run(p, start, engine, threads=1):
    begun = CPU()
    ends = attractors_of(HENON, p, start, STEPS, DISCARD, engine=engine, threads=threads)
    return p.shape[1] / (CPU() - begun), ends


def by_hand(p, start):
    begun = CPU()
    (a, b), (x, y) = p, start
    u, v, total = np.ones_like(x), np.zeros_like(x), np.zeros_like(x)
    for _ in range(DISCARD):
        x, y = 1 - a * x * x + y, b * x
    for _ in range(STEPS):
        u, v = v - 2 * a * x * u, b * u
        x, y = 1 - a * x * x + y, b * x
        size = np.hypot(u, v)
        total += np.log(size)
        u /= size
        v /= size
    end, period = x, np.zeros(x.size, dtype=int)
    for k in range(1, 65):
        x, y = 1 - a * x * x + y, b * x
        period[(period == 0) & (np.abs(x - end) < 1e-8)] = k
    return p.shape[1] / (CPU() - begun)


def compare(p, start):
    generator, ratios, hand, rates, same, apart = np.random.default_rng(0), [], [], [], [], []
    for engine in ("kernel", "numpy"):  # compiled before the clock runs
        attractors_of(HENON, p[:, :8], start[:, :8], 2, 2, engine=engine)
    for _ in range(REPEATS):
        order = generator.permutation(p.shape[1])
        few, many = order[:PEER], order[:OURS]
        peer, arrays = run(p[:, few], start[:, few], "numpy")
        with np.errstate(all="ignore"):
            other = by_hand(p[:, few], start[:, few])
        ours, compiled = run(p[:, many], start[:, many], "kernel")
        ratios.append(ours / peer)
        hand.append(ours / other)
        rates.append(ours)
        same.append(np.mean(arrays.period == compiled.period[:PEER]))
        with np.errstate(invalid="ignore"):  # -inf on both sides
            apart.append(np.nanmedian(np.abs(arrays.lyapunov - compiled.lyapunov[:PEER])))
    rate = f"{statistics.median(rates):,.0f} cells/s"
    row("against arrays of any map", rate, f"{statistics.median(ratios):.0f}",
        f"{min(ratios):.0f} to {max(ratios):.0f}; {statistics.mean(same):.2%} of the periods equal, median difference of"
        f" the exponents {statistics.median(apart):.0e}")
    row("against NumPy written by hand", rate, f"{statistics.median(hand):.0f}", f"{min(hand):.0f} to {max(hand):.0f}")



def whole(p, start):
    clock, alone = [], 0.0
    for threads in (1, 2):
        begun, mine, every = time.perf_counter(), time.thread_time(), CPU()
        attractors_of(HENON, p, start, STEPS, DISCARD, engine="kernel", threads=threads)
        clock.append(time.perf_counter() - begun)
        alone = (time.thread_time() - mine) / (CPU() - every)
    row(f"{SIDE} x {SIDE} cells, one thread", f"{clock[0]:.2f} s", "", "")
    row(f"{SIDE} x {SIDE} cells, two threads", f"{clock[1]:.2f} s", f"{clock[0] / clock[1]:.2f}",
        f"clock time, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f}; {alone:.1%} of the work is done by one "
        f"thread alone, so free processors would give {1 / (alone + (1 - alone) / 2):.2f}")


def row(*texts):
    print("| " + " | ".join(texts) + " |", flush=True)


if __name__ == "__main__":
    target = jit.native_target()
    print(f"{target.cpu}, {target.width} doubles in a vector, {target.version}\n")
    row("job", "ours", "ratio", "range and remarks")
    row("---", "---", "---", "---")
    compare(*cells())
    whole(*cells())
