"""One step of the methods for Ito equations as vector instructions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sympy import Expr

from dynamics.compiled.kernels.ir import Builder, Value
from dynamics.compiled.noise_equations import NoiseEquation

__all__ = ["advanced"]

Traced = Callable[[Sequence[Value], Value, Sequence[Expr]], list[Value]]


def advanced(build: Builder, equation: NoiseEquation, traced: Traced, state: Sequence[Value], t: Value, h: Value,
             increments: Sequence[Value]) -> list[Value]:
    """Return the state after a step of length h.

    ``traced(state, time, expressions)`` gives values; ``increments`` are those of ``NoiseStepper.diffuse``.
    """
    if equation.method == "stochastic_runge_kutta":
        return _runge_kutta(build, equation, traced, state, t, h, increments)
    terms = iter(traced(state, t, equation.expressions))
    after = [build.fma(next(terms), h, s) for s in state]
    for column, increment in zip(equation.columns, increments, strict=True):
        for place, _ in column:
            after[place] = build.fma(next(terms), increment, after[place])
    for place, j, k, _ in equation.corrections:
        product = increments[j] * increments[k]
        after[place] = build.fma(next(terms), (product - h) * 0.5 if j == k else product, after[place])
    return after


def _runge_kutta(build: Builder, equation: NoiseEquation, traced: Traced, state: Sequence[Value], t: Value, h: Value,
                 increments: Sequence[Value]) -> list[Value]:
    """Roessler's SRI1W1; the tableau is that of ``NoiseStepper``."""
    root, sources = build.sqrt(h), len(equation.columns)
    per_root, per_step = 1.0 / root, 1.0 / h
    amplitudes = [[e for _, e in column] for column in equation.columns]
    terms = traced(state, t, [*equation.drifts, *(e for column in amplitudes for e in column)])
    slope, rest = [v * h for v in terms[:len(state)]], iter(terms[len(state):])
    middle = [build.fma(v, 0.75, s) for s, v in zip(state, slope, strict=True)]
    after = [build.fma(v, 1 / 3, s) for s, v in zip(state, slope, strict=True)]
    for source, (column, wanted) in enumerate(zip(equation.columns, amplitudes, strict=True)):
        places = [place for place, _ in column]
        w = increments[source]
        area = build.fma(increments[sources + source], 0.5 / math.sqrt(3), w * 0.5)
        first = [next(rest) for _ in places]
        for place, value in zip(places, first, strict=True):
            middle[place] = build.fma(value, area * 1.5, middle[place])
        if equation.steady(source):
            for place, value in zip(places, first, strict=True):
                after[place] = build.fma(value, w, after[place])
            continue

        def stage(part: float, push: Sequence[Value], places: Sequence[int] = places,
                  wanted: Sequence[Expr] = wanted) -> list[Value]:
            moved = [build.fma(v, part, s) for s, v in zip(state, slope, strict=True)]
            for place, value in zip(places, push, strict=True):
                moved[place] = build.fma(value, root, moved[place])
            return traced(moved, build.fma(h, part, t), wanted)

        second = stage(0.25, [v * 0.5 for v in first])
        third = stage(1.0, [-v for v in first])
        fourth = stage(0.25, [build.fma(c, 0.5, build.fma(b, 3.0, a * -5.0))
                              for a, b, c in zip(first, second, third, strict=True)])
        square = w * w
        twice = (square - h) * (per_root * 0.5)
        thrice = build.fma(h, -3.0, square) * w * (per_step * (1 / 6))
        weights = (build.fma(area - thrice, 2.0, -(w + twice)), build.fma((w + twice) - area, 4 / 3, thrice * (5 / 3)),
                   build.fma((w - area) - thrice, 2 / 3, twice * (-1 / 3)), thrice)
        for values, weight in zip((first, second, third, fourth), weights, strict=True):
            for place, value in zip(places, values, strict=True):
                after[place] = build.fma(value, weight, after[place])
    ends = traced(middle, build.fma(h, 0.75, t), equation.drifts)
    return [build.fma(v, h * (2 / 3), a) for v, a in zip(ends, after, strict=True)]
