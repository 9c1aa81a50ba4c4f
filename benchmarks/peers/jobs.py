"""The two phase diagrams that every engine computes, and the conversation with the process that computes them.

Needs NumPy alone, since it runs in the environment of each engine. A worker is a process that answers one line of JSON
with another: which cells, to which time, at which tolerance; back come the processor seconds, and a file of results where
one is asked for. What has to be compiled is compiled before the clock runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SIDE, DURATION = 256, 50.0
ENDED, EVENT, FAILED = 0, 1, -1
# solve(initial states (3, n), parameters (k, n), duration) -> outcomes (n), final states (3, n)
Solve = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]


def core(y: Any, p: Any, positive: Any, softplus: Any) -> Any:
    """Leverage as equity ratio with a margin call that has a kink: price gap, equity ratio, liquidation flow."""
    x, u, q = y
    reversion, impact, adjustment, target, margin, rate, latency = p
    flow = adjustment * (target * u - 1.0) - q
    change = impact * flow - reversion * x
    return change, (1.0 - u) * change - u * flow, (rate * positive(1.0 - u / margin) - q) / latency


def smooth(y: Any, p: Any, positive: Any, softplus: Any) -> Any:
    """Leverage with a smooth margin call: price gap, leverage, liquidation flow."""
    x, leverage, q = y
    reversion, impact, adjustment, target, limit, strength, width, latency = p
    fall = reversion * x + impact * q
    return (-fall, leverage * ((leverage - 1.0) * fall - q) + adjustment * leverage * (1.0 - leverage / target),
            (strength * width * softplus((leverage / limit - 1.0) / width) - q) / latency)


@dataclass(frozen=True)
class Model:
    """A model with its cells; the event is where ``sign * (state[1] - level)`` becomes positive, and ends the path."""

    field: Any
    parameters: tuple[float, ...]
    level: float
    sign: int

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Return initial states and parameters of all cells."""
        p = np.repeat(np.array(self.parameters)[:, None], SIDE * SIDE, 1)
        if self.field is core:
            p[1], p[3] = (a.ravel() for a in np.meshgrid(np.linspace(0.05, 1, SIDE), np.linspace(2, 10, SIDE)))
            return np.stack([np.full(p.shape[1], -0.1), 1 - (1 - 1 / p[3]) * np.exp(0.1), 0 * p[1]]), p
        p[1], gap = (a.ravel() for a in np.meshgrid(np.linspace(0.01, 0.5, SIDE), np.linspace(-0.18, 0.0, SIDE)))
        return np.stack([gap, 1 / (1 - 5 / 6 * np.exp(-gap)), 0 * gap]), p

    def chosen(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        y, p = self.cells()
        few = np.random.default_rng(seed).permutation(SIDE * SIDE)[:count]
        return np.ascontiguousarray(y[:, few]), np.ascontiguousarray(p[:, few])


MODELS = {"core": Model(core, (1.0, 0.3, 0.5, 5.0, 0.05, 20.0, 0.02), 0.0, -1),
          "smooth": Model(smooth, (1.0, 0.15, 0.2, 6.0, 8.0, 5.0, 0.02, 0.05), 1000.0, 1)}


def serve(make: Callable[[Model, float], Solve], versions: dict[str, str]) -> None:
    """Answer requests until there are none; ``make(model, tolerance)`` prepares what solves cells."""
    print(json.dumps(versions), flush=True)
    made: dict[tuple[str, float], Solve] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        model, key = MODELS[asked["model"]], (asked["model"], asked["tolerance"])
        y, p = model.chosen(asked["count"], asked["seed"])
        if key not in made:
            made[key] = make(model, asked["tolerance"])
            made[key](np.ascontiguousarray(y[:, :64]), np.ascontiguousarray(p[:, :64]), asked["duration"])
        begun = time.process_time()
        outcome, final = made[key](y, p, asked["duration"])
        seconds = time.process_time() - begun
        if asked.get("file"):
            np.savez(asked["file"], outcome=outcome, final=final)
        print(json.dumps({"seconds": seconds}), flush=True)
