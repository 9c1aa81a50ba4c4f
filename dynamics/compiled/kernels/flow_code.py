"""Compiled flows: the functions of one problem by one method."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dynamics.compiled.kernels.cubics import define_root
from dynamics.compiled.kernels.field_routines import FieldRoutine
from dynamics.compiled.kernels.flow_problems import FlowProblem, Places
from dynamics.compiled.kernels.ir import Module, Value
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel, native_target
from dynamics.compiled.kernels.lane_loop import LaneLoop, Try
from dynamics.compiled.kernels.lane_rows import Layout
from dynamics.compiled.kernels.preparation import define_preparation
from dynamics.compiled.kernels.rosenbrock import rosenbrock_attempt
from dynamics.compiled.kernels.runge_kutta import Attempt, runge_kutta_attempt

__all__ = ["METHODS", "FlowCode", "attempts", "flow_code", "flow_text", "layout_of", "native_width", "routine_of"]

METHODS = ("tsit5", "rodas5p")
LARGEST_PAIR = 8     # states
FEWEST_FOR_PAIR = 16_384  # lanes
LARGEST_INLINE = 12  # operations of a field; a larger one is called, which is as fast and compiles much faster


@dataclass(frozen=True)
class FlowCode:
    """The compiled functions of a problem, and how its lanes lie in memory."""

    layout: Layout
    width: int
    prepare: Callable[..., None]
    advance: Callable[..., None]


def native_width(dimension: int = 1, lanes: int | None = None) -> int:
    """Return the lanes that advance together.

    Two native vectors, whose instructions fill each other's waiting times; one where the numbers of two would not fit
    into the registers by far, or where there are so few lanes that they would not make up for twice the compilation.
    """
    pair = dimension <= LARGEST_PAIR and (lanes is None or lanes >= FEWEST_FOR_PAIR)
    return native_target().width * (2 if pair else 1)


def layout_of(problem: FlowProblem) -> Layout:
    """Return how the lanes of a problem lie in memory."""
    return Layout(len(problem.states), len(problem.parameters), len(problem.switches.quantities), len(problem.events),
                  len(problem.running))


def flow_text(problem: FlowProblem, method: str, width: int, stiff_test: bool) -> str:
    """Return the LLVM IR of a problem."""
    layout, module = layout_of(problem), Module(width)
    define_root(module)
    routine = routine_of(module, problem)
    define_preparation(module, problem, layout, routine)
    LaneLoop(module, problem, layout, attempts(problem, method), stiff_test and method == "tsit5", routine)
    return module.text()


def routine_of(module: Module, problem: FlowProblem) -> FieldRoutine | None:
    """Return the field as a function of the module if it is too large to be written out at every stage."""
    if problem.operations <= LARGEST_INLINE:
        return None
    return FieldRoutine(module, problem.field, problem.states, problem.parameters, problem.switches)


def attempts(problem: FlowProblem, method: str) -> Try:
    """Return what appends one step by a method."""

    def explicit(places: Places, time: Value, step: Value, state: Sequence[Value], slope: Sequence[Value]) -> Attempt:
        return runge_kutta_attempt(places.build, lambda t, y: places.at(t, y).field(), time, step, state, slope,
                                   timed=problem.timed)

    def implicit(places: Places, *given: Any) -> Attempt:
        return rosenbrock_attempt(places.build, places, *given)

    return explicit if method == "tsit5" else implicit


@functools.lru_cache(maxsize=128)
def flow_code(problem: FlowProblem, method: str, width: int, stiff_test: bool) -> FlowCode:
    """Return the compiled functions of a problem.

    Parameters
    ----------
    problem : FlowProblem
    method : {"tsit5", "rodas5p"}
    width : int
        Lanes of a vector.
    stiff_test : bool
        Whether lanes that turn out stiff stop with the status STIFF.
    """
    import ctypes

    kernel = compile_kernel(flow_text(problem, method, width, stiff_test), clean=True)
    integer = ctypes.c_int64
    return FlowCode(layout_of(problem), width,
                    kernel.function("prepare", [integer, ADDRESS, integer, ADDRESS]),
                    kernel.function("advance", [integer, ADDRESS, ADDRESS, integer, ADDRESS, ADDRESS]))
