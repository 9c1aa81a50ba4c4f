"""Random systems through kernel, arrays, integrate and plain SciPy: do they agree?

Usage: python benchmarks/engines_agree.py [--structures N] [--first K] [--lanes L]

Structures are numbered, so that a long comparison can be cut into ranges and continued. Each is run with several sets of
parameters and starts; every one of these is a system of its own. Printed are the systems that disagree, the name of what
explains it (a rule, not a judgement: ``tests/contracts/engine_comparison.py``), and what was counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "contracts"))

from engine_comparison import compared
from random_systems import LANES, random_system
from reproducers import smallest, text_of


def main() -> int:
    parser = argparse.ArgumentParser(description="Do the engines agree on random systems?")
    parser.add_argument("--structures", type=int, default=100, help="how many different equations")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--lanes", type=int, default=LANES, help="systems of each structure; more cost little more")
    parser.add_argument("--report", type=int, default=100, help="say how far it is after so many")
    arguments = parser.parse_args()
    counts, reasons = Counter(), Counter()
    started = time.perf_counter()
    for number in range(arguments.first, arguments.first + arguments.structures):
        system = random_system(number, arguments.lanes)
        lanes = len(system.starts)
        counts["structures"] += 1
        counts["systems"] += lanes
        counts["with a condition at its border"] += lanes * bool(system.borders)
        for lane, engine, what, why in compared(system):
            counts["disagreements"] += 1
            reasons[f"{engine}: {why or 'UNEXPLAINED'}"] += 1
            print(f"{number}.{lane} {engine}: {what}: {why or 'UNEXPLAINED'}", flush=True)
            if not why:
                counts["unexplained"] += 1
                print(text_of(smallest(system, lane, engine)), flush=True)
        if counts["structures"] % arguments.report == 0:
            print(f"... {number}: {dict(counts)} in {time.perf_counter() - started:.0f} s", flush=True)
    print(f"{arguments.first} to {arguments.first + arguments.structures - 1} in {time.perf_counter() - started:.0f} s:")
    for table in (counts, reasons):
        for name, number in table.items():
            print(f"  {number:7} {name}")
    return int(counts["unexplained"] > 0)


if __name__ == "__main__":
    sys.exit(main())
