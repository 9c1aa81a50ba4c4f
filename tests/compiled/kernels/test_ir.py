"""The builder: what it writes runs, and means what it says."""

import ctypes
import math

import numpy as np
import pytest

from dynamics.compiled.kernels.ir import DOUBLE, INTEGER, POINTER, Module
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel


def run(write, x, width=4):
    """Apply ``write(build, vector) -> vector`` to an array."""
    module = Module(width)
    build = module.function("apply", {"x": POINTER, "y": POINTER})
    build.store(build.argument("y"), write(build, build.load(build.argument("x"))))
    build.finish()
    x, y = np.array(x, dtype=float), np.empty(width)
    compile_kernel(module.text()).function("apply", [ADDRESS, ADDRESS])(x.ctypes.data, y.ctypes.data)
    return y.tolist()


def test_products_and_sums_are_fused_only_where_asked():
    x = [1 + 2.0**-30, 1 - 2.0**-30, 3.0, 0.1]
    assert run(lambda b, v: v * v - 1.0, x) == [a * a - 1.0 for a in x]
    exact = [2.0**-29 + 2.0**-60, -(2.0**-29) + 2.0**-60]
    assert run(lambda b, v: b.fma(v, v, -1.0), x)[:2] == exact


def test_comparisons_are_false_for_nan():
    x = [1.0, -1.0, math.nan, 0.0]
    assert run(lambda b, v: b.select(v > 0.0, 1.0, 0.0), x) == [1, 0, 0, 0]
    assert run(lambda b, v: b.select(v <= 0.0, 1.0, 0.0), x) == [0, 1, 0, 1]
    assert run(lambda b, v: b.select(v.differs(v), 1.0, 0.0), x) == [0, 0, 1, 0]
    assert run(lambda b, v: b.select(v.equals(0.0), 1.0, 0.0), x) == [0, 0, 0, 1]


def test_loops_and_conditions():
    def collatz(build, v):
        """Halve while above 1, counting, with a loop that leaves when no lane is above."""
        value, steps = build.variable(v), build.variable(0.0)
        with build.forever() as (_, out):
            above = value.get() > 1.0
            with build.when(~build.any(above)):
                leave = build.block("unused")
                build.branch(out)
                build.enter(leave)
            value.set(build.select(above, value.get() * 0.5, value.get()))
            steps.set(build.select(above, steps.get() + 1.0, steps.get()))
        return steps.get()

    assert run(collatz, [1.0, 2.0, 8.0, 5.0]) == [0, 1, 3, 3]


def test_counting_and_scalars():
    def total(build, v):
        sum_ = build.variable(0.0)
        with build.count(0, 5) as number:
            sum_.set(sum_.get() + v * build.to_double(number))
        return sum_.get()

    assert run(total, [1.0, 2.0, 0.0, -1.0]) == [10, 20, 0, -10]


def test_bits_lanes_and_signs():
    assert run(lambda b, v: b.from_bits(b.bits(v) ^ b.integer(1 << 63)), [1.0, -2.0, 0.0, 5.0]) == [-1, 2, 0, -5]
    assert run(lambda b, v: b.to_double(b.lane_numbers()), [0.0] * 4) == [0, 1, 2, 3]
    assert run(lambda b, v: b.spread(b.lane(v, 2)), [1.0, 2.0, 3.0, 4.0]) == [3] * 4
    assert run(lambda b, v: b.copysign(2.0, v), [1.0, -1.0, -0.0, 3.0]) == [2, -2, -2, 2]
    assert run(lambda b, v: b.to_double(b.to_integer(v) * 3 - 1), [1.0, 2.5, -1.5, 0.0]) == [2, 5, -4, -1]


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
def test_all_and_any_for_every_width(width):
    x = np.arange(width, dtype=float)
    for condition, expected in ((lambda b, v: b.all(v >= 0.0), 1), (lambda b, v: b.any(v > width - 1.5), 1),
                                (lambda b, v: b.any(v < 0.0), 0), (lambda b, v: b.all(v > 0.0), 0)):
        found = run(lambda b, v, c=condition: b.spread(b.select(c(b, v), b.scalar(1.0), b.scalar(0.0))), x, width)
        assert found == [expected] * width


def test_functions_return_values_and_take_numbers():
    module = Module(2)
    build = module.function("hypotenuse", {"a": DOUBLE, "b": DOUBLE, "n": INTEGER}, returns=DOUBLE)
    a, b = build.argument("a"), build.argument("b")
    build.finish(build.sqrt(a * a + b * b) * build.to_double(build.argument("n")))
    function = compile_kernel(module.text()).function(
        "hypotenuse", [ctypes.c_double, ctypes.c_double, ctypes.c_int64], ctypes.c_double)
    assert function(3.0, 4.0, 2) == 10.0
