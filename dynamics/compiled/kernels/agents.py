"""The field of many exchangeable agents, by compiled code that walks over arrays: sums first, then every agent."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Dummy, Expr, Symbol

from dynamics.compiled.kernels.ir import DOUBLE, INTEGER, POINTER, Builder, Module, Value
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel, native_target
from dynamics.compiled.kernels.tracing import Tracer
from dynamics.errors import SpecificationError
from dynamics.expressions import product, total
from dynamics.systems import TIME, System

__all__ = ["AgentField", "agent_field"]

Array = NDArray[np.float64]
WIDTH = 8       # of sums: on every processor, since the order of a sum follows from it
BLOCK = 16384   # agents summed in one go; the sums of blocks are added pairwise
IN_FLIGHT = 4   # vectors of agents at once: they fill each other's waiting times
AHEAD, LINE = 256, 8  # agents whose memory is asked for in advance; numbers in a line of the processor's cache


def agent_field(system: System) -> AgentField:
    """Return ``field(t, y, p, out=None)`` of a system whose states run over one index, met only as ``total(..., index)``.

    Parameters
    ----------
    system : System
        One index; no ``product``, no sparse parameter.

    Returns
    -------
    AgentField
        A function of the time, the flat state (states in declared order) and the parameter values as
        ``SystemFunctions.parameters`` gives them; it returns the flat derivative (next state of a map), in ``out`` where
        that is given, which must not be the state. The same to the last bit on every processor.

    Raises
    ------
    SpecificationError
        If the system is not of that form.
    IntegrationError
        If llvmlite is not installed.

    Examples
    --------
    >>> import dynamics as dy
    >>> crowd = dy.System(name="crowd", indices={"agent": 3}, states={"x": dy.State([1, 2, 6], over="agent")},
    ...                   equations={"x": "total(x, agent)/3 - x"})
    >>> agent_field(crowd)(0.0, np.array([1.0, 2.0, 6.0]), ()).tolist()
    [2.0, 1.0, -3.0]
    """
    return AgentField(system)


class AgentField:
    """The field of one system; made by ``agent_field``."""

    def __init__(self, system: System) -> None:
        _require_one_index(system)
        self._agents = next(iter(system.indices.values()))
        self._indexed = [bool(system.states[n].over) for n in system.states]
        self._shared = [not part.over for part in system.parameters.values()]
        # rows: one number per agent; numbers: one for all
        self._rows = [Symbol(n) for n in (*system.states, *system.parameters) if system.over.get(n)]
        self._numbers = [Symbol(n) for n in (*system.states, *system.parameters) if not system.over.get(n)] + [TIME]
        field = [system.field[n] for n in system.states]
        stages: list[list[tuple[Expr, Dummy]]] = []
        while found := {node for e in field for node in e.atoms(total) if not node.args[0].has(total)}:
            # innermost sums first: what stands in them is known when their turn comes
            stages.append([(node, Dummy(f"total{k}")) for k, node in enumerate(sorted(found, key=str))])
            field = [e.xreplace(dict(stages[-1])) for e in field]
        self._sums = [len(stage) for stage in stages]
        starts = np.cumsum([0, *(self._agents if over else 1 for over in self._indexed)]).tolist()[:-1]
        self._starts = [first for first, over in zip(starts, self._indexed, strict=True) if over]
        self._single = [first for first, over in zip(starts, self._indexed, strict=True) if not over]
        self._last: tuple[Sequence[Any], tuple[list[float], list[Array], list[int]]] | None = None
        self._width = max(IN_FLIGHT * native_target().width, WIDTH)
        kernel = compile_kernel(self._text(stages, field))
        walk = [ctypes.c_int64, ctypes.c_int64, *[ADDRESS] * 4]
        self._totals = [kernel.function(f"total{depth}", [*walk, ctypes.c_int64]) for depth in range(len(stages))]
        self._each = kernel.function("each", walk) if any(self._indexed) else None
        self._once = kernel.function("once", walk) if not all(self._indexed) else None

    # ---- code -------------------------------------------------------------------------------------------------------

    def _text(self, stages: Sequence[Sequence[tuple[Expr, Dummy]]], field: Sequence[Expr]) -> str:
        module = Module(WIDTH)
        known: list[Dummy] = []
        for depth, stage in enumerate(stages):
            self._totals_code(self._begin(module, f"total{depth}", ["stride"]), known, [node.args[0] for node, _ in stage])
            known += [name for _, name in stage]
        each = [e for e, over in zip(field, self._indexed, strict=True) if over]
        once = [e for e, over in zip(field, self._indexed, strict=True) if not over]
        if each:
            build = self._begin(module, "each", width=self._width)
            numbers = self._loaded(build, known)
            with build.count(build.argument("first"), build.argument("last"), self._width) as place:
                for table, rows in (("rows", len(self._rows)), ("results", len(each))):
                    for row, agent in itertools.product(range(rows), range(0, self._width, LINE)):
                        build.prefetch(build.at(_pointer(build, table, row), place + (AHEAD + agent)), write=table != "rows")
                for row, value in enumerate(self._values(build, numbers, place, each)):
                    build.store(build.at(_pointer(build, "results", row), place), value)
            build.finish()
        if once:
            build = self._begin(module, "once")
            for row, value in enumerate(self._values(build, self._loaded(build, known), None, once)):
                build.store(build.at(build.argument("results"), row), build.lane(value, 0))
            build.finish()
        return module.text()

    def _begin(self, module: Module, name: str, more: Sequence[str] = (), width: int = WIDTH) -> Builder:
        arguments = {"first": INTEGER, "last": INTEGER, "rows": POINTER, "numbers": POINTER, "known": POINTER,
                     "results": POINTER}
        return module.function(name, arguments | dict.fromkeys(more, INTEGER), width=width)

    def _totals_code(self, build: Builder, known: Sequence[Dummy], terms: Sequence[Expr]) -> None:
        """One sum for each block of agents and each term; ``stride`` results lie between two terms."""
        numbers, last = self._loaded(build, known), build.argument("last")
        sums = [build.variable(0.0) for _ in terms]
        number, end = build.variable(build.index(0)), build.spread(last)
        with build.count(build.argument("first"), last, BLOCK) as begin:
            stop = begin + BLOCK
            for variable in sums:
                variable.set(0.0)
            with build.count(begin, build.select(stop < last, stop, last), WIDTH) as place:
                inside = build.compare("<", build.lane_numbers() + build.spread(place), end)
                for variable, value in zip(sums, self._values(build, numbers, place, terms), strict=True):
                    variable.set(variable.get() + build.select(inside, value, 0.0))
            for row, variable in enumerate(sums):
                lanes = [build.lane(variable.get(), k) for k in range(WIDTH)]
                while len(lanes) > 1:
                    lanes = [a + b for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
                build.store(build.at(build.argument("results"), build.argument("stride") * row + number.get()), lanes[0])
            number.set(number.get() + 1)
        build.finish()

    def _loaded(self, build: Builder, known: Sequence[Dummy]) -> dict[Symbol, Value]:
        """Return the numbers that are the same for all agents."""
        loaded = {s: build.load(build.at(build.argument("numbers"), k), DOUBLE) for k, s in enumerate(self._numbers)}
        loaded |= {s: build.load(build.at(build.argument("known"), k), DOUBLE) for k, s in enumerate(known)}
        return {s: build.spread(value) for s, value in loaded.items()}

    def _values(self, build: Builder, numbers: dict[Symbol, Value], place: Value | None, wanted: Sequence[Expr]
                ) -> list[Value]:
        rows = {} if place is None else {s: build.load(build.at(_pointer(build, "rows", k), place))
                                         for k, s in enumerate(self._rows)}
        return Tracer(build, {**numbers, **rows}, rows).values(wanted)

    # ---- numbers ----------------------------------------------------------------------------------------------------

    def __call__(self, t: float, y: Array, p: Sequence[Any], out: Array | None = None) -> Array:
        y = np.ascontiguousarray(y, dtype=float)
        direct = out is not None and out.flags.c_contiguous and out.dtype == np.float64
        result = out if direct and out is not None else np.empty_like(y)
        numbers, rows, places = self._split(p)
        # addresses are computed: asking an array for its own takes longer than a call of compiled code
        taken, written = ([array.ctypes.data + 8 * first for first in self._starts] for array in (y, result))
        table = np.array([*taken, *places, *written, 0], dtype=np.uint64)
        count, sums = len(self._numbers), sum(self._sums)
        memory = np.empty(count + sums + len(self._single))
        memory[:count] = [*y[self._single].tolist(), *numbers, t]
        where, given = table.ctypes.data, memory.ctypes.data
        fixed, known = (given, given + 8 * count), memory[count: count + sums]
        n = self._agents
        whole = n - n % self._width
        ends = None
        if n > whole:
            # the last agents, fewer than are in flight, are walked over in memory of their own, filled up with the last one
            ends = np.empty((len(self._rows) + len(written), self._width))
            for end, row in zip(ends, [*(y[first: first + n] for first in self._starts), *rows], strict=False):
                end[: n - whole], end[n - whole:] = row[whole:], row[-1]
        last = None if ends is None else ends.ctypes.data + 8 * self._width * np.arange(len(ends), dtype=np.uint64)
        tail = where if last is None else last.ctypes.data
        self._add_up(known, whole, where, tail, fixed)
        if self._each is not None:
            self._each(0, whole, where, *fixed, where + 8 * len(self._rows))
            if ends is not None:
                self._each(0, self._width, tail, *fixed, tail + 8 * len(self._rows))
                for first, values in zip(self._starts, ends[len(self._rows):], strict=True):
                    result[first + whole: first + n] = values[: n - whole]
        if self._once is not None:
            self._once(0, 0, where, *fixed, given + 8 * (count + sums))
            result[self._single] = memory[count + sums:]
        if out is not None and not direct:
            out[:] = result
            return out
        return result

    def _split(self, p: Sequence[Any]) -> tuple[list[float], list[Array], list[int]]:
        """Return the parameters that all share, those of each agent and their addresses; remembered for the same tuple."""
        if self._last is not None and self._last[0] is p:
            return self._last[1]
        numbers = [float(value) for value, shared in zip(p, self._shared, strict=True) if shared]
        values = [np.reshape(value, -1) for value, shared in zip(p, self._shared, strict=True) if not shared]
        rows = [np.ascontiguousarray(np.broadcast_to(value, self._agents), dtype=float) for value in values]
        found = numbers, rows, [row.ctypes.data for row in rows]
        # copies are not remembered: what they were made from may change
        same = isinstance(p, tuple) and all(np.shares_memory(a, b) for a, b in zip(rows, values, strict=True))
        self._last = (p, found) if same else None
        return found

    def _add_up(self, known: Array, whole: int, where: int, tail: int, fixed: tuple[int, int]) -> None:
        """Put the sums where the fields find them."""
        at, n = 0, self._agents
        vectors = n - n % WIDTH
        blocks = -(-vectors // BLOCK)
        for count, function in zip(self._sums, self._totals, strict=True):
            parts = np.zeros((count, blocks + 1))
            results = parts.ctypes.data
            function(0, vectors, where, *fixed, results, blocks + 1)
            if n > vectors:
                function(vectors - whole, n - whole, tail, *fixed, results + 8 * blocks, blocks + 1)
            known[at: at + count] = parts.sum(axis=1)
            at += count


def _pointer(build: Builder, table: str, row: int) -> Value:
    return build.load(build.at(build.argument(table), row, INTEGER), POINTER)


def _require_one_index(system: System) -> None:
    faults = []
    if len(system.indices) != 1:
        faults.append(f"{len(system.indices)} indices")
    faults += [f"parameter '{n}' is a matrix" for n, part in system.parameters.items() if part.sparse or len(part.over) > 1]
    faults += [f"the equation of '{n}' has a product" for n, e in system.field.items() if e.has(product)]
    if faults:
        raise SpecificationError(f"agent_field needs states over one index; '{system.name}' has {', '.join(faults)}", faults)
