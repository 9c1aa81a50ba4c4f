"""Digits of special points: this package, and what AUTO-07p prints, against values solved in 40-digit arithmetic.

Run: python benchmarks/continuation_digits.py. Writes a Markdown table to standard output. The prints of AUTO-07p are those
of its demos (ab, pp2, enz, plp, lrz, cusp, log) at their own settings.
"""

from __future__ import annotations

import math
import runpy
import sys
from pathlib import Path
from typing import Any

import dynamics as dy

REFERENCE = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "reference" / "equilibrium_bifurcations.py"))

# title, model, values, parameter, bounds, start, kind, exact, what AUTO prints
POINTS: list[tuple[str, str, dict[str, float], str, tuple[float, float], dict[str, float], str, float, str]] = [
    ("A->B, p2=14, Hopf", "AB", {"p2": 14}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, "hopf", 0.165042045323561, "0.16504203291"),
    ("A->B, p2=17, upper Hopf", "AB", {"p2": 17}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, "hopf", 0.217080509696289,
     "0.21707942746"),
    ("A->B, p2=18, lower Hopf", "AB", {}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, "hopf", 0.111153484189864, "0.11115349697"),
    ("A->B, p2=18, first fold", "AB", {}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, "fold", math.exp(-1.5) / 2, "0.11156507078"),
    ("A->B, p2=18, second fold", "AB", {}, "p1", (0, 0.4), {"u1": 0, "u2": 0}, "fold", 2 * math.exp(-3), "0.09957412014"),
    ("fish and sharks, fold", "PP2", {}, "p1", (0, 1), {"u1": 0.9, "u2": 0}, "fold", 0.832929322234157, "0.83292932223"),
    ("fish and sharks, transcritical", "PP2", {}, "p1", (0, 1), {"u1": 0, "u2": 0}, "transcritical", 0.6, "0.59999999798"),
    ("enzyme, symmetric fold", "ENZ", {}, "s0", (0, 60), {"s1": 0, "s2": 0}, "fold", 34.3569249985262, "34.356924999"),
    ("enzyme, first pitchfork", "ENZ", {}, "s0", (0, 60), {"s1": 0, "s2": 0}, "pitchfork", 34.2228865441902, "34.222886087"),
    ("plant, first Hopf", "PLP", {}, "rh", (0.1, 10), {"S": 100, "A": 400}, "hopf", 3.49995382798691, "3.4999530115"),
    ("Lorenz, pitchfork", "LORENZ", {"r": 0}, "r", (0, 30), {"x": 0, "y": 0, "z": 0}, "pitchfork", 1.0, "0.99999994"),
    ("Lorenz, Hopf", "LORENZ", {"r": 10}, "r", (0, 30), {"x": 24**0.5, "y": 24**0.5, "z": 9}, "hopf", 470 / 19,
     "24.736843683"),
    ("logistic map, flip", "LOGISTIC", {}, "mu", (2, 4), {"x": 2 / 3}, "period_doubling", 3.0, "3.000000001"),
]


def system_of(model: dict[str, Any], values: dict[str, float]) -> dy.System:
    return dy.System(name="reference", time=model.get("time", "continuous"), states=dict.fromkeys(model["states"], 0.1),
                     parameters=model["parameters"] | values,
                     equations=dict(zip(model["states"], model["equations"], strict=True)))


def digits(value: float, exact: float) -> str:
    error = abs(value / exact - 1)
    return f"{min(16.0, -math.log10(max(error, 1e-16))):.1f}"


def main() -> None:
    lines = ["| point | value | digits | digits of AUTO-07p as printed |", "|---|---|---|---|"]
    for title, name, values, parameter, bounds, start, kind, exact, printed in POINTS:
        branch = dy.continue_fixed_points(system_of(REFERENCE[name], values), parameter, bounds, start)
        found = [p.parameters[parameter] for p in branch.special_points if p.kind == kind]
        best = min(found, key=lambda value: abs(value - exact))
        lines.append(f"| {title} | {best:.15g} | {digits(best, exact)} | {digits(float(printed), exact)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
