"""One round of `fire_sale_threshold` on a large network against one SciPy CSR product pair, interleaved, processor time.

The pair (holdings times prices, transposed holdings times banks) is what any fire-sale round needs at the least.
Prints a Markdown table. Usage: python benchmarks/fire_sales.py [banks assets holdings]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.sparse import coo_array

import dynamics as dy
from dynamics.compiled.functions import functions_of

REPEATS = 61


def network(banks: int, assets: int, holdings: int) -> tuple[coo_array, np.ndarray]:
    """Random holdings and what each bank's add up to."""
    generator = np.random.default_rng(0)
    cells = generator.choice(banks * assets, holdings, replace=False)
    values = generator.uniform(1, 10, holdings)
    rows, columns = np.divmod(cells, assets)
    return coo_array((values, (rows, columns)), shape=(banks, assets)), np.bincount(rows, values, banks)


def measure(banks: int, assets: int, holdings: int) -> str:
    matrix, books = network(banks, assets, holdings)
    # a fifth of the book more is illiquid and falls by a tenth: of banks 30 times levered nearly all must sell
    started = time.process_time()
    system = dy.models.load("fire_sale_threshold", holdings=matrix, illiquid=(0.2 * books).tolist(), exposed=[1] * banks,
                            equity=(books / 30).tolist(), depth=[5000] * assets).with_parameters(shock=0.1)
    functions = functions_of(system)
    p = functions.parameters(system)
    built = time.process_time() - started
    state = functions.field(0.0, functions.initial_state(system), p)
    compressed, prices, banks_sold = matrix.tocsr(), np.ones(assets), np.ones(banks)
    jobs = {"round": lambda: functions.field(0.0, state, p),
            "pair": lambda: (compressed @ prices, compressed.T @ banks_sold)}
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(REPEATS):
        for name, job in jobs.items():
            started = time.process_time()
            job()
            times[name].append(time.process_time() - started)
    middle = {name: float(np.median(values)) for name, values in times.items()}
    return (f"| {banks} | {assets} | {holdings} | {built:.1f} | {1e3 * middle['round']:.2f} | {1e3 * middle['pair']:.2f} |"
            f" {middle['round'] / middle['pair']:.2f} |")


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [10_000, 5_000, 250_000]
    print("| banks | assets | holdings | making the system, s | round, ms | CSR pair, ms | ratio |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(measure(*sizes))
