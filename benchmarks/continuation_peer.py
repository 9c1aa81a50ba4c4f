"""Time and digits of three branches of fixed points: this package and AUTO-07p as `bifpy` binds it.

Run: python benchmarks/continuation_peer.py PEER_PYTHON, where PEER_PYTHON is the interpreter of another environment with
bifpy installed (it needs a Fortran compiler). Writes a Markdown table to standard output. Each engine runs in its own
process with its own settings: AUTO with those of its demos (relative tolerances 1e-7, special points 1e-5), this package
with its defaults. Times are wall seconds of the best of several runs after a first one; bifpy starts a process of its own
for each run, which is part of what its user waits for.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

RUNS = 5


def reaction(state: Any, p: Any) -> list[Any]:
    rate = p[0] * (1 - state[0]) * np.exp(state[1])
    return [-state[0] + rate, -state[1] + p[1] * rate - p[2] * state[1]]


def enzyme(state: Any, p: Any) -> list[Any]:
    one, two = (p[2] * s / (1 + s + p[3] * s**2) for s in (state[0], state[1]))
    return [p[0] - state[0] + state[1] - state[0] - one, p[0] + p[1] - state[1] + state[0] - state[1] - two]


def plant(state: Any, p: Any) -> list[Any]:
    rate = p[0] * state[0] * state[1] / (1 + state[0] + p[4] * state[0] ** 2)
    return [p[1] - state[0] - rate, p[3] * (p[2] - state[1]) - rate]


# name: states, parameters, equations, parameter, bounds, start, known special points (kind, value)
BRANCHES: dict[str, dict[str, Any]] = {
    "A->B, p2 = 18": {
        "states": ("u1", "u2"), "parameters": {"p1": 0.0, "p2": 18.0, "p3": 3.0}, "vary": "p1", "bounds": (0.0, 0.4),
        "equations": ("-u1 + p1*(1-u1)*exp(u2)", "-u2 + p1*p2*(1-u1)*exp(u2) - p3*u2"), "start": (0.0, 0.0),
        "function": reaction, "step": 0.02,
        "known": {"fold": (math.exp(-1.5) / 2, 2 * math.exp(-3)), "hopf": (0.111153484189864, 0.183834607985987)}},
    "enzyme, symmetric": {
        "states": ("s1", "s2"), "parameters": {"s0": 0.0, "mu": 0.0, "rho": 100.0, "ka": 1.0}, "vary": "s0",
        "bounds": (0.0, 60.0), "start": (0.0, 0.0),
        "equations": ("(s0-s1)+(s2-s1) - rho*s1/(1+s1+ka*s1**2)", "(s0+mu-s2)+(s1-s2) - rho*s2/(1+s2+ka*s2**2)"),
        "function": enzyme, "step": 1.0,
        "known": {"fold": (34.3569249985262, 18.8870676579243), "branch": (34.2228865441902, 22.1816379261242)}},
    "plant": {
        "states": ("S", "A"), "parameters": {"rh": 0.1, "S0": 110.0, "A0": 500.0, "al": 0.2, "rk": 0.1}, "vary": "rh",
        "bounds": (0.1, 10.0), "start": (105.86643257204584, 479.3321628602292),
        "equations": ("(S0-S) - rh*S*A/(1+S+rk*S**2)", "al*(A0-A) - rh*S*A/(1+S+rk*S**2)"),
        "function": plant, "step": 5.0,
        "known": {"hopf": (3.49995382798691, 4.6504578126027)}},
}
KINDS = {"pitchfork": "branch", "transcritical": "branch", "branch_point": "branch"}


def best_of(run: Callable[[], Any]) -> tuple[Any, float]:
    result, times = run(), []
    for _ in range(RUNS):
        began = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - began)
    return result, min(times)


def ours(case: dict[str, Any]) -> tuple[list[tuple[str, float]], float, int]:
    import dynamics as dy

    system = dy.System(name="reference", states=dict(zip(case["states"], case["start"], strict=True)),
                       parameters=case["parameters"], equations=dict(zip(case["states"], case["equations"], strict=True)))
    start = dict(zip(case["states"], case["start"], strict=True))
    branch, seconds = best_of(lambda: dy.continue_fixed_points(system, case["vary"], case["bounds"], start))
    found = [(KINDS.get(p.kind, p.kind), p.parameters[case["vary"]]) for p in branch.special_points]
    return found, seconds, branch.table.sizes["step"]


def peers(case: dict[str, Any], transpile: bool) -> tuple[list[tuple[str, float]], float, int]:
    from bifpy import auto
    from bifpy.results import PointType

    names, values = list(case["parameters"]), list(case["parameters"].values())

    def starting_point(state: Any, parameters: Any, _: float) -> None:
        for k, value in enumerate(case["start"]):
            state[k] = value
        for k, value in enumerate(values):
            parameters[k] = value

    low, high = case["bounds"]
    width = high - low
    settings = {"ips": auto.IPS_EQUILIBRIUM, "ndim": 2, "npar": len(values), "nmx": 2000, "ntst": 20, "ncol": 4, "iad": 3,
                "ilp": 1, "isp": 1, "iads": 1, "itmx": 9, "itnw": 5, "nwtn": 3, "jac": 0, "ds": 2e-3 * width,
                "dsmin": 1e-6 * width, "dsmax": case["step"], "mxbf": 0,
                "rl0": low - 1e-9, "rl1": high, "a0": -1e300,
                "a1": 1e300, "epsl": 1e-7, "epsu": 1e-7, "epss": 1e-5}
    icu = [names.index(case["vary"]) + 1]
    result, seconds = best_of(lambda: auto.run(case["function"], starting_point, settings, icu=icu, transpile=transpile))
    kinds = {PointType.FOLD: "fold", PointType.HOPF_BIFURCATION: "hopf", PointType.BRANCH_POINT: "branch"}
    points = result.branches[0].points
    found = [(kinds[p.point_type], p.parameters[icu[0] - 1]) for p in points if p.point_type in kinds]
    return found, seconds, len(points)


def digits(found: list[tuple[str, float]], known: dict[str, tuple[float, ...]]) -> str:
    """Correct digits of each known point, in order; "missed" where there is none, and how many were invented."""
    parts, used = [], 0
    for kind, values in known.items():
        for value in values:
            errors = [abs(v / value - 1) for k, v in found if k == kind]
            hit = bool(errors) and min(errors) < 1e-2
            used += hit
            parts.append(f"{min(16.0, -math.log10(max(min(errors), 1e-16))):.1f}" if hit else "missed")
    return ", ".join(parts) + (f"; {len(found) - used} invented" if len(found) > used else "")


def measured(engine: str) -> dict[str, Any]:
    run = {"ours": ours, "callbacks": lambda c: peers(c, False), "transpiled": lambda c: peers(c, True)}[engine]
    return {name: run(case) for name, case in BRANCHES.items()}


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--engine":
        sys.stdout.write(json.dumps(measured(sys.argv[2])))
        return
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/continuation_peer.py PEER_PYTHON")
    engines = {"ours": ("this package", sys.executable), "callbacks": ("bifpy, Python callbacks", sys.argv[1]),
               "transpiled": ("bifpy, transpiled", sys.argv[1])}
    rows = {engine: json.loads(subprocess.run([python, __file__, "--engine", engine], check=True, text=True,
                                              capture_output=True).stdout.splitlines()[-1])
            for engine, (_, python) in engines.items()}
    lines = ["| branch | engine | points | seconds | digits of its special points |", "|---|---|---|---|---|"]
    for name, case in BRANCHES.items():
        for engine, (title, _) in engines.items():
            found, seconds, count = rows[engine][name]
            lines.append(f"| {name} | {title} | {count} | {seconds:.3f} | "
                         f"{digits([tuple(item) for item in found], case['known'])} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
