"""Single thresholds and those of sweeps agree, and neither is found on the unsafe side: random systems, closed forms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.lane_thresholds import OUTCOMES

NAMES = {code: name for name, code in OUTCOMES.items()}
AGREE = 1e-9


@dataclass(frozen=True)
class Case:
    """A system, where it starts, its threshold, and the statuses that are right."""

    system: dy.System
    start: dict[str, float]
    right: float
    statuses: tuple[str, ...] = ("found",)
    duration: float | None = None


def system(equations: dict[str, str], event: dy.Event, shock: dict[str, str], parameters: dict[str, float]) -> dy.System:
    return dy.System(name="case", states=dict.fromkeys(equations, 0.0), parameters=parameters, equations=equations,
                     events={"ruin": event}, shocks={"price": dy.Shock(shock, bounds=(None, None))})


def bistable(g: np.random.Generator) -> Case:
    """A cubic: stable at s, unstable at s + w, ruin beyond it or before."""
    s, w, third, rate = g.uniform(-2, 2), g.uniform(0.1, 2), g.uniform(0.3, 2), 10 ** g.uniform(-3, 1)
    level = w * g.uniform(0.3, 1.9)
    made = system({"x": "rate*(x - s)*(x - s - w)*(s + w + third - x)"}, dy.Event("x - s - level", "rising", terminal=True),
                  {"x": "x + magnitude"},
                  {"s": s, "w": w, "third": max(third, level - w + 0.1), "rate": rate, "level": level})
    if level <= w:
        return Case(made, {"x": s}, level, ("insolvent_at_once",))
    return Case(made, {"x": s}, w)


def mixed(g: np.random.Generator) -> Case:
    """The same beside a decaying state, in turned coordinates: the shock moves both."""
    angle, w, decay, rate = g.uniform(-1.2, 1.2), g.uniform(0.1, 1), 10 ** g.uniform(-1, 2), 10 ** g.uniform(-2, 1)
    values = {"w": w, "decay": decay, "rate": rate, "c": math.cos(angle), "s": math.sin(angle)}
    u, v = "(c*x + s*y)", "(c*y - s*x)"
    up, vp = f"(rate*{u}*({u} - w)*(3*w - {u}))", f"(-decay*{v})"
    made = system({"x": f"c*{up} - s*{vp}", "y": f"s*{up} + c*{vp}"}, dy.Event(f"{u} - 2*w", "rising", terminal=True),
                  {"x": "x + magnitude"}, values)
    return Case(made, {"x": 0.0, "y": 0.0}, w / math.cos(angle))


def swing(g: np.random.Generator) -> Case:
    """A damped swing pushed: ruin where its first turning reaches the level."""
    frequency, damping, level = 10 ** g.uniform(-1.5, 0.7), g.uniform(0.05, 0.9), 10 ** g.uniform(-1, 0.3)
    made = system({"x": "v", "v": "-k*x - 2*d*v"}, dy.Event("x + level", "falling", terminal=True), {"v": "v - magnitude"},
                  {"k": frequency**2, "d": damping * frequency, "level": level})
    w = frequency * math.sqrt(1 - damping**2)
    turning = math.atan2(w, damping * frequency) / w
    return Case(made, {"x": 0.0, "v": 0.0}, level * w / (math.exp(-damping * frequency * turning) * math.sin(w * turning)))


def slow_saddle(g: np.random.Generator) -> Case:
    """Everything near the border moves at a rate of 1e-4 to 1e-1; a fast state is carried along."""
    a = 10 ** g.uniform(-4, -1)
    k = a / g.uniform(0.2, 2) ** 2
    made = system({"x": "-a*x + k*x**3", "y": "x - 5*y"}, dy.Event("x - 3", "rising", terminal=True), {"x": "x + magnitude"},
                  {"a": a, "k": k})
    return Case(made, {"x": 0.0, "y": 0.0}, math.sqrt(a / k))


def bleed(g: np.random.Generator) -> Case:
    """Below a border equity is lost at a constant rate, however small."""
    border = g.uniform(0.1, 0.9)
    made = system({"e": "(1 - e) if e > border else -eps"}, dy.Event("e", "falling", terminal=True), {"e": "e - magnitude"},
                  {"border": border, "eps": 10 ** g.uniform(-8, -1)})
    return Case(made, {"e": 1.0}, 1 - border)


def ghost(g: np.random.Generator) -> Case:
    """The start itself runs to ruin, however slowly."""
    made = system({"x": "mu + x**2"}, dy.Event("x - 1", "rising", terminal=True), {"x": "x + magnitude"},
                  {"mu": 10 ** g.uniform(-10, -1)})
    return Case(made, {"x": -1.0}, 0.0, ("unstable",))


def deadband(g: np.random.Generator) -> Case:
    """A flow that is worked off at the rate k costs c/k of itself in equity."""
    k, c = g.uniform(0.2, 2), g.uniform(0.1, 2)
    made = system({"q": "-k*max(q - 1, 0)", "e": "-c*max(q - 1, 0)"}, dy.Event("e", "falling", terminal=True),
                  {"q": "q + magnitude"}, {"k": k, "c": c})
    return Case(made, {"q": 1.0, "e": 1.0}, k / c)


def hurried(g: np.random.Generator) -> Case:
    """A slow saddle, looked at for a time that is too short to tell."""
    case = slow_saddle(g)
    return Case(case.system, case.start, case.right, ("found", "open_bracket", "not_settled"), 10 ** g.uniform(1, 4))


def hurried_ghost(g: np.random.Generator) -> Case:
    case = ghost(g)
    return Case(case.system, case.start, 0.0, ("unstable", "not_settled"), 10 ** g.uniform(1, 5))


KINDS: tuple[Callable[[np.random.Generator], Case], ...] = (bistable, mixed, swing, slow_saddle, bleed, ghost, deadband,
                                                            hurried, hurried_ghost)


def faults(case: Case) -> tuple[list[str], str]:
    """What is wrong with either route, or with both together; the status of the single call."""
    options: dict[str, Any] = {"initial_state": case.start, "duration": case.duration}
    single = dy.cascade_threshold(case.system, both_directions=False, **options)
    name = next(iter(case.system.parameters))
    cell = dy.sweep(case.system, {name: [case.system.parameter_values[name]]}, "threshold", **options)
    value, status = float(cell["threshold"][0]), NAMES[int(cell["threshold_status"][0])]
    found = []
    if single.status != status:
        found.append(f"single {single.status}, sweep {status}")
    if not (math.isnan(value) and math.isnan(single.value)) and not abs(value - single.value) <= AGREE:
        found.append(f"single {single.value!r}, sweep {value!r}")
    for route, kind, size in (("single", single.status, single.value), ("sweep", status, value)):
        if kind not in case.statuses:
            found.append(f"{route}: {kind}, right {case.statuses}")
        if not math.isnan(size) and not abs(size - case.right) <= 3e-9 * max(1.0, case.right):
            found.append(f"{route}: {size!r}, right {case.right!r}")
    low, high = single.bracket
    slack = 3e-9 * max(1.0, case.right)
    if low > case.right + slack or high < case.right - slack:
        found.append(f"bracket {single.bracket} without {case.right!r}")
    return found, single.status


def report(count: int, seed: int) -> tuple[list[str], Counter[tuple[str, str]]]:
    g = np.random.default_rng(seed)
    wrong: list[str] = []
    statuses: Counter[tuple[str, str]] = Counter()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        case = kind(g)
        found, status = faults(case)
        statuses[kind.__name__, status] += 1
        wrong += [f"{number} {kind.__name__} {case.system.parameter_values}: {fault}" for fault in found]
    return wrong, statuses


def test_a_system_of_each_kind() -> None:
    wrong, _ = report(len(KINDS), 1)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_five_hundred_random_systems() -> None:
    wrong, statuses = report(500, 2026)
    assert not wrong, "\n".join(wrong)
    assert sum(statuses.values()) == 500
    assert sum(count for (_, status), count in statuses.items() if status == "found") >= 250

