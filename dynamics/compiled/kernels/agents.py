"""The field of many exchangeable agents, by compiled code that walks over arrays: sums first, then every agent."""

from __future__ import annotations

import ctypes
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
Addresses = NDArray[np.uint64]
WIDTH = 8       # of sums: on every processor, since the order of a sum follows from it
BLOCK = 16384   # agents summed in one go; the sums of blocks are added pairwise
IN_FLIGHT = 4   # vectors of agents at once: they fill each other's waiting times


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
        self._last: tuple[Sequence[Any], list[float], list[Array]] | None = None
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
        n, rows, numbers = self._agents, list[Array](), list[float]()
        result = np.empty_like(y) if out is None else out
        written, single, place = [], [], 0
        for over in self._indexed:
            size = n if over else 1
            if over:
                rows.append(y[place: place + size])
                written.append(result[place: place + size])
            else:
                numbers.append(float(y[place]))
                single.append(place)
            place += size
        more, others = self._split(p)
        numbers += more
        rows += others
        given = np.array([*numbers, t])
        whole = n - n % self._width
        # the last agents, fewer than are in flight, are walked over in arrays of their own, filled up with the last one
        ends = [_filled(row[whole:], self._width) for row in rows] if n > whole else []
        known = np.empty(sum(self._sums) + 1)
        where, last = _addresses(rows), _addresses(ends)
        fixed = given.ctypes.data, known.ctypes.data
        self._add_up(known, n, whole, where, last, fixed)
        if self._each is not None:
            self._each(0, whole, where.ctypes.data, *fixed, _addresses(written).ctypes.data)
            if ends:
                spare = [np.empty(self._width) for _ in written]
                self._each(0, self._width, last.ctypes.data, *fixed, _addresses(spare).ctypes.data)
                for row, values in zip(written, spare, strict=True):
                    row[whole:] = values[: n - whole]
        if self._once is not None:
            values = np.empty(len(single))
            self._once(0, 0, where.ctypes.data, *fixed, values.ctypes.data)
            result[single] = values
        return result

    def _split(self, p: Sequence[Any]) -> tuple[list[float], list[Array]]:
        """Return the parameters that all share, and those of each agent; remembered while the same tuple comes again."""
        if self._last is not None and self._last[0] is p:
            return self._last[1:]
        numbers = [float(value) for value, shared in zip(p, self._shared, strict=True) if shared]
        values = [np.reshape(value, -1) for value, shared in zip(p, self._shared, strict=True) if not shared]
        rows = [np.ascontiguousarray(np.broadcast_to(value, self._agents), dtype=float) for value in values]
        # copies are not remembered: what they were made from may change
        same = isinstance(p, tuple) and all(np.shares_memory(a, b) for a, b in zip(rows, values, strict=True))
        self._last = (p, numbers, rows) if same else None
        return numbers, rows

    def _add_up(self, known: Array, n: int, whole: int, where: Addresses, ends: Addresses, fixed: tuple[int, int]) -> None:
        """Put the sums where the fields find them."""
        at, vectors = 0, n - n % WIDTH
        blocks = -(-vectors // BLOCK)
        for count, function in zip(self._sums, self._totals, strict=True):
            parts = np.zeros((count, blocks + 1))
            function(0, vectors, where.ctypes.data, *fixed, parts.ctypes.data, blocks + 1)
            if n > vectors:
                function(vectors - whole, n - whole, ends.ctypes.data, *fixed, parts.ctypes.data + 8 * blocks, blocks + 1)
            known[at: at + count] = parts.sum(axis=1)
            at += count


def _filled(row: Array, size: int) -> Array:
    full = np.empty(size)
    full[: len(row)], full[len(row):] = row, row[-1]
    return full


def _addresses(rows: Sequence[Array]) -> Addresses:
    return np.array([row.ctypes.data for row in rows] or [0], dtype=np.uint64)


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
