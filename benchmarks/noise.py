"""Paths of noisy leverage models: quantiles of the lowest price against NumPy over all paths, interleaved, processor time.

Euler and Maruyama's method over 5000 steps of 0.01 days, for the core model with volatility and for a leverage model with a
smooth margin call; both stop where equity is gone. Two peers of NumPy, both with the paths in pieces that stay in the
processor's cache: one as the equations are written down, one without temporary arrays and with the softplus taken apart.
They get fewer paths, and rates per path and step are compared; the quantiles of both sides have to agree within their
confidence intervals. Further rows: higher methods, against the same peers' steps of Euler and Maruyama, and two threads.
Prints a table in Markdown. Usage: python benchmarks/noise.py [paths]
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import dynamics as dy
from dynamics.compiled.kernels import jit

Array = np.ndarray
Peer = Callable[[int, int, np.random.Generator], Array]
CPU = time.process_time
STEP, STEPS, LEVELS, REPEATS, PIECE, PEER = 0.01, 5000, (0.01, 0.05, 0.5), 5, 2048, 2048
VOLATILITY = 0.05
C = {"reversion": 1.0, "impact": 0.15, "adjustment": 0.2, "target": 6.0, "limit": 8.0, "strength": 5.0, "width": 0.02,
     "latency": 0.05}
SMOOTH = dy.System(
    name="leverage with a smooth margin call", time="continuous", states={"gap": 0.0, "leverage": 6.0, "sales": 0.0},
    parameters={**C, "volatility": VOLATILITY}, definitions={"fall": "reversion*gap + impact*sales"},
    equations={"gap": "-fall",
               "leverage": "leverage*((leverage - 1)*fall - sales + adjustment*(1 - leverage/target)"
                           " + ((leverage - 1)*volatility)**2)",
               "sales": "(strength*width*softplus((leverage/limit - 1)/width) - sales)/latency"},
    noise={"news": {"gap": "volatility", "leverage": "-leverage*(leverage - 1)*volatility"}},
    events={"insolvency": dy.Event("leverage - 1000", "rising", terminal=True)})


def core() -> dy.System:
    system = dy.models.load("deleveraging")
    equations = {**system.equations, "equity_ratio": system.equations["equity_ratio"]
                 + " - (1 - equity_ratio)*volatility**2/2"}
    return dataclasses.replace(
        system, equations=equations, observables={}, events={"insolvency": system.events["insolvency"]},
        parameters={**system.parameters, "volatility": dy.Parameter(VOLATILITY, unit="1/day**(1/2)")},
        noise={"news": {"price_gap": "volatility", "equity_ratio": "(1 - equity_ratio)*volatility"}})


CORE = core()
P = {n: float(v) for n, v in CORE.parameter_values.items()}


def smooth_written_down(n: int, steps: int, generator: np.random.Generator) -> Array:
    x, v, e = np.zeros(n), np.full(n, 6.0), np.zeros(n)
    lowest, alive = x.copy(), np.ones(n, dtype=bool)
    for _ in range(steps):
        dw = VOLATILITY * np.sqrt(STEP) * generator.standard_normal(n)
        fall = C["reversion"] * x + C["impact"] * e
        dl = v * ((v - 1) * fall - e + C["adjustment"] * (1 - v / C["target"]) + ((v - 1) * VOLATILITY) ** 2)
        calls = C["strength"] * C["width"] * np.logaddexp(0, (v / C["limit"] - 1) / C["width"])
        changes = dw - fall * STEP, dl * STEP - v * (v - 1) * dw, (calls - e) / C["latency"] * STEP
        x, v, e = (np.where(alive, old + change, old) for old, change in zip((x, v, e), changes, strict=True))
        stop(alive, v >= 1000, v - 1000, changes[1], (x, v, e), changes)
        lowest = np.minimum(lowest, x)
    return lowest


def smooth_in_place(n: int, steps: int, generator: np.random.Generator) -> Array:
    x, v, e = np.zeros(n), np.full(n, 6.0), np.zeros(n)
    lowest, alive, everyone = x.copy(), np.ones(n, dtype=bool), True
    z, q, m, d, t = (np.empty(n) for _ in range(5))
    for _ in range(steps):
        generator.standard_normal(out=z)
        z *= VOLATILITY * np.sqrt(STEP)
        np.multiply(e, C["impact"], out=q)
        np.multiply(x, C["reversion"], out=t)
        q += t
        np.subtract(v, 1, out=m)
        np.multiply(m, q, out=d)
        d -= e
        np.multiply(v, C["adjustment"] / C["target"], out=t)
        d -= t
        d += C["adjustment"]
        np.multiply(m, m, out=t)
        t *= VOLATILITY**2
        d += t
        d *= STEP
        m *= z
        d -= m
        d *= v
        np.multiply(v, 1 / (C["limit"] * C["width"]), out=m)
        m -= 1 / C["width"]
        np.abs(m, out=t)
        np.negative(t, out=t)
        np.exp(t, out=t)
        np.log1p(t, out=t)
        np.maximum(m, 0, out=m)
        m += t
        m *= C["strength"] * C["width"]
        m -= e
        m *= STEP / C["latency"]
        q *= STEP
        z -= q
        advance(alive, everyone, (x, z), (v, d), (e, m))
        if v.max() >= 1000:
            everyone = stop(alive, v >= 1000, v - 1000, d, (x, v, e), (z, d, m))
            v[~alive] = 6.0  # so that the test above stays quiet
        np.minimum(lowest, x, out=lowest)
    return lowest


def core_in_place(n: int, steps: int, generator: np.random.Generator) -> Array:
    x, u, q = np.zeros(n), np.full(n, 0.2), np.zeros(n)
    lowest, alive, everyone = x.copy(), np.ones(n, dtype=bool), True
    z, flow, f, t = (np.empty(n) for _ in range(4))
    for _ in range(steps):
        generator.standard_normal(out=z)
        z *= P["volatility"] * np.sqrt(STEP)
        np.multiply(u, P["adjustment"] * P["target_leverage"], out=flow)
        flow -= P["adjustment"]
        flow -= q
        np.multiply(x, -P["reversion"] * STEP, out=f)
        f += z
        np.multiply(flow, P["price_impact"] * STEP, out=t)
        f += t
        np.multiply(u, -P["liquidation_rate"] / P["maintenance_margin"], out=z)
        z += P["liquidation_rate"]
        np.maximum(z, 0, out=z)
        z -= q
        z *= STEP / P["liquidation_latency"]
        flow *= u
        flow *= STEP
        np.subtract(f, P["volatility"] ** 2 / 2 * STEP, out=t)
        t -= t * u
        t -= flow
        advance(alive, everyone, (x, f), (u, t), (q, z))
        if u.min() <= 0:
            everyone = stop(alive, u <= 0, u, t, (x, u, q), (f, t, z))
            u[~alive] = 0.2  # so that the test above stays quiet
        np.minimum(lowest, x, out=lowest)
    return lowest


def core_written_down(n: int, steps: int, generator: np.random.Generator) -> Array:
    x, u, q = np.zeros(n), np.full(n, 0.2), np.zeros(n)
    lowest, alive = x.copy(), np.ones(n, dtype=bool)
    for _ in range(steps):
        dw = P["volatility"] * np.sqrt(STEP) * generator.standard_normal(n)
        flow = P["adjustment"] * (P["target_leverage"] * u - 1) - q
        change = -P["reversion"] * x + P["price_impact"] * flow
        calls = P["liquidation_rate"] * np.maximum(0, 1 - u / P["maintenance_margin"])
        changes = (change * STEP + dw,
                   ((1 - u) * (change - P["volatility"] ** 2 / 2) - u * flow) * STEP + (1 - u) * dw,
                   (calls - q) / P["liquidation_latency"] * STEP)
        x, u, q = (np.where(alive, old + more, old) for old, more in zip((x, u, q), changes, strict=True))
        stop(alive, u <= 0, u, changes[1], (x, u, q), changes)
        lowest = np.minimum(lowest, x)
    return lowest


def advance(alive: Array, everyone: bool, *pairs: tuple[Array, Array]) -> None:
    """Add the changes to the states of the paths that go on."""
    for state, change in pairs:
        if not everyone:
            change *= alive
        state += change


def stop(alive: Array, beyond: Array, level: Array, rise: Array, states, changes) -> bool:
    """End the paths beyond a barrier where the straight line meets it. Returns whether none has ended.

    ``level`` is zero there, and ``rise`` is what the step has added to it.
    """
    crossed = np.flatnonzero(alive & beyond)
    if crossed.size:
        back = level[crossed] / rise[crossed]
        for state, change in zip(states, changes, strict=True):
            state[crossed] -= back * change[crossed]
        alive[crossed] = False
    return bool(alive.all())


def lowest_of(peer: Peer, paths: int, seed: int) -> Array:
    pieces = np.random.SeedSequence(seed).spawn(-(-paths // PIECE))
    with np.errstate(all="ignore"):
        lowest = np.concatenate([peer(PIECE, STEPS, np.random.default_rng(piece)) for piece in pieces])[:paths]
    return np.sort(lowest)


def compare(name: str, system: dy.System, state: str, peers: dict[str, Peer], paths: int) -> None:
    def ours(count: int, seed: int, method: str = "euler_maruyama", threads: int = 1):
        begun = CPU()
        run = dy.simulate(system, STEP * STEPS, STEP, count, seed, method=method, quantiles=LEVELS, threads=threads)
        return (CPU() - begun) / count / STEPS * 1e9, run

    methods = ("euler_maruyama", "milstein", "stochastic_runge_kutta")
    for method in methods:
        ours(64, 0, method)  # compiled before the clock runs
    ratios: dict[str, list[float]] = {label: [] for label in peers}
    costs: dict[str, list[float]] = {method: [] for method in methods}
    lowest: dict[str, list[Array]] = {label: [] for label in peers}
    for repeat in range(REPEATS):
        cost, _ = ours(8 * PEER, repeat)
        costs["euler_maruyama"].append(cost)
        for label, peer in peers.items():
            begun = CPU()
            lowest[label].append(lowest_of(peer, PEER, repeat))
            ratios[label].append((CPU() - begun) / PEER / STEPS * 1e9 / cost)
        for method in methods[1:]:
            costs[method].append(ours(8 * PEER, repeat, method)[0] / cost)
    _, run = ours(paths, 1)
    found, ended = run[f"min_{state}_quantile"].values, float(run["event_probability"][0, 0])
    for label, values in ratios.items():
        apart = overlap(np.sort(np.concatenate(lowest[label])), found)
        row(f"{name}, Euler and Maruyama", label, f"{statistics.median(costs['euler_maruyama']):.2f}",
            f"{statistics.median(values):.1f}", f"{min(values):.1f} to {max(values):.1f}; {apart}; {ended:.1%} of the paths "
            "become insolvent")
    for method in methods[1:]:
        extra = statistics.median(costs[method])
        first = next(iter(ratios.values()))
        row(f"{name}, {method.replace('_', ' ')}", next(iter(ratios)) + " with Euler and Maruyama",
            f"{extra * statistics.median(costs['euler_maruyama']):.2f}", f"{statistics.median(first) / extra:.1f}",
            f"a step costs {extra:.1f} times as much")
    clock, alone = [], 0.0
    for threads in (1, 2):
        begun, mine, every = time.perf_counter(), time.thread_time(), CPU()
        ours(paths, 1, threads=threads)
        clock.append(time.perf_counter() - begun)
        alone = (time.thread_time() - mine) / (CPU() - every)
    row(f"{name}, {paths} paths, two threads", "one thread", f"{clock[1]:.2f} s", f"{clock[0] / clock[1]:.2f}",
        f"clock time, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f}; {alone:.1%} of the work is done by one "
        f"thread alone, so free processors would give {1 / (alone + (1 - alone) / 2):.2f}")


def overlap(ordered: Array, found: Array) -> str:
    """Say whether intervals of the quantiles of two independent samples meet (approximate ones for the peer)."""
    words = []
    for level, (_, low, high) in zip(LEVELS, found, strict=True):
        middle, width = level * len(ordered), 1.96 * np.sqrt(level * (1 - level) * len(ordered))
        below, above = ordered[max(int(middle - width), 0)], ordered[min(int(middle + width) + 1, len(ordered) - 1)]
        words.append("agree" if below <= high and low <= above else f"DIFFER at {level:g}")
    return "quantiles " + ("agree" if set(words) == {"agree"} else ", ".join(words))


def row(*texts: str) -> None:
    print("| " + " | ".join(texts) + " |", flush=True)


if __name__ == "__main__":
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    target = jit.native_target()
    print(f"{target.cpu}, {target.width} doubles in a vector, {target.version}\n")
    row("job", "against", "ns per path and step", "ratio", "range and remarks")
    row(*["---"] * 5)
    compare("core model", CORE, "price_gap",
            {"NumPy as written down": core_written_down, "NumPy in place": core_in_place}, total)
    compare("smooth margin call", SMOOTH, "gap",
            {"NumPy as written down": smooth_written_down, "NumPy in place": smooth_in_place}, total)
