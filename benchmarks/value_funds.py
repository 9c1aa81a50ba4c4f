"""`leveraged_value_funds`: a run of 28,000 days x 10 funds on one core, processor time; the aim is below 2 s.

The peer clears the same market each day the usual way: excess demand in NumPy, its root by `scipy.optimize.brentq`.
Interleaved. Prints a Markdown table. Usage: python benchmarks/value_funds.py [days]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.optimize import brentq

import dynamics as dy
from dynamics.models.leveraged_value_funds import clearing_price

REPEATS, CLEARINGS = 5, 2000


def days(number: int) -> list[float]:
    process, times = dy.models.load("leveraged_value_funds").with_parameters(leverage_limit=10), []
    for seed in range(REPEATS):
        started = time.process_time()
        dy.iterate(process, number, seed=seed)
        times.append(time.process_time() - started)
    return times


def clearings() -> dict[str, list[float]]:
    """Seconds for clearings of a run, ours and the peer's, on the same states."""
    run = dy.iterate(dy.models.load("leveraged_value_funds"), CLEARINGS, parameters={"leverage_limit": 10}, seed=0)
    aggression, limit = 5.0 * np.arange(1, 11), 10.0
    noise = 1000 * np.exp(run["log_noise"].values[1:])
    states = list(zip(noise, run["shares"].values.T, run["cash"].values.T, strict=False))

    def excess(price: float, noise: float, shares: np.ndarray, cash: np.ndarray) -> float:
        wealth = np.maximum(shares * price + cash, 0)
        return float(noise + np.sum(np.clip(aggression * (1 - price), 0, limit) * wealth) - 1000 * price)

    def peer() -> None:
        for state in states:
            if state[0] < 1000:
                brentq(excess, state[0] / 1000, 1.0, args=state, xtol=1e-14)

    def ours() -> None:
        for noise, shares, cash in states:
            clearing_price(noise, 1.0, 1000.0, limit, aggression.tolist(), shares.tolist(), cash.tolist())

    times: dict[str, list[float]] = {"ours": [], "brentq": []}
    for _ in range(REPEATS):
        for name, job in (("ours", ours), ("brentq", peer)):
            started = time.process_time()
            job()
            times[name].append(time.process_time() - started)
    return times


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 28_000
    whole, clear = days(number), {name: 1e6 * min(v) / CLEARINGS for name, v in clearings().items()}
    print("| days | run, s (median, range) | clearing, us | with brentq, us | ratio |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    print(f"| {number} | {np.median(whole):.2f} ({min(whole):.2f}-{max(whole):.2f}) | {clear['ours']:.1f} | "
          f"{clear['brentq']:.1f} | {clear['brentq'] / clear['ours']:.1f} |")
