"""What is computed once for each lane before it starts: its first step, the side it is on, what it has recorded."""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.compiled.kernels.cubics import quick_power
from dynamics.compiled.kernels.field_routines import FieldRoutine
from dynamics.compiled.kernels.flow_problems import FlowProblem, Places
from dynamics.compiled.kernels.ir import DOUBLE, INTEGER, POINTER, Builder, Module, Operand, Value
from dynamics.compiled.kernels.lane_rows import OPTIONS, RUNNING, Layout
from dynamics.compiled.kernels.surfaces import FAR, PASSES
from dynamics.compiled.lane_problems import LaneStatus

__all__ = ["PREPARATION", "define_preparation"]

PREPARATION = {"count": INTEGER, "data": POINTER, "stride": INTEGER, "options": POINTER}


def define_preparation(module: Module, problem: FlowProblem, layout: Layout, routine: FieldRoutine | None = None) -> None:
    """Add the function ``prepare``, which runs over all lanes, a vector at a time; their number fills whole vectors."""
    build = module.function("prepare", PREPARATION)
    data, stride, options = (build.argument(n) for n in ("data", "stride", "options"))
    relative = build.spread(build.load(build.at(options, 0), DOUBLE))
    absolute = [build.spread(build.load(build.at(options, len(OPTIONS) + k), DOUBLE)) for k in range(layout.dimension)]
    with build.count(0, build.argument("count"), build.width) as first:

        def get(name: str, number: int = 0) -> Value:
            return build.load(build.at(data, stride * layout.row(name, number) + first))

        def put(name: str, value: Operand, number: int = 0) -> None:
            place = build.at(data, stride * layout.row(name, number) + first)
            build.store(place, build.lift(value, build.doubles))

        plain = [build.constant(0.0)] * layout.switches
        places = Places(problem, build, [get("parameter", k) for k in range(layout.parameters)], plain, routine)
        time, state = get("time"), [get("state", k) for k in range(layout.dimension)]
        place = places.at(time, state)
        slope = place.field()
        values, rates = place.along(problem.surfaces, slope)
        at_border = build.lift(0, build.mask)
        for k, (value, rate) in enumerate(zip(values, rates, strict=True)):
            leading = build.select(value.equals(0.0), rate, value)
            side = build.select(leading > 0.0, 1.0, build.select(leading < 0.0, -1.0, 0.0))
            at_border = at_border | value.equals(0.0)
            if k < layout.switches:
                put("bias", side * FAR, k)
            else:
                put("side", side, k - layout.switches)
        # on a border the rates depend on the case: they are looked at again in the case that was found
        put("fresh", build.select(at_border, PASSES, 0.0))
        for k, value in enumerate(place.values(problem.running)):
            for name in ("maximum", "minimum", "last"):
                put(name, value, k)
        scales = [1.0 / build.fma(relative, build.absolute(y), a) for y, a in zip(state, absolute, strict=True)]
        size, speed = _norm(build, state, scales), _norm(build, slope, scales)
        slow = (size < 1e-5) | (speed < 1e-5)
        trial = build.select(slow, 1e-6, 0.01 * size / speed)
        ahead = [build.fma(trial, k, y) for y, k in zip(state, slope, strict=True)]
        change = [a - b for a, b in zip(places.at(time + trial, ahead).field(), slope, strict=True)]
        bend = _norm(build, change, scales) / trial
        fastest = build.maximum(bend, speed)
        step = build.select(fastest <= 1e-15, build.maximum(trial * 1e-3, 1e-6),
                            quick_power(build, 0.01 / build.maximum(fastest, 1e-15), 0.2))
        put("step", build.select(bend < 1e300, build.minimum(step, 100.0 * trial), 1e-3 * trial))
        usable = build.constant(0.0)
        for value in (*state, *slope):
            usable = build.fma(value, 0.0, usable)
        status = build.select(get("stop") <= time, float(LaneStatus.COMPLETED), RUNNING)
        put("status", build.select(usable.equals(0.0), status, float(LaneStatus.INVALID_STATE)))
    build.finish()


def _norm(build: Builder, values: Sequence[Value], scales: Sequence[Value]) -> Value:
    total = build.constant(0.0)
    for value, scale in zip(values, scales, strict=True):
        part = value * scale
        total = build.fma(part, part, total)
    return build.sqrt(total * (1.0 / len(values)))
