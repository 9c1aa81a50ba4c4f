"""Indexed states: shapes of values, index bookkeeping of expressions, and the scalar system they stand for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

from sympy import Add, Expr, Integer, Rational, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.systems import sizes
from dynamics.systems.numbers import array_of, exact
from dynamics.systems.ordering import evaluation_order
from dynamics.systems.parts import Parameter, State

if TYPE_CHECKING:
    from dynamics.systems.specification import Parsed

__all__ = ["check_indices", "entries", "index_set", "initial_cells", "initial_value", "nested", "outside", "parameter_value",
           "scalar_expressions", "scalar_name"]


def parameter_value(part: Parameter, indices: Mapping[str, int], where: str) -> Any:
    """Return the exact value: a rational, nested tuples of them, or ``(row, column, value)`` triples when sparse."""
    if not part.over:
        return exact(part.value, f"{where}.value")
    shape = tuple(indices[index] for index in part.over)
    if not part.sparse:
        return array_of(part.value, shape, f"{where}.value")
    if len(shape) != 2:
        raise SpecificationError(f"{where}.sparse: a sparse parameter has two indices, not {len(shape)}")
    value = part.value
    if hasattr(value, "tocoo"):
        if tuple(value.shape) != shape:
            raise SpecificationError(f"{where}.value: the matrix has the shape {tuple(value.shape)}, "
                                     f"its indices have {shape}")
        coordinates = value.tocoo()
        value = list(zip(coordinates.row.tolist(), coordinates.col.tolist(), coordinates.data.tolist(), strict=True))
    if not isinstance(value, (tuple, list)):
        raise SpecificationError(f"{where}.value: a sparse value is a sequence of (row, column, value), counted from 0")
    cells: dict[tuple[int, int], Any] = {}
    for position, entry in enumerate(value):
        spot = f"{where}.value[{position}]"
        if not isinstance(entry, (tuple, list)) or len(entry) != 3 or any(
                isinstance(place, bool) or not isinstance(place, Integral) for place in entry[:2]):
            raise SpecificationError(f"{spot}: a sparse value is (row, column, value), counted from 0")
        cell = int(entry[0]), int(entry[1])
        if not (0 <= cell[0] < shape[0] and 0 <= cell[1] < shape[1]):
            raise SpecificationError(f"{spot}: {cell} is outside the shape {shape}")
        if cell in cells:
            raise SpecificationError(f"{spot}: the entry {cell} is given twice")
        cells[cell] = exact(entry[2], spot)
    return tuple((*cell, cells[cell]) for cell in sorted(cells))


def initial_value(state: State, names: Mapping[str, Symbol], indices: Mapping[str, int], where: str) -> Any:
    """Return the initial value: an expression in the parameters ``names``, or nested tuples of rationals."""
    shape = tuple(indices[index] for index in state.over)
    if not isinstance(state.initial, str):
        return array_of(state.initial, shape, where)
    expression = expressions.parse(state.initial, names, where=where)
    return array_of(expression, shape, where) if shape and expression.is_Rational else expression


def initial_cells(initial: Expr, target: tuple[str, ...], parsed: Parsed, indices: Mapping[str, int],
                  ) -> tuple[list[Expr], tuple[int, ...]]:
    """Return initial values and their shape: one for each cell over ``target``, or one for all cells."""
    indexed = [symbol for symbol in initial.free_symbols if parsed.over.get(symbol.name)]
    if not indexed:
        return [initial], ()
    cells = []
    for position in itertools.product(*(range(indices[index]) for index in target)):
        place = dict(zip(target, position, strict=True))
        entry: dict[Symbol, Any] = {}
        for symbol in indexed:
            value = parsed.values[symbol.name]
            for index in parsed.over[symbol.name]:
                value = value[place[index]]
            entry[symbol] = value
        cells.append(initial.xreplace(entry))
    return cells, tuple(indices[index] for index in target)


def nested(numbers: list[Any], shape: tuple[int, ...]) -> Any:
    """Return the numbers, last index fastest, as nested tuples of a shape; the number itself for none."""
    if not shape:
        return numbers[0]
    size = len(numbers)//shape[0]
    return tuple(nested(numbers[i*size:(i + 1)*size], shape[1:]) for i in range(shape[0]))


def entries(value: Any) -> Iterator[Any]:
    """Every number of a nested value."""
    if isinstance(value, tuple):
        for item in value:
            yield from entries(item)
    else:
        yield value


def outside(value: Any, part: Parameter, where: str) -> list[str]:
    """Say which numbers of a value lie outside the declared bounds."""
    numbers = (triple[2] for triple in value) if part.sparse and part.over else entries(value)
    low, high = part.bounds
    for number in numbers:
        if (low is not None and _less(number, low)) or (high is not None and _less(high, number)):
            shown = f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]"
            return [f"{where}: the value {float(number):g} is outside its bounds {shown}"]
    return []


def _less(first: Rational, second: Rational) -> bool:
    """Compare as SymPy does, without its checks: there may be hundreds of thousands of entries."""
    return bool(first.p * second.q < second.p * first.q)


def index_set(expression: Expr, over: Mapping[str, tuple[str, ...]], where: str) -> tuple[str, ...]:
    """Return the indices an expression runs over; ``total`` and ``product`` remove theirs.

    Raises
    ------
    SpecificationError
        If a reduction names an index its argument does not have.
    """
    if isinstance(expression, expressions.total):
        inner, index = index_set(expression.args[0], over, where), expression.args[1].name
        if index not in inner:
            raise SpecificationError(f"{where}: total(..., {index}) of an expression that does not run over '{index}'")
        return tuple(i for i in inner if i != index)
    if isinstance(expression, expressions.product):
        matrix, vector = expression.args
        if not isinstance(matrix, Symbol) or len(over.get(matrix.name, ())) != 2:
            raise SpecificationError(
                f"{where}: product(A, v) needs a parameter A with two indices as its first argument")
        rows, columns = over[matrix.name]
        inner = index_set(vector, over, where)
        if inner == (columns,):
            return (rows,)
        if inner == (rows,):
            return (columns,)
        raise SpecificationError(f"{where}: product({matrix.name}, v) needs v over '{columns}' (or '{rows}'), "
                                 f"not over {', '.join(map(repr, inner)) or 'nothing'}")
    if isinstance(expression, Symbol):
        found = over.get(expression.name, ())
        if len(set(found)) < len(found):
            raise SpecificationError(
                f"{where}: '{expression.name}' has the index '{found[0]}' twice; use it inside product()")
        return found
    collected: list[str] = []
    for argument in expression.args:
        collected += [i for i in index_set(argument, over, where) if i not in collected]
    return tuple(collected)


def _outside_products(expression: Expr) -> set[str]:
    """Names used anywhere but as the matrix of a product."""
    if isinstance(expression, Symbol):
        return {expression.name}
    inner = expression.args[1:] if isinstance(expression, expressions.product) else expression.args
    return set().union(*(_outside_products(argument) for argument in inner))


def check_indices(fields: dict[str, Any], parsed: Parsed, faults: list[str]) -> None:
    """Give definitions and observables their indices (in ``parsed.over``) and check that the equations fit."""

    sparse = {name for name, part in fields["parameters"].items() if part.sparse and part.over}

    def of(expression: Expr, where: str) -> tuple[str, ...]:
        loose = sorted(sparse & _outside_products(expression)) if sparse else []
        if loose:
            faults.append(f"{where}: the sparse parameter '{loose[0]}' is used only as the first argument of product()")
        try:
            sizes.check_arrays(expression, parsed.over, fields["indices"], where)
            return tuple(sorted(index_set(expression, parsed.over, where), key=order.index))
        except SpecificationError as error:
            faults.extend(error.faults)
            return ()

    order = list(fields["indices"])
    for kind in ("definitions", "observables"):
        entries_of_kind = getattr(parsed, kind)
        for name in evaluation_order(entries_of_kind):
            parsed.over[name] = of(entries_of_kind[name], f"{kind}.{name}")
    for kind in ("equations", "noise", "shocks", "events", "jumps"):
        for name, item in getattr(parsed, kind).items():
            targets = {name: item} if kind == "equations" else item[1] if isinstance(item, tuple) else item
            for target, expression in targets.items():
                extra = set(of(expression, f"{kind}.{name}")) - set(fields["states"][target].over)
                if extra:
                    faults.append(f"{kind}.{name}: runs over {sorted(extra)}, which '{target}' does not; "
                                  "use total(...)")
    for name, initial in parsed.initial.items():
        extra = set(of(initial, f"states.{name}.initial")) - set(fields["states"][name].over) \
            if isinstance(initial, Expr) else set()
        if extra:
            faults.append(f"states.{name}.initial: runs over {sorted(extra)}, which '{name}' does not")
    scalars = {**{f"measures.{n}": e for n, e in parsed.measures.items()},
               **{f"measures.{n}.transform": e for n, e in parsed.transforms.items()},
               **{f"events.{n}": e[0] for n, e in parsed.events.items()},
               **{f"jumps.{n}.rate": e[0] for n, e in parsed.jumps.items()},
               **{f"invariants.{n}": e for n, e in parsed.invariants.items()}}
    for where, expression in scalars.items():
        found = of(expression, where)
        if found:
            faults.append(f"{where}: runs over {list(found)}; reduce it to one number with total(...)")


def scalar_name(name: str, position: tuple[int, ...]) -> str:
    """Name of one entry of an indexed quantity: ``x`` at (0, 2) is ``x_1_3``."""
    return "_".join((name, *(str(i + 1) for i in position)))


def scalar_expressions(expression: Expr, target: tuple[str, ...], over: Mapping[str, tuple[str, ...]],
                       indices: Mapping[str, int], sparse: Mapping[str, frozenset[tuple[int, int]]],
                       ) -> Iterator[tuple[tuple[int, ...], Expr]]:
    """Yield ``(position, scalar expression)`` for each entry of an expression over the indices ``target``."""

    def at(node: Expr, place: Mapping[str, int]) -> Expr:
        if isinstance(node, Symbol):
            position = tuple(place[i] for i in over.get(node.name, ()))
            return Symbol(scalar_name(node.name, position)) if position else node
        if isinstance(node, expressions.total):
            index = node.args[1].name
            return Add(*(at(node.args[0], {**place, index: k}) for k in range(indices[index])))
        if isinstance(node, expressions.product):
            matrix, vector = node.args
            rows, columns = over[matrix.name]
            transposed = index_set(vector, over, "") == (rows,) and rows != columns
            kept, summed = (columns, rows) if transposed else (rows, columns)
            terms = []
            for k in range(indices[summed]):
                position = (k, place[kept]) if transposed else (place[kept], k)
                if matrix.name in sparse and position not in sparse[matrix.name]:
                    continue
                terms.append(Symbol(scalar_name(matrix.name, position)) * at(vector, {**place, summed: k}))
            return Add(*terms)
        if not node.args:
            return node
        return node.func(*(at(argument, place) for argument in node.args))

    for position in itertools.product(*(range(indices[index]) for index in target)):
        result = at(expression, dict(zip(target, position, strict=True)))
        yield position, result if result is not None else Integer(0)
