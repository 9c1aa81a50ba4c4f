"""What a specification may ask for: entries of indexed quantities, and length of what its definitions stand for.

A few short lines can stand for more than any machine holds (an index of ten million, thirty definitions that each use
the one before twice), so both are counted before anything of that size is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sympy import Expr, Symbol

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.systems.ordering import evaluation_order

if TYPE_CHECKING:
    from dynamics.systems.specification import Parsed

__all__ = ["MOST_ENTRIES", "MOST_NODES", "check_arrays", "check_entries", "check_expansion", "check_lengths"]

# a million agents with four quantities each; as exact numbers they take about a second and 40 MB a million
MOST_ENTRIES = 4_000_000
# numbers, names and operations of all equations with their definitions put in: 45 times the longest of the packaged models,
# a hundred states that all act on each other; deriving and compiling takes about ten seconds there
MOST_NODES = 100_000


def check_entries(fields: Mapping[str, Any]) -> None:
    """Refuse indexed states and parameters with more entries than a specification can hold.

    Raises
    ------
    SpecificationError
        With the quantity that has most of them.
    """
    indices: Mapping[str, int] = fields["indices"]
    counts = {}
    for kind in ("states", "parameters"):
        for name, part in fields[kind].items():
            sparse = getattr(part, "sparse", False)
            if part.over and not sparse and all(index in indices for index in part.over):
                counts[f"{kind}.{name}"] = math.prod(indices[index] for index in part.over)
    if sum(counts.values()) <= MOST_ENTRIES:
        return
    where = max(counts, key=lambda name: counts[name])
    kind, name = where.split(".")
    shape = " x ".join(f"{index} = {indices[index]}" for index in fields[kind][name].over)
    others = f", all quantities together {sum(counts.values())}" if len(counts) > 1 else ""
    raise SpecificationError(f"{where}: {counts[where]} entries ({shape}){others}; a system holds at most {MOST_ENTRIES}. "
                             "Make an index smaller, or a matrix that is mostly zeros sparse")


def check_arrays(expression: Expr, over: Mapping[str, tuple[str, ...]], indices: Mapping[str, int], where: str) -> None:
    """Refuse an expression one part of which would be an array of more entries than a system can hold.

    Raises
    ------
    SpecificationError
    """
    shape = _widest(expression, over, indices)[1]
    count = math.prod(indices[index] for index in shape)
    if count > MOST_ENTRIES:
        shown = " x ".join(f"{index} = {indices[index]}" for index in sorted(shape))
        raise SpecificationError(f"{where}: a part of it runs over {shown}, {count} entries at once; at most {MOST_ENTRIES} "
                                 "can be computed. Make an index smaller, or use product(A, v) with a sparse A")


def _widest(expression: Expr, over: Mapping[str, tuple[str, ...]], indices: Mapping[str, int]
            ) -> tuple[frozenset[str], frozenset[str]]:
    """Return the indices of an expression, and those of the largest array on the way to it."""
    if isinstance(expression, Symbol):
        own = frozenset(over.get(expression.name, ()))
        return own, own
    if isinstance(expression, expressions.product):
        # a matrix times a vector is summed without the array of its terms
        matrix, vector = expression.args
        summed, largest = _widest(vector, over, indices)
        return frozenset(over.get(matrix.name, ())) - summed, largest
    if isinstance(expression, expressions.total):
        inner, largest = _widest(expression.args[0], over, indices)
        return inner - {expression.args[1].name}, largest
    parts = [_widest(argument, over, indices) for argument in expression.args]
    own = frozenset().union(*(part[0] for part in parts))
    return own, max((own, *(part[1] for part in parts)), key=lambda shape: math.prod(indices[i] for i in shape))


def check_lengths(parsed: Parsed) -> None:
    """Refuse definitions that use each other so often that the equations become too long to work with.

    Raises
    ------
    SpecificationError
        With the longest definition.
    """
    known: dict[str, int] = {}
    for entries in (parsed.definitions, parsed.observables):
        for name in evaluation_order(entries):
            known[name] = nodes(entries[name], known)
    total = sum(nodes(expression, known) for expression in _used(parsed))
    if total <= MOST_NODES:
        return
    if not known:
        raise SpecificationError(f"equations: {total} numbers, names and operations; at most {MOST_NODES} can be worked "
                                 "with. Write quantities of the same kind as one indexed quantity")
    longest = max(known, key=lambda name: known[name])
    kind = "definitions" if longest in parsed.definitions else "observables"
    raise SpecificationError(
        f"{kind}.{longest}: with the definitions it uses put in it has {known[longest]} numbers, names and operations, and "
        f"all that is to be computed has {total}; at most {MOST_NODES} can be worked with. Make a quantity that is used "
        "often a state, or use it less often")


def nodes(expression: Expr, known: Mapping[str, int]) -> int:
    """Count numbers, names and operations, a name as often as what it stands for."""
    if isinstance(expression, Symbol):
        return known.get(expression.name, 1)
    return 1 + sum(nodes(argument, known) for argument in expression.args)


def _used(parsed: Parsed) -> Iterator[Expr]:
    """Every expression that is evaluated along a trajectory."""
    for kind in (parsed.equations, parsed.observables, parsed.measures):
        yield from kind.values()
    for kind in (parsed.shocks, parsed.noise):
        for assign in kind.values():
            yield from assign.values()
    for kind in (parsed.events, parsed.jumps):
        for expression, assign in kind.values():
            yield expression
            yield from assign.values()


def check_expansion(target_of: Iterable[tuple[Expr, tuple[str, ...]]], parsed: Parsed, indices: Mapping[str, int],
                    sparse: Mapping[str, Any]) -> None:
    """Refuse to write an indexed system out where its scalar equations would be too long to work with.

    Parameters
    ----------
    target_of : iterable of (Expr, tuple of str)
        Each expression and the indices it is written out for.
    parsed : Parsed
    indices : mapping of str to int
    sparse : mapping of str to sized
        The places of the entries of sparse matrices.

    Raises
    ------
    SpecificationError
    """

    def written(expression: Expr) -> int:
        """Numbers, names and operations of one entry, sums over an index written out."""
        if isinstance(expression, expressions.total):
            return 1 + indices[expression.args[1].name] * written(expression.args[0])
        if isinstance(expression, expressions.product):
            matrix, vector = expression.args
            shape = [indices[index] for index in parsed.over[matrix.name]]
            count = len(sparse[matrix.name]) if matrix.name in sparse else math.prod(shape)
            # a row has its share of the entries; the shorter side is the safe guess for which side is summed
            return 1 + count // max(shape) * (2 + written(vector))
        return 1 + sum(written(argument) for argument in expression.args)

    total = sum(written(expression) * math.prod(indices[index] for index in target) for expression, target in target_of)
    if total > MOST_NODES:
        sizes = ", ".join(f"{name} = {size}" for name, size in indices.items())
        raise SpecificationError(f"expand: written out for {sizes} the system has about {total} numbers, names and "
                                 f"operations; at most {MOST_NODES} can be worked with. Make an index smaller")
