"""The field of many exchangeable agents, by compiled code that walks over arrays: sums first, then every agent."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Dummy, Expr, Symbol

from dynamics.compiled.kernels.ir import DOUBLE, INTEGER, POINTER, Builder, Module, Value
from dynamics.compiled.kernels.jit import ADDRESS, compile_kernel
from dynamics.compiled.kernels.tracing import Tracer
from dynamics.errors import SpecificationError
from dynamics.expressions import product, total
from dynamics.systems import TIME, System

__all__ = ["AgentField", "agent_field"]

Array = NDArray[np.float64]
WIDTH = 8       # on every processor, since the order of a sum follows from it
BLOCK = 16384   # agents summed in one go; the sums of blocks are added pairwise


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
        kernel = compile_kernel(self._text(stages, field))
        walk = [ctypes.c_int64, ctypes.c_int64, *[ADDRESS] * 4]
        self._totals = [kernel.function(f"total{depth}", walk) for depth in range(len(stages))]
        self._each = kernel.function("each", walk) if any(self._indexed) else None
        self._once = kernel.function("once", walk) if not all(self._indexed) else None

    # ---- code -------------------------------------------------------------------------------------------------------

    def _text(self, stages: Sequence[Sequence[tuple[Expr, Dummy]]], field: Sequence[Expr]) -> str:
        module = Module(WIDTH)
        known: list[Dummy] = []
        for depth, stage in enumerate(stages):
            self._totals_code(self._begin(module, f"total{depth}"), known, [node.args[0] for node, _ in stage])
            known += [name for _, name in stage]
        each = [e for e, over in zip(field, self._indexed, strict=True) if over]
        once = [e for e, over in zip(field, self._indexed, strict=True) if not over]
        if each:
            build = self._begin(module, "each")
            numbers = self._loaded(build, known)
            with build.count(build.argument("first"), build.argument("last"), WIDTH) as place:
                for row, value in enumerate(self._values(build, numbers, place, each)):
                    build.store(build.at(_pointer(build, "results", row), place), value)
            build.finish()
        if once:
            build = self._begin(module, "once")
            for row, value in enumerate(self._values(build, self._loaded(build, known), None, once)):
                build.store(build.at(build.argument("results"), row), build.lane(value, 0))
            build.finish()
        return module.text()

    def _begin(self, module: Module, name: str) -> Builder:
        return module.function(name, {"first": INTEGER, "last": INTEGER, "rows": POINTER, "numbers": POINTER,
                                      "known": POINTER, "results": POINTER})

    def _totals_code(self, build: Builder, known: Sequence[Dummy], terms: Sequence[Expr]) -> None:
        numbers, last = self._loaded(build, known), build.argument("last")
        sums = [build.variable(0.0) for _ in terms]
        end = build.spread(last)
        with build.count(build.argument("first"), last, WIDTH) as place:
            inside = build.compare("<", build.lane_numbers() + build.spread(place), end)
            for variable, value in zip(sums, self._values(build, numbers, place, terms), strict=True):
                variable.set(variable.get() + build.select(inside, value, 0.0))
        for row, variable in enumerate(sums):
            lanes = [build.lane(variable.get(), k) for k in range(WIDTH)]
            while len(lanes) > 1:
                lanes = [a + b for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
            build.store(build.at(build.argument("results"), row), lanes[0])
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
        n, rows, numbers = self._agents, [], []
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
        for value, shared in zip(p, self._shared, strict=True):
            if shared:
                numbers.append(float(value))
            else:
                rows.append(np.ascontiguousarray(np.broadcast_to(np.reshape(value, -1), n), dtype=float))
        given = np.array([*numbers, t])
        whole = n - n % WIDTH
        # the last agents, fewer than a vector, are walked over in arrays of their own, filled up with the last one
        ends = [np.pad(row[whole:], (0, WIDTH - n % WIDTH), mode="edge") for row in rows] if n > whole else []
        known = np.empty(sum(self._sums) + 1)
        at = 0
        for count, function in zip(self._sums, self._totals, strict=True):
            parts = np.zeros((-(-whole // BLOCK) + 1, count))
            for block, first in enumerate(range(0, whole, BLOCK)):
                _walk(function, first, min(first + BLOCK, whole), rows, given, known, parts[block])
            if ends:
                _walk(function, 0, n - whole, ends, given, known, parts[-1])
            known[at: at + count] = np.ascontiguousarray(parts.T).sum(axis=1)
            at += count
        if self._each is not None:
            _walk(self._each, 0, whole, rows, given, known, _addresses(written))
            if ends:
                spare = [np.empty(WIDTH) for _ in written]
                _walk(self._each, 0, WIDTH, ends, given, known, _addresses(spare))
                for row, values in zip(written, spare, strict=True):
                    row[whole:] = values[: n - whole]
        if self._once is not None:
            values = np.empty(len(single))
            _walk(self._once, 0, 0, [], given, known, values)
            result[single] = values
        return result


def _walk(function: Callable[..., Any], first: int, last: int, rows: Sequence[Array], numbers: Array, known: Array,
          results: NDArray[Any]) -> None:
    addresses = _addresses(rows)
    function(first, last, addresses.ctypes.data, numbers.ctypes.data, known.ctypes.data, results.ctypes.data)


def _addresses(rows: Sequence[Array]) -> NDArray[np.uint64]:
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
