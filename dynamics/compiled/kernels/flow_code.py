"""Compiled flows: the functions of one problem by one method."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dynamics.compiled.kernels.cubics import define_root
from dynamics.compiled.kernels.flow_problems import FlowProblem, Places
from dynamics.compiled.kernels.ir import Module, Value
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel, native_target
from dynamics.compiled.kernels.lane_loop import LaneLoop, Try
from dynamics.compiled.kernels.lane_rows import Layout
from dynamics.compiled.kernels.preparation import define_preparation
from dynamics.compiled.kernels.rosenbrock import rosenbrock_attempt
from dynamics.compiled.kernels.runge_kutta import Attempt, runge_kutta_attempt

__all__ = ["METHODS", "FlowCode", "attempts", "flow_code", "flow_text", "layout_of", "native_width"]

METHODS = ("tsit5", "rodas5p")


@dataclass(frozen=True)
class FlowCode:
    """The compiled functions of a problem, and how its lanes lie in memory."""

    layout: Layout
    width: int
    prepare: Callable[..., None]
    advance: Callable[..., None]


def native_width() -> int:
    """Return the lanes that advance together: two native vectors, whose instructions fill each other's waiting times."""
    return 2 * native_target().width


def layout_of(problem: FlowProblem) -> Layout:
    """Return how the lanes of a problem lie in memory."""
    return Layout(len(problem.states), len(problem.parameters), len(problem.switches.quantities), len(problem.events),
                  len(problem.running))


def flow_text(problem: FlowProblem, method: str, width: int, stiff_test: bool) -> str:
    """Return the LLVM IR of a problem."""
    layout, module = layout_of(problem), Module(width)
    define_root(module)
    define_preparation(module, problem, layout)
    LaneLoop(module, problem, layout, attempts(problem, method), stiff_test and method == "tsit5")
    return module.text()


def attempts(problem: FlowProblem, method: str) -> Try:
    """Return what appends one step by a method."""

    def explicit(places: Places, biases: Sequence[Value], time: Value, step: Value, state: Sequence[Value],
                 slope: Sequence[Value]) -> Attempt:
        return runge_kutta_attempt(places.build, lambda t, y: places.at(t, y, biases).field(), time, step, state, slope,
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
